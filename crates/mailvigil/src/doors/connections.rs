//! Connections of any kind for axum. Handshakes run beside each other, so that one does not hold up the rest.

use engine::Engine;
use tokio::sync::mpsc;

use super::listener::{Listener, Stream};

/// Connections whose handshake is done and that wait to be served.
const WAITING_MAX: usize = 64;

/// Connections that are ready to be served.
pub struct Connections {
    ready: mpsc::Receiver<(Stream, String)>,
}

impl Connections {
    /// Accepts from now on, until nobody serves any more; `what` is spoken there.
    pub fn new(listener: Listener, what: &str, engine: &Engine) -> Self {
        let door = engine.doors().open(format!("{what} {}", listener.name()));
        let (sender, ready) = mpsc::channel(WAITING_MAX);
        tokio::spawn(async move {
            while !sender.is_closed() {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = sender.closed() => return,
                };
                match accepted {
                    Ok(Some((incoming, from))) => {
                        door.entered();
                        let sender = sender.clone();
                        tokio::spawn(async move {
                            match tokio::time::timeout(super::accept::HANDSHAKE, incoming.ready())
                                .await
                            {
                                // The server may have gone meanwhile.
                                Ok(Ok(stream)) => drop(sender.send((stream, from)).await),
                                Ok(Err(error)) => {
                                    tracing::warn!("a connection from {from} was refused: {error}");
                                }
                                Err(_) => tracing::info!(
                                    "a connection from {from} closed: it did not finish its handshake"
                                ),
                            }
                        });
                    }
                    Ok(None) => {}
                    Err(error) => {
                        door.is_stuck();
                        tracing::error!(
                            "accepting on {} failed, trying again: {error}",
                            listener.name()
                        );
                        tokio::time::sleep(super::accept::ACCEPT_PAUSE).await;
                    }
                }
            }
        });
        Self { ready }
    }
}

impl axum::serve::Listener for Connections {
    type Io = Stream;
    type Addr = String;

    async fn accept(&mut self) -> (Stream, String) {
        match self.ready.recv().await {
            Some(ready) => ready,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<String> {
        Ok(String::new())
    }
}
