//! Writing mail: just what reports need. Headers are short and ASCII, parts are text or base64.
//!
//! `mail-builder` was considered; a report's header must follow grammars of its own to the letter (RFC 9990 §3.5.2, RFC 8460 §5.3), and what is left is this.

use data_encoding::BASE64_MIME;

/// A mail being written.
pub(super) struct Mail {
    text: String,
    boundary: String,
}

impl Mail {
    /// Begins a mail whose parts are divided by `boundary`, which must not occur in a text part.
    pub(super) fn new(boundary: &str) -> Self {
        Self {
            text: String::new(),
            boundary: boundary.to_owned(),
        }
    }

    /// A header field. Whatever its value holds, it stays one field.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        let value: String = value
            .chars()
            .map(|c| {
                if c.is_control() || !c.is_ascii() {
                    '?'
                } else {
                    c
                }
            })
            .collect();
        self.text.push_str(&folded(name, &value));
    }

    /// Ends the header and begins the parts.
    pub(super) fn multipart(&mut self, kind: &str) {
        self.text.push_str(&format!(
            "MIME-Version: 1.0\r\nContent-Type: {kind};\r\n\tboundary=\"{}\"\r\n\r\n",
            self.boundary
        ));
    }

    /// A part of plain text.
    pub(super) fn text_part(&mut self, kind: &str, text: &str) {
        let seven_bit = text.is_ascii() && text.lines().all(|line| line.len() <= 990);
        if !seven_bit {
            self.part(kind, "", &BASE64_MIME.encode(text.as_bytes()), "base64");
            return;
        }
        let lines: Vec<&str> = text.lines().collect();
        self.part(kind, "", &lines.join("\r\n"), "7bit");
    }

    /// A file.
    pub(super) fn file(&mut self, kind: &str, name: &str, bytes: &[u8]) {
        let disposition = format!("Content-Disposition: attachment;\r\n\tfilename=\"{name}\"\r\n");
        self.part(kind, &disposition, &BASE64_MIME.encode(bytes), "base64");
    }

    fn part(&mut self, kind: &str, fields: &str, body: &str, encoding: &str) {
        let boundary = &self.boundary;
        self.text.push_str(&format!(
            "--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n{fields}\r\n{}\r\n",
            body.trim_end_matches(['\r', '\n'])
        ));
    }

    /// The whole mail.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.text.push_str(&format!("--{}--\r\n", self.boundary));
        self.text.into_bytes()
    }
}

/// `Name: value`, folded at blanks before the 78th column where there is one (RFC 5322 §2.1.1).
fn folded(name: &str, value: &str) -> String {
    let mut text = format!("{name}:");
    let mut column = text.len();
    for word in value.split(' ') {
        if column + 1 + word.len() > 78 && column > name.len() + 1 {
            text.push_str("\r\n");
            column = 0;
        }
        text.push(' ');
        text.push_str(word);
        column += 1 + word.len();
    }
    text.push_str("\r\n");
    text
}
