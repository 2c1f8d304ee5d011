//! What is agreed before anything else: version, what the filter may do, what the server leaves out,
//! and which macros it sends.

use super::command::{Stage, text};
use super::frame::put_frame;
use super::misbehaviour::PeerMisbehaved;

/// The newest version known, spoken by Sendmail 8.14 and Postfix 2.6 and later.
const VERSION_MAX: u32 = 6;
/// Version 1 died with Sendmail 8.11 and has no end-of-headers step.
const VERSION_MIN: u32 = 2;

macro_rules! bits {
    ($(#[$doc:meta])* $name:ident { $($(#[$bit_doc:meta])* $bit:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(pub u32);

        impl $name {
            $($(#[$bit_doc])* pub const $bit: Self = Self($value);)*

            /// Are all of `other`'s bits here?
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The bits that are here and there.
            #[must_use]
            pub const fn and(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// The bits that are here or there.
            #[must_use]
            pub const fn or(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    };
}

bits! {
    /// What a filter may do at the end of a message (`SMFIF_…`).
    Actions {
        /// Add and insert header fields.
        ADD_HEADERS = 0x001,
        /// Replace the body.
        CHANGE_BODY = 0x002,
        /// Add recipients.
        ADD_RECIPIENT = 0x004,
        /// Delete recipients.
        DELETE_RECIPIENT = 0x008,
        /// Change and delete header fields.
        CHANGE_HEADERS = 0x010,
        /// Put the message into the server's own quarantine.
        QUARANTINE = 0x020,
        /// Change the envelope sender.
        CHANGE_FROM = 0x040,
        /// Add recipients with ESMTP arguments.
        ADD_RECIPIENT_WITH_ARGS = 0x080,
        /// Say which macros to send at which stage.
        SET_MACRO_LISTS = 0x100,
    }
}

bits! {
    /// What the server can leave out, and other abilities of the protocol (`SMFIP_…`).
    Steps {
        /// Do not send the connection.
        NO_CONNECT = 0x00_0001,
        /// Do not send HELO.
        NO_HELO = 0x00_0002,
        /// Do not send the sender.
        NO_MAIL = 0x00_0004,
        /// Do not send recipients.
        NO_RECIPIENTS = 0x00_0008,
        /// Do not send the body.
        NO_BODY = 0x00_0010,
        /// Do not send header fields.
        NO_HEADERS = 0x00_0020,
        /// Do not send the end of headers.
        NO_END_OF_HEADERS = 0x00_0040,
        /// Expect no answer to a header field.
        NO_REPLY_HEADER = 0x00_0080,
        /// Do not send unknown SMTP commands.
        NO_UNKNOWN = 0x00_0100,
        /// Do not send DATA.
        NO_DATA = 0x00_0200,
        /// Body chunks may be answered by "skip the rest".
        SKIP = 0x00_0400,
        /// Send rejected recipients too.
        REJECTED_RECIPIENTS = 0x00_0800,
        /// Expect no answer to the connection.
        NO_REPLY_CONNECT = 0x00_1000,
        /// Expect no answer to HELO.
        NO_REPLY_HELO = 0x00_2000,
        /// Expect no answer to the sender.
        NO_REPLY_MAIL = 0x00_4000,
        /// Expect no answer to a recipient.
        NO_REPLY_RECIPIENT = 0x00_8000,
        /// Expect no answer to DATA.
        NO_REPLY_DATA = 0x01_0000,
        /// Expect no answer to an unknown command.
        NO_REPLY_UNKNOWN = 0x02_0000,
        /// Expect no answer to the end of headers.
        NO_REPLY_END_OF_HEADERS = 0x04_0000,
        /// Expect no answer to a body chunk.
        NO_REPLY_BODY = 0x08_0000,
        /// Header values come and go with the white space after the colon.
        LEADING_SPACE = 0x10_0000,
    }
}

/// Actions we ask for where the server offers them. The body is never changed: ordinary mail passes
/// byte-identical, so that right is not even asked for.
const WANTED_ACTIONS: Actions = Actions::ADD_HEADERS
    .or(Actions::ADD_RECIPIENT)
    .or(Actions::DELETE_RECIPIENT)
    .or(Actions::CHANGE_HEADERS)
    .or(Actions::QUARANTINE)
    .or(Actions::CHANGE_FROM)
    .or(Actions::SET_MACRO_LISTS);

/// Steps we ask for where the server offers them: no answers except where we are asked something
/// (a recipient, the end of the message), exact header bytes (DKIM's `simple` form needs them), and
/// no unknown commands. Each answer saved is a round trip.
/// Over TCP it needs TCP_QUICKACK after each read on our side: the server's next small frame waits for our
/// acknowledgement, which the kernel otherwise holds back 40 ms for an answer that never comes.
const WANTED_STEPS: Steps = Steps::NO_UNKNOWN
    .or(Steps::SKIP)
    .or(Steps::NO_REPLY_CONNECT)
    .or(Steps::NO_REPLY_HELO)
    .or(Steps::NO_REPLY_MAIL)
    .or(Steps::NO_REPLY_DATA)
    .or(Steps::NO_REPLY_UNKNOWN)
    .or(Steps::NO_REPLY_HEADER)
    .or(Steps::NO_REPLY_END_OF_HEADERS)
    .or(Steps::NO_REPLY_BODY)
    .or(Steps::LEADING_SPACE);

/// Which macros to send at which stage: `(stage number of libmilter's SMFIM_…, names)`.
pub type MacroLists = Vec<(u32, String)>;

/// The macros we read, by stage. A stage not listed keeps the server's own list.
const WANTED_MACROS: [(u32, &str); 6] = [
    (0, "j {daemon_name} {daemon_addr} v _"),
    (1, "{tls_version} {cipher}"),
    (2, "i {auth_type} {auth_authen}"),
    (3, "i"),
    (4, "i"),
    (5, "i"),
];

/// The payload both sides start with: `u32 version, u32 actions, u32 steps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The protocol version, 2 to 6.
    pub version: u32,
    /// From the server: allowed. From the filter: what it may do.
    pub actions: Actions,
    /// From the server: possible. From the filter: wanted.
    pub steps: Steps,
}

impl Offer {
    /// As Postfix 3.7 offers it.
    pub const POSTFIX: Self = Self {
        version: 6,
        actions: Actions(0x1ff),
        steps: Steps(0x1f_ffff),
    };

    /// As Sendmail 8.13 and other servers that speak version 2 only.
    pub const VERSION_2: Self = Self {
        version: 2,
        actions: Actions(0x3f),
        steps: Steps(0x7f),
    };

    /// Reads the three numbers; what follows them is given back.
    pub(super) fn decode(payload: &[u8]) -> Result<(Self, &[u8]), PeerMisbehaved> {
        let Some((numbers, rest)) = payload.split_at_checked(12) else {
            return Err(PeerMisbehaved::TooShort {
                command: "OPTNEG",
                length: payload.len(),
                least: 12,
            });
        };
        let mut numbers = numbers.chunks_exact(4).map(|number| {
            let in_order = number.iter().map(|byte| u32::from(*byte));
            in_order.fold(0, |sum, byte| (sum << 8) | byte)
        });
        let mut next = || numbers.next().unwrap_or_default();
        let offer = Self {
            version: next(),
            actions: Actions(next()),
            steps: Steps(next()),
        };
        Ok((offer, rest))
    }

    /// Appends the frame `O`, with the macro lists of a filter's choice behind it (`u32 stage,
    /// names NUL` each).
    pub(super) fn encode(&self, macro_lists: &[(u32, &str)], out: &mut Vec<u8>) {
        let mut payload = Vec::with_capacity(12);
        payload.extend_from_slice(&self.version.to_be_bytes());
        payload.extend_from_slice(&self.actions.0.to_be_bytes());
        payload.extend_from_slice(&self.steps.0.to_be_bytes());
        for (stage, names) in macro_lists {
            payload.extend_from_slice(&stage.to_be_bytes());
            payload.extend_from_slice(names.as_bytes());
            payload.push(0);
        }
        put_frame(out, b'O', &[&payload]);
    }
}

/// What was agreed: never more than the server offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The version spoken, 2 to 6.
    pub version: u32,
    /// What we may do at the end of a message.
    pub actions: Actions,
    /// What is left out, and how header values are written.
    pub steps: Steps,
}

impl Negotiated {
    /// Our choice from a server's offer.
    pub(super) fn choose(offer: &Offer) -> Result<Self, PeerMisbehaved> {
        if offer.version < VERSION_MIN {
            return Err(PeerMisbehaved::VersionTooOld {
                offered: offer.version,
                least: VERSION_MIN,
            });
        }
        Ok(Self {
            version: offer.version.min(VERSION_MAX),
            actions: offer.actions.and(WANTED_ACTIONS),
            steps: offer.steps.and(WANTED_STEPS),
        })
    }

    /// Appends the frame that tells the server.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let offer = Offer {
            version: self.version,
            actions: self.actions,
            steps: self.steps,
        };
        let lists: &[(u32, &str)] = if self.may(Actions::SET_MACRO_LISTS) {
            &WANTED_MACROS
        } else {
            &[]
        };
        offer.encode(lists, out);
    }

    /// Was this action agreed on?
    pub const fn may(&self, action: Actions) -> bool {
        self.actions.contains(action)
    }

    /// Was this step agreed on?
    pub const fn has(&self, step: Steps) -> bool {
        self.steps.contains(step)
    }
}

/// libmilter's number of a stage in macro lists; stages without one use their neighbour's.
pub(super) const fn list_number(stage: Stage) -> Option<u32> {
    match stage {
        Stage::Connect => Some(0),
        Stage::Helo => Some(1),
        Stage::Mail => Some(2),
        Stage::Recipient => Some(3),
        Stage::Data => Some(4),
        Stage::EndOfMessage | Stage::Body => Some(5),
        Stage::EndOfHeaders | Stage::Header => Some(6),
        Stage::Unknown => None,
    }
}

/// `(u32 stage, names NUL)*`
pub(super) fn read_macro_lists(mut rest: &[u8]) -> Result<MacroLists, PeerMisbehaved> {
    let mut lists = Vec::new();
    while !rest.is_empty() {
        let Some((number, names)) = rest.split_first_chunk::<4>() else {
            return Err(PeerMisbehaved::TooShort {
                command: "a macro list",
                length: rest.len(),
                least: 4,
            });
        };
        let (names, behind) = text(names, "a macro list", "names")?;
        let names = String::from_utf8_lossy(names).into_owned();
        lists.push((u32::from_be_bytes(*number), names));
        rest = behind;
    }
    Ok(lists)
}
