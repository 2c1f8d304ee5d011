//! Domains that mail says to come from: all of them, one of them, and what is set about it.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::lookup::dns::Resolver;
use engine::{Desk, DeskError, DomainFilter, DomainPage, DomainView, Trial};
use judge::standing::{DayView, ServerView, View};
use mail::Domain;
use mail::standing::{Counts, day_of};

use super::domain_words::{
    advice_in_words, moves_in_words, published_in_words, remedies_in_words, stage_in_words,
};
use super::done;
use crate::Shared;
use crate::chart::{self, DayPart};
use crate::error::{ErrorPage, Problem, show, wrongs};
use crate::fields::Fields;
use crate::page::Page;
use crate::visitor::{Sent, Visitor};
use crate::words_of_standing::{read_handling, read_mark, read_network, read_stage};

/// Domains on a page.
const PAGE: usize = 50;
/// Own domains on a page: they stand above the others, on every page of those.
const OURS_MAX: usize = 100;
/// Servers listed as sources of forgeries.
const FORGERS_MAX: usize = 20;

/// How a day's mail is signed, from below.
const SIGNED: [DayPart; 4] = [
    ("sign-authentic", "domains.authentic", |day| day.authentic),
    ("sign-unsigned", "domains.unsigned", |day| day.unsigned),
    ("sign-unauthentic", "domains.unauthentic", |day| {
        day.unauthentic
    }),
    ("sign-unknown", "domains.unknown", |day| day.unknown),
];
/// How it is aligned.
const ALIGNED: [DayPart; 3] = [
    ("sign-authentic", "domains.aligned", |day| day.dmarc_pass),
    ("sign-unauthentic", "domains.not_aligned", |day| {
        day.dmarc_fail
    }),
    ("sign-unknown", "domains.no_alignment", |day| {
        day.total.saturating_sub(day.dmarc_pass + day.dmarc_fail)
    }),
];

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/domains", get(list))
        .route("/domains/{domain}", get(one))
        .route("/domains/{domain}/mark", post(mark))
        .route("/domains/{domain}/pin", post(pin))
        .route("/domains/{domain}/wish", post(wish))
}

#[derive(Template)]
#[template(path = "domains.html")]
struct ListPage<'p> {
    p: &'p Page,
    q: String,
    ours: DomainPage,
    others: DomainPage,
    /// Place of the first and the last of the others that is shown.
    span: (usize, usize),
    earlier: Option<String>,
    later: Option<String>,
}

async fn list(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let p = &visitor.page;
    let fields = Fields::read(&query.unwrap_or_default());
    let filter = DomainFilter {
        name: fields.get("q").to_owned(),
        ours: Some(false),
        skip: fields.number("skip").unwrap_or(0),
        limit: PAGE,
    };
    let (ours, others) = match both(&visitor.desk, &filter).await {
        Ok(both) => both,
        Err(error) => return ErrorPage::new(p, error).into_response(),
    };
    let (first, last) = (filter.skip, filter.skip + others.views.len());
    let to = |skip: usize| fields.with("skip", &skip.to_string());
    show(&ListPage {
        p,
        q: filter.name,
        span: (first + 1, last),
        earlier: (first > 0).then(|| to(first.saturating_sub(PAGE))),
        later: (last < others.total && last > first).then(|| to(last)),
        ours,
        others,
    })
}

async fn both(desk: &Desk, filter: &DomainFilter) -> Result<(DomainPage, DomainPage), DeskError> {
    let own = DomainFilter {
        ours: Some(true),
        skip: 0,
        limit: OURS_MAX,
        ..filter.clone()
    };
    Ok((desk.standings(&own).await?, desk.standings(filter).await?))
}

#[derive(Template)]
#[template(path = "domain.html")]
struct OnePage<'p> {
    p: &'p Page,
    d: &'p DomainView,
    v: &'p View,
    why: Vec<String>,
    /// The evidence of each of its moves.
    moves: Vec<String>,
    signed: String,
    aligned: String,
    days: &'p [DayView],
    forgers: Vec<&'p ServerView>,
    advice: Vec<String>,
    trial: Option<Trial>,
    /// What DNS says, when it was asked.
    published: Option<PublishedWords>,
    /// It was to be asked, and there is nobody to ask.
    no_dns: bool,
    problem: String,
}

/// What a domain publishes, in words.
struct PublishedWords {
    /// What it is called, and what stands there.
    lines: Vec<(&'static str, String)>,
    /// What mends it.
    remedies: Vec<String>,
}

/// What else is asked for beside what is counted.
#[derive(Clone, Copy, Default)]
struct Wanted<'s> {
    trial: bool,
    /// What the domain publishes.
    published: bool,
    /// Whom to ask for it.
    dns: Option<&'s Resolver>,
}

async fn one(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let fields = Fields::read(&query.unwrap_or_default());
    let authenticity = shared.engine.settings().authenticity.clone();
    let verifier = authenticity.verifier.as_ref();
    let wanted = Wanted {
        trial: fields.has("try"),
        published: fields.has("dns"),
        dns: verifier.map(|verifier| &**verifier.resolver()),
    };
    one_page(&visitor, &name, wanted, None).await
}

