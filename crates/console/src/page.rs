//! What every page knows: the visitor, their language, and how things are written for people.

use engine::{Author, Right};
use mail::verdict::Evidence;
use mail::{Fate, Level, Reason, Timestamp};

use crate::html::visible;
use crate::words::{Language, say};

/// Characters shown of a piece of evidence.
const EVIDENCE_MAX: usize = 48;

/// Whole numbers, however a template hands them over.
pub(crate) trait Whole {
    fn whole(&self) -> u64;
}

impl Whole for u32 {
    fn whole(&self) -> u64 {
        u64::from(*self)
    }
}

impl Whole for u64 {
    fn whole(&self) -> u64 {
        *self
    }
}

impl Whole for usize {
    fn whole(&self) -> u64 {
        *self as u64
    }
}

impl<T: Whole> Whole for &T {
    fn whole(&self) -> u64 {
        (*self).whole()
    }
}

/// The surroundings of a page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub language: Language,
    /// `auto`, `light` or `dark`.
    pub theme: &'static str,
    /// What forms bring along; empty before a login.
    pub csrf: String,
    pub author: Option<Author>,
    /// The path and query that is shown, for links that lead back.
    pub here: String,
    pub site_name: String,
    pub now: Timestamp,
    /// Something that just happened, to be told once: a key of words, and what it is about.
    pub notice: Option<(String, String)>,
}

