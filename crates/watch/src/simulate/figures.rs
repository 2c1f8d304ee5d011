//! What is counted while it plays, and the report that is made of it.

use std::collections::{BTreeMap, BTreeSet};

use mail::{Account, Operation, Timestamp};
use serde::Serialize;

use super::attacks::ATTACKS;
use super::others::{OfOther, Others};
use crate::{Author, DETECTORS, Happened};

/// The number that stands for findings that only together were enough.
const SUM: usize = DETECTORS.len();
/// A finding from this score on is an alarm even if it does nothing.
const ALARM: f32 = 0.5;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    /// One of our people.
    Person(usize),
    /// Somebody outside who means no harm.
    Stranger,
    /// An attacker, by number.
    Raider(usize),
}

/// What one attacker did and what became of it.
#[derive(Clone, Debug, Default)]
struct Tale {
    attack: usize,
    first: Option<Timestamp>,
    detected: Option<Timestamp>,
    by: BTreeSet<usize>,
    /// Recipients of its spam, by stolen account.
    recipients: BTreeMap<Account, u32>,
    refused: u32,
}

/// The counts.
pub(super) struct Figures {
    counting: bool,
    tales: Vec<Tale>,
    victims: BTreeSet<Account>,
    true_alarms: Vec<u64>,
    false_alarms: Vec<u64>,
    /// Accounts that an attacker has been in.
    stolen: BTreeSet<Account>,
    hurt: BTreeSet<(usize, i64)>,
    owners: BTreeSet<(usize, i64)>,
    hurt_by: BTreeMap<String, u32>,
    waited: BTreeSet<(usize, i64)>,
    arrivals: u64,
    arrivals_put_off: u64,
    operations: u64,
    others: Others,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self {
            counting: false,
            tales: Vec::new(),
            victims: BTreeSet::new(),
            true_alarms: vec![0; SUM + 1],
            false_alarms: vec![0; SUM + 1],
            stolen: BTreeSet::new(),
            hurt: BTreeSet::new(),
            owners: BTreeSet::new(),
            hurt_by: BTreeMap::new(),
            waited: BTreeSet::new(),
            arrivals: 0,
            arrivals_put_off: 0,
            operations: 0,
            others: Others::default(),
        }
    }

    /// Shows an operation to those we are compared with.
    pub(super) fn shown(&mut self, actor: Actor, operation: &Operation) {
        self.others.see(actor, self.counting, operation);
    }

    /// From now on it counts.
    pub(super) const fn start(&mut self) {
        self.counting = true;
    }

    /// Another attacker; its number.
    pub(super) fn raider(&mut self, attack: usize) -> usize {
        self.tales.push(Tale {
            attack,
            ..Tale::default()
        });
        self.tales.len() - 1
    }

    pub(super) fn victim(&mut self, account: &Account) {
        if !self.victims.contains(account) {
            self.victims.insert(account.clone());
        }
    }

    /// A login was stopped; `why` names what stood against it.
    pub(super) fn denied(
        &mut self,
        actor: Actor,
        at: Timestamp,
        right: Option<&Account>,
        why: impl FnOnce() -> String,
    ) {
        match (actor, right) {
            (Actor::Raider(number), _) => self.tales[number].refused += 1,
            (Actor::Person(who), Some(account)) => self.hurts(who, at, account, why),
            (Actor::Person(_) | Actor::Stranger, _) => {}
        }
    }

    /// Somebody got in; when it was an attacker, the account is a stolen one from now on.
    pub(super) fn entered(&mut self, actor: Actor, account: &Account) {
        if let Actor::Raider(_) = actor {
            self.stolen.insert(account.clone());
        }
    }

    pub(super) fn probed(&mut self, actor: Actor, let_in: bool) {
        if let Actor::Raider(number) = actor {
            self.tales[number].refused += u32::from(!let_in);
        }
    }

    pub(super) fn waited(&mut self, actor: Actor, at: Timestamp, secs: u32, right: bool) {
        if let (Actor::Person(who), true) = (actor, secs > 0 && right && self.counting) {
            self.waited.insert((who, day(at)));
        }
    }

    pub(super) fn sent(
        &mut self,
        actor: Actor,
        at: Timestamp,
        account: &Account,
        recipients: u32,
        taken: bool,
        why: impl FnOnce() -> String,
    ) {
        match (actor, taken) {
            (Actor::Raider(number), true) => {
                let sent = &mut self.tales[number].recipients;
                *sent.entry(account.clone()).or_default() += recipients;
                self.begin(number, at);
            }
            (Actor::Raider(number), false) => self.tales[number].refused += 1,
            (Actor::Person(who), false) => self.hurts(who, at, account, why),
            (Actor::Person(_) | Actor::Stranger, _) => {}
        }
    }

    pub(super) fn arrived(&mut self, actor: Actor, at: Timestamp, taken: bool) {
        match actor {
            Actor::Raider(number) => {
                self.begin(number, at);
                self.tales[number].refused += u32::from(!taken);
            }
            Actor::Person(_) | Actor::Stranger if self.counting => {
                self.arrivals += 1;
                self.arrivals_put_off += u64::from(!taken);
            }
            Actor::Person(_) | Actor::Stranger => {}
        }
    }

    pub(super) fn happened(
        &mut self,
        actor: Actor,
        at: Timestamp,
        account: Option<&Account>,
        happened: &Happened,
    ) {
        self.operations += 1;
        if let Actor::Raider(number) = actor {
            self.begin(number, at);
        }
        let detections = happened.detections.iter();
        let alarms = detections
            .filter(|one| !DETECTORS[one.number].only_weight && (one.acts || one.score >= ALARM))
            .map(|one| one.number);
        let sums = happened
            .decisions
            .iter()
            .filter(|one| one.author == Author::Detector("sum".into()))
            .map(|_| SUM);
        for alarm in alarms.chain(sums) {
            self.alarm(actor, at, account, alarm);
        }
    }

    fn alarm(&mut self, actor: Actor, at: Timestamp, account: Option<&Account>, detector: usize) {
        match actor {
            Actor::Raider(number) => {
                let tale = &mut self.tales[number];
                tale.detected.get_or_insert(at);
                tale.by.insert(detector);
                self.true_alarms[detector] += 1;
            }
            // The owner's slip during an attack on the account raises the alarm that the attack would have raised.
            Actor::Person(_) | Actor::Stranger
                if account.is_some_and(|name| self.victims.contains(name)) => {}
            Actor::Person(_) | Actor::Stranger => {
                self.false_alarms[detector] += u64::from(self.counting);
            }
        }
    }

    fn begin(&mut self, number: usize, at: Timestamp) {
        self.tales[number].first.get_or_insert(at);
    }

    fn hurts(
        &mut self,
        who: usize,
        at: Timestamp,
        account: &Account,
        why: impl FnOnce() -> String,
    ) {
        if !self.counting {
            return;
        }
        if self.stolen.contains(account) {
            self.owners.insert((who, day(at)));
        } else if self.hurt.insert((who, day(at))) {
            *self.hurt_by.entry(why()).or_default() += 1;
        }
    }

    /// All of it, after so many days of so many people.
    pub(super) fn report(&self, user_days: u64, memory_bytes: usize) -> Report {
        let per_10k = |count: usize| count as f64 * 10_000.0 / user_days.max(1) as f64;
        Report {
            attacks: (0..ATTACKS.len())
                .map(|attack| self.attack(attack))
                .collect(),
            detectors: self.detectors(),
            benign_hurt_per_10k_day: per_10k(self.hurt.len()),
            owners_hurt_per_10k_day: per_10k(self.owners.len()),
            benign_waits_per_10k_day: per_10k(self.waited.len()),
            benign_mail_put_off_per_10k: self.arrivals_put_off as f64 * 10_000.0
                / self.arrivals.max(1) as f64,
            hurt_by: self.hurt_by.clone(),
            others: self.others.report(user_days, &self.attackers()),
            user_days,
            operations: self.operations,
            memory_bytes,
        }
    }

    /// Attackers that did anything, each with its attack.
    fn attackers(&self) -> Vec<(usize, &'static str)> {
        let tales = self.tales.iter().enumerate();
        tales
            .filter(|(_, tale)| tale.first.is_some())
            .map(|(number, tale)| (number, ATTACKS[tale.attack].name))
            .collect()
    }

    fn attack(&self, attack: usize) -> OfAttack {
        let tales: Vec<&Tale> = self
            .tales
            .iter()
            .filter(|tale| tale.attack == attack && tale.first.is_some())
            .collect();
        let share = |of: fn(&Tale) -> bool| {
            let count = tales.iter().filter(|tale| of(tale)).count();
            count as f64 / tales.len().max(1) as f64
        };
        let mut seconds: Vec<f64> = tales
            .iter()
            .filter_map(|tale| Some(tale.detected?.micros_since(tale.first?) as f64 / 1e6))
            .collect();
        seconds.sort_by(f64::total_cmp);
        let by: BTreeSet<usize> = tales
            .iter()
            .flat_map(|tale| tale.by.iter().copied())
            .collect();
        let alarms = |of: &[u64]| by.iter().map(|number| of[*number]).sum::<u64>();
        let (good, bad) = (alarms(&self.true_alarms), alarms(&self.false_alarms));
        let most = |tale: &&Tale| tale.recipients.values().copied().max().unwrap_or(0);
        let recipients: Vec<u32> = tales.iter().map(most).collect();
        OfAttack {
            name: ATTACKS[attack].name,
            attackers: tales.len(),
            recall_by_attacker: share(|tale| tale.detected.is_some() || tale.refused > 0),
            alarmed_by_attacker: share(|tale| tale.detected.is_some()),
            refused_by_attacker: share(|tale| tale.refused > 0),
            precision: good as f64 / (good + bad).max(1) as f64,
            seconds_to_detect: seconds.get(seconds.len() / 2).copied(),
            seconds_to_detect_max: seconds.last().copied(),
            recipients_before_stop: recipients.iter().copied().max().unwrap_or(0),
            recipients_before_stop_mean: f64::from(recipients.iter().sum::<u32>())
                / recipients.len().max(1) as f64,
            detectors: by.iter().map(|number| name(*number)).collect(),
        }
    }

    fn detectors(&self) -> Vec<OfDetector> {
        let counts = self.true_alarms.iter().zip(&self.false_alarms).enumerate();
        counts
            .filter(|(_, (good, bad))| **good + **bad > 0)
            .map(|(number, (good, bad))| OfDetector {
                id: name(number),
                true_alarms: *good,
                false_alarms: *bad,
            })
            .collect()
    }
}

