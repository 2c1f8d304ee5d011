//! What people see of users' doings, and what they decide: the time line of an account, an address or a machine, detections, decisions, the
//! allow-list and the settings of the watch.
//!
//! What is decided here is a wish in the store, which every node grants within a fifth of a second, and an act like all others.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use mail::{Account, Address, Operation, Record, RecordId, Timestamp};
use serde::Serialize;
use store::{Concerned, DecisionRow, DetectionRow, Query, WatchFilter};
use watch::{Allowance, Allowed, Decision, Scope, Settings, Step};

use super::{Desk, DeskError, Right};
use crate::clock::now;
use crate::watching::read_operation;
use crate::watching::wishes::Wished;

/// How long a wish is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whose time line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// An account: what was done with it, what it sent.
    Account(Account),
    /// A machine or a person's place: what was done from it.
    Ip(IpAddr),
    /// A mailbox or a stranger's address: mail from and to it, and the account of that name.
    Address(Address),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// Its name.
    pub id: RecordId,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// Something was done.
    Operation(Box<Operation>),
    /// A message came past.
    Message(Box<Record>),
    /// A detector saw something.
    Detection(DetectionView),
    /// Something was decided.
    Decision(Box<DecisionView>),
}

/// Something seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DetectionView {
    /// Its name.
    pub id: RecordId,
    /// By which detector.
    pub detector: String,
    /// The account.
    pub account: Option<String>,
    /// The source.
    pub ip: Option<String>,
    /// The mailbox.
    pub mailbox: Option<String>,
    /// Was it sure enough to do something?
    pub acts: bool,
    /// In words, with counts and thresholds.
    pub words: String,
    /// How sure, 0 to 1.
    pub score: f64,
    /// The operations behind it.
    pub evidence: Vec<RecordId>,
}

/// A decision, and whether it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecisionView {
    /// As it was made.
    pub decision: Decision,
    /// When somebody ended it, and who.
    pub ended: Option<(Timestamp, String)>,
}

impl DecisionView {
    /// Does it stand at this time?
    pub fn stands(&self, at: Timestamp) -> bool {
        self.ended.is_none() && self.decision.expires > at
    }
}

impl Desk {
    /// What happened with somebody, the newest first, at most `limit` of it, older than `before`.
    pub async fn timeline(
        &self,
        identity: &Identity,
        since: Option<Timestamp>,
        before: Option<RecordId>,
        limit: u32,
    ) -> Result<Vec<Moment>, DeskError> {
        self.need(Right::SeeRecords)?;
        self.may_look_at(identity)?;
        let who = concerned(identity);
        let filter = WatchFilter {
            who,
            since,
            before,
            limit,
            ..WatchFilter::default()
        };
        let mut moments = Vec::new();
        // Of a mailbox that is no account there are no operations; asking for all would show everybody's.
        let asks_operations = filter.who.account.is_some() || filter.who.ip.is_some();
        if asks_operations {
            for row in self.store().operations(&filter).await? {
                if let Some(operation) = read_operation(&row) {
                    let what = Happening::Operation(Box::new(operation));
                    moments.push(Moment {
                        at: row.id.at(),
                        id: row.id,
                        what,
                    });
                }
            }
        }
        for row in self.store().detections(&filter).await? {
            moments.push(Moment {
                at: row.id.at(),
                id: row.id,
                what: Happening::Detection(detection(row)),
            });
        }
        for row in self.store().decisions(&filter).await? {
            let id = row.id;
            if let Some(view) = decision(row) {
                let what = Happening::Decision(Box::new(view));
                moments.push(Moment {
                    at: id.at(),
                    id,
                    what,
                });
            }
        }
        for record in self.mail_of(identity, since, before, limit).await? {
            moments.push(Moment {
                at: record.id.at(),
                id: record.id,
                what: Happening::Message(Box::new(record)),
            });
        }
        moments.sort_by_key(|moment| std::cmp::Reverse(moment.id));
        moments.truncate(limit as usize);
        Ok(moments)
    }

