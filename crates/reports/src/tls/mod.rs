//! The TLS report (RFC 8460): how often mail to a domain could be sent encrypted, and what was in the way.

use mail::Timestamp;
use serde::{Deserialize, Serialize};

mod read;
mod write;

pub use read::read;
pub(crate) use read::read_json;

/// One report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsReport {
    /// Who reports.
    pub organisation: String,
    /// Whom to ask.
    pub contact: Option<String>,
    /// What the reporter calls this report.
    pub report_id: String,
    /// Begin of the time it covers.
    pub begin: Timestamp,
    /// End of the time it covers.
    pub end: Timestamp,
    /// What happened, by policy.
    pub policies: Vec<PolicyResult>,
}

/// What happened under one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyResult {
    /// The kind of policy.
    pub kind: PolicyKind,
    /// The policy itself, line by line.
    pub lines: Vec<String>,
    /// Whose policy it is.
    pub domain: String,
    /// The mail servers it names.
    pub mx_hosts: Vec<String>,
    /// Sessions that were encrypted as the policy wants.
    pub successful: u64,
    /// Sessions that were not.
    pub failed: u64,
    /// What was in the way.
    pub failures: Vec<Failure>,
}

/// What was in the way of some sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In RFC 8460's words where they have one.
    pub kind: FailureKind,
    /// Address of the sending server.
    pub sending_ip: Option<String>,
    /// Name of the receiving server.
    pub receiving_mx: Option<String>,
    /// What it called itself in its greeting.
    pub receiving_helo: Option<String>,
    /// Address of the receiving server.
    pub receiving_ip: Option<String>,
    /// Sessions.
    pub sessions: u64,
    /// More about it.
    pub information: Option<String>,
    /// Code of the sending server's TLS library.
    pub reason_code: Option<String>,
}

/// Kinds of policy (RFC 8460 §4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum PolicyKind {
    /// DANE.
    Tlsa,
    /// MTA-STS.
    Sts,
    /// None was found.
    #[default]
    NoPolicyFound,
    /// A word RFC 8460 does not have.
    Other(String),
}

impl From<PolicyKind> for String {
    fn from(kind: PolicyKind) -> Self {
        match kind {
            PolicyKind::Tlsa => "tlsa".into(),
            PolicyKind::Sts => "sts".into(),
            PolicyKind::NoPolicyFound => "no-policy-found".into(),
            PolicyKind::Other(word) => word,
        }
    }
}

impl From<String> for PolicyKind {
    fn from(word: String) -> Self {
        match word.as_str() {
            "tlsa" => Self::Tlsa,
            "sts" => Self::Sts,
            "no-policy-found" | "" => Self::NoPolicyFound,
            _ => Self::Other(word),
        }
    }
}

/// What can be in the way (RFC 8460 §4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum FailureKind {
    /// The server does not offer STARTTLS.
    StartTlsNotSupported,
    /// The certificate is for another name.
    CertificateHostMismatch,
    /// The certificate has expired.
    CertificateExpired,
    /// Nobody we trust vouches for the certificate.
    CertificateNotTrusted,
    /// Something else about TLS.
    #[default]
    ValidationFailure,
    /// No TLSA record fits, or it is broken.
    TlsaInvalid,
    /// DNSSEC does not hold.
    DnssecInvalid,
    /// DANE was required, and there is none.
    DaneRequired,
    /// The MTA-STS policy could not be fetched.
    StsPolicyFetchError,
    /// The MTA-STS policy is broken.
    StsPolicyInvalid,
    /// The server of the MTA-STS policy has no good certificate.
    StsWebpkiInvalid,
    /// A word RFC 8460 does not have.
    Other(String),
}

/// The words of [`FailureKind`].
const FAILURE_WORDS: [(&str, FailureKind); 11] = [
    ("starttls-not-supported", FailureKind::StartTlsNotSupported),
    (
        "certificate-host-mismatch",
        FailureKind::CertificateHostMismatch,
    ),
    ("certificate-expired", FailureKind::CertificateExpired),
    (
        "certificate-not-trusted",
        FailureKind::CertificateNotTrusted,
    ),
    ("validation-failure", FailureKind::ValidationFailure),
    ("tlsa-invalid", FailureKind::TlsaInvalid),
    ("dnssec-invalid", FailureKind::DnssecInvalid),
    ("dane-required", FailureKind::DaneRequired),
    ("sts-policy-fetch-error", FailureKind::StsPolicyFetchError),
    ("sts-policy-invalid", FailureKind::StsPolicyInvalid),
    ("sts-webpki-invalid", FailureKind::StsWebpkiInvalid),
];

impl From<FailureKind> for String {
    fn from(kind: FailureKind) -> Self {
        match FAILURE_WORDS.iter().find(|(_, known)| *known == kind) {
            Some((word, _)) => (*word).to_owned(),
            None => match kind {
                FailureKind::Other(word) => word,
                _ => Self::new(),
            },
        }
    }
}

impl From<String> for FailureKind {
    fn from(word: String) -> Self {
        match FAILURE_WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, kind)) => kind.clone(),
            None => Self::Other(word),
        }
    }
}

impl TlsReport {
    /// Sessions that were encrypted as the policies want.
    pub fn successful(&self) -> u64 {
        let counts = self.policies.iter().map(|policy| policy.successful);
        counts.fold(0, u64::saturating_add)
    }

    /// Sessions that were not.
    pub fn failed(&self) -> u64 {
        let counts = self.policies.iter().map(|policy| policy.failed);
        counts.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests;
