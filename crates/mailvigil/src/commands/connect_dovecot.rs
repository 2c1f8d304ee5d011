//! `connect dovecot`: the exact settings, and proof that logins are asked about and told.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use engine::{Desk, Identity};
use mail::Account;

use super::connect_sieve;
use crate::cli::{ConnectDovecotArgs, DovecotLine};
use crate::config::{Config, Listen};

/// How long a made-up login may take from Dovecot to our records.
const PATIENCE: Duration = Duration::from_secs(15);

/// Prints the settings; with `--canary` has Dovecot refuse a login that nobody has, and looks for it.
pub async fn run(config: &Config, desk: &Desk, args: &ConnectDovecotArgs) -> anyhow::Result<()> {
    if args.canary {
        return canary(config, desk, args.config_file.as_deref()).await;
    }
    if let Some(user) = &args.learn_canary {
        return connect_sieve::canary(desk, args, user).await;
    }
    let line = match args.dovecot {
        Some(line) => line,
        None => installed()?,
    };
    match &args.learn {
        Some(folder) => print!("{}", connect_sieve::write(config, args, line, folder)?),
        None => print!("{}", settings(config, line)?),
    }
    Ok(())
}

/// Which line of Dovecot is installed here.
fn installed() -> anyhow::Result<DovecotLine> {
    let said = program("dovecot", &["--version"]).context(
        "which Dovecot are the settings for? Say --dovecot 2.3 or --dovecot 2.4, when it is not installed here",
    )?;
    if said.starts_with("2.3.") {
        Ok(DovecotLine::Old)
    } else if said.starts_with("2.4.") {
        Ok(DovecotLine::New)
    } else {
        bail!(
            "settings are known for Dovecot 2.3 and 2.4, this is {}; choose the nearer with --dovecot",
            said.trim()
        )
    }
}

/// What stands in `dovecot.conf`.
fn settings(config: &Config, line: DovecotLine) -> anyhow::Result<String> {
    let watch = &config.watch;
    let Some(listen) = watch.http.first() else {
        bail!(
            "watch.http is not set: say where Dovecot shall ask, as in\n  [watch]\n  http = [\"127.0.0.1:7730\"]"
        );
    };
    let (scheme, address) = match listen {
        Listen::Tcp(address) => ("http", address),
        Listen::Tls(address) => ("https", address),
        Listen::Unix(path) => bail!(
            "Dovecot asks by HTTP over TCP, and the first place of watch.http is unix:{}",
            path.display()
        ),
    };
    let (header, user) = match &watch.secret_file {
        Some(file) => (
            format!(
                "# the content of {} in place of THE-SECRET, here and below\nauth_policy_server_api_header = X-API-Key: THE-SECRET\n",
                file.display()
            ),
            "dovecot:THE-SECRET@",
        ),
        None => (String::new(), ""),
    };
    let nonce = match &watch.nonce_file {
        Some(file) => format!("auth_policy_hash_nonce = <{}\n", file.display()),
        None => "# any text of your own; it keys what is told of passwords\nauth_policy_hash_nonce = CHOOSE-SOMETHING\n".to_owned(),
    };
    let exporter = match (line, unix(&watch.events)) {
        (DovecotLine::Old, _) => format!(
            "  format = json\n  format_args = time-rfc3339\n  transport = http-post\n  transport_args = {scheme}://{user}{address}/events\n"
        ),
        (DovecotLine::New, Some(path)) => format!(
            "  driver = unix\n  unix_path = {path}\n  format = json\n  time_format = rfc3339\n"
        ),
        (DovecotLine::New, None) => format!(
            "  driver = http-post\n  http_post_url = {scheme}://{user}{address}/events\n  format = json\n  time_format = rfc3339\n"
        ),
    };
    let metrics: String = [
        "imap_command_finished",
        "pop3_command_finished",
        "managesieve_command_finished",
        "sieve_action_finished",
    ]
    .iter()
    .map(|event| {
        format!(
            "metric mailvigil_{event} {{\n  filter = event={event}\n  exporter = mailvigil\n}}\n"
        )
    })
    .collect();
    Ok(format!(
        "# dovecot.conf: logins are asked about and told\n\
         auth_policy_server_url = {scheme}://{address}/\n\
         {header}{nonce}\
         # with Mailvigil away everybody logs in as before\n\
         auth_policy_reject_on_fail = no\n\
         imap_id_retain = yes\n\n\
         # what is done in mailboxes\n\
         event_exporter mailvigil {{\n{exporter}}}\n{metrics}\n\
         # take it over, and prove that logins arrive:\n\
         # doveadm reload && mailvigil connect dovecot --canary\n"
    ))
}

