//! Reports as they come packed: gzip, zip, or plain, whatever they are declared as.
//!
//! The bytes decide, not the content type or the file name: in the wild each is used for each. A zip is read by a few lines of our
//! own instead of the archive reader of `documents`: reporters use two methods and one entry, and the less code sees strangers' bytes in
//! the service's own process the better.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use mail::Limits;
use memchr::memmem;

use crate::{Notes, Refused};

/// Packed inside packed (a gzip of a zip, a gzip twice over) is unpacked so often.
const LAYERS_MAX: usize = 3;
/// Entries of a zip looked at.
const ENTRIES_MAX: usize = 16;

/// The report inside `packed`.
pub fn unpack<'p>(
    packed: &'p [u8],
    limits: &Limits,
    notes: &mut Notes,
) -> Result<Cow<'p, [u8]>, Refused> {
    if packed.len() > limits.report_bytes_max {
        return Err(Refused::TooLarge {
            bytes: packed.len(),
            limit: limits.report_bytes_max,
        });
    }
    let mut bytes = Cow::Borrowed(packed);
    for layer in 0..=LAYERS_MAX {
        let inner = if bytes.starts_with(&[0x1f, 0x8b]) {
            inflate(MultiGzDecoder::new(&*bytes), limits, notes)?
        } else if bytes.starts_with(b"PK\x03\x04") {
            unzip(&bytes, limits, notes)?
        } else {
            return Ok(bytes);
        };
        if layer == 1 {
            notes.add("it is packed more than once");
        }
        bytes = Cow::Owned(inner);
    }
    Err(Refused::NotPacked("packed too many times over"))
}

/// Reads to the end of the packed data. Data that breaks off is kept as far as it came: the reader of the format says
/// whether that is enough.
fn inflate(mut packed: impl Read, limits: &Limits, notes: &mut Notes) -> Result<Vec<u8>, Refused> {
    let limit = limits.report_unpacked_bytes_max;
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        match packed.read(&mut piece) {
            Ok(0) => return Ok(bytes),
            Ok(count) if bytes.len() + count > limit => return Err(Refused::Bomb { limit }),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(_) if bytes.is_empty() => return Err(Refused::NotPacked("broken at its start")),
            Err(_) => {
                notes.add("its packed data is broken; what came before that is read");
                return Ok(bytes);
            }
        }
    }
}

/// The first entry of a zip that may be a report.
fn unzip(zip: &[u8], limits: &Limits, notes: &mut Notes) -> Result<Vec<u8>, Refused> {
    let mut at = 0;
    for _ in 0..ENTRIES_MAX {
        let Some(entry) = Entry::at(zip, at) else {
            break;
        };
        if entry.is_report() {
            return entry.unpack(limits, notes);
        }
        let next = memmem::find(&zip[entry.data..], b"PK\x03\x04");
        let Some(next) = next else { break };
        at = entry.data + next;
    }
    Err(Refused::NotPacked("a zip without a report in it"))
}

/// One entry of a zip, from its local header (APPNOTE 4.3.7). The list at the end of the file is not asked: half a zip has none.
struct Entry<'z> {
    zip: &'z [u8],
    name: &'z [u8],
    method: u16,
    flags: u16,
    packed_bytes: usize,
    /// Where its data begins.
    data: usize,
}

impl<'z> Entry<'z> {
    fn at(zip: &'z [u8], at: usize) -> Option<Self> {
        let header = zip.get(at..at + 30)?;
        if !header.starts_with(b"PK\x03\x04") {
            return None;
        }
        let short = |place: usize| u16::from_le_bytes([header[place], header[place + 1]]);
        let name_start = at + 30;
        let name_end = name_start + usize::from(short(26));
        Some(Self {
            zip,
            name: zip.get(name_start..name_end)?,
            method: short(8),
            flags: short(6),
            packed_bytes: usize::from(short(18)) | usize::from(short(20)) << 16,
            data: (name_end + usize::from(short(28))).min(zip.len()),
        })
    }

