//! What is known of sources, accounts and mailboxes: a pure fold over operations.
//!
//! [`Ledger`] counts; it judges nothing. The same operations in the same order give the same ledger, it never reads a clock
//! (operations carry their time), and it stays within its budget of bytes whatever keys arrive (`table`). Start at
//! `Ledger::apply`, which also says how things stood *before* the operation (`Before`): a login makes its source familiar,
//! so whether it was must be asked first.

use mail::operation::{Act, DeviceTag, FailType, Fault, Login, LoginOutcome, Protocol};
use mail::{Address, Operation, Timestamp};
use serde::{Deserialize, Serialize};

// What counts.
mod attack;
mod contacts;
pub(crate) mod distinct;
pub(crate) mod evidence;
mod habit;
pub(crate) mod keys;
mod spray;
pub(crate) mod table;
mod unusual;
pub(crate) mod window;

// What becomes of an operation.
mod home;
mod traffic;

// What is taken back.
mod forgive;

// Of whom.
pub(crate) mod account;
pub(crate) mod source;

#[cfg(test)]
mod tests;

use account::{Account, LastPlace, Weighed};
use attack::Attack;
use evidence::seconds;
use home::{at_home_in, familiar_to, program_settled_in, settled_in};
use keys::{Keys, Marks};
use source::{Mailbox, Pair, Source};
use spray::Sprays;
use table::Table;
use unusual::{Shown, Unusual};

/// How the budget is divided, in percent: sources, networks, pairs, accounts, mailboxes, sprays.
const SHARES: [usize; 6] = [25, 8, 12, 45, 8, 2];

/// What is known.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ledger {
    pub(crate) sources: Table<Source>,
    pub(crate) networks: Table<Source>,
    pub(crate) pairs: Table<Pair>,
    pub(crate) accounts: Table<Account>,
    pub(crate) mailboxes: Table<Mailbox>,
    /// Never in a snapshot: it knows which passwords are tried.
    #[serde(skip)]
    pub(crate) sprays: Sprays,
    /// Accounts that were used lately: what a share of all users is a share of.
    pub(crate) active: distinct::Distinct<{ window::DAY }>,
    /// Accounts that were guessed at by sources by which nobody ever got in.
    pub(crate) guessed_at: distinct::Distinct<{ window::HOUR }>,
    /// How much the whole site is guessed at.
    pub(crate) attack: Attack,
    /// What logins usually look like here.
    pub(crate) unusual: Unusual,
    /// Addresses that do not exist, as the whole site was asked for them by machines that never brought mail.
    pub(crate) asked_for: distinct::Distinct<{ window::HOUR }>,
    #[serde(skip, default = "no_keys")]
    pub(crate) keys: Keys,
    /// The first operation it knows of, and the newest.
    began: Timestamp,
    now: Timestamp,
}

const fn no_keys() -> Keys {
    Keys::new(0)
}

/// How well an account knows where an operation comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Familiar {
    /// Neither network nor client program, or nobody knows the account.
    #[default]
    Stranger,
    /// The client program only; anybody can pretend to be it.
    Program,
    /// The network, or its surroundings together with the program.
    Known,
}

/// How things stood before an operation was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    pub familiar: Familiar,
    /// The network alone, however many people share it.
    pub network_known: bool,
    /// Has the account long been used with this client program? Not since a thief's login a minute ago.
    pub program_settled: bool,
    /// At home there: known for days, not since an hour.
    pub settled: bool,
    /// The same by the network itself. A thief in the owner's town has the same provider, and the program everybody has.
    pub at_home: bool,
    /// Had the account ever been used?
    pub existed: bool,
    /// Had it been used with this client program? `None` when nobody said which.
    pub program_known: Option<bool>,
    /// Had it been used from this country, by this provider? `None` when nobody knows, nor where it was used from before.
    pub country_known: Option<bool>,
    pub provider_known: Option<bool>,
    pub born: u32,
    pub last_success: u32,
    /// When this protocol was last used; 0 for never.
    pub protocol_used: u32,
    /// When it was last used through something that hides who is behind it; 0 for never.
    pub hidden: u32,
    /// Hours in which it was used, and the share of them that are used as seldom as this one.
    pub hours: u32,
    pub hour_rarity: f64,
    /// The share of this site's good logins that look more like their account's own than this one.
    pub rank: Option<f64>,
    pub place: Option<LastPlace>,
    /// A failed login that was tried before by this source, or was right once: no guess.
    pub repeated: bool,
    pub stale: bool,
    /// A failed login that counts as a guess.
    pub guess: bool,
    /// Recipients the account never wrote to.
    pub new_recipients: u32,
}

