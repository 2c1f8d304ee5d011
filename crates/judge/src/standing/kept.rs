//! Standing to be kept: what is new since the last time, and all of it.

use std::collections::HashMap;

use ipnet::IpNet;
use mail::standing::{Counts, DayCounts, Delta, KeySeen, Snapshot, StageSet, Switch};
use mail::{Domain, Timestamp};

use super::domains::Told;
use super::{SWITCHES_MAX, Settings, Standing};

/// Bytes of a row that waits, besides its names.
const ROW_BYTES: usize = size_of::<DayCounts>() + 64;
const KEY_BYTES: usize = size_of::<KeySeen>() + 96;

/// What waits to be kept.
pub(super) struct Pending {
    bytes_max: usize,
    bytes: usize,
    days: HashMap<(Domain, IpNet, u32), (Domain, Counts)>,
    keys: HashMap<(Domain, String, Option<u32>), u32>,
    switches: Vec<Switch>,
    dropped: u64,
}

impl Pending {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            days: HashMap::new(),
            keys: HashMap::new(),
            switches: Vec::new(),
            dropped: 0,
        }
    }

    pub(super) fn add(&mut self, told: &Told) {
        match told {
            Told::Day(row) => self.add_day(row),
            Told::Key(key) => self.add_key(key),
        }
    }

    fn add_day(&mut self, row: &DayCounts) {
        let key = (row.domain.clone(), row.server, row.day);
        if let Some((_, counts)) = self.days.get_mut(&key) {
            counts.add(&row.counts);
            return;
        }
        let names = row.domain.as_str().len() + row.organisation.as_str().len();
        if self.takes(ROW_BYTES + names) {
            self.days
                .insert(key, (row.organisation.clone(), row.counts));
        }
    }

    fn add_key(&mut self, seen: &KeySeen) {
        let key = (seen.domain.clone(), seen.selector.clone(), seen.bits);
        if self.keys.contains_key(&key) {
            return;
        }
        if self.takes(KEY_BYTES + seen.domain.as_str().len() + seen.selector.len()) {
            self.keys.insert(key, seen.last_day);
        }
    }

    pub(super) fn add_switches(&mut self, switches: &[Switch], most: usize) {
        for switch in switches {
            if self.switches.len() < most {
                self.switches.push(switch.clone());
            } else {
                self.dropped += 1;
            }
        }
    }

    fn takes(&mut self, bytes: usize) -> bool {
        if self.bytes + bytes > self.bytes_max {
            self.dropped += 1;
            return false;
        }
        self.bytes += bytes;
        true
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn take(&mut self) -> Delta {
        let taken = std::mem::replace(self, Self::new(self.bytes_max));
        let days = taken.days.into_iter();
        let days = days.map(
            |((domain, server, day), (organisation, counts))| DayCounts {
                domain,
                organisation,
                server,
                day,
                counts,
            },
        );
        let keys = taken.keys.into_iter();
        let keys = keys.map(|((domain, selector, bits), day)| KeySeen {
            domain,
            selector,
            bits,
            first_day: day,
            last_day: day,
        });
        Delta {
            days: days.collect(),
            keys: keys.collect(),
            switches: taken.switches,
            dropped: taken.dropped,
        }
    }
}

impl Standing {
    /// Adds what another node saw, or what was kept before a restart. Nothing of it is told again.
    pub fn absorb(&mut self, delta: &Delta) {
        self.absorb_days(&delta.days);
        self.absorb_keys(&delta.keys);
        for switch in &delta.switches {
            self.absorb_stage(&StageSet {
                domain: switch.domain.clone(),
                stage: switch.to,
                since: switch.at,
                share: Some(switch.share),
            });
        }
    }

    /// Tells a delta again at the next asking: it could not be kept.
    pub fn put_back(&mut self, delta: &Delta) {
        for row in &delta.days {
            self.pending.add_day(row);
        }
        for key in &delta.keys {
            self.pending.add_key(key);
        }
        self.pending.add_switches(&delta.switches, SWITCHES_MAX);
    }

    /// All that is known of domains counted apart.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            forwarders: self.forwarders.seen(),
            ..Snapshot::default()
        };
        for entry in self.domains.entries() {
            for server in &entry.servers {
                snapshot
                    .days
                    .extend(server.days.iter().map(|day| DayCounts {
                        domain: entry.domain.clone(),
                        organisation: entry.organisation.clone(),
                        server: server.net,
                        day: day.day,
                        counts: day.counts(),
                    }));
            }
            snapshot.keys.extend(entry.keys());
            snapshot.stages.push(StageSet {
                domain: entry.domain.clone(),
                stage: entry.stage,
                since: entry.since,
                share: entry.share,
            });
        }
        snapshot
    }

    /// Standing as it was when the snapshot was made, but for domains seen once.
    pub fn restore(
        snapshot: &Snapshot,
        settings: &Settings,
        bytes_max: usize,
        secret: u64,
    ) -> Self {
        let mut standing = Self::new(bytes_max, secret);
        standing.window_days = settings.window_days;
        standing.absorb_days(&snapshot.days);
        standing.absorb_keys(&snapshot.keys);
        for stage in &snapshot.stages {
            standing.absorb_stage(stage);
        }
        for forwarder in &snapshot.forwarders {
            standing.forwarders.restore(forwarder);
        }
        standing
    }

    fn absorb_days(&mut self, days: &[DayCounts]) {
        for row in days {
            let at = Timestamp::from_secs(i64::from(row.day) * 86_400);
            let window_days = self.window_days;
            self.domains
                .change(&row.domain, &row.organisation, at, |entry| {
                    entry.add(row.server, row.day, &row.counts, window_days);
                });
        }
    }

    fn absorb_keys(&mut self, keys: &[KeySeen]) {
        for key in keys {
            // A key says nothing of a domain whose mail is not counted apart.
            if self.domains.get(&key.domain).is_some() {
                let at = Timestamp::default();
                self.domains.change(&key.domain, &key.domain, at, |entry| {
                    entry.saw_key(&key.selector, key.bits, key.first_day, key.last_day);
                });
            }
        }
    }

    fn absorb_stage(&mut self, set: &StageSet) {
        if self.domains.get(&set.domain).is_none() {
            return;
        }
        let at = Timestamp::default();
        self.domains.change(&set.domain, &set.domain, at, |entry| {
            if set.since >= entry.since || entry.stage == mail::standing::Stage::Observing {
                entry.stage = set.stage;
                entry.since = set.since;
                entry.share = set.share;
            }
        });
    }
}
