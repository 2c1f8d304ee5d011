//! `scan`: judge files as if they came in, and show why.
//!
//! A file holds no envelope, so the envelope is made from what the header says: sender from Return-Path or From,
//! recipients from Delivered-To or To, the machine from the newest Received field.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use comfy_table::Cell;
use engine::Authenticity;
use indicatif::{ProgressBar, ProgressStyle};
use judge::Policy;
use mail::{Authentication, Facts, Known, Level, Message, Verdict};
use tokio::runtime::Handle;

use crate::cli::ScanArgs;
use crate::config::Config;
use crate::{input, service, show};

/// Judges every message found; the table is shown as it grows.
pub async fn run(config: &Config, args: &ScanArgs) -> anyhow::Result<ExitCode> {
    let (policy, version) = policy(config, args).await?;
    let scan = Scan {
        policy: &policy,
        version,
        config,
        args,
        readers: engine::Readers::new(&config.limits).with_ocr(config.ocr.clone()),
        authenticity: if args.verify {
            Some(config.authenticity.set_up(&config.site, &config.limits)?)
        } else {
            None
        },
    };
    let mut totals = Totals::default();
    let bar = progress(args);
    input::messages(
        &args.paths,
        config.limits.message_bytes_max,
        &mut |name, raw| {
            bar.inc(1);
            match raw {
                Ok(raw) => {
                    let started = Instant::now();
                    let (facts, verdict) = scan.judge(&raw);
                    totals.count(&verdict, started);
                    bar.suspend(|| scan.print(name, &facts, &verdict))
                }
                Err(error) => {
                    totals.unread += 1;
                    bar.suspend(|| eprintln!("{}: not judged: {error:#}", show::safe(name)));
                    Ok(())
                }
            }
        },
    )?;
    bar.finish_and_clear();
    if !args.json {
        totals.print();
    }
    Ok(if totals.messages == 0 {
        super::nothing("No message was found there.")
    } else {
        ExitCode::SUCCESS
    })
}

struct Scan<'s> {
    policy: &'s Policy,
    version: i64,
    config: &'s Config,
    args: &'s ScanArgs,
    readers: engine::Readers,
    authenticity: Option<Arc<Authenticity>>,
}

impl Scan<'_> {
    fn judge(&self, raw: &[u8]) -> (Facts, Verdict) {
        let (config, ip) = (self.config, self.args.ip);
        let read = engine::read(raw, &config.limits, &self.readers);
        let message = tokio::task::block_in_place(|| Handle::current().block_on(read));
        let authentication = self.verify(raw, &message);
        let (site, policy) = (&config.site, self.policy);
        engine::judge_by_hand(message, raw, ip, site, policy, self.version, authentication)
    }

    /// Who sent it, as DNS tells it now, where that is asked for: signatures of old mail have mostly lost their keys.
    fn verify(&self, raw: &[u8], message: &Message) -> Known<Authentication> {
        let Some(authenticity) = &self.authenticity else {
            return Known::NotAsked;
        };
        let limits = &self.config.limits;
        let envelope = engine::envelope_of_file(message, self.args.ip, &self.config.site);
        let deadline = Instant::now() + Duration::from_millis(limits.deadline_ms);
        let verify = authenticity.verify(&envelope, raw, message, deadline);
        tokio::task::block_in_place(|| Handle::current().block_on(verify))
    }

    fn print(&self, name: &str, facts: &Facts, verdict: &Verdict) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.args.json {
            let line = serde_json::json!({ "name": name, "size_bytes": facts.message.size_bytes, "subject": facts.message.subject, "verdict": verdict });
            writeln!(out, "{line}")?;
            return Ok(());
        }
        let subject = show::short(&facts.message.subject, 60);
        writeln!(
            out,
            "{:<10} {:>5.1}  {}  {}",
            verdict.level.as_str(),
            verdict.score,
            show::safe(name),
            subject
        )?;
        if verdict.level > Level::Ordinary || self.args.reasons {
            for line in show::ledger(verdict)
                .lines()
                .skip_while(|line| !line.starts_with("  ") && !line.starts_with(' '))
                .take_while(|line| !line.is_empty())
            {
                writeln!(out, "    {line}")?;
            }
        }
        Ok(())
    }
}

/// The policy of the file named, else the one in force, else the shipped one: scanning needs no service.
async fn policy(config: &Config, args: &ScanArgs) -> anyhow::Result<(Policy, i64)> {
    if let Some(file) = &args.policy {
        let (_, policy) = super::policy::read_file(config, file)?;
        return Ok((policy, 0));
    }
    let has_store = config.database.reveal().starts_with("postgres") || config.data.exists();
    if has_store
        && let Some((version, text)) = service::open_store(config).await?.active_policy().await?
    {
        return Ok((
            super::policy::parse(config, &text, &format!("policy version {version}"))?,
            version,
        ));
    }
    Ok((
        super::policy::parse(config, judge::DEFAULT_POLICY, "shipped policy")?,
        0,
    ))
}

fn progress(args: &ScanArgs) -> ProgressBar {
    if args.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} messages, {per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

#[derive(Default)]
struct Totals {
    messages: usize,
    levels: [usize; 3],
    unread: usize,
    micros: u128,
}

impl Totals {
    fn count(&mut self, verdict: &Verdict, started: Instant) {
        self.messages += 1;
        self.levels[verdict.level as usize] += 1;
        self.micros += started.elapsed().as_micros();
    }

    fn print(&self) {
        let mut table = show::table(&["level", "messages", "share"]);
        for level in [Level::Ordinary, Level::Suspicious, Level::Dangerous] {
            let count = self.levels[level as usize];
            let share = 100.0 * count as f64 / self.messages.max(1) as f64;
            table.add_row(vec![
                show::level(level),
                Cell::new(count),
                Cell::new(format!("{share:.1} %")),
            ]);
        }
        let each = self.micros as f64 / 1000.0 / self.messages.max(1) as f64;
        println!(
            "\n{table}\n\n{} messages, {each:.2} ms each{}",
            self.messages,
            if self.unread > 0 {
                format!(", {} not judged", self.unread)
            } else {
                String::new()
            }
        );
    }
}
