//! Our client against our door, in every version and with many sets of abilities.

use mail::Tls;
use proptest::prelude::*;

use super::*;

fn visit() -> Visit {
    Visit {
        ptr_name: Some(String::from("mail.sender.example")),
        tls: Some(Tls {
            version: String::from("TLSv1.3"),
            cipher: String::from("TLS_AES_128_GCM_SHA256"),
        }),
        account: Some((String::from("PLAIN"), String::from("alice"))),
        ..Visit::stranger("mx.example.org", "203.0.113.9", "client.sender.example")
    }
}

fn submission(raw: &[u8]) -> Submission {
    Submission {
        queue_id: String::from("4ABC"),
        envelope_from: Some(address("alice@example.org")),
        mail_args: vec![String::from("SIZE=100"), String::from("BODY=8BITMIME")],
        recipients: vec![address("bob@example.net"), address("carol@example.net")],
        raw: raw.to_vec(),
    }
}

/// Passes bytes to and fro until the client has its reply.
fn converse(client: &mut Client, session: &mut Session, judge: &mut Judge) -> Reply {
    for _ in 0..100_000 {
        let asked = client.take_output();
        judge.feed(session, &asked).unwrap();
        let answered = std::mem::take(&mut judge.output);
        if let Some(reply) = client.feed(&answered).unwrap() {
            return reply;
        }
        assert!(
            !answered.is_empty() || !asked.is_empty(),
            "both wait for each other"
        );
    }
    panic!("no end of the conversation");
}

fn everything() -> Vec<Modification> {
    vec![
        Modification::AddHeader {
            name: String::from("X-Level"),
            value: String::from("ordinary"),
        },
        Modification::InsertHeader {
            index: 0,
            name: String::from("X-First"),
            value: String::from("one\n two"),
        },
        Modification::ChangeHeader {
            index: 1,
            name: String::from("Subject"),
            value: String::new(),
        },
        Modification::DeleteRecipient(address("bob@example.net")),
        Modification::AddRecipient {
            address: address("held@example.net"),
            args: None,
        },
        Modification::Quarantine(String::from("suspicious, score 7")),
    ]
}

#[test]
fn every_version_carries_the_same_message() {
    let body = "0123456789abcdef\r\n".repeat(9000);
    let raw = format!("From: a@example.org\r\nSubject: x\r\n\ty\r\n\r\n{body}").into_bytes();
    for version in 2..=6 {
        for steps in [
            0,
            0x7f,
            0x0f_ffff,
            0x1f_ffff,
            0x10_0480,
            0x0000_0400,
            0xffff_ffff,
        ] {
            let offering = Offer {
                version,
                actions: Actions(0x1ff),
                steps: Steps(steps),
            };
            let limits = Limits::default();
            let mut client = Client::new(offering, visit(), &limits);
            let mut session = Session::new(&limits);
            let mut judge = Judge::new(Answer::Accept, &everything());
            for _ in 0..2 {
                client.submit(submission(&raw)).unwrap();
                let reply = converse(&mut client, &mut session, &mut judge);
                assert_eq!(reply.answer, Answer::Accept);
                assert_eq!(reply.stage, Stage::EndOfMessage);
                assert_eq!(
                    reply.modifications,
                    everything(),
                    "version {version}, steps {steps:#x}"
                );
                assert_eq!(reply.refused, []);
            }
            client.quit();
            judge.feed(&mut session, &client.take_output()).unwrap();
            assert_eq!(judge.events.last(), Some(&Event::Quit));
            for mail in judge.mails() {
                assert_eq!(mail.raw, raw, "version {version}, steps {steps:#x}");
                assert_eq!(mail.mail_args, "SIZE=100 BODY=8BITMIME");
                assert_eq!(mail.account.as_deref(), Some("alice"));
                assert_eq!(mail.ptr_name.as_deref(), Some("mail.sender.example"));
                assert_eq!(mail.queue_id.as_deref(), Some("4ABC"));
                assert!(mail.tls.is_some());
            }
            assert_eq!(judge.mails().len(), 2);
        }
    }
}

