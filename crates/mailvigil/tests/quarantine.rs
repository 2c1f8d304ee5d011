//! Held mail: let out by its own mark and by nothing else, deleted, expired, or kept by Postfix itself.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;
#[path = "bed/web.rs"]
mod web;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use bed::{Bed, PATIENCE, Wish, ordinary, tale, text, wait_for};
use mail::{Address, Record, RecordId, Secret};
use store::{Store, StoreConfig};
use testkit::smtp::{Client, Mail, Peer};
use web::{Web, form};

/// Mail from a machine elsewhere; Postfix takes it.
fn send(bed: &Bed, to: &[&str], data: impl Into<Vec<u8>>) {
    let peer = Peer::at("192.0.2.10")
        .name("mail.a.example")
        .helo("mail.a.example");
    let mut client = Client::connect_as(bed.postfix.port(), &peer).unwrap();
    let mail = Mail::new("sender@a.example", to.iter().copied(), data);
    let told = client.send(&mail).unwrap();
    assert!(told.accepted(), "{told}");
    client.quit().unwrap();
}

/// Waits until so many messages are held; the newest one's id.
fn held(bed: &Bed, count: usize) -> String {
    let held = wait_for(|| Some(bed.vigil.held()).filter(|held| held.len() == count));
    let held = held.unwrap_or_else(|| panic!("{count} held expected: {:?}", bed.vigil.held()));
    held[0]["id"].as_str().unwrap().to_owned()
}

/// A command that must be refused with these words.
fn refused(bed: &Bed, args: &[&str], words: &str) {
    let output = bed.vigil.run(args);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    assert!(said.contains(words), "{args:?}: {said}");
}

/// The files that hold bodies of held mail.
fn bodies(bed: &Bed) -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&data(bed).join("quarantine"), &mut files);
    files
}

fn data(bed: &Bed) -> PathBuf {
    bed.vigil.service.folder().join("data")
}

/// A mail server that takes a released message and keeps its last word to itself until dropped: the only
/// way to see a mark while it is good.
struct Hesitant {
    _stream: TcpStream,
    /// The message as it was handed over.
    message: Vec<u8>,
}

impl Hesitant {
    fn converse(listener: &TcpListener) -> Self {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        stream.write_all(b"220 hesitant.example\r\n").unwrap();
        loop {
            let mut line = String::new();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the client left");
            if line.starts_with("DATA") {
                break;
            }
            stream.write_all(b"250 go on\r\n").unwrap();
        }
        stream.write_all(b"354 go on\r\n").unwrap();
        let mut message = Vec::new();
        loop {
            let start = message.len();
            assert!(reader.read_until(b'\n', &mut message).unwrap() > 0);
            if &message[start..] == b".\r\n" {
                message.truncate(start);
                break;
            }
            if message[start] == b'.' {
                message.remove(start);
            }
        }
        Self {
            _stream: stream,
            message,
        }
    }
}

/// Why the newest message with a bad mark was not let pass.
fn newest_refusal(bed: &Bed, count: usize) -> String {
    let records = bed
        .vigil
        .records(&["--reason", "forged-release-mark"], count);
    assert_eq!(records.len(), count);
    // With the forgery on top of the tale it is dangerous.
    assert_eq!(records[0]["fate"], "discarded");
    let reasons = records[0]["verdict"]["reasons"].as_array().unwrap();
    let reason = reasons
        .iter()
        .find(|reason| reason["name"] == "forged-release-mark");
    reason.unwrap().to_string()
}

