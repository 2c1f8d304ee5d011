//! The outer wall: what is true of every answer, and which requests are not looked at.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::Shared;
use crate::error::Problem;

/// Largest request taken, bytes: a policy, or a message to try.
const BODY_MAX: usize = 16 << 20;

/// Pages load nothing from elsewhere, run only our own scripts, are framed by nobody, and send forms only to us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The visitor's address, set by the wall.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(pub IpAddr);

/// Puts the wall around everything.
pub(crate) fn around(router: Router, shared: Arc<Shared>) -> Router {
    router
        .layer(CatchPanicLayer::custom(
            |_: Box<dyn std::any::Any + Send>| {
                tracing::error!("a page panicked; please report it");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            },
        ))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(axum::middleware::from_fn_with_state(shared, wall))
}

async fn wall(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let place = place(&shared, &request);
    let refused = refuse(&shared, &request);
    let answer = match refused {
        Some(problem) => problem.into_response(),
        None => {
            request.extensions_mut().insert(Place(place));
            to_its_end(request, next).await
        }
    };
    harden(answer, shared.settings.is_secure())
}

/// Answers a request. What changes something is done to its end even when its visitor goes away meanwhile: a release cut off between the mail
/// server's word and our note of it would stand there as under way, and a key of the API as taken.
async fn to_its_end(request: Request, next: Next) -> Response {
    if !changes(&request) {
        return next.run(request).await;
    }
    // Panics are caught further in; what is left is the end of the runtime.
    tokio::spawn(next.run(request))
        .await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// May it change something?
fn changes(request: &Request) -> bool {
    !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    )
}

/// Why a request is not looked at.
fn refuse(shared: &Shared, request: &Request) -> Option<Problem> {
    let headers = request.headers();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    if !is_ours(shared, host) {
        let detail = "this name is not the console's; see console.url";
        return Some(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "Unknown host",
            detail,
        ));
    }
    let by_token = headers.contains_key(header::AUTHORIZATION);
    if changes(request) && !by_token && !same_origin(shared, headers, host) {
        let detail = "the request did not come from a page of this console";
        return Some(Problem::new(
            StatusCode::FORBIDDEN,
            "Foreign origin",
            detail,
        ));
    }
    None
}

/// The configured name, and loopback for whoever sits at the machine: anything else may be a name that a stranger has made point
/// here (DNS rebinding).
fn is_ours(shared: &Shared, host: &str) -> bool {
    let own = shared
        .settings
        .url
        .split_once("://")
        .map_or("", |(_, host)| host);
    if host.eq_ignore_ascii_case(own) {
        return true;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&name)
}

/// Did a page of ours send it? Browsers say where a request comes from in one of two ways; one that says neither is not taken.
fn same_origin(shared: &Shared, headers: &HeaderMap, host: &str) -> bool {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (said("origin"), said("sec-fetch-site")) {
        // Browsers that keep the referrer back may keep the origin back as well; the other word stands.
        (Some("null") | None, Some(site)) => site == "same-origin",
        (Some(origin), _) => {
            origin == shared.settings.url
                || origin
                    .strip_prefix("http://")
                    .is_some_and(|own| own == host && !shared.settings.is_secure())
        }
        (None, None) => false,
    }
}

/// The visitor's address: the peer's, or what a known proxy says of it.
fn place(shared: &Shared, request: &Request) -> IpAddr {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |info| {
            info.0.ip().to_canonical()
        });
    let is_proxy = |ip: &IpAddr| shared.settings.proxies.iter().any(|net| net.contains(ip));
    if !is_proxy(&peer) {
        return peer;
    }
    let said = request
        .headers()
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok());
    let said: Vec<&str> = said.flat_map(|value| value.split(',')).collect();
    // From the right: what stands left of the first stranger is whatever that stranger wrote.
    said.iter()
        .rev()
        .map_while(|ip| ip.trim().parse::<IpAddr>().ok())
        .find(|ip| !is_proxy(ip))
        .unwrap_or(peer)
}

fn harden(mut answer: Response, secure: bool) -> Response {
    let headers = answer.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    set("content-security-policy", POLICY);
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set(
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), payment=()",
    );
    set("cache-control", "no-store");
    if secure {
        set("strict-transport-security", "max-age=31536000");
    }
    answer
}
