use mail::authentication::{
    Alignment, Arc, ArcResult, Authentication, Disposition, DmarcResult, HeloFlaw, Ptr, Scheme,
    Sealer, Signature, SignatureProblem, SignatureResult, Signed, Spf, SpfResult,
};
use mail::message::{Header, Hop, Mailbox};
use mail::standing::{Handling, Ruling, Stage};
use mail::verdict::Demand;
use mail::{Action, Address, Domain, Envelope, Facts, Known, Mark, Message, Timestamp};

use super::*;

pub(super) const DAY: i64 = 86_400;

pub(super) fn domain(text: &str) -> Domain {
    Domain::parse(text).expect("a domain")
}

/// A message that says it comes from `from`, unsigned, by an address nobody knows anything about.
pub(super) fn message(from: &str, ip: &str, at: Timestamp) -> Facts {
    let address = Address::new(&format!("ann@{from}"));
    let mut envelope = Envelope::new(at, "test");
    envelope.envelope_from = address.clone();
    envelope.peer.ip = ip.parse().ok();
    let name = domain(from);
    let mut found = Authentication {
        signed: Signed::Unsigned,
        ..Authentication::default()
    };
    found.alleged.organisation = Some(name.registered());
    found.alleged.domain = Some(name);
    found.outbound.ip = ip.parse().ok();
    found.outbound.ptr = Known::Absent;
    Facts {
        authentication: Known::Yes(found),
        ..Facts::new(
            envelope,
            Message {
                header_from: vec![Mailbox {
                    name: None,
                    address,
                }],
                ..Message::default()
            },
        )
    }
}

pub(super) fn found(facts: &mut Facts) -> &mut Authentication {
    match &mut facts.authentication {
        Known::Yes(found) => found,
        _ => panic!("made by message()"),
    }
}

fn signature(of: &str, result: SignatureResult, alignment: Alignment) -> Signature {
    Signature {
        scheme: Scheme::Dkim,
        result,
        problem: None,
        domain: Domain::parse(of).ok(),
        selector: Some("s1".to_owned()),
        identity: None,
        algorithm: "rsa-sha256".to_owned(),
        canonicalization: "relaxed/relaxed".to_owned(),
        key_bits: Some(2048),
        testing: false,
        signed_at: None,
        expires_at: None,
        partial_body: None,
        covers: Vec::new(),
        alignment,
        dnssec: false,
    }
}

/// Signed by the domain, and authentic.
pub(super) fn authentic(mut facts: Facts) -> Facts {
    let found = found(&mut facts);
    let of = found.alleged.domain.clone().expect("it has one");
    found.signatures.push(signature(
        of.as_str(),
        SignatureResult::Pass,
        Alignment::Strict,
    ));
    found.signed = Signed::Authentic;
    found.dmarc.dkim = Alignment::Strict;
    found.dmarc.result = DmarcResult::Pass;
    facts
}

/// Signed by the domain, and changed on the way.
pub(super) fn unauthentic(mut facts: Facts, problem: SignatureProblem) -> Facts {
    let found = found(&mut facts);
    let of = found.alleged.domain.clone().expect("it has one");
    let mut broken = signature(of.as_str(), SignatureResult::Fail, Alignment::Strict);
    broken.problem = Some(problem);
    found.signatures.push(broken);
    found.signed = Signed::Unauthentic;
    found.dmarc.result = DmarcResult::Fail;
    facts
}

/// SPF of `of` says this.
pub(super) fn with_spf(mut facts: Facts, of: &str, result: SpfResult) -> Facts {
    let of = domain(of);
    let found = found(&mut facts);
    let organisation = found.alleged.organisation.clone().expect("it has one");
    if result == SpfResult::Pass && of.is_within(&organisation) {
        found.dmarc.spf = Alignment::Relaxed;
        found.dmarc.result = DmarcResult::Pass;
    }
    found.spf = Some(Spf {
        result,
        domain: Some(of),
        mechanism: None,
        mechanism_of: None,
        explanation: None,
        problem: None,
        lookups: 1,
        void_lookups: 0,
        dnssec: false,
    });
    facts
}

