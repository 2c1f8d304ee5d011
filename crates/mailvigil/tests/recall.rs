//! Delivered copies called back out of the mailboxes of a real Dovecot, and put back.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::process::Command;

use bed::{Bed, PATIENCE, Vigil, Wish, ordinary, send, stranger, text, wait_for};
use serde_json::{Value, json};
use testkit::dovecot::{Dovecot, Setup};
use testkit::imap::Client;

const ANN: &str = "ann@b.example";
const BOB: &str = "bob.x@b.example";
const KEEPER: &str = "keeper@b.example";

/// How many messages lie in a mailbox, in a folder, or in all.
fn count(dovecot: &Dovecot, user: &str, folder: Option<&str>) -> usize {
    let output = Command::new("/usr/bin/doveadm")
        .arg("-c")
        .arg(dovecot.config_file())
        .args(["search", "-u", user])
        .args(folder.map_or(vec!["all"], |folder| vec!["mailbox", folder]))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().count()
}

/// Waits until every copy of a message is in one of these states; the states by mailbox.
fn settled(vigil: &Vigil, id: &str, mailboxes: &[(&str, &str)]) {
    let expected: Vec<Value> = mailboxes
        .iter()
        .map(|(mailbox, state)| json!([mailbox, state]))
        .collect();
    let states = || {
        let mut all: Vec<Value> = vigil
            .json(&["recall", "list", id, "--json"])
            .iter()
            .map(|one| json!([one["mailbox"], one["state"]]))
            .collect();
        all.sort_by_key(ToString::to_string);
        all
    };
    let are = wait_for(|| (states() == expected).then_some(()));
    assert!(
        are.is_some(),
        "{expected:?} expected: {} {}",
        vigil.say(&["recall", "list", id]),
        vigil.service.log()
    );
}

#[test]
fn copies_are_called_back_by_name_and_put_back() {
    for keeper in [None, Some(KEEPER)] {
        called_back(keeper);
    }
}

fn called_back(keeper: Option<&str>) {
    let dovecot = [ANN, BOB, KEEPER]
        .iter()
        .fold(Setup::default(), |setup, name| setup.account(name, "pw"))
        .start()
        .unwrap();
    let more = format!(
        "[site]\nlocal_domains = [\"b.example\"]\n[recall]\ndoveadm = [\"/usr/bin/doveadm\", \"-c\", \"{}\"]\n{}",
        dovecot.config_file().display(),
        // Once by doveadm itself, once by its server.
        keeper.map_or_else(String::new, |keeper| {
            let server = dovecot.config_file().with_file_name("run/doveadm-server");
            format!(
                "keeper = \"{keeper}\"\nfolder = \"INBOX.Recalled\"\nserver = \"{}\"\n",
                server.display()
            )
        })
    );
    let bed = Bed::start(&Wish {
        more: &more,
        console: "second_person_recalls_over = 2\n",
        ..Wish::default()
    });
    let vigil = &bed.vigil;
    let mail = ordinary("call me back");
    let told = send(bed.postfix.port(), &stranger(), &[ANN, BOB], &mail);
    assert!(told.accepted(), "{told}");
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap().remove(0);
    let deliver = |user: &str, message: &str| {
        let mut client = Client::connect(dovecot.imap_port()).unwrap();
        assert!(client.command(&format!("LOGIN {user} pw")).unwrap().is_ok());
        let answer = client.append("INBOX", message).unwrap();
        assert!(answer.is_ok(), "{answer:?}");
    };
    // What the delivery does; and somebody else's message, whose sender took the same Message-ID.
    deliver(ANN, &text(&arrived.data));
    deliver(ANN, &mail);
    deliver(BOB, &text(&arrived.data));
    let record = vigil.records(&["--subject", "call me back"], 1).remove(0);
    let id = record["id"].as_str().unwrap();

    let said = vigil.run(&["recall", "take", id, "-m", ""]);
    assert!(!said.status.success(), "without a reason nothing is done");
    let said = vigil.say(&["recall", "take", id, "-m", "it is phishing"]);
    assert!(said.contains("2 copies are called back"), "{said}");
    settled(vigil, id, &[(ANN, "recalled"), (BOB, "recalled")]);
    assert_eq!(
        count(&dovecot, ANN, Some("INBOX")),
        1,
        "the other message stays"
    );
    assert_eq!(count(&dovecot, BOB, Some("INBOX")), 0);
    match keeper {
        None => {
            assert_eq!(count(&dovecot, ANN, Some("Recalled")), 1);
            assert_eq!(count(&dovecot, BOB, Some("Recalled")), 1);
        }
        Some(keeper) => {
            assert_eq!(count(&dovecot, ANN, None), 1);
            assert_eq!(count(&dovecot, keeper, None), 2);
        }
    }
    let again = vigil.run(&["recall", "take", id, "-m", "once more"]);
    assert_eq!(again.status.code(), Some(4), "{}", text(&again.stderr));

    let said = vigil.say(&["recall", "back", id, "-m", "it was no phishing"]);
    assert!(said.contains("2 copies are put back"), "{said}");
    settled(vigil, id, &[(ANN, "back"), (BOB, "back")]);
    assert_eq!(count(&dovecot, ANN, Some("INBOX")), 2);
    assert_eq!(count(&dovecot, BOB, Some("INBOX")), 1);
    let acts = vigil.json(&["acts", "--json"]);
    let names: Vec<&str> = acts.iter().filter_map(|act| act["act"].as_str()).collect();
    assert!(
        names.contains(&"recall") && names.contains(&"put-back"),
        "{names:?}"
    );

    // One that is not there any more, and a mailbox that is none.
    let told = send(
        bed.postfix.port(),
        &stranger(),
        &[ANN, "nobody@b.example"],
        &ordinary("read and deleted"),
    );
    assert!(told.accepted(), "{told}");
    let record = vigil
        .records(&["--subject", "read and deleted"], 1)
        .remove(0);
    let id = record["id"].as_str().unwrap();
    vigil.say(&["recall", "take", id, "-m", "too late"]);
    settled(
        vigil,
        id,
        &[(ANN, "not-there"), ("nobody@b.example", "not-there")],
    );

    // Many at once take a second person.
    let many = [ANN, BOB, "nobody@b.example"];
    let told = send(bed.postfix.port(), &stranger(), &many, &ordinary("to many"));
    assert!(told.accepted(), "{told}");
    let record = vigil.records(&["--subject", "to many"], 1).remove(0);
    let id = record["id"].as_str().unwrap();
    let asked = vigil.run(&["recall", "take", id, "-m", "all of them"]);
    assert!(!asked.status.success());
    assert!(
        text(&asked.stderr).contains("second person"),
        "{}",
        text(&asked.stderr)
    );
    assert!(vigil.json(&["recall", "list", id, "--json"]).is_empty());
}

#[test]
fn without_a_node_beside_the_mail_store_it_is_said_what_is_missing() {
    let bed = Bed::start(&Wish {
        more: "[site]\nlocal_domains = [\"b.example\"]\n",
        ..Wish::default()
    });
    let told = send(bed.postfix.port(), &stranger(), &[ANN], &ordinary("stays"));
    assert!(told.accepted(), "{told}");
    let record = bed.vigil.records(&["--subject", "stays"], 1).remove(0);
    let id = record["id"].as_str().unwrap();
    let said = bed.vigil.run(&["recall", "take", id, "-m", "why not"]);
    assert!(
        text(&said.stderr).contains("[recall]"),
        "{}",
        text(&said.stderr)
    );
}
