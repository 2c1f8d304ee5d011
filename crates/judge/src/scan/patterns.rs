//! Thousands of patterns in one pass: an automaton looks for text that every match of a pattern must hold, and only patterns whose text is
//! there are tried.
//!
//! A pattern without such text is tried always; [`Patterns::always`] says how many there are.

use std::collections::HashMap;
use std::ops::Range;

use daachorse::DoubleArrayAhoCorasick;
use regex::Regex;
use regex_syntax::hir::Class;

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
    let needles = needles::of(&hir, &spelled_out)?;
    needles
        .into_iter()
        .map(|needle| String::from_utf8(needle).ok())
        .collect()
}

/// The characters of a small class, as far as they occur in normal form.
fn spelled_out(class: &Class) -> Option<Vec<Vec<u8>>> {
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
    let few = texts.len() <= CLASS_MAX && !texts.is_empty();
    few.then(|| texts.into_iter().map(String::into_bytes).collect())
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
            (r"\bfree\s+money\b", &[" money"]),
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
