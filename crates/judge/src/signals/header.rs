//! Signals about the header and the structure.

use mail::message::Oddity;
use mail::text::is_cjk;
use mail::{Facts, Site};

/// How far a clock may be off before it is odd, seconds: ahead and behind.
const AHEAD_SECS: i64 = 86_400;
const BEHIND_SECS: i64 = 4 * 86_400;

fn has(facts: &Facts, oddity: Oddity) -> bool {
    facts.message.oddities.contains(&oddity)
}

pub(super) fn no_date(facts: &Facts, _: &Site) -> Option<String> {
    (facts.message.date.is_none() && !facts.message.headers.is_empty()).then(|| {
        facts
            .message
            .header("date")
            .unwrap_or("no Date field")
            .chars()
            .take(60)
            .collect()
    })
}

pub(super) fn date_far_off(facts: &Facts, _: &Site) -> Option<String> {
    let off = facts.message.date?.micros_since(facts.envelope.received_at) / 1_000_000;
    let far = !(-BEHIND_SECS..=AHEAD_SECS).contains(&off);
    far.then(|| {
        format!(
            "{} days {}",
            off.abs() / 86_400,
            if off > 0 {
                "in the future"
            } else {
                "in the past"
            }
        )
    })
}

pub(super) fn no_message_id(facts: &Facts, _: &Site) -> Option<String> {
    (facts.message.message_id.is_none() && !facts.message.headers.is_empty())
        .then(|| "no Message-ID field".to_owned())
}

pub(super) fn malformed_message_id(facts: &Facts, _: &Site) -> Option<String> {
    let id = facts.message.message_id.as_deref()?;
    let (local, place) = id.rsplit_once('@').unwrap_or((id, ""));
    (local.is_empty() || place.is_empty()).then(|| id.chars().take(80).collect())
}

pub(super) fn repeated_field(facts: &Facts, _: &Site) -> Option<String> {
    has(facts, Oddity::RepeatedField)
        .then(|| "subject, date, to, message-id, …: one of them twice".to_owned())
}

pub(super) fn eight_bit_header(facts: &Facts, _: &Site) -> Option<String> {
    has(facts, Oddity::EightBitHeader).then(|| "8-bit bytes without encoding".to_owned())
}

pub(super) fn subject_shouts(facts: &Facts, _: &Site) -> Option<String> {
    let subject = &facts.message.subject;
    let upper = subject.chars().filter(|c| c.is_uppercase()).count();
    let lower = subject.chars().filter(|c| c.is_lowercase()).count();
    let words = subject
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphabetic))
        .count();
    (upper >= 12 && upper > 5 * lower && words >= 3).then(|| subject.chars().take(80).collect())
}

pub(super) fn subject_exclaims(facts: &Facts, _: &Site) -> Option<String> {
    let subject = &facts.message.subject;
    let signs = subject
        .chars()
        .filter(|c| matches!(c, '!' | '！' | '$' | '￥' | '★' | '☆'))
        .count();
    let doubled = subject.contains("!!") || subject.contains("！！") || subject.contains("$$");
    (signs >= 3 || doubled).then(|| subject.chars().take(80).collect())
}

/// `Your account      xk29qa`: the code tells the sender's campaigns apart and defeats simple digests.
pub(super) fn subject_gap_code(facts: &Facts, _: &Site) -> Option<String> {
    let raw = facts.message.header("subject")?;
    let (before, code) = raw.trim_end().rsplit_once("    ")?;
    let code = code.trim();
    let letters = code
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "[]()-".contains(c))
        && !code.chars().any(is_cjk);
    (letters && (3..=16).contains(&code.len()) && !before.trim().is_empty())
        .then(|| format!("“… {code}”"))
}

pub(super) fn recipient_not_named(facts: &Facts, _: &Site) -> Option<String> {
    let message = &facts.message;
    let listed = [
        "list-id",
        "list-post",
        "list-unsubscribe",
        "resent-to",
        "x-forwarded-to",
    ]
    .iter()
    .any(|name| message.header(name).is_some());
    if listed || facts.envelope.recipients.is_empty() || facts.envelope.envelope_from.is_none() {
        return None;
    }
    let named: Vec<String> = message
        .header_to
        .iter()
        .chain(&message.cc)
        .filter_map(|mailbox| Some(mailbox.address.as_ref()?.key()))
        .collect();
    let recipients = &facts.envelope.recipients;
    (!recipients.iter().any(|to| named.contains(&to.key()))).then(|| match recipients.as_slice() {
        [one] => format!("goes to {one}, who is not in To or Cc"),
        several => format!(
            "goes to {} recipients, none of them in To or Cc",
            several.len()
        ),
    })
}

pub(super) fn broken_structure(facts: &Facts, _: &Site) -> Option<String> {
    let broken = [
        Oddity::Unreadable,
        Oddity::NulByte,
        Oddity::BadEncoding,
        Oddity::BrokenMultipart,
        Oddity::TooDeep,
        Oddity::TooManyParts,
        Oddity::TooManyHeaders,
        Oddity::BareLineEnding,
    ];
    let found: Vec<String> = facts
        .message
        .oddities
        .iter()
        .filter(|oddity| broken.contains(oddity))
        .map(|oddity| oddity.name())
        .collect();
    (!found.is_empty()).then(|| found.join(", "))
}
