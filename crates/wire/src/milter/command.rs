//! What a mail server sends: one [`Command`] per frame.

use super::frame::{Frame, put_frame};
use super::misbehaviour::PeerMisbehaved;
use super::negotiation::Offer;

/// A command of the server, borrowed from its frame. Text is bytes: servers pass on what clients say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `O`: the server's offer.
    Negotiate(Offer),
    /// `D`: macros for the command that follows. `stage` is `None` for one we do not know.
    Macros {
        /// The command they belong to.
        stage: Option<Stage>,
        /// Names and values.
        pairs: Pairs<'a>,
    },
    /// `C`: a client is connected to the server.
    Connect {
        /// Its name, or its address in brackets.
        host: &'a [u8],
        /// What `address` is.
        family: Family,
        /// 0 for unix and unknown peers.
        port: u16,
        /// IP address in text, or path of a socket; empty for unknown peers.
        address: &'a [u8],
    },
    /// `H`: HELO or EHLO.
    Helo(&'a [u8]),
    /// `M`: MAIL FROM.
    Mail {
        /// With angle brackets, as given.
        path: &'a [u8],
        /// ESMTP arguments.
        args: Strings<'a>,
    },
    /// `R`: RCPT TO.
    Recipient {
        /// With angle brackets, as given.
        path: &'a [u8],
        /// ESMTP arguments.
        args: Strings<'a>,
    },
    /// `T`: DATA.
    Data,
    /// `U`: an SMTP command the server does not know.
    Unknown(&'a [u8]),
    /// `L`: one header field; lines of a folded value end in LF.
    Header {
        /// Before the colon.
        name: &'a [u8],
        /// After it.
        value: &'a [u8],
    },
    /// `N`: no more header fields.
    EndOfHeaders,
    /// `B`: a piece of the body, lines ending in CRLF.
    Body(&'a [u8]),
    /// `E`: the end of the message; may bring the last piece of the body.
    EndOfMessage(&'a [u8]),
    /// `A`: forget the message, keep the connection.
    Abort,
    /// `Q`: the conversation is over.
    Quit,
    /// `K`: the client has gone; another one follows on this conversation.
    QuitNewConnection,
}

/// Kind of a peer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `4`
    Ipv4,
    /// `6`
    Ipv6,
    /// `L`: a program on the server, through a socket file.
    Unix,
    /// `U`: a program on the server, by pipe.
    Unknown,
}

/// The command a set of macros belongs to, in the order of a conversation: a later one knows more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// `C`
    Connect,
    /// `H`
    Helo,
    /// `M`
    Mail,
    /// `R`
    Recipient,
    /// `T`
    Data,
    /// `L`
    Header,
    /// `N`
    EndOfHeaders,
    /// `B`
    Body,
    /// `E`
    EndOfMessage,
    /// `U`
    Unknown,
}

impl Stage {
    const ALL: [(Self, u8); 10] = [
        (Self::Connect, b'C'),
        (Self::Helo, b'H'),
        (Self::Mail, b'M'),
        (Self::Recipient, b'R'),
        (Self::Data, b'T'),
        (Self::Header, b'L'),
        (Self::EndOfHeaders, b'N'),
        (Self::Body, b'B'),
        (Self::EndOfMessage, b'E'),
        (Self::Unknown, b'U'),
    ];

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(_, letter)| *letter == byte);
        found.map(|(stage, _)| stage)
    }

    pub(super) fn byte(self) -> u8 {
        let found = Self::ALL.into_iter().find(|(stage, _)| *stage == self);
        found.map_or(b'U', |(_, letter)| letter)
    }
}

