//! The default rules of the programs people use today, restated, looking at the very same stream.
//!
//! Only what they do by themselves when they are installed: fail2ban's `dovecot`, `postfix` and `postfix-sasl` jails (5 failures in ten
//! minutes, a ban of ten), CrowdSec's scenarios for Dovecot and Postfix (leaky buckets, a ban of four hours), weakforced's shipped
//! policy (more than 50 different wrong passwords of one address in an hour). All of them act on addresses. Sources: fail2ban 1.0
//! `jail.conf`; CrowdSec hub `dovecot-spam`, `postfix-spam`, `postfix-relay-denied`, generic user enumeration; weakforced 3.0 `wforce.lua`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use mail::operation::{Act, FailType, LoginOutcome, PasswordTag, Said};
use mail::{Account, Operation, Timestamp};
use serde::Serialize;

use super::figures::Actor;

/// Their names, in the order of the figures.
pub(super) const NAMES: [&str; 3] = ["fail2ban", "CrowdSec", "weakforced"];

/// What came of one program's rules.
#[derive(Clone, Debug, Serialize)]
pub struct OfOther {
    /// Which.
    pub name: &'static str,
    /// By attack: share of attackers that it refused anything.
    pub found_by_attacker: BTreeMap<&'static str, f64>,
    /// People with the right password whose address was refused, of 10,000 in a day.
    pub benign_hurt_per_10k_day: f64,
}

/// All of them.
#[derive(Default)]
pub(super) struct Others {
    bans: [HashMap<IpAddr, Timestamp>; 3],
    failures: HashMap<IpAddr, VecDeque<Timestamp>>,
    refusals: HashMap<IpAddr, VecDeque<Timestamp>>,
    buckets: HashMap<(IpAddr, &'static str), Bucket>,
    wrong: HashMap<IpAddr, VecDeque<(Timestamp, Account, PasswordTag)>>,
    found: [BTreeSet<usize>; 3],
    hurt: [BTreeSet<(usize, i64)>; 3],
}

/// A leaky bucket: full, it bans.
#[derive(Default)]
struct Bucket {
    level: f64,
    at: Timestamp,
    /// For buckets that count different things.
    seen: HashSet<Account>,
}

impl Bucket {
    /// Pours one in; does it overflow?
    fn pours(&mut self, at: Timestamp, capacity: f64, leak_secs: f64) -> bool {
        let leaked = at.micros_since(self.at) as f64 / 1e6 / leak_secs;
        self.level = (self.level - leaked).max(0.0);
        if self.level == 0.0 {
            self.seen.clear();
        }
        self.at = at;
        self.level += 1.0;
        let over = self.level > capacity;
        if over {
            *self = Self::default();
        }
        over
    }
}

impl Others {
    /// Shows them an operation.
    pub(super) fn see(&mut self, actor: Actor, counting: bool, operation: &Operation) {
        let (Some(ip), at) = (operation.source.ip, operation.at) else {
            return;
        };
        let right = match &operation.act {
            Act::Login(login) => login.outcome == LoginOutcome::Succeeded,
            Act::Send(_) => true,
            _ => false,
        };
        for (number, bans) in self.bans.iter().enumerate() {
            if bans.get(&ip).is_some_and(|until| *until > at) {
                match actor {
                    Actor::Raider(raider) => {
                        self.found[number].insert(raider);
                    }
                    Actor::Person(who) if right && counting => {
                        self.hurt[number].insert((who, at.secs() / 86_400));
                    }
                    Actor::Person(_) | Actor::Stranger => {}
                }
            }
        }
        let banned = self.count(ip, at, operation);
        for (number, secs) in banned.into_iter().enumerate() {
            if secs > 0 {
                self.bans[number].insert(ip, at.plus_secs(secs));
                if let Actor::Raider(raider) = actor {
                    self.found[number].insert(raider);
                }
            }
        }
    }