impl Ledger {
    /// An empty one that holds at most `bytes_max`. `secret` keys the hashes.
    pub fn new(bytes_max: usize, secret: u64) -> Self {
        let share = |number: usize| bytes_max / 100 * SHARES[number];
        Self {
            sources: Table::new(share(0)),
            networks: Table::new(share(1)),
            pairs: Table::new(share(2)),
            accounts: Table::new(share(3)),
            mailboxes: Table::new(share(4)),
            sprays: Sprays::new(share(5)),
            active: distinct::Distinct::default(),
            guessed_at: distinct::Distinct::default(),
            asked_for: distinct::Distinct::default(),
            attack: Attack::default(),
            unusual: Unusual::default(),
            keys: Keys::new(secret),
            began: Timestamp::default(),
            now: Timestamp::default(),
        }
    }

    /// Goes on from a snapshot, under the secret it was made with; the budget may have changed.
    #[must_use]
    pub fn restored(self, bytes_max: usize, secret: u64) -> Self {
        let share = |number: usize| bytes_max / 100 * SHARES[number];
        let now = self.now;
        Self {
            sources: self.sources.restored(share(0), now),
            networks: self.networks.restored(share(1), now),
            pairs: self.pairs.restored(share(2), now),
            accounts: self.accounts.restored(share(3), now),
            mailboxes: self.mailboxes.restored(share(4), now),
            sprays: Sprays::new(share(5)),
            active: self.active,
            guessed_at: self.guessed_at,
            asked_for: self.asked_for,
            attack: self.attack,
            unusual: self.unusual,
            keys: Keys::new(secret),
            began: self.began,
            now,
        }
    }

    /// Bytes held, with what tables have reserved.
    pub fn bytes(&self) -> usize {
        self.sources.bytes()
            + self.networks.bytes()
            + self.pairs.bytes()
            + self.accounts.bytes()
            + self.mailboxes.bytes()
            + self.sprays.bytes()
            + self.active.heap_bytes()
            + self.guessed_at.heap_bytes()
            + self.asked_for.heap_bytes()
            + self.unusual.heap_bytes()
    }

    /// Keys it knows: sources, networks, pairs, accounts, mailboxes.
    pub fn keys_known(&self) -> usize {
        self.sources.len()
            + self.networks.len()
            + self.pairs.len()
            + self.accounts.len()
            + self.mailboxes.len()
    }

    /// Keys that had to go since the start.
    pub const fn evicted(&self) -> u64 {
        self.sources.evicted()
            + self.networks.evicted()
            + self.pairs.evicted()
            + self.accounts.evicted()
            + self.mailboxes.evicted()
    }

