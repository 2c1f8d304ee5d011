//! The door by which servers tell and ask, over HTTP, about what users do.
//!
//! | path | who | what |
//! | --- | --- | --- |
//! | `/?command=NAME`, `/command/NAME` | Dovecot's auth policy, clients of weakforced | logins asked about and told, lists |
//! | `/events` | Dovecot's event export | what is done in mailboxes |
//! | `/auth-http` | nginx | logins asked about, passed on to the site's own server, told |
//! | `/operations` | anything else | JSON |
//! | `/v1/decisions`, `/v1/decisions/stream` | CrowdSec's bouncers | sources that are blocked |
//!
//! Whatever is asked is answered from memory; whatever fails of ours lets the login go on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use engine::clock::now;
use engine::metrics::AskedLabels;
use engine::{Author, Desk, DeskError, Engine, Telling};
use ipnet::IpNet;
use mail::operation::{Act, Administer, CommandKinds, Door, Login};
use mail::{Limits, Secret};
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use watch::{Allowed, LoginAnswer, Scope, Step};
use wire::auth_policy::{self, Command, Entry, Nonce, Told, Unfit};
use wire::{events, intake};

use super::connections::Connections;
use super::listener::Listener;
use crate::config::Config;
use crate::service;

mod auth_http;
mod bouncers;

/// What the door needs.
pub struct WatchDoor {
    engine: Arc<Engine>,
    desk: Desk,
    secret: Option<Secret<String>>,
    nonce: Option<Nonce>,
    kinds: CommandKinds,
    limits: Limits,
    next: Option<String>,
    /// Logins that wait before they are answered; Dovecot waits by itself.
    waits: Semaphore,
    /// Whom the kill switch let in needs everything told again.
    let_in: bouncers::LetIn,
}

impl WatchDoor {
    /// As the configuration says.
    pub fn new(config: &Config, engine: Arc<Engine>) -> anyhow::Result<Arc<Self>> {
        let watch = &config.watch;
        let read = |file: &std::path::Path, key: &str| -> anyhow::Result<String> {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("{} ({key}) cannot be read", file.display()))?;
            Ok(text.trim().to_owned())
        };
        let secret = match &watch.secret_file {
            None => None,
            Some(file) => {
                let text = read(file, "watch.secret_file")?;
                anyhow::ensure!(
                    text.len() >= 16,
                    "{} (watch.secret_file) holds less than 16 characters; `openssl rand -hex 16` makes a good secret",
                    file.display()
                );
                Some(Secret::new(text))
            }
        };
        let nonce = match &watch.nonce_file {
            None => None,
            Some(file) => Some(Nonce::new(Secret::new(read(file, "watch.nonce_file")?))),
        };
        let author = Author::by_itself("auth policy");
        Ok(Arc::new(Self {
            desk: service::desk(config, engine.store().clone(), author),
            limits: config.limits.clone(),
            engine,
            secret,
            nonce,
            kinds: CommandKinds::default(),
            next: watch.auth_http_next.clone(),
            waits: Semaphore::new(config.limits.waiting_logins_max),
            let_in: bouncers::LetIn::default(),
        }))
    }
}

/// Serves until `stop`.
pub async fn serve(
    listener: Listener,
    door: Arc<WatchDoor>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let connections = Connections::new(listener, "watch", &door.engine);
    let bytes_max = door.limits.told_bytes_max;
    let router = Router::new()
        .route("/", any(by_query))
        .route("/command/{name}", any(by_path))
        .route("/events", post(take_events))
        .route("/operations", post(take_operations))
        .route("/auth-http", any(auth_http::ask))
        .route("/v1/decisions", get(bouncers::one))
        .route("/v1/decisions/stream", get(bouncers::stream))
        .layer(from_fn_with_state(door.clone(), known))
        .layer(DefaultBodyLimit::max(bytes_max))
        .with_state(door)
        .route("/ping", get(|| async { "pong\n" }))
        .fallback(|| async {
            refuse(
                StatusCode::NOT_FOUND,
                "there is /?command=NAME, /command/NAME, /events, /operations, /auth-http, /v1/decisions and /ping",
            )
        });
    axum::serve(connections, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// Who must bring the secret, brings it: `X-API-Key`, a bearer token, or the password of basic authentication.
async fn known(State(door): State<Arc<WatchDoor>>, request: Request, next: Next) -> Response {
    let Some(secret) = &door.secret else {
        return next.run(request).await;
    };
    let given = given_secret(request.headers());
    if !bool::from(given.as_slice().ct_eq(secret.reveal().as_bytes())) {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "neither X-API-Key nor Authorization holds the secret (watch.secret_file)",
        );
    }
    next.run(request).await
}

fn given_secret(headers: &HeaderMap) -> Vec<u8> {
    if let Some(key) = headers.get("x-api-key") {
        return key.as_bytes().to_vec();
    }
    let Some(value) = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
    else {
        return Vec::new();
    };
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or_default();
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return rest.as_bytes().to_vec();
    }
    if scheme.eq_ignore_ascii_case("basic")
        && let Ok(pair) = data_encoding::BASE64.decode(rest.as_bytes())
        && let Some(colon) = pair.iter().position(|byte| *byte == b':')
    {
        // Only the password is compared, as in weakforced.
        return pair[colon + 1..].to_vec();
    }
    Vec::new()
}

