//! `[milter]`, `[scan]`, `[[proxy]]` and `[tls]`: where mail servers and their helpers ask. A door beyond this machine knows who is there, or
//! does not open.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net};
use written::Section;

use super::{host_port, network, path};

/// A place to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `127.0.0.1:7725`
    Tcp(SocketAddr),
    /// `tls:10.0.0.1:7725`
    Tls(SocketAddr),
    /// `unix:/run/mailvigil/milter.sock`
    Unix(PathBuf),
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Tls(address) => write!(f, "tls:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// All doors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doors {
    /// Where mail servers ask by milter.
    pub milter: Vec<Listen>,
    /// Who may, over TCP.
    pub milter_allow: Vec<IpNet>,
    /// Scanning clients.
    pub scan: ScanConfig,
    /// Filters that mail goes through.
    pub proxies: Vec<ProxyConfig>,
    /// Certificates.
    pub tls: Option<TlsConfig>,
}

/// `[scan]`: clients made for SpamAssassin and Rspamd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanConfig {
    /// Where `spamc` and Exim ask.
    pub listen: Vec<Listen>,
    /// Where Rspamd's clients ask, by HTTP.
    pub http: Vec<Listen>,
    /// Who may, over TCP.
    pub allow: Vec<IpNet>,
    /// The clients carry out what is answered, `discard` too: what is quarantined is held here.
    pub obeyed: bool,
    /// A file with the secret that HTTP clients bring as `Password`.
    pub secret_file: Option<PathBuf>,
    /// Labels that clients bring are believed like those of people who look after mail; else they are users' reports.
    pub trust_labels: bool,
}

/// `[[proxy]]`: mail goes through us to the next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Where it listens.
    pub listen: Listen,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Where mail goes on.
    pub next_hop: String,
    /// What is spoken there.
    pub next_protocol: Protocol,
    /// Who may come, over TCP.
    pub allow: Vec<IpNet>,
}

/// SMTP, or its kin with an answer for each recipient (RFC 2033).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    Lmtp,
}

/// `[tls]`: who we are and whom we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Our certificate with those between it and the root, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Clients show a certificate signed by one of these, PEM.
    pub clients: PathBuf,
}

const PLACES: &str = "\"127.0.0.1:PORT\", \"unix:/run/…\", or \"tls:ADDRESS:PORT\"";

impl Doors {
    /// Reads the sections of all doors.
    pub fn read(root: &Section<'_, '_>) -> Self {
        let tls = root.maybe_section("tls").and_then(TlsConfig::read);
        let milter = root.section("milter");
        let usual = || vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 7725)))];
        let listen = places(&milter, "listen").unwrap_or_else(usual);
        if listen.is_empty() {
            milter.complain(
                "listen",
                "is empty, so no mail server could ask",
                "leave it out for 127.0.0.1:7725",
            );
        }
        check(&milter, "listen", &listen, tls.is_some());
        let milter_allow = allow(&milter);
        milter.finish();
        let scan = ScanConfig::read(root.section("scan"), tls.is_some());
        let proxies = root.sections("proxy");
        let proxies = proxies
            .into_iter()
            .filter_map(|section| ProxyConfig::read(section, tls.is_some()))
            .collect();
        Self {
            milter: listen,
            milter_allow,
            scan,
            proxies,
            tls,
        }
    }
}

impl ScanConfig {
    fn read(section: Section<'_, '_>, has_tls: bool) -> Self {
        let scan = Self {
            listen: places(&section, "listen").unwrap_or_default(),
            http: places(&section, "http").unwrap_or_default(),
            allow: allow(&section),
            obeyed: section.flag("obeyed").unwrap_or(false),
            secret_file: section.text("secret_file", "a file that holds the secret", path),
            trust_labels: section.flag("trust_labels").unwrap_or(false),
        };
        check(&section, "listen", &scan.listen, has_tls);
        if scan.secret_file.is_none() {
            check(&section, "http", &scan.http, has_tls);
        }
        section.finish();
        scan
    }
}

