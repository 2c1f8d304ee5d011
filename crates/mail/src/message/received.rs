//! One `Received` field (RFC 5321 §4.4), as the many kinds of software write it.

use std::net::IpAddr;

use super::{Hop, read};

/// Reads what can be read. Only the shape `from NAME (PTR [IP])` and its variants are trusted to name the sending
/// machine; everything is a claim of the receiving side anyway.
pub(super) fn hop(value: &str) -> Hop {
    let (path, date) = value.rsplit_once(';').unwrap_or((value, ""));
    let mut hop = Hop {
        at: read::date(date.trim().as_bytes()),
        ..Hop::default()
    };
    if let Some(from) = after_word(path, "from") {
        hop.helo_name = word(from);
        let comment = from
            .split_once('(')
            .map(|(_, rest)| rest.split_once(')').map_or(rest, |(inside, _)| inside));
        // Exchange writes the address bare.
        hop.ip = comment
            .and_then(|comment| bracketed(comment).or_else(|| comment.trim().parse().ok()))
            .or_else(|| bracketed(word(from).as_deref()?));
        hop.ptr_name = comment.and_then(ptr_name);
    }
    hop.by = after_word(path, "by").and_then(word);
    hop.with = after_word(path, "with").and_then(word);
    hop
}

/// What follows a word that stands alone, outside comments where possible.
fn after_word<'t>(text: &'t str, wanted: &str) -> Option<&'t str> {
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if c == ')' {
            depth = depth.saturating_sub(1);
        }
        if c.is_whitespace() || c == '(' || c == ')' {
            if depth == 0 && c.is_whitespace() && text[start..at].eq_ignore_ascii_case(wanted) {
                return Some(text[at..].trim_start());
            }
            start = at + c.len_utf8();
        }
        if c == '(' {
            depth += 1;
        }
    }
    None
}

fn word(text: &str) -> Option<String> {
    let word = text.split([' ', '\t', '(', ';']).next().unwrap_or_default();
    (!word.is_empty()).then(|| word.chars().take(255).collect())
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]`, `[192.0.2.1]:4711`
fn bracketed(text: &str) -> Option<IpAddr> {
    let (_, rest) = text.rsplit_once('[')?;
    let (inside, _) = rest.split_once(']')?;
    let bare = inside
        .get(..5)
        .filter(|start| start.eq_ignore_ascii_case("ipv6:"))
        .map_or(inside, |_| &inside[5..]);
    bare.parse().ok()
}

/// The name before the bracketed address, unless it says that there is none.
fn ptr_name(comment: &str) -> Option<String> {
    let (before, _) = comment.rsplit_once('[')?;
    let name = before
        .split_whitespace()
        .rfind(|word| word.contains('.') && !word.contains('='))?;
    let known = !name.eq_ignore_ascii_case("unknown") && name.parse::<IpAddr>().is_err();
    known.then(|| name.trim_end_matches('.').chars().take(255).collect())
}
