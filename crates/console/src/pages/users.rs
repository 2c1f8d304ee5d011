//! What users do: what stands against whom, what was seen, and everything of one account, address or machine on one line of time.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use engine::watch::{Allowance, Allowed, Author, Decision, Scope, Step};
use engine::{
    DecisionView, Desk, DeskError, DetectionView, Happening, Identity, Moment, WatchFilter, named,
    read_allowed,
};
use mail::operation::{Act, Administer, List, LoginOutcome, Reply, Said};
use mail::{Account, Address, Operation, Record, RecordId, Timestamp};

use super::done;
use crate::Shared;
use crate::error::{ErrorPage, Problem, show};
use crate::fields::Fields;
use crate::page::Page;
use crate::visitor::{Sent, Visitor};

/// Decisions and detections shown on the first page.
const SHOWN: u32 = 100;
/// Moments shown on one page of a line of time.
const MOMENTS: u32 = 100;
/// Steps a person may choose, the softest first.
const STEPS: [Step; 8] = [
    Step::SlowSource,
    Step::DeferMail,
    Step::BlockPair,
    Step::Protect,
    Step::Freeze,
    Step::ResetCredential,
    Step::BlockSource,
    Step::Disable,
];
/// How long, as the form offers it: words and seconds; none is as long as the step usually stands.
const SPANS: [(&str, Option<i64>); 5] = [
    ("usual", None),
    ("hour", Some(3_600)),
    ("day", Some(86_400)),
    ("week", Some(7 * 86_400)),
    ("month", Some(30 * 86_400)),
];

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/users", get(users))
        .route("/users/find", get(find))
        .route("/users/decide", post(decide))
        .route("/users/undo", post(undo))
        .route("/users/allow", post(allow))
        .route("/users/disallow", post(disallow))
        .route("/users/{kind}/{name}", get(one))
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage<'p> {
    p: &'p Page,
    standing: Vec<DecisionView>,
    seen: Vec<DetectionView>,
    allowed: Vec<Allowance>,
    steps: [Step; 8],
    spans: [(&'static str, Option<i64>); 5],
    enforcing: usize,
    detectors: usize,
    enforce: bool,
    /// Nothing automatic is done before.
    observes_until: Option<Timestamp>,
    problem: String,
}

async fn users(State(shared): State<Arc<Shared>>, visitor: Visitor) -> Response {
    users_page(&shared, &visitor, None).await
}

async fn users_page(shared: &Shared, visitor: &Visitor, error: Option<DeskError>) -> Response {
    let p = &visitor.page;
    let found = async {
        let desk = &visitor.desk;
        let standing = WatchFilter {
            standing_at: Some(p.now),
            limit: SHOWN,
            ..WatchFilter::default()
        };
        let seen = WatchFilter {
            since: Some(p.now.plus_secs(-7 * 86_400)),
            limit: SHOWN,
            ..WatchFilter::default()
        };
        Ok((
            desk.decisions(&standing).await?,
            desk.detections(&seen).await?,
            desk.allowances().await?,
            desk.watch_settings().await?.1,
        ))
    };
    match found.await {
        Ok((standing, seen, allowed, settings)) => {
            let acts = settings
                .detectors
                .iter()
                .filter(|one| one.mode == engine::watch::Mode::Enforce);
            let status = error.as_ref().map_or(StatusCode::OK, |error| {
                StatusCode::from_u16(Problem::of(error).status).unwrap_or(StatusCode::CONFLICT)
            });
            let page = show(&UsersPage {
                p,
                standing,
                seen,
                allowed,
                steps: STEPS,
                spans: SPANS,
                enforcing: acts.count(),
                detectors: settings.detectors.len(),
                enforce: settings.enforce,
                observes_until: shared.engine.watching().observes_until(),
                problem: error
                    .as_ref()
                    .map(|error| problem_in_words(p, error))
                    .unwrap_or_default(),
            });
            (status, page).into_response()
        }
        Err(other) => ErrorPage::new(p, error.unwrap_or(other)).into_response(),
    }
}

fn problem_in_words(p: &Page, error: &DeskError) -> String {
    match error {
        DeskError::NeedsReason => p.t("problem.needs_reason").to_owned(),
        other => p.safe(&other.to_string()),
    }
}

/// Leads from what somebody typed to its line of time: an address of a machine, an account, an address of mail.
async fn find(
    _visitor: Visitor,
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Response {
    let fields = Fields::read(&query.unwrap_or_default());
    let who = fields.get("who").trim();
    let kind = match fields.get("kind") {
        "address" => "address",
        "ip" => "ip",
        _ if who.parse::<IpAddr>().is_ok() => "ip",
        _ => "account",
    };
    if who.is_empty() {
        return Redirect::to("/users").into_response();
    }
    // Under the one name it is kept by.
    let account = shared.engine.watching().account(who);
    let name = match (&account, kind) {
        (Some(account), "account") => account.as_str(),
        _ => who,
    };
    Redirect::to(&format!("/users/{kind}/{}", percent(name))).into_response()
}

/// A piece of a path.
pub(crate) fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage<'p> {
    p: &'p Page,
    name: String,
    kind: String,
    rows: Vec<Row>,
    standing: Vec<DecisionView>,
    steps: [Step; 8],
    spans: [(&'static str, Option<i64>); 5],
    account: Option<String>,
    ip: Option<String>,
    older: Option<RecordId>,
}

/// A moment in words.
struct Row {
    at: mail::Timestamp,
    /// Which kind of thing, for its mark.
    mark: &'static str,
    what: String,
    words: String,
    from: Option<String>,
    /// Where in the world that is.
    place: Option<String>,
    link: Option<String>,
    /// How often in a row.
    times: usize,
}

async fn one(
    visitor: Visitor,
    Path((kind, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let p = &visitor.page;
    let fields = Fields::read(&query.unwrap_or_default());
    let before = RecordId::parse(fields.get("before"));
    let found = async {
        let identity = identity(&visitor.desk, &kind, &name)?;
        let moments = visitor
            .desk
            .timeline(&identity, None, before, MOMENTS)
            .await?;
        let standing = visitor.desk.stands_about(&identity).await?;
        Ok::<_, DeskError>((identity, moments, standing))
    };
    let (identity, moments, standing) = match found.await {
        Ok(found) => found,
        Err(error) => return ErrorPage::new(p, error).into_response(),
    };
    let older = moments.last().map(|moment| moment.id);
    let older = older.filter(|_| moments.len() == MOMENTS as usize);
    let (account, ip) = match &identity {
        Identity::Account(account) => (Some(account.to_string()), None),
        Identity::Ip(ip) => (None, Some(ip.to_string())),
        Identity::Address(_) => (None, None),
    };
    show(&UserPage {
        p,
        name: account
            .clone()
            .or_else(|| ip.clone())
            .unwrap_or_else(|| p.safe(&name)),
        kind,
        standing,
        rows: rows(p, &moments),
        steps: STEPS,
        spans: SPANS,
        account,
        ip,
        older,
    })
}

fn identity(desk: &Desk, kind: &str, name: &str) -> Result<Identity, DeskError> {
    let unknown = || DeskError::NotFound(format!("{kind} {name:?}"));
    Ok(match kind {
        "ip" => Identity::Ip(name.parse().map_err(|_| unknown())?),
        "address" => Identity::Address(Address::new(name).ok_or_else(unknown)?),
        "account" => Identity::Account(
            Account::new(name, desk.limits().address_bytes_max).ok_or_else(unknown)?,
        ),
        _ => return Err(unknown()),
    })
}

/// The moments in words; the same again and again is one row.
fn rows(p: &Page, moments: &[Moment]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for moment in moments {
        let row = row(p, moment);
        match rows.last_mut() {
            Some(last)
                if (&last.what, &last.words, &last.from) == (&row.what, &row.words, &row.from) =>
            {
                last.times += 1;
            }
            _ => rows.push(row),
        }
    }
    rows
}

fn row(p: &Page, moment: &Moment) -> Row {
    let at = moment.at;
    match &moment.what {
        Happening::Operation(operation) => Row {
            at,
            mark: match &operation.act {
                Act::Login(login) if login.outcome != LoginOutcome::Succeeded => "bad",
                _ => "done",
            },
            what: p.family("operation", word(&operation.kind()).as_str()),
            words: operation_in_words(p, operation),
            from: operation.source.ip.map(|ip| ip.to_string()),
            link: None,
            place: operation.source.place.yes().map(ToString::to_string),
            times: 1,
        },
        Happening::Message(record) => Row {
            at,
            mark: "mail",
            what: p.family("fate", record.fate.as_str()),
            words: message_in_words(p, record),
            from: record.envelope.peer.ip.map(|ip| ip.to_string()),
            link: Some(format!("/messages/{}", record.id)),
            place: None,
            times: 1,
        },
        Happening::Detection(seen) => Row {
            at,
            mark: if seen.acts { "seen" } else { "hint" },
            what: p.t("users.seen").to_owned(),
            words: p.safe(&seen.words),
            from: seen.ip.clone(),
            link: None,
            place: None,
            times: 1,
        },
        Happening::Decision(view) => Row {
            at,
            mark: if view.decision.simulated {
                "hint"
            } else {
                "decided"
            },
            what: format!(
                "{}, {}",
                p.family("step", view.decision.step.name()),
                state(p, view)
            ),
            words: format!(
                "{}: {}",
                p.safe(&named(&view.decision.scope)),
                p.safe(&view.decision.reason)
            ),
            from: None,
            link: None,
            place: None,
            times: 1,
        },
    }
}

impl UsersPage<'_> {
    fn state(&self, view: &DecisionView) -> String {
        state(self.p, view)
    }

    fn whom(&self, decision: &Decision) -> String {
        self.p.safe(&named(&decision.scope))
    }

    fn link(&self, decision: &Decision) -> String {
        link(&decision.scope)
    }

    fn author(&self, decision: &Decision) -> String {
        author(self.p, decision)
    }

    fn allowed_name(&self, whom: &Allowed) -> String {
        engine::allowed(whom)
    }
}

impl UserPage<'_> {
    fn state(&self, view: &DecisionView) -> String {
        state(self.p, view)
    }

    fn author(&self, decision: &Decision) -> String {
        author(self.p, decision)
    }
}

fn author(p: &Page, decision: &Decision) -> String {
    match &decision.author {
        Author::Detector(id) => p.safe(id),
        Author::Person(name) => p.safe(name),
    }
}

fn link(scope: &Scope) -> String {
    match scope {
        Scope::Source(ip) => format!("/users/ip/{}", percent(&ip.to_string())),
        Scope::Pair(_, account) | Scope::Account(account) => {
            format!("/users/account/{}", percent(account.as_str()))
        }
        Scope::Mailbox(address) => format!("/users/address/{}", percent(&address.key())),
    }
}

/// How it is with a decision.
fn state(p: &Page, view: &DecisionView) -> String {
    let key = if view.decision.held_back.is_some() {
        "users.held_back"
    } else if view.decision.simulated {
        "users.observed"
    } else if view.ended.is_some() {
        "users.ended"
    } else if view.stands(p.now) {
        "users.stands"
    } else {
        "users.over"
    };
    p.t(key).to_owned()
}

fn word(of: &impl serde::Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn message_in_words(p: &Page, record: &Record) -> String {
    let envelope = &record.envelope;
    let from = envelope.envelope_from.as_ref().map(Address::key);
    let to: Vec<String> = envelope
        .recipients
        .iter()
        .take(3)
        .map(Address::key)
        .collect();
    let more = envelope.recipients.len().saturating_sub(3);
    let mut words = p.fill(
        "users.mail",
        &[
            ("from", p.sender(from.as_deref()).as_str()),
            ("to", p.safe(&to.join(", ")).as_str()),
        ],
    );
    if more > 0 {
        words.push_str(&p.count("users.more", more));
    }
    if !record.subject.is_empty() {
        words.push_str(": ");
        words.push_str(&p.safe(&record.subject));
    }
    words
}

fn operation_in_words(p: &Page, operation: &Operation) -> String {
    let protocol = word(&operation.protocol);
    let number = |number: u32| p.number(u64::from(number));
    let words = match &operation.act {
        Act::Login(login) => match login.outcome {
            LoginOutcome::Succeeded => match &login.into {
                Some(into) => p.fill("users.opened", &[("whose", p.safe(into.as_str()).as_str())]),
                None => p.t("users.logged_in").to_owned(),
            },
            LoginOutcome::Failed(why) => p.fill(
                "users.login_failed",
                &[("why", p.family("failed", word(&why).as_str()).as_str())],
            ),
        },
        Act::Send(sent) => p.count("users.sent", sent.recipients.len()),
        Act::Reply(Reply::Delivered) => p.t("users.arrived").to_owned(),
        Act::Reply(Reply::NoSuchRecipient) => p.t("users.came_back").to_owned(),
        Act::Reply(Reply::CalledSpam) => p.t("users.called_spam").to_owned(),
        Act::Retrieve(read) => p.fill(
            "users.read",
            &[
                ("n", number(read.messages).as_str()),
                ("bytes", p.bytes(&read.bytes).as_str()),
            ],
        ),
        Act::Reply(Reply::Complained) => p.t("users.complained").to_owned(),
        Act::List(List { folders: 0, .. }) => p.t("users.searched").to_owned(),
        Act::List(list) => p.fill("users.listed", &[("n", number(list.folders).as_str())]),
        Act::Append(append) => p.fill(
            "users.appended",
            &[
                ("n", number(append.messages).as_str()),
                ("bytes", p.bytes(&append.bytes).as_str()),
            ],
        ),
        Act::Fault(fault) => p.family("fault", word(fault).as_str()),
        Act::Delete(deleted) => {
            p.fill("users.deleted", &[("n", number(deleted.messages).as_str())])
        }
        Act::Administer(Administer::Forward { target, ours }) => p.fill(
            if *ours {
                "users.forward_ours"
            } else {
                "users.forward"
            },
            &[("to", p.safe(&target.key()).as_str())],
        ),
        Act::Administer(Administer::Hide { .. }) => p.t("users.hides").to_owned(),
        Act::Administer(Administer::Other) => p.t("users.administered").to_owned(),
        Act::Probe { recipient, said } => p.fill(
            match said {
                Said::Exists => "users.asked_exists",
                Said::Unknown => "users.asked_unknown",
                Said::RelayDenied => "users.asked_relay",
            },
            &[("to", p.safe(&recipient.key()).as_str())],
        ),
        Act::Control => p.t("users.control").to_owned(),
    };
    format!("{protocol}: {words}")
}

/// Whom a form is about.
fn scope(shared: &Shared, fields: &Fields) -> Result<Scope, DeskError> {
    let unfit = || DeskError::Unfit("name an account, an IP address, or both".to_owned());
    let ip = match fields.some("ip") {
        None => None,
        Some(text) => Some(text.parse::<IpAddr>().map_err(|_| unfit())?.to_canonical()),
    };
    let account = fields
        .some("account")
        .and_then(|name| shared.engine.watching().account(&name));
    match (ip, account) {
        (Some(ip), Some(account)) => Ok(Scope::Pair(ip, account)),
        (Some(ip), None) => Ok(Scope::Source(ip)),
        (None, Some(account)) => Ok(Scope::Account(account)),
        (None, None) => Err(unfit()),
    }
}

async fn decide(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let fields = &sent.fields;
    let decided = async {
        let scope = scope(&shared, fields)?;
        let step = fields.get("step");
        let step = STEPS.into_iter().find(|one| one.name() == step);
        let step = step.ok_or_else(|| DeskError::Unfit("choose what is done".to_owned()))?;
        let secs = SPANS.iter().find(|(name, _)| *name == fields.get("span"));
        let secs = secs.and_then(|(_, secs)| *secs);
        let reason = fields.get("reason");
        sent.visitor
            .desk
            .decide_about(scope.clone(), step, secs, reason)
            .await?;
        Ok(link(&scope))
    };
    finish(&shared, &sent, decided.await, "done.decided").await
}

async fn undo(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let fields = &sent.fields;
    let undone = async {
        let id = RecordId::parse(fields.get("id"));
        let id = id.ok_or_else(|| DeskError::NotFound("a decision of that name".to_owned()))?;
        let (decision, _) = sent
            .visitor
            .desk
            .undo_decision(id, fields.get("reason"))
            .await?;
        Ok(link(&decision.scope))
    };
    finish(&shared, &sent, undone.await, "done.undone").await
}

async fn allow(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let fields = &sent.fields;
    let allowed = async {
        let whom = whom(&shared, fields)?;
        let secs = SPANS.iter().find(|(name, _)| *name == fields.get("span"));
        let until = secs
            .and_then(|(_, secs)| *secs)
            .map(|secs| sent.visitor.page.now.plus_secs(secs));
        sent.visitor
            .desk
            .allow_watched(whom, until, fields.get("reason"))
            .await?;
        Ok("/users".to_owned())
    };
    finish(&shared, &sent, allowed.await, "done.user_allowed").await
}

async fn disallow(State(shared): State<Arc<Shared>>, sent: Sent) -> Response {
    let fields = &sent.fields;
    let taken_back = async {
        let whom = whom(&shared, fields)?;
        sent.visitor
            .desk
            .disallow_watched(whom, fields.get("reason"))
            .await?;
        Ok("/users".to_owned())
    };
    finish(&shared, &sent, taken_back.await, "done.user_disallowed").await
}

fn whom(shared: &Shared, fields: &Fields) -> Result<Allowed, DeskError> {
    let text = fields.get("whom").trim();
    read_allowed(text, |name| shared.engine.watching().account(name))
        .ok_or_else(|| DeskError::Unfit("name a network, an IP address or an account".to_owned()))
}

async fn finish(
    shared: &Shared,
    sent: &Sent,
    outcome: Result<String, DeskError>,
    key: &str,
) -> Response {
    match outcome {
        Ok(to) => done(&to, key, ""),
        Err(error @ (DeskError::Forbidden(_) | DeskError::Store(_))) => {
            ErrorPage::new(&sent.visitor.page, error).into_response()
        }
        Err(error) => users_page(shared, &sent.visitor, Some(error)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn names_are_one_piece_of_a_path() {
        assert_eq!(percent("ann@ours.example"), "ann@ours.example");
        assert_eq!(percent("2001:db8::1"), "2001%3Adb8%3A%3A1");
        assert_eq!(percent("a/b?c#d é"), "a%2Fb%3Fc%23d%20%C3%A9");
    }
}
