//! The mail server's side of the conversation: plays messages into a milter door, as Postfix does.
//!
//! For tests, the benchmark, the demonstration and the canary that proves the real path works.
//! [`Client::new`] announces a client ([`Visit`]), [`Client::submit`] plays one message; write what
//! [`Client::take_output`] gives and feed what comes back until [`Client::feed`] yields the [`Reply`].

use std::fmt;

use mail::{Address, Limits, Tls};

use super::answer::{Answer, Response};
use super::command::{Command, Family, Pairs, Stage, Strings, join};
use super::frame::{FrameError, FrameReader};
use super::misbehaviour::PeerMisbehaved;
use super::modification::Modification;
use super::negotiation::{MacroLists, Negotiated, Offer, Steps, list_number, read_macro_lists};
use super::submission::{Headers, Submission, Visit, split};

/// What the filter answered to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The final answer.
    pub answer: Answer,
    /// The stage it was given at: [`Stage::EndOfMessage`] unless the filter decided early.
    pub stage: Stage,
    /// Recipients it refused.
    pub refused: Vec<(Address, Answer)>,
    /// What it changes, in order; pieces of a new body are one.
    pub modifications: Vec<Modification>,
    /// How often it asked for patience.
    pub progress: u32,
}

/// Why the filter cannot be talked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Its bytes are no answers.
    #[error(transparent)]
    Filter(#[from] PeerMisbehaved),
    /// It chose what was not offered.
    #[error("the filter chose more than was offered: version {}, actions {:#x}, steps {:#x}", .chosen.version, .chosen.actions.0, .chosen.steps.0)]
    NotOffered {
        /// What it chose.
        chosen: Offer,
    },
    /// It answers where nothing was asked.
    #[error("the filter sent 0x{byte:02x} where no answer was awaited")]
    Unasked {
        /// The frame's command byte.
        byte: u8,
    },
    /// A change before the end of the message, or without the right to it.
    #[error("the filter changes the message where it must not")]
    ForbiddenChange,
    /// A message is still being played.
    #[error("the last message is not answered yet")]
    Busy,
}

impl From<FrameError> for ClientError {
    fn from(error: FrameError) -> Self {
        Self::Filter(error.into())
    }
}

/// Where the play stands: the step to be taken next, or whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Negotiate,
    Connect,
    Helo,
    /// Between messages.
    Ready,
    Mail,
    Recipient(usize),
    Data,
    Header(usize),
    EndOfHeaders,
    /// From this byte of the body.
    Body(usize),
    EndOfMessage,
}

/// Largest body chunk, as Postfix sends it.
const CHUNK_BYTES_MAX: usize = 65_535;

/// One connection of a mail server to a filter.
#[derive(Debug)]
pub struct Client {
    offering: Offer,
    /// The server's name for the message under way.
    queue_id: String,
    negotiated: Option<Negotiated>,
    macro_lists: MacroLists,
    visit: Visit,
    frames: FrameReader,
    output: Vec<u8>,
    step: Step,
    /// Is the answer to `step` awaited?
    is_awaiting: bool,
    play: Option<Play>,
    /// The answer that ended the connection's own steps, for all messages on it.
    connection_answer: Option<(Answer, Stage)>,
}

/// One message under way.
struct Play {
    submission: Submission,
    /// Name and value as bytes, the value with its leading white space, lines ending in LF.
    headers: Headers,
    body: Vec<u8>,
    reply: Reply,
}

