//! Who hands over which message to whom, through which server: all that is known before its text.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Address, Domain, Timestamp};

/// The transaction as the mail server sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// When the question reached us.
    pub received_at: Timestamp,
    /// Which of our doors was asked: `milter`, `scan`, later others.
    pub door: String,
    /// The mail server that asks, by its own name (milter macro `j`).
    pub server: String,
    /// The server's service that took the message (milter macro `{daemon_name}`).
    pub daemon: Option<String>,
    /// The server's name for this message.
    pub queue_id: Option<String>,
    /// Who is connected to the mail server.
    pub peer: Peer,
    /// What the peer calls itself in HELO or EHLO.
    pub helo_name: Option<String>,
    /// Set when the peer's connection is encrypted.
    pub tls: Option<Tls>,
    /// The authenticated account (SMTP AUTH), as it logged in.
    pub account: Option<String>,
    /// How it logged in: `PLAIN`, `LOGIN`, …
    pub auth_method: Option<String>,
    /// `MAIL FROM`; `None` is the null sender `<>`.
    pub envelope_from: Option<Address>,
    /// `RCPT TO`, in order, those the server accepted.
    pub recipients: Vec<Address>,
    /// Which way the message goes; see [`Site::direction`].
    pub direction: Direction,
}

impl Envelope {
    /// An empty envelope, for a door to fill.
    pub fn new(received_at: Timestamp, door: &str) -> Self {
        Self {
            received_at,
            door: door.to_owned(),
            server: String::new(),
            daemon: None,
            queue_id: None,
            peer: Peer::default(),
            helo_name: None,
            tls: None,
            account: None,
            auth_method: None,
            envelope_from: None,
            recipients: Vec::new(),
            direction: Direction::Inbound,
        }
    }
}

/// The machine connected to the mail server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its address; `None` when mail comes from a program on the server itself.
    pub ip: Option<IpAddr>,
    /// Its port.
    pub port: Option<u16>,
    /// Its name as the server verified it (PTR and back); `None` when unknown.
    pub ptr_name: Option<String>,
    /// Whoever asks did not say who is connected: some machine without address, and no program on the server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untold: bool,
}

/// Encryption of the peer's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// `TLSv1.3`
    pub version: String,
    /// `TLS_AES_256_GCM_SHA384`
    pub cipher: String,
}

/// Which way a message goes, seen from this site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From a stranger.
    Inbound,
    /// From one of ours to at least one recipient elsewhere.
    Outbound,
    /// From one of ours to ours only.
    Internal,
}

impl Direction {
    /// As written in policy and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Internal => "internal",
        }
    }
}

/// What is ours: the configuration's `[site]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Site {
    /// Domains whose mailboxes live here; their subdomains are not included unless listed.
    pub local_domains: Vec<Domain>,
    /// Networks that may send through the servers without logging in.
    pub trusted_networks: Vec<IpNet>,
    /// Domains the servers take mail for without holding the mailboxes (backup MX, relays).
    pub relay_domains: Vec<Domain>,
}

impl Site {
    /// Is the submitter one of ours: logged in, from a trusted network, or on the server itself?
    pub fn is_ours(&self, envelope: &Envelope) -> bool {
        if envelope.account.is_some() {
            return true;
        }
        match envelope.peer.ip {
            None => !envelope.peer.untold,
            Some(ip) => self.trusted_networks.iter().any(|net| net.contains(&ip)),
        }
    }

    /// Does mail for this address end here? An address without a domain does.
    pub fn is_local(&self, address: &Address) -> bool {
        match address.domain() {
            Some(domain) => self.local_domains.contains(&domain),
            None => !address.as_str().contains('@'),
        }
    }

    /// Would taking mail for this address from a stranger be relaying? Unknown (false) while no
    /// local domain is configured: then every recipient is the server's own business.
    pub fn is_foreign(&self, address: &Address) -> bool {
        if self.local_domains.is_empty() || self.is_local(address) {
            return false;
        }
        match address.domain() {
            Some(domain) => !self.relay_domains.contains(&domain),
            None => true,
        }
    }

    /// Which way this envelope goes.
    pub fn direction(&self, envelope: &Envelope) -> Direction {
        if !self.is_ours(envelope) {
            Direction::Inbound
        } else if envelope.recipients.iter().all(|to| self.is_local(to)) {
            Direction::Internal
        } else {
            Direction::Outbound
        }
    }
}
