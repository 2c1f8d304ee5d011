//! Following a mail server's log to count what passed unjudged.
//!
//! While we are stopped, or when the server gave up waiting, mail passes as it would on a server
//! without us: that is the operator's choice, and it must be visible. The server's own log is
//! the only witness. Each message it took from a client (`smtpd … client=`, then `qmgr … queue active`)
//! for which no record with this queue id appears within a grace time becomes a record of fate `unscanned`.
//!
//! The place in the file is kept in the store, so a restart reads on where it stopped: mail that passed in
//! between is found. A file that shrank or was replaced (logrotate) is read from its start. systemd's journal is read by [`Journal`].

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use ipnet::IpNet;
use mail::outgoing::Session;
use wire::postfix_log::{LINE_BYTES_MAX, Line};
use wire::server_log::Noted;
use wire::tls_log::Sessions;

use crate::journal::{Journal, JournalConfig};
use crate::log_tales::Tales;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// Between two tries of a journal that cannot be read: each starts a program.
const JOURNAL_AGAIN: Duration = Duration::from_secs(5);
/// How long a record may take to be written before its absence counts, seconds.
const GRACE_SECS: i64 = 5;
/// Messages waited for at once; the oldest are given up (not counted) beyond it.
const OPEN_MAX: usize = 100_000;
/// How long a message may take from its first to its last command, seconds.
const BEGUN_SECS: i64 = 3600;
/// Lines read at a time, so that a huge log does not hold the task.
const LINES_MAX: usize = 5_000;

/// Where a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// In systemd's journal.
    Journal(JournalConfig),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Journal(JournalConfig {
                folder: Some(folder),
                ..
            }) => write!(f, "the journal in {}", folder.display()),
            Self::Journal(_) => f.write_str("the journal"),
        }
    }
}

/// One log to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailLog {
    /// Where it is.
    pub source: Source,
    /// Clients whose mail does not pass through us on purpose (content filters that hand back).
    pub ignore: Vec<IpNet>,
    /// Is what it says of logins and strangers told to the watch?
    pub watch: bool,
    /// Is what it says of encryption on mail's way out counted, for TLS reports?
    pub sessions: bool,
}

/// Finds the place in the log from which on mail is looked for. Done before mail is judged: what passes from now on counts, however soon
/// the service is stopped again.
pub async fn open(log: MailLog, engine: &Engine) -> Reader {
    let mut reader = Reader::new(log);
    match engine.store().state(&reader.name()).await {
        Ok(Some(place)) => reader.place = Place::parse(&place).unwrap_or_default(),
        // The first time: start at the end. What passed before we were installed is not ours to count.
        Ok(None) => {
            reader.place = Place::end_of(&reader.log.source);
            let place = reader.place.to_string();
            if let Err(error) = engine.store().set_state(&reader.name(), &place).await {
                tracing::warn!("the place in {} was not kept: {error}", reader.log.source);
            }
        }
        Err(error) => tracing::warn!("where {} was left is not known: {error}", reader.log.source),
    }
    match engine.store().state(&reader.watched_name()).await {
        Ok(Some(place)) => reader.watched = Place::parse(&place).unwrap_or_default(),
        Ok(None) => {}
        Err(error) => tracing::warn!("where {} was left is not known: {error}", reader.log.source),
    }
    reader
}

