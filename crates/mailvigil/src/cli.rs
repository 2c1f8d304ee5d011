//! The command line: what can be asked for, and the words of `--help`.

mod learning;
mod recall;
mod standing;
mod watching;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::eval::{Feedback, Kind};

pub use learning::{LearnArgs, LearnCommand, LessonArgs, LogArgs};
pub use recall::{RecallCommand, TakeArgs};
pub use standing::{MarkArg, MarkArgs, PinArgs, StageArg, StandingArgs, WishArg, WishArgs};
pub use watching::{
    AddArgs, DecisionsCommand, DetectionsArgs, FirewallArgs, ListArgs, RemoveArgs, WatchCommand,
    WhoArgs, WhoCommand,
};

/// Judges mail before delivery, beside the mail server you already run.
#[derive(Debug, Parser)]
#[command(
    name = "mailvigil",
    version,
    about,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad configuration or policy, 4 nothing found.\n\
                  Start with `mailvigil demo`, then `mailvigil serve` and `mailvigil connect postfix`."
)]
pub struct Cli {
    /// Configuration file. Without one (and without /etc/mailvigil/mailvigil.toml) everything runs on
    /// loopback with an embedded store in ./mailvigil-data.
    #[arg(
        long,
        short,
        global = true,
        env = "MAILVIGIL_CONFIG",
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,

    /// Data folder, in place of the one in the configuration.
    #[arg(long, global = true, env = "MAILVIGIL_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service: answer mail servers, keep records.
    Serve,
    /// Play a day of a small organisation's mail through the whole service, on loopback.
    Demo(DemoArgs),
    /// Judge message files, folders or mailboxes with the policy in force, and show why.
    Scan(ScanArgs),
    /// Replay labelled mail in order and say how good learning is: error, calibration, speed.
    Eval(EvalArgs),
    /// Play an organisation and its attackers against the watch on users' operations, and say how good it is.
    Simulate(SimulateArgs),
    /// Drop blocked sources in nftables: the one process with the right to, told by the service (`watch.firewall`).
    Firewall(FirewallArgs),
    /// Check the configuration and say everything that is wrong with it.
    CheckConfig,
    /// Search the records: where is my mail?
    Messages(MessagesArgs),
    /// Tell the whole story of one message: path, verdict, every reason with its evidence.
    Explain(ExplainArgs),
    /// Held messages: list, look at them safely, release, delete.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Rules, weights, boundaries, lists: one versioned document.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Connect a mail server to this service.
    #[command(subcommand)]
    Connect(ConnectCommand),
    /// The time line of an account: logins, what was done, mail, detections, decisions.
    #[command(subcommand)]
    Account(WhoCommand),
    /// The time line of a machine or a person's place.
    #[command(subcommand)]
    Ip(WhoCommand),
    /// The time line of a mailbox or a stranger's address.
    #[command(subcommand)]
    Address(WhoCommand),
    /// What stands against users and machines: list, add, remove.
    #[command(subcommand)]
    Decisions(DecisionsCommand),
    /// What detectors saw.
    Detections(DetectionsArgs),
    /// The watch on users' operations: its settings, and whom it never touches.
    #[command(subcommand)]
    Watch(WatchCommand),
    /// What people said mail was, and what was learnt from it.
    #[command(subcommand)]
    Learn(LearnCommand),
    /// Delivered copies called back out of mailboxes, and put back.
    #[command(subcommand)]
    Recall(RecallCommand),
    /// What administrators did: releases, deletions, policy changes.
    Acts(ActsArgs),
    /// The log of acts as evidence: verified, taken away.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Who really sent a message: SPF, DKIM, ARC, DMARC, as it would be found out at the door.
    #[command(subcommand)]
    Auth(AuthCommand),
    /// Keys that mail of our own domains is signed with.
    #[command(subcommand)]
    Dkim(DkimCommand),
    /// Reports of others about our domains: DMARC, TLS, feedback.
    #[command(subcommand)]
    Report(ReportCommand),
    /// The web console: a link to log in by, and who may.
    #[command(subcommand)]
    Console(ConsoleCommand),
    /// Print completions for a shell, e.g. `mailvigil completions bash > /etc/bash_completion.d/mailvigil`.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Everything chance decides follows from it.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// People of the organisation.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(50..=200_000))]
    pub users: u32,
    /// Days with attackers, after eight in which habits are learnt.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(3..=90))]
    pub days: u32,
    /// Attackers of each of the eleven kinds.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub attackers: u32,
    /// The doors see passwords (nginx, our own proxies), so that one password on many accounts can be told.
    #[arg(long)]
    pub passwords_seen: bool,
    /// Play it once more with nothing acting, and say what the default rules of fail2ban, CrowdSec and weakforced would have refused.
    #[arg(long, conflicts_with = "json")]
    pub compare: bool,
    /// Settings of the watch, as TOML; without, every detector acts at its default.
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// Verify message files now, against DNS as it is now.
    Check(CheckArgs),
    /// Domains that mail says to come from: how much of it is signed, by which servers it comes, how far blocking has come.
    Standing(StandingArgs),
    /// What a domain publishes about its mail, what is wrong with it, and what to do next.
    Domain(DomainArgs),
    /// Say what a server or network is to a domain.
    Mark(MarkArgs),
    /// Keep a domain in a stage, whatever its mail is like.
    Pin(PinArgs),
    /// Set the most that is done to mail in a domain's name.
    Wish(WishArgs),
}

