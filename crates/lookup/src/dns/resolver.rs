//! Asks the source what the cache does not know, never more at once than the limits allow, and not while nobody answers.

use std::sync::Arc;
use std::time::Duration;

use mail::Limits;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::breaker::{Breaker, Way, control};
use super::cache::{Cache, Outcome};
use super::{Answer, Found, Question, Record, Source, Unanswered};

/// Answers questions for all messages of the service.
pub struct Resolver {
    source: Arc<dyn Source>,
    breaker: Arc<Breaker>,
    cache: Cache,
    in_flight: Semaphore,
    limits: Limits,
}

/// An answer, or why there is none, and whether the source was asked for it.
pub(super) struct Asked {
    pub outcome: Outcome,
    pub sent: bool,
}

impl Resolver {
    /// Over a source, within limits.
    pub fn new(source: impl Source + 'static, limits: &Limits) -> Self {
        Self {
            source: Arc::new(source),
            breaker: Arc::default(),
            cache: Cache::new(limits),
            in_flight: Semaphore::new(limits.dns_in_flight_max.min(Semaphore::MAX_PERMITS)),
            limits: limits.clone(),
        }
    }

    /// What bounds outside input.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Answers before `deadline`, from the cache when it can.
    pub(super) async fn ask(&self, question: &Question, deadline: Instant) -> Asked {
        let now = Instant::now();
        if let Some(outcome) = self.cache.get(question, now) {
            return Asked {
                outcome,
                sent: false,
            };
        }
        let unasked = |why: &str| Asked {
            outcome: Err(Unanswered(why.to_owned())),
            sent: false,
        };
        if now >= deadline {
            return unasked("the message's time for look-ups is over");
        }
        let (way, probe) = self.breaker.way(now, self.limits.dns_silences_max);
        if probe {
            self.probe();
        }
        if way == Way::Shut {
            return unasked("no DNS server has answered lately; it is tried every second");
        }
        let Ok(_place) = self.in_flight.try_acquire() else {
            return unasked("too many questions wait for DNS servers");
        };
        let patience = self.patience();
        let until = deadline.min(now + patience);
        let (outcome, is_theirs) = match timeout_at(until, self.source.ask(question, until)).await {
            Ok(answered) => (
                answered
                    .and_then(|answer| self.bounded(answer))
                    .map(Arc::new),
                true,
            ),
            // A message that came with little time left says nothing about the servers.
            Err(_) => (
                Err(Unanswered("no DNS server answered in time".to_owned())),
                until < deadline,
            ),
        };
        if is_theirs {
            let after = Instant::now();
            // The library below gives up a moment before we do.
            if outcome.is_err() && after.duration_since(now) * 10 >= patience * 9 {
                self.breaker.silent();
            } else {
                self.breaker.answered();
            }
            self.cache.put(question, &outcome, after);
        }
        Asked {
            outcome,
            sent: true,
        }
    }

    /// How long one question is waited for.
    const fn patience(&self) -> Duration {
        Duration::from_millis(self.limits.dns_question_ms)
    }

    /// Asks, beside all messages, whether anybody answers.
    fn probe(&self) {
        let (source, breaker) = (self.source.clone(), self.breaker.clone());
        let patience = self.patience();
        tokio::spawn(async move {
            let Some(question) = control() else { return };
            let started = Instant::now();
            let until = started + patience;
            // A refusal is an answer too: somebody is there.
            let refused_late = || started.elapsed() * 10 >= patience * 9;
            match timeout_at(until, source.ask(&question, until)).await {
                Ok(Err(_)) if refused_late() => breaker.probe_silent(),
                Err(_) => breaker.probe_silent(),
                Ok(_) => breaker.answered(),
            }
        });
    }

    fn bounded(&self, mut answer: Answer) -> Result<Answer, Unanswered> {
        if let Found::Records(records) = &mut answer.found {
            records.truncate(self.limits.dns_records_max);
            let bytes: usize = records.iter().map(Record::size_bytes).sum();
            if bytes > self.limits.dns_answer_bytes_max {
                return Err(Unanswered(format!(
                    "the answer is larger than {} bytes",
                    self.limits.dns_answer_bytes_max
                )));
            }
        }
        Ok(answer)
    }
}
