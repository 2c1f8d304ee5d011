//! The nouns of Mailvigil: what a message, its envelope, the facts about it and the verdict on it *are*.
//!
//! Every other crate sees this one, and the siblings (`wire`, `judge`, `store`) see nothing else.
//! Start at [`Envelope`] (who hands over what to whom), then [`Message`] (the bytes, read),
//! [`Facts`] (all that judgement may look at) and [`Verdict`] (what came of it).
//!
//! This crate must not need the world: no files, no sockets, no clock, no runtime. And it must not
//! become a drawer for shared helpers: a type lives here because it is a word of `ARCHITECTURE.md`.

// Words everything is made of.
pub mod address;
pub mod id;
pub mod known;
pub mod limits;
pub mod secret;
pub mod time;

// One message, from its envelope to its verdict.
pub mod envelope;
pub mod message;
pub mod text;

pub mod html;

pub mod authentication;
pub mod facts;
pub mod learnt;
pub mod verdict;

// What users do, and what becomes of their mail elsewhere.
pub mod conduct;
pub mod operation;
pub mod outgoing;

// What is kept of it, and counted.
pub mod record;
pub mod standing;

pub use address::{Address, Domain};
pub use authentication::Authentication;
pub use conduct::Conduct;
pub use envelope::{Direction, Envelope, Peer, Site, Tls};
pub use facts::{Facts, Hit, Place, WindowFact, WindowKey};
pub use id::RecordId;
pub use known::Known;
pub use learnt::Learnt;
pub use limits::Limits;
pub use message::{
    File, Message, Opened, OpenedPart, PartBytes, Reading, Skim, SkimField, SkimPart, part_bytes,
};
pub use operation::{Account, Operation};
pub use record::{Fate, Record};
pub use secret::Secret;
pub use standing::{Counts, Mark, Ruling};
pub use time::Timestamp;
pub use verdict::{Action, Level, Outcome, Reason, Verdict};
