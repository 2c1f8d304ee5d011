//! What is unusual about a login that succeeded. Nearly all of it is harmless, so it adds weight and does nothing alone.

use mail::operation::{Act, LoginOutcome};

use super::{About, Detector, Finding, Sight, acting, knob, telling};
use crate::ledger::Familiar;
use crate::ledger::evidence::seconds;
use crate::response::Step;

const DAY_SECS: f64 = 86_400.0;
/// Radius of the earth, kilometres.
const EARTH_KM: f64 = 6371.0;

/// A network that the account was never used from.
pub const NEW_SOURCE: Detector = Detector {
    id: "ctx.newsource",
    meaning: "a login from a network that the account was never used from; thresholds for what follows are lower until it is settled",
    only_weight: true,
    when_named: false,
    knobs: &[LEARNT],
    steps: &[],
    looks: |sight| {
        let new = learnt(sight)? && sight.before.familiar < Familiar::Known;
        new.then(|| of_login(sight, 0.2, Vec::new()))
    },
};

/// A client program that the account was never used with.
pub const NEW_PROGRAM: Detector = Detector {
    id: "ctx.newdevice",
    meaning: "a login with a client program that the account was never used with",
    only_weight: true,
    when_named: false,
    knobs: &[LEARNT],
    steps: &[],
    looks: |sight| {
        let new = learnt(sight)? && sight.before.program_known == Some(false);
        new.then(|| of_login(sight, 0.2, Vec::new()))
    },
};

/// A country that the account was never used from. Idle without MMDB files.
pub const NEW_COUNTRY: Detector = Detector {
    id: "ctx.newcountry",
    meaning: "a login from a country that the account was never used from; idle without a database of places",
    only_weight: true,
    when_named: false,
    knobs: &[LEARNT],
    steps: &[],
    looks: |sight| {
        let new = learnt(sight)? && sight.before.country_known == Some(false);
        new.then(|| of_login(sight, 0.3, Vec::new()))
    },
};

/// Faster than anybody travels. Idle without MMDB files.
pub const TRAVEL: Detector = Detector {
    id: "ctx.travel",
    meaning: "two logins too far apart for the time between them; idle without a database of places",
    only_weight: true,
    when_named: false,
    knobs: &[
        LEARNT,
        knob(
            "km",
            1000.0,
            (50.0, 20_000.0),
            "kilometres, less the radius both places are known to; CrowdSec's 1000",
        ),
        knob(
            "km_per_hour",
            1000.0,
            (100.0, 100_000.0),
            "speed; an airliner's, door to door",
        ),
    ],
    steps: &[],
    looks: |sight| {
        if !learnt(sight)? || sight.before.provider_known == Some(true) {
            return None;
        }
        let here = sight.operation.source.place.yes()?.spot?;
        let last = sight.before.place.as_ref()?;
        let km = distance_km(
            (last.latitude, last.longitude),
            (here.latitude, here.longitude),
        ) - last.radius_km
            - here.radius_km;
        let hours = f64::from(seconds(sight.operation.at).saturating_sub(last.at)) / 3600.0;
        let speed = km / hours.max(1.0 / 60.0);
        (km > sight.knob("km") && speed > sight.knob("km_per_hour"))
            .then(|| of_login(sight, 0.4, vec![("km", km), ("km_per_hour", speed)]))
    },
};

/// Logged in from everywhere at once.
pub const MANY_SOURCES: Detector = Detector {
    id: "ctx.many_ok",
    meaning: "one account is used successfully from many unrelated networks within an hour: it is shared among a botnet",
    only_weight: false,
    when_named: false,
    knobs: &[
        knob(
            "networks",
            8.0,
            (3.0, 1000.0),
            "networks within an hour; wazuh #35544 saw 132",
        ),
        knob(
            "wides",
            6.0,
            (2.0, 1000.0),
            "surroundings (/16, /32) within an hour, in place of providers, so that one mobile carrier is no botnet (guess)",
        ),
    ],
    steps: &[Step::Freeze, Step::EndSessions, Step::ResetCredential],
    looks: |sight| {
        if !succeeded(sight) {
            return None;
        }
        let at = sight.operation.at;
        let account = sight.account()?;
        let (networks, wides) = (
            account.good_networks.count(at),
            account.good_wides.count(at),
        );
        (sight.reaches(networks, "networks") && sight.reaches(wides, "wides")).then(|| {
            let values = vec![
                ("networks", f64::from(networks)),
                ("wides", f64::from(wides)),
            ];
            acting(About::Account, 0.8, values, &[sight.operation.id])
        })
    },
};

