//! What real servers tell and write of users and strangers, and what is made of it: rules made by ManageSieve, broken sessions, mail that programs
//! hand in, a list that goes on writing to somebody who left.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use bed::{PATIENCE, Vigil, Wish, ordinary, send, text, wait_for};
use testkit::dovecot::{Dovecot, Setup};
use testkit::free_port;
use testkit::postfix::Postfix;
use testkit::sink::Sink;
use testkit::smtp::Peer;

const SECRET: &str = "a-secret-of-the-tests-1234";

/// Has the watch act, from the first operation on.
fn enforce(vigil: &Vigil) {
    let file = vigil.service.folder().join("watch.toml");
    std::fs::write(&file, "mode = \"enforce\"\nobserve_days = 0\n").unwrap();
    vigil.say(&["watch", "apply", file.to_str().unwrap(), "-m", "test"]);
}

/// Waits until a detector has told, of somebody whose name or address is in what it told.
fn told(vigil: &Vigil, detector: &str, whom: &str) -> serde_json::Value {
    let found = wait_for(|| {
        let all = vigil.json(&["detections", "--detector", detector, "--json"]);
        all.into_iter().find(|one| one.to_string().contains(whom))
    });
    found.unwrap_or_else(|| {
        panic!(
            "{detector} told nothing of {whom}: {:#?}\n{}",
            vigil.json(&["detections", "--json"]),
            vigil.service.log()
        )
    })
}

/// What is known of an account or an address; nothing at first.
fn shown(vigil: &Vigil, what: &str, whom: &str) -> String {
    text(&vigil.run(&[what, "show", whom]).stdout)
}

/// A ManageSieve client that says lines and waits for `OK`.
struct Sieve(TcpStream);

impl Sieve {
    fn connect(port: u16, user: &str, password: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut sieve = Self(stream);
        sieve.answer();
        let login = data_encoding::BASE64.encode(format!("\0{user}\0{password}").as_bytes());
        sieve.say(&format!("AUTHENTICATE \"PLAIN\" \"{login}\""));
        sieve
    }

    fn say(&mut self, command: &str) {
        self.0
            .write_all(format!("{command}\r\n").as_bytes())
            .unwrap();
        self.answer();
    }

