//! A sender entered into the list of allowed ones, from a message of theirs.

use askama::Template;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine::DeskError;
use judge::edit::ListEntry;
use mail::RecordId;

use crate::error::{ErrorPage, show, wrongs};
use crate::fields::Fields;
use crate::page::Page;
use crate::pages::{done, quarantine};
use crate::visitor::{Sent, Visitor};

#[derive(Template)]
#[template(path = "policy_allow.html")]
struct AllowPage<'p> {
    p: &'p Page,
    sender: String,
    from: String,
    whom: String,
    problem: String,
}

pub(super) async fn ask(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let fields = Fields::read(&query.unwrap_or_default());
    let record = match RecordId::parse(fields.get("from_record")) {
        Some(id) => visitor.desk.find_one(&id.to_string()).await.ok(),
        None => None,
    };
    let ip = record.as_ref().and_then(|record| record.envelope.peer.ip);
    show(&AllowPage {
        p: &visitor.page,
        sender: record
            .and_then(|record| record.header_from)
            .unwrap_or_default(),
        from: ip.map(quarantine::network_of).unwrap_or_default(),
        whom: String::new(),
        problem: String::new(),
    })
}

pub(super) async fn allow(sent: Sent) -> Response {
    let fields = &sent.fields;
    let entry = ListEntry {
        value: fields.get("value").trim().to_owned(),
        from: fields.some("from"),
        for_: fields.some("for"),
        expires: fields.some("expires"),
        ..ListEntry::default()
    };
    let reason = fields.get("reason").trim();
    match sent.visitor.desk.allow_sender(&entry, reason).await {
        Ok(version) => done("/policy", "done.policy", &version.to_string()),
        Err(error @ (DeskError::Policy(_) | DeskError::Unfit(_) | DeskError::Conflict(_))) => {
            let problem = wrongs(&error).first().map_or_else(
                || error.to_string(),
                |wrong| format!("{} {}", wrong.wrong, wrong.right),
            );
            let page = show(&AllowPage {
                p: &sent.visitor.page,
                sender: entry.value,
                from: entry.from.unwrap_or_default(),
                whom: entry.for_.unwrap_or_default(),
                problem,
            });
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
        Err(error) => ErrorPage::new(&sent.visitor.page, error).into_response(),
    }
}
