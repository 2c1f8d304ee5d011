use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use mail::{Limits, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::{Read, Refused};

fn read_text(xml: &str) -> Result<Read<Aggregate>, Refused> {
    read(xml.as_bytes(), &Limits::default())
}

/// A document with the shortest good head around these records.
fn with_records(records: &str) -> String {
    format!(
        "<feedback><report_metadata><org_name>o</org_name><report_id>1</report_id><date_range><begin>100</begin><end>200</end></date_range></report_metadata>\
         <policy_published><domain>example.org</domain><p>none</p></policy_published>{records}</feedback>"
    )
}

fn record(ip: &str, count: &str) -> String {
    format!(
        "<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>none</disposition>\
         <dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>example.org</header_from></identifiers></record>"
    )
}

/// Text as reports hold it: no blanks around it, anything inside.
fn text() -> impl Strategy<Value = String> {
    "[!-~éß字&<>\"']([ -~é字&<>\"']{0,20}[!-~é字])?"
}

fn outcome_row() -> impl Strategy<Value = Row> {
    let address = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from(bits))),
        any::<u16>().prop_map(|last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last))),
    ];
    let disposition = select(vec![
        Disposition::None,
        Disposition::Pass,
        Disposition::Quarantine,
        Disposition::Reject,
    ]);
    let kind = select(vec![
        OverrideKind::LocalPolicy,
        OverrideKind::MailingList,
        OverrideKind::Other,
        OverrideKind::PolicyTestMode,
        OverrideKind::TrustedForwarder,
    ]);
    let reason =
        (kind, proptest::option::of(text())).prop_map(|(kind, comment)| Override { kind, comment });
    let dkim = (
        text(),
        proptest::option::of(text()),
        select(vec![
            DkimOutcome::Pass,
            DkimOutcome::Fail,
            DkimOutcome::TempError,
        ]),
        proptest::option::of(text()),
    )
        .prop_map(|(domain, selector, outcome, explanation)| DkimResult {
            domain,
            selector,
            outcome,
            explanation,
        });
    let spf = (
        text(),
        select(vec![
            SpfOutcome::Pass,
            SpfOutcome::SoftFail,
            SpfOutcome::Policy,
        ]),
    )
        .prop_map(|(domain, outcome)| SpfResult {
            domain,
            scope: Some(SpfScope::MailFrom),
            outcome,
            explanation: None,
        });
    let first = (
        address,
        any::<u64>(),
        disposition,
        any::<bool>(),
        any::<bool>(),
    );
    let second = (
        proptest::collection::vec(reason, 0..3),
        text(),
        proptest::option::of(prop_oneof![Just(String::new()), text()]),
        proptest::collection::vec(dkim, 0..2),
        proptest::collection::vec(spf, 0..2),
    );
    (first, second).prop_map(|(first, second)| Row {
        source_ip: first.0.to_canonical(),
        messages: first.1,
        disposition: first.2,
        dkim_aligned: first.3,
        spf_aligned: first.4,
        overrides: second.0,
        header_from: second.1,
        envelope_from: second.2,
        envelope_to: None,
        dkim: second.3,
        spf: second.4,
    })
}

