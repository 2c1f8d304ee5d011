//! The one normal form of text in which terms are looked for.
//!
//! What a reader takes for the same word must be the same bytes here: case, full-width letters, ligatures,
//! invisible characters and white space do not tell words apart. Policies' terms go through the same
//! door as messages, so both sides always agree.

use std::ops::Range;

mod disguise;
mod fold;
mod han;

/// Text and its normal form: what was written, what is compared, and where one stands in the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    original: String,
    normal: Normal,
}

impl Text {
    /// Brings `original` into normal form, once.
    pub fn new(original: String) -> Self {
        let normal = Normal::of(&original);
        Self { original, normal }
    }

    /// As it was written.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// As it is compared.
    pub const fn normal(&self) -> &Normal {
        &self.normal
    }

    /// The written text that a range of the normal form came from, with up to `around` characters on each side.
    pub fn excerpt(&self, range: Range<usize>, around: usize) -> (String, bool, bool) {
        let range = self.normal.original(range, &self.original);
        let before = self.original[..range.start].char_indices().rev();
        let start = before.take(around).last().map_or(range.start, |(at, _)| at);
        let after = self.original[range.end..].char_indices();
        let end = after
            .take(around)
            .last()
            .map_or(range.end, |(at, c)| range.end + at + c.len_utf8());
        let shown = self.original[start..end]
            .chars()
            .filter(|c| !is_invisible(*c))
            .collect();
        (shown, start > 0, end < self.original.len())
    }
}

/// A text reads as what was written.
impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.original
    }
}

/// The normal form of a text: NFKC, lower case, no invisible characters, Chinese in simplified characters, letters of other scripts
/// that stand in for Latin ones inside a Latin word read as those, s p a c e d  o u t words closed, every run of white space one space, none
/// at the ends. White space that holds a line break vanishes between two CJK characters, because their text wraps anywhere.
///
/// Never longer than 18 times the input (the longest NFKC expansion), and doing it twice changes nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normal {
    text: String,
    /// Where the distance between normal form and original changes: offset here, offset there. Ascending.
    steps: Vec<(u32, u32)>,
    /// How often something was undone that only hides words: characters without width inside words, letters of another script,
    /// spaced-out words.
    disguises: u32,
}

impl Normal {
    /// The normal form of `text`. Offsets are kept in 32 bits: of longer text only the first 4 GiB are looked at.
    pub fn of(text: &str) -> Self {
        let text = &text[..crate::address::floor_char_boundary(text, u32::MAX as usize)];
        let mut normal = disguise::undo(fold::fold(text));
        // Lower case can break normal form again, and removing a character can bring two together that compose; further
        // rounds settle the few texts where that happens.
        for _ in 0..3 {
            if normal.text.is_ascii() {
                break;
            }
            let again = disguise::undo(fold::fold(&normal.text));
            if again.text == normal.text {
                break;
            }
            normal = normal.then(again);
        }
        normal
    }

    /// The text that is compared.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How often words were found disguised: invisible characters inside, letters of another script, spaced out.
    pub const fn disguises(&self) -> u32 {
        self.disguises
    }

    /// Which bytes of `original` (the text this was made from) a range of the normal form came from.
    pub fn original(&self, range: Range<usize>, original: &str) -> Range<usize> {
        let floor = |at: usize| crate::address::floor_char_boundary(original, at);
        let start = floor(self.place(range.start));
        // The end is where the last character ends, not where the next one begins: what was left out between is not part of it.
        let last = self.text[..range.end.min(self.text.len())]
            .char_indices()
            .next_back()
            .map_or(0, |(at, _)| at);
        let last = floor(self.place(last.max(range.start)));
        let end = original[last..]
            .chars()
            .next()
            .map_or(last, |c| last + c.len_utf8());
        start..end.max(start)
    }

    fn place(&self, at: usize) -> usize {
        let step = self.steps.partition_point(|(here, _)| *here as usize <= at);
        match step.checked_sub(1).map(|step| self.steps[step]) {
            Some((here, there)) => there as usize + (at - here as usize),
            None => at,
        }
    }

    /// The normal form of this normal form, with places in the first original.
    fn then(self, second: Self) -> Self {
        let mut writer = Writer::with_capacity(second.text.len());
        let mut last = 0;
        for (at, c) in second.text.char_indices() {
            // What was put together of several characters twice must not lead back behind what stands before it.
            last = last.max(self.place(second.place(at)));
            writer.push(c, last);
        }
        writer.normal.disguises = self.disguises + second.disguises;
        writer.normal
    }
}

