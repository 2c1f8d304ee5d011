//! The beginning of a message, read fast: what learning from it looks at.
//!
//! [`Message::read`](super::Message::read) reads all of a message for judgement, several times slower than a learner may be that goes through
//! a year of mail. [`Skim`] reads the header fields as they stand and the first kilobytes of each part, decoded, with the same readers of fields,
//! charsets and kinds; it draws no conclusions. Never fails, never panics, and looks at each byte a bounded number of times.

use std::borrow::Cow;

use mail_parser::HeaderValue;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::parsers::MessageStream;
use memchr::memmem;

use super::charset::{self, Hint};
use super::guard::body_start;
use super::header::{self, Fields};
use super::kind::real_type;
use super::{Hop, received};
use crate::Limits;
use crate::address::floor_char_boundary;
use crate::html::View;

/// Multiparts in multiparts that are opened; what is deeper is passed over.
const DEPTH_MAX: usize = 8;
/// Longest line of base64 or quoted-printable, so that a cut falls between two.
const ENCODED_LINE_MAX: usize = 1000;
/// Decoded bytes of a file that are looked at.
const FILE_BYTES: usize = 1024;
/// Bytes of a field with parameters that are read.
const STRUCTURED_MAX: usize = 2048;

/// A message's beginning.
pub struct Skim<'m> {
    /// Header fields in order, top first.
    pub fields: Vec<SkimField<'m>>,
    /// Leaves of the MIME tree, in order; those of nested messages are not opened.
    pub parts: Vec<SkimPart>,
    hint: Hint,
}

/// One header field as it stands.
#[derive(Clone, Copy, Debug)]
pub struct SkimField<'m> {
    /// As written.
    pub name: &'m [u8],
    /// Folded and encoded as it came, without the line break at its end.
    pub value: &'m [u8],
}

/// One leaf of the MIME tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkimPart {
    /// Does it stand inside a multipart?
    pub nested: bool,
    /// Declared type in lower case; `text/plain` when nothing is declared.
    pub content_type: String,
    /// Declared charset in lower case.
    pub charset: Option<String>,
    /// File name from `Content-Disposition` or the type's `name`.
    pub file_name: Option<String>,
    /// Encoded bytes.
    pub size_bytes: usize,
    /// The kind its first bytes are of, whatever is declared.
    pub real_type: Option<&'static str>,
    /// Its first kilobyte decoded, for files.
    pub start: Vec<u8>,
    /// Its first kilobytes as text, for text that is no file. Of HTML the source.
    pub text: Option<String>,
}

impl<'m> Skim<'m> {
    /// Reads the beginning of everything.
    pub fn read(raw: &'m [u8], limits: &Limits) -> Self {
        let mut skim = Self {
            fields: Fields::of(raw)
                .take(limits.headers_max)
                .map(|field| SkimField {
                    name: field.name,
                    value: &field.value[..field.value.len().min(limits.header_bytes_max)],
                })
                .collect(),
            parts: Vec::new(),
            hint: Hint::of(raw, body_start(raw)),
        };
        skim.walk(raw, limits);
        skim
    }

    /// A field's value as it is read: unfolded, encoded words decoded, unlabelled 8-bit text decoded by guess.
    pub fn text(&self, field: &SkimField<'m>) -> Cow<'m, str> {
        let value = field.value.trim_ascii();
        match std::str::from_utf8(value) {
            Ok(text)
                if memchr::memchr2(b'\n', b'\r', value).is_none()
                    && memmem::find(value, b"=?").is_none() =>
            {
                Cow::Borrowed(text)
            }
            _ => Cow::Owned(header::text(value, &self.hint)),
        }
    }

    /// The newest hop of its path, if it says one.
    pub fn newest_hop(&self) -> Option<Hop> {
        let newest = self
            .fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(b"received"))?;
        Some(received::hop(&self.text(newest)))
    }

    fn walk(&mut self, raw: &'m [u8], limits: &Limits) {
        // The last pushed is read first, so pieces are pushed backwards.
        let mut waiting = vec![(raw, 0_usize)];
        while let Some((entity, depth)) = waiting.pop() {
            let about = About::of(entity);
            let body = &entity[body_start(entity)..];
            let boundary = about
                .boundary
                .as_deref()
                .filter(|_| about.content_type.starts_with("multipart/"));
            if let Some(boundary) = boundary {
                if depth < DEPTH_MAX {
                    let room = limits
                        .skim_parts_max
                        .saturating_sub(self.parts.len() + waiting.len());
                    let pieces = pieces(body, boundary.as_bytes(), room);
                    waiting.extend(pieces.into_iter().rev().map(|piece| (piece, depth + 1)));
                }
            } else if self.parts.len() < limits.skim_parts_max {
                self.parts.push(about.part(body, depth > 0, limits));
            }
        }
    }
}

