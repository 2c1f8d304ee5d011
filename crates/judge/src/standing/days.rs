//! What is kept of one domain: by outbound server and day, so much and no more.

use std::collections::BTreeMap;

use ipnet::IpNet;
use mail::standing::{Counts, KeySeen, Share, Stage, network_of};
use mail::{Domain, Mark, Timestamp};

use super::observe::{Observation, anywhere};
use super::settings::mark_of;
use super::share::{share, weight};
use super::{DayView, ServerView, View};

/// Servers of a domain told apart; the least active of more are folded into their networks, then into one.
const SERVERS_MAX: usize = 128;
/// Keys of a domain.
const KEYS_MAX: usize = 16;
/// Bytes an entry costs besides its names and lists: itself, its hash, its place in the index, allocations.
const ENTRY_BYTES: usize = size_of::<Entry>() + 96;
const SERVER_BYTES: usize = size_of::<Server>() + 16;
const DAY_BYTES: usize = size_of::<Day>();
const KEY_BYTES: usize = size_of::<Key>() + 32;

/// One domain.
pub(super) struct Entry {
    pub(super) domain: Domain,
    pub(super) organisation: Domain,
    pub(super) stage: Stage,
    pub(super) since: Timestamp,
    pub(super) share: Option<Share>,
    pub(super) servers: Vec<Server>,
    keys: Vec<Key>,
    /// Which of the last 64 days it was seen on, the last as the lowest bit. Longer than the window: it is what makes history.
    days_seen: u64,
    last_day: u32,
}

/// One outbound server of a domain.
pub(super) struct Server {
    pub(super) net: IpNet,
    /// Ascending; empty days are not there.
    pub(super) days: Vec<Day>,
    /// Messages in all of them, and those that tie it to the domain: kept beside, because they are asked for with every message.
    total: u64,
    tied: u64,
}

/// One day of one server.
pub(super) struct Day {
    pub(super) day: u32,
    numbers: [u32; Counts::NUMBERS],
}

struct Key {
    selector: Box<str>,
    bits: Option<u32>,
    first_day: u32,
    last_day: u32,
}

impl Entry {
    pub(super) fn new(domain: &Domain, organisation: &Domain, at: Timestamp) -> Self {
        Self {
            domain: domain.clone(),
            organisation: organisation.clone(),
            stage: Stage::Observing,
            since: at,
            share: None,
            servers: Vec::new(),
            keys: Vec::new(),
            days_seen: 0,
            last_day: 0,
        }
    }

    /// Counts a message.
    pub(super) fn saw(&mut self, seen: &Observation, window_days: u32) {
        self.add(seen.machine(), seen.day(), &seen.counts, window_days);
        for (selector, bits) in &seen.keys {
            self.saw_key(selector, *bits, seen.day(), seen.day());
        }
    }

    /// Adds numbers to a day of a server. What is older than the window is not counted any more.
    pub(super) fn add(&mut self, server: IpNet, day: u32, counts: &Counts, window_days: u32) {
        self.saw_on(day);
        if day + window_days <= self.last_day {
            return;
        }
        let place = match self.servers.iter().position(|known| known.net == server) {
            Some(place) => place,
            None => {
                self.servers.reserve_exact(1);
                self.servers.push(Server::new(server));
                self.servers.len() - 1
            }
        };
        self.servers[place].add(day, counts);
        while self.servers.len() > SERVERS_MAX {
            self.fold_one();
        }
    }

    fn saw_on(&mut self, day: u32) {
        if day > self.last_day {
            let passed = day - self.last_day;
            self.days_seen = self.days_seen.checked_shl(passed).unwrap_or(0) | 1;
            self.last_day = day;
        } else {
            self.days_seen |= 1_u64.checked_shl(self.last_day - day).unwrap_or(0);
        }
    }

    pub(super) fn saw_key(&mut self, selector: &str, bits: Option<u32>, first: u32, last: u32) {
        let known = self
            .keys
            .iter_mut()
            .find(|key| *key.selector == *selector && key.bits == bits);
        if let Some(key) = known {
            key.first_day = key.first_day.min(first);
            key.last_day = key.last_day.max(last);
            return;
        }
        if self.keys.len() >= KEYS_MAX {
            let oldest = (0..self.keys.len()).min_by_key(|place| self.keys[*place].last_day);
            oldest.map(|place| self.keys.swap_remove(place));
        }
        self.keys.reserve_exact(1);
        self.keys.push(Key {
            selector: selector.into(),
            bits,
            first_day: first,
            last_day: last,
        });
    }

    /// Folds what has the least of a history: a server into its network, a network into what is not told apart.
    fn fold_one(&mut self) {
        let apart = (0..self.servers.len()).filter(|place| self.servers[*place].net != anywhere());
        let least = apart.min_by_key(|place| {
            let server = &self.servers[*place];
            (server.tied > 0, server.total)
        });
        let Some(place) = least else { return };
        let folded = self.servers.swap_remove(place);
        let into = if is_machine(&folded.net) {
            network_of(folded.net.addr())
        } else {
            anywhere()
        };
        let known = self.servers.iter().position(|known| known.net == into);
        let known = known.unwrap_or_else(|| {
            self.servers.push(Server::new(into));
            self.servers.len() - 1
        });
        for day in &folded.days {
            self.servers[known].add(day.day, &day.counts());
        }
    }

