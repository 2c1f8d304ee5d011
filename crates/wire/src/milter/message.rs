//! One message as the server handed it over: who, from where, to whom, and its bytes put together again.

use std::fmt;
use std::net::IpAddr;

use mail::{Address, Envelope, Peer, Timestamp, Tls};

use super::command::Family;

/// A message at its end, waiting for an answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The server's own name (macro `j`); empty when it does not say.
    pub server: String,
    /// Its service that took the message (macro `{daemon_name}`).
    pub daemon_name: Option<String>,
    /// The address that service listens on (macro `{daemon_addr}`).
    pub daemon_addr: Option<String>,
    /// Its software (macro `v`): `Postfix 3.7.11`.
    pub software: Option<String>,
    /// Its name for the message (macro `i`), from the latest stage that had one.
    pub queue_id: Option<String>,
    /// How the client is connected to the server.
    pub family: Family,
    /// The client's address; always there for [`Family::Ipv4`] and [`Family::Ipv6`], else `None`.
    pub ip: Option<IpAddr>,
    /// The client's port, where there is one.
    pub port: Option<u16>,
    /// The client's name as CONNECT brought it, be it a name or an address in brackets.
    pub host: String,
    /// The client's name when the server verified it; `None` when unknown or possibly forged.
    pub ptr_name: Option<String>,
    /// The last HELO or EHLO name.
    pub helo_name: Option<String>,
    /// Set when the client's connection is encrypted.
    pub tls: Option<Tls>,
    /// Who logged in (macro `{auth_authen}`).
    pub account: Option<String>,
    /// How (macro `{auth_type}`).
    pub auth_method: Option<String>,
    /// `MAIL FROM`; `None` is the null sender.
    pub envelope_from: Option<Address>,
    /// ESMTP arguments of `MAIL FROM`, separated by spaces.
    pub mail_args: String,
    /// The recipients taken, in order.
    pub recipients: Vec<Recipient>,
    /// Recipients refused at the door: beyond `Limits::recipients_max`, or no text.
    pub recipients_refused: u64,
    /// Header fields, an empty line and the body, byte for byte; empty when `dropped`.
    pub raw: Vec<u8>,
    /// Bytes of the message; at least that many when it was dropped and the rest left out.
    pub size_bytes: u64,
    /// Set when the bytes were not kept: no verdict is possible, `on_failure` answers.
    pub dropped: Option<Dropped>,
    /// Was anything longer than `Limits::address_bytes_max`, and cut?
    pub cut: bool,
}

/// One recipient of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub address: Address,
    /// As given, with brackets: deleting a recipient needs exactly this.
    pub path: String,
    /// ESMTP arguments, separated by spaces.
    pub args: String,
}

/// Why the bytes of a message were not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Longer than `Limits::message_bytes_max`.
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The caller asked for it: too many messages are in memory at once.
    NoRoom,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => {
                write!(
                    f,
                    "it is larger than limits.message_bytes_max ({limit} bytes)"
                )
            }
            Self::NoRoom => {
                f.write_str("all messages together were larger than limits.in_flight_bytes_max")
            }
        }
    }
}

impl Mail {
    /// The envelope in the words of the whole service. Its direction is for the engine to find.
    pub fn envelope(&self, received_at: Timestamp) -> Envelope {
        Envelope {
            server: self.server.clone(),
            daemon: self.daemon_name.clone(),
            queue_id: self.queue_id.clone(),
            peer: Peer {
                ip: self.ip,
                port: self.port,
                ptr_name: self.ptr_name.clone(),
                untold: false,
            },
            helo_name: self.helo_name.clone(),
            tls: self.tls.clone(),
            account: self.account.clone(),
            auth_method: self.auth_method.clone(),
            envelope_from: self.envelope_from.clone(),
            recipients: self
                .recipients
                .iter()
                .map(|to| to.address.clone())
                .collect(),
            ..Envelope::new(received_at, "milter")
        }
    }
}

/// Shows everything but the message itself: that is somebody's mail.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("server", &self.server)
            .field("queue_id", &self.queue_id)
            .field("family", &self.family)
            .field("ip", &self.ip)
            .field("ptr_name", &self.ptr_name)
            .field("helo_name", &self.helo_name)
            .field("tls", &self.tls)
            .field("account", &self.account)
            .field("envelope_from", &self.envelope_from)
            .field("recipients", &self.recipients)
            .field("size_bytes", &self.size_bytes)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

