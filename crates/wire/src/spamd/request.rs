//! Requests, read from bytes cut anywhere.

use std::io::Read;

use mail::Limits;

/// Which of the two protocols a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SpamAssassin's.
    Spamc,
    /// Rspamd's older one.
    Rspamc,
}

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Is it spam, and by how much?
    Check,
    /// … and by which rules?
    Symbols,
    /// … and a text for people.
    Report,
    /// The text only if it is spam.
    ReportIfSpam,
    /// The message back, with header fields that say so.
    Process,
    /// Its header alone.
    Headers,
    /// Are you there?
    Ping,
    /// It is spam, or it is not.
    Tell,
    /// Nothing after all.
    Skip,
}

/// What a client says a message is (`Message-class` of `TELL`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wanted mail.
    Ham,
    /// The other.
    Spam,
}

/// A request, complete.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Protocol.
    pub dialect: Dialect,
    /// Its version as written: `1.5`.
    pub version: String,
    /// What is wanted.
    pub verb: Verb,
    /// Header fields, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The message, unpacked.
    pub message: Vec<u8>,
}

/// Shows everything but the message itself: that is somebody's mail.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut request = f.debug_struct("Request");
        request.field("dialect", &self.dialect);
        request.field("verb", &self.verb).finish_non_exhaustive()
    }
}

impl Request {
    /// The first value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// All values of a header field.
    pub fn headers_named(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// What `TELL` says the message is.
    pub fn class(&self) -> Option<Class> {
        match self.header("message-class")? {
            class if class.eq_ignore_ascii_case("spam") => Some(Class::Spam),
            class if class.eq_ignore_ascii_case("ham") => Some(Class::Ham),
            _ => None,
        }
    }
}

/// Why bytes are no request. The connection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The first line names no verb and version.
    #[error("{line:?} is no request; one starts like \"CHECK SPAMC/1.5\"")]
    NotARequest {
        /// The line, cut.
        line: String,
    },
    /// A line without colon.
    #[error("{line:?} is no header line; one is like \"Content-length: 2048\"")]
    BadHeader {
        /// The line, cut.
        line: String,
    },
    /// Too many lines or too long ones.
    #[error("the lines before the message are longer than {limit} bytes")]
    HeaderTooLong {
        /// The limit.
        limit: usize,
    },
    /// A length that is no number.
    #[error("{text:?} is no length")]
    BadLength {
        /// As written.
        text: String,
    },
    /// Longer than `Limits::message_bytes_max`.
    #[error("the message is longer than {limit} bytes (limits.message_bytes_max)")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The client closed its side before the promised length.
    #[error("the message ended after {got} of {promised} bytes")]
    Cut {
        /// Bytes that came.
        got: usize,
        /// `Content-length`.
        promised: usize,
    },
    /// More bytes than `Content-length` says.
    #[error("the message is longer than its Content-length of {promised}")]
    Overlong {
        /// `Content-length`.
        promised: usize,
    },
    /// `Compress` with another method, or bytes that do not unpack.
    #[error("the message does not unpack; Compress can be zlib")]
    BadCompression,
}

/// Bytes of first line and header lines together.
const HEAD_BYTES_MAX: usize = 256 << 10;
/// Of an offending line, this much is quoted.
const QUOTED_CHARS: usize = 60;

/// Collects one request.
#[derive(Debug)]
pub struct RequestReader {
    buffer: Vec<u8>,
    /// The last line that is not whole begins here; nothing is looked through twice.
    line: usize,
    head: Option<Head>,
    message_bytes_max: usize,
}

#[derive(Debug)]
struct Head {
    dialect: Dialect,
    version: String,
    verb: Verb,
    headers: Vec<(String, String)>,
    length: Option<usize>,
}

impl RequestReader {
    /// A reader within `limits`.
    pub fn new(limits: &Limits) -> Self {
        Self {
            buffer: Vec::new(),
            line: 0,
            head: None,
            message_bytes_max: limits.message_bytes_max,
        }
    }

