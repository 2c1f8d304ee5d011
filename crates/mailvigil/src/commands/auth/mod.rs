//! `auth`: who really sent a message, and what mail in a domain's name is like; `dkim` beside it.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use engine::lookup::{Verifier, results};
use mail::{Authentication, Envelope, Message};
use tokio::runtime::Handle;

use super::standing;
use crate::cli::{AuthCommand, CheckArgs};
use crate::config::Config;
use crate::{input, show};

pub mod dkim;
mod domain;

/// `auth …`
pub async fn auth(config: &Config, command: AuthCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuthCommand::Check(args) => check(config, &args),
        AuthCommand::Standing(args) => standing::look(&super::desk(config).await?, &args).await,
        AuthCommand::Mark(args) => standing::mark(&super::desk(config).await?, &args).await,
        AuthCommand::Pin(args) => standing::pin(&super::desk(config).await?, &args).await,
        AuthCommand::Wish(args) => standing::wish(&super::desk(config).await?, &args).await,
        AuthCommand::Domain(args) => domain::run(config, &super::desk(config).await?, &args).await,
    }
}

/// Verifies messages from files as if they came now, from the machine their header names.
fn check(config: &Config, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let Some(resolver) = config.authenticity.resolver(&config.limits)? else {
        bail!("there is no DNS server to ask: set dns.servers, or name one in /etc/resolv.conf");
    };
    let verifier = Verifier::new(resolver, config.authenticity.settings(&config.site));
    let mut seen = 0;
    let most = config.limits.message_bytes_max;
    input::messages(&args.paths, most, &mut |name, raw| {
        let raw = match raw {
            Ok(raw) => raw,
            Err(error) => {
                eprintln!("{}: not verified: {error:#}", show::safe(name));
                return Ok(());
            }
        };
        seen += 1;
        let message = Message::read(&raw, &config.limits);
        let envelope = engine::envelope_of_file(&message, args.ip, &config.site);
        let deadline = Instant::now() + Duration::from_millis(config.limits.deadline_ms);
        let verify = verifier.verify(&envelope, &raw, &message, deadline.into());
        let found = tokio::task::block_in_place(|| Handle::current().block_on(verify));
        print(config, args, name, &envelope, &found)
    })?;
    Ok(if seen == 0 {
        super::nothing("No message was found there.")
    } else {
        ExitCode::SUCCESS
    })
}

fn print(
    config: &Config,
    args: &CheckArgs,
    name: &str,
    envelope: &Envelope,
    found: &Authentication,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        let line = serde_json::json!({ "name": name, "authentication": found });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let written = results::write(found, envelope, &config.authenticity.authserv_id);
    writeln!(out, "{}", show::safe(name))?;
    let alleged = found.alleged.domain.as_ref();
    let alleged = alleged.map_or_else(|| "nobody in particular".to_owned(), ToString::to_string);
    let hop = found.outbound.ip;
    let hop = hop.map_or_else(|| "an unknown machine".to_owned(), |ip| ip.to_string());
    writeln!(out, "  says to come from {alleged}, handed over by {hop}")?;
    writeln!(out, "  signed by that domain: {}", found.signed)?;
    for line in written.split("\r\n\t").skip(1) {
        writeln!(out, "  {}", show::safe(line.trim_end_matches(';')))?;
    }
    let dns = found.dns;
    writeln!(
        out,
        "  {} questions of DNS, {} without a usable answer\n",
        dns.questions, dns.failed
    )?;
    Ok(())
}
