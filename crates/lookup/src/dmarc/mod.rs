//! What the owner of the alleged domain asks of receivers (DMARC, RFC 9989), and whose domain it is.
//!
//! A policy and an organisation are found by one walk up the tree of names ([`walk`]); no list of suffixes is needed
//! where owners publish. The list steps in only for counting and for [`mail::authentication::Signed`], where
//! nobody published anything.

use futures_util::future::join_all;
use mail::authentication::{
    Alignment, Disposition, Dmarc, DmarcPolicy, DmarcResult, PolicyTag, Psd, Scheme, Signature,
    SignatureResult, Spf, SpfResult,
};
use mail::{Domain, Limits};

use crate::cut;
use crate::dns::{Found, Kind, Name, Questions, Unanswered};

mod record;

use record::Record;
pub use record::{Fault, check_syntax};

/// Names asked for in one walk at most (RFC 9989 §4.10).
const STEPS_MAX: usize = 8;

/// One name of a walk, and what stands there.
struct Step {
    domain: Domain,
    published: Result<Published, Unanswered>,
}

/// What stands at `_dmarc` of a domain.
#[derive(Default)]
struct Published {
    record: Option<Result<Record, Fault>>,
    text: String,
    dnssec: bool,
}

/// The names from a domain up to its top-level domain that have records.
pub(crate) struct Walk(Vec<Step>);

/// Walks from a domain up (RFC 9989 §4.10): the domain itself, then its last seven labels, six, and so on. All are asked for
/// at once, and read in order.
pub(crate) async fn walk(questions: &Questions<'_>, domain: &Domain) -> Walk {
    let above = std::iter::successors(domain.parent(), Domain::parent)
        .filter(|parent| parent.labels().count() < STEPS_MAX);
    let names = std::iter::once(domain.clone()).chain(above).take(STEPS_MAX);
    let step = async |domain: Domain| Step {
        published: published(questions, &domain).await,
        domain,
    };
    Walk(join_all(names.map(step)).await)
}

async fn published(questions: &Questions<'_>, domain: &Domain) -> Result<Published, Unanswered> {
    let Some(name) = Name::below("_dmarc", domain.as_str()) else {
        return Ok(Published::default());
    };
    let answer = questions.txt(&name).await?;
    let mut texts = answer.texts().filter(|text| record::is_dmarc(text));
    let (first, second) = (texts.next(), texts.next());
    // RFC 9989 §4.10: several records are none.
    let (Some(text), None) = (first, second) else {
        return Ok(Published::default());
    };
    let text = String::from_utf8_lossy(text);
    Ok(Published {
        record: Some(Record::read(&text)),
        text: cut(&text, questions.limits().authentication_text_bytes_max),
        dnssec: answer.dnssec,
    })
}

impl Walk {
    /// Records in the order of the walk, up to the first that says what it is (`psd=`).
    fn records(&self) -> Result<Vec<(&Step, &Published, &Record)>, Unanswered> {
        let mut records = Vec::new();
        for step in &self.0 {
            let published = step.published.as_ref().map_err(Clone::clone)?;
            if let Some(Ok(record)) = &published.record {
                records.push((step, published, record));
                if record.psd != Psd::Unsaid {
                    break;
                }
            }
        }
        Ok(records)
    }

    /// The organisational domain (RFC 9989 §4.10.2); `None` when nobody on the way published anything.
    pub(crate) fn organisation(&self) -> Result<Option<Domain>, Unanswered> {
        let records = self.records()?;
        let Some((last, _, record)) = records.last() else {
            return Ok(None);
        };
        let start = self.0.first().map(|step| &step.domain);
        Ok(match record.psd {
            Psd::Yes if Some(&last.domain) != start => self.one_below(&last.domain),
            Psd::Yes | Psd::No | Psd::Unsaid => Some(last.domain.clone()),
        })
    }

    /// The name on the way from the start that is one label longer than `parent`.
    fn one_below(&self, parent: &Domain) -> Option<Domain> {
        let start = self.0.first()?.domain.clone();
        std::iter::successors(Some(start), Domain::parent)
            .find(|name| name.parent().as_ref() == Some(parent))
    }

