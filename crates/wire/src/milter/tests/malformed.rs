//! Servers that lie, stutter or flood: each sin by its name, and memory that stays bounded.

use proptest::prelude::*;

use super::*;

fn sin(stream: &[u8]) -> PeerMisbehaved {
    let (judge, result) = played(stream, &Limits::default());
    assert_eq!(judge.mails().len(), 0);
    result.unwrap_err()
}

#[test]
fn each_malformed_frame_is_named() {
    let after = |command, payload: &[u8]| [opening(), frame(command, payload)].concat();
    let check = |stream: Vec<u8>, expected: &str| assert_eq!(sin(&stream).to_string(), expected);
    check(
        vec![0; 4],
        "a frame declares a length of 0 bytes; the least is 1",
    );
    check(
        hex("ff ff ff ff 4f"),
        "a frame declares 4294967295 bytes; at most 1048576 are taken",
    );
    check(
        b"EHLO mail.example.org\r\n".to_vec(),
        "a frame declares 1162366031 bytes; at most 1048576 are taken",
    );
    check(
        frame(b'O', &[0; 11]),
        "OPTNEG carries 11 bytes; the least is 12",
    );
    check(
        frame(b'O', &hex("00 00 00 01 00 00 00 0f 00 00 00 3f")),
        "the server offers milter version 1; the least is 2",
    );
    check(after(b'!', b""), "unknown command byte 0x21");
    check(after(b'D', b""), "MACRO carries 0 bytes; the least is 1");
    check(after(b'D', b"Cj\0"), "a macro name comes without a value");
    check(
        after(b'D', b"Cj\0mx"),
        "the last text of MACRO is not ended by NUL",
    );
    check(
        after(b'H', b"client"),
        "the name of HELO is not ended by NUL",
    );
    check(
        after(b'M', b"<a@b>"),
        "the address of MAIL is not ended by NUL",
    );
    check(
        after(b'M', b"<a@b>\0SIZE=1"),
        "the last text of MAIL is not ended by NUL",
    );
    let mail = |command, payload: &[u8]| [opening(), hex(MAIL), frame(command, payload)].concat();
    check(mail(b'R', b""), "the address of RCPT is not ended by NUL");
    check(
        mail(b'L', b"Subject"),
        "the name of HEADER is not ended by NUL",
    );
    check(
        mail(b'L', b"Subject\0hello"),
        "the value of HEADER is not ended by NUL",
    );
}

#[test]
fn each_malformed_connection_is_named() {
    let check = |payload: &[u8], expected: &str| {
        let stream = [hex(POSTFIX_OFFER), frame(b'C', payload)].concat();
        assert_eq!(sin(&stream).to_string(), expected);
    };
    check(b"host", "the host name of CONNECT is not ended by NUL");
    check(b"host\0", "CONNECT carries 5 bytes; the least is 6");
    check(b"host\x004\0", "CONNECT carries 7 bytes; the least is 9");
    check(
        b"host\x004\0\x19192.0.2.1",
        "the address of CONNECT is not ended by NUL",
    );
    check(b"host\0X", "CONNECT names the unknown address family 0x58");
    check(
        b"host\x004\0\x19192.0.2.256\0",
        "CONNECT brings \"192.0.2.256\", which is no IP address",
    );
    check(
        b"host\x006\0\x19\xff\0",
        "CONNECT brings \"\u{fffd}\", which is no IP address",
    );
}

#[test]
fn each_command_has_its_place() {
    let offer = hex(POSTFIX_OFFER);
    let end = frame(b'E', b"");
    let check = |parts: &[&[u8]], expected: &str| {
        assert_eq!(sin(&parts.concat()).to_string(), expected);
    };
    let (connect, mail, rcpt) = (hex(CONNECT), hex(MAIL), hex(RCPT));
    check(&[&connect], "CONNECT came before the negotiation");
    check(&[&frame(b'D', b"C")], "MACRO came before the negotiation");
    check(
        &[&offer, &offer],
        "OPTNEG came before the connection was announced",
    );
    check(
        &[&offer, &mail],
        "MAIL came before the connection was announced",
    );
    check(
        &[&offer, &connect, &connect],
        "CONNECT came while no message was under way",
    );
    check(
        &[&offer, &connect, &rcpt],
        "RCPT came while no message was under way",
    );
    check(
        &[&offer, &connect, &frame(b'B', b"x")],
        "BODY came while no message was under way",
    );
    check(
        &[&offer, &connect, &end],
        "BODYEOB came while no message was under way",
    );
    check(
        &[&offer, &connect, &mail, &mail],
        "MAIL came among sender and recipients",
    );
    check(
        &[&offer, &connect, &mail, &frame(b'H', b"x\0")],
        "HELO came among sender and recipients",
    );
    let header = frame(b'L', b"A\0 b\0");
    check(
        &[&offer, &connect, &mail, &header, &rcpt],
        "RCPT came among the header fields",
    );
    check(
        &[&offer, &connect, &mail, &frame(b'B', b"x"), &header],
        "HEADER came after the header fields",
    );
}

