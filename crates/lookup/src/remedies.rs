//! What a domain's owner can do next about what it publishes.

use std::fmt;

use mail::authentication::{Disposition, SpfResult};
use mail::{Domain, Known};
use serde::Serialize;

use crate::Published;

/// Look-ups of an SPF record from which on one more include may be too many; RFC 7208 §4.6.4 allows ten.
const SPF_LOOKUPS_NEAR: u32 = 9;
/// Bits a key should have (RFC 8301 §3.2).
const KEY_BITS_WANTED: u32 = 2_048;
/// Bits of an Ed25519 key, which is short and strong.
const ED25519_BITS: u32 = 256;

/// One thing that mends something. Written in English by `Display`; a console has words of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
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
    /// This domain has no DMARC policy.
    PublishDmarc(Domain),
    /// The DMARC record is wrong: why.
    MendDmarc(String),
    /// Nobody hears of reports.
    NameReports,
    /// The policy asks nothing.
    AskMore,
    /// The policy is marked as being tested.
    EndTesting,
    /// Nobody hears of TLS that failed on the way to this domain (RFC 8460).
    AskTlsReports(Domain),
    /// Mail to it can be sent in the clear (RFC 8461, RFC 7672).
    DemandTls,
}

impl Remedy {
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
            Self::PublishDmarc(_) => "publish_dmarc",
            Self::MendDmarc(_) => "mend_dmarc",
            Self::NameReports => "name_reports",
            Self::AskMore => "ask_more",
            Self::EndTesting => "end_testing",
            Self::AskTlsReports(_) => "ask_tls_reports",
            Self::DemandTls => "demand_tls",
        }
    }

    /// What words in other languages are filled with: `domain`, `selector`, `why` (texts of strangers), and the number `n`.
    pub fn values(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::MendSpf(why) | Self::MendDmarc(why) => vec![("why", why.clone())],
            Self::SpfNearLimit(lookups) => vec![("n", lookups.to_string())],
            Self::ShortKey { selector, bits } => {
                vec![("selector", selector.clone()), ("n", bits.to_string())]
            }
            Self::UselessKey { selector, why } => {
                vec![("selector", selector.clone()), ("why", why.clone())]
            }
            Self::MissingKey(selector) => vec![("selector", selector.clone())],
            Self::PublishDmarc(domain) | Self::AskTlsReports(domain) => {
                vec![("domain", domain.to_string())]
            }
            Self::PublishSpf
            | Self::OneSpfRecord
            | Self::SpfLetsAnybody
            | Self::NameReports
            | Self::AskMore
            | Self::EndTesting
            | Self::DemandTls => Vec::new(),
        }
    }
}

impl fmt::Display for Remedy {
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
            Self::PublishDmarc(domain) => write!(
                f,
                "publish a DMARC policy: _dmarc.{domain} TXT \"v=DMARC1; p=none; rua=mailto:dmarc@{domain}\""
            ),
            Self::MendDmarc(why) => write!(f, "mend the DMARC record: {why}"),
            Self::NameReports => f.write_str(
                "name an address for reports in the DMARC record (rua=), so that you hear who sends as you",
            ),
            Self::AskMore => f.write_str(
                "the DMARC policy asks nothing (p=none): when reports show that your own mail passes, ask for quarantine, then reject",
            ),
            Self::EndTesting => f.write_str("the DMARC policy is marked as being tested (t=y)"),
            Self::AskTlsReports(domain) => write!(
                f,
                "ask for TLS reports: _smtp._tls.{domain} TXT \"v=TLSRPTv1; rua=mailto:tls@{domain}\""
            ),
            Self::DemandTls => f.write_str(
                "publish an MTA-STS policy (RFC 8461) or TLSA records (RFC 7672), so that mail to you cannot be sent in the clear",
            ),
        }
    }
}

impl Published {
    /// What its owner can do next, the most important first.
    pub fn remedies(&self) -> Vec<Remedy> {
        let mut remedies = self.spf_remedies();
        remedies.extend(self.keys.iter().filter_map(|key| {
            let selector = key.selector.clone();
            match &key.bits {
                Some(Ok(ED25519_BITS)) => None,
                Some(Ok(bits)) if *bits < KEY_BITS_WANTED => Some(Remedy::ShortKey {
                    selector,
                    bits: *bits,
                }),
                Some(Ok(_)) => None,
                Some(Err(why)) => Some(Remedy::UselessKey {
                    selector,
                    why: why.clone(),
                }),
                None => (key.records == Known::Absent).then_some(Remedy::MissingKey(selector)),
            }
        }));
        match &self.dmarc {
            Err(None) => remedies.push(Remedy::PublishDmarc(self.domain.clone())),
            Err(Some(why)) => remedies.push(Remedy::MendDmarc(why.clone())),
            Ok(policy) => {
                if policy.aggregate_to.is_empty() {
                    remedies.push(Remedy::NameReports);
                }
                if policy.published == Disposition::None {
                    remedies.push(Remedy::AskMore);
                }
                if policy.testing {
                    remedies.push(Remedy::EndTesting);
                }
            }
        }
        // Who gets no mail need not say how it shall come.
        if matches!(self.mx, Known::Yes(_)) {
            if self.tls_reports == Known::Absent {
                remedies.push(Remedy::AskTlsReports(self.domain.clone()));
            }
            if self.mta_sts == Known::Absent {
                remedies.push(Remedy::DemandTls);
            }
        }
        remedies
    }

