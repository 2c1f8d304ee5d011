//! Single values of aggregate reports, as the many kinds of software write them.

use std::net::IpAddr;

use mail::Timestamp;

use crate::Notes;
use crate::time::written;

/// Seconds since the epoch beyond which a time is meant in milliseconds: the year 5138.
const SECONDS_MAX: i64 = 100_000_000_000;

/// A value, when there is one.
pub(super) fn some(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

/// A word of a vocabulary, in any case; one that is not known is noted.
pub(super) fn word<T>(
    value: &str,
    what: &str,
    notes: &mut Notes,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    if value.is_empty() {
        return None;
    }
    let read = read(&value.to_ascii_lowercase());
    if read.is_none() {
        notes.about(what, value, "is none of the known words");
    }
    read
}

pub(super) fn passes(word: &str) -> Option<bool> {
    match word {
        "pass" => Some(true),
        "fail" | "none" | "neutral" | "softfail" | "temperror" | "permerror" => Some(false),
        _ => None,
    }
}

pub(super) fn yes_or_no(word: &str) -> Option<bool> {
    match word {
        "y" => Some(true),
        "n" => Some(false),
        _ => None,
    }
}

pub(super) fn address(value: &str, notes: &mut Notes) -> Option<IpAddr> {
    let bare = value.trim_matches(['[', ']']);
    let address = bare.parse::<IpAddr>().ok();
    if address.is_none() {
        notes.about("source_ip", value, "is no address");
    }
    address.map(|address| address.to_canonical())
}

/// A number of messages. More than fits is the most that fits; less than nothing is none at all.
pub(super) fn number(value: &str, notes: &mut Notes) -> Option<u64> {
    let whole = value.split('.').next().unwrap_or(value);
    let digits = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        notes.about("count", value, "is no number of messages");
        return None;
    }
    Some(whole.parse().unwrap_or_else(|_| {
        notes.about("count", value, "is larger than any number of messages");
        u64::MAX
    }))
}

/// Seconds since the epoch; with a fraction as some write it, in milliseconds as others, or a written time.
pub(super) fn time(value: &str, notes: &mut Notes) -> Option<Timestamp> {
    let whole = value.split('.').next().unwrap_or(value);
    let time = match whole.parse::<i64>() {
        Ok(secs) if secs > SECONDS_MAX => {
            notes.about("time", value, "is taken for milliseconds");
            Some(secs / 1000)
        }
        Ok(secs) => Some(secs),
        Err(_) => written(value).map(Timestamp::secs),
    };
    let time = time.filter(|secs| (0..=SECONDS_MAX).contains(secs));
    if time.is_none() {
        notes.about("time", value, "cannot be read");
    }
    time.map(Timestamp::from_secs)
}
