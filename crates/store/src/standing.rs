//! What nodes tell each other about domains' standing, and what a new process begins with: rows in one order for all nodes.
//!
//! A row is what one node came to know since its last one. Now and then the rows up to some place are replaced by one that holds
//! them all ([`Store::fold_standing`]); whoever has not read them by then begins again from it. What a row says is the engine's business.

use mail::Timestamp;

use crate::db::{reading, writing};
use crate::{Store, StoreError};

/// Rows read in one go.
const ROWS_MAX: i64 = 10_000;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingRow {
    /// Its place.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
    /// By which node.
    pub node: String,
    /// Does it hold everything up to its place?
    pub whole: bool,
    /// What it says.
    pub body: String,
}

impl Store {
    /// Appends a row; its place.
    pub async fn append_standing(
        &self,
        at: Timestamp,
        node: &str,
        body: &str,
    ) -> Result<i64, StoreError> {
        let insert = "INSERT INTO standing (seq, at, node, whole, body) VALUES ($1, $2, $3, 0, $4)";
        let seq = writing!(&self.db, tx => {
            if matches!(self.db, crate::db::Db::Pg(_)) {
                // One writer at a time, so that places are seen in their order. SQLite has only one writer anyway.
                sqlx::query("SELECT pg_advisory_xact_lock(7727)").execute(&mut *tx).await?;
            }
            let last: Option<i64> = sqlx::query_scalar("SELECT MAX(seq) FROM standing").fetch_one(&mut *tx).await?;
            let seq = last.unwrap_or(0) + 1;
            sqlx::query(insert).bind(seq).bind(at.0).bind(node).bind(body).execute(&mut *tx).await?;
            seq
        });
        Ok(seq)
    }

    /// Rows behind a place, in order.
    pub async fn standing_after(&self, seq: i64) -> Result<Vec<StandingRow>, StoreError> {
        let sql =
            "SELECT seq, at, node, whole, body FROM standing WHERE seq > $1 ORDER BY seq LIMIT $2";
        let rows: Vec<(i64, i64, String, i64, String)> = reading!(&self.db, pool => sqlx::query_as(sql).bind(seq).bind(ROWS_MAX).fetch_all(pool).await?);
        let read = |(seq, at, node, whole, body)| StandingRow {
            seq,
            at: Timestamp(at),
            node,
            whole: whole != 0,
            body,
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Replaces all rows up to a place by one that says the same.
    pub async fn fold_standing(
        &self,
        upto: i64,
        at: Timestamp,
        node: &str,
        body: &str,
    ) -> Result<(), StoreError> {
        let insert = "INSERT INTO standing (seq, at, node, whole, body) VALUES ($1, $2, $3, 1, $4)";
        writing!(&self.db, tx => {
            sqlx::query("DELETE FROM standing WHERE seq <= $1").bind(upto).execute(&mut *tx).await?;
            sqlx::query(insert).bind(upto).bind(at.0).bind(node).bind(body).execute(&mut *tx).await?;
        });
        Ok(())
    }
}
