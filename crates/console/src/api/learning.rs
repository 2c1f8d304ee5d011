//! The learner, for programs: how far it has come, what it asks, the training log.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use engine::learn::Standing;
use engine::{Asked as AskedAbout, CampaignView, Learner, LessonFilter, LessonView, Taught};
use mail::RecordId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::types::{Listed, time};
use super::{Answer, Asked, Body, bad, limit, once};
use crate::error::Problem;
use crate::pages::time as read_time;
use crate::visitor::{Client, now};

/// What came of a label.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaughtOut {
    /// `learnt`; `noted`, when what was seen of the message is not kept any more; `known`, when it was said before.
    pub taught: String,
}

impl From<Taught> for TaughtOut {
    fn from(taught: Taught) -> Self {
        let word = match taught {
            Taught::Learnt => "learnt",
            Taught::Noted => "noted",
            Taught::Known => "known",
        };
        Self {
            taught: word.to_owned(),
        }
    }
}

/// How the learner is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LearnerOut {
    /// Does the policy in force ask it?
    pub in_use: bool,
    /// The share of wanted mail its certain word may hit, by that policy.
    pub ham_share: f64,
    /// `nothing`, `observing`, `tagging`, `certified`.
    pub progress: String,
    /// Labels by trusted people, traps and replies: of wanted and of unwanted mail.
    pub trusted: [u32; 2],
    /// Labels reported by users.
    pub reported: [u32; 2],
    /// What is proven.
    pub proven: Vec<ProvenOut>,
    /// Labels passed over because their reporters had more than a fair part.
    pub passed_over: u64,
    /// When labels of trusted people last began to contradict what was learnt.
    pub alarmed: Option<String>,
    /// When all mail last began to score otherwise than before, labelled or not.
    pub shifted: Option<String>,
    /// The place of the last lesson learnt.
    pub place: i64,
}

/// A score, and how much wanted mail scores higher.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProvenOut {
    /// At most this share of wanted mail …
    pub ham_share: f64,
    /// … scores higher than this …
    pub score: f64,
    /// … as proven on so many messages.
    pub ham: usize,
}

impl From<Learner> for LearnerOut {
    fn from(learner: Learner) -> Self {
        let mut out = Self {
            in_use: learner.in_use,
            ham_share: learner.ham_share,
            progress: "nothing".to_owned(),
            trusted: [0; 2],
            reported: [0; 2],
            proven: Vec::new(),
            passed_over: 0,
            alarmed: None,
            shifted: None,
            place: 0,
        };
        if let Some(state) = learner.state {
            let summary = state.summary;
            out.progress = Standing::progress(&summary.standing).as_str().to_owned();
            out.trusted = summary.trusted;
            out.reported = summary.reported;
            out.passed_over = summary.passed_over;
            out.alarmed = summary.alarmed.map(time);
            out.shifted = state.shifted.map(|shifted| time(shifted.at));
            out.place = summary.place;
            let proven = summary.proven.into_iter().map(|proven| ProvenOut {
                ham_share: proven.ham_share,
                score: proven.score,
                ham: proven.ham,
            });
            out.proven = proven.collect();
        }
        out
    }
}

/// A message people are asked about.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QuestionOut {
    /// Its record.
    pub record: String,
    /// When it came.
    pub at: String,
    /// The visible sender.
    pub from: Option<String>,
    /// Its subject.
    pub subject: String,
    /// What became of it.
    pub fate: &'static str,
    /// How likely it was thought to be unwanted.
    pub probability: f64,
    /// `unsure`, `chance`, or `explored`.
    pub why: String,
}

impl From<AskedAbout> for QuestionOut {
    fn from(asked: AskedAbout) -> Self {
        Self {
            record: asked.record.id.to_string(),
            at: time(asked.record.at),
            from: asked.record.header_from,
            subject: asked.record.subject,
            fate: asked.record.fate.as_str(),
            probability: asked.question.probability,
            why: asked.question.why,
        }
    }
}

