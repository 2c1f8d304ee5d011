//! What the owner of the alleged domain asks of receivers (DMARC, RFC 9989), and whose domain it is.
//!
//! A policy and an organisation are found by one walk up the tree of names (`walk`); no list of suffixes is needed
//! where owners publish. The list steps in only for counting and for [`mail::authentication::Signed`], where
//! nobody published anything.

use futures_util::future::join_all;
use mail::authentication::{
    Alignment, Disposition, Dmarc, DmarcPolicy, DmarcResult, PolicyTag, Scheme, Signature,
    SignatureResult, Spf, SpfResult,
};
use mail::{Domain, Limits};

use crate::cut;
use crate::dns::{Found, Kind, Name, Questions, Unanswered};

mod record;
mod walk;

use record::Record;
pub use record::{Fault, check_syntax};
pub(crate) use walk::Organisation;
use walk::Published;

/// Why no policy applies: there is none, it cannot be read, or DNS could not tell.
pub(crate) struct NoPolicy {
    result: DmarcResult,
    problem: Option<String>,
}

impl NoPolicy {
    /// Why; `None` when nobody published anything.
    pub(crate) fn problem(self) -> Option<String> {
        self.problem
    }
}

impl From<Unanswered> for NoPolicy {
    fn from(Unanswered(why): Unanswered) -> Self {
        Self {
            result: DmarcResult::TempError,
            problem: Some(why),
        }
    }
}

/// The policy that applies to the alleged domain.
pub(crate) async fn discover(
    questions: &Questions<'_>,
    organisation: &Organisation,
) -> Result<DmarcPolicy, NoPolicy> {
    let Some(governing) = organisation.walk.policy()? else {
        return Err(NoPolicy {
            result: DmarcResult::None,
            problem: None,
        });
    };
    let domain = governing.domain;
    let record = governing.record.map_err(|fault| NoPolicy {
        result: DmarcResult::PermError,
        problem: Some(format!("the policy of {domain} {fault}")),
    })?;
    let applies = applies(questions, &organisation.alleged, domain, record).await?;
    Ok(record.policy(domain, applies, governing.published, questions.limits()))
}

/// Holds a message against the policy, with what is known of SPF (`MAIL FROM`) and of the signatures.
pub(crate) fn evaluate(
    policy: Result<DmarcPolicy, NoPolicy>,
    spf: Option<(&Spf, Alignment)>,
    signatures: &[Signature],
) -> Dmarc {
    match policy {
        Ok(policy) => judge(policy, spf, signatures),
        Err(NoPolicy { result, problem }) => Dmarc {
            result,
            problem,
            ..Dmarc::default()
        },
    }
}

/// `np` for a subdomain that does not exist (RFC 9989): no address and no mail server by any answer.
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
        let spf = Spf::new(SpfResult::Pass);
        let policy = discover(&questions, &organisation).await;
        let dmarc = evaluate(policy, Some((&spf, alignment)), &[]);
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
