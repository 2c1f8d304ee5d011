//! Every encoder against its decoder.

use proptest::prelude::*;

use super::super::command::join;
use super::*;

fn decode_one<T>(bytes: &[u8], read: impl FnOnce(Frame<'_>) -> T) -> T {
    let mut reader = FrameReader::new(1 << 20);
    reader.push(bytes);
    let decoded = read(reader.next_frame().unwrap().unwrap());
    assert_eq!(reader.waiting_bytes(), 0, "exactly one frame");
    decoded
}

fn check_command(command: &Command<'_>) {
    let mut bytes = Vec::new();
    command.encode(&mut bytes);
    decode_one(&bytes, |frame| {
        assert_eq!(&Command::decode(frame, 100).unwrap(), command);
    });
}

fn check_response(response: &Response) {
    for leading_space in [false, true] {
        let mut bytes = Vec::new();
        response.encode(leading_space, &mut bytes);
        let decoded = decode_one(&bytes, |frame| {
            Response::decode(frame, leading_space).unwrap()
        });
        assert_eq!(&decoded, response);
    }
}

#[test]
fn commands_without_content() {
    for command in [
        Command::Data,
        Command::EndOfHeaders,
        Command::EndOfMessage(b""),
        Command::Abort,
        Command::Quit,
        Command::QuitNewConnection,
    ] {
        check_command(&command);
    }
}

proptest! {
    #[test]
    fn commands(a in "[^\0]{0,40}", b in "[^\0]{0,40}", list in prop::collection::vec("[^\0]{0,20}", 0..6),
                numbers in any::<(u32, u32, u32, u16)>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (version, actions, steps, port) = numbers;
        let (a, b) = (a.as_bytes(), b.as_bytes());
        let joined = join(list.iter().map(String::as_str));
        let args = Strings::over(&joined);
        let read: Vec<_> = args.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
        prop_assert_eq!(&read, &list);
        check_command(&Command::Negotiate(Offer { version, actions: Actions(actions), steps: Steps(steps) }));
        for family in [Family::Ipv4, Family::Ipv6, Family::Unix] {
            check_command(&Command::Connect { host: a, family, port, address: b });
        }
        check_command(&Command::Connect { host: a, family: Family::Unknown, port: 0, address: b"" });
        check_command(&Command::Helo(a));
        check_command(&Command::Mail { path: a, args });
        check_command(&Command::Recipient { path: a, args });
        check_command(&Command::Unknown(a));
        check_command(&Command::Header { name: a, value: b });
        check_command(&Command::Body(&bytes));
        check_command(&Command::EndOfMessage(&bytes));
        let pairs: Vec<_> = list.iter().flat_map(|name| [name.as_str(), "value"]).collect();
        let joined = join(pairs);
        let pairs = Pairs::over(&joined);
        prop_assert_eq!(pairs.iter().count(), list.len());
        for letter in *b"CHMRTLNBEU" {
            check_command(&Command::Macros { stage: Stage::from_byte(letter), pairs });
        }
    }

    #[test]
    fn responses(name in "[!-9;-~]{1,20}", value in "[!-~][ -~é]{0,60}(\n[ \t][!-~]{1,20}){0,3}", index in any::<u32>(),
                 local in "[a-zé0-9.]{1,20}", arg in "[!-~]{1,20}", body in prop::collection::vec(any::<u8>(), 0..300)) {
        let to = address(&format!("{local}@example.org"));
        let (header, text) = (|| name.clone(), || value.clone());
        let modifications = [
            Modification::AddHeader { name: header(), value: text() },
            Modification::InsertHeader { index, name: header(), value: text() },
            Modification::ChangeHeader { index, name: header(), value: text() },
            Modification::ChangeHeader { index, name: header(), value: String::new() },
            Modification::AddRecipient { address: to.clone(), args: None },
            Modification::AddRecipient { address: to.clone(), args: Some(arg.clone()) },
            Modification::DeleteRecipient(to.clone()),
            Modification::ReplaceBody(body),
            Modification::ChangeFrom { address: Some(to), args: None },
            Modification::ChangeFrom { address: None, args: Some(arg) },
            Modification::Quarantine(value.replace('\n', " ")),
        ];
        for modification in modifications {
            modification.check().unwrap();
            check_response(&Response::Modification(modification));
        }
        for answer in [Answer::Accept, Answer::Continue, Answer::Discard, Answer::Tempfail, Answer::Reject] {
            check_response(&Response::Answer(answer));
        }
        check_response(&Response::Skip);
        check_response(&Response::Progress);
    }

    #[test]
    fn replies(code in 400u16..600, subject in 0u16..1000, detail in 0u16..1000, text in "[ -~]{0,99}(\n[ -~]{0,99}){0,4}") {
        let enhanced = format!("{}.{subject}.{detail}", code / 100);
        let reply = CustomReply::new(code, &enhanced, &text).unwrap();
        check_response(&Response::Answer(Answer::Custom(reply)));
    }

    /// Whatever stands in a value, it stays one field: every line but the first begins with white
    /// space, and there is no NUL.
    #[test]
    fn no_value_breaks_out_of_its_field(value in "[a\0\r\n\t :]{0,40}") {
        let modification = Modification::AddHeader { name: String::from("X"), value };
        let mut bytes = Vec::new();
        modification.encode(true, &mut bytes);
        let payload = &bytes[5..];
        prop_assert_eq!(payload.split(|byte| *byte == 0).count(), 3);
        let value = &payload[2..payload.len() - 1];
        prop_assert!(!value.contains(&b'\r'));
        for line in value.split(|byte| *byte == b'\n').skip(1) {
            prop_assert!(line.starts_with(b" ") || line.starts_with(b"\t"));
            prop_assert!(!line.trim_ascii().is_empty());
        }
    }
}

#[test]
fn a_large_new_body_goes_out_in_chunks() {
    let body: Vec<u8> = (0..200_000u32).map(|index| index as u8).collect();
    let mut bytes = Vec::new();
    Modification::ReplaceBody(body.clone()).encode(true, &mut bytes);
    let mut reader = FrameReader::new(65_536);
    reader.push(&bytes);
    let mut whole = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        assert_eq!(frame.command, b'b');
        whole.extend_from_slice(frame.payload);
    }
    assert_eq!(whole, body);
}

