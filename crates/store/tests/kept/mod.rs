//! A store on each back end, and something to keep in it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::{Arc, OnceLock};

use mail::verdict::{Evidence, Outcome, Reason};
use mail::{
    Action, Address, Envelope, Facts, Fate, Level, Message, Record, RecordId, Secret, Timestamp,
    Verdict,
};
use store::{Act, Store, StoreConfig};
use testkit::postgres::Postgres;

/// A test on one back end: a store, and what is needed to open it again.
pub struct Kept {
    pub store: Store,
    pub config: StoreConfig,
}

/// Runs a test on both back ends.
pub fn on_both<F: Future<Output = ()>>(test: impl Fn(Kept) -> F) {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    let server = SERVER
        .get_or_init(|| Postgres::start().expect("PostgreSQL starts (Debian package postgresql)"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for kind in ["sqlite", "postgresql"] {
        let folder = tempfile::tempdir().unwrap();
        let database = if kind == "sqlite" {
            format!("sqlite:{}/kept.db", folder.path().display())
        } else {
            server.fresh_database().unwrap()
        };
        let config = StoreConfig {
            database: Secret::new(database),
            bodies: folder.path().join("bodies"),
            audit_head: folder.path().join("audit-head"),
            quarantine_bytes_max: 10_000,
            facts_bytes_max: 4_000,
        };
        println!("on {kind}");
        runtime.block_on(async {
            let store = Store::open(&config).await.unwrap();
            test(Kept { store, config }).await;
        });
        drop(folder);
    }
}

pub fn address(text: &str) -> Address {
    Address::new(text).unwrap()
}

pub fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_790_000_000 + secs)
}

/// A record made at a second, for one recipient.
pub fn record(second: i64, to: &str, fate: Fate) -> Record {
    let mut envelope = Envelope::new(at(second), "test");
    envelope.server = "mx.example.org".into();
    envelope.queue_id = Some(format!("Q{second}"));
    envelope.peer.ip = "192.0.2.7".parse().ok();
    envelope.envelope_from = Some(address("ann@a.example"));
    envelope.recipients = vec![address(to)];
    let verdict = Verdict {
        level: Level::Suspicious,
        score: 6.5,
        action: Action::Quarantine,
        reasons: vec![Reason {
            name: "a-rule".into(),
            score: 6.5,
            text: "why".into(),
            evidence: vec![Evidence::of("seen".into())],
            demands: None,
        }],
        outcomes: vec![Outcome {
            recipient: address(to),
            score: 6.5,
            level: Level::Suspicious,
            action: Action::Quarantine,
        }],
        policy_version: 3,
        unknown: Vec::new(),
    };
    let facts = Facts::new(envelope.clone(), Message::default());
    Record {
        id: RecordId::random(at(second)),
        at: at(second),
        fate,
        envelope,
        header_from: Some("boss@a.example".into()),
        subject: format!("Report {second} 100% done_"),
        message_id: Some(format!("{second}@a.example")),
        size_bytes: 5,
        digest: data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(b"hello")),
        verdict: Some(verdict),
        facts: Some(facts),
        note: None,
        took_us: 120,
    }
}

pub fn act(name: &str) -> Act {
    Act {
        at: at(100),
        who: "eve".into(),
        from: "test".into(),
        act: name.into(),
        target: String::new(),
        reason: "why".into(),
        before: String::new(),
        after: String::new(),
    }
}

pub fn body() -> Arc<[u8]> {
    Arc::from(&b"hello"[..])
}

pub async fn hold(store: &Store, second: i64, to: &str) -> RecordId {
    store
        .hold(
            &record(second, to, Fate::Quarantined),
            body(),
            &[address(to)],
        )
        .await
        .unwrap()
        .id
}

pub fn newest(limit: u32) -> store::ActFilter {
    store::ActFilter {
        limit,
        ..store::ActFilter::default()
    }
}
