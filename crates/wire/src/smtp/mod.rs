//! SMTP and LMTP (RFC 5321, RFC 2033), both sides.
//!
//! [`Delivery`] gives a released message back to its server; it is no mail transport: one server, one
//! message, no queue. Whoever calls it decides what a refusal or a lost connection means. [`Command`] and [`Intake`]
//! read what a client says to a filter that mail goes through.

mod command;
mod delivery;
mod intake;
mod reply;

#[cfg(test)]
mod tests;

pub use command::{ATTRIBUTES, BadCommand, Command, attribute_ip};
pub use delivery::{Attempt, BadSubmission, Delivery, Outcome, RecipientOutcome, Submission};
pub use intake::{Incoming, Intake, LineTooLong, Received, dot_stuffed};
pub use reply::{Reply, ReplyError, ReplyReader};