impl Page {
    /// The words of a key.
    pub fn t<'k>(&self, key: &'k str) -> &'k str {
        say(self.language, key)
    }

    /// The words of a key with values put in: `{n}` by `("n", "5")`.
    pub fn fill(&self, key: &str, values: &[(&str, &str)]) -> String {
        let mut text = self.t(key).to_owned();
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    /// The words of a key with one number put in as `{n}`.
    pub fn count(&self, key: &str, number: impl Whole) -> String {
        self.fill(key, &[("n", &self.number(number))])
    }

    /// May the visitor do it? Only to leave out what would be refused anyway.
    pub fn may(&self, right: &str) -> bool {
        let right = match right {
            "records" => Right::SeeRecords,
            "quarantine" => Right::SeeQuarantine,
            "read" => Right::ReadHeld,
            "decide" => Right::DecideHeld,
            "allow" => Right::AllowSender,
            "policy" => Right::SeePolicy,
            "change-policy" => Right::ChangePolicy,
            "acts" => Right::SeeActs,
            "people" => Right::SeePeople,
            "change-people" => Right::ChangePeople,
            "decide-watched" => Right::DecideWatched,
            "lessons" => Right::SeeLessons,
            "teach-all" => Right::TeachAll,
            "recall" => Right::Recall,
            _ => Right::Approve,
        };
        self.author.as_ref().is_some_and(|author| author.may(right))
    }

    /// The visitor's name.
    pub fn who(&self) -> &str {
        self.author.as_ref().map_or("", |author| &author.who)
    }

    /// Is this section of the console the one that is shown?
    pub fn is_at(&self, start: &str) -> bool {
        let path = self.here.split('?').next().unwrap_or_default();
        path == start || (start != "/" && path.starts_with(&format!("{start}/")))
    }

    /// Where the choice of a language or theme leads back to.
    pub fn back(&self) -> &str {
        &self.here
    }

    /// Text from outside, with what is invisible made visible.
    pub fn safe(&self, text: &str) -> String {
        visible(text).replace(['\n', '\r', '\t'], " ")
    }

    /// The same, of something that may be missing.
    pub fn or_dash(&self, text: Option<&str>) -> String {
        text.filter(|text| !text.is_empty())
            .map_or_else(|| "–".to_owned(), |text| self.safe(text))
    }

    /// A sender; the null sender is `<>`.
    pub fn sender(&self, text: Option<&str>) -> String {
        text.filter(|text| !text.is_empty())
            .map_or_else(|| "<>".to_owned(), |text| self.safe(text))
    }

    /// A whole number with its thousands parted.
    pub fn number(&self, number: impl Whole) -> String {
        let digits = number.whole().to_string();
        let mut out = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                out.push('\u{202f}');
            }
            out.push(digit);
        }
        out
    }

    /// A score: one decimal.
    pub fn score(&self, score: &f64) -> String {
        format!("{score:.1}")
    }

    /// A part of 1 in per cent.
    pub fn whole_percent(&self, part: &f64) -> String {
        format!("{:.0} %", part * 100.0)
    }

    /// What a score adds, with its sign.
    pub fn signed(&self, score: &f64) -> String {
        format!("{score:+.1}").replace('-', "−")
    }

    /// Bytes for people.
    pub fn bytes(&self, bytes: &u64) -> String {
        let bytes = *bytes as f64;
        match bytes {
            b if b < 1024.0 => format!("{b:.0} B"),
            b if b < 1024.0 * 1024.0 => format!("{:.1} KiB", b / 1024.0),
            b if b < 1024.0 * 1024.0 * 1024.0 => format!("{:.1} MiB", b / 1024.0 / 1024.0),
            b => format!("{:.1} GiB", b / 1024.0 / 1024.0 / 1024.0),
        }
    }

    /// Microseconds as milliseconds.
    pub fn millis(&self, micros: &u64) -> String {
        format!("{:.1} ms", *micros as f64 / 1000.0)
    }

    /// A point in time, in UTC, to the second.
    pub fn time(&self, at: &Timestamp) -> String {
        at.to_string()
    }

    /// A point in time for a list: the hour today, the day otherwise.
    pub fn short_time(&self, at: &Timestamp) -> String {
        let (text, today) = (at.to_string(), self.now.to_string());
        match (text.get(..10), text.get(11..19), text.get(..16)) {
            (Some(day), Some(time), _) if today.starts_with(day) => time.to_owned(),
            (_, _, Some(minute)) => minute.to_owned(),
            _ => text,
        }
    }

    /// Machine-readable, for `<time datetime>`.
    pub fn iso(&self, at: &Timestamp) -> String {
        at.to_string().replace(' ', "T")
    }

    /// How far a point lies from now: `3 h`, `in 12 d`.
    pub fn ago(&self, at: &Timestamp) -> String {
        let secs = self.now.micros_since(*at) / 1_000_000;
        let (amount, unit) = match secs.abs() {
            s if s < 60 => (s, "time.s"),
            s if s < 3600 => (s / 60, "time.min"),
            s if s < 86_400 => (s / 3600, "time.h"),
            s => (s / 86_400, "time.d"),
        };
        let span = format!("{amount} {}", self.t(unit));
        let key = if secs >= 0 { "time.ago" } else { "time.ahead" };
        self.fill(key, &[("span", &span)])
    }

    /// How far the end of some days after a point lies from now.
    pub fn ago_after(&self, at: &Timestamp, days: &i64) -> String {
        self.ago(&at.plus_secs(days * 86_400))
    }

    /// The words of a fate.
    pub fn fate(&self, fate: &Fate) -> String {
        self.family("fate", fate.as_str())
    }

    /// The words of a level.
    pub fn level(&self, level: &Level) -> String {
        self.family("level", level.as_str())
    }

    /// The words of a level that is kept as text.
    pub fn level_text(&self, level: &str) -> String {
        self.family("level", level)
    }

    /// The words of a member of a family (`role`, `act`, `state`, …); its own name when it has none.
    pub fn family(&self, family: &str, name: &str) -> String {
        let key = format!("{family}.{}", name.replace('-', "_"));
        let words = say(self.language, &key);
        if words == key {
            self.safe(name)
        } else {
            words.to_owned()
        }
    }

    /// An action with its target.
    pub fn action(&self, action: &mail::Action) -> String {
        let words = self.family("action", action.as_str());
        match action {
            mail::Action::Redirect(target) => format!("{words} {}", self.safe(target.as_str())),
            _ => words,
        }
    }

    /// An action that is kept as text.
    pub fn action_text(&self, action: &str) -> String {
        self.family("action", action)
    }

    /// What a reason means: the console's words for what ships with the program, the policy's own otherwise.
    pub fn reason(&self, reason: &Reason) -> String {
        self.reason_text(&reason.name, &reason.text)
    }

    /// What was found. A long pattern is cut where its beginning tells enough; the policy has the whole.
    pub fn evidence(&self, evidence: &Evidence) -> String {
        let text = self.safe(&evidence.text);
        if evidence.place.is_none() || text.chars().count() <= EVIDENCE_MAX {
            return text;
        }
        let cut: String = text.chars().take(EVIDENCE_MAX).collect();
        format!("{cut}…”")
    }

    /// The same, of a name and its text.
    pub fn reason_text(&self, name: &str, text: &str) -> String {
        let key = format!("reason.{}", name.replace('-', "_"));
        match crate::words::find(self.language, &key) {
            Some(words) => words.to_owned(),
            None => self.safe(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page {
            language: Language::En,
            theme: "auto",
            csrf: String::new(),
            author: None,
            here: "/messages?to=a".into(),
            site_name: String::new(),
            now: Timestamp::from_secs(1_790_000_000),
            notice: None,
        }
    }

    #[test]
    fn numbers_times_and_sizes_as_people_write_them() {
        let p = page();
        assert_eq!(p.number(1_234_567_u64), "1\u{202f}234\u{202f}567");
        assert_eq!(p.number(12_u64), "12");
        assert_eq!(p.bytes(&1536), "1.5 KiB");
        assert_eq!(p.ago(&p.now.plus_secs(-7200)), "2 h ago");
        assert_eq!(p.ago(&p.now.plus_secs(3 * 86_400)), "in 3 d");
        assert_eq!(p.signed(&-2.0), "−2.0");
        assert_eq!(p.short_time(&p.now.plus_secs(-1)).len(), 8);
        assert_eq!(p.short_time(&p.now.plus_secs(-86_400 * 3)).len(), 16);
    }

    #[test]
    fn the_section_that_is_shown_is_known() {
        let p = page();
        assert!(p.is_at("/messages") && !p.is_at("/") && !p.is_at("/mess"));
    }
}
