//! Who sends mail in a test: a blocking SMTP client that says what it is told to say and returns
//! what it was told.
//!
//! ```no_run
//! use testkit::smtp::{Client, Mail, Peer};
//!
//! # fn main() -> anyhow::Result<()> {
//! # let port = 25;
//! let peer = Peer::at("192.0.2.7").name("mail.example.org").helo("mail.example.org");
//! let mut client = Client::connect_as(port, &peer)?; // XCLIENT
//! for number in 0..3 {
//!     let text = format!("Subject: mail {number}\r\n\r\nHello.\r\n");
//!     let told = client.send(&Mail::new("ann@example.org", ["bob@example.net"], text))?;
//!     assert!(told.accepted(), "{told}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Many messages at once, with the patience of a real mail server, are a [`Load`].

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

mod load;

pub use load::{ID_HEADER, Load, Outcome, Sent};

/// A message with its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The address for `MAIL FROM`; empty for a bounce.
    pub envelope_from: String,
    /// The addresses for `RCPT TO`.
    pub recipients: Vec<String>,
    /// What stands behind the sender's address, for instance `BODY=8BITMIME SMTPUTF8`.
    pub mail_parameters: String,
    /// The bytes of the message, sent as they are: dots are stuffed, and a missing last line end is
    /// added, nothing else.
    pub data: Vec<u8>,
}

impl Mail {
    /// A message from one to some.
    pub fn new(
        envelope_from: &str,
        recipients: impl IntoIterator<Item = impl Into<String>>,
        data: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            envelope_from: envelope_from.to_owned(),
            recipients: recipients.into_iter().map(Into::into).collect(),
            mail_parameters: String::new(),
            data: data.into(),
        }
    }

    /// With parameters for `MAIL`.
    #[must_use]
    pub fn mail_parameters(mut self, parameters: &str) -> Self {
        parameters.clone_into(&mut self.mail_parameters);
        self
    }
}

/// Whom a loopback client plays, by Postfix' `XCLIENT` command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    address: String,
    name: Option<String>,
    helo: String,
}

impl Peer {
    /// A client at this IP address, without a name in DNS, that says `HELO [address]`.
    pub fn at(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            name: None,
            helo: format!("[{address}]"),
        }
    }

    /// The name its address has in DNS.
    #[must_use]
    pub fn name(mut self, ptr_name: &str) -> Self {
        self.name = Some(ptr_name.to_owned());
        self
    }

    /// What it says in `EHLO`.
    #[must_use]
    pub fn helo(mut self, helo_name: &str) -> Self {
        helo_name.clone_into(&mut self.helo);
        self
    }
}

/// A server's answer to one command, RFC 5321 §4.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// The text of each line, without the code.
    pub lines: Vec<String>,
}

impl Reply {
    /// 2xx or 3xx.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// 4xx: a client tries again later.
    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// 5xx: a client gives up.
    pub fn is_permanent(&self) -> bool {
        self.code >= 500
    }

    /// The whole text, lines joined by a space.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.code, self.text())
    }
}

/// What the client was told about one message: every reply, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// To `MAIL FROM`.
    pub mail: Reply,
    /// To each `RCPT TO`; empty when `MAIL FROM` was refused.
    pub recipients: Vec<Reply>,
    /// To `DATA`; not said when no recipient was taken.
    pub data: Option<Reply>,
    /// To the whole message; not said when `DATA` was refused.
    pub end: Option<Reply>,
}

impl Told {
    /// The server answers for the message and every recipient.
    pub fn accepted(&self) -> bool {
        self.end.as_ref().is_some_and(Reply::is_positive)
            && self.recipients.iter().all(Reply::is_positive)
    }

    /// The reply that decided: to the whole message if it came that far, else the last one.
    pub fn last(&self) -> &Reply {
        let said = self.end.as_ref().or(self.data.as_ref());
        said.or(self.recipients.last()).unwrap_or(&self.mail)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MAIL: {}", self.mail)?;
        for reply in &self.recipients {
            write!(formatter, "; RCPT: {reply}")?;
        }
        if let Some(reply) = &self.data {
            write!(formatter, "; DATA: {reply}")?;
        }
        if let Some(reply) = &self.end {
            write!(formatter, "; end: {reply}")?;
        }
        Ok(())
    }
}

/// An SMTP connection. A lost connection is an error of the call it happened in.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    greeting: Reply,
}

impl Client {
    /// Connects to a loopback port and reads the greeting. Waits at most two minutes for any reply.
    pub fn connect(port: u16) -> Result<Self> {
        Self::connect_patiently(port, Duration::from_mins(2))
    }

