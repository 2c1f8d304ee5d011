//! Traditional Chinese characters as simplified ones: the same word, written in Taipei or in Beijing.

use std::sync::LazyLock;

/// The first and the last character that may have a simplified form.
const FIRST: char = '\u{3400}';
const LAST: char = '\u{faff}';

/// What each character from [`FIRST`] on becomes. Made once from the table of `fast2s`, whose own function takes whole texts only.
static SIMPLE: LazyLock<Vec<char>> = LazyLock::new(|| {
    let convert = |c: char| {
        let converted = fast2s::convert(c.encode_utf8(&mut [0; 4]));
        let mut chars = converted.chars();
        match (chars.next(), chars.next()) {
            (Some(to), None) => to,
            _ => c,
        }
    };
    let all = u32::from(FIRST)..=u32::from(LAST);
    // Twice: a form whose simplified form has one of its own ends there, so that folding again changes nothing.
    all.map(|code| char::from_u32(code).map_or(FIRST, |c| convert(convert(c))))
        .collect()
});

/// The simplified form of a character; itself when it has none.
pub(super) fn simplified(c: char) -> char {
    if !(FIRST..=LAST).contains(&c) {
        return c;
    }
    SIMPLE[(u32::from(c) - u32::from(FIRST)) as usize]
}
