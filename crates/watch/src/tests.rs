//! What must hold, played through the whole watch.

use mail::operation::{
    Act, DeviceTag, Door, FailType, Login, LoginOutcome, PasswordTag, Protocol, Sent, Source,
};
use mail::{Account, Address, Known, Operation, RecordId, Timestamp};

use super::*;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const SECRET: u64 = 7;
const MEBIBYTE: usize = 1 << 20;

/// Tells operations to a watch.
struct Teller {
    watch: Watch,
    number: u64,
}

impl Teller {
    fn new() -> Self {
        Self::within(16 * MEBIBYTE)
    }

    fn within(bytes_max: usize) -> Self {
        Self {
            watch: Watch::new(
                Settings::in_mode(Mode::Enforce).at_once(),
                bytes_max,
                SECRET,
            ),
            number: 0,
        }
    }

    fn tell(
        &mut self,
        at: Timestamp,
        ip: &str,
        device: Option<u32>,
        account: Option<&str>,
        act: Act,
    ) -> Happened {
        self.number += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.number.to_be_bytes());
        self.watch.apply(&Operation {
            id: RecordId::new(at, random),
            at,
            door: Door::AuthPolicy,
            protocol: Protocol::Imap,
            source: Source {
                ip: ip.parse().ok(),
                device: device.map(DeviceTag),
                place: Known::NotAsked,
            },
            account: account.and_then(|name| Account::new(name, 255)),
            session: None,
            act,
        })
    }

    fn login(
        &mut self,
        at: Timestamp,
        ip: &str,
        device: Option<u32>,
        account: &str,
        password: Option<u16>,
    ) -> Happened {
        let outcome = match password {
            None => LoginOutcome::Succeeded,
            Some(_) => LoginOutcome::Failed(FailType::Credentials),
        };
        let password = Some(PasswordTag::new(password.unwrap_or(0xabc)));
        self.tell(
            at,
            ip,
            device,
            Some(account),
            Act::Login(Login {
                password,
                ..Login::new(outcome)
            }),
        )
    }

    fn ask(&self, at: Timestamp, ip: &str, device: Option<u32>, account: &str) -> LoginAnswer {
        self.watch.may_login(&LoginQuestion {
            at,
            ip: ip.parse().ok(),
            device: device.map(DeviceTag),
            account: Account::new(account, 255).expect("a name"),
        })
    }

    /// Ten days of use.
    fn habit(&mut self, ip: &str, device: u32, account: &str) {
        for day in -10..0 {
            self.login(
                START.plus_secs(day * 86_400),
                ip,
                Some(device),
                account,
                None,
            );
        }
    }
}

fn source(ip: &str) -> Scope {
    Scope::Source(ip.parse().expect("an address"))
}

#[test]
fn thirty_identical_wrong_passwords_behind_a_nat_of_twenty_block_nobody() {
    let mut teller = Teller::new();
    for user in 0..20 {
        teller.habit("192.0.2.1", 1, &format!("user{user}@example.org"));
    }
    let mut decided = Vec::new();
    for turn in 0..30 {
        let at = START.plus_secs(turn * 20);
        decided.extend(
            teller
                .login(at, "192.0.2.1", Some(2), "user3@example.org", Some(0x111))
                .decisions,
        );
    }
    assert_eq!(decided, []);
    for user in 0..20 {
        let answer = teller.ask(
            START.plus_secs(700),
            "192.0.2.1",
            Some(1),
            &format!("user{user}@example.org"),
        );
        assert_eq!(answer, LoginAnswer::Allow);
    }
}

#[test]
fn a_changed_password_in_a_whole_office_blocks_nobody() {
    let mut teller = Teller::new();
    for user in 0..60 {
        teller.habit("192.0.2.1", 1, &format!("user{user}@example.org"));
    }
    for turn in 0..40 {
        for user in 0..60_i64 {
            let at = START.plus_secs(turn * 90 + user);
            let happened = teller.login(
                at,
                "192.0.2.1",
                Some(2),
                &format!("user{user}@example.org"),
                Some(user as u16),
            );
            assert_eq!(happened.decisions, []);
        }
    }
}

