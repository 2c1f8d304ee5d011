//! May this machine send for that domain? SPF (RFC 7208).
//!
//! [`check`] evaluates a domain's record against an address within the RFC's bounds and the message's. The grammar
//! is in `record`, macros are in `macros`; what is evaluated stands here in the order of the RFC's §4 and §5.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;

use mail::authentication::{Spf, SpfResult};
use mail::{Domain, Timestamp};

use crate::cut;
use crate::dns::{Answer, Found, Name, Questions, Unanswered};

mod macros;
mod record;

use macros::{DomainSpec, Values};
use record::{Mechanism, Networks, Record};
pub use record::{SyntaxError, check_syntax};

/// Host names looked at for one `mx` or `ptr` (RFC 7208 §4.6.4): more are `permerror` for `mx`, passed over for `ptr`.
const HOSTS_MAX: usize = 10;

/// Who sends, in whose name.
#[derive(Clone, Debug)]
pub struct Sending<'m> {
    /// The machine's address.
    pub ip: IpAddr,
    /// What it calls itself.
    pub helo_name: &'m str,
    /// Before the `@` of the sender; `postmaster` when there is nothing.
    pub local: &'m str,
    /// After it; for the null sender, the HELO name.
    pub domain: &'m str,
    /// What we call ourselves, for `%{r}`.
    pub receiver: &'m str,
    /// Now, for `%{t}`.
    pub now: Timestamp,
}

/// Evaluates the record of the sender's domain (`check_host()`, RFC 7208 §4).
pub async fn check(questions: &Questions<'_>, sending: &Sending<'_>) -> Spf {
    // RFC 7208 §5: an IPv4-mapped address is the IPv4 address.
    let ip = sending.ip.to_canonical();
    let sending = Sending {
        ip,
        ..sending.clone()
    };
    let mut check = Check {
        questions,
        sending: &sending,
        lookups: 0,
        void_lookups: 0,
        dnssec: true,
    };
    let ended = check.evaluate(sending.domain.to_owned()).await;
    let (result, matched, problem) = match ended {
        Ok(matched) => (matched.result, matched, None),
        Err(Stop::Temporary(why)) => (SpfResult::TempError, Matched::default(), Some(why)),
        Err(Stop::Permanent(why)) => (SpfResult::PermError, Matched::default(), Some(why)),
    };
    let explanation = match &matched.explained_by {
        Some((spec, domain)) if result == SpfResult::Fail => check.explain(spec, domain).await,
        _ => None,
    };
    let bytes_max = questions.limits().authentication_text_bytes_max;
    let asked = Domain::parse(sending.domain).ok();
    Spf {
        result,
        mechanism_of: matched
            .domain
            .filter(|domain| Some(domain) != asked.as_ref()),
        domain: asked,
        mechanism: matched.written.map(|written| cut(&written, bytes_max)),
        explanation: explanation.map(|text| cut(&text, bytes_max)),
        problem: problem.map(|why| cut(&why, bytes_max)),
        lookups: check.lookups,
        void_lookups: check.void_lookups,
        dnssec: check.dnssec && result != SpfResult::None,
    }
}

/// Why an evaluation ends without a result.
enum Stop {
    Temporary(String),
    Permanent(String),
}

impl From<Unanswered> for Stop {
    fn from(Unanswered(why): Unanswered) -> Self {
        Self::Temporary(why)
    }
}

fn permanent<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Permanent(why.into()))
}

/// The term that decided.
struct Matched {
    result: SpfResult,
    written: Option<String>,
    domain: Option<Domain>,
    explained_by: Option<(DomainSpec, String)>,
}

impl Default for Matched {
    fn default() -> Self {
        Self {
            result: SpfResult::None,
            written: None,
            domain: None,
            explained_by: None,
        }
    }
}

type Evaluating<'c> = Pin<Box<dyn Future<Output = Result<Matched, Stop>> + Send + 'c>>;

struct Check<'q, 'm> {
    questions: &'q Questions<'q>,
    sending: &'m Sending<'m>,
    lookups: u32,
    void_lookups: u32,
    dnssec: bool,
}

