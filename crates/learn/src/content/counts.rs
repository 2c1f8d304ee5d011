//! Naive Bayes over tokens, as one voice among several: it learns from the first labels on, when the linear heads still grope.

use crate::view::{BITS, Features};

/// What a token that was never seen counts.
const SMOOTH: f64 = 0.01;
/// Tokens of a stretch of a body.
const STRETCH: usize = 128;
/// When a class has so many messages, all counts are halved: counts stay small, and old mail fades.
const MESSAGES_MAX: u32 = 60_000;

/// How many messages of each class had each token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) tokens: Vec<[u16; 2]>,
    pub(super) messages: [u32; 2],
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            tokens: vec![[0; 2]; 1 << BITS],
            messages: [0; 2],
        }
    }

    /// The sum of the tokens' log-ratios over the root of their number: of all of them, or of the header with the stretch of the body that makes it
    /// highest. Words pasted around a message change the whole, but not the stretch that is the message.
    pub(super) fn score(&self, tokens: &Features) -> f64 {
        let (header, body) = (tokens.side(0), tokens.side(1));
        let of_header = self.sum(header);
        let (mut whole, mut most) = (of_header, f64::NEG_INFINITY);
        for stretch in body.chunks(STRETCH) {
            let of_stretch = self.sum(stretch);
            whole += of_stretch;
            if stretch.len() >= STRETCH / 2 {
                most = most.max(normal(of_header + of_stretch, header.len() + stretch.len()));
            }
        }
        normal(whole, tokens.ids.len()).max(most)
    }

    fn sum(&self, ids: &[u32]) -> f64 {
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
        sum + product.ln()
    }

    pub(super) fn learn(&mut self, ids: &[u32], spam: bool) {
        let class = usize::from(spam);
        if self.messages[class] >= MESSAGES_MAX {
            self.tokens
                .iter_mut()
                .flatten()
                .for_each(|count| *count /= 2);
            self.messages.iter_mut().for_each(|count| *count /= 2);
        }
        self.messages[class] += 1;
        for id in ids {
            let count = &mut self.tokens[*id as usize][class];
            *count = count.saturating_add(1);
        }
    }
}

fn normal(sum: f64, features: usize) -> f64 {
    sum / (features.max(1) as f64).sqrt()
}
