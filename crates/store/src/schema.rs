//! The tables, and how a database of an older version comes up to this one.

use sqlx::AssertSqlSafe;

use crate::StoreError;
use crate::db::{Db, writing};

/// Statements of each version, in order; a version is never changed once released, only followed.
const VERSIONS: [&[&str]; 1] = [&[
    // Summaries of messages. `envelope`, `verdict`, `facts` are JSON; the rest is what is searched by.
    "CREATE TABLE records (
        id TEXT PRIMARY KEY, at BIGINT NOT NULL, fate TEXT NOT NULL, level TEXT, action TEXT, score DOUBLE PRECISION, direction TEXT NOT NULL, server TEXT NOT NULL,
        queue_id TEXT, peer_ip TEXT, account TEXT, envelope_from TEXT, header_from TEXT, subject TEXT NOT NULL, subject_key TEXT NOT NULL, message_id TEXT,
        digest TEXT NOT NULL, size_bytes BIGINT NOT NULL, policy_version BIGINT, took_us BIGINT NOT NULL, note TEXT, envelope TEXT NOT NULL, verdict TEXT, facts TEXT)",
    "CREATE INDEX records_fate ON records (fate, id)",
    "CREATE INDEX records_level ON records (level, id)",
    "CREATE INDEX records_queue_id ON records (queue_id)",
    "CREATE INDEX records_message_id ON records (message_id)",
    "CREATE INDEX records_peer_ip ON records (peer_ip, id)",
    "CREATE INDEX records_account ON records (account, id)",
    "CREATE INDEX records_envelope_from ON records (envelope_from, id)",
    "CREATE INDEX records_header_from ON records (header_from, id)",
    "CREATE TABLE recipients (record_id TEXT NOT NULL, address TEXT NOT NULL, PRIMARY KEY (address, record_id))",
    "CREATE INDEX recipients_record ON recipients (record_id)",
    "CREATE TABLE reasons (record_id TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (name, record_id))",
    "CREATE INDEX reasons_record ON reasons (record_id)",
    // Held messages. `identity` tells a message that came again from another one.
    "CREATE TABLE quarantine (
        id TEXT PRIMARY KEY, at BIGINT NOT NULL, state TEXT NOT NULL, changed_at BIGINT NOT NULL, identity TEXT NOT NULL, digest TEXT NOT NULL, size_bytes BIGINT NOT NULL,
        server TEXT NOT NULL, envelope_from TEXT, recipients TEXT NOT NULL, header_from TEXT, subject TEXT NOT NULL, level TEXT, score DOUBLE PRECISION,
        copies BIGINT NOT NULL, last_seen BIGINT NOT NULL)",
    "CREATE UNIQUE INDEX quarantine_identity ON quarantine (identity) WHERE state IN ('held', 'releasing')",
    "CREATE INDEX quarantine_state ON quarantine (state, id)",
    "CREATE TABLE held_for (item_id TEXT NOT NULL, address TEXT NOT NULL, PRIMARY KEY (address, item_id))",
    "CREATE INDEX held_for_item ON held_for (item_id)",
    "CREATE TABLE marks (id TEXT PRIMARY KEY, item_id TEXT NOT NULL, recipients TEXT NOT NULL, expires BIGINT NOT NULL, used_at BIGINT)",
    "CREATE INDEX marks_item ON marks (item_id)",
    "CREATE TABLE policies (version BIGINT PRIMARY KEY, base BIGINT, at BIGINT NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL, text TEXT NOT NULL)",
    "CREATE TABLE acts (
        id TEXT PRIMARY KEY, at BIGINT NOT NULL, who TEXT NOT NULL, place TEXT NOT NULL, act TEXT NOT NULL, target TEXT NOT NULL, reason TEXT NOT NULL,
        state_before TEXT NOT NULL, state_after TEXT NOT NULL)",
    "CREATE TABLE states (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
]];

/// Makes or completes the tables. A database that a newer program has changed is left alone.
pub(crate) async fn bring_up(db: &Db) -> Result<(), StoreError> {
    writing!(db, tx => {
        if matches!(db, Db::Pg(_)) {
            // Two nodes may start at the same moment.
            sqlx::query("SELECT pg_advisory_xact_lock(7725)").execute(&mut *tx).await?;
        }
        sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)").execute(&mut *tx).await?;
        let version: Option<i64> = sqlx::query_scalar("SELECT MAX(version) FROM schema_version").fetch_one(&mut *tx).await?;
        let version = usize::try_from(version.unwrap_or(0)).unwrap_or(0);
        if version > VERSIONS.len() {
            let (known, program) = (VERSIONS.len(), env!("CARGO_PKG_VERSION"));
            return Err(StoreError::Conflict(format!(
                "the database has tables of version {version}, and this program ({program}) knows {known}: it was used by a newer Mailvigil"
            )));
        }
        for (number, statements) in VERSIONS.iter().enumerate().skip(version) {
            for statement in *statements {
                sqlx::query(AssertSqlSafe(*statement)).execute(&mut *tx).await?;
            }
            sqlx::query("INSERT INTO schema_version (version) VALUES ($1)").bind(number as i64 + 1).execute(&mut *tx).await?;
        }
    });
    Ok(())
}
