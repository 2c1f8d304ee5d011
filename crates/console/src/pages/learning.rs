//! The learner: how far it has come, the few messages it asks about, campaigns, and the training log.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::learn::{Standing, Summary};
use engine::{
    Asked, CampaignView, Desk, DeskError, Learner, LessonFilter, LessonView, Shifted, first_of,
};
use mail::learnt::OBSERVED_MIN;
use mail::{Fate, Record, RecordId, Timestamp};

use super::messages::{PAGE, taught_words};
use super::{done, time};
use crate::Shared;
use crate::error::{ErrorPage, show};
use crate::fields::Fields;
use crate::page::Page;
use crate::visitor::{Sent, Visitor};

/// Questions shown.
const QUESTIONS: u32 = 50;
/// Campaigns shown.
const CAMPAIGNS: u32 = 100;
/// How lessons come, as the form lists it.
const SOURCES: [&str; 6] = ["desk", "quarantine", "door", "files", "trap", "reply"];

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/learning", get(learning))
        .route("/learning/answer", post(answer))
        .route("/learning/log", get(log))
        .route("/learning/take-back", post(take_back))
        .route("/learning/campaigns", get(campaigns))
        .route("/learning/campaigns/{name}", get(campaign))
        .route("/learning/campaigns/{name}/say", post(say))
}

#[derive(Template)]
#[template(path = "learning.html")]
struct LearningPage<'p> {
    p: &'p Page,
    learner: Learner,
    asked: Vec<Asked>,
}

#[derive(Template)]
#[template(path = "learning_log.html")]
struct LogPage<'p> {
    p: &'p Page,
    f: Fields,
    lessons: Vec<LessonView>,
    next: Option<String>,
    sources: [&'static str; 6],
    /// Is anything asked for, so that what was found may be taken back together?
    narrowed: bool,
}

#[derive(Template)]
#[template(path = "campaigns.html")]
struct CampaignsPage<'p> {
    p: &'p Page,
    campaigns: Vec<CampaignView>,
}

#[derive(Template)]
#[template(path = "campaign.html")]
struct CampaignPage<'p> {
    p: &'p Page,
    name: RecordId,
    members: Vec<Record>,
    /// The first that can be seen.
    first: Record,
    delivered: usize,
}

impl LearningPage<'_> {
    fn summary(&self) -> Option<&Summary> {
        self.learner.state.as_ref().map(|state| &state.summary)
    }

    /// When all mail last began to score otherwise.
    fn shifted(&self) -> Option<Shifted> {
        self.learner.state.as_ref().and_then(|state| state.shifted)
    }

    /// How far it has come, in words.
    fn progress(&self, summary: &Summary) -> String {
        let p = self.p;
        match &summary.standing {
            Standing::Observing { .. } => {
                p.fill("learning.observing", &[("n", &p.number(OBSERVED_MIN))])
            }
            Standing::Tagging => p.t("learning.tagging").to_owned(),
            Standing::Certified(threshold) => p.fill(
                "learning.certified",
                &[
                    ("share", &percent(threshold.ham_share)),
                    ("n", &p.number(threshold.ham)),
                ],
            ),
        }
    }

    fn label(&self, asked: &Asked) -> String {
        format!("{:.0} %", asked.question.probability * 100.0)
    }
}

/// A share without digits that say nothing: 0.1 %, 1 %.
fn percent(share: f64) -> String {
    format!("{} %", share * 100.0)
}