/// The first unix socket among places.
fn unix(places: &[Listen]) -> Option<String> {
    places.iter().find_map(|place| match place {
        Listen::Unix(path) => Some(path.display().to_string()),
        Listen::Tcp(_) | Listen::Tls(_) => None,
    })
}

/// Dovecot is asked to check a login that nobody has; it must be among what was told.
async fn canary(config: &Config, desk: &Desk, file: Option<&Path>) -> anyhow::Result<()> {
    let name = format!("canary-{}", mail::RecordId::random(engine::clock::now()));
    let mut args: Vec<String> = Vec::new();
    if let Some(file) = file {
        args.extend(["-c".to_owned(), file.display().to_string()]);
    }
    args.extend(["auth", "test", "-x", "rip=127.0.0.1", &name, "none"].map(str::to_owned));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // That it fails is what is wanted: nobody has that name.
    let said = run_anyway("doveadm", &args)?;
    println!("Dovecot refused a login as {name}");
    let account = Account::within(
        &name,
        config.watch.domain.as_ref(),
        config.limits.address_bytes_max,
    )
    .context("a name is not empty")?;
    let identity = Identity::Account(account);
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if !desk.timeline(&identity, None, None, 1).await?.is_empty() {
            println!("It was told. Dovecot and Mailvigil are connected.");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!(
        "Dovecot was asked, but did not tell of it within {} s.\n  Is `mailvigil serve` running, and are the settings taken over (doveadm reload)? Dovecot said: {}",
        PATIENCE.as_secs(),
        said.trim()
    )
}

fn program(name: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = output(name, args)?;
    if !output.status.success() {
        bail!(
            "{name} {} failed: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a program says, whether or not it succeeds.
fn run_anyway(name: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = output(name, args)?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

fn output(name: &str, args: &[&str]) -> anyhow::Result<std::process::Output> {
    command(name)
        .args(args)
        .output()
        .with_context(|| format!("{name} cannot be run; is Dovecot installed here?"))
}

/// Dovecot's programs live in sbin, which an ordinary account may not have in its path.
pub(super) fn command(name: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(watch: &str, line: DovecotLine) -> anyhow::Result<String> {
        let config = Config::parse(watch, None).expect("a configuration");
        settings(&config, line)
    }

    #[test]
    fn settings_are_for_the_door_there_is_and_hold_no_secret() {
        let watch = "[watch]\nhttp = [\"127.0.0.1:7730\"]\nsecret_file = \"/etc/mailvigil/watch-secret\"\nnonce_file = \"/etc/mailvigil/nonce\"\nevents = [\"unix:/run/mailvigil/events.sock\"]\n";
        let old = told(watch, DovecotLine::Old).expect("settings");
        for line in [
            "auth_policy_server_url = http://127.0.0.1:7730/",
            "auth_policy_server_api_header = X-API-Key: THE-SECRET",
            "auth_policy_hash_nonce = </etc/mailvigil/nonce",
            "  transport_args = http://dovecot:THE-SECRET@127.0.0.1:7730/events",
        ] {
            assert!(old.lines().any(|one| one == line), "{line} in {old}");
        }
        let new = told(watch, DovecotLine::New).expect("settings");
        assert!(
            new.contains("unix_path = /run/mailvigil/events.sock"),
            "{new}"
        );
        let bare = told("[watch]\nhttp = [\"127.0.0.1:7730\"]\n", DovecotLine::New);
        assert!(!bare.expect("settings").contains("THE-SECRET"));
        let none = told("", DovecotLine::Old).expect_err("nowhere to ask");
        assert!(none.to_string().contains("watch.http"), "{none}");
    }
}
