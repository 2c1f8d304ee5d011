//! What the JSON API says and takes: plain shapes, whatever the inside looks like.

mod messages;
mod people;
mod policy;
mod site;

use serde::Serialize;
use utoipa::ToSchema;

pub(super) use messages::*;
pub(super) use people::*;
pub(super) use policy::*;
pub(super) use site::*;

/// Times are RFC 3339 in UTC.
pub(super) fn time(at: mail::Timestamp) -> String {
    at.to_string().replace(' ', "T")
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T> {
    /// What has a time newest first, domains the busiest first.
    pub items: Vec<T>,
    /// Give it as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Set when the search stopped before its page was full: everything since then was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_back_to: Option<String>,
}

/// A number with its name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NamedOut {
    /// What.
    pub name: String,
    /// How much.
    pub count: u64,
}

impl From<&(String, u64)> for NamedOut {
    fn from((name, count): &(String, u64)) -> Self {
        Self {
            name: name.clone(),
            count: *count,
        }
    }
}
