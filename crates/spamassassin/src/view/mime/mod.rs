//! The message taken apart into header fields and parts, as SpamAssassin takes it apart.
//!
//! Differences from a strict reading of MIME are meant: rules are written for what this finds.

mod content_type;
mod transfer;
pub(crate) mod words;

pub(crate) use content_type::ContentType;
use content_type::name_in;
use transfer::decoded;

use super::header::Headers;
use crate::limits::{LEVELS_MAX, PARTS_MAX};

/// A part of the message. The first is the message itself.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub headers: Headers,
    /// `text/plain`, in lower case.
    pub kind: String,
    pub charset: Option<String>,
    /// Name of the file, as declared.
    pub name: Option<String>,
    /// Has no parts of its own.
    pub is_leaf: bool,
    /// The part it is in.
    pub parent: Option<usize>,
    /// Its body as it stands, line ends as `\n`.
    pub raw: Vec<u8>,
    /// Its body, decoded.
    pub decoded: Vec<u8>,
}

impl Part {
    /// The type, except that what is called like a page is one.
    pub(crate) fn effective_kind(&self) -> &str {
        let is_page = self.name.as_deref().is_some_and(|name| {
            let name = name.to_ascii_lowercase();
            [".html", ".htm", ".shtml", ".shtm"]
                .iter()
                .any(|ending| name.ends_with(ending))
        });
        if is_page { "text/html" } else { &self.kind }
    }
}

/// What was odd while taking it apart (`check_msg_parse_flags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    pub missing_head_body_separator: bool,
    pub missing_mime_head_body_separator: bool,
    pub missing_mime_headers: bool,
    pub mime_epilogue_exists: bool,
    pub missing_boundary: bool,
    pub truncated_header: bool,
}

/// A message, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Mime {
    /// Depth first; never empty.
    pub parts: Vec<Part>,
    pub oddities: Oddities,
    /// The header as it stands.
    pub header_bytes: Vec<u8>,
    /// Bytes of the body.
    pub body_bytes: usize,
    /// The whole, line ends as `\n`.
    pub whole: Vec<u8>,
}

impl Mime {
    pub(crate) fn of(raw: &[u8]) -> Self {
        let whole = with_plain_line_ends(raw);
        let start = if whole.starts_with(b"From ") {
            line_end(&whole, 0)
        } else {
            0
        };
        let mut mime = Self::default();
        let (headers, body) = mime.top_header(&whole[start..]);
        mime.header_bytes = whole[start..start + body].to_vec();
        mime.body_bytes = whole.len() - start - body;
        let part = Part {
            headers,
            ..Part::default()
        };
        mime.add(part, &whole[start + body..], None, None, 0);
        mime.whole = whole[start..].to_vec();
        mime
    }

