//! The desk: everything a person can do, in one place.
//!
//! Command line, console and JSON API all use these methods and no other way, so no act is possible in one
//! and not in the others, and each act that changes something leaves an entry in the log of acts, in the
//! same commit as the change.

use judge::policy::{Failed, Policy, Problem};
use mail::{Limits, Record, RecordId};
use store::{Act, HoldState, NewPolicy, Query, Store, StoreError};

use crate::clock::now;
use crate::mark::{self, Marker};
use crate::release::{Courier, Released, Submitted};

/// How long a release mark is good for, seconds. The server gets the message at once; this bounds how long an
/// item stays `releasing` after a crash.
const MARK_SECS: i64 = 600;

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The administrator's name.
    pub who: String,
    /// From where: `command line`, an address.
    pub from: String,
}

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The policy was refused: every problem at once.
    #[error("the policy has {} problem(s)", .0.len())]
    Policy(Vec<Problem>),
    /// Examples that the policy carries come out otherwise than it says.
    #[error("{} of the policy's own examples come out otherwise than it says", .0.len())]
    Examples(Vec<Failed>),
    /// Nothing is known by that name.
    #[error("{0} is not known")]
    NotFound(String),
    /// The act does not fit the state it meets, e.g. a second release.
    #[error("{0}")]
    Refused(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What people do, with the name of who does it.
pub struct Desk {
    store: Store,
    limits: Limits,
    author: Author,
}

impl Desk {
    /// A desk for one author.
    pub const fn new(store: Store, limits: Limits, author: Author) -> Self {
        Self {
            store,
            limits,
            author,
        }
    }

    /// The store, for questions that change nothing.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    // Records.

    /// One record by its id, else the newest with this queue id or Message-ID; `last` is the newest of all.
    pub async fn find_one(&self, name: &str) -> Result<Record, DeskError> {
        let name = name.trim();
        if let Some(id) = RecordId::parse(name)
            && let Some(record) = self.store.get(id).await?
        {
            return Ok(record);
        }
        let bare = name.trim_start_matches('<').trim_end_matches('>');
        let queries = match name {
            "last" => vec![Query {
                limit: 1,
                ..Query::default()
            }],
            _ => vec![
                Query {
                    queue_id: Some(name.to_owned()),
                    limit: 1,
                    ..Query::default()
                },
                Query {
                    message_id: Some(bare.to_owned()),
                    limit: 1,
                    ..Query::default()
                },
            ],
        };
        for query in queries {
            if let Some(record) = self.store.find(&query).await?.into_iter().next() {
                return Ok(record);
            }
        }
        Err(DeskError::NotFound(format!(
            "a message with record id, queue id or Message-ID {name:?}"
        )))
    }

    // The quarantine.

    /// Delivers a held message to its original recipients, once, past the filter.
    pub async fn release(
        &self,
        item: RecordId,
        reason: &str,
        courier: &impl Courier,
    ) -> Result<Released, DeskError> {
        let Some(held) = self.store.held(item).await? else {
            return Err(DeskError::NotFound(format!("quarantined message {item}")));
        };
        if held.state != HoldState::Held {
            return Err(DeskError::Refused(format!(
                "{item} is {} and cannot be released again",
                held.state.as_str()
            )));
        }
        let raw = self.store.body(item).await?;
        let act = self.act("release", &item.to_string(), reason, "held", "releasing");
        if !self.store.begin_release(item, &act).await? {
            return Err(DeskError::Refused(format!(
                "{item} is {} and cannot be released again",
                held.state.as_str()
            )));
        }
        let marker = Marker::new(self.store.secret("release-mark").await?);
        let mark = RecordId::random(now());
        self.store
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
                let came_past = self.store.mark(mark).await?.is_some_and(|mark| mark.used);
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
        self.store.end_release(item, released, &act).await?;
        Ok(())
    }

    /// Deletes a held message; the summary stays.
    pub async fn delete(&self, item: RecordId, reason: &str) -> Result<(), DeskError> {
        let act = self.act("delete", &item.to_string(), reason, "held", "deleted");
        if self.store.delete_held(item, &act).await? {
            return Ok(());
        }
        match self.store.held(item).await? {
            None => Err(DeskError::NotFound(format!("quarantined message {item}"))),
            Some(held) => Err(DeskError::Refused(format!(
                "{item} is {} and cannot be deleted",
                held.state.as_str()
            ))),
        }
    }

    // The policy.

    /// Checks a policy, runs the tests it carries, and puts it in force as a new version.
    pub async fn apply_policy(
        &self,
        text: &str,
        reason: &str,
        base: Option<i64>,
    ) -> Result<i64, DeskError> {
        let policy = self.check_policy(text)?;
        let failed = policy.failed_examples(&self.limits);
        if !failed.is_empty() {
            return Err(DeskError::Examples(failed));
        }
        let new = NewPolicy {
            text: text.to_owned(),
            author: self.author.who.clone(),
            reason: reason.to_owned(),
            at: now(),
            base,
        };
        let act = self.act("policy", "", reason, "", "");
        Ok(self.store.add_policy(&new, &act).await?)
    }

    /// Reads a policy: all problems at once.
    pub fn check_policy(&self, text: &str) -> Result<Policy, DeskError> {
        Policy::parse(text, &self.limits).map_err(DeskError::Policy)
    }

    /// Puts an earlier version's text in force again, as a new version.
    pub async fn roll_back(&self, version: i64, reason: &str) -> Result<i64, DeskError> {
        let text = self.policy_text(version).await?;
        self.apply_policy(&text, reason, None).await
    }

    /// The text of a version.
    pub async fn policy_text(&self, version: i64) -> Result<String, DeskError> {
        let text = self.store.policy_text(version).await?;
        text.ok_or_else(|| DeskError::NotFound(format!("policy version {version}")))
    }

    /// The policy in force; before the first start, the shipped one as version 0.
    pub async fn active_policy(&self) -> Result<(i64, String), DeskError> {
        Ok(self
            .store
            .active_policy()
            .await?
            .unwrap_or_else(|| (0, judge::DEFAULT_POLICY.to_owned())))
    }

    /// Expires held messages whose time is up by the policy in force; how many.
    pub async fn expire(&self) -> Result<u64, DeskError> {
        let (_, text) = self.active_policy().await?;
        let days = self.check_policy(&text)?.retention().held_days;
        Ok(self.store.expire(now(), days).await?)
    }

    fn act(&self, act: &str, target: &str, reason: &str, before: &str, after: &str) -> Act {
        Act {
            at: now(),
            who: self.author.who.clone(),
            from: self.author.from.clone(),
            act: act.to_owned(),
            target: target.to_owned(),
            reason: reason.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }
}
