//! Reading an aggregate report, of whatever standard and however broken.
//!
//! The document is walked once, element by element; what closes is put where its path says. Nothing is built of what is not known. A row that cannot
//! be counted (no machine, no number) is left out and noted; only a document without the report's own marks is refused.

use mail::Limits;
use mail::address::floor_char_boundary;

use super::draft::Draft;
use super::values::{some, time, word, yes_or_no};
use super::{Aggregate, Alignment, Discovery, Disposition};
use crate::xml::{Event, Events, decoded};
use crate::{Notes, Read, Refused, unpack};

/// Elements inside each other that are followed; deeper ones are passed over.
const DEPTH_MAX: usize = 16;
/// Errors kept of one report.
const ERRORS_MAX: usize = 20;

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
        if let (Some(row), ["record", rest @ ..]) = (&mut self.row, path) {
            row.open(rest, &mut self.notes);
        }
    }

    fn close(&mut self, path: &[&str], value: &str) {
        match path {
            ["record"] => self.close_row(),
            ["record", rest @ ..] => {
                if let Some(row) = &mut self.row {
                    row.close(rest, value, &mut self.notes);
                }
            }
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

    fn close_row(&mut self) {
        let draft = self.row.take();
        let row = draft.and_then(|draft| draft.finish(&mut self.notes));
        self.report.rows.extend(row);
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
