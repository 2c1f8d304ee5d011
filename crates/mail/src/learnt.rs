//! What the site's own learner thought of a message when it was judged: a fact like any other, so that a replay needs no model.

use serde::{Deserialize, Serialize};

use crate::RecordId;

/// The learner's opinion of one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learnt {
    /// How likely it is unwanted, 0 to 1.
    pub probability: f64,
    /// What orders messages, about log-odds: what thresholds are proven for.
    pub score: f64,
    /// Labels of trusted people it rested on: of wanted and of unwanted mail.
    pub labels: [u32; 2],
    /// At most this share of wanted mail scores so high: proven by order statistics. `None` while nothing is proven of such a score.
    pub ham_above: Option<f64>,
    /// How likely it is unwanted by the header alone, and by the body alone; `None` where there was nothing to look at.
    pub header: Option<f64>,
    /// By the body alone.
    pub body: Option<f64>,
    /// What the labels of the one person it is for make of all that, where there are enough of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Personal>,
    /// The words that moved it most, the strongest first. Kept only with a message that is held whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Moved>,
    /// What the classifier in two phases found, where the policy asks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
}

/// What the labels of the one person a message is for make of the opinion of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Personal {
    /// How many they have given; 255 for more.
    pub labels: u32,
    /// How far they move the log-odds; above zero towards unwanted.
    pub by: f64,
    /// How likely the message is unwanted with that.
    pub probability: f64,
    /// [`Learnt::ham_above`], while the person does not say otherwise ([`OTHERWISE`]): it was proven of everybody's mail.
    pub ham_above: Option<f64>,
}

/// From so much log-odds on a person's labels say otherwise than everybody's; less is chance.
pub const OTHERWISE: f64 = 1.0;

/// What a frequency is in the second phase of the classifier in two phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frequency {
    /// Appearances, as first described.
    Raw,
    /// Different sources, which was measured to work: a newsletter to thousands is one source, a botnet is many.
    #[default]
    Sources,
}

/// What the classifier in two phases found: what a message is like, and whether there is suddenly much of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// The class whose complement fits the message worst: `wanted`, `unwanted`, or a type that people named.
    pub class: String,
    /// Is that class unwanted?
    pub unwanted: bool,
    /// The complement value of every class, per token.
    pub values: Vec<(String, f64)>,
    /// Different tokens of the message.
    pub tokens: u32,
    /// Those that were hot in the class when it came: seen oftener, within a period, than `token_frequency`.
    pub hot: u32,
    /// What was too often.
    pub token_frequency: u32,
}

/// What was known of messages with about the same text when one came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// The first of them, by which they are called.
    pub name: RecordId,
    /// How many came before this one.
    pub messages: u32,
    /// From how many different sources, about: an authenticated domain, or a network where there is none.
    pub sources: u32,
    /// Seconds from the first to this one.
    pub span_secs: i64,
    /// Is the text the same, or nearly?
    pub same: bool,
    /// What trusted people said of them: labels of wanted and of unwanted mail.
    pub labels: [u32; 2],
}

/// A word or feature of a message, and how far it moved the opinion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// As written, or named where it is no word: `link to example.org`.
    pub word: String,
    /// The header field it stands in, by lower-case name; `None` in the body.
    pub field: Option<String>,
    /// By how much: above zero towards unwanted.
    pub by: f64,
}

/// Labels of each class, by trusted people, before anything is done on the learner's word.
pub const OBSERVED_MIN: u32 = 200;

/// How far a learner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Too few labels: it is watched, and nothing is done on its word.
    Observing,
    /// It may mark mail.
    Tagging,
    /// It may act: how much wanted mail it hits is proven.
    Certified,
}

impl Progress {
    /// As written and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observing => "observing",
            Self::Tagging => "tagging",
            Self::Certified => "certified",
        }
    }
}

impl Learnt {
    /// Were there labels enough to do anything on its word?
    pub fn observes(&self) -> bool {
        self.labels.iter().any(|labels| *labels < OBSERVED_MIN)
    }
}
