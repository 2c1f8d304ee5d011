//! One file per command: parse what was asked, use the [`Desk`], show the result.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use engine::{Author, Desk};

use crate::cli::{Cli, Command, ConnectCommand, WhoCommand};
use crate::config::{Config, Listen};
use crate::service;

mod auth;
mod connect;
mod connect_dovecot;
mod connect_exim;
mod connect_sieve;
mod console;
mod firewall;
mod import;
mod learning;
mod messages;
mod people;
mod policy;
mod quarantine;
mod recall;
mod report;
mod scan;
mod simulate;
mod standing;
mod watching;

/// Nothing was found.
const NOTHING_FOUND: u8 = 4;

/// Does what was asked.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Command::Completions { shell } = cli.command {
        let mut out = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "mailvigil", &mut out);
        std::io::stdout().write_all(&out)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Demo(args) = &cli.command {
        return runtime()?
            .block_on(crate::demo::run(cli.data, args))
            .map(|()| ExitCode::SUCCESS);
    }
    if let Command::Firewall(args) = &cli.command {
        return firewall::run(args);
    }
    if let Command::Simulate(args) = &cli.command {
        return simulate::run(args);
    }
    if let Some(told) = learning::by_door(&cli.command) {
        return told;
    }
    let (file, data) = (cli.config, cli.data);
    let load = || Config::load(file.as_deref(), data.as_deref());
    let config = load()?;
    if matches!(cli.command, Command::Serve) {
        start_log(&config);
        return runtime()?
            .block_on(service::serve(config, &load))
            .map(|()| ExitCode::SUCCESS);
    }
    if let Command::Eval(args) = &cli.command {
        return crate::eval::run(args, &config.limits);
    }
    if matches!(cli.command, Command::CheckConfig) {
        check_config(&config);
        return Ok(ExitCode::SUCCESS);
    }
    runtime()?.block_on(dispatch(config, cli.command))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")
}

async fn dispatch(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Scan(args) => return scan::run(&config, &args).await,
        Command::Messages(args) => return messages::list(&desk(&config).await?, &args).await,
        Command::Explain(args) => return messages::explain(&desk(&config).await?, &args).await,
        Command::Quarantine(command) => {
            return quarantine::run(&config, &desk(&config).await?, command).await;
        }
        Command::Policy(command) => {
            return policy::run(&config, &desk(&config).await?, command).await;
        }
        Command::Connect(ConnectCommand::Postfix(args)) => {
            connect::postfix(&config, &desk(&config).await?, &args).await?;
        }
        Command::Connect(ConnectCommand::Exim(args)) => {
            connect_exim::run(&config, &desk(&config).await?, &args).await?;
        }
        Command::Connect(ConnectCommand::Dovecot(args)) => {
            connect_dovecot::run(&config, &desk(&config).await?, &args).await?;
        }
        Command::Account(WhoCommand::Show(args)) => {
            return watching::timeline(&config, watching::Kind::Account, &args).await;
        }
        Command::Ip(WhoCommand::Show(args)) => {
            return watching::timeline(&config, watching::Kind::Ip, &args).await;
        }
        Command::Address(WhoCommand::Show(args)) => {
            return watching::timeline(&config, watching::Kind::Address, &args).await;
        }
        Command::Decisions(command) => return watching::decisions(&config, command).await,
        Command::Detections(args) => return watching::detections(&config, &args).await,
        Command::Watch(command) => return watching::watch(&config, command).await,
        Command::Learn(command) => return learning::run(&desk(&config).await?, command).await,
        Command::Recall(command) => return recall::run(&desk(&config).await?, command).await,
        Command::Acts(args) => return messages::acts(&desk(&config).await?, &args).await,
        Command::Audit(command) => return console::audit(&desk(&config).await?, command).await,
        Command::Auth(command) => return auth::auth(&config, command).await,
        Command::Dkim(command) => return auth::dkim::run(&config, command).await,
        Command::Report(command) => return report::run(&config, command).await,
        Command::Console(command) => {
            return console::run(&config, &desk(&config).await?, command).await;
        }
        // Done before there was a runtime.
        Command::CheckConfig
        | Command::Completions { .. }
        | Command::Demo(_)
        | Command::Eval(_)
        | Command::Simulate(_)
        | Command::Firewall(_)
        | Command::Serve => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// The desk of whoever sits at the command line.
async fn desk(config: &Config) -> anyhow::Result<Desk> {
    let store = service::open_store(config).await?;
    Ok(service::desk(config, store, author()))
}

/// The account that runs the command; behind sudo, who asked for it.
fn author() -> Author {
    let who = ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|who| !who.is_empty()));
    let who = who.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    Author::at_the_machine(&who)
}

