//! All domains, within a budget: newcomers in two generations, regulars by what they are worth.

use std::collections::HashMap;
use std::net::IpAddr;

use mail::standing::{Counts, DayCounts, KeySeen, Switch, day_of};
use mail::{Domain, Timestamp};

use super::days::Entry;
use super::observe::Observation;
use super::settings::Settings;
use super::stage;
use crate::bounded::{Dice, Generations, hash};

/// Bytes a domain seen once costs: 48 of its own, and what a hash table leaves free.
const NEWCOMER_BYTES: usize = 112;

/// The table.
pub(super) struct Domains {
    secret: u64,
    bytes_max: usize,
    bytes: usize,
    index: HashMap<u64, usize>,
    regulars: Vec<(u64, Entry)>,
    /// Domains seen once.
    newcomers: Generations<Newcomer>,
    dice: Dice,
    evicted: u64,
}

/// The one message of a domain seen once, without its name.
struct Newcomer {
    at: Timestamp,
    server: Option<IpAddr>,
    /// The numbers of [`Counts`] that are 1, as bits.
    ones: u32,
}

/// What is new to whoever keeps it.
pub(super) enum Told {
    /// Numbers to add.
    Day(DayCounts),
    /// A key.
    Key(KeySeen),
}

impl Newcomer {
    fn of(seen: &Observation) -> Self {
        let numbers = seen.counts.numbers();
        let ones = numbers.iter().enumerate();
        let ones = ones.map(|(place, number)| u32::from(*number > 0) << place);
        Self {
            at: seen.at,
            server: seen.server,
            ones: ones.sum(),
        }
    }

    /// The message again, now that the name is known. Its keys are not: the second message's are the same as a rule.
    fn observation(&self, domain: &Domain, organisation: &Domain) -> Observation {
        let numbers = std::array::from_fn(|place| u64::from(self.ones >> place & 1));
        Observation {
            at: self.at,
            domain: domain.clone(),
            organisation: organisation.clone(),
            server: self.server,
            counts: Counts::from_numbers(numbers),
            keys: Vec::new(),
        }
    }
}

impl Domains {
    /// A fifth of the budget is for newcomers.
    pub(super) fn new(bytes_max: usize, secret: u64) -> Self {
        Self {
            secret,
            bytes_max: bytes_max / 5 * 4,
            bytes: 0,
            index: HashMap::new(),
            regulars: Vec::new(),
            newcomers: Generations::new((bytes_max / 5 / 2 / NEWCOMER_BYTES).max(8)),
            dice: Dice::new(secret),
            evicted: 0,
        }
    }

    /// Counts a message, and tells what is to be kept of it.
    pub(super) fn saw(&mut self, seen: &Observation, window_days: u32) -> Vec<Told> {
        let hash = hash(self.secret, &seen.domain);
        if let Some(place) = self.index.get(&hash) {
            let entry = &mut self.regulars[*place].1;
            self.bytes -= entry.bytes();
            entry.saw(seen, window_days);
            self.bytes += entry.bytes();
            self.make_room();
            return told(seen);
        }
        let Some(first) = self.newcomers.remove(hash) else {
            self.evicted += self.newcomers.insert(hash, Newcomer::of(seen));
            return Vec::new();
        };
        let first = first.observation(&seen.domain, &seen.organisation);
        let entry = self.enter(hash, &seen.domain, &seen.organisation, first.at);
        entry.saw(&first, window_days);
        entry.saw(seen, window_days);
        let bytes = entry.bytes();
        self.bytes += bytes;
        self.make_room();
        let mut rows = told(&first);
        rows.extend(told(seen));
        rows
    }

    /// An entry for a domain that has none. Its bytes are for the caller to add.
    fn enter(
        &mut self,
        hash: u64,
        domain: &Domain,
        organisation: &Domain,
        at: Timestamp,
    ) -> &mut Entry {
        let place = self.regulars.len();
        self.index.insert(hash, place);
        self.regulars
            .push((hash, Entry::new(domain, organisation, at)));
        &mut self.regulars[place].1
    }

    /// Changes the entry of a domain, making one when there is none.
    pub(super) fn change(
        &mut self,
        domain: &Domain,
        organisation: &Domain,
        at: Timestamp,
        change: impl FnOnce(&mut Entry),
    ) {
        let hash = hash(self.secret, domain);
        let place = match self.index.get(&hash) {
            Some(place) => {
                self.bytes -= self.regulars[*place].1.bytes();
                *place
            }
            None => {
                self.enter(hash, domain, organisation, at);
                self.regulars.len() - 1
            }
        };
        let entry = &mut self.regulars[place].1;
        change(entry);
        self.bytes += entry.bytes();
        self.make_room();
    }

    /// Lets the domains with the least of a history go until the rest fits.
    fn make_room(&mut self) {
        while self.bytes > self.bytes_max && self.regulars.len() > 1 {
            let regulars = &self.regulars;
            let value = |place: usize| regulars[place].1.value();
            let place = self.dice.least(regulars.len(), value);
            self.remove(place);
            self.evicted += 1;
        }
    }

    fn remove(&mut self, place: usize) {
        let (hash, entry) = self.regulars.swap_remove(place);
        self.index.remove(&hash);
        self.bytes -= entry.bytes();
        if let Some((moved, _)) = self.regulars.get(place) {
            self.index.insert(*moved, place);
        }
    }

    /// Forgets what is old, works out shares, and moves domains between stages.
    pub(super) fn review(&mut self, now: Timestamp, settings: &Settings) -> Vec<Switch> {
        let mut switches = Vec::new();
        self.each(now, settings.window_days, |entry| {
            switches.extend(stage::review(entry, now, settings));
        });
        switches
    }

    /// Forgets what is old.
    pub(super) fn forget(&mut self, now: Timestamp, window_days: u32) {
        self.each(now, window_days, |_| {});
    }

    /// Forgets what is old, does something with each entry, and drops those of which nothing is left.
    fn each(&mut self, now: Timestamp, window_days: u32, mut look: impl FnMut(&mut Entry)) {
        let today = day_of(now);
        let mut place = 0;
        while place < self.regulars.len() {
            let entry = &mut self.regulars[place].1;
            self.bytes -= entry.bytes();
            entry.forget(today, window_days);
            look(entry);
            self.bytes += entry.bytes();
            if self.regulars[place].1.servers.is_empty() {
                self.remove(place);
            } else {
                place += 1;
            }
        }
    }

    pub(super) fn get(&self, domain: &Domain) -> Option<&Entry> {
        let place = self.index.get(&hash(self.secret, domain))?;
        Some(&self.regulars[*place].1)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.regulars.iter().map(|(_, entry)| entry)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Domain> {
        self.entries().map(|entry| &entry.domain)
    }

    pub(super) fn len(&self) -> usize {
        self.regulars.len()
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.newcomers.len() * NEWCOMER_BYTES
    }
}

fn told(seen: &Observation) -> Vec<Told> {
    let day = Told::Day(DayCounts {
        domain: seen.domain.clone(),
        organisation: seen.organisation.clone(),
        server: seen.machine(),
        day: seen.day(),
        counts: seen.counts,
    });
    let keys = seen.keys.iter().map(|(selector, bits)| {
        Told::Key(KeySeen {
            domain: seen.domain.clone(),
            selector: selector.clone(),
            bits: *bits,
            first_day: seen.day(),
            last_day: seen.day(),
        })
    });
    std::iter::once(day).chain(keys).collect()
}
