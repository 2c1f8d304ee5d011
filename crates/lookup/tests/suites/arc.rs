//! ARC: the validation suite of Valimail, and the messages of mail-auth.

use std::time::Duration;

use mail::Timestamp;
use testkit::dns::{Data, Dns, Zone};

use super::dkim::keyed_message;
use super::yaml::{documents, entries, text};
use super::{Outcome, limits, read, resolver, suite, verify};

/// Cases that are not right by RFC 8617.
const VALIMAIL_KNOWN: [(&str, &str); 6] = [
    (
        "ams_fields_c_na",
        "a message signature without c= is in simple form, as in DKIM (§4.1.2)",
    ),
    ("ams_fields_h_empty", "h= must name From (RFC 6376 §5.4)"),
    (
        "ams_fields_h_mis_hdr",
        "an empty name in h= is a mistake (RFC 6376 §3.5)",
    ),
    (
        "cv_fail_i1_as_cv_fail",
        "the suite says nothing; a newest seal with cv=fail is fail (§5.2)",
    ),
    (
        "cv_fail_i2_as1_fail",
        "the suite says nothing; a seal with cv=fail below others is fail (§5.2)",
    ),
    (
        "cv_fail_i2_as2_fail",
        "the suite says nothing; a newest seal with cv=fail is fail (§5.2)",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn valimail() {
    let Some(folder) = suite("arc-valimail") else {
        return;
    };
    let dns = Dns::start(Zone::default()).expect("a DNS server");
    let mut outcome = Outcome::default();
    for scenario in documents(&told_apart(&read(
        &folder.join("tests/arc-draft-validation-tests.yml"),
    ))) {
        let mut zone = Zone::default();
        for (name, record) in entries(&scenario["txt-records"]) {
            zone = zone.with(&name, Data::txt(&text(record)));
        }
        dns.serve(zone);
        let resolver = resolver(&dns, &limits(Duration::from_secs(10)));
        for (name, case) in entries(&scenario["tests"]) {
            let raw = text(&case["message"]).replace('\n', "\r\n");
            let found = verify(
                &resolver,
                lookup::Settings::default(),
                raw.as_bytes(),
                Timestamp::from_secs(0),
            )
            .await;
            let expected = text(&case["cv"]).to_lowercase();
            let expected = if expected.is_empty() {
                "none"
            } else {
                expected.as_str()
            };
            let right = found.arc.result.as_str() == expected;
            outcome.note(
                &name,
                (!right).then(|| format!("{expected} is right, got {:?}", found.arc)),
            );
        }
    }
    outcome.check("arc-valimail, validation", &VALIMAIL_KNOWN);
}

/// Two cases of the suite have one name, which YAML does not allow: the second is renamed.
fn told_apart(suite: &[u8]) -> Vec<u8> {
    let mut seen = std::collections::HashSet::new();
    let text = String::from_utf8_lossy(suite);
    let rename = |line: &str| {
        let is_case = line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
        let again = is_case && !seen.insert(line.to_owned());
        if again {
            format!("{}_again:\n", line.trim_end_matches(':'))
        } else {
            format!("{line}\n")
        }
    };
    text.lines().map(rename).collect::<String>().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_auth() {
    let Some(folder) = suite("mail-auth-stalwart") else {
        return;
    };
    let mut outcome = Outcome::default();
    for case in ["001.txt", "002.txt"] {
        let (zone, raw) = keyed_message(&read(&folder.join("resources/arc").join(case)));
        let dns = Dns::start(zone).expect("a DNS server");
        let resolver = resolver(&dns, &limits(Duration::from_secs(10)));
        let found = verify(
            &resolver,
            lookup::Settings::default(),
            &raw,
            Timestamp::from_secs(0),
        )
        .await;
        let right = found.arc.result.as_str() == "pass";
        outcome.note(case, (!right).then(|| format!("{:?}", found.arc)));
    }
    outcome.check("mail-auth, ARC", &[]);
}
