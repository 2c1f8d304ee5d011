//! Where a domain wants its reports, and whether that place agreed to get them.
//!
//! [`parse`] reads the value of `rua` or `ruf` (RFC 9989 §4.7; sizes as in RFC 7489 §6.2, which RFC 9990 §3.5 still obeys). A place outside the domain's
//! organisation must say in DNS that it wants them (RFC 9990 §4), or anybody could have a third party flooded with reports: [`question`] is the name to
//! ask for, [`answer`] what the answer means. Who belongs to whose organisation is for whoever walks the tree.

use mail::{Address, Domain, Known, Limits};

/// One place that wants reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The mailbox.
    pub address: Address,
    /// Its domain: the "destination host".
    pub host: Domain,
    /// Largest mail it takes, bytes.
    pub bytes_max: Option<u64>,
}

impl Destination {
    /// Does it take a mail of so many bytes, encoded as it is sent?
    pub fn takes(&self, mail_bytes: u64) -> bool {
        self.bytes_max.is_none_or(|most| mail_bytes <= most)
    }
}

/// The places of a `rua` or `ruf` value, in order, at most `limits.report_destinations_max`. What is no mailbox is left out: other
/// schemes may come, and a broken entry does not spoil the others.
pub fn parse(value: &str, limits: &Limits) -> Vec<Destination> {
    let mut places: Vec<Destination> = Vec::new();
    let entries = value.split(',').filter_map(|uri| one(uri, limits));
    for place in entries {
        if places.len() >= limits.report_destinations_max {
            break;
        }
        if !places.iter().any(|known| known.address == place.address) {
            places.push(place);
        }
    }
    places
}

/// The places of a domain's TLS reporting records (RFC 8460 §3). Of several records none counts; `https:` places are left out, because
/// whoever publishes a record could have any machine that this one reaches spoken to.
pub fn of_tls(records: &[String], limits: &Limits) -> Vec<Destination> {
    let [record] = records else {
        return Vec::new();
    };
    let value = record.split(';').skip(1).find_map(|field| {
        let (name, value) = field.split_once('=')?;
        (name.trim() == "rua").then_some(value)
    });
    value.map_or_else(Vec::new, |value| parse(value, limits))
}

/// `mailto:reports@example.org!10m`
fn one(uri: &str, limits: &Limits) -> Option<Destination> {
    let uri = uri.trim();
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("mailto") {
        return None;
    }
    // Commas and exclamation marks in the address itself are percent-encoded (RFC 7489 §6.2).
    let (mailbox, size) = match rest.rsplit_once('!') {
        Some((mailbox, size)) => (mailbox, Some(bytes(size)?)),
        None => (rest, None),
    };
    let mailbox = mailbox.split('?').next().unwrap_or(mailbox);
    let mailbox = decoded(mailbox)?;
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !"<>,;\"".contains(c);
    if mailbox.len() > limits.address_bytes_max || !mailbox.chars().all(plain) {
        return None;
    }
    let address = Address::from_path(&mailbox, limits.address_bytes_max)?;
    if address.local().is_empty() || mailbox.matches('@').count() != 1 {
        return None;
    }
    Some(Destination {
        host: address.domain()?,
        address,
        bytes_max: size,
    })
}

