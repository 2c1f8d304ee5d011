//! The service beside a real Postfix, as an operator meets it.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use bed::{
    Bed, PATIENCE, Wish, full_tale, http_get, ordinary, send, stranger, tale, text, wait_for,
};
use rustix::process::Signal;
use testkit::postfix::Postfix;
use testkit::sink::Sink;
use testkit::smtp::{Client, Mail, Peer};

const ADDED: [&str; 1] = ["Received"];

fn subject(record: &serde_json::Value) -> &str {
    record["subject"].as_str().unwrap()
}

#[test]
fn ordinary_mail_arrives_unchanged_and_its_record_says_why() {
    let bed = Bed::start(&Wish::default());
    let message = ordinary("The file");
    let told = send(
        bed.postfix.port(),
        &stranger(),
        &["bob@b.example"],
        &message,
    );
    assert!(told.accepted(), "{told}");
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(text(&arrived[0].without_headers(&ADDED)), message);

    let records = bed.vigil.records(&["--subject", "the file"], 1);
    let record = &records[0];
    assert_eq!(record["fate"], "delivered");
    assert_eq!(record["envelope"]["server"], "mx.example.org");
    assert_eq!(record["envelope"]["peer"]["ip"], "192.0.2.10");
    assert_eq!(record["envelope"]["peer"]["ptr_name"], "mail.a.example");
    assert_eq!(record["envelope"]["helo_name"], "mail.a.example");
    let queue_id = record["envelope"]["queue_id"].as_str().unwrap();
    let story = bed.vigil.say(&["explain", queue_id]);
    assert!(
        story.contains("nothing-found") && story.contains("ordinary"),
        "{story}"
    );
    let never = bed.vigil.run(&["messages", "--to", "nobody@b.example"]);
    assert_eq!(never.status.code(), Some(4));
    assert!(
        text(&never.stderr).contains("No such message"),
        "{}",
        text(&never.stderr)
    );
    for path in ["/healthz", "/readyz"] {
        let answer = http_get(bed.vigil.http_port, path);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    assert!(
        bed.vigil
            .metric("mailvigil_messages_total{direction=\"inbound\",level=\"ordinary\"")
            >= 1.0,
        "{}",
        bed.vigil.metrics()
    );
}

#[test]
fn held_mail_is_released_once_unchanged() {
    let bed = Bed::start(&Wish::default());
    let message = tale("A proposal");
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example", "eve@b.example"],
            &message
        )
        .accepted()
    );
    let held =
        wait_for(|| Some(bed.vigil.held()).filter(|held| !held.is_empty())).expect("it is held");
    assert_eq!((held.len(), subject(&held[0])), (1, "A proposal"));
    let id = held[0]["id"].as_str().unwrap().to_owned();
    let story = bed.vigil.say(&["explain", &id]);
    assert!(
        story.contains("advance-fee-tale") && story.contains("next of kin"),
        "{story}"
    );
    let shown = bed.vigil.say(&["quarantine", "show", &id]);
    assert!(shown.contains("solicitor"), "{shown}");
    assert_eq!(
        text(&bed.vigil.run(&["quarantine", "show", &id, "--raw"]).stdout),
        message
    );

    let said = bed.vigil.say(&[
        "quarantine",
        "release",
        &id,
        "--reason",
        "it was Bob's lawyer",
    ]);
    assert!(said.contains("released to"), "{said}");
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(text(&arrived[0].without_headers(&ADDED)), message);
    let mut to = arrived[0].recipients.clone();
    to.sort();
    assert_eq!(to, ["bob@b.example", "eve@b.example"]);

    let again = bed.vigil.run(&["quarantine", "release", &id]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        text(&again.stderr).contains("was released already and cannot be released again"),
        "{}",
        text(&again.stderr)
    );
    let acts = bed.vigil.say(&["acts"]);
    assert!(acts.contains("it was Bob's lawyer"), "{acts}");
    bed.vigil.records(&["--subject", "A proposal"], 2);
    bed.postfix.wait_until_empty(PATIENCE).unwrap();
    assert_eq!(bed.sink.count(), 1);
}

