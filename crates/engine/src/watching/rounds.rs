//! What is done by the clock about the watch.

use store::StoreError;

use crate::Engine;

impl Engine {
    /// Writes down what users did since the last time, and does what people want of the watch. Called five times a second.
    pub async fn keep_watch(&self) -> Result<(), StoreError> {
        let level = f64::from(self.watching().attack_level());
        self.metrics().watch_attack_level.set(level);
        self.watching().keep(self.store()).await
    }

    /// Writes a snapshot of the watch, from which a restart goes on.
    pub async fn keep_snapshot(&self) -> std::io::Result<()> {
        self.watching().expire();
        self.watching().snapshot().await
    }
}
