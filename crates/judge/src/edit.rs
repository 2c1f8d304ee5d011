//! Changing one thing in a policy's text, and leaving everything else as its author wrote it: comments, order, layout.
//!
//! What comes out is a text again. Whether it is a good policy is asked of [`Policy::parse`](crate::Policy::parse), as of any other text.

mod standing;

use std::collections::HashSet;

use ipnet::IpNet;
use mail::standing::{Handling, Stage};
use mail::{Domain, Mark};
use serde::{Deserialize, Serialize};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Edit {
    /// Where levels begin.
    Boundaries {
        /// Where suspicious begins.
        suspicious: f64,
        /// Where dangerous begins.
        dangerous: f64,
    },
    /// What is done by level, as written in `[actions]`.
    Actions(Actions),
    /// Other actions for some mail.
    AddException {
        /// `inbound`, `outbound`, `internal`.
        #[serde(default)]
        direction: Option<String>,
        /// Addresses, `*` and `?` allowed.
        #[serde(default)]
        recipients: Vec<String>,
        /// One of the policy's groups of recipients.
        #[serde(default)]
        group: Option<String>,
        /// What is done instead.
        #[serde(flatten)]
        actions: Actions,
    },
    /// Takes an exception out, by its place.
    RemoveException {
        /// From 0.
        index: usize,
    },
    /// What a built-in signal weighs.
    SignalWeight {
        /// Which.
        signal: String,
        /// How much; 0 is off.
        weight: f64,
    },
    /// Switches a rule on or off.
    RuleEnabled {
        /// Which.
        rule: String,
        /// On?
        enabled: bool,
    },
    /// What a rule adds.
    RuleScore {
        /// Which.
        rule: String,
        /// How much.
        score: f64,
    },
    /// Adds a rule: the text of one `[[rules]]` table.
    AddRule {
        /// As it would stand in the document.
        toml: String,
    },
    /// Takes a rule out.
    RemoveRule {
        /// Which.
        rule: String,
    },
    /// Enters something into a list.
    AddEntry {
        /// Which.
        list: String,
        /// What.
        entry: ListEntry,
    },
    /// Takes entries out of a list.
    RemoveEntry {
        /// Which list.
        list: String,
        /// The entries' value.
        value: String,
        /// The network it is bound to; the one that is bound to none otherwise.
        #[serde(default)]
        from: Option<String>,
    },
    /// Adds a term to a keyword set.
    AddTerm {
        /// Which.
        set: String,
        /// A word or phrase.
        term: String,
        /// What it weighs; the set's usual weight otherwise.
        #[serde(default)]
        weight: Option<f64>,
    },
    /// Puts rules of SpamAssassin in place of those imported before. Scores that the policy sets in place of theirs stay, of rules that are still there.
    ImportRules {
        /// As `spamassassin::Reading` writes them.
        rules: String,
        /// What one of their points is worth; as it was, or 1, otherwise.
        #[serde(default)]
        weight: Option<f64>,
    },
    /// Takes the imported rules out, with all that the policy says of them.
    RemoveImported,
    /// Takes a term or pattern out of a set.
    RemoveTerm {
        /// Which set.
        set: String,
        /// As written there.
        term: String,
    },
    /// Says what a server or network is to a domain; `unmarked` takes that back.
    MarkServer {
        /// Whose mail it sends, or says it sends.
        domain: Domain,
        /// Which.
        network: IpNet,
        /// What it is.
        mark: Mark,
    },
    /// Keeps a domain in a stage; without one it moves by itself again.
    PinStage {
        /// Which.
        domain: Domain,
        /// Where it stays.
        #[serde(default)]
        stage: Option<Stage>,
    },
    /// The most that is done to mail in a domain's name; without it, whatever follows.
    SetWish {
        /// Which.
        domain: Domain,
        /// What.
        #[serde(default)]
        wish: Option<Handling>,
    },
}

/// What is done by level; a level left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actions {
    /// Of ordinary mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinary: Option<String>,
    /// Of suspicious mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspicious: Option<String>,
    /// Of dangerous mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dangerous: Option<String>,
}

impl Actions {
    fn written(&self) -> impl Iterator<Item = (&'static str, &String)> {
        [
            ("ordinary", &self.ordinary),
            ("suspicious", &self.suspicious),
            ("dangerous", &self.dangerous),
        ]
        .into_iter()
        .filter_map(|(level, action)| Some((level, action.as_ref()?)))
    }
}

