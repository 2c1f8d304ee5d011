//! Keys and what is known of them, within a budget of bytes that holds whatever keys arrive.
//!
//! While there is room every key gets an entry. When there is none, a key must come twice before it gets one (a doorkeeper
//! remembers the first time in a few bits), and what tells least has to go for it. So neither random keys nor many keys seen once
//! flush out what was learnt over weeks, and memory never grows past the budget.

use std::collections::HashMap;
use std::sync::Arc;

use mail::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::distinct::mix;

/// Bytes of the index for each place: key, place and control byte, times the slack of a table that doubles.
const INDEX_BYTES: usize = 40;
/// Entries looked at to find the one that tells least.
const SAMPLE: usize = 16;
/// Share of the budget, as a divisor, that the doorkeeper's bits take.
const DOORKEEPER_SHARE: usize = 32;
/// What a shard has of the budget: so much is copied at once when it changes while a snapshot still holds it.
const SHARD_BYTES: usize = 1 << 18;
const SHARDS_MAX: usize = 4096;

/// What a table holds.
pub(crate) trait Entry: Default + Clone {
    /// Bytes beside the entry itself.
    fn heap_bytes(&self) -> usize;
    /// What would be lost with it: the least goes first.
    fn worth(&self, now: Timestamp) -> f64;
}

/// Keys and entries. Its clone costs next to nothing: the two share what neither has changed since, shard by shard. So a snapshot of a gigabyte
/// holds nobody up while it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound = "V: Entry + Serialize + serde::de::DeserializeOwned")]
pub(crate) struct Table<V> {
    #[serde(
        rename = "entries",
        serialize_with = "every_entry",
        deserialize_with = "one_shard"
    )]
    shards: Vec<Arc<Shard<V>>>,
    /// Bytes of all shards.
    #[serde(skip)]
    held: usize,
    budget: usize,
    #[serde(skip)]
    doorkeeper: Doorkeeper,
    dice: u64,
    evicted: u64,
}

/// The entries of some of the keys.
#[derive(Clone)]
struct Shard<V> {
    entries: Vec<(u64, V)>,
    index: HashMap<u64, u32>,
    /// Bytes that entries point to.
    heap: usize,
}

impl<V> Default for Shard<V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            index: HashMap::new(),
            heap: 0,
        }
    }
}