    /// What stands about somebody now, the newest first, simulated decisions too.
    pub async fn stands_about(&self, identity: &Identity) -> Result<Vec<DecisionView>, DeskError> {
        self.need(Right::SeeRecords)?;
        self.may_look_at(identity)?;
        let filter = WatchFilter {
            who: concerned(identity),
            standing_at: Some(now()),
            limit: 100,
            ..WatchFilter::default()
        };
        let rows = self.store().decisions(&filter).await?;
        Ok(rows.into_iter().filter_map(decision).collect())
    }

    /// Messages of somebody: by account and by address, each once.
    async fn mail_of(
        &self,
        identity: &Identity,
        since: Option<Timestamp>,
        before: Option<RecordId>,
        limit: u32,
    ) -> Result<Vec<Record>, DeskError> {
        let query = Query {
            since,
            before,
            limit,
            ..Query::default()
        };
        let mut queries = Vec::new();
        match identity {
            Identity::Ip(ip) => queries.push(Query {
                ip: Some(*ip),
                ..query
            }),
            Identity::Address(address) => queries.push(Query {
                address: Some(address.key()),
                ..query
            }),
            Identity::Account(account) => {
                // Servers tell the name as it was given: with and without its domain.
                for name in [account.as_str(), account.local()] {
                    queries.push(Query {
                        account: Some(name.to_owned()),
                        ..query.clone()
                    });
                }
                queries.push(Query {
                    address: Some(account.as_str().to_owned()),
                    ..query
                });
            }
        }
        let mut records: Vec<Record> = Vec::new();
        for query in &queries {
            records.extend(self.messages(query).await?.records);
        }
        records.sort_by_key(|record| std::cmp::Reverse(record.id));
        records.dedup_by_key(|record| record.id);
        Ok(records)
    }

    /// What detectors saw, the newest first.
    pub async fn detections(&self, filter: &WatchFilter) -> Result<Vec<DetectionView>, DeskError> {
        self.need_all()?;
        let rows = self.store().detections(filter).await?;
        Ok(rows.into_iter().map(detection).collect())
    }

    /// What was decided, the newest first.
    pub async fn decisions(&self, filter: &WatchFilter) -> Result<Vec<DecisionView>, DeskError> {
        self.need_all()?;
        let rows = self.store().decisions(filter).await?;
        Ok(rows.into_iter().filter_map(decision).collect())
    }

    /// Operations, the newest first.
    pub async fn operations(&self, filter: &WatchFilter) -> Result<Vec<Operation>, DeskError> {
        self.need_all()?;
        let rows = self.store().operations(filter).await?;
        Ok(rows.iter().filter_map(read_operation).collect())
    }

    /// Decides something about somebody, for so many seconds or as long as the step usually stands. Gives whether a node has heard.
    pub async fn decide_about(
        &self,
        scope: Scope,
        step: Step,
        secs: Option<i64>,
        reason: &str,
    ) -> Result<bool, DeskError> {
        let wished = Wished::Decide {
            scope: scope.clone(),
            step,
            secs,
            reason: reason.to_owned(),
        };
        let after = step.name().to_owned();
        self.wish("watch-decide", &named(&scope), reason, &after, &wished)
            .await
    }

    /// Ends what stands about somebody, and forgets what was counted; for an hour nothing automatic is decided about the same.
    pub async fn undo(&self, scope: Scope, reason: &str) -> Result<bool, DeskError> {
        let wished = Wished::Undo {
            scope: scope.clone(),
            reason: reason.to_owned(),
        };
        self.wish("watch-undo", &named(&scope), reason, "", &wished)
            .await
    }