/// Nobody was here for long.
pub const DORMANT: Detector = Detector {
    id: "ctx.dormant",
    meaning: "the first login after a long time",
    only_weight: true,
    when_named: false,
    knobs: &[knob(
        "days",
        90.0,
        (7.0, 1000.0),
        "days without a login; Entra learns anew after long inactivity, too",
    )],
    steps: &[],
    looks: |sight| {
        let last = sight.before.last_success;
        if !succeeded(sight) || last == 0 {
            return None;
        }
        let days = f64::from(seconds(sight.operation.at).saturating_sub(last)) / DAY_SECS;
        (days >= sight.knob("days")).then(|| of_login(sight, 0.2, vec![("days", days)]))
    },
};

/// A protocol the account never used.
pub const NEW_PROTOCOL: Detector = Detector {
    id: "ctx.newproto",
    meaning: "a login by a protocol that the account did not use for half a year",
    only_weight: true,
    when_named: false,
    knobs: &[
        LEARNT,
        knob(
            "days",
            180.0,
            (7.0, 1000.0),
            "days without that protocol (guess)",
        ),
    ],
    steps: &[],
    looks: |sight| {
        if !learnt(sight)? {
            return None;
        }
        let days =
            f64::from(seconds(sight.operation.at).saturating_sub(sight.before.protocol_used))
                / DAY_SECS;
        (days >= sight.knob("days")).then(|| of_login(sight, 0.2, Vec::new()))
    },
};

/// Taken together, more likely anybody's than the account's own.
pub const UNLIKELY: Detector = Detector {
    id: "ctx.rba",
    meaning: "of this site's good logins hardly any looks so little like its account's own; weighed in place of what else is unusual about it, not beside it",
    only_weight: true,
    when_named: false,
    knobs: &[
        LEARNT,
        knob(
            "share",
            0.02,
            (0.0001, 0.5),
            "share of good logins that look no more like their account's; Freeman and others (2016) ask 2 in a hundred again",
        ),
        knob(
            "score",
            0.4,
            (0.0, 1.0),
            "for the least likely of all, less for those near `share`; with 0.6 nine times as many honest people's findings add up to a freeze in the simulator",
        ),
    ],
    steps: &[],
    looks: |sight| {
        if !learnt(sight)? {
            return None;
        }
        let rank = sight.before.rank?;
        let share = sight.knob("share");
        let beyond = (rank - (1.0 - share)) / share;
        (beyond > 0.0).then(|| {
            let score = sight.knob("score") * beyond.min(1.0);
            of_login(sight, score as f32, vec![("share", 1.0 - rank)])
        })
    },
};

/// Nobody can see who is behind it.
pub const HIDDEN: Detector = Detector {
    id: "ctx.anon",
    meaning: "a login through something that hides who is behind it (Tor, VPN, a rented machine), by an account that never did that; idle without a database that tells",
    only_weight: true,
    when_named: false,
    knobs: &[
        LEARNT,
        knob(
            "days",
            90.0,
            (7.0, 1000.0),
            "days without such a login (Entra: anonymous address)",
        ),
    ],
    steps: &[],
    looks: |sight| {
        if !learnt(sight)? || sight.operation.source.place.yes()?.hides != Some(true) {
            return None;
        }
        let days =
            f64::from(seconds(sight.operation.at).saturating_sub(sight.before.hidden)) / DAY_SECS;
        (days >= sight.knob("days")).then(|| of_login(sight, 0.3, Vec::new()))
    },
};

