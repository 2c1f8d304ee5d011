//! The MIME tree, flattened: every leaf with its decoded text.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::html::html_to_text;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, HeaderName, MessageParser, MessagePart, MimeHeaders, PartType};

use super::{Message, Oddity, Part, Role, charset, guard};
use crate::Limits;
use crate::address::floor_char_boundary;

/// Parts nested deeper than this keep the path of the part that holds them.
const PATH_DEPTH_MAX: usize = 24;

/// What else than the parts themselves is wanted of a message.
pub(super) enum Wanted<'w> {
    /// Nothing.
    Parts,
    /// The HTML of parts that are written in it, by path.
    Html(&'w mut Vec<(String, String)>),
    /// The decoded bytes of the part at this path.
    Bytes(&'w str, &'w mut Option<Vec<u8>>),
}

/// Reads the MIME structure of `raw` into `message.parts`.
pub(super) fn read(raw: &[u8], limits: &Limits, message: &mut Message) {
    read_for(raw, limits, message, Wanted::Parts);
}

/// The same, and what is wanted beside it.
pub(super) fn read_for(raw: &[u8], limits: &Limits, message: &mut Message, wanted: Wanted<'_>) {
    let (guarded, too_deep) = guard::without_deep_nesting(raw, limits.nested_messages_max);
    if let Some(oddity) = too_deep {
        message.note(oddity);
    }
    // The parser is good, but it is not ours: a panic in it must be a fact about the message.
    let parser = MessageParser::new()
        .with_mime_headers()
        .header_text(HeaderName::Subject)
        .default_header_ignore();
    let parsed = catch_unwind(AssertUnwindSafe(|| parser.parse(guarded.as_ref())))
        .ok()
        .flatten();
    match parsed {
        Some(parsed) if !parsed.parts.is_empty() => {
            let mut reader = Reader {
                limits,
                message,
                text_left: limits.text_bytes_max,
                wanted,
            };
            reader.walk(&parsed, "", Role::Body);
        }
        _ => {
            message.note(Oddity::Unreadable);
            let mut reader = Reader {
                limits,
                message,
                text_left: limits.text_bytes_max,
                wanted,
            };
            let text = charset::decode(None, &raw[..raw.len().min(limits.part_text_bytes_max)]).0;
            reader.keep(
                Leaf {
                    path: "1".into(),
                    content_type: "text/plain".into(),
                    charset: None,
                    file_name: None,
                    role: Role::Body,
                    size_bytes: raw.len() as u64,
                },
                Some(text),
            );
        }
    }
}

struct Reader<'r, 'w> {
    limits: &'r Limits,
    message: &'r mut Message,
    /// Bytes of text that may still be kept.
    text_left: usize,
    wanted: Wanted<'w>,
}

/// A part before its text.
struct Leaf {
    path: String,
    content_type: String,
    charset: Option<String>,
    file_name: Option<String>,
    role: Role,
    size_bytes: u64,
}

impl Reader<'_, '_> {
    /// Walks one message; calls itself only for nested messages, at most `nested_messages_max` deep. `above` is the
    /// path of the part that holds it.
    fn walk(&mut self, parsed: &mail_parser::Message<'_>, above: &str, role: Role) {
        let mut waiting = vec![(0_u32, join(above, 1), 1_usize)];
        while let Some((id, path, depth)) = waiting.pop() {
            let Some(part) = parsed.parts.get(id as usize) else {
                continue;
            };
            if self.message.parts.len() >= self.limits.parts_max {
                self.message.note(Oddity::TooManyParts);
                return;
            }
            match &part.body {
                PartType::Multipart(children) => {
                    if children.is_empty() {
                        self.message.note(Oddity::BrokenMultipart);
                    }
                    let inside = |number: usize| {
                        if depth == 1 {
                            join(above, number)
                        } else {
                            join(&path, number)
                        }
                    };
                    if depth >= PATH_DEPTH_MAX {
                        self.message.note(Oddity::TooDeep);
                    }
                    // The last pushed is walked first, so push them backwards.
                    for (number, child) in children.iter().enumerate().rev() {
                        let place = if depth >= PATH_DEPTH_MAX {
                            path.clone()
                        } else {
                            inside(number + 1)
                        };
                        waiting.push((*child, place, depth + 1));
                    }
                }
                PartType::Message(nested) => self.nested(part, nested, &path),
                _ => self.leaf(part, &parsed.raw_message, path, role),
            }
        }
    }

    fn nested(&mut self, part: &MessagePart<'_>, nested: &mail_parser::Message<'_>, path: &str) {
        let size = part.raw_end_offset().saturating_sub(part.raw_body_offset());
        self.hand_over(part, path);
        let subject = nested.subject().map(str::to_owned);
        let mut leaf = describe(part, path.to_owned(), Role::Attachment);
        leaf.size_bytes = u64::from(size);
        // What a forwarded message is called belongs to what is read of it.
        self.keep(leaf, subject);
        self.walk(nested, path, Role::Attachment);
    }

