//! What people did: an append-only chain.
//!
//! Each entry carries a hash over itself and the hash of the entry before it, so that an entry that was altered, taken
//! out or moved breaks the chain at its place ([`Store::verify_acts`]). Whoever can write to the database could
//! compute a whole chain anew; therefore the last hash is also kept outside it (the file `audit-head` in the data
//! folder, and every hash in the log), and the chain must still contain it.
//!
//! Entries leave in one way only: the oldest, when their time of keeping is over. What the chain begins after is noted.

use mail::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;

use crate::db::{reading, writing};
use crate::{Store, StoreError};

/// Where the chain begins when the oldest entries are gone: `SEQ HASH` of the last that went.
pub(crate) const ANCHOR: &str = "audit:anchor";
/// Entries read at once while verifying.
const PIECE: i64 = 5_000;

/// One act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// An act in its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainedAct {
    /// Its number; there are no gaps.
    pub seq: i64,
    /// What was done.
    #[serde(flatten)]
    pub act: Act,
    /// SHA-256 over the hash before it and the act, hexadecimal.
    pub hash: String,
}

/// Which acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActFilter {
    /// By whom.
    pub who: Option<String>,
    /// What kind.
    pub act: Option<String>,
    /// On what, exactly.
    pub target: Option<String>,
    /// Only older ones than this number: the next page.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

/// What verifying found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Entries looked at.
    pub entries: u64,
    /// Number and hash of the last one.
    pub head: Option<(i64, String)>,
    /// Every place where the chain is broken, in words.
    pub broken: Vec<String>,
}

