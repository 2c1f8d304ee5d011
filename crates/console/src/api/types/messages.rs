//! Messages: found, held, decided on.

use engine::Held;
use mail::{Outcome, Reason, Record, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::time;

/// A message in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Summary {
    /// Record id.
    pub id: String,
    /// When it was judged.
    pub at: String,
    /// What became of it: delivered, quarantined, discarded, rejected, deferred, failed, unscanned.
    pub fate: &'static str,
    /// Danger level.
    pub level: Option<&'static str>,
    /// Score.
    pub score: Option<f64>,
    /// Visible sender.
    pub from: Option<String>,
    /// Envelope sender; absent is the null sender.
    pub envelope_from: Option<String>,
    /// Recipients.
    pub to: Vec<String>,
    /// Decoded subject.
    pub subject: String,
    /// The machine that handed it over.
    pub ip: Option<String>,
    /// The mail server that asked.
    pub server: String,
    /// Its name there.
    pub queue_id: Option<String>,
    /// Message-ID without brackets.
    pub message_id: Option<String>,
    /// Bytes.
    pub size_bytes: u64,
    /// Names of the reasons, strongest first.
    pub reasons: Vec<String>,
    /// What else is to be known.
    pub note: Option<String>,
}

impl From<&Record> for Summary {
    fn from(record: &Record) -> Self {
        let envelope = &record.envelope;
        let verdict = record.verdict.as_ref();
        Self {
            id: record.id.to_string(),
            at: time(record.at),
            fate: record.fate.as_str(),
            level: verdict.map(|verdict| verdict.level.as_str()),
            score: verdict.map(|verdict| verdict.score),
            from: record.header_from.clone(),
            envelope_from: envelope
                .envelope_from
                .as_ref()
                .map(|from| from.as_str().to_owned()),
            to: envelope
                .recipients
                .iter()
                .map(|to| to.as_str().to_owned())
                .collect(),
            subject: record.subject.clone(),
            ip: envelope.peer.ip.map(|ip| ip.to_string()),
            server: envelope.server.clone(),
            queue_id: envelope.queue_id.clone(),
            message_id: record.message_id.clone(),
            size_bytes: record.size_bytes,
            reasons: verdict
                .iter()
                .flat_map(|verdict| &verdict.reasons)
                .map(|reason| reason.name.clone())
                .collect(),
            note: record.note.clone(),
        }
    }
}

/// One entry of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ReasonOut {
    /// The signal, set or rule.
    pub name: String,
    /// What it adds.
    pub score: f64,
    /// What it means.
    pub text: String,
    /// What shows it.
    pub evidence: Vec<String>,
    /// What it demands instead of adding up.
    pub demands: Option<String>,
}

impl From<&Reason> for ReasonOut {
    fn from(reason: &Reason) -> Self {
        let evidence = reason.evidence.iter().map(|found| {
            let place = found.place.as_ref().map(|place| format!("{place}: "));
            let quote = found.quote.as_ref().map(|quote| format!(": {quote}"));
            format!(
                "{}{}{}",
                place.unwrap_or_default(),
                found.text,
                quote.unwrap_or_default()
            )
        });
        Self {
            name: reason.name.clone(),
            score: reason.score,
            text: reason.text.clone(),
            evidence: evidence.collect(),
            demands: reason.demands.as_ref().map(|demand| match demand {
                mail::verdict::Demand::Level(level) => level.as_str().to_owned(),
                mail::verdict::Demand::Action(action) => action.to_string(),
            }),
        }
    }
}

/// The outcome for one recipient.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct OutcomeOut {
    /// For whom.
    pub recipient: String,
    /// Their score.
    pub score: f64,
    /// Their level.
    pub level: &'static str,
    /// What is done.
    pub action: String,
}

impl From<&Outcome> for OutcomeOut {
    fn from(outcome: &Outcome) -> Self {
        Self {
            recipient: outcome.recipient.as_str().to_owned(),
            score: outcome.score,
            level: outcome.level.as_str(),
            action: outcome.action.to_string(),
        }
    }
}

/// A verdict.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct VerdictOut {
    /// Highest level.
    pub level: &'static str,
    /// Highest score.
    pub score: f64,
    /// Strongest action.
    pub action: String,
    /// The ledger, strongest first.
    pub reasons: Vec<ReasonOut>,
    /// One per recipient.
    pub outcomes: Vec<OutcomeOut>,
    /// The policy version it was made under.
    pub policy_version: i64,
    /// What was not known.
    pub unknown: Vec<String>,
}

impl From<&Verdict> for VerdictOut {
    fn from(verdict: &Verdict) -> Self {
        Self {
            level: verdict.level.as_str(),
            score: verdict.score,
            action: verdict.action.to_string(),
            reasons: verdict.reasons.iter().map(Into::into).collect(),
            outcomes: verdict.outcomes.iter().map(Into::into).collect(),
            policy_version: verdict.policy_version,
            unknown: verdict.unknown.clone(),
        }
    }
}

