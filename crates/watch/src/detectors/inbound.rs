//! Strangers' mail: looking for addresses, and too much of it.

use mail::operation::{Act, Said, Sent};

use super::{About, Detector, Sight, acting, falling, knob, telling};
use crate::ledger::source::Mailbox;
use crate::response::Step;

/// Looking for addresses.
pub const HARVEST: Detector = Detector {
    id: "in.harvest",
    meaning: "one source asks for many different addresses that do not exist",
    only_weight: false,
    when_named: false,
    knobs: &[
        falling(
            "suspicious",
            5.0,
            (2.0, 1e5),
            "different unknown addresses in ten minutes, to be told (guess)",
        ),
        falling(
            "addresses",
            35.0,
            (5.0, 1e6),
            "the same in a day, to block; Stalwart's 35",
        ),
        knob(
            "share",
            0.5,
            (0.1, 1.0),
            "share of unknown ones among all: a large sender's old list has few",
        ),
        knob(
            "site",
            60.0,
            (5.0, 1e6),
            "different unknown addresses in an hour that the whole site is asked for by machines that never brought mail, to be told of each that asks for two (guess)",
        ),
    ],
    steps: &[Step::BlockSource],
    looks: |sight| {
        let Act::Probe {
            said: Said::Unknown,
            ..
        } = sight.operation.act
        else {
            return None;
        };
        if sight.marks.account.is_some() {
            return None;
        }
        let at = sight.operation.at;
        let mail = sight.source()?.mail.as_ref()?;
        let (minutes, day) = (mail.unknown_minutes.count(at), mail.unknown_day.count(at));
        let site = sight.ledger.asked_for.count(at);
        let share = f64::from(day) / f64::from((day + mail.known_day.sum(at)).max(1));
        if share < sight.knob("share") {
            return None;
        }
        let values = vec![
            ("addresses", f64::from(day)),
            ("suspicious", f64::from(minutes)),
            ("share", share),
            ("site", f64::from(site)),
        ];
        if day >= 2
            && mail.known_day.sum(at) <= day / 10
            && sight.reaches(site, "site")
            && !sight.reaches(day, "addresses")
        {
            return Some(telling(About::Source, 0.5, values, mail.evidence.ids()));
        }
        if sight.reaches(day, "addresses") {
            return Some(acting(About::Source, 0.7, values, mail.evidence.ids()));
        }
        sight
            .reaches(minutes, "suspicious")
            .then(|| telling(About::Source, 0.3, values, mail.evidence.ids()))
    },
};

/// One mailbox is buried.
pub const BOMB: Detector = Detector {
    id: "in.bomb",
    meaning: "one mailbox gets far more mail at once than it ever does",
    only_weight: false,
    when_named: false,
    knobs: &[
        knob(
            "messages",
            100.0,
            (10.0, 1e6),
            "in ten minutes; Rspamd's burst for one recipient",
        ),
        knob(
            "hour",
            160.0,
            (10.0, 1e6),
            "in an hour; the same burst with one a minute let through",
        ),
        knob(
            "times",
            10.0,
            (2.0, 1000.0),
            "times its own busiest hour before",
        ),
    ],
    steps: &[Step::LimitMailbox],
    looks: |sight| {
        let (mailbox, _) = busiest(sight)?;
        let messages = mailbox.messages.sum(sight.operation.at);
        let usual = f64::from(mailbox.peak.usual()).max(1.0);
        let hour = mailbox.hour.sum(sight.operation.at);
        let many = sight.reaches(messages, "messages") || sight.reaches(hour, "hour");
        (many && f64::from(hour) >= sight.knob("times") * usual).then(|| {
            let values = vec![
                ("messages", f64::from(messages)),
                ("hour", f64::from(hour)),
                ("usual", usual),
            ];
            acting(About::Mailbox, 0.6, values, mailbox.evidence.ids())
        })
    },
};

