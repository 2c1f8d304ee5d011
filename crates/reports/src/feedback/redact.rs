//! What a report may say of a message: no person, and no recipient at all.
//!
//! RFC 6590: the local part of an address is replaced by a keyed hash, so that who reads several reports sees that they are about the same
//! sender, and nothing else. The key is this installation's. Of the header only the fields that explain a failure are told; `To`, `Cc`, `Subject`
//! and everything unknown are not.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Fields that explain why a message failed to be authentic.
const TOLD: [&str; 11] = [
    "return-path",
    "received",
    "authentication-results",
    "dkim-signature",
    "from",
    "sender",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "list-id",
];
/// Fields of which only addresses are told, not names.
const ADDRESSES_ONLY: [&str; 3] = ["from", "sender", "return-path"];
/// Bytes of the hash that stand for a local part: 2^-48 for two to be the same.
const HASH_BYTES: usize = 12;
/// Fields told at most.
const FIELDS_MAX: usize = 100;
/// Longest value told, bytes.
const VALUE_BYTES_MAX: usize = 4096;

/// Replaces what points at persons.
pub struct Redactor {
    keyed: Hmac<Sha256>,
}

impl Redactor {
    /// With this installation's key.
    pub fn new(key: &[u8; 32]) -> Self {
        let keyed = Hmac::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104 §2)");
        Self { keyed }
    }

    /// `ann@example.org` as `…@example.org`. What has no `@` is hashed whole; empty stays empty.
    pub fn address(&self, address: &str) -> String {
        match address.rsplit_once('@') {
            Some((local, domain)) => format!("{}@{domain}", self.hashed(local)),
            None if address.is_empty() => String::new(),
            None => self.hashed(address),
        }
    }

    /// A text with every address in it redacted.
    pub fn text(&self, text: &str) -> String {
        let mut told = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('@') {
            let start = rest[..at].rfind(|c: char| !is_local(c));
            let start = start.map_or(0, |end| {
                end + rest[end..].chars().next().map_or(1, char::len_utf8)
            });
            told.push_str(&rest[..start]);
            if start < at {
                told.push_str(&self.hashed(&rest[start..at]));
            }
            told.push('@');
            rest = &rest[at + 1..];
        }
        told.push_str(rest);
        told
    }

    /// What of a message's header may be told: chosen fields, redacted, one line each.
    pub fn header(&self, fields: &[(String, String)]) -> String {
        let mut told = String::new();
        for (name, value) in fields.iter().take(FIELDS_MAX) {
            let lower = name.to_ascii_lowercase();
            if !TOLD.contains(&lower.as_str()) {
                continue;
            }
            let end = mail::address::floor_char_boundary(value, VALUE_BYTES_MAX);
            let value = &value[..end];
            let value = match lower.as_str() {
                only if ADDRESSES_ONLY.contains(&only) => self.addresses(value),
                "received" => self.text(&without_recipient(value)),
                "dkim-signature" => self.text(&without_copied_header(value)),
                // A message id is made like an address, and is none.
                "message-id" => value.to_owned(),
                _ => self.text(value),
            };
            let value: String = value
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            told.push_str(&format!("{name}: {}\r\n", value.trim()));
        }
        told
    }

    /// The addresses of a field, redacted, without the names beside them.
    fn addresses(&self, value: &str) -> String {
        let is_end = |c: char| c.is_whitespace() || "<>,;()\"".contains(c);
        let words = value.split(is_end).filter(|word| word.contains('@'));
        let told: Vec<String> = words
            .map(|word| format!("<{}>", self.address(word)))
            .collect();
        if told.is_empty() {
            return "<>".to_owned();
        }
        told.join(", ")
    }

    fn hashed(&self, local: &str) -> String {
        let mut mac = self.keyed.clone();
        mac.update(local.as_bytes());
        BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()[..HASH_BYTES])
    }
}

/// Can it stand in an unquoted local part (RFC 5322 §3.2.3, RFC 6531)? `=` and `/` can, but in header fields stand around it.
fn is_local(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-?^_`{|}~.".contains(c)
}

/// `Received` without `for <…>`.
fn without_recipient(value: &str) -> String {
    let mut told: Vec<&str> = Vec::new();
    let mut words = value.split_whitespace();
    while let Some(word) = words.next() {
        if !word.trim_start_matches('(').eq_ignore_ascii_case("for") {
            told.push(word);
            continue;
        }
        // What ends the clause may be glued to the address.
        let recipient = words.next().unwrap_or_default();
        told.extend([";", ")"].into_iter().find(|end| recipient.ends_with(end)));
    }
    told.join(" ")
}

/// A signature without `z=`, which copies header fields (RFC 6376 §3.5).
fn without_copied_header(value: &str) -> String {
    let tags = value.split(';').filter(|tag| {
        let name = tag.split('=').next().unwrap_or_default();
        name.trim() != "z"
    });
    tags.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(&[7; 32])
    }

    #[test]
    fn the_same_person_looks_the_same_and_like_nobody() {
        let redactor = redactor();
        let told = redactor.address("ann@example.org");
        assert_eq!(told, redactor.address("ann@example.org"));
        assert!(told.ends_with("@example.org") && !told.contains("ann"));
        assert_ne!(told, redactor.address("bob@example.org"));
        assert_ne!(told, Redactor::new(&[8; 32]).address("ann@example.org"));
        assert_eq!(redactor.address(""), "");
        assert!(!redactor.address("postmaster").contains("post"));
    }

    #[test]
    fn addresses_anywhere_in_a_text() {
        let told =
            redactor().text("spf=fail smtp.mailfrom=ann.lee+x@example.org (é王@a.example) @");
        assert!(told.starts_with("spf=fail smtp.mailfrom="), "{told}");
        for name in ["ann", "lee", "王"] {
            assert!(!told.contains(name), "{told}");
        }
        assert!(told.contains("@example.org (") && told.ends_with("@a.example) @"));
    }

    #[test]
    fn a_header_without_persons_and_recipients() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let told = redactor().header(&[
            field("From", "\"Ann Lee\" <ann@example.org>"),
            field("To", "bob@recipient.example"),
            field("Subject", "about bob"),
            field("Received", "from a (b [192.0.2.1]) by c with ESMTP id 1 for <bob@recipient.example>; Mon, 1 Jan 2026 00:00:00 +0000"),
            field("Received", "by c (for bob@recipient.example)"),
            field("DKIM-Signature", "v=1; d=example.org; z=To:bob@recipient.example|From:x; s=a; b=abc="),
            field("Message-ID", "<1@example.org>"),
            field("X-Original-To", "bob@recipient.example"),
            field("Return-Path", "<>"),
        ]);
        for hidden in ["bob", "recipient.example", "Ann", "Lee", "ann@"] {
            assert!(!told.contains(hidden), "{hidden} in {told}");
        }
        assert!(
            told.contains("by c with ESMTP id 1 ; Mon, 1 Jan 2026"),
            "{told}"
        );
        assert!(told.contains("Message-ID: <1@example.org>\r\n"));
        assert!(told.contains("s=a; b=abc="));
    }
}
