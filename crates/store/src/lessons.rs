//! What people and traps say of messages, and what is learnt from it: the training log, in one order for all nodes.
//!
//! A row is never changed. What is taken back is named by a later row, so that the log tells at any time what was learnt when, and the model is what
//! follows from the rows that stand ([`Store::taken_back`]). Beside it lie what the learner saw of messages that may still be labelled
//! (*sights*), and the few it asks people about (*questions*). What a sight says is the engine's business.

use std::collections::HashSet;

use mail::{RecordId, Timestamp};
use serde::Serialize;

use crate::acts::{Act, insert_act};
use crate::db::{Db, reading, writing};
use crate::records::storable;
use crate::{Store, StoreError};

/// Rows of one statement.
const ROWS: usize = 200;
/// Lessons read at a time, each of some kilobytes.
const READ: i64 = 500;
/// Rows deleted in one statement: mail servers wait behind it.
const FORGOTTEN: i64 = 5_000;

/// A lesson to enter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewLesson {
    /// When it was said.
    pub at: Timestamp,
    /// Of which message, when it came past here.
    pub record: Option<RecordId>,
    /// `wanted` or `unwanted`; empty when it takes another back.
    pub label: String,
    /// `trusted` or `reported`.
    pub trust: String,
    /// Was it asked for because nobody was sure?
    pub chosen: bool,
    /// How it came here: `desk`, `quarantine`, `door`, `files`, `trap`, `reply`.
    pub source: String,
    /// By whom.
    pub who: String,
    /// The visible sender, in its compared form.
    pub sender: Option<String>,
    /// What the learner saw; without, the label is kept and nothing is learnt.
    pub seen: Option<Vec<u8>>,
    /// The place of a lesson that holds no more.
    pub takes_back: Option<i64>,
    /// The class of message, where somebody said more than wanted or unwanted; else empty.
    pub class: String,
}

/// A lesson in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LessonRow {
    /// Its place.
    pub seq: i64,
    /// What it says.
    pub lesson: NewLesson,
}

/// A lesson as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LessonView {
    /// Its place.
    pub seq: i64,
    /// When it was said.
    pub at: Timestamp,
    /// Of which message, when it came past here.
    pub record: Option<RecordId>,
    /// `wanted` or `unwanted`.
    pub label: String,
    /// `trusted` or `reported`.
    pub trust: String,
    /// How it came here.
    pub source: String,
    /// By whom.
    pub who: String,
    /// The visible sender.
    pub sender: Option<String>,
    /// The class of message, or nothing.
    pub class: String,
    /// Is there anything to learn from?
    pub learnt: bool,
    /// Who took it back, and when.
    pub taken_back: Option<(String, Timestamp)>,
}

/// Which lessons; an empty part is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LessonFilter {
    /// Of this message.
    pub record: Option<RecordId>,
    /// By this person, address or trap.
    pub who: Option<String>,
    /// Of mail by this sender: an address, or `@domain`.
    pub sender: Option<String>,
    /// That came so.
    pub source: Option<String>,
    /// Said since then.
    pub since: Option<Timestamp>,
    /// Said before then.
    pub until: Option<Timestamp>,
    /// Only those that were not taken back.
    pub standing: bool,
    /// At a place before this one: the next page.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

/// What somebody says a message was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// When it was said.
    pub at: Timestamp,
    /// Of which message.
    pub record: RecordId,
    /// By whom.
    pub who: String,
    /// `wanted` or `unwanted`.
    pub label: String,
}

/// What the learner saw of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SightRow {
    /// Which.
    pub record: RecordId,
    /// What a label would teach.
    pub seen: Vec<u8>,
    /// What its text is recognised by; empty for a text of a few words.
    pub print: Vec<u8>,
    /// The number of its source.
    pub source: i64,
}

/// Messages with about the same text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CampaignRow {
    /// The first of them, by which they are called.
    pub name: RecordId,
    /// The last.
    pub last: RecordId,
    /// How many.
    pub messages: u32,
    /// From how many different sources, about.
    pub sources: u32,
}

/// A message the learner asks people about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Question {
    /// Which.
    pub record: RecordId,
    /// `unsure`, `chance` when just any message was taken, or `explored` when just any that is kept from people was.
    pub why: String,
    /// How likely it was thought to be unwanted.
    pub probability: f64,
}

type Row = (
    i64,
    i64,
    Option<String>,
    String,
    String,
    i64,
    String,
    String,
    Option<String>,
    Option<Vec<u8>>,
    Option<i64>,
    String,
);
type ViewRow = (
    i64,
    i64,
    Option<String>,
    String,
    String,
    String,
    String,
    Option<String>,
    String,
    i64,
    Option<String>,
    Option<i64>,
);

