//! One operation that several doors tell counts once.
//!
//! Dovecot reports a failed login by its auth policy, and its log has a line of it; neither names the other. So what doors tell is paired:
//! of the same kind by the same source about the same account with the same outcome, a door's n-th telling is news only when no
//! other door has told n of them yet. What was not told for a minute is forgotten.

use std::collections::HashMap;

use mail::operation::{Act, Door, LoginOutcome, Said};
use mail::{Operation, Timestamp};

use crate::ledger::keys::Keys;

/// How far apart two doors may tell the same, seconds. Log lines come late.
const APART_SECS: i64 = 60;
/// Doors there are.
const DOORS: usize = 7;

/// What was told lately, by door.
pub struct Twins {
    keys: Keys,
    most: usize,
    /// Told within this span, and the one before: both are looked at, so a key lives one to two of them.
    now: HashMap<u64, [u32; DOORS]>,
    before: HashMap<u64, [u32; DOORS]>,
    since: Timestamp,
}

impl Twins {
    /// Remembers at most `most` different operations of each span. `secret` keys the hashes.
    pub fn new(most: usize, secret: u64) -> Self {
        Self {
            keys: Keys::new(secret),
            most,
            now: HashMap::new(),
            before: HashMap::new(),
            since: Timestamp::default(),
        }
    }

    /// Is it told for the first time? Beyond the bound everything is: counting twice is better than not at all.
    pub fn is_news(&mut self, operation: &Operation) -> bool {
        let Some(key) = self.key(operation) else {
            return true;
        };
        if operation.at.secs() - self.since.secs() > APART_SECS {
            self.before = std::mem::take(&mut self.now);
            if operation.at.secs() - self.since.secs() > 2 * APART_SECS {
                self.before.clear();
            }
            self.since = operation.at;
        }
        let known = self.now.get(&key).or_else(|| self.before.get(&key));
        let mut told = known.copied().unwrap_or_default();
        if !self.now.contains_key(&key) && self.now.len() >= self.most {
            return true;
        }
        let door = operation.door as usize;
        told[door] += 1;
        let by_others = told
            .iter()
            .enumerate()
            .filter(|(of, _)| *of != door)
            .map(|(_, told)| *told)
            .max();
        let news = told[door] > by_others.unwrap_or(0);
        self.now.insert(key, told);
        news
    }

    /// What two tellings of the same have in common; `None` for what only one door can tell.
    fn key(&self, operation: &Operation) -> Option<u64> {
        let outcome = match &operation.act {
            Act::Login(login) => u8::from(login.outcome == LoginOutcome::Succeeded),
            Act::Probe { said, .. } => 2 + u8::from(*said == Said::RelayDenied),
            Act::Send(_)
            | Act::Reply(_)
            | Act::Retrieve(_)
            | Act::List(_)
            | Act::Delete(_)
            | Act::Append(_)
            | Act::Fault(_)
            | Act::Administer(_)
            | Act::Control => return None,
        };
        let probed = match &operation.act {
            Act::Probe { recipient, .. } => Some(recipient.key()),
            _ => None,
        };
        let source = operation.source.ip.map(|ip| ip.to_canonical());
        let account = operation.account.as_ref().map(mail::Account::as_str);
        Some(self.keys.of(&(outcome, source, account, probed)))
    }
}

const _: () = assert!(Door::Intake as usize + 1 == DOORS);

#[cfg(test)]
mod tests {
    use mail::operation::{FailType, Login, Protocol, Source};
    use mail::{Account, Known, RecordId};

    use super::*;

    fn login(secs: i64, door: Door, outcome: LoginOutcome) -> Operation {
        let at = Timestamp::from_secs(secs);
        Operation {
            id: RecordId::first_at(at),
            at,
            door,
            protocol: Protocol::Imap,
            source: Source {
                ip: "192.0.2.7".parse().ok(),
                device: None,
                place: Known::NotAsked,
            },
            account: Account::new("ann", 10),
            session: None,
            act: Act::Login(Login::new(outcome)),
        }
    }

    const WRONG: LoginOutcome = LoginOutcome::Failed(FailType::Credentials);

    #[test]
    fn what_two_doors_tell_counts_once_and_what_one_tells_twice_counts_twice() {
        let mut twins = Twins::new(100, 1);
        let mut news = |secs: i64, door, outcome| twins.is_news(&login(1000 + secs, door, outcome));
        assert!(news(0, Door::AuthPolicy, WRONG));
        assert!(!news(1, Door::Log, WRONG));
        assert!(news(2, Door::AuthPolicy, WRONG), "a second try");
        assert!(!news(2, Door::Log, WRONG));
        assert!(news(3, Door::Log, WRONG), "the log was faster this time");
        assert!(!news(3, Door::AuthPolicy, WRONG));
        assert!(news(3, Door::AuthPolicy, LoginOutcome::Succeeded));
        // The log calls it otherwise, and means the same.
        assert!(!news(4, Door::Events, LoginOutcome::Succeeded));
    }

    #[test]
    fn a_door_that_fell_silent_swallows_nothing() {
        let mut twins = Twins::new(100, 1);
        for secs in 0..20 {
            assert!(twins.is_news(&login(secs, Door::AuthPolicy, WRONG)));
        }
        for secs in 0..20 {
            assert!(twins.is_news(&login(1000 + secs, Door::Log, WRONG)));
        }
    }

    #[test]
    fn beyond_the_bound_everything_is_news() {
        let mut twins = Twins::new(1, 1);
        let mut other = login(0, Door::Log, WRONG);
        other.account = Account::new("bob", 10);
        assert!(twins.is_news(&login(0, Door::AuthPolicy, WRONG)));
        assert!(twins.is_news(&other) && twins.is_news(&other));
        assert!(!twins.is_news(&login(0, Door::Log, WRONG)));
    }
}
