//! SpamAssassin's rules, read and run as they are.
//!
//! Rule texts (`*.cf`) are read into [`Rules`]; these say of a message which rules hit, as SpamAssassin 4 says it with `-L`: without asking servers and
//! without a classifier. What has no meaning here is left out and named ([`LeftOut`]). A message is taken apart the way SpamAssassin does it, not the way the
//! rest of the filter does: rules were written and weighed for what that finds.

mod conf;
mod eval;
mod limits;
mod meta;
mod pattern;
mod perl;
mod rules;
mod sieve;
mod view;

pub use conf::{LeftOut, Reason, Source};
pub use rules::{Hit, Reading, Rules, Seen, Stands};

/// Where something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name, as given.
    pub file: String,
    /// Counted from 1; 0 for the whole file.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}
