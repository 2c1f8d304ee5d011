//! Phase 1: complement naive Bayes (Rennie et al. 2003) over any number of classes.

use serde::{Deserialize, Serialize};

use crate::Key;
use crate::view::each_word;

/// Tokens that are told apart, as a power of two, for each class.
const BITS: u32 = 17;
/// Tokens of one message that count.
const TOKENS_MAX: usize = 2000;
/// Smoothing.
const ALPHA: f64 = 0.1;
const TOKEN: u64 = 201;

/// A class of messages: wanted mail, or a type of campaign such as advance-fee, lottery, pharma, phishing, newsletter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// What it is called.
    pub name: String,
    /// Is it unwanted?
    pub spam: bool,
    /// What phase 2 takes for too much in it.
    pub thresholds: Thresholds,
}

/// Limits of phase 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// A token seen oftener than this is hot.
    pub token_frequency: u32,
    /// A message with more hot tokens than this is spam.
    pub matched_tokens: u32,
}

/// What phase 1 hands on to phase 2.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstPhase {
    /// The class whose complement value is lowest.
    pub class: usize,
    /// The complement value of every class, per token.
    pub values: Vec<f64>,
    /// The message's distinct tokens, with how often the class had each.
    pub tokens: Vec<(String, u32)>,
    /// The class's limits for phase 2.
    pub thresholds: Thresholds,
}

/// The counts of every class.
pub struct Bayes {
    key: Key,
    classes: Vec<Class>,
    /// For each token a count of each class.
    counts: Vec<u32>,
    /// Tokens of each class.
    totals: Vec<u64>,
}

impl Bayes {
    /// With these classes, none of which knows anything.
    ///
    /// # Panics
    /// Without a class there is nothing to choose from.
    pub fn new(key: Key, classes: Vec<Class>) -> Self {
        assert!(!classes.is_empty(), "a classifier has classes");
        Self {
            key,
            counts: vec![0; classes.len() << BITS],
            totals: vec![0; classes.len()],
            classes,
        }
    }

    /// The classes, in the order of values.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Judges a text in normal form.
    pub fn find(&self, text: &str) -> FirstPhase {
        let words = distinct(text);
        let rows = words.iter().map(|word| self.row(self.place(word)));
        let values = complement(rows, &self.totals, 1 << BITS);
        let lowest = (0..values.len()).min_by(|one, other| values[*one].total_cmp(&values[*other]));
        let class = lowest.unwrap_or(0);
        FirstPhase {
            tokens: words
                .into_iter()
                .map(|word| {
                    let count = self.row(self.place(&word))[class];
                    (word, count)
                })
                .collect(),
            thresholds: self.classes[class].thresholds,
            class,
            values,
        }
    }

    /// How much more the message is like the best class of spam than like the best of the rest; times the root of its tokens, as sums of many
    /// small reasons go.
    pub(super) fn score(&self, found: &FirstPhase) -> f64 {
        let best = |spam: bool| {
            let values = self.classes.iter().zip(&found.values);
            values
                .filter(|(class, _)| class.spam == spam)
                .map(|(_, value)| *value)
                .fold(f64::INFINITY, f64::min)
        };
        let (ham, spam) = (best(false), best(true));
        if ham.is_infinite() || spam.is_infinite() {
            return 0.0;
        }
        (ham - spam) * (found.tokens.len() as f64).sqrt()
    }

    /// Learns that a text is of a class.
    pub fn learn(&mut self, text: &str, class: usize) {
        let tokens: Vec<u32> = distinct(text).iter().map(|word| self.place(word)).collect();
        for token in &tokens {
            let at = self.at(*token, class);
            self.counts[at] = self.counts[at].saturating_add(1);
        }
        self.totals[class] += tokens.len() as u64;
    }

    fn place(&self, word: &str) -> u32 {
        (self.key.bytes(TOKEN, word.as_bytes()) >> (64 - BITS)) as u32
    }

    const fn at(&self, token: u32, class: usize) -> usize {
        token as usize * self.classes.len() + class
    }

    fn row(&self, token: u32) -> &[u32] {
        let start = self.at(token, 0);
        &self.counts[start..start + self.classes.len()]
    }
}

/// For every class how well what is not in it fits, per token: the logarithm of the smoothed share of its tokens in all other classes.
/// `rows` has for each token how often each class had it, `totals` how many tokens each had, of `places` that are told apart.
pub(crate) fn complement<R: AsRef<[u32]>>(
    rows: impl Iterator<Item = R>,
    totals: &[u64],
    places: usize,
) -> Vec<f64> {
    let all: u64 = totals.iter().sum();
    let size = ALPHA * places as f64;
    let mut values = vec![0.0; totals.len()];
    let mut tokens = 0_u32;
    for row in rows {
        let counts = row.as_ref();
        tokens += 1;
        let sum: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        for (class, value) in values.iter_mut().enumerate() {
            let others = (sum - u64::from(counts[class])) as f64 + ALPHA;
            *value += (others / ((all - totals[class]) as f64 + size)).ln();
        }
    }
    for value in &mut values {
        *value /= f64::from(tokens.max(1));
    }
    values
}

/// The distinct words of a text, sorted; of scripts without spaces, neighbours.
fn distinct(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each_word(text, |word| {
        // Very long words are cut between bytes; such a piece may be no text.
        if let Some(word) = std::str::from_utf8(word).ok().filter(|word| word.len() > 1) {
            words.push(word.to_owned());
        }
    });
    words.sort_unstable();
    words.dedup();
    words.truncate(TOKENS_MAX);
    words
}
