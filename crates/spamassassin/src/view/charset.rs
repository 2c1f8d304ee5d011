//! Bytes of any charset as UTF-8, guessed as SpamAssassin guesses (`normalize_charset`).

use encoding_rs::{Encoding, WINDOWS_1252};

/// Text in UTF-8. Never fails: what cannot be read otherwise is read as Windows-1252.
///
/// With `insist`, the declared charset is believed first, and what it cannot say is replaced.
pub(super) fn utf8(bytes: &[u8], declared: &str, insist: bool) -> String {
    let declared = declared.trim();
    let is_ascii = bytes.is_ascii();
    let encoding = encoding_of(declared);
    let shifts = encoding.is_some_and(|encoding| {
        !encoding.is_ascii_compatible() || encoding.name() == "ISO-2022-JP"
    });
    if is_ascii && !shifts {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    if !is_ascii
        && !insist
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_owned();
    }
    if let Some(encoding) = encoding {
        if insist {
            return encoding.decode_without_bom_handling(bytes).0.into_owned();
        }
        if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
            return text.into_owned();
        }
    }
    WINDOWS_1252
        .decode_without_bom_handling(bytes)
        .0
        .into_owned()
}

fn encoding_of(declared: &str) -> Option<&'static Encoding> {
    // Eight bits in what is called ASCII cannot be read by that name.
    let ascii = ["us-ascii", "ascii", ""];
    if ascii.iter().any(|name| declared.eq_ignore_ascii_case(name)) {
        return None;
    }
    Encoding::for_label(declared.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::utf8;

    #[test]
    fn charsets_are_read() {
        for (bytes, declared, text) in [
            (b"plain".as_slice(), "us-ascii", "plain"),
            (b"caf\xe9", "iso-8859-1", "caf\u{e9}"),
            (b"caf\xc3\xa9", "iso-8859-1", "caf\u{e9}"),
            (b"caf\xe9", "us-ascii", "caf\u{e9}"),
            (b"caf\xe9", "no-such", "caf\u{e9}"),
            (b"\xb7\xa2\xc6\xb1", "gb2312", "发票"),
            (b"\x1b$B$\"\x1b(B", "iso-2022-jp", "あ"),
        ] {
            assert_eq!(utf8(bytes, declared, false), text, "{declared}");
        }
        assert_eq!(utf8(b"caf\xc3\xa9", "iso-8859-1", true), "caf\u{c3}\u{a9}");
    }
}
