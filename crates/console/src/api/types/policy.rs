//! The policy: read, changed, tried, rolled back.

use engine::{PolicyVersion, Replay};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time;

/// A policy version.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PolicyOut {
    /// Its number.
    pub version: i64,
    /// The document.
    pub text: String,
}

/// A version in the history.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct VersionOut {
    /// Its number.
    pub version: i64,
    /// The one before.
    pub base: Option<i64>,
    /// When it came into force.
    pub at: String,
    /// Who made it.
    pub author: String,
    /// Why.
    pub reason: String,
}

impl From<&PolicyVersion> for VersionOut {
    fn from(version: &PolicyVersion) -> Self {
        Self {
            version: version.version,
            base: version.base,
            at: time(version.at),
            author: version.author.clone(),
            reason: version.reason.clone(),
        }
    }
}

/// The number of a version.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Applied {
    /// The version that is in force now.
    pub version: i64,
}

/// A policy to put in force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ApplyIn {
    /// The document.
    pub text: String,
    /// The version it was made from: refused when another is in force by now.
    #[serde(default)]
    pub base: Option<i64>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// One change of the policy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct EditIn {
    /// What: `{"edit": "boundaries", "suspicious": 5.0, "dangerous": 14.0}`, and so on; see the manual.
    #[schema(value_type = Object)]
    pub change: judge::edit::Edit,
    /// The version that was looked at.
    pub base: i64,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A document to check.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct TextIn {
    /// The document.
    pub text: String,
}

/// A document to try on recorded mail.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct WhatIfIn {
    /// The document.
    pub text: String,
    /// How many hours back, 1 to 2,160.
    pub hours: u32,
}

/// What another policy would have done.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ReplayOut {
    /// Records looked at.
    pub looked_at: u64,
    /// Judged again.
    pub judged: u64,
    /// Not judged again: without facts.
    pub without_facts: u64,
    /// How many would go another way.
    pub changed_count: u64,
    /// Stopped before everything was looked at.
    pub cut: bool,
    /// What nobody looked for then.
    pub unseen_terms: Vec<String>,
    /// Which would go another way, at most 200.
    pub changed: Vec<ChangedOut>,
}

/// A message that would go another way.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ChangedOut {
    /// Record id.
    pub id: String,
    /// Decoded subject.
    pub subject: String,
    /// What was done.
    pub before: String,
    /// What would have been done.
    pub after: String,
    /// Its score then.
    pub score_before: f64,
    /// Its score under the other policy.
    pub score_after: f64,
    /// Reasons that come (`+`) or go (`-`).
    pub reasons: Vec<String>,
}

impl From<Replay> for ReplayOut {
    fn from(replay: Replay) -> Self {
        let changed = replay.changed.into_iter().map(|one| ChangedOut {
            id: one.id.to_string(),
            subject: one.subject,
            before: one.before.to_string(),
            after: one.after.to_string(),
            score_before: one.score_before,
            score_after: one.score_after,
            reasons: one.reasons,
        });
        Self {
            looked_at: replay.looked_at,
            judged: replay.judged,
            without_facts: replay.without_facts,
            changed_count: replay.changed_count,
            cut: replay.cut,
            unseen_terms: replay.unseen_terms,
            changed: changed.collect(),
        }
    }
}

/// A message to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct TryIn {
    /// The message: header, empty line, body.
    pub message: String,
    /// The machine that would have handed it over.
    #[serde(default)]
    pub ip: Option<String>,
    /// Under this document instead of the policy in force.
    #[serde(default)]
    pub text: Option<String>,
}

/// A version to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RollbackIn {
    /// Its number.
    pub version: i64,
    /// Why.
    #[serde(default)]
    pub reason: String,
}
