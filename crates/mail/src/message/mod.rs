//! The message, read: header fields, parts, their decoded text, and what was odd about it.
//!
//! [`Message::read`] never fails: a broken message is the normal case, and what is broken is recorded
//! as an [`Oddity`]. Parsing itself is `mail-parser`'s; everything that protects us from hostile
//! input stands here.

use serde::{Deserialize, Serialize};

use crate::text::Text;
use crate::{Address, Timestamp};

// In the order of reading.
mod guard;
mod read;

mod header;
mod received;

mod charset;
mod open;
mod parts;

mod contact;
mod kind;
mod link;
mod reading;

mod skim;

#[cfg(test)]
mod tests;

pub use contact::{Contact, ContactKind};
pub use guard::body_start;
pub use header::{Field, Fields};
pub use kind::{Finding, OLE, RTF, ZIP, ending, is_disguised, is_program, real_type, runs_by_name};
pub use link::{Link, LinkFrom, LinkOddity, registered};
pub use open::{Opened, OpenedPart, PartBytes, part_bytes};
pub use parts::{PlainText, plain_text};
pub use reading::{Inside, Reading};
pub use skim::{Skim, SkimField, SkimPart};

/// One message as read from its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Bytes as handed over.
    pub size_bytes: u64,
    /// SHA-256 of the bytes as handed over, lower-case hexadecimal.
    pub digest: String,
    /// Header fields in order, top first.
    pub headers: Vec<Header>,
    /// Mailboxes of `From`: the visible sender.
    pub header_from: Vec<Mailbox>,
    /// Mailboxes of `Sender`.
    pub header_sender: Vec<Mailbox>,
    /// Mailboxes of `Reply-To`.
    pub reply_to: Vec<Mailbox>,
    /// Mailboxes of `To`.
    pub header_to: Vec<Mailbox>,
    /// Mailboxes of `Cc`.
    pub cc: Vec<Mailbox>,
    /// Words of its body that are seen.
    #[serde(default)]
    pub visible_words: u32,
    /// The decoded subject; empty when there is none.
    pub subject: String,
    /// `Date`, when it can be read.
    pub date: Option<Timestamp>,
    /// `Message-ID` without angle brackets.
    pub message_id: Option<String>,
    /// The path it says it took, last hop first.
    pub received: Vec<Hop>,
    /// MIME parts, depth first; nested messages' parts included.
    pub parts: Vec<Part>,
    /// Where it leads, each place once.
    #[serde(default)]
    pub links: Vec<Link>,
    /// What it asks to be answered by or paid to.
    #[serde(default)]
    pub contacts: Vec<Contact>,
    /// How often its text hides words: characters without width inside them, letters of other scripts, spaced-out words.
    #[serde(default)]
    pub disguises: u32,
    /// Words of HTML that are there and not seen.
    #[serde(default)]
    pub hidden_words: u32,
    /// What was odd, in the order met, each once.
    pub oddities: Vec<Oddity>,
}

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// As written.
    pub name: String,
    /// Unfolded; encoded words decoded; unlabelled 8-bit text decoded by guess.
    pub value: String,
}

/// One mailbox of an address header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// The decoded display name.
    pub name: Option<String>,
    /// The address, when there is one.
    pub address: Option<Address>,
}

/// One `Received` field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// What the sending side called itself (`from NAME`).
    pub helo_name: Option<String>,
    /// Its name by reverse look-up, as the receiving side noted it.
    pub ptr_name: Option<String>,
    /// Its address, as the receiving side noted it.
    pub ip: Option<std::net::IpAddr>,
    /// The receiving side (`by NAME`).
    pub by: Option<String>,
    /// `ESMTPS`, `ESMTPSA`, …
    pub with: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
}

/// One leaf of the MIME tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its place: `1`, `2.1`; a nested message's parts continue the number of the part that holds it. What is inside a
    /// container stands behind a slash: `2/1` is the first file of the archive `2`.
    pub path: String,
    /// Declared type in lower case: `text/plain`; `text/plain` when nothing is declared.
    pub content_type: String,
    /// Declared charset.
    pub charset: Option<String>,
    /// File name from `Content-Disposition` or the type's `name`.
    pub file_name: Option<String>,
    /// Is it meant to be read in place (body), or is it an attachment?
    pub role: Role,
    /// Decoded bytes.
    pub size_bytes: u64,
    /// What its bytes are, whatever is declared; `None` for plain text and for what is not known.
    #[serde(default)]
    pub real_type: Option<String>,
    /// What was found out by looking into it, each once.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Decoded text when the part carries text, HTML reduced to what is read. Never recorded: it is
    /// the content of somebody's mail (see `Record`).
    #[serde(skip)]
    pub text: Option<Text>,
    /// Text of HTML that is there and not seen. Never recorded.
    #[serde(skip)]
    pub hidden: Option<Text>,
}

/// What a part is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Text meant to be read on opening.
    Body,
    /// A file.
    Attachment,
}

/// Something about the message that well-made messages do not have. Never an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    /// It could not be read as a message at all; its bytes are searched as text.
    Unreadable,
    /// No header field at all.
    NoHeader,
    /// A NUL byte somewhere.
    NulByte,
    /// A line feed without carriage return, or the other way round, in what came over the wire.
    BareLineEnding,
    /// A line longer than the 998 bytes of RFC 5322 §2.1.1.
    LongLine,
    /// 8-bit bytes in the header.
    EightBitHeader,
    /// No `From`, or more than one `From` field (RFC 5322 §3.6).
    FromCount,
    /// No `Date`, or it cannot be read.
    NoDate,
    /// No `Message-ID`.
    NoMessageId,
    /// Subject or sender encoded though they are plain ASCII.
    NeedlessEncoding,
    /// A field that may stand once stands more often (subject, to, message-id, …).
    RepeatedField,
    /// A declared charset that does not exist.
    UnknownCharset,
    /// Text that does not fit its declared charset; another was guessed.
    WrongCharset,
    /// base64 or quoted-printable that does not decode.
    BadEncoding,
    /// The plain text of a letter says something else than its page.
    AlternativesDiffer,
    /// A multipart without its boundary, or never closed.
    BrokenMultipart,
    /// Nested deeper than the limit; the rest is opaque.
    TooDeep,
    /// More parts than the limit; the rest was not looked at.
    TooManyParts,
    /// More header fields than the limit; the rest was not looked at.
    TooManyHeaders,
    /// A header value or a text longer than the limit; the rest was not looked at.
    Cut,
}

/// The bytes of a part that needs a reader of its own: a document, an archive, a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its place in [`Message::parts`].
    pub part: usize,
    /// Its decoded bytes.
    pub bytes: Vec<u8>,
}

/// `MacroRunsItself` is `macro-runs-itself`.
fn kebab(camel: &str) -> String {
    let mut name = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

impl Oddity {
    /// `BadEncoding` is `bad-encoding`, as everywhere in records.
    pub fn name(self) -> String {
        kebab(&format!("{self:?}"))
    }
}

impl LinkOddity {
    /// `OddPort` is `odd-port`, as everywhere in records.
    pub fn name(self) -> String {
        kebab(&format!("{self:?}"))
    }
}

impl ContactKind {
    /// `bitcoin`, `phone`, …
    pub fn name(self) -> String {
        kebab(&format!("{self:?}"))
    }
}

impl Part {
    /// Notes a finding once.
    pub fn found(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

impl Message {
    /// The first value of the named header field, case-insensitively.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str())
    }

    /// All values of the named header field, top first.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str())
    }
}
