//! What is answered when something is not done: a page for people, problem+json (RFC 9457) for programs.

use askama::Template;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::{DeskError, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::page::Page;
use crate::visitor::Visitor;

/// One thing that is wrong, with its place.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the word of every complaint")]
pub(crate) struct Wrong {
    /// Line of the text, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// Which key.
    pub key: String,
    /// What is wrong with it.
    pub wrong: String,
    /// What would be right.
    pub right: String,
}

/// A problem (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// What kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The kind in words.
    pub title: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// This very problem.
    pub detail: String,
    /// All things that are wrong, of a policy that is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Wrong>,
    /// The request that waits for a second person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

impl Problem {
    /// What went wrong, in the terms of HTTP.
    pub fn of(error: &DeskError) -> Self {
        let (status, kind, title) = match error {
            DeskError::Policy(_) | DeskError::Examples(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "urn:mailvigil:policy-refused",
                "The policy was refused",
            ),
            DeskError::NotFound(_) => (
                StatusCode::NOT_FOUND,
                "urn:mailvigil:not-found",
                "Nothing is known by that name",
            ),
            DeskError::Refused(_) | DeskError::Conflict(_) => (
                StatusCode::CONFLICT,
                "urn:mailvigil:conflict",
                "It does not fit the state it meets",
            ),
            DeskError::Forbidden(_) => (
                StatusCode::FORBIDDEN,
                "urn:mailvigil:forbidden",
                "You may not do this",
            ),
            DeskError::NeedsReason => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "urn:mailvigil:needs-reason",
                "A reason is needed",
            ),
            DeskError::NeedsApproval(_) => (
                StatusCode::FORBIDDEN,
                "urn:mailvigil:needs-approval",
                "A second person must allow it",
            ),
            DeskError::Unfit(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "urn:mailvigil:unfit",
                "What was given cannot be used",
            ),
            DeskError::Store(StoreError::Corrupt(_)) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "urn:mailvigil:damaged",
                "What is kept is damaged",
            ),
            DeskError::Store(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:mailvigil:store-away",
                "The store does not answer",
            ),
        };
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: error.to_string(),
            problems: wrongs(error),
            request: match error {
                DeskError::NeedsApproval(id) => Some(id.to_string()),
                _ => None,
            },
        }
    }

    /// A problem of the request itself.
    pub fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            detail: detail.into(),
            problems: Vec::new(),
            request: None,
        }
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Everything that is wrong with a policy.
pub(crate) fn wrongs(error: &DeskError) -> Vec<Wrong> {
    match error {
        DeskError::Policy(problems) => problems
            .iter()
            .map(|problem| Wrong {
                line: problem.line,
                column: problem.column,
                key: problem.key.clone(),
                wrong: problem.wrong.clone(),
                right: problem.right.clone(),
            })
            .collect(),
        DeskError::Examples(failed) => failed
            .iter()
            .map(|failed| Wrong {
                line: 0,
                column: 0,
                key: failed.name.clone(),
                wrong: failed.what.clone(),
                right: "change the policy, or what the example says".to_owned(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status(), kind, Json(self)).into_response()
    }
}

/// A problem as the API answers it.
impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        log(&error);
        Self::of(&error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        DeskError::from(error).into()
    }
}

fn log(error: &DeskError) {
    if let DeskError::Store(error) = error {
        tracing::error!("the console cannot answer: {error}");
    }
}

/// A page that says what was not done.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'p> {
    p: &'p Page,
    title: &'p str,
    detail: String,
    problems: Vec<Wrong>,
}

/// What was not done, told on a page.
pub(crate) struct ErrorPage {
    page: Box<Page>,
    problem: Problem,
}

impl ErrorPage {
    pub fn new(page: &Page, error: DeskError) -> Self {
        log(&error);
        Self {
            page: Box::new(page.clone()),
            problem: Problem::of(&error),
        }
    }

    pub fn status(page: &Page, status: StatusCode, detail: &str) -> Self {
        Self {
            page: Box::new(page.clone()),
            problem: Problem::new(
                status,
                status.canonical_reason().unwrap_or("Problem"),
                detail,
            ),
        }
    }
}

impl IntoResponse for ErrorPage {
    fn into_response(self) -> Response {
        let key = match self.problem.status {
            403 => "problem.forbidden",
            404 => "problem.not_found",
            409 => "problem.conflict",
            422 => "problem.unfit",
            503 => "problem.store_away",
            _ => "problem.other",
        };
        let page = ProblemPage {
            title: self.page.t(key),
            detail: self.page.safe(&self.problem.detail),
            problems: self.problem.problems.clone(),
            p: &self.page,
        };
        (self.problem.status(), show(&page)).into_response()
    }
}

/// A template as a page.
pub(crate) fn show(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => axum::response::Html(html).into_response(),
        Err(error) => {
            tracing::error!("a page could not be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Any path that is not one. Who is not logged in learns nothing by it.
pub(crate) async fn no_page(visitor: Visitor) -> Response {
    ErrorPage::status(&visitor.page, StatusCode::NOT_FOUND, "").into_response()
}
