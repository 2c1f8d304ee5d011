//! Names for records: short enough to read over the phone, sortable by time.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Twenty-six characters of Crockford base 32 without vowels that confuse: 48 bits of milliseconds,
/// then 80 bits of randomness (the shape of a ULID). Sorting ids as text sorts them by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RecordId(u128);

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

impl RecordId {
    /// A new id: the time it is for, and randomness from the caller (see [`RecordId::random`]).
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        let millis = (at.0 / 1000).max(0) as u128 & 0xffff_ffff_ffff;
        let value = random
            .iter()
            .fold(millis, |value, byte| value << 8 | u128::from(*byte));
        Self(value)
    }

    /// A new id with randomness from the operating system.
    ///
    /// Falls back to the address of a local variable and the time mixed together should the
    /// operating system have none to give: an id must be unique, not secret.
    pub fn random(at: Timestamp) -> Self {
        let mut random = [0_u8; 10];
        if getrandom::fill(&mut random).is_err() {
            let here = (&raw const random).addr() as u64 ^ at.0 as u64;
            random[..8].copy_from_slice(&here.to_be_bytes());
        }
        Self::new(at, random)
    }

    /// Reads an id as printed; upper case is welcome. `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != LENGTH {
            return None;
        }
        let mut value: u128 = 0;
        for (place, byte) in text.bytes().enumerate() {
            let digit = ALPHABET
                .iter()
                .position(|known| *known == byte.to_ascii_lowercase())?;
            if place == 0 && digit > 7 {
                return None; // 26 digits hold 130 bits; the first may only use three of its five
            }
            value = value << 5 | digit as u128;
        }
        Some(Self(value))
    }

    /// The time the id was made for, to the millisecond.
    pub const fn at(self) -> Timestamp {
        Timestamp(((self.0 >> 80) as i64).saturating_mul(1000))
    }

    /// The id behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// A part of its randomness: for choosing some of many by chance.
    pub const fn chance(self) -> u64 {
        self.0 as u64
    }

    /// The smallest id of a point in time: where a search by time starts.
    pub fn first_at(at: Timestamp) -> Self {
        Self::new(at, [0; 10])
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; LENGTH];
        let mut value = self.0;
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(value & 31) as usize];
            value >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<RecordId> for String {
    fn from(id: RecordId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for RecordId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
            .ok_or_else(|| format!("{text:?} is not a record id (26 letters and digits)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prints_and_reads_back(secs in 0_i64..4_000_000_000, random: [u8; 10]) {
            let id = RecordId::new(Timestamp::from_secs(secs), random);
            prop_assert_eq!(RecordId::parse(&id.to_string()), Some(id));
            prop_assert_eq!(id.at(), Timestamp::from_secs(secs));
        }

        #[test]
        fn text_order_is_time_order(a in 0_i64..4_000_000_000, b in 0_i64..4_000_000_000) {
            let of = |secs| RecordId::first_at(Timestamp::from_secs(secs)).to_string();
            prop_assert_eq!(of(a).cmp(&of(b)), a.cmp(&b));
        }

        #[test]
        fn refuses_what_is_not_an_id(text in "\\PC{0,30}") {
            if let Some(id) = RecordId::parse(&text) {
                prop_assert_eq!(id.to_string(), text.to_ascii_lowercase());
            }
        }
    }
}
