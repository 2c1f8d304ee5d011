//! Macros in SPF records (RFC 7208 §7): `%{ir}.%{v}._spf.%{d2}`.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::Sending;

/// Text with macros, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DomainSpec(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Macro(Macro),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Macro {
    letter: char,
    escaped: bool,
    keep: Option<usize>,
    reversed: bool,
    delimiters: String,
}

/// What macros stand for.
pub(super) struct Values<'v> {
    pub sending: &'v Sending<'v>,
    /// The domain under evaluation.
    pub domain: &'v str,
    /// A name of the peer that points back to it.
    pub validated: Option<String>,
}

/// Longest name (RFC 7208 §7.3).
const NAME_BYTES_MAX: usize = 253;

/// Longest text an explanation may become.
const TEXT_BYTES_MAX: usize = 4096;

const DELIMITERS: &str = ".-+,/_=";

impl DomainSpec {
    /// `domain-spec = macro-string domain-end`
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let spec = Self::read_with(text, "slodiphv")?;
        let ends_well = match spec.0.last() {
            None => false,
            Some(Piece::Macro(_)) => true,
            Some(Piece::Literal(literal)) => ends_in_top_label(literal),
        };
        ends_well.then_some(spec).ok_or("does not end in a domain")
    }

    /// `explain-string = *( macro-string / SP )`
    pub(super) fn read_explanation(text: &str) -> Result<Self, &'static str> {
        Self::read_with(text, "slodiphvcrt")
    }

    fn read_with(text: &str, letters: &str) -> Result<Self, &'static str> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c != '%' {
                if c.is_ascii_control() || !c.is_ascii() {
                    return Err("holds a character that may not stand there");
                }
                literal.push(c);
                rest = &rest[1..];
                continue;
            }
            match rest.as_bytes().get(1) {
                Some(b'%') => literal.push('%'),
                Some(b'_') => literal.push(' '),
                Some(b'-') => literal.push_str("%20"),
                Some(b'{') => {
                    let (inside, after) = rest[2..]
                        .split_once('}')
                        .ok_or("has a macro without its end")?;
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(Piece::Macro(Macro::read(inside, letters)?));
                    rest = after;
                    continue;
                }
                _ => return Err("has a '%' that is no macro"),
            }
            rest = &rest[2..];
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// Where in `":" domain-spec [ dual-cidr ]` the prefix lengths begin: a `/` inside a macro is a delimiter, one outside
    /// that digits follow to the end is not.
    pub(super) fn end_before_cidr(text: &str) -> usize {
        let tail = text.trim_end_matches(|c: char| c.is_ascii_digit() || c == '/');
        text[tail.len()..]
            .find('/')
            .map_or(text.len(), |slash| tail.len() + slash)
    }

    /// Does it hold `%{p}`, which takes DNS to find?
    pub(super) fn needs_validated_name(&self) -> bool {
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::Macro(one) if one.letter == 'p'))
    }

    /// Expands to a name; what is too long loses labels from its left (RFC 7208 §7.3).
    pub(super) fn expand_name(&self, values: &Values<'_>) -> String {
        let expanded = self.expand_text(values);
        let mut name = expanded.strip_suffix('.').unwrap_or(&expanded);
        while name.len() > NAME_BYTES_MAX {
            let Some((_, shorter)) = name.split_once('.') else {
                break;
            };
            name = shorter;
        }
        name.to_owned()
    }

    /// Expands to text.
    pub(super) fn expand_text(&self, values: &Values<'_>) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => out.push_str(literal),
                Piece::Macro(one) => one.expand(values, &mut out),
            }
            if out.len() > TEXT_BYTES_MAX {
                break;
            }
        }
        out
    }
}

