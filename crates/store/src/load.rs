//! Filling an empty store fast: for measuring with very many records, and for moving from one back end to another.
//!
//! Records go in in the order of their ids, and what they are found by goes in sorted, so that no tree is
//! written to all over. Nothing is synced before the end: a load that was cut off is thrown away and begun again.

use mail::{Record, RecordId};
use sqlx::AssertSqlSafe;

use crate::db::Db;
use crate::records::{Prepared, storable};
use crate::tallies::{self, Counts};
use crate::{Store, StoreError};

/// Records in one statement of SQLite, and in one COPY of PostgreSQL: there each waits for the other side, so pieces are large.
const RECORDS: (usize, usize) = (400, 4_000);
/// Terms in one statement, the same.
const TERMS: (usize, usize) = (8_000, 200_000);

const INTO: &str = "records (id, at, fate, level, action, score, direction, server, queue_id, peer_ip, account, envelope_from, header_from, subject, subject_key, message_id, digest, size_bytes, policy_version, took_us, note, envelope, verdict, facts)";

impl Store {
    /// Fills an empty store with records in the order of their ids; how many.
    pub async fn load(&self, records: impl Iterator<Item = Record>) -> Result<u64, StoreError> {
        if self.oldest_record().await?.is_some() {
            return Err(StoreError::Conflict(
                "the store holds records already; only an empty one is loaded".to_owned(),
            ));
        }
        let (of_records, of_terms) = match &self.db {
            Db::Lite { .. } => (RECORDS.0, TERMS.0),
            Db::Pg(_) => (RECORDS.1, TERMS.1),
        };
        let mut terms: Vec<(i64, RecordId)> = Vec::new();
        let mut counts = Counts::new();
        let mut loaded = 0;
        self.relax(true).await?;
        let mut records = records.peekable();
        while records.peek().is_some() {
            let some: Vec<Record> = records.by_ref().take(of_records).collect();
            let prepared: Vec<Prepared<'_>> = some
                .iter()
                .map(|record| Prepared::new(record, self.facts_bytes_max))
                .collect::<Result<_, _>>()?;
            for one in &prepared {
                terms.extend(one.terms.iter().map(|term| (*term, one.record.id)));
            }
            for (key, count) in tallies::of(&prepared) {
                *counts.entry(key).or_default() += count;
            }
            self.load_records(&prepared).await?;
            loaded += some.len() as u64;
        }
        terms.sort_unstable();
        for some in terms.chunks(of_terms) {
            self.load_terms(some).await?;
        }
        drop(terms);
        let counts: Vec<_> = counts.into_iter().collect();
        for some in counts.chunks(of_terms / 2) {
            self.load_counts(some).await?;
        }
        self.relax(false).await?;
        Ok(loaded)
    }

    /// Before and after: what makes each statement safe by itself is not needed within a load.
    async fn relax(&self, begin: bool) -> Result<(), StoreError> {
        let (lite, pg): (&[&str], &[&str]) = if begin {
            (
                &[
                    "PRAGMA synchronous = OFF",
                    "PRAGMA cache_size = -800000",
                    "PRAGMA wal_autocheckpoint = 100000",
                ],
                &["ALTER TABLE terms DROP CONSTRAINT terms_pkey"],
            )
        } else {
            (
                &[
                    "PRAGMA synchronous = FULL",
                    "PRAGMA wal_autocheckpoint = 1000",
                    "PRAGMA wal_checkpoint(TRUNCATE)",
                    "ANALYZE records",
                    "PRAGMA cache_size = -2000",
                ],
                &[
                    "SET statement_timeout = 0",
                    "ALTER TABLE terms ADD PRIMARY KEY (term, record_id)",
                    "ANALYZE",
                    "RESET statement_timeout",
                ],
            )
        };
        match &self.db {
            Db::Lite { writer, .. } => {
                for sql in lite {
                    sqlx::query(AssertSqlSafe(*sql)).execute(writer).await?;
                }
            }
            Db::Pg(pool) => {
                let mut connection = pool.acquire().await?;
                for sql in pg {
                    sqlx::query(AssertSqlSafe(*sql))
                        .execute(&mut *connection)
                        .await?;
                }
            }
        }
        Ok(())
    }