    fn answer(&mut self) {
        let mut said = String::new();
        let mut bytes = [0; 4096];
        while !said.lines().any(|line| line.starts_with("OK")) {
            let read = self.0.read(&mut bytes).unwrap();
            assert!(read > 0 && !said.contains("\nNO"), "{said}");
            said.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }
}

/// A Dovecot that speaks ManageSieve, and carries rules out when mail is delivered.
fn dovecot_with_sieve(told_at: u16, sieve: u16, sink: u16) -> Dovecot {
    let settings = format!(
        "protocols = imap pop3 sieve\nsubmission_host = 127.0.0.1:{sink}\n\
         service managesieve-login {{\n  inet_listener sieve {{\n    port = {sieve}\n  }}\n}}\n\
         protocol lda {{\n  mail_plugins = sieve\n}}\n\
         plugin {{\n  sieve = file:~/sieve;active=~/.dovecot.sieve\n}}\n\
         metric managesieve_commands {{\n  filter = event=managesieve_command_finished\n  exporter = vigil\n}}\n\
         metric sieve_actions {{\n  filter = event=sieve_action_finished\n  exporter = vigil\n}}\n"
    );
    Setup::default()
        .account("ann", "pw-ann")
        .policy(told_at, SECRET)
        .set(&settings)
        .start()
        .unwrap()
}

#[test]
fn a_rule_made_by_managesieve_is_told_when_it_is_made_and_when_it_sends_mail_on() {
    let (port, sieve) = (free_port(), free_port());
    let sink = Sink::start().unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SECRET).unwrap();
    let vigil = Vigil::start(&Wish {
        more: &format!(
            "[site]\nlocal_domains = [\"ours.example\"]\n[watch]\nhttp = [\"127.0.0.1:{port}\"]\nsecret_file = \"{}\"\ndomain = \"ours.example\"\n",
            secret.path().display()
        ),
        ..Wish::default()
    });
    let dovecot = dovecot_with_sieve(port, sieve, sink.port());
    let mut client = Sieve::connect(sieve, "ann", "pw-ann");
    let script = "require \"copy\";\r\nredirect :copy \"thief@elsewhere.example\";\r\n";
    client.say(&format!(
        "PUTSCRIPT \"more\" {{{}+}}\r\n{script}",
        script.len()
    ));
    client.say("SETACTIVE \"more\"");
    let known = wait_for(|| {
        let shown = shown(&vigil, "account", "ann");
        let changed = shown.contains("folders or rules were changed");
        (changed && shown.contains("manage-sieve: logged in")).then_some(())
    });
    assert!(
        known.is_some(),
        "{}\n{}",
        shown(&vigil, "account", "ann"),
        dovecot.log()
    );
    // The first message that comes is sent on.
    let mut delivery = Command::new("/usr/lib/dovecot/dovecot-lda")
        .arg("-c")
        .arg(dovecot.config_file())
        .args(["-d", "ann", "-f", "bob@a.example", "-e"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = delivery.stdin.take().unwrap();
    input.write_all(ordinary("Sent on").as_bytes()).unwrap();
    drop(input);
    let done = delivery.wait_with_output().unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        text(&done.stderr),
        dovecot.log()
    );
    sink.wait_for(1, PATIENCE).unwrap();
    let forward = told(&vigil, "mbx.rule_fwd", "ann@ours.example");
    assert!(forward.to_string().contains("mbx.rule_fwd"));
    let shown = vigil.say(&["account", "show", "ann"]);
    assert!(
        shown.contains("thief@elsewhere.example, elsewhere"),
        "{shown}"
    );
}

/// A real Postfix and a real Dovecot whose logs are read.
struct Logs {
    vigil: Vigil,
    postfix: Postfix,
    sink: Sink,
    dovecot: Dovecot,
}

impl Logs {
    fn start() -> Self {
        let sink = Sink::start().unwrap();
        let postfix = Postfix::named("mx.b.example")
            .delivers_to(sink.port())
            .set("smtpd_forbidden_commands", "CONNECT GET POST")
            .set("smtpd_hard_error_limit", "3")
            .set("smtpd_error_sleep_time", "0")
            .set(
                "smtpd_recipient_restrictions",
                "check_recipient_access regexp:{{/^(gone|name[0-9]+)@/ 550 5.1.1 User unknown}}, permit",
            )
            .start()
            .unwrap();
        let dovecot = Setup::default().account("ann", "pw-ann").start().unwrap();
        let vigil = Vigil::start(&Wish {
            more: &format!(
                "[site]\nlocal_domains = [\"b.example\"]\n[watch]\ndomain = \"b.example\"\n[[mail_logs]]\npath = \"{}\"\n[[mail_logs]]\npath = \"{}\"\n",
                postfix.log_path().display(),
                dovecot.log_path().display()
            ),
            ..Wish::default()
        });
        enforce(&vigil);
        // A log is followed from where it ends when it is seen first.
        std::thread::sleep(Duration::from_secs(2));
        Self {
            vigil,
            postfix,
            sink,
            dovecot,
        }
    }

