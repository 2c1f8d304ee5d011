//! Delivery against scripted servers: polite, old, refusing, lying and vanishing ones.
#![allow(clippy::unwrap_used)]

use mail::{Address, Limits};
use proptest::prelude::*;

use super::*;

fn address(text: &str) -> Address {
    Address::new(text).unwrap()
}

/// Plays `server` (what it says, step by step) and gives the outcome with everything we said.
fn play(submission: Submission<'_>, server: &[&str]) -> (Option<Outcome>, String) {
    let mut delivery = Delivery::new(submission, &Limits::default()).unwrap();
    let mut said = Vec::new();
    for words in server {
        delivery.feed(words.as_bytes()).unwrap();
        said.extend(all_output(&mut delivery));
    }
    (delivery.outcome(), String::from_utf8(said).unwrap())
}

fn all_output(delivery: &mut Delivery<'_>) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let piece = delivery.take_output();
        if piece.is_empty() {
            return all;
        }
        all.extend(piece);
    }
}

const EHLO: &str = "250-mx.example.org\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";
const OK: &str = "250 2.1.0 Ok\r\n";
const GO: &str = "354 End data with <CR><LF>.<CR><LF>\r\n";

fn reply(code: u16, line: &str) -> Reply {
    Reply {
        code,
        lines: vec![line.to_owned()],
    }
}

#[test]
fn a_message_is_handed_over() {
    let (from, to) = (address("ann@example.org"), [address("bob@example.net")]);
    let submission = Submission {
        helo_name: "mailvigil.example.org",
        envelope_from: Some(&from),
        recipients: &to,
        raw: b"Subject: x\r\n\r\n.dot\r\n..\r\nend",
    };
    let server = [
        "220 mx.example.org ESMTP\r\n",
        EHLO,
        OK,
        OK,
        GO,
        "250 2.0.0 queued as 4ABC\r\n",
    ];
    let (outcome, said) = play(submission, &server);
    assert_eq!(
        said,
        "EHLO mailvigil.example.org\r\nMAIL FROM:<ann@example.org> SIZE=27\r\n\
         RCPT TO:<bob@example.net>\r\nDATA\r\n\
         Subject: x\r\n\r\n..dot\r\n...\r\nend\r\n.\r\nQUIT\r\n"
    );
    let outcome = outcome.unwrap();
    assert!(outcome.is_complete());
    assert_eq!(outcome.last_reply, Some(reply(250, "2.0.0 queued as 4ABC")));
}

#[test]
fn old_servers_and_the_null_sender() {
    let to = [address("bob@example.net")];
    let submission = Submission {
        helo_name: "[127.0.0.1]",
        envelope_from: None,
        recipients: &to,
        raw: "Subject: é\r\n\r\n".as_bytes(),
    };
    let server = [
        "220 hi\r\n",
        "502 what?\r\n",
        "250 hello\r\n",
        "250\r\n",
        OK,
        GO,
        OK,
    ];
    let (outcome, said) = play(submission, &server);
    assert!(said.starts_with("EHLO [127.0.0.1]\r\nHELO [127.0.0.1]\r\nMAIL FROM:<>\r\nRCPT"));
    assert!(outcome.unwrap().is_complete());
}

#[test]
fn eight_bit_and_international_mail_say_so() {
    let to = [address("bob@example.net"), address("王@example.net")];
    let submission = Submission {
        helo_name: "a.example",
        envelope_from: None,
        recipients: &to,
        raw: "é".as_bytes(),
    };
    let (_, said) = play(submission, &["220 hi\r\n", EHLO]);
    assert!(said.ends_with("MAIL FROM:<> SIZE=2 BODY=8BITMIME SMTPUTF8\r\n"));
    let (outcome, said) = play(submission, &["220 hi\r\n", "250 plain\r\n"]);
    assert!(
        said.ends_with("QUIT\r\n"),
        "not sent to a server that cannot take it"
    );
    assert_eq!(outcome.unwrap().recipients[1].attempt, Attempt::NotPossible);
}

#[test]
fn recipients_are_refused_one_by_one() {
    let to = [address("a@example.net"), address("b@example.net")];
    let submission = Submission {
        helo_name: "a.example",
        envelope_from: None,
        recipients: &to,
        raw: b"x",
    };
    let no = "550-5.1.1 no\r\n550 5.1.1 such user\r\n";
    let refused = Attempt::Refused(Reply {
        code: 550,
        lines: vec![String::from("5.1.1 no"), String::from("5.1.1 such user")],
    });
    let (outcome, _) = play(submission, &["220 hi\r\n", EHLO, OK, no, OK, GO, OK]);
    let outcome = outcome.unwrap();
    assert!(!outcome.is_complete());
    assert_eq!(outcome.recipients[0].attempt, refused);
    assert_eq!(outcome.recipients[1].attempt, Attempt::Taken);

    let (outcome, said) = play(submission, &["220 hi\r\n", EHLO, OK, no, no]);
    assert_eq!(outcome.unwrap().recipients[1].attempt, refused);
    assert!(
        said.ends_with("RCPT TO:<b@example.net>\r\nQUIT\r\n"),
        "no DATA for nobody"
    );
}

