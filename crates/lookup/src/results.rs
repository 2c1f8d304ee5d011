//! The field `Authentication-Results` (RFC 8601): written with what was found, and read for what others found.
//!
//! Readers behind us believe the field that carries our name, so one that came with our name in it must go before ours is
//! added: [`forged`] finds them.

use std::fmt::Write as _;

use mail::authentication::{
    ArcResult, Authentication, Claim, Scheme, Signature, SignatureProblem, Spf, SpfResult,
};
use mail::message::Fields;
use mail::{Envelope, Known, Limits};

use crate::cut;

/// The field's name.
pub const FIELD: &str = "Authentication-Results";

/// What a field says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// Who says it.
    pub authserv_id: String,
    /// What was found, by method.
    pub claims: Vec<Claim>,
}

// Writing.

/// The field's value, folded, without the line break at its end. It says nothing that would let others learn of the
/// site's inner names but `authserv_id`.
pub fn write(found: &Authentication, envelope: &Envelope, authserv_id: &str) -> String {
    let mut out = token(authserv_id);
    for line in lines(found, envelope) {
        // Writing to a string cannot fail.
        let _ = write!(out, ";\r\n\t{line}");
    }
    out
}

fn lines(found: &Authentication, envelope: &Envelope) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(spf) = &found.spf {
        let sender = envelope.envelope_from.as_ref().map(mail::Address::as_str);
        let property = match sender {
            Some(sender) => format!("smtp.mailfrom={}", token(sender)),
            None => format!(
                "smtp.helo={}",
                token(found.outbound.helo_name.as_deref().unwrap_or_default())
            ),
        };
        lines.push(format!(
            "{} {property}",
            result("spf", spf.result.as_str(), spf_reason(spf))
        ));
    }
    if let (Some(spf), Some(helo_name), Some(_)) = (
        &found.spf_helo,
        &found.outbound.helo_name,
        &envelope.envelope_from,
    ) {
        lines.push(format!(
            "{} smtp.helo={}",
            result("spf", spf.result.as_str(), spf_reason(spf)),
            token(helo_name)
        ));
    }
    lines.extend(found.signatures.iter().map(signature_line));
    if !found
        .signatures
        .iter()
        .any(|signature| signature.scheme == Scheme::Dkim)
    {
        lines.push("dkim=none".to_owned());
    }
    if found.arc.result != ArcResult::None {
        let sealer = found
            .arc
            .sealers
            .last()
            .and_then(|sealer| sealer.domain.as_ref());
        let sealer = sealer.map_or_else(String::new, |domain| format!(" header.d={domain}"));
        lines.push(format!(
            "{}{sealer}",
            result(
                "arc",
                found.arc.result.as_str(),
                found.arc.problem.as_deref()
            )
        ));
    }
    if let Some(alleged) = &found.alleged.domain {
        let policy = found
            .dmarc
            .policy
            .as_ref()
            .map_or_else(String::new, |policy| {
                format!(
                    " policy.published-domain-policy={} policy.applied-disposition={}",
                    policy.published, found.dmarc.asked
                )
            });
        let result = result(
            "dmarc",
            found.dmarc.result.as_str(),
            found.dmarc.problem.as_deref(),
        );
        lines.push(format!("{result} header.from={alleged}{policy}"));
    }
    lines.extend(iprev_line(found));
    lines
}

fn spf_reason(spf: &Spf) -> Option<&str> {
    match spf.result {
        SpfResult::TempError | SpfResult::PermError => spf.problem.as_deref(),
        _ => None,
    }
}

fn signature_line(signature: &Signature) -> String {
    let problem = signature.problem.map(SignatureProblem::as_str);
    let mut line = result(
        signature.scheme.as_str(),
        signature.result.as_str(),
        problem,
    );
    let mut add = |property: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let _ = write!(line, " {property}={}", token(value));
        }
    };
    add(
        "header.d",
        signature.domain.as_ref().map(mail::Domain::as_str),
    );
    add("header.s", signature.selector.as_deref());
    add("header.a", Some(&signature.algorithm));
    add("header.i", signature.identity.as_deref());
    line
}

