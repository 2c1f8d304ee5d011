//! Passwords that thieves pass around, by the file that "Have I Been Pwned" gives out: SHA-1 hashes of passwords, ordered, one a line with how often
//! it was seen (`PwnedPasswordsDownloader`, `pwned-passwords-sha1-ordered-by-hash`).
//!
//! Nothing is asked of anybody: the file lies on the operator's disk, and stays there. Forty gigabytes are searched by halving, which takes about
//! twenty-five reads of a hundred bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sha1::{Digest as _, Sha1};

/// A hash in hexadecimal.
const HASH_BYTES: usize = 40;
/// Longest line: a hash, a colon, a number, a line end.
const LINE_BYTES_MAX: usize = 80;
/// From here on lines are read one after another.
const NEAR_BYTES: u64 = 2048;

/// A file of such hashes.
#[derive(Clone, Debug)]
pub struct Breached {
    path: PathBuf,
}

impl Breached {
    /// Of this file; an error when it is none of the kind.
    pub fn new(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut first = [0; LINE_BYTES_MAX];
        let read = file.read_at(&mut first, 0)?;
        if hash_of(&first[..read]).is_none() {
            return Err(wrong(
                "does not begin with a SHA-1 hash, as in 0018A45C4D1DEF81644B54AB7F969B88D65:3",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Which file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Is this password in it? The file is opened anew each time, so that a newer one may take its place. It blocks.
    pub fn holds(&self, password: &str) -> io::Result<bool> {
        let digest = Sha1::digest(password.as_bytes());
        let wanted = data_encoding::HEXUPPER.encode(&digest);
        let file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        // The line wanted begins within these.
        let (mut from, mut to) = (0, length);
        while to - from > NEAR_BYTES {
            let middle = from + (to - from) / 2;
            let (begin, hash) = line_behind(&file, middle)?;
            if begin >= to {
                to = middle;
                continue;
            }
            match hash.as_slice().cmp(wanted.as_bytes()) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => from = begin,
                std::cmp::Ordering::Greater => to = begin,
            }
        }
        let near = (to - from) as usize + LINE_BYTES_MAX;
        let mut bytes = vec![0; near];
        let read = read_at(&file, &mut bytes, from)?;
        let mut lines = bytes[..read].split(|byte| *byte == b'\n');
        Ok(lines.any(|line| hash_of(line).is_some_and(|hash| hash == wanted.as_bytes())))
    }
}

/// The first line that begins behind a place, and its hash.
fn line_behind(file: &File, place: u64) -> io::Result<(u64, Vec<u8>)> {
    let mut bytes = [0; 2 * LINE_BYTES_MAX];
    let read = read_at(file, &mut bytes, place)?;
    let end = bytes[..read].iter().position(|byte| *byte == b'\n');
    let Some(end) = end else {
        if read < LINE_BYTES_MAX {
            // The last line: what is wanted is before.
            return Ok((u64::MAX, Vec::new()));
        }
        return Err(wrong("has a line that is too long"));
    };
    let line = &bytes[end + 1..read];
    if line.is_empty() {
        return Ok((u64::MAX, Vec::new()));
    }
    let hash = hash_of(line).ok_or_else(|| wrong("has a line without a hash"))?;
    Ok((place + end as u64 + 1, hash.to_owned()))
}

/// The hash a line begins with, in capitals as the file has them.
fn hash_of(line: &[u8]) -> Option<&[u8]> {
    let (hash, rest) = line.split_at_checked(HASH_BYTES)?;
    let is_hash = hash
        .iter()
        .all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte));
    let ends = matches!(rest.first(), None | Some(b':' | b'\r' | b'\n'));
    (is_hash && ends).then_some(hash)
}

fn read_at(file: &File, bytes: &mut [u8], mut place: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], place)? {
            0 => break,
            more => {
                read += more;
                place += more as u64;
            }
        }
    }
    Ok(read)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of many passwords, as it is given out.
    fn file(folder: &Path, passwords: usize, line_end: &str) -> PathBuf {
        let mut lines: Vec<String> = (0..passwords)
            .map(|number| {
                let digest = Sha1::digest(format!("password{number}").as_bytes());
                let hash = data_encoding::HEXUPPER.encode(&digest);
                format!("{hash}:{}{line_end}", 1 + number * number)
            })
            .collect();
        lines.sort();
        let path = folder.join(format!("hashes{passwords}{}", line_end.len()));
        std::fs::write(&path, lines.concat()).expect("written");
        path
    }

    #[test]
    fn every_password_of_the_file_is_found_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        for (count, line_end) in [(1, "\n"), (2, "\r\n"), (40, "\n"), (3000, "\r\n")] {
            let breached = Breached::new(&file(folder.path(), count, line_end)).expect("a file");
            for number in 0..count {
                let password = format!("password{number}");
                assert!(
                    breached.holds(&password).expect("read"),
                    "{password} of {count}"
                );
            }
            for number in 0..200 {
                let password = format!("nobody has {number}");
                assert!(!breached.holds(&password).expect("read"), "{password}");
            }
        }
        // One of the file's own examples: "password" is there with 9,545,824.
        let known = data_encoding::HEXUPPER.encode(&Sha1::digest(b"password"));
        assert_eq!(known, "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8");
    }

    #[test]
    fn another_file_is_refused_and_a_broken_one_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("text");
        for text in [
            "",
            "hello\n",
            "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8:1\n",
        ] {
            std::fs::write(&path, text).expect("written");
            assert!(Breached::new(&path).is_err(), "{text:?}");
        }
        assert!(Breached::new(&folder.path().join("none")).is_err());
        let good = "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:1\n";
        std::fs::write(&path, format!("{good}{}", "x".repeat(9000))).expect("written");
        let breached = Breached::new(&path).expect("it begins well");
        assert!(breached.holds("anything").is_err());
    }
}
