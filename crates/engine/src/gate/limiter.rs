//! How often a login may fail.
//!
//! A guesser is slowed by where they are and by whom they try; the person themself, who comes from where they logged in
//! before, is not locked out by strangers who try their name. Bounded: what was idle longest is forgotten first.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::Timestamp;

/// Failures count for so long, seconds.
pub const SPAN_SECS: i64 = 600;
/// Failures of one name from one place.
const NAME_AT_PLACE: u32 = 5;
/// Failures from one place.
const PLACE: u32 = 20;
/// Failures of one name from everywhere, places where it logged in before excepted.
const NAME: u32 = 50;
/// Failures written into the log of acts in one span; more are only counted.
const WRITTEN: u32 = 100;
/// Keys kept.
const KEYS_MAX: usize = 20_000;

/// Whose failures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    NameAtPlace(String, IpAddr),
    Place(IpAddr),
    Name(String),
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    since: Timestamp,
    failures: u32,
}

impl Count {
    fn add(&mut self, now: Timestamp) -> u32 {
        if now.micros_since(self.since) > SPAN_SECS * 1_000_000 {
            *self = Self {
                since: now,
                failures: 0,
            };
        }
        self.failures = self.failures.saturating_add(1);
        self.failures
    }
}

/// Counts failures, and remembers where people logged in.
#[derive(Default)]
pub struct Limiter {
    counts: Mutex<HashMap<Key, Count>>,
    written: Mutex<Count>,
    known: Mutex<HashMap<(String, IpAddr), Timestamp>>,
}

impl Limiter {
    /// Seconds to wait before the next try; `None`: try now.
    pub fn wait(&self, name: &str, place: IpAddr, now: Timestamp) -> Option<i64> {
        let place = network(place);
        let counts = lock(&self.counts);
        let known = lock(&self.known).contains_key(&(name.to_owned(), place));
        let full = [
            (Key::NameAtPlace(name.to_owned(), place), NAME_AT_PLACE),
            (Key::Place(place), PLACE),
            (
                Key::Name(name.to_owned()),
                if known { u32::MAX } else { NAME },
            ),
        ];
        full.into_iter()
            .filter_map(|(key, most)| {
                let count = counts.get(&key)?;
                let left = SPAN_SECS - now.micros_since(count.since) / 1_000_000;
                (count.failures >= most && left > 0).then_some(left)
            })
            .max()
    }

    /// Counts a failure; true when it shall be written down.
    pub fn failed(&self, name: &str, place: IpAddr, now: Timestamp) -> bool {
        let place = network(place);
        let mut counts = lock(&self.counts);
        for key in [
            Key::NameAtPlace(name.to_owned(), place),
            Key::Place(place),
            Key::Name(name.to_owned()),
        ] {
            counts.entry(key).or_default().add(now);
        }
        if counts.len() > KEYS_MAX {
            forget_half(&mut counts, |count| count.since);
        }
        lock(&self.written).add(now) <= WRITTEN
    }

    /// Forgets the failures of who has logged in, and remembers the place.
    pub fn succeeded(&self, name: &str, place: IpAddr, now: Timestamp) {
        let place = network(place);
        lock(&self.counts).remove(&Key::NameAtPlace(name.to_owned(), place));
        let mut known = lock(&self.known);
        known.insert((name.to_owned(), place), now);
        if known.len() > KEYS_MAX {
            forget_half(&mut known, |at| *at);
        }
    }
}

/// Half is forgotten at once, so that it happens seldom.
fn forget_half<K: Clone + Eq + std::hash::Hash, V>(
    map: &mut HashMap<K, V>,
    at: impl Fn(&V) -> Timestamp,
) {
    let mut all: Vec<(Timestamp, K)> = map
        .iter()
        .map(|(key, value)| (at(value), key.clone()))
        .collect();
    all.sort_unstable_by_key(|(at, _)| *at);
    for (_, key) in &all[..all.len() / 2] {
        map.remove(key);
    }
}

/// An address of IPv6 stands for its /64: one customer has them all.
fn network(place: IpAddr) -> IpAddr {
    match place.to_canonical() {
        IpAddr::V6(v6) => {
            let bits = u128::from(v6) >> 64 << 64;
            IpAddr::V6(bits.into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + secs)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_guesser_waits_and_the_owner_does_not() {
        let limiter = Limiter::default();
        let (home, bad) = (ip("192.0.2.1"), ip("198.51.100.9"));
        limiter.succeeded("ann", home, at(0));
        for second in 0..5 {
            assert_eq!(limiter.wait("ann", bad, at(second)), None);
            assert!(limiter.failed("ann", bad, at(second)));
        }
        assert_eq!(limiter.wait("ann", bad, at(5)), Some(595));
        assert_eq!(limiter.wait("ann", home, at(5)), None);
        assert_eq!(limiter.wait("ann", bad, at(601)), None);
    }

    #[test]
    fn many_names_from_one_place_and_one_name_from_many_places() {
        let limiter = Limiter::default();
        limiter.succeeded("ann", ip("192.0.2.1"), at(0));
        for number in 0..20 {
            limiter.failed(&format!("user{number}"), ip("2001:db8::1"), at(1));
        }
        assert!(limiter.wait("new", ip("2001:db8::ffff"), at(2)).is_some());
        assert_eq!(limiter.wait("new", ip("2001:db8:0:1::1"), at(2)), None);
        for number in 0..60 {
            limiter.failed("ann", ip(&format!("203.0.113.{number}")), at(3));
        }
        assert!(limiter.wait("ann", ip("203.0.113.200"), at(4)).is_some());
        assert_eq!(
            limiter.wait("ann", ip("192.0.2.1"), at(4)),
            None,
            "strangers do not lock her out"
        );
    }

    #[test]
    fn a_flood_is_counted_and_not_written_down_for_ever() {
        let limiter = Limiter::default();
        let written = (0..30_000_u32)
            .filter(|number| {
                let place = IpAddr::from(number.to_be_bytes());
                limiter.failed(&format!("user{number}"), place, at(1))
            })
            .count();
        assert_eq!(written, 100);
        assert!(lock(&limiter.counts).len() <= KEYS_MAX);
    }
}
