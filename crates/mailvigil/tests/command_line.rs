//! Everything a person can do, at the command line: what the console can, it can.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;
#[path = "bed/web.rs"]
mod web;

use std::process::Output;

use bed::{Bed, Vigil, Wish, send, stranger, tale, text, wait_for};
use web::Web;

/// A command with its exit code and its words on both outputs.
fn outcome(output: &Output) -> (i32, String) {
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    (output.status.code().unwrap(), said)
}

#[test]
fn people_are_entered_changed_and_removed() {
    let vigil = Vigil::start(&Wish::default());
    let link = vigil.say(&[
        "console",
        "add",
        "Olive",
        "--role",
        "operator",
        "--scope",
        "@b.example",
        "@c.example",
    ]);
    let olive = Web::of(&vigil).accept(link.trim(), "olive");
    assert_eq!(olive.get("/quarantine").status, 200);
    assert_eq!(olive.get("/audit").status, 403);
    let people = vigil.say(&["console", "people"]);
    assert!(
        people.contains("olive") && people.contains("@b.example @c.example"),
        "{people}"
    );
    vigil.say(&["console", "change", "olive", "--role", "auditor"]);
    assert_eq!(olive.get("/me").status, 303, "their sessions end");
    assert!(vigil.say(&["console", "people"]).contains("auditor"));
    vigil.say(&["console", "remove", "olive"]);
    assert_eq!(outcome(&vigil.run(&["console", "people"])).0, 4);
    for (args, code, words) in [
        (&["console", "add", "a b", "--role", "owner"][..], 1, "name"),
        (
            &["console", "add", "eve", "--role", "owner"],
            1,
            "an owner needs the addresses",
        ),
        (&["console", "add", "eve", "--role", "king"], 2, "operator"),
        (&["console", "remove", "nobody"], 1, "is not known"),
        (&["console", "requests"], 4, "Nobody asks"),
    ] {
        let (got, said) = outcome(&vigil.run(args));
        assert!(
            got == code && said.contains(words),
            "{args:?}: {got} {said}"
        );
    }
    let acts = vigil.say(&["acts", "--on", "olive"]);
    for act in ["person-added", "person-changed", "person-removed"] {
        assert!(acts.contains(act), "{acts}");
    }
    let removed = vigil.say(&["acts", "--act", "person-removed"]);
    assert!(!removed.contains("person-added"), "{removed}");
}

#[test]
fn a_policy_is_tried_on_recorded_mail_and_a_sender_is_allowed() {
    let bed = Bed::start(&Wish::default());
    let tell = |subject: &str| {
        let told = send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &tale(subject),
        );
        assert!(told.accepted(), "{told}");
    };
    tell("A proposal");
    let record = &bed.vigil.records(&["--subject", "A proposal"], 1)[0];
    let id = record["id"].as_str().unwrap();
    let story = bed.vigil.say(&["explain", id]);
    assert!(
        story.contains("what would have changed it") && story.contains("without advance-fee-tale"),
        "{story}"
    );

    let file = bed.vigil.service.folder().join("draft.toml");
    let file = file.to_str().unwrap();
    let policy = bed.vigil.say(&["policy", "export"]);
    std::fs::write(
        file,
        policy.replace("suspicious = 5.0", "suspicious = 13.0"),
    )
    .unwrap();
    let said = bed.vigil.say(&["policy", "what-if", file, "--since", "1h"]);
    assert!(
        said.contains("1 of 1 recorded messages")
            && said.contains("quarantine → accept")
            && said.contains(id),
        "{said}"
    );
    let none = bed.vigil.say(&["policy", "what-if", file, "--since", "0m"]);
    assert!(none.contains("0 of 0"), "{none}");
    let json = &bed.vigil.json(&["policy", "what-if", file, "--json"])[0];
    assert_eq!(json["changed_count"], 1);
    assert!(
        bed.vigil.say(&["policy", "show"]).contains("version 1"),
        "nothing was changed by it"
    );

    // An entry that anybody could use is refused, and one bound to a network lets this mail pass.
    let unbound = outcome(&bed.vigil.run(&["policy", "allow", "john@tale.example"]));
    assert_eq!(unbound.0, 3, "{}", unbound.1);
    assert!(unbound.1.contains("anybody can write"), "{}", unbound.1);
    let allowed = bed.vigil.say(&[
        "policy",
        "allow",
        "john@tale.example",
        "--from",
        "192.0.2.0/24",
        "-m",
        "Bob's lawyer",
    ]);
    assert!(allowed.contains("Version 2 is in force"), "{allowed}");
    tell("From the lawyer");
    let record = &bed.vigil.records(&["--subject", "From the lawyer"], 1)[0];
    assert_eq!(record["fate"], "delivered");
    assert!(
        bed.vigil
            .say(&["policy", "history"])
            .contains("Bob's lawyer")
    );

    let said = bed
        .vigil
        .say(&["quarantine", "teach", "unwanted", id, "last"]);
    assert_eq!(said.matches("is learnt as unwanted").count(), 2, "{said}");
    let unknown = outcome(&bed.vigil.run(&["quarantine", "teach", "wanted", "nothing"]));
    assert!(
        unknown.0 == 1 && unknown.1.contains("is not known"),
        "{}",
        unknown.1
    );
}

