//! Rules: a condition and its effect.

use std::collections::HashSet;
use std::fmt;

use mail::{Action, Level};
use written::Section;

use super::actions::action;
use super::lists::name;
use crate::condition::Condition;
use crate::condition::read::{Mentioned, condition};

/// One rule of the site.
pub(crate) struct Rule {
    pub name: String,
    /// What it means, in plain words.
    pub text: String,
    pub enabled: bool,
    pub when: Condition,
    pub effect: Effect,
    /// Asked for each recipient alone, and holds for those it is true of.
    pub for_each_recipient: bool,
    /// Asked when the server asks about one recipient, before the text.
    pub at_recipient: bool,
}

/// What a rule does when its condition holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Effect {
    pub score: f64,
    pub level: Option<Level>,
    pub action: Option<Action>,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.score != 0.0 {
            parts.push(format!("{:+.1}", self.score));
        }
        parts.extend(
            self.level
                .map(|level| format!("at least {}", level.as_str())),
        );
        parts.extend(self.action.as_ref().map(ToString::to_string));
        f.write_str(&parts.join(", "))
    }
}

/// Reads `[[rules]]`.
pub(crate) fn read(root: &Section<'_, '_>, mentioned: &mut Mentioned) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut names = HashSet::new();
    for section in root.sections("rules") {
        if let Some(name) = section.string("name")
            && !names.insert(name)
        {
            section.complain("name", "stands twice", "another name");
        }
        rules.extend(one(&section, mentioned));
        section.finish();
    }
    rules
}

fn one(section: &Section<'_, '_>, mentioned: &mut Mentioned) -> Option<Rule> {
    let name = section.required("name", "a name", name);
    let text = section.string("reason").unwrap_or_default();
    let enabled = section.flag("enabled").unwrap_or(true);
    let when = if let Some(when) = section.maybe_section("when") {
        let read = condition(&when, mentioned);
        when.finish();
        read
    } else {
        section.complain(
            "when",
            "is missing",
            "when = { field = \"subject\", wildcard = \"*…*\" }",
        );
        None
    };
    let effect = Effect {
        score: section.decimal("score", -1000.0..=1000.0).unwrap_or(0.0),
        level: section.text("level", "\"suspicious\" or \"dangerous\"", level),
        action: section.text(
            "action",
            "accept, tag, defer, quarantine, discard, reject or redirect:ADDRESS",
            action,
        ),
    };
    let for_each_recipient = section.flag("for_each_recipient").unwrap_or(false);
    let at_recipient = section.text("at", "\"message\" or \"recipient\"", |at| match at {
        "message" => Ok(false),
        "recipient" => Ok(true),
        _ => Err("is neither message nor recipient"),
    });
    let at_recipient = at_recipient.unwrap_or(false);
    if effect.score == 0.0 && effect.level.is_none() && effect.action.is_none() {
        section.complain("name", "has no effect", "score, level or action");
    }
    let when = when?;
    if at_recipient {
        if !matches!(effect.action, Some(Action::Reject | Action::Defer))
            || effect.score != 0.0
            || effect.level.is_some()
        {
            section.complain(
                "at",
                "can only refuse one recipient",
                "action = \"reject\" or \"defer\", without score or level",
            );
        }
        if when.needs_text() {
            section.complain(
                "when",
                "asks about the message text, which is not there yet",
                "fields of the envelope and windows, or at = \"message\"",
            );
        }
    }
    Some(Rule {
        name: name?,
        text,
        enabled,
        when,
        effect,
        for_each_recipient,
        at_recipient,
    })
}

/// A level that a rule may demand.
pub(crate) fn level(text: &str) -> Result<Level, &'static str> {
    match text {
        "ordinary" => Ok(Level::Ordinary),
        "suspicious" => Ok(Level::Suspicious),
        "dangerous" => Ok(Level::Dangerous),
        _ => Err("is no level"),
    }
}
