//! The console under attack, and in the hands of people who may do less than everything. No browser: what is sent here no
//! browser would send.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;
#[path = "bed/web.rs"]
mod web;

use bed::{Bed, Vigil, Wish, send, stranger, tale, wait_for};
use serde_json::{Value, json};
use web::{PASSWORD, Web, between, form};

const PAGES: [&str; 16] = [
    "/",
    "/messages",
    "/messages/last",
    "/quarantine",
    "/domains",
    "/domains/a.example",
    "/reports",
    "/policy",
    "/policy/set/advance-fee",
    "/policy/text",
    "/policy/try",
    "/policy/history",
    "/policy/version/1",
    "/audit",
    "/people",
    "/me",
];

#[test]
fn nothing_is_reached_without_a_login() {
    let vigil = Vigil::start(&Wish::default());
    let nobody = Web::of(&vigil);
    for page in PAGES {
        let answer = nobody.get(page);
        assert_eq!(answer.status, 303, "{page}");
        assert!(
            answer.header("location").starts_with("/login?next="),
            "{page}"
        );
    }
    for path in ["/live", "/api/openapi.json"] {
        assert!([401, 303].contains(&nobody.get(path).status), "{path}");
    }
    let admin = Web::first(&vigil);
    let document = admin.get("/api/openapi.json").json();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path.replace(['{', '}'], "");
            let answer = nobody.send(
                &method.to_uppercase(),
                &format!("/api/v1{path}"),
                &[("Authorization", "Bearer mv_wrong")],
                "",
            );
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
    // Every form's address as well.
    for path in [
        "/quarantine/do",
        "/quarantine/decide",
        "/domains/a.example/mark",
        "/domains/a.example/pin",
        "/domains/a.example/wish",
        "/reports/import",
        "/policy/edit",
        "/policy/text",
        "/policy/rollback",
        "/policy/allow",
        "/people/add",
        "/people/act",
        "/people/change",
        "/audit/export",
        "/me/token",
        "/me/password",
    ] {
        assert_eq!(nobody.post(path, &[]).status, 303, "{path}");
    }
}

#[test]
fn every_answer_is_hardened() {
    let vigil = Vigil::start(&Wish::default());
    let admin = Web::first(&vigil);
    for path in [
        "/login",
        "/",
        "/nowhere",
        "/api/v1/nowhere",
        "/api/v1/messages",
        "/assets/x/style.css",
        "/assets/x/none",
    ] {
        let answer = admin.get(path);
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'")
                && policy.contains("frame-ancestors 'none'")
                && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
    let cookie = Web::of(&vigil).send(
        "POST",
        "/login",
        &[],
        &form(&[("name", "ann"), ("password", PASSWORD)]),
    );
    let cookie = cookie.header("set-cookie").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
        "{cookie}"
    );

    // Behind TLS the cookie belongs to this very host, and browsers are told to stay with TLS.
    let vigil = Vigil::start(&Wish {
        console: "url = \"https://mail.example.org/\"",
        ..Wish::default()
    });
    let link = vigil.say(&["console", "link"]);
    assert!(
        link.starts_with("https://mail.example.org/welcome?code="),
        "{link}"
    );
    let code = link.trim().split("code=").nth(1).unwrap();
    let body = form(&[("code", code), ("name", "ann"), ("password", PASSWORD)]);
    let answer = Web::of(&vigil).send(
        "POST",
        "/welcome",
        &[
            ("Origin", "https://mail.example.org"),
            ("Host", "mail.example.org"),
        ],
        &body,
    );
    assert!(
        answer.header("set-cookie").starts_with("__Host-mailvigil=")
            && answer.header("set-cookie").contains("; Secure"),
        "{answer:?}"
    );
    assert!(
        answer
            .header("strict-transport-security")
            .contains("max-age")
    );
}

