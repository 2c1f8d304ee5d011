//! What a server says.

use mail::Limits;
use thiserror::Error;

/// Lists within lists.
const DEPTH_MAX: usize = 16;

/// One response of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It tells something: `* 3 FETCH (UID 7)` without its star.
    Data(Vec<Value>),
    /// How it is, or what came of a command.
    Status(Status),
    /// It waits for the rest of a command: `+`.
    Continue(String),
}

/// How a server is, or what came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Of which command; `None` where it is about none.
    pub tag: Option<String>,
    /// What came of it.
    pub kind: Kind,
    /// What stands in brackets, such as `AUTHENTICATIONFAILED` or `UIDVALIDITY 7`; empty when nothing does.
    pub code: String,
    /// What it says to people.
    pub text: String,
}

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was done.
    Ok,
    /// It could not be done.
    No,
    /// It was not understood.
    Bad,
    /// The server ends the connection.
    Bye,
    /// Whoever connects is known already.
    Preauth,
}

/// One value of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An atom, a number, a flag.
    Atom(String),
    /// A string, whatever its bytes are.
    Text(Vec<u8>),
    /// Several in parentheses.
    List(Vec<Self>),
}

/// Why a server cannot be understood any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ImapFault {
    /// More on one line than is read.
    #[error("the IMAP server says more on one line than the {0} bytes that are read")]
    LongLine(usize),
    /// A string that is longer than a message may be.
    #[error("the IMAP server sends {found} bytes at once, and at most {most} are read")]
    LongText {
        /// Bytes it announced.
        found: usize,
        /// Bytes read at most.
        most: usize,
    },
    /// No IMAP.
    #[error("the IMAP server says what is no IMAP")]
    Senseless,
}

/// Cuts what a server sends into responses.
#[derive(Debug)]
pub struct Replies {
    bytes: Vec<u8>,
    /// Where the end of the line is looked for.
    from: usize,
    /// Bytes of the response that stand in literals.
    in_literals: usize,
    /// How often a literal came in it, and where each begins and ends.
    literals: Vec<(usize, usize)>,
    line_max: usize,
    text_max: usize,
}

impl Replies {
    /// Nothing was said yet.
    pub const fn new(limits: &Limits) -> Self {
        Self {
            bytes: Vec::new(),
            from: 0,
            in_literals: 0,
            literals: Vec::new(),
            line_max: limits.imap_line_bytes_max,
            text_max: limits.message_bytes_max,
        }
    }

