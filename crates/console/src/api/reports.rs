//! What others report about our domains, for programs.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use engine::{DeskError, Kept, ReportFilter, ReportRow, SourceView, TlsView};
use mail::{Domain, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::types::{Listed, time};
use super::{Answer, Asked, limit};
use crate::error::Problem;
use crate::html::visible;
use crate::visitor::Client;

/// Days looked back when nothing is said.
const DAYS: u32 = 30;
const DAY_SECS: i64 = 86_400;

/// Which reports.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReportsIn {
    /// About this domain.
    pub domain: Option<String>,
    /// That came in so many days; 30 when absent.
    pub days: Option<u16>,
    /// 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

/// A report that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReportOut {
    /// Its name here.
    pub id: String,
    /// When it came.
    pub came: String,
    /// aggregate, tls, feedback.
    pub kind: String,
    /// About which domain.
    pub domain: String,
    /// By whom.
    pub reporter: String,
    /// Begin of the time it covers.
    pub begin: String,
    /// End of the time it covers.
    pub end: String,
    /// Did its mail pass DMARC, or did one of our people hand it in?
    pub trusted: bool,
}

/// A machine that others saw sending as a domain of ours.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourceOut {
    /// The domain whose policy applied.
    pub domain: String,
    /// The machine.
    pub ip: String,
    /// Messages.
    pub messages: u64,
    /// Of these, with a signature of the domain's organisation that holds.
    pub by_dkim: u64,
    /// Of these, allowed by SPF of the domain's organisation.
    pub by_spf: u64,
    /// Of these, authentic by neither.
    pub failed: u64,
    /// Of these, held or refused.
    pub stopped: u64,
    /// Who reported it.
    pub reporters: Vec<String>,
    /// Begin of the first time it was reported for.
    pub first: String,
    /// End of the last.
    pub last: String,
    /// Was it reported by somebody who passed DMARC himself, or handed in here?
    pub trusted: bool,
}

/// How encrypted mail to a domain was.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TlsOut {
    /// The domain.
    pub domain: String,
    /// Sessions that went well.
    pub successful: u64,
    /// Sessions that did not.
    pub failed: u64,
    /// What was in the way.
    pub failures: Vec<InTheWay>,
}

/// What was in the way of some sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InTheWay {
    /// In RFC 8460's words where they have one.
    pub kind: String,
    /// At which server.
    pub server: String,
    /// Sessions.
    pub sessions: u64,
}

/// A report that was handed in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TakenIn {
    /// aggregate, tls, feedback.
    pub kind: String,
    /// About which domain.
    pub domain: String,
    /// `new`, or `known` when it was kept before.
    pub kept: String,
    /// What was wrong with it and could be read over.
    pub notes: Vec<String>,
}

impl From<SourceView> for SourceOut {
    fn from(view: SourceView) -> Self {
        Self {
            domain: view.domain,
            ip: view.ip.to_string(),
            messages: view.messages,
            by_dkim: view.by_dkim,
            by_spf: view.by_spf,
            failed: view.failed,
            stopped: view.stopped,
            reporters: view.reporters.into_iter().collect(),
            first: time(view.first),
            last: time(view.last),
            trusted: view.trusted,
        }
    }
}

impl From<TlsView> for TlsOut {
    fn from(view: TlsView) -> Self {
        let way = |(kind, server, sessions)| InTheWay {
            kind,
            server,
            sessions,
        };
        Self {
            domain: view.domain,
            successful: view.successful,
            failed: view.failed,
            failures: view.failures.into_iter().map(way).collect(),
        }
    }
}

impl From<ReportRow> for ReportOut {
    fn from(row: ReportRow) -> Self {
        Self {
            id: row.id.to_string(),
            came: time(row.id.at()),
            kind: row.kind,
            domain: row.domain,
            reporter: row.reporter,
            begin: time(row.begin),
            end: time(row.end),
            trusted: row.trusted,
        }
    }
}

