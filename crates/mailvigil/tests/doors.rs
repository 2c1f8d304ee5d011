//! The doors besides milter: real `spamc`, Rspamd's HTTP protocol, the proxy before and behind a real Postfix's queue, LMTP, and the same mail through all.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use bed::{PATIENCE, Vigil, Wish, full_tale, ordinary, send, stranger, tale, text, wait_for};
use mail::{Address, Limits};
use serde_json::Value;
use testkit::free_port;
use testkit::postfix::Postfix;
use testkit::sink::Sink;
use testkit::smtp::{Client, Mail};
use wire::milter::{Offer, Submission, Visit};

/// A service with scanning doors.
struct Scanner {
    vigil: Vigil,
    spamd: u16,
    http: u16,
}

fn scanner(more: &str) -> Scanner {
    let (spamd, http) = (free_port(), free_port());
    let more =
        format!("[scan]\nlisten = \"127.0.0.1:{spamd}\"\nhttp = \"127.0.0.1:{http}\"\n{more}");
    let vigil = Vigil::start(&Wish {
        more: &more,
        ..Wish::default()
    });
    Scanner { vigil, spamd, http }
}

fn spamc(port: u16, args: &[&str], message: &[u8]) -> Output {
    let mut child = Command::new("spamc")
        .args(["-d", "127.0.0.1", "-p", &port.to_string()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("spamc is installed by ./test");
    child.stdin.take().unwrap().write_all(message).unwrap();
    child.wait_with_output().unwrap()
}

fn http(port: u16, method: &str, path: &str, fields: &str, body: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = text(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (
        status,
        serde_json::from_str(body).unwrap_or(Value::String(body.to_owned())),
    )
}

#[test]
fn the_real_spamc_is_answered() {
    let scanner = scanner("");
    let port = scanner.spamd;
    let (good, bad) = (ordinary("Good day"), full_tale("A proposal"));

    let said = spamc(port, &["-c"], good.as_bytes());
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stdout));
    assert!(
        text(&said.stdout).ends_with("/5.0\n"),
        "{}",
        text(&said.stdout)
    );
    let said = spamc(port, &["-c"], bad.as_bytes());
    assert_eq!(said.status.code(), Some(1), "{}", text(&said.stdout));
    let said = text(&spamc(port, &["-y"], bad.as_bytes()).stdout);
    assert!(
        said.split(',')
            .any(|name| name.trim() == "advance-fee-tale"),
        "{said}"
    );
    let said = text(&spamc(port, &["-R"], bad.as_bytes()).stdout);
    assert!(said.contains("next of kin"), "{said}");
    assert_eq!(spamc(port, &["-r"], good.as_bytes()).stdout, b"");
    let said = text(&spamc(port, &["-r"], bad.as_bytes()).stdout);
    assert!(said.contains("next of kin"), "{said}");
    assert_eq!(spamc(port, &["-K"], b"").status.code(), Some(0));

    // The whole message comes back, changed by nothing but the field that says what was found.
    let back = text(&spamc(port, &[], tale("A tale").as_bytes()).stdout);
    let field = back.lines().find(|line| line.starts_with("X-Mailvigil"));
    let field = field.unwrap_or_else(|| panic!("no field: {back}"));
    assert_eq!(
        back.replace(&format!("{field}\r\n"), "")
            .replace(&format!("{field}\n"), ""),
        tale("A tale")
    );
    let header = text(&spamc(port, &["--headers"], tale("A tale").as_bytes()).stdout);
    assert!(header.contains("X-Mailvigil"), "{header}");

    // Nothing is held by advice.
    assert!(scanner.vigil.held().is_empty());
    let records = scanner.vigil.records(&["--subject", "A proposal"], 4);
    assert_eq!(records[0]["envelope"]["door"], "spamd");

    let taught = spamc(port, &["-L", "spam"], bad.as_bytes());
    assert!(
        text(&taught.stdout).contains("successfully"),
        "{}",
        text(&taught.stdout)
    );
    let acts = scanner.vigil.say(&["acts"]);
    assert!(acts.contains("teach"), "{acts}");
    // What never came past is learnt from what is brought, and by whom.
    let unknown = spamc(
        port,
        &["-L", "ham", "-u", "dora"],
        ordinary("Never seen").as_bytes(),
    );
    assert!(
        text(&unknown.stdout).contains("successfully"),
        "{}",
        text(&unknown.stdout)
    );
    let log = scanner.vigil.say(&["learn", "log", "--who", "dora"]);
    assert!(log.contains("wanted") && log.contains("reported"), "{log}");

    // What is no request is told so; the next one is served.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(
        said.starts_with("SPAMD/1.5 76 \"GET / HTTP/1.0\" is no request"),
        "{said}"
    );
    assert_eq!(spamc(port, &["-K"], b"").status.code(), Some(0));
}