/// The message's bytes while they arrive.
///
/// What is rebuilt is what the server will hand on: nothing is added, repaired or left out, because
/// signatures cover it and because readers must see what we saw.
pub(super) struct Rebuilt {
    raw: Vec<u8>,
    size_bytes: u64,
    dropped: Option<Dropped>,
    bytes_max: usize,
}

impl Rebuilt {
    /// Nothing yet; at most `bytes_max` bytes are kept, and never more memory than that.
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self {
            raw: Vec::new(),
            size_bytes: 0,
            dropped: None,
            bytes_max,
        }
    }

    /// One header field. Servers that keep the space after the colon (`leading_space`) give the exact
    /// bytes. Others leave one space out; it is put back, except before a line break, where mail
    /// programs that fold right after the colon write none.
    pub(super) fn header(&mut self, name: &[u8], value: &[u8], leading_space: bool) {
        self.push(name);
        self.push(b":");
        if !leading_space && !value.starts_with(b"\n") {
            self.push(b" ");
        }
        self.push_lines(value);
        self.push(b"\r\n");
    }

    /// The empty line between header and body.
    pub(super) fn end_of_headers(&mut self) {
        self.push(b"\r\n");
    }

    /// A piece of the body, as it is.
    pub(super) fn body(&mut self, chunk: &[u8]) {
        self.push(chunk);
    }

    /// Gives the bytes back to the system and keeps only counting.
    pub(super) fn drop_bytes(&mut self, why: Dropped) {
        self.raw = Vec::new();
        self.dropped.get_or_insert(why);
    }

    pub(super) const fn is_dropped(&self) -> bool {
        self.dropped.is_some()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.raw.capacity()
    }

    pub(super) fn finish(self) -> (Vec<u8>, u64, Option<Dropped>) {
        (self.raw, self.size_bytes, self.dropped)
    }

    /// Header values come with bare LF at folds; each becomes CRLF. A CRLF stays one.
    fn push_lines(&mut self, value: &[u8]) {
        let mut rest = value;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = &rest[..end];
            self.push(line.strip_suffix(b"\r").unwrap_or(line));
            self.push(b"\r\n");
            rest = &rest[end + 1..];
        }
        self.push(rest);
    }

    fn push(&mut self, bytes: &[u8]) {
        self.size_bytes = self.size_bytes.saturating_add(bytes.len() as u64);
        if self.is_dropped() {
            return;
        }
        let needed = self.raw.len() + bytes.len();
        if needed > self.bytes_max {
            self.drop_bytes(Dropped::TooLarge {
                limit: self.bytes_max,
            });
            return;
        }
        if needed > self.raw.capacity() {
            // Doubling keeps appending cheap; the limit keeps doubling honest.
            let capacity = (self.raw.capacity() * 2).clamp(needed, self.bytes_max);
            self.raw.reserve_exact(capacity - self.raw.len());
        }
        self.raw.extend_from_slice(bytes);
    }
}

impl fmt::Debug for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rebuilt")
            .field("size_bytes", &self.size_bytes)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

/// Makes bounded text of what peers say, and remembers whether anything had to be cut.
#[derive(Debug)]
pub(super) struct Cutter {
    bytes_max: usize,
    pub(super) cut: bool,
}

impl Cutter {
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            cut: false,
        }
    }

    /// At most `bytes_max` bytes of text; what is not UTF-8 becomes U+FFFD.
    pub(super) fn text(&mut self, bytes: &[u8]) -> String {
        let kept = &bytes[..bytes.len().min(self.bytes_max)];
        let text = String::from_utf8_lossy(kept);
        let end = mail::address::floor_char_boundary(&text, self.bytes_max);
        if kept.len() < bytes.len() || end < text.len() {
            self.cut = true;
        }
        text[..end].to_owned()
    }

    /// ESMTP arguments with one space between.
    pub(super) fn args<'a>(&mut self, args: impl Iterator<Item = &'a [u8]>) -> String {
        let mut joined = Vec::new();
        for arg in args {
            if joined.len() > self.bytes_max {
                break;
            }
            if !joined.is_empty() {
                joined.push(b' ');
            }
            joined.extend_from_slice(arg);
        }
        self.text(&joined)
    }
}
