//! What a client sends: lines, and after DATA a message up to CR LF `.` CR LF. Nothing else ends it, and nothing in it is changed but the doubled
//! dot: servers that read a bare LF as a line end let one message be taken for two.

/// Bytes from a client, cut anywhere.
#[derive(Debug)]
pub struct Intake {
    buffer: Vec<u8>,
    line_bytes_max: usize,
}

/// A line that does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("500 5.5.2 Line too long")]
pub struct LineTooLong;

/// A message while it comes in.
#[derive(Debug)]
pub struct Incoming {
    /// Dots undone; empty once it is too long.
    message: Vec<u8>,
    size_bytes: u64,
    bytes_max: usize,
    /// How much of CR LF `.` CR LF has been seen, of which dot and what follows are not in `message` yet.
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Cr,
    CrLf,
    Dot,
    DotCr,
}

/// A message that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Byte for byte; `None` when it was longer than may be.
    pub message: Option<Vec<u8>>,
    /// Its size all the same.
    pub size_bytes: u64,
}

impl Intake {
    /// Nothing yet. Commands may be so long, without the line end.
    pub const fn new(line_bytes_max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            line_bytes_max,
        }
    }

    /// Takes what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Is anything there that was not taken yet?
    pub const fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next whole line, without its end.
    pub fn line(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n');
        if end.unwrap_or(self.buffer.len()) > self.line_bytes_max + 1 {
            return Err(LineTooLong);
        }
        let Some(end) = end else { return Ok(None) };
        let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    /// Moves what came into the message; gives it when it is complete. What stands behind it stays.
    pub fn message(&mut self, incoming: &mut Incoming) -> Option<Received> {
        for (at, byte) in self.buffer.iter().enumerate() {
            if incoming.take(*byte) {
                self.buffer.drain(..=at);
                return Some(incoming.finish());
            }
        }
        self.buffer.clear();
        None
    }
}

impl Incoming {
    /// A message of at most so many bytes.
    pub const fn new(bytes_max: usize) -> Self {
        Self {
            message: Vec::new(),
            size_bytes: 0,
            bytes_max,
            // The end may follow DATA at once: an empty message.
            seen: Seen::CrLf,
        }
    }

    /// Bytes held.
    pub fn held_bytes(&self) -> usize {
        self.message.len()
    }

    /// Keeps nothing more of it: there is no room.
    pub fn drop_message(&mut self) {
        self.bytes_max = 0;
        self.message = Vec::new();
    }

    /// Takes a byte; true at the end.
    fn take(&mut self, byte: u8) -> bool {
        match (self.seen, byte) {
            (Seen::CrLf, b'.') => {
                self.seen = Seen::Dot;
                return false;
            }
            (Seen::Dot, b'\r') => {
                self.seen = Seen::DotCr;
                return false;
            }
            (Seen::DotCr, b'\n') => return true,
            // The dot was not the end. RFC 5321 §4.5.2: a dot that begins a line is taken off, whatever follows.
            (Seen::DotCr, _) => {
                self.keep(b'\r');
                self.seen = Seen::Cr;
            }
            _ => {}
        }
        self.keep(byte);
        self.seen = match (self.seen, byte) {
            (_, b'\r') => Seen::Cr,
            (Seen::Cr, b'\n') => Seen::CrLf,
            _ => Seen::Nothing,
        };
        false
    }

    fn keep(&mut self, byte: u8) {
        self.size_bytes += 1;
        if self.size_bytes > self.bytes_max as u64 {
            self.message = Vec::new();
        } else {
            self.message.push(byte);
        }
    }

    fn finish(&mut self) -> Received {
        let message = std::mem::take(&mut self.message);
        Received {
            message: (self.size_bytes <= self.bytes_max as u64).then_some(message),
            size_bytes: self.size_bytes,
        }
    }
}

/// The message as it goes over the wire: dots doubled, CR LF at the end of lines, and the end. Bare CR and bare LF become CR LF
/// (RFC 5321 §2.3.8): the next server must not read them otherwise than we do.
pub fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 50 + 8);
    let mut line_start = true;
    let mut at = 0;
    while at < message.len() {
        let byte = message[at];
        match byte {
            b'\r' | b'\n' => {
                out.extend_from_slice(b"\r\n");
                at += 1 + usize::from(byte == b'\r' && message.get(at + 1) == Some(&b'\n'));
                line_start = true;
                continue;
            }
            b'.' if line_start => out.extend_from_slice(b".."),
            _ => out.push(byte),
        }
        line_start = false;
        at += 1;
    }
    if !line_start {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8], piece: usize) -> (Option<Received>, Vec<u8>) {
        let mut intake = Intake::new(100);
        let mut incoming = Incoming::new(1000);
        let mut done = None;
        for piece in bytes.chunks(piece) {
            intake.push(piece);
            if done.is_none() {
                done = intake.message(&mut incoming);
            }
        }
        (done, intake.buffer)
    }

    #[test]
    fn only_one_thing_ends_a_message() {
        let whole = |message: &[u8]| Received {
            message: Some(message.to_vec()),
            size_bytes: message.len() as u64,
        };
        let (done, rest) = read(b"a\r\n..b\r\n.\r\nRSET\r\n", 3);
        assert_eq!(
            (done, rest.as_slice()),
            (Some(whole(b"a\r\n.b\r\n")), b"RSET\r\n".as_slice())
        );
        assert_eq!(read(b".\r\n", 1).0, Some(whole(b"")));
        for smuggled in [
            b"a\n.\r\nMAIL".as_slice(),
            b"a\r\n.\nMAIL",
            b"a\n.\nMAIL",
            b"a\r.\rMAIL",
            b"a\r\n.\rMAIL",
        ] {
            assert_eq!(read(smuggled, 1).0, None, "{smuggled:?}");
        }
        // RFC 5321 takes the dot that begins a line off even when it is alone with a bare line end.
        assert_eq!(
            read(b"a\r\n.\rb\r\n.\r\n", 2).0,
            Some(whole(b"a\r\n\rb\r\n"))
        );
    }

    #[test]
    fn what_is_too_long_is_counted_and_not_kept() {
        let mut bytes = vec![b'x'; 2000];
        bytes.extend(b"\r\n.\r\n");
        let (done, _) = read(&bytes, 64);
        assert_eq!(
            done,
            Some(Received {
                message: None,
                size_bytes: 2002
            })
        );
        let mut intake = Intake::new(10);
        intake.push(b"QUIT\r\nxxxxxxxxxxxxxxxxx");
        assert_eq!(intake.line(), Ok(Some(b"QUIT".to_vec())));
        assert_eq!(intake.line(), Err(LineTooLong));
    }

    proptest! {
        #[test]
        fn what_goes_out_comes_in_again(lines in proptest::collection::vec("[.a ]{0,4}", 0..8), piece in 1_usize..9) {
            let message = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>().into_bytes();
            let mut wire = dot_stuffed(&message);
            wire.extend(b"QUIT\r\n");
            let (done, rest) = read(&wire, piece);
            prop_assert_eq!(done.and_then(|done| done.message), Some(message));
            prop_assert_eq!(rest.as_slice(), b"QUIT\r\n".as_slice());
        }
    }
}
