//! Unknown is a value: what could not be found out is said, never folded into "no".

use serde::{Deserialize, Serialize};

/// The answer to a question about the outer world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known<T> {
    /// It was looked up and found.
    Yes(T),
    /// It was looked up and is certainly not there.
    Absent,
    /// It could not be found out: the reason (deadline, server away), in words an operator can act on.
    Unavailable(String),
    /// Nobody asked.
    #[default]
    NotAsked,
}

impl<T> Known<T> {
    /// The value, when there is one.
    pub fn yes(&self) -> Option<&T> {
        match self {
            Self::Yes(value) => Some(value),
            Self::Absent | Self::Unavailable(_) | Self::NotAsked => None,
        }
    }
}