impl fmt::Debug for Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Play")
            .field("submission", &self.submission)
            .field("reply", &self.reply)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A connection that offers `offering` and announces `visit`.
    pub fn new(offering: Offer, visit: Visit, limits: &Limits) -> Self {
        let mut client = Self {
            offering,
            queue_id: String::new(),
            negotiated: None,
            macro_lists: Vec::new(),
            visit,
            frames: FrameReader::new(limits.milter_frame_bytes_max),
            output: Vec::new(),
            step: Step::Negotiate,
            is_awaiting: true,
            play: None,
            connection_answer: None,
        };
        client.send(&Command::Negotiate(offering));
        client
    }

    /// Plays one message; the next only after its reply.
    pub fn submit(&mut self, submission: Submission) -> Result<Option<Reply>, ClientError> {
        if self.play.is_some() {
            return Err(ClientError::Busy);
        }
        let (headers, body) = split(&submission.raw);
        self.queue_id.clone_from(&submission.queue_id);
        self.play = Some(Play {
            submission,
            headers,
            body,
            reply: Reply {
                answer: Answer::Continue,
                stage: Stage::EndOfMessage,
                refused: Vec::new(),
                modifications: Vec::new(),
                progress: 0,
            },
        });
        Ok(self.advance())
    }

    /// Takes what the filter sent, cut anywhere; yields the reply to the message when it is complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Reply>, ClientError> {
        self.frames.push(bytes);
        let mut reply = None;
        loop {
            let Some(frame) = self.frames.next_frame()? else {
                return Ok(reply);
            };
            if !self.is_awaiting {
                let byte = frame.command;
                return Err(ClientError::Unasked { byte });
            }
            if self.step == Step::Negotiate {
                if frame.command != b'O' {
                    let byte = frame.command;
                    return Err(ClientError::Unasked { byte });
                }
                let (chosen, lists) = Offer::decode(frame.payload)?;
                let lists = read_macro_lists(lists)?;
                self.agree(chosen, lists)?;
            } else {
                let leading_space = self.negotiated.is_some_and(|n| n.has(Steps::LEADING_SPACE));
                let response = Response::decode(frame, leading_space)?;
                if let Some(early) = self.answered(response)? {
                    reply = Some(early);
                    continue;
                }
            }
            if !self.is_awaiting
                && let Some(complete) = self.advance()
            {
                reply = Some(complete);
            }
        }
    }

    /// What is to be written now.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// What was agreed; `None` before.
    pub const fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.as_ref()
    }

    /// Gives up the message under way, as when the SMTP client hangs up.
    pub fn abort(&mut self) {
        self.send(&Command::Abort);
        if self.play.take().is_some() {
            self.step = Step::Ready;
            self.is_awaiting = false;
        }
    }

    /// The client encrypts: as after STARTTLS, an abort and a second HELO.
    pub fn start_tls(&mut self, tls: Tls) {
        self.abort();
        self.visit.tls = Some(tls);
        if self.negotiated.is_some() {
            self.step = Step::Helo;
            self.is_awaiting = false;
            self.say_connection();
        }
    }

    /// Another client visits on the same connection (`QUIT_NC`).
    pub fn next_visit(&mut self, visit: Visit) {
        self.send(&Command::QuitNewConnection);
        self.visit = visit;
        self.play = None;
        self.connection_answer = None;
        if self.negotiated.is_some() {
            self.step = Step::Connect;
            self.is_awaiting = false;
            self.advance();
        }
    }

    /// Says good-bye.
    pub fn quit(&mut self) {
        self.send(&Command::Quit);
    }

    fn send(&mut self, command: &Command<'_>) {
        command.encode(&mut self.output);
    }

    fn agree(&mut self, chosen: Offer, macro_lists: MacroLists) -> Result<(), ClientError> {
        let offered = &self.offering;
        let fits = (2..=offered.version).contains(&chosen.version)
            && offered.actions.contains(chosen.actions)
            && offered.steps.contains(chosen.steps);
        if !fits {
            return Err(ClientError::NotOffered { chosen });
        }
        self.negotiated = Some(Negotiated {
            version: chosen.version,
            actions: chosen.actions,
            steps: chosen.steps,
        });
        self.macro_lists = macro_lists;
        self.step = Step::Connect;
        self.is_awaiting = false;
        Ok(())
    }

    /// Takes steps until one needs an answer or there is nothing to play.
    fn advance(&mut self) -> Option<Reply> {
        while !self.is_awaiting {
            if let (Step::Mail, Some((answer, stage))) = (self.step, &self.connection_answer) {
                let (answer, stage) = (answer.clone(), *stage);
                return self.conclude(answer, stage);
            }
            let Some(play) = &self.play else {
                match self.step {
                    Step::Connect | Step::Helo => {}
                    _ => return None,
                }
                self.say_connection();
                continue;
            };
            match self.step {
                Step::Negotiate => return None,
                Step::Connect | Step::Helo => self.say_connection(),
                Step::Ready => self.step = Step::Mail,
                Step::Mail | Step::Recipient(_) => self.say_envelope(),
                Step::Header(index) if index >= play.headers.len() => {
                    self.step = Step::EndOfHeaders;
                }
                Step::Body(from) if from >= play.body.len() => self.step = Step::EndOfMessage,
                Step::Data
                | Step::Header(_)
                | Step::EndOfHeaders
                | Step::Body(_)
                | Step::EndOfMessage => self.say_content(),
            }
        }
        None
    }

    fn say_connection(&mut self) {
        if self.step == Step::Connect {
            self.send_macros(Stage::Connect);
            let visit = self.visit.clone();
            let host = match &visit.ptr_name {
                Some(name) => name.clone(),
                None if visit.family == Family::Ipv6 => format!("[IPv6:{}]", visit.address),
                None if visit.family == Family::Ipv4 => format!("[{}]", visit.address),
                None => String::from("localhost"),
            };
            let command = Command::Connect {
                host: host.as_bytes(),
                family: visit.family,
                port: visit.port,
                address: visit.address.as_bytes(),
            };
            self.say(&command, Steps::NO_CONNECT, Steps::NO_REPLY_CONNECT);
        } else {
            self.send_macros(Stage::Helo);
            let helo_name = self.visit.helo_name.clone();
            let command = Command::Helo(helo_name.as_bytes());
            self.say(&command, Steps::NO_HELO, Steps::NO_REPLY_HELO);
        }
    }

    fn say_envelope(&mut self) {
        let Some(play) = &self.play else { return };
        let submission = &play.submission;
        if let Step::Recipient(index) = self.step {
            let Some(recipient) = submission.recipients.get(index) else {
                return;
            };
            let path = format!("<{recipient}>");
            self.send_macros(Stage::Recipient);
            let command = Command::Recipient {
                path: path.as_bytes(),
                args: Strings::default(),
            };
            self.say(&command, Steps::NO_RECIPIENTS, Steps::NO_REPLY_RECIPIENT);
        } else {
            let address = submission.envelope_from.as_ref();
            let path = format!("<{}>", address.map_or("", Address::as_str));
            let args = join(submission.mail_args.iter().map(String::as_str));
            self.send_macros(Stage::Mail);
            let command = Command::Mail {
                path: path.as_bytes(),
                args: Strings::over(&args),
            };
            self.say(&command, Steps::NO_MAIL, Steps::NO_REPLY_MAIL);
        }
    }

    fn say_content(&mut self) {
        // Taken out, so that its bytes can be sent while `self` writes.
        let Some(play) = self.play.take() else { return };
        match self.step {
            Step::Data => {
                if self.negotiated.is_some_and(|agreed| agreed.version >= 4) {
                    self.send_macros(Stage::Data);
                    self.say(&Command::Data, Steps::NO_DATA, Steps::NO_REPLY_DATA);
                } else {
                    self.next();
                }
            }
            Step::Header(index) => {
                let (name, value) = &play.headers[index];
                let exact = self.has(Steps::LEADING_SPACE);
                let value = match value.strip_prefix(b" ") {
                    Some(rest) if !exact => rest,
                    _ => value,
                };
                self.send_macros(Stage::Header);
                let command = Command::Header { name, value };
                self.say(&command, Steps::NO_HEADERS, Steps::NO_REPLY_HEADER);
            }
            Step::EndOfHeaders => {
                self.send_macros(Stage::EndOfHeaders);
                self.say(
                    &Command::EndOfHeaders,
                    Steps::NO_END_OF_HEADERS,
                    Steps::NO_REPLY_END_OF_HEADERS,
                );
            }
            Step::Body(from) => {
                let end = play.body.len().min(from + CHUNK_BYTES_MAX);
                self.send_macros(Stage::Body);
                let command = Command::Body(&play.body[from..end]);
                self.say(&command, Steps::NO_BODY, Steps::NO_REPLY_BODY);
            }
            _ => {
                self.send_macros(Stage::EndOfMessage);
                self.send(&Command::EndOfMessage(b""));
                self.is_awaiting = true;
            }
        }
        self.play = Some(play);
    }

    /// Sends a command unless it is to be left out, and waits unless no answer is to come.
    fn say(&mut self, command: &Command<'_>, left_out: Steps, no_reply: Steps) {
        if !self.has(left_out) {
            self.send(command);
            self.is_awaiting = !self.has(no_reply);
        }
        if !self.is_awaiting {
            self.next();
        }
    }

    /// From an answered step (or one that needs no answer) to the one after it.
    fn next(&mut self) {
        let recipients = self
            .play
            .as_ref()
            .map_or(usize::MAX, |play| play.submission.recipients.len());
        self.step = match self.step {
            Step::Negotiate => Step::Connect,
            Step::Connect => Step::Helo,
            Step::Helo | Step::Ready => Step::Ready,
            Step::Mail if recipients == 0 => Step::Data,
            Step::Mail => Step::Recipient(0),
            Step::Recipient(index) if index + 1 < recipients => Step::Recipient(index + 1),
            Step::Recipient(_) => Step::Data,
            Step::Data => Step::Header(0),
            Step::Header(index) => Step::Header(index + 1),
            Step::EndOfHeaders => Step::Body(0),
            Step::Body(from) => Step::Body(from + CHUNK_BYTES_MAX),
            Step::EndOfMessage => Step::Ready,
        };
    }

    fn answered(&mut self, response: Response) -> Result<Option<Reply>, ClientError> {
        match response {
            Response::Progress => {
                if let Some(play) = &mut self.play {
                    play.reply.progress += 1;
                }
                Ok(None)
            }
            Response::Modification(modification) => {
                self.modified(modification)?;
                Ok(None)
            }
            Response::Skip => {
                let Step::Body(_) = self.step else {
                    return Err(ClientError::Unasked { byte: b's' });
                };
                self.step = Step::EndOfMessage;
                self.is_awaiting = false;
                Ok(None)
            }
            Response::Answer(answer) => Ok(self.answer(answer)),
        }
    }

    fn modified(&mut self, modification: Modification) -> Result<(), ClientError> {
        let may = self
            .negotiated
            .is_some_and(|agreed| agreed.may(modification.needs().0));
        let Some(play) = self.play.as_mut().filter(|_| may) else {
            return Err(ClientError::ForbiddenChange);
        };
        if self.step != Step::EndOfMessage {
            return Err(ClientError::ForbiddenChange);
        }
        let last = play.reply.modifications.last_mut();
        match (last, modification) {
            (Some(Modification::ReplaceBody(body)), Modification::ReplaceBody(more)) => {
                body.extend_from_slice(&more);
            }
            (_, modification) => play.reply.modifications.push(modification),
        }
        Ok(())
    }

    fn answer(&mut self, answer: Answer) -> Option<Reply> {
        self.is_awaiting = false;
        let stage = self.stage();
        match (self.step, answer) {
            (Step::EndOfMessage, answer) => self.conclude(answer, stage),
            (_, Answer::Continue) => {
                self.next();
                None
            }
            (Step::Connect | Step::Helo, answer) => {
                self.connection_answer = Some((answer, stage));
                self.next();
                None
            }
            (
                Step::Recipient(index),
                answer @ (Answer::Tempfail | Answer::Reject | Answer::Custom(_)),
            ) => {
                if let Some(play) = &mut self.play {
                    let recipients = &play.submission.recipients;
                    if let Some(recipient) = recipients.get(index) {
                        play.reply.refused.push((recipient.clone(), answer.clone()));
                    }
                    if play.reply.refused.len() == recipients.len() {
                        return self.conclude(answer, stage);
                    }
                }
                self.next();
                None
            }
            (_, answer) => self.conclude(answer, stage),
        }
    }

    /// The message is decided: as Postfix does, an abort cleans up behind it.
    fn conclude(&mut self, answer: Answer, stage: Stage) -> Option<Reply> {
        let play = self.play.take()?;
        self.send(&Command::Abort);
        self.step = Step::Ready;
        self.is_awaiting = false;
        Some(Reply {
            answer,
            stage,
            ..play.reply
        })
    }

    const fn stage(&self) -> Stage {
        match self.step {
            Step::Negotiate | Step::Connect => Stage::Connect,
            Step::Helo | Step::Ready => Stage::Helo,
            Step::Mail => Stage::Mail,
            Step::Recipient(_) => Stage::Recipient,
            Step::Data => Stage::Data,
            Step::Header(_) => Stage::Header,
            Step::EndOfHeaders => Stage::EndOfHeaders,
            Step::Body(_) => Stage::Body,
            Step::EndOfMessage => Stage::EndOfMessage,
        }
    }

    fn has(&self, step: Steps) -> bool {
        self.negotiated.is_some_and(|agreed| agreed.has(step))
    }

    /// The macros of a stage, as Postfix sends them by default or as the filter asked for them.
    fn send_macros(&mut self, stage: Stage) {
        let asked_for = list_number(stage)
            .and_then(|number| self.macro_lists.iter().find(|(asked, _)| *asked == number));
        let mut texts = Vec::new();
        let submission = self.play.as_ref().map(|play| &play.submission);
        // Postfix names the message once it has taken a recipient.
        let is_named = self.step != Step::Recipient(0);
        for (name, value) in self
            .visit
            .macros(stage, submission, &self.queue_id, is_named)
        {
            let is_wanted =
                asked_for.is_none_or(|(_, names)| names.split_whitespace().any(|n| n == name));
            if is_wanted && !value.is_empty() {
                texts.push(name.to_owned());
                texts.push(value);
            }
        }
        let pairs = join(texts.iter().map(String::as_str));
        self.send(&Command::Macros {
            stage: Some(stage),
            pairs: Pairs::over(&pairs),
        });
    }
}
