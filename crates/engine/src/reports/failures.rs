//! Messages of one hour that failed to be authentic, as failure reports (RFC 9991, RFC 6591) for owners of domains who ask for them (`ruf`).
//!
//! Messages that failed alike are one report about the first of them, with their number. What a report says of a person is decided in
//! [`reports::feedback`]: recipients and content are never in it, and names are keyed hashes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lookup::results;
use mail::authentication::{
    Alignment, Dmarc, DmarcPolicy, DmarcResult, Scheme, Signature, SignatureProblem,
    SignatureResult, SpfResult,
};
use mail::{Authentication, Domain, Facts, Fate, Known, Limits};
use reports::Feedback;
use reports::feedback::{Delivery, FailedCheck, Failure, FeedbackKind};
use reports::letter::Sender;

/// What failed in some time, of all domains.
#[derive(Debug, Default)]
pub(crate) struct Failed {
    domains: BTreeMap<Domain, OfDomain>,
    /// Messages that found no place (`limits.reports_domains_max`, `limits.failure_reports_max`).
    pub left_out: u64,
}

#[derive(Debug)]
struct OfDomain {
    /// Its `ruf`, as published.
    wanted_at: Vec<String>,
    alike: BTreeMap<Alike, Told>,
}

/// What messages have in common that failed alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    ip: Option<IpAddr>,
    check: FailedCheck,
    signed_by: Option<(Domain, Option<String>)>,
}

/// What is told of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub report: Feedback,
    /// Header of the first.
    pub header: Vec<(String, String)>,
    /// The domain whose SPF record did not allow the machine.
    pub spf_domain: Option<Domain>,
}

/// A domain's reports, and where it wants them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Due {
    pub domain: Domain,
    pub wanted_at: Vec<String>,
    pub told: Vec<Told>,
}

impl Failed {
    /// Adds a message, when its domain wants to be told of such.
    pub(crate) fn add(&mut self, fate: Fate, facts: &Facts, sender: &Sender, limits: &Limits) {
        let Known::Yes(found) = &facts.authentication else {
            return;
        };
        // Mail that was put off comes again.
        if matches!(fate, Fate::Deferred | Fate::Failed | Fate::Unscanned) || by_machine(facts) {
            return;
        }
        let policy = found.dmarc.policy.as_ref();
        let Some(policy) = policy.filter(|policy| !policy.failures_to.is_empty()) else {
            return;
        };
        let Some(check) = wanted(found, policy) else {
            return;
        };
        let signature = failed_signature(found);
        let alike = Alike {
            ip: found.outbound.ip.or(facts.envelope.peer.ip),
            check,
            signed_by: signature.and_then(|one| Some((one.domain.clone()?, one.selector.clone()))),
        };
        self.add_alike(alike, policy, limits, || {
            told(fate, facts, found, signature, sender)
        });
    }

    fn add_alike(
        &mut self,
        alike: Alike,
        policy: &DmarcPolicy,
        limits: &Limits,
        told: impl FnOnce() -> Told,
    ) {
        let known = self.domains.contains_key(&policy.domain);
        if !known && self.domains.len() >= limits.reports_domains_max {
            self.left_out += 1;
            return;
        }
        let of_domain = self.domains.entry(policy.domain.clone());
        let of_domain = of_domain.or_insert_with(|| OfDomain {
            wanted_at: policy.failures_to.clone(),
            alike: BTreeMap::new(),
        });
        let full = of_domain.alike.len() >= limits.failure_reports_max;
        match of_domain.alike.get_mut(&alike) {
            Some(told) => told.report.incidents += 1,
            None if full => self.left_out += 1,
            None => {
                let mut told = told();
                told.report.incidents = 1;
                if let Some(failure) = &mut told.report.failure {
                    failure.checks = vec![alike.check.clone()];
                }
                of_domain.alike.insert(alike, told);
            }
        }
    }

    /// The reports, by domain.
    pub(crate) fn reports(self) -> Vec<Due> {
        let due = |(domain, of_domain): (Domain, OfDomain)| Due {
            domain,
            wanted_at: of_domain.wanted_at,
            told: of_domain.alike.into_values().collect(),
        };
        self.domains.into_iter().map(due).collect()
    }
}

/// Written by a machine, as reports and bounces are: reporting about reports would never end (RFC 9991 §5).
fn by_machine(facts: &Facts) -> bool {
    let header = |name| facts.message.header(name).unwrap_or_default();
    let automatic = header("auto-submitted");
    let automatic = automatic
        .split([';', '('])
        .next()
        .unwrap_or_default()
        .trim();
    let kind = header("content-type").trim_start();
    let kind = kind.get(..16).unwrap_or(kind);
    let answers = !automatic.is_empty() && !automatic.eq_ignore_ascii_case("no");
    answers
        || kind.eq_ignore_ascii_case("multipart/report")
        || facts.envelope.envelope_from.is_none()
}

