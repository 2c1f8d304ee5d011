//! A domain's usage by outbound server (R4.32), out of what is counted for its standing.

use judge::standing::View;
use mail::standing::Stage;
use mail::{Mark, Timestamp};
use reports::Usage;
use reports::usage::ServerUsage;

/// Keys shorter than this are told (RFC 8301 §3.2 asks signers for 2,048).
const KEY_BITS_WANTED: u32 = 2_048;
/// Keys shorter than this are no RSA keys: Ed25519 has 256.
const KEY_BITS_LEAST: u32 = 512;

/// The report about a domain over the window its standing is counted in.
pub(crate) fn usage(view: &View, reporter: &str, (begin, end): (Timestamp, Timestamp)) -> Usage {
    let servers = view.servers.iter().map(|server| ServerUsage {
        server: Some(server.server),
        name: None,
        mark: server.mark,
        counts: server.counts,
        selectors: Vec::new(),
    });
    Usage {
        domain: view.domain.clone(),
        reporter: reporter.to_owned(),
        begin,
        end,
        servers: servers.collect(),
        advice: advice(view),
    }
}

/// What the owner can do next, of what the counts show; the most important first.
pub(crate) fn advice(view: &View) -> Vec<String> {
    let mut advice = Vec::new();
    let unsigned: Vec<String> = view
        .servers
        .iter()
        .filter(|server| server.counts.unsigned > 0 && server.counts.forged == 0)
        .filter(|server| server.mark != Mark::NotOurs && server.weight > 0.0)
        .map(|server| server.server.addr().to_string())
        .take(5)
        .collect();
    if !unsigned.is_empty() {
        advice.push(format!(
            "These servers of the domain send mail without a signature: {}. Let them sign.",
            unsigned.join(", ")
        ));
    }
    if view.counts.unauthentic > 0 {
        advice.push(format!(
            "{} messages were signed in its name and the signature does not hold: a key in DNS that is not the one in use, a server that changes mail after signing, or forgery.",
            view.counts.unauthentic
        ));
    }
    for key in view.keys.iter().filter(|key| {
        key.bits
            .is_some_and(|bits| (KEY_BITS_LEAST..KEY_BITS_WANTED).contains(&bits))
    }) {
        let bits = key.bits.unwrap_or_default();
        advice.push(format!(
            "The key of selector {} has {bits} bits; use {KEY_BITS_WANTED} (RFC 8301).",
            key.selector
        ));
    }
    if view.counts.dmarc_pass + view.counts.dmarc_fail == 0 && view.counts.total > 0 {
        advice.push("No DMARC policy was found for it. Publish one, at first with p=none and an address for reports.".to_owned());
    }
    if view.stage == Stage::Blocking && view.counts.unsigned > 0 {
        advice.push(
            "Nearly all its mail is signed, so unsigned mail in its name is blocked here."
                .to_owned(),
        );
    }
    advice
}
