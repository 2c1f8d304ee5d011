//! Points in time, given by the caller: nothing below `engine` reads a clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01 00:00:00 UTC. Sorts, subtracts, stores as one `BIGINT`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From whole seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This point moved by `secs` seconds, saturating at the ends of time.
    #[must_use]
    pub const fn plus_secs(self, secs: i64) -> Self {
        Self(self.0.saturating_add(secs.saturating_mul(1_000_000)))
    }

    /// Microseconds from `earlier` to `self`; negative when `earlier` is later.
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads `2026-11-23T10:00:00Z`, or `2026-11-23` (midnight UTC). `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
            return Some(Self(stamp.as_microsecond()));
        }
        let day: jiff::civil::Date = text.parse().ok()?;
        let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(midnight.timestamp().as_microsecond()))
    }
}

impl Timestamp {
    /// As header fields write it (RFC 5322 §3.3).
    #[must_use]
    pub fn in_mail(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let text = self.to_string();
        let day = DAYS[self.secs().div_euclid(86_400).rem_euclid(7) as usize];
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or("00");
        let month: usize = part(5, 7).parse().unwrap_or(1);
        format!(
            "{day}, {} {} {} {} +0000",
            part(8, 10),
            MONTHS[month.clamp(1, 12) - 1],
            part(0, 4),
            part(11, 19)
        )
    }
}

impl fmt::Display for Timestamp {
    /// `2026-11-23 10:00:00Z`: sorts as text, and needs no time zone data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.secs()) {
            Ok(stamp) => {
                let text = stamp.to_string();
                f.write_str(&text.replace('T', " "))
            }
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_back() {
        let stamp = Timestamp::parse("2026-11-23T10:00:00Z").expect("a valid stamp");
        assert_eq!(stamp.to_string(), "2026-11-23 10:00:00Z");
        assert_eq!(
            Timestamp::parse("2026-11-23"),
            Some(stamp.plus_secs(-36_000))
        );
        assert_eq!(Timestamp::parse("yesterday"), None);
    }
}
