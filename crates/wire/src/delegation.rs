//! Postfix' access policy delegation (SMTPD_POLICY_README): `name=value` lines, an empty line, `action=…` and an empty line back.
//!
//! A policy service that does not answer makes Postfix defer all mail. So whatever comes, [`Delegation::next_request`] gives something that can be
//! answered: what cannot be read is a request of which nothing is known, and the answer to that is `DUNNO`.

use std::net::IpAddr;

use mail::address::floor_char_boundary;
use mail::{Address, Limits};

/// When in a session the server asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Somebody connected.
    Connect,
    /// Somebody said who it is.
    Helo,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`.
    Data,
    /// The message is there.
    EndOfMessage,
    /// `VRFY`.
    Verify,
    /// `ETRN`.
    Etrn,
    /// None of those, or it could not be read.
    #[default]
    Unknown,
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// When.
    pub stage: Stage,
    /// Who is connected.
    pub client: Option<IpAddr>,
    /// `HELO`'s argument.
    pub helo: String,
    /// The envelope sender; `None` is the null sender, or not known yet.
    pub envelope_from: Option<Address>,
    /// The recipient that is asked about, and at later stages the only one.
    pub recipient: Option<Address>,
    /// Recipients taken so far; told from `DATA` on.
    pub recipient_count: u32,
    /// Which message of which session: the same for all requests about it.
    pub instance: String,
    /// Bytes; real at the end of the message.
    pub size_bytes: u64,
    /// The account that logged in.
    pub account: Option<String>,
    /// The server's own name for the message, once it has one.
    pub queue_id: Option<String>,
    /// The session is encrypted.
    pub tls: bool,
    /// Nothing of it could be used.
    pub unreadable: Option<&'static str>,
}

/// Takes bytes, gives requests.
pub struct Delegation {
    buffer: Vec<u8>,
    /// How far the buffer was looked through for the end of a request.
    looked: usize,
    bytes_max: usize,
    address_bytes_max: usize,
    /// A request is too long: everything up to its end is thrown away.
    skipping: bool,
}

impl Delegation {
    /// At the beginning of a connection.
    pub const fn new(limits: &Limits) -> Self {
        Self {
            buffer: Vec::new(),
            looked: 0,
            bytes_max: limits.told_bytes_max,
            address_bytes_max: limits.address_bytes_max,
            skipping: false,
        }
    }

    /// Takes what came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next request that is whole. Never holds more than `limits.told_bytes_max` and what was fed last.
    pub fn next_request(&mut self) -> Option<Request> {
        let Some((end, after)) = self.end() else {
            if self.buffer.len() > self.bytes_max {
                // The last two bytes may be half of the end.
                self.buffer.drain(..self.buffer.len() - 2);
                self.looked = 0;
                self.skipping = true;
            }
            return None;
        };
        let request = if std::mem::take(&mut self.skipping) || end > self.bytes_max {
            Request {
                unreadable: Some("is longer than limits.told_bytes_max"),
                ..Request::default()
            }
        } else {
            self.read(&self.buffer[..end])
        };
        self.buffer.drain(..after);
        self.looked = 0;
        Some(request)
    }

    /// Where the first request ends, and where the next begins: at an empty line. Postfix ends lines with LF; CR LF is read, too.
    fn end(&mut self) -> Option<(usize, usize)> {
        // An empty line at the very beginning is an empty request.
        if !self.skipping && self.buffer.starts_with(b"\n") {
            return Some((0, 1));
        }
        if !self.skipping && self.buffer.starts_with(b"\r\n") {
            return Some((0, 2));
        }
        let mut at = self.looked.saturating_sub(2);
        while let Some(found) = self.buffer[at..].iter().position(|byte| *byte == b'\n') {
            let line_end = at + found;
            let rest = &self.buffer[line_end + 1..];
            if rest.first() == Some(&b'\n') {
                return Some((line_end, line_end + 2));
            }
            if rest.starts_with(b"\r\n") {
                return Some((line_end, line_end + 3));
            }
            at = line_end + 1;
        }
        self.looked = self.buffer.len();
        None
    }

    fn read(&self, bytes: &[u8]) -> Request {
        let text = String::from_utf8_lossy(bytes);
        let mut request = Request::default();
        let mut is_request = false;
        for line in text.lines() {
            // What cannot be a pair is passed over, as the protocol asks for unknown names.
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            let value = value.trim();
            let address = |value| Address::from_path(value, self.address_bytes_max);
            let kept = || value[..floor_char_boundary(value, self.address_bytes_max)].to_owned();
            match name {
                "request" => is_request = value == "smtpd_access_policy",
                "protocol_state" => request.stage = stage(value),
                "client_address" => {
                    let bare = value.trim_start_matches("IPv6:");
                    request.client = bare.parse().ok().map(|ip: IpAddr| ip.to_canonical());
                }
                "helo_name" => request.helo = kept(),
                "sender" => request.envelope_from = address(value),
                "recipient" => request.recipient = address(value),
                "recipient_count" => request.recipient_count = value.parse().unwrap_or(0),
                "instance" => request.instance = kept(),
                "size" => request.size_bytes = value.parse().unwrap_or(0),
                "sasl_username" => request.account = Some(kept()).filter(|name| !name.is_empty()),
                "queue_id" => request.queue_id = Some(kept()).filter(|id| !id.is_empty()),
                "encryption_protocol" => request.tls = !value.is_empty(),
                _ => {}
            }
        }
        if !is_request {
            return Request {
                unreadable: Some("does not say request=smtpd_access_policy"),
                ..Request::default()
            };
        }
        request
    }
}

fn stage(text: &str) -> Stage {
    match text {
        "CONNECT" => Stage::Connect,
        "EHLO" | "HELO" => Stage::Helo,
        "MAIL" => Stage::Mail,
        "RCPT" => Stage::Recipient,
        "DATA" => Stage::Data,
        "END-OF-MESSAGE" => Stage::EndOfMessage,
        "VRFY" => Stage::Verify,
        "ETRN" => Stage::Etrn,
        _ => Stage::Unknown,
    }
}

/// What Postfix is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on with what else is configured.
    Dunno,
    /// Come later, unless something refuses it for good.
    Later(String),
    /// No.
    Refuse(String),
    /// Take it into the queue and keep it there.
    Hold(String),
}

impl Answer {
    /// As it goes over the wire. Of the text nothing but printable ASCII gets through.
    pub fn bytes(&self) -> Vec<u8> {
        let (action, text) = match self {
            Self::Dunno => ("DUNNO", ""),
            Self::Later(text) => ("DEFER_IF_PERMIT 4.7.1", text.as_str()),
            Self::Refuse(text) => ("REJECT 5.7.1", text.as_str()),
            Self::Hold(text) => ("HOLD", text.as_str()),
        };
        let clean: String = text
            .chars()
            .map(|c| {
                if c.is_ascii_graphic() || c == ' ' {
                    c
                } else {
                    '?'
                }
            })
            .take(400)
            .collect();
        let space = if clean.is_empty() { "" } else { " " };
        format!("action={action}{space}{clean}\n\n").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RCPT: &str = "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=203.0.113.9\nclient_name=unknown\nclient_port=39110\nreverse_client_name=unknown\nserver_address=127.0.0.1\nserver_port=20334\nhelo_name=client.sender.example\nsender=a@sender.example\nrecipient=user@bench.example\nrecipient_count=0\nqueue_id=\ninstance=2288.6b038220.ae0f2.0\nsize=0\netrn_domain=\nstress=\nsasl_method=\nsasl_username=alice\nsasl_sender=\nencryption_protocol=TLSv1.3\npolicy_context=\n\n";

    fn all(machine: &mut Delegation) -> Vec<Request> {
        std::iter::from_fn(|| machine.next_request()).collect()
    }

    /// Captured from Postfix 3.7.11, in one piece and byte by byte.
    #[test]
    fn what_postfix_sends() {
        let mut whole = Delegation::new(&Limits::default());
        whole.feed(RCPT.as_bytes());
        whole.feed(RCPT.as_bytes());
        let requests = all(&mut whole);
        assert_eq!(requests.len(), 2);
        let request = &requests[0];
        assert_eq!(request.stage, Stage::Recipient);
        assert_eq!(request.client, "203.0.113.9".parse().ok());
        assert_eq!(
            request.envelope_from.as_ref().map(Address::key).as_deref(),
            Some("a@sender.example")
        );
        assert_eq!(request.account.as_deref(), Some("alice"));
        assert_eq!(request.instance, "2288.6b038220.ae0f2.0");
        assert!(request.tls && request.queue_id.is_none() && request.unreadable.is_none());

        let mut bytewise = Delegation::new(&Limits::default());
        let mut seen = Vec::new();
        for byte in RCPT.replace('\n', "\r\n").bytes() {
            bytewise.feed(&[byte]);
            seen.extend(bytewise.next_request());
        }
        assert_eq!(seen, std::slice::from_ref(request));
    }

    #[test]
    fn whatever_comes_can_be_answered_and_the_next_is_unaffected() {
        let limits = Limits {
            told_bytes_max: 4096,
            ..Limits::default()
        };
        let mut machine = Delegation::new(&limits);
        machine.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        machine.feed(b"\n");
        let long = format!(
            "request=smtpd_access_policy\nhelo_name={}",
            "x".repeat(10_000)
        );
        machine.feed(long.as_bytes());
        let mut seen = all(&mut machine);
        for _ in 0..100 {
            machine.feed(&[b'y'; 1000]);
            seen.extend(all(&mut machine));
            assert!(machine.buffer.len() <= 4096 + 1000);
        }
        machine.feed(b"\n\n");
        machine.feed(RCPT.as_bytes());
        seen.extend(all(&mut machine));
        let unreadable: Vec<bool> = seen.iter().map(|one| one.unreadable.is_some()).collect();
        assert_eq!(unreadable, [true, true, true, false]);
        assert_eq!(seen[3].stage, Stage::Recipient);
    }

    #[test]
    fn nothing_foreign_gets_into_an_answer() {
        let answer = Answer::Refuse("too\nmany\r\n\naction=OK é".into());
        assert_eq!(
            String::from_utf8_lossy(&answer.bytes()),
            "action=REJECT 5.7.1 too?many???action=OK ?\n\n"
        );
        assert_eq!(Answer::Dunno.bytes(), b"action=DUNNO\n\n");
    }
}
