//! That the kit's Postfix is what its users take it for.

use std::time::{Duration, Instant};

use rustix::process::test_kill_process;

use super::Postfix;
use crate::process::{Program, Ready};
use crate::sink::Sink;
use crate::smtp::{Client, ID_HEADER, Load, Mail, Peer, Sent};

const SECONDS: Duration = Duration::from_secs(20);

fn greeted(port: u16) -> Client {
    let mut client = Client::connect(port).expect("connects");
    client.ehlo("client.example.org").expect("greets");
    client
}

#[test]
fn starts_quickly_stops_and_leaves_nothing() {
    let began = Instant::now();
    let mut postfix = Postfix::named("mx.example.net").start().expect("starts");
    let took = began.elapsed();
    eprintln!("started in {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(
        greeted(postfix.port())
            .greeting()
            .text()
            .contains("mx.example.net")
    );
    assert_eq!(postfix.queue().expect("a listing"), []);
    postfix.stop().expect("stops");
    assert!(Client::connect(postfix.port()).is_err());
    postfix.start_again().expect("starts again");
    let master = postfix.running.as_ref().expect("runs").master;
    let folder = postfix.folder.path().to_owned();
    drop(postfix);
    assert!(test_kill_process(master).is_err());
    assert!(!folder.exists());
}

#[test]
fn mail_goes_through_each_port_unchanged_but_for_received() {
    let sink = Sink::start().expect("starts");
    let postfix = Postfix::named("mx.example.net")
        .delivers_to(sink.port())
        .start()
        .expect("starts");
    let long_line = "x".repeat(5000);
    let text = format!(
        "From: Ann <ann@example.org>\r\nSubject: =?utf-8?B?w6Q=?=\r\n folded\r\nX-Odd:no space\r\n\
         \r\n.dot\r\n..\r\n \r\n{long_line}\r\ngr\u{fc}n \u{597d}\r\n\r\n\r\n"
    );
    let ports = [
        postfix.port(),
        postfix.plain_port(),
        postfix.reinjection_port(),
    ];
    for (number, port) in ports.into_iter().enumerate() {
        let mail = Mail::new(
            "ann@example.org",
            ["bob@example.net", "carol@example.com"],
            text.as_str(),
        )
        .mail_parameters("BODY=8BITMIME");
        let told = greeted(port).send(&mail).expect("a dialogue");
        assert!(told.accepted(), "{told}");
        let messages = sink.wait_for(number + 1, SECONDS).expect("arrives");
        let arrived = &messages[number];
        assert_eq!(arrived.envelope_from, "ann@example.org");
        // Postfix sorts recipients by their domains.
        assert_eq!(arrived.recipients, ["carol@example.com", "bob@example.net"]);
        let without = arrived.without_headers(&["Received"]);
        assert_eq!(String::from_utf8_lossy(&without), text, "port {number}");
        assert_eq!(arrived.headers("Received").len(), 1);
    }
    postfix.wait_until_empty(SECONDS).expect("all delivered");
}

#[test]
fn thirty_megabytes_go_through() {
    let sink = Sink::start().expect("starts");
    let postfix = Postfix::named("mx.example.net")
        .delivers_to(sink.port())
        .start()
        .expect("starts");
    let mut text = b"Subject: big\r\n\r\n".to_vec();
    while text.len() < 30 << 20 {
        text.extend_from_slice(
            b".all work and no play makes a dull line of seventy bytes .....\r\n",
        );
    }
    let mail = Mail::new("ann@example.org", ["bob@example.net"], text);
    assert!(
        greeted(postfix.port())
            .send(&mail)
            .expect("a dialogue")
            .accepted()
    );
    let messages = sink.wait_for(1, Duration::from_mins(1)).expect("arrives");
    assert!(
        messages[0].without_headers(&["Received"]) == mail.data,
        "bytes changed on the way"
    );
}

#[test]
fn a_loopback_client_can_play_any_peer() {
    let sink = Sink::start().expect("starts");
    let postfix = Postfix::named("mx.example.net")
        .delivers_to(sink.port())
        .start()
        .expect("starts");
    let peers = [
        (
            Peer::at("192.0.2.7")
                .name("mail.example.org")
                .helo("helo.example.org"),
            "192.0.2.7",
        ),
        (Peer::at("2001:db8::7"), "IPv6:2001:db8::7"),
    ];
    for (number, (peer, shown)) in peers.iter().enumerate() {
        let mut client = Client::connect_as(postfix.port(), peer).expect("plays");
        let mail = Mail::new(
            "ann@example.org",
            ["bob@example.net"],
            "Subject: peer\r\n\r\n",
        );
        assert!(client.send(&mail).expect("a dialogue").accepted());
        let messages = sink.wait_for(number + 1, SECONDS).expect("arrives");
        let received = messages[number].header("Received").expect("a trace");
        assert!(received.contains(shown), "{received}");
    }
    let told = Client::connect_as(postfix.reinjection_port(), &peers[0].0);
    assert!(told.is_err(), "mail handed back comes from loopback alone");
    postfix
        .wait_for_log("client=mail.example.org[192.0.2.7]", SECONDS)
        .expect("logged");
}

