//! The grammar of SPF records (RFC 7208 §12).

use std::net::IpAddr;
use std::str::FromStr;

use mail::authentication::SpfResult;

use super::macros::DomainSpec;

/// A record, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub directives: Vec<Directive>,
    pub redirect: Option<DomainSpec>,
    pub explanation: Option<DomainSpec>,
}

/// A mechanism and what it means when it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub result: SpfResult,
    pub mechanism: Mechanism,
    pub written: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(DomainSpec),
    A(Option<DomainSpec>, Networks),
    Mx(Option<DomainSpec>, Networks),
    Ptr(Option<DomainSpec>),
    Ip(Network),
    Exists(DomainSpec),
}

/// Prefix lengths of `a` and `mx` for both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Networks {
    v4: u8,
    v6: u8,
}

impl Networks {
    /// The network of an address.
    pub(super) const fn around(self, ip: IpAddr) -> Network {
        let length = if ip.is_ipv4() { self.v4 } else { self.v6 };
        Network { ip, length }
    }
}

/// All addresses with the same beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    ip: IpAddr,
    length: u8,
}

impl Network {
    pub(super) fn contains(&self, ip: &IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing
                    .checked_shr(32 - u32::from(self.length))
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing
                    .checked_shr(128 - u32::from(self.length))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

/// What is wrong with a record, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{term:?} {why}")]
pub struct SyntaxError {
    term: String,
    why: &'static str,
}

type Reading<T> = Result<T, &'static str>;

/// Is this text an SPF record (RFC 7208 §4.5)?
pub(super) fn is_spf(text: &[u8]) -> bool {
    let Some((version, rest)) = text.split_at_checked(VERSION.len()) else {
        return false;
    };
    version.eq_ignore_ascii_case(VERSION) && (rest.is_empty() || rest[0] == b' ')
}

const VERSION: &[u8] = b"v=spf1";

/// Is this text an SPF record without a mistake? `None` when it is no SPF record at all.
pub fn check_syntax(text: &[u8]) -> Option<Result<(), SyntaxError>> {
    is_spf(text).then(|| Record::read(text).map(drop))
}

impl Record {
    /// Reads a text that starts with the version. A mistake anywhere spoils the whole record (RFC 7208 §4.6).
    pub(super) fn read(text: &[u8]) -> Result<Self, SyntaxError> {
        let whole = SyntaxError {
            term: "the record".to_owned(),
            why: "holds characters that are not ASCII",
        };
        let text = std::str::from_utf8(text)
            .ok()
            .filter(|text| text.is_ascii())
            .ok_or(whole)?;
        let mut record = Self {
            directives: Vec::new(),
            redirect: None,
            explanation: None,
        };
        for term in text[VERSION.len()..]
            .split(' ')
            .filter(|term| !term.is_empty())
        {
            let error = |why| SyntaxError {
                term: term.chars().take(80).collect(),
                why,
            };
            record.add(term).map_err(error)?;
        }
        Ok(record)
    }

    fn add(&mut self, term: &str) -> Reading<()> {
        if let Some((name, value)) = modifier(term) {
            let slot = match name.to_ascii_lowercase().as_str() {
                "redirect" => &mut self.redirect,
                "exp" => &mut self.explanation,
                // RFC 7208 §6: unknown modifiers are ignored, but must be well-formed.
                _ => return DomainSpec::read_explanation(value).map(drop),
            };
            if slot.is_some() {
                return Err("stands twice");
            }
            *slot = Some(DomainSpec::read(value)?);
            return Ok(());
        }
        let (result, rest) = qualified(term);
        let mechanism = mechanism(rest)?;
        self.directives.push(Directive {
            result,
            mechanism,
            written: term.to_owned(),
        });
        Ok(())
    }
}

/// `name "=" macro-string`, where no `:` or `/` comes first.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    named.then_some((name, value))
}

fn qualified(term: &str) -> (SpfResult, &str) {
    let result = match term.as_bytes().first() {
        Some(b'+') => SpfResult::Pass,
        Some(b'-') => SpfResult::Fail,
        Some(b'~') => SpfResult::SoftFail,
        Some(b'?') => SpfResult::Neutral,
        _ => return (SpfResult::Pass, term),
    };
    (result, &term[1..])
}

fn mechanism(term: &str) -> Reading<Mechanism> {
    let end = term.find([':', '/']).unwrap_or(term.len());
    let (name, argument) = term.split_at(end);
    match name.to_ascii_lowercase().as_str() {
        "all" if argument.is_empty() => Ok(Mechanism::All),
        "all" => Err("takes no argument"),
        "include" => Ok(Mechanism::Include(required_spec(argument)?)),
        "exists" => Ok(Mechanism::Exists(required_spec(argument)?)),
        "ptr" if argument.is_empty() => Ok(Mechanism::Ptr(None)),
        "ptr" => Ok(Mechanism::Ptr(Some(required_spec(argument)?))),
        "a" => optional_spec(argument).map(|(spec, networks)| Mechanism::A(spec, networks)),
        "mx" => optional_spec(argument).map(|(spec, networks)| Mechanism::Mx(spec, networks)),
        "ip4" => network(argument, 32).map(Mechanism::Ip),
        "ip6" => network(argument, 128).map(Mechanism::Ip),
        _ => Err("is no known mechanism"),
    }
}

fn required_spec(argument: &str) -> Reading<DomainSpec> {
    DomainSpec::read(argument.strip_prefix(':').ok_or("needs a domain")?)
}

/// `[ ":" domain-spec ] [ dual-cidr-length ]`
fn optional_spec(argument: &str) -> Reading<(Option<DomainSpec>, Networks)> {
    let cidr_start = DomainSpec::end_before_cidr(argument);
    let (spec, cidr) = argument.split_at(cidr_start);
    let spec = if spec.is_empty() {
        None
    } else {
        Some(required_spec(spec)?)
    };
    Ok((spec, networks(cidr)?))
}

/// `[ "/" ip4-length ] [ "//" ip6-length ]`
fn networks(cidr: &str) -> Reading<Networks> {
    let (v4, v6) = match cidr.find("//") {
        Some(at) => (&cidr[..at], Some(&cidr[at + 2..])),
        None => (cidr, None),
    };
    let v4 = match v4.strip_prefix('/') {
        Some(length) => prefix_length(length, 32)?,
        None if v4.is_empty() => 32,
        None => return Err("has a malformed prefix length"),
    };
    let v6 = v6.map_or(Ok(128), |length| prefix_length(length, 128))?;
    Ok(Networks { v4, v6 })
}

/// `"0" / %x31-39 0*2DIGIT`
fn prefix_length(text: &str, max: u8) -> Reading<u8> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let length = if plain { text.parse().ok() } else { None };
    length
        .filter(|length| *length <= max)
        .ok_or("has a malformed prefix length")
}