#[test]
fn a_forged_release_mark_does_not_pass() {
    let bed = Bed::start(&Wish::default());
    let forged = format!(
        "Mailvigil-Release: 01m847cdemyndyfkb6jg1qbmb9.{}\r\n{}",
        "ab".repeat(32),
        ordinary("Forged")
    );
    assert!(send(bed.postfix.port(), &stranger(), &["bob@b.example"], &forged).accepted());
    let held =
        wait_for(|| Some(bed.vigil.held()).filter(|held| !held.is_empty())).expect("it is held");
    let story = bed.vigil.say(&["explain", held[0]["id"].as_str().unwrap()]);
    assert!(story.contains("forged-release-mark"), "{story}");
    // What would pass without the mark scores with it.
    let scores = |subject| {
        let record = &bed.vigil.records(&["--subject", subject], 1)[0];
        record["verdict"]["score"].as_f64().unwrap()
    };
    send(
        bed.postfix.port(),
        &stranger(),
        &["bob@b.example"],
        &ordinary("Honest"),
    );
    let honest = bed.sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(honest[0].header("Subject").as_deref(), Some("Honest"));
    assert!(scores("Forged") > scores("Honest"));
    bed.sink.take();
    // Released by hand it arrives, and the forged field comes off with ours.
    bed.vigil
        .say(&["quarantine", "release", held[0]["id"].as_str().unwrap()]);
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(
        arrived[0].headers("Mailvigil-Release"),
        Vec::<String>::new()
    );
    assert_eq!(bed.sink.count(), 1);
}

