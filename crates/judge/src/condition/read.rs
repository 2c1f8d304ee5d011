//! From TOML tables to conditions; every mistake named with its line.

use ipnet::IpNet;
use mail::Place;
use regex::{Regex, RegexBuilder};
use written::{Entry, Section, Spot};

use super::{Condition, Count, Field, KeyKind, Test};
use crate::scan::{INLINE, Places, Wanted};
use crate::signals::SIGNALS;
use crate::wildcard::Wildcard;

/// Deepest nesting of conditions.
const DEPTH_MAX: usize = 16;
/// Largest compiled size of one pattern, bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// What conditions mention and the policy must know or look for.
#[derive(Default)]
pub(crate) struct Mentioned {
    /// Names of lists, and where.
    pub lists: Vec<(String, Spot)>,
    /// Names of lists, where, and whether a list of senders is wanted there.
    pub list_kinds: Vec<(String, Spot, bool)>,
    /// Names of keyword or pattern sets, and where.
    pub sets: Vec<(String, Spot)>,
    /// Terms that stand in rules.
    pub terms: Vec<Wanted>,
    /// Patterns that stand in rules.
    pub patterns: Vec<(Wanted, Regex)>,
    /// Names of imported rules, and where.
    pub imported: Vec<(String, Spot)>,
}

/// Reads one condition. `None` when something in it is wrong (and said).
pub(crate) fn condition(section: &Section<'_, '_>, mentioned: &mut Mentioned) -> Option<Condition> {
    at_depth(section, mentioned, 0)
}

/// The keys that say what kind of condition a table is.
const KINDS: [&str; 16] = [
    "all",
    "any",
    "not",
    "at_least",
    "field",
    "keywords",
    "patterns",
    "contains",
    "pattern",
    "near",
    "window",
    "signal",
    "relay_attempt",
    "sender_in",
    "spamassassin",
    "spamassassin_over",
];

fn at_depth(
    section: &Section<'_, '_>,
    mentioned: &mut Mentioned,
    depth: usize,
) -> Option<Condition> {
    if depth > DEPTH_MAX {
        section.complain("", "is nested too deep", "at most 16 levels");
        return None;
    }
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| section.has(kind)).collect();
    let [kind] = kinds.as_slice() else {
        section.knows(&KINDS);
        let wrong = if kinds.is_empty() {
            "asks nothing".to_owned()
        } else {
            format!("asks several things at once: {}", kinds.join(", "))
        };
        section.complain("", &wrong, &format!("one of {}", KINDS.join(", ")));
        return None;
    };
    let list = |key, mentioned: &mut Mentioned| -> Vec<Condition> {
        let below = section.sections(key);
        if below.is_empty() {
            section.complain(key, "holds no condition", "[{ … }, { … }]");
        }
        let read = below
            .into_iter()
            .filter_map(|one| finished(one, mentioned, depth));
        read.collect()
    };
    match *kind {
        "all" => Some(Condition::All(list("all", mentioned))),
        "any" => Some(Condition::Any(list("any", mentioned))),
        "not" => Some(Condition::Not(Box::new(finished(
            section.section("not"),
            mentioned,
            depth,
        )?))),
        "at_least" => {
            let count = section.number("at_least", 1..=100)? as usize;
            let of = list("of", mentioned);
            if count > of.len() {
                section.complain(
                    "at_least",
                    "is more than there are conditions",
                    "at most as many as in `of`",
                );
            }
            Some(Condition::AtLeast { count, of })
        }
        "field" => field(section, mentioned),
        "keywords" | "patterns" => {
            let key = if *kind == "keywords" {
                "keywords"
            } else {
                "patterns"
            };
            let set = section.string(key)?;
            let over = section.decimal("over", 0.0..=10_000.0).unwrap_or(0.0);
            mentioned.sets.push((set.clone(), section.spot(key)));
            Some(Condition::Keywords { set, over })
        }
        "contains" => {
            let term = section.text("contains", "a word or phrase", term)?;
            let (places, times) = (places(section), times(section));
            mentioned.terms.push(Wanted {
                set: INLINE.to_owned(),
                term: term.clone(),
                places: places.clone(),
                whole_words: false,
            });
            Some(Condition::Found {
                set: INLINE.to_owned(),
                term,
                places,
                times,
            })
        }
        "sender_in" => {
            let list = section.string("sender_in")?;
            let spot = section.spot("sender_in");
            mentioned.lists.push((list.clone(), spot.clone()));
            mentioned.list_kinds.push((list.clone(), spot, true));
            Some(Condition::SenderIn(list))
        }
        "pattern" => {
            let regex = section.text(
                "pattern",
                "a regular expression (crate regex: no look-around, no back references)",
                regex,
            )?;
            let (places, times) = (places(section), times(section));
            let term = regex.as_str().to_owned();
            mentioned.patterns.push((
                Wanted {
                    set: INLINE.to_owned(),
                    term: term.clone(),
                    places: places.clone(),
                    whole_words: false,
                },
                regex,
            ));
            Some(Condition::Found {
                set: INLINE.to_owned(),
                term,
                places,
                times,
            })
        }
        "near" => {
            let terms = section.texts("near", "two or more words", term)?;
            if terms.len() < 2 {
                section.complain(
                    "near",
                    "names less than two terms",
                    "[\"wire\", \"transfer\"]",
                );
            }
            let within = section.number("within", 1..=1000).unwrap_or(5) as u32;
            let places = places(section);
            for term in &terms {
                mentioned.terms.push(Wanted {
                    set: INLINE.to_owned(),
                    term: term.clone(),
                    places: places.clone(),
                    whole_words: false,
                });
            }
            Some(Condition::Near {
                terms,
                within,
                places,
            })
        }
        "window" => window(section),
        "spamassassin" => {
            let rule = section.string("spamassassin")?;
            let spot = section.spot("spamassassin");
            mentioned.imported.push((rule.clone(), spot));
            Some(Condition::Imported(rule))
        }
        "spamassassin_over" => {
            let over = section.decimal("spamassassin_over", -10_000.0..=10_000.0)?;
            Some(Condition::ImportedOver(over))
        }
        "signal" => {
            let id = section.text("signal", "the name of a signal", |name| {
                SIGNALS
                    .iter()
                    .find(|signal| signal.id == name)
                    .map(|signal| signal.id)
                    .ok_or("is no signal")
            })?;
            Some(Condition::Signal(id))
        }
        _ => {
            if section.flag("relay_attempt")? {
                Some(Condition::RelayAttempt)
            } else {
                Some(Condition::Not(Box::new(Condition::RelayAttempt)))
            }
        }
    }
}

