//! HTML cut into tags and text, as the WHATWG standard's tokenizer cuts it (§13.2.5), in linear time whatever comes.
//!
//! Trees are not built: building one is quadratic for hostile nesting, and a filter needs none. Tests compare the cuts with those of
//! `html5ever` on random soup.

use memchr::{memchr, memmem};

/// Attributes read of one tag.
const ATTRIBUTES_MAX: usize = 100;

/// A piece of HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'h> {
    /// Text as it stands; `decoded` when character references in it mean something.
    Text {
        /// As it stands.
        text: &'h str,
        /// Do character references mean something?
        decoded: bool,
    },
    /// `<name attributes>`
    Start {
        /// As written.
        name: &'h str,
        /// What stands behind the name.
        attributes: &'h str,
    },
    /// `</name>`
    End {
        /// As written.
        name: &'h str,
    },
    /// `<!-- … -->`, `<!DOCTYPE …>`, `<? … >`: nothing that is shown.
    Unshown {
        /// As written, with its brackets.
        text: &'h str,
    },
}

/// Cuts HTML into tokens. An unfinished tag at the end is left out, as a browser does.
pub struct Tokens<'h> {
    html: &'h str,
    at: usize,
    /// Text until this element's end tag is no HTML.
    raw: Option<&'h str>,
}

impl<'h> Tokens<'h> {
    /// Over decoded text.
    pub const fn of(html: &'h str) -> Self {
        Self {
            html,
            at: 0,
            raw: None,
        }
    }

    /// The end of `</name` for the raw text element that is open.
    fn raw_end(&self, name: &str) -> Option<usize> {
        let rest = self.html.as_bytes().get(self.at..)?;
        memmem::find_iter(rest, b"</").find(|found| {
            let after = &rest[found + 2..];
            let closes = after
                .get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()));
            closes && after.get(name.len()).is_some_and(|byte| ends_name(*byte))
        })
    }

    /// Takes the markup at the current place; `None` when it is an unfinished tag.
    fn markup(&mut self) -> Option<Token<'h>> {
        let bytes = &self.html.as_bytes()[self.at..];
        match (bytes.get(1), bytes.get(2)) {
            (Some(first), _) if first.is_ascii_alphabetic() => self.tag(1),
            (Some(b'/'), Some(first)) if first.is_ascii_alphabetic() => self.tag(2),
            (Some(b'!'), _) if bytes[2..].starts_with(b"--") => {
                Some(self.unshown(comment_end(bytes)))
            }
            _ => {
                let length = memchr(b'>', bytes).map_or(bytes.len(), |end| end + 1);
                Some(self.unshown(length))
            }
        }
    }

    fn unshown(&mut self, length: usize) -> Token<'h> {
        let text = &self.html[self.at..self.at + length];
        self.at += length;
        Token::Unshown { text }
    }

    /// A tag whose name begins `skip` bytes further on.
    fn tag(&mut self, skip: usize) -> Option<Token<'h>> {
        let rest = &self.html[self.at + skip..];
        let name_end = rest.bytes().position(ends_name).unwrap_or(rest.len());
        let name = &rest[..name_end];
        let mut attributes = Attributes {
            rest: &rest[name_end..],
            left: usize::MAX,
        };
        while attributes.step().is_some() {}
        // What ends without '>' is no tag.
        let Some(after) = attributes.rest.strip_prefix('>') else {
            self.at = self.html.len();
            return None;
        };
        let written = &rest[name_end..rest.len() - attributes.rest.len()];
        self.at = self.html.len() - after.len();
        if skip == 2 {
            return Some(Token::End { name });
        }
        if is_raw(name) {
            self.raw = Some(name);
        }
        Some(Token::Start {
            name,
            attributes: written,
        })
    }
}

impl<'h> Iterator for Tokens<'h> {
    type Item = Token<'h>;

    fn next(&mut self) -> Option<Token<'h>> {
        if let Some(name) = self.raw.take() {
            let end = self
                .raw_end(name)
                .map_or(self.html.len(), |end| self.at + end);
            let text = &self.html[self.at..end];
            self.at = end;
            if !text.is_empty() {
                return Some(Token::Text {
                    text,
                    decoded: name.eq_ignore_ascii_case("title")
                        || name.eq_ignore_ascii_case("textarea"),
                });
            }
        }
        loop {
            if self.at >= self.html.len() {
                return None;
            }
            let bytes = self.html.as_bytes();
            if !starts_markup(&bytes[self.at..]) {
                break;
            }
            let token = self.markup();
            if token.is_some() {
                return token;
            }
        }
        let start = self.at;
        self.at += 1;
        loop {
            let rest = &self.html.as_bytes()[self.at..];
            match memchr(b'<', rest) {
                Some(found) if starts_markup(&rest[found..]) => {
                    self.at += found;
                    break;
                }
                Some(found) => self.at += found + 1,
                None => {
                    self.at = self.html.len();
                    break;
                }
            }
        }
        Some(Token::Text {
            text: &self.html[start..self.at],
            decoded: true,
        })
    }
}

