//! How a session to another server went: was our mail encrypted on its way (RFC 8460)?

use std::net::IpAddr;

use crate::Domain;

/// One session to another server, at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Domain of the recipient.
    pub domain: Domain,
    /// The server's name, lower case.
    pub host: String,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// How it went.
    pub outcome: Outcome,
}

/// How a session went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Encrypted as the sending server wants.
    Encrypted,
    /// Not, and why.
    Failed {
        /// What was in the way.
        problem: Problem,
        /// In the server's own words; empty when there were none.
        said: String,
    },
}

/// What was in the way of encryption (RFC 8460 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Problem {
    /// The server does not offer it.
    NotOffered,
    /// Nobody who is trusted here vouches for the certificate.
    NotTrusted,
    /// The certificate has expired.
    Expired,
    /// The certificate is for another name.
    OtherName,
    /// The two could not agree.
    Handshake,
}
