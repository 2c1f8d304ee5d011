//! Signals about the header and the structure.

use mail::message::Oddity;
use mail::text::is_cjk;
use mail::{Facts, Site};

/// How far a clock may be off before it is odd, seconds: ahead and behind.
const AHEAD_SECS: i64 = 86_400;
const BEHIND_SECS: i64 = 4 * 86_400;

/// From so many recipients on their order is looked at, up to so many.
const RECIPIENTS_MANY: usize = 5;
const RECIPIENTS_MAX: usize = 100;
/// Letters by which names are alike.
const NAME_START: usize = 3;

fn has(facts: &Facts, oddity: Oddity) -> bool {
    facts.message.oddities.contains(&oddity)
}

pub(super) fn no_date(facts: &Facts, _: &Site) -> Option<String> {
    (facts.message.date.is_none() && !facts.message.headers.is_empty()).then(|| {
        facts
            .message
            .header("date")
            .unwrap_or("no Date field")
            .chars()
            .take(60)
            .collect()
    })
}

pub(super) fn date_far_off(facts: &Facts, _: &Site) -> Option<String> {
    let off = facts.message.date?.micros_since(facts.envelope.received_at) / 1_000_000;
    let far = !(-BEHIND_SECS..=AHEAD_SECS).contains(&off);
    far.then(|| {
        format!(
            "{} days {}",
            off.abs() / 86_400,
            if off > 0 {
                "in the future"
            } else {
                "in the past"
            }
        )
    })
}

pub(super) fn no_message_id(facts: &Facts, _: &Site) -> Option<String> {
    (facts.message.message_id.is_none() && !facts.message.headers.is_empty())
        .then(|| "no Message-ID field".to_owned())
}

pub(super) fn malformed_message_id(facts: &Facts, _: &Site) -> Option<String> {
    let id = facts.message.message_id.as_deref()?;
    let (local, place) = id.rsplit_once('@').unwrap_or((id, ""));
    (local.is_empty() || place.is_empty()).then(|| id.chars().take(80).collect())
}

pub(super) fn repeated_field(facts: &Facts, _: &Site) -> Option<String> {
    has(facts, Oddity::RepeatedField)
        .then(|| "subject, date, to, message-id, …: one of them twice".to_owned())
}

pub(super) fn eight_bit_header(facts: &Facts, _: &Site) -> Option<String> {
    has(facts, Oddity::EightBitHeader).then(|| "8-bit bytes without encoding".to_owned())
}

pub(super) fn subject_shouts(facts: &Facts, _: &Site) -> Option<String> {
    let subject = &facts.message.subject;
    let upper = subject.chars().filter(|c| c.is_uppercase()).count();
    let lower = subject.chars().filter(|c| c.is_lowercase()).count();
    let words = subject
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphabetic))
        .count();
    (upper >= 12 && upper > 5 * lower && words >= 3).then(|| subject.chars().take(80).collect())
}

pub(super) fn subject_exclaims(facts: &Facts, _: &Site) -> Option<String> {
    let subject = &facts.message.subject;
    let signs = subject
        .chars()
        .filter(|c| matches!(c, '!' | '！' | '$' | '￥' | '★' | '☆'))
        .count();
    let doubled = subject.contains("!!") || subject.contains("！！") || subject.contains("$$");
    (signs >= 3 || doubled).then(|| subject.chars().take(80).collect())
}

/// `Your account      xk29qa`: the code tells the sender's campaigns apart and defeats simple digests.
pub(super) fn subject_gap_code(facts: &Facts, _: &Site) -> Option<String> {
    let raw = facts.message.header("subject")?;
    let (before, code) = raw.trim_end().rsplit_once("    ")?;
    let code = code.trim();
    let letters = code
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "[]()-".contains(c))
        && !code.chars().any(is_cjk);
    (letters && (3..=16).contains(&code.len()) && !before.trim().is_empty())
        .then(|| format!("“… {code}”"))
}

