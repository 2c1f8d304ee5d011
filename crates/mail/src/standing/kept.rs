//! Standing as it is kept and handed about: rows of numbers that can be added in any order.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Counts, Share, Stage, Switch};
use crate::{Domain, Timestamp};

/// One day of one outbound server of one domain. Rows of the same three add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCounts {
    /// The domain messages said they came from.
    pub domain: Domain,
    /// Its organisation.
    pub organisation: Domain,
    /// The server, a network of servers, or everything (`0.0.0.0/0`) where none is told apart.
    pub server: IpNet,
    /// Days since 1970-01-01 UTC.
    pub day: u32,
    /// The numbers, kept as a list without the zeros at its end.
    #[serde(with = "numbers")]
    pub counts: Counts,
}

mod numbers {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    use crate::Counts;

    pub(super) fn serialize<S: Serializer>(counts: &Counts, to: S) -> Result<S::Ok, S::Error> {
        let numbers = counts.numbers();
        let zeros = numbers.iter().rev().take_while(|number| **number == 0);
        numbers[..Counts::NUMBERS - zeros.count()].serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Counts, D::Error> {
        let kept = Vec::<u64>::deserialize(from)?;
        let mut numbers = [0; Counts::NUMBERS];
        if kept.len() > numbers.len() {
            return Err(D::Error::custom("more numbers than there are counts"));
        }
        numbers[..kept.len()].copy_from_slice(&kept);
        Ok(Counts::from_numbers(numbers))
    }
}

/// A key a domain signed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySeen {
    /// Whose.
    pub domain: Domain,
    /// Its selector.
    pub selector: String,
    /// Its length, when it is known.
    pub bits: Option<u32>,
    /// The first day it was seen.
    pub first_day: u32,
    /// The last day it was seen.
    pub last_day: u32,
}

/// The stage of a domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageSet {
    /// Whose.
    pub domain: Domain,
    /// Which.
    pub stage: Stage,
    /// Since when.
    pub since: Timestamp,
    /// The share as it was last worked out.
    pub share: Option<Share>,
}

/// A network that hands over many domains' signed mail without being theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwarderSeen {
    /// The network.
    pub network: IpNet,
    /// Which domains, as bits of their hashes.
    pub domains: u64,
    /// On which of the last 32 days, the last as the lowest bit.
    pub days: u32,
    /// The last of them.
    pub last_day: u32,
}

/// What came to be known since the last time somebody asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// Numbers to add.
    pub days: Vec<DayCounts>,
    /// Keys seen.
    pub keys: Vec<KeySeen>,
    /// Stages changed.
    pub switches: Vec<Switch>,
    /// Rows that did not fit.
    pub dropped: u64,
}

/// All that is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Numbers.
    pub days: Vec<DayCounts>,
    /// Keys.
    pub keys: Vec<KeySeen>,
    /// Stages.
    pub stages: Vec<StageSet>,
    /// Forwarders.
    pub forwarders: Vec<ForwarderSeen>,
}
