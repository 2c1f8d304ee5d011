//! A report that came: opened, and kept once.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use mail::authentication::DmarcResult;
use mail::operation::{self, Door, Protocol, Reply};
use mail::{Action, Domain, Facts, Known, Limits, RecordId, Timestamp, Verdict};
use reports::feedback::{Feedback, FeedbackKind};
use reports::letter::{self, Report};
use sha2::{Digest, Sha256};
use store::{Act, Query, ReportRow, Store, StoreError};
use tokio::sync::Semaphore;

use crate::Settings;
use crate::clock::now;
use crate::watching::{Telling, Watching};

/// Reports opened at once; unpacking takes memory.
const OPENED_AT_ONCE: usize = 2;
const DAY_SECS: i64 = 86_400;
/// How old mail may be that is complained about.
const COMPLAINED_DAYS: i64 = 30;
/// Records of one Message-ID that are looked at.
const SAME_ID_MAX: u32 = 20;

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is kept now.
    New,
    /// It was kept already.
    Known,
    /// So many came in a day that this one was left out (`limits.reports_per_day_max`).
    Full,
    /// It is larger than is kept (`limits.report_kept_bytes_max`).
    TooLarge,
}

impl Kept {
    /// As programs are told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Known => "known",
            Self::Full => "full",
            Self::TooLarge => "too-large",
        }
    }
}

/// Who opens reports: so many at once.
pub(crate) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(OPENED_AT_ONCE))
}

/// Where the doors hand in mail that carries a report.
pub(crate) struct Inbox {
    places: Arc<Semaphore>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { places: places() }
    }
}

/// A report that a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    /// The message passed DMARC.
    trusted: bool,
    /// It did as a mail service whose readers' complaints are believed.
    complains: bool,
}

/// Does the message carry a report to us? Only mail that is delivered counts: what is held waits for a person.
pub(crate) fn carried(facts: &Facts, verdict: &Verdict, settings: &Settings) -> Option<Carried> {
    let to_us = || {
        let recipients = facts.envelope.recipients.iter();
        recipients.into_iter().any(|to| {
            settings
                .report_inbox
                .iter()
                .any(|ours| ours.key() == to.key())
        })
    };
    let delivered = matches!(verdict.action, Action::Accept | Action::Tag);
    if !(delivered && to_us() && letter::recognise(&facts.message).is_some()) {
        return None;
    }
    let proven = match &facts.authentication {
        Known::Yes(found) if found.dmarc.result == DmarcResult::Pass => {
            Some(found.alleged.domain.as_ref())
        }
        _ => None,
    };
    let believed = |domain: &Domain| settings.complaints_from.contains(&domain.registered());
    Some(Carried {
        trusted: proven.is_some(),
        complains: proven.flatten().is_some_and(believed),
    })
}

impl Inbox {
    /// Opens a mail and keeps its report, beside the mail's own way. What cannot be kept is in the log, and the mail is delivered all the same.
    pub(crate) fn take(
        &self,
        store: Store,
        watching: Arc<Watching>,
        raw: Arc<[u8]>,
        carried: Carried,
        limits: Limits,
    ) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            tracing::warn!(
                "a report was not kept, because others were being read; `mailvigil report import` takes it from the mailbox"
            );
            return;
        };
        tokio::spawn(async move {
            let of_opening = limits.clone();
            let opening = move || letter::open(&raw, &of_opening);
            match tokio::task::spawn_blocking(opening).await {
                Ok(Ok(read)) => match keep(&store, &read.report, carried.trusted, None, &limits)
                    .await
                {
                    Ok(Kept::New) => {
                        tracing::info!("a report was kept: {}", about(&read.report));
                        if let (true, Report::Feedback(report)) = (carried.complains, &read.report)
                        {
                            complain(&store, &watching, report).await;
                        }
                    }
                    Ok(Kept::Known) => {
                        tracing::info!("a report came again: {}", about(&read.report));
                    }
                    Ok(Kept::Full) => tracing::warn!(
                        "a report was not kept: more than limits.reports_per_day_max came in a day"
                    ),
                    Ok(Kept::TooLarge) => tracing::warn!(
                        "a report was not kept: it is larger than limits.report_kept_bytes_max"
                    ),
                    Err(error) => tracing::error!("a report was not kept: {error}"),
                },
                Ok(Err(refused)) => {
                    tracing::warn!("mail to the reports' mailbox holds no good report: {refused}");
                }
                Err(_) => {
                    tracing::error!(
                        "reading a report failed inside the program (please report it)"
                    );
                }
            }
            drop(place);
        });
    }
}

