//! The configuration: what the process needs to start. Everything that is adjusted while it runs is policy.
//!
//! Two types, as everywhere: what was written (crate [`written`], strict, all problems at once with their line), and what it
//! means ([`Config`], resolved and immutable). Every key has a default that works: with no file at all the
//! program runs on loopback with an embedded store.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use engine::{LearnSetup, Ocr, OnFailure, ReportSettings};
use ipnet::IpNet;
use mail::{Domain, Limits, Secret, Site};

use self::authenticity::AuthenticityConfig;
pub use self::authenticity::KeyConfig;
use self::console::ConsoleConfig;
pub use self::doors::{Doors, Listen, Protocol, ProxyConfig, TlsConfig};
pub use self::hub::HubConfig;
pub use self::recall::RecallConfig;
pub use self::watch::{CommandConfig, WatchConfig};

use crate::journal::JournalConfig;
use crate::mail_log::{MailLog, Source};

mod authenticity;
mod console;
mod doors;
mod hub;
mod learning;
mod recall;
mod reports;
#[cfg(test)]
mod tests;
mod watch;

use written::{Problem, Section, Written};

/// Where the configuration is looked for when none is named.
pub const DEFAULT_PATH: &str = "/etc/mailvigil/mailvigil.toml";

/// What the configuration means.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data folder: embedded store, quarantined messages, window snapshot.
    pub data: PathBuf,
    /// This process's name among several.
    pub node: String,
    /// The answer when a message cannot be judged.
    pub on_failure: OnFailure,
    /// How long messages in hand may take when the service stops.
    pub drain: Duration,
    /// Where mail servers and their helpers ask.
    pub doors: Doors,
    /// Where servers tell and ask about what users do.
    pub watch: WatchConfig,
    /// Where `/healthz` and `/metrics` are; `None` is off.
    pub http_listen: Option<SocketAddr>,
    /// The console for people.
    pub console: ConsoleConfig,
    /// `sqlite:FILE` or `postgres://…`; may hold a password.
    pub database: Secret<String>,
    /// Folder of quarantined messages.
    pub quarantine: PathBuf,
    /// What is ours.
    pub site: Site,
    /// Where released messages are handed to, unless `submit_servers` names the server.
    pub submit_to: String,
    /// Where released messages go, by the mail server's own name.
    pub submit_servers: Vec<(String, String)>,
    /// Mail server logs that tell what passed unjudged.
    pub mail_logs: Vec<MailLog>,
    /// Whom we ask about senders, and what we sign with.
    pub authenticity: AuthenticityConfig,
    /// What is kept of others' reports, and what we report.
    pub reports: ReportSettings,
    /// Over what the nodes of this installation hear each other; `None` is a node that is alone.
    pub hub: Option<HubConfig>,
    /// How delivered copies are called back; `None` is a node that calls nothing back.
    pub recall: Option<RecallConfig>,
    /// From whom the learner learns without being told.
    pub learn: LearnSetup,
    /// The program that reads text in pictures; `None` is off.
    pub ocr: Option<Ocr>,
    /// Log lines as JSON objects.
    pub log_json: bool,
    /// Least important log line shown: `error`, `warn`, `info`, `debug`, `trace`, or a filter.
    pub log_level: String,
    /// Every limit on outside input.
    pub limits: Limits,
}