    /// Counts an operation, and says how things stood before it.
    pub(crate) fn apply(&mut self, operation: &Operation, marks: &Marks) -> Before {
        self.now = self.now.max(operation.at);
        if self.began == Timestamp::default() {
            self.began = operation.at;
        }
        let mut before = self.before(operation, marks);
        match &operation.act {
            Act::Login(login) => self.login(operation, login, marks, &mut before),
            Act::Send(sent) => match marks.account {
                Some(account) => self.sent(operation, sent, account, &mut before),
                None => self.arrived(operation, sent, marks),
            },
            Act::Reply(reply) => self.replied(operation, *reply, marks),
            Act::Retrieve(read) => self.change_account(operation, marks, |account| {
                let kibibytes = read.bytes.div_ceil(1024).try_into().unwrap_or(u32::MAX);
                let reading = account.reading();
                reading.kibibytes.add(operation.at, kibibytes);
                reading.daily.add(operation.at, kibibytes as f32);
                if !before.settled {
                    reading.strange_kibibytes.add(operation.at, kibibytes);
                    reading.strange_messages.add(operation.at, read.messages);
                }
                reading.evidence.add(operation.id);
            }),
            Act::Delete(delete) => self.change_account(operation, marks, |account| {
                let reading = account.reading();
                reading.deleted.add(operation.at, delete.messages);
                reading.evidence.add(operation.id);
            }),
            Act::List(list) => self.change_account(operation, marks, |account| {
                let reading = account.reading();
                reading.folders.add(operation.at, list.folders);
                if !before.settled {
                    for topic in list.topics.numbers() {
                        reading.topics.add(operation.at, topic);
                    }
                }
                reading.evidence.add(operation.id);
            }),
            Act::Append(append) => self.change_account(operation, marks, |account| {
                let kibibytes = append.bytes.div_ceil(1024).try_into().unwrap_or(u32::MAX);
                let reading = account.reading();
                reading.appended.add(operation.at, append.messages);
                reading.appended_kibibytes.add(operation.at, kibibytes);
                reading.evidence.add(operation.id);
            }),
            Act::Probe { recipient, said } => self.probed(operation, recipient, *said, marks),
            Act::Fault(fault) => self.faulted(operation, *fault, marks),
            // What they mean stands in the operation itself.
            Act::Administer(_) | Act::Control => {}
        }
        self.attack
            .pass(operation.at, before.guess && !before.network_known);
        before
    }

    /// Recipients of a list that the account never wrote to.
    pub(crate) fn strangers_among(&self, account: u64, recipients: &[Address]) -> u32 {
        let people = self
            .accounts
            .get(account)
            .and_then(|account| account.outbound.as_ref())
            .map(|outbound| &outbound.people);
        let mut new: Vec<u32> = recipients
            .iter()
            .map(|person| self.keys.short(&person.key()))
            .filter(|person| people.is_none_or(|people| !people.knows(*person)))
            .collect();
        new.sort_unstable();
        new.dedup();
        new.len() as u32
    }

    fn before(&self, operation: &Operation, marks: &Marks) -> Before {
        let (at, device) = (operation.at, operation.source.device);
        let Some(account) = marks.account.and_then(|key| self.accounts.get(key)) else {
            return Before::default();
        };
        let place = operation.source.place.yes();
        let exists = account.exists();
        Before {
            familiar: familiar_to(account, &self.here(marks, device, at), at),
            network_known: marks
                .network
                .is_some_and(|one| account.networks.since(at, one as u32).is_some()),
            program_settled: program_settled_in(account, device, at),
            settled: settled_in(account, &self.here(marks, device, at), at),
            at_home: at_home_in(account, &self.here(marks, device, at), at),
            existed: exists,
            program_known: device.map(|tag| account.devices.since(at, tag.0).is_some()),
            country_known: place
                .and_then(|place| place.country.as_ref())
                .filter(|_| account.countries.len() > 0)
                .map(|country| {
                    account
                        .countries
                        .since(at, self.keys.short(country))
                        .is_some()
                }),
            provider_known: place
                .and_then(|place| place.asn)
                .filter(|_| account.providers.len() > 0)
                .map(|asn| account.providers.since(at, asn).is_some()),
            born: account.born,
            last_success: account.last_success,
            protocol_used: account.protocols[protocol_number(operation.protocol)],
            hidden: account.hidden,
            hours: account.hours.total(),
            hour_rarity: account.hours.rarity(at),
            place: account.place.clone(),
            ..Before::default()
        }
    }

