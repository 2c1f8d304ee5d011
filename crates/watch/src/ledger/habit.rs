//! What somebody usually does, to compare today with.

use mail::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::{Seconds, seconds};

/// Half-life of the busiest hour, in hours: thirty days.
const PEAK_HALF_LIFE_HOURS: f32 = 720.0;
/// Share of a new day in the mean: a week's worth of memory.
const DAY_SHARE: f32 = 0.2;
/// Days before a mean says anything: Entra learns five days at least.
const DAYS_MIN: u16 = 5;

/// The busiest hour lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Peak {
    hour: u32,
    count: u32,
    /// The busiest hour, and the next.
    most: f32,
    next: f32,
}

impl Peak {
    pub(crate) fn add(&mut self, at: Timestamp, more: u32) {
        let hour = seconds(at) / 3600;
        if hour > self.hour {
            let age = (-((hour - self.hour) as f32) / PEAK_HALF_LIFE_HOURS).exp2();
            let (peak, next, last) = (self.most * age, self.next * age, self.count as f32);
            self.most = peak.max(last);
            self.next = next.max(peak.min(last));
            (self.hour, self.count) = (hour, 0);
        }
        self.count = self.count.saturating_add(more);
    }

    /// The busiest of the hours before this one.
    pub(crate) const fn busiest(&self) -> f32 {
        self.most
    }

    /// The second busiest: what happened once is not usual.
    pub(crate) const fn usual(&self) -> f32 {
        self.next
    }
}

/// How much a day, as mean and spread of the logarithm: twice as much is the same step for everybody.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Daily {
    day: Seconds,
    sum: f32,
    mean: f32,
    variance: f32,
    days: u16,
}

impl Daily {
    pub(crate) fn add(&mut self, at: Timestamp, more: f32) {
        let day = seconds(at) / 86_400;
        if day > self.day {
            if self.day > 0 {
                self.close();
            }
            (self.day, self.sum) = (day, 0.0);
        }
        self.sum += more;
    }

    /// Today's distance from the mean in spreads; `None` before there are days enough.
    pub(crate) fn z(&self) -> Option<f32> {
        // Nobody is so regular that a third more is remarkable.
        let spread = self.variance.sqrt().max(0.5);
        (self.days >= DAYS_MIN).then(|| (self.sum.ln_1p() - self.mean) / spread)
    }

    fn close(&mut self) {
        let value = self.sum.ln_1p();
        if self.days == 0 {
            self.mean = value;
        } else {
            let step = value - self.mean;
            self.mean += DAY_SHARE * step;
            self.variance = (1.0 - DAY_SHARE) * (self.variance + DAY_SHARE * step * step);
        }
        self.days = self.days.saturating_add(1);
    }
}

/// At which hours an account is used: those of working days and those of weekends, by UTC. Twenty-four for each day of the week would need
/// four times the time to learn, and say the same of nearly everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hours {
    /// An hour with twenty logins counts once: a telephone that asks every minute is no more at home at night than its owner.
    last: u32,
    counts: Vec<u8>,
}

impl Hours {
    /// Used now.
    pub(crate) fn meet(&mut self, at: Timestamp) {
        let hour = seconds(at) / 3600;
        if hour <= self.last {
            return;
        }
        self.last = hour;
        if self.counts.is_empty() {
            self.counts = vec![0; 48];
        }
        let count = &mut self.counts[Self::place(hour)];
        *count += 1;
        if *count == u8::MAX {
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
    }

    /// How many hours it was used in.
    pub(crate) fn total(&self) -> u32 {
        self.counts.iter().map(|count| u32::from(*count)).sum()
    }

    /// Of all hours in which it was used, the share of those that are used as seldom as this one, 0 to 1. The hours beside it count for
    /// it, too: summer time moves everybody.
    pub(crate) fn rarity(&self, at: Timestamp) -> f64 {
        let (hour, total) = (seconds(at) / 3600, self.total());
        if total == 0 {
            return 1.0;
        }
        let near = [hour.saturating_sub(1), hour, hour + 1];
        let here = near
            .iter()
            .map(|hour| self.counts[Self::place(*hour)])
            .max();
        let rarer = self.counts.iter().filter(|count| Some(**count) <= here);
        f64::from(rarer.map(|count| u32::from(*count)).sum::<u32>()) / f64::from(total)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.counts.capacity()
    }

    /// 1970 began on a Thursday.
    const fn place(hour: u32) -> usize {
        let weekend = (hour / 24 + 3) % 7 >= 5;
        (hour % 24) as usize + if weekend { 24 } else { 0 }
    }
}

/// A number that halves as time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fading {
    value: f32,
    at: Seconds,
}

impl Fading {
    pub(crate) fn value(&self, at: Timestamp, half_life_secs: f32) -> f32 {
        let passed = seconds(at).saturating_sub(self.at) as f32;
        self.value * (-passed / half_life_secs).exp2()
    }

    /// No less than `least` from now on.
    pub(crate) fn raise(&mut self, at: Timestamp, half_life_secs: f32, least: f32) {
        if self.value(at, half_life_secs) < least {
            (self.value, self.at) = (least, seconds(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn a_busy_hour_is_remembered_and_fades() {
        let mut peak = Peak::default();
        peak.add(START, 40);
        assert!(peak.busiest() < 1.0);
        peak.add(START.plus_secs(3600), 2);
        assert!((peak.busiest() - 40.0).abs() < 0.5);
        peak.add(START.plus_secs(7200), 1);
        assert!((peak.usual() - 2.0).abs() < 0.1, "{}", peak.usual());
        peak.add(START.plus_secs(60 * 86_400), 1);
        assert!(peak.busiest() < 12.0, "{}", peak.busiest());
    }

    #[test]
    fn an_unusual_day_stands_out_and_a_usual_one_does_not() {
        let mut daily = Daily::default();
        for day in 0..10 {
            daily.add(
                START.plus_secs(day * 86_400),
                1000.0 + 100.0 * (day % 3) as f32,
            );
        }
        assert!(daily.z().expect("ten days") < 1.0);
        daily.add(START.plus_secs(9 * 86_400 + 10), 1_000_000.0);
        assert!(daily.z().expect("ten days") > 4.0);
        assert_eq!(Daily::default().z(), None);
    }

    #[test]
    fn the_hours_of_office_people_are_known() {
        let mut hours = Hours::default();
        // A Friday, 08:00; weekends off.
        let start = Timestamp::from_secs(1_799_971_200);
        for day in (0..60).filter(|day| ![1, 2].contains(&(day % 7))) {
            for hour in 0..9 {
                for minute in 0..3 {
                    hours.meet(start.plus_secs(day * 86_400 + hour * 3600 + minute * 60));
                }
            }
        }
        assert!((360..=400).contains(&hours.total()), "{}", hours.total());
        let night = start.plus_secs(-5 * 3600);
        assert!(hours.rarity(night) < 0.01, "{}", hours.rarity(night));
        assert!(hours.rarity(start.plus_secs(3600)) > 0.5);
        // An hour early or late is summer time.
        assert!(hours.rarity(start.plus_secs(-3600)) > 0.5);
        assert!(hours.rarity(start.plus_secs(86_400)) < 0.01, "a Saturday");
    }

    #[test]
    fn scores_halve() {
        let mut fading = Fading::default();
        fading.raise(START, 3600.0, 0.8);
        assert!((fading.value(START.plus_secs(3600), 3600.0) - 0.4).abs() < 0.01);
        fading.raise(START.plus_secs(3600), 3600.0, 0.3);
        assert!((fading.value(START.plus_secs(3600), 3600.0) - 0.4).abs() < 0.01);
    }
}