    fn spf_remedies(&self) -> Vec<Remedy> {
        let mut remedies = Vec::new();
        match &self.spf {
            Known::Absent => remedies.push(Remedy::PublishSpf),
            Known::Yes(records) if records.len() > 1 => remedies.push(Remedy::OneSpfRecord),
            Known::Yes(_) | Known::Unavailable(_) | Known::NotAsked => {}
        }
        let check = &self.spf_check;
        if let (SpfResult::PermError, Some(problem)) = (check.result, &check.problem) {
            remedies.push(Remedy::MendSpf(problem.clone()));
        } else if check.lookups >= SPF_LOOKUPS_NEAR {
            remedies.push(Remedy::SpfNearLimit(check.lookups));
        }
        if check.result == SpfResult::Pass {
            remedies.push(Remedy::SpfLetsAnybody);
        }
        remedies
    }
}

#[cfg(test)]
mod tests {
    use mail::authentication::Spf;

    use super::*;
    use crate::PublishedKey;

    fn bare() -> Published {
        let domain = Domain::parse("example.org").expect("a domain");
        Published {
            organisation: domain.clone(),
            domain,
            mx: Known::Absent,
            spf: Known::Absent,
            spf_check: Spf::new(SpfResult::None),
            dmarc: Err(None),
            keys: Vec::new(),
            tls_reports: Known::Absent,
            mta_sts: Known::Absent,
        }
    }

    fn ids(published: &Published) -> Vec<&'static str> {
        published.remedies().iter().map(Remedy::id).collect()
    }

    #[test]
    fn who_publishes_nothing_begins_with_spf_and_dmarc_and_who_gets_mail_with_tls() {
        assert_eq!(ids(&bare()), ["publish_spf", "publish_dmarc"]);
        let mut published = bare();
        published.mx = Known::Yes(vec!["mx.example.org".to_owned()]);
        assert_eq!(
            ids(&published),
            [
                "publish_spf",
                "publish_dmarc",
                "ask_tls_reports",
                "demand_tls"
            ]
        );
        let told = published.remedies()[1].to_string();
        assert!(told.contains("_dmarc.example.org TXT"), "{told}");
    }

    #[test]
    fn what_dns_could_not_tell_is_nobody_s_fault() {
        let why = || Known::Unavailable("no answer".to_owned());
        let mut published = bare();
        (published.spf, published.mx) = (why(), Known::Yes(Vec::new()));
        (published.tls_reports, published.mta_sts) = (why(), why());
        published.dmarc = Err(Some("no answer".to_owned()));
        published.keys = vec![PublishedKey {
            selector: "a".to_owned(),
            records: why(),
            bits: None,
        }];
        assert_eq!(ids(&published), ["mend_dmarc"]);
    }

    #[test]
    fn records_at_their_limits() {
        let with = |result, lookups, problem: Option<&str>| {
            let mut published = bare();
            published.spf = Known::Yes(vec!["v=spf1 -all".to_owned()]);
            published.spf_check = Spf {
                lookups,
                problem: problem.map(str::to_owned),
                ..Spf::new(result)
            };
            ids(&published)
        };
        let dmarc = "publish_dmarc";
        assert_eq!(with(SpfResult::Fail, 8, None), [dmarc]);
        assert_eq!(with(SpfResult::Fail, 9, None), ["spf_near_limit", dmarc]);
        assert_eq!(
            with(SpfResult::PermError, 11, Some("too many look-ups")),
            ["mend_spf", dmarc]
        );
        assert_eq!(with(SpfResult::Pass, 0, None), ["spf_lets_anybody", dmarc]);

        let mut published = bare();
        let key = |bits| PublishedKey {
            selector: "a".to_owned(),
            records: Known::Yes(vec![String::new()]),
            bits: Some(bits),
        };
        published.keys = [Ok(256), Ok(1_024), Ok(2_048), Err("revoked".to_owned())]
            .map(key)
            .to_vec();
        published.keys.push(PublishedKey {
            selector: "b".to_owned(),
            records: Known::Absent,
            bits: None,
        });
        published.spf = Known::Yes(vec![String::new(), String::new()]);
        assert_eq!(
            ids(&published),
            [
                "one_spf_record",
                "short_key",
                "useless_key",
                "missing_key",
                dmarc
            ]
        );
    }
}