/// Something somebody said of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LessonOut {
    /// Its place in the log.
    pub seq: i64,
    /// When it was said.
    pub at: String,
    /// Of which message, when it came past here.
    pub record: Option<String>,
    /// `wanted` or `unwanted`.
    pub label: String,
    /// Its class, where somebody said more; else empty.
    pub class: String,
    /// `trusted` or `reported`.
    pub trust: String,
    /// `desk`, `quarantine`, `door`, `files`, `trap`, `reply`.
    pub source: String,
    /// By whom.
    pub who: String,
    /// The visible sender.
    pub sender: Option<String>,
    /// Was anything learnt from it?
    pub learnt: bool,
    /// Who took it back.
    pub taken_back_by: Option<String>,
    /// When.
    pub taken_back_at: Option<String>,
}

impl From<LessonView> for LessonOut {
    fn from(lesson: LessonView) -> Self {
        let (by, when) = lesson.taken_back.unzip();
        Self {
            seq: lesson.seq,
            at: time(lesson.at),
            record: lesson.record.map(|id| id.to_string()),
            label: lesson.label,
            class: lesson.class,
            trust: lesson.trust,
            source: lesson.source,
            who: lesson.who,
            sender: lesson.sender,
            learnt: lesson.learnt,
            taken_back_by: by,
            taken_back_at: when.map(time),
        }
    }
}

/// How many questions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct QuestionsIn {
    /// 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

/// Which lessons.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LessonsIn {
    /// Of this message, by its record id.
    pub record: Option<String>,
    /// By this person, user or trap.
    pub who: Option<String>,
    /// Of mail by this sender: an address, or `@domain`.
    pub sender: Option<String>,
    /// That came so: `desk`, `quarantine`, `door`, `files`, `trap`, `reply`.
    pub source: Option<String>,
    /// Said since then: a time, or a span such as `7d`.
    pub since: Option<String>,
    /// Said before then.
    pub until: Option<String>,
    /// From `next` of the page before.
    pub cursor: Option<i64>,
    /// 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

/// Which lessons to take back. At least one part must be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeBackIn {
    /// Of this message, by its record id.
    #[serde(default)]
    pub record: Option<String>,
    /// By this person, user or trap.
    #[serde(default)]
    pub who: Option<String>,
    /// Of mail by this sender: an address, or `@domain`.
    #[serde(default)]
    pub sender: Option<String>,
    /// That came so.
    #[serde(default)]
    pub source: Option<String>,
    /// Said since then: a time, or a span such as `7d`.
    #[serde(default)]
    pub since: Option<String>,
    /// Said before then.
    #[serde(default)]
    pub until: Option<String>,
    /// Why.
    pub reason: String,
}

/// How many.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TakenBack {
    /// Lessons that hold no more.
    pub lessons: usize,
}

fn filter(
    record: Option<&str>,
    [who, sender, source]: [Option<&String>; 3],
    [since, until]: [Option<&String>; 2],
) -> Result<LessonFilter, Problem> {
    let record = match record {
        None => None,
        Some(text) => Some(RecordId::parse(text).ok_or_else(|| bad("record that is an id", text))?),
    };
    let at = |text: Option<&String>| match text {
        None => Ok(None),
        Some(text) => read_time(text, now())
            .map(Some)
            .ok_or_else(|| bad("time, or span such as 7d", text)),
    };
    Ok(LessonFilter {
        record,
        who: who.cloned(),
        sender: sender.map(|sender| sender.to_lowercase()),
        source: source.cloned(),
        since: at(since)?,
        until: at(until)?,
        ..LessonFilter::default()
    })
}

/// How the learner is.
#[utoipa::path(get, path = "/learning", responses((status = 200, body = LearnerOut), (status = "4XX", body = Problem)))]
pub(super) async fn learner(client: Client) -> Answer<LearnerOut> {
    Ok(axum::Json(client.desk.learner().await?.into()))
}

/// The messages people are asked about, the newest first; answer with `/messages/{id}/teach`.
#[utoipa::path(get, path = "/learning/questions", params(QuestionsIn), responses((status = 200, body = Vec<QuestionOut>), (status = "4XX", body = Problem)))]
pub(super) async fn questions(
    client: Client,
    Asked(asked): Asked<QuestionsIn>,
) -> Answer<Vec<QuestionOut>> {
    let questions = client.desk.questions(limit(asked.limit)?).await?;
    Ok(axum::Json(questions.into_iter().map(Into::into).collect()))
}