#[test]
fn replies_are_valid_by_construction() {
    let text = |reply: CustomReply| {
        let mut bytes = Vec::new();
        Response::Answer(Answer::Custom(reply)).encode(true, &mut bytes);
        String::from_utf8_lossy(&bytes[5..]).into_owned()
    };
    let reply = |code, enhanced, words| CustomReply::new(code, enhanced, words);
    assert_eq!(
        text(reply(550, "5.7.1", "100% junk\r\nsee https://example.org/é").unwrap()),
        "550-5.7.1 100%% junk\r\n550 5.7.1 see https://example.org/?\0"
    );
    assert_eq!(
        text(reply(451, "4.7.0", "").unwrap()),
        "451 4.7.0 refused\0"
    );
    assert_eq!(
        reply(250, "2.0.0", "yes"),
        Err(BadReply::Code { code: 250 })
    );
    for enhanced in ["4.7.1", "5.7", "5.7.1.2", "5.7.", "5.7777.1", "5.7.1 x", ""] {
        assert!(
            matches!(reply(550, enhanced, "no"), Err(BadReply::Enhanced { .. })),
            "{enhanced}"
        );
    }
}

#[test]
fn envelope_changes_cannot_carry_commands() {
    let bad = |modification: Modification| {
        assert!(
            matches!(modification.check(), Err(BadAnswer::Address { .. })),
            "{modification:?}"
        );
    };
    for text in ["a@b>\r\nDATA", "a b@c", "a@b>x", "a\0@b"] {
        let address = address(text);
        bad(Modification::AddRecipient {
            address: address.clone(),
            args: None,
        });
        bad(Modification::ChangeFrom {
            address: Some(address),
            args: None,
        });
    }
    bad(Modification::AddRecipient {
        address: address("a@b"),
        args: Some(String::from("NOTIFY=NEVER\r\nDATA")),
    });
}
