//! Writing a TLS report (RFC 8460 §4.4).

use mail::Timestamp;
use serde::Serialize;

use super::{Failure, PolicyResult, TlsReport};

impl TlsReport {
    /// The report as JSON.
    pub fn to_json(&self) -> String {
        let written = Written {
            organisation: &self.organisation,
            date_range: Range {
                start: written_time(self.begin),
                end: written_time(self.end),
            },
            contact: self.contact.as_deref(),
            report_id: &self.report_id,
            policies: self.policies.iter().map(WrittenResult::of).collect(),
        };
        // Texts and numbers only: nothing in it can fail to be written.
        serde_json::to_string_pretty(&written).unwrap_or_default()
    }
}

/// `2016-04-01T23:59:59Z`
fn written_time(time: Timestamp) -> String {
    Timestamp::from_secs(time.secs())
        .to_string()
        .replace(' ', "T")
}

#[derive(Serialize)]
struct Written<'r> {
    #[serde(rename = "organization-name")]
    organisation: &'r str,
    #[serde(rename = "date-range")]
    date_range: Range,
    #[serde(rename = "contact-info", skip_serializing_if = "Option::is_none")]
    contact: Option<&'r str>,
    #[serde(rename = "report-id")]
    report_id: &'r str,
    policies: Vec<WrittenResult<'r>>,
}

#[derive(Serialize)]
struct Range {
    #[serde(rename = "start-datetime")]
    start: String,
    #[serde(rename = "end-datetime")]
    end: String,
}

#[derive(Serialize)]
struct WrittenResult<'r> {
    policy: Policy<'r>,
    summary: Summary,
    #[serde(rename = "failure-details", skip_serializing_if = "Vec::is_empty")]
    failures: Vec<Detail<'r>>,
}

#[derive(Serialize)]
struct Policy<'r> {
    #[serde(rename = "policy-type")]
    kind: String,
    #[serde(rename = "policy-string", skip_serializing_if = "<[_]>::is_empty")]
    lines: &'r [String],
    #[serde(rename = "policy-domain")]
    domain: &'r str,
    #[serde(rename = "mx-host", skip_serializing_if = "<[_]>::is_empty")]
    mx_hosts: &'r [String],
}

#[derive(Serialize)]
struct Summary {
    #[serde(rename = "total-successful-session-count")]
    successful: u64,
    #[serde(rename = "total-failure-session-count")]
    failed: u64,
}

#[derive(Serialize)]
struct Detail<'r> {
    #[serde(rename = "result-type")]
    kind: String,
    #[serde(rename = "sending-mta-ip", skip_serializing_if = "Option::is_none")]
    sending_ip: Option<&'r str>,
    #[serde(
        rename = "receiving-mx-hostname",
        skip_serializing_if = "Option::is_none"
    )]
    receiving_mx: Option<&'r str>,
    #[serde(rename = "receiving-mx-helo", skip_serializing_if = "Option::is_none")]
    receiving_helo: Option<&'r str>,
    #[serde(rename = "receiving-ip", skip_serializing_if = "Option::is_none")]
    receiving_ip: Option<&'r str>,
    #[serde(rename = "failed-session-count")]
    sessions: u64,
    #[serde(
        rename = "additional-information",
        skip_serializing_if = "Option::is_none"
    )]
    information: Option<&'r str>,
    #[serde(
        rename = "failure-reason-code",
        skip_serializing_if = "Option::is_none"
    )]
    reason_code: Option<&'r str>,
}

impl<'r> WrittenResult<'r> {
    fn of(result: &'r PolicyResult) -> Self {
        Self {
            policy: Policy {
                kind: result.kind.clone().into(),
                lines: &result.lines,
                domain: &result.domain,
                mx_hosts: &result.mx_hosts,
            },
            summary: Summary {
                successful: result.successful,
                failed: result.failed,
            },
            failures: result.failures.iter().map(Detail::of).collect(),
        }
    }
}

impl<'r> Detail<'r> {
    fn of(failure: &'r Failure) -> Self {
        Self {
            kind: failure.kind.clone().into(),
            sending_ip: failure.sending_ip.as_deref(),
            receiving_mx: failure.receiving_mx.as_deref(),
            receiving_helo: failure.receiving_helo.as_deref(),
            receiving_ip: failure.receiving_ip.as_deref(),
            sessions: failure.sessions,
            information: failure.information.as_deref(),
            reason_code: failure.reason_code.as_deref(),
        }
    }
}
