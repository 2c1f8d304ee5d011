//! Rule text, read: what each line says, and which lines were left out and why.

use crate::limits::{RULE_LINE_BYTES_MAX, RULE_NAME_BYTES_MAX, RULES_MAX};
mod condition;
mod definition;
mod replace;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use definition::{Call, DetailTarget, Kind, Test};
use replace::Tags;

use crate::Place;

/// One text of rules.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its file, for messages.
    pub name: String,
    /// What stands in it.
    pub text: Vec<u8>,
}

/// Why something was left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    /// It asks servers elsewhere.
    #[error("asks servers elsewhere")]
    Network,
    /// It asks a classifier that learns.
    #[error("asks a classifier that learns")]
    Learning,
    /// It calls a function that is not known here.
    #[error("calls {0}, which is not known here")]
    Function(String),
    /// It has a flag that changes what it means and is not known here.
    #[error("its flag {0} is not known here")]
    Flag(String),
    /// It is for a plugin that is not known here.
    #[error("is for {0}, which is not known here")]
    Plugin(String),
    /// The line is not what it should be.
    #[error("{0}")]
    Malformed(String),
    /// Its pattern does not compile.
    #[error("its pattern is refused: {0}")]
    Pattern(String),
    /// It needs a rule that was left out.
    #[error("needs {0}, which was left out")]
    Needs(String),
    /// The setting has no meaning here.
    #[error("has no meaning here")]
    Setting,
}

impl Reason {
    /// The same for all of its kind.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Network => "asks servers elsewhere",
            Self::Learning => "asks a classifier that learns",
            Self::Function(_) => "calls a function that is not known here",
            Self::Flag(_) => "has a flag that is not known here",
            Self::Plugin(_) => "is for a plugin that is not known here",
            Self::Malformed(_) => "is not what the line should be",
            Self::Pattern(_) => "its pattern is refused",
            Self::Needs(_) => "needs a rule that was left out",
            Self::Setting => "is a setting without a meaning here",
        }
    }
}

/// Something that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stands.
    pub place: Place,
    /// A rule's name, a setting, or a condition.
    pub what: String,
    /// Why.
    pub reason: Reason,
}

/// A rule, as read.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub place: Place,
    pub test: Test,
}

/// What `tflags` says of a rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    words: Vec<String>,
}

impl Flags {
    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    /// A flag that makes a rule over parts look at some of them, or at all as one.
    pub(crate) fn of_parts(&self) -> Option<&'static str> {
        let has = |flag: &&&str| self.words.iter().any(|word| word.starts_with(**flag));
        ["range", "concat"].iter().find(has).copied()
    }

    /// Most hits that are counted.
    pub(crate) fn hits_max(&self) -> usize {
        let told = self
            .words
            .iter()
            .find_map(|word| word.strip_prefix("maxhits=")?.parse().ok());
        match told {
            _ if !self.has("multiple") => 1,
            Some(told) => std::cmp::max(told, 1),
            None => 1000,
        }
    }
}

/// All that a set of texts says.
#[derive(Debug, Default)]
pub(crate) struct Conf {
    pub rules: BTreeMap<String, Rule>,
    pub scores: BTreeMap<String, f64>,
    pub descriptions: BTreeMap<String, String>,
    pub flags: BTreeMap<String, Flags>,
    pub redirectors: Vec<String>,
    pub freemail_domains: BTreeSet<String>,
    pub host_lists: BTreeMap<String, Vec<String>>,
    pub address_lists: BTreeMap<String, Vec<String>>,
    /// From how many points on its authors call mail spam.
    pub required_score: Option<f64>,
    pub left_out: Vec<LeftOut>,
    tags: Tags,
    plugins: BTreeSet<String>,
}

impl Conf {
    /// Reads texts in order; of two lines for one rule the later holds.
    pub(crate) fn read(sources: &[Source]) -> Self {
        let mut conf = Self {
            plugins: condition::PLUGINS
                .iter()
                .map(|name| format!("Mail::SpamAssassin::Plugin::{name}"))
                .collect(),
            ..Self::default()
        };
        for source in sources {
            conf.read_one(source);
        }
        conf.replace_tags();
        conf
    }

