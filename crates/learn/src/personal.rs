//! What single owners of mailboxes want and do not want, where it is not what everybody does: a newsletter that one reads is another's junk.
//!
//! All owners share one table of weights, in which a word has a place of its own for each owner, by a hash of both (Weinberger et al. 2009; Attenberg
//! et al. 2009). What two owners have at one place by chance is noise that the words of a message average away. An owner's labels teach only what the
//! model of all did not know: the step is what is left of the error, so that who is of one mind with everybody teaches nothing here.

use crate::Label;
use crate::content::sigmoid;
use crate::snapshot::Reader;
use crate::view::Seen;

/// Labels of an owner before they are heard: one or two may be slips.
pub const LABELS_MIN: u8 = 20;
/// How far an owner's labels can move log-odds: between doubt and near certainty, and no farther.
pub const MOVED_MAX: f64 = 4.0;
/// Places of weights, as a power of two.
const BITS: u32 = 20;
/// Places of counts of labels, as a power of two.
const COUNT_BITS: u32 = 18;
/// Half the step of the wary head of the model of all: what is common is learnt there.
const RATE: f64 = 2.0;
/// Weights are whole numbers of this size, so that sums depend on no order.
const UNIT: f64 = 1.0 / (1 << 20) as f64;
/// A weight takes this many bytes in a file, with its place.
const ENTRY_BYTES: usize = 8;

/// The weights of all owners.
#[derive(Clone, PartialEq, Eq)]
pub struct Shares {
    weights: Vec<i32>,
    /// Labels given, for the owner's place; the most that fits when there were more.
    labels: Vec<u8>,
}

/// What the labels of one owner make of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// How many they have given, 255 for more.
    pub labels: u8,
    /// How far they move the log-odds, at most [`MOVED_MAX`] either way; above zero towards unwanted.
    pub by: f64,
}

impl std::fmt::Debug for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let used = self.weights.iter().filter(|weight| **weight != 0).count();
        f.debug_struct("Shares")
            .field("used", &used)
            .finish_non_exhaustive()
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            weights: vec![0; 1 << BITS],
            labels: vec![0; 1 << COUNT_BITS],
        }
    }
}

impl Shares {
    /// What an owner's labels make of a message; `None` while there are fewer than [`LABELS_MIN`].
    pub fn share(&self, owner: u64, seen: &Seen) -> Option<Share> {
        let labels = self.labels[count_place(owner)];
        (labels >= LABELS_MIN).then(|| Share {
            labels,
            by: self.moved(owner, seen),
        })
    }

    /// Were as many of an owner's labels learnt as are counted?
    pub fn is_full(&self, owner: u64) -> bool {
        self.labels[count_place(owner)] == u8::MAX
    }

    /// Learns what an owner says of a message that is unwanted by these log-odds without them.
    pub fn learn(&mut self, owner: u64, seen: &Seen, log_odds: f64, label: Label) {
        let count = &mut self.labels[count_place(owner)];
        *count = count.saturating_add(1);
        let ids = &seen.tokens.ids;
        let unwanted = f64::from(label == Label::Spam);
        let error = unwanted - sigmoid(log_odds + self.moved(owner, seen));
        let step = (RATE * error / root(ids) / UNIT).round() as i32;
        for id in ids {
            let weight = &mut self.weights[place(owner, *id)];
            *weight = weight.wrapping_add(step);
        }
    }

    fn moved(&self, owner: u64, seen: &Seen) -> f64 {
        let ids = &seen.tokens.ids;
        let weights = ids.iter().map(|id| self.weights[place(owner, *id)]);
        let sum: i64 = weights.map(i64::from).sum();
        (sum as f64 * UNIT / root(ids)).clamp(-MOVED_MAX, MOVED_MAX)
    }

    /// What is not zero, with its place: a small site has a small file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let used = self.weights.iter().filter(|weight| **weight != 0).count();
        let counted = self.labels.iter().filter(|count| **count != 0).count();
        let mut bytes = Vec::with_capacity(8 + used * ENTRY_BYTES + counted * 5);
        bytes.extend_from_slice(&(used as u32).to_le_bytes());
        for (at, weight) in (0_u32..).zip(&self.weights) {
            if *weight != 0 {
                bytes.extend_from_slice(&at.to_le_bytes());
                bytes.extend_from_slice(&weight.to_le_bytes());
            }
        }
        bytes.extend_from_slice(&(counted as u32).to_le_bytes());
        for (at, count) in (0_u32..).zip(&self.labels) {
            if *count != 0 {
                bytes.extend_from_slice(&at.to_le_bytes());
                bytes.push(*count);
            }
        }
        bytes
    }

    /// Reads [`Shares::to_bytes`]; `None` when they cannot be that.
    pub(crate) fn from_bytes(bytes: &mut Reader<'_>) -> Option<Self> {
        let mut personal = Self::default();
        for _ in 0..bytes.u32()? {
            let at = bytes.u32()? as usize;
            *personal.weights.get_mut(at)? = bytes.i32()?;
        }
        for _ in 0..bytes.u32()? {
            let at = bytes.u32()? as usize;
            *personal.labels.get_mut(at)? = *bytes.take(1)?.first()?;
        }
        Some(personal)
    }
}