    /// Says something to a port from an address of loopback, and hears until the other side closes.
    fn babble(from: &str, port: u16, lines: &str) -> String {
        let code = format!(
            "import socket\ns=socket.create_connection(('127.0.0.1',{port}),timeout=10,source_address=('{from}',0))\ns.recv(1000)\ns.sendall(b'{lines}')\nout=b''\ntry:\n while True:\n  d=s.recv(1000)\n  if not d: break\n  out+=d\nexcept OSError: pass\nprint(out.decode(errors='replace'))"
        );
        let output = Command::new("/usr/bin/python3")
            .args(["-c", &code])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }
}

#[test]
fn sessions_that_break_the_protocol_are_read_from_real_logs() {
    let logs = Logs::start();
    let smtp = logs.postfix.plain_port();
    // Another protocol, once.
    Logs::babble("127.9.0.1", smtp, "GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n");
    told(&logs.vigil, "px.foreign", "127.9.0.1");
    // Too many wrong commands, three times.
    for _ in 0..3 {
        Logs::babble(
            "127.9.0.2",
            smtp,
            "EHLO x\\r\\nFOO\\r\\nBAR\\r\\nBAZ\\r\\nFOO\\r\\n",
        );
    }
    told(&logs.vigil, "px.malformed", "127.9.0.2");
    for _ in 0..3 {
        Logs::babble(
            "127.9.0.3",
            logs.dovecot.imap_port(),
            "GET / HTTP/1.1\\r\\na b\\r\\nc d\\r\\ne f\\r\\n",
        );
    }
    told(&logs.vigil, "px.malformed", "127.9.0.3");
    // Coming and going is only weighed.
    for _ in 0..31 {
        drop(Logs::babble("127.9.0.4", smtp, "QUIT\\r\\n"));
        drop(Logs::babble(
            "127.9.0.4",
            logs.dovecot.imap_port(),
            "a LOGOUT\\r\\n",
        ));
    }
    let loiters = told(&logs.vigil, "auth.noattempt", "127.9.0.4");
    assert_eq!(loiters["acts"], false, "{loiters}");
    // Loopback always gets in, so nothing is decided about it; what is told stands on the page of the address.
    let shown = logs.vigil.say(&["ip", "show", "127.9.0.1"]);
    assert!(shown.contains("spoke another protocol"), "{shown}");
}

#[test]
fn mail_that_a_program_hands_in_is_counted_by_its_user() {
    let logs = Logs::start();
    for number in 0..4 {
        let recipients: Vec<String> = (0..30)
            .map(|one| format!("reader{number}x{one}@elsewhere.example"))
            .collect();
        let mut sendmail = Command::new("/usr/sbin/sendmail")
            .arg("-C")
            .arg(logs.postfix.config_dir())
            .args(["-f", "web@b.example"])
            .args(&recipients)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = sendmail.stdin.take().unwrap();
        input.write_all(ordinary("A web form").as_bytes()).unwrap();
        drop(input);
        let done = sendmail.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
    logs.postfix.wait_until_empty(PATIENCE).unwrap();
    assert!(logs.sink.count() >= 4);
    let script = told(&logs.vigil, "out.script", "uid0@localhost");
    assert_eq!(script["acts"], true, "{script}");
    let shown = logs.vigil.say(&["account", "show", "uid0@localhost"]);
    assert!(shown.contains("sent"), "{shown}");
}

/// A mailing list does not look at what comes back.
#[test]
fn a_list_that_writes_to_somebody_who_left_is_not_blocked() {
    let logs = Logs::start();
    let list = Peer::at("192.0.2.80")
        .name("lists.a.example")
        .helo("lists.a.example");
    for number in 0..60 {
        let told = send(
            logs.postfix.port(),
            &list,
            &["gone@b.example"],
            &ordinary(&format!("News {number}")),
        );
        assert!(!told.accepted());
    }
    // It is read, and all of it told.
    let read = wait_for(|| {
        let probes = "mailvigil_operations_total{door=\"log\",kind=\"probe\"} ";
        (logs.vigil.metric(probes) as u32 == 60).then_some(())
    });
    assert!(read.is_some(), "{}", logs.vigil.metrics());
    let known = wait_for(|| {
        let known = shown(&logs.vigil, "ip", "192.0.2.80");
        known
            .contains("gone@b.example, which there is not")
            .then_some(())
    });
    assert!(
        known.is_some(),
        "{}",
        shown(&logs.vigil, "ip", "192.0.2.80")
    );
    let decided = logs.vigil.json(&["decisions", "list", "--json", "--all"]);
    assert!(decided.is_empty(), "{decided:?}");
    let message = ordinary("News for Bob");
    assert!(send(logs.postfix.port(), &list, &["bob@b.example"], &message).accepted());
    // Somebody who asks for sixty different ones is.
    let harvester = Peer::at("192.0.2.81").helo("x.example");
    for number in 0..60 {
        let whom = format!("name{number}@b.example");
        let told = send(
            logs.postfix.port(),
            &harvester,
            &[whom.as_str()],
            &ordinary("Hello"),
        );
        assert!(!told.accepted());
    }
    told(&logs.vigil, "in.harvest", "192.0.2.81");
    let decided = wait_for(|| {
        let decided = logs.vigil.json(&["decisions", "list", "--json"]);
        (!decided.is_empty()).then_some(decided)
    });
    assert!(
        decided.is_some_and(|all| all.iter().all(|one| one.to_string().contains("192.0.2.81")))
    );
}
