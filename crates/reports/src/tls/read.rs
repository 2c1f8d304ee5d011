//! Reading a TLS report: JSON, packed or not, with what reporters do to it: single values where lists belong, numbers as texts, fields left out.

use mail::address::floor_char_boundary;
use mail::{Limits, Timestamp};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, de};

use super::{Failure, FailureKind, PolicyKind, PolicyResult, TlsReport};
use crate::time::written;
use crate::{Notes, Read, Refused, unpack};

/// Values a record of a report has at most; bounds what the JSON reader builds before anything is looked at.
const VALUES_PER_RECORD: usize = 16;

/// Reads a report, packed or not.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Read<TlsReport>, Refused> {
    let mut notes = Notes::default();
    let unpacked = unpack(bytes, limits, &mut notes)?;
    read_json(&unpacked, limits, notes)
}

/// Reads a report's JSON.
pub(crate) fn read_json(
    json: &[u8],
    limits: &Limits,
    notes: Notes,
) -> Result<Read<TlsReport>, Refused> {
    // Every value but the first follows a comma or an opening bracket, so counting those bounds the memory that is needed: a
    // list of empty texts costs three bytes each in the file and many times that when read.
    let separators = memchr::memchr3_iter(b',', b'{', b'[', json).count();
    let limit = limits.report_records_max;
    if separators > limit.saturating_mul(VALUES_PER_RECORD) {
        return Err(Refused::TooMany { limit });
    }
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let (text, note) = crate::xml::decoded(json);
    let written: Written =
        serde_json::from_str(text.trim()).map_err(|error| Refused::NotJson(error.to_string()))?;
    let mut reader = Reader { limits, notes };
    if let Some(note) = note {
        reader.notes.add(note);
    }
    let report = reader.report(written)?;
    Ok(Read {
        report,
        notes: reader.notes,
    })
}

struct Reader<'l> {
    limits: &'l Limits,
    notes: Notes,
}

impl Reader<'_> {
    fn report(&mut self, written: Written) -> Result<TlsReport, Refused> {
        if written.policies.is_none() && written.date_range.is_none() {
            return Err(Refused::NotAReport("it has neither policies nor a time"));
        }
        let range = written.date_range.unwrap_or_default();
        let begin = self
            .time(&range.start)
            .ok_or(Refused::Missing("which time it covers (date-range)"))?;
        let end = self.time(&range.end).filter(|end| *end >= begin);
        if end.is_none() {
            self.notes.add("it ends before it begins, or says no end");
        }
        if written.report_id.is_empty() {
            self.notes.add("it has no report-id");
        }
        let policies = written.policies.unwrap_or_default();
        if policies.is_empty() {
            self.notes.add("it has no policy");
        }
        Ok(TlsReport {
            organisation: self.text(&written.organisation),
            contact: self.some(written.contact),
            report_id: self.text(&written.report_id),
            begin,
            end: end.unwrap_or(begin),
            policies: policies
                .into_iter()
                .map(|policy| self.policy(policy))
                .collect(),
        })
    }

    fn policy(&mut self, written: WrittenResult) -> PolicyResult {
        let policy = written.policy.unwrap_or_default();
        let summary = written.summary.unwrap_or_default();
        let kind = PolicyKind::from(self.text(&policy.kind).to_ascii_lowercase());
        if let PolicyKind::Other(word) = &kind {
            self.notes
                .about("policy-type", word, "is none of the known words");
        }
        let failures = written.failures.unwrap_or_default().into_iter();
        PolicyResult {
            kind,
            lines: self.texts(policy.lines),
            domain: self.text(&policy.domain),
            mx_hosts: self.texts(policy.mx_hosts),
            successful: summary.successful,
            failed: summary.failed,
            failures: failures.map(|failure| self.failure(failure)).collect(),
        }
    }

    fn failure(&mut self, written: WrittenFailure) -> Failure {
        let kind = FailureKind::from(self.text(&written.kind).to_ascii_lowercase());
        if let FailureKind::Other(word) = &kind {
            self.notes
                .about("result-type", word, "is none of the known words");
        }
        Failure {
            kind,
            sending_ip: self.some(written.sending_ip),
            receiving_mx: self.some(written.receiving_mx),
            receiving_helo: self.some(written.receiving_helo),
            receiving_ip: self.some(written.receiving_ip),
            sessions: written.sessions,
            information: self.some(written.information),
            reason_code: self.some(written.reason_code),
        }
    }

    fn time(&mut self, text: &str) -> Option<Timestamp> {
        let time = written(text);
        if time.is_none() && !text.is_empty() {
            self.notes.about("time", text, "cannot be read");
        }
        time
    }

    fn text(&self, text: &str) -> String {
        let text = text.trim();
        text[..floor_char_boundary(text, self.limits.report_text_bytes_max)].to_owned()
    }

    fn some(&self, text: Option<String>) -> Option<String> {
        text.map(|text| self.text(&text))
            .filter(|text| !text.is_empty())
    }

    fn texts(&self, texts: Option<OneOrMany>) -> Vec<String> {
        let texts = match texts {
            None => Vec::new(),
            Some(OneOrMany::One(text)) => vec![text],
            Some(OneOrMany::Many(texts)) => texts,
        };
        texts.iter().map(|text| self.text(text)).collect()
    }
}

