//! How often in a span that slides, in six steps.

use mail::Timestamp;
use serde::{Deserialize, Serialize};

/// Steps of a span. A count is wrong by what one of them holds at most (weakforced divides its spans so, too).
pub(crate) const STEPS: usize = 6;

/// Ten minutes, in seconds: a span as windows take it.
pub(crate) const TEN_MINUTES: u32 = 600;
/// Half an hour.
pub(crate) const HALF_HOUR: u32 = 1800;
/// One hour.
pub(crate) const HOUR: u32 = 3600;
/// A day.
pub(crate) const DAY: u32 = 86_400;

/// Which step of spans of `SPAN` seconds a point in time is in.
pub(crate) const fn step<const SPAN: u32>(at: Timestamp) -> u32 {
    let each = SPAN as i64 / STEPS as i64;
    let step = at.secs().div_euclid(each);
    if step < 0 { 0 } else { step as u32 }
}

/// Counts over the last `SPAN` seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window<const SPAN: u32> {
    newest: u32,
    counts: [u32; STEPS],
}

impl<const SPAN: u32> Window<SPAN> {
    /// Counts `more`; what is older than the span is not counted.
    pub(crate) fn add(&mut self, at: Timestamp, more: u32) {
        let step = step::<SPAN>(at);
        if step > self.newest {
            let passed = (step - self.newest).min(STEPS as u32);
            for gone in 0..passed {
                self.counts[((step - gone) as usize) % STEPS] = 0;
            }
            self.newest = step;
        }
        if self.newest - step < STEPS as u32 {
            let count = &mut self.counts[step as usize % STEPS];
            *count = count.saturating_add(more);
        }
    }

    /// The count as it stands at `at`.
    pub(crate) fn sum(&self, at: Timestamp) -> u32 {
        let now = step::<SPAN>(at);
        let mut sum = 0_u32;
        for back in 0..STEPS as u32 {
            let Some(step) = self.newest.checked_sub(back) else {
                break;
            };
            if now.saturating_sub(step) < STEPS as u32 {
                sum = sum.saturating_add(self.counts[step as usize % STEPS]);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_old_goes_step_by_step() {
        let mut window = Window::<HOUR>::default();
        let start = Timestamp::from_secs(1_800_000_000);
        window.add(start, 3);
        window.add(start.plus_secs(1800), 4);
        assert_eq!(window.sum(start.plus_secs(1800)), 7);
        assert_eq!(window.sum(start.plus_secs(3600)), 4);
        assert_eq!(window.sum(start.plus_secs(7200)), 0);
        window.add(start.plus_secs(90_000), 1);
        assert_eq!(window.sum(start.plus_secs(90_000)), 1);
    }

    proptest! {
        /// Never more than really came, and never less than came in five sixths of the span.
        #[test]
        fn is_wrong_by_one_step_at_most(mut gaps in prop::collection::vec(0_i64..2000, 1..60)) {
            let mut window = Window::<HOUR>::default();
            let mut now = Timestamp::from_secs(1_800_000_000);
            let mut times = Vec::new();
            for gap in gaps.drain(..) {
                now = now.plus_secs(gap);
                times.push(now);
                window.add(now, 1);
            }
            let within = |secs: i64| times.iter().filter(|at| now.secs() - at.secs() < secs).count() as u32;
            let sum = window.sum(now);
            prop_assert!(within(3000) <= sum && sum <= within(3600), "{} {} {}", within(3000), sum, within(3600));
        }
    }
}
