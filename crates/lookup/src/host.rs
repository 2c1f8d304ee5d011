//! What a sending machine is called, what it calls itself, and whether a domain could be answered.

use std::net::IpAddr;

use mail::authentication::{HeloFlaw, Ptr, Reachable};
use mail::{Domain, Known};

use crate::cut;
use crate::dns::{Found, Kind, Name, Questions, Record, Unanswered};

/// Names of an address that are looked at. Honest servers have one or two.
const NAMES_MAX: usize = 5;

/// The name of an address, and whether the name has the address (RFC 8601 §2.7.3).
pub(crate) async fn ptr(questions: &Questions<'_>, ip: IpAddr) -> Known<Ptr> {
    let names = match questions.names(ip).await {
        Ok(names) => names,
        Err(Unanswered(why)) => return Known::Unavailable(why),
    };
    let Some(first) = names.first() else {
        return Known::Absent;
    };
    let mut unavailable = None;
    let mut confirmed = None;
    for name in names.iter().take(NAMES_MAX) {
        match points_to(questions, name, ip).await {
            Ok(true) => {
                confirmed = Some(name);
                break;
            }
            Ok(false) => {}
            Err(Unanswered(why)) => unavailable = Some(why),
        }
    }
    if let (None, Some(why)) = (confirmed, unavailable) {
        return Known::Unavailable(why);
    }
    let name = confirmed.unwrap_or(first);
    Known::Yes(Ptr {
        name: cut(name, questions.limits().address_bytes_max),
        confirmed: confirmed.is_some(),
        generic: is_generic(name, ip),
    })
}

async fn points_to(questions: &Questions<'_>, name: &str, ip: IpAddr) -> Result<bool, Unanswered> {
    let Some(name) = Name::parse(name) else {
        return Ok(false);
    };
    let answer = questions.addresses(&name, ip).await?;
    Ok(answer.addresses().any(|address| address == ip))
}

/// Words access networks put into the names of their customers' addresses.
const ACCESS_WORDS: [&str; 20] = [
    "adsl",
    "broadband",
    "cable",
    "client",
    "cpe",
    "cust",
    "customer",
    "dhcp",
    "dial",
    "dialup",
    "dsl",
    "dyn",
    "dynamic",
    "ftth",
    "host",
    "ip",
    "pool",
    "ppp",
    "static",
    "user",
];

/// Is a name made from the address? It holds the address' numbers in a row, in either order, decimal or hexadecimal, or at
/// least the last two beside a word of access networks.
fn is_generic(name: &str, ip: IpAddr) -> bool {
    let IpAddr::V4(ip) = ip else {
        let digits: String = name.chars().filter(char::is_ascii_hexdigit).collect();
        let IpAddr::V6(ip) = ip else { return false };
        let whole = format!("{:032x}", u128::from(ip));
        return digits.contains(&whole[16..]);
    };
    let octets = ip.octets();
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    if name.contains(&hex) {
        return true;
    }
    let numbers: Vec<u32> = name
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    let mut wanted = octets.map(u32::from);
    let forward = numbers.windows(4).any(|run| run == wanted);
    let last_two = numbers.windows(2).any(|run| run == &wanted[2..]);
    wanted.reverse();
    let backward = numbers.windows(4).any(|run| run == wanted);
    let first_two = numbers.windows(2).any(|run| run == &wanted[..2]);
    let of_access = name
        .split(|c: char| !c.is_ascii_alphabetic())
        .any(|word| ACCESS_WORDS.contains(&word));
    forward || backward || of_access && (last_two || first_two)
}

