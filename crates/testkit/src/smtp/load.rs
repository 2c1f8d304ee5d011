//! Many messages over some connections, with the patience of a real mail server.
//!
//! What was answered 4xx, and what a lost connection left unanswered, is tried again until the
//! patience ends: exactly what keeps mail when a server or a filter restarts. A connection lost
//! behind the end of a message may leave a message that was taken and is sent again; a test tells
//! copies by [`ID_HEADER`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{Client, Mail, Reply};

/// The header that carries [`Sent::id`]; it is put before all others.
pub const ID_HEADER: &str = "X-Testkit-Id";

/// What to send. Share it (`thread::scope`) to disturb the server while [`Load::run`] works.
///
/// ```no_run
/// use testkit::smtp::{Load, Mail};
///
/// # let port = 25;
/// let load = Load::to(port, 200, |number| {
///     Mail::new("ann@example.org", ["bob@example.net"], format!("Subject: {number}\r\n\r\n"))
/// })
/// .connections(8);
/// let sent = std::thread::scope(|scope| {
///     let running = scope.spawn(|| load.run());
///     while load.answered() < 100 {
///         std::thread::yield_now();
///     }
///     // … kill the service here, and start it again …
///     running.join().expect("the load ran")
/// });
/// assert!(sent.iter().all(|one| one.accepted()));
/// ```
pub struct Load {
    port: u16,
    messages: usize,
    connections: usize,
    patience: Duration,
    mail: Box<dyn Fn(usize) -> Mail + Send + Sync>,
    run: String,
    answered: AtomicUsize,
}

impl fmt::Debug for Load {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Load of {} messages to port {}",
            self.messages, self.port
        )
    }
}

/// One message of a load, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The value of its [`ID_HEADER`], unique over all loads.
    pub id: String,
    /// What the client was told in the end.
    pub outcome: Outcome,
    /// How often it was tried.
    pub tries: u32,
    /// From the first try to the last answer.
    pub took: Duration,
}

/// How the sending of one message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered for the message and all its recipients.
    Accepted(Reply),
    /// The server refused for good (5xx).
    Refused(Reply),
    /// Still not taken when the patience ended: the last reply, or how the connection was lost.
    GaveUp(String),
}

impl Sent {
    /// The server took it.
    pub fn accepted(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted(_))
    }
}

/// A message waiting for its (next) try.
struct Waiting {
    number: usize,
    tries: u32,
    began: Option<Instant>,
    not_before: Instant,
}

impl Load {
    /// `messages` messages to a loopback port; `mail` makes each from its number, counted from 0.
    pub fn to(
        port: u16,
        messages: usize,
        mail: impl Fn(usize) -> Mail + Send + Sync + 'static,
    ) -> Self {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let run = format!(
            "{}-{}",
            std::process::id(),
            RUNS.fetch_add(1, Ordering::Relaxed)
        );
        Self {
            port,
            messages,
            connections: 4,
            patience: Duration::from_mins(1),
            mail: Box::new(mail),
            run,
            answered: AtomicUsize::new(0),
        }
    }

    /// Over so many connections at once; 4 if not said.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How long each message is tried again; a minute if not said.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many messages have their last answer by now.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Sends everything; returns what became of each message, in the order of their numbers.
    pub fn run(&self) -> Vec<Sent> {
        self.answered.store(0, Ordering::SeqCst);
        let now = Instant::now();
        let waiting: VecDeque<Waiting> = (0..self.messages)
            .map(|number| Waiting {
                number,
                tries: 0,
                began: None,
                not_before: now,
            })
            .collect();
        let waiting = Mutex::new(waiting);
        let sent = Mutex::new(Vec::with_capacity(self.messages));
        std::thread::scope(|scope| {
            for _ in 0..self.connections {
                scope.spawn(|| self.work(&waiting, &sent));
            }
        });
        let mut sent = sent
            .into_inner()
            .expect("no thread panicked, or the scope had");
        sent.sort_by_key(|(number, _)| *number);
        sent.into_iter().map(|(_, sent)| sent).collect()
    }

