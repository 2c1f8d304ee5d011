//! From bytes to a [`Message`]: the order of reading.

use std::collections::HashSet;

use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, DateTime, HeaderValue};
use sha2::{Digest, Sha256};

use super::charset::Hint;
use super::header::{Fields, text};
use super::parts::Wanted;
use super::reading::Reading;
use super::{
    File, Header, Link, LinkFrom, Mailbox, Message, Oddity, Part, Role, contact, guard, link,
    parts, received,
};
use crate::address::floor_char_boundary;
use crate::text::{Text, is_cjk};
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
/// Fewer different words than this tell nothing about a text; more need not be looked at.
const TELLING_WORDS_MIN: usize = 20;
const TELLING_WORDS_MAX: usize = 1000;
/// Mailboxes read of one address field.
const MAILBOXES_MAX: usize = 1000;

impl Message {
    /// Reads `raw` as far as it can be read. Never fails, never panics, and its stack does not grow with the input.
    pub fn read(raw: &[u8], limits: &Limits) -> Self {
        Self::read_all(raw, limits, Wanted::Parts)
    }

    /// The same, and the bytes of the parts that only a reader of documents understands.
    pub fn read_with_files(raw: &[u8], limits: &Limits) -> (Self, Vec<File>) {
        let mut files = Vec::new();
        let message = Self::read_all(raw, limits, Wanted::Files(&mut files));
        (message, files)
    }

    fn read_all(raw: &[u8], limits: &Limits, wanted: Wanted<'_>) -> Self {
        let mut message = Self {
            size_bytes: raw.len() as u64,
            digest: data_encoding::HEXLOWER.encode(&Sha256::digest(raw)),
            ..Self::default()
        };
        guard::of_bytes(raw, &mut |oddity| message.note(oddity));
        message.read_header(raw, limits);
        parts::read_for(raw, limits, &mut message, wanted);
        message.read_on(limits);
        message
    }

    /// Finds links and contacts in the texts of all parts from this one on, and counts disguises. Called again when more parts
    /// have become known.
    fn read_on_from(&mut self, first: usize, limits: &Limits) {
        let mut links = std::mem::take(&mut self.links);
        let mut contacts = std::mem::take(&mut self.contacts);
        for part in &self.parts[first.min(self.parts.len())..] {
            let hidden = part.hidden.as_ref().map_or("", Text::original);
            self.hidden_words = self
                .hidden_words
                .saturating_add(hidden.split_whitespace().count() as u32);
            let Some(text) = &part.text else { continue };
            self.disguises = self.disguises.saturating_add(text.normal().disguises());
            if part.role == Role::Body {
                self.visible_words = self.visible_words.saturating_add(words(text.original()));
            }
            let from = match part.role {
                Role::Body => LinkFrom::Text,
                Role::Attachment => LinkFrom::Attachment,
            };
            for written in link::written_out(text.original(), limits.links_max) {
                add_link(&mut links, Link::read(written, "", from), limits);
            }
            contact::find(text.original(), limits.contacts_max, &mut contacts);
        }
        self.links = links;
        self.contacts = contacts;
    }

    fn read_on(&mut self, limits: &Limits) {
        let header = ["list-unsubscribe", "subject"];
        let values = header.iter().flat_map(|name| self.headers_named(name));
        let found: Vec<Link> = values
            .flat_map(|value| link::written_out(value, limits.links_max))
            .filter_map(|written| Link::read(written, "", LinkFrom::Header))
            .collect();
        for link in found {
            add_link(&mut self.links, Some(link), limits);
        }
        self.disguises += crate::text::Normal::of(&self.subject).disguises();
        self.read_on_from(0, limits);
        if self.parts.windows(2).any(alternatives_differ) {
            self.note(Oddity::AlternativesDiffer);
        }
    }

