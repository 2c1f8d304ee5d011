//! Examples a policy carries: messages that must come out one way, tried before it comes into force.

use mail::{Action, Address, Envelope, Facts, Level, Limits, Message, Site, Timestamp};
use written::Section;

use super::Policy;
use super::actions::action;
use super::rules::level;

/// One example.
pub(crate) struct Example {
    name: String,
    message: String,
    ip: Option<std::net::IpAddr>,
    envelope_from: Option<Address>,
    recipient: Address,
    level: Option<Level>,
    action: Option<Action>,
    fires: Vec<String>,
    silent: Vec<String>,
}

/// An example that came out otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The example's name.
    pub name: String,
    /// What was expected, and what came.
    pub what: String,
}

impl Example {
    /// Judges it; `Some` says what came out otherwise.
    pub(crate) fn failure(&self, policy: &Policy, limits: &Limits) -> Option<Failed> {
        let message = Message::read(self.message.as_bytes(), limits);
        // Its own day, or a fixed one: an example must come out the same whenever it is tried.
        let day = message.date.unwrap_or(Timestamp::from_secs(1_795_000_000));
        let mut envelope = Envelope::new(day, "example");
        envelope.peer.ip = self.ip;
        envelope.envelope_from = self.envelope_from.clone();
        envelope.recipients = vec![self.recipient.clone()];
        let mut hits = policy.scan(&message);
        hits.extend(policy.scan_imported(&message, self.message.as_bytes(), &envelope));
        let facts = Facts {
            hits,
            ..Facts::new(envelope, message)
        };
        let verdict = crate::judge(&facts, &Site::default(), policy, 0);
        let fired = |name: &String| verdict.reasons.iter().any(|reason| reason.name == *name);
        let mut wrong = Vec::new();
        if let Some(level) = self.level.filter(|level| *level != verdict.level) {
            wrong.push(format!(
                "level {} expected, {} came",
                level.as_str(),
                verdict.level.as_str()
            ));
        }
        if let Some(action) = self
            .action
            .as_ref()
            .filter(|action| **action != verdict.action)
        {
            wrong.push(format!("action {action} expected, {} came", verdict.action));
        }
        wrong.extend(
            self.fires
                .iter()
                .filter(|name| !fired(name))
                .map(|name| format!("{name} did not fire")),
        );
        wrong.extend(
            self.silent
                .iter()
                .filter(|name| fired(name))
                .map(|name| format!("{name} fired")),
        );
        let reasons: Vec<String> = verdict
            .reasons
            .iter()
            .map(|reason| format!("{} {:+.1}", reason.name, reason.score))
            .collect();
        (!wrong.is_empty()).then(|| Failed {
            name: self.name.clone(),
            what: format!(
                "{} (score {:.1}: {})",
                wrong.join(", "),
                verdict.score,
                reasons.join(", ")
            ),
        })
    }
}

/// Reads `[[examples]]`.
pub(crate) fn read(root: &Section<'_, '_>) -> Vec<Example> {
    root.sections("examples")
        .into_iter()
        .filter_map(one)
        .collect()
}

fn one(section: Section<'_, '_>) -> Option<Example> {
    let text = |text: &str| Ok::<_, String>(text.to_owned());
    let address = |text: &str| Address::new(text).ok_or("is no address");
    let name = section.required("name", "a sentence", text);
    let message = section.required("message", "a message: header, empty line, body", text);
    let ip = section.text("source_ip", "an address", str::parse);
    let envelope_from = section.text("envelope_from", "an address", address);
    let recipient = section.text("recipient", "an address", address);
    let level = section.text(
        "level",
        "\"ordinary\", \"suspicious\" or \"dangerous\"",
        level,
    );
    let action = section.text("action", "an action", action);
    let fires = section
        .texts("fires", "names of rules, sets or signals", text)
        .unwrap_or_default();
    let silent = section
        .texts("silent", "names of rules, sets or signals", text)
        .unwrap_or_default();
    if level.is_none() && action.is_none() && fires.is_empty() && silent.is_empty() {
        section.complain("name", "expects nothing", "level, action, fires or silent");
    }
    section.finish();
    Some(Example {
        name: name?,
        message: message?,
        ip,
        envelope_from,
        recipient: recipient.or_else(|| Address::new("someone@example.org"))?,
        level,
        action,
        fires,
        silent,
    })
}
