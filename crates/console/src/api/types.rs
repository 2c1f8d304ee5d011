//! What the JSON API says and takes: plain shapes, whatever the inside looks like.

use engine::{
    ChainedAct, DoorState, Held, Person, PolicyVersion, Presence, Replay, Request, Token,
};
use mail::{Outcome, Reason, Record, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Times are RFC 3339 in UTC.
pub(super) fn time(at: mail::Timestamp) -> String {
    at.to_string().replace(' ', "T")
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T> {
    /// What has a time newest first, domains the busiest first.
    pub items: Vec<T>,
    /// Give it as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Set when the search stopped before its page was full: everything since then was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_back_to: Option<String>,
}

/// A message in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Summary {
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
pub(super) struct ReasonOut {
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
pub(super) struct OutcomeOut {
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
pub(super) struct VerdictOut {
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
pub(super) struct MessageOut {
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
pub(super) struct HeldOut {
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
pub(super) struct PartOut {
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
pub(super) struct ContentOut {
    /// The header as it came.
    pub header: String,
    /// Its parts.
    pub parts: Vec<PartOut>,
}

/// Which messages.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MessagesIn {
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
pub(super) struct HeldIn {
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
pub(super) struct Why {
    /// Written into the log of acts.
    #[serde(default)]
    pub reason: String,
}

/// Several messages, and why something is done with them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Several {
    /// Item ids, at most 1,000.
    pub items: Vec<String>,
    /// Written into the log of acts.
    #[serde(default)]
    pub reason: String,
}

/// What came of one of several.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecidedOut {
    /// Which.
    pub item: String,
    /// Was it done?
    pub done: bool,
    /// Why not.
    pub why: Option<String>,
}

/// What came of a release.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReleasedOut {
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
pub(super) struct TeachIn {
    /// Wanted, or not.
    pub wanted: bool,
    /// Its class, where you say more: lower-case letters, digits and `-`, as in `lottery`.
    #[serde(default)]
    pub class: Option<String>,
}

/// A sender to allow.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AllowIn {
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

/// A policy version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyOut {
    /// Its number.
    pub version: i64,
    /// The document.
    pub text: String,
}

/// A version in the history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionOut {
    /// Its number.
    pub version: i64,
    /// The one before.
    pub base: Option<i64>,
    /// When it came into force.
    pub at: String,
    /// Who made it.
    pub author: String,
    /// Why.
    pub reason: String,
}

impl From<&PolicyVersion> for VersionOut {
    fn from(version: &PolicyVersion) -> Self {
        Self {
            version: version.version,
            base: version.base,
            at: time(version.at),
            author: version.author.clone(),
            reason: version.reason.clone(),
        }
    }
}

/// The number of a version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Applied {
    /// The version that is in force now.
    pub version: i64,
}

/// A policy to put in force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyIn {
    /// The document.
    pub text: String,
    /// The version it was made from: refused when another is in force by now.
    #[serde(default)]
    pub base: Option<i64>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// One change of the policy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditIn {
    /// What: `{"edit": "boundaries", "suspicious": 5.0, "dangerous": 14.0}`, and so on; see the manual.
    #[schema(value_type = Object)]
    pub change: judge::edit::Edit,
    /// The version that was looked at.
    pub base: i64,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A document to check.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TextIn {
    /// The document.
    pub text: String,
}

/// A document to try on recorded mail.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhatIfIn {
    /// The document.
    pub text: String,
    /// How many hours back, 1 to 2,160.
    pub hours: u32,
}

/// What another policy would have done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReplayOut {
    /// Records looked at.
    pub looked_at: u64,
    /// Judged again.
    pub judged: u64,
    /// Not judged again: without facts.
    pub without_facts: u64,
    /// How many would go another way.
    pub changed_count: u64,
    /// Stopped before everything was looked at.
    pub cut: bool,
    /// What nobody looked for then.
    pub unseen_terms: Vec<String>,
    /// Which would go another way, at most 200.
    pub changed: Vec<ChangedOut>,
}

/// A message that would go another way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedOut {
    /// Record id.
    pub id: String,
    /// Decoded subject.
    pub subject: String,
    /// What was done.
    pub before: String,
    /// What would have been done.
    pub after: String,
    /// Its score then.
    pub score_before: f64,
    /// Its score under the other policy.
    pub score_after: f64,
    /// Reasons that come (`+`) or go (`-`).
    pub reasons: Vec<String>,
}

impl From<Replay> for ReplayOut {
    fn from(replay: Replay) -> Self {
        let changed = replay.changed.into_iter().map(|one| ChangedOut {
            id: one.id.to_string(),
            subject: one.subject,
            before: one.before.to_string(),
            after: one.after.to_string(),
            score_before: one.score_before,
            score_after: one.score_after,
            reasons: one.reasons,
        });
        Self {
            looked_at: replay.looked_at,
            judged: replay.judged,
            without_facts: replay.without_facts,
            changed_count: replay.changed_count,
            cut: replay.cut,
            unseen_terms: replay.unseen_terms,
            changed: changed.collect(),
        }
    }
}

/// A message to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TryIn {
    /// The message: header, empty line, body.
    pub message: String,
    /// The machine that would have handed it over.
    #[serde(default)]
    pub ip: Option<String>,
    /// Under this document instead of the policy in force.
    #[serde(default)]
    pub text: Option<String>,
}

/// A version to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackIn {
    /// Its number.
    pub version: i64,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// An entry of the log of acts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ActOut {
    /// Its number, without gaps.
    pub seq: i64,
    /// When.
    pub at: String,
    /// Who.
    pub who: String,
    /// From where.
    pub from: String,
    /// What.
    pub act: String,
    /// On what.
    pub target: String,
    /// Why.
    pub reason: String,
    /// What it was before.
    pub before: String,
    /// What it was after.
    pub after: String,
    /// SHA-256 over the hash before it and the entry.
    pub hash: String,
}