impl ProxyConfig {
    fn read(section: Section<'_, '_>, has_tls: bool) -> Option<Self> {
        let listen = section.required("listen", PLACES, listen);
        let next_hop = section.required("next_hop", "HOST:PORT where mail goes on", host_port);
        let protocol = section.text("protocol", "\"smtp\" or \"lmtp\"", protocol);
        let next_protocol = section.text("next_protocol", "\"smtp\" or \"lmtp\"", self::protocol);
        let allow = allow(&section);
        let (protocol, next_protocol) = (
            protocol.unwrap_or(Protocol::Smtp),
            next_protocol.unwrap_or(Protocol::Smtp),
        );
        if let Some(listen) = &listen {
            check(&section, "listen", std::slice::from_ref(listen), has_tls);
        }
        if (protocol, next_protocol) == (Protocol::Smtp, Protocol::Lmtp) {
            section.complain(
                "next_protocol",
                "gives each recipient its own answer, which SMTP cannot pass on",
                "protocol = \"lmtp\", or next_protocol = \"smtp\"",
            );
        }
        section.finish();
        Some(Self {
            listen: listen?,
            protocol,
            next_hop: next_hop?,
            next_protocol,
            allow,
        })
    }
}

impl TlsConfig {
    fn read(section: Section<'_, '_>) -> Option<Self> {
        let certificate = section.required("certificate", "a PEM file", path);
        let key = section.required("key", "a PEM file", path);
        let clients = section.required("clients", "a PEM file of those who sign clients", path);
        section.finish();
        Some(Self {
            certificate: certificate?,
            key: key?,
            clients: clients?,
        })
    }
}

pub(super) fn places(section: &Section<'_, '_>, key: &'static str) -> Option<Vec<Listen>> {
    section.texts(key, PLACES, listen)
}

pub(super) fn allow(section: &Section<'_, '_>) -> Vec<IpNet> {
    section
        .texts("allow", "networks such as \"10.0.0.0/8\"", network)
        .unwrap_or_else(loopback_networks)
}

/// Beyond this machine anybody could ask, or read along.
pub(super) fn check(
    section: &Section<'_, '_>,
    key: &'static str,
    places: &[Listen],
    has_tls: bool,
) {
    for place in places {
        match place {
            Listen::Tcp(address) if !address.ip().is_loopback() => section.complain(
                key,
                "listens beyond this machine, where nobody says who asks",
                "\"tls:ADDRESS:PORT\" with [tls], where both sides show a certificate",
            ),
            Listen::Tls(_) if !has_tls => section.complain(
                key,
                "needs certificates",
                "[tls] with certificate, key and clients",
            ),
            _ => {}
        }
    }
}

fn loopback_networks() -> Vec<IpNet> {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    vec![v4.into(), IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST))]
}

fn protocol(text: &str) -> Result<Protocol, &'static str> {
    match text {
        "smtp" => Ok(Protocol::Smtp),
        "lmtp" => Ok(Protocol::Lmtp),
        _ => Err("is neither smtp nor lmtp"),
    }
}

/// Reads a place to listen on: `inet:` and `unix:` as mail servers write them, or a bare address.
fn listen(text: &str) -> Result<Listen, &'static str> {
    if let Some(place) = text.strip_prefix("unix:") {
        let place = Path::new(place);
        return if place.is_absolute() && place.as_os_str().len() < 100 {
            Ok(Listen::Unix(place.to_owned()))
        } else {
            Err("is no absolute path of less than 100 characters")
        };
    }
    let wrong = "is neither an address with port nor unix:PATH";
    if let Some(address) = text.strip_prefix("tls:") {
        return address.parse().map(Listen::Tls).map_err(|_| wrong);
    }
    let address = text.strip_prefix("inet:").unwrap_or(text);
    address.parse().map(Listen::Tcp).map_err(|_| wrong)
}