#[test]
fn macros_are_bounded_and_can_be_missing() {
    let limits = Limits::default();
    let many = [b"C".to_vec(), b"a\0b\0".repeat(100_000)].concat();
    let stream = [hex(POSTFIX_OFFER), frame(b'D', &many)].concat();
    assert_eq!(
        sin(&stream),
        PeerMisbehaved::TooManyMacros {
            limit: limits.milter_macros_max
        }
    );
    let again = [b"C".to_vec(), b"{x}\0y\0".repeat(256)].concat();
    let stream = [
        hex(POSTFIX_OFFER),
        frame(b'D', &again).repeat(100),
        frame(b'D', b"?j\0mx\0"),
        hex(CONNECT),
        hex(MAIL),
        hex(RCPT),
        frame(b'E', b""),
    ]
    .concat();
    let (judge, result) = played(&stream, &limits);
    result.unwrap();
    let mail = judge.mails()[0];
    assert_eq!(
        (&*mail.server, &mail.queue_id, &mail.tls),
        ("", &None, &None)
    );
}

#[test]
fn too_many_recipients_are_told_so_one_by_one() {
    let limits = Limits {
        recipients_max: 3,
        ..Limits::default()
    };
    let stream = [opening(), hex(MAIL), hex(RCPT).repeat(10), frame(b'E', b"")].concat();
    let (judge, result) = played(&stream, &limits);
    result.unwrap();
    let mail = judge.mails()[0];
    assert_eq!((mail.recipients.len(), mail.recipients_refused), (3, 7));
    let told = frame(b'y', b"452 4.5.3 too many recipients\0").repeat(7);
    assert!(judge.output.ends_with(&[told, frame(b'a', b"")].concat()));
}

#[test]
fn recipients_that_cannot_be_named_exactly_are_refused() {
    let long = format!("<{}@example.org>\0", "a".repeat(2000));
    let stream = [
        opening(),
        hex(MAIL),
        frame(b'R', long.as_bytes()),
        frame(b'R', b"<\xff@example.org>\0"),
        frame(b'R', b"<>\0"),
    ]
    .concat();
    let (judge, result) = played(&stream, &Limits::default());
    result.unwrap();
    assert_eq!(judge.events, []);
    let told = [
        frame(b'y', b"501 5.1.3 address too long\0"),
        frame(b'y', b"501 5.1.3 address is not UTF-8\0"),
        frame(b'y', b"501 5.1.3 recipient is empty\0"),
    ];
    assert!(judge.output.ends_with(&told.concat()));
}

#[test]
fn overlong_names_are_cut_and_said_to_be() {
    let long = "é".repeat(1000) + "\0";
    let stream = [
        opening(),
        frame(b'H', long.as_bytes()),
        frame(b'M', format!("<{long}").as_bytes()),
        hex(RCPT),
        frame(b'E', b""),
    ]
    .concat();
    let twice = [stream, hex(MAIL), hex(RCPT), frame(b'E', b"")].concat();
    let (judge, result) = played(&twice, &Limits::default());
    result.unwrap();
    let mails = judge.mails();
    assert!(mails[0].cut && mails[1].cut, "HELO holds for both");
    assert_eq!(mails[0].helo_name.as_ref().unwrap().len(), 1024);
    assert_eq!(
        mails[0].envelope_from.as_ref().unwrap().as_str().len(),
        1024
    );
}

