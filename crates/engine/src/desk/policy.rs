//! The policy: read, changed, tried, taken back.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use judge::describe::{Description, describe};
use judge::edit::{Edit, ListEntry};
use judge::policy::Policy;
use mail::{Facts, Known, Verdict};
use store::{NewPolicy, PolicyVersion};

use super::{Desk, DeskError, Right};
use crate::clock::now;

/// The list that "release and allow" writes into.
pub const ALLOWED_SENDERS: &str = "allowed-senders";
/// Hits of one reason that are counted for a page.
pub const HITS_COUNTED: u32 = 100;
/// How often an entry is tried again when others change the policy at the same moment.
const TRIES: usize = 5;

impl Desk {
    /// Checks a policy, runs the examples it carries, and puts it in force as a new version. With `base`, only when that is
    /// still the version in force.
    pub async fn apply_policy(
        &self,
        text: &str,
        reason: &str,
        base: Option<i64>,
    ) -> Result<i64, DeskError> {
        self.need(Right::ChangePolicy)?;
        self.put_in_force(text, reason, base).await
    }

    async fn put_in_force(
        &self,
        text: &str,
        reason: &str,
        base: Option<i64>,
    ) -> Result<i64, DeskError> {
        let policy = self.check_policy(text)?;
        let failed = policy.failed_examples(self.limits());
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
        Ok(self.store().add_policy(&new, &act).await?)
    }

    /// Reads a policy: all problems at once.
    pub fn check_policy(&self, text: &str) -> Result<Policy, DeskError> {
        Policy::parse(text, self.limits()).map_err(DeskError::Policy)
    }

    /// Changes one thing of the policy in force. `base` is the version that was looked at when this was decided.
    pub async fn edit_policy(
        &self,
        edit: &Edit,
        base: i64,
        reason: &str,
    ) -> Result<i64, DeskError> {
        self.need(Right::ChangePolicy)?;
        let (version, text) = self.policy_in_force().await?;
        if version != base {
            return Err(changed_meanwhile(version, base));
        }
        let text =
            judge::edit::apply(&text, edit).map_err(|error| DeskError::Unfit(error.to_string()))?;
        self.put_in_force(&text, reason, Some(base).filter(|base| *base > 0))
            .await
    }

    /// Enters a sender into the list of allowed ones. The entry is bound to where mail of theirs comes from.
    pub async fn allow_sender(&self, entry: &ListEntry, reason: &str) -> Result<i64, DeskError> {
        self.need(Right::AllowSender)?;
        if entry.unguarded {
            // Anybody can write any sender's address: such a hole is for those who answer for the policy.
            self.need(Right::ChangePolicy)?;
        }
        let mut entry = entry.clone();
        entry.author = Some(self.author.who.clone());
        entry.reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        let edit = Edit::AddEntry {
            list: ALLOWED_SENDERS.to_owned(),
            entry,
        };
        self.edit_newest(&edit, reason).await
    }

    /// Changes one thing of whatever version is in force: for changes that mean the same whatever else is changed beside them.
    pub(super) async fn edit_newest(&self, edit: &Edit, reason: &str) -> Result<i64, DeskError> {
        for _ in 0..TRIES {
            let (version, text) = self.policy_in_force().await?;
            let text = judge::edit::apply(&text, edit)
                .map_err(|error| DeskError::Unfit(error.to_string()))?;
            match self
                .put_in_force(&text, reason, Some(version).filter(|base| *base > 0))
                .await
            {
                Err(DeskError::Conflict(_)) => {}
                done => return done,
            }
        }
        Err(DeskError::Conflict(
            "the policy is being changed by others; try again".to_owned(),
        ))
    }

    /// Puts an earlier version's text in force again, as a new version.
    pub async fn roll_back(&self, version: i64, reason: &str) -> Result<i64, DeskError> {
        let text = self.policy_text(version).await?;
        self.apply_policy(&text, reason, None).await
    }

    /// The text of a version.
    pub async fn policy_text(&self, version: i64) -> Result<String, DeskError> {
        self.need(Right::SeePolicy)?;
        let text = match version {
            0 => Some(judge::DEFAULT_POLICY.to_owned()),
            version => self.store().policy_text(version).await?,
        };
        text.ok_or_else(|| DeskError::NotFound(format!("policy version {version}")))
    }

