//! Calling delivered copies back, and putting them back: who wants it, and what came of it. Carried out by a node beside the mail store.

use std::collections::HashSet;

use mail::{Action, Address, Fate, Record, RecordId};
use store::{Recall, RecallState};

use super::{Desk, DeskError, Right};
use crate::clock::now;

/// Messages called back at once.
const AT_ONCE_MAX: usize = 1_000;

/// A copy that is to be taken out of a mailbox or put back, with what it is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyToMove {
    /// What is wanted.
    pub recall: Recall,
    /// Its Message-ID, in angle brackets; the sender chose it, so it finds nothing by itself.
    pub message_id: String,
    /// The mail server's name of it, which stands in the `Received` field that server wrote.
    pub queue_id: String,
}

impl Desk {
    /// Calls the delivered copies of these messages back; how many copies that are not called back already.
    pub async fn recall(&self, records: &[RecordId], reason: &str) -> Result<u64, DeskError> {
        self.need(Right::Recall)?;
        if reason.trim().is_empty() {
            return Err(DeskError::NeedsReason);
        }
        if records.len() > AT_ONCE_MAX {
            return Err(DeskError::Unfit(format!(
                "at most {AT_ONCE_MAX} messages are called back at once"
            )));
        }
        if !self.nodes().await?.iter().any(|(_, node)| node.recalls) {
            return Err(DeskError::Unfit(
                "no running node can take mail out of mailboxes; say how in [recall] of the configuration"
                    .to_owned(),
            ));
        }
        let mut copies = Vec::new();
        for id in records {
            let record = self.store().get(*id).await?;
            let record = record.filter(|record| self.author().covers_record(record));
            let record = record.ok_or_else(|| DeskError::NotFound(format!("message {id}")))?;
            copies.extend(self.copies(&record));
        }
        if copies.is_empty() {
            return Err(DeskError::NotFound(
                "a copy in a mailbox of ours: none of these messages was delivered here with a Message-ID and a queue id"
                    .to_owned(),
            ));
        }
        let ids: Vec<RecordId> = copies.iter().map(|(id, _)| *id).collect();
        self.may_do_many("recall", &ids, self.care().recall_over, reason)
            .await?;
        let target = format!("{} copies", copies.len());
        let messages: HashSet<RecordId> = ids.into_iter().collect();
        let mut before: Vec<String> = messages.iter().map(ToString::to_string).collect();
        before.sort_unstable();
        before.truncate(20);
        let act = self.act("recall", &target, reason, &before.join(" "), "");
        Ok(self.store().add_recalls(&copies, &act).await?)
    }

    /// Calls back every delivered copy of a campaign.
    pub async fn recall_campaign(&self, name: RecordId, reason: &str) -> Result<u64, DeskError> {
        let members = self.campaign(name).await?;
        let delivered = members.iter().filter(|one| one.fate == Fate::Delivered);
        let ids: Vec<RecordId> = delivered.map(|one| one.id).collect();
        self.recall(&ids, reason).await
    }

    /// Wants what was called back of a message in its mailboxes again; how many copies.
    pub async fn put_back(&self, record: RecordId, reason: &str) -> Result<u64, DeskError> {
        self.need(Right::Recall)?;
        if reason.trim().is_empty() {
            return Err(DeskError::NeedsReason);
        }
        let recalls = self.recalls_of(record).await?;
        let out = recalls
            .into_iter()
            .filter(|one| one.state == RecallState::Recalled);
        let mailboxes: Vec<String> = out.map(|one| one.mailbox).collect();
        if mailboxes.is_empty() {
            return Err(DeskError::Conflict(format!(
                "no copy of message {record} is called back now"
            )));
        }
        let act = self.act("put-back", &record.to_string(), reason, "recalled", "");
        Ok(self.store().want_back(record, &mailboxes, &act).await?)
    }

    /// Copies that are called back, asked for last first, of the author's scope.
    pub async fn recalls(&self, limit: u32) -> Result<Vec<Recall>, DeskError> {
        self.need(Right::Recall)?;
        let mut recalls = self.store().recalls(None, limit).await?;
        recalls.retain(|one| self.covers_mailbox(one));
        Ok(recalls)
    }

    /// Those of one message.
    pub async fn recalls_of(&self, record: RecordId) -> Result<Vec<Recall>, DeskError> {
        self.need(Right::Recall)?;
        let mut recalls = self.store().recalls(Some(record), u32::MAX).await?;
        recalls.retain(|one| self.covers_mailbox(one));
        Ok(recalls)
    }

    /// What a node beside the mail store is to do now. What is not known any more, or cannot be told from other mail, is settled as failed.
    pub async fn recalls_to_do(&self, limit: u32) -> Result<Vec<CopyToMove>, DeskError> {
        let mut to_do = Vec::new();
        for recall in self.store().recalls_to_do(limit).await? {
            let record = self.store().get(recall.record).await?;
            match record.as_ref().and_then(found_by) {
                Some((message_id, queue_id)) => to_do.push(CopyToMove {
                    recall,
                    message_id,
                    queue_id,
                }),
                None => {
                    let said = "the record of the message is not kept any more";
                    self.settle_recall(&recall, RecallState::Failed, said)
                        .await?;
                }
            }
        }
        Ok(to_do)
    }

    /// Notes what came of it; false when another node did already.
    pub async fn settle_recall(
        &self,
        recall: &Recall,
        state: RecallState,
        said: &str,
    ) -> Result<bool, DeskError> {
        Ok(self
            .store()
            .settle_recall(recall, state, said, now())
            .await?)
    }

    /// Copies of a message that lie in mailboxes of ours, in the author's scope.
    fn copies(&self, record: &Record) -> Vec<(RecordId, String)> {
        if record.fate != Fate::Delivered || found_by(record).is_none() {
            return Vec::new();
        }
        let kept_from = |to: &Address| {
            let outcomes = record.verdict.iter().flat_map(|verdict| &verdict.outcomes);
            outcomes
                .filter(|outcome| outcome.recipient == *to)
                .any(|outcome| !matches!(outcome.action, Action::Accept | Action::Tag))
        };
        let recipients = record.envelope.recipients.iter();
        recipients
            .filter(|to| !self.site().is_foreign(to) && self.author().covers(to) && !kept_from(to))
            .map(|to| (record.id, to.key()))
            .collect()
    }

    fn covers_mailbox(&self, one: &Recall) -> bool {
        Address::new(&one.mailbox).is_some_and(|mailbox| self.author().covers(&mailbox))
    }
}

/// What a copy is found by: its Message-ID and queue id. Without either it could be another one's.
fn found_by(record: &Record) -> Option<(String, String)> {
    let message_id = record.message_id.as_deref()?.trim_matches(['<', '>']);
    let queue_id = record.envelope.queue_id.as_deref()?;
    let good = !message_id.is_empty()
        && queue_id.len() >= 5
        && queue_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    good.then(|| (format!("<{message_id}>"), queue_id.to_owned()))
}
