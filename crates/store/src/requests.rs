//! What needs a second person, and answers that are given again instead of acting twice.

use mail::{RecordId, Timestamp};
use serde::Serialize;

use crate::acts::{Act, insert_act};
use crate::db::{reading, writing};
use crate::{Store, StoreError};

/// Where a request is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestState {
    /// Waits for a second person.
    Open,
    /// Allowed.
    Approved,
    /// Not allowed.
    Refused,
    /// Allowed, and done.
    Used,
}

impl RequestState {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Used => "used",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Approved, Self::Refused, Self::Used]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// What one person asks another to allow; also a person's own note that they may read a message now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Its name.
    pub id: RecordId,
    /// When it was asked.
    pub at: Timestamp,
    /// Who asks.
    pub who: String,
    /// What: `read`, `release`, …
    pub act: String,
    /// On what; of several, separated by spaces.
    pub target: String,
    /// Why.
    pub reason: String,
    /// Where it is in its life.
    pub state: RequestState,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// Until when an approval is good.
    pub until: Option<Timestamp>,
}

const COLUMNS: &str = "id, at, who, act, target, reason, state, decided_by, decided_at, until";

type Row = (
    String,
    i64,
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    Option<i64>,
    Option<i64>,
);

fn request(row: Row) -> Result<Request, StoreError> {
    let (id, at, who, act, target, reason, state, decided_by, decided_at, until) = row;
    let damaged =
        |what: &str| StoreError::Corrupt(format!("request {id:?} has no readable {what}"));
    Ok(Request {
        id: RecordId::parse(&id).ok_or_else(|| damaged("id"))?,
        at: Timestamp(at),
        who,
        act,
        target,
        reason,
        state: RequestState::parse(&state).ok_or_else(|| damaged("state"))?,
        decided_by,
        decided_at: decided_at.map(Timestamp),
        until: until.map(Timestamp),
    })
}

impl Store {
    /// Enters a request.
    pub async fn add_request(&self, new: &Request, act: &Act) -> Result<(), StoreError> {
        let text = |text: &String| crate::records::storable(text.clone());
        writing!(&self.db, tx => {
            sqlx::query("INSERT INTO requests (id, at, who, act, target, reason, state, decided_by, decided_at, until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
                .bind(new.id.to_string()).bind(new.at.0).bind(&new.who).bind(&new.act).bind(text(&new.target)).bind(text(&new.reason)).bind(new.state.as_str())
                .bind(&new.decided_by).bind(new.decided_at.map(|at| at.0)).bind(new.until.map(|at| at.0))
                .execute(&mut *tx).await?;
            insert_act!(self, tx, act);
        });
        Ok(())
    }

    /// Requests, open ones first, newest first.
    pub async fn requests(&self, limit: u32) -> Result<Vec<Request>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM requests ORDER BY CASE state WHEN 'open' THEN 0 ELSE 1 END, id DESC LIMIT $1"
        );
        let rows: Vec<Row> = reading!(&self.db, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(i64::from(limit)).fetch_all(pool).await?);
        rows.into_iter().map(request).collect()
    }

    /// One request.
    pub async fn request(&self, id: RecordId) -> Result<Option<Request>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM requests WHERE id = $1");
        let row: Option<Row> = reading!(&self.db, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(pool).await?);
        row.map(request).transpose()
    }

    /// A person's newest request for an act on a target.
    pub async fn last_request(
        &self,
        who: &str,
        act: &str,
        target: &str,
    ) -> Result<Option<Request>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM requests WHERE who = $1 AND act = $2 AND target = $3 ORDER BY id DESC LIMIT 1"
        );
        let row: Option<Row> = reading!(&self.db, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(who).bind(act).bind(target).fetch_optional(pool).await?);
        row.map(request).transpose()
    }

    /// Decides an open request; false when it was decided already.
    pub async fn decide_request(
        &self,
        id: RecordId,
        state: RequestState,
        until: Timestamp,
        act: &Act,
    ) -> Result<bool, StoreError> {
        let done = writing!(&self.db, tx => {
            let done = sqlx::query("UPDATE requests SET state = $2, decided_by = $3, decided_at = $4, until = $5 WHERE id = $1 AND state = 'open'")
                .bind(id.to_string()).bind(state.as_str()).bind(&act.who).bind(act.at.0).bind(until.0).execute(&mut *tx).await?.rows_affected() > 0;
            if done {
                insert_act!(self, tx, act);
            }
            done
        });
        Ok(done)
    }

    /// Uses an approval: true once.
    pub async fn use_request(&self, id: RecordId, now: Timestamp) -> Result<bool, StoreError> {
        let done = writing!(&self.db, tx => sqlx::query("UPDATE requests SET state = 'used' WHERE id = $1 AND state = 'approved' AND until > $2").bind(id.to_string()).bind(now.0).execute(&mut *tx).await?.rows_affected());
        Ok(done > 0)
    }

    /// The answer given to the same key before, with what was asked then.
    pub async fn answer(&self, key: &str) -> Result<Option<(String, u16, String)>, StoreError> {
        let sql = "SELECT digest, status, body FROM answers WHERE key = $1";
        let row: Option<(String, i64, String)> =
            reading!(&self.db, pool => sqlx::query_as(sql).bind(key).fetch_optional(pool).await?);
        Ok(row.map(|(digest, status, body)| (digest, status as u16, body)))
    }

    /// Keeps a key for one who is about to act; false when another has it.
    pub async fn claim_answer(
        &self,
        key: &str,
        digest: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = writing!(&self.db, tx => sqlx::query("INSERT INTO answers (key, at, digest, status, body) VALUES ($1, $2, $3, 0, '') ON CONFLICT DO NOTHING").bind(key).bind(now.0).bind(digest).execute(&mut *tx).await?.rows_affected());
        Ok(done > 0)
    }

    /// Keeps the answer that was given; `None` lets the key go, because nothing was done.
    pub async fn keep_answer(
        &self,
        key: &str,
        answer: Option<(u16, &str)>,
    ) -> Result<(), StoreError> {
        writing!(&self.db, tx => {
            match answer {
                Some((status, body)) => sqlx::query("UPDATE answers SET status = $2, body = $3 WHERE key = $1").bind(key).bind(i64::from(status)).bind(crate::records::storable(body.to_owned())).execute(&mut *tx).await?,
                None => sqlx::query("DELETE FROM answers WHERE key = $1").bind(key).execute(&mut *tx).await?,
            };
        });
        Ok(())
    }
}