// As it is written (RFC 8460 §4.4). Nothing is required here: what is missing is for the reader to say.

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "organization-name", default, deserialize_with = "loose_text")]
    organisation: String,
    #[serde(rename = "contact-info")]
    contact: Option<String>,
    #[serde(rename = "report-id", default, deserialize_with = "loose_text")]
    report_id: String,
    #[serde(rename = "date-range")]
    date_range: Option<WrittenRange>,
    policies: Option<Vec<WrittenResult>>,
}

#[derive(Default, Deserialize)]
struct WrittenRange {
    #[serde(rename = "start-datetime", default, deserialize_with = "loose_text")]
    start: String,
    #[serde(rename = "end-datetime", default, deserialize_with = "loose_text")]
    end: String,
}

#[derive(Deserialize)]
struct WrittenResult {
    policy: Option<WrittenPolicy>,
    summary: Option<WrittenSummary>,
    #[serde(rename = "failure-details")]
    failures: Option<Vec<WrittenFailure>>,
}

#[derive(Default, Deserialize)]
struct WrittenPolicy {
    #[serde(rename = "policy-type", default, deserialize_with = "loose_text")]
    kind: String,
    #[serde(rename = "policy-string")]
    lines: Option<OneOrMany>,
    #[serde(rename = "policy-domain", default, deserialize_with = "loose_text")]
    domain: String,
    // RFC 8460 writes "mx-host" in its table and shows a single text; its erratum and Google have lists.
    #[serde(rename = "mx-host", alias = "mx-host-pattern")]
    mx_hosts: Option<OneOrMany>,
}

#[derive(Default, Deserialize)]
struct WrittenSummary {
    #[serde(
        rename = "total-successful-session-count",
        default,
        deserialize_with = "loose_number"
    )]
    successful: u64,
    #[serde(
        rename = "total-failure-session-count",
        default,
        deserialize_with = "loose_number"
    )]
    failed: u64,
}

#[derive(Deserialize)]
struct WrittenFailure {
    #[serde(rename = "result-type", default, deserialize_with = "loose_text")]
    kind: String,
    #[serde(rename = "sending-mta-ip")]
    sending_ip: Option<String>,
    #[serde(rename = "receiving-mx-hostname")]
    receiving_mx: Option<String>,
    #[serde(rename = "receiving-mx-helo")]
    receiving_helo: Option<String>,
    #[serde(rename = "receiving-ip")]
    receiving_ip: Option<String>,
    #[serde(
        rename = "failed-session-count",
        default,
        deserialize_with = "loose_number"
    )]
    sessions: u64,
    #[serde(rename = "additional-information", alias = "additional-info-uri")]
    information: Option<String>,
    #[serde(rename = "failure-reason-code")]
    reason_code: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A text; `null` is an empty one.
fn loose_text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(from)?.unwrap_or_default())
}

/// A number of sessions: whole, with a fraction, or in quotes. Less than none is none; more than fits is the most that fits.
fn loose_number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = u64;
        fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            to.write_str("a number")
        }
        fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }
        fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
            Ok(u64::try_from(number).unwrap_or(0))
        }
        fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
            // A cast saturates: below zero and not a number are 0.
            Ok(number as u64)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
            let number: f64 = text
                .trim()
                .parse()
                .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
            self.visit_f64(number)
        }
        fn visit_unit<E: Error>(self) -> Result<u64, E> {
            Ok(0)
        }
    }
    from.deserialize_any(Number)
}
