//! The functions that rules call (`eval:`): what SpamAssassin's own plugins find out without asking anybody.
//!
//! Each answers how often it is so; most know only once and never. The names are SpamAssassin's, so that its manual holds here too.

mod address;
mod date;
mod field;
mod forged;
mod image;
mod link;
mod page;
mod part;
mod relay;
mod text;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::conf::{Call, Reason};
use crate::pattern::Pattern;
use crate::view::View;

/// A constant expression, compiled once.
macro_rules! pattern {
    ($text:expr) => {{
        #[allow(clippy::expect_used, reason = "a constant, compiled by the tests")]
        static PATTERN: std::sync::LazyLock<regex::Regex> =
            std::sync::LazyLock::new(|| regex::Regex::new($text).expect("a constant"));
        &*PATTERN
    }};
}
pub(crate) use pattern;

/// What rules list beside themselves.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub freemail: HashSet<String>,
    pub freemail_globs: Option<Pattern>,
    pub hosts: BTreeMap<String, BTreeSet<String>>,
    pub addresses: BTreeMap<String, Pattern>,
}

/// A message and what was found out about it so far.
pub(crate) struct Context<'m> {
    pub view: &'m View,
    pub lists: &'m Lists,
    counts: OnceCell<part::Counts>,
    difference: OnceCell<text::Difference>,
    images: OnceCell<image::Images>,
    date_difference: OnceCell<i64>,
    body_addresses: OnceCell<Option<Vec<String>>>,
}

impl<'m> Context<'m> {
    pub(crate) const fn new(view: &'m View, lists: &'m Lists) -> Self {
        Self {
            view,
            lists,
            counts: OnceCell::new(),
            difference: OnceCell::new(),
            images: OnceCell::new(),
            date_difference: OnceCell::new(),
            body_addresses: OnceCell::new(),
        }
    }
}

/// What stands in the parentheses, patterns compiled.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    texts: Vec<String>,
    pattern: Option<Pattern>,
}

impl Arguments {
    fn text(&self, at: usize) -> &str {
        self.texts.get(at).map_or("", String::as_str)
    }

    /// A bound; `undef`, `inf` and nothing are none.
    fn bound(&self, at: usize) -> Option<f64> {
        let text = self.texts.get(at)?.trim();
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn number(&self, at: usize) -> f64 {
        self.bound(at).unwrap_or(0.0)
    }

    /// Is a number in `(min, max]`, or above the only bound?
    fn holds(&self, at: usize, number: f64) -> bool {
        number > self.number(at) && self.bound(at + 1).is_none_or(|max| number <= max)
    }
}

type Answer = fn(&Context<'_>, &Arguments) -> f64;

/// A function with its arguments, ready to be called.
#[derive(Debug)]
pub(crate) struct Function {
    answer: Answer,
    arguments: Arguments,
}

impl Function {
    /// Finds the function.
    pub(crate) fn compile(call: &Call) -> Result<Self, Reason> {
        let name = call.function.as_str();
        let answer = find(name).ok_or_else(|| missing(name))?;
        let mut arguments = Arguments {
            texts: call.arguments.clone(),
            pattern: None,
        };
        let place = match name {
            "check_freemail_header" | "html_text_match" | "html_text_not_match" => Some(1),
            "check_freemail_from" | "check_freemail_body" | "image_name_regex" => Some(0),
            _ => None,
        };
        if let Some(text) = place.and_then(|place| arguments.texts.get(place)) {
            let delimited = text.starts_with('/') || text.starts_with("m{");
            let pattern = if delimited {
                Pattern::delimited(text.as_bytes())
            } else {
                Pattern::new(text.as_bytes(), b"")
            };
            arguments.pattern = Some(pattern.map_err(Reason::Pattern)?);
        }
        Ok(Self { answer, arguments })
    }

    /// How often it is so.
    pub(crate) fn answer(&self, context: &Context<'_>) -> f64 {
        (self.answer)(context, &self.arguments)
    }
}

/// Why a function is none of these.
fn missing(name: &str) -> Reason {
    const ELSEWHERE: &[&str] = &[
        "check_rbl",
        "check_dns",
        "check_uridnsbl",
        "check_dkim",
        "check_for_dkim",
        "check_for_def_dkim",
        "check_spf",
        "check_for_spf",
        "check_for_def_spf",
        "check_arc",
        "check_dmarc",
        "check_pyzor",
        "check_razor2",
        "check_dcc",
        "check_hashbl",
        "check_asn",
        "short_url",
    ];
    const LEARNING: &[&str] = &[
        "check_bayes",
        "check_from_in_auto",
        "check_senders_reputation",
    ];
    if ELSEWHERE.iter().any(|start| name.starts_with(start)) {
        Reason::Network
    } else if LEARNING.iter().any(|start| name.starts_with(start)) {
        Reason::Learning
    } else {
        Reason::Function(name.to_owned())
    }
}

fn find(name: &str) -> Option<Answer> {
    let chapters = [
        address::find as fn(&str) -> Option<Answer>,
        date::find,
        field::find,
        forged::find,
        image::find,
        link::find,
        page::find,
        part::find,
        relay::find,
        text::find,
    ];
    chapters.iter().find_map(|chapter| chapter(name))
}

/// Once, or never.
fn yes(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}