/// RFC 8601 §2.7.3.
fn iprev_line(found: &Authentication) -> Option<String> {
    let ip = found.outbound.ip?;
    let word = match &found.outbound.ptr {
        Known::Yes(ptr) if ptr.confirmed => "pass",
        Known::Yes(_) => "fail",
        Known::Absent => "permerror",
        Known::Unavailable(_) => "temperror",
        Known::NotAsked => return None,
    };
    Some(format!(
        "iprev={word} policy.iprev={}",
        token(&ip.to_string())
    ))
}

fn result(method: &str, word: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{method}={word} reason={}", quoted(reason)),
        None => format!("{method}={word}"),
    }
}

/// A value as it may stand in the field: bare when it is a token or an address of plain characters, else quoted. What is
/// not printable ASCII becomes `?`: nothing of a stranger's breaks out of the field.
fn token(value: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'@' | b'+');
    if !value.is_empty() && value.len() <= 255 && value.bytes().all(plain) {
        return value.to_owned();
    }
    quoted(value)
}

fn quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars().take(255) {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out.push('"');
    out
}

// Reading.

/// Which fields of a message say that we wrote them: their numbers among the fields `Authentication-Results`, from 1,
/// top first, as mail servers count when a field is to be removed.
pub fn forged(raw: &[u8], authserv_id: &str, limits: &Limits) -> Vec<u32> {
    let fields = Fields::of(raw).filter(|field| field.name.eq_ignore_ascii_case(FIELD.as_bytes()));
    let numbered = (1..).zip(fields).take(limits.headers_max);
    numbered
        .filter(|(_, field)| bears(field.value, authserv_id))
        .map(|(number, _)| number)
        .collect()
}

/// Does a field's value bear this name, or none that can be read? A reader more generous than we are might find ours in it.
fn bears(value: &[u8], authserv_id: &str) -> bool {
    let text = String::from_utf8_lossy(value);
    let mut words = Words::of(&text);
    match words.next() {
        Some(Word::Text(name)) => {
            let bare = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
            bare(&name) == bare(authserv_id)
        }
        Some(Word::Mark(_)) | None => text
            .to_ascii_lowercase()
            .contains(&authserv_id.to_ascii_lowercase()),
    }
}

/// Reads a field's value. `None` when it does not start with a name.
pub fn read(value: &str, limits: &Limits) -> Option<Results> {
    let text = floor(value, limits.header_bytes_max);
    let mut words = Words::of(text).peekable();
    let Some(Word::Text(authserv_id)) = words.next() else {
        return None;
    };
    let words: Vec<Word> = words.collect();
    let claims = words
        .split(|word| *word == Word::Mark(';'))
        .skip(1)
        .filter_map(|words| claim(words, limits))
        .take(limits.authentication_items_max)
        .collect();
    Some(Results {
        authserv_id: cut(&authserv_id, limits.authentication_text_bytes_max),
        claims,
    })
}

fn floor(text: &str, bytes_max: usize) -> &str {
    &text[..mail::address::floor_char_boundary(text, bytes_max)]
}

/// `method [ "/" version ] "=" result [ "reason" "=" value ] *( ptype "." property "=" value )`
fn claim(words: &[Word], limits: &Limits) -> Option<Claim> {
    let mut pairs = Vec::new();
    let mut rest = words;
    while let Some(equals) = rest.iter().position(|word| *word == Word::Mark('=')) {
        // The name is what stands joined before the sign; the value is the one word after it.
        let name = rest[..equals].iter().filter_map(Word::text).next_back()?;
        let value = rest.get(equals + 1)?.text()?;
        pairs.push((
            cut(name, limits.authentication_text_bytes_max).to_ascii_lowercase(),
            cut(value, limits.authentication_text_bytes_max),
        ));
        rest = &rest[equals + 2..];
    }
    let (method, result) = (!pairs.is_empty()).then(|| pairs.remove(0))?;
    let method = method.split('/').next().unwrap_or_default().to_owned();
    pairs.truncate(limits.authentication_items_max);
    Some(Claim {
        method,
        result: result.to_ascii_lowercase(),
        properties: pairs,
    })
}

/// A piece of a structured field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Text(String),
    Mark(char),
}

impl Word {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Mark(_) => None,
        }
    }
}

/// Words of a structured field (RFC 5322 §3.2), comments left out.
struct Words<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
}

