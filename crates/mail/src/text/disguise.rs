//! Words dressed up so that a person reads them and a program does not: letters of another script, letters set apart.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::{Normal, Writer, is_cjk};

/// Fewest letters set apart that are taken for a word: initials and enumerations are shorter.
const SPACED_LETTERS_MIN: usize = 4;
/// What stands between letters that are set apart.
const SEPARATORS: [char; 7] = [' ', '.', '-', '_', '*', '|', '+'];

/// Blocks with letters that look like Latin ones (UTS 39).
const BLOCKS: [std::ops::RangeInclusive<char>; 11] = [
    '\u{0180}'..='\u{02af}',   // Latin extended, phonetic
    '\u{0370}'..='\u{052f}',   // Greek, Cyrillic
    '\u{0530}'..='\u{058f}',   // Armenian
    '\u{13a0}'..='\u{13ff}',   // Cherokee
    '\u{1d00}'..='\u{1dbf}',   // small capitals
    '\u{2c60}'..='\u{2dff}',   // Latin extended C, Coptic, Georgian, Cyrillic extended
    '\u{a4d0}'..='\u{a4ff}',   // Lisu
    '\u{a640}'..='\u{a7ff}',   // Cyrillic extended, Latin extended D
    '\u{ab30}'..='\u{abbf}',   // Latin extended E, Cherokee
    '\u{10280}'..='\u{1044f}', // old alphabets with Latin shapes
    '\u{118a0}'..='\u{118ff}', // Warang Citi
];

/// The Latin letters a to z as small capitals; there is none of x.
const SMALL_CAPITALS: &str = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ";

/// The Latin letter or digit each of them looks like.
static LOOKALIKES: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let looks_like = |c: char| {
        let mut skeleton = unicode_security::skeleton(c.encode_utf8(&mut [0; 4]))
            .collect::<Vec<char>>()
            .into_iter();
        match (skeleton.next(), skeleton.next()) {
            (Some(to), None) if to.is_ascii_alphanumeric() => Some((c, to.to_ascii_lowercase())),
            _ => None,
        }
    };
    let mut table: HashMap<char, char> = BLOCKS
        .into_iter()
        .flatten()
        .filter_map(|c| {
            // Text is in lower case when it comes here, but a capital's shape is what was seen: В is b, not в.
            let upper = c.to_uppercase().next().filter(|upper| *upper != c);
            looks_like(c).or_else(|| upper.and_then(looks_like).map(|(_, to)| (c, to)))
        })
        .collect();
    // Small capitals, of which UTS 39 has some only, and letters in boxes: NFKC leaves both as they are.
    table.extend(
        SMALL_CAPITALS
            .chars()
            .zip("abcdefghijklmnopqrstuvwyz".chars()),
    );
    for (number, latin) in ('a'..='z').enumerate() {
        for first in ['\u{1f130}', '\u{1f150}', '\u{1f170}', '\u{1f1e6}'] {
            table.extend(char::from_u32(first as u32 + number as u32).map(|boxed| (boxed, latin)));
        }
    }
    table
});

/// Is it a Latin letter in a shape of its own? Such a one is read as the plain letter in any company.
const fn is_latin_variant(c: char) -> bool {
    matches!(c, '\u{0250}'..='\u{02af}' | '\u{1d00}'..='\u{1dbf}' | '\u{2c60}'..='\u{2c7f}' | '\u{a720}'..='\u{a7ff}' | '\u{ab30}'..='\u{ab6f}' | '\u{1f130}'..='\u{1f1ff}')
}

/// A part of the normal form that is replaced.
struct Edit {
    range: Range<usize>,
    /// Characters with their place in the text before.
    with: Vec<(char, usize)>,
}

/// Undoes the three disguises.
pub(super) fn undo(normal: Normal) -> Normal {
    let mut edits = marks(&normal.text);
    let bare = apply(normal, &edits);
    edits = spaced_words(&bare.text);
    let closed = apply(bare, &edits);
    edits = foreign_letters(&closed.text);
    apply(closed, &edits)
}

