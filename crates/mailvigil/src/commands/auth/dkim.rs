//! `dkim …`: keys that mail of our own domains is signed with: made, held against what is published, changed.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use comfy_table::Cell;
use engine::lookup::sign::{KeyKind, NewKey, SigningKey, published};
use engine::lookup::{Published, PublishedKey};
use mail::Known;

use crate::cli::{DkimCommand, KeygenArgs, RotateArgs};
use crate::config::{Config, KeyConfig};
use crate::show;

/// Days after which a key should be changed: what M3AAWG's key rotation practices ask for at least twice a year.
const OLD_DAYS: u64 = 180;

/// `dkim …`
pub async fn run(config: &Config, command: DkimCommand) -> anyhow::Result<ExitCode> {
    match command {
        DkimCommand::Keygen(args) => keygen(&args),
        DkimCommand::Check => check(config).await,
        DkimCommand::Rotate(args) => rotate(config, &args),
    }
}

/// Makes a key, writes it where only its owner can read it, and says what to publish and configure.
fn keygen(args: &KeygenArgs) -> anyhow::Result<ExitCode> {
    let (domain, selector, file) = (&args.domain, &args.selector, args.out.display());
    let record = make(args.ed25519, &args.out)?;
    println!(
        "The key is in {file}. Publish this, wait until it can be seen everywhere, then configure it:\n\n\
         {selector}._domainkey.{domain}. IN TXT {record}\n\n\
         [[dkim]]\ndomain = \"{domain}\"\nselector = \"{selector}\"\nkey = \"{file}\"\n\n\
         Later: `mailvigil dkim check` holds it against DNS, `mailvigil dkim rotate` changes it."
    );
    Ok(ExitCode::SUCCESS)
}

/// The next key, and the order in which nothing is ever signed with a key nobody can find.
fn rotate(config: &Config, args: &RotateArgs) -> anyhow::Result<ExitCode> {
    let domain = &args.domain;
    let old: Vec<&KeyConfig> = config
        .authenticity
        .keys
        .iter()
        .filter(|key| key.domain == *domain)
        .collect();
    if old.is_empty() {
        bail!(
            "no [[dkim]] of the configuration is for {domain}: make its first key with `mailvigil dkim keygen`"
        );
    }
    let today = engine::clock::now().to_string();
    let today: String = today
        .chars()
        .take(10)
        .filter(char::is_ascii_digit)
        .collect();
    let selector = args
        .selector
        .as_ref()
        .map_or_else(|| format!("s{today}"), ToString::to_string);
    if old.iter().any(|key| key.selector == selector) {
        bail!("the selector {selector} is in use: name another with --selector");
    }
    let record = make(args.ed25519, &args.out)?;
    let file = args.out.display();
    let names: Vec<&str> = old.iter().map(|key| key.selector.as_str()).collect();
    println!(
        "The new key is in {file}. In this order, so that no message is ever signed with a key that cannot be found:\n\n\
         1. Publish it beside the old one:\n\n   {selector}._domainkey.{domain}. IN TXT {record}\n\n\
         2. Wait until `mailvigil auth domain {domain} --selector {selector}` shows it.\n\
         3. Add it to the configuration and restart; both keys sign:\n\n   [[dkim]]\n   domain = \"{domain}\"\n   selector = \"{selector}\"\n   key = \"{file}\"\n\n\
         4. Take the section of {} away and restart.\n\
         5. A week later, when nothing signed with it is on its way any more, publish it with an empty p= or take it away.",
        names.join(", ")
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes a key file; what to publish.
fn make(ed25519: bool, file: &Path) -> anyhow::Result<String> {
    let kind = if ed25519 {
        KeyKind::Ed25519
    } else {
        KeyKind::Rsa
    };
    let key = NewKey::make(kind)?;
    write_new(file, key.pem.reveal())?;
    Ok(published(&key.record))
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

/// Holds every configured key against what is published.
async fn check(config: &Config) -> anyhow::Result<ExitCode> {
    let keys = &config.authenticity.keys;
    if keys.is_empty() {
        return Ok(crate::commands::nothing(
            "No [[dkim]] is configured, so nothing is signed.",
        ));
    }
    let Some(resolver) = config.authenticity.resolver(&config.limits)? else {
        bail!("there is no DNS server to ask: set dns.servers");
    };
    let mut bad = false;
    let mut table = show::table(&["domain", "selector", "key file", "days old", "published"]);
    for key in keys {
        let selectors = [key.selector.clone()];
        let found = resolver
            .published(&key.domain, &selectors, engine::clock::now())
            .await;
        let finding = finding(key, &found);
        bad |= finding.is_err();
        let told = finding.unwrap_or_else(|problem| problem);
        table.add_row(vec![
            Cell::new(&key.domain),
            Cell::new(&key.selector),
            Cell::new(key.key.display()),
            Cell::new(age_days(&key.key).map_or_else(|| "?".to_owned(), |days| days.to_string())),
            Cell::new(show::safe(&told)),
        ]);
    }
    println!("{table}");
    Ok(if bad {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What is to be said of a key: an error when mail signed with it does not verify.
fn finding(key: &KeyConfig, found: &Published) -> Result<String, String> {
    let text = std::fs::read_to_string(&key.key)
        .map_err(|error| format!("the key file cannot be read: {error}"))?;
    let private = SigningKey::read(&text).map_err(|error| format!("the key file {error}"))?;
    let Some(PublishedKey { records, bits, .. }) = found.keys.first() else {
        return Err("was not asked for".to_owned());
    };
    let records = match records {
        Known::Yes(records) => records,
        Known::Absent => {
            return Err("nothing is published: what is signed with it does not verify".to_owned());
        }
        Known::Unavailable(why) => return Ok(format!("not known: {why}")),
        Known::NotAsked => return Ok("not known".to_owned()),
    };
    match (bits, records.as_slice()) {
        (Some(Ok(bits)), [record]) => match private.fits(record) {
            Some(true) => {
                let old = age_days(&key.key).is_some_and(|days| days > OLD_DAYS);
                let old = if old {
                    "; old: change it with `mailvigil dkim rotate`"
                } else {
                    ""
                };
                Ok(format!("the same key, {bits} bits{old}"))
            }
            _ => Err(
                "another key is published: what is signed with this one does not verify".to_owned(),
            ),
        },
        (Some(Err(why)), _) => Err(format!("what is published is of no use: {why}")),
        _ => Err("several records are published, so none counts".to_owned()),
    }
}

fn age_days(file: &Path) -> Option<u64> {
    let modified = std::fs::metadata(file).ok()?.modified().ok()?;
    let age = std::time::SystemTime::now().duration_since(modified).ok()?;
    Some(age.as_secs() / 86_400)
}
