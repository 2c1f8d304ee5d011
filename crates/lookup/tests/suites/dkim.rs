//! DKIM and DomainKeys: the messages of Mail::DKIM, dkimpy and mail-auth.

use std::path::Path;
use std::time::Duration;

use lookup::{Acceptance, Settings};
use mail::Timestamp;
use mail::authentication::{Signature, SignatureResult};
use testkit::dns::{Data, Dns, Fault, Zone};

use super::{Outcome, limits, read, resolver, suite, verify};

/// The suites were made when SHA-1 was accepted, so what is asked of them is whether signatures hold.
fn generous() -> Settings {
    let acceptance = Acceptance {
        dkim_sha1: true,
        domain_keys: true,
        partial_body: true,
    };
    Settings {
        acceptance,
        ..Settings::default()
    }
}

/// Cases of Mail::DKIM that are not right by today's RFCs.
const MAIL_DKIM_KNOWN: [(&str, &str); 32] = [
    ("dk_multiple_1", SHORT_KEY),
    ("good_1878523", SHORT_KEY),
    ("good_dk_3", SHORT_KEY),
    ("good_dk_4", SHORT_KEY),
    ("good_dk_5", SHORT_KEY),
    ("good_dk_6", SHORT_KEY),
    ("good_dk_7", SHORT_KEY),
    ("good_ietf00_1", NO_VERSION),
    ("good_ietf00_2", NO_VERSION),
    ("good_ietf00_3", NO_VERSION),
    ("good_ietf00_4", NO_VERSION),
    ("good_ietf00_5", NO_VERSION),
    ("good_ietf01_1", NO_VERSION),
    ("good_ietf01_2", NO_VERSION),
    ("good_qp_1", SHORT_KEY),
    ("good_qp_2", SHORT_KEY),
    ("good_qp_3", SHORT_KEY),
    ("good_rfc4871_3", SHORT_KEY),
    ("good_rfc4871_4", SHORT_KEY),
    ("goodkey_1", SHORT_KEY),
    ("goodkey_2", SHORT_KEY),
    ("goodkey_3", SHORT_KEY),
    ("goodkey_4", SHORT_KEY),
    ("mine_ietf01_1", NO_VERSION),
    ("mine_ietf01_2", NO_VERSION),
    ("mine_ietf01_3", NO_VERSION),
    ("mine_ietf01_4", NO_VERSION),
    ("mine_ietf05_1", OLD_VERSION),
    ("multiple_1", NO_VERSION),
    ("no_body_1", OLD_VERSION),
    ("no_body_2", OLD_VERSION),
    ("no_body_3", OLD_VERSION),
];

const SHORT_KEY: &str = "a key of 512 bits must not be considered valid (RFC 8301 §3.2)";
const NO_VERSION: &str =
    "a draft of before 2006: v= is missing (RFC 6376 §3.5), and the key has 768 bits";
const OLD_VERSION: &str = "a draft of 2006: v=0.5 is not 1 (RFC 6376 §3.5)";

#[tokio::test(flavor = "multi_thread")]
async fn mail_dkim() {
    let Some(folder) = suite("mail-dkim") else {
        return;
    };
    let dns = Dns::start(perl_zone(&folder)).expect("a DNS server");
    let resolver = resolver(&dns, &limits(Duration::from_millis(1500)));
    let mut outcome = Outcome::default();
    let mut cases: Vec<_> = std::fs::read_dir(folder.join("t/corpus"))
        .expect("a corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    cases.sort();
    for path in cases {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let raw = crlf(&read(&path));
        let found = verify(
            &resolver,
            generous(),
            &raw,
            Timestamp::from_secs(1_700_000_000),
        )
        .await;
        let holds = found.passing().next().is_some();
        let good = ["good", "mine", "multiple", "no_body", "dk_"]
            .iter()
            .any(|start| name.starts_with(start));
        let said: Vec<_> = found.signatures.iter().map(short).collect();
        outcome.note(
            &name,
            (holds != good).then(|| format!("{good} is right, got {said:?}")),
        );
    }
    outcome.check("mail-dkim", &MAIL_DKIM_KNOWN);
}

fn short(signature: &Signature) -> String {
    let problem = signature
        .problem
        .map_or("", mail::authentication::SignatureProblem::as_str);
    format!(
        "{} {} {problem} {:?}",
        signature.scheme, signature.result, signature.key_bits
    )
}

/// `t/FAKE_DNS.dat`: a name and a record a line.
fn perl_zone(folder: &Path) -> Zone {
    let text = String::from_utf8(read(&folder.join("t/FAKE_DNS.dat"))).expect("text");
    let mut zone = Zone::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, record)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        zone = match record.trim() {
            "NXDOMAIN" => zone,
            "~~Query timed out~~" => zone.with_fault(name, Fault::Silent),
            "~~SERVFAIL~~" => zone.with_fault(name, Fault::Fails),
            "\"\"" => zone.with(name, Data::txt("")),
            record => zone.with(name, Data::txt(record)),
        };
    }
    zone
}

