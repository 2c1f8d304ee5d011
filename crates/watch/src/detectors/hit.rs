//! The guess that was right: what turns an attack into a theft.

use mail::operation::{Act, Login, LoginOutcome};

use super::{About, Detector, Sight, acting, knob};
use crate::ledger::Familiar;
use crate::ledger::source::SUSPICION_HALF_LIFE;
use crate::response::Step;
use crate::response::answer::PRETENDED;

/// A login that succeeded where it should not have.
pub const HIT: Detector = Detector {
    id: "auth.hit",
    meaning: "a login succeeded from where its account was never used, after guesses: the password is known to somebody else",
    only_weight: false,
    when_named: false,
    knobs: &[
        knob(
            "suspicion",
            0.4,
            (0.1, 1.0),
            "suspicion of the source by other detectors; Entra tells a spray only by a password that was right",
        ),
        knob(
            "pair_passwords",
            5.0,
            (2.0, 100.0),
            "wrong passwords of this source for this account before the right one, within a day (guess)",
        ),
        knob(
            "account_passwords",
            10.0,
            (3.0, 1000.0),
            "wrong passwords from wherever before it, within a day (guess)",
        ),
        knob(
            "spray_accounts",
            8.0,
            (3.0, 10_000.0),
            "accounts the password was tried on before; as auth.spray",
        ),
    ],
    steps: &[Step::Freeze, Step::EndSessions, Step::ResetCredential],
    looks: |sight| {
        let Act::Login(login) = &sight.operation.act else {
            return None;
        };
        if login.outcome != LoginOutcome::Succeeded || !sight.is_unknown() {
            return None;
        }
        let (why, value) = reason(sight, login)?;
        let evidence = sight
            .pair()
            .map(|pair| &pair.evidence)
            .filter(|evidence| !evidence.ids().is_empty())
            .or_else(|| Some(&sight.account()?.guessed.as_ref()?.evidence));
        let mut ids = evidence.map_or_else(Vec::new, |evidence| evidence.ids().to_vec());
        ids.push(sight.operation.id);
        Some(acting(About::Account, 0.9, vec![(why, value)], &ids))
    },
};

fn reason(sight: &Sight<'_>, login: &Login) -> Option<(&'static str, f64)> {
    let at = sight.operation.at;
    let wrong = sight.pair().map_or(0, |pair| pair.wrong_day.count(at));
    // The owner's own program in a network he is new in may be wrong twice as often: telephones are typed on badly.
    let factor = if sight.before.familiar == Familiar::Program {
        2.0
    } else {
        1.0
    };
    if f64::from(wrong) >= factor * sight.knob("pair_passwords") {
        return Some(("pair_passwords", f64::from(wrong)));
    }
    if let Some(source) = sight.source() {
        let suspicion = source.suspicion.value(at, SUSPICION_HALF_LIFE);
        // Somebody behind a shared address guesses; who logs in there for the first time is not yet the one.
        let one_of_many = source.is_shared(at) && wrong == 0;
        if f64::from(suspicion) >= sight.knob("suspicion") && !one_of_many {
            return Some(("suspicion", f64::from(suspicion)));
        }
    }
    // A common password of an owner's is sprayed every day; his own program in a new network is he, then.
    let stranger = sight.before.familiar == Familiar::Stranger;
    if let Some(spray) = login
        .spray
        .filter(|_| stranger)
        .and_then(|tag| sight.ledger.sprays.get(tag.0))
    {
        let accounts = spray.accounts.count(at);
        if sight.reaches(accounts, "spray_accounts") {
            return Some(("spray_accounts", f64::from(accounts)));
        }
    }
    let guessed = sight.account()?.guessed.as_ref()?;
    // His own program, which none or few of the attackers pretend to.
    let own = sight.before.familiar == Familiar::Program
        && sight
            .operation
            .source
            .device
            .is_some_and(|tag| guessed.networks_failing_with(at, tag.0) < PRETENDED);
    if own {
        return None;
    }
    let passwords = guessed.passwords_day.count(at);
    sight
        .reaches(passwords, "account_passwords")
        .then(|| ("account_passwords", f64::from(passwords)))
}
