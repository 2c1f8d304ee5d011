use mail::{Address, Domain, Limits, Message, Timestamp};

use super::*;
use crate::aggregate::{Aggregate, Published, Row};
use crate::feedback::{Failure, Feedback, FeedbackKind, Redactor};
use crate::tls::{PolicyResult, TlsReport};
use crate::{Read, Refused};

fn address(text: &str) -> Address {
    Address::new(text).expect("an address")
}

fn sender() -> Sender {
    Sender {
        address: address("reports@receiver.example"),
        domain: Domain::parse("receiver.example").expect("a domain"),
    }
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-28T10:00:00Z").expect("a time")
}

fn aggregate_report() -> Aggregate {
    Aggregate {
        report_id: "1795862400.7@receiver.example".into(),
        begin: Timestamp::from_secs(1_795_776_000),
        end: Timestamp::from_secs(1_795_862_399),
        policy: Published {
            domain: "example.org".into(),
            ..Published::default()
        },
        rows: vec![Row::new(
            "192.0.2.1".parse().expect("an address"),
            5,
            "example.org",
        )],
        ..Aggregate::default()
    }
}

fn opened(letter: &Letter) -> Read<Report> {
    open(&letter.bytes, &Limits::default()).expect("our own mail")
}

#[test]
fn an_aggregate_report_by_mail_and_back() {
    let report = aggregate_report();
    let to = address("rua@example.org");
    let letter = aggregate(&report, &sender(), &to, now()).expect("a mail");
    let text = String::from_utf8(letter.bytes.clone()).expect("ASCII");
    assert!(
        text.contains(
            "Subject: Report Domain: example.org Submitter: receiver.example Report-ID:\r\n <1795862400.7@receiver.example>\r\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("filename=\"receiver.example!example.org!1795776000!1795862399.xml.gz\"")
    );
    assert!(text.contains("Content-Type: application/gzip\r\n"));
    assert!(text.lines().all(|line| line.len() <= 100));
    assert!(text.contains("Date: Sat, 28 Nov 2026 10:00:00 +0000\r\n"));
    let message = Message::read(&letter.bytes, &Limits::default());
    assert_eq!(message.oddities, []);
    assert_eq!(recognise(&message), Some(Kind::Aggregate));
    assert_eq!(opened(&letter).report, Report::Aggregate(report));
}

#[test]
fn a_tls_report_by_mail_and_back() {
    let domain = Domain::parse("example.org").expect("a domain");
    let report = TlsReport {
        organisation: "Receiver".into(),
        report_id: "1795862400.7".into(),
        begin: Timestamp::from_secs(1_795_776_000),
        end: Timestamp::from_secs(1_795_862_399),
        policies: vec![PolicyResult {
            domain: "example.org".into(),
            successful: 3,
            failed: 1,
            ..PolicyResult::default()
        }],
        ..TlsReport::default()
    };
    let to = address("tlsrpt@example.org");
    let letter = tls(&report, &domain, &sender(), &to, now()).expect("a mail");
    let message = Message::read(&letter.bytes, &Limits::default());
    assert_eq!(message.oddities, []);
    assert_eq!(recognise(&message), Some(Kind::Tls));
    assert_eq!(message.header("TLS-Report-Domain"), Some("example.org"));
    assert_eq!(
        message.header("TLS-Report-Submitter"),
        Some("receiver.example")
    );
    assert_eq!(letter.message_id, "1795862400.7@receiver.example");
    assert_eq!(opened(&letter).report, Report::Tls(report));
}

#[test]
fn a_failure_report_by_mail_and_back() {
    let report = Feedback {
        kind: FeedbackKind::AuthFailure,
        domains: vec!["example.org".into()],
        failure: Some(Failure {
            checks: vec!["dmarc".to_owned().into()],
            ..Failure::default()
        }),
        ..Feedback::default()
    };
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let header = [
        field("From", "Ann <ann@example.org>"),
        field("To", "bob@receiver.example"),
        field("Message-ID", "<1@example.org>"),
    ];
    let redactor = Redactor::new(&[1; 32]);
    let to = address("ruf@example.org");
    let letter = feedback(&report, &header, &redactor, &sender(), &to, now(), "77.1");
    let letter = letter.expect("a mail");
    let text = String::from_utf8_lossy(&letter.bytes);
    assert!(!text.contains("bob") && !text.contains("ann@"), "{text}");
    let message = Message::read(&letter.bytes, &Limits::default());
    assert_eq!(recognise(&message), Some(Kind::Feedback));
    let Report::Feedback(read) = opened(&letter).report else {
        panic!("another kind");
    };
    assert_eq!(read.domains, ["example.org"]);
    assert_eq!(
        read.original.header_from_domain.as_deref(),
        Some("example.org")
    );
    assert_eq!(read.original.message_id.as_deref(), Some("1@example.org"));
    assert_eq!(read.original.subject, None);
}

#[test]
fn no_name_breaks_out_of_the_header() {
    let to = address("rua@example.org");
    for (domain, id) in [
        ("example.org\r\nBcc: x", "1"),
        ("example.org", "1\r\nBcc: x@y"),
        ("example.org", "1 2"),
        ("example.org", "a..b"),
        ("", "1"),
    ] {
        let mut report = aggregate_report();
        report.policy.domain = domain.into();
        report.report_id = id.into();
        let built = aggregate(&report, &sender(), &to, now());
        assert!(
            matches!(built, Err(NotBuilt::BadName(_))),
            "{domain:?} {id:?}"
        );
    }
    let spread = address("a@example.org>, <b@example.net");
    assert!(aggregate(&aggregate_report(), &sender(), &spread, now()).is_err());
    let nothing = Aggregate {
        rows: Vec::new(),
        ..aggregate_report()
    };
    assert_eq!(
        aggregate(&nothing, &sender(), &to, now()),
        Err(NotBuilt::Nothing)
    );
}

#[test]
fn ordinary_mail_carries_no_report() {
    for raw in [
        "From: a@example.org\r\nSubject: Hello\r\n\r\nReport Domain: example.org\r\n",
        "From: a@example.org\r\nSubject: Report Domain: example.org Submitter: x\r\n\r\nJust words.\r\n",
        "From: a@example.org\r\nSubject: files\r\nContent-Type: application/zip; name=a.zip\r\n\r\nPK",
    ] {
        let message = Message::read(raw.as_bytes(), &Limits::default());
        assert_eq!(recognise(&message), None, "{raw}");
        assert!(open(raw.as_bytes(), &Limits::default()).is_err());
    }
}

#[test]
fn the_first_refusal_is_told() {
    let raw = "Subject: Report Domain: x\r\nContent-Type: text/xml; name=a.xml\r\n\r\n<html/>\r\n";
    assert!(matches!(
        open(raw.as_bytes(), &Limits::default()),
        Err(Refused::NotAReport(_))
    ));
}

#[test]
fn a_file_may_be_the_mail_or_the_report() {
    let letter = aggregate(
        &aggregate_report(),
        &sender(),
        &address("rua@example.org"),
        now(),
    );
    let mail = letter.expect("a mail").bytes;
    let mbox = [b"From noc@example.net Mon Nov 23 10:00:00 2026\n", &*mail].concat();
    let xml = aggregate_report().to_xml().expect("rows");
    for file in [&mail, &mbox, &xml.into_bytes()] {
        let read = read_file(file, &Limits::default()).expect("a report");
        assert_eq!(read.report.kind(), Kind::Aggregate);
    }
    assert!(read_file(b"Subject: no report\r\n\r\nwords\r\n", &Limits::default()).is_err());
}
