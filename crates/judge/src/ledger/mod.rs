//! Sliding windows over what arrived: how much a peer, a sender or a mailbox has had lately.
//!
//! [`Ledger`] is a pure fold: the same arrivals in the same order give the same counts, which is what makes restart and
//! replay trustworthy. It never reads the clock (arrivals carry their time) and never grows past its budget:
//! a key seen once costs a few bytes in a generation that is thrown away whole, and gets counters of its own when it
//! comes again. Random keys therefore neither exhaust memory nor flush out those that matter.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use mail::{Address, Envelope, Timestamp, WindowFact, WindowKey};
use serde::{Deserialize, Serialize};

mod counts;
#[cfg(test)]
mod tests;

use counts::{Counts, Sighting};

use crate::bounded::{Dice, Generations, hash};

/// Recipients of one message whose windows are kept; a message to more is seen by its peer's and sender's windows.
const RECIPIENTS_MAX: usize = 100;
/// Bytes a key costs besides its counters: hash, index, allocation.
const KEY_BYTES: usize = 64;
/// Bytes a key seen once costs.
const NEWCOMER_BYTES: usize = 64;

/// One message that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// When.
    pub at: Timestamp,
    /// From which machine.
    pub peer: Option<IpAddr>,
    /// Account, or the envelope sender's key; empty for the null sender.
    pub sender: String,
    /// Recipients' keys.
    pub recipients: Vec<String>,
    /// Bytes.
    pub size_bytes: u64,
}

impl Arrival {
    /// As an envelope tells it.
    pub fn new(envelope: &Envelope, size_bytes: u64) -> Self {
        Self {
            at: envelope.received_at,
            peer: envelope.peer.ip,
            sender: sender(envelope),
            recipients: envelope.recipients.iter().map(Address::key).collect(),
            size_bytes,
        }
    }

    fn keys(&self) -> Vec<WindowKey> {
        let mut keys = Vec::new();
        keys.extend(self.peer.map(|ip| WindowKey::Peer(network_of(ip))));
        if !self.sender.is_empty() {
            keys.push(WindowKey::Sender(self.sender.clone()));
        }
        let mut recipients = self.recipients.clone();
        recipients.truncate(RECIPIENTS_MAX);
        recipients.sort_unstable();
        recipients.dedup();
        keys.extend(recipients.into_iter().map(WindowKey::Recipient));
        keys
    }
}

/// The fold.
pub struct Ledger {
    spans: Vec<u32>,
    secret: u64,
    regulars_max: usize,
    index: HashMap<u64, usize>,
    regulars: Vec<(u64, Counts)>,
    /// Keys seen once.
    newcomers: Generations<Sighting>,
    dice: Dice,
    evicted: u64,
}

impl Ledger {
    /// With windows of these lengths (seconds, at most 4), within a budget of bytes. `secret` keys the hash.
    pub fn new(spans: &[u32], bytes_max: usize, secret: u64) -> Self {
        let each = KEY_BYTES + Counts::bytes(spans.len());
        Self {
            spans: spans.to_vec(),
            secret,
            regulars_max: (bytes_max / 4 * 3 / each).max(8),
            index: HashMap::new(),
            regulars: Vec::new(),
            newcomers: Generations::new((bytes_max / 8 / NEWCOMER_BYTES).max(8)),
            dice: Dice::new(secret),
            evicted: 0,
        }
    }

    /// The window lengths it keeps.
    pub fn spans(&self) -> &[u32] {
        &self.spans
    }

    /// Keys it knows.
    pub fn len(&self) -> usize {
        self.regulars.len() + self.newcomers.len()
    }

    /// Knows it nobody yet?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys that had to go since the start.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Counts an arrival.
    pub fn apply(&mut self, arrival: &Arrival) {
        if self.spans.is_empty() {
            return;
        }
        let peer = arrival
            .peer
            .map_or(0, |ip| hash(self.secret, &network_of(ip)));
        let sender = hash(self.secret, &arrival.sender);
        let sighting = Sighting {
            at: arrival.at,
            kibibytes: arrival
                .size_bytes
                .div_ceil(1024)
                .try_into()
                .unwrap_or(u32::MAX),
            recipients: arrival.recipients.len().try_into().unwrap_or(u32::MAX),
            peer,
            sender,
        };
        for key in arrival.keys() {
            let hash = hash(self.secret, &key);
            self.count(hash, &sighting);
        }
    }

    /// The counts of an envelope's peer, sender and recipients as they stand at `at`. Apply the message itself before, and
    /// it is included.
    pub fn read(&self, envelope: &Envelope, at: Timestamp) -> Vec<WindowFact> {
        let mut facts = Vec::new();
        for key in Arrival::new(envelope, 0).keys() {
            let hash = hash(self.secret, &key);
            for (number, span_secs) in self.spans.iter().enumerate() {
                let fact = match self.index.get(&hash) {
                    Some(place) => {
                        self.regulars[*place]
                            .1
                            .fact(key.clone(), number, *span_secs, at)
                    }
                    None => match self.newcomers.get(hash) {
                        Some(sighting) => sighting.fact(key.clone(), *span_secs, at),
                        None => continue,
                    },
                };
                facts.push(fact);
            }
        }
        facts
    }

    fn count(&mut self, hash: u64, sighting: &Sighting) {
        if let Some(place) = self.index.get(&hash) {
            self.regulars[*place].1.add(&self.spans, sighting);
            return;
        }
        let Some(first) = self.newcomers.remove(hash) else {
            self.evicted += self.newcomers.insert(hash, sighting.clone());
            return;
        };
        let mut counts = Counts::new(self.spans.len());
        counts.add(&self.spans, &first);
        counts.add(&self.spans, sighting);
        if self.regulars.len() >= self.regulars_max {
            let (regulars, spans) = (&self.regulars, &self.spans);
            let active = |place: usize| regulars[place].1.activity(spans, sighting.at);
            let place = self.dice.least(regulars.len(), active);
            let (gone, _) = std::mem::replace(&mut self.regulars[place], (hash, counts));
            self.index.remove(&gone);
            self.index.insert(hash, place);
            self.evicted += 1;
        } else {
            self.index.insert(hash, self.regulars.len());
            self.regulars.push((hash, counts));
        }
    }
}

/// Who sends: the account, else the envelope sender; empty for the null sender.
fn sender(envelope: &Envelope) -> String {
    match (&envelope.account, &envelope.envelope_from) {
        (Some(account), _) => account.to_lowercase(),
        (None, Some(address)) => address.key(),
        (None, None) => String::new(),
    }
}

/// One customer of an IPv6 provider holds at least a /64; counting single addresses would count nothing.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}
