//! IMAP from the client's side (RFC 3501, RFC 9051): commands as bytes, and what a server says as values.
//!
//! Only what reading folders and moving messages between them needs. Feed [`Replies`] what the server sends, write what [`Command`] says.

mod command;
mod reply;
#[cfg(test)]
mod tests;

pub use command::{Command, mailbox_name};
pub use reply::{ImapFault, Kind, Replies, Reply, Status, Value};
