//! SPF: the RFC 7208 suite of pyspf, and the cases of mail-auth.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use lookup::dns::{Questions, Resolver};
use lookup::spf::{Sending, check};
use mail::Timestamp;
use mail::authentication::{Spf, SpfResult};
use testkit::dns::{Data, Dns, Fault, Zone};
use tokio::time::Instant;
use yaml_rust2::Yaml;

use super::yaml::{documents, entries, text, texts};
use super::{Outcome, limits, read, resolver, suite};

/// Cases of `rfc7208-tests.yml` that are not right by RFC 7208.
const PYSPF_KNOWN: [(&str, &str); 0] = [];

#[tokio::test(flavor = "multi_thread")]
async fn pyspf() {
    let Some(folder) = suite("spf-pyspf") else {
        return;
    };
    let dns = Dns::start(Zone::default()).expect("a DNS server");
    let mut outcome = Outcome::default();
    for scenario in documents(&read(&folder.join("test/rfc7208-tests.yml"))) {
        dns.serve(zone(&scenario["zonedata"]));
        let limits = limits(Duration::from_millis(1500));
        let resolver = resolver(&dns, &limits);
        let cases: Vec<_> = entries(&scenario["tests"]).collect();
        let results = join_all(cases.iter().map(|(_, case)| run(&resolver, case))).await;
        for ((name, case), spf) in cases.iter().zip(results) {
            outcome.note(name, problem(case, &spf));
        }
    }
    outcome.check("spf-pyspf, RFC 7208", &PYSPF_KNOWN);
}

async fn run(resolver: &Resolver, case: &Yaml) -> Spf {
    let questions = Questions::new(resolver, Instant::now() + Duration::from_secs(30));
    let (helo_name, sender) = (text(&case["helo"]), text(&case["mailfrom"]));
    let (local, domain) = match sender.rsplit_once('@') {
        _ if sender.is_empty() => ("postmaster", helo_name.as_str()),
        Some(("", domain)) => ("postmaster", domain),
        Some(split) => split,
        None => ("postmaster", sender.as_str()),
    };
    let sending = Sending {
        ip: text(&case["host"]).parse().expect("an address"),
        helo_name: &helo_name,
        local,
        domain,
        receiver: "unknown",
        now: Timestamp::from_secs(0),
    };
    check(&questions, &sending).await
}

fn problem(case: &Yaml, spf: &Spf) -> Option<String> {
    let expected = texts(&case["result"]);
    if !expected.contains(&spf.result.to_string()) {
        return Some(format!("{expected:?} is right, got {spf:?}"));
    }
    let explanation = text(&case["explanation"]);
    // The suite's word for the receiver's own text, of which we have none.
    let expected = Some(explanation).filter(|text| !text.is_empty() && text != "DEFAULT");
    let wrong = expected.is_some() && expected != spf.explanation;
    wrong.then(|| format!("explanation {expected:?} is right, got {spf:?}"))
}

/// A zone as the suite's README describes it: SPF records are served as TXT where a name has no TXT of its own, and
/// `TIMEOUT` is silence for what a name does not have.
fn zone(data: &Yaml) -> Zone {
    let mut zone = Zone::default();
    for (name, records) in entries(data) {
        zone = zone.with_name(&name);
        let records = records.as_vec().cloned().unwrap_or_default();
        let has_txt = records.iter().any(|record| !record["TXT"].is_badvalue());
        for record in &records {
            if text(record) == "TIMEOUT" {
                zone = zone.with_fault(&name, Fault::Silent);
            }
            for (kind, value) in entries(record) {
                if let Some(data) = data_of(&kind, value, has_txt) {
                    zone = zone.with(&name, data);
                }
            }
        }
    }
    zone
}

fn data_of(kind: &str, value: &Yaml, has_txt: bool) -> Option<Data> {
    let host = text(value);
    Some(match kind {
        _ if host == "NONE" => return None,
        "A" => Data::A(host.parse().expect("an IPv4 address")),
        "AAAA" => Data::Aaaa(host.parse().expect("an IPv6 address")),
        "MX" => Data::Mx(
            text(&value[0]).parse().expect("a preference"),
            text(&value[1]),
        ),
        "PTR" => Data::Ptr(host),
        "CNAME" => Data::Cname(host),
        "SPF" if has_txt => return None,
        // On the wire a TXT record has at least one string (RFC 1035 §3.3.14).
        "TXT" | "SPF" if value.as_vec().is_some_and(Vec::is_empty) => Data::Txt(vec![Vec::new()]),
        "TXT" | "SPF" => Data::Txt(texts(value).iter().map(|text| latin1(text)).collect()),
        _ => panic!("an unknown kind of record: {kind}"),
    })
}

/// The suite writes bytes as characters.
fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).expect("a byte"))
        .collect()
}

/// Cases of mail-auth that are not right by RFC 7208: file, scenario and case.
const MAIL_AUTH_KNOWN: [(&str, &str); 5] = [
    (
        "all 1.1",
        "an unknown mechanism anywhere is permerror (§4.6)",
    ),
    (
        "basic 5.1",
        "ten look-ups that find nothing are eight too many (§4.6.4)",
    ),
    ("exists 1.2", "exists asks for IPv4 addresses only (§5.7)"),
    ("ip 2.4", "an IPv4 address is held against ip4 alone (§5)"),
    ("macro 2.2", "exists asks for IPv4 addresses only (§5.7)"),
];

