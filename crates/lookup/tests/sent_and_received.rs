//! What is signed here is verified here, and whatever is done to it on the way is noticed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lookup::dns::{Record, Resolver, Zone};
use lookup::sign::{ArcSigner, DkimSigner, KeyKind, NewKey, SigningKey, Unsigned};
use lookup::{Settings, Verifier, results};
use mail::authentication::{
    Alignment, ArcResult, Disposition, DmarcResult, OwnName, Reachable, SignatureProblem,
    SignatureResult, Signed, SpfResult,
};
use mail::{Authentication, Direction, Domain, Envelope, Known, Limits, Message, Timestamp};
use tokio::time::Instant;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

const MESSAGE: &str = "Received: from ann by mail.example.org\r\n\
    From: Ann <ann@news.example.org>\r\n\
    To: bob@example.net\r\n\
    Subject: hello\r\n\
    Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
    \r\n\
    Good  morning.\r\n\r\n";

fn domain(text: &str) -> Domain {
    Domain::parse(text).expect("a domain")
}

/// A domain that does everything right, and its signer.
fn well_kept(kind: KeyKind) -> (Zone, DkimSigner) {
    let key = NewKey::make(kind).expect("a key");
    let zone = Zone::default()
        .txt("example.org", "v=spf1 ip4:192.0.2.1 -all")
        .txt("news.example.org", "v=spf1 ip4:192.0.2.1 -all")
        .txt(
            "_dmarc.example.org",
            "v=DMARC1; p=reject; rua=mailto:d@example.org",
        )
        .txt("one._domainkey.example.org", &key.record)
        .with(
            "news.example.org",
            Record::Mx {
                preference: 10,
                host: "mail.example.org".to_owned(),
            },
        )
        .with("mail.example.org", Record::A([192, 0, 2, 1].into()))
        .with(
            "1.2.0.192.in-addr.arpa",
            Record::Ptr("mail.example.org".to_owned()),
        );
    let signer = DkimSigner {
        domain: domain("example.org"),
        selector: "one".to_owned(),
        key: SigningKey::read(key.pem.reveal()).expect("a key"),
        lifetime_secs: Some(86_400),
    };
    (zone, signer)
}

fn envelope() -> Envelope {
    let mut envelope = Envelope::new(NOW, "milter");
    envelope.peer.ip = Some(IpAddr::from([192, 0, 2, 1]));
    envelope.helo_name = Some("mail.example.org".to_owned());
    envelope.envelope_from = mail::Address::new("ann@news.example.org");
    envelope
}

fn settings() -> Settings {
    Settings {
        authserv_id: "mx.example.net".to_owned(),
        ours: vec![domain("example.net")],
        trusted_sealers: vec![domain("list.example")],
        ..Settings::default()
    }
}

async fn verify(zone: &Zone, envelope: &Envelope, raw: &str) -> Authentication {
    let limits = Limits::default();
    let resolver = Arc::new(Resolver::new(zone.clone(), &limits));
    let message = Message::read(raw.as_bytes(), &limits);
    let verifier = Verifier::new(resolver, settings());
    verifier
        .verify(
            envelope,
            raw.as_bytes(),
            &message,
            Instant::now() + Duration::from_secs(20),
        )
        .await
}

fn signed(signer: &DkimSigner, raw: &str) -> String {
    let field = signer
        .sign(raw.as_bytes(), NOW, &Limits::default())
        .expect("a signature");
    assert!(field.lines().all(|line| line.len() <= 100), "{field}");
    format!("{field}{raw}")
}