#[test]
fn the_owner_gets_in_all_through_an_attack_by_a_thousand_addresses() {
    let mut teller = Teller::new();
    teller.habit("203.0.113.5", 1, "ann@example.org");
    let mut refused = 0;
    for bot in 0..1000_u32 {
        let at = START.plus_secs(i64::from(bot) * 3);
        let ip = format!("10.{}.{}.9", bot / 250, bot % 250);
        // Half of them say they are the owner's program.
        let device = Some(if bot % 2 == 0 { 1 } else { 99 });
        match teller.ask(at, &ip, device, "ann@example.org") {
            LoginAnswer::Allow | LoginAnswer::Wait(_) => {
                teller.login(at, &ip, device, "ann@example.org", Some(bot as u16));
            }
            LoginAnswer::TemporaryFailure | LoginAnswer::Refuse => refused += 1,
        }
        assert_eq!(
            teller.ask(at, "203.0.113.5", Some(1), "ann@example.org"),
            LoginAnswer::Allow
        );
        // The same telephone at home, where the address changed within the provider's network.
        assert_eq!(
            teller.ask(at, "203.0.7.7", Some(1), "ann@example.org"),
            LoginAnswer::Allow
        );
    }
    assert!(refused > 900, "{refused} of 1000 refused");
    assert!(
        teller
            .watch
            .decisions(START.plus_secs(3000))
            .iter()
            .any(|one| one.step == Step::Protect)
    );
}

/// Sixty different wrong passwords from one address.
fn guess(teller: &mut Teller, ip: &str, from: Timestamp) {
    for turn in 0..60 {
        teller.login(
            from.plus_secs(turn),
            ip,
            None,
            &format!("user{}@example.org", turn % 5),
            Some(turn as u16),
        );
    }
}

#[test]
fn an_unblocked_source_is_not_blocked_again_by_its_old_counts() {
    let mut teller = Teller::new();
    guess(&mut teller, "198.51.100.9", START);
    let now = START.plus_secs(100);
    assert_eq!(
        teller.ask(now, "198.51.100.9", None, "user1@example.org"),
        LoginAnswer::Refuse
    );
    let undone = teller.watch.undo(now, &source("198.51.100.9"));
    assert!(undone.ended.iter().any(|one| one.step == Step::BlockSource));
    let mut at = now;
    for turn in 0..10 {
        at = now.plus_secs(turn * 900);
        let happened = teller.login(
            at,
            "198.51.100.9",
            None,
            "user1@example.org",
            Some(0x500 + turn as u16 % 2),
        );
        let blocks = happened
            .decisions
            .iter()
            .filter(|one| one.step == Step::BlockSource);
        assert_eq!(blocks.count(), 0);
    }
    assert_eq!(
        teller.ask(at, "198.51.100.9", None, "user1@example.org"),
        LoginAnswer::Allow
    );
    // New guesses are another matter.
    guess(&mut teller, "198.51.100.9", at.plus_secs(8000));
    assert_eq!(
        teller.ask(
            at.plus_secs(8100),
            "198.51.100.9",
            None,
            "user1@example.org"
        ),
        LoginAnswer::Refuse
    );
}

#[test]
fn an_allowance_ends_what_stands() {
    let mut teller = Teller::new();
    guess(&mut teller, "198.51.100.9", START);
    let now = START.plus_secs(100);
    let allowance = Allowance {
        whom: Allowed::Network("198.51.100.0/24".parse().expect("a network")),
        author: "ann".into(),
        reason: "the office".into(),
        until: None,
    };
    let ended = teller.watch.allow(now, allowance.clone());
    assert!(ended.iter().any(|one| one.step == Step::BlockSource));
    assert_eq!(
        teller.ask(now, "198.51.100.9", None, "user1@example.org"),
        LoginAnswer::Allow
    );
    guess(&mut teller, "198.51.100.9", now);
    assert_eq!(teller.watch.decisions(now.plus_secs(60)).len(), 0);
    assert!(teller.watch.disallow(&allowance.whom));
    guess(&mut teller, "198.51.100.9", now.plus_secs(60));
    assert_eq!(
        teller.ask(
            now.plus_secs(130),
            "198.51.100.9",
            None,
            "user1@example.org"
        ),
        LoginAnswer::Refuse
    );
}

#[test]
fn observing_and_the_kill_switch_only_write_down() {
    let mut killed = Settings::in_mode(Mode::Enforce).at_once();
    killed.enforce = false;
    for settings in [Settings::default(), killed] {
        let mut teller = Teller::new();
        teller.watch.set(settings);
        guess(&mut teller, "198.51.100.9", START);
        let now = START.plus_secs(100);
        assert_eq!(
            teller.ask(now, "198.51.100.9", None, "user1@example.org"),
            LoginAnswer::Allow
        );
        let decisions = teller.watch.decisions(now);
        assert!(!decisions.is_empty() && decisions.iter().all(|one| one.simulated));
    }
}

