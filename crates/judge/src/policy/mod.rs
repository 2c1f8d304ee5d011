//! The policy: everything an administrator adjusts while the service runs, as one document.
//!
//! [`Policy::parse`] reads the text, says every problem at once with its line, and compiles what is good. The text
//! itself is what is stored, compared and exported; a [`Policy`] is its meaning and is never changed.

use std::collections::{HashMap, HashSet};

use mail::verdict::Outcome;
use mail::{
    Action, Address, Envelope, Facts, Hit, Level, Limits, Message, Reason, Timestamp, Verdict,
};
use written::{Section, Written};

use crate::condition::read::Mentioned;
use crate::condition::{Condition, Value};
use crate::scan::{Scanner, Wanted};
use crate::signals::SIGNALS;
use crate::standing::Settings;

mod actions;
mod examples;
mod imported;
mod learning;
mod lists;
mod phases;
mod rules;
mod sets;
mod standing;

pub(crate) use actions::Actions;
pub use actions::ReplyText;
pub use examples::Failed;
use imported::Imported;
pub(crate) use imported::{GAVE_UP, IMPORTED};
pub use learning::Learning;
pub(crate) use lists::List;
pub use phases::{Chosen, PhaseSettings, Thresholds as PhaseThresholds};
pub(crate) use rules::Rule;
pub(crate) use sets::KeywordSet;
pub use written::Problem;

/// Longest document, in keyword sets: bounds the automaton.
const TERMS_MAX: usize = 200_000;
/// Most imported rules that are named one by one where policies are compared.
const IMPORTED_NAMED_MAX: usize = 50;
/// Most distinct spans of windows; each costs memory per key.
const SPANS_MAX: usize = 4;

/// A policy, checked and compiled.
pub struct Policy {
    pub(crate) suspicious: f64,
    pub(crate) dangerous: f64,
    pub(crate) actions: Actions,
    pub(crate) rules: Vec<Rule>,
    pub(crate) sets: Vec<KeywordSet>,
    /// By signal, in the order of [`SIGNALS`].
    pub(crate) signal_weights: Vec<f64>,
    lists: HashMap<String, List>,
    pub(crate) scanner: Scanner,
    spans: Vec<u32>,
    tag: Tag,
    retention: Retention,
    standing: Settings,
    learning: Learning,
    hold_at_server: bool,
    examples: Vec<examples::Example>,
    imported: Imported,
}

/// Which headers say what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    header: String,
    ordinary: bool,
}

/// How many days of what are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Summaries of delivered mail.
    pub delivered_days: u32,
    /// Summaries of discarded mail.
    pub discarded_days: u32,
    /// Summaries of refused, deferred, failed and unscanned mail.
    pub refused_days: u32,
    /// Summaries of quarantined mail; held messages themselves follow `held_days`.
    pub quarantined_days: u32,
    /// Facts beside a record, for explanation and replay.
    pub facts_days: u32,
    /// Acts of administrators.
    pub acts_days: u32,
    /// Held messages nobody decided about.
    pub held_days: u32,
    /// What the learner saw of a message, so that a label that comes late teaches what was judged.
    pub sights_days: u32,
    /// Labels with what was learnt from them.
    pub lessons_days: u32,
}

/// A policy in figures, for `policy show`.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Where suspicious begins.
    pub suspicious: f64,
    /// Where dangerous begins.
    pub dangerous: f64,
    /// By level: what is done.
    pub actions: [Action; 3],
    /// Number of exceptions to that.
    pub exceptions: usize,
    /// Name, text and effect of each rule, and whether it is enabled.
    pub rules: Vec<(String, String, String, bool)>,
    /// Keyword and pattern sets with their number of terms.
    pub sets: Vec<(String, usize)>,
    /// Lists with their number of entries.
    pub lists: Vec<(String, usize)>,
    /// Signals with their weight.
    pub signals: Vec<(&'static str, f64, &'static str)>,
    /// Rules of SpamAssassin it carries, without those that are only parts of others.
    pub imported: usize,
    /// Number of examples it is tested by.
    pub examples: usize,
}

