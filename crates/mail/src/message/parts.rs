//! The MIME tree, flattened: every leaf with its decoded text.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, HeaderName, MessageParser, MessagePart, MimeHeaders, PartType};

use super::kind::{is_disguised, is_program, real_type, runs_by_name};
use super::link::ways_out_that_are_offers;
use super::{
    File, Finding, Link, LinkFrom, LinkOddity, Message, Oddity, Part, Role, charset, guard,
};
use crate::Limits;
use crate::address::floor_char_boundary;
use crate::html::View;
use crate::text::Text;

/// Parts nested deeper than this keep the path of the part that holds them.
const PATH_DEPTH_MAX: usize = 24;

/// What else than the parts themselves is wanted of a message.
pub(super) enum Wanted<'w> {
    /// Nothing.
    Parts,
    /// The HTML of parts that are written in it, by path.
    Html(&'w mut Vec<(String, String)>),
    /// The bytes of parts that need a reader of their own.
    Files(&'w mut Vec<File>),
    /// The decoded bytes of the part at this path.
    Bytes(&'w str, &'w mut Option<Vec<u8>>),
}

/// Reads the MIME structure of `raw` into `message.parts`, and what is wanted beside it.
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
                    real_type: None,
                    findings: Vec::new(),
                },
                Some(Read::plain(text)),
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
    real_type: Option<&'static str>,
    findings: Vec<Finding>,
}

impl Leaf {
    /// Notes what its bytes are, and what follows from that and its name.
    fn look(&mut self, kind: Option<&'static str>, bytes: Option<&[u8]>) {
        self.real_type = kind;
        let name = self.file_name.as_deref();
        if name.is_some_and(runs_by_name) || (bytes.is_some() && kind.is_some_and(is_program)) {
            self.findings.push(Finding::Program);
        }
        if kind.is_some_and(|kind| is_disguised(kind, name, &self.content_type)) {
            self.findings.push(Finding::Disguised);
        }
    }
}

/// Text of a part: what is seen of it, and what is not.
struct Read {
    visible: String,
    hidden: String,
}

impl Read {
    const fn plain(visible: String) -> Self {
        Self {
            visible,
            hidden: String::new(),
        }
    }
}

/// A file that is plainly text, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainText {
    /// What is seen of it; of a page what a person sees.
    pub visible: String,
    /// Where a page leads to.
    pub links: Vec<String>,
    /// What a page has in it.
    pub findings: Vec<Finding>,
}

/// Reads a file that is plainly text, whatever it is called; `None` when it is not.
pub fn plain_text(bytes: &[u8], name: Option<&str>, limits: &Limits) -> Option<PlainText> {
    let text = decoded_text(bytes, name, None, limits)?;
    let kind = real_type(bytes);
    if !matches!(kind, Some("text/html" | "image/svg+xml")) {
        return Some(PlainText {
            visible: unfolded(text, kind),
            ..PlainText::default()
        });
    }
    let view = View::of(&text);
    let mut findings = Vec::new();
    if view.has_script {
        findings.push(Finding::Script);
    }
    if view.asks_password {
        findings.push(Finding::AsksPassword);
    }
    let anchors = view.links.into_iter().map(|anchor| anchor.target);
    Some(PlainText {
        links: anchors.chain(view.forms).chain(view.refresh).collect(),
        visible: view.visible,
        findings,
    })
}

/// Text of bytes that are plainly text.
fn decoded_text(
    bytes: &[u8],
    name: Option<&str>,
    label: Option<&str>,
    limits: &Limits,
) -> Option<String> {
    let start = &bytes[..bytes.len().min(1024)];
    let utf16 = encoding_rs::Encoding::for_bom(start).is_some();
    let control =
        |byte: &&u8| **byte < 0x20 && !matches!(**byte, b'\n' | b'\r' | b'\t' | 0x0c | 0x1b);
    let is_text =
        !start.is_empty() && start.iter().filter(control).count() == 0 && !start.contains(&0x7f);
    let high = start.iter().filter(|byte| **byte >= 0x80).count();
    let named = name.is_some_and(is_text_name);
    // Compressed data without control characters in its first kilobyte is rare, but mostly 8-bit then.
    let fits = utf16 || (is_text && (named || high * 3 < start.len()));
    fits.then(|| charset::decode(label, &bytes[..bytes.len().min(limits.part_text_bytes_max)]).0)
}

/// Kinds that only a reader of documents understands, or that are looked at for codes.
fn needs_reader(kind: &str) -> bool {
    !kind.starts_with("text/")
        && !kind.starts_with("audio/")
        && !kind.starts_with("video/")
        && kind != "image/svg+xml"
        && !is_program(kind)
}

