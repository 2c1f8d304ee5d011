//! What users do on pages, by the API and at the command line: seen by all of them, decided by each of them, harmless to whoever looks.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;
#[path = "bed/users.rs"]
mod users;
#[path = "bed/web.rs"]
mod web;

use bed::{Vigil, Wish};
use serde_json::{Value, json};
use web::Web;

fn seeded() -> Vigil {
    let vigil = Vigil::start(&Wish {
        more: "[site]\nlocal_domains = [\"ours.example\"]\n[watch]\ndomain = \"ours.example\"\n",
        ..Wish::default()
    });
    users::seed(&vigil.service.folder().join("data"));
    vigil
}

#[test]
fn everything_of_an_account_is_on_one_line_of_time() {
    let empty = Vigil::start(&Wish::default());
    let page = Web::first(&empty).get("/users").body;
    assert!(page.contains("Nothing stands against anybody"), "{page}");

    let vigil = seeded();
    let admin = Web::first(&vigil);
    let page = admin.get("/users").body;
    for told in [
        "/users/account/ann@ours.example",
        "mail held",
        "only observed",
        "All detectors only observe",
        "auth.hit",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    // What a stranger called himself, and what is told of it, is text.
    assert!(
        !page.contains("<script>alert") && !page.contains("<b>one"),
        "{page}"
    );
    let found = admin.get("/users/find?who=ANN");
    assert_eq!(found.status, 303);
    assert_eq!(found.header("location"), "/users/account/ann@ours.example");
    let line = admin.get("/users/account/ann@ours.example").body;
    for told in [
        "logged in",
        "login failed: wrong password",
        "14 times",
        "412 messages read, 96.0 MiB",
        "mail goes on to drop@elsewhere.example",
        "new password needed",
    ] {
        assert!(line.contains(told), "{told}: {line}");
    }
    let machine = admin.get("/users/ip/203.0.113.66").body;
    assert!(machine.contains("no such account") && !machine.contains("<script>alert"));
    for unknown in ["/users/ip/nothing", "/users/thing/x", "/users/address/%20"] {
        assert_eq!(admin.get(unknown).status, 404, "{unknown}");
    }
    let nobody = admin.get("/users/account/nobody-at-all").body;
    assert!(nobody.contains("Nothing is known of it"), "{nobody}");

    let first = admin
        .get("/api/v1/users/account/ann/timeline?limit=5")
        .json();
    assert_eq!(first["items"].as_array().unwrap().len(), 5);
    let next = first["next"].as_str().unwrap();
    let more = admin
        .get(&format!(
            "/api/v1/users/account/ann/timeline?limit=500&cursor={next}"
        ))
        .json();
    assert_eq!(more["items"].as_array().unwrap().len(), 16, "{more}");
    let shown = vigil.say(&["account", "show", "ann"]);
    assert!(
        shown.contains("What stands:") && shown.contains("(14 times)"),
        "{shown}"
    );
    assert!(
        !vigil
            .say(&["ip", "show", "203.0.113.66"])
            .contains('\u{1b}')
    );
}

#[test]
fn what_one_decides_the_others_see_with_its_reason_and_its_end() {
    let vigil = seeded();
    let admin = Web::first(&vigil);
    let decide = |ip: &str, reason: &str| {
        let fields = [
            ("ip", ip),
            ("account", ""),
            ("step", "block-source"),
            ("span", "day"),
            ("reason", reason),
        ];
        admin.post("/users/decide", &fields)
    };
    let silent = decide("192.0.2.9", " ");
    assert_eq!(silent.status, 422);
    assert!(silent.body.contains("Say why"), "{}", silent.body);
    assert_eq!(decide("<b>", "x").status, 422);
    let decided = decide("192.0.2.9", "it scans us");
    assert_eq!(decided.status, 303, "{}", decided.body);
    let listed = vigil.say(&["decisions", "list"]);
    assert!(
        listed.contains("192.0.2.9") && listed.contains("it scans us"),
        "{listed}"
    );

    let program = admin.program("act");
    let stand = program
        .call("GET", "/users/decisions?ip=192.0.2.9", &Value::Null)
        .json();
    let one = &stand["items"][0];
    assert_eq!(
        (&one["step"], &one["by"], &one["stands"]),
        (&json!("block-source"), &json!("ann"), &json!(true)),
        "{stand}"
    );
    let page = admin.get("/users").body;
    let id = one["id"].as_str().unwrap();
    assert!(page.contains(id));
    let ended = admin.post("/users/undo", &[("id", id), ("reason", "a mistake")]);
    assert_eq!(ended.status, 303, "{}", ended.body);
    let twice = admin.post("/users/undo", &[("id", id), ("reason", "again")]);
    assert_eq!(twice.status, 409, "{}", twice.body);
    assert!(!vigil.say(&["decisions", "list"]).contains("192.0.2.9"));

    let freeze =
        json!({ "account": "bob", "step": "freeze", "secs": 600, "reason": "we ask him first" });
    let heard = program.call("POST", "/users/decide", &freeze).json();
    assert_eq!(heard["heard"], true, "{heard}");
    assert!(admin.get("/users").body.contains("bob@ours.example"));
    let wrong = json!({ "account": "bob", "step": "shoot", "reason": "x" });
    assert_eq!(program.call("POST", "/users/decide", &wrong).status, 400);
    let allow = json!({ "whom": "bob", "reason": "it was he" });
    assert_eq!(
        program.call("POST", "/users/allow", &allow).json()["heard"],
        true
    );
    assert!(!vigil.say(&["decisions", "list"]).contains("bob@"));
    assert!(admin.get("/users").body.contains("it was he"));
    let back = [("whom", "bob@ours.example"), ("reason", "as everybody")];
    assert_eq!(admin.post("/users/disallow", &back).status, 303);
    let text = json!({ "text": "mode = \"loud\"\n", "reason": "x" });
    let refused = program.call("PUT", "/users/settings", &text);
    assert!(
        refused.status == 422 && refused.body.contains("loud"),
        "{}",
        refused.body
    );
    let text =
        json!({ "text": "mode = \"enforce\"\nobserve_days = 0\n", "reason": "after a week" });
    assert_eq!(
        program.call("PUT", "/users/settings", &text).json()["heard"],
        true
    );
    assert!(
        !admin
            .get("/users")
            .body
            .contains("All detectors only observe")
    );

    // Who may not, may not; who looks after a part does not see what all users do.
    let auditor = admin.person("olga", "auditor", "");
    assert_eq!(auditor.get("/users").status, 200);
    let fields = [
        ("ip", "192.0.2.8"),
        ("step", "block-source"),
        ("reason", "x"),
    ];
    assert_eq!(auditor.post("/users/decide", &fields).status, 403);
    let part = admin.person("paul", "administrator", "@b.example");
    assert_eq!(part.get("/users").status, 403);
    assert_eq!(part.get("/users/account/ann@ours.example").status, 404);
    assert_eq!(
        admin
            .program("read")
            .call("POST", "/users/undo", &allow)
            .status,
        422
    );
    let acts = vigil.say(&["acts"]);
    for act in [
        "watch-decide",
        "watch-undo",
        "watch-allow",
        "watch-settings",
    ] {
        assert!(acts.contains(act), "{act}: {acts}");
    }
}
