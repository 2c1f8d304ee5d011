//! What a receiver noted when a message came, taken for what we would have found then.
//!
//! The DNS of the day a message of a collection came is gone, so its sender cannot be verified any more; but many receivers wrote
//! down what they found (RFC 8601), and from whom they took it. The topmost notes are believed, whoever wrote them: a collection is asked
//! what its mail was like, not whether it may be trusted.

use lookup::results;
use mail::authentication::{
    Claim, Disposition, DmarcPolicy, DmarcResult, PolicyTag, Psd, Signed, Spf, SpfResult,
};
use mail::message::{Fields, Hop};
use mail::{Authentication, Domain, Envelope, Known, Limits, Message};

/// Adds to the envelope the machine that handed the message over, and returns what its receiver found of its sender.
pub fn as_received(
    raw: &[u8],
    message: &Message,
    envelope: &mut Envelope,
    limits: &Limits,
) -> Known<Authentication> {
    if let Some(hop) = message.received.iter().find(|hop| is_handing_over(hop)) {
        envelope.peer.ip = hop.ip;
        envelope.helo_name.clone_from(&hop.helo_name);
    }
    let claims = claims(raw, limits);
    if claims.is_empty() {
        return Known::NotAsked;
    }
    Known::Yes(found(&claims, message, envelope))
}

/// From one organisation to another, over a public network?
fn is_handing_over(hop: &Hop) -> bool {
    let organisation = |name: &Option<String>| {
        let domain = Domain::parse(name.as_deref()?).ok()?;
        Some(domain.registered())
    };
    let public = hop.ip.is_some_and(|ip| match ip {
        std::net::IpAddr::V4(ip) => !ip.is_private() && !ip.is_loopback(),
        std::net::IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unique_local(),
    });
    public && organisation(&hop.helo_name) != organisation(&hop.by)
}

/// A claim, and the text it stands in: what policy was asked for stands in comments, which results do not carry.
type Told = (Claim, String);

/// What the topmost writer says, in however many fields.
fn claims(raw: &[u8], limits: &Limits) -> Vec<Told> {
    let mut writer = None;
    let mut told = Vec::new();
    for field in Fields::of(raw).filter(|field| is_results(field.name)) {
        let text = String::from_utf8_lossy(field.value).to_ascii_lowercase();
        // Exchange Online leaves its name out (RFC 8601 §2.2 requires one).
        let nameless = text
            .split(';')
            .next()
            .is_some_and(|name| name.contains('='));
        let named = if nameless {
            format!("nameless;{text}")
        } else {
            text
        };
        let Some(read) = results::read(&named, limits) else {
            continue;
        };
        if *writer.get_or_insert_with(|| read.authserv_id.clone()) != read.authserv_id {
            break;
        }
        told.extend(read.claims.into_iter().map(|claim| (claim, named.clone())));
    }
    told
}

fn is_results(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(results::FIELD.as_bytes())
}

fn found(told: &[Told], message: &Message, envelope: &Envelope) -> Authentication {
    let mut found = Authentication::default();
    let alleged = (message.header_from.iter()).find_map(|from| from.address.as_ref()?.domain());
    found.outbound.ip = envelope.peer.ip;
    found.outbound.helo_name.clone_from(&envelope.helo_name);
    found.signed = signed(told, alleged.as_ref());
    found.spf = of(told, "spf").and_then(|(claim, _)| {
        let mut spf = Spf::new(spf_result(&claim.result)?);
        let sender = envelope.envelope_from.as_ref();
        spf.domain = sender.and_then(mail::Address::domain);
        Some(spf)
    });
    if let (Some((claim, text)), Some(alleged)) = (of(told, "dmarc"), &alleged) {
        found.dmarc.result = match claim.result.as_str() {
            "pass" => DmarcResult::Pass,
            "fail" => DmarcResult::Fail,
            "temperror" => DmarcResult::TempError,
            "permerror" => DmarcResult::PermError,
            // `bestguesspass` is Exchange Online's word for a domain without a policy.
            _ => DmarcResult::None,
        };
        if matches!(found.dmarc.result, DmarcResult::Pass | DmarcResult::Fail) {
            let published = published(text);
            found.dmarc.policy = Some(policy(alleged.registered(), published));
            if found.dmarc.result == DmarcResult::Fail {
                found.dmarc.asked = published;
            }
        }
    }
    found.alleged.organisation = alleged.as_ref().map(Domain::registered);
    found.alleged.domain = alleged;
    found
}

fn of<'t>(told: &'t [Told], method: &str) -> Option<&'t Told> {
    told.iter().find(|(claim, _)| claim.method == method)
}

fn spf_result(word: &str) -> Option<SpfResult> {
    Some(match word {
        "none" => SpfResult::None,
        "neutral" => SpfResult::Neutral,
        "pass" => SpfResult::Pass,
        "fail" | "hardfail" => SpfResult::Fail,
        "softfail" => SpfResult::SoftFail,
        "temperror" => SpfResult::TempError,
        "permerror" => SpfResult::PermError,
        _ => return None,
    })
}

/// By the signatures of the alleged domain's organisation.
fn signed(told: &[Told], alleged: Option<&Domain>) -> Signed {
    let Some(alleged) = alleged.map(Domain::registered) else {
        return Signed::Unknown;
    };
    let of_alleged = |claim: &Claim| {
        let signer = claim
            .properties
            .iter()
            .find_map(|(name, value)| match name.as_str() {
                "header.d" => Domain::parse(value).ok(),
                "header.i" => Domain::parse(value.rsplit('@').next()?).ok(),
                _ => None,
            });
        signer.is_some_and(|signer| signer.registered() == alleged)
    };
    let results: Vec<&str> = (told.iter())
        .filter(|(claim, _)| claim.method == "dkim" && of_alleged(claim))
        .map(|(claim, _)| claim.result.as_str())
        .collect();
    if results.contains(&"pass") {
        Signed::Authentic
    } else if results.contains(&"fail") {
        Signed::Unauthentic
    } else {
        Signed::Unsigned
    }
}

/// `dmarc=fail (p=REJECT sp=NONE dis=NONE)`, or Exchange Online's `dmarc=fail action=oreject`.
fn published(text: &str) -> Disposition {
    let after = text.split("dmarc=").nth(1).unwrap_or_default();
    let asks = |word: &str| {
        ["p=", "action=", "action=o"].iter().any(|name| {
            let wanted = format!("{name}{word}");
            after
                .split([' ', '(', ')', ';', '\t', '\r', '\n'])
                .any(|piece| piece == wanted)
        })
    };
    if asks("reject") {
        Disposition::Reject
    } else if asks("quarantine") {
        Disposition::Quarantine
    } else {
        Disposition::None
    }
}

fn policy(domain: Domain, published: Disposition) -> DmarcPolicy {
    DmarcPolicy {
        domain,
        record: String::new(),
        applies: PolicyTag::P,
        published,
        for_domain: published,
        for_subdomains: None,
        for_nonexistent: None,
        testing: false,
        strict_spf: false,
        strict_dkim: false,
        psd: Psd::Unsaid,
        aggregate_to: Vec::new(),
        failures_to: Vec::new(),
        failure_options: Vec::new(),
        dnssec: false,
    }
}
