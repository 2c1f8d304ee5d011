//! Pages for people, one file for each section of the console.

mod audit;
mod digest;
mod domain_words;
mod domains;
mod entry;
mod learning;
mod messages;
mod overview;
mod own;
mod people;
mod policy;
mod quarantine;
mod recalls;
mod reports;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use mail::{Level, Timestamp};

use crate::Shared;

/// Levels, as forms list them.
pub(crate) const LEVELS: [Level; 3] = [Level::Ordinary, Level::Suspicious, Level::Dangerous];
/// Actions, as forms list them.
pub(crate) const ACTIONS: [&str; 6] = ["accept", "tag", "defer", "quarantine", "discard", "reject"];
/// Fields that a rule made by a form may ask about.
pub(crate) const FIELDS: [&str; 17] = [
    "header-from",
    "header-from-domain",
    "header-from-name",
    "envelope-from",
    "envelope-from-domain",
    "recipient",
    "recipient-domain",
    "reply-to",
    "subject",
    "source-ip",
    "helo",
    "ptr-name",
    "account",
    "direction",
    "file-name",
    "part-type",
    "body",
];
/// What it may ask of them.
pub(crate) const TESTS: [&str; 6] = [
    "is",
    "wildcard",
    "regex",
    "in_network",
    "in_list",
    "contains",
];

/// All pages.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .merge(entry::router())
        .merge(overview::router())
        .merge(messages::router())
        .merge(quarantine::router())
        .merge(learning::router())
        .merge(recalls::router())
        .merge(domains::router())
        .merge(reports::router())
        .merge(users::router())
        .merge(policy::router())
        .merge(audit::router())
        .merge(people::router())
        .merge(own::router())
        .merge(digest::router())
}

/// Back to a page, which tells that something was done.
pub(crate) fn done(to: &str, key: &str, on: &str) -> Response {
    let query = serde_urlencoded::to_string([("done", key), ("on", on)]).unwrap_or_default();
    let mark = if to.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{to}{mark}{query}")).into_response()
}

/// A path within the console, whatever was given: nobody is led elsewhere by us.
pub(crate) fn own_path(text: &str) -> &str {
    let own = text.starts_with('/')
        && !text.starts_with("//")
        && !text.contains(['\\', '\r', '\n', '\t'])
        && !text.starts_with("/login")
        && !text.starts_with("/logout");
    if own { text } else { "/" }
}

/// A point in time as people type it: a day, a minute, or a span back from now (`90m`, `24h`, `7d`).
pub(crate) fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    // A day with a time first: a day alone is read whatever follows it.
    if let Some((day, clock)) = text.split_once([' ', 'T']) {
        let clock = clock.trim_end_matches('Z');
        let clock = if clock.len() == 5 {
            format!("{clock}:00")
        } else {
            clock.to_owned()
        };
        return Timestamp::parse(&format!("{day}T{clock}Z"));
    }
    if let Some(at) = Timestamp::parse(text) {
        return Some(at);
    }
    let unit = text.chars().next_back()?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
    let secs = match unit {
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    (number >= 0).then(|| now.plus_secs(-number.saturating_mul(secs)))
}

pub(crate) use audit::export_body;
pub(crate) use messages::read_level as level;
pub(crate) use quarantine::download;
pub(crate) use users::percent;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for (given, to) in [
            ("/messages?to=a", "/messages?to=a"),
            ("//evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("", "/"),
            ("/login?next=/", "/"),
        ] {
            assert_eq!(own_path(given), to, "{given}");
        }
    }

    #[test]
    fn times_as_people_type_them() {
        let now = Timestamp::from_secs(1_790_000_000);
        assert_eq!(time("2h", now), Some(now.plus_secs(-7200)));
        assert_eq!(
            time("2026-11-23 08:00", now),
            Timestamp::parse("2026-11-23T08:00:00Z")
        );
        assert_eq!(
            time("2026-11-23T08:00:01Z", now),
            Timestamp::parse("2026-11-23T08:00:01Z")
        );
        for wrong in [
            "",
            "h",
            "-1h",
            "x",
            "2026-13-01",
            "1é",
            "9999999999999999999d",
        ] {
            assert_eq!(time(wrong, now), None, "{wrong}");
        }
    }
}
