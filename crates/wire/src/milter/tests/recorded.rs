//! What Postfix 3.7.11 and Sendmail's library really send, and what must come of it.

use std::net::IpAddr;

use super::*;

/// Postfix, plain, two recipients; its queue id comes with the second.
fn postfix_two_recipients() -> Vec<u8> {
    let queue_id = |stage| frame(b'D', &[&[stage], &b"i\x008C3A91229A0\0"[..]].concat());
    let header = |name: &str, value: &str| {
        let field = format!("{name}\0{value}\0");
        [queue_id(b'L'), frame(b'L', field.as_bytes())].concat()
    };
    [
        hex(POSTFIX_OFFER),
        frame(
            b'D',
            b"Cj\0mx.bench.example\0{daemon_name}\0mx.bench.example\0{daemon_addr}\x00127.0.0.1\0v\0Postfix 3.7.11\0_\0unknown [127.0.0.1]\0",
        ),
        hex(CONNECT),
        hex("00 00 00 02 44 48"),
        hex("00 00 00 17 48 63 6c 69 65 6e 74 2e 73 65 6e 64 65 72 2e 65 78 61 6d 70 6c 65 00"),
        frame(b'D', b"M{mail_addr}\0a@sender.example\0{mail_mailer}\0smtp\0"),
        hex(MAIL),
        frame(b'D', b"R{rcpt_addr}\0user@bench.example\0{rcpt_mailer}\0relay\0"),
        hex(RCPT),
        frame(b'D', b"Ri\x008C3A91229A0\0{rcpt_addr}\0second@bench.example\0"),
        hex("00 00 00 18 52 3c 73 65 63 6f 6e 64 40 62 65 6e 63 68 2e 65 78 61 6d 70 6c 65 3e 00"),
        hex("00 00 00 10 44 54 69 00 38 43 33 41 39 31 32 32 39 41 30 00"),
        hex("00 00 00 01 54"),
        header("To", " user@bench.example,second@bench.example"),
        header("X-Folded", " one\n\ttwo\n  three"),
        hex("00 00 00 10 44 4e 69 00 38 43 33 41 39 31 32 32 39 41 30 00"),
        hex("00 00 00 01 4e"),
        hex("00 00 00 10 44 42 69 00 38 43 33 41 39 31 32 32 39 41 30 00"),
        hex("00 00 00 1d 42 54 68 69 73 20 69 73 20 61 20 74 65 73 74 20 6d 61 69 6c 69 6e 67 0d 0a 0d 0a 0d 0a"),
        hex("00 00 00 10 44 45 69 00 38 43 33 41 39 31 32 32 39 41 30 00"),
        hex("00 00 00 01 45"),
        hex("00 00 00 01 41 00 00 00 01 41 00 00 00 01 51"),
    ]
    .concat()
}

/// The negotiation answered with all savings, both recipients taken, a header added, accepted.
fn expected_output() -> Vec<u8> {
    [
        hex("00 00 00 80 4f 00 00 00 06 00 00 01 7d 00 1f 75 80"),
        b"\0\0\0\0j {daemon_name} {daemon_addr} v _\0".to_vec(),
        b"\0\0\0\x01{tls_version} {cipher}\0".to_vec(),
        b"\0\0\0\x02i {auth_type} {auth_authen}\0".to_vec(),
        b"\0\0\0\x03i\0\0\0\0\x04i\0\0\0\0\x05i\0".to_vec(),
        hex("00 00 00 01 63 00 00 00 01 63"),
        hex("00 00 00 1e 68 58 2d 53 61 6d 70 6c 65 00 20 61 64 64 65 64 20 62 79 20 6d 69 6c 74 65 72 6c 6f 67 00"),
        hex("00 00 00 01 61"),
    ]
    .concat()
}

fn tagging() -> Judge {
    let tag = Modification::AddHeader {
        name: String::from("X-Sample"),
        value: String::from("added by milterlog"),
    };
    Judge::new(Answer::Accept, &[tag])
}

