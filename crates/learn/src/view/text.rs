//! What a person reads, in the normal form in which words are compared.

use mail::Skim;
use mail::text::Normal;

/// Bytes of text kept.
const TEXT_BYTES: usize = 6000;

/// Subject and body: HTML as it is seen, disguises undone.
pub(super) fn read(skim: &Skim<'_>) -> String {
    let mut text = String::new();
    let subject = skim.fields.iter().find(|field| field.name.eq_ignore_ascii_case(b"subject"));
    if let Some(subject) = subject {
        text.push_str(&skim.text(subject));
    }
    for part in &skim.parts {
        if text.len() >= TEXT_BYTES {
            break;
        }
        text.push('\n');
        text.push_str(&part.visible());
    }
    text.truncate(text.floor_char_boundary(TEXT_BYTES));
    Normal::of(&text).text().to_owned()
}