/// Is its owner to be told of it, and as what (RFC 9989 §4.7, `fo`)? Of what DNS could not tell nothing is reported.
fn wanted(found: &Authentication, policy: &DmarcPolicy) -> Option<FailedCheck> {
    let dmarc = &found.dmarc;
    if !matches!(dmarc.result, DmarcResult::Pass | DmarcResult::Fail) {
        return None;
    }
    let asked = |option: &str| {
        let options = &policy.failure_options;
        // `0` when nothing is said.
        (options.is_empty() && option == "0")
            || options
                .iter()
                .any(|one| one.trim().eq_ignore_ascii_case(option))
    };
    let (dkim, spf) = aligned(dmarc, policy);
    if (asked("0") && dmarc.result == DmarcResult::Fail) || (asked("1") && !(dkim && spf)) {
        return Some(FailedCheck::Dmarc);
    }
    if asked("d")
        && let Some(signature) = failed_signature(found)
    {
        return Some(check_of(signature));
    }
    let spf = found.spf.as_ref().map(|spf| spf.result);
    let failed = matches!(spf, Some(SpfResult::Fail | SpfResult::SoftFail));
    (asked("s") && failed).then_some(FailedCheck::Spf)
}

/// Did DKIM vouch for the visible sender as his policy asks, and did SPF?
fn aligned(dmarc: &Dmarc, policy: &DmarcPolicy) -> (bool, bool) {
    let needed = |strict| {
        if strict {
            Alignment::Strict
        } else {
            Alignment::Relaxed
        }
    };
    (
        dmarc.dkim >= needed(policy.strict_dkim),
        dmarc.spf >= needed(policy.strict_spf),
    )
}

/// The signature that says most: one that failed, the nearest to the visible sender first.
fn failed_signature(found: &Authentication) -> Option<&Signature> {
    let failed = |signature: &&Signature| {
        let result = signature.result;
        signature.scheme == Scheme::Dkim
            && !matches!(result, SignatureResult::Pass | SignatureResult::TempError)
    };
    // The first of those that are equally near.
    let signatures = found.signatures.iter().rev().filter(failed);
    signatures.max_by_key(|signature| signature.alignment)
}

const fn check_of(signature: &Signature) -> FailedCheck {
    match signature.problem {
        Some(SignatureProblem::BodyHash | SignatureProblem::BodyShort) => FailedCheck::BodyHash,
        Some(SignatureProblem::KeyRevoked) => FailedCheck::Revoked,
        _ => FailedCheck::Signature,
    }
}

fn told(
    fate: Fate,
    facts: &Facts,
    found: &Authentication,
    signature: Option<&Signature>,
    sender: &Sender,
) -> Told {
    let dmarc = &found.dmarc;
    let (dkim, spf) = dmarc
        .policy
        .as_ref()
        .map_or((false, false), |policy| aligned(dmarc, policy));
    let envelope = &facts.envelope;
    let alleged = found.alleged.domain.as_ref().map(ToString::to_string);
    let result = results::write(found, envelope, sender.domain.as_str());
    let failure = Failure {
        delivery: delivery(fate, dmarc),
        dkim_unaligned: !dkim,
        spf_unaligned: !spf,
        dkim_domain: signature.and_then(|one| Some(one.domain.as_ref()?.to_string())),
        dkim_identity: signature.and_then(|one| one.identity.clone()),
        dkim_selector: signature.and_then(|one| one.selector.clone()),
        ..Failure::default()
    };
    let report = Feedback {
        kind: FeedbackKind::AuthFailure,
        user_agent: Some(concat!("Mailvigil/", env!("CARGO_PKG_VERSION")).to_owned()),
        arrival: Some(envelope.received_at),
        source_ip: found.outbound.ip.or(envelope.peer.ip),
        envelope_from: envelope
            .envelope_from
            .as_ref()
            .map(|from| from.as_str().to_owned()),
        reporting_mta: Some(sender.domain.to_string()),
        domains: alleged.into_iter().collect(),
        authentication_results: vec![result.split_whitespace().collect::<Vec<_>>().join(" ")],
        failure: Some(failure),
        ..Feedback::default()
    };
    let header = facts.message.headers.iter();
    let spf_failed = found
        .spf
        .as_ref()
        .filter(|spf| spf.result != SpfResult::Pass);
    Told {
        report,
        header: header
            .map(|field| (field.name.clone(), field.value.clone()))
            .collect(),
        spf_domain: spf_failed.and_then(|spf| spf.domain.clone()),
    }
}

/// What was done. That a message was held for what it says is not for its domain's owner to know.
const fn delivery(fate: Fate, dmarc: &Dmarc) -> Option<Delivery> {
    use mail::authentication::Disposition;
    match (fate, dmarc.asked) {
        (Fate::Delivered, _) => Some(Delivery::Delivered),
        (Fate::Rejected, Disposition::Reject) => Some(Delivery::Reject),
        (
            Fate::Rejected | Fate::Quarantined | Fate::Discarded,
            Disposition::Quarantine | Disposition::Reject,
        ) => Some(Delivery::Policy),
        _ => None,
    }
}