#[test]
fn a_message_from_postfix_arrives_byte_for_byte() {
    let mut judge = tagging();
    let mut session = Session::new(&Limits::default());
    judge.feed(&mut session, &postfix_two_recipients()).unwrap();

    let mails = judge.mails();
    let mail = mails[0];
    assert_eq!(mails.len(), 1);
    assert_eq!(mail.server, "mx.bench.example");
    assert_eq!(mail.daemon_name.as_deref(), Some("mx.bench.example"));
    assert_eq!(mail.daemon_addr.as_deref(), Some("127.0.0.1"));
    assert_eq!(mail.software.as_deref(), Some("Postfix 3.7.11"));
    assert_eq!(mail.queue_id.as_deref(), Some("8C3A91229A0"));
    assert_eq!((mail.family, mail.port), (Family::Ipv4, Some(53_550)));
    assert_eq!(mail.ip, Some(IpAddr::from([127, 0, 0, 1])));
    assert_eq!(
        (mail.ptr_name.as_deref(), &*mail.host),
        (None, "[127.0.0.1]")
    );
    assert_eq!(mail.helo_name.as_deref(), Some("client.sender.example"));
    assert_eq!((&mail.tls, &mail.account, mail.cut), (&None, &None, false));
    assert_eq!(mail.envelope_from, Some(address("a@sender.example")));
    let raw = b"To: user@bench.example,second@bench.example\r\n\
        X-Folded: one\r\n\ttwo\r\n  three\r\n\r\nThis is a test mailing\r\n\r\n\r\n";
    assert_eq!(mail.raw, raw);
    assert_eq!((mail.size_bytes, mail.dropped), (raw.len() as u64, None));

    let envelope = mail.envelope(mail::Timestamp::from_secs(1));
    assert_eq!(
        envelope.recipients,
        [
            address("user@bench.example"),
            address("second@bench.example")
        ]
    );
    assert_eq!(envelope.peer.ip, mail.ip);
    assert_eq!(envelope.door, "milter");

    assert!(matches!(
        judge.events[..],
        [
            Event::Recipient(_),
            Event::Recipient(_),
            Event::Message(_),
            Event::Quit
        ]
    ));
    assert_eq!(judge.output, expected_output());
}

#[test]
fn torn_at_every_byte_it_is_the_same_conversation() {
    let stream = postfix_two_recipients();
    let mut whole = tagging();
    whole
        .feed(&mut Session::new(&Limits::default()), &stream)
        .unwrap();
    for cut in 0..=stream.len() {
        let mut session = Session::new(&Limits::default());
        let mut torn = tagging();
        torn.feed(&mut session, &stream[..cut]).unwrap();
        torn.feed(&mut session, &stream[cut..]).unwrap();
        assert_eq!(torn.events, whole.events, "cut at {cut}");
        assert_eq!(torn.output, whole.output, "cut at {cut}");
    }
    let mut session = Session::new(&Limits::default());
    let mut drop_by_drop = tagging();
    for byte in &stream {
        drop_by_drop.feed(&mut session, &[*byte]).unwrap();
    }
    assert_eq!(drop_by_drop.events, whole.events);
    assert_eq!(drop_by_drop.output, whole.output);
}

/// Postfix aborts after STARTTLS and says HELO again; AUTH comes with the sender, and must not
/// outlive it.
#[test]
fn tls_and_login_hold_for_what_they_were_said_for() {
    let message = [
        hex(RCPT),
        hex("00 00 00 10 44 45 69 00 38 43 33 41 39 31 32 32 39 41 30 00"),
        hex("00 00 00 01 45"),
    ]
    .concat();
    let stream = [
        opening(),
        hex("00 00 00 02 44 48"),
        frame(b'H', b"client.sender.example\0"),
        hex("00 00 00 01 41"),
        frame(
            b'D',
            b"H{tls_version}\0TLSv1.3\0{cipher}\0TLS_AES_256_GCM_SHA384\0{cipher_bits}\x00256\0",
        ),
        frame(b'H', b"client.sender.example\0"),
        frame(b'D', b"M{auth_type}\0PLAIN\0{auth_authen}\0alice\0"),
        hex(MAIL),
        message.clone(),
        hex(MAIL),
        message.clone(),
        hex("00 00 00 01 4b"),
        hex(CONNECT),
        hex(MAIL),
        message,
    ]
    .concat();
    let (judge, result) = played(&stream, &Limits::default());
    result.unwrap();
    let mails = judge.mails();
    let tls = mail::Tls {
        version: String::from("TLSv1.3"),
        cipher: String::from("TLS_AES_256_GCM_SHA384"),
    };
    assert_eq!(mails[0].tls, Some(tls.clone()));
    assert_eq!(mails[0].account.as_deref(), Some("alice"));
    assert_eq!(mails[0].auth_method.as_deref(), Some("PLAIN"));
    assert_eq!(mails[0].raw, b"\r\n", "a message without any field or body");
    assert_eq!((&mails[1].tls, &mails[1].account), (&Some(tls), &None));
    assert_eq!((&mails[2].tls, &mails[2].helo_name), (&None, &None));
    assert!(judge.events.contains(&Event::NewConnection));
}

