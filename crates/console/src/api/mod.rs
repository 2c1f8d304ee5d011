//! The JSON API: what pages do, for programs.
//!
//! Every path calls the same desk as the pages. Errors are problem+json (RFC 9457); lists have cursors; what changes something takes
//! an `Idempotency-Key` (but what hands out a link), under which the same request is answered again instead of done again.

mod domain_types;
mod domains;
mod learning;
mod recalls;
mod reports;
mod types;
mod users;

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::gate::hash;
use engine::{ActFilter, DeskError, HeldFilter, NewPerson};
use judge::edit::ListEntry;
use mail::{Fate, RecordId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;
use crate::error::{Problem, Wrong};
use crate::html::visible;
use crate::pages::time as read_time;
use crate::visitor::{Client, now};
use types::*;

/// Most items on a page.
const LIMIT_MAX: u32 = 500;

type Answer<T> = Result<axum::Json<T>, Problem>;

/// All paths, and the document that describes them.
pub(crate) fn router() -> (axum::Router<Arc<Shared>>, OpenApi) {
    let (router, mut document) = OpenApiRouter::new()
        .routes(routes!(overview))
        .routes(routes!(messages))
        .routes(routes!(message))
        .routes(routes!(teach))
        .routes(routes!(held_list))
        .routes(routes!(held))
        .routes(routes!(content))
        .routes(routes!(source))
        .routes(routes!(release))
        .routes(routes!(delete))
        .routes(routes!(release_many))
        .routes(routes!(delete_many))
        .routes(routes!(allow))
        .routes(routes!(policy, apply))
        .routes(routes!(policy_version))
        .routes(routes!(history))
        .routes(routes!(check))
        .routes(routes!(edit))
        .routes(routes!(what_if))
        .routes(routes!(try_message))
        .routes(routes!(rollback))
        .routes(routes!(domains::domains))
        .routes(routes!(domains::one_domain))
        .routes(routes!(domains::trial))
        .routes(routes!(domains::mark_server))
        .routes(routes!(domains::pin_stage))
        .routes(routes!(domains::wish_for))
        .routes(routes!(learning::learner))
        .routes(routes!(learning::questions))
        .routes(routes!(learning::lessons))
        .routes(routes!(learning::take_back))
        .routes(routes!(learning::campaigns))
        .routes(routes!(learning::campaign))
        .routes(routes!(recalls::recalls, recalls::recall))
        .routes(routes!(recalls::put_back))
        .routes(routes!(reports::reports, reports::import))
        .routes(routes!(reports::sources))
        .routes(routes!(reports::tls))
        .routes(routes!(users::decisions))
        .routes(routes!(users::detections))
        .routes(routes!(users::timeline))
        .routes(routes!(users::decide_about))
        .routes(routes!(users::undo))
        .routes(routes!(users::allow_user))
        .routes(routes!(users::disallow_user))
        .routes(routes!(users::watch_settings, users::change_watch_settings))
        .routes(routes!(acts))
        .routes(routes!(verify))
        .routes(routes!(export))
        .routes(routes!(people))
        .routes(routes!(put_person, remove_person))
        .routes(routes!(invite))
        .routes(routes!(requests))
        .routes(routes!(decide))
        .routes(routes!(tokens))
        .routes(routes!(live))
        .split_for_parts();
    document.info.title = "Mailvigil".to_owned();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.info.description = Some("Send `Authorization: Bearer TOKEN`; make a token on the page /me. What changes something takes an `Idempotency-Key`, but what hands out a link. Errors are problem+json.".to_owned());
    document.servers = Some(vec![utoipa::openapi::Server::new("/api/v1")]);
    let router = router.fallback(async || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "No such path",
            "see /api/openapi.json",
        )
    });
    (router, document)
}

/// A body of JSON, with a problem that says what is wrong with it.
struct Body<T>(T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, shared).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(rejection) => {
                let status = match &rejection {
                    JsonRejection::MissingJsonContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    JsonRejection::JsonDataError(_) => StatusCode::UNPROCESSABLE_ENTITY,
                    JsonRejection::BytesRejection(_) => StatusCode::PAYLOAD_TOO_LARGE,
                    _ => StatusCode::BAD_REQUEST,
                };
                Err(Problem::new(
                    status,
                    "The body cannot be used",
                    rejection.body_text(),
                ))
            }
        }
    }
}

