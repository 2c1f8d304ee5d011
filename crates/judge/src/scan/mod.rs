//! Looking for terms and patterns in a message: all of a policy's terms in one pass over each text.
//!
//! The result is [`Hit`]s, which are facts: from then on no text is needed, neither to judge nor to judge again.

use std::collections::HashMap;

use daachorse::DoubleArrayAhoCorasick;
use mail::address::floor_char_boundary;
use mail::message::{Message, Role};
use mail::text::{Text, is_cjk, normalise, word_numbers};
use mail::{Hit, Limits, Place};
use regex::Regex;

mod patterns;
mod segment;

use patterns::Patterns;

/// The set name of hits of terms that stand in a rule itself.
pub(crate) const INLINE: &str = "(rules)";
/// Characters of text shown on each side of a match.
const AROUND: usize = 40;
/// Word numbers between the texts of two parts, so that nothing in them is near.
const PART_GAP: u32 = 10_000;

/// Which kinds of place a set looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places(pub(crate) Vec<Place>);

impl Places {
    /// Where a reader would see it.
    pub(crate) fn read_by_people() -> Self {
        Self(vec![Place::Subject, Place::Body, Place::Attachment])
    }

    pub(crate) fn read(text: &str) -> Result<Place, String> {
        match text {
            "subject" => Ok(Place::Subject),
            "body" => Ok(Place::Body),
            "hidden" => Ok(Place::Hidden),
            "attachment" => Ok(Place::Attachment),
            "file-name" => Ok(Place::FileName),
            "url" => Ok(Place::Url),
            _ => match text.strip_prefix("header:") {
                Some(name) if !name.is_empty() => Ok(Place::Header(name.to_ascii_lowercase())),
                _ => Err(format!("{text:?} is no place")),
            },
        }
    }

    pub(crate) fn contains(&self, place: &Place) -> bool {
        self.0.contains(place)
    }
}

/// Something to look for, before compiling.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    /// The set it belongs to, or [`INLINE`].
    pub set: String,
    /// As written.
    pub term: String,
    /// Where.
    pub places: Places,
    /// Of Chinese text, only whole words.
    pub whole_words: bool,
}

/// All terms and patterns of a policy, compiled.
#[derive(Default)]
pub(crate) struct Scanner {
    terms: Vec<Term>,
    /// Over the distinct normal forms of all terms; the value is an index into `by_normal`.
    automaton: Option<DoubleArrayAhoCorasick<u32>>,
    /// Which terms share a normal form.
    by_normal: Vec<Vec<u32>>,
    patterns: Vec<Wanted>,
    compiled: Patterns,
    headers: Vec<String>,
    /// Is anything looked for in links?
    wants_urls: bool,
    hits_max: usize,
    positions_max: usize,
    evidence_max: usize,
}

struct Term {
    wanted: Wanted,
    /// The match must not continue a word to the left, to the right.
    starts_word: bool,
    ends_word: bool,
}

impl Scanner {
    /// Everything it looks for.
    pub(crate) fn wanted(&self) -> Vec<&Wanted> {
        let terms = self.terms.iter().map(|term| &term.wanted);
        terms.chain(&self.patterns).collect()
    }

