//! Text and attributes out of XML, as far as it can be read.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// Calls `element` at each start and `text` at each end of an element whose text matters; gives the text of all.
pub(crate) fn walk(
    xml: &[u8],
    room: usize,
    mut element: impl FnMut(&str, &BytesStart<'_>),
) -> String {
    let xml = in_utf8(xml);
    let mut reader = Reader::from_str(&xml);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    let mut out = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start) | Event::Empty(start)) => {
                let name = start.local_name().as_ref().to_owned();
                if matches!(name.as_str(), "tab" | "s" | "c" | "tc" | "table-cell") {
                    out.push(' ');
                }
                element(&name, &start);
            }
            Ok(Event::End(end)) => {
                // What a reader sees on a line of its own.
                let name = end.local_name();
                if matches!(
                    name.as_ref(),
                    "p" | "row" | "si" | "h" | "br" | "table-row" | "comment"
                ) {
                    out.push('\n');
                }
            }
            Ok(Event::Text(text)) => out.push_str(&text),
            Ok(Event::CData(text)) => out.push_str(&text),
            Ok(Event::GeneralRef(reference)) => out.extend(character(&reference)),
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
        if out.len() > room {
            break;
        }
    }
    out
}

/// The value of an attribute, by its local name.
pub(crate) fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    start
        .attributes()
        .with_checks(false)
        .take(200)
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == name)
        .map(|attribute| {
            let raw = attribute.value.into_owned();
            quick_xml::escape::unescape(&raw).map_or_else(|_| raw.clone(), Cow::into_owned)
        })
}

fn character(reference: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return Some(c);
    }
    match reference.as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        // Entities of its own a document has only to hide or to explode.
        _ => None,
    }
}

fn in_utf8(xml: &[u8]) -> Cow<'_, str> {
    match encoding_rs::Encoding::for_bom(xml) {
        Some((encoding, mark)) => encoding.decode_without_bom_handling(&xml[mark..]).0,
        None => String::from_utf8_lossy(xml),
    }
}
