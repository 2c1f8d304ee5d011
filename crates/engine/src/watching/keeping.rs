//! What must survive: rows in the store five times a second, a snapshot now and then, and both read again at the start.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use mail::{Fate, Limits, RecordId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{PastArrival, Store, StoreError, WatchFilter, WishRow};
use watch::{Author, Decision, Settings, Snapshot, Watch};

use super::message::Recent;
use super::wishes::Wished;
use super::{WatchSetup, Watching, read_operation};
use crate::clock::now;
use crate::files::put_in_place;
use crate::metrics::Metrics;
use crate::nodes::Outbox;
use crate::windows::half;

/// Operations read at a time.
const ROWS: u32 = 5_000;
/// Operations replayed at most, when there is no snapshot.
const REPLAYED_MAX: u64 = 2_000_000;
/// Messages replayed at most.
const MESSAGES_MAX: u32 = 200_000;
/// Decisions that stand and are taken over at most, the newest.
const DECISIONS_MAX: u32 = 100_000;
/// How far back the store is asked without a snapshot, days.
pub(super) const DAYS_BACK: i64 = 30;
/// A message may be told so long after it was received, seconds.
const TOLD_LATE_SECS: i64 = 120;

/// A snapshot with where it stands in what the store keeps.
#[derive(Serialize, Deserialize)]
struct Kept {
    at: Timestamp,
    last: RecordId,
    wish: i64,
    settings: String,
    messages: Recent,
    snapshot: Snapshot,
}

impl Watching {
    /// Goes on where the last process stopped: from the snapshot, and from what the store tells since then.
    pub(crate) async fn start(
        store: &Store,
        setup: WatchSetup,
        limits: &Limits,
        metrics: Arc<Metrics>,
        outbox: Arc<Outbox>,
    ) -> Result<Self, StoreError> {
        let key = store.secret("watch").await?;
        let secret = half(&key);
        let path = setup.snapshot.clone();
        let kept = match path {
            Some(path) => tokio::task::spawn_blocking(move || read(&path))
                .await
                .unwrap_or_default(),
            None => None,
        };
        let bytes_max = limits.watch_bytes_max;
        let mut since = now().plus_secs(-DAYS_BACK * 86_400);
        // What took back something in an older one is not kept (`wishes::tidy`).
        let kept = kept.filter(|kept| kept.at > since);
        let mut watch = Watch::new(Settings::default(), bytes_max, secret);
        let mut place = None;
        if let Some(kept) = kept {
            let settings = Settings::parse(&kept.settings).unwrap_or_default();
            match Watch::restore(kept.snapshot, settings, bytes_max, secret) {
                Some(restored) => {
                    watch = restored;
                    since = kept.at.plus_secs(-TOLD_LATE_SECS);
                    place = Some((kept.last, kept.wish, kept.messages, kept.settings));
                }
                None => tracing::warn!(
                    "the snapshot of the watch was made under another secret or by another program: what the store tells of {DAYS_BACK} days is counted again"
                ),
            }
        }
        let watching = Self::new(watch, key, limits, setup, metrics, outbox);
        {
            let mut state = watching.state();
            match place {
                Some((last, wish, messages, text)) => {
                    (state.last, state.wish, state.messages) = (last, wish, messages);
                    state.text = text;
                }
                None => state.last = RecordId::first_at(since),
            }
        }
        watching.adopt_standing(store).await?;
        watching.replay(store, since).await?;
        {
            let mut state = watching.state();
            state.replayed = state.last.max(state.messages.newest());
        }
        watching.allow_front_ends();
        Ok(watching)
    }

    /// Enters what detectors decided and still stands: what it rests on need not be in the store (passwords that were sprayed never are), and what is
    /// replayed then decides none of it a second time.
    async fn adopt_standing(&self, store: &Store) -> Result<(), StoreError> {
        let standing = WatchFilter {
            standing_at: Some(now()),
            limit: DECISIONS_MAX,
            ..WatchFilter::default()
        };
        let rows = store.decisions(&standing).await?;
        let mut state = self.state();
        for row in rows.iter().rev() {
            match serde_json::from_str::<Decision>(&row.body) {
                Ok(decision) if matches!(decision.author, Author::Detector(_)) => {
                    state.watch.adopt(decision);
                }
                // What people decided is a wish, and is granted again.
                Ok(_) => {}
                Err(error) => tracing::warn!(
                    "decision {} cannot be read and is passed over: {error}",
                    row.id
                ),
            }
        }
        Ok(())
    }

