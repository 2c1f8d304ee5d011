//! Mail that an account sends: how much, to whom, in whose name, and what becomes of it.

use mail::operation::{Act, Reply, Said};

use super::{About, Detector, Finding, Sight, acting, knob, telling};
use crate::ledger::account::Outbound;
use crate::response::Step;

/// More than anybody writes.
pub const VOLUME: Detector = Detector {
    id: "out.volume",
    meaning: "an account sends to more recipients than the site allows anybody",
    only_weight: false,
    when_named: false,
    knobs: &[
        knob(
            "hour",
            500.0,
            (10.0, 1e7),
            "recipients in an hour; Exchange Online's documented example",
        ),
        knob(
            "day",
            1000.0,
            (10.0, 1e7),
            "recipients in a day; the same. Give whoever sends newsletters more",
        ),
        knob(
            "home_factor",
            2.0,
            (1.0, 100.0),
            "how many times as many from where the account is at home (guess; a first newsletter looks like this, and a thief is not there)",
        ),
    ],
    steps: &[Step::DeferMail],
    looks: |sight| {
        let (outbound, at) = (sent(sight)?, sight.operation.at);
        let (hour, day) = (outbound.hour.sum(at), outbound.day.sum(at));
        // Whoever sends a newsletter every week is known by it.
        let usual = f64::from(outbound.peak.busiest());
        let factor = if sight.before.at_home {
            sight.knob("home_factor")
        } else {
            1.0
        };
        let over = |count: u32, name: &str| {
            f64::from(count) > (factor * sight.knob(name)).max(2.0 * usual)
        };
        (over(hour, "hour") || over(day, "day")).then(|| {
            let values = vec![("hour", f64::from(hour)), ("day", f64::from(day))];
            acting(About::Account, 0.4, values, outbound.evidence.ids())
        })
    },
};

/// Far more than usual.
pub const SURGE: Detector = Detector {
    id: "out.surge",
    meaning: "an account sends many times what its busiest hours have seen",
    only_weight: true,
    when_named: false,
    knobs: &[
        knob(
            "times",
            10.0,
            (2.0, 1000.0),
            "times its own busiest hour (guess)",
        ),
        knob(
            "recipients",
            50.0,
            (5.0, 1e6),
            "recipients at least; less is a letter to the family (guess)",
        ),
    ],
    steps: &[],
    looks: |sight| {
        let (outbound, at) = (sent(sight)?, sight.operation.at);
        let hour = outbound.hour.sum(at);
        let usual = f64::from(outbound.peak.busiest()).max(1.0);
        (sight.reaches(hour, "recipients") && f64::from(hour) >= sight.knob("times") * usual).then(
            || {
                let values = vec![("recipients", f64::from(hour)), ("usual", usual)];
                telling(About::Account, 0.4, values, outbound.evidence.ids())
            },
        )
    },
};

/// Nobody it ever wrote to.
pub const FANOUT: Detector = Detector {
    id: "out.fanout",
    meaning: "an account writes to many it never wrote to; from where it is not at home, a few are enough",
    only_weight: false,
    when_named: false,
    knobs: &[
        knob(
            "new",
            100.0,
            (10.0, 1e6),
            "new recipients in an hour (guess)",
        ),
        knob(
            "domains",
            50.0,
            (5.0, 1e6),
            "domains of recipients in an hour, instead of `new` (guess)",
        ),
        knob(
            "share",
            0.9,
            (0.1, 1.0),
            "share of new ones among all; a newsletter goes to the same people every time",
        ),
        knob(
            "strange_new",
            20.0,
            (3.0, 1e6),
            "new recipients in a day from where the account is not at home (guess; travellers write to people they know)",
        ),
        knob(
            "program_factor",
            2.0,
            (1.0, 100.0),
            "how many times as many with a client program the account knows (guess; anybody can pretend to it)",
        ),
        knob(
            "strange_share",
            0.6,
            (0.1, 1.0),
            "share of new ones among those (guess)",
        ),
    ],
    steps: &[Step::Freeze, Step::EndSessions],
    looks: |sight| {
        let (outbound, at) = (sent(sight)?, sight.operation.at);
        let share = |new: u32, all: u32| f64::from(new) / f64::from(all.max(1));
        let strange = outbound.strange_new.count(at);
        let strange_share = share(strange, outbound.strange_day.sum(at));
        let factor = if sight.before.program_settled {
            sight.knob("program_factor")
        } else {
            1.0
        };
        if !sight.before.at_home
            && f64::from(strange) >= factor * sight.knob("strange_new")
            && strange_share >= sight.knob("strange_share")
        {
            let values = vec![
                ("strange_new", f64::from(strange)),
                ("strange_share", strange_share),
            ];
            return Some(acting(About::Account, 0.7, values, outbound.evidence.ids()));
        }
        let new = outbound.new_hour.count(at);
        let new_share = share(new, outbound.hour.sum(at));
        // At home it may be the first newsletter of an honest person, and nothing here tells it from spam; what comes back does.
        let domains = outbound.domains_hour.count(at);
        let many = sight.reaches(new, "new") || sight.reaches(domains, "domains");
        (many && new_share >= sight.knob("share")).then(|| {
            let values = vec![
                ("new", f64::from(new)),
                ("domains", f64::from(domains)),
                ("share", new_share),
            ];
            telling(About::Account, 0.5, values, outbound.evidence.ids())
        })
    },
};

