//! What was decided about a message, and why: level, score, action and every reason.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Address, Place};

/// How dangerous a message is. Ordered: `Ordinary < Suspicious < Dangerous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Delivered as it is.
    Ordinary,
    /// Lower danger: by default held for a person to decide.
    Suspicious,
    /// High danger: by default deleted, with a summary kept.
    Dangerous,
}

impl Level {
    /// As written in policy and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Suspicious => "suspicious",
            Self::Dangerous => "dangerous",
        }
    }
}

/// What is done with a message, for one recipient. Ordered by severity: when only one answer can be
/// given for several recipients, the order says which of two is the stronger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Deliver as it is.
    Accept,
    /// Deliver with headers that say what was found.
    Tag,
    /// Deliver to another mailbox instead.
    Redirect(Address),
    /// Ask the sending side to come back later (4xx).
    Defer,
    /// Hold, whole, until a person decides or it expires.
    Quarantine,
    /// Refuse; the sending side tells its user (5xx).
    Reject,
    /// Delete; a summary is kept.
    Discard,
}

impl Action {
    /// The word of policy and records, without the redirect's target.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Tag => "tag",
            Self::Redirect(_) => "redirect",
            Self::Defer => "defer",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
            Self::Discard => "discard",
        }
    }

    /// Does the message reach a mailbox by this action?
    pub const fn delivers(&self) -> bool {
        match self {
            Self::Accept | Self::Tag | Self::Redirect(_) => true,
            Self::Defer | Self::Quarantine | Self::Reject | Self::Discard => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redirect(target) => write!(f, "redirect to {target}"),
            other => f.write_str(other.as_str()),
        }
    }
}

/// One entry of the additive ledger that makes up a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The signal or rule, by its name in the policy.
    pub name: String,
    /// What it adds to the score; 0 when it acts otherwise.
    pub score: f64,
    /// In plain words, what it means.
    pub text: String,
    /// What was found, quoted or counted.
    pub evidence: Vec<Evidence>,
    /// Set when the rule does not add up but decides: the level or action it demands.
    pub demands: Option<Demand>,
}

/// What a rule may demand regardless of the score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// At least this level.
    Level(Level),
    /// This action.
    Action(Action),
}

/// What a reason rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Where it stands, when it is text of the message.
    pub place: Option<Place>,
    /// What was found or counted, without the message's own words around it.
    pub text: String,
    /// The words around it. Taken off what is recorded of mail that is not held: a summary holds no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Set when it holds because of an entry of a list of the policy: which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<ListEntryRef>,
}

/// An entry of a list of the policy, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEntryRef {
    /// The list's name.
    pub list: String,
    /// The entry's value.
    pub value: String,
}

impl Evidence {
    /// A count or a fact.
    pub const fn of(text: String) -> Self {
        Self {
            place: None,
            text,
            quote: None,
            entry: None,
        }
    }
}

/// The outcome for one recipient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// For whom.
    pub recipient: Address,
    /// The score that counts for this recipient (rules may be for some recipients only).
    pub score: f64,
    /// The level it falls into.
    pub level: Level,
    /// What is done.
    pub action: Action,
}

/// The verdict on one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The highest level of any recipient.
    pub level: Level,
    /// The highest score of any recipient.
    pub score: f64,
    /// The strongest action of any recipient; see `outcomes` for each.
    pub action: Action,
    /// Every reason, strongest first. Never empty: an ordinary message without findings says so.
    pub reasons: Vec<Reason>,
    /// One per recipient, in envelope order.
    pub outcomes: Vec<Outcome>,
    /// The policy version it was made under.
    pub policy_version: i64,
    /// Facts that were not available when it was made.
    pub unknown: Vec<String>,
}

impl Verdict {
    /// Takes off every quotation from body or attachments.
    pub fn without_quotes(&mut self) {
        for evidence in self
            .reasons
            .iter_mut()
            .flat_map(|reason| &mut reason.evidence)
        {
            if evidence.place.as_ref().is_some_and(Place::is_body) {
                evidence.quote = None;
            }
        }
    }
}