async fn one_page(
    visitor: &Visitor,
    name: &str,
    wanted: Wanted<'_>,
    error: Option<DeskError>,
) -> Response {
    let p = &visitor.page;
    let found = async {
        let domain = domain(name)?;
        let known = visitor.desk.standing_of(&domain).await?;
        let trial = if wanted.trial {
            Some(visitor.desk.try_blocking(&domain).await?)
        } else {
            None
        };
        let published = match wanted.dns.filter(|_| wanted.published) {
            Some(resolver) => {
                let seen = known.view.keys.iter();
                let selectors: Vec<String> = seen.map(|key| key.selector.clone()).collect();
                let published = resolver.published(&domain, &selectors, p.now).await;
                Some(PublishedWords {
                    lines: published_in_words(p, &published),
                    remedies: remedies_in_words(p, &published.remedies()),
                })
            }
            None => None,
        };
        Ok((known, trial, published))
    };
    let (known, trial, published) = match found.await {
        Ok(found) => found,
        // What was wrong with the form is worth more than that there is no page to show it on.
        Err(other) => return ErrorPage::new(p, error.unwrap_or(other)).into_response(),
    };
    let status = error.as_ref().map_or(StatusCode::OK, |error| {
        StatusCode::from_u16(Problem::of(error).status).unwrap_or(StatusCode::CONFLICT)
    });
    let days = every_day(&known, p);
    let page = show(&OnePage {
        p,
        v: &known.view,
        why: stage_in_words(p, &known),
        moves: moves_in_words(p, &known),
        signed: chart::days(p, "domains.chart_signed", &days, &SIGNED),
        aligned: chart::days(p, "domains.chart_aligned", &days, &ALIGNED),
        days: &days,
        forgers: forgers(&known.view),
        advice: known
            .advice
            .iter()
            .map(|advice| advice_in_words(p, advice))
            .collect(),
        trial,
        no_dns: wanted.published && wanted.dns.is_none(),
        published,
        problem: error
            .as_ref()
            .map(|error| problem_in_words(p, error))
            .unwrap_or_default(),
        d: &known,
    });
    (status, page).into_response()
}

fn domain(name: &str) -> Result<Domain, DeskError> {
    Domain::parse(name).map_err(|error| DeskError::NotFound(error.to_string()))
}

/// The days of the window, also those without mail: a gap is to be seen as one.
fn every_day(known: &DomainView, p: &Page) -> Vec<DayView> {
    let today = day_of(p.now);
    let window = known.settings.window_days;
    let first = (today + 1).saturating_sub(window);
    let counts = |day| {
        let seen = known.view.days.iter().find(|seen| seen.day == day);
        seen.map_or_else(Counts::default, |seen| seen.counts)
    };
    (first..=today)
        .map(|day| DayView {
            day,
            counts: counts(day),
        })
        .collect()
}

/// Servers whose mail is forged in the domain's name, the worst first.
fn forgers(view: &View) -> Vec<&ServerView> {
    let bad = |server: &ServerView| server.counts.forged + server.counts.unauthentic;
    let mut forgers: Vec<&ServerView> = view
        .servers
        .iter()
        .filter(|server| bad(server) > 0)
        .collect();
    forgers.sort_by_key(|server| std::cmp::Reverse(bad(server)));
    forgers.truncate(FORGERS_MAX);
    forgers
}

fn problem_in_words(p: &Page, error: &DeskError) -> String {
    match (error, wrongs(error).first()) {
        (DeskError::NeedsReason, _) => p.t("problem.needs_reason").to_owned(),
        (_, Some(wrong)) => p.safe(&format!("{error}: {} {}", wrong.wrong, wrong.right)),
        (_, None) => p.safe(&error.to_string()),
    }
}

async fn mark(Path(name): Path<String>, sent: Sent) -> Response {
    let fields = &sent.fields;
    let marked = async {
        let (domain, desk) = (domain(&name)?, &sent.visitor.desk);
        let network = read_network(fields.get("network"))?;
        let mark = read_mark(fields.get("mark"))?;
        desk.mark_server(
            &domain,
            network,
            mark,
            Some(base(fields)),
            fields.get("reason"),
        )
        .await
    };
    let outcome = marked.await;
    set(&sent.visitor, &name, outcome).await
}

async fn pin(Path(name): Path<String>, sent: Sent) -> Response {
    let fields = &sent.fields;
    let pinned = async {
        let (domain, desk) = (domain(&name)?, &sent.visitor.desk);
        let stage = read_stage(fields.get("stage"))?;
        desk.pin_stage(&domain, stage, Some(base(fields)), fields.get("reason"))
            .await
    };
    let outcome = pinned.await;
    set(&sent.visitor, &name, outcome).await
}

async fn wish(Path(name): Path<String>, sent: Sent) -> Response {
    let fields = &sent.fields;
    let wished = async {
        let (domain, desk) = (domain(&name)?, &sent.visitor.desk);
        let wish = read_handling(fields.get("wish"))?;
        desk.wish_for(&domain, wish, Some(base(fields)), fields.get("reason"))
            .await
    };
    let outcome = wished.await;
    set(&sent.visitor, &name, outcome).await
}

/// The version of the policy that was looked at. A form without one is none of ours, and meets with a conflict.
fn base(fields: &Fields) -> i64 {
    fields.number("base").unwrap_or(-1)
}

async fn set(visitor: &Visitor, name: &str, outcome: Result<i64, DeskError>) -> Response {
    match outcome {
        Ok(version) => {
            let to = place_of(visitor, name).await;
            done(&to, "done.policy", &version.to_string())
        }
        Err(error @ (DeskError::Forbidden(_) | DeskError::Store(_))) => {
            ErrorPage::new(&visitor.page, error).into_response()
        }
        Err(error) => one_page(visitor, name, Wanted::default(), Some(error)).await,
    }
}

/// A domain's page, or the list when nothing is left to be shown of it: no mail came, and what was set is taken back.
async fn place_of(visitor: &Visitor, name: &str) -> String {
    match domain(name) {
        Ok(domain) if visitor.desk.standing_of(&domain).await.is_ok() => {
            format!("/domains/{domain}")
        }
        _ => "/domains".to_owned(),
    }
}
