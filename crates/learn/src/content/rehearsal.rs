//! Trusted lessons kept for a while, because one step is not all there is to learn from them.
//!
//! Two things are done with them. While few labels are known, some of those before are taught again beside each new one: rehearsal (Robins 1995), which
//! makes few labels go further. And spam is taught as it would look with the body of wanted mail pasted behind it, so that words which speak for a
//! message come to weigh less than those which speak against it: who adds words can only add the former (Lowd, Meek 2005; training on what an attacker
//! would send, Goodfellow et al. 2015). What both bring is measured in `docs/accuracy.md`.

use std::collections::VecDeque;

use crate::snapshot::Reader;
use crate::view::Seen;

/// Lessons kept, and bytes they may take: the oldest go first.
const LESSONS_MAX: usize = 500;
const BYTES_MAX: usize = 4 << 20;

/// The latest trusted lessons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    lessons: VecDeque<Packed>,
    bytes: usize,
}

/// One lesson, as few bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Packed {
    spam: bool,
    seen: Box<[u8]>,
}

impl Kept {
    /// Keeps one more.
    pub(super) fn keep(&mut self, seen: &Seen, spam: bool) {
        self.push(Packed {
            spam,
            seen: seen.to_bytes().into_boxed_slice(),
        });
        while self.lessons.len() > LESSONS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.lessons.pop_front() else {
                break;
            };
            self.bytes -= oldest.seen.len();
        }
    }

    fn push(&mut self, lesson: Packed) {
        self.bytes += lesson.seen.len();
        self.lessons.push_back(lesson);
    }

    /// Any of them: what was seen, and was it spam? Which, is decided by `draw` alone, so that the same course of lessons comes to the same model everywhere.
    pub(super) fn any(&self, draw: u64) -> Option<(Seen, bool)> {
        let lesson = self.lessons.get(place(draw, self.lessons.len())?)?;
        Some((Seen::from_bytes(&lesson.seen)?, lesson.spam))
    }

    /// Any that was wanted, likewise.
    pub(super) fn wanted(&self, draw: u64) -> Option<Seen> {
        let from = place(draw, self.lessons.len())?;
        let mut onward = self.lessons.iter().skip(from).chain(&self.lessons);
        Seen::from_bytes(&onward.find(|lesson| !lesson.spam)?.seen)
    }

    /// ```text
    /// count u32   of each: spam u8  length u32  what was seen
    /// ```
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&(self.lessons.len() as u32).to_le_bytes());
        for lesson in &self.lessons {
            bytes.push(u8::from(lesson.spam));
            bytes.extend_from_slice(&(lesson.seen.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&lesson.seen);
        }
    }

    /// Reads [`Kept::write`]; `None` when it is not that, or more than is ever kept.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut kept = Self::default();
        for _ in 0..reader.u32()? {
            let spam = match reader.take(1)? {
                [0] => false,
                [1] => true,
                _ => return None,
            };
            let length = reader.u32()?;
            let seen = reader.take(length as usize)?;
            // Not only now: a lesson that cannot be read would be passed over in silence later.
            Seen::from_bytes(seen)?;
            kept.push(Packed {
                spam,
                seen: seen.into(),
            });
            if kept.lessons.len() > LESSONS_MAX || kept.bytes > BYTES_MAX {
                return None;
            }
        }
        Some(kept)
    }
}

/// A place below `count` that looks drawn by chance (SplitMix64's mixer, Steele et al. 2014).
fn place(draw: u64, count: usize) -> Option<usize> {
    let mut mixed = draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (count > 0).then(|| (mixed % count as u64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Features;

    fn seen(ids: std::ops::Range<u32>) -> Seen {
        Seen {
            tokens: Features {
                ids: ids.collect(),
                header: 0,
            },
            ..Seen::default()
        }
    }

    #[test]
    fn the_oldest_go_first_and_what_is_drawn_is_drawn_again() {
        let mut kept = Kept::default();
        assert_eq!((kept.any(1), kept.wanted(1)), (None, None));
        for number in 0..LESSONS_MAX as u32 + 50 {
            kept.keep(&seen(number..number + 3), number.is_multiple_of(2));
        }
        assert_eq!(kept.lessons.len(), LESSONS_MAX);
        let mut drawn: Vec<u32> = (0..2000)
            .map(|draw| {
                let (any, spam) = kept.any(draw).expect("there are some");
                assert_eq!(spam, any.tokens.ids[0].is_multiple_of(2));
                assert_eq!(kept.any(draw), Some((any.clone(), spam)));
                let wanted = kept.wanted(draw).expect("there are some");
                assert!(!wanted.tokens.ids[0].is_multiple_of(2));
                any.tokens.ids[0]
            })
            .collect();
        assert!(drawn.iter().all(|number| *number >= 50));
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() > LESSONS_MAX * 9 / 10, "{}", drawn.len());
        let mut spam_only = Kept::default();
        spam_only.keep(&seen(0..3), true);
        assert_eq!(spam_only.wanted(7), None);
    }

    #[test]
    fn long_ones_do_not_take_more_room() {
        let mut kept = Kept::default();
        for number in 0..LESSONS_MAX as u32 {
            kept.keep(&seen(number..number + 30_000), false);
        }
        assert!(kept.bytes <= BYTES_MAX && kept.lessons.len() > 40);
        let mut bytes = Vec::new();
        kept.write(&mut bytes);
        let mut reader = Reader(&bytes);
        assert_eq!(Kept::read(&mut reader), Some(kept));
        assert!(reader.0.is_empty());
        for end in [0, 3, 5, 9, bytes.len() / 2, bytes.len() - 1] {
            assert_eq!(Kept::read(&mut Reader(&bytes[..end])), None, "{end}");
        }
        let mut other = bytes;
        other[4] = 2;
        assert_eq!(Kept::read(&mut Reader(&other)), None);
    }
}
