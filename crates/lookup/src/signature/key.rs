//! Public keys: the records they are published in, and verifying with them.

use mail::authentication::SignatureProblem as Problem;
use ring::signature::{
    ED25519, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::der;
use super::tags::{Tags, base64};

/// Shortest RSA key that counts (RFC 8301 §3.2).
const RSA_BITS_MIN: u32 = 1024;

/// Longest text of a key record that is looked at: an 8,192-bit key takes less than a third.
const RECORD_BYTES_MAX: usize = 8 << 10;

/// How something is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    RsaSha256,
    RsaSha1,
    Ed25519Sha256,
}

impl Algorithm {
    /// Reads `a=`.
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        match text.to_ascii_lowercase().as_str() {
            "rsa-sha256" => Ok(Self::RsaSha256),
            "rsa-sha1" => Ok(Self::RsaSha1),
            "ed25519-sha256" => Ok(Self::Ed25519Sha256),
            _ => Err(Problem::Algorithm),
        }
    }

    /// The hash by the name key records have for it.
    const fn hash(self) -> &'static str {
        match self {
            Self::RsaSha1 => "sha1",
            Self::RsaSha256 | Self::Ed25519Sha256 => "sha256",
        }
    }

    /// Hashes with it.
    pub(crate) const fn digest(self) -> &'static ring::digest::Algorithm {
        match self {
            Self::RsaSha1 => &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::RsaSha256 | Self::Ed25519Sha256 => &ring::digest::SHA256,
        }
    }
}

/// A key record (RFC 6376 §3.6.1, RFC 4870 §3.2.3), read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    key: Key,
    /// `t=y`
    pub testing: bool,
    /// `t=s`: `i=` must name the signer's domain itself.
    pub exact_identity: bool,
    /// `g=`: local parts the key is for; only DomainKeys has it.
    pub granularity: Option<String>,
    hashes: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
        bits: u32,
    },
    Ed25519(Vec<u8>),
}

impl KeyRecord {
    /// Reads one text; `None` when it is no key record at all (no `p=`, or another version).
    pub(crate) fn read(text: &[u8]) -> Option<Result<Self, Problem>> {
        let text = std::str::from_utf8(text.get(..RECORD_BYTES_MAX).unwrap_or(text)).ok()?;
        let tags = Tags::read_what_can_be(text);
        if tags
            .get("v")
            .is_some_and(|version| version != "DKIM1" || tags.first() != Some(("v", version)))
        {
            return None;
        }
        Some(Self::of_tags(&tags, tags.get("p")?))
    }

    fn of_tags(tags: &Tags<'_>, encoded: &str) -> Result<Self, Problem> {
        let bytes = base64(encoded).map_err(|_| Problem::KeySyntax)?;
        if bytes.is_empty() {
            return Err(Problem::KeyRevoked);
        }
        let key = match tags.get("k").unwrap_or("rsa").to_ascii_lowercase().as_str() {
            "rsa" => {
                let (modulus, exponent) = der::rsa_public_key(&bytes).ok_or(Problem::KeySyntax)?;
                Key::Rsa {
                    bits: der::bits(modulus),
                    modulus: modulus.to_vec(),
                    exponent: exponent.to_vec(),
                }
            }
            "ed25519" if bytes.len() == 32 => Key::Ed25519(bytes),
            "ed25519" => return Err(Problem::KeySyntax),
            _ => return Err(Problem::KeyUse),
        };
        let for_mail = tags
            .words("s")
            .is_none_or(|mut services| services.any(|one| matches!(one, "*" | "email")));
        if !for_mail {
            return Err(Problem::KeyUse);
        }
        let flag = |flag| {
            tags.words("t")
                .is_some_and(|mut flags| flags.any(|one| one == flag))
        };
        Ok(Self {
            key,
            testing: flag("y"),
            exact_identity: flag("s"),
            granularity: tags.get("g").map(str::to_owned),
            hashes: tags
                .words("h")
                .map(|hashes| hashes.map(str::to_ascii_lowercase).collect()),
        })
    }

