//! The questions of one concern of a message: within the deadline and a budget, and counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mail::Limits;
use mail::authentication::DnsUse;
use tokio::time::Instant;

use super::{Answer, Kind, Name, Question, Record, Resolver, Unanswered};

/// What may be asked for one concern of a message.
pub struct Questions<'r> {
    resolver: &'r Resolver,
    deadline: Instant,
    asked: AtomicU32,
    sent: AtomicU32,
    failed: AtomicU32,
}

impl<'r> Questions<'r> {
    /// For a message that must be answered by `deadline`.
    pub const fn new(resolver: &'r Resolver, deadline: Instant) -> Self {
        Self {
            resolver,
            deadline,
            asked: AtomicU32::new(0),
            sent: AtomicU32::new(0),
            failed: AtomicU32::new(0),
        }
    }

    /// What bounds outside input.
    pub const fn limits(&self) -> &'r Limits {
        self.resolver.limits()
    }

    /// Texts of a name.
    pub async fn txt(&self, name: &Name) -> Result<Arc<Answer>, Unanswered> {
        self.ask(name, Kind::Txt).await
    }

    /// Mail servers of a name, the preferred first.
    pub async fn mx(&self, name: &Name) -> Result<Vec<String>, Unanswered> {
        let answer = self.ask(name, Kind::Mx).await?;
        let mut hosts: Vec<(u16, &str)> = answer
            .records()
            .iter()
            .filter_map(|record| match record {
                Record::Mx { preference, host } => Some((*preference, host.as_str())),
                _ => None,
            })
            .collect();
        hosts.sort_unstable();
        Ok(hosts.into_iter().map(|(_, host)| host.to_owned()).collect())
    }

    /// Addresses of a name, of the family of `ip`.
    pub async fn addresses(&self, name: &Name, ip: IpAddr) -> Result<Arc<Answer>, Unanswered> {
        self.ask(name, if ip.is_ipv4() { Kind::A } else { Kind::Aaaa })
            .await
    }

    /// Names of an address.
    pub async fn names(&self, ip: IpAddr) -> Result<Vec<String>, Unanswered> {
        let answer = self.ask(&Name::reverse(ip), Kind::Ptr).await?;
        let name = |record: &Record| match record {
            Record::Ptr(name) => Some(name.clone()),
            _ => None,
        };
        Ok(answer.records().iter().filter_map(name).collect())
    }

    /// Any question.
    pub async fn ask(&self, name: &Name, kind: Kind) -> Result<Arc<Answer>, Unanswered> {
        let before = self.asked.fetch_add(1, Ordering::Relaxed);
        if before >= self.limits().lookups_max {
            return self.fail(Unanswered(
                "too many questions were asked for this".to_owned(),
            ));
        }
        let question = Question {
            name: name.clone(),
            kind,
        };
        let asked = self.resolver.ask(&question, self.deadline).await;
        if asked.sent {
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
        asked
            .outcome
            .or_else(|Unanswered(why)| self.fail(Unanswered(format!("{kind} of {name}: {why}"))))
    }

    fn fail<T>(&self, why: Unanswered) -> Result<T, Unanswered> {
        self.failed.fetch_add(1, Ordering::Relaxed);
        Err(why)
    }

    /// What was asked so far.
    pub fn used(&self) -> DnsUse {
        DnsUse {
            questions: self.asked.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Zone;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    #[tokio::test]
    async fn a_message_asks_no_more_than_its_budget() {
        let limits = Limits {
            lookups_max: 2,
            ..Limits::default()
        };
        let resolver = Resolver::new(
            Zone::default()
                .txt("example.org", "hello")
                .broken("broken.example"),
            &limits,
        );
        let questions = Questions::new(
            &resolver,
            Instant::now() + std::time::Duration::from_secs(1),
        );
        let answer = questions
            .txt(&name("example.org"))
            .await
            .expect("an answer");
        assert_eq!(answer.texts().next(), Some(b"hello".as_slice()));
        assert!(questions.txt(&name("broken.example")).await.is_err());
        let Unanswered(why) = questions
            .txt(&name("example.org"))
            .await
            .expect_err("over the budget");
        assert!(why.contains("too many"), "{why}");
        assert_eq!(
            questions.used(),
            DnsUse {
                questions: 3,
                sent: 2,
                failed: 2
            }
        );
    }

    #[tokio::test]
    async fn an_answer_is_asked_for_once_and_a_huge_one_is_none() {
        let resolver = Resolver::new(
            Zone::default()
                .txt("example.org", "hello")
                .txt("huge.example", &"x".repeat(20_000)),
            &Limits::default(),
        );
        let questions = Questions::new(
            &resolver,
            Instant::now() + std::time::Duration::from_secs(1),
        );
        for _ in 0..3 {
            questions
                .txt(&name("EXAMPLE.org"))
                .await
                .expect("an answer");
        }
        let Unanswered(why) = questions
            .txt(&name("huge.example"))
            .await
            .expect_err("too large");
        assert!(why.contains("larger than"), "{why}");
        assert_eq!(
            questions.used(),
            DnsUse {
                questions: 4,
                sent: 2,
                failed: 1
            }
        );
    }
}