fn starts_markup(bytes: &[u8]) -> bool {
    match bytes {
        [b'<', b'/', _, ..] | [b'<', b'!' | b'?', ..] => true,
        [b'<', next, ..] => next.is_ascii_alphabetic(),
        _ => false,
    }
}

const fn ends_name(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c | b'/' | b'>')
}

/// Elements whose content is no HTML.
fn is_raw(name: &str) -> bool {
    [
        "script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes",
    ]
    .iter()
    .any(|raw| name.eq_ignore_ascii_case(raw))
}

/// The length of the comment that `bytes` begin with.
fn comment_end(bytes: &[u8]) -> usize {
    const OPEN: usize = b"<!--".len();
    for (short, length) in [(b"<!-->".as_slice(), 5), (b"<!--->", 6)] {
        if bytes.starts_with(short) {
            return length;
        }
    }
    let mut at = OPEN;
    while let Some(found) = memmem::find(&bytes[at..], b"--") {
        let after = &bytes[at + found + 2..];
        if after.starts_with(b">") {
            return at + found + 3;
        }
        if after.starts_with(b"!>") {
            return at + found + 4;
        }
        at += found + 1;
    }
    bytes.len()
}

/// The attributes of a tag, in order: name and value as written.
pub struct Attributes<'h> {
    rest: &'h str,
    left: usize,
}

impl<'h> Attributes<'h> {
    /// Over what stands between the name and the end of a tag.
    pub const fn of(written: &'h str) -> Self {
        Self {
            rest: written,
            left: ATTRIBUTES_MAX,
        }
    }

    /// The value of the first attribute of this name, as written.
    pub fn named(written: &'h str, name: &str) -> Option<&'h str> {
        Self::of(written)
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The next attribute; stops before `>` and at the end.
    fn step(&mut self) -> Option<(&'h str, &'h str)> {
        let skipped = self
            .rest
            .trim_start_matches([' ', '\t', '\n', '\r', '\u{c}', '/']);
        self.rest = skipped;
        if skipped.is_empty() || skipped.starts_with('>') {
            return None;
        }
        // A leading '=' belongs to the name.
        let bytes = skipped.as_bytes();
        let name_end = 1 + bytes[1..]
            .iter()
            .position(|byte| ends_name(*byte) || *byte == b'=')
            .unwrap_or(bytes.len() - 1);
        let name_end = ceil_boundary(skipped, name_end);
        let name = &skipped[..name_end];
        let after = skipped[name_end..].trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
        let Some(value) = after.strip_prefix('=') else {
            self.rest = after;
            return Some((name, ""));
        };
        let value = value.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
        let (value, rest) = match value.as_bytes().first() {
            Some(quote @ (b'"' | b'\'')) => match memchr(*quote, &value.as_bytes()[1..]) {
                Some(end) => (&value[1..=end], &value[end + 2..]),
                None => ("", ""),
            },
            Some(b'>') | None => ("", value),
            Some(_) => {
                let ends = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c | b'>');
                let end = value.bytes().position(ends).unwrap_or(value.len());
                (&value[..end], &value[end..])
            }
        };
        self.rest = rest;
        Some((name, value))
    }
}

/// An attribute's name begins with any byte, perhaps the first of a long character.
fn ceil_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

impl<'h> Iterator for Attributes<'h> {
    type Item = (&'h str, &'h str);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.step()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use html5ever::tendril::StrTendril;
    use html5ever::tokenizer::states::{Rawtext, Rcdata, ScriptData};
    use html5ever::tokenizer::{
        BufferQueue, TagKind, Token as Theirs, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
    };
    use proptest::prelude::*;

    use super::super::entity::{decoded, decoded_value};
    use super::*;

