//! Any bytes as a report and as a mail with one: no panic, nothing past the limits, and what we write of it reads the same.
#![no_main]

use std::panic;

use libfuzzer_sys::fuzz_target;
use mail::Limits;
use reports::letter::{Report, open, read_any, read_file, recognise};
use reports::{aggregate, destination, feedback};

// The first byte says what the rest is.
fuzz_target!(
    // The reader of messages survives a panic of the library it builds on; libFuzzer's hook would end the process before that.
    init: { let _ = panic::take_hook(); },
    |data: &[u8]| {
        let Some((&kind, bytes)) = data.split_first() else {
            return;
        };
        let limits = Limits {
            report_bytes_max: 1 << 16,
            report_unpacked_bytes_max: 1 << 18,
            report_records_max: 50,
            report_text_bytes_max: 200,
            ..Limits::default()
        };
        match kind % 4 {
            0 => file(bytes, &limits),
            1 => {
                let message = mail::Message::read(bytes, &limits);
                let _ = recognise(&message);
                let _ = open(bytes, &limits);
            let _ = read_file(bytes, &limits);
            }
            2 => {
                if let Ok(read) = feedback::read(bytes, Some(bytes), &limits) {
                    assert!(read.report.domains.len() <= 50);
                    let redactor = feedback::Redactor::new(&[7; 32]);
                    let fields = read.report.to_fields(&redactor);
                    feedback::read(fields.as_bytes(), None, &limits).expect("our own");
                }
            }
            _ => {
                let places = destination::parse(&String::from_utf8_lossy(bytes), &limits);
                assert!(places.len() <= limits.report_destinations_max);
            }
        }
    }
);

fn file(bytes: &[u8], limits: &Limits) {
    match read_any(bytes, limits).map(|read| read.report) {
        Ok(Report::Aggregate(report)) => {
            assert!(report.rows.len() <= limits.report_records_max);
            let Some(xml) = report.to_xml() else { return };
            let again = aggregate::read(xml.as_bytes(), &Limits::default()).expect("our own");
            let numbers = |report: &aggregate::Aggregate| -> Vec<_> {
                let rows = report.rows.iter();
                rows.map(|row| (row.source_ip, row.messages, row.passes()))
                    .collect()
            };
            assert_eq!(numbers(&again.report), numbers(&report));
        }
        Ok(Report::Tls(report)) => {
            let again = read_any(report.to_json().as_bytes(), &Limits::default());
            let Ok(Report::Tls(again)) = again.map(|read| read.report) else {
                panic!("our own");
            };
            assert_eq!(again.successful(), report.successful());
            assert_eq!(again.failed(), report.failed());
        }
        Ok(Report::Feedback(_)) | Err(_) => {}
    }
}
