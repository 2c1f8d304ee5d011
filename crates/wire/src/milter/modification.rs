//! Changes to a message, sent by a filter before its final answer.

use mail::Address;

use super::command::{Strings, join, text};
use super::frame::{Frame, put_frame};
use super::misbehaviour::PeerMisbehaved;
use super::negotiation::Actions;

/// A change to the message, sent before the final answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modification {
    /// Add a field at the end of the headers.
    AddHeader {
        /// Before the colon.
        name: String,
        /// After the colon and one space.
        value: String,
    },
    /// Insert a field.
    InsertHeader {
        /// Before which field, counted from 0 over all fields.
        index: u32,
        /// Before the colon.
        name: String,
        /// After the colon and one space.
        value: String,
    },
    /// Change or remove a field.
    ChangeHeader {
        /// Which of the fields of this name, counted from 1.
        index: u32,
        /// Before the colon.
        name: String,
        /// After the colon and one space; empty removes the field.
        value: String,
    },
    /// Deliver to this address too.
    AddRecipient {
        /// The address.
        address: Address,
        /// ESMTP arguments, separated by spaces.
        args: Option<String>,
    },
    /// Do not deliver to this recipient.
    DeleteRecipient(Address),
    /// Put another body in the place of the whole body.
    ReplaceBody(Vec<u8>),
    /// Change the envelope sender; `None` is the null sender.
    ChangeFrom {
        /// The new sender.
        address: Option<Address>,
        /// ESMTP arguments, separated by spaces.
        args: Option<String>,
    },
    /// Hold it in the server's own queue, for this reason.
    Quarantine(String),
}

/// Why an answer was not given. Nothing was written, the question is still open: answer otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// Nothing was asked.
    #[error("there is no such question to answer")]
    NoQuestion,
    /// The server did not offer it.
    #[error("the mail server does not allow to {what}")]
    NotNegotiated {
        /// `delete recipients`, …
        what: &'static str,
    },
    /// RFC 5322 §2.2: printable ASCII without colon.
    #[error("{name:?} is no header field name")]
    HeaderName {
        /// The name.
        name: String,
    },
    /// It would break out of its place in the envelope.
    #[error("{address:?} cannot stand in an envelope")]
    Address {
        /// The address or its arguments.
        address: String,
    },
}

/// Largest body chunk servers take.
const CHUNK_BYTES_MAX: usize = 65_535;

impl Modification {
    /// The right it needs, and its name in words.
    pub(super) const fn needs(&self) -> (Actions, &'static str) {
        match self {
            Self::AddHeader { .. } | Self::InsertHeader { .. } => {
                (Actions::ADD_HEADERS, "add header fields")
            }
            Self::ChangeHeader { .. } => (Actions::CHANGE_HEADERS, "change header fields"),
            Self::AddRecipient { args: None, .. } => (Actions::ADD_RECIPIENT, "add recipients"),
            Self::AddRecipient { args: Some(_), .. } => (
                Actions::ADD_RECIPIENT_WITH_ARGS,
                "add recipients with arguments",
            ),
            Self::DeleteRecipient(_) => (Actions::DELETE_RECIPIENT, "delete recipients"),
            Self::ReplaceBody(_) => (Actions::CHANGE_BODY, "change the body"),
            Self::ChangeFrom { .. } => (Actions::CHANGE_FROM, "change the sender"),
            Self::Quarantine(_) => (Actions::QUARANTINE, "quarantine"),
        }
    }

    /// Can it be sent without breaking out of its place?
    pub(super) fn check(&self) -> Result<(), BadAnswer> {
        match self {
            Self::AddHeader { name, .. }
            | Self::InsertHeader { name, .. }
            | Self::ChangeHeader { name, .. } => check_name(name),
            Self::AddRecipient { address, args } => check_path(address.as_str(), args.as_deref()),
            // It is only compared with what the server gave.
            Self::DeleteRecipient(_) => Ok(()),
            Self::ReplaceBody(_) | Self::Quarantine(_) => Ok(()),
            Self::ChangeFrom { address, args } => {
                let address = address.as_ref().map_or("", Address::as_str);
                check_path(address, args.as_deref())
            }
        }
    }

    /// Appends its frames. With `leading_space` (negotiated) the space after the colon is ours to write.
    pub fn encode(&self, leading_space: bool, out: &mut Vec<u8>) {
        let value_of = |value: &str| header_value(value, leading_space);
        match self {
            Self::AddHeader { name, value } => {
                put_frame(out, b'h', &[&join([name.as_str(), &value_of(value)])]);
            }
            Self::InsertHeader { index, name, value } => {
                let field = join([name.as_str(), &value_of(value)]);
                put_frame(out, b'i', &[&index.to_be_bytes(), &field]);
            }
            Self::ChangeHeader { index, name, value } => {
                let field = join([name.as_str(), &value_of(value)]);
                put_frame(out, b'm', &[&index.to_be_bytes(), &field]);
            }
            Self::AddRecipient {
                address,
                args: None,
            } => {
                put_frame(out, b'+', &[&join([path(address).as_str()])]);
            }
            Self::AddRecipient {
                address,
                args: Some(args),
            } => {
                put_frame(out, b'2', &[&join([path(address).as_str(), args])]);
            }
            Self::DeleteRecipient(address) => {
                put_frame(out, b'-', &[&join([path(address).as_str()])]);
            }
            Self::ReplaceBody(body) if body.is_empty() => put_frame(out, b'b', &[]),
            Self::ReplaceBody(body) => {
                for chunk in body.chunks(CHUNK_BYTES_MAX) {
                    put_frame(out, b'b', &[chunk]);
                }
            }
            Self::ChangeFrom { address, args } => {
                let path = address.as_ref().map_or(String::from("<>"), path);
                put_frame(
                    out,
                    b'e',
                    &[&join([path.as_str()].into_iter().chain(args.as_deref()))],
                );
            }
            Self::Quarantine(reason) => {
                let reason = reason.replace(['\r', '\n'], " ");
                put_frame(out, b'q', &[&join([reason.as_str()])]);
            }
        }
    }

