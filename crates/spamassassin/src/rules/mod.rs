//! Rules, compiled and run.
//!
//! [`Rules::read`] makes them of texts, [`Rules::check`] runs them over a message: each text of it once, with all patterns that look at texts of that kind.

mod compile;
mod group;

use group::{FieldGroup, Group, LinkRule, MimeRule, Run};

use crate::conf::{Conf, LeftOut, Source};
use crate::eval::{Context, Function, Lists};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::meta::Expression;
use crate::pattern::{Pattern, Text};
use crate::view::View;
use crate::view::header::Selector;

/// Rules, ready to be run. Sharing them between threads is what they are for.
#[derive(Debug, Default)]
pub struct Rules {
    /// By name.
    all: Vec<Rule>,
    lines: Group,
    raw: Group,
    links: Group,
    full: Group,
    fields: Vec<FieldGroup>,
    mime: Vec<MimeRule>,
    details: Vec<LinkRule>,
    functions: Vec<(usize, Function, String)>,
    /// In an order in which each stands behind those it needs.
    metas: Vec<(usize, Expression<usize>)>,
    redirectors: Vec<Pattern>,
    lists: Lists,
}

/// What texts gave.
#[derive(Debug)]
pub struct Reading {
    /// The rules that can be run.
    pub rules: Rules,
    /// What cannot, and why, in the order of places.
    pub left_out: Vec<LeftOut>,
    /// From how many points on the texts call mail spam, when they say so.
    pub required_score: Option<f64>,
    /// The rules as one text that reads to the same, without what was left out.
    pub written: String,
}

/// One rule, as far as others need to know it.
#[derive(Debug)]
pub(crate) struct Rule {
    name: String,
    description: String,
    score: f64,
    stands: Stands,
}

/// What a rule looks at, and so where what it finds stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    /// In a header field of this name.
    Header(String),
    /// In the text.
    Text,
    /// In links.
    Link,
    /// In the message as a whole, or in other rules.
    Message,
}

/// A rule that hit.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit<'r> {
    /// Its name.
    pub rule: &'r str,
    /// What `describe` says of it; may be empty.
    pub description: &'r str,
    /// Points of one hit.
    pub score: f64,
    /// How often it counts; once, unless `tflags multiple` says otherwise.
    pub times: usize,
    /// Where what was found stands.
    pub stands: &'r Stands,
    /// What was found: the text that matched with a little around it, the rules that came together. Not for parts of others.
    pub evidence: String,
}

impl Hit<'_> {
    /// Is it only a part of other rules, without points of its own (`__NAME`)?
    #[must_use]
    pub fn is_part(&self) -> bool {
        is_part(self.rule)
    }
}

/// What rules say of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen<'r> {
    /// Rules that hit, in order of their names.
    pub hits: Vec<Hit<'r>>,
    /// Rules whose pattern went back too often in some text, and count as not matching there.
    pub gave_up: Vec<&'r str>,
}

impl Rules {
    /// Reads texts in order; of two lines for one rule the later holds.
    #[must_use]
    pub fn read(sources: &[Source]) -> Reading {
        let mut conf = Conf::read(sources);
        let rules = compile::rules(&mut conf);
        conf.left_out
            .sort_by(|one, other| one.place.cmp(&other.place));
        Reading {
            rules,
            written: conf.written(),
            required_score: conf.required_score,
            left_out: conf.left_out,
        }
    }

    /// All rules.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.all.len()
    }

    /// Are there none?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Rules that have points of their own.
    #[must_use]
    pub fn scored(&self) -> usize {
        self.names().filter(|name| !is_part(name)).count()
    }

    /// Names of all rules, with parts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|rule| rule.name.as_str())
    }

    /// What a rule of this name says of itself, and its points.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<(&str, f64)> {
        let place = self
            .all
            .binary_search_by(|rule| rule.name.as_str().cmp(name))
            .ok()?;
        let rule = &self.all[place];
        Some((&rule.description, rule.score))
    }

    /// How many patterns go back, and so run under a budget.
    #[must_use]
    pub fn budgeted(&self) -> usize {
        let groups = [&self.lines, &self.raw, &self.links, &self.full];
        let in_groups = groups.into_iter().flat_map(Group::patterns);
        let in_fields = self.fields.iter().flat_map(FieldGroup::patterns);
        in_groups
            .chain(in_fields)
            .filter(|pattern| pattern.goes_back())
            .count()
    }

    /// What the rules say of a message as it stands, with its header. Of a very long one, of its beginning.
    #[must_use]
    pub fn check(&self, message: &[u8]) -> Seen<'_> {
        let message = &message[..message.len().min(MESSAGE_BYTES_MAX)];
        let selectors: Vec<Selector> = self
            .fields
            .iter()
            .map(|group| group.selector.clone())
            .collect();
        let view = View::of(message, &self.redirectors, &selectors);
        let mut run = Run::new(&self.all);
        self.texts(&view, &mut run);
        for rule in &self.mime {
            rule.run(&view, &mut run);
        }
        for rule in &self.details {
            rule.run(&view, &mut run);
        }
        let context = Context::new(&view, &self.lists);
        for (rule, function, called) in &self.functions {
            let value = function.answer(&context);
            if value != 0.0 {
                run.set(*rule, value, || called.clone());
            }
        }
        for (rule, expression) in &self.metas {
            let value = expression.value(&|place: &usize| run.value(*place));
            if value != 0.0 {
                let because = self.because(expression, &run);
                run.set(*rule, value, || because);
            }
        }
        run.seen()
    }

    /// All patterns over all texts of their kind.
    fn texts<'t>(&self, view: &'t View, run: &mut Run<'_>) {
        let all = |texts: &'t [Text]| texts.iter().collect::<Vec<&'t Text>>();
        self.lines.run(&all(&view.lines), true, run);
        self.raw.run(&all(&view.raw_body), false, run);
        self.full.run(&[&view.full], false, run);
        let forms = view.uris.iter().flat_map(|link| &link.forms);
        let forms: Vec<Text> = forms.map(|form| Text::from(form.as_str())).collect();
        self.links
            .run(&forms.iter().collect::<Vec<_>>(), false, run);
        for group in &self.fields {
            group.run(view.selected(&group.selector), run);
        }
    }

    /// The rules of an expression that hit.
    fn because(&self, expression: &Expression<usize>, run: &Run<'_>) -> String {
        let mut places = Vec::new();
        expression.rules(&mut places);
        let mut names: Vec<&str> = places
            .into_iter()
            .filter(|place| run.value(**place) != 0.0)
            .map(|place| self.all[*place].name.as_str())
            .collect();
        names.dedup();
        names.join(", ")
    }
}

fn is_part(name: &str) -> bool {
    name.starts_with("__")
}

#[cfg(test)]
mod tests;