    /// The policy for the domain the walk started at (RFC 9989 §4.10.1): its own, else its organisation's, else that of the
    /// public suffix above.
    fn policy(&self) -> Result<Option<Governing<'_>>, Unanswered> {
        let Some(start) = self.0.first() else {
            return Ok(None);
        };
        let own = start.published.as_ref().map_err(Clone::clone)?;
        if let Some(record) = &own.record {
            return Ok(Some(Governing {
                domain: &start.domain,
                published: own,
                record: record.as_ref(),
            }));
        }
        let organisation = self.organisation()?;
        let records = self.records()?;
        let of_organisation = records
            .iter()
            .find(|(step, _, _)| Some(&step.domain) == organisation.as_ref());
        let of_suffix = || records.iter().find(|(_, _, record)| record.psd == Psd::Yes);
        Ok(of_organisation
            .or_else(of_suffix)
            .map(|(step, published, record)| Governing {
                domain: &step.domain,
                published,
                record: Ok(record),
            }))
    }
}

/// The record a message is governed by.
struct Governing<'w> {
    domain: &'w Domain,
    published: &'w Published,
    record: Result<&'w Record, &'w Fault>,
}

/// Whose domain a message says it comes from, and how other domains stand to it.
pub(crate) struct Organisation {
    pub alleged: Domain,
    pub walk: Walk,
    /// By the walk, or by the list where there is nothing to find or DNS could not tell.
    pub domain: Domain,
    published: bool,
}

impl Organisation {
    /// Finds out for the alleged domain.
    pub(crate) async fn of(questions: &Questions<'_>, alleged: Domain) -> Self {
        let walk = walk(questions, &alleged).await;
        let found = walk.organisation().ok().flatten();
        let published = found.is_some();
        Self {
            domain: found.unwrap_or_else(|| alleged.registered()),
            alleged,
            walk,
            published,
        }
    }

    /// How a domain stands to the alleged one (RFC 9989 §4.4). One that is not within the organisation cannot be of it,
    /// so nothing needs to be asked about it.
    pub(crate) async fn alignment(&self, questions: &Questions<'_>, domain: &Domain) -> Alignment {
        if *domain == self.alleged {
            return Alignment::Strict;
        }
        if !domain.is_within(&self.domain) {
            return Alignment::None;
        }
        let organisation = if self.published {
            walk(questions, domain).await.organisation().ok().flatten()
        } else {
            Some(domain.registered())
        };
        if organisation.is_none_or(|one| one == self.domain) {
            Alignment::Relaxed
        } else {
            Alignment::None
        }
    }
}

/// Evaluates the policy of the alleged domain with what is known of SPF (`MAIL FROM`) and of the signatures.
pub(crate) async fn evaluate(
    questions: &Questions<'_>,
    organisation: &Organisation,
    spf: Option<(&Spf, Alignment)>,
    signatures: &[Signature],
) -> Dmarc {
    let governing = match organisation.walk.policy() {
        Err(Unanswered(why)) => return failed(DmarcResult::TempError, why),
        Ok(None) => return Dmarc::default(),
        Ok(Some(governing)) => governing,
    };
    let (domain, published) = (governing.domain, governing.published);
    let record = match governing.record {
        Ok(record) => record,
        Err(fault) => {
            return failed(
                DmarcResult::PermError,
                format!("the policy of {domain} {fault}"),
            );
        }
    };
    let applies = match applies(questions, &organisation.alleged, domain, record).await {
        Ok(applies) => applies,
        Err(Unanswered(why)) => return failed(DmarcResult::TempError, why),
    };
    let policy = record.policy(domain, applies, published, questions.limits());
    judge(policy, spf, signatures)
}

/// `np` for a subdomain that does not exist (RFC 9989 §3.2.14): no address and no mail server by any answer.
async fn applies(
    questions: &Questions<'_>,
    alleged: &Domain,
    publisher: &Domain,
    record: &Record,
) -> Result<PolicyTag, Unanswered> {
    if alleged == publisher {
        return Ok(PolicyTag::P);
    }
    if record.for_nonexistent.is_none() {
        return Ok(PolicyTag::Sp);
    }
    let name = Name::from(alleged);
    let kinds = [Kind::A, Kind::Aaaa, Kind::Mx];
    let answers = join_all(kinds.map(|kind| questions.ask(&name, kind))).await;
    let exists = answers
        .iter()
        .flatten()
        .any(|answer| matches!(answer.found, Found::Records(_)));
    if exists {
        return Ok(PolicyTag::Sp);
    }
    for answer in answers {
        answer?;
    }
    Ok(PolicyTag::Np)
}

