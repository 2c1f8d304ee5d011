//! What bytes are, whatever they are called.

use serde::{Deserialize, Serialize};

/// What was found out about one part by looking into it. Never an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// A program, a script or a shortcut that runs when it is opened.
    Program,
    /// The content is of another kind than name or declared type say.
    Disguised,
    /// It, or something in it, is encrypted.
    Encrypted,
    /// It carries macros.
    Macro,
    /// It carries macros that run by themselves when it is opened.
    MacroRunsItself,
    /// It fetches something from elsewhere when it is opened (a template, an object).
    FetchesRemote,
    /// It carries an embedded object or file that is no picture.
    EmbeddedFile,
    /// It carries a script, or starts something when it is opened (PDF actions, DDE, HTML scripts).
    Script,
    /// It asks for a password in a form.
    AsksPassword,
    /// It shows a code that leads to a link.
    QrCode,
    /// No reader understands it.
    Unreadable,
    /// There is no reader for its kind, or none was free in time.
    NotInspected,
    /// Containers in containers beyond the limit; the rest was not looked at.
    TooDeep,
    /// More or larger than the limits; the rest was not looked at.
    TooLarge,
    /// It grows far beyond its size when it is unpacked.
    Bomb,
    /// Reading it took too long, or killed the reader.
    ReaderDied,
}

impl Finding {
    /// `MacroRunsItself` is `macro-runs-itself`, as everywhere in records.
    pub fn name(self) -> String {
        super::kebab(&format!("{self:?}"))
    }
}

/// Bytes at the start that are looked at.
const LOOK_BYTES: usize = 64 << 10;

/// The media type of `bytes` by their content; `None` for plain text and for what is not known.
pub fn real_type(bytes: &[u8]) -> Option<&'static str> {
    let own = OWN
        .iter()
        .find(|(at, magic, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    if let Some((_, _, kind)) = own {
        return Some(kind);
    }
    let start = &bytes[..bytes.len().min(LOOK_BYTES)];
    if let Some(known) = infer::get(start) {
        // What only a browser or an editor shows is text to us, and read as such below.
        if !matches!(
            known.mime_type(),
            "text/html" | "text/xml" | "text/x-shellscript"
        ) {
            return Some(known.mime_type());
        }
    }
    // Readers of PDF accept rubbish before its header.
    if memchr::memmem::find(&start[..start.len().min(1024)], b"%PDF-").is_some() {
        return Some("application/pdf");
    }
    of_text(start)
}

/// Where, what, which.
const OWN: [(usize, &[u8], &str); 16] = [
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (0, b"{\\rt", RTF),
    (0, b"%PDF-", "application/pdf"),
    (
        0,
        b"\x4c\x00\x00\x00\x01\x14\x02\x00",
        "application/x-ms-shortcut",
    ),
    (
        0,
        b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3",
        "application/onenote",
    ),
    (0x8001, b"CD001", "application/x-iso9660-image"),
    (0, b"MSCF", "application/vnd.ms-cab-compressed"),
    (0, b"ITSF", "application/vnd.ms-htmlhelp"),
    (0, b"conectix", "application/x-vhd"),
    (0, b"vhdxfile", "application/x-vhdx"),
    (0, b"MZ", PROGRAM),
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"\x78\x9f\x3e\x22", TNEF),
    (0, b"[InternetShortcut]", "application/x-url"),
];

/// Compound files: Office until 2003, installers, saved messages.
pub const OLE: &str = "application/x-ole-storage";
/// Rich text.
pub const RTF: &str = "application/rtf";
/// Zip archives, and everything built on them.
pub const ZIP: &str = "application/zip";
/// Programs for Windows.
pub const PROGRAM: &str = "application/vnd.microsoft.portable-executable";
/// Outlook's own container, `winmail.dat`.
const TNEF: &str = "application/ms-tnef";

/// Text that is more than text.
fn of_text(start: &[u8]) -> Option<&'static str> {
    let text = start
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(start)
        .trim_ascii_start();
    let begins = |with: &[u8]| {
        text.get(..with.len())
            .is_some_and(|first| first.eq_ignore_ascii_case(with))
    };
    if begins(b"#!") {
        return Some("text/x-shellscript");
    }
    if begins(b"BEGIN:VCALENDAR") {
        return Some("text/calendar");
    }
    if begins(b"BEGIN:VCARD") {
        return Some("text/vcard");
    }
    let web = [
        b"<!doctype html".as_slice(),
        b"<html",
        b"<head",
        b"<body",
        b"<script",
        b"<iframe",
        b"<meta",
        b"<table",
        b"<a href",
    ];
    if web.iter().any(|tag| begins(tag)) {
        return Some("text/html");
    }
    if begins(b"<?xml") || begins(b"<svg") {
        let svg = memchr::memmem::find(&text[..text.len().min(2048)], b"<svg").is_some();
        return Some(if svg { "image/svg+xml" } else { "text/xml" });
    }
    None
}

