//! Of addresses: those of free mail providers, those listed.

use std::collections::BTreeSet;

use super::{Answer, Arguments, Context, pattern, yes};
use crate::pattern::{Pattern, Text};
use crate::view::header::Selector;
use crate::view::uri::is_public;

/// More addresses in a body than this, and none counts.
const BODY_MAX: usize = 5;
/// The same for those of free mail providers.
const BODY_FREE_MAX: usize = 3;
/// Addresses taken from links, and from all.
const FROM_LINKS_MAX: usize = 20;
const SEEN_MAX: usize = 40;

pub(super) fn find(name: &str) -> Option<Answer> {
    Some(match name {
        "check_freemail_from" => |context, arguments| {
            yes(senders(context)
                .iter()
                .any(|address| is_free(context, address) && fits(arguments, address)))
        },
        "check_freemail_header" => |context, arguments| {
            let request = format!("{}:addr", arguments.text(0));
            yes(addresses(context, &request)
                .iter()
                .any(|address| is_free(context, address) && fits(arguments, address)))
        },
        "check_freemail_body" => |context, arguments| {
            yes(in_body(context)
                .is_some_and(|free| free.iter().any(|address| fits(arguments, address))))
        },
        "check_freemail_replyto" => reply_to,
        "check_from_in_list" => |context, arguments| {
            yes(senders(context)
                .iter()
                .any(|address| is_listed(context, arguments.text(0), address)))
        },
        "check_replyto_in_list" => |context, arguments| {
            let address = context.view.get("Reply-To:addr").to_ascii_lowercase();
            yes(!address.is_empty() && is_listed(context, arguments.text(0), &address))
        },
        _ => return None,
    })
}

/// Addresses a field gives, in lower case.
fn addresses(context: &Context<'_>, request: &str) -> Vec<String> {
    let Ok(selector) = Selector::read(request) else {
        return Vec::new();
    };
    let values = context.view.select(&selector);
    values
        .iter()
        .map(|value| String::from_utf8_lossy(value).to_ascii_lowercase())
        .collect()
}

/// All whom it says to be from.
fn senders(context: &Context<'_>) -> BTreeSet<String> {
    let resent = addresses(context, "Resent-From:first:addr");
    if !resent.is_empty() {
        return resent.into_iter().collect();
    }
    let fields = [
        "From:addr",
        "Envelope-Sender:addr",
        "Resent-Sender:addr",
        "X-Envelope-From:addr",
        "EnvelopeFrom:addr",
    ];
    let all = fields
        .iter()
        .flat_map(|request| addresses(context, request));
    all.map(|address| pattern!(r"\.\.+").replace_all(&address, ".").into_owned())
        .filter(|address| !address.is_empty())
        .collect()
}

