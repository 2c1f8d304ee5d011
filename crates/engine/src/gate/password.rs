//! Passwords: kept as Argon2id, refused when weak or known from a breach.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use sha1::{Digest as _, Sha1};

/// Fewest characters.
pub const CHARS_MIN: usize = 12;
/// Longest password, bytes: hashing costs by length.
pub const BYTES_MAX: usize = 1024;
/// Least strength, of 0 to 4, as zxcvbn estimates it.
const STRENGTH_MIN: u8 = 3;

/// What a new password must pass.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// SHA-1 hashes of breached passwords, upper-case hexadecimal, sorted, one a line, `HASH:COUNT`: the form that Have I Been
    /// Pwned is downloaded in.
    pub breached: Option<PathBuf>,
}

impl Rules {
    /// Why a password is not good enough; `None`: it is. `about` is what an attacker would try first: names, the site.
    pub fn complaint(&self, password: &str, about: &[&str]) -> Option<String> {
        let chars = password.chars().count();
        if chars < CHARS_MIN {
            return Some(format!(
                "has {chars} characters; at least {CHARS_MIN} are needed"
            ));
        }
        if password.len() > BYTES_MAX {
            return Some(format!("is longer than {BYTES_MAX} bytes"));
        }
        // The estimate of a very long password takes long, and its beginning says enough.
        let beginning: String = password.chars().take(100).collect();
        let estimate = zxcvbn::zxcvbn(&beginning, about);
        if u8::from(estimate.score()) < STRENGTH_MIN {
            let why = estimate
                .feedback()
                .and_then(zxcvbn::feedback::Feedback::warning)
                .map_or_else(
                    || "is easy to guess".to_owned(),
                    |warning| format!("is easy to guess: {warning}"),
                );
            return Some(format!("{why} Several unrelated words make a good one."));
        }
        match self
            .breached
            .as_deref()
            .map(|file| is_breached(file, password))
        {
            Some(Ok(true)) => Some("is known from a breach; choose another".to_owned()),
            Some(Err(error)) => {
                tracing::warn!("the list of breached passwords cannot be searched: {error}");
                None
            }
            Some(Ok(false)) | None => None,
        }
    }
}

/// Searches the sorted file by halves; it is tens of gigabytes when whole.
fn is_breached(file: &Path, password: &str) -> std::io::Result<bool> {
    let wanted = data_encoding::HEXUPPER.encode(&Sha1::digest(password.as_bytes()));
    let mut file = File::open(file)?;
    let (mut low, mut high) = (0, file.metadata()?.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let (start, line) = line_at(&mut file, middle)?;
        let hash = line.split(':').next().unwrap_or_default().trim();
        match hash.to_ascii_uppercase().as_str().cmp(wanted.as_str()) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => low = start + line.len() as u64 + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    Ok(false)
}

/// The line that holds the byte at `at`, and where it begins.
fn line_at(file: &mut File, at: u64) -> std::io::Result<(u64, String)> {
    const AROUND: u64 = 128;
    let from = at.saturating_sub(AROUND);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.by_ref().take(2 * AROUND).read_to_end(&mut bytes)?;
    let here = (at - from) as usize;
    let start = bytes[..here.min(bytes.len())]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let end = bytes[start..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |newline| start + newline);
    let line = String::from_utf8_lossy(&bytes[start..end]).into_owned();
    Ok((from + start as u64, line))
}

/// A password as it is kept (PHC string form).
pub fn hash(password: &str) -> Result<String, String> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

/// Is it the password that was kept?
pub fn is_right(password: &str, kept: &str) -> bool {
    password.len() <= BYTES_MAX
        && PasswordHash::new(kept).is_ok_and(|kept| {
            Argon2::default()
                .verify_password(password.as_bytes(), &kept)
                .is_ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other() {
        let kept = hash("correct horse battery").expect("a hash");
        assert!(
            kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{kept}"
        );
        assert!(is_right("correct horse battery", &kept));
        assert!(!is_right("correct horse batterx", &kept));
        assert!(!is_right("", &kept));
        assert!(!is_right("x", "no hash"));
        assert!(!is_right(&"x".repeat(2000), &kept));
    }

    #[test]
    fn weak_passwords_are_refused_with_a_reason() {
        let rules = Rules::default();
        for (weak, why) in [
            ("short", "5 characters"),
            ("password1234", "easy to guess"),
            ("ann.example.org", "easy to guess"),
            ("111111111111111", "easy to guess"),
        ] {
            let complaint = rules.complaint(weak, &["ann", "example.org", "mailvigil"]);
            assert!(complaint.is_some_and(|told| told.contains(why)), "{weak}");
        }
        assert_eq!(rules.complaint("maroon otter waltz 42", &["ann"]), None);
        assert!(rules.complaint(&"a b9".repeat(300), &[]).is_some());
    }

    #[test]
    fn breached_passwords_are_found_wherever_they_stand() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("breached.txt");
        let mut lines: Vec<String> = (0..500)
            .map(|number| {
                let hash = Sha1::digest(format!("breached {number}").as_bytes());
                format!("{}:{number}", data_encoding::HEXUPPER.encode(&hash))
            })
            .collect();
        lines.sort();
        std::fs::write(&file, lines.join("\r\n")).expect("written");
        for number in 0..500 {
            assert!(
                is_breached(&file, &format!("breached {number}")).expect("read"),
                "{number}"
            );
            assert!(!is_breached(&file, &format!("unknown {number}")).expect("read"));
        }
        std::fs::write(&file, "").expect("written");
        assert!(!is_breached(&file, "x").expect("read"));
    }
}
