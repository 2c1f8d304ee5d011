//! The service's side: a few readers kept ready, each used for some parts and then replaced.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mail::message::{Finding, Reading};
use mail::{Limits, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;

use crate::frame::{Question, lengths, read_lengths};
use crate::ocr::Ocr;
use crate::worker::COMMAND;

/// Parts one reader reads before another takes its place: short lives keep faults from adding up.
const PARTS_PER_READER: u32 = 64;

/// Reads documents in processes of their own.
pub struct Pool {
    program: PathBuf,
    limits: Limits,
    ocr: Option<Ocr>,
    places: Semaphore,
    idle: Mutex<Vec<Reader>>,
    deaths: AtomicU64,
}

/// One child, ready.
struct Reader {
    // Dropping it ends the process.
    _child: Child,
    input: ChildStdin,
    output: ChildStdout,
    parts_left: u32,
}

/// Why a part was not read.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("a reader could not be started: {0}")]
    NotStarted(std::io::Error),
    #[error("the reader died: {0}")]
    Died(std::io::Error),
    #[error("the reader took longer than {0} ms (limits.document_ms)")]
    TooSlow(u64),
    #[error("the reader's answer makes no sense")]
    Nonsense,
}

impl Pool {
    /// Readers are this very program, started again with a subcommand. Nothing is started yet.
    pub fn new(limits: &Limits) -> Self {
        // The link of the running process names it even after an upgrade has put another file in its place.
        Self::of(PathBuf::from("/proc/self/exe"), limits)
    }

    /// The same with another program, for tests.
    pub fn of(program: PathBuf, limits: &Limits) -> Self {
        Self {
            program,
            places: Semaphore::new(limits.document_readers_max.max(1)),
            limits: limits.clone(),
            ocr: None,
            idle: Mutex::default(),
            deaths: AtomicU64::new(0),
        }
    }

    /// Has the largest pictures of a message read by a program of the site's.
    #[must_use]
    pub fn with_ocr(mut self, ocr: Option<Ocr>) -> Self {
        self.ocr = ocr;
        self
    }

    /// Readers that died or were ended since the start.
    pub fn deaths(&self) -> u64 {
        self.deaths.load(Ordering::Relaxed)
    }

    /// Reads all files of a message, one after the other, and takes what they hold into it.
    pub async fn read_into(&self, message: &mut Message, files: Vec<mail::File>) {
        let readings = self.readings(message, files).await;
        for (part, reading) in readings {
            message.attach(part, reading, &self.limits);
        }
    }

    /// Reads all files of a message, one after the other: what each part's file holds.
    pub async fn readings(
        &self,
        message: &Message,
        files: Vec<mail::File>,
    ) -> Vec<(usize, Reading)> {
        let until = Instant::now() + Duration::from_millis(self.limits.documents_ms);
        let mut readings = Vec::with_capacity(files.len());
        for file in &files {
            let part = &message.parts[file.part];
            let question = Question {
                name: part.file_name.clone(),
                declared: part.content_type.clone(),
                limits: self.limits.clone(),
            };
            readings.push((file.part, self.read(question, &file.bytes, until).await));
        }
        if let Some(ocr) = &self.ocr {
            self.read_pictures(ocr, message, &files, &mut readings, until)
                .await;
        }
        readings
    }

