//! Models that learn from labelled mail.
//!
//! Everything here is pure: the same mail and the same labels in the same order give the same model, to the bit. Nothing reads a file, a clock or chance;
//! time comes with each message, secrets with the [`Key`]. Every table has a fixed size. And nothing here decides: a [`Classifier`] has an
//! [`Opinion`], and what is done about it is policy.
//!
//! Start at [`Viewer::see`] (what is looked at), then [`Course`] (what the service learns by: one lesson after the other), [`Content`] (what mail
//! says), [`personal`] (what single readers say otherwise), [`TwoPhase`] (the classifier in two phases; [`Classes`] is its first as the service learns it), [`Campaigns`] and
//! [`Prints`] (the same text again). [`threshold`] proves how much ham a threshold hits; [`Asker`] chooses what to ask people about; a model
//! becomes a file and back by [`Content::to_bytes`]. The figures are in `docs/accuracy.md`.

// What is looked at.
mod key;
pub mod view;

// What learns.
mod classifier;

pub mod campaigns;
pub mod classes;
pub mod content;
pub mod personal;
pub mod phases;
pub mod prints;

// What is done with it.
mod ask;
mod certified;
mod course;
pub mod drift;
mod snapshot;

pub use ask::{Asker, Why};
pub use campaigns::Campaigns;
pub use certified::{Standing, Threshold, threshold};
pub use classes::Classes;
pub use classifier::{Classifier, Label, Lesson, Opinion, Trust};
pub use content::Content;
pub use course::{Course, SHARES, Said, Summary, Taken};
pub use key::Key;
pub use phases::TwoPhase;
pub use prints::Prints;
pub use snapshot::Refused;
pub use view::{Arrival, Letter, Named, Needs, Scope, Seen, Sight, Viewer};
