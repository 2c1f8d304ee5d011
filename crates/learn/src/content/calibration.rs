//! From a score to a probability that means what it says (Platt 1999), learnt as labels come.

use serde::{Deserialize, Serialize};

/// Step of the learning.
const RATE: f64 = 0.1;
/// Scores beyond are no surer.
const SCORE_MAX: f64 = 20.0;
/// A negative slope would turn the order of all scores round on a run of wrong labels.
const SLOPE_MIN: f64 = 0.02;

/// `log-odds = slope · score + shift`, both by AdaGrad (Duchi et al. 2011) on the log loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    slope: f64,
    shift: f64,
    /// Sums of squared gradients.
    slope_seen: f64,
    shift_seen: f64,
}

impl Calibration {
    /// Before anything is known.
    pub(crate) const fn new(slope: f64) -> Self {
        Self {
            slope,
            shift: 0.0,
            slope_seen: 0.0,
            shift_seen: 0.0,
        }
    }

    /// The log-odds a score stands for.
    pub(crate) fn log_odds(&self, score: f64) -> f64 {
        self.slope * score.clamp(-SCORE_MAX, SCORE_MAX) + self.shift
    }

    /// How much log-odds a score of one is.
    pub(crate) const fn slope(&self) -> f64 {
        self.slope
    }

    /// Learns how far the log-odds it makes of a score were off.
    pub(crate) fn learn(&mut self, score: f64, error: impl Fn(f64) -> f64) {
        let score = score.clamp(-SCORE_MAX, SCORE_MAX);
        let error = error(self.log_odds(score));
        let slope = error * score;
        self.slope_seen += slope * slope;
        self.shift_seen += error * error;
        self.slope += RATE * slope / (self.slope_seen.sqrt() + 1e-9);
        self.shift += RATE * error / (self.shift_seen.sqrt() + 1e-9);
        self.slope = self.slope.max(SLOPE_MIN);
    }

    /// Can these numbers have been learnt?
    pub(crate) fn is_sound(&self) -> bool {
        [self.slope, self.shift, self.slope_seen, self.shift_seen]
            .iter()
            .all(|number| number.is_finite())
    }
}

/// The logistic function.
pub(crate) fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}
