//! What was written: a strict reader over TOML that collects every problem instead of stopping at the first.
//!
//! Configuration and policy are both read through it, so that both complain alike: line, key, what is wrong, what would
//! be right. It knows nothing of mail. Start at [`Written::parse`] and [`Section::root`].
//!
//! A [`Section`] is asked for each key it may have; what was asked for is known, and whatever is left when the section is
//! [finished](Section::finish) is an unknown key, with the nearest known one as a suggestion.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing wrong with a file, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1.
    pub column: usize,
    /// The key, e.g. `milter.listen`; empty for a syntax error.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub right: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.wrong)?;
        if !self.right.is_empty() {
            write!(f, " ({})", self.right)?;
        }
        Ok(())
    }
}

/// Where problems are gathered while a text is read.
pub struct Written<'t> {
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
}

impl<'t> Written<'t> {
    /// Over a text, before reading it.
    pub const fn new(text: &'t str) -> Self {
        Self {
            text,
            problems: RefCell::new(Vec::new()),
        }
    }

    /// The table of the whole document; syntax errors are problems, and what can be read of the rest is read.
    pub fn parse(&self) -> Spanned<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.problem(error.span().unwrap_or_default(), "", error.message(), "");
        }
        table
    }

    /// Everything found wrong, in the order of the text.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }

    fn problem(&self, span: Range<usize>, key: &str, wrong: &str, right: &str) {
        let (line, column) = self.place(span.start);
        let problem = Problem {
            line,
            column,
            key: key.to_owned(),
            wrong: wrong.to_owned(),
            right: right.to_owned(),
        };
        self.problems.borrow_mut().push(problem);
    }

    /// Line and column of an offset, both counted from 1.
    fn place(&self, offset: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        (
            line,
            String::from_utf8_lossy(&before[line_start..])
                .chars()
                .count()
                + 1,
        )
    }
}

/// One table of the document, and which of its keys were asked for.
pub struct Section<'w, 't> {
    written: &'w Written<'t>,
    name: String,
    span: Range<usize>,
    table: Option<&'w DeTable<'t>>,
    asked: RefCell<Vec<&'static str>>,
}

/// A place in the text, and the key it belongs to.
#[derive(Clone, Debug)]
pub struct Spot {
    span: Range<usize>,
    key: String,
}

/// An entry of a list that may hold texts and tables.
pub enum Entry<'w, 't> {
    /// `"text"`, and where.
    Text(String, Spot),
    /// `{ … }`
    Section(Section<'w, 't>),
}

impl<'w, 't> Section<'w, 't> {
    /// The document itself.
    pub fn root(written: &'w Written<'t>, table: &'w DeTable<'t>) -> Self {
        Self {
            written,
            name: String::new(),
            span: 0..0,
            table: Some(table),
            asked: RefCell::default(),
        }
    }

    /// What the section is called: `rules[2].when`; empty for the document.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Is the key there?
    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// The line the section begins in, counted from 1.
    pub fn line(&self) -> usize {
        self.written.place(self.span.start).0
    }

    /// The table under `key`; an empty one when there is none.
    #[must_use]
    pub fn section(&self, key: &'static str) -> Self {
        self.maybe_section(key)
            .unwrap_or_else(|| self.below(self.path(key), self.span.clone(), None))
    }

    /// The table under `key`, when there is one.
    pub fn maybe_section(&self, key: &'static str) -> Option<Self> {
        let value = self.value(key)?;
        if let DeValue::Table(table) = value.get_ref() {
            return Some(self.below(self.path(key), value.span(), Some(table)));
        }
        self.wrong(
            value,
            key,
            "is no table",
            &format!("write [{0}] or {0} = {{ … }}", self.path(key)),
        );
        None
    }

    /// The tables of the list under `key`.
    pub fn sections(&self, key: &'static str) -> Vec<Self> {
        let entries = self.entries(key).into_iter();
        let tables = entries.filter_map(|entry| match entry {
            Entry::Section(section) => Some(section),
            Entry::Text(..) => {
                self.complain(key, "holds a text where a table belongs", "write { … }");
                None
            }
        });
        tables.collect()
    }

