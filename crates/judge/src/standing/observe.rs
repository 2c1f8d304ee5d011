//! One message, as it is counted for the domain it says it comes from.

use std::net::IpAddr;

use ipnet::IpNet;
use mail::authentication::{
    Alignment, ArcResult, Authentication, DmarcResult, Scheme, SignatureResult, Signed, SpfResult,
};
use mail::standing::{Counts, Handling, Ruling, day_of, network_of};
use mail::{Domain, Facts, Known, Timestamp};

/// Keys of one message that are counted.
const KEYS_MAX: usize = 4;
/// Longest selector kept, characters.
const SELECTOR_CHARS_MAX: usize = 64;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When it came.
    pub at: Timestamp,
    /// The domain it says it comes from.
    pub domain: Domain,
    /// That domain's organisation.
    pub organisation: Domain,
    /// The outbound server: the last hop before ours.
    pub server: Option<IpAddr>,
    /// Each number 0 or 1.
    pub counts: Counts,
    /// Selectors and lengths of the domain's own keys that it was signed with.
    pub keys: Vec<(String, Option<u32>)>,
}

impl Observation {
    /// As the facts and the ruling tell; `handled` is what became of it. `None` when it does not say it comes from one domain.
    pub fn of(facts: &Facts, ruling: &Ruling, suspect: bool, handled: Handling) -> Option<Self> {
        let mut seen = match &facts.authentication {
            Known::Yes(authentication) => Self::authenticated(facts, authentication)?,
            Known::Absent | Known::Unavailable(_) | Known::NotAsked => Self::unknown(facts)?,
        };
        let counts = &mut seen.counts;
        counts.suspect = u64::from(suspect);
        counts.forged = u64::from(ruling.source.is_forged() && counts.authentic == 0);
        match handled {
            Handling::Forward => counts.delivered = 1,
            Handling::Redirect => counts.redirected = 1,
            Handling::Block => counts.blocked = 1,
        }
        Some(seen)
    }

    fn authenticated(facts: &Facts, found: &Authentication) -> Option<Self> {
        let domain = found.alleged.domain.clone()?;
        let organisation = found.alleged.organisation.clone();
        let organisation = organisation.unwrap_or_else(|| domain.clone());
        let mut counts = Counts {
            total: 1,
            ..Counts::default()
        };
        match found.signed {
            Signed::Authentic => counts.authentic = 1,
            Signed::Unsigned => counts.unsigned = 1,
            Signed::Unauthentic => counts.unauthentic = 1,
            Signed::Unknown => counts.unknown = 1,
        }
        let passes = |scheme| found.passing().any(|one| one.scheme == scheme);
        counts.dkim_pass = u64::from(passes(Scheme::Dkim));
        counts.domainkeys_pass = u64::from(passes(Scheme::DomainKeys));
        counts.spf_pass = u64::from(found.dmarc.spf > Alignment::None);
        counts.spf_fail = u64::from(spf_forbids(found, &organisation));
        counts.dmarc_pass = u64::from(found.dmarc.result == DmarcResult::Pass);
        counts.dmarc_fail = u64::from(found.dmarc.result == DmarcResult::Fail);
        counts.arc_pass = u64::from(found.arc.result == ArcResult::Pass);
        counts.vouched = u64::from(counts.spf_pass == 1 || named_by(found, &organisation));
        let own = found.signatures.iter().filter(|signature| {
            signature.result == SignatureResult::Pass && signature.alignment > Alignment::None
        });
        let keys = own.filter_map(|signature| {
            let selector = signature.selector.as_ref()?;
            let selector = selector.chars().take(SELECTOR_CHARS_MAX).collect();
            Some((selector, signature.key_bits))
        });
        Some(Self {
            at: facts.envelope.received_at,
            domain,
            organisation,
            server: found.outbound.ip,
            counts,
            keys: keys.take(KEYS_MAX).collect(),
        })
    }

    /// Nothing could be looked up; the message alone says who it is from.
    fn unknown(facts: &Facts) -> Option<Self> {
        let [from] = facts.message.header_from.as_slice() else {
            return None;
        };
        let domain = from.address.as_ref()?.domain()?;
        Some(Self {
            at: facts.envelope.received_at,
            organisation: domain.registered(),
            domain,
            server: facts.envelope.peer.ip,
            counts: Counts {
                total: 1,
                unknown: 1,
                ..Counts::default()
            },
            keys: Vec::new(),
        })
    }

    pub(super) fn day(&self) -> u32 {
        day_of(self.at)
    }

    /// The server as the key of its counts.
    pub(super) fn machine(&self) -> IpNet {
        self.server
            .map_or_else(anywhere, |ip| IpNet::from(ip.to_canonical()))
    }

    pub(super) fn network(&self) -> IpNet {
        self.server.map_or_else(anywhere, network_of)
    }

    /// Signed and authentic, by a server that the domain does not vouch for: somebody hands it on.
    pub(super) const fn is_handed_on(&self) -> bool {
        self.counts.authentic == 1 && self.counts.vouched == 0 && self.server.is_some()
    }
}

/// Servers that are not told apart.
pub(super) fn anywhere() -> IpNet {
    IpNet::V4(ipnet::Ipv4Net::default())
}

/// The envelope sender is of the organisation, and its domain says that this server may not send.
pub(super) fn spf_forbids(found: &Authentication, organisation: &Domain) -> bool {
    found.spf.as_ref().is_some_and(|spf| {
        matches!(spf.result, SpfResult::Fail | SpfResult::SoftFail)
            && spf
                .domain
                .as_ref()
                .is_some_and(|domain| domain.is_within(organisation))
    })
}

/// The server has a name of the organisation, and the name points back.
pub(super) fn named_by(found: &Authentication, organisation: &Domain) -> bool {
    found.outbound.ptr.yes().is_some_and(|ptr| {
        ptr.confirmed && Domain::parse(&ptr.name).is_ok_and(|name| name.is_within(organisation))
    })
}
