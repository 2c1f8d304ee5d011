//! Taking connections, for every door that speaks over a stream: so many at a time, none held up by another's handshake, each counted by
//! how it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use engine::Engine;
use engine::metrics::{EndLabels, Metrics};
use mail::Limits;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::listener::{Listener, Stream};

/// An accept that fails (out of files, say) is tried again after this pause.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A client that does not finish its TLS handshake goes.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// What all connections of a door share.
pub struct Doorway {
    /// Who answers.
    pub engine: Arc<Engine>,
    /// What all doors' connections hold together.
    pub room: Arc<Room>,
    /// Where connections run.
    pub tasks: TaskTracker,
    /// Set when the service stops.
    pub stop: CancellationToken,
}

/// Serves `listener`, where `protocol` is spoken, until the service stops; `converse` serves one connection and says how it ended.
pub async fn serve<C>(
    listener: Listener,
    protocol: &str,
    doorway: Arc<Doorway>,
    converse: impl Fn(Stream, String, Arc<Doorway>) -> C + Clone + Send + Sync + 'static,
) where
    C: Future<Output = &'static str> + Send + 'static,
{
    let name = listener.name();
    let door = doorway.engine.doors().open(format!("{protocol} {name}"));
    loop {
        // A place is taken before the connection: beyond the limit connections wait in the kernel's queue.
        let Ok(place) = doorway.room.connections.clone().acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = doorway.stop.cancelled() => return,
        };
        match accepted {
            Ok(Some((incoming, from))) => {
                door.entered();
                let (within, converse) = (doorway.clone(), converse.clone());
                doorway.tasks.spawn(async move {
                    let metrics = within.engine.metrics().clone();
                    metrics.connections.inc();
                    let how = match tokio::time::timeout(HANDSHAKE, incoming.ready()).await {
                        Ok(Ok(stream)) => converse(stream, from, within).await,
                        Ok(Err(error)) => {
                            tracing::warn!("a connection from {from} was refused: {error}");
                            "refused"
                        }
                        Err(_) => "idle",
                    };
                    metrics.connections.dec();
                    ended(&metrics, how);
                    drop(place);
                });
            }
            Ok(None) => ended(doorway.engine.metrics(), "refused"),
            Err(error) => {
                door.is_stuck();
                tracing::error!("accepting on {name} failed, trying again: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn ended(metrics: &Metrics, how: &'static str) {
    metrics
        .connections_ended
        .get_or_create(&EndLabels { how })
        .inc();
}

/// What all connections share.
pub struct Room {
    connections: Arc<Semaphore>,
    /// Message bytes in memory, over all connections.
    held: AtomicUsize,
    held_max: usize,
}

impl Room {
    /// As the limits say.
    pub fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            connections: Arc::new(Semaphore::new(limits.connections_max)),
            held: AtomicUsize::new(0),
            held_max: limits.in_flight_bytes_max,
        })
    }
}

/// What one connection holds of the room; given back when it is dropped.
pub struct Share {
    doorway: Arc<Doorway>,
    held: usize,
}

impl Share {
    /// Nothing yet.
    pub const fn new(doorway: Arc<Doorway>) -> Self {
        Self { doorway, held: 0 }
    }

    /// Notes what the connection holds now; false when all together hold too much.
    pub fn holds(&mut self, now: usize) -> bool {
        let room = &self.doorway.room;
        let before = std::mem::replace(&mut self.held, now);
        let all = if now >= before {
            room.held.fetch_add(now - before, Relaxed) + (now - before)
        } else {
            room.held.fetch_sub(before - now, Relaxed) - (before - now)
        };
        let metrics = self.doorway.engine.metrics();
        metrics.in_flight_bytes.set(all as i64);
        all <= room.held_max
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.holds(0);
    }
}