    /// The key's length.
    pub(crate) const fn bits(&self) -> u32 {
        match &self.key {
            Key::Rsa { bits, .. } => *bits,
            Key::Ed25519(_) => 256,
        }
    }

    /// May the key be used so at all? Keys that are too short are refused whoever signs (RFC 8301); too long ones cost
    /// more than a message is worth.
    pub(crate) fn allows(&self, algorithm: Algorithm, rsa_bits_max: u32) -> Result<(), Problem> {
        let is_rsa = matches!(self.key, Key::Rsa { .. });
        let fits = is_rsa == matches!(algorithm, Algorithm::RsaSha1 | Algorithm::RsaSha256);
        let hashed = self
            .hashes
            .as_ref()
            .is_none_or(|hashes| hashes.iter().any(|one| one == algorithm.hash()));
        if !fits || !hashed {
            return Err(Problem::KeyUse);
        }
        let sized = !is_rsa || (RSA_BITS_MIN..=rsa_bits_max).contains(&self.bits());
        sized.then_some(()).ok_or(Problem::KeySize)
    }

    /// Does the signature hold for these bytes?
    pub(crate) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Rsa {
                modulus, exponent, ..
            } => {
                let parameters = match algorithm {
                    Algorithm::RsaSha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
                    Algorithm::RsaSha256 | Algorithm::Ed25519Sha256 => {
                        &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
                    }
                };
                RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                }
                .verify(parameters, signed, signature)
                .is_ok()
            }
            // RFC 8463 §3: what Ed25519 signs is the hash.
            Key::Ed25519(point) => {
                let hash = ring::digest::digest(&ring::digest::SHA256, signed);
                UnparsedPublicKey::new(&ED25519, point)
                    .verify(hash.as_ref(), signature)
                    .is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8463 §A.2.
    const ED25519_KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn check(record: &str, expected: Option<Problem>) {
        let read = KeyRecord::read(record.as_bytes()).expect("a key record");
        assert_eq!(read.err(), expected, "{record}");
    }

    #[test]
    fn key_records() {
        check(&format!("v=DKIM1; k=ed25519; p={ED25519_KEY}"), None);
        check(&format!("k=ed25519; p={ED25519_KEY}; unknown"), None);
        check("v=DKIM1; p=", Some(Problem::KeyRevoked));
        check("v=DKIM1; k=ed25519; p=QUJD", Some(Problem::KeySyntax));
        check("v=DKIM1; k=dsa; p=QUJD", Some(Problem::KeyUse));
        check("p=*", Some(Problem::KeySyntax));
        check("p=QUJD", Some(Problem::KeySyntax));
        check(
            &format!("k=ed25519; s=tlsrpt; p={ED25519_KEY}"),
            Some(Problem::KeyUse),
        );
        for no_key in ["", "hello", "v=DKIM2; p=QUJD", "v=spf1 -all", "p; v=DKIM1"] {
            assert_eq!(KeyRecord::read(no_key.as_bytes()), None, "{no_key}");
        }
    }

    #[test]
    fn what_a_key_may_be_used_for() {
        let read = |record: String| {
            KeyRecord::read(record.as_bytes())
                .expect("a record")
                .expect("a key")
        };
        let key = read(format!("k=ed25519; t=y:s; p={ED25519_KEY}"));
        assert!(key.testing && key.exact_identity);
        assert_eq!(key.allows(Algorithm::Ed25519Sha256, 4096), Ok(()));
        assert_eq!(key.allows(Algorithm::RsaSha256, 4096), Err(Problem::KeyUse));
        let other_hash = read(format!("k=ed25519; h=sha1; p={ED25519_KEY}"));
        assert_eq!(
            other_hash.allows(Algorithm::Ed25519Sha256, 4096),
            Err(Problem::KeyUse)
        );
    }
}
