//! Reading an aggregate report, of whatever standard and however broken.
//!
//! The document is walked once, element by element; what closes is put where its path says. Nothing is built of what is not known. A row that cannot
//! be counted (no machine, no number) is left out and noted; only a document without the report's own marks is refused.

use std::net::IpAddr;

use mail::address::floor_char_boundary;
use mail::{Limits, Timestamp};

use super::words::{Alignment, Discovery, Disposition, DkimOutcome, OverrideKind};
use super::words::{SpfOutcome, SpfScope};
use super::{Aggregate, DkimResult, Override, Row, SpfResult};
use crate::time::written;
use crate::xml::{Event, Events, decoded};
use crate::{Notes, Read, Refused, unpack};

/// Elements inside each other that are followed; deeper ones are passed over.
const DEPTH_MAX: usize = 16;
/// Signatures and reasons kept of one row; RFC 9990 §3.1.4 asks for at most 100.
const PER_ROW_MAX: usize = 100;
/// Errors kept of one report.
const ERRORS_MAX: usize = 20;
/// Seconds since the epoch beyond which a time is meant in milliseconds: the year 5138.
const SECONDS_MAX: i64 = 100_000_000_000;

/// Reads a report, packed or not.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Read<Aggregate>, Refused> {
    let mut notes = Notes::default();
    let unpacked = unpack(bytes, limits, &mut notes)?;
    read_xml(&unpacked, limits, notes)
}

/// Reads a report's XML.
pub(crate) fn read_xml(
    xml: &[u8],
    limits: &Limits,
    mut notes: Notes,
) -> Result<Read<Aggregate>, Refused> {
    let (text, note) = decoded(xml);
    if let Some(note) = note {
        notes.add(note);
    }
    let mut reader = Reader {
        limits,
        notes,
        report: Aggregate::default(),
        row: None,
        has_begin: false,
        has_policy: false,
        refused: None,
    };
    reader.walk(&text)?;
    reader.finish()
}

struct Reader<'l> {
    limits: &'l Limits,
    notes: Notes,
    report: Aggregate,
    row: Option<Draft>,
    has_begin: bool,
    has_policy: bool,
    refused: Option<Refused>,
}

/// A row while it is read.
#[derive(Default)]
struct Draft {
    source_ip: Option<IpAddr>,
    messages: Option<u64>,
    disposition: Option<Disposition>,
    dkim_aligned: Option<bool>,
    spf_aligned: Option<bool>,
    overrides: Vec<DraftReason>,
    header_from: String,
    envelope_from: Option<String>,
    envelope_to: Option<String>,
    dkim: Vec<DkimResult>,
    spf: Vec<SpfResult>,
}

/// A reason while it is read.
#[derive(Default)]
struct DraftReason {
    kind: Option<OverrideKind>,
    comment: Option<String>,
}