#[test]
fn clients_of_rspamd_are_answered() {
    let scanner = scanner("");
    let port = scanner.http;
    let fields = "From: <sender@a.example>\r\nRcpt: bob@b.example\r\nRcpt: <eve@b.example>\r\nIP: 192.0.2.10\r\nHelo: mail.a.example\r\nHostname: mail.a.example\r\nQueue-Id: 4ABC\r\nMTA-Name: mx.example.org\r\nUser: \r\n";
    let (status, answer) = http(
        port,
        "POST",
        "/checkv2",
        fields,
        full_tale("A proposal").as_bytes(),
    );
    assert_eq!(
        (status, &answer["action"]),
        (200, &Value::from("reject")),
        "{answer:#}"
    );
    let symbol = &answer["symbols"]["advance-fee-tale"];
    assert_eq!(symbol["name"], "advance-fee-tale");
    assert!(symbol["score"].as_f64().unwrap() > 0.0 && symbol["description"].is_string());
    assert!(answer["score"].as_f64().unwrap() >= answer["required_score"].as_f64().unwrap());
    let record = &scanner.vigil.records(&["--subject", "A proposal"], 1)[0];
    assert_eq!(record["id"], answer["mailvigil"]["record"]);
    assert_eq!(record["envelope"]["queue_id"], "4ABC");
    assert_eq!(record["envelope"]["peer"]["ip"], "192.0.2.10");
    assert_eq!(
        record["envelope"]["recipients"].as_array().unwrap().len(),
        2
    );

    let (_, answer) = http(
        port,
        "POST",
        "/checkv2",
        fields,
        ordinary("Good day").as_bytes(),
    );
    assert_eq!(
        (&answer["action"], &answer["is_skipped"]),
        (&"no action".into(), &false.into())
    );
    let (_, answer) = http(port, "POST", "/checkv2", fields, tale("A tale").as_bytes());
    assert_eq!(answer["action"], "add header");

    let (status, answer) = http(port, "GET", "/symbols", "", b"");
    assert_eq!(status, 200);
    assert!(answer[0]["rules"].as_array().unwrap().len() >= 57);
    assert_eq!(
        http(port, "GET", "/ping", "", b"").1,
        Value::from("pong\r\n")
    );
    assert_eq!(
        http(
            port,
            "POST",
            "/learnspam",
            "",
            full_tale("A proposal").as_bytes()
        )
        .0,
        200
    );
    assert_eq!(
        http(
            port,
            "POST",
            "/learnham",
            "User: carl@b.example\r\n",
            ordinary("Never seen").as_bytes()
        )
        .0,
        200
    );
    let log = scanner.vigil.say(&["learn", "log", "--source", "door"]);
    assert!(
        log.contains("carl@b.example") && log.contains("scanning client"),
        "{log}"
    );

    let (status, answer) = http(port, "POST", "/checkv2", "File: /etc/passwd\r\n", b"");
    assert_eq!(status, 400, "{answer}");
    assert_eq!(http(port, "GET", "/checkv2", "", b"").0, 405);
    assert_eq!(
        http(port, "POST", "/checkv2", "Content-Encoding: zstd\r\n", b"x").0,
        415
    );
    assert!(scanner.vigil.held().is_empty());
}

#[test]
fn clients_that_obey_have_mail_held_here() {
    let scanner = scanner("obeyed = true\n");
    let fields = "From: sender@a.example\r\nRcpt: bob@b.example\r\nIP: 192.0.2.10\r\n";
    let (_, answer) = http(
        scanner.http,
        "POST",
        "/checkv2",
        fields,
        tale("A tale").as_bytes(),
    );
    assert_eq!(
        (&answer["action"], &answer["mailvigil"]["action"]),
        (&"discard".into(), &"quarantine".into())
    );
    let held = scanner.vigil.held();
    assert_eq!(
        (held.len(), &held[0]["id"]),
        (1, &answer["mailvigil"]["record"])
    );
}

