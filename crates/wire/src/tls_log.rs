//! Lines of Postfix's log that tell how mail went out: encrypted, open, or not for the encryption's sake (RFC 8460).
//!
//! A process of `smtp` serves one session after the other and writes, with `smtp_tls_loglevel = 1`:
//!
//! ```text
//! postfix/smtp[4711]: Untrusted TLS connection established to mx.example.org[192.0.2.1]:25: TLSv1.3 with cipher …
//! postfix/smtp[4711]: 8C3A91229A0: to=<ann@example.org>, relay=mx.example.org[192.0.2.1]:25, delay=…, status=sent (250 …)
//! ```
//!
//! So what belongs together has the same process, and the domain is known at the end. A session that no line of encryption preceded went
//! open; that counts only once some line has shown that this server tells of encryption at all.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use mail::Domain;
use mail::address::floor_char_boundary;
use mail::outgoing::{Outcome, Problem, Session};
use regex::Regex;

use crate::postfix_log::{LINE_BYTES_MAX, spoken};

/// Processes remembered; beyond it all are forgotten, and with each at most the session it is in.
const PROCESSES_MAX: usize = 10_000;
/// Servers tried for one message.
const TRIED_MAX: usize = 8;
/// Servers (`syslog_name`) that were seen to tell of encryption.
const SPEAKERS_MAX: usize = 100;
/// Longest explanation kept, bytes.
const SAID_BYTES_MAX: usize = 200;

/// Puts lines together, each read once and in their order.
#[derive(Debug, Default)]
pub struct Sessions {
    /// By `syslog_name` and number.
    processes: HashMap<String, Process>,
    /// Who tells of encryption, by `syslog_name`.
    speakers: HashSet<String>,
}

#[derive(Debug, Default)]
struct Process {
    /// Servers it spoke to since the last message's end.
    tried: Vec<Tried>,
    /// Whose session the newest `to=` was: further recipients of a message are of the same session.
    ended: Option<(String, String)>,
}

#[derive(Debug)]
struct Tried {
    server: Server,
    /// Was a session encrypted, and nothing said against it since?
    encrypted: bool,
    problem: Option<(Problem, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    host: String,
    ip: String,
}

/// `mx.example.org[192.0.2.1]:25`
macro_rules! server {
    () => {
        r"(?P<host>[^\[\]\s,]{1,253})\[(?P<ip>[0-9A-Fa-f:.]{2,45})\]:\d{1,5}"
    };
}

static ESTABLISHED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"^(?:Anonymous|Untrusted|Trusted|Verified) TLS connection (?P<how>established|reused) to ",
        server!(),
        ": .*$"
    ))
});
static BROKEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"^SSL_connect error to ",
        server!(),
        ": (?P<said>.*)$"
    ))
});
static UNTRUSTED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"^(?:server )?certificate verification failed for ",
        server!(),
        ": (?P<said>.*)$"
    ))
});
static END: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"^(?P<queue>[0-9A-Za-z]{6,32}): to=<(?P<to>[^>]*)>, (?:orig_to=<[^>]*>, )?relay=",
        server!(),
        r", (?P<reused>conn_use=\d+, )?delay=.* status=(?P<status>\w+) \((?P<said>.*)\)$"
    ))
});
/// The end of a message that no server took.
static NOWHERE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<queue>[0-9A-Za-z]{6,32}): to=<(?P<to>[^>]*)>, (?:orig_to=<[^>]*>, )?relay=none, .*$",
    )
});

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of this file compile, or its first test fails")
}

impl Sessions {
    /// Reads one line without its line ending; sessions it ends.
    pub fn line(&mut self, line: &str) -> Vec<Session> {
        if line.len() > LINE_BYTES_MAX {
            return Vec::new();
        }
        let Some((instance, process, message)) = of_smtp(line) else {
            return Vec::new();
        };
        if let Some(found) = ESTABLISHED.captures(message) {
            if self.speakers.len() < SPEAKERS_MAX {
                self.speakers.insert(instance.to_owned());
            }
            // What is reused was counted when it was new.
            if &found["how"] == "established" {
                self.tried(process, &found).encrypted = true;
            }
            return Vec::new();
        }
        if let Some(found) = BROKEN.captures(message) {
            let problem = (Problem::Handshake, said(&found["said"]));
            self.tried(process, &found).problem = Some(problem);
            return Vec::new();
        }
        if let Some(found) = UNTRUSTED.captures(message) {
            let problem = (of_certificate(&found["said"]), said(&found["said"]));
            self.tried(process, &found).problem = Some(problem);
            return Vec::new();
        }
        if let Some(found) = NOWHERE.captures(message) {
            return self.end(process, &found["to"], None);
        }
        match END.captures(message) {
            Some(found) => self.delivered(instance, process, &found),
            None => Vec::new(),
        }
    }

