//! The one place where the time is read; everything below `engine` is told it.

use std::time::{SystemTime, UNIX_EPOCH};

use mail::Timestamp;

/// Now. A clock before 1970 reads as 1970.
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(since.as_micros() as i64)
}
