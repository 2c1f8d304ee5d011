//! What records are found by.
//!
//! Every record is entered in one table under each of its terms: addresses, domains, machine, reasons, words of the
//! subject, … A term is a number (the first eight bytes of a SHA-256 over its kind and text), so an entry is small
//! and names nobody. Entries of one term lie together, newest id last, so that any search, however many
//! records there are, walks along one term and looks the others up.

use mail::{Record, text};
use sha2::{Digest, Sha256};

/// Longest text a term is made of, bytes; longer ones are told apart by their beginning.
const TEXT_MAX: usize = 320;
/// Words of a subject that are entered.
const WORDS_MAX: usize = 48;
/// Recipients that are entered.
const RECIPIENTS_MAX: usize = 1000;

/// Kinds of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    From,
    To,
    Ip,
    Account,
    Server,
    QueueId,
    MessageId,
    Fate,
    Level,
    Reason,
    Word,
}

impl Kind {
    const fn letter(self) -> u8 {
        match self {
            Self::From => b'f',
            Self::To => b't',
            Self::Ip => b'i',
            Self::Account => b'a',
            Self::Server => b's',
            Self::QueueId => b'q',
            Self::MessageId => b'm',
            Self::Fate => b'x',
            Self::Level => b'l',
            Self::Reason => b'r',
            Self::Word => b'w',
        }
    }
}

/// The number of a term.
pub(crate) fn term(kind: Kind, text: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update([kind.letter()]);
    hash.update(&text.as_bytes()[..text.len().min(TEXT_MAX)]);
    let bytes = hash.finalize();
    i64::from_be_bytes([
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
    ])
}

/// An address as a term: itself and its domain.
fn address(kind: Kind, key: &str, terms: &mut Vec<i64>) {
    terms.push(term(kind, key));
    if let Some(at) = key.rfind('@') {
        terms.push(term(kind, &key[at..]));
    }
}

/// All terms of a record, sorted, each once.
pub(crate) fn of(record: &Record) -> Vec<i64> {
    let envelope = &record.envelope;
    let mut terms = Vec::with_capacity(24);
    if let Some(from) = &envelope.envelope_from {
        address(Kind::From, &from.key(), &mut terms);
    }
    if let Some(from) = &record.header_from {
        address(Kind::From, from, &mut terms);
    }
    for to in envelope.recipients.iter().take(RECIPIENTS_MAX) {
        address(Kind::To, &to.key(), &mut terms);
    }
    let exact = [
        (
            Kind::Ip,
            envelope.peer.ip.map(|ip| ip.to_canonical().to_string()),
        ),
        (Kind::Account, envelope.account.clone()),
        (Kind::Server, Some(envelope.server.clone())),
        (Kind::QueueId, envelope.queue_id.clone()),
        (Kind::MessageId, record.message_id.clone()),
        (Kind::Fate, Some(record.fate.as_str().to_owned())),
        (
            Kind::Level,
            record
                .verdict
                .as_ref()
                .map(|verdict| verdict.level.as_str().to_owned()),
        ),
    ];
    terms.extend(
        exact
            .into_iter()
            .filter_map(|(kind, text)| Some(term(kind, &text?))),
    );
    for reason in record.verdict.iter().flat_map(|verdict| &verdict.reasons) {
        terms.push(term(Kind::Reason, &reason.name));
        for entry in reason
            .evidence
            .iter()
            .filter_map(|found| found.entry.as_ref())
        {
            terms.push(term(Kind::Reason, &entry_reason(&entry.list, &entry.value)));
        }
    }
    terms.extend(
        words(&record.subject)
            .iter()
            .map(|word| term(Kind::Word, word)),
    );
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// How the entry of a list is searched for as a reason.
pub(crate) fn entry_reason(list: &str, value: &str) -> String {
    format!("{list}={}", value.to_lowercase())
}

/// The words of a text: runs of letters and digits; of Chinese, Japanese and Korean every character and every pair.
pub(crate) fn words(of: &str) -> Vec<String> {
    let normal = text::normalise(of);
    let mut words = Vec::new();
    let mut run = String::new();
    let mut before: Option<char> = None;
    for c in normal.chars() {
        if text::is_cjk(c) {
            end(&mut run, &mut words);
            words.push(c.to_string());
            if let Some(before) = before {
                words.push([before, c].iter().collect());
            }
            before = Some(c);
            continue;
        }
        before = None;
        if c.is_alphanumeric() {
            run.push(c);
        } else {
            end(&mut run, &mut words);
        }
    }
    end(&mut run, &mut words);
    words.truncate(WORDS_MAX);
    words.sort_unstable();
    words.dedup();
    words
}

/// What a search for words asks for: of CJK runs longer than one character, the pairs are enough.
pub(crate) fn wanted_words(of: &str) -> Vec<String> {
    let mut words = words(of);
    let pairs: Vec<String> = words
        .iter()
        .filter(|word| word.chars().count() == 2 && word.chars().all(text::is_cjk))
        .cloned()
        .collect();
    words.retain(|word| {
        let mut chars = word.chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) if text::is_cjk(only) => {
                !pairs.iter().any(|pair| pair.contains(only))
            }
            _ => true,
        }
    });
    words
}

fn end(run: &mut String, words: &mut Vec<String>) {
    if !run.is_empty() {
        words.push(std::mem::take(run));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_any_script() {
        assert_eq!(
            words("Re: Invoice №12, übermorgen_ok"),
            ["invoice", "no12", "ok", "re", "übermorgen"]
        );
        assert_eq!(words("发票到"), ["到", "发", "发票", "票", "票到"]);
        assert_eq!(wanted_words("发票"), ["发票"]);
        assert_eq!(wanted_words("票"), ["票"]);
        assert_eq!(wanted_words("发票 pay"), ["pay", "发票"]);
    }

    #[test]
    fn kinds_do_not_meet() {
        assert_ne!(
            term(Kind::From, "a@b.example"),
            term(Kind::To, "a@b.example")
        );
    }
}
