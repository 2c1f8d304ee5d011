//! nginx' `auth_http`: between nginx and the site's own authentication server.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::Telling;
use engine::clock::now;
use mail::operation::{Act, Door, FailType, Login, LoginOutcome, PasswordTag};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use watch::LoginAnswer;
use wire::auth_http::{Question, outcome};

use super::{NEXT_PATIENCE, WatchDoor};

/// After so many tries in one session nginx is told to close it: it frees nothing before.
const ATTEMPTS_MAX: u32 = 10;
/// What is said to a login that is refused, whoever refuses it.
const REFUSED: &str = "Invalid login or password";
/// Longest answer of the authentication server, bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// What nginx asks.
pub async fn ask(State(door): State<Arc<WatchDoor>>, headers: HeaderMap) -> Response {
    let Some(next) = &door.next else {
        tracing::error!(
            "nginx asks, and nobody is named who knows passwords: set watch.auth_http_next"
        );
        return fields(&[
            ("auth-status", "Temporary server problem, try again later"),
            ("auth-error-code", "454 4.7.0"),
        ]);
    };
    let field = |name: &str| {
        let value = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let question = Question::read(field);
    if let Some(question) = &question {
        let watching = door.engine.watching();
        match watching.may_login(now(), question.client, None, &question.user) {
            LoginAnswer::Allow => door.said("auth-http", "allow"),
            LoginAnswer::Wait(secs) => {
                // Whoever waits here holds a connection of nginx and one of ours, so not everybody may.
                let Ok(_place) = door.waits.try_acquire() else {
                    door.said("auth-http", "later");
                    door.tell_login(question, LoginOutcome::Failed(FailType::Policy), None);
                    return later();
                };
                door.said("auth-http", "wait");
                tokio::time::sleep(Duration::from_secs(u64::from(secs))).await;
            }
            LoginAnswer::TemporaryFailure => {
                door.said("auth-http", "later");
                door.tell_login(question, LoginOutcome::Failed(FailType::Policy), None);
                return later();
            }
            LoginAnswer::Refuse => {
                door.said("auth-http", "refuse");
                door.tell_login(question, LoginOutcome::Failed(FailType::Policy), None);
                return wrong(question.attempt);
            }
        }
    }
    match pass_on(next, &headers).await {
        Ok(answer) => {
            if let Some(question) = &question {
                let status = answer
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case("auth-status"));
                let status = status.map_or("", |(_, value)| value.as_str());
                let outcome = outcome(status);
                let right = outcome == LoginOutcome::Succeeded;
                let breached = match &question.password {
                    Some(password) if right => door.engine.watching().is_breached(password).await,
                    _ => None,
                };
                door.tell_login(question, outcome, breached);
            }
            let shown: Vec<(&str, &str)> = answer
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            fields(&shown)
        }
        Err(error) => {
            tracing::error!("the authentication server {next} does not answer: {error}");
            fields(&[
                ("auth-status", "Temporary server problem, try again later"),
                ("auth-error-code", "454 4.7.0"),
                ("auth-wait", "3"),
            ])
        }
    }
}

impl WatchDoor {
    /// As Dovecot tags it, where its nonce is known, so that two doors tag one password alike.
    fn password_tag(&self, user: &str, password: &str) -> PasswordTag {
        match &self.nonce {
            Some(nonce) => PasswordTag::new(nonce.hash(user, password, 12) as u16),
            None => self.engine.watching().password_tag(user, password),
        }
    }

    fn tell_login(&self, question: &Question, outcome: LoginOutcome, breached: Option<bool>) {
        let watching = self.engine.watching();
        let password = question.password.as_deref();
        let failed = !matches!(outcome, LoginOutcome::Succeeded);
        watching.tell(Telling {
            door: Door::AuthHttp,
            at: now(),
            protocol: question.protocol,
            ip: question.client,
            device: None,
            account: Some(question.user.clone()),
            session: None,
            act: Act::Login(Login {
                breached,
                password: password.map(|password| self.password_tag(&question.user, password)),
                spray: password
                    .filter(|_| failed)
                    .map(|password| watching.spray_tag(password)),
                ..Login::new(outcome)
            }),
        });
    }
}

/// Clients keep the password and come again.
fn later() -> Response {
    fields(&[
        ("auth-status", "Temporary authentication failure"),
        ("auth-error-code", "454 4.7.0"),
    ])
}

/// The same words for a wrong password and for one that was not looked at.
fn wrong(attempt: u32) -> Response {
    if attempt >= ATTEMPTS_MAX {
        fields(&[("auth-status", REFUSED)])
    } else {
        fields(&[("auth-status", REFUSED), ("auth-wait", "3")])
    }
}

fn fields(fields: &[(&str, &str)]) -> Response {
    let mut response = StatusCode::OK.into_response();
    for (name, value) in fields {
        let name = HeaderName::try_from(name.to_ascii_lowercase());
        // A value with line ends in it is no value.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(*value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Asks the site's own server with nginx' own words; its header fields that begin with `Auth-`.
async fn pass_on(next: &str, headers: &HeaderMap) -> std::io::Result<Vec<(String, String)>> {
    let wrong = |what: &str| std::io::Error::other(what.to_owned());
    let rest = next
        .strip_prefix("http://")
        .ok_or_else(|| wrong("no http://"))?;
    let (host, path) = rest
        .split_once('/')
        .map_or((rest, String::from("/")), |(host, path)| {
            (host, format!("/{path}"))
        });
    let address = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n");
    for (name, value) in headers {
        let name = name.as_str();
        let asks = name.starts_with("auth-")
            || name.starts_with("client-")
            || name.starts_with("proxy-protocol-")
            || name.starts_with("x-");
        if let (true, Ok(value)) = (asks && name != "x-api-key", value.to_str()) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    request.push_str("\r\n");
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(&address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream
            .take(ANSWER_BYTES_MAX)
            .read_to_end(&mut answer)
            .await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(NEXT_PATIENCE, exchange)
        .await
        .map_err(|_| wrong("it took too long"))??;
    let text = String::from_utf8_lossy(&answer);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/") || status.split(' ').nth(1) != Some("200") {
        return Err(wrong("it answers otherwise than 200"));
    }
    let fields = lines.filter_map(|line| line.split_once(':'));
    let fields =
        fields.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    Ok(fields
        .filter(|(name, _)| name.starts_with("auth-"))
        .collect())
}