#[tokio::test]
async fn good_mail_is_authentic_in_every_way() {
    for kind in [KeyKind::Rsa, KeyKind::Ed25519] {
        let (zone, signer) = well_kept(kind);
        let raw = signed(&signer, MESSAGE);
        let found = verify(&zone, &envelope(), &raw).await;
        assert_eq!(found.signed, Signed::Authentic, "{found:#?}");
        assert_eq!(found.alleged.organisation, Some(domain("example.org")));
        let signature = &found.signatures[0];
        assert_eq!(
            (signature.result, signature.alignment),
            (SignatureResult::Pass, Alignment::Relaxed)
        );
        assert_eq!(
            signature.key_bits,
            Some(if kind == KeyKind::Rsa { 2048 } else { 256 })
        );
        let from = signature
            .covers
            .iter()
            .find(|covered| covered.name == "from")
            .expect("From is covered");
        assert_eq!((from.signed, from.unsigned, from.oversigned), (1, 0, true));
        assert_eq!(
            found.spf.as_ref().map(|spf| spf.result),
            Some(SpfResult::Pass)
        );
        assert_eq!(
            (found.dmarc.result, found.dmarc.asked),
            (DmarcResult::Pass, Disposition::None)
        );
        assert_eq!(found.envelope_domain, Known::Yes(Reachable::Mx));
        assert!(found.outbound.ptr.yes().is_some_and(|ptr| ptr.confirmed));
        assert_eq!(found.outbound.helo_flaws, []);
        assert_eq!(found.claims_to_be_ours, []);
        let written = results::write(&found, &envelope(), "mx.example.net");
        let read = results::read(&written, &Limits::default()).expect("results");
        let passes = |method: &str| {
            read.claims
                .iter()
                .any(|one| one.method == method && one.result == "pass")
        };
        assert!(
            ["spf", "dkim", "dmarc", "iprev"]
                .iter()
                .all(|method| passes(method)),
            "{written}"
        );
        let kept: Authentication =
            serde_json::from_str(&serde_json::to_string(&found).expect("a record"))
                .expect("the same");
        assert_eq!(kept, found);
    }
}

#[tokio::test]
async fn what_is_done_to_it_on_the_way_is_noticed() {
    let (zone, signer) = well_kept(KeyKind::Ed25519);
    let raw = signed(&signer, MESSAGE);
    let problem = async |raw: String, now: Timestamp| {
        let envelope = Envelope {
            received_at: now,
            ..envelope()
        };
        let found = verify(&zone, &envelope, &raw).await;
        (found.signatures[0].problem, found.signed)
    };
    let bad = |problem| (Some(problem), Signed::Unauthentic);
    let good = (None, Signed::Authentic);
    // White space at line ends and doubled is no change in the relaxed form; nor is a line more above.
    assert_eq!(
        problem(raw.replace("Good  morning.", "Good morning. "), NOW).await,
        good
    );
    assert_eq!(
        problem(format!("Received: by another\r\n{raw}"), NOW).await,
        good
    );
    assert_eq!(problem(raw.replace("\r\n", "\n"), NOW).await, good);
    assert_eq!(
        problem(raw.replace("morning", "evening"), NOW).await,
        bad(SignatureProblem::BodyHash)
    );
    assert_eq!(
        problem(raw.replace("hello", "hallo"), NOW).await,
        bad(SignatureProblem::Signature)
    );
    let second_subject = raw.replace("Subject: hello", "Subject: win\r\nSubject: hello");
    assert_eq!(
        problem(second_subject, NOW).await,
        bad(SignatureProblem::Signature)
    );
    assert_eq!(
        problem(raw.clone(), NOW.plus_secs(90_000)).await,
        bad(SignatureProblem::Expired)
    );
    let other_key = raw.replace("s=one", "s=two");
    assert_eq!(problem(other_key, NOW).await, bad(SignatureProblem::NoKey));
    let from_another = raw.replace("Ann <ann@news.example.org>", "Ann <ann@example.com>");
    assert_eq!(
        problem(from_another, NOW).await,
        (Some(SignatureProblem::Signature), Signed::Unsigned)
    );
}

#[tokio::test]
async fn forgeries_fail_and_outages_do_not() {
    let (zone, _) = well_kept(KeyKind::Ed25519);
    let mut elsewhere = envelope();
    elsewhere.peer.ip = Some(IpAddr::from([203, 0, 113, 9]));
    let found = verify(&zone, &elsewhere, MESSAGE).await;
    assert_eq!(found.signed, Signed::Unsigned);
    assert_eq!(
        (found.dmarc.result, found.dmarc.asked),
        (DmarcResult::Fail, Disposition::Reject)
    );

    let ours = MESSAGE.replace("ann@news.example.org", "boss@example.net");
    let found = verify(&zone, &elsewhere, &ours).await;
    assert_eq!(found.claims_to_be_ours, [OwnName::HeaderFrom]);
    let mut own = elsewhere.clone();
    own.direction = Direction::Internal;
    assert_eq!(verify(&zone, &own, &ours).await.claims_to_be_ours, []);

    let (zone, signer) = well_kept(KeyKind::Ed25519);
    let raw = signed(&signer, MESSAGE);
    let outage = zone
        .broken("one._domainkey.example.org")
        .broken("news.example.org");
    let found = verify(&outage, &elsewhere, &raw).await;
    assert_eq!(found.signatures[0].result, SignatureResult::TempError);
    assert_eq!(found.signed, Signed::Unknown);
    assert_eq!(
        (found.dmarc.result, found.dmarc.asked),
        (DmarcResult::TempError, Disposition::None)
    );
}

