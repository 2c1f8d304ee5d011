use std::fmt::Write as _;
use std::net::IpAddr;

use mail::operation::{
    Act, Administer, Append, Delete, DeviceTag, Door, FailType, Fault, List, Login, LoginOutcome,
    PasswordTag, Place, Protocol, Reply, Retrieve, Sent, Source, Spot, Topics,
};
use mail::{Account, Address, Known, Operation, RecordId, Timestamp};

use super::*;
use crate::{Detection, Happened, Mode, Settings, Step, Watch};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The catalogue as `docs/watching.md` shows it.
fn table() -> String {
    let mut table =
        String::from("| detector | sees | thresholds | does |\n| --- | --- | --- | --- |\n");
    for detector in DETECTORS {
        let knobs: Vec<String> = detector
            .knobs
            .iter()
            .map(|knob| {
                let falls = if knob.falls { "↓" } else { "" };
                format!("`{}` {}{falls}: {}", knob.name, knob.default, knob.why)
            })
            .collect();
        let steps: Vec<&str> = detector.steps.iter().map(|step| step.name()).collect();
        let does = match (detector.only_weight, steps.is_empty()) {
            (true, _) => "adds weight".to_owned(),
            (false, true) => "tells".to_owned(),
            (false, false) => steps.join(", "),
        };
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {does} |",
            detector.id,
            detector.meaning,
            knobs.join("<br>")
        );
    }
    table
}

#[test]
fn the_document_shows_the_catalogue() {
    let document = include_str!("../../../../docs/watching.md");
    assert!(
        document.contains(&table()),
        "docs/watching.md should hold:\n{}",
        table()
    );
}

#[test]
fn names_and_thresholds_are_sound() {
    let mut ids = std::collections::BTreeSet::new();
    for detector in DETECTORS {
        assert!(ids.insert(detector.id), "{} is there twice", detector.id);
        assert!(
            !detector.only_weight || detector.steps.is_empty(),
            "{} acts",
            detector.id
        );
        for knob in detector.knobs {
            let (least, most) = knob.allowed;
            assert!(
                least <= knob.default && knob.default <= most,
                "{} {}",
                detector.id,
                knob.name
            );
            assert!(
                !["mode", "steps"].contains(&knob.name),
                "{} {}",
                detector.id,
                knob.name
            );
        }
    }
}

/// Every name that a detector's source asks a threshold by is one that a detector has.
#[test]
fn every_knob_is_asked_for() {
    let sources = [
        include_str!("guessing.rs"),
        include_str!("lists.rs"),
        include_str!("hit.rs"),
        include_str!("protocol.rs"),
        include_str!("context.rs"),
        include_str!("mailbox.rs"),
        include_str!("outbound.rs"),
        include_str!("inbound.rs"),
    ];
    let all = sources.concat();
    for detector in DETECTORS {
        for knob in detector.knobs {
            let uses = all.matches(&format!("\"{}\"", knob.name)).count();
            assert!(
                uses >= 2,
                "nobody asks for {} of {}",
                knob.name,
                detector.id
            );
        }
    }
    let names: Vec<&str> = DETECTORS
        .iter()
        .flat_map(|one| one.knobs.iter().map(|knob| knob.name))
        .collect();
    for asked in all
        .split("knob(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(names.contains(&asked), "{asked} is no threshold");
    }
}

struct Teller {
    watch: Watch,
    number: u64,
}

impl Teller {
    fn new() -> Self {
        Self {
            watch: Watch::new(Settings::in_mode(Mode::Enforce).at_once(), 16 << 20, 7),
            number: 0,
        }
    }

