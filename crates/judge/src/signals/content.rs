//! Signals about what is written: where links lead, what is hidden, how words are dressed up.

use mail::message::{ContactKind, LinkFrom, LinkOddity};
use mail::{Facts, Site};

/// Hidden words that are normal: the preview line of a newsletter.
const PREVIEW_WORDS: usize = 60;

/// The first link with this oddity.
fn link_with(facts: &Facts, oddity: LinkOddity) -> Option<String> {
    let mut links = facts.message.links.iter();
    // Pictures are fetched, not followed.
    let link =
        links.find(|link| link.from != LinkFrom::Image && link.oddities.contains(&oddity))?;
    Some(match link.host.as_str() {
        "" => link.url.chars().take(60).collect(),
        host => host.chars().take(120).collect(),
    })
}

pub(super) fn link_shows_other_domain(facts: &Facts, _: &Site) -> Option<String> {
    link_with(facts, LinkOddity::ShowsOtherDomain).map(|host| format!("leads to {host}"))
}

pub(super) fn link_to_address(facts: &Facts, _: &Site) -> Option<String> {
    link_with(facts, LinkOddity::AddressHost)
}

pub(super) fn link_lookalike(facts: &Facts, _: &Site) -> Option<String> {
    link_with(facts, LinkOddity::Lookalike)
}

pub(super) fn link_user_info(facts: &Facts, _: &Site) -> Option<String> {
    link_with(facts, LinkOddity::UserInfo).map(|host| format!("leads to {host}"))
}

pub(super) fn link_odd_port(facts: &Facts, _: &Site) -> Option<String> {
    link_with(facts, LinkOddity::OddPort)
}

pub(super) fn link_holds_page(facts: &Facts, _: &Site) -> Option<String> {
    link_with(facts, LinkOddity::HoldsPage)
}

pub(super) fn link_shortener(facts: &Facts, _: &Site) -> Option<String> {
    link_with(facts, LinkOddity::Shortener)
}

pub(super) fn form_in_mail(facts: &Facts, _: &Site) -> Option<String> {
    let mut links = facts.message.links.iter();
    let form = links.find(|link| link.from == LinkFrom::Form)?;
    Some(format!(
        "sent to {}",
        form.host.chars().take(120).collect::<String>()
    ))
}

pub(super) fn words_disguised(facts: &Facts, _: &Site) -> Option<String> {
    let times = facts.message.disguises;
    (times > 1).then(|| format!("{times} times"))
}

pub(super) fn hidden_text(facts: &Facts, _: &Site) -> Option<String> {
    let words = facts.message.hidden_words as usize;
    (words > PREVIEW_WORDS).then(|| format!("{words} words that nobody sees"))
}

pub(super) fn wallet(facts: &Facts, _: &Site) -> Option<String> {
    let mut contacts = facts.message.contacts.iter();
    let wallet = contacts.find(|contact| contact.kind != ContactKind::Phone)?;
    Some(wallet.kind.name())
}