#[test]
fn a_source_that_five_people_come_by_is_not_blocked_whole() {
    let mut teller = Teller::new();
    for user in 10..16 {
        teller.login(
            START.plus_secs(-60),
            "198.51.100.9",
            Some(1),
            &format!("user{user}@example.org"),
            None,
        );
    }
    for turn in 0..200 {
        teller.login(
            START.plus_secs(turn),
            "198.51.100.9",
            None,
            &format!("user{}@example.org", turn % 5),
            Some(turn as u16),
        );
    }
    let now = START.plus_secs(300);
    let decisions = teller.watch.decisions(now);
    let whole: Vec<_> = decisions
        .iter()
        .filter(|one| one.step == Step::BlockSource)
        .collect();
    assert!(
        !whole.is_empty()
            && whole
                .iter()
                .all(|one| one.simulated && one.held_back.is_some())
    );
    assert_eq!(
        teller.ask(now, "198.51.100.9", Some(1), "user99@example.org"),
        LoginAnswer::Allow
    );
}

#[test]
fn decisions_last_longer_each_time_and_end_by_themselves() {
    let mut teller = Teller::new();
    let mut at = START;
    let mut lengths = Vec::new();
    for _ in 0..3 {
        guess(&mut teller, "198.51.100.9", at);
        let decisions = teller.watch.decisions(at.plus_secs(60));
        let block = decisions
            .iter()
            .find(|one| one.step == Step::BlockSource)
            .expect("a block");
        lengths.push(block.expires.micros_since(block.created) / 1_000_000);
        at = block.expires.plus_secs(1);
        assert_eq!(
            teller.ask(at, "198.51.100.9", None, "user77@example.org"),
            LoginAnswer::Allow
        );
    }
    assert!(
        lengths.windows(2).all(|two| two[1] > two[0] * 3 / 2),
        "{lengths:?}"
    );
}

#[test]
fn detections_name_source_account_values_and_evidence() {
    let mut teller = Teller::new();
    let mut detections = Vec::new();
    for turn in 0..6 {
        let at = START.plus_secs(turn * 5);
        detections.extend(
            teller
                .login(
                    at,
                    "198.51.100.9",
                    None,
                    "ann@example.org",
                    Some(turn as u16),
                )
                .detections,
        );
    }
    let pair = detections
        .iter()
        .find(|one| one.detector == "auth.bf.pair")
        .expect("a detection");
    assert_eq!(pair.ip, "198.51.100.9".parse().ok());
    assert_eq!(
        pair.account.as_ref().map(Account::as_str),
        Some("ann@example.org")
    );
    assert_eq!(pair.values, [("passwords", 4.0)]);
    assert_eq!(pair.thresholds, [("passwords", 4.0)]);
    assert_eq!(pair.evidence.len(), 4);
    assert!(
        pair.in_words().contains("passwords 4 of 4"),
        "{}",
        pair.in_words()
    );
    assert_eq!(
        teller.ask(START.plus_secs(30), "198.51.100.9", None, "ann@example.org"),
        LoginAnswer::Wait(12)
    );
}

#[test]
fn a_stolen_account_is_frozen_for_strangers_and_goes_on_for_its_owner() {
    let mut teller = Teller::new();
    teller.habit("203.0.113.5", 1, "ann@example.org");
    teller.login(START, "198.51.100.9", Some(9), "ann@example.org", None);
    let account = Account::new("ann@example.org", 255).expect("a name");
    let mut taken = 0;
    for turn in 0..100 {
        let at = START.plus_secs(10 + turn);
        let recipients =
            vec![Address::new(&format!("p{turn}@d{turn}.example")).expect("an address")];
        let answer = teller.watch.may_send(&SendQuestion {
            at,
            ip: "198.51.100.9".parse().ok(),
            device: Some(DeviceTag(9)),
            account: Some(&account),
            recipients: &recipients,
            bulk: false,
        });
        let sent = Sent {
            envelope_from: Address::new("ann@example.org"),
            recipients,
            taken: answer == SendAnswer::Allow,
            size_bytes: 1000,
            owned: Some(true),
            print: None,
            bulk: false,
            authentic: None,
        };
        taken += u32::from(sent.taken);
        teller.tell(
            at,
            "198.51.100.9",
            Some(9),
            Some("ann@example.org"),
            Act::Send(sent),
        );
    }
    assert!(taken <= 20, "{taken} were taken");
    let owner = teller.watch.may_send(&SendQuestion {
        at: START.plus_secs(200),
        ip: "203.0.113.5".parse().ok(),
        device: Some(DeviceTag(1)),
        account: Some(&account),
        recipients: &[],
        bulk: false,
    });
    assert_eq!(owner, SendAnswer::Allow);
}

