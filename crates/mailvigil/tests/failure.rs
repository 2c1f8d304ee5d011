//! What becomes of mail when something of ours fails: killed, full, locked, away, stopped.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bed::{Bed, PATIENCE, Vigil, Wish, ordinary, tale, text, wait_for};
use testkit::postfix::Postfix;
use testkit::postgres::Postgres;
use testkit::smtp::{Client, Load, Mail, Peer, Told};

fn send(port: u16, data: &str) -> Told {
    let mut client = Client::connect_as(
        port,
        &Peer::at("192.0.2.10")
            .name("mail.a.example")
            .helo("mail.a.example"),
    )
    .unwrap();
    let told = client
        .send(&Mail::new("sender@a.example", ["bob@b.example"], data))
        .unwrap();
    let _ = client.quit();
    told
}

/// The id that the load puts into each message.
fn id_of(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    let line = text
        .lines()
        .find(|line| line.starts_with(testkit::smtp::ID_HEADER))
        .unwrap();
    line.split(": ").nth(1).unwrap().trim().to_owned()
}

#[test]
fn killed_twenty_times_under_load_it_loses_nothing_and_doubles_nothing() {
    // Bombs are not what is tested here: the load comes from one machine.
    let mut bed = Bed::start(&Wish::default());
    let policy = bed
        .vigil
        .say(&["policy", "export"])
        .replace("name = \"mail-bomb", "enabled = false\nname = \"mail-bomb")
        .replace(
            "name = \"mail-flood",
            "enabled = false\nname = \"mail-flood",
        );
    bed.vigil.apply(&policy);
    let load = Load::to(bed.postfix.port(), 600, |number| {
        let name = format!("load {number}");
        let message = if number % 3 == 0 {
            tale(&name)
        } else {
            ordinary(&name)
        };
        Mail::new("sender@a.example", ["bob@b.example"], message)
    });
    let load = load.connections(6).patience(Duration::from_mins(2));
    let over = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let sent = load.run();
            over.store(true, Ordering::SeqCst);
            sent
        });
        let mut kills = 0;
        let mut answered = 0;
        while kills < 20 {
            // Each kill comes after a little progress, so that it falls into work and not into the start.
            wait_for(|| (load.answered() > answered || over.load(Ordering::SeqCst)).then_some(()));
            std::thread::sleep(Duration::from_millis(5 + 7 * kills));
            answered = load.answered();
            bed.vigil.service.kill_hard().unwrap();
            bed.vigil.service.start_again().unwrap();
            kills += 1;
        }
        sending.join().unwrap()
    });
    let lost: Vec<_> = sent.iter().filter(|one| !one.accepted()).collect();
    assert!(lost.is_empty(), "never taken: {lost:?}");
    bed.postfix
        .wait_until_empty(Duration::from_mins(1))
        .unwrap();

    let mut places: HashMap<String, Vec<&str>> = HashMap::new();
    for message in bed.sink.messages() {
        places
            .entry(id_of(&message.data))
            .or_default()
            .push("delivered");
    }
    for item in bed.vigil.held() {
        let raw = bed
            .vigil
            .run(&["quarantine", "show", item["id"].as_str().unwrap(), "--raw"])
            .stdout;
        assert!(
            text(&raw).ends_with("wordonlyinthebody\r\n"),
            "a held message is not whole"
        );
        places.entry(id_of(&raw)).or_default().push("held");
    }
    for one in &sent {
        assert_eq!(
            places.get(&one.id).map(Vec::len),
            Some(1),
            "{}: {:?}",
            one.id,
            places.get(&one.id)
        );
    }
    assert_eq!(places.len(), sent.len());
    let tries: u32 = sent.iter().map(|one| one.tries).sum();
    println!("600 messages in {tries} tries through 20 kills");
}

/// A file system of its own, small enough to fill.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(folder.path())
            .output()
            .unwrap();
        if mount.status.success() {
            return Some(Self(folder));
        }
        println!(
            "skipped: no small disk can be mounted here: {}",
            text(&mount.stderr)
        );
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.0.path())
            .status();
    }
}