    /// The entries of the list under `key`, texts and tables.
    pub fn entries(&self, key: &'static str) -> Vec<Entry<'w, 't>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let mut entries = Vec::new();
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(
                value,
                key,
                "is no list",
                "write [ … ], or [[…]] above each table",
            );
            return entries;
        };
        for (number, item) in items.iter().enumerate() {
            let name = || format!("{}[{}]", self.path(key), number + 1);
            match item.get_ref() {
                DeValue::Table(table) => {
                    entries.push(Entry::Section(self.below(name(), item.span(), Some(table))));
                }
                DeValue::String(text) => {
                    let spot = Spot {
                        span: item.span(),
                        key: name(),
                    };
                    entries.push(Entry::Text(text.to_string(), spot));
                }
                _ => self.wrong(
                    item,
                    key,
                    "is neither a text nor a table",
                    "write \"…\" or { … }",
                ),
            }
        }
        entries
    }

    /// A text, read by `read`; its error says what is wrong, `right` what would be right.
    pub fn text<T, E: fmt::Display>(
        &self,
        key: &'static str,
        right: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.one(self.value(key)?, key, right, &read)
    }

    /// Any text.
    pub fn string(&self, key: &'static str) -> Option<String> {
        self.text(key, "a text", |text| Ok::<_, String>(text.to_owned()))
    }

    /// A text that must be there.
    pub fn required<T, E: fmt::Display>(
        &self,
        key: &'static str,
        right: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        if !self.has(key) {
            self.value(key);
            self.complain(key, "is missing", right);
            return None;
        }
        self.text(key, right, read)
    }

    /// A list of texts; one text alone is a list of one.
    pub fn texts<T, E: fmt::Display>(
        &self,
        key: &'static str,
        right: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Array(items) => Some(
                items
                    .iter()
                    .filter_map(|item| self.one(item, key, right, &read))
                    .collect(),
            ),
            _ => self.one(value, key, right, &read).map(|one| vec![one]),
        }
    }

    /// A whole number within `allowed`.
    pub fn number(&self, key: &'static str, allowed: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let fits = number.filter(|number| allowed.contains(number));
        if fits.is_none() {
            let right = format!(
                "a whole number from {} to {}",
                allowed.start(),
                allowed.end()
            );
            let wrong = if number.is_some() {
                "is not in range"
            } else {
                "is no whole number"
            };
            self.wrong(value, key, wrong, &right);
        }
        fits
    }

    /// A number, whole or not, within `allowed`.
    pub fn decimal(
        &self,
        key: &'static str,
        allowed: std::ops::RangeInclusive<f64>,
    ) -> Option<f64> {
        let value = self.value(key)?;
        self.read_decimal(value, key, &allowed)
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(
                value,
                key,
                "is neither true nor false",
                "write true or false",
            );
        }
        flag
    }

    /// All keys of a table whose values are texts.
    pub fn pairs<T, E: fmt::Display>(
        self,
        right: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<(String, T)> {
        let pairs = self.table.into_iter().flatten().filter_map(|(key, value)| {
            let meaning = self.one(value, key.get_ref(), right, &read)?;
            Some((key.get_ref().to_string(), meaning))
        });
        pairs.collect()
    }

    /// All keys of a table whose values are numbers; `known` may refuse a key.
    pub fn decimals(
        self,
        allowed: std::ops::RangeInclusive<f64>,
        known: impl Fn(&str) -> Result<(), String>,
    ) -> Vec<(String, f64)> {
        let mut pairs = Vec::new();
        for (key, value) in self.table.into_iter().flatten() {
            if let Err(right) = known(key.get_ref()) {
                self.written.problem(
                    key.span(),
                    &self.path(key.get_ref()),
                    "is not known",
                    &right,
                );
                continue;
            }
            if let Some(number) = self.read_decimal(value, key.get_ref(), &allowed) {
                pairs.push((key.get_ref().to_string(), number));
            }
        }
        pairs
    }

    /// All keys of a table whose values are lists of texts.
    pub fn lists(self) -> Vec<(String, Vec<String>)> {
        let mut lists = Vec::new();
        for (key, value) in self.table.into_iter().flatten() {
            let DeValue::Array(items) = value.get_ref() else {
                self.wrong(value, key.get_ref(), "is no list", "write [\"…\", \"…\"]");
                continue;
            };
            let read = |text: &str| Ok::<_, String>(text.to_owned());
            let texts = items
                .iter()
                .filter_map(|item| self.one(item, key.get_ref(), "write \"…\"", &read));
            lists.push((key.get_ref().to_string(), texts.collect()));
        }
        lists
    }

    /// The tables of a section whose keys are names that the writer chose.
    pub fn named_sections(self) -> Vec<(String, Self)> {
        let mut sections = Vec::new();
        for (key, value) in self.table.into_iter().flatten() {
            let name = self.path(&format!("\"{}\"", key.get_ref()));
            match value.get_ref() {
                DeValue::Table(table) => {
                    let section = self.below(name, value.span(), Some(table));
                    sections.push((key.get_ref().to_string(), section));
                }
                _ => self.wrong(
                    value,
                    key.get_ref(),
                    "is no table",
                    &format!("write [{name}]"),
                ),
            }
        }
        sections
    }

    /// Says that these keys are known here, though they are not read.
    pub fn knows(&self, keys: &[&'static str]) {
        self.asked.borrow_mut().extend(keys);
    }

    /// Every key nobody asked for is a problem.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if !asked.contains(&name) {
                let near = asked.iter().min_by_key(|known| distance(known, name));
                let right = match near.filter(|known| distance(known, name) <= 3) {
                    Some(known) => format!("did you mean {known}?"),
                    None => format!("known here: {}", asked.join(", ")),
                };
                self.written
                    .problem(key.span(), &self.path(name), "is not a key", &right);
            }
        }
    }

    /// Reports something wrong with a key that was read, or with the section when the key is not there.
    pub fn complain(&self, key: &str, wrong: &str, right: &str) {
        self.complain_at(&self.spot(key), wrong, right);
    }

    /// Where a key's value stands, to complain about it when more is known.
    pub fn spot(&self, key: &str) -> Spot {
        let value = self.table.and_then(|table| table.get(key));
        Spot {
            span: value.map_or_else(|| self.span.clone(), Spanned::span),
            key: self.path(key),
        }
    }

    /// Reports something wrong in a place read earlier.
    pub fn complain_at(&self, spot: &Spot, wrong: &str, right: &str) {
        self.written
            .problem(spot.span.clone(), &spot.key, wrong, right);
    }

    fn below(&self, name: String, span: Range<usize>, table: Option<&'w DeTable<'t>>) -> Self {
        Self {
            written: self.written,
            name,
            span,
            table,
            asked: RefCell::default(),
        }
    }

    fn one<T, E: fmt::Display>(
        &self,
        value: &Spanned<DeValue<'t>>,
        key: &str,
        right: &str,
        read: &impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let DeValue::String(text) = value.get_ref() else {
            self.wrong(value, key, "is no text", right);
            return None;
        };
        match read(text) {
            Ok(meaning) => Some(meaning),
            Err(error) => {
                self.wrong(value, key, &error.to_string(), right);
                None
            }
        }
    }

    fn read_decimal(
        &self,
        value: &Spanned<DeValue<'t>>,
        key: &str,
        allowed: &std::ops::RangeInclusive<f64>,
    ) -> Option<f64> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => number.as_str().parse().ok(),
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            _ => None,
        };
        let fits = number.filter(|number| allowed.contains(number));
        if fits.is_none() {
            let right = format!("a number from {} to {}", allowed.start(), allowed.end());
            let wrong = if number.is_some() {
                "is not in range"
            } else {
                "is no number"
            };
            self.wrong(value, key, wrong, &right);
        }
        fits
    }

    fn value(&self, key: &'static str) -> Option<&'w Spanned<DeValue<'t>>> {
        self.asked.borrow_mut().push(key);
        self.table?.get(key)
    }

    fn wrong(&self, value: &Spanned<DeValue<'t>>, key: &str, wrong: &str, right: &str) {
        self.written
            .problem(value.span(), &self.path(key), wrong, right);
    }

    fn path(&self, key: &str) -> String {
        if key.is_empty() {
            self.name.clone()
        } else if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }
}

