//! Mailboxes of a real Dovecot by IMAP: copies called back by somebody who may act as any user, and folders the learner is taught from.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use bed::{Bed, PATIENCE, Vigil, Wish, ordinary, send, stranger, text, wait_for};
use serde_json::{Value, json};
use testkit::dovecot::{Dovecot, Setup};
use testkit::free_port;
use testkit::imap::Client;

const ANN: &str = "ann@b.example";
const BOB: &str = "bob.x@b.example";

/// A mail store with certificates, and a user who may act as any other.
struct MailStore {
    dovecot: Dovecot,
    imaps: u16,
    folder: tempfile::TempDir,
}

impl MailStore {
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        testkit::certificates::write_to(folder.path()).unwrap();
        let at = folder.path().display();
        fs::write(folder.path().join("masters"), "vigil:may act as any\n").unwrap();
        fs::write(folder.path().join("password"), "may act as any\n").unwrap();
        fs::write(folder.path().join("ann"), "pw\n").unwrap();
        fs::write(folder.path().join("wrong"), "guessed\n").unwrap();
        let imaps = free_port();
        let settings = format!(
            "ssl = yes\nssl_cert = <{at}/server.pem\nssl_key = <{at}/server.key\n\
             service imap-login {{\n  inet_listener imaps {{\n    port = {imaps}\n    ssl = yes\n  }}\n}}\n\
             passdb {{\n  driver = passwd-file\n  args = scheme=PLAIN {at}/masters\n  master = yes\n  result_success = continue\n}}\n{more}"
        );
        let dovecot = [ANN, BOB]
            .iter()
            .fold(Setup::default(), |setup, name| setup.account(name, "pw"))
            .set(&settings)
            .start()
            .unwrap();
        Self {
            dovecot,
            imaps,
            folder,
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn put(&self, user: &str, folder: &str, message: &str) {
        let mut client = Client::connect(self.dovecot.imap_port()).unwrap();
        assert!(client.command(&format!("LOGIN {user} pw")).unwrap().is_ok());
        // The folder may be there.
        client.command(&format!("CREATE \"{folder}\"")).unwrap();
        let answer = client.append(&format!("\"{folder}\""), message).unwrap();
        assert!(answer.is_ok(), "{answer:?}");
    }

    /// How many messages lie in a folder, or in all.
    fn count(&self, user: &str, folder: Option<&str>) -> usize {
        let output = Command::new("/usr/bin/doveadm")
            .arg("-c")
            .arg(self.dovecot.config_file())
            .args(["search", "-u", user])
            .args(folder.map_or(vec!["all"], |folder| vec!["mailbox", folder]))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).lines().count()
    }
}

/// Waits until every copy of a message is in one of these states; what was said of each.
fn settled(vigil: &Vigil, id: &str, mailboxes: &[(&str, &str)]) -> Vec<Value> {
    let expected: Vec<Value> = mailboxes
        .iter()
        .map(|(mailbox, state)| json!([mailbox, state]))
        .collect();
    let are = wait_for(|| {
        let all = vigil.json(&["recall", "list", id, "--json"]);
        let mut states: Vec<Value> = all
            .iter()
            .map(|one| json!([one["mailbox"], one["state"]]))
            .collect();
        states.sort_by_key(ToString::to_string);
        (states == expected).then_some(all)
    });
    are.unwrap_or_else(|| {
        let list = vigil.say(&["recall", "list", id]);
        panic!("{expected:?} expected: {list} {}", vigil.service.log())
    })
}

#[test]
fn copies_are_called_back_and_put_back() {
    // TLS begun by a command, and a server that can move.
    called_back("", "Recalled", |store| {
        format!("imap://127.0.0.1:{}", store.dovecot.imap_port())
    });
    // TLS at once, a server that cannot, and folders that must have names of its own.
    let old = "imap_capability = IMAP4rev1 UIDPLUS NAMESPACE\n\
               namespace inbox {\n  inbox = yes\n  separator = .\n  prefix = INBOX.\n}\n";
    called_back(old, "INBOX.Recalled", |store| {
        format!("imaps://127.0.0.1:{}", store.imaps)
    });
}

