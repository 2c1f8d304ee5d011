//! Reads `[learning]`: what the opinion of the site's own learner is worth.

use written::Section;

use super::phases::{self, PhaseSettings};

/// What the learner may add to a score.
#[derive(Clone, Debug, PartialEq)]
pub struct Learning {
    /// Is it asked at all?
    pub enabled: bool,
    /// Added when a message is likely unwanted, and nothing is proven of such a score.
    pub likely: f64,
    /// Added when it is proven that no more than `ham_share` of wanted mail scores so high.
    pub certain: f64,
    /// Added (and therefore below zero) when a message is likely wanted.
    pub wanted: f64,
    /// The share of wanted mail that may be hit by `certain`.
    pub ham_share: f64,
    /// Do the labels of the one person a message is for count for it?
    pub personal: bool,
    /// Added to mail with the text of mail that trusted people called unwanted, and nobody wanted.
    pub known: f64,
    /// Added when about the same text comes from `sources` different sources at once.
    pub spreading: f64,
    /// How many are many.
    pub sources: u32,
    /// Which classifier has a say, and how the one in two phases works.
    pub phases: PhaseSettings,
}

impl Default for Learning {
    fn default() -> Self {
        Self {
            enabled: true,
            likely: 2.5,
            certain: 6.0,
            wanted: -1.0,
            ham_share: 0.001,
            personal: true,
            known: 4.0,
            spreading: 2.0,
            sources: 8,
            phases: PhaseSettings::default(),
        }
    }
}

pub(super) fn read(root: &Section<'_, '_>) -> Learning {
    let section = root.section("learning");
    let usual = Learning::default();
    let decimal = |key, usual, allowed| section.decimal(key, allowed).unwrap_or(usual);
    let learning = Learning {
        enabled: section.flag("use").unwrap_or(usual.enabled),
        likely: decimal("likely", usual.likely, 0.0..=100.0),
        certain: decimal("certain", usual.certain, 0.0..=100.0),
        wanted: decimal("wanted", usual.wanted, -100.0..=0.0),
        ham_share: decimal("ham_share", usual.ham_share, 0.0001..=0.05),
        personal: section.flag("personal").unwrap_or(usual.personal),
        known: decimal("known", usual.known, 0.0..=100.0),
        spreading: decimal("spreading", usual.spreading, 0.0..=100.0),
        sources: section
            .number("sources", 3..=40)
            .map_or(usual.sources, |sources| sources as u32),
        phases: phases::read(&section),
    };
    if learning.certain < learning.likely {
        section.complain(
            "certain",
            "is less than likely",
            "learning.likely or more: what is proven is worth no less",
        );
    }
    section.finish();
    learning
}

#[cfg(test)]
mod tests {
    use mail::learnt::Frequency;

    use crate::policy::{Chosen, PhaseSettings};

    use mail::Limits;

    use super::*;
    use crate::Policy;

    #[test]
    fn what_ships_is_what_is_usual() {
        let policy = Policy::parse(crate::DEFAULT_POLICY, &Limits::default());
        let policy = policy.unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(*policy.learning(), Learning::default());
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let text =
            "[learning]\nlikely = 5\ncertain = 2\nwanted = 3\nham_share = 0.5\nmodel = \"x\"\n";
        let problems = Policy::parse(text, &Limits::default()).err();
        let keys: Vec<String> = problems
            .into_iter()
            .flatten()
            .map(|problem| problem.key)
            .collect();
        assert_eq!(
            keys,
            [
                "learning.certain",
                "learning.wanted",
                "learning.ham_share",
                "learning.model"
            ]
        );
    }

    #[test]
    fn the_classifier_in_two_phases_is_chosen_and_set() {
        let text = "[learning]\nclassifier = \"two-phase\"\ncounted = \"raw\"\nperiod_hours = 6\nmatched_tokens = 12\n[learning.classes.newsletter]\ntoken_frequency = 50\n";
        let policy = Policy::parse(text, &Limits::default()).expect("a good policy");
        let phases = &policy.learning().phases;
        assert_eq!(
            (phases.chosen, phases.counting),
            (Chosen::TwoPhase, Frequency::Raw)
        );
        assert_eq!(phases.period_secs, 6 * 3600);
        let (own, usual) = (
            phases.thresholds("newsletter"),
            phases.thresholds("lottery"),
        );
        assert_eq!((own.token_frequency, own.matched_tokens), (50, 12));
        assert_eq!((usual.token_frequency, usual.matched_tokens), (4, 12));
        let bad = "[learning]\nclassifier = \"neural\"\nperiod_hours = 0\n[learning.classes.x]\nmatched = 3\n";
        let problems = Policy::parse(bad, &Limits::default())
            .err()
            .unwrap_or_default();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert_eq!(PhaseSettings::default().chosen, Chosen::Content);
    }
}
