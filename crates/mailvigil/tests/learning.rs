//! The service learns what it is told: from files, pages, programs and users, and forgets it again; a real Postfix hands the mail over.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;
#[path = "bed/web.rs"]
mod web;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bed::{Bed, Vigil, Wish, ordinary, send, stranger, text, wait_for};
use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::dovecot::Setup;
use testkit::free_port;
use testkit::imap::Client;
use testkit::smtp::Peer;
use web::Web;

const SITE: &str =
    "[site]\nlocal_domains = [\"b.example\"]\n[learning]\ntraps = [\"trap@b.example\"]\n";

/// An offer nobody asked for; no two are quite the same.
fn offer(number: u32) -> String {
    let kinds = ["watches", "handbags", "pens", "lamps", "carpets"];
    let kind = kinds[number as usize % kinds.len()];
    format!(
        "From: Sales <s{number}@shop{}.example>\r\nTo: bob@b.example\r\nSubject: Splendid {kind} {number} at a third of the price\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <o{number}@shop.example>\r\n\r\nDear customer {number},\r\norder our splendid {kind} now and save two thirds. Only this week, delivery is free.\r\n",
        number % 7
    )
}

fn folder(at: &Path, name: &str, mails: impl Iterator<Item = String>) -> PathBuf {
    let folder = at.join(name);
    fs::create_dir(&folder).unwrap();
    for (number, mail) in mails.enumerate() {
        fs::write(folder.join(format!("{number}.eml")), mail).unwrap();
    }
    folder
}

/// Teaches so many of each kind from files.
fn teach(vigil: &Vigil, from: u32, count: u32) {
    let here = vigil.service.folder();
    let wanted =
        (from..from + count).map(|number| ordinary(&format!("Minutes of meeting {number}")));
    let wanted = folder(here, &format!("wanted{from}"), wanted);
    let unwanted = folder(
        here,
        &format!("unwanted{from}"),
        (from..from + count).map(offer),
    );
    let said = vigil.say(&["learn", "wanted", &wanted.display().to_string()]);
    assert!(
        said.contains(&format!("{count} messages are learnt as wanted")),
        "{said}"
    );
    vigil.say(&["learn", "unwanted", &unwanted.display().to_string()]);
    learnt(vigil, [from + count, from + count]);
}

