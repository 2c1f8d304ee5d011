//! `connect postfix`: the exact settings, set on request, and proof that mail comes past the filter.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use engine::{Courier, Desk, OnFailure, Submitted};
use mail::Address;

use crate::cli::ConnectPostfixArgs;
use crate::config::{Config, Listen};
use crate::doors::smtp::SmtpCourier;

/// How long the canary may take from Postfix to our records.
const CANARY_PATIENCE: Duration = Duration::from_secs(15);

/// The settings of one Postfix that carry our entry.
const SETTINGS: [&str; 2] = ["smtpd_milters", "non_smtpd_milters"];

/// Prints the settings; with `--apply` sets them and sends a canary through.
pub async fn postfix(
    config: &Config,
    desk: &Desk,
    args: &ConnectPostfixArgs,
) -> anyhow::Result<()> {
    let entry = entry(config)?;
    let postfix = Postfix {
        config_dir: args.config_dir.as_deref(),
    };
    if args.remove {
        for setting in SETTINGS {
            let others = without_ours(&postfix.get(setting)?, config);
            postfix.set(setting, &others)?;
        }
        postfix.reload()?;
        println!("Postfix asks Mailvigil no more; it delivers as an ordinary mail server.");
        return Ok(());
    }
    if !args.apply {
        print!("{}", manual(&entry, args.config_dir.as_deref()));
        return Ok(());
    }
    postfix.check_version()?;
    for setting in SETTINGS {
        let others = without_ours(&postfix.get(setting)?, config);
        let all = if others.is_empty() {
            entry.clone()
        } else {
            format!("{entry}, {others}")
        };
        postfix.set(setting, &all)?;
        println!("set {setting} = {all}");
    }
    postfix.reload()?;
    println!("Postfix reloaded; sending a canary through {} …", args.smtp);
    // A reloaded Postfix lets running smtpd processes finish with the old settings first.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let to = match &args.canary_to {
        Some(to) => to.clone(),
        None => format!("postmaster@{}", postfix.get("myhostname")?),
    };
    let hint = "Does the smtpd service in master.cf override smtpd_milters?";
    canary(desk, "Postfix", &args.smtp, &to, hint).await
}

/// Our entry in the list of filters. Braces carry settings for this filter alone (Postfix 3.0 and later), so
/// that other filters of the site keep theirs.
fn entry(config: &Config) -> anyhow::Result<String> {
    let speaks_milter = |listen: &&Listen| !matches!(listen, Listen::Tls(_));
    let Some(listen) = config.doors.milter.iter().find(speaks_milter) else {
        bail!(
            "Postfix speaks no TLS to milters: let stunnel on its machine connect to the door, and name stunnel's address in smtpd_milters (docs/postfix.md)"
        )
    };
    let place = place(listen);
    let action = match config.on_failure {
        OnFailure::Accept => "accept",
        OnFailure::Tempfail => "tempfail",
    };
    // Longer than our own deadline, so that our answer comes first.
    let content_secs = config.limits.deadline_ms.div_ceil(1000) + 20;
    Ok(format!(
        "{{ {place}, connect_timeout=5s, command_timeout=30s, content_timeout={content_secs}s, default_action={action} }}"
    ))
}

