//! Answers kept for a while, within a fixed amount of memory.
//!
//! Two stores: one for records, one for "there is none" and for failures. Whoever makes us ask for a million names
//! that do not exist fills the second one and drives no real answer out. Each is cut into shards, each a map and
//! a ring of its keys; room is made by going round the ring and taking out what was not asked for since the last round
//! (second chance), which costs a hit nothing but a flag.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail::Limits;
use tokio::time::Instant;

use super::{Answer, Found, Question, Unanswered};

/// Shards of each store: more than the processors of a large machine, so that questions seldom meet.
const SHARDS: usize = 32;

/// How long a failure is not asked for again. RFC 2308 §7.2 allows five minutes; this much is enough that mail of one
/// burst does not wait for a dead server again and again.
const FAILURE_TTL: Duration = Duration::from_secs(5);

/// What is kept.
pub(super) type Outcome = Result<Arc<Answer>, Unanswered>;

pub(super) struct Cache {
    records: Store,
    failures: Store,
    ttl_max: Duration,
    negative_ttl_max: Duration,
}

impl Cache {
    pub(super) fn new(limits: &Limits) -> Self {
        let quarter = limits.dns_cache_bytes_max / 4;
        Self {
            records: Store::new(limits.dns_cache_bytes_max - quarter),
            failures: Store::new(quarter),
            ttl_max: Duration::from_secs(limits.dns_ttl_secs_max.into()),
            negative_ttl_max: Duration::from_secs(limits.dns_negative_ttl_secs_max.into()),
        }
    }

    pub(super) fn get(&self, question: &Question, now: Instant) -> Option<Outcome> {
        self.records
            .get(question, now)
            .or_else(|| self.failures.get(question, now))
    }

    pub(super) fn put(&self, question: &Question, outcome: &Outcome, now: Instant) {
        let (store, ttl) = match outcome {
            Err(_) => (&self.failures, FAILURE_TTL),
            Ok(answer) => match answer.found {
                Found::Records(_) => (&self.records, answer.ttl.min(self.ttl_max)),
                Found::Nothing | Found::NoName => {
                    (&self.failures, answer.ttl.min(self.negative_ttl_max))
                }
            },
        };
        if !ttl.is_zero() {
            store.put(question, outcome, now + ttl);
        }
    }

    /// Bytes in use, about.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let of = |store: &Store| {
            store
                .shards
                .iter()
                .map(|shard| lock(shard).bytes)
                .sum::<usize>()
        };
        of(&self.records) + of(&self.failures)
    }
}

struct Store {
    shards: Vec<Mutex<Shard>>,
    shard_bytes_max: usize,
    hasher: RandomState,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Arc<Question>, Entry>,
    ring: VecDeque<Arc<Question>>,
    bytes: usize,
}

struct Entry {
    outcome: Outcome,
    until: Instant,
    bytes: usize,
    asked_for: AtomicBool,
}

impl Store {
    fn new(bytes_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_bytes_max: bytes_max / SHARDS,
            hasher: RandomState::new(),
        }
    }

    fn shard(&self, question: &Question) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(question);
        lock(&self.shards[hash as usize % SHARDS])
    }

    fn get(&self, question: &Question, now: Instant) -> Option<Outcome> {
        let shard = self.shard(question);
        let entry = shard.entries.get(question)?;
        (entry.until > now).then(|| {
            entry.asked_for.store(true, Ordering::Relaxed);
            entry.outcome.clone()
        })
    }

    fn put(&self, question: &Question, outcome: &Outcome, until: Instant) {
        let bytes = size_bytes(question, outcome);
        if bytes > self.shard_bytes_max {
            return;
        }
        let mut shard = self.shard(question);
        let entry = Entry {
            outcome: outcome.clone(),
            until,
            bytes,
            asked_for: AtomicBool::new(false),
        };
        shard.put(question, entry);
        shard.shrink_to(self.shard_bytes_max);
    }
}

impl Shard {
    fn put(&mut self, question: &Question, entry: Entry) {
        self.bytes += entry.bytes;
        if let Some(known) = self.entries.get_mut(question) {
            self.bytes -= known.bytes;
            *known = entry;
        } else {
            let key = Arc::new(question.clone());
            self.ring.push_back(Arc::clone(&key));
            self.entries.insert(key, entry);
        }
    }

