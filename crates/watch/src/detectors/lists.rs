//! Working through a list: of accounts with stolen passwords, of accounts with one password, of names that may be accounts.

use mail::Timestamp;
use mail::operation::{Act, FailType, LoginOutcome};

use super::guessing::{failed, failing_share};
use super::{About, Detector, Finding, Sight, acting, falling, knob, telling};
use crate::ledger::source::{Logins, Source};
use crate::response::Step;

/// Names that attackers try everywhere; where there is no such account, one try tells.
const BAIT: &[&str] = &[
    "admin",
    "administrator",
    "guest",
    "oracle",
    "postgres",
    "postmaster",
    "root",
    "scan",
    "scanner",
    "test",
    "tester",
    "ubuntu",
    "webmaster",
    "www-data",
];
/// A network's thresholds against a source's (behaviour.md 3, keys).
const NETWORK_FACTOR: f64 = 4.0;

/// Many accounts from one source.
pub const STUFFING: Detector = Detector {
    id: "auth.stuffing",
    meaning: "one source, or one network, tries passwords of many accounts, and hardly any is right",
    only_weight: false,
    when_named: false,
    knobs: &[
        falling(
            "accounts_minutes",
            10.0,
            (3.0, 10_000.0),
            "accounts guessed at within five minutes; Splunk's 10",
        ),
        falling(
            "accounts_hour",
            25.0,
            (3.0, 10_000.0),
            "the same within an hour; Elastic's 25 failures in 30 minutes",
        ),
        falling(
            "accounts_day",
            40.0,
            (3.0, 10_000.0),
            "the same within a day, for the patient (guess)",
        ),
        knob(
            "failing_share",
            0.8,
            (0.5, 1.0),
            "share of logins that fail; fewer are people behind one address",
        ),
    ],
    steps: &[Step::BlockSource],
    looks: |sight| {
        if !(failed(sight) && sight.before.guess) {
            return None;
        }
        let at = sight.operation.at;
        let exceeds = |source: &Source, factor: f64| {
            let logins = source.logins.as_ref()?;
            let counts = Counts::of(logins, at);
            let over = |count: u32, name: &str| f64::from(count) >= factor * sight.knob(name);
            let share = failing_share(logins.failed.sum(at), logins.succeeded.sum(at));
            let many = over(counts.minutes, "accounts_minutes")
                || over(counts.hour, "accounts_hour")
                || (over(counts.day, "accounts_day") && !source.is_shared(at));
            (many && share >= sight.knob("failing_share")).then(|| {
                acting(
                    About::Source,
                    0.8,
                    counts.values(share),
                    logins.evidence.ids(),
                )
            })
        };
        sight
            .source()
            .and_then(|source| exceeds(source, 1.0))
            .or_else(|| {
                sight
                    .network()
                    .and_then(|network| exceeds(network, NETWORK_FACTOR))
            })
    },
};

/// One password on many accounts. Needs a door that sees passwords.
pub const SPRAY: Detector = Detector {
    id: "auth.spray",
    meaning: "one password is tried on many accounts, or many accounts are guessed at by sources that nobody ever came by",
    only_weight: false,
    when_named: false,
    knobs: &[
        knob(
            "accounts",
            8.0,
            (3.0, 10_000.0),
            "accounts that one wrong password was tried on within a day, where doors see passwords (guess)",
        ),
        knob(
            "site_accounts",
            30.0,
            (5.0, 1e6),
            "accounts that were guessed at within an hour by sources that nobody ever came by; a hundredth of all active ones where that is more (guess)",
        ),
        knob(
            "source_accounts",
            2.0,
            (2.0, 1000.0),
            "accounts that a source must have guessed at then, to be blocked; with one it is told at twice `site_accounts`",
        ),
    ],
    steps: &[Step::BlockSource, Step::Protect],
    looks: |sight| {
        let Act::Login(login) = &sight.operation.act else {
            return None;
        };
        if !failed(sight) || !sight.before.guess {
            return None;
        }
        if let Some(spray) = login.spray.and_then(|tag| sight.ledger.sprays.get(tag.0)) {
            let accounts = spray.accounts.count(sight.operation.at);
            if sight.reaches(accounts, "accounts") {
                let values = vec![
                    ("accounts", f64::from(accounts)),
                    ("sources", spray.sources.len() as f64),
                ];
                return Some(acting(About::Source, 0.6, values, spray.evidence.ids()));
            }
        }
        sweep(sight)
    },
};

/// The whole site is guessed at from everywhere, a little from each.
fn sweep(sight: &Sight<'_>) -> Option<Finding> {
    let at = sight.operation.at;
    let logins = sight.source()?.logins.as_ref()?;
    if logins.good_week.count(at) > 0 || !sight.is_unknown() {
        return None;
    }
    let site = f64::from(sight.ledger.guessed_at.count(at));
    let least = sight
        .knob("site_accounts")
        .max(f64::from(sight.ledger.active.count(at)) / 100.0);
    if site < least {
        return None;
    }
    let own = logins.guessed_day.count(at);
    let values = vec![("site_accounts", site), ("source_accounts", f64::from(own))];
    if sight.reaches(own, "source_accounts") {
        return Some(acting(About::Source, 0.6, values, logins.evidence.ids()));
    }
    (site >= 2.0 * least).then(|| telling(About::Source, 0.5, values, logins.evidence.ids()))
}

/// Names that are no accounts.
pub const UNKNOWN: Detector = Detector {
    id: "auth.unknown",
    meaning: "one source tries names that are no accounts",
    only_weight: false,
    when_named: false,
    knobs: &[
        falling(
            "names",
            3.0,
            (2.0, 10_000.0),
            "different names within a day; one or two are slips (Stalwart, CrowdSec)",
        ),
        knob(
            "bait",
            1.0,
            (1.0, 10_000.0),
            "the same, where one is a name that attackers try everywhere; CrowdSec's honeypot: the first",
        ),
        knob(
            "shared_factor",
            4.0,
            (1.0, 1000.0),
            "how many times as many from a source that many of our people come by (guess)",
        ),
    ],
    steps: &[Step::BlockSource],
    looks: |sight| {
        let Act::Login(login) = &sight.operation.act else {
            return None;
        };
        if login.outcome != LoginOutcome::Failed(FailType::Account) {
            return None;
        }
        let at = sight.operation.at;
        let source = sight.source()?;
        let logins = source.logins.as_ref()?;
        let names = logins.unknown.count(at);
        let local = sight
            .operation
            .account
            .as_ref()
            .map_or("", |name| name.local());
        let least = if BAIT.contains(&local) {
            sight.knob("bait")
        } else {
            sight.knob("names")
        };
        let factor = if source.is_shared(at) {
            sight.knob("shared_factor")
        } else {
            1.0
        };
        (f64::from(names) >= least * factor).then(|| {
            let values = vec![("names", f64::from(names))];
            acting(About::Source, 0.6, values, logins.evidence.ids())
        })
    },
};

struct Counts {
    minutes: u32,
    hour: u32,
    day: u32,
}

impl Counts {
    fn of(logins: &Logins, at: Timestamp) -> Self {
        Self {
            minutes: logins.guessed_minutes.count(at),
            hour: logins.guessed_hour.count(at),
            day: logins.guessed_day.count(at),
        }
    }

    fn values(&self, share: f64) -> Vec<(&'static str, f64)> {
        vec![
            ("accounts_minutes", f64::from(self.minutes)),
            ("accounts_hour", f64::from(self.hour)),
            ("accounts_day", f64::from(self.day)),
            ("failing_share", share),
        ]
    }
}
