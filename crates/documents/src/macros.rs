//! VBA: is there a macro that runs by itself? Source is unpacked as MS-OVBA 2.4.1 says.

use std::io::{Cursor, Read};

/// Names that Office calls without being asked.
const BY_ITSELF: [&str; 15] = [
    "autoopen",
    "auto_open",
    "autoexec",
    "autonew",
    "autoclose",
    "auto_close",
    "autoexit",
    "document_open",
    "document_close",
    "document_new",
    "workbook_open",
    "workbook_activate",
    "workbook_beforeclose",
    "auto_ouvrir",
    "document_contentcontrolonenter",
];
/// Bytes looked at of one stream.
const STREAM_MAX: u64 = 4 << 20;
/// Streams looked at.
const STREAMS_MAX: usize = 500;

/// Does a VBA project (a compound file) hold a macro that runs by itself?
pub(crate) fn runs_itself(project: &[u8]) -> bool {
    cfb::CompoundFile::open(Cursor::new(project)).is_ok_and(|mut file| has_automatic(&mut file))
}

/// The same, of a compound file that is open already.
pub(crate) fn has_automatic(file: &mut cfb::CompoundFile<Cursor<&[u8]>>) -> bool {
    let paths: Vec<_> = file
        .walk()
        .filter(cfb::Entry::is_stream)
        .map(|entry| entry.path().to_path_buf())
        .filter(|path| path.to_string_lossy().to_ascii_uppercase().contains("VBA"))
        .take(STREAMS_MAX)
        .collect();
    paths.into_iter().any(|path| {
        let mut bytes = Vec::new();
        let read = file
            .open_stream(&path)
            .and_then(|stream| stream.take(STREAM_MAX).read_to_end(&mut bytes));
        read.is_ok() && is_automatic(&bytes)
    })
}

fn is_automatic(stream: &[u8]) -> bool {
    // A module's source begins with its attributes, and its first eight letters never pack.
    let Some(at) = stream.windows(8).position(|window| window == b"Attribut") else {
        return false;
    };
    // Before them: signature 01, two bytes of chunk header, one byte of flags.
    let Some(start) = at.checked_sub(4) else {
        return false;
    };
    let source = String::from_utf8_lossy(&unpacked(&stream[start..])).to_ascii_lowercase();
    BY_ITSELF.iter().any(|name| {
        source.match_indices(name).any(|(at, _)| {
            let before = source[..at].trim_end();
            before.ends_with("sub") || before.ends_with("function")
        })
    })
}

/// Unpacks a compressed container.
fn unpacked(container: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let mut at = 1;
    while let Some(header) = container.get(at..at + 2) {
        let header = u16::from_le_bytes([header[0], header[1]]);
        let end = (at + usize::from(header & 0x0fff) + 3).min(container.len());
        at += 2;
        let chunk_start = out.len();
        if header & 0x8000 == 0 {
            out.extend_from_slice(&container[at.min(end)..end]);
        } else {
            chunk(container, at, end, chunk_start, &mut out);
        }
        at = end;
        if out.len() > STREAM_MAX as usize {
            break;
        }
    }
    out
}

fn chunk(container: &[u8], mut at: usize, end: usize, chunk_start: usize, out: &mut Vec<u8>) {
    while at < end {
        let flags = container[at];
        at += 1;
        for bit in 0..8 {
            if at >= end {
                return;
            }
            if flags >> bit & 1 == 0 {
                out.push(container[at]);
                at += 1;
                continue;
            }
            let (Some(low), Some(high)) = (container.get(at), container.get(at + 1)) else {
                return;
            };
            at += 2;
            let token = u16::from_le_bytes([*low, *high]);
            let done = out.len() - chunk_start;
            // How many bits say where to copy from grows with what has been unpacked.
            let bits = (4..12).find(|bits| 1_usize << bits >= done).unwrap_or(12);
            let length_mask = 0xffff_u16 >> bits;
            let length = usize::from(token & length_mask) + 3;
            let distance = usize::from(token >> (16 - bits)) + 1;
            if distance > done {
                return;
            }
            for _ in 0..length {
                out.push(out[out.len() - distance]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_unpacks() {
        // MS-OVBA 3.2.2: "#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"
        let packed = [
            0x01, 0x2f, 0xb0, 0x00, 0x23, 0x61, 0x61, 0x61, 0x62, 0x63, 0x64, 0x65, 0x82, 0x66,
            0x00, 0x70, 0x61, 0x67, 0x68, 0x69, 0x6a, 0x01, 0x38, 0x08, 0x61, 0x6b, 0x6c, 0x00,
            0x30, 0x6d, 0x6e, 0x6f, 0x70, 0x06, 0x71, 0x02, 0x70, 0x04, 0x10, 0x72, 0x73, 0x74,
            0x75, 0x76, 0x10, 0x77, 0x78, 0x79, 0x7a, 0x00, 0x3c,
        ];
        assert_eq!(
            String::from_utf8(unpacked(&packed)).unwrap(),
            "#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"
        );
    }

    #[test]
    fn automatic_names_are_found_where_they_are_defined() {
        let container = |source: &str| {
            let mut packed = vec![0x55, 0xaa, 0x01];
            let mut body = Vec::new();
            for some in source.as_bytes().chunks(8) {
                body.push(0);
                body.extend_from_slice(some);
            }
            packed.extend(((body.len() as u16 - 1) | 0xb000).to_le_bytes());
            packed.extend(body);
            packed
        };
        assert!(is_automatic(&container(
            "Attribute VB_Name\r\nSub AutoOpen()\r\nEnd Sub"
        )));
        assert!(!is_automatic(&container(
            "Attribute VB_Name\r\n' see autoopen\r\nSub x()"
        )));
        assert!(!is_automatic(b"no source"));
    }
}
