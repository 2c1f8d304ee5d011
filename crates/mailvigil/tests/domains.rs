//! Domains' standing on pages, by the API and at the command line: seen by all of them, set by each of them.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;
#[path = "bed/domains.rs"]
mod domains;
#[path = "bed/web.rs"]
mod web;

use bed::{Vigil, Wish};
use serde_json::{Value, json};
use testkit::dns::{Data, Dns, Zone};
use web::Web;

fn seeded() -> Vigil {
    seeded_with(Wish::default().senders)
}

/// The same with other settings about senders.
fn seeded_with(senders: &str) -> Vigil {
    let vigil = Vigil::start(&Wish {
        more: "[site]\nlocal_domains = [\"b.example\"]\n",
        senders,
        ..Wish::default()
    });
    domains::seed(&vigil.service.folder().join("data"), "b.example");
    vigil
}

#[test]
fn domains_are_listed_ours_apart_and_found_by_name() {
    let empty = Vigil::start(&Wish::default());
    let page = Web::first(&empty).get("/domains");
    assert!(page.body.contains("authentication.verify"), "{}", page.body);

    let vigil = seeded();
    let admin = Web::first(&vigil);
    let page = admin.get("/domains").body;
    let (ours, others) = page.split_once("<h2>Others").unwrap();
    assert!(ours.contains("/domains/b.example") && !ours.contains("bank.example"));
    assert!(others.contains("/domains/bank.example") && others.contains("1 to 50 of 61"));
    let second = admin.get("/domains?skip=50").body;
    assert!(second.contains("/domains/shop-59.example") && second.contains("51 to 61 of 61"));
    let found = admin.get("/domains?q=shop-17").body;
    assert!(found.contains("shop-17.example") && !found.contains("shop-18"));
    let none = admin.get("/domains?q=%3Cb%3E%22").body;
    assert!(
        none.contains("&#60;b&#62;") && !none.contains("<b>"),
        "{none}"
    );

    let listed = admin.get("/api/v1/domains?ours=false&limit=1").json();
    assert_eq!(listed["items"][0]["domain"], "bank.example");
    assert_eq!(listed["items"][0]["stage"], "blocking");
    let next = format!(
        "/api/v1/domains?ours=false&limit=1&cursor={}",
        listed["next"].as_str().unwrap()
    );
    assert_eq!(
        admin.get(&next).json()["items"][0]["domain"],
        "shop-00.example"
    );
    let shown = vigil.say(&["auth", "standing", "--name", "shop-0", "--limit", "3"]);
    assert!(shown.contains("3 of 10 domains"), "{shown}");
}

