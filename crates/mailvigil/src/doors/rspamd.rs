//! The door for Rspamd's clients: `POST /checkv2` with the envelope in header fields, JSON out, as Rspamd's protocol
//! documentation has it; what of its controller has a meaning here; and no file names from strangers.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use mail::{Address, Envelope, Tls};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use super::connections::Connections;
use super::listener::Listener;
use super::scan::{Scanned, Scanning};
use super::spamd::ip;

/// Serves until `stop`.
pub async fn serve(
    listener: Listener,
    scanning: Arc<Scanning>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let message_bytes_max = scanning.engine.settings().limits.message_bytes_max;
    let connections = Connections::new(listener, "/checkv2", &scanning.engine);
    let open = Router::new()
        .route("/ping", get(|| async { "pong\r\n" }))
        .with_state(());
    let router = Router::new()
        .route("/checkv2", post(check).put(check))
        .route("/symbols", get(symbols).post(check))
        .route("/learnspam", post(learn_spam))
        .route("/learnham", post(learn_ham))
        .layer(from_fn_with_state(scanning.clone(), known))
        .layer(DefaultBodyLimit::max(message_bytes_max))
        .with_state(scanning)
        .merge(open)
        .fallback(|| async {
            trouble(
                StatusCode::NOT_FOUND,
                "there is /checkv2, /symbols, /learnspam, /learnham and /ping",
            )
        });
    axum::serve(connections, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// Who must bring the secret, brings it: `Password`, as Rspamd's clients do.
async fn known(State(scanning): State<Arc<Scanning>>, request: Request, next: Next) -> Response {
    if let Some(secret) = &scanning.secret {
        let given = request.headers().get("password");
        let given = given.map_or(&[] as &[u8], |value| value.as_bytes());
        if !bool::from(given.ct_eq(secret.reveal().as_bytes())) {
            return trouble(
                StatusCode::UNAUTHORIZED,
                "the header field Password does not hold the secret (scan.secret_file)",
            );
        }
    }
    next.run(request).await
}

async fn check(State(scanning): State<Arc<Scanning>>, headers: HeaderMap, body: Bytes) -> Response {
    if headers.contains_key("file") || headers.contains_key("path") {
        return trouble(
            StatusCode::BAD_REQUEST,
            "a message is sent, not named by File or Path",
        );
    }
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return trouble(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "a message is sent as it is, without Content-Encoding",
        );
    }
    let started = std::time::Instant::now();
    let envelope = envelope(&headers, scanning.engine.settings().limits.recipients_max);
    let scanned = scanning.scan(envelope, body.to_vec()).await;
    Json(answer(&scanned, started.elapsed().as_secs_f64())).into_response()
}

/// What this server looks for, as Rspamd's controller lists it.
async fn symbols(State(scanning): State<Arc<Scanning>>) -> Json<Value> {
    let summary = scanning.engine.policy().now().policy.summary();
    let symbol = |name: &str, weight: f64, text: &str| json!({ "symbol": name, "weight": weight, "description": text, "frequency": 0.0, "time": 0.0 });
    let signals = summary
        .signals
        .iter()
        .map(|(name, weight, text)| symbol(name, *weight, text));
    let rules = summary
        .rules
        .iter()
        .map(|(name, text, _, _)| symbol(name, 0.0, text));
    let sets = summary.sets.iter().map(|(name, _)| symbol(name, 0.0, ""));
    Json(json!([
        { "group": "signals", "rules": signals.collect::<Vec<_>>() },
        { "group": "rules", "rules": rules.collect::<Vec<_>>() },
        { "group": "sets", "rules": sets.collect::<Vec<_>>() },
    ]))
}

async fn learn_spam(
    State(scanning): State<Arc<Scanning>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    learn(&scanning, &headers, &body, false).await
}

async fn learn_ham(
    State(scanning): State<Arc<Scanning>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    learn(&scanning, &headers, &body, true).await
}

/// Learns a message; whose word it is stands in `User`, or in the recipient it was delivered to.
async fn learn(scanning: &Scanning, headers: &HeaderMap, raw: &[u8], wanted: bool) -> Response {
    let mut named = ["user", "deliver-to", "rcpt"]
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok());
    let who = named.find(|who| !who.is_empty()).map(str::to_owned);
    match scanning.teach(raw, wanted, who).await {
        Ok(()) => Json(json!({ "success": true })).into_response(),
        Err(error) => trouble(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

fn trouble(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

/// The envelope as Rspamd's clients tell it.
fn envelope(headers: &HeaderMap, recipients_max: usize) -> Envelope {
    let text = |name: &str| {
        let value = headers.get(name)?.as_bytes();
        let value = String::from_utf8_lossy(value).trim().to_owned();
        (!value.is_empty()).then_some(value)
    };
    let mut envelope = Envelope::new(engine::clock::now(), "rspamd");
    envelope.server = text("mta-name")
        .or_else(|| text("mta-tag"))
        .unwrap_or_default();
    envelope.queue_id = text("queue-id");
    envelope.helo_name = text("helo");
    envelope.account = text("user");
    envelope.peer.ip = text("ip").as_deref().and_then(ip);
    envelope.peer.untold = envelope.peer.ip.is_none();
    // Clients write `unknown` for a machine without a name.
    envelope.peer.ptr_name =
        text("hostname").filter(|name| name != "unknown" && ip(name).is_none());
    envelope.envelope_from = text("from").as_deref().and_then(Address::new);
    envelope.tls = text("tls-version").map(|version| Tls {
        version,
        cipher: text("tls-cipher").unwrap_or_default(),
    });
    let recipients = headers.get_all("rcpt").iter();
    envelope.recipients = recipients
        .flat_map(|value| addresses(&String::from_utf8_lossy(value.as_bytes())))
        .take(recipients_max)
        .collect();
    envelope
}

/// One address, or several with commas between.
fn addresses(text: &str) -> Vec<Address> {
    match Address::new(text.trim()) {
        Some(address) if !text.contains(',') || text.contains('"') => vec![address],
        _ => text
            .split(',')
            .filter_map(|one| Address::new(one.trim()))
            .collect(),
    }
}

fn answer(scanned: &Scanned, secs: f64) -> Value {
    let (suspicious, dangerous) = scanned.boundaries;
    let mut symbols = Map::new();
    for reason in scanned.verdict.iter().flat_map(|verdict| &verdict.reasons) {
        let options: Vec<&str> = reason
            .evidence
            .iter()
            .map(|evidence| evidence.text.as_str())
            .collect();
        symbols.insert(
            reason.name.clone(),
            json!({ "name": reason.name, "score": reason.score, "metric_score": reason.score, "description": reason.text, "options": options }),
        );
    }
    let mut answer = json!({
        "is_skipped": false,
        "score": scanned.score(),
        "required_score": dangerous,
        "action": scanned.action,
        "thresholds": { "add header": suspicious, "reject": dangerous },
        "symbols": symbols,
        "messages": {},
        "urls": [],
        "emails": [],
        "time_real": secs,
        "milter": milter(scanned),
        "mailvigil": {
            "record": scanned.record.to_string(),
            "level": scanned.verdict.as_ref().map(|verdict| verdict.level.as_str()),
            "action": scanned.verdict.as_ref().map(|verdict| verdict.action.as_str()),
        },
    });
    if let Some(text) = &scanned.refusal {
        answer["messages"]["smtp_message"] = json!(text);
    }
    answer
}

/// Changes to the header, as the clients that are milters or plug-ins carry them out.
fn milter(scanned: &Scanned) -> Value {
    let changes = &scanned.changes;
    let mut add = Map::new();
    let fields = changes.top_headers.iter().chain(&changes.add_headers);
    for (order, (name, value)) in fields.enumerate() {
        add.insert(name.clone(), json!({ "value": value, "order": order }));
    }
    // Rspamd's 0 takes every field of the name off.
    let remove: Map<String, Value> = changes
        .remove_headers
        .iter()
        .map(|(name, _)| (name.clone(), json!(0)))
        .collect();
    json!({ "add_headers": add, "remove_headers": remove })
}
