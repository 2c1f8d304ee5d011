//! DMARC's aggregate report: who was seen sending as a domain, how it authenticated, and what was done about it.
//!
//! The words are those of RFC 9990 §3.1. [`read`] takes that and everything that RFC 7489 and its drafts made people send; [`Aggregate::to_xml`] writes RFC
//! 9990 only, and never `envelope_to`: the recipients' domains are nobody's business.

use std::net::IpAddr;

use mail::Timestamp;
use serde::{Deserialize, Serialize};

mod draft;
mod read;
mod values;
mod words;
mod write;

pub use read::read;
pub(crate) use read::read_xml;
pub use words::{
    Alignment, Discovery, Disposition, DkimOutcome, OverrideKind, SpfOutcome, SpfScope,
};
pub use write::NAMESPACE;

/// One report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregate {
    /// Who reports.
    pub reporter: Reporter,
    /// What the reporter calls this report; the same name twice is the same report twice.
    pub report_id: String,
    /// Begin of the time it covers.
    pub begin: Timestamp,
    /// End of the time it covers.
    pub end: Timestamp,
    /// What was wrong with the domain's policy record.
    pub errors: Vec<String>,
    /// The policy that was found.
    pub policy: Published,
    /// What was seen.
    pub rows: Vec<Row>,
}

/// Who reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reporter {
    /// Name of the organisation.
    pub organisation: String,
    /// Whom to ask.
    pub email: String,
    /// Where to learn more.
    pub extra_contact: Option<String>,
    /// Name and version of the program (RFC 9990).
    pub generator: Option<String>,
}

/// The policy as the reporter found it in DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Where the record stands.
    pub domain: String,
    /// `p`
    pub policy: Disposition,
    /// `sp`: for subdomains.
    pub subdomain_policy: Option<Disposition>,
    /// `np`: for subdomains that do not exist (RFC 9989).
    pub absent_subdomain_policy: Option<Disposition>,
    /// `adkim`
    pub dkim_alignment: Option<Alignment>,
    /// `aspf`
    pub spf_alignment: Option<Alignment>,
    /// `fo`: when failure reports are wanted.
    pub failure_options: Option<String>,
    /// `t=y`: the policy is published but shall not be applied (RFC 9989).
    pub testing: Option<bool>,
    /// How the record was found (RFC 9990).
    pub discovery: Option<Discovery>,
    /// `pct` (RFC 7489 only).
    pub percent: Option<u8>,
}

/// So many messages from one machine that fared alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The machine.
    pub source_ip: IpAddr,
    /// Messages.
    pub messages: u64,
    /// What was done with them.
    pub disposition: Disposition,
    /// Did an aligned DKIM signature pass?
    pub dkim_aligned: bool,
    /// Did an aligned SPF check pass?
    pub spf_aligned: bool,
    /// Why something else was done than the policy asks.
    pub overrides: Vec<Override>,
    /// Domain of the visible sender.
    pub header_from: String,
    /// Domain of the envelope sender; empty for the null sender.
    pub envelope_from: Option<String>,
    /// Domain of the recipients, where the reporter says it. Never written.
    pub envelope_to: Option<String>,
    /// What became of the signatures.
    pub dkim: Vec<DkimResult>,
    /// What SPF said. RFC 9990 has one, RFC 7489 sometimes two.
    pub spf: Vec<SpfResult>,
}

/// Why a policy was not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// In DMARC's words.
    pub kind: OverrideKind,
    /// In the reporter's words.
    pub comment: Option<String>,
}

/// One signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DkimResult {
    /// `d=`
    pub domain: String,
    /// `s=`; often left out before RFC 9990 asked for it.
    pub selector: Option<String>,
    /// What the check said.
    pub outcome: DkimOutcome,
    /// More about it, for people.
    pub explanation: Option<String>,
}

/// One SPF check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpfResult {
    /// The domain checked.
    pub domain: String,
    /// Where the domain came from.
    pub scope: Option<SpfScope>,
    /// What the check said.
    pub outcome: SpfOutcome,
    /// More about it, for people.
    pub explanation: Option<String>,
}

impl Aggregate {
    /// Messages in all.
    pub fn messages(&self) -> u64 {
        self.count(|_| true)
    }

    /// Messages that passed DMARC: by DKIM or by SPF, aligned.
    pub fn passed(&self) -> u64 {
        self.count(Row::passes)
    }

    fn count(&self, fits: impl Fn(&Row) -> bool) -> u64 {
        let fitting = self.rows.iter().filter(|row| fits(row));
        fitting.fold(0, |sum, row| sum.saturating_add(row.messages))
    }
}

impl Row {
    /// A row about a machine, with nothing said yet.
    pub fn new(source_ip: IpAddr, messages: u64, header_from: &str) -> Self {
        Self {
            source_ip,
            messages,
            disposition: Disposition::None,
            dkim_aligned: false,
            spf_aligned: false,
            overrides: Vec::new(),
            header_from: header_from.to_owned(),
            envelope_from: None,
            envelope_to: None,
            dkim: Vec::new(),
            spf: Vec::new(),
        }
    }

    /// Did its messages pass DMARC?
    pub const fn passes(&self) -> bool {
        self.dkim_aligned || self.spf_aligned
    }
}

#[cfg(test)]
mod tests;
