//! Where a mailbox is: `imaps://ann@mail.example.org/Junk` (RFC 5092, of which server, port, user and mailbox are taken).

use std::net::IpAddr;

/// A server, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS from the first byte (`imaps`), or begun by a command (`imap`).
    pub tls_at_once: bool,
}

/// A mailbox on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub server: Server,
    /// Whose; `None` when it is not said.
    pub user: Option<String>,
    /// The folder; `None` when it is not said.
    pub folder: Option<String>,
}

impl Server {
    /// Is it this machine? Then nobody listens to what is said without TLS.
    pub fn is_here(&self) -> bool {
        self.host == "localhost" || self.ip().is_some_and(|ip| ip.is_loopback())
    }

    /// Its address, where it has no name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls_at_once { "imaps" } else { "imap" };
        let brackets = self.ip().is_some_and(|ip| ip.is_ipv6());
        let (open, close) = if brackets { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

impl Place {
    /// Does this mean a mailbox on a server, rather than a file?
    pub fn is_one(text: &str) -> bool {
        text.starts_with("imap://") || text.starts_with("imaps://")
    }

    /// Reads one; what is wrong with it otherwise.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("does not begin with imaps:// or imap://")?;
        let (tls_at_once, usual) = match scheme {
            "imaps" => (true, 993),
            "imap" => (false, 143),
            _ => return Err("does not begin with imaps:// or imap://"),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(plain(user)?), place),
            None => (None, authority),
        };
        if user.as_ref().is_some_and(|user| user.contains(':')) {
            return Err(
                "has a password in it, which everybody on this machine can see; put it into a file",
            );
        }
        let (host, port) = host_and_port(place, usual)?;
        let folder = plain(path.trim_end_matches('/'))?;
        Ok(Self {
            server: Server {
                host,
                port,
                tls_at_once,
            },
            user: user.filter(|user| !user.is_empty()),
            folder: Some(folder).filter(|folder| !folder.is_empty()),
        })
    }
}

fn host_and_port(place: &str, usual: u16) -> Result<(String, u16), &'static str> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest
                .split_once(']')
                .ok_or("has a bracket that does not close")?;
            (host, port.strip_prefix(':'))
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    if host.is_empty() {
        return Err("names no server");
    }
    let port = match port {
        None => usual,
        Some(port) => port.parse().map_err(|_| "has a port that is no number")?,
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// Undoes `%41`.
fn plain(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let hex = rest.get(..2).and_then(|hex| str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.ok_or("has a % that two hexadecimal digits must follow")?);
        rest = &rest[2..];
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not in UTF-8")?;
    if text.chars().any(char::is_control) {
        return Err("has a control character in it");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_what_is_wrong_is_named() {
        let read = |text: &str| {
            Place::parse(text).map(|place| {
                let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                format!("{} {} {}", place.server, or(place.user), or(place.folder))
            })
        };
        for (text, read_as) in [
            (
                "imaps://ann@Mail.example.org/Junk",
                Ok("imaps://mail.example.org:993 ann Junk"),
            ),
            (
                "imaps://ann@b.example@mail.example.org:1993/a%20b/c/",
                Ok("imaps://mail.example.org:1993 ann@b.example a b/c"),
            ),
            (
                "imap://ann%40b.example@[::1]/%E5%9E%83",
                Ok("imap://[::1]:143 ann@b.example 垃"),
            ),
            ("imap://127.0.0.1:1143", Ok("imap://127.0.0.1:1143 - -")),
            (
                "imap://ann:pw@h/x",
                Err(
                    "has a password in it, which everybody on this machine can see; put it into a file",
                ),
            ),
            ("http://h/x", Err("does not begin with imaps:// or imap://")),
            ("imaps:///x", Err("names no server")),
            ("imaps://h:x/x", Err("has a port that is no number")),
            (
                "imaps://h/%4",
                Err("has a % that two hexadecimal digits must follow"),
            ),
            ("imaps://h/%0a", Err("has a control character in it")),
            ("imaps://h/%ff", Err("is not in UTF-8")),
            ("imaps://[::1/x", Err("has a bracket that does not close")),
        ] {
            assert_eq!(read(text), read_as.map(str::to_owned), "{text}");
        }
        let here = |text| Place::parse(text).expect("a place").server.is_here();
        assert!(here("imap://localhost") && here("imap://[::1]") && here("imap://127.9.9.9"));
        assert!(!here("imap://10.0.0.1") && !here("imap://localhost.example.org"));
    }
}