#[test]
fn who_does_not_bring_the_secret_is_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "0123456789abcdef0123\n").unwrap();
    let scanner = scanner(&format!("secret_file = \"{}\"\n", file.display()));
    let mail = ordinary("Good day");
    assert_eq!(
        http(scanner.http, "POST", "/checkv2", "", mail.as_bytes()).0,
        401
    );
    let wrong = http(
        scanner.http,
        "POST",
        "/checkv2",
        "Password: 0123\r\n",
        mail.as_bytes(),
    );
    assert_eq!(wrong.0, 401);
    let right = "Password: 0123456789abcdef0123\r\n";
    assert_eq!(
        http(scanner.http, "POST", "/checkv2", right, mail.as_bytes()).0,
        200
    );
}

#[test]
fn by_tls_both_sides_show_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    testkit::certificates::write_to(folder.path()).unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let port = free_port();
    let vigil = Vigil::start(&Wish {
        more: &format!(
            "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nclients = \"{}\"\n[scan]\nlisten = \"tls:127.0.0.1:{port}\"\n",
            file("server.pem"),
            file("server.key"),
            file("ca.pem")
        ),
        ..Wish::default()
    });
    let ask = |who: &str| {
        let (key, certificate) = (file(&format!("{who}.key")), file(&format!("{who}.pem")));
        let args = [
            "-S",
            "--ssl-ca-file",
            &file("ca.pem"),
            "--ssl-cert",
            &certificate,
            "--ssl-key",
            &key,
            "-x",
            "-c",
        ];
        spamc(port, &args, full_tale("A proposal").as_bytes())
            .status
            .code()
    };
    assert_eq!(ask("client"), Some(1));
    assert_ne!(
        ask("stranger"),
        Some(1),
        "a certificate nobody we know has signed"
    );
    let plain = spamc(port, &["-x", "-c"], full_tale("A proposal").as_bytes());
    assert_ne!(plain.status.code(), Some(1));
    assert_eq!(vigil.records(&[], 1).len(), 1);
}

/// A service that mail goes through, with where it goes on.
fn proxy(next_hop: u16, submit_port: u16, more: &str) -> (Vigil, u16) {
    let port = free_port();
    (proxy_at(port, next_hop, submit_port, more), port)
}

/// The same at a port that Postfix knows already: told while it runs, it hands the first message to a process that does not know yet.
fn proxy_at(port: u16, next_hop: u16, submit_port: u16, more: &str) -> Vigil {
    let more = format!(
        "[[proxy]]\nlisten = \"127.0.0.1:{port}\"\nnext_hop = \"127.0.0.1:{next_hop}\"\n{more}"
    );
    Vigil::start(&Wish {
        more: &more,
        submit_port,
        ..Wish::default()
    })
}

const ADDED: [&str; 1] = ["Received"];

#[test]
fn mail_goes_through_before_postfix_queues_it() {
    let (sink, port) = (Sink::start().unwrap(), free_port());
    let postfix = Postfix::named("mx.example.org")
        .delivers_to(sink.port())
        .set("smtpd_proxy_filter", &format!("127.0.0.1:{port}"))
        .start()
        .unwrap();
    let vigil = proxy_at(port, postfix.reinjection_port(), postfix.port(), "");

    let message = ordinary("The file");
    let told = send(postfix.port(), &stranger(), &["bob@b.example"], &message);
    assert!(told.accepted(), "{told}");
    let arrived = sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(text(&arrived[0].without_headers(&ADDED)), message);
    let record = &vigil.records(&["--subject", "The file"], 1)[0];
    assert_eq!(record["envelope"]["door"], "proxy");
    assert_eq!(record["envelope"]["peer"]["ip"], "192.0.2.10");
    assert_eq!(record["envelope"]["peer"]["ptr_name"], "mail.a.example");
    assert_eq!(record["envelope"]["helo_name"], "mail.a.example");
    assert_eq!(record["envelope"]["server"], "mx.example.org");

    // What is held is held, and what is refused by policy is refused while its sender is still there.
    assert!(
        send(
            postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &tale("A tale")
        )
        .accepted()
    );
    let held = wait_for(|| Some(vigil.held()).filter(|held| !held.is_empty())).expect("it is held");
    let id = held[0]["id"].as_str().unwrap();
    vigil.say(&["quarantine", "release", id, "--reason", "wanted"]);
    let arrived = sink.wait_for(2, PATIENCE).unwrap();
    assert_eq!(text(&arrived[1].without_headers(&ADDED)), tale("A tale"));
    vigil.apply(&refusing());
    let told = send(
        postfix.port(),
        &stranger(),
        &["bob@b.example"],
        &full_tale("No"),
    );
    assert!(told.last().is_permanent(), "{told}");

    // Without us nothing is lost: the client is asked to come back.
    drop(vigil);
    let told = send(postfix.port(), &stranger(), &["bob@b.example"], &message);
    assert!(told.last().is_temporary(), "{told}");
    assert_eq!(sink.count(), 2);
}