impl SkimPart {
    /// Its text as a person sees it.
    pub fn visible(&self) -> Cow<'_, str> {
        let text = self.text.as_deref().unwrap_or_default();
        if self.content_type == "text/html" {
            Cow::Owned(View::of(text).visible)
        } else {
            Cow::Borrowed(text)
        }
    }
}

/// The bodies between delimiter lines (RFC 2046 §5.1.1).
fn pieces<'m>(body: &'m [u8], boundary: &[u8], most: usize) -> Vec<&'m [u8]> {
    let delimiter = [b"--", boundary].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut found = Vec::new();
    let mut start = None;
    let mut from = 0;
    while found.len() < most {
        let Some(at) = finder.find(&body[from..]).map(|at| at + from) else {
            found.extend(start.map(|start| &body[start..]));
            break;
        };
        from = at + delimiter.len();
        if at > 0 && body[at - 1] != b'\n' {
            continue;
        }
        found.extend(start.map(|start: usize| &body[start..at.max(start)]));
        let closes = body[from..].starts_with(b"--");
        let line_end = memchr::memchr(b'\n', &body[from..]).map(|end| from + end + 1);
        start = line_end.filter(|_| !closes);
        match line_end {
            Some(next) if !closes => from = next,
            _ => break,
        }
    }
    found
}

/// What an entity's header says about its body.
struct About {
    content_type: String,
    boundary: Option<String>,
    charset: Option<String>,
    file_name: Option<String>,
    encoding: Transfer,
    is_file: bool,
}

enum Transfer {
    Plain,
    Base64,
    QuotedPrintable,
}

impl About {
    fn of(entity: &[u8]) -> Self {
        let mut about = Self {
            content_type: "text/plain".to_owned(),
            boundary: None,
            charset: None,
            file_name: None,
            encoding: Transfer::Plain,
            is_file: false,
        };
        for field in Fields::of(entity) {
            let name = field.name;
            if !name
                .get(..8)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
            {
                continue;
            }
            if name.eq_ignore_ascii_case(b"content-type") {
                about.take_type(field.value);
            } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
                let value = field.value.trim_ascii();
                about.encoding = if value.eq_ignore_ascii_case(b"base64") {
                    Transfer::Base64
                } else if value.eq_ignore_ascii_case(b"quoted-printable") {
                    Transfer::QuotedPrintable
                } else {
                    Transfer::Plain
                };
            } else if name.eq_ignore_ascii_case(b"content-disposition") {
                about.take_disposition(field.value);
            }
        }
        about
    }

    fn take_type(&mut self, value: &[u8]) {
        structured(value, |kind| {
            let (main, sub) = (kind.ctype(), kind.subtype().unwrap_or_default());
            self.content_type = cut(&format!("{main}/{sub}").to_ascii_lowercase(), 127);
            self.boundary = kind.attribute("boundary").map(str::to_owned);
            self.charset = kind
                .attribute("charset")
                .map(|charset| cut(&charset.to_ascii_lowercase(), 60));
            self.file_name = kind.attribute("name").map(|name| cut(name, 255));
        });
    }

    fn take_disposition(&mut self, value: &[u8]) {
        structured(value, |disposition| {
            self.is_file = disposition.is_attachment();
            let name = disposition.attribute("filename");
            self.file_name = name.map(|name| cut(name, 255)).or(self.file_name.take());
        });
    }

    fn part(self, body: &[u8], nested: bool, limits: &Limits) -> SkimPart {
        let is_text = self.content_type.starts_with("text/") || !self.content_type.contains('/');
        let read = is_text && !self.is_file && self.file_name.is_none();
        let most = if read {
            limits.skim_text_bytes_max
        } else {
            FILE_BYTES
        };
        let start = self.encoding.decode(body, most);
        let text = read.then(|| charset::decode(self.charset.as_deref(), &start).0);
        SkimPart {
            nested,
            size_bytes: body.len(),
            real_type: if read { None } else { real_type(&start) },
            start: if read { Vec::new() } else { start.into_owned() },
            text,
            content_type: self.content_type,
            charset: self.charset,
            file_name: self.file_name,
        }
    }
}