fn refuse(status: StatusCode, why: &str) -> Response {
    answered(status, auth_policy::failed(why))
}

fn answered(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn unfit(error: &Unfit) -> Response {
    refuse(StatusCode::BAD_REQUEST, &error.to_string())
}

#[derive(Deserialize)]
struct Asked {
    command: Option<String>,
}

async fn by_query(
    State(door): State<Arc<WatchDoor>>,
    Query(asked): Query<Asked>,
    body: Bytes,
) -> Response {
    door.command(asked.command.as_deref().unwrap_or_default(), &body)
        .await
}

async fn by_path(
    State(door): State<Arc<WatchDoor>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    door.command(&name, &body).await
}

impl WatchDoor {
    async fn command(&self, name: &str, body: &[u8]) -> Response {
        let Some(command) = Command::named(name) else {
            let why = format!("there is no such command; there are {}", Command::NAMES);
            return refuse(StatusCode::NOT_FOUND, &why);
        };
        match command {
            Command::Allow => self.allow(body),
            Command::Report => self.report(body),
            Command::Ping => answered(StatusCode::OK, auth_policy::done()),
            Command::Blocks | Command::Allows => self.lists(command).await,
            Command::Stats => self.stats(body),
            Command::Reset
            | Command::AddBlock
            | Command::DeleteBlock
            | Command::AddAllow
            | Command::DeleteAllow => match Entry::read(body, &self.limits) {
                Ok(entry) => self.change(command, &entry).await,
                Err(error) => unfit(&error),
            },
        }
    }

    /// Changes nothing: Dovecot asks twice for one login.
    fn allow(&self, body: &[u8]) -> Response {
        let told = match Told::read(body, false, self.nonce.as_ref(), &self.limits) {
            Ok(told) => told,
            Err(error) => return unfit(&error),
        };
        let answer = self
            .engine
            .watching()
            .may_login(now(), told.remote, told.device, &told.login);
        // A refusal says no more than a wrong password would.
        let (status, said) = match answer {
            LoginAnswer::Allow => (0, "allow"),
            LoginAnswer::Wait(secs) => (i64::from(secs), "wait"),
            // The dialect has no word for "later".
            LoginAnswer::TemporaryFailure => (-1, "later"),
            LoginAnswer::Refuse => (-1, "refuse"),
        };
        self.said("auth-policy", said);
        answered(StatusCode::OK, auth_policy::answer(status, ""))
    }

    fn report(&self, body: &[u8]) -> Response {
        let told = match Told::read(body, true, self.nonce.as_ref(), &self.limits) {
            Ok(told) => told,
            Err(error) => return unfit(&error),
        };
        let Some(outcome) = told.outcome else {
            return refuse(StatusCode::BAD_REQUEST, "success is missing");
        };
        let login = Login {
            password: told.password,
            ..Login::new(outcome)
        };
        let (account, login) = self.whose(Some(told.login), told.master, login);
        self.engine.watching().tell(Telling {
            door: Door::AuthPolicy,
            at: now(),
            protocol: told.protocol,
            ip: told.remote,
            device: told.device,
            account,
            session: told.session,
            act: Act::Login(login),
        });
        answered(StatusCode::OK, auth_policy::done())
    }

    /// A master user logs in with a password of its own: it is the one who did it, and opens somebody's mailbox.
    fn whose(
        &self,
        user: Option<String>,
        master: Option<String>,
        login: Login,
    ) -> (Option<String>, Login) {
        let (Some(name), Some(master)) = (&user, &master) else {
            return (user, login);
        };
        let watching = self.engine.watching();
        let into = watching.account(name);
        // Dovecot tells a user's own login by both names, and may write one with its domain and one without.
        if into == watching.account(master) {
            return (user, login);
        }
        let opened = Login {
            into,
            // Dovecot hashes it with the other name.
            password: None,
            ..login
        };
        (Some(master.clone()), opened)
    }

    fn said(&self, door: &'static str, said: &'static str) {
        let labels = AskedLabels { door, said };
        self.engine.metrics().asked.get_or_create(&labels).inc();
    }

    /// `reset` and the lists, as acts at the desk.
    async fn change(&self, command: Command, entry: &Entry) -> Response {
        let reason = if entry.reason.is_empty() {
            format!("{command:?} by auth policy")
        } else {
            entry.reason.clone()
        };
        let done = match command {
            Command::Reset | Command::DeleteBlock => match self.scope(entry) {
                Ok(scope) => self.desk.undo(scope, &reason).await,
                Err(why) => return refuse(StatusCode::BAD_REQUEST, why),
            },
            Command::AddBlock => match self.scope(entry) {
                Ok(scope) => {
                    let step = match &scope {
                        Scope::Source(_) => Step::BlockSource,
                        Scope::Pair(..) => Step::BlockPair,
                        Scope::Account(_) | Scope::Mailbox(_) => Step::Disable,
                    };
                    self.desk
                        .decide_about(scope, step, entry.expire_secs, &reason)
                        .await
                }
                Err(why) => return refuse(StatusCode::BAD_REQUEST, why),
            },
            Command::AddAllow | Command::DeleteAllow => {
                let Some(whom) = self.whom(entry) else {
                    let why = "an allowance is of an ip, a netmask or a login, not of ip and login together";
                    return refuse(StatusCode::BAD_REQUEST, why);
                };
                if command == Command::AddAllow {
                    let until = entry.expire_secs.map(|secs| now().plus_secs(secs));
                    self.desk.allow_watched(whom, until, &reason).await
                } else {
                    self.desk.disallow_watched(whom, &reason).await
                }
            }
            Command::Allow
            | Command::Report
            | Command::Blocks
            | Command::Allows
            | Command::Stats
            | Command::Ping => Ok(true),
        };
        match done {
            Ok(_) => answered(StatusCode::OK, auth_policy::done()),
            Err(DeskError::Store(error)) => {
                refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
            }
            Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }

    fn scope(&self, entry: &Entry) -> Result<Scope, &'static str> {
        let watching = self.engine.watching();
        let account = entry
            .login
            .as_deref()
            .and_then(|login| watching.account(login));
        match (entry.ip, account) {
            (Some(ip), Some(account)) => Ok(Scope::Pair(ip, account)),
            (Some(ip), None) => Ok(Scope::Source(ip)),
            (None, Some(account)) => Ok(Scope::Account(account)),
            (None, None) => Err(
                "whole networks are not blocked here: name an ip or a login, or put the network into the firewall",
            ),
        }
    }

    fn whom(&self, entry: &Entry) -> Option<Allowed> {
        match (entry.ip, entry.network, entry.login.as_deref()) {
            (Some(ip), None, None) => Some(Allowed::Network(IpNet::from(ip))),
            (None, Some(network), None) => Some(Allowed::Network(network)),
            (None, None, Some(login)) => {
                self.engine.watching().account(login).map(Allowed::Account)
            }
            _ => None,
        }
    }

    async fn lists(&self, command: Command) -> Response {
        if command == Command::Blocks {
            let standing = self.engine.watching().standing();
            let blocks = standing.iter().filter(|one| !one.simulated);
            let entries: Vec<_> = blocks.filter_map(block_entry).collect();
            return answered(StatusCode::OK, json!({ "bl_entries": entries }).to_string());
        }
        match self.desk.allowances().await {
            Ok(list) => {
                let entries: Vec<_> = list
                    .iter()
                    .map(|one| {
                        let key = match one.whom {
                            Allowed::Network(_) => "netmask",
                            Allowed::Account(_) => "login",
                            Allowed::Program(_) => "device",
                        };
                        let until = one.until.map(|until| until.to_string());
                        json!({ key: engine::allowed(&one.whom), "expiration": until.unwrap_or_default(), "reason": one.reason })
                    })
                    .collect();
                answered(StatusCode::OK, json!({ "wl_entries": entries }).to_string())
            }
            Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        }
    }

    fn stats(&self, body: &[u8]) -> Response {
        let entry = match Entry::read(body, &self.limits) {
            Ok(entry) => entry,
            Err(error) => return unfit(&error),
        };
        let scope = match self.scope(&entry) {
            Ok(scope) => scope,
            Err(why) => return refuse(StatusCode::BAD_REQUEST, why),
        };
        let standing = self.engine.watching().standing();
        let block = standing
            .iter()
            .find(|one| !one.simulated && one.scope == scope && block_entry(one).is_some());
        let body = json!({
            "key_name": engine::named(&scope),
            "blacklisted": block.is_some(),
            "bl_expire": block.map(|one| one.expires.to_string()).unwrap_or_default(),
            "bl_reason": block.map(|one| one.reason.clone()).unwrap_or_default(),
            "stats": {},
        });
        answered(StatusCode::OK, body.to_string())
    }
}

/// A decision in the words of weakforced's lists; none for what is no block.
fn block_entry(decision: &watch::Decision) -> Option<serde_json::Value> {
    let blocks = matches!(
        decision.step,
        Step::BlockSource | Step::BlockPair | Step::Disable
    );
    if !blocks {
        return None;
    }
    let mut entry =
        json!({ "expiration": decision.expires.to_string(), "reason": decision.reason });
    match &decision.scope {
        Scope::Source(ip) => entry["ip"] = json!(ip),
        Scope::Pair(ip, account) => {
            entry["ip"] = json!(ip);
            entry["login"] = json!(account);
        }
        Scope::Account(account) => entry["login"] = json!(account),
        Scope::Mailbox(_) => return None,
    }
    Some(entry)
}

/// Dovecot posts one event at a time; several lines are taken, too. One that cannot be used is named, the others count.
async fn take_events(State(door): State<Arc<WatchDoor>>, body: Bytes) -> Response {
    let mut wrong = None;
    for line in body.split(|byte| *byte == b'\n') {
        if let Err(error) = door.event_line(line) {
            wrong = Some(error);
        }
    }
    match wrong {
        None => answered(StatusCode::OK, auth_policy::done()),
        Some(error) => unfit(&error),
    }
}

impl WatchDoor {
    /// Takes one event in; an empty line is none.
    pub(super) fn event_line(&self, line: &[u8]) -> Result<(), Unfit> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        if let Some(event) = events::read(line, &self.kinds, &self.limits)? {
            self.event(event);
        }
        Ok(())
    }

    fn event(&self, event: events::Event) {
        let (mut act, mut account) = (event.act, event.user);
        if let Act::Login(login) = act {
            let (whose, login) = self.whose(account, event.master, login);
            (act, account) = (Act::Login(login), whose);
        }
        if let Act::Administer(Administer::Forward { target, ours }) = &mut act {
            *ours = self.engine.settings().site.is_local(target);
        }
        self.engine.watching().tell(Telling {
            door: Door::Events,
            at: now(),
            protocol: event.protocol,
            ip: event.ip,
            device: None,
            account,
            session: event.session,
            act,
        });
    }
}

async fn take_operations(State(door): State<Arc<WatchDoor>>, body: Bytes) -> Response {
    let told = match intake::read(&body, &door.limits) {
        Ok(told) => told,
        Err(error) => return unfit(&error),
    };
    let taken = told.len();
    for one in told {
        let (device, at) = (one.tag(), one.time(now()));
        door.engine.watching().tell(Telling {
            door: Door::Intake,
            at,
            protocol: one.protocol,
            ip: one.ip.map(|ip| ip.to_canonical()),
            device,
            account: one.account,
            session: one.session,
            act: one.act,
        });
    }
    answered(
        StatusCode::OK,
        json!({ "status": "ok", "taken": taken }).to_string(),
    )
}

/// How long the site's own authentication server is waited for.
const NEXT_PATIENCE: Duration = Duration::from_secs(10);
