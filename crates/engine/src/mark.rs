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

/// Makes and checks marks under one key.
#[derive(Clone)]
pub struct Marker {
    key: Secret<[u8; 32]>,
}

impl Marker {
    /// With the store's key, see `Store::secret`.
    pub const fn new(key: Secret<[u8; 32]>) -> Self {
        Self { key }
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
        let key = sha2::digest::array::Array::from(*self.key.reveal());
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.update(b"mailvigil release mark 1\0");
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
    let crlf = memmem(raw, b"\r\n\r\n").map(|at| at + 4);
    let lf = memmem(raw, b"\n\n").map(|at| at + 2);
    match (crlf, lf) {
        (Some(a), Some(b)) => &raw[a.min(b)..],
        (Some(at), None) | (None, Some(at)) => &raw[at..],
        (None, None) => &[],
    }
}

fn memmem(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
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
        assert_eq!(body(b"A: b\r\n\r\nhello\r\n\r\nworld"), b"hello\r\n\r\nworld");
        assert_eq!(body(b"A: b\n\nhello"), b"hello");
        assert_eq!(body(b"A: b\r\n"), b"");
    }
}
