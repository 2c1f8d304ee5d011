//! Readers of documents as the processes they are: locked in, replaced when they die, never missed.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use documents::{Ocr, Pool};
use mail::message::Finding;
use mail::{Limits, Message};
use testkit::browser::Browser;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mailvigil");

/// `MZ` in a zip archive, made by hand: one stored file `run.exe`.
fn archive() -> Vec<u8> {
    let (name, content) = (b"run.exe", b"MZ\x90\0");
    // CRC-32 of the content.
    let crc = content.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    });
    let sizes = [
        (!crc).to_le_bytes(),
        4_u32.to_le_bytes(),
        4_u32.to_le_bytes(),
    ]
    .concat();
    let mut bytes = b"PK\x03\x04\x0a\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(&sizes);
    bytes.extend([7, 0, 0, 0]);
    bytes.extend(name);
    bytes.extend(content);
    let directory = bytes.len() as u32;
    bytes.extend(b"PK\x01\x02\x14\0\x0a\0\0\0\0\0\0\0\0\0");
    bytes.extend(&sizes);
    bytes.extend([7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(name);
    let length = bytes.len() as u32 - directory;
    bytes.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    bytes.extend(length.to_le_bytes());
    bytes.extend(directory.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn letter(file: &[u8], name: &str) -> Vec<u8> {
    let file = data_encoding::BASE64.encode(file);
    let lines: Vec<&str> = file
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "From: a@a.example\r\nTo: bob@b.example\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\nsee there\r\n--B\r\nContent-Type: application/octet-stream; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--B--\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}

async fn read(raw: &[u8], limits: &Limits, pool: &Pool) -> Message {
    let (mut message, files) = Message::read_with_files(raw, limits);
    pool.read_into(&mut message, files).await;
    message
}

fn findings(message: &Message) -> Vec<Finding> {
    message
        .parts
        .iter()
        .flat_map(|part| part.findings.clone())
        .collect()
}

/// A program that stands in for a reader.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("reader");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_reader_can_do_nothing_but_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("precious");
    std::fs::write(&file, "").unwrap();
    let ends_well = |what: &str| {
        let mut reader = Command::new(PROGRAM);
        reader.args(["read-documents", &(256_u64 << 20).to_string()]);
        reader
            .env("MAILVIGIL_READER_TRIES", what)
            .stderr(std::process::Stdio::null());
        reader.status().unwrap().success()
    };
    assert!(ends_well("nothing"), "it runs, and tells how it went");
    let remove = format!("remove:{}", file.display());
    for what in ["file", "socket", "program", &remove, "memory"] {
        // Killed by the filter, refused by a limit, or out of memory: never done.
        assert!(!ends_well(what), "a reader may: {what}");
    }
    assert!(file.exists());
}

/// System calls that the shipped unit allows, as systemd reads it.
fn allowed_by_the_unit() -> Vec<String> {
    let listed = Command::new("systemd-analyze")
        .arg("syscall-filter")
        .output()
        .expect("systemd-analyze, of Debian's package systemd");
    let mut sets: HashMap<String, Vec<String>> = HashMap::new();
    let mut set = String::new();
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let word = line.trim();
        if line.starts_with('@') {
            word.clone_into(&mut set);
        } else if !word.is_empty() && !word.starts_with('#') {
            sets.entry(set.clone()).or_default().push(word.to_owned());
        }
    }
    let mut allowed: Vec<String> = Vec::new();
    let unit = include_str!("../../../dist/mailvigil.service");
    for line in unit.lines() {
        let Some(words) = line.strip_prefix("SystemCallFilter=") else {
            continue;
        };
        let taken_away = words.starts_with('~');
        for word in words.trim_start_matches('~').split(' ') {
            let mut calls = Vec::new();
            members(&sets, word, &mut calls);
            if taken_away {
                allowed.retain(|call| !calls.contains(call));
            } else {
                allowed.extend(calls);
            }
        }
    }
    allowed
}

fn members(sets: &HashMap<String, Vec<String>>, word: &str, calls: &mut Vec<String>) {
    if !word.starts_with('@') {
        calls.push(word.to_owned());
        return;
    }
    for member in &sets[word] {
        members(sets, member, calls);
    }
}

/// Numbers of system calls, as the kernel's header has them.
fn numbers() -> HashMap<String, i64> {
    let machine = std::env::consts::ARCH;
    let header = match machine {
        "x86_64" => "/usr/include/x86_64-linux-gnu/asm/unistd_64.h".to_owned(),
        _ => format!("/usr/include/{machine}-linux-gnu/asm/unistd.h"),
    };
    let text = std::fs::read_to_string(&header).unwrap_or_else(|error| {
        panic!("{header}, of Debian's package linux-libc-dev: {error}");
    });
    let number = |line: &str| {
        let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
        Some((name.to_owned(), number.trim().parse().ok()?))
    };
    text.lines().filter_map(number).collect()
}

/// Tells this test's own program that it is to become the service's.
const BECOMES: &str = "MAILVIGIL_TEST_BECOMES";

/// The unit's lock is closed around the service before its readers close theirs: they must still be able to.
#[test]
fn readers_can_lock_themselves_in_under_the_shipped_unit() {
    if let Some(file) = std::env::var_os(BECOMES) {
        lock_and_scan(Path::new(&file));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.eml");
    std::fs::write(&file, letter(&archive(), "invoice.zip")).unwrap();
    let scanned = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "readers_can_lock_themselves_in_under_the_shipped_unit",
            "--nocapture",
        ])
        .env(BECOMES, &file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&scanned.stdout);
    assert!(
        said.contains("executable-attachment") && !said.contains("reader-died"),
        "{}: {said}{}",
        scanned.status,
        String::from_utf8_lossy(&scanned.stderr)
    );
}

/// Becomes the service's program, judging this file, under the unit's filter of system calls.
fn lock_and_scan(file: &Path) -> ! {
    use seccompiler::{SeccompAction, SeccompFilter};
    let numbers = numbers();
    let rules = allowed_by_the_unit()
        .iter()
        .filter_map(|call| Some((*numbers.get(call)?, Vec::new())))
        .collect();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
    let error = Command::new(PROGRAM)
        .arg("--data")
        .arg(file.with_extension("data"))
        .args(["scan", "--json"])
        .arg(file)
        .exec();
    panic!("{error}");
}

#[tokio::test]
async fn archives_are_opened_in_a_reader() {
    let limits = Limits::default();
    let pool = Pool::of(PROGRAM.into(), &limits);
    // More than one reader's share, so that they are replaced on the way.
    for _ in 0..70 {
        let message = read(&letter(&archive(), "x.zip"), &limits, &pool).await;
        let inside = message.parts.last().unwrap();
        assert_eq!(
            (inside.path.as_str(), inside.file_name.as_deref()),
            ("2/1", Some("run.exe"))
        );
        assert_eq!(findings(&message), [Finding::Program]);
    }
    assert_eq!(pool.deaths(), 0);
}

#[tokio::test]
async fn a_dead_or_slow_reader_is_a_finding_and_the_next_message_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        document_ms: 3000,
        ..Limits::default()
    };
    for script in [
        "exit 1",
        "exec sleep 60",
        "cat >/dev/null",
        "echo nonsense that is no answer at all",
    ] {
        let pool = Pool::of(program(folder.path(), script), &limits);
        let message = read(&letter(&archive(), "x.zip"), &limits, &pool).await;
        assert_eq!(findings(&message), [Finding::ReaderDied], "{script}");
        assert_eq!(pool.deaths(), 1);
        // The program is mended; the pool does not remember.
        let _ = program(folder.path(), &format!("exec {PROGRAM} \"$@\""));
        let message = read(&letter(&archive(), "x.zip"), &limits, &pool).await;
        assert_eq!(findings(&message), [Finding::Program], "after {script}");
    }
    let gone = Pool::of("/no/such/program".into(), &limits);
    assert_eq!(
        findings(&read(&letter(&archive(), "x.zip"), &limits, &gone).await),
        [Finding::ReaderDied]
    );
}