/// mail-auth's files are near YAML: names stand twice in one mapping, and each case is a few lines of `key: value`.
#[tokio::test(flavor = "multi_thread")]
async fn mail_auth() {
    let Some(folder) = suite("mail-auth-stalwart") else {
        return;
    };
    let dns = Dns::start(Zone::default()).expect("a DNS server");
    let mut outcome = Outcome::default();
    let mut paths: Vec<_> = std::fs::read_dir(folder.join("resources/spf"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        let file = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = String::from_utf8(read(&path)).expect("text");
        for (number, scenario) in (1..).zip(text.split("\n---")) {
            run_scenario(&dns, &format!("{file} {number}"), scenario, &mut outcome).await;
        }
    }
    outcome.check("mail-auth, SPF", &MAIL_AUTH_KNOWN);
}

async fn run_scenario(dns: &Dns, name: &str, scenario: &str, outcome: &mut Outcome) {
    let (records, tests) = scenario.split_once("tests:").unwrap_or((scenario, ""));
    let records = records
        .split_once("records:")
        .map_or("", |(_, records)| records);
    let broken = ["_dns_error.org", "_dns_error.test.org"];
    let zone = broken.iter().fold(Zone::default(), |zone, name| {
        zone.with_fault(name, Fault::Fails)
    });
    dns.serve(records.lines().filter_map(line_of).fold(zone, with_line));
    let resolver = resolver(dns, &limits(Duration::from_millis(1500)));
    for (number, case) in (1..).zip(tests.split("- domain:").skip(1)) {
        let field = |name: &str| {
            let found = case
                .lines()
                .filter_map(line_of)
                .find(|(known, _)| *known == name);
            found.map(|(_, value)| value.to_owned()).unwrap_or_default()
        };
        let domain = case.lines().next().unwrap_or_default().trim().to_owned();
        let sender = field("sender");
        let (local, sender_domain) = sender.rsplit_once('@').unwrap_or(("postmaster", ""));
        let ip = field("ip").parse().expect("an address");
        // Their driver asks about the HELO name first, and about the sender unless that fails.
        let of = async |local: &str, asked: &str| {
            let questions = Questions::new(&resolver, Instant::now() + Duration::from_secs(30));
            let (helo_name, now) = (domain.as_str(), Timestamp::from_secs(0));
            check(
                &questions,
                &Sending {
                    ip,
                    helo_name,
                    local,
                    domain: asked,
                    receiver: "localhost",
                    now,
                },
            )
            .await
        };
        let mut spf = of(
            if sender_domain == domain {
                local
            } else {
                "postmaster"
            },
            &domain,
        )
        .await;
        if spf.result != SpfResult::Fail && !sender_domain.is_empty() && sender_domain != domain {
            spf = of(
                if local.is_empty() {
                    "postmaster"
                } else {
                    local
                },
                sender_domain,
            )
            .await;
        }
        let expected = field("expect");
        let (word, explanation) = expected.split_once(' ').unwrap_or((&expected, ""));
        let right = spf.result.as_str() == word
            && (explanation.is_empty() || spf.explanation.as_deref() == Some(explanation));
        outcome.note(
            &format!("{name}.{number}"),
            (!right).then(|| format!("{expected} is right, got {spf:?}")),
        );
    }
}

fn line_of(line: &str) -> Option<(&str, &str)> {
    let line = line.trim().trim_start_matches("- ");
    line.split_once(':')
        .filter(|_| !line.starts_with('#'))
        .map(|(name, value)| (name.trim(), value.trim()))
}

fn with_line(zone: Zone, (kind, record): (&str, &str)) -> Zone {
    let (name, value) = record.split_once(' ').unwrap_or((record, ""));
    let value = value.trim();
    match kind {
        "spf" | "exp" | "txt" => zone.with(name, Data::txt(value)),
        "a" => value.split(',').fold(zone, |zone, ip| {
            zone.with(name, Data::A(ip.trim().parse().expect("an address")))
        }),
        "aaaa" => value.split(',').fold(zone, |zone, ip| {
            zone.with(name, Data::Aaaa(ip.trim().parse().expect("an address")))
        }),
        // They give the addresses of mail servers without their names.
        "mx" => (10..)
            .zip(value.split(','))
            .fold(zone, |zone, (number, ip)| {
                let host = format!("mx{number}.{name}");
                let address = match ip.trim().parse().expect("an address") {
                    IpAddr::V4(ip) => Data::A(ip),
                    IpAddr::V6(ip) => Data::Aaaa(ip),
                };
                zone.with(name, Data::Mx(number, host.clone()))
                    .with(&host, address)
            }),
        "ptr" => {
            let ip = name.parse().expect("an address");
            let reverse = lookup::dns::Name::reverse(ip).to_string();
            value.split(',').fold(zone, |zone, host| {
                zone.with(&reverse, Data::Ptr(host.trim().to_owned()))
            })
        }
        other => panic!("an unknown record: {other} {record}"),
    }
}