impl Policy {
    /// Reads a document. All problems at once, in the order of the text.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Vec<Problem>> {
        if text.len() > limits.policy_bytes_max {
            let wrong = format!("is {} bytes long", text.len());
            let right = format!(
                "at most {} (limits.policy_bytes_max)",
                limits.policy_bytes_max
            );
            return Err(vec![Problem {
                line: 1,
                column: 1,
                key: "policy".into(),
                wrong,
                right,
            }]);
        }
        let written = Written::new(text);
        let table = written.parse();
        let root = Section::root(&written, table.get_ref());
        let policy = Self::read(&root, limits);
        root.finish();
        let problems = written.into_problems();
        match (problems.is_empty(), policy) {
            (true, Some(policy)) => Ok(policy),
            (true, None) => Err(vec![Problem {
                line: 1,
                column: 1,
                key: String::new(),
                wrong: "cannot be read".into(),
                right: "please report this: no problem was named".into(),
            }]),
            (false, _) => Err(problems),
        }
    }

    fn read(root: &Section<'_, '_>, limits: &Limits) -> Option<Self> {
        let boundaries = root.section("boundaries");
        let suspicious = boundaries
            .decimal("suspicious", 0.1..=10_000.0)
            .unwrap_or(5.0);
        let dangerous = boundaries
            .decimal("dangerous", 0.1..=10_000.0)
            .unwrap_or(12.0);
        if dangerous <= suspicious {
            boundaries.complain(
                "dangerous",
                "is not above suspicious",
                "a higher score than boundaries.suspicious",
            );
        }
        boundaries.finish();

        let groups: HashMap<String, Vec<String>> =
            root.section("groups").lists().into_iter().collect();
        let actions = Actions::read(root, &groups);
        let (tag, hold_at_server, held_days) = read_handling(root);
        let retention = read_retention(root, held_days);
        let standing = standing::read(root);
        let learning = learning::read(root);

        let signal_weights = read_signals(root);
        let lists = lists::read(root);
        let sets = sets::read(root);
        let mut mentioned = Mentioned::default();
        let rules = rules::read(root, &mut mentioned);
        let examples = examples::read(root);
        let imported = Imported::read(root, &mentioned.imported, limits);

        check_names(root, &lists, &sets, &mentioned);
        let spans = spans(root, &rules);
        let mut terms = mentioned.terms;
        let mut patterns = mentioned.patterns;
        for set in &sets {
            for (term, _) in &set.terms {
                let wanted = Wanted {
                    set: set.name.clone(),
                    term: term.clone(),
                    places: set.places.clone(),
                    whole_words: set.whole_words,
                };
                match &set.patterns {
                    None => terms.push(wanted),
                    Some(regexes) => patterns.extend(
                        regexes
                            .iter()
                            .find(|regex| regex.as_str() == term)
                            .map(|regex| (wanted, regex.clone())),
                    ),
                }
            }
        }
        if terms.len() > TERMS_MAX {
            root.complain(
                "keyword_sets",
                "hold too many terms",
                "at most 200,000 in all",
            );
            return None;
        }
        let scanner = match Scanner::new(terms, patterns, limits) {
            Ok(scanner) => scanner,
            Err(wrong) => {
                root.complain("keyword_sets", &wrong, "fewer or other terms");
                return None;
            }
        };
        Some(Self {
            suspicious,
            dangerous,
            actions,
            rules,
            sets,
            signal_weights,
            lists,
            scanner,
            spans,
            tag,
            retention,
            standing,
            learning,
            hold_at_server,
            examples,
            imported,
        })
    }

    /// Finds the policy's terms and patterns in a message.
    pub fn scan(&self, message: &Message) -> Vec<Hit> {
        self.scanner.scan(message)
    }

    /// Runs the rules of SpamAssassin it carries over a message, as its bytes came with this envelope.
    pub fn scan_imported(&self, message: &Message, raw: &[u8], envelope: &Envelope) -> Vec<Hit> {
        self.imported.scan(message, raw, envelope)
    }

    /// The window lengths its rules ask about, seconds, ascending.
    pub fn spans(&self) -> &[u32] {
        &self.spans
    }

    /// How long things are kept.
    pub const fn retention(&self) -> Retention {
        self.retention
    }

    /// What follows from how a domain's mail is signed.
    pub const fn standing(&self) -> &Settings {
        &self.standing
    }

    /// What the learner's opinion is worth.
    pub const fn learning(&self) -> &Learning {
        &self.learning
    }

    /// Are messages held in the mail server's queue instead of our quarantine?
    pub const fn holds_at_server(&self) -> bool {
        self.hold_at_server
    }

    /// The reply to the sending side for [`Action::Reject`] or [`Action::Defer`].
    pub const fn reply(&self, action: &Action) -> &ReplyText {
        self.actions.reply(action)
    }

    /// The headers to add to a message that is delivered: when it is tagged for somebody, when the policy wants them always, or when `marked`.
    pub fn trace_headers(&self, verdict: &Verdict, marked: bool) -> Vec<(String, String)> {
        let tagged = |outcome: &Outcome| outcome.action == Action::Tag;
        if !marked && !self.tag.ordinary && !verdict.outcomes.iter().any(tagged) {
            return Vec::new();
        }
        let named = verdict
            .reasons
            .iter()
            .filter(|reason| reason.score != 0.0 || reason.demands.is_some());
        let names: Vec<String> = named
            .take(8)
            .map(|reason| format!("{}={:.1}", reason.name, reason.score))
            .collect();
        let names = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(" ")
        };
        let value = format!(
            "{}, score={:.1}, reasons={names}",
            verdict.level.as_str(),
            verdict.score,
        );
        vec![(self.tag.header.clone(), value)]
    }

    /// The name of the header that trace headers use; a message from outside must not bring its own.
    pub fn trace_header(&self) -> &str {
        &self.tag.header
    }

    /// Judges the examples the policy carries; those that come out otherwise than it says.
    pub fn failed_examples(&self, limits: &Limits) -> Vec<Failed> {
        self.examples
            .iter()
            .filter_map(|example| example.failure(self, limits))
            .collect()
    }

    /// What it says, in figures.
    pub fn summary(&self) -> Summary {
        Summary {
            suspicious: self.suspicious,
            dangerous: self.dangerous,
            actions: [Level::Ordinary, Level::Suspicious, Level::Dangerous]
                .map(|level| self.actions.usual(level).clone()),
            exceptions: self.actions.exceptions(),
            rules: self
                .rules
                .iter()
                .map(|rule| {
                    (
                        rule.name.clone(),
                        rule.text.clone(),
                        rule.effect.to_string(),
                        rule.enabled,
                    )
                })
                .collect(),
            sets: self
                .sets
                .iter()
                .map(|set| (set.name.clone(), set.terms.len()))
                .collect(),
            lists: self
                .lists
                .iter()
                .map(|(name, list)| (name.clone(), list.len()))
                .collect(),
            signals: SIGNALS
                .iter()
                .zip(&self.signal_weights)
                .map(|(signal, weight)| (signal.id, *weight, signal.text))
                .collect(),
            imported: self.imported.scored(),
            examples: self.examples.len(),
        }
    }

    /// The level of a score.
    pub(crate) fn level(&self, score: f64) -> Level {
        if score >= self.dangerous {
            Level::Dangerous
        } else if score >= self.suspicious {
            Level::Suspicious
        } else {
            Level::Ordinary
        }
    }

    /// What a keyword set's hits weigh together.
    pub(crate) fn keyword_weight(&self, set: &str, hits: &[&Hit]) -> f64 {
        self.sets
            .iter()
            .find(|known| known.name == set)
            .map_or(0.0, |known| known.weigh(hits))
    }

    /// Imported rules that `old` did not carry, as `(set, rule)`; of very many, their number.
    pub(crate) fn new_imported(&self, old: &Self) -> Vec<(String, String)> {
        let known: HashSet<&str> = old.imported.names().collect();
        let new = self.imported.names();
        let new: Vec<&str> = new.filter(|name| !known.contains(name)).collect();
        let named = |term: String| (IMPORTED.to_owned(), term);
        if new.len() > IMPORTED_NAMED_MAX {
            return vec![named(format!("{} rules", new.len()))];
        }
        new.into_iter().map(|name| named(name.to_owned())).collect()
    }

    /// What the imported rules that hit add, each with its reason.
    pub(crate) fn imported_reasons(&self, facts: &Facts) -> Vec<Reason> {
        self.imported.reasons(facts)
    }

    /// The points of the imported rules that hit, as their authors count.
    pub(crate) fn imported_points(&self, facts: &Facts) -> f64 {
        self.imported.points(facts)
    }

    /// The entry of a list that holds this value now, as written.
    pub(crate) fn list_holds(&self, list: &str, value: &Value<'_>, now: Timestamp) -> Option<&str> {
        self.lists.get(list)?.holds(value, now)
    }

    /// The entry of a list of senders that allows this mail for all of these recipients, as written.
    pub(crate) fn sender_in(
        &self,
        list: &str,
        facts: &Facts,
        recipients: &[Address],
    ) -> Option<&str> {
        self.lists.get(list)?.sender(facts, recipients)
    }
}

