//! The counters of one key: for each window a ring of ten slices, and about how many different partners.

use mail::{Timestamp, WindowFact, WindowKey};

/// Slices of a window: the error of a count is at most the oldest tenth of the window.
const SLICES: usize = 10;

/// One arrival, as the counters see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    pub at: Timestamp,
    pub kibibytes: u32,
    pub recipients: u32,
    /// Hashes of the partners.
    pub peer: u64,
    pub sender: u64,
}

impl Sighting {
    /// The counts of a key seen once.
    pub(super) fn fact(&self, key: WindowKey, span_secs: u32, at: Timestamp) -> WindowFact {
        let within = at.micros_since(self.at) < i64::from(span_secs) * 1_000_000;
        let count = |number: u32| if within { number } else { 0 };
        WindowFact {
            key,
            span_secs,
            messages: count(1),
            kibibytes: count(self.kibibytes),
            recipients: count(self.recipients),
            distinct_peers: count(1),
            distinct_senders: count(1),
        }
    }
}

/// All windows of one key.
pub(super) struct Counts {
    windows: Box<[Window]>,
}

#[derive(Clone, Default)]
struct Window {
    slices: [Slice; SLICES],
    /// The number of the newest slice since the epoch.
    newest: i64,
}

#[derive(Clone, Default)]
struct Slice {
    messages: u32,
    kibibytes: u32,
    recipients: u32,
    peers: Bitmap,
    senders: Bitmap,
}

impl Counts {
    pub(super) fn new(spans: usize) -> Self {
        Self {
            windows: vec![Window::default(); spans].into(),
        }
    }

    /// Memory of a key with so many windows.
    pub(super) const fn bytes(spans: usize) -> usize {
        size_of::<Self>() + spans * size_of::<Window>()
    }

    pub(super) fn add(&mut self, spans: &[u32], sighting: &Sighting) {
        for (window, span) in self.windows.iter_mut().zip(spans) {
            let slice = window.slice_at(slice_number(sighting.at, *span));
            slice.messages = slice.messages.saturating_add(1);
            slice.kibibytes = slice.kibibytes.saturating_add(sighting.kibibytes);
            slice.recipients = slice.recipients.saturating_add(sighting.recipients);
            slice.peers.add(sighting.peer);
            slice.senders.add(sighting.sender);
        }
    }

    pub(super) fn fact(
        &self,
        key: WindowKey,
        number: usize,
        span_secs: u32,
        at: Timestamp,
    ) -> WindowFact {
        let mut fact = WindowFact {
            key,
            span_secs,
            messages: 0,
            kibibytes: 0,
            recipients: 0,
            distinct_peers: 0,
            distinct_senders: 0,
        };
        let (mut peers, mut senders) = (Bitmap::default(), Bitmap::default());
        let window = &self.windows[number];
        for slice in window.live(slice_number(at, span_secs)) {
            fact.messages = fact.messages.saturating_add(slice.messages);
            fact.kibibytes = fact.kibibytes.saturating_add(slice.kibibytes);
            fact.recipients = fact.recipients.saturating_add(slice.recipients);
            peers.join(&slice.peers);
            senders.join(&slice.senders);
        }
        fact.distinct_peers = peers.count().min(fact.messages);
        fact.distinct_senders = senders.count().min(fact.messages);
        fact
    }

    /// How much would be lost with this key: messages in its longest window.
    pub(super) fn activity(&self, spans: &[u32], now: Timestamp) -> u64 {
        let last = self.windows.iter().zip(spans).next_back();
        last.map_or(0, |(window, span)| {
            window
                .live(slice_number(now, *span))
                .map(|slice| u64::from(slice.messages))
                .sum()
        })
    }
}

impl Window {
    /// The slice of a time, forgetting what falls out. What comes late is counted in the newest slice.
    fn slice_at(&mut self, number: i64) -> &mut Slice {
        if number > self.newest {
            let passed = (number - self.newest).min(SLICES as i64);
            for gone in 0..passed {
                self.slices[place(number - gone)] = Slice::default();
            }
            self.newest = number;
        }
        &mut self.slices[place(self.newest)]
    }

    /// The slices that belong to the window ending in slice `now`.
    fn live(&self, now: i64) -> impl Iterator<Item = &Slice> {
        let now = now.max(self.newest);
        let oldest = now - SLICES as i64 + 1;
        (oldest.max(self.newest - SLICES as i64 + 1)..=self.newest)
            .map(|number| &self.slices[place(number)])
    }
}

fn slice_number(at: Timestamp, span_secs: u32) -> i64 {
    at.0.div_euclid(i64::from(span_secs) * 1_000_000 / SLICES as i64)
}

fn place(number: i64) -> usize {
    number.rem_euclid(SLICES as i64) as usize
}

/// About how many different values: linear counting (Whang et al. 1990) over 128 bits. Good to a few
/// percent below 100 and to some 15 % at 300; beyond some 600 it only says "very many".
#[derive(Clone, Default)]
struct Bitmap(u128);

impl Bitmap {
    const fn add(&mut self, hash: u64) {
        self.0 |= 1 << (hash % 128);
    }

    const fn join(&mut self, other: &Self) {
        self.0 |= other.0;
    }

    fn count(&self) -> u32 {
        let empty = self.0.count_zeros();
        if empty == 0 {
            return 700;
        }
        (128.0 * (128.0 / f64::from(empty)).ln()).round() as u32
    }
}