    /// Takes over what a reader of documents made of a part: what it found, its text, and the files inside it as parts of their own.
    pub fn attach(&mut self, part: usize, reading: Reading, limits: &Limits) {
        let Some(outer) = self.parts.get_mut(part) else {
            return;
        };
        let Reading {
            findings,
            text,
            links,
            inner,
        } = reading;
        for finding in findings {
            outer.found(finding);
        }
        let path = outer.path.clone();
        let mut left = limits.text_bytes_max;
        for known in &self.parts {
            left = left.saturating_sub(known.text.as_ref().map_or(0, |text| text.original().len()));
        }
        let mut cut = |text: Option<String>| -> Option<Text> {
            let mut text = text.filter(|text| !text.trim().is_empty())?;
            let room = limits.part_text_bytes_max.min(left);
            text.truncate(floor_char_boundary(&text, room));
            left -= text.len();
            Some(Text::new(text))
        };
        let mut fresh = cut(text);
        let first = self.parts.len();
        for (number, inside) in inner.into_iter().enumerate() {
            if self.parts.len() >= limits.parts_max {
                self.note(Oddity::TooManyParts);
                break;
            }
            self.parts.push(Part {
                path: format!(
                    "{path}/{}",
                    inside.path.unwrap_or_else(|| (number + 1).to_string())
                ),
                content_type: inside
                    .real_type
                    .clone()
                    .unwrap_or_else(|| "application/octet-stream".to_owned()),
                charset: None,
                file_name: inside.file_name,
                role: Role::Attachment,
                size_bytes: inside.size_bytes,
                real_type: inside.real_type,
                findings: inside.findings,
                text: cut(inside.text),
                hidden: None,
            });
        }
        for written in links {
            add_link(
                &mut self.links,
                Link::read(&written, "", LinkFrom::Attachment),
                limits,
            );
        }
        self.read_on_from(first, limits);
        if let Some(text) = fresh.take() {
            // As if it stood last: the part itself is looked at with the same eyes.
            let before = self.parts[part].text.replace(text);
            debug_assert!(before.is_none(), "only what had no text needs a reader");
            let last = self.parts.len();
            self.parts.swap(part, last - 1);
            self.read_on_from(last - 1, limits);
            self.parts.swap(part, last - 1);
        }
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
            if matches!(lower.as_str(), "subject" | "from")
                && encoded_needlessly(value, &value_text)
            {
                self.note(Oddity::NeedlessEncoding);
            }
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

/// A plain text beside a page that shares hardly a word with it is there for programs that read, not for people.
fn alternatives_differ(two: &[Part]) -> bool {
    let [plain, page] = two else { return false };
    let parent = |part: &Part| {
        part.path
            .rsplit_once('.')
            .map(|(parent, _)| parent.to_owned())
    };
    let alternatives = [(plain, "text/plain"), (page, "text/html")]
        .iter()
        .all(|(part, kind)| part.role == Role::Body && part.content_type == *kind);
    let (Some(text), Some(shown)) = (&plain.text, &page.text) else {
        return false;
    };
    if !alternatives || parent(plain) != parent(page) {
        return false;
    }
    let text: HashSet<&str> = telling_words(text.normal().text()).collect();
    let shown: HashSet<&str> = telling_words(shown.normal().text()).collect();
    let shared = text.intersection(&shown).count();
    text.len() >= TELLING_WORDS_MIN && shared * 10 < text.len() * 3
}

/// Words of some length; links are written out in text and not in a page.
fn telling_words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(' ').filter(|word| !word.contains("://"));
    words
        .map(|word| word.trim_matches(|c: char| !c.is_alphabetic()))
        .filter(|word| word.len() > 3 && word.chars().all(|c| c.is_alphabetic() && !is_cjk(c)))
        .take(TELLING_WORDS_MAX)
}

/// Words, where two Chinese, Japanese or Korean characters stand for one, which nothing sets apart.
fn words(text: &str) -> u32 {
    if text.is_ascii() {
        return text.split_ascii_whitespace().count() as u32;
    }
    let apart = text.split(|c: char| c.is_whitespace() || is_cjk(c));
    let written = apart.filter(|word| !word.is_empty()).count();
    let drawn = text.chars().filter(|c| is_cjk(*c)).count();
    (written + drawn / 2) as u32
}

/// Encoded words (RFC 2047) that say nothing ASCII could not. A `?` or `_` inside must be encoded when the rest is.
fn encoded_needlessly(value: &[u8], decoded: &str) -> bool {
    let encoded =
        value.windows(2).any(|two| two == b"=?") && value.windows(2).any(|two| two == b"?=");
    encoded && decoded.is_ascii() && !decoded.contains("=?") && decoded.trim().len() > 3
}

fn add_link(links: &mut Vec<Link>, link: Option<Link>, limits: &Limits) {
    if let Some(link) = link
        && links.len() < limits.links_max
        && !links
            .iter()
            .any(|known| known.url == link.url && known.from == link.from)
    {
        links.push(link);
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