#[test]
fn mail_goes_through_behind_postfix_queue() {
    let (sink, port) = (Sink::start().unwrap(), free_port());
    let postfix = Postfix::named("mx.example.org")
        .delivers_to(sink.port())
        .set("content_filter", &format!("smtp:[127.0.0.1]:{port}"))
        .start()
        .unwrap();
    let vigil = proxy_at(port, postfix.reinjection_port(), postfix.port(), "");
    let message = ordinary("The file");
    assert!(
        send(
            postfix.plain_port(),
            &stranger(),
            &["bob@b.example"],
            &message
        )
        .accepted()
    );
    let record = &vigil.records(&["--subject", "The file"], 1)[0];
    assert_eq!(
        (&record["envelope"]["door"], &record["fate"]),
        (&"proxy".into(), &"delivered".into())
    );
    assert!(
        send(
            postfix.plain_port(),
            &stranger(),
            &["bob@b.example"],
            &tale("A tale")
        )
        .accepted()
    );
    wait_for(|| Some(vigil.held()).filter(|held| !held.is_empty())).expect("it is held");
}

/// The shipped policy, with refusal for what is dangerous.
fn refusing() -> String {
    let policy = include_str!("../../judge/src/default-policy.toml");
    let changed = policy.replace("dangerous = \"discard\"", "dangerous = \"reject\"");
    assert_ne!(policy, changed);
    changed
}

fn hello(port: u16) -> Client {
    let mut client = Client::connect(port).unwrap();
    let offers = client.ehlo("relay.example").unwrap();
    assert!(offers.is_positive(), "{offers}");
    client
}