    /// Takes what the server sent.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Was something sent that is no whole response yet? Before TLS begins there must not be.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next response; `None` before it is whole.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ImapFault> {
        loop {
            let unread = self.bytes.get(self.from..).unwrap_or_default();
            let Some(end) = memchr(unread).map(|end| self.from + end) else {
                // What is looked through is not looked through again; a carriage return may be the last byte.
                let line = self.bytes.len().saturating_sub(self.in_literals);
                let waits_for_literal = self.from > self.bytes.len();
                if !waits_for_literal && line > self.line_max {
                    return Err(ImapFault::LongLine(self.line_max));
                }
                return Ok(None);
            };
            if end + 1 - self.in_literals > self.line_max {
                return Err(ImapFault::LongLine(self.line_max));
            }
            let line = &self.bytes[self.from..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(announced) = literal(line)? {
                let most = self.text_max.saturating_sub(self.in_literals);
                if announced > most {
                    return Err(ImapFault::LongText {
                        found: announced,
                        most,
                    });
                }
                self.literals.push((end + 1, end + 1 + announced));
                self.in_literals += announced;
                self.from = end + 1 + announced;
                if self.literals.len() > self.line_max {
                    return Err(ImapFault::LongLine(self.line_max));
                }
                continue;
            }
            let reply = read(&self.bytes[..end], &self.literals)?;
            self.bytes.drain(..=end);
            self.from = 0;
            self.in_literals = 0;
            self.literals.clear();
            return Ok(Some(reply));
        }
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

/// Does a line end in `{N}`, and a literal of N bytes follow? (RFC 3501, section 4.3; `{N+}` and `~{N}` of RFC 7888 and RFC 3516.)
fn literal(line: &[u8]) -> Result<Option<usize>, ImapFault> {
    let Some(inner) = line.strip_suffix(b"}") else {
        return Ok(None);
    };
    let digits = inner.strip_suffix(b"+").unwrap_or(inner);
    let start = digits
        .iter()
        .rposition(|byte| !byte.is_ascii_digit())
        .map_or(0, |at| at + 1);
    let number = &digits[start..];
    let opens = start.checked_sub(1).is_some_and(|at| digits[at] == b'{');
    if !opens || number.is_empty() {
        return Ok(None);
    }
    let number = str::from_utf8(number)
        .ok()
        .and_then(|text| text.parse().ok());
    number.map(Some).ok_or(ImapFault::Senseless)
}

/// Reads a whole response, without the end of its line.
fn read(bytes: &[u8], literals: &[(usize, usize)]) -> Result<Reply, ImapFault> {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let (first, rest) = word(bytes);
    if first == b"+" {
        return Ok(Reply::Continue(shown(rest)));
    }
    if first.is_empty() {
        return Err(ImapFault::Senseless);
    }
    let (kind, said) = word(rest);
    let kind = match kind.to_ascii_uppercase().as_slice() {
        b"OK" => Some(Kind::Ok),
        b"NO" => Some(Kind::No),
        b"BAD" => Some(Kind::Bad),
        b"BYE" => Some(Kind::Bye),
        b"PREAUTH" => Some(Kind::Preauth),
        _ => None,
    };
    let tag = (first != b"*").then(|| shown(first));
    if let Some(kind) = kind {
        let (code, text) = code(said);
        return Ok(Reply::Status(Status {
            tag,
            kind,
            code: shown(code),
            text: shown(text),
        }));
    }
    if tag.is_some() {
        return Err(ImapFault::Senseless);
    }
    let mut values = Values {
        bytes,
        at: bytes.len() - rest.len(),
        literals,
    };
    let data = values.list(DEPTH_MAX, None)?;
    Ok(Reply::Data(data))
}

fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(bytes.len());
    let rest = bytes.get(end + 1..).unwrap_or_default();
    (&bytes[..end], rest)
}

fn code(said: &[u8]) -> (&[u8], &[u8]) {
    let inner = said.strip_prefix(b"[");
    let end = inner.and_then(|inner| inner.iter().position(|byte| *byte == b']'));
    match inner.zip(end) {
        Some((inner, end)) => {
            let rest = &inner[end + 1..];
            (&inner[..end], rest.strip_prefix(b" ").unwrap_or(rest))
        }
        None => (&[], said),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Values<'b> {
    bytes: &'b [u8],
    at: usize,
    literals: &'b [(usize, usize)],
}

impl Values<'_> {
    /// Values up to a closing parenthesis, or to the end.
    fn list(&mut self, depth: usize, until: Option<u8>) -> Result<Vec<Value>, ImapFault> {
        let mut values = Vec::new();
        loop {
            match self.bytes.get(self.at) {
                None if until.is_none() => return Ok(values),
                None => return Err(ImapFault::Senseless),
                Some(byte) if Some(*byte) == until => {
                    self.at += 1;
                    return Ok(values);
                }
                Some(b' ') => self.at += 1,
                Some(b'(') => {
                    self.at += 1;
                    let depth = depth.checked_sub(1).ok_or(ImapFault::Senseless)?;
                    values.push(Value::List(self.list(depth, Some(b')'))?));
                }
                Some(b'"') => values.push(Value::Text(self.quoted()?)),
                Some(_) => values.push(self.atom_or_literal()?),
            }
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, ImapFault> {
        let mut text = Vec::new();
        self.at += 1;
        loop {
            let byte = *self.bytes.get(self.at).ok_or(ImapFault::Senseless)?;
            self.at += 1;
            match byte {
                b'"' => return Ok(text),
                b'\\' => {
                    text.push(*self.bytes.get(self.at).ok_or(ImapFault::Senseless)?);
                    self.at += 1;
                }
                _ => text.push(byte),
            }
        }
    }

    /// An atom goes to the next space or parenthesis; what stands in its brackets belongs to it (`BODY[HEADER.FIELDS (DATE)]`).
    fn atom_or_literal(&mut self) -> Result<Value, ImapFault> {
        let start = self.at;
        let mut brackets = 0_usize;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'[' => brackets += 1,
                b']' => brackets = brackets.saturating_sub(1),
                b' ' | b'(' | b')' | b'"' if brackets == 0 => break,
                b'\r' | b'\n' => break,
                _ => {}
            }
            self.at += 1;
        }
        let word = &self.bytes[start..self.at];
        if let Some(b'\r' | b'\n') = self.bytes.get(self.at) {
            // The end of a line within a response is the end of a literal's announcement.
            let line_end = self.at + 1 + usize::from(self.bytes[self.at] == b'\r');
            let (begin, end) = *self
                .literals
                .iter()
                .find(|(begin, _)| *begin == line_end)
                .ok_or(ImapFault::Senseless)?;
            self.at = end;
            return Ok(Value::Text(self.bytes[begin..end].to_vec()));
        }
        if word.is_empty() {
            return Err(ImapFault::Senseless);
        }
        Ok(Value::Atom(shown(word)))
    }
}

impl Value {
    /// Of an atom or a string, its text.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Atom(text) => Some(text.clone()),
            Self::Text(bytes) => Some(shown(bytes)),
            Self::List(_) => None,
        }
    }

    /// Is it this atom, in any case?
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Self::Atom(atom) if atom.eq_ignore_ascii_case(word))
    }

    /// The number it is.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Atom(text) => text.parse().ok(),
            Self::Text(_) | Self::List(_) => None,
        }
    }
}