fn read_handling(root: &Section<'_, '_>) -> (Tag, bool, u32) {
    let tag = root.section("tag");
    let header = tag.text(
        "header",
        "a header name such as \"X-Mailvigil\"",
        header_name,
    );
    let ordinary = tag.flag("ordinary").unwrap_or(false);
    tag.finish();
    let quarantine = root.section("quarantine");
    let days = quarantine.number("expire_days", 1..=3650).unwrap_or(30) as u32;
    let place = quarantine.text("place", "\"store\" or \"server\"", |place| match place {
        "store" => Ok(false),
        "server" => Ok(true),
        _ => Err("is no place to hold mail"),
    });
    quarantine.finish();
    let header = header.unwrap_or_else(|| "X-Mailvigil".to_owned());
    (Tag { header, ordinary }, place.unwrap_or(false), days)
}

fn header_name(text: &str) -> Result<String, &'static str> {
    let good = !text.is_empty()
        && text.len() <= 60
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    good.then(|| text.to_owned())
        .ok_or("is no header name of letters, digits and '-'")
}

fn read_retention(root: &Section<'_, '_>, held_days: u32) -> Retention {
    let section = root.section("retention");
    let days = |key, usual| {
        section
            .number(key, 1..=36_500)
            .map_or(usual, |days| days as u32)
    };
    let retention = Retention {
        delivered_days: days("delivered_days", 30),
        discarded_days: days("discarded_days", 90),
        refused_days: days("refused_days", 30),
        quarantined_days: days("quarantined_days", 90),
        facts_days: days("facts_days", 14),
        acts_days: days("acts_days", 730),
        held_days,
        sights_days: days("sights_days", 7),
        lessons_days: days("lessons_days", 400),
    };
    section.finish();
    retention
}

