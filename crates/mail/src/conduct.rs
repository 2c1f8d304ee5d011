//! What stands against whoever hands a message over, for what was done before it: decided by the watch, a fact of each message.

use serde::{Deserialize, Serialize};

use crate::RecordId;

/// What standing decisions ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conduct {
    /// What is to be done with the message.
    pub asks: Asked,
    /// Why, in the words of the decisions, the strongest first.
    pub why: Vec<String>,
    /// The decisions; none when a limit that is asked before anything is decided was reached.
    pub decisions: Vec<RecordId>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Ask the sending side to come later.
    Defer,
    /// Hold it until somebody has looked.
    Hold,
    /// Refuse it.
    Refuse,
}

impl Asked {
    /// As written and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Defer => "defer",
            Self::Hold => "hold",
            Self::Refuse => "refuse",
        }
    }
}
