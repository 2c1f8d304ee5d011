//! Which messages are worth asking a person about.
//!
//! A label teaches most where the classifier is unsure: asking only there, 0.6 % of the labels reached what all of them reach
//! (`docs/accuracy.md`). The budget is spread over the mail to come, or a bad first day would use it up.

use serde::{Deserialize, Serialize};

use crate::Opinion;

/// Scores this near to zero are unsure; the width moves with what is left of the budget.
const WIDTH: f64 = 1.0;
/// A classifier that knows little is wrong about how sure it is.
const WIDTH_UNSETTLED: f64 = 2.0;
const WIDTH_MIN: f64 = 0.05;
const WIDTH_MAX: f64 = 3.0;
/// The share of the budget that may be used ahead of time: the first labels teach most.
const AHEAD: f64 = 0.4;
/// While little is known every fourth message is asked about, up to a fifth of the budget; later one question in twenty is about just any message. A
/// classifier that began with a few odd messages is unsure about the wrong ones (measured: `docs/accuracy.md`).
const FIRST_SHARE: u32 = 5;
const FIRST_EVERY: u32 = 4;
const EXPLORED_SHARE: f64 = 20.0;
/// How fast the width moves.
const STEP: f64 = 1.01;

/// Chooses messages to ask about within a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asker {
    budget: u32,
    asked: u32,
    seen: u32,
    width: f64,
}

impl Asker {
    /// With so many questions to ask.
    pub const fn new(budget: u32) -> Self {
        Self {
            budget,
            asked: 0,
            seen: 0,
            width: WIDTH,
        }
    }

    /// Is this one worth asking about? `left` is how many messages the rest of the budget has to last for, this one included: those of a day, or
    /// of a collection.
    pub fn asks(&mut self, opinion: &Opinion, left: u32) -> bool {
        self.seen = self.seen.saturating_add(1);
        if self.asked >= self.budget {
            return false;
        }
        let all = f64::from(self.seen) + f64::from(left.max(1)) - 1.0;
        let passed = f64::from(self.seen) / all;
        let due = f64::from(self.budget) * (AHEAD + (1.0 - AHEAD) * passed);
        // Behind the plan more is asked, ahead of it less.
        let behind = f64::from(self.asked) < f64::from(self.budget) * passed;
        self.width = (if behind {
            self.width * STEP
        } else {
            self.width / STEP
        })
        .clamp(WIDTH_MIN, WIDTH_MAX);
        if f64::from(self.asked) >= due {
            return false;
        }
        // What is well within the line is asked in any case.
        let width = if behind {
            self.width
        } else {
            self.width.max(if opinion.settled {
                WIDTH
            } else {
                WIDTH_UNSETTLED
            })
        };
        let asks = opinion.score.abs() < width || self.explores(opinion, all);
        self.asked += u32::from(asks);
        asks
    }

    /// Some are asked about whatever is thought of them: a classifier that was told of one spam message and nothing else is sure that all mail is spam,
    /// and would never ask again.
    fn explores(&self, opinion: &Opinion, all: f64) -> bool {
        let every = if !opinion.settled && self.asked < self.budget / FIRST_SHARE {
            FIRST_EVERY
        } else {
            (all * EXPLORED_SHARE / f64::from(self.budget)) as u32
        };
        self.seen.is_multiple_of(every.max(1))
    }

    /// Questions left.
    pub const fn left(&self) -> u32 {
        self.budget.saturating_sub(self.asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(budget: u32, messages: u32, score: impl Fn(u32) -> f64) -> Vec<u32> {
        asked_of(budget, messages, |at| Opinion::of(score(at)))
    }

    fn asked_of(budget: u32, messages: u32, opinion: impl Fn(u32) -> Opinion) -> Vec<u32> {
        let mut asker = Asker::new(budget);
        (0..messages)
            .filter(|at| asker.asks(&opinion(*at), messages - at))
            .collect()
    }

    #[test]
    fn the_budget_lasts() {
        // All mail is unsure: what may be used ahead goes first, the rest is spread.
        let asked = asked(100, 10_000, |_| 0.0);
        assert_eq!(asked.len(), 100);
        assert!(asked[99] > 9000, "{}", asked[99]);
        assert!(asked[39] < 100);
    }

    #[test]
    fn what_is_sure_is_seldom_asked_but_is() {
        let sure = asked(100, 10_000, |_| 9.0);
        assert!((4..7).contains(&sure.len()), "{}", sure.len());
        // Sure on too few labels: a fifth of the budget goes to just any messages.
        let young = asked_of(100, 10_000, |_| Opinion {
            settled: false,
            ..Opinion::of(9.0)
        });
        assert_eq!(
            young[..20],
            (1..=20).map(|at| 4 * at - 1).collect::<Vec<_>>()
        );
        assert!((20..28).contains(&young.len()), "{}", young.len());
        assert!(sure.iter().any(|at| *at > 7000));
        assert!(asked(0, 100, |_| 0.0).is_empty());
        let some = asked(
            100,
            10_000,
            |at| if at.is_multiple_of(50) { 0.1 } else { 5.0 },
        );
        let unsure = some.iter().filter(|at| at.is_multiple_of(50));
        assert!(unsure.count() > 70);
    }
}
