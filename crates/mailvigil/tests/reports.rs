//! Reports about our domains, as they come through a real Postfix, and what our own of a day would be.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use bed::{Bed, PATIENCE, Wish, ordinary, send, wait_for};
use mail::{Address, Domain, Timestamp};
use reports::Aggregate;
use reports::aggregate::Row;
use reports::letter::{Sender, aggregate};
use testkit::dns::{Data, Dns, Zone};
use testkit::smtp::Peer;

const SITE: &str = "[site]\nlocal_domains = [\"b.example\"]\n";

/// A report of `a.example` about our domain, as a mail.
fn report() -> String {
    let mut report = Aggregate {
        report_id: "1".to_owned(),
        begin: Timestamp::from_secs(1_790_000_000),
        end: Timestamp::from_secs(1_790_086_399),
        ..Aggregate::default()
    };
    report.reporter.organisation = "A \u{1b}[31m receiver".to_owned();
    report.policy.domain = "b.example".to_owned();
    let failing = Row::new([203, 0, 113, 9].into(), 4, "b.example");
    report.rows.push(failing);
    let sender = Sender {
        address: Address::new("noc@a.example").unwrap(),
        domain: Domain::parse("a.example").unwrap(),
    };
    let to = Address::new("dmarc@b.example").unwrap();
    let now = Timestamp::from_secs(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64);
    let letter = aggregate(&report, &sender, &to, now).unwrap();
    String::from_utf8(letter.bytes).unwrap()
}

#[test]
fn a_report_that_comes_by_mail_is_kept_shown_and_delivered_and_so_are_our_own_made() {
    let zone = Zone::default()
        .with("a.example", Data::txt("v=spf1 ip4:192.0.2.80 -all"))
        .with("a.example", Data::Mx(10, "mx.a.example".to_owned()))
        .with("mx.a.example", Data::A([192, 0, 2, 80].into()))
        .with(
            "_dmarc.a.example",
            Data::txt("v=DMARC1; p=reject; psd=n; rua=mailto:dmarc@a.example"),
        );
    let dns = Dns::start(zone).unwrap();
    let senders = format!(
        "[dns]\nservers = [\"127.0.0.1:{}\"]\n[reports]\ninbox = [\"dmarc@b.example\"]\nfrom = \"reports@b.example\"\n",
        dns.address().port()
    );
    let bed = Bed::start(&Wish {
        more: SITE,
        senders: &senders,
        ..Wish::default()
    });
    let peer = Peer::at("192.0.2.80")
        .name("mx.a.example")
        .helo("mx.a.example");
    let port = bed.postfix.port();
    // Twice, as mail may come; and once to somebody else, which is his own affair.
    assert!(send(port, &peer, &["dmarc@b.example"], &report()).accepted());
    assert!(send(port, &peer, &["dmarc@b.example"], &report()).accepted());
    assert!(send(port, &peer, &["bob@b.example"], &report()).accepted());
    bed.sink.wait_for(3, PATIENCE).unwrap();

    let list = || {
        let told = bed.vigil.run(&["report", "list", "--json"]);
        told.status.success().then(|| bed::text(&told.stdout))
    };
    let list = wait_for(list).unwrap();
    assert_eq!(list.lines().count(), 1, "{list}");
    let kept: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(
        (&kept["domain"], &kept["trusted"], &kept["kind"]),
        (&"b.example".into(), &true.into(), &"aggregate".into())
    );
    let sources = bed.vigil.say(&["report", "dmarc", "b.example"]);
    assert!(sources.contains("203.0.113.9"), "{sources}");
    assert!(!sources.contains('\u{1b}'), "{sources:?}");

    // What we would report of today about a.example.
    assert!(send(port, &peer, &["bob@b.example"], &ordinary("Counted")).accepted());
    bed.sink.wait_for(4, PATIENCE).unwrap();
    let today = Timestamp::from_secs(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64);
    let today = today.to_string()[..10].to_owned();
    let told = wait_for(|| {
        let told = bed.vigil.run(&["report", "send", "--show-day", &today]);
        let told = bed::text(&told.stdout);
        told.contains("dmarc@a.example").then_some(told)
    });
    assert!(told.unwrap().contains("a.example"));

    let domain = bed.vigil.say(&["auth", "domain", "a.example"]);
    assert!(domain.contains("v=spf1 ip4:192.0.2.80 -all"), "{domain}");
    assert!(domain.contains("asks reject"), "{domain}");
    assert!(domain.contains("_smtp._tls.a.example"), "{domain}");
}

#[test]
fn a_key_is_held_against_what_is_published_and_changed_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mailvigil"));
        command
            .current_dir(folder.path())
            .args(args)
            .output()
            .unwrap()
    };
    let made = run(&[
        "dkim",
        "keygen",
        "b.example",
        "s1",
        "--ed25519",
        "--out",
        "one.pem",
    ]);
    assert!(made.status.success());
    let made = bed::text(&made.stdout);
    let record = made
        .split('"')
        .find(|text| text.starts_with("v=DKIM1"))
        .unwrap()
        .to_owned();
    let check = |zone: Zone| {
        let dns = Dns::start(zone).unwrap();
        let config = format!(
            "[dns]\nservers = [\"127.0.0.1:{}\"]\n[[dkim]]\ndomain = \"b.example\"\nselector = \"s1\"\nkey = \"one.pem\"\n",
            dns.address().port()
        );
        std::fs::write(folder.path().join("c.toml"), config).unwrap();
        let checked = run(&["--config", "c.toml", "dkim", "check"]);
        (checked.status.success(), bed::text(&checked.stdout))
    };
    let name = "s1._domainkey.b.example";
    let (good, told) = check(Zone::default().with(name, Data::txt(&record)));
    assert!(good && told.contains("the same key, 256 bits"), "{told}");
    let (good, told) = check(Zone::default().with("b.example", Data::txt("x")));
    assert!(!good && told.contains("nothing is published"), "{told}");
    let other = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let (good, told) = check(Zone::default().with(name, Data::txt(other)));
    assert!(!good && told.contains("another key"), "{told}");

    let rotated = run(&[
        "--config",
        "c.toml",
        "dkim",
        "rotate",
        "b.example",
        "--out",
        "two.pem",
    ]);
    let told = bed::text(&rotated.stdout);
    assert!(rotated.status.success(), "{}", bed::text(&rotated.stderr));
    assert!(
        told.contains("both keys sign") && folder.path().join("two.pem").exists(),
        "{told}"
    );
    let again = run(&[
        "--config",
        "c.toml",
        "dkim",
        "rotate",
        "b.example",
        "--out",
        "two.pem",
    ]);
    assert!(!again.status.success(), "a key that is there is left alone");
    let other = run(&[
        "--config",
        "c.toml",
        "dkim",
        "rotate",
        "c.example",
        "--out",
        "three.pem",
    ]);
    assert!(bed::text(&other.stderr).contains("keygen"));
}
