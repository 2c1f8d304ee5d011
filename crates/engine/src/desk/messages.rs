//! Records of messages: searched, and one of them explained.

use judge::counterfactual::{Change, smallest_changes};
use mail::{Record, RecordId, Timestamp};
use store::{CANDIDATES, ChainedAct, Held, Label, Page, Query};

use super::{Desk, DeskError, Right};

/// One message with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageView {
    /// The record.
    pub record: Record,
    /// The item in the quarantine of the same name, whatever became of it.
    pub held: Option<Held>,
    /// The smallest changes that would have altered the outcome.
    pub changes: Vec<Change>,
    /// Other records of the same Message-ID: copies, releases, other servers.
    pub same: Vec<Record>,
    /// What people said it was.
    pub labels: Vec<Label>,
    /// What people did about it.
    pub acts: Vec<ChainedAct>,
}

/// What an empty search can still say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing older is kept.
    RecordsBeginAt(Timestamp),
    /// Messages passed unjudged since then; they are known by queue id only.
    Unscanned(u64),
    /// No record at all yet.
    NothingYet,
}

impl Desk {
    /// A page of records, newest first, of the mail the author may see.
    pub async fn messages(&self, query: &Query) -> Result<Page, DeskError> {
        self.need(Right::SeeRecords)?;
        let mut query = query.clone();
        query.scope.clone_from(&self.author.scope);
        Ok(self.store().search(&query, CANDIDATES).await?)
    }

    /// What can be said when a search has found nothing: since when there are records, and whether mail passed unseen.
    pub async fn hints(&self) -> Result<Vec<Hint>, DeskError> {
        self.need(Right::SeeRecords)?;
        let mut hints = Vec::new();
        match self.store().oldest_record().await? {
            Some(oldest) => hints.push(Hint::RecordsBeginAt(oldest)),
            None => hints.push(Hint::NothingYet),
        }
        let week = crate::clock::now().plus_secs(-7 * 86_400);
        let unscanned = self
            .store()
            .tallies(store::Tally::Fate, week)
            .await?
            .into_iter()
            .filter(|(_, fate, _)| fate == mail::Fate::Unscanned.as_str())
            .map(|(_, _, count)| count)
            .sum();
        if unscanned > 0 {
            hints.push(Hint::Unscanned(unscanned));
        }
        Ok(hints)
    }

    /// One record by its id, else the newest with this queue id or Message-ID; `last` is the newest of all.
    pub async fn find_one(&self, name: &str) -> Result<Record, DeskError> {
        self.need(Right::SeeRecords)?;
        let name = name.trim();
        let unknown = || {
            DeskError::NotFound(format!(
                "a message with record id, queue id or Message-ID {name:?}"
            ))
        };
        if let Some(id) = RecordId::parse(name) {
            return self.record(id).await?.ok_or_else(unknown);
        }
        let bare = name.trim_start_matches('<').trim_end_matches('>');
        let one = Query {
            limit: 1,
            scope: self.author.scope.clone(),
            ..Query::default()
        };
        let queries = match name {
            "last" => vec![one],
            _ => vec![
                Query {
                    queue_id: Some(name.to_owned()),
                    ..one.clone()
                },
                Query {
                    message_id: Some(bare.to_owned()),
                    ..one
                },
            ],
        };
        for query in queries {
            if let Some(found) = self.store().find(&query).await?.into_iter().next() {
                return self.record(found.id).await?.ok_or_else(unknown);
            }
        }
        Err(unknown())
    }

    /// A record in the author's scope. One outside it is not there at all.
    async fn record(&self, id: RecordId) -> Result<Option<Record>, DeskError> {
        let record = self.store().get(id).await?;
        Ok(record.filter(|record| self.author.covers_record(record)))
    }

    /// The smallest changes that would have altered a verdict; none when its policy is gone.
    pub async fn changes(&self, record: &Record) -> Result<Vec<Change>, DeskError> {
        let Some(verdict) = &record.verdict else {
            return Ok(Vec::new());
        };
        let policy = self.compiled(verdict.policy_version).await?;
        Ok(policy
            .map(|policy| smallest_changes(verdict, &policy))
            .unwrap_or_default())
    }

    /// One message with all that is known of it.
    pub async fn message(&self, name: &str) -> Result<MessageView, DeskError> {
        let mut record = self.find_one(name).await?;
        self.cover_quotes(&mut record).await?;
        let id = record.id.to_string();
        let changes = self.changes(&record).await?;
        let mut same = Vec::new();
        if let Some(message_id) = &record.message_id {
            let query = Query {
                message_id: Some(message_id.clone()),
                limit: 20,
                ..Query::default()
            };
            same = self.messages(&query).await?.records;
            same.retain(|other| other.id != record.id);
        }
        Ok(MessageView {
            held: self.store().held(record.id).await?,
            changes,
            same,
            labels: self.store().labels(record.id).await?,
            acts: self.acts_on(&id).await?,
            record,
        })
    }
}
