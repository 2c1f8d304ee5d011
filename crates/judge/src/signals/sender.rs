//! Signals about who says who sends.

use mail::message::Mailbox;
use mail::{Address, Direction, Domain, Facts, Site};

/// Providers where anybody gets a mailbox within minutes. Not a verdict on them: most of their users are people.
const FREE_MAILBOXES: [&str; 26] = [
    "gmail.com",
    "googlemail.com",
    "yahoo.com",
    "yahoo.co.uk",
    "ymail.com",
    "rocketmail.com",
    "hotmail.com",
    "outlook.com",
    "live.com",
    "msn.com",
    "aol.com",
    "gmx.com",
    "gmx.net",
    "gmx.de",
    "web.de",
    "mail.ru",
    "yandex.ru",
    "yandex.com",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "163.com",
    "126.com",
    "sina.com",
    "zoho.com",
    "mail.com",
];

fn first_domain(mailboxes: &[Mailbox]) -> Option<Domain> {
    mailboxes
        .iter()
        .find_map(|mailbox| mailbox.address.as_ref()?.domain())
}

/// Mailing lists send for others and set Reply-To; nothing is odd about that.
pub(super) fn is_list(facts: &Facts) -> bool {
    ["list-id", "list-post", "list-unsubscribe"]
        .iter()
        .any(|name| facts.message.header(name).is_some())
}

pub(super) fn reply_to_other_domain(facts: &Facts, _: &Site) -> Option<String> {
    let from = first_domain(&facts.message.header_from)?;
    let reply_to = first_domain(&facts.message.reply_to)?;
    let other = from.registered() != reply_to.registered() && !is_list(facts);
    other.then(|| format!("replies go to {reply_to}, not {from}"))
}

pub(super) fn reply_to_free_mailbox(facts: &Facts, _: &Site) -> Option<String> {
    let from = first_domain(&facts.message.header_from)?;
    let reply_to = first_domain(&facts.message.reply_to)?;
    let free = |domain: &Domain| FREE_MAILBOXES.contains(&domain.as_str());
    let odd = free(&reply_to) && reply_to != from && !is_list(facts);
    odd.then(|| format!("replies go to a mailbox at {reply_to}, the sender claims {from}"))
}

pub(super) fn name_shows_other_address(facts: &Facts, _: &Site) -> Option<String> {
    for from in &facts.message.header_from {
        let (Some(name), Some(address)) = (&from.name, &from.address) else {
            continue;
        };
        let shown = name
            .split([' ', '<', '>', '(', ')', '"', '\'', ',', ';'])
            .find(|word| word.contains('@'));
        let Some(shown) = shown.and_then(Address::new) else {
            continue;
        };
        let (Some(shown_domain), Some(real_domain)) = (shown.domain(), address.domain()) else {
            continue;
        };
        if shown_domain.as_str().contains('.')
            && shown_domain.registered() != real_domain.registered()
        {
            return Some(format!("shows {shown}, is {address}"));
        }
    }
    None
}

pub(super) fn own_domain_from_outside(facts: &Facts, site: &Site) -> Option<String> {
    if facts.envelope.direction != Direction::Inbound || is_list(facts) {
        return None;
    }
    let address = facts.message.header_from.iter().find_map(|from| {
        from.address
            .as_ref()
            .filter(|address| address.domain().is_some() && site.is_local(address))
    })?;
    Some(format!(
        "{address} from {}",
        facts
            .envelope
            .peer
            .ip
            .map_or_else(|| "an unknown machine".to_owned(), |ip| ip.to_string())
    ))
}

pub(super) fn envelope_from_other_domain(facts: &Facts, _: &Site) -> Option<String> {
    let header = first_domain(&facts.message.header_from)?;
    let envelope = facts.envelope.envelope_from.as_ref()?.domain()?;
    let other = header.registered() != envelope.registered() && !is_list(facts);
    other.then(|| format!("envelope {envelope}, header {header}"))
}

pub(super) fn no_visible_sender(facts: &Facts, _: &Site) -> Option<String> {
    let readable = facts.message.header_from.iter().any(|from| {
        from.address
            .as_ref()
            .is_some_and(|address| address.as_str().contains('@'))
    });
    (!readable && !facts.message.headers.is_empty()).then(|| {
        facts
            .message
            .header("from")
            .unwrap_or("no From field")
            .chars()
            .take(80)
            .collect()
    })
}