/// How many letters apart two words are (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let above = row[j + 1];
            let changed = diagonal + usize::from(from != *to);
            row[j + 1] = changed.min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_at_once_with_its_line() {
        let text = "name = 3\ncolour = \"red\"\n[box]\nsize = 99\nlid = \"maybe\"\nopen = 1\n";
        let written = Written::new(text);
        let table = written.parse();
        let root = Section::root(&written, table.get_ref());
        assert_eq!(root.string("name"), None);
        assert_eq!(
            root.text("color", "a colour", |text| Ok::<_, String>(text.len())),
            None
        );
        let section = root.section("box");
        assert_eq!(section.number("size", 0..=10), None);
        assert_eq!(
            section.text("lid", "on or off", |_| Err::<(), _>(
                "is neither on nor off"
            )),
            None
        );
        assert_eq!(section.flag("open"), None);
        section.finish();
        root.finish();
        let said: Vec<String> = written
            .into_problems()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            said,
            [
                "line 1, column 8: name: is no text (a text)",
                "line 2, column 1: colour: is not a key (did you mean color?)",
                "line 4, column 8: box.size: is not in range (a whole number from 0 to 10)",
                "line 5, column 7: box.lid: is neither on nor off (on or off)",
                "line 6, column 8: box.open: is neither true nor false (write true or false)",
            ]
        );
    }

    #[test]
    fn syntax_errors_do_not_hide_the_rest() {
        let written = Written::new("a = \nb = 1\nwrong = 2\n");
        let table = written.parse();
        let root = Section::root(&written, table.get_ref());
        assert_eq!(root.number("b", 0..=9), Some(1));
        root.number("a", 0..=9);
        root.finish();
        let lines: Vec<usize> = written
            .into_problems()
            .iter()
            .map(|problem| problem.line)
            .collect();
        assert!(lines.contains(&1) && lines.contains(&3), "{lines:?}");
    }
}