    fn read_one(&mut self, source: &Source) {
        let mut conditions = condition::Stack::default();
        let mut skipped: Option<(Place, String, usize)> = None;
        for (number, bytes) in (1..).zip(source.text.split(|byte| *byte == b'\n')) {
            let place = Place {
                file: source.name.clone(),
                line: number,
            };
            if bytes.len() > RULE_LINE_BYTES_MAX {
                self.leave_out(
                    place,
                    "a line",
                    Reason::Malformed(format!("a line has at most {RULE_LINE_BYTES_MAX} bytes")),
                );
                continue;
            }
            let Some(line) = stripped(bytes) else {
                continue;
            };
            let (key, value) = split(&line);
            let key = key.to_ascii_lowercase().replace('-', "_");
            match conditions.line(&key, value, &self.plugins) {
                Ok(condition::Step::Entered { missing_plugin }) => {
                    if let Some(plugin) = missing_plugin {
                        skipped = Some((place, plugin, 0));
                    }
                    continue;
                }
                Ok(condition::Step::Left) => {
                    if let Some((place, plugin, lines)) = skipped.take_if(|_| !conditions.skips()) {
                        self.leave_out(place, &format!("{lines} lines"), Reason::Plugin(plugin));
                    }
                    continue;
                }
                Ok(condition::Step::Ordinary) => {}
                Err(error) => {
                    self.leave_out(place, &key, Reason::Malformed(error));
                    continue;
                }
            }
            if conditions.skips() {
                if let Some((_, _, lines)) = &mut skipped {
                    *lines += 1;
                }
                continue;
            }
            if let Err((what, reason)) = self.line(&place, &key, value, bytes) {
                self.leave_out(place, &what, reason);
            }
        }
        if conditions.is_open() {
            let place = Place {
                file: source.name.clone(),
                line: 0,
            };
            self.leave_out(
                place,
                "if",
                Reason::Malformed("an endif is missing at the end of the file".into()),
            );
        }
    }

    pub(crate) fn leave_out(&mut self, place: Place, what: &str, reason: Reason) {
        self.left_out.push(LeftOut {
            place,
            what: what.to_owned(),
            reason,
        });
    }

    fn line(
        &mut self,
        place: &Place,
        key: &str,
        value: &str,
        bytes: &[u8],
    ) -> Result<(), (String, Reason)> {
        let words = || value.split_whitespace();
        let malformed = |what: &str, right: &str| {
            (
                what.to_owned(),
                Reason::Malformed(format!("expected {right}")),
            )
        };
        match key {
            "header" | "body" | "rawbody" | "full" | "uri" | "mimeheader" | "uri_detail"
            | "meta" => {
                let (name, rest) = split(value);
                check_name(name)?;
                let test = Test::read(key, rest).map_err(|reason| (name.to_owned(), reason))?;
                if self.rules.len() >= RULES_MAX && !self.rules.contains_key(name) {
                    return Err((
                        name.to_owned(),
                        Reason::Malformed(format!("at most {RULES_MAX} rules are read")),
                    ));
                }
                self.rules.insert(
                    name.to_owned(),
                    Rule {
                        place: place.clone(),
                        test,
                    },
                );
            }
            "score" => {
                let (name, rest) = split(value);
                let first = rest.split_whitespace().next().unwrap_or_default();
                let relative = first
                    .strip_prefix('(')
                    .and_then(|inner| inner.strip_suffix(')'));
                let number = relative
                    .unwrap_or(first)
                    .parse::<f64>()
                    .ok()
                    .filter(|number| number.abs() <= 10_000.0);
                let number =
                    number.ok_or_else(|| malformed(name, "a number behind the rule's name"))?;
                let before = relative
                    .and_then(|_| self.scores.get(name))
                    .copied()
                    .unwrap_or(0.0);
                self.scores.insert(name.to_owned(), before + number);
            }
            "required_score" | "required_hits" => {
                let number = value.parse::<f64>().ok().filter(|number| *number > 0.0);
                let number = number.ok_or_else(|| malformed(key, "a number above 0"))?;
                self.required_score = Some(number);
            }
            "describe" => {
                // As people wrote it, not as patterns need it.
                let text = String::from_utf8_lossy(bytes);
                let text = text
                    .split_whitespace()
                    .skip(2)
                    .collect::<Vec<_>>()
                    .join(" ");
                let text = text.replace("\\#", "#");
                self.descriptions.insert(split(value).0.to_owned(), text);
            }
            "tflags" => {
                let (name, rest) = split(value);
                let flags = self.flags.entry(name.to_owned()).or_default();
                flags
                    .words
                    .extend(rest.split_whitespace().map(str::to_owned));
            }
            "replace_tag" | "replace_pre" | "replace_inter" | "replace_post" => {
                let (name, rest) = split(value);
                self.tags.define(key, name, rest);
            }
            "replace_rules" => self.tags.rules.extend(words().map(str::to_owned)),
            "freemail_domains" => self
                .freemail_domains
                .extend(words().map(str::to_ascii_lowercase)),
            "enlist_uri_host" | "enlist_addrlist" => {
                let (list, rest) = split(value);
                let list = list
                    .strip_prefix('(')
                    .and_then(|inner| inner.strip_suffix(')'));
                let list = list.ok_or_else(|| malformed(key, "(LIST) and its entries"))?;
                let lists = if key == "enlist_uri_host" {
                    &mut self.host_lists
                } else {
                    &mut self.address_lists
                };
                let entries = rest.split_whitespace().map(str::to_ascii_lowercase);
                lists
                    .entry(list.to_ascii_uppercase())
                    .or_default()
                    .extend(entries);
            }
            "redirector_pattern" => self.redirectors.push(value.to_owned()),
            "loadplugin" => {
                let name = words().next().unwrap_or_default();
                if condition::PLUGINS_KNOWN
                    .iter()
                    .any(|known| name.ends_with(&format!("::{known}")))
                {
                    self.plugins.insert(name.to_owned());
                } else if !self.plugins.contains(name) {
                    return Err((key.to_owned(), Reason::Plugin(name.to_owned())));
                }
            }
            // The public suffix list knows these; order has no meaning; versions are written above.
            "util_rb_tld" | "util_rb_2tld" | "util_rb_3tld" | "clear_util_rb" | "priority"
            | "require_version" | "reuse" | "test" => {}
            _ => return Err((key.to_owned(), Reason::Setting)),
        }
        Ok(())
    }

