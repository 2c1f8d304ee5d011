//! The gate before reported labels: do they make wanted mail look unwanted?
//!
//! The last messages that trusted people called wanted are judged again after each batch of labels by users. When more of them are likely unwanted than
//! before, the batch is taken back, by rows that say so: every node sees the same log. (Reject on negative impact, Nelson et al. 2008.)

use std::collections::VecDeque;

use learn::{Course, Seen};

/// Wanted messages judged again.
pub(super) const GATED: u32 = 200;
/// What is likely unwanted, as policies see it.
const LIKELY: f64 = 0.95;

/// The messages, and how many of them are likely unwanted now.
#[derive(Default)]
pub(super) struct Gate {
    ham: VecDeque<Seen>,
    hit: usize,
}

impl Gate {
    /// Another message that trusted people called wanted.
    pub(super) fn add(&mut self, seen: Seen) {
        if self.ham.len() >= GATED as usize {
            self.ham.pop_front();
        }
        self.ham.push_back(seen);
    }

    /// Counts anew; how many more are hit than before.
    pub(super) fn more_hit(&mut self, course: &Course) -> usize {
        let likely = |seen: &&Seen| course.judge(seen, None).1.probability >= LIKELY;
        let hit = self.ham.iter().filter(likely).count();
        let more = hit.saturating_sub(self.hit);
        self.hit = hit;
        more
    }

    /// Begins anew with these messages, as this course judges them.
    pub(super) fn fill(&mut self, ham: impl Iterator<Item = Seen>, course: &Course) {
        *self = Self::default();
        ham.for_each(|seen| self.add(seen));
        self.more_hit(course);
    }
}