/// The query, with a problem that says what is wrong with it.
struct Asked<T>(T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Shared>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, shared).await;
        match read {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "The query cannot be used",
                rejection.body_text(),
            )),
        }
    }
}

fn bad(what: &str, value: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "The query cannot be used",
        format!("{value:?} is no {what}"),
    )
}

fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(50) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        other => Err(bad("limit from 1 to 500", &other.to_string())),
    }
}

fn item(id: &str) -> Result<RecordId, Problem> {
    RecordId::parse(id)
        .ok_or_else(|| DeskError::NotFound(format!("quarantined message {id:?}")).into())
}

fn cursor(text: Option<&String>) -> Result<Option<RecordId>, Problem> {
    text.map(|text| RecordId::parse(text).ok_or_else(|| bad("cursor", text)))
        .transpose()
}

/// Does something once per key: the same request under the same key gets the first answer again.
async fn once<T: Serialize, F: Future<Output = Result<T, Problem>>>(
    client: &Client,
    headers: &HeaderMap,
    what: &str,
    act: F,
) -> Result<Response, Problem> {
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok());
    let Some(key) = key else {
        return act.await.map(|done| axum::Json(done).into_response());
    };
    if key.is_empty() || key.len() > 200 {
        return Err(bad("Idempotency-Key of 1 to 200 characters", key));
    }
    let key = hash(&format!("{}\0{key}", client.author.who));
    let digest = hash(what);
    let desk = &client.desk;
    if !desk.claim(&key, &digest).await? {
        return match desk.answer(&key).await? {
            Some((known, _, _)) if known != digest => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The key was used for something else",
                "an Idempotency-Key belongs to one request",
            )),
            Some((_, status, body)) if status > 0 => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                let kind = [(header::CONTENT_TYPE, "application/json")];
                Ok((status, kind, body).into_response())
            }
            _ => Err(Problem::new(
                StatusCode::CONFLICT,
                "It is being done",
                "the same request is under way; ask again",
            )),
        };
    }
    match act.await {
        Ok(done) => {
            let body = serde_json::to_string(&done).unwrap_or_default();
            desk.keep_answer(&key, Some((200, &body))).await?;
            let kind = [(header::CONTENT_TYPE, "application/json")];
            Ok((kind, body).into_response())
        }
        Err(problem) => {
            // Nothing was done; the key may be used again.
            desk.keep_answer(&key, None).await?;
            Err(problem)
        }
    }
}

/// What there was in the last hours.
#[utoipa::path(get, path = "/overview", params(HoursIn), responses((status = 200, body = OverviewOut), (status = "4XX", body = Problem)))]
async fn overview(client: Client, Asked(asked): Asked<HoursIn>) -> Answer<OverviewOut> {
    let hours = match asked.hours.unwrap_or(24) {
        hours @ 1..=2160 => hours,
        other => return Err(bad("number of hours from 1 to 2160", &other.to_string())),
    };
    let overview = client.desk.overview(hours).await?;
    let named = |all: &[(String, u64)]| all.iter().map(Into::into).collect();
    Ok(axum::Json(OverviewOut {
        since: types::time(overview.since),
        fates: Fate::ALL
            .iter()
            .map(|fate| fate.as_str())
            .zip(overview.fates)
            .collect(),
        levels: crate::pages::LEVELS
            .iter()
            .map(|level| level.as_str())
            .zip(overview.levels)
            .collect(),
        reasons: named(&overview.reasons),
        senders: named(&overview.senders),
        recipients: named(&overview.recipients),
        machines: named(&overview.machines),
        held: overview.held.0,
        held_bytes: overview.held.1,
        bombs: named(&overview.bombs),
        policy_version: overview.policy_version,
        nodes: overview.nodes.iter().map(Into::into).collect(),
    }))
}