    fn login(&mut self, operation: &Operation, login: &Login, marks: &Marks, before: &mut Before) {
        match login.outcome {
            LoginOutcome::Succeeded => {
                before.rank = self.rank(operation, marks);
                self.succeeded(operation, login, marks);
            }
            // Ours or the server's doing, or the owner's right password: nothing to hold against anybody.
            LoginOutcome::Failed(
                FailType::Internal | FailType::Policy | FailType::Expired | FailType::Disabled,
            ) => {}
            LoginOutcome::Failed(fail @ (FailType::Credentials | FailType::Account)) => {
                self.failed(operation, login, fail, marks, before);
            }
        }
    }

    /// Ranks a good login by how little it looks like its account's own, and counts what it shows.
    fn rank(&mut self, operation: &Operation, marks: &Marks) -> Option<f64> {
        let program = operation.source.device.map(|tag| (0_u64, tag.0));
        let place = operation.source.place.yes();
        let country = place.and_then(|place| place.country.as_ref());
        let country = country.map(|country| (1_u64, self.keys.short(country)));
        let wide = marks.wide.map(|one| (2_u64, one as u32));
        let network = marks.network.map(|one| (3_u64, one as u32));
        let thing = |(kind, thing): (u64, u32)| kind << 32 | u64::from(thing);
        let account = marks.account.and_then(|key| self.accounts.get(key));
        let rank = account.filter(|account| account.exists()).map(|account| {
            let shown = |one: (u64, u32), (own, all): (f64, f64)| Shown {
                thing: thing(one),
                own,
                all,
            };
            let wider = country.map(|one| shown(one, account.countries.days(one.1)));
            let wide = wide.map(|one| shown(one, account.wides.days(one.1)));
            let narrow = network.map(|one| shown(one, account.networks.days(one.1)));
            let places: Vec<Shown> = [wider, wide, narrow].into_iter().flatten().collect();
            let program = program.map(|one| shown(one, account.devices.days(one.1)));
            self.unusual.score(&places, program)
        });
        let things = [program, country, wide, network].into_iter().flatten();
        let things: Vec<u64> = things.map(thing).collect();
        self.unusual.meet(&things);
        rank.and_then(|score| self.unusual.rank(score))
    }

    fn succeeded(&mut self, operation: &Operation, login: &Login, marks: &Marks) {
        let at = operation.at;
        let Some(key) = marks.account else { return };
        let who = key as u32;
        self.active.add(at, who);
        for (table, mark) in [
            (&mut self.sources, marks.source),
            (&mut self.networks, marks.network),
        ] {
            if let Some(mark) = mark {
                table.update(mark, at, true, |source| {
                    let logins = source.logins();
                    logins.good_day.add(at, who);
                    logins.good_week.add(at, who);
                    logins.succeeded.add(at, 1);
                });
            }
        }
        let place = operation.source.place.yes();
        let country = place.and_then(|place| place.country.as_ref());
        let country = country.map(|country| self.keys.short(country));
        self.accounts.update(key, at, true, |account| {
            if account.born == 0 {
                account.born = seconds(at);
            }
            account.last_success = account.last_success.max(seconds(at));
            account.protocols[protocol_number(operation.protocol)] = seconds(at);
            account.hours.meet(at);
            if place.and_then(|place| place.hides) == Some(true) {
                account.hidden = seconds(at);
            }
            if let (Some(network), Some(wide)) = (marks.network, marks.wide) {
                account.networks.meet(at, network as u32);
                account.wides.meet(at, wide as u32);
                account.good_networks.add(at, network as u32);
                account.good_wides.add(at, wide as u32);
            }
            if let Some(DeviceTag(program)) = operation.source.device {
                account.devices.meet(at, program);
            }
            if let Some(tag) = login.password {
                account.right_password(tag.bits());
            }
            if let Some(country) = country {
                account.countries.meet(at, country);
            }
            if let Some(asn) = place.and_then(|place| place.asn) {
                account.providers.meet(at, asn);
            }
            if let Some(spot) = place.and_then(|place| place.spot) {
                account.place = Some(LastPlace {
                    at: seconds(at),
                    latitude: spot.latitude,
                    longitude: spot.longitude,
                    radius_km: spot.radius_km,
                });
            }
        });
    }

