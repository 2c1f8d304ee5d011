//! The outbound server held against what the message says of itself (R4.39).
//!
//! A message names its sender in many places: `From`, `Return-Path`, the greeting, the path it took. The server that handed it over either belongs there
//! or does not. Every finding is a sentence. Where DNS did not answer, nothing that DNS could have explained is held against anybody.

use ipnet::IpNet;
use mail::authentication::{Alignment, Authentication, HeloFlaw, SpfResult};
use mail::standing::{Source, network_of};
use mail::{Domain, Facts, Known, Mark};

use super::days::{Entry, Server};
use super::observe::named_by;
use super::settings::{DomainSettings, mark_of};
use super::share::weight;

/// Looks at the server. `servers_known` says that enough of the domain's own mail was seen to know its servers.
pub(super) fn look(
    facts: &Facts,
    found: &Authentication,
    entry: Option<&Entry>,
    set: &DomainSettings,
    servers_known: bool,
) -> Source {
    let mut source = Source::default();
    let (Some(domain), Some(ip)) = (&found.alleged.domain, found.outbound.ip) else {
        return source;
    };
    let organisation = found.alleged.organisation.as_ref().unwrap_or(domain);
    let server = IpNet::from(ip.to_canonical());

    match mark_of(&set.marks, &server) {
        mark @ (Mark::Own | Mark::Authorised) => {
            source
                .for_it
                .push(format!("{ip} is marked as {}", mark.as_str()));
        }
        Mark::NotOurs => {
            source.is_certain = true;
            source
                .against_it
                .push(format!("From: {ip} is marked as not {domain}'s"));
        }
        Mark::Unmarked => {}
    }
    if found.dmarc.spf > Alignment::None {
        let sentence = format!("the domain of Return-Path names {ip} in its SPF record");
        source.for_it.push(sentence);
    }
    if named_by(found, organisation)
        && let Some(ptr) = found.outbound.ptr.yes()
    {
        let name = &ptr.name;
        source.for_it.push(format!(
            "its name {name} belongs to {organisation} and points back"
        ));
    }
    let learnt = entry.and_then(|entry| learnt(entry, set, &server));
    source.for_it.extend(learnt.map(str::to_owned));

    if dns_failed(found) {
        return source;
    }
    spf(found, organisation, &mut source);
    helo(found, organisation, &mut source);
    if source.for_it.is_empty() {
        received(facts, found, organisation, &mut source);
        if servers_known {
            unknown_server(facts, domain, organisation, &mut source);
        }
    }
    source
}

/// Could a look-up that failed have spoken for the server?
fn dns_failed(found: &Authentication) -> bool {
    let temporary = |spf: &Option<mail::authentication::Spf>| {
        spf.as_ref()
            .is_some_and(|spf| spf.result == SpfResult::TempError)
    };
    temporary(&found.spf)
        || temporary(&found.spf_helo)
        || matches!(found.outbound.ptr, Known::Unavailable(_))
}

/// What the domain's own history says for the server.
fn learnt(entry: &Entry, set: &DomainSettings, server: &IpNet) -> Option<&'static str> {
    let own = |known: &Server| weight(known, &set.marks) > 0.0;
    let itself = entry.servers.iter().find(|known| known.net == *server);
    if itself.is_some_and(own) {
        return Some("it is one of the domain's servers by what it sent before");
    }
    let network = network_of(server.addr());
    let mut near = entry.servers.iter();
    near.any(|known| network.contains(&known.net) && own(known))
        .then_some("servers of the domain are in its network")
}

/// `Return-Path` names a domain of the organisation, and that domain says that this server may not.
fn spf(found: &Authentication, organisation: &Domain, source: &mut Source) {
    let Some(spf) = &found.spf else { return };
    let Some(asked) = spf.domain.as_ref().filter(|of| of.is_within(organisation)) else {
        return;
    };
    match spf.result {
        SpfResult::Fail => {
            source.is_certain = true;
            source.against_it.push(format!(
                "Return-Path: {asked} says by SPF that it may not send"
            ));
        }
        SpfResult::SoftFail => source.against_it.push(format!(
            "Return-Path: {asked} says by SPF that it probably may not send"
        )),
        SpfResult::None
        | SpfResult::Neutral
        | SpfResult::Pass
        | SpfResult::TempError
        | SpfResult::PermError => {}
    }
}

/// It calls itself a server of the organisation, under a name that is not its own.
fn helo(found: &Authentication, organisation: &Domain, source: &mut Source) {
    let Some(name) = &found.outbound.helo_name else {
        return;
    };
    let claims = Domain::parse(name).is_ok_and(|name| name.is_within(organisation));
    if claims && found.outbound.helo_flaws.contains(&HeloFlaw::Elsewhere) {
        source.against_it.push(format!(
            "HELO: it calls itself {name}, which is another machine"
        ));
    }
}

/// The path says that a server of the organisation had it last, but another one handed it over.
fn received(facts: &Facts, found: &Authentication, organisation: &Domain, source: &mut Source) {
    let skipped = found.outbound.relays_skipped as usize;
    let Some(by) = facts
        .message
        .received
        .get(skipped)
        .and_then(|hop| hop.by.as_ref())
    else {
        return;
    };
    let within = |name: &str| Domain::parse(name).is_ok_and(|name| name.is_within(organisation));
    let greeting = found.outbound.helo_name.as_deref();
    if within(by) && !greeting.is_some_and(within) {
        source.against_it.push(format!(
            "Received: says {by} had it last, which did not hand it over"
        ));
    }
}

/// The domain's servers are known, and this is none of them; every header that names the organisation is contradicted.
fn unknown_server(facts: &Facts, domain: &Domain, organisation: &Domain, source: &mut Source) {
    let within = |found: Option<Domain>| found.is_some_and(|found| found.is_within(organisation));
    let mut headers = vec!["From"];
    let sender = facts.message.header_sender.first();
    if within(sender.and_then(|sender| sender.address.as_ref()?.domain())) {
        headers.push("Sender");
    }
    let return_path = facts.envelope.envelope_from.as_ref();
    if within(return_path.and_then(mail::Address::domain)) {
        headers.push("Return-Path");
    }
    let id = facts.message.message_id.as_ref();
    let id = id.and_then(|id| Domain::parse(id.rsplit('@').next()?).ok());
    if within(id) {
        headers.push("Message-ID");
    }
    source.against_it.push(format!(
        "{}: mail of {domain} comes from servers that are known, and not from this one",
        headers.join(", ")
    ));
}
