//! Header fields, and what rules ask of them: `From:addr`, `Subject:raw`, `ALL`.

use super::mime::words::decoded_value;
use crate::limits::{FIELD_NAME_BYTES_MAX, FIELD_VALUE_BYTES_MAX, HEADER_BYTES_MAX};

/// The fields of one header, in order.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    fields: Vec<Field>,
    of_part: bool,
    /// Something was longer than is kept.
    pub(super) truncated: bool,
}

#[derive(Debug)]
struct Field {
    /// As written.
    name: String,
    lower: String,
    /// Behind the colon, with folds and the line end, however long.
    raw: Vec<u8>,
    decoded: String,
}

impl Headers {
    /// Those of a part within a message.
    pub(super) fn of_part() -> Self {
        Self {
            of_part: true,
            ..Self::default()
        }
    }

    /// Adds a field as it stands, with its folds.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let Some(colon) = bytes.iter().position(|byte| *byte == b':') else {
            return;
        };
        let name = String::from_utf8_lossy(&bytes[..colon]);
        let raw = bytes[colon + 1..].to_vec();
        let mut name = name.trim_end_matches([' ', '\t']).to_owned();
        if name.len() > FIELD_NAME_BYTES_MAX {
            name.truncate(
                (0..=FIELD_NAME_BYTES_MAX)
                    .rev()
                    .find(|at| name.is_char_boundary(*at))
                    .unwrap_or(0),
            );
            self.truncated = true;
        }
        self.truncated |= raw.len() > FIELD_VALUE_BYTES_MAX;
        let lower = name.to_ascii_lowercase();
        let unfolded = unfolded(bounded(&raw));
        let trimmed = unfolded.trim_ascii();
        self.fields.push(Field {
            decoded: decoded_value(trimmed, &lower),
            name,
            lower,
            raw,
        });
    }

    fn named<'h>(&'h self, name: &str) -> impl DoubleEndedIterator<Item = &'h Field> {
        let lower = name.to_ascii_lowercase();
        self.fields.iter().filter(move |field| field.lower == lower)
    }

    /// Decoded values.
    pub(crate) fn values<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h str> {
        self.named(name).map(|field| field.decoded.as_str())
    }

    /// Values as they stand. Of a part SpamAssassin leaves out what is blank behind the colon, of the message itself it does not.
    pub(crate) fn raw_values<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.named(name).map(|field| match bounded(&field.raw) {
            raw if self.of_part => raw.trim_ascii_start(),
            raw => raw,
        })
    }

    /// The last value, decoded.
    pub(crate) fn last(&self, name: &str) -> Option<String> {
        self.named(name)
            .next_back()
            .map(|field| field.decoded.clone())
    }

    /// Each field on a line: decoded, up to a bound, or as it stands. There nothing is cut or left out, or a long field would hide what is behind
    /// it; the message is bounded (`MESSAGE_BYTES_MAX`).
    pub(crate) fn all(&self, raw: bool) -> Vec<Vec<u8>> {
        let mut bytes = 0;
        let lines = self.fields.iter().map(|field| {
            let mut line = field.name.clone().into_bytes();
            if raw {
                line.push(b':');
                line.extend(&field.raw);
            } else {
                line.extend(b": ");
                line.extend(field.decoded.as_bytes());
                line.push(b'\n');
            }
            line
        });
        lines
            .take_while(|line| {
                bytes += line.len();
                raw || bytes <= HEADER_BYTES_MAX
            })
            .collect()
    }

    /// Do fields of these names stand in this order, one before the other?
    pub(super) fn stands_before(&self, first: &str, second: &str) -> bool {
        let place = |name: &str| {
            let lower = name.to_ascii_lowercase();
            self.fields.iter().position(|field| field.lower == lower)
        };
        match (place(first), place(second)) {
            (Some(first), Some(second)) => first < second,
            _ => false,
        }
    }
}

/// As much of a value as rules about single fields see.
fn bounded(raw: &[u8]) -> &[u8] {
    &raw[..raw.len().min(FIELD_VALUE_BYTES_MAX)]
}

/// Folds become one space.
fn unfolded(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        if raw[at] == b'\n' && matches!(raw.get(at + 1), Some(b' ' | b'\t')) {
            at += 1;
            while matches!(raw.get(at), Some(b' ' | b'\t')) {
                at += 1;
            }
            text.push(b' ');
        } else {
            text.push(raw[at]);
            at += 1;
        }
    }
    text
}

/// As `:raw` gives it: folds become one space, the end stays.
pub(super) fn raw_value(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        if raw[at] == b'\n' && raw.get(at + 1).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
            while raw.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            text.push(b' ');
        } else {
            text.push(raw[at]);
            at += 1;
        }
    }
    text
}

/// What a rule asks a header for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Selector {
    pub name: String,
    pub raw: bool,
    pub wants: Wants,
    pub which: Which,
}

/// Which part of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Wants {
    #[default]
    Value,
    /// Addresses (`:addr`).
    Address,
    /// Names beside addresses (`:name`).
    Name,
    /// A host name (`:host`), of addresses when so.
    Host {
        of_address: bool,
        /// Only the registered domain (`:domain`).
        only_domain: bool,
    },
    /// An address of a machine (`:ip`).
    Ip,
}

/// Which of several fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Which {
    #[default]
    All,
    First,
    Last,
}

