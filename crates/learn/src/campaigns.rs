//! Campaigns nobody has labelled yet: text that comes from many sources at once.
//!
//! For each run of three words, which sources sent it lately. A message whose runs came from several networks before is part of a campaign,
//! whatever it says. This finds nothing of mail that is sent once to one person, and says so: its score is then zero.

use crate::phases::different;
use crate::view::{Sight, each_word};
use crate::{Classifier, Key, Lesson, Opinion};

/// Runs that are told apart, as a power of two.
const BITS: u32 = 18;
/// Messages of a generation; what was seen is remembered for one to two of them.
const GENERATION: u32 = 10_000;
/// Runs of one message looked at.
const RUNS_MAX: usize = 1000;
/// Fewer runs say nothing.
const RUNS_MIN: usize = 8;
const RUN: u64 = 301;
const SOURCE: u64 = 302;

/// What is known of the runs of one message before it came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Runs looked at.
    pub runs: usize,
    /// Shares of them that came from at least three, five and eight sources.
    pub from_3: f64,
    /// From at least five.
    pub from_5: f64,
    /// From at least eight.
    pub from_8: f64,
}

/// The table of runs and their sources. It keeps two generations and swaps them by number of messages, so that nobody can fill it up.
pub struct Campaigns {
    key: Key,
    cells: Vec<[u64; 2]>,
    /// The half of each cell that is written now.
    young: usize,
    messages: u32,
}

impl Campaigns {
    /// Nothing was seen yet.
    pub fn new(key: Key) -> Self {
        Self {
            key,
            cells: vec![[0; 2]; 1 << BITS],
            young: 0,
            messages: 0,
        }
    }

    /// What is known of this message's runs; then its arrival counts.
    pub fn arrive(&mut self, sight: &Sight) -> Spread {
        if self.messages >= GENERATION {
            self.messages = 0;
            self.young = 1 - self.young;
            for cell in &mut self.cells {
                cell[self.young] = 0;
            }
        }
        self.messages += 1;
        let runs = runs(&self.key, &sight.text);
        let bit = 1_u64 << (self.key.number(SOURCE, sight.arrival.source) >> 58);
        let mut seen = [0_usize; 3];
        for run in &runs {
            let cell = &mut self.cells[(run >> (64 - BITS)) as usize];
            let sources = different(cell[0] | cell[1]);
            for (count, least) in seen.iter_mut().zip([3, 5, 8]) {
                *count += usize::from(sources >= least);
            }
            cell[self.young] |= bit;
        }
        let share = |count: usize| count as f64 / runs.len().max(1) as f64;
        Spread {
            runs: runs.len(),
            from_3: share(seen[0]),
            from_5: share(seen[1]),
            from_8: share(seen[2]),
        }
    }
}

/// The distinct runs of three words.
fn runs(key: &Key, text: &str) -> Vec<u64> {
    let mut last = [0_u64; 2];
    let mut runs = Vec::new();
    let mut words = 0;
    each_word(text, |word| {
        let word = key.bytes(RUN, word);
        words += 1;
        if words >= 3 && runs.len() < RUNS_MAX {
            runs.push(key.number(key.number(last[0], last[1]), word));
        }
        last = [last[1], word];
    });
    runs.sort_unstable();
    runs.dedup();
    runs
}

impl Classifier for Campaigns {
    fn classify(&mut self, sight: &Sight) -> Opinion {
        let spread = self.arrive(sight);
        if spread.runs < RUNS_MIN {
            return Opinion::of(-0.5);
        }
        Opinion::of(spread.from_3 - 0.5 + spread.from_5 / 100.0)
    }

    /// It needs no labels, and a campaign is one whoever wants it.
    fn learn(&mut self, _: &Sight, _: Lesson) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Arrival;

    fn sight(text: &str, source: u64) -> Sight {
        Sight {
            text: text.to_owned(),
            arrival: Arrival {
                source,
                ..Arrival::default()
            },
            ..Sight::default()
        }
    }

    #[test]
    fn the_same_text_from_many_networks_is_a_campaign() {
        let text = "one two three four five six seven eight nine ten eleven twelve";
        let mut campaigns = Campaigns::new(Key::new(b"test"));
        assert!(
            (0..100).all(|_| campaigns.classify(&sight(text, 5)).score < 0.0),
            "a newsletter is one source"
        );
        let scores: Vec<f64> = (10..30)
            .map(|source| campaigns.classify(&sight(text, source)).score)
            .collect();
        assert!(scores[0] < 0.0 && scores[19] > 0.0);
        let mixed = campaigns.arrive(&sight(&format!("{text} a b c d e f g h i j"), 31));
        assert_eq!((mixed.runs, mixed.from_3), (20, 0.5));
    }

    #[test]
    fn what_was_seen_is_forgotten_in_two_generations() {
        let text = "one two three four five six seven eight nine ten eleven twelve";
        let mut campaigns = Campaigns::new(Key::new(b"test"));
        for source in 0..20 {
            campaigns.arrive(&sight(text, source));
        }
        for _ in 0..2 * GENERATION {
            campaigns.arrive(&sight("", 0));
        }
        assert!(campaigns.arrive(&sight(text, 1)).from_3 < 0.01);
    }
}
