//! Keys and what is known of them, within a budget of bytes that holds whatever keys arrive.
//!
//! While there is room every key gets an entry. When there is none, a key must come twice before it gets one (a doorkeeper
//! remembers the first time in a few bits), and what tells least has to go for it. So neither random keys nor many keys seen once
//! flush out what was learnt over weeks, and memory never grows past the budget.

use std::collections::HashMap;

use mail::Timestamp;
use serde::{Deserialize, Serialize};

use super::distinct::mix;

/// Bytes of the index for each place: key, place and control byte, times the slack of a table that doubles.
const INDEX_BYTES: usize = 40;
/// Entries looked at to find the one that tells least.
const SAMPLE: usize = 16;
/// Share of the budget, as a divisor, that the doorkeeper's bits take.
const DOORKEEPER_SHARE: usize = 32;

/// What a table holds.
pub(crate) trait Entry: Default {
    /// Bytes beside the entry itself.
    fn heap_bytes(&self) -> usize;
    /// What would be lost with it: the least goes first.
    fn worth(&self, now: Timestamp) -> f64;
}

/// Keys and entries.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound = "V: Serialize + serde::de::DeserializeOwned")]
pub(crate) struct Table<V> {
    entries: Vec<(u64, V)>,
    #[serde(skip)]
    index: HashMap<u64, u32>,
    #[serde(skip)]
    heap: usize,
    budget: usize,
    doorkeeper: Doorkeeper,
    dice: u64,
    evicted: u64,
}

impl<V: Entry> Table<V> {
    /// An empty one that never holds more than `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            entries: Vec::new(),
            index: HashMap::new(),
            heap: 0,
            budget,
            doorkeeper: Doorkeeper::new(budget / DOORKEEPER_SHARE),
            dice: 0x9e37_79b9_7f4a_7c15,
            evicted: 0,
        }
    }

    /// What a snapshot leaves out is made anew, and the budget is what it is now.
    pub(crate) fn restored(mut self, budget: usize, now: Timestamp) -> Self {
        self.budget = budget;
        if self.doorkeeper.bytes() != budget / DOORKEEPER_SHARE / 8 * 8 {
            self.doorkeeper = Doorkeeper::new(budget / DOORKEEPER_SHARE);
        }
        self.entries.shrink_to_fit();
        self.index = HashMap::new();
        let keys = self.entries.iter().enumerate();
        self.index
            .extend(keys.map(|(place, (key, _))| (*key, place as u32)));
        self.heap = self.entries.iter().map(|(_, one)| one.heap_bytes()).sum();
        while self.bytes() > self.budget && self.entries.len() > 1 {
            self.evict(now, None);
            self.entries.shrink_to_fit();
        }
        self
    }

    /// What is known of a key.
    pub(crate) fn get(&self, key: u64) -> Option<&V> {
        let place = *self.index.get(&key)?;
        self.entries.get(place as usize).map(|(_, entry)| entry)
    }

    /// Changes the entry of a key, making one where there is room. `sure` keys need not come twice. `None` when the key has no entry
    /// and gets none.
    pub(crate) fn update<R>(
        &mut self,
        key: u64,
        now: Timestamp,
        sure: bool,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        let place = match self.index.get(&key) {
            Some(place) => *place as usize,
            None => self.admit(key, now, sure)?,
        };
        let entry = &mut self.entries[place].1;
        let before = entry.heap_bytes();
        let result = change(entry);
        self.heap = self.heap - before + entry.heap_bytes();
        while self.bytes() > self.budget && self.entries.len() > 1 {
            self.evict(now, Some(key));
        }
        Some(result)
    }

    /// Changes an entry that is there, to something no larger.
    pub(crate) fn change(&mut self, key: u64, change: impl FnOnce(&mut V)) {
        if let Some(place) = self.index.get(&key) {
            let entry = &mut self.entries[*place as usize].1;
            self.heap -= entry.heap_bytes();
            change(entry);
            self.heap += entry.heap_bytes();
        }
    }

    /// Forgets all keys of which `gone` says so.
    pub(crate) fn forget(&mut self, gone: impl Fn(u64, &V) -> bool) {
        let keys: Vec<u64> = self
            .entries
            .iter()
            .filter(|(key, entry)| gone(*key, entry))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            self.remove(key);
        }
    }

    /// Forgets one key.
    pub(crate) fn remove(&mut self, key: u64) {
        if let Some(place) = self.index.remove(&key) {
            self.take(place as usize);
        }
    }

    /// Bytes held: entries with the room they have reserved, what they point to, the index, the doorkeeper.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * Self::place_bytes() + self.heap + self.doorkeeper.bytes()
    }

    /// How many keys have entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many had to go since the start.
    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }

    const fn place_bytes() -> usize {
        size_of::<(u64, V)>() + INDEX_BYTES
    }

    fn admit(&mut self, key: u64, now: Timestamp, sure: bool) -> Option<usize> {
        let full = self.entries.len() == self.entries.capacity();
        let more = if full {
            (self.entries.len() / 8).max(4)
        } else {
            0
        };
        // A sixteenth stays for what the entries that are there grow by.
        let room = self.bytes() + more * Self::place_bytes() <= self.budget / 16 * 15;
        if !room && (self.entries.is_empty() || !(sure || self.doorkeeper.knows(key))) {
            return None;
        }
        if room {
            self.entries.reserve_exact(more);
        } else if full {
            self.evict(now, None);
        }
        self.entries.push((key, V::default()));
        self.heap += self.entries[self.entries.len() - 1].1.heap_bytes();
        let place = self.entries.len() - 1;
        self.index.insert(key, place as u32);
        Some(place)
    }

    /// Lets the one go that tells least among a few, but not `keep`.
    fn evict(&mut self, now: Timestamp, keep: Option<u64>) {
        let mut least: Option<(usize, f64)> = None;
        for _ in 0..SAMPLE {
            self.dice = mix(self.dice);
            let place = (self.dice % self.entries.len() as u64) as usize;
            let (key, entry) = &self.entries[place];
            let worth = entry.worth(now);
            if Some(*key) != keep && least.is_none_or(|(_, least)| worth < least) {
                least = Some((place, worth));
            }
        }
        if let Some((place, _)) = least {
            self.index.remove(&self.entries[place].0);
            self.take(place);
            self.evicted += 1;
        }
    }

    fn take(&mut self, place: usize) {
        let (_, gone) = self.entries.swap_remove(place);
        self.heap -= gone.heap_bytes();
        if let Some((moved, _)) = self.entries.get(place) {
            self.index.insert(*moved, place as u32);
        }
    }
}

