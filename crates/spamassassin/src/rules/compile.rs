//! What rule texts say, made ready to run; and what cannot be, with its reason.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::group::{FieldGroup, FieldMember, LinkRule, Member, MimeRule};
use super::{Rule, Rules, Stands};
use crate::conf::{Conf, Kind, Reason, Test};
use crate::eval::{Function, Lists};
use crate::meta::Expression;
use crate::pattern::{Pattern, Text};
use crate::sieve::Sieve;
use crate::view::header::Selector;

/// What one rule tests, compiled. Rules get their number only when it is known which of them stay.
pub(super) enum Compiled {
    Text(Kind, Member),
    Field(Selector, FieldMember),
    Mime(MimeRule),
    Link(LinkRule),
    Function(Function, String),
    Meta(Expression),
}

/// Compiles all that can be; of the rest, the configuration notes why not.
pub(super) fn rules(conf: &mut Conf) -> Rules {
    let mut missing = BTreeMap::new();
    let compiled = tests(conf, &mut missing);
    let (compiled, order) = in_order(conf, compiled, &mut missing);
    let mut rules = assembled(conf, compiled, &order);
    lists(conf, &mut rules);
    rules
}

/// Each rule's test. `missing` gets those left out by name, with whether others then cannot be known either: what asks servers or learns
/// counts as silent, as it does when SpamAssassin runs without them.
fn tests(conf: &mut Conf, missing: &mut BTreeMap<String, bool>) -> BTreeMap<String, Compiled> {
    let mut compiled = BTreeMap::new();
    for (name, rule) in std::mem::take(&mut conf.rules) {
        if conf.score(&name) == 0.0 {
            // Switched off by whoever wrote the rules.
            continue;
        }
        match test(conf, &name, &rule.test) {
            Ok(test) => {
                compiled.insert(name.clone(), test);
                conf.rules.insert(name, rule);
            }
            Err(reason) => {
                let unknown = !matches!(reason, Reason::Network | Reason::Learning);
                conf.leave_out(rule.place, &name, reason);
                missing.insert(name, unknown);
            }
        }
    }
    compiled
}

fn test(conf: &Conf, name: &str, test: &Test) -> Result<Compiled, Reason> {
    let flags = conf.flags_of(name);
    let hits_max = flags.hits_max();
    let compile = |pattern: &str| Pattern::delimited(pattern.as_bytes()).map_err(Reason::Pattern);
    let text = |text: &String| Text::from(text.as_str());
    if let (Test::MimeHeader { .. }, Some(flag)) = (test, flags.of_parts()) {
        return Err(Reason::Flag(flag.to_owned()));
    }
    Ok(match test {
        Test::Meta(_, expression) => Compiled::Meta(expression.clone()),
        Test::Pattern(kind, pattern) => Compiled::Text(
            *kind,
            Member {
                rule: 0,
                pattern: compile(pattern)?,
                hits_max,
                no_subject: flags.has("nosubject"),
            },
        ),
        Test::Header {
            selector,
            negated,
            pattern,
            unset,
            ..
        } => Compiled::Field(
            selector.clone(),
            FieldMember {
                rule: 0,
                pattern: pattern.as_deref().map(compile).transpose()?,
                negated: *negated,
                unset: unset.as_ref().map(text),
                hits_max: if *negated { 1 } else { hits_max },
            },
        ),
        Test::MimeHeader {
            name,
            raw,
            negated,
            pattern,
            unset,
        } => Compiled::Mime(MimeRule {
            rule: 0,
            name: name.clone(),
            raw: *raw,
            negated: *negated,
            pattern: compile(pattern)?,
            unset: text(unset),
            hits_max,
        }),
        Test::UriDetail(details) => Compiled::Link(LinkRule {
            rule: 0,
            details: details
                .iter()
                .map(|detail| Ok((detail.target, detail.negated, compile(&detail.pattern)?)))
                .collect::<Result<_, Reason>>()?,
        }),
        Test::Call(..) if flags.has("net") => return Err(Reason::Network),
        Test::Call(..) if flags.has("learn") => return Err(Reason::Learning),
        Test::Call(_, call) => Compiled::Function(Function::compile(call)?, call.written()),
    })
}

/// Leaves out metas that need what is not known, and gives an order of the others in which each stands behind those it needs.
fn in_order(
    conf: &mut Conf,
    mut compiled: BTreeMap<String, Compiled>,
    missing: &mut BTreeMap<String, bool>,
) -> (BTreeMap<String, Compiled>, Vec<String>) {
    let mut order = Vec::new();
    let mut waiting: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, test) in &compiled {
        if let Compiled::Meta(expression) = test {
            let mut needs = Vec::new();
            expression.rules(&mut needs);
            waiting.insert(name.clone(), needs.into_iter().cloned().collect());
        }
    }
    loop {
        let mut done = Vec::new();
        for (name, needs) in &waiting {
            let unknown = needs.iter().find(|name| missing.get(*name) == Some(&true));
            if unknown.is_some() || !needs.iter().any(|name| waiting.contains_key(name)) {
                done.push((name.clone(), unknown.cloned()));
            }
        }
        if done.is_empty() {
            break;
        }
        for (name, unknown) in done {
            waiting.remove(&name);
            match unknown {
                None => order.push(name),
                Some(unknown) => {
                    compiled.remove(&name);
                    leave_out(conf, &name, Reason::Needs(unknown));
                    missing.insert(name, true);
                }
            }
        }
    }
    for name in waiting.into_keys() {
        compiled.remove(&name);
        leave_out(conf, &name, Reason::Malformed("it needs itself".into()));
    }
    (compiled, order)
}