#[test]
fn requests_from_elsewhere_are_refused() {
    let vigil = Vigil::start(&Wish::default());
    let admin = Web::first(&vigil);
    let fields = form(&[
        ("csrf", &admin.csrf),
        ("name", "eve"),
        ("role", "administrator"),
    ]);
    // Another origin, no origin at all, an origin kept back by another site.
    for headers in [
        vec![("Origin", "https://evil.example")],
        vec![("Origin", "-")],
        vec![("Origin", "null")],
        vec![("Origin", "null"), ("Sec-Fetch-Site", "cross-site")],
        vec![("Origin", "-"), ("Sec-Fetch-Site", "same-site")],
    ] {
        assert_eq!(
            admin.send("POST", "/people/add", &headers, &fields).status,
            403,
            "{headers:?}"
        );
    }
    // Our own origin without the form's token, or with somebody else's.
    for csrf in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let fields = form(&[("csrf", csrf), ("name", "eve"), ("role", "administrator")]);
        assert_eq!(
            admin.send("POST", "/people/add", &[], &fields).status,
            403,
            "{csrf}"
        );
    }
    // A cookie alone changes nothing through the API, from wherever.
    let json = [
        ("Content-Type", "application/json"),
        ("Origin", "https://evil.example"),
    ];
    assert_eq!(
        admin
            .send(
                "PUT",
                "/api/v1/people/eve",
                &json,
                "{\"role\":\"administrator\"}"
            )
            .status,
        403
    );
    let json = [("Content-Type", "application/json")];
    assert_eq!(
        admin
            .send(
                "PUT",
                "/api/v1/people/eve",
                &json,
                "{\"role\":\"administrator\"}"
            )
            .status,
        403
    );
    assert_eq!(
        admin.get("/api/v1/people").json().as_array().unwrap().len(),
        1,
        "Eve is not there"
    );

    // A name that a stranger made point here.
    for host in [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "",
    ] {
        assert_eq!(
            admin.send("GET", "/", &[("Host", host)], "").status,
            421,
            "{host}"
        );
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:7781"] {
        assert_ne!(
            admin.send("GET", "/", &[("Host", host)], "").status,
            421,
            "{host}"
        );
    }
    // Nobody is led elsewhere after a login.
    for next in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/\t/evil.example",
    ] {
        let answer = Web::of(&vigil).send(
            "POST",
            "/login",
            &[],
            &form(&[("name", "ann"), ("password", PASSWORD), ("next", next)]),
        );
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, "/"),
            "{next}"
        );
        let answer = Web::of(&vigil).send(
            "POST",
            "/look",
            &[],
            &form(&[("back", next), ("lang", "zh")]),
        );
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, "/"),
            "{next}"
        );
    }
    // Paths lead nowhere.
    for path in [
        "/assets/x/../../../etc/passwd",
        "/assets/x/..%2f..%2fetc%2fpasswd",
        "/quarantine/..%2f..%2fetc",
        "/quarantine/..%2f/source",
        "/policy/version/..%2f1",
        "/policy/version/-1",
        "/messages/%00",
        "/d/x",
    ] {
        let answer = admin.get(path);
        assert!(
            [404, 400].contains(&answer.status),
            "{path}: {}",
            answer.status
        );
        assert!(!answer.body.contains("root:"), "{path}");
    }
}

#[test]
fn a_session_is_new_after_a_login_and_over_after_a_logout() {
    let vigil = Vigil::start(&Wish::default());
    let admin = Web::first(&vigil);
    // A cookie that was planted before does not become the session.
    let planted = Web {
        cookie: "mailvigil=planted".into(),
        ..Web::of(&vigil)
    };
    let answer = planted.send(
        "POST",
        "/login",
        &[],
        &form(&[("name", "ann"), ("password", PASSWORD)]),
    );
    assert!(!answer.header("set-cookie").contains("planted"));
    assert_eq!(planted.get("/me").status, 303);
    // Logging in again ends the session it is done from.
    let mut again = admin.clone();
    let answer = admin.send(
        "POST",
        "/login",
        &[],
        &form(&[("name", "ann"), ("password", PASSWORD)]),
    );
    assert_eq!(admin.get("/me").status, 303);
    again.enter(&answer);
    assert_eq!(again.get("/me").status, 200);
    // A new password ends all others, and only them.
    let mut other = Web::of(&vigil);
    let answer = other.send(
        "POST",
        "/login",
        &[],
        &form(&[("name", "ann"), ("password", PASSWORD)]),
    );
    other.enter(&answer);
    let new = "seven blue kettles sing";
    assert_eq!(
        again
            .post("/me/password", &[("old", "wrong"), ("new", new)])
            .status,
        422
    );
    assert_eq!(
        again
            .post("/me/password", &[("old", PASSWORD), ("new", "short")])
            .status,
        422
    );
    assert_eq!(
        again
            .post("/me/password", &[("old", PASSWORD), ("new", new)])
            .status,
        303
    );
    assert_eq!(
        (again.get("/me").status, other.get("/me").status),
        (200, 303)
    );
    assert_eq!(again.post("/logout", &[]).status, 303);
    assert_eq!(again.get("/me").status, 303);
    // A link is good once.
    let link = vigil.say(&["console", "link", "--name", "ann"]);
    let reset = Web::of(&vigil).accept(link.trim(), "ann");
    assert_eq!(reset.get("/me").status, 200);
    let code = link.trim().split("code=").nth(1).unwrap();
    let again = Web::of(&vigil).send(
        "POST",
        "/welcome",
        &[],
        &form(&[("code", code), ("name", "eve"), ("password", PASSWORD)]),
    );
    assert_eq!(again.status, 409, "{}", again.body);
}