#[tokio::test]
async fn memory_beyond_its_share_ends_the_reader_only() {
    let limits = Limits {
        document_memory_bytes: 48 << 20,
        ..Limits::default()
    };
    let pool = Pool::of(PROGRAM.into(), &limits);
    // A BMP that says it is 3,400 × 3,400 pixels of 4 bytes: 46 MB to decode.
    let mut picture = b"BM".to_vec();
    picture.extend(54_u32.to_le_bytes());
    picture.extend([0, 0, 0, 0]);
    picture.extend(54_u32.to_le_bytes());
    picture.extend(40_u32.to_le_bytes());
    picture.extend(3400_u32.to_le_bytes());
    picture.extend(3400_u32.to_le_bytes());
    picture.extend([1, 0, 32, 0]);
    picture.resize(54, 0);
    picture.resize(1 << 20, 0);
    let message = read(&letter(&picture, "x.bmp"), &limits, &pool).await;
    assert_eq!(findings(&message), [Finding::ReaderDied]);
    let message = read(&letter(&archive(), "x.zip"), &limits, &pool).await;
    assert_eq!(findings(&message), [Finding::Program]);
}

#[test]
fn what_is_inside_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.eml");
    std::fs::write(&file, letter(&archive(), "invoice.zip")).unwrap();
    let data = folder.path().join("data");
    let scanned = Command::new(PROGRAM)
        .arg("--data")
        .arg(&data)
        .args(["scan", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    let line: serde_json::Value = serde_json::from_slice(&scanned.stdout)
        .unwrap_or_else(|error| panic!("{error}: {scanned:?}"));
    let reasons = line["verdict"]["reasons"].as_array().unwrap();
    let reason = reasons
        .iter()
        .find(|reason| reason["name"] == "executable-attachment")
        .expect("the program inside is a reason");
    assert_eq!(
        reason["evidence"][0]["text"],
        "run.exe, application/vnd.microsoft.portable-executable, inside part 2"
    );
}

/// A picture of words, as a sender of such mail would make it.
fn picture_of(words: &str, folder: &Path) -> Vec<u8> {
    let page = format!("data:text/html,<body style='font: 40px sans-serif'>{words}");
    let picture = folder.join("words.png");
    let browser = Browser::start().unwrap();
    browser.go(&page).unwrap();
    browser.screenshot(&picture).unwrap();
    std::fs::read(picture).unwrap()
}

fn attachment_text(message: &Message) -> String {
    let text = message.parts.last().and_then(|part| part.text.as_deref());
    text.unwrap_or_default().trim().to_owned()
}

#[tokio::test]
async fn words_in_a_picture_are_read_when_the_site_names_a_program() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let raw = letter(
        &picture_of("Wire transfer to 4711", folder.path()),
        "offer.png",
    );
    let off = Pool::of(PROGRAM.into(), &limits);
    assert_eq!(attachment_text(&read(&raw, &limits, &off).await), "");
    let ocr = Ocr {
        program: "/usr/bin/tesseract".into(),
        arguments: vec!["-".into(), "-".into()],
    };
    let on = Pool::of(PROGRAM.into(), &limits).with_ocr(Some(ocr));
    let message = read(&raw, &limits, &on).await;
    assert_eq!(attachment_text(&message), "Wire transfer to 4711");
    // What is no picture is not given to it.
    let message = read(&letter(&archive(), "x.zip"), &limits, &on).await;
    assert_eq!(
        (on.deaths(), findings(&message)),
        (0, vec![Finding::Program])
    );
}

