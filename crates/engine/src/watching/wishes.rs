//! What people want of the watch: written into the store by whoever says it, granted by every node within a fifth of a second.

use mail::Timestamp;
use serde::{Deserialize, Serialize};
use watch::{Allowed, Scope, Step};

/// A wish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wished {
    /// Do something about somebody.
    Decide {
        scope: Scope,
        step: Step,
        secs: Option<i64>,
        reason: String,
    },
    /// End what stands about somebody, and forget what was counted.
    Undo { scope: Scope, reason: String },
    /// Never do anything about somebody.
    Allow {
        whom: Allowed,
        until: Option<Timestamp>,
        reason: String,
    },
    /// Take that back.
    Disallow { whom: Allowed, reason: String },
    /// Watch by these settings.
    Settings { text: String, reason: String },
}