impl From<&ChainedAct> for ActOut {
    fn from(one: &ChainedAct) -> Self {
        let act = one.act.clone();
        Self {
            seq: one.seq,
            at: time(act.at),
            who: act.who,
            from: act.from,
            act: act.act,
            target: act.target,
            reason: act.reason,
            before: act.before,
            after: act.after,
            hash: one.hash.clone(),
        }
    }
}

/// Which acts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ActsIn {
    /// By whom.
    pub who: Option<String>,
    /// What.
    pub act: Option<String>,
    /// On what.
    pub target: Option<String>,
    /// From the last page.
    pub cursor: Option<i64>,
    /// 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

/// Whether the log of acts is whole.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerifiedOut {
    /// Entries looked at.
    pub entries: u64,
    /// Is it whole?
    pub whole: bool,
    /// Every place where it is not.
    pub broken: Vec<String>,
    /// The last entry's hash.
    pub head: Option<String>,
}

/// Somebody who may log in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PersonOut {
    /// Their name.
    pub name: String,
    /// administrator, operator, auditor, owner.
    pub role: String,
    /// On whose mail; empty is everybody's.
    pub scope: Vec<String>,
    /// May not log in.
    pub disabled: bool,
    /// Has chosen a password.
    pub has_password: bool,
    /// Uses one-time codes.
    pub has_codes: bool,
}

impl From<&Person> for PersonOut {
    fn from(person: &Person) -> Self {
        Self {
            name: person.name.clone(),
            role: person.role.clone(),
            scope: person.scope.clone(),
            disabled: person.disabled,
            has_password: person.password.is_some(),
            has_codes: person.totp.is_some(),
        }
    }
}

/// Somebody to enter, or what they shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonIn {
    /// administrator, operator, auditor, owner.
    #[schema(value_type = String)]
    pub role: engine::Role,
    /// `@domain` or addresses; empty is everybody's mail.
    #[serde(default)]
    pub scope: Vec<String>,
    /// May not log in.
    #[serde(default)]
    pub disabled: bool,
}

/// A link to choose a password by, good once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkOut {
    /// Give it to them.
    pub link: String,
}

/// What somebody asks a second person for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RequestOut {
    /// Its id.
    pub id: String,
    /// When it was asked.
    pub at: String,
    /// Who asks.
    pub who: String,
    /// What.
    pub act: String,
    /// On what.
    pub target: String,
    /// Why.
    pub reason: String,
    /// open, approved, refused, used.
    pub state: &'static str,
}

impl From<&Request> for RequestOut {
    fn from(request: &Request) -> Self {
        Self {
            id: request.id.to_string(),
            at: time(request.at),
            who: request.who.clone(),
            act: request.act.clone(),
            target: request.target.clone(),
            reason: request.reason.clone(),
            state: request.state.as_str(),
        }
    }
}

/// A decision about a request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecideIn {
    /// Allow it?
    pub approve: bool,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenOut {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub label: String,
    /// read or act.
    pub scope: String,
    /// When it ends.
    pub expires: String,
}

impl From<&Token> for TokenOut {
    fn from(token: &Token) -> Self {
        Self {
            id: token.id.clone(),
            label: token.label.clone(),
            scope: token.scope.clone(),
            expires: time(token.expires),
        }
    }
}

/// How far back.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HoursIn {
    /// 1 to 2,160; 24 when absent.
    pub hours: Option<u32>,
}

/// What there was.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OverviewOut {
    /// Since when.
    pub since: String,
    /// Messages by fate.
    pub fates: std::collections::BTreeMap<&'static str, u64>,
    /// Messages by level.
    pub levels: std::collections::BTreeMap<&'static str, u64>,
    /// The most frequent reasons.
    pub reasons: Vec<NamedOut>,
    /// Who sent most.
    pub senders: Vec<NamedOut>,
    /// Who got most.
    pub recipients: Vec<NamedOut>,
    /// Machines that handed over most.
    pub machines: Vec<NamedOut>,
    /// Messages held now.
    pub held: u64,
    /// Their bytes.
    pub held_bytes: u64,
    /// Reasons that tell of mail bombs.
    pub bombs: Vec<NamedOut>,
    /// The policy version in force.
    pub policy_version: i64,
    /// Nodes that live.
    pub nodes: Vec<NodeOut>,
}

/// One node of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeOut {
    /// Its name.
    pub name: String,
    /// When it said so.
    pub at: String,
    /// The policy version it judges by.
    pub policy_version: i64,
    /// Where mail servers and their helpers ask it.
    pub doors: Vec<DoorOut>,
}

impl From<&(String, Presence)> for NodeOut {
    fn from((name, presence): &(String, Presence)) -> Self {
        let door = |door: &DoorState| DoorOut {
            name: door.name.clone(),
            last: door.last.map(time),
            stuck: door.stuck,
        };
        Self {
            name: name.clone(),
            at: time(presence.at),
            policy_version: presence.policy_version,
            doors: presence.doors.iter().map(door).collect(),
        }
    }
}

/// One door.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoorOut {
    /// What is spoken there, and where it is.
    pub name: String,
    /// When somebody came last, since the start.
    pub last: Option<String>,
    /// The last one who wanted to come in could not.
    pub stuck: bool,
}

/// A number with its name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NamedOut {
    /// What.
    pub name: String,
    /// How much.
    pub count: u64,
}

impl From<&(String, u64)> for NamedOut {
    fn from((name, count): &(String, u64)) -> Self {
        Self {
            name: name.clone(),
            count: *count,
        }
    }
}