/// Searches messages.
#[utoipa::path(get, path = "/messages", params(MessagesIn), responses((status = 200, body = Listed<Summary>), (status = "4XX", body = Problem)))]
async fn messages(client: Client, Asked(asked): Asked<MessagesIn>) -> Answer<Listed<Summary>> {
    let point = |text: &Option<String>| {
        text.as_ref()
            .map(|text| read_time(text, now()).ok_or_else(|| bad("point in time", text)))
            .transpose()
    };
    let query = engine::Query {
        ip: asked
            .ip
            .as_ref()
            .map(|ip| ip.parse().map_err(|_| bad("address of a machine", ip)))
            .transpose()?,
        fate: asked
            .fate
            .as_ref()
            .map(|fate| Fate::parse(fate).ok_or_else(|| bad("fate", fate)))
            .transpose()?,
        level: asked
            .level
            .as_ref()
            .map(|level| crate::pages::level(level).ok_or_else(|| bad("level", level)))
            .transpose()?,
        since: point(&asked.since)?,
        until: point(&asked.until)?,
        before: cursor(asked.cursor.as_ref())?,
        limit: limit(asked.limit)?,
        address: asked.address,
        from: asked.from,
        to: asked.to,
        subject: asked.subject,
        message_id: asked.message_id,
        queue_id: asked.queue_id,
        account: asked.account,
        reason: asked.reason,
        ..engine::Query::default()
    };
    let page = client.desk.messages(&query).await?;
    Ok(axum::Json(Listed {
        items: page.records.iter().map(Into::into).collect(),
        next: page.next.map(|next| next.to_string()),
        looked_back_to: page.looked_back_to.map(types::time),
    }))
}

/// One message, by record id, queue id or Message-ID.
#[utoipa::path(get, path = "/messages/{id}", params(("id" = String, Path)), responses((status = 200, body = MessageOut), (status = "4XX", body = Problem)))]
async fn message(client: Client, Path(id): Path<String>) -> Answer<MessageOut> {
    let view = client.desk.message(&id).await?;
    Ok(axum::Json(MessageOut {
        summary: (&view.record).into(),
        verdict: view.record.verdict.as_ref().map(Into::into),
        held: view.held.map(|held| held.state.as_str()),
        same: view.same.iter().map(|other| other.id.to_string()).collect(),
    }))
}

/// Says what a message was.
#[utoipa::path(post, path = "/messages/{id}/teach", params(("id" = String, Path)), request_body = TeachIn, responses((status = 200, body = learning::TaughtOut), (status = "4XX", body = Problem)))]
async fn teach(
    client: Client,
    headers: HeaderMap,
    Path(id): Path<String>,
    Body(body): Body<TeachIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let act = async {
        Ok(learning::TaughtOut::from(
            desk.teach_class(item(&id)?, body.wanted, body.class.as_deref())
                .await?,
        ))
    };
    once(
        &client,
        &headers,
        &format!("teach {id} {} {:?}", body.wanted, body.class),
        act,
    )
    .await
}

/// Held mail.
#[utoipa::path(get, path = "/quarantine", params(HeldIn), responses((status = 200, body = Listed<HeldOut>), (status = "4XX", body = Problem)))]
async fn held_list(client: Client, Asked(asked): Asked<HeldIn>) -> Answer<Listed<HeldOut>> {
    let limit = limit(asked.limit)?;
    let filter = HeldFilter {
        all: asked.all.unwrap_or(false),
        level: asked
            .level
            .as_ref()
            .map(|level| crate::pages::level(level).ok_or_else(|| bad("level", level)))
            .transpose()?,
        before: cursor(asked.cursor.as_ref())?,
        to: asked.to,
        from: asked.from,
        subject: asked.subject,
        limit: limit + 1,
        ..HeldFilter::default()
    };
    let mut items = client.desk.held_list(&filter).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    Ok(axum::Json(Listed {
        next: items
            .last()
            .filter(|_| more)
            .map(|last| last.id.to_string()),
        items: items.iter().map(Into::into).collect(),
        looked_back_to: None,
    }))
}