/// One message.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct MessageOut {
    /// As in a list.
    #[serde(flatten)]
    pub summary: Summary,
    /// Why.
    pub verdict: Option<VerdictOut>,
    /// Its state in the quarantine.
    pub held: Option<&'static str>,
    /// Record ids of the same Message-ID.
    pub same: Vec<String>,
}

/// A held message.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct HeldOut {
    /// Item and record id.
    pub id: String,
    /// When it came.
    pub at: String,
    /// held, releasing, released, deleted, expired.
    pub state: &'static str,
    /// Visible sender.
    pub from: Option<String>,
    /// Those of its recipients that the author may see.
    pub to: Vec<String>,
    /// Decoded subject.
    pub subject: String,
    /// Danger level.
    pub level: Option<String>,
    /// Score.
    pub score: Option<f64>,
    /// Bytes.
    pub size_bytes: u64,
    /// How often the same message came.
    pub copies: u64,
}

impl From<&Held> for HeldOut {
    fn from(held: &Held) -> Self {
        Self {
            id: held.id.to_string(),
            at: time(held.at),
            state: held.state.as_str(),
            from: held.header_from.clone(),
            to: held
                .recipients
                .iter()
                .map(|to| to.as_str().to_owned())
                .collect(),
            subject: held.subject.clone(),
            level: held.level.clone(),
            score: held.score,
            size_bytes: held.size_bytes,
            copies: held.copies,
        }
    }
}

/// One part of a held message.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PartOut {
    /// Its place.
    pub path: String,
    /// Declared type.
    pub content_type: String,
    /// Declared file name.
    pub file_name: Option<String>,
    /// Decoded bytes.
    pub size_bytes: u64,
    /// Decoded text, with what is invisible made visible.
    pub text: Option<String>,
}

/// What a held message says.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ContentOut {
    /// The header as it came.
    pub header: String,
    /// Its parts.
    pub parts: Vec<PartOut>,
}

/// Which messages.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct MessagesIn {
    /// Sender or recipient: an address, or `@domain`.
    pub address: Option<String>,
    /// Sender.
    pub from: Option<String>,
    /// Recipient.
    pub to: Option<String>,
    /// Machine.
    pub ip: Option<String>,
    /// Words of the subject.
    pub subject: Option<String>,
    /// Message-ID.
    pub message_id: Option<String>,
    /// Queue id.
    pub queue_id: Option<String>,
    /// Authenticated account.
    pub account: Option<String>,
    /// What became of it.
    pub fate: Option<String>,
    /// Danger level.
    pub level: Option<String>,
    /// A reason by name; a list's entry as `LIST=VALUE`.
    pub reason: Option<String>,
    /// At or after: RFC 3339, a day, or a span back such as `24h`.
    pub since: Option<String>,
    /// Before.
    pub until: Option<String>,
    /// From the last page.
    pub cursor: Option<String>,
    /// 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

/// Which held messages.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct HeldIn {
    /// Also those that are not held any more.
    pub all: Option<bool>,
    /// Recipient, or `@domain`.
    pub to: Option<String>,
    /// Part of the sender.
    pub from: Option<String>,
    /// Part of the subject.
    pub subject: Option<String>,
    /// Danger level.
    pub level: Option<String>,
    /// From the last page.
    pub cursor: Option<String>,
    /// 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

/// Why something is done.
#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Why {
    /// Written into the log of acts.
    #[serde(default)]
    pub reason: String,
}

/// Several messages, and why something is done with them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Several {
    /// Item ids, at most 1,000.
    pub items: Vec<String>,
    /// Written into the log of acts.
    #[serde(default)]
    pub reason: String,
}

/// What came of one of several.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct DecidedOut {
    /// Which.
    pub item: String,
    /// Was it done?
    pub done: bool,
    /// Why not.
    pub why: Option<String>,
}

/// What came of a release.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ReleasedOut {
    /// The item that was released: another one when it was parted for some recipients.
    pub item: String,
    /// Who gets it.
    pub to: Vec<String>,
    /// The server's reply.
    pub reply: String,
    /// Recipients the server refused.
    pub refused: Vec<String>,
}

/// What a message was.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct TeachIn {
    /// Wanted, or not.
    pub wanted: bool,
    /// Its class, where you say more: lower-case letters, digits and `-`, as in `lottery`.
    #[serde(default)]
    pub class: Option<String>,
}

/// A sender to allow.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AllowIn {
    /// An address, or `@domain`.
    pub sender: String,
    /// The network that hands their mail over.
    #[serde(default)]
    pub from: Option<String>,
    /// The account that sends it.
    #[serde(default)]
    pub account: Option<String>,
    /// Only for this recipient, or `@domain`.
    #[serde(default, rename = "for")]
    pub for_: Option<String>,
    /// The day it ends.
    #[serde(default)]
    pub expires: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}
