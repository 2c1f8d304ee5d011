//! Phase 1 as the service learns it: complement naive Bayes (Rennie et al. 2003) over classes that people name, on the tokens of a message's body.
//!
//! A class is wanted or unwanted mail, or a type of either: `advance-fee`, `lottery`, `newsletter`. It is there from its first lesson on. The class is
//! chosen whose complement fits the message worst; what goes on to phase 2 ([`crate::phases::Live`]) is that class and the message's tokens.

use serde::{Deserialize, Serialize};

use crate::phases::complement;
use crate::snapshot::Reader;
use crate::view::{Seen, Sight};
use crate::{Classifier, Label, Lesson, Opinion};

/// Classes that are told apart; lessons of further ones teach what wanted and unwanted mail is.
pub const CLASSES_MAX: usize = 16;
/// Longest name of a class, bytes.
pub const CLASS_BYTES_MAX: usize = 32;
/// Mail that is wanted, where nobody says of which class.
pub const WANTED: &str = "wanted";
/// Mail that is not.
pub const UNWANTED: &str = "unwanted";
/// Tokens that are told apart, as a power of two, for each class.
const BITS: u32 = 17;
const PLACES: usize = 1 << BITS;
/// What a message scores while only unwanted mail is known: more than values per token can differ.
const ONLY: f64 = 20.0;
/// Tokens of one message that count.
const TOKENS_MAX: usize = 2000;

/// What is known of every class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    known: Vec<Known>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    about: About,
    /// In how many of its messages a token was.
    counts: Vec<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    name: String,
    unwanted: bool,
    messages: u32,
    tokens: u64,
}

/// What phase 1 hands on.
#[derive(Clone, Debug, PartialEq)]
pub struct First {
    /// The class whose complement value is lowest.
    pub class: String,
    /// Is that class unwanted?
    pub unwanted: bool,
    /// The complement value of every class, per token.
    pub values: Vec<(String, f64)>,
    /// The message's tokens by number, with in how many messages of the class each was.
    pub tokens: Vec<(u32, u16)>,
}

/// May a class be called so? Lower-case letters, digits and `-`, beginning with a letter.
pub fn is_class(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=CLASS_BYTES_MAX).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(plain)
}

impl Classes {
    /// Learns a message of a class; without a name, or with one that means the opposite already, of wanted or unwanted mail.
    pub fn learn(&mut self, seen: &Seen, name: &str, unwanted: bool) {
        let Some(known) = self.taught(name, unwanted) else {
            return;
        };
        for token in tokens(seen) {
            let count = &mut known.counts[token as usize];
            *count = count.saturating_add(1);
            known.about.tokens += 1;
        }
        known.about.messages = known.about.messages.saturating_add(1);
    }

    /// The class that a lesson is about.
    fn taught(&mut self, name: &str, unwanted: bool) -> Option<&mut Known> {
        let usual = if unwanted { UNWANTED } else { WANTED };
        let place = self
            .place(name, unwanted)
            .or_else(|| self.place(usual, unwanted))?;
        self.known.get_mut(place)
    }

    /// Judges a message; `None` before both wanted and unwanted mail is known.
    pub fn find(&self, seen: &Seen) -> Option<First> {
        let of = |unwanted| self.known.iter().any(|one| one.about.unwanted == unwanted);
        if !(of(true) && of(false)) {
            return None;
        }
        let tokens = tokens(seen);
        let totals: Vec<u64> = self.known.iter().map(|one| one.about.tokens).collect();
        let rows = tokens.iter().map(|token| {
            let counts = self
                .known
                .iter()
                .map(|one| u32::from(one.counts[*token as usize]));
            counts.collect::<Vec<u32>>()
        });
        let values = complement(rows, &totals, PLACES);
        let lowest =
            (0..values.len()).min_by(|one, other| values[*one].total_cmp(&values[*other]))?;
        let chosen = &self.known[lowest];
        Some(First {
            class: chosen.about.name.clone(),
            unwanted: chosen.about.unwanted,
            values: self
                .known
                .iter()
                .zip(values)
                .map(|(known, value)| (known.about.name.clone(), value))
                .collect(),
            tokens: tokens
                .into_iter()
                .map(|token| (token, chosen.counts[token as usize]))
                .collect(),
        })
    }