    fn failed(
        &mut self,
        operation: &Operation,
        login: &Login,
        fail: FailType,
        marks: &Marks,
        before: &mut Before,
    ) {
        let at = operation.at;
        let Some(key) = marks.account else { return };
        let tag = login.password.map(|tag| u32::from(tag.bits()));
        let right_once = |account: &Account| {
            tag.is_some_and(|tag| account.right.iter().any(|old| u32::from(*old) == tag))
        };
        before.stale = self.accounts.get(key).is_some_and(right_once);
        let mut wrong = 0;
        if let Some(pair) = marks.pair {
            let source = marks.source.unwrap_or_default() as u32;
            let told = self.pairs.update(pair, at, false, |pair| {
                (pair.source, pair.account) = (source, key as u32);
                pair.tries.add(at, 1);
                pair.evidence.add(operation.id);
                let Some(tag) = tag else { return (false, 0) };
                let known = pair.wrong_day.contains(at, tag);
                pair.wrong_day.add(at, tag);
                pair.wrong_hour.add(at, tag);
                (known, pair.wrong_day.count(at))
            });
            if let Some((repeated, count)) = told {
                before.repeated = repeated;
                wrong = count;
                if !repeated && !before.stale {
                    self.pairs
                        .update(pair, at, false, |pair| pair.pace.add(seconds(at)));
                }
            }
        }
        // From where the owner is known, the first wrong password is a slip or an old one: thirty devices of an office after
        // a change of passwords are no attack (fail2ban #779).
        let slip = before.network_known && wrong <= 1;
        before.guess = !before.repeated && !before.stale && !slip;
        if let Some(spray) = login.spray
            && let (Some(source), false) = (operation.source.ip, before.stale)
        {
            self.sprays
                .tried(at, spray.0, key as u32, source, operation.id);
        }
        self.count_guess_of_source(operation, fail, marks, tag, before.guess);
        if before.guess && fail == FailType::Credentials {
            self.count_guess_at_account(operation, marks, tag, before);
        }
    }

    fn count_guess_of_source(
        &mut self,
        operation: &Operation,
        fail: FailType,
        marks: &Marks,
        tag: Option<u32>,
        guess: bool,
    ) {
        let at = operation.at;
        let Some(key) = marks.account else { return };
        let who = key as u32;
        let offered = self.keys.short(&(key, tag));
        let nobody_got_in = marks
            .source
            .and_then(|source| self.sources.get(source)?.logins.as_ref())
            .is_none_or(|logins| logins.good_week.count(at) == 0);
        if guess && nobody_got_in {
            self.guessed_at.add(at, who);
        }
        for (table, mark) in [
            (&mut self.sources, marks.source),
            (&mut self.networks, marks.network),
        ] {
            let Some(mark) = mark else { continue };
            table.update(mark, at, false, |source| {
                let logins = source.logins();
                logins.failed.add(at, 1);
                if fail == FailType::Account {
                    logins.unknown.add(at, who);
                }
                if tag.is_none() {
                    logins.blind.add(at, 1);
                } else if guess {
                    logins.guesses.add(at, offered);
                    logins.pace.add(seconds(at));
                }
                if guess {
                    logins.guessed_minutes.add(at, who);
                    logins.guessed_hour.add(at, who);
                    logins.guessed_day.add(at, who);
                    logins.evidence.add(operation.id);
                }
            });
        }
    }

    fn count_guess_at_account(
        &mut self,
        operation: &Operation,
        marks: &Marks,
        tag: Option<u32>,
        before: &Before,
    ) {
        let at = operation.at;
        let Some(key) = marks.account else { return };
        self.accounts.update(key, at, before.existed, |account| {
            if account.born == 0 {
                account.born = seconds(at);
            }
            let guessed = account.guessed();
            guessed.minutes.add(at, 1);
            guessed.evidence.add(operation.id);
            if let Some(tag) = tag {
                guessed.passwords_hour.add(at, tag);
                guessed.passwords_day.add(at, tag);
            }
            if let Some(network) = marks.network {
                guessed.networks_hour.add(at, network as u32);
                guessed.networks_day.add(at, network as u32);
                if let Some(DeviceTag(program)) = operation.source.device {
                    guessed.failed_with(at, program, network as u32);
                }
            }
        });
    }

