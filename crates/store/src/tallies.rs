//! How much of what there was in each hour, counted as records are written: an overview reads a few hundred rows,
//! however many records there are.
//!
//! Kinds with few names (fates, levels, directions) are exact. Of kinds with as many names as there are strangers
//! (senders, recipients, machines) only the largest of each hour are kept once the hour is over.
//!
//! A day that is over is added up once more, so that a month's largest are found in thirty sums and not in 720 hours. Every
//! count marks its day; the sum takes the mark away. Whoever asks reads sums up to the first marked day and hours from there
//! on, so that late records are never missed.

use std::collections::BTreeMap;

use mail::{Direction, Record, Timestamp};
use serde::Serialize;

use crate::db::{reading, writing};
use crate::records::{Prepared, storable};
use crate::{Store, StoreError};

/// Seconds of one span.
pub const SPAN_SECS: i64 = 3600;
/// Names of one kind kept of an hour that is over.
const KEPT: i64 = 50;
/// Names of one kind kept of a day's sum.
const KEPT_OF_DAY: i64 = 100;
/// The kind of row that marks a day whose hours have changed since they were added up.
const CHANGED: &str = "changed-day";
/// Seconds of one day.
const DAY_SECS: i64 = 24 * SPAN_SECS;
/// Where compaction has come to.
const COMPACTED: &str = "tallies:compacted";

/// Kinds of which only the largest of an hour are kept.
const COMPACT: [Tally; 3] = [Tally::From, Tally::To, Tally::Ip];
/// Takes the small counts of one kind out of one hour.
const SMALL: &str = "DELETE FROM tallies WHERE kind = $1 AND span = $2 AND name NOT IN (
        SELECT name FROM tallies WHERE kind = $1 AND span = $2 ORDER BY count DESC, name LIMIT $3)";
/// Adds up the hours of a day, for the kinds that `Tally::has_days`.
const SUMS: &str = "INSERT INTO tallies (span, kind, name, count)
    SELECT $1, kind || '/day', name, CAST(much AS BIGINT) FROM (
        SELECT kind, name, much, ROW_NUMBER() OVER (PARTITION BY kind ORDER BY much DESC, name) AS place FROM (
            SELECT kind, name, SUM(count) AS much FROM tallies
            WHERE kind IN ('from', 'to', 'ip', 'reason', 'level') AND span >= $1 AND span < $2 GROUP BY kind, name) AS sums) AS t
    WHERE place <= $3 OR kind IN ('reason', 'level')";

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tally {
    /// Messages by fate.
    Fate,
    /// Messages by level.
    Level,
    /// Messages by direction.
    Direction,
    /// Reasons, by name.
    Reason,
    /// Envelope senders.
    From,
    /// Recipients.
    To,
    /// Machines.
    Ip,
    /// Fates by domain of ours: `DOMAIN FATE`.
    DomainFate,
}

impl Tally {
    const ALL: [Self; 8] = [
        Self::Fate,
        Self::Level,
        Self::Direction,
        Self::Reason,
        Self::From,
        Self::To,
        Self::Ip,
        Self::DomainFate,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Fate => "fate",
            Self::Level => "level",
            Self::Direction => "direction",
            Self::Reason => "reason",
            Self::From => "from",
            Self::To => "to",
            Self::Ip => "ip",
            Self::DomainFate => "domain-fate",
        }
    }

    /// Are its days added up, for [`Store::top`]?
    const fn has_days(self) -> bool {
        matches!(
            self,
            Self::From | Self::To | Self::Ip | Self::Reason | Self::Level
        )
    }
}

/// The kind under which sums of days are kept.
fn day_kind(kind: Tally) -> String {
    format!("{}/day", kind.as_str())
}

/// Every kind of row there is. The key begins with the kind: a statement that names none reads the whole table.
fn kinds() -> Vec<String> {
    let hours = Tally::ALL.iter().map(|kind| kind.as_str().to_owned());
    let days = Tally::ALL.iter().copied().filter(|kind| kind.has_days());
    hours
        .chain(days.map(day_kind))
        .chain([CHANGED.to_owned()])
        .collect()
}

