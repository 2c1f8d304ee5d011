//! Thousands of patterns in one pass: an automaton looks for text that every match of a pattern must hold, and only patterns whose text is
//! there are tried.
//!
//! A pattern without such text is tried always; [`Patterns::always`] says how many there are.

use std::collections::HashMap;
use std::ops::Range;

use daachorse::DoubleArrayAhoCorasick;
use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Shortest text worth looking for, bytes: three letters, or one Chinese character.
const NEEDLE_BYTES_MIN: usize = 3;
/// Most alternative texts for one pattern.
const NEEDLES_MAX: usize = 64;
/// Characters of a class that are spelled out.
const CLASS_MAX: usize = 8;

/// Patterns, ready to be looked for together.
#[derive(Default)]
pub(super) struct Patterns {
    regexes: Vec<Regex>,
    /// Over all needles; the value is an index into `by_needle`.
    automaton: Option<DoubleArrayAhoCorasick<u32>>,
    /// Which patterns want a needle.
    by_needle: Vec<Vec<u32>>,
    /// Patterns that no needle announces.
    always: Vec<u32>,
}

impl Patterns {
    pub(super) fn new(regexes: Vec<Regex>) -> Result<Self, String> {
        let mut by_needle: Vec<Vec<u32>> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut needles: Vec<String> = Vec::new();
        let mut always = Vec::new();
        for (number, regex) in regexes.iter().enumerate() {
            let Some(wanted) = needles_of(regex.as_str()) else {
                always.push(number as u32);
                continue;
            };
            for needle in wanted {
                let place = *places.entry(needle.clone()).or_insert_with(|| {
                    needles.push(needle);
                    by_needle.push(Vec::new());
                    needles.len() - 1
                });
                by_needle[place].push(number as u32);
            }
        }
        let automaton = if needles.is_empty() {
            None
        } else {
            let numbered = needles.iter().zip(0_u32..);
            Some(
                DoubleArrayAhoCorasick::with_values(numbered)
                    .map_err(|error| format!("the patterns together do not compile: {error}"))?,
            )
        };
        Ok(Self {
            regexes,
            automaton,
            by_needle,
            always,
        })
    }

    /// The first matches of each pattern that matches and is wanted here: its number, and where.
    pub(super) fn find(
        &self,
        normal: &str,
        most_each: usize,
        is_wanted: impl Fn(u32) -> bool,
    ) -> Vec<(Range<usize>, u32)> {
        let mut tried = vec![0_u64; self.regexes.len().div_ceil(64)];
        let mut first_time = |number: u32| {
            let (word, bit) = (number as usize / 64, 1_u64 << (number % 64));
            let is_first = tried[word] & bit == 0;
            tried[word] |= bit;
            is_first
        };
        let mut found = Vec::new();
        let mut attempt = |number: u32| {
            if first_time(number) && is_wanted(number) {
                let matches = self.regexes[number as usize]
                    .find_iter(normal)
                    .take(most_each);
                found.extend(matches.map(|found| (found.range(), number)));
            }
        };
        if let Some(automaton) = &self.automaton {
            for needle in automaton.find_overlapping_iter(normal) {
                for number in &self.by_needle[needle.value() as usize] {
                    attempt(*number);
                }
            }
        }
        self.always.iter().for_each(|number| attempt(*number));
        found
    }
}

/// Texts one of which is in every match of the pattern, as they stand in normal form. `None`: there are none worth it.
fn needles_of(pattern: &str) -> Option<Vec<String>> {
    let mut parser = regex_syntax::ParserBuilder::new()
        .case_insensitive(true)
        .build();
    let hir = parser.parse(pattern).ok()?;
    let known = Known::of(&hir);
    let best = [known.exact, known.needed].into_iter().flatten();
    best.filter(|needles| worth(needles) > 0)
        .max_by_key(|needles| worth(needles))
}

/// How much is gained by looking for these: nothing when one of them is too short or there are too many.
fn worth(needles: &[String]) -> usize {
    let shortest = needles.iter().map(String::len).min().unwrap_or(0);
    if shortest < NEEDLE_BYTES_MIN || needles.len() > NEEDLES_MAX {
        return 0;
    }
    // Length tells more than few alternatives do.
    shortest * 100 - needles.len()
}

/// What is known about the matches of a part of a pattern.
struct Known {
    /// All texts it can match, when they are few.
    exact: Option<Vec<String>>,
    /// Texts one of which is in every match.
    needed: Option<Vec<String>>,
}

impl Known {
    const NOTHING: Self = Self {
        exact: None,
        needed: None,
    };

    fn exactly(texts: Vec<String>) -> Self {
        Self {
            exact: Some(texts),
            needed: None,
        }
    }