/// Tells the watch that a reader complained, when the message is one that an account of ours sent.
async fn complain(store: &Store, watching: &Watching, report: &Feedback) {
    if !matches!(
        report.kind,
        FeedbackKind::Abuse | FeedbackKind::Fraud | FeedbackKind::Virus
    ) {
        return;
    }
    let Some(message_id) = report.original.message_id.clone() else {
        return;
    };
    let ours = Query {
        message_id: Some(message_id),
        since: Some(now().plus_secs(-COMPLAINED_DAYS * DAY_SECS)),
        limit: SAME_ID_MAX,
        ..Query::default()
    };
    match store.find(&ours).await {
        Ok(found) => {
            // The same name on mail from outside is somebody else's.
            let sent = found
                .into_iter()
                .find(|record| record.envelope.account.is_some());
            let Some(record) = sent else { return };
            watching.tell(Telling {
                door: Door::Message,
                at: now(),
                protocol: Protocol::Submission,
                ip: record.envelope.peer.ip,
                device: None,
                account: record.envelope.account,
                session: None,
                act: operation::Act::Reply(Reply::Complained),
            });
        }
        Err(error) => tracing::error!("a complaint was not counted: {error}"),
    }
}

/// Keeps a report; `act` is logged with it.
pub(crate) async fn keep(
    store: &Store,
    report: &Report,
    trusted: bool,
    act: Option<&Act>,
    limits: &Limits,
) -> Result<Kept, StoreError> {
    let today = now().plus_secs(-DAY_SECS);
    if store.reports_since(today).await? >= limits.reports_per_day_max {
        return Ok(Kept::Full);
    }
    let row = row_of(report, trusted)?;
    if row.body.len() > limits.report_kept_bytes_max {
        return Ok(Kept::TooLarge);
    }
    let new = store.add_report(&row, &name(report, &row), act).await?;
    Ok(if new { Kept::New } else { Kept::Known })
}

fn row_of(report: &Report, trusted: bool) -> Result<ReportRow, StoreError> {
    let (reporter, begin, end, body) = match report {
        Report::Aggregate(report) => (
            report.reporter.organisation.clone(),
            report.begin,
            report.end,
            serde_json::to_string(report)?,
        ),
        Report::Tls(report) => (
            report.organisation.clone(),
            report.begin,
            report.end,
            serde_json::to_string(report)?,
        ),
        Report::Feedback(report) => {
            let at = report.arrival.unwrap_or_else(now);
            (
                report
                    .reporting_mta
                    .clone()
                    .or_else(|| report.user_agent.clone())
                    .unwrap_or_default(),
                at,
                at,
                serde_json::to_string(report)?,
            )
        }
    };
    Ok(ReportRow {
        id: RecordId::random(now()),
        kind: report.kind().as_str().to_owned(),
        domain: report.domain().to_ascii_lowercase(),
        reporter,
        begin,
        end,
        trusted,
        body,
    })
}

/// What tells a report from every other: its reporter's name for it, and for those that have none what they say.
fn name(report: &Report, row: &ReportRow) -> String {
    let id = match report {
        Report::Aggregate(report) => &report.report_id,
        Report::Tls(report) => &report.report_id,
        Report::Feedback(_) => &row.body,
    };
    let mut hash = Sha256::new();
    for part in [&row.kind, &row.domain, &row.reporter, id] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize()[..16])
}

/// In words, without anything a stranger wrote but names.
fn about(report: &Report) -> String {
    let when = |begin: Timestamp, end: Timestamp| format!("{begin} to {end}");
    match report {
        Report::Aggregate(report) => format!(
            "DMARC of {}, {}",
            report.policy.domain.escape_debug(),
            when(report.begin, report.end)
        ),
        Report::Tls(report) => format!(
            "TLS by {}, {}",
            report.organisation.escape_debug(),
            when(report.begin, report.end)
        ),
        Report::Feedback(report) => {
            format!("about a message ({})", report.kind.as_str().escape_debug())
        }
    }
}