    /// A message's end at a server.
    fn delivered(
        &mut self,
        instance: &str,
        process: &str,
        found: &regex::Captures<'_>,
    ) -> Vec<Session> {
        let server = server_of(found);
        let key = (
            found["queue"].to_owned(),
            format!("{}[{}]", server.host, server.ip),
        );
        let tells = self.speakers.contains(instance);
        let known = self.processes.get(process);
        let same = known.and_then(|process| process.ended.as_ref()) == Some(&key);
        let tried =
            known.is_some_and(|process| process.tried.iter().any(|one| one.server == server));
        if (same || found.name("reused").is_some()) && !tried {
            return Vec::new();
        }
        let refused = refused(&found["said"]);
        // Of a server that nobody could reach there was no session.
        let spoke = &found["status"] == "sent" || found["said"].starts_with("host ");
        let last = match refused {
            Some(problem) => Some((server, Some(problem))),
            None if tried => Some((server, None)),
            None if spoke && tells => {
                let open = (Problem::NotOffered, String::new());
                Some((server, Some(open)))
            }
            None => None,
        };
        let sessions = self.end(process, &found["to"], last);
        if let Some(process) = self.processes.get_mut(process) {
            process.ended = Some(key);
        } else {
            self.process(process).ended = Some(key);
        }
        sessions
    }

    /// Everything a process tried for a message to this recipient; `last` is the server it ended at, with what is to be said against it.
    fn end(
        &mut self,
        process: &str,
        to: &str,
        last: Option<(Server, Option<(Problem, String)>)>,
    ) -> Vec<Session> {
        let mut tried = match self.processes.get_mut(process) {
            Some(process) => std::mem::take(&mut process.tried),
            None => Vec::new(),
        };
        if let Some((server, problem)) = last {
            match tried.iter_mut().find(|one| one.server == server) {
                // What the certificate lacks says more than that it was refused.
                Some(one) => one.refuse(problem),
                None => tried.push(Tried {
                    server,
                    encrypted: problem.is_none(),
                    problem,
                }),
            }
        }
        let domain = to
            .rsplit_once('@')
            .and_then(|(_, domain)| Domain::parse(domain).ok());
        let Some(domain) = domain else {
            return Vec::new();
        };
        tried
            .into_iter()
            .filter_map(|one| one.session(&domain))
            .collect()
    }

    fn tried(&mut self, process: &str, found: &regex::Captures<'_>) -> &mut Tried {
        let server = server_of(found);
        let process = self.process(process);
        process.ended = None;
        let place = process.tried.iter().position(|one| one.server == server);
        let place = place.unwrap_or_else(|| {
            if process.tried.len() >= TRIED_MAX {
                process.tried.remove(0);
            }
            process.tried.push(Tried {
                server,
                encrypted: false,
                problem: None,
            });
            process.tried.len() - 1
        });
        &mut process.tried[place]
    }

    fn process(&mut self, name: &str) -> &mut Process {
        if self.processes.len() >= PROCESSES_MAX && !self.processes.contains_key(name) {
            self.processes.clear();
        }
        self.processes.entry(name.to_owned()).or_default()
    }
}

impl Tried {
    /// The server was turned away for this, if for anything.
    fn refuse(&mut self, problem: Option<(Problem, String)>) {
        let Some(problem) = problem else { return };
        self.encrypted = false;
        self.problem.get_or_insert(problem);
    }

    /// As a session, if there was one. An encrypted one is what was wanted, whatever was said on the way: a server that encrypts when
    /// it can goes on with a certificate that nobody vouches for.
    fn session(self, domain: &Domain) -> Option<Session> {
        let outcome = match (self.encrypted, self.problem) {
            (true, _) => Outcome::Encrypted,
            (false, Some((problem, said))) => Outcome::Failed { problem, said },
            (false, None) => return None,
        };
        Some(Session {
            domain: domain.clone(),
            host: self.server.host,
            ip: self.server.ip.parse().ok(),
            outcome,
        })
    }
}

