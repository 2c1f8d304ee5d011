use mail::{Limits, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::{Read, Refused};

fn read_text(json: &str) -> Result<Read<TlsReport>, Refused> {
    read(json.as_bytes(), &Limits::default())
}

fn text() -> impl Strategy<Value = String> {
    "[!-~é字]([ -~é字]{0,20}[!-~])?"
}

fn failure() -> impl Strategy<Value = Failure> {
    let kinds: Vec<FailureKind> = FAILURE_WORDS.iter().map(|(_, kind)| kind.clone()).collect();
    let maybe = || proptest::option::of(text());
    (
        select(kinds),
        (maybe(), maybe(), maybe(), maybe()),
        any::<u64>(),
        (maybe(), maybe()),
    )
        .prop_map(|(kind, who, sessions, more)| Failure {
            kind,
            sending_ip: who.0,
            receiving_mx: who.1,
            receiving_helo: who.2,
            receiving_ip: who.3,
            sessions,
            information: more.0,
            reason_code: more.1,
        })
}

fn policy() -> impl Strategy<Value = PolicyResult> {
    (
        select(vec![
            PolicyKind::Sts,
            PolicyKind::Tlsa,
            PolicyKind::NoPolicyFound,
        ]),
        proptest::collection::vec(text(), 0..4),
        text(),
        proptest::collection::vec(text(), 0..3),
        (any::<u64>(), any::<u64>()),
        proptest::collection::vec(failure(), 0..4),
    )
        .prop_map(
            |(kind, lines, domain, mx_hosts, counts, failures)| PolicyResult {
                kind,
                lines,
                domain,
                mx_hosts,
                successful: counts.0,
                failed: counts.1,
                failures,
            },
        )
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(
        (organisation, contact, report_id) in (text(), proptest::option::of(text()), text()),
        begin in 0..4_000_000_000_i64,
        policies in proptest::collection::vec(policy(), 1..4),
    ) {
        let report = TlsReport {
            organisation,
            contact,
            report_id,
            begin: Timestamp::from_secs(begin),
            end: Timestamp::from_secs(begin + 86_399),
            policies,
        };
        let read = read_text(&report.to_json()).expect("our own report");
        prop_assert_eq!(&read.report, &report);
        prop_assert!(read.notes.is_empty(), "{:?}", read.notes);
    }

    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes, &Limits::default());
    }
}

#[test]
fn json_as_software_writes_it() {
    let read = read_text(
        r#"{"organization-name": null, "report-id": "1", "date-range": {"start-datetime": "2026-01-01T00:00:00Z", "end-datetime": "2025-01-01T00:00:00Z"},
            "unknown": [1, {"a": 2}],
            "policies": [{"policy": {"policy-type": "STS", "policy-domain": "example.org", "mx-host": "mx.example.org", "policy-string": "version: STSv1"},
                          "summary": {"total-successful-session-count": "12", "total-failure-session-count": -3},
                          "failure-details": [{"result-type": "new-word", "failed-session-count": 2.0}]},
                         {"policy": {"policy-type": "no-policy-found"}}, {}]}"#,
    );
    let read = read.expect("a report");
    let report = read.report;
    assert_eq!((report.successful(), report.failed()), (12, 0));
    assert_eq!(report.policies.len(), 3);
    assert_eq!(report.policies[0].kind, PolicyKind::Sts);
    assert_eq!(report.policies[0].mx_hosts, ["mx.example.org"]);
    assert_eq!(report.policies[0].failures[0].sessions, 2);
    assert_eq!(
        report.policies[0].failures[0].kind,
        FailureKind::Other("new-word".into())
    );
    assert_eq!(report.end, report.begin);
    assert_eq!(read.notes.kept().len(), 2, "{:?}", read.notes);
}

#[test]
fn what_is_no_report_is_refused() {
    assert!(matches!(read_text("{}"), Err(Refused::NotAReport(_))));
    assert!(matches!(read_text("{"), Err(Refused::NotJson(_))));
    assert!(matches!(read_text("[]"), Err(Refused::NotJson(_))));
    assert!(matches!(
        read_text(r#"{"policies": []}"#),
        Err(Refused::Missing(_))
    ));
    let nested = "[".repeat(1_000_000);
    assert!(read_text(&format!("{{\"policies\": {nested}")).is_err());
    let empties = format!("{{\"policies\": [{}{{}}]}}", "{},".repeat(2_000_000));
    assert_eq!(
        read_text(&empties),
        Err(Refused::TooMany {
            limit: Limits::default().report_records_max
        })
    );
}
