//! Domains as the JSON API tells them, and what it takes to set something for one.

use engine::{ChainedAct, DomainView, Trial, TriedMessage};
use judge::standing::{Advice, DayView, ServerView, View};
use mail::standing::{Counts, Handling, KeySeen, Share, Stage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::types::time;
use crate::chart::date;
use crate::words_of_standing::network;

/// Which domains.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DomainsIn {
    /// Part of the name.
    pub name: Option<String>,
    /// Only this site's own (true), or only others (false).
    pub ours: Option<bool>,
    /// From the last page.
    pub cursor: Option<String>,
    /// 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

/// A domain in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DomainOut {
    /// Which.
    pub domain: String,
    /// Its organisation.
    pub organisation: String,
    /// observing, report-only, blocking.
    pub stage: &'static str,
    /// How much of its own mail is signed; absent when nothing of it counts.
    #[schema(value_type = Option<Object>)]
    pub share: Option<Share>,
    /// Numbers of messages in the window.
    #[schema(value_type = Object)]
    pub counts: Counts,
    /// Servers told apart.
    pub servers: usize,
}

impl From<&View> for DomainOut {
    fn from(view: &View) -> Self {
        Self {
            domain: view.domain.to_string(),
            organisation: view.organisation.to_string(),
            stage: view.stage.as_str(),
            share: view.share,
            counts: view.counts,
            servers: view.servers.len(),
        }
    }
}

/// One domain.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DomainWholeOut {
    /// As in a list.
    #[serde(flatten)]
    pub summary: DomainOut,
    /// Is it this site's own?
    pub ours: bool,
    /// In its stage since then; absent when it never moved.
    pub since: Option<String>,
    /// Is what follows done, or only reported?
    pub enforced: bool,
    /// The version of the policy this was read under: give it as `base`.
    pub policy_version: i64,
    /// What is set for it.
    pub set: SetOut,
    /// By day, ascending; days without mail are not there.
    pub days: Vec<DayOut>,
    /// By outbound server, the busiest first.
    pub by_server: Vec<ServerOut>,
    /// Keys it signed with.
    pub keys: Vec<KeyOut>,
    /// What could be mended: objects told apart by `advice`.
    #[schema(value_type = Vec<Object>)]
    pub advice: Vec<Advice>,
    /// Its last moves between stages, newest first.
    pub moves: Vec<MoveOut>,
}

/// What the policy sets for a domain.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SetOut {
    /// Under which name: its own, or one above it.
    pub by: Option<String>,
    /// The stage it is pinned to.
    pub stage: Option<&'static str>,
    /// The most that is done: block, redirect, forward.
    pub wish: Option<&'static str>,
    /// Marked servers and networks.
    pub marks: Vec<MarkOut>,
}

/// A marked network.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MarkOut {
    /// Which.
    pub network: String,
    /// own, authorised, not-ours.
    pub mark: &'static str,
}

/// One day of a domain.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DayOut {
    /// Which: `2026-11-23`.
    pub day: String,
    /// Numbers of messages.
    #[schema(value_type = Object)]
    pub counts: Counts,
}

impl From<&DayView> for DayOut {
    fn from(day: &DayView) -> Self {
        Self {
            day: date(day.day),
            counts: day.counts,
        }
    }
}

/// One outbound server of a domain.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServerOut {
    /// A machine, the network it was folded into, or `0.0.0.0/0` for those not told apart.
    pub server: String,
    /// unmarked, own, authorised, not-ours.
    pub mark: &'static str,
    /// How much its mail counts for the share: 0 to 1.
    pub weight: f64,
    /// Numbers of messages.
    #[schema(value_type = Object)]
    pub counts: Counts,
    /// Days it was seen on.
    pub days: usize,
    /// The last of them.
    pub last_day: String,
}

impl From<&ServerView> for ServerOut {
    fn from(server: &ServerView) -> Self {
        Self {
            server: network(&server.server),
            mark: server.mark.as_str(),
            weight: server.weight,
            counts: server.counts,
            days: server.days,
            last_day: date(server.last_day),
        }
    }
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyOut {
    /// Its selector.
    pub selector: String,
    /// Its length; 256 is Ed25519.
    pub bits: Option<u32>,
    /// The first day it was seen.
    pub first_day: String,
    /// The last.
    pub last_day: String,
}

impl From<&KeySeen> for KeyOut {
    fn from(key: &KeySeen) -> Self {
        Self {
            selector: key.selector.clone(),
            bits: key.bits,
            first_day: date(key.first_day),
            last_day: date(key.last_day),
        }
    }
}

/// A move between stages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MoveOut {
    /// When.
    pub at: String,
    /// From this stage.
    pub from: String,
    /// To this one.
    pub to: String,
    /// On what evidence, in words.
    pub evidence: String,
}

