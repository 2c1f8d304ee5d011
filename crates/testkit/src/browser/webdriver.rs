//! The protocol: one WebDriver command is one HTTP request on a connection of its own.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// The name under which WebDriver writes a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Longer than chromedriver's own limits, so that its word is heard and not ours.
const TIMEOUT: Duration = Duration::from_secs(90);

/// What the driver, or the way to it, answered instead of a value.
#[derive(Debug)]
pub(super) struct Refusal {
    code: String,
    message: String,
}

impl Refusal {
    /// Ours: the page is not yet as the command needs it.
    pub(super) fn not_yet(message: impl Into<String>) -> Self {
        Self {
            code: "not yet".to_owned(),
            message: message.into(),
        }
    }

    fn connection(error: &anyhow::Error) -> Self {
        Self {
            code: "no word with the driver".to_owned(),
            message: format!("{error:#}"),
        }
    }

    fn from_driver(value: &Value) -> Self {
        let field = |name: &str| value[name].as_str().unwrap_or_default();
        // What follows are versions and a stack of chromedriver's own.
        let message = field("message").split("\n  (Session info").next();
        Self {
            code: field("error").to_owned(),
            message: message.unwrap_or_default().to_owned(),
        }
    }

    /// Whether the same command may succeed a moment later, because the page is on its way from
    /// one state to another.
    pub(super) fn may_pass(&self) -> bool {
        const CODES: [&str; 10] = [
            "not yet",
            "no such element",
            "stale element reference",
            "detached shadow root",
            "element not interactable",
            "element click intercepted",
            "invalid element state",
            "move target out of bounds",
            "no such frame",
            "no such alert",
        ];
        const MESSAGES: [&str; 5] = [
            "target navigated",
            "aborted by navigation",
            "xecution context",
            "Cannot find context",
            "does not belong to the document",
        ];
        // chromedriver calls this, coming from a script, an invalid element state.
        if self.message.contains("is not a valid selector") {
            return false;
        }
        CODES.contains(&self.code.as_str())
            || MESSAGES.iter().any(|part| self.message.contains(part))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.strip_prefix(&self.code) {
            // chromedriver mostly repeats the code at the front of the message.
            Some(_) => formatter.write_str(&self.message),
            None => write!(formatter, "{}: {}", self.code, self.message),
        }
    }
}

impl std::error::Error for Refusal {}

/// A session of a chromedriver on loopback.
#[derive(Debug)]
pub(super) struct Session {
    port: u16,
    path: String,
}

impl Session {
    /// Has the driver start a browser.
    pub(super) fn open(port: u16, capabilities: &Value) -> Result<Self, Refusal> {
        let wish = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let told = command(port, "POST", "/session", Some(&wish))?;
        let id = told["sessionId"].as_str().unwrap_or_default();
        Ok(Self {
            port,
            path: format!("/session/{id}"),
        })
    }

    /// Asks: a command without arguments that changes nothing.
    pub(super) fn get(&self, path: &str) -> Result<Value, Refusal> {
        command(self.port, "GET", &format!("{}/{path}", self.path), None)
    }

    /// Asks, where the answer is a text.
    pub(super) fn get_text(&self, path: &str) -> Result<String, Refusal> {
        let value = self.get(path)?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// A command with arguments.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        let path = format!("{}/{path}", self.path);
        command(self.port, "POST", &path, Some(body))
    }

    /// A command that takes something away.
    pub(super) fn delete(&self, path: &str) -> Result<(), Refusal> {
        command(self.port, "DELETE", &format!("{}/{path}", self.path), None)?;
        Ok(())
    }

    /// A command of Chromium's own protocol (CDP), past WebDriver.
    pub(super) fn chromium(&self, name: &str, parameters: &Value) -> Result<Value, Refusal> {
        let body = json!({ "cmd": name, "params": parameters });
        self.post("goog/cdp/execute", &body)
    }