#[test]
fn a_thief_with_the_owner_s_provider_and_program_gets_no_further_and_the_owner_goes_on() {
    let mut teller = Teller::new();
    teller.habit("198.51.100.7", 1, "ann");
    let write = |teller: &mut Teller, secs: i64, ip: &str, to: &str| {
        let (at, account) = (
            START.plus_secs(secs),
            Account::new("ann", 255).expect("a name"),
        );
        let recipients = vec![Address::new(to).expect("an address")];
        let taken = teller.watch.may_send(&SendQuestion {
            at,
            ip: ip.parse().ok(),
            device: Some(DeviceTag(1)),
            account: Some(&account),
            recipients: &recipients,
            bulk: false,
        }) == SendAnswer::Allow;
        let sent = Sent {
            envelope_from: None,
            recipients,
            taken,
            size_bytes: 1000,
            owned: Some(true),
            print: None,
            bulk: false,
            authentic: None,
        };
        teller.tell(at, ip, Some(1), Some("ann"), Act::Send(sent));
        taken
    };
    assert!(write(&mut teller, 0, "198.51.100.7", "friend@a.example"));
    // Another network of the same provider, and the program everybody has.
    let thief = "198.51.77.9";
    teller.login(START.plus_secs(60), thief, Some(1), "ann", None);
    let spam = (0..200).filter(|number| {
        let to = format!("victim{number}@b.example");
        write(&mut teller, 100 + number, thief, &to)
    });
    let spam = spam.count();
    assert!((20..50).contains(&spam), "{spam}");
    // The owner on the way, from such a network himself: to people he knows, and from home to anybody.
    assert!(write(&mut teller, 1000, "198.51.50.3", "friend@a.example"));
    assert!(write(&mut teller, 1010, "198.51.100.7", "new@c.example"));
}

#[test]
fn memory_stays_within_its_budget_whatever_keys_arrive() {
    let budget = 2 * MEBIBYTE;
    let mut teller = Teller::within(budget);
    for user in 0..50 {
        teller.habit("192.0.2.1", 1, &format!("user{user}@example.org"));
    }
    for stranger in 0..60_000_u32 {
        let at = START.plus_secs(i64::from(stranger) / 20);
        let [a, b, c, d] = (stranger.wrapping_mul(0x9e37_79b9)).to_be_bytes();
        let ip = format!("{}.{b}.{c}.{d}", a.clamp(1, 200));
        teller.login(
            at,
            &ip,
            Some(stranger),
            &format!("x{stranger}@example.org"),
            Some(stranger as u16),
        );
        assert!(
            teller.watch.bytes() <= budget,
            "{} bytes",
            teller.watch.bytes()
        );
    }
    for user in 0..50 {
        let name = format!("user{user}@example.org");
        assert!(
            teller
                .watch
                .ledger()
                .accounts
                .get(teller.watch.ledger().keys.account(&name))
                .is_some()
        );
    }
}

#[test]
fn the_same_operations_give_the_same_decisions_and_a_restart_changes_none() {
    let play = |restart: bool| {
        let mut teller = Teller::new();
        let mut seen = Vec::new();
        for turn in 0..400_i64 {
            let at = START.plus_secs(turn * 7);
            let ip = format!("198.51.{}.9", turn % 13);
            let happened = teller.login(
                at,
                &ip,
                None,
                &format!("user{}@example.org", turn % 7),
                Some((turn % 90) as u16),
            );
            seen.extend(happened.decisions);
            if restart && turn == 200 {
                let written = serde_json::to_string(&teller.watch.snapshot()).expect("a snapshot");
                let read = || serde_json::from_str::<Snapshot>(&written).expect("what was written");
                let settings = Settings::in_mode(Mode::Enforce).at_once();
                let other = Watch::restore(
                    read(),
                    settings.clone(),
                    16 * MEBIBYTE,
                    SECRET.wrapping_add(1),
                );
                assert!(other.is_none(), "keys of another secret are nobody's");
                teller.watch = Watch::restore(read(), settings, 16 * MEBIBYTE, SECRET)
                    .expect("made under this secret");
            }
        }
        seen
    };
    let first = play(false);
    assert!(!first.is_empty());
    assert_eq!(play(false), first);
    assert_eq!(play(true), first);
}