    /// Connects, and waits at most `patience` for any reply.
    pub fn connect_patiently(port: u16, patience: Duration) -> Result<Self> {
        let writer = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("no connection to port {port}"))?;
        writer.set_nodelay(true)?;
        writer.set_read_timeout(Some(patience))?;
        writer.set_write_timeout(Some(patience))?;
        let mut reader = BufReader::new(writer.try_clone()?);
        let greeting = read_reply(&mut reader).context("no greeting")?;
        Ok(Self {
            reader,
            writer,
            greeting,
        })
    }

    /// Connects, greets and plays `peer` from then on.
    pub fn connect_as(port: u16, peer: &Peer) -> Result<Self> {
        let mut client = Self::connect(port)?;
        client.ehlo("localhost")?;
        client.play(peer)?;
        Ok(client)
    }

    /// The first line the server said.
    pub fn greeting(&self) -> &Reply {
        &self.greeting
    }

    /// `EHLO`; anything but success is an error.
    pub fn ehlo(&mut self, helo_name: &str) -> Result<Reply> {
        self.must(&format!("EHLO {helo_name}"))
    }

    /// `HELO`; anything but success is an error.
    pub fn helo(&mut self, helo_name: &str) -> Result<Reply> {
        self.must(&format!("HELO {helo_name}"))
    }

    /// Says `XCLIENT` (Postfix' XCLIENT_README) and then `EHLO` as that peer. A milter that refuses
    /// the new peer shows in the error.
    pub fn play(&mut self, peer: &Peer) -> Result<Reply> {
        let prefix = match peer.address.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => "IPV6:",
            Ok(IpAddr::V4(_)) => "",
            Err(_) => bail!("not an IP address: {}", peer.address),
        };
        let name = peer.name.as_deref().unwrap_or("[UNAVAILABLE]");
        self.must(&format!(
            "XCLIENT ADDR={prefix}{} NAME={name}",
            peer.address
        ))?;
        self.ehlo(&peer.helo)
    }

    /// Sends one message and returns every reply. A message nobody took is followed by `RSET`, so
    /// that the connection can be used on.
    pub fn send(&mut self, mail: &Mail) -> Result<Told> {
        let parameters = match mail.mail_parameters.as_str() {
            "" => String::new(),
            parameters => format!(" {parameters}"),
        };
        let from = format!("MAIL FROM:<{}>{parameters}", mail.envelope_from);
        let mut told = Told {
            mail: self.command(&from)?,
            recipients: Vec::with_capacity(mail.recipients.len()),
            data: None,
            end: None,
        };
        if told.mail.is_positive() {
            for recipient in &mail.recipients {
                told.recipients
                    .push(self.command(&format!("RCPT TO:<{recipient}>"))?);
            }
        }
        if told.recipients.iter().any(Reply::is_positive) {
            let data = told.data.insert(self.command("DATA")?);
            if data.is_positive() {
                told.end = Some(self.text(&mail.data)?);
            }
        }
        // 421 is the last word of a server (RFC 5321 §3.8).
        if told.end.is_none() && told.last().code != 421 {
            self.command("RSET")?;
        }
        Ok(told)
    }

    /// Sends one line as it is and reads the reply, whatever it is.
    pub fn command(&mut self, line: &str) -> Result<Reply> {
        self.raw(format!("{line}\r\n").as_bytes())
            .and_then(|()| self.reply())
            .with_context(|| format!("lost the connection at {line:.80}"))
    }

    /// Sends the text of a message, dots stuffed, and its end; reads the reply.
    pub fn text(&mut self, data: &[u8]) -> Result<Reply> {
        self.raw(&stuffed(data))
            .and_then(|()| self.reply())
            .context("lost the connection at the end of a message")
    }

    /// Sends bytes as they are, for what a well-behaved client would not send.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer
            .write_all(bytes)
            .context("the server does not listen any more")
    }

    /// Reads one reply.
    pub fn reply(&mut self) -> Result<Reply> {
        read_reply(&mut self.reader)
    }

    /// `QUIT`, politely.
    pub fn quit(mut self) -> Result<Reply> {
        self.command("QUIT")
    }

    fn must(&mut self, line: &str) -> Result<Reply> {
        let reply = self.command(line)?;
        ensure!(reply.is_positive(), "{line}: {reply}");
        Ok(reply)
    }
}

fn read_reply(reader: &mut impl BufRead) -> Result<Reply> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            bail!("the server closed the connection");
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let code = line.get(..3).and_then(|digits| digits.parse().ok());
        let code = code.with_context(|| format!("not a reply: {line:?}"))?;
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(Reply { code, lines });
        }
    }
}

/// RFC 5321 §4.5.2, with the end of the message.
fn stuffed(data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(data.len() + data.len() / 64 + 8);
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") && (bytes.is_empty() || bytes.ends_with(b"\r\n")) {
            bytes.push(b'.');
        }
        bytes.extend_from_slice(line);
    }
    if !bytes.is_empty() && !bytes.ends_with(b"\r\n") {
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b".\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_stuffed_at_line_starts_only() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"", b".\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b"a\r\n.b\r\n", b"a\r\n..b\r\n.\r\n"),
            (b"a\n.b\r\n", b"a\n.b\r\n.\r\n"),
            (b"..\r\n", b"...\r\n.\r\n"),
        ];
        for (data, expected) in cases {
            assert_eq!(stuffed(data), expected, "{}", String::from_utf8_lossy(data));
        }
    }

    #[test]
    fn replies_are_read_to_their_last_line() {
        let reply = read_reply(&mut &b"250-one\r\n250-two\r\n250 three\r\n221 bye\r\n"[..]);
        let reply = reply.expect("a reply");
        assert_eq!((reply.code, reply.text().as_str()), (250, "one two three"));
        for bad in [&b""[..], b"25", b"hello\r\n", b"250-one\r\n"] {
            assert!(
                read_reply(&mut &bad[..]).is_err(),
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
    }
}