impl<'a> Command<'a> {
    /// Reads one frame; at most `macros_max` macros are taken at once.
    pub fn decode(frame: Frame<'a>, macros_max: usize) -> Result<Self, PeerMisbehaved> {
        let payload = frame.payload;
        Ok(match frame.command {
            b'O' => Self::Negotiate(Offer::decode(payload)?.0),
            b'D' => decode_macros(payload, macros_max)?,
            b'C' => decode_connect(payload)?,
            b'H' => Self::Helo(text(payload, "HELO", "name")?.0),
            b'M' => {
                let (path, rest) = text(payload, "MAIL", "address")?;
                let args = Strings::checked(rest, "MAIL")?;
                Self::Mail { path, args }
            }
            b'R' => {
                let (path, rest) = text(payload, "RCPT", "address")?;
                let args = Strings::checked(rest, "RCPT")?;
                Self::Recipient { path, args }
            }
            b'T' => Self::Data,
            // Sendmail has sent it with and without the final NUL; nothing depends on it.
            b'U' => Self::Unknown(payload.strip_suffix(b"\0").unwrap_or(payload)),
            b'L' => {
                let (name, rest) = text(payload, "HEADER", "name")?;
                let (value, _) = text(rest, "HEADER", "value")?;
                Self::Header { name, value }
            }
            b'N' => Self::EndOfHeaders,
            b'B' => Self::Body(payload),
            b'E' => Self::EndOfMessage(payload),
            b'A' => Self::Abort,
            b'Q' => Self::Quit,
            b'K' => Self::QuitNewConnection,
            byte => return Err(PeerMisbehaved::UnknownCommand { byte }),
        })
    }

    /// Appends the frame, as a server sends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Negotiate(offer) => offer.encode(&[], out),
            Self::Macros { stage, pairs } => {
                let stage = stage.map_or(b'?', Stage::byte);
                put_frame(out, b'D', &[&[stage], pairs.0.0]);
            }
            Self::Connect {
                host,
                family,
                port,
                address,
            } => {
                let port = port.to_be_bytes();
                match family.byte() {
                    b'U' => put_frame(out, b'C', &[host, b"\0U"]),
                    byte => put_frame(out, b'C', &[host, &[0, byte], &port, address, b"\0"]),
                }
            }
            Self::Helo(name) => put_frame(out, b'H', &[name, b"\0"]),
            Self::Mail { path, args } => put_frame(out, b'M', &[path, b"\0", args.0]),
            Self::Recipient { path, args } => put_frame(out, b'R', &[path, b"\0", args.0]),
            Self::Data => put_frame(out, b'T', &[]),
            Self::Unknown(line) => put_frame(out, b'U', &[line, b"\0"]),
            Self::Header { name, value } => put_frame(out, b'L', &[name, b"\0", value, b"\0"]),
            Self::EndOfHeaders => put_frame(out, b'N', &[]),
            Self::Body(chunk) => put_frame(out, b'B', &[chunk]),
            Self::EndOfMessage(chunk) => put_frame(out, b'E', &[chunk]),
            Self::Abort => put_frame(out, b'A', &[]),
            Self::Quit => put_frame(out, b'Q', &[]),
            Self::QuitNewConnection => put_frame(out, b'K', &[]),
        }
    }

    /// Its name in SMTP's or libmilter's words, for error texts.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Negotiate(_) => "OPTNEG",
            Self::Macros { .. } => "MACRO",
            Self::Connect { .. } => "CONNECT",
            Self::Helo(_) => "HELO",
            Self::Mail { .. } => "MAIL",
            Self::Recipient { .. } => "RCPT",
            Self::Data => "DATA",
            Self::Unknown(_) => "UNKNOWN",
            Self::Header { .. } => "HEADER",
            Self::EndOfHeaders => "EOH",
            Self::Body(_) => "BODY",
            Self::EndOfMessage(_) => "BODYEOB",
            Self::Abort => "ABORT",
            Self::Quit => "QUIT",
            Self::QuitNewConnection => "QUIT_NC",
        }
    }
}

impl Family {
    const fn byte(self) -> u8 {
        match self {
            Self::Ipv4 => b'4',
            Self::Ipv6 => b'6',
            Self::Unix => b'L',
            Self::Unknown => b'U',
        }
    }
}