#[test]
fn a_question_changes_nothing() {
    let mut teller = Teller::new();
    guess(&mut teller, "198.51.100.9", START);
    let before =
        serde_json::to_string(&teller.watch.snapshot().response.allowances).expect("plain data");
    let bytes = teller.watch.bytes();
    for _ in 0..100 {
        teller.ask(
            START.plus_secs(70),
            "198.51.100.9",
            None,
            "user1@example.org",
        );
    }
    assert_eq!(teller.watch.bytes(), bytes);
    assert_eq!(
        before,
        serde_json::to_string(&teller.watch.snapshot().response.allowances).expect("plain data")
    );
}

#[test]
fn a_person_s_word_stands_and_loopback_always_gets_in() {
    let mut teller = Teller::new();
    let account = Account::new("ann@example.org", 255).expect("a name");
    let mut decide = |secs| {
        let scope = Scope::Account(account.clone());
        let decided = teller
            .watch
            .decide(START, scope, Step::Disable, secs, "bob", "left");
        decided.expect("a decision")
    };
    let decided = decide(None);
    let mut elsewhere = Teller::new();
    let scope = Scope::Account(account.clone());
    let there = elsewhere
        .watch
        .decide(START, scope, Step::Disable, Some(60), "bob", "left");
    let there = there.expect("a decision");
    assert_eq!(there.id, decided.id, "one name on every node");
    assert_eq!(there.expires, START.plus_secs(60));
    assert_eq!(decided.author, Author::Person("bob".into()));
    assert!(decided.expires > START);
    assert_eq!(
        teller.ask(START.plus_secs(1), "203.0.113.5", None, "ann@example.org"),
        LoginAnswer::Refuse
    );
    assert_eq!(
        teller.ask(START.plus_secs(1), "127.0.0.1", None, "ann@example.org"),
        LoginAnswer::Allow
    );
}

/// A watch that knows nobody yet does nothing, whatever is switched on.
#[test]
fn the_first_week_is_only_looked_at() {
    let guesses = |teller: &mut Teller, begin: Timestamp| {
        let mut decided = Vec::new();
        for tag in 0..60 {
            let at = begin.plus_secs(i64::from(tag));
            let account = format!("person{}@example.org", tag % 3);
            let happened = teller.login(at, "198.51.100.7", None, &account, Some(tag));
            decided.extend(happened.decisions);
        }
        decided
    };
    let mut teller = Teller::new();
    teller.watch.set(Settings::in_mode(Mode::Enforce));
    teller.habit("203.0.113.5", 1, "ann@example.org");
    let begun = START.plus_secs(-10 * 86_400);
    assert_eq!(teller.watch.ledger().began(), Some(begun));
    assert!(guesses(&mut teller, START).iter().any(|one| !one.simulated));
    let mut young = Teller::new();
    young.watch.set(Settings::in_mode(Mode::Enforce));
    let decided = guesses(&mut young, START);
    assert!(!decided.is_empty() && decided.iter().all(|one| one.simulated));
    assert_eq!(
        young.ask(
            START.plus_secs(70),
            "198.51.100.7",
            None,
            "person1@example.org"
        ),
        LoginAnswer::Allow
    );
}

/// Somebody who sends newsletters has limits of his own; nobody else has.
#[test]
fn an_account_with_limits_of_its_own_is_judged_by_them() {
    let text = "mode = \"enforce\"\nobserve_days = 0\n[accounts.\"news@example.org\".\"out.volume\"]\nhour = 100000\nday = 100000\n";
    for (account, stops) in [("news@example.org", false), ("ann@example.org", true)] {
        let mut teller = Teller::new();
        teller
            .watch
            .set(Settings::parse(text).expect("good settings"));
        teller.habit("203.0.113.5", 1, account);
        let recipients =
            (0..1200).filter_map(|one| Address::new(&format!("reader{one}@elsewhere.example")));
        let sent = Sent {
            envelope_from: Address::new(account),
            recipients: recipients.collect(),
            taken: true,
            size_bytes: 1000,
            owned: Some(true),
            print: None,
            bulk: true,
            authentic: None,
        };
        let happened = teller.tell(
            START,
            "203.0.113.5",
            Some(1),
            Some(account),
            Act::Send(sent),
        );
        let stopped = happened
            .decisions
            .iter()
            .any(|one| one.step == Step::DeferMail);
        assert_eq!(stopped, stops, "{account}: {:?}", happened.decisions);
    }
}