fn apply(normal: Normal, edits: &[Edit]) -> Normal {
    if edits.is_empty() {
        return normal;
    }
    let mut writer = Writer::with_capacity(normal.text.len());
    let mut edits = edits.iter().peekable();
    let mut skip_to = 0;
    for (at, c) in normal.text.char_indices() {
        if let Some(edit) = edits.next_if(|edit| edit.range.start == at) {
            for (c, from) in &edit.with {
                writer.push(*c, normal.place(*from));
            }
            skip_to = edit.range.end;
            writer.normal.disguises += 1;
        }
        if at >= skip_to {
            writer.push(c, normal.place(at));
        }
    }
    writer.normal.disguises += normal.disguises;
    writer.normal
}

/// Marks of other scripts on Latin letters, and strokes through them: `aܿmܿaܿzܿoܿn`, `o̷r̷d̷e̷r̷`. Accents that a language writes on
/// a letter are no disguise; those that did not compose with it (Yoruba's m̀) stay.
fn marks(text: &str) -> Vec<Edit> {
    if text.is_ascii() {
        return Vec::new();
    }
    let mut after_latin = false;
    let mut edits = Vec::new();
    for (at, c) in text.char_indices() {
        if after_latin && is_foreign_mark(c) {
            edits.push(Edit {
                range: at..at + c.len_utf8(),
                with: Vec::new(),
            });
        } else {
            after_latin = c.is_ascii_alphanumeric();
        }
    }
    edits
}

fn is_foreign_mark(c: char) -> bool {
    let is_accent = matches!(c, '\u{0300}'..='\u{0333}' | '\u{0339}'..='\u{036f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}');
    !c.is_ascii() && !is_accent && unicode_normalization::char::is_combining_mark(c)
}

/// Words in which letters of other scripts stand among Latin ones.
fn foreign_letters(text: &str) -> Vec<Edit> {
    let mut edits = Vec::new();
    if text.is_ascii() {
        return edits;
    }
    let mut start = None;
    let (mut latin, mut foreign, mut variant) = (false, false, false);
    let ends = text.char_indices().chain([(text.len(), ' ')]);
    for (at, c) in ends {
        let is_letter = (c.is_alphanumeric() && !is_cjk(c)) || is_latin_variant(c);
        if is_letter {
            start.get_or_insert(at);
            latin |= c.is_ascii_alphabetic();
            if !c.is_ascii() && LOOKALIKES.contains_key(&c) {
                variant |= is_latin_variant(c);
                foreign |= !is_latin_variant(c);
            }
        } else if let Some(start) = start.take() {
            if variant || (latin && foreign) {
                let letters = text[start..at].char_indices();
                let plain = letters.map(|(within, c)| {
                    let read = latin || is_latin_variant(c);
                    let like = LOOKALIKES.get(&c).filter(|_| read && !c.is_ascii());
                    (like.copied().unwrap_or(c), start + within)
                });
                edits.push(Edit {
                    with: plain.collect(),
                    range: start..at,
                });
            }
            (latin, foreign, variant) = (false, false, false);
        }
    }
    edits
}

/// Runs of single letters with the same separator between them.
fn spaced_words(text: &str) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut before = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let alone = is_letter(c) && !before.is_some_and(is_letter_or_digit);
        before = Some(c);
        let separator = chars.peek().map(|(_, next)| *next);
        let Some(separator) = separator.filter(|next| alone && SEPARATORS.contains(next)) else {
            continue;
        };
        // Walk on as long as a separator and a single letter follow.
        let mut letters = vec![(c, at)];
        let mut end = at + c.len_utf8();
        loop {
            let mut ahead = text[end..].chars();
            let (Some(gap), Some(letter)) = (ahead.next(), ahead.next()) else {
                break;
            };
            let single = !ahead.next().is_some_and(is_letter_or_digit);
            if gap != separator || !is_letter(letter) || !single {
                break;
            }
            end += gap.len_utf8();
            letters.push((letter, end));
            end += letter.len_utf8();
        }
        if letters.len() >= SPACED_LETTERS_MIN {
            edits.push(Edit {
                range: at..end,
                with: letters.clone(),
            });
        }
        // What was walked over is done with, found or not: from inside it no longer run begins.
        if letters.len() > 1 {
            before = letters.last().map(|(letter, _)| *letter);
            while chars.next_if(|(next, _)| *next < end).is_some() {}
        }
    }
    edits
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() && !is_cjk(c)
}

fn is_letter_or_digit(c: char) -> bool {
    c.is_alphanumeric() && !is_cjk(c)
}
