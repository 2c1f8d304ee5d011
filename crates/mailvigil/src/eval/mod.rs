//! `eval`: replays labelled mail in order, as it would have come, and says how good the filter is in figures anyone can repeat.

use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use learn::{Classifier, Letter, Scope, Viewer};
use mail::Limits;
use rustix::time::{ClockId, clock_gettime};

mod bogofilter;
mod feedback;
mod figures;
mod index;
mod kind;
mod pasted;
mod plot;
mod report;

use crate::cli::{Against, EvalArgs};
use crate::show;
use bogofilter::Bogofilter;
pub use feedback::Feedback;
use feedback::Teacher;
use figures::{Figures, Scored, figures};
use index::Entry;
pub use kind::Kind;
use pasted::Paster;
use report::Report;

/// Every replay hashes alike, so that figures can be repeated.
const SECRET: &[u8] = b"mailvigil eval";

/// Replays, prints, writes the files asked for.
pub fn run(args: &EvalArgs, limits: &Limits) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        !args.pasted || args.classifier.judges_copies(),
        "--pasted judges copies of messages, and to {} each would be one more message that came: content, bayes or classes is right",
        args.classifier.name()
    );
    let mut entries = index::read(&args.index)?;
    anyhow::ensure!(
        args.begin < entries.len(),
        "--begin {}: the index has {} messages, so up to {} is right",
        args.begin,
        entries.len(),
        entries.len() - 1
    );
    entries.rotate_left(args.begin);
    let mut replay = Replay::new(args, limits, entries.len())?;
    let bar = progress(args, entries.len());
    for entry in &entries {
        replay.step(entry, &bar)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(file) = &args.scores {
        write_scores(file, &entries, &replay.ours)
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let name = args.classifier.name();
    let mut filters: Vec<(&str, Vec<Scored>)> = vec![(&name, scored(&replay.ours))];
    if replay.beside.is_some() {
        filters.push(("bogofilter", scored(&replay.theirs)));
    }
    if let Some(file) = &args.plot {
        let shown: Vec<(&str, &[Scored])> = filters
            .iter()
            .map(|(name, list)| (*name, list.as_slice()))
            .collect();
        let svg = plot::svg(&args.index.display().to_string(), &shown);
        std::fs::write(file, svg)
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let reports = filters.iter().enumerate().map(|(at, (name, list))| {
        let busy = if at == 0 {
            replay.busy
        } else {
            replay.beside_busy
        };
        let mut report = replay.report(name, figures(list), busy);
        if at == 0 {
            report.pasted = replay
                .paster
                .as_ref()
                .map(Paster::missed)
                .unwrap_or_default();
        }
        report
    });
    report::print(&reports.collect::<Vec<_>>(), args.json)?;
    Ok(if replay.unreadable == entries.len() {
        crate::commands::nothing("None of the messages could be read.")
    } else {
        ExitCode::SUCCESS
    })
}

/// One pass over the mail.
struct Replay {
    viewer: Viewer,
    classifier: Box<dyn Classifier>,
    teacher: Teacher,
    scope: Scope,
    beside: Option<Bogofilter>,
    paster: Option<Paster>,
    bytes_max: usize,
    /// One for each message; `None` where it could not be read.
    ours: Vec<Option<Scored>>,
    theirs: Vec<Option<Scored>>,
    unreadable: usize,
    /// Processor time of ours, and time of what runs beside.
    busy: Duration,
    beside_busy: Duration,
}

impl Replay {
    fn new(args: &EvalArgs, limits: &Limits, messages: usize) -> anyhow::Result<Self> {
        let scope = Scope {
            body_only: args.body_only,
            without: args.drop_header.clone(),
        };
        let key = learn::Key::new(SECRET);
        let (classifier, needs) = args.classifier.make(&key);
        let beside = match args.against {
            Some(Against::Bogofilter) => Some(Bogofilter::start()?),
            None => None,
        };
        Ok(Self {
            viewer: Viewer::new(key, scope.clone(), needs, limits.clone()),
            classifier,
            teacher: Teacher::new(args.feedback.clone(), messages)?,
            scope,
            beside,
            paster: args.pasted.then(|| Paster::new(limits)),
            bytes_max: limits.message_bytes_max,
            ours: Vec::with_capacity(messages),
            theirs: Vec::new(),
            unreadable: 0,
            busy: Duration::ZERO,
            beside_busy: Duration::ZERO,
        })
    }

    fn step(&mut self, entry: &Entry, bar: &ProgressBar) -> anyhow::Result<()> {
        let raw = match read(&entry.path, self.bytes_max) {
            Ok(raw) => raw,
            Err(error) => {
                self.unreadable += 1;
                self.ours.push(None);
                self.theirs.push(None);
                bar.suspend(|| eprintln!("{}: not scored: {error:#}", show::safe(&entry.name)));
                return Ok(());
            }
        };
        if let Some(paster) = &mut self.paster {
            paster.see(&raw, entry.spam, &mut self.viewer, &mut *self.classifier);
        }
        let start = processor_time();
        let sight = self.viewer.see(&Letter::found(&raw));
        let opinion = self.classifier.classify(&sight);
        let lesson = self.teacher.label(entry, &opinion);
        if let Some(lesson) = lesson {
            self.classifier.learn(&sight, lesson);
        }
        self.busy += processor_time().saturating_sub(start);
        self.ours.push(Some(Scored {
            score: opinion.score,
            probability: opinion.probability,
            called_spam: opinion.is_spam(),
            spam: entry.spam,
        }));
        if let Some(beside) = &mut self.beside {
            let start = std::time::Instant::now();
            let raw = self.scope.apply(&raw);
            let said = beside.classify(&raw).with_context(|| entry.name.clone())?;
            self.theirs.push(Some(Scored {
                score: said.score,
                probability: Some(said.score),
                called_spam: said.spam,
                spam: entry.spam,
            }));
            if let Some(lesson) = lesson {
                beside
                    .learn(&raw, lesson.label)
                    .with_context(|| entry.name.clone())?;
            }
            self.beside_busy += start.elapsed();
        }
        Ok(())
    }

    fn report(&self, filter: &str, figures: Figures, busy: Duration) -> Report {
        Report {
            filter: filter.to_owned(),
            unreadable: self.unreadable,
            labels: self.teacher.labels,
            messages_per_second: figures.messages as f64 / busy.as_secs_f64().max(1e-9),
            peak_memory_bytes: peak_memory(),
            pasted: Vec::new(),
            figures,
        }
    }
}

fn read(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let size = std::fs::metadata(path)?.len();
    anyhow::ensure!(
        size <= bytes_max as u64,
        "{size} bytes, more than the limit of {bytes_max}"
    );
    Ok(std::fs::read(path)?)
}

fn scored(list: &[Option<Scored>]) -> Vec<Scored> {
    list.iter().flatten().copied().collect()
}

/// Path, label and score of each message, in order; of one that could not be read the score is empty.
fn write_scores(file: &Path, entries: &[Entry], scores: &[Option<Scored>]) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(file)?);
    for (entry, scored) in entries.iter().zip(scores) {
        let score = scored.map_or(String::new(), |scored| format!("{:.6}", scored.score));
        writeln!(out, "{}\t{}\t{score}", entry.name, entry.label)?;
    }
    out.flush()
}

fn progress(args: &EvalArgs, messages: usize) -> ProgressBar {
    if args.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} messages, {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(messages as u64).with_style(style)
}

/// Processor time of this thread: what else the machine does shall not count.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The most memory this process has had; `None` where the system does not tell.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}