pub(super) fn with_header(mut facts: Facts, name: &str, value: &str) -> Facts {
    facts.message.headers.push(Header {
        name: name.to_owned(),
        value: value.to_owned(),
    });
    facts
}

pub(super) fn enforcing() -> Settings {
    Settings {
        enforce: true,
        ..Settings::default()
    }
}

pub(super) fn start() -> Timestamp {
    Timestamp::parse("2026-09-01").expect("a day")
}

/// Rules about a message and counts it, as the service will.
pub(super) fn pass(standing: &mut Standing, facts: &Facts, settings: &Settings) -> Ruling {
    let ruling = standing.rule(facts, false, settings);
    if let Some(seen) = Observation::of(facts, &ruling, false, ruling.handling) {
        standing.apply(&seen);
    }
    ruling
}

/// A day of a domain whose server signs `signed` of 100 messages, and a review at its end.
fn one_day(
    standing: &mut Standing,
    (name, ip): (&str, &str),
    day: i64,
    signed: u32,
    settings: &Settings,
) -> Vec<Switch> {
    for number in 0..100 {
        let at = start().plus_secs(day * DAY + i64::from(number));
        let facts = message(name, ip, at);
        let facts = if number < signed {
            authentic(facts)
        } else {
            with_spf(facts, name, SpfResult::Pass)
        };
        pass(standing, &facts, settings);
    }
    standing.review(start().plus_secs((day + 1) * DAY), settings)
}

/// Two weeks of such days.
fn history(standing: &mut Standing, name: &str, ip: &str, signed: u32, settings: &Settings) {
    for day in 0..14 {
        one_day(standing, (name, ip), day, signed, settings);
    }
}

fn later() -> Timestamp {
    start().plus_secs(14 * DAY + 100)
}

fn standing() -> Standing {
    Standing::new(8 << 20, 7)
}

#[test]
fn counts_are_what_was_seen() {
    let mut standing = standing();
    let settings = Settings::default();
    let name = domain("example.org");
    for number in 0..3 {
        let facts = message("example.org", "192.0.2.1", start().plus_secs(number));
        pass(&mut standing, &authentic(facts), &settings);
    }
    let facts = message("example.org", "192.0.2.2", start());
    let facts = unauthentic(facts, SignatureProblem::BodyHash);
    pass(&mut standing, &facts, &settings);
    let mut facts = message("example.org", "192.0.2.2", start());
    facts.authentication = Known::Unavailable("no DNS".into());
    pass(&mut standing, &facts, &settings);

    let view = standing.view(&name, &settings).expect("it was seen");
    let counts = view.counts;
    assert_eq!(counts.total, 5);
    assert_eq!(
        (counts.authentic, counts.unauthentic, counts.unknown),
        (3, 1, 1)
    );
    assert_eq!(
        (counts.dkim_pass, counts.dmarc_pass, counts.dmarc_fail),
        (3, 3, 1)
    );
    assert_eq!((counts.delivered, counts.blocked), (5, 0), "only reported");
    assert_eq!(view.servers.len(), 2);
    assert_eq!(view.servers[0].server.to_string(), "192.0.2.1/32");
    assert_eq!(view.keys.len(), 1);
    assert_eq!(
        (view.keys[0].selector.as_str(), view.keys[0].bits),
        ("s1", Some(2048))
    );
}

#[test]
fn a_signing_domain_blocks_what_is_unsigned_after_its_time() {
    let settings = enforcing();
    let mut standing = standing();
    history(&mut standing, "example.org", "192.0.2.1", 99, &settings);
    let name = domain("example.org");
    let view = standing.view(&name, &settings).expect("known");
    assert_eq!(view.stage, Stage::Blocking);
    let forged = message("example.org", "203.0.113.9", later());
    let ruling = standing.rule(&forged, false, &settings);
    assert_eq!(
        (ruling.would, ruling.handling),
        (Handling::Block, Handling::Block)
    );
    assert!(
        ruling.why[0].contains("example.org signs its mail"),
        "{:?}",
        ruling.why
    );
    let good = authentic(message("example.org", "203.0.113.9", later()));
    assert_eq!(
        standing.rule(&good, true, &settings).would,
        Handling::Forward
    );
    // The one per cent its own server forgot to sign.
    let own = with_spf(
        message("example.org", "192.0.2.1", later()),
        "example.org",
        SpfResult::Pass,
    );
    assert_eq!(
        standing.rule(&own, false, &settings).would,
        Handling::Forward
    );
}

