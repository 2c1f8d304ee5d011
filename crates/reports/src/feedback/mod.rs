//! The report about one message: somebody called it spam (ARF, RFC 5965), or it failed to be authentic (RFC 6591, RFC 9991).
//!
//! Nothing here says to whom the message went. Reading counts the recipients such a report names and drops them; writing never has them, and what it
//! quotes of the message is chosen field by field and redacted ([`Redactor`], RFC 6590).

use std::net::IpAddr;

use mail::Timestamp;
use serde::{Deserialize, Serialize};

mod read;
mod redact;
mod write;

pub use read::read;
pub use redact::Redactor;

/// One report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// What it is about.
    pub kind: FeedbackKind,
    /// The program that made it.
    pub user_agent: Option<String>,
    /// When the message arrived.
    pub arrival: Option<Timestamp>,
    /// The machine that handed it over.
    pub source_ip: Option<IpAddr>,
    /// The envelope sender; empty for the null sender.
    pub envelope_from: Option<String>,
    /// The receiving server's name for the message.
    pub envelope_id: Option<String>,
    /// The receiving server.
    pub reporting_mta: Option<String>,
    /// Domains it is about.
    pub domains: Vec<String>,
    /// Links it is about.
    pub uris: Vec<String>,
    /// What the receiving server found out about authenticity.
    pub authentication_results: Vec<String>,
    /// How many messages like this there were.
    pub incidents: u64,
    /// How many recipients the report named.
    pub recipients: u32,
    /// What failed, when it is about that.
    pub failure: Option<Failure>,
    /// The message itself, as far as it is quoted.
    pub original: Original,
}

/// What failed to be authentic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was checked.
    pub checks: Vec<FailedCheck>,
    /// What was done with the message.
    pub delivery: Option<Delivery>,
    /// DKIM did not vouch for the visible sender's organisation (RFC 9991).
    pub dkim_unaligned: bool,
    /// SPF did not vouch for the visible sender's organisation (RFC 9991).
    pub spf_unaligned: bool,
    /// `d=` of the signature.
    pub dkim_domain: Option<String>,
    /// `i=` of the signature.
    pub dkim_identity: Option<String>,
    /// `s=` of the signature.
    pub dkim_selector: Option<String>,
    /// The SPF records that were asked for.
    pub spf_records: Vec<String>,
}

/// What is known of the message that is reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    /// Domain of the visible sender.
    pub header_from_domain: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// Its `Message-ID`, without angle brackets.
    pub message_id: Option<String>,
}

/// Makes an enum of words that may also be another one.
macro_rules! open_words {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident = $written:literal $(| $alias:literal)*,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", from = "String")]
        pub enum $name {
            $($(#[$meaning])* $variant,)*
            /// A word the standards do not have.
            Other(String),
        }

        impl $name {
            /// As it is written.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $written,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.to_ascii_lowercase().as_str() {
                    $($written $(| $alias)* => Self::$variant,)*
                    _ => Self::Other(word),
                }
            }
        }
    };
}

open_words! {
    /// What a report is about (RFC 5965 §7.3, RFC 6591).
    FeedbackKind {
        /// Somebody did not want it.
        Abuse = "abuse",
        /// It deceives.
        Fraud = "fraud",
        /// It carries a virus.
        Virus = "virus",
        /// It was wrongly taken for spam.
        NotSpam = "not-spam",
        /// Somebody wants no more of it.
        OptOut = "opt-out" | "opt-out-list",
        /// It failed to be authentic.
        AuthFailure = "auth-failure",
    }
}

open_words! {
    /// What failed (RFC 6591 §3.3, RFC 9991 §3).
    FailedCheck {
        /// The visible sender's domain says that all its mail is signed (RFC 5617).
        Adsp = "adsp",
        /// The body is not the one that was signed.
        BodyHash = "bodyhash",
        /// The key was withdrawn.
        Revoked = "revoked",
        /// The signature does not fit.
        Signature = "signature",
        /// The machine may not send for the domain.
        Spf = "spf",
        /// Nothing authentic belongs to the visible sender.
        Dmarc = "dmarc",
    }
}

open_words! {
    /// What was done with a message (RFC 6591 §3.2.2).
    Delivery {
        /// It was delivered.
        Delivered = "delivered",
        /// It was delivered as spam.
        Spam = "spam",
        /// It was handled as the domain's policy asks.
        Policy = "policy",
        /// It was refused.
        Reject = "reject",
    }
}

impl Default for FeedbackKind {
    /// What RFC 5965 §7.3 means by "any other feedback that does not fit".
    fn default() -> Self {
        Self::Other("other".into())
    }
}

impl Failure {
    /// `Identity-Alignment` (RFC 9991 §4).
    pub fn unaligned(&self) -> &'static str {
        match (self.dkim_unaligned, self.spf_unaligned) {
            (true, true) => "dkim, spf",
            (true, false) => "dkim",
            (false, true) => "spf",
            (false, false) => "none",
        }
    }
}

#[cfg(test)]
mod tests;
