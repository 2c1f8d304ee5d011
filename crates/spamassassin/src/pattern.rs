//! One pattern, compiled.

use crate::limits::{
    AUTOMATON_BYTES_MAX, EVIDENCE_AROUND, EVIDENCE_BYTES_MAX, PROGRAM_BYTES_MAX, STEPS_MAX,
};
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::Hir;

use crate::perl;

/// A text that patterns are matched against.
#[derive(Debug, Default)]
pub(crate) struct Text {
    pub bytes: Vec<u8>,
    /// Each byte as the character of that number; made when a pattern needs it.
    latin: OnceLock<String>,
}

impl Text {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            latin: OnceLock::new(),
        }
    }

    /// Its beginning, on one line, for people.
    pub(crate) fn shown(&self) -> String {
        excerpt(&self.bytes, 0, EVIDENCE_BYTES_MAX.min(self.bytes.len()))
    }

    fn latin(&self) -> &str {
        self.latin
            .get_or_init(|| self.bytes.iter().map(|byte| *byte as char).collect())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

/// How often a pattern was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub times: usize,
    /// It went back so often that it was stopped.
    pub gave_up: bool,
}

/// A pattern, compiled.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// The pattern, or what every match of it also matches.
    linear: Regex,
    exact: Option<fancy_regex::Regex>,
}

impl Pattern {
    /// Compiles `/pattern/flags`.
    pub(crate) fn delimited(written: &[u8]) -> Result<Self, String> {
        let (pattern, flags) = perl::delimited(written)?;
        Self::new(pattern, flags)
    }

    /// Compiles a pattern without delimiters.
    pub(crate) fn new(pattern: &[u8], flags: &[u8]) -> Result<Self, String> {
        let said = perl::said(pattern, flags)?;
        let linear = RegexBuilder::new(&said.linear)
            .unicode(false)
            .size_limit(PROGRAM_BYTES_MAX)
            .dfa_size_limit(AUTOMATON_BYTES_MAX)
            .build()
            .map_err(|error| last_line(&error.to_string()))?;
        let exact = said.backtracking.map(|pattern| {
            fancy_regex::RegexBuilder::new(&pattern)
                .backtrack_limit(STEPS_MAX)
                .delegate_size_limit(PROGRAM_BYTES_MAX)
                .build()
                .map_err(|error| last_line(&error.to_string()))
        });
        Ok(Self {
            linear,
            exact: exact.transpose()?,
        })
    }

    /// Can it go back, and so needs a budget?
    pub(crate) const fn goes_back(&self) -> bool {
        self.exact.is_some()
    }

    /// Is it somewhere in the text? One that gave up is not.
    pub(crate) fn is_match(&self, text: &Text) -> bool {
        self.count(text, 1).times > 0
    }

    /// Matches that do not overlap, at most so many.
    pub(crate) fn count(&self, text: &Text, most: usize) -> Count {
        let linear = match most {
            1 => usize::from(self.linear.is_match(&text.bytes)),
            _ if self.exact.is_some() => usize::from(self.linear.is_match(&text.bytes)),
            most => self.linear.find_iter(&text.bytes).take(most).count(),
        };
        let mut count = Count {
            times: linear,
            gave_up: false,
        };
        if let Some(exact) = self.exact.as_ref().filter(|_| linear > 0) {
            count.times = 0;
            for found in exact.find_iter(text.latin()).take(most) {
                match found {
                    Ok(_) => count.times += 1,
                    Err(_) => {
                        count.gave_up = true;
                        break;
                    }
                }
            }
        }
        count
    }

    /// What it matches first, with a little text around, on one line.
    pub(crate) fn excerpt(&self, text: &Text) -> String {
        let range = match &self.exact {
            None => self.linear.find(&text.bytes).map(|found| found.range()),
            Some(exact) => {
                let found = exact.find(text.latin()).ok().flatten();
                // Characters of the Latin text are bytes of the other.
                let bytes = |at: usize| text.latin()[..at].chars().count();
                found.map(|found| bytes(found.start())..bytes(found.end()))
            }
        };
        let range = range.unwrap_or_default();
        excerpt(&text.bytes, range.start, range.end)
    }

    /// The text of the first group of the first match, or of the match itself.
    pub(crate) fn first_group(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let captures = self.linear.captures(bytes)?;
        let group = captures.get(1).or_else(|| captures.get(0))?;
        Some(group.as_bytes().to_vec())
    }

    /// The pattern in linear time, taken apart: itself, or what every match of it also matches.
    pub(crate) fn parsed(&self) -> Option<Hir> {
        let mut parser = regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .build();
        parser.parse(self.linear.as_str()).ok()
    }
}

/// A piece of text with a little around it, on one line; what is cut is marked.
fn excerpt(bytes: &[u8], start: usize, end: usize) -> String {
    let end = end.min(start + EVIDENCE_BYTES_MAX);
    let from = start.saturating_sub(EVIDENCE_AROUND);
    let to = (end + EVIDENCE_AROUND).min(bytes.len());
    let text = String::from_utf8_lossy(&bytes[from..to]);
    let words: Vec<&str> = text.split_whitespace().collect();
    let before = if from > 0 { "…" } else { "" };
    let after = if to < bytes.len() { "…" } else { "" };
    format!("{before}{}{after}", words.join(" "))
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_end_gives_up() {
        let pattern = Pattern::delimited(br"/^(?:(a+)\1*)+\1c/").expect("compiles");
        let text = Text::new([vec![b'a'; 5000], b"!c".to_vec()].concat());
        let gave_up = Count {
            times: 0,
            gave_up: true,
        };
        assert_eq!(pattern.count(&text, 1), gave_up);
        assert!(pattern.is_match(&Text::from("aaac")));
    }

    #[test]
    fn too_large_is_refused() {
        assert!(Pattern::delimited(b"/(?:a{1000}){1000}/").is_err());
    }
}
