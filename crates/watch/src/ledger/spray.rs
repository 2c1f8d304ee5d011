//! One password tried on many accounts. In memory only.

use std::collections::HashMap;
use std::net::IpAddr;

use mail::{RecordId, Timestamp};

use super::distinct::Distinct;
use super::evidence::Evidence;
use super::window::DAY;

/// Sources remembered for each password.
const SOURCES_MAX: usize = 256;
/// Bytes a password costs at most: its accounts as an estimate, its sources, its evidence.
const SPRAY_BYTES: usize = 12_000;

/// Passwords that were tried, by their tags: at most 65,536, and as many as the budget holds.
#[derive(Clone, Default)]
pub(crate) struct Sprays {
    tried: HashMap<u16, Spray>,
    most: usize,
}

/// One password.
#[derive(Clone, Default)]
pub(crate) struct Spray {
    /// Accounts it was tried on.
    pub accounts: Distinct<DAY>,
    /// Who tried it, the last of them.
    pub sources: Vec<IpAddr>,
    pub evidence: Evidence,
    last: Timestamp,
}

impl Sprays {
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            tried: HashMap::new(),
            most: (budget / SPRAY_BYTES).clamp(16, 65_536),
        }
    }

    pub(crate) fn tried(
        &mut self,
        at: Timestamp,
        tag: u16,
        account: u32,
        source: IpAddr,
        id: RecordId,
    ) {
        if self.tried.len() >= self.most && !self.tried.contains_key(&tag) {
            // The least tried goes, the oldest of those; by tag among equals, so that every run forgets the same.
            let least = self
                .tried
                .iter()
                .map(|(tag, one)| (one.accounts.count(at), one.last, *tag))
                .min();
            if let Some((_, _, tag)) = least {
                self.tried.remove(&tag);
            }
        }
        let spray = self.tried.entry(tag).or_default();
        spray.accounts.add(at, account);
        spray.last = at;
        if !spray.sources.contains(&source) {
            if spray.sources.len() >= SOURCES_MAX {
                spray.sources.remove(0);
            }
            spray.sources.push(source);
        }
        spray.evidence.add(id);
    }

    pub(crate) fn get(&self, tag: u16) -> Option<&Spray> {
        self.tried.get(&tag)
    }

    /// A source has nothing to do with them any more.
    pub(crate) fn forgive(&mut self, source: IpAddr) {
        for spray in self.tried.values_mut() {
            spray.sources.retain(|known| *known != source);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.tried
            .values()
            .map(|one| {
                size_of::<(u16, Spray)>() * 2
                    + one.accounts.heap_bytes()
                    + one.sources.capacity() * size_of::<IpAddr>()
                    + one.evidence.heap_bytes()
            })
            .sum()
    }
}