impl Config {
    /// Reads the named file, else [`DEFAULT_PATH`] when it exists, else the defaults. `data` replaces the data folder.
    pub fn load(path: Option<&Path>, data: Option<&Path>) -> anyhow::Result<Self> {
        let default = Path::new(DEFAULT_PATH);
        let path = path.or_else(|| default.exists().then_some(default));
        let (text, name) = match path {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| {
                    format!("the configuration {} cannot be read", path.display())
                })?;
                (text, path.display().to_string())
            }
            None => (String::new(), String::from("(no file)")),
        };
        match Self::parse(&text, data) {
            Ok(config) => Ok(config),
            Err(problems) => bail!(crate::Problems {
                what: format!("configuration {name}"),
                lines: problems.iter().map(ToString::to_string).collect()
            }),
        }
    }

    /// Reads a configuration text. All problems at once, in the order of the text.
    pub fn parse(text: &str, data: Option<&Path>) -> Result<Self, Vec<Problem>> {
        let written = Written::new(text);
        let table = written.parse();
        let root = Section::root(&written, table.get_ref());

        let service = root.section("service");
        let folder = service.text("data", "a folder", path);
        let data = data
            .map(Path::to_path_buf)
            .or(folder)
            .unwrap_or_else(|| PathBuf::from("mailvigil-data"));
        let node = service
            .text("node", "a short name", name)
            .unwrap_or_else(host_name);
        let on_failure = service
            .text("on_failure", "\"tempfail\" or \"accept\"", read_on_failure)
            .unwrap_or_default();
        let drain_secs = service.number("drain_secs", 0..=600).unwrap_or(20);
        service.finish();

        let doors = Doors::read(&root);
        let watch = WatchConfig::read(root.section("watch"), doors.tls.is_some());

        let http = root.section("http");
        let http_listen = http.text(
            "listen",
            "an address such as \"127.0.0.1:7780\", or \"off\"",
            loopback_or_off,
        );
        http.finish();

        let console = ConsoleConfig::read(root.section("console"));

        let store = root.section("store");
        let database = store.text(
            "database",
            "\"sqlite:FILE\" or \"postgres://USER:PASSWORD@HOST/NAME\"",
            database,
        );
        let quarantine = store.text("quarantine", "a folder", path);
        store.finish();

        let is_shared = database
            .as_ref()
            .is_some_and(|database| !database.starts_with("sqlite:"));
        let hub = hub::read(root.section("hub"), is_shared);

        let section = root.section("site");
        let site = Site {
            local_domains: section
                .texts("local_domains", "domain names", Domain::parse)
                .unwrap_or_default(),
            trusted_networks: section
                .texts(
                    "trusted_networks",
                    "networks such as \"192.168.0.0/16\"",
                    network,
                )
                .unwrap_or_default(),
            relay_domains: section
                .texts("relay_domains", "domain names", Domain::parse)
                .unwrap_or_default(),
        };
        section.finish();

        let authenticity = AuthenticityConfig::read(&root, &node);
        let reports = root.section("reports");
        let tls_reports = reports.spot("tls");
        let reports = reports::read(reports);

        let learn = learning::read(root.section("learning"));
        let recall = recall::read(root.section("recall"));

        let release = root.section("release");
        let submit_to = release
            .text("submit_to", "HOST:PORT of the mail server", host_port)
            .unwrap_or_else(|| "127.0.0.1:25".to_owned());
        let servers = release.section("servers");
        let submit_servers = servers.pairs("HOST:PORT of the mail server", host_port);
        release.finish();

        let mut mail_logs = Vec::new();
        for section in root.sections("mail_logs") {
            let source = log_source(&section);
            let ignore = section
                .texts("ignore", "networks", network)
                .unwrap_or_default();
            let watch = section.flag("watch").unwrap_or(true);
            mail_logs.extend(source.map(|source| MailLog {
                source,
                ignore,
                watch,
                sessions: false,
            }));
            section.finish();
        }
        for log in &mut mail_logs {
            log.sessions = reports.tls;
        }
        if reports.tls && mail_logs.is_empty() {
            let right = "[[mail_logs]] path = \"/var/log/mail.log\", a log of Postfix with smtp_tls_loglevel = 1";
            root.complain_at(&tls_reports, "needs a mail server's log to count by", right);
        }

        let readers = root.section("readers");
        let ocr = read_ocr(&readers);
        readers.finish();

        let log = root.section("log");
        let log_json = log
            .text("format", "\"text\" or \"json\"", log_format)
            .unwrap_or(false);
        let log_level = log
            .text("level", "error, warn, info, debug or trace", log_level)
            .unwrap_or_else(|| "info".to_owned());
        log.finish();

        let limits = read_limits(root.section("limits"));
        root.finish();

        let database = database.unwrap_or_else(|| "sqlite:mailvigil.db".to_owned());
        let database = match database.strip_prefix("sqlite:") {
            Some(file) => format!("sqlite:{}", data.join(file).display()),
            None => database,
        };
        let problems = written.into_problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            learn: LearnSetup {
                file: Some(data.join("learner")),
                ..learn
            },
            quarantine: quarantine
                .map_or_else(|| data.join("quarantine"), |folder| data.join(folder)),
            data,
            node,
            on_failure,
            drain: Duration::from_secs(drain_secs),
            doors,
            watch,
            http_listen: http_listen.unwrap_or(Some(SocketAddr::from(([127, 0, 0, 1], 7780)))),
            console,
            database: Secret::new(database),
            hub,
            recall,
            site,
            submit_to,
            submit_servers,
            mail_logs,
            authenticity,
            reports,
            ocr,
            log_json,
            log_level,
            limits,
        })
    }
}