#[tokio::test]
async fn a_failing_reader_of_pictures_is_a_finding_and_stays_within_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        ocr_ms: 500,
        part_text_bytes_max: 1024,
        ..Limits::default()
    };
    let gif = letter(b"GIF89a\x01\0\x01\0\0\0\0;", "x.gif");
    for (script, text, found) in [
        ("exit 1", "", vec![Finding::NotInspected]),
        ("exec sleep 60", "", vec![Finding::NotInspected]),
        ("cat >/dev/null; echo words", "words", vec![]),
        ("echo unasked", "unasked", vec![]),
    ] {
        let ocr = Ocr {
            program: program(folder.path(), script),
            arguments: Vec::new(),
        };
        let pool = Pool::of(PROGRAM.into(), &limits).with_ocr(Some(ocr));
        let message = read(&gif, &limits, &pool).await;
        assert_eq!(attachment_text(&message), text, "{script}");
        assert_eq!(findings(&message), found, "{script}");
    }
    let endless = Ocr {
        program: program(folder.path(), "exec yes"),
        arguments: Vec::new(),
    };
    let pool = Pool::of(PROGRAM.into(), &limits).with_ocr(Some(endless));
    let message = read(&gif, &limits, &pool).await;
    assert_eq!(attachment_text(&message).len(), 1023, "cut at the limit");
}