/// Recipients that do not exist.
pub const BAD_RECIPIENTS: Detector = Detector {
    id: "out.badrcpt",
    meaning: "an account writes to many addresses that do not exist, as lists of spammers do",
    only_weight: false,
    when_named: false,
    knobs: &[
        knob("suspicious", 20.0, (3.0, 1e5), "in an hour, to be weighed"),
        knob(
            "recipients",
            100.0,
            (5.0, 1e5),
            "in an hour, to stop it; Exim's BlockCracking, in use since 2013",
        ),
        knob(
            "share",
            0.1,
            (0.01, 1.0),
            "share of all recipients in an hour, where there are `least`",
        ),
        knob(
            "least",
            50.0,
            (10.0, 1e5),
            "recipients in an hour below which a share says nothing",
        ),
    ],
    steps: &[Step::Freeze],
    looks: |sight| {
        if !matches!(
            sight.operation.act,
            Act::Reply(_)
                | Act::Probe {
                    said: Said::Unknown,
                    ..
                }
        ) {
            return None;
        }
        let at = sight.operation.at;
        let outbound = sight.account()?.outbound.as_ref()?;
        let (bad, all) = (outbound.bad_hour.sum(at), outbound.hour.sum(at));
        let share = f64::from(bad) / f64::from(all.max(1));
        let values = vec![("recipients", f64::from(bad)), ("share", share)];
        if sight.reaches(bad, "recipients")
            || (sight.reaches(all, "least") && share >= sight.knob("share"))
        {
            return Some(acting(About::Account, 0.8, values, outbound.evidence.ids()));
        }
        sight
            .reaches(bad, "suspicious")
            .then(|| telling(About::Account, 0.4, values, outbound.evidence.ids()))
    },
};

/// Too much comes back.
pub const BOUNCE_RATIO: Detector = Detector {
    id: "out.bounce_ratio",
    meaning: "too large a share of what an account sends in a day comes back",
    only_weight: false,
    when_named: false,
    knobs: &[
        knob(
            "warn",
            0.05,
            (0.01, 1.0),
            "share that comes back, to be told; what mail services commonly take",
        ),
        knob("hold", 0.1, (0.01, 1.0), "the same, to defer mail"),
        knob(
            "least",
            100.0,
            (10.0, 1e6),
            "recipients in a day below which a share says nothing",
        ),
    ],
    steps: &[Step::DeferMail],
    looks: |sight| {
        let Act::Reply(_) = sight.operation.act else {
            return None;
        };
        let at = sight.operation.at;
        let outbound = sight.account()?.outbound.as_ref()?;
        let all = outbound.day.sum(at);
        let share = f64::from(outbound.bad_day.sum(at)) / f64::from(all.max(1));
        if !sight.reaches(all, "least") || share < sight.knob("warn") {
            return None;
        }
        let values = vec![("share", share), ("recipients", f64::from(all))];
        let ids = outbound.evidence.ids();
        Some(if share >= sight.knob("hold") {
            acting(About::Account, 0.5, values, ids)
        } else {
            telling(About::Account, 0.2, values, ids)
        })
    },
};

/// In names that are not its own.
pub const MANY_SENDERS: Detector = Detector {
    id: "out.many_from",
    meaning: "an account writes in several names that are not its own",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "senders",
        3.0,
        (1.0, 1e4),
        "different senders in a day that the account may not use; Exim's unique sender count",
    )],
    steps: &[Step::DeferMail],
    looks: |sight| {
        let outbound = sent(sight)?;
        let senders = outbound.senders.count(sight.operation.at);
        sight.reaches(senders, "senders").then(|| {
            let values = vec![("senders", f64::from(senders))];
            acting(About::Account, 0.5, values, outbound.evidence.ids())
        })
    },
};

