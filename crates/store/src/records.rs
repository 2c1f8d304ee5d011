//! Records of messages: written in batches, found again.

use std::collections::HashMap;

use mail::{Facts, Fate, Record, RecordId, Timestamp};
use sqlx::AssertSqlSafe;

use crate::db::{reading, writing};
use crate::terms;
use crate::{Store, StoreError};

/// The columns a record is made of, in the order of [`Row`].
const COLUMNS: &str = "id, at, fate, header_from, subject, message_id, size_bytes, digest, took_us, note, envelope, verdict, facts";

type Row = (
    String,
    i64,
    String,
    Option<String>,
    String,
    Option<String>,
    i64,
    String,
    i64,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
);

/// A record in the form it is bound.
pub(crate) struct Prepared<'r> {
    pub record: &'r Record,
    pub id: String,
    pub envelope: String,
    pub verdict: Option<String>,
    pub facts: Option<String>,
    pub envelope_from: Option<String>,
    pub peer_ip: Option<String>,
    pub subject_key: String,
    pub terms: Vec<i64>,
}

impl<'r> Prepared<'r> {
    pub(crate) fn new(record: &'r Record, facts_bytes_max: usize) -> Result<Self, StoreError> {
        let envelope = &record.envelope;
        Ok(Self {
            record,
            id: record.id.to_string(),
            envelope: storable(serde_json::to_string(envelope)?),
            verdict: record
                .verdict
                .as_ref()
                .map(serde_json::to_string)
                .transpose()?
                .map(storable),
            facts: record
                .facts
                .as_ref()
                .map(|facts| bounded(facts, facts_bytes_max))
                .transpose()?
                .flatten()
                .map(storable),
            envelope_from: envelope
                .envelope_from
                .as_ref()
                .map(|from| storable(from.key())),
            peer_ip: envelope.peer.ip.map(|ip| ip.to_canonical().to_string()),
            subject_key: storable(record.subject.to_lowercase()),
            terms: terms::of(record),
        })
    }
}

/// PostgreSQL keeps no NUL in a text, and JSON writes one as an escape it refuses as well.
pub(crate) fn storable(text: String) -> String {
    if text.contains('\0') || text.contains("\\u0000") {
        text.replace('\0', "\u{fffd}").replace("\\u0000", "\\ufffd")
    } else {
        text
    }
}

/// Facts as JSON, without the bulk when they are too long.
fn bounded(facts: &Facts, bytes_max: usize) -> Result<Option<String>, StoreError> {
    let json = serde_json::to_string(facts)?;
    if json.len() <= bytes_max {
        return Ok(Some(json));
    }
    let mut less = facts.clone();
    less.message.headers.clear();
    less.message.parts.clear();
    less.message.received.truncate(10);
    less.hits.truncate(50);
    let json = serde_json::to_string(&less)?;
    Ok((json.len() <= bytes_max).then_some(json))
}

/// Rows in one statement: each statement costs a change of threads, far more than a row does. 50 records bind 1,200 values;
/// SQLite allows 32,766, PostgreSQL 65,535.
pub(crate) const ROWS: usize = 50;

/// Writes prepared records into a transaction; one that is there already stays as it is.
macro_rules! insert {
    ($tx:ident, $prepared:expr) => {{
        use $crate::records::{ROWS, storable};
        let all: &[$crate::records::Prepared<'_>] = $prepared;
        for some in all.chunks(ROWS) {
            let mut insert = sqlx::QueryBuilder::new(
                "INSERT INTO records (id, at, fate, level, action, score, direction, server, queue_id, peer_ip, account, envelope_from, header_from, subject, subject_key, message_id,
                    digest, size_bytes, policy_version, took_us, note, envelope, verdict, facts) ",
            );
            insert.push_values(some, |mut row, one| {
                let record = one.record;
                row.push_bind(one.id.as_str())
                    .push_bind(record.at.0)
                    .push_bind(record.fate.as_str())
                    .push_bind(record.verdict.as_ref().map(|verdict| verdict.level.as_str()))
                    .push_bind(record.verdict.as_ref().map(|verdict| verdict.action.as_str()))
                    .push_bind(record.verdict.as_ref().map(|verdict| verdict.score))
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
                    .push_bind(record.verdict.as_ref().map(|verdict| verdict.policy_version))
                    .push_bind(record.took_us as i64)
                    .push_bind(record.note.clone().map(storable))
                    .push_bind(one.envelope.as_str())
                    .push_bind(one.verdict.as_deref())
                    .push_bind(one.facts.as_deref());
            });
            insert.push(" ON CONFLICT (id) DO NOTHING").build().execute(&mut *$tx).await?;
        }
        let terms: Vec<(i64, &str)> = all.iter().flat_map(|one| one.terms.iter().map(|term| (*term, one.id.as_str()))).collect();
        $crate::records::insert_pairs!($tx, "INSERT INTO terms (term, record_id) ", &terms);
        $crate::tallies::count!($tx, all);
    }};
}

/// Writes rows of two texts; those that are there already stay.
macro_rules! insert_pairs {
    ($tx:ident, $into:expr, $pairs:expr) => {
        for some in $pairs.chunks(10 * $crate::records::ROWS) {
            let mut insert = sqlx::QueryBuilder::new($into);
            insert.push_values(some, |mut row, (a, b)| {
                row.push_bind(*a).push_bind(*b);
            });
            insert
                .push(" ON CONFLICT DO NOTHING")
                .build()
                .execute(&mut *$tx)
                .await?;
        }
    };
}
pub(crate) use insert;
pub(crate) use insert_pairs;

