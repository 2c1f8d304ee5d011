//! Who really sent it, through a real Postfix, with a DNS server of the test's own.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use bed::{Bed, PATIENCE, Wish, ordinary, send, stranger};
use testkit::dns::{Data, Dns, Zone};
use testkit::free_port;
use testkit::smtp::Peer;

const SITE: &str =
    "[site]\nlocal_domains = [\"b.example\"]\ntrusted_networks = [\"198.51.100.0/24\"]\n";

/// `[dns]` and `[authentication]` for a server at this port.
fn asks(port: u16) -> String {
    format!(
        "[dns]\nservers = [\"127.0.0.1:{port}\"]\n[authentication]\nauthserv_id = \"mx.b.example\"\n"
    )
}

/// `a.example` sends from one machine alone, and asks to refuse what is not from there.
fn zone() -> Zone {
    Zone::default()
        .with("a.example", Data::txt("v=spf1 ip4:192.0.2.80 -all"))
        .with("a.example", Data::Mx(10, "mx.a.example".to_owned()))
        .with("mx.a.example", Data::A([192, 0, 2, 80].into()))
        .with("_dmarc.a.example", Data::txt("v=DMARC1; p=reject; psd=n"))
}

fn reasons(record: &serde_json::Value) -> Vec<&str> {
    record["verdict"]["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| reason["name"].as_str().unwrap())
        .collect()
}

#[test]
fn what_was_found_out_is_written_on_top_and_forgeries_of_it_come_off() {
    let dns = Dns::start(zone()).unwrap();
    let senders = asks(dns.address().port());
    let bed = Bed::start(&Wish {
        more: SITE,
        senders: &senders,
        ..Wish::default()
    });
    let peer = Peer::at("192.0.2.80")
        .name("mx.a.example")
        .helo("mx.a.example");
    let forged = "Authentication-Results: MX.b.example; dmarc=pass header.from=bank.example\r\nAuthentication-Results: relay.example; spf=none\r\n";
    let message = format!("{forged}{}", ordinary("Authentic"));
    assert!(send(bed.postfix.port(), &peer, &["bob@b.example"], &message).accepted());
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    let all = bed::text(&arrived[0].without_headers(&["Received"]));
    assert!(!all.contains("bank.example"), "{all}");
    assert!(all.contains("relay.example; spf=none"), "{all}");
    let ours = all.find("mx.b.example;").unwrap();
    assert!(ours < all.find("relay.example").unwrap(), "{all}");
    assert!(
        all.contains("spf=pass smtp.mailfrom=sender@a.example"),
        "{all}"
    );
    assert!(all.contains("dmarc=pass header.from=a.example"), "{all}");
    // All else is as it was sent.
    let kept = arrived[0].without_headers(&["Received", "Authentication-Results"]);
    assert_eq!(bed::text(&kept), ordinary("Authentic"));
    let record = &bed.vigil.records(&["--subject", "Authentic"], 1)[0];
    assert!(
        !reasons(record).iter().any(|name| name.starts_with("spf")),
        "{record}"
    );
}

#[test]
fn mail_that_its_domain_disowns_is_held_with_the_reasons() {
    let dns = Dns::start(zone()).unwrap();
    let senders = asks(dns.address().port());
    let bed = Bed::start(&Wish {
        more: SITE,
        senders: &senders,
        ..Wish::default()
    });
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &ordinary("Disowned")
        )
        .accepted()
    );
    let record = &bed.vigil.records(&["--subject", "Disowned"], 1)[0];
    assert_eq!(record["fate"], "quarantined", "{record}");
    let reasons = reasons(record);
    for name in ["dmarc-asks-reject", "spf-fail"] {
        assert!(reasons.contains(&name), "{name} in {reasons:?}");
    }
}

#[test]
fn dns_that_does_not_answer_is_held_against_nobody() {
    let senders = asks(free_port());
    let bed = Bed::start(&Wish {
        more: SITE,
        senders: &senders,
        ..Wish::default()
    });
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &ordinary("In the dark")
        )
        .accepted()
    );
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    let said = arrived[0].header("Authentication-Results").unwrap();
    assert!(said.contains("spf=temperror"), "{said}");
    let record = &bed.vigil.records(&["--subject", "In the dark"], 1)[0];
    let silent = [
        "spf-",
        "dmarc-",
        "sender-domain",
        "sender-takes",
        "signature-",
    ];
    for name in reasons(record) {
        assert!(
            !silent.iter().any(|start| name.starts_with(start)),
            "{name}"
        );
    }
}