    fn tell(
        &mut self,
        at: Timestamp,
        ip: &str,
        protocol: Protocol,
        place: Option<Place>,
        act: Act,
    ) -> Happened {
        self.number += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.number.to_be_bytes());
        self.watch.apply(&Operation {
            id: RecordId::new(at, random),
            at,
            door: Door::Events,
            protocol,
            source: Source {
                ip: ip.parse().ok(),
                device: Some(DeviceTag(if ip.starts_with("203") { 1 } else { 9 })),
                place: place.map_or(Known::NotAsked, Known::Yes),
            },
            account: Account::new("ann@example.org", 255),
            session: None,
            act,
        })
    }

    /// An operation of somebody, with a name of its own; without a place and a program.
    fn did(
        &mut self,
        at: Timestamp,
        ip: Option<IpAddr>,
        account: Option<&str>,
        act: Act,
    ) -> Happened {
        self.number += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.number.to_be_bytes());
        self.watch.apply(&Operation {
            id: RecordId::new(at, random),
            at,
            door: Door::Log,
            protocol: Protocol::Smtp,
            source: Source {
                ip,
                ..Source::default()
            },
            account: account.and_then(|name| Account::new(name, 255)),
            session: None,
            act,
        })
    }

    /// A stranger's session.
    fn session(&mut self, at: Timestamp, ip: &str, act: Act) -> Happened {
        self.did(at, ip.parse().ok(), None, act)
    }

    fn login(&mut self, at: Timestamp, ip: &str, place: Option<Place>) -> Happened {
        let login = Login::new(LoginOutcome::Succeeded);
        self.tell(at, ip, Protocol::Imap, place, Act::Login(login))
    }

    /// An account that has been used for twenty days from 203.0.113.5.
    fn at_home() -> Self {
        let mut teller = Self::new();
        for day in -20..0 {
            teller.login(
                START.plus_secs(day * 86_400),
                "203.0.113.5",
                Some(place("DE", 1, 52.5, 13.4)),
            );
        }
        teller
    }
}

fn place(country: &str, asn: u32, latitude: f64, longitude: f64) -> Place {
    Place {
        country: Some(country.into()),
        asn: Some(asn),
        spot: Some(Spot {
            latitude,
            longitude,
            radius_km: 20.0,
        }),
        hides: None,
    }
}

fn named<'a>(detections: &'a [Detection], id: &str) -> Option<&'a Detection> {
    detections.iter().find(|one| one.detector == id)
}

#[test]
fn what_is_new_about_a_login_is_told_once_and_does_nothing() {
    let mut teller = Teller::at_home();
    let happened = teller.login(START, "198.51.100.9", Some(place("BR", 2, -23.5, -46.6)));
    for id in ["ctx.newsource", "ctx.newdevice", "ctx.newcountry"] {
        assert!(
            named(&happened.detections, id).is_some(),
            "{id}: {:?}",
            happened.detections
        );
    }
    assert_eq!(happened.decisions, []);
    assert_eq!(
        teller
            .login(START.plus_secs(5), "198.51.100.9", None)
            .detections,
        []
    );
}

#[test]
fn nobody_is_in_brazil_an_hour_after_berlin() {
    let mut teller = Teller::at_home();
    teller.login(START, "203.0.113.5", Some(place("DE", 1, 52.5, 13.4)));
    let happened = teller.login(
        START.plus_secs(3600),
        "198.51.100.9",
        Some(place("BR", 2, -23.5, -46.6)),
    );
    let travel = named(&happened.detections, "ctx.travel").expect("a detection");
    assert!(
        travel
            .values
            .iter()
            .any(|(name, km)| *name == "km" && *km > 9000.0),
        "{:?}",
        travel.values
    );
    // Where an account was before nobody knew, no country is new.
    let mut teller = Teller::new();
    for day in -20..0 {
        teller.login(START.plus_secs(day * 86_400), "203.0.113.5", None);
    }
    let first = teller.login(START, "203.0.113.5", Some(place("DE", 1, 52.5, 13.4)));
    assert_eq!(first.detections, []);
    // Without a database of places it is idle.
    let mut teller = Teller::new();
    for day in -20..0 {
        teller.login(START.plus_secs(day * 86_400), "203.0.113.5", None);
    }
    let happened = teller.login(START.plus_secs(3600), "198.51.100.9", None);
    assert_eq!(named(&happened.detections, "ctx.travel"), None);
}

#[test]
fn a_rule_that_sends_on_is_told_at_home_and_held_from_elsewhere() {
    let forward = || {
        Act::Administer(Administer::Forward {
            target: Address::new("x@example.net").expect("an address"),
            ours: false,
        })
    };
    let mut teller = Teller::at_home();
    let home = teller.tell(START, "203.0.113.5", Protocol::ManageSieve, None, forward());
    assert!(named(&home.detections, "mbx.rule_fwd").is_some_and(|one| !one.acts));
    let mut teller = Teller::at_home();
    teller.login(START, "198.51.100.9", None);
    let away = teller.tell(
        START.plus_secs(60),
        "198.51.100.9",
        Protocol::ManageSieve,
        None,
        forward(),
    );
    assert!(
        away.decisions.iter().any(|one| one.step == Step::HoldRule),
        "{:?}",
        away.decisions
    );
}

