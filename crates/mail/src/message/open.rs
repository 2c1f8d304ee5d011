//! A message opened for a person to look at: its parts as text and as HTML source, and single parts to take away.
//!
//! It is read by the very walk that judging uses, so the paths, the roles and the guards against hostile input are the
//! same. Nothing here makes HTML harmless; that is for whoever shows it.

use super::parts::{Wanted, read_for};
use super::{Message, Part, Role, body_start};
use crate::Limits;

/// Longest header text that is shown, bytes.
const HEADER_MAX: usize = 256 << 10;
/// Longest name of a file that is handed out, characters.
const NAME_MAX: usize = 80;

/// A message, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The header as it came; bytes that are no text are replaced.
    pub header_text: String,
    /// Its parts, depth first.
    pub parts: Vec<OpenedPart>,
}

/// One part, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedPart {
    /// Its place, as in [`Part::path`].
    pub path: String,
    /// Declared type in lower case.
    pub content_type: String,
    /// File name, as the message says it.
    pub file_name: Option<String>,
    /// Body or attachment.
    pub role: Role,
    /// Decoded bytes.
    pub size_bytes: u64,
    /// Decoded text; of HTML what is read of it.
    pub text: Option<String>,
    /// The HTML source, decoded, as it came: hostile until made harmless.
    pub html: Option<String>,
}

impl Opened {
    /// Opens a message. Never fails; a broken message has broken parts.
    pub fn read(raw: &[u8], limits: &Limits) -> Self {
        let mut message = Message::default();
        let mut htmls = Vec::new();
        read_for(raw, limits, &mut message, Wanted::Html(&mut htmls));
        let header = &raw[..body_start(raw).min(HEADER_MAX).min(raw.len())];
        let parts = message.parts.into_iter().map(|part| {
            let Part {
                path,
                content_type,
                charset: _,
                file_name,
                role,
                size_bytes,
                text,
                ..
            } = part;
            let text = text.map(|text| text.to_string());
            let html = htmls
                .iter()
                .position(|(of, _)| *of == path)
                .map(|place| htmls.swap_remove(place).1);
            OpenedPart {
                path,
                content_type,
                file_name,
                role,
                size_bytes,
                text,
                html,
            }
        });
        Self {
            parts: parts.collect(),
            header_text: String::from_utf8_lossy(header).into_owned(),
        }
    }
}

/// The decoded bytes of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartBytes {
    /// Declared type in lower case.
    pub content_type: String,
    /// A name that is safe to save it under, see `safe_name`.
    pub file_name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// One part to take away; `None` when there is no such part.
pub fn part_bytes(raw: &[u8], path: &str, limits: &Limits) -> Option<PartBytes> {
    let mut message = Message::default();
    let mut found = None;
    read_for(raw, limits, &mut message, Wanted::Bytes(path, &mut found));
    let part = message.parts.into_iter().find(|part| part.path == path)?;
    Some(PartBytes {
        file_name: safe_name(part.file_name.as_deref(), &part.content_type, path),
        content_type: part.content_type,
        bytes: found?,
    })
}

/// A name that neither leaves its folder, nor shows another ending than it has, nor runs when it is clicked: letters,
/// digits, space and `.-_`, and `.bin` at the end of everything but plain text and plain pictures.
fn safe_name(named: Option<&str>, content_type: &str, path: &str) -> String {
    let name = named.unwrap_or_default();
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = name
        .chars()
        .filter(|c| c.is_alphanumeric() || " .-_".contains(*c))
        .take(NAME_MAX)
        .collect();
    let kept = kept.trim_matches([' ', '.']);
    let name = if kept.is_empty() {
        format!("part-{path}")
    } else {
        kept.to_owned()
    };
    let ending = match content_type {
        "text/plain" => ".txt",
        "image/png" => ".png",
        "image/jpeg" => ".jpg",
        "image/gif" => ".gif",
        _ => ".bin",
    };
    if name.to_lowercase().ends_with(ending) {
        name
    } else {
        format!("{name}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: a@b.example\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: multipart/alternative; boundary=C\r\n\r\n--C\r\nContent-Type: text/plain; charset=gb2312\r\nContent-Transfer-Encoding: base64\r\n\r\nt6LGsQ==\r\n--C\r\nContent-Type: text/html\r\n\r\n<p onclick=x()>Hello <b>there</b>\r\n--C--\r\n--B\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"../../etc/pass\u{202e}gpj.exe\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--B--\r\n";

    #[test]
    fn parts_are_opened_at_the_paths_that_judging_knows() {
        let limits = Limits::default();
        let opened = Opened::read(MAIL.as_bytes(), &limits);
        let read = Message::read(MAIL.as_bytes(), &limits);
        let paths = |parts: &mut dyn Iterator<Item = &String>| parts.cloned().collect::<Vec<_>>();
        assert_eq!(
            paths(&mut opened.parts.iter().map(|part| &part.path)),
            paths(&mut read.parts.iter().map(|part| &part.path))
        );
        assert_eq!(opened.parts[0].text.as_deref().map(str::trim), Some("发票"));
        let html = opened.parts[1].html.as_deref().unwrap_or_default();
        assert!(html.contains("onclick"), "as it came: {html}");
        assert!(opened.header_text.starts_with("From: a@b.example"));
    }

    #[test]
    fn a_part_is_handed_out_under_a_harmless_name() {
        let limits = Limits::default();
        let path = &Opened::read(MAIL.as_bytes(), &limits).parts[2].path;
        let part = part_bytes(MAIL.as_bytes(), path, &limits).expect("the attachment");
        assert_eq!(part.bytes, [0, 1, 2]);
        assert_eq!(part.file_name, "passgpj.exe.bin");
        assert_eq!(part_bytes(MAIL.as_bytes(), "9.9", &limits), None);
        assert_eq!(part_bytes(MAIL.as_bytes(), "../1", &limits), None);
        for (name, kind, safe) in [
            ("a.txt", "text/plain", "a.txt"),
            ("a.svg", "image/svg+xml", "a.svg.bin"),
            ("..", "image/png", "part-1.png"),
            ("C:\\x\\con.html", "text/html", "con.html.bin"),
            ("发票.png", "image/png", "发票.png"),
            ("\u{0}\r\n\"", "x/y", "part-1.bin"),
        ] {
            assert_eq!(safe_name(Some(name), kind, "1"), safe, "{name:?}");
        }
        assert!(
            safe_name(Some(&"x".repeat(500)), "x/y", "1")
                .chars()
                .count()
                < 100
        );
    }
}
