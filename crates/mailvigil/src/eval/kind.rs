//! Which classifiers can be replayed.

use clap::ValueEnum;
use learn::{Classifier, Content, Key, Needs};

/// A classifier by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// What mail says: linear heads over two views and naive Bayes, calibrated and combined.
    Content,
}

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// One that knows nothing, and what it has to see of messages.
    pub fn make(self, _key: &Key) -> (Box<dyn Classifier>, Needs) {
        let content = Needs {
            content: true,
            text: false,
        };
        match self {
            Self::Content => (Box::new(Content::new()), content),
        }
    }
}
