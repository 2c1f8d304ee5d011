//! The dialects mail servers speak, as machines without input or output: bytes in, events and bytes out.
//!
//! [`milter`] is how a mail server asks whether it may deliver a message; start at
//! [`milter::Session`] (our side) or [`milter::Client`] (the server's side, for tests, benchmark and
//! canary). [`smtp`] hands one message to a mail server again: a released one from the quarantine.
//! [`spamd`] is how scanning clients ask (`spamc`, Exim).
//! [`postfix_log`] reads which messages entered a queue, to find those nobody judged.
//!
//! This crate must not know sockets, runtimes or clocks, must not allocate past [`mail::Limits`]
//! whatever a peer sends, and must not panic. Whoever owns the socket reads, feeds, answers and writes.

pub mod milter;
pub mod postfix_log;
pub mod smtp;
pub mod spamd;
