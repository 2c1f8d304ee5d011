//! One set of terms or patterns: searched, and a page at a time.

use askama::Template;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use engine::DeskError;
use judge::describe::{Set, Term};

use crate::error::{ErrorPage, show};
use crate::fields::Fields;
use crate::page::Page;
use crate::pages::percent;
use crate::visitor::Visitor;

/// Terms of a set on one page.
const TERMS_PER_PAGE: usize = 200;

#[derive(Template)]
#[template(path = "policy_set.html")]
struct SetPage<'p> {
    p: &'p Page,
    version: i64,
    set: &'p Set,
    path: String,
    q: &'p str,
    terms: Vec<&'p Term>,
    found: usize,
    next: Option<String>,
}

/// One set with its terms: searched, and a page at a time, for a set may hold ten thousand.
pub(super) async fn one(
    visitor: Visitor,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let p = &visitor.page;
    let (version, description) = match visitor.desk.described_policy().await {
        Ok(described) => described,
        Err(error) => return ErrorPage::new(p, error).into_response(),
    };
    let Some(set) = description.sets.iter().find(|set| set.name == name) else {
        let unknown = DeskError::NotFound(format!("the policy has no set {name:?}"));
        return ErrorPage::new(p, unknown).into_response();
    };
    let fields = Fields::read(&query.unwrap_or_default());
    let q = fields.get("q").trim();
    let skipped: usize = fields.number("after").unwrap_or(0);
    let wanted = q.to_lowercase();
    let fitting = || {
        set.terms
            .iter()
            .filter(|term| wanted.is_empty() || term.term.to_lowercase().contains(&wanted))
    };
    let found = fitting().count();
    let shown_to = skipped.saturating_add(TERMS_PER_PAGE);
    let next = (found > shown_to).then(|| {
        serde_urlencoded::to_string([("q", q), ("after", &shown_to.to_string())])
            .unwrap_or_default()
    });
    show(&SetPage {
        p,
        version,
        set,
        path: set_path(&set.name),
        q,
        terms: fitting().skip(skipped).take(TERMS_PER_PAGE).collect(),
        found,
        next,
    })
}

/// Where a set's page is.
pub(crate) fn set_path(name: &str) -> String {
    let name = percent(name);
    format!("/policy/set/{name}")
}

/// Back to the page of a set, as it was searched.
pub(super) fn back_to(fields: &Fields) -> String {
    let path = set_path(fields.get("set"));
    match fields.some("q") {
        Some(q) => {
            let query = serde_urlencoded::to_string([("q", q)]).unwrap_or_default();
            format!("{path}?{query}")
        }
        None => path,
    }
}