impl Check<'_, '_> {
    /// `check_host()` for one domain; includes and redirections call it again, at most as often as look-ups are allowed.
    fn evaluate(&mut self, domain: String) -> Evaluating<'_> {
        Box::pin(async move {
            // RFC 7208 §4.3: what is no name of several labels has no policy.
            let Some(name) = Name::parse(&domain).filter(|name| name.as_str().contains('.')) else {
                return Ok(Matched::default());
            };
            let Some(record) = self.record(&name).await? else {
                return Ok(Matched::default());
            };
            let evaluated = self.directives(&record, &domain).await?;
            let matched = match (evaluated, &record.redirect) {
                (Some(matched), _) => matched,
                (None, Some(spec)) => return self.redirect(spec, &domain).await,
                (None, None) => Matched {
                    result: SpfResult::Neutral,
                    ..Matched::default()
                },
            };
            let explained_by = record.explanation.map(|spec| (spec, domain));
            Ok(Matched {
                explained_by,
                ..matched
            })
        })
    }

    /// The one record of a name (RFC 7208 §4.5).
    async fn record(&mut self, name: &Name) -> Result<Option<Record>, Stop> {
        let answer = self.questions.txt(name).await?;
        self.dnssec &= answer.dnssec;
        let mut records = answer.texts().filter(|text| record::is_spf(text));
        let Some(text) = records.next() else {
            return Ok(None);
        };
        if records.next().is_some() {
            return permanent(format!("{name} has several SPF records"));
        }
        match Record::read(text) {
            Ok(record) => Ok(Some(record)),
            Err(why) => permanent(format!("the record of {name}: {why}")),
        }
    }

    /// The first directive that matches.
    async fn directives(&mut self, record: &Record, domain: &str) -> Result<Option<Matched>, Stop> {
        for directive in &record.directives {
            if self.matches(&directive.mechanism, domain).await? {
                return Ok(Some(Matched {
                    result: directive.result,
                    written: Some(directive.written.clone()),
                    domain: Domain::parse(domain).ok(),
                    explained_by: None,
                }));
            }
        }
        Ok(None)
    }

    async fn redirect(&mut self, spec: &DomainSpec, domain: &str) -> Result<Matched, Stop> {
        self.count_lookup()?;
        let target = self.expand(spec, domain).await;
        let matched = self.evaluate(target.clone()).await?;
        // RFC 7208 §6.1.
        if matched.result == SpfResult::None {
            return permanent(format!("redirected to {target}, which has no record"));
        }
        Ok(matched)
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip(network) => Ok(network.contains(&self.sending.ip)),
            Mechanism::Include(spec) => self.include(spec, domain).await,
            Mechanism::A(spec, networks) => {
                self.count_lookup()?;
                let target = self.target(spec.as_ref(), domain).await;
                self.has_address(target, networks).await
            }
            Mechanism::Mx(spec, networks) => self.mx(spec.as_ref(), networks, domain).await,
            Mechanism::Ptr(spec) => self.ptr(spec.as_ref(), domain).await,
            Mechanism::Exists(spec) => self.exists(spec, domain).await,
        }
    }

    /// RFC 7208 §5.2.
    async fn include(&mut self, spec: &DomainSpec, domain: &str) -> Result<bool, Stop> {
        self.count_lookup()?;
        let target = self.expand(spec, domain).await;
        match self.evaluate(target.clone()).await?.result {
            SpfResult::Pass => Ok(true),
            SpfResult::None => permanent(format!("{target} is included and has no record")),
            _ => Ok(false),
        }
    }

    /// RFC 7208 §5.3, for `a` and for the hosts of `mx`.
    async fn has_address(
        &mut self,
        target: Option<Name>,
        networks: &Networks,
    ) -> Result<bool, Stop> {
        let Some(name) = target else { return Ok(false) };
        let answer = self.questions.addresses(&name, self.sending.ip).await?;
        self.note(&answer)?;
        Ok(answer
            .addresses()
            .any(|ip| networks.around(ip).contains(&self.sending.ip)))
    }

    /// RFC 7208 §5.4.
    async fn mx(
        &mut self,
        spec: Option<&DomainSpec>,
        networks: &Networks,
        domain: &str,
    ) -> Result<bool, Stop> {
        self.count_lookup()?;
        let Some(name) = self.target(spec, domain).await else {
            return Ok(false);
        };
        let hosts = self.questions.mx(&name).await?;
        if hosts.is_empty() {
            self.count_void()?;
        }
        for (index, host) in hosts.iter().enumerate() {
            if index == HOSTS_MAX {
                return permanent(format!("{name} has more than {HOSTS_MAX} mail servers"));
            }
            if self.has_address(Name::parse(host), networks).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// RFC 7208 §5.5: whatever DNS fails to say is no match.
    async fn ptr(&mut self, spec: Option<&DomainSpec>, domain: &str) -> Result<bool, Stop> {
        self.count_lookup()?;
        let Some(target) = self.target(spec, domain).await else {
            return Ok(false);
        };
        let Ok(names) = self.questions.names(self.sending.ip).await else {
            return Ok(false);
        };
        if names.is_empty() {
            self.count_void()?;
        }
        let within = |name: &str| {
            name.strip_suffix(target.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        for name in names.iter().take(HOSTS_MAX) {
            if within(name) && self.is_name_of_peer(name).await {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn is_name_of_peer(&self, name: &str) -> bool {
        let Some(name) = Name::parse(name) else {
            return false;
        };
        let answer = self.questions.addresses(&name, self.sending.ip).await;
        answer.is_ok_and(|answer| answer.addresses().any(|ip| ip == self.sending.ip))
    }

    /// RFC 7208 §5.7: an IPv4 address, whatever the peer has.
    async fn exists(&mut self, spec: &DomainSpec, domain: &str) -> Result<bool, Stop> {
        self.count_lookup()?;
        let Some(name) = Name::parse(&self.expand(spec, domain).await) else {
            return Ok(false);
        };
        let answer = self
            .questions
            .addresses(&name, IpAddr::V4(Ipv4Addr::UNSPECIFIED))
            .await?;
        self.note(&answer)?;
        Ok(!answer.records().is_empty())
    }

    fn note(&mut self, answer: &Answer) -> Result<(), Stop> {
        self.dnssec &= answer.dnssec;
        match answer.found {
            Found::Records(_) => Ok(()),
            Found::Nothing | Found::NoName => self.count_void(),
        }
    }

    fn count_lookup(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        let max = self.questions.limits().spf_lookups_max;
        if self.lookups > max {
            return permanent(format!("evaluation takes more than {max} look-ups"));
        }
        Ok(())
    }

    fn count_void(&mut self) -> Result<(), Stop> {
        self.void_lookups += 1;
        let max = self.questions.limits().spf_void_lookups_max;
        if self.void_lookups > max {
            return permanent(format!("more than {max} look-ups found nothing"));
        }
        Ok(())
    }

    /// The name a mechanism is about: its own, or the domain under evaluation.
    async fn target(&self, spec: Option<&DomainSpec>, domain: &str) -> Option<Name> {
        match spec {
            None => Name::parse(domain),
            Some(spec) => Name::parse(&self.expand(spec, domain).await),
        }
    }

    async fn expand(&self, spec: &DomainSpec, domain: &str) -> String {
        let values = self.values(spec, domain).await;
        spec.expand_name(&values)
    }

    async fn values<'v>(&'v self, spec: &DomainSpec, domain: &'v str) -> Values<'v> {
        let validated = if spec.needs_validated_name() {
            self.validated_name(domain).await
        } else {
            None
        };
        Values {
            sending: self.sending,
            domain,
            validated,
        }
    }

    /// For `%{p}` (RFC 7208 §7.3): the domain itself, else a name within it, else any, of those that point back.
    async fn validated_name(&self, domain: &str) -> Option<String> {
        let mut validated = Vec::new();
        for name in self
            .questions
            .names(self.sending.ip)
            .await
            .ok()?
            .into_iter()
            .take(HOSTS_MAX)
        {
            if self.is_name_of_peer(&name).await {
                validated.push(name);
            }
        }
        let below = format!(".{domain}");
        let exact = validated.iter().position(|name| name == domain);
        let within = || validated.iter().position(|name| name.ends_with(&below));
        let best = exact
            .or_else(within)
            .or(if validated.is_empty() { None } else { Some(0) })?;
        Some(validated.swap_remove(best))
    }

    /// The owner's words to a refused sender (RFC 7208 §6.2). They are text for people: none when anything is amiss.
    async fn explain(&self, spec: &DomainSpec, domain: &str) -> Option<String> {
        let name = Name::parse(&self.expand(spec, domain).await)?;
        let answer = self.questions.txt(&name).await.ok()?;
        let mut texts = answer.texts();
        let text = std::str::from_utf8(texts.next()?)
            .ok()
            .filter(|text| text.is_ascii())?;
        if texts.next().is_some() {
            return None;
        }
        let spec = DomainSpec::read_explanation(text).ok()?;
        let values = self.values(&spec, domain).await;
        Some(spec.expand_text(&values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Record as DnsRecord, Resolver, Zone};
    use mail::Limits;
    use tokio::time::Instant;

    async fn checked(zone: Zone, ip: &str, domain: &str) -> Spf {
        let resolver = Resolver::new(zone, &Limits::default());
        let questions = Questions::new(
            &resolver,
            Instant::now() + std::time::Duration::from_secs(5),
        );
        let sending = Sending {
            ip: ip.parse().expect("an address"),
            helo_name: "mail.example.net",
            local: "ann",
            domain,
            receiver: "mx.example.com",
            now: Timestamp::from_secs(0),
        };
        check(&questions, &sending).await
    }

    #[tokio::test]
    async fn the_term_that_decided_is_told_and_whose_it_is() {
        let zone = Zone::default()
            .txt("example.org", "v=spf1 include:_spf.example.net -all")
            .txt("_spf.example.net", "v=spf1 ip4:192.0.2.0/24 ~all");
        let spf = checked(zone.clone(), "192.0.2.7", "example.org").await;
        assert_eq!(spf.result, SpfResult::Pass);
        assert_eq!(spf.mechanism.as_deref(), Some("include:_spf.example.net"));
        assert_eq!(spf.mechanism_of, None);
        let spf = checked(zone, "::ffff:198.51.100.7", "example.org").await;
        assert_eq!(
            (spf.result, spf.mechanism.as_deref()),
            (SpfResult::Fail, Some("-all"))
        );
        assert_eq!(spf.lookups, 1);
    }

    #[tokio::test]
    async fn a_redirection_says_where_it_led() {
        let zone = Zone::default()
            .txt("example.org", "v=spf1 redirect=_spf.example.net")
            .txt("_spf.example.net", "v=spf1 a:host.example.net -all")
            .with(
                "host.example.net",
                DnsRecord::A(Ipv4Addr::new(192, 0, 2, 7)),
            );
        let spf = checked(zone, "192.0.2.7", "example.org").await;
        assert_eq!(spf.result, SpfResult::Pass);
        assert_eq!(spf.mechanism_of, Domain::parse("_spf.example.net").ok());
    }

    #[tokio::test]
    async fn what_dns_does_not_say_is_temporary_and_a_loop_is_permanent() {
        let zone = Zone::default()
            .txt("example.org", "v=spf1 include:broken.example -all")
            .broken("broken.example");
        let spf = checked(zone, "192.0.2.7", "example.org").await;
        assert_eq!(spf.result, SpfResult::TempError);
        assert!(spf.problem.expect("a reason").contains("broken.example"));
        let zone = Zone::default().txt("loop.example", "v=spf1 include:loop.example -all");
        let spf = checked(zone, "192.0.2.7", "loop.example").await;
        assert_eq!((spf.result, spf.lookups), (SpfResult::PermError, 11));
    }
}
