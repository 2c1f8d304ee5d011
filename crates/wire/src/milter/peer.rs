//! The client of a mail server, as CONNECT announces it.

use std::net::IpAddr;

use super::command::Family;
use super::message::Cutter;
use super::misbehaviour::PeerMisbehaved;

/// Who is connected to the mail server.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) host: String,
    pub(super) family: Family,
    pub(super) ip: Option<IpAddr>,
    pub(super) port: Option<u16>,
}

impl Peer {
    /// An address of an internet family must be readable: a peer without one counts as a program on the
    /// server itself, and is trusted.
    pub(super) fn read(
        host: &[u8],
        family: Family,
        port: u16,
        address: &[u8],
        cutter: &mut Cutter,
    ) -> Result<Self, PeerMisbehaved> {
        let ip = match family {
            Family::Ipv4 | Family::Ipv6 => Some(read_ip(address)?),
            Family::Unix | Family::Unknown => None,
        };
        Ok(Self {
            host: cutter.text(host),
            family,
            ip,
            port: ip.is_some().then_some(port),
        })
    }

    /// Its name, where the server found one that leads back to it. `in_words` is the macro `_`.
    pub(super) fn verified_name(&self, in_words: Option<&str>) -> Option<String> {
        let host = &self.host;
        let in_words = in_words.unwrap_or_default();
        let unknown = host.is_empty()
            || host.starts_with('[')
            || host.eq_ignore_ascii_case("unknown")
            || in_words.starts_with("unknown ")
            || in_words.starts_with('[')
            || in_words.contains("may be forged");
        (!unknown).then(|| host.clone())
    }
}

/// `192.0.2.1`, `2001:db8::1`, `IPv6:2001:db8::1` (Sendmail), each with or without brackets; a zone
/// (`fe80::1%eth0`) is dropped, IPv4 in IPv6 becomes IPv4, so that lists need one form only.
fn read_ip(address: &[u8]) -> Result<IpAddr, PeerMisbehaved> {
    let text = String::from_utf8_lossy(address);
    let bare = text.strip_prefix('[').unwrap_or(&text);
    let bare = bare.strip_suffix(']').unwrap_or(bare);
    let bare = match bare.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => &bare[5..],
        _ => bare,
    };
    let bare = bare.split('%').next().unwrap_or_default();
    match bare.parse::<IpAddr>() {
        Ok(ip) => Ok(ip.to_canonical()),
        Err(_) => Err(PeerMisbehaved::BadPeerAddress {
            text: text.chars().take(60).collect(),
        }),
    }
}
