//! Delivered copies that are called back: who wants which out of which mailbox, and what came of it.
//!
//! `wanted → recalled → back-wanted → back`; from `wanted` also to `not-there` and `failed`, from `back-wanted` back to `recalled` when it fails.
//! Carrying out is done by a node beside the mail store, may be done twice, and then finds it done.

use mail::{RecordId, Timestamp};
use serde::Serialize;

use crate::acts::{Act, insert_act};
use crate::db::{reading, writing};
use crate::records::storable;
use crate::{Store, StoreError};

/// Where a recall is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecallState {
    /// To be taken out of the mailbox.
    Wanted,
    /// It is out of it.
    Recalled,
    /// No such copy was in the mailbox.
    NotThere,
    /// It could not be done.
    Failed,
    /// To be put back.
    BackWanted,
    /// It is in the mailbox again.
    Back,
}

impl RecallState {
    const ALL: [Self; 6] = [
        Self::Wanted,
        Self::Recalled,
        Self::NotThere,
        Self::Failed,
        Self::BackWanted,
        Self::Back,
    ];

    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Recalled => "recalled",
            Self::NotThere => "not-there",
            Self::Failed => "failed",
            Self::BackWanted => "back-wanted",
            Self::Back => "back",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One copy that is called back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recall {
    /// The message.
    pub record: RecordId,
    /// The recipient whose copy it is (see `Address::key`).
    pub mailbox: String,
    /// Where it is in its life.
    pub state: RecallState,
    /// When it was asked for last.
    pub asked: Timestamp,
    /// By whom.
    pub who: String,
    /// Why.
    pub reason: String,
    /// When the state became what it is.
    pub changed: Timestamp,
    /// What was said when it was tried.
    pub said: String,
}

const COLUMNS: &str = "record_id, mailbox, state, asked, who, reason, changed, said";

type Row = (String, String, String, i64, String, String, i64, String);

fn recall((record, mailbox, state, asked, who, reason, changed, said): Row) -> Option<Recall> {
    Some(Recall {
        record: RecordId::parse(&record)?,
        mailbox,
        state: RecallState::parse(&state)?,
        asked: Timestamp(asked),
        who,
        reason,
        changed: Timestamp(changed),
        said,
    })
}

impl Store {
    /// Calls copies back; how many that were not called back already, or are in the mailbox again.
    pub async fn add_recalls(
        &self,
        copies: &[(RecordId, String)],
        act: &Act,
    ) -> Result<u64, StoreError> {
        let put = "INSERT INTO recalls (record_id, mailbox, state, asked, who, reason, changed, said) VALUES ($1, $2, 'wanted', $3, $4, $5, $3, '')
                   ON CONFLICT (record_id, mailbox) DO UPDATE SET state = 'wanted', asked = excluded.asked, who = excluded.who, reason = excluded.reason, changed = excluded.changed, said = ''
                   WHERE recalls.state IN ('not-there', 'failed', 'back')";
        let added = writing!(&self.db, tx => {
            let mut added = 0;
            for (record, mailbox) in copies {
                added += sqlx::query(put).bind(record.to_string()).bind(storable(mailbox.clone())).bind(act.at.0)
                    .bind(storable(act.who.clone())).bind(storable(act.reason.clone())).execute(&mut *tx).await?.rows_affected();
            }
            if added > 0 {
                insert_act!(self, tx, act);
            }
            added
        });
        Ok(added)
    }

    /// Wants copies of a message back in these mailboxes; how many.
    pub async fn want_back(
        &self,
        record: RecordId,
        mailboxes: &[String],
        act: &Act,
    ) -> Result<u64, StoreError> {
        let sql = "UPDATE recalls SET state = 'back-wanted', asked = $3, who = $4, changed = $3, said = '' WHERE record_id = $1 AND mailbox = $2 AND state = 'recalled'";
        let wanted = writing!(&self.db, tx => {
            let mut wanted = 0;
            for mailbox in mailboxes {
                wanted += sqlx::query(sql).bind(record.to_string()).bind(mailbox).bind(act.at.0).bind(storable(act.who.clone())).execute(&mut *tx).await?.rows_affected();
            }
            if wanted > 0 {
                insert_act!(self, tx, act);
            }
            wanted
        });
        Ok(wanted)
    }

    /// Recalls, those asked for last first; of one message, or of all.
    pub async fn recalls(
        &self,
        record: Option<RecordId>,
        limit: u32,
    ) -> Result<Vec<Recall>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM recalls WHERE $1 = '' OR record_id = $1 ORDER BY asked DESC, record_id, mailbox LIMIT $2"
        );
        let record = record.map_or_else(String::new, |record| record.to_string());
        let rows: Vec<Row> = reading!(&self.db, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(&record).bind(i64::from(limit)).fetch_all(pool).await?);
        Ok(rows.into_iter().filter_map(recall).collect())
    }

    /// What is to be done, what was asked for first before the rest.
    pub async fn recalls_to_do(&self, limit: u32) -> Result<Vec<Recall>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM recalls WHERE state IN ('wanted', 'back-wanted') ORDER BY asked, record_id, mailbox LIMIT $1"
        );
        let rows: Vec<Row> = reading!(&self.db, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(i64::from(limit)).fetch_all(pool).await?);
        Ok(rows.into_iter().filter_map(recall).collect())
    }

    /// Notes what came of it; false when somebody else did, or wants something else meanwhile.
    pub async fn settle_recall(
        &self,
        one: &Recall,
        state: RecallState,
        said: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE recalls SET state = $3, said = $4, changed = $5 WHERE record_id = $1 AND mailbox = $2 AND state = $6 AND asked = $7";
        let done = writing!(&self.db, tx => sqlx::query(sql).bind(one.record.to_string()).bind(&one.mailbox).bind(state.as_str()).bind(storable(said.to_owned())).bind(at.0)
            .bind(one.state.as_str()).bind(one.asked.0).execute(&mut *tx).await?.rows_affected());
        Ok(done > 0)
    }

    /// Forgets what was called back before; how many.
    pub(crate) async fn forget_recalls(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM recalls WHERE changed < $1";
        Ok(
            writing!(&self.db, tx => sqlx::query(sql).bind(before.0).execute(&mut *tx).await?.rows_affected()),
        )
    }
}