fn name(number: usize) -> &'static str {
    DETECTORS.get(number).map_or("sum", |detector| detector.id)
}

const fn day(at: Timestamp) -> i64 {
    at.secs() / 86_400
}

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// By attack.
    pub attacks: Vec<OfAttack>,
    /// By detector, those that raised an alarm.
    pub detectors: Vec<OfDetector>,
    /// People who were refused a login with the right password, or whose mail was put off or held, of 10,000 in a day. Each counts once a
    /// day.
    pub benign_hurt_per_10k_day: f64,
    /// The same, of people whose account an attacker had been in: they must change their password. Not in the figure above; it depends
    /// on how many accounts are stolen.
    pub owners_hurt_per_10k_day: f64,
    /// People who had to wait for a login with the right password, of 10,000 in a day; fifteen seconds at most.
    pub benign_waits_per_10k_day: f64,
    /// Of 10,000 wanted messages from outside, how many were asked to come later.
    pub benign_mail_put_off_per_10k: f64,
    /// What stood against the people who were hurt.
    pub hurt_by: BTreeMap<String, u32>,
    /// What other programs' default rules would have refused of the same stream. They are only shown it, so play it with nothing acting
    /// to be fair to them.
    pub others: Vec<OfOther>,
    /// People times days that were counted.
    pub user_days: u64,
    /// Operations that were told.
    pub operations: u64,
    /// Memory held at the end.
    pub memory_bytes: usize,
}

