//! The resolver against a served DNS that answers well, badly, late, without end, or not at all.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lookup::dns::{
    Answer, Answering, Found, Kind, Name, Question, Questions, Record, Resolver, Source,
    Unanswered, Upstreams,
};
use mail::authentication::{DmarcResult, SignatureResult, Signed, SpfResult};
use mail::{Envelope, Known, Limits, Message, Timestamp};
use testkit::dns::{Data, Dns, Fault, Zone};
use tokio::time::Instant;

/// Impatient, so that silent servers cost tests little; what is answered at all is answered far sooner.
fn limits() -> Limits {
    Limits {
        dns_question_ms: 3_000,
        ..Limits::default()
    }
}

fn resolver(servers: &[&Dns]) -> Resolver {
    let addresses: Vec<_> = servers.iter().map(|server| server.address()).collect();
    Resolver::new(
        Upstreams::new(&addresses, &limits()).expect("a resolver"),
        &limits(),
    )
}

async fn ask(resolver: &Resolver, name: &str, kind: Kind) -> Result<Arc<Answer>, Unanswered> {
    let questions = Questions::new(resolver, Instant::now() + Duration::from_secs(20));
    questions
        .ask(&Name::parse(name).expect("a name"), kind)
        .await
}

fn serve(zone: Zone) -> Dns {
    Dns::start(zone).expect("a DNS server")
}

fn address(last: u8) -> Data {
    Data::A(Ipv4Addr::new(192, 0, 2, last))
}