/// While its owner sleeps.
pub const HOUR: Detector = Detector {
    id: "ctx.hour",
    meaning: "a login at an hour at which the account is hardly ever used",
    only_weight: true,
    when_named: false,
    knobs: &[
        knob(
            "share",
            0.01,
            (0.0001, 0.5),
            "share of its hours of use that are used as seldom as this one (guess)",
        ),
        knob(
            "hours",
            200.0,
            (24.0, 5000.0),
            "hours of use before its habits are known",
        ),
    ],
    steps: &[],
    looks: |sight| {
        if !succeeded(sight) || !sight.reaches(sight.before.hours, "hours") {
            return None;
        }
        let share = sight.before.hour_rarity;
        (share < sight.knob("share")).then(|| of_login(sight, 0.1, vec![("share", share)]))
    },
};

/// Everybody's key.
pub const MASTER: Detector = Detector {
    id: "auth.master",
    meaning: "a master user opens somebody's mailbox from a network where that master user was never used",
    only_weight: false,
    when_named: false,
    knobs: &[knob(
        "score",
        0.3,
        (0.0, 1.0),
        "against the master user (guess); its first login is told, too",
    )],
    // Whoever may read everything is told about, never locked out.
    steps: &[Step::Note],
    looks: |sight| {
        let Act::Login(login) = &sight.operation.act else {
            return None;
        };
        let opens = succeeded(sight) && login.into.is_some();
        (opens && sight.before.familiar < Familiar::Known).then(|| {
            acting(
                About::Account,
                sight.knob("score") as f32,
                Vec::new(),
                &[sight.operation.id],
            )
        })
    },
};

/// A password that thieves have.
pub const BREACHED: Detector = Detector {
    id: "auth.breached",
    meaning: "the password of a login that succeeded is on a list of stolen ones; idle without a list and a door that sees passwords",
    only_weight: true,
    when_named: false,
    knobs: &[
        knob(
            "score",
            0.1,
            (0.0, 1.0),
            "old passwords of honest people are on those lists, too",
        ),
        knob(
            "attacked",
            0.5,
            (0.0, 1.0),
            "the same while the site is guessed at far more than usual, from where the account was never used",
        ),
    ],
    steps: &[],
    looks: |sight| {
        let Act::Login(login) = &sight.operation.act else {
            return None;
        };
        if !succeeded(sight) || login.breached != Some(true) {
            return None;
        }
        let attacked = sight.ledger.attack_level(sight.operation.at) >= 0.5 && sight.is_unknown();
        let score = sight.knob(if attacked { "attacked" } else { "score" });
        Some(of_login(sight, score as f32, Vec::new()))
    },
};

const LEARNT: super::Knob = knob(
    "learnt_days",
    5.0,
    (0.0, 90.0),
    "days an account must be known before anything is new; Entra's least",
);

fn succeeded(sight: &Sight<'_>) -> bool {
    matches!(&sight.operation.act, Act::Login(login) if login.outcome == LoginOutcome::Succeeded)
}

/// Is this a login that succeeded, of an account known long enough? `None` when it is no such login.
fn learnt(sight: &Sight<'_>) -> Option<bool> {
    if !succeeded(sight) || !sight.before.existed {
        return None;
    }
    let days = f64::from(seconds(sight.operation.at).saturating_sub(sight.before.born)) / DAY_SECS;
    Some(days >= sight.knob("learnt_days"))
}

fn of_login(sight: &Sight<'_>, score: f32, values: Vec<(&'static str, f64)>) -> Finding {
    telling(About::Account, score, values, &[sight.operation.id])
}

/// Along the surface (haversine), degrees to kilometres.
fn distance_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (a, b) = (from.0.to_radians(), to.0.to_radians());
    let (up, along) = ((b - a) / 2.0, (to.1 - from.1).to_radians() / 2.0);
    let half = up.sin().powi(2) + a.cos() * b.cos() * along.sin().powi(2);
    2.0 * EARTH_KM * half.clamp(0.0, 1.0).sqrt().asin()
}