    /// Ends one decision by its name, with all that stands about the same; whom it was about.
    pub async fn undo_decision(
        &self,
        id: RecordId,
        reason: &str,
    ) -> Result<(Decision, bool), DeskError> {
        self.need(Right::DecideWatched)?;
        let row = self.store().decision(id).await?;
        let view = row.and_then(decision);
        let view = view.ok_or_else(|| DeskError::NotFound(format!("a decision {id}")))?;
        if !view.stands(now()) {
            return Err(DeskError::Refused(format!(
                "decision {id} does not stand any more"
            )));
        }
        let heard = self.undo(view.decision.scope.clone(), reason).await?;
        Ok((view.decision, heard))
    }

    /// Enters somebody into the list of those that nothing is done about; what stands about them ends.
    pub async fn allow_watched(
        &self,
        whom: Allowed,
        until: Option<Timestamp>,
        reason: &str,
    ) -> Result<bool, DeskError> {
        let wished = Wished::Allow {
            whom: whom.clone(),
            until,
            reason: reason.to_owned(),
        };
        self.wish("watch-allow", &allowed(&whom), reason, "", &wished)
            .await
    }

    /// Takes an entry out of that list.
    pub async fn disallow_watched(&self, whom: Allowed, reason: &str) -> Result<bool, DeskError> {
        if !self.allowances().await?.iter().any(|one| one.whom == whom) {
            return Err(DeskError::NotFound(format!(
                "an allowance of {}",
                allowed(&whom)
            )));
        }
        let wished = Wished::Disallow {
            whom: whom.clone(),
            reason: reason.to_owned(),
        };
        self.wish("watch-disallow", &allowed(&whom), reason, "", &wished)
            .await
    }

    /// The list, without what the configuration allows.
    pub async fn allowances(&self) -> Result<Vec<Allowance>, DeskError> {
        self.need_all()?;
        let mut list: Vec<Allowance> = Vec::new();
        let at = now();
        self.each_wish(|wished, who| match wished {
            Wished::Allow {
                whom,
                until,
                reason,
            } => {
                list.retain(|one| one.whom != whom);
                list.push(Allowance {
                    whom,
                    author: who.to_owned(),
                    reason,
                    until,
                });
            }
            Wished::Disallow { whom, .. } => list.retain(|one| one.whom != whom),
            Wished::Decide { .. } | Wished::Undo { .. } | Wished::Settings { .. } => {}
        })
        .await?;
        list.retain(|one| one.until.is_none_or(|until| until > at));
        Ok(list)
    }

    /// The settings of the watch: the text, empty when nobody has set anything, and what it means.
    pub async fn watch_settings(&self) -> Result<(String, Settings), DeskError> {
        self.need(Right::SeePolicy)?;
        let mut text = String::new();
        self.each_wish(|wished, _| {
            if let Wished::Settings { text: newer, .. } = wished {
                text = newer;
            }
        })
        .await?;
        let settings = Settings::parse(&text).unwrap_or_default();
        Ok((text, settings))
    }