impl Config {
    /// What differs in `new` and holds only after a restart; the site and `on_failure` hold at once.
    pub fn restart_needed(&self, new: &Self) -> Vec<&'static str> {
        let differs = [
            ("service.data", self.data != new.data),
            ("service.node", self.node != new.node),
            ("service.drain_secs", self.drain != new.drain),
            (
                "milter",
                (&self.doors.milter, &self.doors.milter_allow)
                    != (&new.doors.milter, &new.doors.milter_allow),
            ),
            ("scan", self.doors.scan != new.doors.scan),
            ("proxy", self.doors.proxies != new.doors.proxies),
            ("tls", self.doors.tls != new.doors.tls),
            ("watch", self.watch != new.watch),
            ("http.listen", self.http_listen != new.http_listen),
            ("console", self.console != new.console),
            (
                "store.database",
                self.database.reveal() != new.database.reveal(),
            ),
            ("hub", self.hub != new.hub),
            ("recall", self.recall != new.recall),
            ("store.quarantine", self.quarantine != new.quarantine),
            ("mail_logs", self.mail_logs != new.mail_logs),
            (
                "dns, authentication, dkim, arc",
                self.authenticity != new.authenticity,
            ),
            ("reports", self.reports != new.reports),
            ("learning", self.learn != new.learn),
            ("readers.ocr", self.ocr != new.ocr),
            (
                "log",
                (self.log_json, &self.log_level) != (new.log_json, &new.log_level),
            ),
            ("limits", self.limits != new.limits),
        ];
        let named = differs.into_iter().filter(|(_, differs)| *differs);
        named.map(|(name, _)| name).collect()
    }
}

/// `path`, or `journal` with `units`.
fn log_source(section: &Section<'_, '_>) -> Option<Source> {
    let file = section.text("path", "the file", path);
    let journal = section.text(
        "journal",
        "\"system\", or the whole path of a folder of journals",
        journal_folder,
    );
    let units = section.texts("units", "units such as \"postfix@-.service\"", unit);
    match (file, journal, units) {
        (Some(path), None, None) => Some(Source::File(path)),
        (None, Some(folder), units) => Some(Source::Journal(JournalConfig {
            folder,
            units: units.unwrap_or_default(),
        })),
        (Some(_), Some(_), _) => {
            section.complain("journal", "stands beside path", "one of the two");
            None
        }
        (Some(_), None, Some(_)) => {
            section.complain("units", "is for a journal", "journal = \"system\"");
            None
        }
        // What stands there was complained about.
        (None, None, _) if section.has("path") || section.has("journal") => None,
        (None, None, _) => {
            let right = "the mail server's log file, or journal = \"system\"";
            section.complain("path", "is missing", right);
            None
        }
    }
}

fn journal_folder(text: &str) -> Result<Option<PathBuf>, &'static str> {
    match text {
        "system" => Ok(None),
        _ if Path::new(text).is_absolute() => Ok(Some(PathBuf::from(text))),
        _ => Err("is neither system nor the whole path of a folder"),
    }
}