/// An entry of a list, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListEntry {
    /// What is listed.
    pub value: String,
    /// Of a list of senders: only mail that this network hands over.
    pub from: Option<String>,
    /// Of a list of senders: only mail of this authenticated account.
    pub account: Option<String>,
    /// Of a list of senders: only for this recipient, or `@domain`.
    #[serde(rename = "for")]
    pub for_: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// By whom.
    pub author: Option<String>,
    /// The day it ends.
    pub expires: Option<String>,
    /// Of a list of senders: whoever writes this address, from wherever.
    pub unguarded: bool,
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is no TOML document.
    #[error("the document cannot be read: {0}")]
    Unreadable(String),
    /// What is to be changed is not there.
    #[error("{0} is not in the policy")]
    Unknown(String),
    /// What is to be added is there already.
    #[error("{0} is in the policy already")]
    There(String),
    /// What is given cannot stand in a policy.
    #[error("{0}")]
    Unfit(String),
}

/// Entries of an array that are still written on one line.
const ON_ONE_LINE: usize = 3;

/// The text with one thing changed.
pub fn apply(text: &str, edit: &Edit) -> Result<String, EditError> {
    let mut document = read(text)?;
    match edit {
        Edit::Boundaries {
            suspicious,
            dangerous,
        } => {
            let table = section(&mut document, "boundaries")?;
            table.insert("suspicious", value(*suspicious));
            table.insert("dangerous", value(*dangerous));
        }
        Edit::Actions(actions) => {
            let table = section(&mut document, "actions")?;
            for (level, action) in actions.written() {
                set(table, level, value(action.as_str()));
            }
        }
        Edit::AddException {
            direction,
            recipients,
            group,
            actions,
        } => {
            let mut table = Table::new();
            if let Some(direction) = direction {
                table.insert("direction", value(direction.as_str()));
            }
            if !recipients.is_empty() {
                let all: Array = recipients.iter().map(String::as_str).collect();
                table.insert("recipients", value(all));
            }
            if let Some(group) = group {
                table.insert("group", value(group.as_str()));
            }
            for (level, action) in actions.written() {
                table.insert(level, value(action.as_str()));
            }
            let actions = section(&mut document, "actions")?;
            let item = actions
                .entry("for")
                .or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
            let tables = item.as_array_of_tables_mut();
            tables
                .ok_or_else(|| EditError::Unfit("actions.for is not written as tables".into()))?
                .push(table);
        }
        Edit::RemoveException { index } => {
            let tables = section(&mut document, "actions")?
                .get_mut("for")
                .and_then(Item::as_array_of_tables_mut)
                .filter(|tables| tables.len() > *index);
            let unknown = || EditError::Unknown(format!("exception {}", index + 1));
            tables.ok_or_else(unknown)?.remove(*index);
        }
        Edit::SignalWeight { signal, weight } => {
            let known = crate::SIGNALS.iter().find(|known| known.id == signal);
            let known = known.ok_or_else(|| EditError::Unknown(format!("signal {signal:?}")))?;
            let table = section(&mut document, "signals")?;
            if (known.weight - weight).abs() < f64::EPSILON {
                table.remove(signal);
            } else {
                set(table, signal, value(*weight));
            }
        }
        Edit::RuleEnabled { rule, enabled } => {
            let table = named(&mut document, "rules", rule)?;
            if *enabled {
                table.remove("enabled");
            } else {
                set(table, "enabled", value(false));
            }
        }
        Edit::RuleScore { rule, score } => {
            let table = named(&mut document, "rules", rule)?;
            set(table, "score", value(*score));
        }
        Edit::AddRule { toml } => return add_rule(text, &document, toml),
        Edit::RemoveRule { rule } => {
            let place = place(&document, "rules", rule)?;
            if let Some(tables) = document
                .get_mut("rules")
                .and_then(Item::as_array_of_tables_mut)
            {
                tables.remove(place);
            }
        }
        Edit::AddEntry { list, entry } => {
            let table = named(&mut document, "lists", list)?;
            let entries = array(table, "entries")?;
            let same = |known: &Value| {
                let known = list_entry(known);
                (
                    known.value.to_lowercase(),
                    known.from,
                    known.account,
                    known.for_,
                ) == (
                    entry.value.to_lowercase(),
                    entry.from.clone(),
                    entry.account.clone(),
                    entry.for_.clone(),
                )
            };
            if entries.iter().any(same) {
                return Err(EditError::There(format!("{:?} in {list}", entry.value)));
            }
            push(entries, entry_value(entry));
        }
        Edit::RemoveEntry { list, value, from } => {
            let table = named(&mut document, "lists", list)?;
            let entries = array(table, "entries")?;
            let before = entries.len();
            entries.retain(|known| {
                let known = list_entry(known);
                known.value != *value || known.from != *from
            });
            if entries.len() == before {
                return Err(EditError::Unknown(format!("{value:?} in {list}")));
            }
        }
        Edit::AddTerm { set, term, weight } => {
            let table = named(&mut document, "keyword_sets", set)?;
            let terms = array(table, "terms")?;
            if terms.iter().any(|known| term_of(known).0 == *term) {
                return Err(EditError::There(format!("{term:?} in {set}")));
            }
            push(
                terms,
                match weight {
                    None => Value::from(term.as_str()),
                    Some(weight) => {
                        let mut entry = InlineTable::new();
                        entry.insert("term", term.as_str().into());
                        entry.insert("weight", (*weight).into());
                        Value::InlineTable(entry)
                    }
                },
            );
        }
        Edit::ImportRules { rules, weight } => {
            let names: HashSet<String> = imported_names(rules);
            let table = section(&mut document, "spamassassin")?;
            if let Some(weight) = weight {
                set(table, "weight", value(*weight));
            }
            if let Some(scores) = table.get_mut("scores").and_then(Item::as_table_like_mut) {
                let gone: Vec<String> = scores
                    .iter()
                    .map(|(name, _)| name.to_owned())
                    .filter(|name| !names.contains(name))
                    .collect();
                for name in gone {
                    scores.remove(&name);
                }
            }
            set(table, "rules", lines(rules));
        }
        Edit::RemoveImported => {
            let removed = document.remove("spamassassin");
            removed.ok_or_else(|| EditError::Unknown("[spamassassin]".into()))?;
        }
        Edit::MarkServer {
            domain,
            network,
            mark,
        } => standing::mark(&mut document, domain, *network, *mark)?,
        Edit::PinStage { domain, stage } => standing::pin(&mut document, domain, *stage)?,
        Edit::SetWish { domain, wish } => standing::wish(&mut document, domain, *wish)?,
        Edit::RemoveTerm { set, term } => {
            let (kind, key) = if place(&document, "keyword_sets", set).is_ok() {
                ("keyword_sets", "terms")
            } else {
                ("pattern_sets", "patterns")
            };
            let table = named(&mut document, kind, set)?;
            let terms = array(table, key)?;
            let before = terms.len();
            terms.retain(|known| term_of(known).0 != *term);
            if terms.len() == before {
                return Err(EditError::Unknown(format!("{term:?} in {set}")));
            }
        }
    }
    Ok(document.to_string())
}