impl<'t> Words<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            rest: text.chars().peekable(),
        }
    }

    /// A comment, with comments and quoted pairs in it; its opening parenthesis is taken already.
    fn pass_comment(&mut self) {
        let mut depth = 1_u32;
        while depth > 0 {
            match self.rest.next() {
                Some('(') => depth += 1,
                Some(')') => depth -= 1,
                Some('\\') => {
                    self.rest.next();
                }
                Some(_) => {}
                None => return,
            }
        }
    }

    fn quoted(&mut self) -> String {
        let mut text = String::new();
        loop {
            match self.rest.next() {
                None | Some('"') => return text,
                Some('\\') => text.extend(self.rest.next()),
                Some(c) => text.push(c),
            }
        }
    }
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        loop {
            let c = self.rest.next()?;
            match c {
                '(' => self.pass_comment(),
                '"' => return Some(Word::Text(self.quoted())),
                ';' | '=' => return Some(Word::Mark(c)),
                c if c.is_whitespace() => {}
                c => {
                    let mut text = String::from(c);
                    while let Some(c) = self
                        .rest
                        .next_if(|c| !c.is_whitespace() && !matches!(c, '(' | '"' | ';' | '='))
                    {
                        text.push(c);
                    }
                    return Some(Word::Text(text));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(value: &str) -> Results {
        read(value, &Limits::default()).expect("results")
    }

    /// RFC 8601 §B.5 and §B.7, in their shapes.
    #[test]
    fn fields_of_others() {
        let read = read_all(
            " example.com (comment; (nested)) 1;\r\n sender-id=fail header.from=example.net;\r\n \
             dkim=pass (good \\) signature) reason=\"all; well\" header.d=example.com header.i=\"a b\"@example.com ; spf=pass smtp.mailfrom=a@b.c",
        );
        assert_eq!(read.authserv_id, "example.com");
        let methods: Vec<_> = read
            .claims
            .iter()
            .map(|claim| (claim.method.as_str(), claim.result.as_str()))
            .collect();
        assert_eq!(
            methods,
            [("sender-id", "fail"), ("dkim", "pass"), ("spf", "pass")]
        );
        let property = |name: &str| {
            read.claims[1]
                .properties
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(property("reason"), Some("all; well"));
        assert_eq!(property("header.d"), Some("example.com"));
        assert_eq!(read_all("example.org; none").claims, []);
        assert_eq!(read_all("example.org").claims, []);
        assert_eq!(super::read("; spf=pass", &Limits::default()), None);
    }

    #[test]
    fn who_pretends_to_be_us_is_found() {
        let raw = b"Authentication-Results: mx.example.org; spf=pass\r\n\
            authentication-results:\r\n (hello) \"MX.example.org\" 1; dkim=pass\r\n\
            Authentication-Results: other.example; spf=pass smtp.mailfrom=mx.example.org\r\n\
            X-Other: mx.example.org\r\n\
            Authentication-Results: ; mx.example.org; spf=pass\r\n\
            Authentication-Results: mx.example.org.; spf=pass\r\n\r\nbody";
        assert_eq!(
            forged(raw, "mx.example.org", &Limits::default()),
            [1, 2, 4, 5]
        );
    }

    #[test]
    fn nothing_of_a_stranger_breaks_out_of_the_field() {
        let mut envelope = Envelope::new(mail::Timestamp::default(), "milter");
        envelope.envelope_from = mail::Address::new("a\"b;\r\nspf=pass é@example.org");
        let mut found = Authentication::default();
        found.outbound.helo_name = Some("x) (y; dmarc=pass".to_owned());
        let spf = Spf::new(SpfResult::Fail);
        found.spf = Some(spf.clone());
        found.spf_helo = Some(spf);
        let value = write(&found, &envelope, "mx.example.org");
        let read = read_all(&value);
        let words: Vec<_> = read
            .claims
            .iter()
            .map(|claim| (claim.method.as_str(), claim.result.as_str()))
            .collect();
        assert_eq!(words, [("spf", "fail"), ("spf", "fail"), ("dkim", "none")]);
        assert!(value.is_ascii());
        assert_eq!(
            value.matches("\r\n").count(),
            value.matches("\r\n\t").count()
        );
    }
}