/// One held message, without what it says.
#[utoipa::path(get, path = "/quarantine/{id}", params(("id" = String, Path)), responses((status = 200, body = HeldOut), (status = "4XX", body = Problem)))]
async fn held(client: Client, Path(id): Path<String>) -> Answer<HeldOut> {
    let view = client.desk.held(item(&id)?).await?;
    Ok(axum::Json((&view.held).into()))
}

/// What a held message says. Who reads others' mail gives a reason, once in half an hour.
#[utoipa::path(get, path = "/quarantine/{id}/content", params(("id" = String, Path), Why), responses((status = 200, body = ContentOut), (status = "4XX", body = Problem)))]
async fn content(
    client: Client,
    Path(id): Path<String>,
    Asked(why): Asked<Why>,
) -> Answer<ContentOut> {
    let opened = client.desk.open_held(item(&id)?, &why.reason).await?;
    let parts = opened.parts.into_iter().map(|part| PartOut {
        path: part.path,
        content_type: part.content_type,
        file_name: part.file_name,
        size_bytes: part.size_bytes,
        text: part.text.map(|text| visible(&text)),
    });
    Ok(axum::Json(ContentOut {
        header: visible(&opened.header_text),
        parts: parts.collect(),
    }))
}

/// A held message byte for byte.
#[utoipa::path(get, path = "/quarantine/{id}/source", params(("id" = String, Path), Why), responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = "4XX", body = Problem)))]
async fn source(
    client: Client,
    Path(id): Path<String>,
    Asked(why): Asked<Why>,
) -> Result<Response, Problem> {
    let raw = client.desk.held_source(item(&id)?, &why.reason).await?;
    Ok(crate::pages::download(
        "application/octet-stream",
        &format!("{id}.eml.bin"),
        raw,
    ))
}

/// Releases a held message to its original recipients.
#[utoipa::path(post, path = "/quarantine/{id}/release", params(("id" = String, Path)), request_body = Why, responses((status = 200, body = ReleasedOut), (status = "4XX", body = Problem)))]
async fn release(
    client: Client,
    headers: HeaderMap,
    Path(id): Path<String>,
    Body(why): Body<Why>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let act = async {
        let released = desk.release(item(&id)?, &why.reason).await?;
        Ok(ReleasedOut {
            item: released.item.to_string(),
            to: released
                .recipients
                .iter()
                .map(|to| to.as_str().to_owned())
                .collect(),
            reply: released.reply,
            refused: released.refused,
        })
    };
    once(&client, &headers, &format!("release {id}"), act).await
}

/// Deletes a held message; its summary stays.
#[utoipa::path(post, path = "/quarantine/{id}/delete", params(("id" = String, Path)), request_body = Why, responses((status = 200, body = bool), (status = "4XX", body = Problem)))]
async fn delete(
    client: Client,
    headers: HeaderMap,
    Path(id): Path<String>,
    Body(why): Body<Why>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let act = async {
        desk.delete(item(&id)?, &why.reason).await?;
        Ok(true)
    };
    once(&client, &headers, &format!("delete {id}"), act).await
}

async fn several(
    client: &Client,
    headers: &HeaderMap,
    several: Several,
    release: bool,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let items: Vec<RecordId> = several
        .items
        .iter()
        .map(|id| item(id))
        .collect::<Result<_, _>>()?;
    let what = format!("{release} {}", several.items.join(" "));
    let act = async {
        let decided = if release {
            desk.release_many(&items, &several.reason).await?
        } else {
            desk.delete_many(&items, &several.reason).await?
        };
        let out = decided.into_iter().map(|one| DecidedOut {
            item: one.item.to_string(),
            done: one.outcome.is_ok(),
            why: one.outcome.err().map(|error| error.to_string()),
        });
        Ok(out.collect::<Vec<_>>())
    };
    once(client, headers, &what, act).await
}

/// Releases several.
#[utoipa::path(post, path = "/quarantine/release", request_body = Several, responses((status = 200, body = Vec<DecidedOut>), (status = "4XX", body = Problem)))]
async fn release_many(
    client: Client,
    headers: HeaderMap,
    Body(body): Body<Several>,
) -> Result<Response, Problem> {
    several(&client, &headers, body, true).await
}

