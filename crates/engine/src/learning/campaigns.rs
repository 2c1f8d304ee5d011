//! Campaigns: messages with about the same text, recognised as they come, whatever anybody has said of them.
//!
//! A node knows the campaigns of the mail that came past it. What it has of them is in memory, and made again at the start from the prints the store
//! keeps beside sights; what people said of one message is known of all like it.

use std::collections::{HashMap, VecDeque};

use learn::prints::{Likeness, Met, Print};
use learn::{Arrival, Key, Lesson, Prints, Sight};
use mail::RecordId;
use mail::learnt::Campaign;
use store::CampaignRow;

/// From so many messages on it is listed for people.
const LISTED_MIN: u32 = 5;
/// Messages whose campaign is remembered, so that a label is known of all like it.
const REMEMBERED_MAX: usize = 50_000;
/// Campaigns that have a name; beyond it those that are not kept any more are forgotten.
const NAMED_MAX: usize = 10_000;

/// The campaigns of this node.
pub(super) struct Campaigns {
    prints: Prints,
    /// By cluster.
    kin: HashMap<u32, Kin>,
    /// Which message is in which cluster, the oldest first.
    of: HashMap<RecordId, u32>,
    order: VecDeque<RecordId>,
}

/// What a cluster is called, and its messages until it is listed.
struct Kin {
    name: RecordId,
    early: Vec<RecordId>,
}

/// What a message's coming changed.
#[derive(Default)]
pub(super) struct Noted {
    /// What was known of messages like it, where there were any.
    pub(super) campaign: Option<Campaign>,
    /// What the campaign has become, where people are to see it.
    pub(super) row: Option<CampaignRow>,
    /// Messages that are of it.
    pub(super) members: Vec<(RecordId, RecordId)>,
}

impl Campaigns {
    /// Nothing came yet.
    pub(super) fn new(key: Key) -> Self {
        Self {
            prints: Prints::new(key),
            kin: HashMap::new(),
            of: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// A message comes. `print` is that of its text.
    pub(super) fn meet(&mut self, id: RecordId, print: Print, sight: &Sight) -> Noted {
        if print.exact.is_none() {
            // Everybody writes "thank you, see attachment".
            return Noted::default();
        }
        let met = self.prints.meet(print, sight);
        self.remember(id, met.cluster);
        self.forget();
        let kin = self.kin.entry(met.cluster).or_insert_with(|| Kin::of(id));
        if met.messages == 0 {
            *kin = Kin::of(id);
        }
        let mut noted = Noted {
            campaign: known(kin.name, &met, sight),
            ..Noted::default()
        };
        let messages = met.messages.saturating_add(1);
        if messages < LISTED_MIN {
            if met.messages > 0 {
                kin.early.push(id);
            }
            return noted;
        }
        let members = kin.early.drain(..).chain([id]);
        noted.members = members.map(|member| (kin.name, member)).collect();
        noted.row = Some(CampaignRow {
            name: kin.name,
            last: id,
            messages,
            sources: self
                .prints
                .cluster(met.cluster)
                .map_or(1, learn::prints::Cluster::sources),
        });
        noted
    }

    /// Was it met already?
    pub(super) fn knows(&self, id: RecordId) -> bool {
        self.of.contains_key(&id)
    }

    /// A message that came before this process began, or to another node: who took it in keeps what it is of.
    pub(super) fn met_before(&mut self, id: RecordId, print: &[u8], source: u64) {
        let Some(print) = Print::from_bytes(print) else {
            return;
        };
        let sight = Sight {
            arrival: Arrival {
                at: id.at(),
                source,
            },
            ..Sight::default()
        };
        self.meet(id, print, &sight);
    }

    /// Somebody said what a message is: it holds of all like it.
    pub(super) fn say(&mut self, record: RecordId, lesson: Lesson) {
        if let Some(cluster) = self.of.get(&record) {
            self.prints.say(*cluster, lesson);
        }
    }

    /// Forgets what was said, before it is said anew.
    pub(super) fn forget_labels(&mut self) {
        self.prints.forget_labels();
    }

    fn remember(&mut self, id: RecordId, cluster: u32) {
        if self.order.len() >= REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.of.remove(&oldest);
        }
        self.of.insert(id, cluster);
        self.order.push_back(id);
    }

    fn forget(&mut self) {
        if self.kin.len() > NAMED_MAX {
            let prints = &self.prints;
            self.kin
                .retain(|cluster, _| prints.cluster(*cluster).is_some());
        }
    }
}

impl Kin {
    fn of(first: RecordId) -> Self {
        Self {
            name: first,
            early: vec![first],
        }
    }
}

/// What was known; nothing of the first of its kind, unless something was said of its like long ago.
fn known(name: RecordId, met: &Met, sight: &Sight) -> Option<Campaign> {
    let likeness = met.likeness?;
    Some(Campaign {
        name,
        messages: met.messages,
        sources: met.sources,
        span_secs: sight.arrival.at.micros_since(met.first) / 1_000_000,
        same: likeness >= Likeness::Strong,
        labels: met.labels,
    })
}

#[cfg(test)]
mod tests {
    use mail::Timestamp;

    use super::*;

    #[test]
    fn texts_that_come_once_take_no_memory_for_ever() {
        let key = Key::new(b"test");
        let mut campaigns = Campaigns::new(key.clone());
        for number in 0..i64::try_from(NAMED_MAX).expect("a small number") + 2_000 {
            let text = format!("a{number} b{number} c{number} d{number} e{number} f{number}");
            let id = RecordId::random(Timestamp::from_secs(1_790_000_000 + number));
            campaigns.meet(id, Print::of(&key, &text), &Sight::default());
        }
        assert!(
            campaigns.kin.len() <= NAMED_MAX + 1,
            "{}",
            campaigns.kin.len()
        );
    }
}
