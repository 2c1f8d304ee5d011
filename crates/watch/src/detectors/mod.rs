//! Detectors: each watches for one kind of dangerous behaviour, and says what it saw.
//!
//! A [`Detector`] is data and one function. It has an id, what a finding of it means, why its default thresholds are what they
//! are, and what is done about a finding unless the site says otherwise. The function looks at one operation and at the
//! ledger after it (`Sight`); it decides nothing and remembers nothing. [`DETECTORS`] is the catalogue; the table in
//! `docs/watching.md` is made from it.

use mail::{Operation, RecordId};
use serde::{Deserialize, Serialize};

use crate::ledger::account::Account;
use crate::ledger::keys::Marks;
use crate::ledger::source::{Pair, Source};
use crate::ledger::{Before, Familiar, Ledger};
use crate::response::Step;

// Passwords.
mod guessing;
mod hit;
mod lists;

// Sessions that come to nothing.
mod protocol;

// What speaks against a login that succeeded.
mod context;

// What is done with a stolen account.
mod mailbox;
mod outbound;

// Strangers' mail.
mod inbound;

#[cfg(test)]
mod tests;

/// One detector.
pub struct Detector {
    /// As it is named in settings, records and documents.
    pub id: &'static str,
    /// What it means when it sees something.
    pub meaning: &'static str,
    /// Does a finding only add weight to others, and never do anything by itself?
    pub only_weight: bool,
    /// Does it not look at all until somebody names it in the settings?
    pub when_named: bool,
    /// Its thresholds.
    pub knobs: &'static [Knob],
    /// What is done when a finding is strong enough, unless the site says otherwise.
    pub steps: &'static [Step],
    pub(crate) looks: fn(&Sight<'_>) -> Option<Finding>,
}

/// One threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knob {
    /// As it is named in settings.
    pub name: &'static str,
    /// Where it stands unless the site says otherwise.
    pub default: f64,
    /// Where it may stand, from and to.
    pub allowed: (f64, f64),
    /// Does it stand lower while the whole site is being attacked (`Settings::attack_factor`)?
    pub falls: bool,
    /// Why it stands there.
    pub why: &'static str,
}

/// Everything there is, in the order of the catalogue.
pub const DETECTORS: &[&Detector] = &[
    &guessing::PAIR,
    &guessing::SOURCE,
    &guessing::ACCOUNT,
    &lists::STUFFING,
    &lists::SPRAY,
    &guessing::SLOW,
    &lists::UNKNOWN,
    &guessing::STALE_SECRET,
    &hit::HIT,
    &context::BREACHED,
    &protocol::CLEARTEXT,
    &protocol::LOITERING,
    &context::MASTER,
    &context::NEW_SOURCE,
    &context::NEW_PROGRAM,
    &context::NEW_COUNTRY,
    &context::TRAVEL,
    &context::MANY_SOURCES,
    &context::DORMANT,
    &context::NEW_PROTOCOL,
    &context::UNLIKELY,
    &context::HIDDEN,
    &context::HOUR,
    &mailbox::BULK,
    &mailbox::POP_DRAIN,
    &mailbox::ENUMERATION,
    &mailbox::SEARCH,
    &mailbox::MASS_DELETE,
    &mailbox::APPEND_FLOOD,
    &mailbox::RULE_FORWARD,
    &mailbox::RULE_HIDE,
    &outbound::VOLUME,
    &outbound::SURGE,
    &outbound::FANOUT,
    &outbound::BAD_RECIPIENTS,
    &outbound::BOUNCE_RATIO,
    &outbound::MANY_SENDERS,
    &outbound::CALLED_SPAM,
    &outbound::CLONE,
    &outbound::NULL_SENDER,
    &outbound::COMPLAINTS,
    &outbound::PROGRAM,
    &inbound::HARVEST,
    &inbound::BOMB,
    &inbound::LIST_BOMB,
    &inbound::BACKSCATTER,
    &inbound::FLOOD,
    &inbound::MANY_SENDERS,
    &inbound::RELAY,
    &protocol::MALFORMED,
    &protocol::FOREIGN,
    &protocol::EARLY,
    &protocol::HASTY,
];

/// The number of a detector in [`DETECTORS`].
pub fn number_of(id: &str) -> Option<usize> {
    DETECTORS.iter().position(|detector| detector.id == id)
}

/// What a finding is about: what is not told twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// The operation's source.
    Source,
    /// Its account.
    Account,
    /// This account as this source asks for it.
    Pair,
    /// The mailbox written to.
    Mailbox,
}

/// What a detector saw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub about: About,
    /// How sure, 0 to 1.
    pub score: f32,
    /// Sure enough to do something?
    pub acts: bool,
    /// What was counted, by name.
    pub values: Vec<(&'static str, f64)>,
    pub evidence: Vec<RecordId>,
}

/// What a detector may look at: the operation, how things stood before, the ledger after it, its own thresholds.
pub(crate) struct Sight<'a> {
    pub operation: &'a Operation,
    pub marks: &'a Marks,
    pub before: &'a Before,
    pub ledger: &'a Ledger,
    pub detector: &'a Detector,
    pub values: &'a [f64],
}

impl<'a> Sight<'a> {
    /// Where a threshold stands.
    pub(crate) fn knob(&self, name: &str) -> f64 {
        let knobs = self.detector.knobs.iter().zip(self.values);
        // A name that is no knob of this detector is a slip of ours, which `tests::every_knob_is_asked_for` finds; never
        // reached is then the harmless side.
        knobs
            .filter(|(knob, _)| knob.name == name)
            .map(|(_, value)| *value)
            .next()
            .unwrap_or(f64::INFINITY)
    }

    /// Has a count reached a threshold?
    pub(crate) fn reaches(&self, count: u32, knob: &str) -> bool {
        f64::from(count) >= self.knob(knob)
    }

    pub(crate) fn source(&self) -> Option<&'a Source> {
        self.ledger.sources.get(self.marks.source?)
    }

    pub(crate) fn network(&self) -> Option<&'a Source> {
        self.ledger.networks.get(self.marks.network?)
    }

    pub(crate) fn account(&self) -> Option<&'a Account> {
        self.ledger.accounts.get(self.marks.account?)
    }

    pub(crate) fn pair(&self) -> Option<&'a Pair> {
        self.ledger.pairs.get(self.marks.pair?)
    }

    /// Is the account not at home where this comes from?
    pub(crate) fn is_strange(&self) -> bool {
        !self.before.settled
    }

    /// Neither a network nor a program that the account was used from before?
    pub(crate) fn is_unknown(&self) -> bool {
        self.before.familiar < Familiar::Known
    }
}

/// A finding that does something.
pub(crate) fn acting(
    about: About,
    score: f32,
    values: Vec<(&'static str, f64)>,
    evidence: &[RecordId],
) -> Finding {
    Finding {
        about,
        score,
        acts: true,
        values,
        evidence: evidence.to_vec(),
    }
}

/// A finding that is told and weighed.
pub(crate) fn telling(
    about: About,
    score: f32,
    values: Vec<(&'static str, f64)>,
    evidence: &[RecordId],
) -> Finding {
    Finding {
        acts: false,
        ..acting(about, score, values, evidence)
    }
}

const fn knob(name: &'static str, default: f64, allowed: (f64, f64), why: &'static str) -> Knob {
    Knob {
        name,
        default,
        allowed,
        falls: false,
        why,
    }
}

/// A count that stands lower while the whole site is being attacked.
const fn falling(name: &'static str, default: f64, allowed: (f64, f64), why: &'static str) -> Knob {
    Knob {
        falls: true,
        ..knob(name, default, allowed, why)
    }
}
