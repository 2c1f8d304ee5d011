//! What is done to hostile bytes before a parser sees them, and what the bytes alone tell.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memmem};

use super::Oddity;

/// Longest line of RFC 5322 §2.1.1, without its line break.
const LINE_BYTES_MAX: usize = 998;

/// The bytes with all but the first `nested_max` occurrences of `message/` masked, so that deeper nested messages are
/// opaque files to the parser. `mail-parser` 0.11 has no limit of its own: some 25,000 levels (725 kB) overflow
/// the stack when its result is dropped, which nothing can catch. Masking keeps every offset.
pub(super) fn without_deep_nesting(
    raw: &[u8],
    nested_max: usize,
) -> (Cow<'_, [u8]>, Option<Oddity>) {
    let mut at = 0;
    let mut seen = 0;
    let mut masked: Option<Vec<u8>> = None;
    // "essage/" is spelled the same in nearly all mail; the loop below settles the case of every letter.
    while let Some(slash) = next_candidate(raw, at) {
        let start = slash - MESSAGE.len();
        at = slash + 1;
        if !raw[start..slash].eq_ignore_ascii_case(MESSAGE) {
            continue;
        }
        seen += 1;
        if seen > nested_max {
            masked.get_or_insert_with(|| raw.to_vec())[start..slash].copy_from_slice(b"opaque-");
        }
    }
    match masked {
        Some(masked) => (masked.into(), Some(Oddity::TooDeep)),
        None => (raw.into(), None),
    }
}

const MESSAGE: &[u8] = b"message";

/// The next slash that may follow `message`, at or after `from`.
fn next_candidate(raw: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let slash = at + memchr(b'/', raw.get(at..)?)?;
        if slash >= MESSAGE.len() && raw[slash - 1].eq_ignore_ascii_case(&b'e') {
            return Some(slash);
        }
        at = slash + 1;
    }
}

/// Oddities of the bytes, whatever they mean: NUL, mixed line endings, long lines.
pub(super) fn of_bytes(raw: &[u8], report: &mut impl FnMut(Oddity)) {
    if memchr(0, raw).is_some() {
        report(Oddity::NulByte);
    }
    let mut line_start = 0;
    let (mut crlf, mut lf, mut long) = (0_usize, 0_usize, false);
    for end in memchr_iter(b'\n', raw) {
        let has_cr = end > 0 && raw[end - 1] == b'\r';
        if has_cr {
            crlf += 1;
        } else {
            lf += 1;
        }
        long |= end - line_start > LINE_BYTES_MAX + 1;
        line_start = end + 1;
    }
    long |= raw.len() - line_start > LINE_BYTES_MAX;
    let bare_cr = memchr_iter(b'\r', raw).count() > crlf;
    // A file saved with LF only is whole; both kinds in one message never came over a clean wire.
    if bare_cr || (crlf > 0 && lf > 0) {
        report(Oddity::BareLineEnding);
    }
    if long {
        report(Oddity::LongLine);
    }
}

/// Where the body of a message starts: after the first empty line, or at the end.
pub fn body_start(raw: &[u8]) -> usize {
    if raw.starts_with(b"\r\n") {
        return 2;
    }
    if raw.starts_with(b"\n") {
        return 1;
    }
    let crlf = memmem::find(raw, b"\r\n\r\n").map(|at| at + 4);
    let lf = memmem::find(&raw[..crlf.unwrap_or(raw.len())], b"\n\n").map(|at| at + 2);
    lf.or(crlf).unwrap_or(raw.len())
}