fn is_free(context: &Context<'_>, address: &str) -> bool {
    let role = pattern!(
        r"(?i)^(?:abuse|support|sales|info|helpdesk|contact|kontakt|(?:post|host|domain)master|undisclosed.*|request-[a-f0-9]{16}|bounced?-|[a-f0-9]{8}(?:\.[a-f0-9]{8}|-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12})|.+=.+=.+)@"
    );
    let Some((_, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let listed = || context.lists.freemail.contains(domain);
    let globbed = || {
        context
            .lists
            .freemail_globs
            .as_ref()
            .is_some_and(|globs| globs.is_match(&Text::new(domain.as_bytes().to_vec())))
    };
    !role.is_match(address) && (listed() || globbed())
}

fn fits(arguments: &Arguments, address: &str) -> bool {
    let text = Text::new(address.as_bytes().to_vec());
    arguments
        .pattern
        .as_ref()
        .is_none_or(|pattern: &Pattern| pattern.is_match(&text))
}

fn is_listed(context: &Context<'_>, list: &str, address: &str) -> bool {
    let text = Text::new(address.as_bytes().to_vec());
    context
        .lists
        .addresses
        .get(&list.to_ascii_uppercase())
        .is_some_and(|list| list.is_match(&text))
}

/// Addresses of free mail providers in the body; nothing when there are too many of any kind.
fn in_body<'c>(context: &'c Context<'_>) -> Option<&'c Vec<String>> {
    let found = context.body_addresses.get_or_init(|| {
        let seen = seen_in_body(context);
        if seen.len() >= BODY_MAX {
            return None;
        }
        let free: Vec<String> = seen
            .into_iter()
            .filter(|address| is_free(context, address))
            .collect();
        (free.len() < BODY_FREE_MAX).then_some(free)
    });
    found.as_ref()
}

fn seen_in_body(context: &Context<'_>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for link in &context.view.uris {
        let only_linked = link.elements.iter().any(|element| element == "a")
            && !link.elements.iter().any(|element| element == "parsed");
        let is_mail = link
            .raw
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("mailto:"));
        if only_linked
            && is_mail
            && seen.len() < FROM_LINKS_MAX
            && let Some((address, 0)) = first_address(&link.raw[7..])
            && !seen.contains(&address)
        {
            seen.push(address);
        }
    }
    for line in &context.view.lines {
        let text = String::from_utf8_lossy(&line.bytes);
        let text = pattern!(r"(?i)<?https?://\S{0,255}(?:@|%40)\S{0,255}").replace_all(&text, " ");
        let mut rest: &str = &text;
        while let Some((address, place)) = first_address(rest) {
            let behind = &rest[place + address.len()..];
            let before = &rest[..place];
            rest = behind;
            // `ann@a.example>`, `ann@a.example wrote:`: whom somebody answers, not whom to write to.
            let quoted = behind.starts_with('>')
                || pattern!(r"(?i)^\s{1,10}[a-z]{2,11}:")
                    .find(behind)
                    .is_some_and(|word| !is_label(word.as_str()));
            if quoted && !before.to_ascii_lowercase().ends_with("mailto:")
                || seen.contains(&address)
            {
                continue;
            }
            seen.push(address);
            if seen.len() >= SEEN_MAX {
                return seen;
            }
        }
    }
    seen
}

/// `tel:`, `fax:`: what follows an address in a signature.
fn is_label(word: &str) -> bool {
    let word = word.trim_start().to_ascii_lowercase();
    ["fax", "facsi", "tel", "phone", "mail", "email", "e-mail"]
        .iter()
        .any(|label| word.starts_with(label))
}

/// The first address in a text, and where it stands.
fn first_address(text: &str) -> Option<(String, usize)> {
    let pattern = pattern!(
        r"(?i)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,59}[a-z0-9])?\.){1,4}[a-z0-9-]{2,30}"
    );
    pattern.find_iter(text).find_map(|found| {
        let mut address = found.as_str();
        let (user, _) = address.split_once('@')?;
        // As much of the domain as is one.
        loop {
            let domain = address.split_once('@')?.1;
            if is_public(domain) {
                break;
            }
            address = &address[..address.rfind('.')?];
            if !address.contains('@') {
                return None;
            }
        }
        (user.len() <= 64).then(|| (address.to_ascii_lowercase(), found.start()))
    })
}

fn reply_to(context: &Context<'_>, arguments: &Arguments) -> f64 {
    let bulk = pattern!(
        r"(?i)(?:^(?:post|host|domain)master|^double-bounce|^(?:sentto|owner|return|(?:gr)?bounced?)-.+|-(?:request|bounces?|admin|owner)|\b(?:do[._\-t]?)?no[._\-t]?repl(?:y|ies)|.+=.+)@"
    );
    if bulk.is_match(&context.view.get("EnvelopeFrom")) {
        return 0.0;
    }
    let (from, reply) = (
        addresses(context, "From:addr"),
        addresses(context, "Reply-To:addr"),
    );
    let free = |addresses: &[String]| addresses.iter().any(|address| is_free(context, address));
    let (from_is_free, reply_is_free) = (free(&from), free(&reply));
    if from_is_free && reply_is_free && !from.iter().any(|address| reply.contains(address)) {
        return 1.0;
    }
    let only_reply = arguments.text(0) != "reply";
    if only_reply && !reply_is_free
        || !only_reply && (!reply.is_empty() && !reply_is_free || !from_is_free)
    {
        return 0.0;
    }
    let compared = if only_reply || reply_is_free {
        &reply
    } else {
        &from
    };
    let Some(body) = in_body(context) else {
        return 0.0;
    };
    yes(body
        .iter()
        .any(|address| compared.iter().any(|other| other != address)))
}
