//! Patterns over texts of one kind, and what they found while they run.

use super::{Hit, Rule, Seen, is_part};
use crate::conf::DetailTarget;
use crate::pattern::{Count, Pattern, Text};
use crate::sieve::{Joined, Sieve};
use crate::view::View;
use crate::view::header::Selector;
use crate::view::uri::{self, Uri};

/// What rules found in one message so far.
pub(super) struct Run<'r> {
    rules: &'r [Rule],
    /// By rule, as expressions see it.
    values: Vec<f64>,
    /// By rule, as points see it.
    times: Vec<usize>,
    evidence: Vec<String>,
    gave_up: Vec<bool>,
}

impl<'r> Run<'r> {
    pub(super) fn new(rules: &'r [Rule]) -> Self {
        Self {
            rules,
            values: vec![0.0; rules.len()],
            times: vec![0; rules.len()],
            evidence: vec![String::new(); rules.len()],
            gave_up: vec![false; rules.len()],
        }
    }

    pub(super) fn value(&self, rule: usize) -> f64 {
        self.values[rule]
    }

    /// A rule whose answer is a value: it counts once.
    pub(super) fn set(&mut self, rule: usize, value: f64, evidence: impl FnOnce() -> String) {
        self.times[rule] = 1;
        self.values[rule] = if value > 0.0 { value } else { 1.0 };
        self.keep(rule, evidence);
    }

    fn add(&mut self, rule: usize, times: usize, evidence: impl FnOnce() -> String) {
        if times == 0 {
            return;
        }
        self.times[rule] += times;
        self.values[rule] += times as f64;
        self.keep(rule, evidence);
    }

    /// Only the first is shown, and parts of others show nothing.
    fn keep(&mut self, rule: usize, evidence: impl FnOnce() -> String) {
        if self.evidence[rule].is_empty() && !is_part(&self.rules[rule].name) {
            self.evidence[rule] = evidence();
        }
    }

    /// How often the pattern matches; one that gave up is not tried again in this message.
    fn count(&mut self, rule: usize, pattern: &Pattern, text: &Text, most: usize) -> usize {
        if self.gave_up[rule] {
            return 0;
        }
        let Count { times, gave_up } = pattern.count(text, most);
        self.gave_up[rule] |= gave_up;
        times
    }

    pub(super) fn seen(self) -> Seen<'r> {
        let all = self.rules.iter().zip(self.times).zip(self.evidence);
        let hits = all.filter(|((_, times), _)| *times > 0);
        Seen {
            hits: hits
                .map(|((rule, times), evidence)| Hit {
                    rule: &rule.name,
                    description: &rule.description,
                    score: rule.score,
                    times,
                    stands: &rule.stands,
                    evidence,
                })
                .collect(),
            gave_up: self
                .rules
                .iter()
                .zip(self.gave_up)
                .filter(|(_, gave_up)| *gave_up)
                .map(|(rule, _)| rule.name.as_str())
                .collect(),
        }
    }
}

/// Patterns over one kind of text.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub members: Vec<Member>,
    pub sieve: Sieve,
}

#[derive(Debug)]
pub(super) struct Member {
    pub rule: usize,
    pub pattern: Pattern,
    pub hits_max: usize,
    /// Not on the first line, the subject.
    pub no_subject: bool,
}

impl Group {
    pub(super) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.members.iter().map(|member| &member.pattern)
    }

    /// Over texts; the first of them is the subject when `subject_first`.
    pub(super) fn run(&self, texts: &[&Text], subject_first: bool, run: &mut Run<'_>) {
        if self.members.is_empty() || texts.is_empty() {
            return;
        }
        let candidates = self.sieve.candidates(&Joined::new(texts));
        for (place, (text, candidates)) in texts.iter().zip(candidates).enumerate() {
            let is_subject = subject_first && place == 0;
            for number in candidates {
                let member = &self.members[number as usize];
                let left = member.hits_max.saturating_sub(run.times[member.rule]);
                if left == 0 || is_subject && member.no_subject {
                    continue;
                }
                let times = run.count(member.rule, &member.pattern, text, left);
                run.add(member.rule, times, || member.pattern.excerpt(text));
            }
        }
    }
}

