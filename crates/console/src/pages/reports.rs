//! What others report about our domains: who sends as us, how encrypted mail to us is, and the reports themselves.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::{Desk, DeskError, ReportFilter, ReportRow, SourceView, TlsView};
use mail::{Domain, Timestamp};

use crate::Shared;
use crate::error::{Fault, show};
use crate::fields::Fields;
use crate::page::Page;
use crate::visitor::Visitor;

/// Days looked back when nothing is said, and at most.
const DAYS: i64 = 30;
const DAYS_MAX: i64 = 400;
const DAY_SECS: i64 = 86_400;
/// Machines shown.
const SOURCES_SHOWN: usize = 200;
/// Reports shown.
const REPORTS_SHOWN: u32 = 50;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/reports", get(reports))
}

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportsPage<'p> {
    p: &'p Page,
    domain: String,
    days: i64,
    told: Told,
}

/// What reports say together.
struct Told {
    sources: Vec<SourceView>,
    /// Machines in all.
    all: usize,
    tls: Vec<TlsView>,
    reports: Vec<ReportRow>,
}

async fn reports(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let p = &visitor.page;
    let fields = Fields::read(&query.unwrap_or_default());
    let days = fields.number("days").unwrap_or(DAYS).clamp(1, DAYS_MAX);
    let domain = fields.get("domain").trim().to_owned();
    match told(&visitor.desk, &domain, days).await {
        Ok(told) => show(&ReportsPage {
            p,
            domain,
            days,
            told,
        }),
        Err(error) => Fault::new(p, error).into_response(),
    }
}

async fn told(desk: &Desk, domain: &str, days: i64) -> Result<Told, DeskError> {
    let domain = match domain {
        "" => None,
        name => Some(Domain::parse(name).map_err(|error| DeskError::NotFound(error.to_string()))?),
    };
    let since = engine::clock::now().plus_secs(-days * DAY_SECS);
    let mut sources = desk.sources(domain.as_ref(), since).await?;
    let all = sources.len();
    sources.truncate(SOURCES_SHOWN);
    Ok(Told {
        sources,
        all,
        tls: desk.tls_of(domain.as_ref(), since).await?,
        reports: desk.reports(&newest(domain.as_ref(), since)).await?,
    })
}

fn newest(domain: Option<&Domain>, since: Timestamp) -> ReportFilter {
    ReportFilter {
        domain: domain.map(ToString::to_string),
        since: Some(since),
        limit: REPORTS_SHOWN,
        ..ReportFilter::default()
    }
}
