//! The conformance suites of other projects, as they lie, against a served DNS.
//!
//! `MAILVIGIL_SUITES` names the folder they lie in; without it nothing is tested, and it says so. Where a suite is not
//! right by today's RFCs, its case is listed with the reason and must fail: a case that starts to pass is as much news as
//! one that stops. The lists stand in `docs/authentication.md` too.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lookup::dns::{Resolver, Upstreams};
use mail::{Authentication, Envelope, Limits, Message, Timestamp};
use testkit::dns::Dns;
use tokio::time::Instant;

mod arc;
mod dkim;
mod spf;
mod yaml;

/// The folder of a suite, or a visible skip.
fn suite(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("MAILVIGIL_SUITES").map(|root| PathBuf::from(root).join(name));
    if folder.is_none() {
        eprintln!("skipped {name}: MAILVIGIL_SUITES is not set");
    }
    folder
}

fn read(path: &std::path::Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Patient enough for a loaded machine, except where a suite's server is silent.
fn limits(question: Duration) -> Limits {
    let millis = question.as_millis() as u64;
    Limits {
        dns_question_ms: millis,
        lookup_ms: 60_000,
        ..Limits::default()
    }
}

fn resolver(dns: &Dns, limits: &Limits) -> Arc<Resolver> {
    let upstreams = Upstreams::new(&[dns.address()], limits).expect("a resolver");
    Arc::new(Resolver::new(upstreams, limits))
}

/// Verifies one message as if it came at a moment.
async fn verify(
    resolver: &Arc<Resolver>,
    settings: lookup::Settings,
    raw: &[u8],
    now: Timestamp,
) -> Authentication {
    let message = Message::read(raw, resolver.limits());
    let envelope = Envelope::new(now, "test");
    let verifier = lookup::Verifier::new(Arc::clone(resolver), settings);
    verifier
        .verify(
            &envelope,
            raw,
            &message,
            Instant::now() + Duration::from_mins(1),
        )
        .await
}

/// What came of a suite: by case, the reason it failed; to be held against the failures that are known.
#[derive(Default)]
struct Outcome {
    passed: usize,
    failed: BTreeMap<String, String>,
}

impl Outcome {
    fn note(&mut self, case: &str, problem: Option<String>) {
        match problem {
            None => self.passed += 1,
            Some(why) => drop(self.failed.insert(case.to_owned(), why)),
        }
    }

    /// Prints the count and holds the failures against the known ones.
    fn check(self, suite: &str, known: &[(&str, &str)]) {
        eprintln!(
            "{suite}: {} passed, {} failed as known",
            self.passed,
            known.len()
        );
        let news: Vec<String> = self
            .failed
            .iter()
            .filter(|(case, _)| !known.iter().any(|(known, _)| known == case))
            .map(|(case, why)| format!("{case}: {why}"))
            .collect();
        let gone: Vec<&str> = known
            .iter()
            .map(|(case, _)| *case)
            .filter(|case| !self.failed.contains_key(*case))
            .collect();
        assert!(
            news.is_empty() && gone.is_empty(),
            "{suite}\nfail: {news:#?}\npass now: {gone:#?}"
        );
        assert!(self.passed > 0, "{suite} had no case");
    }
}
