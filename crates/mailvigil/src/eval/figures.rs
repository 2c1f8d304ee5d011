//! What a replay comes to in figures, defined as in the TREC spam track (Cormack, Lynam 2005).

use serde::Serialize;

/// Resamples behind the interval.
const RESAMPLES: usize = 1000;
/// Bins of the calibration error.
pub const BINS: usize = 20;

/// One message, scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Higher is more like spam.
    pub score: f64,
    /// The probability of spam the filter names, where it names one.
    pub probability: Option<f64>,
    /// The filter's own decision.
    pub called_spam: bool,
    /// What it is.
    pub spam: bool,
}

/// All figures of one filter on one collection. Percentages, but for Brier score and calibration error.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Messages scored.
    pub messages: usize,
    /// Of them spam.
    pub spam: usize,
    /// (1-ROCA)%: how often a spam message scores below a ham message. `None` where one class is absent.
    pub roca: Option<f64>,
    /// Its 95 % bootstrap interval.
    pub roca_low: Option<f64>,
    /// Upper end.
    pub roca_high: Option<f64>,
    /// Spam missed where the threshold misses 0.1 % of ham.
    pub sm_at_hm_0_1: Option<f64>,
    /// The same at 0.01 %.
    pub sm_at_hm_0_01: Option<f64>,
    /// Ham called spam at the filter's own threshold.
    pub hm: Option<f64>,
    /// Spam not called spam there.
    pub sm: Option<f64>,
    /// The mean of both on the scale of log-odds.
    pub lam: Option<f64>,
    /// Mean squared error of the probability.
    pub brier: Option<f64>,
    /// Expected calibration error over 20 bins.
    pub ece: Option<f64>,
}

/// Computes everything.
pub fn figures(scored: &[Scored]) -> Figures {
    let ranking = Ranking::of(scored);
    let (ham, spam) = (ranking.ham, ranking.spam);
    let both = ham > 0 && spam > 0;
    let interval = both.then(|| ranking.interval()).flatten();
    let missed_ham = scored.iter().filter(|one| !one.spam && one.called_spam);
    let missed_spam = scored.iter().filter(|one| one.spam && !one.called_spam);
    let (missed_ham, missed_spam) = (missed_ham.count(), missed_spam.count());
    let probabilities: Option<Vec<(f64, bool)>> = scored
        .iter()
        .map(|one| Some((one.probability?, one.spam)))
        .collect();
    let probabilities = probabilities.filter(|list| !list.is_empty());
    Figures {
        messages: scored.len(),
        spam,
        roca: both.then(|| 100.0 * ranking.wrong_order()),
        roca_low: interval.map(|(low, _)| 100.0 * low),
        roca_high: interval.map(|(_, high)| 100.0 * high),
        sm_at_hm_0_1: both.then(|| 100.0 * ranking.spam_missed_at(0.001)),
        sm_at_hm_0_01: both.then(|| 100.0 * ranking.spam_missed_at(0.0001)),
        hm: (ham > 0).then(|| percent(missed_ham, ham)),
        sm: (spam > 0).then(|| percent(missed_spam, spam)),
        lam: both.then(|| lam(missed_ham, ham, missed_spam, spam)),
        brier: probabilities.as_deref().map(brier),
        ece: probabilities
            .as_deref()
            .map(|list| calibration_error(&bins(list), list.len())),
    }
}

/// Messages in the order of their scores, those with the same score together.
pub struct Ranking {
    /// Ham and spam of each score, lowest score first.
    steps: Vec<(f64, usize, usize)>,
    ham: usize,
    spam: usize,
}

impl Ranking {
    /// Orders the messages.
    pub fn of(scored: &[Scored]) -> Self {
        let mut sorted: Vec<(f64, bool)> = scored.iter().map(|one| (one.score, one.spam)).collect();
        sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut steps: Vec<(f64, usize, usize)> = Vec::new();
        for (score, spam) in sorted {
            match steps.last_mut() {
                Some(last) if last.0.total_cmp(&score).is_eq() => {
                    last.1 += usize::from(!spam);
                    last.2 += usize::from(spam);
                }
                _ => steps.push((score, usize::from(!spam), usize::from(spam))),
            }
        }
        Self {
            ham: steps.iter().map(|step| step.1).sum(),
            spam: steps.iter().map(|step| step.2).sum(),
            steps,
        }
    }

