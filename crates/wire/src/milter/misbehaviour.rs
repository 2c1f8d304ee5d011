//! What a mail server can do wrong, one name per sin.

use super::frame::FrameError;

/// What a mail server did that the protocol does not allow. The connection cannot go on after it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerMisbehaved {
    /// The bytes are no frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// No command of any version known.
    #[error("unknown command byte 0x{byte:02x}")]
    UnknownCommand {
        /// The byte.
        byte: u8,
    },
    /// The payload ends before its fixed part does.
    #[error("{command} carries {length} bytes; the least is {least}")]
    TooShort {
        /// Name of the command.
        command: &'static str,
        /// Bytes of payload received.
        length: usize,
        /// Bytes of payload it must have.
        least: usize,
    },
    /// A text is not ended by NUL.
    #[error("the {field} of {command} is not ended by NUL")]
    MissingNul {
        /// Name of the command.
        command: &'static str,
        /// Which text.
        field: &'static str,
    },
    /// Macro names and values come in pairs.
    #[error("a macro name comes without a value")]
    MacroWithoutValue,
    /// More than `Limits::milter_macros_max` in one frame.
    #[error("more than {limit} macros at once")]
    TooManyMacros {
        /// The limit.
        limit: usize,
    },
    /// The peer's address is of no family known.
    #[error("CONNECT names the unknown address family 0x{byte:02x}")]
    UnknownFamily {
        /// The byte.
        byte: u8,
    },
    /// Refused, because a peer without address counts as a program on the server itself.
    #[error("CONNECT brings {text:?}, which is no IP address")]
    BadPeerAddress {
        /// The text, cut.
        text: String,
    },
    /// The server speaks only versions nobody uses.
    #[error("the server offers milter version {offered}; the least is {least}")]
    VersionTooOld {
        /// What it offers.
        offered: u32,
        /// What we need.
        least: u32,
    },
    /// A command where it has no meaning.
    #[error("{command} came {phase}")]
    OutOfOrder {
        /// Name of the command.
        command: &'static str,
        /// Where the conversation stood: `before the negotiation`, `after the headers`, …
        phase: &'static str,
    },
    /// It goes on talking while it must wait for an answer.
    #[error("{waiting} bytes came while an answer was awaited; at most {limit} are kept")]
    DidNotWait {
        /// Bytes that would have to be kept.
        waiting: usize,
        /// How many are.
        limit: usize,
    },
}
