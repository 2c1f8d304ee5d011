//! Signals about the look of mail that is made by the thousand: how it is built, addressed and dressed up. Each alone is common in wanted mail too.

use std::collections::BTreeSet;

use mail::message::{Link, LinkFrom, LinkOddity, Oddity, Part, Role, ending};
use mail::{Address, Facts, Site};

/// A letter of fewer words than this has little to say by itself.
const FEW_WORDS: u32 = 40;
/// Most letters have fewer words; from here on words of all kinds begin to be found by chance,
const LETTER_WORDS: u32 = 350;
/// are found by chance,
const LONG_WORDS: u32 = 700;
/// and all of them are.
const BOOK_WORDS: u32 = 3000;
/// Shorter names of mailboxes are words too.
const MAILBOX_LETTERS: usize = 5;
/// Fewer than this are a greeting.
const FEWEST_WORDS: u32 = 15;
/// Documents that bring a text, by their ending.
const DOCUMENTS: [&str; 8] = ["doc", "docx", "htm", "html", "pdf", "rtf", "xls", "xlsx"];
/// A document that is made to be followed names no more places than this.
const PLACES_OF_A_LURE: usize = 3;
/// Bytes of plain text below which it stands in for nothing.
const PLAIN_BYTES: u64 = 20;
/// What answers begin with.
const ANSWERS: [&str; 8] = [
    "re:",
    "aw:",
    "sv:",
    "rif:",
    "res:",
    "回复:",
    "回复：",
    "答复:",
];

fn body_of(facts: &Facts, kind: &str) -> bool {
    facts.message.parts.iter().any(|part| {
        part.role == Role::Body && part.content_type == kind && part.size_bytes > PLAIN_BYTES
    })
}

pub(super) fn html_only(facts: &Facts, _: &Site) -> Option<String> {
    (body_of(facts, "text/html") && !body_of(facts, "text/plain"))
        .then(|| "text/html without text/plain".to_owned())
}

/// Links a reader may follow.
pub(super) fn followed(facts: &Facts) -> impl Iterator<Item = &Link> {
    let links = facts.message.links.iter();
    links.filter(|link| {
        matches!(
            link.from,
            LinkFrom::Anchor | LinkFrom::Text | LinkFrom::Form
        )
    })
}

pub(super) fn few_words_and_a_link(facts: &Facts, _: &Site) -> Option<String> {
    let words = facts.message.visible_words;
    let bare = words < FEW_WORDS && body_of(facts, "text/html") && followed(facts).next().is_some();
    bare.then(|| format!("{words} words"))
}

pub(super) fn picture_for_text(facts: &Facts, site: &Site) -> Option<String> {
    let pictured = facts
        .message
        .links
        .iter()
        .any(|link| link.from == LinkFrom::Image);
    few_words_and_a_link(facts, site).filter(|_| pictured)
}

/// Words add up where there are many: a long newsletter speaks of money, health and winners and sells none of it. Hidden words do not count.
fn words_within(facts: &Facts, range: std::ops::Range<u32>) -> Option<String> {
    let words = facts.message.visible_words;
    range.contains(&words).then(|| format!("{words} words"))
}

pub(super) fn longer_letter(facts: &Facts, _: &Site) -> Option<String> {
    words_within(facts, LETTER_WORDS..LONG_WORDS)
}

pub(super) fn long_read(facts: &Facts, _: &Site) -> Option<String> {
    words_within(facts, LONG_WORDS..BOOK_WORDS)
}

pub(super) fn whole_book(facts: &Facts, _: &Site) -> Option<String> {
    words_within(facts, BOOK_WORDS..u32::MAX)
}

/// Says next to nothing and brings a document that says it: words in a document are read later, if at all.
pub(super) fn document_for_text(facts: &Facts, _: &Site) -> Option<String> {
    let words = facts.message.visible_words;
    let mut parts = facts.message.parts.iter();
    let document = parts.find(|part| is_document(part))?;
    (words < FEWEST_WORDS).then(|| {
        let name: String = document
            .file_name
            .iter()
            .flat_map(|name| name.chars())
            .take(80)
            .collect();
        format!("{words} words and {name}")
    })
}

/// What is to be followed stands in a document, where few look: to a shortener, or to a place where anybody may publish. Long documents name many
/// places.
pub(super) fn document_leads_on(facts: &Facts, _: &Site) -> Option<String> {
    let mut parts = facts.message.parts.iter();
    parts.find(|part| is_document(part))?;
    let links = facts.message.links.iter();
    let inside = links.filter(|link| link.from == LinkFrom::Attachment);
    let hosts: BTreeSet<&str> = inside.clone().map(|link| link.host.as_str()).collect();
    let hides = |link: &&Link| {
        let odd = [LinkOddity::Shortener, LinkOddity::OpenHosting];
        odd.iter().any(|oddity| link.oddities.contains(oddity))
    };
    let link = inside.clone().find(hides)?;
    (hosts.len() <= PLACES_OF_A_LURE).then(|| link.host.chars().take(100).collect())
}