#[test]
fn the_overview_tells_of_every_door() {
    let vigil = Vigil::start(&Wish::default());
    let program = Web::first(&vigil).program("read");
    drop(std::net::TcpStream::connect(("127.0.0.1", vigil.milter_port)).unwrap());
    let door = format!("milter 127.0.0.1:{}", vigil.milter_port);
    let seen = wait_for(|| {
        let overview = program.call("GET", "/overview", &serde_json::Value::Null);
        let overview = overview.json();
        let doors = overview["nodes"][0]["doors"].as_array().unwrap().clone();
        doors
            .iter()
            .any(|one| one["name"] == *door && one["stuck"] == false && !one["last"].is_null())
            .then_some(doors.len())
    });
    assert_eq!(seen, Some(2), "TCP and unix");
}

/// Commands as `--help` lists them, all the way down.
fn commands(vigil: &Vigil, path: &[&str], found: &mut Vec<Vec<String>>) {
    let mut args = path.to_vec();
    args.push("--help");
    let help = vigil.say(&args);
    assert!(help.contains("Usage: mailvigil"), "{path:?}: {help}");
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        found.push(path.iter().map(|part| (*part).to_owned()).collect());
        return;
    };
    let entries = list.lines().take_while(|line| !line.is_empty());
    // What a long description goes on with stands further in.
    for line in entries.filter(|line| !line.starts_with("   ")) {
        let (name, about) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        assert!(!about.trim().is_empty(), "{path:?} {name} says nothing");
        if name != "help" {
            commands(vigil, &[path, &[name]].concat(), found);
        }
    }
}

#[test]
fn every_command_has_help_and_completions_and_speaks_without_stack_traces() {
    let vigil = Vigil::start(&Wish::default());
    let mut found = Vec::new();
    commands(&vigil, &[], &mut found);
    assert!(found.len() > 25, "{found:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let words = vigil.say(&["completions", shell]);
        assert!(words.contains("what-if"), "{shell}: {words}");
    }
    for (args, code) in [
        (&["no-such-command"][..], 2),
        (&["scan", "/no/such/file"], 1),
        (&["explain", "nothing"], 4),
        (&["messages", "--since", "yesterday"], 1),
        (&["quarantine", "show", "nothing"], 1),
        (&["quarantine", "release", "01m847cdemyndyfkb6jg1qbmb9"], 1),
        (&["policy", "export", "77"], 1),
        (&["policy", "apply", "/no/such/file"], 1),
        (&["policy", "diff", "1", "2"], 1),
        (
            &["connect", "postfix", "--apply", "--config-dir", "/no/such"],
            1,
        ),
    ] {
        let (got, said) = outcome(&vigil.run(args));
        assert_eq!(got, code, "{args:?}: {said}");
        assert!(
            !said.is_empty() && !said.contains("panicked") && !said.contains("backtrace"),
            "{args:?}: {said}"
        );
    }
}