#[test]
fn guessing_is_slowed_and_written_down() {
    let vigil = Vigil::start(&Wish::default());
    let admin = Web::first(&vigil);
    let nobody = Web::of(&vigil);
    let try_it = |name: &str, password: &str| {
        nobody.send(
            "POST",
            "/login",
            &[],
            &form(&[("name", name), ("password", password)]),
        )
    };
    // Whether there is somebody of that name is not told.
    let (known, unknown) = (try_it("ann", "wrong"), try_it("nobody", "wrong"));
    assert_eq!((known.status, unknown.status), (401, 401));
    let told = |answer: &web::Answer| between(&answer.body, "role=\"alert\">", "<").to_owned();
    assert_eq!(told(&known), told(&unknown));
    for _ in 0..4 {
        try_it("ann", "wrong");
    }
    let waits = try_it("ann", PASSWORD);
    assert_eq!(waits.status, 429, "{}", waits.body);
    let log = admin.get("/audit?act=login-failed").body;
    assert!(log.contains("wrong name or password"), "{log}");
}

#[test]
fn with_codes_a_password_alone_opens_nothing_and_a_code_is_good_once() {
    let vigil = Vigil::start(&Wish::default());
    let admin = Web::first(&vigil);
    let page = admin.get("/me").body;
    let secret = between(&page, "id=\"totp\">", "<").to_owned();
    let totp = totp_rs::Builder::new()
        .with_secret(totp_rs::Secret::try_from_base32(&secret).unwrap())
        .build()
        .unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    // Good for the step before its own and the one after it, so that a slow test is not a late one.
    let (first, second) = (
        totp.generate(now).to_string(),
        totp.generate(now + 30).to_string(),
    );
    let set = |code: &str| {
        admin
            .post(
                "/me/codes",
                &[
                    ("act", "set"),
                    ("secret", &secret),
                    ("password", PASSWORD),
                    ("code", code),
                ],
            )
            .status
    };
    assert_eq!(set("000000x"), 422);
    assert_eq!(set(&first), 303);
    let nobody = Web::of(&vigil);
    let try_it = |code: &str| {
        nobody.send(
            "POST",
            "/login",
            &[],
            &form(&[("name", "ann"), ("password", PASSWORD), ("code", code)]),
        )
    };
    // The one it was set up with is used up.
    for code in ["", "abcdef", &first] {
        let answer = try_it(code);
        assert_eq!(answer.status, 401, "{code}");
        assert_eq!(answer.header("set-cookie"), "", "{code}");
    }
    let mut entered = Web::of(&vigil);
    entered.enter(&try_it(&second));
    assert_eq!(entered.get("/me").status, 200);
    assert_eq!(try_it(&second).status, 401, "a code is good once");
    // A telephone is lost, and somebody at the machine helps.
    vigil.say(&["console", "remove-codes", "ann"]);
    assert_eq!(entered.get("/me").status, 303);
    assert_eq!(try_it("").status, 303);
    let log = vigil.say(&["acts"]);
    assert!(
        log.contains("codes-set") && log.contains("codes-removed") && log.contains("wrong code"),
        "{log}"
    );
}

/// Whoever may not follow any more is not told more, although their connection stands.
#[test]
fn a_feed_ends_with_the_right_to_it() {
    use std::io::Read as _;
    let bed = Bed::start(&Wish::default());
    let admin = Web::first(&bed.vigil);
    let olive = admin.person("olive", "operator", "");
    let mut feed = olive.begin("GET", "/live", &[], "");
    let mut head = [0; 12];
    feed.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    bed.vigil.say(&["console", "remove", "olive"]);
    feed.set_nonblocking(true).unwrap();
    let mut number = 0;
    let ended = wait_for(|| {
        number += 1;
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &bed::ordinary(&format!("Number {number}")),
        );
        let mut buffer = [0; 4096];
        match feed.read(&mut buffer) {
            Ok(0) => Some(()),
            Ok(_) => None,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(_) => Some(()),
        }
    });
    assert!(ended.is_some(), "the feed goes on");
}

