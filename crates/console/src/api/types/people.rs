//! Who may do what, and who did what.

use engine::{ChainedAct, Person, Request, Token};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::time;

/// An entry of the log of acts.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ActOut {
    /// Its number, without gaps.
    pub seq: i64,
    /// When.
    pub at: String,
    /// Who.
    pub who: String,
    /// From where.
    pub from: String,
    /// What.
    pub act: String,
    /// On what.
    pub target: String,
    /// Why.
    pub reason: String,
    /// What it was before.
    pub before: String,
    /// What it was after.
    pub after: String,
    /// SHA-256 over the hash before it and the entry.
    pub hash: String,
}

impl From<&ChainedAct> for ActOut {
    fn from(one: &ChainedAct) -> Self {
        let act = one.act.clone();
        Self {
            seq: one.seq,
            at: time(act.at),
            who: act.who,
            from: act.from,
            act: act.act,
            target: act.target,
            reason: act.reason,
            before: act.before,
            after: act.after,
            hash: one.hash.clone(),
        }
    }
}

/// Which acts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ActsIn {
    /// By whom.
    pub who: Option<String>,
    /// What.
    pub act: Option<String>,
    /// On what.
    pub target: Option<String>,
    /// From the last page.
    pub cursor: Option<i64>,
    /// 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

/// Whether the log of acts is whole.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct VerifiedOut {
    /// Entries looked at.
    pub entries: u64,
    /// Is it whole?
    pub whole: bool,
    /// Every place where it is not.
    pub broken: Vec<String>,
    /// The last entry's hash.
    pub head: Option<String>,
}

/// Somebody who may log in.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PersonOut {
    /// Their name.
    pub name: String,
    /// administrator, operator, auditor, owner.
    pub role: String,
    /// On whose mail; empty is everybody's.
    pub scope: Vec<String>,
    /// May not log in.
    pub disabled: bool,
    /// Has chosen a password.
    pub has_password: bool,
    /// Uses one-time codes.
    pub has_codes: bool,
}

impl From<&Person> for PersonOut {
    fn from(person: &Person) -> Self {
        Self {
            name: person.name.clone(),
            role: person.role.clone(),
            scope: person.scope.clone(),
            disabled: person.disabled,
            has_password: person.password.is_some(),
            has_codes: person.totp.is_some(),
        }
    }
}

/// Somebody to enter, or what they shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PersonIn {
    /// administrator, operator, auditor, owner.
    #[schema(value_type = String)]
    pub role: engine::Role,
    /// `@domain` or addresses; empty is everybody's mail.
    #[serde(default)]
    pub scope: Vec<String>,
    /// May not log in.
    #[serde(default)]
    pub disabled: bool,
}

/// A link to choose a password by, good once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct LinkOut {
    /// Give it to them.
    pub link: String,
}

/// What somebody asks a second person for.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RequestOut {
    /// Its id.
    pub id: String,
    /// When it was asked.
    pub at: String,
    /// Who asks.
    pub who: String,
    /// What.
    pub act: String,
    /// On what.
    pub target: String,
    /// Why.
    pub reason: String,
    /// open, approved, refused, used.
    pub state: &'static str,
}

impl From<&Request> for RequestOut {
    fn from(request: &Request) -> Self {
        Self {
            id: request.id.to_string(),
            at: time(request.at),
            who: request.who.clone(),
            act: request.act.clone(),
            target: request.target.clone(),
            reason: request.reason.clone(),
            state: request.state.as_str(),
        }
    }
}

/// A decision about a request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DecideIn {
    /// Allow it?
    pub approve: bool,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TokenOut {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub label: String,
    /// read or act.
    pub scope: String,
    /// When it ends.
    pub expires: String,
}

impl From<&Token> for TokenOut {
    fn from(token: &Token) -> Self {
        Self {
            id: token.id.clone(),
            label: token.label.clone(),
            scope: token.scope.clone(),
            expires: time(token.expires),
        }
    }
}