    /// Compiles terms and (already checked) patterns.
    pub(crate) fn new(
        terms: Vec<Wanted>,
        patterns: Vec<(Wanted, Regex)>,
        limits: &Limits,
    ) -> Result<Self, String> {
        let mut by_normal: Vec<Vec<u32>> = Vec::new();
        let mut normals: Vec<String> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut kept = Vec::new();
        let mut headers: Vec<String> = Vec::new();
        let mut note_headers = |places: &Places| {
            for place in &places.0 {
                if let Place::Header(name) = place
                    && !headers.contains(name)
                {
                    headers.push(name.clone());
                }
            }
        };
        for wanted in terms {
            note_headers(&wanted.places);
            if wanted.whole_words {
                segment::load();
            }
            let (bare, open_start, open_end) = bare(&wanted.term);
            let normal = normalise(bare);
            if normal.is_empty() {
                return Err(format!("the term {:?} is empty", wanted.term));
            }
            let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && !is_cjk(c));
            let term = Term {
                starts_word: !open_start && letter(normal.chars().next()),
                ends_word: !open_end && letter(normal.chars().last()),
                wanted,
            };
            let number = *places.entry(normal.clone()).or_insert_with(|| {
                normals.push(normal);
                by_normal.push(Vec::new());
                normals.len() - 1
            });
            by_normal[number].push(kept.len() as u32);
            kept.push(term);
        }
        let automaton = if normals.is_empty() {
            None
        } else {
            let numbered = normals.iter().zip(0_u32..);
            Some(
                DoubleArrayAhoCorasick::with_values(numbered)
                    .map_err(|error| format!("the terms do not compile: {error}"))?,
            )
        };
        for (wanted, _) in &patterns {
            note_headers(&wanted.places);
        }
        let (patterns, regexes): (Vec<Wanted>, Vec<Regex>) = patterns.into_iter().unzip();
        let all = kept.iter().map(|term| &term.wanted).chain(&patterns);
        let wants_urls = all
            .into_iter()
            .any(|wanted| wanted.places.contains(&Place::Url));
        Ok(Self {
            wants_urls,
            terms: kept,
            automaton,
            by_normal,
            patterns,
            compiled: Patterns::new(regexes)?,
            headers,
            hits_max: limits.hits_max,
            positions_max: limits.positions_per_hit_max,
            evidence_max: limits.evidence_chars_max,
        })
    }

    /// Everything found in a message.
    pub(crate) fn scan(&self, message: &Message) -> Vec<Hit> {
        let mut found = Found {
            scanner: self,
            hits: Vec::new(),
            places: HashMap::new(),
        };
        found.text(&Place::Subject, &Text::new(message.subject.clone()), 0);
        let mut last_body = "";
        for (number, part) in message.parts.iter().enumerate() {
            let first_word = (number as u32).saturating_mul(PART_GAP);
            if let Some(name) = &part.file_name {
                found.text(&Place::FileName, &Text::new(name.clone()), first_word);
            }
            if let Some(hidden) = &part.hidden {
                found.text(&Place::Hidden, hidden, first_word);
            }
            let Some(text) = &part.text else { continue };
            // Text and HTML of one message mostly say the same; what was just searched is not searched again.
            if text.normal().text() == last_body {
                continue;
            }
            let place = match part.role {
                Role::Body => Place::Body,
                Role::Attachment => Place::Attachment,
            };
            found.text(&place, text, first_word);
            last_body = text.normal().text();
        }
        for name in &self.headers {
            for value in message.headers_named(name) {
                found.text(
                    &Place::Header(name.clone()),
                    &Text::new(value.to_owned()),
                    0,
                );
            }
        }
        if self.wants_urls {
            for link in &message.links {
                found.text(&Place::Url, &Text::new(link.url.clone()), 0);
            }
        }
        found.hits
    }
}

/// A term without the stars that open its ends.
fn bare(term: &str) -> (&str, bool, bool) {
    let (term, open_start) = term
        .strip_prefix('*')
        .map_or((term, false), |rest| (rest, true));
    let (term, open_end) = term
        .strip_suffix('*')
        .map_or((term, false), |rest| (rest, true));
    (term, open_start, open_end)
}

/// Hits while they are found.
struct Found<'s> {
    scanner: &'s Scanner,
    hits: Vec<Hit>,
    /// Where the hit of a term or pattern in a place is, to count it up.
    places: HashMap<(Source, Place), usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Term(u32),
    Pattern(u32),
}

impl Found<'_> {
    fn text(&mut self, place: &Place, text: &Text, first_word: u32) {
        if text.normal().text().is_empty() {
            return;
        }
        self.terms(place, text, first_word);
        self.patterns(place, text, first_word);
    }

    fn terms(&mut self, place: &Place, text: &Text, first_word: u32) {
        let Some(automaton) = &self.scanner.automaton else {
            return;
        };
        let normal = text.normal().text();
        let mut matches: Vec<(usize, usize, u32)> = Vec::new();
        for found in automaton.find_overlapping_iter(normal) {
            for term in &self.scanner.by_normal[found.value() as usize] {
                let wanted = &self.scanner.terms[*term as usize];
                let fits = wanted.wanted.places.contains(place)
                    && wanted.stands_alone(normal, found.start(), found.end());
                if fits && matches.len() < self.scanner.hits_max * 16 {
                    matches.push((found.start(), found.end(), *term));
                }
            }
        }
        matches.sort_unstable();
        let offsets: Vec<usize> = matches.iter().map(|(start, _, _)| *start).collect();
        let words = word_numbers(normal, &offsets);
        for ((start, end, term), word) in matches.into_iter().zip(words) {
            self.hit(
                Source::Term(term),
                place,
                text,
                start..end,
                first_word.saturating_add(word),
            );
        }
    }

    fn patterns(&mut self, place: &Place, text: &Text, first_word: u32) {
        let scanner = self.scanner;
        let normal = text.normal().text();
        let is_wanted = |number: u32| scanner.patterns[number as usize].places.contains(place);
        let mut found = scanner
            .compiled
            .find(normal, scanner.positions_max, is_wanted);
        found.sort_unstable_by_key(|(range, number)| (range.start, *number));
        let offsets: Vec<usize> = found.iter().map(|(range, _)| range.start).collect();
        let words = word_numbers(normal, &offsets);
        for ((range, number), word) in found.into_iter().zip(words) {
            self.hit(
                Source::Pattern(number),
                place,
                text,
                range,
                first_word.saturating_add(word),
            );
        }
    }

    fn hit(
        &mut self,
        source: Source,
        place: &Place,
        text: &Text,
        range: std::ops::Range<usize>,
        word: u32,
    ) {
        if let Some(known) = self.places.get(&(source, place.clone())) {
            let hit = &mut self.hits[*known];
            hit.count = hit.count.saturating_add(1);
            if hit.positions.len() < self.scanner.positions_max {
                hit.positions.push(word);
            }
            return;
        }
        if self.hits.len() >= self.scanner.hits_max {
            return;
        }
        let wanted = match source {
            Source::Term(number) => &self.scanner.terms[number as usize].wanted,
            Source::Pattern(number) => &self.scanner.patterns[number as usize],
        };
        self.places.insert((source, place.clone()), self.hits.len());
        self.hits.push(Hit {
            set: wanted.set.clone(),
            term: wanted.term.clone(),
            place: place.clone(),
            count: 1,
            positions: vec![word],
            evidence: excerpt(text, range, self.scanner.evidence_max),
        });
    }
}

