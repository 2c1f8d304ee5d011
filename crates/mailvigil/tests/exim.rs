//! The service beside a real Exim, by the settings that `connect exim` prints.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use bed::{PATIENCE, Vigil, Wish, full_tale, ordinary, tale, text, wait_for};
use testkit::exim::Exim;
use testkit::free_port;
use testkit::sink::Sink;
use testkit::smtp::{Client, Mail, Told};

struct Beside {
    vigil: Vigil,
    exim: Exim,
    sink: Sink,
}

fn beside(obeyed: bool) -> Beside {
    let (spamd, submit_port) = (free_port(), free_port());
    let vigil = Vigil::start(&Wish {
        more: &format!("[scan]\nlisten = \"127.0.0.1:{spamd}\"\nobeyed = {obeyed}\n"),
        submit_port,
        ..Wish::default()
    });
    let printed = vigil.say(&["connect", "exim"]);
    let main = printed
        .lines()
        .find(|line| line.starts_with("spamd_address"))
        .unwrap();
    let (_, acl) = printed.split_once("mailvigil_data:\n").unwrap();
    let acl: Vec<&str> = acl
        .lines()
        .take_while(|line| !line.starts_with("  accept"))
        .collect();
    let sink = Sink::start().unwrap();
    let exim = Exim::start(sink.port(), main, &acl.join("\n")).unwrap();
    let file = vigil.service.folder().join("mailvigil.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let config = config.replace(
        &format!("127.0.0.1:{submit_port}"),
        &format!("127.0.0.1:{}", exim.port()),
    );
    std::fs::write(&file, config).unwrap();
    Beside { vigil, exim, sink }
}

fn send(port: u16, data: &str) -> Told {
    let mut client = Client::connect(port).unwrap();
    client.ehlo("mail.a.example").unwrap();
    client
        .send(&Mail::new(
            "sender@a.example",
            ["bob@b.example", "eve@b.example"],
            data,
        ))
        .unwrap()
}

const ADDED: [&str; 3] = ["Received", "Envelope-to", "Return-path"];

#[test]
fn exim_asks_and_obeys() {
    let beside = beside(true);
    let (vigil, exim) = (&beside.vigil, &beside.exim);
    let message = ordinary("The file");
    let told = send(exim.port(), &message);
    assert!(told.accepted(), "{told}\n{}", exim.log());
    let arrived = beside.sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(text(&arrived[0].without_headers(&ADDED)), message);
    let record = &vigil.records(&["--subject", "The file"], 1)[0];
    assert_eq!(record["envelope"]["helo_name"], "mail.a.example");
    assert_eq!(record["envelope"]["peer"]["ip"], "127.0.0.1");
    assert_eq!(record["envelope"]["envelope_from"], "sender@a.example");
    assert_eq!(
        record["envelope"]["recipients"].as_array().unwrap().len(),
        2
    );
    assert!(record["envelope"]["queue_id"].as_str().unwrap().len() > 10);

    // Held here, and released through the same Exim.
    assert!(
        send(exim.port(), &tale("A tale")).accepted(),
        "{}",
        exim.log()
    );
    let held = wait_for(|| Some(vigil.held()).filter(|held| !held.is_empty())).expect("it is held");
    let id = held[0]["id"].as_str().unwrap();
    vigil.say(&["quarantine", "release", id, "--reason", "wanted"]);
    let arrived = beside.sink.wait_for(2, PATIENCE).unwrap();
    let body = text(arrived[1].body());
    assert!(body.contains("wordonlyinthebody"), "{body}");
    assert_eq!(arrived[1].header("Mailvigil-Release"), None);

    let said = vigil.say(&[
        "connect",
        "exim",
        "--canary",
        "--canary-to",
        "bob@b.example",
        "--smtp",
        &format!("127.0.0.1:{}", exim.port()),
    ]);
    assert!(said.contains("Exim and Mailvigil are connected"), "{said}");

    // Deleted by policy: Exim takes it and nobody gets it.
    assert!(send(exim.port(), &full_tale("Millions")).accepted());
    vigil.records(&["--subject", "Millions", "--fate", "discarded"], 1);
    assert_eq!(beside.sink.count(), 2);
}

#[test]
fn without_an_answer_exim_puts_mail_off() {
    let Beside { vigil, exim, sink } = beside(false);
    // Advice: what would be held is delivered with a mark.
    assert!(send(exim.port(), &tale("A tale")).accepted());
    let arrived = sink.wait_for(1, PATIENCE).unwrap();
    assert!(
        arrived[0]
            .header("X-Mailvigil")
            .unwrap()
            .starts_with("suspicious, score=")
    );
    assert!(vigil.held().is_empty());
    let told = send(exim.port(), &full_tale("Millions"));
    assert!(told.last().is_permanent(), "{told}");
    drop(vigil);
    let told = send(exim.port(), &ordinary("Later"));
    assert!(told.last().is_temporary(), "{told}");
    exim.wait_for_log("Later", std::time::Duration::from_millis(1))
        .unwrap_err();
}
