//! The last few operations behind a count, by their ids.

use mail::{RecordId, Timestamp};
use serde::{Deserialize, Serialize};

/// Ids kept for each count: enough to look at, and to find the rest of the story by.
const MOST: usize = 8;

/// Whole seconds since 1970, in four bytes until 2106.
pub(crate) type Seconds = u32;

/// A point in time in four bytes.
pub(crate) fn seconds(at: Timestamp) -> Seconds {
    at.secs().clamp(0, i64::from(u32::MAX)) as u32
}

/// The last of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evidence(Vec<RecordId>);

impl Evidence {
    pub(crate) fn add(&mut self, id: RecordId) {
        if self.0.len() >= MOST {
            self.0.remove(0);
        } else if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(self.0.len().max(1));
        }
        self.0.push(id);
    }

    pub(crate) fn ids(&self) -> &[RecordId] {
        &self.0
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<RecordId>()
    }
}