    /// Counts it by each program's rules; for how long each bans the address now, seconds.
    fn count(&mut self, ip: IpAddr, at: Timestamp, operation: &Operation) -> [i64; 3] {
        let mut banned = [0; 3];
        match &operation.act {
            Act::Login(login) => {
                let LoginOutcome::Failed(FailType::Credentials | FailType::Account) = login.outcome
                else {
                    return banned;
                };
                if within(self.failures.entry(ip).or_default(), at, 600) >= 5 {
                    banned[0] = 600;
                }
                let mut crowdsec = self
                    .buckets
                    .entry((ip, "dovecot-spam"))
                    .or_default()
                    .pours(at, 3.0, 360.0);
                if let Some(account) = &operation.account {
                    let bucket = self.buckets.entry((ip, "user-enum")).or_default();
                    if bucket.seen.insert(account.clone()) {
                        crowdsec |= bucket.pours(at, 3.0, 30.0);
                    }
                }
                if crowdsec {
                    banned[1] = 4 * 3600;
                }
                if let (Some(account), Some(tag)) = (&operation.account, login.password) {
                    let wrong = self.wrong.entry(ip).or_default();
                    wrong.push_back((at, account.clone(), tag));
                    while wrong
                        .front()
                        .is_some_and(|(of, ..)| at.secs() - of.secs() > 3600)
                    {
                        wrong.pop_front();
                    }
                    let different: HashSet<_> = wrong
                        .iter()
                        .map(|(_, account, tag)| (account, *tag))
                        .collect();
                    if different.len() > 50 {
                        // It asks anew at each login: refused until the window has passed.
                        banned[2] = 600;
                    }
                }
            }
            Act::Probe { said, .. } if *said != Said::Exists => {
                if within(self.refusals.entry(ip).or_default(), at, 600) >= 5 {
                    banned[0] = 600;
                }
                let mut crowdsec = self
                    .buckets
                    .entry((ip, "postfix-spam"))
                    .or_default()
                    .pours(at, 5.0, 10.0);
                if *said == Said::RelayDenied {
                    let bucket = self.buckets.entry((ip, "relay-denied")).or_default();
                    crowdsec |= bucket.pours(at, 1.0, 600.0);
                }
                if crowdsec {
                    banned[1] = 4 * 3600;
                }
            }
            _ => {}
        }
        banned
    }

    /// All of it, after so many days of so many people; `attack` says which attack an attacker belongs to.
    pub(super) fn report(
        &self,
        user_days: u64,
        attackers: &[(usize, &'static str)],
    ) -> Vec<OfOther> {
        let of = |number: usize| {
            let mut found: BTreeMap<&'static str, (f64, f64)> = BTreeMap::new();
            for (raider, attack) in attackers {
                let (seen, all) = found.entry(*attack).or_default();
                *all += 1.0;
                *seen += f64::from(u8::from(self.found[number].contains(raider)));
            }
            OfOther {
                name: NAMES[number],
                found_by_attacker: found
                    .into_iter()
                    .map(|(attack, (seen, all))| (attack, seen / all))
                    .collect(),
                benign_hurt_per_10k_day: self.hurt[number].len() as f64 * 10_000.0
                    / user_days.max(1) as f64,
            }
        };
        (0..NAMES.len()).map(of).collect()
    }
}

/// Adds a time, forgets those older than so many seconds; how many there are.
fn within(times: &mut VecDeque<Timestamp>, at: Timestamp, secs: i64) -> usize {
    times.push_back(at);
    while times.front().is_some_and(|of| at.secs() - of.secs() > secs) {
        times.pop_front();
    }
    times.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_leak() {
        let mut bucket = Bucket::default();
        let at = |secs: i64| Timestamp::from_secs(1_000_000 + secs);
        assert!(!bucket.pours(at(0), 3.0, 360.0));
        assert!(!bucket.pours(at(1), 3.0, 360.0));
        assert!(!bucket.pours(at(2), 3.0, 360.0));
        assert!(bucket.pours(at(3), 3.0, 360.0));
        for number in 0..50 {
            assert!(!bucket.pours(at(1000 + number * 400), 3.0, 360.0));
        }
    }

    #[test]
    fn windows_forget() {
        let mut times = VecDeque::new();
        for number in 0..5 {
            assert_eq!(
                within(&mut times, Timestamp::from_secs(number), 600),
                number as usize + 1
            );
        }
        assert_eq!(within(&mut times, Timestamp::from_secs(602), 600), 4);
    }
}
