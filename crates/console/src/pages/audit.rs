//! The log of acts: read, verified, taken away.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::RawQuery;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::{ActFilter, ChainedAct, Desk, DeskError, Verified};

use super::messages::PAGE;
use crate::Shared;
use crate::error::{ErrorPage, show};
use crate::fields::Fields;
use crate::page::Page;
use crate::visitor::{Sent, Visitor};

/// Acts written at once into an export.
const PIECE: u32 = 1000;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/audit", get(list))
        .route("/audit/verify", post(verify))
        .route("/audit/export", post(export))
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'p> {
    p: &'p Page,
    f: Fields,
    acts: Vec<ChainedAct>,
    next: Option<String>,
    verified: Option<Verified>,
}

async fn list(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let fields = Fields::read(&query.unwrap_or_default());
    page(&visitor, fields, None).await
}

async fn page(visitor: &Visitor, fields: Fields, verified: Option<Verified>) -> Response {
    let p = &visitor.page;
    let filter = filter(&fields);
    match visitor.desk.acts(&filter).await {
        Ok(mut acts) => {
            let more = acts.len() > PAGE as usize;
            acts.truncate(PAGE as usize);
            let last = acts.last().filter(|_| more);
            show(&AuditPage {
                p,
                next: last.map(|last| fields.with("before", &last.seq.to_string())),
                f: fields,
                acts,
                verified,
            })
        }
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// One more than a page, to know whether there is a next one.
fn filter(fields: &Fields) -> ActFilter {
    ActFilter {
        who: fields.some("who"),
        act: fields.some("act"),
        target: fields.some("target"),
        before: fields.number("before"),
        limit: PAGE + 1,
    }
}

async fn verify(sent: Sent) -> Response {
    match sent.visitor.desk.verify_acts().await {
        Ok(verified) => page(&sent.visitor, Fields::default(), Some(verified)).await,
        Err(error) => ErrorPage::new(&sent.visitor.page, error).into_response(),
    }
}

async fn export(sent: Sent) -> Response {
    match export_body(sent.visitor.desk.clone()).await {
        Ok(body) => {
            let headers = [
                (header::CONTENT_TYPE, "application/x-ndjson"),
                (
                    header::CONTENT_DISPOSITION,
                    "attachment; filename=\"mailvigil-audit.ndjson\"",
                ),
            ];
            (headers, body).into_response()
        }
        Err(error) => ErrorPage::new(&sent.visitor.page, error).into_response(),
    }
}

/// Every act, one JSON object a line, in pieces as they are read.
pub(crate) async fn export_body(desk: Desk) -> Result<Body, DeskError> {
    let first = desk.export_acts(0, PIECE).await?;
    let stream = futures_util::stream::unfold(Some((desk, first)), |state| async move {
        let (desk, piece) = state?;
        let last = piece.last()?.seq;
        let lines: String = piece
            .iter()
            .filter_map(|act| serde_json::to_string(act).ok())
            .map(|line| line + "\n")
            .collect();
        let next = match desk.export_acts(last, PIECE).await {
            Ok(next) => Some((desk, next)),
            // An export that breaks off must not look whole.
            Err(error) => return Some((Err(std::io::Error::other(error.to_string())), None)),
        };
        Some((Ok::<_, std::io::Error>(Bytes::from(lines)), next))
    });
    Ok(Body::from_stream(stream))
}