    /// Watches by other settings from now on.
    pub async fn change_watch_settings(&self, text: &str, reason: &str) -> Result<bool, DeskError> {
        self.need(Right::ChangePolicy)?;
        Settings::parse(text).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            DeskError::Unfit(lines.join("\n"))
        })?;
        let wished = Wished::Settings {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        self.wish("watch-settings", "watch", reason, "", &wished)
            .await
    }

    async fn each_wish(&self, mut each: impl FnMut(Wished, &str)) -> Result<(), DeskError> {
        let mut place = 0;
        loop {
            let rows = self.store().wishes_after(place).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            place = last.seq;
            for row in &rows {
                if let Ok(wished) = serde_json::from_str(&row.body) {
                    each(wished, &row.who);
                }
            }
        }
    }

    /// Writes a wish and its act, and waits for a node to say that it is granted. False when no node said so: it holds from the next start on.
    async fn wish(
        &self,
        act: &str,
        target: &str,
        reason: &str,
        after: &str,
        wished: &Wished,
    ) -> Result<bool, DeskError> {
        self.need(Right::DecideWatched)?;
        if reason.trim().is_empty() {
            return Err(DeskError::NeedsReason);
        }
        let body = serde_json::to_string(wished)
            .map_err(|error| DeskError::Unfit(format!("it cannot be written: {error}")))?;
        let act = self.act(act, target, reason, "", after);
        let seq = self.store().add_wish(&body, &act).await?;
        let started = std::time::Instant::now();
        while started.elapsed() < PATIENCE {
            let nodes = self.nodes().await?;
            if nodes.is_empty() {
                return Ok(false);
            }
            if self.store().granted_wish().await? >= seq {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(false)
    }

    /// What concerns everybody is for those who see everybody.
    fn need_all(&self) -> Result<(), DeskError> {
        self.need(Right::SeeRecords)?;
        if self.author.scope.is_empty() {
            Ok(())
        } else {
            Err(DeskError::Forbidden(
                "see what all users do: your scope is a part of them".to_owned(),
            ))
        }
    }

    fn may_look_at(&self, identity: &Identity) -> Result<(), DeskError> {
        if self.author.scope.is_empty() {
            return Ok(());
        }
        let address = match identity {
            Identity::Ip(_) => None,
            Identity::Address(address) => Some(address.clone()),
            Identity::Account(account) => Address::new(account.as_str()),
        };
        if address.is_some_and(|address| self.author.covers(&address)) {
            return Ok(());
        }
        // Something outside the scope is not there.
        Err(DeskError::NotFound("anybody of that name".to_owned()))
    }
}

fn concerned(identity: &Identity) -> Concerned {
    match identity {
        Identity::Account(account) => Concerned {
            account: Some(account.as_str().to_owned()),
            ..Concerned::default()
        },
        Identity::Ip(ip) => Concerned {
            ip: Some(ip.to_canonical().to_string()),
            ..Concerned::default()
        },
        Identity::Address(address) => Concerned {
            mailbox: Some(address.key()),
            ..Concerned::default()
        },
    }
}

fn detection(row: DetectionRow) -> DetectionView {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Body {
        words: String,
        detection: Inner,
    }
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Inner {
        score: f64,
        evidence: Vec<RecordId>,
    }
    // A row of another version still has its columns.
    let body: Body = serde_json::from_str(&row.body).unwrap_or_default();
    DetectionView {
        id: row.id,
        detector: row.detector,
        account: row.who.account,
        ip: row.who.ip,
        mailbox: row.who.mailbox,
        acts: row.acts,
        words: body.words,
        score: body.detection.score,
        evidence: body.detection.evidence,
    }
}

fn decision(row: DecisionRow) -> Option<DecisionView> {
    match serde_json::from_str(&row.body) {
        Ok(decision) => Some(DecisionView {
            decision,
            ended: row.ended,
        }),
        Err(error) => {
            tracing::warn!(
                "decision {} cannot be read and is left out: {error}",
                row.id
            );
            None
        }
    }
}

/// Whom a scope names, in words.
pub fn named(scope: &Scope) -> String {
    match scope {
        Scope::Source(ip) => ip.to_string(),
        Scope::Pair(ip, account) => format!("{account} from {ip}"),
        Scope::Account(account) => account.to_string(),
        Scope::Mailbox(address) => format!("mailbox {}", address.key()),
    }
}

/// Whom an allowance names, in words.
pub fn allowed(whom: &Allowed) -> String {
    match whom {
        Allowed::Network(network) => network.to_string(),
        Allowed::Account(account) => account.to_string(),
        Allowed::Program(tag) => format!("program {:08x}", tag.0),
    }
}

/// Reads whom an allowance names: a network, an address, an account.
pub fn read_allowed(text: &str, account: impl Fn(&str) -> Option<Account>) -> Option<Allowed> {
    if let Ok(network) = text.parse::<IpNet>() {
        return Some(Allowed::Network(network));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Allowed::Network(IpNet::from(ip.to_canonical())));
    }
    account(text).map(Allowed::Account)
}
