//! Which of many patterns may match which of many texts: found in one pass over all of them.
//!
//! Most patterns have a needle, a text that every match holds. Of the others, what every match also matches whatever stands before and behind it is
//! looked for in all texts at once; only where it is found are the texts tried one by one.

use std::borrow::Cow;
use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::limits::{AUTOMATON_BYTES_MAX, PROGRAM_BYTES_MAX};
use crate::pattern::{Pattern, Text};

/// Bytes of a class that are spelled out for a needle.
const SPELLED_MAX: usize = 8;

/// Over patterns numbered by place.
#[derive(Debug, Default)]
pub(crate) struct Sieve {
    automaton: Option<AhoCorasick>,
    /// By needle: the patterns that want it.
    wanted_by: Vec<Vec<u32>>,
    /// Patterns without needle, and what they match in all texts at once, when that can be told.
    others: Vec<(u32, Option<Regex>)>,
    count: usize,
}

/// Texts one behind the other, parted by line feeds.
pub(crate) struct Joined<'t> {
    bytes: Cow<'t, [u8]>,
    /// Where each begins, and the end of all.
    starts: Vec<usize>,
}

impl<'t> Joined<'t> {
    pub(crate) fn new(texts: &[&'t Text]) -> Self {
        if let [one] = texts {
            return Self {
                bytes: Cow::Borrowed(&one.bytes),
                starts: vec![0, one.bytes.len()],
            };
        }
        let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.bytes.len() + 1).sum());
        let mut starts = Vec::with_capacity(texts.len() + 1);
        for text in texts {
            starts.push(bytes.len());
            bytes.extend_from_slice(&text.bytes);
            if !text.bytes.ends_with(b"\n") {
                bytes.push(b'\n');
            }
        }
        starts.push(bytes.len());
        Self {
            bytes: Cow::Owned(bytes),
            starts,
        }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Notes a pattern for each text that may hold a match, as the ends of the shortest matches of `anywhere` tell: no text before such an
    /// end, from where was searched, holds one.
    fn noted(&self, anywhere: &Regex, number: u32, candidates: &mut [Vec<u32>]) {
        let mut at = 0;
        while at < self.len()
            && let Some(end) = anywhere.shortest_match_at(&self.bytes, self.starts[at])
        {
            let begun = self.starts.partition_point(|start| *start < end);
            let text = begun.saturating_sub(1).clamp(at, self.len() - 1);
            candidates[text].push(number);
            at = text + 1;
        }
    }
}

impl Sieve {
    pub(crate) fn new(patterns: &[&Pattern]) -> Result<Self, String> {
        let mut sieve = Self::default();
        let mut needles: Vec<Vec<u8>> = Vec::new();
        let mut places = HashMap::new();
        for (number, pattern) in (0_u32..).zip(patterns) {
            sieve.count += 1;
            let parsed = pattern.parsed();
            let wanted = parsed.as_ref().and_then(|hir| needles::of(hir, &spelled));
            let Some(wanted) = wanted else {
                let anywhere = parsed.and_then(|hir| anywhere(&hir));
                sieve.others.push((number, anywhere));
                continue;
            };
            for needle in wanted {
                let place = *places.entry(needle.clone()).or_insert_with(|| {
                    needles.push(needle);
                    sieve.wanted_by.push(Vec::new());
                    needles.len() - 1
                });
                sieve.wanted_by[place].push(number);
            }
        }
        if !needles.is_empty() {
            let automaton = AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .ascii_case_insensitive(true)
                .build(&needles)
                .map_err(|error| format!("the patterns together do not compile: {error}"))?;
            sieve.automaton = Some(automaton);
        }
        Ok(sieve)
    }

    /// By text, the patterns that may match it, each once.
    pub(crate) fn candidates(&self, texts: &Joined<'_>) -> Vec<Vec<u32>> {
        let mut candidates = vec![Vec::new(); texts.len()];
        for (number, anywhere) in &self.others {
            match anywhere.as_ref().filter(|_| texts.len() > 1) {
                Some(anywhere) => texts.noted(anywhere, *number, &mut candidates),
                None => candidates.iter_mut().for_each(|one| one.push(*number)),
            }
        }
        if let Some(automaton) = &self.automaton {
            // Of each pattern, one more than the text it was last noted for.
            let mut noted = vec![0; self.count];
            let mut at = 0;
            for found in automaton.find_overlapping_iter(&*texts.bytes) {
                // Ends come in order.
                while texts.starts[at + 1] < found.end() {
                    at += 1;
                }
                if found.start() < texts.starts[at] {
                    continue;
                }
                for number in &self.wanted_by[found.pattern().as_usize()] {
                    let noted = &mut noted[*number as usize];
                    if *noted <= at {
                        *noted = at + 1;
                        candidates[at].push(*number);
                    }
                }
            }
        }
        candidates
    }
}

/// What matches wherever the pattern matches one of several texts that stand one behind the other.
fn anywhere(hir: &Hir) -> Option<Regex> {
    RegexBuilder::new(&unbound(hir).to_string())
        .unicode(false)
        .size_limit(PROGRAM_BYTES_MAX)
        .dfa_size_limit(AUTOMATON_BYTES_MAX)
        .build()
        .ok()
}

