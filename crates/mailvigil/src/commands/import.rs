//! `policy import`: rules that were written for another program, taken over into a policy.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use engine::Desk;
use judge::edit::{Edit, apply};
use spamassassin::{LeftOut, Reading, Rules, Source};

use super::policy::{in_words, parse, read_file, taken_over};
use crate::cli::ImportSpamassassinArgs;
use crate::config::Config;
use crate::show;

/// From so many points on SpamAssassin calls mail spam, unless its rules say otherwise.
const REQUIRED_SCORE: f64 = 5.0;

/// Reads the rules, says what became of them, and writes or applies the policy that carries them.
pub async fn spamassassin(
    config: &Config,
    desk: &Desk,
    args: ImportSpamassassinArgs,
) -> anyhow::Result<()> {
    let sources = sources(&args.from, config.limits.policy_bytes_max)?;
    let reading = Rules::read(&sources);
    if reading.rules.is_empty() {
        bail!(
            "no rule was found in {} files; see --details",
            sources.len()
        );
    }
    // What was asked for on standard output is the policy, alone.
    let mut report = report(&reading, sources.len(), args.details);
    let (base, text) = base(config, desk, args.policy.as_deref()).await?;
    let policy = parse(config, &text, "policy that would get the rules")?;
    let first = policy.summary().imported == 0;
    let usual = || {
        let required = reading.required_score.unwrap_or(REQUIRED_SCORE);
        (policy.summary().suspicious / required * 100.0).round() / 100.0
    };
    let weight = args.weight.or_else(|| first.then(usual));
    let edit = Edit::ImportRules {
        rules: reading.written,
        weight,
    };
    let text = apply(&text, &edit).context("the rules cannot be put into the policy")?;
    parse(config, &text, "policy with the rules")?;
    if let Some(weight) = weight {
        report.push_str(&format!("One of their points is worth {weight}.\n"));
    }
    match &args.out {
        Some(file) if file.as_os_str() == "-" => {
            eprint!("{report}");
            std::io::stdout().write_all(text.as_bytes())?;
        }
        Some(file) => {
            print!("{report}");
            std::fs::write(file, text)
                .with_context(|| format!("{} cannot be written", file.display()))?;
            println!("Written to {}.", file.display());
        }
        None if args.apply => {
            print!("{report}");
            let reason = args
                .reason
                .unwrap_or_else(|| "SpamAssassin's rules imported".to_owned());
            let applied = desk.apply_policy(&text, &reason, base).await;
            taken_over(desk, in_words(applied, "with the rules")?).await?;
        }
        None => {
            print!("{report}");
            println!(
                "Nothing was changed: --out FILE writes the policy, --apply puts it in force."
            );
        }
    }
    Ok(())
}

/// The policy that gets the rules, and its version when it is the one in force.
async fn base(
    config: &Config,
    desk: &Desk,
    file: Option<&Path>,
) -> anyhow::Result<(Option<i64>, String)> {
    if let Some(file) = file {
        return Ok((None, read_file(config, file)?.0));
    }
    let (version, text) = desk.active_policy().await?;
    Ok((Some(version).filter(|version| *version > 0), text))
}

/// The texts of files, and of the `*.cf` in folders by name.
fn sources(from: &[PathBuf], bytes_max: usize) -> anyhow::Result<Vec<Source>> {
    let mut left = bytes_max;
    let mut sources = Vec::new();
    for path in from {
        let unreadable = || format!("{} cannot be read", path.display());
        let files = if path.is_dir() {
            let mut files = Vec::new();
            for entry in std::fs::read_dir(path).with_context(unreadable)? {
                files.push(entry.with_context(unreadable)?.path());
            }
            files.retain(|file| file.extension().is_some_and(|ending| ending == "cf"));
            files.sort();
            files
        } else {
            vec![path.clone()]
        };
        if files.is_empty() {
            bail!("{} holds no file named *.cf", path.display());
        }
        for file in files {
            let mut text = Vec::new();
            let opened = std::fs::File::open(&file);
            opened
                .and_then(|opened| opened.take(left as u64 + 1).read_to_end(&mut text))
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let rest = left.checked_sub(text.len());
            left = rest.with_context(|| {
                format!("the rules have more than {bytes_max} bytes (limits.policy_bytes_max)")
            })?;
            let name = file.file_name().unwrap_or(file.as_os_str());
            sources.push(Source {
                name: show::safe(&name.to_string_lossy()),
                text,
            });
        }
    }
    Ok(sources)
}

/// What was taken, and what was left out by reason; with details each with its place.
fn report(reading: &Reading, files: usize, details: bool) -> String {
    let rules = &reading.rules;
    let mut report = format!(
        "{} rules taken from {files} files: {} with points, {} parts of others; {} have a pattern that goes back and is stopped after a number of steps.\n",
        rules.len(),
        rules.scored(),
        rules.len() - rules.scored(),
        rules.budgeted(),
    );
    let mut classes: BTreeMap<&str, Vec<&LeftOut>> = BTreeMap::new();
    for left in &reading.left_out {
        classes.entry(left.reason.class()).or_default().push(left);
    }
    if classes.is_empty() {
        return report;
    }
    let mut table = show::table(&["left out", "lines", "for example"]);
    for (class, left) in &classes {
        let examples: Vec<String> = left
            .iter()
            .take(3)
            .map(|left| format!("{} ({})", left.what, left.place))
            .collect();
        table.add_row(vec![
            (*class).to_owned(),
            left.len().to_string(),
            show::short(&examples.join(", "), 100),
        ]);
    }
    report.push_str(&format!("{table}\n"));
    if details {
        for left in &reading.left_out {
            let line = format!("{}: {} {}", left.place, left.what, left.reason);
            report.push_str(&show::short(&line, 300));
            report.push('\n');
        }
    }
    report
}