/// Calendars and address cards without the line breaks inside their values (RFC 5545 §3.1, RFC 6350 §3.2).
fn unfolded(text: String, kind: Option<&str>) -> String {
    if matches!(kind, Some("text/calendar" | "text/vcard")) {
        let text = text
            .replace("\r\n", "\n")
            .replace("\n ", "")
            .replace("\n\t", "");
        return text
            .replace("\\n", "\n")
            .replace("\\,", ",")
            .replace("\\;", ";");
    }
    text
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
        self.keep(leaf, subject.map(Read::plain));
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
        let mut leaf = describe(part, path, role);
        self.hand_over(part, &leaf.path);
        let text = match &part.body {
            PartType::Text(text) => {
                let text = self.text(part, raw, text, leaf.charset.as_deref());
                let kind = real_type(text.as_bytes());
                leaf.look(kind, None);
                // Attached pages are declared as anything.
                Some(
                    if leaf.role == Role::Attachment && kind == Some("text/html") {
                        let text = self.cut(&text);
                        self.page(&text, &mut leaf)
                    } else {
                        Read::plain(unfolded(text, kind))
                    },
                )
            }
            PartType::Html(html) => {
                let html = self.text(part, raw, html, leaf.charset.as_deref());
                let html = self.cut(&html);
                if let Wanted::Html(htmls) = &mut self.wanted {
                    htmls.push((leaf.path.clone(), html.clone()));
                }
                leaf.real_type = Some("text/html");
                Some(self.page(&html, &mut leaf))
            }
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                let kind = real_type(bytes);
                leaf.look(kind, Some(bytes));
                let text = self.text_of_file(bytes, &mut leaf);
                if text.is_none() {
                    self.file(bytes, &mut leaf);
                }
                text
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
    fn text_of_file(&mut self, bytes: &[u8], leaf: &mut Leaf) -> Option<Read> {
        if leaf.real_type.is_some_and(needs_reader) {
            return None;
        }
        let text = decoded_text(
            bytes,
            leaf.file_name.as_deref(),
            leaf.charset.as_deref(),
            self.limits,
        )?;
        let is_html = leaf.content_type.ends_with("html")
            || leaf
                .real_type
                .is_some_and(|kind| matches!(kind, "text/html" | "image/svg+xml"));
        Some(if is_html {
            self.page(&text, leaf)
        } else {
            Read::plain(unfolded(text, leaf.real_type))
        })
    }

    /// HTML as it is seen; what it leads to and asks for is noted.
    fn page(&mut self, html: &str, leaf: &mut Leaf) -> Read {
        let view = View::of(html);
        let links = &mut self.message.links;
        let mut add = |written: &str, shown: &str, from| {
            let link = Link::read(written, shown, from);
            if let Some(link) = link
                && links.len() < self.limits.links_max
                && !links
                    .iter()
                    .any(|known| known.url == link.url && known.from == link.from)
            {
                links.push(link);
            }
        };
        let file = leaf.role == Role::Attachment;
        let place = |from| if file { LinkFrom::Attachment } else { from };
        for anchor in &view.links {
            add(&anchor.target, &anchor.shown, place(LinkFrom::Anchor));
        }
        for form in &view.forms {
            add(form, "", LinkFrom::Form);
        }
        if let Some(target) = &view.refresh {
            add(target, "", LinkFrom::Refresh);
        }
        for image in &view.remote_images {
            add(image, "", place(LinkFrom::Image));
        }
        for target in ways_out_that_are_offers(&view.links) {
            let same = Link::read(target, "", LinkFrom::Anchor);
            let known = links
                .iter_mut()
                .find(|link| same.as_ref().is_some_and(|same| same.url == link.url));
            if let Some(link) = known {
                link.oddities.push(LinkOddity::WayOutIsOffer);
            }
        }
        if view.has_script {
            leaf.findings.push(Finding::Script);
        }
        if view.asks_password {
            leaf.findings.push(Finding::AsksPassword);
        }
        Read {
            visible: view.visible,
            hidden: view.hidden,
        }
    }

    /// Hands a file to whoever reads documents, when somebody does.
    fn file(&mut self, bytes: &[u8], leaf: &mut Leaf) {
        let is_wanted = leaf.real_type.is_some_and(needs_reader);
        let Wanted::Files(files) = &mut self.wanted else {
            return;
        };
        if !is_wanted {
            return;
        }
        if bytes.len() > self.limits.document_bytes_max || files.len() >= self.limits.documents_max
        {
            leaf.findings.push(Finding::TooLarge);
            return;
        }
        files.push(File {
            part: self.message.parts.len(),
            bytes: bytes.to_vec(),
        });
    }

    fn cut(&mut self, text: &str) -> String {
        let limit = self.limits.part_text_bytes_max;
        if text.len() > limit {
            self.message.note(Oddity::Cut);
        }
        text[..floor_char_boundary(text, limit)].to_owned()
    }

    fn keep(&mut self, leaf: Leaf, read: Option<Read>) {
        let mut fit = |mut text: String| {
            let room = self.limits.part_text_bytes_max.min(self.text_left);
            if text.len() > room {
                self.message.note(Oddity::Cut);
                text.truncate(floor_char_boundary(&text, room));
                text.shrink_to_fit();
            }
            self.text_left -= text.len();
            Text::new(text)
        };
        let (text, hidden) = match read {
            None => (None, None),
            Some(read) => {
                let text = fit(read.visible);
                (
                    Some(text),
                    (!read.hidden.is_empty()).then(|| fit(read.hidden)),
                )
            }
        };
        let Leaf {
            path,
            content_type,
            charset,
            file_name,
            role,
            size_bytes,
            real_type,
            findings,
        } = leaf;
        self.message.parts.push(Part {
            path,
            content_type,
            charset,
            file_name,
            role,
            size_bytes,
            real_type: real_type.map(str::to_owned),
            findings,
            text,
            hidden,
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
        real_type: None,
        findings: Vec::new(),
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