/// Takes off what a record quotes of a body that is not kept any more, within a transaction.
macro_rules! forget_quotes {
    ($tx:ident, $id:expr) => {{
        let kept: Option<(Option<String>, Option<String>)> =
            sqlx::query_as("SELECT verdict, facts FROM records WHERE id = $1")
                .bind($id)
                .fetch_optional(&mut *$tx)
                .await?;
        if let Some((verdict, facts)) = kept {
            let (verdict, facts) = $crate::records::unquoted(verdict.as_deref(), facts.as_deref())?;
            sqlx::query("UPDATE records SET verdict = $2, facts = $3 WHERE id = $1")
                .bind($id)
                .bind(verdict)
                .bind(facts)
                .execute(&mut *$tx)
                .await?;
        }
    }};
}
pub(crate) use forget_quotes;

/// Verdict and facts as stored, without quotations from body or attachments.
pub(crate) fn unquoted(
    verdict: Option<&str>,
    facts: Option<&str>,
) -> Result<(Option<String>, Option<String>), StoreError> {
    let mut verdict: Option<mail::Verdict> = verdict.map(serde_json::from_str).transpose()?;
    let mut facts: Option<Facts> = facts.map(serde_json::from_str).transpose()?;
    verdict.iter_mut().for_each(mail::Verdict::without_quotes);
    facts.iter_mut().for_each(Facts::without_quotes);
    Ok((
        verdict
            .as_ref()
            .map(serde_json::to_string)
            .transpose()?
            .map(storable),
        facts
            .as_ref()
            .map(serde_json::to_string)
            .transpose()?
            .map(storable),
    ))
}

impl Store {
    /// Writes records in one durable transaction. Writing one again changes nothing.
    pub async fn write(&self, records: &[Record]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let prepared = records
            .iter()
            .map(|record| Prepared::new(record, self.facts_bytes_max));
        let prepared: Vec<Prepared<'_>> = prepared.collect::<Result<_, _>>()?;
        writing!(&self.db, tx => insert!(tx, &prepared));
        Ok(())
    }

    /// One record.
    pub async fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM records WHERE id = $1");
        let row: Option<Row> = reading!(&self.db, pool => sqlx::query_as(AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(pool).await?);
        row.map(record).transpose()
    }

    /// These records, without facts, in the order of `ids`; what is gone meanwhile is left out.
    pub(crate) async fn summaries(&self, ids: &[String]) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::with_capacity(ids.len());
        for together in ids.chunks(100) {
            let places: Vec<String> = (1..=together.len())
                .map(|number| format!("${number}"))
                .collect();
            let columns = COLUMNS.replace(", facts", ", NULL");
            let sql = format!(
                "SELECT {columns} FROM records WHERE id IN ({}) ORDER BY id DESC",
                places.join(", ")
            );
            let rows: Vec<Row> = reading!(&self.db, pool => {
                let mut select = sqlx::query_as(AssertSqlSafe(sql));
                for id in together {
                    select = select.bind(id);
                }
                select.fetch_all(pool).await?
            });
            for row in rows {
                records.push(record(row)?);
            }
        }
        Ok(records)
    }

    /// Facts of these records.
    pub(crate) async fn facts(
        &self,
        ids: &[String],
    ) -> Result<HashMap<RecordId, Facts>, StoreError> {
        let mut facts = HashMap::with_capacity(ids.len());
        for together in ids.chunks(100) {
            let places: Vec<String> = (1..=together.len())
                .map(|number| format!("${number}"))
                .collect();
            let sql = format!(
                "SELECT id, facts FROM records WHERE facts IS NOT NULL AND id IN ({})",
                places.join(", ")
            );
            let rows: Vec<(String, String)> = reading!(&self.db, pool => {
                let mut select = sqlx::query_as(AssertSqlSafe(sql));
                for id in together {
                    select = select.bind(id);
                }
                select.fetch_all(pool).await?
            });
            for (id, json) in rows {
                if let Some(id) = RecordId::parse(&id) {
                    facts.insert(id, serde_json::from_str(&json)?);
                }
            }
        }
        Ok(facts)
    }

    /// How many records of each fate there are since a point in time.
    pub async fn counts(&self, since: Timestamp) -> Result<Vec<(Fate, u64)>, StoreError> {
        let sql = "SELECT fate, COUNT(*) FROM records WHERE id >= $1 GROUP BY fate ORDER BY fate";
        let since = RecordId::first_at(since).to_string();
        let rows: Vec<(String, i64)> =
            reading!(&self.db, pool => sqlx::query_as(sql).bind(since).fetch_all(pool).await?);
        let read = |(fate, count): (String, i64)| Some((Fate::parse(&fate)?, count as u64));
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

fn record(row: Row) -> Result<Record, StoreError> {
    let (
        id,
        at,
        fate,
        header_from,
        subject,
        message_id,
        size_bytes,
        digest,
        took_us,
        note,
        envelope,
        verdict,
        facts,
    ) = row;
    let damaged = |what: &str| StoreError::Corrupt(format!("record {id:?} has no readable {what}"));
    Ok(Record {
        id: RecordId::parse(&id).ok_or_else(|| damaged("id"))?,
        at: Timestamp(at),
        fate: Fate::parse(&fate).ok_or_else(|| damaged("fate"))?,
        envelope: serde_json::from_str(&envelope)?,
        header_from,
        subject,
        message_id,
        size_bytes: size_bytes as u64,
        digest,
        verdict: verdict.as_deref().map(serde_json::from_str).transpose()?,
        facts: facts.as_deref().map(serde_json::from_str).transpose()?,
        note,
        took_us: took_us as u64,
    })
}
