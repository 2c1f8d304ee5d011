//! Answers from memory, for tests: no socket, no clock.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Answer, Answering, Found, Kind, Name, Question, Record, Source, Unanswered};

/// Names with their records. A name with any record exists for every kind; others do not exist.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: HashMap<Name, Vec<Record>>,
    broken: Vec<Name>,
}

impl Zone {
    /// Adds a record.
    ///
    /// # Panics
    /// When the name cannot stand in DNS: a test is wrong.
    #[must_use]
    pub fn with(mut self, name: &str, record: Record) -> Self {
        let name = Name::parse(name).expect("a name for a test zone");
        self.records.entry(name).or_default().push(record);
        self
    }

    /// Adds a text.
    #[must_use]
    pub fn txt(self, name: &str, text: &str) -> Self {
        self.with(name, Record::Txt(text.as_bytes().to_vec()))
    }

    /// Lets every question about a name go unanswered.
    ///
    /// # Panics
    /// When the name cannot stand in DNS: a test is wrong.
    #[must_use]
    pub fn broken(mut self, name: &str) -> Self {
        self.broken
            .push(Name::parse(name).expect("a name for a test zone"));
        self
    }

    fn answer(&self, question: &Question) -> Result<Answer, Unanswered> {
        if self.broken.contains(&question.name) {
            return Err(Unanswered("the server failed".to_owned()));
        }
        let found = match self.records.get(&question.name) {
            None => Found::NoName,
            Some(all) => {
                let of_kind: Vec<Record> = all
                    .iter()
                    .filter(|record| kind(record) == question.kind)
                    .cloned()
                    .collect();
                if of_kind.is_empty() {
                    Found::Nothing
                } else {
                    Found::Records(of_kind)
                }
            }
        };
        Ok(Answer {
            found,
            dnssec: false,
            ttl: Duration::from_mins(5),
        })
    }
}

const fn kind(record: &Record) -> Kind {
    match record {
        Record::A(_) => Kind::A,
        Record::Aaaa(_) => Kind::Aaaa,
        Record::Mx { .. } => Kind::Mx,
        Record::Txt(_) => Kind::Txt,
        Record::Ptr(_) => Kind::Ptr,
    }
}

impl Source for Zone {
    fn ask<'s>(&'s self, question: &'s Question, _: Instant) -> Answering<'s> {
        Box::pin(async { self.answer(question) })
    }
}