#[test]
fn a_mailbox_fetched_or_emptied_by_a_stranger_is_told() {
    let mut teller = Teller::at_home();
    teller.login(START, "198.51.100.9", None);
    let read = Retrieve {
        messages: 900,
        bytes: 150 << 20,
        mailbox_messages: Some(1000),
    };
    let happened = teller.tell(
        START.plus_secs(60),
        "198.51.100.9",
        Protocol::Pop3,
        None,
        Act::Retrieve(read),
    );
    assert!(named(&happened.detections, "mbx.bulk").is_some());
    assert!(named(&happened.detections, "mbx.pop_drain").is_some());
    // An unusual login and everything fetched add up, though each alone does nothing.
    assert!(
        happened
            .decisions
            .iter()
            .any(|one| one.step == Step::Freeze),
        "{:?}",
        happened.decisions
    );
    let delete = Delete {
        messages: 900,
        mailbox_messages: Some(1000),
    };
    let happened = teller.tell(
        START.plus_secs(90),
        "198.51.100.9",
        Protocol::Imap,
        None,
        Act::Delete(delete),
    );
    assert!(named(&happened.detections, "mbx.massdelete").is_some());
}

#[test]
fn what_other_servers_say_stops_an_account() {
    let mut teller = Teller::at_home();
    let first = teller.tell(
        START,
        "203.0.113.5",
        Protocol::Submission,
        None,
        Act::Reply(Reply::CalledSpam),
    );
    assert_eq!(first.decisions, []);
    let second = teller.tell(
        START.plus_secs(60),
        "203.0.113.5",
        Protocol::Submission,
        None,
        Act::Reply(Reply::CalledSpam),
    );
    assert!(
        second
            .decisions
            .iter()
            .any(|one| one.step == Step::DeferMail),
        "{:?}",
        second.decisions
    );
    let mut bad = Vec::new();
    for turn in 0..100 {
        bad.extend(
            teller
                .tell(
                    START.plus_secs(100 + turn),
                    "203.0.113.5",
                    Protocol::Submission,
                    None,
                    Act::Reply(Reply::NoSuchRecipient),
                )
                .decisions,
        );
    }
    assert!(bad.iter().any(|one| one.step == Step::Freeze));
}

/// A source that breaks the protocol: how often until it is told, and until it is blocked.
#[test]
fn sessions_that_break_the_protocol_are_told_and_the_worst_blocked() {
    let cases = [
        (Fault::Foreign, "px.foreign", 1, true),
        (Fault::Malformed, "px.malformed", 3, true),
        (Fault::Cleartext, "auth.clear", 5, true),
        (Fault::Early, "px.early", 3, false),
        (Fault::Hasty, "px.conns", 3, false),
        (Fault::Loitered, "auth.noattempt", 30, false),
    ];
    for (fault, id, least, blocks) in cases {
        let mut teller = Teller::new();
        for number in 1..=least {
            let happened =
                teller.session(START.plus_secs(number), "198.51.100.7", Act::Fault(fault));
            let told = named(&happened.detections, id);
            assert_eq!(told.is_some(), number == least, "{id} at {number}");
            let blocked = happened
                .decisions
                .iter()
                .any(|one| one.step == Step::BlockSource);
            assert_eq!(blocked, blocks && number == least, "{id} at {number}");
            if let Some(told) = told {
                assert!(!told.evidence.is_empty() && told.ip.is_some(), "{told:?}");
            }
        }
        // Others did nothing.
        let other = teller.session(
            START.plus_secs(60),
            "198.51.100.8",
            Act::Fault(Fault::Early),
        );
        assert_eq!(other.detections, [], "{id}");
    }
}

#[test]
fn an_office_may_break_the_protocol_four_times_as_often() {
    let mut teller = Teller::new();
    for person in 0..6 {
        let login = Act::Login(Login::new(LoginOutcome::Succeeded));
        teller.did(
            START.plus_secs(person),
            "203.0.113.5".parse().ok(),
            Some(&format!("person{person}@example.org")),
            login,
        );
    }
    let mut told = Vec::new();
    for number in 0..4 {
        let at = START.plus_secs(60 + number);
        told.push(teller.session(at, "203.0.113.5", Act::Fault(Fault::Foreign)));
    }
    assert!(told[..3].iter().all(|one| one.detections.is_empty()));
    // Five people came by it today: the guard leaves the source alone, and says why.
    assert!(named(&told[3].detections, "px.foreign").is_some());
    assert!(
        told[3].decisions.iter().all(|one| one.held_back.is_some()),
        "{:?}",
        told[3].decisions
    );
}

