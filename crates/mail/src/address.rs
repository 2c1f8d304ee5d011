//! Mail addresses and domains as they come over the wire: kept as given, compared in one way.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An address as the peer gave it, without angle brackets. Never fails to exist: broken input is the
/// normal case, so validity is asked ([`Address::domain`]), not assumed. The null sender `<>` is no
/// address; it is `None` where an envelope is concerned.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// From what stands in `MAIL FROM` or `RCPT TO`, with or without angle brackets, cut to
    /// `bytes_max` at a character border. `None` for the empty path `<>`.
    pub fn from_path(path: &str, bytes_max: usize) -> Option<Self> {
        let bare = path.trim();
        let bare = bare.strip_prefix('<').unwrap_or(bare);
        let bare = bare.strip_suffix('>').unwrap_or(bare).trim();
        // A source route (RFC 5321 §4.1.2, obsolete): only the last mailbox counts.
        let bare = match (bare.starts_with('@'), bare.find(':')) {
            (true, Some(colon)) => &bare[colon + 1..],
            _ => bare,
        };
        let cut = floor_char_boundary(bare, bytes_max);
        (cut > 0).then(|| Self(bare[..cut].to_owned()))
    }

    /// From text known to be short, as written in tests and configuration.
    pub fn new(text: &str) -> Option<Self> {
        Self::from_path(text, 1024)
    }

    /// As given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Before the last `@`; the whole when there is none.
    pub fn local(&self) -> &str {
        self.0.rfind('@').map_or(&self.0, |at| &self.0[..at])
    }

    /// After the last `@`, when it is a domain.
    pub fn domain(&self) -> Option<Domain> {
        let at = self.0.rfind('@')?;
        Domain::parse(&self.0[at + 1..]).ok()
    }

    /// The one form addresses are compared, counted and listed in: lower case, domain in A-labels.
    /// RFC 5321 leaves the local part's case to its owner; no server in use tells them apart.
    pub fn key(&self) -> String {
        match self.domain() {
            Some(domain) => format!("{}@{domain}", self.local().to_lowercase()),
            None => self.0.to_lowercase(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

/// A domain name: at least one label, lower case, internationalised labels as A-labels (RFC 5891).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Domain(String);

/// Why a text is no domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a domain name: {why}")]
pub struct NotADomain {
    text: String,
    why: &'static str,
}

impl Domain {
    /// Reads a domain; a final dot is dropped.
    pub fn parse(text: &str) -> Result<Self, NotADomain> {
        let not = |why| NotADomain {
            text: text.chars().take(80).collect(),
            why,
        };
        let bare = text.strip_suffix('.').unwrap_or(text);
        if bare.is_empty() {
            return Err(not("it is empty"));
        }
        if bare.len() > 1000 {
            return Err(not("it is longer than 253 characters"));
        }
        let ascii = if bare.is_ascii() {
            bare.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(bare).map_err(|_| not("its international form is invalid"))?
        };
        if ascii.len() > 253 {
            return Err(not("it is longer than 253 characters"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        for label in ascii.split('.') {
            if label.is_empty() || label.len() > 63 {
                return Err(not("each label has 1 to 63 characters"));
            }
            if !label.bytes().all(plain) {
                return Err(not("labels hold letters, digits, '-' and '_'"));
            }
        }
        Ok(Self(ascii))
    }

    /// Lower case, A-labels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is this `parent`, or below it?
    pub fn is_within(&self, parent: &Self) -> bool {
        self.0
            .strip_suffix(&parent.0)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Its labels, leftmost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// The domain without its leftmost label; `None` for a top-level domain.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_once('.')?;
        Some(Self(rest.to_owned()))
    }

    /// The domain somebody registered, by the public suffix list: one label more than its public suffix.
    pub fn registered(&self) -> Self {
        Self(psl::domain_str(&self.0).unwrap_or(&self.0).to_owned())
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

impl TryFrom<String> for Domain {
    type Error = NotADomain;
    fn try_from(text: String) -> Result<Self, NotADomain> {
        Self::parse(&text)
    }
}

/// The largest index `<= at` that is a character border of `text`.
pub fn floor_char_boundary(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    (0..=at)
        .rev()
        .find(|index| text.is_char_boundary(*index))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_servers_send_them() {
        let read = |path: &str| Address::new(path).map(|a| a.key());
        assert_eq!(
            read("<Ann@Example.ORG>").as_deref(),
            Some("ann@example.org")
        );
        assert_eq!(read("ann@example.org").as_deref(), Some("ann@example.org"));
        assert_eq!(read("<>"), None);
        assert_eq!(
            read("<@relay.example:ann@example.org>").as_deref(),
            Some("ann@example.org")
        );
        assert_eq!(read("<postmaster>").as_deref(), Some("postmaster"));
        assert_eq!(
            read("<\"a@b\"@example.org>").as_deref(),
            Some("\"a@b\"@example.org")
        );
        assert_eq!(
            read("<王@例子.中国>").as_deref(),
            Some("王@xn--fsqu00a.xn--fiqs8s")
        );
    }

    #[test]
    fn domains_and_their_parents() {
        let domain = |text| Domain::parse(text).expect("a domain");
        assert!(domain("mail.example.org.").is_within(&domain("EXAMPLE.org")));
        assert!(!domain("badexample.org").is_within(&domain("example.org")));
        assert!(Domain::parse("a..b").is_err());
        assert!(Domain::parse("[192.0.2.1]").is_err());
        assert!(Domain::parse("").is_err());
        let parents: Vec<_> = std::iter::successors(Some(domain("a.b.org")), Domain::parent)
            .map(String::from)
            .collect();
        assert_eq!(parents, ["a.b.org", "b.org", "org"]);
        assert_eq!(
            domain("mail.example.co.uk").registered().as_str(),
            "example.co.uk"
        );
        assert_eq!(domain("co.uk").registered().as_str(), "co.uk");
    }

    #[test]
    fn a_cut_address_stays_text() {
        let long = format!("<{}@example.org>", "é".repeat(1000));
        let address = Address::from_path(&long, 11).expect("not empty");
        assert_eq!(address.as_str().len(), 10);
    }
}
