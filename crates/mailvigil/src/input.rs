//! Messages from files, folders, mailboxes and standard input, one at a time, bounded.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Calls `each` with a name and the bytes of every message found under `paths`, in order.
///
/// A file that starts with `From ` is an mbox (mboxrd quoting undone); any other file is one message.
/// Folders are walked, hidden files left out. A message longer than `bytes_max` is an error for that
/// message only: `each` gets it, and decides.
pub fn messages(paths: &[PathBuf], bytes_max: usize, each: Each<'_>) -> anyhow::Result<()> {
    for path in paths {
        if path.as_os_str() == "-" {
            from_reader(
                "-",
                &mut BufReader::new(std::io::stdin().lock()),
                bytes_max,
                each,
            )?;
        } else {
            let kind = std::fs::metadata(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            if kind.is_dir() {
                folder(path, bytes_max, each)?;
            } else {
                file(path, bytes_max, each)?;
            }
        }
    }
    Ok(())
}

/// What is done with every message: its name, and its bytes or why they cannot be had.
pub type Each<'a> = &'a mut dyn FnMut(&str, anyhow::Result<Vec<u8>>) -> anyhow::Result<()>;

fn folder(path: &Path, bytes_max: usize, each: Each<'_>) -> anyhow::Result<()> {
    let entries =
        std::fs::read_dir(path).with_context(|| format!("{} cannot be listed", path.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.sort();
    for path in paths {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // Links are not followed: a folder of mail may have been made by somebody else.
        let Ok(kind) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        if hidden || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            folder(&path, bytes_max, each)?;
        } else if kind.is_file() {
            file(&path, bytes_max, each)?;
        }
    }
    Ok(())
}

fn file(path: &Path, bytes_max: usize, each: Each<'_>) -> anyhow::Result<()> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => from_reader(&name, &mut BufReader::new(file), bytes_max, each),
        Err(error) => each(&name, Err(error.into())),
    }
}

fn from_reader(
    name: &str,
    reader: &mut impl BufRead,
    bytes_max: usize,
    each: Each<'_>,
) -> anyhow::Result<()> {
    let is_mbox = reader
        .fill_buf()
        .is_ok_and(|start| start.starts_with(b"From "));
    if is_mbox {
        return mbox(name, reader, bytes_max, each);
    }
    let mut raw = Vec::new();
    let read = reader.take(bytes_max as u64 + 1).read_to_end(&mut raw);
    match read {
        Ok(_) if raw.len() > bytes_max => each(name, Err(too_long(bytes_max))),
        Ok(_) => each(name, Ok(raw)),
        Err(error) => each(name, Err(error.into())),
    }
}

fn mbox(
    name: &str,
    reader: &mut impl BufRead,
    bytes_max: usize,
    each: Each<'_>,
) -> anyhow::Result<()> {
    let mut number = 0_usize;
    let mut current: Option<Vec<u8>> = None;
    let mut overlong = false;
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line longer than a whole message may be is read in pieces; the overlong mark is set below.
        let read = reader
            .by_ref()
            .take(bytes_max as u64 + 1)
            .read_until(b'\n', &mut line)?;
        let starts = line.starts_with(b"From ");
        if read == 0 || starts {
            if let Some(mut raw) = current.take() {
                if raw.ends_with(b"\n\n") {
                    raw.pop(); // the empty line that separates messages belongs to the mailbox
                }
                let result = if overlong {
                    Err(too_long(bytes_max))
                } else {
                    Ok(raw)
                };
                each(&format!("{name}#{number}"), result)?;
            }
            if read == 0 {
                return Ok(());
            }
            number += 1;
            overlong = false;
            current = Some(Vec::new());
            continue;
        }
        let Some(raw) = current.as_mut() else {
            bail!("{name}: not an mbox file")
        };
        let unquoted = line.iter().take_while(|byte| **byte == b'>').count();
        let quoted = unquoted > 0 && line[unquoted..].starts_with(b"From ");
        let content = if quoted { &line[1..] } else { &line[..] };
        if raw.len() + content.len() > bytes_max {
            overlong = true;
        } else {
            raw.extend_from_slice(content);
        }
    }
}

/// Why a message is not read.
pub fn too_long(bytes_max: usize) -> anyhow::Error {
    anyhow::anyhow!("longer than {bytes_max} bytes (limits.message_bytes_max)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, bytes_max: usize) -> Vec<(String, Option<String>)> {
        let mut found = Vec::new();
        from_reader("box", &mut text.as_bytes(), bytes_max, &mut |name, raw| {
            let raw = raw
                .ok()
                .map(|raw| String::from_utf8_lossy(&raw).into_owned());
            found.push((name.to_owned(), raw));
            Ok(())
        })
        .expect("reads");
        found
    }

    #[test]
    fn an_mbox_is_many_messages() {
        let text = "From a@b Mon\nSubject: 1\n\n>From here\n>>From there\n\nFrom c@d Tue\nSubject: 2\n\nbody\n";
        let found = read(text, 1000);
        assert_eq!(
            found[0],
            (
                "box#1".into(),
                Some("Subject: 1\n\nFrom here\n>From there\n".into())
            )
        );
        assert_eq!(
            found[1],
            ("box#2".into(), Some("Subject: 2\n\nbody\n".into()))
        );
    }

    #[test]
    fn a_long_message_does_not_hide_the_next() {
        let text = format!("From a\n{}\n\nFrom b\nSubject: 2\n", "x".repeat(500));
        let found = read(&text, 100);
        assert_eq!(found[0], ("box#1".into(), None));
        assert_eq!(found[1].1.as_deref(), Some("Subject: 2\n"));
        assert_eq!(read(&"y".repeat(500), 100), [("box".into(), None)]);
    }
}
