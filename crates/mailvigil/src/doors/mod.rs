//! The doors: sockets on one side, the engine on the other, a protocol machine of `wire` in between.

// Listening.
pub mod accept;
pub mod connections;
pub mod listener;
pub mod tls;

// Mail servers ask.
pub mod http;
pub mod milter;
pub mod proxy;
pub mod rspamd;
pub mod scan;
pub mod spamd;

// Servers tell and ask about what users do.
pub mod delegation;
pub mod events;
pub mod watch;

// The way out.
pub mod smtp;
