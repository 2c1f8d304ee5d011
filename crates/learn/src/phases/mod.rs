//! The classifier in two phases: what a message is like, and whether there is suddenly much of it.
//!
//! Phase 1 ([`Bayes`]) finds the class whose complement fits a message worst; phase 2 ([`Live`], one for each class) counts the tokens of its messages
//! as they come and go, and calls a message spam when too many of its tokens are hot. Frequencies are counted as described, or as distinct
//! sources; the second is what was measured to work (`docs/accuracy.md`).

mod bayes;
mod live;

use mail::learnt::Frequency;
use serde::{Deserialize, Serialize};

use crate::view::Sight;
use crate::{Classifier, Key, Label, Lesson, Opinion};
pub(crate) use bayes::complement;
pub use bayes::{Bayes, Class, FirstPhase, Thresholds};
pub use live::Live;
pub(crate) use live::different;

/// How both phases work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The classes, spam and not.
    pub classes: Vec<Class>,
    /// What counts as frequency in phase 2; `None` leaves phase 2 out.
    pub counting: Option<Frequency>,
    /// After how long without it an appearance no longer counts, seconds.
    pub period_secs: u32,
}

impl Default for Settings {
    fn default() -> Self {
        let thresholds = Thresholds {
            token_frequency: 4,
            matched_tokens: 8,
        };
        let class = |name: &str, spam| Class {
            name: name.to_owned(),
            spam,
            thresholds,
        };
        Self {
            classes: vec![class("ham", false), class("spam", true)],
            counting: Some(Frequency::Sources),
            period_secs: 24 * 3600,
        }
    }
}

/// Both phases.
pub struct TwoPhase {
    bayes: Bayes,
    /// Phase 2, one component for each class.
    live: Vec<Live>,
}

/// What both phases say of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What phase 1 hands on.
    pub first: FirstPhase,
    /// The message's tokens that are hot in its class.
    pub hot: Vec<String>,
    /// More of them than the class allows?
    pub spam: bool,
}

impl TwoPhase {
    /// Knows nothing yet.
    pub fn new(key: Key, settings: Settings) -> Self {
        let component = |counting| Live::new(key.clone(), counting, settings.period_secs);
        let live = settings.counting.map_or_else(Vec::new, |counting| {
            settings
                .classes
                .iter()
                .map(|_| component(counting))
                .collect()
        });
        Self {
            bayes: Bayes::new(key, settings.classes),
            live,
        }
    }

    /// Phase 1, for teaching it classes by name.
    pub const fn first(&mut self) -> &mut Bayes {
        &mut self.bayes
    }

    /// Judges a message and counts its arrival. Without phase 2 the class decides.
    pub fn find(&mut self, sight: &Sight) -> Found {
        let first = self.bayes.find(&sight.text);
        let Some(live) = self.live.get_mut(first.class) else {
            let spam = self.bayes.classes()[first.class].spam;
            return Found {
                first,
                hot: Vec::new(),
                spam,
            };
        };
        let mut hot = Vec::new();
        for (token, _) in &first.tokens {
            // What was there before this message counts: it is not hot by its own arrival.
            if live.frequency(token, sight.arrival.at) > first.thresholds.token_frequency {
                hot.push(token.clone());
            }
            live.count(token, &sight.arrival);
        }
        Found {
            spam: hot.len() > first.thresholds.matched_tokens as usize,
            hot,
            first,
        }
    }
}

impl Classifier for TwoPhase {
    fn classify(&mut self, sight: &Sight) -> Opinion {
        let two = !self.live.is_empty();
        let found = self.find(sight);
        let score = if two {
            // By how much the number of hot tokens is over what is allowed.
            let allowed = f64::from(found.first.thresholds.matched_tokens);
            (found.hot.len() as f64 - allowed - 0.5) / (allowed + 1.0)
        } else {
            self.bayes.score(&found.first)
        };
        Opinion::of(score)
    }

    fn learn(&mut self, sight: &Sight, lesson: Lesson) {
        let spam = lesson.label == Label::Spam;
        let class = self
            .bayes
            .classes()
            .iter()
            .position(|class| class.spam == spam);
        if let Some(class) = class {
            self.bayes.learn(&sight.text, class);
        }
    }
}

#[cfg(test)]
mod tests {
    use mail::Timestamp;

    use super::*;
    use crate::view::Arrival;

