//! What the server's side plays: a client's visit, and a message as servers hand it on.

use std::fmt;

use mail::{Address, Tls};

use super::command::{Family, Stage};

/// A client's visit at the mail server: what is said once per connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The mail server's own name.
    pub server: String,
    /// Kind of the client's address.
    pub family: Family,
    /// The client's address in text; empty for [`Family::Unknown`].
    pub address: String,
    /// The client's port.
    pub port: u16,
    /// The client's verified name; `None` when unknown.
    pub ptr_name: Option<String>,
    /// What the client calls itself.
    pub helo_name: String,
    /// The client's encryption.
    pub tls: Option<Tls>,
    /// Method and account, when the client logged in.
    pub account: Option<(String, String)>,
}

impl Visit {
    /// A stranger from `address`, an IPv4 or IPv6 address.
    pub fn stranger(server: &str, address: &str, helo_name: &str) -> Self {
        Self {
            server: server.to_owned(),
            family: if address.contains(':') {
                Family::Ipv6
            } else {
                Family::Ipv4
            },
            address: address.to_owned(),
            port: 40_000,
            ptr_name: None,
            helo_name: helo_name.to_owned(),
            tls: None,
            account: None,
        }
    }

    /// The macros Postfix sends with a stage by default.
    pub(super) fn macros(
        &self,
        stage: Stage,
        submission: Option<&Submission>,
        queue_id: &str,
        is_named: bool,
    ) -> Vec<(&'static str, String)> {
        match stage {
            Stage::Connect => {
                let name = self.ptr_name.as_deref().unwrap_or("unknown");
                vec![
                    ("j", self.server.clone()),
                    ("{daemon_name}", self.server.clone()),
                    ("{daemon_addr}", String::from("127.0.0.1")),
                    ("v", String::from("Mailvigil")),
                    ("_", format!("{name} [{}]", self.address)),
                ]
            }
            Stage::Helo => match &self.tls {
                Some(tls) => vec![
                    ("{tls_version}", tls.version.clone()),
                    ("{cipher}", tls.cipher.clone()),
                ],
                None => Vec::new(),
            },
            Stage::Mail => {
                let address = submission.and_then(|one| one.envelope_from.as_ref());
                let mut macros = vec![(
                    "{mail_addr}",
                    address.map_or(String::new(), Address::to_string),
                )];
                if let Some((method, account)) = &self.account {
                    macros.push(("{auth_type}", method.clone()));
                    macros.push(("{auth_authen}", account.clone()));
                }
                macros
            }
            Stage::Recipient if !is_named => Vec::new(),
            Stage::Recipient
            | Stage::Data
            | Stage::Header
            | Stage::EndOfHeaders
            | Stage::Body
            | Stage::EndOfMessage => vec![("i", queue_id.to_owned())],
            Stage::Unknown => Vec::new(),
        }
    }
}

/// One message to play.
#[derive(Clone, PartialEq, Eq)]
pub struct Submission {
    /// The server's name for it.
    pub queue_id: String,
    /// `None` is the null sender.
    pub envelope_from: Option<Address>,
    /// ESMTP arguments of the sender.
    pub mail_args: Vec<String>,
    /// To whom.
    pub recipients: Vec<Address>,
    /// The message. Lines may end in LF; they are sent as servers send them.
    pub raw: Vec<u8>,
}

/// Shows everything but the message itself.
impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("queue_id", &self.queue_id)
            .field("envelope_from", &self.envelope_from)
            .field("recipients", &self.recipients)
            .finish_non_exhaustive()
    }
}

pub(super) type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// A message as servers hand it on: header fields with LF at folds, body with CRLF. A line that is no
/// header field ends the headers.
pub(super) fn split(raw: &[u8]) -> (Headers, Vec<u8>) {
    let mut headers: Headers = Vec::new();
    let mut rest = raw;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (line, behind) = match end {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            rest = behind;
            break;
        }
        if let (Some(b' ' | b'\t'), Some((_, value))) = (line.first(), headers.last_mut()) {
            value.push(b'\n');
            value.extend_from_slice(line);
        } else if let Some(colon) = field_colon(line) {
            headers.push((line[..colon].to_vec(), line[colon + 1..].to_vec()));
        } else {
            break;
        }
        rest = behind;
    }
    // Servers keep header fields as C strings, which cannot hold NUL.
    for (_, value) in &mut headers {
        value.retain(|byte| *byte != 0);
    }
    (headers, with_crlf(rest))
}

/// Where the colon of a header field stands: behind a name of printable ASCII (RFC 5322 §2.2) and, as
/// the obsolete syntax has it, white space.
fn field_colon(line: &[u8]) -> Option<usize> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = line[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(colon)
}

/// Each line end as CRLF.
fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 32);
    let mut last = 0;
    for byte in text {
        if *byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        last = *byte;
    }
    out
}