impl Store {
    /// Enters lessons, with the act they are where a person gives them, and closes the questions they answer; their places.
    pub async fn add_lessons(
        &self,
        lessons: &[NewLesson],
        act: Option<&Act>,
    ) -> Result<Vec<i64>, StoreError> {
        let places = writing!(&self.db, tx => {
            match act {
                // The lock of the log of acts orders lessons, too.
                Some(act) => insert_act!(self, tx, act),
                None if matches!(self.db, Db::Pg(_)) => {
                    sqlx::query("SELECT pg_advisory_xact_lock(7726)").execute(&mut *tx).await?;
                }
                None => {}
            }
            let last: Option<i64> = sqlx::query_scalar("SELECT MAX(seq) FROM lessons").fetch_one(&mut *tx).await?;
            let base: Option<i64> = sqlx::query_scalar("SELECT MAX(seq) FROM lesson_bases").fetch_one(&mut *tx).await?;
            let first = last.unwrap_or(0).max(base.unwrap_or(0)) + 1;
            let places: Vec<i64> = (first..).take(lessons.len()).collect();
            for (lessons, places) in lessons.chunks(ROWS).zip(places.chunks(ROWS)) {
                let mut insert = sqlx::QueryBuilder::new("INSERT INTO lessons (seq, at, record_id, label, trust, chosen, source, who, sender, seen, takes_back, class) ");
                insert.push_values(lessons.iter().zip(places), |mut row, (lesson, place)| {
                    row.push_bind(*place)
                        .push_bind(lesson.at.0)
                        .push_bind(lesson.record.map(|record| record.to_string()))
                        .push_bind(lesson.label.as_str())
                        .push_bind(lesson.trust.as_str())
                        .push_bind(i64::from(lesson.chosen))
                        .push_bind(lesson.source.as_str())
                        .push_bind(storable(lesson.who.clone()))
                        .push_bind(lesson.sender.clone().map(storable))
                        .push_bind(lesson.seen.as_deref())
                        .push_bind(lesson.takes_back)
                        .push_bind(lesson.class.as_str());
                });
                insert.build().execute(&mut *tx).await?;
            }
            for lesson in lessons.iter().filter(|lesson| lesson.takes_back.is_none()) {
                if let Some(record) = lesson.record {
                    sqlx::query("UPDATE questions SET answered = $2 WHERE record_id = $1").bind(record.to_string()).bind(lesson.at.0).execute(&mut *tx).await?;
                }
            }
            places
        });
        Ok(places)
    }

    /// Lessons behind a place, in order.
    pub async fn lessons_after(&self, seq: i64) -> Result<Vec<LessonRow>, StoreError> {
        let sql = "SELECT seq, at, record_id, label, trust, chosen, source, who, sender, seen, takes_back, class FROM lessons WHERE seq > $1 ORDER BY seq LIMIT $2";
        let rows: Vec<Row> = reading!(&self.db, pool => sqlx::query_as(sql).bind(seq).bind(READ).fetch_all(pool).await?);
        Ok(rows.into_iter().map(lesson).collect())
    }