impl<V: Entry> Table<V> {
    /// An empty one that never holds more than `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            shards: vec![Arc::default(); shards_for(budget)],
            held: 0,
            budget,
            doorkeeper: Doorkeeper::new(budget / DOORKEEPER_SHARE),
            dice: 0x9e37_79b9_7f4a_7c15,
            evicted: 0,
        }
    }

    /// What a snapshot leaves out is made anew, and the budget is what it is now.
    pub(crate) fn restored(self, budget: usize, now: Timestamp) -> Self {
        let mut table = Self::new(budget);
        (table.dice, table.evicted) = (self.dice, self.evicted);
        for shard in self.shards {
            // Nobody else holds it but in tests; then it is copied.
            let shard = Arc::try_unwrap(shard).unwrap_or_else(|shared| (*shared).clone());
            for (key, entry) in shard.entries {
                table.with(table.shard_of(key), |shard| shard.push(key, entry));
            }
        }
        for number in 0..table.shards.len() {
            table.with(number, |shard| shard.entries.shrink_to_fit());
        }
        while table.bytes() > table.budget && table.len() > 1 {
            // Some at a time: room that is only reserved would keep it above the budget, and giving it back looks at every shard.
            for _ in 0..=table.len() / 64 {
                table.evict(now, None);
            }
            for number in 0..table.shards.len() {
                table.with(number, |shard| shard.entries.shrink_to_fit());
            }
        }
        table
    }

    /// What is known of a key.
    pub(crate) fn get(&self, key: u64) -> Option<&V> {
        self.shards[self.shard_of(key)].get(key)
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
        let number = self.shard_of(key);
        if self.shards[number].get(key).is_none() && !self.admit(key, now, sure) {
            return None;
        }
        let result = self.with(number, |shard| shard.change(key, change));
        while self.bytes() > self.budget && self.len() > 1 {
            self.evict(now, Some(key));
        }
        result
    }

    /// Changes an entry that is there, to something no larger.
    pub(crate) fn change(&mut self, key: u64, change: impl FnOnce(&mut V)) {
        self.with(self.shard_of(key), |shard| shard.change(key, change));
    }

    /// Forgets all keys of which `gone` says so.
    pub(crate) fn forget(&mut self, gone: impl Fn(u64, &V) -> bool) {
        let keys: Vec<u64> = self
            .entries()
            .filter(|(key, entry)| gone(*key, entry))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            self.remove(key);
        }
    }

    /// Forgets one key.
    pub(crate) fn remove(&mut self, key: u64) {
        self.with(self.shard_of(key), |shard| shard.remove(key));
    }

    /// Bytes held: entries with the room they have reserved, what they point to, the index, the doorkeeper.
    pub(crate) fn bytes(&self) -> usize {
        self.held + self.doorkeeper.bytes()
    }

    /// How many keys have entries.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.entries.len()).sum()
    }

    /// How many had to go since the start.
    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }

    fn entries(&self) -> impl Iterator<Item = &(u64, V)> {
        self.shards.iter().flat_map(|shard| &shard.entries)
    }

    /// The number of shards is a power of two.
    fn shard_of(&self, key: u64) -> usize {
        (mix(key) >> 32) as usize & (self.shards.len() - 1)
    }

    /// Changes a shard, and keeps the account of bytes. One that a snapshot holds, too, is copied first.
    fn with<R>(&mut self, number: usize, change: impl FnOnce(&mut Shard<V>) -> R) -> R {
        let slot = &mut self.shards[number];
        self.held -= slot.bytes();
        if Arc::get_mut(slot).is_none() {
            *slot = Arc::new(slot.copied());
        }
        let result = change(Arc::make_mut(slot));
        self.held += slot.bytes();
        result
    }

    /// Makes room for a key, if there is some; was there?
    fn admit(&mut self, key: u64, now: Timestamp, sure: bool) -> bool {
        let number = self.shard_of(key);
        let entries = &self.shards[number].entries;
        let full = entries.len() == entries.capacity();
        let more = if full { (entries.len() / 8).max(4) } else { 0 };
        // A sixteenth stays for what the entries that are there grow by.
        let room = self.bytes() + more * Shard::<V>::PLACE_BYTES <= self.budget / 16 * 15;
        if !room && (self.len() == 0 || !(sure || self.doorkeeper.knows(key))) {
            return false;
        }
        if !room && full {
            // What one shard loses another may take: places are what is scarce.
            self.evict(now, None);
        }
        self.with(number, |shard| {
            if full {
                shard.entries.reserve_exact(if room { more } else { 1 });
            }
            shard.push(key, V::default());
        });
        true
    }

    /// Lets the one go that tells least among a few, but not `keep`.
    fn evict(&mut self, now: Timestamp, keep: Option<u64>) {
        let mut least: Option<(u64, f64)> = None;
        let mut looked = 0;
        // Shards are filled alike, so hardly any is empty where there is something to evict; but few keys may lie in few of many.
        for _ in 0..SAMPLE * SHARDS_MAX {
            self.dice = mix(self.dice);
            let shard = &self.shards[(self.dice >> 32) as usize & (self.shards.len() - 1)];
            if shard.entries.is_empty() {
                continue;
            }
            let place = (self.dice as u32) as usize % shard.entries.len();
            let (key, entry) = &shard.entries[place];
            let worth = entry.worth(now);
            if Some(*key) != keep && least.is_none_or(|(_, least)| worth < least) {
                least = Some((*key, worth));
            }
            looked += 1;
            if looked == SAMPLE {
                break;
            }
        }
        if let Some((key, _)) = least {
            self.with(self.shard_of(key), |shard| {
                shard.remove(key);
                // Reserved room is held, too: what is left of it is given back by and by.
                if shard.entries.capacity() > shard.entries.len() + shard.entries.len() / 4 + 4 {
                    shard.entries.shrink_to_fit();
                }
            });
            self.evicted += 1;
        }
    }
}

impl<V: Entry> Shard<V> {
    const PLACE_BYTES: usize = size_of::<(u64, V)>() + INDEX_BYTES;

    fn get(&self, key: u64) -> Option<&V> {
        let place = *self.index.get(&key)?;
        self.entries.get(place as usize).map(|(_, entry)| entry)
    }

    const fn bytes(&self) -> usize {
        self.entries.capacity() * Self::PLACE_BYTES + self.heap
    }

    /// A copy reserves less, so what it points to is added up anew.
    fn copied(&self) -> Self {
        let mut copy = self.clone();
        copy.heap = copy.entries.iter().map(|(_, one)| one.heap_bytes()).sum();
        copy
    }

