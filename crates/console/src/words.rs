//! Every word people read, in every language: one file each, one key for the same thing in all of them.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A language of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

impl Language {
    /// All of them, with their own names.
    pub const ALL: [(Self, &'static str, &'static str); 2] =
        [(Self::En, "en", "English"), (Self::Zh, "zh", "简体中文")];

    /// As in `lang` and in the cookie.
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// Reads a code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(_, known, _)| *known == code)
            .map(|(language, ..)| language)
    }

    /// The first language of `Accept-Language` (RFC 9110 §12.5.4) that we have; English otherwise.
    pub fn accepted(header: &str) -> Self {
        let mut wanted: Vec<(f32, usize, Self)> = header
            .split(',')
            .take(20)
            .enumerate()
            .filter_map(|(place, one)| {
                let (tag, quality) = one.split_once(";q=").unwrap_or((one, "1"));
                let code = tag.trim().split('-').next()?.to_lowercase();
                Some((quality.trim().parse().ok()?, place, Self::parse(&code)?))
            })
            .collect();
        wanted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        wanted
            .first()
            .map_or(Self::En, |(_, _, language)| *language)
    }
}

type Book = HashMap<String, String>;

static ENGLISH: LazyLock<Book> = LazyLock::new(|| read(include_str!("../words/en.toml")));
static CHINESE: LazyLock<Book> = LazyLock::new(|| read(include_str!("../words/zh.toml")));

fn read(text: &str) -> Book {
    let table: toml::Table = toml::from_str(text).expect("a file of words is good TOML (tested)");
    let mut book = Book::new();
    for (section, words) in table {
        for (key, word) in words.as_table().into_iter().flatten() {
            let word = word.as_str().unwrap_or_default();
            book.insert(format!("{section}.{key}"), word.to_owned());
        }
    }
    book
}

/// The words of a key, if there are any.
pub(crate) fn find(language: Language, key: &str) -> Option<&'static str> {
    let book: &'static Book = match language {
        Language::En => &ENGLISH,
        Language::Zh => &CHINESE,
    };
    book.get(key).map(String::as_str)
}

/// The words of a key; English when the language lacks them. A key without words shows itself (and fails a test).
pub(crate) fn say(language: Language, key: &str) -> &str {
    find(language, key)
        .or_else(|| find(Language::En, key))
        .unwrap_or(key)
}

/// Keys that stand in one language and not in the other.
pub fn missing_words() -> Vec<String> {
    let only = |a: &Book, b: &Book, name: &str| -> Vec<String> {
        a.keys()
            // What messages of the policy are called in English stands in the policy.
            .filter(|key| !b.contains_key(*key) && !key.starts_with("reason."))
            .map(|key| format!("{key} is only in {name}"))
            .collect()
    };
    let mut missing = only(&ENGLISH, &CHINESE, "en.toml");
    missing.extend(only(&CHINESE, &ENGLISH, "zh.toml"));
    missing.sort();
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_s_language_is_found() {
        for (header, language) in [
            ("", Language::En),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Zh),
            ("de,en;q=0.5,zh;q=0.7", Language::Zh),
            ("fr", Language::En),
            ("en-GB;q=1, zh", Language::En),
            (";;;q=x,,zh;q=2", Language::Zh),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
    }

    #[test]
    fn both_languages_have_the_same_keys() {
        assert_eq!(missing_words(), Vec::<String>::new());
    }

    #[test]
    fn whatever_ships_is_told_in_chinese() {
        let policy = judge::Policy::parse(judge::DEFAULT_POLICY, &mail::Limits::default());
        let shipped = policy.expect("the shipped policy is good").summary();
        let rules = shipped.rules.iter().map(|(name, ..)| name.as_str());
        let sets = shipped.sets.iter().map(|(name, _)| name.as_str());
        let signals = judge::SIGNALS.iter().map(|signal| signal.id);
        let untold: Vec<&str> = rules
            .chain(sets)
            .chain(signals)
            .chain([
                "learnt-unwanted",
                "learnt-likely-unwanted",
                "learnt-sudden",
                "learnt-personal",
                "learnt-wanted",
                "campaign-known",
                "campaign-spreading",
            ])
            .filter(|name| !CHINESE.contains_key(&format!("reason.{}", name.replace('-', "_"))))
            .collect();
        assert_eq!(untold, Vec::<&str>::new(), "see words/zh.toml, [reason]");
    }

    #[test]
    fn every_key_that_is_used_has_words_and_every_word_is_used() {
        let mut sources = String::new();
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![here.join("src"), here.join("templates")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    sources.push_str(&std::fs::read_to_string(path).expect("a source"));
                }
            }
        }
        // p.t("key"), p.fill("key", …), say(language, "key")
        let used: Vec<&str> = sources
            .split('"')
            .filter(|text| {
                text.split_once('.').is_some_and(|(section, key)| {
                    ENGLISH
                        .keys()
                        .any(|known| known.split('.').next() == Some(section))
                        && !["", "html"].contains(&key)
                        && key
                            .chars()
                            .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
                })
            })
            .collect();
        assert!(used.len() > 100, "the search finds no keys any more");
        for key in &used {
            assert!(ENGLISH.contains_key(*key), "{key} is used and has no words");
        }
        // Keys put together at run time: all of a family are used.
        let families = [
            "fate.",
            "level.",
            "action.",
            "state.",
            "role.",
            "act.",
            "reason.",
            "direction.",
            "oddity.",
            "stage.",
            "handling.",
            "report.",
            "whose.",
            "operation.",
            "failed.",
            "fault.",
            "step.",
            "remedy.",
            "span.",
            "allow_span.",
            "users_kind.",
            "progress.",
            "asked.",
            "source.",
            "label.",
            "recall.",
        ];
        for key in ENGLISH.keys() {
            let family = families.iter().any(|family| key.starts_with(family));
            assert!(family || used.contains(&key.as_str()), "{key} is not used");
        }
    }
}