    fn leaf(&mut self, part: &MessagePart<'_>, raw: &[u8], path: String, role: Role) {
        if part.is_encoding_problem {
            let declared = part
                .content_type()
                .is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("multipart"));
            self.message.note(if declared {
                Oddity::BrokenMultipart
            } else {
                Oddity::BadEncoding
            });
        } else if part
            .content_type()
            .is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("multipart"))
        {
            self.message.note(Oddity::BrokenMultipart);
        }
        let leaf = describe(part, path, role);
        self.hand_over(part, &leaf.path);
        let text = match &part.body {
            PartType::Text(text) => Some(self.text(part, raw, text, leaf.charset.as_deref())),
            PartType::Html(html) => {
                let html = self.text(part, raw, html, leaf.charset.as_deref());
                let html = self.cut(&html);
                if let Wanted::Html(htmls) = &mut self.wanted {
                    htmls.push((leaf.path.clone(), html.to_owned()));
                }
                Some(html_to_text(html))
            }
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                self.text_of_file(bytes, &leaf)
            }
            PartType::Message(_) | PartType::Multipart(_) => None,
        };
        self.keep(leaf, text);
    }

    /// Keeps the bytes of a part that somebody asked for.
    fn hand_over(&mut self, part: &MessagePart<'_>, path: &str) {
        if let Wanted::Bytes(wanted, found) = &mut self.wanted
            && *wanted == path
            && found.is_none()
        {
            **found = Some(part.contents().to_vec());
        }
    }

    /// The parser's text where it is sound; decoded again with more patience where it is not.
    fn text(
        &mut self,
        part: &MessagePart<'_>,
        raw: &[u8],
        parsed: &str,
        label: Option<&str>,
    ) -> String {
        if parsed.is_ascii() {
            return parsed.to_owned();
        }
        let start = part.raw_body_offset() as usize;
        let end = (part.raw_end_offset() as usize).min(raw.len());
        let Some(bytes) = raw.get(start..end) else {
            return parsed.to_owned();
        };
        let decoded = match part.encoding {
            Encoding::None => None,
            Encoding::Base64 => base64_decode(bytes),
            Encoding::QuotedPrintable => quoted_printable_decode(bytes),
        };
        let (text, oddity) = charset::decode(label, decoded.as_deref().unwrap_or(bytes));
        if let Some(oddity) = oddity {
            self.message.note(oddity);
        }
        text
    }

    /// Text of a file that is plainly text, whatever type it declares.
    fn text_of_file(&mut self, bytes: &[u8], leaf: &Leaf) -> Option<String> {
        let start = &bytes[..bytes.len().min(1024)];
        let utf16 = encoding_rs::Encoding::for_bom(start).is_some();
        let control =
            |byte: &&u8| **byte < 0x20 && !matches!(**byte, b'\n' | b'\r' | b'\t' | 0x0c | 0x1b);
        let is_text = !start.is_empty()
            && start.iter().filter(control).count() == 0
            && !start.contains(&0x7f);
        let high = start.iter().filter(|byte| **byte >= 0x80).count();
        let named = leaf.file_name.as_deref().is_some_and(is_text_name);
        // Compressed data without control characters in its first kilobyte is rare, but mostly 8-bit then.
        if !utf16 && !(is_text && (named || high * 3 < start.len())) {
            return None;
        }
        let text = charset::decode(
            leaf.charset.as_deref(),
            &bytes[..bytes.len().min(self.limits.part_text_bytes_max)],
        )
        .0;
        let lower = leaf.content_type.as_str();
        let is_html = lower.ends_with("html")
            || text.trim_start().get(..5).is_some_and(|tag| {
                tag.eq_ignore_ascii_case("<html") || tag.eq_ignore_ascii_case("<!doc")
            });
        Some(if is_html { html_to_text(&text) } else { text })
    }

    fn cut<'t>(&mut self, text: &'t str) -> &'t str {
        let limit = self.limits.part_text_bytes_max;
        if text.len() > limit {
            self.message.note(Oddity::Cut);
        }
        &text[..floor_char_boundary(text, limit)]
    }

    fn keep(&mut self, leaf: Leaf, text: Option<String>) {
        let text = text.map(|mut text| {
            let room = self.limits.part_text_bytes_max.min(self.text_left);
            if text.len() > room {
                self.message.note(Oddity::Cut);
                text.truncate(floor_char_boundary(&text, room));
                text.shrink_to_fit();
            }
            self.text_left -= text.len();
            text
        });
        let Leaf {
            path,
            content_type,
            charset,
            file_name,
            role,
            size_bytes,
        } = leaf;
        self.message.parts.push(Part {
            path,
            content_type,
            charset,
            file_name,
            role,
            size_bytes,
            text,
        });
    }
}

fn describe(part: &MessagePart<'_>, path: String, role: Role) -> Leaf {
    let kind = part.content_type();
    let content_type = match kind.map(|kind| (kind.ctype(), kind.subtype())) {
        Some((main, Some(sub))) => format!("{main}/{sub}").to_ascii_lowercase(),
        Some((main, None)) => main.to_ascii_lowercase(),
        None => "text/plain".to_owned(),
    };
    let file_name = part.attachment_name().map(|name| short(name, 255));
    let is_text = matches!(part.body, PartType::Text(_) | PartType::Html(_));
    let says_file = part
        .content_disposition()
        .is_some_and(mail_parser::ContentType::is_attachment);
    Leaf {
        path,
        content_type: short(&content_type, 127),
        charset: kind
            .and_then(|kind| kind.attribute("charset"))
            .map(|charset| short(charset, 60)),
        role: if role == Role::Body && is_text && !says_file && file_name.is_none() {
            Role::Body
        } else {
            Role::Attachment
        },
        file_name,
        size_bytes: part.contents().len() as u64,
    }
}

fn is_text_name(name: &str) -> bool {
    let ending = name
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    [
        "txt", "csv", "htm", "html", "log", "ics", "vcf", "eml", "json", "xml", "md",
    ]
    .contains(&ending.as_str())
}

fn join(above: &str, number: usize) -> String {
    if above.is_empty() {
        number.to_string()
    } else {
        format!("{above}.{number}")
    }
}

fn short(text: &str, bytes: usize) -> String {
    text[..floor_char_boundary(text, bytes)].to_owned()
}