#[tokio::test]
async fn answers_of_every_kind() {
    let dns = serve(
        Zone::default()
            .with("example.org", address(1))
            .with(
                "example.org",
                Data::Aaaa("2001:db8::1".parse().expect("an address")),
            )
            .with("example.org", Data::Mx(10, "Mail.example.org".to_owned()))
            .with(
                "example.org",
                Data::Txt(vec![b"v=spf1 ".to_vec(), b"-all".to_vec()]),
            )
            .with(
                "1.2.0.192.in-addr.arpa",
                Data::Ptr("mail.example.org".to_owned()),
            )
            .with("alias.example.org", Data::Cname("example.org".to_owned()))
            .with("signed.example.org", address(2))
            .with_fault("signed.example.org", Fault::Authentic),
    );
    let resolver = resolver(&[&dns]);
    let found = async |name, kind| {
        ask(&resolver, name, kind)
            .await
            .expect("an answer")
            .found
            .clone()
    };
    let records = |record| Found::Records(vec![record]);
    let ip = Ipv4Addr::new(192, 0, 2, 1);
    assert_eq!(found("example.org", Kind::A).await, records(Record::A(ip)));
    assert_eq!(
        found("alias.example.org", Kind::A).await,
        records(Record::A(ip))
    );
    assert_eq!(
        found("example.org", Kind::Txt).await,
        records(Record::Txt(b"v=spf1 -all".to_vec()))
    );
    let mx = Record::Mx {
        preference: 10,
        host: "mail.example.org".to_owned(),
    };
    assert_eq!(found("EXAMPLE.org", Kind::Mx).await, records(mx));
    assert_eq!(found("signed.example.org", Kind::Mx).await, Found::Nothing);
    assert_eq!(found("nobody.example.org", Kind::A).await, Found::NoName);
    let reverse = Name::reverse(IpAddr::V4(ip)).to_string();
    assert_eq!(
        found(&reverse, Kind::Ptr).await,
        records(Record::Ptr("mail.example.org".to_owned()))
    );
    let is_signed = async |name| {
        ask(&resolver, name, Kind::A)
            .await
            .expect("an answer")
            .dnssec
    };
    assert!(is_signed("signed.example.org").await);
    assert!(!is_signed("example.org").await);
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_comes_over_tcp() {
    let long = "x".repeat(4000);
    let dns = serve(
        Zone::default()
            .with("long.example", Data::txt(&long))
            .with_fault("long.example", Fault::Truncated),
    );
    let answer = ask(&resolver(&[&dns]), "long.example", Kind::Txt)
        .await
        .expect("an answer");
    assert_eq!(answer.texts().next().map(<[u8]>::len), Some(4000));
}

#[tokio::test]
async fn answers_without_end_loops_and_garbage_are_no_answers() {
    let dns = serve(
        Zone::default()
            .with_fault("loop.example", Fault::Loop)
            .with_fault("endless.example", Fault::Endless(10 << 20))
            .with_fault("garbage.example", Fault::Garbage)
            .with_fault("fails.example", Fault::Fails),
    );
    let resolver = resolver(&[&dns]);
    for name in [
        "loop.example",
        "endless.example",
        "garbage.example",
        "fails.example",
    ] {
        let answered = ask(&resolver, name, Kind::Txt).await;
        assert!(answered.is_err(), "{name}: {answered:?}");
    }
}

#[tokio::test]
async fn a_server_that_fails_or_is_silent_is_passed_over() {
    let good = serve(
        Zone::default()
            .with("fails.example", address(1))
            .with("silent.example", address(2)),
    );
    let bad = serve(
        Zone::default()
            .with_fault("fails.example", Fault::Fails)
            .with_fault("silent.example", Fault::Silent),
    );
    for name in ["fails.example", "silent.example"] {
        let answer = ask(&resolver(&[&bad, &good]), name, Kind::A)
            .await
            .expect("an answer");
        assert_eq!(answer.addresses().count(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_flood_of_names_that_do_not_exist_asks_no_more_than_a_message_may() {
    let dns = serve(Zone::default().with("example.org", address(1)));
    let resolver = resolver(&[&dns]);
    let questions = Questions::new(&resolver, Instant::now() + Duration::from_secs(20));
    for number in 0..1000 {
        let name = Name::parse(&format!("n{number}.example.org")).expect("a name");
        let _ = questions.ask(&name, Kind::Txt).await;
    }
    assert_eq!(dns.asked(), limits().lookups_max as usize);
    assert_eq!(questions.used().sent, limits().lookups_max);
}

/// Everything a message can be asked about, with a DNS that does not answer: the message has its answer by the deadline,
/// and nothing about it is held against its sender.
#[tokio::test]
async fn an_outage_exceeds_no_deadline_and_accuses_nobody() {
    let message = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=one; h=from;\r\n \
        bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; c=relaxed/relaxed; b=AAAA\r\n\
        From: Ann <ann@example.org>\r\n\r\n";
    let faulty = |fault| {
        let names = [
            "example.org",
            "mail.example.org",
            "_dmarc.example.org",
            "_dmarc.org",
            "one._domainkey.example.org",
            "1.2.0.192.in-addr.arpa",
        ];
        let faulty = |zone: Zone, name: &&str| zone.with_fault(name, fault);
        names.iter().fold(Zone::default(), faulty)
    };
    for fault in [
        Fault::Silent,
        Fault::Late(Duration::from_mins(1)),
        Fault::Fails,
    ] {
        let dns = serve(faulty(fault));
        let upstreams = Upstreams::new(&[dns.address()], &limits()).expect("a resolver");
        let resolver = Arc::new(Resolver::new(upstreams, &limits()));
        let mut envelope = Envelope::new(Timestamp::from_secs(0), "test");
        envelope.peer.ip = Some(IpAddr::from([192, 0, 2, 1]));
        envelope.helo_name = Some("mail.example.org".to_owned());
        envelope.envelope_from = mail::Address::new("ann@example.org");
        let read = Message::read(message, &limits());
        let verifier = lookup::Verifier::new(resolver, lookup::Settings::default());
        let started = Instant::now();
        let found = verifier
            .verify(
                &envelope,
                message,
                &read,
                started + Duration::from_millis(700),
            )
            .await;
        // Far more than the deadline, far less than the servers' silence.
        assert!(started.elapsed() < Duration::from_secs(10));
        assert_eq!(
            found.spf.as_ref().map(|spf| spf.result),
            Some(SpfResult::TempError)
        );
        assert!(matches!(found.envelope_domain, Known::Unavailable(_)));
        assert!(matches!(found.outbound.ptr, Known::Unavailable(_)));
        assert_eq!(found.signed, Signed::Unknown, "{fault:?}");
        assert_eq!(found.dmarc.result, DmarcResult::TempError);
        assert_eq!(found.signatures[0].result, SignatureResult::TempError);
    }
}

/// Once it is known that nobody answers, messages stop waiting; and it is noticed when somebody does again.
#[tokio::test(start_paused = true)]
async fn what_is_away_is_not_waited_for_and_is_noticed_when_it_comes_back() {
    let away = Arc::new(AtomicBool::new(true));
    let limits = limits();
    let resolver = Resolver::new(Switched(away.clone()), &limits);
    let patience = Duration::from_millis(limits.dns_question_ms);
    let wait = async |number: u32| {
        let started = Instant::now();
        let answer = ask(&resolver, &format!("n{number}.example"), Kind::A).await;
        (answer.is_ok(), started.elapsed())
    };
    for number in 0..limits.dns_silences_max {
        assert_eq!(wait(number).await, (false, patience), "{number}");
    }
    // In doubt: this one still waits, and beside it our own question.
    assert_eq!(wait(100).await, (false, patience));
    tokio::time::sleep(Duration::from_millis(1)).await;
    for number in 101..200 {
        assert_eq!(wait(number).await, (false, Duration::ZERO), "{number}");
    }
    away.store(false, Ordering::Relaxed);
    tokio::time::sleep(patience).await;
    // Whoever finds it shut has it tried.
    let _ = wait(200).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(wait(201).await, (true, Duration::ZERO));
}

/// Servers of one sender that say nothing make nobody else's mail go unverified.
#[tokio::test(start_paused = true)]
async fn silence_of_one_sender_s_servers_is_not_taken_for_an_outage() {
    let limits = limits();
    let resolver = Resolver::new(SilentBelow("evil.example"), &limits);
    for number in 0..3 * limits.dns_silences_max {
        let answer = ask(&resolver, &format!("n{number}.evil.example"), Kind::A).await;
        assert!(answer.is_err());
    }
    assert!(ask(&resolver, "good.example", Kind::A).await.is_ok());
}

/// Says that there is nothing, or says nothing.
struct Switched(Arc<AtomicBool>);

/// Says nothing about names below one, and that there is nothing elsewhere.
struct SilentBelow(&'static str);

impl Source for Switched {
    fn ask<'s>(&'s self, _: &'s Question, _: Instant) -> Answering<'s> {
        Box::pin(async {
            if self.0.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            Ok(nothing())
        })
    }
}

impl Source for SilentBelow {
    fn ask<'s>(&'s self, question: &'s Question, _: Instant) -> Answering<'s> {
        Box::pin(async {
            if question.name.as_str().ends_with(self.0) {
                std::future::pending::<()>().await;
            }
            Ok(nothing())
        })
    }
}

fn nothing() -> Answer {
    Answer {
        found: Found::Nothing,
        dnssec: false,
        ttl: Duration::from_mins(1),
    }
}
