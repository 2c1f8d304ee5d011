//! How much more likely a login is anybody's than the account's own, after Freeman and others, "Who are you? A statistical approach to measuring user
//! authenticity" (NDSS 2016), section IV.
//!
//! For each thing a login shows (country, surroundings, network; client program) the share of all logins that show it is divided by the share of the
//! account's own. What the account never showed is smoothed by the next wider thing: a new network in the town it is always in says little. The score
//! is a logarithm that means something only beside others, so it is ranked among the site's own good logins.

use serde::{Deserialize, Serialize};

use super::distinct::mix;

/// Rows of the sketch, and counters in each: 16 KiB for the whole site, whatever comes.
const ROWS: usize = 4;
const COUNTERS: usize = 2048;
/// Days that what everybody does weighs in what an account is taken to do.
const PRIOR: f64 = 1.0;
/// Scores are ranked in steps of a half, from -`SPAN` to `SPAN`.
const SPAN: f64 = 20.0;
const STEPS: usize = 80;
/// Good logins before a rank means something.
const LEARNT: u32 = 1000;
/// After so many everything is halved, so that what was usual years ago fades.
const HALVED_AT: u32 = 200_000;

/// What everybody shows, and how everybody scores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unusual {
    counts: Vec<u16>,
    logins: u32,
    scores: Vec<u32>,
}

/// One thing that a login shows, with how many days the account showed it, of how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub thing: u64,
    pub own: f64,
    pub all: f64,
}

impl Unusual {
    /// Counts a good login.
    pub(crate) fn meet(&mut self, things: &[u64]) {
        if self.counts.is_empty() {
            self.counts = vec![0; ROWS * COUNTERS];
        }
        for thing in things {
            let least = self.count(*thing);
            // Conservative: only the counters that would be believed.
            for place in places(*thing) {
                let count = &mut self.counts[place];
                *count = (*count).max(least.saturating_add(1));
            }
        }
        self.logins += 1;
        if self.logins >= HALVED_AT || things.iter().any(|one| self.count(*one) == u16::MAX) {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.logins /= 2;
        }
    }

    /// The score of a login. `where_from` goes from the widest thing to the narrowest.
    pub(crate) fn score(&self, where_from: &[Shown], program: Option<Shown>) -> f64 {
        // Own share over everybody's share, each smoothed by the wider one's.
        let ratio = |wider: f64, one: &Shown| {
            let popular = self.share(one.thing);
            (one.own / popular + PRIOR * wider) / (one.all + PRIOR)
        };
        let places = where_from.iter().fold(1.0, ratio);
        let program = program.map_or(1.0, |one| ratio(1.0, &one));
        -(places.ln() + program.ln())
    }

    /// Enters the score of a good login; the share of good logins that scored lower before, once there were enough.
    pub(crate) fn rank(&mut self, score: f64) -> Option<f64> {
        if self.scores.is_empty() {
            self.scores = vec![0; STEPS];
        }
        let step = ((score + SPAN) / (2.0 * SPAN) * STEPS as f64).clamp(0.0, STEPS as f64 - 1.0);
        let step = step as usize;
        let all: u32 = self.scores.iter().sum();
        let lower: u32 = self.scores[..step].iter().sum();
        self.scores[step] += 1;
        if all >= HALVED_AT {
            self.scores.iter_mut().for_each(|count| *count /= 2);
        }
        (all >= LEARNT).then(|| f64::from(lower) / f64::from(all))
    }

    /// Of all logins the share that shows a thing; never nothing.
    fn share(&self, thing: u64) -> f64 {
        (f64::from(self.count(thing)) + 1.0) / (f64::from(self.logins) + 1.0)
    }

    fn count(&self, thing: u64) -> u16 {
        let counts = places(thing).map(|place| self.counts.get(place).copied());
        counts.into_iter().flatten().min().unwrap_or(0)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.counts.capacity() * 2 + self.scores.capacity() * 4
    }
}

fn places(thing: u64) -> [usize; ROWS] {
    let mut hash = thing;
    std::array::from_fn(|row| {
        hash = mix(hash);
        row * COUNTERS + (hash as usize) % COUNTERS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn shown(thing: u64, own: f64, all: f64) -> Shown {
        Shown { thing, own, all }
    }

    /// Everybody comes from one of a few countries and many networks, with one of two programs.
    fn everybody() -> Unusual {
        let mut all = Unusual::default();
        for login in 0..20_000_u64 {
            all.meet(&[
                login % 3,
                100 + login % 50,
                1000 + login % 4000,
                9000 + login % 2,
            ]);
        }
        all
    }

    #[test]
    fn home_is_likelier_than_anywhere_and_a_new_country_is_least_likely() {
        let all = everybody();
        let days = 30.0;
        let score = |country: f64, wide: f64, network: f64, program: f64| {
            all.score(
                &[
                    shown(1, country, days),
                    shown(120, wide, days),
                    shown(1033, network, days),
                ],
                Some(shown(9001, program, days)),
            )
        };
        let home = score(30.0, 30.0, 28.0, 30.0);
        let next_door = score(30.0, 30.0, 0.0, 30.0);
        let journey = score(30.0, 0.0, 0.0, 30.0);
        let abroad = score(0.0, 0.0, 0.0, 30.0);
        let thief = score(0.0, 0.0, 0.0, 0.0);
        assert!(home < 0.0, "{home}");
        assert!(
            home < next_door && next_door < journey && journey < abroad && abroad < thief,
            "{home} {next_door} {journey} {abroad} {thief}"
        );
        assert!(thief > 5.0, "{thief}");
    }

    #[test]
    fn ranks_come_from_the_site_itself() {
        let mut all = everybody();
        for login in 0..2000 {
            let rank = all.rank(f64::from(login % 100) / 25.0);
            assert_eq!(rank.is_some(), login >= 1000);
        }
        assert!(all.rank(10.0).expect("learnt") > 0.99);
        assert!(all.rank(0.0).expect("learnt") < 0.1);
        // Beyond the steps there is the last one.
        assert!(all.rank(1e9).is_some() && all.rank(-1e9).is_some());
    }

    #[test]
    fn it_stays_as_small_as_it_is() {
        let mut all = Unusual::default();
        for login in 0..300_000_u64 {
            all.meet(&[mix(login), 7]);
        }
        assert!(all.heap_bytes() < 20_000 && all.logins < HALVED_AT);
        // Everybody shows it; of what nobody shows the sketch says at most little.
        assert!(all.share(7) > 0.4, "{}", all.share(7));
        assert!(all.share(mix(999_999_999)) < 0.02);
    }
}
