//! Lists: addresses, domains, networks, texts or senders, each entry with its reason, author and expiry.
//!
//! A list of senders is what an allow-list should be. Anybody can write any sender's address, so an entry binds the sender to
//! something a stranger cannot write: the network that hands the mail over, or the authenticated account. One that binds to
//! nothing must say so.

use std::collections::HashMap;

use ipnet::IpNet;
use mail::{Address, Domain, Facts, Timestamp};
use written::{Entry, Section};

use crate::condition::Value;
use crate::condition::read::network;
use crate::wildcard::Wildcard;

/// One list of the policy.
pub(crate) struct List {
    /// Exact values in their compared form.
    exact: HashMap<String, Listed>,
    networks: Vec<(IpNet, Listed)>,
    wildcards: Vec<(Wildcard, Listed)>,
    senders: Vec<Sender>,
    kind: Kind,
}

/// An entry's value as written, and until when it counts.
#[derive(Clone, Debug)]
struct Listed {
    written: String,
    until: Option<Timestamp>,
}

impl Listed {
    fn is_live(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// A sender, and what their mail is known by.
struct Sender {
    listed: Listed,
    /// An address, or `@domain`.
    key: String,
    from: Option<IpNet>,
    account: Option<String>,
    /// For whom: an address, or `@domain`.
    recipient: Option<String>,
}

impl Sender {
    fn holds(&self, facts: &Facts, recipients: &[Address]) -> bool {
        let envelope = &facts.envelope;
        // Of several visible senders nobody can say who it is.
        let visible = match facts.message.header_from.as_slice() {
            [only] => only.address.as_ref(),
            _ => None,
        };
        let is_sender = envelope
            .envelope_from
            .iter()
            .chain(visible)
            .any(|from| fits(&self.key, from));
        is_sender
            && self.listed.is_live(envelope.received_at)
            && self.from.is_none_or(|net| {
                envelope
                    .peer
                    .ip
                    .is_some_and(|ip| net.contains(&ip.to_canonical()))
            })
            && self.account.as_ref().is_none_or(|account| {
                envelope
                    .account
                    .as_ref()
                    .is_some_and(|known| known.eq_ignore_ascii_case(account))
            })
            && self.recipient.as_ref().is_none_or(|whom| {
                !recipients.is_empty() && recipients.iter().all(|to| fits(whom, to))
            })
    }
}

/// Is it this address, or at this `@domain`?
fn fits(key: &str, address: &Address) -> bool {
    let whole = address.key();
    whole == key || (key.starts_with('@') && whole.rfind('@').is_some_and(|at| &whole[at..] == key))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Address,
    Domain,
    Network,
    Text,
    Sender,
}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.exact.len() + self.networks.len() + self.wildcards.len() + self.senders.len()
    }

    /// Is it a list of senders?
    pub(crate) fn is_of_senders(&self) -> bool {
        self.kind == Kind::Sender
    }

    /// The entry that allows this mail for all of these recipients.
    pub(crate) fn sender(&self, facts: &Facts, recipients: &[Address]) -> Option<&str> {
        self.senders
            .iter()
            .find(|sender| sender.holds(facts, recipients))
            .map(|sender| sender.listed.written.as_str())
    }

    /// The entry that holds this value now, as written. Expired entries do not count.
    pub(crate) fn holds(&self, value: &Value<'_>, now: Timestamp) -> Option<&str> {
        let live = |listed: &&Listed| listed.is_live(now);
        if let (Kind::Network, Value::Ip(ip)) = (self.kind, value) {
            return self
                .networks
                .iter()
                .find(|(net, listed)| listed.is_live(now) && net.contains(&ip.to_canonical()))
                .map(|(_, listed)| listed.written.as_str());
        }
        let shown = value.shown().to_lowercase();
        if let Some(listed) = self.exact.get(&shown).filter(live) {
            return Some(&listed.written);
        }
        if self.kind == Kind::Domain {
            // A listed domain covers what is below it; an address counts by its domain.
            let mut rest = shown.rsplit('@').next().unwrap_or(&shown);
            loop {
                if let Some(listed) = self.exact.get(rest).filter(live) {
                    return Some(&listed.written);
                }
                let Some((_, parent)) = rest.split_once('.') else {
                    break;
                };
                rest = parent;
            }
        }
        self.wildcards
            .iter()
            .find(|(wildcard, listed)| listed.is_live(now) && wildcard.fits(&shown))
            .map(|(_, listed)| listed.written.as_str())
    }
}

