//! Who is never met by a decision.

use std::net::IpAddr;

use ipnet::IpNet;
use mail::operation::DeviceTag;
use mail::{Account, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Decision, Scope};

/// Entries of the list at most: it is walked for each answer.
const MOST: usize = 1000;

/// Whom an allowance covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allowed {
    /// Machines: front ends, monitoring, the office.
    Network(IpNet),
    /// An account.
    Account(Account),
    /// A client program.
    Program(DeviceTag),
}

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// Whom.
    pub whom: Allowed,
    /// Who entered it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// Until when; `None` until somebody takes it out.
    pub until: Option<Timestamp>,
}

/// The list. Loopback needs no entry: whoever is on the machine itself gets in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Allowances(Vec<Allowance>);

impl Allowances {
    /// Enters one; the oldest goes when there are too many.
    pub(crate) fn enter(&mut self, allowance: Allowance) {
        self.0.retain(|known| known.whom != allowance.whom);
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(allowance);
    }

    pub(crate) fn remove(&mut self, whom: &Allowed) -> bool {
        let before = self.0.len();
        self.0.retain(|known| known.whom != *whom);
        self.0.len() < before
    }

    pub(crate) fn all(&self) -> &[Allowance] {
        &self.0
    }

    /// Is any of these allowed?
    pub(crate) fn covers(
        &self,
        source: Option<IpAddr>,
        account: Option<&Account>,
        device: Option<DeviceTag>,
        at: Timestamp,
    ) -> bool {
        if source.is_some_and(|ip| ip.to_canonical().is_loopback()) {
            return true;
        }
        let valid = |one: &&Allowance| one.until.is_none_or(|until| at < until);
        self.0.iter().filter(valid).any(|one| match &one.whom {
            Allowed::Network(network) => {
                source.is_some_and(|ip| network.contains(&ip.to_canonical()))
            }
            Allowed::Account(name) => account == Some(name),
            Allowed::Program(tag) => device == Some(*tag),
        })
    }
}

impl Allowance {
    /// Does it end this decision?
    pub(crate) fn ends(&self, decision: &Decision) -> bool {
        match (&self.whom, &decision.scope) {
            (Allowed::Network(network), Scope::Source(ip) | Scope::Pair(ip, _)) => {
                network.contains(ip)
            }
            (Allowed::Account(name), Scope::Account(of) | Scope::Pair(_, of)) => name == of,
            (Allowed::Network(_), Scope::Account(_) | Scope::Mailbox(_))
            | (Allowed::Account(_), Scope::Source(_) | Scope::Mailbox(_))
            | (Allowed::Program(_), _) => false,
        }
    }
}
