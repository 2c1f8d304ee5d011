//! `simulate`: how good the watch on users' operations is, in figures anybody can repeat.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use comfy_table::Cell;
use indicatif::{ProgressBar, ProgressStyle};
use mail::Operation;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use watch::simulate::{Plan, Report};
use watch::{Mode, Settings, Watch};

use crate::cli::SimulateArgs;
use crate::show;

/// Operations that are kept, to be told once more against the clock: in the play itself most time goes into inventing them.
const REPLAYED_MAX: usize = 300_000;

/// What is printed.
#[derive(Serialize)]
struct Figures {
    seed: u64,
    #[serde(flatten)]
    report: Report,
    /// Operations counted, looked at and decided about in a second of one processor.
    operations_per_second: f64,
}

/// Plays, prints.
pub fn run(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let settings = args
        .settings
        .as_deref()
        .map_or_else(|| Ok(Settings::in_mode(Mode::Enforce)), read)?;
    let plan = Plan {
        seed: args.seed,
        users: args.users as usize,
        days: args.days,
        attackers: args.attackers,
        passwords_seen: args.passwords_seen,
        ..Plan::default()
    };
    let bar = progress(args, plan.learning_days + plan.days);
    let mut kept = Vec::new();
    let keep = &mut |operation: &Operation| {
        if kept.len() < REPLAYED_MAX {
            kept.push(operation.clone());
        }
    };
    let report = watch::simulate::run(&plan, &settings, keep, &mut |day| {
        bar.set_position(u64::from(day));
    });
    bar.finish_and_clear();
    let figures = Figures {
        seed: args.seed,
        report,
        operations_per_second: rate(&kept, &settings, plan.bytes_max),
    };
    if args.json {
        writeln!(
            std::io::stdout().lock(),
            "{}",
            serde_json::to_string(&figures)?
        )?;
    } else {
        print(&figures)?;
    }
    if args.compare {
        let observed = Settings::in_mode(Mode::Observe);
        let free = watch::simulate::run(&plan, &observed, &mut |_| (), &mut |_| ());
        compare(&figures.report, &free)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Settings of a file; every problem is said, with its line.
fn read(file: &Path) -> anyhow::Result<Settings> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    Settings::parse(&text).map_err(|problems| {
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}:\n  {}", file.display(), said.join("\n  "))
    })
}

/// Tells the operations to a watch that knows nobody yet, by the time this thread was at work.
fn rate(operations: &[Operation], settings: &Settings, bytes_max: usize) -> f64 {
    let mut watch = Watch::new(settings.clone(), bytes_max, 1);
    let started = processor_time();
    for operation in operations {
        watch.apply(operation);
    }
    let busy = processor_time().saturating_sub(started);
    operations.len() as f64 / busy.as_secs_f64().max(1e-6)
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn progress(args: &SimulateArgs, days: u32) -> ProgressBar {
    if args.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} day {pos} of {len}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(u64::from(days)).with_style(style)
}

/// Attackers found and people hurt, beside the others. They saw the play in which nothing acted, so that no attacker was gone before they
/// could notice.
fn compare(ours: &Report, free: &Report) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut heads = vec!["attackers refused", "Mailvigil"];
    heads.extend(free.others.iter().map(|other| other.name));
    let mut table = show::table(&heads);
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    for attack in &ours.attacks {
        let mut row = vec![
            Cell::new(attack.name),
            Cell::new(percent(attack.recall_by_attacker)),
        ];
        for other in &free.others {
            let found = other.found_by_attacker.get(attack.name).copied();
            row.push(Cell::new(percent(found.unwrap_or(0.0))));
        }
        table.add_row(row);
    }
    let mut hurt = vec![
        Cell::new("people hurt, of 10,000 a day"),
        Cell::new(format!("{:.2}", ours.benign_hurt_per_10k_day)),
    ];
    for other in &free.others {
        hurt.push(Cell::new(format!("{:.2}", other.benign_hurt_per_10k_day)));
    }
    table.add_row(hurt);
    writeln!(out, "\n{table}")?;
    Ok(())
}

fn print(figures: &Figures) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let report = &figures.report;
    let mut table = show::table(&[
        "attack",
        "found",
        "refused",
        "precision",
        "after",
        "recipients",
        "named by",
    ]);
    for one in &report.attacks {
        table.add_row(vec![
            Cell::new(one.name),
            Cell::new(format!("{:.0} %", 100.0 * one.recall_by_attacker)),
            Cell::new(format!("{:.0} %", 100.0 * one.refused_by_attacker)),
            Cell::new(format!("{:.1} %", 100.0 * one.precision)),
            Cell::new(
                one.seconds_to_detect
                    .map_or_else(|| "-".to_owned(), |secs| format!("{secs:.0} s")),
            ),
            Cell::new(one.recipients_before_stop),
            Cell::new(one.detectors.join(", ")),
        ]);
    }
    writeln!(out, "{table}")?;
    writeln!(
        out,
        "Of 10,000 people in a day {:.2} were refused or put off though they should not have been, and {:.2} had to wait up to 15 s; \
         owners of stolen accounts: {:.2}.",
        report.benign_hurt_per_10k_day,
        report.benign_waits_per_10k_day,
        report.owners_hurt_per_10k_day,
    )?;
    for (why, many) in &report.hurt_by {
        writeln!(out, "  {many} by {why}")?;
    }
    writeln!(
        out,
        "{} operations of {} user days; {:.0} operations a second; {} KiB held.",
        report.operations,
        report.user_days,
        figures.operations_per_second,
        report.memory_bytes / 1024,
    )?;
    Ok(())
}
