//! One message judged by the policy in force: pasted, or recorded.

use askama::Template;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine::DeskError;
use mail::Verdict;

use crate::error::{ErrorPage, show};
use crate::fields::Fields;
use crate::page::Page;
use crate::visitor::{Sent, Visitor};

#[derive(Template)]
#[template(path = "policy_try.html")]
struct TryPage<'p> {
    p: &'p Page,
    message: String,
    record: String,
    ip: String,
    judged: Option<Verdict>,
    problem: String,
}

pub(super) async fn ask(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let fields = Fields::read(&query.unwrap_or_default());
    show(&TryPage {
        p: &visitor.page,
        message: String::new(),
        record: fields.get("record").to_owned(),
        ip: String::new(),
        judged: None,
        problem: String::new(),
    })
}

pub(super) async fn judge(sent: Sent) -> Response {
    let (visitor, fields) = (&sent.visitor, &sent.fields);
    let p = &visitor.page;
    let judged = async {
        let ip = match fields.some("ip") {
            None => None,
            Some(ip) => Some(
                ip.parse()
                    .map_err(|_| DeskError::Unfit(format!("{ip:?} is no address of a machine")))?,
            ),
        };
        if let Some(record) = fields.some("record") {
            return visitor.desk.try_record(&record).await;
        }
        // Line ends as they come over the wire.
        let raw = fields
            .get("message")
            .replace("\r\n", "\n")
            .replace('\n', "\r\n");
        let (_, verdict) = visitor.desk.try_message(None, raw.into_bytes(), ip).await?;
        Ok(verdict)
    };
    let (judged, problem, status) = match judged.await {
        Ok(verdict) => (Some(verdict), String::new(), StatusCode::OK),
        Err(error @ (DeskError::Unfit(_) | DeskError::NotFound(_) | DeskError::Refused(_))) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            (None, p.safe(&error.to_string()), status)
        }
        Err(error) => return ErrorPage::new(p, error).into_response(),
    };
    let page = show(&TryPage {
        p,
        message: fields.get("message").to_owned(),
        record: fields.get("record").to_owned(),
        ip: fields.get("ip").to_owned(),
        judged,
        problem,
    });
    (status, page).into_response()
}
