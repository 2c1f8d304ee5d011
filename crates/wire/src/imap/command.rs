//! What is said to a server.

use data_encoding::BASE64_NOPAD;

/// Longest string sent between quotes; longer ones go as literals.
const QUOTED_MAX: usize = 500;

/// One command. What a server has to agree to first (a literal) parts it into pieces: the next is sent after the server's `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    tag: String,
    pieces: Vec<Vec<u8>>,
}

impl Command {
    /// `words` are the command and arguments that need no quoting.
    pub fn new(tag: &str, words: &str) -> Self {
        Self {
            tag: tag.to_owned(),
            pieces: vec![format!("{tag} {words}").into_bytes()],
        }
    }

    /// Further arguments that need no quoting.
    #[must_use]
    pub fn words(mut self, words: &str) -> Self {
        self.put(b" ");
        self.put(words.as_bytes());
        self
    }

    /// An argument of any bytes but NUL, which no string can hold (RFC 3501, section 4.3): those are left out.
    #[must_use]
    pub fn string(mut self, text: &[u8]) -> Self {
        self.put(b" ");
        let plain = |byte: &u8| (0x20..0x7f).contains(byte);
        if text.len() <= QUOTED_MAX && text.iter().all(plain) {
            let mut quoted = vec![b'"'];
            for byte in text {
                if matches!(byte, b'"' | b'\\') {
                    quoted.push(b'\\');
                }
                quoted.push(*byte);
            }
            quoted.push(b'"');
            self.put(&quoted);
        } else {
            let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != 0).collect();
            self.put(format!("{{{}}}\r\n", text.len()).as_bytes());
            self.pieces.push(text);
        }
        self
    }

    /// The tag its end is told under.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// What is sent, piece by piece.
    pub fn pieces(mut self) -> Vec<Vec<u8>> {
        self.put(b"\r\n");
        self.pieces
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(last) = self.pieces.last_mut() {
            last.extend_from_slice(bytes);
        }
    }
}

/// A mailbox's name as servers write it: modified UTF-7 (RFC 3501, section 5.1.3).
pub fn mailbox_name(name: &str) -> String {
    let mut written = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    let flush = |shifted: &mut Vec<u8>, written: &mut String| {
        if !shifted.is_empty() {
            written.push('&');
            written.push_str(&BASE64_NOPAD.encode(shifted).replace('/', ","));
            written.push('-');
            shifted.clear();
        }
    };
    for c in name.chars() {
        if (' '..='~').contains(&c) {
            flush(&mut shifted, &mut written);
            written.push(c);
            if c == '&' {
                written.push('-');
            }
        } else {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            shifted.extend(units.flat_map(|unit| unit.to_be_bytes()));
        }
    }
    flush(&mut shifted, &mut written);
    written
}