    /// Changes an account that is there; what a stranger does makes none.
    fn change_account(
        &mut self,
        operation: &Operation,
        marks: &Marks,
        change: impl FnOnce(&mut Account),
    ) {
        if let Some(key) = marks.account {
            self.accounts.update(key, operation.at, true, change);
        }
    }

    fn faulted(&mut self, operation: &Operation, fault: Fault, marks: &Marks) {
        let at = operation.at;
        if fault == Fault::Denied {
            self.change_account(operation, marks, |account| {
                let reading = account.reading();
                reading.denied.add(at, 1);
                reading.evidence.add(operation.id);
            });
            return;
        }
        let Some(source) = marks.source else { return };
        self.sources.update(source, at, false, |source| {
            let faults = source.faults();
            match fault {
                Fault::Loitered => faults.loitered.add(at, 1),
                Fault::Cleartext => faults.cleartext.add(at, 1),
                Fault::Foreign => faults.foreign.add(at, 1),
                Fault::Early => faults.early.add(at, 1),
                Fault::Malformed => faults.malformed.add(at, 1),
                Fault::Hasty => faults.hasty.add(at, 1),
                Fault::Denied => {}
            }
            faults.evidence.add(operation.id);
        });
    }

    /// A detector is so sure that a source means harm.
    pub(crate) fn suspect(&mut self, source: u64, at: Timestamp, score: f32) {
        self.sources.update(source, at, true, |one| {
            one.suspicion.raise(at, source::SUSPICION_HALF_LIFE, score);
        });
    }

    /// A finding adds to what speaks against an account.
    pub(crate) fn weigh(&mut self, account: u64, at: Timestamp, detector: u16, score: f32) {
        let at_seconds = seconds(at);
        self.accounts.update(account, at, false, |account| {
            account.weigh(Weighed {
                detector,
                score,
                at: at_seconds,
            });
        });
    }

    /// A thief was there: what the account got to know within a day is no sign of its owner any more.
    pub(crate) fn expel(&mut self, account: u64, at: Timestamp) {
        let since = at.plus_secs(-i64::from(window::DAY));
        self.accounts.change(account, |account| {
            account.networks.forget_since(since);
            account.wides.forget_since(since);
            account.devices.forget_since(since);
        });
    }

    /// Of the mailboxes that a stranger's message goes to, the one with most mail lately.
    pub(crate) fn busiest<'a>(
        &'a self,
        operation: &'a Operation,
    ) -> Option<(&'a Mailbox, &'a Address)> {
        let (Act::Send(sent), None) = (&operation.act, &operation.account) else {
            return None;
        };
        let mailboxes = sent.recipients.iter().filter_map(|address| {
            let key = self.keys.mailbox(&address.key());
            Some((self.mailboxes.get(key)?, address))
        });
        mailboxes.max_by_key(|(mailbox, _)| mailbox.messages.sum(operation.at))
    }

    /// The time of the newest operation.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// How many of our people came by a source within a week.
    pub fn people_behind(&self, ip: std::net::IpAddr, at: Timestamp) -> u32 {
        let source = self.sources.get(self.keys.source(ip));
        source
            .and_then(|source| source.logins.as_ref())
            .map_or(0, |logins| logins.good_week.count(at))
    }

    /// The time of the first operation it knows of; `None` before any.
    pub fn began(&self) -> Option<Timestamp> {
        (self.began != Timestamp::default()).then_some(self.began)
    }

    /// How much the whole site is being guessed at: 0 is as always, 1 as bad as it gets.
    pub fn attack_level(&self, at: Timestamp) -> f32 {
        self.attack.level(at)
    }
}

const fn protocol_number(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Smtp => 0,
        Protocol::Submission => 1,
        Protocol::Pop3 => 2,
        Protocol::Imap => 3,
        Protocol::ManageSieve => 4,
        Protocol::Http => 5,
    }
}
