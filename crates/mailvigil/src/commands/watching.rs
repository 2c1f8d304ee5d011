//! `account`, `ip`, `address`, `decisions`, `detections`, `watch`: what users do, and what is done about it.

use std::process::ExitCode;

use anyhow::{Context, bail};
use comfy_table::Cell;
use engine::clock::now;
use engine::{
    Concerned, DecisionView, Desk, Happening, Identity, Moment, WatchFilter, allowed, named,
    read_allowed,
};
use mail::operation::{Act, Administer, Fault, List, LoginOutcome, Reply, Said};
use mail::{Account, Address, Operation};
use watch::{Author, DETECTORS, Scope};

use super::messages::time;
use crate::cli::{
    AddArgs, DecisionsCommand, DetectionsArgs, ListArgs, RemoveArgs, WatchCommand, WhoArgs,
};
use crate::config::Config;
use crate::show;

/// Which kind of somebody a command asks for.
pub enum Kind {
    Account,
    Ip,
    Address,
}

/// `account …`, `ip …`, `address …`
pub async fn timeline(config: &Config, kind: Kind, args: &WhoArgs) -> anyhow::Result<ExitCode> {
    let desk = super::desk(config).await?;
    let who = args.who.trim();
    let identity = match kind {
        Kind::Account => Identity::Account(account(config, who)?),
        Kind::Ip => Identity::Ip(
            who.parse()
                .with_context(|| format!("{:?} is no IP address", show::safe(who)))?,
        ),
        Kind::Address => Identity::Address(
            Address::new(who).with_context(|| format!("{:?} is no address", show::safe(who)))?,
        ),
    };
    let since = Some(time(&args.since)?);
    let moments = desk.timeline(&identity, since, None, args.limit).await?;
    if moments.is_empty() {
        return Ok(super::nothing(&format!(
            "Nothing is known of {} since {}. Has a server been connected? See docs/watching.md.",
            show::safe(who),
            args.since
        )));
    }
    if args.json {
        for moment in &moments {
            println!("{}", serde_json::to_string(moment)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let standing = desk.stands_about(&identity).await?;
    if !standing.is_empty() {
        println!("What stands:");
        for view in &standing {
            let decision = &view.decision;
            let words = format!(
                "{}: {}, until {}, by {}: {}",
                named(&decision.scope),
                decided(view),
                decision.expires,
                author(&decision.author),
                decision.reason
            );
            println!("  {}", show::safe(&words));
        }
        println!();
    }
    let mut table = show::table(&["when", "what", "", "from"]);
    let mut rows = moments.iter().map(row).peekable();
    while let Some((at, what, words, from)) = rows.next() {
        // The same again and again is one line.
        let mut times = 1;
        while rows
            .next_if(|next| (&next.1, &next.2, &next.3) == (&what, &words, &from))
            .is_some()
        {
            times += 1;
        }
        let times = if times > 1 {
            format!(" ({times} times)")
        } else {
            String::new()
        };
        table.add_row(vec![
            Cell::new(at),
            Cell::new(what),
            Cell::new(show::safe(&words) + &times),
            Cell::new(show::safe(&from)),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

fn account(config: &Config, name: &str) -> anyhow::Result<Account> {
    Account::within(
        name,
        config.watch.domain.as_ref(),
        config.limits.address_bytes_max,
    )
    .context("an account's name is not empty")
}

/// When, what kind of thing, what in words, from where.
fn row(moment: &Moment) -> (mail::Timestamp, String, String, String) {
    let (what, words, from) = match &moment.what {
        Happening::Operation(operation) => (
            "did".to_owned(),
            operation_in_words(operation),
            match (operation.source.ip, operation.source.place.yes()) {
                (Some(ip), Some(place)) => format!("{ip} ({place})"),
                (Some(ip), None) => ip.to_string(),
                (None, _) => String::new(),
            },
        ),
        Happening::Message(record) => {
            let level = record
                .verdict
                .as_ref()
                .map_or("not judged", |verdict| verdict.level.as_str());
            let to: Vec<String> = record
                .envelope
                .recipients
                .iter()
                .take(3)
                .map(Address::key)
                .collect();
            let more = record.envelope.recipients.len().saturating_sub(3);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let sender = record
                .envelope
                .envelope_from
                .as_ref()
                .map_or_else(|| "<>".to_owned(), Address::key);
            (
                format!("mail, {}", record.fate.as_str()),
                format!(
                    "{level}: {sender} to {}{more}: {}",
                    to.join(", "),
                    record.subject
                ),
                record
                    .envelope
                    .peer
                    .ip
                    .map(|ip| ip.to_string())
                    .unwrap_or_default(),
            )
        }
        Happening::Detection(seen) => (
            "seen".to_owned(),
            seen.words.clone(),
            seen.ip.clone().unwrap_or_default(),
        ),
        Happening::Decision(view) => (
            decided(view),
            format!("{}: {}", named(&view.decision.scope), view.decision.reason),
            author(&view.decision.author),
        ),
    };
    (moment.at, what, words, from)
}

/// A decision's step, and how it is with it.
fn decided(view: &DecisionView) -> String {
    let step = view.decision.step.name();
    let state = if view.decision.held_back.is_some() {
        "held back"
    } else if view.decision.simulated {
        "only observed"
    } else if view.ended.is_some() {
        "ended"
    } else if view.stands(now()) {
        "stands"
    } else {
        "over"
    };
    format!("{step}, {state}")
}

fn author(of: &Author) -> String {
    match of {
        Author::Detector(id) => id.clone(),
        Author::Person(name) => name.clone(),
    }
}

/// An operation as a person would say it.
pub fn operation_in_words(operation: &Operation) -> String {
    let protocol = engine_word(&operation.protocol);
    let what = match &operation.act {
        Act::Login(login) => match login.outcome {
            LoginOutcome::Succeeded => match &login.into {
                Some(into) => format!("logged in as master user, into {into}"),
                None => "logged in".to_owned(),
            },
            LoginOutcome::Failed(why) => format!("login failed ({})", engine_word(&why)),
        },
        Act::Send(sent) => format!(
            "sent {} bytes to {} recipients{}",
            sent.size_bytes,
            sent.recipients.len(),
            if sent.taken { "" } else { ", not taken" }
        ),
        Act::Reply(Reply::Delivered) => "mail arrived".to_owned(),
        Act::Reply(Reply::NoSuchRecipient) => "mail came back: no such recipient".to_owned(),
        Act::Reply(Reply::CalledSpam) => "mail came back: called spam".to_owned(),
        Act::Retrieve(read) => format!("read {} messages, {} bytes", read.messages, read.bytes),
        Act::Reply(Reply::Complained) => "a reader complained".to_owned(),
        Act::List(List { folders: 0, .. }) => "searched".to_owned(),
        Act::List(list) => format!("looked into {} folders", list.folders),
        Act::Append(append) => format!(
            "put in {} messages, {} bytes",
            append.messages, append.bytes
        ),
        Act::Fault(fault) => match fault {
            Fault::Loitered => "came and went without doing anything",
            Fault::Cleartext => "offered a password where none may be offered",
            Fault::Foreign => "spoke another protocol",
            Fault::Early => "spoke out of turn",
            Fault::Malformed => "sent too many wrong commands",
            Fault::Hasty => "came too often",
            Fault::Denied => "reached for what it has no right to",
        }
        .to_owned(),
        Act::Delete(deleted) => format!("deleted {} messages", deleted.messages),
        Act::Administer(Administer::Forward { target, ours }) => format!(
            "mail is sent on to {}{}",
            target.key(),
            if *ours { "" } else { ", elsewhere" }
        ),
        Act::Administer(Administer::Hide { .. }) => "a rule hides mail".to_owned(),
        Act::Administer(Administer::Other) => "folders or rules were changed".to_owned(),
        Act::Probe { recipient, said } => {
            let said = match said {
                Said::Exists => "there is",
                Said::Unknown => "there is not",
                Said::RelayDenied => "is not ours",
            };
            format!("asked for {}, which {said}", recipient.key())
        }
        Act::Control => "kept a session going".to_owned(),
    };
    format!("{protocol}: {what}")
}

/// A unit variant as it is written.
fn engine_word(of: &impl serde::Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// `decisions …`
pub async fn decisions(config: &Config, command: DecisionsCommand) -> anyhow::Result<ExitCode> {
    let desk = super::desk(config).await?;
    match command {
        DecisionsCommand::List(args) => list(config, &desk, &args).await,
        DecisionsCommand::Add(args) => add(config, &desk, &args).await,
        DecisionsCommand::Remove(args) => remove(config, &desk, &args).await,
    }
}

async fn list(config: &Config, desk: &Desk, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let filter = WatchFilter {
        who: who(config, args.account.as_deref(), args.ip)?,
        standing_at: (!args.all).then(now),
        limit: args.limit,
        ..WatchFilter::default()
    };
    let views = desk.decisions(&filter).await?;
    if views.is_empty() {
        return Ok(super::nothing("Nothing stands."));
    }
    let mut table = show::table(&["id", "about", "step", "until", "by", "why"]);
    for view in &views {
        if args.json {
            println!("{}", serde_json::to_string(view)?);
            continue;
        }
        let decision = &view.decision;
        let why = match &decision.held_back {
            Some(held_back) => format!("{} (held back: {held_back})", decision.reason),
            None => decision.reason.clone(),
        };
        table.add_row(vec![
            Cell::new(decision.id),
            Cell::new(show::safe(&named(&decision.scope))),
            Cell::new(decided(view)),
            Cell::new(decision.expires),
            Cell::new(show::safe(&author(&decision.author))),
            Cell::new(show::safe(&why)),
        ]);
    }
    if !args.json {
        println!("{table}");
    }
    Ok(ExitCode::SUCCESS)
}

fn who(
    config: &Config,
    name: Option<&str>,
    ip: Option<std::net::IpAddr>,
) -> anyhow::Result<Concerned> {
    let account = name.map(|name| account(config, name)).transpose()?;
    Ok(Concerned {
        account: account.map(|account| account.as_str().to_owned()),
        ip: ip.map(|ip| ip.to_canonical().to_string()),
        mailbox: None,
    })
}

fn scope(
    config: &Config,
    name: Option<&str>,
    ip: Option<std::net::IpAddr>,
) -> anyhow::Result<Scope> {
    let account = name.map(|name| account(config, name)).transpose()?;
    Ok(match (ip.map(|ip| ip.to_canonical()), account) {
        (Some(ip), Some(account)) => Scope::Pair(ip, account),
        (Some(ip), None) => Scope::Source(ip),
        (None, Some(account)) => Scope::Account(account),
        (None, None) => bail!("name --account, --ip, or both"),
    })
}

async fn add(config: &Config, desk: &Desk, args: &AddArgs) -> anyhow::Result<ExitCode> {
    let scope = scope(config, args.account.as_deref(), args.ip)?;
    let secs = args.span.as_deref().map(span).transpose()?;
    let heard = desk
        .decide_about(scope.clone(), args.step, secs, &args.reason)
        .await?;
    println!("{}: {}", show::safe(&named(&scope)), args.step.name());
    say_heard(heard);
    Ok(ExitCode::SUCCESS)
}

async fn remove(config: &Config, desk: &Desk, args: &RemoveArgs) -> anyhow::Result<ExitCode> {
    let (about, heard) = match &args.id {
        Some(id) => {
            let (decision, heard) = desk
                .undo_decision(super::record_id(id)?, &args.reason)
                .await?;
            (named(&decision.scope), heard)
        }
        None => {
            let scope = scope(config, args.account.as_deref(), args.ip)?;
            (named(&scope), desk.undo(scope, &args.reason).await?)
        }
    };
    println!(
        "{}: nothing stands any more, and what was counted is forgotten",
        show::safe(&about)
    );
    say_heard(heard);
    Ok(ExitCode::SUCCESS)
}

fn say_heard(heard: bool) {
    if !heard {
        eprintln!("No service has heard it yet: it holds as soon as one runs.");
    }
}

/// `30m`, `2h`, `3d`, in seconds.
fn span(text: &str) -> anyhow::Result<i64> {
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        Some(b'd') => 86_400,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    match number.parse::<i64>() {
        Ok(number) if unit > 0 && number > 0 => Ok(number.saturating_mul(unit)),
        _ => bail!("{:?} is no span: write 30m, 2h or 3d", show::safe(text)),
    }
}

/// `detections`
pub async fn detections(config: &Config, args: &DetectionsArgs) -> anyhow::Result<ExitCode> {
    let desk = super::desk(config).await?;
    if let Some(id) = &args.detector
        && !DETECTORS.iter().any(|detector| detector.id == id)
    {
        let ids: Vec<&str> = DETECTORS.iter().map(|detector| detector.id).collect();
        bail!(
            "there is no detector {:?}; there are {}",
            show::safe(id),
            ids.join(", ")
        );
    }
    let filter = WatchFilter {
        who: who(config, args.account.as_deref(), args.ip)?,
        what: args.detector.clone(),
        since: Some(time(&args.since)?),
        limit: args.limit,
        ..WatchFilter::default()
    };
    let views = desk.detections(&filter).await?;
    if views.is_empty() {
        return Ok(super::nothing("Nothing was seen."));
    }
    let mut table = show::table(&["when", "account", "from", "what", "score"]);
    for view in &views {
        if args.json {
            println!("{}", serde_json::to_string(view)?);
            continue;
        }
        let account = view.account.as_deref().or(view.mailbox.as_deref());
        let acts = if view.acts { "" } else { ", not sure enough" };
        table.add_row(vec![
            Cell::new(view.id.at()),
            Cell::new(show::safe(account.unwrap_or_default())),
            Cell::new(show::safe(view.ip.as_deref().unwrap_or_default())),
            Cell::new(show::safe(&view.words)),
            Cell::new(format!("{:.2}{acts}", view.score)),
        ]);
    }
    if !args.json {
        println!("{table}");
    }
    Ok(ExitCode::SUCCESS)
}

/// `watch …`
pub async fn watch(config: &Config, command: WatchCommand) -> anyhow::Result<ExitCode> {
    let desk = super::desk(config).await?;
    match command {
        WatchCommand::Show { text: true } => print!("{}", desk.watch_settings().await?.0),
        WatchCommand::Show { text: false } => show_settings(&desk).await?,
        WatchCommand::Apply { file, reason } => {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            if let Err(problems) = watch::Settings::parse(&text) {
                bail!(crate::Problems {
                    what: format!("settings {}", file.display()),
                    lines: problems.iter().map(ToString::to_string).collect(),
                });
            }
            let heard = desk.change_watch_settings(&text, &reason).await?;
            println!("The watch goes by these settings.");
            say_heard(heard);
        }
        WatchCommand::Allow { whom, span, reason } => {
            let whom = read_whom(config, &whom)?;
            let until = match span {
                Some(text) => Some(now().plus_secs(self::span(&text)?)),
                None => None,
            };
            let heard = desk.allow_watched(whom.clone(), until, &reason).await?;
            println!("Nothing is done about {}.", show::safe(&allowed(&whom)));
            say_heard(heard);
        }
        WatchCommand::Disallow { whom, reason } => {
            let whom = read_whom(config, &whom)?;
            let heard = desk.disallow_watched(whom.clone(), &reason).await?;
            println!("{} is watched like everybody.", show::safe(&allowed(&whom)));
            say_heard(heard);
        }
        WatchCommand::Allowed => {
            let list = desk.allowances().await?;
            if list.is_empty() {
                return Ok(super::nothing("Nobody is allowed everything."));
            }
            let mut table = show::table(&["whom", "by", "until", "why"]);
            for one in &list {
                let until = one.until.map(|until| until.to_string());
                table.add_row(vec![
                    Cell::new(show::safe(&allowed(&one.whom))),
                    Cell::new(show::safe(&one.author)),
                    Cell::new(until.unwrap_or_default()),
                    Cell::new(show::safe(&one.reason)),
                ]);
            }
            println!("{table}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read_whom(config: &Config, text: &str) -> anyhow::Result<watch::Allowed> {
    read_allowed(text, |name| account(config, name).ok())
        .with_context(|| format!("{:?} is no network, address or account", show::safe(text)))
}

async fn show_settings(desk: &Desk) -> anyhow::Result<()> {
    let (_, settings) = desk.watch_settings().await?;
    if !settings.enforce {
        println!("enforce = false: everything passes, and what would be done is written down.\n");
    }
    println!(
        "Findings about an account freeze its mail when they add up to {}. Detectors act once a node has looked on for {} days. \
         While the site is attacked, thresholds of guessing fall to one in {} at most.\n",
        settings.freeze_at, settings.observe_days, settings.attack_factor
    );
    let own: Vec<&str> = settings.accounts().collect();
    if !own.is_empty() {
        let names = own.iter().map(|name| show::safe(name)).collect::<Vec<_>>();
        println!(
            "With settings of their own (`mailvigil watch show --text`): {}\n",
            names.join(", ")
        );
    }
    let mut table = show::table(&["detector", "mode", "thresholds", "steps", "meaning"]);
    for (detector, setting) in DETECTORS.iter().zip(&settings.detectors) {
        let values: Vec<String> = detector
            .knobs
            .iter()
            .zip(&setting.values)
            .map(|(knob, value)| format!("{} {value}", knob.name))
            .collect();
        let steps: Vec<&str> = setting.steps.iter().map(|step| step.name()).collect();
        table.add_row(vec![
            Cell::new(detector.id),
            Cell::new(engine_word(&setting.mode)),
            Cell::new(values.join("\n")),
            Cell::new(steps.join("\n")),
            Cell::new(detector.meaning),
        ]);
    }
    println!("{table}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans() {
        assert_eq!(span("30m").ok(), Some(1800));
        assert_eq!(span("2h").ok(), Some(7200));
        assert_eq!(span("3d").ok(), Some(259_200));
        for wrong in [
            "",
            "m",
            "0m",
            "-1h",
            "5",
            "é",
            "5é",
            "99999999999999999999d",
        ] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
