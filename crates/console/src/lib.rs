//! Pages, live feed and JSON API on top of the [`Desk`].
//!
//! Every page and every path of the API does one thing: it finds out who asks (`visitor`), calls the desk of that
//! person, and shows what comes back. No rule about who may do what stands here, and no question to the store.
//!
//! Pages are made on the server and work without JavaScript; what is live comes by Server-Sent Events. Nothing from a
//! message reaches a page but through a template that escapes it, `html::visible`, or `html::safe` within a sandboxed frame.

// The outer wall.
mod error;
mod guard;
mod visitor;

// What pages are made of.
mod assets;
mod chart;
mod fields;
mod html;
mod oidc;
mod page;
mod words;
mod words_of_standing;

// What can be asked.
mod api;
mod live;
mod pages;

use std::sync::Arc;

use axum::Router;
use engine::gate::Gate;
use engine::{Desk, Engine};
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

pub use oidc::OidcSettings;
pub use words::{Language, missing_words};

/// What the console needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where people reach it, without a slash at the end: `https://mailvigil.example.org`. Links in mail begin with it, and only it
    /// (and loopback) is answered.
    pub url: String,
    /// Proxies whose word about the visitor's address is taken.
    pub proxies: Vec<IpNet>,
    /// The site's name on pages.
    pub site_name: String,
    /// Single sign-on; `None` is off.
    pub oidc: Option<OidcSettings>,
}

impl Settings {
    /// Is it reached over TLS only?
    pub fn is_secure(&self) -> bool {
        self.url.starts_with("https://")
    }
}

/// What all pages share.
pub(crate) struct Shared {
    /// A desk; each request takes its own author's.
    pub desk: Desk,
    pub gate: Gate,
    pub engine: Arc<Engine>,
    pub settings: Settings,
    pub stop: CancellationToken,
}

/// Everything the console answers. Live feeds end with `stop`.
pub fn router(
    desk: Desk,
    gate: Gate,
    engine: Arc<Engine>,
    settings: Settings,
    stop: CancellationToken,
) -> Router {
    let shared = Arc::new(Shared {
        desk,
        gate,
        engine,
        settings,
        stop,
    });
    let (api, document) = api::router();
    let router = Router::new()
        .merge(pages::router())
        .merge(live::router())
        .merge(assets::router())
        .nest("/api/v1", api)
        .route(
            "/api/openapi.json",
            axum::routing::get(move |visitor: visitor::Visitor| async move {
                drop(visitor);
                axum::Json(document)
            }),
        )
        .fallback(error::no_page)
        .with_state(shared.clone());
    guard::around(router, shared)
}

/// The OpenAPI document of the JSON API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    api::router().1
}
