//! Recognising mail that carries a report, and taking the report out.
//!
//! Declared types and names are only hints: Amazon sends gzip as `application/octet-stream`, others XML as text. What decides is what the bytes are.

use mail::message::Opened;
use mail::{Limits, Message, OpenedPart, part_bytes};
use serde::{Deserialize, Serialize};

use crate::aggregate::{self, Aggregate};
use crate::feedback::{self, Feedback};
use crate::tls::{self, TlsReport};
use crate::{Notes, Read, Refused, unpack};

/// Parts of one mail that are tried.
const CANDIDATES_MAX: usize = 4;
/// Bytes of a document in which its first element is looked for.
const HEAD_BYTES: usize = 16 << 10;

/// What kind of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// DMARC aggregate.
    Aggregate,
    /// About one message.
    Feedback,
    /// TLS.
    Tls,
}

impl Kind {
    /// As it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aggregate => "aggregate",
            Self::Feedback => "feedback",
            Self::Tls => "tls",
        }
    }
}

/// A report, of whichever kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// DMARC aggregate.
    Aggregate(Aggregate),
    /// About one message.
    Feedback(Box<Feedback>),
    /// TLS.
    Tls(TlsReport),
}

impl Report {
    /// Which kind it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Aggregate(_) => Kind::Aggregate,
            Self::Feedback(_) => Kind::Feedback,
            Self::Tls(_) => Kind::Tls,
        }
    }

    /// Which domain it is about, as it says; empty when it does not.
    pub fn domain(&self) -> &str {
        match self {
            Self::Aggregate(report) => &report.policy.domain,
            Self::Feedback(report) => report.domains.first().map_or("", String::as_str),
            Self::Tls(report) => report
                .policies
                .first()
                .map_or("", |policy| policy.domain.as_str()),
        }
    }
}

/// Does the message probably carry a report? By types, names and the subject that RFC 9990 §3.5.2 and RFC 8460 §5.3 ask for; whether it does, [`open`] tells.
pub fn recognise(message: &Message) -> Option<Kind> {
    let by_part = message.parts.iter().find_map(|part| {
        let name = part.file_name.as_deref().unwrap_or_default();
        by_type(&part.content_type, name)
    });
    if by_part.is_some() {
        return by_part;
    }
    if message.header("TLS-Report-Domain").is_some() {
        return Some(Kind::Tls);
    }
    let subject = message.subject.to_ascii_lowercase();
    let says_so = subject.contains("report domain:") || subject.contains("report for domain");
    let may_hold = |part: &mail::message::Part| {
        candidate(
            &part.content_type,
            part.file_name.as_deref().unwrap_or_default(),
        )
    };
    (says_so && message.parts.iter().any(may_hold)).then_some(Kind::Aggregate)
}

/// What a part's type and name alone tell.
fn by_type(content_type: &str, file_name: &str) -> Option<Kind> {
    if content_type == "message/feedback-report" {
        return Some(Kind::Feedback);
    }
    if content_type.starts_with("application/tlsrpt") {
        return Some(Kind::Tls);
    }
    // receiver!domain!begin!end[!id].extension
    let mut pieces = file_name.split('!').skip(2);
    let mut is_number = || {
        let piece = pieces.next().unwrap_or_default();
        let digits = piece.split('.').next().unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !(is_number() && is_number()) {
        return None;
    }
    let lower = file_name.to_ascii_lowercase();
    let is_json = lower.trim_end_matches(".gz").rsplit('.').next() == Some("json");
    Some(if is_json { Kind::Tls } else { Kind::Aggregate })
}

/// May a part hold a report?
fn candidate(content_type: &str, file_name: &str) -> bool {
    let lower = file_name.to_ascii_lowercase();
    let named = [".xml", ".gz", ".gzip", ".zip", ".json"];
    let typed = [
        "application/gzip",
        "application/x-gzip",
        "application/zip",
        "application/x-zip-compressed",
        "application/x-zip",
        "application/xml",
        "text/xml",
        "application/json",
        "application/octet-stream",
    ];
    by_type(content_type, file_name).is_some()
        || typed.contains(&content_type)
        || named.iter().any(|ending| lower.ends_with(ending))
}

/// Takes the report out of a mail.
pub fn open(raw: &[u8], limits: &Limits) -> Result<Read<Report>, Refused> {
    let opened = Opened::read(raw, limits);
    let of_feedback = |part: &&OpenedPart| part.content_type == "message/feedback-report";
    if let Some(part) = opened.parts.iter().find(of_feedback) {
        return open_feedback(raw, part, &opened.parts, limits);
    }
    let parts = opened.parts.iter().filter(|part| {
        let name = part.file_name.as_deref().unwrap_or_default();
        candidate(&part.content_type, name)
    });
    let mut refused = None;
    for part in parts.take(CANDIDATES_MAX) {
        let Some(found) = part_bytes(raw, &part.path, limits) else {
            continue;
        };
        match read_any(&found.bytes, limits) {
            Ok(read) => return Ok(read),
            // The first says most: reporters put the report first.
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    Err(refused.unwrap_or(Refused::NotAReport("no part of the mail may hold one")))
}

/// Reads a file that may be an aggregate or a TLS report, packed or not.
pub fn read_any(bytes: &[u8], limits: &Limits) -> Result<Read<Report>, Refused> {
    let mut notes = Notes::default();
    let unpacked = unpack(bytes, limits, &mut notes)?;
    let head = &unpacked[..unpacked.len().min(HEAD_BYTES)];
    let first = head.iter().find(|byte| byte.is_ascii_graphic());
    if first == Some(&b'{') {
        return Ok(tls::read_json(&unpacked, limits, notes)?.map(Report::Tls));
    }
    Ok(aggregate::read_xml(&unpacked, limits, notes)?.map(Report::Aggregate))
}

/// Reads a file of either kind: a mail that carries a report, or the bare report, packed or not.
pub fn read_file(bytes: &[u8], limits: &Limits) -> Result<Read<Report>, Refused> {
    if is_mail(bytes) {
        open(bytes, limits)
    } else {
        read_any(bytes, limits)
    }
}

/// A mail begins with a header field, or with the line that mail folders put before it; no report and no packed file does.
fn is_mail(bytes: &[u8]) -> bool {
    let first = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let name = first.split(|byte| *byte == b':').next().unwrap_or_default();
    let is_field = name.len() < first.len()
        && !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    is_field || first.starts_with(b"From ")
}

fn open_feedback(
    raw: &[u8],
    fields: &OpenedPart,
    parts: &[OpenedPart],
    limits: &Limits,
) -> Result<Read<Report>, Refused> {
    let original = parts.iter().find(|part| {
        // "text/rfc822-header" is written by some.
        part.content_type == "message/rfc822" || part.content_type.starts_with("text/rfc822-header")
    });
    let bytes = |part: &OpenedPart| part_bytes(raw, &part.path, limits).map(|part| part.bytes);
    let fields = bytes(fields).ok_or(Refused::NotAReport("its part of fields cannot be read"))?;
    let original = original.and_then(bytes);
    let read = feedback::read(&fields, original.as_deref(), limits)?;
    Ok(read.map(|feedback| Report::Feedback(Box::new(feedback))))
}
