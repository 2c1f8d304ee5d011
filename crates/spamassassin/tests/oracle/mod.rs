//! The real SpamAssassin beside ours: the same rules over the same messages, and where they disagree.
#![allow(dead_code, reason = "the test and the example each use a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use spamassassin::{Reading, Rules, Source};

/// Where Debian's package puts the rules that come with it.
pub const STOCK_RULES: &str = "/usr/share/spamassassin";

/// The rules that come with the real program. `None`: it is not installed.
pub fn stock_rules() -> Option<Reading> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(STOCK_RULES)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "cf"))
        .collect();
    files.sort();
    let sources: Vec<Source> = files
        .iter()
        .map(|path| Source {
            name: path.file_name().unwrap_or_default().display().to_string(),
            text: std::fs::read(path).expect("a file of rules"),
        })
        .collect();
    let installed = Command::new("perl")
        .args(["-MMail::SpamAssassin", "-e", "1"])
        .stderr(Stdio::null())
        .status();
    installed
        .is_ok_and(|status| status.success())
        .then(|| Rules::read(&sources))
}

/// At most so many messages of a corpus, from all over it.
pub fn messages(corpus: &Path, most: usize) -> Vec<PathBuf> {
    let index = std::fs::read_to_string(corpus.join("index.tsv")).expect("a corpus has an index");
    let paths: Vec<PathBuf> = index
        .lines()
        .filter_map(|line| Some(corpus.join(line.split_once('\t')?.1)))
        .collect();
    let step = (paths.len() / most).max(1);
    paths.into_iter().step_by(step).take(most).collect()
}

/// Names of the rules that the real program hits, message by message.
pub fn real_hits(messages: &[PathBuf]) -> Vec<BTreeSet<String>> {
    let state = std::env::temp_dir().join(format!("spamassassin-{}", std::process::id()));
    std::fs::create_dir_all(&state).expect("a folder for the real program");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/oracle.pl");
    let mut child = Command::new("perl")
        .arg(script)
        .arg(STOCK_RULES)
        .arg(&state)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("perl runs");
    let mut stdin = child.stdin.take().expect("piped");
    let lines: String = messages
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("perl ends");
    writer
        .join()
        .expect("no panic")
        .expect("perl reads its input");
    std::fs::remove_dir_all(&state).expect("the folder is ours");
    let hits: Vec<BTreeSet<String>> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.split('\t').skip(1).map(str::to_owned).collect())
        .collect();
    assert_eq!(hits.len(), messages.len(), "the real program read them all");
    hits
}

/// Where the two agree and where they do not.
#[derive(Default)]
pub struct Comparison {
    /// Messages with exactly the same hits.
    pub same: usize,
    pub messages: usize,
    /// Pairs of rule and message that hit in both.
    pub both: usize,
    /// By rule: the messages that only the real one hits, and only ours.
    pub apart: BTreeMap<String, (Vec<PathBuf>, Vec<PathBuf>)>,
    /// Pairs that ours, or the real one, could have hit.
    pub pairs: usize,
}

impl Comparison {
    /// Holds the hits of the rules that were imported against those of the real program.
    pub fn of(rules: &Rules, messages: &[PathBuf], real: &[BTreeSet<String>]) -> Self {
        let imported: BTreeSet<&str> = rules.names().collect();
        let mut comparison = Self {
            messages: messages.len(),
            pairs: messages.len() * imported.len(),
            ..Self::default()
        };
        for (path, real) in messages.iter().zip(real) {
            let seen = rules.check(&std::fs::read(path).expect("a message"));
            let ours: BTreeSet<&str> = seen.hits.iter().map(|hit| hit.rule).collect();
            let theirs = real.iter().map(String::as_str);
            let theirs: BTreeSet<&str> = theirs.filter(|rule| imported.contains(rule)).collect();
            comparison.both += ours.intersection(&theirs).count();
            comparison.same += usize::from(ours == theirs);
            for rule in theirs.symmetric_difference(&ours) {
                let apart = comparison.apart.entry((*rule).to_owned()).or_default();
                let side = if ours.contains(rule) {
                    &mut apart.1
                } else {
                    &mut apart.0
                };
                side.push(path.clone());
            }
        }
        comparison
    }

    /// Pairs of rule and message that hit in only one.
    pub fn disagreements(&self) -> usize {
        let count = |(theirs, ours): &(Vec<PathBuf>, Vec<PathBuf>)| theirs.len() + ours.len();
        self.apart.values().map(count).sum()
    }

    /// Of the pairs that hit in one of them, those that hit in both: the strict measure, because nearly all pairs hit in neither.
    pub fn agreement(&self) -> f64 {
        self.both as f64 / (self.both + self.disagreements()).max(1) as f64
    }

    /// Of all pairs, those on which both say the same.
    pub fn agreement_of_all(&self) -> f64 {
        1.0 - self.disagreements() as f64 / self.pairs.max(1) as f64
    }
}
