//! Replies of an SMTP server: `3 digits, '-' or ' ', text CRLF`, the last line with a space (RFC 5321 §4.2).

use std::fmt;

use mail::Limits;

/// One reply, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// The text of each line, without code and line end; what is not UTF-8 is replaced.
    pub lines: Vec<String>,
}

impl Reply {
    /// 2xx: done.
    pub const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4xx: later perhaps. Everything else that is not positive is for good.
    pub const fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }
}

impl fmt::Display for Reply {
    /// On one line: `550 5.7.1 no / such user`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" / "))
    }
}

/// Why what a server says is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Longer than `Limits::smtp_reply_line_bytes_max`.
    #[error("a reply line is longer than {limit} bytes")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// More than `Limits::smtp_reply_lines_max`.
    #[error("a reply has more than {limit} lines")]
    TooManyLines {
        /// The limit.
        limit: usize,
    },
    /// No three digits from 200 to 599, or something else than space or hyphen behind them.
    #[error("{line:?} is no SMTP reply")]
    NotAReply {
        /// The line, cut.
        line: String,
    },
    /// All lines of a reply have the same code (RFC 5321 §4.2.1).
    #[error("a reply changes its code from {first} to {then}")]
    CodeChanges {
        /// Code of the first line.
        first: u16,
        /// Code of the offending line.
        then: u16,
    },
    /// A reply where no command was given.
    #[error("the server says \"{reply}\" unasked")]
    Unasked {
        /// The reply on one line.
        reply: String,
    },
}

/// Collects bytes until a reply is whole. Holds at most one line and the reply's lines before it,
/// beyond what was pushed last.
#[derive(Debug)]
pub struct ReplyReader {
    buffer: Vec<u8>,
    reply: Option<Reply>,
    line_bytes_max: usize,
    lines_max: usize,
}

impl ReplyReader {
    /// A reader within `limits`.
    pub fn new(limits: &Limits) -> Self {
        Self {
            buffer: Vec::new(),
            reply: None,
            line_bytes_max: limits.smtp_reply_line_bytes_max,
            lines_max: limits.smtp_reply_lines_max,
        }
    }

    /// Takes what the server sent, cut anywhere. Take all replies before pushing again.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole reply; `None` when more bytes are needed.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        let mut taken = 0;
        let result = loop {
            let rest = &self.buffer[taken..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            if end.unwrap_or(rest.len()) > self.line_bytes_max {
                let limit = self.line_bytes_max;
                break Err(ReplyError::LineTooLong { limit });
            }
            let Some(end) = end else { break Ok(None) };
            let line = &rest[..end];
            taken += end + 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match take_line(&mut self.reply, line, self.lines_max) {
                Ok(true) => break Ok(self.reply.take()),
                Ok(false) => {}
                Err(error) => break Err(error),
            }
        };
        self.buffer.drain(..taken);
        result
    }
}

/// Adds a line to the reply; true when it was the last.
fn take_line(reply: &mut Option<Reply>, line: &[u8], lines_max: usize) -> Result<bool, ReplyError> {
    let text = String::from_utf8_lossy(line);
    let not_a_reply = || ReplyError::NotAReply {
        line: text.chars().take(80).collect(),
    };
    let code = line
        .get(..3)
        .filter(|code| code.iter().all(u8::is_ascii_digit))
        .and_then(|_| text[..3].parse::<u16>().ok())
        .filter(|code| (200..600).contains(code))
        .ok_or_else(not_a_reply)?;
    let is_last = match line.get(3) {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return Err(not_a_reply()),
    };
    let reply = reply.get_or_insert_with(|| Reply {
        code,
        lines: Vec::new(),
    });
    if reply.code != code {
        return Err(ReplyError::CodeChanges {
            first: reply.code,
            then: code,
        });
    }
    if reply.lines.len() >= lines_max {
        return Err(ReplyError::TooManyLines { limit: lines_max });
    }
    reply
        .lines
        .push(text.get(4..).unwrap_or_default().to_owned());
    Ok(is_last)
}
