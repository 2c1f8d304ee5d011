//! Tags in patterns that stand for others: `<A>` for `(?:a|@|á)` (plugin `ReplaceTags`).

use crate::limits::{PATTERN_BYTES_MAX, TAG_PASSES_MAX};
use std::collections::{BTreeMap, BTreeSet};

/// Tags by name, and the rules they are for.
#[derive(Debug, Default)]
pub(super) struct Tags {
    texts: BTreeMap<String, String>,
    before: BTreeMap<String, String>,
    between: BTreeMap<String, String>,
    behind: BTreeMap<String, String>,
    pub rules: BTreeSet<String>,
}

impl Tags {
    pub(super) fn define(&mut self, key: &str, name: &str, value: &str) {
        let kind = match key {
            "replace_pre" => &mut self.before,
            "replace_inter" => &mut self.between,
            "replace_post" => &mut self.behind,
            _ => &mut self.texts,
        };
        kind.insert(name.to_owned(), value.to_owned());
    }

    /// The pattern with its tags replaced.
    pub(super) fn replaced(&self, pattern: &str) -> String {
        let mut pattern = pattern.to_owned();
        for _ in 0..TAG_PASSES_MAX {
            let mut modifier = |word: &str, kind: &BTreeMap<String, String>| {
                let start = pattern.find(&format!("<{word} "))?;
                let end = start + pattern[start..].find('>')?;
                let name = pattern[start + word.len() + 2..end].to_owned();
                pattern.replace_range(start..=end, "");
                kind.get(&name).cloned()
            };
            let before = modifier("pre", &self.before).unwrap_or_default();
            let behind = modifier("post", &self.behind).unwrap_or_default();
            let between = modifier("inter", &self.between).unwrap_or_default();
            let (mut out, mut again, mut last_was_tag) = (String::new(), false, false);
            for (piece, is_tag) in pieces(&pattern) {
                if !is_tag {
                    out.push_str(piece);
                    last_was_tag = false;
                    continue;
                }
                if last_was_tag {
                    out.push_str(&between);
                }
                let inner = &piece[1..piece.len() - 1];
                out.push_str(&before);
                match self.texts.get(inner) {
                    Some(text) => {
                        again |= pieces(text).iter().any(|(_, is_tag)| *is_tag);
                        out.push_str(text);
                    }
                    None => out.push_str(piece),
                }
                out.push_str(&behind);
                last_was_tag = true;
            }
            pattern = out;
            if !again || pattern.len() > PATTERN_BYTES_MAX {
                break;
            }
        }
        pattern
    }
}

/// Split at `<…>`.
fn pieces(pattern: &str) -> Vec<(&str, bool)> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(open) = pattern[at..].find('<').map(|place| at + place) {
        let end = pattern[open + 1..]
            .find(['<', '>'])
            .map(|place| open + 1 + place);
        match end {
            Some(end) if pattern.as_bytes()[end] == b'>' && end > open + 1 => {
                if start < open {
                    pieces.push((&pattern[start..open], false));
                }
                pieces.push((&pattern[open..=end], true));
                start = end + 1;
                at = start;
            }
            _ => at = open + 1,
        }
    }
    if start < pattern.len() {
        pieces.push((&pattern[start..], false));
    }
    pieces
}
