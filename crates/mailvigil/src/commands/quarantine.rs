//! `quarantine`: held messages, looked at safely, let out or deleted.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use anyhow::bail;
use comfy_table::Cell;
use engine::{Desk, DeskError, Taught};
use mail::Message;
use store::HeldFilter;

use super::{nothing, record_id};
use crate::cli::{LabelArg, QuarantineCommand};
use crate::config::Config;
use crate::show;

/// Text of one part shown at most, characters.
const TEXT_CHARS_MAX: usize = 4000;

/// One of the `quarantine` commands.
pub async fn run(
    config: &Config,
    desk: &Desk,
    command: QuarantineCommand,
) -> anyhow::Result<ExitCode> {
    match command {
        QuarantineCommand::List {
            all,
            to,
            before,
            limit,
            json,
        } => {
            let before = before.as_deref().map(record_id).transpose()?;
            list(
                desk,
                HeldFilter {
                    all,
                    to,
                    before,
                    limit: limit.clamp(1, 10_000),
                    ..HeldFilter::default()
                },
                json,
            )
            .await
        }
        QuarantineCommand::Show { id, raw, reason } => {
            let reason = reason.unwrap_or_else(|| "shown on the command line".to_owned());
            one(config, desk, &id, raw, &reason).await
        }
        QuarantineCommand::Release { ids, reason } => {
            release(desk, &ids, reason.as_deref().unwrap_or_default()).await
        }
        QuarantineCommand::Delete { ids, reason } => {
            delete(desk, &ids, reason.as_deref().unwrap_or_default()).await
        }
        QuarantineCommand::Teach { label, ids } => teach(desk, label, &ids).await,
        QuarantineCommand::Expire => {
            println!("{} held messages expired.", desk.expire().await?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn list(desk: &Desk, filter: HeldFilter, json: bool) -> anyhow::Result<ExitCode> {
    let items = desk.held_list(&filter).await?;
    if items.is_empty() {
        return Ok(nothing("Nothing is held."));
    }
    if json {
        for item in &items {
            println!("{}", serde_json::to_string(item)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = show::table(&[
        "id", "since", "from", "to", "subject", "score", "state", "came",
    ]);
    for item in &items {
        let to: Vec<&str> = item.recipients.iter().map(mail::Address::as_str).collect();
        let score = item
            .score
            .map(|score| format!("{score:.1}"))
            .unwrap_or_default();
        table.add_row(vec![
            Cell::new(item.id),
            Cell::new(item.at),
            Cell::new(show::short(item.header_from.as_deref().unwrap_or("<>"), 40)),
            Cell::new(show::short(&to.join(", "), 40)),
            Cell::new(show::short(&item.subject, 50)),
            Cell::new(score),
            Cell::new(item.state.as_str()),
            Cell::new(if item.copies > 1 {
                format!("{} times", item.copies)
            } else {
                String::new()
            }),
        ]);
    }
    println!("{table}");
    if items.len() == filter.limit as usize
        && let Some(last) = items.last()
    {
        println!("\nmore: add --before {}", last.id);
    }
    Ok(ExitCode::SUCCESS)
}

/// A held message as text: nothing in it is opened, followed or carried out.
async fn one(
    config: &Config,
    desk: &Desk,
    id: &str,
    raw: bool,
    reason: &str,
) -> anyhow::Result<ExitCode> {
    let id = record_id(id)?;
    let body = match desk.held_source(id, reason).await {
        Err(DeskError::NotFound(_)) => {
            return Ok(nothing(&format!("{id} is not in the quarantine.")));
        }
        body => body?,
    };
    if raw {
        let mut out = std::io::stdout().lock();
        if out.is_terminal() {
            bail!(
                "the exact bytes are not written to a terminal, which they could drive; write `--raw > file`"
            );
        }
        out.write_all(&body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let message = Message::read(&body, &config.limits);
    for header in message.headers.iter().take(200) {
        println!(
            "{}: {}",
            show::safe(&header.name),
            show::short(&header.value, 500)
        );
    }
    for part in &message.parts {
        let name = part
            .file_name
            .as_deref()
            .map(|name| format!(", file {}", show::safe(name)))
            .unwrap_or_default();
        println!(
            "\n── part {}: {}{name}, {} bytes",
            part.path,
            show::safe(&part.content_type),
            part.size_bytes
        );
        if let Some(text) = &part.text {
            for line in text
                .chars()
                .take(TEXT_CHARS_MAX)
                .collect::<String>()
                .lines()
            {
                println!("{}", show::safe(line));
            }
            if text.chars().count() > TEXT_CHARS_MAX {
                println!("… (cut here; the whole with --raw)");
            }
        }
    }
    println!("\nwhy it is held: mailvigil explain {id}");
    Ok(ExitCode::SUCCESS)
}

async fn teach(desk: &Desk, label: LabelArg, ids: &[String]) -> anyhow::Result<ExitCode> {
    let wanted = label == LabelArg::Wanted;
    let mut failed = 0;
    for id in ids {
        let taught = async {
            let record = desk.find_one(id).await?;
            Ok((record.id, desk.teach(record.id, wanted).await?))
        };
        let word = if wanted { "wanted" } else { "unwanted" };
        match taught.await {
            Ok((id, Taught::Learnt)) => println!("{id} is learnt as {word}."),
            Ok((id, Taught::Known)) => println!("{id} was learnt as {word} before."),
            Ok((id, Taught::Noted)) => println!(
                "{id} is noted as {word}; what the learner saw of it is not kept any more ([retention] sights_days), so nothing is learnt from it."
            ),
            Err(error) => failed += complain(&error),
        }
    }
    Ok(outcome(failed))
}

async fn release(desk: &Desk, ids: &[String], reason: &str) -> anyhow::Result<ExitCode> {
    let mut failed = 0;
    for id in ids {
        match desk.release(record_id(id)?, reason).await {
            Ok(released) => {
                let to: Vec<&str> = released
                    .recipients
                    .iter()
                    .map(mail::Address::as_str)
                    .collect();
                println!(
                    "{} released to {}: {}",
                    released.item,
                    show::safe(&to.join(", ")),
                    show::safe(&released.reply)
                );
                for refused in &released.refused {
                    println!("  but not to {}", show::safe(refused));
                }
            }
            Err(error) => failed += complain(&error),
        }
    }
    Ok(outcome(failed))
}

async fn delete(desk: &Desk, ids: &[String], reason: &str) -> anyhow::Result<ExitCode> {
    let mut failed = 0;
    for id in ids {
        match desk.delete(record_id(id)?, reason).await {
            Ok(()) => println!("{} deleted; its summary stays.", show::safe(id)),
            Err(error) => failed += complain(&error),
        }
    }
    Ok(outcome(failed))
}

/// Of many, one that failed makes the command fail.
fn outcome(failed: u32) -> ExitCode {
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn complain(error: &DeskError) -> u32 {
    eprintln!("mailvigil: {}", show::safe(&error.to_string()));
    1
}
