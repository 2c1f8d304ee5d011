//! The quarantine: whole messages that wait for a person, and the marks that let them out.
//!
//! A state changes by one conditional statement, so of two administrators one acts and the other is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mail::{Address, Level, Record, RecordId, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;

use crate::acts::{Act, insert_act};
use crate::db::{reading, writing};
use crate::records::{Prepared, forget_quotes, insert, insert_pairs, storable};
use crate::{Store, StoreError};

/// Where a held message is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldState {
    /// Waits for a person.
    Held,
    /// On its way back to the mail server.
    Releasing,
    /// The server has it again.
    Released,
    /// A person deleted it.
    Deleted,
    /// Nobody decided in time.
    Expired,
}

impl HoldState {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::Held,
            Self::Releasing,
            Self::Released,
            Self::Deleted,
            Self::Expired,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// A held message, without its body.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Held {
    /// Its name; the record of the same name tells why it is held.
    pub id: RecordId,
    /// When it came.
    pub at: Timestamp,
    /// Where it is in its life.
    pub state: HoldState,
    /// Since when.
    pub changed_at: Timestamp,
    /// SHA-256 of its bytes, hexadecimal.
    pub digest: String,
    /// Its bytes.
    pub size_bytes: u64,
    /// The mail server that handed it over.
    pub server: String,
    /// The envelope sender.
    pub envelope_from: Option<Address>,
    /// For whom it is held.
    pub recipients: Vec<Address>,
    /// The visible sender.
    pub header_from: Option<String>,
    /// The decoded subject.
    pub subject: String,
    /// Its danger level.
    pub level: Option<String>,
    /// Its score.
    pub score: Option<f64>,
    /// How often the same message came.
    pub copies: u64,
    /// When it came last.
    pub last_seen: Timestamp,
}

/// Which held messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldFilter {
    /// Also those that are not held any more.
    pub all: bool,
    /// For this recipient, or `@domain`.
    pub to: Option<String>,
    /// Only for these recipients: addresses or `@domain`. Empty is no restriction.
    pub scope: Vec<String>,
    /// Part of the envelope sender or the visible sender, case ignored.
    pub from: Option<String>,
    /// Part of the subject, case ignored.
    pub subject: Option<String>,
    /// Of this level.
    pub level: Option<Level>,
    /// Only items older than this one: the next page.
    pub before: Option<RecordId>,
    /// How many at most.
    pub limit: u32,
}

/// A release mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The held message it lets out.
    pub item: RecordId,
    /// For these recipients.
    pub recipients: Vec<Address>,
    /// Was it used?
    pub used: bool,
    /// When it runs out.
    pub expires: Timestamp,
}

const COLUMNS: &str = "id, at, state, changed_at, digest, size_bytes, server, envelope_from, recipients, header_from, subject, level, score, copies, last_seen";

type Row = (
    String,
    i64,
    String,
    i64,
    String,
    i64,
    String,
    Option<String>,
    String,
    Option<String>,
    String,
    Option<String>,
    Option<f64>,
    i64,
    i64,
);

