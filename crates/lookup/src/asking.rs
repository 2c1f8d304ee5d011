//! Questions about a domain that belong to no message: for reports, and for people who look after a domain.

use std::time::Duration;

use mail::authentication::{DmarcPolicy, Spf};
use mail::{Domain, Known, Timestamp};
use serde::Serialize;
use tokio::time::Instant;

use crate::dmarc::{NoPolicy, Organisation, discover};
use crate::dns::{Name, Questions, Resolver, Unanswered};
use crate::sign::check_record;
use crate::spf;

/// A machine nobody has (RFC 5737): asked about it, a record that ends in `-all` is evaluated to its end.
const NOBODY: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// What a domain publishes about its mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Which domain.
    pub domain: Domain,
    /// Whose it is, by the tree walk.
    pub organisation: Domain,
    /// Its mail servers, the preferred first.
    pub mx: Known<Vec<String>>,
    /// Its SPF records; more than one is an error.
    pub spf: Known<Vec<String>>,
    /// The SPF record, evaluated to its end: look-ups used, and what is wrong.
    pub spf_check: Spf,
    /// The DMARC policy that applies to it, or why there is none.
    pub dmarc: Result<DmarcPolicy, Option<String>>,
    /// The keys asked for.
    pub keys: Vec<PublishedKey>,
    /// Where it wants TLS reports (RFC 8460 §3).
    pub tls_reports: Known<Vec<String>>,
    /// Its MTA-STS record (RFC 8461 §3.1).
    pub mta_sts: Known<Vec<String>>,
}

/// A key at a selector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublishedKey {
    /// Which.
    pub selector: String,
    /// The records there; more than one is an error.
    pub records: Known<Vec<String>>,
    /// Bits of the key, or what is wrong with it, of a single record.
    pub bits: Option<Result<u32, String>>,
}

impl Resolver {
    /// Asks for everything a domain publishes about its mail, and for the keys at these selectors.
    pub async fn published(
        &self,
        domain: &Domain,
        selectors: &[String],
        now: Timestamp,
    ) -> Published {
        let deadline = self.soon();
        let organisation_asked = Questions::new(self, deadline);
        let others = Questions::new(self, deadline);
        let spf_asked = Questions::new(self, deadline);
        let organisation = Organisation::of(&organisation_asked, domain.clone()).await;
        let dmarc = discover(&organisation_asked, &organisation).await;
        let name = Name::from(domain);
        let mx = servers(&others, &name).await;
        let sending = spf::Sending {
            ip: NOBODY,
            helo_name: domain.as_str(),
            local: "postmaster",
            domain: domain.as_str(),
            receiver: "localhost",
            now,
        };
        let spf_check = spf::check(&spf_asked, &sending).await;
        let mut keys = Vec::with_capacity(selectors.len());
        for selector in selectors {
            keys.push(key(&Questions::new(self, deadline), domain, selector).await);
        }
        let below = async |label: &str, begin: &str| texts(&others, label, domain, begin).await;
        Published {
            domain: domain.clone(),
            organisation: organisation.domain.clone(),
            mx,
            spf: beginning(
                others.txt(&name).await.map(|answer| strings(&answer)),
                "v=spf1",
            ),
            spf_check,
            dmarc: dmarc.map_err(NoPolicy::problem),
            keys,
            tls_reports: below("_smtp._tls", "v=TLSRPTv1").await,
            mta_sts: below("_mta-sts", "v=STSv1").await,
        }
    }

    /// A domain's mail servers, the preferred first, and where it wants TLS reports (RFC 8460 §3).
    pub async fn tls_reporting(&self, domain: &Domain) -> (Known<Vec<String>>, Known<Vec<String>>) {
        let questions = Questions::new(self, self.soon());
        let wanted = texts(&questions, "_smtp._tls", domain, "v=TLSRPTv1").await;
        (servers(&questions, &Name::from(domain)).await, wanted)
    }

    /// The SPF record of a domain, when it has one and no more.
    pub async fn spf_record(&self, domain: &Domain) -> Option<String> {
        let questions = Questions::new(self, self.soon());
        let answer = questions.txt(&Name::from(domain)).await;
        match beginning(answer.map(|answer| strings(&answer)), "v=spf1") {
            Known::Yes(records) => <[String; 1]>::try_from(records).ok().map(|[record]| record),
            Known::Absent | Known::Unavailable(_) | Known::NotAsked => None,
        }
    }

    /// Texts of a name, all of them.
    pub async fn texts(&self, name: &Domain) -> Known<Vec<String>> {
        let questions = Questions::new(self, self.soon());
        let answer = questions.txt(&Name::from(name)).await;
        beginning(answer.map(|answer| strings(&answer)), "")
    }

    /// Are two domains of one organisation (RFC 9989 §4.10.2)?
    pub async fn same_organisation(&self, one: &Domain, other: &Domain) -> bool {
        if one == other {
            return true;
        }
        let deadline = self.soon();
        let questions = Questions::new(self, deadline);
        let organisation = Organisation::of(&questions, one.clone()).await;
        let theirs = Organisation::of(&Questions::new(self, deadline), other.clone()).await;
        organisation.domain == theirs.domain
    }

    fn soon(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.limits().lookup_ms)
    }
}

async fn servers(questions: &Questions<'_>, name: &Name) -> Known<Vec<String>> {
    match questions.mx(name).await {
        Ok(hosts) if hosts.is_empty() => Known::Absent,
        Ok(hosts) => Known::Yes(hosts),
        Err(Unanswered(why)) => Known::Unavailable(why),
    }
}

async fn key(questions: &Questions<'_>, domain: &Domain, selector: &str) -> PublishedKey {
    let records = texts(questions, &format!("{selector}._domainkey"), domain, "").await;
    let bits = match &records {
        Known::Yes(records) => match records.as_slice() {
            [record] => match check_record(record.as_bytes()) {
                Some(checked) => Some(checked.map_err(|problem| problem.to_string())),
                None => Some(Err("is no key record".to_owned())),
            },
            _ => Some(Err("there are several records, so none counts".to_owned())),
        },
        Known::Absent | Known::Unavailable(_) | Known::NotAsked => None,
    };
    PublishedKey {
        selector: selector.to_owned(),
        records,
        bits,
    }
}

/// Texts below a domain that begin so.
async fn texts(
    questions: &Questions<'_>,
    label: &str,
    domain: &Domain,
    begin: &str,
) -> Known<Vec<String>> {
    let Some(name) = Name::below(label, domain.as_str()) else {
        return Known::Absent;
    };
    beginning(
        questions.txt(&name).await.map(|answer| strings(&answer)),
        begin,
    )
}

fn strings(answer: &crate::dns::Answer) -> Vec<String> {
    answer
        .texts()
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect()
}

fn beginning(texts: Result<Vec<String>, Unanswered>, begin: &str) -> Known<Vec<String>> {
    let texts = match texts {
        Ok(texts) => texts,
        Err(Unanswered(why)) => return Known::Unavailable(why),
    };
    let fits = |text: &String| {
        let head = text.get(..begin.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(begin))
    };
    let kept: Vec<String> = texts.into_iter().filter(fits).collect();
    if kept.is_empty() {
        Known::Absent
    } else {
        Known::Yes(kept)
    }
}
