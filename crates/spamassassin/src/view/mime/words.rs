//! Values of header fields as text, their encoded words read (RFC 2047).

use super::transfer::{base64, quoted_printable};
use crate::view::charset::utf8;

/// A header value as text, its encoded words read.
pub(crate) fn decoded_value(value: &[u8], name: &str) -> String {
    let unfolded: Vec<u8> = value
        .iter()
        .copied()
        .filter(|byte| *byte != b'\n')
        .collect();
    let text = utf8(&unfolded, "utf-8", false);
    let stays = matches!(
        name,
        "received"
            | "message-id"
            | "date"
            | "resent-message-id"
            | "resent-date"
            | "mime-version"
            | "references"
            | "in-reply-to"
    ) || name.starts_with("list-");
    if stays || !text.contains("=?") {
        return text;
    }
    words_decoded(&text)
}

/// Encoded words one behind the other in one charset are one text, wherever it was cut.
fn words_decoded(text: &str) -> String {
    let mut sections: Vec<(Vec<u8>, String)> = Vec::new();
    let mut add = |bytes: Vec<u8>, charset: String| match sections.last_mut() {
        Some((last, of)) if *of == charset => last.extend(bytes),
        _ => sections.push((bytes, charset)),
    };
    let mut rest = text;
    while !rest.is_empty() {
        if let Some((charset, bytes, length)) = encoded_word(rest) {
            add(bytes, charset);
            rest = &rest[length..];
            // White space between encoded words is not shown.
            let next = rest.trim_start();
            if encoded_word(next).is_some() {
                rest = next;
            }
        } else {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            let length = rest[first..]
                .find("=?")
                .map_or(rest.len(), |place| place + first);
            add(rest.as_bytes()[..length].to_vec(), String::new());
            rest = &rest[length..];
        }
    }
    let mut decoded = String::new();
    for (bytes, charset) in sections {
        if charset.is_empty() {
            decoded.push_str(&String::from_utf8_lossy(&bytes));
        } else {
            decoded.push_str(&utf8(
                &bytes,
                charset.split('*').next().unwrap_or_default(),
                true,
            ));
        }
    }
    decoded
}

/// `=?charset?q?text?=` at the beginning: charset, bytes, length.
fn encoded_word(text: &str) -> Option<(String, Vec<u8>, usize)> {
    let inner = text.strip_prefix("=?")?;
    let (charset, rest) = inner.split_once('?')?;
    let (method, rest) = rest.split_once('?')?;
    let (data, rest) = rest.split_once('?')?;
    let rest = rest.strip_prefix('=')?;
    let good = |c: char| c.is_ascii_alphanumeric() || "*_-".contains(c);
    if charset.is_empty() || !charset.chars().all(good) {
        return None;
    }
    let bytes = match method {
        "b" | "B" => base64(data.as_bytes()),
        "q" | "Q" => quoted_printable(data.replace('_', "=20").as_bytes()),
        _ => return None,
    };
    Some((charset.to_ascii_lowercase(), bytes, text.len() - rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words() {
        for (value, text) in [
            ("=?utf-8?q?caf=C3=A9?=", "café"),
            ("=?utf-8?B?Y2Fm?= =?utf-8?B?w6k=?= x", "café x"),
            ("=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),
            ("=?no?x?y?=", "=?no?x?y?="),
            ("a =?= b", "a =?= b"),
            ("=?gb2312?B?t6LGsQ==?=", "发票"),
        ] {
            assert_eq!(decoded_value(value.as_bytes(), "subject"), text);
        }
    }
}