pub(super) fn recipient_not_named(facts: &Facts, _: &Site) -> Option<String> {
    let message = &facts.message;
    let listed = [
        "list-id",
        "list-post",
        "list-unsubscribe",
        "resent-to",
        "x-forwarded-to",
    ]
    .iter()
    .any(|name| message.header(name).is_some());
    if listed || facts.envelope.recipients.is_empty() || facts.envelope.envelope_from.is_none() {
        return None;
    }
    let named: Vec<String> = message
        .header_to
        .iter()
        .chain(&message.cc)
        .filter_map(|mailbox| Some(mailbox.address.as_ref()?.key()))
        .collect();
    let recipients = &facts.envelope.recipients;
    (!recipients.iter().any(|to| named.contains(&to.key()))).then(|| match recipients.as_slice() {
        [one] => format!("goes to {one}, who is not in To or Cc"),
        several => format!(
            "goes to {} recipients, none of them in To or Cc",
            several.len()
        ),
    })
}

/// `To: undisclosed-recipients:;`: written to many who shall not know of each other.
pub(super) fn recipients_undisclosed(facts: &Facts, _: &Site) -> Option<String> {
    let message = &facts.message;
    let to = message.header("to")?;
    let named = message.header_to.iter().chain(&message.cc);
    let is_named = named.into_iter().any(|to| {
        let address = to.address.as_ref();
        address.is_some_and(|address| address.as_str().contains('@'))
    });
    (!is_named).then(|| to.chars().take(60).collect())
}

/// `ann@`, `anna@`, `annb@`, …: a piece of a list in the order of the alphabet.
pub(super) fn recipients_in_a_row(facts: &Facts, _: &Site) -> Option<String> {
    let named = facts.message.header_to.iter().chain(&facts.message.cc);
    let names: Vec<String> = named
        .filter_map(|to| Some(to.address.as_ref()?.key()))
        .take(RECIPIENTS_MAX)
        .collect();
    let alike = |two: &&[String]| {
        let start = |name: &str| name.get(..NAME_START).map(str::to_owned);
        let [first, second] = two else { return false };
        start(first).is_some() && start(first) == start(second) && first != second
    };
    let pairs = names.windows(2).filter(alike).count();
    (names.len() >= RECIPIENTS_MANY && pairs * 3 >= names.len() * 2).then(|| {
        let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
        format!("{}, …", shown.join(", "))
    })
}

/// `… w1ypq`: a last word by chance makes each copy another message to simple digests.
pub(super) fn subject_ends_by_chance(facts: &Facts, _: &Site) -> Option<String> {
    let subject = facts.message.subject.trim_end();
    let (before, last) = subject.rsplit_once(char::is_whitespace)?;
    let bare = last.trim_matches(['[', ']', '(', ')', '.', '!']);
    let fits = (4..=24).contains(&bare.len()) && bare.chars().all(|c| c.is_ascii_alphanumeric());
    let lower = bare.chars().filter(char::is_ascii_lowercase).count();
    let vowels = bare.chars().filter(|c| "aeiouyAEIOUY".contains(*c)).count();
    let digit = |c: u8| c.is_ascii_digit();
    let turns = bare.as_bytes().windows(2);
    let turns = turns.filter(|two| digit(two[0]) != digit(two[1])).count();
    let humps = bare.as_bytes().windows(2);
    let humps = humps.filter(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase());
    let by_chance = turns >= 2 && lower > 0 || lower >= 4 && vowels == 0 || humps.count() >= 3;
    (fits && by_chance && !before.trim().is_empty()).then(|| format!("“… {last}”"))
}

pub(super) fn alternatives_differ(facts: &Facts, _: &Site) -> Option<String> {
    has(facts, Oddity::AlternativesDiffer).then(|| "text/plain and text/html".to_owned())
}

pub(super) fn broken_structure(facts: &Facts, _: &Site) -> Option<String> {
    let broken = [
        Oddity::Unreadable,
        Oddity::NulByte,
        Oddity::BadEncoding,
        Oddity::BrokenMultipart,
        Oddity::TooDeep,
        Oddity::TooManyParts,
        Oddity::TooManyHeaders,
        Oddity::BareLineEnding,
    ];
    let found: Vec<String> = facts
        .message
        .oddities
        .iter()
        .filter(|oddity| broken.contains(oddity))
        .map(|oddity| oddity.name())
        .collect();
    (!found.is_empty()).then(|| found.join(", "))
}