/// Deletes several.
#[utoipa::path(post, path = "/quarantine/delete", request_body = Several, responses((status = 200, body = Vec<DecidedOut>), (status = "4XX", body = Problem)))]
async fn delete_many(
    client: Client,
    headers: HeaderMap,
    Body(body): Body<Several>,
) -> Result<Response, Problem> {
    several(&client, &headers, body, false).await
}

/// Enters a sender into the list of allowed ones.
#[utoipa::path(post, path = "/allow", request_body = AllowIn, responses((status = 200, body = Applied), (status = "4XX", body = Problem)))]
async fn allow(
    client: Client,
    headers: HeaderMap,
    Body(body): Body<AllowIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let entry = ListEntry {
        value: body.sender,
        from: body.from,
        account: body.account,
        for_: body.for_,
        expires: body.expires,
        ..ListEntry::default()
    };
    let what = format!("allow {entry:?}");
    let act = async {
        let version = desk.allow_sender(&entry, &body.reason).await?;
        Ok(Applied { version })
    };
    once(&client, &headers, &what, act).await
}

/// The policy in force.
#[utoipa::path(get, path = "/policy", responses((status = 200, body = PolicyOut), (status = "4XX", body = Problem)))]
async fn policy(client: Client) -> Answer<PolicyOut> {
    let (version, text) = client.desk.active_policy().await?;
    Ok(axum::Json(PolicyOut { version, text }))
}

/// Puts a policy in force.
#[utoipa::path(put, path = "/policy", request_body = ApplyIn, responses((status = 200, body = Applied), (status = "4XX", body = Problem)))]
async fn apply(
    client: Client,
    headers: HeaderMap,
    Body(body): Body<ApplyIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let act = async {
        let version = desk
            .apply_policy(&body.text, &body.reason, body.base)
            .await?;
        Ok(Applied { version })
    };
    let what = format!("apply {:?} {}", body.base, body.text);
    once(&client, &headers, &what, act).await
}

/// A version of the policy; 0 is the one that ships.
#[utoipa::path(get, path = "/policy/versions/{version}", params(("version" = i64, Path)), responses((status = 200, body = PolicyOut), (status = "4XX", body = Problem)))]
async fn policy_version(client: Client, Path(version): Path<String>) -> Answer<PolicyOut> {
    let unknown = || DeskError::NotFound(format!("policy version {version:?}"));
    let version: i64 = version.parse().map_err(|_| unknown())?;
    let text = client.desk.policy_text(version).await?;
    Ok(axum::Json(PolicyOut { version, text }))
}

/// The newest versions, at most 500.
#[utoipa::path(get, path = "/policy/versions", responses((status = 200, body = Vec<VersionOut>), (status = "4XX", body = Problem)))]
async fn history(client: Client) -> Answer<Vec<VersionOut>> {
    let versions = client.desk.policy_history(LIMIT_MAX).await?;
    Ok(axum::Json(versions.iter().map(Into::into).collect()))
}

/// Everything that is wrong with a policy; nothing when it is good.
#[utoipa::path(post, path = "/policy/check", request_body = TextIn, responses((status = 200, body = Vec<Wrong>), (status = "4XX", body = Problem)))]
async fn check(client: Client, Body(body): Body<TextIn>) -> Answer<Vec<Wrong>> {
    client.desk.need(engine::Right::SeePolicy)?;
    let wrong = match client.desk.check_policy(&body.text) {
        Ok(policy) => {
            let failed = policy.failed_examples(client.desk.limits());
            crate::error::wrongs(&DeskError::Examples(failed))
        }
        Err(error) => crate::error::wrongs(&error),
    };
    Ok(axum::Json(wrong))
}

/// Changes one thing of the policy.
#[utoipa::path(post, path = "/policy/edit", request_body = EditIn, responses((status = 200, body = Applied), (status = "4XX", body = Problem)))]
async fn edit(
    client: Client,
    headers: HeaderMap,
    Body(body): Body<EditIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let act = async {
        let version = desk
            .edit_policy(&body.change, body.base, &body.reason)
            .await?;
        Ok(Applied { version })
    };
    once(
        &client,
        &headers,
        &format!("edit {:?} {}", body.change, body.base),
        act,
    )
    .await
}

