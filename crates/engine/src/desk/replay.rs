//! What-if: recorded mail judged under another policy, before it is in force.
//!
//! Facts are recorded beside verdicts and hold no text, so what a policy newly looks for in texts cannot be told of mail
//! that is gone; of held mail, which is kept whole, it can. How many could be judged again, and what could not be seen, is
//! part of the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use judge::Policy;
use judge::counterfactual::{new_spans, new_terms};
use mail::{Action, Level, Record, RecordId, Timestamp, Verdict};
use serde::Serialize;

use super::{Desk, DeskError, Right};

/// Records judged again at most.
const RECORDS_MAX: usize = 20_000;
/// Time a what-if takes at most.
const PATIENCE: Duration = Duration::from_secs(20);
/// Changed messages named.
const NAMED_MAX: usize = 200;
/// Records read at once.
const PIECE: u32 = 250;

/// What another policy would have done with recorded mail.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Replay {
    /// Records looked at.
    pub looked_at: u64,
    /// Of these, judged again.
    pub judged: u64,
    /// Not judged again: their facts are not kept any more, or they never had any.
    pub without_facts: u64,
    /// The oldest record looked at.
    pub since: Option<Timestamp>,
    /// Stopped before everything asked for was looked at.
    pub cut: bool,
    /// `(level before, level after, how many)`, only where they differ.
    pub levels: Vec<(Level, Level, u64)>,
    /// `(action before, action after, how many)`, only where they differ.
    pub actions: Vec<(String, String, u64)>,
    /// Messages whose action changes, newest first, at most 200.
    pub changed: Vec<Changed>,
    /// How many change in all.
    pub changed_count: u64,
    /// Terms and patterns that nobody looked for then, as `SET: TERM`; only held mail could be searched for them.
    pub unseen_terms: Vec<String>,
    /// Windows, in seconds, that nobody counted then.
    pub unseen_spans: Vec<u32>,
}

/// One message that would have gone another way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// Which.
    pub id: RecordId,
    /// Its sender.
    pub from: Option<String>,
    /// Its subject.
    pub subject: String,
    /// What was done.
    pub before: Action,
    /// With this score.
    pub score_before: f64,
    /// What would have been done.
    pub after: Action,
    /// With this score.
    pub score_after: f64,
    /// Reasons that come or go, with a sign: `+rule`, `-rule`.
    pub reasons: Vec<String>,
}

impl Desk {
    /// Judges the mail recorded since `since` under this policy text.
    pub async fn what_if(&self, text: &str, since: Timestamp) -> Result<Replay, DeskError> {
        self.need(Right::SeePolicy)?;
        self.need(Right::SeeRecords)?;
        let policy = Arc::new(self.check_policy(text)?);
        let mut replay = Replay::default();
        let (version, _) = self.policy_in_force().await?;
        if let Some(now) = self.compiled(version).await? {
            replay.unseen_terms = new_terms(&now, &policy)
                .into_iter()
                .map(|(set, term)| format!("{set}: {term}"))
                .collect();
            replay.unseen_spans = new_spans(&now, &policy);
        }
        let rescan = !replay.unseen_terms.is_empty();
        let started = Instant::now();
        let mut before = None;
        loop {
            let records = self
                .store()
                .recorded(since, before, &self.author.scope, PIECE)
                .await?;
            let Some(last) = records.last() else { break };
            before = Some(last.id);
            let full = records.len() == PIECE as usize;
            let bodies = if rescan {
                self.bodies(&records).await
            } else {
                Vec::new()
            };
            replay = self.again(replay, records, bodies, policy.clone()).await?;
            if !full {
                break;
            }
            if replay.looked_at >= RECORDS_MAX as u64 || started.elapsed() > PATIENCE {
                replay.cut = true;
                break;
            }
        }
        Ok(replay)
    }

    /// Texts of those that are held whole. One that cannot be read counts as one that is gone.
    async fn bodies(&self, records: &[Record]) -> Vec<Body> {
        let mut bodies = Vec::new();
        for record in records {
            if record.fate == mail::Fate::Quarantined
                && let Ok(body) = self.store().body(record.id).await
            {
                let message = crate::read(&body, self.limits(), self.readers()).await;
                bodies.push(Body {
                    id: record.id,
                    raw: body,
                    message,
                });
            }
        }
        bodies
    }

    async fn again(
        &self,
        mut replay: Replay,
        records: Vec<Record>,
        bodies: Vec<Body>,
        policy: Arc<Policy>,
    ) -> Result<Replay, DeskError> {
        let site = self.site();
        let done = tokio::task::spawn_blocking(move || {
            for mut record in records {
                replay.looked_at += 1;
                replay.since = Some(record.at);
                let (Some(mut facts), Some(old)) = (record.facts.take(), record.verdict.take())
                else {
                    replay.without_facts += 1;
                    continue;
                };
                if let Some(body) = bodies.iter().find(|body| body.id == record.id) {
                    facts.hits = policy.scan(&body.message);
                    let imported = policy.scan_imported(&body.message, &body.raw, &facts.envelope);
                    facts.hits.extend(imported);
                }
                let new = judge::judge(&facts, &site, &policy, 0);
                replay.judged += 1;
                replay.compare(&record, &old, &new);
            }
            replay
        });
        done.await
            .map_err(|_| DeskError::Refused("judging again failed inside the program".to_owned()))
    }
}

/// A message that is held whole.
struct Body {
    id: RecordId,
    raw: Vec<u8>,
    message: mail::Message,
}

impl Replay {
    fn compare(&mut self, record: &Record, old: &Verdict, new: &Verdict) {
        if old.level != new.level {
            match self
                .levels
                .iter_mut()
                .find(|(a, b, _)| (*a, *b) == (old.level, new.level))
            {
                Some((_, _, count)) => *count += 1,
                None => self.levels.push((old.level, new.level, 1)),
            }
        }
        if old.action == new.action {
            return;
        }
        let (a, b) = (old.action.to_string(), new.action.to_string());
        match self
            .actions
            .iter_mut()
            .find(|(from, to, _)| *from == a && *to == b)
        {
            Some((_, _, count)) => *count += 1,
            None => self.actions.push((a, b, 1)),
        }
        self.changed_count += 1;
        if self.changed.len() < NAMED_MAX {
            self.changed.push(Changed {
                id: record.id,
                from: record.header_from.clone(),
                subject: record.subject.clone(),
                before: old.action.clone(),
                score_before: old.score,
                after: new.action.clone(),
                score_after: new.score,
                reasons: difference(old, new),
            });
        }
    }
}

fn difference(old: &Verdict, new: &Verdict) -> Vec<String> {
    let has = |verdict: &Verdict, name: &str| {
        verdict
            .reasons
            .iter()
            .any(|reason| reason.name == name && name != "nothing-found")
    };
    let come = new
        .reasons
        .iter()
        .filter(|reason| has(new, &reason.name) && !has(old, &reason.name))
        .map(|reason| format!("+{}", reason.name));
    let gone = old
        .reasons
        .iter()
        .filter(|reason| has(old, &reason.name) && !has(new, &reason.name))
        .map(|reason| format!("-{}", reason.name));
    come.chain(gone).collect()
}