    /// What one connection does: it takes a message, tries it, and puts it back if it was not taken.
    fn work(&self, waiting: &Mutex<VecDeque<Waiting>>, sent: &Mutex<Vec<(usize, Sent)>>) {
        const UNPOISONED: &str = "no panic happens under this lock";
        let mut client = None;
        while self.answered() < self.messages {
            let mut queue = waiting.lock().expect(UNPOISONED);
            let now = Instant::now();
            let position = queue.iter().position(|one| one.not_before <= now);
            let next = position.and_then(|position| queue.remove(position));
            drop(queue);
            let Some(mut one) = next else {
                // What is left waits, or is under way on another connection.
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            let began = *one.began.get_or_insert(now);
            one.tries += 1;
            let id = format!("{}-{}", self.run, one.number);
            let outcome = self.attempt(&mut client, one.number, &id);
            if matches!(outcome, Outcome::GaveUp(_)) && began.elapsed() < self.patience {
                // Longer each time, so that a server that is away is not run over when it returns.
                let pause = Duration::from_millis(20 * u64::from(one.tries.min(50)));
                one.not_before = Instant::now() + pause;
                waiting.lock().expect(UNPOISONED).push_back(one);
                continue;
            }
            let result = Sent {
                id,
                outcome,
                tries: one.tries,
                took: began.elapsed(),
            };
            sent.lock().expect(UNPOISONED).push((one.number, result));
            self.answered.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// One try. A connection that was lost, or on which the server put anything off, is not used again: a client
    /// comes back later on a new one, and Postfix asks a filter that died under a session only in the next session.
    fn attempt(&self, client: &mut Option<Client>, number: usize, id: &str) -> Outcome {
        let connection = match client.take() {
            Some(connection) => Ok(connection),
            None => Client::connect(self.port).and_then(|mut connection| {
                connection.ehlo("load.example.org")?;
                Ok(connection)
            }),
        };
        let mut mail = (self.mail)(number);
        mail.data
            .splice(..0, format!("{ID_HEADER}: {id}\r\n").into_bytes());
        let told = connection.and_then(|mut connection| {
            let told = connection.send(&mail)?;
            if !told.last().is_temporary() {
                *client = Some(connection);
            }
            Ok(told)
        });
        match told {
            Ok(told) if told.accepted() => Outcome::Accepted(told.last().clone()),
            Ok(told) if told.last().is_permanent() => Outcome::Refused(told.last().clone()),
            Ok(told) => Outcome::GaveUp(told.to_string()),
            Err(error) => Outcome::GaveUp(format!("{error:#}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::sink::Sink;

    fn to(port: u16, messages: usize) -> Load {
        Load::to(port, messages, |number| {
            let text = format!("Subject: {number}\r\n\r\nhello\r\n");
            Mail::new("ann@example.org", ["bob@example.net"], text)
        })
    }

    #[test]
    fn every_message_arrives_once_under_its_id() {
        let sink = Sink::start().expect("starts");
        let began = Instant::now();
        let sent = to(sink.port(), 1000).connections(8).run();
        let rate = 1000.0 / began.elapsed().as_secs_f64();
        eprintln!("{rate:.0} messages/s into the sink");
        assert!(sent.iter().all(Sent::accepted));
        let told: HashSet<String> = sent.into_iter().map(|one| one.id).collect();
        let arrived: Vec<String> = sink
            .messages()
            .iter()
            .filter_map(|message| message.header(ID_HEADER))
            .collect();
        assert_eq!(arrived.len(), 1000);
        assert_eq!(arrived.into_iter().collect::<HashSet<_>>(), told);
    }

    #[test]
    fn deferred_mail_is_tried_until_it_is_taken() {
        let sink = Sink::start().expect("starts");
        sink.answer_messages("451 4.3.0 busy");
        let load = to(sink.port(), 20);
        let sent = std::thread::scope(|scope| {
            let running = scope.spawn(|| load.run());
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(load.answered(), 0);
            sink.answer_normally();
            running.join().expect("the load runs")
        });
        assert!(sent.iter().all(Sent::accepted), "{sent:?}");
        assert!(sent.iter().any(|one| one.tries > 1), "{sent:?}");
    }

    #[test]
    fn a_server_that_goes_away_and_comes_back_gets_everything() {
        let sink = Sink::start().expect("starts");
        let port = sink.port();
        let load = to(port, 400);
        let sent = std::thread::scope(|scope| {
            let running = scope.spawn(|| load.run());
            while load.answered() < 100 {
                std::thread::yield_now();
            }
            let mut arrived = sink.close();
            let sink = Sink::on_port(port).expect("listens again");
            let sent = running.join().expect("the load runs");
            arrived.extend(sink.close());
            let ids: HashSet<_> = arrived
                .iter()
                .filter_map(|one| one.header(ID_HEADER))
                .collect();
            assert_eq!(ids.len(), 400, "each arrived, before or after");
            sent
        });
        assert_eq!(sent.len(), 400);
        assert!(sent.iter().all(Sent::accepted));
    }

    #[test]
    fn a_refusal_is_final_and_patience_ends() {
        let sink = Sink::start().expect("starts");
        sink.answer_recipients("bob@", "550 5.1.1 unknown");
        let sent = to(sink.port(), 3).run();
        assert!(
            sent.iter()
                .all(|one| matches!(&one.outcome, Outcome::Refused(r) if r.code == 550))
        );
        assert!(sent.iter().all(|one| one.tries == 1));

        let port = sink.port();
        drop(sink);
        let sent = to(port, 1).patience(Duration::from_millis(100)).run();
        assert!(matches!(&sent[0].outcome, Outcome::GaveUp(why) if why.contains("no connection")));
    }
}