#[test]
fn a_mark_lets_its_own_message_pass_once_and_nothing_else() {
    let bed = Bed::start(&Wish::default());
    let original = tale("A proposal");
    send(&bed, &["bob@b.example"], original.as_str());
    let id = held(&bed, 1);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hesitant = listener.local_addr().unwrap();
    let file = bed.vigil.service.folder().join("mailvigil.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let postfix = format!("submit_to = \"127.0.0.1:{}\"", bed.postfix.port());
    assert!(config.contains(&postfix), "{config}");
    let config = config.replace(&postfix, &format!("submit_to = \"{hesitant}\""));
    std::fs::write(&file, config).unwrap();

    std::thread::scope(|scope| {
        let release = scope.spawn(|| bed.vigil.run(&["quarantine", "release", &id]));
        let server = Hesitant::converse(&listener);
        let marked = text(&server.message);
        let (mark, rest) = marked.split_once("\r\n").unwrap();
        assert!(mark.starts_with("Mailvigil-Release: "), "{mark}");
        assert_eq!(rest, original);

        let grafted = format!("{mark}\r\n{}", original.replace("partner", "victim"));
        let last = if mark.ends_with('0') { "1" } else { "0" };
        let bent = format!("{}{last}\r\n{original}", &mark[..mark.len() - 1]);
        let cases = [
            (grafted.as_str(), "bob@b.example", "on another message"),
            (&marked, "eve@b.example", "for other recipients"),
            (&bent, "bob@b.example", "not made here"),
        ];
        for (number, (message, to, why)) in cases.into_iter().enumerate() {
            send(&bed, &[to], message);
            let said = newest_refusal(&bed, number + 1);
            assert!(said.contains(why), "{why} expected: {said}");
        }
        assert_eq!(bed.sink.count(), 0);

        send(&bed, &["bob@b.example"], marked.as_str());
        let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
        assert_eq!(text(&arrived[0].without_headers(&["Received"])), original);
        send(&bed, &["bob@b.example"], marked.as_str());
        let said = newest_refusal(&bed, 4);
        assert!(said.contains("used before or ran out"), "{said}");

        // The server goes without a word; the used mark tells that the message came past.
        drop(server);
        let output = release.join().unwrap();
        let said = text(&output.stdout);
        assert!(
            output.status.success() && said.contains("came past the filter"),
            "{said}{}",
            text(&output.stderr)
        );
        // The same again, with one more recipient that no copy is held for yet.
        send(&bed, &["bob@b.example", "ann@b.example"], marked.as_str());
        let said = newest_refusal(&bed, 5);
        assert!(said.contains("used before or ran out"), "{said}");
    });
    refused(
        &bed,
        &["quarantine", "release", &id],
        "was released already and cannot be released again",
    );
    bed.postfix.wait_until_empty(PATIENCE).unwrap();
    assert_eq!(bed.sink.count(), 1);
}

#[test]
fn a_release_the_server_does_not_take_leaves_the_message_held() {
    let mut bed = Bed::start(&Wish::default());
    let original = tale("Patience");
    send(&bed, &["bob@b.example"], original.as_str());
    let id = held(&bed, 1);
    bed.postfix.stop().unwrap();
    refused(&bed, &["quarantine", "release", &id], "is held again");
    assert_eq!(held(&bed, 1), id);
    bed.postfix.start_again().unwrap();
    bed.vigil.say(&["quarantine", "release", &id]);
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(text(&arrived[0].without_headers(&["Received"])), original);
}

#[test]
fn a_release_goes_to_its_end_when_the_browser_is_closed_meanwhile() {
    let mut bed = Bed::start(&Wish::default());
    send(&bed, &["bob@b.example"], tale("In a hurry"));
    let id = held(&bed, 1);
    let admin = Web::first(&bed.vigil);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let file = bed.vigil.service.folder().join("mailvigil.toml");
    let config = std::fs::read_to_string(&file).unwrap().replace(
        &format!("submit_to = \"127.0.0.1:{}\"", bed.postfix.port()),
        &format!("submit_to = \"{}\"", listener.local_addr().unwrap()),
    );
    std::fs::write(&file, config).unwrap();
    bed.vigil.reload();

    let fields = form(&[("csrf", &admin.csrf), ("act", "release")]);
    let path = format!("/quarantine/{id}/decide");
    let browser = admin.begin("POST", &path, &[], &fields);
    let server = Hesitant::converse(&listener);
    let state = || {
        let all = bed.vigil.json(&["quarantine", "list", "--all", "--json"]);
        all[0]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(), "releasing");
    drop(browser);
    // The server goes without a word, and the message did not come past: it is held again.
    drop(server);
    let settled = wait_for(|| (state() == "held").then_some(()));
    assert!(settled.is_some(), "it is {} for ever", state());
    let acts = bed.vigil.say(&["acts"]);
    assert!(
        acts.contains("releasing") && acts.contains("held"),
        "{acts}"
    );
}

