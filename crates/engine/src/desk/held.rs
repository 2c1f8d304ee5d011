//! Held mail: listed, read, released, deleted.

use mail::{Address, Opened, PartBytes, Record, RecordId, Timestamp};
use store::{Held, HeldFilter, HoldState, Label};

use super::{Desk, DeskError, Right};
use crate::clock::now;
use crate::mark::{self, Marker};
use crate::release::{Courier, Released, Submitted};

/// How long a release mark is good for, seconds. The server gets the message at once; this bounds how long an
/// item stays `releasing` after a crash.
const MARK_SECS: i64 = 600;
/// Messages decided about in one act.
const TOGETHER_MAX: usize = 1000;

/// One held message, as the author may see it.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldView {
    /// The item; its recipients are those in the author's scope.
    pub held: Held,
    /// Recipients it is held for that the author does not see.
    pub others: usize,
    /// The record that tells why.
    pub record: Option<Record>,
    /// When it expires if nobody decides.
    pub expires: Timestamp,
    /// What people said it was.
    pub labels: Vec<Label>,
}

/// What came of one of many.
#[derive(Debug)]
pub struct Decided {
    /// Which.
    pub item: RecordId,
    /// How it went.
    pub outcome: Result<(), DeskError>,
}

impl Desk {
    /// A page of held mail, newest first, of what the author may see.
    pub async fn held_list(&self, filter: &HeldFilter) -> Result<Vec<Held>, DeskError> {
        self.need(Right::SeeQuarantine)?;
        let mut filter = filter.clone();
        filter.scope.clone_from(&self.author.scope);
        let mut items = self.store().held_list(&filter).await?;
        for item in &mut items {
            item.recipients.retain(|to| self.author.covers(to));
        }
        Ok(items)
    }

    /// One held message, without what it says.
    pub async fn held(&self, item: RecordId) -> Result<HeldView, DeskError> {
        self.need(Right::SeeQuarantine)?;
        let mut held = self.in_scope(item).await?;
        let all = held.recipients.len();
        held.recipients.retain(|to| self.author.covers(to));
        let days = self.held_days().await?;
        let mut record = self.store().get(item).await?;
        if let Some(record) = &mut record {
            self.cover_quotes(record).await?;
        }
        Ok(HeldView {
            others: all - held.recipients.len(),
            record,
            expires: held.at.plus_secs(i64::from(days) * 86_400),
            labels: self.store().labels(item).await?,
            held,
        })
    }

    /// Days a held message waits for a decision.
    pub async fn held_days(&self) -> Result<u32, DeskError> {
        let (version, _) = self.policy_in_force().await?;
        let policy = self.compiled(version).await?;
        Ok(policy.map_or(30, |policy| policy.retention().held_days))
    }

    /// The item, when it is for anybody in the author's scope. One that is not is not there at all.
    async fn in_scope(&self, item: RecordId) -> Result<Held, DeskError> {
        let held = self.store().held(item).await?;
        held.filter(|held| held.recipients.iter().any(|to| self.author.covers(to)))
            .ok_or_else(|| DeskError::NotFound(format!("quarantined message {item}")))
    }

    /// What a held message says, in parts, nothing of it executed. Who reads others' mail says why.
    pub async fn open_held(&self, item: RecordId, reason: &str) -> Result<Opened, DeskError> {
        let raw = self.held_source(item, reason).await?;
        let limits = self.limits().clone();
        let read = tokio::task::spawn_blocking(move || Opened::read(&raw, &limits)).await;
        read.map_err(|_| DeskError::Refused("the message cannot be shown".to_owned()))
    }

    /// A held message byte for byte.
    pub async fn held_source(&self, item: RecordId, reason: &str) -> Result<Vec<u8>, DeskError> {
        self.need(Right::ReadHeld)?;
        self.in_scope(item).await?;
        self.may_read(item, reason).await?;
        Ok(self.store().body(item).await?)
    }

    /// One part of a held message, decoded, for a deliberate download.
    pub async fn held_part(&self, item: RecordId, path: &str) -> Result<PartBytes, DeskError> {
        let raw = self.held_source(item, "").await?;
        let act = self.act(
            "part-downloaded",
            &item.to_string(),
            "",
            "",
            &format!("part {path}"),
        );
        let part = mail::part_bytes(&raw, path, self.limits())
            .ok_or_else(|| DeskError::NotFound(format!("part {path} of {item}")))?;
        self.store().append_act(&act).await?;
        Ok(part)
    }

    /// Delivers a held message to its original recipients, once, past the filter. Of a message held for others as well, the
    /// author's own part only.
    pub async fn release(&self, item: RecordId, reason: &str) -> Result<Released, DeskError> {
        self.need(Right::DecideHeld)?;
        let item = self.own_part(item).await?;
        let Some(courier) = self.courier() else {
            return Err(DeskError::Refused(
                "no mail server is known to release to (release.submit_to)".to_owned(),
            ));
        };
        self.release_whole(item, reason, courier.as_ref()).await
    }

    /// The item itself when the author may decide about all of it, else an item of its own for their part.
    async fn own_part(&self, item: RecordId) -> Result<RecordId, DeskError> {
        let held = self.in_scope(item).await?;
        let theirs: Vec<Address> = held
            .recipients
            .iter()
            .filter(|to| self.author.covers(to))
            .cloned()
            .collect();
        if theirs.len() == held.recipients.len() || held.state != HoldState::Held {
            return Ok(item);
        }
        let names: Vec<&str> = theirs.iter().map(Address::as_str).collect();
        let act = self.act(
            "parted",
            &item.to_string(),
            "decided about for some recipients",
            "",
            &names.join(" "),
        );
        let parted = self.store().split(item, &theirs, &act).await?;
        parted.ok_or_else(|| {
            DeskError::Conflict(format!(
                "{item} changed while you decided about it; look at it again"
            ))
        })
    }

