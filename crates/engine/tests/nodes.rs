//! Several nodes of one installation: what happens at one counts at all.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::hub::{Board, Place};
use engine::metrics::Metrics;
use engine::watch::{LoginAnswer, Scope};
use engine::{
    Abilities, Authenticity, Author, Care, Desk, Engine, LearnSetup, OnFailure, Question, Readers,
    Settings, Teacher, Telling, WatchFilter, WatchSetup,
};
use mail::facts::WindowKey;
use mail::operation::{Act, Door, FailType, Login, LoginOutcome, Protocol};
use mail::{Address, Domain, Envelope, Limits, RecordId, Secret, Site, Timestamp};
use store::{Store, StoreConfig};

const ENFORCE: &str =
    "mode = \"enforce\"\nobserve_days = 0\n[detectors.\"auth.bf.ip\"]\npasswords = 20\n";

struct Installation {
    _folder: tempfile::TempDir,
    store: Store,
    desk: Desk,
}

impl Installation {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            database: Secret::new(format!("sqlite:{}/kept.db", folder.path().display())),
            bodies: folder.path().join("bodies"),
            audit_head: folder.path().join("head"),
            quarantine_bytes_max: 1 << 20,
            facts_bytes_max: 1 << 20,
        };
        let store = Store::open(&config).await.unwrap();
        let limits = Limits::default();
        let readers = Arc::new(Readers::new(&limits));
        let desk = Desk::new(
            store.clone(),
            limits,
            site(),
            Care::default(),
            None,
            readers,
            Author::at_the_machine("ann"),
        );
        Self {
            _folder: folder,
            store,
            desk,
        }
    }

    /// A node that does by the clock what the service does.
    async fn node(&self, name: &str, hub: Option<&Place>) -> Arc<Engine> {
        let settings = Settings {
            site: site(),
            limits: Limits::default(),
            on_failure: OnFailure::Tempfail,
            node: name.into(),
            authenticity: Arc::new(Authenticity::default()),
            report_inbox: Vec::new(),
            complaints_from: Vec::new(),
            watch: WatchSetup {
                domain: Some(Domain::parse("here.example").unwrap()),
                ..WatchSetup::default()
            },
            learn: LearnSetup::default(),
            hub: hub.cloned(),
            recalls: false,
        };
        let readers = Arc::new(Readers::new(&settings.limits));
        let engine = Engine::start(
            settings,
            self.store.clone(),
            Arc::new(Metrics::default()),
            readers,
        )
        .await
        .unwrap();
        engine.say_presence().await.unwrap();
        let (talks, keeps) = (engine.clone(), engine.clone());
        tokio::spawn(async move { talks.talk().await });
        tokio::spawn(async move {
            loop {
                keeps.keep_watch().await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        engine
    }

    async fn decisions(&self) -> usize {
        let all = WatchFilter {
            limit: 100,
            ..WatchFilter::default()
        };
        self.desk.decisions(&all).await.unwrap().len()
    }
}

fn site() -> Site {
    Site {
        local_domains: vec![Domain::parse("here.example").unwrap()],
        ..Site::default()
    }
}

fn now() -> Timestamp {
    engine::clock::now()
}

fn guess(engine: &Engine, ip: &str, account: &str, password: &str) {
    engine.watching().tell(Telling {
        door: Door::AuthPolicy,
        at: now(),
        protocol: Protocol::Imap,
        ip: ip.parse().ok(),
        device: None,
        account: Some(account.to_owned()),
        session: None,
        act: Act::Login(Login {
            password: Some(engine.watching().password_tag(account, password)),
            ..Login::new(LoginOutcome::Failed(FailType::Credentials))
        }),
    });
}

fn answer(engine: &Engine, ip: &str) -> LoginAnswer {
    engine
        .watching()
        .may_login(now(), ip.parse().ok(), None, "zoe")
}

async fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn heard(engine: &Engine) -> u64 {
    let text = engine.metrics().text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("mailvigil_hub_total{what=\"tidings-heard\"} "));
    line.map_or(0, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_two_nodes_add_up_and_what_one_decides_stands_at_both() {
    const THIEF: &str = "203.0.113.7";
    let installation = Installation::open().await;
    let place = Place::Board(Board::new());
    let one = installation.node("one", Some(&place)).await;
    let two = installation.node("two", Some(&place)).await;
    let alone = installation.node("alone", None).await;
    let granted = installation.desk.change_watch_settings(ENFORCE, "test");
    assert!(granted.await.unwrap());
    for number in 0..24 {
        let node = if number % 2 == 0 { &one } else { &two };
        guess(
            node,
            THIEF,
            &format!("user{}", number % 6),
            &format!("pw{number}"),
        );
        // Guesses come no faster than a node hears of the other's.
        let (hears, told) = if number % 2 == 0 {
            (&two, &one)
        } else {
            (&one, &two)
        };
        let before = number / 2;
        wait_for("the other hears", || heard(hears) > before).await;
        assert!(heard(told) >= before);
    }
    // Twelve guesses each: neither would have found anything by itself, as the one that is alone did not with as many.
    for number in 0..12 {
        guess(&alone, "203.0.113.8", "user1", &format!("pw{number}"));
    }
    assert_eq!(answer(&alone, "203.0.113.8"), LoginAnswer::Allow);
    for node in [&one, &two] {
        wait_for("it is refused", || {
            answer(node, THIEF) == LoginAnswer::Refuse
        })
        .await;
    }
    assert_eq!(answer(&one, "203.0.113.9"), LoginAnswer::Allow);
    // One of them wrote it down, under one name that both know.
    let ids = |engine: &Engine| -> Vec<RecordId> {
        let standing = engine.watching().standing();
        standing.iter().map(|one| one.id).collect()
    };
    wait_for("both know the same", || ids(&one) == ids(&two)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        installation.decisions().await,
        ids(&one).len() + ids(&alone).len()
    );

    // A node that comes later, or was away, knows what stands, and decides none of it again.
    let three = installation.node("three", Some(&place)).await;
    assert_eq!(answer(&three, THIEF), LoginAnswer::Refuse);
    let rows = installation.decisions().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(installation.decisions().await, rows);

    // An undo ends it at both, and clears what both counted.
    let source = Scope::Source(THIEF.parse().unwrap());
    assert!(installation.desk.undo(source, "test").await.unwrap());
    for node in [&one, &two] {
        wait_for("it is allowed", || {
            answer(node, THIEF) == LoginAnswer::Allow
        })
        .await;
    }
    guess(&one, THIEF, "user1", "once more");
    guess(&two, THIEF, "user2", "once more");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(answer(&one, THIEF), LoginAnswer::Allow);
    assert_eq!(answer(&two, THIEF), LoginAnswer::Allow);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_operation_told_to_two_nodes_counts_once() {
    let installation = Installation::open().await;
    let place = Place::Board(Board::new());
    let one = installation.node("one", Some(&place)).await;
    let two = installation.node("two", Some(&place)).await;
    let granted = installation.desk.change_watch_settings(ENFORCE, "test");
    assert!(granted.await.unwrap());
    for number in 0..19 {
        guess(&one, "203.0.113.7", "user1", &format!("pw{number}"));
    }
    wait_for("the other hears", || heard(&two) >= 19).await;
    // The log of the same front end, read at the other node: it tells what was told.
    for number in 0..19 {
        two.watching().tell(Telling {
            door: Door::Log,
            at: now(),
            protocol: Protocol::Imap,
            ip: "203.0.113.7".parse().ok(),
            device: None,
            account: Some("user1".to_owned()),
            session: Some(format!("s{number}")),
            act: Act::Login(Login::new(LoginOutcome::Failed(FailType::Credentials))),
        });
    }
    let text = two.metrics().text();
    assert!(text.contains("mailvigil_twins_total 19"), "{text}");
    assert_eq!(heard(&one), 0, "and it is not told again");
}

/// Lets a message come; its record.
async fn come(engine: &Engine, to: &str) -> RecordId {
    come_from(engine, to, "192.0.2.9").await
}

async fn come_from(engine: &Engine, to: &str, ip: &str) -> RecordId {
    let mut envelope = Envelope::new(now(), "test");
    envelope.peer.ip = ip.parse().ok();
    envelope.envelope_from = Address::new("s@there.example");
    envelope.recipients.extend(Address::new(to));
    let raw = format!(
        "From: Someone <s@there.example>\r\nTo: {to}\r\nMessage-ID: <{to}>\r\nSubject: an offer\r\n\r\nwe have the best shoes of all towns in the north and they cost less than you would ever think possible\r\n"
    );
    let answer = engine.question(Question {
        envelope,
        raw: raw.into_bytes(),
        not_read: None,
        abilities: Abilities::ADVICE,
    });
    let record = answer.await.record;
    assert!(engine.recorder().flush(Duration::from_secs(5)).await);
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_at_two_nodes_are_one_flood_and_one_campaign() {
    let installation = Installation::open().await;
    let place = Place::Board(Board::new());
    let one = installation.node("one", Some(&place)).await;
    let two = installation.node("two", Some(&place)).await;
    for number in 0..6 {
        come(&one, &format!("user{number}@here.example")).await;
    }
    // Of each its arrival, what it looks like, and that it was sent.
    wait_for("the other hears", || heard(&two) >= 18).await;
    let last = come(&two, "zoe@here.example").await;
    let view = installation.desk.message(&last.to_string()).await.unwrap();
    let facts = view.record.facts.unwrap();
    let of_peer = facts
        .windows
        .iter()
        .find(|window| matches!(window.key, WindowKey::Peer(_)));
    assert_eq!(of_peer.unwrap().messages, 7, "{:?}", facts.windows);
    let campaign = facts.campaign.unwrap();
    assert_eq!(campaign.messages, 6, "{campaign:?}");

    // Who comes later knows it from the store, and counts nothing twice.
    one.keep_learning().await.unwrap();
    two.keep_learning().await.unwrap();
    let three = installation.node("three", Some(&place)).await;
    let last = come(&three, "yan@here.example").await;
    let view = installation.desk.message(&last.to_string()).await.unwrap();
    let facts = view.record.facts.unwrap();
    assert_eq!(facts.campaign.unwrap().messages, 7);
    let of_peer = facts
        .windows
        .iter()
        .find(|window| matches!(window.key, WindowKey::Peer(_)));
    assert_eq!(of_peer.unwrap().messages, 8, "{:?}", facts.windows);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sudden_at_one_node_is_sudden_at_the_other() {
    let installation = Installation::open().await;
    let text = "[learning]\nclassifier = \"two-phase\"\n";
    let desk = &installation.desk;
    desk.apply_policy(text, "test", None).await.unwrap();
    let teacher = Teacher {
        trusted: true,
        source: "files",
        who: "ann".to_owned(),
        class: None,
    };
    for (word, wanted) in [
        ("shoes cost possible", false),
        ("minutes lunch report", true),
    ] {
        let mails: Vec<Vec<u8>> = (0..20)
            .map(|number| {
                format!("From: {number}@x.example\r\n\r\n{word} {number}\r\n").into_bytes()
            })
            .collect();
        desk.learn(&mails, wanted, &teacher).await.unwrap();
    }
    let place = Place::Board(Board::new());
    let one = installation.node("one", Some(&place)).await;
    let two = installation.node("two", Some(&place)).await;
    let hot = async |record: RecordId| {
        let view = desk.message(&record.to_string()).await.unwrap();
        let learnt = view.record.facts.unwrap().learnt.unwrap();
        learnt.phases.unwrap().hot
    };
    for number in 0..6 {
        let ip = format!("198.51.{number}.7");
        come_from(&one, &format!("user{number}@here.example"), &ip).await;
    }
    // Of each its arrival, its look, its class, and that it was sent.
    wait_for("the other hears", || heard(&two) >= 24).await;
    let last = come_from(&two, "zoe@here.example", "198.51.99.7").await;
    assert!(hot(last).await > 8, "five sources and more before it");
    let alone = installation.node("three", None).await;
    assert_eq!(
        hot(come_from(&alone, "yan@here.example", "198.51.98.7").await).await,
        0
    );
}