impl Store {
    /// Keeps a message whole for these recipients, and its record, durably. The very same message (bytes, envelope sender
    /// and recipients) that is held already is not kept twice: a client that was not answered sends it again.
    /// Returns what is held.
    pub async fn hold(
        &self,
        record: &Record,
        body: Arc<[u8]>,
        recipients: &[Address],
    ) -> Result<Held, StoreError> {
        let identity = identity(record, recipients);
        if let Some(known) = self.come_again(&identity, record).await? {
            return Ok(known);
        }
        self.check_room(body.len() as u64).await?;
        self.bodies.write(record.id, body).await?;
        let prepared = Prepared::new(record, self.facts_bytes_max)?;
        let list = storable(serde_json::to_string(recipients)?);
        let keys = held_keys(recipients);
        let held_for: Vec<(&str, &str)> = keys
            .iter()
            .map(|key| (prepared.id.as_str(), key.as_str()))
            .collect();
        let kept = writing!(&self.db, tx => {
            let done = sqlx::query(
                "INSERT INTO quarantine (id, at, state, changed_at, identity, digest, size_bytes, server, envelope_from, recipients, header_from, subject, level, score, copies, last_seen)
                 VALUES ($1, $2, 'held', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $2) ON CONFLICT DO NOTHING",
            )
            .bind(&prepared.id)
            .bind(record.at.0)
            .bind(&identity)
            .bind(&record.digest)
            .bind(record.size_bytes as i64)
            .bind(storable(record.envelope.server.clone()))
            .bind(record.envelope.envelope_from.as_ref().map(|from| storable(from.as_str().to_owned())))
            .bind(&list)
            .bind(record.header_from.clone().map(storable))
            .bind(storable(record.subject.clone()))
            .bind(record.verdict.as_ref().map(|verdict| verdict.level.as_str()))
            .bind(record.verdict.as_ref().map(|verdict| verdict.score))
            .execute(&mut *tx)
            .await?;
            let kept = done.rows_affected() > 0;
            if kept {
                insert!(tx, std::slice::from_ref(&prepared));
                insert_pairs!(tx, "INSERT INTO held_for (item_id, address) ", &held_for);
            }
            kept
        });
        if !kept {
            // The same message came twice at the same moment, and the other one was faster.
            self.bodies.remove(record.id).await?;
            return self.come_again(&identity, record).await?.ok_or_else(|| {
                StoreError::Conflict(
                    "the message was decided about while it was being kept".to_owned(),
                )
            });
        }
        self.room.take(record.size_bytes);
        Ok(Held {
            id: record.id,
            at: record.at,
            state: HoldState::Held,
            changed_at: record.at,
            digest: record.digest.clone(),
            size_bytes: record.size_bytes,
            server: record.envelope.server.clone(),
            envelope_from: record.envelope.envelope_from.clone(),
            recipients: recipients.to_vec(),
            header_from: record.header_from.clone(),
            subject: record.subject.clone(),
            level: record
                .verdict
                .as_ref()
                .map(|verdict| verdict.level.as_str().to_owned()),
            score: record.verdict.as_ref().map(|verdict| verdict.score),
            copies: 1,
            last_seen: record.at,
        })
    }

    /// Counts a message that is held already and came again, and records its coming.
    async fn come_again(
        &self,
        identity: &str,
        record: &Record,
    ) -> Result<Option<Held>, StoreError> {
        let sql =
            "SELECT id FROM quarantine WHERE identity = $1 AND state IN ('held', 'releasing')";
        let id: Option<String> = reading!(&self.db, pool => sqlx::query_scalar(sql).bind(identity).fetch_optional(pool).await?);
        let Some(id) = id else { return Ok(None) };
        let mut again = record.clone();
        again.note = Some(format!(
            "the same message as {id}, which is held; it came again"
        ));
        // The first record quotes for all of them, and forgets when the body goes.
        again
            .verdict
            .iter_mut()
            .for_each(mail::Verdict::without_quotes);
        again.facts.iter_mut().for_each(mail::Facts::without_quotes);
        let prepared = Prepared::new(&again, self.facts_bytes_max)?;
        let counted = writing!(&self.db, tx => {
            let done = sqlx::query("UPDATE quarantine SET copies = copies + 1, last_seen = $2 WHERE id = $1 AND state IN ('held', 'releasing')").bind(&id).bind(record.at.0).execute(&mut *tx).await?;
            let counted = done.rows_affected() > 0;
            if counted {
                insert!(tx, std::slice::from_ref(&prepared));
            }
            counted
        });
        match (counted, RecordId::parse(&id)) {
            (true, Some(id)) => self.held(id).await,
            _ => Ok(None),
        }
    }

    async fn check_room(&self, bytes: u64) -> Result<(), StoreError> {
        let fits = |held: u64| held + bytes <= self.quarantine_bytes_max;
        let held = match self.room.held() {
            Some(held) if fits(held) => held,
            _ => {
                let sql = "SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM quarantine WHERE state IN ('held', 'releasing')";
                let held: i64 =
                    reading!(&self.db, pool => sqlx::query_scalar(sql).fetch_one(pool).await?);
                self.room.counted(held as u64);
                held as u64
            }
        };
        if !fits(held) {
            return Err(StoreError::Full(format!(
                "{held} bytes are held, {} are allowed (limits.quarantine_bytes_max); release or delete some",
                self.quarantine_bytes_max
            )));
        }
        Ok(())
    }

    /// One item.
    pub async fn held(&self, id: RecordId) -> Result<Option<Held>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM quarantine WHERE id = $1");
        let row: Option<Row> = reading!(&self.db, pool => sqlx::query_as(AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(pool).await?);
        row.map(held).transpose()
    }

