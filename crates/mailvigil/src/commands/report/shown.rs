//! `report show`: one report, as it is.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use comfy_table::Cell;
use reports::letter::{self, Report};
use reports::{Aggregate, Feedback, Notes, TlsReport};

use crate::cli::ReportArgs;
use crate::config::Config;
use crate::show;

/// Shows each file; one that is no report is named, and the others are shown all the same.
pub fn all(config: &Config, args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let mut refused = 0;
    for file in &args.files {
        match read(config, file) {
            Ok((report, notes)) if args.json => print_json(file, &report, &notes)?,
            Ok((report, notes)) => print(file, &report, &notes),
            Err(error) => {
                refused += 1;
                eprintln!("{}: {error:#}", file.display());
            }
        }
    }
    Ok(if refused > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn read(config: &Config, file: &Path) -> anyhow::Result<(Report, Notes)> {
    let bytes = std::fs::read(file).context("cannot be read")?;
    let read = letter::read_file(&bytes, &config.limits)?;
    Ok((read.report, read.notes))
}

fn print_json(file: &Path, report: &Report, notes: &Notes) -> anyhow::Result<()> {
    let content = match report {
        Report::Aggregate(report) => serde_json::to_value(report)?,
        Report::Feedback(report) => serde_json::to_value(report)?,
        Report::Tls(report) => serde_json::to_value(report)?,
    };
    let line = serde_json::json!({
        "file": file.display().to_string(), "kind": report.kind(), "report": content, "notes": notes.kept(),
    });
    println!("{line}");
    Ok(())
}

fn print(file: &Path, report: &Report, notes: &Notes) {
    println!("{}", show::safe(&file.display().to_string()));
    match report {
        Report::Aggregate(report) => aggregate(report),
        Report::Feedback(report) => feedback(report),
        Report::Tls(report) => tls(report),
    }
    for note in notes.kept() {
        println!("  note: {}", show::safe(note));
    }
    println!();
}

fn aggregate(report: &Aggregate) {
    println!(
        "DMARC report of {} about {}, {} to {}: {} messages, {} authentic",
        show::safe(&report.reporter.organisation),
        show::safe(&report.policy.domain),
        report.begin,
        report.end,
        report.messages(),
        report.passed()
    );
    let mut rows: Vec<_> = report.rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.messages));
    let mut table = show::table(&[
        "machine",
        "messages",
        "visible sender",
        "DKIM",
        "SPF",
        "done",
    ]);
    let word = |good| if good { "aligned" } else { "-" };
    for row in rows {
        table.add_row(vec![
            Cell::new(row.source_ip),
            Cell::new(row.messages),
            Cell::new(show::safe(&row.header_from)),
            Cell::new(word(row.dkim_aligned)),
            Cell::new(word(row.spf_aligned)),
            Cell::new(row.disposition.as_str()),
        ]);
    }
    println!("{table}");
}

fn feedback(report: &Feedback) {
    let machine = report.source_ip.map(|ip| ip.to_string());
    println!(
        "Feedback ({}) about a message of {} handed over by {}",
        show::safe(report.kind.as_str()),
        show::safe(&report.domains.join(", ")),
        machine.as_deref().unwrap_or("an unnamed machine")
    );
    if let Some(subject) = &report.original.subject {
        println!("  subject: {}", show::safe(subject));
    }
    for line in &report.authentication_results {
        println!("  {}", show::safe(line));
    }
}

fn tls(report: &TlsReport) {
    println!(
        "TLS report of {}, {} to {}: {} sessions went well, {} failed",
        show::safe(&report.organisation),
        report.begin,
        report.end,
        report.successful(),
        report.failed()
    );
    let mut table = show::table(&[
        "domain",
        "well",
        "failed",
        "what was in the way",
        "sessions",
        "server",
    ]);
    for policy in &report.policies {
        let (domain, well, failed) = (show::safe(&policy.domain), policy.successful, policy.failed);
        table.add_row(vec![Cell::new(domain), Cell::new(well), Cell::new(failed)]);
        for failure in &policy.failures {
            let server = failure
                .receiving_mx
                .as_deref()
                .or(failure.receiving_ip.as_deref());
            table.add_row(vec![
                Cell::new(""),
                Cell::new(""),
                Cell::new(""),
                Cell::new(show::safe(&String::from(failure.kind.clone()))),
                Cell::new(failure.sessions),
                Cell::new(show::safe(server.unwrap_or_default())),
            ]);
        }
    }
    println!("{table}");
}
