//! systemd's journal as a mail server's log: `journalctl` is asked for what belongs to mail, and each entry becomes the line that syslog would have written.
//!
//! The place of an entry is its time in microseconds: what is asked for after a restart begins there. A clock that was put back does not
//! put the place back.

use std::io::{BufRead, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use mail::Timestamp;
use serde::Deserialize;
use wire::postfix_log::LINE_BYTES_MAX;

/// The program that reads journals.
const PROGRAM: &str = "/usr/bin/journalctl";
/// Entries that wait to be looked at; `journalctl` waits for room.
const WAITING_MAX: usize = 5_000;
/// Longest entry looked at, as JSON; longer ones are passed over.
const ENTRY_BYTES_MAX: u64 = 4 * LINE_BYTES_MAX as u64;

/// Which journal, and what of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalConfig {
    /// A folder of journals; `None` is this machine's own.
    pub folder: Option<PathBuf>,
    /// Units whose entries are believed; none is every program that says it belongs to mail.
    pub units: Vec<String>,
}

/// A line, and its place.
pub struct Entry {
    /// As syslog would have written it.
    pub line: String,
    /// Microseconds since 1970.
    pub at_us: u64,
}

/// A running `journalctl`; ended when it is dropped.
pub struct Journal {
    child: Child,
    entries: Receiver<Entry>,
}

impl Journal {
    /// Follows from this time on.
    pub fn follow(config: &JournalConfig, from_us: u64) -> std::io::Result<Self> {
        let mut command = Command::new(PROGRAM);
        command.args(["--quiet", "--follow", "--no-tail", "--all", "--output=json"]);
        command.arg("--output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_HOSTNAME");
        command.arg(format!(
            "--since=@{}.{:06}",
            from_us / 1_000_000,
            from_us % 1_000_000
        ));
        if let Some(folder) = &config.folder {
            command.arg("--directory").arg(folder);
        }
        if config.units.is_empty() {
            command.arg("SYSLOG_FACILITY=2");
        }
        let units = config.units.iter();
        command.args(units.map(|unit| format!("_SYSTEMD_UNIT={unit}")));
        let mut child = command
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                std::io::Error::new(error.kind(), format!("{PROGRAM} cannot be run: {error}"))
            })?;
        let (sender, entries) = sync_channel(WAITING_MAX);
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || pass_on(BufReader::new(out), &sender));
        }
        Ok(Self { child, entries })
    }

    /// The next entry that is there; `None`: not now. An error once `journalctl` has ended.
    pub fn next(&mut self) -> std::io::Result<Option<Entry>> {
        match self.entries.try_recv() {
            Ok(entry) => Ok(Some(entry)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => {
                let mut said = String::new();
                if let Some(errors) = self.child.stderr.take() {
                    errors.take(1000).read_to_string(&mut said)?;
                }
                Err(std::io::Error::other(format!(
                    "{PROGRAM} ended: {}",
                    said.trim().escape_debug()
                )))
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads entries until the program or whoever listens is gone.
fn pass_on(mut out: impl BufRead, to: &SyncSender<Entry>) {
    let mut json = Vec::new();
    loop {
        json.clear();
        match out
            .by_ref()
            .take(ENTRY_BYTES_MAX)
            .read_until(b'\n', &mut json)
        {
            Ok(0) | Err(_) => return,
            Ok(_) if !json.ends_with(b"\n") => {
                // The rest of a long one.
                if out.skip_until(b'\n').is_err() {
                    return;
                }
            }
            Ok(_) => {
                if let Some(entry) = read(&json)
                    && to.send(entry).is_err()
                {
                    return;
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    at_us: String,
    #[serde(rename = "MESSAGE")]
    message: Text,
    #[serde(rename = "SYSLOG_IDENTIFIER")]
    program: Option<Text>,
    #[serde(rename = "SYSLOG_PID")]
    told_pid: Option<Text>,
    #[serde(rename = "_PID")]
    pid: Option<Text>,
    #[serde(rename = "_HOSTNAME")]
    host: Option<Text>,
}

/// Text, or bytes where it is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Text(String),
    Bytes(Vec<u8>),
}

impl Text {
    /// In one line, whatever is in it: what stands behind a line break is no line of the server's.
    fn in_one_line(self) -> String {
        let text = match self {
            Self::Text(text) => text,
            Self::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        };
        text.replace(|c: char| c.is_control() && c != '\t', " ")
    }
}

/// Reads an entry as `journalctl --output=json` writes it; `None` when it is none, or has no message.
fn read(json: &[u8]) -> Option<Entry> {
    let fields: Fields = serde_json::from_slice(json).ok()?;
    let at_us: u64 = fields.at_us.parse().ok()?;
    let at = Timestamp(i64::try_from(at_us).ok()?);
    let pid = fields
        .told_pid
        .or(fields.pid)
        .map_or_else(String::new, Text::in_one_line);
    // A word each: a blank in one would shift what stands behind.
    let word = |text: Option<Text>, or: &str| {
        let text = text.map(Text::in_one_line).filter(|text| !text.is_empty());
        text.map_or_else(
            || or.to_owned(),
            |text| text.replace(char::is_whitespace, "_"),
        )
    };
    let (host, program) = (
        word(fields.host, "localhost"),
        word(fields.program, "unknown"),
    );
    let line = format!(
        "{at} {host} {program}[{pid}]: {}",
        fields.message.in_one_line()
    );
    Some(Entry { line, at_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_the_line_syslog_would_have_written() {
        let read = |json: &str| read(json.as_bytes()).map(|entry| (entry.at_us, entry.line));
        assert_eq!(
            read(
                r#"{"__REALTIME_TIMESTAMP":"1796020930123456","__CURSOR":"s=1","SYSLOG_IDENTIFIER":"postfix/smtpd","SYSLOG_PID":"77","_PID":"78","_HOSTNAME":"mx","MESSAGE":"4F2: client=h[192.0.2.1]"}"#
            ),
            Some((
                1_796_020_930_123_456,
                "2026-11-30 06:42:10Z mx postfix/smtpd[77]: 4F2: client=h[192.0.2.1]".into()
            ))
        );
        let (_, line) = read(
            r#"{"__REALTIME_TIMESTAMP":"1796020930000000","SYSLOG_IDENTIFIER":"a b","_PID":"5","MESSAGE":[104,105,10,255,33]}"#,
        )
        .expect("bytes are text that is none");
        assert!(line.ends_with("localhost a_b[5]: hi \u{fffd}!"), "{line}");
        for wrong in [
            "",
            "{}",
            r#"{"__REALTIME_TIMESTAMP":"x","MESSAGE":"m"}"#,
            r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":null}"#,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_long_entry_is_passed_over_and_the_next_one_is_read() {
        let long = format!(
            "{{\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":\"{}\"}}\n",
            "x".repeat(ENTRY_BYTES_MAX as usize)
        );
        let all = format!("{long}{{\"__REALTIME_TIMESTAMP\":\"2\",\"MESSAGE\":\"short\"}}\n");
        let (sender, entries) = sync_channel(5);
        pass_on(all.as_bytes(), &sender);
        drop(sender);
        let places: Vec<u64> = entries.iter().map(|entry| entry.at_us).collect();
        assert_eq!(places, [2]);
    }
}
