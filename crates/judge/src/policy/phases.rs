//! Reads what `[learning]` says of the classifier in two phases.

use std::collections::BTreeMap;

use mail::learnt::Frequency;
use written::Section;

/// Which of the site's classifiers has a say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chosen {
    /// The model of what mail says: two views, calibrated, proven.
    #[default]
    Content,
    /// The first phase alone: the class of message.
    Bayes,
    /// Both phases: much of one class at once.
    TwoPhase,
}

/// What phase 2 takes for too much in a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// A token seen oftener than this within a period is hot.
    pub token_frequency: u32,
    /// A message with more hot tokens than this is unwanted.
    pub matched_tokens: u32,
}

/// How the two phases work.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseSettings {
    /// Which classifier has a say.
    pub chosen: Chosen,
    /// What is counted.
    pub counting: Frequency,
    /// After how long without it an appearance no longer counts, seconds.
    pub period_secs: u32,
    /// Those of every class that has none of its own.
    pub usual: Thresholds,
    /// Those of single classes.
    pub classes: BTreeMap<String, Thresholds>,
}

impl Default for PhaseSettings {
    fn default() -> Self {
        Self {
            chosen: Chosen::Content,
            counting: Frequency::Sources,
            period_secs: 24 * 3600,
            usual: Thresholds {
                token_frequency: 4,
                matched_tokens: 8,
            },
            classes: BTreeMap::new(),
        }
    }
}

impl PhaseSettings {
    /// What is too much in a class.
    pub fn thresholds(&self, class: &str) -> Thresholds {
        self.classes.get(class).copied().unwrap_or(self.usual)
    }
}

/// Reads its keys of `[learning]`.
pub(super) fn read(section: &Section<'_, '_>) -> PhaseSettings {
    let mut settings = PhaseSettings::default();
    let classifiers = "\"content\", \"bayes\" or \"two-phase\"";
    let chosen = section.text("classifier", classifiers, |text| match text {
        "content" => Ok(Chosen::Content),
        "bayes" => Ok(Chosen::Bayes),
        "two-phase" => Ok(Chosen::TwoPhase),
        other => Err(format!("{other:?} is no classifier")),
    });
    settings.chosen = chosen.unwrap_or_default();
    let counted = section.text("counted", "\"sources\" or \"raw\"", |text| match text {
        "sources" => Ok(Frequency::Sources),
        "raw" => Ok(Frequency::Raw),
        other => Err(format!("{other:?} is nothing that is counted")),
    });
    settings.counting = counted.unwrap_or_default();
    if let Some(hours) = section.number("period_hours", 1..=720) {
        settings.period_secs = hours as u32 * 3600;
    }
    settings.usual = thresholds(section, settings.usual);
    for (name, section) in section.section("classes").named_sections() {
        let own = thresholds(&section, settings.usual);
        section.finish();
        settings.classes.insert(name, own);
    }
    settings
}

fn thresholds(section: &Section<'_, '_>, usual: Thresholds) -> Thresholds {
    let number = |key, usual| {
        section
            .number(key, 0..=100_000)
            .map_or(usual, |number| number as u32)
    };
    Thresholds {
        token_frequency: number("token_frequency", usual.token_frequency),
        matched_tokens: number("matched_tokens", usual.matched_tokens),
    }
}