#[test]
fn only_what_was_offered_is_chosen_and_only_that_may_be_done() {
    let limits = Limits::default();
    let offering = Offer {
        version: 9,
        actions: Actions::ADD_HEADERS,
        steps: Steps::SKIP,
    };
    let mut client = Client::new(offering, visit(), &limits);
    let mut session = Session::new(&limits);
    client.submit(submission(b"A: b\r\n\r\n")).unwrap();
    session.feed(&client.take_output());
    assert_eq!(session.next_event(), Ok(None));
    let negotiated = *session.negotiated().unwrap();
    assert_eq!(negotiated.version, 6);
    assert_eq!(
        (negotiated.actions, negotiated.steps),
        (Actions::ADD_HEADERS, Steps::SKIP)
    );
    let asked = loop {
        assert_eq!(client.feed(&session.take_output()), Ok(None));
        session.feed(&client.take_output());
        match session.next_event().unwrap() {
            Some(Event::Message(mail)) => break mail,
            Some(Event::Recipient(_)) => {
                session.answer_recipient(RecipientAnswer::Continue).unwrap();
            }
            _ => {}
        }
    };
    assert_eq!(asked.raw, b"A: b\r\n\r\n");
    let quarantine = Modification::Quarantine(String::from("why"));
    let refused = session.answer_message(&Answer::Accept, &[everything()[0].clone(), quarantine]);
    assert_eq!(
        refused,
        Err(BadAnswer::NotNegotiated { what: "quarantine" })
    );
    let bad_name = Modification::AddHeader {
        name: String::from("X\r\nEvil"),
        value: String::new(),
    };
    assert!(matches!(
        session.answer_message(&Answer::Accept, &[bad_name]),
        Err(BadAnswer::HeaderName { .. })
    ));
    assert!(
        session.take_output().is_empty(),
        "the question is still open"
    );
    assert!(session.progress());
    session.answer_message(&Answer::Tempfail, &[]).unwrap();
    assert_eq!(
        session.answer_message(&Answer::Accept, &[]),
        Err(BadAnswer::NoQuestion)
    );
    assert!(!session.progress());
    let reply = client.feed(&session.take_output()).unwrap().unwrap();
    assert_eq!((reply.answer, reply.progress), (Answer::Tempfail, 1));
}

