//! What other nodes cost: `cargo bench -p mailvigil-engine --bench hub`.
//!
//! Two nodes in one process over a real Redis, each asked about 10,000 logins a second and told of them for ten seconds, a tenth of them
//! wrong passwords: how long an answer and a report take (p50, p99, longest), alone and with the hub, how far behind the other node is, and the bytes
//! on the server. Everything runs on the same cores: nodes, server, and who asks.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::hub::{Address, Place};
use engine::metrics::Metrics;
use engine::{Authenticity, Engine, LearnSetup, OnFailure, Readers, Settings, Telling, WatchSetup};
use mail::operation::{Act, DeviceTag, Door, FailType, Login, LoginOutcome, Protocol};
use mail::{Limits, Secret, Site};
use store::{Store, StoreConfig};
use testkit::redis::Redis;

const PER_SECOND: u32 = 10_000;
const SECONDS: u32 = 10;

#[tokio::main]
async fn main() {
    let redis = Redis::start().unwrap();
    let place = Place::Valkey(Address::parse(&redis.url(), None).unwrap());
    println!("two nodes, {PER_SECOND} questions with their reports a second each");
    run("alone", None).await;
    run("over Redis", Some(&place)).await;
    let memory = redis.say(&["INFO", "memory"]).unwrap();
    let memory = memory
        .lines()
        .find(|line| line.starts_with("used_memory_human"));
    println!("the server holds {}", memory.unwrap_or_default().trim());
}

async fn run(name: &str, hub: Option<&Place>) {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (
        node(folder.path(), "one", hub).await,
        node(folder.path(), "two", hub).await,
    );
    let asks = |node: Arc<Engine>, seed: u32| std::thread::spawn(move || ask(&node, seed));
    let threads = [asks(one.clone(), 1), asks(two.clone(), 2)];
    let mut times: Vec<Duration> = tokio::task::spawn_blocking(move || {
        threads
            .into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect()
    })
    .await
    .unwrap();
    let asked = Instant::now();
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    println!(
        "{name}: a question and its report p50 {:.0} us, p99 {:.0} us, longest {:.0} us",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    if hub.is_some() {
        let all = f64::from(PER_SECOND * SECONDS);
        while heard(&one) < all || heard(&two) < all {
            assert!(
                asked.elapsed() < Duration::from_mins(1),
                "not all was heard"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        println!(
            "the last of {all} operations was counted at the other node {:.0} ms after it was told",
            asked.elapsed().as_secs_f64() * 1e3
        );
    }
}

fn heard(node: &Engine) -> f64 {
    let text = node.metrics().text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("mailvigil_hub_total{what=\"tidings-heard\"} "));
    line.map_or(0.0, |number| number.parse().unwrap())
}

/// Asks and tells at the pace of the benchmark; how long each pair took.
fn ask(node: &Engine, seed: u32) -> Vec<Duration> {
    let mut dice = 0x9e37_79b9_u32.wrapping_mul(seed);
    let mut next = |most: u32| {
        dice ^= dice << 13;
        dice ^= dice >> 17;
        dice ^= dice << 5;
        dice % most
    };
    let began = Instant::now();
    let mut times = Vec::new();
    for number in 0..PER_SECOND * SECONDS {
        let due = Duration::from_secs(1) * number / PER_SECOND;
        if let Some(early) = due.checked_sub(began.elapsed()) {
            std::thread::sleep(early);
        }
        let who = next(100_000);
        let ip: IpAddr = Ipv4Addr::from(0x0b00_0000 + who / 3).into();
        let account = format!("user{who}@here.example");
        let device = Some(DeviceTag(who % 7));
        let at = engine::clock::now();
        let outcome = if next(10) == 0 {
            LoginOutcome::Failed(FailType::Credentials)
        } else {
            LoginOutcome::Succeeded
        };
        let one = Instant::now();
        std::hint::black_box(node.watching().may_login(at, Some(ip), device, &account));
        node.watching().tell(Telling {
            door: Door::AuthPolicy,
            at,
            protocol: Protocol::Imap,
            ip: Some(ip),
            device,
            account: Some(account),
            session: None,
            act: Act::Login(Login::new(outcome)),
        });
        times.push(one.elapsed());
    }
    times
}

async fn node(folder: &std::path::Path, name: &str, hub: Option<&Place>) -> Arc<Engine> {
    let config = StoreConfig {
        database: Secret::new(format!("sqlite:{}/kept.db", folder.display())),
        bodies: folder.join("bodies"),
        audit_head: folder.join("head"),
        quarantine_bytes_max: 1 << 20,
        facts_bytes_max: 1 << 20,
    };
    let settings = Settings {
        site: Site::default(),
        limits: Limits::default(),
        on_failure: OnFailure::Tempfail,
        node: name.into(),
        authenticity: Arc::new(Authenticity::default()),
        report_inbox: Vec::new(),
        complaints_from: Vec::new(),
        watch: WatchSetup::default(),
        learn: LearnSetup::default(),
        hub: hub.cloned(),
        recalls: false,
    };
    let store = Store::open(&config).await.unwrap();
    let readers = Arc::new(Readers::new(&settings.limits));
    let engine = Engine::start(settings, store, Arc::new(Metrics::default()), readers)
        .await
        .unwrap();
    let talks = engine.clone();
    tokio::spawn(async move { talks.talk().await });
    engine
}
