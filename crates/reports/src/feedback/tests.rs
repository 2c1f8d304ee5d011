use mail::{Limits, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::{Read, Refused};

fn read_text(fields: &str) -> Result<Read<Feedback>, Refused> {
    read(fields.as_bytes(), None, &Limits::default())
}

#[test]
fn a_failure_report_as_rfc_9991_wants_it() {
    let read = read_text(
        "Feedback-Type: auth-failure\r\nUser-Agent: X/1\r\nVersion: 1\r\nAuth-Failure: dmarc\r\nIdentity-Alignment: dkim, spf\r\n\
         Original-Mail-From: <ann@example.org>\r\nOriginal-Rcpt-To: <bob@example.net>\r\nArrival-Date: Thu, 8 Mar 2005 14:00:00 EDT\r\n\
         Source-IP: 192.0.2.1\r\nReported-Domain: example.org\r\nAuthentication-Results: mail.example.net;\r\n\tspf=fail\r\n smtp.mailfrom=example.org\r\n\
         DKIM-Domain: example.org\r\nDelivery-Result: reject\r\nIncidents: 12\r\n",
    )
    .expect("a report");
    assert!(read.notes.is_empty(), "{:?}", read.notes);
    let report = read.report;
    assert_eq!(report.kind, FeedbackKind::AuthFailure);
    assert_eq!(report.envelope_from.as_deref(), Some("ann@example.org"));
    assert_eq!((report.recipients, report.incidents), (1, 12));
    assert_eq!(report.arrival, Timestamp::parse("2005-03-08T18:00:00Z"));
    assert_eq!(
        report.authentication_results,
        ["mail.example.net; spf=fail smtp.mailfrom=example.org"]
    );
    let failure = report.failure.expect("it is about one");
    assert_eq!(failure.checks, [FailedCheck::Dmarc]);
    assert_eq!(failure.unaligned(), "dkim, spf");
    assert_eq!(failure.delivery, Some(Delivery::Reject));
}

#[test]
fn fields_as_software_writes_them() {
    let read = read_text(
        "Feedback-Type: Abuse\nVersion: 0.1\nReceived-Date: Thu, 29 Apr 2009 00:00:00 -0000 (EST)\nSource-IP: 148.163.85.135 (a.example.org)\n\
         Authentication-Results: \nOriginal-Rcpt-To: a@x\nOriginal-Rcpt-To: b@x\nnonsense\n folded nonsense\nIncidents: many\n",
    );
    let read = read.expect("a report");
    assert_eq!(read.report.kind, FeedbackKind::Abuse);
    assert_eq!(read.report.arrival, Timestamp::parse("2009-04-29"));
    assert_eq!(read.report.source_ip, "148.163.85.135".parse().ok());
    assert_eq!(read.report.recipients, 2);
    assert_eq!(read.report.incidents, 1);
    assert_eq!(read.report.failure, None);
    assert_eq!(read.notes.kept().len(), 1, "{:?}", read.notes);
}

#[test]
fn what_is_no_report_is_refused() {
    assert!(matches!(read_text(""), Err(Refused::Missing(_))));
    assert!(matches!(read_text("Version: 1"), Err(Refused::Missing(_))));
}

#[test]
fn values_are_bounded() {
    let long = "x".repeat(1_000_000);
    let folded = format!("Feedback-Type: abuse\n {}\n", "y ".repeat(10_000));
    assert!(read_text(&format!("{folded}Reported-Domain: {long}\n")).is_ok());
    let many = "Reported-Domain: x\n".repeat(10_000);
    let read = read_text(&format!("Feedback-Type: abuse\n{many}")).expect("a report");
    assert!(read.report.domains.len() <= 50);
}

#[test]
fn what_is_written_says_nothing_about_persons() {
    let redactor = Redactor::new(&[1; 32]);
    let report = Feedback {
        kind: FeedbackKind::AuthFailure,
        arrival: Timestamp::parse("2026-11-28T10:00:00Z"),
        source_ip: "192.0.2.1".parse().ok(),
        envelope_from: Some("ann@example.org".into()),
        domains: vec!["example.org".into()],
        authentication_results: vec![
            "mx.example.net; spf=fail smtp.mailfrom=ann@example.org".into(),
        ],
        uris: vec!["mailto:ann@example.org".into()],
        incidents: 3,
        recipients: 5,
        failure: Some(Failure {
            checks: vec![FailedCheck::Dmarc],
            delivery: Some(Delivery::Policy),
            spf_unaligned: true,
            dkim_identity: Some("ann@example.org\r\nOriginal-Rcpt-To: bob@x".into()),
            ..Failure::default()
        }),
        ..Feedback::default()
    };
    let fields = report.to_fields(&redactor);
    assert!(
        !fields.contains("ann@") && !fields.contains("\r\nOriginal-Rcpt-To"),
        "{fields}"
    );
    let read = read_text(&fields).expect("our own report").report;
    assert_eq!(read.kind, report.kind);
    assert_eq!((read.incidents, read.recipients), (3, 0));
    assert_eq!(read.arrival, report.arrival);
    assert_eq!(read.source_ip, report.source_ip);
    assert_eq!(
        read.envelope_from,
        Some(redactor.address("ann@example.org"))
    );
    let failure = read.failure.expect("it is about one");
    assert_eq!(failure.unaligned(), "spf");
    assert_eq!(failure.delivery, Some(Delivery::Policy));
}

proptest! {
    #[test]
    fn nothing_panics(fields in "(?s).{0,300}", original in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(fields.as_bytes(), Some(&original), &Limits::default());
        let redactor = Redactor::new(&[1; 32]);
        let _ = redactor.text(&fields);
        let _ = redactor.header(&[("Received".into(), fields.clone()), ("From".into(), fields)]);
    }
}
