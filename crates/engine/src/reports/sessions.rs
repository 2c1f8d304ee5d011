//! How our mail went out, encrypted or not, counted by day and recipient's domain for TLS reports (RFC 8460).
//!
//! Each node keeps what it counted in the store once a minute; a process that dies loses that minute. A report adds the nodes up.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::outgoing::{Outcome, Problem, Session};
use mail::{Domain, Known, Limits, Timestamp};
use reports::TlsReport;
use reports::tls::{Failure, FailureKind, PolicyKind, PolicyResult};
use serde::{Deserialize, Serialize};
use store::{Store, StoreError};

use super::ReportSettings;
use crate::Engine;
use crate::clock::now;

const DAY_SECS: i64 = 86_400;
/// What the store's names of counted sessions begin with; day, domain and node follow.
const KEPT: &str = "tls-sessions:";
/// Days that stay in the store.
const DAYS_KEPT: i64 = 10;
/// Kinds of failure told apart at one server.
const FAILURES_MAX: usize = 20;

/// What was counted and is not in the store yet.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    waiting: Mutex<BTreeMap<(i64, Domain), OfDomain>>,
}

/// Sessions to a domain's servers, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfDomain(BTreeMap<String, OfServer>);

/// Sessions to one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct OfServer {
    encrypted: u64,
    /// By what was in the way, in the words of RFC 8460.
    failed: BTreeMap<String, Failed>,
}

/// Sessions that failed alike, and the newest of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Failed {
    sessions: u64,
    ip: Option<String>,
    said: String,
}

impl Counting {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<(i64, Domain), OfDomain>> {
        // A panic while counting leaves at worst one session uncounted.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a session. Beyond `limits.reports_domains_max` domains in a minute new ones are not counted.
    fn count(&self, session: Session, at: Timestamp, limits: &Limits) {
        let mut waiting = self.waiting();
        let key = (at.secs().div_euclid(DAY_SECS), session.domain.clone());
        if waiting.len() >= limits.reports_domains_max && !waiting.contains_key(&key) {
            return;
        }
        waiting.entry(key).or_default().count(session, limits);
    }
}

impl OfDomain {
    fn server(&mut self, host: &str, limits: &Limits) -> Option<&mut OfServer> {
        if self.0.len() >= limits.report_servers_max && !self.0.contains_key(host) {
            return None;
        }
        Some(self.0.entry(host.to_owned()).or_default())
    }

    fn count(&mut self, session: Session, limits: &Limits) {
        let Some(server) = self.server(&session.host, limits) else {
            return;
        };
        match session.outcome {
            Outcome::Encrypted => server.encrypted += 1,
            Outcome::Failed { problem, said } => {
                let failed = Failed {
                    sessions: 1,
                    ip: session.ip.map(|ip| ip.to_string()),
                    said,
                };
                server.add(kind(problem).into(), failed);
            }
        }
    }

    /// Adds what was counted elsewhere, or before.
    fn add(&mut self, more: Self, limits: &Limits) {
        for (host, of_server) in more.0 {
            let Some(server) = self.server(&host, limits) else {
                continue;
            };
            server.encrypted = server.encrypted.saturating_add(of_server.encrypted);
            for (kind, failed) in of_server.failed {
                server.add(kind, failed);
            }
        }
    }

    /// Without the servers that are none of the domain's: what went through a smart host says nothing about the domain.
    fn only(&mut self, servers: &[String]) {
        let is_theirs = |host: &str| {
            let named = |server: &String| server.trim_end_matches('.').eq_ignore_ascii_case(host);
            servers.iter().any(named)
        };
        self.0.retain(|host, _| is_theirs(host));
    }