/// What another policy would have done with recorded mail.
#[utoipa::path(post, path = "/policy/what-if", request_body = WhatIfIn, responses((status = 200, body = ReplayOut), (status = "4XX", body = Problem)))]
async fn what_if(client: Client, Body(body): Body<WhatIfIn>) -> Answer<ReplayOut> {
    if !(1..=2160).contains(&body.hours) {
        return Err(bad(
            "number of hours from 1 to 2160",
            &body.hours.to_string(),
        ));
    }
    let since = now().plus_secs(-i64::from(body.hours) * 3600);
    let replay = client.desk.what_if(&body.text, since).await?;
    Ok(axum::Json(replay.into()))
}

/// Judges a message that is given.
#[utoipa::path(post, path = "/policy/try", request_body = TryIn, responses((status = 200, body = VerdictOut), (status = "4XX", body = Problem)))]
async fn try_message(client: Client, Body(body): Body<TryIn>) -> Answer<VerdictOut> {
    let ip = body
        .ip
        .as_ref()
        .map(|ip| ip.parse().map_err(|_| bad("address of a machine", ip)))
        .transpose()?;
    let (_, verdict) = client
        .desk
        .try_message(body.text.as_deref(), body.message.into_bytes(), ip)
        .await?;
    Ok(axum::Json((&verdict).into()))
}

/// Puts an earlier version in force again.
#[utoipa::path(post, path = "/policy/rollback", request_body = RollbackIn, responses((status = 200, body = Applied), (status = "4XX", body = Problem)))]
async fn rollback(
    client: Client,
    headers: HeaderMap,
    Body(body): Body<RollbackIn>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let act = async {
        let version = desk.roll_back(body.version, &body.reason).await?;
        Ok(Applied { version })
    };
    once(
        &client,
        &headers,
        &format!("rollback {}", body.version),
        act,
    )
    .await
}

/// The log of acts.
#[utoipa::path(get, path = "/audit", params(ActsIn), responses((status = 200, body = Listed<ActOut>), (status = "4XX", body = Problem)))]
async fn acts(client: Client, Asked(asked): Asked<ActsIn>) -> Answer<Listed<ActOut>> {
    let limit = limit(asked.limit)?;
    let filter = ActFilter {
        who: asked.who,
        act: asked.act,
        target: asked.target,
        before: asked.cursor,
        limit: limit + 1,
    };
    let mut acts = client.desk.acts(&filter).await?;
    let more = acts.len() > limit as usize;
    acts.truncate(limit as usize);
    Ok(axum::Json(Listed {
        next: acts
            .last()
            .filter(|_| more)
            .map(|last| last.seq.to_string()),
        items: acts.iter().map(Into::into).collect(),
        looked_back_to: None,
    }))
}

/// Is the log of acts whole?
#[utoipa::path(get, path = "/audit/verify", responses((status = 200, body = VerifiedOut), (status = "4XX", body = Problem)))]
async fn verify(client: Client) -> Answer<VerifiedOut> {
    let verified = client.desk.verify_acts().await?;
    Ok(axum::Json(VerifiedOut {
        entries: verified.entries,
        whole: verified.broken.is_empty(),
        broken: verified.broken,
        head: verified.head.map(|(_, hash)| hash),
    }))
}