#[test]
fn everybody_does_what_their_role_allows_and_nothing_else() {
    let bed = Bed::start(&Wish::default());
    let admin = Web::first(&bed.vigil);
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &tale("For Bob")
        )
        .accepted()
    );
    let held = wait_for(|| Some(bed.vigil.held()).filter(|held| !held.is_empty())).unwrap();
    let id = held[0]["id"].as_str().unwrap().to_owned();
    let auditor = admin.person("audrey", "auditor", "");
    let other = admin.person("carl", "operator", "@c.example");
    let part = admin.person("petra", "administrator", "@b.example");
    let owner = admin.person("eve", "owner", "eve@b.example");

    // The auditor reads the administrators' log and changes nothing.
    for (path, status) in [
        ("/", 200),
        ("/audit", 200),
        ("/policy", 200),
        ("/people", 200),
        (&*format!("/messages/{id}"), 200),
        ("/quarantine", 403),
        (&*format!("/quarantine/{id}"), 403),
    ] {
        assert_eq!(auditor.get(path).status, status, "{path}");
    }
    let version = bed.vigil.say(&["policy", "history"]).lines().count();
    for (path, fields) in [
        (
            "/policy/edit",
            vec![
                ("edit", "boundaries"),
                ("base", "1"),
                ("suspicious", "1"),
                ("dangerous", "2"),
            ],
        ),
        (
            "/policy/text",
            vec![("act", "apply"), ("base", "1"), ("text", "")],
        ),
        ("/policy/rollback", vec![("version", "1")]),
        (
            "/policy/allow",
            vec![("value", "x@y.example"), ("from", "192.0.2.0/24")],
        ),
        (
            "/people/add",
            vec![("name", "x"), ("role", "owner"), ("scope", "x@y.example")],
        ),
        ("/people/act", vec![("name", "ann"), ("act", "remove")]),
        (
            "/people/change",
            vec![("name", "audrey"), ("role", "administrator")],
        ),
    ] {
        for who in [&auditor, &other, &owner] {
            assert_eq!(who.post(path, &fields).status, 403, "{path}");
        }
    }
    // Who looks after a part of the site changes nothing for all of it.
    assert_eq!(
        part.post(
            "/policy/edit",
            &[
                ("edit", "boundaries"),
                ("base", "1"),
                ("suspicious", "1"),
                ("dangerous", "2")
            ]
        )
        .status,
        403
    );
    assert_eq!(part.get("/people").status, 403);
    assert_eq!(part.get("/audit").status, 403);
    assert_eq!(part.get(&format!("/quarantine/{id}")).status, 200);

    // Somebody else's mail is not there at all, whatever is asked of it.
    for who in [&other, &owner] {
        assert_eq!(who.get(&format!("/quarantine/{id}")).status, 404);
        assert_eq!(who.get(&format!("/quarantine/{id}/source")).status, 404);
        assert_eq!(who.get(&format!("/quarantine/{id}/frame/1")).status, 404);
        assert_eq!(
            who.post(&format!("/quarantine/{id}/part/1"), &[]).status,
            404
        );
        assert_eq!(
            who.post(&format!("/quarantine/{id}/read"), &[("reason", "curious")])
                .status,
            404
        );
        for act in ["release", "delete"] {
            assert_eq!(
                who.post(&format!("/quarantine/{id}/decide"), &[("act", act)])
                    .status,
                404
            );
        }
        let many = who.post("/quarantine/do", &[("act", "release"), ("item", &id)]);
        assert!(many.body.contains("0 done, 1 not"), "{}", many.body);
        assert!(!who.get("/quarantine").body.contains("For Bob"));
    }
    assert_eq!(other.get(&format!("/messages/{id}")).status, 404);
    assert_eq!(owner.get(&format!("/messages/{id}")).status, 403);
    assert!(!other.get("/messages").body.contains("For Bob"));
    let program = other.program("act");
    assert_eq!(
        program
            .call("GET", &format!("/quarantine/{id}"), &Value::Null)
            .status,
        404
    );
    assert_eq!(
        program
            .call("POST", &format!("/quarantine/{id}/release"), &json!({}))
            .status,
        404
    );
    assert_eq!(bed.vigil.held().len(), 1, "nothing happened to it");
    assert_eq!(
        bed.vigil.say(&["policy", "history"]).lines().count(),
        version
    );

    // A right that is taken away is gone with the next click.
    assert_eq!(
        admin
            .post(
                "/people/change",
                &[
                    ("name", "petra"),
                    ("role", "auditor"),
                    ("scope", "@b.example")
                ]
            )
            .status,
        303
    );
    assert_eq!(part.get("/").status, 303);
    // The last administrator stays.
    assert_eq!(
        admin
            .post("/people/act", &[("name", "ann"), ("act", "remove")])
            .status,
        409
    );
    assert_eq!(
        admin
            .post(
                "/people/change",
                &[("name", "ann"), ("role", "owner"), ("scope", "a@b.example")]
            )
            .status,
        409
    );
}

