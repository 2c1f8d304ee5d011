//! Character by character: what is left of text when case, width, ligatures and invisible characters are taken off.

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::{Normal, Writer, han, is_cjk, is_invisible};

/// Folds `text` and collapses its white space.
pub(super) fn fold(text: &str) -> Normal {
    let mut out = Collapse {
        writer: Writer::with_capacity(text.len()),
        space: Space::No,
        last: None,
    };
    if text.is_ascii() {
        for (at, byte) in text.bytes().enumerate() {
            out.push(char::from(byte.to_ascii_lowercase()), at);
        }
        return out.writer.normal;
    }
    let mut disguises = 0;
    let mut waiting = Segment::default();
    let mut last_visible = ' ';
    let mut hidden = false;
    for (at, c) in text.char_indices() {
        if is_invisible(c) {
            hidden = true;
            continue;
        }
        if hidden {
            // Between Latin letters they have no use but to hide; elsewhere scripts and emoji need them.
            disguises +=
                u32::from(last_visible.is_ascii_alphanumeric() && c.is_ascii_alphanumeric());
            hidden = false;
        }
        last_visible = c;
        if c.is_ascii() {
            waiting.flush(&mut out);
            waiting.start(c, at);
            continue;
        }
        // A character that may compose with the one before belongs to its segment (UAX 15, stable code points).
        let joins = canonical_combining_class(c) != 0
            || is_nfkc_quick(std::iter::once(c)) == IsNormalized::Maybe;
        if joins && !waiting.is_empty() {
            waiting.join(c);
        } else {
            waiting.flush(&mut out);
            waiting.start(c, at);
        }
    }
    waiting.flush(&mut out);
    let mut normal = out.writer.normal;
    normal.disguises = disguises;
    normal
}

/// Characters that are normalised together: one that starts, and those that may join it.
#[derive(Default)]
struct Segment {
    first: Option<char>,
    at: usize,
    /// Only when there is more than the first.
    whole: String,
}

impl Segment {
    const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    fn start(&mut self, c: char, at: usize) {
        self.first = Some(c);
        self.at = at;
    }

    fn join(&mut self, c: char) {
        if self.whole.is_empty() {
            self.whole.extend(self.first);
        }
        self.whole.push(c);
    }

    fn flush(&mut self, out: &mut Collapse) {
        let Some(first) = self.first.take() else {
            return;
        };
        let at = self.at;
        let mut each = |c: char| {
            for lower in c.to_lowercase() {
                out.push(han::simplified(lower), at);
            }
        };
        if !self.whole.is_empty() {
            self.whole.nfkc().for_each(each);
            self.whole.clear();
        } else if first.is_ascii() {
            out.push(first.to_ascii_lowercase(), at);
        } else if is_nfkc_quick(std::iter::once(first)) == IsNormalized::Yes {
            each(first);
        } else {
            std::iter::once(first).nfkc().for_each(each);
        }
    }
}

/// Collapses white space while characters are written.
struct Collapse {
    writer: Writer,
    space: Space,
    last: Option<char>,
}

impl Collapse {
    fn push(&mut self, c: char, from: usize) {
        if c.is_whitespace() || c.is_control() {
            self.space = self.space.and(c);
            return;
        }
        if let Some(last) = self.last {
            match self.space {
                Space::No => {}
                Space::Line if is_cjk(last) && is_cjk(c) => {}
                Space::Line | Space::Plain => self.writer.push(' ', from.saturating_sub(1)),
            }
        }
        self.space = Space::No;
        self.last = Some(c);
        self.writer.push(c, from);
    }
}

#[derive(Clone, Copy)]
enum Space {
    No,
    Plain,
    Line,
}

impl Space {
    const fn and(self, c: char) -> Self {
        match (self, c) {
            (Self::Line, _) | (_, '\n' | '\r') => Self::Line,
            _ => Self::Plain,
        }
    }
}