    /// Counts what the store tells since a point in time: operations, messages and wishes, each at its time.
    async fn replay(&self, store: &Store, since: Timestamp) -> Result<(), StoreError> {
        let messages = store.past_arrivals(since, MESSAGES_MAX).await?;
        let mut messages = messages.into_iter().peekable();
        let mut wishes = Vec::new();
        loop {
            let after = wishes
                .last()
                .map_or(self.state().wish, |row: &WishRow| row.seq);
            let more = store.wishes_after(after).await?;
            if more.is_empty() {
                break;
            }
            wishes.extend(more);
        }
        let mut wishes = wishes.into_iter().peekable();
        let mut replayed = 0;
        loop {
            let after = self.state().last;
            let rows = store.operations_after(after, ROWS).await?;
            if rows.is_empty() || replayed >= REPLAYED_MAX {
                break;
            }
            for row in &rows {
                while let Some(past) = messages.next_if(|past| past.id < row.id) {
                    self.replay_message(&past);
                }
                while let Some(wish) = wishes.next_if(|wish| wish.at <= row.id.at()) {
                    self.grant_row(&wish);
                }
                let mut state = self.state();
                state.last = row.id;
                if let Some(operation) = read_operation(row) {
                    let happened = state.watch.apply(&operation);
                    for decision in &happened.decisions {
                        self.decided(&mut state, decision);
                    }
                }
            }
            replayed += rows.len() as u64;
        }
        for past in messages {
            self.replay_message(&past);
        }
        for wish in wishes {
            self.grant_row(&wish);
        }
        Ok(())
    }

    /// What the record of a message tells: less than the message did, but who sent how much to whom.
    fn replay_message(&self, past: &PastArrival) {
        if self.state().messages.holds(past.id) {
            return;
        }
        let envelope = &past.envelope;
        let sent = mail::operation::Sent {
            envelope_from: envelope.envelope_from.clone(),
            recipients: envelope.recipients.clone(),
            taken: !matches!(past.fate, Fate::Rejected | Fate::Deferred | Fate::Failed),
            size_bytes: past.size_bytes,
            owned: None,
            print: None,
            bulk: false,
            authentic: None,
        };
        if let Some(operation) = self.message(past.id, envelope, sent) {
            let mut state = self.state();
            state.messages.enter(past.id);
            let happened = state.watch.apply(&operation);
            for decision in &happened.decisions {
                self.decided(&mut state, decision);
            }
        }
    }

    fn grant_row(&self, row: &WishRow) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.wish = state.wish.max(row.seq);
        match serde_json::from_str::<Wished>(&row.body) {
            Ok(wished) => self.grant(state, &wished, row.at, &row.who),
            Err(error) => {
                tracing::error!(
                    "wish {} cannot be read and is passed over: {error}",
                    row.seq
                );
            }
        }
    }

    /// Writes what waits, and grants what people want. What cannot be written waits on, and nothing is lost by it.
    pub(crate) async fn keep(&self, store: &Store) -> Result<(), StoreError> {
        self.write(store).await?;
        let granted = self.state().wish;
        let rows = store.wishes_after(granted).await?;
        for row in &rows {
            self.grant_row(row);
        }
        if let Some(last) = rows.last() {
            // What came of it is written first, so that whoever waited finds it.
            self.write(store).await?;
            store.grant_wish(last.seq).await?;
        }
        Ok(())
    }

    async fn write(&self, store: &Store) -> Result<(), StoreError> {
        let batch = std::mem::take(&mut self.state().waiting);
        let Err(error) = store.write_watched(&batch).await else {
            return Ok(());
        };
        let mut state = self.state();
        let newer = std::mem::replace(&mut state.waiting, batch);
        state.waiting.operations.extend(newer.operations);
        state.waiting.detections.extend(newer.detections);
        state.waiting.decisions.extend(newer.decisions);
        state.waiting.ended.extend(newer.ended);
        Err(error)
    }

    /// Forgets decisions that have ended.
    pub(crate) fn expire(&self) {
        self.state().watch.expire(now());
    }

    /// Writes a snapshot beside the old one, and puts it in its place when it is whole.
    pub(crate) async fn snapshot(self: &Arc<Self>) -> std::io::Result<()> {
        let Some(path) = self.setup.snapshot.clone() else {
            return Ok(());
        };
        let watching = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            let kept = {
                let state = watching.state();
                Kept {
                    at: now(),
                    last: state.last,
                    wish: state.wish,
                    settings: state.text.clone(),
                    messages: state.messages.clone(),
                    snapshot: state.watch.snapshot(),
                }
            };
            write(&path, &kept)
        });
        written.await.unwrap_or_else(|_| {
            Err(std::io::Error::other(
                "writing it failed inside the program",
            ))
        })
    }
}

fn read(path: &Path) -> Option<Kept> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!("{} cannot be read: {error}", path.display());
            return None;
        }
    };
    match serde_json::from_reader(BufReader::new(file)) {
        Ok(kept) => Some(kept),
        Err(error) => {
            tracing::warn!(
                "{} is of another version or damaged, and is passed over: {error}",
                path.display()
            );
            None
        }
    }
}

/// It names accounts that were blocked.
fn write(path: &Path, kept: &Kept) -> std::io::Result<()> {
    put_in_place(path, |out| Ok(serde_json::to_writer(out, kept)?))
}
