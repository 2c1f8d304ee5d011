//! The header: fields out of bytes, encoded words out of fields (RFC 5322 §2.2, RFC 2047).

use std::borrow::Cow;

use data_encoding::BASE64_MIME_PERMISSIVE;
use memchr::{memchr, memmem};

use super::charset::{self, Hint};

/// One field as it stands in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'m> {
    /// Before the colon, without white space after it.
    pub name: &'m [u8],
    /// Folded, without the line break at its end.
    pub value: &'m [u8],
    /// All of it, byte for byte, without the line break at its end.
    pub whole: &'m [u8],
}

/// The header of a message, field by field.
#[derive(Clone, Debug)]
pub struct Fields<'m> {
    rest: &'m [u8],
}

impl<'m> Fields<'m> {
    /// Over a message's bytes, from its first.
    pub const fn of(raw: &'m [u8]) -> Self {
        Self { rest: raw }
    }

    /// The end of the field that starts here: the first line break that no white space follows.
    fn field_length(&self) -> usize {
        let mut at = 0;
        while let Some(line_break) = memchr(b'\n', &self.rest[at..]) {
            at += line_break + 1;
            if !matches!(self.rest.get(at), Some(b' ' | b'\t')) {
                return at;
            }
        }
        self.rest.len()
    }
}

impl<'m> Iterator for Fields<'m> {
    type Item = Field<'m>;

    /// Lines that are no field (no colon, or a name with white space in it) are passed over; the empty line
    /// ends the header.
    fn next(&mut self) -> Option<Field<'m>> {
        loop {
            if self.rest.is_empty()
                || self.rest.starts_with(b"\n")
                || self.rest.starts_with(b"\r\n")
            {
                return None;
            }
            let (field, rest) = self.rest.split_at(self.field_length());
            self.rest = rest;
            let Some(colon) = memchr(b':', field) else {
                continue;
            };
            let name = field[..colon].trim_ascii_end();
            let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
            if is_name {
                let whole = field.strip_suffix(b"\n").unwrap_or(field);
                let whole = whole.strip_suffix(b"\r").unwrap_or(whole);
                let value = whole.get(colon + 1..).unwrap_or_default();
                return Some(Field { name, value, whole });
            }
        }
    }
}

/// A field's value as text: unfolded, trimmed, encoded words decoded.
pub(super) fn text(value: &[u8], hint: &Hint) -> String {
    let text = hint.text(value);
    let unfolded: Cow<'_, str> = if text.contains(['\r', '\n']) {
        text.replace(['\r', '\n'], "").into()
    } else {
        text
    };
    let trimmed = unfolded.trim();
    if trimmed.contains("=?") {
        encoded_words(trimmed)
    } else {
        trimmed.to_owned()
    }
}

/// Decodes encoded words. White space between two of them vanishes (RFC 2047 §6.2), and the bytes of
/// neighbours in one charset are joined before decoding: mailers cut multi-byte characters in two.
fn encoded_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<(String, Vec<u8>)> = None;
    let mut rest = text;
    while !rest.is_empty() {
        let start = memmem::find(rest.as_bytes(), b"=?").unwrap_or(rest.len());
        let (plain, from_word) = rest.split_at(start);
        if let Some(word) = EncodedWord::read(from_word) {
            if !(open.is_some() && plain.trim().is_empty()) {
                close(&mut open, &mut out);
                out.push_str(plain);
            }
            match &mut open {
                Some((charset, bytes)) if charset.eq_ignore_ascii_case(word.charset) => {
                    bytes.extend(word.bytes);
                }
                _ => {
                    close(&mut open, &mut out);
                    open = Some((word.charset.to_owned(), word.bytes));
                }
            }
            rest = &from_word[word.length..];
        } else {
            close(&mut open, &mut out);
            let skipped = from_word.len().min(2);
            out.push_str(&rest[..start + skipped]);
            rest = &from_word[skipped..];
        }
    }
    close(&mut open, &mut out);
    out
}

fn close(open: &mut Option<(String, Vec<u8>)>, out: &mut String) {
    if let Some((charset, bytes)) = open.take() {
        out.push_str(&charset::decode(Some(&charset), &bytes).0);
    }
}

/// `=?charset?encoding?text?=`, with an optional language after the charset (RFC 2231 §5).
struct EncodedWord<'t> {
    charset: &'t str,
    bytes: Vec<u8>,
    length: usize,
}

impl<'t> EncodedWord<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let inner = text.strip_prefix("=?")?;
        let (charset, rest) = inner.split_once('?')?;
        let (encoding, rest) = rest.split_once('?')?;
        let (content, _) = rest.split_once("?=")?;
        if charset.is_empty() || charset.len() > 60 || content.contains('?') {
            return None;
        }
        let bytes = match encoding {
            "B" | "b" => base64(content.as_bytes()),
            "Q" | "q" => quoted(content),
            _ => return None,
        };
        Some(Self {
            charset: charset.split('*').next().unwrap_or(charset),
            bytes,
            length: 2 + charset.len() + 1 + encoding.len() + 1 + content.len() + 2,
        })
    }
}

/// As many bytes as can be decoded; padding may be missing, and what is no digit is passed over (RFC 2045 §6.8).
pub(super) fn base64(content: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = content
        .iter()
        .copied()
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        .collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    while !digits.len().is_multiple_of(4) {
        digits.push(b'=');
    }
    BASE64_MIME_PERMISSIVE.decode(&digits).unwrap_or_default()
}

fn quoted(content: &str) -> Vec<u8> {
    let bytes = content.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        let decoded = hex.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (bytes[at], decoded) {
            (b'=', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'_', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}
