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
