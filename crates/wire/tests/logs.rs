//! fail2ban's own test logs of mail servers, when `MAILVIGIL_SUITES` names the folder they lie in: the same lines are noted, with the same
//! address, and lines that must not match are not held against anybody; injected addresses included.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::path::PathBuf;

use mail::operation::Fault;
use wire::server_log::{Noted, What, read};

/// Logs of programs that are read.
const LOGS: [&str; 10] = [
    "dovecot",
    "postfix",
    "exim",
    "cyrus-imap",
    "sieve",
    "courier-auth",
    "courier-smtp",
    "sendmail-auth",
    "uwimap-auth",
    "roundcube-auth",
];

#[test]
fn what_fail2ban_finds_is_noted() {
    let Some(folder) = std::env::var_os("MAILVIGIL_SUITES").map(PathBuf::from) else {
        println!("skipped: MAILVIGIL_SUITES names no folder");
        return;
    };
    let folder = folder.join("logs-fail2ban/fail2ban/tests/files/logs");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let (mut right, mut otherwise) = (0, Vec::new());
    for name in LOGS {
        let text = std::fs::read(folder.join(name)).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        let (same, other) = compared(name, &text);
        println!("{name}: {same} as fail2ban, {} otherwise", other.len());
        right += same;
        otherwise.extend(other);
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    assert!(right > 150, "{right}");
}

/// How many lines come out as fail2ban has them, and which do not.
fn compared(name: &str, text: &str) -> (u32, Vec<String>) {
    let (mut right, mut otherwise) = (0, Vec::new());
    let mut expected: Option<serde_json::Value> = None;
    // Lines that are only looked at in a mode that honest clients suffer from.
    let mut strict = false;
    for line in text.lines() {
        if let Some(options) = line.strip_prefix("# filterOptions:") {
            strict = !["{}", "\"auth\"", "\"normal\"", "logtype"]
                .iter()
                .any(|usual| options.contains(usual));
        } else if let Some((_, json)) = line.split_once("failJSON:") {
            expected = serde_json::from_str(json).ok();
        } else if let (false, Some(expected)) = (line.starts_with('#'), &expected) {
            if line.trim().is_empty() {
                continue;
            }
            let wanted = expected["match"].as_bool().unwrap_or(false);
            let host = expected["host"].as_str().unwrap_or_default();
            let noted = read(line);
            let told = noted.as_ref().and_then(|noted| noted.ip);
            let same_host = told.map(|ip| ip.to_string()).as_deref() == Some(host);
            let innocent = |noted: &Noted| {
                matches!(
                    noted.what,
                    What::Fault(Fault::Loitered) | What::LoggedIn | What::Delivered
                )
            };
            // Sessions that Dovecot ended for wrong commands count for fail2ban in its aggressive mode only; here three in ten
            // minutes do.
            let wrong_commands = |noted: &Noted| noted.what == What::Fault(Fault::Malformed);
            let held_against = noted.as_ref().is_some_and(|noted| !innocent(noted));
            let same = if wanted {
                same_host && (held_against || strict)
            } else {
                !held_against || strict || noted.as_ref().is_some_and(wrong_commands)
            };
            if same {
                right += 1;
            } else {
                otherwise.push(format!(
                    "{name}: wanted {wanted} {host}, noted {noted:?}: {line}"
                ));
            }
        }
    }
    (right, otherwise)
}
