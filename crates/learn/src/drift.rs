//! Has mail become different from what was learnt?

use serde::{Deserialize, Serialize};

/// Sounds when errors become more frequent than they were (Page 1954, Hinkley 1971).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageHinkley {
    seen: f64,
    mean: f64,
    sum: f64,
    least: f64,
}

/// A rise this small is none.
const TOLERANCE: f64 = 0.005;
/// Errors too many before it sounds.
const LIMIT: f64 = 50.0;

impl Default for PageHinkley {
    fn default() -> Self {
        Self {
            seen: 0.0,
            mean: 0.0,
            sum: 0.0,
            least: 0.0,
        }
    }
}

impl PageHinkley {
    /// Takes in whether the classifier was wrong about a trusted label. True when the alarm sounds; it begins anew then.
    pub fn wrong(&mut self, wrong: bool) -> bool {
        let wrong = f64::from(wrong);
        self.seen += 1.0;
        self.mean += (wrong - self.mean) / self.seen;
        self.sum += wrong - self.mean - TOLERANCE;
        self.least = self.least.min(self.sum);
        let sounds = self.sum - self.least > LIMIT;
        if sounds {
            *self = Self::default();
        }
        sounds
    }
}

const BINS: usize = 20;
/// Messages of one comparison.
const SPAN: u32 = 2000;
/// From here on the scores are those of other mail.
pub const SHIFTED: f64 = 0.2;

/// Compares the scores of all mail, labelled or not, with what they were (population stability index).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    before: [u32; BINS],
    now: [u32; BINS],
    count: u32,
    has_before: bool,
}

impl Shift {
    /// Takes in a named probability. Every 2,000 messages the index against the 2,000 before; above [`SHIFTED`] something has changed.
    pub fn add(&mut self, probability: f64) -> Option<f64> {
        let bin = (probability * BINS as f64) as usize;
        self.now[bin.min(BINS - 1)] += 1;
        self.count += 1;
        if self.count < SPAN {
            return None;
        }
        let index = self.has_before.then(|| self.index());
        *self = Self {
            before: self.now,
            has_before: true,
            ..Self::default()
        };
        index
    }

    fn index(&self) -> f64 {
        let share = |count: u32| (f64::from(count) + 0.5) / (f64::from(SPAN) + 0.5 * BINS as f64);
        let both = self.now.iter().zip(&self.before);
        both.map(|(now, before)| {
            let (now, before) = (share(*now), share(*before));
            (now - before) * (now / before).ln()
        })
        .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alarm_sounds_when_errors_rise_and_not_before() {
        let mut alarm = PageHinkley::default();
        let mut quiet = (0..20_000).filter(|at| alarm.wrong(at % 100 == 0));
        assert_eq!(quiet.next(), None);
        let sounded = (0..2000).find(|at| alarm.wrong(at % 5 == 0));
        assert!(sounded.is_some_and(|at| at > 100), "{sounded:?}");
    }

    #[test]
    fn other_mail_has_other_scores() {
        let mut shift = Shift::default();
        let mut spans =
            |probability: fn(u32) -> f64| (0..SPAN).find_map(|at| shift.add(probability(at)));
        let half = |at: u32| if at.is_multiple_of(2) { 0.02 } else { 0.98 };
        assert_eq!(spans(half), None);
        assert!(spans(half).is_some_and(|index| index < 0.01));
        assert!(
            spans(|at| if at % 10 == 0 { 0.02 } else { 0.5 }).is_some_and(|index| index > SHIFTED)
        );
    }
}