    /// Bytes held.
    pub fn held_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Takes what came; gives the request when it is whole.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Request>, Misfit> {
        let before = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        if self.head.is_none() {
            self.read_head(before)?;
        }
        let Some(head) = &self.head else {
            return Ok(None);
        };
        if matches!(head.verb, Verb::Ping | Verb::Skip) {
            // They carry no message; what comes behind them is dropped, however it was cut.
            self.buffer.clear();
            return self.take().map(Some);
        }
        let held = self.buffer.len();
        if held > self.message_bytes_max
            || head
                .length
                .is_some_and(|length| length > self.message_bytes_max)
        {
            return Err(Misfit::TooLong {
                limit: self.message_bytes_max,
            });
        }
        match head.length {
            Some(promised) if held > promised => Err(Misfit::Overlong { promised }),
            Some(promised) if held == promised => self.take().map(Some),
            _ => Ok(None),
        }
    }

    /// The client has closed its side: what came is all. `None` is a client that said nothing.
    pub fn finish(&mut self) -> Result<Option<Request>, Misfit> {
        let Some(head) = &self.head else {
            if self.buffer.is_empty() {
                return Ok(None);
            }
            let line = quoted(&self.buffer);
            return Err(Misfit::NotARequest { line });
        };
        if let Some(promised) = head.length {
            return Err(Misfit::Cut {
                got: self.buffer.len(),
                promised,
            });
        }
        self.take().map(Some)
    }

    fn take(&mut self) -> Result<Request, Misfit> {
        let message = std::mem::take(&mut self.buffer);
        let Some(head) = self.head.take() else {
            return Err(Misfit::NotARequest {
                line: String::new(),
            });
        };
        let mut request = Request {
            dialect: head.dialect,
            version: head.version,
            verb: head.verb,
            headers: head.headers,
            message,
        };
        if let Some(method) = request.header("compress") {
            if !method.eq_ignore_ascii_case("zlib") {
                return Err(Misfit::BadCompression);
            }
            request.message = unpacked(&request.message, self.message_bytes_max)?;
        }
        let wrapper = wrapper_bytes(&request.message);
        request.message.drain(..wrapper);
        Ok(request)
    }

    fn read_head(&mut self, before: usize) -> Result<(), Misfit> {
        let Some(end) = self.end_of_head(before) else {
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(Misfit::HeaderTooLong {
                    limit: HEAD_BYTES_MAX,
                });
            }
            return Ok(());
        };
        if end > HEAD_BYTES_MAX {
            return Err(Misfit::HeaderTooLong {
                limit: HEAD_BYTES_MAX,
            });
        }
        let message = self.buffer.split_off(end);
        let head = std::mem::replace(&mut self.buffer, message);
        self.head = Some(Head::read(&head)?);
        Ok(())
    }
}

impl RequestReader {
    /// Where the message begins: behind the first empty line. A ping may end without one. Before `from` no line ends that was not seen.
    fn end_of_head(&mut self, mut from: usize) -> Option<usize> {
        while let Some(length) = self.buffer[from..].iter().position(|byte| *byte == b'\n') {
            let end = from + length + 1;
            let line = &self.buffer[self.line..end];
            let is_ping = self.line == 0 && line.starts_with(b"PING ");
            if is_ping || matches!(line, b"\n" | b"\r\n") {
                return Some(end);
            }
            (self.line, from) = (end, end);
        }
        None
    }
}

impl Head {
    fn read(bytes: &[u8]) -> Result<Self, Misfit> {
        let mut lines = bytes
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = lines.next().unwrap_or_default();
        let (verb, dialect, version) = first_line(first).ok_or_else(|| Misfit::NotARequest {
            line: quoted(first),
        })?;
        let mut head = Self {
            dialect,
            version,
            verb,
            headers: Vec::new(),
            length: None,
        };
        for line in lines.filter(|line| !line.is_empty()) {
            let text = String::from_utf8_lossy(line);
            let Some((name, value)) = text.split_once(':') else {
                return Err(Misfit::BadHeader { line: quoted(line) });
            };
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            if name == "content-length" {
                let length = value.parse().map_err(|_| Misfit::BadLength {
                    text: quoted(value.as_bytes()),
                })?;
                head.length = Some(length);
            }
            head.headers.push((name, value.to_owned()));
        }
        Ok(head)
    }
}