    /// The share of pairs of a ham and a spam message in which the spam scores lower; ties count half.
    fn wrong_order(&self) -> f64 {
        let counts = self.steps.iter().map(|step| (step.1 as f64, step.2 as f64));
        area(counts).unwrap_or_default()
    }

    /// Both classes drawn anew with replacement many times: the 2.5 % and 97.5 % quantiles. The draws are Poisson(1) counts, from a fixed seed.
    fn interval(&self) -> Option<(f64, f64)> {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut areas: Vec<f64> = (0..RESAMPLES)
            .filter_map(|_| {
                area(self.steps.iter().map(|step| {
                    let ham: u32 = (0..step.1).map(|_| dice.poisson()).sum();
                    let spam: u32 = (0..step.2).map(|_| dice.poisson()).sum();
                    (f64::from(ham), f64::from(spam))
                }))
            })
            .collect();
        areas.sort_by(f64::total_cmp);
        let at = |share: f64| areas.get((share * areas.len() as f64) as usize).copied();
        Some((at(0.025)?, at(0.975)?))
    }

    /// The share of spam that is missed when at most this share of ham may be: spam is what scores above the threshold.
    fn spam_missed_at(&self, ham_share: f64) -> f64 {
        let most = (ham_share * self.ham as f64).floor() as usize;
        let (mut ham_above, mut spam_above) = (0, 0);
        for step in self.steps.iter().rev() {
            ham_above += step.1;
            if ham_above > most {
                break;
            }
            spam_above += step.2;
        }
        1.0 - spam_above as f64 / self.spam as f64
    }

    /// The curve: share of ham missed, share of spam missed, for each threshold.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let (mut ham_above, mut spam_above) = (0, 0);
        let steps = self.steps.iter().rev().map(|step| {
            ham_above += step.1;
            spam_above += step.2;
            (
                ham_above as f64 / self.ham.max(1) as f64,
                1.0 - spam_above as f64 / self.spam.max(1) as f64,
            )
        });
        std::iter::once((0.0, 1.0)).chain(steps).collect()
    }
}

/// The area above the curve, of ham and spam counts in the order of scores.
fn area(counts: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (mut wrong, mut ham_all, mut spam_below) = (0.0, 0.0, 0.0);
    for (ham, spam) in counts {
        wrong += ham * (spam_below + spam / 2.0);
        spam_below += spam;
        ham_all += ham;
    }
    (ham_all > 0.0 && spam_below > 0.0).then(|| wrong / (ham_all * spam_below))
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}

/// Half a message stands for none, so that the logarithm exists.
fn lam(missed_ham: usize, ham: usize, missed_spam: usize, spam: usize) -> f64 {
    let logit = |missed: usize, of: usize| {
        let share = (missed as f64).max(0.5).min(of as f64 - 0.5) / of as f64;
        (share / (1.0 - share)).ln()
    };
    let mean = f64::midpoint(logit(missed_ham, ham), logit(missed_spam, spam));
    100.0 / (1.0 + (-mean).exp())
}

fn brier(list: &[(f64, bool)]) -> f64 {
    let error = |(probability, spam): &(f64, bool)| (probability - f64::from(*spam)).powi(2);
    list.iter().map(error).sum::<f64>() / list.len() as f64
}

/// One bin of named probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Messages in it.
    pub count: usize,
    /// Their mean named probability.
    pub named: f64,
    /// The share of them that is spam.
    pub found: f64,
}