/// `10m`: units are powers of 1,024.
fn bytes(size: &str) -> Option<u64> {
    let size = size.trim();
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match size[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    Some(number.saturating_mul(unit))
}

/// Percent-encoding undone (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let hex = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// The name whose TXT records say whether `destination` wants reports about the domain whose policy stands at `policy_domain`. `None` when the
/// name is too long for DNS: then nobody can have agreed (RFC 9990 §4, step 4).
pub fn question(policy_domain: &Domain, destination: &Destination) -> Option<Domain> {
    Domain::parse(&format!(
        "{policy_domain}._report._dmarc.{}",
        destination.host
    ))
    .ok()
}

/// Whether reports may be sent to a place outside the organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Yes, to here. It may name other mailboxes than the domain did.
    Agreed(Vec<Destination>),
    /// No: why, in words.
    Refused(&'static str),
    /// Nobody could say; ask again later.
    Later(String),
}

/// What the TXT records at [`question`] mean; `tag` is `rua` or `ruf`.
pub fn answer(
    destination: &Destination,
    tag: &str,
    records: &Known<Vec<String>>,
    limits: &Limits,
) -> Agreement {
    let records = match records {
        Known::Yes(records) => records,
        Known::Absent => return Agreement::Refused("the destination did not agree in DNS"),
        Known::Unavailable(why) => return Agreement::Later(why.clone()),
        Known::NotAsked => return Agreement::Later("nobody asked".to_owned()),
    };
    let good: Vec<Vec<(&str, &str)>> = records.iter().filter_map(|text| tags(text)).collect();
    if good.is_empty() {
        return Agreement::Refused("the destination's record is not v=DMARC1");
    }
    let override_value = good.iter().flatten().find(|(name, _)| *name == tag);
    let Some((_, value)) = override_value else {
        return Agreement::Agreed(vec![destination.clone()]);
    };
    let places = parse(value, limits);
    if places.is_empty() {
        return Agreement::Refused("the destination's record names no mailbox");
    }
    // Else a chain of records could lead anywhere (RFC 9990 §4, step 9).
    if places.iter().any(|place| place.host != destination.host) {
        return Agreement::Refused("the destination's record points to another host");
    }
    Agreement::Agreed(places)
}

/// `tag=value` pairs of a record that begins with `v=DMARC1`.
fn tags(text: &str) -> Option<Vec<(&str, &str)>> {
    let pairs = text.split(';').filter(|pair| !pair.trim().is_empty());
    let pairs: Vec<(&str, &str)> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.trim(), value.trim()))
        })
        .collect::<Option<_>>()?;
    (pairs.first() == Some(&("v", "DMARC1"))).then_some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(value: &str) -> Vec<(String, Option<u64>)> {
        let places = parse(value, &Limits::default()).into_iter();
        places
            .map(|place| (place.address.as_str().to_owned(), place.bytes_max))
            .collect()
    }

    #[test]
    fn tls_reports_go_to_mailboxes_of_the_one_record() {
        let limits = Limits::default();
        let record = |text: &str| text.to_owned();
        let told = of_tls(
            &[record(
                "v=TLSRPTv1; rua=https://a.example/x,mailto:tls@a.example;",
            )],
            &limits,
        );
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].address.as_str(), "tls@a.example");
        let two = [
            record("v=TLSRPTv1;rua=mailto:a@a.example"),
            record("v=TLSRPTv1;rua=mailto:b@a.example"),
        ];
        assert!(of_tls(&two, &limits).is_empty());
        assert!(of_tls(&[record("v=TLSRPTv1")], &limits).is_empty());
        assert!(of_tls(&[], &limits).is_empty());
    }

    fn place(value: &str) -> Destination {
        parse(value, &Limits::default()).remove(0)
    }

    #[test]
    fn values_as_domains_publish_them() {
        let plain = |address: &str| (address.to_owned(), None);
        assert_eq!(places("mailto:a@example.org"), [plain("a@example.org")]);
        assert_eq!(
            places(" MAILTO:a@example.org!10m , mailto:b@example.net!512 "),
            [
                ("a@example.org".to_owned(), Some(10 << 20)),
                ("b@example.net".to_owned(), Some(512))
            ]
        );
        assert_eq!(
            places("mailto:a%21c@example.org"),
            [plain("a!c@example.org")]
        );
        assert_eq!(
            places("mailto:a@example.org?subject=x"),
            [plain("a@example.org")]
        );
        assert_eq!(places("mailto:a@x.example,mailto:a@x.example").len(), 1);
    }

    #[test]
    fn what_is_no_mailbox_is_left_out() {
        for bad in [
            "",
            "a@example.org",
            "https://example.org/reports",
            "mailto:",
            "mailto:@example.org",
            "mailto:a@",
            "mailto:a@b@example.org",
            "mailto:a@example.org!huge",
            // A comma in a mailbox would have to be quoted on the way.
            "mailto:a%2Cb@example.org",
            "mailto:a%0d%0aBcc:x@example.org",
            "mailto:a%ZZ@example.org",
            "mailto:<a@example.org>",
        ] {
            assert_eq!(places(bad), [], "{bad}");
        }
        let many: Vec<String> = (0..100)
            .map(|n| format!("mailto:a{n}@example.org"))
            .collect();
        let limit = Limits::default().report_destinations_max;
        assert_eq!(places(&many.join(",")).len(), limit);
    }

    #[test]
    fn the_name_to_ask_for() {
        let blue = Domain::parse("blue.example.com").expect("a domain");
        let red = place("mailto:reports@red.example.net");
        assert_eq!(
            question(&blue, &red)
                .map(|name| name.to_string())
                .as_deref(),
            Some("blue.example.com._report._dmarc.red.example.net")
        );
        let long = Domain::parse(&vec!["a".repeat(60); 4].join(".")).expect("a domain");
        assert_eq!(question(&long, &red), None);
    }

    #[test]
    fn what_the_answer_means() {
        let red = place("mailto:reports@red.example.net");
        let ask = |records: &[&str]| {
            let records = records.iter().map(|&text| text.to_owned()).collect();
            answer(&red, "rua", &Known::Yes(records), &Limits::default())
        };
        assert_eq!(ask(&["v=DMARC1"]), Agreement::Agreed(vec![red.clone()]));
        assert_eq!(
            ask(&["v=spf1 -all", "v=DMARC1;"]),
            Agreement::Agreed(vec![red.clone()])
        );
        let other = place("mailto:other@red.example.net!1m");
        assert_eq!(
            ask(&["v=DMARC1; rua=mailto:other@red.example.net!1m"]),
            Agreement::Agreed(vec![other])
        );
        for bad in [
            &["rua=mailto:a@red.example.net; v=DMARC1"][..],
            &["v=DMARC1; rua=mailto:victim@elsewhere.example"],
            &["v=DMARC1; rua=https://x"],
            &["v=dmarc1"],
            &["v=DMARC1 and more words"],
            &[],
        ] {
            assert!(matches!(ask(bad), Agreement::Refused(_)), "{bad:?}");
        }
        let limits = Limits::default();
        let later = answer(&red, "rua", &Known::Unavailable("timeout".into()), &limits);
        assert_eq!(later, Agreement::Later("timeout".into()));
        assert!(matches!(
            answer(&red, "rua", &Known::Absent, &limits),
            Agreement::Refused(_)
        ));
    }

    #[test]
    fn sizes() {
        let place = place("mailto:a@example.org!1k");
        assert!(place.takes(1024) && !place.takes(1025));
    }
}
