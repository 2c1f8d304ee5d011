//! Signals about the way a message came.

use mail::{Direction, Domain, Facts, Site};

/// Only strangers' machines are looked at: ours may call themselves what they like.
fn stranger(facts: &Facts) -> bool {
    facts.envelope.direction == Direction::Inbound
        && facts.envelope.peer.ip.is_some_and(|ip| !ip.is_loopback())
}

pub(super) fn helo_is_not_a_name(facts: &Facts, _: &Site) -> Option<String> {
    let helo_name = facts.envelope.helo_name.as_deref()?;
    // RFC 5321 §4.1.3 allows an address literal in brackets; a bare word or a bare address is what bots send.
    let bare_ip = helo_name.parse::<std::net::IpAddr>().is_ok();
    let name = Domain::parse(helo_name).is_ok_and(|domain| domain.as_str().contains('.'));
    let literal = helo_name.starts_with('[') && helo_name.ends_with(']');
    (stranger(facts) && (bare_ip || !(name || literal)))
        .then(|| helo_name.chars().take(80).collect())
}

pub(super) fn helo_is_ours(facts: &Facts, site: &Site) -> Option<String> {
    let helo_name = facts.envelope.helo_name.as_deref()?;
    let domain = Domain::parse(helo_name).ok()?;
    let ours = site.local_domains.contains(&domain)
        || (!facts.envelope.server.is_empty()
            && helo_name.eq_ignore_ascii_case(&facts.envelope.server));
    (stranger(facts) && ours).then(|| helo_name.to_owned())
}

pub(super) fn no_ptr_name(facts: &Facts, _: &Site) -> Option<String> {
    (stranger(facts) && facts.envelope.peer.ptr_name.is_none())
        .then(|| facts.envelope.peer.ip.map(|ip| ip.to_string()))?
}

pub(super) fn forged_release_mark(facts: &Facts, _: &Site) -> Option<String> {
    facts.refused_release_mark.clone()
}