    /// Parts that have none of their own.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.is_leaf)
    }

    /// Parts within this one, at any level, itself included, by number.
    pub(crate) fn within(&self, top: usize) -> impl Iterator<Item = usize> {
        (0..self.parts.len()).filter(move |number| {
            let mut at = Some(*number);
            while let Some(number) = at {
                if number == top {
                    return true;
                }
                at = self.parts[number].parent;
            }
            false
        })
    }

    /// The message's own header: fields, and where the body begins.
    fn top_header(&mut self, bytes: &[u8]) -> (Headers, usize) {
        let mut headers = Headers::default();
        let mut field: Option<std::ops::Range<usize>> = None;
        let (mut at, mut bad_lines) = (0, 0);
        loop {
            if at == bytes.len() {
                self.oddities.missing_head_body_separator = true;
                break;
            }
            let end = line_end(bytes, at);
            let line = &bytes[at..end];
            if matches!(line.first(), Some(b' ' | b'\t')) {
                let field = field.get_or_insert(at..end);
                field.end = end;
                at = end;
                continue;
            }
            if let Some(field) = field.take() {
                headers.add(&bytes[field]);
            }
            if line == b"\n" {
                at = end;
                break;
            }
            if line.starts_with(b"--") {
                self.oddities.missing_head_body_separator = true;
                break;
            }
            if !is_field(line) {
                bad_lines += 1;
                if bad_lines > 3 {
                    self.oddities.missing_head_body_separator = true;
                    break;
                }
            }
            field = Some(at..end);
            at = end;
        }
        if let Some(field) = field {
            headers.add(&bytes[field]);
        }
        (headers, at)
    }

    /// Adds a part whose header is known, and what is in it.
    fn add(
        &mut self,
        mut part: Part,
        body: &[u8],
        parent: Option<usize>,
        outer_boundary: Option<&[u8]>,
        level: usize,
    ) {
        let declared = ContentType::of(part.headers.last("content-type").as_deref());
        let mut kind = declared.kind.clone();
        if declared.is_missing
            && parent.is_some_and(|parent| self.parts[parent].kind == "multipart/digest")
        {
            kind = "message/rfc822".into();
        }
        let boundary = declared.boundary.clone();
        let is_multipart = kind.starts_with("multipart/") && level < LEVELS_MAX;
        let boundary = boundary.or_else(|| outer_boundary.map(<[u8]>::to_vec));
        part.parent = parent;
        part.charset = declared.charset;
        let disposition = part.headers.last("content-disposition").unwrap_or_default();
        part.name = name_in(&disposition).or(declared.name);
        let number = self.parts.len();
        if is_multipart && let Some(boundary) = boundary {
            part.kind = kind;
            self.parts.push(part);
            // What a message begins with before its first boundary is no header, whatever it looks like; a line of blanks stays what it is.
            let first = &body[..line_end(body, 0)];
            let begins = first.trim_ascii().is_empty() || bounds(first, &boundary).is_some();
            if parent.is_some() || begins || body.is_empty() {
                self.add_parts(number, body, &boundary, level + 1);
            } else {
                self.add_parts(number, &[b"\n", body].concat(), &boundary, level + 1);
            }
            return;
        }
        if kind.starts_with("multipart/") {
            kind = "text/plain".into();
        }
        part.kind = kind;
        part.is_leaf = true;
        part.raw = body.to_vec();
        part.decoded = decoded(body, &part);
        let inner = matches!(part.kind.as_str(), "message/rfc822" | "message/global")
            && !part.decoded.is_empty()
            && level < LEVELS_MAX;
        if inner {
            let bytes = std::mem::take(&mut part.decoded);
            part.is_leaf = false;
            part.raw.clear();
            self.parts.push(part);
            let (headers, start) = self.top_header(&bytes);
            let inner = Part {
                headers,
                ..Part::default()
            };
            self.add(inner, &bytes[start..], Some(number), None, level + 1);
        } else {
            self.parts.push(part);
        }
    }

    /// The parts between boundaries.
    fn add_parts(&mut self, parent: usize, body: &[u8], boundary: &[u8], level: usize) {
        let (mut at, mut opened) = (0, false);
        while at < body.len() {
            let end = line_end(body, at);
            let found = bounds(&body[at..end], boundary).is_some();
            at = end;
            if found {
                opened = true;
                break;
            }
        }
        if opened {
            self.expect_fields(&body[at..]);
        } else {
            // No boundary anywhere: the whole is one part.
            at = 0;
        }
        let mut closed = false;
        while at < body.len() && !closed {
            if self.parts.len() >= PARTS_MAX {
                return;
            }
            let start = at;
            let mut end = body.len();
            while at < body.len() {
                let next = line_end(body, at);
                let bound = bounds(&body[at..next], boundary);
                if let Some(is_last) = bound {
                    end = at;
                    closed = is_last;
                    at = next;
                    if !is_last {
                        self.expect_fields(&body[at..]);
                    }
                    break;
                }
                at = next;
            }
            let is_bounded = end < body.len() || closed;
            self.add_part(parent, &body[start..end], is_bounded, boundary, level);
        }
        if opened && !closed {
            self.oddities.missing_boundary = true;
        }
        let epilogue = &body[at.min(body.len())..];
        if closed
            && epilogue
                .iter()
                .any(|byte| !byte.is_ascii_whitespace() && *byte != b'.')
        {
            self.oddities.mime_epilogue_exists = true;
        }
    }

    /// Behind a boundary a field begins, if anything does.
    fn expect_fields(&mut self, rest: &[u8]) {
        let name = field_name(rest);
        let begins = name > 0 && rest.get(name) == Some(&b':');
        self.oddities.missing_mime_headers |= !rest.is_empty() && !begins;
    }

    fn add_part(
        &mut self,
        parent: usize,
        bytes: &[u8],
        is_bounded: bool,
        boundary: &[u8],
        level: usize,
    ) {
        let mut headers = Headers::of_part();
        let mut field: Option<std::ops::Range<usize>> = None;
        let mut at = 0;
        while at < bytes.len() {
            let end = line_end(bytes, at);
            let line = &bytes[at..end];
            let folds = matches!(line.first(), Some(b' ' | b'\t')) && field.is_some();
            if folds {
                if let Some(field) = &mut field {
                    field.end = end;
                }
            } else if is_field(line) {
                if let Some(field) = field.replace(at..end) {
                    headers.add(&bytes[field]);
                }
            } else {
                if matches!(line, b"\n" | b"\r\n") {
                    at = end;
                } else {
                    self.oddities.missing_mime_head_body_separator = true;
                }
                break;
            }
            at = end;
        }
        if let Some(field) = field {
            headers.add(&bytes[field]);
        }
        // The line end before a boundary belongs to it.
        let body = &bytes[at..];
        let body = if is_bounded {
            body.strip_suffix(b"\n").unwrap_or(body)
        } else {
            body
        };
        let part = Part {
            headers,
            ..Part::default()
        };
        self.add(part, body, Some(parent), Some(boundary), level);
    }
}