    fn push(&mut self, key: u64, entry: V) {
        self.heap += entry.heap_bytes();
        self.index.insert(key, self.entries.len() as u32);
        self.entries.push((key, entry));
    }

    fn change<R>(&mut self, key: u64, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let place = *self.index.get(&key)?;
        let entry = &mut self.entries[place as usize].1;
        let before = entry.heap_bytes();
        let result = change(entry);
        self.heap = self.heap - before + entry.heap_bytes();
        Some(result)
    }

    fn remove(&mut self, key: u64) {
        let Some(place) = self.index.remove(&key) else {
            return;
        };
        let (_, gone) = self.entries.swap_remove(place as usize);
        self.heap -= gone.heap_bytes();
        if let Some((moved, _)) = self.entries.get(place as usize) {
            self.index.insert(*moved, place);
        }
    }
}

/// A power of two.
const fn shards_for(budget: usize) -> usize {
    let wanted = (budget / SHARD_BYTES).next_power_of_two();
    if wanted > SHARDS_MAX {
        SHARDS_MAX
    } else {
        wanted
    }
}

fn every_entry<V: Serialize, S: Serializer>(
    shards: &[Arc<Shard<V>>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(shards.iter().flat_map(|shard| &shard.entries))
}

/// As a snapshot has them, in one; `Table::restored` divides them.
fn one_shard<'de, V, D>(deserializer: D) -> Result<Vec<Arc<Shard<V>>>, D::Error>
where
    V: serde::de::DeserializeOwned,
    D: Deserializer<'de>,
{
    let entries = Vec::<(u64, V)>::deserialize(deserializer)?;
    Ok(vec![Arc::new(Shard {
        entries,
        ..Shard::default()
    })])
}

/// Remembers keys that came once, in two generations of a Bloom filter with two probes.
/// Not in a snapshot: after a restart a key comes twice once more.
#[derive(Clone, Default)]
struct Doorkeeper {
    young: Arc<Vec<u64>>,
    old: Arc<Vec<u64>>,
    came: usize,
}

impl Doorkeeper {
    fn new(bytes: usize) -> Self {
        let words = bytes / 16;
        Self {
            young: Arc::new(vec![0; words]),
            old: Arc::new(vec![0; words]),
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
            let young = Arc::make_mut(&mut self.young);
            for bit in probes {
                young[bit / 64] |= 1 << (bit % 64);
            }
            self.came += 1;
        }
        // With eight bits a key two probes are wrong once in twenty times.
        if self.came >= bits / 8 {
            self.old = std::mem::take(&mut self.young);
            self.young = Arc::new(vec![0; self.old.len()]);
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

    /// Does the account of bytes add up, and does every key lead to its entry?
    fn is_sound(table: &Table<Note>) -> bool {
        let held: usize = table.shards.iter().map(|shard| shard.bytes()).sum();
        held == table.held
            && table.shards.iter().enumerate().all(|(number, shard)| {
                let heap: usize = shard.entries.iter().map(|(_, one)| one.heap_bytes()).sum();
                let places = shard.entries.iter().enumerate();
                heap == shard.heap
                    && shard.index.len() == shard.entries.len()
                    && places.into_iter().all(|(place, (key, _))| {
                        shard.index.get(key) == Some(&(place as u32))
                            && table.shard_of(*key) == number
                    })
            })
    }

    #[test]
    fn a_copy_stays_as_it_was_while_the_table_goes_on() {
        let mut table = Table::<Note>::new(64 << 20);
        for key in 0..10_000 {
            table.update(mix(key), NOW, true, |note| note.text = vec![1; 40]);
        }
        assert!(table.shards.len() > 16);
        let copy = table.clone();
        let shared = |one: &Table<Note>, other: &Table<Note>| {
            let pairs = one.shards.iter().zip(&other.shards);
            pairs.filter(|(one, other)| Arc::ptr_eq(one, other)).count()
        };
        assert_eq!(shared(&table, &copy), table.shards.len());
        table.update(mix(7), NOW, true, |note| note.times = 9);
        table.remove(mix(8));
        // Only what was changed is copied.
        assert!(shared(&table, &copy) >= table.shards.len() - 2);
        assert_eq!(copy.get(mix(7)).map(|note| note.times), Some(0));
        assert!(copy.get(mix(8)).is_some() && table.get(mix(8)).is_none());
        assert!(is_sound(&table) && is_sound(&copy));
        let restored = copy.restored(16 << 20, NOW);
        assert!(is_sound(&restored) && restored.len() == 10_000);
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
                prop_assert!(is_sound(&table));
            }
        }
    }
}
