//! Lists: addresses, domains, networks or texts, each entry with its reason, author and expiry.

use std::collections::HashMap;

use ipnet::IpNet;
use mail::{Address, Domain, Timestamp};
use written::{Entry, Section};

use crate::condition::Value;
use crate::condition::read::network;
use crate::wildcard::Wildcard;

/// One list of the policy.
pub(crate) struct List {
    /// Exact values in their compared form, each until when.
    exact: HashMap<String, Option<Timestamp>>,
    networks: Vec<(IpNet, Option<Timestamp>)>,
    wildcards: Vec<(Wildcard, Option<Timestamp>)>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Address,
    Domain,
    Network,
    Text,
}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.exact.len() + self.networks.len() + self.wildcards.len()
    }

    /// Does it hold this value now? Expired entries do not count.
    pub(crate) fn holds(&self, value: &Value<'_>, now: Timestamp) -> bool {
        let live = |until: &Option<Timestamp>| until.is_none_or(|until| until > now);
        if let (Kind::Network, Value::Ip(ip)) = (self.kind, value) {
            return self
                .networks
                .iter()
                .any(|(net, until)| live(until) && net.contains(&ip.to_canonical()));
        }
        let shown = value.shown().to_lowercase();
        if self.exact.get(&shown).is_some_and(live) {
            return true;
        }
        if self.kind == Kind::Domain {
            // A listed domain covers what is below it; an address counts by its domain.
            let mut rest = shown.rsplit('@').next().unwrap_or(&shown);
            loop {
                if self.exact.get(rest).is_some_and(live) {
                    return true;
                }
                let Some((_, parent)) = rest.split_once('.') else {
                    break;
                };
                rest = parent;
            }
        }
        self.wildcards
            .iter()
            .any(|(wildcard, until)| live(until) && wildcard.fits(&shown))
    }
}

/// Reads `[[lists]]`.
pub(crate) fn read(root: &Section<'_, '_>) -> HashMap<String, List> {
    let mut lists = HashMap::new();
    for section in root.sections("lists") {
        let name = section.required("name", "a name", name);
        let kind = section.required(
            "kind",
            "\"address\", \"domain\", \"network\" or \"text\"",
            |kind| match kind {
                "address" => Ok(Kind::Address),
                "domain" => Ok(Kind::Domain),
                "network" => Ok(Kind::Network),
                "text" => Ok(Kind::Text),
                _ => Err("is no kind of list"),
            },
        );
        let mut list = List {
            exact: HashMap::new(),
            networks: Vec::new(),
            wildcards: Vec::new(),
            kind: kind.unwrap_or(Kind::Text),
        };
        for entry in section.entries("entries") {
            let (value, until, spot) = match entry {
                Entry::Text(text, spot) => (Some(text), None, spot),
                Entry::Section(entry) => {
                    let spot = entry.spot("value");
                    (entry_value(&entry), entry_end(entry), spot)
                }
            };
            if let Some(value) = value
                && let Err(wrong) = list.add(&value, until)
            {
                section.complain_at(&spot, &format!("{value:?} {wrong}"), "see the list's kind");
            }
        }
        if let Some(name) = name
            && lists.insert(name, list).is_some()
        {
            section.complain("name", "stands twice", "another name");
        }
        section.finish();
    }
    lists
}

impl List {
    fn add(&mut self, value: &str, until: Option<Timestamp>) -> Result<(), String> {
        if self.kind != Kind::Network && value.contains(['*', '?']) {
            self.wildcards.push((Wildcard::new(value), until));
            return Ok(());
        }
        let key = match self.kind {
            Kind::Network => {
                self.networks.push((network(value)?, until));
                return Ok(());
            }
            Kind::Address => Address::new(value)
                .filter(|address| address.domain().is_some())
                .ok_or("is no address")?
                .key(),
            Kind::Domain => Domain::parse(value)
                .map_err(|error| error.to_string())?
                .to_string(),
            Kind::Text => value.to_lowercase(),
        };
        self.exact.insert(key, until);
        Ok(())
    }
}

fn entry_value(entry: &Section<'_, '_>) -> Option<String> {
    entry.required("value", "what is listed", |text| {
        Ok::<_, String>(text.to_owned())
    })
}

/// Reads when an entry ends; reason and author are for people.
fn entry_end(entry: Section<'_, '_>) -> Option<Timestamp> {
    entry.string("reason");
    entry.string("author");
    let end = entry.text("expires", "a day such as \"2027-01-31\"", |text| {
        Timestamp::parse(text).ok_or("is no day")
    });
    entry.finish();
    end
}

/// A name that rules, records and people can use.
pub(crate) fn name(text: &str) -> Result<String, &'static str> {
    let good = !text.is_empty()
        && text.len() <= 80
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "-_.".contains(c));
    good.then(|| text.to_owned())
        .ok_or("is no name of letters, digits, '-', '_' and '.'")
}