impl Reader<'_> {
    /// Walks the document. Elements before the first `feedback`, and around it, are somebody else's.
    fn walk(&mut self, text: &str) -> Result<(), Refused> {
        let mut path: Vec<&str> = Vec::new();
        let mut deeper = 0_usize;
        let mut value = String::new();
        let mut inside = false;
        for event in Events::of(text) {
            match event {
                Event::Open("feedback") if !inside => inside = true,
                _ if !inside => {}
                Event::Open(_) if path.len() >= DEPTH_MAX => deeper += 1,
                Event::Open(name) => {
                    path.push(name);
                    value.clear();
                    self.open(&path);
                }
                Event::Close("feedback") => {
                    self.unwind(&mut path, 0, &mut value);
                    return Ok(());
                }
                Event::Close(_) if deeper > 0 => deeper -= 1,
                Event::Close(name) => match path.iter().rposition(|open| *open == name) {
                    Some(place) => self.unwind(&mut path, place, &mut value),
                    None => self
                        .notes
                        .about("element", name, "is closed but was not open"),
                },
                Event::Text(text) => {
                    let room = self.limits.report_text_bytes_max;
                    if value.len() < room {
                        value.push_str(&text[..floor_char_boundary(&text, room)]);
                    }
                }
            }
            if let Some(refused) = self.refused.take() {
                return Err(refused);
            }
        }
        if !inside {
            return Err(Refused::NotAReport("it has no element <feedback>"));
        }
        self.notes.add("it breaks off before its end");
        Ok(())
    }

    /// Closes everything from `place` on, innermost first.
    fn unwind(&mut self, path: &mut Vec<&str>, place: usize, value: &mut String) {
        while path.len() > place {
            self.close(path, value.trim());
            path.pop();
            value.clear();
        }
    }

    fn open(&mut self, path: &[&str]) {
        if path == ["record"] {
            if self.report.rows.len() >= self.limits.report_records_max {
                let limit = self.limits.report_records_max;
                self.refused = Some(Refused::TooMany { limit });
            }
            self.row = Some(Draft::default());
            return;
        }
        let Some(row) = &mut self.row else { return };
        match path {
            ["record", "auth_results", "dkim"] if row.dkim.len() < PER_ROW_MAX => {
                row.dkim.push(DkimResult::default());
            }
            ["record", "auth_results", "spf"] if row.spf.len() < PER_ROW_MAX => {
                row.spf.push(SpfResult::default());
            }
            ["record", "row", "policy_evaluated", "reason"]
                if row.overrides.len() < PER_ROW_MAX =>
            {
                row.overrides.push(DraftReason::default());
            }
            ["record", "auth_results", "dkim" | "spf"]
            | ["record", "row", "policy_evaluated", "reason"] => {
                self.notes.add("a row has more results than are kept");
            }
            _ => {}
        }
    }

    fn close(&mut self, path: &[&str], value: &str) {
        match path {
            ["record"] => self.close_row(),
            ["record", rest @ ..] => self.close_in_row(rest, value),
            ["report_metadata", rest @ ..] => self.close_in_metadata(rest, value),
            ["policy_published", rest @ ..] => self.close_in_policy(rest, value),
            _ => {}
        }
    }

    fn close_in_metadata(&mut self, path: &[&str], value: &str) {
        let report = &mut self.report;
        match path {
            ["org_name"] => report.reporter.organisation = value.to_owned(),
            ["email"] => report.reporter.email = value.to_owned(),
            ["extra_contact_info"] => report.reporter.extra_contact = some(value),
            ["generator"] => report.reporter.generator = some(value),
            ["report_id"] => report.report_id = value.to_owned(),
            ["error"] if report.errors.len() < ERRORS_MAX => report.errors.extend(some(value)),
            ["date_range", "begin"] => {
                if let Some(time) = time(value, &mut self.notes) {
                    report.begin = time;
                    self.has_begin = true;
                }
            }
            ["date_range", "end"] => {
                if let Some(time) = time(value, &mut self.notes) {
                    report.end = time;
                }
            }
            _ => {}
        }
    }

    fn close_in_policy(&mut self, path: &[&str], value: &str) {
        self.has_policy = true;
        let notes = &mut self.notes;
        let policy = &mut self.report.policy;
        match path {
            ["domain"] => policy.domain = value.to_owned(),
            ["p"] => {
                let asked = word(value, "policy", notes, Disposition::read);
                policy.policy = asked.unwrap_or_default();
            }
            ["sp"] => policy.subdomain_policy = word(value, "policy", notes, Disposition::read),
            ["np"] => {
                policy.absent_subdomain_policy = word(value, "policy", notes, Disposition::read);
            }
            ["adkim"] => policy.dkim_alignment = word(value, "alignment", notes, Alignment::read),
            ["aspf"] => policy.spf_alignment = word(value, "alignment", notes, Alignment::read),
            ["fo"] => policy.failure_options = some(value),
            ["testing"] => policy.testing = word(value, "testing", notes, yes_or_no),
            ["discovery_method"] => {
                policy.discovery = word(value, "discovery method", notes, Discovery::read);
            }
            ["pct"] => policy.percent = value.parse().ok().filter(|percent| *percent <= 100),
            _ => {}
        }
    }

    fn close_in_row(&mut self, path: &[&str], value: &str) {
        let Some(row) = &mut self.row else { return };
        let notes = &mut self.notes;
        match path {
            ["row", "source_ip"] => row.source_ip = address(value, notes),
            ["row", "count"] => row.messages = number(value, notes),
            ["row", "policy_evaluated", "disposition"] => {
                row.disposition = word(value, "disposition", notes, Disposition::read);
            }
            ["row", "policy_evaluated", "dkim"] => {
                row.dkim_aligned = word(value, "result", notes, passes);
            }
            ["row", "policy_evaluated", "spf"] => {
                row.spf_aligned = word(value, "result", notes, passes);
            }
            ["row", "policy_evaluated", "reason", what] => {
                let Some(reason) = row.overrides.last_mut() else {
                    return;
                };
                match *what {
                    "type" => {
                        let kind = word(value, "reason", notes, OverrideKind::read);
                        reason.kind = kind.or_else(|| some(value).map(|_| OverrideKind::Other));
                    }
                    "comment" => reason.comment = some(value),
                    _ => {}
                }
            }
            // "identities" is what a draft called them.
            ["identifiers" | "identities", "header_from"] => row.header_from = value.to_owned(),
            ["identifiers" | "identities", "envelope_from"] => {
                row.envelope_from = Some(value.to_owned());
            }
            ["identifiers" | "identities", "envelope_to"] => row.envelope_to = some(value),
            ["auth_results", "dkim", what] => {
                let Some(result) = row.dkim.last_mut() else {
                    return;
                };
                match *what {
                    "domain" => result.domain = value.to_owned(),
                    "selector" => result.selector = some(value),
                    "result" => {
                        let outcome = word(value, "DKIM result", notes, DkimOutcome::read);
                        result.outcome = outcome.unwrap_or(DkimOutcome::Neutral);
                    }
                    "human_result" => result.explanation = some(value),
                    _ => {}
                }
            }
            ["auth_results", "spf", what] => {
                let Some(result) = row.spf.last_mut() else {
                    return;
                };
                match *what {
                    "domain" => result.domain = value.to_owned(),
                    "scope" => result.scope = word(value, "SPF scope", notes, SpfScope::read),
                    "result" => {
                        let outcome = word(value, "SPF result", notes, SpfOutcome::read);
                        result.outcome = outcome.unwrap_or(SpfOutcome::Neutral);
                    }
                    "human_result" => result.explanation = some(value),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn close_row(&mut self) {
        let Some(row) = self.row.take() else { return };
        let (Some(source_ip), Some(messages)) = (row.source_ip, row.messages) else {
            self.notes
                .add("a row without an address or a number is left out");
            return;
        };
        if row.dkim_aligned.is_none() || row.spf_aligned.is_none() {
            self.notes
                .add("a row does not say whether DKIM and SPF were aligned; taken as not");
        }
        let overrides = row.overrides.into_iter();
        self.report.rows.push(Row {
            source_ip,
            messages,
            disposition: row.disposition.unwrap_or_default(),
            dkim_aligned: row.dkim_aligned.unwrap_or(false),
            spf_aligned: row.spf_aligned.unwrap_or(false),
            overrides: overrides
                .filter_map(|reason| {
                    let said = reason.comment.is_some();
                    Some(Override {
                        kind: reason.kind.or(said.then_some(OverrideKind::Other))?,
                        comment: reason.comment,
                    })
                })
                .collect(),
            header_from: row.header_from,
            envelope_from: row.envelope_from,
            envelope_to: row.envelope_to,
            dkim: row.dkim,
            spf: row.spf,
        });
    }

    fn finish(mut self) -> Result<Read<Aggregate>, Refused> {
        if !self.has_policy && self.report.rows.is_empty() {
            return Err(Refused::NotAReport("it has neither a policy nor a record"));
        }
        if !self.has_begin {
            return Err(Refused::Missing("which time it covers (date_range, begin)"));
        }
        if self.report.end < self.report.begin {
            self.notes.add("it ends before it begins, or says no end");
            self.report.end = self.report.begin;
        }
        if self.report.policy.domain.is_empty() {
            let first = self.report.rows.first();
            let domain = first.map(|row| row.header_from.clone());
            self.report.policy.domain = domain
                .filter(|domain| !domain.is_empty())
                .ok_or(Refused::Missing("which domain it is about"))?;
            self.notes
                .add("it does not say which domain it is about; taken from its first row");
        }
        if self.report.report_id.is_empty() {
            self.notes.add("it has no report_id");
        }
        if self.report.rows.is_empty() {
            self.notes.add("it has no record");
        }
        Ok(Read {
            report: self.report,
            notes: self.notes,
        })
    }
}

/// A value, when there is one.
fn some(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

/// A word of a vocabulary, in any case; one that is not known is noted.
fn word<T>(
    value: &str,
    what: &str,
    notes: &mut Notes,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    if value.is_empty() {
        return None;
    }
    let read = read(&value.to_ascii_lowercase());
    if read.is_none() {
        notes.about(what, value, "is none of the known words");
    }
    read
}

fn passes(word: &str) -> Option<bool> {
    match word {
        "pass" => Some(true),
        "fail" | "none" | "neutral" | "softfail" | "temperror" | "permerror" => Some(false),
        _ => None,
    }
}

fn yes_or_no(word: &str) -> Option<bool> {
    match word {
        "y" => Some(true),
        "n" => Some(false),
        _ => None,
    }
}

fn address(value: &str, notes: &mut Notes) -> Option<IpAddr> {
    let bare = value.trim_matches(['[', ']']);
    let address = bare.parse::<IpAddr>().ok();
    if address.is_none() {
        notes.about("source_ip", value, "is no address");
    }
    address.map(|address| address.to_canonical())
}

/// A number of messages. More than fits is the most that fits; less than nothing is none at all.
fn number(value: &str, notes: &mut Notes) -> Option<u64> {
    let whole = value.split('.').next().unwrap_or(value);
    let digits = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        notes.about("count", value, "is no number of messages");
        return None;
    }
    Some(whole.parse().unwrap_or_else(|_| {
        notes.about("count", value, "is larger than any number of messages");
        u64::MAX
    }))
}

/// Seconds since the epoch; with a fraction as some write it, in milliseconds as others, or a written time.
fn time(value: &str, notes: &mut Notes) -> Option<Timestamp> {
    let whole = value.split('.').next().unwrap_or(value);
    let time = match whole.parse::<i64>() {
        Ok(secs) if secs > SECONDS_MAX => {
            notes.about("time", value, "is taken for milliseconds");
            Some(secs / 1000)
        }
        Ok(secs) => Some(secs),
        Err(_) => written(value).map(Timestamp::secs),
    };
    let time = time.filter(|secs| (0..=SECONDS_MAX).contains(secs));
    if time.is_none() {
        notes.about("time", value, "cannot be read");
    }
    time.map(Timestamp::from_secs)
}
