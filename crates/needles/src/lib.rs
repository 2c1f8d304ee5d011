//! Text that every match of a pattern must hold.
//!
//! One automaton looks for the needles of thousands of patterns in one pass over a text, and only patterns whose needle is there are tried.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Shortest text worth looking for, bytes: three letters, or one Chinese character.
const NEEDLE_BYTES_MIN: usize = 3;
/// Most alternative texts for one pattern.
const NEEDLES_MAX: usize = 64;

/// A text to look for.
pub type Needle = Vec<u8>;

/// Texts one of which is in every match of the pattern, ASCII letters in lower case. `None`: there are none worth it.
///
/// `spell` says what a class can match, in lower case, when that is little.
pub fn of(pattern: &Hir, spell: &dyn Fn(&Class) -> Option<Vec<Needle>>) -> Option<Vec<Needle>> {
    Known::of(pattern, spell).best()
}

type Spell<'s> = &'s dyn Fn(&Class) -> Option<Vec<Needle>>;

/// How much is gained by looking for these: nothing when one of them is too short or there are too many.
fn worth(needles: &[Needle]) -> usize {
    let shortest = needles.iter().map(Vec::len).min().unwrap_or(0);
    if shortest < NEEDLE_BYTES_MIN || needles.len() > NEEDLES_MAX {
        return 0;
    }
    // Length tells more than few alternatives do.
    shortest * 100 - needles.len()
}

/// What is known about the matches of a part of a pattern.
struct Known {
    /// All texts it can match, when they are few.
    exact: Option<Vec<Needle>>,
    /// Texts one of which is in every match.
    needed: Option<Vec<Needle>>,
    /// Texts with one of which every match begins, and with one of which it ends. When all texts are known, they are these.
    begins: Option<Vec<Needle>>,
    ends: Option<Vec<Needle>>,
}

impl Known {
    const NOTHING: Self = Self {
        exact: None,
        needed: None,
        begins: None,
        ends: None,
    };

    fn exactly(texts: Vec<Needle>) -> Self {
        Self {
            begins: Some(texts.clone()),
            ends: Some(texts.clone()),
            exact: Some(texts),
            needed: None,
        }
    }

