//! What a domain's standing says about one message, and how a domain came to be treated as it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Domain, Timestamp};

/// What is done with a message for its domain's sake. Ordered by severity.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Handling {
    /// It goes on to its recipient, as far as its domain is concerned.
    #[default]
    Forward,
    /// It is delivered elsewhere or held.
    Redirect,
    /// It is refused.
    Block,
}

impl Handling {
    /// As written in policy and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Redirect => "redirect",
            Self::Block => "block",
        }
    }
}

/// How far a domain has come: it is counted, then watched as if it blocked, then blocks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Its mail is counted. Its signed share is too low, or not known yet.
    #[default]
    Observing,
    /// Its mail is signed; what would be blocked is counted and told, and goes on.
    ReportOnly,
    /// Unsigned mail in its name is blocked.
    Blocking,
}

impl Stage {
    /// As written in policy and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observing => "observing",
            Self::ReportOnly => "report-only",
            Self::Blocking => "blocking",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much of a domain's own mail is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Per cent of what counts.
    pub percent: f64,
    /// Messages that count: from servers that are the domain's, signed and authentic or unsigned.
    pub counted: u64,
    /// Of these, signed and authentic.
    pub authentic: u64,
    /// Messages that do not count, because nothing ties their servers to the domain.
    pub left_out: u64,
    /// Servers and networks whose mail counts.
    pub servers: u32,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} % of {} messages from {} servers of the domain signed; {} messages of other servers left out",
            self.percent, self.counted, self.servers, self.left_out
        )
    }
}

impl Share {
    /// What [`Display`](fmt::Display) writes, read again; how many were authentic stands not in it, and is worked out of the per cent.
    pub fn read(text: &str) -> Option<Self> {
        let (percent, rest) = text.split_once(" % of ")?;
        let (counted, rest) = rest.split_once(" messages from ")?;
        let (servers, rest) = rest.split_once(" servers of the domain signed; ")?;
        let left_out = rest.strip_suffix(" messages of other servers left out")?;
        let (percent, counted): (f64, u64) = (percent.parse().ok()?, counted.parse().ok()?);
        Some(Self {
            percent,
            counted,
            authentic: (counted as f64 * percent / 100.0).round() as u64,
            left_out: left_out.parse().ok()?,
            servers: servers.parse().ok()?,
        })
    }
}

/// A domain's stage changed by itself: what from, what to, and on what evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Switch {
    /// Whose.
    pub domain: Domain,
    /// When.
    pub at: Timestamp,
    /// Before.
    pub from: Stage,
    /// After.
    pub to: Stage,
    /// The numbers it rests on.
    pub share: Share,
    /// In words.
    pub why: String,
}

/// The outbound server held against what the message says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What ties the server to the domain, in words.
    pub for_it: Vec<String>,
    /// Headers that it contradicts, in words.
    pub against_it: Vec<String>,
    /// One of these holds whatever else is known: the domain itself says so.
    pub is_certain: bool,
}

impl Source {
    /// Is the server not where the message says it comes from?
    pub fn is_forged(&self) -> bool {
        !self.against_it.is_empty() && (self.is_certain || self.for_it.is_empty())
    }
}

/// What a domain's standing says about one message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ruling {
    /// The domain the message says it comes from.
    pub domain: Option<Domain>,
    /// How far that domain has come.
    pub stage: Stage,
    /// What would be done if everything were enforced.
    pub would: Handling,
    /// What of it rests on this message alone, and so does not wait until the domain blocks.
    pub at_once: Handling,
    /// What is done: `would`, or `Forward` where it is only reported.
    pub handling: Handling,
    /// Why, in words, the strongest first.
    pub why: Vec<String>,
    /// The server, looked at.
    pub source: Source,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_in_words_is_read_again() {
        let share = Share {
            percent: 99.5,
            counted: 200,
            authentic: 199,
            left_out: 3,
            servers: 2,
        };
        assert_eq!(Share::read(&share.to_string()), Some(share));
        assert_eq!(Share::read("because somebody said so"), None);
    }
}
