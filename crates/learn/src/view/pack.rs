//! What was seen of a message as few bytes: kept, so that a label that comes days later teaches exactly what was judged.
//!
//! ```text
//! version u8   of grams and of tokens: header u32, all u32   the numbers, 19 bits each, the lowest bit first
//! ```
//! Numbers are hashes under a secret: the bytes tell nobody what the message said. Their order is kept, because stretches of a body are judged apart.

use super::{BITS, Features, Seen};

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 4 * 4;
/// More than any message has: the views look at a few thousand bytes of each.
const FEATURES_MAX: usize = 60_000;

impl Seen {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let both = [&self.grams, &self.tokens];
        let count: usize = both.iter().map(|features| features.ids.len()).sum();
        let mut bytes = Vec::with_capacity(HEAD_BYTES + count * BITS as usize / 8 + 1);
        bytes.push(VERSION);
        for features in both {
            bytes.extend_from_slice(&(features.header as u32).to_le_bytes());
            bytes.extend_from_slice(&(features.ids.len() as u32).to_le_bytes());
        }
        let (mut waiting, mut bits) = (0_u64, 0);
        for id in both.iter().flat_map(|features| &features.ids) {
            waiting |= u64::from(*id) << bits;
            bits += BITS;
            while bits >= 8 {
                bytes.push(waiting as u8);
                waiting >>= 8;
                bits -= 8;
            }
        }
        if bits > 0 {
            bytes.push(waiting as u8);
        }
        bytes
    }

    /// Reads [`Seen::to_bytes`]; `None` when these are no such bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, packed) = bytes.split_at_checked(HEAD_BYTES)?;
        if head[0] != VERSION {
            return None;
        }
        let number = |at: usize| {
            let four = head[1 + 4 * at..5 + 4 * at].try_into().ok();
            four.map_or(0, |four| u32::from_le_bytes(four) as usize)
        };
        let [header_grams, grams, header_tokens, tokens] = [0, 1, 2, 3].map(number);
        let fits = grams <= FEATURES_MAX
            && tokens <= FEATURES_MAX
            && header_grams <= grams
            && header_tokens <= tokens
            && packed.len() == ((grams + tokens) * BITS as usize).div_ceil(8);
        if !fits {
            return None;
        }
        let mut ids = Vec::with_capacity(grams + tokens);
        let (mut waiting, mut bits) = (0_u64, 0);
        for byte in packed {
            waiting |= u64::from(*byte) << bits;
            bits += 8;
            if bits >= BITS && ids.len() < grams + tokens {
                ids.push((waiting & ((1 << BITS) - 1)) as u32);
                waiting >>= BITS;
                bits -= BITS;
            }
        }
        // What is left over of the last byte says nothing.
        if waiting != 0 {
            return None;
        }
        let rest = ids.split_off(grams);
        Some(Self {
            grams: Features {
                ids,
                header: header_grams,
            },
            tokens: Features {
                ids: rest,
                header: header_tokens,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn features() -> impl Strategy<Value = Features> {
        (prop::collection::vec(0_u32..1 << BITS, 0..50), 0_usize..50).prop_map(|(ids, header)| {
            Features {
                header: header.min(ids.len()),
                ids,
            }
        })
    }

    proptest! {
        #[test]
        fn what_was_seen_is_read_back(grams in features(), tokens in features()) {
            let seen = Seen { grams, tokens };
            prop_assert_eq!(Seen::from_bytes(&seen.to_bytes()), Some(seen));
        }

        #[test]
        fn other_bytes_are_refused_or_mean_what_they_say(bytes in prop::collection::vec(any::<u8>(), 0..80), ours in any::<bool>()) {
            let mut bytes = bytes;
            if let (true, Some(first)) = (ours, bytes.first_mut()) {
                *first = VERSION;
            }
            if let Some(seen) = Seen::from_bytes(&bytes) {
                prop_assert_eq!(seen.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn bytes_cut_short_are_refused() {
        let seen = Seen {
            grams: Features {
                ids: vec![1, 2, 3],
                header: 1,
            },
            tokens: Features::default(),
        };
        let bytes = seen.to_bytes();
        assert_eq!(bytes.len(), HEAD_BYTES + 8);
        assert_eq!(Seen::from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Seen::from_bytes(&[&bytes[..], &[0]].concat()), None);
    }
}
