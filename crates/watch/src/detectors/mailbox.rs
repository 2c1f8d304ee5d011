//! What is done in a mailbox that somebody got into: read it all, empty it, have its mail sent on, hide the traces.

use mail::operation::{Act, Administer, Fault, Protocol};

use super::{About, Detector, acting, knob, telling};
use crate::response::Step;

const MEBIBYTE_KIB: f64 = 1024.0;

/// A great deal read.
pub const BULK: Detector = Detector {
    id: "mbx.bulk",
    meaning: "far more is read than is usual, or much from where the account is not at home",
    only_weight: true,
    when_named: false,
    knobs: &[
        knob(
            "imap_mib",
            2500.0,
            (1.0, 1e7),
            "MiB a day by IMAP; Gmail's own limit",
        ),
        knob(
            "pop_mib",
            1250.0,
            (1.0, 1e7),
            "MiB a day by POP3; Gmail's own limit",
        ),
        knob(
            "strange_mib",
            100.0,
            (1.0, 1e7),
            "MiB a day from where the account is not at home (guess: a few thousand messages)",
        ),
        knob(
            "z",
            4.0,
            (2.0, 100.0),
            "spreads above the account's own mean, with `strange_mib` of a quarter",
        ),
    ],
    steps: &[],
    looks: |sight| {
        let Act::Retrieve(_) = sight.operation.act else {
            return None;
        };
        let at = sight.operation.at;
        let reading = sight.account()?.reading.as_ref()?;
        let mib = f64::from(reading.kibibytes.sum(at)) / MEBIBYTE_KIB;
        let strange = f64::from(reading.strange_kibibytes.sum(at)) / MEBIBYTE_KIB;
        let unusual = reading
            .daily
            .z()
            .is_some_and(|z| f64::from(z) > sight.knob("z"));
        let by_protocol = if sight.operation.protocol == Protocol::Pop3 {
            "pop_mib"
        } else {
            "imap_mib"
        };
        let values = || vec![("mib", mib), ("strange_mib", strange)];
        let least = sight.knob("strange_mib");
        if strange >= least || (strange >= least / 4.0 && unusual) {
            return Some(telling(
                About::Account,
                0.4,
                values(),
                reading.evidence.ids(),
            ));
        }
        (mib >= sight.knob(by_protocol))
            .then(|| telling(About::Account, 0.2, values(), reading.evidence.ids()))
    },
};

/// A mailbox fetched whole by a stranger.
pub const POP_DRAIN: Detector = Detector {
    id: "mbx.pop_drain",
    meaning: "nearly all of a mailbox is fetched by POP3 from where the account is not at home",
    only_weight: true,
    when_named: false,
    knobs: &[
        knob("share", 0.8, (0.1, 1.0), "share of the mailbox (guess)"),
        knob(
            "messages",
            50.0,
            (5.0, 1e6),
            "messages at least; a nearly empty mailbox tells nothing (guess)",
        ),
    ],
    steps: &[],
    looks: |sight| {
        let Act::Retrieve(read) = sight.operation.act else {
            return None;
        };
        if sight.operation.protocol != Protocol::Pop3 || !sight.is_strange() {
            return None;
        }
        let reading = sight.account()?.reading.as_ref()?;
        let messages = reading.strange_messages.sum(sight.operation.at);
        let share = f64::from(messages) / f64::from(read.mailbox_messages?.max(1));
        (share >= sight.knob("share") && sight.reaches(messages, "messages")).then(|| {
            let values = vec![("messages", f64::from(messages)), ("share", share)];
            telling(About::Account, 0.4, values, reading.evidence.ids())
        })
    },
};

/// Looking at everything there is.
pub const ENUMERATION: Detector = Detector {
    id: "mbx.enum",
    meaning: "very many folders are looked into from where the account is not at home, or folders it has no right to",
    only_weight: true,
    when_named: false,
    knobs: &[
        knob(
            "folders",
            200.0,
            (20.0, 1e6),
            "in ten minutes (guess; programs that search everything do it at home)",
        ),
        knob(
            "denied",
            20.0,
            (3.0, 1e6),
            "commands in ten minutes that the server refused for want of a right (guess)",
        ),
    ],
    steps: &[],
    looks: |sight| {
        let at = sight.operation.at;
        let (name, count, reading) = match sight.operation.act {
            Act::List(_) if sight.is_strange() => {
                let reading = sight.account()?.reading.as_ref()?;
                ("folders", reading.folders.sum(at), reading)
            }
            Act::Fault(Fault::Denied) => {
                let reading = sight.account()?.reading.as_ref()?;
                ("denied", reading.denied.sum(at), reading)
            }
            _ => return None,
        };
        sight.reaches(count, name).then(|| {
            telling(
                About::Account,
                0.3,
                vec![(name, f64::from(count))],
                reading.evidence.ids(),
            )
        })
    },
};