/// `syslog_name`, it with the process's number, and what it said, of a line of `smtp`.
fn of_smtp(line: &str) -> Option<(&str, &str, &str)> {
    let said = spoken(line)?;
    (said.daemon == "smtp").then_some((said.instance, said.process, said.message))
}

fn server_of(found: &regex::Captures<'_>) -> Server {
    Server {
        host: found["host"].to_ascii_lowercase(),
        ip: found["ip"].to_owned(),
    }
}

/// Why a server was turned away at the end, when it was for encryption. What the other server says stands behind `host NAME said:`
/// and is not looked into.
fn refused(end: &str) -> Option<(Problem, String)> {
    let problem = if end.starts_with("TLS is required, but was not offered") {
        Problem::NotOffered
    } else if end.starts_with("Server certificate not trusted") {
        Problem::NotTrusted
    } else if end.starts_with("Server certificate not verified") {
        Problem::OtherName
    } else if end.starts_with("Cannot start TLS") {
        Problem::Handshake
    } else {
        return None;
    };
    Some((problem, said(end)))
}

fn of_certificate(why: &str) -> Problem {
    let why = why.to_ascii_lowercase();
    if why.contains("expired") {
        Problem::Expired
    } else if why.contains("hostname") || why.contains("name mismatch") {
        Problem::OtherName
    } else {
        Problem::NotTrusted
    }
}

