//! Reports about our domains, as they come through a real Postfix, and what our own of a day would be.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use bed::{Bed, PATIENCE, Wish, ordinary, send, wait_for};
use mail::{Address, Domain, Timestamp};
use reports::Aggregate;
use reports::aggregate::Row;
use reports::letter::{Sender, aggregate};
use testkit::dns::{Data, Dns, Zone};
use testkit::postfix::Postfix;
use testkit::sink::Sink;
use testkit::smtp::{Client, Mail, Peer};

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

/// A reader of `a.example` calls a message of ours spam.
fn complaint(message_id: &str, number: u32) -> String {
    format!(
        "From: feedback@a.example\r\nTo: dmarc@b.example\r\nSubject: complaint {number}\r\nDate: {date}\r\nMessage-ID: <complaint{number}@a.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=\"x\"\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nSomebody called this spam.\r\n\
         --x\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: a/1.0\r\nVersion: 1\r\nArrival-Date: {date}\r\nReporting-MTA: dns; mx{number}.a.example\r\n\r\n\
         --x\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: ann@b.example\r\nSubject: Offer\r\nMessage-ID: <{message_id}>\r\n\r\n--x--\r\n",
        date = *bed::TODAY
    )
}

#[test]
fn complaints_of_readers_count_against_the_account_that_sent_the_mail() {
    for (believed, counts) in [("a.example", true), ("other.example", false)] {
        let zone = Zone::default()
            .with("a.example", Data::txt("v=spf1 ip4:192.0.2.80 -all"))
            .with("_dmarc.a.example", Data::txt("v=DMARC1; p=reject; psd=n"));
        let dns = Dns::start(zone).unwrap();
        let senders = format!(
            "[dns]\nservers = [\"127.0.0.1:{}\"]\n[reports]\ninbox = [\"dmarc@b.example\"]\ncomplaints_from = [\"{believed}\"]\n",
            dns.address().port()
        );
        let bed = Bed::start(&Wish {
            more: SITE,
            senders: &senders,
            ..Wish::default()
        });
        // Ann's mail goes out.
        let mut client = Client::connect(bed.postfix.port()).unwrap();
        assert!(client.ehlo("ann.example").unwrap().is_positive());
        let ann = "XCLIENT ADDR=198.51.100.7 NAME=[UNAVAILABLE] LOGIN=ann@b.example";
        assert!(client.command(ann).unwrap().is_positive());
        assert!(client.ehlo("ann.example").unwrap().is_positive());
        let offer = ordinary("Offer").replace("@a.example>", "@b.example>");
        let mail = Mail::new("ann@b.example", ["reader@a.example"], offer);
        assert!(client.send(&mail).unwrap().accepted());
        let sent = bed.vigil.records(&["--account", "ann@b.example"], 1);
        let id = sent[0]["message_id"]
            .as_str()
            .unwrap_or_else(|| panic!("{sent:?}"));
        let feedback = Peer::at("192.0.2.80")
            .name("mx.a.example")
            .helo("mx.a.example");
        for number in 0..3 {
            let report = complaint(id, number);
            assert!(send(bed.postfix.port(), &feedback, &["dmarc@b.example"], &report).accepted());
        }
        bed.sink.wait_for(4, PATIENCE).unwrap();
        let kept = wait_for(|| {
            let told = bed.vigil.run(&["report", "list", "--json"]);
            (bed::text(&told.stdout).lines().count() == 3).then_some(())
        });
        assert!(kept.is_some(), "{}", bed.vigil.service.log());
        let complaints = || {
            bed.vigil
                .json(&["detections", "--detector", "out.arf", "--json"])
        };
        if counts {
            let told = wait_for(|| (!complaints().is_empty()).then_some(()));
            let shown = bed.vigil.say(&["account", "show", "ann@b.example"]);
            assert!(
                told.is_some() && shown.contains("a reader complained"),
                "{shown}"
            );
        } else {
            // Nobody else's report counts, however well it proves who it is from.
            std::thread::sleep(std::time::Duration::from_secs(1));
            let shown = bed.vigil.say(&["account", "show", "ann@b.example"]);
            assert!(
                !shown.contains("complained") && complaints().is_empty(),
                "{shown}"
            );
        }
    }
}

