//! `[console]`: where people and programs look in.

use std::net::SocketAddr;
use std::path::PathBuf;

use engine::{Care, DigestSettings};
use ipnet::IpNet;
use written::Section;

/// The console's part of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleConfig {
    /// Where it listens; `None` is off.
    pub listen: Option<SocketAddr>,
    /// Where people reach it, without a slash at the end.
    pub url: String,
    /// Proxies whose word about the visitor's address is taken.
    pub proxies: Vec<IpNet>,
    /// The site's name on pages.
    pub site_name: String,
    /// What takes a second person.
    pub care: Care,
    /// Hashes of breached passwords.
    pub breached_passwords: Option<PathBuf>,
    /// Single sign-on: issuer, client id, file of the client secret, claim of the name. `None` is off.
    pub oidc: Option<Oidc>,
    /// Digest mail to mailbox owners; `None` is off.
    pub digest: Option<DigestSettings>,
}

/// `[console.oidc]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// The provider's issuer.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// The file that holds our password there.
    pub client_secret_file: PathBuf,
    /// The claim that holds the name people are entered under.
    pub name_claim: String,
}

impl Oidc {
    fn read(section: Section<'_, '_>) -> Option<Self> {
        let issuer = section.required("issuer", "the provider's issuer, https://…", |text| {
            let local = ["http://127.0.0.1:", "http://localhost:"];
            let good =
                text.starts_with("https://") || local.iter().any(|own| text.starts_with(own));
            good.then(|| text.to_owned())
                .ok_or("is not reached over TLS")
        });
        let some = |text: &str| {
            if text.is_empty() {
                Err("is empty")
            } else {
                Ok(text.to_owned())
            }
        };
        let client_id = section.required("client_id", "our name at the provider", some);
        let file = section.required(
            "client_secret_file",
            "a file that holds the secret",
            super::path,
        );
        let claim = section.text("name_claim", "\"email\" or \"preferred_username\"", some);
        section.finish();
        Some(Self {
            issuer: issuer?,
            client_id: client_id?,
            client_secret_file: file?,
            name_claim: claim.unwrap_or_else(|| "email".to_owned()),
        })
    }
}

impl ConsoleConfig {
    /// Reads the section. Every key has a default that works.
    pub fn read(section: Section<'_, '_>) -> Self {
        let usual = SocketAddr::from(([127, 0, 0, 1], 7781));
        let listen = section
            .text(
                "listen",
                "an address such as \"127.0.0.1:7781\", or \"off\"",
                address_or_off,
            )
            .unwrap_or(Some(usual));
        let url = section.text(
            "url",
            "where people reach it, such as \"https://mailvigil.example.org\"",
            url,
        );
        let proxies = section
            .texts("proxies", "networks such as \"127.0.0.1\"", super::network)
            .unwrap_or_default();
        let is_secure = url.as_ref().is_some_and(|url| url.starts_with("https://"));
        if listen.is_some_and(|listen| !listen.ip().is_loopback()) && !is_secure {
            section.complain(
                "listen",
                "listens beyond this machine, and passwords would cross the net in the clear",
                "loopback, with a proxy that speaks TLS in front; or say in console.url that one does (https://…)",
            );
        }
        let site_name = section.string("site_name").unwrap_or_default();
        let content = section.flag("second_person_reads").unwrap_or(false);
        let bulk = section
            .number("second_person_releases_over", 1..=1000)
            .unwrap_or(100);
        let recalls = section
            .number("second_person_recalls_over", 0..=1000)
            .unwrap_or(20);
        let breached_passwords = section.text("breached_passwords", "a file", super::path);
        let digest_hours = section.number("digest_every_hours", 1..=168);
        let digest_from = section.text("digest_from", "an address", |text| {
            mail::Address::new(text)
                .filter(|address| address.domain().is_some())
                .ok_or("is no address")
        });
        if digest_hours.is_some() && (digest_from.is_none() || url.is_none()) {
            section.complain(
                "digest_every_hours",
                "needs a sender and an address that links can begin with",
                "digest_from = \"quarantine@example.org\" and url = \"https://…\" beside it",
            );
        }
        let oidc = section.maybe_section("oidc").and_then(Oidc::read);
        section.finish();
        let url = url.unwrap_or_else(|| {
            listen.map_or_else(String::new, |listen| format!("http://{listen}"))
        });
        let digest = digest_hours
            .zip(digest_from)
            .map(|(hours, from)| DigestSettings {
                from,
                url: url.clone(),
                every_secs: hours as i64 * 3600,
            });
        Self {
            listen,
            url,
            digest,
            oidc,
            proxies,
            site_name,
            care: Care {
                content,
                bulk_release_over: bulk as usize,
                recall_over: recalls as usize,
            },
            breached_passwords,
        }
    }
}

fn address_or_off(text: &str) -> Result<Option<SocketAddr>, &'static str> {
    if text == "off" {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| "is no address with port")
}

fn url(text: &str) -> Result<String, &'static str> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or("begins neither with https:// nor with http://")?;
    let host = host.trim_end_matches('/');
    let good = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
    if good {
        Ok(text.trim_end_matches('/').to_lowercase())
    } else {
        Err("is no scheme and host alone")
    }
}
