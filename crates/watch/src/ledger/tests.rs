use mail::operation::{Act, Door, Login, LoginOutcome, PasswordTag, Protocol, Source};
use mail::{Account, Known, RecordId};

use super::*;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn login(at: Timestamp, ip: &str, outcome: LoginOutcome, tag: u16) -> Operation {
    Operation {
        id: RecordId::first_at(at),
        at,
        door: Door::AuthPolicy,
        protocol: Protocol::Imap,
        source: Source {
            ip: ip.parse().ok(),
            device: Some(DeviceTag(1)),
            place: Known::NotAsked,
        },
        account: Account::new("ann@example.org", 255),
        session: None,
        act: Act::Login(Login {
            password: Some(PasswordTag::new(tag)),
            spray: Some(mail::operation::SprayTag(tag)),
            ..Login::new(outcome)
        }),
    }
}

const WRONG: LoginOutcome = LoginOutcome::Failed(FailType::Credentials);

fn apply(ledger: &mut Ledger, operation: &Operation) -> Before {
    let marks = ledger.keys.marks(operation);
    ledger.apply(operation, &marks)
}

#[test]
fn an_old_password_is_no_guess_and_neither_is_the_same_one_again() {
    let mut ledger = Ledger::new(4 << 20, 1);
    apply(
        &mut ledger,
        &login(START, "203.0.113.5", LoginOutcome::Succeeded, 7),
    );
    let elsewhere = "198.51.100.9";
    let old = apply(&mut ledger, &login(START.plus_secs(1), elsewhere, WRONG, 7));
    assert!(old.stale && !old.guess);
    let first = apply(&mut ledger, &login(START.plus_secs(2), elsewhere, WRONG, 8));
    assert!(first.guess && !first.repeated);
    let again = apply(&mut ledger, &login(START.plus_secs(3), elsewhere, WRONG, 8));
    assert!(again.repeated && !again.guess);
    let slip = apply(
        &mut ledger,
        &login(START.plus_secs(4), "203.0.113.9", WRONG, 9),
    );
    assert!(
        !slip.guess,
        "the first wrong password from a network the account knows"
    );
}

#[test]
fn what_we_or_the_server_did_is_held_against_nobody() {
    let mut ledger = Ledger::new(4 << 20, 1);
    for fail in [
        FailType::Policy,
        FailType::Internal,
        FailType::Expired,
        FailType::Disabled,
    ] {
        let before = apply(
            &mut ledger,
            &login(START, "198.51.100.9", LoginOutcome::Failed(fail), 8),
        );
        assert!(!before.guess);
    }
    assert_eq!(ledger.keys_known(), 0);
}

#[test]
fn a_snapshot_holds_no_sprayed_passwords() {
    let mut ledger = Ledger::new(4 << 20, 1);
    apply(&mut ledger, &login(START, "198.51.100.9", WRONG, 0x7b3));
    assert!(ledger.sprays.get(0x7b3).is_some());
    let written = serde_json::to_string(&ledger).expect("plain data");
    let back: Ledger = serde_json::from_str(&written).expect("what was written");
    let back = back.restored(4 << 20, 1);
    assert!(back.sprays.get(0x7b3).is_none());
    assert_eq!(back.keys_known(), ledger.keys_known());
}

#[test]
fn a_smaller_budget_holds_after_a_restart() {
    let mut ledger = Ledger::new(8 << 20, 1);
    for number in 0..4000_u32 {
        let ip = format!("10.{}.{}.1", number / 250, number % 250);
        apply(
            &mut ledger,
            &login(
                START.plus_secs(i64::from(number)),
                &ip,
                WRONG,
                number as u16,
            ),
        );
    }
    let restored = ledger.restored(1 << 20, 1);
    assert!(restored.bytes() <= 1 << 20, "{}", restored.bytes());
    assert!(restored.keys_known() > 0);
}