/// What is wrong with a HELO name. What DNS cannot tell is no flaw.
pub(crate) async fn helo_flaws(
    questions: &Questions<'_>,
    helo_name: Option<&str>,
    ip: Option<IpAddr>,
    is_ours: impl Fn(&Domain) -> bool,
) -> Vec<HeloFlaw> {
    let Some(helo_name) = helo_name.filter(|name| !name.is_empty()) else {
        return vec![HeloFlaw::Missing];
    };
    if helo_name.parse::<IpAddr>().is_ok() {
        return vec![HeloFlaw::BareAddress];
    }
    if let Some(inside) = helo_name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return literal_flaw(inside, ip).into_iter().collect();
    }
    let domain = Domain::parse(helo_name)
        .ok()
        .filter(|domain| domain.parent().is_some());
    let Some(domain) = domain else {
        return vec![HeloFlaw::NoName];
    };
    let mut flaws = Vec::new();
    if is_ours(&domain) {
        flaws.push(HeloFlaw::Ours);
    }
    if let Some(ip) = ip {
        flaws.extend(address_flaw(questions, &domain, ip).await);
    }
    flaws
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3)
fn literal_flaw(inside: &str, ip: Option<IpAddr>) -> Option<HeloFlaw> {
    let bare = match inside.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => &inside[5..],
        _ => inside,
    };
    match bare.parse::<IpAddr>() {
        Err(_) => Some(HeloFlaw::NoName),
        Ok(named) => ip
            .filter(|ip| ip.to_canonical() != named.to_canonical())
            .map(|_| HeloFlaw::OtherAddress),
    }
}

async fn address_flaw(questions: &Questions<'_>, domain: &Domain, ip: IpAddr) -> Option<HeloFlaw> {
    let name = Name::from(domain);
    let own = questions.addresses(&name, ip).await.ok()?;
    if own.addresses().any(|address| address == ip) {
        return None;
    }
    let other_kind = if ip.is_ipv4() { Kind::Aaaa } else { Kind::A };
    let other = questions.ask(&name, other_kind).await.ok()?;
    let resolves = !own.records().is_empty() || !other.records().is_empty();
    // A host with addresses of the other family alone speaks through them elsewhere; that is no lie about this one.
    match (resolves, own.records().is_empty()) {
        (false, _) => Some(HeloFlaw::Unresolved),
        (true, false) => Some(HeloFlaw::Elsewhere),
        (true, true) => None,
    }
}

/// Could mail for this domain be delivered?
pub(crate) async fn reachable(questions: &Questions<'_>, domain: &Domain) -> Known<Reachable> {
    match reach(questions, &Name::from(domain)).await {
        Ok(reachable) => Known::Yes(reachable),
        Err(Unanswered(why)) => Known::Unavailable(why),
    }
}