fn said(text: &str) -> String {
    text[..floor_char_boundary(text, SAID_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(lines: &[&str]) -> Vec<(String, String, Outcome)> {
        let mut sessions = Sessions::default();
        lines
            .iter()
            .flat_map(|line| {
                let instance = if line.starts_with("smtp") {
                    "postfix/"
                } else {
                    ""
                };
                sessions.line(&format!("Nov 23 10:00:00 mx {instance}{line}"))
            })
            .map(|one| (one.domain.to_string(), one.host, one.outcome))
            .collect()
    }

    fn failed(problem: Problem, said: &str) -> Outcome {
        Outcome::Failed {
            problem,
            said: said.to_owned(),
        }
    }

    const ENCRYPTED: &str = "smtp[7]: Untrusted TLS connection established to mx.a.example[192.0.2.1]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256";
    const SENT: &str = "smtp[7]: 8C3A91229A0: to=<ann@a.example>, relay=mx.a.example[192.0.2.1]:25, delay=0.5, delays=0.1/0/0.2/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued)";

    #[test]
    fn a_session_is_counted_once_whatever_it_carries() {
        let second = SENT.replace("ann@", "bob@");
        let reused = SENT
            .replace("8C3A91229A0", "8C3A91229A1")
            .replace("delay=0.5", "conn_use=2, delay=0.5");
        let found = sessions(&[ENCRYPTED, SENT, &second, &reused]);
        let one = |outcome| ("a.example".to_owned(), "mx.a.example".to_owned(), outcome);
        assert_eq!(found, [one(Outcome::Encrypted)]);
        // A second connection of the same process is a second session.
        let found = sessions(&[ENCRYPTED, SENT, ENCRYPTED, SENT]);
        assert_eq!(found, [one(Outcome::Encrypted), one(Outcome::Encrypted)]);
    }

    #[test]
    fn open_counts_where_encryption_is_told_of() {
        let open = SENT.replace("mx.a.example[192.0.2.1]", "mx.b.example[192.0.2.2]");
        let open = open.replace("@a.example", "@b.example");
        assert_eq!(sessions(&[&open]), []);
        let found = sessions(&[ENCRYPTED, SENT, &open]);
        let outcome = failed(Problem::NotOffered, "");
        assert_eq!(
            found[1],
            ("b.example".to_owned(), "mx.b.example".to_owned(), outcome)
        );
        // Who was not reached had no session, and another instance tells for itself.
        let unreached = open.replace("status=sent (250 2.0.0 Ok: queued)", "status=deferred (lost connection with mx.b.example[192.0.2.2] while receiving the initial server greeting)");
        let elsewhere = format!("postfix-two/{open}");
        assert_eq!(sessions(&[ENCRYPTED, SENT, &unreached]).len(), 1);
        assert_eq!(sessions(&[ENCRYPTED, SENT, &elsewhere]).len(), 1);
    }

    #[test]
    fn what_was_in_the_way() {
        let broken = "smtp[7]: SSL_connect error to mx.a.example[192.0.2.1]:25: lost connection";
        let handshake = "smtp[7]: 8C3A91229A0: Cannot start TLS: handshake failure";
        let found = sessions(&[broken, handshake, SENT]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].2, failed(Problem::Handshake, "lost connection"));

        let end = |why: &str| {
            SENT.replace(
                "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued)",
                &format!("dsn=4.7.5, status=deferred ({why})"),
            )
        };
        let untrusted = "smtp[7]: certificate verification failed for mx.a.example[192.0.2.1]:25: self-signed certificate";
        let found = sessions(&[untrusted, ENCRYPTED, &end("Server certificate not trusted")]);
        let outcome = failed(Problem::NotTrusted, "self-signed certificate");
        assert_eq!(found[0].2, outcome);
        let expired = untrusted.replace("self-signed certificate", "certificate has expired");
        let found = sessions(&[&expired, ENCRYPTED, &end("Server certificate not trusted")]);
        let outcome = failed(Problem::Expired, "certificate has expired");
        assert_eq!(found[0].2, outcome);
        // Who encrypts when he can goes on.
        let found = sessions(&[untrusted, ENCRYPTED, SENT]);
        assert_eq!(found[0].2, Outcome::Encrypted);
        let why = "Server certificate not verified";
        let found = sessions(&[ENCRYPTED, &end(why)]);
        assert_eq!(found[0].2, failed(Problem::OtherName, why));
        let why = "TLS is required, but was not offered by host mx.a.example[192.0.2.1]";
        assert_eq!(
            sessions(&[&end(why)])[0].2,
            failed(Problem::NotOffered, why)
        );
        // What the other side says is not ours.
        let quoted = end(
            "host mx.a.example[192.0.2.1] said: 450 TLS is required, but was not offered (in reply to MAIL FROM command)",
        );
        assert_eq!(sessions(&[ENCRYPTED, &quoted])[0].2, Outcome::Encrypted);
    }

    #[test]
    fn a_server_that_failed_before_another_took_it_counts_too() {
        let broken =
            "smtp[7]: SSL_connect error to mx1.a.example[192.0.2.9]:25: Connection reset by peer";
        let found = sessions(&[broken, ENCRYPTED, SENT]);
        let hosts: Vec<&str> = found.iter().map(|(_, host, _)| host.as_str()).collect();
        assert_eq!(hosts, ["mx1.a.example", "mx.a.example"]);
        let nowhere = "smtp[7]: 8C3A91229A0: to=<ann@a.example>, relay=none, delay=1, delays=1/0/0/0, dsn=4.7.5, status=deferred (Cannot start TLS: handshake failure)";
        assert_eq!(sessions(&[broken, nowhere]).len(), 1);
    }

    #[test]
    fn what_another_program_quotes_is_not_postfix() {
        let quoted = format!("dovecot: imap-login: Disconnected: user=<a postfix/{ENCRYPTED}");
        let end = format!("dovecot: imap-login: Disconnected: user=<a postfix/{SENT}");
        assert_eq!(sessions(&[&quoted, &end]), []);
        let mut sessions = Sessions::default();
        let stamped = |line: &str| format!("2026-11-23T10:00:00.123456+00:00 mx postfix/{line}");
        sessions.line(&stamped(ENCRYPTED));
        assert_eq!(sessions.line(&stamped(SENT)).len(), 1);
    }

    #[test]
    fn processes_are_told_apart_and_bounded() {
        let other = SENT.replace("smtp[7]", "smtp[8]");
        // Process 8 said nothing of encryption.
        let found = sessions(&[ENCRYPTED, &other, SENT]);
        assert_eq!(found[0].2, failed(Problem::NotOffered, ""));
        assert_eq!(found[1].2, Outcome::Encrypted);
        let mut sessions = Sessions::default();
        for process in 0..2 * PROCESSES_MAX {
            sessions.line(&format!(
                "Nov 23 10:00:00 mx postfix/{}",
                ENCRYPTED.replace("[7]", &format!("[{process}]"))
            ));
        }
        assert!(sessions.processes.len() <= PROCESSES_MAX);
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(lines in proptest::collection::vec("\\PC{0,200}", 0..5)) {
            let mut sessions = Sessions::default();
            for line in lines {
                sessions.line(&format!("postfix/smtp[1]: {line}"));
            }
        }
    }
}