#[test]
fn header_floods_stay_within_the_message_limit() {
    let limits = Limits {
        message_bytes_max: 50_000,
        ..Limits::default()
    };
    let mut session = Session::new(&limits);
    let mut judge = Judge::accepting();
    judge
        .feed(&mut session, &[opening(), hex(MAIL), hex(RCPT)].concat())
        .unwrap();
    let headers = frame(b'L', b"\0\0").repeat(1000);
    for _ in 0..100 {
        judge.feed(&mut session, &headers).unwrap();
    }
    judge.feed(&mut session, &frame(b'E', b"")).unwrap();
    assert_eq!(
        judge.mails()[0].dropped,
        Some(Dropped::TooLarge { limit: 50_000 })
    );
    assert_eq!(judge.mails()[0].size_bytes, 300_002);
    assert!(judge.held_max < 100_000, "{} bytes held", judge.held_max);
}

#[test]
fn a_peer_that_does_not_wait_for_an_answer_is_stopped() {
    let limits = Limits::default();
    let mut session = Session::new(&limits);
    session.feed(&[opening(), hex(MAIL), hex(RCPT)].concat());
    assert!(matches!(
        session.next_event(),
        Ok(Some(Event::Recipient(_)))
    ));
    for _ in 0..40 {
        session.feed(&frame(b'B', &vec![0; 60_000]));
    }
    assert!(session.held_bytes() < 3 << 20);
    assert!(matches!(
        session.next_event(),
        Err(PeerMisbehaved::DidNotWait { .. })
    ));
    assert_eq!(
        session.next_event(),
        Ok(None),
        "nothing comes after the end"
    );
    session.feed(&[0; 1000]);
    assert!(session.held_bytes() < 1000);
}

#[test]
fn half_a_frame_waits_and_says_so() {
    let mut session = Session::new(&Limits::default());
    session.feed(&opening());
    assert_eq!(session.next_event(), Ok(None));
    assert!(!session.is_mid_frame());
    session.feed(&hex(MAIL)[..9]);
    assert_eq!(session.next_event(), Ok(None));
    assert!(session.is_mid_frame());
}

/// Small limits, so that random input reaches them.
fn small() -> Limits {
    Limits {
        milter_frame_bytes_max: 300,
        milter_macros_max: 4,
        message_bytes_max: 400,
        recipients_max: 2,
        address_bytes_max: 20,
        ..Limits::default()
    }
}

/// The same bytes whole and in pieces of `torn`: the same story, and bounded memory.
fn same_however_torn(stream: &[u8], torn: usize) {
    let limits = small();
    let (whole, whole_result) = played(stream, &limits);
    let mut session = Session::new(&limits);
    let mut judge = Judge::accepting();
    let mut result = Ok(());
    for piece in stream.chunks(torn) {
        result = judge.feed(&mut session, piece);
        assert!(
            session.held_bytes() <= 2 * (304 + torn) + 400,
            "{}",
            session.held_bytes()
        );
        if result.is_err() {
            break;
        }
    }
    assert_eq!(judge.events, whole.events);
    assert_eq!(judge.output, whole.output);
    assert_eq!(result, whole_result);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), torn in 1usize..64) {
        same_however_torn(&bytes, torn);
    }

    /// Well-formed frames in any order, behind an opening so that they get somewhere.
    #[test]
    fn arbitrary_frames_never_panic(
        frames in prop::collection::vec(
            (prop::sample::select(b"DCHMRTULNBEAQK".to_vec()), prop::sample::select(vec![
                &b""[..], b"x", b"x\0", b"<a@b.example>\0", b"A\0 b\0", b"Mi\0x\0", b"a\0b", b"\0\0",
                b"host\x004\0\x19192.0.2.1\0", b"host\0U",
                b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0",
            ])),
            0..60,
        ),
        torn in 1usize..200,
    ) {
        let mut stream = [opening(), hex(MAIL)].concat();
        for (command, payload) in frames {
            stream.extend(frame(command, payload));
        }
        same_however_torn(&stream, torn);
    }

    /// A filter's nonsense does not hurt the client either.
    #[test]
    fn the_client_survives_arbitrary_answers(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let limits = small();
        let visit = Visit::stranger("mx", "192.0.2.1", "c");
        let mut client = Client::new(Offer::POSTFIX, visit, &limits);
        let opened = client.feed(&frame(b'O', &hex("00 00 00 06 00 00 01 ff 00 0f 70 80")));
        prop_assert_eq!(opened, Ok(None));
        let submission = Submission {
            queue_id: String::new(),
            envelope_from: None,
            mail_args: Vec::new(),
            recipients: vec![address("a@b.example")],
            raw: b"A: b\r\n\r\nc".to_vec(),
        };
        client.submit(submission).unwrap();
        let _ = client.feed(&bytes);
    }
}
