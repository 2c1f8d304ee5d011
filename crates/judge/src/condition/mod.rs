//! Conditions: a typed tree that a form can edit, a checker can check and a machine can run in nanoseconds.

use std::net::IpAddr;

use ipnet::IpNet;
use regex::Regex;

use crate::scan::Places;
use crate::wildcard::Wildcard;

mod authenticity;
pub(crate) mod eval;
pub(crate) mod field;
pub(crate) mod read;

pub(crate) use eval::Scope;
pub(crate) use field::Field;

/// What a rule asks.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// Every one holds.
    All(Vec<Self>),
    /// At least one holds.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// At least `count` of them hold.
    AtLeast { count: usize, of: Vec<Self> },
    /// A field of envelope or message.
    Field { field: Field, test: Test },
    /// The weights of a keyword set's hits add up to more than `over`.
    Keywords { set: String, over: f64 },
    /// A term or pattern was found, at least `times` times, in one of these places.
    Found {
        set: String,
        term: String,
        places: Places,
        times: u32,
    },
    /// All terms were found within so many words of each other, in one place.
    Near {
        terms: Vec<String>,
        within: u32,
        places: Places,
    },
    /// A count in a sliding window.
    Window {
        key: KeyKind,
        count: Count,
        span_secs: u32,
        over: u32,
    },
    /// A built-in signal is seen.
    Signal(&'static str),
    /// A stranger wants us to relay.
    RelayAttempt,
    /// The sender stands in a list of senders, and what the entry is bound to is there.
    SenderIn(String),
    /// A rule of SpamAssassin that the policy carries hit.
    Imported(String),
    /// The points of all of them that hit add up to more.
    ImportedOver(f64),
}

/// Whose window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Peer,
    Sender,
    Recipient,
}

/// What a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Messages,
    Kibibytes,
    Recipients,
    DistinctPeers,
    DistinctSenders,
}

/// What is asked of a field's values; one of them must pass.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// Equal, case ignored.
    Is(Vec<String>),
    /// Fits a wildcard.
    Wildcard(Vec<Wildcard>),
    /// A regular expression matches, case ignored.
    Regex(Regex),
    /// Stands in a list of the policy.
    InList(String),
    /// Lies in a network.
    InNetwork(Vec<IpNet>),
    /// There is a value that is not empty (or, for false, there is none).
    Exists(bool),
    /// More than.
    Over(f64),
    /// Less than.
    Under(f64),
}

/// A field's value.
pub(crate) enum Value<'f> {
    Text(std::borrow::Cow<'f, str>),
    Ip(IpAddr),
    Number(f64),
}

impl Condition {
    /// Calls `visit` on this condition and all below.
    pub(crate) fn walk<'c>(&'c self, visit: &mut impl FnMut(&'c Self)) {
        visit(self);
        match self {
            Self::All(of) | Self::Any(of) | Self::AtLeast { of, .. } => {
                of.iter().for_each(|one| one.walk(visit));
            }
            Self::Not(one) => one.walk(visit),
            Self::Field { .. }
            | Self::Keywords { .. }
            | Self::Found { .. }
            | Self::Near { .. }
            | Self::Window { .. }
            | Self::Signal(_)
            | Self::RelayAttempt
            | Self::SenderIn(_)
            | Self::Imported(_)
            | Self::ImportedOver(_) => {}
        }
    }

    /// Can it be answered before the message text is there?
    pub(crate) fn needs_text(&self) -> bool {
        let mut needs = false;
        self.walk(&mut |one| match one {
            Self::Field { field, .. } => needs |= field.needs_text(),
            Self::Keywords { .. }
            | Self::Found { .. }
            | Self::Near { .. }
            | Self::Signal(_)
            | Self::SenderIn(_)
            | Self::Imported(_)
            | Self::ImportedOver(_) => {
                needs = true;
            }
            Self::All(_)
            | Self::Any(_)
            | Self::Not(_)
            | Self::AtLeast { .. }
            | Self::Window { .. }
            | Self::RelayAttempt => {}
        });
        needs
    }
}
