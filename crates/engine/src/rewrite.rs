//! Changing a message's header as a mail server would, for doors that hand the message on themselves.

use mail::message::body_start;

use crate::answer::Changes;

impl Changes {
    /// The message with its header changed: fields off by name and occurrence, new ones on top and at the end of the header. Every other
    /// byte stays.
    pub fn apply(&self, raw: &[u8]) -> Vec<u8> {
        let adds = !self.add_headers.is_empty() || !self.top_headers.is_empty();
        if !adds && self.remove_headers.is_empty() {
            return raw.to_vec();
        }
        let (header, body) = raw.split_at(body_start(raw));
        let (fields, blank) = header.split_at(header.len() - blank_line(header));
        let line_end = line_end(fields);
        let mut changed = Vec::with_capacity(raw.len() + 1024);
        add(&self.top_headers, line_end, &mut changed);
        self.keep(fields, &mut changed);
        if !changed.is_empty() && !changed.ends_with(b"\n") {
            changed.extend_from_slice(line_end);
        }
        add(&self.add_headers, line_end, &mut changed);
        changed.extend_from_slice(blank);
        changed.extend_from_slice(body);
        changed
    }

    /// Copies the fields that stay.
    fn keep(&self, fields: &[u8], kept: &mut Vec<u8>) {
        let mut seen = vec![0; self.remove_headers.len()];
        for field in fields_of(fields) {
            let mut stays = true;
            for ((name, index), seen) in self.remove_headers.iter().zip(&mut seen) {
                if is_field(field, name) {
                    *seen += 1;
                    stays &= *seen != *index;
                }
            }
            if stays {
                kept.extend_from_slice(field);
            }
        }
    }
}

/// Fields with their lines ended as those of the message are.
fn add(fields: &[(String, String)], line_end: &[u8], changed: &mut Vec<u8>) {
    for (name, value) in fields {
        changed.extend_from_slice(name.as_bytes());
        changed.extend_from_slice(b": ");
        for (number, line) in value.split("\r\n").enumerate() {
            if number > 0 {
                changed.extend_from_slice(line_end);
            }
            changed.extend_from_slice(line.as_bytes());
        }
        changed.extend_from_slice(line_end);
    }
}

/// Bytes of the empty line that ends a header; 0 when there is no body.
fn blank_line(header: &[u8]) -> usize {
    match header {
        [.., b'\n', b'\r', b'\n'] | b"\r\n" => 2,
        [.., b'\n', b'\n'] | b"\n" => 1,
        _ => 0,
    }
}

/// As the message itself ends its lines.
fn line_end(fields: &[u8]) -> &'static [u8] {
    match fields.iter().position(|byte| *byte == b'\n') {
        Some(at) if at == 0 || fields[at - 1] != b'\r' => b"\n",
        _ => b"\r\n",
    }
}

/// Each field with its continuation lines.
fn fields_of(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = header;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            let line = rest[end..].iter().position(|byte| *byte == b'\n');
            end = line.map_or(rest.len(), |at| end + at + 1);
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, after) = rest.split_at(end);
        rest = after;
        Some(field)
    })
}

fn is_field(field: &[u8], name: &str) -> bool {
    let colon = field.iter().position(|byte| *byte == b':');
    colon.is_some_and(|colon| {
        field[..colon]
            .trim_ascii_end()
            .eq_ignore_ascii_case(name.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_to_the_header_leave_every_other_byte() {
        let changes = Changes {
            add_headers: vec![("X-Vigil".to_owned(), "yes".to_owned())],
            remove_headers: vec![("x-old".to_owned(), 1), ("x-old".to_owned(), 3)],
            ..Changes::default()
        };
        let raw = b"A: b\r\nX-Old: 1\r\n more\r\nX-old : 2\r\nX-OLD: 3\r\n\r\nX-Old: body\r\n";
        assert_eq!(
            changes.apply(raw),
            b"A: b\r\nX-old : 2\r\nX-Vigil: yes\r\n\r\nX-Old: body\r\n"
        );
        assert_eq!(
            changes.apply(b"A: b\n\nbody\n"),
            b"A: b\nX-Vigil: yes\n\nbody\n"
        );
        assert_eq!(changes.apply(b"A: b"), b"A: b\r\nX-Vigil: yes\r\n");
        assert_eq!(changes.apply(b""), b"X-Vigil: yes\r\n");
        for raw in [
            raw.as_slice(),
            b"A: b\n\nbody",
            b"",
            b"\n\n",
            b"\r\nbody",
            b"x",
        ] {
            assert_eq!(Changes::default().apply(raw), raw);
        }
    }

    #[test]
    fn fields_on_top_are_folded_as_the_message_ends_its_lines() {
        let changes = Changes {
            top_headers: vec![
                ("First".to_owned(), "one;\r\n\ttwo".to_owned()),
                ("Second".to_owned(), "x".to_owned()),
            ],
            ..Changes::default()
        };
        assert_eq!(
            changes.apply(b"A: b\r\n\r\nbody"),
            b"First: one;\r\n\ttwo\r\nSecond: x\r\nA: b\r\n\r\nbody"
        );
        assert_eq!(
            changes.apply(b"A: b\n\nbody"),
            b"First: one;\n\ttwo\nSecond: x\nA: b\n\nbody"
        );
    }
}
