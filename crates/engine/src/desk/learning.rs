//! What people say of mail, and what was learnt from it: said, asked about, looked at, taken back.

use std::time::Duration;

use learn::Viewer;
use learn::classes::{CLASS_BYTES_MAX, is_class};
use mail::{Known, Record, RecordId};
use serde::Serialize;
use store::{CampaignRow, LessonFilter, LessonView, NewLesson, Question};

use super::{Author, Desk, DeskError, Right, Role};
use crate::clock::now;
use crate::learning::{self, LearningState};

/// Lessons entered together.
const TOGETHER: usize = 200;
/// Lessons taken back in one act.
const TAKEN_BACK_MAX: u32 = 100_000;
/// Messages of a campaign that are looked at, and how many of each where many campaigns are listed.
const MEMBERS_MAX: u32 = 200;
const MEMBERS_TRIED: u32 = 20;
/// The longest name of somebody who reports, in characters.
const REPORTER_CHARS: usize = 200;

/// Sights are written once a second; so long the one of a new message is waited for, seconds.
const YOUNG_SECS: i64 = 4;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What came of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taught {
    /// It is in the log, and every node learns it within a second.
    Learnt,
    /// It is written down; what the learner saw of the message is not kept any more.
    Noted,
    /// The same was said before.
    Known,
}

/// Who says something of a message, and how far that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Teacher {
    /// Somebody who looks after mail: believed. Others report.
    pub trusted: bool,
    /// How it came here: `desk`, `quarantine`, `door`, `files`.
    pub source: &'static str,
    /// By whom.
    pub who: String,
    /// The class of message, where they say more than wanted or unwanted.
    pub class: Option<String>,
}

/// A message people are asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Why, and what was thought of it.
    pub question: Question,
    /// The message.
    pub record: Record,
}

/// Messages with about the same text.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignView {
    /// How much of it there is.
    pub row: CampaignRow,
    /// The first of them the author may see.
    pub first: Record,
    /// What people said of the first.
    pub said: Option<String>,
}

/// How the learner is, in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Learner {
    /// What the node that learnt last tells; `None` before anything was learnt.
    pub state: Option<LearningState>,
    /// Is it asked by the policy in force?
    pub in_use: bool,
    /// The share of wanted mail its certain word may hit, by that policy.
    pub ham_share: f64,
}

impl Desk {
    /// Says what a message was.
    pub async fn teach(&self, message: RecordId, wanted: bool) -> Result<Taught, DeskError> {
        self.teach_class(message, wanted, None).await
    }

    /// Says what a message was, and of which class: `lottery`, `newsletter`.
    pub async fn teach_class(
        &self,
        message: RecordId,
        wanted: bool,
        class: Option<&str>,
    ) -> Result<Taught, DeskError> {
        let held = self.is_held_for_author(message).await;
        let teacher = Teacher {
            trusted: self.author().role != Role::Owner,
            source: if held { "quarantine" } else { "desk" },
            who: speaker(self.author()),
            class: class.map(str::to_owned),
        };
        self.teach_as(message, wanted, &teacher, None).await
    }

    /// Says what a message was, for somebody else. `raw` is the message as they have it, for when what was seen of it is not kept.
    pub async fn teach_as(
        &self,
        message: RecordId,
        wanted: bool,
        teacher: &Teacher,
        raw: Option<&[u8]>,
    ) -> Result<Taught, DeskError> {
        self.need(Right::DecideHeld)?;
        let class = class_of(teacher)?;
        let held = self.is_held_for_author(message).await;
        let record = if held {
            self.store().get(message).await?
        } else if self.author().may(Right::SeeRecords) {
            self.find_one(&message.to_string()).await.ok()
        } else {
            None
        };
        if !held && record.is_none() {
            return Err(DeskError::NotFound(format!("message {message}")));
        }
        let seen = match self.sight(message).await? {
            Some(seen) => Some(seen),
            None => self.see_again(message, held, record.as_ref(), raw).await?,
        };
        let lesson = NewLesson {
            at: now(),
            record: Some(message),
            label: word(wanted).to_owned(),
            trust: trust(teacher).to_owned(),
            chosen: self.store().is_asked(message).await?.as_deref() == Some("unsure"),
            source: teacher.source.to_owned(),
            who: name_of(teacher),
            sender: record.and_then(|record| record.header_from),
            seen,
            takes_back: None,
            class,
        };
        let Some(mut lessons) = self.in_place_of_others(&lesson).await? else {
            return Ok(Taught::Known);
        };
        let taught = if lesson.seen.is_some() {
            Taught::Learnt
        } else {
            Taught::Noted
        };
        lessons.push(lesson);
        let act = self.act("teach", &message.to_string(), "", "", word(wanted));
        self.store().add_lessons(&lessons, Some(&act)).await?;
        Ok(taught)
    }

