//! What a domain's owner can do next about what it publishes.

use std::fmt;

use mail::Known;
use mail::authentication::{Disposition, SpfResult};
use serde::Serialize;

use crate::Published;

/// Look-ups of an SPF record from which on one more include may be too many; RFC 7208 §4.6.4 allows ten.
const SPF_LOOKUPS_NEAR: u32 = 9;
/// Bits a key should have (RFC 8301 §3.2).
const KEY_BITS_WANTED: u32 = 2_048;
/// Bits of an Ed25519 key, which is short and strong.
const ED25519_BITS: u32 = 256;

/// One thing to do. Written in English by `Display`; a console has words of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// There is no SPF record.
    PublishSpf,
    /// There are several SPF records, and none counts (RFC 7208 §4.5).
    OneSpfRecord,
    /// The SPF record is wrong: why.
    MendSpf(String),
    /// The SPF record takes so many look-ups of ten.
    SpfNearLimit(u32),
    /// The SPF record lets any machine pass.
    SpfLetsAnybody,
    /// A key is too short.
    ShortKey {
        /// Which.
        selector: String,
        /// How short.
        bits: u32,
    },
    /// A key is of no use.
    UselessKey {
        /// Which.
        selector: String,
        /// Why.
        why: String,
    },
    /// Nothing is published for a key that is in use.
    MissingKey(String),
    /// There is no DMARC policy.
    PublishDmarc,
    /// The DMARC record is wrong: why.
    MendDmarc(String),
    /// Nobody hears of reports.
    NameReports,
    /// The policy asks nothing.
    AskMore,
    /// The policy is marked as being tested.
    EndTesting,
    /// Nobody hears of TLS that failed (RFC 8460).
    AskTlsReports,
    /// Mail to it can be sent in the clear (RFC 8461, RFC 7672).
    DemandTls,
}

impl Step {
    /// Its name, for words in other languages.
    pub const fn id(&self) -> &'static str {
        match self {
            Self::PublishSpf => "publish_spf",
            Self::OneSpfRecord => "one_spf_record",
            Self::MendSpf(_) => "mend_spf",
            Self::SpfNearLimit(_) => "spf_near_limit",
            Self::SpfLetsAnybody => "spf_lets_anybody",
            Self::ShortKey { .. } => "short_key",
            Self::UselessKey { .. } => "useless_key",
            Self::MissingKey(_) => "missing_key",
            Self::PublishDmarc => "publish_dmarc",
            Self::MendDmarc(_) => "mend_dmarc",
            Self::NameReports => "name_reports",
            Self::AskMore => "ask_more",
            Self::EndTesting => "end_testing",
            Self::AskTlsReports => "ask_tls_reports",
            Self::DemandTls => "demand_tls",
        }
    }

    /// The selector of the key it is about, bits or look-ups, and what is wrong: for words in other languages. Empty where there is none.
    pub fn values(&self) -> (&str, u32, &str) {
        match self {
            Self::MendSpf(why) | Self::MendDmarc(why) => ("", 0, why),
            Self::SpfNearLimit(lookups) => ("", *lookups, ""),
            Self::ShortKey { selector, bits } => (selector, *bits, ""),
            Self::UselessKey { selector, why } => (selector, 0, why),
            Self::MissingKey(selector) => (selector, 0, ""),
            _ => ("", 0, ""),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublishSpf => f.write_str(
                "publish an SPF record that names the machines that send, and ends in -all or ~all",
            ),
            Self::OneSpfRecord => {
                f.write_str("there are several SPF records, so none counts: make them one")
            }
            Self::MendSpf(why) => write!(f, "mend the SPF record: {why}"),
            Self::SpfNearLimit(lookups) => write!(
                f,
                "the SPF record takes {lookups} look-ups of 10: one include more and it is broken for everybody"
            ),
            Self::SpfLetsAnybody => {
                f.write_str("the SPF record lets anybody send: an unused machine passes it")
            }
            Self::ShortKey { selector, bits } => write!(
                f,
                "the key {selector} has {bits} bits: make one of {KEY_BITS_WANTED} (`mailvigil dkim rotate`)"
            ),
            Self::UselessKey { selector, why } => {
                write!(f, "the key {selector} is of no use: {why}")
            }
            Self::MissingKey(selector) => write!(f, "nothing is published for the key {selector}"),
            Self::PublishDmarc => f.write_str(
                "publish a DMARC policy at _dmarc, to begin with \"v=DMARC1; p=none; rua=mailto:…\" with a mailbox for reports",
            ),
            Self::MendDmarc(why) => write!(f, "mend the DMARC record: {why}"),
            Self::NameReports => f.write_str(
                "name an address for reports in the DMARC record (rua=), so that you hear who sends as you",
            ),
            Self::AskMore => f.write_str(
                "the DMARC policy asks nothing (p=none): when reports show that your own mail passes, ask for quarantine, then reject",
            ),
            Self::EndTesting => f.write_str("the DMARC policy is marked as being tested (t=y)"),
            Self::AskTlsReports => f.write_str(
                "ask for TLS reports: a TXT record at _smtp._tls, \"v=TLSRPTv1; rua=mailto:…\"",
            ),
            Self::DemandTls => f.write_str(
                "publish an MTA-STS policy (RFC 8461) or TLSA records (RFC 7672), so that mail to you cannot be sent in the clear",
            ),
        }
    }
}

impl Published {
    /// What its owner can do next, the most important first.
    pub fn next(&self) -> Vec<Step> {
        let mut steps = self.spf_steps();
        steps.extend(self.keys.iter().filter_map(|key| {
            let selector = key.selector.clone();
            match &key.bits {
                Some(Ok(ED25519_BITS)) => None,
                Some(Ok(bits)) if *bits < KEY_BITS_WANTED => Some(Step::ShortKey {
                    selector,
                    bits: *bits,
                }),
                Some(Ok(_)) => None,
                Some(Err(why)) => Some(Step::UselessKey {
                    selector,
                    why: why.clone(),
                }),
                None => (key.records == Known::Absent).then_some(Step::MissingKey(selector)),
            }
        }));
        match &self.dmarc {
            Err(None) => steps.push(Step::PublishDmarc),
            Err(Some(why)) => steps.push(Step::MendDmarc(why.clone())),
            Ok(policy) => {
                if policy.aggregate_to.is_empty() {
                    steps.push(Step::NameReports);
                }
                if policy.published == Disposition::None {
                    steps.push(Step::AskMore);
                }
                if policy.testing {
                    steps.push(Step::EndTesting);
                }
            }
        }
        // Who gets no mail need not say how it shall come.
        if matches!(self.mx, Known::Yes(_)) {
            if self.tls_reports == Known::Absent {
                steps.push(Step::AskTlsReports);
            }
            if self.mta_sts == Known::Absent {
                steps.push(Step::DemandTls);
            }
        }
        steps
    }

    fn spf_steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        match &self.spf {
            Known::Absent => steps.push(Step::PublishSpf),
            Known::Yes(records) if records.len() > 1 => steps.push(Step::OneSpfRecord),
            Known::Yes(_) | Known::Unavailable(_) | Known::NotAsked => {}
        }
        let check = &self.spf_check;
        if let (SpfResult::PermError, Some(problem)) = (check.result, &check.problem) {
            steps.push(Step::MendSpf(problem.clone()));
        } else if check.lookups >= SPF_LOOKUPS_NEAR {
            steps.push(Step::SpfNearLimit(check.lookups));
        }
        if check.result == SpfResult::Pass {
            steps.push(Step::SpfLetsAnybody);
        }
        steps
    }
}