fn unit(text: &str) -> Result<String, &'static str> {
    let good = !text.is_empty()
        && text.len() <= 255
        && text.contains('.')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c));
    good.then(|| text.to_owned()).ok_or("is no name of a unit")
}

/// One line per limit, each with the range that makes sense; `mail::Limits` says what it bounds.
fn read_limits(section: Section<'_, '_>) -> Limits {
    let mut limits = Limits::default();
    macro_rules! limit {
        ($($field:ident: $range:expr;)*) => {
            $(if let Some(number) = section.number(stringify!($field), $range) {
                limits.$field = number as _;
            })*
        };
    }
    limit! {
        milter_frame_bytes_max: 65_536..=1 << 26;
        milter_macros_max: 32..=10_000;
        smtp_reply_line_bytes_max: 512..=1 << 20;
        smtp_reply_lines_max: 1..=10_000;
        imap_line_bytes_max: 1024..=1 << 30;
        imap_folders_max: 1..=1_000_000;
        connections_max: 1..=100_000;
        connection_idle_secs: 1..=86_400;
        frame_secs: 1..=3_600;
        message_bytes_max: 1_024..=1 << 31;
        in_flight_bytes_max: 1_048_576..=1 << 40;
        recipients_max: 1..=100_000;
        address_bytes_max: 64..=65_536;
        headers_max: 10..=100_000;
        header_bytes_max: 256..=1 << 24;
        parts_max: 1..=100_000;
        nested_messages_max: 0..=64;
        part_text_bytes_max: 1_024..=1 << 28;
        text_bytes_max: 1_024..=1 << 28;
        hops_max: 1..=1_000;
        links_max: 1..=100_000;
        contacts_max: 1..=10_000;
        skim_parts_max: 1..=10_000;
        skim_text_bytes_max: 1_024..=1 << 24;
        documents_max: 0..=10_000;
        document_bytes_max: 1_024..=1 << 30;
        document_depth_max: 0..=64;
        document_entries_max: 1..=100_000;
        document_unpacked_bytes_max: 1_024..=1 << 32;
        document_ms: 10..=300_000;
        documents_ms: 10..=300_000;
        document_memory_bytes: 64 << 20..=1 << 36;
        document_readers_max: 1..=1_000;
        picture_pixels_max: 1..=1_000_000_000;
        ocr_pictures_max: 0..=1_000;
        ocr_ms: 10..=300_000;
        lookup_ms: 10..=300_000;
        lookups_max: 1..=10_000;
        dns_question_ms: 10..=60_000;
        dns_silences_max: 1..=1_000_000;
        dns_in_flight_max: 1..=1_000_000;
        dns_answer_bytes_max: 512..=65_536;
        dns_records_max: 1..=10_000;
        dns_aliases_max: 0..=100;
        dns_cache_bytes_max: 65_536..=1 << 36;
        dns_ttl_secs_max: 1..=604_800;
        dns_negative_ttl_secs_max: 1..=86_400;
        spf_lookups_max: 1..=100;
        spf_void_lookups_max: 0..=100;
        signatures_max: 1..=1_000;
        signed_fields_max: 1..=10_000;
        body_hashes_max: 1..=1_000;
        arc_sets_max: 1..=50;
        arc_field_bytes_max: 1_024..=1 << 20;
        rsa_bits_max: 2_048..=8_192;
        authentication_text_bytes_max: 64..=65_536;
        authentication_items_max: 1..=1_000;
        positions_per_hit_max: 1..=10_000;
        hits_max: 1..=100_000;
        evidence_chars_max: 20..=10_000;
        deadline_ms: 10..=300_000;
        policy_bytes_max: 65_536..=1 << 28;
        report_bytes_max: 4096..=1 << 30;
        report_unpacked_bytes_max: 4096..=1 << 32;
        report_records_max: 10..=10_000_000;
        report_text_bytes_max: 100..=1 << 20;
        report_destinations_max: 1..=100;
        report_kept_bytes_max: 1_024..=1 << 30;
        report_sources_max: 1..=10_000_000;
        reports_per_day_max: 0..=1_000_000;
        reports_domains_max: 1..=1_000_000;
        report_servers_max: 1..=10_000;
        failure_reports_max: 0..=10_000;
        report_letters_max: 0..=1_000_000;
        report_letter_bytes_max: 10_240..=1 << 30;
        windows_bytes_max: 65_536..=1 << 36;
        standing_bytes_max: 65_536..=1 << 36;
        watch_bytes_max: 1 << 20..=1 << 40;
        session_bytes_max: 16..=4096;
        told_bytes_max: 4_096..=1 << 26;
        sights_queue_max: 100..=1_000_000;
        told_queue_max: 100..=10_000_000;
        waiting_logins_max: 0..=100_000;
        told_per_day_max: 1_000..=1 << 40;
        hub_batch_bytes_max: 1_024..=1 << 26;
        hub_queue_max: 100..=10_000_000;
        twins_max: 100..=10_000_000;
        record_queue_max: 1..=10_000_000;
        facts_bytes_max: 1_024..=1 << 24;
        quarantine_bytes_max: 1_024..=1 << 50;
    }
    section.finish();
    limits
}