/// Names of the rules in a text of them.
fn imported_names(rules: &str) -> HashSet<String> {
    let reading = spamassassin::Rules::read(&[spamassassin::Source {
        name: String::new(),
        text: rules.as_bytes().to_vec(),
    }]);
    reading.rules.names().map(str::to_owned).collect()
}

/// A text of many lines, written as such where TOML can.
fn lines(text: &str) -> Item {
    let plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    let literal = format!("'''\n{text}'''");
    let written = (!text.contains("'''") && text.chars().all(plain))
        .then(|| literal.parse::<Value>().ok())
        .flatten();
    value(written.unwrap_or_else(|| Value::from(text)))
}

/// Reads a document that can be changed.
pub(crate) fn read(text: &str) -> Result<DocumentMut, EditError> {
    text.parse()
        .map_err(|error: toml_edit::TomlError| EditError::Unreadable(error.message().to_owned()))
}

/// A table at the top; made when it is missing.
fn section<'d>(document: &'d mut DocumentMut, name: &str) -> Result<&'d mut Table, EditError> {
    document
        .entry(name)
        .or_insert(Item::Table(Table::new()))
        .as_table_mut()
        .ok_or_else(|| EditError::Unfit(format!("{name} is not written as a table")))
}

/// Sets a value and keeps the comment behind it.
fn set(table: &mut Table, key: &str, new: Item) {
    match (table.get_mut(key).and_then(Item::as_value_mut), new) {
        (Some(old), Item::Value(mut new)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        (_, new) => {
            table.insert(key, new);
        }
    }
}

fn place(document: &DocumentMut, kind: &str, name: &str) -> Result<usize, EditError> {
    let tables = document.get(kind).and_then(Item::as_array_of_tables);
    let found = tables.and_then(|tables| {
        tables
            .iter()
            .position(|table| table.get("name").and_then(Item::as_str) == Some(name))
    });
    found.ok_or_else(|| EditError::Unknown(format!("{kind} {name:?}")))
}

fn named<'d>(
    document: &'d mut DocumentMut,
    kind: &str,
    name: &str,
) -> Result<&'d mut Table, EditError> {
    let place = place(document, kind, name)?;
    document
        .get_mut(kind)
        .and_then(Item::as_array_of_tables_mut)
        .and_then(|tables| tables.get_mut(place))
        .ok_or_else(|| EditError::Unknown(format!("{kind} {name:?}")))
}

