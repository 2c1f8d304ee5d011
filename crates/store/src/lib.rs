//! Keeping: records, the quarantine, policy versions, acts of administrators. It interprets nothing of it.
//!
//! [`Store`] has two real back ends behind one set of methods: SQLite for one machine, PostgreSQL for many; bodies of
//! held messages are files. What a method has returned is durable. Start at [`Store::open`].
//!
//! | on disk | after a crash | put right by |
//! | --- | --- | --- |
//! | `bodies/new/ID` | a body half written | removed at the next start |
//! | `bodies/xx/ID` without a row | a body whose row never came, or whose row was closed first | the sweep, an hour later |
//! | row `held` | its body is whole: it was synced before | – |
//! | row `releasing` | a release that was cut off | put back to `held`, or closed when its mark was used, once the mark has run out |

// The two back ends, and what they hold.
mod db;
mod schema;

// Messages.
mod load;
mod query;
mod records;
mod tallies;
mod terms;

mod bodies;
mod quarantine;

// What people decide and do, and who they are.
mod acts;
mod lessons;
mod people;
mod policies;
mod recalls;
mod requests;

// What others tell about our domains.
mod reports;

// What users do.
mod watched;

// Small things that must survive, and the end of all things.
mod retention;
mod standing;
mod state;

use std::path::PathBuf;

use mail::Secret;

pub use acts::{Act, ActFilter, ChainedAct, Verified};
pub use lessons::{
    CampaignRow, Label, LessonFilter, LessonRow, LessonView, NewLesson, Question, SightRow,
};
pub use people::{Link, Login, Person, Session, Token};
pub use policies::{NewPolicy, PolicyVersion};
pub use quarantine::{Held, HeldFilter, HoldState, Mark};
pub use query::{CANDIDATES, Page, Query};
pub use recalls::{Recall, RecallState};
pub use reports::{ReportFilter, ReportRow};
pub use requests::{Request, RequestState};
pub use retention::{Retention, Swept};
pub use standing::StandingRow;
pub use state::PastArrival;
pub use tallies::{SPAN_SECS, Tally};
pub use watched::{
    Concerned, DecisionRow, DetectionRow, OperationRow, WatchFilter, Watched, WishRow,
};

use bodies::Bodies;
use db::Db;

/// What a store needs to know.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `sqlite:FILE` or `postgres://USER:PASSWORD@HOST/NAME`.
    pub database: Secret<String>,
    /// Folder of the bodies of held messages; made when missing.
    pub bodies: PathBuf,
    /// The file that notes the end of the log of acts outside the database.
    pub audit_head: PathBuf,
    /// Bytes that held messages may take together.
    pub quarantine_bytes_max: u64,
    /// Bytes of facts kept beside one record; larger ones are kept without headers and parts.
    pub facts_bytes_max: usize,
}

/// Why something was not kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database or the disk does not answer in time, or not at all. Trying again may help.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// There is no room.
    #[error("the store is full: {0}")]
    Full(String),
    /// Somebody else was faster.
    #[error("{0}")]
    Conflict(String),
    /// What is kept is not what was written.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}

/// The store. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Store {
    db: Db,
    bodies: Bodies,
    audit_head: PathBuf,
    quarantine_bytes_max: u64,
    room: std::sync::Arc<quarantine::Room>,
    facts_bytes_max: usize,
    /// Rung when this process has put a policy in force.
    policy_bell: std::sync::Arc<tokio::sync::Notify>,
}

impl Store {
    /// Opens the database, bringing its tables to this program's version, and the folder of bodies.
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let db = Db::open(config.database.reveal()).await?;
        schema::bring_up(&db).await?;
        let bodies = Bodies::open(&config.bodies).await?;
        Ok(Self {
            db,
            bodies,
            audit_head: config.audit_head.clone(),
            quarantine_bytes_max: config.quarantine_bytes_max,
            room: std::sync::Arc::default(),
            facts_bytes_max: config.facts_bytes_max,
            policy_bell: std::sync::Arc::default(),
        })
    }
}
