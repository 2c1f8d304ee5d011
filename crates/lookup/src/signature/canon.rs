//! The forms in which messages are signed: what of a change on the way is no change.
//!
//! Lines end with CRLF in every form. A message read from a file may end them with LF alone; it is signed as it went over
//! the wire, so every LF ends a line here, with or without CR. A CR elsewhere stays what it is.

use memchr::{memchr, memrchr};

/// A form of header or body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is (RFC 6376 §3.4.1, §3.4.3).
    Simple,
    /// White space does not count much (RFC 6376 §3.4.2, §3.4.4).
    Relaxed,
    /// White space does not count at all (RFC 4870 §3.4.2.2).
    NoWhiteSpace,
}

/// Adds one header field in its form, with its line break.
pub(crate) fn field(form: Form, whole: &[u8], out: &mut Vec<u8>) {
    unended_field(form, whole, out);
    out.extend_from_slice(b"\r\n");
}

/// Adds one header field in its form, without its line break: as a signature's own field is signed.
pub(crate) fn unended_field(form: Form, whole: &[u8], out: &mut Vec<u8>) {
    match form {
        Form::Simple => with_crlf(whole, out),
        Form::Relaxed => relaxed_field(whole, out),
        Form::NoWhiteSpace => out.extend(whole.iter().filter(|byte| !is_white(**byte))),
    }
}

fn with_crlf(whole: &[u8], out: &mut Vec<u8>) {
    let mut lines = whole.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_some() {
            out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
            out.extend_from_slice(b"\r\n");
        } else {
            out.extend_from_slice(line);
        }
    }
}

/// Name in lower case, no white space around the colon, runs of white space as one space, none at the end.
fn relaxed_field(whole: &[u8], out: &mut Vec<u8>) {
    let colon = memchr(b':', whole).unwrap_or(whole.len());
    let (name, value) = whole.split_at(colon);
    out.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let start = out.len();
    let mut space = false;
    for byte in value.iter().skip(1) {
        if is_white(*byte) {
            space = true;
        } else {
            if space && out.len() > start {
                out.push(b' ');
            }
            space = false;
            out.push(*byte);
        }
    }
}

const fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Hands the body in its form to `sink`, piece by piece, without the empty lines at its end.
pub(crate) fn body(form: Form, raw: &[u8], sink: &mut impl FnMut(&[u8])) {
    let mut empty_lines = 0_usize;
    let mut any = false;
    let mut line = Vec::new();
    let mut rest = raw;
    while !rest.is_empty() {
        let (content, after) = match memchr(b'\n', rest) {
            Some(end) => (
                rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]),
                &rest[end + 1..],
            ),
            None => (rest, &rest[rest.len()..]),
        };
        rest = after;
        let content = in_form(form, content, &mut line);
        if content.is_empty() {
            empty_lines += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty_lines) {
            sink(b"\r\n");
        }
        sink(content);
        sink(b"\r\n");
        any = true;
    }
    // RFC 6376 §3.4.3: an empty body is one empty line in the simple form.
    if !any && form == Form::Simple {
        sink(b"\r\n");
    }
}

/// One line in its form, without line break. Lines that are in form already are not copied.
fn in_form<'l>(form: Form, line: &'l [u8], space: &'l mut Vec<u8>) -> &'l [u8] {
    match form {
        Form::Simple => line,
        Form::Relaxed => relaxed_line(line, space),
        Form::NoWhiteSpace => {
            space.clear();
            space.extend(line.iter().filter(|byte| !is_white(**byte)));
            space
        }
    }
}

fn relaxed_line<'l>(line: &'l [u8], space: &'l mut Vec<u8>) -> &'l [u8] {
    let end = line
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | b'\t'))
        .map_or(0, |last| last + 1);
    let line = &line[..end];
    let doubled = line.windows(2).any(|pair| pair == b"  ");
    if !doubled && memrchr(b'\t', line).is_none() {
        return line;
    }
    space.clear();
    let mut white = false;
    for byte in line {
        if matches!(byte, b' ' | b'\t') {
            white = true;
        } else {
            if std::mem::take(&mut white) {
                space.push(b' ');
            }
            space.push(*byte);
        }
    }
    space
}

