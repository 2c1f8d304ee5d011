//! The way in and out: login, the one-time link, the choice of language and theme.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use engine::Right;
use engine::gate::{Attempt, GateError, author, same};

use super::own_path;
use crate::Shared;
use crate::error::show;
use crate::fields::Fields;
use crate::oidc::{self, Errand};
use crate::page::Page;
use crate::visitor::{Sent, Stranger, cookie, session_cookie};
use crate::words::Language;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/login", get(ask).post(log_in))
        .route("/login/oidc", get(sign_on))
        .route("/login/oidc/back", get(signed_on))
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
    /// There is a single sign-on.
    sso: bool,
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
        sso: shared.settings.oidc.is_some(),
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

/// The cookie that a browser takes to the provider and back.
const ERRAND: &str = "mailvigil-errand";

fn errand_cookie(secure: bool, value: &str) -> String {
    let secure = if secure { "; Secure" } else { "" };
    let age = if value.is_empty() { 0 } else { 600 };
    format!("{ERRAND}={value}; Path=/login/oidc; Max-Age={age}; HttpOnly; SameSite=Lax{secure}")
}

fn back_url(shared: &Shared) -> String {
    format!("{}/login/oidc/back", shared.settings.url)
}

/// Sends the browser to the provider.
async fn sign_on(State(shared): State<Arc<Shared>>, stranger: Stranger) -> Response {
    let Some(settings) = shared.settings.oidc.clone() else {
        return crate::error::ErrorPage::status(&stranger.page, StatusCode::NOT_FOUND, "")
            .into_response();
    };
    let errand = Errand::new();
    let (redirect, taken) = (back_url(&shared), errand.clone());
    let begun =
        tokio::task::spawn_blocking(move || oidc::begin(&settings, &redirect, &taken)).await;
    match begun {
        Ok(Ok(to)) => {
            let mut answer = Redirect::to(&to).into_response();
            let cookie = errand_cookie(shared.settings.is_secure(), &errand.cookie());
            if let Ok(value) = HeaderValue::from_str(&cookie) {
                answer.headers_mut().append(header::SET_COOKIE, value);
            }
            answer
        }
        Ok(Err(why)) => {
            tracing::error!("single sign-on does not work: {why}");
            sso_failed(&shared, &stranger.page, "login.sso_away").await
        }
        Err(_) => sso_failed(&shared, &stranger.page, "login.sso_away").await,
    }
}

async fn sso_failed(shared: &Shared, page: &Page, key: &str) -> Response {
    let shown = login_page(shared, page, "/", "", page.t(key), false).await;
    (StatusCode::UNAUTHORIZED, shown).into_response()
}

/// The browser comes back from the provider.
async fn signed_on(
    State(shared): State<Arc<Shared>>,
    stranger: Stranger,
    headers: axum::http::HeaderMap,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Response {
    let page = &stranger.page;
    let fields = Fields::read(&query.unwrap_or_default());
    let errand = cookie(&headers, ERRAND).and_then(|cookie| Errand::read(&cookie));
    let (Some(settings), Some(errand)) = (shared.settings.oidc.clone(), errand) else {
        return sso_failed(&shared, page, "login.sso_again").await;
    };
    if !same(fields.get("state"), &errand.state) || fields.get("code").is_empty() {
        return sso_failed(&shared, page, "login.sso_again").await;
    }
    let (redirect, code) = (back_url(&shared), fields.get("code").to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        oidc::end(&settings, &redirect, &errand, &code, engine::clock::now())
    });
    let known = match asked.await {
        Ok(Ok(known)) => known,
        Ok(Err(why)) => {
            tracing::warn!("a single sign-on was refused: {why}");
            return sso_failed(&shared, page, "login.sso_again").await;
        }
        Err(_) => return sso_failed(&shared, page, "login.sso_away").await,
    };
    let begun = shared
        .gate
        .vouched(
            &known.subject,
            known.name.as_deref(),
            stranger.place,
            &stranger.agent,
            stranger.cookie.as_deref(),
        )
        .await;
    match begun {
        Ok(session) => {
            let mut answer = enter(&shared, &session, "/");
            let gone = errand_cookie(shared.settings.is_secure(), "");
            if let Ok(value) = HeaderValue::from_str(&gone) {
                answer.headers_mut().append(header::SET_COOKIE, value);
            }
            answer
        }
        Err(GateError::Store(error)) => {
            crate::error::ErrorPage::new(page, error.into()).into_response()
        }
        Err(_) => sso_failed(&shared, page, "login.sso_unknown").await,
    }
}

async fn log_out(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let visitor = sent.visitor;
    if let Err(error) = shared.gate.log_out(&visitor.login, visitor.place).await {
        return crate::error::ErrorPage::new(&visitor.page, error.into()).into_response();
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
        Err(error) => crate::error::ErrorPage::new(page, error.into()).into_response(),
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
        Err(error) => crate::error::ErrorPage::new(&stranger.page, error.into()).into_response(),
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