/// A sender whose own records ask for more than a message may ask cannot hide the policy of the domain he abuses.
#[tokio::test]
async fn a_greedy_record_starves_nobody_else() {
    let (mut zone, _) = well_kept(KeyKind::Ed25519);
    let mut record = "v=spf1".to_owned();
    for number in 0..10 {
        record += &format!(" mx:m{number}.greedy.example");
        for host in 0..10 {
            let host = format!("h{host}.m{number}.greedy.example");
            let mx = Record::Mx {
                preference: 10,
                host: host.clone(),
            };
            zone = zone
                .with(&format!("m{number}.greedy.example"), mx)
                .with(&host, Record::A([198, 51, 100, 1].into()));
        }
    }
    let zone = zone.txt("greedy.example", &record);
    let mut greedy = envelope();
    greedy.peer.ip = Some(IpAddr::from([203, 0, 113, 9]));
    greedy.envelope_from = mail::Address::new("x@greedy.example");
    greedy.helo_name = Some("greedy.example".to_owned());
    let found = verify(&zone, &greedy, MESSAGE).await;
    let spf = found.spf.expect("a result");
    assert_eq!(spf.result, SpfResult::TempError, "{spf:?}");
    assert_eq!(
        (found.dmarc.result, found.dmarc.asked),
        (DmarcResult::Fail, Disposition::Reject)
    );
}

#[tokio::test]
async fn forwarders_seal_what_they_saw() {
    let (zone, signer) = well_kept(KeyKind::Ed25519);
    let raw = signed(&signer, MESSAGE);
    let key = NewKey::make(KeyKind::Ed25519).expect("a key");
    let zone = zone.txt("arc._domainkey.list.example", &key.record);
    let sealer = ArcSigner {
        domain: domain("list.example"),
        selector: "arc".to_owned(),
        key: SigningKey::read(key.pem.reveal()).expect("a key"),
        authserv_id: "list.example".to_owned(),
    };
    let mut passed_on = raw;
    for instance in 1..=3 {
        let found = verify(&zone, &envelope(), &passed_on).await;
        let changed = passed_on.replace(" hello", " [list] hello");
        let seal = sealer
            .seal(
                changed.as_bytes(),
                &found,
                &envelope(),
                NOW,
                &Limits::default(),
            )
            .expect("no failure")
            .expect("a seal");
        assert_eq!(seal.instance, instance);
        passed_on = format!("{}{changed}", seal.fields.concat());
    }
    let found = verify(&zone, &envelope(), &passed_on).await;
    assert_eq!(found.arc.result, ArcResult::Pass, "{:#?}", found.arc);
    assert_eq!(found.signed, Signed::Unauthentic);
    // The subject changed before the second seal and again before the third.
    assert_eq!(found.arc.oldest_pass, Some(3));
    let first = &found.arc.sealers[0];
    assert!(first.trusted);
    assert!(
        first
            .claims
            .iter()
            .any(|claim| claim.method == "dkim" && claim.result == "pass"),
        "{first:#?}"
    );

    let broken = passed_on.replace("[list] [list]", "[other] [list]");
    let found = verify(&zone, &envelope(), &broken).await;
    assert_eq!(found.arc.result, ArcResult::Fail);
    let seal = sealer.seal(
        broken.as_bytes(),
        &found,
        &envelope(),
        NOW,
        &Limits::default(),
    );
    assert_eq!(seal, Ok(None));
    let outage = zone.broken("arc._domainkey.list.example");
    let found = verify(&outage, &envelope(), &passed_on).await;
    assert_eq!(found.arc.result, ArcResult::TempError);
}

#[tokio::test]
async fn more_signatures_than_the_limit_are_counted() {
    let (zone, signer) = well_kept(KeyKind::Ed25519);
    let mut raw = MESSAGE.to_owned();
    for _ in 0..15 {
        raw = signed(&signer, &raw);
    }
    let found = verify(&zone, &envelope(), &raw).await;
    assert_eq!(
        (found.signatures.len(), found.signatures_passed_over),
        (10, 5)
    );
}

#[test]
fn without_from_nothing_is_signed() {
    let (_, signer) = well_kept(KeyKind::Ed25519);
    let unsigned = signer.sign(b"Subject: x\r\n\r\n", NOW, &Limits::default());
    assert_eq!(unsigned, Err(Unsigned::NoFrom));
}