    /// As a report's result. The log does not tell under which policy a server was spoken to.
    fn result(self, domain: &Domain) -> PolicyResult {
        let mut result = PolicyResult {
            kind: PolicyKind::NoPolicyFound,
            domain: domain.to_string(),
            ..PolicyResult::default()
        };
        for (host, server) in self.0 {
            result.successful = result.successful.saturating_add(server.encrypted);
            for (kind, failed) in server.failed {
                result.failed = result.failed.saturating_add(failed.sessions);
                result.failures.push(Failure {
                    kind: FailureKind::from(kind),
                    receiving_mx: Some(host.clone()),
                    receiving_ip: failed.ip,
                    sessions: failed.sessions,
                    information: (!failed.said.is_empty()).then_some(failed.said),
                    ..Failure::default()
                });
            }
        }
        result
    }
}

impl OfServer {
    fn add(&mut self, kind: String, more: Failed) {
        if self.failed.len() >= FAILURES_MAX && !self.failed.contains_key(&kind) {
            return;
        }
        let failed = self.failed.entry(kind).or_default();
        failed.sessions = failed.sessions.saturating_add(more.sessions);
        (failed.ip, failed.said) = (more.ip, more.said);
    }
}

const fn kind(problem: Problem) -> FailureKind {
    match problem {
        Problem::NotOffered => FailureKind::StartTlsNotSupported,
        Problem::NotTrusted => FailureKind::CertificateNotTrusted,
        Problem::Expired => FailureKind::CertificateExpired,
        Problem::OtherName => FailureKind::CertificateHostMismatch,
        Problem::Handshake => FailureKind::ValidationFailure,
    }
}

impl Engine {
    /// Counts how one session to another server went.
    pub fn count_session(&self, session: Session) {
        self.counting.count(session, now(), &self.settings().limits);
    }

