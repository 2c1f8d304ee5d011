//! Words out of text, byte by byte.

use mail::text::is_cjk;

/// Longest word; what is longer is cut into several.
const WORD_BYTES_MAX: usize = 40;
/// Longest link.
const LINK_BYTES_MAX: usize = 500;

/// Calls `each` with every word of the text: runs of letters, digits and `.-_$`, and two neighbours each of characters of scripts written
/// without spaces.
#[inline]
pub(crate) fn each_word(text: &str, mut each: impl FnMut(&[u8])) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !IN_WORD[bytes[at] as usize] {
            at += 1;
            continue;
        }
        let start = at;
        let mut plain = true;
        while at < bytes.len() && IN_WORD[bytes[at] as usize] {
            plain &= bytes[at] < 0xe2;
            at += 1;
        }
        if plain {
            cut(&bytes[start..at], &mut each);
        } else {
            // Runs end at ASCII characters, which are never inside a longer one.
            without_spaces(&text[start..at], &mut each);
        }
    }
}

/// Calls `each` with every link written in the text, after `://`, until it says that it has enough.
pub(super) fn each_link(text: &str, mut each: impl FnMut(&str) -> bool) {
    for colon in memchr::memmem::find_iter(text.as_bytes(), b"://") {
        let rest = &text[colon + 3..];
        let rest = &rest[..rest.floor_char_boundary(LINK_BYTES_MAX)];
        let end = rest.find(|c: char| c.is_whitespace() || "\"'<>".contains(c));
        if !each(&rest[..end.unwrap_or(rest.len())]) {
            return;
        }
    }
}

/// A run with characters that may be of a script written without spaces.
fn without_spaces(run: &str, each: &mut impl FnMut(&[u8])) {
    let mut before: Option<usize> = None;
    let mut start = 0;
    for (at, c) in run.char_indices() {
        let end = at + c.len_utf8();
        if !is_cjk(c) {
            before = None;
            continue;
        }
        if start < at && before.is_none() {
            cut(&run.as_bytes()[start..at], each);
        }
        if let Some(before) = before {
            each(&run.as_bytes()[before..end]);
        }
        before = Some(at);
        start = end;
    }
    if start < run.len() {
        cut(&run.as_bytes()[start..], each);
    }
}

fn cut(word: &[u8], each: &mut impl FnMut(&[u8])) {
    for piece in word.chunks(WORD_BYTES_MAX) {
        each(piece);
    }
}

/// Bytes that belong to words.
const IN_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] =
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'$') || b >= 0x80;
        byte += 1;
    }
    table
};