#[test]
fn nothing_is_taken_that_the_next_hop_does_not_take() {
    let sink = Sink::start().unwrap();
    let (vigil, port) = proxy(sink.port(), 1, "");
    let mut client = Client::connect(port).unwrap();
    let offers = client.ehlo("relay.example").unwrap().text();
    for offered in ["PIPELINING", "8BITMIME", "XFORWARD", "XCLIENT", "SIZE"] {
        assert!(offers.contains(offered), "{offers}");
    }
    for kept in ["CHUNKING", "STARTTLS", "AUTH"] {
        assert!(!offers.contains(kept), "{offers}");
    }

    sink.answer_recipients("eve@", "550 5.1.1 No such user");
    let mail = Mail::new(
        "a@a.example",
        ["bob@b.example", "eve@b.example"],
        ordinary("One of two").as_str(),
    );
    let told = client.send(&mail).unwrap();
    assert!(
        told.recipients[1].is_permanent() && told.recipients[0].is_positive(),
        "{told}"
    );
    assert!(told.last().is_positive(), "{told}");
    assert_eq!(
        sink.wait_for(1, PATIENCE).unwrap()[0].recipients,
        ["bob@b.example"]
    );

    sink.answer_messages("452 4.3.1 Disk full");
    let told = hello(port)
        .send(&Mail::new(
            "a@a.example",
            ["bob@b.example"],
            ordinary("Full").as_str(),
        ))
        .unwrap();
    assert_eq!(told.last().code, 452, "{told}");
    sink.answer_normally();

    // Smuggling: what another server may take for the end of a message is none, here and behind us.
    let mut smuggler = hello(port);
    for command in ["MAIL FROM:<a@a.example>", "RCPT TO:<bob@b.example>", "DATA"] {
        smuggler.command(command).unwrap();
    }
    let inner = "MAIL FROM:<x@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n";
    smuggler
        .raw(format!("{}x\n.\r\n{inner}", ordinary("outer")).as_bytes())
        .unwrap();
    assert!(smuggler.reply().unwrap().is_positive());
    let arrived = sink.wait_for(2, PATIENCE).unwrap();
    assert!(text(&arrived[1].data).contains("Subject: smuggled"));
    assert_eq!(sink.count(), 2);

    // Many commands at once are answered in order.
    let mut quick = hello(port);
    quick
        .raw(b"RSET\r\nNOOP\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n")
        .unwrap();
    let codes: Vec<u16> = (0..5).map(|_| quick.reply().unwrap().code).collect();
    assert_eq!(codes, [250, 250, 250, 250, 354]);
    quick.raw(b".\r\nRSET\r\nQUIT\r\n").unwrap();
    let codes: Vec<u16> = (0..3).map(|_| quick.reply().unwrap().code).collect();
    assert_eq!(codes, [250, 250, 221]);

    for (command, code) in [
        ("BDAT 5 LAST", 502),
        ("STARTTLS", 502),
        ("WHO", 502),
        ("MAIL FROM:a", 501),
        ("DATA", 503),
        ("RCPT TO:<a@b.example>", 503),
        ("MAIL FROM:<a@a.example> SIZE=99999999999", 552),
        ("XFORWARD SHOE=1", 501),
        ("VRFY bob", 252),
    ] {
        assert_eq!(
            hello(port).command(command).unwrap().code,
            code,
            "{command}"
        );
    }

    // A next hop that is gone: nobody is told that mail was taken.
    let mut waiting = hello(port);
    drop(sink);
    let told = waiting.send(&Mail::new(
        "a@a.example",
        ["bob@b.example"],
        ordinary("Gone").as_str(),
    ));
    assert!(told.map_or(true, |told| !told.accepted()));
    let refused = Client::connect(port);
    assert!(refused.map_or(true, |client| client.greeting().code == 421));
    drop(vigil);
}

#[test]
fn by_lmtp_each_recipient_has_its_own_outcome() {
    let sink = Sink::start().unwrap();
    let (vigil, port) = proxy(sink.port(), 1, "protocol = \"lmtp\"\n");
    let policy = include_str!("../../judge/src/default-policy.toml");
    vigil.apply(&format!("{policy}\n{PER_RECIPIENT}"));
    let mut client = Client::connect(port).unwrap();
    assert!(
        client.command("EHLO relay.example").unwrap().is_permanent(),
        "LMTP says LHLO"
    );
    assert!(client.command("LHLO relay.example").unwrap().is_positive());
    client.command("MAIL FROM:<a@a.example>").unwrap();
    for to in [
        "taken@b.example",
        "refused@b.example",
        "held@b.example",
        "later@b.example",
    ] {
        assert!(
            client
                .command(&format!("RCPT TO:<{to}>"))
                .unwrap()
                .is_positive()
        );
    }
    assert_eq!(client.command("DATA").unwrap().code, 354);
    client
        .raw(format!("{}.\r\n", ordinary("To four")).as_bytes())
        .unwrap();
    let codes: Vec<u16> = (0..4).map(|_| client.reply().unwrap().code).collect();
    assert_eq!(codes, [250, 550, 250, 451]);
    let arrived = sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(arrived[0].recipients, ["taken@b.example"]);
    let held = vigil.held();
    assert_eq!(held[0]["recipients"], serde_json::json!(["held@b.example"]));
}

const PER_RECIPIENT: &str = r#"
[[actions.for]]
recipients = ["refused@b.example"]
ordinary = "reject"

[[actions.for]]
recipients = ["held@b.example"]
ordinary = "quarantine"

[[actions.for]]
recipients = ["later@b.example"]
ordinary = "defer"
"#;

/// The same for every door: what the envelope says stands on top, for the one that is told nothing else.
fn with_trace(number: usize, mail: &[u8]) -> Vec<u8> {
    let mut raw = format!(
        "Return-Path: <{}>\r\nDelivered-To: {}\r\nReceived: from mail.a.example (mail.a.example [{}]) by mx.example.org with ESMTP id 4{number:04}; Mon, 23 Nov 2026 10:00:01 +0000\r\n",
        sender(number), recipient(number), ip(number)
    )
    .into_bytes();
    raw.extend_from_slice(mail);
    raw
}

