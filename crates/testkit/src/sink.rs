//! Where mail arrives in a test: an SMTP server that keeps every message whole.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! # fn main() -> anyhow::Result<()> {
//! let sink = testkit::sink::Sink::start()?;
//! // … a mail server is told to deliver to sink.port() …
//! let messages = sink.wait_for(1, Duration::from_secs(10))?;
//! assert_eq!(messages[0].envelope_from, "ann@example.org");
//! assert_eq!(messages[0].header("Subject").as_deref(), Some("hello"));
//!
//! sink.answer_recipients("bob@", "450 4.2.1 mailbox busy");
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::place::free_port;

/// One message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Who delivered it.
    pub peer: SocketAddr,
    /// What the peer said in `EHLO` or `HELO`.
    pub helo_name: String,
    /// The address in `MAIL FROM`; empty for bounces.
    pub envelope_from: String,
    /// What stood behind that address, for instance `SIZE=312 BODY=8BITMIME`.
    pub mail_parameters: String,
    /// The accepted recipients, in order.
    pub recipients: Vec<String>,
    /// The bytes of the message, dots unstuffed, with the last line end.
    pub data: Vec<u8>,
}

impl Received {
    /// The value of the first header of that name (any case), unfolded and trimmed.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers(name).into_iter().next()
    }

    /// The values of all headers of that name, in order.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let is_named = |field: &&[u8]| field_name(field).eq_ignore_ascii_case(name.as_bytes());
        fields(&self.data)
            .filter(is_named)
            .map(|field| {
                let value = field.get(name.len() + 1..).unwrap_or_default();
                let text = String::from_utf8_lossy(value);
                text.replace("\r\n", "").trim().to_owned()
            })
            .collect()
    }

    /// What stands behind the empty line.
    pub fn body(&self) -> &[u8] {
        let header_bytes: usize = fields(&self.data).map(<[u8]>::len).sum();
        let rest = &self.data[header_bytes..];
        rest.strip_prefix(b"\r\n").unwrap_or(rest)
    }

    /// The message without any header of these names: to compare with what was sent.
    pub fn without_headers(&self, names: &[&str]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(self.data.len());
        let mut header_bytes = 0;
        for field in fields(&self.data) {
            header_bytes += field.len();
            let name = field_name(field);
            if !names
                .iter()
                .any(|one| name.eq_ignore_ascii_case(one.as_bytes()))
            {
                kept.extend_from_slice(field);
            }
        }
        kept.extend_from_slice(&self.data[header_bytes..]);
        kept
    }
}

/// The header fields of a message, each with its folded lines and line ends.
fn fields(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() || rest.starts_with(b"\r\n") {
            return None;
        }
        let mut end = 0;
        loop {
            end += line_length(&rest[end..]);
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, behind) = rest.split_at(end);
        rest = behind;
        Some(field)
    })
}

fn line_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |position| position + 1)
}

fn field_name(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == b':').next().unwrap_or_default()
}

/// A listening SMTP server; closed on drop.
#[derive(Debug)]
pub struct Sink {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
    closing: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    messages: Vec<Arc<Received>>,
    recipient_answers: Vec<(String, String)>,
    message_answer: Option<String>,
    /// Open connections by number, so that closing the sink can close them.
    connections: HashMap<usize, TcpStream>,
    connections_so_far: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic happens under this lock")
    }
}

impl Sink {
    /// Listens on a free loopback port.
    pub fn start() -> Result<Self> {
        Self::on_port(free_port())
    }

    /// Stops listening, closes every connection and returns the messages: no other was answered
    /// with success.
    pub fn close(self) -> Vec<Arc<Received>> {
        let shared = Arc::clone(&self.shared);
        drop(self);
        shared.state().messages.clone()
    }

