//! The fields of a condition that say who really sent a message. Without verification, and where DNS could not tell, they have no value.

use std::borrow::Cow;

use mail::authentication::{Authentication, Reachable, Signature};
use mail::{Facts, Known};

use super::Value;

/// One thing verification tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthField {
    Spf,
    SpfHelo,
    Dkim,
    DkimDomain,
    Dmarc,
    DmarcAsks,
    Arc,
    Signed,
    AllegedDomain,
    Organisation,
    SenderDomain,
    HeloFlaw,
    Ptr,
    ClaimsToBeOurs,
}

impl AuthField {
    /// Its values. `each` says true to stop, and so does this.
    pub(super) fn any<'f>(self, facts: &'f Facts, each: &mut dyn FnMut(Value<'f>) -> bool) -> bool {
        facts
            .authentication
            .yes()
            .is_some_and(|found| self.words(found).into_iter().map(Value::Text).any(each))
    }

    fn words(self, found: &Authentication) -> Vec<Cow<'_, str>> {
        let word = |word: &'static str| vec![Cow::Borrowed(word)];
        match self {
            Self::Spf => found
                .spf
                .iter()
                .map(|spf| spf.result.as_str().into())
                .collect(),
            Self::SpfHelo => found
                .spf_helo
                .iter()
                .map(|spf| spf.result.as_str().into())
                .collect(),
            Self::Dkim if found.signatures.is_empty() => word("none"),
            Self::Dkim => found
                .signatures
                .iter()
                .map(|signature| signature.result.as_str().into())
                .collect(),
            Self::DkimDomain => found.passing().filter_map(signer).collect(),
            Self::Dmarc => word(found.dmarc.result.as_str()),
            Self::DmarcAsks => word(found.dmarc.asked.as_str()),
            Self::Arc => word(found.arc.result.as_str()),
            Self::Signed => word(found.signed.as_str()),
            Self::AllegedDomain => names(found.alleged.domain.as_ref()),
            Self::Organisation => names(found.alleged.organisation.as_ref()),
            Self::SenderDomain => [&found.envelope_domain, &found.alleged_domain]
                .into_iter()
                .filter_map(Known::yes)
                .map(|reachable: &Reachable| reachable.as_str().into())
                .collect(),
            Self::HeloFlaw => found
                .outbound
                .helo_flaws
                .iter()
                .map(|flaw| flaw.as_str().into())
                .collect(),
            Self::Ptr => ptr(found),
            Self::ClaimsToBeOurs => found
                .claims_to_be_ours
                .iter()
                .map(|place| place.as_str().into())
                .collect(),
        }
    }
}

fn signer(signature: &Signature) -> Option<Cow<'_, str>> {
    signature
        .domain
        .as_ref()
        .map(|domain| domain.as_str().into())
}

fn names(domain: Option<&mail::Domain>) -> Vec<Cow<'_, str>> {
    domain
        .map(|domain| domain.as_str().into())
        .into_iter()
        .collect()
}

fn ptr(found: &Authentication) -> Vec<Cow<'_, str>> {
    match &found.outbound.ptr {
        Known::Yes(ptr) => {
            let mut words = vec![
                if ptr.confirmed {
                    "confirmed"
                } else {
                    "unconfirmed"
                }
                .into(),
            ];
            if ptr.generic {
                words.push("generic".into());
            }
            words
        }
        Known::Absent => vec!["none".into()],
        Known::Unavailable(_) | Known::NotAsked => Vec::new(),
    }
}