impl From<&ChainedAct> for MoveOut {
    fn from(one: &ChainedAct) -> Self {
        Self {
            at: time(one.act.at),
            from: one.act.before.clone(),
            to: one.act.after.clone(),
            evidence: one.act.reason.clone(),
        }
    }
}

impl From<&DomainView> for DomainWholeOut {
    fn from(known: &DomainView) -> Self {
        let (view, set) = (&known.view, &known.set);
        let marks = set.marks.iter().map(|(net, mark)| MarkOut {
            network: network(net),
            mark: mark.as_str(),
        });
        Self {
            summary: view.into(),
            ours: known.is_ours,
            since: (view.since.secs() > 0).then(|| time(view.since)),
            enforced: known.settings.enforce,
            policy_version: known.policy_version,
            set: SetOut {
                by: known.set_by.as_ref().map(ToString::to_string),
                stage: set.stage.map(Stage::as_str),
                wish: set.wish.map(Handling::as_str),
                marks: marks.collect(),
            },
            days: view.days.iter().map(Into::into).collect(),
            by_server: view.servers.iter().map(Into::into).collect(),
            keys: view.keys.iter().map(Into::into).collect(),
            advice: known.advice.clone(),
            moves: known.switches.iter().map(Into::into).collect(),
        }
    }
}

/// What blocking would have done with recorded mail in a domain's name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrialOut {
    /// Messages asked about.
    pub judged: u64,
    /// Messages of which nothing can be said any more.
    pub without_facts: u64,
    /// The oldest looked at.
    pub since: Option<String>,
    /// Stopped before everything in the window was looked at.
    pub cut: bool,
    /// Would be blocked.
    pub blocked: u64,
    /// Would be redirected.
    pub redirected: u64,
    /// Of these two, delivered then.
    pub were_delivered: u64,
    /// Some of these two, newest first.
    pub messages: Vec<TriedOut>,
}

/// One message that would be stopped.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TriedOut {
    /// Record id.
    pub id: String,
    /// By which server it came.
    pub server: Option<String>,
    /// Decoded subject.
    pub subject: String,
    /// What became of it.
    pub fate: &'static str,
    /// block, redirect.
    pub would: &'static str,
    /// Why, in words.
    pub why: Vec<String>,
}

impl From<TriedMessage> for TriedOut {
    fn from(one: TriedMessage) -> Self {
        Self {
            id: one.id.to_string(),
            server: one.server.map(|ip| ip.to_string()),
            subject: one.subject,
            fate: one.fate.as_str(),
            would: one.would.as_str(),
            why: one.why,
        }
    }
}

impl From<Trial> for TrialOut {
    fn from(trial: Trial) -> Self {
        Self {
            judged: trial.judged,
            without_facts: trial.without_facts,
            since: trial.since.map(time),
            cut: trial.cut,
            blocked: trial.blocked,
            redirected: trial.redirected,
            were_delivered: trial.were_delivered,
            messages: trial.messages.into_iter().map(Into::into).collect(),
        }
    }
}

/// What a server or network is to a domain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MarkIn {
    /// Address or network.
    pub network: String,
    /// own, authorised, not-ours; none takes back what was said.
    pub mark: String,
    /// The version of the policy that was looked at: refused when another is in force by now.
    #[serde(default)]
    pub base: Option<i64>,
    /// Why; kept with the version.
    pub reason: String,
}

/// A stage to keep a domain in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PinIn {
    /// observing, report-only, blocking; none lets it move by itself again.
    pub stage: String,
    /// The version of the policy that was looked at: refused when another is in force by now.
    #[serde(default)]
    pub base: Option<i64>,
    /// Why; kept with the version.
    pub reason: String,
}

/// The most that is done to mail in a domain's name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WishIn {
    /// block, redirect, forward; none is whatever follows.
    pub wish: String,
    /// The version of the policy that was looked at: refused when another is in force by now.
    #[serde(default)]
    pub base: Option<i64>,
    /// Why; kept with the version.
    pub reason: String,
}