fn finished(
    section: Section<'_, '_>,
    mentioned: &mut Mentioned,
    depth: usize,
) -> Option<Condition> {
    let condition = at_depth(&section, mentioned, depth + 1);
    section.finish();
    condition
}

fn field(section: &Section<'_, '_>, mentioned: &mut Mentioned) -> Option<Condition> {
    let field = section.text(
        "field",
        "see the table of fields in docs/policy.md, or header:NAME",
        Field::read,
    );
    let any_text = |text: &str| Ok::<_, String>(text.to_owned());
    let mut tests: Vec<Test> = Vec::new();
    tests.extend(
        section
            .texts("is", "a text or a list of texts", any_text)
            .map(Test::Is),
    );
    let wildcards = section.texts("wildcard", "texts with * and ?", |text| {
        Ok::<_, String>(Wildcard::new(text))
    });
    tests.extend(wildcards.map(Test::Wildcard));
    tests.extend(
        section
            .text(
                "regex",
                "a regular expression (crate regex: no look-around, no back references)",
                regex,
            )
            .map(Test::Regex),
    );
    tests.extend(
        section
            .texts("in_network", "networks such as \"192.0.2.0/24\"", network)
            .map(Test::InNetwork),
    );
    if let Some(list) = section.string("in_list") {
        mentioned
            .lists
            .push((list.clone(), section.spot("in_list")));
        mentioned
            .list_kinds
            .push((list.clone(), section.spot("in_list"), false));
        tests.push(Test::InList(list));
    }
    tests.extend(section.flag("exists").map(Test::Exists));
    let numbers = 0.0..=1e15;
    tests.extend(section.decimal("over", numbers.clone()).map(Test::Over));
    tests.extend(section.decimal("under", numbers).map(Test::Under));
    let said = [
        "is",
        "wildcard",
        "regex",
        "in_network",
        "in_list",
        "exists",
        "over",
        "under",
    ];
    let said = said.into_iter().filter(|test| section.has(test)).count();
    if said != 1 {
        let wrong = if said == 0 {
            "is not compared with anything"
        } else {
            "is compared in several ways at once"
        };
        section.complain("field", wrong, "one of is, wildcard, regex, in_network, in_list, exists, over, under; several stand in all = [ … ]");
        return None;
    }
    let (field, test) = (field?, tests.pop()?);
    let is_number = matches!(field, Field::Size | Field::RecipientCount);
    let asks_number = matches!(test, Test::Over(_) | Test::Under(_));
    let asks_network = matches!(test, Test::InNetwork(_));
    if is_number != asks_number {
        let right = if is_number {
            "over or under"
        } else {
            "is, wildcard, regex, in_list or exists"
        };
        section.complain("field", "cannot be compared like this", right);
        return None;
    }
    if asks_network && !matches!(field, Field::SourceIp | Field::Received) {
        section.complain(
            "in_network",
            "is only for source-ip and received",
            "field = \"source-ip\"",
        );
        return None;
    }
    Some(Condition::Field { field, test })
}