fn first_line(line: &[u8]) -> Option<(Verb, Dialect, String)> {
    let (verb, protocol) = std::str::from_utf8(line).ok()?.trim_end().split_once(' ')?;
    let (name, version) = protocol.trim_start().split_once('/')?;
    let dialect = match name {
        "SPAMC" => Dialect::Spamc,
        "RSPAMC" => Dialect::Rspamc,
        _ => return None,
    };
    let good = !version.is_empty()
        && version.len() < 8
        && version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !good {
        return None;
    }
    let verb = match verb {
        "CHECK" => Verb::Check,
        "SYMBOLS" => Verb::Symbols,
        "REPORT" => Verb::Report,
        "REPORT_IFSPAM" => Verb::ReportIfSpam,
        "PROCESS" => Verb::Process,
        "HEADERS" => Verb::Headers,
        "PING" => Verb::Ping,
        "TELL" => Verb::Tell,
        "SKIP" => Verb::Skip,
        _ => return None,
    };
    Some((verb, dialect, version.to_owned()))
}

/// Exim writes a message into a mailbox first: a `From ` line and its own `X-Envelope-From` and `X-Envelope-To` stand before what it will deliver.
fn wrapper_bytes(message: &[u8]) -> usize {
    if !message.starts_with(b"From ") {
        return 0;
    }
    let line_from = |start: usize| {
        let length = message[start..].iter().position(|byte| *byte == b'\n');
        length.map_or(message.len(), |length| start + length + 1)
    };
    let mut end = line_from(0);
    for field in [b"X-Envelope-From: ".as_slice(), b"X-Envelope-To: "] {
        if message[end..].starts_with(field) {
            end = line_from(end);
        }
    }
    end
}

