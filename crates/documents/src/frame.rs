//! What goes between the service and its readers: lengths and bytes.

use serde::{Deserialize, Serialize};

/// Longest header of a question, bytes.
pub(crate) const HEADER_MAX: usize = 64 << 10;

/// What is asked of a reader; the bytes of the part follow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    pub name: Option<String>,
    pub declared: String,
    pub limits: mail::Limits,
}

/// Two lengths, then what they measure.
pub(crate) fn lengths(header: usize, body: usize) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&(header as u32).to_le_bytes());
    bytes[4..].copy_from_slice(&(body as u32).to_le_bytes());
    bytes
}

/// And back.
pub(crate) fn read_lengths(bytes: [u8; 8]) -> (usize, usize) {
    let (header, body) = bytes.split_at(4);
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    (number(header), number(body))
}