#[test]
fn clients_are_named_only_when_the_server_verified_the_name() {
    let check = |connect: &[u8], in_words: &str, expected: (Family, Option<&str>, Option<&str>)| {
        let stream = [
            hex(POSTFIX_OFFER),
            frame(b'D', format!("C_\0{in_words}\0").as_bytes()),
            frame(b'C', connect),
            hex(MAIL),
            hex(RCPT),
            frame(b'E', b""),
        ]
        .concat();
        let (judge, result) = played(&stream, &Limits::default());
        result.unwrap();
        let mail = judge.mails()[0].clone();
        let ip = mail.ip.map(|ip| ip.to_string());
        assert_eq!(
            (mail.family, mail.ptr_name.as_deref(), ip.as_deref()),
            expected
        );
    };
    check(
        b"mail.sender.example\x004\xd1\x3c203.0.113.9\0",
        "mail.sender.example [203.0.113.9]",
        (
            Family::Ipv4,
            Some("mail.sender.example"),
            Some("203.0.113.9"),
        ),
    );
    check(
        b"mail.sender.example\x004\xd1\x3c203.0.113.9\0",
        "mail.sender.example [203.0.113.9] (may be forged)",
        (Family::Ipv4, None, Some("203.0.113.9")),
    );
    check(
        b"[IPv6:2001:db8::9]\x006\xd1\x3cIPv6:2001:db8::9\0",
        "[IPv6:2001:db8::9]",
        (Family::Ipv6, None, Some("2001:db8::9")),
    );
    check(
        b"unknown\x006\0\x19::ffff:192.0.2.1\0",
        "unknown [192.0.2.1]",
        (Family::Ipv6, None, Some("192.0.2.1")),
    );
    check(
        b"localhost\0L\0\0/var/run/submit\0",
        "localhost",
        (Family::Unix, Some("localhost"), None),
    );
    check(
        b"localhost\0U",
        "root@localhost",
        (Family::Unknown, Some("localhost"), None),
    );
}

/// As recorded from Postfix, when a filter refuses.
#[test]
fn a_refusal_in_our_words_is_what_postfix_was_seen_to_take() {
    let reply = CustomReply::new(550, "5.7.1", "rejected by sample").unwrap();
    let mut out = Vec::new();
    Response::Answer(Answer::Custom(reply)).encode(true, &mut out);
    let recorded = "00 00 00 1e 79 35 35 30 20 35 2e 37 2e 31 20 72 65 6a 65 63 74 65 64 20 62 79 20 73 61 6d 70 6c 65 00";
    assert_eq!(out, hex(recorded));
}

/// Recipients are deleted by the exact words the server gave them in.
#[test]
fn an_oddly_written_recipient_can_be_deleted() {
    let stream = [
        opening(),
        hex(MAIL),
        frame(b'R', b"<@relay.example:bob@example.net>\0"),
        frame(b'R', b"ann@example.net\0NOTIFY=NEVER\0ORCPT=rfc822;ann\0"),
        frame(b'E', b""),
    ]
    .concat();
    let delete = [
        Modification::DeleteRecipient(address("bob@example.net")),
        Modification::DeleteRecipient(address("ann@example.net")),
    ];
    let mut judge = Judge::new(Answer::Accept, &delete);
    judge
        .feed(&mut Session::new(&Limits::default()), &stream)
        .unwrap();
    assert_eq!(
        judge.mails()[0].recipients[1].args,
        "NOTIFY=NEVER ORCPT=rfc822;ann"
    );
    let expected = [
        frame(b'-', b"<@relay.example:bob@example.net>\0"),
        frame(b'-', b"ann@example.net\0"),
        frame(b'a', b""),
    ]
    .concat();
    assert!(judge.output.ends_with(&expected));
}

/// Sendmail's last body chunk may come with the end of the message; servers without the
/// leading-space step leave one space out.
#[test]
fn the_message_is_whole_from_older_servers_too() {
    let stream = [
        frame(b'O', &hex("00 00 00 02 00 00 00 3f 00 00 00 7f")),
        hex(CONNECT),
        hex(MAIL),
        hex(RCPT),
        frame(b'L', b"Subject\0hello\0"),
        frame(b'L', b"Message-ID\0\n <1@example.org>\0"),
        frame(b'B', b"one\r\n"),
        frame(b'E', b"two\r\n"),
    ]
    .concat();
    let (judge, result) = played(&stream, &Limits::default());
    result.unwrap();
    let raw = b"Subject: hello\r\nMessage-ID:\r\n <1@example.org>\r\n\r\none\r\ntwo\r\n";
    assert_eq!(judge.mails()[0].raw, raw);
    let go_on = frame(b'c', b"").repeat(6);
    let negotiated = frame(b'O', &hex("00 00 00 02 00 00 00 3d 00 00 00 00"));
    assert_eq!(judge.output, [negotiated, go_on, frame(b'a', b"")].concat());
}