/// `host NUL, family, [u16 port, address NUL]`; the bracketed part is missing for unknown peers.
fn decode_connect(payload: &[u8]) -> Result<Command<'_>, PeerMisbehaved> {
    let (host, rest) = text(payload, "CONNECT", "host name")?;
    let short = |least| PeerMisbehaved::TooShort {
        command: "CONNECT",
        length: payload.len(),
        least: host.len() + 1 + least,
    };
    let (&byte, rest) = rest.split_first().ok_or_else(|| short(1))?;
    let family = match byte {
        b'4' => Family::Ipv4,
        b'6' => Family::Ipv6,
        b'L' => Family::Unix,
        b'U' => {
            return Ok(Command::Connect {
                host,
                family: Family::Unknown,
                port: 0,
                address: b"",
            });
        }
        byte => return Err(PeerMisbehaved::UnknownFamily { byte }),
    };
    let (port, rest) = rest.split_first_chunk::<2>().ok_or_else(|| short(4))?;
    let (address, _) = text(rest, "CONNECT", "address")?;
    Ok(Command::Connect {
        host,
        family,
        port: u16::from_be_bytes(*port),
        address,
    })
}

/// `command byte, (name NUL, value NUL)*`
fn decode_macros(payload: &[u8], macros_max: usize) -> Result<Command<'_>, PeerMisbehaved> {
    let (&byte, rest) = payload.split_first().ok_or(PeerMisbehaved::TooShort {
        command: "MACRO",
        length: 0,
        least: 1,
    })?;
    let strings = Strings::checked(rest, "MACRO")?;
    let count = strings.iter().count();
    if count > macros_max.saturating_mul(2) {
        return Err(PeerMisbehaved::TooManyMacros { limit: macros_max });
    }
    if count % 2 != 0 {
        return Err(PeerMisbehaved::MacroWithoutValue);
    }
    Ok(Command::Macros {
        stage: Stage::from_byte(byte),
        pairs: Pairs(strings),
    })
}

/// Splits at the first NUL.
pub(super) fn text<'a>(
    payload: &'a [u8],
    command: &'static str,
    field: &'static str,
) -> Result<(&'a [u8], &'a [u8]), PeerMisbehaved> {
    let Some(end) = payload.iter().position(|byte| *byte == 0) else {
        return Err(PeerMisbehaved::MissingNul { command, field });
    };
    Ok((&payload[..end], &payload[end + 1..]))
}

/// `(text NUL)*`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strings<'a>(&'a [u8]);

impl<'a> Strings<'a> {
    /// Texts each ended by NUL; a last one without NUL is an error.
    fn checked(bytes: &'a [u8], command: &'static str) -> Result<Self, PeerMisbehaved> {
        match bytes.last() {
            None | Some(0) => Ok(Self(bytes)),
            Some(_) => Err(PeerMisbehaved::MissingNul {
                command,
                field: "last text",
            }),
        }
    }

    /// Each text, without its NUL.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.0.strip_suffix(b"\0");
        bytes
            .into_iter()
            .flat_map(|bytes| bytes.split(|byte| *byte == 0))
    }
}

/// `(name NUL, value NUL)*`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairs<'a>(Strings<'a>);

impl<'a> Pairs<'a> {
    /// Each name with its value.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut strings = self.0.iter();
        std::iter::from_fn(move || Some((strings.next()?, strings.next()?)))
    }
}

/// Texts to send, each ended by NUL. A text holding NUL is cut there: it cannot be sent.
pub(super) fn join<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for one in texts {
        let end = one.find('\0').unwrap_or(one.len());
        bytes.extend_from_slice(&one.as_bytes()[..end]);
        bytes.push(0);
    }
    bytes
}

impl<'a> Strings<'a> {
    /// Over bytes made by [`join`].
    pub(super) fn over(joined: &'a [u8]) -> Self {
        debug_assert!(joined.last().is_none_or(|byte| *byte == 0));
        Self(joined)
    }
}

impl<'a> Pairs<'a> {
    /// Over bytes made by [`join`] of names and values in turn.
    pub(super) fn over(joined: &'a [u8]) -> Self {
        Self(Strings::over(joined))
    }
}
