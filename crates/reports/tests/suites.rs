//! Reports of the published suites beside the project, when `MAILVIGIL_SUITES` names their folder: each is read, or refused for the reason that
//! docs/reports.md gives.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

use std::path::{Path, PathBuf};

use mail::Limits;
use reports::aggregate::Aggregate;
use reports::letter::{Report, open, read_any, recognise};
use reports::{Read, Refused};
use serde_json::Value;

/// Folders with reports, and the endings that are one.
const PLACES: [(&str, &[&str]); 11] = [
    ("parsedmarc/samples/aggregate", &["xml", "eml"]),
    ("parsedmarc/samples/aggregate_invalid", &["xml"]),
    ("parsedmarc/samples/extract_report", &["xml"]),
    ("parsedmarc/samples/failure", &["eml"]),
    ("parsedmarc/samples/smtp_tls", &["json", "eml"]),
    (
        "mail-auth-stalwart/resources/dmarc-feedback",
        &["xml", "eml"],
    ),
    ("mail-auth-stalwart/resources/arf", &["eml"]),
    ("mail-auth-stalwart/resources/tlsrpt", &["json", "eml"]),
    ("opendmarc/libopendmarc/tests/testfiles", &["xml"]),
    ("mail-dmarc/t/fixtures", &["xml"]),
    ("sisimai-bounces/maildir/bsd", &["eml"]),
];

/// What is refused, and why.
const REFUSED: [(&str, &str); 1] = [(
    "exim_plain_text_only_no_arf_part.eml",
    "no part of the mail may hold one",
)];

fn suites() -> Option<PathBuf> {
    let folder = std::env::var_os("MAILVIGIL_SUITES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: MAILVIGIL_SUITES names no folder");
    }
    folder
}

fn is(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|known| known == ending)
}

/// Every file that is a report or carries one.
fn reports(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for (place, endings) in PLACES {
        let mut here: Vec<PathBuf> = std::fs::read_dir(folder.join(place))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| endings.iter().any(|ending| is(path, ending)))
            .collect();
        if place.starts_with("sisimai") {
            // Bounces for the most part.
            here.retain(|path| {
                let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).to_lowercase();
                text.contains("content-type: message/feedback-report")
            });
        }
        here.sort();
        assert!(!here.is_empty(), "{place}");
        all.extend(here);
    }
    all
}

fn read(path: &Path) -> Result<Read<Report>, Refused> {
    let bytes = std::fs::read(path).unwrap();
    if is(path, "eml") {
        return open(&bytes, &Limits::default());
    }
    read_any(&bytes, &Limits::default())
}

#[test]
fn every_report_is_read_or_refused_for_its_reason() {
    let Some(folder) = suites() else { return };
    let mut wrong = Vec::new();
    let all = reports(&folder);
    for path in &all {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = REFUSED.iter().find(|(refused, _)| *refused == name);
        match (read(path), expected) {
            (Ok(read), None) => {
                println!(
                    "read     {name}: {} {:?}",
                    summary(&read.report),
                    read.notes.kept()
                );
            }
            (Err(why), Some((_, reason))) if why.to_string().contains(reason) => {
                println!("refused  {name}: {why}");
            }
            (Ok(_), Some(_)) => wrong.push(format!("{name}: read, though it is to be refused")),
            (Err(why), _) => wrong.push(format!("{name}: {why}")),
        }
    }
    println!("{} reports", all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn summary(report: &Report) -> String {
    match report {
        Report::Aggregate(report) => format!(
            "aggregate about {}, {} rows, {} messages, {} passed",
            report.policy.domain,
            report.rows.len(),
            report.messages(),
            report.passed()
        ),
        Report::Feedback(report) => {
            format!("feedback {} {:?}", report.kind.as_str(), report.original)
        }
        Report::Tls(report) => format!(
            "TLS, {} policies, {} successful, {} failed",
            report.policies.len(),
            report.successful(),
            report.failed()
        ),
    }
}

/// Mail with a report in it is recognised before it is opened.
#[test]
fn mail_with_a_report_is_recognised() {
    let Some(folder) = suites() else { return };
    for path in reports(&folder).iter().filter(|path| is(path, "eml")) {
        let Ok(read) = read(path) else { continue };
        let raw = std::fs::read(path).unwrap();
        let message = mail::Message::read(&raw, &Limits::default());
        let kind = Some(read.report.kind());
        assert_eq!(recognise(&message), kind, "{}", path.display());
    }
}

/// Others' reports, written anew by us, say the same numbers.
#[test]
fn reports_of_others_keep_their_numbers_when_we_write_them() {
    let Some(folder) = suites() else { return };
    let mut count = 0;
    for path in reports(&folder) {
        let Ok(Read {
            report: Report::Aggregate(report),
            ..
        }) = read(&path)
        else {
            continue;
        };
        let Some(xml) = report.to_xml() else { continue };
        let again = reports::aggregate::read(xml.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(
            numbers(&again.report),
            numbers(&report),
            "{}",
            path.display()
        );
        count += 1;
    }
    assert!(count > 20, "{count} reports");
}

fn numbers(report: &Aggregate) -> Vec<(std::net::IpAddr, u64, bool, bool)> {
    let rows = report.rows.iter();
    rows.map(|row| {
        (
            row.source_ip,
            row.messages,
            row.dkim_aligned,
            row.spf_aligned,
        )
    })
    .collect()
}

/// Stalwart's suite says what is in its reports.
#[test]
fn a_suite_agrees_on_what_is_in_its_aggregate_reports() {
    let Some(folder) = suites() else { return };
    let folder = folder.join("mail-auth-stalwart/resources/dmarc-feedback");
    let mut compared = 0;
    for path in reports(&folder.join("../../..")).iter().filter(|path| {
        path.parent()
            .is_some_and(|parent| parent.ends_with("dmarc-feedback"))
    }) {
        let told: Value =
            serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
        let Report::Aggregate(report) = read(path).unwrap().report else {
            panic!("{} is no aggregate report", path.display());
        };
        let rows = told["record"].as_array().unwrap();
        assert_eq!(report.rows.len(), rows.len(), "{}", path.display());
        for (row, told) in report.rows.iter().zip(rows) {
            let told = &told["row"];
            assert_eq!(
                row.source_ip.to_string(),
                told["source_ip"],
                "{}",
                path.display()
            );
            assert_eq!(row.messages, told["count"], "{}", path.display());
            let evaluated = &told["policy_evaluated"];
            assert_eq!(row.dkim_aligned, evaluated["dkim"] == "Pass");
            assert_eq!(row.spf_aligned, evaluated["spf"] == "Pass");
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared} rows");
}