#[test]
fn a_full_disk_puts_mail_off_and_keeps_no_half() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let bed = Bed::start(&Wish {
        data: Some(disk.0.path().join("data")),
        ..Wish::default()
    });
    assert!(send(bed.postfix.port(), &tale("before")).accepted());
    let filler = disk.0.path().join("filler");
    // Fills the disk to its last byte.
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|written| written > 0) {}
    let told = send(bed.postfix.port(), &tale("full"));
    assert!(told.last().is_temporary(), "{told}");
    assert_eq!(
        bed.vigil.metric("mailvigil_failures_total{why=\"store\"}") as u32,
        1
    );
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    let after = wait_for(|| {
        send(bed.postfix.port(), &tale("full"))
            .accepted()
            .then_some(())
    });
    assert!(
        after.is_some(),
        "it does not recover: {}",
        bed.vigil.service.log()
    );
    let held = bed.vigil.held();
    let subjects: Vec<&str> = held
        .iter()
        .map(|item| item["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects, ["full", "before"]);
    for item in &held {
        assert!(
            !bed.vigil
                .run(&["quarantine", "show", item["id"].as_str().unwrap(), "--raw"])
                .stdout
                .is_empty()
        );
    }
    assert_eq!(bed.sink.count(), 0);
}

#[test]
fn a_full_disk_lets_mail_pass_when_the_operator_chose_so() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let bed = Bed::start(&Wish {
        data: Some(disk.0.path().join("data")),
        service: "on_failure = \"accept\"",
        ..Wish::default()
    });
    let mut file = std::fs::File::create(disk.0.path().join("filler")).unwrap();
    while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|written| written > 0) {}
    assert!(send(bed.postfix.port(), &tale("passes")).accepted());
    bed.sink.wait_for(1, PATIENCE).unwrap();
    assert!(bed.vigil.held().is_empty());
}

#[test]
fn a_locked_store_puts_held_mail_off_and_lets_ordinary_mail_flow() {
    let bed = Bed::start(&Wish::default());
    let file = bed.vigil.service.folder().join("data/mailvigil.db");
    let lock = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],isolation_level=None)\nc.execute('BEGIN EXCLUSIVE')\nprint('locked',flush=True)\nsys.stdin.read()\n";
    let mut locker = std::process::Command::new("python3")
        .args(["-c", lock])
        .arg(&file)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(locker.stdout.take().unwrap()),
        &mut line,
    )
    .unwrap();
    assert_eq!(line, "locked\n");

    let told = send(bed.postfix.port(), &tale("locked"));
    assert!(told.last().is_temporary(), "{told}");
    assert!(send(bed.postfix.port(), &ordinary("flows")).accepted());
    bed.sink.wait_for(1, PATIENCE).unwrap();
    drop(locker.stdin.take());
    locker.wait().unwrap();
    // What waited is written, and what was put off is taken at the next try.
    bed.vigil.records(&["--subject", "flows"], 1);
    assert!(send(bed.postfix.port(), &tale("locked")).accepted());
    assert_eq!(bed.vigil.held().len(), 1);
    bed.vigil.records(&["--fate", "failed"], 1);
}

