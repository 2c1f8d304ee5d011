//! XML as reporters write it: a pull reader that gets something out of everything, and the escaping for what we write.
//!
//! Made for documents that are broken in the ways reports are: stray `<` in values, elements never closed, closed twice or in the wrong
//! order, unquoted attributes, a second document wrapped around the first. So a `<` that begins no well-formed tag is text. There is no DTD and
//! no entity but the five and numbers, so nothing expands and nothing is fetched. `quick-xml` was considered: it stops at the first of these.

use std::borrow::Cow;

use memchr::{memchr, memmem};

/// Longest name of an element that is taken for one.
const NAME_BYTES_MAX: usize = 100;
/// Longest tag that is taken for one: what looks for its end stays linear.
const TAG_BYTES_MAX: usize = 4096;

/// What stands next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event<'x> {
    /// `<name …>`, without prefix. `<name/>` is this and a [`Event::Close`].
    Open(&'x str),
    /// `</name>`
    Close(&'x str),
    /// Text between tags, entities resolved.
    Text(Cow<'x, str>),
}

/// The events of a document.
pub(crate) struct Events<'x> {
    rest: &'x str,
    /// The name of an element that opened and closed in one tag.
    closing: Option<&'x str>,
}

impl<'x> Events<'x> {
    pub(crate) const fn of(text: &'x str) -> Self {
        Self {
            rest: text,
            closing: None,
        }
    }
}

impl<'x> Iterator for Events<'x> {
    type Item = Event<'x>;

    fn next(&mut self) -> Option<Event<'x>> {
        if let Some(name) = self.closing.take() {
            return Some(Event::Close(name));
        }
        loop {
            if self.rest.is_empty() {
                return None;
            }
            if let Some(raw) = self.rest.strip_prefix("<![CDATA[") {
                let (text, rest) = until(raw, "]]>");
                self.rest = rest;
                return Some(Event::Text(Cow::Borrowed(text)));
            }
            if let Some(rest) = after_aside(self.rest) {
                self.rest = rest;
                continue;
            }
            if let Some((tag, rest)) = Tag::at(self.rest) {
                self.rest = rest;
                return Some(match tag {
                    Tag::Open(name) => Event::Open(name),
                    Tag::Whole(name) => {
                        self.closing = Some(name);
                        Event::Open(name)
                    }
                    Tag::Close(name) => Event::Close(name),
                });
            }
            let end = next_tag(self.rest);
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some(Event::Text(resolved(text)));
        }
    }
}

enum Tag<'x> {
    Open(&'x str),
    Whole(&'x str),
    Close(&'x str),
}

impl<'x> Tag<'x> {
    /// The tag that begins here, and what follows it.
    fn at(text: &'x str) -> Option<(Self, &'x str)> {
        let inside = text.strip_prefix('<')?;
        let (closes, inside) = match inside.strip_prefix('/') {
            Some(inside) => (true, inside),
            None => (false, inside),
        };
        let is_name = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b':' | b'-' | b'.');
        let length = inside
            .bytes()
            .take(NAME_BYTES_MAX + 1)
            .take_while(is_name)
            .count();
        let (name, rest) = inside.split_at(length);
        let begins_well = |c: u8| c.is_ascii_alphabetic() || c == b'_';
        if length > NAME_BYTES_MAX || !name.bytes().next().is_some_and(begins_well) {
            return None;
        }
        let next = rest.bytes().next()?;
        if !(next.is_ascii_whitespace() || next == b'>' || next == b'/') {
            return None;
        }
        let end = tag_end(rest)?;
        let whole = rest[..end].ends_with('/');
        let local = name.rsplit(':').next().unwrap_or(name);
        let tag = match (closes, whole) {
            (true, _) => Self::Close(local),
            (false, true) => Self::Whole(local),
            (false, false) => Self::Open(local),
        };
        Some((tag, &rest[end + 1..]))
    }
}

/// Where the `>` stands that ends a tag; not inside quotes, and not beyond the next `<`.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.bytes().take(TAG_BYTES_MAX).enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'<') => return None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// What follows a comment, a declaration or a processing instruction that begins here.
fn after_aside(text: &str) -> Option<&str> {
    let end = if text.starts_with("<!--") {
        "-->"
    } else if text.starts_with("<?") {
        "?>"
    } else if text.starts_with("<!") {
        ">"
    } else {
        return None;
    };
    Some(until(text, end).1)
}

/// The text before `end`, and what follows it; all of it and nothing when it never comes.
fn until<'x>(text: &'x str, end: &str) -> (&'x str, &'x str) {
    match memmem::find(text.as_bytes(), end.as_bytes()) {
        Some(at) => (&text[..at], &text[at + end.len()..]),
        None => (text, ""),
    }
}