/// The same where texts begin at line starts and end anywhere. The parser bounds how deep a pattern nests, so this ends.
fn unbound(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(Look::Start) => Hir::look(Look::StartLF),
        HirKind::Look(Look::End | Look::EndLF | Look::EndCRLF) => Hir::empty(),
        HirKind::Repetition(repetition) => Hir::repetition(regex_syntax::hir::Repetition {
            sub: Box::new(unbound(&repetition.sub)),
            ..repetition.clone()
        }),
        HirKind::Capture(capture) => unbound(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(unbound).collect()),
        HirKind::Alternation(branches) => Hir::alternation(branches.iter().map(unbound).collect()),
        _ => hir.clone(),
    }
}

fn spelled(class: &Class) -> Option<Vec<Vec<u8>>> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut add = |from: u32, to: u32| -> Option<()> {
        for byte in from..=to {
            let lower = u8::try_from(byte).ok()?.to_ascii_lowercase();
            if !bytes.contains(&lower) {
                bytes.push(lower);
            }
            (bytes.len() <= SPELLED_MAX).then_some(())?;
        }
        Some(())
    };
    match class {
        Class::Bytes(class) => {
            for range in class.ranges() {
                add(range.start().into(), range.end().into())?;
            }
        }
        Class::Unicode(class) => {
            for range in class.ranges() {
                add(range.start().into(), range.end().into())?;
            }
        }
    }
    let few = !bytes.is_empty();
    few.then(|| bytes.into_iter().map(|byte| vec![byte]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(patterns: &[&str], texts: &[&str]) -> Vec<Vec<u32>> {
        let compile = |pattern: &&str| Pattern::delimited(pattern.as_bytes()).expect("compiles");
        let patterns: Vec<Pattern> = patterns.iter().map(compile).collect();
        let sieve = Sieve::new(&patterns.iter().collect::<Vec<_>>()).expect("compiles");
        let texts: Vec<Text> = texts.iter().map(|text| Text::from(*text)).collect();
        sieve.candidates(&Joined::new(&texts.iter().collect::<Vec<_>>()))
    }

    #[test]
    fn patterns_are_tried_only_where_their_needles_are() {
        let patterns = [
            r"/viagra/i",
            r"/\bfree\s+money\b/i",
            r"/^x?$/",
            r"/(?<!un)safe/",
        ];
        for (text, numbers) in [
            ("nothing here", &[2][..]),
            ("VIAGRA and MONEY", &[2, 0, 1]),
            ("unsafe", &[2, 3]),
        ] {
            assert_eq!(candidates(&patterns, &[text]), [numbers], "{text}");
        }
        assert_eq!(
            candidates(
                &patterns,
                &["free ", "no money\n", "viagra", "via", "gra viagra"]
            ),
            [vec![2], vec![2, 1], vec![2, 0], vec![2], vec![2, 0]]
        );
    }

    #[test]
    fn without_a_needle_a_pattern_is_tried_where_a_match_may_begin() {
        for (pattern, texts, may_match) in [
            (r"/^\d+$/", &["a1", "b2c"][..], [false, false]),
            (r"/^\d+$/", &["a", "12"], [false, true]),
            (r"/^\d+$/", &["12\n", "a"], [true, false]),
            (r"/\w\d\z/", &["a1", "b"], [true, false]),
            (r"/[a-f]{4}/", &["ab", "cd"], [false, false]),
            (r"/[a-f]{4}/", &["abcde", "abcd"], [true, true]),
            (r"/(?!x)[a-f]{4}/", &["x", "abcd"], [false, true]),
            (r"/\b\d\d\b/", &["1", "2"], [false, false]),
            (r"/x*/", &["", ""], [true, true]),
        ] {
            let found = candidates(&[pattern], texts);
            let found: Vec<bool> = found.iter().map(|found| !found.is_empty()).collect();
            assert_eq!(found, may_match, "{pattern} in {texts:?}");
        }
    }

    proptest::proptest! {
        /// What matches a text is a candidate for it.
        #[test]
        fn nothing_is_missed(
            texts in proptest::collection::vec("[ab1 \n]{0,6}", 0..5),
            pattern in r"\^?[ab1]?(\\b|\(\?!b\)|\(a\|b1\))?[ab]{1,3}\+?(\\d)?\$?",
        ) {
            let pattern = Pattern::new(pattern.as_bytes(), b"i").expect("compiles");
            let sieve = Sieve::new(&[&pattern]).expect("compiles");
            let texts: Vec<Text> = texts.iter().map(|text| Text::from(text.as_str())).collect();
            let found = sieve.candidates(&Joined::new(&texts.iter().collect::<Vec<_>>()));
            for (text, found) in texts.iter().zip(found) {
                proptest::prop_assert!(!pattern.is_match(text) || found == [0], "{:?}", text.bytes);
            }
        }
    }
}