/// Waits until trusted labels of so many messages are learnt.
fn learnt(vigil: &Vigil, trusted: [u32; 2]) -> Value {
    let status = || {
        let output = vigil.run(&["learn", "status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        (status["state"]["trusted"] == json!(trusted)).then_some(status)
    };
    wait_for(status).unwrap_or_else(|| panic!("{trusted:?}: {}", vigil.say(&["learn", "status"])))
}

/// What the learner adds to the verdict of the newest message.
fn opinion(vigil: &Vigil, subject: &str) -> Option<(String, f64)> {
    let record = vigil.records(&["--subject", subject], 1).remove(0);
    let reasons = record["verdict"]["reasons"].as_array().unwrap().clone();
    let learnt = reasons
        .iter()
        .find(|reason| reason["name"].as_str().unwrap().starts_with("learnt"))?;
    Some((
        learnt["name"].as_str().unwrap().to_owned(),
        learnt["score"].as_f64().unwrap(),
    ))
}

#[test]
fn what_is_taught_counts_from_the_next_message_on_and_survives_a_kill() {
    let mut bed = Bed::start(&Wish {
        more: SITE,
        ..Wish::default()
    });
    let hand_over =
        |bed: &Bed, data: &str, to: &str| send(bed.postfix.port(), &stranger(), &[to], data);
    let nothing = bed.vigil.run(&["learn", "status"]);
    assert_eq!(nothing.status.code(), Some(4));
    assert!(text(&nothing.stderr).contains("Nothing was learnt yet"));
    hand_over(&bed, &offer(9001), "bob@b.example");
    assert_eq!(opinion(&bed.vigil, "9001"), None);

    teach(&bed.vigil, 0, 60);
    let status = bed.vigil.say(&["learn", "status"]);
    assert!(
        status.contains("140 wanted and 140 unwanted are missing"),
        "{status}"
    );
    hand_over(&bed, &offer(9002), "bob@b.example");
    assert_eq!(
        opinion(&bed.vigil, "9002"),
        Some(("learnt-likely-unwanted".into(), 0.0))
    );

    teach(&bed.vigil, 60, 150);
    assert!(bed.vigil.say(&["learn", "status"]).contains("Tagging"));
    hand_over(&bed, &offer(9003), "bob@b.example");
    assert_eq!(
        opinion(&bed.vigil, "9003"),
        Some(("learnt-likely-unwanted".into(), 2.5))
    );
    hand_over(&bed, &ordinary("Minutes of meeting 9004"), "bob@b.example");
    assert_eq!(
        opinion(&bed.vigil, "9004"),
        Some(("learnt-wanted".into(), -1.0))
    );
    let told = bed.vigil.say(&["explain", "last"]);
    assert!(
        told.contains("by 210 labels of wanted and 210 of unwanted mail"),
        "{told}"
    );
    assert!(told.contains("by the body alone"), "{told}");

    // A trap teaches by itself, and a message is taught by its name as it was seen.
    hand_over(&bed, &ordinary("Sent to nobody"), "trap@b.example");
    learnt(&bed.vigil, [210, 211]);
    let said = bed.vigil.say(&["quarantine", "teach", "wanted", "last"]);
    assert!(said.contains("is learnt as wanted"), "{said}");
    learnt(&bed.vigil, [211, 210]);
    let log = bed.vigil.say(&["learn", "log", "--source", "trap"]);
    assert!(
        log.contains("trap@b.example (trap)") && log.contains("taken back by"),
        "{log}"
    );

    let before = bed.vigil.json(&["learn", "status", "--json"]).remove(0);
    bed.vigil.service.kill_hard().unwrap();
    bed.vigil.service.start_again().unwrap();
    hand_over(&bed, &offer(9005), "bob@b.example");
    assert_eq!(
        opinion(&bed.vigil, "9005"),
        Some(("learnt-likely-unwanted".into(), 2.5))
    );
    let after = bed.vigil.json(&["learn", "status", "--json"]).remove(0);
    assert_eq!(after["state"]["place"], before["state"]["place"]);

    // Taken back by source: only what was said of messages that came past is left.
    let said = bed
        .vigil
        .say(&["learn", "take-back", "--source", "files", "-m", "a mistake"]);
    assert!(said.contains("420 lessons are taken back"), "{said}");
    learnt(&bed.vigil, [1, 0]);
    assert!(bed.vigil.say(&["acts"]).contains("unteach"));
    let bare = bed.vigil.run(&["learn", "take-back", "-m", "everything"]);
    assert!(
        text(&bare.stderr).contains("say which lessons"),
        "{}",
        text(&bare.stderr)
    );
}

#[test]
fn people_answer_what_is_asked_and_see_what_was_learnt() {
    let bed = Bed::start(&Wish {
        more: SITE,
        ..Wish::default()
    });
    for number in 0..3 {
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &offer(number),
        );
    }
    bed.vigil.records(&["--subject", "Splendid"], 3);
    let asked = wait_for(|| {
        let output = bed.vigil.run(&["learn", "questions", "--json"]);
        (output.status.success() && text(&output.stdout).lines().count() == 3).then_some(output)
    });
    assert!(
        asked.is_some(),
        "{}",
        text(&bed.vigil.run(&["learn", "questions"]).stdout)
    );

    let browser = Browser::start().unwrap();
    let link = bed.vigil.say(&["console", "link"]);
    browser.go(link.trim()).unwrap();
    browser.fill("input[name=name]", "ann").unwrap();
    browser.fill("input[name=password]", web::PASSWORD).unwrap();
    browser.click("button.main").unwrap();
    browser.wait_for_text("h1", "Overview").unwrap();
    browser.go(&bed.vigil.console("/learning")).unwrap();
    browser
        .wait_for_text("h2", "Nothing was learnt yet")
        .unwrap();
    browser.wait_for_text("table.list", "Splendid").unwrap();
    browser.click("table.list button[value=unwanted]").unwrap();
    browser.wait_for_text("p.notice.good", "Learnt").unwrap();
    learnt(&bed.vigil, [0, 1]);
    browser.go(&bed.vigil.console("/learning")).unwrap();
    browser.wait_for_text("h2", "Observing").unwrap();
    browser
        .go(&bed.vigil.console("/learning/log?who=ann"))
        .unwrap();
    browser.wait_for_text("table.list", "unwanted").unwrap();
    browser.click("details.card summary").unwrap();
    browser
        .fill("details.card input[name=reason]", "I erred")
        .unwrap();
    browser.click("details.card button").unwrap();
    browser
        .wait_for_text("p.notice.good", "1 lessons are taken back")
        .unwrap();
    learnt(&bed.vigil, [0, 0]);

    // Programs the same.
    let program = Web::of(&bed.vigil);
    assert_eq!(program.get("/api/v1/learning").status, 401);
    let admin = {
        let link = bed
            .vigil
            .say(&["console", "add", "bob", "--role", "administrator"]);
        Web::of(&bed.vigil).accept(link.trim(), "bob")
    };
    let program = admin.program("act");
    let questions = program.get("/api/v1/learning/questions").json();
    assert_eq!(questions.as_array().unwrap().len(), 2, "{questions}");
    let record = questions[0]["record"].as_str().unwrap();
    let taught = program.call(
        "POST",
        &format!("/messages/{record}/teach"),
        &json!({ "wanted": false }),
    );
    assert_eq!(taught.json(), json!({ "taught": "learnt" }));
    let state = learnt(&bed.vigil, [0, 1]);
    assert_eq!(
        program.get("/api/v1/learning").json()["trusted"],
        json!([0, 1]),
        "{state}"
    );
    let lessons = program.get("/api/v1/learning/lessons?limit=1").json();
    assert_eq!(lessons["items"][0]["source"], "desk");
    let next = lessons["next"].as_str().unwrap();
    let older = program
        .get(&format!("/api/v1/learning/lessons?cursor={next}"))
        .json();
    assert_eq!(older["items"][0]["taken_back_by"], "ann", "{older}");
    let refused = program.call("POST", "/learning/take-back", &json!({ "reason": "all" }));
    assert_eq!(refused.status, 422, "{}", refused.body);
    let back = program.call(
        "POST",
        "/learning/take-back",
        &json!({ "record": record, "reason": "why" }),
    );
    assert_eq!(back.json(), json!({ "lessons": 1 }), "{}", back.body);
    // What cannot be read is refused: left out, more would be taken back than was meant.
    let answer = [
        ("who", "ann"),
        ("since", "two days"),
        ("reason", "all of it?"),
    ];
    let refused = admin.post("/learning/take-back", &answer);
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body.contains("is no time"), "{}", refused.body);
    assert_eq!(admin.get("/learning/log?message=x").status, 422);
    // An auditor looks and teaches nothing; the owner of a mailbox has no part in it.
    let auditor = admin.person("eve", "auditor", "");
    assert_eq!(auditor.get("/learning/log").status, 200);
    assert!(!auditor.get("/learning").body.contains("/learning/answer"));
    let refused = auditor.post("/learning/take-back", &[("who", "bob"), ("reason", "no")]);
    assert_eq!(refused.status, 403);
    let owner = admin.person("olga", "owner", "bob@b.example");
    assert_eq!(owner.get("/learning").status, 403);
}

