//! Compound files (MS-CFB): Word, Excel and PowerPoint until 2003, saved Outlook messages, installers.

use std::io::{Cursor, Read};

use mail::message::Finding;

use crate::macros;
use crate::walk::{Place, Seen, Walk};

type File<'b> = cfb::CompoundFile<Cursor<&'b [u8]>>;

/// Entries looked at.
const ENTRIES_MAX: usize = 5000;

pub(crate) fn open(walk: &mut Walk<'_>, bytes: &[u8], at: Place<'_>, seen: &mut Seen) {
    let Ok(mut file) = File::open(Cursor::new(bytes)) else {
        seen.found(Finding::Unreadable);
        return;
    };
    // Windows Installer.
    if file
        .root_entry()
        .clsid()
        .to_string()
        .eq_ignore_ascii_case("000c1084-0000-0000-c000-000000000046")
    {
        seen.found(Finding::Program);
        return;
    }
    let paths: Vec<String> = file
        .walk()
        .filter(cfb::Entry::is_stream)
        .take(ENTRIES_MAX)
        .map(|entry| entry.path().to_string_lossy().into_owned())
        .collect();
    let has = |end: &str| {
        paths.iter().any(|path| {
            path.rsplit('/')
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case(end))
        })
    };
    if has("EncryptedPackage") || has("EncryptionInfo") {
        seen.found(Finding::Encrypted);
        return;
    }
    if has("_VBA_PROJECT") {
        seen.found(Finding::Macro);
        if macros::has_automatic(&mut file) {
            seen.found(Finding::MacroRunsItself);
        }
    }
    if has("\u{1}Ole10Native") || has("Package") || has("Equation Native") {
        seen.found(Finding::EmbeddedFile);
    }
    if has("__properties_version1.0") {
        outlook(walk, &mut file, &paths, at, seen);
    } else if let Some(main) = stream(walk, &mut file, "/WordDocument", seen) {
        word(walk, &mut file, &main, seen);
    } else if let Some(book) = stream(walk, &mut file, "/Workbook", seen)
        .or_else(|| stream(walk, &mut file, "/Book", seen))
    {
        excel(walk, &book, seen);
    } else if let Some(slides) = stream(walk, &mut file, "/PowerPoint Document", seen) {
        power_point(walk, &slides, seen);
    }
}

