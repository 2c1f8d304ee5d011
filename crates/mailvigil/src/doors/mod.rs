//! The doors: sockets on one side, the engine on the other, a protocol machine of `wire` in between.

// Listening.
pub mod accept;
pub mod listener;
pub mod tls;

// Mail servers ask.
pub mod http;
pub mod milter;
pub mod proxy;
pub mod rspamd;
pub mod scan;
pub mod spamd;

// The way out.
pub mod smtp;