#[test]
fn a_campaign_is_listed_with_who_got_it_and_one_word_holds_of_all() {
    let bed = Bed::start(&Wish {
        more: SITE,
        ..Wish::default()
    });
    let letter = |number: u32| {
        ordinary(&format!("Invitation {number}"))
            .replace("the file is on the share", "our finest carpets are shown in the old mill until the end of this month, coffee is free")
    };
    for number in 1..=6 {
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &letter(number),
        );
    }
    let listed = wait_for(|| {
        let output = bed.vigil.run(&["learn", "campaigns", "--json"]);
        let campaign: Value = serde_json::from_str(text(&output.stdout).lines().next()?).ok()?;
        (campaign["campaign"]["messages"] == 6).then_some(campaign)
    });
    let name = listed.unwrap()["campaign"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let got = bed.vigil.say(&["learn", "campaigns", &name]);
    assert_eq!(got.matches("Invitation").count(), 6, "{got}");
    let unknown = bed
        .vigil
        .run(&["learn", "campaigns", &name.replace('0', "1")]);
    assert!(
        text(&unknown.stderr).contains("is not known"),
        "{}",
        text(&unknown.stderr)
    );

    let ann = Web::first(&bed.vigil);
    let page = ann.get("/learning/campaigns").body;
    assert!(
        page.contains(&format!("/learning/campaigns/{name}")),
        "{page}"
    );
    let page = ann.get(&format!("/learning/campaigns/{name}")).body;
    assert!(
        page.contains("6 messages, of which 6 were delivered"),
        "{page}"
    );
    assert_eq!(ann.get("/learning/campaigns/nothing").status, 404);
    let said = ann.post(
        &format!("/learning/campaigns/{name}/say"),
        &[("label", "unwanted")],
    );
    assert_eq!(said.status, 303, "{}", said.body);
    learnt(&bed.vigil, [0, 1]);
    send(
        bed.postfix.port(),
        &stranger(),
        &["eve@b.example"],
        &letter(7),
    );
    let record = bed
        .vigil
        .records(&["--subject", "Invitation 7"], 1)
        .remove(0);
    let reasons = record["verdict"]["reasons"].to_string();
    assert!(
        reasons.contains("campaign-known") && reasons.contains("called unwanted 1 times"),
        "{reasons}"
    );
    let program = ann.program("act");
    let counted = wait_for(|| {
        let listed = program.get("/api/v1/learning/campaigns").json();
        (listed[0]["messages"] == 7).then_some(listed)
    });
    assert_eq!(counted.unwrap()[0]["said"], "unwanted");
    let members = program
        .get(&format!("/api/v1/learning/campaigns/{name}"))
        .json();
    assert_eq!(members.as_array().unwrap().len(), 7);
}