fn is_document(part: &Part) -> bool {
    let name = part.file_name.as_deref().unwrap_or_default();
    part.role == Role::Attachment && DOCUMENTS.contains(&ending(name).as_str())
}

/// A picture that came along stands for the text, so that no reader finds words.
pub(super) fn picture_for_letter(facts: &Facts, _: &Site) -> Option<String> {
    let words = facts.message.visible_words;
    let pictured = facts
        .message
        .parts
        .iter()
        .any(|part| part.content_type.starts_with("image/"));
    (words < FEWEST_WORDS && pictured && body_of(facts, "text/html"))
        .then(|| format!("{words} words and a picture"))
}

pub(super) fn answer_to_nothing(facts: &Facts, _: &Site) -> Option<String> {
    let message = &facts.message;
    let subject = message.subject.trim_start().to_lowercase();
    let is_answer = ANSWERS.iter().any(|start| subject.starts_with(start));
    let answers = ["in-reply-to", "references", "thread-index"];
    let knows = answers.iter().any(|name| message.header(name).is_some());
    (is_answer && !knows).then(|| subject.chars().take(40).collect())
}

pub(super) fn sent_to_itself(facts: &Facts, site: &Site) -> Option<String> {
    if site.is_ours(&facts.envelope) || super::sender::is_written_by_list(facts) {
        return None;
    }
    let from = facts.message.header_from.first()?.address.as_ref()?.key();
    let to = facts.message.header_to.first()?.address.as_ref()?.key();
    (from == to).then_some(from)
}

pub(super) fn needless_encoding(facts: &Facts, _: &Site) -> Option<String> {
    let oddities = &facts.message.oddities;
    oddities
        .contains(&Oddity::NeedlessEncoding)
        .then(|| "ASCII, encoded all the same".to_owned())
}

/// The recipients, as envelope and header name them.
fn recipients(facts: &Facts) -> Vec<String> {
    let named = facts
        .message
        .header_to
        .iter()
        .filter_map(|to| to.address.as_ref());
    let all = facts.envelope.recipients.iter().chain(named);
    all.take(20)
        .map(Address::key)
        .filter(|key| key.len() > 6 && key.contains('@'))
        .collect()
}

pub(super) fn subject_names_recipient(facts: &Facts, _: &Site) -> Option<String> {
    let subject = facts.message.subject.to_lowercase();
    recipients(facts)
        .into_iter()
        .find(|to| subject.contains(to))
}

/// Mail made by program greets by the name of the mailbox, because it knows no other.
pub(super) fn subject_names_mailbox(facts: &Facts, _: &Site) -> Option<String> {
    let subject = facts.message.subject.to_lowercase();
    let mut words = subject.split(|c: char| c.is_whitespace() || ",:;!?#".contains(c));
    let names: Vec<String> = recipients(facts)
        .iter()
        .filter_map(|to| to.split('@').next().map(str::to_owned))
        .filter(|name| name.len() >= MAILBOX_LETTERS)
        .collect();
    words
        .find(|word| names.iter().any(|name| name == word))
        .map(str::to_owned)
}

pub(super) fn link_names_recipient(facts: &Facts, _: &Site) -> Option<String> {
    let recipients = recipients(facts);
    let named = followed(facts).find(|link| {
        let url = link.url.to_lowercase().replace("%40", "@");
        let base64 = |to: &String| {
            let coded = data_encoding::BASE64_NOPAD.encode(to.as_bytes());
            link.url.contains(&coded[..coded.len() - 1])
        };
        recipients.iter().any(|to| url.contains(to) || base64(to))
    });
    named.map(|link| {
        format!(
            "leads to {}",
            link.host.chars().take(100).collect::<String>()
        )
    })
}

pub(super) fn link_open_hosting(facts: &Facts, _: &Site) -> Option<String> {
    let open = followed(facts).find(|link| link.oddities.contains(&LinkOddity::OpenHosting));
    open.map(|link| link.host.chars().take(100).collect())
}

pub(super) fn subject_with_pictures(facts: &Facts, _: &Site) -> Option<String> {
    let is_picture = |c: &char| matches!(u32::from(*c), 0x1f300..=0x1faff | 0x2600..=0x27bf | 0x2b00..=0x2bff | 0x1f1e6..=0x1f1ff);
    let pictures: String = facts
        .message
        .subject
        .chars()
        .filter(is_picture)
        .take(10)
        .collect();
    (!pictures.is_empty()).then_some(pictures)
}

pub(super) fn sender_with_number(facts: &Facts, _: &Site) -> Option<String> {
    let address = facts.message.header_from.first()?.address.as_ref()?;
    let key = address.key();
    let (name, _) = key.rsplit_once('@')?;
    let mut run = 0;
    let most = name.chars().map(|c| {
        run = if c.is_ascii_digit() { run + 1 } else { 0 };
        run
    });
    (most.max()? >= 4).then(|| key.clone())
}