fn sender(number: usize) -> String {
    format!("s{number}@a.example")
}

fn recipient(number: usize) -> String {
    format!("r{number}@b.example")
}

// Each from another machine, or counts per machine would speak.
fn ip(number: usize) -> String {
    format!("198.51.{}.{}", number / 200, number % 200 + 1)
}

/// Two hundred messages: real ones where a corpus is there.
fn two_hundred() -> Vec<Vec<u8>> {
    let plain = |raw: &[u8]| {
        let text = String::from_utf8_lossy(raw)
            .replace("\r\n", "\n")
            .replace('\n', "\r\n");
        let good = std::str::from_utf8(raw).is_ok()
            && !raw.contains(&0)
            && !text.replace("\r\n", "").contains('\r')
            && !text.starts_with("From ");
        good.then(|| text.into_bytes())
    };
    let mut all: Vec<Vec<u8>> = Vec::new();
    if let Some(folder) = std::env::var_os("MAILVIGIL_CORPUS").map(std::path::PathBuf::from) {
        let index = std::fs::read_to_string(folder.join("index.tsv")).unwrap();
        let paths: Vec<&str> = index
            .lines()
            .filter_map(|line| line.split('\t').nth(1))
            .collect();
        let step = (paths.len() / 200).max(1);
        let chosen = paths
            .iter()
            .step_by(step)
            .filter_map(|path| plain(&std::fs::read(folder.join(path)).unwrap()));
        all.extend(chosen.take(150));
    }
    for number in 0..200 - all.len() {
        let subject = format!("Number {number}");
        all.push(
            match number % 3 {
                0 => ordinary(&subject),
                1 => tale(&subject),
                _ => full_tale(&subject),
            }
            .into_bytes(),
        );
    }
    all.iter()
        .enumerate()
        .map(|(number, raw)| with_trace(number, raw))
        .collect()
}

fn by_milter(port: u16, mail: &[Vec<u8>]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let visit = |number: usize| Visit {
        ptr_name: Some("mail.a.example".to_owned()),
        ..Visit::stranger("mx.example.org", &ip(number), "mail.a.example")
    };
    let mut client = wire::milter::Client::new(Offer::POSTFIX, visit(0), &Limits::default());
    for (number, raw) in mail.iter().enumerate() {
        client.next_visit(visit(number));
        let submission = Submission {
            queue_id: format!("4{number:04}"),
            envelope_from: Address::new(&sender(number)),
            mail_args: Vec::new(),
            recipients: Address::new(&recipient(number)).into_iter().collect(),
            raw: raw.clone(),
        };
        let mut reply = client.submit(submission).unwrap();
        let mut buffer = [0; 16 << 10];
        while reply.is_none() {
            stream.write_all(&client.take_output()).unwrap();
            let read = stream.read(&mut buffer).unwrap();
            reply = client.feed(&buffer[..read]).unwrap();
        }
    }
}

fn by_proxy(port: u16, mail: &[Vec<u8>], lmtp: bool) {
    let mut client = Client::connect(port).unwrap();
    for (number, raw) in mail.iter().enumerate() {
        let hello = if lmtp { "LHLO" } else { "EHLO" };
        client.command(&format!("{hello} mx.example.org")).unwrap();
        client
            .command(&format!(
                "XFORWARD NAME=mail.a.example ADDR={} HELO=mail.a.example IDENT=4{number:04}",
                ip(number)
            ))
            .unwrap();
        client
            .command(&format!("MAIL FROM:<{}>", sender(number)))
            .unwrap();
        assert!(
            client
                .command(&format!("RCPT TO:<{}>", recipient(number)))
                .unwrap()
                .is_positive()
        );
        assert_eq!(client.command("DATA").unwrap().code, 354);
        client.raw(&wire::smtp::dot_stuffed(raw)).unwrap();
        assert!(client.reply().unwrap().is_positive());
    }
}

fn by_http(port: u16, mail: &[Vec<u8>]) {
    for (number, raw) in mail.iter().enumerate() {
        let fields = format!(
            "From: <{}>\r\nRcpt: <{}>\r\nIP: {}\r\nHelo: mail.a.example\r\nHostname: mail.a.example\r\nMTA-Name: mx.example.org\r\nQueue-Id: 4{number:04}\r\n",
            sender(number),
            recipient(number),
            ip(number)
        );
        assert_eq!(http(port, "POST", "/checkv2", &fields, raw).0, 200);
    }
}