#[test]
fn a_second_person_allows_reading_and_large_releases() {
    let bed = Bed::start(&Wish {
        console: "second_person_reads = true\nsecond_person_releases_over = 1",
        ..Wish::default()
    });
    let admin = Web::first(&bed.vigil);
    let second = admin.person("bea", "administrator", "");
    for subject in ["One", "Two"] {
        assert!(
            send(
                bed.postfix.port(),
                &stranger(),
                &["bob@b.example"],
                &tale(subject)
            )
            .accepted()
        );
    }
    let held = wait_for(|| Some(bed.vigil.held()).filter(|held| held.len() == 2)).unwrap();
    let ids: Vec<&str> = held
        .iter()
        .map(|held| held["id"].as_str().unwrap())
        .collect();
    let page = format!("/quarantine/{}", ids[0]);
    admin.post(&format!("{page}/read"), &[("reason", "a complaint")]);
    assert!(!admin.get(&page).body.contains("wordonlyinthebody"));
    assert!(admin.get(&page).body.contains("second person"));
    let request =
        |who: &Web| between(&who.get("/people").body, "name=\"id\" value=\"", "\"").to_owned();
    // One's own request is not one's own to decide.
    let id = request(&second);
    assert_eq!(
        admin
            .post("/people/request", &[("id", &id), ("decide", "approve")])
            .status,
        403
    );
    assert_eq!(
        second
            .post("/people/request", &[("id", &id), ("decide", "approve")])
            .status,
        303
    );
    assert!(admin.get(&page).body.contains("wordonlyinthebody"));
    assert!(
        !second.get(&page).body.contains("wordonlyinthebody"),
        "who allows does not read"
    );

    let both = [
        ("act", "release"),
        ("item", ids[0]),
        ("item", ids[1]),
        ("reason", "all of them"),
    ];
    let asked = admin.post("/quarantine/do", &both);
    assert_eq!(asked.status, 422, "{}", asked.body);
    assert_eq!(bed.vigil.held().len(), 2);
    let id = request(&second);
    let asked = bed.vigil.say(&["console", "requests"]);
    assert!(
        asked.contains(&id) && asked.contains("all of them"),
        "{asked}"
    );
    bed.vigil
        .say(&["console", "approve", &id, "--reason", "agreed"]);
    let done = admin.post("/quarantine/do", &both);
    assert!(done.body.contains("done"), "{}", done.body);
    let log = admin.get("/audit").body;
    for told in ["a complaint", "all of them", "request approved"] {
        assert!(log.contains(told), "{told}");
    }
}