/// Log lines to standard error, where systemd and people look.
pub fn start_log(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MAILVIGIL_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(&config.log_level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second call (the demonstration within a test) keeps the first log.
    let _ = if config.log_json {
        log.json().try_init()
    } else {
        log.with_ansi(false).try_init()
    };
}

/// Says what the configuration means.
fn check_config(config: &Config) {
    println!("The configuration is good. It means:");
    let show = |name: &str, value: String| println!("  {name:<22}{value}");
    show("data", config.data.display().to_string());
    let places = |listen: &[Listen]| {
        let places: Vec<String> = listen.iter().map(ToString::to_string).collect();
        if places.is_empty() {
            "off".to_owned()
        } else {
            places.join(", ")
        }
    };
    show("milter door", places(&config.doors.milter));
    show("spamc, Exim", places(&config.doors.scan.listen));
    show("/checkv2", places(&config.doors.scan.http));
    for proxy in &config.doors.proxies {
        show("proxy", format!("{} to {}", proxy.listen, proxy.next_hop));
    }
    show(
        "health and metrics",
        config
            .http_listen
            .map_or_else(|| "off".to_owned(), |address| format!("http://{address}")),
    );
    show("store", without_password(config.database.reveal()));
    let stolen = config.watch.breached.as_ref();
    show(
        "stolen passwords by",
        stolen.map_or_else(|| "off".to_owned(), |file| file.display().to_string()),
    );
    let helper = config.watch.firewall.as_ref();
    show(
        "firewall's helper",
        helper.map_or_else(|| "off".to_owned(), |socket| socket.display().to_string()),
    );
    let alone = || "off: this node counts what it sees itself".to_owned();
    show(
        "other nodes heard by",
        config.hub.as_ref().map_or_else(alone, ToString::to_string),
    );
    let off = || "off".to_owned();
    show(
        "mail called back by",
        config.recall.as_ref().map_or_else(off, ToString::to_string),
    );
    show("quarantine", config.quarantine.display().to_string());
    show(
        "on failure",
        format!("{:?}", config.on_failure).to_lowercase(),
    );
    let domains: Vec<&str> = config
        .site
        .local_domains
        .iter()
        .map(mail::Domain::as_str)
        .collect();
    show(
        "local domains",
        if domains.is_empty() {
            "(none: relay attempts and direction cannot be told)".into()
        } else {
            domains.join(", ")
        },
    );
    show(
        "trusted networks",
        config
            .site
            .trusted_networks
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    );
    show("released mail goes to", config.submit_to.clone());
}

/// A database address as it may be shown.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((user, host)) => format!(
            "{scheme}://{}:(hidden)@{host}",
            user.split(':').next().unwrap_or_default()
        ),
        None => address.to_owned(),
    }
}

/// A page of nothing: says so, with the exit code for it.
pub fn nothing(what: &str) -> ExitCode {
    eprintln!("{what}");
    ExitCode::from(NOTHING_FOUND)
}

/// An id from the command line.
fn record_id(text: &str) -> anyhow::Result<mail::RecordId> {
    mail::RecordId::parse(text)
        .with_context(|| format!("{text:?} is no id; ids have 26 letters and digits, see the list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(
            without_password("postgres://vigil:s@cret@db/x"),
            "postgres://vigil:(hidden)@db/x"
        );
        assert_eq!(
            without_password("sqlite:mailvigil.db"),
            "sqlite:mailvigil.db"
        );
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
