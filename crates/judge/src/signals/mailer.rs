//! Signals about what the header says of the program that wrote it: programs leave whole sets of fields, those who imitate them half of one.

use mail::{Facts, Site};

fn says(facts: &Facts, name: &str) -> bool {
    facts.message.header(name).is_some()
}

/// Outlook Express and the mail programs of its house write `X-MimeOLE` wherever they write `X-MSMail-Priority`; senders of mass mail
/// copied the one and forgot the other (`SpamAssassin` knows it as `MISSING_MIMEOLE`).
pub(super) fn half_a_mailer(facts: &Facts, _: &Site) -> Option<String> {
    let message = &facts.message;
    if says(facts, "x-mimeole") {
        return None;
    }
    let express = message
        .header("x-mailer")
        .filter(|mailer| mailer.contains("Outlook Express"));
    let told = express.or_else(|| {
        message
            .header("x-msmail-priority")
            .map(|_| "X-MSMail-Priority")
    });
    told.map(|told| {
        let told: String = told.chars().take(60).collect();
        format!("{told} without X-MimeOLE")
    })
}

/// People's programs that set a priority also say who they are.
pub(super) fn priority_of_nobody(facts: &Facts, _: &Site) -> Option<String> {
    let known = ["x-mailer", "user-agent", "x-mimeole", "x-msmail-priority"];
    let is_known = known.iter().any(|name| says(facts, name));
    let priority = facts.message.header("x-priority").filter(|_| !is_known)?;
    let priority: String = priority.chars().take(20).collect();
    Some(format!("X-Priority: {priority}"))
}

/// Minutes and hours that are no zone on earth, or none at all: RFC 5322 §3.3 wants `+hhmm`.
pub(super) fn odd_zone(facts: &Facts, _: &Site) -> Option<String> {
    facts.message.date?;
    let written = facts.message.header("date")?;
    let date = written.split('(').next().unwrap_or_default().trim();
    let zone = date.rsplit(' ').next().unwrap_or_default();
    let odd = match zone.strip_prefix(['+', '-']) {
        Some(digits) => !is_offset(digits),
        // Old programs write names: GMT, EST, "Z".
        None => !zone.chars().all(|c| c.is_ascii_alphabetic()),
    };
    odd.then(|| written.chars().take(60).collect())
}

fn is_offset(digits: &str) -> bool {
    let parsed = digits.parse::<u32>();
    let Ok(number) = parsed else { return false };
    let (hours, minutes) = (number / 100, number % 100);
    digits.len() == 4 && hours <= 14 && matches!(minutes, 0 | 30 | 45)
}
