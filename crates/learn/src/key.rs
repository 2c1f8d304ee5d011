//! Hashing under a secret, so that nobody outside can make words collide on purpose.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The secret of one installation, as the hash functions use it.
///
/// Multiply-shift (Dietzfelbinger et al. 1997) under a random odd factor: whoever does not know the factor cannot choose words that fall
/// together. Models learnt under different keys cannot be mixed; a snapshot names its key by [`Key::fingerprint`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    factor: u64,
    start: u64,
}

impl Key {
    /// From the installation's secret.
    pub fn new(secret: &[u8]) -> Self {
        let digest = Sha256::new_with_prefix(b"mailvigil learn\0")
            .chain_update(secret)
            .finalize();
        let word = |at: usize| {
            let bytes = digest[at..at + 8].try_into();
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        Self {
            factor: word(0) | 1,
            start: word(8),
        }
    }

    /// What a snapshot may say about the key it was made under.
    pub fn fingerprint(&self) -> u64 {
        self.number(0x6669_6e67, self.start)
    }

    /// The number of somebody who gives labels.
    pub fn of_name(&self, name: &str) -> u64 {
        self.bytes(0x6e61_6d65, name.as_bytes())
    }

    /// Hash of a byte string under a tag.
    #[inline]
    pub(crate) fn bytes(&self, tag: u64, bytes: &[u8]) -> u64 {
        let mut state = self.start ^ tag;
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
            state = self.stir(state, word);
        }
        let rest = chunks.remainder();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        state = self.stir(state, u64::from_le_bytes(last));
        self.stir(state, bytes.len() as u64)
    }

    /// Hash of a number under a tag.
    #[inline]
    pub(crate) const fn number(&self, tag: u64, number: u64) -> u64 {
        self.stir(self.start ^ tag, number)
    }

    /// Hash of a window of four bytes, as far as `bits` go.
    #[inline]
    pub(crate) const fn gram(&self, seed: u64, window: u32, bits: u32) -> u32 {
        let x = (window as u64).wrapping_add(seed << 40);
        (x.wrapping_mul(self.factor) >> (64 - bits)) as u32
    }

    #[inline]
    const fn stir(&self, state: u64, word: u64) -> u64 {
        let mixed = (state.rotate_left(5) ^ word).wrapping_mul(self.factor);
        mixed ^ (mixed >> 29)
    }
}
