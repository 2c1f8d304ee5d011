//! Debian's bogofilter beside ours: the same mail in the same order, taught the same labels.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};
use learn::Label;

/// A bogofilter with an empty word list of its own.
pub struct Bogofilter {
    folder: Folder,
    /// Score of a message while nothing is learnt.
    taught: [bool; 2],
}

/// What bogofilter says of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// Its spamicity, 0 to 1.
    pub score: f64,
    /// Its own decision; *unsure* is not spam.
    pub spam: bool,
}

impl Bogofilter {
    /// Starts with nothing learnt.
    pub fn start() -> anyhow::Result<Self> {
        let version = Command::new("bogofilter").arg("-V").output();
        if let Err(error) = version {
            bail!("bogofilter cannot be run ({error}); on Debian: apt install bogofilter");
        }
        Ok(Self {
            folder: Folder::new()?,
            taught: [false; 2],
        })
    }

    /// Scores a message.
    pub fn classify(&self, raw: &[u8]) -> anyhow::Result<Said> {
        if self.taught == [false; 2] {
            // Without a word list it refuses to judge.
            return Ok(Said {
                score: 0.5,
                spam: false,
            });
        }
        let output = self.run(&["-T"], raw)?;
        let text = String::from_utf8_lossy(&output.stdout);
        // "S 0.999999", "H 0.000000", "U 0.500000"
        let mut words = text.split_whitespace();
        let (class, score) = (
            words.next(),
            words.next().and_then(|score| score.parse().ok()),
        );
        match (output.status.code(), class, score) {
            (Some(0..=2), Some(class), Some(score)) => Ok(Said {
                score,
                spam: class == "S",
            }),
            _ => bail!(
                "bogofilter said {text:?} {}",
                String::from_utf8_lossy(&output.stderr)
            ),
        }
    }

    /// Teaches it a label.
    pub fn learn(&mut self, raw: &[u8], label: Label) -> anyhow::Result<()> {
        let (option, class) = match label {
            Label::Ham => ("-n", 0),
            Label::Spam => ("-s", 1),
        };
        let output = self.run(&[option], raw)?;
        if !output.status.success() {
            bail!(
                "bogofilter did not learn: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        self.taught[class] = true;
        Ok(())
    }

    fn run(&self, options: &[&str], raw: &[u8]) -> anyhow::Result<Output> {
        let mut child = Command::new("bogofilter")
            .arg("-C")
            .arg("-d")
            .arg(&self.folder.0)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("bogofilter cannot be started")?;
        let mut input = child.stdin.take().context("it was asked for a pipe")?;
        // It may stop reading early; what it says then counts.
        let written = input.write_all(raw);
        drop(input);
        let output = child
            .wait_with_output()
            .context("bogofilter did not end well")?;
        if !output.status.success() && output.stdout.is_empty() {
            written.context("bogofilter did not read the message")?;
        }
        Ok(output)
    }
}

/// A folder that is removed when the replay ends.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let base = std::env::temp_dir();
        let own = std::process::id();
        for number in 0..100 {
            let path = base.join(format!("mailvigil-eval-{own}-{number}"));
            if make(&path).is_ok() {
                return Ok(Self(path));
            }
        }
        bail!("no folder can be made in {}", base.display());
    }
}

/// For this user only: a word list tells what somebody's mail is about.
fn make(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} could not be removed: {error}", self.0.display());
        }
    }
}
