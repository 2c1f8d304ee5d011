//! Reports that go out and come in, over a store, with a courier and a DNS of the test's own.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use engine::lookup::dns::{Resolver, Zone};
use engine::{
    Author, Care, Courier, Desk, Dispatch, Kept, Letters, Readers, ReportSettings, Submitted,
};
use mail::authentication::{
    Alignment, Disposition, DmarcPolicy, DmarcResult, PolicyTag, Psd, Spf, SpfResult,
};
use mail::message::Header;
use mail::{
    Address, Authentication, Domain, Envelope, Facts, Fate, Known, Limits, Message, Record,
    RecordId, Secret, Site, Timestamp,
};
use reports::aggregate::Row;
use reports::feedback::{Delivery, FailedCheck, FeedbackKind};
use reports::letter::{Report, Sender, aggregate, open};
use reports::{Aggregate, letter};
use store::{Store, StoreConfig};

const DAY_SECS: i64 = 86_400;

/// Takes letters, or refuses them.
#[derive(Default)]
struct Box {
    taken: Mutex<Vec<(Address, Vec<u8>)>>,
    closed: Mutex<bool>,
}

impl Courier for Box {
    fn submit<'a>(
        &'a self,
        _: &'a str,
        from: Option<&'a Address>,
        to: &'a [Address],
        raw: &'a [u8],
    ) -> Pin<std::boxed::Box<dyn Future<Output = Submitted> + Send + 'a>> {
        assert_eq!(from.map(Address::as_str), Some("reports@b.example"));
        std::boxed::Box::pin(async move {
            if *self.closed.lock().unwrap() {
                return Submitted::Refused {
                    why: "451 later".into(),
                };
            }
            self.taken
                .lock()
                .unwrap()
                .push((to[0].clone(), raw.to_vec()));
            Submitted::Taken {
                reply: "250".into(),
                refused: Vec::new(),
            }
        })
    }
}

impl Box {
    fn to(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        let mut to: Vec<String> = taken.iter().map(|(to, _)| to.to_string()).collect();
        to.sort();
        to
    }
}

async fn desk(folder: &std::path::Path) -> (Desk, Store) {
    let config = StoreConfig {
        database: Secret::new(format!("sqlite:{}/kept.db", folder.display())),
        bodies: folder.join("bodies"),
        audit_head: folder.join("head"),
        quarantine_bytes_max: 1 << 20,
        facts_bytes_max: 1 << 20,
    };
    let store = Store::open(&config).await.unwrap();
    let limits = Limits::default();
    let site = Site {
        local_domains: vec![domain("b.example")],
        ..Site::default()
    };
    let readers = Arc::new(Readers::new(&limits));
    let author = Author::by_itself("test");
    let care = Care::default();
    let desk = Desk::new(store.clone(), limits, site, care, None, readers, author);
    (desk, store)
}

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn settings() -> ReportSettings {
    ReportSettings {
        from: Address::new("reports@b.example"),
        organisation: "B".into(),
        aggregate: true,
        ..ReportSettings::default()
    }
}

/// A message of yesterday that says to come from a domain that wants reports there.
fn seen(number: i64, from: &str, rua: &str, passes: bool) -> Record {
    let yesterday = engine::clock::now().secs().div_euclid(DAY_SECS) * DAY_SECS - DAY_SECS;
    let at = Timestamp::from_secs(yesterday + number);
    let mut envelope = Envelope::new(at, "test");
    envelope.recipients = vec![Address::new("secret@b.example").unwrap()];
    let mut found = Authentication::default();
    found.alleged.domain = Some(domain(from));
    found.outbound.ip = Some([192, 0, 2, 7].into());
    found.dmarc.result = if passes {
        DmarcResult::Pass
    } else {
        DmarcResult::Fail
    };
    found.dmarc.dkim = if passes {
        Alignment::Strict
    } else {
        Alignment::None
    };
    found.dmarc.policy = Some(DmarcPolicy {
        domain: domain(from),
        record: String::new(),
        applies: PolicyTag::P,
        published: Disposition::None,
        for_domain: Disposition::None,
        for_subdomains: None,
        for_nonexistent: None,
        testing: false,
        strict_spf: false,
        strict_dkim: false,
        psd: Psd::Unsaid,
        aggregate_to: vec![rua.to_owned()],
        failures_to: Vec::new(),
        failure_options: Vec::new(),
        dnssec: false,
    });
    let facts = Facts {
        authentication: Known::Yes(found),
        ..Facts::new(envelope.clone(), Message::default())
    };
    Record {
        id: RecordId::random(at),
        at,
        fate: Fate::Delivered,
        envelope,
        header_from: None,
        subject: String::new(),
        message_id: None,
        size_bytes: 1,
        digest: String::new(),
        verdict: None,
        facts: Some(facts),
        note: None,
        took_us: 1,
    }
}

