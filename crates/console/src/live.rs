//! What happens, as it happens: one small event per message, over Server-Sent Events.
//!
//! A follower that is too slow misses events and is told how many; nobody waits for it, and nothing is kept for it beyond
//! the channel all of them share.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use engine::{Author, Right};
use futures_util::Stream;
use mail::Record;
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::Shared;
use crate::error::Problem;
use crate::visitor::Client;

/// A right that was taken away ends with the first message after so long.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// One message, as the feed tells it.
#[derive(Debug, Serialize)]
struct Told<'r> {
    id: String,
    at: String,
    fate: &'static str,
    level: Option<&'static str>,
    score: Option<f64>,
    from: Option<&'r str>,
    to: Vec<&'r str>,
    subject: String,
    reasons: Vec<&'r str>,
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/live", get(feed))
}

/// The feed of the mail the author may see.
pub(crate) async fn feed(
    State(shared): State<Arc<Shared>>,
    client: Client,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    client.desk.need(Right::SeeRecords)?;
    let follower = Follower {
        records: shared.engine.live(),
        shared,
        client,
        asked: Instant::now(),
    };
    let stream = futures_util::stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))))
}

/// One who follows.
struct Follower {
    records: Receiver<Arc<Record>>,
    shared: Arc<Shared>,
    client: Client,
    /// When it was last made sure that they may.
    asked: Instant,
}

impl Follower {
    /// The next event for them; `None` when the service stops, or when they may not follow any more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let next = tokio::select! {
                next = self.records.recv() => next,
                () = self.shared.stop.cancelled() => return None,
            };
            if self.asked.elapsed() >= ASK_AGAIN {
                if !self.client.is_still_known(&self.shared).await {
                    return None;
                }
                self.asked = Instant::now();
            }
            match next {
                Ok(record) => {
                    if let Some(event) = told(&record, &self.client.author) {
                        return Some(event);
                    }
                }
                Err(RecvError::Lagged(missed)) => {
                    return Some(Event::default().event("missed").data(missed.to_string()));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn told(record: &Record, author: &Author) -> Option<Event> {
    if !author.covers_record(record) {
        return None;
    }
    let verdict = record.verdict.as_ref();
    let told = Told {
        id: record.id.to_string(),
        at: record.at.to_string(),
        fate: record.fate.as_str(),
        level: verdict.map(|verdict| verdict.level.as_str()),
        score: verdict.map(|verdict| verdict.score),
        from: record.header_from.as_deref(),
        to: record
            .envelope
            .recipients
            .iter()
            .take(3)
            .map(mail::Address::as_str)
            .collect(),
        subject: crate::html::visible(&record.subject)
            .chars()
            .take(120)
            .collect(),
        reasons: verdict
            .iter()
            .flat_map(|verdict| &verdict.reasons)
            .take(3)
            .map(|reason| reason.name.as_str())
            .collect(),
    };
    Event::default().event("message").json_data(&told).ok()
}
