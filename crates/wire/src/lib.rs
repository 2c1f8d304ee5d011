//! The dialects mail servers speak, as machines without input or output: bytes in, events and bytes out.
//!
//! [`milter`] is how a mail server asks whether it may deliver a message; start at
//! [`milter::Session`] (our side) or [`milter::Client`] (the server's side, for tests, benchmark and
//! canary). [`smtp`] hands one message to a mail server again: a released one from the quarantine.
//! [`spamd`] is how scanning clients ask (`spamc`, Exim). [`imap`] reads mailboxes and moves messages in them, as a client.
//! [`postfix_log`] reads which messages entered a queue, to find those nobody judged; [`tls_log`] how mail went out, encrypted or not.
//!
//! What users do is told and asked by [`auth_policy`] (Dovecot, weakforced), [`delegation`] (Postfix' policy service),
//! [`events`] (Dovecot's event export), [`auth_http`] (nginx), [`intake`] (anything else), and, as the last resort, by
//! [`server_log`]. Which sources are to be dropped is told to the firewall's helper by [`firewall`].
//!
//! This crate must not know sockets, runtimes or clocks, must not allocate past [`mail::Limits`]
//! whatever a peer sends, and must not panic. Whoever owns the socket reads, feeds, answers and writes.

pub mod auth_http;
pub mod auth_policy;
pub mod delegation;
pub mod events;
pub mod firewall;
pub mod imap;
pub mod intake;
pub mod milter;
pub mod postfix_log;
pub mod server_log;
pub mod smtp;
pub mod spamd;
pub mod tls_log;
