//! That the sink keeps what it was given, and answers as told.

use super::*;
use crate::smtp::{Client, Mail};

fn send(sink: &Sink, data: impl Into<Vec<u8>>) -> crate::smtp::Told {
    let mut client = Client::connect(sink.port()).expect("connects");
    client.ehlo("client.example.org").expect("greets");
    client
        .send(&Mail::new(
            "ann@example.org",
            ["bob@example.net", "carol@example.net"],
            data,
        ))
        .expect("a dialogue")
}

#[test]
fn keeps_dots_bare_line_feeds_and_eight_bit_bytes() {
    let sink = Sink::start().expect("starts");
    let text = b"Subject: dots\r\n\r\n.\r\n..two\r\nbare\n.\r\n\xff\x00 end\r\n".to_vec();
    assert!(send(&sink, text.clone()).accepted());
    let messages = sink.wait_for(1, Duration::from_secs(5)).expect("arrives");
    assert_eq!(messages[0].data, text);
    assert_eq!(
        messages[0].recipients,
        ["bob@example.net", "carol@example.net"]
    );
    assert_eq!(messages[0].helo_name, "client.example.org");
}

#[test]
fn survives_thirty_megabytes() {
    let sink = Sink::start().expect("starts");
    let mut text = b"Subject: big\r\n\r\n".to_vec();
    while text.len() < 30 << 20 {
        text.extend_from_slice(
            b".all work and no play makes a dull line of seventy bytes .....\r\n",
        );
    }
    assert!(send(&sink, text.clone()).accepted());
    let messages = sink.wait_for(1, Duration::from_secs(5)).expect("arrives");
    assert!(
        messages[0].data == text,
        "thirty megabytes changed on the way"
    );
}

#[test]
fn answers_as_told_and_then_normally_again() {
    let sink = Sink::start().expect("starts");
    sink.answer_recipients("bob@", "450 4.2.1 busy");
    sink.answer_recipients("carol@", "550 5.1.1 unknown");
    let told = send(&sink, "Subject: x\r\n\r\n");
    let codes: Vec<u16> = told.recipients.iter().map(|reply| reply.code).collect();
    assert_eq!(codes, [450, 550]);
    assert!(!told.accepted());

    sink.answer_normally();
    sink.answer_messages("451 4.3.0 disk full");
    let told = send(&sink, "Subject: x\r\n\r\n");
    assert_eq!(told.last().code, 451);
    assert_eq!(sink.count(), 0);

    sink.answer_normally();
    assert!(send(&sink, "Subject: x\r\n\r\n").accepted());
    assert_eq!(sink.take().len(), 1);
    assert_eq!(sink.count(), 0);
}

#[test]
fn too_few_messages_are_an_error_with_the_count() {
    let sink = Sink::start().expect("starts");
    let error = sink
        .wait_for(1, Duration::from_millis(50))
        .expect_err("nothing arrives");
    assert!(error.to_string().starts_with("0 of 1"), "{error}");
}

#[test]
fn a_sink_that_went_away_can_come_back_on_its_port() {
    let sink = Sink::start().expect("starts");
    let port = sink.port();
    drop(sink);
    assert!(Client::connect(port).is_err());
    Sink::on_port(port).expect("listens again");
}

#[test]
fn headers_are_read_unfolded_and_taken_out_whole() {
    let received = Received {
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        helo_name: String::new(),
        envelope_from: String::new(),
        mail_parameters: String::new(),
        recipients: Vec::new(),
        data: b"Received: from a\r\n\tby b\r\nsubject: one\r\n two\r\nReceived: x\r\n\r\nbody\r\n"
            .to_vec(),
    };
    assert_eq!(received.headers("received"), ["from a\tby b", "x"]);
    assert_eq!(received.header("Subject").as_deref(), Some("one two"));
    assert_eq!(received.header("To"), None);
    assert_eq!(received.body(), b"body\r\n");
    assert_eq!(
        received.without_headers(&["Received"]),
        b"subject: one\r\n two\r\n\r\nbody\r\n"
    );
}