    /// What the learner saw of a message. Of one that came this moment it is not written yet, and is waited for.
    async fn sight(&self, message: RecordId) -> Result<Option<Vec<u8>>, DeskError> {
        let patience = now().plus_secs(YOUNG_SECS);
        loop {
            let seen = self.store().sight(message).await?;
            let young = now().micros_since(message.at()) < YOUNG_SECS * 1_000_000;
            if seen.is_some() || !young || now() > patience {
                return Ok(seen);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Rows that take back what the same kind of people said of the message otherwise; `None` when it was said already.
    async fn in_place_of_others(
        &self,
        lesson: &NewLesson,
    ) -> Result<Option<Vec<NewLesson>>, DeskError> {
        let filter = LessonFilter {
            record: lesson.record,
            standing: true,
            limit: 1000,
            ..LessonFilter::default()
        };
        let mut said = self.store().lessons(&filter).await?;
        // What a person who is trusted says stands for all of them; of users everybody speaks for themselves.
        said.retain(|one| {
            one.trust == lesson.trust && (one.trust == "trusted" || one.who == lesson.who)
        });
        if said.iter().any(|one| {
            (&one.label, &one.class) == (&lesson.label, &lesson.class)
                && one.learnt >= lesson.seen.is_some()
        }) {
            return Ok(None);
        }
        Ok(Some(said.iter().map(|one| self.taking_back(one)).collect()))
    }

    fn taking_back(&self, lesson: &LessonView) -> NewLesson {
        NewLesson {
            at: now(),
            source: "desk".to_owned(),
            who: self.author().who.clone(),
            takes_back: Some(lesson.seq),
            ..NewLesson::default()
        }
    }

    /// What there is to see of a message whose sight is not kept: from its body while it is held, or from what somebody brings.
    async fn see_again(
        &self,
        message: RecordId,
        held: bool,
        record: Option<&Record>,
        raw: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, DeskError> {
        let body = match raw {
            Some(raw) => Some(raw.to_vec()),
            None if held => self.store().body(message).await.ok(),
            None => None,
        };
        let Some(body) = body else { return Ok(None) };
        let facts = record.and_then(|record| record.facts.as_ref());
        let found = facts.map_or(Known::NotAsked, |facts| facts.authentication.clone());
        let mut viewer = self.viewer().await?;
        Ok(Some(
            viewer.see(&learning::letter(&body, &found)).seen.to_bytes(),
        ))
    }

    async fn viewer(&self) -> Result<Viewer, DeskError> {
        let key = learning::key(&self.store().secret("learn").await?);
        Ok(learning::viewer(key, self.limits(), false))
    }

    /// Learns messages that did not come past here: files, mailboxes, what clients bring. How many were entered.
    pub async fn learn(
        &self,
        messages: &[Vec<u8>],
        wanted: bool,
        teacher: &Teacher,
    ) -> Result<usize, DeskError> {
        self.need(Right::DecideHeld)?;
        if teacher.trusted {
            // What has no recipient here is nobody's part of the site.
            self.need(Right::TeachAll)?;
        }
        class_of(teacher)?;
        let mut viewer = self.viewer().await?;
        for some in messages.chunks(TOGETHER) {
            let lessons: Vec<NewLesson> = some
                .iter()
                .map(|raw| self.lesson_of(&mut viewer, raw, wanted, teacher))
                .collect();
            let count = format!("{} messages from {}", lessons.len(), teacher.source);
            let act = self.act("teach", &count, "", "", word(wanted));
            self.store().add_lessons(&lessons, Some(&act)).await?;
        }
        Ok(messages.len())
    }

    fn lesson_of(
        &self,
        viewer: &mut Viewer,
        raw: &[u8],
        wanted: bool,
        teacher: &Teacher,
    ) -> NewLesson {
        let message = mail::Message::read(raw, self.limits());
        let mut visible = message.header_from.iter();
        let sender = visible.find_map(|from| from.address.as_ref());
        NewLesson {
            at: now(),
            record: None,
            label: word(wanted).to_owned(),
            trust: trust(teacher).to_owned(),
            chosen: false,
            source: teacher.source.to_owned(),
            who: name_of(teacher),
            sender: sender.map(mail::Address::key),
            seen: Some(viewer.see(&learn::Letter::found(raw)).seen.to_bytes()),
            takes_back: None,
            class: teacher.class.clone().unwrap_or_default(),
        }
    }

    /// How the learner is.
    pub async fn learner(&self) -> Result<Learner, DeskError> {
        self.need(Right::SeeRecords)?;
        let (version, _) = self.policy_in_force().await?;
        let policy = self.compiled(version).await?;
        let settings = policy
            .map(|policy| policy.learning().clone())
            .unwrap_or_default();
        Ok(Learner {
            state: learning::told(self.store()).await?,
            in_use: settings.enabled,
            ham_share: settings.ham_share,
        })
    }

    /// The messages people are asked about, in the author's scope, the newest first.
    pub async fn questions(&self, limit: u32) -> Result<Vec<Asked>, DeskError> {
        self.need(Right::SeeRecords)?;
        self.need(Right::DecideHeld)?;
        let mut asked = Vec::new();
        for question in self.store().questions(limit).await? {
            let record = self.store().get(question.record).await?;
            let record = record.filter(|record| self.author().covers_record(record));
            asked.extend(record.map(|mut record| {
                record.facts = None;
                Asked { question, record }
            }));
        }
        Ok(asked)
    }

    /// Campaigns: messages with about the same text that came lately, the one seen last first. Those the author may see something of.
    pub async fn campaigns(&self, limit: u32) -> Result<Vec<CampaignView>, DeskError> {
        self.need(Right::SeeRecords)?;
        let mut views = Vec::new();
        for row in self.store().campaigns(limit).await? {
            let called = self.members(&[row.name]).await?.pop();
            let first = match called {
                Some(first) => Some(first),
                // Not theirs to see, or not kept any more: the oldest of the newest that is.
                None => {
                    let some = self
                        .store()
                        .campaign_members(row.name, MEMBERS_TRIED)
                        .await?;
                    self.members(&some).await?.pop()
                }
            };
            let Some(first) = first else { continue };
            let said = self.store().labels(row.name).await?;
            views.push(CampaignView {
                row,
                first,
                said: said.into_iter().next().map(|label| label.label),
            });
        }
        Ok(views)
    }

    /// Who got the messages of a campaign, the newest first: what was delivered before it was recognised, too.
    pub async fn campaign(&self, name: RecordId) -> Result<Vec<Record>, DeskError> {
        self.need(Right::SeeRecords)?;
        let ids = self.store().campaign_members(name, MEMBERS_MAX).await?;
        let members = self.members(&ids).await?;
        if members.is_empty() {
            return Err(DeskError::NotFound(format!("campaign {name}")));
        }
        Ok(members)
    }

    /// Those of these messages that the author may see, without facts.
    async fn members(&self, ids: &[RecordId]) -> Result<Vec<Record>, DeskError> {
        let mut records = Vec::new();
        for id in ids {
            let record = self.store().get(*id).await?;
            let record = record.filter(|record| self.author().covers_record(record));
            records.extend(record.map(|mut record| {
                record.facts = None;
                record
            }));
        }
        Ok(records)
    }

    /// The training log, the newest first.
    pub async fn lessons(&self, filter: &LessonFilter) -> Result<Vec<LessonView>, DeskError> {
        self.need(Right::SeeLessons)?;
        Ok(self.store().lessons(filter).await?)
    }

    /// Takes back what was learnt from these lessons: by message, sender, reporter or time. How many.
    pub async fn take_back(&self, filter: &LessonFilter, reason: &str) -> Result<usize, DeskError> {
        self.need(Right::TeachAll)?;
        if reason.trim().is_empty() {
            return Err(DeskError::NeedsReason);
        }
        let everything = LessonFilter {
            limit: filter.limit,
            standing: filter.standing,
            ..LessonFilter::default()
        };
        if *filter == everything {
            return Err(DeskError::Unfit(
                "say which lessons: by message, sender, reporter, source or time".to_owned(),
            ));
        }
        let filter = LessonFilter {
            standing: true,
            limit: TAKEN_BACK_MAX,
            ..filter.clone()
        };
        let found = self.store().lessons(&filter).await?;
        if found.is_empty() {
            return Err(DeskError::NotFound(
                "a lesson of that kind that still stands".to_owned(),
            ));
        }
        let back: Vec<NewLesson> = found.iter().map(|one| self.taking_back(one)).collect();
        let target = format!("{} lessons", back.len());
        let before = found.iter().take(20).map(|one| one.seq.to_string());
        let before = before.collect::<Vec<_>>().join(" ");
        let act = self.act("unteach", &target, reason, &before, "");
        self.store().add_lessons(&back, Some(&act)).await?;
        Ok(back.len())
    }
}

/// The message a campaign is called by, or the oldest that can be seen. Of one moment the order says nothing.
pub fn first_of(name: RecordId, members: &[Record]) -> Option<&Record> {
    let called = members.iter().find(|record| record.id == name);
    called.or_else(|| members.last())
}

const fn word(wanted: bool) -> &'static str {
    if wanted { "wanted" } else { "unwanted" }
}

const fn trust(teacher: &Teacher) -> &'static str {
    if teacher.trusted {
        "trusted"
    } else {
        "reported"
    }
}

/// Who teaches, in the form names of people are compared in.
fn name_of(teacher: &Teacher) -> String {
    let name = teacher.who.chars().take(REPORTER_CHARS);
    if teacher.trusted {
        name.collect()
    } else {
        name.flat_map(char::to_lowercase).collect()
    }
}

/// By whom something is said: the owner of one mailbox speaks for it, by whatever name they come.
fn speaker(author: &Author) -> String {
    match (author.role, author.scope.as_slice()) {
        (Role::Owner, [mailbox]) => mailbox.clone(),
        _ => author.who.clone(),
    }
}

/// The class a teacher names; empty for none.
fn class_of(teacher: &Teacher) -> Result<String, DeskError> {
    match teacher.class.as_deref() {
        None | Some("") => Ok(String::new()),
        Some(name) if is_class(name) => Ok(name.to_owned()),
        Some(name) => Err(DeskError::Unfit(format!(
            "{} is no class of message: lower-case letters, digits and -, at most {CLASS_BYTES_MAX}, as in lottery",
            name.escape_debug()
        ))),
    }
}
