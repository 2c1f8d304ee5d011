//! Bodies as they were before they were encoded for the way (RFC 2045 §6), whatever is wrong with them.

use super::Part;

pub(super) fn decoded(body: &[u8], part: &Part) -> Vec<u8> {
    let encoding = part
        .headers
        .last("content-transfer-encoding")
        .unwrap_or_default();
    let encoding = encoding.trim().to_ascii_lowercase();
    match encoding.as_str() {
        "quoted-printable" => with_plain_line_ends_everywhere(quoted_printable(body)),
        "base64" => {
            let bytes = base64(body);
            if part.kind.starts_with("text/") || part.kind.starts_with("message/") {
                with_plain_line_ends_everywhere(bytes)
            } else {
                bytes
            }
        }
        _ => body.to_vec(),
    }
}

fn with_plain_line_ends_everywhere(bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.windows(2).any(|two| two == b"\r\n") {
        return bytes;
    }
    let mut plain = Vec::with_capacity(bytes.len());
    for (place, byte) in bytes.iter().enumerate() {
        if *byte != b'\r' || bytes.get(place + 1) != Some(&b'\n') {
            plain.push(*byte);
        }
    }
    plain
}

/// Quoted-printable, forgiving: blanks at line ends are dropped, what is no escape stays.
pub(super) fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let (content, end): (&[u8], &[u8]) = match line {
            [content @ .., b'\r', b'\n'] => (content, b"\r\n"),
            [content @ .., b'\n'] => (content, b"\n"),
            content => (content, b""),
        };
        let blanks = content
            .iter()
            .rev()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let kept = if end.is_empty() {
            content
        } else {
            &content[..content.len() - blanks]
        };
        let (kept, end) = match kept.strip_suffix(b"=") {
            Some(kept) if !end.is_empty() => (kept, b"".as_slice()),
            _ => (kept, end),
        };
        let mut at = 0;
        while at < kept.len() {
            let escape = kept.get(at + 1..at + 3).filter(|_| kept[at] == b'=');
            let value = escape
                .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
            match value {
                Some(value)
                    if escape.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) =>
                {
                    text.push(value);
                    at += 3;
                }
                _ => {
                    text.push(kept[at]);
                    at += 1;
                }
            }
        }
        text.extend_from_slice(end);
    }
    text
}

/// Base64, forgiving: what is not of its alphabet is skipped.
pub(super) fn base64(body: &[u8]) -> Vec<u8> {
    let mut kept: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        .collect();
    if kept.len() % 4 == 1 {
        kept.pop();
    }
    lenient().decode(&kept).unwrap_or_default()
}

fn lenient() -> data_encoding::Encoding {
    let mut specification = data_encoding::BASE64_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification
        .encoding()
        .unwrap_or(data_encoding::BASE64_NOPAD)
}
