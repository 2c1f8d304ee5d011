//! `messages`, `explain`, `acts`: looking at what happened.

use std::process::ExitCode;

use anyhow::Context;
use engine::{Desk, DeskError};
use mail::{Fate, Level, Record, Timestamp};
use store::{ActFilter, Query};

use super::nothing;
use crate::cli::{ActsArgs, ExplainArgs, FateArg, LevelArg, MessagesArgs};
use crate::show;

/// `messages`: a page of records, newest first.
pub async fn list(desk: &Desk, args: &MessagesArgs) -> anyhow::Result<ExitCode> {
    let query = query(args)?;
    let records = desk.store().find(&query).await?;
    if records.is_empty() {
        return Ok(nothing(
            "No such message: no mail server that asks Mailvigil has handed it over in the time the records cover.\n\
             (Mail that passed while nobody judged it is found with --fate unscanned.)",
        ));
    }
    if args.json {
        // A search leaves the facts out; a program gets the whole record.
        for record in records {
            let whole = desk.store().get(record.id).await?.unwrap_or(record);
            println!("{}", serde_json::to_string(&whole)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = show::table(&[
        "id", "when", "from", "to", "subject", "became", "level", "why",
    ]);
    for record in &records {
        table.add_row(row(record));
    }
    println!("{table}");
    if records.len() == args.limit as usize
        && let Some(last) = records.last()
    {
        println!("\nmore: add --before {}", last.id);
    }
    Ok(ExitCode::SUCCESS)
}

fn row(record: &Record) -> Vec<comfy_table::Cell> {
    use comfy_table::Cell;
    let envelope = &record.envelope;
    let from = record
        .header_from
        .clone()
        .or_else(|| envelope.envelope_from.as_ref().map(ToString::to_string));
    let to = match envelope.recipients.as_slice() {
        [] => String::new(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    };
    let (level, why) = match &record.verdict {
        Some(verdict) => (show::level(verdict.level), show::why(verdict, 60)),
        None => (
            Cell::new("?"),
            show::short(record.note.as_deref().unwrap_or_default(), 60),
        ),
    };
    vec![
        Cell::new(record.id),
        Cell::new(record.at),
        Cell::new(show::short(&from.unwrap_or_else(|| "<>".to_owned()), 40)),
        Cell::new(show::short(&to, 40)),
        Cell::new(show::short(&record.subject, 50)),
        Cell::new(record.fate.as_str()),
        level,
        Cell::new(why),
    ]
}

/// `explain`: the story of one message.
pub async fn explain(desk: &Desk, args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let record = match desk.find_one(&args.id).await {
        Ok(record) => record,
        Err(DeskError::NotFound(what)) => {
            return Ok(nothing(&format!(
                "Nothing is known of {what}: it was never seen here, or its time of keeping is over."
            )));
        }
        Err(error) => return Err(error.into()),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&record)?);
    } else {
        print!("{}", show::story(&record));
        let changes = desk.changes(&record).await?;
        if !changes.is_empty() {
            print!("\nwhat would have changed it\n{}", show::changes(&changes));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `acts`: what administrators did.
pub async fn acts(desk: &Desk, args: &ActsArgs) -> anyhow::Result<ExitCode> {
    let filter = ActFilter {
        who: args.who.clone(),
        act: args.act.clone(),
        target: args.on.clone(),
        limit: args.limit,
        ..ActFilter::default()
    };
    let acts = desk.acts(&filter).await?;
    if acts.is_empty() {
        return Ok(nothing("No administrator has done such a thing."));
    }
    if args.json {
        for act in &acts {
            println!("{}", serde_json::to_string(act)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = show::table(&[
        "when", "who", "from", "act", "on", "before", "after", "reason",
    ]);
    for act in &acts {
        let act = &act.act;
        let cells = [
            &act.who,
            &act.from,
            &act.act,
            &act.target,
            &act.before,
            &act.after,
            &act.reason,
        ];
        let mut row = vec![act.at.to_string()];
        row.extend(cells.map(|cell| show::short(cell, 60)));
        table.add_row(row);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

fn query(args: &MessagesArgs) -> anyhow::Result<Query> {
    let message_id = args
        .message_id
        .as_deref()
        .map(|id| id.trim_start_matches('<').trim_end_matches('>').to_owned());
    let before = args.before.as_deref().map(super::record_id).transpose()?;
    Ok(Query {
        address: args.address.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        ip: args.ip,
        subject: args.subject.clone(),
        message_id,
        queue_id: args.queue_id.clone(),
        account: args.account.clone(),
        server: args.server.clone(),
        fate: args.fate.map(fate),
        level: args.level.map(level),
        reason: args.reason.clone(),
        since: args.since.as_deref().map(time).transpose()?,
        until: args.until.as_deref().map(time).transpose()?,
        before,
        scope: Vec::new(),
        limit: args.limit.clamp(1, 10_000),
    })
}

/// A point in time as people type it.
pub fn time(text: &str) -> anyhow::Result<Timestamp> {
    if let Some(at) = Timestamp::parse(text) {
        return Ok(at);
    }
    let back = || {
        let unit = text.chars().last()?;
        let number: i64 = text[..text.len() - unit.len_utf8()]
            .parse()
            .ok()
            .filter(|number| *number >= 0)?;
        let secs = match unit {
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        Some(engine::clock::now().plus_secs(-number.checked_mul(secs)?))
    };
    back().with_context(|| format!("{text:?} is no time; write 2026-11-23, 2026-11-23T10:00:00Z, or 90m, 24h, 7d for a span back from now"))
}

const fn fate(fate: FateArg) -> Fate {
    match fate {
        FateArg::Delivered => Fate::Delivered,
        FateArg::Quarantined => Fate::Quarantined,
        FateArg::Discarded => Fate::Discarded,
        FateArg::Rejected => Fate::Rejected,
        FateArg::Deferred => Fate::Deferred,
        FateArg::Failed => Fate::Failed,
        FateArg::Unscanned => Fate::Unscanned,
    }
}

const fn level(level: LevelArg) -> Level {
    match level {
        LevelArg::Ordinary => Level::Ordinary,
        LevelArg::Suspicious => Level::Suspicious,
        LevelArg::Dangerous => Level::Dangerous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_type_them() {
        assert!(time("2026-11-23").is_ok());
        let hour = engine::clock::now().micros_since(time("1h").expect("a span"));
        assert!((3_599_000_000..3_601_000_000).contains(&hour), "{hour}");
        for wrong in [
            "",
            "h",
            "-1h",
            "1y",
            "yesterday",
            "9999999999999999999d",
            "1ü",
        ] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
