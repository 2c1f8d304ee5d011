//! `auth domain`: what a domain publishes about its mail, what is wrong with it, and what to do next.

use std::process::ExitCode;

use anyhow::bail;
use engine::lookup::Published;
use engine::{Desk, DeskError};
use mail::Known;

use crate::cli::DomainArgs;
use crate::config::Config;
use crate::show;

/// `auth domain NAME`
pub async fn run(config: &Config, desk: &Desk, args: &DomainArgs) -> anyhow::Result<ExitCode> {
    let Some(resolver) = config.authenticity.resolver(&config.limits)? else {
        bail!("there is no DNS server to ask: set dns.servers");
    };
    let view = match desk.standing_of(&args.domain).await {
        Ok(known) => Some(known.view),
        // Nobody sent mail in its name yet; what it publishes can be looked at all the same.
        Err(DeskError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let view = view.as_ref();
    let mut selectors = args.selectors.clone();
    let ours = config
        .authenticity
        .keys
        .iter()
        .filter(|key| key.domain == args.domain);
    selectors.extend(ours.map(|key| key.selector.clone()));
    selectors.extend(
        view.into_iter()
            .flat_map(|view| &view.keys)
            .map(|key| key.selector.clone()),
    );
    selectors.sort_unstable();
    selectors.dedup();
    let published = resolver
        .published(&args.domain, &selectors, engine::clock::now())
        .await;
    let next = published.remedies();
    if args.json {
        println!(
            "{}",
            serde_json::json!({ "published": published, "standing": view, "next": next.iter().map(ToString::to_string).collect::<Vec<_>>() })
        );
        return Ok(ExitCode::SUCCESS);
    }
    print(&published);
    if let Some(view) = view {
        let share = view
            .share
            .map(|share| format!("{:.1} % of {} signed", share.percent, share.counted));
        println!(
            "  here          {} messages, stage {}, {}",
            view.counts.total,
            view.stage,
            share.unwrap_or_else(|| "share not known yet".to_owned())
        );
    }
    println!("\nNext:");
    if next.is_empty() {
        println!("  nothing: all that could be looked at is in order");
    }
    for step in &next {
        println!("  - {}", show::safe(&step.to_string()));
    }
    Ok(ExitCode::SUCCESS)
}

fn print(published: &Published) {
    println!(
        "{} (organisation {})",
        published.domain, published.organisation
    );
    let line = |name: &str, value: &str| println!("  {name:<14}{}", show::safe(value));
    line("MX", &told(&published.mx));
    line("SPF", &told(&published.spf));
    let check = &published.spf_check;
    if published.spf.yes().is_some() {
        line(
            "",
            &format!(
                "{} of 10 look-ups, {} of 2 void",
                check.lookups, check.void_lookups
            ),
        );
    }
    match &published.dmarc {
        Ok(policy) => {
            line("DMARC", &format!("{} at {}", policy.record, policy.domain));
            line("", &format!("asks {} for this domain", policy.published));
        }
        Err(None) => line("DMARC", "none"),
        Err(Some(why)) => line("DMARC", why),
    }
    for key in &published.keys {
        let what = match &key.bits {
            Some(Ok(bits)) => format!("{bits} bits"),
            Some(Err(why)) => why.clone(),
            None => told(&key.records),
        };
        line("key", &format!("{}: {what}", key.selector));
    }
    line("TLS reports", &told(&published.tls_reports));
    line("MTA-STS", &told(&published.mta_sts));
}

fn told(known: &Known<Vec<String>>) -> String {
    match known {
        Known::Yes(texts) => texts.join("; "),
        Known::Absent => "none".to_owned(),
        Known::Unavailable(why) => format!("not known: {why}"),
        Known::NotAsked => "not asked".to_owned(),
    }
}
