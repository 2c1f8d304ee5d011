//! Fingerprints: has this very text, or nearly this text, been here before?
//!
//! Three of each text: exact, of runs of three words (survives padding), of single words (survives substitution); links and files are found apart. What
//! falls together is a [`Cluster`], which remembers from where and to whom it came, and what people said of it.

mod minhash;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use mail::Timestamp;
use serde::{Deserialize, Serialize};

use crate::phases::different;
use crate::view::Sight;
use crate::{Classifier, Key, Label, Lesson, Opinion, Trust};
pub use minhash::{Print, SLOTS};

/// A cluster that was quiet for so long begins anew, seconds.
pub const QUIET_SECS: i64 = 24 * 3600;
/// Clusters kept; the one that was quiet longest goes first.
const CLUSTERS_MAX: usize = 4096;
/// Slots of one kind that have to agree.
const WEAK: usize = 17;
const STRONG: usize = 24;
const SOURCE: u64 = 401;

/// How a message was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// It has a link or a file of the cluster.
    Part,
    /// Much of its text is the same.
    Weak,
    /// Nearly all of its text is the same.
    Strong,
    /// Its text is the same.
    Exact,
}

/// Messages that are the same, about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// The print of the first.
    print: Print,
    /// Links and files seen in it first.
    parts: Vec<u64>,
    /// When the first and the last one came.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many.
    pub messages: u32,
    /// Sources, as a set for counting.
    sources: u64,
    /// Labels: trusted ham and spam, reported ham and spam.
    labels: [[u32; 2]; 2],
    /// Somebody here has said what it is, and that stands.
    pub overruled: Option<Label>,
}

impl Cluster {
    /// From how many different sources it came, about.
    pub fn sources(&self) -> u32 {
        different(self.sources)
    }

    /// What is known of it, as log-odds. One trusted word for ham silences every word for spam: two letters can be alike by accident, and a label can be
    /// wrong.
    pub fn weight(&self) -> f64 {
        if let Some(label) = self.overruled {
            return if label == Label::Spam { 10.0 } else { -10.0 };
        }
        let [[ham, spam], [reported_ham, reported_spam]] = self.labels.map(|of| of.map(f64::from));
        if ham > 0.0 {
            return -(1.0 + ham).ln() - 1.0;
        }
        let reported = (1.0 + reported_spam).ln() - (1.0 + reported_ham).ln();
        reported + if spam > 0.0 { 3.0 + spam.ln() } else { 0.0 }
    }
}

/// What was known of the messages like one, before it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met {
    /// Their cluster, which it belongs to now.
    pub cluster: u32,
    /// How it is like them; `None` for the first of its kind.
    pub likeness: Option<Likeness>,
    /// How many there were.
    pub messages: u32,
    /// From how many different sources, about.
    pub sources: u32,
    /// When the first came.
    pub first: Timestamp,
    /// What trusted people said of them: labels of wanted and of unwanted mail.
    pub labels: [u32; 2],
}

/// All clusters, and where to find them.
pub struct Prints {
    key: Key,
    clusters: HashMap<u32, Cluster>,
    /// Where each number of a print leads. Kind and slot are part of the number.
    index: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
    /// Clusters in the order they were last seen, with that time; older entries of the same cluster are passed over.
    order: VecDeque<(u32, u32)>,
    next: u32,
}

impl Prints {
    /// Nothing was seen yet.
    pub fn new(key: Key) -> Self {
        Self {
            key,
            clusters: HashMap::new(),
            index: HashMap::default(),
            order: VecDeque::new(),
            next: 0,
        }
    }

    /// The cluster a message belongs to, by the strongest likeness.
    pub fn find(&self, sight: &Sight) -> Option<(Likeness, &Cluster)> {
        let print = Print::of(&self.key, &sight.text);
        let (likeness, id) = self.look_up(&print, &sight.parts)?;
        Some((likeness, self.clusters.get(&id)?))
    }

    /// Counts a message to its cluster, or founds one. What is known only by a link or file founds its own: mail of one sender shares those.
    pub fn arrive(&mut self, sight: &Sight) -> u32 {
        let print = Print::of(&self.key, &sight.text);
        let known = self.look_up(&print, &sight.parts);
        self.count(print, known, sight)
    }

    /// Counts a message to those it is like, and tells what was known of them before. What was quiet for longer than [`QUIET_SECS`] begins anew:
    /// the same text all year round is no campaign.
    pub fn meet(&mut self, print: Print, sight: &Sight) -> Met {
        let known = self.look_up(&print, &sight.parts);
        let joins = known.filter(|(likeness, _)| *likeness >= Likeness::Weak);
        if let Some(cluster) = joins.and_then(|(_, id)| self.clusters.get_mut(&id))
            && sight.arrival.at.micros_since(cluster.last) > QUIET_SECS * 1_000_000
        {
            (cluster.messages, cluster.sources) = (0, 0);
            cluster.first = sight.arrival.at;
        }
        let before = joins.and_then(|(_, id)| self.clusters.get(&id));
        let (messages, sources, first, labels) =
            before.map_or((0, 0, sight.arrival.at, [0; 2]), |cluster| {
                (
                    cluster.messages,
                    cluster.sources(),
                    cluster.first,
                    cluster.labels[0],
                )
            });
        Met {
            cluster: self.count(print, known, sight),
            likeness: joins.map(|(likeness, _)| likeness),
            messages,
            sources,
            first,
            labels,
        }
    }

    /// Somebody said what the messages of a cluster are.
    pub fn say(&mut self, cluster: u32, lesson: Lesson) {
        let spam = usize::from(lesson.label == Label::Spam);
        let trust = usize::from(lesson.trust == Trust::Reported);
        self.label(cluster, spam, trust);
    }