#[test]
fn refused_recipients_get_no_mail() {
    let limits = Limits::default();
    let mut client = Client::new(Offer::POSTFIX, visit(), &limits);
    let mut session = Session::new(&limits);
    client.submit(submission(b"A: b\r\n\r\n")).unwrap();
    let no = CustomReply::new(554, "5.7.1", "100% relaying\ndenied").unwrap();
    let reply = loop {
        session.feed(&client.take_output());
        while let Some(event) = session.next_event().unwrap() {
            match event {
                Event::Recipient(to) if to.address == address("bob@example.net") => {
                    let answer = RecipientAnswer::Custom(no.clone());
                    session.answer_recipient(answer).unwrap();
                }
                Event::Recipient(_) => session.answer_recipient(RecipientAnswer::Continue).unwrap(),
                Event::Message(mail) => {
                    assert_eq!(mail.recipients.len(), 1);
                    assert_eq!(mail.recipients[0].address, address("carol@example.net"));
                    session.answer_message(&Answer::Discard, &[]).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        if let Some(reply) = client.feed(&session.take_output()).unwrap() {
            break reply;
        }
    };
    assert_eq!(reply.answer, Answer::Discard);
    assert_eq!(
        reply.refused,
        [(address("bob@example.net"), Answer::Custom(no))]
    );
}

#[test]
fn a_message_beyond_the_limit_is_counted_and_not_kept() {
    let limits = Limits {
        message_bytes_max: 100_000,
        ..Limits::default()
    };
    let raw = [b"A: b\r\n\r\n".to_vec(), vec![b'x'; 3_000_000]].concat();
    for offering in [Offer::POSTFIX, Offer::VERSION_2] {
        let mut client = Client::new(offering, visit(), &limits);
        let mut session = Session::new(&limits);
        let mut judge = Judge::new(Answer::Tempfail, &[]);
        client.submit(submission(&raw)).unwrap();
        // In pieces, as from a socket.
        let reply = loop {
            for piece in client.take_output().chunks(65_536) {
                judge.feed(&mut session, piece).unwrap();
            }
            let output = std::mem::take(&mut judge.output);
            if let Some(reply) = client.feed(&output).unwrap() {
                break reply;
            }
        };
        assert_eq!(reply.answer, Answer::Tempfail);
        let mail = judge.mails()[0];
        assert_eq!(mail.dropped, Some(Dropped::TooLarge { limit: 100_000 }));
        assert_eq!((mail.raw.len(), mail.size_bytes), (0, raw.len() as u64));
        assert!(judge.held_max < 400_000, "{} bytes held", judge.held_max);
    }
}

#[test]
fn the_rest_of_an_overlong_message_is_left_out_where_the_server_can() {
    let limits = Limits {
        message_bytes_max: 100_000,
        ..Limits::default()
    };
    let offering = Offer {
        version: 6,
        actions: Actions(0x1ff),
        steps: Steps::SKIP,
    };
    let mut client = Client::new(offering, visit(), &limits);
    let mut session = Session::new(&limits);
    let mut judge = Judge::new(Answer::Tempfail, &[]);
    client.submit(submission(&vec![b'x'; 3_000_000])).unwrap();
    let reply = converse(&mut client, &mut session, &mut judge);
    assert_eq!(
        (reply.answer, reply.stage),
        (Answer::Tempfail, Stage::EndOfMessage)
    );
    let size = judge.mails()[0].size_bytes;
    assert!((100_000..200_000).contains(&size), "{size}");
}

#[test]
fn the_caller_can_drop_a_message_under_way() {
    let limits = Limits::default();
    let mut session = Session::new(&limits);
    let mut judge = Judge::accepting();
    let start = [
        opening(),
        hex(MAIL),
        hex(RCPT),
        frame(b'N', b""),
        frame(b'B', &vec![7; 50_000]),
    ];
    assert!(!session.drop_message());
    judge.feed(&mut session, &start.concat()).unwrap();
    assert!(!session.is_between_messages());
    let before = session.held_bytes();
    assert!(session.drop_message());
    assert!(session.held_bytes() + 50_000 <= before);
    let end = [frame(b'B', &vec![7; 50_000]), frame(b'E', b"")].concat();
    judge.feed(&mut session, &end).unwrap();
    let mail = judge.mails()[0];
    assert_eq!(
        (mail.dropped, mail.size_bytes),
        (Some(Dropped::NoRoom), 100_002)
    );
    assert!(session.is_between_messages());
}

#[test]
fn an_abort_ends_the_message_and_keeps_the_connection() {
    let limits = Limits::default();
    let mut session = Session::new(&limits);
    let mut judge = Judge::accepting();
    let stream = [
        opening(),
        frame(b'H', b"client.example\0"),
        frame(b'A', b""),
        hex(MAIL),
        hex(RCPT),
        frame(b'L', b"Secret\0 first\0"),
        frame(b'A', b""),
        frame(b'U', b"XYZZY\0"),
        hex(MAIL),
        hex(RCPT),
        frame(b'E', b"second"),
    ];
    judge.feed(&mut session, &stream.concat()).unwrap();
    assert_eq!(
        judge
            .events
            .iter()
            .filter(|event| **event == Event::Aborted)
            .count(),
        1
    );
    assert_eq!(judge.mails()[0].raw, b"\r\nsecond");
    assert_eq!(
        judge.mails()[0].helo_name.as_deref(),
        Some("client.example")
    );
}

#[test]
fn the_client_does_as_a_mail_server_does_on_starttls_and_the_next_client() {
    let limits = Limits::default();
    let plain = Visit::stranger("mx.example.org", "2001:db8::1", "client.example");
    let mut client = Client::new(Offer::POSTFIX, plain.clone(), &limits);
    let mut session = Session::new(&limits);
    let mut judge = Judge::accepting();
    judge.feed(&mut session, &client.take_output()).unwrap();
    client.feed(&std::mem::take(&mut judge.output)).unwrap();
    client.start_tls(visit().tls.unwrap());
    client.submit(submission(b"\n")).unwrap();
    converse(&mut client, &mut session, &mut judge);
    client.next_visit(plain);
    client.submit(submission(b"A: b\n\nc\n")).unwrap();
    converse(&mut client, &mut session, &mut judge);
    let mails = judge.mails();
    assert_eq!(
        (mails[0].tls.is_some(), mails[1].tls.is_some()),
        (true, false)
    );
    assert_eq!(mails[0].ip.unwrap().to_string(), "2001:db8::1");
    assert_eq!(mails[1].raw, b"A: b\r\n\r\nc\r\n");
}

proptest! {
    /// Any message whose header fields a server can carry comes through byte for byte.
    #[test]
    fn messages_come_through_byte_for_byte(
        fields in prop::collection::vec(("[!-9;-~]{1,20}", "[ -~é]{0,60}(\r\n[ \t][!-~]{1,30}){0,3}"), 0..12),
        body in "([ -~]{0,70}\r\n){0,40}",
        torn in 1usize..5000,
    ) {
        let mut raw = String::new();
        for (name, value) in &fields {
            raw.extend([name, ":", value, "\r\n"]);
        }
        raw.push_str("\r\n");
        raw.push_str(&body);
        let limits = Limits::default();
        let mut client = Client::new(Offer::POSTFIX, visit(), &limits);
        let mut session = Session::new(&limits);
        let mut judge = Judge::accepting();
        client.submit(submission(raw.as_bytes())).unwrap();
        let mut reply = None;
        while reply.is_none() {
            for piece in client.take_output().chunks(torn) {
                judge.feed(&mut session, piece).unwrap();
            }
            reply = client.feed(&std::mem::take(&mut judge.output)).unwrap();
        }
        prop_assert_eq!(&judge.mails()[0].raw, raw.as_bytes());
    }
}

#[test]
fn sender_and_client_are_known_when_a_recipient_is_asked_about() {
    let mut session = Session::new(&Limits::default());
    let now = mail::Timestamp::from_secs(1);
    assert_eq!(session.envelope(now), None);
    let account = frame(b'D', b"M{auth_authen}\0alice\0");
    session.feed(&[opening(), account, hex(MAIL), hex(RCPT)].concat());
    assert!(matches!(
        session.next_event(),
        Ok(Some(Event::Recipient(_)))
    ));
    let envelope = session.envelope(now).unwrap();
    assert_eq!(envelope.envelope_from, Some(address("a@sender.example")));
    assert_eq!(envelope.account.as_deref(), Some("alice"));
    assert_eq!(
        envelope.peer.ip,
        Some(std::net::IpAddr::from([127, 0, 0, 1]))
    );
    assert_eq!(envelope.recipients, []);
}