impl ReportsIn {
    fn domain(&self) -> Result<Option<Domain>, Problem> {
        let read = |name: &String| {
            Domain::parse(name).map_err(|error| DeskError::NotFound(error.to_string()).into())
        };
        self.domain.as_ref().map(read).transpose()
    }

    fn since(&self) -> Timestamp {
        let days = self.days.map_or(DAYS, u32::from);
        engine::clock::now().plus_secs(-i64::from(days) * DAY_SECS)
    }
}

fn all<T>(items: Vec<T>) -> Listed<T> {
    Listed {
        items,
        next: None,
        looked_back_to: None,
    }
}

/// Reports that are kept, the newest first.
#[utoipa::path(get, path = "/reports", params(ReportsIn), responses((status = 200, body = Listed<ReportOut>), (status = "4XX", body = Problem)))]
pub(super) async fn reports(
    client: Client,
    Asked(asked): Asked<ReportsIn>,
) -> Answer<Listed<ReportOut>> {
    let filter = ReportFilter {
        domain: asked.domain()?.map(|domain| domain.to_string()),
        since: Some(asked.since()),
        limit: limit(asked.limit)?,
        ..ReportFilter::default()
    };
    let rows = client.desk.reports(&filter).await?;
    Ok(axum::Json(all(rows.into_iter().map(Into::into).collect())))
}

/// Keeps a report: the body is a mail that carries one, or a file, packed or not (XML, JSON, gzip, zip). A report is kept once, however often
/// it is sent, so there is no `Idempotency-Key`.
#[utoipa::path(post, path = "/reports", request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 200, body = TakenIn), (status = "4XX", body = Problem)))]
pub(super) async fn import(client: Client, body: Result<Bytes, BytesRejection>) -> Answer<TakenIn> {
    let body = body.map_err(|rejection| {
        let title = "The body cannot be used";
        Problem::new(rejection.status(), title, rejection.body_text())
    })?;
    let (report, notes, kept) = client.acting()?.import_report(body.into()).await?;
    let title = "The report is not kept";
    match kept {
        Kept::New | Kept::Known => Ok(axum::Json(TakenIn {
            kind: report.kind().as_str().to_owned(),
            domain: visible(report.domain()),
            kept: kept.as_str().to_owned(),
            notes: notes.kept().iter().map(|note| visible(note)).collect(),
        })),
        Kept::Full => Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            title,
            "more came in a day than limits.reports_per_day_max",
        )),
        Kept::TooLarge => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            title,
            "it is larger than limits.report_kept_bytes_max",
        )),
    }
}

/// Who sends as our domains, those with the most failures first.
#[utoipa::path(get, path = "/reports/sources", params(ReportsIn), responses((status = 200, body = Listed<SourceOut>), (status = "4XX", body = Problem)))]
pub(super) async fn sources(
    client: Client,
    Asked(asked): Asked<ReportsIn>,
) -> Answer<Listed<SourceOut>> {
    let domain = asked.domain()?;
    let mut views = client.desk.sources(domain.as_ref(), asked.since()).await?;
    views.truncate(limit(asked.limit)? as usize);
    Ok(axum::Json(all(views.into_iter().map(Into::into).collect())))
}

/// How encrypted mail to our domains is, those with the most failures first.
#[utoipa::path(get, path = "/reports/tls", params(ReportsIn), responses((status = 200, body = Listed<TlsOut>), (status = "4XX", body = Problem)))]
pub(super) async fn tls(client: Client, Asked(asked): Asked<ReportsIn>) -> Answer<Listed<TlsOut>> {
    let domain = asked.domain()?;
    let mut views = client.desk.tls_of(domain.as_ref(), asked.since()).await?;
    views.truncate(limit(asked.limit)? as usize);
    Ok(axum::Json(all(views.into_iter().map(Into::into).collect())))
}