#[test]
fn a_master_user_is_told_from_new_networks_and_is_not_the_owner() {
    let mut teller = Teller::at_home();
    let into = Account::new("bob@example.org", 255);
    let opens = || {
        Act::Login(Login {
            into: into.clone(),
            ..Login::new(LoginOutcome::Succeeded)
        })
    };
    let home = teller.tell(START, "203.0.113.5", Protocol::Imap, None, opens());
    assert_eq!(named(&home.detections, "auth.master"), None);
    let away = teller.tell(
        START.plus_secs(60),
        "198.51.100.9",
        Protocol::Imap,
        None,
        opens(),
    );
    assert!(named(&away.detections, "auth.master").is_some());
    assert!(
        away.decisions.iter().all(|one| one.step == Step::Note),
        "{:?}",
        away.decisions
    );
    // Whose mailbox it was is at home nowhere because of it.
    let bob = teller.watch.may_login(&crate::LoginQuestion {
        at: START.plus_secs(90),
        ip: "203.0.113.5".parse().ok(),
        device: None,
        account: into.clone().expect("a name"),
    });
    assert_eq!(bob, crate::LoginAnswer::Allow);
    let marks = teller
        .watch
        .ledger
        .keys
        .marks_of("203.0.113.5".parse().ok(), Some("bob@example.org"));
    let familiar = teller
        .watch
        .ledger()
        .familiar(&marks, None, START.plus_secs(90));
    assert_eq!(familiar, Familiar::Stranger);
}

#[test]
fn a_stolen_password_weighs_little_and_more_while_the_site_is_attacked() {
    let stolen = || {
        Act::Login(Login {
            breached: Some(true),
            ..Login::new(LoginOutcome::Succeeded)
        })
    };
    let mut teller = Teller::at_home();
    let quiet = teller.tell(START, "198.51.100.9", Protocol::Imap, None, stolen());
    let told = named(&quiet.detections, "auth.breached").expect("told");
    assert!((told.score - 0.1).abs() < 1e-6 && !told.acts);
    let mut teller = Teller::at_home();
    teller.attack(START);
    let attacked = teller.tell(
        START.plus_secs(700),
        "198.51.100.9",
        Protocol::Imap,
        None,
        stolen(),
    );
    let told = named(&attacked.detections, "auth.breached").expect("told");
    assert!((told.score - 0.5).abs() < 1e-6, "{told:?}");
}

impl Teller {
    /// Guesses at the whole site from everywhere, one from each: 400 in ten minutes, of which no source has two.
    fn attack(&mut self, at: Timestamp) {
        for number in 0..400_u32 {
            let login = Login {
                password: Some(PasswordTag::new(number as u16)),
                ..Login::new(LoginOutcome::Failed(FailType::Credentials))
            };
            self.guess(at.plus_secs(i64::from(number)), number, login);
        }
    }

    fn guess(&mut self, at: Timestamp, number: u32, login: Login) -> Happened {
        self.did(
            at,
            Some(std::net::Ipv4Addr::from_bits(0x0a00_0000 + (number << 12)).into()),
            Some(&format!("person{}@example.org", number % 300)),
            Act::Login(login),
        )
    }
}

/// Thresholds of guessing stand at half while the site is attacked, and are shown as they stood.
#[test]
fn counts_fall_while_the_site_is_attacked() {
    let wrong = |tag: u16| Login {
        password: Some(PasswordTag::new(tag)),
        ..Login::new(LoginOutcome::Failed(FailType::Account))
    };
    let tries = |teller: &mut Teller| {
        let mut told = Vec::new();
        for name in 0..2_u32 {
            // The same source asks for names that are no accounts.
            let at = START.plus_secs(500 + i64::from(name));
            let happened = teller.did(
                at,
                "198.51.100.7".parse().ok(),
                Some(&format!("nobody{name}@example.org")),
                Act::Login(wrong(name as u16)),
            );
            told.extend(happened.detections);
        }
        told
    };
    let mut quiet = Teller::at_home();
    assert_eq!(named(&tries(&mut quiet), "auth.unknown"), None);
    let mut attacked = Teller::at_home();
    attacked.attack(START);
    assert!(attacked.watch.ledger().attack_level(START.plus_secs(450)) > 0.9);
    let told = tries(&mut attacked);
    let unknown = named(&told, "auth.unknown").expect("two names are enough now");
    let stood = unknown.thresholds.iter().find(|(name, _)| *name == "names");
    assert!(
        stood.is_some_and(|(_, least)| *least < 3.0),
        "{:?}",
        unknown.thresholds
    );
    // A site that wants none of it says so.
    let mut still = Teller::at_home();
    let mut settings = Settings::in_mode(Mode::Enforce).at_once();
    settings.attack_factor = 1.0;
    still.watch.set(settings);
    still.attack(START);
    assert_eq!(named(&tries(&mut still), "auth.unknown"), None);
}