#[test]
fn relaying_is_refused_when_asked_for() {
    let sink = Sink::start().expect("starts");
    let postfix = Postfix::named("mx.example.net")
        .delivers_to(sink.port())
        .relay_domains("example.net")
        .mynetworks("127.0.0.2/32")
        .refuses_relay()
        .start()
        .expect("starts");
    let mail = Mail::new(
        "ann@example.org",
        ["bob@example.net", "eve@example.com"],
        "",
    );
    let told = greeted(postfix.port()).send(&mail).expect("a dialogue");
    let codes: Vec<u16> = told.recipients.iter().map(|reply| reply.code).collect();
    assert_eq!(codes, [250, 554], "{told}");
}

#[test]
fn deferred_mail_waits_in_the_queue_and_comes_soon() {
    let sink = Sink::start().expect("starts");
    sink.answer_recipients("bob@", "450 4.2.1 mailbox busy");
    let mut postfix = Postfix::named("mx.example.net")
        .delivers_to(sink.port())
        .start()
        .expect("starts");
    let mail = Mail::new("", ["bob@example.net"], "Subject: later\r\n\r\n");
    assert!(
        greeted(postfix.port())
            .send(&mail)
            .expect("a dialogue")
            .accepted()
    );
    postfix
        .wait_for_log("status=deferred", SECONDS)
        .expect("deferred");
    let queue = postfix.queue().expect("a listing");
    assert_eq!(queue.len(), 1, "{queue:?}");
    assert_eq!(queue[0].envelope_from, "");
    assert_eq!(queue[0].recipients[0].0, "bob@example.net");
    assert!(
        queue[0].recipients[0]
            .1
            .as_ref()
            .is_some_and(|why| why.contains("mailbox busy"))
    );

    postfix.stop().expect("stops");
    postfix.start_again().expect("starts again");
    sink.answer_normally();
    postfix.flush().expect("tries now");
    sink.wait_for(1, SECONDS).expect("arrives at last");
    postfix.wait_until_empty(SECONDS).expect("nothing is left");
}

#[test]
fn a_setting_that_smtpd_cannot_live_with_fails_the_start_with_the_log() {
    let error = Postfix::named("mx.example.net")
        .set("smtpd_relay_restrictions", "permit")
        .start();
    let text = format!("{:#}", error.expect_err("smtpd dies at once"));
    assert!(
        text.contains("specify at least one working instance"),
        "{text}"
    );
}

#[test]
fn a_milter_that_is_away_matters_on_its_own_port_only() {
    let sink = Sink::start().expect("starts");
    let nobody = format!("inet:127.0.0.1:{}", crate::free_port());
    let postfix = Postfix::named("mx.example.net")
        .delivers_to(sink.port())
        .milters(&nobody)
        .milter_timeouts(
            Duration::from_secs(2),
            Duration::from_secs(3),
            Duration::from_secs(4),
        )
        .start()
        .expect("starts");
    let mail = Mail::new(
        "ann@example.org",
        ["bob@example.net"],
        "Subject: judged?\r\n\r\n",
    );
    let told = greeted(postfix.port()).send(&mail).expect("a dialogue");
    assert_eq!(told.last().code, 451, "{told}");
    assert!(
        greeted(postfix.plain_port())
            .send(&mail)
            .expect("a dialogue")
            .accepted()
    );

    postfix
        .change("milter_default_action", "accept")
        .expect("reloads");
    let end = Instant::now() + SECONDS;
    while !greeted(postfix.port())
        .send(&mail)
        .expect("a dialogue")
        .accepted()
    {
        assert!(
            Instant::now() < end,
            "a reload is seen by new connections:\n{}",
            postfix.log()
        );
    }
    let content = Program::new("/usr/sbin/postconf").expect("a folder");
    let content = content
        .args(["-c".as_ref(), postfix.config_dir().as_os_str()])
        .args(["-h", "milter_content_timeout"])
        .ready_when(Ready::Line("4s".to_owned()))
        .start();
    content.expect("the timeout is set");
}

#[test]
fn two_instances_run_side_by_side_under_load() {
    let sink = Sink::start().expect("starts");
    let postfixes = ["one.example.net", "two.example.net"].map(|name| {
        Postfix::named(name)
            .delivers_to(sink.port())
            .start()
            .expect("starts")
    });
    let began = Instant::now();
    let sent: Vec<Sent> = std::thread::scope(|scope| {
        let runs = postfixes.each_ref().map(|postfix| {
            scope.spawn(|| {
                let mail = |number| {
                    let text = format!("Subject: {number}\r\n\r\n");
                    Mail::new("ann@example.org", ["bob@example.net"], text)
                };
                Load::to(postfix.port(), 100, mail).run()
            })
        });
        runs.into_iter()
            .flat_map(|run| run.join().expect("the load runs"))
            .collect()
    });
    assert!(sent.iter().all(Sent::accepted), "{sent:?}");
    let arrived = sink
        .wait_for(200, Duration::from_mins(1))
        .expect("all arrive");
    eprintln!(
        "{:.0} messages/s through Postfix",
        200.0 / began.elapsed().as_secs_f64()
    );
    let mut ids: Vec<String> = arrived
        .iter()
        .filter_map(|one| one.header(ID_HEADER))
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}
