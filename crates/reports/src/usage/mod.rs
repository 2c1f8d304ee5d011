//! The usage report of a domain: which outbound servers send as it, how much of that is signed, what is forged (R4.32).
//!
//! For the domain's owner and for an administrator. It holds numbers and machines, never a message, a sender or a recipient.

use ipnet::IpNet;
use mail::{Counts, Domain, Mark, Timestamp};
use serde::{Deserialize, Serialize};

mod csv;
mod html;

/// One report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// About whom.
    pub domain: Domain,
    /// Who counted.
    pub reporter: String,
    /// Begin of the time it covers.
    pub begin: Timestamp,
    /// End of the time it covers.
    pub end: Timestamp,
    /// By outbound server, in the order they were given.
    pub servers: Vec<ServerUsage>,
    /// What can be done, in words.
    pub advice: Vec<String>,
}

/// One outbound server: the last hop before ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerUsage {
    /// Its address, or the network of machines that are not told apart any more; `None` for all that are left.
    pub server: Option<IpNet>,
    /// Its name by reverse look-up.
    pub name: Option<String>,
    /// What the administrator or the owner says about it.
    pub mark: Mark,
    /// What it sent.
    pub counts: Counts,
    /// Selectors of the keys it signed with.
    pub selectors: Vec<String>,
}

impl Usage {
    /// All servers together.
    pub fn totals(&self) -> Counts {
        let mut totals = Counts::default();
        for server in &self.servers {
            totals.add(&server.counts);
        }
        totals
    }

    /// The report as JSON, with the percentages beside the numbers.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Written<'u> {
            #[serde(flatten)]
            usage: &'u Usage,
            totals: Counts,
            signed_percent: Option<f64>,
            signed_percent_by_server: Vec<Option<f64>>,
        }
        let totals = self.totals();
        let shares = self.servers.iter();
        let written = Written {
            usage: self,
            totals,
            signed_percent: totals.signed_percent(),
            signed_percent_by_server: shares
                .map(|server| server.counts.signed_percent())
                .collect(),
        };
        // Texts and finite numbers only: nothing in it can fail to be written.
        serde_json::to_string_pretty(&written).unwrap_or_default()
    }
}

/// What [`Counts::numbers`] are called in tables.
const COLUMNS: [&str; Counts::NUMBERS] = [
    "total",
    "signed and authentic",
    "unsigned",
    "signed but unauthentic",
    "unknown",
    "suspect",
    "forged source",
    "DKIM pass",
    "DomainKeys pass",
    "SPF pass",
    "SPF fail",
    "DMARC pass",
    "DMARC fail",
    "ARC pass",
    "vouched for",
    "delivered",
    "blocked",
    "redirected",
];

/// An address without its length when it is a single one.
fn shown(server: &ServerUsage) -> String {
    match server.server {
        None => String::new(),
        Some(net) if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
        Some(net) => net.to_string(),
    }
}

/// `95.0`, or nothing of nothing.
fn share(counts: &Counts) -> String {
    let percent = counts.signed_percent();
    percent.map_or(String::new(), |percent| format!("{percent:.1}"))
}

#[cfg(test)]
mod tests;
