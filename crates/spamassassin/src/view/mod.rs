//! A message as rules see it: header values, text as read, text as it stands, links, the path it came.

use crate::limits::{RAW_BYTES_MAX, READ_BYTES_MAX, TEXT_LINE_BYTES_MAX};
use std::cell::OnceCell;
use std::collections::HashMap;

pub(crate) mod charset;
pub(crate) mod header;
pub(crate) mod html;
pub(crate) mod mime;
pub(crate) mod relay;
pub(crate) mod uri;

use crate::pattern::{Pattern, Text};
use header::{Headers, Selector, Wants, Which, mailboxes, raw_value};
use html::Page;
use mime::Mime;
use relay::Relays;
use uri::Uri;

/// A message, seen.
pub(crate) struct View {
    pub mime: Mime,
    pub relays: Relays,
    pub pages: Vec<Page>,
    /// Text as read, by line; the first is the subject.
    pub lines: Vec<Text>,
    /// Of each leaf, by its place among leaves: the text as read, and whether it is a page's.
    pub rendered: Vec<Option<(String, bool)>>,
    /// Decoded text, in pieces.
    pub raw_body: Vec<Text>,
    pub uris: Vec<Uri>,
    pub full: Text,
    selected: HashMap<Selector, OnceCell<Option<Text>>>,
}

impl View {
    /// Looks at a message; `selectors` are what will be asked of its header.
    pub(crate) fn of(raw: &[u8], redirectors: &[Pattern], selectors: &[Selector]) -> Self {
        let mut mime = Mime::of(raw);
        let relays = Relays::of(mime.top_headers());
        let mut pages = Vec::new();
        let mut rendered = Vec::new();
        for part in mime.leaves() {
            rendered.push(match part.effective_kind() {
                "text/html" if !part.decoded.is_empty() => {
                    let html = charset::utf8(
                        &part.decoded,
                        part.charset.as_deref().unwrap_or("us-ascii"),
                        false,
                    );
                    let page = Page::of(&html, part.decoded.len());
                    let text = page.text.clone();
                    pages.push(page);
                    Some((text, true))
                }
                "text/plain" | "text/html" => {
                    let text = charset::utf8(
                        &part.decoded,
                        part.charset.as_deref().unwrap_or("us-ascii"),
                        false,
                    );
                    Some((text, false))
                }
                _ => None,
            });
        }
        let lines = lines_read(mime.top_headers(), &rendered);
        let raw_body = mime
            .leaves()
            .filter(|part| part.kind != "text/calendar")
            .filter(|part| {
                let kind = part.effective_kind();
                kind.starts_with("text/") || kind.starts_with("message/")
            })
            .flat_map(|part| pieces(cut(&part.decoded, RAW_BYTES_MAX, b"\n> ")))
            .map(|piece| Text::new(piece.to_vec()))
            .collect();
        let uris = uri::all(&lines, &pages, redirectors);
        let full = Text::new(std::mem::take(&mut mime.whole));
        Self {
            relays,
            pages,
            lines: lines.into_iter().map(Text::new).collect(),
            rendered,
            raw_body,
            uris,
            full,
            mime,
            selected: selectors
                .iter()
                .map(|selector| (selector.clone(), OnceCell::new()))
                .collect(),
        }
    }

    /// The message's own header.
    pub(crate) fn headers(&self) -> &Headers {
        self.mime.top_headers()
    }

    /// What a rule sees when it asks for this; `None` when there is nothing.
    pub(crate) fn selected(&self, selector: &Selector) -> Option<&Text> {
        let cell = self.selected.get(selector)?;
        cell.get_or_init(|| {
            let values = self.select(selector);
            let joint: &[u8] = match values.first() {
                None => return None,
                Some(first) if first.ends_with(b"\n") => b"",
                Some(_) => b"\n",
            };
            Some(Text::new(values.join(joint)))
        })
        .as_ref()
    }