fn read_signals(root: &Section<'_, '_>) -> Vec<f64> {
    let known = |name: &str| {
        let known = SIGNALS.iter().any(|signal| signal.id == name);
        if known {
            Ok(())
        } else {
            Err("see `mailvigil policy show` for the names of signals".to_owned())
        }
    };
    let written: HashMap<String, f64> = root
        .section("signals")
        .decimals(-100.0..=100.0, known)
        .into_iter()
        .collect();
    SIGNALS
        .iter()
        .map(|signal| written.get(signal.id).copied().unwrap_or(signal.weight))
        .collect()
}

/// Every list and set that a rule names must be there.
fn check_names(
    root: &Section<'_, '_>,
    lists: &HashMap<String, List>,
    sets: &[KeywordSet],
    mentioned: &Mentioned,
) {
    for (list, spot) in &mentioned.lists {
        if !lists.contains_key(list) {
            let mut known: Vec<&str> = lists.keys().map(String::as_str).collect();
            known.sort_unstable();
            root.complain_at(
                spot,
                &format!("{list:?} is no list"),
                &format!("a name from [[lists]]: {}", known.join(", ")),
            );
        }
    }
    for (list, spot, of_senders) in &mentioned.list_kinds {
        if let Some(known) = lists.get(list)
            && known.is_of_senders() != *of_senders
        {
            let (wrong, right) = if *of_senders {
                ("is no list of senders", "a list with kind = \"sender\"")
            } else {
                (
                    "is a list of senders",
                    "{ sender_in = \"…\" } instead of in_list",
                )
            };
            root.complain_at(spot, &format!("{list:?} {wrong}"), right);
        }
    }
    for (set, spot) in &mentioned.sets {
        if !sets.iter().any(|known| known.name == *set) {
            let known: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
            root.complain_at(
                spot,
                &format!("{set:?} is no set"),
                &format!(
                    "a name from [[keyword_sets]] or [[pattern_sets]]: {}",
                    known.join(", ")
                ),
            );
        }
    }
}

fn spans(root: &Section<'_, '_>, rules: &[Rule]) -> Vec<u32> {
    let mut spans = Vec::new();
    for rule in rules.iter().filter(|rule| rule.enabled) {
        rule.when.walk(&mut |condition| {
            if let Condition::Window { span_secs, .. } = condition
                && !spans.contains(span_secs)
            {
                spans.push(*span_secs);
            }
        });
    }
    spans.sort_unstable();
    if spans.len() > SPANS_MAX {
        root.complain(
            "rules",
            &format!("ask about {} different window lengths", spans.len()),
            "at most 4 different `within` values of windows",
        );
    }
    spans
}
