//! One's own things: password, one-time codes, tokens, sessions.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::gate::{new_totp, totp_url};
use engine::{DeskError, Session, Token};

use super::done;
use crate::Shared;
use crate::error::{ErrorPage, show};
use crate::page::Page;
use crate::visitor::{Sent, Visitor};

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/me", get(me))
        .route("/me/password", post(password))
        .route("/me/codes", post(codes))
        .route("/me/token", post(token))
        .route("/me/token/end", post(end_token))
        .route("/me/sessions", post(end_sessions))
}

#[derive(Template)]
#[template(path = "me.html")]
struct MePage<'p> {
    p: &'p Page,
    role: &'p str,
    scope: String,
    problem: String,
    /// A token that was just made, shown once.
    secret: String,
    has_codes: bool,
    totp: String,
    qr: String,
    tokens: Vec<Token>,
    sessions: Vec<Session>,
    current: &'p str,
}

async fn me(State(shared): State<Arc<Shared>>, visitor: Visitor) -> Response {
    page(&shared, &visitor, "", "", None).await
}

/// The page. A secret that was offered and not yet taken is offered again.
async fn page(
    shared: &Shared,
    visitor: &Visitor,
    secret: &str,
    problem: &str,
    offered: Option<&str>,
) -> Response {
    let p = &visitor.page;
    let person = &visitor.login.person;
    let found = async {
        let tokens = visitor.desk.tokens().await?;
        Ok((tokens, visitor.desk.sessions().await?))
    };
    let (tokens, sessions) = match found.await {
        Ok(found) => found,
        Err(error) => return ErrorPage::new(p, error).into_response(),
    };
    let totp = offered.map_or_else(new_totp, str::to_owned);
    let site = if shared.settings.site_name.is_empty() {
        "Mailvigil"
    } else {
        &shared.settings.site_name
    };
    show(&MePage {
        p,
        role: &person.role,
        scope: person.scope.join(" "),
        problem: problem.to_owned(),
        secret: secret.to_owned(),
        has_codes: person.totp.is_some(),
        qr: totp_url(&totp, &person.name, site)
            .map(|url| qr(&url))
            .unwrap_or_default(),
        totp,
        tokens,
        sessions,
        current: &visitor.login.session.hash,
    })
}

/// A QR code as SVG that follows the page's colours but for its ground, which must be light.
fn qr(text: &str) -> String {
    use qrcode::{EcLevel, QrCode};
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::M) else {
        return String::new();
    };
    let width = code.width();
    let mut path = String::new();
    for (place, color) in code.to_colors().into_iter().enumerate() {
        if color == qrcode::Color::Dark {
            path.push_str(&format!(
                "M{} {}h1v1h-1z",
                place % width + 4,
                place / width + 4
            ));
        }
    }
    let side = width + 8;
    format!(
        "<svg viewBox=\"0 0 {side} {side}\" width=\"200\" height=\"200\" role=\"img\" aria-label=\"QR\"><rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    )
}

/// The page again with what was wrong.
async fn again(
    shared: &Shared,
    visitor: &Visitor,
    error: DeskError,
    offered: Option<&str>,
) -> Response {
    if let DeskError::Unfit(why) = &error {
        let told = visitor.page.safe(why);
        let shown = page(shared, visitor, "", &told, offered).await;
        return (StatusCode::UNPROCESSABLE_ENTITY, shown).into_response();
    }
    ErrorPage::new(&visitor.page, error).into_response()
}

async fn password(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let (visitor, fields) = (&sent.visitor, &sent.fields);
    let changed = visitor
        .desk
        .change_password(
            &shared.gate,
            &visitor.login,
            fields.get("old"),
            fields.get("new"),
        )
        .await;
    match changed {
        Ok(()) => done("/me", "done.password", ""),
        Err(error) => again(&shared, visitor, error, None).await,
    }
}

async fn codes(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let (visitor, fields) = (&sent.visitor, &sent.fields);
    let (gate, login) = (&shared.gate, &visitor.login);
    if fields.get("act") == "end" {
        return match visitor
            .desk
            .end_codes(gate, login, fields.get("password"))
            .await
        {
            Ok(()) => done("/me", "done.codes_ended", ""),
            Err(error) => again(&shared, visitor, error, None).await,
        };
    }
    let secret = fields.get("secret");
    let set = visitor
        .desk
        .set_codes(
            gate,
            login,
            fields.get("password"),
            secret,
            fields.get("code"),
        )
        .await;
    match set {
        Ok(()) => done("/me", "done.codes_set", ""),
        Err(error) => again(&shared, visitor, error, Some(secret)).await,
    }
}

async fn token(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let (visitor, fields) = (&sent.visitor, &sent.fields);
    let days = fields.number("days").unwrap_or(0);
    match visitor
        .desk
        .add_token(fields.get("label"), fields.get("scope"), days)
        .await
    {
        Ok((_, secret)) => page(&shared, visitor, &secret, "", None).await,
        Err(error) => again(&shared, visitor, error, None).await,
    }
}

async fn end_token(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    match sent.visitor.desk.remove_token(sent.fields.get("id")).await {
        Ok(()) => done("/me", "done.token_ended", ""),
        Err(error) => again(&shared, &sent.visitor, error, None).await,
    }
}

async fn end_sessions(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let visitor = &sent.visitor;
    match visitor.desk.end_other_sessions(&visitor.login).await {
        Ok(_) => done("/me", "done.sessions_ended", ""),
        Err(error) => again(&shared, visitor, error, None).await,
    }
}