    fn replace_tags(&mut self) {
        let rules = std::mem::take(&mut self.tags.rules);
        for name in rules {
            if let Some(rule) = self.rules.get_mut(&name)
                && let Some(pattern) = rule.test.pattern_mut()
            {
                *pattern = self.tags.replaced(pattern);
            }
        }
    }

    /// The points a hit counts.
    pub(crate) fn score(&self, name: &str) -> f64 {
        self.scores.get(name).copied().unwrap_or_else(|| {
            let usual = if name.starts_with("T_") { 0.01 } else { 1.0 };
            if self.flags_of(name).has("nice") {
                -usual
            } else {
                usual
            }
        })
    }

    pub(crate) fn flags_of(&self, name: &str) -> Flags {
        self.flags.get(name).cloned().unwrap_or_default()
    }

    /// The same as text that reads to the same: conditions decided, tags replaced, without what was left out.
    pub(crate) fn written(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            text.push_str(key);
            text.push(' ');
            text.push_str(&value.replace('#', "\\#"));
            text.push('\n');
        };
        for (name, rule) in &self.rules {
            line(rule.test.key(), &format!("{name} {}", rule.test.written()));
            if let Some(score) = self.scores.get(name) {
                line("score", &format!("{name} {score}"));
            }
            if let Some(description) = self.descriptions.get(name) {
                line("describe", &format!("{name} {description}"));
            }
            if let Some(flags) = self.flags.get(name) {
                line("tflags", &format!("{name} {}", flags.words.join(" ")));
            }
        }
        for redirector in &self.redirectors {
            line("redirector_pattern", redirector);
        }
        let domains: Vec<&str> = self.freemail_domains.iter().map(String::as_str).collect();
        for some in domains.chunks(20) {
            line("freemail_domains", &some.join(" "));
        }
        for (key, lists) in [
            ("enlist_uri_host", &self.host_lists),
            ("enlist_addrlist", &self.address_lists),
        ] {
            for (list, entries) in lists {
                for some in entries.chunks(20) {
                    line(key, &format!("({list}) {}", some.join(" ")));
                }
            }
        }
        text
    }
}

/// A line without comment and white space, bytes beyond ASCII as a pattern writes them; nothing when nothing is left, or it is for another language.
fn stripped(bytes: &[u8]) -> Option<String> {
    let mut line = String::with_capacity(bytes.len());
    let mut before = b' ';
    for byte in bytes {
        match *byte {
            b'#' if before == b'\\' => {
                line.pop();
                line.push('#');
            }
            b'#' => break,
            0 => line.push_str(r"\x00"),
            byte if byte.is_ascii() => line.push(byte as char),
            byte => line.push_str(&format!(r"\x{byte:02x}")),
        }
        before = *byte;
    }
    let line = line.trim();
    let foreign = line
        .strip_prefix("lang")
        .is_some_and(|rest| rest.starts_with(char::is_whitespace));
    (!line.is_empty() && !foreign).then(|| line.to_owned())
}

/// The first word, and what follows.
fn split(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace)
        .map_or((text, ""), |(first, rest)| (first, rest.trim_start()))
}

fn check_name(name: &str) -> Result<(), (String, Reason)> {
    let good = !name.is_empty()
        && name.len() <= RULE_NAME_BYTES_MAX
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if good {
        return Ok(());
    }
    let right = format!(
        "a rule's name is of letters, digits and _, begins with no digit and has at most {RULE_NAME_BYTES_MAX} bytes"
    );
    Err((
        name.chars().take(RULE_NAME_BYTES_MAX).collect(),
        Reason::Malformed(right),
    ))
}