/// One address was entered into lists all over the world.
pub const LIST_BOMB: Detector = Detector {
    id: "in.listbomb",
    meaning: "one mailbox gets list mail of many unrelated senders at once; each is honest, together they bury something",
    only_weight: false,
    when_named: false,
    knobs: &[
        knob(
            "domains",
            30.0,
            (5.0, 1e5),
            "sender domains in half an hour; reports tell of 500 messages and more in 30 to 90 minutes",
        ),
        knob(
            "messages",
            50.0,
            (10.0, 1e6),
            "list messages in half an hour",
        ),
    ],
    steps: &[Step::LimitMailbox],
    looks: |sight| {
        let (mailbox, sent) = busiest(sight)?;
        if !sent.bulk {
            return None;
        }
        let at = sight.operation.at;
        let (messages, domains) = (mailbox.bulk.sum(at), mailbox.bulk_domains.count(at));
        (sight.reaches(messages, "messages") && sight.reaches(domains, "domains")).then(|| {
            let values = vec![
                ("messages", f64::from(messages)),
                ("domains", f64::from(domains)),
            ];
            acting(About::Mailbox, 0.7, values, mailbox.evidence.ids())
        })
    },
};

/// Answers to mail that nobody here wrote.
pub const BACKSCATTER: Detector = Detector {
    id: "in.backscatter",
    meaning: "one mailbox gets many bounces: its address is being used by a spammer",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "bounces",
        20.0,
        (5.0, 1e5),
        "messages with the null sender in ten minutes; Haraka's rate_rcpt_null, Rspamd's bounce_to",
    )],
    steps: &[Step::LimitMailbox],
    looks: |sight| {
        let (mailbox, sent) = busiest(sight)?;
        if sent.envelope_from.is_some() {
            return None;
        }
        let bounces = mailbox.bounces.sum(sight.operation.at);
        sight.reaches(bounces, "bounces").then(|| {
            let values = vec![("bounces", f64::from(bounces))];
            acting(About::Mailbox, 0.4, values, mailbox.evidence.ids())
        })
    },
};

/// Too fast for anybody.
pub const FLOOD: Detector = Detector {
    id: "in.flood",
    meaning: "one source hands over more messages a minute than is allowed",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "messages",
        120.0,
        (10.0, 1e6),
        "messages in a minute (guess; raise it for large senders)",
    )],
    steps: &[Step::SlowSource],
    looks: |sight| {
        stranger_sent(sight)?;
        let mail = sight.source()?.mail.as_ref()?;
        let messages = mail.messages_minute.sum(sight.operation.at);
        sight.reaches(messages, "messages").then(|| {
            let values = vec![("messages", f64::from(messages))];
            acting(About::Source, 0.3, values, mail.evidence.ids())
        })
    },
};

/// In the names of everybody.
pub const MANY_SENDERS: Detector = Detector {
    id: "in.manyfrom",
    meaning: "one source hands over mail in the names of many domains, and proves none of them",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "domains",
        50.0,
        (5.0, 1e6),
        "different sender domains in an hour that neither SPF nor DKIM proves (guess); mail that is passed on keeps its signature",
    )],
    // Alone it is not sure enough; it is one more thing against a source that guesses or harvests, too.
    steps: &[],
    looks: |sight| {
        let sent = stranger_sent(sight)?;
        if sent.authentic.is_some() {
            return None;
        }
        let mail = sight.source()?.mail.as_ref()?;
        let domains = mail.claimed_domains.count(sight.operation.at);
        sight.reaches(domains, "domains").then(|| {
            let values = vec![("domains", f64::from(domains))];
            telling(About::Source, 0.3, values, mail.evidence.ids())
        })
    },
};

/// Looking for an open relay.
pub const RELAY: Detector = Detector {
    id: "in.relay",
    meaning: "a source tries to send through us to others",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "tries",
        3.0,
        (1.0, 1e5),
        "in ten minutes; CrowdSec lets one pass, a slip of the pen makes two",
    )],
    steps: &[Step::BlockSource],
    looks: |sight| {
        let Act::Probe {
            said: Said::RelayDenied,
            ..
        } = sight.operation.act
        else {
            return None;
        };
        let mail = sight.source()?.mail.as_ref()?;
        let tries = mail.relays.sum(sight.operation.at);
        sight.reaches(tries, "tries").then(|| {
            let values = vec![("tries", f64::from(tries))];
            acting(About::Source, 0.6, values, mail.evidence.ids())
        })
    },
};

/// A stranger's message.
fn stranger_sent<'a>(sight: &Sight<'a>) -> Option<&'a Sent> {
    match &sight.operation.act {
        Act::Send(sent) if sight.marks.account.is_none() => Some(sent),
        _ => None,
    }
}

/// The mailbox with most mail lately that a stranger's message goes to.
fn busiest<'a>(sight: &Sight<'a>) -> Option<(&'a Mailbox, &'a Sent)> {
    let sent = stranger_sent(sight)?;
    Some((sight.ledger.busiest(sight.operation)?.0, sent))
}
