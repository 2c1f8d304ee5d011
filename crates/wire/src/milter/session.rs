//! Our side of the conversation: commands in, events and answers out.
//!
//! The owner of the socket reads bytes, gives them to [`Session::feed`], takes events from
//! [`Session::next_event`] until there is none, answers the two that are questions
//! ([`Event::Recipient`], [`Event::Message`]) and writes [`Session::take_output`] in one piece: two small
//! writes for one answer cost 40 ms over TCP.

use mail::{Envelope, Limits, Timestamp};

use super::answer::{Answer, RecipientAnswer, Response};
use super::command::Command;
use super::dialogue::{Dialogue, Phase};
use super::frame::FrameReader;
use super::message::{Dropped, Mail, Recipient};
use super::misbehaviour::PeerMisbehaved;
use super::modification::{BadAnswer, Modification};
use super::negotiation::Negotiated;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A question: may this recipient be taken? Answer with [`Session::answer_recipient`]; until
    /// then no further event comes.
    Recipient(Recipient),
    /// A question: what shall happen to this message? Answer with [`Session::answer_message`];
    /// until then no further event comes.
    Message(Box<Mail>),
    /// The message under way is no more: the client gave up, or somebody else refused it.
    Aborted,
    /// The client of the mail server has gone and another one comes, on this connection.
    NewConnection,
    /// The server says good-bye; nothing further will come.
    Quit,
}

/// One milter connection of one mail server; carries many messages, one after the other.
#[derive(Debug)]
pub struct Session {
    frames: FrameReader,
    dialogue: Dialogue,
    /// Set when the peer sent more than may wait behind an open question.
    did_not_wait: Option<PeerMisbehaved>,
}

impl Session {
    /// A new connection, nothing said yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            frames: FrameReader::new(limits.milter_frame_bytes_max),
            dialogue: Dialogue::new(limits),
            did_not_wait: None,
        }
    }

    /// Takes what the peer sent, cut anywhere. Take all events before feeding again; behind an open
    /// question at most one longest frame is kept waiting.
    pub fn feed(&mut self, bytes: &[u8]) {
        let waiting = self.frames.waiting_bytes() + bytes.len();
        let limit = self.dialogue.limits.milter_frame_bytes_max + 4;
        match self.dialogue.phase {
            Phase::Ended => {}
            Phase::AskedRecipient | Phase::AskedMessage if waiting > limit => {
                self.did_not_wait
                    .get_or_insert(PeerMisbehaved::DidNotWait { waiting, limit });
            }
            _ => self.frames.push(bytes),
        }
    }

    /// The next event; `None` when more bytes, or an answer, are needed. After an error the connection
    /// is to be closed; nothing further comes.
    pub fn next_event(&mut self) -> Result<Option<Event>, PeerMisbehaved> {
        let result = self.advance();
        if result.is_err() {
            self.end();
        }
        result
    }

    fn advance(&mut self) -> Result<Option<Event>, PeerMisbehaved> {
        if let Some(sin) = self.did_not_wait.take() {
            return Err(sin);
        }
        while !self.dialogue.is_waiting() {
            let Some(frame) = self.frames.next_frame()? else {
                return Ok(None);
            };
            let command = Command::decode(frame, self.dialogue.limits.milter_macros_max)?;
            if let Some(event) = self.dialogue.take(command)? {
                if event == Event::Quit {
                    self.end();
                }
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn end(&mut self) {
        self.dialogue.phase = Phase::Ended;
        self.dialogue.draft = None;
        self.frames = FrameReader::new(0);
    }

    /// Answers [`Event::Recipient`].
    pub fn answer_recipient(&mut self, answer: RecipientAnswer) -> Result<(), BadAnswer> {
        let dialogue = &mut self.dialogue;
        if dialogue.phase != Phase::AskedRecipient {
            return Err(BadAnswer::NoQuestion);
        }
        dialogue.phase = Phase::Envelope;
        if let (Some(recipient), Some(draft)) = (dialogue.asked.take(), &mut dialogue.draft) {
            match answer {
                RecipientAnswer::Continue => draft.recipients.push(recipient),
                RecipientAnswer::Tempfail
                | RecipientAnswer::Reject
                | RecipientAnswer::Custom(_) => {}
            }
        }
        dialogue.respond(&Response::Answer(answer.into()));
        Ok(())
    }

    /// Answers [`Event::Message`]: all changes, then the answer, into one buffer. When anything is not
    /// possible nothing is written, and the question stays open.
    pub fn answer_message(
        &mut self,
        answer: &Answer,
        modifications: &[Modification],
    ) -> Result<(), BadAnswer> {
        let dialogue = &mut self.dialogue;
        let (Phase::AskedMessage, Some(negotiated)) = (dialogue.phase, dialogue.negotiated) else {
            return Err(BadAnswer::NoQuestion);
        };
        for modification in modifications {
            modification.check()?;
            let (action, what) = modification.needs();
            if !negotiated.may(action) {
                return Err(BadAnswer::NotNegotiated { what });
            }
        }
        for modification in modifications {
            dialogue.modify(modification);
        }
        dialogue.respond(&Response::Answer(answer.clone()));
        dialogue.forget_message();
        Ok(())
    }

    /// Asks the server for patience while [`Event::Message`] is open. False when it is not.
    pub fn progress(&mut self) -> bool {
        let asked = self.dialogue.phase == Phase::AskedMessage;
        if asked {
            self.dialogue.respond(&Response::Progress);
        }
        asked
    }

    /// What is to be written now, in one piece; empty when there is nothing.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.dialogue.output)
    }

    /// What was agreed with the server; `None` before.
    pub const fn negotiated(&self) -> Option<&Negotiated> {
        self.dialogue.negotiated.as_ref()
    }

    /// What is known while [`Event::Recipient`] is asked: sender and client; recipients are left out. `None`
    /// when no message is under way.
    pub fn envelope(&self, received_at: Timestamp) -> Option<Envelope> {
        self.dialogue.envelope(received_at)
    }

    /// Is a frame begun and not yet whole? Then `Limits::frame_secs` counts.
    pub fn is_mid_frame(&self) -> bool {
        !self.dialogue.is_waiting() && self.frames.waiting_bytes() > 0
    }

    /// Is no message under way? Then the connection may be closed without harm.
    pub const fn is_between_messages(&self) -> bool {
        self.dialogue.draft.is_none() && !matches!(self.dialogue.phase, Phase::AskedMessage)
    }

    /// Memory held for the peer, bytes: frames not yet whole, and the message under way.
    pub fn held_bytes(&self) -> usize {
        let draft = self.dialogue.draft.as_ref();
        self.frames.held_bytes() + draft.map_or(0, |draft| draft.rebuilt.held_bytes())
    }

    /// Throws away what is kept of the message under way, because the service holds too much. It still
    /// comes as [`Event::Message`], with [`Dropped::NoRoom`]. False when there is none.
    pub fn drop_message(&mut self) -> bool {
        let Some(draft) = &mut self.dialogue.draft else {
            return false;
        };
        draft.rebuilt.drop_bytes(Dropped::NoRoom);
        true
    }
}