/// Where an owner's weight of a feature is.
fn place(owner: u64, id: u32) -> usize {
    let mixed = (owner ^ u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93) >> (64 - BITS)) as usize
}

/// Where an owner's labels are counted. Numbers of owners are hashes already.
const fn count_place(owner: u64) -> usize {
    (owner >> (64 - COUNT_BITS)) as usize
}

fn root(ids: &[u32]) -> f64 {
    (ids.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use mail::Limits;

    use super::*;
    use crate::{Key, Letter, Needs, Scope, Viewer};

    const ANN: u64 = 0x0123_4567_89ab_cdef;
    const BOB: u64 = 0xfedc_ba98_7654_3210;

    fn seen(subject: &str, number: u32) -> Seen {
        let needs = Needs {
            content: true,
            text: false,
        };
        let key = Key::new(b"test");
        let raw = format!(
            "From: letters@shop.example\r\nSubject: {subject} {number}\r\n\r\nAll about {subject}, number {number}, this week and the next.\r\n"
        );
        let mut viewer = Viewer::new(key, Scope::default(), needs, Limits::default());
        viewer.see(&Letter::found(raw.as_bytes())).seen
    }

    /// Ann wants what everybody calls junk with log-odds of 3, and calls junk what everybody wants.
    fn taught(labels: u32) -> Shares {
        let mut personal = Shares::default();
        for number in 0..labels {
            let (subject, odds, label) = if number.is_multiple_of(2) {
                ("garden roses", 3.0, Label::Ham)
            } else {
                ("football scores", -3.0, Label::Spam)
            };
            personal.learn(ANN, &seen(subject, number), odds, label);
        }
        personal
    }

    #[test]
    fn who_wants_what_others_do_not_is_heard_from_twenty_labels_on() {
        let (roses, scores) = (seen("garden roses", 900), seen("football scores", 901));
        assert_eq!(taught(19).share(ANN, &roses), None);
        let personal = taught(40);
        let share = |owner, seen: Seen| personal.share(owner, &seen);
        let (roses, scores) = (
            share(ANN, roses).expect("heard"),
            share(ANN, scores).expect("heard"),
        );
        assert!(roses.labels == 40 && roses.by < -3.0, "{roses:?}");
        assert!(scores.by > 3.0, "{scores:?}");
        assert_eq!(share(BOB, seen("garden roses", 902)), None);
        // What neither was about is left alone.
        let other = share(ANN, seen("board meeting", 903)).expect("heard");
        assert!(other.by.abs() < 1.5, "{other:?}");
    }

    #[test]
    fn who_is_of_one_mind_with_everybody_moves_nothing() {
        let mut personal = Shares::default();
        for number in 0..40 {
            let spam = number % 2 == 0;
            let (subject, odds) = if spam {
                ("casino", 5.0)
            } else {
                ("minutes", -5.0)
            };
            let label = if spam { Label::Spam } else { Label::Ham };
            personal.learn(BOB, &seen(subject, number), odds, label);
        }
        let share = personal.share(BOB, &seen("casino", 99)).expect("heard");
        assert!(share.by.abs() < 0.3, "{share:?}");
    }

    #[test]
    fn a_crowd_of_owners_does_not_drown_one_of_them() {
        let mut personal = taught(40);
        let before = personal
            .share(ANN, &seen("garden roses", 900))
            .expect("heard");
        // Two thousand owners with ten labels each that surprise.
        for owner in 1..2_000_u64 {
            let owner = owner.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            for number in 0..10 {
                let label = if number % 2 == 0 {
                    Label::Ham
                } else {
                    Label::Spam
                };
                personal.learn(owner, &seen("garden roses", number), 0.0, label);
            }
        }
        let after = personal
            .share(ANN, &seen("garden roses", 900))
            .expect("heard");
        assert!(
            (after.by - before.by).abs() < 1.0,
            "{before:?}, then {after:?}"
        );
    }

    #[test]
    fn no_owner_moves_it_farther_than_allowed_and_a_file_says_the_same() {
        let mut personal = taught(40);
        for number in 0..300 {
            personal.learn(ANN, &seen("garden roses", number), 20.0, Label::Ham);
        }
        let share = personal
            .share(ANN, &seen("garden roses", 7))
            .expect("heard");
        assert_eq!((share.labels, share.by), (255, -MOVED_MAX));
        let bytes = personal.to_bytes();
        assert!(Shares::from_bytes(&mut Reader(&bytes)) == Some(personal));
        assert_eq!(
            Shares::from_bytes(&mut Reader(&bytes[..bytes.len() - 1])),
            None
        );
        let far = [1, 0, 0, 0, 0, 0, 0xff, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Shares::from_bytes(&mut Reader(&far)), None, "no such place");
    }
}
