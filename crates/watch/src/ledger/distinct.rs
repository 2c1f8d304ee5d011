//! How many different things in a span that slides: exact while they are few, an estimate when they are many.

use mail::Timestamp;
use serde::{Deserialize, Serialize};

use super::window::{STEPS, step};

/// Different things up to which the count is exact: above every threshold that a detector has by default for something distinct
/// (weakforced's estimate from the first one on is wrong by 13 %, which blurs a threshold of 50).
const EXACT_MAX: usize = 64;
/// Registers of the estimate: 2^9, which is wrong by 4.6 % (1.04 / √512; Flajolet and others 2007).
const REGISTERS: usize = 512;

/// The different things of the last `SPAN` seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Distinct<const SPAN: u32> {
    /// Thing and the step it was last seen in, in no order.
    exact: Vec<(u32, u32)>,
    /// One set of registers for each step, empty until there are too many things; a thing is in the step it was seen in.
    sketches: Vec<Sketch>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sketch {
    step: u32,
    registers: Vec<u8>,
}

impl<const SPAN: u32> Distinct<SPAN> {
    /// Takes a thing in; was it new within the span? (Of many things the answer is "yes" only when the estimate grows.)
    pub(crate) fn add(&mut self, at: Timestamp, thing: u32) -> bool {
        let now = step::<SPAN>(at);
        if !self.sketches.is_empty() {
            return self.note(now, thing);
        }
        if let Some(known) = self.exact.iter_mut().find(|(known, _)| *known == thing) {
            let live = now.saturating_sub(known.1) < STEPS as u32;
            known.1 = known.1.max(now);
            return !live;
        }
        self.exact
            .retain(|(_, seen)| now.saturating_sub(*seen) < STEPS as u32);
        if self.exact.len() < EXACT_MAX {
            if self.exact.len() == self.exact.capacity() {
                // Most keys see one or two things in their life: growing by doubling from four would cost more than it saves.
                self.exact.reserve_exact(self.exact.len().max(1));
            }
            self.exact.push((thing, now));
            return true;
        }
        for (known, seen) in std::mem::take(&mut self.exact) {
            self.note(seen, known);
        }
        self.note(now, thing)
    }

    /// How many as it stands at `at`.
    pub(crate) fn count(&self, at: Timestamp) -> u32 {
        let now = step::<SPAN>(at);
        let live = |seen: u32| now.saturating_sub(seen) < STEPS as u32;
        if self.sketches.is_empty() {
            return self.exact.iter().filter(|(_, seen)| live(*seen)).count() as u32;
        }
        let mut union = [0_u8; REGISTERS];
        for sketch in self.sketches.iter().filter(|sketch| live(sketch.step)) {
            for (most, rank) in union.iter_mut().zip(&sketch.registers) {
                *most = (*most).max(*rank);
            }
        }
        estimate(&union)
    }

    /// Is it among those of the span? Only certain while they are few; of many, `false`.
    pub(crate) fn contains(&self, at: Timestamp, thing: u32) -> bool {
        let now = step::<SPAN>(at);
        self.exact
            .iter()
            .any(|(known, seen)| *known == thing && now.saturating_sub(*seen) < STEPS as u32)
    }

    /// Bytes beside the struct itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.exact.capacity() * 8
            + self.sketches.capacity() * size_of::<Sketch>()
            + self.sketches.len() * REGISTERS
    }

    fn note(&mut self, step: u32, thing: u32) -> bool {
        self.sketches
            .retain(|sketch| step.saturating_sub(sketch.step) < STEPS as u32);
        let place = match self.sketches.iter().position(|one| one.step == step) {
            Some(place) => place,
            None => {
                self.sketches.push(Sketch {
                    step,
                    registers: vec![0; REGISTERS],
                });
                self.sketches.len() - 1
            }
        };
        let hash = mix(u64::from(thing));
        let register = (hash % REGISTERS as u64) as usize;
        let rank = ((hash / REGISTERS as u64).trailing_zeros() + 1).min(56) as u8;
        let seen = self
            .sketches
            .iter()
            .any(|one| one.registers[register] >= rank);
        let most = &mut self.sketches[place].registers[register];
        *most = (*most).max(rank);
        !seen
    }
}

/// HyperLogLog's estimate, with linear counting where registers are still empty.
fn estimate(registers: &[u8; REGISTERS]) -> u32 {
    let many = REGISTERS as f64;
    let sum: f64 = registers
        .iter()
        .map(|rank| (-f64::from(*rank)).exp2())
        .sum();
    let raw = 0.7213 / (1.0 + 1.079 / many) * many * many / sum;
    let empty = registers.iter().filter(|rank| **rank == 0).count();
    if raw <= 2.5 * many && empty > 0 {
        return (many * (many / empty as f64).ln()).round() as u32;
    }
    raw.round() as u32
}

/// Spreads a number over 64 bits (the finaliser of SplitMix64).
pub(crate) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::window::HOUR;
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn few_are_counted_exactly() {
        let mut distinct = Distinct::<HOUR>::default();
        for turn in 0..400 {
            distinct.add(START, turn % EXACT_MAX as u32);
        }
        assert_eq!(distinct.count(START), EXACT_MAX as u32);
        assert!(distinct.contains(START, 3) && !distinct.contains(START, 1000));
        assert_eq!(distinct.count(START.plus_secs(3600)), 0);
    }

    #[test]
    fn many_are_estimated_within_a_tenth() {
        for many in [200_u32, 1000, 20_000] {
            let mut distinct = Distinct::<HOUR>::default();
            for thing in 0..many {
                distinct.add(START.plus_secs(i64::from(thing % 3000)), thing);
            }
            let count = distinct.count(START.plus_secs(3000));
            assert!(count.abs_diff(many) * 10 < many, "{count} of {many}");
            assert!(distinct.heap_bytes() < 6000, "{}", distinct.heap_bytes());
        }
    }

    #[test]
    fn what_was_seen_again_stays() {
        let mut distinct = Distinct::<HOUR>::default();
        assert!(distinct.add(START, 1));
        assert!(!distinct.add(START.plus_secs(3000), 1));
        assert_eq!(distinct.count(START.plus_secs(5000)), 1);
        assert!(distinct.add(START.plus_secs(9000), 1));
    }
}