#[test]
fn the_shipped_settings_only_report() {
    let settings = Settings::default();
    let mut standing = standing();
    history(&mut standing, "example.org", "192.0.2.1", 99, &settings);
    let forged = message("example.org", "203.0.113.9", later());
    let ruling = standing.rule(&forged, false, &settings);
    assert_eq!(
        (ruling.would, ruling.handling),
        (Handling::Block, Handling::Forward)
    );
    let reason = reason(&ruling, &settings).expect("it would block");
    assert_eq!(reason.demands, None);
    let enforced = standing.rule(&forged, false, &enforcing());
    let reason = super::reason(&enforced, &enforcing()).expect("it blocks");
    assert_eq!(reason.demands, Some(Demand::Action(Action::Reject)));
}

#[test]
fn a_domain_is_watched_before_it_blocks() {
    let settings = enforcing();
    let mut standing = standing();
    let name = domain("example.org");
    let mut switches = Vec::new();
    for day in 0..14 {
        let server = ("example.org", "192.0.2.1");
        switches.extend(one_day(&mut standing, server, day, 100, &settings));
        if day == 5 {
            let stage = standing.view(&name, &settings).expect("known").stage;
            assert_eq!(stage, Stage::ReportOnly);
            let forged = message("example.org", "203.0.113.9", start().plus_secs(6 * DAY));
            let ruling = standing.rule(&forged, false, &settings);
            assert_eq!(
                (ruling.would, ruling.handling),
                (Handling::Block, Handling::Redirect)
            );
        }
    }
    let steps: Vec<(Stage, Stage)> = switches.iter().map(|step| (step.from, step.to)).collect();
    assert_eq!(
        steps,
        [
            (Stage::Observing, Stage::ReportOnly),
            (Stage::ReportOnly, Stage::Blocking)
        ]
    );
    assert_eq!((switches[1].at.secs() - switches[0].at.secs()) / DAY, 7);
    assert!(switches[1].share.percent > 99.0 && switches[1].share.counted >= 200);
    assert!(
        switches[0].why.contains("at least 95 %"),
        "{}",
        switches[0].why
    );
    let delta = standing.take_delta();
    assert_eq!(delta.switches, switches, "kept for the audit");
}

#[test]
fn between_the_two_shares_nothing_changes() {
    let settings = enforcing();
    let name = domain("example.org");
    for (signed, from_observing, from_blocking) in [
        (97, Stage::Blocking, Stage::Blocking),
        (93, Stage::Observing, Stage::Blocking),
        (80, Stage::Observing, Stage::Observing),
    ] {
        let mut standing = standing();
        history(&mut standing, "example.org", "192.0.2.1", signed, &settings);
        let stage = standing.view(&name, &settings).expect("known").stage;
        assert_eq!(stage, from_observing, "{signed} % from observing");

        let mut standing = self::standing();
        history(&mut standing, "example.org", "192.0.2.1", 99, &settings);
        for day in 14..28 {
            let server = ("example.org", "192.0.2.1");
            one_day(&mut standing, server, day, signed, &settings);
        }
        let stage = standing.view(&name, &settings).expect("known").stage;
        assert_eq!(stage, from_blocking, "{signed} % from blocking");
    }
}

#[test]
fn a_domain_gone_silent_blocks_no_more() {
    let settings = enforcing();
    let mut standing = standing();
    history(&mut standing, "example.org", "192.0.2.1", 100, &settings);
    let at = start().plus_secs(26 * DAY);
    pass(
        &mut standing,
        &authentic(message("example.org", "192.0.2.1", at)),
        &settings,
    );
    let switches = standing.review(start().plus_secs(28 * DAY), &settings);
    assert_eq!(switches.len(), 1);
    assert_eq!(switches[0].to, Stage::Observing);
    assert!(
        switches[0].why.contains("too little"),
        "{}",
        switches[0].why
    );
}