#[test]
fn a_deleted_message_is_gone_and_its_summary_stays() {
    let bed = Bed::start(&Wish::default());
    send(&bed, &["bob@b.example"], tale("Unwanted"));
    let id = held(&bed, 1);
    send(&bed, &["bob@b.example"], tale("Undecided"));
    let other = held(&bed, 2);
    assert_eq!(bodies(&bed).len(), 2);
    let story = bed.vigil.say(&["explain", &id]);
    assert!(story.contains("wordonlyinthebody"), "{story}");

    let said = bed
        .vigil
        .say(&["quarantine", "delete", &id, "--reason", "nobody wants it"]);
    assert!(said.contains("its summary stays"), "{said}");
    assert_eq!(held(&bed, 1), other);
    let left = bodies(&bed);
    assert!(left.len() == 1 && left[0].ends_with(&other), "{left:?}");
    let story = bed.vigil.say(&["explain", &id]);
    assert!(story.contains("Unwanted"), "{story}");
    // The record of a message that is no longer kept quotes nothing of its text, as that of a discarded one does.
    assert!(!story.contains("wordonlyinthebody"), "{story}");
    let acts = bed.vigil.say(&["acts"]);
    assert!(
        acts.contains("nobody wants it") && acts.contains(&id),
        "{acts}"
    );
    for (what, words) in [
        ("delete", "was deleted: its text is gone"),
        ("release", "was deleted: its text is gone"),
        ("show", "its bytes are not kept any more"),
    ] {
        refused(&bed, &["quarantine", what, &id], words);
    }
    let all = bed.vigil.json(&["quarantine", "list", "--all", "--json"]);
    let states: Vec<_> = all.iter().map(|item| &item["state"]).collect();
    assert_eq!(states, ["held", "deleted"]);
    bed.postfix.wait_until_empty(PATIENCE).unwrap();
    assert_eq!(bed.sink.count(), 0);
}

