//! `auth standing`, `auth mark`, `auth pin`, `auth wish`: what mail in a domain's name is like, and what is set about it.

use std::process::ExitCode;

use comfy_table::Cell;
use engine::{Desk, DomainFilter, DomainView, Trial};
use judge::standing::View;
use mail::Mark;
use mail::standing::{Counts, Handling, Stage};

use super::policy::{in_words, taken_over};
use crate::cli::{MarkArg, MarkArgs, PinArgs, StageArg, StandingArgs, WishArg, WishArgs};
use crate::show;

/// `auth standing`
pub async fn look(desk: &Desk, args: &StandingArgs) -> anyhow::Result<ExitCode> {
    match &args.domain {
        Some(_) if args.try_blocking => try_blocking(desk, args).await,
        Some(_) => one(desk, args).await,
        None => all(desk, args).await,
    }
}

async fn all(desk: &Desk, args: &StandingArgs) -> anyhow::Result<ExitCode> {
    let filter = DomainFilter {
        name: args.name.clone().unwrap_or_default(),
        limit: args.limit,
        ..DomainFilter::default()
    };
    let page = desk.standings(&filter).await?;
    if page.views.is_empty() {
        return Ok(super::nothing(
            "No such domain is counted apart yet: it takes two messages, and a minute until they are written down.",
        ));
    }
    if args.json {
        for view in &page.views {
            println!("{}", serde_json::to_string(view)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    print_domains(&page.views);
    if page.total > page.views.len() {
        println!("{} of {} domains", page.views.len(), page.total);
    }
    Ok(ExitCode::SUCCESS)
}

async fn one(desk: &Desk, args: &StandingArgs) -> anyhow::Result<ExitCode> {
    let Some(known) = known(desk, args).await? else {
        return Ok(super::nothing(
            "That domain is not counted apart yet: it takes two messages, and a minute until they are written down.",
        ));
    };
    if args.json {
        println!("{}", serde_json::to_string(&known.view)?);
        return Ok(ExitCode::SUCCESS);
    }
    print_domains(std::slice::from_ref(&known.view));
    print_servers(&known.view);
    print_set(&known);
    for switch in known.switches.iter().rev() {
        let act = &switch.act;
        println!("{}  {} → {}: {}", act.at, act.before, act.after, act.reason);
    }
    if !known.advice.is_empty() {
        println!("\nWhat could be mended:");
    }
    for advice in &known.advice {
        println!("  {}", show::safe(&advice.to_string()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The domain asked for; `None` when nothing is known of it.
async fn known(desk: &Desk, args: &StandingArgs) -> anyhow::Result<Option<DomainView>> {
    let Some(domain) = &args.domain else {
        return Ok(None);
    };
    match desk.standing_of(domain).await {
        Ok(known) => Ok(Some(known)),
        Err(engine::DeskError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn print_domains(views: &[View]) {
    let head = [
        "domain",
        "stage",
        "signed share",
        "messages",
        "authentic",
        "unsigned",
        "unauthentic",
        "unknown",
        "forged",
        "servers",
    ];
    let mut table = show::table(&head);
    for view in views {
        let share = view
            .share
            .map(|share| format!("{:.1} % of {}", share.percent, share.counted));
        let mut row = vec![
            Cell::new(&view.domain),
            Cell::new(view.stage),
            Cell::new(share.as_deref().unwrap_or("not known yet")),
        ];
        row.extend(numbers(&view.counts));
        row.push(Cell::new(view.servers.len()));
        table.add_row(row);
    }
    println!("{table}");
}

fn print_servers(view: &View) {
    let head = [
        "server",
        "mark",
        "counts for the share",
        "messages",
        "authentic",
        "unsigned",
        "unauthentic",
        "unknown",
        "forged",
    ];
    let mut table = show::table(&head);
    for server in &view.servers {
        let weight = format!("{:.0} %", server.weight * 100.0);
        let mut row = vec![
            Cell::new(server.server),
            Cell::new(server.mark.as_str()),
            Cell::new(weight),
        ];
        row.extend(numbers(&server.counts));
        table.add_row(row);
    }
    println!("{table}");
}

fn numbers(counts: &Counts) -> [Cell; 6] {
    [
        counts.total,
        counts.authentic,
        counts.unsigned,
        counts.unauthentic,
        counts.unknown,
        counts.forged,
    ]
    .map(Cell::new)
}

fn print_set(known: &DomainView) {
    let set = &known.set;
    let by = known.set_by.as_ref();
    let by = by.map_or_else(String::new, |by| format!(" (policy, for {by})"));
    if let Some(stage) = set.stage {
        println!("pinned to {stage}{by}");
    }
    if let Some(wish) = set.wish {
        println!("no more than {} is wished{by}", wish.as_str());
    }
    for (network, mark) in &set.marks {
        println!("{network} is marked {}{by}", mark.as_str());
    }
    if !known.settings.enforce {
        println!("Nothing is blocked: the policy only reports (standing.enforce = false).");
    }
}

async fn try_blocking(desk: &Desk, args: &StandingArgs) -> anyhow::Result<ExitCode> {
    let Some(domain) = &args.domain else {
        return Ok(super::nothing("Which domain?"));
    };
    let trial = desk.try_blocking(domain).await?;
    if args.json {
        println!("{}", serde_json::to_string(&trial)?);
    } else {
        print_trial(&trial);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_trial(trial: &Trial) {
    println!(
        "Of {} recorded messages {} would be blocked and {} redirected; {} of these were delivered.",
        trial.judged, trial.blocked, trial.redirected, trial.were_delivered
    );
    if trial.without_facts > 0 {
        println!(
            "Of {} more nothing can be said any more.",
            trial.without_facts
        );
    }
    if let Some(since) = trial.since.filter(|_| trial.cut) {
        println!("It stopped at {since}; older mail was not looked at.");
    }
    let mut table = show::table(&["message", "server", "was", "would be", "why"]);
    for one in &trial.messages {
        let server = one.server.map(|ip| ip.to_string()).unwrap_or_default();
        table.add_row(vec![
            one.id.to_string(),
            server,
            one.fate.as_str().to_owned(),
            one.would.as_str().to_owned(),
            show::safe(&one.why.join("; ")),
        ]);
    }
    if !trial.messages.is_empty() {
        println!("{table}");
    }
}

/// `auth mark`
pub async fn mark(desk: &Desk, args: &MarkArgs) -> anyhow::Result<ExitCode> {
    let mark = match args.mark {
        MarkArg::Own => Mark::Own,
        MarkArg::Authorised => Mark::Authorised,
        MarkArg::NotOurs => Mark::NotOurs,
        MarkArg::None => Mark::Unmarked,
    };
    let marked = desk.mark_server(&args.domain, args.network, mark, None, &args.reason);
    in_force(desk, marked.await).await
}

/// `auth pin`
pub async fn pin(desk: &Desk, args: &PinArgs) -> anyhow::Result<ExitCode> {
    let stage = match args.stage {
        StageArg::Observing => Some(Stage::Observing),
        StageArg::ReportOnly => Some(Stage::ReportOnly),
        StageArg::Blocking => Some(Stage::Blocking),
        StageArg::None => None,
    };
    let pinned = desk.pin_stage(&args.domain, stage, None, &args.reason);
    in_force(desk, pinned.await).await
}

/// `auth wish`
pub async fn wish(desk: &Desk, args: &WishArgs) -> anyhow::Result<ExitCode> {
    let wish = match args.wish {
        WishArg::Block => Some(Handling::Block),
        WishArg::Redirect => Some(Handling::Redirect),
        WishArg::Forward => Some(Handling::Forward),
        WishArg::None => None,
    };
    let wished = desk.wish_for(&args.domain, wish, None, &args.reason);
    in_force(desk, wished.await).await
}

async fn in_force(
    desk: &Desk,
    changed: Result<i64, engine::DeskError>,
) -> anyhow::Result<ExitCode> {
    let version = in_words(changed, "with this change")?;
    taken_over(desk, version).await?;
    Ok(ExitCode::SUCCESS)
}