/// A file of the suites as it went over the wire.
fn crlf(raw: &[u8]) -> Vec<u8> {
    if raw.windows(2).any(|pair| pair == b"\r\n") {
        return raw.to_vec();
    }
    let lines: Vec<&[u8]> = raw.split(|byte| *byte == b'\n').collect();
    lines.join(&b"\r\n"[..])
}

/// mail-auth's files: keys, a name and a record a line, an empty line, the message.
pub fn keyed_message(bytes: &[u8]) -> (Zone, Vec<u8>) {
    let raw = crlf(bytes);
    let end = raw
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("keys before a message");
    let mut zone = Zone::default();
    for line in String::from_utf8_lossy(&raw[..end]).lines() {
        let (name, record) = line.split_once(' ').expect("a name and a record");
        zone = zone.with(name, Data::txt(record));
    }
    (zone, raw[end + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_auth() {
    let Some(folder) = suite("mail-auth-stalwart") else {
        return;
    };
    let mut outcome = Outcome::default();
    for case in 1..=6 {
        let name = format!("{case:03}.txt");
        let (zone, raw) = keyed_message(&read(&folder.join("resources/dkim").join(&name)));
        let dns = Dns::start(zone).expect("a DNS server");
        let resolver = resolver(&dns, &limits(Duration::from_secs(10)));
        let found = verify(
            &resolver,
            generous(),
            &raw,
            Timestamp::from_secs(1_667_843_664),
        )
        .await;
        let all = !found.signatures.is_empty()
            && found
                .signatures
                .iter()
                .all(|signature| signature.result == SignatureResult::Pass);
        let said: Vec<_> = found.signatures.iter().map(short).collect();
        outcome.note(&name, (!all).then(|| format!("{said:?}")));
    }
    outcome.check("mail-auth, DKIM", &[]);
}

/// One message of dkimpy with two signatures, under each of its keys: what is said of the signature whose key is changed.
#[tokio::test(flavor = "multi_thread")]
async fn dkimpy() {
    let Some(folder) = suite("dkimpy") else {
        return;
    };
    let data = folder.join("dkim/tests/data");
    let text = |name: &str| {
        String::from_utf8(read(&data.join(name)))
            .expect("text")
            .trim()
            .to_owned()
    };
    let ed25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let raw = crlf(&read(&data.join("rfc6376.signed.msg")));
    let mut outcome = Outcome::default();
    for (key, expected) in [
        ("test.txt", "pass"),
        ("badk.txt", "permerror key-use"),
        ("badversion.txt", "permerror key-syntax"),
        ("test_bad.txt", "permerror key-syntax"),
        ("test_tlsrpt.txt", "permerror key-use"),
    ] {
        let zone = Zone::default()
            .with(
                "test._domainkey.football.example.com",
                Data::txt(&text(key)),
            )
            .with(
                "brisbane._domainkey.football.example.com",
                Data::txt(ed25519),
            );
        let dns = Dns::start(zone).expect("a DNS server");
        let resolver = resolver(&dns, &limits(Duration::from_secs(10)));
        let found = verify(
            &resolver,
            generous(),
            &raw,
            Timestamp::from_secs(1_528_000_000),
        )
        .await;
        let of = |selector: &str| {
            let signature = found
                .signatures
                .iter()
                .find(|one| one.selector.as_deref() == Some(selector));
            let signature = signature.expect("a signature");
            match signature.problem {
                None => signature.result.to_string(),
                Some(problem) => format!("{} {problem}", signature.result),
            }
        };
        let said = (of("brisbane"), of("test"));
        let right = said == ("pass".to_owned(), expected.to_owned());
        outcome.note(key, (!right).then(|| format!("{said:?}")));
    }
    outcome.check("dkimpy", &[]);
}