/// Puts a copy of a held message into the store as if it had come so many days ago; its id.
fn hold_since(bed: &Bed, like: &str, days: i64, to: &str) -> String {
    let record = bed.vigil.say(&["explain", like, "--json"]);
    let mut record: Record = serde_json::from_str(&record).unwrap();
    record.at = record.at.plus_secs(-days * 86_400);
    record.id = RecordId::random(record.at);
    let shown = bed.vigil.run(&["quarantine", "show", like, "--raw"]);
    let config = StoreConfig {
        database: Secret::new(format!(
            "sqlite:{}",
            data(bed).join("mailvigil.db").display()
        )),
        bodies: data(bed).join("quarantine"),
        audit_head: data(bed).join("audit-head"),
        quarantine_bytes_max: 1 << 30,
        facts_bytes_max: 1 << 20,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let kept = runtime.block_on(async {
        let store = Store::open(&config).await.unwrap();
        let to = [Address::new(to).unwrap()];
        store.hold(&record, shown.stdout.into(), &to).await.unwrap()
    });
    kept.id.to_string()
}

#[test]
fn a_message_nobody_decided_about_expires_after_its_days() {
    let bed = Bed::start(&Wish::default());
    send(&bed, &["bob@b.example"], tale("Undecided"));
    let fresh = held(&bed, 1);
    let said = bed.vigil.say(&["quarantine", "expire"]);
    assert!(said.contains("0 held messages expired"), "{said}");

    let young = hold_since(&bed, &fresh, 29, "eve@b.example");
    let old = hold_since(&bed, &fresh, 31, "joe@b.example");
    assert_eq!(bodies(&bed).len(), 3);
    let said = bed.vigil.say(&["quarantine", "expire"]);
    assert!(said.contains("1 held messages expired"), "{said}");
    let left: Vec<_> = bed.vigil.held();
    let left: Vec<_> = left
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(left, [fresh.as_str(), young.as_str()]);
    assert!(!bodies(&bed).iter().any(|body| body.ends_with(&old)));
    refused(&bed, &["quarantine", "release", &old], "has expired");
    let acts = bed.vigil.say(&["acts"]);
    assert!(acts.contains("nobody decided within 30 days"), "{acts}");

    // The days are policy.
    let policy = bed.vigil.say(&["policy", "export"]);
    bed.vigil
        .apply(&policy.replace("expire_days = 30", "expire_days = 7"));
    let said = bed.vigil.say(&["quarantine", "expire"]);
    assert!(said.contains("1 held messages expired"), "{said}");
    assert_eq!(held(&bed, 1), fresh);
}

#[test]
fn mail_may_be_held_in_the_mail_servers_own_queue() {
    let bed = Bed::start(&Wish::default());
    let policy = bed.vigil.say(&["policy", "export"]);
    bed.vigil
        .apply(&policy.replace("place = \"store\"", "place = \"server\""));
    send(&bed, &["bob@b.example"], tale("At the server"));
    send(&bed, &["bob@b.example"], ordinary("Not held"));
    bed.sink.wait_for(1, PATIENCE).unwrap();
    let queue = bed.postfix.queue().unwrap();
    assert_eq!(queue.len(), 1, "{queue:?}");
    assert_eq!(queue[0].queue_name, "hold");
    let record = &bed.vigil.records(&["--fate", "quarantined"], 1)[0];
    assert_eq!(record["envelope"]["queue_id"], queue[0].queue_id.as_str());
    assert!(record["note"].as_str().unwrap().contains("postsuper -H"));
    assert_eq!(bed.vigil.held().len(), 0);
    assert_eq!(bodies(&bed).len(), 0);

    // Let out there, it is delivered as it came.
    let done = std::process::Command::new("/usr/sbin/postsuper")
        .arg("-c")
        .arg(bed.postfix.config_dir())
        .args(["-H", &queue[0].queue_id])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    bed.postfix.flush().unwrap();
    let arrived = bed.sink.wait_for(2, PATIENCE).unwrap();
    assert_eq!(
        text(&arrived[1].without_headers(&["Received"])),
        tale("At the server")
    );
}

#[test]
fn forged_marks_come_off_however_they_are_spelled() {
    let bed = Bed::start(&Wish::default());
    bed.vigil
        .apply("[boundaries]\nsuspicious = 9000\ndangerous = 9999\n");
    let value = format!("01m847cdemyndyfkb6jg1qbmb9.{}", "ab".repeat(32));
    let spellings = [
        format!("Mailvigil-Release: {value}\r\n"),
        format!("MAILVIGIL-RELEASE: {value}\r\n"),
        format!("mailvigil-release:{value}\r\n"),
        format!("Mailvigil-Release:\r\n {value}\r\n"),
        format!("Mailvigil-Release : {value}\r\n"),
        "Mailvigil-Release:\r\n".to_owned(),
        format!("Mailvigil-Release: {value}\r\n").repeat(3),
        format!(
            "Mailvigil-Release: {value}\r\n{}Mailvigil-Release: {value}\r\n",
            "X-Filler: something\r\n".repeat(500)
        ),
    ];
    for (number, forged) in spellings.iter().enumerate() {
        let message = ordinary(&format!("Forged {number}"));
        send(&bed, &["bob@b.example"], format!("{forged}{message}"));
        let arrived = bed.sink.wait_for(number + 1, PATIENCE).unwrap();
        let arrived = arrived[number].without_headers(&["Received", "X-Filler"]);
        assert_eq!(text(&arrived), message, "{forged}");
    }
    let found = bed
        .vigil
        .records(&["--reason", "forged-release-mark"], spellings.len());
    assert_eq!(found.len(), spellings.len());
}
