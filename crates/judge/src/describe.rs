//! A policy as plain structures, for forms and programs: what is written, in the order it is written.

use serde::Serialize;
use toml_edit::{Item, Table, Value};

use crate::edit::{ListEntry, list_entry, read, term_of};
use crate::policy::Policy;

/// All of a policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// Where levels begin.
    pub boundaries: Boundaries,
    /// `(level, action)` of the three levels.
    pub actions: Vec<(String, String)>,
    /// Other actions for some mail, each as `(key, value)` in the order written; of several values with commas between.
    pub exceptions: Vec<Vec<(String, String)>>,
    /// Names of the groups of recipients.
    pub groups: Vec<String>,
    /// Rules.
    pub rules: Vec<Rule>,
    /// Lists.
    pub lists: Vec<List>,
    /// Keyword and pattern sets.
    pub sets: Vec<Set>,
    /// Built-in signals.
    pub signals: Vec<Signal>,
}

/// Where levels begin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Boundaries {
    /// Where suspicious begins.
    pub suspicious: f64,
    /// Where dangerous begins.
    pub dangerous: f64,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it means.
    pub reason: String,
    /// Is it on?
    pub enabled: bool,
    /// What it does, in words.
    pub effect: String,
    /// What it asks, on one line.
    pub when: String,
    /// Its table as written.
    pub toml: String,
}

/// One list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct List {
    /// Its name.
    pub name: String,
    /// `address`, `domain`, `network`, `text`, `sender`.
    pub kind: String,
    /// What is listed.
    pub entries: Vec<ListEntry>,
}

/// One set of terms or patterns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// What it means.
    pub reason: String,
    /// Terms rather than patterns.
    pub is_keywords: bool,
    /// What it looks for.
    pub terms: Vec<Term>,
}

/// One term or pattern.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Term {
    /// As written.
    pub term: String,
    /// Its weight, when it has one of its own.
    pub weight: Option<f64>,
}

/// One built-in signal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Signal {
    /// Its name.
    pub id: &'static str,
    /// What it means.
    pub text: &'static str,
    /// What it weighs now.
    pub weight: f64,
    /// What it weighs when nothing is written.
    pub built_in: f64,
}

impl Signal {
    /// Does it weigh something else than it would by itself?
    pub fn is_changed(&self) -> bool {
        (self.weight - self.built_in).abs() > f64::EPSILON
    }
}

/// Describes a policy that was read from this text. `None` when the text is no document.
pub fn describe(text: &str, policy: &Policy) -> Option<Description> {
    let document = read(text).ok()?;
    let summary = policy.summary();
    let levels = ["ordinary", "suspicious", "dangerous"];
    let exceptions = document
        .get("actions")
        .and_then(|actions| actions.get("for"))
        .and_then(Item::as_array_of_tables);
    Some(Description {
        boundaries: Boundaries {
            suspicious: summary.suspicious,
            dangerous: summary.dangerous,
        },
        actions: levels
            .iter()
            .zip(&summary.actions)
            .map(|(level, action)| ((*level).to_owned(), written(action)))
            .collect(),
        exceptions: exceptions
            .into_iter()
            .flatten()
            .map(|table| {
                table
                    .iter()
                    .map(|(key, item)| (key.to_owned(), plain(item)))
                    .collect()
            })
            .collect(),
        groups: document
            .get("groups")
            .and_then(Item::as_table_like)
            .map(|groups| groups.iter().map(|(name, _)| name.to_owned()).collect())
            .unwrap_or_default(),
        rules: tables(&document, "rules")
            .zip(&summary.rules)
            .map(|(table, (name, reason, effect, enabled))| Rule {
                name: name.clone(),
                reason: reason.clone(),
                enabled: *enabled,
                effect: effect.clone(),
                when: one_line(table.get("when")),
                toml: format!("[[rules]]\n{}", table.to_string().trim()),
            })
            .collect(),
        lists: tables(&document, "lists").map(list).collect(),
        sets: tables(&document, "keyword_sets")
            .map(|table| set(table, true))
            .chain(tables(&document, "pattern_sets").map(|table| set(table, false)))
            .collect(),
        signals: crate::SIGNALS
            .iter()
            .zip(&summary.signals)
            .map(|(signal, (_, weight, _))| Signal {
                id: signal.id,
                text: signal.text,
                weight: *weight,
                built_in: signal.weight,
            })
            .collect(),
    })
}

/// An action as a policy writes it.
fn written(action: &mail::Action) -> String {
    match action {
        mail::Action::Redirect(target) => format!("redirect:{target}"),
        other => other.as_str().to_owned(),
    }
}

fn tables<'d>(
    document: &'d toml_edit::DocumentMut,
    key: &str,
) -> impl Iterator<Item = &'d Table> + use<'d> {
    document
        .get(key)
        .and_then(Item::as_array_of_tables)
        .into_iter()
        .flatten()
}

fn text(table: &Table, key: &str) -> String {
    table
        .get(key)
        .and_then(Item::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// A string as it is, several with commas between, anything else as written.
fn plain(item: &Item) -> String {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string().trim().to_owned(), str::to_owned)
    };
    match item.as_array() {
        Some(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        None => item.as_value().map(text).unwrap_or_default(),
    }
}

fn one_line(item: Option<&Item>) -> String {
    let written = item.map(ToString::to_string).unwrap_or_default();
    written.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn values<'t>(table: &'t Table, key: &str) -> impl Iterator<Item = &'t Value> + use<'t> {
    table
        .get(key)
        .and_then(Item::as_array)
        .into_iter()
        .flatten()
}

fn list(table: &Table) -> List {
    List {
        name: text(table, "name"),
        kind: text(table, "kind"),
        entries: values(table, "entries").map(list_entry).collect(),
    }
}

fn set(table: &Table, is_keywords: bool) -> Set {
    let key = if is_keywords { "terms" } else { "patterns" };
    Set {
        name: text(table, "name"),
        reason: text(table, "reason"),
        is_keywords,
        terms: values(table, key)
            .map(|value| {
                let (term, weight) = term_of(value);
                Term { term, weight }
            })
            .collect(),
    }
}
