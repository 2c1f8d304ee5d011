//! The overview.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use engine::{Overview, Right};
use mail::{Fate, Level};

use super::LEVELS;
use crate::error::{ErrorPage, show};
use crate::page::Page;
use crate::visitor::Visitor;
use crate::{Shared, chart};

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/", get(overview))
}

/// Hours that can be looked at, with their words.
const SPANS: [(u32, &str); 3] = [
    (24, "overview.day"),
    (168, "overview.week"),
    (720, "overview.month"),
];

type Row = (String, u64, u64);

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage<'p> {
    p: &'p Page,
    o: Overview,
    hours: u32,
    spans: [(u32, &'static str); 3],
    fates: Vec<(Fate, u64)>,
    /// Level, count, share in percent.
    levels: Vec<(Level, u64, String)>,
    chart: String,
    /// Title, rows of name, count and share in percent, the field to search by.
    tops: Vec<(&'static str, Vec<Row>, &'static str)>,
    /// Name, value, good or not.
    health: Vec<(&'static str, String, bool)>,
    all: bool,
}

async fn overview(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    Query(fields): Query<Vec<(String, String)>>,
) -> Response {
    let p = &visitor.page;
    if !visitor.desk.author().may(Right::SeeRecords) {
        return Redirect::to("/quarantine").into_response();
    }
    let asked = fields
        .iter()
        .find(|(name, _)| name == "hours")
        .and_then(|(_, hours)| hours.parse().ok());
    let hours = SPANS
        .iter()
        .map(|(hours, _)| *hours)
        .find(|hours| Some(*hours) == asked)
        .unwrap_or(24);
    let overview = match visitor.desk.overview(hours).await {
        Ok(overview) => overview,
        Err(error) => return ErrorPage::new(p, error).into_response(),
    };
    let total: u64 = overview.levels.iter().sum();
    let share = |count: u64| format!("{:.1}", 100.0 * count as f64 / total.max(1) as f64);
    show(&OverviewPage {
        p,
        hours,
        spans: SPANS,
        fates: Fate::ALL.into_iter().zip(overview.fates).collect(),
        levels: LEVELS
            .into_iter()
            .zip(overview.levels)
            .map(|(level, count)| (level, count, share(count)))
            .collect(),
        chart: chart::bars(p, &overview.hours),
        tops: vec![
            ("overview.reasons", rows(&overview.reasons), "reason"),
            ("overview.senders", rows(&overview.senders), "from"),
            ("overview.recipients", rows(&overview.recipients), "to"),
            ("overview.machines", rows(&overview.machines), "ip"),
        ],
        health: health(&shared, p),
        all: visitor.desk.author().scope.is_empty(),
        o: overview,
    })
}

fn rows(named: &[(String, u64)]) -> Vec<Row> {
    let most = named.first().map_or(1, |(_, count)| *count).max(1);
    named
        .iter()
        .map(|(name, count)| (name.clone(), *count, 100 * count / most))
        .collect()
}

/// How this node's parts are.
fn health(shared: &Shared, p: &Page) -> Vec<(&'static str, String, bool)> {
    let metrics = shared.engine.metrics();
    let dropped = metrics.records_dropped.get();
    vec![
        ("overview.store", String::new(), metrics.store_up.get() == 1),
        (
            "overview.connections",
            p.number(metrics.connections.get().max(0) as u64),
            true,
        ),
        (
            "overview.record_queue",
            p.number(metrics.record_queue.get().max(0) as u64),
            true,
        ),
        ("overview.dropped", p.number(dropped), dropped == 0),
    ]
}
