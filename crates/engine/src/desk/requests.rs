//! What takes a second person: who asks, who decides.

use mail::{Facts, Record, RecordId, Verdict};
use serde::{Deserialize, Serialize};
use store::{Request, RequestState};

use super::{Desk, DeskError, Right};
use crate::clock::now;
use crate::gate::fresh_id;

/// Somebody may read a message for so long after saying why, seconds.
const READ_SECS: i64 = 1800;
/// An approval may be used for so long, seconds.
const APPROVED_SECS: i64 = 86_400;

/// What takes a second person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Care {
    /// Reading what a held message says.
    pub content: bool,
    /// Releasing more than so many at once.
    pub bulk_release_over: usize,
    /// Calling more than so many delivered copies back at once.
    pub recall_over: usize,
}

/// Where somebody's reading of a message stands.
enum Reading {
    Allowed,
    /// Not allowed now; what they asked last.
    Asked(Option<Request>),
}

impl Default for Care {
    fn default() -> Self {
        Self {
            content: false,
            bulk_release_over: 100,
            recall_over: 20,
        }
    }
}

impl Desk {
    /// Open requests first, then the newest decided ones. Who may not decide sees their own.
    pub async fn requests(&self) -> Result<Vec<Request>, DeskError> {
        let mut requests = self.store().requests(200).await?;
        // What somebody noted for themself took no second person; it stands in the log of acts.
        requests.retain(|request| request.decided_by.as_ref() != Some(&request.who));
        if !self.author.may(Right::Approve) && !self.author.may(Right::SeeActs) {
            requests.retain(|request| request.who == self.author.who);
        }
        Ok(requests)
    }

    /// Decides what somebody else asks for.
    pub async fn decide(&self, id: RecordId, approve: bool, reason: &str) -> Result<(), DeskError> {
        self.need(Right::Approve)?;
        let unknown = || DeskError::NotFound(format!("request {id}"));
        let request = self.store().request(id).await?.ok_or_else(unknown)?;
        if request.who == self.author.who {
            return Err(DeskError::Forbidden(
                "decide about your own request: it takes a second person".to_owned(),
            ));
        }
        let (state, act) = if approve {
            (RequestState::Approved, "request-approved")
        } else {
            (RequestState::Refused, "request-refused")
        };
        let asked = format!("{} {} for {}", request.act, request.target, request.who);
        let act = self.act(act, &id.to_string(), reason, &asked, state.as_str());
        let secs = if request.act == "read" {
            READ_SECS
        } else {
            APPROVED_SECS
        };
        let until = now().plus_secs(secs);
        if self.store().decide_request(id, state, until, &act).await? {
            return Ok(());
        }
        Err(DeskError::Conflict(format!(
            "request {id} was decided already"
        )))
    }

    /// May the author read this message now? Their own mail, yes; else they say why, and where it is so set a second person
    /// agrees.
    pub(super) async fn may_read(&self, item: RecordId, reason: &str) -> Result<(), DeskError> {
        let target = item.to_string();
        let last = match self.reading(item).await? {
            Reading::Allowed => return Ok(()),
            Reading::Asked(last) => last,
        };
        if let Some(open) = last.filter(|last| last.state == RequestState::Open) {
            return Err(DeskError::NeedsApproval(open.id));
        }
        if reason.trim().is_empty() {
            return Err(DeskError::NeedsReason);
        }
        let alone = !self.care().content;
        let request = self.request("read", &target, reason, alone);
        let act = if alone { "read" } else { "read-asked" };
        let act = self.act(act, &target, reason, "", "");
        self.store().add_request(&request, &act).await?;
        if alone {
            Ok(())
        } else {
            Err(DeskError::NeedsApproval(request.id))
        }
    }

    /// Takes off what the record quotes of the text, unless the author may read the text itself now.
    pub(super) async fn cover_quotes(&self, record: &mut Record) -> Result<(), DeskError> {
        if !matches!(self.reading(record.id).await?, Reading::Allowed) {
            record.verdict.iter_mut().for_each(Verdict::without_quotes);
            record.facts.iter_mut().for_each(Facts::without_quotes);
        }
        Ok(())
    }

    /// Is it the author's own mail, or have they said why (and been allowed) a moment ago?
    async fn reading(&self, item: RecordId) -> Result<Reading, DeskError> {
        if self.author.role == super::Role::Owner {
            return Ok(Reading::Allowed);
        }
        let last = self
            .store()
            .last_request(&self.author.who, "read", &item.to_string())
            .await?;
        let allowed = last.as_ref().is_some_and(|last| {
            last.state == RequestState::Approved && last.until.is_some_and(|until| until > now())
        });
        Ok(if allowed {
            Reading::Allowed
        } else {
            Reading::Asked(last)
        })
    }

    /// May the author do this to so many at once, `over` of which anybody may? Uses up an approval when it takes one.
    pub(super) async fn may_do_many(
        &self,
        what: &str,
        items: &[RecordId],
        over: usize,
        reason: &str,
    ) -> Result<(), DeskError> {
        if items.len() <= over {
            return Ok(());
        }
        let mut ids: Vec<String> = items.iter().map(ToString::to_string).collect();
        ids.sort_unstable();
        let target = ids.join(" ");
        let last = self
            .store()
            .last_request(&self.author.who, what, &target)
            .await?;
        if let Some(last) = last {
            if last.state == RequestState::Open {
                return Err(DeskError::NeedsApproval(last.id));
            }
            if self.store().use_request(last.id, now()).await? {
                return Ok(());
            }
        }
        if reason.trim().is_empty() {
            return Err(DeskError::NeedsReason);
        }
        let request = self.request(what, &target, reason, false);
        let count = format!("{} messages", items.len());
        let asked = format!("{what}-asked");
        let act = self.act(&asked, &request.id.to_string(), reason, &count, "");
        self.store().add_request(&request, &act).await?;
        Err(DeskError::NeedsApproval(request.id))
    }

    /// Keeps a key for one who is about to act; false when it is kept already.
    pub async fn claim(&self, key: &str, digest: &str) -> Result<bool, DeskError> {
        Ok(self.store().claim_answer(key, digest, now()).await?)
    }

    /// The answer under a key: what was asked, its status (0 while it is under way) and its body.
    pub async fn answer(&self, key: &str) -> Result<Option<(String, u16, String)>, DeskError> {
        Ok(self.store().answer(key).await?)
    }

    /// Keeps an answer; `None` lets the key go.
    pub async fn keep_answer(
        &self,
        key: &str,
        answer: Option<(u16, &str)>,
    ) -> Result<(), DeskError> {
        Ok(self.store().keep_answer(key, answer).await?)
    }

    fn request(&self, act: &str, target: &str, reason: &str, approved: bool) -> Request {
        let at = now();
        Request {
            id: fresh_id(),
            at,
            who: self.author.who.clone(),
            act: act.to_owned(),
            target: target.to_owned(),
            reason: reason.to_owned(),
            state: if approved {
                RequestState::Approved
            } else {
                RequestState::Open
            },
            decided_by: approved.then(|| self.author.who.clone()),
            decided_at: approved.then_some(at),
            until: approved.then(|| at.plus_secs(READ_SECS)),
        }
    }
}
