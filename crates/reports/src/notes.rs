//! What was wrong with a report that could be read all the same.

/// Notes kept of one report; further ones are counted.
const NOTES_MAX: usize = 32;
/// Characters of a foreign value quoted in a note.
const QUOTE_CHARS_MAX: usize = 60;

/// A report, and what its reader had to put up with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<T> {
    /// What it says.
    pub report: T,
    /// What was wrong with it, in words, in the order met.
    pub notes: Notes,
}

impl<T> Read<T> {
    /// The same notes beside another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Read<U> {
        Read {
            report: change(self.report),
            notes: self.notes,
        }
    }
}

/// Notes about one report: each once, bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    kept: Vec<String>,
    left_out: u64,
}

impl Notes {
    /// Those kept.
    pub fn kept(&self) -> &[String] {
        &self.kept
    }

    /// How many more there were.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Was nothing wrong?
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(crate) fn add(&mut self, note: impl Into<String>) {
        if self.kept.len() >= NOTES_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let note = note.into();
        if !self.kept.contains(&note) {
            self.kept.push(note);
        }
    }

    /// A note about a value that is not what it should be.
    pub(crate) fn about(&mut self, what: &str, value: &str, wrong: &str) {
        if self.kept.len() >= NOTES_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let quote: String = value.chars().take(QUOTE_CHARS_MAX).collect();
        self.add(format!("{what} {quote:?} {wrong}"));
    }
}
