//! A domain's usage by outbound server (R4.32), out of what is counted for its standing.

use judge::standing::{Advice, View};
use mail::Timestamp;
use reports::Usage;
use reports::usage::ServerUsage;

/// The report about a domain over the time its standing is counted in.
pub(crate) fn usage(
    view: &View,
    advice: &[Advice],
    reporter: &str,
    (begin, end): (Timestamp, Timestamp),
) -> Usage {
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
        advice: advice.iter().map(ToString::to_string).collect(),
    }
}