fn network(argument: &str, bits: u8) -> Reading<Network> {
    let text = argument.strip_prefix(':').ok_or("needs an address")?;
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, prefix_length(length, bits)?),
        None => (text, bits),
    };
    let ip = IpAddr::from_str(address)
        .ok()
        .filter(|ip| ip.is_ipv4() == (bits == 32));
    let ip = ip.ok_or("has a malformed address")?;
    Ok(Network { ip, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(record: &str) -> Option<String> {
        Record::read(record.as_bytes())
            .err()
            .map(|why| why.to_string())
    }

    #[test]
    fn records_by_their_grammar() {
        for good in [
            "v=spf1",
            "v=spf1 -all",
            "v=spf1 a/24//64 mx:example.org//96 ?ptr ~exists:%{ir}.example.org all",
            "v=spf1 ip4:192.0.2.1/0 ip6:2001:db8::/32 A:EXAMPLE.org redirect=_spf.%{d2}",
            "v=spf1 exp=e.example.org moo=%{d}",
        ] {
            assert_eq!(wrong(good), None, "{good}");
        }
        for bad in [
            "v=spf1 -all:x",
            "v=spf1 a/33",
            "v=spf1 a/",
            "v=spf1 a/024",
            "v=spf1 a//129",
            "v=spf1 include",
            "v=spf1 ip4:1.2.3",
            "v=spf1 ip4:::1",
            "v=spf1 moo",
            "v=spf1 redirect=a.b redirect=a.b",
            "v=spf1 a:%",
            "v=spf1 exists:%{z}.a.b",
            "v=spf1 é",
            "v=spf1 --all",
            "v=spf1 a:museum",
            "v=spf1 a:1.2.3.4",
            "v=spf1 ptr:a.b/24",
        ] {
            assert!(wrong(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network: &str, bits, ip: &str| {
            super::network(network, bits)
                .expect("a network")
                .contains(&ip.parse().expect("an address"))
        };
        assert!(holds(":192.0.2.0/24", 32, "192.0.2.255"));
        assert!(!holds(":192.0.2.0/24", 32, "192.0.3.0"));
        assert!(holds(":192.0.2.0/0", 32, "8.8.8.8"));
        assert!(!holds(":192.0.2.0/0", 32, "::1"));
        assert!(holds(":2001:db8::/33", 128, "2001:db8:7fff::"));
        assert!(!holds(":2001:db8::/33", 128, "2001:db8:8000::"));
        assert!(holds(":::/0", 128, "2001:db8:8000::"));
    }
}