/// Follows one log until the task is dropped.
pub async fn follow(mut reader: Reader, engine: Arc<Engine>) {
    let name = reader.name();
    let mut kept = reader.place.to_string();
    let mut kept_watched = reader.watched.to_string();
    let mut complained = false;
    let mut tales = Tales::default();
    loop {
        tokio::time::sleep(EVERY).await;
        let reading = tokio::task::spawn_blocking(move || {
            let read = reader.read();
            (reader, read)
        });
        let Ok((back, read)) = reading.await else {
            return; // the runtime is going down
        };
        reader = back;
        for noted in reader.noted.drain(..) {
            tales.tell(noted, engine.watching());
        }
        for session in reader.ended.drain(..) {
            engine.count_session(session);
        }
        if read.is_err() && matches!(reader.log.source, Source::Journal(_)) {
            tokio::time::sleep(JOURNAL_AGAIN).await;
        }
        match read {
            Ok(()) => complained = false,
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(
                    "{} cannot be read, so mail that passes unjudged is not counted: {error}",
                    reader.log.source
                );
            }
            Err(_) => {}
        }
        if let Err(error) = settle(&mut reader, &engine).await {
            tracing::warn!("mail that may have passed unjudged waits to be counted: {error}");
            continue;
        }
        let watched = reader.watched.to_string();
        if watched != kept_watched {
            match engine
                .store()
                .set_state(&reader.watched_name(), &watched)
                .await
            {
                Ok(()) => kept_watched = watched,
                Err(error) => {
                    tracing::warn!("the place in {} was not kept: {error}", reader.log.source);
                }
            }
        }
        let place = reader.settled_place().to_string();
        if place == kept {
            continue;
        }
        match engine.store().set_state(&name, &place).await {
            Ok(()) => kept = place,
            Err(error) => {
                tracing::warn!("the place in {} was not kept: {error}", reader.log.source);
            }
        }
    }
}

/// Looks up what is old enough to have a record.
async fn settle(reader: &mut Reader, engine: &Engine) -> Result<(), store::StoreError> {
    let ready = reader.ready(engine::clock::now());
    if ready.is_empty() {
        return Ok(());
    }
    let arrived: Vec<_> = ready.iter().map(|(_, arrived)| arrived.clone()).collect();
    match engine.count_unscanned(&arrived).await {
        Ok(()) => Ok(()),
        Err(error) => {
            reader.put_back(ready);
            Err(error)
        }
    }
}

/// Where reading stopped: which file, and how far; of a journal the time in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    inode: u64,
    offset: u64,
}

