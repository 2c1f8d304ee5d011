use mail::Limits;
use proptest::prelude::*;

use super::*;

fn all(bytes: &[u8], piece: usize, limits: &Limits) -> (Vec<Reply>, Option<ImapFault>) {
    let mut replies = Replies::new(limits);
    let mut read = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        replies.push(piece);
        loop {
            match replies.next_reply() {
                Ok(Some(reply)) => read.push(reply),
                Ok(None) => break,
                Err(fault) => return (read, Some(fault)),
            }
        }
    }
    (read, None)
}

fn one(line: &str) -> Result<Reply, ImapFault> {
    let (mut replies, fault) = all(line.as_bytes(), line.len(), &Limits::default());
    match fault {
        Some(fault) => Err(fault),
        None => Ok(replies.remove(0)),
    }
}

fn atom(text: &str) -> Value {
    Value::Atom(text.to_owned())
}

#[test]
fn responses_are_read_as_servers_send_them() {
    let status = |tag: Option<&str>, kind, code: &str, text: &str| {
        Ok(Reply::Status(Status {
            tag: tag.map(str::to_owned),
            kind,
            code: code.to_owned(),
            text: text.to_owned(),
        }))
    };
    assert_eq!(
        one("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] Dovecot ready.\r\n"),
        status(
            None,
            Kind::Ok,
            "CAPABILITY IMAP4rev1 AUTH=PLAIN",
            "Dovecot ready."
        )
    );
    assert_eq!(
        one("a1 no [AUTHENTICATIONFAILED] Authentication failed.\r\n"),
        status(
            Some("a1"),
            Kind::No,
            "AUTHENTICATIONFAILED",
            "Authentication failed."
        )
    );
    assert_eq!(one("* BYE bye\r\n"), status(None, Kind::Bye, "", "bye"));
    assert_eq!(one("+ OK\r\n"), Ok(Reply::Continue("OK".to_owned())));
    assert_eq!(
        one("* SEARCH 2 84 882\r\n"),
        Ok(Reply::Data(vec![
            atom("SEARCH"),
            atom("2"),
            atom("84"),
            atom("882")
        ]))
    );
    assert_eq!(
        one("* LIST (\\HasNoChildren \\Junk) \"/\" \"a \\\"b\\\\\"\r\n"),
        Ok(Reply::Data(vec![
            atom("LIST"),
            Value::List(vec![atom("\\HasNoChildren"), atom("\\Junk")]),
            Value::Text(b"/".to_vec()),
            Value::Text(b"a \"b\\".to_vec()),
        ]))
    );
    assert_eq!(
        one(
            "* 1 FETCH (UID 7 BODY[] {14}\r\nA: b\r\n\r\n(x)\r\n BODY[HEADER.FIELDS (DATE)] \"\")\r\n"
        ),
        Ok(Reply::Data(vec![
            atom("1"),
            atom("FETCH"),
            Value::List(vec![
                atom("UID"),
                atom("7"),
                atom("BODY[]"),
                Value::Text(b"A: b\r\n\r\n(x)\r\n ".to_vec()),
                atom("BODY[HEADER.FIELDS (DATE)]"),
                Value::Text(Vec::new()),
            ]),
        ]))
    );
}

#[test]
fn what_is_no_imap_and_what_is_too_much_ends_it() {
    for bad in [
        "220 mail.example.org ESMTP\r\n",
        "\r\n",
        "* LIST (a\r\n",
        "* LIST a)\r\n",
        "* LIST \"a\r\n",
        "* X {99999999999999999999999999}\r\n",
    ] {
        assert_eq!(one(bad), Err(ImapFault::Senseless), "{bad:?}");
    }
    let deep = format!("* X {}{}\r\n", "(".repeat(17), ")".repeat(17));
    assert_eq!(one(&deep), Err(ImapFault::Senseless));
    let limits = Limits {
        imap_line_bytes_max: 100,
        message_bytes_max: 1000,
        ..Limits::default()
    };
    let endless = "* X ".to_owned() + &"y".repeat(200);
    assert_eq!(
        all(endless.as_bytes(), 7, &limits).1,
        Some(ImapFault::LongLine(100))
    );
    let large = "* 1 FETCH (BODY[] {1001}\r\n";
    assert_eq!(
        all(large.as_bytes(), 9, &limits).1,
        Some(ImapFault::LongText {
            found: 1001,
            most: 1000
        })
    );
    let twice = format!("* 1 FETCH (A {{600}}\r\n{} B {{401}}\r\n", "x".repeat(600));
    assert_eq!(
        all(twice.as_bytes(), 50, &limits).1,
        Some(ImapFault::LongText {
            found: 401,
            most: 400
        })
    );
}

#[test]
fn commands_quote_what_needs_it() {
    let pieces = |command: Command| {
        let pieces = command.pieces().into_iter();
        pieces
            .map(|piece| String::from_utf8_lossy(&piece).into_owned())
            .collect::<Vec<_>>()
    };
    let plain = Command::new("a1", "UID SEARCH")
        .words("HEADER Message-ID")
        .string(b"<a\"b\\c@d>");
    assert_eq!(plain.tag(), "a1");
    assert_eq!(
        pieces(plain),
        ["a1 UID SEARCH HEADER Message-ID \"<a\\\"b\\\\c@d>\"\r\n"]
    );
    // Nothing that is quoted ends a command and begins another.
    let hostile = Command::new("a2", "SELECT")
        .string(b"x\r\na3 DELETE INBOX\0")
        .words("(CONDSTORE)");
    assert_eq!(
        pieces(hostile),
        ["a2 SELECT {18}\r\n", "x\r\na3 DELETE INBOX (CONDSTORE)\r\n"]
    );
}

#[test]
fn names_of_mailboxes_are_written_in_modified_utf_7() {
    // The example of RFC 3501, section 5.1.3.
    assert_eq!(
        mailbox_name("~peter/mail/台北/日本語"),
        "~peter/mail/&U,BTFw-/&ZeVnLIqe-"
    );
    assert_eq!(mailbox_name("A & B"), "A &- B");
    assert_eq!(mailbox_name("😀"), "&2D3eAA-");
    assert_eq!(mailbox_name("垃圾邮件"), "&V4NXPpCuTvY-");
}

proptest! {
    #[test]
    fn any_bytes_are_read_the_same_however_they_are_cut(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1..40_usize) {
        let limits = Limits { imap_line_bytes_max: 200, message_bytes_max: 500, ..Limits::default() };
        prop_assert_eq!(all(&bytes, piece, &limits), all(&bytes, bytes.len(), &limits));
    }

    #[test]
    fn strings_come_back_as_they_were_sent(text in prop::collection::vec(1..=255_u8, 0..700)) {
        let sent: Vec<u8> = Command::new("*", "X").string(&text).pieces().concat();
        let (read, fault) = all(&sent, 11, &Limits::default());
        prop_assert_eq!(fault, None);
        prop_assert_eq!(read, vec![Reply::Data(vec![atom("X"), Value::Text(text)])]);
    }
}
