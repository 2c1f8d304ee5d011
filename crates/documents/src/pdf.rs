//! PDF: text by page, links, and what starts by itself.

use lopdf::{Document, LoadOptions, Object};
use mail::message::Finding;

use crate::walk::{Place, Seen, Walk};

/// Pages whose text is read.
const PAGES_MAX: usize = 300;
/// Objects that are looked at.
const OBJECTS_MAX: usize = 200_000;
/// Largest content of one page, and of one object stream, unpacked, bytes.
const STREAM_MAX: usize = 16 << 20;

pub(crate) fn open(walk: &mut Walk<'_>, bytes: &[u8], at: Place<'_>, seen: &mut Seen) {
    // Rubbish before the header shifts every offset in the file.
    let start = bytes
        .windows(5)
        .take(1024)
        .position(|window| window == b"%PDF-")
        .unwrap_or(0);
    let options = LoadOptions {
        max_decompressed_size: Some(STREAM_MAX),
        ..LoadOptions::default()
    };
    let Ok(mut document) = Document::load_mem_with_options(&bytes[start..], options) else {
        seen.found(if holds(bytes, b"/Encrypt") {
            Finding::Encrypted
        } else {
            Finding::Unreadable
        });
        return;
    };
    // Many are encrypted with an empty password, only to forbid printing.
    if document.is_encrypted() && document.decrypt("").is_err() {
        seen.found(Finding::Encrypted);
        return;
    }
    objects(walk, &document, at, seen);
    let mut unread = false;
    for number in document.get_pages().keys().take(PAGES_MAX) {
        if walk.is_over()
            || seen
                .text
                .as_ref()
                .is_some_and(|text| text.len() > walk.text_room())
        {
            seen.found(Finding::TooLarge);
            break;
        }
        for chunk in document.extract_text_chunks_with_limit(&[*number], STREAM_MAX) {
            match chunk {
                Ok(text) => seen.add_text(&text),
                Err(_) => unread = true,
            }
        }
        seen.add_text("\n");
    }
    if unread && seen.text.as_ref().is_none_or(|text| text.trim().is_empty()) {
        seen.found(Finding::Unreadable);
    }
}

/// Looks at every object once, reached or not: what a viewer repairs, it also runs.
fn objects(walk: &mut Walk<'_>, document: &Document, at: Place<'_>, seen: &mut Seen) {
    let mut files = 0;
    for object in document.objects.values().take(OBJECTS_MAX) {
        let dictionary = match object {
            Object::Dictionary(dictionary) => dictionary,
            Object::Stream(stream) => {
                if name_is(stream.dict.get(b"Type").ok(), b"EmbeddedFile") {
                    seen.found(Finding::EmbeddedFile);
                    files += 1;
                    if walk.one_more(seen)
                        && let Ok(content) = stream.decompressed_content_with_limit(STREAM_MAX)
                    {
                        walk.take(&content, "file", files, at);
                    }
                }
                &stream.dict
            }
            _ => continue,
        };
        look(walk, dictionary, seen, 0);
    }
}

/// Actions stand in dictionaries of their own or inside those of pages and annotations.
fn look(walk: &mut Walk<'_>, dictionary: &lopdf::Dictionary, seen: &mut Seen, depth: usize) {
    if dictionary.has(b"JS")
        || name_is(dictionary.get(b"S").ok(), b"JavaScript")
        || name_is(dictionary.get(b"S").ok(), b"Launch")
    {
        seen.found(Finding::Script);
    }
    if let Ok(Object::String(uri, _)) = dictionary.get(b"URI") {
        walk.link(String::from_utf8_lossy(uri));
    }
    if depth < 4 {
        for (_, value) in dictionary {
            if let Object::Dictionary(inner) = value {
                look(walk, inner, seen, depth + 1);
            }
        }
    }
}

fn name_is(object: Option<&Object>, name: &[u8]) -> bool {
    matches!(object, Some(Object::Name(known)) if known == name)
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
