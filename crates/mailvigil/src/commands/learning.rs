//! `learn`: what is said of mail for the learner, and what came of it.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use comfy_table::Cell;
use engine::learn::Standing;
use engine::{Desk, LessonFilter, LessonView, Teacher};
use indicatif::{ProgressBar, ProgressStyle};
use mail::learnt::OBSERVED_MIN;
use tokio::runtime::Handle;

use super::messages::time;
use super::nothing;
use crate::cli::{Command, LearnArgs, LearnCommand, LessonArgs, LogArgs};
use crate::{imap, input, show};

/// Messages entered together, and bytes of them held in memory.
const TOGETHER: usize = 200;
const TOGETHER_BYTES: usize = 32 << 20;
/// Campaigns shown.
const CAMPAIGNS: u32 = 100;
/// How long a door may take; a user waits for it who has moved a message.
const DOOR_PATIENCE: Duration = Duration::from_secs(10);

/// Does what was asked.
pub async fn run(desk: &Desk, command: LearnCommand) -> anyhow::Result<ExitCode> {
    match command {
        LearnCommand::Status { json } => status(desk, json).await,
        LearnCommand::Wanted(args) => learn(desk, &args, true),
        LearnCommand::Unwanted(args) => learn(desk, &args, false),
        LearnCommand::Questions { limit, json } => questions(desk, limit, json).await,
        LearnCommand::Campaigns { name: None, json } => campaigns(desk, json).await,
        LearnCommand::Campaigns {
            name: Some(name),
            json,
        } => campaign(desk, &name, json).await,
        LearnCommand::Log(args) => log(desk, &args).await,
        LearnCommand::TakeBack(args) => {
            let filter = filter(desk, &args.which, 0).await?;
            let count = desk.take_back(&filter, &args.reason).await?;
            println!(
                "{count} lessons are taken back; every node learns the others anew within seconds."
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// `learn … --door`: hands messages to a running service, which needs neither our configuration nor our data.
pub fn by_door(command: &Command) -> Option<anyhow::Result<ExitCode>> {
    let (args, path) = match command {
        Command::Learn(LearnCommand::Wanted(args)) => (args, "learnham"),
        Command::Learn(LearnCommand::Unwanted(args)) => (args, "learnspam"),
        _ => return None,
    };
    let door = args.door.as_ref()?;
    Some(hand_over(
        args,
        &format!("{}/{path}", door.trim_end_matches('/')),
    ))
}

fn hand_over(args: &LearnArgs, url: &str) -> anyhow::Result<ExitCode> {
    let secret = match &args.secret_file {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?,
        None => String::new(),
    };
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(DOOR_PATIENCE))
        .http_status_as_error(false)
        .build()
        .new_agent();
    let who = args.reported_by.as_deref().unwrap_or_default();
    let mut handed = 0;
    messages(args, &mail::Limits::default(), &mut |name, raw| {
        let raw = raw.with_context(|| show::safe(name))?;
        let mut request = agent.post(url).header("User", who);
        if !secret.trim().is_empty() {
            request = request.header("Password", secret.trim());
        }
        let answer = request.send(&raw[..]);
        let mut answer = answer.with_context(|| format!("{url} does not answer"))?;
        if !answer.status().is_success() {
            let why = answer.body_mut().read_to_string().unwrap_or_default();
            anyhow::bail!("{url} answers {}: {}", answer.status(), show::safe(&why));
        }
        handed += 1;
        Ok(())
    })?;
    if handed == 0 {
        return Ok(nothing("No message was found there."));
    }
    println!("{handed} messages are handed over.");
    Ok(ExitCode::SUCCESS)
}

async fn status(desk: &Desk, json: bool) -> anyhow::Result<ExitCode> {
    let learner = desk.learner().await?;
    if json {
        println!("{}", serde_json::to_string(&learner)?);
        return Ok(ExitCode::SUCCESS);
    }
    if !learner.in_use {
        println!("The policy in force does not ask the learner ([learning] use = false).");
    }
    let Some(state) = learner.state else {
        return Ok(nothing(
            "Nothing was learnt yet. Say what mail was: `mailvigil learn unwanted FILE…`, `mailvigil quarantine teach`, or the console.",
        ));
    };
    let summary = &state.summary;
    let [wanted, unwanted] = summary.trusted;
    println!("{}", standing(summary.standing));
    println!("labels by trusted people   {wanted} wanted, {unwanted} unwanted");
    let [wanted, unwanted] = summary.reported;
    println!("labels reported by users   {wanted} wanted, {unwanted} unwanted");
    if summary.classes.len() > 2 {
        let classes = summary.classes.iter().map(|(name, unwanted, messages)| {
            let kind = if *unwanted { "unwanted" } else { "wanted" };
            format!("{} ({kind}, {messages})", show::safe(name))
        });
        let classes: Vec<String> = classes.collect();
        println!("classes                    {}", classes.join(", "));
    }
    for proven in &summary.proven {
        println!(
            "proven                     at most {} % of wanted mail scores above {:.2} ({} messages, risk {} %)",
            proven.ham_share * 100.0,
            proven.score,
            proven.ham,
            proven.risk * 100.0
        );
    }
    if summary.passed_over > 0 {
        println!(
            "passed over                {} labels of users who had more than their part",
            summary.passed_over
        );
    }
    if let Some(at) = summary.alarmed {
        println!(
            "alarm                      at {at} trusted labels began to contradict what was learnt"
        );
    }
    if let Some(shifted) = state.shifted {
        println!(
            "scores shifted             at {} all mail began to score otherwise (index {:.2}): other mail, or something else was learnt",
            shifted.at, shifted.index
        );
    }
    println!(
        "learnt up to lesson        {} (told at {})",
        summary.place, state.at
    );
    Ok(ExitCode::SUCCESS)
}

fn standing(standing: Standing) -> String {
    match standing {
        Standing::Observing {
            ham_missing,
            spam_missing,
        } => format!(
            "Observing: it adds nothing to verdicts until trusted people have labelled {OBSERVED_MIN} messages of each kind; {ham_missing} wanted and {spam_missing} unwanted are missing."
        ),
        Standing::Tagging => {
            "Tagging: it adds to scores, and nothing is proven of it yet.".to_owned()
        }
        Standing::Certified(threshold) => format!(
            "Certified: at most {} % of wanted mail is hit, proven on {} messages.",
            threshold.ham_share * 100.0,
            threshold.ham
        ),
    }
}

/// The messages in files and on servers, in the order in which they are named.
fn messages(args: &LearnArgs, limits: &mail::Limits, each: input::Each<'_>) -> anyhow::Result<()> {
    let login = imap::Login {
        password_file: args.imap_password_file.clone(),
        ca: args.imap_ca.clone(),
    };
    for path in &args.paths {
        match path.to_str().filter(|text| imap::Place::is_one(text)) {
            Some(text) => imap::messages(text, &login, limits, each)?,
            None => input::messages(std::slice::from_ref(path), limits.message_bytes_max, each)?,
        }
    }
    Ok(())
}

/// Learns files, some at a time; what cannot be read is told and left out.
fn learn(desk: &Desk, args: &LearnArgs, wanted: bool) -> anyhow::Result<ExitCode> {
    let teacher = Teacher {
        trusted: args.reported_by.is_none(),
        source: "files",
        who: args
            .reported_by
            .clone()
            .unwrap_or_else(|| desk.author().who.clone()),
        class: args.class.clone(),
    };
    let bar = progress();
    let (mut waiting, mut bytes, mut learnt) = (Vec::new(), 0, 0);
    let enter = |waiting: &mut Vec<Vec<u8>>| {
        tokio::task::block_in_place(|| {
            let entered = Handle::current().block_on(desk.learn(waiting, wanted, &teacher));
            waiting.clear();
            entered
        })
    };
    messages(args, desk.limits(), &mut |name, raw| {
        match raw {
            Ok(raw) => {
                bar.inc(1);
                bytes += raw.len();
                waiting.push(raw);
                if waiting.len() >= TOGETHER || bytes >= TOGETHER_BYTES {
                    learnt += enter(&mut waiting)?;
                    bytes = 0;
                }
            }
            Err(error) => {
                bar.suspend(|| eprintln!("{}: not learnt: {error:#}", show::safe(name)));
            }
        }
        Ok(())
    })?;
    learnt += enter(&mut waiting)?;
    bar.finish_and_clear();
    if learnt == 0 {
        return Ok(nothing("No message was found there."));
    }
    let word = if wanted { "wanted" } else { "unwanted" };
    println!("{learnt} messages are learnt as {word}.");
    Ok(ExitCode::SUCCESS)
}

fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} messages, {per_sec}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

async fn questions(desk: &Desk, limit: u32, json: bool) -> anyhow::Result<ExitCode> {
    let asked = desk.questions(limit).await?;
    if asked.is_empty() {
        return Ok(nothing("Nothing is asked at the moment."));
    }
    if json {
        for one in &asked {
            let line = serde_json::json!({ "question": one.question, "record": one.record });
            println!("{line}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = show::table(&["id", "at", "unwanted?", "why", "from", "subject"]);
    for one in &asked {
        let record = &one.record;
        table.add_row([
            Cell::new(record.id),
            Cell::new(record.at),
            Cell::new(format!("{:.0} %", one.question.probability * 100.0)),
            Cell::new(&one.question.why),
            Cell::new(show::safe(record.header_from.as_deref().unwrap_or("-"))),
            Cell::new(show::safe(&record.subject)),
        ]);
    }
    println!("{table}");
    println!("answer: mailvigil quarantine teach wanted|unwanted ID…");
    Ok(ExitCode::SUCCESS)
}

async fn campaigns(desk: &Desk, json: bool) -> anyhow::Result<ExitCode> {
    let campaigns = desk.campaigns(CAMPAIGNS).await?;
    if campaigns.is_empty() {
        return Ok(nothing("No text came five times within a day."));
    }
    if json {
        for one in &campaigns {
            let line =
                serde_json::json!({ "campaign": one.row, "first": one.first, "said": one.said });
            println!("{line}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = show::table(&[
        "name", "last", "messages", "sources", "said", "from", "subject",
    ]);
    for one in &campaigns {
        table.add_row([
            Cell::new(one.row.name),
            Cell::new(one.row.last.at()),
            Cell::new(one.row.messages),
            Cell::new(one.row.sources),
            Cell::new(one.said.as_deref().unwrap_or("-")),
            Cell::new(show::safe(one.first.header_from.as_deref().unwrap_or("-"))),
            Cell::new(show::safe(&one.first.subject)),
        ]);
    }
    println!("{table}");
    println!(
        "who got one: mailvigil learn campaigns NAME; what it is: mailvigil quarantine teach wanted|unwanted NAME"
    );
    Ok(ExitCode::SUCCESS)
}

async fn campaign(desk: &Desk, name: &str, json: bool) -> anyhow::Result<ExitCode> {
    let members = desk.campaign(super::record_id(name)?).await?;
    if json {
        for record in &members {
            println!("{}", serde_json::to_string(record)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = show::table(&["id", "at", "fate", "from", "to", "subject"]);
    for record in &members {
        let to: Vec<&str> = record
            .envelope
            .recipients
            .iter()
            .map(mail::Address::as_str)
            .collect();
        table.add_row([
            Cell::new(record.id),
            Cell::new(record.at),
            Cell::new(record.fate.as_str()),
            Cell::new(show::safe(record.header_from.as_deref().unwrap_or("-"))),
            Cell::new(show::safe(&to.join(", "))),
            Cell::new(show::safe(&record.subject)),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

async fn log(desk: &Desk, args: &LogArgs) -> anyhow::Result<ExitCode> {
    let lessons = desk
        .lessons(&filter(desk, &args.which, args.limit).await?)
        .await?;
    if lessons.is_empty() {
        return Ok(nothing("No such lesson."));
    }
    if args.json {
        for lesson in &lessons {
            println!("{}", serde_json::to_string(lesson)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = show::table(&[
        "lesson", "at", "label", "trust", "by", "sender", "message", "",
    ]);
    for lesson in &lessons {
        let message = lesson
            .record
            .map_or_else(|| "-".to_owned(), |id| id.to_string());
        table.add_row([
            Cell::new(lesson.seq),
            Cell::new(lesson.at),
            Cell::new(if lesson.class.is_empty() {
                lesson.label.clone()
            } else {
                format!("{}: {}", lesson.label, show::safe(&lesson.class))
            }),
            Cell::new(&lesson.trust),
            Cell::new(format!("{} ({})", show::safe(&lesson.who), lesson.source)),
            Cell::new(show::safe(lesson.sender.as_deref().unwrap_or("-"))),
            Cell::new(message),
            Cell::new(fate(lesson)),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

fn fate(lesson: &LessonView) -> String {
    match &lesson.taken_back {
        Some((who, at)) => format!("taken back by {} at {at}", show::safe(who)),
        None if lesson.learnt => String::new(),
        None => "only noted".to_owned(),
    }
}

async fn filter(desk: &Desk, args: &LessonArgs, limit: u32) -> anyhow::Result<LessonFilter> {
    let record = match &args.message {
        Some(name) => Some(desk.find_one(name).await?.id),
        None => None,
    };
    Ok(LessonFilter {
        record,
        who: args.who.clone(),
        sender: args.sender.as_ref().map(|sender| sender.to_lowercase()),
        source: args.source.clone(),
        since: args.since.as_deref().map(time).transpose()?,
        until: args.until.as_deref().map(time).transpose()?,
        limit,
        ..LessonFilter::default()
    })
}
