//! Forwarders and mailing lists: where a broken signature or a strange server has a harmless explanation (R4.38).
//!
//! None of these makes a message authentic; a block becomes a redirection. What a stranger can write himself (`List-Id`) counts only where whoever hands
//! the message over is authentic as itself.

use mail::authentication::{
    Alignment, ArcResult, Authentication, Scheme, SignatureProblem, SpfResult,
};
use mail::standing::network_of;
use mail::{Facts, Message};

use super::Standing;
use super::settings::Settings;

/// Fields of which one marks a message of a mailing list (RFC 2369, RFC 2919).
const LIST_FIELDS: [&str; 4] = ["List-Id", "List-Post", "List-Unsubscribe", "List-Help"];

/// Why the message may have come over a forwarder or a list, in words.
pub(super) fn explanation(
    facts: &Facts,
    found: &Authentication,
    standing: &Standing,
    settings: &Settings,
) -> Option<String> {
    if found.arc.result == ArcResult::Pass
        && let Some(sealer) = found.arc.sealers.iter().rev().find(|one| one.trusted)
    {
        let name = sealer.domain.as_ref();
        let name = name.map_or_else(String::new, |name| format!(" {name}"));
        return Some(format!("forwarded by{name}, which vouches for it (ARC)"));
    }
    if let Some(ip) = found.outbound.ip {
        if settings.forwarders.iter().any(|net| net.contains(&ip)) {
            return Some(format!("handed over by {ip}, a known forwarder"));
        }
        if standing.forwarders.knows(&network_of(ip)) {
            return Some(format!(
                "handed over by {ip}, whose network hands on authentic mail of many domains"
            ));
        }
    }
    let mut own = found
        .signatures
        .iter()
        .filter(|one| one.scheme == Scheme::Dkim && one.alignment > Alignment::None);
    if own.any(|one| one.problem == Some(SignatureProblem::PartialBody)) {
        return Some("signed by the domain, with text added below what was signed (l=)".to_owned());
    }
    if is_of_list(&facts.message) && is_authentic_as_itself(found) {
        return Some("sent over a mailing list, whose server is authentic as itself".to_owned());
    }
    None
}

fn is_of_list(message: &Message) -> bool {
    LIST_FIELDS
        .iter()
        .any(|field| message.header(field).is_some())
}

/// Somebody else's signature holds, or SPF passes for an envelope sender that is somebody else's.
fn is_authentic_as_itself(found: &Authentication) -> bool {
    let spf = found.spf.as_ref();
    found.passing().any(|one| one.alignment == Alignment::None)
        || spf.is_some_and(|spf| spf.result == SpfResult::Pass)
            && found.dmarc.spf == Alignment::None
}