/// Writes a normal form and notes where its distance to the original changes.
struct Writer {
    normal: Normal,
    /// The last distance, as the offset in the original where offset 0 of the normal form would be.
    distance: i64,
}

impl Writer {
    fn with_capacity(bytes: usize) -> Self {
        Self {
            normal: Normal {
                text: String::with_capacity(bytes),
                ..Normal::default()
            },
            distance: 0,
        }
    }

    /// Adds a character that came from `from` in the original.
    fn push(&mut self, c: char, from: usize) {
        let here = self.normal.text.len();
        let distance = from as i64 - here as i64;
        if distance != self.distance {
            self.normal.steps.push((here as u32, from as u32));
            self.distance = distance;
        }
        self.normal.text.push(c);
    }
}

/// The normal form of a text, where only that is wanted.
pub fn normalise(text: &str) -> String {
    Normal::of(text).text
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
            ("代開發票", "代开发票"),
            ("рaураl ассоunt", "paypal account"),
            ("Виагра сосна", "виагра сосна"),
            ("buy V I A G R A now", "buy viagra now"),
            ("v-i-a-g-r-a, f.r.e.e", "viagra, free"),
            ("U.S.A. a b c, 1 2 3 4 5", "u.s.a. a b c, 1 2 3 4 5"),
            ("ᴠɪᴀɢʀᴀ 🅵🆁🅴🅴 𝐟𝐫𝐞𝐞", "viagra free free"),
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

    #[test]
    fn what_is_found_stands_somewhere_in_what_was_written() {
        for (text, word, written) in [
            ("  Hello\r\n\tWorld ", "world", "World"),
            ("see ＶＩＡＧＲＡ here", "viagra", "ＶＩＡＧＲＡ"),
            ("a v\u{200b}i\u{ad}agra b", "viagra", "v\u{200b}i\u{ad}agra"),
            ("ﬁne ﬁnance!", "finance", "ﬁnance"),
            ("buy V I A G R A now", "viagra", "V I A G R A"),
            ("your РayРаl is", "paypal", "РayРаl"),
            ("我們代\r\n開發票", "代开发票", "代\r\n開發票"),
            ("İ İ İ word", "word", "word"),
            ("e\u{301}e\u{301} naïve", "naïve", "naïve"),
            ("a \u{301}\u{301}Ａр\u{301} b", "aṕ", "Ａр"),
        ] {
            let normal = Normal::of(text);
            let at = normal
                .text()
                .find(word)
                .unwrap_or_else(|| panic!("{word} is in {:?}", normal.text()));
            assert_eq!(
                &text[normal.original(at..at + word.len(), text)],
                written,
                "{text:?}"
            );
        }
    }

    #[test]
    fn disguises_are_counted() {
        for (text, count) in [
            ("Plain text, naïve and straight", 0),
            ("v\u{200b}iagra", 1),
            ("раypal and V I A G R A", 2),
            ("نامه\u{200c}ای 👨\u{200d}👩", 0),
        ] {
            assert_eq!(Normal::of(text).disguises(), count, "{text:?}");
        }
    }

    #[test]
    fn places_never_lead_back() {
        let text = "a \u{301}\u{301}Ａр\u{301}";
        let normal = Normal::of(text);
        let places = normal.text().char_indices();
        let starts: Vec<usize> = places
            .map(|(at, c)| normal.original(at..at + c.len_utf8(), text).start)
            .collect();
        assert!(starts.is_sorted(), "{starts:?}");
    }

    proptest! {
        #[test]
        fn every_place_is_in_the_original(text in "[a-zA-Z а-яﬁＡ開\\u{200b}\\u{301}.\\-]{0,40}") {
            let normal = Normal::of(&text);
            let mut last = 0;
            for (at, c) in normal.text().char_indices() {
                let found = normal.original(at..at + c.len_utf8(), &text);
                prop_assert!(found.start >= last, "{} in {:?}", at, text);
                prop_assert!(found.end <= text.len());
                last = found.start;
            }
        }

        #[test]
        fn doing_it_twice_changes_nothing(text in "\\PC{0,60}|[a-d а-я.\\-]{0,30}") {
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
