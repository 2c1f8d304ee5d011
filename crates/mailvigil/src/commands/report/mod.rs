//! `report …`: what others tell about our domains, and what we tell them.

use std::process::ExitCode;

use anyhow::Context;
use comfy_table::Cell;
use engine::{Desk, Dispatch, ReportFilter, SourceView};

use super::messages::time;
use crate::cli::{
    ReportAboutArgs, ReportArgs, ReportCommand, ReportListArgs, SendArgs, UsageArgs, UsageFormat,
};
use crate::config::Config;
use crate::doors::smtp::SmtpCourier;
use crate::show;

mod shown;

const DAY_SECS: i64 = 86_400;

/// `report …`
pub async fn run(config: &Config, command: ReportCommand) -> anyhow::Result<ExitCode> {
    // Files are shown without any store.
    let command = match command {
        ReportCommand::Show(args) => return shown::all(config, &args),
        command => command,
    };
    let desk = super::desk(config).await?;
    match command {
        ReportCommand::Show(args) => shown::all(config, &args),
        ReportCommand::Import(args) => import(&desk, &args).await,
        ReportCommand::List(args) => list(&desk, &args).await,
        ReportCommand::Dmarc(args) => dmarc(&desk, &args).await,
        ReportCommand::Tls(args) => tls(&desk, &args).await,
        ReportCommand::Usage(args) => usage(config, &desk, &args).await,
        ReportCommand::Send(args) => send(config, &desk, &args).await,
    }
}