    /// Reads one frame; a body may come in several.
    pub(super) fn decode(frame: Frame<'_>, leading_space: bool) -> Result<Self, PeerMisbehaved> {
        let payload = frame.payload;
        Ok(match frame.command {
            b'h' => {
                let (name, value) = decode_field(payload, leading_space)?;
                Self::AddHeader { name, value }
            }
            b'i' => {
                let (index, field) = decode_index(payload)?;
                let (name, value) = decode_field(field, leading_space)?;
                Self::InsertHeader { index, name, value }
            }
            b'm' => {
                let (index, field) = decode_index(payload)?;
                let (name, value) = decode_field(field, leading_space)?;
                Self::ChangeHeader { index, name, value }
            }
            b'+' | b'2' => {
                let (path, rest) = text(payload, "ADDRCPT", "address")?;
                let args = decode_args(rest)?;
                match address(path) {
                    Some(address) => Self::AddRecipient { address, args },
                    None => return Err(no_address()),
                }
            }
            b'-' => {
                let (path, _) = text(payload, "DELRCPT", "address")?;
                Self::DeleteRecipient(address(path).ok_or_else(no_address)?)
            }
            b'b' => Self::ReplaceBody(payload.to_vec()),
            b'e' => {
                let (path, rest) = text(payload, "CHGFROM", "address")?;
                Self::ChangeFrom {
                    address: address(path),
                    args: decode_args(rest)?,
                }
            }
            b'q' => {
                let (reason, _) = text(payload, "QUARANTINE", "reason")?;
                Self::Quarantine(String::from_utf8_lossy(reason).into_owned())
            }
            byte => return Err(PeerMisbehaved::UnknownCommand { byte }),
        })
    }
}

fn path(address: &Address) -> String {
    format!("<{address}>")
}

fn check_name(name: &str) -> Result<(), BadAnswer> {
    let good = |byte: u8| (33..=126).contains(&byte) && byte != b':';
    if !name.is_empty() && name.bytes().all(good) {
        return Ok(());
    }
    Err(BadAnswer::HeaderName {
        name: name.chars().take(80).collect(),
    })
}

fn check_path(address: &str, args: Option<&str>) -> Result<(), BadAnswer> {
    let bad_in_address = |c: char| c.is_control() || matches!(c, ' ' | '<' | '>');
    let bad_in_args = |c: char| c.is_control();
    let bad = match args {
        _ if address.contains(bad_in_address) => address,
        Some(args) if args.contains(bad_in_args) => args,
        _ => return Ok(()),
    };
    Err(BadAnswer::Address {
        address: bad.chars().take(80).collect(),
    })
}

/// A value that stays one header field: each line break is LF followed by white space, NUL is
/// gone. An empty value stays empty, because it means removal.
fn header_value(value: &str, leading_space: bool) -> String {
    let mut clean = String::with_capacity(value.len() + 1);
    if leading_space && !value.is_empty() {
        clean.push(' ');
    }
    let unix = value.replace('\0', "").replace("\r\n", "\n");
    let mut lines = unix.split(['\n', '\r']);
    clean.push_str(lines.next().unwrap_or_default());
    // A line of nothing but white space would read as the end of the headers in some servers.
    for line in lines.filter(|line| !line.trim().is_empty()) {
        clean.push('\n');
        if !line.starts_with([' ', '\t']) {
            clean.push('\t');
        }
        clean.push_str(line);
    }
    clean
}

fn no_address() -> PeerMisbehaved {
    PeerMisbehaved::TooShort {
        command: "ADDRCPT or DELRCPT",
        length: 0,
        least: 1,
    }
}

fn decode_index(payload: &[u8]) -> Result<(u32, &[u8]), PeerMisbehaved> {
    let Some((index, rest)) = payload.split_first_chunk::<4>() else {
        return Err(PeerMisbehaved::TooShort {
            command: "CHGHEADER or INSHEADER",
            length: payload.len(),
            least: 4,
        });
    };
    Ok((u32::from_be_bytes(*index), rest))
}

fn decode_field(payload: &[u8], leading_space: bool) -> Result<(String, String), PeerMisbehaved> {
    let (name, rest) = text(payload, "a header change", "name")?;
    let (value, _) = text(rest, "a header change", "value")?;
    let value = match value.strip_prefix(b" ") {
        Some(rest) if leading_space => rest,
        _ => value,
    };
    let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((read(name), read(value)))
}

fn decode_args(rest: &[u8]) -> Result<Option<String>, PeerMisbehaved> {
    if !rest.is_empty() && !rest.ends_with(b"\0") {
        return Err(PeerMisbehaved::MissingNul {
            command: "ADDRCPT or CHGFROM",
            field: "arguments",
        });
    }
    let args: Vec<_> = Strings::over(rest)
        .iter()
        .map(String::from_utf8_lossy)
        .collect();
    Ok((!args.is_empty()).then(|| args.join(" ")))
}

fn address(path: &[u8]) -> Option<Address> {
    Address::new(&String::from_utf8_lossy(path))
}