fn leave_out(conf: &mut Conf, name: &str, reason: Reason) {
    if let Some(rule) = conf.rules.remove(name) {
        conf.leave_out(rule.place, name, reason);
    }
}

/// Numbers the rules, by name, and puts each to those that look at the same.
fn assembled(conf: &mut Conf, compiled: BTreeMap<String, Compiled>, order: &[String]) -> Rules {
    let places: HashMap<String, usize> = compiled.keys().cloned().zip(0..).collect();
    let mut rules = Rules::default();
    let mut fields: BTreeMap<Selector, Vec<FieldMember>> = BTreeMap::new();
    let mut metas: HashMap<String, Expression<usize>> = HashMap::new();
    for (number, (name, compiled)) in compiled.into_iter().enumerate() {
        let mut stands = Stands::Message;
        match compiled {
            Compiled::Text(kind, mut member) => {
                member.rule = number;
                let group = match kind {
                    Kind::Body => &mut rules.lines,
                    Kind::RawBody => &mut rules.raw,
                    Kind::Uri => &mut rules.links,
                    Kind::Full | Kind::Header => &mut rules.full,
                };
                group.members.push(member);
                stands = match kind {
                    Kind::Uri => Stands::Link,
                    _ => Stands::Text,
                };
            }
            Compiled::Field(selector, mut member) => {
                member.rule = number;
                stands = Stands::Header(selector.name.clone());
                fields.entry(selector).or_default().push(member);
            }
            Compiled::Mime(mut rule) => {
                rule.rule = number;
                stands = Stands::Header(rule.name.clone());
                rules.mime.push(rule);
            }
            Compiled::Link(mut rule) => {
                rule.rule = number;
                stands = Stands::Link;
                rules.details.push(rule);
            }
            Compiled::Function(function, called) => {
                rules.functions.push((number, function, called));
            }
            Compiled::Meta(expression) => {
                let placed = expression.placed(&|name| places.get(name).copied());
                metas.insert(name.clone(), placed);
            }
        }
        rules.all.push(Rule {
            description: conf.descriptions.get(&name).cloned().unwrap_or_default(),
            score: conf.score(&name),
            stands,
            name,
        });
    }
    let placed = order.iter().filter_map(|name| metas.remove_entry(name));
    rules.metas = placed
        .map(|(name, expression)| (places[&name], expression))
        .collect();
    sieves(conf, &mut rules, fields);
    rules
}

fn sieves(conf: &mut Conf, rules: &mut Rules, fields: BTreeMap<Selector, Vec<FieldMember>>) {
    for group in [
        &mut rules.lines,
        &mut rules.raw,
        &mut rules.links,
        &mut rules.full,
    ] {
        group.sieve = sieve(conf, group.patterns());
    }
    for (selector, mut members) in fields {
        members.sort_by_key(|member| member.pattern.is_none());
        let mut group = FieldGroup {
            selector,
            members,
            sieve: Sieve::default(),
        };
        group.sieve = sieve(conf, group.patterns());
        rules.fields.push(group);
    }
}

fn sieve<'p>(conf: &mut Conf, patterns: impl Iterator<Item = &'p Pattern>) -> Sieve {
    let patterns: Vec<&Pattern> = patterns.collect();
    Sieve::new(&patterns).unwrap_or_else(|error| {
        conf.leave_out(crate::Place::default(), "patterns", Reason::Pattern(error));
        Sieve::default()
    })
}

/// What functions and links are held against.
fn lists(conf: &mut Conf, rules: &mut Rules) {
    for text in std::mem::take(&mut conf.redirectors) {
        match Pattern::delimited(text.as_bytes()) {
            Ok(pattern) => {
                rules.redirectors.push(pattern);
                conf.redirectors.push(text);
            }
            Err(error) => conf.leave_out(
                crate::Place::default(),
                "redirector_pattern",
                Reason::Pattern(error),
            ),
        }
    }
    let (globbed, plain): (Vec<&String>, Vec<&String>) = conf
        .freemail_domains
        .iter()
        .partition(|domain| domain.contains(['*', '?']));
    let listed = |entries: &Vec<String>| entries.iter().cloned().collect::<BTreeSet<String>>();
    rules.lists = Lists {
        freemail: plain.into_iter().cloned().collect(),
        freemail_globs: globs(globbed.into_iter(), "[^.]*"),
        hosts: conf
            .host_lists
            .iter()
            .map(|(list, hosts)| (list.clone(), listed(hosts)))
            .collect(),
        addresses: conf
            .address_lists
            .iter()
            .filter_map(|(list, entries)| Some((list.clone(), globs(entries.iter(), ".*")?)))
            .collect(),
    };
}

/// One pattern for names with `*` and `?`. What a `*` stands for differs: in `freemail_domains` it ends at a dot, in lists of addresses it does not.
fn globs<'g>(globs: impl Iterator<Item = &'g String>, star: &str) -> Option<Pattern> {
    let escaped = |c: char| match c {
        '*' => star.to_owned(),
        '?' => ".".to_owned(),
        c if c.is_ascii_alphanumeric() => c.to_string(),
        c => format!("\\{c}"),
    };
    let parts: Vec<String> = globs
        .map(|glob| glob.chars().map(escaped).collect())
        .collect();
    let pattern = format!("^(?:{})$", parts.join("|"));
    (!parts.is_empty())
        .then(|| Pattern::new(pattern.as_bytes(), b"i").ok())
        .flatten()
}