    /// Folders, and what macOS adds to each file, are none.
    fn is_report(&self) -> bool {
        !self.name.ends_with(b"/") && !self.name.starts_with(b"__MACOSX/")
    }

    fn unpack(&self, limits: &Limits, notes: &mut Notes) -> Result<Vec<u8>, Refused> {
        let data = &self.zip[self.data..];
        if self.flags & 1 != 0 {
            return Err(Refused::NotPacked("an encrypted zip"));
        }
        match self.method {
            // Deflated data ends itself, so a size that was not known yet (flag 3) is not needed.
            8 => inflate(DeflateDecoder::new(data), limits, notes),
            0 => {
                let stored = data.get(..self.packed_bytes);
                let stored = stored.ok_or(Refused::NotPacked("a zip that breaks off"))?;
                Ok(stored.to_vec())
            }
            _ => Err(Refused::NotPacked("a zip by another method than deflate")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(bytes).expect("into memory");
        packer.finish().expect("into memory")
    }

    fn zip(name: &str, method: u16, data: &[u8]) -> Vec<u8> {
        let mut zip = b"PK\x03\x04\x14\0\0\0".to_vec();
        zip.extend(method.to_le_bytes());
        zip.extend([0; 8]);
        zip.extend((data.len() as u32).to_le_bytes());
        zip.extend([0; 4]);
        zip.extend((name.len() as u16).to_le_bytes());
        zip.extend([0; 2]);
        zip.extend(name.as_bytes());
        zip.extend(data);
        zip
    }

    fn read(packed: &[u8]) -> Result<Vec<u8>, Refused> {
        unpack(packed, &Limits::default(), &mut Notes::default()).map(Cow::into_owned)
    }

    #[test]
    fn packed_in_any_way() {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
        deflated.write_all(b"<feedback/>").expect("into memory");
        let deflated = deflated.finish().expect("into memory");
        let mut with_folder = zip("folder/", 0, b"");
        with_folder.extend(zip("a.xml", 8, &deflated));
        for packed in [
            b"<feedback/>".to_vec(),
            gzip(b"<feedback/>"),
            gzip(&gzip(b"<feedback/>")),
            zip("a.xml", 8, &deflated),
            zip("a.xml", 0, b"<feedback/>"),
            gzip(&zip("a.xml", 8, &deflated)),
            with_folder,
        ] {
            assert_eq!(read(&packed).as_deref(), Ok(&b"<feedback/>"[..]));
        }
    }

    #[test]
    fn half_of_it_is_read_as_far_as_it_came() {
        let text: String = (0..5000).map(|number| format!("<a>{number}</a>")).collect();
        let whole = gzip(text.as_bytes());
        let mut notes = Notes::default();
        let half = unpack(&whole[..whole.len() / 2], &Limits::default(), &mut notes);
        let half = half.expect("some of it");
        assert!(!half.is_empty() && text.as_bytes().starts_with(&half));
        assert!(!notes.is_empty());
    }

    #[test]
    fn bombs_do_not_go_off() {
        let bomb = gzip(&vec![b' '; 80 << 20]);
        assert!(bomb.len() < 100_000);
        assert!(matches!(read(&bomb), Err(Refused::Bomb { .. })));
        let nested = (0..8).fold(b"<feedback/>".to_vec(), |inner, _| gzip(&inner));
        assert!(matches!(read(&nested), Err(Refused::NotPacked(_))));
        let large = vec![b' '; Limits::default().report_bytes_max + 1];
        assert!(matches!(read(&large), Err(Refused::TooLarge { .. })));
    }

    #[test]
    fn what_is_no_archive_is_said() {
        assert!(read(&[0x1f, 0x8b, 0, 0]).is_err());
        assert!(read(b"PK\x03\x04").is_err());
        assert!(read(&zip("a.xml", 12, b"?")).is_err());
    }
}