    /// Goes round the ring until there is room. Ends: what is spared once has lost its flag.
    fn shrink_to(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some(key) = self.ring.pop_front() else {
                return;
            };
            let spared = self
                .entries
                .get(&key)
                .is_some_and(|entry| entry.asked_for.swap(false, Ordering::Relaxed));
            if spared {
                self.ring.push_back(key);
            } else if let Some(entry) = self.entries.remove(&key) {
                self.bytes -= entry.bytes;
            }
        }
    }
}

/// Key, entry, places in map and ring: about what an entry takes.
fn size_bytes(question: &Question, outcome: &Outcome) -> usize {
    const OVERHEAD: usize = 160;
    let held = match outcome {
        Ok(answer) => answer.size_bytes(),
        Err(Unanswered(why)) => why.len(),
    };
    OVERHEAD + question.name.as_str().len() + held
}

/// A panic while a shard was locked leaves at worst a wrong sum of bytes.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Kind, Name, Record};

    fn question(name: &str) -> Question {
        Question {
            name: Name::parse(name).expect("a name"),
            kind: Kind::Txt,
        }
    }

    fn answer(found: Found, ttl_secs: u64) -> Arc<Answer> {
        Arc::new(Answer {
            found,
            dnssec: false,
            ttl: Duration::from_secs(ttl_secs),
        })
    }

    fn text(length: usize) -> Found {
        Found::Records(vec![Record::Txt(vec![b'x'; length])])
    }

    #[test]
    fn answers_live_as_long_as_they_may() {
        let limits = Limits {
            dns_ttl_secs_max: 100,
            dns_negative_ttl_secs_max: 10,
            ..Limits::default()
        };
        let cache = Cache::new(&limits);
        let now = Instant::now();
        let lives = |name: &str, outcome: &Outcome, secs: u64| {
            cache.put(&question(name), outcome, now);
            let at = |secs| cache.get(&question(name), now + Duration::from_secs(secs));
            at(secs - 1) == Some(outcome.clone()) && at(secs).is_none()
        };
        assert!(lives("short.example", &Ok(answer(text(1), 5)), 5));
        assert!(lives("capped.example", &Ok(answer(text(1), 5000)), 100));
        assert!(lives("none.example", &Ok(answer(Found::NoName, 5000)), 10));
        assert!(lives(
            "failed.example",
            &Err(Unanswered("late".to_owned())),
            5
        ));
        cache.put(&question("zero.example"), &Ok(answer(text(1), 0)), now);
        assert_eq!(cache.get(&question("zero.example"), now), None);
    }

    #[test]
    fn a_flood_of_names_that_do_not_exist_drives_out_no_answer_and_takes_no_memory() {
        let limits = Limits {
            dns_cache_bytes_max: 1 << 20,
            ..Limits::default()
        };
        let cache = Cache::new(&limits);
        let now = Instant::now();
        let real = question("real.example");
        cache.put(&real, &Ok(answer(text(100), 3600)), now);
        for number in 0..50_000 {
            cache.put(
                &question(&format!("{number}.invalid")),
                &Ok(answer(Found::NoName, 3600)),
                now,
            );
        }
        assert!(cache.get(&real, now).is_some());
        assert!(cache.bytes() <= 1 << 20, "{} bytes", cache.bytes());
    }

    #[test]
    fn what_is_asked_for_stays_longer_than_what_is_not() {
        let limits = Limits {
            dns_cache_bytes_max: 1 << 20,
            ..Limits::default()
        };
        let cache = Cache::new(&limits);
        let now = Instant::now();
        let wanted = question("wanted.example");
        cache.put(&wanted, &Ok(answer(text(100), 3600)), now);
        for number in 0..20_000 {
            cache.put(
                &question(&format!("{number}.example")),
                &Ok(answer(text(200), 3600)),
                now,
            );
            assert!(cache.get(&wanted, now).is_some(), "gone after {number}");
        }
        assert!(cache.bytes() <= 1 << 20);
    }
}
