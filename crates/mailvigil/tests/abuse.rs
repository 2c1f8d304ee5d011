//! Peers of the milter door that misbehave, and very many that behave.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::io::{Read, Write};
use std::net::TcpStream;

use bed::{PATIENCE, Vigil, Wish, full_tale, ordinary};
use mail::{Address, Limits};
use wire::milter::{Answer, Client, Offer, Reply, Submission, Visit};

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// One well-behaved message.
fn deliver(stream: &mut TcpStream, offer: Offer, message: &str) -> Reply {
    let mut client = Client::new(
        offer,
        Visit::stranger("mx.example.org", "192.0.2.10", "mail.a.example"),
        &Limits::default(),
    );
    let mut reply = client
        .submit(Submission {
            queue_id: "4B00000001".to_owned(),
            envelope_from: Address::new("ann@a.example"),
            mail_args: Vec::new(),
            recipients: Address::new("bob@b.example").into_iter().collect(),
            raw: message.as_bytes().to_vec(),
        })
        .unwrap();
    let mut buffer = [0; 4096];
    loop {
        if let Some(reply) = reply.take() {
            return reply;
        }
        stream.write_all(&client.take_output()).unwrap();
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "closed without an answer");
        reply = client.feed(&buffer[..read]).unwrap();
    }
}

fn frame(command: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32 + 1).to_be_bytes().to_vec();
    frame.push(command);
    frame.extend(payload);
    frame
}

/// What Postfix offers first.
fn offer() -> Vec<u8> {
    frame(b'O', &[0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0x1f, 0xff, 0xff])
}

#[test]
fn misbehaving_peers_are_shut_out_with_a_word_in_the_log_and_others_do_not_notice() {
    let vigil = Vigil::start(&Wish {
        more: "[limits]\nframe_secs = 1\nconnection_idle_secs = 2\n",
        ..Wish::default()
    });
    let mut calm = connect(vigil.milter_port);
    deliver(&mut calm, Offer::POSTFIX, &ordinary("first"));
    let before = vigil.resident_kb();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("four gibibytes", [0xff; 4].to_vec(), "4294967295"),
        ("no length", vec![0, 0, 0, 0], "closed"),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), "closed"),
        (
            "body first",
            [offer(), frame(b'B', b"hello")].concat(),
            "closed",
        ),
        ("end first", [offer(), frame(b'E', b"")].concat(), "closed"),
        ("twice negotiated", [offer(), offer()].concat(), "closed"),
        (
            "unknown command",
            [offer(), frame(b'!', b"x")].concat(),
            "closed",
        ),
        ("short offer", frame(b'O', &[0, 0, 0]), "closed"),
        (
            "header without end",
            [
                offer(),
                frame(b'C', b"[192.0.2.1]\x004\x00\x19192.0.2.1\0"),
                frame(b'M', b"<a@b>\0"),
                frame(b'L', b"Subject"),
            ]
            .concat(),
            "closed",
        ),
        ("half a frame", vec![0, 0, 1, 0, b'O', 0], "said nothing"),
        ("silence", vec![], "said nothing"),
    ];
    for (name, bytes, word) in cases {
        let mut peer = connect(vigil.milter_port);
        let from = peer.local_addr().unwrap().to_string();
        peer.write_all(&bytes).unwrap();
        let mut rest = Vec::new();
        let end = peer.read_to_end(&mut rest);
        assert!(
            end.is_ok()
                || end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
            "{name}: it stays open"
        );
        let line = vigil
            .service
            .wait_for_line(&from, PATIENCE)
            .unwrap_or_else(|_| panic!("{name}: no line in\n{}", vigil.service.log()));
        assert!(line.contains(word), "{name}: {line}");
    }
    // Two hundred at once that announce a megabyte and send half of it.
    let mut greedy: Vec<TcpStream> = (0..200).map(|_| connect(vigil.milter_port)).collect();
    for peer in &mut greedy {
        peer.write_all(&(1_000_000_u32).to_be_bytes()).unwrap();
        let _ = peer.write_all(&vec![b'x'; 100_000]);
    }
    let reply = deliver(
        &mut connect(vigil.milter_port),
        Offer::POSTFIX,
        &ordinary("meanwhile"),
    );
    assert_eq!(reply.answer, Answer::Accept);
    let after = vigil.resident_kb();
    assert!(
        after < before + 60_000,
        "memory grew from {before} kB to {after} kB"
    );
    drop(greedy);
    let reply = deliver(
        &mut connect(vigil.milter_port),
        Offer::VERSION_2,
        &full_tale("version two"),
    );
    assert_eq!(reply.answer, Answer::Discard);
    assert!(vigil.metric("mailvigil_connections_ended_total{how=\"misbehaved\"}") >= 8.0);
}

