//! One view's weights: for each feature one weight of each head, and how much was learnt from it already.

use crate::view::{BITS, Features};

/// Heads: one for trusted labels, one for all.
pub(super) const HEADS: usize = 2;
/// Features of the header and of the body are judged apart.
pub(super) const SIDES: usize = 2;
/// Weights are whole numbers of this size: sums come out alike on every machine.
const UNIT: f64 = 1.0 / (1 << 20) as f64;
/// How much was learnt from a feature is counted in this many pieces of an error of one.
const MASS_UNIT: u16 = 32;
/// Features of a stretch of a body, and how far the most suspicious one is heard above the whole.
const STRETCH: usize = 256;
const STRETCH_SUSPICION: f64 = 0.7;
/// Different rates: half-octaves of a 16-bit count.
const LEVELS: usize = 24;

/// The weights of a view.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) cells: Vec<Cell>,
}

/// One feature. Everything of it lies together: fetching it from memory is what learning costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// One of each head.
    pub(super) weights: [i32; HEADS],
    /// How much was learnt from it.
    pub(super) mass: u16,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            cells: vec![Cell::default(); 1 << BITS],
        }
    }

    /// The score of each head: the sum of weights over the root of the number of features, so that long messages count no more than short ones.
    pub(super) fn scores(&self, ids: &[u32]) -> [f64; HEADS] {
        normal(self.sums(ids), ids.len())
    }

    /// The scores of a body: of the whole, moved towards that of its most suspicious stretch. Words pasted around a message change the whole, but
    /// not the stretch that is the message.
    pub(super) fn body_scores(&self, ids: &[u32]) -> [f64; HEADS] {
        let mut sums = [0; HEADS];
        let mut most = [f64::NEG_INFINITY; HEADS];
        for stretch in ids.chunks(STRETCH) {
            let stretch_sums = self.sums(stretch);
            let scores = normal(stretch_sums, stretch.len());
            for head in 0..HEADS {
                sums[head] += stretch_sums[head];
                if stretch.len() >= STRETCH / 2 {
                    most[head] = most[head].max(scores[head]);
                }
            }
        }
        let mut scores = normal(sums, ids.len());
        for (score, most) in scores.iter_mut().zip(most) {
            *score += STRETCH_SUSPICION * (most - *score).max(0.0);
        }
        scores
    }

    fn sums(&self, ids: &[u32]) -> [i64; HEADS] {
        let mut sums = [0_i64; HEADS];
        for id in ids {
            let weights = self.cells[*id as usize].weights;
            sums[0] += i64::from(weights[0]);
            sums[1] += i64::from(weights[1]);
        }
        sums
    }

    /// What one of so many features adds to the score of each head.
    pub(super) fn weights(&self, id: u32, features: usize) -> [f64; HEADS] {
        let weights = self
            .cells
            .get(id as usize)
            .map_or([0; HEADS], |cell| cell.weights);
        normal(weights.map(i64::from), features)
    }

    /// Moves the weights of what was seen by the heads' gradients.
    ///
    /// A feature's rate falls with the fourth root of the errors it was part of: slowly enough to follow mail as it changes, and measured to
    /// halve the error on small collections against one rate for all (`docs/accuracy.md`).
    pub(super) fn learn(&mut self, ids: &[u32], gradients: [f64; HEADS], error: f64) {
        let root = root(ids.len());
        let steps = gradients.map(|gradient| (gradient / root / UNIT).round() as i32);
        let mass = (error * f64::from(MASS_UNIT)).round() as u16;
        if steps == [0; HEADS] {
            // What is known already need not be written again.
            return;
        }
        let ladder = ladder(steps);
        for id in ids {
            let cell = &mut self.cells[*id as usize];
            let step = ladder[level(cell.mass)];
            cell.mass = cell.mass.saturating_add(mass);
            cell.weights[0] = cell.weights[0].wrapping_add(step[0]);
            cell.weights[1] = cell.weights[1].wrapping_add(step[1]);
        }
    }
}

fn root(features: usize) -> f64 {
    (features.max(1) as f64).sqrt()
}

fn normal(sums: [i64; HEADS], features: usize) -> [f64; HEADS] {
    let root = root(features);
    sums.map(|sum| sum as f64 * UNIT / root)
}

/// Half-octaves of the count, starting at one whole error.
fn level(mass: u16) -> usize {
    let whole = u32::from(mass) + u32::from(MASS_UNIT);
    let octave = whole.ilog2();
    let half = (whole >> (octave - 1)) & 1;
    (2 * (octave - MASS_UNIT.ilog2()) + half) as usize
}

/// The step of each head at each level: an eighth of an octave less each.
fn ladder(steps: [i32; HEADS]) -> [[i32; HEADS]; LEVELS] {
    let mut ladder = [[0; HEADS]; LEVELS];
    for (level, rung) in ladder.iter_mut().enumerate() {
        let factor = (-(level as f64) / 8.0).exp2();
        *rung = steps.map(|step| (f64::from(step) * factor).round() as i32);
    }
    ladder
}

impl Features {
    /// The features of the header or of the body.
    pub(super) fn side(&self, side: usize) -> &[u32] {
        let (header, body) = self.ids.split_at(self.header.min(self.ids.len()));
        if side == 0 { header } else { body }
    }
}
