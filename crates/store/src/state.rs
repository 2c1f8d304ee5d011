//! Small things that must survive a restart: secrets, places in logs, presence of nodes, arrivals of the last hours.

use std::collections::HashSet;
use std::net::IpAddr;

use mail::{Envelope, Fate, RecordId, Secret, Timestamp};

use crate::db::{reading, writing};
use crate::terms::{Kind, term};
use crate::{Store, StoreError};

/// Ids asked about in one statement.
const IDS_TOGETHER: usize = 200;

/// A message that came, as far as counting needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastArrival {
    /// The record's name.
    pub id: RecordId,
    /// What became of it.
    pub fate: Fate,
    /// Who handed over what to whom.
    pub envelope: Envelope,
    /// Bytes.
    pub size_bytes: u64,
}

impl PastArrival {
    /// The machine it came from.
    pub const fn peer(&self) -> Option<IpAddr> {
        self.envelope.peer.ip
    }
}

impl Store {
    /// A value by name.
    pub async fn state(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(
            reading!(&self.db, pool => sqlx::query_scalar("SELECT value FROM states WHERE name = $1").bind(name).fetch_optional(pool).await?),
        )
    }

    /// Sets a value.
    pub async fn set_state(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO states (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        writing!(&self.db, tx => {
            sqlx::query(sql).bind(name).bind(value).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// All values whose name begins with `start`.
    pub async fn states(&self, start: &str) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT name, value FROM states WHERE name >= $1 AND name < $2 ORDER BY name";
        Ok(
            reading!(&self.db, pool => sqlx::query_as(sql).bind(start).bind(format!("{start}\u{10ffff}")).fetch_all(pool).await?),
        )
    }

    /// Forgets values by name, from `from` up to and without `until`; how many.
    pub async fn remove_states(&self, from: &str, until: &str) -> Result<u64, StoreError> {
        let sql = "DELETE FROM states WHERE name >= $1 AND name < $2";
        Ok(
            writing!(&self.db, tx => sqlx::query(sql).bind(from).bind(until).execute(&mut *tx).await?.rows_affected()),
        )
    }

    /// A secret of this installation, made at the first asking and the same ever after.
    pub async fn secret(&self, name: &str) -> Result<Secret<[u8; 32]>, StoreError> {
        let mut fresh = [0_u8; 32];
        getrandom::fill(&mut fresh).map_err(|error| {
            StoreError::Unavailable(format!("the system gives no randomness: {error}"))
        })?;
        let name = format!("secret:{name}");
        let hex: String = writing!(&self.db, tx => {
            sqlx::query("INSERT INTO states (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING").bind(&name).bind(data_encoding::HEXLOWER.encode(&fresh)).execute(&mut *tx).await?;
            sqlx::query_scalar("SELECT value FROM states WHERE name = $1").bind(&name).fetch_one(&mut *tx).await?
        });
        let bytes = data_encoding::HEXLOWER
            .decode(hex.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Secret::new)
            .ok_or_else(|| StoreError::Corrupt(format!("{name} is no secret")))
    }

    /// Which of these queue ids have a record.
    pub async fn known_queue_ids(&self, ids: &[String]) -> Result<HashSet<String>, StoreError> {
        let mut known = HashSet::new();
        for together in ids.chunks(IDS_TOGETHER) {
            let terms: Vec<String> = together
                .iter()
                .map(|id| term(Kind::QueueId, id).to_string())
                .collect();
            let sql = format!(
                "SELECT DISTINCT term FROM terms WHERE term IN ({})",
                terms.join(", ")
            );
            let found: Vec<i64> = reading!(&self.db, pool => sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await?);
            known.extend(
                together
                    .iter()
                    .filter(|id| found.contains(&term(Kind::QueueId, id)))
                    .cloned(),
            );
        }
        Ok(known)
    }

    /// Messages that were judged since a point in time, oldest first; the newest `limit` of them.
    pub async fn past_arrivals(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<PastArrival>, StoreError> {
        let sql = "SELECT id, fate, envelope, size_bytes FROM records WHERE id >= $1 AND fate <> $2 ORDER BY id DESC LIMIT $3";
        let since = RecordId::first_at(since).to_string();
        let unscanned = Fate::Unscanned.as_str();
        let rows: Vec<(String, String, String, i64)> = reading!(&self.db, pool => sqlx::query_as(sql).bind(since).bind(unscanned).bind(i64::from(limit)).fetch_all(pool).await?);
        let read = |(id, fate, envelope, size): (String, String, String, i64)| {
            let damaged = |what| StoreError::Corrupt(format!("a record has {what}"));
            Ok(PastArrival {
                id: RecordId::parse(&id).ok_or_else(|| damaged("no id"))?,
                fate: Fate::parse(&fate).ok_or_else(|| damaged("no fate"))?,
                envelope: serde_json::from_str(&envelope)?,
                size_bytes: size as u64,
            })
        };
        rows.into_iter().rev().map(read).collect()
    }
}
