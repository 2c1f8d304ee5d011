//! Signals about who says who sends.

use mail::message::Mailbox;
use mail::{Address, Direction, Domain, Facts, Site};

use super::authenticity::is_authentic;

/// Providers where anybody gets a mailbox within minutes. Not a verdict on them: most of their users are people.
const FREE_MAILBOXES: [&str; 48] = [
    "126.com",
    "139.com",
    "163.com",
    "188.com",
    "21cn.com",
    "aol.com",
    "bk.ru",
    "citromail.hu",
    "excite.com",
    "foxmail.com",
    "gmail.com",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "inbox.ru",
    "libero.it",
    "list.ru",
    "live.com",
    "lycos.com",
    "mail.com",
    "mail.ru",
    "msn.com",
    "netscape.net",
    "o2.pl",
    "outlook.com",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rediffmail.com",
    "rocketmail.com",
    "sina.cn",
    "sina.com",
    "sohu.com",
    "tom.com",
    "tutanota.com",
    "vip.qq.com",
    "web.de",
    "wp.pl",
    "yahoo.com",
    "yandex.com",
    "yandex.ru",
    "yeah.net",
    "ymail.com",
    "zoho.com",
    "zohomail.com",
];

/// Those that have a domain in every country: `hotmail.fr`, `yahoo.co.jp`.
const FREE_EVERYWHERE: [&str; 5] = ["gmx", "hotmail", "live", "outlook", "yahoo"];

/// Can anybody have a mailbox there?
pub(super) fn is_free_mailbox(domain: &str) -> bool {
    let (first, rest) = domain.split_once('.').unwrap_or((domain, ""));
    FREE_MAILBOXES.binary_search(&domain).is_ok()
        || FREE_EVERYWHERE.contains(&first) && (2..=6).contains(&rest.len())
}

fn first_domain(mailboxes: &[Mailbox]) -> Option<Domain> {
    mailboxes
        .iter()
        .find_map(|mailbox| mailbox.address.as_ref()?.domain())
}

/// Digits in a row that are no year and no house number.
const NAME_DIGITS: usize = 6;

/// Mailing lists send for others and set Reply-To; nothing is odd about that.
pub(super) fn is_list(facts: &Facts) -> bool {
    ["list-id", "list-post", "list-unsubscribe"]
        .iter()
        .any(|name| facts.message.header(name).is_some())
}

/// Does a list write its own address as the sender's, for the sake of DMARC? Then the real sender stands in Reply-To.
pub(super) fn is_written_by_list(facts: &Facts) -> bool {
    let from = facts.message.header_from.first();
    let Some(from) = from.and_then(|from| from.address.as_ref()) else {
        return false;
    };
    let names = ["list-post", "list-id", "x-beenthere"];
    let mut own = names
        .iter()
        .flat_map(|name| facts.message.headers_named(name));
    let local = from.local().to_lowercase();
    let key = from.key();
    own.any(|own| {
        let own = own.to_lowercase();
        own.contains(&key) || own.contains(&format!("<{local}."))
    })
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
    let odd = is_free_mailbox(reply_to.as_str()) && reply_to != from && !is_written_by_list(facts);
    odd.then(|| format!("replies go to a mailbox at {reply_to}, the sender claims {from}"))
}

/// Both mailboxes are free, and another one takes the answers: the first is expected to be closed soon.
pub(super) fn reply_to_second_mailbox(facts: &Facts, _: &Site) -> Option<String> {
    let from = facts.message.header_from.first()?.address.as_ref()?;
    let reply_to = facts.message.reply_to.first()?.address.as_ref()?;
    let free = |address: &Address| {
        address
            .domain()
            .is_some_and(|domain| is_free_mailbox(domain.as_str()))
    };
    let other = from.key() != reply_to.key() && free(from) && free(reply_to);
    (other && !is_written_by_list(facts)).then(|| format!("{from} wants answers at {reply_to}"))
}

pub(super) fn from_free_mailbox(facts: &Facts, _: &Site) -> Option<String> {
    let from = first_domain(&facts.message.header_from)?;
    is_free_mailbox(from.as_str()).then(|| from.to_string())
}

/// `z9uppzk2wq.com`: letters and digits mixed, or more consonants in a row than any language has. Bought by the hundred, used for a day.
pub(super) fn domain_by_chance(facts: &Facts, _: &Site) -> Option<String> {
    let from = first_domain(&facts.message.header_from)?;
    let organisation = from.registered();
    let labels = from.as_str().split('.').take(2);
    let mut labels =
        labels.filter(|label| organisation.as_str().starts_with(label) || label.len() >= 8);
    labels
        .find(|label| by_chance(label))
        .map(|_| from.to_string())
}

/// `Invoice 813704788758188`: people and firms have no numbers of six digits and more in their names.
pub(super) fn name_with_number(facts: &Facts, _: &Site) -> Option<String> {
    let name = facts.message.header_from.first()?.name.as_deref()?;
    let longest = name
        .split(|c: char| !c.is_ascii_digit())
        .map(str::len)
        .max();
    (longest? >= NAME_DIGITS && !name.contains('@')).then(|| name.chars().take(80).collect())
}

/// `x9r2kq7vbt@`: a name for this letter alone. What stands behind a `+` is a mark of lists and services.
/// RFC 5322 §3.6.2 allows several authors; people who write together hardly ever say so there, and broken or misleading names come apart into several. `Surname, Name
/// <address>` without quotes is a clumsy program's.
pub(super) fn several_authors(facts: &Facts, _: &Site) -> Option<String> {
    let authors = &facts.message.header_from;
    let is_clumsy = match authors.as_slice() {
        [surname, person] => {
            let named = person.name.as_deref().unwrap_or_default();
            surname.address.is_none() && named.chars().filter(|c| c.is_alphabetic()).count() > 1
        }
        _ => false,
    };
    let shown = |author: &Mailbox| {
        let address = author.address.as_ref().map(ToString::to_string);
        address.or_else(|| author.name.clone()).unwrap_or_default()
    };
    let shown = authors.iter().take(4).map(shown).collect::<Vec<_>>();
    (authors.len() > 1 && !is_clumsy).then(|| shown.join(", "))
}

pub(super) fn mailbox_by_chance(facts: &Facts, _: &Site) -> Option<String> {
    let from = facts.message.header_from.first()?.address.as_ref()?;
    let local = from.local().to_lowercase();
    let name = local.split('+').next().unwrap_or_default();
    let mut pieces = name.split(['.', '-', '_']);
    pieces.any(by_chance).then(|| from.to_string())
}

fn by_chance(label: &str) -> bool {
    if label.len() < 7 || label.starts_with("xn--") {
        return false;
    }
    let kinds: Vec<char> = label
        .chars()
        .map(|c| match c {
            '0'..='9' => '0',
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' => 'a',
            'a'..='z' => 'b',
            _ => '-',
        })
        .collect();
    let is_digit = |kind: char| kind == '0';
    let turns = kinds
        .windows(2)
        .filter(|two| is_digit(two[0]) != is_digit(two[1]) && !two.contains(&'-'))
        .count();
    let consonants = kinds.split(|kind| *kind != 'b').map(<[char]>::len).max();
    turns >= 3 || consonants.unwrap_or(0) >= 6
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
    if facts.envelope.direction != Direction::Inbound || is_list(facts) || is_authentic(facts) {
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
