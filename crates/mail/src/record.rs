//! What is kept of a message: never its body, except whole in the quarantine.

use serde::{Deserialize, Serialize};

use crate::{Envelope, Facts, RecordId, Timestamp, Verdict};

/// What became of a message, as far as we decide it. Each kind has its own retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Passed on, tagged or redirected: kept as a summary for message tracking.
    Delivered,
    /// Held whole for at least one recipient.
    Quarantined,
    /// Deleted for all recipients not delivered: the summary is all that is left.
    Discarded,
    /// Refused.
    Rejected,
    /// Told to come back later.
    Deferred,
    /// We could not judge it in time or at all, and `on_failure` answered.
    Failed,
    /// It passed a mail server while nobody judged it (found in the server's log).
    Unscanned,
}

impl Fate {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 7] = [
        Self::Delivered,
        Self::Quarantined,
        Self::Discarded,
        Self::Rejected,
        Self::Deferred,
        Self::Failed,
        Self::Unscanned,
    ];

    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Quarantined => "quarantined",
            Self::Discarded => "discarded",
            Self::Rejected => "rejected",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::Unscanned => "unscanned",
        }
    }

    /// Reads the stored word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fate| fate.as_str() == text)
    }
}

/// The summary of one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name in every list, log line and page.
    pub id: RecordId,
    /// When it was judged.
    pub at: Timestamp,
    /// What became of it.
    pub fate: Fate,
    /// Who handed over what to whom.
    pub envelope: Envelope,
    /// The visible sender's first address.
    pub header_from: Option<String>,
    /// The decoded subject.
    pub subject: String,
    /// `Message-ID` without angle brackets.
    pub message_id: Option<String>,
    /// Bytes as handed over.
    pub size_bytes: u64,
    /// SHA-256 of the bytes as handed over, hexadecimal.
    pub digest: String,
    /// Why. `None` only for [`Fate::Failed`] and [`Fate::Unscanned`], where `note` says it.
    pub verdict: Option<Verdict>,
    /// What it was judged by, without any text of the message; `None` when retention removed it.
    pub facts: Option<Facts>,
    /// What else an operator should know of this record.
    pub note: Option<String>,
    /// Time from the last byte to the answer, microseconds.
    pub took_us: u64,
}
