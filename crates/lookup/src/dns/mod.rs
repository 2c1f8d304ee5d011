//! Questions of DNS, and answers that are bounded before anybody looks at them.
//!
//! [`Resolver`] is what the rest of the crate asks, through the [`Questions`] of one message: it holds the cache
//! and the limits. Behind it stands a [`Source`]: [`Upstreams`] in service, a [`Zone`] in tests. An answer is data, also
//! when it is "there is none"; what is no answer is [`Unanswered`], with the reason, and never more than that.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

mod questions;
mod resolver;

mod breaker;
mod cache;
mod upstreams;
mod zone;

pub use questions::Questions;
pub use resolver::Resolver;
pub use upstreams::{NoUpstream, Upstreams};
pub use zone::Zone;

/// A name that can be asked for: 1 to 63 bytes a label, at most 253 in all, lower case, no final dot. Wider than
/// [`mail::Domain`]: SPF macros make names of any characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Reads a name; a final dot is dropped. `None` when it cannot stand in DNS.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_suffix('.').unwrap_or(text);
        let fits =
            bare.len() <= 253 && bare.split('.').all(|label| (1..=63).contains(&label.len()));
        fits.then(|| Self(bare.to_ascii_lowercase()))
    }

    /// The name with `label` (or several, dotted) before it.
    pub fn below(label: &str, domain: &str) -> Option<Self> {
        Self::parse(&format!("{label}.{domain}"))
    }

    /// The name whose PTR record names this address (RFC 1035 §3.5, RFC 3596 §2.5).
    pub fn reverse(ip: IpAddr) -> Self {
        let text = match ip {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(ip) => {
                let digits = format!("{:032x}", u128::from(ip));
                let reversed: Vec<String> = digits.chars().rev().map(String::from).collect();
                format!("{}.ip6.arpa", reversed.join("."))
            }
        };
        Self(text)
    }

    /// Lower case, without a final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&mail::Domain> for Name {
    fn from(domain: &mail::Domain) -> Self {
        Self(domain.as_str().to_owned())
    }
}

/// Kinds of records we ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail servers.
    Mx,
    /// Texts.
    Txt,
    /// Names of an address.
    Ptr,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Mx => "MX",
            Self::Txt => "TXT",
            Self::Ptr => "PTR",
        })
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Of which name.
    pub name: Name,
    /// Which records.
    pub kind: Kind,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A mail server; an empty host is the null MX (RFC 7505).
    Mx {
        /// Lower is tried first.
        preference: u16,
        /// Its name, lower case, without a final dot.
        host: String,
    },
    /// A text, its strings joined (RFC 7208 §3.3).
    Txt(Vec<u8>),
    /// A name of an address, lower case, without a final dot.
    Ptr(String),
}

impl Record {
    /// About how many bytes it takes.
    fn size_bytes(&self) -> usize {
        let owned = match self {
            Self::A(_) | Self::Aaaa(_) => 0,
            Self::Mx { host, .. } => host.len(),
            Self::Txt(text) => text.len(),
            Self::Ptr(name) => name.len(),
        };
        size_of::<Self>() + owned
    }
}

/// What an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Records of the kind asked for, at least one.
    Records(Vec<Record>),
    /// The name exists and has no such record.
    Nothing,
    /// There is no such name.
    NoName,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it holds.
    pub found: Found,
    /// The resolver says that it validated it with DNSSEC (AD, RFC 4035 §3.2.3).
    pub dnssec: bool,
    /// How long it may be used again.
    pub ttl: Duration,
}

impl Answer {
    /// The records; none when there are none.
    pub fn records(&self) -> &[Record] {
        match &self.found {
            Found::Records(records) => records,
            Found::Nothing | Found::NoName => &[],
        }
    }

    /// Texts among the records.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.records().iter().filter_map(|record| match record {
            Record::Txt(text) => Some(text.as_slice()),
            _ => None,
        })
    }

    /// Addresses among the records.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.records().iter().filter_map(|record| match record {
            Record::A(ip) => Some(IpAddr::V4(*ip)),
            Record::Aaaa(ip) => Some(IpAddr::V6(*ip)),
            _ => None,
        })
    }

    /// About how many bytes it takes.
    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.records().iter().map(Record::size_bytes).sum::<usize>()
    }
}

/// Why there is no answer, in words an operator can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

/// What a source says, some time.
pub type Answering<'s> = Pin<Box<dyn Future<Output = Result<Answer, Unanswered>> + Send + 's>>;

/// Where answers come from.
pub trait Source: Send + Sync {
    /// Asks. Gives up at `until` at the latest; whoever asks sees to it as well.
    fn ask<'s>(&'s self, question: &'s Question, until: Instant) -> Answering<'s>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_asked_for() {
        let read = |text: &str| Name::parse(text).map(|name| name.to_string());
        assert_eq!(read("Example.ORG.").as_deref(), Some("example.org"));
        assert_eq!(
            read("a=b+c._spf.example.org").as_deref(),
            Some("a=b+c._spf.example.org")
        );
        assert_eq!(read(""), None);
        assert_eq!(read("."), None);
        assert_eq!(read("a..b"), None);
        assert_eq!(read(&format!("{}.org", "a".repeat(64))), None);
        assert_eq!(read(&"a.".repeat(127)).map(|name| name.len()), Some(253));
        assert_eq!(read(&"a.".repeat(128)), None);
    }

    #[test]
    fn reverse_names() {
        let reverse = |ip: &str| Name::reverse(ip.parse().expect("an address")).to_string();
        assert_eq!(reverse("192.0.2.1"), "1.2.0.192.in-addr.arpa");
        assert!(reverse("2001:db8::1").starts_with("1.0.0.0.0.0."));
        assert!(reverse("2001:db8::1").ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"));
    }
}
