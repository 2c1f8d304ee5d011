//! The end of keeping: each kind of record has its time, and the quarantine its own.

use std::fmt;

use mail::{Fate, RecordId, Timestamp};

use crate::acts::{Act, insert_act};
use crate::db::{reading, writing};
use crate::records::forget_quotes;
use crate::{Store, StoreError, terms};

/// Rows removed in one transaction, so that nobody waits long behind it.
const BATCH: i64 = 1000;
/// Transactions per sweep; the rest waits for the next one.
const BATCHES_MAX: usize = 200;

/// Days that counts by the hour are kept: a year can be compared with the one before.
const TALLIES_DAYS: u32 = 800;

/// Days that others' reports are kept: they only count, and a year can be compared with the one before.
const REPORTS_DAYS: u32 = 400;
/// Days that reports about single messages are kept.
const FEEDBACK_DAYS: u32 = 30;
/// Days that operations are kept, and what was seen and decided in them: who did what is personal.
const WATCHED_DAYS: u32 = 30;

/// Days that it is known what was called back, and so can be put back.
const RECALLS_DAYS: u32 = 90;

/// How many days things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// By fate.
    pub records: Vec<(Fate, u32)>,
    /// Facts beside records.
    pub facts_days: u32,
    /// Acts.
    pub acts_days: u32,
    /// Held messages.
    pub held_days: u32,
    /// What the learner saw of messages.
    pub sights_days: u32,
}

/// What a sweep removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Records.
    pub records: u64,
    /// Facts taken from records that stay.
    pub facts: u64,
    /// Held messages that expired.
    pub expired: u64,
    /// Releases that were cut off and put right.
    pub releases: u64,
    /// Acts.
    pub acts: u64,
    /// Bodies without a row.
    pub orphans: u64,
    /// Rows of counts that were too small or too old.
    pub tallies: u64,
    /// Reports of others.
    pub reports: u64,
    /// Operations, detections and decisions.
    pub watched: u64,
    /// What the learner saw of messages, and what it asked.
    pub sights: u64,
    /// Sessions, links, answers and recalls whose time is over.
    pub leftovers: u64,
}

impl Swept {
    /// Was there nothing to do?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            records,
            facts,
            expired,
            releases,
            acts,
            orphans,
            tallies,
            reports,
            watched,
            sights,
            leftovers,
        } = self;
        write!(
            f,
            "{records} records, {facts} facts, {acts} acts removed; {expired} held messages expired, {releases} cut-off releases settled, {orphans} orphaned bodies, {tallies} counts, {reports} reports, {watched} rows of what users did, {sights} sights of the learner, {leftovers} ended sessions and links removed"
        )
    }
}

impl Store {
    /// Removes what is past its time, settles releases that were cut off, and sweeps bodies nobody knows.
    pub async fn sweep(&self, now: Timestamp, retention: &Retention) -> Result<Swept, StoreError> {
        let mut swept = Swept {
            releases: self.settle_releases(now).await?,
            ..Swept::default()
        };
        swept.expired = self.expire(now, retention.held_days).await?;
        for (fate, days) in &retention.records {
            let until = RecordId::first_at(days_ago(now, *days)).to_string();
            swept.records += self.remove_records(*fate, &until).await?;
        }
        let until = RecordId::first_at(days_ago(now, retention.facts_days)).to_string();
        swept.facts = self.batches("UPDATE records SET facts = NULL WHERE id IN (SELECT id FROM records WHERE facts IS NOT NULL AND id < $1 ORDER BY id LIMIT $2)", &until).await?;
        swept.acts = self.remove_acts(days_ago(now, retention.acts_days)).await?;
        swept.tallies = self
            .compact_tallies(now, days_ago(now, TALLIES_DAYS))
            .await?;
        swept.reports = self
            .remove_reports(days_ago(now, REPORTS_DAYS), days_ago(now, FEEDBACK_DAYS))
            .await?;
        swept.watched = self.forget_watched(days_ago(now, WATCHED_DAYS)).await?;
        swept.sights = self
            .forget_sights(days_ago(now, retention.sights_days))
            .await?;
        swept.leftovers = self.sweep_leftovers(now).await?
            + self.forget_recalls(days_ago(now, RECALLS_DAYS)).await?;
        swept.orphans = self.sweep_bodies().await?;
        Ok(swept)
    }

    /// Expires held messages nobody decided about.
    pub async fn expire(&self, now: Timestamp, days: u32) -> Result<u64, StoreError> {
        let until = RecordId::first_at(days_ago(now, days)).to_string();
        let sql = "SELECT id FROM quarantine WHERE state = 'held' AND id < $1 ORDER BY id LIMIT $2";
        let ids: Vec<String> = reading!(&self.db, pool => sqlx::query_scalar(sql).bind(&until).bind(BATCH).fetch_all(pool).await?);
        let mut expired = 0;
        for id in ids {
            let done = writing!(&self.db, tx => {
                let done = sqlx::query("UPDATE quarantine SET state = 'expired', changed_at = $2 WHERE id = $1 AND state = 'held'").bind(&id).bind(now.0).execute(&mut *tx).await?;
                let done = done.rows_affected() > 0;
                if done {
                    let act = by_itself(now, "expire", &id, "held", "expired", &format!("nobody decided within {days} days"));
                    insert_act!(self, tx, &act);
                    forget_quotes!(tx, &id);
                }
                done
            });
            if let (true, Some(id)) = (done, RecordId::parse(&id)) {
                expired += 1;
                self.bodies.remove(id).await?;
            }
        }
        Ok(expired)
    }

