//! The way in and out: login, the one-time link, the choice of language and theme.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use engine::Right;
use engine::gate::{Attempt, GateError, author};

use super::own_path;
use crate::Shared;
use crate::error::show;
use crate::fields::Fields;
use crate::page::Page;
use crate::visitor::{Sent, Stranger, session_cookie};
use crate::words::Language;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/login", get(ask).post(log_in))
        .route("/logout", post(log_out))
        .route("/welcome", get(welcome).post(accept))
        .route("/look", post(look))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'p> {
    p: &'p Page,
    next: String,
    name: String,
    problem: String,
    code_needed: bool,
    /// Nobody is entered yet.
    nobody: bool,
}

async fn ask(
    State(shared): State<Arc<Shared>>,
    stranger: Stranger,
    Query(fields): Query<Vec<(String, String)>>,
) -> Response {
    let next = fields
        .iter()
        .find(|(name, _)| name == "next")
        .map_or("/", |(_, next)| own_path(next));
    login_page(&shared, &stranger.page, next, "", "", false).await
}

async fn login_page(
    shared: &Shared,
    page: &Page,
    next: &str,
    name: &str,
    problem: &str,
    code_needed: bool,
) -> Response {
    // A page that cannot tell whether anybody is entered says nothing about it.
    let people = shared.gate.store().people().await;
    show(&LoginPage {
        p: page,
        next: next.to_owned(),
        name: name.to_owned(),
        problem: problem.to_owned(),
        code_needed,
        nobody: people.is_ok_and(|people| people.is_empty()),
    })
}

async fn log_in(State(shared): State<Arc<Shared>>, stranger: Stranger, body: String) -> Response {
    let fields = Fields::read(&body);
    let next = own_path(fields.get("next"));
    let attempt = Attempt {
        name: fields.get("name"),
        password: fields.get("password"),
        code: fields.get("code"),
        place: stranger.place,
        agent: &stranger.agent,
        cookie: stranger.cookie.as_deref(),
    };
    let page = &stranger.page;
    match shared.gate.log_in(&attempt).await {
        Ok(cookie) => {
            let home = home(&shared, fields.get("name")).await;
            let to = if next == "/" { home } else { next };
            enter(&shared, &cookie, to)
        }
        Err(error) => {
            let (status, problem) = match &error {
                GateError::Wait(secs) => (
                    StatusCode::TOO_MANY_REQUESTS,
                    page.count("login.wait", *secs as u64),
                ),
                GateError::CodeNeeded => (
                    StatusCode::UNAUTHORIZED,
                    page.t("login.code_needed").to_owned(),
                ),
                GateError::Store(error) => {
                    tracing::error!("nobody can log in: {error}");
                    (
                        StatusCode::SERVICE_UNAVAILABLE,
                        page.t("problem.store_away").to_owned(),
                    )
                }
                _ => (StatusCode::UNAUTHORIZED, page.t("login.wrong").to_owned()),
            };
            let needed = matches!(error, GateError::CodeNeeded);
            let shown = login_page(&shared, page, next, fields.get("name"), &problem, needed).await;
            (status, shown).into_response()
        }
    }
}

/// Where somebody begins: owners have no overview.
async fn home(shared: &Shared, name: &str) -> &'static str {
    let person = shared
        .gate
        .store()
        .person(&name.trim().to_lowercase())
        .await;
    let sees_records = person.ok().flatten().is_none_or(|person| {
        author(&person, String::new()).is_none_or(|author| author.may(Right::SeeRecords))
    });
    if sees_records { "/" } else { "/quarantine" }
}

/// Sets the session's cookie and leads on.
fn enter(shared: &Shared, cookie: &str, to: &str) -> Response {
    let mut answer = Redirect::to(to).into_response();
    if let Ok(value) = HeaderValue::from_str(&session_cookie(shared.settings.is_secure(), cookie)) {
        answer.headers_mut().append(header::SET_COOKIE, value);
    }
    answer
}

async fn log_out(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let visitor = sent.visitor;
    if let Err(error) = shared.gate.log_out(&visitor.login, visitor.place).await {
        return crate::error::Fault::new(&visitor.page, error.into()).into_response();
    }
    enter(&shared, "", "/login")
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage<'p> {
    p: &'p Page,
    code: String,
    /// Whose password it is; `None`: a name is to be chosen.
    name: Option<String>,
    chosen: String,
    role: &'static str,
    problem: String,
}

async fn welcome(
    State(shared): State<Arc<Shared>>,
    stranger: Stranger,
    Query(fields): Query<Vec<(String, String)>>,
) -> Response {
    let code = fields
        .iter()
        .find(|(name, _)| name == "code")
        .map_or("", |(_, code)| code.as_str());
    welcome_page(&shared, &stranger.page, code, "", "").await
}

async fn welcome_page(
    shared: &Shared,
    page: &Page,
    code: &str,
    chosen: &str,
    problem: &str,
) -> Response {
    match shared.gate.invitation(code).await {
        Ok(invitation) => show(&WelcomePage {
            p: page,
            code: code.to_owned(),
            name: invitation.name,
            chosen: chosen.to_owned(),
            role: invitation.role.as_str(),
            problem: problem.to_owned(),
        }),
        Err(error) => crate::error::Fault::new(page, error.into()).into_response(),
    }
}

async fn accept(State(shared): State<Arc<Shared>>, stranger: Stranger, body: String) -> Response {
    let fields = Fields::read(&body);
    let (code, name) = (fields.get("code"), fields.get("name"));
    let accepted = shared
        .gate
        .accept(
            code,
            name,
            fields.get("password"),
            stranger.place,
            &stranger.agent,
        )
        .await;
    match accepted {
        Ok(cookie) => enter(&shared, &cookie, "/"),
        Err(GateError::Unfit(why)) => {
            let shown = welcome_page(&shared, &stranger.page, code, name, &why).await;
            (StatusCode::UNPROCESSABLE_ENTITY, shown).into_response()
        }
        Err(error) => crate::error::Fault::new(&stranger.page, error.into()).into_response(),
    }
}

/// Language and theme, kept in two cookies that say nothing else.
async fn look(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let fields = Fields::read(&body);
    let mut answer = Redirect::to(own_path(fields.get("back"))).into_response();
    let language = Language::parse(fields.get("lang")).unwrap_or_default();
    let theme = match fields.get("theme") {
        "light" => "light",
        "dark" => "dark",
        _ => "auto",
    };
    let secure = if shared.settings.is_secure() {
        "; Secure"
    } else {
        ""
    };
    for (name, value) in [("lang", language.code()), ("theme", theme)] {
        let cookie = format!("{name}={value}; Path=/; Max-Age=31536000; SameSite=Lax{secure}");
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            answer.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    answer
}
