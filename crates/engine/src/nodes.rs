//! What nodes tell one another while it happens, over the [`hub`]: operations, what detectors decide, arrivals of messages, the look of their text.
//!
//! So a thousand guesses over two front ends are a thousand guesses, not twice five hundred. Each node counts what others took in; to look at it, to
//! decide and to write it down is for the node that took it in. Nobody waits for the others: an answer follows from what is known here, at most
//! a fifth of a second behind. While the hub is away every node goes on with what it sees itself, and tells the rest when the hub is back, as far
//! as `Limits::hub_queue_max` goes. What happened before this process began it knows from the store, which all nodes share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use hub::{Away, Ear, Mouth};
use judge::Arrival;
use mail::{Limits, Operation, RecordId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Store, StoreError};
use tokio::sync::Notify;
use watch::Decision;

use crate::Engine;
use crate::clock::now;
use crate::learning::Counted;
use crate::metrics::{HubLabels, Metrics};

/// Tidings are collected for so long before they are told.
const COLLECT: Duration = Duration::from_millis(100);
/// Between two tries while the hub is away.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the end of the service waits for the hub.
const LAST: Duration = Duration::from_secs(1);

/// One thing a node tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tiding {
    /// It took in an operation.
    Operation(Operation),
    /// A detector of it decided.
    Decided(Decision),
    /// A message arrived.
    Arrived(Arrival),
    /// A message's text looked like this.
    Looked {
        /// The message.
        id: RecordId,
        /// `learn::prints::Print`, base 64.
        print: String,
        /// `learn::Arrival::source`.
        source: u64,
    },
    /// A message was of this class, by the first phase of the classifier in two phases.
    Counted {
        /// The message.
        id: RecordId,
        /// Its class.
        class: String,
        /// `learning::Counted`, base 64.
        tokens: String,
        /// `learn::Arrival::source`.
        source: u64,
    },
}

/// Tidings on their way to the other nodes.
pub(crate) struct Outbox {
    /// Is there anybody to tell?
    open: bool,
    tidings: Mutex<VecDeque<Tiding>>,
    most: usize,
    news: Notify,
    metrics: Arc<Metrics>,
}

impl Outbox {
    /// For a node that is one of several, or alone.
    pub(crate) fn new(open: bool, limits: &Limits, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            open,
            tidings: Mutex::default(),
            most: limits.hub_queue_max,
            news: Notify::new(),
            metrics,
        })
    }

    fn tidings(&self) -> MutexGuard<'_, VecDeque<Tiding>> {
        // Nothing can be half done under this lock.
        self.tidings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the others, if there are any. What is oldest is given up when too much waits: it matters least.
    pub(crate) fn put(&self, tiding: impl FnOnce() -> Tiding) {
        if !self.open {
            return;
        }
        let tiding = tiding();
        let mut tidings = self.tidings();
        if tidings.len() >= self.most {
            tidings.pop_front();
            self.metrics.hub(HubLabels::TIDINGS_DROPPED, 1);
        }
        tidings.push_back(tiding);
        drop(tidings);
        self.news.notify_one();
    }

    /// As many of the oldest tidings as go into one batch, and how many they are.
    fn batch(&self, bytes_max: usize) -> Option<(Vec<u8>, u64)> {
        let (mut batch, mut count) = (Vec::new(), 0);
        while batch.len() < bytes_max
            && let Some(tiding) = self.tidings().pop_front()
        {
            match serde_json::to_vec(&tiding) {
                Ok(line) => {
                    batch.extend(line);
                    batch.push(b'\n');
                    count += 1;
                }
                Err(error) => tracing::error!(
                    "a tiding for the other nodes cannot be written: {error} (a bug; please report it)"
                ),
            }
        }
        (count > 0).then_some((batch, count))
    }
}

/// Tidings of a batch; those that this version does not know are `None`.
fn read(batch: &[u8]) -> impl Iterator<Item = Option<Tiding>> {
    let lines = batch.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).ok())
}

/// This node's mouth and ear.
pub(crate) struct Line {
    mouth: tokio::sync::Mutex<Mouth>,
    ear: tokio::sync::Mutex<Ear>,
    /// Whether others could be told, and heard, the last time it was tried.
    tells: AtomicBool,
    hears: AtomicBool,
    /// What was told before is in the windows already.
    since: Timestamp,
}

impl Line {
    /// Makes it, and hears from now on. A hub that is away keeps nobody from starting.
    pub(crate) async fn open(place: &hub::Place, store: &Store) -> Result<Self, StoreError> {
        let secret = store.secret("hub").await?;
        let (mouth, mut ear) =
            hub::open(place, &secret).map_err(|away| StoreError::Unavailable(away.to_string()))?;
        if let Err(away) = ear.begin().await {
            tracing::warn!("other nodes are not heard yet: {away}");
        }
        Ok(Self {
            mouth: mouth.into(),
            ear: ear.into(),
            // Until there is something to tell.
            tells: AtomicBool::new(true),
            hears: AtomicBool::new(false),
            since: now(),
        })
    }
}

impl Engine {
    /// Tells other nodes what happens here, and hears what happens there, until it is dropped. Ends at once on a node that is alone.
    pub async fn talk(&self) {
        if let Some(line) = &self.line {
            tokio::join!(self.speak(line), self.listen(line));
        }
    }

    /// Tells what waits, before the end.
    pub async fn say_last(&self) {
        let Some(line) = &self.line else { return };
        let mut mouth = line.mouth.lock().await;
        let last = async {
            loop {
                mouth.tell().await?;
                if !self.fill(&mut mouth) {
                    return Ok::<_, Away>(());
                }
            }
        };
        match tokio::time::timeout(LAST, last).await {
            Ok(Ok(())) => {}
            Ok(Err(away)) => tracing::warn!("other nodes miss what happened last: {away}"),
            Err(_) => tracing::warn!("other nodes miss what happened last: the hub takes too long"),
        }
    }

