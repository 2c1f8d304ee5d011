//! What users do, as it was told; what was seen in it, and what was decided. Found again by account, by address, by time.
//!
//! Rows are written in batches and never changed, but for decisions, which end. What they say is the engine's business.

use mail::{RecordId, Timestamp};

use crate::acts::insert_act;
use crate::db::{reading, writing};
use crate::records::storable;
use crate::{Act, Store, StoreError};

/// Where it is noted how far wishes are granted.
const GRANTED: &str = "wishes:granted";
/// Rows of one statement.
const ROWS: usize = 500;
/// Rows deleted in one statement: mail servers wait behind it.
const FORGOTTEN: i64 = 20_000;

/// Who something is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concerned {
    /// The account, in its compared form.
    pub account: Option<String>,
    /// The address, as text.
    pub ip: Option<String>,
    /// The mailbox strangers write to, in its compared form.
    pub mailbox: Option<String>,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRow {
    /// Its name, with when it was done.
    pub id: RecordId,
    /// What sort of thing.
    pub kind: String,
    /// By whom.
    pub who: Concerned,
    /// All of it, JSON.
    pub body: String,
}

/// Something seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectionRow {
    /// Its name, with when it was seen.
    pub id: RecordId,
    /// By which detector.
    pub detector: String,
    /// About whom.
    pub who: Concerned,
    /// Was it sure enough to do something?
    pub acts: bool,
    /// All of it, JSON.
    pub body: String,
}

/// Something decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    /// Its name, with when it was decided.
    pub id: RecordId,
    /// What is done.
    pub step: String,
    /// About whom.
    pub who: Concerned,
    /// Only written down.
    pub simulated: bool,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// When somebody ended it, and who.
    pub ended: Option<(Timestamp, String)>,
    /// All of it, JSON.
    pub body: String,
}

/// A batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// What was done.
    pub operations: Vec<OperationRow>,
    /// What was seen.
    pub detections: Vec<DetectionRow>,
    /// What was decided.
    pub decisions: Vec<DecisionRow>,
    /// What was ended: which decision, when, by whom.
    pub ended: Vec<(RecordId, Timestamp, String)>,
}

impl Watched {
    /// Is there nothing in it?
    pub const fn is_empty(&self) -> bool {
        self.operations.is_empty()
            && self.detections.is_empty()
            && self.decisions.is_empty()
            && self.ended.is_empty()
    }
}

/// Which rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchFilter {
    /// About these; an empty part is any.
    pub who: Concerned,
    /// Of this kind, by this detector, this step.
    pub what: Option<String>,
    /// Since then.
    pub since: Option<Timestamp>,
    /// Older than this one.
    pub before: Option<RecordId>,
    /// Of decisions: only those that stand at this time.
    pub standing_at: Option<Timestamp>,
    /// How many at most.
    pub limit: u32,
}

/// What somebody wants of the watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WishRow {
    /// Its place.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What, JSON.
    pub body: String,
}

type OperationColumns = (String, String, Option<String>, Option<String>, String);
type DetectionColumns = (
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    i64,
    String,
);
type DecisionColumns = (
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    i64,
    i64,
    Option<i64>,
    Option<String>,
    String,
);

/// A filter as values: since, before, account, ip, mailbox, what. An empty text is any.
struct Bounds {
    since: String,
    before: String,
    account: String,
    ip: String,
    mailbox: String,
    what: String,
    limit: i64,
}

impl Bounds {
    fn of(filter: &WatchFilter) -> Self {
        let since = filter.since.unwrap_or(Timestamp(0));
        let text = |of: &Option<String>| storable(of.clone().unwrap_or_default());
        Self {
            since: RecordId::first_at(since).to_string(),
            // Behind every name there is.
            before: filter
                .before
                .map_or_else(|| "~".to_owned(), |id| id.to_string()),
            account: text(&filter.who.account),
            ip: text(&filter.who.ip),
            mailbox: text(&filter.who.mailbox),
            what: text(&filter.what),
            limit: i64::from(filter.limit.clamp(1, 10_000)),
        }
    }