/// Remembers keys that came once, in two generations of a Bloom filter with two probes.
#[derive(Clone, Serialize, Deserialize)]
struct Doorkeeper {
    young: Vec<u64>,
    old: Vec<u64>,
    came: usize,
}

impl Doorkeeper {
    fn new(bytes: usize) -> Self {
        let words = bytes / 16;
        Self {
            young: vec![0; words],
            old: vec![0; words],
            came: 0,
        }
    }

    fn bytes(&self) -> usize {
        (self.young.len() + self.old.len()) * 8
    }

    /// Did it come before? It has now.
    fn knows(&mut self, key: u64) -> bool {
        if self.young.is_empty() {
            return true;
        }
        let bits = self.young.len() * 64;
        let first = mix(key);
        let probes = [first, mix(first)].map(|hash| (hash % bits as u64) as usize);
        let set = |words: &[u64]| {
            probes
                .iter()
                .all(|bit| words[bit / 64] & (1 << (bit % 64)) != 0)
        };
        let known = set(&self.young) || set(&self.old);
        if !set(&self.young) {
            for bit in probes {
                self.young[bit / 64] |= 1 << (bit % 64);
            }
            self.came += 1;
        }
        // With eight bits a key two probes are wrong once in twenty times.
        if self.came >= bits / 8 {
            self.old = std::mem::take(&mut self.young);
            self.young = vec![0; self.old.len()];
            self.came = 0;
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[derive(Clone, Default)]
    struct Note {
        times: u32,
        text: Vec<u8>,
    }

    impl Entry for Note {
        fn heap_bytes(&self) -> usize {
            self.text.capacity()
        }
        fn worth(&self, _: Timestamp) -> f64 {
            f64::from(self.times)
        }
    }

    #[test]
    fn random_keys_flush_nothing_out() {
        let mut table = Table::<Note>::new(100_000);
        for key in 0..100 {
            for _ in 0..20 {
                table.update(key, NOW, false, |note| note.times += 1);
            }
        }
        for stranger in 0..200_000_u64 {
            table.update(mix(stranger), NOW, false, |note| note.times += 1);
            assert!(table.bytes() <= 100_000, "{}", table.bytes());
        }
        let kept = (0..100).filter(|key| table.get(*key).is_some()).count();
        assert_eq!(kept, 100);
    }

    #[test]
    fn who_comes_again_gets_in() {
        let mut table = Table::<Note>::new(20_000);
        for stranger in 0..5_000_u64 {
            table.update(mix(stranger), NOW, false, |note| note.times += 1);
        }
        assert!(table.update(7, NOW, false, |_| ()).is_none());
        assert!(table.update(7, NOW, false, |_| ()).is_some());
        assert!(table.update(8, NOW, true, |_| ()).is_some());
    }

    proptest! {
        #[test]
        fn the_budget_holds(steps in prop::collection::vec((0_u64..500, 0_usize..4000, any::<bool>()), 1..400)) {
            let mut table = Table::<Note>::new(50_000);
            for (key, grow, forget) in steps {
                if forget && grow % 5 == 0 {
                    table.remove(key);
                } else {
                    table.update(key, NOW, grow % 2 == 0, |note| note.text = vec![0; grow]);
                }
                prop_assert!(table.bytes() <= 50_000);
                let heap: usize = table.entries.iter().map(|(_, one)| one.heap_bytes()).sum();
                prop_assert_eq!(heap, table.heap);
                for (place, (key, _)) in table.entries.iter().enumerate() {
                    prop_assert_eq!(table.index.get(key), Some(&(place as u32)));
                }
            }
        }
    }
}