async fn send(desk: &Desk, settings: &ReportSettings, zone: Zone, courier: &Box) -> Letters {
    let resolver = Resolver::new(zone, &Limits::default());
    let dispatch = Dispatch {
        settings,
        resolver: Some(&resolver),
        courier,
    };
    desk.send_due_reports(dispatch).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_reported_once_to_who_asked_and_to_nobody_who_did_not_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, store) = desk(folder.path()).await;
    store
        .write(&[
            seen(1, "bank.example", "mailto:dmarc@bank.example", true),
            seen(2, "bank.example", "mailto:dmarc@bank.example", true),
            seen(3, "bank.example", "mailto:dmarc@bank.example", false),
            // Elsewhere, and it agreed.
            seen(4, "shop.example", "mailto:shop@collector.test", true),
            // A victim that never asked for anything.
            seen(5, "evil.example", "mailto:victim@innocent.test", true),
            // It takes no more than 10 bytes.
            seen(6, "tiny.example", "mailto:dmarc@tiny.example!10", true),
        ])
        .await
        .unwrap();
    let zone = || {
        Zone::default()
            .txt("_dmarc.bank.example", "v=DMARC1; p=none; psd=n")
            .txt("_dmarc.evil.example", "v=DMARC1; p=none; psd=n")
            .txt("shop.example._report._dmarc.collector.test", "v=DMARC1")
    };
    let courier = Box::default();
    *courier.closed.lock().unwrap() = true;
    let letters = send(&desk, &settings(), zone(), &courier).await;
    assert_eq!((letters.sent, letters.later.len()), (0, 2), "{letters:?}");

    *courier.closed.lock().unwrap() = false;
    let letters = send(&desk, &settings(), zone(), &courier).await;
    assert_eq!(letters.sent, 2, "{letters:?}");
    assert_eq!(letters.refused.len(), 2, "{letters:?}");
    assert_eq!(courier.to(), ["dmarc@bank.example", "shop@collector.test"]);

    // Once, whoever asks again.
    let again = send(&desk, &settings(), zone(), &courier).await;
    assert_eq!(again, Letters::default());
    assert_eq!(courier.to().len(), 2);

    let taken = courier.taken.lock().unwrap();
    let (_, raw) = taken
        .iter()
        .find(|(to, _)| to.as_str() == "dmarc@bank.example")
        .unwrap();
    let Report::Aggregate(report) = open(raw, &Limits::default()).unwrap().report else {
        panic!("another kind");
    };
    assert_eq!((report.messages(), report.passed()), (3, 2));
    assert_eq!(report.policy.domain, "bank.example");
    assert!(report.rows.iter().all(|row| row.envelope_to.is_none()));
}

