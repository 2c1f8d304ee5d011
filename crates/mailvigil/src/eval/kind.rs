//! Which classifiers can be replayed.

use clap::ValueEnum;
use learn::phases::Settings;
use learn::{Campaigns, Classes, Classifier, Content, Key, Needs, Prints, TwoPhase};
use mail::learnt::Frequency;

/// A classifier by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// What mail says: linear heads over two views and naive Bayes, calibrated and combined.
    Content,
    /// Phase 1 as described: complement naive Bayes over classes, on the words of subject and body.
    Bayes,
    /// Phase 1 as the service learns it: the same over the tokens of the body, two words at a time and links, too.
    Classes,
    /// Both phases as described: hot tokens of the class by raw frequency.
    BayesRaw,
    /// Both phases, a frequency being the number of different sources.
    BayesSources,
    /// Text that comes from many sources at once; needs no labels.
    Campaigns,
    /// Text that is the same as labelled text, or nearly.
    Fingerprints,
}

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Does what came before it alone decide, not how often something came?
    pub const fn judges_copies(self) -> bool {
        matches!(self, Self::Content | Self::Bayes | Self::Classes)
    }

    /// One that knows nothing, and what it has to see of messages.
    pub fn make(self, key: &Key) -> (Box<dyn Classifier>, Needs) {
        let content = Needs {
            content: true,
            text: false,
        };
        let text = Needs {
            content: false,
            text: true,
        };
        let phases = |counting| {
            let settings = Settings {
                counting,
                ..Settings::default()
            };
            Box::new(TwoPhase::new(key.clone(), settings))
        };
        match self {
            Self::Content => (Box::new(Content::new()), content),
            Self::Bayes => (phases(None), text),
            Self::Classes => (Box::new(Classes::default()), content),
            Self::BayesRaw => (phases(Some(Frequency::Raw)), text),
            Self::BayesSources => (phases(Some(Frequency::Sources)), text),
            Self::Campaigns => (Box::new(Campaigns::new(key.clone())), text),
            Self::Fingerprints => (Box::new(Prints::new(key.clone())), text),
        }
    }
}