    /// Forgets what is older than the window.
    pub(super) fn forget(&mut self, today: u32, window_days: u32) {
        for server in &mut self.servers {
            server.days.retain(|day| day.day + window_days > today);
            let sum = server.sum();
            server.total = sum.total;
            server.tied = sum.authentic + sum.vouched;
        }
        self.servers.retain(|server| !server.days.is_empty());
        self.keys.retain(|key| key.last_day + 64 > today);
    }

    /// Days on which it was seen, of the last 64.
    pub(super) const fn days_seen(&self) -> u32 {
        self.days_seen.count_ones()
    }

    /// How much would be lost with it. Days count more than messages: a flood has many messages, only time makes days. What is signed
    /// counts more than what is not, and a domain that blocks most of all.
    pub(super) fn value(&self) -> u64 {
        let days = u64::from(self.days_seen());
        let total: u64 = self.servers.iter().map(|server| server.total).sum();
        let is_tied = self.servers.iter().any(|server| server.tied > 0);
        let tied = if is_tied { 4 } else { 1 };
        let stage = match self.stage {
            Stage::Observing => 1,
            Stage::ReportOnly => 4,
            Stage::Blocking => 16,
        };
        days * days * u64::from(total.max(1).ilog2() + 1) * tied * stage
    }

    /// All its mail in the window.
    pub(super) fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        for server in &self.servers {
            sum.add(&server.sum());
        }
        sum
    }

    /// Bytes it costs. Lists grow by one, so their length is their capacity.
    pub(super) fn bytes(&self) -> usize {
        let servers: usize = self
            .servers
            .iter()
            .map(|server| SERVER_BYTES + server.days.len() * DAY_BYTES)
            .sum();
        let keys: usize = self
            .keys
            .iter()
            .map(|key| KEY_BYTES + key.selector.len())
            .sum();
        let names = self.domain.as_str().len() + self.organisation.as_str().len();
        ENTRY_BYTES + names + servers + keys
    }

    pub(super) fn keys(&self) -> Vec<KeySeen> {
        let keys = self.keys.iter().map(|key| KeySeen {
            domain: self.domain.clone(),
            selector: key.selector.to_string(),
            bits: key.bits,
            first_day: key.first_day,
            last_day: key.last_day,
        });
        keys.collect()
    }

    pub(super) fn view(&self, marks: &[(IpNet, Mark)]) -> View {
        let mut servers: Vec<ServerView> = self
            .servers
            .iter()
            .map(|server| ServerView {
                server: server.net,
                mark: mark_of(marks, &server.net),
                weight: weight(server, marks),
                counts: server.sum(),
                days: server.days.len(),
                last_day: server.days.last().map_or(0, |day| day.day),
            })
            .collect();
        servers.sort_by_key(|server| std::cmp::Reverse(server.counts.total));
        let share = share(self, marks);
        View {
            domain: self.domain.clone(),
            organisation: self.organisation.clone(),
            stage: self.stage,
            since: self.since,
            share: (share.counted > 0).then_some(share),
            counts: self.sum(),
            days: self.days(),
            servers,
            keys: self.keys(),
        }
    }

    /// All its mail by day.
    fn days(&self) -> Vec<DayView> {
        let mut days: BTreeMap<u32, Counts> = BTreeMap::new();
        for day in self.servers.iter().flat_map(|server| &server.days) {
            days.entry(day.day).or_default().add(&day.counts());
        }
        let days = days.into_iter();
        days.map(|(day, counts)| DayView { day, counts }).collect()
    }
}

impl Server {
    const fn new(net: IpNet) -> Self {
        Self {
            net,
            days: Vec::new(),
            total: 0,
            tied: 0,
        }
    }

    fn add(&mut self, day: u32, counts: &Counts) {
        self.total = self.total.saturating_add(counts.total);
        self.tied = self.tied.saturating_add(counts.authentic + counts.vouched);
        let place = match self.days.binary_search_by_key(&day, |known| known.day) {
            Ok(place) => place,
            Err(place) => {
                self.days.reserve_exact(1);
                let numbers = [0; Counts::NUMBERS];
                self.days.insert(place, Day { day, numbers });
                place
            }
        };
        let numbers = &mut self.days[place].numbers;
        for (mine, more) in numbers.iter_mut().zip(counts.numbers()) {
            *mine = mine.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        }
    }

    /// Its mail in the window.
    pub(super) fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        for day in &self.days {
            sum.add(&day.counts());
        }
        sum
    }
}

impl Day {
    pub(super) fn counts(&self) -> Counts {
        Counts::from_numbers(self.numbers.map(u64::from))
    }
}

/// Is it one machine, not a network?
fn is_machine(server: &IpNet) -> bool {
    server.prefix_len() == server.max_prefix_len()
}