    /// Forgets what was said of all of them.
    pub fn forget_labels(&mut self) {
        for cluster in self.clusters.values_mut() {
            cluster.labels = [[0; 2]; 2];
        }
    }

    /// What is known of a cluster, while it is kept.
    pub fn cluster(&self, id: u32) -> Option<&Cluster> {
        self.clusters.get(&id)
    }

    /// The key prints are made under.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    fn count(&mut self, print: Print, known: Option<(Likeness, u32)>, sight: &Sight) -> u32 {
        let id = match known {
            Some((likeness, id)) if likeness >= Likeness::Weak => id,
            _ => self.found(print, sight),
        };
        let source = 1 << (self.key.number(SOURCE, sight.arrival.source) >> 58);
        if let Some(cluster) = self.clusters.get_mut(&id) {
            cluster.messages = cluster.messages.saturating_add(1);
            cluster.last = cluster.last.max(sight.arrival.at);
            cluster.sources |= source;
            self.order.push_back((id, cluster.messages));
        }
        self.shrink();
        id
    }

    /// Says what a cluster is, whatever its labels; `None` takes that back.
    pub fn overrule(&mut self, cluster: u32, label: Option<Label>) {
        if let Some(cluster) = self.clusters.get_mut(&cluster) {
            cluster.overruled = label;
        }
    }

    /// Clusters kept.
    pub fn len(&self) -> usize {
        self.clusters.len()
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }

    fn look_up(&self, print: &Print, parts: &[u64]) -> Option<(Likeness, u32)> {
        if let Some(id) = print.exact.and_then(|exact| self.index.get(&exact)) {
            return Some((Likeness::Exact, *id));
        }
        let mut best: Option<(Likeness, u32)> = None;
        for slots in [&print.runs, &print.words] {
            let mut ids: Vec<u32> = slots
                .iter()
                .filter_map(|slot| self.index.get(slot))
                .copied()
                .collect();
            ids.sort_unstable();
            let votes = ids
                .chunk_by(|one, other| one == other)
                .map(|same| (same[0], same.len()));
            // Of clusters with as many votes the older one, so that the same messages always fall together.
            let most = votes.max_by_key(|(id, votes)| (*votes, std::cmp::Reverse(*id)));
            let likeness = match most {
                Some((_, STRONG..)) => Likeness::Strong,
                Some((_, WEAK..)) => Likeness::Weak,
                _ => continue,
            };
            best = best.max(most.map(|(id, _)| (likeness, id)));
        }
        best.or_else(|| {
            let id = parts.iter().find_map(|part| self.index.get(part))?;
            Some((Likeness::Part, *id))
        })
    }

    fn found(&mut self, print: Print, sight: &Sight) -> u32 {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        for number in print.numbers().chain(sight.parts.iter().copied()) {
            self.index.entry(number).or_insert(id);
        }
        let cluster = Cluster {
            print,
            parts: sight.parts.clone(),
            first: sight.arrival.at,
            last: sight.arrival.at,
            messages: 0,
            sources: 0,
            labels: [[0; 2]; 2],
            overruled: None,
        };
        self.clusters.insert(id, cluster);
        id
    }

    /// Lets go of the clusters that were quiet longest.
    fn shrink(&mut self) {
        while self.clusters.len() > CLUSTERS_MAX || self.order.len() > 8 * CLUSTERS_MAX {
            let Some((id, messages)) = self.order.pop_front() else {
                return;
            };
            // Not its latest message: it stands further back in the order too.
            if self
                .clusters
                .get(&id)
                .is_none_or(|cluster| cluster.messages != messages)
            {
                continue;
            }
            if self.clusters.len() <= CLUSTERS_MAX {
                self.order.push_back((id, messages));
                continue;
            }
            let Some(gone) = self.clusters.remove(&id) else {
                continue;
            };
            for number in gone.print.numbers().chain(gone.parts) {
                if self.index.get(&number) == Some(&id) {
                    self.index.remove(&number);
                }
            }
        }
    }

    fn label(&mut self, cluster: u32, spam: usize, trust: usize) {
        if let Some(cluster) = self.clusters.get_mut(&cluster) {
            let count = &mut cluster.labels[trust][spam];
            *count = count.saturating_add(1);
        }
    }
}

/// Numbers of prints are hashes under a secret already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The map takes its place from the low bits; under multiply-shift the high ones are better.
        self.0 = number ^ number.rotate_right(32);
    }
}

impl Classifier for Prints {
    fn classify(&mut self, sight: &Sight) -> Opinion {
        let print = Print::of(&self.key, &sight.text);
        let known = self.look_up(&print, &sight.parts);
        let weight = known.map_or(0.0, |(likeness, id)| {
            let weight = self.clusters.get(&id).map_or(0.0, Cluster::weight);
            match likeness {
                Likeness::Part => weight / 4.0,
                Likeness::Weak => weight / 2.0,
                Likeness::Strong | Likeness::Exact => weight,
            }
        });
        self.count(print, known, sight);
        Opinion::of(weight)
    }

    fn learn(&mut self, sight: &Sight, lesson: Lesson) {
        let print = Print::of(&self.key, &sight.text);
        let Some((likeness, cluster)) = self.look_up(&print, &sight.parts) else {
            return;
        };
        if likeness == Likeness::Part {
            return;
        }
        let (spam, trust) = (
            usize::from(lesson.label == Label::Spam),
            usize::from(lesson.trust == Trust::Reported),
        );
        self.label(cluster, spam, trust);
    }
}
