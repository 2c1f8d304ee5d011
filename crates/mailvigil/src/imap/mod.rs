//! Mailboxes on a mail server, by IMAP: read for the learner, looked through for copies that are called back.
//!
//! Blocking, on a thread of its own or in a command. What is understood of the protocol is in [`wire::imap`].

mod place;
mod reading;
mod session;
mod stream;

pub use place::{Place, Server};
pub use reading::{Login, messages};
pub use session::{Session, Trouble, wire_name};