    /// The classes, each with whether it is unwanted, and how many messages it was taught by.
    pub fn list(&self) -> Vec<(String, bool, u32)> {
        let about = self.known.iter().map(|one| &one.about);
        about
            .map(|about| (about.name.clone(), about.unwanted, about.messages))
            .collect()
    }

    /// Where a class is, made if there is room; `None` for one that means the opposite, or that nobody may be called.
    fn place(&mut self, name: &str, unwanted: bool) -> Option<usize> {
        if let Some(place) = self.known.iter().position(|one| one.about.name == name) {
            return (self.known[place].about.unwanted == unwanted).then_some(place);
        }
        // Wanted and unwanted mail have their places whatever comes first.
        let usual = [WANTED, UNWANTED].contains(&name);
        let others = self
            .known
            .iter()
            .filter(|one| ![WANTED, UNWANTED].contains(&one.about.name.as_str()));
        if !is_class(name) || (!usual && others.count() + 2 >= CLASSES_MAX) {
            return None;
        }
        self.known.push(Known {
            about: About {
                name: name.to_owned(),
                unwanted,
                messages: 0,
                tokens: 0,
            },
            counts: vec![0; PLACES],
        });
        Some(self.known.len() - 1)
    }

    /// As bytes, behind a course.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let about: Vec<&About> = self.known.iter().map(|one| &one.about).collect();
        // Plain text and numbers: cannot fail.
        let about = serde_json::to_vec(&about).unwrap_or_default();
        let mut bytes = Vec::with_capacity(4 + about.len() + self.known.len() * PLACES * 2);
        bytes.extend_from_slice(&(about.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&about);
        for count in self.known.iter().flat_map(|one| &one.counts) {
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        bytes
    }

    /// Reads them; `None` for what cannot be.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let length = reader.u32()?;
        let about: Vec<About> = serde_json::from_slice(reader.take(length as usize)?).ok()?;
        let sound = about.len() <= CLASSES_MAX
            && about.iter().all(|one| is_class(&one.name))
            && reader.0.len() == about.len() * PLACES * 2;
        if !sound {
            return None;
        }
        let mut known = Vec::with_capacity(about.len());
        for about in about {
            let counts = reader.take(PLACES * 2)?;
            let counts = counts
                .chunks_exact(2)
                .map(|two| u16::from_le_bytes([two[0], two[1]]));
            known.push(Known {
                about,
                counts: counts.collect(),
            });
        }
        Some(Self { known })
    }
}

/// As a classifier beside others: how much better the likeliest unwanted class fits than the likeliest wanted one.
impl Classifier for Classes {
    fn classify(&mut self, sight: &Sight) -> Opinion {
        let Some(first) = self.find(&sight.seen) else {
            // Of one kind nothing is known: everything is of the other.
            let only = self.known.first().map(|known| known.about.unwanted);
            return Opinion::of(only.map_or(0.0, |unwanted| if unwanted { ONLY } else { -ONLY }));
        };
        let lowest = |unwanted: bool| {
            let of = self.known.iter().zip(&first.values);
            of.filter(|(known, _)| known.about.unwanted == unwanted)
                .map(|(_, (_, value))| *value)
                .fold(f64::INFINITY, f64::min)
        };
        Opinion::of(lowest(false) - lowest(true))
    }

    fn learn(&mut self, sight: &Sight, lesson: Lesson) {
        Self::learn(self, &sight.seen, "", lesson.label == Label::Spam);
    }
}

