//! What is known about mail that says to come from a domain: counts by outbound server, and what is made of them.
//!
//! [`Counts`] are the numbers of a report, of a page and of a decision; [`Ruling`] is what a domain's standing says about one message, [`Switch`] how a
//! domain came to be treated as it is. How it is counted and decided is `judge::standing`'s.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

mod kept;
mod ruling;

pub use kept::{DayCounts, Delta, ForwarderSeen, KeySeen, Snapshot, StageSet};
pub use ruling::{Handling, Ruling, Share, Source, Stage, Switch};

/// Numbers of messages that say to come from one domain, by one outbound server or by all, over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// All of them: the next four together.
    pub total: u64,
    /// Signed by the domain, and the signature fits.
    pub authentic: u64,
    /// Not signed by the domain.
    pub unsigned: u64,
    /// Signed by the domain, and the signature does not fit.
    pub unauthentic: u64,
    /// Nobody could say: DNS did not answer.
    pub unknown: u64,
    /// Looked like spam.
    pub suspect: u64,
    /// Came from a server that contradicts what the message says of itself.
    pub forged: u64,
    /// A DKIM signature of any domain fitted.
    pub dkim_pass: u64,
    /// An old DomainKeys signature fitted.
    pub domainkeys_pass: u64,
    /// SPF: the domain says that the server may send for it.
    pub spf_pass: u64,
    /// SPF: the domain says that the server may not, or probably may not.
    pub spf_fail: u64,
    /// DMARC: something authentic belongs to the visible sender.
    pub dmarc_pass: u64,
    /// DMARC: nothing does.
    pub dmarc_fail: u64,
    /// A chain of forwarders vouches for it (ARC).
    pub arc_pass: u64,
    /// The domain vouches for the server: by SPF, or by a name of its own that points back.
    pub vouched: u64,
    /// Delivered as it was.
    pub delivered: u64,
    /// Refused, discarded or held.
    pub blocked: u64,
    /// Delivered somewhere else.
    pub redirected: u64,
}

impl Counts {
    /// The share of signed and authentic mail in what is known, per cent; `None` of nothing.
    pub fn signed_percent(&self) -> Option<f64> {
        percent(self.authentic, self.total.saturating_sub(self.unknown))
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.numbers_mut().into_iter().zip(other.numbers()) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// How many numbers there are.
    pub const NUMBERS: usize = 18;

    /// All of them, in the order of the fields.
    pub const fn numbers(&self) -> [u64; Self::NUMBERS] {
        [
            self.total,
            self.authentic,
            self.unsigned,
            self.unauthentic,
            self.unknown,
            self.suspect,
            self.forged,
            self.dkim_pass,
            self.domainkeys_pass,
            self.spf_pass,
            self.spf_fail,
            self.dmarc_pass,
            self.dmarc_fail,
            self.arc_pass,
            self.vouched,
            self.delivered,
            self.blocked,
            self.redirected,
        ]
    }

    /// From numbers in the order of the fields.
    pub fn from_numbers(numbers: [u64; Self::NUMBERS]) -> Self {
        let mut counts = Self::default();
        for (mine, number) in counts.numbers_mut().into_iter().zip(numbers) {
            *mine = number;
        }
        counts
    }

    fn numbers_mut(&mut self) -> [&mut u64; Self::NUMBERS] {
        [
            &mut self.total,
            &mut self.authentic,
            &mut self.unsigned,
            &mut self.unauthentic,
            &mut self.unknown,
            &mut self.suspect,
            &mut self.forged,
            &mut self.dkim_pass,
            &mut self.domainkeys_pass,
            &mut self.spf_pass,
            &mut self.spf_fail,
            &mut self.dmarc_pass,
            &mut self.dmarc_fail,
            &mut self.arc_pass,
            &mut self.vouched,
            &mut self.delivered,
            &mut self.blocked,
            &mut self.redirected,
        ]
    }
}

/// `part` in a hundred of `whole`; `None` when there is no whole.
pub fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

/// What an administrator or a domain's owner says about an outbound server of a domain.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Nobody said anything.
    #[default]
    Unmarked,
    /// It is the domain's own.
    Own,
    /// It is somebody else's who may send for the domain.
    Authorised,
    /// It has nothing to do with the domain.
    NotOurs,
}

impl Mark {
    /// As written in policy and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unmarked => "unmarked",
            Self::Own => "own",
            Self::Authorised => "authorised",
            Self::NotOurs => "not-ours",
        }
    }
}

/// The day a time belongs to: days since 1970-01-01 UTC.
pub fn day_of(time: crate::Timestamp) -> u32 {
    u32::try_from(time.secs().div_euclid(86_400)).unwrap_or(0)
}

/// The network an outbound server is counted with: a /24 of IPv4, a /48 of IPv6. Providers move a machine's mail about within these.
pub fn network_of(server: IpAddr) -> IpNet {
    let server = server.to_canonical();
    let length = if server.is_ipv4() { 24 } else { 48 };
    // Both lengths are within the address's own.
    IpNet::new(server, length).map_or_else(|_| IpNet::from(server), |net| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_places() {
        let numbers: [u64; Counts::NUMBERS] = std::array::from_fn(|place| place as u64 + 1);
        let mut counts = Counts::from_numbers(numbers);
        assert_eq!(counts.numbers(), numbers);
        assert_eq!((counts.total, counts.redirected), (1, 18));
        counts.add(&counts.clone());
        assert_eq!(counts.dmarc_pass, 24);
    }

    #[test]
    fn the_share_of_what_is_known() {
        let counts = Counts {
            total: 120,
            authentic: 95,
            unsigned: 5,
            unknown: 20,
            ..Counts::default()
        };
        assert_eq!(counts.signed_percent(), Some(95.0));
        assert_eq!(Counts::default().signed_percent(), None);
    }

    #[test]
    fn networks() {
        let net = |text: &str| network_of(text.parse().expect("an address")).to_string();
        assert_eq!(net("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(net("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(net("2001:db8:1:2::3"), "2001:db8:1::/48");
    }
}