fn place(listen: &Listen) -> String {
    match listen {
        Listen::Tcp(address) if address.is_ipv6() => {
            format!("inet:[{}]:{}", address.ip(), address.port())
        }
        Listen::Tcp(address) => format!("inet:{}:{}", address.ip(), address.port()),
        Listen::Tls(address) => format!("inet:{}:{}", address.ip(), address.port()),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn manual(entry: &str, config_dir: Option<&Path>) -> String {
    let dir = config_dir
        .map(|dir| format!(" -c {}", dir.display()))
        .unwrap_or_default();
    format!(
        "# main.cf: put this first in each list when there are other filters\n\
         smtpd_milters = {entry}\n\
         non_smtpd_milters = $smtpd_milters\n\n\
         # set them, and let Postfix take them over:\n\
         postconf{dir} -e 'smtpd_milters = {entry}'\n\
         postconf{dir} -e 'non_smtpd_milters = $smtpd_milters'\n\
         postfix{dir} reload\n\n\
         # or let Mailvigil do it, and prove that mail comes past:\n\
         mailvigil connect postfix --apply{}\n",
        config_dir
            .map(|dir| format!(" --config-dir {}", dir.display()))
            .unwrap_or_default(),
    )
}

/// A list of filters without our entry, whatever its settings.
fn without_ours(list: &str, config: &Config) -> String {
    let ours: Vec<String> = config.doors.milter.iter().map(place).collect();
    let is_ours = |item: &String| {
        ours.iter()
            .any(|place| item.split([' ', ',', '{', '}']).any(|word| word == place))
    };
    let others: Vec<String> = items(list)
        .into_iter()
        .filter(|item| !is_ours(item))
        .collect();
    others.join(", ")
}

/// The items of a Postfix list: separated by commas or spaces, except within braces.
fn items(list: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = String::new();
    let mut depth = 0_usize;
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (c == ',' || c.is_whitespace()) {
            items.push(std::mem::take(&mut item));
        } else {
            item.push(c);
        }
    }
    items.push(item);
    items.retain(|item| !item.trim().is_empty());
    items
}

/// Sends a message that only this installation can have made, and looks for it in the records.
pub(super) async fn canary(
    desk: &Desk,
    server: &str,
    smtp: &str,
    to: &str,
    hint: &str,
) -> anyhow::Result<()> {
    let to = Address::new(to).with_context(|| format!("{to:?} is no address"))?;
    let canary = desk.canary(&to).await?;
    let courier = SmtpCourier::to(smtp);
    let submitted = courier
        .submit("", None, std::slice::from_ref(&to), &canary.raw)
        .await;
    let reply = match submitted {
        Submitted::Taken { reply, .. } => reply,
        Submitted::Refused { why } | Submitted::Unknown { why } => {
            bail!(
                "{server} at {smtp} did not take the canary for {to}: {why}\n  (choose another recipient with --canary-to)"
            )
        }
    };
    println!("{server} took it: {reply}");
    let started = std::time::Instant::now();
    while started.elapsed() < CANARY_PATIENCE {
        if let Some(record) = desk.canary_record(&canary).await? {
            println!(
                "It came back scanned: record {}, judged in {:.1} ms by the service. {server} and Mailvigil are connected.",
                record.id,
                record.took_us as f64 / 1000.0
            );
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!(
        "{server} took the canary, but it did not come past the filter within {} s.\n  \
         Is `mailvigil serve` running? {hint}",
        CANARY_PATIENCE.as_secs()
    )
}

/// One Postfix instance, through its own tools.
struct Postfix<'a> {
    config_dir: Option<&'a Path>,
}

impl Postfix<'_> {
    fn get(&self, setting: &str) -> anyhow::Result<String> {
        let output = self.run("postconf", &["-xh", setting])?;
        Ok(output.trim().to_owned())
    }

    fn set(&self, setting: &str, value: &str) -> anyhow::Result<()> {
        self.run("postconf", &["-e", &format!("{setting} = {value}")])
            .map(|_| ())
    }

    fn reload(&self) -> anyhow::Result<()> {
        self.run("postfix", &["reload"]).map(|_| ())
    }

    fn check_version(&self) -> anyhow::Result<()> {
        let version = self.get("mail_version")?;
        let major = version
            .split('.')
            .next()
            .and_then(|major| major.parse::<u32>().ok());
        if major.is_some_and(|major| major < 3) {
            bail!(
                "Postfix {version} knows no settings per filter; see docs/postfix.md for the settings by hand"
            );
        }
        Ok(())
    }

    fn run(&self, program: &str, args: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(program);
        if let Some(dir) = self.config_dir {
            command.arg("-c").arg(dir);
        }
        // Postfix's tools live in sbin, which an ordinary account may not have in its path.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        let output = command
            .args(args)
            .output()
            .with_context(|| format!("{program} cannot be run; is Postfix installed here?"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{program} {} failed: {}", args.join(" "), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::parse("", None).expect("the defaults are a configuration")
    }

    #[test]
    fn our_entry_is_found_in_any_form_and_others_stay() {
        let config = config();
        let ours = entry(&config).expect("an entry");
        let list = format!("inet:127.0.0.1:8891, {ours} {{ unix:/x/y, default_action=accept }}");
        assert_eq!(
            without_ours(&list, &config),
            "inet:127.0.0.1:8891, { unix:/x/y, default_action=accept }"
        );
        assert_eq!(without_ours("inet:127.0.0.1:7725", &config), "");
        assert_eq!(
            without_ours("inet:127.0.0.1:77250", &config),
            "inet:127.0.0.1:77250"
        );
    }

    #[test]
    fn the_entry_says_what_happens_on_failure() {
        let accept =
            Config::parse("[service]\non_failure = \"accept\"\n", None).expect("a configuration");
        assert!(
            entry(&accept)
                .expect("an entry")
                .contains("default_action=accept")
        );
        assert!(
            entry(&config())
                .expect("an entry")
                .contains("default_action=tempfail")
        );
    }
}
