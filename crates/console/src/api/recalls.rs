//! Delivered copies that are called back, for programs.

use axum::http::HeaderMap;
use axum::response::Response;
use engine::{DeskError, Recall};
use mail::RecordId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::types::time;
use super::{Answer, Asked, Body, bad, limit, once};
use crate::error::Problem;
use crate::visitor::Client;

/// Which recalls.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RecallsIn {
    /// Of this message, by its record id; without it of all.
    pub record: Option<String>,
    /// 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

/// Which delivered copies to call back: of these messages, or of a campaign.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecallIn {
    /// Record ids.
    #[serde(default)]
    pub records: Vec<String>,
    /// The name of a campaign.
    #[serde(default)]
    pub campaign: Option<String>,
    /// Why.
    pub reason: String,
}

/// Which copies to put back: of this message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutBackIn {
    /// Its record id.
    pub record: String,
    /// Why.
    pub reason: String,
}

/// How many.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Copies {
    /// Copies that are to be moved now.
    pub copies: u64,
}

/// A copy that is called back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecallOut {
    /// Record id of the message.
    pub record: String,
    /// The recipient whose copy it is.
    pub mailbox: String,
    /// `wanted`, `recalled`, `not-there`, `failed`, `back-wanted`, `back`.
    pub state: String,
    /// When it was asked for last.
    pub asked: String,
    /// By whom.
    pub who: String,
    /// Why.
    pub reason: String,
    /// When the state became what it is.
    pub changed: String,
    /// What was said when it was tried.
    pub said: String,
}

impl From<Recall> for RecallOut {
    fn from(one: Recall) -> Self {
        Self {
            record: one.record.to_string(),
            mailbox: one.mailbox,
            state: one.state.as_str().to_owned(),
            asked: time(one.asked),
            who: one.who,
            reason: one.reason,
            changed: time(one.changed),
            said: one.said,
        }
    }
}

fn id(text: &str) -> Result<RecordId, Problem> {
    RecordId::parse(text).ok_or_else(|| bad("record that is an id", text))
}

/// Copies that are called back, those asked for last first.
#[utoipa::path(get, path = "/recalls", params(RecallsIn), responses((status = 200, body = Vec<RecallOut>), (status = "4XX", body = Problem)))]
pub(super) async fn recalls(
    client: Client,
    Asked(asked): Asked<RecallsIn>,
) -> Answer<Vec<RecallOut>> {
    let most = limit(asked.limit)?;
    let mut recalls = match &asked.record {
        Some(record) => client.desk.recalls_of(id(record)?).await?,
        None => client.desk.recalls(most).await?,
    };
    recalls.truncate(most as usize);
    Ok(axum::Json(recalls.into_iter().map(Into::into).collect()))
}

/// Calls delivered copies back out of their mailboxes.
#[utoipa::path(post, path = "/recalls", request_body = RecallIn, responses((status = 200, body = Copies), (status = "4XX", body = Problem)))]
pub(super) async fn recall(
    client: Client,
    headers: HeaderMap,
    Body(body): Body<RecallIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let records = body.records.iter().map(|text| id(text));
    let records: Vec<RecordId> = records.collect::<Result<_, _>>()?;
    let campaign = body.campaign.as_deref().map(id).transpose()?;
    if records.is_empty() == campaign.is_none() {
        let wrong = "give either records or a campaign".to_owned();
        return Err(DeskError::Unfit(wrong).into());
    }
    let what = format!("recall {records:?} {campaign:?}");
    let act = async {
        let copies = match campaign {
            Some(name) => desk.recall_campaign(name, &body.reason).await?,
            None => desk.recall(&records, &body.reason).await?,
        };
        Ok(Copies { copies })
    };
    once(&client, &headers, &what, act).await
}

/// Puts what was called back of a message into its mailboxes again.
#[utoipa::path(post, path = "/recalls/back", request_body = PutBackIn, responses((status = 200, body = Copies), (status = "4XX", body = Problem)))]
pub(super) async fn put_back(
    client: Client,
    headers: HeaderMap,
    Body(body): Body<PutBackIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let record = id(&body.record)?;
    let what = format!("put back {record}");
    let act = async {
        let copies = desk.put_back(record, &body.reason).await?;
        Ok(Copies { copies })
    };
    once(&client, &headers, &what, act).await
}
