//! Sealing: only nodes that know the installation's secret can make a batch, or read one, and none is taken twice.
//!
//! A batch is `version (1) | voice (16) | number (8, big endian) | ciphertext and tag`. A *voice* is drawn at random by each process when it
//! starts, its batches are numbered from 1, and its key follows from secret and voice (HKDF-SHA256, RFC 5869), so that a
//! number can be the nonce of ChaCha20-Poly1305 (RFC 8439) and is never used twice under one key.

use std::collections::HashMap;

use mail::Secret;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

use crate::Away;

const VERSION: u8 = 1;
const VOICE: usize = 16;
const HEAD: usize = 1 + VOICE + 8;
/// Voices remembered: processes that were started, each of a few bytes. Whose voice was silent longest is forgotten first.
const VOICES_MAX: usize = 1024;

/// Which process speaks.
pub type Voice = [u8; VOICE];

/// Seals what this process tells.
pub struct Sealer {
    voice: Voice,
    key: LessSafeKey,
    number: u64,
}

/// Opens what others told.
pub struct Opener {
    secret: Secret<[u8; 32]>,
    own: Voice,
    voices: HashMap<Voice, Known>,
    /// Counts what was opened, so that silent voices are known.
    clock: u64,
}

struct Known {
    key: LessSafeKey,
    last: u64,
    heard: u64,
}

/// What a sealed batch was.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// Our own.
    Own,
    /// Of another installation, damaged, or heard before.
    Refused,
    /// What another node told; `missed` of its batches before did not come.
    Batch { batch: Vec<u8>, missed: u64 },
}

impl Sealer {
    pub fn new(secret: &Secret<[u8; 32]>) -> Result<Self, Away> {
        let mut voice = [0; VOICE];
        getrandom::fill(&mut voice)
            .map_err(|error| Away(format!("the system gives no randomness: {error}")))?;
        Ok(Self {
            voice,
            key: key(secret, &voice),
            number: 0,
        })
    }

    pub const fn voice(&self) -> Voice {
        self.voice
    }

    pub fn seal(&mut self, batch: &[u8]) -> Vec<u8> {
        self.number += 1;
        let mut head = Vec::with_capacity(HEAD + batch.len() + CHACHA20_POLY1305.tag_len());
        head.push(VERSION);
        head.extend_from_slice(&self.voice);
        head.extend_from_slice(&self.number.to_be_bytes());
        let mut body = batch.to_vec();
        self.key
            .seal_in_place_append_tag(nonce(self.number), Aad::from(&head), &mut body)
            .expect("a batch is far below 256 GB");
        head.append(&mut body);
        head
    }
}

impl Opener {
    pub fn new(secret: &Secret<[u8; 32]>, own: Voice) -> Self {
        Self {
            secret: secret.clone(),
            own,
            voices: HashMap::new(),
            clock: 0,
        }
    }

    pub fn open(&mut self, sealed: &[u8]) -> Opened {
        let Some((head, body)) = sealed.split_at_checked(HEAD) else {
            return Opened::Refused;
        };
        let (voice, number) = head[1..].split_at(VOICE);
        let (Ok(voice), Ok(number)) = (Voice::try_from(voice), number.try_into()) else {
            return Opened::Refused;
        };
        let number = u64::from_be_bytes(number);
        if head[0] != VERSION {
            return Opened::Refused;
        }
        if voice == self.own {
            return Opened::Own;
        }
        let known = self.voices.get(&voice);
        if known.is_some_and(|known| number <= known.last) {
            return Opened::Refused;
        }
        let mut body = body.to_vec();
        let fresh;
        let opening = match known {
            Some(known) => &known.key,
            None => {
                fresh = key(&self.secret, &voice);
                &fresh
            }
        };
        let Ok(batch) = opening.open_in_place(nonce(number), Aad::from(head), &mut body) else {
            return Opened::Refused;
        };
        let batch = batch.to_vec();
        let missed = known.map_or(0, |known| number - known.last - 1);
        self.note(voice, number);
        Opened::Batch { batch, missed }
    }