    fn sight(text: &str, secs: i64, source: u64) -> Sight {
        Sight {
            text: text.to_owned(),
            arrival: Arrival {
                at: Timestamp::from_secs(secs),
                source,
            },
            ..Sight::default()
        }
    }

    fn settings(counting: Option<Frequency>) -> Settings {
        let mut settings = Settings {
            counting,
            period_secs: 3600,
            ..Settings::default()
        };
        settings.classes.push(Class {
            name: "advance-fee".to_owned(),
            spam: true,
            thresholds: Thresholds {
                token_frequency: 3,
                matched_tokens: 4,
            },
        });
        settings
    }

    fn taught(counting: Option<Frequency>) -> TwoPhase {
        let mut phases = TwoPhase::new(Key::new(b"test"), settings(counting));
        for (text, class) in [
            ("the meeting about the kernel patch is on monday", 0),
            ("cheap pills and casino bonus for every winner", 1),
            ("dear friend the late minister left a fund in the bank", 2),
        ] {
            phases.first().learn(text, class);
        }
        phases
    }

    #[test]
    fn the_class_whose_complement_fits_worst_is_chosen() {
        let mut phases = taught(None);
        for (text, class, spam) in [
            ("kernel patch meeting", 0, false),
            ("casino pills", 1, true),
            ("the minister has a fund", 2, true),
        ] {
            let found = phases.find(&sight(text, 0, 0));
            assert_eq!(
                (found.first.class, found.spam),
                (class, spam),
                "{text}: {found:?}"
            );
            let lowest = found
                .first
                .values
                .iter()
                .copied()
                .fold(f64::INFINITY, f64::min);
            assert!(found.first.values[class] <= lowest);
            assert_eq!(found.first.values.len(), 3);
        }
        let found = phases.find(&sight("the minister of pills", 0, 0)).first;
        assert_eq!(found.class, 2);
        let frequency = |word: &str| {
            found
                .tokens
                .iter()
                .find(|token| token.0 == word)
                .map(|token| token.1)
        };
        assert_eq!(
            (frequency("minister"), frequency("pills")),
            (Some(1), Some(0))
        );
        assert_eq!(found.thresholds.matched_tokens, 4);
    }

    const CAMPAIGN: &str = "dear friend the late minister left a fund in the bank";

    #[test]
    fn much_of_the_same_is_spam_and_no_longer_after_a_period_of_silence() {
        let mut phases = taught(Some(Frequency::Raw));
        let verdicts: Vec<bool> = (0..6)
            .map(|at| phases.find(&sight(CAMPAIGN, at * 60, 0)).spam)
            .collect();
        // More than three must have been seen before.
        assert_eq!(verdicts, [false, false, false, false, true, true]);
        let hot_after = |silence: i64| {
            let mut phases = taught(Some(Frequency::Raw));
            for at in 0..6 {
                phases.find(&sight(CAMPAIGN, at * 60, 0));
            }
            phases.find(&sight(CAMPAIGN, 300 + silence, 0)).hot.len()
        };
        assert!(hot_after(1800) > 4);
        assert_eq!(hot_after(3600), 0);
        assert_eq!(hot_after(1_000_000), 0);
    }

    #[test]
    fn one_source_is_no_campaign_when_sources_are_counted() {
        let mut phases = taught(Some(Frequency::Sources));
        assert!((0..50).all(|at| !phases.find(&sight(CAMPAIGN, at, 7)).spam));
        let spread = (0..20).filter(|at| {
            phases
                .find(&sight(CAMPAIGN, 60 + at, 100 + *at as u64))
                .spam
        });
        assert!(spread.count() > 10);
    }

    /// R4.28: a campaign that phase 1 takes for wanted mail is new to it; both phases together see that there is suddenly much of it.
    #[test]
    fn a_new_campaign_is_found_by_both_phases_and_not_by_the_first() {
        let text = "monday patch of the kernel meeting about new offer click below now";
        let (mut first, mut both) = (taught(None), taught(Some(Frequency::Sources)));
        // The component's limits for the class ham.
        let found = |phases: &mut TwoPhase| {
            (0..40)
                .filter(|at| phases.find(&sight(text, *at, *at as u64)).spam)
                .count()
        };
        assert_eq!(found(&mut first), 0);
        assert!(found(&mut both) > 20);
    }
}