/// The hash of an act that follows `before`. Lengths stand before texts, so that no text can pretend to be two.
pub(crate) fn hash(before: &str, seq: i64, act: &Act) -> String {
    let mut hash = Sha256::new();
    hash.update(before.as_bytes());
    hash.update(seq.to_be_bytes());
    hash.update(act.at.0.to_be_bytes());
    for text in [
        &act.who,
        &act.from,
        &act.act,
        &act.target,
        &act.reason,
        &act.before,
        &act.after,
    ] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// The act as it is kept.
pub(crate) fn storable(act: &Act) -> Act {
    let text = |text: &String| crate::records::storable(text.clone());
    Act {
        at: act.at,
        who: text(&act.who),
        from: text(&act.from),
        act: text(&act.act),
        target: text(&act.target),
        reason: text(&act.reason),
        before: text(&act.before),
        after: text(&act.after),
    }
}

/// Appends an act within a transaction, beside what it changes.
macro_rules! insert_act {
    ($store:expr, $tx:ident, $act:expr) => {{
        if matches!($store.db, $crate::db::Db::Pg(_)) {
            // One writer at a time, else two entries would follow the same one. SQLite has only one writer anyway.
            sqlx::query("SELECT pg_advisory_xact_lock(7726)").execute(&mut *$tx).await?;
        }
        let act = $crate::acts::storable($act);
        let last: Option<(i64, String)> = sqlx::query_as("SELECT seq, hash FROM acts ORDER BY seq DESC LIMIT 1").fetch_optional(&mut *$tx).await?;
        let last = match last {
            Some(last) => Some(last),
            None => {
                let anchor: Option<String> = sqlx::query_scalar("SELECT value FROM states WHERE name = $1").bind($crate::acts::ANCHOR).fetch_optional(&mut *$tx).await?;
                anchor.as_deref().and_then($crate::acts::read_anchor)
            }
        };
        let (seq, before) = last.map_or((1, String::new()), |(seq, hash)| (seq + 1, hash));
        let hash = $crate::acts::hash(&before, seq, &act);
        sqlx::query("INSERT INTO acts (seq, at, who, place, act, target, reason, state_before, state_after, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind(seq)
            .bind(act.at.0)
            .bind(&act.who)
            .bind(&act.from)
            .bind(&act.act)
            .bind(&act.target)
            .bind(&act.reason)
            .bind(&act.before)
            .bind(&act.after)
            .bind(&hash)
            .execute(&mut *$tx)
            .await?;
    }};
}
pub(crate) use insert_act;

/// Reads `SEQ HASH`.
pub(crate) fn read_anchor(text: &str) -> Option<(i64, String)> {
    let (seq, hash) = text.trim().split_once(' ')?;
    Some((seq.parse().ok()?, hash.to_owned()))
}

const COLUMNS: &str = "seq, at, who, place, act, target, reason, state_before, state_after, hash";

type Row = (
    i64,
    i64,
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    String,
);

fn chained((seq, at, who, from, act, target, reason, before, after, hash): Row) -> ChainedAct {
    let act = Act {
        at: Timestamp(at),
        who,
        from,
        act,
        target,
        reason,
        before,
        after,
    };
    ChainedAct { seq, act, hash }
}

impl Store {
    /// Records an act that changes nothing kept here.
    pub async fn append_act(&self, act: &Act) -> Result<(), StoreError> {
        writing!(&self.db, tx => insert_act!(self, tx, act));
        Ok(())
    }

    /// A page of acts, newest first.
    pub async fn acts(&self, filter: &ActFilter) -> Result<Vec<ChainedAct>, StoreError> {
        let mut sql = format!("SELECT {COLUMNS} FROM acts WHERE seq < $1");
        let mut texts = Vec::new();
        for (column, wanted) in [
            ("who", &filter.who),
            ("act", &filter.act),
            ("target", &filter.target),
        ] {
            if let Some(wanted) = wanted {
                texts.push(wanted.clone());
                sql.push_str(&format!(" AND {column} = ${}", texts.len() + 1));
            }
        }
        sql.push_str(&format!(" ORDER BY seq DESC LIMIT ${}", texts.len() + 2));
        let rows: Vec<Row> = reading!(&self.db, pool => {
            let mut select = sqlx::query_as(AssertSqlSafe(sql)).bind(filter.before.unwrap_or(i64::MAX));
            for text in texts {
                select = select.bind(text);
            }
            select.bind(i64::from(filter.limit)).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(chained).collect())
    }

    /// Acts in the order they were done, after `seq`: for export.
    pub async fn acts_after(&self, seq: i64, limit: u32) -> Result<Vec<ChainedAct>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM acts WHERE seq > $1 ORDER BY seq LIMIT $2");
        let rows: Vec<Row> = reading!(&self.db, pool => sqlx::query_as(AssertSqlSafe(sql)).bind(seq).bind(i64::from(limit)).fetch_all(pool).await?);
        Ok(rows.into_iter().map(chained).collect())
    }

    /// Walks the whole chain. Every entry that was altered, removed, added or moved shows; so does a chain that was cut or made
    /// anew, by the head that is kept outside the database.
    pub async fn verify_acts(&self) -> Result<Verified, StoreError> {
        let anchor = self.state(ANCHOR).await?;
        let anchor = anchor.as_deref().and_then(read_anchor);
        let (mut seq, mut before) = anchor.unwrap_or((0, String::new()));
        let outside = self.head_outside()?;
        let mut outside_met = outside.as_ref().is_none_or(|(noted, _)| *noted <= seq);
        let mut verified = Verified {
            entries: 0,
            head: None,
            broken: Vec::new(),
        };
        let mut after = i64::MIN;
        loop {
            let piece = self.acts_after(after, PIECE as u32).await?;
            let Some(last) = piece.last() else { break };
            after = last.seq;
            for entry in piece {
                verified.entries += 1;
                check(&entry, seq, &before, &mut verified.broken);
                if let Some((noted, hash)) = &outside
                    && *noted == entry.seq
                {
                    outside_met = true;
                    if *hash != entry.hash {
                        verified.broken.push(format!("entry {noted} is not the one this node noted outside the database: the chain was made anew"));
                    }
                }
                seq = entry.seq;
                before.clone_from(&entry.hash);
                verified.head = Some((entry.seq, entry.hash));
            }
        }
        if !outside_met && let Some((noted, _)) = outside {
            verified.broken.push(format!("entry {noted}, noted outside the database, is not there: the end of the chain was cut off"));
        }
        Ok(verified)
    }

    /// Removes entries whose time is over and notes where the chain begins now.
    pub(crate) async fn remove_acts(&self, until: Timestamp) -> Result<u64, StoreError> {
        // The oldest in one piece, never one out of the middle.
        let first_kept = "SELECT COALESCE(MIN(seq), 0) FROM acts WHERE at >= $1";
        let removed = writing!(&self.db, tx => {
            if matches!(self.db, crate::db::Db::Pg(_)) {
                sqlx::query("SELECT pg_advisory_xact_lock(7726)").execute(&mut *tx).await?;
            }
            let kept: i64 = sqlx::query_scalar(first_kept).bind(until.0).fetch_one(&mut *tx).await?;
            let last: Option<(i64, String)> = sqlx::query_as("SELECT seq, hash FROM acts WHERE (seq < $1 OR $1 = 0) AND at < $2 ORDER BY seq DESC LIMIT 1").bind(kept).bind(until.0).fetch_optional(&mut *tx).await?;
            match last {
                None => 0,
                Some((seq, hash)) => {
                    sqlx::query("INSERT INTO states (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value").bind(ANCHOR).bind(format!("{seq} {hash}")).execute(&mut *tx).await?;
                    sqlx::query("DELETE FROM acts WHERE seq <= $1").bind(seq).execute(&mut *tx).await?.rows_affected()
                }
            }
        });
        Ok(removed)
    }

    /// Notes the last entry outside the database, so that a chain cut off or made anew is found out. A noted entry
    /// that the chain does not contain any more stays noted: [`Store::verify_acts`] will tell.
    pub async fn note_acts_head(&self) -> Result<(), StoreError> {
        let newest = ActFilter {
            limit: 1,
            ..ActFilter::default()
        };
        let Some(newest) = self.acts(&newest).await?.into_iter().next() else {
            return Ok(());
        };
        if let Some((seq, hash)) = self.head_outside()? {
            if seq == newest.seq && hash == newest.hash {
                return Ok(());
            }
            let sql = "SELECT hash FROM acts WHERE seq = $1";
            let kept: Option<String> = reading!(&self.db, pool => sqlx::query_scalar(sql).bind(seq).fetch_optional(pool).await?);
            let anchor = self.state(ANCHOR).await?;
            let gone = anchor
                .as_deref()
                .and_then(read_anchor)
                .is_some_and(|(removed, _)| removed >= seq);
            if kept != Some(hash) && !gone {
                return Ok(());
            }
        }
        tracing::info!(
            audit.seq = newest.seq,
            audit.hash = newest.hash,
            "the audit log ends with entry {} {}",
            newest.seq,
            newest.hash
        );
        let wrote = write_whole(
            &self.audit_head,
            &format!("{} {}\n", newest.seq, newest.hash),
        );
        wrote.map_err(|error| {
            StoreError::Unavailable(format!("{}: {error}", self.audit_head.display()))
        })
    }

    fn head_outside(&self) -> Result<Option<(i64, String)>, StoreError> {
        match std::fs::read_to_string(&self.audit_head) {
            Ok(text) => Ok(read_anchor(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Unavailable(format!(
                "{}: {error}",
                self.audit_head.display()
            ))),
        }
    }
}

/// Writes a small file so that it is there whole or not at all.
fn write_whole(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    std::fs::write(&new, text)?;
    std::fs::File::open(&new)?.sync_all()?;
    std::fs::rename(new, path)
}

fn check(entry: &ChainedAct, seq: i64, before: &str, broken: &mut Vec<String>) {
    if broken.len() >= 100 {
        return;
    }
    let place = format!(
        "entry {} ({} by {})",
        entry.seq, entry.act.act, entry.act.who
    );
    if entry.seq != seq + 1 {
        broken.push(format!(
            "{place} follows entry {seq}: entries between them are missing, or the order was changed"
        ));
    } else if entry.hash != hash(before, entry.seq, &entry.act) {
        broken.push(format!(
            "{place} is not what was written, or the entry before it was exchanged"
        ));
    }
}
