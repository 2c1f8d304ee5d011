//! What one rule tests.

use super::{Reason, split};
use crate::limits::ARGUMENTS_MAX;
use crate::meta::Expression;
use crate::view::header::Selector;

/// Where a call belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Header,
    Body,
    RawBody,
    Full,
    Uri,
}

impl Kind {
    const fn key(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Body => "body",
            Self::RawBody => "rawbody",
            Self::Full => "full",
            Self::Uri => "uri",
        }
    }
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub function: String,
    pub arguments: Vec<String>,
}

/// What a detail of a link is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DetailTarget {
    Raw,
    Type,
    Cleaned,
    Text,
    Domain,
    Host,
}

/// One condition on a link.
#[derive(Clone, Debug)]
pub(crate) struct Detail {
    pub target: DetailTarget,
    pub negated: bool,
    pub pattern: String,
}

/// What a rule tests. Patterns are as written, with their delimiters.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Header {
        written: String,
        selector: Selector,
        negated: bool,
        /// None: it asks whether there is one.
        pattern: Option<String>,
        unset: Option<String>,
    },
    MimeHeader {
        name: String,
        raw: bool,
        negated: bool,
        pattern: String,
        unset: String,
    },
    Pattern(Kind, String),
    UriDetail(Vec<Detail>),
    Meta(String, Expression),
    Call(Kind, Call),
}

impl Test {
    pub(super) fn read(key: &str, text: &str) -> Result<Self, Reason> {
        let kind = match key {
            "header" => Kind::Header,
            "body" => Kind::Body,
            "rawbody" => Kind::RawBody,
            "full" => Kind::Full,
            "uri" => Kind::Uri,
            "mimeheader" => return mime_header(text),
            "uri_detail" => return uri_detail(text),
            _ => {
                let expression = Expression::read(text).map_err(Reason::Malformed)?;
                return Ok(Self::Meta(text.to_owned(), expression));
            }
        };
        if let Some(call) = text.strip_prefix("eval:") {
            return Ok(Self::Call(kind, read_call(call.trim())?));
        }
        if text.starts_with("rbleval:") {
            return Err(Reason::Network);
        }
        if text.is_empty() {
            return Err(Reason::Malformed(
                "expected a pattern behind the rule's name".into(),
            ));
        }
        match kind {
            Kind::Header => header(text),
            _ => Ok(Self::Pattern(kind, captures_refused(text)?)),
        }
    }

    /// The setting that defines such a rule.
    pub(super) const fn key(&self) -> &'static str {
        match self {
            Self::Header { .. } => "header",
            Self::MimeHeader { .. } => "mimeheader",
            Self::UriDetail(_) => "uri_detail",
            Self::Meta(..) => "meta",
            Self::Pattern(kind, _) | Self::Call(kind, _) => kind.key(),
        }
    }

    pub(super) const fn pattern_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Header { pattern, .. } => pattern.as_mut(),
            Self::Pattern(_, pattern) => Some(pattern),
            _ => None,
        }
    }

    /// As it stands behind the rule's name.
    pub(super) fn written(&self) -> String {
        let operator = |negated: bool| if negated { "!~" } else { "=~" };
        match self {
            Self::Header {
                written,
                pattern: None,
                ..
            } => format!("exists:{written}"),
            Self::Header {
                written,
                negated,
                pattern: Some(pattern),
                unset,
                ..
            } => {
                let unset = unset
                    .as_ref()
                    .map(|unset| format!(" [if-unset: {unset}]"))
                    .unwrap_or_default();
                format!("{written} {} {pattern}{unset}", operator(*negated))
            }
            Self::MimeHeader {
                name,
                raw,
                negated,
                pattern,
                unset,
            } => {
                let raw = if *raw { ":raw" } else { "" };
                let unset = if unset.is_empty() {
                    String::new()
                } else {
                    format!(" [if-unset: {unset}]")
                };
                format!("{name}{raw} {} {pattern}{unset}", operator(*negated))
            }
            Self::Pattern(_, text) | Self::Meta(text, _) => text.clone(),
            Self::UriDetail(details) => {
                let details: Vec<String> = details
                    .iter()
                    .map(|detail| {
                        format!(
                            "{} {} {}",
                            detail.target.word(),
                            operator(detail.negated),
                            detail.pattern
                        )
                    })
                    .collect();
                details.join(" ")
            }
            Self::Call(_, call) => format!("eval:{}", call.written()),
        }
    }
}

impl Call {
    /// `function('a', 'b')`
    pub(crate) fn written(&self) -> String {
        let quoted = |argument: &String| {
            let quote = if argument.contains('\'') { '"' } else { '\'' };
            format!("{quote}{argument}{quote}")
        };
        let arguments: Vec<String> = self.arguments.iter().map(quoted).collect();
        format!("{}({})", self.function, arguments.join(", "))
    }
}

impl DetailTarget {
    const ALL: [Self; 6] = [
        Self::Raw,
        Self::Type,
        Self::Cleaned,
        Self::Text,
        Self::Domain,
        Self::Host,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Type => "type",
            Self::Cleaned => "cleaned",
            Self::Text => "text",
            Self::Domain => "domain",
            Self::Host => "host",
        }
    }
}