impl Term {
    /// Is the match a word of its own, where the term wants that?
    fn stands_alone(&self, text: &str, start: usize, end: usize) -> bool {
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && !is_cjk(c));
        let runs_on_before = self.starts_word && letter(text[..start].chars().next_back());
        let runs_on_after = self.ends_word && letter(text[end..].chars().next());
        !runs_on_before
            && !runs_on_after
            && (!self.wanted.whole_words || segment::stands_alone(text, start, end))
    }
}

/// The match as it was written, with a little text around it, on one line.
fn excerpt(text: &Text, range: std::ops::Range<usize>, chars_max: usize) -> String {
    let (part, more_before, more_after) = text.excerpt(range, AROUND);
    let mut shown = String::with_capacity(part.len() + 6);
    if more_before {
        shown.push('…');
    }
    let mut words = part.split_whitespace();
    shown.extend(words.next());
    for word in words {
        shown.push(' ');
        shown.push_str(word);
    }
    if more_after {
        shown.push('…');
    }
    match shown.char_indices().nth(chars_max) {
        Some((at, _)) => shown[..floor_char_boundary(&shown, at)].to_owned(),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(terms: &[&str], patterns: &[&str], text: &str) -> Vec<Hit> {
        let wanted = |term: &&str| Wanted {
            set: "s".into(),
            term: (*term).into(),
            places: Places::read_by_people(),
            whole_words: false,
        };
        let patterns = patterns
            .iter()
            .map(|p| (wanted(p), Regex::new(p).expect("a pattern")));
        let scanner = Scanner::new(
            terms.iter().map(wanted).collect(),
            patterns.collect(),
            &Limits::default(),
        )
        .expect("compiles");
        scanner.scan(&Message {
            subject: text.to_owned(),
            ..Message::default()
        })
    }

    fn found(terms: &[&str], text: &str) -> Vec<(String, u32)> {
        scan(terms, &[], text)
            .into_iter()
            .map(|hit| (hit.term, hit.count))
            .collect()
    }

    #[test]
    fn words_stand_alone_unless_opened() {
        assert_eq!(found(&["ass"], "A class of its own"), []);
        assert_eq!(found(&["ass"], "what an ASS!"), [("ass".into(), 1)]);
        assert_eq!(found(&["*ass*"], "classes"), [("*ass*".into(), 1)]);
        assert_eq!(
            found(&["lotter*"], "two lotteries, one lottery"),
            [("lotter*".into(), 2)]
        );
        assert_eq!(
            found(&["free money"], "Free\r\n  MONEY now"),
            [("free money".into(), 1)]
        );
    }

    #[test]
    fn chinese_needs_no_spaces() {
        assert_eq!(
            found(&["代开", "发票"], "我公司代开各种发票"),
            [("代开".into(), 1), ("发票".into(), 1)]
        );
        assert_eq!(found(&["vip"], "成为vip会员"), [("vip".into(), 1)]);
    }

    #[test]
    fn terms_in_terms_are_all_found() {
        assert_eq!(
            found(&["bank", "bank account"], "your bank account"),
            [("bank".into(), 1), ("bank account".into(), 1)]
        );
    }

    #[test]
    fn patterns_show_their_evidence() {
        let hits = scan(
            &[],
            &[r"us\$ ?[0-9.]+ million"],
            "You won US$ 4.5 Million today",
        );
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].evidence, "You won US$ 4.5 Million today");
        assert_eq!(hits[0].positions, [2]);
    }

    #[test]
    fn hits_are_bounded() {
        let terms: Vec<String> = (0..3000).map(|number| format!("w{number}")).collect();
        let borrowed: Vec<&str> = terms.iter().map(String::as_str).collect();
        let hits = scan(&borrowed, &[], &terms.join(" ").repeat(3));
        assert_eq!(hits.len(), Limits::default().hits_max);
    }
}