    /// A page of items, newest first.
    pub async fn held_list(&self, filter: &HeldFilter) -> Result<Vec<Held>, StoreError> {
        let mut binds: Vec<String> = vec![
            filter
                .before
                .map_or_else(|| "~".to_owned(), |id| id.to_string()),
        ];
        let mut sql = format!("SELECT {COLUMNS} FROM quarantine WHERE id < $1");
        if !filter.all {
            sql.push_str(" AND state IN ('held', 'releasing')");
        }
        let mut held_for = |of: &[String]| {
            let places: Vec<String> = of
                .iter()
                .map(|one| {
                    binds.push(one.trim().to_lowercase());
                    format!("${}", binds.len())
                })
                .collect();
            sql.push_str(&format!(
                " AND id IN (SELECT item_id FROM held_for WHERE address IN ({}))",
                places.join(", ")
            ));
        };
        if let Some(to) = &filter.to {
            held_for(std::slice::from_ref(to));
        }
        if !filter.scope.is_empty() {
            held_for(&filter.scope);
        }
        let mut part = |columns: &[&str], text: &str| {
            binds.push(format!("%{}%", escape_like(&text.trim().to_lowercase())));
            let place = binds.len();
            let tests: Vec<String> = columns
                .iter()
                .map(|column| format!("LOWER({column}) LIKE ${place} ESCAPE '!'"))
                .collect();
            sql.push_str(&format!(" AND ({})", tests.join(" OR ")));
        };
        if let Some(from) = &filter.from {
            part(&["envelope_from", "header_from"], from);
        }
        if let Some(subject) = &filter.subject {
            part(&["subject"], subject);
        }
        if let Some(level) = filter.level {
            binds.push(level.as_str().to_owned());
            sql.push_str(&format!(" AND level = ${}", binds.len()));
        }
        sql.push_str(&format!(" ORDER BY id DESC LIMIT ${}", binds.len() + 1));
        let rows: Vec<Row> = reading!(&self.db, pool => {
            let mut select = sqlx::query_as(AssertSqlSafe(sql));
            for bind in binds {
                select = select.bind(bind);
            }
            select.bind(i64::from(filter.limit)).fetch_all(pool).await?
        });
        rows.into_iter().map(held).collect()
    }