/// `toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum )`, after a dot, with or
/// without a dot at the end.
fn ends_in_top_label(literal: &str) -> bool {
    let bare = literal.strip_suffix('.').unwrap_or(literal);
    let Some((_, label)) = bare.rsplit_once('.') else {
        return false;
    };
    !label.is_empty()
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.bytes().all(|byte| byte.is_ascii_digit())
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl Macro {
    /// `macro-letter transformers *delimiter`
    fn read(inside: &str, letters: &str) -> Result<Self, &'static str> {
        let letter = inside.chars().next().ok_or("has an empty macro")?;
        if !letters.contains(letter.to_ascii_lowercase()) {
            return Err("has an unknown macro");
        }
        let rest = &inside[letter.len_utf8()..];
        let digits_end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, rest) = rest.split_at(digits_end);
        let keep = match digits {
            "" => None,
            digits => Some(digits.parse().unwrap_or(usize::MAX)),
        };
        if keep == Some(0) {
            return Err("has a macro that keeps nothing");
        }
        let (reversed, delimiters) = match rest.strip_prefix(['r', 'R']) {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if !delimiters.chars().all(|c| DELIMITERS.contains(c)) {
            return Err("has a malformed macro");
        }
        Ok(Self {
            letter: letter.to_ascii_lowercase(),
            escaped: letter.is_ascii_uppercase(),
            keep,
            reversed,
            delimiters: if delimiters.is_empty() {
                ".".to_owned()
            } else {
                delimiters.to_owned()
            },
        })
    }

    fn expand(&self, values: &Values<'_>, out: &mut String) {
        let value = self.value(values);
        let mut parts: Vec<&str> = value.split(|c| self.delimiters.contains(c)).collect();
        if self.reversed {
            parts.reverse();
        }
        let from = self.keep.map_or(0, |keep| parts.len().saturating_sub(keep));
        let joined = parts[from..].join(".");
        if self.escaped {
            escape(&joined, out);
        } else {
            out.push_str(&joined);
        }
    }

    /// RFC 7208 §7.2.
    fn value(&self, values: &Values<'_>) -> String {
        let sending = values.sending;
        match self.letter {
            's' => format!("{}@{}", sending.local, sending.domain),
            'l' => sending.local.to_owned(),
            'o' => sending.domain.to_owned(),
            'd' => values.domain.to_owned(),
            'i' => dotted(sending.ip),
            'p' => values
                .validated
                .clone()
                .unwrap_or_else(|| "unknown".to_owned()),
            'v' => if sending.ip.is_ipv4() {
                "in-addr"
            } else {
                "ip6"
            }
            .to_owned(),
            'h' => sending.helo_name.to_owned(),
            'c' => sending.ip.to_string(),
            'r' => sending.receiver.to_owned(),
            _ => sending.now.secs().to_string(),
        }
    }
}

/// `192.0.2.1`, or the 32 digits of an IPv6 address with dots between.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let digits = format!("{:032X}", u128::from(ip));
            digits
                .chars()
                .map(String::from)
                .collect::<Vec<_>>()
                .join(".")
        }
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986 §2.3.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte as char);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::Timestamp;

    fn check(spec: &str, ip: &str, expected: &str) {
        let sending = Sending {
            ip: ip.parse().expect("an address"),
            helo_name: "mail.example.net",
            local: "strong-bad",
            domain: "email.example.com",
            receiver: "mx.example.org",
            now: Timestamp::from_secs(7),
        };
        let values = Values {
            sending: &sending,
            domain: "email.example.com",
            validated: None,
        };
        let read = DomainSpec::read_explanation(spec).expect("a spec");
        assert_eq!(read.expand_name(&values), expected, "{spec}");
    }

    /// RFC 7208 §7.4.
    #[test]
    fn the_examples_of_the_rfc() {
        check("%{s}", "192.0.2.3", "strong-bad@email.example.com");
        check("%{o}", "192.0.2.3", "email.example.com");
        check("%{d4}", "192.0.2.3", "email.example.com");
        check("%{d1}", "192.0.2.3", "com");
        check("%{dr}", "192.0.2.3", "com.example.email");
        check("%{d2r}", "192.0.2.3", "example.email");
        check("%{l-}", "192.0.2.3", "strong.bad");
        check("%{lr-}", "192.0.2.3", "bad.strong");
        check("%{l1r-}", "192.0.2.3", "strong");
        check(
            "%{ir}.%{v}._spf.%{d2}",
            "192.0.2.3",
            "3.2.0.192.in-addr._spf.example.com",
        );
        check(
            "%{lr-}.lp._spf.%{d2}",
            "192.0.2.3",
            "bad.strong.lp._spf.example.com",
        );
        check(
            "%{ir}.%{v}._spf.%{d2}",
            "2001:db8::cb01",
            "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com",
        );
        check(
            "%{S} %%%_%-",
            "192.0.2.3",
            "strong-bad%40email.example.com % %20",
        );
    }

    #[test]
    fn long_names_lose_labels_from_the_left() {
        let spec = format!("{}.example.org", ["x".repeat(60).as_str(); 5].join("."));
        let expected = format!("{}.example.org", ["x".repeat(60).as_str(); 3].join("."));
        check(&spec, "192.0.2.3", &expected);
    }

    #[test]
    fn what_ends_in_no_domain_is_refused() {
        for bad in [
            "", "museum", "a.123", "a.-b", "a.b-", "a.", "%{d", "%{d0}", "%{dx}", "%d", "%{c}.a.b",
        ] {
            assert!(DomainSpec::read(bad).is_err(), "{bad}");
        }
        for good in ["%{d}", "a.b.", "a.xn--p1ai", "a.b1"] {
            assert!(DomainSpec::read(good).is_ok(), "{good}");
        }
    }
}
