//! What a filter answers: an [`Answer`] to each step, at the end of a message after its [`Modification`]s.

use std::fmt::Write as _;

use super::command::text;
use super::frame::{Frame, put_frame};
use super::misbehaviour::PeerMisbehaved;
use super::modification::Modification;

/// The answer that ends a step; at the end of a message, the verdict's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Take the message and ask no more about it.
    Accept,
    /// Go on; at the end of a message the same as `Accept`.
    Continue,
    /// Tell the client it was taken, and throw it away.
    Discard,
    /// Refuse for now, with the server's own 4xx text.
    Tempfail,
    /// Refuse for good, with the server's own 5xx text.
    Reject,
    /// Refuse with our text.
    Custom(CustomReply),
}

/// The answer to one recipient: there, neither accepting nor discarding the whole message is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientAnswer {
    /// Take the recipient.
    Continue,
    /// Refuse it for now, with the server's own 4xx text.
    Tempfail,
    /// Refuse it for good, with the server's own 5xx text.
    Reject,
    /// Refuse it with our text.
    Custom(CustomReply),
}

impl From<RecipientAnswer> for Answer {
    fn from(answer: RecipientAnswer) -> Self {
        match answer {
            RecipientAnswer::Continue => Self::Continue,
            RecipientAnswer::Tempfail => Self::Tempfail,
            RecipientAnswer::Reject => Self::Reject,
            RecipientAnswer::Custom(reply) => Self::Custom(reply),
        }
    }
}

/// An SMTP refusal of our own: `550 5.7.1 text`. Valid by construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomReply {
    code: u16,
    enhanced: String,
    lines: Vec<String>,
}

/// Why a reply cannot be sent. Our own mistake (or the policy's), never the peer's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// Only refusals can be worded.
    #[error("reply code {code} is none of 400 to 599")]
    Code {
        /// The code.
        code: u16,
    },
    /// The enhanced code (RFC 3463) is no `class.subject.detail` of the code's class.
    #[error("{enhanced:?} is no enhanced status code for a {code} reply")]
    Enhanced {
        /// The reply code.
        code: u16,
        /// The enhanced code.
        enhanced: String,
    },
}

/// Longest line of a reply's text, characters: RFC 5321 §4.5.3.1.5 gives a line 512 octets.
const LINE_CHARS_MAX: usize = 480;
/// Most lines of a reply, as in libmilter.
const LINES_MAX: usize = 32;

impl CustomReply {
    /// `code` is 400 to 599, `enhanced` like `5.7.1`. The text may have several lines. What SMTP cannot
    /// carry (control characters, other than ASCII) becomes `?`; overlong text is cut.
    pub fn new(code: u16, enhanced: &str, text: &str) -> Result<Self, BadReply> {
        if !(400..600).contains(&code) {
            return Err(BadReply::Code { code });
        }
        if !is_enhanced(enhanced, code / 100) {
            return Err(BadReply::Enhanced {
                code,
                enhanced: enhanced.chars().take(40).collect(),
            });
        }
        let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
        let mut lines: Vec<String> = text
            .lines()
            .map(|line| line.trim_end().chars().take(LINE_CHARS_MAX))
            .map(|line| line.map(printable).collect())
            .take(LINES_MAX)
            .collect();
        if lines.is_empty() {
            lines.push(String::from("refused"));
        }
        Ok(Self {
            code,
            enhanced: enhanced.to_owned(),
            lines,
        })
    }

    /// 400 to 599.
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// `5.7.1`
    pub fn enhanced(&self) -> &str {
        &self.enhanced
    }

    /// At least one.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// `550-5.7.1 one CRLF 550 5.7.1 two`, with `%` doubled: servers print it by a format.
    fn wire_text(&self) -> String {
        let mut wire = String::new();
        for (index, line) in self.lines.iter().enumerate() {
            let last = index + 1 == self.lines.len();
            let separator = if last { ' ' } else { '-' };
            let end = if last { "" } else { "\r\n" };
            let line = line.replace('%', "%%");
            // Writing to a String cannot fail.
            let _ = write!(
                wire,
                "{}{separator}{} {line}{end}",
                self.code, self.enhanced
            );
        }
        wire
    }

