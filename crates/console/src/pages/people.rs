//! People who may log in, and what they ask each other for.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::{DeskError, NewPerson, Person, Request, Right, Role};
use mail::RecordId;

use super::done;
use crate::Shared;
use crate::error::{ErrorPage, Problem, show};
use crate::page::Page;
use crate::visitor::{Sent, Visitor};

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/people", get(list))
        .route("/people/add", post(add))
        .route("/people/change", post(change))
        .route("/people/act", post(act))
        .route("/people/request", post(request))
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage<'p> {
    p: &'p Page,
    people: Vec<Person>,
    requests: Vec<Request>,
    problem: String,
    /// A link that was just made, shown once.
    link: String,
    linked: String,
}

async fn list(visitor: Visitor) -> Response {
    page(&visitor, "", "", "").await
}

async fn page(visitor: &Visitor, link: &str, linked: &str, problem: &str) -> Response {
    let p = &visitor.page;
    let found = async {
        let people = visitor.desk.people().await?;
        Ok((people, visitor.desk.requests().await?))
    };
    match found.await {
        Ok((people, requests)) => show(&PeoplePage {
            p,
            people,
            requests,
            problem: problem.to_owned(),
            link: link.to_owned(),
            linked: linked.to_owned(),
        }),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// Shows the page again with what was wrong, when it is something the form could have avoided.
async fn again(visitor: &Visitor, error: DeskError) -> Response {
    if matches!(
        error,
        DeskError::Unfit(_) | DeskError::Conflict(_) | DeskError::Refused(_)
    ) {
        let status = StatusCode::from_u16(Problem::of(&error).status)
            .unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        let told = visitor.page.safe(&error.to_string());
        return (status, page(visitor, "", "", &told).await).into_response();
    }
    ErrorPage::new(&visitor.page, error).into_response()
}

fn scope(text: &str) -> Vec<String> {
    text.split([' ', ',', ';', '\n'])
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .map(str::to_owned)
        .collect()
}

fn role(text: &str) -> Result<Role, DeskError> {
    Role::parse(text).ok_or_else(|| DeskError::Unfit(format!("{text:?} is no role")))
}

fn link(shared: &Shared, code: &str) -> String {
    format!("{}/welcome?code={code}", shared.settings.url)
}

async fn add(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let fields = &sent.fields;
    let added = async {
        let new = NewPerson {
            name: fields.get("name").to_owned(),
            role: role(fields.get("role"))?,
            scope: scope(fields.get("scope")),
        };
        sent.visitor.desk.add_person(&shared.gate, &new).await
    };
    match added.await {
        Ok(code) => page(&sent.visitor, &link(&shared, &code), fields.get("name"), "").await,
        Err(error) => again(&sent.visitor, error).await,
    }
}

async fn change(sent: Sent) -> Response {
    let fields = &sent.fields;
    let name = fields.get("name");
    let changed = async {
        let role = role(fields.get("role"))?;
        let scope = scope(fields.get("scope"));
        sent.visitor
            .desk
            .change_person(name, role, &scope, fields.has("disabled"))
            .await
    };
    match changed.await {
        Ok(()) => done("/people", "done.person", name),
        Err(error) => again(&sent.visitor, error).await,
    }
}

async fn act(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let name = sent.fields.get("name");
    let desk = &sent.visitor.desk;
    let outcome = match sent.fields.get("act") {
        "link" => match desk.invite_again(&shared.gate, name).await {
            Ok(code) => return page(&sent.visitor, &link(&shared, &code), name, "").await,
            Err(error) => Err(error),
        },
        "codes" => desk.remove_codes(name).await,
        _ => desk.remove_person(name).await,
    };
    match outcome {
        Ok(()) => done("/people", "done.person", name),
        Err(error) => again(&sent.visitor, error).await,
    }
}

async fn request(sent: Sent) -> Response {
    let desk = &sent.visitor.desk;
    let approve = sent.fields.get("decide") == "approve";
    let decided = match RecordId::parse(sent.fields.get("id")) {
        Some(id) => desk.decide(id, approve, "").await,
        None => Err(DeskError::NotFound("this request".to_owned())),
    };
    match decided {
        Ok(()) => done("/people", "done.decided", ""),
        Err(error) if desk.author().may(Right::SeePeople) => again(&sent.visitor, error).await,
        Err(error) => ErrorPage::new(&sent.visitor.page, error).into_response(),
    }
}
