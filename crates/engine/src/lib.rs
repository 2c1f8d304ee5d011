//! The service without sockets: gather → judge → promise → answer → learn, and the [`Desk`].
//!
//! [`Engine`] judges; start at [`Engine::question`], the life of a message. [`Desk`] is everything a person can do, the
//! one way command line, console and JSON API go. This crate speaks no protocol and holds no rule about mail.

// The life of a message.
mod answer;
mod authenticity;
mod engine;
mod fence;
mod policy;
mod reading;
mod recorder;
mod standing;
mod windows;

// What users do.
mod watching;

// What people say mail was, and what is learnt from it.
mod learning;

// Other nodes.
mod nodes;

// Mail that comes past in other ways.
pub mod mark;
mod own;
mod unscanned;

// What people do, and how they are let in.
mod by_hand;
mod canary;
mod desk;
mod digest;
mod door;
pub mod gate;
mod keeper;
mod release;
mod reports;
mod rewrite;

// Time, numbers, files.
pub mod clock;
mod files;
pub mod metrics;

pub use crate::reports::{
    Dispatch, Kept, Letters, ReportSettings, SourceView, TlsView, UsageOrder,
};
pub use answer::{Abilities, Changes, Reply, Text};
pub use authenticity::Authenticity;
pub use by_hand::{envelope_by_header, envelope_of_file, judge_by_hand};
pub use canary::Canary;
pub use desk::{
    Asked, Author, CampaignView, Care, Changed, CopyToMove, Decided, DecisionView, Desk, DeskError,
    DetectionView, DomainFilter, DomainPage, DomainView, HITS_COUNTED, Happening, HeldView, Hint,
    Hour, Identity, Learner, MessageView, Moment, NewPerson, Overview, Passed, Replay, Right, Role,
    Taught, Teacher, Trial, TriedMessage, allowed, first_of, named, read_allowed, read_scope,
};
pub use digest::{DigestSettings, Round};
pub use documents::{Ocr, Pool as Readers};
pub use door::{Door, DoorState, Doors};
pub use engine::{Answer, Engine, NotRead, OnFailure, Question, Refusal, Settings};
pub use keeper::Presence;
pub use learning::{LearnSetup, Learning, LearningState, Shifted};
pub use reading::read;
pub use release::{Courier, Released, Submitted};
pub use unscanned::Arrived;
pub use watching::{News, Telling, WatchSetup, Watching};

/// What is watched and decided, in the words of the crate that does it.
pub use watch;

/// Over what nodes hear each other, in the words of the crate that carries it.
pub use hub;

/// What is learnt, in the words of the crate that learns.
pub use learn;

/// Senders, in the words of the crate that finds out about them, for those above who do not see it.
pub use lookup;

/// What is kept, in the store's words, for those above who do not see the store.
pub use store::{
    ActFilter, ChainedAct, Concerned, Held, HeldFilter, HoldState, Label, LessonFilter, LessonView,
    Login, Page, Person, PolicyVersion, Query, Recall, RecallState, ReportFilter, ReportRow,
    Request, RequestState, Session, StoreError, Tally, Token, Verified, WatchFilter,
};

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// No policy can be used, not even the shipped one.
    #[error("no policy can be used: {0}")]
    Policy(String),
}
