//! What administrators did. Append-only: there is no method that changes or removes one but age.

use mail::Timestamp;
use serde::Serialize;

use crate::db::{reading, writing};
use crate::{Store, StoreError};

/// One act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// From where.
    pub from: String,
    /// `release`, `delete`, `policy`, …
    pub act: String,
    /// On what.
    pub target: String,
    /// Why, in the administrator's words.
    pub reason: String,
    /// What it was before.
    pub before: String,
    /// What it was after.
    pub after: String,
}

/// Writes an act into a transaction, beside what it changes.
macro_rules! insert_act {
    ($tx:ident, $act:expr) => {{
        let act: &$crate::Act = $act;
        sqlx::query("INSERT INTO acts (id, at, who, place, act, target, reason, state_before, state_after) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .bind(mail::RecordId::random(act.at).to_string())
            .bind(act.at.0)
            .bind($crate::records::storable(act.who.clone()))
            .bind($crate::records::storable(act.from.clone()))
            .bind(&act.act)
            .bind($crate::records::storable(act.target.clone()))
            .bind($crate::records::storable(act.reason.clone()))
            .bind(&act.before)
            .bind(&act.after)
            .execute(&mut *$tx)
            .await?;
    }};
}
pub(crate) use insert_act;

impl Store {
    /// Records an act that changes nothing kept here.
    pub async fn append_act(&self, act: &Act) -> Result<(), StoreError> {
        writing!(&self.db, tx => insert_act!(tx, act));
        Ok(())
    }

    /// The newest acts.
    pub async fn acts(&self, limit: u32) -> Result<Vec<Act>, StoreError> {
        let sql = "SELECT at, who, place, act, target, reason, state_before, state_after FROM acts ORDER BY id DESC LIMIT $1";
        type Row = (i64, String, String, String, String, String, String, String);
        let rows: Vec<Row> = reading!(&self.db, pool => sqlx::query_as(sql).bind(i64::from(limit)).fetch_all(pool).await?);
        let read = |(at, who, from, act, target, reason, before, after): Row| Act {
            at: Timestamp(at),
            who,
            from,
            act,
            target,
            reason,
            before,
            after,
        };
        Ok(rows.into_iter().map(read).collect())
    }
}