#[test]
fn deleted_mail_leaves_a_summary_without_its_text() {
    let bed = Bed::start(&Wish::default());
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &full_tale("All of it")
        )
        .accepted()
    );
    let records = bed.vigil.records(&["--fate", "discarded"], 1);
    assert_eq!(subject(&records[0]), "All of it");
    assert!(!records[0]["digest"].as_str().unwrap().is_empty());
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &ordinary("After it")
        )
        .accepted()
    );
    bed.sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(bed.sink.count(), 1);
    let folder = bed.vigil.service.folder().join("data");
    for file in walk(&folder) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes
            .windows(17)
            .any(|window| window == b"wordonlyinthebody");
        assert!(!found, "{} holds text of a deleted message", file.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn a_changed_boundary_holds_for_the_next_message_and_can_be_taken_back() {
    let bed = Bed::start(&Wish::default());
    let port = bed.postfix.port();
    let weak = ordinary("weak").replace("Hello Bob", "Click here, your mailbox is full");
    assert!(send(port, &stranger(), &["bob@b.example"], &weak).accepted());
    bed.sink.wait_for(1, PATIENCE).unwrap();

    let policy = bed.vigil.say(&["policy", "export"]);
    let said = bed
        .vigil
        .apply(&policy.replace("suspicious = 5.0", "suspicious = 2.0"));
    assert!(
        said.contains("Version 2 is in force") && said.contains("Taken over by test"),
        "{said}"
    );
    assert!(
        send(
            port,
            &stranger(),
            &["bob@b.example"],
            &weak.replace("weak", "strict")
        )
        .accepted()
    );
    let held =
        wait_for(|| Some(bed.vigil.held()).filter(|held| !held.is_empty())).expect("it is held");
    assert_eq!(subject(&held[0]), "strict");
    let record = &bed.vigil.records(&["--subject", "strict"], 1)[0];
    assert_eq!(record["verdict"]["policy_version"], 2);

    let diff = bed.vigil.say(&["policy", "diff", "1", "2"]);
    assert!(
        diff.contains("-suspicious = 5.0") && diff.contains("+suspicious = 2.0"),
        "{diff}"
    );
    let file = bed.vigil.service.folder().join("draft.toml");
    std::fs::write(
        &file,
        policy.replace("dangerous = 20.0", "dangerous = 15.0"),
    )
    .unwrap();
    let diff = bed.vigil.say(&["policy", "diff", file.to_str().unwrap()]);
    assert!(
        diff.contains("-dangerous = 15.0") && diff.contains("+suspicious = 2.0"),
        "{diff}"
    );
    bed.vigil
        .say(&["policy", "rollback", "1", "-m", "too strict"]);
    assert!(
        send(
            port,
            &stranger(),
            &["bob@b.example"],
            &weak.replace("weak", "again")
        )
        .accepted()
    );
    bed.sink.wait_for(2, PATIENCE).unwrap();
    let history = bed.vigil.say(&["policy", "history"]);
    assert!(history.contains("too strict"), "{history}");
    // All examples of the policy come out, however many there are.
    let tested = bed.vigil.say(&["policy", "test"]);
    let words: Vec<&str> = tested.split_whitespace().collect();
    let all_come_out = |told: &[&str]| {
        told[1..3] == ["of", "its"] && told[4] == "examples" && told[0] == told[3] && told[0] != "0"
    };
    assert!(words.windows(5).any(all_come_out), "{tested}");
}

#[test]
fn a_bad_policy_is_refused_with_every_problem_and_the_good_one_stays() {
    let bed = Bed::start(&Wish::default());
    let file = bed.vigil.service.folder().join("bad.toml");
    std::fs::write(&file, "[boundaries]\nsuspicious = 9.0\ndangerous = 3.0\n[[rules]]\nname = \"x\"\nscore = 1.0\nwhen = { field = \"subject\", regex = \"(\" }\nscroe = 2\n").unwrap();
    let refused = bed.vigil.run(&["policy", "apply", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(3));
    let said = text(&refused.stderr);
    for part in [
        "line 3",
        "is not above suspicious",
        "line 7",
        "regex",
        "line 8",
        "did you mean score?",
    ] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    assert!(
        bed.vigil
            .say(&["policy", "show"])
            .contains("policy version 1")
    );
    // A policy that would let its own example of fraud pass is refused as well.
    let policy = bed.vigil.say(&["policy", "export"]).replace(
        "name = \"advance-fee-tale\"\n",
        "name = \"advance-fee-tale\"\nenabled = false\n",
    );
    std::fs::write(&file, policy).unwrap();
    let refused = bed.vigil.run(&["policy", "apply", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(
        text(&refused.stderr).contains("advance-fee-tale did not fire"),
        "{}",
        text(&refused.stderr)
    );
    // The one in force goes on judging.
    let message = tale("Still judged");
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &message
        )
        .accepted()
    );
    let record = &bed.vigil.records(&["--subject", "Still judged"], 1)[0];
    assert_eq!(record["fate"], "quarantined");
    assert_eq!(record["verdict"]["policy_version"], 1);
}

#[test]
fn three_servers_at_once_each_get_their_own_answers() {
    let bed = Bed::start(&Wish::default());
    let over_unix = Postfix::named("mx2.example.org")
        .delivers_to(bed.sink.port())
        .milters(&bed.vigil.unix_milter())
        .start()
        .unwrap();
    let third = Postfix::named("mx3.example.org")
        .delivers_to(bed.sink.port())
        .milters(&bed.vigil.milter())
        .start()
        .unwrap();
    let ports = [bed.postfix.port(), over_unix.port(), third.port()];
    std::thread::scope(|scope| {
        for (server, port) in ports.into_iter().enumerate() {
            scope.spawn(move || {
                for number in 0..15 {
                    let name = format!("s{server} n{number}");
                    let message = if number % 3 == 0 {
                        tale(&name)
                    } else {
                        ordinary(&name)
                    };
                    let peer = Peer::at(&format!("192.0.2.{}", 20 + server))
                        .name("mail.a.example")
                        .helo("mail.a.example");
                    let told = send(port, &peer, &["bob@b.example"], &message);
                    assert!(told.accepted(), "{told}");
                }
            });
        }
    });
    bed.sink.wait_for(30, PATIENCE).unwrap();
    let records = bed.vigil.records(&[], 45);
    for (server, name) in ["mx.example.org", "mx2.example.org", "mx3.example.org"]
        .iter()
        .enumerate()
    {
        let of_it: Vec<_> = records
            .iter()
            .filter(|record| record["envelope"]["server"] == *name)
            .collect();
        assert_eq!(of_it.len(), 15, "{name}");
        assert!(
            of_it
                .iter()
                .all(|record| subject(record).starts_with(&format!("s{server} "))),
            "{name}"
        );
        assert_eq!(
            of_it
                .iter()
                .filter(|record| record["fate"] == "quarantined")
                .count(),
            5
        );
    }
    assert_eq!(bed.sink.count(), 30);
}

#[test]
fn thirty_megabytes_pass() {
    let bed = Bed::start(&Wish::default());
    let line = "VGhpcnR5IG1lZ2FieXRlcyBvZiBzb21ldGhpbmcgaGFybWxlc3MsIGxpbmUgYnkgbGluZS4uLi4u\r\n";
    let content = line.repeat((30 << 20) / line.len());
    let message = ordinary("Large").replace("\r\n\r\n", &format!("\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=\"data.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{content}"));
    let told = send(
        bed.postfix.port(),
        &stranger(),
        &["bob@b.example"],
        &message,
    );
    assert!(told.accepted(), "{told}");
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    assert!(
        arrived[0].without_headers(&ADDED) == message.as_bytes(),
        "it changed on the way"
    );
    let record = &bed.vigil.records(&["--subject", "Large"], 1)[0];
    assert!(record["size_bytes"].as_u64().unwrap() > 30 << 20);
}

const BY_RECIPIENT: &str = r#"
[boundaries]
suspicious = 5.0
dangerous = 50.0
[[actions.for]]
recipients = ["hold*@b.example"]
suspicious = "quarantine"
[[actions.for]]
recipients = ["drop*@b.example"]
suspicious = "discard"
[[actions.for]]
recipients = ["else*@b.example"]
suspicious = "redirect:abuse@b.example"
[[actions.for]]
recipients = ["tag*@b.example"]
suspicious = "tag"
[[actions.for]]
recipients = ["no@b.example"]
suspicious = "reject"
[actions]
suspicious = "accept"
[[rules]]
name = "word"
reason = "A word"
score = 6.0
when = { contains = "rhubarb" }
[[rules]]
name = "one-more"
reason = "More for one"
score = 60.0
for_each_recipient = true
when = { all = [{ field = "recipient", is = "worst@b.example" }, { contains = "rhubarb" }] }
"#;

#[test]
fn ten_recipients_get_ten_outcomes() {
    let bed = Bed::start(&Wish::default());
    bed.vigil.apply(BY_RECIPIENT);
    let to = [
        "a@b.example",
        "c@b.example",
        "hold1@b.example",
        "hold2@b.example",
        "drop1@b.example",
        "drop2@b.example",
        "else1@b.example",
        "else2@b.example",
        "no@b.example",
        "worst@b.example",
    ];
    let message = ordinary("Ten").replace("the file", "the rhubarb");
    let told = send(bed.postfix.port(), &stranger(), &to, &message);
    assert!(told.accepted(), "{told}");
    let mut arrived = Vec::new();
    wait_for(|| {
        arrived = bed
            .sink
            .messages()
            .iter()
            .flat_map(|message| message.recipients.clone())
            .collect();
        (arrived.len() >= 3).then_some(())
    });
    arrived.sort();
    assert_eq!(arrived, ["a@b.example", "abuse@b.example", "c@b.example"]);
    let held = bed.vigil.held();
    let mut kept: Vec<&str> = held[0]["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|to| to.as_str().unwrap())
        .collect();
    kept.sort_unstable();
    // After the text one recipient alone can't be refused any more, so it is held: nothing is lost.
    assert_eq!(kept, ["hold1@b.example", "hold2@b.example", "no@b.example"]);
    let record = &bed.vigil.records(&["--subject", "Ten"], 1)[0];
    let outcomes = record["verdict"]["outcomes"].as_array().unwrap();
    let of = |to: &str| {
        outcomes
            .iter()
            .find(|outcome| outcome["recipient"] == to)
            .unwrap()
    };
    assert_eq!(of("worst@b.example")["level"], "dangerous");
    assert_eq!(of("drop1@b.example")["action"], "discard");
    assert_eq!(of("a@b.example")["action"], "accept");
    assert!(
        record["note"]
            .as_str()
            .unwrap()
            .contains("held instead of refused"),
        "{record}"
    );
}

#[test]
fn tagged_refused_and_deferred_mail_says_so() {
    let bed = Bed::start(&Wish::default());
    let policy = |action: &str| {
        format!(
            "[actions]\nsuspicious = \"{action}\"\n[tag]\nheader = \"X-Checked\"\n[replies]\nreject = \"554 5.7.7 No rhubarb here\"\n[[rules]]\nname = \"word\"\nscore = 6.0\nwhen = {{ contains = \"rhubarb\" }}\n"
        )
    };
    let message = |name: &str| ordinary(name).replace("the file", "the rhubarb");
    bed.vigil.apply(&policy("tag"));
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &message("tag")
        )
        .accepted()
    );
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    let tag = arrived[0].header("X-Checked").unwrap();
    assert!(
        tag.contains("suspicious") && tag.contains("word=6.0"),
        "{tag}"
    );
    assert_eq!(
        text(&arrived[0].without_headers(&["Received", "X-Checked"])),
        message("tag")
    );

    bed.vigil.apply(&policy("reject"));
    let told = send(
        bed.postfix.port(),
        &stranger(),
        &["bob@b.example"],
        &message("reject"),
    );
    assert!(
        told.last().code == 554 && told.last().text().starts_with("5.7.7 No rhubarb here"),
        "{told}"
    );
    bed.vigil.records(&["--fate", "rejected"], 1);

    bed.vigil.apply(&policy("defer"));
    let told = send(
        bed.postfix.port(),
        &stranger(),
        &["bob@b.example"],
        &message("defer"),
    );
    assert_eq!(told.last().code, 451, "{told}");
    bed.vigil.records(&["--fate", "deferred"], 1);

    // Without words of the site's own: those that ship.
    let own = "reject = \"554 5.7.7 No rhubarb here\"\n";
    bed.vigil.apply(&policy("reject").replace(own, ""));
    let told = send(
        bed.postfix.port(),
        &stranger(),
        &["bob@b.example"],
        &message("plain"),
    );
    assert!(
        told.last().code == 550 && told.last().text().starts_with("5.7.1 Message refused"),
        "{told}"
    );
    bed.postfix.wait_until_empty(PATIENCE).unwrap();
    assert_eq!(bed.sink.count(), 1);
}

/// A client that nobody here has written.
#[test]
fn swaks_sends_an_attachment_and_fraud() {
    let bed = Bed::start(&Wish::default());
    let folder = tempfile::tempdir().unwrap();
    let attachment = folder.path().join("notes.txt");
    std::fs::write(
        &attachment,
        "the minutes of the meeting, with the word rhubarb\n",
    )
    .unwrap();
    let swaks = |more: &[&str]| {
        let output = std::process::Command::new("swaks")
            .args([
                "--server",
                "127.0.0.1",
                "--port",
                &bed.postfix.port().to_string(),
            ])
            .args([
                "--xclient-addr",
                "192.0.2.10",
                "--xclient-name",
                "mail.a.example",
            ])
            .args([
                "--helo",
                "mail.a.example",
                "--from",
                "ann@a.example",
                "--to",
                "bob@b.example",
            ])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stdout));
    };
    swaks(&[
        "--header",
        "Subject: Minutes",
        "--body",
        "Here they are.",
        "--attach",
        &format!("@{}", attachment.display()),
    ]);
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(arrived[0].header("Subject").unwrap(), "Minutes");
    let record = &bed.vigil.records(&["--subject", "minutes"], 1)[0];
    assert_eq!(record["envelope"]["helo_name"], "mail.a.example");
    let parts = record["facts"]["message"]["parts"].as_array().unwrap();
    assert!(
        parts.iter().any(|part| part["file_name"] == "notes.txt"),
        "{parts:?}"
    );

    swaks(&[
        "--header",
        "Subject: Proposal",
        "--body",
        tale("Proposal").split_once("\r\n\r\n").unwrap().1,
    ]);
    let record = &bed.vigil.records(&["--subject", "proposal"], 1)[0];
    assert_eq!(record["fate"], "quarantined");
    bed.postfix.wait_until_empty(PATIENCE).unwrap();
    assert_eq!(bed.sink.count(), 1);
}