/// Rules over what one selector gives.
#[derive(Debug)]
pub(super) struct FieldGroup {
    pub selector: Selector,
    /// Those with a pattern first, numbered as the sieve numbers them.
    pub members: Vec<FieldMember>,
    pub sieve: Sieve,
}

#[derive(Debug)]
pub(super) struct FieldMember {
    pub rule: usize,
    /// None: it asks whether there is one.
    pub pattern: Option<Pattern>,
    pub negated: bool,
    pub unset: Option<Text>,
    pub hits_max: usize,
}

impl FieldGroup {
    pub(super) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.members
            .iter()
            .filter_map(|member| member.pattern.as_ref())
    }

    pub(super) fn run(&self, value: Option<&Text>, run: &mut Run<'_>) {
        let nothing = Text::default();
        let text = value.unwrap_or(&nothing);
        let mut may_match = vec![false; self.members.len()];
        for number in self.sieve.candidates(&Joined::new(&[text])).concat() {
            may_match[number as usize] = true;
        }
        for (member, may_match) in self.members.iter().zip(may_match) {
            let Some(pattern) = &member.pattern else {
                run.add(member.rule, usize::from(value.is_some()), || text.shown());
                continue;
            };
            let (text, may_match) = match (&member.unset, value) {
                (Some(unset), None) => (unset, true),
                _ => (text, may_match),
            };
            let times = if may_match {
                run.count(member.rule, pattern, text, member.hits_max)
            } else {
                0
            };
            if member.negated {
                run.add(member.rule, usize::from(times == 0), || text.shown());
            } else {
                run.add(member.rule, times, || pattern.excerpt(text));
            }
        }
    }
}

/// A rule over a header field of each part.
#[derive(Debug)]
pub(super) struct MimeRule {
    pub rule: usize,
    pub name: String,
    pub raw: bool,
    pub negated: bool,
    pub pattern: Pattern,
    pub unset: Text,
    pub hits_max: usize,
}

impl MimeRule {
    pub(super) fn run(&self, view: &View, run: &mut Run<'_>) {
        for part in &view.mime.parts {
            let headers = &part.headers;
            let value = if self.name == "ALL" {
                Some(headers.all(self.raw).concat())
            } else if self.raw {
                headers.raw_values(&self.name).last().map(<[u8]>::to_vec)
            } else {
                let value = headers.last(&self.name);
                value.map(|value| format!("{value}\n").into_bytes())
            };
            let value = value.map(Text::new);
            let text = value.as_ref().unwrap_or(&self.unset);
            let times = run.count(self.rule, &self.pattern, text, self.hits_max);
            if times > 0 {
                if !self.negated {
                    run.add(self.rule, times, || self.pattern.excerpt(text));
                }
                return;
            }
        }
        run.add(self.rule, usize::from(self.negated), String::new);
    }
}

/// A rule over details of one link (`uri_detail`).
#[derive(Debug)]
pub(super) struct LinkRule {
    pub rule: usize,
    /// All of them must be so of the same link.
    pub details: Vec<(DetailTarget, bool, Pattern)>,
}

impl LinkRule {
    pub(super) fn run(&self, view: &View, run: &mut Run<'_>) {
        let all_hold = |link: &&Uri| {
            let mut details = self.details.iter();
            details.all(|(target, negated, pattern)| holds(link, *target, *negated, pattern))
        };
        if let Some(link) = view.uris.iter().find(all_hold) {
            run.set(self.rule, 1.0, || Text::from(link.raw.as_str()).shown());
        }
    }
}

fn holds(link: &Uri, target: DetailTarget, negated: bool, pattern: &Pattern) -> bool {
    let fits = |text: &str| pattern.is_match(&Text::from(text)) != negated;
    let hosts = || {
        let hosts = link.forms.iter().filter_map(|form| uri::host(form));
        hosts.filter(|host| uri::is_public(host) || host.parse::<std::net::Ipv4Addr>().is_ok())
    };
    match target {
        DetailTarget::Raw => fits(&link.raw),
        DetailTarget::Type => link.elements.iter().any(|element| fits(element)),
        DetailTarget::Cleaned => link.forms.iter().any(|form| fits(form)),
        DetailTarget::Text => link.shown.iter().any(|text| fits(text)),
        DetailTarget::Domain => hosts().any(|host| fits(&uri::registered(host))),
        DetailTarget::Host => hosts().any(|host| fits(&host.to_ascii_lowercase())),
    }
}
