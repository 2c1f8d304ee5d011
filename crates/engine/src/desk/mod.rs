//! The desk: everything a person can do, in one place.
//!
//! Command line, console and JSON API all use these methods and no other way, so no act is possible in one
//! and not in the others. Each method asks first whether its author may ([`Right`], scope), and each act that changes
//! something leaves an entry in the log of acts, in the same commit as the change.

// Who.
mod people;
mod requests;
mod rights;

// On what.
mod acts;
mod held;
mod learning;
mod messages;
mod overview;
mod policy;
mod recalls;
mod replay;
mod reports;
mod standing;
mod trial;
mod watching;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use judge::describe::Description;
use judge::policy::{Failed, Policy, Problem};
use mail::{Limits, RecordId, Site};
use store::{Act, Store, StoreError};
use tokio::sync::Semaphore;

pub use held::{Decided, HeldView};
pub use learning::{Asked, CampaignView, Learner, Taught, Teacher, first_of};
pub use messages::{Hint, MessageView};
pub use overview::{Hour, Overview, Passed};
pub use people::NewPerson;
pub use policy::HITS_COUNTED;
pub use recalls::CopyToMove;
pub use replay::{Changed, Replay};
pub use requests::Care;
pub use rights::{Author, Right, Role, read_scope};
pub use standing::{DomainFilter, DomainPage, DomainView};
pub use trial::{Trial, TriedMessage};
pub use watching::{
    DecisionView, DetectionView, Happening, Identity, Moment, allowed, named, read_allowed,
};

use crate::Readers;
use crate::clock::now;
use crate::release::Courier;
use crate::standing::Sum;

/// Policies kept compiled for explanations.
const POLICIES_KEPT: usize = 4;

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
    /// Somebody else was faster: look again.
    #[error("{0}")]
    Conflict(String),
    /// The author may not.
    #[error("you may not {0}")]
    Forbidden(String),
    /// A reason must be given, and is written down.
    #[error("say why: it is written into the log of acts")]
    NeedsReason,
    /// A second person must allow it; they were asked.
    #[error("a second person must allow it: request {0} waits for one")]
    NeedsApproval(RecordId),
    /// What was given cannot be used.
    #[error("{0}")]
    Unfit(String),
    /// The store.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(why) => Self::Conflict(why),
            other => Self::Store(other),
        }
    }
}

/// What all desks share.
struct Office {
    store: Store,
    limits: Limits,
    site: Mutex<Site>,
    care: Care,
    courier: Mutex<Option<Arc<dyn Courier>>>,
    readers: Arc<Readers>,
    policies: Mutex<HashMap<i64, Arc<Policy>>>,
    described: Mutex<Option<(i64, Arc<Description>)>>,
    opening: Arc<Semaphore>,
    standing: tokio::sync::Mutex<Sum>,
}

/// What people do, with the name of who does it.
#[derive(Clone)]
pub struct Desk {
    office: Arc<Office>,
    author: Author,
}

impl Desk {
    /// A desk for one author. `courier` hands released mail to a server.
    pub fn new(
        store: Store,
        limits: Limits,
        site: Site,
        care: Care,
        courier: Option<Arc<dyn Courier>>,
        readers: Arc<Readers>,
        author: Author,
    ) -> Self {
        let office = Office {
            store,
            limits,
            site: Mutex::new(site),
            care,
            courier: Mutex::new(courier),
            readers,
            policies: Mutex::default(),
            described: Mutex::default(),
            opening: crate::reports::inbound::places(),
            standing: tokio::sync::Mutex::default(),
        };
        Self {
            office: Arc::new(office),
            author,
        }
    }

    /// The same desk for another author.
    #[must_use]
    pub fn of(&self, author: Author) -> Self {
        Self {
            office: self.office.clone(),
            author,
        }
    }

    /// Who acts.
    pub const fn author(&self) -> &Author {
        &self.author
    }

    /// The store, for questions that change nothing.
    pub fn store(&self) -> &Store {
        &self.office.store
    }

    /// Who reads attachments.
    pub(crate) fn readers(&self) -> &Readers {
        &self.office.readers
    }

    /// Every limit on outside input.
    pub fn limits(&self) -> &Limits {
        &self.office.limits
    }

    /// What takes a second person.
    pub fn care(&self) -> &Care {
        &self.office.care
    }

    /// Takes over what is ours, after the configuration was read again.
    pub fn change_site(&self, site: Site) {
        *self
            .office
            .site
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = site;
    }

    /// Takes over where released mail goes, after the configuration was read again.
    pub fn change_courier(&self, courier: Arc<dyn Courier>) {
        *self
            .office
            .courier
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(courier);
    }

    fn courier(&self) -> Option<Arc<dyn Courier>> {
        self.office
            .courier
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn site(&self) -> Site {
        self.office
            .site
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Goes on only when the author may.
    pub fn need(&self, right: Right) -> Result<(), DeskError> {
        if self.author.may(right) {
            Ok(())
        } else {
            Err(DeskError::Forbidden(right.words().to_owned()))
        }
    }

    /// A version of the policy, compiled; `None` when it is gone or cannot be read by this program.
    async fn compiled(&self, version: i64) -> Result<Option<Arc<Policy>>, DeskError> {
        let kept = || {
            self.office
                .policies
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(policy) = kept().get(&version) {
            return Ok(Some(policy.clone()));
        }
        let text = match version {
            0 => Some(judge::DEFAULT_POLICY.to_owned()),
            version => self.store().policy_text(version).await?,
        };
        let policy = text.and_then(|text| Policy::parse(&text, self.limits()).ok());
        let Some(policy) = policy.map(Arc::new) else {
            return Ok(None);
        };
        let mut policies = kept();
        if policies.len() >= POLICIES_KEPT {
            // The oldest version is asked about least.
            let oldest = policies.keys().min().copied();
            oldest.map(|oldest| policies.remove(&oldest));
        }
        policies.insert(version, policy.clone());
        Ok(Some(policy))
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
