//! Networks that hand on others' signed mail: forwarders and mailing lists, learnt from the mail they do not break.
//!
//! Who hands over authentic mail of several organisations without being theirs is a forwarder. A replay of signed mail looks the same, so this only
//! ever softens a block, never counts as being authentic.

use std::collections::HashMap;

use ipnet::IpNet;
use mail::standing::ForwarderSeen;

/// Bytes one costs, with what a hash table leaves free.
const FORWARDER_BYTES: usize = 72;
/// Different domains (as bits of their hashes) that make a forwarder.
const DOMAINS_MIN: u32 = 5;
/// Days that make one.
const DAYS_MIN: u32 = 3;

/// The table.
pub(super) struct Forwarders {
    networks: HashMap<IpNet, Forwarder>,
    most: usize,
}

struct Forwarder {
    /// Which domains: a bit for each by its hash. Five bits are five domains at least.
    domains: u64,
    /// On which of the last 32 days, the last as the lowest bit.
    days: u32,
    last_day: u32,
}

impl Forwarders {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            networks: HashMap::new(),
            most: (bytes_max / FORWARDER_BYTES).max(8),
        }
    }

    /// A network handed on authentic mail of a domain.
    pub(super) fn saw(&mut self, network: IpNet, domain: u64, day: u32) {
        let seen = Forwarder {
            domains: 1 << (domain % 64),
            days: 1,
            last_day: day,
        };
        self.join(network, &seen);
    }

    fn join(&mut self, network: IpNet, seen: &Forwarder) {
        if !self.networks.contains_key(&network) && self.networks.len() >= self.most {
            self.thin_out(seen.last_day);
            if self.networks.len() >= self.most {
                return;
            }
        }
        let known = self.networks.entry(network).or_insert(Forwarder {
            domains: 0,
            days: 0,
            last_day: seen.last_day,
        });
        known.domains |= seen.domains;
        let last = known.last_day.max(seen.last_day);
        let moved = |days: u32, from: u32| days.checked_shl(last - from).unwrap_or(0);
        known.days = moved(known.days, known.last_day) | moved(seen.days, seen.last_day);
        known.last_day = last;
    }

    /// Lets those go that are far from being known, or were not seen for a month.
    fn thin_out(&mut self, today: u32) {
        self.networks.retain(|_, known| {
            known.domains.count_ones() > 1
                && known.days.count_ones() > 1
                && known.last_day + 32 > today
        });
    }

    /// Is a network known to hand on others' mail?
    pub(super) fn knows(&self, network: &IpNet) -> bool {
        self.networks.get(network).is_some_and(|known| {
            known.domains.count_ones() >= DOMAINS_MIN && known.days.count_ones() >= DAYS_MIN
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.networks.len() * FORWARDER_BYTES
    }

    pub(super) fn seen(&self) -> Vec<ForwarderSeen> {
        let all = self.networks.iter().map(|(network, known)| ForwarderSeen {
            network: *network,
            domains: known.domains,
            days: known.days,
            last_day: known.last_day,
        });
        all.collect()
    }

    pub(super) fn restore(&mut self, seen: &ForwarderSeen) {
        let forwarder = Forwarder {
            domains: seen.domains,
            days: seen.days,
            last_day: seen.last_day,
        };
        self.join(seen.network, &forwarder);
    }
}
