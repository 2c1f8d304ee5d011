//! One message, handed to one mail server: greeting, EHLO, MAIL, RCPT for each, DATA, QUIT.

use std::fmt::{self, Write as _};

use mail::{Address, Limits};

use super::reply::{Reply, ReplyError, ReplyReader};

/// What is to be handed over.
#[derive(Clone, Copy)]
pub struct Submission<'a> {
    /// Our name for EHLO: a domain or an address in brackets.
    pub helo_name: &'a str,
    /// `None` is the null sender.
    pub envelope_from: Option<&'a Address>,
    /// At least one.
    pub recipients: &'a [Address],
    /// The message. Bare CR and bare LF become CRLF, because RFC 5321 §2.3.8 allows nothing else and
    /// servers that read them differently can be tricked; all else goes out as it is.
    pub raw: &'a [u8],
}

/// Shows everything but the message itself: that is somebody's mail.
impl fmt::Debug for Submission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("helo_name", &self.helo_name)
            .field("envelope_from", &self.envelope_from)
            .field("recipients", &self.recipients)
            .finish_non_exhaustive()
    }
}

/// Why nothing was even tried: our caller's mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSubmission {
    /// Nobody to deliver to.
    #[error("there is no recipient")]
    NoRecipient,
    /// White space, control characters or angle brackets would break out of the command.
    #[error("{text:?} cannot stand in an SMTP command")]
    Unsafe {
        /// The address or name, cut.
        text: String,
    },
}

/// What became of it. Made by [`Delivery::outcome`] or [`Delivery::outcome_if_lost`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// One for each recipient, in order.
    pub recipients: Vec<RecipientOutcome>,
    /// The last reply that decided: to the message, or to the command that failed.
    pub last_reply: Option<Reply>,
}

impl Outcome {
    /// Was it taken for every recipient?
    pub fn is_complete(&self) -> bool {
        let taken = |one: &RecipientOutcome| matches!(one.attempt, Attempt::Taken);
        self.recipients.iter().all(taken)
    }
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientOutcome {
    /// The recipient.
    pub address: Address,
    /// What became of it.
    pub attempt: Attempt,
}

/// How far it came for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The server took the message: it is the server's now.
    Taken,
    /// The server said no, in this reply. It does not have the message.
    Refused(Reply),
    /// The conversation ended before the message was handed over whole. The server does not have it.
    NotSent,
    /// The server needs SMTPUTF8 (RFC 6531) for an address and does not offer it.
    NotPossible,
    /// The message went out whole and no reply came: the server may have it or not. Trying again may
    /// deliver twice (RFC 5321 §4.2.5, RFC 1047); a person or a rule must decide.
    Unknown,
}

/// Where the conversation stands: which reply is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Ehlo,
    Helo,
    Mail,
    Recipient(usize),
    Data,
    /// The message goes out; this many bytes of it are written.
    Content(usize),
    Dot,
    Quit,
    Done,
}

/// The conversation. Read from the server, [`Delivery::feed`]; then write [`Delivery::take_output`]
/// until it is empty; over when [`Delivery::outcome`] is there. If the connection is lost
/// before: [`Delivery::outcome_if_lost`].
#[derive(Debug)]
pub struct Delivery<'a> {
    submission: Submission<'a>,
    replies: ReplyReader,
    state: State,
    output: Vec<u8>,
    attempts: Vec<Attempt>,
    last_reply: Option<Reply>,
    extensions: Extensions,
    /// The byte of the message written last, for line ends and dots at chunk borders.
    last_byte: u8,
}

/// What the server offered in its reply to EHLO.
#[derive(Clone, Copy, Debug, Default)]
struct Extensions {
    size: bool,
    eight_bit: bool,
    smtputf8: bool,
}

/// How much of the message is made ready at once.
const CHUNK_BYTES_MAX: usize = 64 << 10;

impl<'a> Delivery<'a> {
    /// A conversation that waits for the server's greeting.
    pub fn new(submission: Submission<'a>, limits: &Limits) -> Result<Self, BadSubmission> {
        if submission.recipients.is_empty() {
            return Err(BadSubmission::NoRecipient);
        }
        let addresses = submission.recipients.iter().chain(submission.envelope_from);
        for text in addresses.map(Address::as_str).chain([submission.helo_name]) {
            check(text)?;
        }
        Ok(Self {
            submission,
            replies: ReplyReader::new(limits),
            state: State::Greeting,
            output: Vec::new(),
            attempts: vec![Attempt::NotSent; submission.recipients.len()],
            last_reply: None,
            extensions: Extensions::default(),
            last_byte: b'\n',
        })
    }

