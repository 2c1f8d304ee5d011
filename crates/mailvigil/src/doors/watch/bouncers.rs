//! CrowdSec's local API, the part that bouncers speak: so every bouncer there is enforces what is decided here.
//!
//! A bouncer asks once for everything (`startup=true`) and then every few seconds for what is new and what has ended. Nobody is remembered: whoever
//! asks gets what came and went in the last ten minutes, again and again, so that two bouncers of one kind, or one that missed an
//! answer, miss nothing. Bouncers take the same decision twice without harm. While the kill switch lets everybody in they are told that all has ended,
//! and behind it for as long that all of it stands, however old it is. Formats: CrowdSec's `localapi_swagger.yaml`.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use engine::clock::now;
use mail::{RecordId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use watch::{Author, Decision, Scope, Step};

use super::{WatchDoor, answered};

/// How far back what came and went is told. Bouncers ask every ten seconds.
const TOLD_SECS: i64 = 600;

/// When a bouncer was last told to let everybody in, in microseconds; it has forgotten what it knew.
#[derive(Debug)]
pub struct LetIn(AtomicI64);

impl Default for LetIn {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl LetIn {
    /// Was it so within the time that everything is told again? `all` says that it is so now.
    fn lately(&self, all: bool, now: Timestamp) -> bool {
        if all {
            self.0.store(now.0, Ordering::Relaxed);
        }
        self.0.load(Ordering::Relaxed) >= now.plus_secs(-TOLD_SECS).0
    }
}

#[derive(Deserialize)]
pub struct StreamQuery {
    #[serde(default)]
    startup: bool,
    #[serde(default)]
    scopes: Option<String>,
}

/// What is new and what has ended.
pub async fn stream(
    State(door): State<Arc<WatchDoor>>,
    Query(query): Query<StreamQuery>,
) -> Response {
    let wants_ips = query
        .scopes
        .as_deref()
        .is_none_or(|scopes| scopes.split(',').any(|one| one.eq_ignore_ascii_case("ip")));
    let at = now();
    let since = at.plus_secs(-TOLD_SECS);
    let watching = door.engine.watching();
    let stands = blocks(watching.enforced());
    let mut gone = blocks(watching.gone_since(since));
    let mut let_in = Vec::new();
    if stands.is_empty() {
        // The kill switch lets everybody in, whom a bouncer was told of before, too.
        let_in = blocks(watching.standing());
    }
    let everything = door.let_in.lately(!let_in.is_empty(), at) || query.startup;
    gone.append(&mut let_in);
    let new = stands
        .iter()
        .filter(|one| wants_ips && (everything || one.created >= since));
    // An address that is blocked by another decision now is not to be let in.
    let deleted = gone
        .iter()
        .filter(|one| wants_ips && !stands.iter().any(|other| other.scope == one.scope));
    let body = json!({
        "new": new.filter_map(shown).collect::<Vec<_>>(),
        "deleted": deleted.filter_map(shown).collect::<Vec<_>>(),
    });
    answered(StatusCode::OK, body.to_string())
}

#[derive(Deserialize)]
pub struct OneQuery {
    ip: Option<IpAddr>,
    scope: Option<String>,
    value: Option<String>,
}

/// What stands about one address; `null` when nothing does, as CrowdSec answers.
pub async fn one(State(door): State<Arc<WatchDoor>>, Query(query): Query<OneQuery>) -> Response {
    let by_scope = query
        .scope
        .as_deref()
        .is_none_or(|scope| scope.eq_ignore_ascii_case("ip"));
    let value = query.value.filter(|_| by_scope);
    let ip = query
        .ip
        .or_else(|| value.and_then(|value| value.parse().ok()));
    let all = query.ip.is_none() && query.scope.is_none();
    let found: Vec<Value> = blocks(door.engine.watching().enforced())
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

/// Sources that are blocked, of what is given.
fn blocks(mut decisions: Vec<Decision>) -> Vec<Decision> {
    decisions.retain(|one| {
        !one.simulated && one.step == Step::BlockSource && matches!(one.scope, Scope::Source(_))
    });
    decisions
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_told_to_let_everybody_in_is_told_everything_for_a_while() {
        let (let_in, at) = (LetIn::default(), Timestamp(1_800_000_000_000_000));
        assert!(!let_in.lately(false, at));
        assert!(let_in.lately(true, at));
        assert!(let_in.lately(false, at.plus_secs(TOLD_SECS)));
        assert!(!let_in.lately(false, at.plus_secs(TOLD_SECS + 1)));
    }
}
