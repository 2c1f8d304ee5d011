//! Models that learn from labelled mail: pure, deterministic, bounded.
mod ask;
mod classifier;
pub mod content;
mod key;
pub mod view;

pub use ask::Asker;
pub use classifier::{Classifier, Label, Lesson, Opinion, Receipt, Trust};
pub use content::Content;
pub use key::Key;
pub use view::{Arrival, Letter, Needs, Scope, Sight, Viewer};