#[test]
fn stopped_mail_passes_and_is_counted_after_the_restart() {
    let sink = testkit::sink::Sink::start().unwrap();
    // Postfix comes first here: the service is told where its log is.
    let milter_port = testkit::free_port();
    let postfix = Postfix::named("mx.example.org")
        .delivers_to(sink.port())
        .milters(&format!("inet:127.0.0.1:{milter_port}"))
        .milter_default_action("accept")
        .start()
        .unwrap();
    let log = postfix.log_path();
    let more = format!("[[mail_logs]]\npath = {log:?}\n");
    let mut vigil = start_at(milter_port, &more);

    assert!(send(postfix.port(), &ordinary("judged")).accepted());
    sink.wait_for(1, PATIENCE).unwrap();
    assert!(vigil.service.terminate(PATIENCE).unwrap().success());
    let mut passed = Vec::new();
    for number in 0..5 {
        let told = send(postfix.port(), &tale(&format!("unjudged {number}")));
        assert!(told.accepted(), "{told}");
        passed.push(told.last().text().rsplit(' ').next().unwrap().to_owned());
    }
    sink.wait_for(6, PATIENCE).unwrap();

    vigil.service.start_again().unwrap();
    assert!(send(postfix.port(), &tale("judged again")).accepted());
    let records = vigil.records(&["--fate", "unscanned"], 5);
    let mut found: Vec<&str> = records
        .iter()
        .map(|record| record["envelope"]["queue_id"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    passed.sort();
    assert_eq!(found, passed);
    assert_eq!(vigil.held().len(), 1);
    assert!(vigil.metric("mailvigil_unscanned_total") >= 5.0);
    // What was judged is not counted: the log is settled in its order, and what came later is counted.
    assert!(send(postfix.port(), &ordinary("last")).accepted());
    assert!(send(postfix.plain_port(), &ordinary("past us")).accepted());
    let records = vigil.records(&["--fate", "unscanned"], 6);
    let last = vigil.records(&["--subject", "last"], 1);
    let queue_id = |record: &serde_json::Value| record["envelope"]["queue_id"].clone();
    assert_eq!(records.len(), 6);
    assert!(
        records
            .iter()
            .all(|one| queue_id(one) != queue_id(&last[0]))
    );
}

/// Entries for a journal, as `journalctl --output=export` writes them.
fn entries(at_us: i64, messages: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for ((program, message), at) in messages.iter().zip(at_us..) {
        text.push_str(&format!(
            "__REALTIME_TIMESTAMP={at}\n__MONOTONIC_TIMESTAMP={at}\n_BOOT_ID=2c7a2a3a6d7c4a2f8f3d0a8a3a1c5b11\n_HOSTNAME=mx\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER={program}\nSYSLOG_PID=7\nMESSAGE={message}\n\n"
        ));
    }
    text
}

/// A real journal, written by systemd's own program.
fn write_journal(folder: &std::path::Path, entries: &str) {
    use std::io::Write as _;
    let mut child = std::process::Command::new("/lib/systemd/systemd-journal-remote")
        .arg("--output")
        .arg(folder.join("remote.journal"))
        .arg("-")
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(entries.as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_journal_is_read_as_a_file_is_and_goes_on_where_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let now_us = || engine::clock::now().0;
    let passed = |id: &str, at_us: i64| {
        let client = format!("{id}: client=there.example[192.0.2.7]");
        let queued = format!("{id}: from=<ann@there.example>, size=900, nrcpt=1 (queue active)");
        entries(
            at_us,
            &[("postfix/smtpd", &client), ("postfix/qmgr", &queued)],
        )
    };
    // What was there before we came is not ours to count.
    write_journal(folder.path(), &passed("4AAAAA", now_us() - 60_000_000));
    let more = format!("[[mail_logs]]\njournal = \"{}\"\n", folder.path().display());
    let mut vigil = Vigil::start(&Wish {
        more: &more,
        ..Wish::default()
    });
    let tried = entries(
        now_us(),
        &[(
            "postfix/submission/smtpd",
            "warning: unknown[203.0.113.9]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=ann@ours.example",
        )],
    );
    write_journal(folder.path(), &tried);
    write_journal(folder.path(), &passed("4BBBBB", now_us()));
    let records = vigil.records(&["--fate", "unscanned"], 1);
    assert_eq!(records[0]["envelope"]["queue_id"], "4BBBBB");
    let told = || vigil.metric("mailvigil_operations_total{door=\"log\",kind=\"login\"}");
    assert!(wait_for(|| (told() > 0.0).then_some(())).is_some());

    assert!(vigil.service.terminate(PATIENCE).unwrap().success());
    write_journal(folder.path(), &passed("4CCCCC", now_us()));
    vigil.service.start_again().unwrap();
    let records = vigil.records(&["--fate", "unscanned"], 2);
    let mut ids: Vec<&str> = records
        .iter()
        .map(|record| record["envelope"]["queue_id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["4BBBBB", "4CCCCC"]);
    let told = vigil.metric("mailvigil_operations_total{door=\"log\",kind=\"login\"}");
    assert!(told < 0.5, "what was told is not told again");
}

/// A service at a port Postfix knows already.
fn start_at(milter_port: u16, more: &str) -> Vigil {
    let mut vigil = Vigil::start(&Wish {
        more,
        ..Wish::default()
    });
    let file = vigil.service.folder().join("mailvigil.toml");
    let config = std::fs::read_to_string(&file).unwrap().replace(
        &format!("127.0.0.1:{}", vigil.milter_port),
        &format!("127.0.0.1:{milter_port}"),
    );
    std::fs::write(&file, config).unwrap();
    vigil.service.terminate(PATIENCE).unwrap();
    vigil.service.start_again().unwrap();
    vigil.milter_port = milter_port;
    vigil
}

#[test]
fn postgresql_keeps_as_well_and_its_absence_is_no_loss() {
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.fresh_database().unwrap();
    let more = format!("[store]\ndatabase = {url:?}\n");
    let bed = Bed::start(&Wish {
        more: &more,
        ..Wish::default()
    });
    assert!(send(bed.postfix.port(), &tale("kept")).accepted());
    let id = bed.vigil.held()[0]["id"].as_str().unwrap().to_owned();
    bed.vigil.say(&["quarantine", "release", &id]);
    bed.sink.wait_for(1, PATIENCE).unwrap();

    postgres.stop().unwrap();
    let told = send(bed.postfix.port(), &tale("away"));
    assert!(told.last().is_temporary(), "{told}");
    assert!(send(bed.postfix.port(), &ordinary("flows")).accepted());
    bed.sink.wait_for(2, PATIENCE).unwrap();
    postgres.start_again().unwrap();
    let back = wait_for(|| {
        send(bed.postfix.port(), &tale("back"))
            .accepted()
            .then_some(())
    });
    assert!(back.is_some(), "{}", bed.vigil.service.log());
    bed.vigil.records(&["--subject", "flows"], 1);
}

#[test]
fn a_message_in_hand_is_answered_before_the_end() {
    let mut bed = Bed::start(&Wish::default());
    let port = bed.postfix.port();
    let large = ordinary("in hand").replace(
        "Ann\r\n",
        &"a line of a long letter, again and again\r\n".repeat(400_000),
    );
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || send(port, &large));
        let busy = wait_for(|| (bed.vigil.metric("mailvigil_connections ") > 0.0).then_some(()));
        assert!(busy.is_some());
        let status = bed
            .vigil
            .service
            .terminate(Duration::from_secs(30))
            .unwrap();
        assert!(status.success(), "{status}");
        let told = sending.join().unwrap();
        assert!(told.accepted() || told.last().is_temporary(), "{told}");
    });
}

#[test]
fn too_long_and_too_late_is_answered_as_the_operator_chose() {
    let bed = Bed::start(&Wish {
        more: "[limits]\nmessage_bytes_max = 100000\n",
        ..Wish::default()
    });
    let told = send(
        bed.postfix.port(),
        &ordinary("long").replace("Ann\r\n", &"a line\r\n".repeat(20_000)),
    );
    assert!(
        told.last().is_temporary() && told.last().text().contains("cannot be checked"),
        "{told}"
    );
    let record = &bed.vigil.records(&["--fate", "failed"], 1)[0];
    assert!(
        record["note"]
            .as_str()
            .unwrap()
            .contains("message_bytes_max"),
        "{record}"
    );
    assert!(record["size_bytes"].as_u64().unwrap() > 100_000);
    assert!(send(bed.postfix.port(), &ordinary("short")).accepted());
}