    async fn release_whole(
        &self,
        item: RecordId,
        reason: &str,
        courier: &dyn Courier,
    ) -> Result<Released, DeskError> {
        let Some(held) = self.store().held(item).await? else {
            return Err(DeskError::NotFound(format!("quarantined message {item}")));
        };
        if held.state != HoldState::Held {
            return Err(already(item, held.state));
        }
        let raw = self.store().body(item).await?;
        let act = self.act("release", &item.to_string(), reason, "held", "releasing");
        if !self.store().begin_release(item, &act).await? {
            return Err(self.already_now(item).await?);
        }
        let marker = Marker::new(self.store().secret("release-mark").await?);
        let mark = RecordId::random(now());
        self.store()
            .create_mark(mark, item, &held.recipients, now().plus_secs(MARK_SECS))
            .await?;
        let marked = mark::marked(&marker.value(mark), &raw);
        let server = &held.server;
        let submitted = courier
            .submit(
                server,
                held.envelope_from.as_ref(),
                &held.recipients,
                &marked,
            )
            .await;
        let (reply, refused) = match submitted {
            Submitted::Taken { reply, refused } => (reply, refused),
            Submitted::Refused { why } => {
                self.settle(item, false, &format!("the server did not take it: {why}"))
                    .await?;
                return Err(DeskError::Refused(format!(
                    "{item} is held again: the server did not take it: {why}"
                )));
            }
            Submitted::Unknown { why } => {
                let came_past = self.store().mark(mark).await?.is_some_and(|mark| mark.used);
                if !came_past {
                    self.settle(item, false, &why).await?;
                    return Err(DeskError::Refused(format!("{item} is held again: {why}")));
                }
                (
                    format!(
                        "the connection ended early, but the message came past the filter: {why}"
                    ),
                    Vec::new(),
                )
            }
        };
        self.settle(item, true, &reply).await?;
        Ok(Released {
            item,
            recipients: held.recipients,
            reply,
            refused,
        })
    }

    async fn settle(&self, item: RecordId, released: bool, why: &str) -> Result<(), DeskError> {
        let after = if released { "released" } else { "held" };
        let act = self.act("release", &item.to_string(), why, "releasing", after);
        self.store().end_release(item, released, &act).await?;
        Ok(())
    }

    /// Deletes a held message; the summary stays. Of a message held for others as well, the author's own part only.
    pub async fn delete(&self, item: RecordId, reason: &str) -> Result<(), DeskError> {
        self.need(Right::DecideHeld)?;
        let item = self.own_part(item).await?;
        let act = self.act("delete", &item.to_string(), reason, "held", "deleted");
        if self.store().delete_held(item, &act).await? {
            return Ok(());
        }
        Err(self.already_now(item).await?)
    }

    async fn already_now(&self, item: RecordId) -> Result<DeskError, DeskError> {
        Ok(match self.store().held(item).await? {
            Some(held) => already(item, held.state),
            None => DeskError::NotFound(format!("quarantined message {item}")),
        })
    }

    /// Is it in the quarantine, for anybody in the author's scope?
    pub(super) async fn is_held_for_author(&self, item: RecordId) -> bool {
        self.in_scope(item).await.is_ok()
    }

    /// Releases many. Each by itself: one that cannot be does not keep the others.
    pub async fn release_many(
        &self,
        items: &[RecordId],
        reason: &str,
    ) -> Result<Vec<Decided>, DeskError> {
        self.need(Right::DecideHeld)?;
        check_count(items)?;
        self.may_do_many("release", items, self.care().bulk_release_over, reason)
            .await?;
        let mut decided = Vec::with_capacity(items.len());
        for item in items {
            let outcome = self.release(*item, reason).await.map(|_| ());
            decided.push(Decided {
                item: *item,
                outcome,
            });
        }
        Ok(decided)
    }

    /// Deletes many.
    pub async fn delete_many(
        &self,
        items: &[RecordId],
        reason: &str,
    ) -> Result<Vec<Decided>, DeskError> {
        self.need(Right::DecideHeld)?;
        check_count(items)?;
        let mut decided = Vec::with_capacity(items.len());
        for item in items {
            let outcome = self.delete(*item, reason).await;
            decided.push(Decided {
                item: *item,
                outcome,
            });
        }
        Ok(decided)
    }

    /// Expires held messages whose time is up by the policy in force; how many.
    pub async fn expire(&self) -> Result<u64, DeskError> {
        self.need(Right::ChangePolicy)?;
        let days = self.held_days().await?;
        Ok(self.store().expire(now(), days).await?)
    }
}

fn check_count(items: &[RecordId]) -> Result<(), DeskError> {
    if items.is_empty() {
        return Err(DeskError::Unfit("no message is chosen".to_owned()));
    }
    if items.len() > TOGETHER_MAX {
        return Err(DeskError::Unfit(format!(
            "{} messages are chosen; at most {TOGETHER_MAX} at once",
            items.len()
        )));
    }
    Ok(())
}

fn already(item: RecordId, state: HoldState) -> DeskError {
    DeskError::Refused(match state {
        HoldState::Held => format!("{item} changed while you decided about it; look at it again"),
        HoldState::Releasing => format!("{item} is being released by somebody else"),
        HoldState::Released => format!("{item} was released already and cannot be released again"),
        HoldState::Deleted => {
            format!("{item} was deleted: its text is gone, only the summary is left")
        }
        HoldState::Expired => {
            format!("{item} has expired: its text is gone, only the summary is left")
        }
    })
}