#[test]
fn programs_act_once_per_key_and_read_only_tokens_only_read() {
    let vigil = Vigil::start(&Wish::default());
    let admin = Web::first(&vigil);
    let (reader, actor) = (admin.program("read"), admin.program("act"));
    assert_eq!(reader.call("GET", "/messages", &Value::Null).status, 200);
    let text = reader.call("GET", "/policy", &Value::Null).json()["text"]
        .as_str()
        .unwrap()
        .replacen("dangerous = 20.0", "dangerous = 15.0", 1);
    let change = json!({ "text": text, "base": 1, "reason": "by a program" });
    let refused = reader.call("PUT", "/policy", &change);
    assert_eq!(
        (refused.status, refused.header("content-type")),
        (403, "application/problem+json")
    );

    let keyed = |key: &str, body: &Value| {
        actor.send(
            "PUT",
            "/api/v1/policy",
            &[
                ("Content-Type", "application/json"),
                ("Idempotency-Key", key),
            ],
            &body.to_string(),
        )
    };
    assert_eq!(keyed("k1", &change).json()["version"], 2);
    assert_eq!(keyed("k1", &change).json()["version"], 2, "not done twice");
    assert_eq!(
        keyed("k1", &json!({ "text": "x" })).status,
        422,
        "a key belongs to one request"
    );
    let conflict = keyed("k2", &change);
    assert_eq!(
        conflict.status, 409,
        "made from version 1: {}",
        conflict.body
    );
    let bad = actor.call(
        "PUT",
        "/policy",
        &json!({ "text": "[boundaries]\nsuspicious = 0\ncolour = 1\n" }),
    );
    assert_eq!(bad.status, 422);
    let problems = bad.json()["problems"].as_array().unwrap().clone();
    assert!(
        problems
            .iter()
            .any(|one| one["line"] == 2 && one["key"] == "boundaries.suspicious"),
        "{problems:?}"
    );
    let edited = actor.call("POST", "/policy/edit", &json!({ "base": 2, "change": { "edit": "add-entry", "list": "blocked-domains", "entry": { "value": "evil.example" } } }));
    assert_eq!(edited.json()["version"], 3, "{}", edited.body);
    assert!(vigil.say(&["policy", "export"]).contains("evil.example"));
    let verified = reader.call("GET", "/audit/verify", &Value::Null).json();
    assert_eq!(verified["whole"], true);
    let exported = reader.call("GET", "/audit/export", &Value::Null).body;
    assert!(
        exported
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
            && exported.contains("by a program")
    );
    let unguarded = actor.call("POST", "/allow", &json!({ "sender": "boss@b.example" }));
    assert_eq!(unguarded.status, 422, "{}", unguarded.body);
    assert!(
        unguarded.body.contains("anybody can write"),
        "{}",
        unguarded.body
    );
    // A token that is ended is over.
    let page = admin.get("/me").body;
    let token = between(&page, "name=\"id\" value=\"", "\"").to_owned();
    assert_eq!(admin.post("/me/token/end", &[("id", &token)]).status, 303);
    assert!(
        [reader, actor]
            .iter()
            .any(|one| one.call("GET", "/messages", &Value::Null).status == 401)
    );
}

/// Five hundred browsers follow; one that does not read is left behind, and nothing piles up for it.
#[test]
fn five_hundred_follow_and_memory_stays_flat() {
    use std::io::{Read as _, Write as _};
    let bed = Bed::start(&Wish::default());
    let admin = Web::first(&bed.vigil);
    let before = bed.vigil.resident_kb();
    let mut followers: Vec<std::net::TcpStream> = (0..500)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", admin.port)).unwrap();
            stream.set_read_timeout(Some(bed::PATIENCE)).unwrap();
            let request = format!(
                "GET /live HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n",
                admin.cookie
            );
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut head = [0; 12];
    for follower in &mut followers {
        follower.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
    }
    let followed = bed.vigil.resident_kb();
    for number in 0..150 {
        let told = send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &bed::ordinary(&format!("Number {number}")),
        );
        assert!(told.accepted());
    }
    // Nearly all of them read nothing meanwhile.
    let after = bed.vigil.resident_kb();
    println!(
        "resident: {before} kB, with 500 followers {followed} kB, after 150 messages {after} kB"
    );
    assert!(
        followed < before + 40_000,
        "{before} kB, then {followed} kB"
    );
    assert!(after < followed + 15_000, "{followed} kB, then {after} kB");
    let mut text = Vec::new();
    let mut buffer = vec![0; 65_536];
    while !String::from_utf8_lossy(&text).contains("Number 149") {
        let read = followers[499].read(&mut buffer).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&text));
        text.extend(&buffer[..read]);
    }
}