#[test]
fn a_trace_header_from_outside_does_not_arrive() {
    let bed = Bed::start(&Wish::default());
    bed.vigil.apply("[tag]\nordinary = true\n");
    let message = ordinary("Flattery");
    let forged = format!("X-Mailvigil: ordinary, as I say myself\r\n{message}").replacen(
        "\r\n\r\n",
        "\r\nx-mailvigil:\r\n ordinary\r\n\r\n",
        1,
    );
    assert!(send(bed.postfix.port(), &stranger(), &["bob@b.example"], &forged).accepted());
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    let all = text(&arrived[0].without_headers(&["Received"])).to_lowercase();
    assert_eq!(all.matches("x-mailvigil:").count(), 1, "{all}");
    assert!(arrived[0].header("X-Mailvigil").unwrap().contains("score="));
    assert_eq!(
        text(&arrived[0].without_headers(&["Received", "X-Mailvigil"])),
        message
    );
}

#[test]
fn strangers_cannot_relay_and_ours_can() {
    let bed = Bed::start(&Wish {
        more: "[site]\nlocal_domains = [\"b.example\"]\ntrusted_networks = [\"198.51.100.0/24\"]\n",
        ..Wish::default()
    });
    let told = send(
        bed.postfix.port(),
        &stranger(),
        &["bob@b.example", "x@elsewhere.example"],
        &ordinary("Relay"),
    );
    assert!(told.recipients[0].is_positive(), "{told}");
    assert!(
        told.recipients[1].is_permanent() && told.recipients[1].text().contains("5.7.1"),
        "{told}"
    );
    let ours = Peer::at("198.51.100.7")
        .name("pc7.b.example")
        .helo("pc7.b.example");
    assert!(
        send(
            bed.postfix.port(),
            &ours,
            &["x@elsewhere.example"],
            &ordinary("Ours")
        )
        .accepted()
    );
    let record = &bed.vigil.records(&["--subject", "Ours"], 1)[0];
    assert_eq!(record["envelope"]["direction"], "outbound");
    let record = &bed.vigil.records(&["--subject", "Relay"], 1)[0];
    assert_eq!(record["envelope"]["direction"], "inbound");
    assert_eq!(
        record["envelope"]["recipients"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn mail_of_a_logged_in_account_is_outbound_under_its_name() {
    let wish = Wish {
        more: "[site]\nlocal_domains = [\"b.example\"]\n",
        ..Wish::default()
    };
    // Postfix tells milters of a login only while SASL is on; who logs in, the test says itself.
    let bed = Bed::with(&wish, |setup| {
        setup
            .set("smtpd_sasl_auth_enable", "yes")
            .set("smtpd_sasl_type", "cyrus")
    });
    let cases = [
        (Some("ann@b.example"), "x@elsewhere.example", "outbound"),
        (Some("ann@b.example"), "bob@b.example", "internal"),
        (None, "bob@b.example", "inbound"),
    ];
    for (number, (account, to, direction)) in cases.into_iter().enumerate() {
        let mut client = Client::connect(bed.postfix.port()).unwrap();
        client.ehlo("localhost").unwrap();
        let login = account.unwrap_or("[UNAVAILABLE]");
        let said = client
            .command(&format!(
                "XCLIENT ADDR=192.0.2.30 NAME=pc.b.example LOGIN={login}"
            ))
            .unwrap();
        assert!(said.is_positive(), "{said}");
        client.ehlo("pc.b.example").unwrap();
        let subject = format!("Login {number}");
        let told = client
            .send(&Mail::new("ann@b.example", [to], ordinary(&subject)))
            .unwrap();
        assert!(told.accepted(), "{told}");
        let record = &bed.vigil.records(&["--subject", &subject], 1)[0];
        assert_eq!(record["envelope"]["direction"], direction, "{record}");
        assert_eq!(record["envelope"]["account"].as_str(), account, "{record}");
    }
    let of_ann = bed.vigil.records(&["--account", "ann@b.example"], 2);
    assert_eq!(of_ann.len(), 2);
    bed.sink.wait_for(3, PATIENCE).unwrap();
    // By the shipped policy mail of our own people is never deleted without a word.
    let mut client = Client::connect(bed.postfix.port()).unwrap();
    client.ehlo("localhost").unwrap();
    client
        .command("XCLIENT ADDR=192.0.2.30 NAME=pc.b.example LOGIN=ann@b.example")
        .unwrap();
    client.ehlo("pc.b.example").unwrap();
    let told = client
        .send(&Mail::new(
            "ann@b.example",
            ["x@elsewhere.example"],
            full_tale("Stolen account"),
        ))
        .unwrap();
    assert!(told.accepted(), "{told}");
    let record = &bed.vigil.records(&["--subject", "Stolen account"], 1)[0];
    assert_eq!(record["verdict"]["level"], "dangerous");
    assert_eq!(record["fate"], "quarantined");
}

const SMALL_BOMBS: &str = r#"
[[rules]]
name = "from-one"
reason = "Too many from one machine"
score = 6.0
when = { window = "peer", count = "messages", within = "10m", over = 5 }
[[rules]]
name = "from-one-goes-on"
at = "recipient"
action = "defer"
when = { window = "peer", count = "messages", within = "10m", over = 8 }
[[rules]]
name = "on-one"
reason = "One mailbox is flooded"
score = 6.0
for_each_recipient = true
when = { all = [
    { window = "recipient", count = "messages", within = "10m", over = 10 },
    { window = "recipient", count = "distinct-peers", within = "10m", over = 8 },
] }
"#;

#[test]
fn mail_bombs_from_one_machine_and_from_many_are_stopped() {
    let bed = Bed::start(&Wish::default());
    bed.vigil.apply(SMALL_BOMBS);
    let mut outcomes = Vec::new();
    for number in 0..12 {
        let told = send(
            bed.postfix.port(),
            &Peer::at("192.0.2.66").helo("bomb.example"),
            &[&format!("r{number}@b.example")],
            &ordinary(&format!("one {number}")),
        );
        outcomes.push(told.accepted());
    }
    assert_eq!(
        outcomes,
        [
            true, true, true, true, true, true, true, true, true, false, false, false
        ]
    );
    assert_eq!(bed.vigil.records(&["--reason", "from-one"], 4).len(), 4);
    for number in 0..15 {
        let told = send(
            bed.postfix.port(),
            &Peer::at(&format!("198.51.100.{number}")).helo("many.example"),
            &["victim@b.example"],
            &ordinary(&format!("many {number}")),
        );
        assert!(told.accepted(), "{told}");
    }
    assert_eq!(bed.vigil.records(&["--reason", "on-one"], 5).len(), 5);
    // Others' mail to others is not touched.
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &ordinary("calm")
        )
        .accepted()
    );
    let record = &bed.vigil.records(&["--subject", "calm"], 1)[0];
    assert_eq!(record["fate"], "delivered");
}

#[test]
fn connect_postfix_sets_it_up_and_proves_it() {
    let sink = Sink::start().unwrap();
    let postfix = Postfix::named("mx.example.org")
        .delivers_to(sink.port())
        .start()
        .unwrap();
    let vigil = bed::Vigil::start(&Wish::default());
    let dir = postfix.config_dir();
    let dir = dir.to_str().unwrap();
    let smtp = format!("127.0.0.1:{}", postfix.port());
    let settings = || std::fs::read_to_string(postfix.config_dir().join("main.cf")).unwrap();
    let untouched = settings();
    let printed = vigil.say(&["connect", "postfix", "--config-dir", dir]);
    assert_eq!(settings(), untouched, "it was only asked to print");
    assert!(
        printed.contains("smtpd_milters = { inet:127.0.0.1:"),
        "{printed}"
    );
    assert!(
        send(
            postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &tale("Before")
        )
        .accepted()
    );
    sink.wait_for(1, PATIENCE).unwrap();

    let said = vigil.say(&[
        "connect",
        "postfix",
        "--apply",
        "--config-dir",
        dir,
        "--smtp",
        &smtp,
    ]);
    assert!(said.contains("It came back scanned"), "{said}");
    assert!(
        send(
            postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &tale("After")
        )
        .accepted()
    );
    assert!(wait_for(|| (!vigil.held().is_empty()).then_some(())).is_some());
    let twice = vigil.say(&[
        "connect",
        "postfix",
        "--apply",
        "--config-dir",
        dir,
        "--smtp",
        &smtp,
    ]);
    assert_eq!(
        twice.matches("inet:127.0.0.1:").count(),
        2,
        "one entry in each list: {twice}"
    );

    vigil.say(&["connect", "postfix", "--remove", "--config-dir", dir]);
    let passed = wait_for(|| {
        assert!(
            send(
                postfix.port(),
                &stranger(),
                &["bob@b.example"],
                &tale("Removed")
            )
            .accepted()
        );
        (sink.count() >= 2).then_some(())
    });
    assert!(passed.is_some(), "Postfix still asks");
    assert!(!settings().contains("inet:"), "{}", settings());
}

#[test]
fn chinese_spam_is_read_and_held() {
    let bed = Bed::start(&Wish::default());
    let gb = |text: &str| encoding_rs::GB18030.encode(text).0.into_owned();
    let mut message =
        b"From: =?gb2312?B?s8I=?= <chen@fapiao.example>\r\nTo: bob@b.example\r\nSubject: ".to_vec();
    message.extend(gb("代开发票"));
    message.extend(b"\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <zh@fapiao.example>\r\nContent-Type: text/plain; charset=gb2312\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    message.extend(gb(
        "我公司有多余发票可优惠代开,增值税普通发票,税点低,验证后付款。\r\n",
    ));
    let mut client = Client::connect_as(bed.postfix.port(), &stranger()).unwrap();
    let told = client
        .send(&Mail::new(
            "chen@fapiao.example",
            ["bob@b.example"],
            message.clone(),
        ))
        .unwrap();
    assert!(told.accepted(), "{told}");
    let held =
        wait_for(|| Some(bed.vigil.held()).filter(|held| !held.is_empty())).expect("it is held");
    assert_eq!(subject(&held[0]), "代开发票");
    let raw = bed
        .vigil
        .run(&[
            "quarantine",
            "show",
            held[0]["id"].as_str().unwrap(),
            "--raw",
        ])
        .stdout;
    assert!(raw == message, "held mail is not byte for byte the same");
    assert!(
        bed.vigil
            .say(&["messages", "--subject", "发票"])
            .contains("代开发票")
    );
}