    /// Adds the text of pictures, the largest first: they are the likeliest to hold a letter, and time is short.
    async fn read_pictures(
        &self,
        ocr: &Ocr,
        message: &Message,
        files: &[mail::File],
        readings: &mut [(usize, Reading)],
        until: Instant,
    ) {
        let is_picture = |file: &mail::File| {
            let kind = message.parts[file.part].real_type.as_deref();
            kind.is_some_and(|kind| kind.starts_with("image/") && kind != "image/svg+xml")
        };
        let mut pictures: Vec<usize> = (0..files.len())
            .filter(|number| is_picture(&files[*number]))
            .collect();
        pictures.sort_by_key(|number| std::cmp::Reverse(files[*number].bytes.len()));
        for number in pictures.into_iter().take(self.limits.ocr_pictures_max) {
            let reading = &mut readings[number].1;
            let place = tokio::time::timeout_at(until.into(), self.places.acquire()).await;
            let left = until.saturating_duration_since(Instant::now());
            if !matches!(place, Ok(Ok(_))) || left.is_zero() {
                reading.found(Finding::NotInspected);
                continue;
            }
            let time = left.min(Duration::from_millis(self.limits.ocr_ms));
            let most = self.limits.part_text_bytes_max;
            match ocr.text(&files[number].bytes, time, most).await {
                Ok(text) => {
                    let known = reading.text.get_or_insert_default();
                    known.push_str(&text);
                }
                Err(unread) => {
                    self.deaths.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!("the text of a picture was not read: {unread}");
                    reading.found(Finding::NotInspected);
                }
            }
        }
    }

    async fn read(&self, question: Question, bytes: &[u8], until: Instant) -> Reading {
        // Waiting for a reader that reads other messages is nothing this one has done.
        let place = tokio::time::timeout_at(until.into(), self.places.acquire()).await;
        let (Ok(Ok(_place)), now) = (place, Instant::now()) else {
            return Reading::only(Finding::NotInspected);
        };
        if now >= until {
            return Reading::only(Finding::NotInspected);
        }
        let whole = Duration::from_millis(self.limits.document_ms);
        let read = tokio::time::timeout((until - now).min(whole), self.ask(&question, bytes))
            .await
            .unwrap_or(Err(Failure::TooSlow(self.limits.document_ms)));
        match read {
            Ok(reading) => reading,
            Err(failure) => {
                self.deaths.fetch_add(1, Ordering::Relaxed);
                if matches!(failure, Failure::NotStarted(_)) {
                    tracing::error!("{failure}");
                } else {
                    tracing::info!("an attachment was not read: {failure}");
                }
                Reading::only(Finding::ReaderDied)
            }
        }
    }

    async fn ask(&self, question: &Question, bytes: &[u8]) -> Result<Reading, Failure> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => self.start()?,
        };
        // A reader that is dropped before it has answered is ended; only a good one comes back.
        let reading = reader.ask(question, bytes, &self.limits).await?;
        reader.parts_left -= 1;
        if reader.parts_left > 0 {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(reader);
        }
        Ok(reading)
    }

    fn start(&self) -> Result<Reader, Failure> {
        let mut child = Command::new(&self.program)
            .arg(COMMAND)
            .arg(self.limits.document_memory_bytes.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(Failure::NotStarted)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) =
            pipes.ok_or_else(|| Failure::NotStarted(std::io::ErrorKind::BrokenPipe.into()))?;
        Ok(Reader {
            _child: child,
            input,
            output,
            parts_left: PARTS_PER_READER,
        })
    }
}

impl Reader {
    async fn ask(
        &mut self,
        question: &Question,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Reading, Failure> {
        let header = serde_json::to_vec(question).map_err(|_| Failure::Nonsense)?;
        let lengths = lengths(header.len(), bytes.len());
        for piece in [lengths.as_slice(), &header, bytes] {
            self.input.write_all(piece).await.map_err(Failure::Died)?;
        }
        self.input.flush().await.map_err(Failure::Died)?;
        let mut head = [0; 8];
        self.output
            .read_exact(&mut head)
            .await
            .map_err(Failure::Died)?;
        let (length, _) = read_lengths(head);
        // Text, in the worst case every byte escaped, and findings.
        if length > limits.text_bytes_max.saturating_mul(6) + (8 << 20) {
            return Err(Failure::Nonsense);
        }
        let mut answer = vec![0; length];
        self.output
            .read_exact(&mut answer)
            .await
            .map_err(Failure::Died)?;
        serde_json::from_slice(&answer).map_err(|_| Failure::Nonsense)
    }
}
