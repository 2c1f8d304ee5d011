//! `console …`: people who may log in, and what they ask a second person for.

use std::process::ExitCode;

use engine::gate::Gate;
use engine::{Desk, NewPerson, Role};

use super::{nothing, record_id};
use crate::cli::{DecideArgs, PartArgs, RoleArg};
use crate::show;

/// Everybody who may log in.
pub async fn list(desk: &Desk) -> anyhow::Result<ExitCode> {
    let people = desk.people().await?;
    if people.is_empty() {
        return Ok(nothing(
            "Nobody may log in yet; `mailvigil console link` makes the first link.",
        ));
    }
    let mut table = show::table(&["name", "role", "on whose mail", "logs in by"]);
    for person in &people {
        let scope = if person.scope.is_empty() {
            "everybody's".to_owned()
        } else {
            person.scope.join(" ")
        };
        let by = match (&person.password, &person.totp) {
            _ if person.disabled => "may not",
            (None, _) if person.subject.is_some() => "single sign-on",
            (None, _) => "not yet",
            (Some(_), None) => "password",
            (Some(_), Some(_)) => "password and code",
        };
        table.add_row(vec![
            show::safe(&person.name),
            person.role.clone(),
            show::safe(&scope),
            by.to_owned(),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

/// Enters somebody; the link by which they choose a password.
pub async fn add(desk: &Desk, gate: &Gate, name: String, part: PartArgs) -> anyhow::Result<String> {
    let new = NewPerson {
        name,
        role: role(part.role),
        scope: part.scope,
    };
    Ok(desk.add_person(gate, &new).await?)
}

/// Changes what somebody may do.
pub async fn change(
    desk: &Desk,
    name: &str,
    part: &PartArgs,
    disabled: bool,
) -> anyhow::Result<ExitCode> {
    desk.change_person(name, role(part.role), &part.scope, disabled)
        .await?;
    println!("{} is changed; their sessions ended.", show::safe(name));
    Ok(ExitCode::SUCCESS)
}

/// What waits for a second person, and what was decided lately.
pub async fn requests(desk: &Desk) -> anyhow::Result<ExitCode> {
    let requests = desk.requests().await?;
    if requests.is_empty() {
        return Ok(nothing("Nobody asks for anything."));
    }
    let mut table = show::table(&["id", "when", "who", "act", "on", "reason", "state", "by"]);
    for request in &requests {
        table.add_row(vec![
            request.id.to_string(),
            request.at.to_string(),
            show::safe(&request.who),
            request.act.clone(),
            show::short(&request.target, 60),
            show::short(&request.reason, 60),
            request.state.as_str().to_owned(),
            show::safe(request.decided_by.as_deref().unwrap_or_default()),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

/// Decides about a request.
pub async fn decide(desk: &Desk, args: &DecideArgs, approve: bool) -> anyhow::Result<ExitCode> {
    let reason = args.reason.as_deref().unwrap_or_default();
    desk.decide(record_id(&args.id)?, approve, reason).await?;
    let word = if approve { "allowed" } else { "refused" };
    println!("{} is {word}.", show::safe(&args.id));
    Ok(ExitCode::SUCCESS)
}

const fn role(role: RoleArg) -> Role {
    match role {
        RoleArg::Administrator => Role::Administrator,
        RoleArg::Operator => Role::Operator,
        RoleArg::Auditor => Role::Auditor,
        RoleArg::Owner => Role::Owner,
    }
}