/// A copy of the program where Dovecot's mail account may run it: build folders are often closed to others.
fn in_the_open(folder: &Path) -> PathBuf {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.join("mailvigil");
    fs::copy(env!("CARGO_BIN_EXE_mailvigil"), &program).unwrap();
    // A process that another test began meanwhile holds the file open for a moment.
    let runs = || Command::new(&program).arg("--version").output().ok();
    wait_for(runs).expect("the copy runs");
    program
}

#[test]
fn users_teach_by_moving_mail_into_junk_and_out_of_it() {
    let door = free_port();
    let vigil = Vigil::start(&Wish {
        // Dovecot calls her `dora`; mail comes to dora@b.example, and what she says of it counts there.
        more: &format!("[scan]\nhttp = [\"127.0.0.1:{door}\"]\n[watch]\ndomain = \"b.example\"\n"),
        ..Wish::default()
    });
    let here = vigil.service.folder().to_path_buf();
    let sieve = tempfile::tempdir_in("/tmp").unwrap();
    let program = in_the_open(sieve.path());
    let connect = |more: &[&str]| {
        let output = Command::new(&program)
            .current_dir(&here)
            .args(["--config", "mailvigil.toml", "connect", "dovecot"])
            .args(more)
            .output()
            .unwrap();
        (text(&output.stdout), text(&output.stderr))
    };
    let scripts = sieve.path().join("scripts");
    let scripts = scripts.to_str().unwrap();
    let (settings, why) = connect(&["--learn", scripts, "--dovecot", "2.3"]);
    assert!(
        settings.contains("imapsieve_mailbox1_name = Junk"),
        "{settings}{why}"
    );
    let (newer, _) = connect(&["--learn", scripts, "--dovecot", "2.4"]);
    assert!(newer.contains("imapsieve_from Junk"), "{newer}");
    let dovecot = Setup::default()
        .account("dora", "secret")
        .set(&settings)
        .start()
        .unwrap();

    let mut dora = Client::connect(dovecot.imap_port()).unwrap();
    for command in ["LOGIN dora secret", "CREATE Junk", "CREATE Trash"] {
        assert!(dora.command(command).unwrap().is_ok(), "{command}");
    }
    for number in 1..=2 {
        assert!(dora.append("INBOX", &offer(number)).unwrap().is_ok());
    }
    for command in [
        "SELECT INBOX",
        "COPY 1 Junk",
        "SELECT Junk",
        "COPY 1 INBOX",
        "COPY 1 Trash",
    ] {
        let answer = dora.command(command).unwrap();
        assert!(answer.is_ok(), "{command}: {answer:?} {}", dovecot.log());
    }
    let log = wait_for(|| {
        let log = vigil.run(&["learn", "log", "--who", "dora@b.example", "--json"]);
        let log = text(&log.stdout);
        (log.lines().count() == 2).then_some(log)
    });
    let log = log.unwrap_or_else(|| panic!("{} {}", vigil.say(&["learn", "log"]), dovecot.log()));
    let labels: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // Newest first: thrown into the bin it teaches nothing.
    for (label, want) in labels.iter().zip(["wanted", "unwanted"]) {
        assert_eq!(
            (&label["label"], &label["trust"], &label["source"]),
            (&json!(want), &json!("reported"), &json!("door"))
        );
        assert_eq!(label["sender"], "s1@shop1.example");
    }

    let config = dovecot.config_file();
    let config = config.to_str().unwrap();
    let (proven, why) = connect(&["--learn-canary", "dora", "--config-file", config]);
    assert!(
        proven.contains("moving mail teaches"),
        "{proven}{why} {}",
        dovecot.log()
    );
    let answer = dora.command("STATUS Junk (MESSAGES)").unwrap();
    assert!(format!("{answer:?}").contains("MESSAGES 1"), "{answer:?}");
    let standing = vigil.say(&["learn", "log", "--who", "dora@b.example"]);
    assert_eq!(standing.matches("taken back by").count(), 1, "{standing}");
    // With us away mail is moved as before, and what cannot be proven is said.
    drop(vigil);
    assert!(dora.command("SELECT INBOX").unwrap().is_ok());
    assert!(dora.command("COPY 2 Junk").unwrap().is_ok());
}