    /// The same as text, for the evaluation functions; empty when there is nothing.
    pub(crate) fn get(&self, request: &str) -> String {
        let Ok(selector) = Selector::read(request) else {
            return String::new();
        };
        let values = self.select(&selector);
        let single = !matches!(selector.wants, Wants::Value)
            || selector.name.eq_ignore_ascii_case("EnvelopeFrom");
        let text = if single {
            values.into_iter().next().unwrap_or_default()
        } else {
            values.concat()
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        if single {
            text.trim_end_matches('\n').to_owned()
        } else {
            text
        }
    }

    /// All values a request gives.
    pub(crate) fn select(&self, selector: &Selector) -> Vec<Vec<u8>> {
        let as_it_stands = selector.raw || !matches!(selector.wants, Wants::Value);
        let mut values = self.values(&selector.name, selector.raw, as_it_stands);
        match selector.which {
            Which::All => {}
            Which::First => values.truncate(1),
            Which::Last => {
                values = values.pop().into_iter().collect();
            }
        }
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        match selector.wants {
            Wants::Value => values,
            Wants::Address => values
                .iter()
                .flat_map(|value| mailboxes(&text(value)))
                .filter_map(|mailbox| mailbox.address)
                .map(String::into_bytes)
                .collect(),
            Wants::Name => values
                .iter()
                .flat_map(|value| mailboxes(&text(value)))
                .filter_map(|mailbox| mailbox.name)
                .map(|name| if selector.raw { name } else { name_read(&name) })
                .map(String::into_bytes)
                .collect(),
            Wants::Host {
                of_address,
                only_domain,
            } => values
                .iter()
                .filter_map(|value| host_in(&text(value), of_address))
                .map(|host| {
                    if only_domain {
                        uri::registered(&host)
                    } else {
                        host
                    }
                })
                .map(String::into_bytes)
                .collect(),
            Wants::Ip => values
                .iter()
                .filter_map(|value| relay::first_ip(&text(value)))
                .map(String::into_bytes)
                .collect(),
        }
    }

    fn values(&self, name: &str, raw: bool, as_it_stands: bool) -> Vec<Vec<u8>> {
        let headers = self.headers();
        let one = |text: String| vec![text.into_bytes()];
        match name.to_ascii_lowercase().as_str() {
            "all" if name == "ALL" => headers.all(raw),
            "envelopefrom" => self
                .envelope_from()
                .map(String::into_bytes)
                .into_iter()
                .collect(),
            "x-spam-relays-untrusted" | "x-spam-relays-external" => {
                one(Relays::written(&self.relays.untrusted))
            }
            "x-spam-relays-trusted" | "x-spam-relays-internal" => {
                one(Relays::written(&self.relays.trusted))
            }
            "tocc" => ["to", "cc"]
                .iter()
                .flat_map(|name| self.field(name, as_it_stands))
                .collect(),
            "messageid" if name == "MESSAGEID" => [
                "x-message-id",
                "resent-message-id",
                "x-original-message-id",
                "message-id",
            ]
            .iter()
            .flat_map(|name| self.field(name, as_it_stands))
            .collect(),
            "all-trusted" | "all-internal" => self.part_of_header(raw, true),
            "all-untrusted" | "all-external" => self.part_of_header(raw, false),
            _ => self.field(name, as_it_stands),
        }
    }

    /// The fields down to the first `Received` that is not trusted, with it, or from there on.
    fn part_of_header(&self, raw: bool, trusted: bool) -> Vec<Vec<u8>> {
        let bound = self.relays.trusted_fields;
        let mut received = 0;
        let mut lines = self.headers().all(raw);
        lines.retain(|line| {
            let is_received = line
                .get(..9)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"received:"));
            received += usize::from(is_received);
            if trusted {
                received <= bound || received == bound + 1 && is_received
            } else {
                received > bound
            }
        });
        lines
    }

    fn field(&self, name: &str, as_it_stands: bool) -> Vec<Vec<u8>> {
        if as_it_stands {
            self.headers().raw_values(name).map(raw_value).collect()
        } else {
            let line = |value: &str| format!("{value}\n").into_bytes();
            self.headers().values(name).map(line).collect()
        }
    }

    /// The sender of the envelope, as far as the message tells.
    pub(crate) fn envelope_from(&self) -> Option<String> {
        let hop = self
            .relays
            .untrusted
            .first()
            .or_else(|| self.relays.trusted.last());
        let told = hop.and_then(|relay| relay.envfrom.clone());
        if let Some(told) =
            told.filter(|told| told.is_empty() || told.find('@').is_some_and(|at| at > 0))
        {
            return Some(told);
        }
        // Fetchmail takes what a list wrote as X-Sender for the sender of its own delivery.
        let is_list = self.get("X-Sender:first:addr").contains('@');
        let mut received = self.headers().values("received");
        if is_list && received.any(|field| field.contains("(fetchmail")) {
            return None;
        }
        let first = |name: &str| {
            let value = self.headers().raw_values(name).next()?;
            let text = String::from_utf8_lossy(&raw_value(value)).into_owned();
            if text.trim() == "<>" {
                return None;
            }
            mailboxes(&text)
                .into_iter()
                .find_map(|mailbox| mailbox.address)
        };
        for name in ["X-Envelope-From", "Envelope-Sender", "Return-Path"] {
            if let Some(address) = first(name) {
                if !self.headers().stands_before("Received", name) {
                    return Some(address);
                }
                if name == "X-Envelope-From" {
                    return None;
                }
            }
        }
        None
    }
}