/// Every act, one JSON object a line, oldest first.
#[utoipa::path(get, path = "/audit/export", responses((status = 200, content_type = "application/x-ndjson", body = String), (status = "4XX", body = Problem)))]
async fn export(client: Client) -> Result<Response, Problem> {
    let body = crate::pages::export_body(client.desk).await?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Who may log in.
#[utoipa::path(get, path = "/people", responses((status = 200, body = Vec<PersonOut>), (status = "4XX", body = Problem)))]
async fn people(client: Client) -> Answer<Vec<PersonOut>> {
    let people = client.desk.people().await?;
    Ok(axum::Json(people.iter().map(Into::into).collect()))
}

/// Enters somebody (and answers with the link for them), or changes what they may do (and answers with null). Done again it changes nothing
/// more, so it takes no key: an answer that is kept would keep the link.
#[utoipa::path(put, path = "/people/{name}", params(("name" = String, Path)), request_body = PersonIn, responses((status = 200, body = Option<LinkOut>), (status = "4XX", body = Problem)))]
async fn put_person(
    State(shared): State<Arc<Shared>>,
    client: Client,
    Path(name): Path<String>,
    Body(body): Body<PersonIn>,
) -> Answer<Option<LinkOut>> {
    let desk = client.acting()?;
    let known = desk
        .people()
        .await?
        .iter()
        .any(|person| person.name == name);
    if known {
        desk.change_person(&name, body.role, &body.scope, body.disabled)
            .await?;
        return Ok(axum::Json(None));
    }
    let new = NewPerson {
        name,
        role: body.role,
        scope: body.scope,
    };
    let code = desk.add_person(&shared.gate, &new).await?;
    Ok(axum::Json(Some(link(&shared, &code))))
}

fn link(shared: &Shared, code: &str) -> LinkOut {
    LinkOut {
        link: format!("{}/welcome?code={code}", shared.settings.url),
    }
}

/// Removes somebody.
#[utoipa::path(delete, path = "/people/{name}", params(("name" = String, Path)), responses((status = 200, body = bool), (status = "4XX", body = Problem)))]
async fn remove_person(
    client: Client,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let desk = client.acting()?;
    let act = async {
        desk.remove_person(&name).await?;
        Ok(true)
    };
    once(&client, &headers, &format!("remove {name}"), act).await
}

/// A new link by which somebody chooses a password.
#[utoipa::path(post, path = "/people/{name}/link", params(("name" = String, Path)), responses((status = 200, body = LinkOut), (status = "4XX", body = Problem)))]
async fn invite(
    State(shared): State<Arc<Shared>>,
    client: Client,
    Path(name): Path<String>,
) -> Answer<LinkOut> {
    let code = client.acting()?.invite_again(&shared.gate, &name).await?;
    Ok(axum::Json(link(&shared, &code)))
}

/// What people ask a second person for.
#[utoipa::path(get, path = "/requests", responses((status = 200, body = Vec<RequestOut>), (status = "4XX", body = Problem)))]
async fn requests(client: Client) -> Answer<Vec<RequestOut>> {
    let requests = client.desk.requests().await?;
    Ok(axum::Json(requests.iter().map(Into::into).collect()))
}

/// Decides about a request of somebody else.
#[utoipa::path(post, path = "/requests/{id}", params(("id" = String, Path)), request_body = DecideIn, responses((status = 200, body = bool), (status = "4XX", body = Problem)))]
async fn decide(
    client: Client,
    headers: HeaderMap,
    Path(id): Path<String>,
    Body(body): Body<DecideIn>,
) -> Result<Response, Problem> {
    let unknown = || DeskError::NotFound(format!("request {id:?}"));
    let request = RecordId::parse(&id).ok_or_else(unknown)?;
    let desk = client.acting()?;
    let act = async {
        desk.decide(request, body.approve, &body.reason).await?;
        Ok(true)
    };
    let what = format!("decide {id} {}", body.approve);
    once(&client, &headers, &what, act).await
}

/// One's own tokens.
#[utoipa::path(get, path = "/tokens", responses((status = 200, body = Vec<TokenOut>), (status = "4XX", body = Problem)))]
async fn tokens(client: Client) -> Answer<Vec<TokenOut>> {
    let tokens = client.desk.tokens().await?;
    Ok(axum::Json(tokens.iter().map(Into::into).collect()))
}

/// What happens, as it happens: Server-Sent Events named `message`.
#[utoipa::path(get, path = "/live", responses((status = 200, content_type = "text/event-stream", body = String), (status = "4XX", body = Problem)))]
async fn live(shared: State<Arc<Shared>>, client: Client) -> Result<Response, Problem> {
    Ok(crate::live::feed(shared, client).await?.into_response())
}
