//! Archives that are nothing but archives: gzip, bzip2, xz, tar, 7z.

use std::io::{Cursor, Read};

use mail::message::Finding;

use crate::walk::{Place, Seen, Walk};

/// One packed file. Its name is the archive's without the last ending.
pub(crate) fn single(
    walk: &mut Walk<'_>,
    bytes: &[u8],
    name: Option<&str>,
    at: Place<'_>,
    seen: &mut Seen,
) {
    if !walk.one_more(seen) {
        return;
    }
    let mut reader: Box<dyn Read> = match seen.kind {
        Some("application/gzip") => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        Some("application/x-bzip2") => Box::new(bzip2::read::MultiBzDecoder::new(bytes)),
        _ => Box::new(lzma_rust2::XzReader::new_mem_limit(bytes, true, 64 << 10)),
    };
    let Some(unpacked) = walk.unpack(&mut reader, Some(bytes.len() as u64), seen) else {
        return;
    };
    let inner = name
        .and_then(|name| name.rsplit_once('.'))
        .map_or("file", |(stem, _)| stem);
    // `x.tgz` holds `x.tar`.
    let inner = match name.map(mail::message::ending).as_deref() {
        Some("tgz" | "tbz" | "txz") => format!("{inner}.tar"),
        _ => inner.to_owned(),
    };
    walk.take(&unpacked, &inner, 1, at);
}

pub(crate) fn tar(walk: &mut Walk<'_>, bytes: &[u8], at: Place<'_>, seen: &mut Seen) {
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let Ok(entries) = archive.entries() else {
        seen.found(Finding::Unreadable);
        return;
    };
    for (number, entry) in entries.enumerate() {
        let Ok(mut entry) = entry else {
            seen.found(Finding::Unreadable);
            return;
        };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !walk.one_more(seen) {
            return;
        }
        let Some(unpacked) = walk.unpack(&mut entry, None, seen) else {
            return;
        };
        if !walk.take(&unpacked, &name, number + 1, at) {
            seen.found(Finding::TooLarge);
            return;
        }
    }
}

pub(crate) fn seven_zip(walk: &mut Walk<'_>, bytes: &[u8], at: Place<'_>, seen: &mut Seen) {
    use sevenz_rust2::{ArchiveReader, Error, Password};
    let memory = walk.limits.document_unpacked_bytes_max;
    let opened =
        ArchiveReader::new_with_memory_limit(Cursor::new(bytes), Password::empty(), memory);
    let mut archive = match opened {
        Ok(archive) => archive,
        Err(error) => {
            seen.found(of_error(&error));
            return;
        }
    };
    let mut number = 0;
    let names: Vec<String> = archive
        .archive()
        .files
        .iter()
        .filter(|file| !file.is_directory())
        .map(|file| file.name().to_owned())
        .collect();
    let walked = archive.for_each_entries(|entry, reader| {
        if entry.is_directory() {
            return Ok(true);
        }
        number += 1;
        if !walk.one_more(seen) {
            return Ok(false);
        }
        let Some(unpacked) = walk.unpack(reader, None, seen) else {
            return Ok(false);
        };
        // What could not be unpacked is listed below.
        if seen.findings.contains(&Finding::Unreadable) {
            return Err(Error::Unsupported("damaged".into()));
        }
        Ok(walk.take(&unpacked, entry.name(), number, at))
    });
    if let Err(error) = walked {
        let finding = of_error(&error);
        seen.found(finding);
        for (number, name) in names.iter().enumerate().skip(number) {
            walk.keep_name(name, number + 1, at, finding);
        }
    }

    fn of_error(error: &Error) -> Finding {
        match error {
            Error::PasswordRequired | Error::MaybeBadPassword(_) => Finding::Encrypted,
            Error::MaxMemLimited { .. } => Finding::TooLarge,
            _ => Finding::Unreadable,
        }
    }
}
