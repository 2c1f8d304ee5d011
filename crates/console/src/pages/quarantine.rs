//! The quarantine: held mail, read safely, decided about one by one or many at once.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use engine::{Desk, DeskError, Held, HeldFilter, HeldView, HoldState, Right};
use judge::edit::ListEntry;
use mail::message::Role;
use mail::{Opened, RecordId};

use super::done;
use super::messages::{PAGE, read_level};
use crate::Shared;
use crate::error::{ErrorPage, show};
use crate::fields::Fields;
use crate::html::{safe, visible};
use crate::page::Page;
use crate::visitor::{Sent, Visitor};

/// Source shown on a page, bytes; the whole can be downloaded.
const SOURCE_MAX: usize = 100_000;
/// Text shown of a part, bytes.
const TEXT_MAX: usize = 200_000;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/quarantine", get(list))
        .route("/quarantine/decide", post(preview))
        .route("/quarantine/do", post(decide_many))
        .route("/quarantine/{id}", get(one))
        .route("/quarantine/{id}/read", post(read))
        .route("/quarantine/{id}/decide", post(decide_one))
        .route("/quarantine/{id}/frame/{part}", get(frame))
        .route("/quarantine/{id}/source", get(source))
        .route("/quarantine/{id}/part/{part}", post(part))
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct ListPage<'p> {
    p: &'p Page,
    f: Fields,
    items: Vec<Held>,
    all: bool,
    days: i64,
    next: Option<String>,
}

async fn list(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let p = &visitor.page;
    let fields = Fields::read(&query.unwrap_or_default());
    let filter = HeldFilter {
        all: fields.has("all"),
        to: fields.some("to"),
        from: fields.some("from"),
        subject: fields.some("subject"),
        level: fields.some("level").and_then(|level| read_level(&level)),
        before: fields
            .some("before")
            .and_then(|before| RecordId::parse(&before)),
        limit: PAGE + 1,
        ..HeldFilter::default()
    };
    let found = async {
        let items = visitor.desk.held_list(&filter).await?;
        Ok((items, visitor.desk.held_days().await?))
    };
    match found.await {
        Ok((mut items, days)) => {
            let more = items.len() > PAGE as usize;
            items.truncate(PAGE as usize);
            let last = items.last().filter(|_| more);
            show(&ListPage {
                p,
                next: last.map(|last| fields.with("before", &last.id.to_string())),
                all: filter.all,
                f: fields,
                items,
                days: i64::from(days),
            })
        }
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// The items a form names.
fn items(fields: &Fields) -> Vec<RecordId> {
    let mut items: Vec<RecordId> = fields
        .all("item")
        .into_iter()
        .filter_map(RecordId::parse)
        .collect();
    items.sort_unstable();
    items.dedup();
    items
}

#[derive(Template)]
#[template(path = "decide.html")]
struct DecidePage<'p> {
    p: &'p Page,
    title: &'static str,
    act: &'static str,
    items: Vec<Held>,
    reason: String,
    problem: String,
}

/// What an act on many would be done to, before it is done.
async fn preview(sent: Sent) -> Response {
    let problem = String::new();
    preview_page(&sent.visitor, &sent.fields, problem, StatusCode::OK).await
}

async fn preview_page(
    visitor: &Visitor,
    fields: &Fields,
    mut problem: String,
    status: StatusCode,
) -> Response {
    let p = &visitor.page;
    let (title, act) = if fields.get("act") == "delete" {
        ("quarantine.delete_many", "delete")
    } else {
        ("quarantine.release_many", "release")
    };
    let mut held = Vec::new();
    for item in items(fields) {
        if let Ok(view) = visitor.desk.held(item).await {
            held.push(view.held);
        }
    }
    if held.is_empty() && problem.is_empty() {
        problem = p.t("quarantine.nothing_chosen").to_owned();
    }
    let page = show(&DecidePage {
        p,
        title,
        act,
        items: held,
        reason: fields.get("reason").to_owned(),
        problem,
    });
    (status, page).into_response()
}

#[derive(Template)]
#[template(path = "decided.html")]
struct DecidedPage<'p> {
    p: &'p Page,
    done: usize,
    failed: usize,
    failures: Vec<(RecordId, String)>,
}

