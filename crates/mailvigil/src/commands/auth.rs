//! `auth`, `dkim`: who really sent a message, what mail in a domain's name is like, and keys to sign our own with.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use engine::lookup::sign::{KeyKind, NewKey, published};
use engine::lookup::{Verifier, results};
use mail::{Authentication, Envelope, Message};
use tokio::runtime::Handle;

use super::standing;
use crate::cli::{AuthCommand, CheckArgs, DkimCommand, KeygenArgs};
use crate::config::Config;
use crate::{input, show};

/// `auth …`
pub async fn auth(config: &Config, command: AuthCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuthCommand::Check(args) => check(config, &args),
        AuthCommand::Standing(args) => standing::look(&super::desk(config).await?, &args).await,
        AuthCommand::Mark(args) => standing::mark(&super::desk(config).await?, &args).await,
        AuthCommand::Pin(args) => standing::pin(&super::desk(config).await?, &args).await,
        AuthCommand::Wish(args) => standing::wish(&super::desk(config).await?, &args).await,
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

/// `dkim …`
pub fn dkim(command: DkimCommand) -> anyhow::Result<ExitCode> {
    match command {
        DkimCommand::Keygen(args) => keygen(&args),
    }
}

/// Makes a key, writes it where only its owner can read it, and says what to publish and configure.
fn keygen(args: &KeygenArgs) -> anyhow::Result<ExitCode> {
    let kind = if args.ed25519 {
        KeyKind::Ed25519
    } else {
        KeyKind::Rsa
    };
    let key = NewKey::make(kind)?;
    write_new(&args.out, key.pem.reveal())?;
    let (domain, selector, file) = (&args.domain, &args.selector, args.out.display());
    println!(
        "The key is in {file}. Publish this, wait until it can be seen everywhere, then configure it:\n\n\
         {selector}._domainkey.{domain}. IN TXT {}\n\n\
         [[dkim]]\ndomain = \"{domain}\"\nselector = \"{selector}\"\nkey = \"{file}\"\n\n\
         To change keys, publish and configure the new one beside the old one's record; take the old record away\n\
         a week after the last message was signed with it.",
        published(&key.record)
    );
    Ok(ExitCode::SUCCESS)
}

fn write_new(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    // A key that is there may be in use: it is never overwritten.
    let opened = options.write(true).create_new(true).mode(0o600).open(file);
    let mut opened = opened.with_context(|| format!("{} cannot be made", file.display()))?;
    opened
        .write_all(text.as_bytes())
        .and_then(|()| opened.sync_all())
        .with_context(|| format!("{} cannot be written", file.display()))
}