#[test]
fn a_bad_configuration_is_told_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "[service]\non_failure = \"maybe\"\n[milter]\nlisten = \"nowhere\"\n[site]\nlocal_domains = [\"a..b\"]\n[limits]\nparts_max = 0\ncolour = 3\n").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mailvigil"))
        .args(["--config", file.to_str().unwrap(), "check-config"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output.stderr);
    assert!(said.contains("5 problems"), "{said}");
    for part in [
        "line 2",
        "tempfail",
        "line 4",
        "unix:PATH",
        "line 6",
        "line 8",
        "1 to 100000",
        "line 9",
        "is not a key",
    ] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}

#[test]
fn a_stopping_service_answers_what_it_has_in_hand() {
    let mut bed = Bed::start(&Wish::default());
    let port = bed.postfix.port();
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let mut accepted = 0;
            for number in 0..40 {
                let told = send(
                    port,
                    &stranger(),
                    &["bob@b.example"],
                    &ordinary(&format!("drain {number}")),
                );
                accepted += usize::from(told.accepted());
            }
            accepted
        });
        bed.sink.wait_for(5, PATIENCE).unwrap();
        let status = bed.vigil.service.terminate(PATIENCE).unwrap();
        assert!(status.success(), "{status}: {}", bed.vigil.service.log());
        bed.vigil.service.start_again().unwrap();
        let accepted = sender.join().unwrap();
        bed.sink.wait_for(accepted, PATIENCE).unwrap();
        assert!(accepted >= 5);
        assert_eq!(
            bed.vigil.records(&["--fate", "delivered"], accepted).len(),
            accepted
        );
    });
}