    /// The parser bounds how deep a pattern nests, so this ends.
    fn of(hir: &Hir) -> Self {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::exactly(vec![String::new()]),
            HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
                Ok(text) => Self::exactly(vec![text.to_lowercase()]),
                Err(_) => Self::NOTHING,
            },
            HirKind::Class(class) => spelled_out(class).map_or(Self::NOTHING, Self::exactly),
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Repetition(repetition) => {
                Self::repeated(repetition.min, repetition.max, Self::of(&repetition.sub))
            }
            HirKind::Concat(parts) => Self::in_sequence(parts),
            HirKind::Alternation(branches) => Self::one_of(branches),
        }
    }

    fn repeated(min: u32, max: Option<u32>, sub: Self) -> Self {
        match (min, max) {
            (1, Some(1)) => sub,
            (0, Some(1)) => Self {
                exact: sub.exact.map(|mut texts| {
                    texts.push(String::new());
                    texts
                }),
                needed: None,
            },
            (0, _) => Self::NOTHING,
            _ => Self {
                exact: None,
                needed: sub.best(),
            },
        }
    }

    fn in_sequence(parts: &[Hir]) -> Self {
        let mut candidates: Vec<Vec<String>> = Vec::new();
        let mut run = vec![String::new()];
        let mut whole = true;
        for part in parts {
            let known = Self::of(part);
            candidates.extend(known.needed);
            let joins = known.exact.as_ref().and_then(|texts| joined(&run, texts));
            if let Some(joins) = joins {
                run = joins;
            } else {
                whole = false;
                // What ends the run may begin the next one.
                let next = known.exact.unwrap_or_else(|| vec![String::new()]);
                candidates.push(std::mem::replace(&mut run, next));
            }
        }
        if whole {
            return Self {
                exact: Some(run),
                needed: candidates.into_iter().max_by_key(|needles| worth(needles)),
            };
        }
        candidates.push(run);
        Self {
            exact: None,
            needed: candidates
                .into_iter()
                .filter(|needles| worth(needles) > 0)
                .max_by_key(|needles| worth(needles)),
        }
    }

    fn one_of(branches: &[Hir]) -> Self {
        let known: Vec<Self> = branches.iter().map(Self::of).collect();
        let exact: Option<Vec<String>> = known
            .iter()
            .map(|one| one.exact.clone())
            .collect::<Option<Vec<_>>>()
            .map(|texts| texts.concat());
        if let Some(exact) = exact.filter(|texts| texts.len() <= NEEDLES_MAX) {
            return Self::exactly(exact);
        }
        let needed: Option<Vec<Vec<String>>> = known.into_iter().map(Self::best).collect();
        Self {
            exact: None,
            needed: needed
                .map(|needles| needles.concat())
                .filter(|needles| needles.len() <= NEEDLES_MAX),
        }
    }

    /// The better of both.
    fn best(self) -> Option<Vec<String>> {
        [self.exact, self.needed]
            .into_iter()
            .flatten()
            .filter(|needles| worth(needles) > 0)
            .max_by_key(|needles| worth(needles))
    }
}

/// Every first with every second, when that is not too much.
fn joined(first: &[String], second: &[String]) -> Option<Vec<String>> {
    let few = first.len() * second.len() <= NEEDLES_MAX / 2;
    let all = first
        .iter()
        .flat_map(|start| second.iter().map(move |end| format!("{start}{end}")));
    few.then(|| all.collect())
}

/// The characters of a small class, as far as they occur in normal form.
fn spelled_out(class: &Class) -> Option<Vec<String>> {
    let Class::Unicode(class) = class else {
        return None;
    };
    let mut texts: Vec<String> = Vec::new();
    let mut seen = 0;
    for range in class.ranges() {
        seen += range.len();
        if seen > CLASS_MAX * 4 {
            return None;
        }
        for c in range.start()..=range.end() {
            let text = c.to_string();
            // White space stands for itself; every other character that normal form changes does not occur in it.
            let occurs = c == ' ' || mail::text::normalise(&text) == text;
            if occurs && !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    (texts.len() <= CLASS_MAX && !texts.is_empty()).then_some(texts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn needles(pattern: &str) -> Vec<String> {
        needles_of(pattern).unwrap_or_default()
    }

    #[test]
    fn patterns_name_what_they_need() {
        for (pattern, wanted) in [
            ("viagra", &["viagra"][..]),
            (r"\bfree\s+money\b", &["money"]),
            (r"(?:click|press) here", &["click here", "press here"]),
            (r"gr[ae]y", &["gray", "grey"]),
            (r"[0-9]+ million", &[" million"]),
            (r"us\$ ?[0-9.]+ million", &[" million"]),
            (r"(invoice|bill){2,}", &["invoice", "bill"]),
            (r"colou?r", &["colour", "color"]),
            (r"发票|代开", &["发票", "代开"]),
            (r"a+b*", &[]),
            (r"\d{4}", &[]),
            (r"(foo)?bar|x", &[]),
        ] {
            assert_eq!(needles(pattern), wanted, "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_missed(
            parts in prop::collection::vec(prop_oneof![
                Just("foo"), Just("[ab]c"), Just("(bar|baz)"), Just("x?"), Just("(?:qux)*"), Just("y+"), Just("."), Just("k{2}"), Just("|"), Just("\\b"), Just("ss"), Just(" "),
            ], 1..6),
            text in "(foo|ac|bc|bar|baz|x|qux|y|kk|ss| ){0,8}",
        ) {
            let pattern = parts.concat();
            let regex = regex::RegexBuilder::new(&pattern).case_insensitive(true).build();
            if let Ok(regex) = regex && !regex.is_match("") {
                let normal = mail::text::normalise(&text);
                let expected: Vec<_> = regex.find_iter(&normal).map(|found| (found.range(), 0)).collect();
                let patterns = Patterns::new(vec![regex]).unwrap();
                prop_assert_eq!(patterns.find(&normal, usize::MAX, |_| true), expected);
            }
        }
    }
}
