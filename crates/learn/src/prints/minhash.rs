//! The print of one text (MinHash, Broder 1997).

use serde::{Deserialize, Serialize};

use crate::Key;
use crate::view::each_word;

/// Numbers of each kind.
pub const SLOTS: usize = 32;
/// Words of a text that are looked at.
const WORDS_MAX: usize = 1500;
/// Texts with fewer words are known by their links and files only: everybody says "thank you, see attachment".
const WORDS_MIN: usize = 5;
const WORD: u64 = 402;
const EXACT: u64 = 403;
const RUNS: u64 = 404;
const WORDS: u64 = 405;

/// What is left of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Print {
    /// Of all its words in order; `None` for a text of a few words.
    pub exact: Option<u64>,
    /// Least hashes over its runs of three words.
    pub runs: Vec<u64>,
    /// Least hashes over its words.
    pub words: Vec<u64>,
}

impl Print {
    /// The print of a text in normal form.
    pub fn of(key: &Key, text: &str) -> Self {
        let mut words = Vec::new();
        each_word(text, |word| {
            if words.len() < WORDS_MAX {
                words.push(key.bytes(WORD, word));
            }
        });
        if words.len() < WORDS_MIN {
            return Self::default();
        }
        let exact = words.iter().fold(EXACT, |all, word| key.number(all, *word));
        let runs = words
            .windows(3)
            .map(|run| key.number(key.number(run[0], run[1]), run[2]));
        Self {
            exact: Some(exact),
            runs: least(key, RUNS, runs.collect()),
            words: least(key, WORDS, words.clone()),
        }
    }

    /// Everything it can be found by.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.exact
            .iter()
            .chain(&self.runs)
            .chain(&self.words)
            .copied()
    }
}

/// For each slot the least of its own hash over all items.
fn least(key: &Key, kind: u64, mut items: Vec<u64>) -> Vec<u64> {
    items.sort_unstable();
    items.dedup();
    let mut slots = [u64::MAX; SLOTS];
    for item in items {
        // One strong hash and two halves make all the others (Kirsch, Mitzenmacher 2006).
        let (start, step) = (mix(item ^ kind), mix(item.rotate_left(32) ^ kind) | 1);
        let mut hash = start;
        for slot in &mut slots {
            *slot = (*slot).min(mix_light(hash));
            hash = hash.wrapping_add(step);
        }
    }
    let named = slots.iter().enumerate();
    named
        .map(|(slot, least)| key.number(kind << 8 | slot as u64, *least))
        .collect()
}

/// The finaliser of SplitMix64 (Steele et al. 2014).
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Enough to make sums independent.
const fn mix_light(x: u64) -> u64 {
    let x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 32)
}
