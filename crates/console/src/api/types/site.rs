//! What there was, and how the nodes are.

use engine::{DoorState, Presence};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{NamedOut, time};

/// How far back.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct HoursIn {
    /// 1 to 2,160; 24 when absent.
    pub hours: Option<u32>,
}

/// What there was.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct OverviewOut {
    /// Since when.
    pub since: String,
    /// Messages by fate.
    pub fates: std::collections::BTreeMap<&'static str, u64>,
    /// Messages by level.
    pub levels: std::collections::BTreeMap<&'static str, u64>,
    /// The most frequent reasons.
    pub reasons: Vec<NamedOut>,
    /// Who sent most.
    pub senders: Vec<NamedOut>,
    /// Who got most.
    pub recipients: Vec<NamedOut>,
    /// Machines that handed over most.
    pub machines: Vec<NamedOut>,
    /// Messages held now.
    pub held: u64,
    /// Their bytes.
    pub held_bytes: u64,
    /// Reasons that tell of mail bombs.
    pub bombs: Vec<NamedOut>,
    /// The policy version in force.
    pub policy_version: i64,
    /// Nodes that live.
    pub nodes: Vec<NodeOut>,
}

/// One node of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct NodeOut {
    /// Its name.
    pub name: String,
    /// When it said so.
    pub at: String,
    /// The policy version it judges by.
    pub policy_version: i64,
    /// Where mail servers and their helpers ask it.
    pub doors: Vec<DoorOut>,
}

impl From<&(String, Presence)> for NodeOut {
    fn from((name, presence): &(String, Presence)) -> Self {
        let door = |door: &DoorState| DoorOut {
            name: door.name.clone(),
            last: door.last.map(time),
            stuck: door.stuck,
        };
        Self {
            name: name.clone(),
            at: time(presence.at),
            policy_version: presence.policy_version,
            doors: presence.doors.iter().map(door).collect(),
        }
    }
}

/// One door.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct DoorOut {
    /// What is spoken there, and where it is.
    pub name: String,
    /// When somebody came last, since the start.
    pub last: Option<String>,
    /// The last one who wanted to come in could not.
    pub stuck: bool,
}
