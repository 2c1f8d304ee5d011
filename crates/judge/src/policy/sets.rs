//! Keyword sets and pattern sets: many terms with weights, that add to the score or are named by rules.

use std::collections::HashSet;

use mail::Hit;
use regex::Regex;
use written::{Section, Spot};

use super::lists::name;
use crate::condition::read::{places, regex, term, weighted};
use crate::scan::Places;

/// Patterns that are worth a thread of their own.
const WORTH_A_THREAD: usize = 100;

/// One set.
pub(crate) struct KeywordSet {
    pub name: String,
    /// Terms (or patterns) as written, with their weight.
    pub terms: Vec<(String, f64)>,
    /// Set for pattern sets: the compiled patterns.
    pub patterns: Option<Vec<Regex>>,
    pub places: Places,
    /// Of Chinese text, only whole words count.
    pub whole_words: bool,
    /// Each hit counts, up to so many per term; otherwise each term once.
    pub most_per_term: u32,
    /// The set adds at most this.
    pub cap: f64,
    /// Does it add to the score by itself?
    pub scores: bool,
    /// What its hits mean, in plain words.
    pub text: String,
}

impl KeywordSet {
    /// What these hits weigh together.
    pub(crate) fn weigh(&self, hits: &[&Hit]) -> f64 {
        // Most sets find nothing in most messages, and many rules ask.
        if hits.is_empty() {
            return 0.0;
        }
        let weigh = |(term, weight): &(String, f64)| {
            let count: u32 = hits
                .iter()
                .filter(|hit| hit.term == *term)
                .map(|hit| hit.count)
                .sum();
            f64::from(count.min(self.most_per_term)) * weight
        };
        let sum: f64 = self
            .terms
            .iter()
            .filter(|(term, _)| hits.iter().any(|hit| hit.term == *term))
            .map(weigh)
            .sum();
        sum.min(self.cap)
    }
}

/// Reads `[[keyword_sets]]` and `[[pattern_sets]]`.
pub(crate) fn read(root: &Section<'_, '_>) -> Vec<KeywordSet> {
    let mut sets: Vec<KeywordSet> = Vec::new();
    let mut names = HashSet::new();
    for (key, is_pattern) in [("keyword_sets", false), ("pattern_sets", true)] {
        for section in root.sections(key) {
            if let Some(name) = section.string("name")
                && !names.insert(name)
            {
                section.complain("name", "stands twice", "another name");
            }
            sets.extend(one(&section, is_pattern));
            section.finish();
        }
    }
    sets
}

fn one(section: &Section<'_, '_>, is_pattern: bool) -> Option<KeywordSet> {
    let name = section.required("name", "a name", name);
    let text = section.string("reason").unwrap_or_default();
    let places = places(section);
    let most_per_term = section.number("most_per_term", 1..=1000).unwrap_or(1) as u32;
    let cap = section.decimal("cap", 0.1..=10_000.0).unwrap_or(10_000.0);
    // A pattern says itself what may stand around it.
    let whole_words = !is_pattern && section.flag("whole_words").unwrap_or(false);
    let scores = section.flag("scores").unwrap_or(false);
    let (key, item) = if is_pattern {
        ("patterns", "pattern")
    } else {
        ("terms", "term")
    };
    let written = weighted(section, key, item);
    if written.is_empty() {
        section.complain(key, "is empty", "[\"…\", { term = \"…\", weight = 2.0 }]");
    }
    let (patterns, right) = if is_pattern {
        let right = "a regular expression (crate regex: no look-around, no back references)";
        (Some(compiled(&written)), right)
    } else {
        (None, "a word or phrase")
    };
    for (number, (text, _, spot)) in written.iter().enumerate() {
        let wrong = match &patterns {
            None => term(text).err().map(str::to_owned),
            Some(patterns) => patterns[number].as_ref().err().cloned(),
        };
        if let Some(wrong) = wrong {
            section.complain_at(spot, &format!("{text:?} {wrong}"), right);
        }
    }
    let patterns = patterns.map(|patterns| patterns.into_iter().filter_map(Result::ok).collect());
    Some(KeywordSet {
        name: name?,
        terms: written
            .into_iter()
            .map(|(text, weight, _)| (text, weight))
            .collect(),
        patterns,
        places,
        whole_words,
        most_per_term,
        cap,
        scores,
        text,
    })
}

/// Compiles patterns on as many cores as there are: with thousands of them it is most of the time a policy takes to be built.
fn compiled(written: &[(String, f64, Spot)]) -> Vec<Result<Regex, String>> {
    let compile = |part: &[(String, f64, Spot)]| -> Vec<_> {
        part.iter().map(|(text, ..)| regex(text)).collect()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let each = written.len().div_ceil(cores).max(WORTH_A_THREAD);
    std::thread::scope(|scope| {
        let threads: Vec<_> = written
            .chunks(each)
            .map(|part| scope.spawn(move || compile(part)))
            .collect();
        let parts = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        parts
            // A panic in there is one of the whole, as it is without threads.
            .flat_map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
