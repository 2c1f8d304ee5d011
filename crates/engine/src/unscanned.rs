//! Mail that a server took while nobody judged it: recorded, so that it is counted and shown.

use std::net::IpAddr;

use mail::{Address, Envelope, Fate, Peer, Record, RecordId, Timestamp};
use store::StoreError;

use crate::Engine;

/// A message that entered a mail server's queue, as the server's log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// When the log line was read.
    pub seen_at: Timestamp,
    /// The server's name for the message.
    pub queue_id: String,
    /// The client.
    pub ip: Option<IpAddr>,
    /// The envelope sender; empty for the null sender.
    pub envelope_from: String,
    /// Bytes.
    pub size_bytes: u64,
}

impl Engine {
    /// Records those of `arrived` that no record knows by queue id.
    pub async fn count_unscanned(&self, arrived: &[Arrived]) -> Result<(), StoreError> {
        let ids: Vec<String> = arrived
            .iter()
            .map(|arrived| arrived.queue_id.clone())
            .collect();
        let known = self.store().known_queue_ids(&ids).await?;
        let unknown = arrived
            .iter()
            .filter(|arrived| !known.contains(&arrived.queue_id));
        let records: Vec<Record> = unknown
            .map(|arrived| record(arrived, &self.settings().node))
            .collect();
        if records.is_empty() {
            return Ok(());
        }
        self.store().write(&records).await?;
        self.metrics().unscanned.inc_by(records.len() as u64);
        tracing::warn!(
            "{} messages passed a mail server unjudged; see `mailvigil messages --fate unscanned`",
            records.len()
        );
        Ok(())
    }
}

fn record(arrived: &Arrived, node: &str) -> Record {
    let mut envelope = Envelope::new(arrived.seen_at, "mail-log");
    envelope.server = node.to_owned();
    envelope.queue_id = Some(arrived.queue_id.clone());
    envelope.peer = Peer {
        ip: arrived.ip,
        ..Peer::default()
    };
    envelope.envelope_from = Address::new(&arrived.envelope_from);
    Record {
        id: RecordId::random(arrived.seen_at),
        at: arrived.seen_at,
        fate: Fate::Unscanned,
        envelope,
        header_from: None,
        subject: String::new(),
        message_id: None,
        size_bytes: arrived.size_bytes,
        digest: String::new(),
        verdict: None,
        facts: None,
        note: Some(
            "the mail server's log shows that it was taken while nobody judged it".to_owned(),
        ),
        took_us: 0,
    }
}
