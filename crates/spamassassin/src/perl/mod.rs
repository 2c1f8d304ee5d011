//! Perl's regular expressions, said in the two dialects that run here.
//!
//! SpamAssassin matches bytes. What Rust's linear-time engine can say is said to it, over bytes; what it cannot (looking around, going back to what
//! was matched, not giving back) is said to a backtracking engine over the same bytes seen as Latin-1, with a budget. For these, the part that *can* be
//! said in linear time stands before it as a sieve: every text the pattern matches, the sieve matches too.
//!
//! All letters whose case does not matter are spelled out as classes, so that neither engine's idea of Unicode has a part in it.

mod bytes;
mod escape;
mod group;
#[cfg(test)]
mod tests;

use bytes::{Bytes, class, escaped};

use crate::limits::PATTERN_BYTES_MAX;

/// A pattern in both dialects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// For the linear engine, over bytes without Unicode. The pattern itself, or its sieve.
    pub linear: String,
    /// For the backtracking engine, over Latin-1, when the linear one cannot say it all.
    pub backtracking: Option<String>,
}

/// `/pattern/flags`, `m{pattern}flags` and the like, taken apart. Without delimiters the whole is the pattern.
pub(crate) fn delimited(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (open, body) = match text {
        [b'/', body @ ..] => (b'/', body),
        [b'm', open, body @ ..] if !open.is_ascii_alphanumeric() && *open != b' ' => (*open, body),
        _ => return Err("a pattern stands between slashes, or as m{…}".into()),
    };
    let close = match open {
        b'{' => b'}',
        b'(' => b')',
        b'[' => b']',
        b'<' => b'>',
        same => same,
    };
    let end = body
        .iter()
        .rposition(|byte| *byte == close)
        .ok_or_else(|| format!("the pattern does not end with {:?}", close as char))?;
    let flags = &body[end + 1..];
    if let Some(odd) = flags.iter().find(|flag| !b"imsxgopaul".contains(flag)) {
        return Err(format!("unknown flag {:?} after the pattern", *odd as char));
    }
    Ok((&body[..end], flags))
}

/// Says a pattern in the other dialects, or why it cannot be said.
pub(crate) fn said(pattern: &[u8], flags: &[u8]) -> Result<Said, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!(
            "the pattern is longer than {PATTERN_BYTES_MAX} bytes"
        ));
    }
    let has = |flag: u8| flags.contains(&flag);
    let mut speaker = Speaker {
        pattern,
        at: 0,
        flags: Flags {
            any_case: has(b'i'),
            lines: has(b'm'),
            dot_all: has(b's'),
            spaced: has(b'x'),
        },
        groups: Vec::new(),
        linear: String::new(),
        backtracking: String::new(),
        needs_backtracking: false,
        captures: 0,
    };
    speaker.all()?;
    Ok(Said {
        linear: speaker.linear,
        backtracking: speaker.needs_backtracking.then_some(speaker.backtracking),
    })
}

#[derive(Clone, Copy)]
struct Flags {
    any_case: bool,
    lines: bool,
    dot_all: bool,
    spaced: bool,
}

/// A group that is open.
struct Group {
    /// As they were before it.
    flags: Flags,
    /// Of a group the linear dialect has no word for: where its own text goes on behind it, what stands there instead.
    left_out: Option<usize>,
}

struct Speaker<'p> {
    pattern: &'p [u8],
    at: usize,
    flags: Flags,
    groups: Vec<Group>,
    linear: String,
    backtracking: String,
    needs_backtracking: bool,
    captures: usize,
}

impl Speaker<'_> {
    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn rest(&self) -> &[u8] {
        &self.pattern[self.at.min(self.pattern.len())..]
    }

    fn takes(&mut self, text: &[u8]) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    /// To both dialects.
    fn say(&mut self, text: &str) {
        self.linear.push_str(text);
        self.backtracking.push_str(text);
    }

    fn say_bytes(&mut self, bytes: &Bytes) {
        let bytes = if self.flags.any_case {
            bytes.in_any_case()
        } else {
            *bytes
        };
        let (linear, backtracking) = match bytes.only() {
            Some(byte) => (escaped(byte, false), escaped(byte, true)),
            None => (class(&bytes, false), class(&bytes, true)),
        };
        self.linear.push_str(&linear);
        self.backtracking.push_str(&backtracking);
    }

    fn say_byte(&mut self, byte: u8) {
        let mut bytes = Bytes::NONE;
        bytes.add_range(byte, byte);
        self.say_bytes(&bytes);
    }

    fn all(&mut self) -> Result<(), String> {
        while let Some(byte) = self.next() {
            match byte {
                b'\\' => self.escape()?,
                b'[' => self.class()?,
                b'(' => self.group()?,
                b')' => self.end_of_group()?,
                b'|' => self.say("|"),
                b'.' if self.flags.dot_all => self.say_bytes(&Bytes::of(|_| true)),
                b'.' => self.say_bytes(&Bytes::of(|byte| byte != b'\n')),
                b'^' if self.flags.lines => self.say("(?m:^)"),
                b'^' => self.say("^"),
                b'$' => self.end_anchor(),
                b'*' | b'+' | b'?' => self.quantifier(&(byte as char).to_string()),
                b'{' => self.brace(),
                b'#' if self.flags.spaced => while self.next().is_some_and(|byte| byte != b'\n') {},
                _ if self.flags.spaced && byte.is_ascii_whitespace() => {}
                _ => self.say_byte(byte),
            }
        }
        if self.groups.is_empty() {
            Ok(())
        } else {
            Err("a group is not closed".into())
        }
    }

    /// Before the last line feed, or at the end.
    fn end_anchor(&mut self) {
        if self.flags.lines {
            self.say("(?m:$)");
        } else {
            self.linear.push_str(r"(?:\n?\z)");
            self.backtracking.push_str(r"(?=\n?\z)");
        }
    }

    /// Behind what is repeated: how often, and how greedily.
    fn quantifier(&mut self, often: &str) {
        self.say(often);
        if self.takes(b"?") {
            self.say("?");
        } else if self.takes(b"+") {
            // Not giving back matches less than giving back.
            self.backtracking.push('+');
            self.needs_backtracking = true;
        }
    }

    /// `{2,5}`, or the character itself where no numbers follow.
    fn brace(&mut self) {
        let rest = self.rest();
        let length = rest.iter().position(|byte| *byte == b'}');
        let inner = length.and_then(|length| std::str::from_utf8(&rest[..length]).ok());
        let bounds = inner.and_then(|inner| {
            let (least, most) = inner.split_once(',').unwrap_or((inner, inner));
            let number = |text: &str| text.parse::<u32>().ok().map(|number| number.to_string());
            let least = number(least)?;
            if inner.contains(',') {
                let most = if most.is_empty() {
                    String::new()
                } else {
                    number(most)?
                };
                Some(format!("{{{least},{most}}}"))
            } else {
                Some(format!("{{{least}}}"))
            }
        });
        match (bounds, length) {
            (Some(bounds), Some(length)) => {
                self.at += length + 1;
                self.quantifier(&bounds);
            }
            _ => self.say_byte(b'{'),
        }
    }
}
