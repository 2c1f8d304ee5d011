//! The milter protocol, versions 2 to 6: a mail server plays a message to a filter, command by command,
//! and waits for an answer.
//!
//! Each packet is a frame: a length of four bytes, a command byte, a payload. The server starts with
//! an offer of what may be done and left out ([`Offer`]), the filter chooses ([`Negotiated`]).
//! Then come connection, HELO, sender, recipients, header fields, body chunks and the end of the
//! message, where the filter may change things ([`Modification`]) before it gives its [`Answer`].
//!
//! There is no RFC. Sources: Todd Vierling's protocol description (version 2), the documentation of
//! libmilter (version 6) and recordings of Postfix.

// The envelope every packet comes in, what is agreed first, and what can be wrong.
mod frame;
mod misbehaviour;
mod negotiation;

// What servers send, and what filters answer.
mod answer;
mod command;
mod modification;

// Our side: the conversation, and the message put together again.
mod dialogue;
mod macros;
mod message;
mod peer;
mod session;

// The server's side.
mod client;
mod submission;

#[cfg(test)]
mod tests;

pub use answer::{Answer, BadReply, CustomReply, RecipientAnswer, Response};
pub use client::{Client, ClientError, Reply};
pub use command::{Command, Family, Pairs, Stage, Strings};
pub use frame::{Frame, FrameError, FrameReader, put_frame};
pub use message::{Dropped, Mail, Recipient};
pub use misbehaviour::PeerMisbehaved;
pub use modification::{BadAnswer, Modification};
pub use negotiation::{Actions, MacroLists, Negotiated, Offer, Steps};
pub use session::{Event, Session};
pub use submission::{Submission, Visit};