impl Transfer {
    /// The first `most` decoded bytes of a body, about.
    fn decode<'b>(&self, body: &'b [u8], most: usize) -> Cow<'b, [u8]> {
        let decoded = match self {
            Self::Plain => Cow::Borrowed(&body[..body.len().min(most)]),
            Self::Base64 => Cow::Owned(header::base64(beginning(body, most / 3 * 4))),
            Self::QuotedPrintable => {
                let encoded = beginning(body, 2 * most);
                quoted_printable_decode(encoded).map_or(Cow::Borrowed(encoded), Cow::Owned)
            }
        };
        match decoded {
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..bytes.len().min(most)]),
            Cow::Owned(mut bytes) => {
                bytes.truncate(most);
                Cow::Owned(bytes)
            }
        }
    }
}

/// The first `most` bytes or some fewer, so that no line is cut in two.
fn beginning(body: &[u8], most: usize) -> &[u8] {
    if body.len() <= most {
        return body;
    }
    let cut = &body[..most];
    let tail = cut.len().saturating_sub(ENCODED_LINE_MAX);
    match memchr::memrchr(b'\n', &cut[tail..]) {
        Some(line_break) => &cut[..=tail + line_break],
        None => cut,
    }
}

/// Hands over a field of the form `value; name=value; …` (RFC 2045 §5.1, RFC 2231), if it can be read.
fn structured(value: &[u8], take: impl FnOnce(&mail_parser::ContentType<'_>)) {
    let mut line = value[..value.len().min(STRUCTURED_MAX)].to_vec();
    line.push(b'\n');
    if let HeaderValue::ContentType(kind) = MessageStream::new(&line).parse_content_type() {
        take(&kind);
    }
}

fn cut(text: &str, bytes: usize) -> String {
    text[..floor_char_boundary(text, bytes)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn skim(raw: &str) -> Vec<SkimPart> {
        Skim::read(raw.as_bytes(), &Limits::default()).parts
    }

    #[test]
    fn texts_are_decoded_and_files_are_not_read() {
        let parts = skim(
            "Content-Type: multipart/mixed; boundary=\"b 1\"\r\n\r\npreamble --b 1 here\r\n\
             --b 1\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n\
             --b2\r\nContent-Transfer-Encoding: base64\r\nContent-Type: text/plain; charset=GB2312\r\n\r\nxOO6ww==\r\n\
             --b2\r\nContent-Type: text/HTML; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<b>caf=C3=A9=\r\n</b>\r\n--b2--\r\n\
             --b 1\r\nContent-Type: application/octet-stream; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--b 1--\r\nepilogue\r\n",
        );
        let seen: Vec<_> = parts
            .iter()
            .map(|part| {
                (
                    part.content_type.as_str(),
                    part.text.as_deref(),
                    part.real_type,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("text/plain", Some("你好"), None),
                ("text/html", Some("<b>café</b>\r\n"), None),
                ("application/octet-stream", None, Some("application/pdf")),
            ]
        );
        assert_eq!(parts[2].file_name.as_deref(), Some("a.pdf"));
    }

    #[test]
    fn fields_are_read_as_a_person_reads_them() {
        let raw = b"Subject: =?utf-8?B?5Y+R56Wo?=\n cheap\nBroken line\nTo: a@b.example\n\nbody";
        let skim = Skim::read(raw, &Limits::default());
        let read: Vec<_> = skim.fields.iter().map(|field| skim.text(field)).collect();
        assert_eq!(read, ["发票 cheap", "a@b.example"]);
        assert_eq!(skim.parts[0].text.as_deref(), Some("body"));
        assert!(!skim.parts[0].nested);
    }

    #[test]
    fn what_is_not_closed_is_read_to_the_end() {
        let parts = skim("Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\n\ntwo");
        let texts: Vec<_> = parts
            .iter()
            .filter_map(|part| part.text.as_deref())
            .collect();
        assert_eq!(texts, ["one\n", "two"]);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_skimmed(raw in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..200) {
            let mut message = b"Content-Type: multipart/mixed; boundary=x\nContent-Transfer-Encoding: base64\n\n--x\nContent-Transfer-Encoding: quoted-printable\n\n".to_vec();
            let at = at.min(message.len());
            message.splice(at..at, raw);
            let limits = Limits { skim_text_bytes_max: 100, skim_parts_max: 3, ..Limits::default() };
            let skim = Skim::read(&message, &limits);
            prop_assert!(skim.parts.len() <= 3);
            for part in &skim.parts {
                prop_assert!(part.text.as_deref().unwrap_or_default().len() <= 300);
            }
            for field in &skim.fields {
                let _ = skim.text(field);
            }
        }
    }
}
