//! Real servers on loopback for the tests; never linked into the product.
//!
//! Every part starts in a temporary folder of its own, listens on a free loopback port, is waited
//! for until it answers, and is ended by process id when its value is dropped, or by a watcher
//! when the test process itself dies. Nothing touches the machine's own Postfix or
//! PostgreSQL, their settings or their data.
//!
//! A whole round, from a client through a real Postfix into a sink:
//!
//! ```no_run
//! use std::time::Duration;
//! use testkit::{postfix::Postfix, sink::Sink, smtp::{Client, Mail}};
//!
//! # fn main() -> anyhow::Result<()> {
//! let sink = Sink::start()?;
//! let postfix = Postfix::named("mx.example.net")
//!     .delivers_to(sink.port())
//!     .milters("inet:127.0.0.1:8891")
//!     .start()?;
//!
//! let mut client = Client::connect(postfix.port())?;
//! client.ehlo("client.example.org")?;
//! let told = client.send(&Mail::new(
//!     "ann@example.org",
//!     ["bob@example.net"],
//!     "Subject: hello\r\n\r\nGood morning.\r\n",
//! ))?;
//! assert!(told.accepted(), "{told}");
//! let messages = sink.wait_for(1, Duration::from_secs(10))?;
//! assert_eq!(messages[0].recipients, ["bob@example.net"]);
//! # Ok(())
//! # }
//! ```
//!
//! Set `TESTKIT_KEEP=1` to keep the temporary folders for reading after a failure.

// Where things stand on this machine.
mod place;

pub use place::{free_port, is_root};

// Processes that are ours.
mod guard;
pub mod process;

// Servers.
pub mod certificates;
pub mod cyrus;
pub mod dns;
pub mod dovecot;
pub mod exim;
pub mod postfix;
pub mod postgres;
pub mod redis;
// The two ends of a mail's way: who sends it, and where it arrives.
pub mod sink;
pub mod smtp;
// Who reads it.
pub mod imap;
pub mod mmdb;
pub mod nginx;
// Who looks at the pages.
pub mod browser;