#[derive(Debug, Args)]
pub struct DomainArgs {
    /// Which.
    #[arg(value_parser = |text: &str| mail::Domain::parse(text))]
    pub domain: mail::Domain,
    /// Look at the key of this selector too (several times for several); those seen in its mail are looked at anyway.
    #[arg(long = "selector", value_name = "NAME")]
    pub selectors: Vec<String>,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Message files, folders, mbox files, or `-` for standard input.
    #[arg(required = true, value_name = "FILE|DIR|mbox|-")]
    pub paths: Vec<PathBuf>,
    /// One JSON object per message.
    #[arg(long)]
    pub json: bool,
    /// The machine that handed it over, when the newest Received field does not say it.
    #[arg(long, value_name = "IP")]
    pub ip: Option<std::net::IpAddr>,
}

#[derive(Debug, Subcommand)]
pub enum DkimCommand {
    /// Make a key, and say what to publish and configure.
    Keygen(KeygenArgs),
    /// Hold the configured keys against what is published: missing, another, short, old.
    Check,
    /// Make the next key for a domain that signs already, and say in which order to change over without a gap.
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The domain that signs.
    #[arg(value_parser = |text: &str| mail::Domain::parse(text))]
    pub domain: mail::Domain,
    /// The new key's name; today's date when nothing is said.
    #[arg(long, value_parser = |text: &str| mail::Domain::parse(text))]
    pub selector: Option<mail::Domain>,
    /// Where the private key goes; an existing file is left alone.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Ed25519 instead of RSA.
    #[arg(long)]
    pub ed25519: bool,
}

#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// The domain that signs.
    #[arg(value_parser = |text: &str| mail::Domain::parse(text))]
    pub domain: mail::Domain,
    /// The name the key is published under; take a new one for each key, such as `s2027a`.
    #[arg(value_parser = |text: &str| mail::Domain::parse(text))]
    pub selector: mail::Domain,
    /// Where the private key goes; an existing file is left alone.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Ed25519 instead of RSA; not yet verified by everybody, so use it beside an RSA key.
    #[arg(long)]
    pub ed25519: bool,
}

#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Show reports: mail that carries them, or bare files, packed or not.
    Show(ReportArgs),
    /// Keep reports in files as if they had come by mail: mail that carries them, or bare files.
    Import(ReportArgs),
    /// Reports that are kept, the newest first.
    List(ReportListArgs),
    /// Who sends as our domains, and what of it fails, as others reported.
    Dmarc(ReportAboutArgs),
    /// How encrypted mail to our domains is, as others reported.
    Tls(ReportAboutArgs),
    /// How a domain is used, by outbound server, as counted here.
    Usage(UsageArgs),
    /// Send what is due now, or show what a day's reports would be.
    Send(SendArgs),
}

