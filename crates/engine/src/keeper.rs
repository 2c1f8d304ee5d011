//! Upkeep: retention, the presence of this node, numbers that are looked up rather than counted.

use mail::{Fate, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Retention, StoreError, Swept};

use crate::clock::now;
use crate::{Desk, DoorState, Engine};

/// Names of presences in the store.
const NODE: &str = "node:";
/// A node that said nothing for so long is gone, seconds.
const GONE_SECS: i64 = 30;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The policy version it judges by.
    pub policy_version: i64,
    /// When it said so.
    pub at: Timestamp,
    /// Its doors; of an older program none.
    #[serde(default)]
    pub doors: Vec<DoorState>,
    /// Can it call delivered mail back?
    #[serde(default)]
    pub recalls: bool,
}

impl Engine {
    /// Says that this node lives, and by which policy it judges.
    pub async fn say_presence(&self) -> Result<(), StoreError> {
        let presence = Presence {
            policy_version: self.policy().now().version,
            at: now(),
            doors: self.doors().states(),
            recalls: self.settings().recalls,
        };
        let name = format!("{NODE}{}", self.settings().node);
        self.store()
            .set_state(&name, &serde_json::to_string(&presence)?)
            .await
    }

    /// Retention and expiry as the policy in force says.
    pub async fn tidy(&self) -> Result<Swept, StoreError> {
        let retention = retention(&self.policy().now().policy.retention());
        let mut swept = self.store().sweep(now(), &retention).await?;
        swept.watched += crate::watching::wishes::tidy(self.store(), now()).await?;
        Ok(swept)
    }
}

impl Desk {
    /// Nodes that live, with the policy version each judges by.
    pub async fn nodes(&self) -> Result<Vec<(String, Presence)>, StoreError> {
        let mut nodes = Vec::new();
        for (name, said) in self.store().states(NODE).await? {
            let presence: Presence = serde_json::from_str(&said)?;
            if now().micros_since(presence.at) < GONE_SECS * 1_000_000 {
                nodes.push((name[NODE.len()..].to_owned(), presence));
            }
        }
        Ok(nodes)
    }
}

/// The policy's days in the store's words.
fn retention(days: &judge::policy::Retention) -> Retention {
    Retention {
        records: vec![
            (Fate::Delivered, days.delivered_days),
            (Fate::Quarantined, days.quarantined_days),
            (Fate::Discarded, days.discarded_days),
            (Fate::Rejected, days.refused_days),
            (Fate::Deferred, days.refused_days),
            (Fate::Failed, days.refused_days),
            (Fate::Unscanned, days.refused_days),
        ],
        facts_days: days.facts_days,
        acts_days: days.acts_days,
        held_days: days.held_days,
        sights_days: days.sights_days,
    }
}