fn failed(result: DmarcResult, why: String) -> Dmarc {
    Dmarc {
        result,
        problem: Some(why),
        ..Dmarc::default()
    }
}

fn judge(policy: DmarcPolicy, spf: Option<(&Spf, Alignment)>, signatures: &[Signature]) -> Dmarc {
    let needed = |strict| {
        if strict {
            Alignment::Strict
        } else {
            Alignment::Relaxed
        }
    };
    let (for_spf, for_dkim) = (needed(policy.strict_spf), needed(policy.strict_dkim));
    let spf_alignment = |result| {
        spf.filter(|(spf, _)| spf.result == result)
            .map_or(Alignment::None, |(_, aligned)| aligned)
    };
    let dkim_alignment = |result| {
        let of_dkim = signatures
            .iter()
            .filter(|one| one.scheme == Scheme::Dkim && one.result == result);
        of_dkim
            .map(|signature| signature.alignment)
            .max()
            .unwrap_or_default()
    };
    let passes = |spf, dkim| spf >= for_spf || dkim >= for_dkim;
    let (spf, dkim) = (
        spf_alignment(SpfResult::Pass),
        dkim_alignment(SignatureResult::Pass),
    );
    let result = if passes(spf, dkim) {
        DmarcResult::Pass
    } else if passes(
        spf_alignment(SpfResult::TempError),
        dkim_alignment(SignatureResult::TempError),
    ) {
        DmarcResult::TempError
    } else {
        DmarcResult::Fail
    };
    let asked = match (result, policy.testing) {
        (DmarcResult::Fail, false) => policy.published,
        (DmarcResult::Fail, true) => one_less(policy.published),
        _ => Disposition::None,
    };
    let problem =
        (result == DmarcResult::TempError).then(|| "an aligned result is not known".to_owned());
    Dmarc {
        result,
        policy: Some(policy),
        asked,
        spf,
        dkim,
        problem,
    }
}

/// RFC 9989 §4.7, `t=y`.
const fn one_less(disposition: Disposition) -> Disposition {
    match disposition {
        Disposition::Reject => Disposition::Quarantine,
        Disposition::Quarantine | Disposition::None => Disposition::None,
    }
}