/// Is the line this boundary, and if so, the last?
fn bounds(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    let is_last = rest.starts_with(b"--");
    let rest = if is_last { &rest[2..] } else { rest };
    rest.iter().all(u8::is_ascii_whitespace).then_some(is_last)
}

/// Does the line begin a header field?
fn is_field(line: &[u8]) -> bool {
    let name = field_name(line);
    let blanks = line[name..]
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    name > 0 && line.get(name + blanks) == Some(&b':')
}

/// Bytes that can name a field, at the beginning.
fn field_name(line: &[u8]) -> usize {
    line.iter()
        .take_while(|byte| matches!(byte, 0x21..=0x39 | 0x3b..=0x7e))
        .count()
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |length| from + length + 1)
}

fn with_plain_line_ends(raw: &[u8]) -> Vec<u8> {
    let first = &raw[..line_end(raw, 0)];
    if !first.ends_with(b"\r\n") && !raw.ends_with(b"\r\n") {
        return raw.to_vec();
    }
    let mut plain = Vec::with_capacity(raw.len());
    for (place, byte) in raw.iter().enumerate() {
        if *byte != b'\r' || raw.get(place + 1) != Some(&b'\n') {
            plain.push(*byte);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        let mail = b"From: a\nContent-Type: multipart/mixed; boundary=\"b 1\"\n\npreamble\n--b 1\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<b>caf=C3=\n=A9</b>\n--b 1\nContent-Type: application/zip; name=x.zip\nContent-Transfer-Encoding: base64\n\nAAEC\n--b 1--\nepilogue\n";
        let mime = Mime::of(mail);
        let kinds: Vec<_> = mime.parts.iter().map(|part| part.kind.as_str()).collect();
        assert_eq!(kinds, ["multipart/mixed", "text/html", "application/zip"]);
        assert_eq!(mime.parts[1].decoded, "<b>café</b>".as_bytes());
        assert_eq!(mime.parts[2].decoded, [0, 1, 2]);
        assert_eq!(mime.parts[2].name.as_deref(), Some("x.zip"));
        assert!(mime.oddities.mime_epilogue_exists && !mime.oddities.missing_boundary);
        let crlf = String::from_utf8_lossy(mail).replace('\n', "\r\n");
        assert_eq!(
            Mime::of(crlf.as_bytes()).parts[1].decoded,
            mime.parts[1].decoded
        );
    }

    #[test]
    fn broken_mail_is_taken_apart_too() {
        let unclosed = Mime::of(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n");
        assert!(unclosed.oddities.missing_boundary);
        assert_eq!(unclosed.parts[1].decoded, b"hello\n");
        let no_boundary = Mime::of(b"Content-Type: multipart/mixed\n\nhello\n");
        assert_eq!(no_boundary.parts[0].kind, "text/plain");
        assert!(Mime::of(b"Subject: x").oddities.missing_head_body_separator);
        let begins = |body: &str| {
            let mail = format!("Content-Type: multipart/mixed; boundary=b\n\n{body}\nmore\n");
            Mime::of(mail.as_bytes())
                .oddities
                .missing_mime_head_body_separator
        };
        assert!(begins(" ") && !begins("text") && !begins(""));
        assert_eq!(Mime::of(b"").parts.len(), 1);
        let deep = (0..200)
            .map(|_| "Content-Type: message/rfc822\n\n")
            .collect::<String>();
        assert!(Mime::of(deep.as_bytes()).parts.len() < 30);
        let many = format!(
            "Content-Type: multipart/mixed; boundary=b\n\n{}",
            "--b\n\nx\n".repeat(5000)
        );
        assert_eq!(Mime::of(many.as_bytes()).parts.len(), PARTS_MAX);
    }
}
