//! Links of a message: found in text as mail programs make them clickable, and in pages; as written, and cleaned of tricks.

mod forms;

use std::sync::LazyLock;

use forms::{forms, unescaped};
use regex::bytes::Regex;

use super::html::Page;
use crate::limits::LINKS_MAX;
use crate::pattern::Pattern;

/// Where it was found, in which forms it leads there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uri {
    pub raw: String,
    /// As written and cleaned.
    pub forms: Vec<String>,
    /// Elements it stands in; `parsed` when it stands in text.
    pub elements: Vec<String>,
    /// Texts that lead there.
    pub shown: Vec<String>,
}

#[allow(clippy::expect_used, reason = "constants, compiled by the tests")]
static IN_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    let end = r#"><"`}\]\{\[|\s\x1b\xa0"#;
    let mail_end = format!(r"{end},('\x80-\xff");
    regex::bytes::RegexBuilder::new(&format!(
        r"\b(?:((?:(?:https?|ftp)://|(?:www\d{{0,2}}|ftp)\.)[^{end}]{{1,2048}})|(mailto:[^{mail_end}]{{1,2048}}|[^{mail_end}@]{{1,251}}@[^{mail_end}]{{1,251}})|([a-z\d][a-z\d._-]{{0,251}}\.[a-z][a-z\d-]{{1,30}}\.?(?::\d{{1,5}})?(?:/[^{end}]{{1,2048}})?))"
    ))
    .unicode(false)
    .case_insensitive(true)
    .build()
    .expect("a constant")
});

/// All links: those in text lines, then those of pages.
pub(super) fn all(lines: &[Vec<u8>], pages: &[Page], redirectors: &[Pattern]) -> Vec<Uri> {
    let mut found: Vec<Uri> = Vec::new();
    let mut add = |raw: String, element: &str, shown: Vec<String>| {
        if let Some(known) = found.iter_mut().find(|known| known.raw == raw) {
            if !known.elements.iter().any(|known| known == element) {
                known.elements.push(element.to_owned());
            }
            known.shown.extend(shown);
        } else if found.len() < LINKS_MAX {
            found.push(Uri {
                forms: forms(&raw, redirectors),
                raw,
                elements: vec![element.to_owned()],
                shown,
            });
        }
    };
    let mut seen = std::collections::HashSet::new();
    for line in lines {
        in_line(line, &mut |raw| {
            if seen.insert(raw.clone())
                && let Some(address) = completed(&raw)
            {
                add(address, "parsed", Vec::new());
            }
        });
    }
    for page in pages {
        for link in &page.links {
            for element in &link.elements {
                let first = element == &link.elements[0];
                let shown = if first {
                    link.shown.clone()
                } else {
                    Vec::new()
                };
                add(link.address.clone(), element, shown);
            }
        }
    }
    found
}

/// What in a line looks like a link.
fn in_line(line: &[u8], found: &mut impl FnMut(String)) {
    let mut at = 0;
    while let Some(captures) = IN_TEXT.captures_at(line, at) {
        let Some(whole) = captures.get(0) else {
            return;
        };
        at = whole.end().max(whole.start() + 1);
        let bare = captures.get(3);
        if let Some(bare) = bare {
            let before = line[..bare.start()].last();
            let starts = before.is_none_or(|byte| {
                byte.is_ascii_whitespace()
                    || b"!\"#$&'()*+,/:;<=>?@[\\]^`{|}~\x1b\xa0".contains(byte)
            });
            let after = line.get(bare.end());
            let ends = after.is_none_or(|byte| {
                byte.is_ascii_whitespace() || b"><\"`}]{[|\x1b\xa0".contains(byte)
            });
            if !starts || !ends {
                continue;
            }
        }
        let text = String::from_utf8_lossy(whole.as_bytes()).into_owned();
        let cut = match text.find(')') {
            Some(close) if !text[..close].contains('(') => &text[..close],
            _ => &text,
        };
        let cut = cut.trim_end_matches(|c: char| "-~!@#^&*()_+=:;'?,.".contains(c));
        let is_mail = captures.get(2).is_some();
        let lower = cut.to_ascii_lowercase();
        let empty = cut.is_empty()
            || cut.ends_with("://")
            || lower.starts_with("cid:")
            || lower.starts_with("mid:");
        if empty || is_mail && !cut.contains('@') {
            continue;
        }
        if bare.is_some() {
            let host = cut.split(['/', ':']).next().unwrap_or_default();
            if !is_public(host) {
                continue;
            }
        }
        found(cut.to_owned());
    }
}

