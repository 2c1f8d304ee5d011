//! `[watch]`: where servers tell and ask about what users do, and what is done about decisions.

use std::path::PathBuf;

use ipnet::IpNet;
use mail::Domain;
use watch::Step;
use written::Section;

use super::doors::{Listen, allow, check, places};
use super::{network, path};

/// What the section means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchConfig {
    /// Where servers tell and ask by HTTP: auth policy, events, nginx, JSON, CrowdSec's bouncers.
    pub http: Vec<Listen>,
    /// Where Postfix delegates its access policy.
    pub delegation: Vec<Listen>,
    /// Where Dovecot exports its events to, line by line.
    pub events: Vec<Listen>,
    /// Who may, over TCP.
    pub allow: Vec<IpNet>,
    /// A file with the secret that HTTP clients bring.
    pub secret_file: Option<PathBuf>,
    /// A file with Dovecot's `auth_policy_hash_nonce`.
    pub nonce_file: Option<PathBuf>,
    /// The domain of account names that are told without one.
    pub domain: Option<Domain>,
    /// Machines that are never refused: front ends, webmail, monitoring.
    pub front_ends: Vec<IpNet>,
    /// MMDB files that say where addresses are.
    pub places: Vec<PathBuf>,
    /// A file of hashes of stolen passwords.
    pub breached: Option<PathBuf>,
    /// Postfix tells of mail by delegation, because it does not come past a message door.
    pub sends_by_delegation: bool,
    /// The site's own authentication server, which nginx asked before.
    pub auth_http_next: Option<String>,
    /// The socket of the firewall's helper.
    pub firewall: Option<PathBuf>,
    /// What is run when something is decided.
    pub commands: Vec<CommandConfig>,
    /// Who is told what is decided.
    pub webhooks: Vec<WebhookConfig>,
}

/// `[[watch.commands]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandConfig {
    /// At which step.
    pub step: Step,
    /// Program and arguments; `{account}`, `{ip}`, `{step}`, `{reason}`, `{expires}` and `{id}` are filled in.
    pub run: Vec<String>,
    /// Run when the decision ends, instead of when it is made.
    pub at_end: bool,
}

/// `[[watch.webhooks]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where.
    pub url: String,
    /// A file with the secret that signs.
    pub secret_file: PathBuf,
}

impl WatchConfig {
    /// Reads the section.
    pub fn read(section: Section<'_, '_>, has_tls: bool) -> Self {
        let config = Self {
            http: places(&section, "http").unwrap_or_default(),
            delegation: places(&section, "delegation").unwrap_or_default(),
            events: places(&section, "events").unwrap_or_default(),
            allow: allow(&section),
            secret_file: section.text("secret_file", "a file that holds the secret", path),
            nonce_file: section.text("nonce_file", "a file that holds Dovecot's nonce", path),
            domain: section.text("domain", "a domain name", Domain::parse),
            front_ends: section
                .texts("front_ends", "networks such as \"10.0.0.0/8\"", network)
                .unwrap_or_default(),
            places: section
                .texts(
                    "places",
                    "MMDB files such as \"/var/lib/GeoIP/GeoLite2-City.mmdb\"",
                    path,
                )
                .unwrap_or_default(),
            breached: section.text(
                "breached",
                "a file of SHA-1 hashes, ordered, such as \"/var/lib/pwned-passwords.txt\"",
                path,
            ),
            sends_by_delegation: section.flag("sends_by_delegation").unwrap_or(false),
            auth_http_next: section.text(
                "auth_http_next",
                "the address of the authentication server, http://HOST:PORT/PATH",
                http,
            ),
            firewall: section.text(
                "firewall",
                "the socket of `mailvigil firewall`, such as \"/run/mailvigil-firewall/socket\"",
                path,
            ),
            commands: section
                .sections("commands")
                .into_iter()
                .filter_map(command)
                .collect(),
            webhooks: section
                .sections("webhooks")
                .into_iter()
                .filter_map(webhook)
                .collect(),
        };
        if config.secret_file.is_none() {
            check(&section, "http", &config.http, has_tls);
        }
        check(&section, "delegation", &config.delegation, has_tls);
        check(&section, "events", &config.events, has_tls);
        section.finish();
        config
    }
}

fn command(section: Section<'_, '_>) -> Option<CommandConfig> {
    let step = section.required("step", "a step such as \"end-sessions\"", Step::read);
    let run = section.texts(
        "run",
        "program and arguments, such as [\"/usr/bin/doveadm\", \"kick\", \"{account}\"]",
        |text| Ok::<_, &str>(text.to_owned()),
    );
    let at_end = section.flag("at_end").unwrap_or(false);
    let run = run.unwrap_or_default();
    if !run.first().is_some_and(|program| program.starts_with('/')) {
        section.complain(
            "run",
            "begins with no program by its whole path",
            "[\"/usr/bin/doveadm\", \"kick\", \"{account}\"]",
        );
    }
    section.finish();
    Some(CommandConfig {
        step: step?,
        run,
        at_end,
    })
}

fn webhook(section: Section<'_, '_>) -> Option<WebhookConfig> {
    let url = section.required("url", "http:// or https:// and where", http_or_https);
    let secret_file = section.required("secret_file", "a file that holds the secret", path);
    section.finish();
    Some(WebhookConfig {
        url: url?,
        secret_file: secret_file?,
    })
}

fn http(text: &str) -> Result<String, &'static str> {
    if text.starts_with("http://") && text.len() > 7 {
        Ok(text.to_owned())
    } else {
        Err("does not begin with http://")
    }
}

fn http_or_https(text: &str) -> Result<String, &'static str> {
    if text.starts_with("https://") || text.starts_with("http://") {
        Ok(text.to_owned())
    } else {
        Err("begins with neither http:// nor https://")
    }
}