    async fn load_records(&self, prepared: &[Prepared<'_>]) -> Result<(), StoreError> {
        match &self.db {
            Db::Lite { writer, .. } => {
                let mut insert = sqlx::QueryBuilder::new(format!("INSERT INTO {INTO} "));
                insert.push_values(prepared, |mut row, one| {
                    let record = one.record;
                    let verdict = record.verdict.as_ref();
                    row.push_bind(one.id.as_str())
                        .push_bind(record.at.0)
                        .push_bind(record.fate.as_str())
                        .push_bind(verdict.map(|verdict| verdict.level.as_str()))
                        .push_bind(verdict.map(|verdict| verdict.action.as_str()))
                        .push_bind(verdict.map(|verdict| verdict.score))
                        .push_bind(record.envelope.direction.as_str())
                        .push_bind(storable(record.envelope.server.clone()))
                        .push_bind(record.envelope.queue_id.clone().map(storable))
                        .push_bind(one.peer_ip.as_deref())
                        .push_bind(record.envelope.account.clone().map(storable))
                        .push_bind(one.envelope_from.as_deref())
                        .push_bind(record.header_from.clone().map(storable))
                        .push_bind(storable(record.subject.clone()))
                        .push_bind(one.subject_key.as_str())
                        .push_bind(record.message_id.clone().map(storable))
                        .push_bind(record.digest.as_str())
                        .push_bind(record.size_bytes as i64)
                        .push_bind(verdict.map(|verdict| verdict.policy_version))
                        .push_bind(record.took_us as i64)
                        .push_bind(record.note.clone().map(storable))
                        .push_bind(one.envelope.as_str())
                        .push_bind(one.verdict.as_deref())
                        .push_bind(one.facts.as_deref());
                });
                insert.build().execute(writer).await?;
            }
            Db::Pg(_) => {
                let mut text = String::new();
                for one in prepared {
                    copy_record(one, &mut text);
                }
                self.copy(&format!("COPY {INTO} FROM STDIN"), text).await?;
            }
        }
        Ok(())
    }

    async fn load_terms(&self, terms: &[(i64, RecordId)]) -> Result<(), StoreError> {
        match &self.db {
            Db::Lite { writer, .. } => {
                // Numbers and ids need no binding: neither can hold a quote.
                let mut sql = String::with_capacity(terms.len() * 52);
                sql.push_str("INSERT INTO terms (term, record_id) VALUES ");
                for (place, (term, id)) in terms.iter().enumerate() {
                    let comma = if place > 0 { "," } else { "" };
                    sql.push_str(&format!("{comma}({term},'{id}')"));
                }
                sqlx::query(AssertSqlSafe(sql))
                    .persistent(false)
                    .execute(writer)
                    .await?;
            }
            Db::Pg(_) => {
                let mut text = String::with_capacity(terms.len() * 48);
                for (term, id) in terms {
                    text.push_str(&format!("{term}\t{id}\n"));
                }
                self.copy("COPY terms (term, record_id) FROM STDIN", text)
                    .await?;
            }
        }
        Ok(())
    }

    async fn load_counts(
        &self,
        counts: &[((i64, &'static str, String), i64)],
    ) -> Result<(), StoreError> {
        match &self.db {
            Db::Lite { writer, .. } => {
                let mut insert =
                    sqlx::QueryBuilder::new("INSERT INTO tallies (span, kind, name, count) ");
                insert.push_values(counts, |mut row, ((span, kind, name), count)| {
                    row.push_bind(*span)
                        .push_bind(*kind)
                        .push_bind(name.as_str())
                        .push_bind(*count);
                });
                insert.build().execute(writer).await?;
            }
            Db::Pg(_) => {
                let mut text = String::new();
                for ((span, kind, name), count) in counts {
                    text.push_str(&format!("{span}\t{kind}\t"));
                    escape(name, &mut text);
                    text.push_str(&format!("\t{count}\n"));
                }
                self.copy("COPY tallies (span, kind, name, count) FROM STDIN", text)
                    .await?;
            }
        }
        Ok(())
    }

    async fn copy(&self, sql: &str, text: String) -> Result<(), StoreError> {
        let Db::Pg(pool) = &self.db else {
            return Ok(());
        };
        let mut connection = pool.acquire().await?;
        // A checkpoint in the midst of a load may hold one piece up for longer than a question may take.
        for sql in ["SET statement_timeout = 0", sql, "RESET statement_timeout"] {
            if sql.starts_with("COPY") {
                let mut copy = connection.copy_in_raw(sql).await?;
                copy.send(text.as_bytes()).await?;
                copy.finish().await?;
            } else {
                sqlx::query(AssertSqlSafe(sql.to_owned()))
                    .execute(&mut *connection)
                    .await?;
            }
        }
        Ok(())
    }
}

/// A record as a line of PostgreSQL's COPY.
fn copy_record(one: &Prepared<'_>, text: &mut String) {
    let record = one.record;
    let verdict = record.verdict.as_ref();
    let number = |number: i64| Some(number.to_string());
    let clone = |text: &Option<String>| text.clone().map(storable);
    let fields: [Option<String>; 24] = [
        Some(one.id.clone()),
        number(record.at.0),
        Some(record.fate.as_str().to_owned()),
        verdict.map(|verdict| verdict.level.as_str().to_owned()),
        verdict.map(|verdict| verdict.action.as_str().to_owned()),
        verdict.map(|verdict| verdict.score.to_string()),
        Some(record.envelope.direction.as_str().to_owned()),
        Some(storable(record.envelope.server.clone())),
        clone(&record.envelope.queue_id),
        one.peer_ip.clone(),
        clone(&record.envelope.account),
        one.envelope_from.clone(),
        clone(&record.header_from),
        Some(storable(record.subject.clone())),
        Some(one.subject_key.clone()),
        clone(&record.message_id),
        Some(record.digest.clone()),
        number(record.size_bytes as i64),
        verdict.and_then(|verdict| number(verdict.policy_version)),
        number(record.took_us as i64),
        clone(&record.note),
        Some(one.envelope.clone()),
        one.verdict.clone(),
        one.facts.clone(),
    ];
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            text.push('\t');
        }
        match field {
            Some(field) => escape(field, text),
            None => text.push_str("\\N"),
        }
    }
    text.push('\n');
}

fn escape(field: &str, text: &mut String) {
    for c in field.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            c => text.push(c),
        }
    }
}