    /// Runs the body of a JavaScript function in the page.
    pub(super) fn script(&self, javascript: &str, arguments: &[Value]) -> Result<Value, Refusal> {
        let body = json!({ "script": javascript, "args": arguments });
        self.post("execute/sync", &body)
    }

    /// The first element a CSS selector matches.
    pub(super) fn find(&self, css: &str) -> Result<Element<'_>, Refusal> {
        let body = json!({ "using": "css selector", "value": css });
        let reference = self.post("element", &body)?;
        self.element(reference)
            .ok_or_else(|| Refusal::not_yet("the driver answered no element"))
    }

    /// The element a script returned, if it did return one.
    pub(super) fn element(&self, reference: Value) -> Option<Element<'_>> {
        let id = reference[ELEMENT].as_str()?.to_owned();
        Some(Element {
            session: self,
            reference,
            id,
        })
    }
}

/// An element of the page, until the page drops it.
#[derive(Debug)]
pub(super) struct Element<'a> {
    session: &'a Session,
    /// As an argument of scripts.
    pub(super) reference: Value,
    id: String,
}

impl Element<'_> {
    /// A command to this element.
    pub(super) fn post(&self, command: &str, body: &Value) -> Result<Value, Refusal> {
        let path = format!("element/{}/{command}", self.id);
        self.session.post(&path, body)
    }
}

fn command(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
    let (status, reply) =
        exchange(port, method, path, body).map_err(|error| Refusal::connection(&error))?;
    let value = &reply["value"];
    if status == 200 {
        Ok(value.clone())
    } else {
        Err(Refusal::from_driver(value))
    }
}

fn exchange(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let (status, body) = read_reply(&mut BufReader::new(stream))?;
    let value = serde_json::from_slice(&body)
        .with_context(|| format!("{method} {path} was answered {status} without JSON"))?;
    Ok((status, value))
}

/// The status and the body of one HTTP reply.
fn read_reply(input: &mut impl BufRead) -> Result<(u16, Vec<u8>)> {
    let first = read_line(input)?;
    let status = first
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("{first:?} begins no HTTP reply"))?;

    let (mut length, mut chunked) = (None, false);
    loop {
        let line = read_line(input)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse().context("Content-Length is no number")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
        }
    }

    let mut body = Vec::new();
    if chunked {
        loop {
            let line = read_line(input)?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = u64::from_str_radix(digits, 16).context("a chunk without its length")?;
            if length == 0 {
                break;
            }
            read_exactly(input, length, &mut body)?;
            read_line(input)?;
        }
    } else if let Some(length) = length {
        read_exactly(input, length, &mut body)?;
    } else {
        input.read_to_end(&mut body)?;
    }
    Ok((status, body))
}

fn read_exactly(input: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> Result<()> {
    let got = input.take(length).read_to_end(body)?;
    if got as u64 != length {
        bail!("the reply ended after {got} of {length} bytes");
    }
    Ok(())
}

fn read_line(input: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        bail!("the reply ended early");
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &str) -> Result<(u16, String)> {
        let (status, body) = read_reply(&mut reply.as_bytes())?;
        Ok((status, String::from_utf8(body)?))
    }

    #[test]
    fn a_body_ends_by_its_length_its_chunks_or_the_connection() {
        let by_length = read("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour and more");
        assert_eq!(by_length.expect("a reply"), (200, "four".to_owned()));
        let by_chunks = read(
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\none\r\n0a;x=y\r\n and \r\ntwo\r\n0\r\n\r\n",
        );
        assert_eq!(
            by_chunks.expect("a reply"),
            (404, "one and \r\ntwo".to_owned())
        );
        let by_end = read("HTTP/1.1 200 OK\r\n\r\nall of it");
        assert_eq!(by_end.expect("a reply"), (200, "all of it".to_owned()));
    }

    #[test]
    fn half_a_reply_is_an_error() {
        for half in [
            "",
            "HTTP/1.1 200",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfou",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfour",
            "220 mx.example.net ESMTP\r\n",
            "no HTTP\r\n\r\n",
        ] {
            assert!(read(half).is_err(), "{half:?}");
        }
    }
}