#[test]
fn a_login_at_night_through_tor_is_unusual() {
    let mut teller = Teller::new();
    // START is a Friday, 08:00: sixty days of ten hours each.
    for day in -60..0 {
        for hour in 0..10 {
            let at = START.plus_secs(day * 86_400 + hour * 3600);
            teller.login(at, "203.0.113.5", Some(place("DE", 1, 52.5, 13.4)));
        }
    }
    let noon = teller.login(
        START.plus_secs(4 * 3600),
        "203.0.113.5",
        Some(place("DE", 1, 52.5, 13.4)),
    );
    assert_eq!(noon.detections, []);
    let hidden = Place {
        hides: Some(true),
        ..place("DE", 1, 52.5, 13.4)
    };
    let night = teller.login(
        START.plus_secs(17 * 3600),
        "203.0.113.5",
        Some(hidden.clone()),
    );
    for id in ["ctx.hour", "ctx.anon"] {
        assert!(
            named(&night.detections, id).is_some(),
            "{id}: {:?}",
            night.detections
        );
    }
    let again = teller.login(
        START.plus_secs(10 * 3600 + 86_400),
        "203.0.113.5",
        Some(hidden),
    );
    assert_eq!(named(&again.detections, "ctx.anon"), None, "known by now");
}

#[test]
fn what_a_thief_looks_for_is_told_once_somebody_asks() {
    let search = |text: &str| {
        Act::List(List {
            folders: 0,
            topics: Topics::of(text),
        })
    };
    let words = ["invoice", "password", "iban", "contract"];
    let look = |teller: &mut Teller| {
        teller.login(START, "198.51.100.9", None);
        let tell = |(number, word): (usize, &&str)| {
            let at = START.plus_secs(10 + number as i64);
            let happened = teller.tell(at, "198.51.100.9", Protocol::Imap, None, search(word));
            named(&happened.detections, "mbx.recon").is_some()
        };
        words.iter().enumerate().map(tell).collect::<Vec<_>>()
    };
    let mut teller = Teller::at_home();
    assert_eq!(look(&mut teller), [false; 4]);
    let text = "observe_days = 0\n[detectors.\"mbx.recon\"]\nmode = \"observe\"\n";
    let settings = Settings::parse(text).expect("good settings");
    assert!(settings.reads_searches() && !Settings::default().reads_searches());
    let mut teller = Teller::at_home();
    teller.watch.set(settings);
    assert_eq!(look(&mut teller), [false, false, false, true]);
}

#[test]
fn folders_rights_and_floods_of_a_mailbox_are_told() {
    let mut teller = Teller::at_home();
    teller.login(START, "198.51.100.9", None);
    let many = List {
        folders: 250,
        topics: Topics::default(),
    };
    let enumerated = teller.tell(
        START.plus_secs(5),
        "198.51.100.9",
        Protocol::Imap,
        None,
        Act::List(many),
    );
    assert!(named(&enumerated.detections, "mbx.enum").is_some());
    let mut teller = Teller::at_home();
    let home = teller.tell(START, "203.0.113.5", Protocol::Imap, None, Act::List(many));
    assert_eq!(
        home.detections,
        [],
        "programs that search everything do it at home"
    );
    let mut told = 0;
    for number in 1..=20 {
        let at = START.plus_secs(number);
        let happened = teller.tell(
            at,
            "203.0.113.5",
            Protocol::Imap,
            None,
            Act::Fault(Fault::Denied),
        );
        told += i32::from(named(&happened.detections, "mbx.enum").is_some());
        assert_eq!(told, i32::from(number == 20));
    }
    let append = Act::Append(Append {
        messages: 1200,
        bytes: 1 << 20,
    });
    let happened = teller.tell(
        START.plus_secs(60),
        "203.0.113.5",
        Protocol::Imap,
        None,
        append,
    );
    let told = named(&happened.detections, "mbx.append_flood").expect("told");
    assert!(!told.acts);
}

