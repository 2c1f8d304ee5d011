//! One file and what is inside it: the budget of a reading, and which reader gets which bytes.

use std::time::{Duration, Instant};

use mail::Limits;
use mail::message::{
    Finding, Inside, OLE, RTF, Reading, ZIP, is_disguised, is_program, plain_text, real_type,
    runs_by_name,
};

use crate::{archive, ole, pdf, picture, rar, rtf, zipped};

/// Unpacked bytes for each packed one, beyond which it is a bomb.
const BOMB_RATIO: u64 = 200;
/// Below this many bytes nothing is a bomb, however well it packs.
const BOMB_BYTES_MIN: u64 = 8 << 20;

/// Reads one part of a message. Bounded by `limits`, but not safe from the readers' own faults: see the crate's words.
pub fn read(bytes: &[u8], name: Option<&str>, declared: &str, limits: &Limits) -> Reading {
    let mut walk = Walk {
        limits,
        unpacked_left: limits.document_unpacked_bytes_max as u64,
        entries_left: limits.document_entries_max,
        text_left: limits.text_bytes_max,
        until: Instant::now() + Duration::from_millis(limits.document_ms),
        links: Vec::new(),
        inner: Vec::new(),
    };
    let seen = walk.open(bytes, name, declared, "", 0);
    Reading {
        findings: seen.findings,
        text: seen.text,
        links: walk.links,
        inner: walk.inner,
    }
}

/// What one file turned out to be.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub kind: Option<&'static str>,
    pub findings: Vec<Finding>,
    pub text: Option<String>,
}

impl Seen {
    pub(crate) fn found(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    pub(crate) fn add_text(&mut self, text: &str) {
        self.text.get_or_insert_default().push_str(text);
    }
}

/// A reading under way: what may still be spent, and what has been found inside.
pub(crate) struct Walk<'l> {
    pub limits: &'l Limits,
    unpacked_left: u64,
    entries_left: usize,
    text_left: usize,
    until: Instant,
    links: Vec<String>,
    inner: Vec<Inside>,
}

