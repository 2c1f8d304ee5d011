//! Formats of reports about mail, read and written: what others saw of our domains, and what we saw of theirs.
//!
//! [`Aggregate`] is DMARC's daily report (RFC 9990, and RFC 7489 as it occurs in the wild), [`Feedback`] the report about one message
//! (ARF, RFC 5965; authentication failures, RFC 6591 and RFC 9991), [`TlsReport`] the one about TLS (RFC 8460), and [`Usage`] ours: who
//! sends as a domain, by outbound server. They travel by mail: [`letter`] recognises, opens and builds such mail, [`destination`] says
//! where a domain wants its reports and whether the place agreed.
//!
//! Everything here is a function of its arguments: no file, no socket, no clock, no name server. Reading never panics, never allocates past
//! `mail::Limits`, and says beside the report what was wrong with it ([`Read::notes`]); writing says nothing about recipients.

// The formats.
pub mod aggregate;
pub mod feedback;
pub mod tls;
pub mod usage;

// How they travel.
pub mod destination;
pub mod letter;

// What all readers share.
mod notes;
mod time;
mod unpack;
mod xml;

pub use aggregate::Aggregate;
pub use feedback::Feedback;
pub use notes::{Notes, Read};
pub use tls::TlsReport;
pub use unpack::unpack;
pub use usage::Usage;

/// Why something could not be read as a report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Larger than `limits.report_bytes_max`.
    #[error("is {bytes} bytes, more than limits.report_bytes_max ({limit})")]
    TooLarge {
        /// What came.
        bytes: usize,
        /// What is read.
        limit: usize,
    },
    /// Unpacks to more than `limits.report_unpacked_bytes_max`.
    #[error("unpacks to more than limits.report_unpacked_bytes_max ({limit} bytes)")]
    Bomb {
        /// What is unpacked.
        limit: usize,
    },
    /// Holds more than `limits.report_records_max` allows.
    #[error("holds more than limits.report_records_max ({limit}) allows")]
    TooMany {
        /// What is kept.
        limit: usize,
    },
    /// Compressed data that is none.
    #[error("cannot be unpacked: {0}")]
    NotPacked(&'static str),
    /// It is not what it should be.
    #[error("is no report: {0}")]
    NotAReport(&'static str),
    /// Something without which the rest means nothing.
    #[error("does not say {0}")]
    Missing(&'static str),
    /// JSON that is none.
    #[error("is no JSON: {0}")]
    NotJson(String),
}