impl Record {
    fn policy(
        &self,
        domain: &Domain,
        applies: PolicyTag,
        published: &Published,
        limits: &Limits,
    ) -> DmarcPolicy {
        let for_subdomains = self.for_subdomains.unwrap_or(self.for_domain);
        let items = |items: &[String]| {
            let kept = items.iter().take(limits.authentication_items_max);
            kept.map(|item| cut(item, limits.authentication_text_bytes_max))
                .collect()
        };
        DmarcPolicy {
            domain: domain.clone(),
            record: published.text.clone(),
            applies,
            published: match applies {
                PolicyTag::P => self.for_domain,
                PolicyTag::Sp => for_subdomains,
                PolicyTag::Np => self.for_nonexistent.unwrap_or(for_subdomains),
            },
            for_domain: self.for_domain,
            for_subdomains: self.for_subdomains,
            for_nonexistent: self.for_nonexistent,
            testing: self.testing,
            strict_spf: self.strict_spf,
            strict_dkim: self.strict_dkim,
            psd: self.psd,
            aggregate_to: items(&self.aggregate_to),
            failures_to: items(&self.failures_to),
            failure_options: items(&self.failure_options),
            dnssec: published.dnssec,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Record as DnsRecord, Resolver, Zone};
    use tokio::time::Instant;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).expect("a domain")
    }

    fn spf_pass() -> Spf {
        Spf {
            result: SpfResult::Pass,
            domain: None,
            mechanism: None,
            mechanism_of: None,
            explanation: None,
            problem: None,
            lookups: 0,
            void_lookups: 0,
            dnssec: false,
        }
    }

    /// Evaluates for an author domain, with SPF passing for `spf_domain`.
    async fn evaluated(zone: Zone, author: &str, spf_domain: &str) -> (Domain, Dmarc) {
        let resolver = Resolver::new(zone, &Limits::default());
        let questions = Questions::new(
            &resolver,
            Instant::now() + std::time::Duration::from_secs(5),
        );
        let organisation = Organisation::of(&questions, domain(author)).await;
        let alignment = organisation
            .alignment(&questions, &domain(spf_domain))
            .await;
        let spf = spf_pass();
        let dmarc = evaluate(&questions, &organisation, Some((&spf, alignment)), &[]).await;
        (organisation.domain, dmarc)
    }

    #[tokio::test]
    async fn organisations_are_found_by_walking() {
        let zone = Zone::default()
            .txt("_dmarc.example.com", "v=DMARC1; p=reject")
            .txt("_dmarc.shop.example.com", "v=DMARC1; p=none; psd=n")
            .txt(
                "_dmarc.gov.example",
                "v=DMARC1; p=reject; psd=y; np=quarantine",
            );
        for (author, expected) in [
            ("example.com", "example.com"),
            ("a.b.c.d.e.f.g.h.i.mail.example.com", "example.com"),
            ("mail.shop.example.com", "shop.example.com"),
            ("mail.tax.gov.example", "tax.gov.example"),
            ("gov.example", "gov.example"),
            // Nobody published anything: the list of public suffixes.
            ("mail.example.co.uk", "example.co.uk"),
        ] {
            let (organisation, _) = evaluated(zone.clone(), author, "other.test").await;
            assert_eq!(organisation.as_str(), expected, "{author}");
        }
    }

    #[tokio::test]
    async fn alignment_is_by_organisation_unless_strict() {
        let zone = Zone::default().txt("_dmarc.example.com", "v=DMARC1; p=reject; aspf=r");
        let (_, dmarc) = evaluated(zone.clone(), "example.com", "bounce.example.com").await;
        assert_eq!(
            (dmarc.result, dmarc.spf),
            (DmarcResult::Pass, Alignment::Relaxed)
        );
        let (_, dmarc) = evaluated(zone, "example.com", "example.org").await;
        assert_eq!(
            (dmarc.result, dmarc.asked),
            (DmarcResult::Fail, Disposition::Reject)
        );
        let zone = Zone::default().txt("_dmarc.example.com", "v=DMARC1; p=reject; aspf=s; t=y");
        let (_, dmarc) = evaluated(zone, "example.com", "bounce.example.com").await;
        assert_eq!(
            (dmarc.result, dmarc.asked),
            (DmarcResult::Fail, Disposition::Quarantine)
        );
        let split = Zone::default()
            .txt("_dmarc.example.com", "v=DMARC1; p=reject")
            .txt("_dmarc.bounce.example.com", "v=DMARC1; p=reject; psd=n");
        let (_, dmarc) = evaluated(split, "example.com", "bounce.example.com").await;
        assert_eq!(
            (dmarc.result, dmarc.spf),
            (DmarcResult::Fail, Alignment::None)
        );
    }

    #[tokio::test]
    async fn subdomains_have_their_policies_also_those_that_do_not_exist() {
        let zone = Zone::default()
            .txt(
                "_dmarc.example.com",
                "v=DMARC1; p=none; sp=quarantine; np=reject",
            )
            .with("www.example.com", DnsRecord::A([192, 0, 2, 1].into()));
        let asked = async |author| {
            let (_, dmarc) = evaluated(zone.clone(), author, "other.test").await;
            (dmarc.policy.map(|policy| policy.applies), dmarc.asked)
        };
        assert_eq!(
            asked("example.com").await,
            (Some(PolicyTag::P), Disposition::None)
        );
        assert_eq!(
            asked("www.example.com").await,
            (Some(PolicyTag::Sp), Disposition::Quarantine)
        );
        assert_eq!(
            asked("no.example.com").await,
            (Some(PolicyTag::Np), Disposition::Reject)
        );
    }

    #[tokio::test]
    async fn what_cannot_be_found_out_is_no_failure() {
        let zone = Zone::default().broken("_dmarc.example.com");
        let (organisation, dmarc) = evaluated(zone, "mail.example.com", "mail.example.com").await;
        assert_eq!(
            (organisation.as_str(), dmarc.result),
            ("example.com", DmarcResult::TempError)
        );
        assert_eq!(dmarc.asked, Disposition::None);
        let several = Zone::default()
            .txt("_dmarc.example.com", "v=DMARC1; p=reject")
            .txt("_dmarc.example.com", "v=DMARC1; p=none");
        let (_, dmarc) = evaluated(several, "example.com", "other.test").await;
        assert_eq!(dmarc.result, DmarcResult::None);
        let broken = Zone::default().txt("_dmarc.example.com", "v=DMARC1; p=refuse");
        let (_, dmarc) = evaluated(broken, "example.com", "other.test").await;
        assert_eq!(dmarc.result, DmarcResult::PermError);
    }
}
