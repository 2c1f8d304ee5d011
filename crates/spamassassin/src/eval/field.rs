//! Of header fields.

use std::collections::BTreeSet;

use super::{Answer, Arguments, Context, pattern, yes};
use crate::view::header::Selector;
use crate::view::uri::{is_public, registered};

/// Recipients, so many, that stand in order.
const SORTED_MIN: usize = 7;
/// Recipients, so many, whose names are compared by so many first bytes.
const SIMILAR_MIN: usize = 5;
const SIMILAR_BYTES: usize = 2;
const RECIPIENTS_MAX: usize = 256;

pub(super) fn find(name: &str) -> Option<Answer> {
    Some(match name {
        "check_equal_from_domains" => |context, _| {
            let (from, sender) = (
                house(&context.view.get("From:addr")),
                house(&context.view.get("EnvelopeFrom:addr")),
            );
            yes(!from.is_empty() && !sender.is_empty() && from != sender)
        },
        "check_for_matching_env_and_hdr_from" => |context, _| {
            yes(context
                .view
                .get("EnvelopeFrom:addr")
                .eq_ignore_ascii_case(&context.view.get("From:addr")))
        },
        "check_mailfrom_matches_rcvd" => |context, _| yes(sender_is_of_the_relay(context)),
        "check_for_missing_to_header" => |context, _| {
            yes(context.view.get("To").is_empty() && context.view.get("Apparently-To").is_empty())
        },
        "check_header_count_range" => |context, arguments| {
            let values: BTreeSet<&str> = context.view.headers().values(arguments.text(0)).collect();
            let count = values.len() as f64;
            yes(count >= arguments.number(1) && count <= arguments.number(2))
        },
        "check_illegal_chars" => illegal_chars,
        "check_unresolved_template" => {
            |context, _| yes(unresolved_template(&context.view.get("ALL")))
        }
        "check_for_to_in_subject" => to_in_subject,
        "subject_is_all_caps" => |context, _| yes(subject_shouts(context)),
        "sorted_recipients" => |context, _| {
            let recipients = recipients(context);
            yes(recipients.len() >= SORTED_MIN && recipients.is_sorted())
        },
        "similar_recipients" => |context, arguments| {
            let share = similar(&recipients(context));
            yes(arguments.bound(0).is_none_or(|min| share >= min)
                && arguments.bound(1).is_none_or(|max| share < max))
        },
        "check_ratware_name_id" => |context, _| {
            let (id, from) = (context.view.get("MESSAGEID"), context.view.get("From"));
            let name = pattern!(r"<[A-Z]{28}\.([^>]+?)>").captures(&id);
            let end = |name: &str| {
                from.match_indices(&format!("<{name}>"))
                    .any(|(place, _)| pattern!(r#""[^"]+"\s*$"#).is_match(&from[..place]))
            };
            yes(name.is_some_and(|name| end(&name[1])))
        },
        "check_ratware_envelope_from" => |context, _| yes(sender_holds_the_recipient(context)),
        "check_messageid_not_usable" => |context, _| {
            let received = context.view.get("Received");
            let left = pattern!(r"(?im)<mailto:(?:leave-\S+|\S+-unsubscribe)@\S+>$")
                .is_match(&context.view.get("List-Unsubscribe"));
            yes(left
                || super::forged::path_is_removed(context)
                || received.contains("/CWT/DCE)")
                || received.contains("iPlanet Messaging Server"))
        },
        _ => return None,
    })
}

/// Of an address, the last two parts of its domain.
fn house(address: &str) -> String {
    let domain = address
        .rsplit_once('@')
        .map_or("", |(_, domain)| domain)
        .to_ascii_lowercase();
    let parts: Vec<&str> = domain.rsplitn(3, '.').collect();
    match parts.as_slice() {
        [last, before, _] if !last.is_empty() && !before.is_empty() => format!("{before}.{last}"),
        _ => domain,
    }
}

fn sender_is_of_the_relay(context: &Context<'_>) -> bool {
    let sender = context.view.get("EnvelopeFrom:addr");
    let Some(domain) = sender
        .rsplit_once('@')
        .map(|(_, domain)| domain)
        .filter(|domain| domain.contains('.'))
    else {
        return false;
    };
    let relays = &context.view.relays;
    let looked_at = relays
        .untrusted
        .first()
        .map_or(relays.trusted.as_slice(), std::slice::from_ref);
    looked_at
        .iter()
        .filter(|relay| !relay.rdns.is_empty())
        .any(|relay| registered(&relay.rdns) == registered(domain))
}

fn illegal_chars(context: &Context<'_>, arguments: &Arguments) -> f64 {
    let name = arguments.text(0).trim_end_matches(":raw");
    let Ok(selector) = Selector::read(&format!("{name}:raw")) else {
        return 0.0;
    };
    let value = context.view.select(&selector).concat();
    if value.iter().all(u8::is_ascii_whitespace) {
        return 0.0;
    }
    let control = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0c | 0x0e..=0x1f);
    if !value.is_ascii() && std::str::from_utf8(&value).is_ok() && !value.iter().any(control) {
        return 0.0;
    }
    let mut illegal = value
        .iter()
        .filter(|byte| control(byte) || **byte >= 0x7f)
        .count();
    // One sign of money, of trade or of right is no crime.
    let exempt = value
        .iter()
        .filter(|byte| matches!(byte, 0xa2 | 0xa3 | 0xae))
        .count();
    if illegal > 0 && name.eq_ignore_ascii_case("subject") && exempt == 1 {
        illegal -= 1;
    }
    yes(illegal as f64 / value.len() as f64 >= arguments.number(1)
        && illegal as f64 >= arguments.number(2))
}

fn unresolved_template(all: &str) -> bool {
    let free = pattern!(
        r"(?i)^(?:X-VMS-To|X-UIDL|X-Face|To|Cc|From|Subject|References|In-Reply-To|(?:X-|Resent-|X-Original-)?Message-Id):"
    );
    all.lines()
        .any(|line| pattern!(r"%[A-Z][A-Z_-]").is_match(line) && !free.is_match(line))
}

fn to_in_subject(context: &Context<'_>, arguments: &Arguments) -> f64 {
    let to = context.view.get("To:addr");
    if to.is_empty() {
        return 0.0;
    }
    let subject = context.view.get("Subject");
    let built = match arguments.text(0) {
        "address" => format!(r"(?i)\b{}\b", regex::escape(&to)),
        "user" => {
            let user = regex::escape(to.split('@').next().unwrap_or_default());
            format!(
                r"(?i)\A(?:(?:re|fw):\s*(?:\w+\s+)?{user}$|(?-i:{user})\s*[,:;!?-](?:$|\s)|{user}$|,\s*{user}[,:;!?-]$)"
            )
        }
        _ => return 0.0,
    };
    let subject = subject.strip_suffix('\n').unwrap_or(&subject);
    yes(regex::Regex::new(&built).is_ok_and(|pattern| pattern.is_match(subject)))
}

fn subject_shouts(context: &Context<'_>) -> bool {
    let subject = context.view.get("Subject");
    let subject = pattern!(r"(?i)^(?:(?:Re|Fwd|Fw|Aw|Antwort|WG|SV|VB|VS|VL):\s*)+")
        .replace(subject.trim(), "")
        .into_owned();
    if !subject.contains(char::is_whitespace) || subject.len() < 10 {
        return false;
    }
    let letters: String = subject.chars().filter(char::is_ascii_alphabetic).collect();
    let shouting = pattern!(
        r"(?i)=\?[-_a-z0-9]*(?:koi|jp|jis|euc|gb|big5|isoir|cp1251|windows-1251|georgianps|pt154|tis)[-_a-z0-9]*\?"
    );
    !letters.is_empty()
        && letters.bytes().all(|letter| letter.is_ascii_uppercase())
        && !shouting.is_match(&context.view.get("Subject:raw"))
}

/// Recipients as they stand, those that follow themselves once.
fn recipients(context: &Context<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for request in ["ToCc:addr", "Bcc:addr"] {
        if let Ok(selector) = Selector::read(request) {
            found.extend(
                context
                    .view
                    .select(&selector)
                    .iter()
                    .map(|address| String::from_utf8_lossy(address).into_owned()),
            );
        }
        if found.len() >= SIMILAR_MIN {
            break;
        }
    }
    found.dedup_by(|next, before| next.eq_ignore_ascii_case(before));
    found.truncate(RECIPIENTS_MAX);
    found
}

/// The share of pairs that begin alike.
fn similar(recipients: &[String]) -> f64 {
    if recipients.len() < SIMILAR_MIN {
        return 0.0;
    }
    let start = |text: &str| text.bytes().take(SIMILAR_BYTES).collect::<Vec<u8>>();
    let host = |address: &str| {
        address
            .split_once('@')
            .map_or_else(String::new, |(_, host)| host.to_owned())
    };
    let parts: Vec<(Vec<u8>, Vec<u8>, String)> = recipients
        .iter()
        .map(|address| (start(address), start(&host(address)), host(address)))
        .collect();
    let (mut hits, mut pairs) = (0.0, 0.0);
    for (number, one) in parts.iter().enumerate() {
        for other in &parts[number + 1..] {
            hits += yes(one.0 == other.0) + yes(one.1 == other.1 && one.2 != other.2);
            pairs += 1.0;
        }
    }
    hits / pairs
}

fn sender_holds_the_recipient(context: &Context<'_>) -> bool {
    let (to, from) = (
        context.view.get("To:addr"),
        context.view.get("EnvelopeFrom:addr"),
    );
    if from.is_empty() || pattern!(r"(?i)^SRS\d[=+-]").is_match(&from) {
        return false;
    }
    let Some((user, domain)) = to.split_once('@') else {
        return false;
    };
    let domain = registered(domain);
    let built = format!(r"(?i)\b{}.{}@", regex::escape(&domain), regex::escape(user));
    is_public(&domain) && regex::Regex::new(&built).is_ok_and(|pattern| pattern.is_match(&from))
}
