//! Decisions that stand, those that stood, and how they end.

use std::collections::HashMap;

use mail::{RecordId, Timestamp};
use serde::{Deserialize, Serialize};

use super::guard::Verdict;
use super::{Allowance, Author, Decision, Scope, Step, Wish};
use crate::ledger::Ledger;
use crate::ledger::distinct::mix;
use crate::ledger::evidence::{Seconds, seconds};
use crate::ledger::keys::{Keys, cut};
use crate::ledger::table::{Entry, Table};

/// Bytes a standing decision costs at most: texts, evidence, its place in the index.
const DECISION_BYTES: usize = 1200;
/// Longest that an automatic decision stands: no mistake is for ever.
const LONGEST_SECS: i64 = 7 * 86_400;
/// Longest that a person's decision stands: a year, so that nobody is forgotten in it.
const PERSONS_LONGEST_SECS: i64 = 365 * 86_400;
/// After so long without a decision the next one is one doubling shorter.
const CLEAN_SECS: u32 = 86_400;
/// For so long after an undo nothing automatic is decided about the same again.
const GRACE_SECS: i64 = 3600;

/// The book.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Book {
    standing: HashMap<u64, Vec<Decision>>,
    count: usize,
    most: usize,
    past: Table<Past>,
    number: u64,
    good_users_blocked: u32,
}

/// How often something was decided before.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Past {
    times: u32,
    last: Seconds,
    grace_until: Seconds,
}

impl Entry for Past {
    fn heap_bytes(&self) -> usize {
        0
    }
    fn worth(&self, now: Timestamp) -> f64 {
        let days = f64::from(seconds(now).saturating_sub(self.last)) / f64::from(CLEAN_SECS);
        f64::from(self.times) - days
    }
}

/// What an undo ended and cleared.
#[derive(Clone, Debug, PartialEq)]
pub struct Undone {
    /// Decisions that stood, and end now.
    pub ended: Vec<Decision>,
    /// Until when nothing automatic is decided about the same again.
    pub grace_until: Timestamp,
}

