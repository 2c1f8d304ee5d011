//! `policy`: show, export, apply, compare, roll back, test.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use engine::{Desk, DeskError};
use judge::Policy;
use judge::edit::ListEntry;
use mail::Level;

use super::import;
use crate::cli::{AllowArgs, ImportCommand, PolicyCommand, ScanArgs};
use crate::config::Config;
use crate::{Problems, show};

/// How long a running service may take to judge by a new version.
const TAKEOVER: Duration = Duration::from_secs(5);

/// One of the `policy` commands.
pub async fn run(config: &Config, desk: &Desk, command: PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Show => show_active(config, desk).await?,
        PolicyCommand::Export { shipped: true, .. } => print!("{}", judge::DEFAULT_POLICY),
        PolicyCommand::Export {
            version: Some(version),
            ..
        } => print!("{}", desk.policy_text(version).await?),
        PolicyCommand::Export { version: None, .. } => print!("{}", desk.active_policy().await?.1),
        PolicyCommand::Apply { file, reason, base } => {
            let (text, _) = read_file(config, &file)?;
            let applied = desk
                .apply_policy(&text, reason.as_deref().unwrap_or_default(), base)
                .await;
            let version = in_words(applied, &file.display().to_string())?;
            taken_over(desk, version).await?;
        }
        PolicyCommand::Rollback { version, reason } => {
            let reason = reason.unwrap_or_else(|| format!("back to version {version}"));
            let new = in_words(
                desk.roll_back(version, &reason).await,
                &format!("version {version}"),
            )?;
            taken_over(desk, new).await?;
        }
        PolicyCommand::Diff { from, to } => return diff(desk, &from, to.as_deref()).await,
        PolicyCommand::History => history(desk).await?,
        PolicyCommand::Import(ImportCommand::Spamassassin(args)) => {
            import::spamassassin(config, desk, args).await?;
        }
        PolicyCommand::Test { policy, messages } => {
            return test(config, desk, policy.as_deref(), messages).await;
        }
        PolicyCommand::WhatIf { file, since, json } => {
            let (text, _) = read_file(config, &file)?;
            let replay = desk.what_if(&text, super::messages::time(&since)?).await?;
            if json {
                println!("{}", serde_json::to_string(&replay)?);
            } else {
                print!("{}", show::replay(&replay));
            }
        }
        PolicyCommand::Allow(args) => allow(desk, args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads and checks a policy file; problems end the program with all of them.
pub fn read_file(config: &Config, file: &Path) -> anyhow::Result<(String, Policy)> {
    let limit = config.limits.policy_bytes_max as u64 + 1;
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().take(limit).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(limit).read_to_string(&mut text))
    };
    read.with_context(|| format!("the policy {} cannot be read", file.display()))?;
    let policy = parse(config, &text, &format!("policy {}", file.display()))?;
    Ok((text, policy))
}

/// Checks a policy text.
pub fn parse(config: &Config, text: &str, what: &str) -> anyhow::Result<Policy> {
    Policy::parse(text, &config.limits).map_err(|problems| {
        let lines = problems.iter().map(ToString::to_string).collect();
        Problems {
            what: what.to_owned(),
            lines,
        }
        .into()
    })
}

/// A refused policy with all its reasons.
pub(super) fn in_words(applied: Result<i64, DeskError>, what: &str) -> anyhow::Result<i64> {
    applied.map_err(|error| match error {
        DeskError::Policy(problems) => Problems {
            what: format!("policy {what}"),
            lines: problems.iter().map(ToString::to_string).collect(),
        }
        .into(),
        DeskError::Examples(failed) => {
            let lines = failed
                .iter()
                .map(|failed| format!("example {:?}: {}", failed.name, failed.what))
                .collect();
            Problems {
                what: format!("policy {what} (nothing was changed)"),
                lines,
            }
            .into()
        }
        other => other.into(),
    })
}