    /// Listens on this loopback port: for a next hop that goes away and comes back.
    pub fn on_port(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("the sink could not listen on port {port}"))?;
        let shared = Arc::new(Shared::default());
        let for_acceptor = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept(&listener, &for_acceptor));
        Ok(Self {
            port,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The messages so far, in the order they were taken.
    pub fn messages(&self) -> Vec<Arc<Received>> {
        self.shared.state().messages.clone()
    }

    /// How many messages were taken so far.
    pub fn count(&self) -> usize {
        self.shared.state().messages.len()
    }

    /// Waits until at least `count` messages have arrived and returns all; fewer within `timeout`
    /// are an error.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> Result<Vec<Arc<Received>>> {
        let end = Instant::now() + timeout;
        let mut state = self.shared.state();
        while state.messages.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!(
                    "{} of {count} messages arrived in {timeout:?}",
                    state.messages.len()
                );
            }
            let (woken, _) = self
                .shared
                .arrived
                .wait_timeout(state, left)
                .expect("no panic happens under this lock");
            state = woken;
        }
        Ok(state.messages.clone())
    }

    /// Forgets the messages so far and returns them.
    pub fn take(&self) -> Vec<Arc<Received>> {
        std::mem::take(&mut self.shared.state().messages)
    }

    /// Answers `RCPT` with `reply` (as `450 4.2.1 busy` or `550 5.1.1 unknown`) when the recipient
    /// contains `part`; the empty part stands for everybody.
    pub fn answer_recipients(&self, part: &str, reply: &str) {
        let answer = (part.to_owned(), reply.to_owned());
        self.shared.state().recipient_answers.push(answer);
    }

    /// Answers the end of every message with `reply` instead of keeping it.
    pub fn answer_messages(&self, reply: &str) {
        self.shared.state().message_answer = Some(reply.to_owned());
    }

    /// Takes everything again.
    pub fn answer_normally(&self) {
        let mut state = self.shared.state();
        state.recipient_answers.clear();
        state.message_answer = None;
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        {
            let state = self.shared.state();
            self.shared.closing.store(true, Ordering::SeqCst);
            for connection in state.connections.values() {
                let _may_be_closed = connection.shutdown(Shutdown::Both);
            }
        }
        // The acceptor waits in `accept`; a last connection wakes it.
        let _may_be_gone = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(acceptor) = self.acceptor.take() {
            let _may_have_panicked = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        let Ok(connection) = connection else { continue };
        let Ok(held) = connection.try_clone() else {
            continue;
        };
        let number = {
            let mut state = shared.state();
            if shared.closing.load(Ordering::SeqCst) {
                return;
            }
            state.connections_so_far += 1;
            let number = state.connections_so_far;
            state.connections.insert(number, held);
            number
        };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A client that goes away in the middle ends its own connection only.
            let _client_went_away = Dialogue::new(connection, &shared).and_then(Dialogue::run);
            shared.state().connections.remove(&number);
        });
    }
}

/// One connection, RFC 5321 §4.1, with 8BITMIME, SMTPUTF8, SIZE and PIPELINING.
struct Dialogue<'a> {
    shared: &'a Shared,
    peer: SocketAddr,
    reader: BufReader<TcpStream>,
    writer: BufWriter<TcpStream>,
    helo_name: String,
    transaction: Option<Transaction>,
}

#[derive(Default)]
struct Transaction {
    envelope_from: String,
    mail_parameters: String,
    recipients: Vec<String>,
}

impl<'a> Dialogue<'a> {
    fn new(connection: TcpStream, shared: &'a Shared) -> Result<Self> {
        connection.set_nodelay(true)?;
        Ok(Self {
            shared,
            peer: connection.peer_addr()?,
            reader: BufReader::with_capacity(1 << 16, connection.try_clone()?),
            writer: BufWriter::new(connection),
            helo_name: String::new(),
            transaction: None,
        })
    }

    fn run(mut self) -> Result<()> {
        self.reply("220 sink.test ESMTP")?;
        let mut line = Vec::new();
        loop {
            // Commands that came in one packet are answered in one packet (RFC 2920 §3.2).
            if self.reader.buffer().is_empty() {
                self.writer.flush()?;
            }
            line.clear();
            if self.reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let command = String::from_utf8_lossy(&line).trim_end().to_owned();
            let (verb, argument) = command.split_once(' ').unwrap_or((&command, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    self.greet(argument);
                    self.reply("250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600")?;
                    self.reply("250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8")?;
                }
                "HELO" => {
                    self.greet(argument);
                    self.reply("250 sink.test")?;
                }
                "MAIL" => self.mail(argument)?,
                "RCPT" => self.recipient(argument)?,
                "DATA" => self.data()?,
                "RSET" => {
                    self.transaction = None;
                    self.reply("250 2.0.0 forgotten")?;
                }
                "NOOP" => self.reply("250 2.0.0 fine")?,
                "QUIT" => {
                    self.reply("221 2.0.0 bye")?;
                    self.writer.flush()?;
                    return Ok(());
                }
                _ => self.reply("502 5.5.1 not known here")?,
            }
        }
    }

