//! What the doors of scanning clients have in common: an answer in the words that clients of SpamAssassin and Rspamd know.
//!
//! These clients put their question and then do what they like. Unless the operator says that they obey, an answer is advice and nothing is
//! held here: a message that we hold *and* they deliver would be there twice.

use std::sync::Arc;

use anyhow::Context;
use engine::{
    Abilities, Answer, Author, Changes, Desk, DeskError, Engine, Question, Reply, Teacher,
};
use mail::{Action, Envelope, Level, RecordId, Secret, Verdict};

use crate::config::Config;
use crate::{service, show};

/// What all scanning doors share.
pub struct Scanning {
    /// Who answers.
    pub engine: Arc<Engine>,
    /// Where clients teach.
    desk: Desk,
    abilities: Abilities,
    /// Are labels of clients believed like those of people who look after mail?
    trusts_labels: bool,
    /// What HTTP clients bring as `Password`, when they must.
    pub secret: Option<Secret<String>>,
}

/// An answer.
pub struct Scanned {
    /// What was found, when it could be judged.
    pub verdict: Option<Arc<Verdict>>,
    /// The record's name.
    pub record: RecordId,
    /// In Rspamd's words.
    pub action: &'static str,
    /// Changes to the header of a message that is delivered.
    pub changes: Changes,
    /// What the sending side is told by a refusal.
    pub refusal: Option<String>,
    /// Where suspicious and dangerous begin.
    pub boundaries: (f64, f64),
}

impl Scanning {
    /// As the configuration says.
    pub fn new(config: &Config, engine: Arc<Engine>) -> anyhow::Result<Arc<Self>> {
        let scan = &config.doors.scan;
        let secret = match &scan.secret_file {
            None => None,
            Some(file) => {
                let text = std::fs::read_to_string(file).with_context(|| {
                    format!("{} (scan.secret_file) cannot be read", file.display())
                })?;
                anyhow::ensure!(
                    text.trim().len() >= 16,
                    "{} (scan.secret_file) holds less than 16 characters; `openssl rand -hex 16` makes a good secret",
                    file.display()
                );
                Some(Secret::new(text.trim().to_owned()))
            }
        };
        let mut abilities = Abilities::ADVICE;
        abilities.obeys = scan.obeyed;
        let author = Author::by_itself("scanning client");
        Ok(Arc::new(Self {
            desk: service::desk(config, engine.store().clone(), author),
            engine,
            abilities,
            trusts_labels: scan.trust_labels,
            secret,
        }))
    }

    /// Judges a message.
    pub async fn scan(&self, envelope: Envelope, raw: Vec<u8>) -> Scanned {
        let summary = self.engine.policy().now().policy.summary();
        let question = Question {
            envelope,
            raw,
            not_read: None,
            abilities: self.abilities,
        };
        let answer = self.engine.question(question).await;
        let action = self.action(&answer);
        let (changes, refusal) = match answer.reply {
            Reply::Deliver(changes) => (changes, None),
            Reply::Refuse(text) | Reply::Later(text) => (Changes::default(), Some(text.text)),
            Reply::Drop | Reply::Hold(_) => (Changes::default(), None),
        };
        Scanned {
            verdict: answer.verdict,
            record: answer.record,
            action,
            changes,
            refusal,
            boundaries: (summary.suspicious, summary.dangerous),
        }
    }

    /// Clients know few words. What is to be quarantined or deleted is at least marked or refused by one that only takes advice.
    fn action(&self, answer: &Answer) -> &'static str {
        match &answer.reply {
            Reply::Later(_) => "soft reject",
            Reply::Refuse(_) => "reject",
            // What is dropped without a verdict is a canary of our own.
            Reply::Drop if self.abilities.obeys || answer.verdict.is_none() => "discard",
            Reply::Drop | Reply::Hold(_) => "reject",
            Reply::Deliver(_) => match answer.verdict.as_ref().map(|verdict| &verdict.action) {
                Some(Action::Accept) | None => "no action",
                Some(_) => "add header",
            },
        }
    }

    /// Learns what a client says a message was. One that came past here is learnt as it was seen then, with what we found out about its sender.
    pub async fn teach(
        &self,
        raw: &[u8],
        wanted: bool,
        who: Option<String>,
    ) -> Result<(), DeskError> {
        let teacher = Teacher {
            trusted: self.trusts_labels,
            source: "door",
            who: who.map_or_else(
                || "scanning client".to_owned(),
                |who| match self.engine.watching().account(&who) {
                    Some(account) => account.to_string(),
                    None => who,
                },
            ),
            class: None,
        };
        let message = mail::Message::read(raw, &self.engine.settings().limits);
        let record = match message.message_id {
            Some(id) => match self.desk.find_one(&id).await {
                Ok(record) => Some(record),
                Err(DeskError::NotFound(_)) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        match record {
            Some(record) => self
                .desk
                .teach_as(record.id, wanted, &teacher, Some(raw))
                .await
                .map(|_| ()),
            None => self
                .desk
                .learn(&[raw.to_vec()], wanted, &teacher)
                .await
                .map(|_| ()),
        }
    }
}

impl Scanned {
    /// More than ordinary?
    pub fn is_spam(&self) -> bool {
        self.verdict
            .as_ref()
            .is_some_and(|verdict| verdict.level > Level::Ordinary)
    }

    /// The sum.
    pub fn score(&self) -> f64 {
        self.verdict.as_ref().map_or(0.0, |verdict| verdict.score)
    }

    /// Each reason with what it adds.
    pub fn symbols(&self) -> Vec<(&str, f64)> {
        let reasons = self.verdict.iter().flat_map(|verdict| &verdict.reasons);
        reasons
            .map(|reason| (reason.name.as_str(), reason.score))
            .collect()
    }

    /// For people.
    pub fn text(&self) -> String {
        self.verdict.as_ref().map_or_else(
            || "not judged\n".to_owned(),
            |verdict| show::ledger(verdict),
        )
    }
}
