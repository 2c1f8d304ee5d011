//! Domains that mail says to come from, for programs.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use engine::{DeskError, DomainFilter};
use mail::Domain;

use super::domain_types::{DomainOut, DomainWholeOut, DomainsIn, MarkIn, PinIn, TrialOut, WishIn};
use super::types::{Applied, Listed};
use super::{Answer, Asked, Body, bad, limit, once};
use crate::error::Problem;
use crate::visitor::Client;
use crate::words_of_standing::{read_handling, read_mark, read_network, read_stage};

fn domain(name: &str) -> Result<Domain, Problem> {
    Domain::parse(name).map_err(|error| DeskError::NotFound(error.to_string()).into())
}

/// Domains that mail says to come from, the busiest first.
#[utoipa::path(get, path = "/domains", params(DomainsIn), responses((status = 200, body = Listed<DomainOut>), (status = "4XX", body = Problem)))]
pub(super) async fn domains(
    client: Client,
    Asked(asked): Asked<DomainsIn>,
) -> Answer<Listed<DomainOut>> {
    let cursor = asked.cursor.as_ref();
    let skip = cursor.map(|text| text.parse().map_err(|_| bad("cursor", text)));
    let filter = DomainFilter {
        name: asked.name.unwrap_or_default(),
        ours: asked.ours,
        skip: skip.transpose()?.unwrap_or(0),
        limit: limit(asked.limit)? as usize,
    };
    let page = client.desk.standings(&filter).await?;
    let shown = filter.skip.saturating_add(page.views.len());
    Ok(axum::Json(Listed {
        next: (!page.views.is_empty() && shown < page.total).then(|| shown.to_string()),
        items: page.views.iter().map(Into::into).collect(),
        looked_back_to: None,
    }))
}

/// One domain: its servers, days and keys, what is set for it, how it came to its stage.
#[utoipa::path(get, path = "/domains/{domain}", params(("domain" = String, Path)), responses((status = 200, body = DomainWholeOut), (status = "4XX", body = Problem)))]
pub(super) async fn one_domain(client: Client, Path(name): Path<String>) -> Answer<DomainWholeOut> {
    let known = client.desk.standing_of(&domain(&name)?).await?;
    Ok(axum::Json((&known).into()))
}

/// What blocking would have done with recorded mail in a domain's name.
#[utoipa::path(get, path = "/domains/{domain}/trial", params(("domain" = String, Path)), responses((status = 200, body = TrialOut), (status = "4XX", body = Problem)))]
pub(super) async fn trial(client: Client, Path(name): Path<String>) -> Answer<TrialOut> {
    let trial = client.desk.try_blocking(&domain(&name)?).await?;
    Ok(axum::Json(trial.into()))
}

/// Says what a server or network is to a domain.
#[utoipa::path(post, path = "/domains/{domain}/mark", params(("domain" = String, Path)), request_body = MarkIn, responses((status = 200, body = Applied), (status = "4XX", body = Problem)))]
pub(super) async fn mark_server(
    client: Client,
    headers: HeaderMap,
    Path(name): Path<String>,
    Body(body): Body<MarkIn>,
) -> Result<Response, Problem> {
    let (desk, domain) = (client.acting()?, domain(&name)?);
    let (network, mark) = (read_network(&body.network)?, read_mark(&body.mark)?);
    let act = async {
        let marked = desk.mark_server(&domain, network, mark, body.base, &body.reason);
        let version = marked.await?;
        Ok(Applied { version })
    };
    let what = format!("mark {domain} {network} {} {:?}", body.mark, body.base);
    once(&client, &headers, &what, act).await
}

/// Keeps a domain in a stage, or lets it move by itself again.
#[utoipa::path(post, path = "/domains/{domain}/pin", params(("domain" = String, Path)), request_body = PinIn, responses((status = 200, body = Applied), (status = "4XX", body = Problem)))]
pub(super) async fn pin_stage(
    client: Client,
    headers: HeaderMap,
    Path(name): Path<String>,
    Body(body): Body<PinIn>,
) -> Result<Response, Problem> {
    let (desk, domain) = (client.acting()?, domain(&name)?);
    let stage = read_stage(&body.stage)?;
    let act = async {
        let pinned = desk.pin_stage(&domain, stage, body.base, &body.reason);
        let version = pinned.await?;
        Ok(Applied { version })
    };
    let what = format!("pin {domain} {} {:?}", body.stage, body.base);
    once(&client, &headers, &what, act).await
}

/// Sets the most that is done to mail in a domain's name.
#[utoipa::path(post, path = "/domains/{domain}/wish", params(("domain" = String, Path)), request_body = WishIn, responses((status = 200, body = Applied), (status = "4XX", body = Problem)))]
pub(super) async fn wish_for(
    client: Client,
    headers: HeaderMap,
    Path(name): Path<String>,
    Body(body): Body<WishIn>,
) -> Result<Response, Problem> {
    let (desk, domain) = (client.acting()?, domain(&name)?);
    let wish = read_handling(&body.wish)?;
    let act = async {
        let wished = desk.wish_for(&domain, wish, body.base, &body.reason);
        let version = wished.await?;
        Ok(Applied { version })
    };
    let what = format!("wish {domain} {} {:?}", body.wish, body.base);
    once(&client, &headers, &what, act).await
}
