//! Text in pictures, read by a program of the site's choice: off unless the configuration names one.
//!
//! The program runs as the service's own user, with an empty environment, gets one picture on its standard input and
//! answers with text on its standard output. Reading letters in pictures costs seconds of processor time and is done by
//! programs far larger than ours; so it is the site that decides, and none is linked in.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// A program that reads pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ocr {
    /// Where it is.
    pub program: PathBuf,
    /// What it is told.
    pub arguments: Vec<String>,
}

/// Why a picture was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("{0} could not be started: {1}")]
    NotStarted(PathBuf, std::io::Error),
    #[error("{0} failed: {1}")]
    Failed(PathBuf, String),
    #[error("{0} took longer than {1} ms (limits.ocr_ms)")]
    TooSlow(PathBuf, u128),
}

impl Ocr {
    /// The text of one picture, at most `bytes_max` bytes of it.
    pub(crate) async fn text(
        &self,
        picture: &[u8],
        time: Duration,
        bytes_max: usize,
    ) -> Result<String, Unread> {
        let program = || self.program.clone();
        tokio::time::timeout(time, self.ask(picture, bytes_max))
            .await
            .unwrap_or_else(|_| Err(Unread::TooSlow(program(), time.as_millis())))
    }

    async fn ask(&self, picture: &[u8], bytes_max: usize) -> Result<String, Unread> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            // Tesseract takes all processors for one picture unless it is told otherwise.
            .env("OMP_THREAD_LIMIT", "1")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Unread::NotStarted(self.program.clone(), error))?;
        let failed =
            |why: &dyn std::fmt::Display| Unread::Failed(self.program.clone(), why.to_string());
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (mut input, output) = pipes.ok_or_else(|| failed(&"it has no pipes"))?;
        let mut text = Vec::new();
        let feed = async {
            // A program that has seen enough closes its input; what it says counts all the same.
            let _ = input.write_all(picture).await;
            drop(input);
        };
        let mut output = output.take(bytes_max as u64);
        let ((), read) = tokio::join!(feed, output.read_to_end(&mut text));
        read.map_err(|error| failed(&error))?;
        if text.len() >= bytes_max {
            // It would say more, and waits for a reader that has gone.
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
        let status = child.wait().await.map_err(|error| failed(&error))?;
        if status.success() {
            Ok(String::from_utf8_lossy(&text).into_owned())
        } else {
            Err(failed(&status))
        }
    }
}
