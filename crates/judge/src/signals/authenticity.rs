//! Signals about who really sent a message, as far as DNS and signatures tell. What they could not tell is no signal.
//!
//! Passing proves nothing good, since anybody may own a domain and sign; so nothing here lowers a score. Forwarders and lists break what is
//! right, so they are left alone where their traces are to be seen.

use mail::authentication::{
    ArcResult, Authentication, Disposition, DmarcResult, HeloFlaw, Reachable, Signed, SpfResult,
};
use mail::{Facts, Known, Site};

use super::sender::is_list;

fn found(facts: &Facts) -> Option<&Authentication> {
    facts.authentication.yes()
}

/// Does a forwarder we trust say that the message was authentic when it came to him (RFC 8617 §7.2)?
fn is_vouched_for(found: &Authentication) -> bool {
    let passed =
        |claim: &mail::authentication::Claim| claim.method == "dmarc" && claim.result == "pass";
    found.arc.result == ArcResult::Pass
        && found
            .arc
            .sealers
            .iter()
            .any(|sealer| sealer.trusted && sealer.claims.iter().any(passed))
}

/// Is the message known to be the alleged domain's, whatever machine brought it?
pub(super) fn is_authentic(facts: &Facts) -> bool {
    found(facts).is_some_and(|found| {
        found.dmarc.result == DmarcResult::Pass
            || found.signed == Signed::Authentic
            || is_vouched_for(found)
    })
}

fn spf_is(facts: &Facts, result: SpfResult) -> Option<String> {
    let spf = found(facts)?.spf.as_ref()?;
    if spf.result != result || is_authentic(facts) || is_list(facts) {
        return None;
    }
    let domain = spf.domain.as_ref()?;
    let term = spf.mechanism.as_deref().unwrap_or("nothing that fits");
    Some(format!("{domain} says {term}"))
}

pub(super) fn spf_fail(facts: &Facts, _: &Site) -> Option<String> {
    spf_is(facts, SpfResult::Fail)
}

pub(super) fn spf_soft_fail(facts: &Facts, _: &Site) -> Option<String> {
    spf_is(facts, SpfResult::SoftFail)
}

fn dmarc_asks(facts: &Facts, asked: Disposition) -> Option<String> {
    let found = found(facts)?;
    let dmarc = &found.dmarc;
    let fails = dmarc.result == DmarcResult::Fail && dmarc.asked == asked;
    if !fails || is_vouched_for(found) || is_list(facts) {
        return None;
    }
    let alleged = found.alleged.domain.as_ref()?;
    let policy = dmarc.policy.as_ref()?;
    Some(format!(
        "neither SPF nor DKIM of {alleged} fits; {} asks for {asked}",
        policy.domain
    ))
}

pub(super) fn dmarc_asks_reject(facts: &Facts, _: &Site) -> Option<String> {
    dmarc_asks(facts, Disposition::Reject)
}

pub(super) fn dmarc_asks_quarantine(facts: &Facts, _: &Site) -> Option<String> {
    dmarc_asks(facts, Disposition::Quarantine)
}

pub(super) fn dmarc_asks_nothing(facts: &Facts, _: &Site) -> Option<String> {
    dmarc_asks(facts, Disposition::None)
}

pub(super) fn signature_broken(facts: &Facts, _: &Site) -> Option<String> {
    let found = found(facts)?;
    let broken = found.signed == Signed::Unauthentic && !is_authentic(facts) && !is_list(facts);
    let alleged = found.alleged.domain.as_ref()?;
    broken.then(|| format!("signed as {alleged}, and no signature holds"))
}

fn sender_domain_is(facts: &Facts, wanted: &[Reachable]) -> Option<String> {
    let found = found(facts)?;
    let is = |known: &Known<Reachable>| known.yes().is_some_and(|one| wanted.contains(one));
    if is(&found.alleged_domain) {
        return found.alleged.domain.as_ref().map(ToString::to_string);
    }
    if is(&found.envelope_domain) {
        let from = facts.envelope.envelope_from.as_ref()?;
        return from.domain().map(|domain| domain.to_string());
    }
    None
}

pub(super) fn sender_domain_missing(facts: &Facts, _: &Site) -> Option<String> {
    sender_domain_is(facts, &[Reachable::NoDomain])
}

pub(super) fn sender_takes_no_mail(facts: &Facts, _: &Site) -> Option<String> {
    sender_domain_is(facts, &[Reachable::NullMx, Reachable::No])
}

pub(super) fn ptr_generic(facts: &Facts, _: &Site) -> Option<String> {
    let ptr = found(facts)?.outbound.ptr.yes()?;
    ptr.generic.then(|| ptr.name.clone())
}

pub(super) fn ptr_unconfirmed(facts: &Facts, _: &Site) -> Option<String> {
    let ptr = found(facts)?.outbound.ptr.yes()?;
    (!ptr.confirmed).then(|| ptr.name.clone())
}

pub(super) fn helo_unresolved(facts: &Facts, _: &Site) -> Option<String> {
    let outbound = &found(facts)?.outbound;
    let flawed = outbound.helo_flaws.contains(&HeloFlaw::Unresolved)
        || outbound.helo_flaws.contains(&HeloFlaw::OtherAddress);
    flawed.then(|| outbound.helo_name.clone())?
}
