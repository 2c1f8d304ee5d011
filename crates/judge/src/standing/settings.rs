//! What an administrator sets about domains' standing: the policy's `[standing]`.

use std::collections::HashMap;

use ipnet::IpNet;
use mail::standing::{Handling, Stage};
use mail::{Action, Domain, Mark};
use serde::Serialize;

/// Days whose mail counts.
pub(super) const WINDOW_DAYS: u32 = 14;

/// The policy's `[standing]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Is what follows from standing done, or only reported? A policy that says nothing only reports.
    pub enforce: bool,
    /// Days whose mail counts.
    pub window_days: u32,
    /// Messages that must count before a domain's share means anything.
    pub messages_min: u64,
    /// Share from which a domain's unsigned mail is watched and then blocked, per cent.
    pub enter_percent: f64,
    /// Share below which that ends, per cent.
    pub leave_percent: f64,
    /// Days a domain is watched before it blocks.
    pub report_only_days: u32,
    /// Is what a domain asks by DMARC done besides?
    pub honour_dmarc: bool,
    /// Does SPF for the domain itself stand in for a signature?
    pub spf_is_enough: bool,
    /// What becomes of a block when a forwarder or mailing list is the likelier explanation.
    pub softened: Handling,
    /// What blocking is.
    pub block: Action,
    /// What redirecting is.
    pub redirect: Action,
    /// Networks of forwarders that are known.
    pub forwarders: Vec<IpNet>,
    /// Domains something is set for.
    pub domains: HashMap<Domain, DomainSettings>,
}

/// What is set for one domain and those below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DomainSettings {
    /// The stage it stays in, whatever its mail is like.
    pub stage: Option<Stage>,
    /// The most that is done to mail in its name.
    pub wish: Option<Handling>,
    /// What its servers are.
    pub marks: Vec<(IpNet, Mark)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enforce: false,
            window_days: WINDOW_DAYS,
            messages_min: 200,
            enter_percent: 95.0,
            leave_percent: 90.0,
            report_only_days: 7,
            honour_dmarc: true,
            spf_is_enough: true,
            softened: Handling::Redirect,
            block: Action::Reject,
            redirect: Action::Quarantine,
            forwarders: Vec::new(),
            domains: HashMap::new(),
        }
    }
}

/// What holds for a domain nothing is set for.
static NOTHING_SET: DomainSettings = DomainSettings {
    stage: None,
    wish: None,
    marks: Vec::new(),
};

impl Settings {
    /// What is set for a domain: by its own name, or by the nearest one above it.
    pub fn of(&self, domain: &Domain) -> &DomainSettings {
        if self.domains.is_empty() {
            return &NOTHING_SET;
        }
        self.section_of(domain)
            .and_then(|name| self.domains.get(&name))
            .unwrap_or(&NOTHING_SET)
    }

    /// Under which name something is set for a domain: its own, or the nearest above it.
    pub fn section_of(&self, domain: &Domain) -> Option<Domain> {
        let mut above = std::iter::successors(Some(domain.clone()), Domain::parent);
        above.find(|name| self.domains.contains_key(name))
    }
}

/// The mark of a server: that of the smallest network set that holds it.
pub(super) fn mark_of(marks: &[(IpNet, Mark)], server: &IpNet) -> Mark {
    let holding = marks.iter().filter(|(net, _)| net.contains(server));
    holding
        .max_by_key(|(net, _)| net.prefix_len())
        .map_or(Mark::Unmarked, |(_, mark)| *mark)
}