    /// The newest versions.
    pub async fn policy_history(&self, limit: u32) -> Result<Vec<PolicyVersion>, DeskError> {
        self.need(Right::SeePolicy)?;
        Ok(self.store().policy_history(limit).await?)
    }

    /// The policy in force; before the first start, the shipped one as version 0.
    pub async fn active_policy(&self) -> Result<(i64, String), DeskError> {
        self.need(Right::SeePolicy)?;
        self.policy_in_force().await
    }

    /// The policy in force as forms show it, and its version. What a version says does not change: it is read once.
    pub async fn described_policy(&self) -> Result<(i64, Arc<Description>), DeskError> {
        let (version, text) = self.active_policy().await?;
        let kept = || {
            let described = self.office.described.lock();
            described.unwrap_or_else(PoisonError::into_inner)
        };
        if let Some((known, description)) = &*kept()
            && *known == version
        {
            return Ok((version, description.clone()));
        }
        let policy = self.check_policy(&text)?;
        let description = describe(&text, &policy).map(Arc::new).ok_or_else(|| {
            DeskError::Refused("the policy in force cannot be described".to_owned())
        })?;
        *kept() = Some((version, description.clone()));
        Ok((version, description))
    }

    pub(super) async fn policy_in_force(&self) -> Result<(i64, String), DeskError> {
        Ok(self
            .store()
            .active_policy()
            .await?
            .unwrap_or_else(|| (0, judge::DEFAULT_POLICY.to_owned())))
    }

    /// How often each of some reasons was given (a rule, a signal, a set, a list's entry as `LIST=VALUE`), counted up to a hundred,
    /// and when last; in the order asked.
    pub async fn last_hits(
        &self,
        reasons: &[&str],
    ) -> Result<Vec<(u64, Option<mail::RecordId>)>, DeskError> {
        self.need(Right::SeePolicy)?;
        Ok(self.store().last_hits(reasons, HITS_COUNTED).await?)
    }

    /// Judges a message that somebody pasted, under a policy text (`None`: the one in force).
    pub async fn try_message(
        &self,
        policy: Option<&str>,
        raw: Vec<u8>,
        ip: Option<IpAddr>,
    ) -> Result<(Facts, Verdict), DeskError> {
        self.need(Right::SeePolicy)?;
        if raw.len() > self.limits().message_bytes_max {
            return Err(DeskError::Unfit(format!(
                "the message has {} bytes; at most {} (limits.message_bytes_max)",
                raw.len(),
                self.limits().message_bytes_max
            )));
        }
        let (version, policy) = match policy {
            Some(text) => (0, Arc::new(self.check_policy(text)?)),
            None => {
                let (version, _) = self.policy_in_force().await?;
                let policy = self.compiled(version).await?;
                let unknown = || DeskError::NotFound(format!("policy version {version}"));
                (version, policy.ok_or_else(unknown)?)
            }
        };
        let message = crate::read(&raw, self.limits(), self.readers()).await;
        let site = self.site();
        let judged = tokio::task::spawn_blocking(move || {
            let not_asked = Known::NotAsked;
            crate::by_hand::judge_by_hand(message, &raw, ip, &site, &policy, version, not_asked)
        });
        judged
            .await
            .map_err(|_| DeskError::Refused("judging it failed inside the program".to_owned()))
    }

    /// Judges a recorded message again under the policy in force.
    pub async fn try_record(&self, name: &str) -> Result<Verdict, DeskError> {
        self.need(Right::SeePolicy)?;
        let record = self.find_one(name).await?;
        let Some(facts) = record.facts else {
            return Err(DeskError::Refused(format!(
                "the facts of {} are not kept any more, so it cannot be judged again",
                record.id
            )));
        };
        let (version, _) = self.policy_in_force().await?;
        let unknown = || DeskError::NotFound(format!("policy version {version}"));
        let policy = self.compiled(version).await?.ok_or_else(unknown)?;
        Ok(judge::judge(&facts, &self.site(), &policy, version))
    }
}

fn changed_meanwhile(version: i64, base: i64) -> DeskError {
    DeskError::Conflict(format!(
        "version {version} is in force by now; you looked at {base}. Look at what changed and do it again"
    ))
}
