//! Delivered copies that are called back, and put back.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::{DeskError, Recall, RecallState};
use mail::RecordId;

use super::done;
use crate::Shared;
use crate::error::{ErrorPage, show};
use crate::fields::Fields;
use crate::page::Page;
use crate::visitor::{Sent, Visitor};

/// Copies shown.
const SHOWN: u32 = 500;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/learning/recalls", get(recalls).post(recall))
        .route("/learning/recalls/back", post(put_back))
}

#[derive(Template)]
#[template(path = "recalls.html")]
struct RecallsPage<'p> {
    p: &'p Page,
    recalls: Vec<Recall>,
    /// Of one message only.
    of: Option<RecordId>,
    /// Can any of its copies be put back?
    out: bool,
}

async fn recalls(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let p = &visitor.page;
    let f = Fields::read(&query.unwrap_or_default());
    let of = RecordId::parse(f.get("message"));
    let found = match of {
        Some(record) => visitor.desk.recalls_of(record).await,
        None => visitor.desk.recalls(SHOWN).await,
    };
    match found {
        Ok(recalls) => show(&RecallsPage {
            p,
            out: recalls.iter().any(|one| one.state == RecallState::Recalled),
            recalls,
            of,
        }),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// Calls back the copies of one message, or of a campaign.
async fn recall(sent: Sent) -> Response {
    let (p, desk, f) = (&sent.visitor.page, &sent.visitor.desk, &sent.fields);
    let reason = f.get("reason");
    let called = async {
        let id = |name: &str| {
            let text = f.get(name);
            RecordId::parse(text).ok_or_else(|| DeskError::NotFound(format!("{name} {text}")))
        };
        if f.some("campaign").is_some() {
            desk.recall_campaign(id("campaign")?, reason).await
        } else {
            desk.recall(&[id("message")?], reason).await
        }
    };
    match called.await {
        Ok(count) => done("/learning/recalls", "done.recalled", &count.to_string()),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

async fn put_back(sent: Sent) -> Response {
    let (p, desk, f) = (&sent.visitor.page, &sent.visitor.desk, &sent.fields);
    let text = f.get("message");
    let wanted = match RecordId::parse(text) {
        Some(record) => desk.put_back(record, f.get("reason")).await,
        None => Err(DeskError::NotFound(format!("message {text}"))),
    };
    match wanted {
        Ok(count) => done(
            &format!("/learning/recalls?message={text}"),
            "done.put_back",
            &count.to_string(),
        ),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}
