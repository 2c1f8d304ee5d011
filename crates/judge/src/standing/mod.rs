//! Domain standing: what mail in a domain's name is like, by outbound server and day, and what follows for the next message.
//!
//! [`Standing`] is a pure fold: [`Standing::apply`] counts a message, [`Standing::review`] (hourly, say) works out how much of each domain's own
//! mail is signed and moves domains between [stages](mail::standing::Stage), [`Standing::rule`] says what a domain's standing means for one
//! message. Time is an argument; the same messages in the same order give the same standing.
//!
//! It never grows past its budget. A domain seen once costs a few bytes in a generation that is thrown away whole; of those seen more often the
//! one with the least history leaves first. So a million invented domains neither exhaust memory nor flush out real ones.
//!
//! The method: US 7,950,047 (count by outbound server: authentic, unsigned, unauthentic) and US 8,381,262 (a domain that signs nearly all its
//! mail gets its unsigned mail blocked; else the server is held against the headers), with what they leave open: a share that forgeries do not
//! enter (`share.rs`), a report-only time, forwarders, and failures of DNS, which block nothing.

// One message, as it is counted.
mod observe;

// What is kept of domains.
mod days;
mod domains;
mod forwarders;
mod kept;

// What is made of it.
mod share;
mod soften;
mod source;
mod stage;

mod rule;
mod settings;

// What its owner could mend.
mod advice;

#[cfg(test)]
mod months;
#[cfg(test)]
mod tests;

use mail::standing::{Counts, Delta, Share, Stage, Switch};
use mail::{Domain, Timestamp};
use serde::Serialize;

use domains::Domains;
use forwarders::Forwarders;
use kept::Pending;

use crate::bounded::hash;

pub use advice::{Advice, advice};
pub use observe::Observation;
pub use rule::reason;
pub use settings::{DomainSettings, Settings};

/// Of the budget, an eighth is for forwarders and a quarter for what waits to be kept.
const PARTS: usize = 8;
/// Switches that wait to be kept.
const SWITCHES_MAX: usize = 10_000;

/// What is known of domains.
pub struct Standing {
    secret: u64,
    window_days: u32,
    domains: Domains,
    forwarders: Forwarders,
    pending: Pending,
}

/// What is known of one domain, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Which.
    pub domain: Domain,
    /// Its organisation.
    pub organisation: Domain,
    /// How far it has come, by itself or because an administrator pinned it.
    pub stage: Stage,
    /// Since when.
    pub since: Timestamp,
    /// How much of its own mail is signed, by the marks of now; `None` when nothing of it counts.
    pub share: Option<Share>,
    /// All its mail in the window.
    pub counts: Counts,
    /// By day, ascending; days without mail are not there.
    pub days: Vec<DayView>,
    /// By outbound server, the busiest first.
    pub servers: Vec<ServerView>,
    /// Keys it signed with.
    pub keys: Vec<mail::standing::KeySeen>,
}

/// One day of a domain, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DayView {
    /// Days since 1970-01-01 UTC.
    pub day: u32,
    /// Its mail of that day.
    pub counts: Counts,
}

/// One outbound server of a domain, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerView {
    /// The server, or the network it was folded into.
    pub server: ipnet::IpNet,
    /// What the administrator says about it.
    pub mark: mail::Mark,
    /// How much its mail counts for the domain's share: 0 to 1.
    pub weight: f64,
    /// Its mail in the window.
    pub counts: Counts,
    /// Days it was seen on.
    pub days: usize,
    /// The last of them.
    pub last_day: u32,
}

impl View {
    /// A domain of whose mail nothing is known yet.
    pub fn unseen(domain: &Domain, settings: &Settings) -> Self {
        Self {
            domain: domain.clone(),
            organisation: domain.registered(),
            stage: settings.of(domain).stage.unwrap_or_default(),
            since: Timestamp::default(),
            share: None,
            counts: Counts::default(),
            days: Vec::new(),
            servers: Vec::new(),
            keys: Vec::new(),
        }
    }
}

impl Standing {
    /// Within a budget of bytes (`limits.standing_bytes_max`). `secret` keys the hash.
    pub fn new(bytes_max: usize, secret: u64) -> Self {
        Self {
            secret,
            window_days: settings::WINDOW_DAYS,
            domains: Domains::new(bytes_max / PARTS * 5, secret),
            forwarders: Forwarders::new(bytes_max / PARTS),
            pending: Pending::new(bytes_max / PARTS * 2),
        }
    }

    /// Counts a message.
    pub fn apply(&mut self, seen: &Observation) {
        if seen.is_handed_on() {
            let domain = hash(self.secret, &seen.domain);
            self.forwarders.saw(seen.network(), domain, seen.day());
        }
        for told in self.domains.saw(seen, self.window_days) {
            self.pending.add(&told);
        }
    }

    /// Works out every domain's share and moves domains between stages. Call it as often as decisions shall follow the numbers; each
    /// switch is returned once, and kept for the next [delta](Self::take_delta).
    pub fn review(&mut self, now: Timestamp, settings: &Settings) -> Vec<Switch> {
        self.window_days = settings.window_days;
        let switches = self.domains.review(now, settings);
        self.pending.add_switches(&switches, SWITCHES_MAX);
        switches
    }

    /// Forgets what is older than the window, and moves nobody: for who only looks at what was kept.
    pub fn forget(&mut self, now: Timestamp, settings: &Settings) {
        self.window_days = settings.window_days;
        self.domains.forget(now, settings.window_days);
    }

    /// What is known of a domain; `None` of one never seen, or seen once.
    pub fn view(&self, domain: &Domain, settings: &Settings) -> Option<View> {
        let entry = self.domains.get(domain)?;
        let pinned = settings.of(domain).stage;
        let mut view = entry.view(&settings.of(domain).marks);
        view.stage = pinned.unwrap_or(view.stage);
        Some(view)
    }

    /// Messages in a domain's name that are counted.
    pub fn messages(&self, domain: &Domain) -> u64 {
        self.domains
            .get(domain)
            .map_or(0, |entry| entry.sum().total)
    }

    /// Domains whose mail is counted apart, in no order.
    pub fn domains(&self) -> impl Iterator<Item = &Domain> {
        self.domains.names()
    }

    /// Domains counted apart.
    pub fn len(&self) -> usize {
        self.domains.len()
    }

    /// Is none counted apart?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Domains that had to go since the start.
    pub const fn evicted(&self) -> u64 {
        self.domains.evicted()
    }

    /// Bytes held, as reckoned by what each thing costs.
    pub fn bytes(&self) -> usize {
        self.domains.bytes() + self.forwarders.bytes() + self.pending.bytes()
    }

    /// What came to be known since the last call, for whoever keeps it.
    pub fn take_delta(&mut self) -> Delta {
        self.pending.take()
    }
}
