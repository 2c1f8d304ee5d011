//! Windows of four bytes over the beginning of header and body.

use mail::{Skim, SkimField};

use super::{BITS, Features, Marks};
use crate::Key;

/// Bytes of the header looked at.
const HEADER_BYTES: usize = 3000;
/// Bytes of the body looked at.
const BODY_BYTES: usize = 3000;
/// Of them at the end of a longer text.
const TAIL_BYTES: usize = 1000;
/// Header and body are told apart.
const HEADER: u64 = 1;
const BODY: u64 = 2;

pub(super) fn see(
    key: &Key,
    fields: &[SkimField<'_>],
    skim: &Skim<'_>,
    marks: &mut Marks,
) -> Features {
    let mut window = Window::new(key, HEADER, HEADER_BYTES);
    for field in fields {
        window.run(field.name, marks);
        window.run(b":", marks);
        window.run(field.value, marks);
        window.run(b"\n", marks);
    }
    let header = marks.len();
    let mut window = Window::new(key, BODY, BODY_BYTES);
    for text in skim.parts.iter().filter_map(|part| part.text.as_deref()) {
        let (first, last) = ends(text, window.left);
        window.run(first.as_bytes(), marks);
        window.run(b"\n", marks);
        window.run(last.as_bytes(), marks);
    }
    marks.take(header)
}

/// A window that moves on over several pieces of text.
struct Window<'k> {
    key: &'k Key,
    seed: u64,
    last: u32,
    filled: u32,
    left: usize,
}

impl<'k> Window<'k> {
    const fn new(key: &'k Key, seed: u64, left: usize) -> Self {
        Self {
            key,
            seed,
            last: 0,
            filled: 0,
            left,
        }
    }

    #[inline]
    fn run(&mut self, text: &[u8], marks: &mut Marks) {
        let text = &text[..text.len().min(self.left)];
        self.left -= text.len();
        for byte in text {
            self.last = self.last << 8 | u32::from(*byte);
            self.filled += 1;
            if self.filled >= 4 {
                marks.add(self.key.gram(self.seed, self.last, BITS));
            }
        }
    }
}

/// The beginning of a text, and its end where it is too long to be looked at whole: what is pasted before a message does not hide it.
pub(super) fn ends(text: &str, room: usize) -> (&str, &str) {
    if text.len() <= room || room <= TAIL_BYTES {
        return (&text[..text.floor_char_boundary(room)], "");
    }
    let first = text.floor_char_boundary(room - TAIL_BYTES);
    let last = text.ceil_char_boundary(text.len() - TAIL_BYTES);
    (&text[..first], &text[last..])
}
