//! The links of a digest: what they show anybody may see who has them; what they do takes the press of a button.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::HeldView;

use crate::Shared;
use crate::error::{ErrorPage, show};
use crate::fields::Fields;
use crate::page::Page;
use crate::visitor::Stranger;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/d/{code}", get(look).post(decide))
}

#[derive(Template)]
#[template(path = "digest.html")]
struct DigestPage<'p> {
    p: &'p Page,
    code: String,
    held: Option<HeldView>,
    told: &'p str,
    good: bool,
}

fn gone(page: &Page) -> Response {
    let shown = show(&DigestPage {
        p: page,
        code: String::new(),
        held: None,
        told: page.t("digest.gone"),
        good: false,
    });
    (StatusCode::NOT_FOUND, shown).into_response()
}

async fn look(
    State(shared): State<Arc<Shared>>,
    stranger: Stranger,
    Path(code): Path<String>,
) -> Response {
    let p = &stranger.page;
    let from = stranger.place.to_string();
    match shared.desk.digest_link(&code, &from).await {
        Ok(Some((_, held))) => show(&DigestPage {
            p,
            code,
            held: Some(held),
            told: "",
            good: true,
        }),
        Ok(None) => gone(p),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

async fn decide(
    State(shared): State<Arc<Shared>>,
    stranger: Stranger,
    Path(code): Path<String>,
    body: String,
) -> Response {
    let p = &stranger.page;
    let from = stranger.place.to_string();
    let release = match Fields::read(&body).get("act") {
        "release" => true,
        "delete" => false,
        _ => return ErrorPage::status(p, StatusCode::BAD_REQUEST, "").into_response(),
    };
    let decided = shared
        .desk
        .decide_by_digest(&shared.gate, &code, &from, release)
        .await;
    match decided {
        Ok(true) => show(&DigestPage {
            p,
            code: String::new(),
            held: None,
            told: if release {
                p.t("digest.released")
            } else {
                p.t("digest.deleted")
            },
            good: true,
        }),
        Ok(false) => gone(p),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}
