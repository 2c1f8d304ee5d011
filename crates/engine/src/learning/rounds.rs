//! What is done by the clock about the learner.

use store::StoreError;

use crate::Engine;

impl Engine {
    /// Writes down what was seen, and learns what was said since the last time, on whatever node. Called once a second.
    pub async fn keep_learning(&self) -> Result<(), StoreError> {
        self.learning().keep(self.store()).await
    }

    /// Writes the model to its file, from which a restart goes on, and folds lessons whose time of keeping is over.
    pub async fn keep_model(&self) -> std::io::Result<()> {
        let days = self.policy().now().policy.retention().lessons_days;
        self.learning()
            .fold(self.store(), days)
            .await
            .map_err(std::io::Error::other)?;
        self.learning().write().await
    }
}