#[test]
fn a_refusal_anywhere_is_a_refusal_for_all_that_are_left() {
    let to = [address("a@example.net"), address("b@example.net")];
    let submission = Submission {
        helo_name: "a.example",
        envelope_from: None,
        recipients: &to,
        raw: b"x",
    };
    let polite = ["220 hi\r\n", EHLO, OK, OK, OK, GO];
    // A refused recipient (steps 3 and 4) is only that recipient's refusal: see the test above.
    for before in [0, 1, 2, 5, 6] {
        let mut server = polite[..before].to_vec();
        server.push("451 4.3.0 later\r\n");
        let (outcome, said) = play(submission, &server);
        let outcome = outcome.unwrap();
        let refused = Attempt::Refused(reply(451, "4.3.0 later"));
        for recipient in &outcome.recipients {
            assert_eq!(recipient.attempt, refused, "after {before} steps");
        }
        assert!(said.ends_with("QUIT\r\n"), "after {before} steps");
        assert_eq!(outcome.last_reply, Some(reply(451, "4.3.0 later")));
    }
}

/// What is certain when the connection breaks: nothing was handed over until the last dot went out.
#[test]
fn a_lost_connection_is_unknown_only_after_the_dot() {
    let to = [address("a@example.net"), address("b@example.net")];
    let raw = vec![b'x'; 200_000];
    let submission = Submission {
        helo_name: "a.example",
        envelope_from: None,
        recipients: &to,
        raw: &raw,
    };
    let mut delivery = Delivery::new(submission, &Limits::default()).unwrap();
    let attempts = |delivery: &Delivery<'_>| {
        let outcome = delivery.outcome_if_lost();
        outcome
            .recipients
            .into_iter()
            .map(|one| one.attempt)
            .collect::<Vec<_>>()
    };
    let no = Attempt::Refused(reply(550, "no"));
    for words in ["220 hi\r\n", EHLO, OK, OK] {
        delivery.feed(words.as_bytes()).unwrap();
        all_output(&mut delivery);
        assert_eq!(attempts(&delivery), [Attempt::NotSent, Attempt::NotSent]);
    }
    delivery.feed(b"550 no\r\n").unwrap();
    all_output(&mut delivery);
    delivery.feed(GO.as_bytes()).unwrap();
    for _ in 0..3 {
        assert!(delivery.take_output().len() <= 128 << 10);
        assert_eq!(attempts(&delivery), [Attempt::NotSent, no.clone()]);
    }
    assert!(delivery.take_output().ends_with(b"\r\n.\r\n"));
    assert_eq!(delivery.outcome(), None);
    assert_eq!(attempts(&delivery), [Attempt::Unknown, no.clone()]);
    delivery.feed(b"250 yes\r\n").unwrap();
    assert_eq!(attempts(&delivery), [Attempt::Taken, no]);
    assert_eq!(all_output(&mut delivery), b"QUIT\r\n");
    assert!(!delivery.is_done());
    delivery.feed(b"221 bye\r\n").unwrap();
    assert!(delivery.is_done());
}

#[test]
fn a_server_that_breaks_off_amid_the_message_is_not_sent_more() {
    let to = [address("a@example.net")];
    let raw = vec![b'x'; 200_000];
    let submission = Submission {
        helo_name: "a.example",
        envelope_from: None,
        recipients: &to,
        raw: &raw,
    };
    let start = |early: &str| {
        let mut delivery = Delivery::new(submission, &Limits::default()).unwrap();
        for words in ["220 hi\r\n", EHLO, OK, OK, GO] {
            delivery.feed(words.as_bytes()).unwrap();
            delivery.take_output();
        }
        let result = delivery.feed(early.as_bytes());
        (
            result,
            delivery.take_output().is_empty(),
            delivery.outcome_if_lost(),
        )
    };
    let (result, is_silent, outcome) = start("552 5.3.4 too big\r\n");
    assert_eq!((result, is_silent), (Ok(()), true));
    assert_eq!(
        outcome.recipients[0].attempt,
        Attempt::Refused(reply(552, "5.3.4 too big"))
    );
    let (result, _, outcome) = start("250 taken already\r\n");
    assert!(matches!(result, Err(ReplyError::Unasked { .. })));
    assert_eq!(outcome.recipients[0].attempt, Attempt::NotSent);
}