async fn decide_many(sent: Sent) -> Response {
    let p = &sent.visitor.page;
    let items = items(&sent.fields);
    let reason = sent.fields.get("reason").trim();
    let desk = &sent.visitor.desk;
    let decided = if sent.fields.get("act") == "delete" {
        desk.delete_many(&items, reason).await
    } else {
        desk.release_many(&items, reason).await
    };
    match decided {
        Ok(decided) => {
            let failures: Vec<(RecordId, String)> = decided
                .iter()
                .filter_map(|one| Some((one.item, one.outcome.as_ref().err()?.to_string())))
                .collect();
            show(&DecidedPage {
                p,
                done: decided.len() - failures.len(),
                failed: failures.len(),
                failures,
            })
        }
        Err(
            error @ (DeskError::NeedsReason | DeskError::NeedsApproval(_) | DeskError::Unfit(_)),
        ) => {
            let problem = in_words(p, &error);
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            preview_page(&sent.visitor, &sent.fields, problem, status).await
        }
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

fn in_words(p: &Page, error: &DeskError) -> String {
    match error {
        DeskError::NeedsReason => p.t("problem.needs_reason").to_owned(),
        DeskError::NeedsApproval(_) => p.t("problem.needs_approval").to_owned(),
        other => p.safe(&other.to_string()),
    }
}

#[derive(Template)]
#[template(path = "held.html")]
struct OnePage<'p> {
    p: &'p Page,
    h: &'p HeldView,
    is_held: bool,
    opened: Option<Opened>,
    shown: &'static str,
    views: [(&'static str, &'static str); 3],
    /// Text parts, in pieces: marked or not.
    texts: Vec<(String, Vec<(bool, String)>)>,
    /// Paths of the parts that are HTML.
    htmls: Vec<String>,
    source: String,
    source_cut: bool,
    /// The text is gone: why.
    gone: String,
    /// Somebody else must agree first.
    waiting: String,
    can_allow: bool,
    allow_sender: String,
    allow_from: String,
}

async fn one(visitor: Visitor, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    let p = &visitor.page;
    let Some(item) = RecordId::parse(&id) else {
        return ErrorPage::new(p, DeskError::NotFound(format!("quarantined message {id}")))
            .into_response();
    };
    let view = match visitor.desk.held(item).await {
        Ok(view) => view,
        Err(error) => return ErrorPage::new(p, error).into_response(),
    };
    let is_held = matches!(view.held.state, HoldState::Held | HoldState::Releasing);
    let (mut gone, mut waiting, mut opened, mut raw) =
        (String::new(), String::new(), None, Vec::new());
    if !is_held {
        gone = p.t("quarantine.gone").to_owned();
    } else if visitor.desk.author().may(Right::ReadHeld) {
        match open(&visitor.desk, item).await {
            Ok((source, parts)) => (raw, opened) = (source, Some(parts)),
            Err(DeskError::NeedsReason) => {}
            Err(error @ DeskError::NeedsApproval(_)) => waiting = in_words(p, &error),
            Err(error) => return ErrorPage::new(p, error).into_response(),
        }
    }
    let shown = match Fields::read(&query.unwrap_or_default()).get("view") {
        "html" => "html",
        "source" => "source",
        _ => "text",
    };
    let terms = terms(&view);
    let bodies = || {
        opened
            .iter()
            .flat_map(|opened| &opened.parts)
            .filter(|part| part.role == Role::Body || part.text.is_some())
    };
    let cut = raw.len().min(SOURCE_MAX);
    let page = OnePage {
        p,
        is_held,
        texts: bodies()
            .filter_map(|part| {
                let text = part.text.as_deref()?;
                let end = mail::address::floor_char_boundary(text, TEXT_MAX);
                Some((part.path.clone(), marked(&visible(&text[..end]), &terms)))
            })
            .collect(),
        htmls: bodies()
            .filter(|part| part.html.is_some())
            .map(|part| part.path.clone())
            .collect(),
        source: if shown == "source" {
            visible(&String::from_utf8_lossy(&raw[..cut]))
        } else {
            String::new()
        },
        source_cut: cut < raw.len(),
        shown,
        views: [
            ("quarantine.view_text", "text"),
            ("quarantine.view_html", "html"),
            ("quarantine.view_source", "source"),
        ],
        gone,
        waiting,
        can_allow: binding(&view).is_some() && view.held.header_from.is_some(),
        allow_sender: view.held.header_from.clone().unwrap_or_default(),
        allow_from: binding(&view).unwrap_or_default(),
        opened: opened.clone(),
        h: &view,
    };
    show(&page)
}

async fn open(desk: &Desk, item: RecordId) -> Result<(Vec<u8>, Opened), DeskError> {
    let raw = desk.held_source(item, "").await?;
    let opened = desk.open_held(item, "").await?;
    Ok((raw, opened))
}

/// The network that handed it over, to which an allowed sender is bound.
fn binding(view: &HeldView) -> Option<String> {
    let ip = view.record.as_ref()?.envelope.peer.ip?;
    Some(network_of(ip))
}

/// The network of a machine: its /24, or its /48.
pub(crate) fn network_of(ip: std::net::IpAddr) -> String {
    let ip = ip.to_canonical();
    let length = if ip.is_ipv4() { 24 } else { 48 };
    ipnet::IpNet::new(ip, length).map_or_else(|_| ip.to_string(), |net| net.trunc().to_string())
}

/// What the verdict rests on, to be marked in the text.
fn terms(view: &HeldView) -> Vec<String> {
    let facts = view
        .record
        .as_ref()
        .and_then(|record| record.facts.as_ref());
    let mut terms: Vec<String> = facts
        .iter()
        .flat_map(|facts| &facts.hits)
        .map(|hit| hit.term.trim_matches('*').to_lowercase())
        .filter(|term| !term.is_empty() && term.len() < 100)
        .collect();
    // The longest first, so that a phrase is marked whole.
    terms.sort_by_key(|term| std::cmp::Reverse(term.len()));
    terms.dedup();
    terms.truncate(200);
    terms
}

/// Text in pieces: those that a term matches are marked.
fn marked(text: &str, terms: &[String]) -> Vec<(bool, String)> {
    // Lower-casing may change lengths; then nothing is marked rather than something wrong.
    let lower = text.to_lowercase();
    if lower.len() != text.len() {
        return vec![(false, text.to_owned())];
    }
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for term in terms {
        for (at, found) in lower.match_indices(term.as_str()).take(50) {
            let end = at + found.len();
            let fits = text.is_char_boundary(at) && text.is_char_boundary(end);
            if fits && !spans.iter().any(|(from, to)| at < *to && *from < end) {
                spans.push((at, end));
            }
        }
    }
    spans.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for (at, end) in spans {
        if at > from {
            pieces.push((false, text[from..at].to_owned()));
        }
        pieces.push((true, text[at..end].to_owned()));
        from = end;
    }
    pieces.push((false, text[from..].to_owned()));
    pieces
}

async fn read(Path(id): Path<String>, sent: Sent) -> Response {
    let p = &sent.visitor.page;
    let Some(item) = RecordId::parse(&id) else {
        return Redirect::to("/quarantine").into_response();
    };
    let reason = sent.fields.get("reason").trim();
    match sent.visitor.desk.held_source(item, reason).await {
        Ok(_) | Err(DeskError::NeedsApproval(_) | DeskError::NeedsReason) => {
            Redirect::to(&format!("/quarantine/{item}")).into_response()
        }
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

async fn decide_one(Path(id): Path<String>, sent: Sent) -> Response {
    let p = &sent.visitor.page;
    let Some(item) = RecordId::parse(&id) else {
        return Redirect::to("/quarantine").into_response();
    };
    let reason = sent.fields.get("reason").trim();
    let desk = &sent.visitor.desk;
    let to = format!("/quarantine/{item}");
    let outcome = match sent.fields.get("act") {
        "delete" => desk.delete(item, reason).await.map(|()| "done.deleted"),
        "delete-unwanted" => delete_and_teach(desk, item, reason).await,
        "release-wanted" => release_and_teach(desk, item, reason).await,
        "release-allow" => release_and_allow(desk, item, reason).await,
        _ => desk.release(item, reason).await.map(|_| "done.released"),
    };
    match outcome {
        Ok(key) => done(&to, key, ""),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

async fn delete_and_teach(
    desk: &Desk,
    item: RecordId,
    reason: &str,
) -> Result<&'static str, DeskError> {
    desk.teach(item, false).await?;
    desk.delete(item, reason).await?;
    Ok("done.deleted")
}

async fn release_and_teach(
    desk: &Desk,
    item: RecordId,
    reason: &str,
) -> Result<&'static str, DeskError> {
    desk.teach(item, true).await?;
    desk.release(item, reason).await?;
    Ok("done.released")
}

/// Releases, and lets the sender's next mail pass when it comes from the same network.
async fn release_and_allow(
    desk: &Desk,
    item: RecordId,
    reason: &str,
) -> Result<&'static str, DeskError> {
    let view = desk.held(item).await?;
    let (Some(from), Some(sender)) = (binding(&view), view.held.header_from.clone()) else {
        return Err(DeskError::Unfit(
            "nothing is known that the sender could be bound to".to_owned(),
        ));
    };
    let entry = ListEntry {
        value: sender,
        from: Some(from),
        ..ListEntry::default()
    };
    let why = if reason.is_empty() {
        format!("released {item}")
    } else {
        reason.to_owned()
    };
    desk.allow_sender(&entry, &why).await?;
    desk.release(item, reason).await?;
    Ok("done.released_allowed")
}

/// One HTML part, made inert, for a frame that may do nothing.
async fn frame(visitor: Visitor, Path((id, part)): Path<(String, String)>) -> Response {
    let p = &visitor.page;
    let opened = match RecordId::parse(&id) {
        Some(item) => visitor.desk.open_held(item, "").await,
        None => Err(DeskError::NotFound(id)),
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return ErrorPage::new(p, error).into_response(),
    };
    let html = opened
        .parts
        .into_iter()
        .find(|one| one.path == part)
        .and_then(|one| one.html);
    let Some(html) = html else {
        return ErrorPage::status(p, StatusCode::NOT_FOUND, "").into_response();
    };
    let inert = tokio::task::spawn_blocking(move || safe(&html)).await;
    let Ok(inert) = inert else {
        return ErrorPage::status(p, StatusCode::INTERNAL_SERVER_ERROR, "").into_response();
    };
    let note = if inert.cut {
        format!("<p><em>{}</em></p>", p.t("quarantine.html_cut"))
    } else {
        String::new()
    };
    let style = format!("{}/style.css", crate::assets::base());
    let document = format!(
        "<!doctype html><html class=\"mail-frame\"><head><meta charset=\"utf-8\"><title>-</title><link rel=\"stylesheet\" href=\"{style}\"></head><body>{}{note}</body></html>",
        inert.html
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        // The frame may show text in our style, and nothing else; only our own page may frame it.
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; style-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
        ),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    ];
    (headers, document).into_response()
}

/// The exact bytes, to be saved and not shown.
async fn source(visitor: Visitor, Path(id): Path<String>) -> Response {
    let p = &visitor.page;
    let raw = match RecordId::parse(&id) {
        Some(item) => visitor.desk.held_source(item, "").await,
        None => Err(DeskError::NotFound(id.clone())),
    };
    match raw {
        Ok(raw) => download("application/octet-stream", &format!("{id}.eml.bin"), raw),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

async fn part(Path((id, part)): Path<(String, String)>, sent: Sent) -> Response {
    let p = &sent.visitor.page;
    let found = match RecordId::parse(&id) {
        Some(item) => sent.visitor.desk.held_part(item, &part).await,
        None => Err(DeskError::NotFound(id)),
    };
    match found {
        Ok(part) => download("application/octet-stream", &part.file_name, part.bytes),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// Something to be saved under a name (RFC 6266).
pub(crate) fn download(kind: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || ".-_".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let encoded: String = name
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b".-_".contains(&byte) {
                (byte as char).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let disposition = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'".to_owned(),
        ),
    ];
    (headers, bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_marked_in_the_text() {
        let terms = vec![
            "bank account".to_owned(),
            "account".to_owned(),
            "发票".to_owned(),
        ];
        assert_eq!(
            marked("Your Bank Account, 发票 <b>", &terms),
            [
                (false, "Your ".to_owned()),
                (true, "Bank Account".to_owned()),
                (false, ", ".to_owned()),
                (true, "发票".to_owned()),
                (false, " <b>".to_owned())
            ]
        );
        assert_eq!(
            marked("İ account", &terms).len(),
            1,
            "lengths differ: nothing is marked"
        );
        assert_eq!(marked("", &terms), [(false, String::new())]);
    }

    #[test]
    fn networks_of_machines() {
        assert_eq!(
            network_of("192.0.2.77".parse().expect("an address")),
            "192.0.2.0/24"
        );
        assert_eq!(
            network_of("2001:db8:1:2::3".parse().expect("an address")),
            "2001:db8:1::/48"
        );
        assert_eq!(
            network_of("::ffff:192.0.2.77".parse().expect("an address")),
            "192.0.2.0/24"
        );
    }
}
