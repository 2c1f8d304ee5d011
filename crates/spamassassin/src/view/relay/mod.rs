//! Who handed the message to whom: `Received` fields as rules see them (`X-Spam-Relays-External`).
//!
//! Mail servers write the field in many ways; this reads what a field says by what its parts look like, not by who wrote it, and knows the few that put things elsewhere.

mod field;

use std::net::IpAddr;

use field::{Read, read};

use super::header::Headers;

/// One handing over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relay {
    pub ip: String,
    /// Its name by reverse look-up, as noted.
    pub rdns: String,
    pub helo: String,
    pub by: String,
    pub ident: String,
    pub envfrom: Option<String>,
    pub id: String,
    /// How it proved who it is.
    pub auth: String,
    /// Looked up, and has no name.
    pub no_reverse_dns: bool,
    internal: bool,
}

impl Relay {
    pub(crate) fn is_private(&self) -> bool {
        is_private(&self.ip)
    }

    fn written(&self) -> String {
        format!(
            "[ ip={} rdns={} helo={} by={} ident={} envfrom={} intl={} id={} auth={} msa=0 ]",
            self.ip,
            self.rdns,
            self.helo,
            self.by,
            self.ident,
            self.envfrom.as_deref().unwrap_or_default(),
            u8::from(self.internal),
            self.id,
            self.auth,
        )
    }
}

/// The path of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relays {
    pub trusted: Vec<Relay>,
    pub untrusted: Vec<Relay>,
    /// Fields that say nothing one can read.
    pub unreadable: usize,
    /// `Received` fields down to the last trusted one.
    pub trusted_fields: usize,
}

impl Relays {
    /// Without configured networks, what comes from private addresses and what proved who it is are trusted, up to the first that is neither.
    pub(super) fn of(headers: &Headers) -> Self {
        let mut relays = Self::default();
        let mut trusting = true;
        let originating: Vec<String> = ["X-Yahoo-Post-IP", "X-Originating-IP", "X-SenderIP"]
            .iter()
            .filter_map(|name| headers.last(name))
            .filter_map(|value| first_ip(&value))
            .map(|ip| format!("from X-Originating-IP: {ip}"))
            .collect();
        let fields = headers
            .values("received")
            .map(str::to_owned)
            .chain(originating);
        for field in fields {
            match read(&field) {
                Read::Relay(mut relay) => {
                    let inferred = relay.is_private() || !relay.auth.is_empty();
                    trusting &= inferred;
                    relay.internal = trusting;
                    if trusting {
                        relays.trusted_fields += 1;
                        relays.trusted.push(*relay);
                    } else {
                        relays.untrusted.push(*relay);
                    }
                }
                Read::Nothing => relays.trusted_fields += usize::from(trusting),
                Read::Fetched => {
                    if trusting {
                        relays.trusted.clear();
                        relays.trusted_fields += 1;
                    }
                }
                Read::Unreadable => {
                    relays.unreadable += 1;
                    relays.trusted_fields += usize::from(trusting);
                }
            }
        }
        relays
    }

    /// As rules see them.
    pub(super) fn written(relays: &[Relay]) -> String {
        let written: Vec<String> = relays.iter().map(Relay::written).collect();
        written.join(" ")
    }
}

/// Addresses nobody has on the Internet.
pub(crate) fn is_private(ip: &str) -> bool {
    match ip.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, ..] = ip.octets();
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || a == 100 && (64..128).contains(&b)
        }
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local()
        }
        Err(_) => false,
    }
}

/// The first address of a machine in a text.
pub(crate) fn first_ip(text: &str) -> Option<String> {
    text.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'))
        .find_map(|word| ip_in(word.trim_matches(['.', ':'])))
}

fn ip_in(word: &str) -> Option<String> {
    let bare = word
        .get(..5)
        .filter(|start| start.eq_ignore_ascii_case("ipv6:"))
        .map_or(word, |_| &word[5..]);
    let ip: IpAddr = bare.split('%').next()?.parse().ok()?;
    Some(match ip {
        IpAddr::V6(v6) => v6
            .to_ipv4_mapped()
            .map_or_else(|| bare.to_owned(), |v4| v4.to_string()),
        IpAddr::V4(_) => bare.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_ends_at_the_first_stranger() {
        let mut headers = Headers::default();
        for field in [
            "from a (a.example [127.0.0.1]) by b.example (Postfix) with ESMTP id 123",
            "from c (c.example [192.0.2.1]) by a (Postfix) with ESMTP id 124",
            "from d (d.example [10.0.0.1]) by c (Postfix) with ESMTP id 125",
        ] {
            headers.add(format!("Received: {field}\n").as_bytes());
        }
        let relays = Relays::of(&headers);
        assert_eq!((relays.trusted.len(), relays.untrusted.len()), (1, 2));
        assert!(Relays::written(&relays.untrusted).starts_with("[ ip=192.0.2.1 rdns=c.example helo=c by=a ident= envfrom= intl=0 id=124 auth= msa=0 ] [ ip=10.0.0.1"));
    }
}
