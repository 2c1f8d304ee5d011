//! Naive Bayes over tokens, as one voice among several: it learns from the first labels on, when the linear heads still grope.

use crate::view::BITS;

/// What a token that was never seen counts.
const SMOOTH: f64 = 0.01;
/// When a class has so many messages, all counts are halved: counts stay small, and old mail fades.
const MESSAGES_MAX: u32 = 60_000;

/// How many messages of each class had each token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) tokens: Vec<[u16; 2]>,
    pub(super) messages: [u32; 2],
    /// How often everything was halved.
    pub(super) halved: u32,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            tokens: vec![[0; 2]; 1 << BITS],
            messages: [0; 2],
            halved: 0,
        }
    }

    /// The sum of the tokens' log-ratios over the root of their number.
    pub(super) fn score(&self, ids: &[u32]) -> f64 {
        // A product of ratios, its logarithm taken now and then: a logarithm for each token would be the dearest part of it all.
        let [ham, spam] = self.messages.map(|count| f64::from(count) + 1.0);
        let prior = ham / spam;
        let (mut product, mut sum) = (1.0_f64, 0.0);
        for id in ids {
            let [of_ham, of_spam] = self.tokens[*id as usize];
            product *= (f64::from(of_spam) + SMOOTH) / (f64::from(of_ham) + SMOOTH) * prior;
            if !(1e-200..=1e200).contains(&product) {
                sum += product.ln();
                product = 1.0;
            }
        }
        (sum + product.ln()) / (ids.len().max(1) as f64).sqrt()
    }

    pub(super) fn learn(&mut self, ids: &[u32], spam: bool) {
        let class = usize::from(spam);
        if self.messages[class] >= MESSAGES_MAX {
            self.tokens
                .iter_mut()
                .flatten()
                .for_each(|count| *count /= 2);
            self.messages.iter_mut().for_each(|count| *count /= 2);
            self.halved += 1;
        }
        self.messages[class] += 1;
        for id in ids {
            let count = &mut self.tokens[*id as usize][class];
            *count = count.saturating_add(1);
        }
    }

    /// Takes a message back. After a halving no whole message of it is left to take.
    pub(super) fn unlearn(&mut self, ids: &[u32], spam: bool, halved: u32) {
        if halved != self.halved {
            return;
        }
        let class = usize::from(spam);
        self.messages[class] = self.messages[class].saturating_sub(1);
        for id in ids {
            if let Some(counts) = self.tokens.get_mut(*id as usize) {
                counts[class] = counts[class].saturating_sub(1);
            }
        }
    }
}