impl Mime {
    fn top_headers(&self) -> &Headers {
        &self.parts[0].headers
    }
}

/// A name beside an address, decoded and trimmed.
fn name_read(name: &str) -> String {
    let decoded = mime::words::decoded_value(name.as_bytes(), "from");
    let words: Vec<&str> = decoded.split_whitespace().collect();
    if words.is_empty() {
        return decoded;
    }
    let joined = words.join(" ");
    let bare = joined
        .strip_prefix('\'')
        .and_then(|inner| inner.strip_suffix('\''));
    bare.map_or(joined.clone(), str::to_owned)
}

fn host_in(value: &str, of_address: bool) -> Option<String> {
    if of_address {
        let address = mailboxes(value)
            .into_iter()
            .find_map(|mailbox| mailbox.address)?;
        return address.rsplit_once('@').map(|(_, host)| host.to_owned());
    }
    let words = || value.split(|c: char| c.is_whitespace() || "<>()[]\",;".contains(c));
    let behind_at = words()
        .filter_map(|word| word.rsplit_once('@'))
        .map(|(_, host)| host)
        .rfind(|host| uri::is_public(host));
    behind_at
        .or_else(|| words().find(|word| uri::is_public(word)))
        .map(str::to_owned)
}

/// Text as read: the subject, then the paragraphs of all parts, each on a line.
fn lines_read(headers: &Headers, rendered: &[Option<(String, bool)>]) -> Vec<Vec<u8>> {
    let mut text = String::new();
    for part in rendered {
        if !text.is_empty() {
            text.push('\n');
        }
        if let Some((part, _)) = part {
            text.push_str(cut_text(part));
        }
    }
    let subject = headers
        .last("subject")
        .map_or_else(|| "\n".to_owned(), |subject| format!("{subject}\n"));
    let whole = subject + &paragraphs(&text);
    let mut lines = Vec::new();
    for line in whole.as_bytes().split_inclusive(|byte| *byte == b'\n') {
        let mut rest = line;
        while rest.len() > TEXT_LINE_BYTES_MAX {
            let space = rest[..=TEXT_LINE_BYTES_MAX]
                .iter()
                .rposition(|byte| *byte == b' ')
                .map_or(TEXT_LINE_BYTES_MAX, |at| at + 1);
            lines.push(rest[..space].to_vec());
            rest = &rest[space..];
        }
        lines.push(rest.to_vec());
    }
    lines
}

/// White space with two line feeds in it parts paragraphs; all other is one space.
fn paragraphs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let ink = rest
            .find(|c: char| c.is_whitespace() || c == '\0')
            .unwrap_or(rest.len());
        out.push_str(&rest[..ink]);
        rest = &rest[ink..];
        if let Some(after) = rest.strip_prefix('\0') {
            out.push('\n');
            rest = after;
            continue;
        }
        let white = rest
            .find(|c: char| !c.is_whitespace())
            .unwrap_or(rest.len());
        let run = &rest[..white];
        rest = &rest[white..];
        match (run.find('\n'), run.rfind('\n')) {
            (Some(first), Some(last)) if first < last => {
                out.push_str(if first > 0 { " \n" } else { "\n" });
                if last + 1 < run.len() {
                    out.push(' ');
                }
            }
            _ if !run.is_empty() => out.push(' '),
            _ => {}
        }
    }
    out
}