fn array<'t>(table: &'t mut Table, key: &str) -> Result<&'t mut Array, EditError> {
    table
        .entry(key)
        .or_insert(value(Array::new()))
        .as_array_mut()
        .ok_or_else(|| EditError::Unfit(format!("{key} is not written as an array")))
}

/// Adds a value to an array; a long one gets a line of its own.
fn push(array: &mut Array, mut new: Value) {
    let broken = array.len() >= ON_ONE_LINE
        || new.is_inline_table()
        || array
            .trailing()
            .as_str()
            .is_some_and(|end| end.contains('\n'));
    if broken {
        new.decor_mut().set_prefix("\n    ");
        array.push_formatted(new);
        array.set_trailing("\n");
        array.set_trailing_comma(true);
    } else {
        array.push(new);
    }
}

/// A rule goes to the end of the document, as it was written.
fn add_rule(text: &str, document: &DocumentMut, toml: &str) -> Result<String, EditError> {
    let own = read(toml)?;
    let tables = own.get("rules").and_then(Item::as_array_of_tables);
    let name = tables
        .filter(|tables| tables.len() == 1 && own.len() == 1)
        .and_then(|tables| tables.get(0)?.get("name")?.as_str())
        .ok_or_else(|| EditError::Unfit("a rule is one [[rules]] table with a name".into()))?;
    if place(document, "rules", name).is_ok() {
        return Err(EditError::There(format!("rule {name:?}")));
    }
    Ok(format!("{}\n\n{}\n", text.trim_end(), toml.trim()))
}

fn entry_value(entry: &ListEntry) -> Value {
    let texts = [
        ("from", &entry.from),
        ("account", &entry.account),
        ("for", &entry.for_),
        ("reason", &entry.reason),
        ("author", &entry.author),
        ("expires", &entry.expires),
    ];
    if !entry.unguarded && texts.iter().all(|(_, text)| text.is_none()) {
        return Value::from(entry.value.as_str());
    }
    let mut table = InlineTable::new();
    table.insert("value", entry.value.as_str().into());
    for (key, text) in texts {
        if let Some(text) = text {
            table.insert(key, text.as_str().into());
        }
    }
    if entry.unguarded {
        table.insert("unguarded", true.into());
    }
    Value::InlineTable(table)
}

/// An entry of a list from its written form.
pub(crate) fn list_entry(written: &Value) -> ListEntry {
    let Some(table) = written.as_inline_table() else {
        return ListEntry {
            value: written.as_str().unwrap_or_default().to_owned(),
            ..ListEntry::default()
        };
    };
    let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    ListEntry {
        value: text("value").unwrap_or_default(),
        from: text("from"),
        account: text("account"),
        for_: text("for"),
        reason: text("reason"),
        author: text("author"),
        expires: text("expires"),
        unguarded: table
            .get("unguarded")
            .and_then(Value::as_bool)
            .unwrap_or(false),
    }
}

/// A term of a set from its written form, with its weight.
pub(crate) fn term_of(written: &Value) -> (String, Option<f64>) {
    let Some(table) = written.as_inline_table() else {
        return (written.as_str().unwrap_or_default().to_owned(), None);
    };
    let text = table
        .get("term")
        .or_else(|| table.get("pattern"))
        .and_then(Value::as_str);
    let weight = table.get("weight");
    let weight = weight.and_then(|weight| {
        weight
            .as_float()
            .or_else(|| weight.as_integer().map(|whole| whole as f64))
    });
    (text.unwrap_or_default().to_owned(), weight)
}