#[test]
fn a_hang_up_in_the_middle_of_traffic_disturbs_nobody() {
    let mut bed = Bed::start(&Wish::default());
    let port = bed.postfix.port();
    let pid = bed.vigil.service.pid();
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            (0..30).all(|number| {
                let message = ordinary(&format!("hang up {number}"));
                send(port, &stranger(), &["bob@b.example"], &message).accepted()
            })
        });
        for arrived in [3, 8, 13] {
            bed.sink.wait_for(arrived, PATIENCE).unwrap();
            bed.vigil.service.signal(Signal::HUP).unwrap();
        }
        assert!(sender.join().unwrap(), "some mail was put off");
    });
    bed.sink.wait_for(30, PATIENCE).unwrap();
    bed.vigil.records(&["--fate", "delivered"], 30);
    assert_eq!(bed.vigil.service.pid(), pid);
    let judged = "mailvigil_messages_total{direction=\"inbound\",level=\"ordinary\"";
    assert!((bed.vigil.metric(judged) - 30.0).abs() < 0.5);
    assert!(bed.vigil.service.is_running());
}

#[test]
fn real_mail_passes_byte_for_byte() {
    let Some(corpus) = std::env::var_os("MAILVIGIL_CORPUS").map(std::path::PathBuf::from) else {
        println!("skipped: MAILVIGIL_CORPUS names no corpus");
        return;
    };
    let bed = Bed::start(&Wish::default());
    bed.vigil
        .apply("[boundaries]\nsuspicious = 9000\ndangerous = 9999\n");
    let index = std::fs::read_to_string(corpus.join("index.tsv")).unwrap();
    let files: Vec<&str> = index
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(_, path)| path)
        .collect();
    let step = files.len().div_ceil(1600).max(1);
    let (mut with, mut without) = (
        connected(bed.postfix.port()),
        connected(bed.postfix.plain_port()),
    );
    let mut sent = 0_u32;
    for (number, path) in files.iter().step_by(step).enumerate() {
        let raw = std::fs::read(corpus.join(path)).unwrap();
        let raw = with_crlf(&raw);
        for (client, way) in [(&mut with, "judged"), (&mut without, "plain")] {
            let told = client
                .send(&Mail::new(
                    "sender@a.example",
                    [format!("n{number}.{way}@b.example")],
                    raw.clone(),
                ))
                .unwrap();
            assert!(told.accepted(), "{path}: {told}");
        }
        sent += 1;
    }
    let arrived = bed
        .sink
        .wait_for(2 * sent as usize, std::time::Duration::from_mins(2))
        .unwrap();
    let mut by_number: std::collections::HashMap<String, Vec<Vec<u8>>> =
        std::collections::HashMap::new();
    for message in &arrived {
        let number = message.recipients[0].split('.').next().unwrap().to_owned();
        by_number
            .entry(number)
            .or_default()
            .push(message.without_headers(&["Received"]));
    }
    for (number, ways) in &by_number {
        assert_eq!(ways.len(), 2, "{number}");
        assert!(
            ways[0] == ways[1],
            "message {number} of the corpus was changed:\n{}\n---\n{}",
            text(&ways[0]),
            text(&ways[1])
        );
    }
    let judged = "mailvigil_messages_total{direction=\"inbound\",level=\"ordinary\"";
    assert!(
        (bed.vigil.metric(judged) - f64::from(sent)).abs() < 0.5,
        "not all of the {sent} were judged:\n{}",
        bed.vigil.metrics()
    );
    println!("{sent} messages of the corpus are the same with and without the filter");
}

fn connected(port: u16) -> Client {
    Client::connect_as(port, &stranger()).unwrap()
}

/// Line ends as SMTP wants them, and nothing else changed: a lone CR or a NUL stays what it is.
fn with_crlf(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 30);
    for byte in raw {
        if *byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}