fn stream(
    walk: &mut Walk<'_>,
    file: &mut File<'_>,
    path: &str,
    seen: &mut Seen,
) -> Option<Vec<u8>> {
    if !file.is_stream(path) {
        return None;
    }
    let mut stream = file.open_stream(path).ok()?;
    walk.unpack(&mut stream, None, seen)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

fn utf16(bytes: &[u8]) -> String {
    encoding_rs::UTF_16LE
        .decode_without_bom_handling(bytes)
        .0
        .into_owned()
}

fn western(bytes: &[u8]) -> String {
    encoding_rs::WINDOWS_1252
        .decode_without_bom_handling(bytes)
        .0
        .into_owned()
}

/// Word 97 to 2003 (MS-DOC 2.4.1): the piece table says where the text stands.
fn word(walk: &mut Walk<'_>, file: &mut File<'_>, main: &[u8], seen: &mut Seen) {
    let Some(flags) = u16_at(main, 0x0a) else {
        seen.found(Finding::Unreadable);
        return;
    };
    if flags & 0x0100 != 0 {
        seen.found(Finding::Encrypted);
        return;
    }
    let table = if flags & 0x0200 == 0 {
        "/0Table"
    } else {
        "/1Table"
    };
    let text =
        stream(walk, file, table, seen).and_then(|table| pieces(main, &table, walk.text_room()));
    match text {
        // Marks of fields, cells and pictures are control characters here.
        Some(text) => seen.add_text(
            &text
                .replace(['\r', '\u{7}', '\u{b}', '\u{c}'], "\n")
                .replace(|c: char| c.is_control() && c != '\n', " "),
        ),
        None => seen.found(Finding::Unreadable),
    }
}

fn pieces(main: &[u8], table: &[u8], room: usize) -> Option<String> {
    let start = u32_at(main, 0x01a2)? as usize;
    let length = u32_at(main, 0x01a6)? as usize;
    let clx = table.get(start..start.checked_add(length)?)?;
    let mut at = 0;
    // Property changes come first.
    while *clx.get(at)? == 1 {
        at += 3 + u16_at(clx, at + 1)? as usize;
    }
    if *clx.get(at)? != 2 {
        return None;
    }
    let plc = clx.get(at + 5..(at + 5).checked_add(u32_at(clx, at + 1)? as usize)?)?;
    let count = plc.len().checked_sub(4)? / 12;
    let mut text = String::new();
    for piece in 0..count {
        let characters =
            u32_at(plc, (piece + 1) * 4)?.checked_sub(u32_at(plc, piece * 4)?)? as usize;
        let place = u32_at(plc, (count + 1) * 4 + piece * 8 + 2)?;
        let part = if place & 0x4000_0000 == 0 {
            let start = place as usize;
            main.get(start..start.checked_add(characters.checked_mul(2)?)?)
                .map(utf16)
        } else {
            let start = (place & 0x3fff_ffff) as usize / 2;
            main.get(start..start.checked_add(characters)?).map(western)
        };
        text.push_str(&part?);
        if text.len() > room {
            break;
        }
    }
    Some(text)
}

/// Excel 5 to 2003 (MS-XLS): records; text stands in the table of shared strings and in old labels.
fn excel(walk: &mut Walk<'_>, book: &[u8], seen: &mut Seen) {
    let mut at = 0;
    let mut text = String::new();
    while let (Some(kind), Some(length)) = (u16_at(book, at), u16_at(book, at + 2)) {
        let Some(body) = book.get(at + 4..at + 4 + length as usize) else {
            seen.found(Finding::Unreadable);
            break;
        };
        at += 4 + length as usize;
        match kind {
            // FILEPASS
            0x002f => {
                seen.found(Finding::Encrypted);
                return;
            }
            // BOUNDSHEET: a sheet of macros in the old language, and its name.
            0x0085 if body.get(5) == Some(&1) => seen.found(Finding::Macro),
            // NAME: built in, and one of those that run by themselves.
            0x0018 if is_automatic_name(body) && seen.findings.contains(&Finding::Macro) => {
                seen.found(Finding::MacroRunsItself);
            }
            // SST, with what continues it.
            0x00fc => {
                let mut pieces = vec![body];
                while let (Some(0x003c), Some(length)) = (u16_at(book, at), u16_at(book, at + 2)) {
                    let Some(more) = book.get(at + 4..at + 4 + length as usize) else {
                        break;
                    };
                    pieces.push(more);
                    at += 4 + length as usize;
                }
                shared_strings(&pieces, walk.text_room(), &mut text);
            }
            // LABEL
            0x0204 => {
                let length = u16_at(body, 6).unwrap_or(0) as usize;
                if let Some(label) = body.get(8..8 + length) {
                    text.push_str(&western(label));
                    text.push('\n');
                }
            }
            _ => {}
        }
        if text.len() > walk.text_room() {
            break;
        }
    }
    seen.add_text(&text);
}

/// Is it a built-in name, and that of Auto_Open or Auto_Close?
fn is_automatic_name(body: &[u8]) -> bool {
    let is_built_in = u16_at(body, 0).is_some_and(|flags| flags & 0x20 != 0);
    let name = body.get(14..).unwrap_or_default();
    is_built_in && name.iter().take(2).any(|code| matches!(code, 1 | 2))
}

/// Strings that run over the borders of records: after each border stands a byte that says how wide characters are.
fn shared_strings(pieces: &[&[u8]], room: usize, text: &mut String) {
    let mut reader = Pieces {
        all: pieces,
        piece: 0,
        at: 8,
    };
    while text.len() < room && reader.string(text).is_some() {
        text.push('\n');
    }
}

struct Pieces<'p> {
    all: &'p [&'p [u8]],
    piece: usize,
    at: usize,
}