#[test]
fn one_domain_is_told_with_its_evidence_and_what_strangers_write_is_harmless() {
    let vigil = seeded();
    let admin = Web::first(&vigil);
    let bank = admin.get("/domains/bank.example").body;
    for told in [
        "98.6 % of 512 messages",
        "203.0.113.66",
        "s2026a",
        "Nothing is blocked",
        "<svg class=\"chart slim\"",
        "Publish a DMARC",
    ] {
        assert_eq!(bank.contains(told), told != "Publish a DMARC", "{told}");
    }
    let ours = admin.get("/domains/b.example").body;
    assert!(ours.contains("1024 bits are too few"), "{ours}");
    assert!(!ours.contains("<script>alert"), "{ours}");
    assert!(ours.contains("Sign what 198.51.100.5 sends") && ours.contains("198.51.100.77"));
    for unknown in [
        "/domains/nobody.example",
        "/domains/%3Cscript%3E",
        "/domains/-..",
    ] {
        let answer = admin.get(unknown);
        assert_eq!(answer.status, 404, "{unknown}");
        assert!(!answer.body.contains("<script>"), "{}", answer.body);
    }
    let trial = admin.get("/domains/bank.example?try=yes").body;
    assert!(trial.contains("Of 0 recorded messages"), "{trial}");
    let whole = admin.get("/api/v1/domains/b.example").json();
    assert_eq!(
        (&whole["ours"], &whole["enforced"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(whole["by_server"].as_array().unwrap().len(), 2);
    assert_eq!(whole["advice"][0]["advice"], "unsigned", "{whole}");
    let shown = vigil.say(&["auth", "standing", "b.example"]);
    assert!(shown.contains("What could be mended") && shown.contains("only reports"));
}

#[test]
fn what_one_sets_the_others_see_and_it_stands_in_the_policy_with_its_reason() {
    let vigil = seeded();
    let admin = Web::first(&vigil);
    let mark = |base: &str, reason: &str| {
        let fields = [
            ("base", base),
            ("network", "203.0.113.66"),
            ("mark", "not-ours"),
            ("reason", reason),
        ];
        admin.post("/domains/bank.example/mark", &fields)
    };
    let silent = mark("1", " ");
    assert_eq!(silent.status, 422);
    assert!(silent.body.contains("Say why"), "{}", silent.body);
    let marked = mark("1", "not a machine of the bank's");
    assert_eq!(marked.status, 303, "{}", marked.body);
    assert!(marked.header("location").contains("on=2"));
    assert_eq!(
        mark("1", "again").status,
        409,
        "version 1 is not in force any more"
    );

    let program = admin.program("act");
    let pin = json!({ "stage": "observing", "reason": "they move to a new provider" });
    let pinned = program.call("POST", "/domains/bank.example/pin", &pin);
    assert_eq!(pinned.json()["version"], 3, "{}", pinned.body);
    let wrong = json!({ "stage": "<b>", "reason": "x" });
    let wrong = program.call("POST", "/domains/bank.example/pin", &wrong);
    assert_eq!(wrong.status, 422, "{}", wrong.body);
    let reads = admin.program("read");
    let refused = reads.call("POST", "/domains/bank.example/pin", &pin);
    assert_eq!(refused.status, 403);

    let wished = vigil.say(&[
        "auth",
        "wish",
        "bank.example",
        "redirect",
        "-m",
        "they asked for it",
    ]);
    assert!(wished.contains("Version 4 is in force"), "{wished}");
    let page = admin.get("/domains/bank.example").body;
    for told in [
        "whose-not-ours",
        "set for bank.example",
        "At most: redirect",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let set = program
        .call("GET", "/domains/bank.example", &Value::Null)
        .json()["set"]
        .clone();
    let expected = json!({ "by": "bank.example", "stage": "observing", "wish": "redirect",
        "marks": [{ "network": "203.0.113.66", "mark": "not-ours" }] });
    assert_eq!(set, expected);
    let history = vigil.say(&["policy", "history"]);
    for reason in [
        "not a machine of the bank's",
        "new provider",
        "they asked for it",
    ] {
        assert!(history.contains(reason), "{history}");
    }
    // And back, by each of the other ways.
    vigil.say(&[
        "auth",
        "mark",
        "bank.example",
        "203.0.113.66",
        "none",
        "-m",
        "a mistake",
    ]);
    vigil.say(&[
        "auth",
        "pin",
        "bank.example",
        "none",
        "-m",
        "they have moved",
    ]);
    let wish = json!({ "wish": "none", "reason": "done" });
    let wished = program.call("POST", "/domains/bank.example/wish", &wish);
    assert_eq!(wished.status, 200, "{}", wished.body);
    let text = vigil.say(&["policy", "export"]);
    assert!(!text.contains("bank.example"), "{text}");

    let auditor = admin.person("olaf", "auditor", "");
    assert_eq!(auditor.get("/domains/bank.example").status, 200);
    assert!(
        !auditor
            .get("/domains/bank.example")
            .body
            .contains("name=\"mark\"")
    );
    let fields = [("base", "7"), ("stage", "blocking"), ("reason", "x")];
    assert_eq!(
        auditor.post("/domains/bank.example/pin", &fields).status,
        403
    );
    let owner = admin.person("bob", "owner", "bob@b.example");
    assert_eq!(owner.get("/domains").status, 403);
    let mut forged = admin.clone();
    forged.csrf = "0".to_owned();
    assert_eq!(
        forged.post("/domains/bank.example/pin", &fields).status,
        403
    );
}

#[test]
fn what_others_report_is_added_up_and_harmless() {
    let vigil = seeded();
    let admin = Web::first(&vigil);
    let page = admin.get("/reports?domain=b.example").body;
    assert!(
        page.contains("203.0.113.66") && page.contains("certificate-expired"),
        "{page}"
    );
    assert!(!page.contains("<b onmouseover"), "{page}");
    let machine = &admin.get("/api/v1/reports/sources").json()["items"][0];
    assert_eq!(
        (&machine["ip"], &machine["failed"], &machine["stopped"]),
        (&"203.0.113.66".into(), &114.into(), &114.into())
    );
    assert_eq!(
        admin.get("/api/v1/reports/tls").json()["items"][0]["failed"],
        3
    );
    assert_eq!(
        admin.get("/api/v1/reports?domain=b.example").json()["items"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(admin.get("/reports?domain=%3Cscript%3E").status, 404);
}

#[test]
fn a_report_is_handed_in_by_program_and_by_form() {
    let vigil = seeded();
    let admin = Web::first(&vigil);
    let report = |id: &str| {
        json!({
            "organization-name": "Another",
            "date-range": { "start-datetime": "2026-11-27T00:00:00Z", "end-datetime": "2026-11-27T23:59:59Z" },
            "contact-info": "noc@a.example",
            "report-id": id,
            "policies": [{
                "policy": { "policy-type": "no-policy-found", "policy-domain": "b.example" },
                "summary": { "total-successful-session-count": 5, "total-failure-session-count": 0 },
            }],
        })
        .to_string()
    };
    let octets = [("Content-Type", "application/octet-stream")];
    let program = admin.program("act");
    let hand_in = |body: &str| program.send("POST", "/api/v1/reports", &octets, body);
    let taken = hand_in(&report("one"));
    assert_eq!(
        (taken.status, taken.json()),
        (
            200,
            json!({ "kind": "tls", "domain": "b.example", "kept": "new", "notes": [] })
        )
    );
    assert_eq!(hand_in(&report("one")).json()["kept"], "known");
    let wrong = hand_in("hello");
    assert_eq!(wrong.header("content-type"), "application/problem+json");
    assert!((400..500).contains(&wrong.status), "{}", wrong.body);
    let reader = admin.program("read");
    let refused = reader.send("POST", "/api/v1/reports", &octets, &report("two"));
    assert_eq!(refused.status, 403);

    let form = |token: &str| {
        let part = |name: &str, more: &str, body: &str| {
            format!(
                "--x\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{body}\r\n"
            )
        };
        part("csrf", "", token)
            + &part("file", "; filename=\"three.json\"", &report("three"))
            + &part("file", "; filename=\"<b>four\"", "nothing of the kind")
            + "--x--\r\n"
    };
    let multipart = [("Content-Type", "multipart/form-data; boundary=x")];
    let send =
        |who: &Web, token: &str| who.send("POST", "/reports/import", &multipart, &form(token));
    assert_eq!(send(&admin, "0").status, 403, "without our token");
    let page = send(&admin, &admin.csrf);
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(
        page.body.contains("TLS about b.example is kept."),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("four</code>") && !page.body.contains("<b>four"),
        "{}",
        page.body
    );
    let many = (0..105).map(
        |_| "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n",
    );
    let many = format!(
        "--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{}\r\n{}--x--\r\n",
        admin.csrf,
        many.collect::<String>()
    );
    let page = admin.send("POST", "/reports/import", &multipart, &many);
    assert!(
        page.body.contains("one form takes 100 files"),
        "{}",
        page.body
    );
    let acts = vigil.say(&["audit", "export"]);
    assert_eq!(acts.matches("report-imported").count(), 2, "{acts}");
    let auditor = admin.person("olaf", "auditor", "");
    assert_eq!(send(&auditor, &auditor.csrf).status, 403);
    let plain = admin.post("/reports/import", &[]);
    assert_eq!(plain.status, 400, "a form that carries no files");
    let kept = admin.get("/api/v1/reports?domain=b.example").json();
    assert_eq!(kept["items"].as_array().unwrap().len(), 5);
}

#[test]
fn what_a_domain_publishes_is_asked_when_somebody_wants_it() {
    let zone = Zone::default()
        .with("bank.example", Data::txt("v=spf1 +all"))
        .with("bank.example", Data::Mx(10, "mx.bank.example".to_owned()))
        .with("_dmarc.bank.example", Data::txt("v=DMARC1; p=none; psd=n"));
    let dns = Dns::start(zone).unwrap();
    let servers = format!(
        "[dns]\nservers = [\"127.0.0.1:{}\"]\n",
        dns.address().port()
    );
    let vigil = seeded_with(&servers);
    let admin = Web::first(&vigil);
    let page = admin.get("/domains/bank.example").body;
    assert!(
        page.contains("?dns=yes#dns") && !page.contains("SPF look-ups"),
        "{page}"
    );
    let page = admin.get("/domains/bank.example?dns=yes").body;
    for told in [
        "0 of 10",
        "v=spf1 +all",
        "lets anybody send",
        "asks nothing",
        "rua=",
        "Ask for TLS reports",
        "MTA-STS policy",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let page = Web::first(&seeded())
        .get("/domains/bank.example?dns=yes")
        .body;
    assert!(page.contains("DNS is not asked here"), "{page}");
    let said = vigil.say(&["auth", "domain", "bank.example"]);
    assert!(said.contains("_smtp._tls.bank.example TXT"), "{said}");
    assert!(
        said.contains("lets anybody send") && said.contains("asks nothing"),
        "{said}"
    );
}
