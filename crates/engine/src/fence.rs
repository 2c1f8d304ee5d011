//! Where work on a message runs: behind a fence, and a long one's beside everybody else's.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::engine::Failure;

/// A message longer than this is read and judged on a thread of its own, so that small ones do not wait, bytes.
pub(crate) const LONG_BYTES: usize = 256 << 10;

/// Runs work on a message behind a fence: a panic in it is a failure of this message only. Work on a long
/// message goes to a thread of its own.
pub(crate) async fn guarded<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    if bytes > LONG_BYTES {
        return tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Failure::Bug);
    }
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Failure::Bug)
}

/// Runs work on a message here, so that what else this thread does need not wait when the message is long.
pub(crate) fn aside<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let can_leave = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    if bytes > LONG_BYTES && can_leave {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}