    /// A release whose process died: once its mark has run out, the mark tells whether the server has the message.
    async fn settle_releases(&self, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT q.id, CAST(COALESCE(SUM(CASE WHEN m.used_at IS NULL THEN 0 ELSE 1 END), 0) AS BIGINT) FROM quarantine q LEFT JOIN marks m ON m.item_id = q.id
                   WHERE q.state = 'releasing' AND q.changed_at < $1 GROUP BY q.id HAVING COALESCE(MAX(m.expires), 0) < $2";
        let stuck: Vec<(String, i64)> = reading!(&self.db, pool => sqlx::query_as(sql).bind(now.plus_secs(-60).0).bind(now.0).fetch_all(pool).await?);
        let mut settled = 0;
        for (id, used) in stuck {
            let after = if used > 0 { "released" } else { "held" };
            let done = writing!(&self.db, tx => {
                let done = sqlx::query("UPDATE quarantine SET state = $2, changed_at = $3 WHERE id = $1 AND state = 'releasing'").bind(&id).bind(after).bind(now.0).execute(&mut *tx).await?;
                let done = done.rows_affected() > 0;
                if done {
                    let act = by_itself(now, "release", &id, "releasing", after, "the release was cut off; its mark tells how far it came");
                    insert_act!(self, tx, &act);
                    if used > 0 {
                        forget_quotes!(tx, &id);
                    }
                }
                done
            });
            settled += u64::from(done);
            if let (true, true, Some(id)) = (done, used > 0, RecordId::parse(&id)) {
                self.bodies.remove(id).await?;
            }
        }
        Ok(settled)
    }

    async fn remove_records(&self, fate: Fate, until: &str) -> Result<u64, StoreError> {
        let mut removed = 0;
        for _ in 0..BATCHES_MAX {
            // A record whose message is still held stays: it tells why.
            let sql = "SELECT id FROM records WHERE fate = $1 AND id < $2 AND id NOT IN (SELECT id FROM quarantine WHERE state IN ('held', 'releasing')) ORDER BY id LIMIT $3";
            let ids: Vec<String> = reading!(&self.db, pool => sqlx::query_scalar(sql).bind(fate.as_str()).bind(until).bind(BATCH).fetch_all(pool).await?);
            if ids.is_empty() {
                break;
            }
            // A record's terms are computed again rather than searched for.
            let records = self.summaries(&ids).await?;
            writing!(&self.db, tx => for record in &records {
                let id = record.id.to_string();
                for terms in terms::of(record).chunks(200) {
                    let terms: Vec<String> = terms.iter().map(ToString::to_string).collect();
                    let sql = format!("DELETE FROM terms WHERE record_id = $1 AND term IN ({})", terms.join(", "));
                    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&id).execute(&mut *tx).await?;
                }
                for sql in [
                    "DELETE FROM held_for WHERE item_id = $1",
                    "DELETE FROM marks WHERE item_id = $1",
                    "DELETE FROM quarantine WHERE id = $1",
                    "DELETE FROM records WHERE id = $1",
                ] {
                    sqlx::query(sql).bind(&id).execute(&mut *tx).await?;
                }
            });
            removed += ids.len() as u64;
        }
        Ok(removed)
    }

    async fn batches(&self, sql: &'static str, until: &str) -> Result<u64, StoreError> {
        let mut changed = 0;
        for _ in 0..BATCHES_MAX {
            let done = writing!(&self.db, tx => sqlx::query(sql).bind(until).bind(BATCH).execute(&mut *tx).await?.rows_affected());
            changed += done;
            if done < BATCH as u64 {
                break;
            }
        }
        Ok(changed)
    }

    /// Removes bodies that no open item has.
    async fn sweep_bodies(&self) -> Result<u64, StoreError> {
        let mut orphans = 0;
        for id in self.bodies.settled().await? {
            let sql =
                "SELECT COUNT(*) FROM quarantine WHERE id = $1 AND state IN ('held', 'releasing')";
            let known: i64 = reading!(&self.db, pool => sqlx::query_scalar(sql).bind(id.to_string()).fetch_one(pool).await?);
            if known == 0 {
                self.bodies.remove(id).await?;
                orphans += 1;
            }
        }
        Ok(orphans)
    }
}

fn days_ago(now: Timestamp, days: u32) -> Timestamp {
    now.plus_secs(-i64::from(days) * 86_400)
}

/// What the service does by itself is told like what people do.
fn by_itself(
    at: Timestamp,
    act: &str,
    target: &str,
    before: &str,
    after: &str,
    reason: &str,
) -> Act {
    Act {
        at,
        who: "mailvigil".to_owned(),
        from: "retention".to_owned(),
        act: act.to_owned(),
        target: target.to_owned(),
        reason: reason.to_owned(),
        before: before.to_owned(),
        after: after.to_owned(),
    }
}