impl Place {
    fn end_of(source: &Source) -> Self {
        match source {
            Source::File(path) => std::fs::metadata(path).map_or_else(
                |_| Self::default(),
                |file| Self {
                    inode: file.ino(),
                    offset: file.len(),
                },
            ),
            Source::Journal(_) => Self {
                inode: 0,
                offset: engine::clock::now().0.max(0) as u64,
            },
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (inode, offset) = text.split_once(' ')?;
        Some(Self {
            inode: inode.parse().ok()?,
            offset: offset.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.inode, self.offset)
    }
}

/// One log, read so far.
pub struct Reader {
    log: MailLog,
    /// What reads the journal, where the log is one.
    journal: Option<Journal>,
    place: Place,
    /// Messages begun by a client, by queue id.
    begun: HashMap<String, Begun>,
    /// Messages taken, oldest first, each with the offset its story begins at.
    taken: VecDeque<(u64, engine::Arrived)>,
    /// What lines say of users, on its way to the watch.
    noted: Vec<Noted>,
    /// Sessions to other servers, line by line, and those that have ended.
    sessions: Sessions,
    ended: Vec<Session>,
    /// Up to where lines were looked at for that: a crash reads some of them again for what passed unjudged.
    watched: Place,
}

struct Begun {
    ip: Option<IpAddr>,
    offset: u64,
    seen_at: mail::Timestamp,
}

impl Reader {
    fn new(log: MailLog) -> Self {
        Self {
            log,
            journal: None,
            place: Place::default(),
            begun: HashMap::new(),
            taken: VecDeque::new(),
            noted: Vec::new(),
            sessions: Sessions::default(),
            ended: Vec::new(),
            watched: Place::default(),
        }
    }

    /// Its name in the store.
    fn name(&self) -> String {
        format!("mail-log:{}", self.log.source)
    }

    /// The name of how far the watch has come.
    fn watched_name(&self) -> String {
        format!("mail-log-watched:{}", self.log.source)
    }

    fn read(&mut self) -> std::io::Result<()> {
        match self.log.source.clone() {
            Source::File(path) => self.read_file(&path),
            Source::Journal(config) => {
                let read = self.read_journal(&config);
                if read.is_err() {
                    // A new one is begun the next time.
                    self.journal = None;
                }
                read
            }
        }
    }

    fn read_journal(&mut self, config: &JournalConfig) -> std::io::Result<()> {
        let mut journal = match self.journal.take() {
            Some(journal) => journal,
            None => Journal::follow(config, self.place.offset)?,
        };
        for _ in 0..LINES_MAX {
            let Some(entry) = journal.next()? else { break };
            // Two of one microsecond follow each other, and so do those of a clock that was put back.
            self.place.offset = entry.at_us.max(self.place.offset + 1);
            self.line(&entry.line);
        }
        self.journal = Some(journal);
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> std::io::Result<()> {
        let file = std::fs::File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.ino() != self.place.inode || metadata.len() < self.place.offset {
            self.place = Place {
                inode: metadata.ino(),
                offset: 0,
            };
        }
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(self.place.offset))?;
        let mut line = Vec::new();
        for _ in 0..LINES_MAX {
            line.clear();
            let read = std::io::Read::take(&mut reader, LINE_BYTES_MAX as u64)
                .read_until(b'\n', &mut line)?;
            let whole = line.ends_with(b"\n") || read == LINE_BYTES_MAX;
            if read == 0 || !whole {
                break; // the rest of the line is still to be written
            }
            self.line(&String::from_utf8_lossy(&line));
            self.place.offset += read as u64;
        }
        Ok(())
    }

    fn line(&mut self, line: &str) {
        let new =
            self.watched.inode != self.place.inode || self.place.offset >= self.watched.offset;
        if new && (self.log.watch || self.log.sessions) {
            if self.log.watch {
                self.noted.extend(wire::server_log::read(line.trim_end()));
            }
            if self.log.sessions {
                self.ended.extend(self.sessions.line(line.trim_end()));
            }
            self.watched = self.place.clone();
            self.watched.offset += 1;
        }
        match Line::read(line.trim_end()) {
            Line::Client { queue_id, ip } => {
                let ignored =
                    ip.is_some_and(|ip| self.log.ignore.iter().any(|net| net.contains(&ip)));
                if !ignored && self.begun.len() < OPEN_MAX {
                    let (offset, seen_at) = (self.place.offset, engine::clock::now());
                    self.begun.insert(
                        queue_id.to_owned(),
                        Begun {
                            ip,
                            offset,
                            seen_at,
                        },
                    );
                }
            }
            Line::Queued {
                queue_id,
                envelope_from,
                size_bytes,
                ..
            } => {
                // A deferred message becomes active again and again; only the first time follows a client line.
                if let Some(begun) = self.begun.remove(queue_id) {
                    if self.taken.len() >= OPEN_MAX {
                        self.taken.pop_front();
                    }
                    let arrived = engine::Arrived {
                        seen_at: engine::clock::now(),
                        queue_id: queue_id.to_owned(),
                        ip: begun.ip,
                        envelope_from: envelope_from.to_owned(),
                        size_bytes,
                    };
                    self.taken.push_back((begun.offset, arrived));
                }
            }
            Line::Removed { queue_id } => {
                self.begun.remove(queue_id);
            }
            Line::Other => {}
        }
    }

    /// Takes out what has waited long enough, and forgets what was begun but never taken.
    fn ready(&mut self, now: mail::Timestamp) -> Vec<(u64, engine::Arrived)> {
        self.begun
            .retain(|_, begun| now.micros_since(begun.seen_at) < BEGUN_SECS * 1_000_000);
        let old =
            |arrived: &engine::Arrived| now.micros_since(arrived.seen_at) >= GRACE_SECS * 1_000_000;
        let count = self
            .taken
            .iter()
            .take(500)
            .take_while(|(_, arrived)| old(arrived))
            .count();
        self.taken.drain(..count).collect()
    }

    fn put_back(&mut self, ready: Vec<(u64, engine::Arrived)>) {
        for waiting in ready.into_iter().rev() {
            self.taken.push_front(waiting);
        }
    }

    /// Up to where every story is told. Reading again from here after a crash counts nothing twice: what
    /// was counted has a record with its queue id.
    fn settled_place(&self) -> Place {
        let open = self.begun.values().map(|begun| begun.offset);
        let open = open.chain(self.taken.iter().map(|(offset, _)| *offset));
        Place {
            inode: self.place.inode,
            offset: open
                .min()
                .unwrap_or(self.place.offset)
                .min(self.place.offset),
        }
    }
}