impl Book {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            standing: HashMap::new(),
            count: 0,
            most: (bytes_max / 4 * 3 / DECISION_BYTES).max(16),
            past: Table::new(bytes_max / 4),
            number: 0,
            good_users_blocked: 0,
        }
    }

    pub(crate) fn restored(mut self, bytes_max: usize, now: Timestamp) -> Self {
        self.most = (bytes_max / 4 * 3 / DECISION_BYTES).max(16);
        self.past = self.past.restored(bytes_max / 4, now);
        self.expire(now);
        while self.count > self.most && self.drop_first_to_end() {}
        self
    }

    /// Enters a decision; `None` when the same one stands already.
    pub(crate) fn enter(
        &mut self,
        wish: Wish,
        verdict: Verdict,
        ledger: &Ledger,
    ) -> Option<Decision> {
        let key = key(&wish.scope, ledger.keys);
        let simulated = wish.simulated || verdict.held_back.is_some();
        if self.stands(key, wish.step, wish.at, simulated) {
            return None;
        }
        self.number += 1;
        // What a person decided has the same name and the same end on every node that hears of it.
        let random = match wish.author {
            Author::Person(_) => mix(key ^ wish.at.0 as u64 ^ wish.step as u64),
            Author::Detector(_) => mix(key ^ self.number),
        };
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&random.to_be_bytes());
        let usual = self.length(key, wish.step, wish.at, random, simulated);
        let secs = wish.secs.unwrap_or(usual);
        let decision = Decision {
            id: RecordId::new(wish.at, bytes),
            scope: wish.scope,
            step: wish.step,
            author: wish.author,
            reason: wish.reason,
            evidence: wish.evidence,
            created: wish.at,
            expires: wish.at.plus_secs(secs),
            simulated,
            held_back: verdict.held_back,
            strangers_only: wish.strangers_only,
            good_users: verdict.good_users,
        };
        self.write(key, decision.clone());
        Some(decision)
    }

    /// Enters what another node decided, under its name and with its end, unless the same stands or it was undone meanwhile.
    pub(crate) fn adopt(&mut self, decision: Decision, ledger: &Ledger) -> bool {
        let key = key(&decision.scope, ledger.keys);
        let (at, simulated) = (decision.created, decision.simulated);
        if self.stands(key, decision.step, at, simulated)
            || self.in_grace(&decision.scope, ledger, at)
        {
            return false;
        }
        self.count_up(key, decision.step, at, simulated);
        self.write(key, decision);
        true
    }

    /// Does the same stand already? What is simulated gives way to what is not.
    fn stands(&self, key: u64, step: Step, at: Timestamp, simulated: bool) -> bool {
        let same =
            |one: &Decision| one.step == step && one.expires > at && (simulated || !one.simulated);
        let list = self.standing.get(&key);
        list.is_some_and(|list| list.iter().any(same))
    }

    fn write(&mut self, key: u64, decision: Decision) {
        let at = decision.created;
        if self.count >= self.most {
            self.expire(at);
            if self.count >= self.most {
                self.drop_first_to_end();
            }
        }
        if !decision.simulated {
            self.good_users_blocked += decision.good_users;
        }
        let list = self.standing.entry(key).or_default();
        let before = list.len();
        list.retain(|one| one.expires > at);
        self.count = self.count + 1 + list.len() - before;
        list.push(decision);
    }

    /// The decisions about a scope that stand, by its key.
    pub(crate) fn about(&self, key: Option<u64>, at: Timestamp) -> impl Iterator<Item = &Decision> {
        let list = key.and_then(|key| self.standing.get(&key));
        list.into_iter()
            .flatten()
            .filter(move |one| !one.simulated && one.expires > at)
    }

    /// Everything that stands, simulated ones too, by id.
    pub(crate) fn all(&self, at: Timestamp) -> Vec<&Decision> {
        let lists = self.standing.values().flatten();
        let mut all: Vec<&Decision> = lists.filter(|one| one.expires > at).collect();
        all.sort_by_key(|one| one.id);
        all
    }

    /// People concerned by blocks that stand.
    pub(crate) const fn good_users_blocked(&self) -> u32 {
        self.good_users_blocked
    }

    /// Was it undone lately?
    pub(crate) fn in_grace(&self, scope: &Scope, ledger: &Ledger, at: Timestamp) -> bool {
        let past = self.past.get(key(scope, ledger.keys));
        past.is_some_and(|past| seconds(at) < past.grace_until)
    }

    /// Ends every decision about a scope, and those about pairs within it.
    pub(crate) fn undo(&mut self, scope: &Scope, ledger: &Ledger, at: Timestamp) -> Undone {
        let ended = self.end(at, |one| covers(scope, &one.scope));
        let grace_until = at.plus_secs(GRACE_SECS);
        let scopes = ended.iter().map(|one| &one.scope).chain([scope]);
        for scope in scopes {
            let key = key(scope, ledger.keys);
            self.past.update(key, at, true, |past| {
                past.grace_until = seconds(grace_until);
            });
        }
        Undone { ended, grace_until }
    }

    /// Ends what an allowance covers.
    pub(crate) fn end_allowed(&mut self, allowance: &Allowance, at: Timestamp) -> Vec<Decision> {
        self.end(at, |one| allowance.ends(one))
    }

    /// Forgets what has ended. Called now and then; answers do not depend on it.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.end(now, |one| one.expires <= now);
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.count * DECISION_BYTES + self.past.bytes()
    }

    fn end(&mut self, at: Timestamp, gone: impl Fn(&Decision) -> bool) -> Vec<Decision> {
        let mut ended = Vec::new();
        for list in self.standing.values_mut() {
            list.retain(|one| {
                let goes = gone(one);
                if goes {
                    ended.push(one.clone());
                }
                !goes
            });
        }
        self.standing.retain(|_, list| !list.is_empty());
        self.count -= ended.len();
        for one in ended.iter().filter(|one| !one.simulated) {
            self.good_users_blocked = self.good_users_blocked.saturating_sub(one.good_users);
        }
        ended.retain(|one| one.expires > at);
        ended.sort_by_key(|one| one.id);
        ended
    }

    fn drop_first_to_end(&mut self) -> bool {
        let all = self.standing.values().flatten();
        let Some((_, id)) = all.map(|one| (one.expires, one.id)).min() else {
            return false;
        };
        self.end(Timestamp(i64::MAX), |one| one.id == id);
        true
    }

    /// Twice as long each time, with a tenth up or down so that not everybody comes back in the same second.
    fn length(&mut self, key: u64, step: Step, at: Timestamp, random: u64, simulated: bool) -> i64 {
        let times = self.count_up(key, step, at, simulated);
        let doubled = step.first_secs() << times.min(16);
        let tenth = (random % 201) as i64 - 100;
        let secs = doubled.min(LONGEST_SECS);
        secs + secs / 1000 * tenth
    }

    /// How often this was decided about the same before, and once more from now on.
    fn count_up(&mut self, key: u64, step: Step, at: Timestamp, simulated: bool) -> u32 {
        let now = seconds(at);
        let past = mix(key ^ step as u64);
        let times = self.past.update(past, at, false, |past| {
            let clean = now.saturating_sub(past.last) / CLEAN_SECS;
            past.times = past.times.saturating_sub(clean);
            let times = past.times;
            if !simulated {
                (past.times, past.last) = (times + 1, now);
            }
            times
        });
        times.unwrap_or(0)
    }
}

/// What a scope is found by.
pub(crate) fn key(scope: &Scope, keys: Keys) -> u64 {
    match scope {
        Scope::Source(ip) => keys.source(*ip),
        Scope::Pair(ip, account) => Keys::pair(keys.source(*ip), keys.account(account.as_str())),
        Scope::Account(account) => keys.account(account.as_str()),
        Scope::Mailbox(address) => keys.mailbox(&address.key()),
    }
}

/// Does undoing `wide` undo `narrow`?
fn covers(wide: &Scope, narrow: &Scope) -> bool {
    match (wide, narrow) {
        (Scope::Source(ip), Scope::Source(of) | Scope::Pair(of, _)) => {
            cut(*ip, 32, 64) == cut(*of, 32, 64)
        }
        (Scope::Account(account), Scope::Account(of) | Scope::Pair(_, of)) => account == of,
        (Scope::Pair(..), Scope::Pair(..)) | (Scope::Mailbox(_), Scope::Mailbox(_)) => {
            wide == narrow
        }
        (Scope::Source(_), Scope::Account(_) | Scope::Mailbox(_))
        | (Scope::Account(_), Scope::Source(_) | Scope::Mailbox(_))
        | (Scope::Pair(..), Scope::Source(_) | Scope::Account(_) | Scope::Mailbox(_))
        | (Scope::Mailbox(_), Scope::Source(_) | Scope::Account(_) | Scope::Pair(..)) => false,
    }
}

impl Wish {
    /// What a person wants.
    pub(crate) fn of_person(
        at: Timestamp,
        scope: Scope,
        step: Step,
        secs: Option<i64>,
        person: &str,
        reason: &str,
    ) -> Self {
        Self {
            at,
            secs: secs.map(|secs| secs.clamp(1, PERSONS_LONGEST_SECS)),
            scope,
            step,
            author: Author::Person(person.to_owned()),
            reason: reason.to_owned(),
            evidence: Vec::new(),
            simulated: false,
            strangers_only: false,
        }
    }
}
