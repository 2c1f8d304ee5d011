//! `auth domain`: what a domain publishes about its mail, what is wrong with it, and what to do next.

use std::process::ExitCode;

use anyhow::bail;
use engine::lookup::Published;
use engine::{Desk, DeskError};
use mail::Known;
use mail::authentication::{Disposition, SpfResult};

use crate::cli::DomainArgs;
use crate::config::Config;
use crate::show;

/// Look-ups of an SPF record from which on one more include may be too many; RFC 7208 §4.6.4 allows ten.
const SPF_LOOKUPS_NEAR: u32 = 9;
/// Bits a key should have (RFC 8301 §3.2).
const KEY_BITS_WANTED: u32 = 2_048;
/// Bits of an Ed25519 key, which is short and strong.
const ED25519_BITS: u32 = 256;

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
    let next = next(&published);
    if args.json {
        println!(
            "{}",
            serde_json::json!({ "published": published, "standing": view, "next": next })
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
        println!("  - {}", show::safe(step));
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

/// What its owner can do next, the most important first.
fn next(published: &Published) -> Vec<String> {
    let mut steps = Vec::new();
    match &published.spf {
        Known::Absent => steps.push(
            "publish an SPF record that names the machines that send, and ends in -all or ~all"
                .to_owned(),
        ),
        Known::Yes(records) if records.len() > 1 => {
            steps.push("there are several SPF records, so none counts: make them one".to_owned());
        }
        Known::Yes(_) | Known::Unavailable(_) | Known::NotAsked => {}
    }
    let check = &published.spf_check;
    if let (SpfResult::PermError, Some(problem)) = (check.result, &check.problem) {
        steps.push(format!("mend the SPF record: {problem}"));
    } else if check.lookups >= SPF_LOOKUPS_NEAR {
        steps.push(format!(
            "the SPF record takes {} look-ups of 10: one include more and it is broken for everybody",
            check.lookups
        ));
    }
    if check.result == SpfResult::Pass {
        steps.push("the SPF record lets anybody send: an unused machine passes it".to_owned());
    }
    steps.extend(published.keys.iter().filter_map(|key| match &key.bits {
        Some(Ok(ED25519_BITS)) => None,
        Some(Ok(bits)) if *bits < KEY_BITS_WANTED => Some(format!(
            "the key {} has {bits} bits: make one of {KEY_BITS_WANTED} (`mailvigil dkim rotate`)",
            key.selector
        )),
        Some(Err(why)) => Some(format!("the key {} is of no use: {why}", key.selector)),
        Some(Ok(_)) => None,
        None if key.records == Known::Absent => {
            Some(format!("nothing is published for the key {}", key.selector))
        }
        None => None,
    }));
    match &published.dmarc {
        Err(None) => steps.push(format!(
            "publish a DMARC policy: _dmarc.{} TXT \"v=DMARC1; p=none; rua=mailto:dmarc@{}\"",
            published.domain, published.domain
        )),
        Err(Some(why)) => steps.push(format!("mend the DMARC record: {why}")),
        Ok(policy) => {
            if policy.aggregate_to.is_empty() {
                steps.push("name an address for reports in the DMARC record (rua=), so that you hear who sends as you".to_owned());
            }
            if policy.published == Disposition::None {
                steps.push("the DMARC policy asks nothing (p=none): when reports show that your own mail passes, ask for quarantine, then reject".to_owned());
            }
            if policy.testing {
                steps.push("the DMARC policy is marked as being tested (t=y)".to_owned());
            }
        }
    }
    if matches!(published.mx, Known::Yes(_)) {
        if published.tls_reports == Known::Absent {
            steps.push(format!(
                "ask for TLS reports: _smtp._tls.{} TXT \"v=TLSRPTv1; rua=mailto:tls@{}\"",
                published.domain, published.domain
            ));
        }
        if published.mta_sts == Known::Absent {
            steps.push("publish an MTA-STS policy (RFC 8461) or TLSA records (RFC 7672), so that mail to you cannot be sent in the clear".to_owned());
        }
    }
    steps
}