#[derive(Debug, Args)]
pub struct ReportListArgs {
    /// How many at most.
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
    /// One JSON object per report, with all it says.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ReportAboutArgs {
    /// One domain.
    #[arg(value_parser = |text: &str| mail::Domain::parse(text))]
    pub domain: Option<mail::Domain>,
    /// Reports that came since: 2026-11-23, or a span back from now such as 30d.
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub since: String,
    /// One JSON object per line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct UsageArgs {
    /// Which domain.
    #[arg(value_parser = |text: &str| mail::Domain::parse(text))]
    pub domain: mail::Domain,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = UsageFormat::Csv)]
    pub format: UsageFormat,
}

/// Forms of a usage report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum UsageFormat {
    /// Lines for a spreadsheet.
    Csv,
    /// A page.
    Html,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
pub struct SendArgs {
    /// Only show the DMARC reports of this day (UTC), as in 2026-11-23; nothing is sent.
    #[arg(long, value_name = "DAY")]
    pub show_day: Option<String>,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The reports.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// One JSON object per report.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End after the summary instead of staying up.
    #[arg(long)]
    pub once: bool,
    /// Show every verdict, not only the notable ones.
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Message files, folders, mbox files, or `-` for standard input.
    #[arg(required = true, value_name = "FILE|DIR|mbox|-")]
    pub paths: Vec<PathBuf>,
    /// One JSON object per message instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Judge by this policy file instead of the policy in force.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Show the reasons of ordinary messages too.
    #[arg(long)]
    pub reasons: bool,
    /// The address mail is handed over from, when the file does not say it.
    #[arg(long, value_name = "IP")]
    pub ip: Option<std::net::IpAddr>,
    /// Find out who sent it too, by DNS as it is now.
    #[arg(long)]
    pub verify: bool,
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Labelled messages in the order they came: `label TAB path` or `label path` a line, paths relative to this file. Ham is
    /// wanted; spam, phish, scam, malware and junk are not.
    #[arg(long, value_name = "FILE")]
    pub index: PathBuf,
    /// Which messages get a label after they were scored: full; delay=N (the first N only); partial=FILE (those listed); noise=P
    /// (all, a share P of them wrong); active=N (at most N, where the filter is unsure); onesided=P (what is delivered, and a share P
    /// of the rest); none.
    #[arg(long, value_name = "KIND", default_value = "full")]
    pub feedback: Feedback,
    /// Which classifier.
    #[arg(long, value_enum, default_value_t = Kind::Content)]
    pub classifier: Kind,
    /// Look at subject and body only.
    #[arg(long)]
    pub body_only: bool,
    /// Begin behind so many messages, which then come at the end: what one order of the mail owes to luck shows in others.
    #[arg(long, value_name = "MESSAGES", default_value_t = 0)]
    pub begin: usize,
    /// Leave a header field out, e.g. Received; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub drop_header: Vec<String>,
    /// Judge each spam message with text of earlier wanted mail pasted around it, too, and say how many of those are missed.
    #[arg(long)]
    pub pasted: bool,
    /// Run another filter on the same mail with the same labels.
    #[arg(long, value_enum)]
    pub against: Option<Against>,
    /// One JSON object for each filter instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Write path, label and score of each message.
    #[arg(long, value_name = "FILE")]
    pub scores: Option<PathBuf>,
    /// Draw the curve and the calibration as SVG.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// Filters that can run beside ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Against {
    /// Debian's bogofilter.
    Bogofilter,
}

