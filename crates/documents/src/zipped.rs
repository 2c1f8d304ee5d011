//! Zip files: plain archives, and the documents that are zip files inside (OOXML, OpenDocument).

use std::collections::HashSet;
use std::io::Cursor;

use mail::message::Finding;
use zip::ZipArchive;

use crate::office;
use crate::walk::{Place, Seen, Walk};

pub(crate) fn open(walk: &mut Walk<'_>, bytes: &[u8], at: Place<'_>, seen: &mut Seen) {
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else {
        seen.found(Finding::Unreadable);
        return;
    };
    if overlaps(&mut archive) {
        seen.found(Finding::Bomb);
        return;
    }
    let has = |name: &str| archive.index_for_name(name).is_some();
    if has("[Content_Types].xml") {
        office::ooxml(walk, &mut archive, at, seen);
    } else if has("mimetype") && has("content.xml") {
        office::open_document(walk, &mut archive, seen);
    } else {
        plain(walk, &mut archive, at, seen);
    }
}

/// The names of all files, in the order of the directory; empty where one cannot be read.
pub(crate) fn names(archive: &ZipArchive<Cursor<&[u8]>>) -> Vec<String> {
    let name = |number| archive.name_for_index(number)?.ok();
    (0..archive.len())
        .map(|number| name(number).map_or_else(String::new, std::borrow::Cow::into_owned))
        .collect()
}

/// Do files share their packed bytes? Only bombs do (Fifield, "A better zip bomb", 2019).
fn overlaps(archive: &mut ZipArchive<Cursor<&[u8]>>) -> bool {
    let mut starts = HashSet::new();
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for number in 0..archive.len() {
        let Ok(file) = archive.by_index_raw(number) else {
            continue;
        };
        let Some(start) = file.data_start() else {
            continue;
        };
        if file.compressed_size() > 0 {
            if !starts.insert(start) {
                return true;
            }
            spans.push((start, start.saturating_add(file.compressed_size())));
        }
    }
    spans.sort_unstable();
    spans.windows(2).any(|pair| pair[0].1 > pair[1].0)
}

fn plain(
    walk: &mut Walk<'_>,
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    at: Place<'_>,
    seen: &mut Seen,
) {
    for (number, name) in names(archive).into_iter().enumerate() {
        if !walk.one_more(seen) {
            return;
        }
        if name.ends_with('/') {
            continue;
        }
        match unpacked(walk, archive, number, seen) {
            Ok(Some(bytes)) => {
                if !walk.take(&bytes, &name, number + 1, at) {
                    seen.found(Finding::TooLarge);
                    return;
                }
            }
            Ok(None) => walk.keep_name(&name, number + 1, at, Finding::TooLarge),
            Err(finding) => {
                seen.found(finding);
                walk.keep_name(&name, number + 1, at, finding);
            }
        }
    }
}

/// One file of a zip archive; `Ok(None)` is too large.
pub(crate) fn unpacked(
    walk: &mut Walk<'_>,
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    number: usize,
    seen: &mut Seen,
) -> Result<Option<Vec<u8>>, Finding> {
    let is_encrypted = archive
        .by_index_raw(number)
        .is_ok_and(|file| file.encrypted());
    if is_encrypted {
        return Err(Finding::Encrypted);
    }
    let mut file = archive.by_index(number).map_err(|_| Finding::Unreadable)?;
    let packed = file.compressed_size();
    Ok(walk.unpack(&mut file, Some(packed), seen))
}
