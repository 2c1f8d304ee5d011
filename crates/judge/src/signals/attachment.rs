//! Signals about attachments: by name, by declared type, and by what was found in them.

use mail::message::{Finding, Part, ending, runs_by_name};
use mail::{Facts, Site};

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

/// The first part of which this was found, by its name, else its place.
fn with(facts: &Facts, wanted: &[Finding]) -> Option<String> {
    first(facts, |part| {
        part.findings.iter().any(|found| wanted.contains(found))
    })
}

fn first(facts: &Facts, wanted: impl Fn(&Part) -> bool) -> Option<String> {
    let part = facts.message.parts.iter().find(|part| wanted(part))?;
    let name = part.file_name.as_deref().unwrap_or_default();
    let kind = part.real_type.as_deref().unwrap_or(&part.content_type);
    let shown: String = name.chars().take(120).collect();
    Some(match (shown.is_empty(), part.path.contains('/')) {
        (true, _) => format!("part {}, {kind}", part.path),
        (false, false) => format!("{shown}, {kind}"),
        (false, true) => format!(
            "{shown}, {kind}, inside part {}",
            part.path.split('/').next().unwrap_or_default()
        ),
    })
}

/// Shell scripts are sent around by people who mean them to be read; nothing starts them when they are opened.
pub(super) fn executable(facts: &Facts, _: &Site) -> Option<String> {
    first(facts, |part| {
        let name = part.file_name.as_deref().unwrap_or_default();
        let is_text = part.real_type.as_deref() == Some("text/x-shellscript");
        part.findings.contains(&Finding::Program) && (!is_text || runs_by_name(name))
    })
}

pub(super) fn disguised(facts: &Facts, _: &Site) -> Option<String> {
    with(facts, &[Finding::Disguised])
}

pub(super) fn macro_runs_itself(facts: &Facts, _: &Site) -> Option<String> {
    with(facts, &[Finding::MacroRunsItself])
}

pub(super) fn fetches_remote(facts: &Facts, _: &Site) -> Option<String> {
    with(facts, &[Finding::FetchesRemote])
}

pub(super) fn encrypted(facts: &Facts, _: &Site) -> Option<String> {
    with(facts, &[Finding::Encrypted])
}

pub(super) fn bomb(facts: &Facts, _: &Site) -> Option<String> {
    with(
        facts,
        &[Finding::Bomb, Finding::TooDeep, Finding::ReaderDied],
    )
}

pub(super) fn qr_code(facts: &Facts, _: &Site) -> Option<String> {
    with(facts, &[Finding::QrCode])
}

pub(super) fn asks_password(facts: &Facts, _: &Site) -> Option<String> {
    with(facts, &[Finding::AsksPassword])
}

/// Pages in mail have no use for scripts; attached ones are how phishing pages are brought along.
pub(super) fn script(facts: &Facts, _: &Site) -> Option<String> {
    with(facts, &[Finding::Script])
}

pub(super) fn double_extension(facts: &Facts, _: &Site) -> Option<String> {
    named(facts, |_, name| {
        let last = ending(name);
        let dangerous = runs_by_name(name)
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
    with(facts, &[Finding::Macro]).or_else(|| {
        named(facts, |part, name| {
            MACRO_DOCUMENTS.contains(&ending(name).as_str())
                || part.content_type.contains("macroenabled")
        })
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
