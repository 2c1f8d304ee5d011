//! The list of labelled messages that is replayed.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};

/// One line of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path as written, for people.
    pub name: String,
    /// The path from here.
    pub path: PathBuf,
    /// The label as written.
    pub label: String,
    /// What the label means.
    pub spam: bool,
}

/// Reads an index: label TAB path, or label space path as TREC has it; paths are relative to the index's folder.
pub fn read(file: &Path) -> anyhow::Result<Vec<Entry>> {
    let text = text(file)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut entries = Vec::new();
    for (number, line) in lines(&text) {
        let entry = entry(line, folder).with_context(|| {
            format!(
                "line {number} of {} is no entry of an index",
                file.display()
            )
        })?;
        entries.push(entry);
    }
    if entries.is_empty() {
        bail!("{} lists no message", file.display());
    }
    Ok(entries)
}

/// Reads which messages get a label: an index again, or a path on each line.
pub fn read_partial(file: &Path) -> anyhow::Result<HashSet<PathBuf>> {
    let text = text(file)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let path = |line: &str| match split(line) {
        Some((label, path)) if meaning(label).is_some() => plain(&folder.join(path)),
        _ => plain(&folder.join(line)),
    };
    Ok(lines(&text).map(|(_, line)| path(line)).collect())
}

fn text(file: &Path) -> anyhow::Result<String> {
    let bytes =
        std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", file.display()))
}

/// Lines with something in them, counted from one.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty())
}

fn entry(line: &str, folder: &Path) -> anyhow::Result<Entry> {
    let Some((label, path)) = split(line) else {
        bail!("it should be a label, a tab or a space, and a path: {line:?}");
    };
    let Some(spam) = meaning(label) else {
        bail!(
            "the label {label:?} is unknown; ham is wanted mail; spam, phish, scam, malware and junk are not"
        );
    };
    Ok(Entry {
        name: path.to_owned(),
        path: plain(&folder.join(path)),
        label: label.to_ascii_lowercase(),
        spam,
    })
}

/// The tab counts before the space, so that paths may have spaces in them.
fn split(line: &str) -> Option<(&str, &str)> {
    let (label, path) = line.split_once('\t').or_else(|| line.split_once(' '))?;
    let (label, path) = (label.trim(), path.trim());
    (!label.is_empty() && !path.is_empty()).then_some((label, path))
}

/// Is mail with this label unwanted?
fn meaning(label: &str) -> Option<bool> {
    match label.to_ascii_lowercase().as_str() {
        "ham" | "good" | "normal" => Some(false),
        "spam" | "phish" | "phishing" | "scam" | "fraud" | "malware" | "virus" | "junk" => {
            Some(true)
        }
        _ => None,
    }
}

/// Without `.` and `x/..`, so that the same file is the same path.
pub fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(plain.components().next_back(), Some(Component::Normal(_))) =>
            {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(text: &str) -> anyhow::Result<Vec<Entry>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("full").join("index");
        std::fs::create_dir(folder.path().join("full"))?;
        std::fs::write(&file, text)?;
        let mut entries = read(&file)?;
        for entry in &mut entries {
            entry.path = entry.path.strip_prefix(folder.path())?.to_path_buf();
        }
        Ok(entries)
    }

    #[test]
    fn both_forms_are_read() {
        let found = index("ham\ta b.eml\n\nSPAM ../data/inmail.1\r\nPhish\t./x/../y\n")
            .expect("a good index");
        let seen: Vec<_> = found
            .iter()
            .map(|entry| {
                (
                    entry.spam,
                    entry.path.to_str().expect("UTF-8"),
                    entry.label.as_str(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (false, "full/a b.eml", "ham"),
                (true, "data/inmail.1", "spam"),
                (true, "full/y", "phish")
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, word) in [
            ("ham\ta\nmaybe\tb\n", "line 2", "\"maybe\""),
            ("ham a\n\nspam\n", "line 3", "\"spam\""),
            ("\n", "lists no message", ""),
        ] {
            let error = format!("{:#}", index(text).expect_err("it is wrong"));
            assert!(error.contains(line) && error.contains(word), "{error}");
        }
    }

    #[test]
    fn partial_lists_name_the_same_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("partial");
        std::fs::write(&file, "spam data/inmail.2\ndata/inmail 3\n").expect("written");
        let found = read_partial(&file).expect("a list");
        assert!(found.contains(&folder.path().join("data/inmail.2")));
        assert!(found.contains(&folder.path().join("data/inmail 3")));
    }
}
