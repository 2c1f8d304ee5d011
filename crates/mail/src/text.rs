//! The one normal form of text in which terms are looked for.
//!
//! What a reader takes for the same word must be the same bytes here: case, full-width letters, ligatures,
//! invisible characters and white space do not tell words apart. Policies' terms go through the same
//! door as messages, so both sides always agree.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// Brings text into normal form: NFKC, lower case, no invisible characters, every run of white space one
/// space, none at the ends. White space that holds a line break vanishes between two CJK characters, because their
/// text wraps anywhere.
///
/// Never longer than 18 times the input (the longest NFKC expansion), and doing it twice changes nothing more.
pub fn normalise(text: &str) -> String {
    if text.is_ascii() {
        return collapse(text.chars().map(|c| c.to_ascii_lowercase()), text.len());
    }
    let once = fold(text);
    // Lower case can break normal form again, and removing a character can bring two together that compose;
    // a second round settles the few texts where that happens.
    let twice = fold(&once);
    if once == twice { once } else { fold(&twice) }
}

fn fold(text: &str) -> String {
    let visible = text.chars().filter(|c| !is_invisible(*c));
    if is_nfkc_quick(visible.clone()) == IsNormalized::Yes {
        collapse(visible.flat_map(char::to_lowercase), text.len())
    } else {
        collapse(visible.nfkc().flat_map(char::to_lowercase), text.len())
    }
}

fn collapse(chars: impl Iterator<Item = char>, bytes: usize) -> String {
    let mut out = String::with_capacity(bytes);
    let mut last = None;
    let mut space = Space::No;
    for c in chars {
        if c.is_whitespace() || c.is_control() {
            space = space.and(c);
            continue;
        }
        if let Some(last) = last {
            match space {
                Space::No => {}
                Space::Line if is_cjk(last) && is_cjk(c) => {}
                Space::Line | Space::Plain => out.push(' '),
            }
        }
        space = Space::No;
        last = Some(c);
        out.push(c);
    }
    out
}

#[derive(Clone, Copy)]
enum Space {
    No,
    Plain,
    Line,
}

impl Space {
    const fn and(self, c: char) -> Self {
        match (self, c) {
            (Self::Line, _) | (_, '\n' | '\r') => Self::Line,
            _ => Self::Plain,
        }
    }
}

/// Characters that take no place on the screen: zero-width and direction controls, soft hyphen, variation
/// selectors, tags. They hide words from filters and are never needed to find one.
pub const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{e0000}'..='\u{e0fff}')
}

/// Is this a character of a script written without spaces, where each character counts as a word?
pub const fn is_cjk(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// For each of the ascending byte offsets into `normal`: how many words begin before it. A word is a run of letters
/// and digits, or one CJK character.
pub fn word_numbers(normal: &str, sorted_offsets: &[usize]) -> Vec<u32> {
    let mut numbers = Vec::with_capacity(sorted_offsets.len());
    let mut wanted = sorted_offsets.iter().copied().peekable();
    let mut words = 0_u32;
    let mut within = false;
    for (at, c) in normal.char_indices() {
        while wanted.next_if(|offset| *offset <= at).is_some() {
            numbers.push(words);
        }
        if wanted.peek().is_none() {
            return numbers;
        }
        let single = is_cjk(c);
        let letter = !single && c.is_alphanumeric();
        if single || (letter && !within) {
            words = words.saturating_add(1);
        }
        within = letter;
    }
    numbers.extend(wanted.map(|_| words));
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        for (text, normal) in [
            ("  Hello\r\n\tWorld ", "hello world"),
            ("ＶＩＡＧＲＡ", "viagra"),
            ("v\u{200b}i\u{ad}a\u{2060}gra", "viagra"),
            ("ﬁnance", "finance"),
            ("代\r\n开\n 发票", "代开发票"),
            ("代 开", "代 开"),
            ("Straße ÄÖ", "straße äö"),
            ("a\u{a0}b\u{3000}c", "a b c"),
            ("", ""),
        ] {
            assert_eq!(normalise(text), normal, "{text:?}");
        }
    }

    #[test]
    fn words_are_counted_before_an_offset() {
        let text = "wire the transfer 发票 now";
        let at = |word: &str| text.find(word).expect("it is there");
        let offsets = [
            at("wire"),
            at("the"),
            at("transfer"),
            at("发"),
            at("票"),
            at("now"),
        ];
        assert_eq!(word_numbers(text, &offsets), [0, 1, 2, 3, 4, 5]);
        assert_eq!(word_numbers(text, &[text.len(), 10_000]), [6, 6]);
    }

    proptest! {
        #[test]
        fn doing_it_twice_changes_nothing(text in "\\PC{0,60}") {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }

        #[test]
        fn never_much_longer(text in any::<String>()) {
            prop_assert!(normalise(&text).len() <= text.len() * 18);
        }

        #[test]
        fn one_number_for_each_offset(text in "\\PC{0,40}", mut offsets in prop::collection::vec(0_usize..200, 0..10)) {
            offsets.sort_unstable();
            let numbers = word_numbers(&text, &offsets);
            prop_assert_eq!(numbers.len(), offsets.len());
            prop_assert!(numbers.is_sorted());
        }
    }
}
