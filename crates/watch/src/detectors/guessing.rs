//! Guessing the password of one account: from one source, from many, fast, slowly; and what only looks like it.
//!
//! What is counted is *different wrong passwords*, never failures: a device that offers its old password all night is no attack.

use mail::operation::{Act, FailType, LoginOutcome};

use super::{About, Detector, Sight, acting, falling, knob, telling};
use crate::ledger::account::Guessed;
use crate::ledger::evidence::seconds;
use crate::response::Step;

/// Guesses from one source at one account.
pub const PAIR: Detector = Detector {
    id: "auth.bf.pair",
    meaning: "one source offers several different wrong passwords for one account",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "passwords",
        4.0,
        (2.0, 1000.0),
        "different wrong passwords in an hour; more than 3 are slowed by weakforced, too, and the delays are Dovecot's",
    )],
    steps: &[Step::SlowPair],
    looks: |sight| {
        guess(sight)?;
        let pair = sight.pair()?;
        let wrong = pair.wrong_hour.count(sight.operation.at);
        sight.reaches(wrong, "passwords").then(|| {
            let values = vec![("passwords", f64::from(wrong))];
            acting(About::Pair, 0.2, values, pair.evidence.ids())
        })
    },
};

/// Guesses from one source at whatever accounts.
pub const SOURCE: Detector = Detector {
    id: "auth.bf.ip",
    meaning: "one source offers many different wrong passwords",
    only_weight: false,
    when_named: false,
    knobs: &[
        falling(
            "suspicious",
            20.0,
            (3.0, 10_000.0),
            "different pairs of account and password in an hour; fail2ban takes 5 and mailcow 10, but of raw failures",
        ),
        falling(
            "passwords",
            50.0,
            (3.0, 10_000.0),
            "the same, to block; weakforced's default",
        ),
        knob(
            "blind",
            200.0,
            (10.0, 100_000.0),
            "failures in an hour by mechanisms that hide the password (SCRAM, OAuth): expired tokens retry, so many more (guess)",
        ),
        knob(
            "failing_share",
            0.5,
            (0.1, 1.0),
            "share of failures that a source many of our people come by must have: behaviour of a NAT is judged by shares",
        ),
    ],
    steps: &[Step::BlockSource],
    looks: |sight| {
        if !failed(sight) {
            return None;
        }
        let at = sight.operation.at;
        let source = sight.source()?;
        let logins = source.logins.as_ref()?;
        let guesses = logins.guesses.count(at);
        let blind = logins.blind.sum(at);
        let values = || {
            vec![
                ("passwords", f64::from(guesses)),
                ("blind", f64::from(blind)),
            ]
        };
        if sight.reaches(guesses, "passwords") || sight.reaches(blind, "blind") {
            if source.is_shared(at)
                && failing_share(logins.failed.sum(at), logins.succeeded.sum(at))
                    < sight.knob("failing_share")
            {
                return None;
            }
            return Some(acting(About::Source, 0.9, values(), logins.evidence.ids()));
        }
        let suspicious = sight.reaches(guesses, "suspicious") && !source.is_shared(at);
        suspicious.then(|| telling(About::Source, 0.5, values(), logins.evidence.ids()))
    },
};

/// Guesses at one account, from wherever.
pub const ACCOUNT: Detector = Detector {
    id: "auth.bf.account",
    meaning: "many networks guess at one account, or one guesses very fast; its owner goes on from where he is known",
    only_weight: false,
    when_named: false,
    knobs: &[
        falling(
            "networks_hour",
            10.0,
            (2.0, 10_000.0),
            "networks guessing within an hour (with `passwords_hour`); no per-source limit sees this (CrowdSec hub #283)",
        ),
        falling(
            "passwords_hour",
            20.0,
            (3.0, 4000.0),
            "different wrong passwords within an hour; Splunk takes 20 failures",
        ),
        falling(
            "networks_day",
            20.0,
            (2.0, 10_000.0),
            "networks guessing within a day, for the patient (guess: twice the hour's)",
        ),
        falling(
            "passwords_day",
            40.0,
            (3.0, 4000.0),
            "different wrong passwords within a day (guess: twice the hour's)",
        ),
        falling(
            "fast",
            20.0,
            (5.0, 10_000.0),
            "guesses within five minutes, from wherever; Splunk's 20 in 5 minutes",
        ),
    ],
    steps: &[Step::Protect],
    looks: |sight| {
        guess(sight)?;
        let at = sight.operation.at;
        let guessed = sight.account()?.guessed.as_deref()?;
        let counts = Counts::of(guessed, at);
        let many = |networks: u32, passwords: u32, span: (&str, &str)| {
            sight.reaches(networks, span.0) && sight.reaches(passwords, span.1)
        };
        let hour = many(
            counts.networks_hour,
            counts.passwords_hour,
            ("networks_hour", "passwords_hour"),
        );
        let day = many(
            counts.networks_day,
            counts.passwords_day,
            ("networks_day", "passwords_day"),
        );
        let fast = f64::from(counts.minutes) > sight.knob("fast");
        (hour || day || fast)
            .then(|| acting(About::Account, 0.6, counts.values(), guessed.evidence.ids()))
    },
};