/// Keeps each file; one that is no report is named, and the others are kept all the same.
async fn import(desk: &Desk, args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let mut refused = 0;
    for file in &args.files {
        let name = show::safe(&file.display().to_string());
        let bytes = std::fs::read(file).with_context(|| format!("{name} cannot be read"));
        let kept = match bytes {
            Ok(bytes) => desk.import_report(bytes).await.map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        match kept {
            Ok((report, _, kept)) if args.json => {
                let kept = kept.as_str();
                println!(
                    "{}",
                    serde_json::json!({ "file": name, "kind": report.kind(), "kept": kept })
                );
            }
            Ok((_, _, engine::Kept::New)) => println!("{name}: kept"),
            Ok((_, _, engine::Kept::Known)) => println!("{name}: was kept before"),
            Ok((_, _, engine::Kept::Full)) => {
                refused += 1;
                eprintln!("{name}: not kept: more came in a day than limits.reports_per_day_max");
            }
            Ok((_, _, engine::Kept::TooLarge)) => {
                refused += 1;
                eprintln!("{name}: not kept: larger than limits.report_kept_bytes_max");
            }
            Err(error) => {
                refused += 1;
                eprintln!("{name}: {error:#}");
            }
        }
    }
    Ok(if refused > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn list(desk: &Desk, args: &ReportListArgs) -> anyhow::Result<ExitCode> {
    let filter = ReportFilter {
        limit: args.limit,
        bodies: args.json,
        ..ReportFilter::default()
    };
    let rows = desk.reports(&filter).await?;
    if rows.is_empty() {
        return Ok(none());
    }
    let mut table = show::table(&["came", "kind", "about", "by", "from", "to", "trusted"]);
    for row in rows {
        if args.json {
            let says: serde_json::Value = serde_json::from_str(&row.body)?;
            let line = serde_json::json!({
                "id": row.id, "kind": row.kind, "domain": row.domain, "reporter": row.reporter, "begin": row.begin, "end": row.end,
                "trusted": row.trusted, "report": says,
            });
            println!("{line}");
            continue;
        }
        table.add_row(vec![
            Cell::new(row.id.at()),
            Cell::new(row.kind),
            Cell::new(show::safe(&row.domain)),
            Cell::new(show::safe(&row.reporter)),
            Cell::new(row.begin),
            Cell::new(row.end),
            Cell::new(if row.trusted { "yes" } else { "no" }),
        ]);
    }
    if !args.json {
        println!("{table}");
    }
    Ok(ExitCode::SUCCESS)
}

fn none() -> ExitCode {
    super::nothing(
        "No report is kept. Name the mailbox of your domains' rua as reports.inbox, or take files in with `report import`.",
    )
}

async fn dmarc(desk: &Desk, args: &ReportAboutArgs) -> anyhow::Result<ExitCode> {
    let views = desk
        .sources(args.domain.as_ref(), time(&args.since)?)
        .await?;
    if views.is_empty() {
        return Ok(none());
    }
    let mut table = show::table(&[
        "domain", "machine", "messages", "DKIM", "SPF", "failed", "stopped", "last", "told by",
    ]);
    for view in &views {
        if args.json {
            println!("{}", serde_json::to_string(view)?);
            continue;
        }
        table.add_row(source(view));
    }
    if !args.json {
        println!("{table}");
    }
    Ok(ExitCode::SUCCESS)
}

fn source(view: &SourceView) -> Vec<Cell> {
    let reporters: Vec<&str> = view.reporters.iter().map(String::as_str).collect();
    vec![
        Cell::new(show::safe(&view.domain)),
        Cell::new(view.ip),
        Cell::new(view.messages),
        Cell::new(view.by_dkim),
        Cell::new(view.by_spf),
        Cell::new(view.failed),
        Cell::new(view.stopped),
        Cell::new(view.last),
        Cell::new(show::safe(&reporters.join(", "))),
    ]
}

async fn tls(desk: &Desk, args: &ReportAboutArgs) -> anyhow::Result<ExitCode> {
    let views = desk
        .tls_of(args.domain.as_ref(), time(&args.since)?)
        .await?;
    if views.is_empty() {
        return Ok(none());
    }
    let mut table = show::table(&[
        "domain",
        "well",
        "failed",
        "what was in the way",
        "server",
        "sessions",
    ]);
    for view in &views {
        if args.json {
            println!("{}", serde_json::to_string(view)?);
            continue;
        }
        let head = [
            show::safe(&view.domain),
            view.successful.to_string(),
            view.failed.to_string(),
        ];
        table.add_row(head.map(Cell::new));
        for (kind, server, sessions) in &view.failures {
            let empty = [String::new(), String::new(), String::new()];
            let row = empty.into_iter().chain([
                show::safe(kind),
                show::safe(server),
                sessions.to_string(),
            ]);
            table.add_row(row.map(Cell::new));
        }
    }
    if !args.json {
        println!("{table}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn usage(config: &Config, desk: &Desk, args: &UsageArgs) -> anyhow::Result<ExitCode> {
    let reporter = Some(config.reports.organisation.as_str()).filter(|name| !name.is_empty());
    let report = desk
        .usage(&args.domain, reporter.unwrap_or(&config.node))
        .await?;
    let Some(report) = report else {
        return Ok(super::nothing(
            "That domain is not counted apart yet: it takes two messages, and a minute until they are written down.",
        ));
    };
    let text = match args.format {
        UsageFormat::Csv => report.to_csv(),
        UsageFormat::Html => report.to_html(),
        UsageFormat::Json => report.to_json(),
    };
    println!("{}", text.trim_end());
    Ok(ExitCode::SUCCESS)
}

async fn send(config: &Config, desk: &Desk, args: &SendArgs) -> anyhow::Result<ExitCode> {
    let settings = &config.reports;
    if settings.from.is_none() {
        anyhow::bail!(
            "reports.from is not set: say who reports come from, as in from = \"reports@example.org\""
        );
    }
    if let Some(day) = &args.show_day {
        let day = mail::Timestamp::parse(day)
            .with_context(|| format!("{day:?} is no day such as 2026-11-23"))?;
        return show_day(config, desk, day.secs().div_euclid(DAY_SECS)).await;
    }
    let resolver = config.authenticity.resolver(&config.limits)?;
    let courier = SmtpCourier::new(config);
    let dispatch = Dispatch {
        settings,
        resolver: resolver.as_deref(),
        courier: &courier,
    };
    let letters = desk.send_due_reports(dispatch).await?;
    println!("{} sent, {} were sent before", letters.sent, letters.known);
    for why in letters.refused.iter().chain(&letters.later) {
        println!("not sent: {}", show::safe(why));
    }
    Ok(if letters.later.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the owners of domains are told about a day, or would be.
async fn show_day(config: &Config, desk: &Desk, day: i64) -> anyhow::Result<ExitCode> {
    let settings = &config.reports;
    let reports = desk.reports_of_day(settings, day).await?;
    let sessions = if settings.tls {
        let resolver = config.authenticity.resolver(&config.limits)?;
        desk.sessions_of_day(settings, resolver.as_deref(), day)
            .await?
    } else {
        Vec::new()
    };
    if reports.is_empty() && sessions.is_empty() {
        return Ok(super::nothing("Of that day there is nothing to report."));
    }
    if !reports.is_empty() {
        let mut table = show::table(&["domain", "rows", "messages", "authentic", "wanted at"]);
        for (domain, report, wanted) in &reports {
            table.add_row(vec![
                Cell::new(domain),
                Cell::new(report.rows.len()),
                Cell::new(report.messages()),
                Cell::new(report.passed()),
                Cell::new(show::safe(&wanted.join(", "))),
            ]);
        }
        println!("{table}");
    }
    if !sessions.is_empty() {
        let mut table = show::table(&[
            "mail to",
            "encrypted",
            "not encrypted",
            "what was in the way",
            "wanted at",
        ]);
        for (domain, report, wanted) in &sessions {
            let failures = report.policies.iter().flat_map(|policy| &policy.failures);
            let mut kinds: Vec<String> = failures.map(|one| one.kind.clone().into()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            table.add_row(vec![
                Cell::new(domain),
                Cell::new(report.successful()),
                Cell::new(report.failed()),
                Cell::new(show::safe(&kinds.join(", "))),
                Cell::new(show::safe(&wanted.join(", "))),
            ]);
        }
        println!("{table}");
    }
    Ok(ExitCode::SUCCESS)
}
