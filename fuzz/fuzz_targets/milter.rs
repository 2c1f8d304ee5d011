//! Any bytes, cut anywhere, at the milter door: no panic, bounded memory, and the same story whether the
//! bytes come whole or in pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::Limits;
use wire::milter::{Answer, Event, Modification, PeerMisbehaved, RecipientAnswer, Session};

/// What a conversation came to.
#[derive(Debug, PartialEq)]
struct Story {
    events: Vec<Event>,
    output: Vec<u8>,
    end: Result<(), PeerMisbehaved>,
}

// The first byte says how large the pieces are; the rest is the peer's.
fuzz_target!(|data: &[u8]| {
    let Some((&piece, stream)) = data.split_first() else {
        return;
    };
    let piece = usize::from(piece) + 1;
    let limits = Limits {
        milter_frame_bytes_max: 4096,
        milter_macros_max: 16,
        message_bytes_max: 2048,
        recipients_max: 4,
        address_bytes_max: 64,
        ..Limits::default()
    };
    let whole = play(&limits, stream.chunks(stream.len().max(1)), stream.len());
    let torn = play(&limits, stream.chunks(piece), piece);
    assert_eq!(whole, torn);
});

fn play<'a>(limits: &Limits, pieces: impl Iterator<Item = &'a [u8]>, piece: usize) -> Story {
    let mut session = Session::new(limits);
    let mut story = Story {
        events: Vec::new(),
        output: Vec::new(),
        end: Ok(()),
    };
    // A frame not yet whole and one piece, with the room a growing buffer takes; and one message.
    let held_max = 2 * (4 + limits.milter_frame_bytes_max + piece) + limits.message_bytes_max;
    for bytes in pieces {
        session.feed(bytes);
        loop {
            assert!(
                session.held_bytes() <= held_max,
                "{} held",
                session.held_bytes()
            );
            match session.next_event() {
                Ok(Some(event)) => {
                    answer(&mut session, &event);
                    story.events.push(event);
                }
                Ok(None) => break,
                Err(sin) => {
                    story.end = Err(sin);
                    break;
                }
            }
        }
        story.output.extend(session.take_output());
        if story.end.is_err() {
            break;
        }
    }
    story
}

/// Every second recipient is refused, every message marked where that is allowed.
fn answer(session: &mut Session, event: &Event) {
    match event {
        Event::Recipient(recipient) if recipient.path.len() % 2 == 0 => session
            .answer_recipient(RecipientAnswer::Tempfail)
            .expect("a recipient was asked about"),
        Event::Recipient(_) => session
            .answer_recipient(RecipientAnswer::Continue)
            .expect("a recipient was asked about"),
        Event::Message(mail) => {
            let mut changes = vec![Modification::AddHeader {
                name: String::from("X-Size"),
                value: mail.size_bytes.to_string(),
            }];
            if let Some(recipient) = mail.recipients.first() {
                changes.push(Modification::DeleteRecipient(recipient.address.clone()));
            }
            if session.answer_message(&Answer::Accept, &changes).is_err() {
                session
                    .answer_message(&Answer::Accept, &[])
                    .expect("a message was asked about, and nothing is to be changed");
            }
        }
        Event::Aborted | Event::NewConnection | Event::Quit => {}
    }
}
