//! CrowdSec's local API, the part that bouncers speak: so every bouncer there is enforces what is decided here.
//!
//! A bouncer asks once for everything (`startup=true`) and then every few seconds for what is new and what has ended since it
//! last asked. Formats: CrowdSec's `localapi_swagger.yaml`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::clock::now;
use mail::{RecordId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use watch::{Author, Decision, Scope, Step};

use super::{Telephone, answered};

/// Bouncers remembered; the one that asked longest ago is forgotten, and asks for everything again.
const BOUNCERS_MAX: usize = 1000;

/// What each bouncer was told.
#[derive(Default)]
pub struct Pulled(Mutex<HashMap<String, Told>>);

#[derive(Default)]
struct Told {
    at: Timestamp,
    stands: HashMap<RecordId, Decision>,
}

#[derive(Deserialize)]
pub struct StreamQuery {
    #[serde(default)]
    startup: bool,
    #[serde(default)]
    scopes: Option<String>,
}

/// What is new and what has ended, for the bouncer that asks: it is known by its `User-Agent` and key.
pub async fn stream(
    State(telephone): State<Arc<Telephone>>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Response {
    let wants_ips = query
        .scopes
        .as_deref()
        .is_none_or(|scopes| scopes.split(',').any(|one| one.eq_ignore_ascii_case("ip")));
    let stands: HashMap<RecordId, Decision> = blocks(&telephone)
        .into_iter()
        .filter(|_| wants_ips)
        .map(|one| (one.id, one))
        .collect();
    let agent = headers
        .get("user-agent")
        .map_or(&[] as &[u8], |agent| agent.as_bytes());
    let name = String::from_utf8_lossy(agent).into_owned();
    let mut bouncers = telephone
        .bouncers
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if bouncers.len() >= BOUNCERS_MAX && !bouncers.contains_key(&name) {
        let oldest = bouncers.iter().min_by_key(|(_, told)| told.at);
        let oldest = oldest.map(|(name, _)| name.clone());
        oldest.map(|name| bouncers.remove(&name));
    }
    let told = bouncers.entry(name).or_default();
    if query.startup {
        told.stands.clear();
    }
    let mut new: Vec<&Decision> = stands
        .values()
        .filter(|one| !told.stands.contains_key(&one.id))
        .collect();
    new.sort_by_key(|one| one.id);
    // An address that is blocked by another decision now is not to be let in.
    let still = |of: &Decision| stands.values().any(|one| one.scope == of.scope);
    let mut deleted: Vec<&Decision> = told
        .stands
        .values()
        .filter(|one| !stands.contains_key(&one.id) && !still(one))
        .collect();
    deleted.sort_by_key(|one| one.id);
    let body = json!({
        "new": new.into_iter().filter_map(shown).collect::<Vec<_>>(),
        "deleted": deleted.into_iter().filter_map(shown).collect::<Vec<_>>(),
    });
    *told = Told { at: now(), stands };
    answered(StatusCode::OK, body.to_string())
}

#[derive(Deserialize)]
pub struct OneQuery {
    ip: Option<IpAddr>,
    scope: Option<String>,
    value: Option<String>,
}

/// What stands about one address; `null` when nothing does, as CrowdSec answers.
pub async fn one(
    State(telephone): State<Arc<Telephone>>,
    Query(query): Query<OneQuery>,
) -> Response {
    let by_scope = query
        .scope
        .as_deref()
        .is_none_or(|scope| scope.eq_ignore_ascii_case("ip"));
    let value = query.value.filter(|_| by_scope);
    let ip = query
        .ip
        .or_else(|| value.and_then(|value| value.parse().ok()));
    let all = query.ip.is_none() && query.scope.is_none();
    let found: Vec<Value> = blocks(&telephone)
        .iter()
        .filter(|one| all || ip.is_some_and(|ip| covers(one, ip)))
        .filter_map(shown)
        .collect();
    let body = if found.is_empty() {
        Value::Null
    } else {
        Value::Array(found)
    };
    answered(StatusCode::OK, body.to_string())
}

fn blocks(telephone: &Telephone) -> Vec<Decision> {
    let mut standing = telephone.engine.watching().standing();
    standing.retain(|one| {
        !one.simulated && one.step == Step::BlockSource && matches!(one.scope, Scope::Source(_))
    });
    standing
}

fn covers(decision: &Decision, ip: IpAddr) -> bool {
    match (&decision.scope, ip.to_canonical()) {
        (Scope::Source(IpAddr::V4(of)), IpAddr::V4(ip)) => *of == ip,
        (Scope::Source(IpAddr::V6(of)), IpAddr::V6(ip)) => of.segments()[..4] == ip.segments()[..4],
        _ => false,
    }
}

/// A decision in CrowdSec's words. An IPv6 source is a /64.
fn shown(decision: &Decision) -> Option<Value> {
    let Scope::Source(ip) = decision.scope else {
        return None;
    };
    let (scope, value) = match ip {
        IpAddr::V4(ip) => ("Ip", ip.to_string()),
        IpAddr::V6(ip) => ("Range", format!("{ip}/64")),
    };
    let left = decision.expires.micros_since(now()).max(0) / 1_000_000;
    let (origin, scenario) = match &decision.author {
        Author::Detector(id) => ("mailvigil", id.clone()),
        Author::Person(name) => ("cscli", format!("manual by {name}")),
    };
    Some(json!({
        "id": number(decision.id),
        "uuid": decision.id,
        "origin": origin,
        "type": "ban",
        "scope": scope,
        "value": value,
        "duration": format!("{left}s"),
        "scenario": scenario,
        "simulated": false,
    }))
}

/// CrowdSec's ids are numbers that a double holds.
fn number(id: RecordId) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish() >> 12
}