    /// Takes what the server sent, cut anywhere. After an error the connection is to be closed, and
    /// [`Self::outcome_if_lost`] says what is certain.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ReplyError> {
        if self.state != State::Done {
            self.replies.push(bytes);
        }
        // What a server says after good-bye is nobody's business.
        while self.state != State::Done {
            match self.replies.next_reply()? {
                Some(reply) => self.take(reply)?,
                None => break,
            }
        }
        Ok(())
    }

    /// What is to be written now, at most about 128 KiB; call again after writing, until it is empty.
    pub fn take_output(&mut self) -> Vec<u8> {
        if let (true, State::Content(from)) = (self.output.is_empty(), self.state) {
            self.write_content(from);
        }
        std::mem::take(&mut self.output)
    }

    /// What became of the message, once it is certain; the QUIT may still be under way.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state {
            State::Quit | State::Done => Some(self.as_far_as_known(Attempt::NotSent)),
            _ => None,
        }
    }

    /// Has the server said good-bye, so that the connection can be closed politely?
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// What is certain if the connection is lost now.
    pub fn outcome_if_lost(&self) -> Outcome {
        match self.state {
            State::Dot => self.as_far_as_known(Attempt::Unknown),
            _ => self.as_far_as_known(Attempt::NotSent),
        }
    }

    fn as_far_as_known(&self, open: Attempt) -> Outcome {
        let recipients = self.submission.recipients.iter().zip(&self.attempts);
        Outcome {
            recipients: recipients
                .map(|(address, attempt)| RecipientOutcome {
                    address: address.clone(),
                    attempt: match attempt {
                        Attempt::NotSent => open.clone(),
                        decided => decided.clone(),
                    },
                })
                .collect(),
            last_reply: self.last_reply.clone(),
        }
    }

    fn take(&mut self, reply: Reply) -> Result<(), ReplyError> {
        let positive = reply.is_positive();
        match self.state {
            State::Greeting if positive => self.say(State::Ehlo, "EHLO", self.submission.helo_name),
            State::Ehlo if positive => {
                self.extensions = Extensions::read(&reply);
                self.say_mail();
            }
            // A server that knows no extensions (RFC 5321 §3.2).
            State::Ehlo if !reply.is_temporary() && reply.code != 421 => {
                self.say(State::Helo, "HELO", self.submission.helo_name);
            }
            State::Helo if positive => self.say_mail(),
            State::Mail if positive => self.say_recipient(0),
            State::Recipient(index) => {
                self.recipient_answered(index, reply);
            }
            State::Data if reply.code == 354 => self.state = State::Content(0),
            State::Dot if positive => {
                self.decide(&Attempt::Taken);
                self.finish(reply);
            }
            // A server may cut a message short, but it cannot take one it has not seen whole.
            State::Content(_) if positive => {
                let reply = reply.to_string();
                return Err(ReplyError::Unasked { reply });
            }
            State::Greeting
            | State::Ehlo
            | State::Helo
            | State::Mail
            | State::Data
            | State::Dot
            | State::Content(_) => {
                self.decide(&Attempt::Refused(reply.clone()));
                self.finish(reply);
            }
            State::Quit | State::Done => self.state = State::Done,
        }
        Ok(())
    }

    /// All recipients not decided yet share this fate.
    fn decide(&mut self, fate: &Attempt) {
        for attempt in &mut self.attempts {
            if *attempt == Attempt::NotSent {
                *attempt = fate.clone();
            }
        }
    }

    /// Good-bye, unless the server has already left or is in the middle of the message, where QUIT
    /// would be a line of mail.
    fn finish(&mut self, reply: Reply) {
        let is_cut_short = matches!(self.state, State::Content(_));
        if reply.code == 421 || is_cut_short {
            self.output.clear();
            self.state = State::Done;
        } else {
            self.say(State::Quit, "QUIT", "");
        }
        self.last_reply = Some(reply);
    }

    fn say(&mut self, next: State, verb: &str, rest: &str) {
        self.output.extend_from_slice(verb.as_bytes());
        if !rest.is_empty() {
            self.output.push(b' ');
            self.output.extend_from_slice(rest.as_bytes());
        }
        self.output.extend_from_slice(b"\r\n");
        self.state = next;
    }

    fn say_mail(&mut self) {
        let submission = &self.submission;
        let envelope_from = submission.envelope_from.map_or("", Address::as_str);
        let mut rest = format!("FROM:<{envelope_from}>");
        if self.extensions.size {
            // Writing to a String cannot fail.
            let _ = write!(rest, " SIZE={}", submission.raw.len());
        }
        // Without the extension eight-bit mail goes out as it is: a released message must not be
        // recoded, its signatures would break, and servers without 8BITMIME pass it through.
        if self.extensions.eight_bit && !submission.raw.is_ascii() {
            rest.push_str(" BODY=8BITMIME");
        }
        let mut addresses = submission.recipients.iter().chain(submission.envelope_from);
        if addresses.any(|address| !address.as_str().is_ascii()) {
            if !self.extensions.smtputf8 {
                self.decide(&Attempt::NotPossible);
                self.say(State::Quit, "QUIT", "");
                return;
            }
            rest.push_str(" SMTPUTF8");
        }
        self.say(State::Mail, "MAIL", &rest);
    }

    fn say_recipient(&mut self, index: usize) {
        match self.submission.recipients.get(index) {
            Some(recipient) => {
                self.say(
                    State::Recipient(index),
                    "RCPT",
                    &format!("TO:<{recipient}>"),
                );
            }
            None => self.say(State::Data, "DATA", ""),
        }
    }

    fn recipient_answered(&mut self, index: usize, reply: Reply) {
        let is_gone = reply.code == 421;
        if is_gone {
            self.decide(&Attempt::Refused(reply.clone()));
        } else if !reply.is_positive() {
            self.attempts[index] = Attempt::Refused(reply.clone());
        }
        let is_last = index + 1 == self.submission.recipients.len();
        if is_gone || (is_last && !self.attempts.contains(&Attempt::NotSent)) {
            self.finish(reply);
        } else {
            self.say_recipient(index + 1);
        }
    }

    /// The next piece of the message: line ends made whole, dots doubled (RFC 5321 §4.5.2).
    fn write_content(&mut self, from: usize) {
        let raw = self.submission.raw;
        let to = raw.len().min(from + CHUNK_BYTES_MAX);
        self.output.reserve(to - from + 5);
        for &byte in &raw[from..to] {
            self.write_byte(byte);
        }
        self.state = State::Content(to);
        if to == raw.len() {
            if self.last_byte == b'\r' {
                self.output.push(b'\n');
            } else if self.last_byte != b'\n' {
                self.output.extend_from_slice(b"\r\n");
            }
            self.output.extend_from_slice(b".\r\n");
            self.state = State::Dot;
        }
    }

    fn write_byte(&mut self, byte: u8) {
        match (self.last_byte, byte) {
            (b'\r', b'\n') => {}
            (b'\r', b'\r') => self.output.push(b'\n'),
            (b'\r', b'.') => self.output.extend_from_slice(b"\n."),
            (b'\r', _) => self.output.push(b'\n'),
            (_, b'\n') => self.output.push(b'\r'),
            (b'\n', b'.') => self.output.push(b'.'),
            (_, _) => {}
        }
        self.output.push(byte);
        self.last_byte = byte;
    }
}

impl Extensions {
    /// From the lines behind the first (RFC 5321 §4.1.1.1).
    fn read(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines.iter().skip(1) {
            let word = line.split_whitespace().next().unwrap_or_default();
            match word.to_ascii_uppercase().as_str() {
                "SIZE" => found.size = true,
                "8BITMIME" => found.eight_bit = true,
                "SMTPUTF8" => found.smtputf8 = true,
                _ => {}
            }
        }
        found
    }
}

fn check(text: &str) -> Result<(), BadSubmission> {
    let is_unsafe = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>');
    if text.is_empty() || text.contains(is_unsafe) {
        return Err(BadSubmission::Unsafe {
            text: text.chars().take(80).collect(),
        });
    }
    Ok(())
}
