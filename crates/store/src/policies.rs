//! Policy versions: append-only texts, the newest is in force.

use mail::Timestamp;
use serde::Serialize;

use crate::acts::{Act, insert_act};
use crate::db::{reading, writing};
use crate::{Store, StoreError};

/// A version to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPolicy {
    /// The document.
    pub text: String,
    /// Who made it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// The version it was made from. When another is in force by now, it is refused.
    pub base: Option<i64>,
}

/// A version, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyVersion {
    /// Its number.
    pub version: i64,
    /// The version that was in force before.
    pub base: Option<i64>,
    /// When it came into force.
    pub at: Timestamp,
    /// Who made it.
    pub author: String,
    /// Why.
    pub reason: String,
}

impl Store {
    /// Adds a version and puts it in force; returns its number.
    pub async fn add_policy(&self, new: &NewPolicy, act: &Act) -> Result<i64, StoreError> {
        let added = writing!(&self.db, tx => {
            let active: Option<i64> = sqlx::query_scalar("SELECT MAX(version) FROM policies").fetch_one(&mut *tx).await?;
            match (new.base, active) {
                (Some(base), Some(active)) if base != active => {
                    Err(StoreError::Conflict(format!("version {active} is in force by now, this was made from {base}: look at `mailvigil policy diff {base} {active}` and apply again")))
                }
                _ => {
                    let version = active.unwrap_or(0) + 1;
                    // Of two that come at the same moment, the primary key lets one in.
                    let done = sqlx::query("INSERT INTO policies (version, base, at, author, reason, text) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING")
                        .bind(version)
                        .bind(active)
                        .bind(new.at.0)
                        .bind(&new.author)
                        .bind(&new.reason)
                        .bind(&new.text)
                        .execute(&mut *tx)
                        .await?;
                    if done.rows_affected() == 0 {
                        Err(StoreError::Conflict("another version came at the same moment; look at it and apply again".to_owned()))
                    } else {
                        let mut act = act.clone();
                        act.target = format!("version {version}");
                        act.before = active.map(|active| format!("version {active}")).unwrap_or_default();
                        act.after = act.target.clone();
                        insert_act!(self, tx, &act);
                        Ok(version)
                    }
                }
            }
        });
        self.policy_bell.notify_one();
        added
    }

    /// Returns when this process has put a policy in force, so that nobody waits for the next look at the store.
    pub async fn policy_changed(&self) {
        self.policy_bell.notified().await;
    }

    /// The version in force and its text.
    pub async fn active_policy(&self) -> Result<Option<(i64, String)>, StoreError> {
        let sql = "SELECT version, text FROM policies ORDER BY version DESC LIMIT 1";
        Ok(reading!(&self.db, pool => sqlx::query_as(sql).fetch_optional(pool).await?))
    }

    /// The number of the version in force: cheap enough to ask several times a second.
    pub async fn active_policy_version(&self) -> Result<Option<i64>, StoreError> {
        Ok(
            reading!(&self.db, pool => sqlx::query_scalar("SELECT MAX(version) FROM policies").fetch_one(pool).await?),
        )
    }

    /// The text of a version.
    pub async fn policy_text(&self, version: i64) -> Result<Option<String>, StoreError> {
        let sql = "SELECT text FROM policies WHERE version = $1";
        Ok(
            reading!(&self.db, pool => sqlx::query_scalar(sql).bind(version).fetch_optional(pool).await?),
        )
    }

    /// The newest versions.
    pub async fn policy_history(&self, limit: u32) -> Result<Vec<PolicyVersion>, StoreError> {
        let sql =
            "SELECT version, base, at, author, reason FROM policies ORDER BY version DESC LIMIT $1";
        type Row = (i64, Option<i64>, i64, String, String);
        let rows: Vec<Row> = reading!(&self.db, pool => sqlx::query_as(sql).bind(i64::from(limit)).fetch_all(pool).await?);
        let read = |(version, base, at, author, reason): Row| PolicyVersion {
            version,
            base,
            at: Timestamp(at),
            author,
            reason,
        };
        Ok(rows.into_iter().map(read).collect())
    }
}
