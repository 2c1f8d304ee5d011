//! Release marks: how a released message passes the filter once, and nobody else's does.
//!
//! A released message goes back to the mail server through its ordinary door, so it comes past us
//! again. It then carries one extra header field, `Mailvigil-Release: ID.MAC`: the id of a mark in the
//! store, and an HMAC-SHA256 over it under a key that never leaves the store. We let it pass when the
//! MAC is ours, the mark is unused and unexpired, the body is the quarantined one and every recipient
//! was held; and we take the field off, so the recipient gets the original bytes. Anything else is
//! a forgery or a replay: a fact that the policy weighs, and the field is taken off as well.

use hmac::{Hmac, KeyInit, Mac};
use mail::{RecordId, Secret};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The header field's name.
pub const HEADER: &str = "Mailvigil-Release";
/// The header field that makes a message a canary.
pub const CANARY_HEADER: &str = "Mailvigil-Canary";

/// The header field that makes a message a digest of ours.
pub const DIGEST_HEADER: &str = "Mailvigil-Digest";

/// Makes and checks marks under one key.
#[derive(Clone)]
pub struct Marker {
    key: Secret<[u8; 32]>,
    /// What its marks are for; a mark for one purpose is none for another.
    purpose: &'static [u8],
}

impl Marker {
    /// For releases, with the store's key, see `Store::secret`.
    pub const fn new(key: Secret<[u8; 32]>) -> Self {
        Self {
            key,
            purpose: b"mailvigil release mark 1\0",
        }
    }

    /// For canaries: messages that only prove that mail comes past us.
    pub const fn for_canaries(key: Secret<[u8; 32]>) -> Self {
        Self {
            key,
            purpose: b"mailvigil canary mark 1\0",
        }
    }

    /// For digests: mail of ours that quotes what was held.
    pub const fn for_digests(key: Secret<[u8; 32]>) -> Self {
        Self {
            key,
            purpose: b"mailvigil digest mark 1\0",
        }
    }

    /// The header value for a mark.
    pub fn value(&self, mark: RecordId) -> String {
        let mac = self.mac(mark);
        format!("{mark}.{}", data_encoding::HEXLOWER.encode(&mac))
    }

    /// The mark of a header value, when the value is ours.
    pub fn verify(&self, value: &str) -> Option<RecordId> {
        let (id, mac) = value.trim().split_once('.')?;
        let mark = RecordId::parse(id)?;
        let mac = data_encoding::HEXLOWER.decode(mac.as_bytes()).ok()?;
        bool::from(self.mac(mark)[..].ct_eq(&mac[..])).then_some(mark)
    }

    fn mac(&self, mark: RecordId) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.reveal())
            .expect("HMAC takes keys of any length (RFC 2104 §2)");
        mac.update(self.purpose);
        mac.update(mark.to_string().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// The message as it goes back to the server: the mark on top, then the original bytes.
pub fn marked(value: &str, raw: &[u8]) -> Vec<u8> {
    let mut marked = format!("{HEADER}: {value}\r\n").into_bytes();
    marked.extend_from_slice(raw);
    marked
}

/// The body: everything after the first empty line. A mail server may complete the header of a message
/// that comes from its own machine (RFC 6409 §8), so only the body must be the same bytes.
pub fn body(raw: &[u8]) -> &[u8] {
    &raw[mail::message::body_start(raw)..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::Timestamp;

    #[test]
    fn only_our_own_marks_verify() {
        let ours = Marker::new(Secret::new([7; 32]));
        let theirs = Marker::new(Secret::new([8; 32]));
        let mark = RecordId::new(Timestamp::from_secs(1_700_000_000), [3; 10]);
        let value = ours.value(mark);
        assert_eq!(ours.verify(&value), Some(mark));
        assert_eq!(ours.verify(&format!(" {value} ")), Some(mark));
        assert_eq!(ours.verify(&theirs.value(mark)), None);
        let other = RecordId::new(Timestamp::from_secs(1_700_000_001), [3; 10]);
        let grafted = format!("{other}.{}", value.split_once('.').expect("a dot").1);
        assert_eq!(ours.verify(&grafted), None);
        for torn in 0..value.len() {
            assert_eq!(ours.verify(&value[..torn]), None);
        }
    }

    #[test]
    fn the_body_starts_after_the_first_empty_line() {
        assert_eq!(
            body(b"A: b\r\n\r\nhello\r\n\r\nworld"),
            b"hello\r\n\r\nworld"
        );
        assert_eq!(body(b"A: b\n\nhello"), b"hello");
        assert_eq!(body(b"A: b\r\n"), b"");
    }
}
