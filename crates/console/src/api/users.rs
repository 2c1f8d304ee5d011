//! What users do, what was seen and decided, for programs.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use engine::watch::{Scope, Step};
use engine::{
    Concerned, DecisionView, DetectionView, Happening, Identity, Moment, WatchFilter, named,
    read_allowed,
};
use mail::{Account, Address, RecordId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::types::{Listed, time};
use super::{Answer, Asked, Body, bad, limit, once};
use crate::Shared;
use crate::error::Problem;
use crate::visitor::{Client, now};

/// About whom, and how many.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UsersIn {
    /// This account.
    pub account: Option<String>,
    /// This IP address.
    pub ip: Option<String>,
    /// This detector, or this step.
    pub what: Option<String>,
    /// What does not stand any more, too.
    pub all: Option<bool>,
    /// From `next` of the page before.
    pub cursor: Option<String>,
    /// 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

/// A decision.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecisionOut {
    /// Its name.
    pub id: String,
    /// About whom.
    pub about: String,
    /// The account it is about.
    pub account: Option<String>,
    /// The IP address it is about.
    pub ip: Option<String>,
    /// What is done: block-source, protect, freeze, …
    pub step: String,
    /// By a detector or a person.
    pub by: String,
    /// Why, in words.
    pub reason: String,
    /// Since when.
    pub created: String,
    /// Until when.
    pub expires: String,
    /// Only written down.
    pub simulated: bool,
    /// Why a person should look before it holds.
    pub held_back: Option<String>,
    /// Does it stand?
    pub stands: bool,
    /// The operations and messages behind it.
    pub evidence: Vec<String>,
}

/// Something seen.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DetectionOut {
    /// Its name.
    pub id: String,
    /// When.
    pub at: String,
    /// By which detector.
    pub detector: String,
    /// The account.
    pub account: Option<String>,
    /// The IP address.
    pub ip: Option<String>,
    /// The mailbox.
    pub mailbox: Option<String>,
    /// Sure enough to do something?
    pub acts: bool,
    /// How sure, 0 to 1.
    pub score: f64,
    /// In words, with counts and thresholds.
    pub words: String,
    /// The operations and messages behind it.
    pub evidence: Vec<String>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MomentOut {
    /// When.
    pub at: String,
    /// Its name; of a message the record id.
    pub id: String,
    /// operation, message, detection, decision.
    pub kind: String,
    /// All of it.
    #[schema(value_type = Object)]
    pub what: serde_json::Value,
}