    /// Conditions on an identity that is asked for, so that its index is used.
    fn conditions(&self, columns: &[&str]) -> String {
        let asked = [
            ("account", &self.account, "$3"),
            ("ip", &self.ip, "$4"),
            ("mailbox", &self.mailbox, "$5"),
        ];
        let mut sql = String::from("id >= $1 AND id < $2");
        for (column, value, number) in asked {
            // What is not asked for is named all the same: each number must stand somewhere.
            let condition = if value.is_empty() || !columns.contains(&column) {
                format!(" AND {number} = {number}")
            } else {
                format!(" AND {column} = {number}")
            };
            sql.push_str(&condition);
        }
        sql
    }
}

macro_rules! bound {
    ($query:expr, $bounds:expr) => {
        $query
            .bind($bounds.since.as_str())
            .bind($bounds.before.as_str())
            .bind($bounds.account.as_str())
            .bind($bounds.ip.as_str())
            .bind($bounds.mailbox.as_str())
            .bind($bounds.what.as_str())
            .bind($bounds.limit)
    };
}

impl Store {
    /// Writes a batch, all of it or nothing. What is there already stays as it is.
    pub async fn write_watched(&self, batch: &Watched) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        writing!(&self.db, tx => {
            for some in batch.operations.chunks(ROWS) {
                let mut insert = sqlx::QueryBuilder::new("INSERT INTO operations (id, kind, account, ip, body) ");
                insert.push_values(some, |mut row, one| {
                    row.push_bind(one.id.to_string())
                        .push_bind(one.kind.as_str())
                        .push_bind(one.who.account.clone().map(storable))
                        .push_bind(one.who.ip.as_deref())
                        .push_bind(storable(one.body.clone()));
                });
                insert.push(" ON CONFLICT DO NOTHING").build().execute(&mut *tx).await?;
            }
            for some in batch.detections.chunks(ROWS) {
                let mut insert = sqlx::QueryBuilder::new("INSERT INTO detections (id, detector, account, ip, mailbox, acts, body) ");
                insert.push_values(some, |mut row, one| {
                    row.push_bind(one.id.to_string())
                        .push_bind(one.detector.as_str())
                        .push_bind(one.who.account.clone().map(storable))
                        .push_bind(one.who.ip.as_deref())
                        .push_bind(one.who.mailbox.clone().map(storable))
                        .push_bind(i64::from(one.acts))
                        .push_bind(storable(one.body.clone()));
                });
                insert.push(" ON CONFLICT DO NOTHING").build().execute(&mut *tx).await?;
            }
            for some in batch.decisions.chunks(ROWS) {
                let mut insert = sqlx::QueryBuilder::new("INSERT INTO decisions (id, step, account, ip, mailbox, simulated, expires, body) ");
                insert.push_values(some, |mut row, one| {
                    row.push_bind(one.id.to_string())
                        .push_bind(one.step.as_str())
                        .push_bind(one.who.account.clone().map(storable))
                        .push_bind(one.who.ip.as_deref())
                        .push_bind(one.who.mailbox.clone().map(storable))
                        .push_bind(i64::from(one.simulated))
                        .push_bind(one.expires.0)
                        .push_bind(storable(one.body.clone()));
                });
                insert.push(" ON CONFLICT DO NOTHING").build().execute(&mut *tx).await?;
            }
            for (id, at, who) in &batch.ended {
                sqlx::query("UPDATE decisions SET ended = $1, ended_by = $2 WHERE id = $3 AND ended IS NULL")
                    .bind(at.0)
                    .bind(storable(who.clone()))
                    .bind(id.to_string())
                    .execute(&mut *tx)
                    .await?;
            }
        });
        Ok(())
    }

    /// Operations, the newest first.
    pub async fn operations(&self, filter: &WatchFilter) -> Result<Vec<OperationRow>, StoreError> {
        let bounds = Bounds::of(filter);
        let sql = format!(
            "SELECT id, kind, account, ip, body FROM operations WHERE {} AND ($6 = '' OR kind = $6) ORDER BY id DESC LIMIT $7",
            bounds.conditions(&["account", "ip"])
        );
        let rows: Vec<OperationColumns> = reading!(&self.db, pool => bound!(sqlx::query_as(sqlx::AssertSqlSafe(sql)), bounds).fetch_all(pool).await?);
        Ok(rows.into_iter().filter_map(operation).collect())
    }

    /// Operations behind one, in the order they were done.
    pub async fn operations_after(
        &self,
        after: RecordId,
        limit: u32,
    ) -> Result<Vec<OperationRow>, StoreError> {
        let sql =
            "SELECT id, kind, account, ip, body FROM operations WHERE id > $1 ORDER BY id LIMIT $2";
        let rows: Vec<OperationColumns> = reading!(&self.db, pool => sqlx::query_as(sql).bind(after.to_string()).bind(i64::from(limit)).fetch_all(pool).await?);
        Ok(rows.into_iter().filter_map(operation).collect())
    }

    /// Detections, the newest first.
    pub async fn detections(&self, filter: &WatchFilter) -> Result<Vec<DetectionRow>, StoreError> {
        let bounds = Bounds::of(filter);
        let sql = format!(
            "SELECT id, detector, account, ip, mailbox, acts, body FROM detections WHERE {} AND ($6 = '' OR detector = $6) ORDER BY id DESC LIMIT $7",
            bounds.conditions(&["account", "ip", "mailbox"])
        );
        let rows: Vec<DetectionColumns> = reading!(&self.db, pool => bound!(sqlx::query_as(sqlx::AssertSqlSafe(sql)), bounds).fetch_all(pool).await?);
        let read = |(id, detector, account, ip, mailbox, acts, body): DetectionColumns| {
            Some(DetectionRow {
                id: RecordId::parse(&id)?,
                detector,
                who: Concerned {
                    account,
                    ip,
                    mailbox,
                },
                acts: acts != 0,
                body,
            })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Decisions, the newest first.
    pub async fn decisions(&self, filter: &WatchFilter) -> Result<Vec<DecisionRow>, StoreError> {
        let bounds = Bounds::of(filter);
        let standing = if filter.standing_at.is_some() {
            "expires > $8 AND ended IS NULL"
        } else {
            "$8 >= 0"
        };
        let sql = format!(
            "SELECT id, step, account, ip, mailbox, simulated, expires, ended, ended_by, body FROM decisions WHERE {} AND ($6 = '' OR step = $6) AND {standing} ORDER BY id DESC LIMIT $7",
            bounds.conditions(&["account", "ip", "mailbox"])
        );
        let at = filter.standing_at.map_or(0, |at| at.0);
        let rows: Vec<DecisionColumns> = reading!(&self.db, pool => bound!(sqlx::query_as(sqlx::AssertSqlSafe(sql)), bounds).bind(at).fetch_all(pool).await?);
        Ok(rows.into_iter().filter_map(decision).collect())
    }

    /// One decision.
    pub async fn decision(&self, id: RecordId) -> Result<Option<DecisionRow>, StoreError> {
        let sql = "SELECT id, step, account, ip, mailbox, simulated, expires, ended, ended_by, body FROM decisions WHERE id = $1";
        let row: Option<DecisionColumns> = reading!(&self.db, pool => sqlx::query_as(sql).bind(id.to_string()).fetch_optional(pool).await?);
        Ok(row.and_then(decision))
    }

    /// Enters what somebody wants of the watch, with the act it is; its place.
    pub async fn add_wish(&self, body: &str, act: &Act) -> Result<i64, StoreError> {
        let seq = writing!(&self.db, tx => {
            // The lock of the log of acts orders wishes, too.
            insert_act!(self, tx, act);
            let last: Option<i64> = sqlx::query_scalar("SELECT MAX(seq) FROM wishes").fetch_one(&mut *tx).await?;
            let seq = last.unwrap_or(0) + 1;
            sqlx::query("INSERT INTO wishes (seq, at, who, body) VALUES ($1, $2, $3, $4)")
                .bind(seq)
                .bind(act.at.0)
                .bind(storable(act.who.clone()))
                .bind(storable(body.to_owned()))
                .execute(&mut *tx)
                .await?;
            seq
        });
        Ok(seq)
    }

    /// Removes wishes; how many. The newest stays whatever is said, for the next one is numbered by it.
    pub async fn remove_wishes(&self, places: &[i64]) -> Result<u64, StoreError> {
        let sql = "DELETE FROM wishes WHERE seq = $1 AND seq < (SELECT MAX(seq) FROM wishes)";
        let removed = writing!(&self.db, tx => {
            let mut removed = 0;
            for place in places {
                removed += sqlx::query(sql).bind(place).execute(&mut *tx).await?.rows_affected();
            }
            removed
        });
        Ok(removed)
    }

    /// Wishes behind a place, in order.
    pub async fn wishes_after(&self, seq: i64) -> Result<Vec<WishRow>, StoreError> {
        let sql = "SELECT seq, at, who, body FROM wishes WHERE seq > $1 ORDER BY seq LIMIT 1000";
        let rows: Vec<(i64, i64, String, String)> =
            reading!(&self.db, pool => sqlx::query_as(sql).bind(seq).fetch_all(pool).await?);
        let read = |(seq, at, who, body)| WishRow {
            seq,
            at: Timestamp(at),
            who,
            body,
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Notes that a node has granted all wishes up to a place.
    pub async fn grant_wish(&self, seq: i64) -> Result<(), StoreError> {
        self.set_state(GRANTED, &seq.to_string()).await
    }

    /// Up to which place a node has granted wishes.
    pub async fn granted_wish(&self) -> Result<i64, StoreError> {
        let granted = self.state(GRANTED).await?;
        Ok(granted.and_then(|seq| seq.parse().ok()).unwrap_or(0))
    }

    /// Forgets operations, detections, and decisions that ended before; how many.
    pub async fn forget_watched(&self, before: Timestamp) -> Result<u64, StoreError> {
        let first = RecordId::first_at(before).to_string();
        let mut forgotten = 0;
        for table in ["operations", "detections"] {
            let sql = format!(
                "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id < $1 ORDER BY id LIMIT $2)"
            );
            forgotten += writing!(&self.db, tx => sqlx::query(sqlx::AssertSqlSafe(sql)).bind(first.as_str()).bind(FORGOTTEN).execute(&mut *tx).await?.rows_affected());
        }
        let sql = "DELETE FROM decisions WHERE expires < $1 AND id < $2";
        forgotten += writing!(&self.db, tx => sqlx::query(sql).bind(before.0).bind(first.as_str()).execute(&mut *tx).await?.rows_affected());
        Ok(forgotten)
    }
}

fn operation((id, kind, account, ip, body): OperationColumns) -> Option<OperationRow> {
    Some(OperationRow {
        id: RecordId::parse(&id)?,
        kind,
        who: Concerned {
            account,
            ip,
            mailbox: None,
        },
        body,
    })
}

fn decision(columns: DecisionColumns) -> Option<DecisionRow> {
    let (id, step, account, ip, mailbox, simulated, expires, ended, ended_by, body) = columns;
    Some(DecisionRow {
        id: RecordId::parse(&id)?,
        step,
        who: Concerned {
            account,
            ip,
            mailbox,
        },
        simulated: simulated != 0,
        expires: Timestamp(expires),
        ended: ended.map(|at| (Timestamp(at), ended_by.unwrap_or_default())),
        body,
    })
}
