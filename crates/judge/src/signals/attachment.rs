//! Signals about attachments, by name and declared type. What they really hold is read by later work.

use mail::message::Part;
use mail::{Facts, Site};

/// Windows starts these when they are opened.
const PROGRAMS: [&str; 27] = [
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
];
/// Office documents that may hold macros, by their ending.
const MACRO_DOCUMENTS: [&str; 10] = [
    "docm", "dotm", "xlsm", "xltm", "xlsb", "xlam", "pptm", "potm", "ppsm", "sldm",
];
/// Containers that lose the mark of where a file came from, and shortcuts.
const IMAGES: [&str; 7] = ["iso", "img", "vhd", "vhdx", "lnk", "url", "one"];
/// Endings people trust, put before the real one.
const HARMLESS: [&str; 16] = [
    "pdf", "doc", "docx", "xls", "xlsx", "ppt", "txt", "jpg", "jpeg", "png", "gif", "mp3", "mp4",
    "zip", "csv", "htm",
];

fn ending(name: &str) -> String {
    // Trailing dots and spaces are dropped by Windows; direction marks are what hides an ending.
    let visible: String = name
        .chars()
        .filter(|c| !mail::text::is_invisible(*c))
        .collect();
    visible
        .trim_end_matches(['.', ' '])
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn named(facts: &Facts, wanted: impl Fn(&Part, &str) -> bool) -> Option<String> {
    let names = facts
        .message
        .parts
        .iter()
        .filter_map(|part| Some((part, part.file_name.as_deref()?)));
    let mut found = names.filter(|(part, name)| wanted(part, name));
    found
        .next()
        .map(|(_, name)| name.chars().take(120).collect())
}

pub(super) fn executable(facts: &Facts, _: &Site) -> Option<String> {
    named(facts, |_, name| PROGRAMS.contains(&ending(name).as_str()))
}

pub(super) fn double_extension(facts: &Facts, _: &Site) -> Option<String> {
    named(facts, |_, name| {
        let last = ending(name);
        let dangerous = PROGRAMS.contains(&last.as_str())
            || IMAGES.contains(&last.as_str())
            || ["html", "shtml"].contains(&last.as_str());
        let before = name.to_ascii_lowercase();
        let before = before
            .trim_end_matches(['.', ' '])
            .rsplit('.')
            .nth(1)
            .unwrap_or_default()
            .trim()
            .to_owned();
        let turned = name.contains(['\u{202e}', '\u{202d}']);
        (dangerous && HARMLESS.contains(&before.as_str())) || turned
    })
}

pub(super) fn macro_document(facts: &Facts, _: &Site) -> Option<String> {
    named(facts, |part, name| {
        MACRO_DOCUMENTS.contains(&ending(name).as_str())
            || part.content_type.contains("macroenabled")
    })
}

pub(super) fn html(facts: &Facts, _: &Site) -> Option<String> {
    named(facts, |_, name| {
        ["htm", "html", "shtml", "xhtml", "svg"].contains(&ending(name).as_str())
    })
}

pub(super) fn disk_image(facts: &Facts, _: &Site) -> Option<String> {
    named(facts, |_, name| IMAGES.contains(&ending(name).as_str()))
}
