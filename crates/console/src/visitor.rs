//! Who asks: taken from the cookie of a session or from a token, with the desk that is theirs.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use engine::gate::{author, same};
use engine::{Author, Desk, Login, Person, StoreError};
use mail::Timestamp;

use crate::Shared;
use crate::error::{ErrorPage, Problem};
use crate::fields::Fields;
use crate::guard::Place;
use crate::page::Page;
use crate::words::Language;

/// Largest form, bytes.
const FORM_MAX: usize = 16 << 20;

/// Somebody who is logged in, on a page.
pub(crate) struct Visitor {
    pub page: Page,
    pub desk: Desk,
    pub login: Login,
    pub place: IpAddr,
}

/// Anybody, before a login.
pub(crate) struct Stranger {
    pub page: Page,
    pub place: IpAddr,
    pub agent: String,
    pub cookie: Option<String>,
}

/// Somebody who is logged in and sent a form of ours.
pub(crate) struct Sent {
    pub visitor: Visitor,
    pub fields: Fields,
}

/// A program, or somebody logged in who reads.
pub(crate) struct Client {
    pub desk: Desk,
    /// May only read.
    pub read_only: bool,
    pub author: Author,
    shown: Shown,
}

/// What a client shows for who they are.
enum Shown {
    Token(String),
    Cookie(String),
}

/// The name of the session's cookie. With TLS, browsers take it from this very host only.
pub(crate) const fn cookie_name(secure: bool) -> &'static str {
    if secure {
        "__Host-mailvigil"
    } else {
        "mailvigil"
    }
}

/// The session's cookie, to be set.
pub(crate) fn session_cookie(secure: bool, value: &str) -> String {
    let name = cookie_name(secure);
    let secure = if secure { "; Secure" } else { "" };
    let age = if value.is_empty() { "; Max-Age=0" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")
}

/// A cookie of the request.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .filter_map(|one| one.trim().split_once('='))
        .find(|(known, value)| *known == name && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

fn page(shared: &Shared, parts: &Parts) -> Page {
    let headers = &parts.headers;
    let chosen = cookie(headers, "lang").and_then(|code| Language::parse(&code));
    let language = chosen.unwrap_or_else(|| {
        let accepted = headers.get(header::ACCEPT_LANGUAGE);
        Language::accepted(
            accepted
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default(),
        )
    });
    let theme = match cookie(headers, "theme").as_deref() {
        Some("light") => "light",
        Some("dark") => "dark",
        _ => "auto",
    };
    let query = Fields::read(parts.uri.query().unwrap_or_default());
    let notice = query
        .some("done")
        .map(|key| (key, query.get("on").to_owned()));
    Page {
        language,
        theme,
        csrf: String::new(),
        author: None,
        here: parts
            .uri
            .path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string),
        site_name: shared.settings.site_name.clone(),
        now: engine::clock::now(),
        notice,
    }
}

fn place(parts: &Parts) -> IpAddr {
    parts
        .extensions
        .get::<Place>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |place| place.0)
}

fn agent(headers: &HeaderMap) -> String {
    headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}

impl FromRequestParts<Arc<Shared>> for Stranger {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self {
            page: page(shared, parts),
            place: place(parts),
            agent: agent(&parts.headers),
            cookie: cookie(&parts.headers, cookie_name(shared.settings.is_secure())),
        })
    }
}

impl FromRequestParts<Arc<Shared>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Response> {
        let mut page = page(shared, parts);
        let place = place(parts);
        let login = match cookie(&parts.headers, cookie_name(shared.settings.is_secure())) {
            Some(cookie) => shared.gate.who(&cookie).await,
            None => Ok(None),
        };
        let login = login.map_err(|error| ErrorPage::new(&page, error.into()).into_response())?;
        let known = login.and_then(|login| {
            let author = author(&login.person, place.to_string())?;
            Some((login, author))
        });
        let Some((login, author)) = known else {
            let next = serde_urlencoded::to_string([("next", page.here.as_str())]);
            let to = format!("/login?{}", next.unwrap_or_default());
            return Err(Redirect::to(&to).into_response());
        };
        page.csrf.clone_from(&login.session.csrf);
        page.author = Some(author.clone());
        Ok(Self {
            page,
            desk: shared.desk.of(author),
            login,
            place,
        })
    }
}

impl FromRequest<Arc<Shared>> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, shared).await?;
        let body = axum::body::to_bytes(body, FORM_MAX).await.map_err(|_| {
            ErrorPage::status(&visitor.page, StatusCode::PAYLOAD_TOO_LARGE, "").into_response()
        })?;
        let fields = Fields::read(&String::from_utf8_lossy(&body));
        if !same(fields.get("csrf"), &visitor.login.session.csrf) {
            let detail = visitor.page.t("problem.csrf").to_owned();
            return Err(
                ErrorPage::status(&visitor.page, StatusCode::FORBIDDEN, &detail).into_response(),
            );
        }
        Ok(Self { visitor, fields })
    }
}

impl FromRequestParts<Arc<Shared>> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let place = place(parts);
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let nobody = || {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "Who are you?",
                "send `Authorization: Bearer TOKEN` with a token of your own (see /me)",
            )
        };
        let name = cookie_name(shared.settings.is_secure());
        let shown = token
            .map(|token| Shown::Token(token.trim().to_owned()))
            .or_else(|| cookie(&parts.headers, name).map(Shown::Cookie))
            .ok_or_else(nobody)?;
        let (person, read_only) = shown.whose(shared).await?.ok_or_else(nobody)?;
        let author = author(&person, place.to_string()).ok_or_else(nobody)?;
        Ok(Self {
            desk: shared.desk.of(author.clone()),
            read_only,
            author,
            shown,
        })
    }
}

impl Shown {
    /// Whose it is, and whether it only reads.
    async fn whose(&self, shared: &Shared) -> Result<Option<(Person, bool)>, StoreError> {
        Ok(match self {
            Self::Token(token) => {
                let known = shared.gate.who_by_token(token).await?;
                known.map(|(token, person)| (person, token.scope != "act"))
            }
            // A browser's session may read; what changes something comes through a form with its token, or with a bearer token.
            Self::Cookie(cookie) => {
                let login = shared.gate.whose(cookie).await?;
                login.map(|login| (login.person, true))
            }
        })
    }
}

impl Client {
    /// Is it still the same person with the same part? Asked of clients who stay for long.
    pub async fn is_still_known(&self, shared: &Shared) -> bool {
        let Ok(Some((person, _))) = self.shown.whose(shared).await else {
            return false;
        };
        author(&person, self.author.from.clone()).as_ref() == Some(&self.author)
    }

    /// The desk, for something that changes something.
    pub fn acting(&self) -> Result<&Desk, Problem> {
        if self.read_only {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "You may only read",
                "this token (or session) reads; make one with the scope \"act\"",
            ));
        }
        Ok(&self.desk)
    }
}

/// The present, for pages.
pub(crate) fn now() -> Timestamp {
    engine::clock::now()
}
