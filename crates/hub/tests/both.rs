//! What holds of a hub, whichever: within one process, and over a real server that also goes away.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::time::{Duration, Instant};

use hub::{Address, Board, Ear, Heard, Mouth, Place};
use mail::Secret;
use testkit::redis::Redis;

const OURS: Secret<[u8; 32]> = Secret::new([1; 32]);
const OTHERS: Secret<[u8; 32]> = Secret::new([2; 32]);

/// A hub of each kind, and the server of the one that has one.
fn places() -> (Redis, Vec<(&'static str, Place)>) {
    let redis = Redis::start().unwrap();
    let places = vec![
        ("board", Place::Board(Board::new())),
        ("server", place(&redis)),
    ];
    (redis, places)
}

fn place(redis: &Redis) -> Place {
    Place::Valkey(Address::parse(&redis.url(), None).unwrap())
}

async fn tell(mouth: &mut Mouth, text: &str) {
    assert!(mouth.take(text.as_bytes()));
    mouth.tell().await.unwrap();
    assert!(!mouth.is_full());
}

/// Hears until so many batches came.
async fn hear(ear: &mut Ear, batches: usize) -> Heard {
    let (mut heard, since) = (Heard::default(), Instant::now());
    while heard.batches.len() < batches && since.elapsed() < Duration::from_secs(20) {
        let more = ear.hear().await.unwrap();
        heard.batches.extend(more.batches);
        heard.missed += more.missed;
        heard.refused += more.refused;
    }
    heard
}

fn texts(heard: &Heard) -> Vec<&str> {
    let texts = heard.batches.iter();
    texts.map(|one| std::str::from_utf8(one).unwrap()).collect()
}

#[tokio::test]
async fn every_other_node_hears_each_batch_once_and_in_order() {
    let (_redis, places) = places();
    for (name, place) in &places {
        let (mut ann, mut ann_hears) = hub::open(place, &OURS).unwrap();
        let (mut bob, mut bob_hears) = hub::open(place, &OURS).unwrap();
        let (_, mut cid_hears) = hub::open(place, &OURS).unwrap();
        for ear in [&mut ann_hears, &mut bob_hears, &mut cid_hears] {
            ear.begin().await.unwrap();
        }
        for number in 0..300 {
            tell(&mut ann, &format!("ann {number}")).await;
        }
        tell(&mut bob, "bob").await;
        let heard = hear(&mut cid_hears, 301).await;
        assert_eq!((heard.missed, heard.refused), (0, 0), "{name}");
        let of_ann: Vec<_> = texts(&heard)
            .into_iter()
            .filter(|text| *text != "bob")
            .map(str::to_owned)
            .collect();
        let told: Vec<_> = (0..300).map(|number| format!("ann {number}")).collect();
        assert_eq!(of_ann, told, "{name}");
        assert_eq!(texts(&hear(&mut ann_hears, 1).await), ["bob"], "{name}");
        assert_eq!(hear(&mut bob_hears, 300).await.batches.len(), 300, "{name}");
        assert_eq!(ann_hears.hear().await.unwrap(), Heard::default(), "{name}");
    }
}

#[tokio::test]
async fn who_comes_later_hears_what_is_told_from_then_on() {
    let (_redis, places) = places();
    for (name, place) in &places {
        let (mut ann, _) = hub::open(place, &OURS).unwrap();
        tell(&mut ann, "early").await;
        let (_, mut bob_hears) = hub::open(place, &OURS).unwrap();
        bob_hears.begin().await.unwrap();
        tell(&mut ann, "late").await;
        let heard = hear(&mut bob_hears, 1).await;
        assert_eq!((texts(&heard), heard.missed), (vec!["late"], 0), "{name}");
    }
}

#[tokio::test]
async fn another_installation_is_not_heard() {
    let (_redis, places) = places();
    for (name, place) in &places {
        let (mut ann, _) = hub::open(place, &OURS).unwrap();
        let (mut eve, _) = hub::open(place, &OTHERS).unwrap();
        let (_, mut bob_hears) = hub::open(place, &OURS).unwrap();
        bob_hears.begin().await.unwrap();
        tell(&mut eve, "eve").await;
        tell(&mut ann, "ann").await;
        assert_eq!(texts(&hear(&mut bob_hears, 1).await), ["ann"], "{name}");
    }
}

/// Whoever may write to the server can repeat what was told, and add what they like.
#[tokio::test]
async fn what_is_repeated_or_made_up_on_the_server_is_refused() {
    let redis = Redis::start().unwrap();
    let (mut ann, _) = hub::open(&place(&redis), &OURS).unwrap();
    let (_, mut bob_hears) = hub::open(&place(&redis), &OURS).unwrap();
    bob_hears.begin().await.unwrap();
    tell(&mut ann, "once").await;
    let stream = redis.say(&["KEYS", "mailvigil:told:*"]).unwrap();
    let stream = stream.trim();
    redis
        .say(&[
            "EVAL",
            "local all = redis.call('XRANGE', KEYS[1], '-', '+') redis.call('XADD', KEYS[1], '*', 'b', all[1][2][2])",
            "1",
            stream,
        ])
        .unwrap();
    redis.say(&["XADD", stream, "*", "b", "made up"]).unwrap();
    redis.say(&["XADD", stream, "*", "c", "no batch"]).unwrap();
    tell(&mut ann, "twice").await;
    let heard = hear(&mut bob_hears, 2).await;
    assert_eq!((texts(&heard), heard.refused), (vec!["once", "twice"], 2));
    let kept = redis.say(&["TTL", stream]).unwrap();
    assert!(kept.trim().parse::<u32>().unwrap() > 3000, "{kept}");
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_at_once_and_what_waits_is_told_when_it_is_back() {
    let mut redis = Redis::start().unwrap();
    let (mut ann, _) = hub::open(&place(&redis), &OURS).unwrap();
    let (_, mut bob_hears) = hub::open(&place(&redis), &OURS).unwrap();
    bob_hears.begin().await.unwrap();
    tell(&mut ann, "before").await;
    assert_eq!(texts(&hear(&mut bob_hears, 1).await), ["before"]);
    redis.stop().unwrap();
    let since = Instant::now();
    assert!(ann.take(b"meanwhile"));
    let away = ann.tell().await.unwrap_err();
    assert!(away.to_string().starts_with("127.0.0.1:"), "{away}");
    assert!(bob_hears.hear().await.is_err());
    assert!(since.elapsed() < Duration::from_secs(4));
    assert!(ann.is_full() && !ann.take(b"no room"));
    // It kept nothing on disk: the stream begins anew.
    redis.start_again().unwrap();
    ann.tell().await.unwrap();
    tell(&mut ann, "after").await;
    let heard = hear(&mut bob_hears, 2).await;
    assert_eq!(
        (texts(&heard), heard.missed),
        (vec!["meanwhile", "after"], 0)
    );
}

#[tokio::test]
async fn a_wrong_password_is_said() {
    let redis = Redis::start_with(&["--requirepass", "right"]).unwrap();
    let address = |password: &str| {
        let password = Secret::new(password.to_owned());
        Place::Valkey(Address::parse(&redis.url(), Some(&password)).unwrap())
    };
    let (mut ann, _) = hub::open(&address("wrong"), &OURS).unwrap();
    ann.take(b"hello");
    let away = ann.tell().await.unwrap_err().to_string();
    assert!(away.to_lowercase().contains("password"), "{away}");
    assert!(!away.contains("wrong"), "{away}");
    let (mut ann, _) = hub::open(&address("right"), &OURS).unwrap();
    tell(&mut ann, "hello").await;
}