fn report() -> impl Strategy<Value = Aggregate> {
    let asked = || {
        select(vec![
            Disposition::None,
            Disposition::Quarantine,
            Disposition::Reject,
        ])
    };
    let alignment = || proptest::option::of(select(vec![Alignment::Relaxed, Alignment::Strict]));
    let policy = (
        (text(), asked(), proptest::option::of(asked())),
        (proptest::option::of(asked()), alignment(), alignment()),
        (
            proptest::option::of(text()),
            proptest::option::of(any::<bool>()),
            proptest::option::of(select(vec![Discovery::Psl, Discovery::TreeWalk])),
        ),
    )
        .prop_map(|(first, second, third)| Published {
            domain: first.0,
            policy: first.1,
            subdomain_policy: first.2,
            absent_subdomain_policy: second.0,
            dkim_alignment: second.1,
            spf_alignment: second.2,
            failure_options: third.0,
            testing: third.1,
            discovery: third.2,
            percent: None,
        });
    let reporter = (
        text(),
        text(),
        proptest::option::of(text()),
        proptest::option::of(text()),
    )
        .prop_map(|(organisation, email, extra_contact, generator)| Reporter {
            organisation,
            email,
            extra_contact,
            generator,
        });
    (
        (reporter, text(), 0..4_000_000_000_i64, 0..1_000_000_i64),
        proptest::collection::vec(text(), 0..2),
        policy,
        proptest::collection::vec(outcome_row(), 1..5),
    )
        .prop_map(|(head, errors, policy, rows)| Aggregate {
            reporter: head.0,
            report_id: head.1,
            begin: Timestamp::from_secs(head.2),
            end: Timestamp::from_secs(head.2 + head.3),
            errors,
            policy,
            rows,
        })
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(report in report()) {
        let xml = report.to_xml().expect("it has rows");
        let read = read_text(&xml).expect("our own report");
        prop_assert_eq!(&read.report, &report);
        prop_assert!(read.notes.is_empty(), "{:?}", read.notes);
    }

    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes, &Limits::default());
    }

    #[test]
    fn nothing_of_xml_panics(pieces in proptest::collection::vec(select(vec![
        "<feedback>", "</feedback>", "<record>", "</record>", "<row>", "<source_ip>", "192.0.2.1", "</source_ip>", "<count>",
        "99999999999999999999999", "<dkim>", "</row>", "<auth_results>", "<reason>", "<type>", "x", "<", "&amp;", "<date_range>", "<begin>", "1",
    ]), 0..60)) {
        let _ = read(pieces.concat().as_bytes(), &Limits::default());
    }
}

/// RFC 9990's schema, as far as a validator can tell: all shapes a row can have, in one report.
#[test]
fn what_is_written_fits_the_schema() {
    let mut runner = TestRunner::deterministic();
    let row = outcome_row();
    let mut one = || row.new_tree(&mut runner).expect("a row").current();
    let mut rows: Vec<Row> = (0..200).map(|_| one()).collect();
    for awkward in [
        "::ffff:192.0.2.1",
        "2001:db8::",
        "::1",
        "2001:db8:0:1:1:1:1:1",
        "fe80::1:0:0:1",
    ] {
        rows.push(Row::new(
            awkward.parse().expect("an address"),
            1,
            "example.org",
        ));
    }
    rows[0].overrides = vec![Override {
        kind: OverrideKind::SampledOut,
        comment: None,
    }];
    rows[0].envelope_to = Some("recipient.example".into());
    let report = Aggregate {
        report_id: "1@example.org".into(),
        errors: vec!["one".into(), "two\u{1}".into()],
        policy: Published {
            domain: "example.org".into(),
            policy: Disposition::Pass,
            testing: Some(true),
            discovery: Some(Discovery::TreeWalk),
            ..Published::default()
        },
        rows,
        ..Aggregate::default()
    };
    let xml = report.to_xml().expect("it has rows");
    assert!(!xml.contains("envelope_to") && !xml.contains("recipient.example"));
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(xml.as_bytes()).expect("written");
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dmarc-2.0.xsd");
    let said = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema", schema])
        .arg(file.path())
        .output()
        .expect("xmllint, of Debian's libxml2-utils");
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
}

#[test]
fn a_report_of_nothing_is_not_written() {
    assert_eq!(Aggregate::default().to_xml(), None);
}

#[test]
fn numbers_that_are_none() {
    let records = [
        record("192.0.2.1", "18446744073709551616"),
        record("192.0.2.2", "3.0"),
        record("192.0.2.3", "-5"),
        record("192.0.2.4", ""),
        record("nowhere", "5"),
        record("[2001:db8::1]", "7"),
    ];
    let read = read_text(&with_records(&records.concat())).expect("a report");
    let counts: Vec<u64> = read.report.rows.iter().map(|row| row.messages).collect();
    assert_eq!(counts, [u64::MAX, 3, 7]);
    assert_eq!(read.report.messages(), u64::MAX, "sums do not wrap");
    assert!(read.notes.kept().len() >= 4, "{:?}", read.notes);
}