impl From<DecisionView> for DecisionOut {
    fn from(view: DecisionView) -> Self {
        let stands = view.stands(now());
        let decision = view.decision;
        let (account, ip) = match &decision.scope {
            Scope::Source(ip) => (None, Some(ip.to_string())),
            Scope::Pair(ip, account) => (Some(account.to_string()), Some(ip.to_string())),
            Scope::Account(account) => (Some(account.to_string()), None),
            Scope::Mailbox(_) => (None, None),
        };
        Self {
            id: decision.id.to_string(),
            about: named(&decision.scope),
            account,
            ip,
            step: decision.step.name().to_owned(),
            by: match decision.author {
                engine::watch::Author::Detector(id) => id,
                engine::watch::Author::Person(name) => name,
            },
            reason: decision.reason,
            created: time(decision.created),
            expires: time(decision.expires),
            simulated: decision.simulated,
            held_back: decision.held_back,
            stands,
            evidence: decision.evidence.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<DetectionView> for DetectionOut {
    fn from(view: DetectionView) -> Self {
        Self {
            id: view.id.to_string(),
            at: time(view.id.at()),
            detector: view.detector,
            account: view.account,
            ip: view.ip,
            mailbox: view.mailbox,
            acts: view.acts,
            score: view.score,
            words: view.words,
            evidence: view.evidence.iter().map(ToString::to_string).collect(),
        }
    }
}

impl MomentOut {
    fn of(moment: &Moment) -> Self {
        let (kind, what) = match &moment.what {
            Happening::Operation(operation) => ("operation", serde_json::to_value(operation)),
            Happening::Message(record) => ("message", serde_json::to_value(record)),
            Happening::Detection(seen) => (
                "detection",
                serde_json::to_value(DetectionOut::from(seen.clone())),
            ),
            Happening::Decision(view) => (
                "decision",
                serde_json::to_value(DecisionOut::from((**view).clone())),
            ),
        };
        Self {
            at: time(moment.at),
            id: moment.id.to_string(),
            kind: kind.to_owned(),
            // Plain data; were it not, an empty object would show the bug.
            what: what.unwrap_or_default(),
        }
    }
}

impl UsersIn {
    fn filter(&self, shared: &Shared) -> Result<WatchFilter, Problem> {
        let account = match &self.account {
            None => None,
            Some(name) => Some(account(shared, name)?.as_str().to_owned()),
        };
        let ip = match &self.ip {
            None => None,
            Some(text) => Some(address(text)?.to_string()),
        };
        Ok(WatchFilter {
            who: Concerned {
                account,
                ip,
                mailbox: None,
            },
            what: self.what.clone(),
            before: before(self.cursor.as_deref())?,
            limit: limit(self.limit)?,
            ..WatchFilter::default()
        })
    }
}

fn account(shared: &Shared, name: &str) -> Result<Account, Problem> {
    let account = shared.engine.watching().account(name);
    account.ok_or_else(|| bad("account that is not empty", name))
}

fn address(text: &str) -> Result<IpAddr, Problem> {
    let ip: Result<IpAddr, _> = text.parse();
    ip.map(|ip| ip.to_canonical())
        .map_err(|_| bad("ip that is an IP address", text))
}

fn before(cursor: Option<&str>) -> Result<Option<RecordId>, Problem> {
    match cursor {
        None => Ok(None),
        Some(text) => match RecordId::parse(text) {
            Some(id) => Ok(Some(id)),
            None => Err(bad("cursor from the page before", text)),
        },
    }
}

fn listed<T>(items: Vec<T>, asked: u32, id: impl Fn(&T) -> String) -> Listed<T> {
    let next = items
        .last()
        .map(id)
        .filter(|_| items.len() == asked as usize);
    Listed {
        items,
        next,
        looked_back_to: None,
    }
}

/// What stands against users and machines, the newest first.
#[utoipa::path(get, path = "/users/decisions", params(UsersIn), responses((status = 200, body = Listed<DecisionOut>), (status = "4XX", body = Problem)))]
pub(super) async fn decisions(
    client: Client,
    State(shared): State<Arc<Shared>>,
    Asked(asked): Asked<UsersIn>,
) -> Answer<Listed<DecisionOut>> {
    let mut filter = asked.filter(&shared)?;
    filter.standing_at = (asked.all != Some(true)).then(now);
    let views = client.desk.decisions(&filter).await?;
    let items: Vec<DecisionOut> = views.into_iter().map(Into::into).collect();
    Ok(axum::Json(listed(items, filter.limit, |one| {
        one.id.clone()
    })))
}

/// What detectors saw, the newest first.
#[utoipa::path(get, path = "/users/detections", params(UsersIn), responses((status = 200, body = Listed<DetectionOut>), (status = "4XX", body = Problem)))]
pub(super) async fn detections(
    client: Client,
    State(shared): State<Arc<Shared>>,
    Asked(asked): Asked<UsersIn>,
) -> Answer<Listed<DetectionOut>> {
    let filter = asked.filter(&shared)?;
    let views = client.desk.detections(&filter).await?;
    let items: Vec<DetectionOut> = views.into_iter().map(Into::into).collect();
    Ok(axum::Json(listed(items, filter.limit, |one| {
        one.id.clone()
    })))
}

/// How many moments.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineIn {
    /// From `next` of the page before.
    pub cursor: Option<String>,
    /// 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

/// The line of time of an account, an IP address or an address of mail, the newest first.
#[utoipa::path(get, path = "/users/{kind}/{name}/timeline", params(("kind" = String, Path, description = "account, ip or address"), ("name" = String, Path), TimelineIn), responses((status = 200, body = Listed<MomentOut>), (status = "4XX", body = Problem)))]
pub(super) async fn timeline(
    client: Client,
    State(shared): State<Arc<Shared>>,
    Path((kind, name)): Path<(String, String)>,
    Asked(asked): Asked<TimelineIn>,
) -> Answer<Listed<MomentOut>> {
    let identity = match kind.as_str() {
        "account" => Identity::Account(account(&shared, &name)?),
        "ip" => Identity::Ip(address(&name)?),
        "address" => {
            Identity::Address(Address::new(&name).ok_or_else(|| bad("address of mail", &name))?)
        }
        other => return Err(bad("kind that is account, ip or address", other)),
    };
    let limit = limit(asked.limit)?;
    let before = before(asked.cursor.as_deref())?;
    let moments = client.desk.timeline(&identity, None, before, limit).await?;
    let items: Vec<MomentOut> = moments.iter().map(MomentOut::of).collect();
    Ok(axum::Json(listed(items, limit, |one| one.id.clone())))
}

/// Something to decide.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecideIn {
    /// About this account.
    #[serde(default)]
    pub account: Option<String>,
    /// About this IP address; with an account, about the two together.
    #[serde(default)]
    pub ip: Option<String>,
    /// What is done: block-source, protect, freeze, disable, …
    pub step: String,
    /// How long, seconds; as long as the step usually stands when absent.
    #[serde(default)]
    pub secs: Option<u32>,
    /// Why.
    pub reason: String,
}

/// Whom to let go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UndoIn {
    /// About this account.
    #[serde(default)]
    pub account: Option<String>,
    /// About this IP address; with an account, about the two together.
    #[serde(default)]
    pub ip: Option<String>,
    /// Why.
    pub reason: String,
}

/// Whom to allow.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AllowIn {
    /// A network, an IP address, an account.
    pub whom: String,
    /// How long, seconds; until taken back when absent.
    #[serde(default)]
    pub secs: Option<u32>,
    /// Why.
    pub reason: String,
}

