//! What blocking would do for a domain, tried on recorded mail in its name before it is in force.
//!
//! Unlike a what-if, which judges by the ruling of its time, this asks today's standing about yesterday's facts, as if the domain blocked.

use std::time::{Duration, Instant};

use judge::standing::{Settings, Standing};
use mail::standing::{Handling, Stage};
use mail::{Domain, Facts, Fate, Known, Level, Record, RecordId, Timestamp};
use serde::Serialize;
use store::Query;

use super::{Desk, DeskError, Right};
use crate::clock::now;

/// Messages looked at, at most.
const MESSAGES_MAX: u64 = 2_000;
/// Time it takes at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages named.
const NAMED_MAX: usize = 50;
/// Records found at once.
const PIECE: u32 = 250;

/// What blocking would have done with recorded mail in a domain's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trial {
    /// Messages asked about.
    pub judged: u64,
    /// Messages in its name of which nothing can be said any more: their facts are gone, or nobody asked who sent them.
    pub without_facts: u64,
    /// The oldest looked at.
    pub since: Option<Timestamp>,
    /// Stopped before everything in the window was looked at.
    pub cut: bool,
    /// Would be blocked.
    pub blocked: u64,
    /// Would be redirected.
    pub redirected: u64,
    /// Of these two, delivered then.
    pub were_delivered: u64,
    /// Some of these two, newest first.
    pub messages: Vec<TriedMessage>,
}

/// One message that would be stopped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TriedMessage {
    /// Which.
    pub id: RecordId,
    /// When it came.
    pub at: Timestamp,
    /// By which server.
    pub server: Option<std::net::IpAddr>,
    /// Its subject.
    pub subject: String,
    /// What became of it.
    pub fate: Fate,
    /// What would be done.
    pub would: Handling,
    /// Why, in words.
    pub why: Vec<String>,
}

impl Desk {
    /// Asks of recorded mail in a domain's name what would be done if the domain blocked and that were enforced.
    pub async fn try_blocking(&self, domain: &Domain) -> Result<Trial, DeskError> {
        self.need(Right::SeeRecords)?;
        let (standing, settings, _) = self.standing().await?;
        let settings = as_if_blocking(settings, domain);
        let mut query = Query {
            from: Some(format!("@{domain}")),
            since: Some(now().plus_secs(-86_400 * i64::from(settings.window_days))),
            limit: PIECE,
            ..Query::default()
        };
        let (mut trial, started) = (Trial::default(), Instant::now());
        loop {
            let page = self.messages(&query).await?;
            for found in &page.records {
                let whole = self.store().get(found.id).await?;
                trial.take(
                    domain,
                    whole.as_ref().unwrap_or(found),
                    &standing,
                    &settings,
                );
            }
            if page.next.is_none() {
                return Ok(trial);
            }
            query.before = page.next;
            if trial.judged + trial.without_facts >= MESSAGES_MAX || started.elapsed() > PATIENCE {
                trial.cut = true;
                return Ok(trial);
            }
        }
    }
}

fn as_if_blocking(mut settings: Settings, domain: &Domain) -> Settings {
    let mut set = settings.of(domain).clone();
    set.stage = Some(Stage::Blocking);
    settings.domains.insert(domain.clone(), set);
    settings.enforce = true;
    settings
}

impl Trial {
    fn take(&mut self, domain: &Domain, record: &Record, standing: &Standing, settings: &Settings) {
        let Some(facts) = record.facts.as_ref().filter(|facts| is_asked(facts)) else {
            self.without_facts += 1;
            return;
        };
        // The envelope sender is looked up as well as the visible one; only who the message says it is from counts here.
        let found = facts.authentication.yes();
        let alleged = found.and_then(|found| found.alleged.domain.as_ref());
        if alleged != Some(domain) {
            return;
        }
        self.judged += 1;
        self.since = Some(record.at);
        let verdict = record.verdict.as_ref();
        let suspect = verdict.is_some_and(|verdict| verdict.level > Level::Ordinary);
        let ruling = standing.rule(facts, suspect, settings);
        match ruling.would {
            Handling::Forward => return,
            Handling::Redirect => self.redirected += 1,
            Handling::Block => self.blocked += 1,
        }
        self.were_delivered += u64::from(record.fate == Fate::Delivered);
        if self.messages.len() < NAMED_MAX {
            self.messages.push(TriedMessage {
                id: record.id,
                at: record.at,
                server: found.and_then(|found| found.outbound.ip),
                subject: record.subject.clone(),
                fate: record.fate,
                would: ruling.would,
                why: ruling.why,
            });
        }
    }
}

/// Was anything found out about who sent it?
const fn is_asked(facts: &Facts) -> bool {
    matches!(facts.authentication, Known::Yes(_))
}
