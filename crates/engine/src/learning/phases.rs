//! Phase 2 of the classifier in two phases: how often the tokens of each class come just now, on this node.

use std::collections::BTreeMap;

use judge::policy::{Frequency, PhaseSettings};
use learn::Key;
use learn::classes::First;
use learn::phases::{Counting, Live};
use learn::view::Arrival;
use mail::learnt::Phases;

/// One component for each class that came, and what they count by.
pub(super) struct Components {
    key: Key,
    settings: PhaseSettings,
    live: BTreeMap<String, Live>,
}

impl Components {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            settings: PhaseSettings::default(),
            live: BTreeMap::new(),
        }
    }

    /// Takes a message that phase 1 has given a class: how many of its tokens were hot there, before it came itself.
    pub(super) fn take(
        &mut self,
        first: &First,
        arrival: &Arrival,
        settings: &PhaseSettings,
    ) -> Phases {
        let counts_alike = self.settings.counting == settings.counting
            && self.settings.period_secs == settings.period_secs;
        if !counts_alike {
            // What was counted otherwise cannot be compared.
            self.live.clear();
        }
        self.settings = settings.clone();
        let thresholds = settings.thresholds(&first.class);
        let counting = match settings.counting {
            Frequency::Raw => Counting::Raw,
            Frequency::Sources => Counting::Sources,
        };
        let live = self
            .live
            .entry(first.class.clone())
            .or_insert_with(|| Live::new(self.key.clone(), counting, settings.period_secs));
        let mut hot = 0;
        for (token, _) in &first.tokens {
            hot += u32::from(live.frequency_of(*token, arrival.at) > thresholds.token_frequency);
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
}