#[test]
fn two_thousand_connections_are_all_answered() {
    // Both this process and its child need that many files.
    let limit = rustix::process::Rlimit {
        current: Some(8192),
        maximum: Some(8192),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let vigil = Vigil::start(&Wish::default());
    let mut peers: Vec<TcpStream> = (0..2000).map(|_| connect(vigil.milter_port)).collect();
    for peer in &mut peers {
        peer.write_all(&offer()).unwrap();
    }
    for peer in &mut peers {
        let mut length = [0; 4];
        peer.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(answer[0], b'O');
    }
    assert_eq!(vigil.metric("mailvigil_connections ") as u32, 2000);
    let peers: Vec<Vec<TcpStream>> = {
        let mut shares: Vec<Vec<TcpStream>> = (0..8).map(|_| Vec::new()).collect();
        for (number, peer) in peers.into_iter().enumerate() {
            shares[number % 8].push(peer);
        }
        shares
    };
    let message = ordinary("one of very many");
    std::thread::scope(|scope| {
        for (lane, share) in peers.into_iter().enumerate() {
            let message = &message;
            scope.spawn(move || {
                for (number, peer) in share.into_iter().enumerate() {
                    // The negotiation is done: what follows is one message in plain frames.
                    assert_eq!(rest_of_visit(peer, lane, number, message), b'a');
                }
            });
        }
    });
    assert_eq!(
        vigil
            .records(&["--subject", "one of very many"], 2000)
            .len(),
        2000
    );
    println!(
        "resident with 2,000 connections: {} kB",
        vigil.resident_kb()
    );
}

/// Plays a message after the negotiation; the last answer's letter.
fn rest_of_visit(mut peer: TcpStream, lane: usize, number: usize, message: &str) -> u8 {
    let (header, body) = message.split_once("\r\n\r\n").unwrap();
    // Each from its own machine and sender to its own mailbox: no bomb.
    let mut out = frame(
        b'C',
        format!("mail.a.example\x004\x00\x1910.1.{lane}.{number}\0").as_bytes(),
    );
    out.extend(frame(b'H', b"mail.a.example\0"));
    out.extend(frame(
        b'M',
        format!("<ann{number}@a{lane}.example>\0").as_bytes(),
    ));
    out.extend(frame(
        b'R',
        format!("<bob{number}@b{lane}.example>\0").as_bytes(),
    ));
    peer.write_all(&out).unwrap();
    assert_eq!(answer(&mut peer), b'c');
    let mut out = frame(b'T', b"");
    for line in header.split("\r\n") {
        let (name, value) = line.split_once(':').unwrap();
        out.extend(frame(b'L', format!("{name}\0{value}\0").as_bytes()));
    }
    out.extend(frame(b'N', b""));
    out.extend(frame(b'B', body.as_bytes()));
    out.extend(frame(b'E', b""));
    peer.write_all(&out).unwrap();
    answer(&mut peer)
}

fn answer(peer: &mut TcpStream) -> u8 {
    let mut length = [0; 4];
    peer.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    peer.read_exact(&mut answer).unwrap();
    answer[0]
}

#[test]
fn only_named_machines_may_ask() {
    let vigil = Vigil::start(&Wish::default());
    let file = vigil.service.folder().join("mailvigil.toml");
    let config = std::fs::read_to_string(&file)
        .unwrap()
        .replace("[milter]\n", "[milter]\nallow = [\"192.0.2.0/24\"]\n");
    std::fs::write(&file, config).unwrap();
    let mut vigil = vigil;
    vigil.service.terminate(PATIENCE).unwrap();
    vigil.service.start_again().unwrap();
    let mut peer = connect(vigil.milter_port);
    let _ = peer.write_all(&offer());
    let mut rest = Vec::new();
    let _ = peer.read_to_end(&mut rest);
    assert!(rest.is_empty(), "a stranger was answered");
    vigil
        .service
        .wait_for_line("it is not among those that may connect (allow)", PATIENCE)
        .unwrap();
}

#[test]
fn many_messages_go_over_one_connection() {
    let vigil = Vigil::start(&Wish::default());
    let mut stream = connect(vigil.milter_port);
    let mut client = Client::new(
        Offer::POSTFIX,
        Visit::stranger("mx.example.org", "192.0.2.10", "mail.a.example"),
        &Limits::default(),
    );
    let mut buffer = [0; 4096];
    for number in 0..50 {
        let message = if number % 10 == 9 {
            full_tale(&format!("m{number}"))
        } else {
            ordinary(&format!("m{number}"))
        };
        let mut reply = client
            .submit(Submission {
                queue_id: format!("4B000000{number:02}"),
                envelope_from: Address::new("ann@a.example"),
                mail_args: vec!["SIZE=1000".to_owned()],
                recipients: Address::new("bob@b.example").into_iter().collect(),
                raw: message.into_bytes(),
            })
            .unwrap();
        let reply = loop {
            if let Some(reply) = reply.take() {
                break reply;
            }
            stream.write_all(&client.take_output()).unwrap();
            let read = stream.read(&mut buffer).unwrap();
            reply = client.feed(&buffer[..read]).unwrap();
        };
        let expected = if number % 10 == 9 {
            Answer::Discard
        } else {
            Answer::Accept
        };
        assert_eq!(reply.answer, expected, "message {number}");
    }
    let records = vigil.records(&[], 50);
    let ids: std::collections::BTreeSet<&str> = records
        .iter()
        .map(|record| {
            record["envelope"]["queue_id"]
                .as_str()
                .unwrap_or_else(|| panic!("{record}"))
        })
        .collect();
    assert_eq!(ids.len(), 50);
}