async fn learning(visitor: Visitor) -> Response {
    let p = &visitor.page;
    match both(&visitor.desk).await {
        Ok((learner, asked)) => show(&LearningPage { p, learner, asked }),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// An auditor sees how it is and is asked nothing.
async fn both(desk: &Desk) -> Result<(Learner, Vec<Asked>), DeskError> {
    let learner = desk.learner().await?;
    let asked = match desk.questions(QUESTIONS).await {
        Err(DeskError::Forbidden(_)) => Vec::new(),
        asked => asked?,
    };
    Ok((learner, asked))
}

async fn answer(sent: Sent) -> Response {
    let p = &sent.visitor.page;
    let Some(record) = RecordId::parse(sent.fields.get("record")) else {
        return ErrorPage::new(p, DeskError::NotFound(sent.fields.get("record").to_owned()))
            .into_response();
    };
    let wanted = sent.fields.get("label") == "wanted";
    match sent.visitor.desk.teach(record, wanted).await {
        Ok(taught) => done("/learning", taught_words(taught), ""),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

async fn log(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let p = &visitor.page;
    let f = Fields::read(&query.unwrap_or_default());
    let found = async {
        let filter = LessonFilter {
            before: f.number("before"),
            limit: PAGE + 1,
            ..filter(&f, p.now)?
        };
        visitor.desk.lessons(&filter).await
    };
    match found.await {
        Ok(mut lessons) => {
            let more = lessons.len() > PAGE as usize;
            lessons.truncate(PAGE as usize);
            let last = lessons.last().filter(|_| more);
            let narrowed = ["who", "sender", "source", "message", "since", "until"];
            show(&LogPage {
                p,
                next: last.map(|last| f.with("before", &last.seq.to_string())),
                narrowed: narrowed.iter().any(|name| f.some(name).is_some()),
                f,
                lessons,
                sources: SOURCES,
            })
        }
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// What a form asks for. What cannot be read is refused: left out, it would find more than was meant, and more be taken back.
fn filter(f: &Fields, now: Timestamp) -> Result<LessonFilter, DeskError> {
    let unfit = |what: &str, text: &str| DeskError::Unfit(format!("{text:?} is no {what}"));
    let at = |name: &str| match f.some(name) {
        None => Ok(None),
        Some(text) => time(&text, now)
            .map(Some)
            .ok_or_else(|| unfit("time; write 2026-11-23, 2026-11-23 10:00, 24h or 7d", &text)),
    };
    let record = match f.some("message") {
        None => None,
        Some(text) => Some(RecordId::parse(&text).ok_or_else(|| unfit("id of a message", &text))?),
    };
    Ok(LessonFilter {
        record,
        who: f.some("who"),
        sender: f.some("sender").map(|sender| sender.to_lowercase()),
        source: f.some("source"),
        since: at("since")?,
        until: at("until")?,
        ..LessonFilter::default()
    })
}

async fn take_back(sent: Sent) -> Response {
    let p = &sent.visitor.page;
    let taken = async {
        let filter = filter(&sent.fields, p.now)?;
        let reason = sent.fields.get("reason");
        sent.visitor.desk.take_back(&filter, reason).await
    };
    match taken.await {
        Ok(count) => done("/learning/log", "done.taken_back", &count.to_string()),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

async fn campaigns(visitor: Visitor) -> Response {
    let p = &visitor.page;
    match visitor.desk.campaigns(CAMPAIGNS).await {
        Ok(campaigns) => show(&CampaignsPage { p, campaigns }),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

async fn campaign(visitor: Visitor, Path(name): Path<String>) -> Response {
    let p = &visitor.page;
    let found = match RecordId::parse(&name) {
        Some(name) => visitor
            .desk
            .campaign(name)
            .await
            .map(|members| (name, members)),
        None => Err(DeskError::NotFound(format!("campaign {name}"))),
    };
    match found {
        Ok((name, members)) => {
            // Who may see none of them is told that there is none.
            let Some(first) = first_of(name, &members).cloned() else {
                let error = DeskError::NotFound(format!("campaign {name}"));
                return ErrorPage::new(p, error).into_response();
            };
            let delivered = members.iter().filter(|one| one.fate == Fate::Delivered);
            show(&CampaignPage {
                p,
                name,
                delivered: delivered.count(),
                first,
                members,
            })
        }
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// Says what all of them are, by saying it of the first.
async fn say(Path(name): Path<String>, sent: Sent) -> Response {
    let p = &sent.visitor.page;
    let desk = &sent.visitor.desk;
    let wanted = sent.fields.get("label") == "wanted";
    let said = async {
        let unknown = || DeskError::NotFound(format!("campaign {name}"));
        let id = RecordId::parse(&name).ok_or_else(unknown)?;
        let members = desk.campaign(id).await?;
        let first = first_of(id, &members).ok_or_else(unknown)?;
        desk.teach(first.id, wanted).await
    };
    match said.await {
        Ok(taught) => done(
            &format!("/learning/campaigns/{name}"),
            taught_words(taught),
            "",
        ),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}
