//! The overview: mail and verdicts over time, the largest of everything, and how all parts are.

use mail::{Fate, Level, Timestamp};
use serde::Serialize;
use store::{SPAN_SECS, Tally};

use super::{Desk, DeskError, Right};
use crate::clock::now;
use crate::keeper::Presence;

/// Rows of a list of the largest.
const TOP: u32 = 10;

/// One hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hour {
    /// When it began.
    pub at: Timestamp,
    /// Messages by fate, in the order of [`Fate::ALL`].
    pub fates: [u64; 7],
}

/// A number with its name.
pub type Named = (String, u64);

/// What there was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overview {
    /// Since when.
    pub since: Timestamp,
    /// Every hour since then, also those without mail.
    pub hours: Vec<Hour>,
    /// Messages by fate, in the order of [`Fate::ALL`].
    pub fates: [u64; 7],
    /// Messages by level: ordinary, suspicious, dangerous.
    pub levels: [u64; 3],
    /// The most frequent reasons.
    pub reasons: Vec<Named>,
    /// Mail bombs: reasons that tell of floods.
    pub bombs: Vec<Named>,
    /// Who sent most.
    pub senders: Vec<Named>,
    /// Who got most.
    pub recipients: Vec<Named>,
    /// Machines that handed over most.
    pub machines: Vec<Named>,
    /// What passed unjudged.
    pub passed: Passed,
    /// Held messages and their bytes.
    pub held: (u64, u64),
    /// Nodes that live, with the policy version each judges by.
    pub nodes: Vec<(String, Presence)>,
    /// The policy version in force.
    pub policy_version: i64,
}

/// What passed without a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// Found in a server's log.
    pub unscanned: u64,
    /// Asked about, and not judged: `on_failure` answered.
    pub failed: u64,
}

impl Desk {
    /// What there was in the last `hours`. Somebody with a scope sees their domains' fates; lists of the largest are for those who see
    /// everything.
    pub async fn overview(&self, hours: u32) -> Result<Overview, DeskError> {
        self.need(Right::SeeRecords)?;
        let all = self.author.scope.is_empty();
        let span = SPAN_SECS;
        let this_hour = now().secs().div_euclid(span) * span;
        let since = Timestamp::from_secs(this_hour - i64::from(hours.saturating_sub(1)) * span);
        let rows = if all {
            self.store().tallies(Tally::Fate, since).await?
        } else {
            self.fates_of_scope(since).await?
        };
        let hours = by_hour(since, this_hour, &rows);
        let mut fates = [0; 7];
        for hour in &hours {
            for (sum, count) in fates.iter_mut().zip(&hour.fates) {
                *sum += count;
            }
        }
        let mut overview = Overview {
            since,
            hours,
            fates,
            levels: [0; 3],
            reasons: Vec::new(),
            bombs: Vec::new(),
            senders: Vec::new(),
            recipients: Vec::new(),
            machines: Vec::new(),
            passed: Passed {
                unscanned: fates[6],
                failed: fates[5],
            },
            held: (0, 0),
            nodes: self.nodes().await?,
            policy_version: self.store().active_policy_version().await?.unwrap_or(0),
        };
        if all {
            self.largest(&mut overview).await?;
        }
        Ok(overview)
    }

    async fn largest(&self, overview: &mut Overview) -> Result<(), DeskError> {
        let (store, since) = (self.store(), overview.since);
        for (name, count) in store.top(Tally::Level, since, 10).await? {
            let level = [Level::Ordinary, Level::Suspicious, Level::Dangerous]
                .into_iter()
                .find(|level| level.as_str() == name);
            if let Some(level) = level {
                overview.levels[level as usize] = count;
            }
        }
        let mut reasons = store.top(Tally::Reason, since, 200).await?;
        reasons.retain(|(name, _)| name != "nothing-found");
        overview.bombs = reasons
            .iter()
            .filter(|(name, _)| name.contains("bomb") || name.contains("flood"))
            .cloned()
            .collect();
        reasons.truncate(TOP as usize);
        overview.reasons = reasons;
        overview.senders = store.top(Tally::From, since, TOP).await?;
        overview.recipients = store.top(Tally::To, since, TOP).await?;
        overview.machines = store.top(Tally::Ip, since, TOP).await?;
        overview.held = store.held_size().await?;
        Ok(())
    }

    /// Fates of the domains in the author's scope.
    async fn fates_of_scope(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, String, u64)>, DeskError> {
        let rows = self.store().tallies(Tally::DomainFate, since).await?;
        let mine = |(at, name, count): (Timestamp, String, u64)| {
            let (domain, fate) = name.split_once(' ')?;
            let covered = self
                .author
                .scope
                .iter()
                .any(|one| one.strip_prefix('@') == Some(domain));
            covered.then(|| (at, fate.to_owned(), count))
        };
        Ok(rows.into_iter().filter_map(mine).collect())
    }
}

fn by_hour(since: Timestamp, until: i64, rows: &[(Timestamp, String, u64)]) -> Vec<Hour> {
    let count = ((until - since.secs()) / SPAN_SECS + 1).max(0) as usize;
    let mut hours: Vec<Hour> = (0..count)
        .map(|number| Hour {
            at: since.plus_secs(number as i64 * SPAN_SECS),
            fates: [0; 7],
        })
        .collect();
    for (at, name, count) in rows {
        let place = (at.secs() - since.secs()) / SPAN_SECS;
        let fate = Fate::parse(name);
        if let (Some(hour), Some(fate)) = (hours.get_mut(place as usize), fate) {
            hour.fates[fate as usize] += count;
        }
    }
    hours
}
