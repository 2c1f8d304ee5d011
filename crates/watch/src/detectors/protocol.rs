//! Sessions that break the protocol, or come to nothing: what servers say of them in their logs, and our own doors of what they refuse.
//!
//! Servers end such sessions themselves. What is to be seen here is a source that goes on with it.

use mail::operation::{Act, Fault};

use super::{About, Detector, Finding, Sight, acting, knob, telling};
use crate::ledger::source::Faults;
use crate::response::Step;

/// Passwords where none may be offered.
pub const CLEARTEXT: Detector = Detector {
    id: "auth.clear",
    meaning: "one source offers passwords without encryption, or where no login is announced",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "tries",
        5.0,
        (1.0, 1e5),
        "in an hour; Exim counts \"AUTH when not advertised\", and old printers go on the allow-list",
    )],
    steps: &[Step::BlockSource],
    looks: |sight| {
        let faults = fault(sight, Fault::Cleartext)?;
        let tries = faults.cleartext.sum(sight.operation.at);
        reached(sight, "tries", tries).then(|| acts(0.5, "tries", tries, faults))
    },
};

/// Coming and going.
pub const LOITERING: Detector = Detector {
    id: "auth.noattempt",
    meaning: "one source opens sessions and ends them without a login or a message",
    only_weight: true,
    when_named: false,
    knobs: &[knob(
        "sessions",
        30.0,
        (5.0, 1e6),
        "in ten minutes; monitoring does this too, so it is only weighed (fail2ban warns of the same)",
    )],
    steps: &[],
    looks: |sight| {
        let faults = fault(sight, Fault::Loitered)?;
        let sessions = faults.loitered.sum(sight.operation.at);
        reached(sight, "sessions", sessions).then(|| tells(0.2, "sessions", sessions, faults))
    },
};

/// More wrong commands than a server puts up with.
pub const MALFORMED: Detector = Detector {
    id: "px.malformed",
    meaning: "servers end sessions of one source because of too many wrong commands",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "sessions",
        3.0,
        (1.0, 1e5),
        "in ten minutes; each of them was ended for its 3rd (Exim, Dovecot) to 20th (Postfix) wrong command",
    )],
    steps: &[Step::BlockSource],
    looks: |sight| {
        let faults = fault(sight, Fault::Malformed)?;
        let sessions = faults.malformed.sum(sight.operation.at);
        reached(sight, "sessions", sessions).then(|| acts(0.4, "sessions", sessions, faults))
    },
};

/// Another protocol.
pub const FOREIGN: Detector = Detector {
    id: "px.foreign",
    meaning: "one source speaks another protocol: GET, CONNECT, TLS on a plain port",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "sessions",
        1.0,
        (1.0, 1e5),
        "in an hour; Postfix' forbidden commands, and no mail program does it. Probes of a load balancer go on the allow-list",
    )],
    steps: &[Step::BlockSource],
    looks: |sight| {
        let faults = fault(sight, Fault::Foreign)?;
        let sessions = faults.foreign.sum(sight.operation.at);
        reached(sight, "sessions", sessions).then(|| acts(0.6, "sessions", sessions, faults))
    },
};

/// Out of turn.
pub const EARLY: Detector = Detector {
    id: "px.early",
    meaning: "one source speaks before it is its turn, as programs do that read no answers",
    only_weight: true,
    when_named: false,
    knobs: &[knob(
        "sessions",
        3.0,
        (1.0, 1e5),
        "in ten minutes; a few broken mail servers do it, so it is only weighed (postscreen, Exim)",
    )],
    steps: &[],
    looks: |sight| {
        let faults = fault(sight, Fault::Early)?;
        let sessions = faults.early.sum(sight.operation.at);
        reached(sight, "sessions", sessions).then(|| tells(0.3, "sessions", sessions, faults))
    },
};

/// Too fast, too many at once.
pub const HASTY: Detector = Detector {
    id: "px.conns",
    meaning: "a mail server refuses sessions of one source because there are too many of them",
    only_weight: true,
    when_named: false,
    knobs: &[knob(
        "sessions",
        3.0,
        (1.0, 1e5),
        "in ten minutes; the limit itself is the server's (anvil: 60 a minute, 50 at once), and an office may reach it",
    )],
    steps: &[],
    looks: |sight| {
        let faults = fault(sight, Fault::Hasty)?;
        let sessions = faults.hasty.sum(sight.operation.at);
        reached(sight, "sessions", sessions).then(|| tells(0.2, "sessions", sessions, faults))
    },
};

/// The source's faults, when this is one of that kind.
fn fault<'a>(sight: &Sight<'a>, kind: Fault) -> Option<&'a Faults> {
    match sight.operation.act {
        Act::Fault(fault) if fault == kind => sight.source()?.faults.as_deref(),
        _ => None,
    }
}

/// A source that many of our people come by has many programs behind it, so it takes as many more.
fn reached(sight: &Sight<'_>, knob: &str, count: u32) -> bool {
    const SHARED_FACTOR: f64 = 4.0;
    let shared = sight
        .source()
        .is_some_and(|source| source.is_shared(sight.operation.at));
    let factor = if shared { SHARED_FACTOR } else { 1.0 };
    f64::from(count) >= factor * sight.knob(knob)
}

fn acts(score: f32, name: &'static str, count: u32, faults: &Faults) -> Finding {
    acting(
        About::Source,
        score,
        vec![(name, f64::from(count))],
        faults.evidence.ids(),
    )
}

fn tells(score: f32, name: &'static str, count: u32, faults: &Faults) -> Finding {
    telling(
        About::Source,
        score,
        vec![(name, f64::from(count))],
        faults.evidence.ids(),
    )
}