#[test]
fn a_pin_stands_above_the_numbers() {
    let name = domain("example.org");
    let pinned = |stage| Settings {
        domains: [(
            name.clone(),
            DomainSettings {
                stage: Some(stage),
                ..DomainSettings::default()
            },
        )]
        .into(),
        ..enforcing()
    };
    let mut standing = standing();
    history(&mut standing, "example.org", "192.0.2.1", 99, &enforcing());
    let forged = message("example.org", "203.0.113.9", later());
    let observing = pinned(Stage::Observing);
    assert_ne!(
        standing.rule(&forged, false, &observing).handling,
        Handling::Block
    );
    assert_eq!(standing.review(later(), &observing), []);
    assert_eq!(
        standing.view(&name, &observing).expect("known").stage,
        Stage::Observing
    );

    let unknown = Standing::new(1 << 20, 7);
    let ruling = unknown.rule(&forged, false, &pinned(Stage::Blocking));
    assert_eq!(ruling.handling, Handling::Block);
}

#[test]
fn a_wish_bounds_what_is_done() {
    let settings = |wish| Settings {
        domains: [(
            domain("example.org"),
            DomainSettings {
                wish: Some(wish),
                ..DomainSettings::default()
            },
        )]
        .into(),
        ..enforcing()
    };
    let facts = unauthentic(
        message("example.org", "203.0.113.9", start()),
        SignatureProblem::Signature,
    );
    let rule = |wish| standing().rule(&facts, false, &settings(wish)).handling;
    assert_eq!(rule(Handling::Block), Handling::Block);
    assert_eq!(rule(Handling::Redirect), Handling::Redirect);
    assert_eq!(rule(Handling::Forward), Handling::Forward);
}

#[test]
fn unauthentic_is_blocked_whatever_the_share_but_for_forwarders() {
    let settings = enforcing();
    let rule = |facts: &Facts| standing().rule(facts, false, &settings).handling;
    let broken = |problem| unauthentic(message("example.org", "198.51.100.7", start()), problem);
    assert_eq!(rule(&broken(SignatureProblem::BodyHash)), Handling::Block);
    assert_eq!(
        rule(&broken(SignatureProblem::PartialBody)),
        Handling::Redirect
    );

    let list = with_header(
        broken(SignatureProblem::BodyHash),
        "List-Id",
        "<l.list.example>",
    );
    assert_eq!(rule(&list), Handling::Block, "anybody can write a List-Id");
    let list = with_spf(list, "list.example", SpfResult::Pass);
    assert_eq!(rule(&list), Handling::Redirect);

    let mut forwarded = broken(SignatureProblem::BodyHash);
    let sealer = |trusted| Sealer {
        instance: 1,
        domain: Domain::parse("forwarder.example").ok(),
        selector: None,
        trusted,
        claims: Vec::new(),
    };
    found(&mut forwarded).arc = Arc {
        result: ArcResult::Pass,
        sealers: vec![sealer(false)],
        ..Arc::default()
    };
    assert_eq!(rule(&forwarded), Handling::Block, "anybody can seal");
    found(&mut forwarded).arc.sealers = vec![sealer(true)];
    assert_eq!(rule(&forwarded), Handling::Redirect);

    let known = Settings {
        forwarders: vec!["198.51.100.0/24".parse().expect("a network")],
        softened: Handling::Forward,
        ..enforcing()
    };
    let ruling = standing().rule(&broken(SignatureProblem::BodyHash), false, &known);
    assert_eq!(ruling.handling, Handling::Forward);
}

#[test]
fn what_the_domain_or_an_administrator_vouches_for_needs_no_signature() {
    let broken = unauthentic(
        message("example.org", "192.0.2.1", start()),
        SignatureProblem::Signature,
    );
    let vouched = with_spf(broken, "example.org", SpfResult::Pass);
    let rule = |settings: &Settings| standing().rule(&vouched, false, settings).handling;
    assert_eq!(rule(&enforcing()), Handling::Forward);
    let signature_only = Settings {
        spf_is_enough: false,
        ..enforcing()
    };
    assert_eq!(rule(&signature_only), Handling::Block);
}