#[derive(Debug, Args)]
pub struct MessagesArgs {
    /// Sender or recipient address, or `@domain`.
    #[arg(long)]
    pub address: Option<String>,
    /// Envelope or visible sender, or `@domain`.
    #[arg(long)]
    pub from: Option<String>,
    /// Recipient, or `@domain`.
    #[arg(long)]
    pub to: Option<String>,
    /// Address of the machine that handed it over.
    #[arg(long)]
    pub ip: Option<std::net::IpAddr>,
    /// Words in the subject.
    #[arg(long)]
    pub subject: Option<String>,
    /// Message-ID, with or without angle brackets.
    #[arg(long)]
    pub message_id: Option<String>,
    /// The mail server's queue id.
    #[arg(long)]
    pub queue_id: Option<String>,
    /// Authenticated account.
    #[arg(long)]
    pub account: Option<String>,
    /// The mail server that asked.
    #[arg(long)]
    pub server: Option<String>,
    /// What became of it.
    #[arg(long, value_enum)]
    pub fate: Option<FateArg>,
    /// Danger level.
    #[arg(long, value_enum)]
    pub level: Option<LevelArg>,
    /// Name of a rule or signal that fired.
    #[arg(long)]
    pub reason: Option<String>,
    /// From this time on: 2026-11-23, 2026-11-23T10:00:00Z, or a span back from now such as 90m, 24h, 7d.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Until this time (same forms).
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Continue a list after this record.
    #[arg(long, value_name = "ID")]
    pub before: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
    /// One JSON object per record.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FateArg {
    Delivered,
    Quarantined,
    Discarded,
    Rejected,
    Deferred,
    Failed,
    Unscanned,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LevelArg {
    Ordinary,
    Suspicious,
    Dangerous,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Record id, queue id or Message-ID; `last` is the newest record.
    pub id: String,
    /// The whole record as JSON, facts included.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Held messages, newest first.
    List {
        /// Also those released, deleted or expired.
        #[arg(long)]
        all: bool,
        /// Only for this recipient, or `@domain`.
        #[arg(long)]
        to: Option<String>,
        /// Continue a list after this item.
        #[arg(long, value_name = "ID")]
        before: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// One JSON object per item.
        #[arg(long)]
        json: bool,
    },
    /// Show a held message safely: header, text with control characters made visible, parts; nothing is opened.
    Show {
        /// Item id.
        id: String,
        /// The exact bytes instead, to standard output (not to a terminal).
        #[arg(long)]
        raw: bool,
        /// Why other people's mail is read; kept in the log of acts.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Deliver held messages to their original recipients, once, past the filter.
    Release {
        /// Item ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Why; kept with the act.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Delete held messages. The summary stays.
    Delete {
        /// Item ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Why; kept with the act.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Say what messages were, held or not: the learner learns it.
    Teach {
        /// What they were.
        #[arg(value_enum)]
        label: LabelArg,
        /// Record ids, queue ids or Message-IDs.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Expire what the policy's time is up for, now instead of within the hour.
    Expire,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabelArg {
    Wanted,
    Unwanted,
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Summary of the policy in force: boundaries, actions, rules, lists.
    Show,
    /// Print a policy version as TOML.
    Export {
        /// Which version; the one in force when left out.
        version: Option<i64>,
        /// Print the policy that ships with this program.
        #[arg(long, conflicts_with = "version")]
        shipped: bool,
    },
    /// Check a policy file, run its tests and put it in force.
    Apply {
        /// TOML file, or `-` for standard input.
        file: PathBuf,
        /// Why; kept with the version.
        #[arg(long, short = 'm')]
        reason: Option<String>,
        /// The version this file was edited from: refuse when another is in force by now.
        #[arg(long)]
        base: Option<i64>,
    },
    /// Difference between two versions, or between the policy in force and a file.
    Diff {
        /// A version number or a file.
        from: String,
        /// A version number or a file; the version in force when left out.
        to: Option<String>,
    },
    /// All versions: who, when, why.
    History,
    /// Put an earlier version in force again (as a new version).
    Rollback {
        /// Which version.
        version: i64,
        /// Why; kept with the version.
        #[arg(long, short = 'm')]
        reason: Option<String>,
    },
    /// Take over rules that were written for another program.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Check a policy and run the tests it carries; with messages, judge them and show why.
    Test {
        /// Policy file; the policy in force when left out.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Message files to judge by it.
        messages: Vec<PathBuf>,
    },
    /// Judge recorded mail again by a policy file before it is in force: what would go another way?
    WhatIf {
        /// TOML file, or `-` for standard input.
        file: PathBuf,
        /// Mail since this time: 2026-11-23, 2026-11-23T10:00:00Z, or a span back from now such as 90m, 24h, 7d.
        #[arg(long, default_value = "7d", value_name = "TIME")]
        since: String,
        /// The outcome as one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Enter a sender into the list allowed-senders, bound to where mail of theirs comes from.
    Allow(AllowArgs),
}

#[derive(Debug, Args)]
pub struct AllowArgs {
    /// An address, or `@domain`.
    pub sender: String,
    /// Only mail that this network hands over.
    #[arg(long, value_name = "NETWORK")]
    pub from: Option<String>,
    /// Only mail of this authenticated account.
    #[arg(long)]
    pub account: Option<String>,
    /// Only for this recipient, or `@domain`.
    #[arg(long = "for", value_name = "RECIPIENT")]
    pub for_: Option<String>,
    /// The day it ends, such as 2027-01-31.
    #[arg(long, value_name = "DAY")]
    pub expires: Option<String>,
    /// Whoever writes this address, from wherever. Dangerous: anybody can.
    #[arg(long, conflicts_with_all = ["from", "account"])]
    pub unguarded: bool,
    /// Why; kept with the entry and the version.
    #[arg(long, short = 'm')]
    pub reason: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Take over SpamAssassin's rules as they are, say what was left out and why, and write or apply the policy that carries them.
    ///
    /// The rules replace those imported before; what the policy says of them (weight, scores) stays. Each rule that hits is a reason
    /// of the verdict with SpamAssassin's score (set 0: no network, no Bayes) times the weight, and its `describe` text.
    /// Without --out or --apply nothing is changed and only the report is printed. See docs/spamassassin.md.
    #[command(after_long_help = "Examples:\n  \
        mailvigil policy import spamassassin /usr/share/spamassassin /etc/spamassassin\n  \
        mailvigil policy import spamassassin /var/lib/spamassassin/4.000001/updates_spamassassin_org --details | less\n  \
        mailvigil policy import spamassassin rules/ --out policy.toml && mailvigil policy diff policy.toml\n  \
        mailvigil policy import spamassassin rules/ --apply -m \"SpamAssassin's rules of November\"")]
    Spamassassin(ImportSpamassassinArgs),
}

#[derive(Debug, Args)]
pub struct ImportSpamassassinArgs {
    /// Folders of rules (their *.cf, in order of names) or single files, read in this order: of two lines for one rule the later holds.
    #[arg(required = true, value_name = "DIR")]
    pub from: Vec<PathBuf>,
    /// Write the policy that carries them to this file, or to standard output for `-`.
    #[arg(long, value_name = "FILE", conflicts_with = "apply")]
    pub out: Option<PathBuf>,
    /// Put that policy in force.
    #[arg(long)]
    pub apply: bool,
    /// Policy file that gets them; the policy in force when left out.
    #[arg(long, value_name = "FILE", conflicts_with = "apply")]
    pub policy: Option<PathBuf>,
    /// What one SpamAssassin point is worth. When left out: as it was, or so that SpamAssassin's required_score (5 unless the rules say otherwise) is where suspicious begins.
    #[arg(long, value_name = "FACTOR")]
    pub weight: Option<f64>,
    /// Name everything that was left out, with its file and line.
    #[arg(long)]
    pub details: bool,
    /// Why; kept with the version.
    #[arg(long, short = 'm', requires = "apply")]
    pub reason: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum ConnectCommand {
    /// Print the exact Postfix settings; with --apply set them, send a canary message and say whether it came back scanned.
    Postfix(ConnectPostfixArgs),
    /// Print the exact Exim settings; with --canary send a canary message and say whether it came back scanned.
    Exim(ConnectEximArgs),
    /// Print the exact Dovecot settings for logins and mailboxes; with --canary have Dovecot refuse a made-up login and say whether it was told.
    Dovecot(ConnectDovecotArgs),
}

#[derive(Debug, Args)]
pub struct ConnectDovecotArgs {
    /// Have the Dovecot that has the settings refuse a login nobody has.
    #[arg(long)]
    pub canary: bool,
    /// Which line of Dovecot; without, the one that is installed.
    #[arg(long, value_name = "2.3|2.4")]
    pub dovecot: Option<DovecotLine>,
    /// Write what teaches the learner when users move mail into and out of Junk into this folder, and print the settings for it.
    #[arg(long, value_name = "FOLDER", conflicts_with = "canary")]
    pub learn: Option<PathBuf>,
    /// Put a made-up message into this user's Junk, and see that it teaches; both are taken away again.
    #[arg(long, value_name = "USER", conflicts_with_all = ["canary", "learn"])]
    pub learn_canary: Option<String>,
    /// The mailbox unwanted mail is moved to.
    #[arg(long, value_name = "MAILBOX", default_value = "Junk")]
    pub junk: String,
    /// Dovecot's configuration file, for an instance other than the default one.
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<PathBuf>,
}

/// A line of Dovecot, whose settings have names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DovecotLine {
    /// 2.3
    #[value(name = "2.3")]
    Old,
    /// 2.4
    #[value(name = "2.4")]
    New,
}

#[derive(Debug, Args)]
pub struct ConnectEximArgs {
    /// Send a canary through the Exim that has the settings.
    #[arg(long)]
    pub canary: bool,
    /// Where Exim takes mail, for the canary.
    #[arg(long, default_value = "127.0.0.1:25", value_name = "HOST:PORT")]
    pub smtp: String,
    /// Recipient of the canary; nobody gets it, it is discarded by the filter.
    #[arg(long, default_value = "postmaster", value_name = "ADDRESS")]
    pub canary_to: String,
}

#[derive(Debug, Args)]
pub struct ConnectPostfixArgs {
    /// Set the settings with postconf and reload Postfix.
    #[arg(long)]
    pub apply: bool,
    /// Postfix configuration folder, for an instance other than the default one.
    #[arg(long, value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
    /// Where Postfix takes mail, for the canary.
    #[arg(long, default_value = "127.0.0.1:25", value_name = "HOST:PORT")]
    pub smtp: String,
    /// Recipient of the canary; nobody gets it, it is discarded by the filter.
    #[arg(long, value_name = "ADDRESS")]
    pub canary_to: Option<String>,
    /// Take the settings away again.
    #[arg(long, conflicts_with = "apply")]
    pub remove: bool,
}

#[derive(Debug, Args)]
pub struct ActsArgs {
    /// Only what this person did.
    #[arg(long)]
    pub who: Option<String>,
    /// Only acts of this kind, such as release.
    #[arg(long)]
    pub act: Option<String>,
    /// Only acts on this: a record id, a name, `version 3`.
    #[arg(long)]
    pub on: Option<String>,
    /// How many at most, newest first.
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
    /// One JSON object per act.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Walk the chain of acts: was any entry altered, removed or moved? Exit code 1 when one was.
    Verify {
        /// The outcome as one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Write every act as one JSON object a line, with its place and hash in the chain.
    Export,
}

#[derive(Debug, Subcommand)]
pub enum ConsoleCommand {
    /// Print a link, good once and for two days, by which somebody chooses a password.
    Link {
        /// Somebody who is entered already (a lost password); without it, a new administrator who chooses a name.
        #[arg(long)]
        name: Option<String>,
    },
    /// Who may log in.
    People,
    /// Enter somebody who may log in, and print the link by which they choose a password.
    Add {
        /// The name they log in by.
        name: String,
        #[command(flatten)]
        part: PartArgs,
    },
    /// Change what somebody may do. All their sessions end.
    Change {
        /// Who.
        name: String,
        #[command(flatten)]
        part: PartArgs,
        /// They may not log in any more.
        #[arg(long)]
        disabled: bool,
    },
    /// Remove somebody.
    Remove {
        /// Who.
        name: String,
    },
    /// Take the one-time codes off somebody who has lost them.
    RemoveCodes {
        /// Whose.
        name: String,
    },
    /// What people ask a second person for.
    Requests,
    /// Allow what somebody asks for.
    Approve(DecideArgs),
    /// Refuse it.
    Refuse(DecideArgs),
    /// Send digests of what was held since the last ones, now.
    Digest,
}

/// What somebody is, and on whose mail.
#[derive(Debug, Args)]
pub struct PartArgs {
    /// What they may do.
    #[arg(long, value_enum)]
    pub role: RoleArg,
    /// On whose mail: `@domain`, or addresses (those of an owner). Everybody's when left out.
    #[arg(long, value_name = "SCOPE", num_args = 1..)]
    pub scope: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    Administrator,
    Operator,
    Auditor,
    Owner,
}

#[derive(Debug, Args)]
pub struct DecideArgs {
    /// Id of the request; see `console requests`.
    pub id: String,
    /// Why; kept with the act.
    #[arg(long)]
    pub reason: Option<String>,
}
