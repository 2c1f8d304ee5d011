use std::fmt::Write as _;

use mail::operation::{
    Act, Administer, Delete, DeviceTag, Door, Login, LoginOutcome, Place, Protocol, Reply,
    Retrieve, Source, Spot,
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
            .map(|knob| format!("`{}` {}: {}", knob.name, knob.default, knob.why))
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
            watch: Watch::new(Settings::in_mode(Mode::Enforce), 16 << 20, 7),
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

    fn login(&mut self, at: Timestamp, ip: &str, place: Option<Place>) -> Happened {
        let login = Login {
            outcome: LoginOutcome::Succeeded,
            password: None,
            spray: None,
        };
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
