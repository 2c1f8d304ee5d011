//! Models as files: versioned, checked, bound to the installation that learnt them.
//!
//! ```text
//! "mailvigil model\n"  version u16  kind u16  key u64  length u64  payload  SHA-256 of all before
//! ```
//! Numbers are little-endian. A file that was cut short, changed, made by another version or learnt under another key is refused; nothing of it is used.

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::Key;

const MAGIC: &[u8; 16] = b"mailvigil model\n";
/// Features, weights and format of this version. Raised whenever a message would be seen or learnt otherwise than before: weights of another view mean
/// nothing, and nodes that learn by other rules never come to one model.
const VERSION: u16 = 4;
const HEAD_BYTES: usize = 16 + 2 + 2 + 8 + 8;
const SUM_BYTES: usize = 32;

/// Which model a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Content = 1,
    Course = 2,
}

/// Why a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// It is something else.
    #[error("this is no model")]
    NotAModel,
    /// Made by another version.
    #[error("this model has version {found}; this program reads {VERSION}")]
    OtherVersion {
        /// Its version.
        found: u16,
    },
    /// A model of another kind.
    #[error("this is a model of another kind")]
    OtherKind,
    /// Learnt under another key.
    #[error("this model was learnt by another installation: its words mean nothing here")]
    OtherInstallation,
    /// Not all of it is there.
    #[error("this model is cut short: {found} of {declared} bytes")]
    CutShort {
        /// Bytes there should be.
        declared: u64,
        /// Bytes there are.
        found: u64,
    },
    /// It was changed.
    #[error("this model is damaged: its checksum is wrong")]
    Damaged,
    /// The checksum is right and the content is not: it was made by a faulty or hostile program.
    #[error("this model says what cannot be")]
    Senseless,
}

/// Wraps a payload.
pub(crate) fn seal(kind: Kind, key: &Key, payload: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEAD_BYTES + payload.len() + SUM_BYTES);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&(kind as u16).to_le_bytes());
    file.extend_from_slice(&key.fingerprint().to_le_bytes());
    file.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    file.extend_from_slice(payload);
    let sum = Sha256::digest(&file);
    file.extend_from_slice(&sum);
    file
}

/// How long a file says that it is, with head and sum; `None` when it has no head.
pub(crate) fn length(file: &[u8]) -> Option<usize> {
    let mut reader = Reader(file.get(HEAD_BYTES - 8..)?);
    let payload = usize::try_from(reader.u64()?).ok()?;
    payload.checked_add(HEAD_BYTES + SUM_BYTES)
}

/// The payload of a file, if it may be used.
pub(crate) fn open<'f>(kind: Kind, key: &Key, file: &'f [u8]) -> Result<&'f [u8], Refused> {
    let mut reader = Reader(file);
    if reader.take(MAGIC.len()) != Some(MAGIC) {
        return Err(Refused::NotAModel);
    }
    let cut_short = |declared: u64| Refused::CutShort {
        declared,
        found: file.len() as u64,
    };
    let short_head = || cut_short((HEAD_BYTES + SUM_BYTES) as u64);
    let version = reader.u16().ok_or_else(short_head)?;
    if version != VERSION {
        return Err(Refused::OtherVersion { found: version });
    }
    if reader.u16().ok_or_else(short_head)? != kind as u16 {
        return Err(Refused::OtherKind);
    }
    let made_by = reader.u64().ok_or_else(short_head)?;
    let length = reader.u64().ok_or_else(short_head)?;
    let declared = length.saturating_add((HEAD_BYTES + SUM_BYTES) as u64);
    if (file.len() as u64) < declared {
        return Err(cut_short(declared));
    }
    let (before, sum) = file.split_at(file.len() - SUM_BYTES);
    if file.len() as u64 != declared || Sha256::digest(before).as_slice() != sum {
        return Err(Refused::Damaged);
    }
    if made_by != key.fingerprint() {
        return Err(Refused::OtherInstallation);
    }
    Ok(&before[HEAD_BYTES..])
}

/// Reads numbers off the front of bytes.
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl<'b> Reader<'b> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
