//! One database of two kinds. The same statements run on both: BIGINT, DOUBLE PRECISION and TEXT only, times as
//! microseconds, structures as JSON text, `$n` for values.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::StoreError;

/// How long a statement waits for a lock or a connection. A mail server is waiting behind it.
const PATIENCE: Duration = Duration::from_secs(3);
/// Connections for reading.
const READERS: u32 = 4;

/// An open database.
#[derive(Clone)]
pub(crate) enum Db {
    /// One connection writes (SQLite has one writer anyway, and a queue is fairer than its lock), others read.
    Lite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Pg(PgPool),
}

impl Db {
    pub(crate) async fn open(address: &str) -> Result<Self, StoreError> {
        if let Some(file) = address.strip_prefix("sqlite:") {
            let options = SqliteConnectOptions::new()
                .filename(file)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                // A commit that returned is on disk, also when the power goes.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(PATIENCE)
                .foreign_keys(false);
            let writer = SqlitePoolOptions::new()
                .max_connections(1)
                .acquire_timeout(PATIENCE * 2);
            let readers = SqlitePoolOptions::new()
                .max_connections(READERS)
                .acquire_timeout(PATIENCE * 2);
            let writer = writer.connect_with(options.clone()).await?;
            return Ok(Self::Lite {
                writer,
                readers: readers.connect_with(options).await?,
            });
        }
        // The address may hold a password, and sqlx would show it.
        let options = PgConnectOptions::from_str(address).map_err(|_| {
            StoreError::Unavailable("the database address cannot be read".to_owned())
        })?;
        // Compiling a statement takes longer than any of ours takes to run.
        let options = options.options([
            ("statement_timeout", "10000"),
            ("lock_timeout", "3000"),
            ("jit", "off"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(2 * READERS)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await?;
        Ok(Self::Pg(pool))
    }
}

/// Runs `$run` with `$pool` being the pool that reads, of either kind.
macro_rules! reading {
    ($db:expr, $pool:ident => $run:expr) => {
        match $db {
            $crate::db::Db::Lite { readers: $pool, .. } => $run,
            $crate::db::Db::Pg($pool) => $run,
        }
    };
}

/// Runs `$run` within one transaction `$tx` of either kind, and commits it.
///
/// A connection on which anything failed is closed: SQLite ends a transaction by itself when the disk is full, and
/// what the connection believes of its transactions is wrong from then on.
macro_rules! writing {
    ($db:expr, $tx:ident => $run:expr) => {
        match $db {
            $crate::db::Db::Lite { writer, .. } => {
                let mut connection = writer.acquire().await?;
                let result: Result<_, $crate::StoreError> = async {
                    let mut $tx = sqlx::Connection::begin_with(&mut *connection, "BEGIN IMMEDIATE").await?;
                    let value = $run;
                    $tx.commit().await?;
                    Ok(value)
                }
                .await;
                if result.is_err() {
                    // The failure itself is what is told; how the broken connection takes its end is not.
                    let _ = connection.close().await;
                }
                result?
            }
            $crate::db::Db::Pg(pool) => {
                let mut $tx = pool.begin().await?;
                let value = $run;
                $tx.commit().await?;
                value
            }
        }
    };
}

pub(crate) use {reading, writing};

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let text = error.to_string();
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        match code.as_deref() {
            // SQLITE_FULL; PostgreSQL's disk_full.
            Some("13" | "53100") => Self::Full(text),
            // SQLITE_CORRUPT, SQLITE_NOTADB; PostgreSQL's data_corrupted.
            Some("11" | "26" | "XX001") => Self::Corrupt(text),
            _ => Self::Unavailable(text),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt(format!("a structure cannot be read: {error}"))
    }
}
