//! Writing down what needs no promise: records of delivered, refused and deferred mail, after the answer.
//!
//! A bounded queue and one task that writes batches. A full queue drops *and counts*: mail never waits for
//! history. Records that an answer promises (quarantined, discarded) do not come here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mail::Record;
use store::Store;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;

/// Most records written in one transaction.
const BATCH_MAX: usize = 500;
/// How long a record waits for company.
const GATHER: Duration = Duration::from_millis(50);
/// How long a batch is tried again while the store is away.
const RETRY: Duration = Duration::from_secs(1);

enum Entry {
    Record(Box<Record>),
    /// Answered when everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// The queue's entrance.
pub struct Recorder {
    queue: mpsc::Sender<Entry>,
    waiting: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

impl Recorder {
    /// Starts the writing task.
    pub fn start(store: Store, queue_max: usize, metrics: Arc<Metrics>) -> Self {
        let (queue, entries) = mpsc::channel(queue_max.max(1));
        let waiting = Arc::new(AtomicUsize::new(0));
        tokio::spawn(write_batches(
            store,
            entries,
            waiting.clone(),
            metrics.clone(),
        ));
        Self {
            queue,
            waiting,
            metrics,
        }
    }

    /// Takes a record to be written soon; drops and counts it when the queue is full.
    pub fn take(&self, record: Record) {
        match self.queue.try_send(Entry::Record(Box::new(record))) {
            Ok(()) => {
                let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
                self.metrics.record_queue.set(waiting as i64);
            }
            Err(_) => {
                self.metrics.records_dropped.inc();
            }
        }
    }

    /// Returns when all records taken before are written, or after `patience`.
    pub async fn flush(&self, patience: Duration) -> bool {
        let (done, written) = oneshot::channel();
        let flushed = async {
            self.queue.send(Entry::Flush(done)).await.ok()?;
            written.await.ok()
        };
        matches!(tokio::time::timeout(patience, flushed).await, Ok(Some(())))
    }
}

async fn write_batches(
    store: Store,
    mut entries: mpsc::Receiver<Entry>,
    waiting: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
) {
    let mut batch = Vec::new();
    let mut flushes = Vec::new();
    while let Some(entry) = entries.recv().await {
        sort_in(entry, &mut batch, &mut flushes);
        tokio::time::sleep(if flushes.is_empty() {
            GATHER
        } else {
            Duration::ZERO
        })
        .await;
        while batch.len() < BATCH_MAX {
            let Ok(entry) = entries.try_recv() else { break };
            sort_in(entry, &mut batch, &mut flushes);
        }
        // While the store is away the queue fills up behind us and then drops, counted.
        while let Err(error) = store.write(&batch).await {
            metrics.store_up.set(0);
            tracing::warn!("{} records wait: {error}", batch.len());
            tokio::time::sleep(RETRY).await;
        }
        metrics.store_up.set(1);
        let left = waiting.fetch_sub(batch.len(), Ordering::Relaxed) - batch.len();
        metrics.record_queue.set(left as i64);
        batch.clear();
        for done in flushes.drain(..) {
            // Nobody waits any more when the receiver is gone; nothing is lost by that.
            let _ = done.send(());
        }
    }
}

fn sort_in(entry: Entry, batch: &mut Vec<Record>, flushes: &mut Vec<oneshot::Sender<()>>) {
    match entry {
        Entry::Record(record) => batch.push(*record),
        Entry::Flush(done) => flushes.push(done),
    }
}