/// Counts of one kind.
pub(crate) type Counts = BTreeMap<(i64, &'static str, String), i64>;

/// Counts what these records are.
pub(crate) fn of(prepared: &[Prepared<'_>]) -> Counts {
    let mut counts = Counts::new();
    for one in prepared {
        count_one(one.record, one, &mut counts);
        counts
            .entry((day_of(one.record.at.secs()), CHANGED, String::new()))
            .or_insert(1);
    }
    counts
}

const fn day_of(secs: i64) -> i64 {
    secs.div_euclid(DAY_SECS) * DAY_SECS
}

fn count_one(record: &Record, one: &Prepared<'_>, counts: &mut Counts) {
    let span = record.at.secs().div_euclid(SPAN_SECS) * SPAN_SECS;
    let mut add = |kind: Tally, name: &str| {
        *counts
            .entry((span, kind.as_str(), storable(name.to_owned())))
            .or_default() += 1;
    };
    let envelope = &record.envelope;
    add(Tally::Fate, record.fate.as_str());
    add(Tally::Direction, envelope.direction.as_str());
    add(Tally::From, one.envelope_from.as_deref().unwrap_or("<>"));
    if let Some(ip) = &one.peer_ip {
        add(Tally::Ip, ip);
    }
    if let Some(verdict) = &record.verdict {
        add(Tally::Level, verdict.level.as_str());
        let mut names: Vec<&str> = verdict
            .reasons
            .iter()
            .map(|reason| reason.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names.iter().for_each(|name| add(Tally::Reason, name));
    }
    let mut domains: Vec<String> = Vec::new();
    for to in envelope.recipients.iter().take(20) {
        add(Tally::To, &to.key());
        if envelope.direction != Direction::Outbound {
            domains.extend(to.domain().map(|domain| domain.to_string()));
        }
    }
    if envelope.direction != Direction::Inbound
        && let Some(from) = &envelope.envelope_from
    {
        domains.extend(from.domain().map(|domain| domain.to_string()));
    }
    domains.sort_unstable();
    domains.dedup();
    for domain in &domains {
        add(
            Tally::DomainFate,
            &format!("{domain} {}", record.fate.as_str()),
        );
    }
}

/// Adds the counts of prepared records within a transaction.
macro_rules! count {
    ($tx:ident, $prepared:expr) => {{
        // In the order of their keys, so that two nodes never wait for each other.
        let counts: Vec<_> = $crate::tallies::of($prepared).into_iter().collect();
        for some in counts.chunks(10 * $crate::records::ROWS) {
            let mut insert = sqlx::QueryBuilder::new("INSERT INTO tallies (span, kind, name, count) ");
            insert.push_values(some, |mut row, ((span, kind, name), count)| {
                row.push_bind(*span).push_bind(*kind).push_bind(name.as_str()).push_bind(*count);
            });
            insert
                .push(" ON CONFLICT (kind, span, name) DO UPDATE SET count = tallies.count + excluded.count")
                .build()
                .execute(&mut *$tx)
                .await?;
        }
    }};
}
pub(crate) use count;

impl Store {
    /// Counts of one kind by hour: `(start of the hour, name, count)`, in time order.
    pub async fn tallies(
        &self,
        kind: Tally,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, String, u64)>, StoreError> {
        let sql = "SELECT span, name, count FROM tallies WHERE kind = $1 AND span >= $2 ORDER BY span, name";
        let span = since.secs().div_euclid(SPAN_SECS) * SPAN_SECS;
        let rows: Vec<(i64, String, i64)> = reading!(&self.db, pool => sqlx::query_as(sql).bind(kind.as_str()).bind(span).fetch_all(pool).await?);
        let read = |(span, name, count): (i64, String, i64)| {
            (Timestamp::from_secs(span), name, count as u64)
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// The largest of one kind since a point in time.
    pub async fn top(
        &self,
        kind: Tally,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT name, CAST(SUM(count) AS BIGINT) AS much FROM (
                SELECT name, count FROM tallies WHERE kind = $1 AND span >= $2 AND span < $3
                UNION ALL SELECT name, count FROM tallies WHERE kind = $4 AND span >= $3 AND span < $5
                UNION ALL SELECT name, count FROM tallies WHERE kind = $1 AND span >= $5) AS t
            GROUP BY name ORDER BY much DESC, name LIMIT $6";
        let span = since.secs().div_euclid(SPAN_SECS) * SPAN_SECS;
        let changed: Option<i64> = reading!(&self.db, pool => sqlx::query_scalar("SELECT MIN(span) FROM tallies WHERE kind = $1").bind(CHANGED).fetch_one(pool).await?);
        let first_day = day_of(span + DAY_SECS - 1);
        let hours_from = changed.unwrap_or(i64::MAX);
        let (first_day, hours_from) = if kind.has_days() && first_day < hours_from {
            (first_day, hours_from)
        } else {
            (span, span)
        };
        let day = day_kind(kind);
        let rows: Vec<(String, i64)> = reading!(&self.db, pool => sqlx::query_as(sql).bind(kind.as_str()).bind(span).bind(first_day).bind(day.as_str()).bind(hours_from).bind(i64::from(limit)).fetch_all(pool).await?);
        Ok(rows
            .into_iter()
            .map(|(name, count)| (name, count as u64))
            .collect())
    }

    /// Keeps the largest names of each hour that is over, and forgets hours before `forget`; how many rows went.
    pub async fn compact_tallies(
        &self,
        now: Timestamp,
        forget: Timestamp,
    ) -> Result<u64, StoreError> {
        let from: i64 = self
            .state(COMPACTED)
            .await?
            .and_then(|from| from.parse().ok())
            .unwrap_or(0);
        // An hour is over when its late records are in.
        let until = (now.secs() - 600).div_euclid(SPAN_SECS) * SPAN_SECS;
        if until <= from {
            return Ok(0);
        }
        let mut removed = 0;
        for kind in COMPACT {
            removed += self.compact_hours(kind, from, until).await?;
        }
        for kind in kinds() {
            removed += writing!(&self.db, tx => sqlx::query("DELETE FROM tallies WHERE kind = $1 AND span < $2").bind(kind.as_str()).bind(forget.secs()).execute(&mut *tx).await?.rows_affected());
        }
        self.add_up_days(day_of(until)).await?;
        self.set_state(COMPACTED, &until.to_string()).await?;
        Ok(removed)
    }

    /// Keeps the largest names of one kind in each hour of `from..until`, an hour at a time: what piled up over weeks
    /// takes longer than one statement may. How many rows went.
    async fn compact_hours(&self, kind: Tally, from: i64, until: i64) -> Result<u64, StoreError> {
        let first: Option<i64> = reading!(&self.db, pool => sqlx::query_scalar("SELECT MIN(span) FROM tallies WHERE kind = $1 AND span >= $2").bind(kind.as_str()).bind(from).fetch_one(pool).await?);
        let mut removed = 0;
        let mut span = first.unwrap_or(until);
        while span < until {
            removed += writing!(&self.db, tx => sqlx::query(SMALL).bind(kind.as_str()).bind(span).bind(KEPT).execute(&mut *tx).await?.rows_affected());
            span += SPAN_SECS;
        }
        Ok(removed)
    }

    /// Adds up every changed day before `today`.
    async fn add_up_days(&self, today: i64) -> Result<(), StoreError> {
        let days: Vec<i64> = reading!(&self.db, pool => sqlx::query_scalar("SELECT span FROM tallies WHERE kind = $1 AND span < $2 ORDER BY span").bind(CHANGED).bind(today).fetch_all(pool).await?);
        for day in days {
            // The mark goes first: a record counted at the same moment is either waited for, or makes a new mark.
            writing!(&self.db, tx => {
                sqlx::query("DELETE FROM tallies WHERE kind = $1 AND span = $2").bind(CHANGED).bind(day).execute(&mut *tx).await?;
                for kind in Tally::ALL.into_iter().filter(|kind| kind.has_days()) {
                    sqlx::query("DELETE FROM tallies WHERE kind = $1 AND span = $2").bind(day_kind(kind)).bind(day).execute(&mut *tx).await?;
                }
                sqlx::query(SUMS).bind(day).bind(day + DAY_SECS).bind(KEPT_OF_DAY).execute(&mut *tx).await?;
            });
        }
        Ok(())
    }
}