#[test]
fn commands_cannot_be_smuggled_in() {
    let good = address("a@example.net");
    for text in ["a@b>\r\nDATA", "a b@c", "x<@y", "a\u{85}@b", "a\u{2028}@b"] {
        let bad = [address(text)];
        let check = |helo_name, envelope_from, recipients| {
            let submission = Submission {
                helo_name,
                envelope_from,
                recipients,
                raw: b"",
            };
            Delivery::new(submission, &Limits::default()).unwrap_err()
        };
        let to = std::slice::from_ref(&good);
        for sin in [
            check("h", None, &bad),
            check("h", Some(&bad[0]), to),
            check("h\r\nX", None, to),
        ] {
            assert!(matches!(sin, BadSubmission::Unsafe { .. }), "{text:?}");
        }
        assert_eq!(check("h", None, &[]), BadSubmission::NoRecipient);
    }
}

#[test]
fn replies_are_bounded_and_strict() {
    let read = |bytes: &[u8]| {
        let mut reader = ReplyReader::new(&Limits::default());
        reader.push(bytes);
        reader.next_reply()
    };
    assert_eq!(read(b"250"), Ok(None));
    assert_eq!(read(b"250\n"), Ok(Some(reply(250, ""))));
    assert_eq!(read(b"250 a\xff\r\n"), Ok(Some(reply(250, "a\u{fffd}"))));
    assert_eq!(
        read(&[b'2'; 5000]),
        Err(ReplyError::LineTooLong { limit: 4096 })
    );
    assert_eq!(
        read(&b"250-x\r\n".repeat(101)),
        Err(ReplyError::TooManyLines { limit: 100 })
    );
    assert_eq!(
        read(b"250-a\r\n550 b\r\n"),
        Err(ReplyError::CodeChanges {
            first: 250,
            then: 550
        })
    );
    for bad in [
        "hello\r\n",
        "99 x\r\n",
        "600 x\r\n",
        "150 x\r\n",
        "250x\r\n",
        "\r\n",
        "+25 x\r\n",
        "٢٥٠ x\r\n",
    ] {
        assert!(
            matches!(read(bad.as_bytes()), Err(ReplyError::NotAReply { .. })),
            "{bad:?}"
        );
    }
}

/// What a receiving server makes of the content: dots undone, up to the lone dot.
fn received(wire: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let mut rest = wire;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
        let (line, behind) = rest.split_at(end);
        rest = behind;
        if line == b".\r\n" {
            assert!(rest.is_empty(), "something follows the end of the message");
            return message;
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
}

/// Every CR and LF of `raw` as CRLF, and one at the end.
fn normal(raw: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(raw)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let mut text = text.replace('\n', "\r\n");
    if !text.is_empty() && !text.ends_with('\n') {
        text.push_str("\r\n");
    }
    text.into_bytes()
}

proptest! {
    /// However line ends and dots are mixed, the server receives the message and nothing beyond it.
    #[test]
    fn the_message_never_ends_early(raw in prop::collection::vec(prop::sample::select(b"\r\n.a".to_vec()), 0..60)) {
        let to = [address("a@example.net")];
        let submission = Submission { helo_name: "h", envelope_from: None, recipients: &to, raw: &raw };
        let mut delivery = Delivery::new(submission, &Limits::default()).unwrap();
        for words in ["220 hi\r\n", "250 h\r\n", OK, OK] {
            delivery.feed(words.as_bytes()).unwrap();
            all_output(&mut delivery);
        }
        delivery.feed(GO.as_bytes()).unwrap();
        let wire = all_output(&mut delivery);
        for (index, byte) in wire.iter().enumerate() {
            let paired = match byte {
                b'\r' => wire.get(index + 1) == Some(&b'\n'),
                b'\n' => index > 0 && wire[index - 1] == b'\r',
                _ => true,
            };
            prop_assert!(paired, "bare line end at {}", index);
        }
        prop_assert_eq!(received(&wire), normal(&raw));
    }

    #[test]
    fn any_server_is_survived_and_torn_replies_are_the_same(
        words in prop::collection::vec(prop::sample::select(vec![
            "220 hi\r\n", EHLO, OK, OK, OK, GO, "421 bye\r\n", "550 no\r\n", "2", "\r\n", "250-", "junk\r\n",
        ]), 0..14),
        torn in 1usize..20,
    ) {
        let stream = words.concat();
        let to = [address("a@example.net"), address("b@example.net")];
        let submission = Submission { helo_name: "h", envelope_from: None, recipients: &to, raw: b"x" };
        // With the answers written at once, as to a real server: only that nothing panics.
        let mut lively = Delivery::new(submission, &Limits::default()).unwrap();
        for piece in stream.as_bytes().chunks(torn) {
            if lively.feed(piece).is_err() {
                break;
            }
            all_output(&mut lively);
        }
        let read = |pieces: usize| {
            let mut delivery = Delivery::new(submission, &Limits::default()).unwrap();
            let mut pieces = stream.as_bytes().chunks(pieces);
            let result = pieces.try_for_each(|piece| delivery.feed(piece));
            (result, delivery.outcome(), delivery.outcome_if_lost(), all_output(&mut delivery))
        };
        prop_assert_eq!(read(1000), read(torn));
    }
}