#[test]
fn words_as_software_writes_them() {
    let xml = with_records(
        "<record><row><source_ip>192.0.2.1</source_ip><count>1</count><policy_evaluated><disposition>None</disposition><dkim>Pass</dkim><spf>PASS</spf>\
         <reason><type></type><comment></comment></reason><reason><type>nonsense</type></reason></policy_evaluated></row>\
         <auth_results><dkim><result>hardfail</result></dkim><spf><result>unknown</result></spf><spf><result>error</result><scope>helo</scope></spf></auth_results></record>",
    );
    let row = read_text(&xml).expect("a report").report.rows.remove(0);
    assert!(row.dkim_aligned && row.spf_aligned);
    let kinds: Vec<OverrideKind> = row.overrides.iter().map(|reason| reason.kind).collect();
    assert_eq!(kinds, [OverrideKind::Other]);
    assert_eq!(row.dkim[0].outcome, DkimOutcome::Fail);
    let spf: Vec<SpfOutcome> = row.spf.iter().map(|result| result.outcome).collect();
    assert_eq!(spf, [SpfOutcome::TempError, SpfOutcome::PermError]);
}

#[test]
fn times_as_software_writes_them() {
    let begin = |text: &str| {
        let xml = with_records("").replace(">100<", &format!(">{text}<"));
        read_text(&xml).map(|read| read.report.begin.secs())
    };
    assert_eq!(begin("1337270400.0"), Ok(1_337_270_400));
    assert_eq!(begin("1337270400000"), Ok(1_337_270_400));
    assert_eq!(begin("2012-05-17T16:00:00Z"), Ok(1_337_270_400));
    assert_eq!(begin("2012-05-17 16:00:00"), Ok(1_337_270_400));
    assert!(matches!(begin("-1"), Err(Refused::Missing(_))));
    assert!(matches!(begin("soon"), Err(Refused::Missing(_))));
}

#[test]
fn half_a_report_has_its_whole_rows() {
    let xml = with_records(&record("192.0.2.1", "12").repeat(3));
    let cut = xml.rfind("<count>12").expect("the third") + "<count>1".len();
    let read = read_text(&xml[..cut]).expect("most of a report");
    assert_eq!(read.report.messages(), 24);
    assert!(
        read.notes
            .kept()
            .iter()
            .any(|note| note.contains("breaks off"))
    );
}

#[test]
fn what_is_no_report_is_refused() {
    assert!(matches!(read_text(""), Err(Refused::NotAReport(_))));
    assert!(matches!(
        read_text("<html></html>"),
        Err(Refused::NotAReport(_))
    ));
    assert!(matches!(
        read_text("<feedback/>"),
        Err(Refused::NotAReport(_))
    ));
    let no_time = with_records("").replace("<begin>100</begin>", "");
    assert!(matches!(read_text(&no_time), Err(Refused::Missing(_))));
    let nobody = with_records("").replace("<domain>example.org</domain>", "");
    assert!(matches!(read_text(&nobody), Err(Refused::Missing(_))));
}

#[test]
fn a_report_with_too_many_rows_is_refused_whole() {
    let limits = Limits {
        report_records_max: 3,
        ..Limits::default()
    };
    let of = |rows: usize| with_records(&record("192.0.2.1", "1").repeat(rows));
    assert!(read(of(3).as_bytes(), &limits).is_ok());
    assert_eq!(
        read(of(4).as_bytes(), &limits),
        Err(Refused::TooMany { limit: 3 })
    );
}

#[test]
fn values_and_results_are_bounded() {
    let many: String = (0..1000)
        .map(|number| format!("<dkim><domain>d{number}</domain></dkim>"))
        .collect();
    let long = "x".repeat(1_000_000);
    let xml = with_records(&format!(
        "<record><row><source_ip>192.0.2.1</source_ip><count>1</count></row><identifiers><header_from>{long}</header_from></identifiers>\
         <auth_results>{many}</auth_results></record>"
    ));
    let row = read_text(&xml).expect("a report").report.rows.remove(0);
    assert_eq!(row.dkim.len(), 100);
    assert_eq!(
        row.dkim[99].domain, "d99",
        "the last kept is not written over"
    );
    assert_eq!(
        row.header_from.len(),
        Limits::default().report_text_bytes_max
    );
    let deep = "<a>".repeat(100_000) + &with_records(&"<b>".repeat(100_000));
    assert!(read_text(&deep).is_ok());
}