/// Certificate and key nobody vouches for, made by the real openssl.
fn certificate(folder: &std::path::Path) -> (String, String) {
    let (key, certificate) = (folder.join("key.pem"), folder.join("cert.pem"));
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=other.example",
            "-keyout",
        ])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", bed::text(&made.stderr));
    (certificate.display().to_string(), key.display().to_string())
}

#[test]
fn how_mail_went_out_is_read_from_what_a_real_postfix_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let sink = Sink::start().unwrap();
    let theirs = Postfix::named("mx.wants.example")
        .delivers_to(sink.port())
        .set("smtpd_tls_cert_file", &certificate)
        .set("smtpd_tls_key_file", &key)
        .set("smtpd_tls_security_level", "may")
        .start()
        .unwrap();
    let (encrypting, strict) = (theirs.port(), theirs.plain_port());
    let ours = Postfix::named("mx.b.example")
        .delivers_to(sink.port())
        .set("inet_protocols", "ipv4")
        .set("smtp_tls_security_level", "may")
        .set("smtp_tls_loglevel", "1")
        .set("smtp_tls_policy_maps", &format!("inline:{{ {{ [localhost]:{strict} = verify }} }}"))
        .set(
            "transport_maps",
            &format!(
                "inline:{{ {{ wants.example = smtp:[localhost]:{encrypting} }}, {{ strict.example = smtp:[localhost]:{strict} }}, {{ plain.example = smtp:[localhost]:{} }} }}",
                sink.port()
            ),
        )
        .start()
        .unwrap();
    let mut zone = Zone::default();
    for name in ["wants.example", "strict.example", "plain.example"] {
        let wanted = format!("v=TLSRPTv1; rua=mailto:tls@{name}");
        zone = zone
            .with(name, Data::Mx(10, "localhost".to_owned()))
            .with(&format!("_smtp._tls.{name}"), Data::txt(&wanted));
    }
    // Its mail goes through a smart host, which is none of its servers.
    zone = zone.with("smart.example", Data::Mx(10, "mx.smart.example".to_owned()));
    let dns = Dns::start(zone).unwrap();
    let senders = format!(
        "[dns]\nservers = [\"127.0.0.1:{}\"]\n[reports]\nfrom = \"reports@b.example\"\ntls = true\n",
        dns.address().port()
    );
    let log = ours.log_path();
    let mut vigil = bed::Vigil::start(&Wish {
        senders: &senders,
        more: &format!("{SITE}[[mail_logs]]\npath = {log:?}\n"),
        ..Wish::default()
    });
    let peer = Peer::at("192.0.2.80");
    let out = |to: &[&str]| assert!(send(ours.port(), &peer, to, &ordinary("Out")).accepted());
    // Two recipients are one session.
    out(&["ann@wants.example", "bob@wants.example"]);
    ours.wait_for_log("to=<bob@wants.example>", PATIENCE)
        .unwrap();
    for to in [
        "ann@plain.example",
        "ann@strict.example",
        "ann@smart.example",
    ] {
        out(&[to]);
        ours.wait_for_log(&format!("to=<{to}>"), PATIENCE).unwrap();
    }
    // The log is looked at twice a second; what was counted is kept at the end, too.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(vigil.service.terminate(PATIENCE).unwrap().success());
    let today = Timestamp::from_secs(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64);
    let today = today.to_string()[..10].to_owned();
    let told = vigil.say(&["report", "send", "--show-day", &today]);
    let row = |name: &str| {
        let cells = |line: &str| {
            let cells = line.split("  ").map(str::trim);
            cells
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let line = told.lines().find(|line| line.contains(name));
        let absent = || panic!("{name} is not in {told}\n{}", ours.log());
        line.map_or_else(absent, cells)
    };
    assert_eq!(
        row("tls@wants.example")[1..3],
        ["1", "0"],
        "{told}\n{}",
        ours.log()
    );
    let plain = row("tls@plain.example");
    assert_eq!(plain[1..4], ["0", "1", "starttls-not-supported"]);
    // It is tried again and again.
    let strict = row("tls@strict.example");
    assert_eq!(
        (strict[1].as_str(), strict[3].as_str()),
        ("0", "certificate-not-trusted"),
        "{}",
        ours.log()
    );
    assert!(!told.contains("smart.example"), "{told}");
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
