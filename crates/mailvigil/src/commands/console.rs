//! `audit` and `console`: the log of acts as evidence, and the way in for people.

use std::process::ExitCode;

use anyhow::bail;
use engine::Desk;

use super::people;
use crate::cli::{AuditCommand, ConsoleCommand};
use crate::config::Config;
use crate::doors::smtp::SmtpCourier;
use crate::{service, show};

/// Acts read at once for an export.
const PIECE: u32 = 1000;

/// One of the `audit` commands.
pub async fn audit(desk: &Desk, command: AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify { json } => {
            let verified = desk.verify_acts().await?;
            if json {
                println!("{}", serde_json::to_string(&verified)?);
            } else if verified.broken.is_empty() {
                println!(
                    "The log is whole: {} entries, none altered, removed or moved.",
                    verified.entries
                );
                if let Some((seq, hash)) = &verified.head {
                    println!("It ends with entry {seq} {hash}");
                }
            } else {
                println!("The log is NOT what was written:");
                for broken in &verified.broken {
                    println!("  {}", show::safe(broken));
                }
            }
            Ok(if verified.broken.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        AuditCommand::Export => {
            let mut after = 0;
            loop {
                let piece = desk.export_acts(after, PIECE).await?;
                let Some(last) = piece.last() else { break };
                after = last.seq;
                for act in &piece {
                    println!("{}", serde_json::to_string(act)?);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// One of the `console` commands.
pub async fn run(
    config: &Config,
    desk: &Desk,
    command: ConsoleCommand,
) -> anyhow::Result<ExitCode> {
    match command {
        ConsoleCommand::Link { name } => {
            if config.console.listen.is_none() {
                bail!("the console is switched off (console.listen); a link would lead nowhere");
            }
            let gate = service::gate(config, desk.store().clone())?;
            let code = match &name {
                Some(name) => desk.invite_again(&gate, &name.to_lowercase()).await?,
                None => desk.first_link(&gate).await?,
            };
            println!("{}/welcome?code={code}", config.console.url);
            Ok(ExitCode::SUCCESS)
        }
        ConsoleCommand::Digest => {
            let Some(settings) = &config.console.digest else {
                bail!("digests are switched off; set console.digest_every_hours and digest_from");
            };
            let courier = SmtpCourier::new(config);
            let round = desk.send_digests(settings, &courier).await?;
            println!("{} digests sent, {} not.", round.sent, round.refused);
            Ok(ExitCode::SUCCESS)
        }
        ConsoleCommand::People => people::list(desk).await,
        ConsoleCommand::Add { name, part } => {
            let gate = service::gate(config, desk.store().clone())?;
            let code = people::add(desk, &gate, name, part).await?;
            println!("{}/welcome?code={code}", config.console.url);
            Ok(ExitCode::SUCCESS)
        }
        ConsoleCommand::Change {
            name,
            part,
            disabled,
        } => people::change(desk, &name, &part, disabled).await,
        ConsoleCommand::Remove { name } => {
            desk.remove_person(&name).await?;
            println!("{} is removed.", show::safe(&name));
            Ok(ExitCode::SUCCESS)
        }
        ConsoleCommand::RemoveCodes { name } => {
            desk.remove_codes(&name).await?;
            println!("{} logs in without codes now.", show::safe(&name));
            Ok(ExitCode::SUCCESS)
        }
        ConsoleCommand::Requests => people::requests(desk).await,
        ConsoleCommand::Approve(args) => people::decide(desk, &args, true).await,
        ConsoleCommand::Refuse(args) => people::decide(desk, &args, false).await,
    }
}
