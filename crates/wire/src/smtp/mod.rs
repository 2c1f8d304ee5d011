//! SMTP, as far as one message is handed to a mail server (RFC 5321).
//!
//! [`Delivery`] gives a released message back to its server; it is no mail transport: one server, one
//! message, no queue. Whoever calls it decides what a refusal or a lost connection means.

mod delivery;
mod reply;

#[cfg(test)]
mod tests;

pub use delivery::{Attempt, BadSubmission, Delivery, Outcome, RecipientOutcome, Submission};
pub use reply::{Reply, ReplyError, ReplyReader};