/// What came of one attack.
#[derive(Clone, Debug, Serialize)]
pub struct OfAttack {
    /// Which.
    pub name: &'static str,
    /// Attackers that did anything.
    pub attackers: usize,
    /// Share of attackers that an alarm named, or that were refused by a decision that stood already: who comes to an account that is
    /// protected against another attacker raises no alarm of his own.
    pub recall_by_attacker: f64,
    /// Share of attackers that an alarm named.
    pub alarmed_by_attacker: f64,
    /// Share of attackers that were refused something: detected and felt.
    pub refused_by_attacker: f64,
    /// Of the alarms of all detectors that named these attackers: the share that named any attacker.
    pub precision: f64,
    /// From an attacker's first operation to the first alarm, the middle of those detected.
    pub seconds_to_detect: Option<f64>,
    /// The longest of them.
    pub seconds_to_detect_max: Option<f64>,
    /// Recipients of mail that was taken from a stolen account, of the worst.
    pub recipients_before_stop: u32,
    /// The same of each attacker's worst, on average.
    pub recipients_before_stop_mean: f64,
    /// Detectors that named them.
    pub detectors: Vec<&'static str>,
}

/// What came of one detector.
#[derive(Clone, Debug, Serialize)]
pub struct OfDetector {
    /// Which.
    pub id: &'static str,
    /// Alarms brought about by attackers.
    pub true_alarms: u64,
    /// Alarms brought about by anybody else.
    pub false_alarms: u64,
}
