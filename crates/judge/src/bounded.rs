//! What keeps tables small whose keys anybody can invent: keys seen once in two generations, and chance where something must go.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Keys looked at to find the one worth least.
const SAMPLE: usize = 24;

/// SipHash-1-3 with the secret in front: keys chosen to collide are not to be had without it.
pub(crate) fn hash(secret: u64, value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    secret.hash(&mut hasher);
    value.hash(&mut hasher);
    hasher.finish()
}

/// Things seen once, by hash. When the young generation is full it becomes the old one, and the old one is forgotten whole.
pub(crate) struct Generations<T> {
    young: HashMap<u64, T>,
    old: HashMap<u64, T>,
    /// Of one generation.
    most: usize,
}

impl<T> Generations<T> {
    /// With so many in each generation.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            most,
        }
    }

    pub(crate) fn get(&self, hash: u64) -> Option<&T> {
        self.young.get(&hash).or_else(|| self.old.get(&hash))
    }

    pub(crate) fn remove(&mut self, hash: u64) -> Option<T> {
        self.young.remove(&hash).or_else(|| self.old.remove(&hash))
    }

    /// Takes one in; how many were forgotten for it.
    pub(crate) fn insert(&mut self, hash: u64, thing: T) -> u64 {
        let mut forgotten = 0;
        if self.young.len() >= self.most {
            forgotten = self.old.len() as u64;
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, thing);
        forgotten
    }

    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// How many there can be.
    #[cfg(test)]
    pub(crate) const fn most(&self) -> usize {
        2 * self.most
    }
}

/// Chooses whom to look at when something must go: not secret, only unguessable enough (xorshift64, Marsaglia 2003).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The place of the least valuable of a few of `count` things, chosen without favour.
    pub(crate) fn least(&mut self, count: usize, value: impl Fn(usize) -> u64) -> usize {
        let mut least = (0, u64::MAX);
        for _ in 0..SAMPLE {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let place = (self.0 % count.max(1) as u64) as usize;
            let value = value(place);
            if value < least.1 {
                least = (place, value);
            }
        }
        least.0
    }
}