    /// The parser bounds how deep a pattern nests, so this ends.
    fn of(hir: &Hir, spell: Spell<'_>) -> Self {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::exactly(vec![Needle::new()]),
            HirKind::Literal(literal) => Self::exactly(vec![literal.0.to_ascii_lowercase()]),
            HirKind::Class(class) => spell(class).map_or(Self::NOTHING, Self::exactly),
            HirKind::Capture(capture) => Self::of(&capture.sub, spell),
            HirKind::Repetition(repetition) => {
                let sub = Self::of(&repetition.sub, spell);
                Self::repeated(repetition.min, repetition.max, sub)
            }
            HirKind::Concat(parts) => Self::in_sequence(parts, spell),
            HirKind::Alternation(branches) => Self::one_of(branches, spell),
        }
    }

    fn repeated(min: u32, max: Option<u32>, sub: Self) -> Self {
        match (min, max) {
            (1, Some(1)) => sub,
            (0, Some(1)) => sub.exact.map_or(Self::NOTHING, |mut texts| {
                texts.push(Needle::new());
                Self::exactly(texts)
            }),
            (0, _) => Self::NOTHING,
            _ => Self {
                exact: None,
                begins: sub.begins.clone(),
                ends: sub.ends.clone(),
                needed: sub.best(),
            },
        }
    }

    fn in_sequence(parts: &[Hir], spell: Spell<'_>) -> Self {
        let mut candidates: Vec<Vec<Needle>> = Vec::new();
        let mut run = vec![Needle::new()];
        let mut begins = None;
        for part in parts {
            let known = Self::of(part, spell);
            candidates.extend(known.needed);
            let joins = known.exact.as_ref().and_then(|texts| joined(&run, texts));
            if let Some(joins) = joins {
                run = joins;
                continue;
            }
            // The run goes on into what the part begins with, and what the part ends with begins the next.
            let goes_on = known.begins.and_then(|texts| joined(&run, &texts));
            let ended = goes_on.unwrap_or(run);
            begins.get_or_insert_with(|| ended.clone());
            candidates.push(ended);
            run = known.ends.unwrap_or_else(|| vec![Needle::new()]);
        }
        let Some(begins) = begins else {
            return Self {
                needed: best_of(candidates),
                ..Self::exactly(run)
            };
        };
        candidates.push(run.clone());
        Self {
            exact: None,
            needed: best_of(candidates),
            begins: Some(begins),
            ends: Some(run),
        }
    }

    fn one_of(branches: &[Hir], spell: Spell<'_>) -> Self {
        let known: Vec<Self> = branches.iter().map(|one| Self::of(one, spell)).collect();
        let all = |texts: fn(&Self) -> &Option<Vec<Needle>>| {
            let texts: Option<Vec<Vec<Needle>>> =
                known.iter().map(|one| texts(one).clone()).collect();
            texts
                .map(|texts| texts.concat())
                .filter(|texts| texts.len() <= NEEDLES_MAX)
        };
        if let Some(exact) = all(|one| &one.exact) {
            return Self::exactly(exact);
        }
        let (begins, ends) = (all(|one| &one.begins), all(|one| &one.ends));
        let needed: Option<Vec<Vec<Needle>>> = known.into_iter().map(Self::best).collect();
        Self {
            exact: None,
            needed: needed
                .map(|needles| needles.concat())
                .filter(|needles| needles.len() <= NEEDLES_MAX),
            begins,
            ends,
        }
    }

    /// The best of all of them.
    fn best(self) -> Option<Vec<Needle>> {
        best_of(
            [self.exact, self.needed, self.begins, self.ends]
                .into_iter()
                .flatten(),
        )
    }
}

fn best_of(candidates: impl IntoIterator<Item = Vec<Needle>>) -> Option<Vec<Needle>> {
    candidates
        .into_iter()
        .filter(|needles| worth(needles) > 0)
        .max_by_key(|needles| worth(needles))
}

/// Every first with every second, when that is not too much.
fn joined(first: &[Needle], second: &[Needle]) -> Option<Vec<Needle>> {
    let few = first.len() * second.len() <= NEEDLES_MAX / 2;
    let all = first.iter().flat_map(|start| {
        second
            .iter()
            .map(move |end| [start.as_slice(), end].concat())
    });
    few.then(|| all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Vec<String> {
        let hir = regex_syntax::parse(pattern).expect("a pattern");
        let spell = |class: &Class| match class {
            Class::Unicode(class) => {
                let ranges = class.ranges().iter();
                let letters = ranges.flat_map(|range| range.start()..=range.end());
                let letters: Vec<Needle> = letters
                    .take(9)
                    .map(|c| c.to_string().into_bytes())
                    .collect();
                (letters.len() < 9).then_some(letters)
            }
            Class::Bytes(_) => None,
        };
        let found = super::of(&hir, &spell).unwrap_or_default();
        found
            .into_iter()
            .map(|needle| String::from_utf8_lossy(&needle).into_owned())
            .collect()
    }

    #[test]
    fn every_match_holds_one_of_them() {
        for (pattern, needles) in [
            ("Free money", &["free money"][..]),
            ("free|cheap", &["free", "cheap"]),
            (r"gr[ae]y\s+hair", &["hair"]),
            ("pri+ce", &["ice"]),
            ("(?:pill)+s", &["pills"]),
            ("a.{3}bcd.*ef", &["bcd"]),
            ("x?yz", &["xyz", "yz"][..0]),
            ("(?:abc|d)efg", &["abcefg", "defg"]),
            ("[a-z]+", &[]),
            ("abc|.", &[]),
            ("ab", &[]),
        ] {
            assert_eq!(of(pattern), needles, "{pattern}");
        }
    }
}
