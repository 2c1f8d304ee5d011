//! A plain IMAP client: a command goes out, its lines come back.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longest that a server may be silent.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
    number: u32,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `OK`, `NO` or `BAD`.
    pub status: String,
    /// What stands behind it.
    pub text: String,
    /// Everything before it.
    pub lines: Vec<String>,
}

impl Answer {
    /// Was it done?
    pub fn is_ok(&self) -> bool {
        self.status == "OK"
    }
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream: BufReader::new(stream),
            number: 0,
        };
        client.line().context("no greeting")?;
        Ok(client)
    }

    /// The same, played by this address with this program.
    pub fn connect_as(port: u16, ip: &str, program: &str) -> Result<Self> {
        let mut client = Self::connect(port)?;
        let id = format!(
            "ID (\"x-originating-ip\" \"{ip}\" \"x-originating-port\" \"4711\" \"x-proxy-ttl\" \"4\" \"name\" \"{program}\")"
        );
        let answer = client.command(&id)?;
        if !answer.is_ok() {
            bail!("ID was refused: {answer:?}");
        }
        Ok(client)
    }

    /// Sends a command and reads until its tagged answer.
    pub fn command(&mut self, command: &str) -> Result<Answer> {
        self.number += 1;
        let tag = format!("a{}", self.number);
        self.stream
            .get_mut()
            .write_all(format!("{tag} {command}\r\n").as_bytes())?;
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            if let Some(rest) = line.strip_prefix(&format!("{tag} ")) {
                let (status, text) = rest.split_once(' ').unwrap_or((rest, ""));
                return Ok(Answer {
                    status: status.to_owned(),
                    text: text.to_owned(),
                    lines,
                });
            }
            if let Some(length) = literal(&line) {
                let mut bytes = vec![0; length];
                self.stream.read_exact(&mut bytes)?;
            }
            lines.push(line);
        }
    }

    /// Adds a message to a folder.
    pub fn append(&mut self, folder: &str, message: &str) -> Result<Answer> {
        self.command(&format!(
            "APPEND {folder} {{{}+}}\r\n{message}",
            message.len()
        ))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }
}

/// `… {123}` at the end of a line.
fn literal(line: &str) -> Option<usize> {
    line.strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}