    async fn speak(&self, line: &Line) {
        let mut complained = false;
        loop {
            self.outbox.news.notified().await;
            tokio::time::sleep(COLLECT).await;
            let mut mouth = line.mouth.lock().await;
            while mouth.is_full() || self.fill(&mut mouth) {
                if let Err(away) = mouth.tell().await {
                    self.can(&line.tells, false, line);
                    if !complained {
                        tracing::warn!("other nodes are not told what happens here: {away}");
                    }
                    complained = true;
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                self.can(&line.tells, true, line);
                if complained {
                    tracing::info!("other nodes are told again what happens here");
                }
                complained = false;
            }
        }
    }

    /// Gives the mouth more to tell; is there more?
    fn fill(&self, mouth: &mut Mouth) -> bool {
        let batch = self
            .outbox
            .batch(self.settings().limits.hub_batch_bytes_max);
        batch.is_some_and(|(batch, tidings)| {
            self.metrics().hub(HubLabels::TIDINGS_TOLD, tidings);
            mouth.take(&batch)
        })
    }

    /// Notes that others could be told or heard, or not.
    fn can(&self, what: &AtomicBool, holds: bool, line: &Line) {
        what.store(holds, Ordering::Relaxed);
        let both = line.tells.load(Ordering::Relaxed) && line.hears.load(Ordering::Relaxed);
        self.metrics().hub_up.set(both.into());
    }

    async fn listen(&self, line: &Line) {
        let mut ear = line.ear.lock().await;
        let mut complained = false;
        loop {
            let heard = match ear.hear().await {
                Ok(heard) => heard,
                Err(away) => {
                    self.can(&line.hears, false, line);
                    if !complained {
                        tracing::warn!("other nodes are not heard: {away}");
                    }
                    complained = true;
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            };
            self.can(&line.hears, true, line);
            if complained {
                tracing::info!("other nodes are heard again");
            }
            complained = false;
            if heard.missed > 0 {
                tracing::warn!(
                    "{} batches of other nodes were not heard: this node counts less than happened",
                    heard.missed
                );
            }
            if heard.refused > 0 {
                tracing::warn!(
                    "{} batches on the hub are not of this installation, or stood there twice: somebody else writes there",
                    heard.refused
                );
            }
            let metrics = self.metrics();
            metrics.hub(HubLabels::BATCHES_MISSED, heard.missed);
            metrics.hub(HubLabels::BATCHES_REFUSED, heard.refused);
            for batch in &heard.batches {
                self.hear(batch, line.since);
            }
        }
    }

    fn hear(&self, batch: &[u8], since: Timestamp) {
        let mut unknown = 0;
        for tiding in read(batch) {
            match tiding {
                Some(Tiding::Operation(operation)) => self.watching().hear(&operation),
                Some(Tiding::Decided(decision)) => self.watching().adopt(decision),
                Some(Tiding::Arrived(arrival)) if arrival.at >= since => {
                    self.windows().apply(&arrival);
                }
                // The records told of it.
                Some(Tiding::Arrived(_)) => {}
                Some(Tiding::Looked { id, print, source }) => {
                    match BASE64.decode(print.as_bytes()) {
                        Ok(print) => self.learning().met_elsewhere(id, &print, source),
                        Err(_) => unknown += 1,
                    }
                }
                Some(Tiding::Counted {
                    id,
                    class,
                    tokens,
                    source,
                }) if id.at() >= since => {
                    let tokens = BASE64.decode(tokens.as_bytes());
                    match tokens.ok().and_then(|it| Counted::read(&class, &it)) {
                        Some(counted) => {
                            self.learning().counted_elsewhere(id.at(), &counted, source);
                        }
                        None => unknown += 1,
                    }
                }
                // Its sight is in the store.
                Some(Tiding::Counted { .. }) => {}
                None => unknown += 1,
            }
            self.metrics().hub(HubLabels::TIDINGS_HEARD, 1);
        }
        if unknown > 0 {
            tracing::debug!("{unknown} tidings of another node are of another version");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(second: i64) -> Tiding {
        Tiding::Arrived(Arrival {
            at: Timestamp::from_secs(second),
            peer: None,
            sender: "ann@a.example".to_owned(),
            recipients: Vec::new(),
            size_bytes: 10,
        })
    }

    #[test]
    fn words_come_back_in_order_in_bounded_batches_and_the_oldest_are_given_up() {
        let metrics = Arc::new(Metrics::default());
        let limits = Limits {
            hub_queue_max: 50,
            ..Limits::default()
        };
        let outbox = Outbox::new(true, &limits, metrics.clone());
        (0..60).for_each(|second| outbox.put(|| arrived(second)));
        let mut back = Vec::new();
        while let Some((batch, count)) = outbox.batch(1000) {
            assert!(batch.len() < 1200, "{}", batch.len());
            let tidings: Vec<Tiding> = read(&batch).flatten().collect();
            assert_eq!(tidings.len() as u64, count);
            back.extend(tidings);
        }
        assert_eq!(back, (10..60).map(arrived).collect::<Vec<_>>());
        assert!(metrics.text().contains("{what=\"tidings-dropped\"} 10"));
        let alone = Outbox::new(false, &limits, metrics);
        alone.put(|| panic!("nobody is told"));
        assert_eq!(alone.batch(1000), None);
        assert_eq!(
            read(b"{\"new\":1}\nnonsense\n\n").collect::<Vec<_>>(),
            [None, None]
        );
    }
}