#[test]
fn our_own_mail_is_signed_so_that_others_can_verify_it() {
    let folder = tempfile::tempdir().unwrap();
    let dns = Dns::start(Zone::default()).unwrap();
    let mut senders = asks(dns.address().port());
    let mut zone = Zone::default();
    for (selector, more) in [("r1", None), ("e1", Some("--ed25519"))] {
        let file = folder.path().join(selector);
        let mut keygen = std::process::Command::new(env!("CARGO_BIN_EXE_mailvigil"));
        keygen
            .args(["dkim", "keygen", "b.example", selector, "--out"])
            .arg(&file)
            .args(more);
        let said = keygen.output().unwrap();
        assert!(said.status.success(), "{said:?}");
        let said = bed::text(&said.stdout);
        let line = said.lines().find(|line| line.contains(" IN TXT ")).unwrap();
        let record: String = line.split('"').skip(1).step_by(2).collect();
        zone = zone.with(
            &format!("{selector}._domainkey.b.example"),
            Data::txt(&record),
        );
        senders.push_str(&format!(
            "[[dkim]]\ndomain = \"b.example\"\nselector = \"{selector}\"\nkey = \"{}\"\n",
            file.display()
        ));
        // A key that is there is never overwritten.
        assert!(!keygen.output().unwrap().status.success());
    }
    dns.serve(zone);
    let bed = Bed::start(&Wish {
        more: SITE,
        senders: &senders,
        ..Wish::default()
    });
    let ours = Peer::at("198.51.100.7")
        .name("pc7.b.example")
        .helo("pc7.b.example");
    let message = ordinary("Signed").replace("Ann <ann@a.example>", "Bob <bob@b.example>");
    assert!(
        send(
            bed.postfix.port(),
            &ours,
            &["x@elsewhere.example"],
            &message
        )
        .accepted()
    );
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    let file = folder.path().join("arrived.eml");
    std::fs::write(&file, arrived[0].without_headers(&[])).unwrap();
    let said = bed.vigil.say(&[
        "auth",
        "check",
        "--ip",
        "198.51.100.7",
        "--json",
        file.to_str().unwrap(),
    ]);
    let found: serde_json::Value = serde_json::from_str(&said).unwrap();
    let signatures = found["authentication"]["signatures"].as_array().unwrap();
    let results: Vec<_> = signatures
        .iter()
        .map(|one| {
            (
                one["algorithm"].as_str().unwrap(),
                one["result"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        results,
        [("rsa-sha256", "pass"), ("ed25519-sha256", "pass")],
        "{said}"
    );
    assert_eq!(found["authentication"]["signed"], "authentic");
    // Others' mail is not signed for.
    let others = ordinary("Not ours");
    assert!(send(bed.postfix.port(), &ours, &["x@elsewhere.example"], &others).accepted());
    let arrived = bed.sink.wait_for(2, PATIENCE).unwrap();
    assert_eq!(arrived[1].header("DKIM-Signature"), None);
}

#[test]
fn a_domain_that_blocks_gets_its_forgeries_refused_and_people_see_its_standing() {
    let dns = Dns::start(zone()).unwrap();
    let senders = asks(dns.address().port());
    let mut bed = Bed::start(&Wish {
        more: SITE,
        senders: &senders,
        ..Wish::default()
    });
    // Only told, as the policy ships: it is SPF and DMARC that hold it.
    let port = bed.postfix.port();
    assert!(send(port, &stranger(), &["bob@b.example"], &ordinary("Told")).accepted());
    let record = &bed.vigil.records(&["--subject", "Told"], 1)[0];
    let standing = |record: &serde_json::Value| {
        let reasons = record["verdict"]["reasons"].as_array().unwrap().clone();
        let of_standing =
            |reason: &serde_json::Value| reason["name"].as_str().unwrap().starts_with("standing-");
        reasons.into_iter().find(of_standing)
    };
    let told = standing(record).unwrap();
    assert_eq!(
        (&told["name"], &told["demands"]),
        (&"standing-block".into(), &serde_json::Value::Null)
    );

    let policy = bed
        .vigil
        .say(&["policy", "export"])
        .replace("[standing]\nenforce = false", "[standing]\nenforce = true");
    bed.vigil.apply(&policy);
    let refused = send(port, &stranger(), &["bob@b.example"], &ordinary("Forged"));
    assert!(refused.last().is_permanent(), "{refused}");
    let record = &bed.vigil.records(&["--subject", "Forged"], 1)[0];
    assert_eq!(record["fate"], "rejected", "{record}");
    assert!(standing(record).is_some());
    // What is written down once a minute is written when the service ends.
    bed.vigil.service.terminate(PATIENCE).unwrap();
    let shown = bed.vigil.say(&["auth", "standing", "a.example", "--json"]);
    let view: serde_json::Value = serde_json::from_str(shown.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&view["counts"]["total"], &view["counts"]["blocked"]),
        (&2.into(), &2.into()),
        "{shown}"
    );
    assert!(bed.vigil.say(&["auth", "standing"]).contains("observing"));
    let tried = ["auth", "standing", "a.example", "--try-blocking", "--json"];
    let trial: serde_json::Value = serde_json::from_str(&bed.vigil.say(&tried)).unwrap();
    assert_eq!(
        (
            &trial["judged"],
            &trial["blocked"],
            &trial["were_delivered"]
        ),
        (&2.into(), &2.into(), &0.into()),
        "{trial}"
    );
}
