//! What a person reads, in the normal form in which words are compared.

use mail::Skim;
use mail::text::Normal;

use super::words::each_link;
use crate::Key;

/// Bytes of text kept.
const TEXT_BYTES: usize = 6000;

/// Links and files numbered.
const PARTS_MAX: usize = 50;
const LINK: u64 = 103;
const FILE: u64 = 104;

/// The numbers of links, without what follows a question mark, and of files by their beginning.
pub(super) fn parts(key: &Key, skim: &Skim<'_>) -> Vec<u64> {
    let mut parts = Vec::new();
    for part in &skim.parts {
        each_link(part.text.as_deref().unwrap_or_default(), |link| {
            let place = link.split(['?', '#']).next().unwrap_or_default();
            parts.push(key.bytes(LINK, place.to_ascii_lowercase().as_bytes()));
            parts.len() < PARTS_MAX
        });
        if !part.start.is_empty() && parts.len() < PARTS_MAX {
            parts.push(key.bytes(FILE ^ part.size_bytes as u64, &part.start));
        }
    }
    parts
}

/// Subject and body: HTML as it is seen, disguises undone.
pub(super) fn read(skim: &Skim<'_>) -> String {
    let mut text = String::new();
    let subject = skim
        .fields
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case(b"subject"));
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