fn called_back(settings: &str, target: &str, url: impl Fn(&MailStore) -> String) {
    let store = MailStore::start(settings);
    let bed = Bed::start(&Wish {
        more: &format!(
            "[site]\nlocal_domains = [\"b.example\"]\n[recall]\nimap = \"{}\"\nuser = \"vigil\"\npassword_file = \"{}\"\nca = \"{}\"\n",
            url(&store),
            store.file("password"),
            store.file("ca.pem")
        ),
        ..Wish::default()
    });
    let vigil = &bed.vigil;
    let mail = ordinary("call me back");
    let told = send(bed.postfix.port(), &stranger(), &[ANN, BOB], &mail);
    assert!(told.accepted(), "{told}");
    let arrived = text(&bed.sink.wait_for(1, PATIENCE).unwrap().remove(0).data);
    // What the delivery does, into a folder of their own, too; and somebody else's message, whose sender took the same Message-ID.
    store.put(ANN, "INBOX", &arrived);
    store.put(ANN, "INBOX", &mail);
    let elsewhere = target.replace("Recalled", "&V4NXPpCuTvY-");
    store.put(BOB, &elsewhere, &arrived);
    let record = vigil.records(&["--subject", "call me back"], 1).remove(0);
    let id = record["id"].as_str().unwrap();

    vigil.say(&["recall", "take", id, "-m", "it is phishing"]);
    settled(vigil, id, &[(ANN, "recalled"), (BOB, "recalled")]);
    assert_eq!(
        store.count(ANN, Some("INBOX")),
        1,
        "the other message stays"
    );
    assert_eq!(store.count(ANN, Some(target)), 1);
    assert_eq!(store.count(BOB, Some(target)), 1);
    assert_eq!(store.count(BOB, None), 1, "{target}");
    assert_eq!(store.count(BOB, Some("INBOX")), 0);

    vigil.say(&["recall", "back", id, "-m", "it was no phishing"]);
    settled(vigil, id, &[(ANN, "back"), (BOB, "back")]);
    assert_eq!(store.count(ANN, Some("INBOX")), 2);
    assert_eq!(store.count(BOB, Some("INBOX")), 1);

    // One that is not there any more, and a mailbox that is none.
    let two = [ANN, "nobody@b.example"];
    let told = send(
        bed.postfix.port(),
        &stranger(),
        &two,
        &ordinary("read and deleted"),
    );
    assert!(told.accepted(), "{told}");
    let record = vigil
        .records(&["--subject", "read and deleted"], 1)
        .remove(0);
    let id = record["id"].as_str().unwrap();
    vigil.say(&["recall", "take", id, "-m", "too late"]);
    let said = settled(
        vigil,
        id,
        &[(ANN, "not-there"), ("nobody@b.example", "failed")],
    );
    let nobody = said.iter().find(|one| one["mailbox"] == "nobody@b.example");
    let why = nobody.unwrap()["said"].as_str().unwrap();
    assert!(why.contains("AUTHORIZATIONFAILED"), "{why}");
    assert!(!vigil.service.log().contains("may act as any"));
}

#[test]
fn the_learner_is_taught_from_a_folder_on_a_server() {
    let store = MailStore::start("");
    let vigil = Vigil::start(&Wish::default());
    let folder = "Junk &V4NXPpCuTvY-";
    for number in 0..3 {
        store.put(ANN, folder, &ordinary(&format!("offer {number}")));
    }
    let place =
        |user: &str, folder: &str| format!("imaps://{user}@127.0.0.1:{}/{folder}", store.imaps);
    let junk = place(ANN, "Junk%20%E5%9E%83%E5%9C%BE%E9%82%AE%E4%BB%B6");
    let learn = |place: &str, password: &str, ca: &str| {
        let (password, ca) = (store.file(password), store.file(ca));
        vigil.run(&[
            "learn",
            "unwanted",
            place,
            "--imap-password-file",
            &password,
            "--imap-ca",
            &ca,
        ])
    };
    let said = learn(&junk, "ann", "ca.pem");
    assert!(
        text(&said.stdout).contains("3 messages are learnt as unwanted"),
        "{} {}",
        text(&said.stdout),
        text(&said.stderr)
    );
    let log = vigil.json(&["learn", "log", "--json"]);
    assert_eq!(log.len(), 3);
    // Nothing about the folder is changed: they are still unread.
    let mut client = Client::connect(store.dovecot.imap_port()).unwrap();
    client.command(&format!("LOGIN {ANN} pw")).unwrap();
    let status = client
        .command(&format!("STATUS \"{folder}\" (UNSEEN)"))
        .unwrap();
    assert!(status.lines.concat().contains("UNSEEN 3"), "{status:?}");

    store.put(ANN, "Empty", &ordinary("to be deleted"));
    client.command("SELECT Empty").unwrap();
    client.command("STORE 1 +FLAGS (\\Deleted)").unwrap();
    client.command("EXPUNGE").unwrap();
    let said = learn(&place(ANN, "Empty"), "ann", "ca.pem");
    assert_eq!(said.status.code(), Some(4), "{}", text(&said.stderr));

    for (place, password, ca, why) in [
        (junk.as_str(), "wrong", "ca.pem", "AUTHENTICATIONFAILED"),
        (junk.as_str(), "ann", "stranger.pem", "certificate"),
        (
            &place(ANN, "Nowhere"),
            "ann",
            "ca.pem",
            "Mailbox doesn't exist",
        ),
        (
            &place(ANN, ""),
            "ann",
            "ca.pem",
            "must name user and folder",
        ),
        (
            "imaps://ann:pw@127.0.0.1/Junk",
            "ann",
            "ca.pem",
            "put it into a file",
        ),
        (
            &format!("imaps://ann@127.0.0.1:{}/Junk", free_port()),
            "ann",
            "ca.pem",
            "does not answer",
        ),
        (
            &format!("imaps://ann@127.0.0.1:{}/Junk", store.dovecot.pop3_port()),
            "ann",
            "ca.pem",
            "IMAP server",
        ),
        (
            &format!("imap://ann@127.0.0.1:{}/Junk", store.dovecot.pop3_port()),
            "ann",
            "ca.pem",
            "no IMAP",
        ),
    ] {
        let said = learn(place, password, ca);
        assert!(!said.status.success(), "{place}");
        let said = text(&said.stderr);
        assert!(said.contains(why), "{place}: {said}");
    }
    let bare = vigil.run(&["learn", "unwanted", &junk]);
    assert!(
        text(&bare.stderr).contains("--imap-password-file"),
        "{}",
        text(&bare.stderr)
    );
}
