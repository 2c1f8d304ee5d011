//! Classes of bytes: `[a-z]`, `\d`, `[:alpha:]`, and how both dialects write them.

use super::Speaker;

/// Which bytes a class holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes([bool; 256]);

impl Bytes {
    pub(super) const NONE: Self = Self([false; 256]);

    pub(super) fn of(wanted: impl Fn(u8) -> bool) -> Self {
        let mut bytes = Self::NONE;
        for byte in 0..=255_u8 {
            bytes.0[usize::from(byte)] = wanted(byte);
        }
        bytes
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    pub(super) fn add_range(&mut self, from: u8, to: u8) {
        for byte in from..=to {
            self.0[usize::from(byte)] = true;
        }
    }

    pub(super) fn inverted(&self) -> Self {
        Self::of(|byte| !self.0[usize::from(byte)])
    }

    /// With the other case of each ASCII letter.
    pub(super) fn in_any_case(&self) -> Self {
        Self::of(|byte| {
            self.0[usize::from(byte)]
                || byte.is_ascii_alphabetic() && self.0[usize::from(byte ^ 0x20)]
        })
    }

    pub(super) fn only(&self) -> Option<u8> {
        let mut all = (0..=255_u8).filter(|byte| self.0[usize::from(*byte)]);
        let first = all.next()?;
        all.next().is_none().then_some(first)
    }
}

/// `\d`, `\w` and their like, of which the capital is the opposite.
pub(super) fn class_named(name: u8) -> Option<Bytes> {
    let bytes = match name.to_ascii_lowercase() {
        b'd' => Bytes::of(|byte| byte.is_ascii_digit()),
        b'w' => Bytes::of(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
        b's' => Bytes::of(|byte| matches!(byte, b'\t'..=b'\r' | b' ')),
        b'h' => Bytes::of(|byte| matches!(byte, b'\t' | b' ' | 0xa0)),
        b'v' => Bytes::of(|byte| matches!(byte, b'\n'..=b'\r' | 0x85)),
        _ => return None,
    };
    Some(if name.is_ascii_uppercase() {
        bytes.inverted()
    } else {
        bytes
    })
}

/// `[:alpha:]` and its like.
pub(super) fn posix_class(name: &[u8]) -> Option<Bytes> {
    let wanted: fn(&u8) -> bool = match name {
        b"alpha" => u8::is_ascii_alphabetic,
        b"digit" => u8::is_ascii_digit,
        b"alnum" => u8::is_ascii_alphanumeric,
        b"upper" => u8::is_ascii_uppercase,
        b"lower" => u8::is_ascii_lowercase,
        b"punct" => u8::is_ascii_punctuation,
        b"xdigit" => u8::is_ascii_hexdigit,
        b"cntrl" => u8::is_ascii_control,
        b"graph" => u8::is_ascii_graphic,
        b"ascii" => u8::is_ascii,
        b"print" => |byte| (0x20..0x7f).contains(byte),
        b"space" => |byte| matches!(byte, b'\t'..=b'\r' | b' '),
        b"blank" => |byte| matches!(byte, b'\t' | b' '),
        b"word" => |byte| byte.is_ascii_alphanumeric() || *byte == b'_',
        _ => return None,
    };
    Some(Bytes::of(|byte| wanted(&byte)))
}

/// A byte that stands for itself.
pub(super) fn escaped(byte: u8, as_latin: bool) -> String {
    match byte {
        b'0'..=b'9'
        | b'A'..=b'Z'
        | b'a'..=b'z'
        | b' '
        | b'_'
        | b'<'
        | b'>'
        | b'"'
        | b'\''
        | b'='
        | b','
        | b':'
        | b';'
        | b'%'
        | b'@'
        | b'!'
        | b'/'
        | b'`' => (byte as char).to_string(),
        0x21..=0x7e => format!("\\{}", byte as char),
        _ if as_latin => format!("\\x{{{byte:02x}}}"),
        _ => format!("\\x{byte:02x}"),
    }
}

pub(super) fn class(bytes: &Bytes, as_latin: bool) -> String {
    let mut text = String::from("[");
    let mut from: Option<u8> = None;
    for byte in 0..=255_u8 {
        let inside = bytes.0[usize::from(byte)];
        let ends = inside && (byte == 255 || !bytes.0[usize::from(byte) + 1]);
        if inside && from.is_none() {
            from = Some(byte);
        }
        if ends && let Some(start) = from.take() {
            text.push_str(&in_class(start, as_latin));
            if start != byte {
                text.push('-');
                text.push_str(&in_class(byte, as_latin));
            }
        }
    }
    if text.len() == 1 {
        // Nothing at all.
        return if as_latin {
            "(?!)".into()
        } else {
            r"[^\x00-\xff]".into()
        };
    }
    text.push(']');
    text
}

pub(super) fn in_class(byte: u8, as_latin: bool) -> String {
    match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => (byte as char).to_string(),
        _ if as_latin => format!("\\x{{{byte:02x}}}"),
        _ => format!("\\x{byte:02x}"),
    }
}

impl Speaker<'_> {
    pub(super) fn class(&mut self) -> Result<(), String> {
        let inverted = self.takes(b"^");
        let mut bytes = Bytes::NONE;
        let mut first = true;
        loop {
            let byte = self.next().ok_or("a class is not closed")?;
            if byte == b']' && !first {
                break;
            }
            first = false;
            if byte == b'[' && self.peek() == Some(b':') {
                let rest = &self.rest()[1..];
                if let Some(length) = rest.windows(2).position(|two| two == b":]") {
                    let name = &rest[..length];
                    let (name, opposite) = match name {
                        [b'^', name @ ..] => (name, true),
                        name => (name, false),
                    };
                    if let Some(named) = posix_class(name) {
                        bytes.add(&if opposite { named.inverted() } else { named });
                        self.at += length + 3;
                        continue;
                    }
                }
            }
            let from = match byte {
                b'\\' => match self.class_escape()? {
                    Ok(from) => from,
                    Err(named) => {
                        bytes.add(&named);
                        continue;
                    }
                },
                byte => byte,
            };
            // A range, unless the dash is the last.
            if self.peek() == Some(b'-') && self.rest().get(1).is_some_and(|next| *next != b']') {
                self.at += 1;
                let to = self.next().ok_or("a class is not closed")?;
                let to = match to {
                    b'\\' => match self.class_escape()? {
                        Ok(to) => to,
                        Err(named) => {
                            bytes.add_range(from, from);
                            bytes.add_range(b'-', b'-');
                            bytes.add(&named);
                            continue;
                        }
                    },
                    to => to,
                };
                if to < from {
                    return Err("a range in a class runs backwards".into());
                }
                bytes.add_range(from, to);
            } else {
                bytes.add_range(from, from);
            }
        }
        if self.flags.any_case {
            bytes = bytes.in_any_case();
        }
        let bytes = if inverted { bytes.inverted() } else { bytes };
        // Case is dealt with; the opposite must not be widened again.
        let any_case = std::mem::replace(&mut self.flags.any_case, false);
        self.say_bytes(&bytes);
        self.flags.any_case = any_case;
        Ok(())
    }

    /// In a class, behind a backslash: one byte, or a class by name.
    pub(super) fn class_escape(&mut self) -> Result<Result<u8, Bytes>, String> {
        let byte = self.next().ok_or("a class is not closed")?;
        if let Some(named) = class_named(byte) {
            return Ok(Err(named));
        }
        Ok(match byte {
            b'b' => Ok(0x08),
            b'p' | b'P' => return Err("\\p is not supported".into()),
            byte => Ok(self.escaped_byte(byte)?),
        })
    }
}
