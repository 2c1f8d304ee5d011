//! Of links.

use std::net::Ipv4Addr;

use super::{Answer, Arguments, Context, pattern, yes};
use crate::view::uri::{host, is_public, registered};

pub(super) fn find(name: &str) -> Option<Answer> {
    Some(match name {
        "check_uri_host_listed" => {
            |context, arguments| yes(host_listed(context, arguments.text(0)))
        }
        "check_uri_truncated" => {
            |context, _| yes(context.view.pages.iter().any(|page| page.truncated_link))
        }
        "check_https_http_mismatch" => says_another_house,
        "check_https_ip_mismatch" => |context, _| {
            let numbered = pattern!(r"(?i)^https?:/*(?:[^@/]+@)?\d+\.\d+\.\d+\.\d+");
            let secure_numbered = pattern!(r"(?i)^https:/*(?:[^@/]+@)?\d+\.\d+\.\d+\.\d+");
            let mut links = context
                .view
                .pages
                .iter()
                .flat_map(|page| &page.links)
                .filter(|link| numbered.is_match(&link.address));
            yes(links.any(|link| {
                link.shown.iter().any(|text| {
                    !secure_numbered.is_match(text) && text.to_ascii_lowercase().contains("https:")
                })
            }))
        },
        "check_for_http_redirector" => |context, _| yes(leads_on(context)),
        _ => return None,
    })
}

fn host_listed(context: &Context<'_>, list: &str) -> bool {
    let Some(list) = context.lists.hosts.get(&list.to_ascii_uppercase()) else {
        return false;
    };
    let links = context
        .view
        .uris
        .iter()
        .filter(|link| !link.raw.to_ascii_lowercase().starts_with("mailto:"));
    links
        .flat_map(|link| &link.forms)
        .filter_map(|form| host(form))
        .filter(|host| is_public(host) || host.parse::<Ipv4Addr>().is_ok())
        .any(|host| {
            let host = host.to_ascii_lowercase();
            let mut name = host.as_str();
            loop {
                if list.contains(&format!("!{name}")) {
                    return false;
                }
                if list.contains(name) {
                    return true;
                }
                match name.split_once('.') {
                    Some((_, parent)) => name = parent,
                    None => return false,
                }
            }
        })
}

/// A link that shows the address of another house than it leads to, among so many links.
fn says_another_house(context: &Context<'_>, arguments: &Arguments) -> f64 {
    let least = arguments.number(0).max(1.0);
    let is_so = context.view.pages.iter().any(|page| {
        let (mut links, mut lies) = (0.0, false);
        for link in page.links.iter().filter(|link| !link.shown.is_empty()) {
            let to = pattern!(r"(?i)^https?://([^/:?#]+)")
                .captures(&link.address)
                .map(|found| found[1].to_owned());
            let Some(to) = to.filter(|to| to.parse::<Ipv4Addr>().is_err() && is_public(to)) else {
                continue;
            };
            links += 1.0;
            lies |= link.shown.iter().any(|text| {
                let said = pattern!(r"(?i)https://([^\s/:?#]+)")
                    .captures(text)
                    .map(|found| found[1].to_owned());
                said.filter(|said| said.parse::<Ipv4Addr>().is_ok() || is_public(said))
                    .is_some_and(|said| registered(&said) != registered(&to))
            });
        }
        lies && links >= least && arguments.bound(1).is_none_or(|max| links < max)
    });
    yes(is_so)
}

/// An address within an address, of another house.
fn leads_on(context: &Context<'_>) -> bool {
    let within = pattern!(r"(?i)^https?://([^/:?]+).+?https?:/{0,2}([^/:?]+)");
    let mut forms = context.view.uris.iter().flat_map(|link| &link.forms);
    forms.any(|form| {
        within
            .captures(form)
            .is_some_and(|found| registered(&found[1]) != registered(&found[2]))
    })
}
