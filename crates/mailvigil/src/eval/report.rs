//! How figures are shown.

use std::io::Write as _;

use comfy_table::Cell;
use serde::Serialize;

use super::figures::Figures;
use super::pasted::Missed;
use crate::show;

/// One filter's replay.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Which filter.
    pub filter: String,
    /// How well it did.
    #[serde(flatten)]
    pub figures: Figures,
    /// Messages that could not be read: named on standard error, and in none of the figures.
    pub unreadable: usize,
    /// Labels it was taught.
    pub labels: usize,
    /// Messages read, classified and learnt from in a second of processor time; of a filter that runs beside, of time.
    pub messages_per_second: f64,
    /// The most memory this process has had.
    pub peak_memory_bytes: Option<u64>,
    /// Spam missed with words of wanted mail pasted around it, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pasted: Vec<Missed>,
}

/// A table with a column for each filter, or one JSON object for each.
pub fn print(reports: &[Report], json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        for report in reports {
            writeln!(out, "{}", serde_json::to_string(report)?)?;
        }
        return Ok(());
    }
    let mut headings = vec![""];
    headings.extend(reports.iter().map(|report| report.filter.as_str()));
    let mut table = show::table(&headings);
    for (name, value) in ROWS {
        let mut row = vec![Cell::new(name)];
        row.extend(reports.iter().map(|report| Cell::new(value(report))));
        table.add_row(row);
    }
    writeln!(out, "{table}")?;
    for report in reports.iter().filter(|report| !report.pasted.is_empty()) {
        writeln!(out, "\n{}", pasted(&report.pasted))?;
    }
    Ok(())
}

/// What was missed with words pasted around it.
fn pasted(missed: &[Missed]) -> comfy_table::Table {
    let mut table = show::table(&["words pasted around spam", "missed %", "of the later half"]);
    for one in missed {
        table.add_row([
            one.pasted.to_owned(),
            format!("{:.2}", one.all),
            format!("{:.2}", one.later_half),
        ]);
    }
    table
}

type Row = (&'static str, fn(&Report) -> String);

const ROWS: [Row; 14] = [
    ("messages", |one| {
        format!("{} ({} spam)", one.figures.messages, one.figures.spam)
    }),
    ("not readable", |one| one.unreadable.to_string()),
    ("(1-ROCA)%", |one| figure(one.figures.roca, 4)),
    ("  95 % interval", |one| {
        match (one.figures.roca_low, one.figures.roca_high) {
            (Some(low), Some(high)) => format!("{low:.4} to {high:.4}"),
            _ => "-".to_owned(),
        }
    }),
    ("sm% at hm 0.1 %", |one| figure(one.figures.sm_at_hm_0_1, 2)),
    ("sm% at hm 0.01 %", |one| {
        figure(one.figures.sm_at_hm_0_01, 2)
    }),
    ("hm%", |one| figure(one.figures.hm, 3)),
    ("sm%", |one| figure(one.figures.sm, 3)),
    ("LAM%", |one| figure(one.figures.lam, 3)),
    ("Brier", |one| figure(one.figures.brier, 5)),
    ("ECE", |one| figure(one.figures.ece, 5)),
    ("labels used", |one| one.labels.to_string()),
    ("messages/s", |one| {
        format!("{:.0}", one.messages_per_second)
    }),
    ("peak memory", |one| {
        one.peak_memory_bytes.map_or_else(
            || "-".to_owned(),
            |bytes| format!("{:.0} MB", bytes as f64 / 1e6),
        )
    }),
];

fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}