    /// How many messages are held, and their bytes.
    pub async fn held_size(&self) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM quarantine WHERE state IN ('held', 'releasing')";
        let (count, bytes): (i64, i64) =
            reading!(&self.db, pool => sqlx::query_as(sql).fetch_one(pool).await?);
        Ok((count as u64, bytes as u64))
    }

    /// Makes an item of its own for some recipients of a held one, so that they can be decided about alone. `None` when the
    /// item is not held any more, or not for all of these.
    pub async fn split(
        &self,
        id: RecordId,
        recipients: &[Address],
        act: &Act,
    ) -> Result<Option<RecordId>, StoreError> {
        let (Some(item), Some(mut record)) = (self.held(id).await?, self.get(id).await?) else {
            return Ok(None);
        };
        let keys: Vec<String> = recipients.iter().map(Address::key).collect();
        let (theirs, others): (Vec<Address>, Vec<Address>) = item
            .recipients
            .iter()
            .cloned()
            .partition(|to| keys.contains(&to.key()));
        if item.state != HoldState::Held || theirs.len() < keys.len() || others.is_empty() {
            return Ok(None);
        }
        let whole_identity = identity(&record, &item.recipients);
        let others_identity = identity(&record, &others);
        let body: Arc<[u8]> = self.body(id).await?.into();
        let own = RecordId::random(item.at);
        record.id = own;
        record.note = Some(format!("held apart from {id}, for some of its recipients"));
        record.envelope.recipients.clone_from(&theirs);
        self.bodies.write(own, body).await?;
        let prepared = Prepared::new(&record, self.facts_bytes_max)?;
        let (theirs_json, others_json) = (
            storable(serde_json::to_string(&theirs)?),
            storable(serde_json::to_string(&others)?),
        );
        let (their_keys, other_keys) = (held_keys(&theirs), held_keys(&others));
        let held_for: Vec<(&str, &str)> = their_keys
            .iter()
            .map(|key| (prepared.id.as_str(), key.as_str()))
            .collect();
        let parted = writing!(&self.db, tx => {
            // Only when nothing happened to the item since it was read.
            let done = sqlx::query("UPDATE quarantine SET recipients = $3, identity = $4 WHERE id = $1 AND state = 'held' AND identity = $2")
                .bind(id.to_string()).bind(&whole_identity).bind(&others_json).bind(&others_identity).execute(&mut *tx).await?.rows_affected() > 0;
            if done {
                sqlx::query("INSERT INTO quarantine (id, at, state, changed_at, identity, digest, size_bytes, server, envelope_from, recipients, header_from, subject, level, score, copies, last_seen)
                    SELECT $2, at, 'held', changed_at, $3, digest, size_bytes, server, envelope_from, $4, header_from, subject, level, score, 1, last_seen FROM quarantine WHERE id = $1")
                    .bind(id.to_string()).bind(&prepared.id).bind(identity(&record, &theirs)).bind(&theirs_json).execute(&mut *tx).await?;
                sqlx::query("DELETE FROM held_for WHERE item_id = $1").bind(id.to_string()).execute(&mut *tx).await?;
                let old = id.to_string();
                let stay: Vec<(&str, &str)> = other_keys.iter().map(|key| (old.as_str(), key.as_str())).collect();
                insert_pairs!(tx, "INSERT INTO held_for (item_id, address) ", &stay);
                insert_pairs!(tx, "INSERT INTO held_for (item_id, address) ", &held_for);
                insert!(tx, std::slice::from_ref(&prepared));
                insert_act!(self, tx, act);
            }
            done
        });
        if parted {
            return Ok(Some(own));
        }
        self.bodies.remove(own).await?;
        Ok(None)
    }

    /// The message, byte for byte as it came.
    pub async fn body(&self, id: RecordId) -> Result<Vec<u8>, StoreError> {
        let item = self
            .held(id)
            .await?
            .ok_or_else(|| StoreError::Conflict(format!("{id} is not in the quarantine")))?;
        if !matches!(item.state, HoldState::Held | HoldState::Releasing) {
            return Err(StoreError::Conflict(format!(
                "{id} is {}: its bytes are not kept any more",
                item.state.as_str()
            )));
        }
        let body = self.bodies.read(id).await?;
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&body));
        if digest == item.digest {
            Ok(body)
        } else {
            Err(StoreError::Corrupt(format!(
                "the bytes of {id} are not those that were kept"
            )))
        }
    }

    /// Takes a held item for releasing; false when it is not held.
    pub async fn begin_release(&self, id: RecordId, act: &Act) -> Result<bool, StoreError> {
        self.transition(id, "held", HoldState::Releasing, act).await
    }

    /// Ends a release: the item is released, or held again. Its mark is not good any more.
    pub async fn end_release(
        &self,
        id: RecordId,
        released: bool,
        act: &Act,
    ) -> Result<bool, StoreError> {
        let state = if released {
            HoldState::Released
        } else {
            HoldState::Held
        };
        let done = self.transition(id, "releasing", state, act).await?;
        writing!(&self.db, tx => {
            sqlx::query("UPDATE marks SET expires = 0 WHERE item_id = $1").bind(id.to_string()).execute(&mut *tx).await?;
        });
        if done && released {
            self.bodies.remove(id).await?;
        }
        Ok(done)
    }

    /// Deletes a held item; false when it is not held.
    pub async fn delete_held(&self, id: RecordId, act: &Act) -> Result<bool, StoreError> {
        let done = self.transition(id, "held", HoldState::Deleted, act).await?;
        if done {
            self.bodies.remove(id).await?;
        }
        Ok(done)
    }

    async fn transition(
        &self,
        id: RecordId,
        from: &str,
        to: HoldState,
        act: &Act,
    ) -> Result<bool, StoreError> {
        let done = writing!(&self.db, tx => {
            let done = sqlx::query("UPDATE quarantine SET state = $3, changed_at = $4 WHERE id = $1 AND state = $2").bind(id.to_string()).bind(from).bind(to.as_str()).bind(act.at.0).execute(&mut *tx).await?;
            let done = done.rows_affected() > 0;
            if done {
                insert_act!(self, tx, act);
                if matches!(to, HoldState::Released | HoldState::Deleted | HoldState::Expired) {
                    forget_quotes!(tx, id.to_string());
                }
            }
            done
        });
        Ok(done)
    }

    /// Makes a mark for an item that is being released.
    pub async fn create_mark(
        &self,
        mark: RecordId,
        item: RecordId,
        recipients: &[Address],
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let recipients = storable(serde_json::to_string(recipients)?);
        writing!(&self.db, tx => {
            sqlx::query("INSERT INTO marks (id, item_id, recipients, expires) VALUES ($1, $2, $3, $4)").bind(mark.to_string()).bind(item.to_string()).bind(recipients).bind(expires.0).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// A mark, used or not.
    pub async fn mark(&self, mark: RecordId) -> Result<Option<Mark>, StoreError> {
        let sql = "SELECT item_id, recipients, expires, used_at FROM marks WHERE id = $1";
        let row: Option<(String, String, i64, Option<i64>)> = reading!(&self.db, pool => sqlx::query_as(sql).bind(mark.to_string()).fetch_optional(pool).await?);
        let Some((item, recipients, expires, used_at)) = row else {
            return Ok(None);
        };
        Ok(Some(Mark {
            item: RecordId::parse(&item)
                .ok_or_else(|| StoreError::Corrupt(format!("mark {mark} names no item")))?,
            recipients: serde_json::from_str(&recipients)?,
            used: used_at.is_some(),
            expires: Timestamp(expires),
        }))
    }

    /// Uses a mark: true once, and never again.
    pub async fn use_mark(&self, mark: RecordId, now: Timestamp) -> Result<bool, StoreError> {
        let done = writing!(&self.db, tx => {
            let done = sqlx::query("UPDATE marks SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND expires > $2").bind(mark.to_string()).bind(now.0).execute(&mut *tx).await?;
            done.rows_affected() > 0
        });
        Ok(done)
    }
}

/// How much is held, counted now and then: a sum over all that is held is too much work for every message. Between counts
/// this process adds what it holds itself; what others hold is missed for at most [`Room::GOOD`].
#[derive(Default)]
pub(crate) struct Room(Mutex<Option<(Instant, u64)>>);

impl Room {
    const GOOD: Duration = Duration::from_secs(5);

    fn held(&self) -> Option<u64> {
        self.now()
            .filter(|(since, _)| since.elapsed() < Self::GOOD)
            .map(|(_, held)| held)
    }

    fn counted(&self, held: u64) {
        *self.now() = Some((Instant::now(), held));
    }

    fn take(&self, bytes: u64) {
        if let Some((_, held)) = &mut *self.now() {
            *held += bytes;
        }
    }

    fn now(&self) -> MutexGuard<'_, Option<(Instant, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a held message is found by: its recipients and their domains.
fn held_keys(recipients: &[Address]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::with_capacity(2 * recipients.len());
    for key in recipients.iter().map(Address::key) {
        keys.extend(key.rfind('@').map(|at| storable(key[at..].to_owned())));
        keys.push(storable(key));
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// What makes a held message the same as another.
fn identity(record: &Record, recipients: &[Address]) -> String {
    let mut keys: Vec<String> = recipients.iter().map(Address::key).collect();
    keys.sort_unstable();
    let mut hash = Sha256::new();
    hash.update(record.digest.as_bytes());
    hash.update([0]);
    hash.update(
        record
            .envelope
            .envelope_from
            .as_ref()
            .map(Address::key)
            .unwrap_or_default(),
    );
    for key in keys {
        hash.update([0]);
        hash.update(key);
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

fn held(row: Row) -> Result<Held, StoreError> {
    let (
        id,
        at,
        state,
        changed_at,
        digest,
        size_bytes,
        server,
        envelope_from,
        recipients,
        header_from,
        subject,
        level,
        score,
        copies,
        last_seen,
    ) = row;
    let damaged = |what: &str| StoreError::Corrupt(format!("item {id:?} has no readable {what}"));
    Ok(Held {
        id: RecordId::parse(&id).ok_or_else(|| damaged("id"))?,
        at: Timestamp(at),
        state: HoldState::parse(&state).ok_or_else(|| damaged("state"))?,
        changed_at: Timestamp(changed_at),
        digest,
        size_bytes: size_bytes as u64,
        server,
        envelope_from: envelope_from.as_deref().and_then(Address::new),
        recipients: serde_json::from_str(&recipients)?,
        header_from,
        subject,
        level,
        score,
        copies: copies as u64,
        last_seen: Timestamp(last_seen),
    })
}

/// Takes the meaning from the characters that LIKE gives one.
fn escape_like(text: &str) -> String {
    text.replace('!', "!!")
        .replace('%', "!%")
        .replace('_', "!_")
}
