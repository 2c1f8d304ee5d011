//! What things are counted under: short keyed hashes, so that nobody can choose two that meet, and nothing names anybody.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mail::Operation;

/// Makes keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys(u64);

/// An operation's keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The source: an IPv4 address, or the /64 of an IPv6 address, which is what one customer holds at least.
    pub source: Option<u64>,
    /// Its network: /24, /56.
    pub network: Option<u64>,
    /// Its provider's part of the world, roughly: /16, /32.
    pub wide: Option<u64>,
    /// The account.
    pub account: Option<u64>,
    /// The account as this source asks for it.
    pub pair: Option<u64>,
}

impl Keys {
    pub(crate) const fn new(secret: u64) -> Self {
        Self(secret)
    }

    /// SipHash-1-3 with the secret in front.
    pub(crate) fn of(self, thing: &impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        thing.hash(&mut hasher);
        hasher.finish()
    }

    /// A short one, for what is only compared with its like.
    pub(crate) fn short(self, thing: &impl Hash) -> u32 {
        self.of(thing) as u32
    }

    pub(crate) fn source(self, ip: IpAddr) -> u64 {
        self.of(&("source", cut(ip, 32, 64)))
    }

    pub(crate) fn network(self, ip: IpAddr) -> u64 {
        self.of(&("network", cut(ip, 24, 56)))
    }

    pub(crate) fn account(self, name: &str) -> u64 {
        self.of(&("account", name))
    }

    pub(crate) fn mailbox(self, address: &str) -> u64 {
        self.of(&("mailbox", address))
    }

    pub(crate) const fn pair(source: u64, account: u64) -> u64 {
        super::distinct::mix(source ^ account.rotate_left(17))
    }

    pub(crate) fn marks_of(self, ip: Option<IpAddr>, account: Option<&str>) -> Marks {
        let source = ip.map(|ip| self.source(ip));
        let account = account.map(|name| self.account(name));
        Marks {
            source,
            network: ip.map(|ip| self.network(ip)),
            wide: ip.map(|ip| self.of(&("wide", cut(ip, 16, 32)))),
            account,
            pair: source.zip(account).map(|(ip, name)| Self::pair(ip, name)),
        }
    }

    pub(crate) fn marks(self, operation: &Operation) -> Marks {
        let account = operation.account.as_ref();
        self.marks_of(operation.source.ip, account.map(mail::Account::as_str))
    }
}

/// The network of this many bits that an address is in. An IPv4 address in IPv6 clothes is one of IPv4.
pub(crate) fn cut(ip: IpAddr, v4_bits: u32, v6_bits: u32) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - v4_bits).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - v6_bits).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_what_one_customer_holds() {
        let keys = Keys::new(1);
        let key = |text: &str| keys.source(text.parse().expect("an address"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
        assert_ne!(key("192.0.2.7"), key("192.0.2.8"));
        let network = |text: &str| keys.network(text.parse().expect("an address"));
        assert_eq!(network("192.0.2.7"), network("192.0.2.8"));
        assert_ne!(
            Keys::new(2).source(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            key("127.0.0.1")
        );
    }
}