/// Reads `[[lists]]`.
pub(crate) fn read(root: &Section<'_, '_>) -> HashMap<String, List> {
    let mut lists = HashMap::new();
    for section in root.sections("lists") {
        let name = section.required("name", "a name", name);
        let kind = section.required(
            "kind",
            "\"address\", \"domain\", \"network\", \"text\" or \"sender\"",
            |kind| match kind {
                "address" => Ok(Kind::Address),
                "domain" => Ok(Kind::Domain),
                "network" => Ok(Kind::Network),
                "text" => Ok(Kind::Text),
                "sender" => Ok(Kind::Sender),
                _ => Err("is no kind of list"),
            },
        );
        let mut list = List {
            exact: HashMap::new(),
            networks: Vec::new(),
            wildcards: Vec::new(),
            senders: Vec::new(),
            kind: kind.unwrap_or(Kind::Text),
        };
        for entry in section.entries("entries") {
            list.read_entry(&section, entry);
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
    fn read_entry(&mut self, section: &Section<'_, '_>, entry: Entry<'_, '_>) {
        let (value, until, binding, spot) = match entry {
            Entry::Text(text, spot) => (Some(text), None, Binding::default(), spot),
            Entry::Section(entry) => {
                let spot = entry.spot("value");
                let binding = if self.kind == Kind::Sender {
                    Binding::read(&entry)
                } else {
                    Binding::default()
                };
                (entry_value(&entry), entry_end(entry), binding, spot)
            }
        };
        let Some(value) = value else { return };
        let listed = Listed {
            written: value.clone(),
            until,
        };
        let added = if self.kind == Kind::Sender {
            self.add_sender(listed, binding)
        } else {
            self.add(listed)
        };
        if let Err((wrong, right)) = added {
            section.complain_at(&spot, &format!("{value:?} {wrong}"), right);
        }
    }

    fn add(&mut self, listed: Listed) -> Result<(), (String, &'static str)> {
        const RIGHT: &str = "see the list's kind";
        let value = listed.written.clone();
        if self.kind != Kind::Network && value.contains(['*', '?']) {
            self.wildcards.push((Wildcard::new(&value), listed));
            return Ok(());
        }
        let key = match self.kind {
            Kind::Network => {
                let net = network(&value).map_err(|wrong| (wrong.to_string(), RIGHT))?;
                self.networks.push((net, listed));
                return Ok(());
            }
            Kind::Address => Address::new(&value)
                .filter(|address| address.domain().is_some())
                .ok_or(("is no address".to_owned(), RIGHT))?
                .key(),
            Kind::Domain => Domain::parse(&value)
                .map_err(|error| (error.to_string(), RIGHT))?
                .to_string(),
            Kind::Text | Kind::Sender => value.to_lowercase(),
        };
        self.exact.insert(key, listed);
        Ok(())
    }

    fn add_sender(
        &mut self,
        listed: Listed,
        binding: Binding,
    ) -> Result<(), (String, &'static str)> {
        let key = sender_key(&listed.written).ok_or((
            "is neither an address nor @domain".to_owned(),
            "ann@example.org or @example.org",
        ))?;
        if binding.from.is_none() && binding.account.is_none() && !binding.unguarded {
            let wrong = "is bound to nothing: anybody can write any sender's address";
            let right = "from = \"192.0.2.0/24\" (the network that hands it over), account = \"ann\", or unguarded = true";
            return Err((wrong.to_owned(), right));
        }
        self.senders.push(Sender {
            listed,
            key,
            from: binding.from,
            account: binding.account,
            recipient: binding.recipient,
        });
        Ok(())
    }
}

/// What an entry of a list of senders is bound to.
#[derive(Default)]
struct Binding {
    from: Option<IpNet>,
    account: Option<String>,
    recipient: Option<String>,
    unguarded: bool,
}

impl Binding {
    fn read(entry: &Section<'_, '_>) -> Self {
        Self {
            from: entry.text("from", "a network such as \"192.0.2.0/24\"", bound_network),
            account: entry.string("account"),
            recipient: entry.text("for", "an address or @domain", |text| {
                sender_key(text).ok_or("is neither an address nor @domain")
            }),
            unguarded: entry.flag("unguarded").unwrap_or(false),
        }
    }
}

/// A network small enough to tell anything about who sends from it.
fn bound_network(text: &str) -> Result<IpNet, String> {
    let net = network(text)?;
    let least = if net.addr().is_ipv4() { 8 } else { 16 };
    if net.prefix_len() < least {
        return Err(format!("is half the world; at least /{least}"));
    }
    Ok(net)
}

/// An address or `@domain` in its compared form.
fn sender_key(text: &str) -> Option<String> {
    match text.strip_prefix('@') {
        Some(domain) => Domain::parse(domain)
            .ok()
            .map(|domain| format!("@{domain}")),
        None => Address::new(text)
            .filter(|address| address.domain().is_some())
            .map(|address| address.key()),
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
