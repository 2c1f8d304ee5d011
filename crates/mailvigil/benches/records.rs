//! Searches and pages over very many records.
//!
//!     cargo bench -p mailvigil --bench records -- sqlite 10000000
//!     cargo bench -p mailvigil --bench records -- postgres 10000000
//!
//! Fills a fresh store with generated records of thirty days, then asks what people ask and says how long each answer took:
//! the median and the longest of several askings. The page times are those of the console's own router, without a network.
//! Ten million need 20 GB of disk on SQLite and 55 on PostgreSQL, 8 GB of memory while they are made, and up to half an hour.
//! PostgreSQL has 2 GB of memory, as such a store would be given, and not its small defaults. It is spared its durability while it is filled,
//! which changes nothing about what an answer costs.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, header};
use engine::gate::password::Rules;
use engine::gate::{Attempt, Gate, Invitation};
use engine::metrics::Metrics;
use engine::{Author, Care, Desk, Engine, OnFailure, Readers, Role, Settings};
use mail::verdict::{Evidence, Outcome, Reason};
use mail::{
    Action, Address, Direction, Envelope, Fate, Level, Limits, Record, RecordId, Secret, Site,
    Timestamp, Verdict,
};
use store::{CANDIDATES, Query, Store, StoreConfig};
use testkit::postgres::Postgres;
use tower::ServiceExt as _;

