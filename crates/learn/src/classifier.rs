//! What every classifier offers, whatever it is inside: which one decides is policy.

use serde::{Deserialize, Serialize};

use crate::view::Sight;

/// What somebody said a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// Wanted.
    Ham,
    /// Not wanted.
    Spam,
}

impl Label {
    /// The opposite.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Ham => Self::Spam,
            Self::Spam => Self::Ham,
        }
    }
}

/// How far a label is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Administrators, the label desk, traps, replies.
    Trusted,
    /// Users' moves to and from Junk, spam buttons.
    Reported,
}

/// A label with what is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// What it says.
    pub label: Label,
    /// Who says it.
    pub trust: Trust,
    /// Was it asked for because the classifier was unsure? Such messages are no sample of the mail.
    pub chosen: bool,
}

/// From this probability on a message is junk without doubt.
const SURE: f64 = 0.95;

/// What a classifier thinks of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// Orders messages: higher is more like spam. About log-odds; above zero is spam.
    pub score: f64,
    /// The probability of spam, where the classifier can name one.
    pub probability: Option<f64>,
    /// Were there enough labels of both classes to act on it? Until then mail is delivered, whatever is thought of it.
    pub settled: bool,
    /// What its parts think, for explanations.
    pub voices: Vec<Option<f64>>,
}

impl Opinion {
    /// Of a score alone.
    pub const fn of(score: f64) -> Self {
        Self {
            score,
            probability: None,
            settled: true,
            voices: Vec::new(),
        }
    }

    /// Sure enough, and on enough labels, that a person need not see the message among the others.
    pub fn is_sure_spam(&self) -> bool {
        self.settled
            && self
                .probability
                .map_or(self.score > 0.0, |probability| probability > SURE)
    }

    /// The classifier's own decision: by probability where there is one.
    pub fn is_spam(&self) -> bool {
        self.probability
            .map_or(self.score > 0.0, |probability| probability > 0.5)
    }
}

/// One kind of classifier.
pub trait Classifier {
    /// Judges a message, and lets its arrival count where arrivals do.
    fn classify(&mut self, sight: &Sight) -> Opinion;

    /// Learns a label. To take one back, learn all the others anew: see [`crate::Course`].
    fn learn(&mut self, sight: &Sight, lesson: Lesson);
}
