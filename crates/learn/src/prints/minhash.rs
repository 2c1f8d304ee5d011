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

    /// As bytes: the exact number, then both kinds of least hashes. Empty for a text of a few words.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.numbers().flat_map(u64::to_le_bytes).collect()
    }

    /// Reads [`Print::to_bytes`]; `None` when these are no such bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        if bytes.len() != (1 + 2 * SLOTS) * 8 {
            return None;
        }
        let mut numbers = bytes.chunks_exact(8).map(|eight| {
            let eight: [u8; 8] = eight.try_into().unwrap_or_default();
            u64::from_le_bytes(eight)
        });
        Some(Self {
            exact: numbers.next(),
            runs: numbers.by_ref().take(SLOTS).collect(),
            words: numbers.collect(),
        })
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
    let mut slots = [u32::MAX; SLOTS];
    for item in items {
        let item = (item >> 32) as u32;
        // 32 bits a slot, and nothing that depends on another slot: the compiler takes several at a time.
        for (slot, mask) in slots.iter_mut().zip(MASKS) {
            let hash = (item ^ mask).wrapping_mul(0x9e37_79b1);
            let hash = (hash ^ (hash >> 15)).wrapping_mul(0x85eb_ca77);
            *slot = (*slot).min(hash ^ (hash >> 13));
        }
    }
    let named = slots.iter().enumerate();
    named
        .map(|(slot, least)| key.number(kind << 8 | slot as u64, u64::from(*least)))
        .collect()
}

/// What makes each slot's hash another one.
const MASKS: [u32; SLOTS] = {
    let mut masks = [0; SLOTS];
    let mut state = 1_u32;
    let mut slot = 0;
    while slot < SLOTS {
        // xorshift32 (Marsaglia 2003)
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        masks[slot] = state;
        slot += 1;
    }
    masks
};