/// With the scheme that a mail program would add; `None` when it would not make it a link.
fn completed(raw: &str) -> Option<String> {
    let lower = raw.to_ascii_lowercase();
    let mut address = raw.to_owned();
    if !["http:", "https:", "ftp:", "mailto:"]
        .iter()
        .any(|scheme| lower.starts_with(scheme))
    {
        if lower.starts_with("ftp.") {
            address = format!("ftp://{raw}");
        } else if lower.starts_with("www")
            && lower[3..]
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .starts_with('.')
        {
            address = format!("http://{raw}");
        } else if let Some(at) = raw.find('@') {
            if raw[..at].contains('/') {
                address = format!("http://{raw}");
            } else {
                let host = &raw[at + 1..];
                if !host.get(1..).is_some_and(|rest| rest.contains('.')) || raw.contains("&nbsp;") {
                    return None;
                }
                address = format!("mailto:{}", raw.trim_start_matches(':'));
            }
        } else if raw.contains('.') {
            address = format!("http://{raw}");
        } else {
            return None;
        }
    }
    if address.to_ascii_lowercase().starts_with("mailto:") {
        if address.contains('%') {
            address = unescaped(&address);
        }
        let host = address.split_once('@')?.1;
        let host = host.split(['?', '&', '>']).next().unwrap_or_default();
        return is_public(host.trim_end_matches("%20")).then_some(address);
    }
    Some(address)
}

/// Does a name end in what the world registers under?
pub(crate) fn is_public(host: &str) -> bool {
    let lower = host.trim_end_matches('.').to_ascii_lowercase();
    let labels_fit = lower
        .split('.')
        .all(|label| !label.is_empty() && label.len() <= 63);
    labels_fit && psl::domain(lower.as_bytes()).is_some_and(|domain| domain.suffix().is_known())
}

/// The domain somebody registered.
pub(crate) fn registered(host: &str) -> String {
    let lower = host.trim_end_matches('.').to_ascii_lowercase();
    let domain = psl::domain_str(&lower).map(str::to_owned);
    domain.unwrap_or(lower)
}

/// The host of a link.
pub(crate) fn host(address: &str) -> Option<&str> {
    let lower = address.get(..8).unwrap_or(address).to_ascii_lowercase();
    let rest = if lower.starts_with("http://") {
        &address[7..]
    } else if lower.starts_with("https://") {
        &address[8..]
    } else {
        return None;
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        all(&[text.as_bytes().to_vec()], &[], &[])
            .into_iter()
            .map(|uri| uri.raw)
            .collect()
    }

    #[test]
    fn links_are_found_in_text() {
        for (text, links) in [
            (
                "see http://a.example.com/x?y=1, or www.b.com.",
                &["http://a.example.com/x?y=1", "http://www.b.com"][..],
            ),
            (
                "(http://a.com/) <https://b.com/c_(d)>",
                &["http://a.com/", "https://b.com/c_(d"],
            ),
            (
                "mail ann@a.com or mailto:bob@b.org",
                &["mailto:ann@a.com", "mailto:bob@b.org"],
            ),
            (
                "shop.example.org/sale and file.txt",
                &["http://shop.example.org/sale"],
            ),
            ("no links here: a.b, v1.2, x@y", &[]),
        ] {
            assert_eq!(found(text), links, "{text}");
        }
    }
}