const DAYS: i64 = 30;
const TIMES: usize = 7;
const SET_UP: [&str; 7] = [
    "shared_buffers=2GB",
    "maintenance_work_mem=1GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=1h",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
];

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let kind = args.first().map_or("sqlite", String::as_str).to_owned();
    let count: u64 = args
        .get(1)
        .map_or(100_000, |count| count.parse().expect("a number of records"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = (kind == "postgres").then(|| Postgres::start_with(&SET_UP).unwrap());
    let database = match &server {
        Some(server) => server.fresh_database().unwrap(),
        None => format!("sqlite:{}/records.db", folder.path().display()),
    };
    runtime.block_on(measure(
        &kind,
        count,
        folder.path(),
        database,
        server.as_ref(),
    ));
}

async fn measure(
    kind: &str,
    count: u64,
    folder: &std::path::Path,
    database: String,
    server: Option<&Postgres>,
) {
    let config = StoreConfig {
        database: Secret::new(database.clone()),
        bodies: folder.join("bodies"),
        audit_head: folder.join("audit-head"),
        quarantine_bytes_max: 1 << 30,
        facts_bytes_max: 64 << 10,
    };
    let store = Store::open(&config).await.unwrap();
    if let Some(server) = server {
        server
            .sql_in(
                &database,
                "ALTER TABLE terms SET UNLOGGED; ALTER TABLE records SET UNLOGGED",
            )
            .unwrap();
    }
    let started = Instant::now();
    let now = engine::clock::now();
    let loaded = store
        .load((0..count).map(|number| record(number, count, now)))
        .await
        .unwrap();
    store.compact_tallies(now, Timestamp(0)).await.unwrap();
    if let Some(server) = server {
        // As a server has it that got this mail day by day: autovacuum has passed long ago.
        server.sql_in(&database, "VACUUM ANALYZE").unwrap();
    }
    println!(
        "{kind}: {loaded} records of {DAYS} days made in {:.0} s",
        started.elapsed().as_secs_f64()
    );
    let store = Store::open(&config).await.unwrap();

    let some = |text: &str| Some(text.to_owned());
    let middle = record(count / 2, count, now);
    let searches: Vec<(&str, Query)> = vec![
        ("the newest", Query::default()),
        (
            "an address with many",
            Query {
                address: some("user1@ours.example"),
                ..Query::default()
            },
        ),
        (
            "an address with few",
            Query {
                address: Some(middle.envelope.envelope_from.as_ref().unwrap().key()),
                ..Query::default()
            },
        ),
        (
            "never seen",
            Query {
                address: some("nobody@nowhere.example"),
                ..Query::default()
            },
        ),
        (
            "a domain that all have",
            Query {
                to: some("@ours.example"),
                ..Query::default()
            },
        ),
        (
            "a machine",
            Query {
                ip: "198.51.7.9".parse().ok(),
                ..Query::default()
            },
        ),
        (
            "a queue id",
            Query {
                queue_id: middle.envelope.queue_id.clone(),
                ..Query::default()
            },
        ),
        (
            "a Message-ID",
            Query {
                message_id: middle.message_id.clone(),
                ..Query::default()
            },
        ),
        (
            "common words of a subject",
            Query {
                subject: some("your invoice"),
                ..Query::default()
            },
        ),
        (
            "common and rare words",
            Query {
                subject: Some(middle.subject.clone()),
                ..Query::default()
            },
        ),
        (
            "a level",
            Query {
                level: Some(Level::Dangerous),
                ..Query::default()
            },
        ),
        (
            "a reason",
            Query {
                reason: some("advance-fee-tale"),
                ..Query::default()
            },
        ),
        (
            "common things that never meet",
            Query {
                level: Some(Level::Dangerous),
                fate: Some(Fate::Delivered),
                ..Query::default()
            },
        ),
        (
            "common things that seldom meet",
            Query {
                level: Some(Level::Suspicious),
                to: some("user1@ours.example"),
                reason: some("no-ptr-name"),
                ..Query::default()
            },
        ),
        (
            "an address within a day, three weeks ago",
            Query {
                address: some("user1@ours.example"),
                since: Some(now.plus_secs(-22 * 86_400)),
                until: Some(now.plus_secs(-21 * 86_400)),
                ..Query::default()
            },
        ),
        (
            "the last page of a domain",
            Query {
                to: some("@ours.example"),
                before: Some(record(50, count, now).id),
                ..Query::default()
            },
        ),
    ];
    println!(
        "\n{:<44} {:>10} {:>10}   found",
        "search", "median", "longest"
    );
    for (name, query) in searches {
        let query = Query { limit: 50, ..query };
        let (mut times, mut found) = (Vec::new(), String::new());
        for _ in 0..TIMES {
            let started = Instant::now();
            let page = store.search(&query, CANDIDATES).await.unwrap();
            times.push(started.elapsed());
            found = format!(
                "{}{}",
                page.records.len(),
                if page.looked_back_to.is_some() {
                    " (looked at its share)"
                } else {
                    ""
                }
            );
        }
        line(name, &mut times, &found);
    }
    pages(store, &middle).await;
}

async fn pages(store: Store, middle: &Record) {
    let settings = Settings {
        site: Site::default(),
        limits: Limits::default(),
        on_failure: OnFailure::Tempfail,
        node: "bench".into(),
        authenticity: Arc::default(),
        report_inbox: Vec::new(),
        complaints_from: Vec::new(),
        watch: engine::WatchSetup::default(),
        learn: engine::LearnSetup::default(),
        hub: None,
        recalls: false,
    };
    let started = Instant::now();
    let engine = Engine::start(
        settings,
        store.clone(),
        Arc::new(Metrics::default()),
        Arc::new(Readers::new(&Limits::default())),
    )
    .await
    .unwrap();
    println!(
        "\nthe engine started in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    engine.say_presence().await.unwrap();
    let gate = Gate::new(store.clone(), Rules::default()).unwrap();
    let code = gate
        .invite(&Invitation {
            name: None,
            role: Role::Administrator,
            scope: Vec::new(),
        })
        .await
        .unwrap();
    let place = "127.0.0.1".parse().unwrap();
    gate.accept(&code, "ann", "maroon otter waltz 42", place, "bench")
        .await
        .unwrap();
    let attempt = Attempt {
        name: "ann",
        password: "maroon otter waltz 42",
        code: "",
        place,
        agent: "bench",
        cookie: None,
    };
    let cookie = gate.log_in(&attempt).await.unwrap();
    let desk = Desk::new(
        store,
        Limits::default(),
        Site::default(),
        Care::default(),
        None,
        Arc::new(Readers::new(&Limits::default())),
        Author::at_the_machine("bench"),
    );
    let console = console::Settings {
        url: "http://localhost".into(),
        proxies: Vec::new(),
        site_name: String::new(),
        oidc: None,
    };
    let router = console::router(
        desk,
        gate,
        engine,
        console,
        tokio_util::sync::CancellationToken::new(),
    );
    let one = format!("/messages/{}", middle.id);
    let pages = [
        "/",
        "/?hours=168",
        "/?hours=720",
        "/messages",
        "/messages?q=user1%40ours.example",
        "/messages?q=nobody%40nowhere.example",
        "/messages?q=your+invoice",
        "/messages?level=dangerous&fate=delivered",
        &one,
        "/quarantine",
        "/policy",
        "/policy/set/advance-fee",
        "/policy/text",
        "/policy/history",
        "/audit",
        "/people",
        "/me",
    ];
    println!(
        "\n{:<44} {:>10} {:>10}   bytes",
        "page", "median", "longest"
    );
    for page in pages {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..TIMES {
            let request = Request::get(page)
                .header(header::HOST, "localhost")
                .header(header::COOKIE, format!("mailvigil={cookie}"))
                .body(Body::empty())
                .unwrap();
            let started = Instant::now();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), 200, "{page}");
            bytes = axum::body::to_bytes(answer.into_body(), 1 << 26)
                .await
                .unwrap()
                .len();
            times.push(started.elapsed());
        }
        line(page, &mut times, &bytes.to_string());
    }
}

