//! `Content-Type` and `Content-Disposition`, forgivingly.

/// A `Content-Type`, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentType {
    pub kind: String,
    pub boundary: Option<Vec<u8>>,
    pub charset: Option<String>,
    pub name: Option<String>,
    /// There was none, or nothing in it.
    pub is_missing: bool,
}

impl ContentType {
    pub(crate) fn of(value: Option<&str>) -> Self {
        let missing = value.is_none_or(|value| value.trim().is_empty());
        let value = if missing {
            "text/plain; charset=us-ascii"
        } else {
            value.unwrap_or_default()
        };
        let kind = value.trim_start().split(';').next().unwrap_or_default();
        let kind: String = kind
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let special = ["text/x-vcard", "text/calendar", "text/html"];
        let plain =
            kind.is_empty() || kind.starts_with("text") && !special.contains(&kind.as_str());
        Self {
            is_missing: missing || kind.is_empty(),
            kind: if plain { "text/plain".into() } else { kind },
            boundary: boundary(value),
            charset: parameter(value, "charset"),
            name: parameter(value, "name"),
        }
    }
}

fn boundary(value: &str) -> Option<Vec<u8>> {
    let at = parameter_start(value, "boundary")?;
    let rest = &value[at..];
    let text = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default(),
        None => rest
            .split(|c: char| c.is_whitespace() || c == '"' || c == ';')
            .next()
            .unwrap_or_default(),
    };
    (!text.is_empty()).then(|| text.as_bytes().to_vec())
}

fn parameter(value: &str, name: &str) -> Option<String> {
    let at = parameter_start(value, name)?;
    let rest = value[at..].trim_start_matches(['"', '\'']);
    let end = rest.find(';').unwrap_or(rest.len());
    let text = rest[..end].trim_end().trim_end_matches(['"', '\'']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// Where the value of a parameter begins.
fn parameter_start(value: &str, name: &str) -> Option<usize> {
    let lower = value.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find(name) {
        let at = from + found;
        let before = lower[..at].chars().next_back();
        let rest = &lower[at + name.len()..];
        let blanks = rest.len() - rest.trim_start().len();
        let starts_word = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' || name == "name");
        if starts_word && rest[blanks..].starts_with('=') {
            let behind = &rest[blanks + 1..];
            let more = behind.len() - behind.trim_start().len();
            return Some(at + name.len() + blanks + 1 + more);
        }
        from = at + name.len();
    }
    None
}

pub(super) fn name_in(disposition: &str) -> Option<String> {
    let at = find_ignoring_case(disposition, "name=")?;
    let rest = disposition[at + 5..].trim_start();
    let rest = rest.strip_prefix('"').unwrap_or(rest);
    let end = rest.find(['"', ';']).unwrap_or(rest.len());
    (end > 0).then(|| rest[..end].to_owned())
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    text.to_ascii_lowercase().find(wanted)
}