    /// Reads what [`Self::wire_text`] writes, and what other filters write.
    fn parse(wire: &str) -> Option<Self> {
        let code: u16 = wire.get(..3)?.parse().ok()?;
        let mut enhanced = None;
        let mut text = String::new();
        for line in wire.split("\r\n") {
            let line = line.get(4..).unwrap_or_default();
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            if is_enhanced(word, code / 100) {
                enhanced = Some(word);
                text.push_str(rest);
            } else {
                text.push_str(line);
            }
            text.push('\n');
        }
        let general = if code < 500 { "4.0.0" } else { "5.0.0" };
        let text = text.replace("%%", "%");
        Self::new(code, enhanced.unwrap_or(general), &text).ok()
    }
}

/// `class.subject.detail` (RFC 3463 §2), the class that of the reply code.
fn is_enhanced(text: &str, class: u16) -> bool {
    let mut parts = text.split('.');
    let class_fits = parts.next() == Some(if class == 4 { "4" } else { "5" });
    let number = |part: Option<&str>| {
        part.is_some_and(|part| {
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    class_fits && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}

/// One frame of a filter after the negotiation, as a server reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The step is answered.
    Answer(Answer),
    /// No more body chunks, please; on to the end of the message.
    Skip,
    /// Still working: start waiting anew.
    Progress,
    /// To be done once the message is accepted. A body may come in several.
    Modification(Modification),
}

impl Response {
    /// Appends its frame or frames.
    pub fn encode(&self, leading_space: bool, out: &mut Vec<u8>) {
        match self {
            Self::Answer(Answer::Accept) => put_frame(out, b'a', &[]),
            Self::Answer(Answer::Continue) => put_frame(out, b'c', &[]),
            Self::Answer(Answer::Discard) => put_frame(out, b'd', &[]),
            Self::Answer(Answer::Tempfail) => put_frame(out, b't', &[]),
            Self::Answer(Answer::Reject) => put_frame(out, b'r', &[]),
            Self::Answer(Answer::Custom(reply)) => {
                put_frame(out, b'y', &[reply.wire_text().as_bytes(), b"\0"]);
            }
            Self::Skip => put_frame(out, b's', &[]),
            Self::Progress => put_frame(out, b'p', &[]),
            Self::Modification(modification) => modification.encode(leading_space, out),
        }
    }

    /// Reads one frame of a filter.
    pub fn decode(frame: Frame<'_>, leading_space: bool) -> Result<Self, PeerMisbehaved> {
        let payload = frame.payload;
        Ok(match frame.command {
            b'a' => Self::Answer(Answer::Accept),
            b'c' => Self::Answer(Answer::Continue),
            b'd' => Self::Answer(Answer::Discard),
            b't' => Self::Answer(Answer::Tempfail),
            b'r' => Self::Answer(Answer::Reject),
            b'y' => Self::Answer(decode_custom(payload)?),
            b's' => Self::Skip,
            b'p' => Self::Progress,
            _ => Self::Modification(Modification::decode(frame, leading_space)?),
        })
    }
}

/// A reply we cannot read counts as the plain refusal of its class, as servers do it.
fn decode_custom(payload: &[u8]) -> Result<Answer, PeerMisbehaved> {
    let (wire, _) = text(payload, "REPLYCODE", "text")?;
    let custom = CustomReply::parse(&String::from_utf8_lossy(wire));
    Ok(match (custom, wire.first()) {
        (Some(reply), _) => Answer::Custom(reply),
        (None, Some(b'4')) => Answer::Tempfail,
        (None, _) => Answer::Reject,
    })
}