fn window(section: &Section<'_, '_>) -> Option<Condition> {
    let key = section.text(
        "window",
        "\"peer\", \"sender\" or \"recipient\"",
        |text| match text {
            "peer" => Ok(KeyKind::Peer),
            "sender" => Ok(KeyKind::Sender),
            "recipient" => Ok(KeyKind::Recipient),
            _ => Err("is no window"),
        },
    );
    let count = section.required(
        "count",
        "\"messages\", \"kibibytes\", \"recipients\", \"distinct-peers\" or \"distinct-senders\"",
        |text| match text {
            "messages" => Ok(Count::Messages),
            "kibibytes" => Ok(Count::Kibibytes),
            "recipients" => Ok(Count::Recipients),
            "distinct-peers" => Ok(Count::DistinctPeers),
            "distinct-senders" => Ok(Count::DistinctSenders),
            _ => Err("cannot be counted"),
        },
    );
    let span_secs = section.required("within", "a time from 10s to 24h, such as \"10m\"", span);
    let over = section.number("over", 0..=1_000_000_000);
    if over.is_none() && !section.has("over") {
        section.complain("over", "is missing", "the count that is still normal");
    }
    Some(Condition::Window {
        key: key?,
        count: count?,
        span_secs: span_secs?,
        over: over? as u32,
    })
}

/// `30s`, `10m`, `24h`
pub(crate) fn span(text: &str) -> Result<u32, &'static str> {
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        _ => return Err("is no time"),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| "is no time")?;
    let secs = number.checked_mul(unit).ok_or("is too long")?;
    if (10..=86_400).contains(&secs) {
        Ok(secs)
    } else {
        Err("is shorter than 10 s or longer than a day")
    }
}

fn times(section: &Section<'_, '_>) -> u32 {
    section.number("times", 1..=10_000).unwrap_or(1) as u32
}

/// `in = […]`; where a reader would see it when left out.
pub(crate) fn places(section: &Section<'_, '_>) -> Places {
    let places: Option<Vec<Place>> = section.texts(
        "in",
        "subject, body, attachment, file-name or header:NAME",
        Places::read,
    );
    places
        .filter(|places| !places.is_empty())
        .map_or_else(Places::read_by_people, Places)
}

/// A term that is not empty in normal form.
pub(crate) fn term(text: &str) -> Result<String, &'static str> {
    let normal = mail::text::normalise(text.trim_matches('*'));
    if normal.is_empty() {
        return Err("is empty");
    }
    if normal.len() > 500 {
        return Err("is longer than 500 bytes");
    }
    Ok(text.to_owned())
}

/// A pattern that runs in linear time, case ignored.
pub(crate) fn regex(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text)
        .case_insensitive(true)
        .size_limit(PATTERN_BYTES_MAX)
        .build();
    let regex = built.map_err(|error| {
        let said = error.to_string();
        format!(
            "does not compile: {}",
            said.lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
        )
    })?;
    // Looking costs memory that the pattern keeps, so only those are tried that might.
    let may_be_empty =
        regex_syntax::parse(text).is_ok_and(|hir| hir.properties().minimum_len() == Some(0));
    if may_be_empty && regex.is_match("") {
        Err("matches everything, even nothing".to_owned())
    } else {
        Ok(regex)
    }
}

/// A network or one address.
pub(crate) fn network(text: &str) -> Result<IpNet, &'static str> {
    let net: Result<IpNet, _> = text.parse();
    net.or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "is neither a network nor an address")
}

/// The terms of a set: plain or with a weight.
pub(crate) fn weighted(
    section: &Section<'_, '_>,
    key: &'static str,
    name: &'static str,
) -> Vec<(String, f64, Spot)> {
    let mut weighted = Vec::new();
    for entry in section.entries(key) {
        match entry {
            Entry::Text(text, spot) => weighted.push((text, 1.0, spot)),
            Entry::Section(section) => {
                let text =
                    section.required(name, "a text", |text| Ok::<_, String>(text.to_owned()));
                let weight = section.decimal("weight", -100.0..=100.0).unwrap_or(1.0);
                weighted.extend(text.map(|text| (text, weight, section.spot(name))));
                section.finish();
            }
        }
    }
    weighted
}