/// What people name are classes of the classifier in two phases, and the policy gives it the say.
#[test]
fn classes_of_mail_are_taught_and_the_policy_chooses_who_judges_by_them() {
    let bed = Bed::start(&Wish {
        more: SITE,
        ..Wish::default()
    });
    teach(&bed.vigil, 0, 210);
    let lottery = |number: u32| {
        format!(
            "From: L <l{number}@far.example>\r\nTo: bob@b.example\r\nSubject: ticket {number}\r\n\r\nyour ticket number drew the grand jackpot, state your ballot and pay the transfer fee {number}\r\n"
        )
    };
    let drawn = folder(bed.vigil.service.folder(), "lottery", (0..30).map(lottery));
    let drawn = drawn.display().to_string();
    let wrong = bed
        .vigil
        .run(&["learn", "unwanted", "--class", "The Lottery", &drawn]);
    assert!(
        text(&wrong.stderr).contains("is no class of message"),
        "{}",
        text(&wrong.stderr)
    );
    bed.vigil
        .say(&["learn", "unwanted", "--class", "lottery", &drawn]);
    learnt(&bed.vigil, [210, 240]);
    let status = bed.vigil.say(&["learn", "status"]);
    assert!(status.contains("lottery (unwanted, 30)"), "{status}");
    let log = bed.vigil.say(&["learn", "log", "--limit", "1"]);
    assert!(log.contains("unwanted: lottery"), "{log}");
    let shipped = bed.vigil.say(&["policy", "export", "--shipped"]);
    let with =
        |learning: &str| shipped.replace("[learning]\n", &format!("[learning]\n{learning}\n"));
    bed.vigil
        .apply(&with("classifier = \"two-phase\"\nmatched_tokens = 4"));
    bed.vigil.judges_by(2);
    for number in 0..8 {
        let peer = Peer::at(&format!("192.0.{}.7", 10 + number));
        send(
            bed.postfix.port(),
            &peer,
            &["bob@b.example"],
            &lottery(9100 + number),
        );
    }
    assert_eq!(opinion(&bed.vigil, "9101"), None);
    assert_eq!(
        opinion(&bed.vigil, "9107"),
        Some(("learnt-sudden".into(), 2.5))
    );
    let story = bed.vigil.say(&["explain", "last"]);
    assert!(story.contains("most like the class lottery"), "{story}");
    // Said of one message, by whoever looks after mail.
    bed.vigil.apply(&with("classifier = \"bayes\""));
    bed.vigil.judges_by(3);
    send(
        bed.postfix.port(),
        &stranger(),
        &["bob@b.example"],
        &lottery(9200),
    );
    assert_eq!(
        opinion(&bed.vigil, "9200"),
        Some(("learnt-likely-unwanted".into(), 2.5))
    );
}