/// `readers.ocr`: a program by its whole path, and its arguments.
fn read_ocr(readers: &Section<'_, '_>) -> Option<Ocr> {
    let mut words = readers
        .texts("ocr", "texts", |word| Ok::<_, &str>(word.to_owned()))?
        .into_iter();
    match words.next().map(PathBuf::from) {
        Some(program) if program.is_absolute() => Some(Ocr {
            program,
            arguments: words.collect(),
        }),
        _ => {
            let right = "a program by its whole path, and its arguments: [\"/usr/bin/tesseract\", \"-\", \"-\"]";
            readers.complain("ocr", "names no program", right);
            None
        }
    }
}

fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.is_empty() {
        "mailvigil".to_owned()
    } else {
        name
    }
}

fn name(text: &str) -> Result<String, &'static str> {
    let good = !text.is_empty()
        && text.len() <= 100
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    good.then(|| text.to_owned())
        .ok_or("is no name of letters, digits, '.', '-' and '_'")
}

fn path(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() {
        Err("is empty")
    } else {
        Ok(PathBuf::from(text))
    }
}

fn read_on_failure(text: &str) -> Result<OnFailure, &'static str> {
    match text {
        "accept" => Ok(OnFailure::Accept),
        "tempfail" => Ok(OnFailure::Tempfail),
        _ => Err("is neither accept nor tempfail"),
    }
}

pub(super) fn loopback_or_off(text: &str) -> Result<Option<SocketAddr>, &'static str> {
    if text == "off" {
        return Ok(None);
    }
    let address: SocketAddr = text.parse().map_err(|_| "is no address with port")?;
    // Metrics name no person, but they tell much about a site, and nothing here asks who is there.
    if address.ip().is_loopback() {
        Ok(Some(address))
    } else {
        Err("is not on loopback; put a proxy in front")
    }
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    let net: Result<IpNet, _> = text.parse();
    net.or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "is neither a network nor an address")
}

fn database(text: &str) -> Result<String, &'static str> {
    let known = ["sqlite:", "postgres://", "postgresql://"];
    let good = known
        .iter()
        .any(|start| text.len() > start.len() && text.starts_with(start));
    good.then(|| text.to_owned())
        .ok_or("is no store this program knows")
}

fn host_port(text: &str) -> Result<String, &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("has no port")?;
    let good = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
    good.then(|| text.to_owned()).ok_or("is not HOST:PORT")
}

fn log_format(text: &str) -> Result<bool, &'static str> {
    match text {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err("is neither text nor json"),
    }
}

fn log_level(text: &str) -> Result<String, String> {
    match text.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