fn cut_text(text: &str) -> &str {
    let bytes = cut(text.as_bytes(), READ_BYTES_MAX, b"\n ");
    let end = (0..=bytes.len())
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    &text[..end]
}

/// The beginning, cut at a good place behind `most`.
fn cut<'t>(text: &'t [u8], most: usize, marks: &[u8]) -> &'t [u8] {
    if text.len() <= most {
        return text;
    }
    let near = &text[most..text.len().min(most + 1025)];
    let place = marks
        .iter()
        .find_map(|mark| near.iter().position(|byte| byte == mark));
    &text[..place.map_or(most, |place| most + place + 1)]
}

/// Pieces of two to four kilobytes, cut at good places.
fn pieces(text: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while text.len() - at > 2 * TEXT_LINE_BYTES_MAX {
        let window = &text[at + TEXT_LINE_BYTES_MAX..at + 2 * TEXT_LINE_BYTES_MAX];
        let place = b"\n> "
            .iter()
            .find_map(|mark| window.iter().position(|byte| byte == mark));
        let end = at + TEXT_LINE_BYTES_MAX + place.unwrap_or(0) + 1;
        pieces.push(&text[at..end]);
        at = end;
    }
    if at < text.len() || text.is_empty() {
        pieces.push(&text[at..]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_squeezed() {
        assert_eq!(paragraphs("a  b\nc\n\n d \n \n\ne"), "a b c\n d \ne");
        assert_eq!(paragraphs("a\u{a0}\u{2003}b"), "a b");
    }

    #[test]
    fn headers_are_selected() {
        let mail = b"From: =?utf-8?q?Ann?= <ann@a.example.com>\nTo: bob@b.example\nCc: \"C\" <c@c.example>\nSubject: =?utf-8?q?caf=C3=A9?=\n there\nReceived: from x (x.example [192.0.2.1]) by y (Postfix) with ESMTP id 123 (envelope-from <z@z.example>)\n\nbody\n";
        let view = View::of(mail, &[], &[]);
        assert_eq!(view.get("Subject"), "café there\n");
        assert_eq!(view.get("Subject:raw"), " =?utf-8?q?caf=C3=A9?= there\n");
        assert_eq!(view.get("From:addr"), "ann@a.example.com");
        assert_eq!(view.get("From:name"), "Ann");
        assert_eq!(view.get("From:addr:domain"), "example.com");
        assert_eq!(view.get("ToCc"), "bob@b.example\n\"C\" <c@c.example>\n");
        assert_eq!(view.get("EnvelopeFrom"), "z@z.example");
        assert!(view.get("ALL").contains("Subject: café there\n"));
        assert_eq!(view.get("X-None"), "");
        assert_eq!(view.lines[0].bytes, "café there\n".as_bytes());
        assert_eq!(view.lines[1].bytes, b"body ");
    }

    #[test]
    fn fields_stand_as_spamassassin_has_them() {
        let long = "x ".repeat(50_000);
        let mail = format!(
            "X-Long: {long}end\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/gif;\n\tname=\"a.gif\"\n\n--b--\n"
        );
        let view = View::of(mail.as_bytes(), &[], &[]);
        let value = view.get("X-Long:raw");
        assert!(!value.contains("end") && value.len() < long.len());
        let all = view.get("ALL:raw");
        assert!(all.contains("x end\n") && all.contains("boundary=b"));
        assert!(!view.get("ALL").contains("x end\n"));
        let raw_type = |part: &mime::Part| {
            part.headers
                .raw_values("Content-Type")
                .next()
                .map(<[u8]>::to_vec)
        };
        let types: Vec<_> = view.mime.parts.iter().filter_map(raw_type).collect();
        assert_eq!(
            types,
            [
                b" multipart/mixed; boundary=b\n".to_vec(),
                b"image/gif;\n\tname=\"a.gif\"\n".to_vec()
            ]
        );
    }

    #[test]
    fn long_text_is_cut_into_pieces() {
        let text = b"word ".repeat(5000);
        let pieces = pieces(&text);
        assert_eq!(pieces.concat(), text);
        assert!(
            pieces
                .iter()
                .all(|piece| piece.len() <= 2 * TEXT_LINE_BYTES_MAX)
        );
    }
}
