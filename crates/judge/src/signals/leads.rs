//! Signals about where links lead, seen from who sends and how many lead there.

use std::collections::BTreeSet;

use mail::message::{LinkFrom, LinkOddity};
use mail::{Facts, Site};

use super::look::followed;
use super::sender::is_free_mailbox;

/// Hosts below one domain from which they look made by the dozen.
const HOSTS_MANY: usize = 3;

/// Endings that are sold for next to nothing, and are full of what is thrown away after a day (Spamhaus and Interisle count them).
const CHEAP_ENDINGS: [&str; 42] = [
    "bar", "beauty", "best", "bid", "buzz", "cam", "cf", "cfd", "click", "club", "cyou", "date",
    "download", "fun", "ga", "gq", "hair", "icu", "life", "link", "live", "loan", "lol", "ml",
    "monster", "online", "pw", "quest", "rest", "sbs", "shop", "site", "skin", "space", "store",
    "stream", "tk", "top", "uno", "website", "win", "xyz",
];

/// Sender or link below such an ending.
pub(super) fn cheap_ending(facts: &Facts, _: &Site) -> Option<String> {
    let cheap = |host: &str| {
        let ending = host.rsplit('.').next().unwrap_or_default();
        CHEAP_ENDINGS.binary_search(&ending).is_ok()
    };
    let from = facts.message.header_from.first();
    let sender = from.and_then(|from| from.address.as_ref()?.domain());
    let sender = sender.map(|domain| domain.to_string());
    let mut links = followed(facts).map(|link| link.host.clone());
    sender
        .filter(|sender| cheap(sender))
        .or_else(|| links.find(|host| cheap(host)))
}

/// A web page that leads to one place, and not to where it says to come from. Honest mail by a provider of mailings links home too.
pub(super) fn leads_elsewhere(facts: &Facts, site: &Site) -> Option<String> {
    super::look::html_only(facts, site)?;
    let from = facts.message.header_from.first()?.address.as_ref()?;
    let home = from.domain()?.registered();
    let domains: BTreeSet<&str> = followed(facts)
        .filter(|link| link.from != LinkFrom::Text)
        .map(|link| link.domain.as_str())
        .collect();
    let one = domains.len() == 1 && !domains.contains(home.as_str());
    one.then(|| {
        let to = domains.first().copied().unwrap_or_default();
        format!("from {home}, leads to {to} alone")
    })
}

/// `b0d8.x.example`, `c404.x.example`, …: a host of its own for each link, so that lists of hosts never know it.
pub(super) fn hosts_by_the_dozen(facts: &Facts, _: &Site) -> Option<String> {
    let mut by_domain: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    for link in followed(facts).filter(|link| is_coded(&link.host, &link.domain)) {
        match by_domain
            .iter_mut()
            .find(|(domain, _)| *domain == link.domain)
        {
            Some((_, hosts)) => {
                hosts.insert(&link.host);
            }
            None => by_domain.push((&link.domain, BTreeSet::from([link.host.as_str()]))),
        }
    }
    let (domain, hosts) = by_domain
        .into_iter()
        .find(|(_, hosts)| hosts.len() >= HOSTS_MANY)?;
    let shown: Vec<&str> = hosts.into_iter().take(3).collect();
    Some(format!("{} below {domain}", shown.join(", ")))
}

/// Does the first label look like a number in letters (`5353`, `b0d815d`) rather than a name?
fn is_coded(host: &str, domain: &str) -> bool {
    let label = host
        .strip_suffix(domain)
        .and_then(|rest| rest.split('.').next());
    label.is_some_and(|label| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The page has a button that writes a letter to a free mailbox: the answer goes to a person who hides, not to the firm it speaks for.
pub(super) fn writes_to_free_mailbox(facts: &Facts, site: &Site) -> Option<String> {
    super::look::html_only(facts, site)?;
    let own = facts.message.header_from.first()?.address.as_ref()?.key();
    let mut letters = facts.message.links.iter();
    let letter = letters.find(|link| {
        link.from == LinkFrom::Letter
            && is_free_mailbox(&link.host)
            && link.url.strip_prefix("mailto:") != Some(&own)
    })?;
    Some(letter.url.chars().take(100).collect())
}

pub(super) fn way_out_is_offer(facts: &Facts, _: &Site) -> Option<String> {
    let mut links = facts.message.links.iter();
    let link = links.find(|link| link.oddities.contains(&LinkOddity::WayOutIsOffer))?;
    Some(link.host.chars().take(100).collect())
}

/// Nothing but a shortener (or a bare address) to follow: where it leads is hidden from everybody.
pub(super) fn leads_through_shortener_only(facts: &Facts, _: &Site) -> Option<String> {
    let hides = [LinkOddity::Shortener, LinkOddity::AddressHost];
    let mut links = followed(facts).peekable();
    let first = links.peek()?.host.clone();
    links
        .all(|link| link.oddities.iter().any(|oddity| hides.contains(oddity)))
        .then_some(first)
}