/// Whose allowance to take back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DisallowIn {
    /// A network, an IP address, an account.
    pub whom: String,
    /// Why.
    pub reason: String,
}

/// Settings of the watch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchSettingsIn {
    /// The whole text, TOML.
    pub text: String,
    /// Why.
    pub reason: String,
}

/// Settings of the watch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WatchSettingsOut {
    /// The text as it was written; empty when nobody has set anything.
    pub text: String,
}

/// Done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Heard {
    /// A node has heard it; otherwise it holds as soon as one runs.
    pub heard: bool,
}

fn scope(shared: &Shared, name: Option<&str>, ip: Option<&str>) -> Result<Scope, Problem> {
    let account = name.map(|name| account(shared, name)).transpose()?;
    let ip = ip.map(address).transpose()?;
    match (ip, account) {
        (Some(ip), Some(account)) => Ok(Scope::Pair(ip, account)),
        (Some(ip), None) => Ok(Scope::Source(ip)),
        (None, Some(account)) => Ok(Scope::Account(account)),
        (None, None) => Err(bad("account, ip, or both", "")),
    }
}

fn step(text: &str) -> Result<Step, Problem> {
    if text == Step::Disable.name() {
        return Ok(Step::Disable);
    }
    Step::read(text).map_err(|_| bad("step such as block-source", text))
}

/// Decides something about somebody.
#[utoipa::path(post, path = "/users/decide", request_body = DecideIn, responses((status = 200, body = Heard), (status = "4XX", body = Problem)))]
pub(super) async fn decide_about(
    client: Client,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Body(body): Body<DecideIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let scope = scope(&shared, body.account.as_deref(), body.ip.as_deref())?;
    let step = step(&body.step)?;
    let what = format!("decide {} {} {:?}", named(&scope), body.step, body.secs);
    let act = async {
        let secs = body.secs.map(i64::from);
        let heard = desk.decide_about(scope, step, secs, &body.reason).await?;
        Ok(Heard { heard })
    };
    once(&client, &headers, &what, act).await
}

/// Ends what stands about somebody, and forgets what was counted.
#[utoipa::path(post, path = "/users/undo", request_body = UndoIn, responses((status = 200, body = Heard), (status = "4XX", body = Problem)))]
pub(super) async fn undo(
    client: Client,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Body(body): Body<UndoIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let scope = scope(&shared, body.account.as_deref(), body.ip.as_deref())?;
    let what = format!("undo {}", named(&scope));
    let act = async {
        let heard = desk.undo(scope, &body.reason).await?;
        Ok(Heard { heard })
    };
    once(&client, &headers, &what, act).await
}

/// Never do anything about somebody.
#[utoipa::path(post, path = "/users/allow", request_body = AllowIn, responses((status = 200, body = Heard), (status = "4XX", body = Problem)))]
pub(super) async fn allow_user(
    client: Client,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Body(body): Body<AllowIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let whom = whom(&shared, &body.whom)?;
    let until: Option<Timestamp> = body.secs.map(|secs| now().plus_secs(i64::from(secs)));
    let what = format!("allow user {} {:?}", body.whom, body.secs);
    let act = async {
        let heard = desk.allow_watched(whom, until, &body.reason).await?;
        Ok(Heard { heard })
    };
    once(&client, &headers, &what, act).await
}

/// Take that back.
#[utoipa::path(post, path = "/users/disallow", request_body = DisallowIn, responses((status = 200, body = Heard), (status = "4XX", body = Problem)))]
pub(super) async fn disallow_user(
    client: Client,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Body(body): Body<DisallowIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let whom = whom(&shared, &body.whom)?;
    let what = format!("disallow user {}", body.whom);
    let act = async {
        let heard = desk.disallow_watched(whom, &body.reason).await?;
        Ok(Heard { heard })
    };
    once(&client, &headers, &what, act).await
}

fn whom(shared: &Shared, text: &str) -> Result<engine::watch::Allowed, Problem> {
    read_allowed(text.trim(), |name| shared.engine.watching().account(name))
        .ok_or_else(|| bad("whom that is a network, an IP address or an account", text))
}

/// The settings of the watch.
#[utoipa::path(get, path = "/users/settings", responses((status = 200, body = WatchSettingsOut), (status = "4XX", body = Problem)))]
pub(super) async fn watch_settings(client: Client) -> Answer<WatchSettingsOut> {
    let (text, _) = client.desk.watch_settings().await?;
    Ok(axum::Json(WatchSettingsOut { text }))
}

/// Watches by other settings from now on.
#[utoipa::path(put, path = "/users/settings", request_body = WatchSettingsIn, responses((status = 200, body = Heard), (status = "4XX", body = Problem)))]
pub(super) async fn change_watch_settings(
    client: Client,
    headers: HeaderMap,
    Body(body): Body<WatchSettingsIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let what = format!("watch settings {}", body.text);
    let act = async {
        let heard = desk.change_watch_settings(&body.text, &body.reason).await?;
        Ok(Heard { heard })
    };
    once(&client, &headers, &what, act).await
}
