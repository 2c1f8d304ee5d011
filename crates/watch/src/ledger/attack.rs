//! How much the whole site is being attacked: guesses of this hour against those of usual hours.
//!
//! Every site is guessed at, all the time, so the number alone says nothing. While it is far above what is usual, counts that speak for guessing may
//! stand lower (`settings::attack_factor`): what a source does then is less likely a slip.

use mail::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::seconds;
use super::window::{HOUR, Window};

/// Share of a new hour in what is usual: three days of memory.
const HOUR_SHARE: f32 = 1.0 / 72.0;
/// Hours before anything is usual.
const HOURS_MIN: u16 = 48;
/// Guesses in an hour below which there is no attack.
const GUESSES_MIN: u32 = 30;
/// Spreads above the mean at which an attack begins, and at which it is as bad as it gets.
const BEGINS: f32 = 2.0;
const WORST: f32 = 4.0;
/// Nobody's hours are so alike that half as many more is remarkable.
const SPREAD_MIN: f32 = 0.5;

/// Guesses at the whole site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attack {
    guesses: Window<HOUR>,
    /// The hour that is counted.
    hour: u32,
    count: u32,
    /// Of the logarithm of an hour's guesses.
    mean: f32,
    variance: f32,
    hours: u16,
}

impl Attack {
    /// Time passes; with a guess or without.
    pub(crate) fn pass(&mut self, at: Timestamp, guess: bool) {
        let hour = seconds(at) / 3600;
        if self.hour == 0 {
            self.hour = hour;
        }
        // What was away for days begins with what it knew.
        for _ in 0..hour.saturating_sub(self.hour).min(72) {
            self.close();
        }
        self.hour = self.hour.max(hour);
        if guess {
            self.count += 1;
            self.guesses.add(at, 1);
        }
    }

    /// 0 is as always, 1 as bad as it gets.
    pub(crate) fn level(&self, at: Timestamp) -> f32 {
        let guesses = self.guesses.sum(at);
        if self.hours < HOURS_MIN || guesses < GUESSES_MIN {
            return 0.0;
        }
        ((self.above(guesses) - BEGINS) / (WORST - BEGINS)).clamp(0.0, 1.0)
    }

    /// Spreads above the mean.
    fn above(&self, guesses: u32) -> f32 {
        ((guesses as f32).ln_1p() - self.mean) / self.variance.sqrt().max(SPREAD_MIN)
    }

    fn close(&mut self) {
        let count = std::mem::take(&mut self.count);
        let spread = self.variance.sqrt().max(SPREAD_MIN);
        // A long attack becomes usual slowly, or it would be over after its first day.
        let most = if self.hours < HOURS_MIN {
            f32::INFINITY
        } else {
            self.mean + BEGINS * spread
        };
        let value = (count as f32).ln_1p().min(most);
        let share = HOUR_SHARE.max(1.0 / f32::from(self.hours + 1));
        let step = value - self.mean;
        self.mean += share * step;
        self.variance = (1.0 - share) * (self.variance + share * step * step);
        self.hours = self.hours.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn usual(hours: i64, each: i64) -> Attack {
        let mut attack = Attack::default();
        for hour in 0..hours {
            for guess in 0..each + hour % 5 {
                attack.pass(START.plus_secs(hour * 3600 + guess), true);
            }
        }
        attack
    }

    #[test]
    fn many_more_guesses_than_usual_are_an_attack() {
        let mut attack = usual(100, 20);
        let at = START.plus_secs(100 * 3600);
        assert!(attack.level(at) < 0.01);
        for guess in 0..400 {
            attack.pass(at.plus_secs(guess), true);
        }
        assert!(attack.level(at.plus_secs(400)) > 0.9);
        assert!(attack.level(at.plus_secs(3 * 3600)) < 0.01, "it is over");
    }

    #[test]
    fn a_site_that_is_always_guessed_at_is_not_under_attack() {
        let mut attack = usual(100, 1000);
        let at = START.plus_secs(100 * 3600);
        for guess in 0..1200 {
            attack.pass(at.plus_secs(guess), true);
        }
        assert!(attack.level(at.plus_secs(1200)) < 0.01);
    }

    #[test]
    fn a_long_attack_does_not_become_usual_in_a_day() {
        let mut attack = usual(100, 20);
        for hour in 0..24 {
            for guess in 0..600 {
                attack.pass(START.plus_secs((100 + hour) * 3600 + guess), true);
            }
        }
        assert!(attack.level(START.plus_secs(123 * 3600 + 600)) > 0.5);
    }

    #[test]
    fn a_young_watch_knows_no_attack() {
        let mut attack = usual(10, 20);
        for guess in 0..1000 {
            attack.pass(START.plus_secs(10 * 3600 + guess), true);
        }
        assert!(attack.level(START.plus_secs(10 * 3600 + 1000)) < 0.01);
    }
}
