//! Phase 2 of the classifier in two phases: how often the tokens of each class come just now. What other nodes take in counts, and what came before this
//! process began.

use std::collections::BTreeMap;

use judge::policy::{Chosen, PhaseSettings};
use learn::classes::{CLASSES_MAX, First, is_class};
use learn::phases::Live;
use learn::view::Arrival;
use learn::{Course, Key, Seen};
use mail::Timestamp;
use mail::learnt::Phases;
use store::{Store, StoreError};

use super::Learning;
use crate::clock::now;

/// Messages a start looks back at, and how many are in memory at a time.
const LOOKED_BACK: u32 = 20_000;
const TOGETHER: u32 = 500;
/// Tokens that another node may tell of one message.
const TOLD_MAX: usize = 5_000;

/// One component for each class that came, and what they count by.
pub(super) struct Components {
    key: Key,
    settings: PhaseSettings,
    live: BTreeMap<String, Live>,
}

/// What phase 2 counts of a message.
pub(crate) struct Counted {
    pub(crate) class: String,
    tokens: Vec<u32>,
}

impl Components {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            settings: PhaseSettings::default(),
            live: BTreeMap::new(),
        }
    }

    /// Counts by these settings from now on.
    fn follow(&mut self, settings: &PhaseSettings) {
        let counts_alike = self.settings.counting == settings.counting
            && self.settings.period_secs == settings.period_secs;
        if !counts_alike {
            // What was counted otherwise cannot be compared.
            self.live.clear();
        }
        self.settings = settings.clone();
    }

    /// Takes a message that phase 1 has given a class: how many of its tokens were hot there, before it came itself.
    pub(super) fn take(
        &mut self,
        first: &First,
        arrival: &Arrival,
        settings: &PhaseSettings,
    ) -> Phases {
        self.follow(settings);
        let thresholds = settings.thresholds(&first.class);
        let live = self.live(&first.class);
        let hot = first.tokens.iter().filter(|(token, _)| {
            live.frequency_of(*token, arrival.at) > thresholds.token_frequency
        });
        let hot = hot.count() as u32;
        for (token, _) in &first.tokens {
            live.count_of(*token, arrival);
        }
        Phases {
            class: first.class.clone(),
            unwanted: first.unwanted,
            values: first.values.clone(),
            tokens: first.tokens.len() as u32,
            hot,
            token_frequency: thresholds.token_frequency,
        }
    }

    /// Counts a message that nobody asks about here: another node took it in, or this one before it was started again.
    pub(super) fn count(&mut self, counted: &Counted, arrival: &Arrival) {
        let has_room = self.live.len() < CLASSES_MAX || self.live.contains_key(&counted.class);
        if self.settings.chosen == Chosen::Content || !has_room {
            return;
        }
        let live = self.live(&counted.class);
        for token in &counted.tokens {
            live.count_of(*token, arrival);
        }
    }

    fn live(&mut self, class: &str) -> &mut Live {
        let (key, settings) = (&self.key, &self.settings);
        self.live
            .entry(class.to_owned())
            .or_insert_with(|| Live::new(key.clone(), settings.counting, settings.period_secs))
    }
}

impl Counted {
    pub(super) fn of(first: &First) -> Self {
        Self {
            class: first.class.clone(),
            tokens: first.tokens.iter().map(|(token, _)| *token).collect(),
        }
    }

    /// Its tokens as few bytes: the distance from each to the next, seven bits a byte.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut tokens = self.tokens.clone();
        tokens.sort_unstable();
        let mut bytes = Vec::with_capacity(tokens.len() * 2);
        let mut last = 0;
        for token in tokens {
            let mut distance = token - last;
            while distance >= 0x80 {
                bytes.push(distance as u8 | 0x80);
                distance >>= 7;
            }
            bytes.push(distance as u8);
            last = token;
        }
        bytes
    }

    /// Reads [`Counted::to_bytes`]; `None` for what is no such thing.
    pub(crate) fn read(class: &str, bytes: &[u8]) -> Option<Self> {
        let mut tokens = Vec::new();
        let (mut last, mut distance, mut bits) = (0_u32, 0_u32, 0);
        for byte in bytes {
            if bits > 21 || tokens.len() >= TOLD_MAX {
                return None;
            }
            distance |= u32::from(byte & 0x7f) << bits;
            bits += 7;
            if byte & 0x80 == 0 {
                last = last.checked_add(distance)?;
                tokens.push(last);
                (distance, bits) = (0, 0);
            }
        }
        (bits == 0 && is_class(class)).then(|| Self {
            class: class.to_owned(),
            tokens,
        })
    }
}

impl Learning {
    /// Counts what came in the last period, on whatever node: a start would otherwise take a campaign for a new one.
    pub(super) async fn recall_phases(
        &self,
        store: &Store,
        settings: &PhaseSettings,
    ) -> Result<(), StoreError> {
        self.components().follow(settings);
        if settings.chosen == Chosen::Content {
            return Ok(());
        }
        let since = now().plus_secs(-i64::from(settings.period_secs));
        let Some(mut next) = store.sights_from(since, LOOKED_BACK).await? else {
            return Ok(());
        };
        loop {
            let sights = store.sights_at(next, TOGETHER).await?;
            for (id, seen, source) in &sights {
                self.count_again(id.at(), seen, *source as u64, &self.course());
            }
            match sights.last() {
                Some((last, ..)) if sights.len() == TOGETHER as usize => next = last.next(),
                _ => return Ok(()),
            }
        }
    }

    fn count_again(&self, at: Timestamp, seen: &[u8], source: u64, course: &Course) {
        let first = Seen::from_bytes(seen).and_then(|seen| course.first(&seen));
        if let Some(first) = first {
            let arrival = Arrival { at, source };
            self.components().count(&Counted::of(&first), &arrival);
        }
    }

    /// Counts a message that another node took in.
    pub(crate) fn counted_elsewhere(&self, at: Timestamp, counted: &Counted, source: u64) {
        self.components().count(counted, &Arrival { at, source });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_from_few_bytes_and_nonsense_does_not() {
        let counted = Counted {
            class: "lottery".to_owned(),
            tokens: vec![131_071, 0, 127, 128, 70_000],
        };
        let bytes = counted.to_bytes();
        assert_eq!(bytes.len(), 1 + 1 + 1 + 3 + 3);
        let read = Counted::read("lottery", &bytes).expect("its own bytes");
        assert_eq!(read.tokens, [0, 127, 128, 70_000, 131_071]);
        assert!(Counted::read("Lottery!", &bytes).is_none());
        assert!(Counted::read("lottery", &[0x80]).is_none());
        assert!(Counted::read("lottery", &[0xff; 9]).is_none());
        assert!(Counted::read("lottery", &vec![1; TOLD_MAX + 1]).is_none());
        assert!(Counted::read("lottery", &[]).is_some_and(|none| none.tokens.is_empty()));
    }
}