impl Pieces<'_> {
    fn byte(&mut self) -> Option<u8> {
        loop {
            let piece = self.all.get(self.piece)?;
            if let Some(byte) = piece.get(self.at) {
                self.at += 1;
                return Some(*byte);
            }
            self.piece += 1;
            self.at = 0;
        }
    }

    fn word(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        for _ in 0..count {
            self.byte()?;
        }
        Some(())
    }

    fn string(&mut self, text: &mut String) -> Option<()> {
        let mut left = self.word()?;
        let flags = self.byte()?;
        let mut is_wide = flags & 1 != 0;
        let runs = if flags & 8 == 0 {
            0
        } else {
            u64::from(self.word()?)
        };
        let phonetic = if flags & 4 == 0 {
            0
        } else {
            u64::from(self.word()?) | u64::from(self.word()?) << 16
        };
        let mut units = Vec::with_capacity(usize::from(left));
        while left > 0 {
            let border = self.all.get(self.piece)?.len() == self.at;
            if border {
                is_wide = self.byte()? & 1 != 0;
            }
            units.push(if is_wide {
                self.word()?
            } else {
                u16::from(self.byte()?)
            });
            left -= 1;
        }
        text.push_str(&String::from_utf16_lossy(&units));
        // Formats and readings follow; a length beyond the record ends the table.
        self.skip(runs * 4)?;
        self.skip(phonetic.min(1 << 20))
    }
}

/// PowerPoint 97 to 2003 (MS-PPT): a tree of records, text in two kinds of atoms.
fn power_point(walk: &mut Walk<'_>, slides: &[u8], seen: &mut Seen) {
    let mut at = 0;
    let mut text = String::new();
    while let (Some(version), Some(kind), Some(length)) = (
        u16_at(slides, at),
        u16_at(slides, at + 2),
        u32_at(slides, at + 4),
    ) {
        at += 8;
        // Containers are entered, so that their end need not be remembered.
        if version & 0x0f == 0x0f {
            continue;
        }
        let end = at.saturating_add(length as usize);
        let Some(body) = slides.get(at..end) else {
            break;
        };
        match kind {
            0x0fa0 | 0x0fba => text.push_str(&utf16(body)),
            0x0fa8 => text.push_str(&western(body)),
            _ => {
                at = end;
                continue;
            }
        }
        text.push('\n');
        at = end;
        if text.len() > walk.text_room() {
            break;
        }
    }
    seen.add_text(&text.replace(['\r', '\u{b}'], "\n"));
}

/// A saved message (MS-OXMSG): properties are streams, named by their number and type.
fn outlook(
    walk: &mut Walk<'_>,
    file: &mut File<'_>,
    paths: &[String],
    at: Place<'_>,
    seen: &mut Seen,
) {
    let mut number = 0;
    for path in paths {
        let Some((storage, name)) = path.rsplit_once('/') else {
            continue;
        };
        if !walk.one_more(seen) {
            return;
        }
        match (storage, name) {
            // Subject, sender's name, body.
            ("", "__substg1.0_0037001F" | "__substg1.0_0C1A001F" | "__substg1.0_1000001F") => {
                let Some(bytes) = stream(walk, file, path, seen) else {
                    continue;
                };
                seen.add_text(&utf16(&bytes));
                seen.add_text("\n");
            }
            ("", "__substg1.0_0037001E" | "__substg1.0_0C1A001E" | "__substg1.0_1000001E") => {
                let Some(bytes) = stream(walk, file, path, seen) else {
                    continue;
                };
                seen.add_text(&western(&bytes));
                seen.add_text("\n");
            }
            // An attached file.
            (storage, "__substg1.0_37010102") if storage.contains("__attach") => {
                number += 1;
                let Some(bytes) = stream(walk, file, path, seen) else {
                    continue;
                };
                let mut named = Vec::new();
                for property in ["3707001F", "3704001F"] {
                    let path = format!("{storage}/__substg1.0_{property}");
                    if file.is_stream(&path)
                        && let Ok(stream) = file.open_stream(&path)
                        && stream.take(1024).read_to_end(&mut named).is_ok()
                    {
                        break;
                    }
                }
                let name = if named.is_empty() {
                    "file".to_owned()
                } else {
                    utf16(&named)
                };
                if !walk.take(&bytes, &name, number, at) {
                    return;
                }
            }
            _ => {}
        }
    }
}