#[test]
fn a_network_that_hands_on_many_domains_is_a_forwarder() {
    let settings = enforcing();
    let mut standing = standing();
    let broken = unauthentic(
        message("victim.example", "198.51.100.77", later()),
        SignatureProblem::BodyHash,
    );
    for day in 0..3 {
        for number in 0..20 {
            let name = format!("d{number}.example");
            let at = start().plus_secs(day * DAY);
            if day < 2 {
                let ruling = standing.rule(&broken, false, &settings);
                assert_eq!(ruling.handling, Handling::Block);
            }
            pass(
                &mut standing,
                &authentic(message(&name, "198.51.100.7", at)),
                &settings,
            );
        }
    }
    assert_eq!(
        standing.rule(&broken, false, &settings).handling,
        Handling::Redirect
    );
}

#[test]
fn below_the_threshold_the_server_is_held_against_the_headers() {
    let settings = enforcing();
    let mut standing = standing();
    history(&mut standing, "example.org", "192.0.2.1", 50, &settings);
    let rule = |facts: &Facts, suspect| standing.rule(facts, suspect, &settings);

    let stranger = message("example.org", "203.0.113.9", later());
    let ruling = rule(&stranger, false);
    assert_eq!(ruling.stage, Stage::Observing);
    assert_eq!(ruling.handling, Handling::Redirect);
    assert!(
        ruling.why[0].starts_with("From, Return-Path: mail of example.org"),
        "{:?}",
        ruling.why
    );
    assert_eq!(rule(&stranger, true).handling, Handling::Block);

    let own = with_spf(
        message("example.org", "192.0.2.1", later()),
        "example.org",
        SpfResult::Pass,
    );
    assert_eq!(rule(&own, true).handling, Handling::Forward);
    let neighbour = message("example.org", "192.0.2.200", later());
    assert_eq!(rule(&neighbour, true).handling, Handling::Forward);

    let forbidden = with_spf(stranger.clone(), "example.org", SpfResult::Fail);
    assert_eq!(rule(&forbidden, false).handling, Handling::Block);

    let mut named = stranger.clone();
    found(&mut named).outbound.ptr = Known::Yes(Ptr {
        name: "out.example.org".into(),
        confirmed: true,
        generic: false,
    });
    assert_eq!(rule(&named, true).handling, Handling::Forward);

    let mut lying = message("nowhere.example", "203.0.113.9", later());
    found(&mut lying).outbound.helo_name = Some("mail.nowhere.example".into());
    found(&mut lying).outbound.helo_flaws = vec![HeloFlaw::Elsewhere];
    assert_eq!(rule(&lying, true).handling, Handling::Block);

    let mut path = message("nowhere.example", "203.0.113.9", later());
    path.message.received.push(Hop {
        by: Some("mx.nowhere.example".into()),
        ..Hop::default()
    });
    let ruling = rule(&path, false);
    assert_eq!(ruling.handling, Handling::Redirect);
    assert!(ruling.why[0].starts_with("Received:"), "{:?}", ruling.why);

    let nobody = message("nowhere.example", "203.0.113.9", later());
    assert_eq!(
        rule(&nobody, true).handling,
        Handling::Forward,
        "nothing is known of it"
    );
}

#[test]
fn marks_of_an_administrator_count() {
    let mark = |mark| Settings {
        domains: [(
            domain("example.org"),
            DomainSettings {
                marks: vec![("203.0.113.0/24".parse().expect("a network"), mark)],
                ..DomainSettings::default()
            },
        )]
        .into(),
        ..enforcing()
    };
    let mut standing = standing();
    history(&mut standing, "example.org", "192.0.2.1", 99, &enforcing());
    let facts = message("example.org", "203.0.113.9", later());
    let rule = |settings: &Settings| standing.rule(&facts, false, settings).handling;
    assert_eq!(rule(&mark(Mark::Own)), Handling::Forward);
    assert_eq!(rule(&mark(Mark::Authorised)), Handling::Forward);
    assert_eq!(rule(&mark(Mark::NotOurs)), Handling::Block);
    let empty = Standing::new(1 << 20, 7);
    let ruling = empty.rule(&facts, false, &mark(Mark::NotOurs));
    assert_eq!(ruling.handling, Handling::Block);
    assert!(ruling.source.is_certain);
}

