//! The published message suites beside the project, when `MAILVIGIL_SUITES` names their folder: every message is read, and where a suite says
//! what its text is, ours is the same.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mail::{Limits, Message};
use serde_json::Value;

fn suites() -> Option<PathBuf> {
    let folder = std::env::var_os("MAILVIGIL_SUITES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: MAILVIGIL_SUITES names no folder");
    }
    folder
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, all);
        } else {
            all.push(path);
        }
    }
}

#[test]
fn every_message_of_the_suites_is_read() {
    let Some(folder) = suites() else { return };
    let mut all = Vec::new();
    files(&folder, &mut all);
    let extension = |path: &Path| {
        path.extension()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned()
    };
    let is_message = |path: &PathBuf| {
        matches!(extension(path).as_str(), "eml" | "mbox" | "msg")
            || (extension(path) == "txt"
                && path.components().any(|part| part.as_os_str() == "emails"))
    };
    let messages: Vec<&PathBuf> = all.iter().filter(|path| is_message(path)).collect();
    assert!(messages.len() > 1000, "{} messages", messages.len());
    for path in messages {
        let raw = std::fs::read(path).unwrap();
        let started = Instant::now();
        let message = Message::read(&raw, &Limits::default());
        assert_eq!(message.size_bytes as usize, raw.len(), "{}", path.display());
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{}",
            path.display()
        );
    }
}

/// The texts a suite expects of the parts declared as plain text, with blanks and line ends as one.
fn expected(path: &Path) -> Vec<String> {
    let told: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let parts = told["parts"].as_array().unwrap();
    let is_plain = |part: &&Value| {
        let of_type = |header: &&Value| header["name"] == "content_type";
        let kind = part["headers"].as_array().unwrap().iter().find(of_type);
        kind.is_none_or(|kind| kind["value"]["ContentType"]["c_subtype"] == "plain")
    };
    let texts = parts
        .iter()
        .filter(is_plain)
        .filter_map(|part| part["body"]["Text"].as_str());
    texts.map(plainly).filter(|text| !text.is_empty()).collect()
}

fn plainly(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_text_is_what_the_suite_expects() {
    let Some(folder) = suites() else { return };
    let mut all = Vec::new();
    files(&folder.join("mail-parser-stalwart/resources/eml"), &mut all);
    let (mut same, mut other) = (0, Vec::new());
    for path in all
        .iter()
        .filter(|path| path.extension().is_some_and(|name| name == "eml"))
    {
        let said = path.with_extension("json");
        if !said.exists() {
            continue;
        }
        let message = Message::read(&std::fs::read(path).unwrap(), &Limits::default());
        let ours: Vec<String> = message
            .parts
            .iter()
            .filter_map(|part| part.text.as_ref())
            .map(|text| plainly(text))
            .collect();
        for text in expected(&said) {
            if ours.contains(&text) {
                same += 1;
            } else {
                other.push(format!(
                    "{}: {:?}",
                    path.display(),
                    text.chars().take(80).collect::<String>()
                ));
            }
        }
    }
    println!(
        "{same} texts are the same, {} are not:\n{}",
        other.len(),
        other.join("\n")
    );
    assert!(same > 100, "{same}");
    assert!(
        other.len() * 20 < same,
        "{} of {}:\n{}",
        other.len(),
        same + other.len(),
        other.join("\n")
    );
}
