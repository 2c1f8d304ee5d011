//! What others report about our domains: who sends as us, how encrypted mail to us is, and the reports themselves.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Multipart, RawQuery};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::gate::same;
use engine::{Desk, DeskError, Kept, ReportFilter, ReportRow, SourceView, TlsView};
use mail::{Domain, Timestamp};

use crate::Shared;
use crate::error::{ErrorPage, show};
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
/// Files taken in by one form.
const FILES_MAX: usize = 100;
/// Letters shown of a file's name.
const NAME_MAX: usize = 200;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/reports", get(reports))
        .route("/reports/import", post(import))
}

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportsPage<'p> {
    p: &'p Page,
    domain: String,
    days: i64,
    told: Told,
    /// What became of files that were handed in: its name, in words, was it good.
    taken_in: Vec<(String, String, bool)>,
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
            taken_in: Vec::new(),
        }),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// Takes in the files of a form. Whatever is wrong with one of them, the others are kept.
async fn import(visitor: Visitor, form: Multipart) -> Response {
    let p = &visitor.page;
    let taken_in = match files(&visitor, form).await {
        Ok(taken_in) => taken_in,
        Err(fault) => return fault,
    };
    match told(&visitor.desk, "", DAYS).await {
        Ok(told) => show(&ReportsPage {
            p,
            domain: String::new(),
            days: DAYS,
            told,
            taken_in,
        }),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// Keeps each file of a form, which must begin with our token.
async fn files(
    visitor: &Visitor,
    mut form: Multipart,
) -> Result<Vec<(String, String, bool)>, Response> {
    let p = &visitor.page;
    let refused = |status, detail: &str| ErrorPage::status(p, status, detail).into_response();
    let (mut known, mut taken_in) = (false, Vec::new());
    loop {
        let field = form.next_field().await;
        let field = field.map_err(|error| refused(error.status(), &error.body_text()))?;
        let Some(field) = field else { break };
        let is_token = field.name() == Some("csrf");
        let name: String = field
            .file_name()
            .unwrap_or_default()
            .chars()
            .take(NAME_MAX)
            .collect();
        let bytes = field.bytes().await;
        let bytes = bytes.map_err(|error| refused(error.status(), &error.body_text()))?;
        if is_token {
            let token = std::str::from_utf8(&bytes).unwrap_or_default();
            known = same(token, &visitor.login.session.csrf);
            continue;
        }
        if !known {
            return Err(refused(StatusCode::FORBIDDEN, p.t("problem.csrf")));
        }
        if bytes.is_empty() {
            continue;
        }
        if taken_in.len() >= FILES_MAX {
            let name = format!("{name}, …");
            taken_in.push((p.safe(&name), p.count("reports.too_many", FILES_MAX), false));
            break;
        }
        let (told, good) = match visitor.desk.import_report(bytes.to_vec()).await {
            Ok((report, _, kept)) => {
                let kind = p.family("report", report.kind().as_str());
                let domain = p.safe(report.domain());
                let key = match kept {
                    Kept::New => "reports.kept_new",
                    Kept::Known => "reports.kept_known",
                    Kept::Full => "reports.kept_full",
                    Kept::TooLarge => "reports.kept_too_large",
                };
                (
                    p.fill(key, &[("kind", &kind), ("domain", &domain)]),
                    matches!(kept, Kept::New | Kept::Known),
                )
            }
            Err(error @ (DeskError::Forbidden(_) | DeskError::Store(_))) => {
                return Err(ErrorPage::new(p, error).into_response());
            }
            Err(error) => (p.safe(&error.to_string()), false),
        };
        taken_in.push((p.safe(&name), told, good));
    }
    Ok(taken_in)
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
