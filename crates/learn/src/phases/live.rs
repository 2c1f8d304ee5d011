//! Phase 2: how often tokens are seen now.

use mail::Timestamp;
use mail::learnt::Frequency;

use crate::Key;
use crate::view::Arrival;

/// Tokens that are told apart, as a power of two.
const BITS: u32 = 15;
/// Slices of a period: an appearance is forgotten at most an eighth of the period early.
const SLICES: usize = 8;
const TOKEN: u64 = 202;

/// The live frequencies of one class.
pub struct Live {
    key: Key,
    counting: Frequency,
    slice_micros: i64,
    cells: Vec<Cell>,
}

/// A ring of slices: in each a number of appearances, or a set of sources by linear counting (Whang et al. 1990).
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    slices: [u64; SLICES],
    newest: i64,
}

impl Live {
    /// Nothing was seen yet. An appearance counts for `period_secs`.
    pub fn new(key: Key, counting: Frequency, period_secs: u32) -> Self {
        Self {
            key,
            counting,
            slice_micros: (i64::from(period_secs) * 1_000_000 / SLICES as i64).max(1),
            cells: vec![Cell::default(); 1 << BITS],
        }
    }

    /// How often a token was seen in the period that ends now.
    pub fn frequency(&self, token: &str, now: Timestamp) -> u32 {
        self.frequency_at(self.place(token), now)
    }

    /// The same of a token by its number.
    pub fn frequency_of(&self, token: u32, now: Timestamp) -> u32 {
        self.frequency_at(self.place_of(token), now)
    }

    fn frequency_at(&self, place: usize, now: Timestamp) -> u32 {
        let cell = &self.cells[place];
        let newest = now.0.div_euclid(self.slice_micros);
        let live = (newest - SLICES as i64 + 1..=newest)
            .filter(|slice| *slice <= cell.newest && *slice > cell.newest - SLICES as i64)
            .map(|slice| cell.slices[slice.rem_euclid(SLICES as i64) as usize]);
        match self.counting {
            Frequency::Raw => u32::try_from(live.sum::<u64>()).unwrap_or(u32::MAX),
            Frequency::Sources => different(live.fold(0, |all, one| all | one)),
        }
    }

    /// Counts an appearance. What comes late is counted in the newest slice.
    pub fn count(&mut self, token: &str, arrival: &Arrival) {
        self.count_at(self.place(token), arrival);
    }

    /// The same of a token by its number.
    pub fn count_of(&mut self, token: u32, arrival: &Arrival) {
        self.count_at(self.place_of(token), arrival);
    }

    fn count_at(&mut self, place: usize, arrival: &Arrival) {
        let cell = &mut self.cells[place];
        let slice = arrival.at.0.div_euclid(self.slice_micros);
        if slice > cell.newest {
            for passed in 0..(slice - cell.newest).min(SLICES as i64) {
                cell.slices[(slice - passed).rem_euclid(SLICES as i64) as usize] = 0;
            }
            cell.newest = slice;
        }
        let value = &mut cell.slices[cell.newest.rem_euclid(SLICES as i64) as usize];
        match self.counting {
            Frequency::Raw => *value = value.saturating_add(1).min(u64::from(u32::MAX)),
            Frequency::Sources => *value |= 1 << (self.key.number(TOKEN, arrival.source) >> 58),
        }
    }

    fn place_of(&self, token: u32) -> usize {
        (self.key.number(TOKEN, u64::from(token)) >> (64 - BITS)) as usize
    }

    fn place(&self, token: &str) -> usize {
        (self.key.bytes(TOKEN, token.as_bytes()) >> (64 - BITS)) as usize
    }
}

/// About how many different values set these bits: good to a tenth up to some thirty, then it only says "many".
pub(crate) fn different(bits: u64) -> u32 {
    let empty = bits.count_zeros();
    if empty == 0 {
        return 267;
    }
    (64.0 * (64.0 / f64::from(empty)).ln()).round() as u32
}
