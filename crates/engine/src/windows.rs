//! The sliding windows' start: a new process counts on where the last one stopped, from the records.

use judge::{Arrival, Ledger, Policy};
use mail::{Limits, Secret};
use store::{Store, StoreError};

use crate::clock::now;

/// Records read at most; a busier site's windows start with the newest of them.
const ARRIVALS_MAX: u32 = 50_000;

/// Windows as the policy asks for, filled with what the records of that time tell.
pub async fn refill(store: &Store, policy: &Policy, limits: &Limits) -> Result<Ledger, StoreError> {
    let secret = store.secret("windows").await?;
    let mut ledger = Ledger::new(policy.spans(), limits.windows_bytes_max, half(&secret));
    let longest = policy.spans().last().copied().unwrap_or(0);
    if longest > 0 {
        for past in store
            .past_arrivals(now().plus_secs(-i64::from(longest)), ARRIVALS_MAX)
            .await?
        {
            ledger.apply(&Arrival::new(&past.envelope, past.size_bytes));
        }
    }
    Ok(ledger)
}

/// Eight bytes of a secret: what hashes are keyed by.
pub(crate) fn half(secret: &Secret<[u8; 32]>) -> u64 {
    secret
        .reveal()
        .iter()
        .take(8)
        .fold(0, |key, byte| key << 8 | u64::from(*byte))
}