#[test]
fn what_dmarc_asks_is_done_besides() {
    let rule = |asked, settings: &Settings| {
        let mut facts = message("example.org", "203.0.113.9", start());
        found(&mut facts).dmarc.result = DmarcResult::Fail;
        found(&mut facts).dmarc.asked = asked;
        standing().rule(&facts, false, settings).handling
    };
    assert_eq!(rule(Disposition::Reject, &enforcing()), Handling::Block);
    assert_eq!(
        rule(Disposition::Quarantine, &enforcing()),
        Handling::Redirect
    );
    assert_eq!(rule(Disposition::None, &enforcing()), Handling::Forward);
    assert_eq!(
        rule(Disposition::Reject, &Settings::default()),
        Handling::Forward
    );
    let not_honoured = Settings {
        honour_dmarc: false,
        ..enforcing()
    };
    assert_eq!(rule(Disposition::Reject, &not_honoured), Handling::Forward);
}

#[test]
fn a_server_that_sent_long_is_no_stranger() {
    let settings = enforcing();
    let mut standing = standing();
    for day in 0..14 {
        let at = start().plus_secs(day * DAY);
        let facts = message("example.org", "198.51.100.4", at);
        pass(&mut standing, &facts, &settings);
        let server = ("example.org", "192.0.2.1");
        one_day(&mut standing, server, day, 100, &settings);
    }
    let steady = message("example.org", "198.51.100.4", later());
    let ruling = standing.rule(&steady, false, &settings);
    assert_eq!(ruling.stage, Stage::Blocking);
    assert_eq!(ruling.handling, Handling::Redirect, "{:?}", ruling.why);
    let stranger = message("example.org", "198.51.100.5", later());
    assert_eq!(
        standing.rule(&stranger, false, &settings).handling,
        Handling::Block
    );
}

#[test]
fn what_is_kept_makes_the_same_standing_again() {
    let settings = enforcing();
    let mut standing = standing();
    history(&mut standing, "example.org", "192.0.2.1", 99, &settings);
    history(&mut standing, "example.net", "192.0.2.9", 40, &settings);
    let name = domain("example.org");
    let view = standing.view(&name, &settings);
    let written = serde_json::to_string(&standing.snapshot()).expect("it can be written");
    let snapshot = serde_json::from_str(&written).expect("it can be read");
    let again = Standing::restore(&snapshot, &settings, 8 << 20, 99);
    assert_eq!(again.view(&name, &settings), view);
    let forged = message("example.org", "203.0.113.9", later());
    assert_eq!(
        again.rule(&forged, true, &settings),
        standing.rule(&forged, true, &settings)
    );

    // A node that saw nothing itself and is told everything knows the same.
    let delta = standing.take_delta();
    assert_eq!(delta.dropped, 0);
    let mut other = Standing::new(8 << 20, 5);
    let half = delta.days.len() / 2;
    let first = Delta {
        days: delta.days[..half].to_vec(),
        ..Delta::default()
    };
    let second = Delta {
        days: delta.days[half..].to_vec(),
        ..delta
    };
    other.absorb(&first);
    other.absorb(&second);
    other.review(start().plus_secs(14 * DAY), &settings);
    let told = other.view(&name, &settings).expect("told");
    let view = view.expect("known");
    assert_eq!((told.stage, told.counts), (view.stage, view.counts));
    assert_eq!(told.servers, view.servers);
    assert!(standing.take_delta().days.is_empty(), "told once");
}

#[test]
fn many_servers_are_folded_and_nothing_is_lost() {
    let settings = Settings::default();
    let mut standing = standing();
    for number in 0..5 {
        let facts = message("example.org", "192.0.2.1", start().plus_secs(number));
        pass(&mut standing, &authentic(facts), &settings);
    }
    for number in 0..5_000_u32 {
        let ip = std::net::Ipv4Addr::from(0x0b00_0000 + number * 131).to_string();
        pass(
            &mut standing,
            &message("example.org", &ip, start()),
            &settings,
        );
    }
    let view = standing
        .view(&domain("example.org"), &settings)
        .expect("known");
    assert_eq!(view.counts.total, 5_005);
    assert!(view.servers.len() <= 128);
    let own = view
        .servers
        .iter()
        .find(|one| one.server.to_string() == "192.0.2.1/32");
    assert_eq!(own.expect("it has a history").counts.authentic, 5);
}