impl Walk<'_> {
    /// Looks at one file. `place` is its path in the outermost file, empty for that itself.
    pub(crate) fn open(
        &mut self,
        bytes: &[u8],
        name: Option<&str>,
        declared: &str,
        place: &str,
        depth: usize,
    ) -> Seen {
        let mut seen = Seen {
            kind: real_type(bytes),
            ..Seen::default()
        };
        if depth > self.limits.document_depth_max {
            seen.found(Finding::TooDeep);
            return seen;
        }
        if depth > 0 {
            if name.is_some_and(runs_by_name) || seen.kind.is_some_and(is_program) {
                seen.found(Finding::Program);
            }
            if seen
                .kind
                .is_some_and(|kind| is_disguised(kind, name, declared))
            {
                seen.found(Finding::Disguised);
            }
        }
        let at = Place { path: place, depth };
        match seen.kind {
            Some(ZIP) => zipped::open(self, bytes, at, &mut seen),
            Some(OLE) => ole::open(self, bytes, at, &mut seen),
            Some(RTF) => rtf::open(self, bytes, &mut seen),
            Some("application/pdf") => pdf::open(self, bytes, at, &mut seen),
            Some(kind) if kind.starts_with("image/") && kind != "image/svg+xml" => {
                picture::open(self, bytes, &mut seen);
            }
            Some("application/gzip" | "application/x-bzip2" | "application/x-xz") => {
                archive::single(self, bytes, name, at, &mut seen);
            }
            Some("application/x-tar") => archive::tar(self, bytes, at, &mut seen),
            Some("application/x-7z-compressed") => archive::seven_zip(self, bytes, at, &mut seen),
            Some("application/vnd.rar") => rar::open(self, bytes, at, &mut seen),
            // No reader yet: what is inside stays unknown, and that is said.
            Some(
                "application/vnd.ms-cab-compressed"
                | "application/x-iso9660-image"
                | "application/onenote"
                | "application/ms-tnef"
                | "application/x-vhd"
                | "application/x-vhdx",
            ) => {
                seen.found(Finding::NotInspected);
            }
            // Infer knows docx and its kin as kinds of their own.
            Some(kind)
                if kind.contains("officedocument")
                    || kind.contains("oasis.opendocument")
                    || kind == "application/epub+zip"
                    || kind == "application/java-archive" =>
            {
                zipped::open(self, bytes, at, &mut seen);
            }
            _ if depth > 0 => self.text_or_message(bytes, name, at, &mut seen),
            _ => {}
        }
        self.cut(&mut seen);
        seen
    }

    /// A file inside another that is text, a page or a message.
    fn text_or_message(
        &mut self,
        bytes: &[u8],
        name: Option<&str>,
        at: Place<'_>,
        seen: &mut Seen,
    ) {
        if name.is_some_and(|name| mail::message::ending(name) == "eml") {
            let (message, files) = mail::Message::read_with_files(bytes, self.limits);
            seen.text = Some(message.subject.clone());
            for (number, part) in message.parts.iter().enumerate() {
                let file = files.iter().find(|file| file.part == number);
                let place = at.below(number + 1);
                let mut inside = match file {
                    Some(file) => self.open(
                        &file.bytes,
                        part.file_name.as_deref(),
                        &part.content_type,
                        &place,
                        at.depth + 1,
                    ),
                    None => Seen {
                        text: part.text.as_deref().map(str::to_owned),
                        ..Seen::default()
                    },
                };
                inside.findings.extend(&part.findings);
                self.keep(&place, part.file_name.clone(), part.size_bytes, inside);
            }
            self.links
                .extend(message.links.into_iter().map(|link| link.url));
            return;
        }
        if let Some(text) = plain_text(bytes, name, self.limits) {
            seen.text = Some(text.visible);
            seen.findings.extend(text.findings);
            self.links.extend(text.links);
        }
    }

    /// Takes a file out of a container: looks at it, and keeps what was seen. False: stop taking any.
    pub(crate) fn take(&mut self, bytes: &[u8], name: &str, number: usize, at: Place<'_>) -> bool {
        let place = at.below(number);
        let seen = self.open(
            bytes,
            Some(name),
            "application/octet-stream",
            &place,
            at.depth + 1,
        );
        self.keep(&place, Some(name.to_owned()), bytes.len() as u64, seen);
        !self.is_over()
    }

    fn keep(&mut self, place: &str, name: Option<String>, size_bytes: u64, seen: Seen) {
        if self.inner.len() >= self.limits.document_entries_max {
            return;
        }
        self.inner.push(Inside {
            path: Some(place.to_owned()),
            file_name: name.map(|name| name.chars().take(255).collect()),
            size_bytes,
            real_type: seen.kind.map(str::to_owned),
            findings: seen.findings,
            text: seen.text,
        });
    }

    /// Keeps the name of a file that cannot be unpacked.
    pub(crate) fn keep_name(&mut self, name: &str, number: usize, at: Place<'_>, finding: Finding) {
        let mut seen = Seen::default();
        seen.found(finding);
        if runs_by_name(name) {
            seen.found(Finding::Program);
        }
        self.keep(&at.below(number), Some(name.to_owned()), 0, seen);
    }

    /// Counts one more file inside; false when there are too many.
    pub(crate) fn one_more(&mut self, seen: &mut Seen) -> bool {
        let room = self.entries_left.checked_sub(1);
        match room {
            Some(left) if !self.is_over() => {
                self.entries_left = left;
                true
            }
            _ => {
                seen.found(Finding::TooLarge);
                false
            }
        }
    }

    /// Unpacks, as far as there is room; what is larger is cut and noted. `packed` is how many bytes it came from, when that is known.
    pub(crate) fn unpack(
        &mut self,
        from: &mut dyn std::io::Read,
        packed: Option<u64>,
        seen: &mut Seen,
    ) -> Option<Vec<u8>> {
        use std::io::Read;
        let mut bytes = Vec::new();
        let read = from.take(self.unpacked_left + 1).read_to_end(&mut bytes);
        let length = bytes.len() as u64;
        let is_bomb = packed
            .is_some_and(|packed| length > BOMB_BYTES_MIN && length / packed.max(1) > BOMB_RATIO);
        if is_bomb {
            seen.found(Finding::Bomb);
        }
        if length > self.unpacked_left {
            self.unpacked_left = 0;
            seen.found(Finding::TooLarge);
            return None;
        }
        self.unpacked_left -= length;
        if read.is_err() {
            seen.found(Finding::Unreadable);
            // What came before the damage is still worth a look.
            return (!bytes.is_empty()).then_some(bytes);
        }
        Some(bytes)
    }

    /// Bytes that may still be unpacked.
    pub(crate) const fn unpacked_room(&self) -> u64 {
        self.unpacked_left
    }

    /// A link that stands in no text.
    pub(crate) fn link(&mut self, target: impl Into<String>) {
        if self.links.len() < self.limits.links_max {
            self.links.push(target.into());
        }
    }

    /// Has the time run out?
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// How much text may still be kept.
    pub(crate) const fn text_room(&self) -> usize {
        let part = self.limits.part_text_bytes_max;
        if self.text_left < part {
            self.text_left
        } else {
            part
        }
    }

    fn cut(&mut self, seen: &mut Seen) {
        let room = self.text_room();
        if let Some(text) = &mut seen.text {
            text.truncate(mail::address::floor_char_boundary(text, room));
            self.text_left -= text.len();
            if text.trim().is_empty() {
                seen.text = None;
            }
        }
    }
}

/// Where a file stands in the outermost one.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub path: &'p str,
    pub depth: usize,
}

impl Place<'_> {
    pub(crate) fn below(&self, number: usize) -> String {
        if self.path.is_empty() {
            number.to_string()
        } else {
            format!("{}/{number}", self.path)
        }
    }
}