    fn reply(&mut self, text: &str) -> Result<()> {
        self.writer.write_all(text.as_bytes())?;
        self.writer.write_all(b"\r\n")?;
        Ok(())
    }

    fn greet(&mut self, helo_name: &str) {
        helo_name.trim().clone_into(&mut self.helo_name);
        self.transaction = None;
    }

    fn mail(&mut self, argument: &str) -> Result<()> {
        let Some((envelope_from, mail_parameters)) = path(argument, "FROM:") else {
            return self.reply("501 5.5.4 MAIL FROM:<address>");
        };
        self.transaction = Some(Transaction {
            envelope_from,
            mail_parameters,
            recipients: Vec::new(),
        });
        self.reply("250 2.1.0 sender taken")
    }

    fn recipient(&mut self, argument: &str) -> Result<()> {
        let Some((recipient, _)) = path(argument, "TO:") else {
            return self.reply("501 5.5.4 RCPT TO:<address>");
        };
        let Some(transaction) = &mut self.transaction else {
            return self.reply("503 5.5.1 MAIL first");
        };
        let state = self.shared.state();
        let answer = state
            .recipient_answers
            .iter()
            .find(|(part, _)| recipient.contains(part));
        let answer = answer.map(|(_, reply)| reply.clone());
        drop(state);
        if let Some(answer) = answer {
            return self.reply(&answer);
        }
        transaction.recipients.push(recipient);
        self.reply("250 2.1.5 recipient taken")
    }

    fn data(&mut self) -> Result<()> {
        let Some(transaction) = self.transaction.take_if(|one| !one.recipients.is_empty()) else {
            return self.reply("503 5.5.1 RCPT first");
        };
        self.reply("354 end with a dot")?;
        self.writer.flush()?;
        let data = self.text()?;
        let answer = self.shared.state().message_answer.clone();
        if let Some(answer) = answer {
            return self.reply(&answer);
        }
        let received = Received {
            peer: self.peer,
            helo_name: self.helo_name.clone(),
            envelope_from: transaction.envelope_from,
            mail_parameters: transaction.mail_parameters,
            recipients: transaction.recipients,
            data,
        };
        let number = {
            let mut state = self.shared.state();
            if self.shared.closing.load(Ordering::SeqCst) {
                bail!("the sink closes, and nobody could be told that this message was taken");
            }
            state.messages.push(Arc::new(received));
            state.messages.len()
        };
        self.shared.arrived.notify_all();
        self.reply(&format!("250 2.0.0 kept as {number}"))
    }

    /// Reads to the end of the message, taking stuffed dots out. Only CRLF ends a line: a dot behind
    /// a bare LF is text (RFC 5321 §4.1.1.4).
    fn text(&mut self) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let start = data.len();
            let at_line_start = start == 0 || data.ends_with(b"\r\n");
            if self.reader.read_until(b'\n', &mut data)? == 0 {
                bail!("the client went away inside a message");
            }
            if !at_line_start || data[start] != b'.' {
                continue;
            }
            if &data[start..] == b".\r\n" {
                data.truncate(start);
                return Ok(data);
            }
            data.remove(start);
        }
    }
}

/// Reads `FROM:<address> PARAMETERS` or `TO:<address> PARAMETERS`.
fn path(argument: &str, keyword: &str) -> Option<(String, String)> {
    let start = argument.get(..keyword.len())?;
    let rest = start
        .eq_ignore_ascii_case(keyword)
        .then(|| argument[keyword.len()..].trim())?;
    let (address, parameters) = rest.strip_prefix('<')?.rsplit_once('>')?;
    Some((address.to_owned(), parameters.trim().to_owned()))
}

#[cfg(test)]
mod tests;