/// The distinct tokens of the body.
fn tokens(seen: &Seen) -> Vec<u32> {
    let body = seen
        .tokens
        .ids
        .get(seen.tokens.header..)
        .unwrap_or_default();
    let mut tokens: Vec<u32> = body.iter().map(|id| id & (PLACES as u32 - 1)).collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens.truncate(TOKENS_MAX);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Features;

    fn seen(words: &[u32]) -> Seen {
        Seen {
            tokens: Features {
                ids: [&[500_000][..], words].concat(),
                header: 1,
            },
            ..Seen::default()
        }
    }

    fn taught() -> Classes {
        let mut classes = Classes::default();
        for _ in 0..5 {
            classes.learn(&seen(&[1, 2, 3, 4]), "", false);
            classes.learn(&seen(&[11, 12, 13, 14]), "", true);
            classes.learn(&seen(&[21, 22, 23, 24]), "lottery", true);
            classes.learn(&seen(&[31, 32, 33, 34]), "newsletter", false);
        }
        classes
    }

    #[test]
    fn the_class_whose_complement_fits_worst_is_chosen_and_every_value_told() {
        let classes = taught();
        for (words, class, unwanted) in [
            ([1, 2, 3, 99], WANTED, false),
            ([11, 12, 98, 99], UNWANTED, true),
            ([21, 22, 98, 99], "lottery", true),
            ([31, 32, 33, 99], "newsletter", false),
        ] {
            let first = classes.find(&seen(&words)).expect("both kinds are known");
            assert_eq!((first.class.as_str(), first.unwanted), (class, unwanted));
            assert_eq!(first.values.len(), 4);
            let value = |name: &str| {
                first
                    .values
                    .iter()
                    .find(|one| one.0 == name)
                    .expect("told")
                    .1
            };
            assert!(first.values.iter().all(|one| one.1 >= value(class)));
            assert_eq!(first.tokens.len(), 4);
            assert_eq!(first.tokens[0], (words[0], 5));
        }
        let mut young = Classes::default();
        young.learn(&seen(&[1]), "", true);
        assert_eq!(young.find(&seen(&[1])), None);
    }

    #[test]
    fn a_class_means_one_thing_and_there_are_not_too_many() {
        let mut classes = taught();
        // Called wanted now: it teaches what wanted mail is, and lottery stays what it was.
        classes.learn(&seen(&[21]), "lottery", false);
        let messages = |classes: &Classes, name: &str| {
            let list = classes.list();
            list.iter().find(|one| one.0 == name).map(|one| one.2)
        };
        assert_eq!(
            (messages(&classes, "lottery"), messages(&classes, WANTED)),
            (Some(5), Some(6))
        );
        for number in 0..40 {
            classes.learn(&seen(&[1]), &format!("type{number}"), true);
        }
        for bad in ["Lottery", "a b", "9a", "-a", "<b>", &"x".repeat(33)] {
            classes.learn(&seen(&[1]), bad, true);
        }
        assert_eq!(classes.list().len(), CLASSES_MAX);
        // What had no place counts as unwanted mail all the same.
        assert_eq!(messages(&classes, UNWANTED), Some(5 + 28 + 6));
    }

    #[test]
    fn it_is_a_classifier() {
        let mut classes = taught();
        let sight = |words: &[u32]| Sight {
            seen: seen(words),
            ..Sight::default()
        };
        assert!(classes.classify(&sight(&[11, 12])).is_spam());
        assert!(classes.classify(&sight(&[21, 22])).is_spam());
        assert!(!classes.classify(&sight(&[31, 32])).is_spam());
        let lesson = Lesson {
            label: Label::Ham,
            trust: crate::Trust::Trusted,
            chosen: false,
        };
        for _ in 0..20 {
            Classifier::learn(&mut classes, &sight(&[11, 12]), lesson);
        }
        assert!(!classes.classify(&sight(&[11, 12])).is_spam());
    }

    #[test]
    fn bytes_are_read_again_and_nonsense_is_not() {
        let classes = taught();
        let bytes = classes.to_bytes();
        assert_eq!(Classes::from_bytes(&bytes), Some(classes));
        for end in [0, 3, 20, bytes.len() / 2, bytes.len() - 1] {
            assert_eq!(Classes::from_bytes(&bytes[..end]), None, "{end}");
        }
        assert_eq!(
            Classes::from_bytes(&Classes::default().to_bytes()),
            Some(Classes::default())
        );
    }
}
