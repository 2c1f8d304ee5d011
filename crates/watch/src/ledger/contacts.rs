//! Who was met before, and since when: an account's networks and devices, and the people it writes to.

use mail::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::{Seconds, seconds};

/// A day, in seconds.
const DAY_SECS: u32 = 86_400;
/// A contact counts so long after it was last met: behaviour.md 4.1, "≥ 1 success in 30 d".
const REMEMBERED_SECS: u32 = 30 * DAY_SECS;
/// Before a contact is settled it has been known for a week (behaviour.md 3.3 and 3.4: device age < 7 d) …
const SETTLED_SECS: u32 = 7 * DAY_SECS;
/// … and met on three, so that one quiet login does not make a stranger at home.
const SETTLED_DAYS: u16 = 3;
/// People remembered for each account; then chance decides who is forgotten. Four bytes each, exact, against 1.2 bytes and one wrong
/// in a hundred for a Bloom filter: most accounts write to few.
const PEOPLE_MAX: usize = 4096;

/// One network, device or country that an account was successfully used from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contact {
    thing: u32,
    first: Seconds,
    last: Seconds,
    days: u16,
}

/// The last `MOST` of them, by when they were last met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contacts<const MOST: usize>(Vec<Contact>);

impl<const MOST: usize> Contacts<MOST> {
    /// Meets a thing.
    pub(crate) fn meet(&mut self, at: Timestamp, thing: u32) {
        let now = seconds(at);
        if let Some(known) = self.0.iter_mut().find(|known| known.thing == thing) {
            known.days += u16::from(now / DAY_SECS > known.last / DAY_SECS);
            known.last = known.last.max(now);
            return;
        }
        if self.0.len() >= MOST {
            let fresh = self.0.iter().enumerate().min_by_key(|(_, known)| {
                // A day of use is worth a day of remembering: passing through many hotels does not push out the office.
                known.last.saturating_add(u32::from(known.days) * DAY_SECS)
            });
            if let Some((place, _)) = fresh {
                self.0.swap_remove(place);
            }
        }
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact((self.0.len() / 2).max(1));
        }
        self.0.push(Contact {
            thing,
            first: now,
            last: now,
            days: 1,
        });
    }

    /// Since when it is known; `None` when it is not, or was not met for a month.
    pub(crate) fn since(&self, at: Timestamp, thing: u32) -> Option<Timestamp> {
        let known = self.0.iter().find(|known| known.thing == thing)?;
        let fresh = seconds(at).saturating_sub(known.last) <= REMEMBERED_SECS;
        fresh.then(|| Timestamp::from_secs(i64::from(known.first)))
    }

    /// Is it known so well that it is home? `born` is when the account was first seen: what it used in its first week is.
    pub(crate) fn settled(&self, at: Timestamp, thing: u32, born: Seconds) -> bool {
        self.0.iter().any(|known| {
            let old = seconds(at).saturating_sub(known.first) >= SETTLED_SECS;
            let learnt = known.first.saturating_sub(born) < 7 * DAY_SECS;
            known.thing == thing
                && seconds(at).saturating_sub(known.last) <= REMEMBERED_SECS
                && (learnt || (old && known.days >= SETTLED_DAYS))
        })
    }

    /// On how many days a thing was met, and on how many all of them were.
    pub(crate) fn days(&self, thing: u32) -> (f64, f64) {
        let known = self.0.iter().find(|known| known.thing == thing);
        let all = self.0.iter().map(|known| f64::from(known.days)).sum();
        (known.map_or(0.0, |known| f64::from(known.days)), all)
    }

    /// Forgets what was first met after `since`: a thief's traces, once it is known that it was one.
    pub(crate) fn forget_since(&mut self, since: Timestamp) {
        self.0.retain(|known| known.first < seconds(since));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Contact>()
    }
}

/// People an account has written to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct People(Vec<u32>);

impl People {
    /// Has it written to them?
    pub(crate) fn knows(&self, person: u32) -> bool {
        self.0.binary_search(&person).is_ok()
    }

    /// It writes to them; were they new?
    pub(crate) fn meet(&mut self, person: u32) -> bool {
        let Err(place) = self.0.binary_search(&person) else {
            return false;
        };
        if self.0.len() >= PEOPLE_MAX {
            // The person's own hash is the die: any other of them goes, and the same operations forget the same people.
            let gone = (person.rotate_left(16) as usize) % self.0.len();
            self.0.remove(gone);
            let place = if gone < place { place - 1 } else { place };
            self.0.insert(place, person);
            return true;
        }
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact((self.0.len() / 4).max(4));
        }
        self.0.insert(place, person);
        true
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn one_quiet_login_makes_nobody_at_home() {
        let mut contacts = Contacts::<8>::default();
        let born = seconds(START) - 100 * DAY_SECS;
        contacts.meet(START, 1);
        let later = START.plus_secs(8 * 86_400);
        assert!(contacts.since(later, 1).is_some());
        assert!(!contacts.settled(later, 1, born));
        for day in 1..3 {
            contacts.meet(START.plus_secs(day * 86_400), 1);
        }
        assert!(contacts.settled(later, 1, born));
        assert!(!contacts.settled(START.plus_secs(60 * 86_400), 1, born));
    }

    #[test]
    fn hotels_do_not_push_out_the_office() {
        let mut contacts = Contacts::<4>::default();
        for day in 0..40 {
            contacts.meet(START.plus_secs(day * 86_400), 1);
        }
        for hotel in 2..20 {
            contacts.meet(START.plus_secs((40 + i64::from(hotel) / 4) * 86_400), hotel);
        }
        assert!(contacts.since(START.plus_secs(46 * 86_400), 1).is_some());
        assert_eq!(contacts.len(), 4);
    }

    #[test]
    fn people_are_bounded() {
        let mut people = People::default();
        assert!(people.meet(7) && !people.meet(7) && people.knows(7));
        for person in 0..20_000_u32 {
            people.meet(person.wrapping_mul(0x9e37_79b9));
        }
        assert!(people.0.len() <= PEOPLE_MAX && people.0.is_sorted());
    }
}