fn line(name: &str, times: &mut [Duration], found: &str) {
    times.sort_unstable();
    let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    println!(
        "{name:<44} {:>10} {:>10}   {found}",
        millis(times[times.len() / 2]),
        millis(times[times.len() - 1])
    );
}

/// A record of a site with some thousand mailboxes: few recipients and senders have much, many have little.
fn record(number: u64, count: u64, now: Timestamp) -> Record {
    let mut chance = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    let mut next = |most: u64| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chance % most
    };
    let back = DAYS * 86_400_000_000 / count as i64 * (count - number) as i64;
    let at = Timestamp(now.0 - back);
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    let address = |text: String| Address::new(&text).unwrap();
    let few = next(200);
    let user = few * few / 200 + if next(3) == 0 { next(5_000) } else { 0 };
    let to = address(format!("user{user}@ours.example"));
    let domain = next(40_000);
    let from = address(format!("sender{}@d{domain}.example", next(20)));
    let (level, fate, action, score) = match next(100) {
        0..=2 => (Level::Dangerous, Fate::Discarded, Action::Discard, 18.0),
        3..=11 => (
            Level::Suspicious,
            Fate::Quarantined,
            Action::Quarantine,
            7.5,
        ),
        _ => (Level::Ordinary, Fate::Delivered, Action::Accept, 0.6),
    };
    let mut names = vec!["no-ptr-name"];
    if level > Level::Ordinary {
        names.push(
            [
                "advance-fee-tale",
                "account-in-danger-click",
                "mass-mail-offer",
                "reply-to-free-mailbox",
            ][next(4) as usize],
        );
    }
    let reasons = names.iter().map(|name| Reason {
        name: (*name).to_owned(),
        score: 0.6,
        text: "What it means, in a few words".into(),
        evidence: vec![Evidence::of("what was found".into())],
        demands: None,
    });
    let mut envelope = Envelope::new(at, "milter");
    envelope.server = format!("mx{}.ours.example", next(3));
    envelope.queue_id = Some(format!("4Q{number:010x}"));
    envelope.peer.ip = format!("198.51.{}.{}", next(100), next(250)).parse().ok();
    envelope.envelope_from = Some(from.clone());
    envelope.recipients = vec![to.clone()];
    envelope.direction = Direction::Inbound;
    const WORDS: [&str; 12] = [
        "your", "invoice", "meeting", "report", "order", "news", "offer", "re", "update", "发票",
        "question", "monday",
    ];
    let subject: Vec<&str> = (0..4).map(|_| WORDS[next(12) as usize]).collect();
    Record {
        id: RecordId::new(at, random),
        at,
        fate,
        header_from: Some(from.key()),
        subject: format!("{} {number}", subject.join(" ")),
        message_id: Some(format!("{number:x}@d{domain}.example")),
        size_bytes: 2_000 + next(90_000),
        digest: format!("{number:064x}"),
        verdict: Some(Verdict {
            level,
            score,
            action: action.clone(),
            reasons: reasons.collect(),
            outcomes: vec![Outcome {
                recipient: to,
                score,
                level,
                action,
            }],
            policy_version: 1,
            unknown: Vec::new(),
        }),
        facts: None,
        note: None,
        took_us: 400,
        envelope,
    }
}