fn sent(from: Option<&str>, recipients: u32, authentic: Option<&str>) -> Sent {
    let person =
        |number: u32| Address::new(&format!("person{number}@elsewhere{}.example", number % 7));
    Sent {
        envelope_from: from.and_then(Address::new),
        recipients: (0..recipients).filter_map(person).collect(),
        taken: true,
        size_bytes: 1000,
        owned: None,
        print: None,
        bulk: false,
        authentic: authentic.and_then(|name| mail::Domain::parse(name).ok()),
    }
}

#[test]
fn bounces_that_an_account_sends_are_put_off_from_elsewhere() {
    for (ip, stops) in [("203.0.113.5", false), ("198.51.100.9", true)] {
        let mut teller = Teller::at_home();
        let mut decided = Vec::new();
        for number in 0..5 {
            let act = Act::Send(sent(None, 1, None));
            let happened =
                teller.tell(START.plus_secs(number), ip, Protocol::Submission, None, act);
            assert_eq!(
                named(&happened.detections, "out.null").is_some(),
                number == 4
            );
            decided.extend(happened.decisions);
        }
        let put_off = decided.iter().any(|one| one.step == Step::DeferMail);
        assert_eq!(put_off, stops, "{ip}: {decided:?}");
    }
}

#[test]
fn complaints_are_judged_by_how_many_were_written_to() {
    // A newsletter of three thousand has three complaints; somebody who wrote to thirty has three, too.
    for (recipients, stops) in [(3000, false), (30, true)] {
        let mut teller = Teller::at_home();
        let act = Act::Send(sent(Some("ann@example.org"), recipients, None));
        teller.tell(START, "203.0.113.5", Protocol::Submission, None, act);
        let mut told = false;
        for number in 1..=3 {
            let at = START.plus_secs(number * 20_000);
            let act = Act::Reply(Reply::Complained);
            let happened = teller.tell(at, "203.0.113.5", Protocol::Submission, None, act);
            told |= happened
                .decisions
                .iter()
                .any(|one| one.step == Step::DeferMail && one.reason.starts_with("out.arf"));
        }
        assert_eq!(told, stops, "{recipients}");
    }
}

#[test]
fn a_program_of_the_server_that_mails_many_is_told() {
    let mut teller = Teller::new();
    let mut told = Vec::new();
    for number in 0..120_u32 {
        let at = START.plus_secs(i64::from(number));
        let happened = teller.did(
            at,
            None,
            Some(Account::of_program(33).as_str()),
            Act::Send(sent(Some("a@example.org"), 1, None)),
        );
        told.extend(happened.detections.into_iter().map(|one| (number, one)));
    }
    let first = told
        .iter()
        .find(|(_, one)| one.detector == "out.script")
        .expect("told");
    assert_eq!(first.0, 99);
}

#[test]
fn a_source_in_the_names_of_many_is_told_unless_it_proves_them() {
    for (proves, tells) in [(false, true), (true, false)] {
        let mut teller = Teller::new();
        let mut told = false;
        for number in 0..60 {
            let domain = format!("sender{number}.example");
            let from = format!("x@{domain}");
            let act = Act::Send(sent(Some(&from), 1, proves.then_some(domain.as_str())));
            let happened = teller.session(START.plus_secs(10 * number), "198.51.100.7", act);
            told |= named(&happened.detections, "in.manyfrom").is_some();
        }
        assert_eq!(told, tells);
    }
}

#[test]
fn a_login_that_could_be_anybodys_is_weighed_once() {
    let mut teller = Teller::new();
    // A site of people who are always at home, long enough to know what is usual.
    for day in -20..0_i64 {
        for person in 0..100_u32 {
            let login = Login::new(LoginOutcome::Succeeded);
            teller.guess(
                START.plus_secs(day * 86_400 + i64::from(person)),
                person,
                login,
            );
        }
    }
    let at = START.plus_secs(10);
    let home = teller.guess(at, 7, Login::new(LoginOutcome::Succeeded));
    assert_eq!(
        named(&home.detections, "ctx.rba"),
        None,
        "{:?}",
        home.detections
    );
    // Person 8 from where nobody ever was.
    let away = teller.did(
        at,
        "198.51.100.9".parse().ok(),
        Some("person8@example.org"),
        Act::Login(Login::new(LoginOutcome::Succeeded)),
    );
    let rank = named(&away.detections, "ctx.rba").expect("told");
    let source = named(&away.detections, "ctx.newsource").expect("told");
    assert!(rank.score > source.score && !rank.acts);
    assert_eq!(away.decisions, []);
}