/// Named probabilities in bins of equal width.
pub fn bins(list: &[(f64, bool)]) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for (probability, spam) in list {
        let bin = &mut bins[((probability * BINS as f64) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.named += probability;
        bin.found += f64::from(*spam);
    }
    for bin in &mut bins {
        let count = bin.count.max(1) as f64;
        bin.named /= count;
        bin.found /= count;
    }
    bins
}

fn calibration_error(bins: &[Bin], messages: usize) -> f64 {
    let gap = |bin: &Bin| bin.count as f64 * (bin.named - bin.found).abs();
    bins.iter().map(gap).sum::<f64>() / messages as f64
}

/// Numbers that are the same every time (xorshift64*, Vigna 2016).
pub struct Dice(pub u64);

impl Dice {
    /// Between 0 and 1, 1 excluded.
    pub fn share(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A Poisson number of mean one, by inversion.
    fn poisson(&mut self) -> u32 {
        let mut left = self.share();
        let mut probability = (-1.0_f64).exp();
        let mut number = 0;
        while left >= probability && number < 20 {
            left -= probability;
            number += 1;
            probability /= f64::from(number);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(list: &[(f64, bool)]) -> Vec<Scored> {
        let one = |(score, spam): &(f64, bool)| Scored {
            score: *score,
            probability: Some(score.clamp(0.0, 1.0)),
            called_spam: *score > 0.5,
            spam: *spam,
        };
        list.iter().map(one).collect()
    }

    #[test]
    fn the_area_counts_pairs_in_the_wrong_order() {
        // Of six pairs one is wrong and one is a tie.
        let list = [
            (0.1, false),
            (0.4, true),
            (0.5, false),
            (0.5, true),
            (0.6, true),
        ];
        let found = figures(&scored(&list));
        assert!(
            (found.roca.expect("both classes") - 25.0).abs() < 1e-9,
            "{found:?}"
        );
        assert_eq!((found.messages, found.spam), (5, 3));
        let (low, high) = (found.roca_low.expect("low"), found.roca_high.expect("high"));
        assert!(low <= 25.0 && 25.0 <= high);
    }

    #[test]
    fn thresholds_let_no_more_ham_through_than_they_may() {
        let mut list: Vec<(f64, bool)> = (0..2000)
            .map(|at| (f64::from(at) / 4000.0, false))
            .collect();
        list.extend((0..100).map(|at| (0.49 + f64::from(at) / 5000.0, true)));
        let found = figures(&scored(&list));
        // 0.1 % of 2000 is two messages: the threshold lies at the third best ham, 0.49925.
        let missed = list
            .iter()
            .filter(|one| one.1 && one.0 <= 1997.0 / 4000.0)
            .count();
        assert!((found.sm_at_hm_0_1.expect("a figure") - missed as f64).abs() < 1e-9);
        let none = list
            .iter()
            .filter(|one| one.1 && one.0 <= 1999.0 / 4000.0)
            .count();
        assert!((found.sm_at_hm_0_01.expect("a figure") - none as f64).abs() < 1e-9);
    }

    #[test]
    fn rates_at_the_own_threshold() {
        let list = [
            (0.9, false),
            (0.1, false),
            (0.2, false),
            (0.3, false),
            (0.7, true),
            (0.4, true),
        ];
        let found = figures(&scored(&list));
        assert_eq!((found.hm, found.sm), (Some(25.0), Some(50.0)));
        // The middle of the log-odds of 1/4 and 1/2.
        let middle = 100.0 / (1.0 + 3_f64.sqrt());
        assert!((found.lam.expect("both classes") - middle).abs() < 1e-9);
    }

    #[test]
    fn probabilities_that_mean_what_they_say_have_no_error() {
        let list: Vec<(f64, bool)> = (0..10).map(|at| (0.2, at < 2)).collect();
        let found = figures(&scored(&list));
        assert!(found.ece.expect("named") < 1e-9);
        assert!((found.brier.expect("named") - 0.16).abs() < 1e-9);
    }

    #[test]
    fn one_class_alone_has_no_curve() {
        let found = figures(&scored(&[(0.1, false), (0.2, false)]));
        assert_eq!((found.roca, found.sm, found.hm), (None, None, Some(0.0)));
        assert_eq!(figures(&[]).messages, 0);
    }

    #[test]
    fn poisson_numbers_have_mean_one() {
        let mut dice = Dice(1);
        let sum: u32 = (0..100_000).map(|_| dice.poisson()).sum();
        assert!((f64::from(sum) / 100_000.0 - 1.0).abs() < 0.02);
    }
}
