//! Times as reports write them, back and forth.

use mail::Timestamp;

/// `2026-01-31T12:00:00Z`, also with a blank for the `T` and without zone, which is then UTC.
pub(crate) fn written(text: &str) -> Option<Timestamp> {
    let text = text.trim().replacen(' ', "T", 1);
    // With the zone first: a time without one would be read as its day alone.
    let time = Timestamp::parse(&format!("{text}Z")).or_else(|| Timestamp::parse(&text));
    time.filter(|time| time.secs() >= 0)
}

/// `Thu, 28 Nov 2026 15:00:00 +0000`, as mail writes dates (RFC 5322 §3.3).
pub(crate) fn mail_date(time: Timestamp) -> String {
    let stamp = jiff::Timestamp::from_second(time.secs().max(0)).unwrap_or_default();
    let zoned = stamp.to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::rfc2822::to_string(&zoned).unwrap_or_default()
}