/// Whatever the document allows to be asked, and much that it does not: never an error of ours.
#[test]
fn no_request_makes_the_api_fail() {
    let bed = Bed::start(&Wish::default());
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &tale("One")
        )
        .accepted()
    );
    let held = wait_for(|| Some(bed.vigil.held()).filter(|held| !held.is_empty())).unwrap();
    let id = held[0]["id"].as_str().unwrap().to_owned();
    let admin = Web::first(&bed.vigil);
    let program = admin.program("act");
    let document = admin.get("/api/openapi.json").json();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut asked, mut answered) = (0, std::collections::BTreeMap::new());
    for round in 0..12 {
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                if path == "/live" {
                    continue;
                }
                let (url, body) = request(path, operation, &document, &id, &mut chance);
                let kind = if round % 6 == 5 {
                    "text/plain"
                } else {
                    "application/json"
                };
                let key = format!("key-{}", chance.below(5));
                let headers = [("Content-Type", kind), ("Idempotency-Key", key.as_str())];
                let answer = program.send(
                    &method.to_uppercase(),
                    &format!("/api/v1{url}"),
                    &headers,
                    &body,
                );
                asked += 1;
                *answered.entry(answer.status).or_insert(0) += 1;
                assert!(
                    answer.status < 500,
                    "{method} {url} {body}: {} {}",
                    answer.status,
                    answer.body
                );
                if answer.status >= 400 {
                    assert_eq!(
                        answer.header("content-type"),
                        "application/problem+json",
                        "{method} {url}: {}",
                        answer.body
                    );
                    assert_eq!(answer.json()["status"], answer.status);
                }
            }
        }
    }
    println!("{asked} requests: {answered:?}");
    assert!(
        asked > 300 && answered.contains_key(&200) && answered.len() >= 4,
        "{answered:?}"
    );
    assert_eq!(
        program.call("GET", "/messages", &Value::Null).status,
        200,
        "it still answers"
    );
}

/// A small generator of chance, the same at every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    fn text(&mut self, id: &str) -> String {
        let some = [
            id,
            "",
            "last",
            "ann@b.example",
            "@b.example",
            "192.0.2.1",
            "held",
            "24h",
            "2026-11-23",
            "-1",
            "0",
            "18446744073709551616",
            "1e999",
            "\u{0}",
            "発票\u{202e}",
            "'; DROP TABLE records; --",
            "%",
            "_",
            "{}",
            "../../etc/passwd",
            "<script>",
            "suspicious",
            "quarantined",
            "a=b",
            "NaN",
            "null",
            "[[rules]]",
            "dangerous",
        ];
        if self.below(20) == 0 {
            return "x".repeat(5000);
        }
        some[self.below(some.len() as u64) as usize].to_owned()
    }

    fn value(&mut self, schema: &Value, document: &Value, id: &str, depth: u32) -> Value {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap();
            return self.value(
                &document["components"]["schemas"][name],
                document,
                id,
                depth,
            );
        }
        // Now and then something else than is wanted.
        if depth > 4 || self.below(8) == 0 {
            return match self.below(6) {
                0 => Value::Null,
                1 => json!(-1),
                2 => json!([]),
                3 => json!({ "a": {} }),
                4 => json!(1e300),
                _ => json!(self.text(id)),
            };
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds[0].as_str().unwrap_or("string").to_owned(),
            kind => kind.as_str().unwrap_or("object").to_owned(),
        };
        match kind.as_str() {
            "integer" | "number" => json!(self.below(5000) as i64 - 100),
            "boolean" => json!(self.below(2) == 0),
            "array" => (0..self.below(4))
                .map(|_| self.value(&schema["items"], document, id, depth + 1))
                .collect(),
            "string" => json!(self.text(id)),
            _ => {
                let mut object = serde_json::Map::new();
                for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                    if self.below(10) > 0 {
                        object.insert(name.clone(), self.value(schema, document, id, depth + 1));
                    }
                }
                Value::Object(object)
            }
        }
    }
}

fn request(
    path: &str,
    operation: &Value,
    document: &Value,
    id: &str,
    chance: &mut Chance,
) -> (String, String) {
    let mut url = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let text = chance.text(id);
        if parameter["in"] == "path" {
            let encoded = form(&[("", &text)]);
            let encoded = encoded.trim_start_matches('=');
            url = url.replace(
                &format!("{{{name}}}"),
                if encoded.is_empty() { "x" } else { encoded },
            );
        } else if chance.below(3) == 0 {
            query.push((name, text));
        }
    }
    if !query.is_empty() {
        let query: Vec<(&str, &str)> = query
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        url = format!("{url}?{}", form(&query));
    }
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let body = if schema.is_null() {
        String::new()
    } else if chance.below(12) == 0 {
        "{\"reason\": ".to_owned()
    } else {
        chance.value(schema, document, id, 0).to_string()
    };
    (url, body)
}