/// Guesses with long pauses.
pub const SLOW: Detector = Detector {
    id: "auth.slow",
    meaning: "one source guesses with long and even pauses, to stay below every limit",
    only_weight: false,
    when_named: false,
    knobs: &[
        knob(
            "guesses",
            4.0,
            (3.0, 12.0),
            "guesses within a day; CrowdSec's time-based scenario",
        ),
        knob(
            "gap_secs",
            1200.0,
            (60.0, 20_000.0),
            "seconds that half of the pauses are longer than; the same scenario",
        ),
    ],
    // Alone it is not sure enough; a success from such a source is auth.hit.
    steps: &[],
    looks: |sight| {
        guess(sight)?;
        let source = sight.source()?;
        let (at, least) = (seconds(sight.operation.at), sight.knob("guesses") as usize);
        let told = |gap: u32, about: About, evidence: &[mail::RecordId]| {
            let values = vec![("gap_secs", f64::from(gap))];
            sight
                .reaches(gap, "gap_secs")
                .then(|| telling(about, 0.5, values, evidence))
        };
        if source.is_shared(sight.operation.at) {
            // Many people's slips are slow, too; one account's are not, where its owner never was.
            let pair = sight.pair().filter(|_| sight.is_unknown())?;
            return told(
                pair.pace.median_gap(at, least)?,
                About::Pair,
                pair.evidence.ids(),
            );
        }
        let logins = source.logins.as_ref()?;
        told(
            logins.pace.median_gap(at, least)?,
            About::Source,
            logins.evidence.ids(),
        )
    },
};

/// An old password, over and over. Told to the owner, held against nobody.
pub const STALE_SECRET: Detector = Detector {
    id: "auth.stale_secret",
    meaning: "a device of the owner's still has an old password; nobody is punished for it",
    only_weight: true,
    when_named: false,
    knobs: &[knob(
        "tries",
        20.0,
        (5.0, 10_000.0),
        "tries within a day with one password; fail2ban #779",
    )],
    steps: &[],
    looks: |sight| {
        if !failed(sight) || sight.before.guess {
            return None;
        }
        let at = sight.operation.at;
        let pair = sight.pair()?;
        let (tries, wrong) = (pair.tries.sum(at), pair.wrong_day.count(at));
        (wrong == 1 && sight.reaches(tries, "tries")).then(|| {
            let values = vec![("tries", f64::from(tries))];
            telling(About::Pair, 0.0, values, pair.evidence.ids())
        })
    },
};

/// The share of failures among all.
pub(super) fn failing_share(failed: u32, succeeded: u32) -> f64 {
    f64::from(failed) / f64::from((failed + succeeded).max(1))
}

/// Did a login fail, by the client's doing?
pub(super) fn failed(sight: &Sight<'_>) -> bool {
    matches!(&sight.operation.act, Act::Login(login)
        if matches!(login.outcome, LoginOutcome::Failed(FailType::Credentials | FailType::Account)))
}

fn guess(sight: &Sight<'_>) -> Option<()> {
    (failed(sight) && sight.before.guess).then_some(())
}

struct Counts {
    networks_hour: u32,
    passwords_hour: u32,
    networks_day: u32,
    passwords_day: u32,
    minutes: u32,
}

impl Counts {
    fn of(guessed: &Guessed, at: mail::Timestamp) -> Self {
        Self {
            networks_hour: guessed.networks_hour.count(at),
            passwords_hour: guessed.passwords_hour.count(at),
            networks_day: guessed.networks_day.count(at),
            passwords_day: guessed.passwords_day.count(at),
            minutes: guessed.minutes.sum(at),
        }
    }

    fn values(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("networks_hour", f64::from(self.networks_hour)),
            ("passwords_hour", f64::from(self.passwords_hour)),
            ("networks_day", f64::from(self.networks_day)),
            ("passwords_day", f64::from(self.passwords_day)),
            ("fast", f64::from(self.minutes)),
        ]
    }
}