    /// Keeps what was counted since the last time.
    pub async fn keep_sessions(&self) -> Result<(), StoreError> {
        let settings = self.settings();
        let (limits, node) = (&settings.limits, &settings.node);
        let waiting = std::mem::take(&mut *self.counting.waiting());
        let mut left = waiting.into_iter();
        while let Some(((day, domain), counted)) = left.next() {
            let kept = keep(self.store(), (day, &domain, node), counted.clone(), limits).await;
            if let Err(error) = kept {
                // It goes with the next round: nothing counted is lost while the store is away.
                let mut waiting = self.counting.waiting();
                for (key, counted) in std::iter::once(((day, domain), counted)).chain(left) {
                    waiting.entry(key).or_default().add(counted, limits);
                }
                return Err(error);
            }
        }
        let oldest = now().secs().div_euclid(DAY_SECS) - DAYS_KEPT;
        self.store()
            .remove_states(KEPT, &format!("{KEPT}{oldest}"))
            .await?;
        Ok(())
    }
}

/// Adds to what this node kept of a day and a domain.
async fn keep(
    store: &Store,
    (day, domain, node): (i64, &Domain, &str),
    counted: OfDomain,
    limits: &Limits,
) -> Result<(), StoreError> {
    let name = format!("{KEPT}{day}:{domain}:{node}");
    let mut sum = match store.state(&name).await? {
        Some(body) => read(&name, &body),
        None => OfDomain::default(),
    };
    sum.add(counted, limits);
    store.set_state(&name, &serde_json::to_string(&sum)?).await
}

/// What is kept. What cannot be read is passed over: counts of a day are no reason to stop.
fn read(name: &str, body: &str) -> OfDomain {
    serde_json::from_str(body).unwrap_or_else(|error| {
        tracing::error!("{name} in the store cannot be read and is passed over: {error}");
        OfDomain::default()
    })
}

/// All nodes' sessions of a day, by domain.
pub(crate) async fn of_day(
    store: &Store,
    day: i64,
    limits: &Limits,
) -> Result<BTreeMap<Domain, OfDomain>, StoreError> {
    let begin = format!("{KEPT}{day}:");
    let mut domains: BTreeMap<Domain, OfDomain> = BTreeMap::new();
    for (name, body) in store.states(&begin).await? {
        let domain = name[begin.len()..].split(':').next().unwrap_or_default();
        let Ok(domain) = Domain::parse(domain) else {
            continue;
        };
        if domains.len() >= limits.reports_domains_max && !domains.contains_key(&domain) {
            tracing::warn!(
                "more domains were sent to than limits.reports_domains_max: they get no TLS report"
            );
            break;
        }
        domains
            .entry(domain)
            .or_default()
            .add(read(&name, &body), limits);
    }
    Ok(domains)
}

/// The report of a day to a domain; `None` when nothing is known about its own servers.
pub(crate) fn report(
    (domain, mut counted): (&Domain, OfDomain),
    mx: &Known<Vec<String>>,
    day: i64,
    settings: &ReportSettings,
) -> Option<TlsReport> {
    let sender = settings.sender()?;
    // A domain without MX is its own server (RFC 5321 §5.1).
    match mx {
        Known::Yes(servers) => counted.only(servers),
        _ => counted.only(&[domain.to_string()]),
    }
    if counted.0.is_empty() {
        return None;
    }
    let begin = Timestamp::from_secs(day * DAY_SECS);
    Some(TlsReport {
        organisation: settings.organisation.clone(),
        contact: Some(sender.address.as_str().to_owned()),
        report_id: super::aggregate::report_id(domain, begin, &sender.domain),
        begin,
        end: begin.plus_secs(DAY_SECS - 1),
        policies: vec![counted.result(domain)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(host: &str, outcome: Outcome) -> Session {
        Session {
            domain: Domain::parse("a.example").expect("a domain"),
            host: host.to_owned(),
            ip: "192.0.2.1".parse().ok(),
            outcome,
        }
    }

    fn settings() -> ReportSettings {
        ReportSettings {
            from: mail::Address::new("reports@b.example"),
            organisation: "B".to_owned(),
            ..ReportSettings::default()
        }
    }

    #[test]
    fn a_day_becomes_a_report_about_the_domains_own_servers() {
        let limits = Limits::default();
        let mut counted = OfDomain::default();
        let refused = || Outcome::Failed {
            problem: Problem::NotOffered,
            said: String::new(),
        };
        counted.count(session("mx.a.example", Outcome::Encrypted), &limits);
        counted.count(session("mx.a.example", refused()), &limits);
        counted.count(session("smart.b.example", refused()), &limits);
        let mut sum = counted.clone();
        sum.add(counted, &limits);
        let domain = Domain::parse("a.example").expect("a domain");
        let mx = Known::Yes(vec!["MX.a.example.".to_owned()]);
        let made = report((&domain, sum.clone()), &mx, 20_000, &settings()).expect("a report");
        assert_eq!((made.successful(), made.failed()), (2, 2));
        assert_eq!(made.policies[0].failures.len(), 1);
        let again = reports::tls::read(made.to_json().as_bytes(), &limits).expect("our own");
        assert_eq!((again.report.successful(), again.report.failed()), (2, 2));
        // Of what went elsewhere the domain hears nothing.
        let mx = Known::Yes(vec!["other.example".to_owned()]);
        assert_eq!(report((&domain, sum), &mx, 20_000, &settings()), None);
    }

    #[test]
    fn bounded_whatever_the_log_says() {
        let limits = Limits {
            reports_domains_max: 2,
            report_servers_max: 3,
            ..Limits::default()
        };
        let counting = Counting::default();
        for number in 0..10 {
            let mut one = session("mx.a.example", Outcome::Encrypted);
            one.domain = Domain::parse(&format!("d{number}.example")).expect("a domain");
            counting.count(one, Timestamp::from_secs(0), &limits);
        }
        assert_eq!(counting.waiting().len(), 2);
        let mut counted = OfDomain::default();
        for number in 0..10 {
            let host = format!("mx{number}.a.example");
            counted.count(session(&host, Outcome::Encrypted), &limits);
        }
        assert_eq!(counted.0.len(), 3);
    }
}