/// A pattern that holds what another rule found is none by itself.
fn captures_refused(text: &str) -> Result<String, Reason> {
    if let Some(place) = text.find("%{")
        && text[place + 2..].starts_with(|c: char| c.is_ascii_uppercase())
        && !text[..place].ends_with('\\')
    {
        return Err(Reason::Pattern(
            "what one rule found has no place in another's pattern".into(),
        ));
    }
    Ok(text.to_owned())
}

/// `Name =~ /pattern/ [if-unset: text]`, split at the operator.
fn compared(text: &str) -> Option<(&str, bool, &str, Option<&str>)> {
    let place = text.find(['=', '!'])?;
    let negated = match text.get(place..place + 2)? {
        "=~" => false,
        "!~" => true,
        _ => return None,
    };
    let mut pattern = text[place + 2..].trim();
    let mut unset = None;
    if let Some(open) = pattern.rfind("[if-unset:")
        && pattern.ends_with(']')
        && pattern[..open].ends_with(char::is_whitespace)
    {
        unset = Some(pattern[open + 10..pattern.len() - 1].trim_start());
        pattern = pattern[..open].trim_end();
    }
    (!pattern.is_empty()).then(|| {
        (
            text[..place].trim_end().trim_end_matches(':'),
            negated,
            pattern,
            unset,
        )
    })
}

fn header(text: &str) -> Result<Test, Reason> {
    if let Some(name) = text.strip_prefix("exists:") {
        let written = name.trim().trim_end_matches(':').to_owned();
        let selector = Selector::read(&written).map_err(Reason::Malformed)?;
        return Ok(Test::Header {
            written,
            selector,
            negated: false,
            pattern: None,
            unset: None,
        });
    }
    let (name, negated, pattern, unset) = compared(text).ok_or_else(|| {
        Reason::Malformed(
            "expected Field =~ /pattern/, Field !~ /pattern/, exists:Field or eval:function()"
                .into(),
        )
    })?;
    Ok(Test::Header {
        written: name.to_owned(),
        selector: Selector::read(name).map_err(Reason::Malformed)?,
        negated,
        pattern: Some(captures_refused(pattern)?),
        unset: unset.map(str::to_owned),
    })
}

fn mime_header(text: &str) -> Result<Test, Reason> {
    let (name, negated, pattern, unset) = compared(text).ok_or_else(|| {
        Reason::Malformed("expected Field =~ /pattern/ or Field !~ /pattern/".into())
    })?;
    let (name, raw) = name
        .strip_suffix(":raw")
        .map_or((name, false), |name| (name, true));
    Ok(Test::MimeHeader {
        name: name.to_owned(),
        raw,
        negated,
        pattern: captures_refused(pattern)?,
        unset: unset.unwrap_or_default().to_owned(),
    })
}

fn uri_detail(text: &str) -> Result<Test, Reason> {
    let right = || {
        Reason::Malformed(
            "expected raw, type, cleaned, text, domain or host, then =~ or !~, then /pattern/"
                .into(),
        )
    };
    let mut details = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let place = rest.find(['=', '!']).ok_or_else(right)?;
        let word = rest[..place].trim();
        let target = DetailTarget::ALL
            .into_iter()
            .find(|target| target.word() == word)
            .ok_or_else(right)?;
        let negated = match rest.get(place..place + 2) {
            Some("=~") => false,
            Some("!~") => true,
            _ => return Err(right()),
        };
        let behind = rest[place + 2..].trim_start();
        let start = usize::from(behind.starts_with('m'));
        let mark = behind[start..].chars().next().ok_or_else(right)?;
        let close = match mark {
            '{' => '}',
            '(' => ')',
            '<' => '>',
            '[' => ']',
            mark => mark,
        };
        let inner = &behind[start + mark.len_utf8()..];
        let mut escaped = false;
        let end = inner
            .char_indices()
            .find(|(_, c)| {
                let ends = *c == close && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            })
            .map(|(place, _)| start + mark.len_utf8() + place + close.len_utf8())
            .ok_or_else(right)?;
        let flags = behind[end..]
            .find(char::is_whitespace)
            .map_or(behind.len(), |place| end + place);
        details.push(Detail {
            target,
            negated,
            pattern: captures_refused(&behind[..flags])?,
        });
        rest = behind[flags..].trim_start();
    }
    if details.is_empty() {
        return Err(right());
    }
    Ok(Test::UriDetail(details))
}

/// `function('a', "b", 3)`.
fn read_call(text: &str) -> Result<Call, Reason> {
    let right = || Reason::Malformed("expected function('argument', …)".into());
    let open = text.find('(').ok_or_else(right)?;
    let inner = text[open + 1..].strip_suffix(')').ok_or_else(right)?;
    let function = text[..open].trim();
    if function.is_empty()
        || !function
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return Err(right());
    }
    let mut arguments = Vec::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| *c == '\'' || *c == '"');
        let (argument, behind) = match quote {
            Some(quote) => {
                let end = rest[1..].find(quote).ok_or_else(right)? + 1;
                (&rest[1..end], &rest[end + 1..])
            }
            None => {
                let (word, _) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                let good = word
                    .trim()
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".:-".contains(&byte));
                if !good || split(word.trim()).0 != word.trim() {
                    return Err(right());
                }
                (word.trim(), &rest[word.len()..])
            }
        };
        arguments.push(argument.to_owned());
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if behind.is_empty() => behind,
            None => return Err(right()),
        };
        if arguments.len() > ARGUMENTS_MAX {
            return Err(right());
        }
    }
    Ok(Call {
        function: function.to_owned(),
        arguments,
    })
}
