//! Rich text (RTF 1.9.1): the text, and whether objects are embedded.

use mail::message::Finding;

use crate::walk::{Seen, Walk};

/// Groups that hold no text a person reads.
const UNSEEN: [&str; 22] = [
    "fonttbl",
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "objdata",
    "themedata",
    "colorschememapping",
    "datastore",
    "latentstyles",
    "listtable",
    "listoverridetable",
    "rsidtbl",
    "generator",
    "xmlnstbl",
    "fldinst",
    "bkmkstart",
    "bkmkend",
    "revtbl",
    "filetbl",
    "mmathPr",
    "pgptbl",
];
/// Deepest nesting of groups that is followed.
const DEPTH_MAX: usize = 500;

/// What a group inherits from the one around it.
#[derive(Clone, Copy)]
struct Group {
    is_seen: bool,
    /// Bytes that stand for a `\u` character where that is not understood.
    fallback: usize,
}

pub(crate) fn open(walk: &mut Walk<'_>, bytes: &[u8], seen: &mut Seen) {
    let mut reader = Reader {
        bytes,
        at: 0,
        group: Group {
            is_seen: true,
            fallback: 1,
        },
        outer: Vec::new(),
        too_deep: 0,
        skip: 0,
        pending: Vec::new(),
        encoding: encoding_rs::WINDOWS_1252,
        high: None,
        text: String::new(),
        field: String::new(),
        in_field: false,
    };
    let room = walk.text_room();
    while reader.text.len() < room && reader.step(seen).is_some() {}
    reader.flush();
    for word in reader.field.split(['"', ' ']) {
        if word.contains("://") {
            walk.link(word);
        }
    }
    if reader.field.to_ascii_uppercase().contains("DDEAUTO") {
        seen.found(Finding::Script);
    }
    let text = std::mem::take(&mut reader.text);
    seen.add_text(&text);
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    group: Group,
    outer: Vec<Group>,
    too_deep: usize,
    /// Bytes of a fallback still to be passed over.
    skip: usize,
    /// Bytes in the document's code page.
    pending: Vec<u8>,
    encoding: &'static encoding_rs::Encoding,
    /// The first half of a character outside the first plane.
    high: Option<u16>,
    text: String,
    /// Instructions of fields: links, commands.
    field: String,
    in_field: bool,
}

impl Reader<'_> {
    fn step(&mut self, seen: &mut Seen) -> Option<()> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        match byte {
            b'{' => {
                self.flush();
                if self.outer.len() < DEPTH_MAX {
                    self.outer.push(self.group);
                } else {
                    self.too_deep += 1;
                }
            }
            b'}' => {
                self.flush();
                if self.too_deep > 0 {
                    self.too_deep -= 1;
                } else {
                    self.group = self.outer.pop()?;
                    self.in_field = false;
                }
            }
            b'\\' => self.control(seen)?,
            b'\r' | b'\n' => {}
            byte => self.byte(byte),
        }
        Some(())
    }

    fn byte(&mut self, byte: u8) {
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.group.is_seen {
            self.pending.push(byte);
        } else if self.in_field && self.field.len() < 64 << 10 {
            self.field.push(char::from(byte));
        }
    }

    fn flush(&mut self) {
        if !self.pending.is_empty() {
            self.text
                .push_str(&self.encoding.decode_without_bom_handling(&self.pending).0);
            self.pending.clear();
        }
    }

    fn control(&mut self, seen: &mut Seen) -> Option<()> {
        let first = *self.bytes.get(self.at)?;
        if !first.is_ascii_alphabetic() {
            self.at += 1;
            match first {
                b'\'' => {
                    let digits = self.bytes.get(self.at..self.at + 2)?;
                    self.at += 2;
                    let code = std::str::from_utf8(digits)
                        .ok()
                        .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                    if let Some(code) = code {
                        self.byte(code);
                    }
                }
                // What follows may be passed over by whoever does not know it: mostly nothing to read.
                b'*' => self.group.is_seen = false,
                b'~' => self.byte(b' '),
                b'\\' | b'{' | b'}' => self.byte(first),
                b'\r' | b'\n' => self.byte(b'\n'),
                _ => {}
            }
            return Some(());
        }
        let rest = &self.bytes[self.at..];
        let letters = rest
            .iter()
            .take(32)
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let word = std::str::from_utf8(&rest[..letters]).ok()?;
        let digits = rest[letters..]
            .iter()
            .take(12)
            .take_while(|byte| byte.is_ascii_digit() || **byte == b'-')
            .count();
        let number: Option<i64> = std::str::from_utf8(&rest[letters..letters + digits])
            .ok()?
            .parse()
            .ok();
        self.at += letters + digits;
        if self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        self.word(word, number, seen);
        Some(())
    }

    fn word(&mut self, word: &str, number: Option<i64>, seen: &mut Seen) {
        match word {
            "par" | "line" | "row" | "page" | "sect" => self.byte(b'\n'),
            "tab" | "cell" => self.byte(b' '),
            "ansicpg" => {
                let label = match number.unwrap_or(0) {
                    936 => "gbk".to_owned(),
                    950 => "big5".to_owned(),
                    932 => "shift_jis".to_owned(),
                    949 => "euc-kr".to_owned(),
                    other => format!("windows-{other}"),
                };
                self.encoding =
                    encoding_rs::Encoding::for_label(label.as_bytes()).unwrap_or(self.encoding);
            }
            "uc" => self.group.fallback = number.unwrap_or(1).clamp(0, 10) as usize,
            "u" => self.unicode(number.unwrap_or(0) as u16),
            // Binary follows, as long as it says.
            "bin" => self.at = self.at.saturating_add(number.unwrap_or(0).max(0) as usize),
            "object" | "objocx" | "objemb" | "objdata" | "objautlink" | "objupdate" => {
                seen.found(Finding::EmbeddedFile);
                if matches!(word, "objautlink" | "objupdate") {
                    seen.found(Finding::FetchesRemote);
                }
                if word == "objdata" {
                    self.group.is_seen = false;
                }
            }
            "fldinst" => {
                self.flush();
                self.group.is_seen = false;
                self.in_field = true;
            }
            "template" => self.group.is_seen = false,
            word if UNSEEN.contains(&word) => {
                self.flush();
                self.group.is_seen = false;
            }
            _ => {}
        }
    }

    fn unicode(&mut self, unit: u16) {
        self.flush();
        let c = match (self.high.take(), unit) {
            (_, 0xd800..=0xdbff) => {
                self.high = Some(unit);
                None
            }
            (Some(high), _) => char::decode_utf16([high, unit]).next().and_then(Result::ok),
            (None, _) => char::from_u32(u32::from(unit)),
        };
        if self.group.is_seen {
            self.text.extend(c);
        }
        self.skip = self.group.fallback;
    }
}