async fn reach(questions: &Questions<'_>, name: &Name) -> Result<Reachable, Unanswered> {
    let mx = questions.ask(name, Kind::Mx).await?;
    match &mx.found {
        Found::NoName => return Ok(Reachable::NoDomain),
        Found::Records(records) => {
            let is_null =
                |record: &Record| matches!(record, Record::Mx { host, .. } if host.is_empty());
            return Ok(if records.iter().all(is_null) {
                Reachable::NullMx
            } else {
                Reachable::Mx
            });
        }
        Found::Nothing => {}
    }
    for kind in [Kind::A, Kind::Aaaa] {
        if !questions.ask(name, kind).await?.records().is_empty() {
            return Ok(Reachable::Address);
        }
    }
    Ok(Reachable::No)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Resolver, Zone};
    use mail::Limits;
    use tokio::time::Instant;

    fn resolver() -> Resolver {
        let a = |last| Record::A([192, 0, 2, last].into());
        let mx = |host: &str| Record::Mx {
            preference: 10,
            host: host.to_owned(),
        };
        let zone = Zone::default()
            .with(
                "1.2.0.192.in-addr.arpa",
                Record::Ptr("liar.example.org".to_owned()),
            )
            .with(
                "1.2.0.192.in-addr.arpa",
                Record::Ptr("mail.example.org".to_owned()),
            )
            .with(
                "2.2.0.192.in-addr.arpa",
                Record::Ptr("dsl-2-2.example.net".to_owned()),
            )
            .with("mail.example.org", a(1))
            .with("example.org", mx("mail.example.org"))
            .with("null.example", mx(""))
            .txt("text.example", "hello")
            .broken("broken.example")
            .broken("4.2.0.192.in-addr.arpa");
        Resolver::new(zone, &Limits::default())
    }

    fn later() -> Instant {
        Instant::now() + std::time::Duration::from_secs(5)
    }

    #[tokio::test]
    async fn names_of_addresses() {
        let resolver = resolver();
        let questions = Questions::new(&resolver, later());
        let ptr_of = async |last| ptr(&questions, IpAddr::from([192, 0, 2, last])).await;
        let good = Ptr {
            name: "mail.example.org".to_owned(),
            confirmed: true,
            generic: false,
        };
        assert_eq!(ptr_of(1).await, Known::Yes(good));
        let bad = Ptr {
            name: "dsl-2-2.example.net".to_owned(),
            confirmed: false,
            generic: true,
        };
        assert_eq!(ptr_of(2).await, Known::Yes(bad));
        assert_eq!(ptr_of(3).await, Known::Absent);
        assert!(matches!(ptr_of(4).await, Known::Unavailable(_)));
    }

    #[test]
    fn names_made_from_addresses() {
        let generic = |name, ip: &str| is_generic(name, ip.parse().expect("an address"));
        assert!(generic("192-0-2-77.example.net", "192.0.2.77"));
        assert!(generic("77.2.0.192.static.example.net", "192.0.2.77"));
        assert!(generic("hostc000024d.example.net", "192.0.2.77"));
        assert!(generic("p2-77.pool.example.net", "192.0.2.77"));
        assert!(!generic("mail.example.net", "192.0.2.77"));
        assert!(!generic("mx77.example.net", "192.0.2.77"));
        assert!(!generic("out2-77.example.net", "192.0.2.77"));
    }

    #[tokio::test]
    async fn helo_names() {
        let resolver = resolver();
        let questions = Questions::new(&resolver, later());
        let ours = Domain::parse("example.com").expect("a domain");
        let flaws = async |helo| {
            helo_flaws(
                &questions,
                helo,
                Some(IpAddr::from([192, 0, 2, 1])),
                |domain| domain.is_within(&ours),
            )
            .await
        };
        assert_eq!(flaws(Some("mail.example.org")).await, []);
        assert_eq!(flaws(Some("[192.0.2.1]")).await, []);
        assert_eq!(flaws(Some("broken.example")).await, []);
        assert_eq!(flaws(None).await, [HeloFlaw::Missing]);
        assert_eq!(flaws(Some("localhost")).await, [HeloFlaw::NoName]);
        assert_eq!(flaws(Some("192.0.2.1")).await, [HeloFlaw::BareAddress]);
        assert_eq!(flaws(Some("[192.0.2.2]")).await, [HeloFlaw::OtherAddress]);
        assert_eq!(
            flaws(Some("nobody.example.org")).await,
            [HeloFlaw::Unresolved]
        );
        assert_eq!(
            flaws(Some("mx.example.com")).await,
            [HeloFlaw::Ours, HeloFlaw::Unresolved]
        );
    }

    #[tokio::test]
    async fn domains_that_can_be_answered() {
        let resolver = resolver();
        let questions = Questions::new(&resolver, later());
        for (domain, expected) in [
            ("example.org", Some(Reachable::Mx)),
            ("mail.example.org", Some(Reachable::Address)),
            ("null.example", Some(Reachable::NullMx)),
            ("text.example", Some(Reachable::No)),
            ("nowhere.example", Some(Reachable::NoDomain)),
            ("broken.example", None),
        ] {
            let found = reachable(&questions, &Domain::parse(domain).expect("a domain")).await;
            assert_eq!(found.yes().copied(), expected, "{domain}");
        }
    }
}
