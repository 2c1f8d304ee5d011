//! A sender who calls itself by a name everybody knows, and writes from somewhere else.

use std::collections::HashMap;
use std::sync::LazyLock;

use mail::message::LinkFrom;
use mail::text::normalise;
use mail::{Domain, Facts, Site};

/// The names, as `brands.txt` beside this file explains them.
static BRANDS: LazyLock<Brands> = LazyLock::new(|| Brands::read(include_str!("brands.txt")));

/// Words that are disguised beside the names: what phishing lives by.
const LURES: [&str; 24] = [
    "account",
    "alert",
    "billing",
    "blocked",
    "bloqueada",
    "boleto",
    "cialis",
    "cliente",
    "delivery",
    "email",
    "fidelidade",
    "ledger",
    "liberado",
    "limited",
    "locked",
    "login",
    "mail",
    "mailbox",
    "online",
    "password",
    "security",
    "unlock",
    "viagra",
    "wallet",
];
/// Words of a subject or name that are looked at.
const WORDS_MAX: usize = 40;

/// One name and whose it is.
struct Brand {
    /// Its words.
    words: Vec<&'static str>,
    /// It is a word of the language too: only at the beginning it says who writes.
    first_only: bool,
    domains: Vec<&'static str>,
}

struct Brands {
    /// By the first word.
    by_word: HashMap<&'static str, Vec<Brand>>,
    /// Names in scripts without spaces.
    drawn: Vec<(&'static str, Vec<&'static str>)>,
}

impl Brands {
    fn read(table: &'static str) -> Self {
        let mut brands = Self {
            by_word: HashMap::new(),
            drawn: Vec::new(),
        };
        let lines = table.lines().filter(|line| !line.starts_with('#'));
        for (name, domains) in lines.filter_map(|line| line.split_once(" = ")) {
            let domains = domains.split(' ').collect();
            if !name.is_ascii() {
                brands.drawn.push((name, domains));
                continue;
            }
            let words: Vec<&str> = name.trim_end_matches('^').split(' ').collect();
            let first = words.first().copied().unwrap_or_default();
            brands.by_word.entry(first).or_default().push(Brand {
                first_only: name.ends_with('^'),
                words,
                domains,
            });
        }
        brands
    }

    /// The first name in this text (in normal form) that is not the sender's own.
    fn foreign(&self, text: &str, sender: &Domain) -> Option<String> {
        let text = &without_accents(text);
        let words: Vec<&str> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .take(WORDS_MAX)
            .collect();
        for (at, word) in words.iter().enumerate() {
            let known = self.by_word.get(word).into_iter().flatten();
            let mut named = known.filter(|brand| {
                words[at..].starts_with(&brand.words) && (at == 0 || !brand.first_only)
            });
            if let Some(brand) = named.find(|brand| !is_below(sender, &brand.domains)) {
                return Some(brand.words.join(" "));
            }
        }
        let drawn = self.drawn.iter();
        let mut drawn = drawn.filter(|(name, _)| text.contains(name));
        drawn
            .find(|(_, domains)| !is_below(sender, domains))
            .map(|(name, _)| (*name).to_owned())
    }
}

/// `itaú` is written `itau` as often.
fn without_accents(text: &str) -> String {
    let plain = |c| match c {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        _ => c,
    };
    text.chars().map(plain).collect()
}

fn is_below(sender: &Domain, domains: &[&str]) -> bool {
    domains.iter().any(|own| {
        let rest = sender.as_str().strip_suffix(own);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// A person of that name who asks nothing of anybody, or a list that writes its members' names, leads nowhere.
fn leads(facts: &Facts) -> bool {
    let mut links = facts.message.links.iter();
    links.any(|link| link.from != LinkFrom::Header)
        || !facts.message.contacts.is_empty()
        || facts.message.parts.len() > 1
}

fn sender(facts: &Facts) -> Option<Domain> {
    let from = facts.message.header_from.first()?;
    from.address.as_ref()?.domain()
}

pub(super) fn brand_from_elsewhere(facts: &Facts, _: &Site) -> Option<String> {
    let sender = sender(facts)?;
    let name = facts.message.header_from.first()?.name.as_deref()?;
    let brand = BRANDS.foreign(&normalise(name), &sender)?;
    leads(facts).then(|| format!("calls itself {brand}, writes from {sender}"))
}

/// The subject speaks of the name, the page does not come from there and leads elsewhere.
pub(super) fn brand_in_subject(facts: &Facts, site: &Site) -> Option<String> {
    super::look::html_only(facts, site)?;
    let sender = sender(facts)?;
    let brand = BRANDS.foreign(&normalise(&facts.message.subject), &sender)?;
    leads(facts).then(|| format!("about {brand}, from {sender}"))
}

/// `PayPaI`, `Arnazon`, `waIIet`, `lRS`: no eye sees it, and no list of words finds it.
pub(super) fn name_misspelt(facts: &Facts, _: &Site) -> Option<String> {
    let from = facts.message.header_from.first();
    let name = from
        .and_then(|from| from.name.as_deref())
        .unwrap_or_default();
    let apart = |c: char| !c.is_alphanumeric() && c != '|';
    let words = name.split(apart).chain(facts.message.subject.split(apart));
    let mut words = words.filter(|word| !word.is_empty()).take(WORDS_MAX);
    words.find(|word| is_misspelt(word)).map(str::to_owned)
}

fn is_misspelt(word: &str) -> bool {
    if small_l_among_capitals(word) {
        return true;
    }
    if !(4..=20).contains(&word.len()) || !word.is_ascii() {
        return false;
    }
    let is_known = |word: &str| {
        LURES.contains(&word)
            || BRANDS
                .by_word
                .get(word)
                .into_iter()
                .flatten()
                .any(|brand| brand.words.len() == 1 && word.len() > 4)
    };
    // All in capitals an I is an I.
    let meant: String = word
        .chars()
        .map(|c| match c {
            'I' | '1' | '|' => 'l',
            '0' => 'o',
            '5' => 's',
            '3' => 'e',
            '4' => 'a',
            _ => c.to_ascii_lowercase(),
        })
        .collect();
    let small_first = word
        .strip_prefix('l')
        .map(|rest| format!("i{}", rest.to_ascii_lowercase()));
    let meant = [
        small_first.unwrap_or_default(),
        meant.clone(),
        meant.replace("rn", "m"),
        meant.replace("vv", "w"),
    ];
    let plain = word.to_ascii_lowercase();
    let shouts = word.chars().all(|c| !c.is_ascii_lowercase());
    !shouts && !is_known(&plain) && meant.iter().any(|meant| is_known(meant))
}

/// `lRS`, `lNVOICE`: a word in capitals that begins with a small one is written with the one that looks like an I.
fn small_l_among_capitals(word: &str) -> bool {
    let capitals = word.strip_prefix('l').unwrap_or_default();
    (2..=15).contains(&capitals.len()) && capitals.bytes().all(|byte| byte.is_ascii_uppercase())
}
