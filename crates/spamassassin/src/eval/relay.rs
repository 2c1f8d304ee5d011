//! Of the path.

use super::{Answer, Context, pattern, yes};
use crate::view::relay::is_private;

pub(super) fn find(name: &str) -> Option<Answer> {
    Some(match name {
        "check_all_trusted" => |context, _| {
            let relays = &context.view.relays;
            yes(!relays.trusted.is_empty() && relays.untrusted.is_empty() && relays.unreadable == 0)
        },
        "check_no_relays" => |context, _| {
            let relays = &context.view.relays;
            yes(relays.trusted.is_empty() && relays.untrusted.is_empty() && relays.unreadable == 0)
        },
        // Nothing names the machines whose own bounces are wanted; the filter's own rules do that.
        "have_any_bounce_relays" | "check_welcomelist_bounce_relays" => |_, _| 0.0,
        "check_relays_unparseable" => |context, _| yes(context.view.relays.unreadable > 0),
        "helo_ip_mismatch" => |context, _| yes(helo_is_another_machine(context)),
        "check_for_numeric_helo" => |context, _| {
            let mut helos = context
                .view
                .relays
                .untrusted
                .iter()
                .map(|relay| relay.helo.as_str());
            yes(helos.any(|helo| is_v4(helo) && !is_private(helo)))
        },
        "check_for_no_rdns_dotcom_helo" => |context, _| yes(nameless_says_to_be_large(context)),
        "check_for_forged_received_trail" => |context, _| yes(broken_links(context) > 1),
        "check_for_forged_received_ip_helo" => |context, _| yes(helo_of_another_net(context)),
        "check_for_sender_no_reverse" => |context, _| {
            let last = context.view.relays.untrusted.last();
            yes(last.is_some_and(|relay| relay.rdns.contains('.') && !relay.is_private()))
        },
        _ => return None,
    })
}

fn is_v4(text: &str) -> bool {
    text.parse::<std::net::Ipv4Addr>().is_ok()
}

/// The first so many numbers of an address.
fn net(ip: &str, numbers: usize) -> Vec<&str> {
    ip.split('.').take(numbers).collect()
}

fn helo_is_another_machine(context: &Context<'_>) -> bool {
    context.view.relays.untrusted.iter().any(|relay| {
        let both = is_v4(&relay.helo) && is_v4(&relay.ip);
        both && !is_private(&relay.helo)
            && !relay.is_private()
            && net(&relay.helo, 3) != net(&relay.ip, 3)
    })
}

fn helo_of_another_net(context: &Context<'_>) -> bool {
    context.view.relays.untrusted.iter().any(|relay| {
        let both = is_v4(&relay.helo) && is_v4(&relay.ip);
        both && !is_private(&relay.helo) && net(&relay.helo, 2) != net(&relay.ip, 2)
    })
}

fn nameless_says_to_be_large(context: &Context<'_>) -> bool {
    let large = pattern!(
        r"(?i)(?:\.|^)(?:lycos\.com|lycos\.co\.uk|hotmail\.com|localhost\.com|excite\.com|caramail\.com|cs\.com|aol\.com|msn\.com|yahoo\.com|drizzle\.com)$"
    );
    // The last that names itself decides.
    let mut relays = context
        .view
        .relays
        .untrusted
        .iter()
        .filter(|relay| !relay.is_private());
    relays
        .next_back()
        .is_some_and(|relay| relay.no_reverse_dns && large.is_match(&relay.helo))
}

/// The name a house is registered under, roughly.
fn house(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if !name.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return name;
    }
    let parts: Vec<&str> = name.split('.').collect();
    let last = parts[parts.len() - 1];
    let short = last.len() >= 3 || ["ie", "fr", "de"].iter().any(|known| last.contains(known));
    let keep = match parts.len() {
        2.. if short => 2,
        3.. => 3,
        all => all,
    };
    parts[parts.len() - keep..].join(".")
}

/// Relays that took mail under one name and handed it on under another.
fn broken_links(context: &Context<'_>) -> usize {
    let named = pattern!(r"^\w+(?:[\w.-]+\.)+\w+$");
    let relays = &context.view.relays.untrusted;
    let mut broken = 0;
    let mut handed_on: Option<String> = None;
    for relay in relays {
        let by = house(&relay.by);
        let from = Some(house(&relay.rdns))
            .filter(|from| !(from.starts_with("localhost") && relay.ip == "127.0.0.1"));
        if named.is_match(&by)
            && let Some(before) = handed_on
            && named.is_match(&before)
            && by != before
            && !(by == "msn.com" && before == "hotmail.com")
        {
            broken += 1;
        }
        handed_on = from;
    }
    broken
}
