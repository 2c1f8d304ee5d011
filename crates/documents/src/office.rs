//! Office documents that are zip files: OOXML (ECMA-376) and OpenDocument.

use std::io::Cursor;

use mail::message::Finding;
use zip::ZipArchive;

use crate::walk::{Place, Seen, Walk};
use crate::{macros, xml, zipped};

type Archive<'b> = ZipArchive<Cursor<&'b [u8]>>;

/// Word, Excel, PowerPoint since 2007.
pub(crate) fn ooxml(
    walk: &mut Walk<'_>,
    archive: &mut Archive<'_>,
    at: Place<'_>,
    seen: &mut Seen,
) {
    let names = zipped::names(archive);
    for (number, name) in names.iter().enumerate() {
        let lower = name.to_ascii_lowercase();
        let wanted = Wanted::of(&lower);
        if wanted == Wanted::Nothing {
            continue;
        }
        if !walk.one_more(seen) {
            return;
        }
        let bytes = match zipped::unpacked(walk, archive, number, seen) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => continue,
            Err(finding) => {
                seen.found(finding);
                continue;
            }
        };
        match wanted {
            Wanted::Text => {
                let mut commands = false;
                let text = xml::walk(&bytes, walk.text_room(), |element, start| {
                    commands |= element == "ddeLink"
                        || (element == "fldSimple"
                            && xml::attribute(start, "instr")
                                .is_some_and(|field| starts_program(&field)));
                });
                if commands || starts_program(&text) {
                    seen.found(Finding::Script);
                }
                seen.add_text(&text);
                seen.add_text("\n");
            }
            Wanted::Relations => relations(walk, &bytes, seen),
            Wanted::Macros => {
                seen.found(Finding::Macro);
                if macros::runs_itself(&bytes) {
                    seen.found(Finding::MacroRunsItself);
                }
            }
            Wanted::OldMacros => seen.found(Finding::Macro),
            Wanted::Workbook => {
                if memory(&bytes, b"_xlnm.Auto_Open") {
                    seen.found(Finding::MacroRunsItself);
                }
            }
            Wanted::Embedded => {
                seen.found(Finding::EmbeddedFile);
                if !walk.take(&bytes, name, number + 1, at) {
                    return;
                }
            }
            Wanted::Nothing => {}
        }
    }
}

/// What a file inside is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Text,
    Relations,
    Macros,
    OldMacros,
    Workbook,
    Embedded,
    Nothing,
}

impl Wanted {
    fn of(name: &str) -> Self {
        let is_xml = name.rsplit('.').next() == Some("xml");
        if name.ends_with("vbaproject.bin") {
            Self::Macros
        } else if name.contains("/macrosheets/") {
            Self::OldMacros
        } else if name.rsplit('.').next() == Some("rels") {
            Self::Relations
        } else if name == "xl/workbook.xml" {
            Self::Workbook
        } else if name.contains("/embeddings/") {
            Self::Embedded
        } else if is_xml
            && (name.starts_with("word/")
                || name.starts_with("ppt/slides/")
                || name.starts_with("ppt/notesslides/")
                || name.starts_with("xl/sharedstrings")
                || name.starts_with("xl/worksheets/")
                || name.starts_with("xl/comments")
                || name.starts_with("xl/drawings/")
                || name.starts_with("xl/externallinks/")
                || name.starts_with("docprops/core"))
            && ![
                "styles",
                "settings",
                "fonttable",
                "theme",
                "numbering",
                "websettings",
            ]
            .iter()
            .any(|style| name.contains(style))
        {
            Self::Text
        } else {
            Self::Nothing
        }
    }
}

/// Fields that start something when they are updated.
fn starts_program(field: &str) -> bool {
    let upper = field
        .get(..field.len().min(64 << 10))
        .unwrap_or(field)
        .to_ascii_uppercase();
    upper.contains("DDEAUTO ") || upper.contains(" DDE ") || upper.trim_start().starts_with("DDE ")
}

fn memory(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// Where a document leads to, and what it fetches by itself.
fn relations(walk: &mut Walk<'_>, bytes: &[u8], seen: &mut Seen) {
    let mut targets = Vec::new();
    let mut fetches = false;
    xml::walk(bytes, walk.text_room(), |element, start| {
        let is_outside = element == "Relationship"
            && xml::attribute(start, "TargetMode")
                .is_some_and(|mode| mode.eq_ignore_ascii_case("external"));
        if is_outside && let Some(target) = xml::attribute(start, "Target") {
            let kind = xml::attribute(start, "Type").unwrap_or_default();
            fetches |= [
                "attachedTemplate",
                "oleObject",
                "frame",
                "subDocument",
                "externalLinkPath",
            ]
            .iter()
            .any(|fetched| kind.ends_with(fetched));
            targets.push(target);
        }
    });
    if fetches {
        seen.found(Finding::FetchesRemote);
    }
    targets.into_iter().for_each(|target| walk.link(target));
}

/// LibreOffice and its kin.
pub(crate) fn open_document(walk: &mut Walk<'_>, archive: &mut Archive<'_>, seen: &mut Seen) {
    let names = zipped::names(archive);
    for (number, name) in names.iter().enumerate() {
        if name.starts_with("Basic/") || name.starts_with("Scripts/") {
            seen.found(Finding::Macro);
        }
        if name.starts_with("Object ") && name.ends_with("content.xml") {
            seen.found(Finding::EmbeddedFile);
        }
        let is_text = name == "content.xml" || name == "styles.xml" || name == "meta.xml";
        let is_manifest = name == "META-INF/manifest.xml";
        if !(is_text || is_manifest) {
            continue;
        }
        if !walk.one_more(seen) {
            return;
        }
        let Ok(Some(bytes)) = zipped::unpacked(walk, archive, number, seen) else {
            seen.found(Finding::Unreadable);
            continue;
        };
        if is_manifest {
            if memory(&bytes, b"encryption-data") {
                seen.found(Finding::Encrypted);
            }
            continue;
        }
        let mut links = Vec::new();
        let mut runs = false;
        let text = xml::walk(&bytes, walk.text_room(), |element, start| {
            // Every event handler of OpenDocument is an element of this name.
            runs |= element == "event-listener";
            if let Some(target) =
                xml::attribute(start, "href").filter(|target| target.contains("://"))
            {
                links.push(target);
            }
        });
        if runs && seen.findings.contains(&Finding::Macro) {
            seen.found(Finding::MacroRunsItself);
        }
        links.into_iter().for_each(|link| walk.link(link));
        seen.add_text(&text);
        seen.add_text("\n");
    }
}