/// Others call it spam.
pub const CALLED_SPAM: Detector = Detector {
    id: "out.remote_says_spam",
    meaning: "other servers refuse what an account sends as spam",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "replies",
        2.0,
        (1.0, 1e4),
        "such replies in an hour; KumoMTA's 2/hr",
    )],
    steps: &[Step::DeferMail],
    looks: |sight| {
        let Act::Reply(_) = sight.operation.act else {
            return None;
        };
        let outbound = sight.account()?.outbound.as_ref()?;
        let replies = outbound.spam_replies.sum(sight.operation.at);
        sight.reaches(replies, "replies").then(|| {
            let values = vec![("replies", f64::from(replies))];
            acting(About::Account, 0.5, values, outbound.evidence.ids())
        })
    },
};

/// The same to everybody.
pub const CLONE: Detector = Detector {
    id: "out.clone",
    meaning: "an account sends like bodies to many; weighed together with what else is unusual",
    only_weight: true,
    when_named: false,
    knobs: &[knob(
        "recipients",
        50.0,
        (5.0, 1e6),
        "recipients of one body in an hour; half of it from where the account is not at home (guess)",
    )],
    steps: &[],
    looks: |sight| {
        let Act::Send(message) = &sight.operation.act else {
            return None;
        };
        let outbound = sent(sight)?;
        let print = message.print?;
        let (_, recipients) = outbound.prints.iter().find(|(known, _)| *known == print)?;
        let count = recipients.count(sight.operation.at);
        let factor = if sight.is_strange() { 0.5 } else { 1.0 };
        (f64::from(count) >= factor * sight.knob("recipients")).then(|| clone_of(count, outbound))
    },
};

/// In nobody's name.
pub const NULL_SENDER: Detector = Detector {
    id: "out.null",
    meaning: "an account sends bounces, or what looks like them: mail with the null sender, that nobody can answer",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "messages",
        5.0,
        (1.0, 1e5),
        "in an hour; a mail program confirms that it was read that way, which comes one at a time (Rspamd's bounce_to)",
    )],
    steps: &[Step::DeferMail],
    looks: |sight| {
        let Act::Send(message) = &sight.operation.act else {
            return None;
        };
        if message.envelope_from.is_some() {
            return None;
        }
        let outbound = sent(sight)?;
        let messages = outbound.null_sender.sum(sight.operation.at);
        let values = vec![("messages", f64::from(messages))];
        let ids = outbound.evidence.ids();
        sight.reaches(messages, "messages").then(|| {
            // Confirmations that mail was read go out from home.
            if sight.is_strange() {
                acting(About::Account, 0.4, values, ids)
            } else {
                telling(About::Account, 0.2, values, ids)
            }
        })
    },
};

/// Readers complain.
pub const COMPLAINTS: Detector = Detector {
    id: "out.arf",
    meaning: "readers complain about what an account sends, by way of their mail services' feedback reports",
    only_weight: false,
    when_named: false,
    knobs: &[
        knob("complaints", 3.0, (1.0, 1e5), "in a week"),
        knob(
            "share",
            0.003,
            (0.0001, 1.0),
            "of the recipients of that week; Gmail's 0.3 %",
        ),
    ],
    steps: &[Step::DeferMail],
    looks: |sight| {
        let Act::Reply(Reply::Complained) = sight.operation.act else {
            return None;
        };
        let at = sight.operation.at;
        let outbound = sight.account()?.outbound.as_ref()?;
        let complaints = outbound.complaints.sum(at);
        let share = f64::from(complaints) / f64::from(outbound.week.sum(at).max(1));
        (sight.reaches(complaints, "complaints") && share >= sight.knob("share")).then(|| {
            let values = vec![("complaints", f64::from(complaints)), ("share", share)];
            acting(About::Account, 0.6, values, outbound.evidence.ids())
        })
    },
};

/// A web form that everybody may fill in.
pub const PROGRAM: Detector = Detector {
    id: "out.script",
    meaning: "a program on the mail server itself, named by its user's number, hands in mail for many",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "recipients",
        100.0,
        (5.0, 1e6),
        "in an hour; policyd-rate-limit's users ask for it, and a shop may send as many",
    )],
    // No door sees such mail before it is taken, so all there is is to tell somebody.
    steps: &[Step::Note],
    looks: |sight| {
        let outbound = sent(sight)?;
        if !sight.operation.account.as_ref()?.is_program() {
            return None;
        }
        let recipients = outbound.hour.sum(sight.operation.at);
        sight.reaches(recipients, "recipients").then(|| {
            let values = vec![("recipients", f64::from(recipients))];
            acting(About::Account, 0.4, values, outbound.evidence.ids())
        })
    },
};

fn clone_of(count: u32, outbound: &Outbound) -> Finding {
    let values = vec![("recipients", f64::from(count))];
    telling(About::Account, 0.3, values, outbound.evidence.ids())
}

/// The account's mail, when this is a message of an account.
fn sent<'a>(sight: &Sight<'a>) -> Option<&'a Outbound> {
    match sight.operation.act {
        Act::Send(_) => sight.account()?.outbound.as_deref(),
        _ => None,
    }
}