/// Kinds that run when they are opened.
pub fn is_program(kind: &str) -> bool {
    matches!(
        kind,
        PROGRAM
            | "application/x-elf"
            | "application/x-executable"
            | "application/vnd.microsoft.portable-executable.dll"
            | "application/x-mach-binary"
            | "application/java"
            | "application/x-ms-shortcut"
            | "application/x-url"
            | "application/vnd.ms-htmlhelp"
            | "text/x-shellscript"
    )
}

/// Endings of names of what Windows starts when it is opened.
const PROGRAM_ENDINGS: [&str; 31] = [
    "exe",
    "scr",
    "com",
    "pif",
    "bat",
    "cmd",
    "vbs",
    "vbe",
    "js",
    "jse",
    "wsf",
    "wsh",
    "hta",
    "msi",
    "msp",
    "cpl",
    "jar",
    "ps1",
    "reg",
    "dll",
    "gadget",
    "application",
    "msc",
    "sct",
    "ws",
    "xll",
    "appx",
    "lnk",
    "chm",
    "url",
    "appref-ms",
];

/// The ending of a file name, in lower case, as Windows takes it: trailing dots and spaces do not count, nor do invisible characters.
pub fn ending(name: &str) -> String {
    let visible: String = name
        .chars()
        .filter(|c| !crate::text::is_invisible(*c))
        .collect();
    let visible = visible.trim_end_matches(['.', ' ']);
    let last = visible
        .rsplit('.')
        .next()
        .filter(|last| last.len() < visible.len());
    last.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Does a file of this name run when it is opened?
pub fn runs_by_name(name: &str) -> bool {
    PROGRAM_ENDINGS.contains(&ending(name).as_str())
}

/// Is content of this kind surprising under this name and declared type?
pub fn is_disguised(real: &str, name: Option<&str>, declared: &str) -> bool {
    let ending = name.map(ending).unwrap_or_default();
    let fits = |claims: &[&str], kinds: &[&str]| {
        claims
            .contains(&ending.as_str())
            .then(|| kinds.iter().any(|kind| real.starts_with(kind)))
    };
    let office = [
        OLE,
        "application/msword",
        "application/vnd.ms-",
        "application/vnd.openxmlformats",
        ZIP,
        RTF,
        "text/html",
        "text/xml",
        "application/vnd.oasis",
    ];
    let by_name = fits(&["pdf"], &["application/pdf"])
        .or_else(|| {
            fits(
                &[
                    "doc", "docx", "docm", "dot", "dotx", "dotm", "rtf", "xls", "xlsx", "xlsm",
                    "xlsb", "ppt", "pptx", "pptm", "odt", "ods", "odp",
                ],
                &office,
            )
        })
        .or_else(|| {
            fits(
                &[
                    "jpg", "jpeg", "png", "gif", "bmp", "tif", "tiff", "webp", "ico",
                ],
                &["image/"],
            )
        })
        .or_else(|| {
            fits(
                &["mp3", "wav", "ogg", "m4a"],
                &["audio/", "video/", "application/ogg"],
            )
        })
        .or_else(|| fits(&["txt", "csv", "log"], &["text/"]))
        .or_else(|| fits(&["htm", "html"], &["text/"]));
    if let Some(fits) = by_name {
        return !fits;
    }
    // Programs are never what a declared document, picture or text is.
    is_program(real)
        && (declared.starts_with("image/")
            || declared.starts_with("text/")
            || declared == "application/pdf")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_content() {
        for (bytes, kind) in [
            (b"MZ\x90\0".as_slice(), Some(PROGRAM)),
            (b"%PDF-1.7", Some("application/pdf")),
            (b"\n\n junk %PDF-1.4", Some("application/pdf")),
            (b"PK\x03\x04", Some(ZIP)),
            (b"\x1f\x8b\x08", Some("application/gzip")),
            (b"Rar!\x1a\x07\x01\0", Some("application/vnd.rar")),
            (b"\x89PNG\r\n\x1a\n", Some("image/png")),
            (b"  <!DOCTYPE HTML>", Some("text/html")),
            (b"{\\rtf1", Some(RTF)),
            (b"plain text", None),
            (b"", None),
        ] {
            assert_eq!(real_type(bytes), kind, "{bytes:?}");
        }
    }

    #[test]
    fn a_disguise_is_a_kind_that_its_name_denies() {
        for (real, name, declared, disguised) in [
            (PROGRAM, Some("a.pdf"), "application/pdf", true),
            (PROGRAM, None, "image/jpeg", true),
            (PROGRAM, Some("a.exe"), "application/octet-stream", false),
            ("text/html", Some("a.doc"), "application/msword", false),
            (ZIP, Some("a.docx"), "application/octet-stream", false),
            ("text/html", Some("a.pdf"), "application/pdf", true),
            ("image/png", Some("a.jpg"), "image/jpeg", false),
            (
                "application/pdf",
                Some("scan"),
                "application/octet-stream",
                false,
            ),
        ] {
            assert_eq!(
                is_disguised(real, name, declared),
                disguised,
                "{real} {name:?}"
            );
        }
    }
}
