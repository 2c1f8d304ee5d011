//! Is a password that was right one of those that thieves pass around?

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lookup::breached::Breached;

/// The operator's file of them.
pub(super) struct Stolen {
    file: Breached,
    complained: AtomicBool,
}

impl Stolen {
    /// As the configuration names it.
    pub(super) fn open(path: &Path) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            file: Breached::new(path)?,
            complained: AtomicBool::new(false),
        }))
    }

    /// `None` when the file cannot be read; that is said once, and the login goes on.
    pub(super) async fn holds(self: &Arc<Self>, password: &str) -> Option<bool> {
        let (stolen, password) = (self.clone(), mail::Secret::new(password.to_owned()));
        let looked = tokio::task::spawn_blocking(move || stolen.file.holds(password.reveal()));
        match looked.await {
            Ok(Ok(holds)) => {
                self.complained.store(false, Ordering::Relaxed);
                Some(holds)
            }
            Ok(Err(error)) => {
                if !self.complained.swap(true, Ordering::Relaxed) {
                    let file = self.file.path().display();
                    tracing::warn!(
                        "{file} (watch.breached) cannot be read, nobody is told of stolen passwords: {error}"
                    );
                }
                None
            }
            // The runtime is going down.
            Err(_) => None,
        }
    }
}
