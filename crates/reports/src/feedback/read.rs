//! Reading a feedback report: fields like a mail header (RFC 5965 §3), and what is quoted of the message.

use std::net::IpAddr;

use jiff::fmt::rfc2822::DateTimeParser;
use mail::address::floor_char_boundary;
use mail::{Limits, Message, Timestamp};

use super::{Failure, Feedback, FeedbackKind, Original};
use crate::{Notes, Read, Refused};

/// Values kept of a field that may stand more often.
const VALUES_MAX: usize = 50;

/// Reads the part `message/feedback-report`, and the original message or its header where it is there.
pub fn read(
    fields: &[u8],
    original: Option<&[u8]>,
    limits: &Limits,
) -> Result<Read<Feedback>, Refused> {
    if fields.len() > limits.report_bytes_max {
        return Err(Refused::TooLarge {
            bytes: fields.len(),
            limit: limits.report_bytes_max,
        });
    }
    let mut reader = Reader {
        notes: Notes::default(),
        report: Feedback {
            incidents: 1,
            ..Feedback::default()
        },
        failure: Failure::default(),
        has_kind: false,
    };
    let text = String::from_utf8_lossy(fields);
    for (name, value) in unfolded(&text, limits) {
        reader.field(&name.to_ascii_lowercase(), &value);
    }
    if let Some(original) = original {
        reader.report.original = quoted(original, limits);
    }
    reader.finish()
}

/// The fields, folded lines joined (RFC 5322 §2.2.3); what is no field ends the one before.
fn unfolded(text: &str, limits: &Limits) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let longest = limits.report_text_bytes_max;
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut()
                && value.len() < longest
            {
                value.push(' ');
                let more = line.trim();
                value.push_str(
                    &more[..floor_char_boundary(more, longest - value.len().min(longest))],
                );
            }
            continue;
        }
        if fields.len() >= limits.headers_max {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_graphic())
        {
            let value = value.trim();
            let value = &value[..floor_char_boundary(value, longest)];
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    fields
}

struct Reader {
    notes: Notes,
    report: Feedback,
    failure: Failure,
    has_kind: bool,
}

impl Reader {
    fn field(&mut self, name: &str, value: &str) {
        let (report, failure) = (&mut self.report, &mut self.failure);
        let some = || (!value.is_empty()).then(|| value.to_owned());
        match name {
            "feedback-type" => {
                self.has_kind = true;
                report.kind = FeedbackKind::from(value.to_owned());
                if let FeedbackKind::Other(word) = &report.kind {
                    self.notes
                        .about("Feedback-Type", word, "is none of the known words");
                }
            }
            "user-agent" => report.user_agent = some(),
            "arrival-date" | "received-date" => {
                report.arrival = date(value);
                if report.arrival.is_none() {
                    self.notes.about("Arrival-Date", value, "cannot be read");
                }
            }
            "source-ip" => {
                report.source_ip = address(value);
                if report.source_ip.is_none() {
                    self.notes.about("Source-IP", value, "is no address");
                }
            }
            "original-mail-from" => report.envelope_from = Some(bare(value).to_owned()),
            "original-envelope-id" => report.envelope_id = some(),
            "original-rcpt-to" | "removal-recipient" | "redacted-address" => {
                report.recipients = report.recipients.saturating_add(1);
            }
            "reporting-mta" => {
                // "dns; mail.example.com"
                let (_, name) = value.split_once(';').unwrap_or(("", value));
                report.reporting_mta = Some(name.trim().to_owned()).filter(|mta| !mta.is_empty());
            }
            "reported-domain" => keep(&mut report.domains, value),
            "reported-uri" => keep(&mut report.uris, value),
            "authentication-results" => keep(&mut report.authentication_results, value),
            "incidents" => match value.parse() {
                Ok(incidents) => report.incidents = incidents,
                Err(_) => self.notes.about("Incidents", value, "is no number"),
            },
            "auth-failure" => {
                let words = listed(value).map(|word| word.to_owned().into());
                failure.checks.extend(words.take(VALUES_MAX));
            }
            "delivery-result" => failure.delivery = some().map(Into::into),
            "identity-alignment" => {
                for word in listed(value) {
                    match word.to_ascii_lowercase().as_str() {
                        "dkim" => failure.dkim_unaligned = true,
                        "spf" => failure.spf_unaligned = true,
                        "none" => {}
                        _ => self.notes.about(
                            "Identity-Alignment",
                            word,
                            "is none of the known words",
                        ),
                    }
                }
            }
            "dkim-domain" => failure.dkim_domain = some(),
            "dkim-identity" => failure.dkim_identity = some(),
            "dkim-selector" => failure.dkim_selector = some(),
            "spf-dns" => keep(&mut failure.spf_records, value),
            _ => {}
        }
    }

    fn finish(mut self) -> Result<Read<Feedback>, Refused> {
        if !self.has_kind {
            return Err(Refused::Missing("what it is about (Feedback-Type)"));
        }
        if self.report.kind == FeedbackKind::AuthFailure {
            if self.failure.checks.is_empty() {
                self.notes.add("it does not say what failed (Auth-Failure)");
            }
            self.report.failure = Some(self.failure);
        }
        Ok(Read {
            report: self.report,
            notes: self.notes,
        })
    }
}

/// The visible sender's domain, the subject and the id of the message that is quoted.
fn quoted(original: &[u8], limits: &Limits) -> Original {
    let message = Message::read(original, limits);
    let from = message.header_from.first();
    let domain = from.and_then(|from| from.address.as_ref()?.domain());
    Original {
        header_from_domain: domain.map(|domain| domain.to_string()),
        subject: Some(message.subject)
            .filter(|subject| !subject.is_empty())
            .map(|subject| {
                let end = floor_char_boundary(&subject, limits.report_text_bytes_max);
                subject[..end].to_owned()
            }),
        message_id: message.message_id,
    }
}

fn keep(values: &mut Vec<String>, value: &str) {
    if !value.is_empty() && values.len() < VALUES_MAX {
        values.push(value.to_owned());
    }
}

/// Words between commas; software writes a hyphen where RFC 9991 has a comma.
fn listed(value: &str) -> impl Iterator<Item = &str> {
    let words = value.split([',', ';', '-']);
    words.map(str::trim).filter(|word| !word.is_empty())
}

/// Without angle brackets.
fn bare(path: &str) -> &str {
    let path = path.trim();
    path.strip_prefix('<')
        .and_then(|path| path.strip_suffix('>'))
        .unwrap_or(path)
}

/// `192.0.2.1`, also with a name behind it.
fn address(value: &str) -> Option<IpAddr> {
    let first = value.split([' ', '(']).next().unwrap_or(value);
    let first = first.trim_matches(['[', ']']);
    let first = first.strip_prefix("IPv6:").unwrap_or(first);
    first.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// A date as mail writes it, whatever day of the week it says.
fn date(value: &str) -> Option<Timestamp> {
    let parser = DateTimeParser::new().relaxed_weekday(true);
    let read = |text: &str| parser.parse_timestamp(text).ok();
    let time = read(value).or_else(|| {
        // "-0000 (EST)", "PST": what follows the time is often wrong, the time itself is not.
        let words: Vec<&str> = value.split_whitespace().collect();
        let clock = words.iter().position(|word| word.contains(':'))?;
        read(&format!("{} +0000", words[..=clock].join(" ")))
    })?;
    Some(Timestamp(time.as_microsecond()))
}
