//! Keys to sign with: made, read, and the records that publish them.

use data_encoding::BASE64;
use mail::Secret;
use mail::authentication::SignatureProblem;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey};

use crate::signature::key::{Algorithm, KeyRecord};

/// Length of RSA keys that are made: what everybody verifies and a record of 512 bytes holds (RFC 8301 §3.2).
const RSA_BITS: usize = 2048;

/// Longest string of a TXT record (RFC 1035 §3.3).
const STRING_BYTES_MAX: usize = 255;

/// Which algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `rsa-sha256`: everybody verifies it.
    Rsa,
    /// `ed25519-sha256` (RFC 8463): short, and not yet verified by everybody; to be used beside RSA.
    Ed25519,
}

impl KeyKind {
    /// The algorithm, as signatures name it.
    pub(super) const fn algorithm(self) -> &'static str {
        match self {
            Self::Rsa => "rsa-sha256",
            Self::Ed25519 => "ed25519-sha256",
        }
    }
}

/// A key that was just made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The private key: PKCS#8 in PEM, for a file nobody else can read.
    pub pem: Secret<String>,
    /// The text to publish at `selector._domainkey.domain`.
    pub record: String,
}

/// Why a key cannot be used or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// No PEM, or not of a private key.
    #[error("is no private key in PEM (PKCS#8 or PKCS#1)")]
    NoPem,
    /// The content is refused by the cryptography: another kind, damaged, or an RSA key shorter than 2,048 bits.
    #[error("is no usable RSA key of at least 2048 bits and no Ed25519 key: {0}")]
    Refused(String),
    /// It could not be made.
    #[error("could not be made: {0}")]
    NotMade(String),
}

/// A private key.
pub struct SigningKey(Pair);

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

impl NewKey {
    /// Makes one.
    pub fn make(kind: KeyKind) -> Result<Self, BadKey> {
        let not_made = |why: &dyn std::fmt::Display| BadKey::NotMade(why.to_string());
        let (private, record) = match kind {
            KeyKind::Rsa => {
                let key = rsa::PrivateKey::new(&mut getrandom::SysRng, RSA_BITS)
                    .map_err(|why| not_made(&why))?;
                let public = key
                    .to_public_key()
                    .to_public_key_der()
                    .map_err(|why| not_made(&why))?;
                let private = key.to_pkcs8_der().map_err(|why| not_made(&why))?;
                (
                    private.as_bytes().to_vec(),
                    record("rsa", public.as_bytes()),
                )
            }
            KeyKind::Ed25519 => {
                let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                    .map_err(|why| not_made(&why))?;
                let pair =
                    Ed25519KeyPair::from_pkcs8(private.as_ref()).map_err(|why| not_made(&why))?;
                (
                    private.as_ref().to_vec(),
                    record("ed25519", pair.public_key().as_ref()),
                )
            }
        };
        Ok(Self {
            pem: Secret::new(pem(&private)),
            record,
        })
    }
}

fn record(kind: &str, public: &[u8]) -> String {
    format!("v=DKIM1; k={kind}; p={}", BASE64.encode(public))
}

/// A text as zone files hold it: strings of at most 255 bytes (RFC 1035 §5.1).
pub fn published(record: &str) -> String {
    let strings: Vec<String> = record
        .as_bytes()
        .chunks(STRING_BYTES_MAX)
        .map(|string| format!("\"{}\"", String::from_utf8_lossy(string)))
        .collect();
    strings.join(" ")
}