/// Where the next thing that is no text begins; at least one character on.
fn next_tag(text: &str) -> usize {
    let mut at = 1;
    while let Some(found) = text
        .as_bytes()
        .get(at..)
        .and_then(|rest| memchr(b'<', rest))
    {
        at += found;
        let here = &text[at..];
        if here.starts_with("<!") || here.starts_with("<?") || Tag::at(here).is_some() {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// Text with the five entities and character numbers resolved; any other `&` stays.
fn resolved(text: &str) -> Cow<'_, str> {
    if memchr(b'&', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        whole.push_str(&rest[..at]);
        rest = &rest[at..];
        let window = rest.len().min(12);
        let end = memchr(b';', &rest.as_bytes()[..window]);
        match end.and_then(|end| Some((entity(&rest[1..end])?, end))) {
            Some((c, end)) => {
                whole.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                whole.push('&');
                rest = &rest[1..];
            }
        }
    }
    whole.push_str(rest);
    Cow::Owned(whole)
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// The document as text: by its byte order mark, as UTF-8 when it is that, else as its declaration says.
pub(crate) fn decoded(bytes: &[u8]) -> (Cow<'_, str>, Option<&'static str>) {
    if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(bytes) {
        return (encoding.decode_without_bom_handling(&bytes[mark..]).0, None);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (Cow::Borrowed(text), None);
    }
    let start = &bytes[..bytes.len().min(200)];
    let label = memmem::find(start, b"encoding=").and_then(|at| {
        let rest = &start[at + "encoding=".len()..];
        let quote = *rest.first()?;
        let end = memchr(quote, &rest[1..])?;
        encoding_rs::Encoding::for_label(&rest[1..=end])
    });
    let encoding = label.unwrap_or(encoding_rs::UTF_8);
    let (text, _, broken) = encoding.decode(bytes);
    let note = broken.then_some("it has bytes that are no text in its character set");
    (text, note)
}

/// Text for between tags. What XML 1.0 §2.2 does not allow at all is left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => whole.push_str("&amp;"),
            '<' => whole.push_str("&lt;"),
            '>' => whole.push_str("&gt;"),
            '"' => whole.push_str("&quot;"),
            '\t' | '\n' => whole.push(c),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => whole.push(c),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let told = Events::of(text).map(|event| match event {
            Event::Open(name) => format!("({name}"),
            Event::Close(name) => format!("{name})"),
            Event::Text(text) => format!("{text:?}"),
        });
        told.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn well_formed() {
        assert_eq!(
            told(
                "<?xml version='1.0'?><!-- <no> --><ns:a x=\"1>2\"><b/>t&amp;t&#65;&#x42;<![CDATA[<c>]]></ns:a>"
            ),
            r#"(a (b b) "t&tAB" "<c>" a)"#
        );
    }

    #[test]
    fn broken_as_it_comes() {
        assert_eq!(
            told("<email><bad-xml@bad-xml.net></email>"),
            r#"(email "<bad-xml@bad-xml.net>" email)"#
        );
        assert_eq!(told("<a>bad<xml.net</a>"), r#"(a "bad<xml.net" a)"#);
        assert_eq!(
            told("a & b &unknown; &#xd800;"),
            r#""a & b &unknown; &#xd800;""#
        );
        assert_eq!(told("<a b='never ends"), r#""<a b='never ends""#);
        assert_eq!(told("<!-- never ends"), "");
        assert_eq!(told("<"), r#""<""#);
        assert_eq!(told("<é>"), r#""<é>""#);
    }

    #[test]
    fn character_sets() {
        assert_eq!(decoded(b"\xff\xfe<\0a\0>\0").0, "<a>");
        let latin = b"<?xml version=\"1.0\" encoding=\"windows-1252\"?>caf\xe9";
        assert!(decoded(latin).0.ends_with("café"));
        assert!(decoded(b"<a>\xe9</a>").1.is_some());
    }

    #[test]
    fn what_is_escaped_reads_the_same() {
        let text = "a<b>&\"c\" é 字\t\n";
        let escaped = escaped(text);
        let events: Vec<Event<'_>> = Events::of(&escaped).collect();
        assert_eq!(events, [Event::Text(Cow::Borrowed(text))]);
    }
}