fn by_spamd(port: u16, mail: &[Vec<u8>], exim: bool) {
    for (number, raw) in mail.iter().enumerate() {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = if exim {
            format!(
                "CHECK RSPAMC/1.3\r\nContent-length: {}\r\nQueue-Id: 4{number:04}\r\nFrom: <{}>\r\nRecipient-Number: 1\r\nRcpt: <{}>\r\nHelo: mail.a.example\r\nHostname: mail.a.example\r\nIP: {}\r\n\r\n",
                raw.len(),
                sender(number),
                recipient(number),
                ip(number)
            )
        } else {
            format!("CHECK SPAMC/1.5\r\nContent-length: {}\r\n\r\n", raw.len())
        };
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(raw).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.contains("0 EX_OK"), "{said}");
    }
}

/// What is said of each message, by its recipient: digest and verdict, without what differs from run to run.
fn verdicts(vigil: &Vigil, count: usize) -> std::collections::BTreeMap<String, (Value, Value)> {
    let records = vigil.records(&[], count);
    assert_eq!(records.len(), count);
    let told = |record: &Value| {
        let mut verdict = record["verdict"].clone();
        // A summary of what is not held quotes nothing; of what is, a door that holds nothing has no copy.
        for reason in verdict["reasons"].as_array_mut().unwrap() {
            for evidence in reason["evidence"].as_array_mut().unwrap() {
                evidence.as_object_mut().unwrap().remove("quote");
            }
        }
        let to = record["envelope"]["recipients"][0]
            .as_str()
            .unwrap()
            .to_owned();
        (to, (record["digest"].clone(), verdict))
    };
    records.iter().map(told).collect()
}

#[test]
fn the_same_mail_through_every_door_is_judged_alike() {
    let mail = two_hundred();
    let through = |play: &dyn Fn(&Doors)| {
        let doors = Doors::open();
        play(&doors);
        verdicts(&doors.vigil, mail.len())
    };
    let milter = through(&|doors| by_milter(doors.vigil.milter_port, &mail));
    let levels = |level: &str| {
        milter
            .values()
            .filter(|(_, verdict)| verdict["level"] == level)
            .count()
    };
    assert!(levels("ordinary") > 20 && levels("suspicious") > 10 && levels("dangerous") > 10);
    let others = [
        (
            "proxy by SMTP",
            through(&|doors| by_proxy(doors.smtp, &mail, false)),
        ),
        (
            "proxy by LMTP",
            through(&|doors| by_proxy(doors.lmtp, &mail, true)),
        ),
        ("/checkv2", through(&|doors| by_http(doors.http, &mail))),
        (
            "spamc",
            through(&|doors| by_spamd(doors.spamd, &mail, false)),
        ),
        ("Exim", through(&|doors| by_spamd(doors.spamd, &mail, true))),
    ];
    for (door, said) in others {
        for (to, expected) in &milter {
            assert_eq!(said.get(to), Some(expected), "{door}, {to}");
        }
    }
}

/// A service with every door.
struct Doors {
    vigil: Vigil,
    smtp: u16,
    lmtp: u16,
    http: u16,
    spamd: u16,
    _sink: Sink,
}

impl Doors {
    fn open() -> Self {
        let sink = Sink::start().unwrap();
        let (smtp, lmtp, http, spamd) = (free_port(), free_port(), free_port(), free_port());
        let hop = sink.port();
        let more = format!(
            "[scan]\nlisten = \"127.0.0.1:{spamd}\"\nhttp = \"127.0.0.1:{http}\"\n\
             [[proxy]]\nlisten = \"127.0.0.1:{smtp}\"\nnext_hop = \"127.0.0.1:{hop}\"\n\
             [[proxy]]\nlisten = \"127.0.0.1:{lmtp}\"\nprotocol = \"lmtp\"\nnext_hop = \"127.0.0.1:{hop}\"\n"
        );
        let vigil = Vigil::start(&Wish {
            more: &more,
            ..Wish::default()
        });
        Self {
            vigil,
            smtp,
            lmtp,
            http,
            spamd,
            _sink: sink,
        }
    }
}
