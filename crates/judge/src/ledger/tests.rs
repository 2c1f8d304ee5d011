use super::*;
use proptest::prelude::*;

const BUDGET: usize = 1 << 20;

fn arrival(at: i64, peer: u32, sender: &str, recipient: &str) -> Arrival {
    Arrival {
        at: Timestamp::from_secs(at),
        peer: Some(IpAddr::from(peer.to_be_bytes())),
        sender: sender.to_owned(),
        recipients: vec![recipient.to_owned()],
        size_bytes: 2000,
    }
}

fn envelope(peer: u32, sender: &str, recipient: &str) -> Envelope {
    let mut envelope = Envelope::new(Timestamp::default(), "test");
    envelope.peer.ip = Some(IpAddr::from(peer.to_be_bytes()));
    envelope.envelope_from = Address::new(sender);
    envelope.recipients = Address::new(recipient).into_iter().collect();
    envelope
}

fn read(ledger: &Ledger, at: i64, peer: u32, recipient: &str) -> Vec<WindowFact> {
    ledger.read(
        &envelope(peer, "ann@a.example", recipient),
        Timestamp::from_secs(at),
    )
}

#[test]
fn counts_what_came_within_the_window() {
    let mut ledger = Ledger::new(&[600], BUDGET, 7);
    for second in 0..60 {
        ledger.apply(&arrival(
            1_000_000 + second * 5,
            1,
            "ann@a.example",
            "bob@b.example",
        ));
    }
    let facts = read(&ledger, 1_000_300, 1, "bob@b.example");
    assert_eq!(facts.len(), 3);
    for fact in &facts {
        assert_eq!(
            (fact.messages, fact.kibibytes, fact.recipients),
            (60, 120, 60),
            "{fact:?}"
        );
        assert_eq!((fact.distinct_peers, fact.distinct_senders), (1, 1));
    }
    assert!(
        read(&ledger, 1_001_000, 1, "bob@b.example")
            .iter()
            .all(|fact| fact.messages == 0)
    );
}

#[test]
fn many_peers_to_one_mailbox_are_seen() {
    let mut ledger = Ledger::new(&[600], BUDGET, 7);
    for peer in 0..100 {
        ledger.apply(&arrival(
            1_000_000 + i64::from(peer),
            peer,
            &format!("s{peer}@x.example"),
            "victim@b.example",
        ));
    }
    let facts = read(&ledger, 1_000_100, 5, "victim@b.example");
    let victim = facts
        .iter()
        .find(|fact| matches!(fact.key, WindowKey::Recipient(_)))
        .expect("known");
    assert_eq!(victim.messages, 100);
    assert!((85..=100).contains(&victim.distinct_peers), "{victim:?}");
}

#[test]
fn random_keys_neither_exhaust_memory_nor_flush_out_the_active() {
    let mut ledger = Ledger::new(&[600, 3600], BUDGET, 7);
    let known = ledger.regulars_max + ledger.newcomers.most();
    for number in 0..200_000_u32 {
        let at = 1_000_000 + i64::from(number / 1000);
        ledger.apply(&arrival(
            at,
            number.wrapping_mul(2_654_435_761),
            &format!("s{number}@x.example"),
            &format!("r{number}@b.example"),
        ));
        if number % 20 == 0 {
            ledger.apply(&arrival(
                at,
                4_000_000_000,
                "ann@a.example",
                "bob@b.example",
            ));
        }
        assert!(ledger.len() <= known);
    }
    let facts = read(&ledger, 1_000_200, 4_000_000_000, "bob@b.example");
    let hour = facts
        .iter()
        .find(|fact| fact.span_secs == 3600)
        .expect("known");
    assert_eq!(hour.messages, 10_000);
}

#[test]
fn repeated_random_keys_do_not_flush_out_the_active_either() {
    let mut ledger = Ledger::new(&[600], BUDGET, 7);
    for number in 0..100_000_u32 {
        for _ in 0..2 {
            ledger.apply(&arrival(
                1_000_000,
                number.wrapping_mul(2_654_435_761),
                "",
                "",
            ));
        }
        if number % 100 == 0 {
            ledger.apply(&arrival(
                1_000_000,
                4_000_000_000,
                "ann@a.example",
                "bob@b.example",
            ));
        }
    }
    assert!(ledger.evicted() > 0);
    let facts = read(&ledger, 1_000_000, 4_000_000_000, "bob@b.example");
    assert!(facts.iter().any(|fact| fact.messages == 1000), "{facts:?}");
}

#[test]
fn an_ipv6_customer_is_one_peer() {
    let mut ledger = Ledger::new(&[600], BUDGET, 7);
    for host in 1..=9 {
        let mut one = arrival(1_000_000, 0, "", "bob@b.example");
        one.peer = format!("2001:db8:1:2::{host}").parse().ok();
        ledger.apply(&one);
    }
    let mut envelope = envelope(0, "", "bob@b.example");
    envelope.peer.ip = "2001:db8:1:2::ffff".parse().ok();
    let facts = ledger.read(&envelope, Timestamp::from_secs(1_000_000));
    assert_eq!(facts[0].messages, 9);
}

proptest! {
    #[test]
    fn right_to_one_slice_and_never_backwards(mut times in prop::collection::vec(0_i64..5000, 1..200)) {
        let mut ledger = Ledger::new(&[600], BUDGET, 7);
        times.sort_unstable();
        for at in &times {
            ledger.apply(&arrival(*at, 1, "ann@a.example", "bob@b.example"));
        }
        let now = *times.last().expect("not empty");
        let within = |span: i64| times.iter().filter(|at| now - **at < span).count() as u32;
        let counted = read(&ledger, now, 1, "bob@b.example")[0].messages;
        prop_assert!(within(540) <= counted && counted <= within(600).max(1), "{} {} {}", within(540), counted, within(600));
    }

    #[test]
    fn time_in_any_order_is_tolerated(times in prop::collection::vec(any::<i32>(), 1..100)) {
        let mut ledger = Ledger::new(&[60, 3600], BUDGET, 7);
        for at in &times {
            ledger.apply(&arrival(i64::from(*at), 1, "ann@a.example", "bob@b.example"));
        }
        let newest = i64::from(*times.iter().max().expect("not empty"));
        let facts = read(&ledger, newest, 1, "bob@b.example");
        prop_assert!(facts.iter().all(|fact| fact.messages as usize <= times.len() && fact.messages >= 1));
    }
}