/// A signature's field with the value of its `b=` taken out, everything else as it stands (RFC 6376 §3.7).
pub(crate) fn without_signature(whole: &[u8]) -> Vec<u8> {
    let start = memchr(b':', whole).map_or(whole.len(), |colon| colon + 1);
    let mut out = whole[..start].to_vec();
    for (index, spec) in whole[start..].split(|byte| *byte == b';').enumerate() {
        if index > 0 {
            out.push(b';');
        }
        let equals = memchr(b'=', spec);
        match equals {
            Some(equals) if spec[..equals].trim_ascii() == b"b" => {
                out.extend_from_slice(&spec[..=equals]);
            }
            _ => out.extend_from_slice(spec),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(form: Form, whole: &str) -> String {
        let mut out = Vec::new();
        field(form, whole.as_bytes(), &mut out);
        String::from_utf8(out).expect("text")
    }

    fn whole_body(form: Form, raw: &str) -> String {
        let mut out = Vec::new();
        body(form, raw.as_bytes(), &mut |piece| {
            out.extend_from_slice(piece);
        });
        String::from_utf8(out).expect("text")
    }

    /// RFC 6376 §3.4.5.
    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(header(Form::Relaxed, "A: X"), "a:X\r\n");
        assert_eq!(header(Form::Relaxed, "B : Y\t\r\n\tZ  "), "b:Y Z\r\n");
        assert_eq!(
            whole_body(Form::Relaxed, " C \r\nD \t E\r\n\r\n\r\n"),
            " C\r\nD E\r\n"
        );
        assert_eq!(
            header(Form::Simple, "B : Y\t\r\n\tZ  "),
            "B : Y\t\r\n\tZ  \r\n"
        );
        assert_eq!(
            whole_body(Form::Simple, " C \r\nD \t E\r\n\r\n\r\n"),
            " C \r\nD \t E\r\n"
        );
    }

    #[test]
    fn bodies_at_their_ends() {
        for (form, empty) in [
            (Form::Simple, "\r\n"),
            (Form::Relaxed, ""),
            (Form::NoWhiteSpace, ""),
        ] {
            assert_eq!(whole_body(form, ""), empty);
            assert_eq!(whole_body(form, "\r\n\r\n"), empty);
            assert_eq!(whole_body(form, "a"), "a\r\n");
            assert_eq!(whole_body(form, "a\n\nb\n\n"), "a\r\n\r\nb\r\n");
        }
        assert_eq!(whole_body(Form::Relaxed, "  \t\r\n \r\n"), "");
        assert_eq!(whole_body(Form::Relaxed, "  x\ty\r\n"), " x y\r\n");
        assert_eq!(whole_body(Form::NoWhiteSpace, " a b\tc \r\n"), "abc\r\n");
        assert_eq!(whole_body(Form::Simple, "a\rb\r\n"), "a\rb\r\n");
    }

    #[test]
    fn lone_line_feeds_of_a_file_are_line_breaks() {
        assert_eq!(header(Form::Simple, "A: x\n\ty"), "A: x\r\n\ty\r\n");
        assert_eq!(header(Form::NoWhiteSpace, "A: x\n\ty"), "A:xy\r\n");
    }

    #[test]
    fn the_value_of_b_is_taken_out_and_nothing_else() {
        let cut = |text: &str| String::from_utf8(without_signature(text.as_bytes())).expect("text");
        assert_eq!(cut("S: a=1; b=xyz\r\n  zz; bh=b=c"), "S: a=1; b=; bh=b=c");
        assert_eq!(cut("S:b\r\n =xyz=="), "S:b\r\n =");
        assert_eq!(cut("S: b=a;"), "S: b=;");
    }
}
