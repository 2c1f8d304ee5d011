//! Mailboxes of a real Dovecot and of a real Cyrus by IMAP: copies called back by somebody who may act as any user, and folders the learner is taught from.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use bed::{Bed, PATIENCE, Vigil, Wish, ordinary, send, stranger, text, wait_for};
use serde_json::{Value, json};
use testkit::cyrus::Cyrus;
use testkit::dovecot::{Dovecot, Setup};
use testkit::free_port;
use testkit::imap::Client;
use testkit::sink::Sink;

const ANN: &str = "ann@b.example";
const BOB: &str = "bob.x@b.example";
const KEEPER: &str = "keeper@b.example";

/// A mail store with certificates, and a user who may act as any other.
struct MailStore {
    _server: Server,
    imap: u16,
    imaps: u16,
    folder: tempfile::TempDir,
}

/// Ended when it is dropped.
#[expect(dead_code, reason = "held, not asked")]
enum Server {
    Dovecot(Dovecot),
    Cyrus(Cyrus),
}

const MASTER_PASSWORD: &str = "may act as any";

impl MailStore {
    /// Passwords and certificates.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        testkit::certificates::write_to(folder.path()).unwrap();
        for (name, text) in [
            ("masters", format!("vigil:{MASTER_PASSWORD}\n")),
            ("password", format!("{MASTER_PASSWORD}\n")),
            ("ann", "pw\n".to_owned()),
            ("wrong", "guessed\n".to_owned()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn cyrus() -> Self {
        let folder = Self::folder();
        let cyrus = Cyrus::start(
            &[ANN, BOB, KEEPER].map(|name| (name, "pw")),
            MASTER_PASSWORD,
            folder.path(),
        )
        .unwrap();
        Self {
            imap: cyrus.imap_port(),
            imaps: cyrus.imaps_port(),
            _server: Server::Cyrus(cyrus),
            folder,
        }
    }

    fn dovecot(more: &str) -> Self {
        let folder = Self::folder();
        let at = folder.path().display();
        let imaps = free_port();
        let settings = format!(
            "ssl = yes\nssl_cert = <{at}/server.pem\nssl_key = <{at}/server.key\n\
             service imap-login {{\n  inet_listener imaps {{\n    port = {imaps}\n    ssl = yes\n  }}\n}}\n\
             passdb {{\n  driver = passwd-file\n  args = scheme=PLAIN {at}/masters\n  master = yes\n  result_success = continue\n}}\n{more}"
        );
        let dovecot = [ANN, BOB, KEEPER]
            .iter()
            .fold(Setup::default(), |setup, name| setup.account(name, "pw"))
            .set(&settings)
            .start()
            .unwrap();
        Self {
            imap: dovecot.imap_port(),
            imaps,
            _server: Server::Dovecot(dovecot),
            folder,
        }
    }

    fn client(&self, user: &str) -> Client {
        let mut client = Client::connect(self.imap).unwrap();
        assert!(client.command(&format!("LOGIN {user} pw")).unwrap().is_ok());
        client
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn put(&self, user: &str, folder: &str, message: &str) {
        let mut client = self.client(user);
        // The folder may be there.
        client.command(&format!("CREATE \"{folder}\"")).unwrap();
        let answer = client.append(&format!("\"{folder}\""), message).unwrap();
        assert!(answer.is_ok(), "{answer:?}");
    }

    /// How many messages lie in a folder.
    fn count(&self, user: &str, folder: &str) -> usize {
        let answer = self
            .client(user)
            .command(&format!("STATUS \"{folder}\" (MESSAGES)"))
            .unwrap();
        assert!(answer.is_ok(), "{answer:?}");
        let told = answer.lines.concat();
        let (_, after) = told.split_once("MESSAGES ").unwrap();
        after.split(')').next().unwrap().trim().parse().unwrap()
    }

    /// When the only message of a folder came.
    fn came(&self, user: &str, folder: &str) -> String {
        let mut client = self.client(user);
        assert!(
            client
                .command(&format!("EXAMINE \"{folder}\""))
                .unwrap()
                .is_ok()
        );
        let told = client.command("FETCH 1 (INTERNALDATE)").unwrap();
        let told = told.lines.concat();
        let (_, after) = told.split_once("INTERNALDATE \"").unwrap();
        after.split('"').next().unwrap().to_owned()
    }

    /// How many messages lie in all folders.
    fn count_all(&self, user: &str) -> usize {
        let answer = self.client(user).command("LIST \"\" *").unwrap();
        let name = |line: &String| {
            Some(
                line.strip_prefix("* LIST ")?
                    .split_once(") \"")?
                    .1
                    .split_once("\" ")?
                    .1
                    .trim()
                    .trim_matches('"')
                    .to_owned(),
            )
        };
        let folders: Vec<String> = answer.lines.iter().filter_map(name).collect();
        assert!(!folders.is_empty(), "{answer:?}");
        folders.iter().map(|folder| self.count(user, folder)).sum()
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

/// How copies are called back.
struct Way {
    url: String,
    /// Where they go, without a keeper.
    folder: &'static str,
    keeper: Option<&'static str>,
    /// What becomes of a mailbox that is none, and what is said of it.
    nobody: (&'static str, &'static str),
}

#[test]
fn copies_are_called_back_and_put_back() {
    let nobody = ("failed", "AUTHORIZATIONFAILED");
    // TLS begun by a command, and a server that can move.
    let store = MailStore::dovecot("");
    let way = Way {
        url: format!("imap://127.0.0.1:{}", store.imap),
        folder: "Recalled",
        keeper: None,
        nobody,
    };
    called_back(&store, &way);
    // TLS at once, a server that cannot, and folders that must have names of its own.
    let old = "imap_capability = IMAP4rev1 UIDPLUS NAMESPACE\n\
               namespace inbox {\n  inbox = yes\n  separator = .\n  prefix = INBOX.\n}\n";
    for keeper in [None, Some(KEEPER)] {
        let store = MailStore::dovecot(old);
        let way = Way {
            url: format!("imaps://127.0.0.1:{}", store.imaps),
            folder: "INBOX.Recalled",
            keeper,
            nobody,
        };
        called_back(&store, &way);
    }
}

/// Cyrus lets somebody act as a user who has no mailbox, and shows nothing there.
#[test]
fn copies_are_called_back_from_cyrus_and_put_back() {
    for keeper in [None, Some(KEEPER)] {
        let store = MailStore::cyrus();
        let way = Way {
            url: format!("imap://127.0.0.1:{}", store.imap),
            folder: "Recalled",
            keeper,
            nobody: ("not-there", "no such copy"),
        };
        called_back(&store, &way);
    }
}

fn called_back(store: &MailStore, way: &Way) {
    let keeper = way.keeper.map(|keeper| format!("keeper = \"{keeper}\"\n"));
    let bed = Bed::start(&Wish {
        more: &format!(
            "[site]\nlocal_domains = [\"b.example\"]\n[recall]\nimap = \"{}\"\nuser = \"vigil\"\npassword_file = \"{}\"\nca = \"{}\"\n{}",
            way.url,
            store.file("password"),
            store.file("ca.pem"),
            keeper.unwrap_or_default(),
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
    let elsewhere = way.folder.replace("Recalled", "&V4NXPpCuTvY-");
    store.put(BOB, &elsewhere, &arrived);
    let came = store.came(BOB, &elsewhere);
    let record = vigil.records(&["--subject", "call me back"], 1).remove(0);
    let id = record["id"].as_str().unwrap();

    vigil.say(&["recall", "take", id, "-m", "it is phishing"]);
    settled(vigil, id, &[(ANN, "recalled"), (BOB, "recalled")]);
    assert_eq!(store.count(ANN, "INBOX"), 1, "the other message stays");
    match way.keeper {
        None => {
            assert_eq!(store.count(ANN, way.folder), 1);
            assert_eq!(store.count(BOB, way.folder), 1);
            assert_eq!(store.count_all(BOB), 1);
        }
        Some(keeper) => {
            assert_eq!((store.count_all(ANN), store.count_all(BOB)), (1, 0));
            assert_eq!(store.count_all(keeper), 2);
        }
    }
    assert_eq!(store.count(BOB, "INBOX"), 0);

    vigil.say(&["recall", "back", id, "-m", "it was no phishing"]);
    settled(vigil, id, &[(ANN, "back"), (BOB, "back")]);
    assert_eq!(store.count(ANN, "INBOX"), 2);
    assert_eq!(store.count(BOB, "INBOX"), 1);
    assert_eq!(store.count_all(KEEPER), 0);
    assert_eq!(store.came(BOB, "INBOX"), came);

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
        &[(ANN, "not-there"), ("nobody@b.example", way.nobody.0)],
    );
    let of_nobody = said.iter().find(|one| one["mailbox"] == "nobody@b.example");
    let why = of_nobody.unwrap()["said"].as_str().unwrap();
    assert!(why.contains(way.nobody.1), "{why}");
    assert!(!vigil.service.log().contains("may act as any"));
}

#[test]
fn the_learner_is_taught_from_a_folder_on_a_server() {
    let store = MailStore::dovecot("");
    // A server that speaks something else.
    let sink = Sink::start().unwrap();
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
    let mut client = store.client(ANN);
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
            &format!("imaps://ann@127.0.0.1:{}/Junk", sink.port()),
            "ann",
            "ca.pem",
            "IMAP server",
        ),
        (
            &format!("imap://ann@127.0.0.1:{}/Junk", sink.port()),
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
