//! Which messages are worth asking a person about.
//!
//! A label teaches most where the classifier is unsure: asking only there, 0.6 % of the labels reached what all of them reach
//! (`docs/accuracy.md`). The budget is spread over the mail to come, or a bad first day would use it up.

use serde::{Deserialize, Serialize};

use crate::Opinion;

/// Scores this near to zero are unsure; the width moves with what is left of the budget.
const WIDTH: f64 = 0.5;
/// A classifier that knows little is wrong about how sure it is.
const WIDTH_UNSETTLED: f64 = 1.0;
const WIDTH_MIN: f64 = 0.05;
const WIDTH_MAX: f64 = 3.0;
/// How fast the width moves.
const STEP: f64 = 1.01;
/// The plan: such a power of the share of mail that has passed is the share of the budget to be used by then, half of it in the first sixth.
const PLAN: f64 = 0.4;
/// The share of the budget that may be used ahead of the plan.
const AHEAD: f64 = 0.02;
/// Of twenty questions three are about just any message: a classifier that is asked only where it is unsure learns to be sure of what it was never told (measured:
/// `docs/accuracy.md`).
const BY_CHANCE: f64 = 0.15;
/// Of those questions so many are about what is taken for junk: wanted mail of a new kind that is surely taken for junk would never be asked about, and is
/// what costs most.
const CHANCE_JUNK: f64 = 0.8;
/// While little is known every fourth message is asked about, up to a fifth of the budget.
const FIRST_SHARE: u32 = 5;
const FIRST_EVERY: u32 = 4;

/// Chooses messages to ask about within a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asker {
    budget: u32,
    asked: u32,
    /// Messages seen, not taken for junk and taken for it.
    seen: [u32; 2],
    /// Parts of a question by chance that came together, of either kind.
    owed: [f64; 2],
    width: f64,
}

/// Why a message is worth asking about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The classifier is unsure: such messages are no sample of the mail.
    Unsure,
    /// By chance, whatever is thought of it.
    Chance,
}

impl Asker {
    /// With so many questions to ask.
    pub const fn new(budget: u32) -> Self {
        Self {
            budget,
            asked: 0,
            seen: [0; 2],
            owed: [0.0; 2],
            width: WIDTH,
        }
    }

    /// Is this one worth asking about? `left` is how many messages the rest of the budget has to last for, this one included: those of a day, or
    /// of a collection.
    pub fn asks(&mut self, opinion: &Opinion, left: u32) -> Option<Why> {
        let of_kind = &mut self.seen[usize::from(opinion.score > 0.0)];
        *of_kind = of_kind.saturating_add(1);
        if self.asked >= self.budget {
            return None;
        }
        let seen: f64 = self.seen.iter().copied().map(f64::from).sum();
        let all = seen + f64::from(left.max(1)) - 1.0;
        // The first labels teach most.
        let plan = f64::from(self.budget) * (seen / all).powf(PLAN);
        let ahead = (AHEAD * f64::from(self.budget)).max(1.0);
        let asked = f64::from(self.asked);
        // Behind the plan more is asked, ahead of it less.
        let behind = asked < plan;
        self.width = (if behind {
            self.width * STEP
        } else {
            self.width / STEP
        })
        .clamp(WIDTH_MIN, WIDTH_MAX);
        if asked >= plan + ahead {
            return None;
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
        let why = if opinion.score.abs() < width {
            Why::Unsure
        } else if self.is_next(opinion, all) {
            Why::Chance
        } else {
            return None;
        };
        self.asked += 1;
        Some(why)
    }

    /// Some are asked about whatever is thought of them: a classifier that was told of one spam message and nothing else is sure that all mail is spam,
    /// and would never ask again.
    fn is_next(&mut self, opinion: &Opinion, all: f64) -> bool {
        let seen: u32 = self.seen.iter().sum();
        if !opinion.settled && self.asked < self.budget / FIRST_SHARE {
            return seen.is_multiple_of(FIRST_EVERY);
        }
        let kind = usize::from(opinion.score > 0.0);
        let expected = all * f64::from(self.seen[kind]) / f64::from(seen);
        let share = [1.0 - CHANCE_JUNK, CHANCE_JUNK][kind];
        self.owed[kind] += f64::from(self.budget) * BY_CHANCE * share / expected;
        let due = self.owed[kind] >= 1.0;
        if due {
            self.owed[kind] -= 1.0;
        }
        due
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
            .filter(|at| asker.asks(&opinion(*at), messages - at).is_some())
            .collect()
    }

    #[test]
    fn the_budget_lasts_and_half_of_it_goes_in_the_first_sixth() {
        // All mail is unsure.
        let many = asked(100, 10_000, |_| 0.0);
        assert_eq!(many.len(), 100);
        assert!((1_000..2_000).contains(&many[49]), "{}", many[49]);
        assert!(many[99] > 9_000, "{}", many[99]);
        let few = asked(3, 1_000, |_| 0.0);
        assert!(few.len() == 3 && few[2] > 50, "{few:?}");
    }

    #[test]
    fn what_is_sure_is_asked_by_chance() {
        let mut asker = Asker::new(100);
        let whys = (0..10_000).map(|at| asker.asks(&Opinion::of(9.0), 10_000 - at));
        let by_chance: Vec<Why> = whys.flatten().collect();
        assert!((11..=12).contains(&by_chance.len()), "{by_chance:?}");
        assert!(by_chance.iter().all(|why| *why == Why::Chance));
        // Of mail of which a tenth is taken for junk, four questions in five are about that tenth.
        let junk = |at: u32| at.is_multiple_of(10);
        let chosen = asked(100, 10_000, |at| if junk(at) { 9.0 } else { -9.0 });
        let of_junk = chosen.iter().filter(|at| junk(**at)).count();
        assert!((13..=17).contains(&chosen.len()), "{}", chosen.len());
        assert!((11..=13).contains(&of_junk), "{of_junk}");
        // Sure on too few labels: a fifth of the budget goes to just any messages, as fast as the plan allows.
        let young = asked_of(100, 10_000, |_| Opinion {
            settled: false,
            ..Opinion::of(9.0)
        });
        assert!((30..50).contains(&young.len()), "{}", young.len());
        assert!(young[19] < 500, "{}", young[19]);
        assert!(asked_of(0, 100, |_| Opinion::of(0.0)).is_empty());
        let some = asked(
            100,
            10_000,
            |at| if at.is_multiple_of(50) { 0.1 } else { 5.0 },
        );
        let unsure = some.iter().filter(|at| at.is_multiple_of(50));
        assert!(unsure.count() > 60);
    }
}