    fn ours(html: &str) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        let mut text = String::new();
        let end_text = |text: &mut String, seen: &mut Vec<String>| {
            if !text.is_empty() {
                seen.push(format!("text {}", std::mem::take(text)));
            }
        };
        for token in Tokens::of(html) {
            match token {
                Token::Text {
                    text: raw,
                    decoded: true,
                } => text.push_str(&decoded(raw)),
                Token::Text { text: raw, .. } => text.push_str(raw),
                Token::Start { name, attributes } => {
                    end_text(&mut text, &mut seen);
                    let mut shown = format!("start {}", name.to_ascii_lowercase());
                    let mut names: Vec<String> = Vec::new();
                    for (name, value) in Attributes::of(attributes) {
                        let name = name.to_ascii_lowercase();
                        if !names.contains(&name) {
                            shown += &format!(" {name}={:?}", decoded_value(value));
                            names.push(name);
                        }
                    }
                    seen.push(shown);
                }
                Token::End { name } => {
                    end_text(&mut text, &mut seen);
                    seen.push(format!("end {}", name.to_ascii_lowercase()));
                }
                Token::Unshown { .. } => {}
            }
        }
        end_text(&mut text, &mut seen);
        seen
    }

    #[derive(Default)]
    struct Sink {
        seen: RefCell<Vec<String>>,
        text: RefCell<String>,
    }

    impl Sink {
        fn end_text(&self) {
            let text = self.text.take();
            if !text.is_empty() {
                self.seen.borrow_mut().push(format!("text {text}"));
            }
        }
    }

    impl TokenSink for Sink {
        type Handle = ();

        fn process_token(&self, token: Theirs, _: u64) -> TokenSinkResult<()> {
            match token {
                Theirs::CharacterTokens(text) => self.text.borrow_mut().push_str(&text),
                Theirs::NullCharacterToken => self.text.borrow_mut().push('\0'),
                Theirs::TagToken(tag) => {
                    self.end_text();
                    let mut shown = match tag.kind {
                        TagKind::StartTag => format!("start {}", tag.name),
                        TagKind::EndTag => format!("end {}", tag.name),
                    };
                    if tag.kind == TagKind::StartTag {
                        for attribute in &tag.attrs {
                            shown += &format!(
                                " {}={:?}",
                                attribute.name.local,
                                attribute.value.to_string()
                            );
                        }
                    }
                    self.seen.borrow_mut().push(shown);
                    if tag.kind == TagKind::StartTag {
                        return match &*tag.name {
                            "title" | "textarea" => TokenSinkResult::RawData(Rcdata),
                            "script" => TokenSinkResult::RawData(ScriptData),
                            "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
                                TokenSinkResult::RawData(Rawtext)
                            }
                            _ => TokenSinkResult::Continue,
                        };
                    }
                }
                _ => {}
            }
            TokenSinkResult::Continue
        }
    }

    fn theirs(html: &str) -> Vec<String> {
        let input = BufferQueue::default();
        input.push_back(StrTendril::from(html));
        let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
        while !input.is_empty() {
            let _ = tokenizer.feed(&input);
        }
        tokenizer.end();
        tokenizer.sink.end_text();
        tokenizer.sink.seen.take()
    }

    #[test]
    fn cut_as_the_standard_says() {
        for html in [
            "<p class=a id='b c' data-x=\"d>e\">text</p>",
            "a < b, 1<2, </> x </ y> z",
            "<!-- a > b --><!-->c--><!--->d--><!-- e --!>f<!bogus>g<?php h>i",
            "<title>a <b> &amp; c</title><style>x < y</style><p>z",
            "<a href=x/y =a=b / c>d</a/e>",
            "<a href=\"unfinished",
            "<TEXTAREA></textare></TEXTAREA >x",
            "&lt;&ltx &#65 &#x41; &#X3c; &#128; &#0; &#x110000; &notit; &amp",
            "<a title='&copy=1 &copy;'>",
            "<é>x</é><aé=1 é=2>",
            "<",
            "</",
            "<a",
            "x<",
        ] {
            assert_eq!(ours(html), theirs(html), "{html}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn soup_is_cut_as_html5ever_cuts_it(
            parts in prop::collection::vec(prop_oneof![
                Just("<"), Just(">"), Just("</"), Just("<!--"), Just("-->"), Just("--!>"), Just("-"), Just("<!"), Just("?"), Just("/"), Just("="), Just("\""), Just("'"),
                Just(" "), Just("\n"), Just("a"), Just("p"), Just("title"), Just("<style"), Just("</style"), Just("<textarea>"), Just("</textarea>"), Just("&"), Just("amp"), Just(";"), Just("#6"), Just("x"),
                Just("é"), Just("href=x"), Just("text"), Just("nbsp"),
            ], 0..30)
        ) {
            let html = parts.concat();
            prop_assert_eq!(ours(&html), theirs(&html));
        }
    }
}