/// What thieves look for.
pub const SEARCH: Detector = Detector {
    id: "mbx.recon",
    meaning: "a mailbox is searched for what thieves want (payments, passwords, contracts …) from where the account is not at home; looks only when named, because it reads what is searched for, and keeps the topics alone",
    only_weight: true,
    when_named: true,
    knobs: &[knob(
        "topics",
        4.0,
        (1.0, 8.0),
        "of eight topics in an hour (guess; reports on business e-mail compromise)",
    )],
    steps: &[],
    looks: |sight| {
        let Act::List(list) = sight.operation.act else {
            return None;
        };
        if list.topics.is_empty() || !sight.is_strange() {
            return None;
        }
        let reading = sight.account()?.reading.as_ref()?;
        let topics = reading.topics.count(sight.operation.at);
        sight.reaches(topics, "topics").then(|| {
            telling(
                About::Account,
                0.4,
                vec![("topics", f64::from(topics))],
                reading.evidence.ids(),
            )
        })
    },
};

/// A mailbox filled.
pub const APPEND_FLOOD: Detector = Detector {
    id: "mbx.append_flood",
    meaning: "a great deal is put into a mailbox",
    only_weight: true,
    when_named: false,
    knobs: &[
        knob(
            "messages",
            1000.0,
            (10.0, 1e7),
            "in an hour; a migration does it, too",
        ),
        knob("mib", 500.0, (1.0, 1e7), "MiB in a day; Gmail's own limit"),
    ],
    steps: &[],
    looks: |sight| {
        let Act::Append(_) = sight.operation.act else {
            return None;
        };
        let at = sight.operation.at;
        let reading = sight.account()?.reading.as_ref()?;
        let messages = reading.appended.sum(at);
        let mib = f64::from(reading.appended_kibibytes.sum(at)) / MEBIBYTE_KIB;
        (sight.reaches(messages, "messages") || mib >= sight.knob("mib")).then(|| {
            let values = vec![("messages", f64::from(messages)), ("mib", mib)];
            telling(About::Account, 0.2, values, reading.evidence.ids())
        })
    },
};

/// A mailbox emptied.
pub const MASS_DELETE: Detector = Detector {
    id: "mbx.massdelete",
    meaning: "much of a mailbox is deleted at once",
    only_weight: true,
    when_named: false,
    knobs: &[
        knob(
            "messages",
            200.0,
            (10.0, 1e6),
            "messages in ten minutes (with `share`); deleted mail is a symptom Microsoft lists",
        ),
        knob("share", 0.5, (0.05, 1.0), "share of the mailbox"),
    ],
    steps: &[],
    looks: |sight| {
        let Act::Delete(delete) = sight.operation.act else {
            return None;
        };
        let reading = sight.account()?.reading.as_ref()?;
        let messages = reading.deleted.sum(sight.operation.at);
        let share = f64::from(messages) / f64::from(delete.mailbox_messages?.max(1));
        (sight.reaches(messages, "messages") && share >= sight.knob("share")).then(|| {
            let score = if sight.is_strange() { 0.5 } else { 0.2 };
            let values = vec![("messages", f64::from(messages)), ("share", share)];
            telling(About::Account, score, values, reading.evidence.ids())
        })
    },
};

/// Mail is sent on to somebody else.
pub const RULE_FORWARD: Detector = Detector {
    id: "mbx.rule_fwd",
    meaning: "a rule sends mail on to an address outside; from where the account is not at home, it is a thief's",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "score",
        0.4,
        (0.0, 1.0),
        "for any new outside target; twice that from where the account is not at home (Microsoft, Sigma)",
    )],
    steps: &[Step::HoldRule],
    looks: |sight| {
        let Act::Administer(Administer::Forward { ours: false, .. }) = &sight.operation.act else {
            return None;
        };
        Some(rule(sight, sight.knob("score") as f32))
    },
};

/// Mail is put out of sight.
pub const RULE_HIDE: Detector = Detector {
    id: "mbx.rule_hide",
    meaning: "a rule puts mail with telling words (invoice, password, undeliverable) where the owner does not look",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "score",
        0.3,
        (0.0, 1.0),
        "for any such rule; twice that from where the account is not at home (Microsoft's symptoms)",
    )],
    steps: &[Step::HoldRule],
    looks: |sight| {
        let Act::Administer(Administer::Hide { telling: true }) = &sight.operation.act else {
            return None;
        };
        Some(rule(sight, sight.knob("score") as f32))
    },
};

/// The same rule weighs twice, and is held, from where the account is not at home.
fn rule(sight: &super::Sight<'_>, score: f32) -> super::Finding {
    let ids = [sight.operation.id];
    // The owner on a journey has his own program; a thief may pretend to it, so it is no excuse, only less sure.
    let factor = if sight.before.program_settled {
        1.5
    } else {
        2.0
    };
    if sight.is_strange() {
        acting(About::Account, (factor * score).min(1.0), Vec::new(), &ids)
    } else {
        telling(About::Account, score, Vec::new(), &ids)
    }
}
