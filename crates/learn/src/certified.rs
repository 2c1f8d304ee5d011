//! Thresholds with a guarantee, and how far a classifier may be trusted.

use mail::learnt::OBSERVED_MIN;
use serde::{Deserialize, Serialize};

/// A threshold and what is proven of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// What scores higher is spam.
    pub score: f64,
    /// At most this share of ham scores higher …
    pub ham_share: f64,
    /// … but for this probability.
    pub risk: f64,
    /// Ham messages it was found on.
    pub ham: usize,
}

/// The lowest threshold for which it is proven that at most `ham_share` of ham scores higher, but for a probability of `risk`: the order statistic of
/// Neyman-Pearson umbrella (Tong, Feng, Li 2018). `None` when there is too little ham: 299 messages for 1 %, 2,995 for 0.1 %, 29,956 for 0.01 %
/// (at a risk of 5 %). The ham must be a sample of the ham to come: labelled by trusted people, and not chosen by its score.
pub fn threshold(ham_scores: &[f64], ham_share: f64, risk: f64) -> Option<Threshold> {
    let above = allowed_above(ham_scores.len(), ham_share, risk)?;
    let mut sorted = ham_scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let score = *sorted.get(sorted.len() - 1 - above)?;
    score.is_finite().then_some(Threshold {
        score,
        ham_share,
        risk,
        ham: sorted.len(),
    })
}

/// How many of `ham` may score above the threshold: the most for which the binomial tail stays within the risk.
fn allowed_above(ham: usize, share: f64, risk: f64) -> Option<usize> {
    if !(share > 0.0 && share < 1.0 && risk > 0.0) {
        return None;
    }
    let odds = (share / (1.0 - share)).ln();
    let mut term = ham as f64 * (1.0 - share).ln();
    let mut tail = term.exp();
    if tail > risk {
        return None;
    }
    let mut above = 0;
    while above + 1 < ham {
        term += ((ham - above) as f64 / (above + 1) as f64).ln() + odds;
        tail += term.exp();
        if tail > risk {
            break;
        }
        above += 1;
    }
    Some(above)
}

/// How far a classifier has come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Too few labels: it is watched, and nothing is done on its word. How many are missing of each class.
    Observing {
        /// Of ham.
        ham_missing: u32,
        /// Of spam.
        spam_missing: u32,
    },
    /// It may mark mail.
    Tagging,
    /// It may act: how much ham it hits is proven.
    Certified(Threshold),
}

impl Standing {
    /// From the trusted labels and what could be proven.
    pub fn of(trusted_ham: u32, trusted_spam: u32, proven: Option<Threshold>) -> Self {
        let missing = |labels: u32| OBSERVED_MIN.saturating_sub(labels);
        match (missing(trusted_ham), missing(trusted_spam), proven) {
            (0, 0, Some(threshold)) => Self::Certified(threshold),
            (0, 0, None) => Self::Tagging,
            (ham_missing, spam_missing, _) => Self::Observing {
                ham_missing,
                spam_missing,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_ham_is_needed_as_the_theory_says() {
        for (share, least) in [(0.01, 299), (0.001, 2995), (0.0001, 29_956)] {
            assert_eq!(allowed_above(least - 1, share, 0.05), None);
            assert_eq!(allowed_above(least, share, 0.05), Some(0));
        }
        // The least n for which one may be above at 1 % is 473 (binomial tables).
        assert_eq!(allowed_above(472, 0.01, 0.05), Some(0));
        assert_eq!(allowed_above(473, 0.01, 0.05), Some(1));
        assert_eq!(allowed_above(0, 0.01, 0.05), None);
        assert_eq!(allowed_above(100, 1.0, 0.05), None);
    }

    #[test]
    fn the_guarantee_holds() {
        // Scores are uniform, so the true share above a threshold t is 1 - t. It may be broken in one of twenty trials.
        let mut state = 7_u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let broken = (0..400).filter(|_| {
            let ham: Vec<f64> = (0..1000).map(|_| uniform()).collect();
            let found = threshold(&ham, 0.01, 0.05).expect("there is enough ham");
            1.0 - found.score > 0.01
        });
        assert!(broken.count() <= 400 / 20 + 14);
    }

    #[test]
    fn nothing_is_done_before_enough_is_known() {
        let proven = threshold(&vec![0.0; 3000], 0.001, 0.05);
        assert_eq!(
            Standing::of(150, 500, proven),
            Standing::Observing {
                ham_missing: 50,
                spam_missing: 0
            }
        );
        assert_eq!(Standing::of(200, 200, None), Standing::Tagging);
        assert!(matches!(
            Standing::of(200, 200, proven),
            Standing::Certified(_)
        ));
    }
}