/// What a published text is: the length of its key in bits, or what is wrong with it; `None` when it is no key record.
pub fn check_record(text: &[u8]) -> Option<Result<u32, SignatureProblem>> {
    KeyRecord::read(text).map(|record| record.map(|key| key.bits()))
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

fn pem(private: &[u8]) -> String {
    let text = BASE64.encode(private);
    let lines: String = text
        .as_bytes()
        .chunks(64)
        .map(|line| format!("{}\n", String::from_utf8_lossy(line)))
        .collect();
    format!("{BEGIN}\n{lines}{END}\n")
}

impl SigningKey {
    /// Reads a private key in PEM: PKCS#8 of either kind, or PKCS#1 as older tools write RSA.
    pub fn read(text: &str) -> Result<Self, BadKey> {
        let inside = |begin: &str, end: &str| {
            let (_, rest) = text.split_once(begin)?;
            let (body, _) = rest.split_once(end)?;
            let digits: String = body.chars().filter(|c| !c.is_whitespace()).collect();
            BASE64.decode(digits.as_bytes()).ok()
        };
        let refused = |why: ring::error::KeyRejected| BadKey::Refused(why.to_string());
        if let Some(der) = inside(BEGIN, END) {
            if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
                return Ok(Self(Pair::Ed25519(pair)));
            }
            return RsaKeyPair::from_pkcs8(&der).map(Self::rsa).map_err(refused);
        }
        let der = inside(
            "-----BEGIN RSA PRIVATE KEY-----",
            "-----END RSA PRIVATE KEY-----",
        )
        .ok_or(BadKey::NoPem)?;
        RsaKeyPair::from_der(&der).map(Self::rsa).map_err(refused)
    }

    fn rsa(pair: RsaKeyPair) -> Self {
        Self(Pair::Rsa(Box::new(pair)))
    }

    /// Which algorithm it signs with.
    pub const fn kind(&self) -> KeyKind {
        match self.0 {
            Pair::Rsa(_) => KeyKind::Rsa,
            Pair::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    /// Is this the record of our public half? `None` when it cannot be read as one.
    pub fn fits(&self, record: &str) -> Option<bool> {
        let public = KeyRecord::read(record.as_bytes())?.ok()?;
        let algorithm = match self.kind() {
            KeyKind::Rsa => Algorithm::RsaSha256,
            KeyKind::Ed25519 => Algorithm::Ed25519Sha256,
        };
        let message = b"is it ours?";
        let signature = self.sign(message).ok()?;
        Some(public.verifies(algorithm, message, &signature))
    }

    /// Signs bytes.
    pub(super) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        match &self.0 {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    bytes,
                    &mut signature,
                )
                .map_err(|_| "the RSA signature could not be made".to_owned())?;
                Ok(signature)
            }
            Pair::Ed25519(pair) => {
                let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
                Ok(pair.sign(hash.as_ref()).as_ref().to_vec())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_made_here_verify_what_they_sign() {
        for (kind, algorithm, bits) in [
            (KeyKind::Rsa, Algorithm::RsaSha256, 2048),
            (KeyKind::Ed25519, Algorithm::Ed25519Sha256, 256),
        ] {
            let new = NewKey::make(kind).expect("a key");
            let private = SigningKey::read(new.pem.reveal()).expect("a private key");
            assert_eq!(private.kind(), kind);
            let signature = private.sign(b"hello").expect("a signature");
            let public = KeyRecord::read(new.record.as_bytes())
                .expect("a record")
                .expect("a key");
            assert_eq!(check_record(new.record.as_bytes()), Some(Ok(bits)));
            assert!(public.verifies(algorithm, b"hello", &signature));
            assert!(!public.verifies(algorithm, b"hallo", &signature));
            assert_eq!(private.fits(&new.record), Some(true));
            let other = NewKey::make(kind).expect("a key");
            assert_eq!(private.fits(&other.record), Some(false));
            assert_eq!(private.fits("v=DKIM1; p="), None);
            assert!(!format!("{new:?}").contains("BEGIN"));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(SigningKey::read("hello").err(), Some(BadKey::NoPem));
        let damaged = format!("{BEGIN}\nAAAA\n{END}\n");
        assert!(matches!(
            SigningKey::read(&damaged).err(),
            Some(BadKey::Refused(_))
        ));
    }

    #[test]
    fn records_as_zone_files_hold_them() {
        assert_eq!(published("short"), "\"short\"");
        assert_eq!(
            published(&"x".repeat(300)),
            format!("\"{}\" \"{}\"", "x".repeat(255), "x".repeat(45))
        );
    }
}