/// A report about our domain, as a mail.
fn told(id: &str, ip: &str, passes: bool) -> Vec<u8> {
    let mut report = Aggregate {
        report_id: id.to_owned(),
        begin: Timestamp::from_secs(1_790_000_000),
        end: Timestamp::from_secs(1_790_086_399),
        ..Aggregate::default()
    };
    report.reporter.organisation = "receiver.test".to_owned();
    report.reporter.email = "noc@receiver.test".to_owned();
    report.policy.domain = "b.example".to_owned();
    report.rows.push(Row {
        dkim_aligned: passes,
        ..Row::new(ip.parse().unwrap(), 4, "b.example")
    });
    let sender = Sender {
        address: Address::new("noc@receiver.test").unwrap(),
        domain: domain("receiver.test"),
    };
    let to = Address::new("dmarc@b.example").unwrap();
    let letter = aggregate(&report, &sender, &to, engine::clock::now()).unwrap();
    letter.bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_handed_in_are_kept_once_added_up_and_new_sources_are_told_once_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, _) = desk(folder.path()).await;
    let import = async |id: &str, ip: &str, passes| {
        let (_, _, kept) = desk.import_report(told(id, ip, passes)).await.unwrap();
        kept
    };
    assert_eq!(import("1", "192.0.2.1", true).await, Kept::New);
    assert_eq!(import("1", "192.0.2.1", true).await, Kept::Known);
    assert_eq!(import("2", "203.0.113.9", false).await, Kept::New);
    assert!(desk.import_report(b"no report".to_vec()).await.is_err());

    let views = desk
        .sources(Some(&domain("b.example")), Timestamp(0))
        .await
        .unwrap();
    let told: Vec<_> = views
        .iter()
        .map(|view| (view.ip.to_string(), view.messages, view.failed))
        .collect();
    assert_eq!(
        told,
        [
            ("203.0.113.9".to_owned(), 4, 4),
            ("192.0.2.1".to_owned(), 4, 0)
        ]
    );
    assert_eq!(
        desk.sources(Some(&domain("c.example")), Timestamp(0))
            .await
            .unwrap(),
        []
    );

    let settings = ReportSettings {
        aggregate: false,
        alert: vec![Address::new("postmaster@b.example").unwrap()],
        ..settings()
    };
    let courier = Box::default();
    let letters = send(&desk, &settings, Zone::default(), &courier).await;
    assert_eq!(letters.sent, 1, "{letters:?}");
    let mail = String::from_utf8(courier.taken.lock().unwrap()[0].1.clone()).unwrap();
    assert!(
        mail.contains("203.0.113.9  4 of 4 messages as b.example"),
        "{mail}"
    );
    assert!(!mail.contains("192.0.2.1 "), "{mail}");
    let again = send(&desk, &settings, Zone::default(), &courier).await;
    assert_eq!(again, Letters::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_kept_in_a_day_than_the_limit_says() {
    let folder = tempfile::tempdir().unwrap();
    let (_, store) = desk(folder.path()).await;
    let limits = Limits {
        reports_per_day_max: 1,
        ..Limits::default()
    };
    let readers = Arc::new(Readers::new(&limits));
    let author = Author::by_itself("test");
    let desk = Desk::new(
        store,
        limits,
        Site::default(),
        Care::default(),
        None,
        readers,
        author,
    );
    let kept = async |id: &str| {
        desk.import_report(told(id, "192.0.2.1", true))
            .await
            .unwrap()
            .2
    };
    assert_eq!(kept("1").await, Kept::New);
    assert_eq!(kept("2").await, Kept::Full);
    // What is no report is said to be none, with what would be one.
    let refused = desk
        .import_report(b"<html/>".to_vec())
        .await
        .unwrap_err()
        .to_string();
    assert!(!refused.is_empty());
    let _ = letter::read_any(b"", &Limits::default()).unwrap_err();
}

/// A message of the hour that has just gone by, by a stranger in the name of a domain that wants to be told.
fn forged(number: i64, ruf: &str, options: &[&str]) -> Record {
    let mut record = seen(number, "bank.example", "mailto:dmarc@bank.example", false);
    // An hour is over when its last records have had a minute to be written.
    let hour = (engine::clock::now().secs() - 60).div_euclid(3600) * 3600 - 3600;
    record.at = Timestamp::from_secs(hour + number);
    record.id = RecordId::random(record.at);
    record.envelope.received_at = record.at;
    record.envelope.envelope_from = Address::new("ann@bank.example");
    let facts = record.facts.as_mut().unwrap();
    facts.envelope = record.envelope.clone();
    let header = |name: &str, value: &str| Header {
        name: name.into(),
        value: value.into(),
    };
    facts.message.headers = vec![
        header(
            "Received",
            "from x (x [192.0.2.7]) by mx.b.example for <secret@b.example>; now",
        ),
        header("From", "Ann of Bank <ann@bank.example>"),
        header("To", "secret@b.example"),
        header("Subject", "private"),
    ];
    let Known::Yes(found) = &mut facts.authentication else {
        panic!("authenticated above");
    };
    let policy = found.dmarc.policy.as_mut().unwrap();
    policy.failures_to = vec![ruf.to_owned()];
    policy.failure_options = options.iter().map(|option| (*option).to_owned()).collect();
    found.spf = Some(Spf {
        result: SpfResult::Fail,
        domain: Some(domain("bank.example")),
        mechanism: None,
        mechanism_of: None,
        explanation: None,
        problem: None,
        lookups: 0,
        void_lookups: 0,
        dnssec: false,
    });
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_an_hour_are_told_once_without_any_person_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, store) = desk(folder.path()).await;
    let ruf = "mailto:failures@bank.example";
    let mut answer = forged(4, ruf, &[]);
    let facts = answer.facts.as_mut().unwrap();
    facts.message.headers.push(Header {
        name: "Auto-Submitted".into(),
        value: "auto-generated (rejected)".into(),
    });
    let mut other = forged(5, ruf, &["s"]);
    let facts = other.facts.as_mut().unwrap();
    if let Known::Yes(found) = &mut facts.authentication {
        found.outbound.ip = Some([192, 0, 2, 8].into());
    }
    let messages = vec![
        forged(1, ruf, &[]),
        forged(2, ruf, &["0"]),
        forged(3, ruf, &["1", "d"]),
        // Nobody reports about what a machine writes.
        answer,
        // Only SPF is asked about.
        other,
        // Only signatures are, and there is none.
        forged(6, ruf, &["d"]),
    ];
    store.write(&messages).await.unwrap();
    let zone = || {
        Zone::default()
            .txt("_dmarc.bank.example", "v=DMARC1; p=none; psd=n")
            .txt("bank.example", "v=spf1 ip4:198.51.100.1 -all")
            .txt("bank.example", "another text")
    };
    let settings = ReportSettings {
        aggregate: false,
        failures: true,
        ..settings()
    };
    let courier = Box::default();
    let letters = send(&desk, &settings, zone(), &courier).await;
    assert_eq!((letters.sent, letters.refused.len()), (2, 0), "{letters:?}");
    assert_eq!(courier.to(), ["failures@bank.example"; 2]);
    let again = send(&desk, &settings, zone(), &courier).await;
    assert_eq!(again, Letters::default());

    let taken = courier.taken.lock().unwrap();
    let mut told: Vec<_> = taken
        .iter()
        .map(|(_, raw)| {
            let text = String::from_utf8(raw.clone()).unwrap();
            for private in ["secret", "Ann of", "ann@", "private"] {
                assert!(!text.contains(private), "{private} in {text}");
            }
            let Report::Feedback(report) = open(raw, &Limits::default()).unwrap().report else {
                panic!("another kind");
            };
            assert_eq!(report.kind, FeedbackKind::AuthFailure);
            assert_eq!(report.domains, ["bank.example"]);
            let failure = report.failure.unwrap();
            assert_eq!(failure.delivery, Some(Delivery::Delivered));
            assert_eq!(
                failure.spf_records,
                ["txt : bank.example : \"v=spf1 ip4:198.51.100.1 -all\""]
            );
            (
                failure.checks,
                report.incidents,
                report.source_ip.unwrap().to_string(),
            )
        })
        .collect();
    told.sort();
    let alike = |check, incidents, ip: &str| (vec![check], incidents, ip.to_owned());
    assert_eq!(
        told,
        [
            alike(FailedCheck::Spf, 1, "192.0.2.8"),
            alike(FailedCheck::Dmarc, 3, "192.0.2.7")
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_reports_to_others_need_their_word_and_are_few() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, store) = desk(folder.path()).await;
    let mut all = vec![];
    for number in 0..10 {
        let mut record = forged(number, "mailto:failures@collector.test", &[]);
        if let Some(Known::Yes(found)) =
            record.facts.as_mut().map(|facts| &mut facts.authentication)
        {
            found.outbound.ip = Some([192, 0, 2, number as u8].into());
        }
        all.push(record);
    }
    store.write(&all).await.unwrap();
    let settings = ReportSettings {
        aggregate: false,
        failures: true,
        ..settings()
    };
    let zone = Zone::default().txt("_dmarc.bank.example", "v=DMARC1; p=none; psd=n");
    let courier = Box::default();
    let letters = send(&desk, &settings, zone, &courier).await;
    assert_eq!((letters.sent, letters.refused.len()), (0, 1), "{letters:?}");
    // It agreed, but with its records of aggregate reports elsewhere.
    store.remove_states("reports:", "reports;").await.unwrap();
    let zone = Zone::default()
        .txt("_dmarc.bank.example", "v=DMARC1; p=none; psd=n")
        .txt(
            "bank.example._report._dmarc.collector.test",
            "v=DMARC1; rua=mailto:x@elsewhere.test; ruf=mailto:f@collector.test",
        );
    let letters = send(&desk, &settings, zone, &courier).await;
    assert_eq!(
        letters.sent as usize,
        Limits::default().failure_reports_max,
        "{letters:?}"
    );
    assert!(courier.to().iter().all(|to| to == "f@collector.test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_sessions_are_told_to_domains_that_ask_added_up_over_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, store) = desk(folder.path()).await;
    let day = engine::clock::now().secs().div_euclid(DAY_SECS) - 1;
    let counted = r#"{"mx.a.example":{"encrypted":3,"failed":{"starttls-not-supported":{"sessions":2,"ip":"192.0.2.1","said":""}}}}"#;
    for name in [
        "a.example:one",
        "a.example:two",
        "silent.example:one",
        "away.example:one",
    ] {
        store
            .set_state(&format!("tls-sessions:{day}:{name}"), counted)
            .await
            .unwrap();
    }
    let settings = ReportSettings {
        aggregate: false,
        tls: true,
        ..settings()
    };
    let mx = |host: &str| engine::lookup::dns::Record::Mx {
        preference: 10,
        host: host.into(),
    };
    let zone = |zone: Zone| {
        zone.with("a.example", mx("mx.a.example")).txt(
            "_smtp._tls.a.example",
            "v=TLSRPTv1; rua=mailto:tls@collector.test,https://a.example/",
        )
    };
    let courier = Box::default();
    let letters = send(
        &desk,
        &settings,
        zone(Zone::default().broken("away.example")),
        &courier,
    )
    .await;
    assert_eq!((letters.sent, letters.later.len()), (1, 1), "{letters:?}");
    // What DNS could not tell is asked again; what was sent is not sent again.
    let there = Zone::default().with("away.example", mx("other.example"));
    let letters = send(&desk, &settings, zone(there), &courier).await;
    assert_eq!((letters.sent, letters.known), (0, 1), "{letters:?}");
    assert_eq!(courier.to(), ["tls@collector.test"]);
    let taken = courier.taken.lock().unwrap();
    let Report::Tls(report) = open(&taken[0].1, &Limits::default()).unwrap().report else {
        panic!("another kind");
    };
    assert_eq!((report.successful(), report.failed()), (6, 4));
    assert_eq!(report.policies[0].domain, "a.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_whose_dns_is_away_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, store) = desk(folder.path()).await;
    let mut away = forged(1, "mailto:failures@away.test", &[]);
    away.at = away.at.plus_secs(-3600);
    away.id = RecordId::random(away.at);
    let facts = away.facts.as_mut().unwrap();
    if let Known::Yes(found) = &mut facts.authentication {
        found.dmarc.policy.as_mut().unwrap().domain = domain("slow.example");
    }
    let good = forged(2, "mailto:failures@bank.example", &[]);
    store.write(&[away, good]).await.unwrap();
    let settings = ReportSettings {
        aggregate: false,
        failures: true,
        ..settings()
    };
    let asked = "slow.example._report._dmarc.away.test";
    let zone = Zone::default().broken(asked);
    let courier = Box::default();
    let letters = send(&desk, &settings, zone, &courier).await;
    assert_eq!((letters.sent, letters.later.len()), (1, 1), "{letters:?}");
    // It is asked again, and the others get nothing twice.
    let zone = Zone::default().txt(asked, "v=DMARC1");
    let letters = send(&desk, &settings, zone, &courier).await;
    assert_eq!((letters.sent, letters.later.len()), (1, 0), "{letters:?}");
    assert_eq!(
        courier.to(),
        ["failures@away.test", "failures@bank.example"]
    );
}
