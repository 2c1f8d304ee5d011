//! Messages: searched, and one of them explained.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::{Desk, Hint, MessageView, Page as Records, Query, Taught};
use judge::counterfactual::Change;
use mail::message::Hop;
use mail::verdict::Demand;
use mail::{Address, Domain, Fate, Level, Record, RecordId};

use super::{done, time};
use crate::Shared;
use crate::error::{ErrorPage, show};
use crate::fields::Fields;
use crate::page::Page;
use crate::visitor::{Sent, Visitor};

/// Records on a page.
pub(crate) const PAGE: u32 = 50;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/messages", get(list))
        .route("/messages/{id}", get(one))
        .route("/messages/{id}/teach", post(teach))
}

#[derive(Template)]
#[template(path = "messages.html")]
struct ListPage<'p> {
    p: &'p Page,
    f: Fields,
    /// More than the one field is filled in.
    detailed: bool,
    problems: Vec<String>,
    page: Records,
    next: String,
    hints: Vec<String>,
}

async fn list(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let p = &visitor.page;
    let fields = Fields::read(&query.unwrap_or_default());
    let (query, problems) = read_query(&fields, p);
    let found = async {
        let page = if problems.is_empty() {
            find(&visitor.desk, &query, &fields).await?
        } else {
            Records::default()
        };
        let hints = if page.records.is_empty() {
            visitor.desk.hints().await?
        } else {
            Vec::new()
        };
        Ok((page, hints))
    };
    match found.await {
        Ok((page, hints)) => show(&ListPage {
            p,
            detailed: [
                "from", "to", "subject", "ip", "account", "reason", "fate", "level", "since",
                "until",
            ]
            .iter()
            .any(|name| fields.some(name).is_some()),
            problems,
            next: page
                .next
                .map(|before| fields.with("before", &before.to_string()))
                .unwrap_or_default(),
            hints: hints.iter().map(|hint| hint_in_words(p, hint)).collect(),
            page,
            f: fields,
        }),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// Looks up; the one field is tried as whatever it can be.
async fn find(desk: &Desk, query: &Query, fields: &Fields) -> Result<Records, engine::DeskError> {
    let page = desk.messages(query).await?;
    let Some(any) = fields.some("q") else {
        return Ok(page);
    };
    // A queue id and a Message-ID look alike, and a word of a subject may look like either.
    if page.records.is_empty() && page.next.is_none() {
        for other in guesses(&any, query) {
            let page = desk.messages(&other).await?;
            if !page.records.is_empty() || page.next.is_some() {
                return Ok(page);
            }
        }
    }
    Ok(page)
}

/// What a text may mean besides what was tried first.
fn guesses(any: &str, query: &Query) -> Vec<Query> {
    let bare = Query {
        address: None,
        ip: None,
        subject: None,
        queue_id: None,
        message_id: None,
        ..query.clone()
    };
    let id = any.trim_start_matches('<').trim_end_matches('>').to_owned();
    vec![
        Query {
            message_id: Some(id.clone()),
            ..bare.clone()
        },
        Query {
            queue_id: Some(id),
            ..bare.clone()
        },
        Query {
            subject: Some(any.to_owned()),
            ..bare
        },
    ]
}

/// What is looked for, and what of it cannot be understood.
pub(crate) fn read_query(fields: &Fields, p: &Page) -> (Query, Vec<String>) {
    let mut problems = Vec::new();
    let mut complain =
        |key: &str, value: &str| problems.push(p.fill(key, &[("value", &p.safe(value))]));
    let mut query = Query {
        from: fields.some("from"),
        to: fields.some("to"),
        subject: fields.some("subject"),
        account: fields.some("account"),
        reason: fields.some("reason"),
        limit: PAGE,
        ..Query::default()
    };
    if let Some(ip) = fields.some("ip") {
        match ip.parse() {
            Ok(ip) => query.ip = Some(ip),
            Err(_) => complain("messages.no_ip", &ip),
        }
    }
    for (name, place) in [("since", &mut query.since), ("until", &mut query.until)] {
        if let Some(text) = fields.some(name) {
            *place = time(&text, p.now);
            if place.is_none() {
                complain("messages.no_time", &text);
            }
        }
    }
    if let Some(back) = fields.some("back") {
        query.since = query.since.or_else(|| time(&back, p.now));
    }
    if let Some(fate) = fields.some("fate") {
        query.fate = Fate::parse(&fate);
        if query.fate.is_none() {
            complain("messages.no_word", &fate);
        }
    }
    if let Some(level) = fields.some("level") {
        query.level = read_level(&level);
        if query.level.is_none() {
            complain("messages.no_word", &level);
        }
    }
    if let Some(before) = fields.some("before") {
        query.before = RecordId::parse(&before);
        if query.before.is_none() {
            complain("messages.no_word", &before);
        }
    }
    if let Some(any) = fields.some("q") {
        read_any(&any, &mut query);
    }
    (query, problems)
}

/// Reads a level.
pub(crate) fn read_level(text: &str) -> Option<Level> {
    super::LEVELS
        .into_iter()
        .find(|level| level.as_str() == text)
}

/// The one field: an address, a domain, a machine, an id; anything else is words of the subject.
fn read_any(any: &str, query: &mut Query) {
    if let Ok(ip) = any.parse() {
        query.ip = Some(ip);
    } else if let Some(id) = RecordId::parse(any) {
        query.since = query.since.or(Some(id.at()));
        query.until = query.until.or(Some(id.at().plus_secs(1)));
    } else if any.starts_with('<') && any.ends_with('>') {
        query.message_id = Some(any[1..any.len() - 1].to_owned());
    } else if any.contains('@') && !any.contains(' ') {
        query.address = Some(any.to_owned());
    } else if any.contains('.') && !any.contains(' ') && Domain::parse(any).is_ok() {
        query.address = Some(format!("@{any}"));
    } else {
        query.subject = Some(any.to_owned());
    }
}

fn hint_in_words(p: &Page, hint: &Hint) -> String {
    match hint {
        Hint::RecordsBeginAt(at) => p.fill("messages.records_begin", &[("at", &p.time(at))]),
        Hint::Unscanned(count) => p.count("messages.unscanned_hint", *count),
        Hint::NothingYet => p.t("messages.nothing_yet").to_owned(),
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct OnePage<'p> {
    p: &'p Page,
    r: &'p Record,
    m: &'p MessageView,
    changes: Vec<String>,
    envelope: Vec<(&'static str, String)>,
    path: Vec<String>,
    parts: Vec<&'p mail::message::Part>,
    oddities: Vec<String>,
    /// The sender who could be allowed.
    allow: Option<String>,
}

async fn one(visitor: Visitor, Path(id): Path<String>) -> Response {
    let p = &visitor.page;
    let message = match visitor.desk.message(&id).await {
        Ok(message) => message,
        Err(error) => return ErrorPage::new(p, error).into_response(),
    };
    let record = &message.record;
    let facts = record.facts.as_ref().map(|facts| &facts.message);
    show(&OnePage {
        p,
        r: record,
        m: &message,
        changes: message
            .changes
            .iter()
            .map(|change| change_in_words(p, change))
            .collect(),
        envelope: envelope(p, record),
        path: facts
            .map(|message| {
                message
                    .received
                    .iter()
                    .rev()
                    .map(|hop| hop_in_words(p, hop))
                    .collect()
            })
            .unwrap_or_default(),
        parts: facts
            .map(|message| message.parts.iter().take(50).collect())
            .unwrap_or_default(),
        oddities: facts
            .map(|message| {
                message
                    .oddities
                    .iter()
                    .filter_map(|oddity| {
                        serde_json::to_value(oddity)
                            .ok()?
                            .as_str()
                            .map(str::to_owned)
                    })
                    .collect()
            })
            .unwrap_or_default(),
        allow: record.header_from.clone(),
    })
}

/// The envelope, in the order people ask about it.
fn envelope(p: &Page, record: &Record) -> Vec<(&'static str, String)> {
    let envelope = &record.envelope;
    let peer = &envelope.peer;
    let from = envelope.envelope_from.as_ref().map(Address::as_str);
    let machine = peer.ip.map_or_else(
        || p.t("message.the_server_itself").to_owned(),
        |ip| {
            let name = peer.ptr_name.as_deref().unwrap_or(p.t("message.no_ptr"));
            format!("{ip} ({})", p.safe(name))
        },
    );
    let mut rows = vec![
        ("messages.from", p.sender(record.header_from.as_deref())),
        ("message.envelope_from", p.sender(from)),
        (
            "messages.to",
            envelope
                .recipients
                .iter()
                .take(20)
                .map(|to| p.safe(to.as_str()))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        (
            "message.direction",
            p.family("direction", envelope.direction.as_str()),
        ),
        ("message.machine", machine),
        ("message.helo", p.or_dash(envelope.helo_name.as_deref())),
    ];
    let tls = envelope
        .tls
        .as_ref()
        .map(|tls| format!("{} {}", tls.version, tls.cipher));
    for (key, value) in [
        ("message.tls", tls.as_deref()),
        ("messages.account", envelope.account.as_deref()),
        ("message.queue_id", envelope.queue_id.as_deref()),
        ("message.message_id", record.message_id.as_deref()),
    ] {
        if value.is_some() {
            rows.push((key, p.or_dash(value)));
        }
    }
    rows.push(("message.size", p.bytes(&record.size_bytes)));
    rows.push(("message.digest", record.digest.clone()));
    rows
}

fn hop_in_words(p: &Page, hop: &Hop) -> String {
    let from = hop
        .helo_name
        .as_deref()
        .or(hop.ptr_name.as_deref())
        .unwrap_or("?");
    let ip = hop.ip.map(|ip| format!(" [{ip}]")).unwrap_or_default();
    let by = hop
        .by
        .as_deref()
        .map(|by| format!(" → {}", p.safe(by)))
        .unwrap_or_default();
    let with = hop
        .with
        .as_deref()
        .map(|with| format!(" · {}", p.safe(with)))
        .unwrap_or_default();
    let at = hop
        .at
        .map(|at| format!(" · {}", p.time(&at)))
        .unwrap_or_default();
    format!("{}{ip}{by}{with}{at}", p.safe(from))
}

/// A change that would have altered the outcome, as a sentence.
fn change_in_words(p: &Page, change: &Change) -> String {
    match change {
        Change::Without {
            reasons,
            score,
            level,
        } => p.fill(
            "change.without",
            &[
                ("reasons", &p.safe(&reasons.join(", "))),
                ("score", &p.score(score)),
                ("level", &p.level(level)),
            ],
        ),
        Change::Boundary { level, from, to } => p.fill(
            "change.boundary",
            &[
                ("level", &p.level(level)),
                ("from", &p.score(from)),
                ("to", &p.score(to)),
            ],
        ),
        Change::More { score, level } => p.fill(
            "change.more",
            &[("score", &p.score(score)), ("level", &p.level(level))],
        ),
        Change::Demand { reason, demand } => {
            let demanded = match demand {
                Demand::Level(level) => p.level(level),
                Demand::Action(action) => p.action(action),
            };
            p.fill(
                "change.demand",
                &[("reason", &p.safe(reason)), ("demanded", &demanded)],
            )
        }
    }
}

/// What is said when somebody has taught.
pub(super) const fn taught_words(taught: Taught) -> &'static str {
    match taught {
        Taught::Learnt => "done.taught",
        Taught::Noted => "done.noted",
        Taught::Known => "done.taught_before",
    }
}

async fn teach(Path(id): Path<String>, sent: Sent) -> Response {
    let p = &sent.visitor.page;
    let wanted = sent.fields.get("label") == "wanted";
    let taught = async {
        let record = sent.visitor.desk.find_one(&id).await?;
        let class = sent.fields.some("class");
        let desk = &sent.visitor.desk;
        desk.teach_class(record.id, wanted, class.as_deref()).await
    };
    match taught.await {
        Ok(taught) => done(&format!("/messages/{id}"), taught_words(taught), ""),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}