fn unpacked(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Misfit> {
    let mut message = Vec::new();
    let reader = flate2::read::ZlibDecoder::new(packed);
    let read = reader.take(bytes_max as u64 + 1).read_to_end(&mut message);
    match read {
        Ok(_) if message.len() > bytes_max => Err(Misfit::TooLong { limit: bytes_max }),
        Ok(_) => Ok(message),
        Err(_) => Err(Misfit::BadCompression),
    }
}

fn quoted(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * QUOTED_CHARS)]);
    text.chars().take(QUOTED_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Request>, Misfit> {
        let mut whole = RequestReader::new(&Limits::default());
        let at_once = match whole.feed(bytes) {
            Ok(None) => whole.finish(),
            other => other,
        };
        let mut reader = RequestReader::new(&Limits::default());
        let mut by_bytes = Ok(None);
        for byte in bytes {
            by_bytes = reader.feed(&[*byte]);
            if !matches!(by_bytes, Ok(None)) {
                break;
            }
        }
        if matches!(by_bytes, Ok(None)) {
            by_bytes = reader.finish();
        }
        // More than was promised is seen only when it comes along.
        if !matches!(at_once, Err(Misfit::Overlong { .. })) {
            assert_eq!(at_once, by_bytes);
        }
        at_once
    }

    #[test]
    fn what_spamc_says() {
        let request = read(b"PROCESS SPAMC/1.5\r\nUser: bob\r\nContent-length: 5\r\n\r\nhello");
        let request = request.expect("good").expect("whole");
        assert_eq!(
            (request.verb, request.dialect),
            (Verb::Process, Dialect::Spamc)
        );
        assert_eq!(request.header("user"), Some("bob"));
        assert_eq!(request.message, b"hello");
        let request = read(b"CHECK SPAMC/1.2\r\n\r\nno length\n\nat all").expect("good");
        assert_eq!(request.expect("whole").message, b"no length\n\nat all");
        let ping = read(b"PING SPAMC/1.2\r\n").expect("good").expect("whole");
        assert_eq!(ping.verb, Verb::Ping);
        let more = read(b"PING SPAMC/1.2\r\nUser: bob\r\n\r\n").expect("good");
        assert_eq!(more.expect("whole").message, b"", "a ping has no message");
        let skip = read(b"SKIP SPAMC/1.2\r\n\r\nwhatever").expect("good");
        assert_eq!(skip.expect("whole").message, b"");
        let told =
            read(b"TELL SPAMC/1.4\r\nMessage-class: ham\r\nSet: local\r\n\r\nx").expect("good");
        assert_eq!(told.expect("whole").class(), Some(Class::Ham));
        assert_eq!(read(b""), Ok(None));
    }

    #[test]
    fn what_exim_says() {
        let request = read(b"CHECK RSPAMC/1.3\r\nContent-length: 1\r\nQueue-Id: 1a\r\nFrom: <a@a.example>\r\nRecipient-Number: 2\r\nRcpt: <b@b.example>\r\nRcpt: <c@b.example>\r\nIP: 192.0.2.1\r\n\r\nx");
        let request = request.expect("good").expect("whole");
        assert_eq!(request.dialect, Dialect::Rspamc);
        assert_eq!(request.headers_named("rcpt").count(), 2);
    }

    #[test]
    fn what_exim_puts_before_a_message_is_not_of_it() {
        let request = read(b"CHECK RSPAMC/1.3\r\n\r\nFrom a@a.example Mon Nov 23 10:00:00 2026\nX-Envelope-From: <a@a.example>\nX-Envelope-To: b@b.example\nFrom: a\n\nx");
        assert_eq!(
            request.expect("good").expect("whole").message,
            b"From: a\n\nx"
        );
        let request = read(b"CHECK SPAMC/1.3\r\n\r\nX-Envelope-To: b\n\nFrom x");
        assert_eq!(
            request.expect("good").expect("whole").message,
            b"X-Envelope-To: b\n\nFrom x"
        );
        assert_eq!(
            read(b"CHECK SPAMC/1.3\r\n\r\nFrom ")
                .expect("good")
                .expect("whole")
                .message,
            b""
        );
    }

    #[test]
    fn compressed() {
        let mut packed = Vec::new();
        let mut writer = flate2::write::ZlibEncoder::new(&mut packed, flate2::Compression::fast());
        std::io::Write::write_all(&mut writer, b"hello hello").expect("memory");
        writer.finish().expect("memory");
        let mut bytes = format!(
            "CHECK SPAMC/1.5\r\nCompress: zlib\r\nContent-length: {}\r\n\r\n",
            packed.len()
        )
        .into_bytes();
        bytes.extend(&packed);
        assert_eq!(
            read(&bytes).expect("good").expect("whole").message,
            b"hello hello"
        );
        assert_eq!(
            read(b"CHECK SPAMC/1.5\r\nCompress: zlib\r\n\r\nhello"),
            Err(Misfit::BadCompression)
        );
        assert_eq!(
            read(b"CHECK SPAMC/1.5\r\nCompress: lzma\r\n\r\nhello"),
            Err(Misfit::BadCompression)
        );
    }

    #[test]
    fn what_does_not_fit() {
        assert!(matches!(
            read(b"GET / HTTP/1.1\r\n\r\n"),
            Err(Misfit::NotARequest { .. })
        ));
        assert!(matches!(
            read(b"CHECK SPAMC/x\r\n\r\n"),
            Err(Misfit::NotARequest { .. })
        ));
        assert!(matches!(read(b"\xff\xfe"), Err(Misfit::NotARequest { .. })));
        assert!(matches!(
            read(b"CHECK SPAMC/1.5\r\nnonsense\r\n\r\n"),
            Err(Misfit::BadHeader { .. })
        ));
        assert!(matches!(
            read(b"CHECK SPAMC/1.5\r\nContent-length: -1\r\n\r\n"),
            Err(Misfit::BadLength { .. })
        ));
        assert_eq!(
            read(b"CHECK SPAMC/1.5\r\nContent-length: 9\r\n\r\nshort"),
            Err(Misfit::Cut {
                got: 5,
                promised: 9
            })
        );
        assert_eq!(
            read(b"CHECK SPAMC/1.5\r\nContent-length: 2\r\n\r\nlonger"),
            Err(Misfit::Overlong { promised: 2 })
        );
        assert!(matches!(
            read(b"CHECK SPAMC/1.5\r\nContent-length: 99999999999\r\n\r\n"),
            Err(Misfit::TooLong { .. })
        ));
        let endless = [
            b"CHECK SPAMC/1.5\r\n".as_slice(),
            &vec![b'x'; HEAD_BYTES_MAX],
        ]
        .concat();
        assert!(matches!(read(&endless), Err(Misfit::HeaderTooLong { .. })));
    }
}
