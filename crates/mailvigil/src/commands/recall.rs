//! `recall`: delivered copies called back.

use std::process::ExitCode;

use comfy_table::Cell;
use engine::Desk;

use super::{nothing, record_id};
use crate::cli::{RecallCommand, TakeArgs};
use crate::show;

/// Does what was asked.
pub async fn run(desk: &Desk, command: RecallCommand) -> anyhow::Result<ExitCode> {
    match command {
        RecallCommand::Take(args) => take(desk, &args).await,
        RecallCommand::List {
            message,
            limit,
            json,
        } => list(desk, message.as_deref(), limit, json).await,
        RecallCommand::Back { message, reason } => {
            let record = desk.find_one(&message).await?.id;
            let copies = desk.put_back(record, &reason).await?;
            println!(
                "{copies} copies are put back within seconds; `recall list` says what came of it."
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn take(desk: &Desk, args: &TakeArgs) -> anyhow::Result<ExitCode> {
    let copies = match &args.campaign {
        Some(name) => desk.recall_campaign(record_id(name)?, &args.reason).await?,
        None => {
            let mut records = Vec::new();
            for name in &args.messages {
                records.push(desk.find_one(name).await?.id);
            }
            desk.recall(&records, &args.reason).await?
        }
    };
    if copies == 0 {
        return Ok(nothing(
            "All copies are called back already; see `recall list`.",
        ));
    }
    println!("{copies} copies are called back within seconds; `recall list` says what came of it.");
    Ok(ExitCode::SUCCESS)
}

async fn list(
    desk: &Desk,
    message: Option<&str>,
    limit: u32,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mut recalls = match message {
        Some(name) => desk.recalls_of(desk.find_one(name).await?.id).await?,
        None => desk.recalls(limit).await?,
    };
    recalls.truncate(limit as usize);
    if recalls.is_empty() {
        return Ok(nothing("Nothing was called back."));
    }
    if json {
        for one in &recalls {
            println!("{}", serde_json::to_string(one)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = show::table(&["asked", "mailbox", "state", "said", "by", "why", "message"]);
    for one in &recalls {
        table.add_row([
            Cell::new(one.asked),
            Cell::new(show::safe(&one.mailbox)),
            Cell::new(one.state.as_str()),
            Cell::new(show::safe(&one.said)),
            Cell::new(show::safe(&one.who)),
            Cell::new(show::safe(&one.reason)),
            Cell::new(one.record),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}