impl Selector {
    /// Reads `From:addr`.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default().to_owned();
        let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || !name.chars().all(good) {
            return Err(format!("{name:?} names no header field"));
        }
        let mut selector = Self {
            name,
            ..Self::default()
        };
        let (mut address, mut host) = (false, None);
        for modifier in parts.filter(|part| !part.is_empty()) {
            match modifier {
                "raw" => selector.raw = true,
                "addr" => address = true,
                "name" => selector.wants = Wants::Name,
                "host" => host = Some(host.unwrap_or(false)),
                "domain" => host = Some(true),
                "ip" => selector.wants = Wants::Ip,
                "first" => selector.which = Which::First,
                "last" => selector.which = Which::Last,
                _ => return Err(format!("the modifier :{modifier} is not supported")),
            }
        }
        match host {
            Some(only_domain) => {
                selector.wants = Wants::Host {
                    of_address: address,
                    only_domain,
                }
            }
            None if address => selector.wants = Wants::Address,
            None => {}
        }
        Ok(selector)
    }
}

/// A mailbox as it stands in a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mailbox {
    pub name: Option<String>,
    pub address: Option<String>,
}

/// The mailboxes of a value as it stands, not decoded.
pub(crate) fn mailboxes(value: &str) -> Vec<Mailbox> {
    let mut found = Vec::new();
    let value = value.trim();
    let value = without_group(value);
    for piece in pieces(value) {
        let mailbox = mailbox(piece);
        if mailbox != Mailbox::default() {
            found.push(mailbox);
        }
    }
    found
}

/// Of `Friends: a@b, c@d;` what is in the group.
fn without_group(value: &str) -> &str {
    let Some(colon) = value.find(':') else {
        return value;
    };
    if value[..colon].contains(['"', '(', ')', '<', '>', '@']) {
        return value;
    }
    let inner = value[colon + 1..].trim();
    inner.split(';').next().unwrap_or_default()
}

/// Split at commas that are not within quotes, comments or brackets.
fn pieces(value: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    for (at, c) in value.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match c {
            '\\' => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            '<' if !quoted && depth == 0 => angle = true,
            '>' => angle = false,
            ',' if !quoted && depth == 0 && !angle => {
                pieces.push(&value[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&value[start..]);
    pieces
}

fn mailbox(piece: &str) -> Mailbox {
    let piece = piece.trim();
    let (phrase, address, comment) = match (piece.rfind('<'), piece.rfind('>')) {
        (Some(open), Some(close)) if open < close => (
            &piece[..open],
            without_comments(&piece[open + 1..close]).0,
            None,
        ),
        _ => {
            let (bare, comment) = without_comments(piece);
            ("", bare, comment)
        }
    };
    let looks = |text: &str| {
        let text = text.trim();
        text.rsplit_once('@').is_some_and(|(user, host)| {
            !user.is_empty()
                && !host.is_empty()
                && !host.contains(char::is_whitespace)
                && !user.contains('<')
        }) && (text.starts_with('"') || !text.contains(char::is_whitespace))
    };
    let phrase = unquoted(phrase.trim());
    let address = address.trim().trim_matches(['\'']).to_owned();
    if looks(&address) {
        let name = if phrase.is_empty() || phrase == address {
            comment
        } else {
            Some(phrase)
        };
        return Mailbox {
            name,
            address: Some(address),
        };
    }
    if looks(&phrase) {
        return Mailbox {
            name: comment,
            address: Some(phrase),
        };
    }
    let name = if phrase.is_empty() {
        unquoted(&address)
    } else {
        phrase
    };
    Mailbox {
        name: (!name.is_empty()).then_some(name),
        address: None,
    }
}

/// The text without what stands in parentheses, and that.
fn without_comments(text: &str) -> (String, Option<String>) {
    let (mut bare, mut comment, mut depth) = (String::new(), String::new(), 0_usize);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth > 0 => comment.push(c),
            _ => bare.push(c),
        }
    }
    (bare, (!comment.is_empty()).then_some(comment))
}

fn unquoted(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            '"' => {}
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read() {
        assert_eq!(
            Selector::read("From:addr").map(|s| s.wants),
            Ok(Wants::Address)
        );
        assert_eq!(
            Selector::read("From:addr:domain").map(|s| s.wants),
            Ok(Wants::Host {
                of_address: true,
                only_domain: true
            })
        );
        assert!(Selector::read("Subject:raw").is_ok_and(|s| s.raw));
        assert_eq!(
            Selector::read("Received:first").map(|s| s.which),
            Ok(Which::First)
        );
        assert!(Selector::read("From:nonsense").is_err());
        assert!(Selector::read("a b").is_err());
    }

    #[test]
    fn mailboxes_are_found() {
        let of = |text: &str| -> Vec<(Option<String>, Option<String>)> {
            mailboxes(text)
                .into_iter()
                .map(|one| (one.name, one.address))
                .collect()
        };
        let both = |name: &str, address: &str| (Some(name.to_owned()), Some(address.to_owned()));
        assert_eq!(of("Ann <ann@a.example>"), [both("Ann", "ann@a.example")]);
        assert_eq!(
            of("\"A, B\" <ann@a.example>, bob@b.example (Bob)"),
            [both("A, B", "ann@a.example"), both("Bob", "bob@b.example")]
        );
        assert_eq!(
            of("<ann@a.example>"),
            [(None, Some("ann@a.example".into()))]
        );
        assert_eq!(of("undisclosed-recipients:;"), []);
        assert_eq!(
            of("friends: a@b.example;"),
            [(None, Some("a@b.example".into()))]
        );
        assert_eq!(
            of("\"ann@a.example\" <>"),
            [(None, Some("ann@a.example".into()))]
        );
        assert_eq!(of("Nobody"), [(Some("Nobody".into()), None)]);
        assert_eq!(of(""), []);
    }
}