/// Waits until every living node judges by the version, and says so.
pub(super) async fn taken_over(desk: &Desk, version: i64) -> anyhow::Result<()> {
    println!("Version {version} is in force.");
    let started = Instant::now();
    loop {
        let nodes = desk.nodes().await?;
        let behind: Vec<&str> = nodes
            .iter()
            .filter(|(_, said)| said.policy_version < version)
            .map(|(name, _)| name.as_str())
            .collect();
        if nodes.is_empty() {
            println!("No service runs; the next one to start judges by it.");
            return Ok(());
        }
        if behind.is_empty() {
            let names: Vec<&str> = nodes.iter().map(|(name, _)| name.as_str()).collect();
            println!(
                "Taken over by {} after {:.1} s: the next message is judged by it.",
                names.join(", "),
                started.elapsed().as_secs_f64()
            );
            return Ok(());
        }
        if started.elapsed() > TAKEOVER {
            println!(
                "Not yet taken over by {}; see its log, or `mailvigil policy show` there.",
                behind.join(", ")
            );
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Enters a sender into the list of allowed ones.
async fn allow(desk: &Desk, args: AllowArgs) -> anyhow::Result<()> {
    let entry = ListEntry {
        value: args.sender,
        from: args.from,
        account: args.account,
        for_: args.for_,
        expires: args.expires,
        unguarded: args.unguarded,
        ..ListEntry::default()
    };
    let reason = args.reason.unwrap_or_default();
    let allowed = desk.allow_sender(&entry, &reason).await;
    let version = in_words(allowed, "with this entry")?;
    taken_over(desk, version).await
}

async fn show_active(config: &Config, desk: &Desk) -> anyhow::Result<()> {
    let (version, text) = desk.active_policy().await?;
    let summary = parse(config, &text, &format!("policy version {version}"))?.summary();
    println!("policy version {version}\n");
    let mut table = show::table(&["level", "from score", "action"]);
    let bounds = [
        "",
        &format!("{:.1}", summary.suspicious),
        &format!("{:.1}", summary.dangerous),
    ]
    .map(str::to_owned);
    for ((level, from), action) in [Level::Ordinary, Level::Suspicious, Level::Dangerous]
        .into_iter()
        .zip(bounds)
        .zip(&summary.actions)
    {
        table.add_row(vec![
            show::level(level),
            from.into(),
            action.to_string().into(),
        ]);
    }
    println!(
        "{table}\n({} exceptions for directions, recipients or accounts)\n",
        summary.exceptions
    );
    let mut table = show::table(&["rule", "effect", "means"]);
    for (name, text, effect, enabled) in &summary.rules {
        let effect = if *enabled {
            effect.clone()
        } else {
            format!("off ({effect})")
        };
        table.add_row(vec![name.clone(), effect, text.clone()]);
    }
    println!("{table}\n");
    let mut table = show::table(&["signal", "weight", "means"]);
    for (id, weight, text) in &summary.signals {
        table.add_row(vec![
            (*id).to_owned(),
            format!("{weight:+.1}"),
            (*text).to_owned(),
        ]);
    }
    println!("{table}\n");
    let named = |pairs: &[(String, usize)]| {
        pairs
            .iter()
            .map(|(name, count)| format!("{name} ({count})"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    println!(
        "sets: {}\nlists: {}\nSpamAssassin's rules: {}\nexamples: {}",
        named(&summary.sets),
        named(&summary.lists),
        summary.imported,
        summary.examples
    );
    Ok(())
}

async fn history(desk: &Desk) -> anyhow::Result<()> {
    let mut table = show::table(&["version", "from", "when", "who", "why"]);
    for version in desk.policy_history(1000).await? {
        let base = version
            .base
            .map(|base| base.to_string())
            .unwrap_or_default();
        table.add_row(vec![
            version.version.to_string(),
            base,
            version.at.to_string(),
            show::safe(&version.author),
            show::short(&version.reason, 80),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// A version by its number, or a file.
async fn side(desk: &Desk, name: &str) -> anyhow::Result<(String, String)> {
    if let Ok(version) = name.parse::<i64>() {
        return Ok((
            format!("version {version}"),
            desk.policy_text(version).await?,
        ));
    }
    let text = std::fs::read_to_string(name).with_context(|| {
        format!("{name:?} is neither a version number nor a file that can be read")
    })?;
    Ok((name.to_owned(), text))
}

async fn diff(desk: &Desk, from: &str, to: Option<&str>) -> anyhow::Result<ExitCode> {
    let (from, old) = side(desk, from).await?;
    let (to, new) = if let Some(to) = to {
        side(desk, to).await?
    } else {
        let (version, text) = desk.active_policy().await?;
        (format!("version {version}"), text)
    };
    let diff = judge::diff::unified(&old, &new, &from, &to);
    if diff.is_empty() {
        println!("{from} and {to} are the same.");
    } else {
        print!("{diff}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks a policy and its examples; messages named are judged by it.
async fn test(
    config: &Config,
    desk: &Desk,
    file: Option<&Path>,
    messages: Vec<std::path::PathBuf>,
) -> anyhow::Result<ExitCode> {
    let (name, policy) = if let Some(file) = file {
        (file.display().to_string(), read_file(config, file)?.1)
    } else {
        let (version, text) = desk.active_policy().await?;
        (
            format!("version {version}"),
            parse(config, &text, &format!("policy version {version}"))?,
        )
    };
    let count = policy.summary().examples;
    let failed = policy.failed_examples(&config.limits);
    for failed in &failed {
        println!("FAILED  {}: {}", failed.name, failed.what);
    }
    println!(
        "Policy {name} is well-formed; {} of its {count} examples come out as it says.",
        count - failed.len()
    );
    if !messages.is_empty() {
        let args = ScanArgs {
            paths: messages,
            json: false,
            policy: file.map(Path::to_path_buf),
            reasons: true,
            ip: None,
            verify: false,
        };
        super::scan::run(config, &args).await?;
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(3)
    })
}
