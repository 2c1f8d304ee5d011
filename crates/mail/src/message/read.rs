//! From bytes to a [`Message`]: the order of reading.

use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, DateTime, HeaderValue};
use sha2::{Digest, Sha256};

use super::charset::Hint;
use super::header::{Fields, text};
use super::{Header, Mailbox, Message, Oddity, guard, parts, received};
use crate::address::floor_char_boundary;
use crate::{Address, Limits, Timestamp};

/// Fields that may stand once (RFC 5322 §3.6), besides `From`.
const ONCE: [&str; 8] = [
    "subject",
    "to",
    "cc",
    "date",
    "message-id",
    "sender",
    "reply-to",
    "in-reply-to",
];
/// Mailboxes read of one address field.
const MAILBOXES_MAX: usize = 1000;

impl Message {
    /// Reads `raw` as far as it can be read. Never fails, never panics, and its stack does not grow with the input.
    pub fn read(raw: &[u8], limits: &Limits) -> Self {
        let mut message = Self {
            size_bytes: raw.len() as u64,
            digest: data_encoding::HEXLOWER.encode(&Sha256::digest(raw)),
            ..Self::default()
        };
        guard::of_bytes(raw, &mut |oddity| message.note(oddity));
        message.read_header(raw, limits);
        parts::read(raw, limits, &mut message);
        message
    }

    fn read_header(&mut self, raw: &[u8], limits: &Limits) {
        let hint = Hint::of(raw, guard::body_start(raw));
        let mut froms = 0;
        let mut once = [0_u32; ONCE.len()];
        for (number, field) in Fields::of(raw).enumerate() {
            if number >= limits.headers_max {
                self.note(Oddity::TooManyHeaders);
                break;
            }
            if field.value.len() > limits.header_bytes_max {
                self.note(Oddity::Cut);
            }
            if !field.value.is_ascii() {
                self.note(Oddity::EightBitHeader);
            }
            let value = &field.value[..field.value.len().min(limits.header_bytes_max)];
            let name = String::from_utf8_lossy(field.name).into_owned();
            let lower = name.to_ascii_lowercase();
            if let Some(place) = ONCE.iter().position(|known| *known == lower) {
                once[place] += 1;
            }
            froms += u32::from(lower == "from");
            let value_text = text(value, &hint);
            self.take_field(&lower, &hint.text(value), &value_text, limits);
            self.headers.push(Header {
                name,
                value: value_text,
            });
        }
        if self.headers.is_empty() {
            self.note(Oddity::NoHeader);
        }
        if froms != 1 {
            self.note(Oddity::FromCount);
        }
        if once.iter().any(|count| *count > 1) {
            self.note(Oddity::RepeatedField);
        }
        if self.date.is_none() {
            self.note(Oddity::NoDate);
        }
        if self.message_id.is_none() {
            self.note(Oddity::NoMessageId);
        }
    }

    /// Takes from a field what judging asks for by name. The first of repeated fields counts, as most readers show it.
    fn take_field(&mut self, name: &str, value: &str, text: &str, limits: &Limits) {
        let mailboxes = |into: &mut Vec<Mailbox>| {
            if into.is_empty() {
                *into = read_mailboxes(value, limits);
            }
        };
        match name {
            "from" => mailboxes(&mut self.header_from),
            "sender" => mailboxes(&mut self.header_sender),
            "reply-to" => mailboxes(&mut self.reply_to),
            "to" => mailboxes(&mut self.header_to),
            "cc" => mailboxes(&mut self.cc),
            "subject" if self.subject.is_empty() => text.clone_into(&mut self.subject),
            "date" if self.date.is_none() => self.date = date(value.as_bytes()),
            "message-id" if self.message_id.is_none() => self.message_id = message_id(text, limits),
            "received" if self.received.len() < limits.hops_max => {
                self.received.push(received::hop(text));
            }
            _ => {}
        }
    }

    /// Notes an oddity once.
    pub(super) fn note(&mut self, oddity: Oddity) {
        if !self.oddities.contains(&oddity) {
            self.oddities.push(oddity);
        }
    }
}

/// A date as RFC 5322 §3.3 or older software writes it.
pub(super) fn date(value: &[u8]) -> Option<Timestamp> {
    let mut line = value[..value.len().min(200)].to_vec();
    line.push(b'\n');
    match MessageStream::new(&line).parse_date() {
        HeaderValue::DateTime(date) if is_date(&date) => {
            Some(Timestamp::from_secs(date.to_timestamp()))
        }
        _ => None,
    }
}

fn is_date(date: &DateTime) -> bool {
    date.is_valid() && (1970..=9999).contains(&date.year)
}

fn message_id(text: &str, limits: &Limits) -> Option<String> {
    let id = text
        .trim()
        .trim_start_matches('<')
        .trim_end_matches('>')
        .trim();
    let cut = floor_char_boundary(id, limits.address_bytes_max);
    (cut > 0).then(|| id[..cut].to_owned())
}

fn read_mailboxes(value: &str, limits: &Limits) -> Vec<Mailbox> {
    let mut line = value.to_owned().into_bytes();
    line.extend_from_slice(b"\r\n");
    let HeaderValue::Address(addresses) = MessageStream::new(&line).parse_address() else {
        return Vec::new();
    };
    let mailbox = |addr: &Addr<'_>| Mailbox {
        name: addr
            .name
            .as_deref()
            .map(|name| name[..floor_char_boundary(name, limits.address_bytes_max)].to_owned()),
        address: addr
            .address
            .as_deref()
            .and_then(|address| Address::from_path(address, limits.address_bytes_max)),
    };
    addresses.iter().take(MAILBOXES_MAX).map(mailbox).collect()
}
