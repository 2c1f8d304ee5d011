//! The hub within one process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::KEPT;

/// How long an ear waits for something to be told.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where batches hang for a while, for all nodes of this process.
#[derive(Debug, Default)]
pub struct Board {
    hung: Mutex<Hung>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Hung {
    /// The number of the oldest that hangs there.
    first: u64,
    batches: VecDeque<(Instant, Arc<[u8]>)>,
}

impl Board {
    /// An empty one.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn hung(&self) -> MutexGuard<'_, Hung> {
        // Nothing can be half done under this lock.
        self.hung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next batch.
    pub(crate) fn end(&self) -> u64 {
        let hung = self.hung();
        hung.first + hung.batches.len() as u64
    }

    pub(crate) fn put(&self, sealed: Vec<u8>) {
        let mut hung = self.hung();
        while hung
            .batches
            .front()
            .is_some_and(|(since, _)| since.elapsed() > KEPT)
        {
            hung.batches.pop_front();
            hung.first += 1;
        }
        hung.batches.push_back((Instant::now(), sealed.into()));
        drop(hung);
        self.news.notify_waiters();
    }

    /// What hangs there from `next` on; waits for it a while.
    pub(crate) async fn after(&self, next: &mut u64) -> Vec<Arc<[u8]>> {
        let news = self.news.notified();
        let there = self.take(next);
        if !there.is_empty() {
            return there;
        }
        // Nothing came: that is no failure.
        let _ = tokio::time::timeout(PATIENCE, news).await;
        self.take(next)
    }

    fn take(&self, next: &mut u64) -> Vec<Arc<[u8]>> {
        let hung = self.hung();
        let skipped = next.saturating_sub(hung.first) as usize;
        let there: Vec<_> = hung
            .batches
            .iter()
            .skip(skipped)
            .map(|(_, sealed)| sealed.clone())
            .collect();
        *next = hung.first + hung.batches.len() as u64;
        there
    }
}