    fn note(&mut self, voice: Voice, number: u64) {
        self.clock += 1;
        if !self.voices.contains_key(&voice) && self.voices.len() >= VOICES_MAX {
            let silent = self.voices.iter().min_by_key(|(_, known)| known.heard);
            if let Some(silent) = silent.map(|(voice, _)| *voice) {
                self.voices.remove(&silent);
            }
        }
        let secret = &self.secret;
        let known = self.voices.entry(voice).or_insert_with(|| Known {
            key: key(secret, &voice),
            last: 0,
            heard: 0,
        });
        (known.last, known.heard) = (number, self.clock);
    }
}

/// What an installation is called on a server that others use too; says nothing of its secret.
pub fn name(secret: &Secret<[u8; 32]>) -> String {
    let mut bytes = [0; 8];
    let prk = Salt::new(HKDF_SHA256, b"name").extract(secret.reveal());
    let okm = prk.expand(&[b"mailvigil hub"], Length(8));
    okm.and_then(|okm| okm.fill(&mut bytes))
        .expect("eight bytes are few");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Length(usize);

impl ring::hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn key(secret: &Secret<[u8; 32]>, voice: &Voice) -> LessSafeKey {
    let prk = Salt::new(HKDF_SHA256, voice).extract(secret.reveal());
    let okm = prk
        .expand(&[b"mailvigil hub 1"], &CHACHA20_POLY1305)
        .expect("a key is short");
    LessSafeKey::new(UnboundKey::from(okm))
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(byte: u8) -> Secret<[u8; 32]> {
        Secret::new([byte; 32])
    }

    fn batch(text: &str, missed: u64) -> Opened {
        Opened::Batch {
            batch: text.as_bytes().to_vec(),
            missed,
        }
    }

    #[test]
    fn only_who_knows_the_secret_reads_and_makes_batches_and_none_is_taken_twice() {
        let mut ann = Sealer::new(&secret(1)).expect("randomness");
        let mut bob = Opener::new(&secret(1), [0; VOICE]);
        let [one, two, three] = ["one", "two", "three"].map(|text| ann.seal(text.as_bytes()));
        assert!(!one.windows(3).any(|bytes| bytes == b"one"));
        assert_eq!(bob.open(&one), batch("one", 0));
        assert_eq!(bob.open(&one), Opened::Refused, "again");
        assert_eq!(
            bob.open(&three),
            batch("three", 1),
            "one between was missed"
        );
        assert_eq!(bob.open(&two), Opened::Refused, "too late");
        assert_eq!(
            Opener::new(&secret(2), [0; VOICE]).open(&one),
            Opened::Refused
        );
        assert_eq!(Opener::new(&secret(1), ann.voice()).open(&one), Opened::Own);
        assert_ne!(name(&secret(1)), name(&secret(2)));
    }

    #[test]
    fn voices_are_bounded() {
        let mut bob = Opener::new(&secret(1), [0; VOICE]);
        for _ in 0..=VOICES_MAX {
            let mut voice = Sealer::new(&secret(1)).expect("randomness");
            assert_eq!(bob.open(&voice.seal(b"hello")), batch("hello", 0));
        }
        assert_eq!(bob.voices.len(), VOICES_MAX);
    }

    proptest! {
        #[test]
        fn what_was_touched_is_refused(text in prop::collection::vec(any::<u8>(), 0..50), place in any::<prop::sample::Index>(), bit in 0..8_u32, cut in any::<prop::sample::Index>()) {
            let sealed = Sealer::new(&secret(1)).expect("randomness").seal(&text);
            let mut touched = sealed.clone();
            touched[place.index(sealed.len())] ^= 1 << bit;
            prop_assert_eq!(Opener::new(&secret(1), [0; VOICE]).open(&touched), Opened::Refused);
            let cut = &sealed[..cut.index(sealed.len())];
            prop_assert_eq!(Opener::new(&secret(1), [0; VOICE]).open(cut), Opened::Refused);
        }

        #[test]
        fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Opener::new(&secret(1), [1; VOICE]).open(&bytes), Opened::Refused);
        }
    }
}
