//! `[dns]`, `[authentication]`, `[[dkim]]` and `[arc]`: whom we ask about senders, whom we believe, and what we sign with.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use engine::Authenticity;
use engine::lookup::dns::{Resolver, Upstreams};
use engine::lookup::sign::{ArcSigner, DkimSigner, SigningKey};
use engine::lookup::{Acceptance, Settings, Verifier};
use ipnet::IpNet;
use mail::{Domain, Limits, Site};
use written::Section;

use super::{network, path};

/// What the configuration says about senders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticityConfig {
    /// DNS servers, the first first; none: the system's.
    pub servers: Vec<SocketAddr>,
    /// Find out who sent mail from outside.
    pub verify: bool,
    /// Write `Authentication-Results` into mail that is delivered.
    pub results: bool,
    /// What we call ourselves there.
    pub authserv_id: String,
    /// Machines that hand us mail of others: their `Received` fields are believed.
    pub trusted_relays: Vec<IpNet>,
    /// Forwarders whose ARC chains are believed.
    pub trusted_sealers: Vec<Domain>,
    /// Weak signatures that count all the same.
    pub acceptance: Acceptance,
    /// Keys that mail of our own domains is signed with.
    pub keys: Vec<KeyConfig>,
    /// The key that verified mail is sealed with.
    pub arc: Option<KeyConfig>,
}

/// A key to sign with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyConfig {
    /// For whom.
    pub domain: Domain,
    /// Under which name it is published.
    pub selector: String,
    /// The file with the key, PEM.
    pub key: PathBuf,
    /// How long a signature shall hold, days.
    pub lifetime_days: Option<u32>,
}

impl AuthenticityConfig {
    /// Reads the four sections. `name` is what we call ourselves when nothing is said.
    pub fn read(root: &Section<'_, '_>, name: &str) -> Self {
        let dns = root.section("dns");
        let servers = dns.texts(
            "servers",
            "addresses such as \"127.0.0.1\" or \"[::1]:5353\"",
            server,
        );
        dns.finish();
        let section = root.section("authentication");
        let flag = |key, usual| section.flag(key).unwrap_or(usual);
        let usual = Acceptance::default();
        let config = Self {
            servers: servers.unwrap_or_default(),
            verify: flag("verify", true),
            results: flag("results", true),
            authserv_id: section
                .text(
                    "authserv_id",
                    "a host name such as \"mx.example.org\"",
                    host,
                )
                .unwrap_or_else(|| name.to_owned()),
            trusted_relays: section
                .texts(
                    "trusted_relays",
                    "networks such as \"192.0.2.0/28\"",
                    network,
                )
                .unwrap_or_default(),
            trusted_sealers: section
                .texts("trusted_sealers", "domain names", Domain::parse)
                .unwrap_or_default(),
            acceptance: Acceptance {
                dkim_sha1: flag("accept_sha1", usual.dkim_sha1),
                domain_keys: flag("accept_domainkeys", usual.domain_keys),
                partial_body: flag("accept_partial_body", usual.partial_body),
            },
            keys: root
                .sections("dkim")
                .into_iter()
                .filter_map(KeyConfig::read)
                .collect(),
            arc: root.maybe_section("arc").and_then(KeyConfig::read),
        };
        section.finish();
        config
    }

    /// Sets it up: keys are read, DNS servers found. What cannot be had is an error here, at the start, and not in flight.
    pub fn set_up(&self, site: &Site, limits: &Limits) -> anyhow::Result<Arc<Authenticity>> {
        let verifier = if self.verify {
            self.resolver(limits)?
                .map(|resolver| Verifier::new(resolver, self.settings(site)))
        } else {
            None
        };
        let signers = self.keys.iter().map(KeyConfig::signer);
        Ok(Arc::new(Authenticity {
            verifier,
            writes_results: self.results,
            signers: signers.collect::<anyhow::Result<_>>()?,
            sealer: match &self.arc {
                Some(key) => Some(key.sealer(&self.authserv_id)?),
                None => None,
            },
        }))
    }

    /// What the verifier needs to know.
    pub fn settings(&self, site: &Site) -> Settings {
        Settings {
            authserv_id: self.authserv_id.clone(),
            ours: site.local_domains.clone(),
            trusted_relays: self.trusted_relays.clone(),
            trusted_sealers: self.trusted_sealers.clone(),
            acceptance: self.acceptance,
        }
    }

    /// Whom to ask. `None` when nothing is configured and the system names nobody either: then nothing is verified, and the log says so.
    pub fn resolver(&self, limits: &Limits) -> anyhow::Result<Option<Arc<Resolver>>> {
        let upstreams = if self.servers.is_empty() {
            match Upstreams::of_system(limits) {
                Ok(upstreams) => upstreams,
                Err(none) => {
                    tracing::warn!("senders are not verified: {none}; set dns.servers");
                    return Ok(None);
                }
            }
        } else {
            Upstreams::new(&self.servers, limits).context("dns.servers")?
        };
        Ok(Some(Arc::new(Resolver::new(upstreams, limits))))
    }
}

impl KeyConfig {
    fn read(section: Section<'_, '_>) -> Option<Self> {
        let domain = section.required("domain", "a domain name", Domain::parse);
        let selector = section.required("selector", "a name such as \"s2026\"", selector);
        let key = section.required("key", "the file with the key, PEM", path);
        let lifetime_days = section
            .number("lifetime_days", 1..=365)
            .map(|days| days as u32);
        section.finish();
        Some(Self {
            domain: domain?,
            selector: selector?,
            key: key?,
            lifetime_days,
        })
    }

    fn signing_key(&self) -> anyhow::Result<SigningKey> {
        let file = self.key.display();
        let text = std::fs::read_to_string(&self.key)
            .with_context(|| format!("the key {file} of {} cannot be read", self.domain))?;
        SigningKey::read(&text).with_context(|| format!("the key {file} of {}", self.domain))
    }

    fn signer(&self) -> anyhow::Result<DkimSigner> {
        Ok(DkimSigner {
            domain: self.domain.clone(),
            selector: self.selector.clone(),
            key: self.signing_key()?,
            lifetime_secs: self.lifetime_days.map(|days| days * 86_400),
        })
    }

    fn sealer(&self, authserv_id: &str) -> anyhow::Result<ArcSigner> {
        Ok(ArcSigner {
            domain: self.domain.clone(),
            selector: self.selector.clone(),
            key: self.signing_key()?,
            authserv_id: authserv_id.to_owned(),
        })
    }
}

fn server(text: &str) -> Result<SocketAddr, &'static str> {
    let with_port: Result<SocketAddr, _> = text.parse();
    with_port
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)))
        .map_err(|_| "is no address of a DNS server")
}

fn host(text: &str) -> Result<String, &'static str> {
    Domain::parse(text)
        .map(|domain| domain.to_string())
        .map_err(|_| "is no host name")
}

fn selector(text: &str) -> Result<String, &'static str> {
    let good = Domain::parse(text).is_ok();
    good.then(|| text.to_ascii_lowercase())
        .ok_or("is no name that can stand in DNS")
}