/// The training log, the newest first.
#[utoipa::path(get, path = "/learning/lessons", params(LessonsIn), responses((status = 200, body = Listed<LessonOut>), (status = "4XX", body = Problem)))]
pub(super) async fn lessons(
    client: Client,
    Asked(asked): Asked<LessonsIn>,
) -> Answer<Listed<LessonOut>> {
    let parts = [
        asked.who.as_ref(),
        asked.sender.as_ref(),
        asked.source.as_ref(),
    ];
    let times = [asked.since.as_ref(), asked.until.as_ref()];
    let wanted = limit(asked.limit)?;
    let filter = LessonFilter {
        before: asked.cursor,
        limit: wanted,
        ..filter(asked.record.as_deref(), parts, times)?
    };
    let lessons = client.desk.lessons(&filter).await?;
    let items: Vec<LessonOut> = lessons.into_iter().map(Into::into).collect();
    let next = items
        .last()
        .map(|last| last.seq.to_string())
        .filter(|_| items.len() == wanted as usize);
    Ok(axum::Json(Listed {
        items,
        next,
        looked_back_to: None,
    }))
}

/// Messages with about the same text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CampaignOut {
    /// The record of the first of them, by which they are called.
    pub name: String,
    /// The record of the last.
    pub last: String,
    /// When that came.
    pub last_at: String,
    /// How many.
    pub messages: u32,
    /// From how many different sources, about.
    pub sources: u32,
    /// The subject of the first.
    pub subject: String,
    /// Its visible sender.
    pub from: Option<String>,
    /// `wanted` or `unwanted`, where somebody said so of the first.
    pub said: Option<String>,
}

impl From<CampaignView> for CampaignOut {
    fn from(view: CampaignView) -> Self {
        Self {
            name: view.row.name.to_string(),
            last: view.row.last.to_string(),
            last_at: time(view.row.last.at()),
            messages: view.row.messages,
            sources: view.row.sources,
            subject: view.first.subject,
            from: view.first.header_from,
            said: view.said,
        }
    }
}

/// Messages with about the same text that came lately, the ones seen last first.
#[utoipa::path(get, path = "/learning/campaigns", params(QuestionsIn), responses((status = 200, body = Vec<CampaignOut>), (status = "4XX", body = Problem)))]
pub(super) async fn campaigns(
    client: Client,
    Asked(asked): Asked<QuestionsIn>,
) -> Answer<Vec<CampaignOut>> {
    let campaigns = client.desk.campaigns(limit(asked.limit)?).await?;
    Ok(axum::Json(campaigns.into_iter().map(Into::into).collect()))
}

/// Records of the messages of a campaign, the newest first: who got it.
#[utoipa::path(get, path = "/learning/campaigns/{name}", params(("name" = String, Path)), responses((status = 200, body = Vec<String>), (status = "4XX", body = Problem)))]
pub(super) async fn campaign(client: Client, Path(name): Path<String>) -> Answer<Vec<String>> {
    let id = RecordId::parse(&name).ok_or_else(|| bad("name that is an id", &name))?;
    let members = client.desk.campaign(id).await?;
    let ids = members.iter().map(|record| record.id.to_string());
    Ok(axum::Json(ids.collect()))
}

/// Takes back what was learnt from some lessons, as if they had never been given.
#[utoipa::path(post, path = "/learning/take-back", request_body = TakeBackIn, responses((status = 200, body = TakenBack), (status = "4XX", body = Problem)))]
pub(super) async fn take_back(
    client: Client,
    headers: HeaderMap,
    Body(body): Body<TakeBackIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let parts = [
        body.who.as_ref(),
        body.sender.as_ref(),
        body.source.as_ref(),
    ];
    let times = [body.since.as_ref(), body.until.as_ref()];
    let filter = filter(body.record.as_deref(), parts, times)?;
    let what = format!("take back {filter:?}");
    let act = async {
        let lessons = desk.take_back(&filter, &body.reason).await?;
        Ok(TakenBack { lessons })
    };
    once(&client, &headers, &what, act).await
}