    /// What trusted people called wanted last and still do: what was seen of it, the newest first.
    pub async fn last_wanted(&self, limit: u32) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT l.seen FROM lessons l WHERE l.label = 'wanted' AND l.trust = 'trusted' AND l.seen IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM lessons b WHERE b.takes_back = l.seq) ORDER BY l.seq DESC LIMIT $1";
        Ok(
            reading!(&self.db, pool => sqlx::query_scalar(sql).bind(i64::from(limit)).fetch_all(pool).await?),
        )
    }

    /// Places of lessons that hold no more, by what stands up to a place.
    pub async fn taken_back(&self, upto: i64) -> Result<HashSet<i64>, StoreError> {
        let sql = "SELECT takes_back FROM lessons WHERE takes_back IS NOT NULL AND seq <= $1";
        let places: Vec<i64> =
            reading!(&self.db, pool => sqlx::query_scalar(sql).bind(upto).fetch_all(pool).await?);
        Ok(places.into_iter().collect())
    }

    /// The first of the lessons that rows behind a place take back.
    pub async fn first_taken_back(&self, since: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT MIN(takes_back) FROM lessons WHERE takes_back IS NOT NULL AND seq > $1";
        Ok(reading!(&self.db, pool => sqlx::query_scalar(sql).bind(since).fetch_one(pool).await?))
    }

    /// The place of the last lesson there is.
    pub async fn last_lesson(&self) -> Result<i64, StoreError> {
        let last: Option<i64> = reading!(&self.db, pool => sqlx::query_scalar("SELECT MAX(seq) FROM lessons").fetch_one(pool).await?);
        Ok(last.unwrap_or(0))
    }

    /// What was learnt from lessons that are not kept any more, and the place it reaches up to.
    pub async fn lesson_base(&self) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        let sql = "SELECT seq, body FROM lesson_bases ORDER BY seq DESC LIMIT 1";
        Ok(reading!(&self.db, pool => sqlx::query_as(sql).fetch_optional(pool).await?))
    }

    /// The place up to which lessons are folded; 0 when none are.
    pub async fn lesson_base_place(&self) -> Result<i64, StoreError> {
        let place: Option<i64> = reading!(&self.db, pool => sqlx::query_scalar("SELECT MAX(seq) FROM lesson_bases").fetch_one(pool).await?);
        Ok(place.unwrap_or(0))
    }

    /// Replaces all lessons up to a place by what was learnt from them.
    pub async fn fold_lessons(
        &self,
        upto: i64,
        at: Timestamp,
        body: &[u8],
    ) -> Result<(), StoreError> {
        writing!(&self.db, tx => {
            if matches!(self.db, Db::Pg(_)) {
                sqlx::query("SELECT pg_advisory_xact_lock(7726)").execute(&mut *tx).await?;
            }
            sqlx::query("DELETE FROM lesson_bases").execute(&mut *tx).await?;
            sqlx::query("INSERT INTO lesson_bases (seq, at, body) VALUES ($1, $2, $3)").bind(upto).bind(at.0).bind(body).execute(&mut *tx).await?;
            sqlx::query("DELETE FROM lessons WHERE seq <= $1").bind(upto).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// The place of the last lesson said before a time.
    pub async fn last_lesson_before(&self, at: Timestamp) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT MAX(seq) FROM lessons WHERE at < $1";
        Ok(reading!(&self.db, pool => sqlx::query_scalar(sql).bind(at.0).fetch_one(pool).await?))
    }

    /// Lessons, the newest first.
    pub async fn lessons(&self, filter: &LessonFilter) -> Result<Vec<LessonView>, StoreError> {
        let text = |of: &Option<String>| storable(of.clone().unwrap_or_default());
        let standing = if filter.standing {
            "AND b.seq IS NULL"
        } else {
            ""
        };
        // A domain is asked for as it stands at the end of its addresses.
        let (sender, domain) = match filter.sender.as_deref() {
            Some(text) if text.starts_with('@') => (String::new(), storable(text.to_owned())),
            _ => (text(&filter.sender), String::new()),
        };
        let sql = format!(
            "SELECT l.seq, l.at, l.record_id, l.label, l.trust, l.source, l.who, l.sender, l.class, CAST(CASE WHEN l.seen IS NULL THEN 0 ELSE 1 END AS BIGINT), b.who, b.at
             FROM lessons l LEFT JOIN lessons b ON b.takes_back = l.seq
             WHERE l.takes_back IS NULL AND ($1 = '' OR l.record_id = $1) AND ($2 = '' OR l.who = $2) AND ($3 = '' OR l.sender = $3)
               AND ($4 = '' OR SUBSTR(l.sender, LENGTH(l.sender) - LENGTH($4) + 1) = $4) AND ($5 = '' OR l.source = $5)
               AND l.at >= $6 AND l.at < $7 AND l.seq < $8 {standing} ORDER BY l.seq DESC LIMIT $9"
        );
        let record = filter.record.map_or_else(String::new, |id| id.to_string());
        let rows: Vec<ViewRow> = reading!(&self.db, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(record)
            .bind(text(&filter.who))
            .bind(sender)
            .bind(domain)
            .bind(text(&filter.source))
            .bind(filter.since.map_or(i64::MIN, |at| at.0))
            .bind(filter.until.map_or(i64::MAX, |at| at.0))
            .bind(filter.before.unwrap_or(i64::MAX))
            .bind(i64::from(filter.limit.clamp(1, 100_000)))
            .fetch_all(pool)
            .await?);
        let mut lessons: Vec<LessonView> = rows.into_iter().map(view).collect();
        // Two people may have taken the same one back at the same moment.
        lessons.dedup_by_key(|lesson| lesson.seq);
        Ok(lessons)
    }

    /// What was said of a message and still holds, newest first.
    pub async fn labels(&self, record: RecordId) -> Result<Vec<Label>, StoreError> {
        let filter = LessonFilter {
            record: Some(record),
            standing: true,
            limit: 100,
            ..LessonFilter::default()
        };
        let labels = self
            .lessons(&filter)
            .await?
            .into_iter()
            .map(|lesson| Label {
                at: lesson.at,
                record,
                who: lesson.who,
                label: lesson.label,
            });
        Ok(labels.collect())
    }

    /// Keeps what the learner saw of messages. What is there already stays as it is.
    pub async fn keep_sights(&self, sights: &[SightRow]) -> Result<(), StoreError> {
        if sights.is_empty() {
            return Ok(());
        }
        writing!(&self.db, tx => for some in sights.chunks(ROWS) {
            let mut insert = sqlx::QueryBuilder::new("INSERT INTO sights (record_id, seen, print, source) ");
            insert.push_values(some, |mut row, sight| {
                row.push_bind(sight.record.to_string()).push_bind(sight.seen.as_slice()).push_bind(sight.print.as_slice()).push_bind(sight.source);
            });
            insert.push(" ON CONFLICT DO NOTHING").build().execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Prints of texts since a point in time, in their order; the newest `limit` of them.
    pub async fn prints_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<(RecordId, Vec<u8>, i64)>, StoreError> {
        let sql = "SELECT record_id, print, source FROM sights WHERE record_id >= $1 AND print IS NOT NULL ORDER BY record_id DESC LIMIT $2";
        let first = RecordId::first_at(since).to_string();
        let rows: Vec<(String, Vec<u8>, i64)> = reading!(&self.db, pool => sqlx::query_as(sql).bind(first).bind(i64::from(limit)).fetch_all(pool).await?);
        let read = |(record, print, source): (String, Vec<u8>, i64)| {
            Some((RecordId::parse(&record)?, print, source))
        };
        Ok(rows.into_iter().rev().filter_map(read).collect())
    }

    /// The first of the messages with text whose sight came since a time, at most so many back.
    pub async fn sights_from(
        &self,
        since: Timestamp,
        most: u32,
    ) -> Result<Option<RecordId>, StoreError> {
        let sql = "SELECT MIN(record_id) FROM (SELECT record_id FROM sights WHERE record_id >= $1 AND print IS NOT NULL ORDER BY record_id DESC LIMIT $2) AS last";
        let first = RecordId::first_at(since).to_string();
        let found: Option<String> = reading!(&self.db, pool => sqlx::query_scalar(sql).bind(first).bind(i64::from(most)).fetch_one(pool).await?);
        Ok(found.and_then(|id| RecordId::parse(&id)))
    }

    /// What was seen of messages with text from one on, the oldest first: message, what was seen, source.
    pub async fn sights_at(
        &self,
        first: RecordId,
        limit: u32,
    ) -> Result<Vec<(RecordId, Vec<u8>, i64)>, StoreError> {
        let sql = "SELECT record_id, seen, source FROM sights WHERE record_id >= $1 AND print IS NOT NULL ORDER BY record_id LIMIT $2";
        let rows: Vec<(String, Vec<u8>, i64)> = reading!(&self.db, pool => sqlx::query_as(sql).bind(first.to_string()).bind(i64::from(limit)).fetch_all(pool).await?);
        let read = |(record, seen, source): (String, Vec<u8>, i64)| {
            Some((RecordId::parse(&record)?, seen, source))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Writes down what campaigns have become, and which messages belong to them.
    pub async fn keep_campaigns(
        &self,
        campaigns: &[CampaignRow],
        members: &[(RecordId, RecordId)],
    ) -> Result<(), StoreError> {
        if campaigns.is_empty() && members.is_empty() {
            return Ok(());
        }
        let put = "INSERT INTO campaigns (name, last, messages, sources) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (name) DO UPDATE SET last = excluded.last, messages = excluded.messages, sources = excluded.sources";
        writing!(&self.db, tx => {
            for one in campaigns {
                sqlx::query(put).bind(one.name.to_string()).bind(one.last.to_string()).bind(i64::from(one.messages)).bind(i64::from(one.sources)).execute(&mut *tx).await?;
            }
            for some in members.chunks(ROWS) {
                let mut insert = sqlx::QueryBuilder::new("INSERT INTO campaign_members (name, record_id) ");
                insert.push_values(some, |mut row, (name, record)| {
                    row.push_bind(name.to_string()).push_bind(record.to_string());
                });
                insert.push(" ON CONFLICT DO NOTHING").build().execute(&mut *tx).await?;
            }
        });
        Ok(())
    }

    /// Campaigns, the one seen last first.
    pub async fn campaigns(&self, limit: u32) -> Result<Vec<CampaignRow>, StoreError> {
        let sql = "SELECT name, last, messages, sources FROM campaigns ORDER BY last DESC LIMIT $1";
        let rows: Vec<(String, String, i64, i64)> = reading!(&self.db, pool => sqlx::query_as(sql).bind(i64::from(limit)).fetch_all(pool).await?);
        let read = |(name, last, messages, sources): (String, String, i64, i64)| {
            Some(CampaignRow {
                name: RecordId::parse(&name)?,
                last: RecordId::parse(&last)?,
                messages: u32::try_from(messages).unwrap_or(u32::MAX),
                sources: u32::try_from(sources).unwrap_or(u32::MAX),
            })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Messages of a campaign, the newest first.
    pub async fn campaign_members(
        &self,
        name: RecordId,
        limit: u32,
    ) -> Result<Vec<RecordId>, StoreError> {
        let sql = "SELECT record_id FROM campaign_members WHERE name = $1 ORDER BY record_id DESC LIMIT $2";
        let rows: Vec<String> = reading!(&self.db, pool => sqlx::query_scalar(sql).bind(name.to_string()).bind(i64::from(limit)).fetch_all(pool).await?);
        Ok(rows.iter().filter_map(|id| RecordId::parse(id)).collect())
    }

    /// What the learner saw of a message, as long as it is kept.
    pub async fn sight(&self, record: RecordId) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT seen FROM sights WHERE record_id = $1";
        Ok(
            reading!(&self.db, pool => sqlx::query_scalar(sql).bind(record.to_string()).fetch_optional(pool).await?),
        )
    }

    /// Enters messages to ask people about.
    pub async fn ask(&self, questions: &[Question]) -> Result<(), StoreError> {
        if questions.is_empty() {
            return Ok(());
        }
        let insert = "INSERT INTO questions (record_id, why, probability) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        writing!(&self.db, tx => for question in questions {
            sqlx::query(insert).bind(question.record.to_string()).bind(&question.why).bind(question.probability).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Questions nobody has answered, the newest first.
    pub async fn questions(&self, limit: u32) -> Result<Vec<Question>, StoreError> {
        let sql = "SELECT record_id, why, probability FROM questions WHERE answered IS NULL ORDER BY record_id DESC LIMIT $1";
        let rows: Vec<(String, String, f64)> = reading!(&self.db, pool => sqlx::query_as(sql).bind(i64::from(limit)).fetch_all(pool).await?);
        let read = |(record, why, probability): (String, String, f64)| {
            Some(Question {
                record: RecordId::parse(&record)?,
                why,
                probability,
            })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Was the learner unsure of this message, and asks about it?
    pub async fn is_asked(&self, record: RecordId) -> Result<Option<String>, StoreError> {
        let sql = "SELECT why FROM questions WHERE record_id = $1 AND answered IS NULL";
        Ok(
            reading!(&self.db, pool => sqlx::query_scalar(sql).bind(record.to_string()).fetch_optional(pool).await?),
        )
    }

    /// Forgets what the learner saw of messages before, and what it asked about them; how many.
    pub async fn forget_sights(&self, before: Timestamp) -> Result<u64, StoreError> {
        let first = RecordId::first_at(before).to_string();
        let mut forgotten = 0;
        for (table, column) in [
            ("sights", "record_id"),
            ("questions", "record_id"),
            ("campaign_members", "record_id"),
            ("campaigns", "last"),
        ] {
            let sql = format!(
                "DELETE FROM {table} WHERE {column} IN (SELECT {column} FROM {table} WHERE {column} < $1 ORDER BY {column} LIMIT $2)"
            );
            forgotten += writing!(&self.db, tx => sqlx::query(sqlx::AssertSqlSafe(sql)).bind(first.as_str()).bind(FORGOTTEN).execute(&mut *tx).await?.rows_affected());
        }
        Ok(forgotten)
    }
}

fn lesson(row: Row) -> LessonRow {
    let (seq, at, record, label, trust, chosen, source, who, sender, seen, takes_back, class) = row;
    LessonRow {
        seq,
        lesson: NewLesson {
            at: Timestamp(at),
            record: record.as_deref().and_then(RecordId::parse),
            label,
            trust,
            chosen: chosen != 0,
            source,
            who,
            sender,
            seen,
            takes_back,
            class,
        },
    }
}

fn view(row: ViewRow) -> LessonView {
    let (seq, at, record, label, trust, source, who, sender, class, learnt, by, when) = row;
    LessonView {
        seq,
        at: Timestamp(at),
        record: record.as_deref().and_then(RecordId::parse),
        label,
        trust,
        source,
        who,
        sender,
        class,
        learnt: learnt != 0,
        taken_back: by.zip(when.map(Timestamp)),
    }
}
