//! The milter door against recordings, against our own client, and against nonsense.
#![allow(clippy::unwrap_used)]

mod dialogue;
mod malformed;
mod recorded;
mod roundtrip;

use mail::{Address, Limits};

use super::*;

/// A conversation in which the door takes every recipient and answers every message alike.
struct Judge {
    answer: Answer,
    modifications: Vec<Modification>,
    events: Vec<Event>,
    output: Vec<u8>,
    /// The most memory held at any time.
    held_max: usize,
}

impl Judge {
    fn new(answer: Answer, modifications: &[Modification]) -> Self {
        Self {
            answer,
            modifications: modifications.to_vec(),
            events: Vec::new(),
            output: Vec::new(),
            held_max: 0,
        }
    }

    fn accepting() -> Self {
        Self::new(Answer::Accept, &[])
    }

    /// Feeds and answers everything that is asked.
    fn feed(&mut self, session: &mut Session, bytes: &[u8]) -> Result<(), PeerMisbehaved> {
        session.feed(bytes);
        self.held_max = self.held_max.max(session.held_bytes());
        loop {
            let event = session.next_event();
            self.held_max = self.held_max.max(session.held_bytes());
            let answered = match &event {
                Ok(Some(Event::Recipient(_))) => {
                    session.answer_recipient(RecipientAnswer::Continue)
                }
                Ok(Some(Event::Message(_))) => {
                    session.answer_message(&self.answer, &self.modifications)
                }
                _ => Ok(()),
            };
            answered.unwrap();
            self.output.extend(session.take_output());
            match event? {
                Some(event) => self.events.push(event),
                None => return Ok(()),
            }
        }
    }

    fn mails<'a>(&'a self) -> Vec<&'a Mail> {
        let mail = |event: &'a Event| match event {
            Event::Message(mail) => Some(mail.as_ref()),
            _ => None,
        };
        self.events.iter().filter_map(mail).collect()
    }
}

/// Plays `bytes` whole, and says what came of it.
fn played(bytes: &[u8], limits: &Limits) -> (Judge, Result<(), PeerMisbehaved>) {
    let mut session = Session::new(limits);
    let mut judge = Judge::accepting();
    let result = judge.feed(&mut session, bytes);
    (judge, result)
}

fn frame(command: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_frame(&mut out, command, &[payload]);
    out
}

/// Bytes from a recording's hexadecimal text.
fn hex(text: &str) -> Vec<u8> {
    let byte = |word| u8::from_str_radix(word, 16).unwrap();
    text.split_whitespace().map(byte).collect()
}

fn address(text: &str) -> Address {
    Address::new(text).unwrap()
}

/// The offer Postfix 3.7 opens with.
const POSTFIX_OFFER: &str = "00 00 00 0d 4f 00 00 00 06 00 00 01 ff 00 1f ff ff";
/// CONNECT from 127.0.0.1 port 53550.
const CONNECT: &str =
    "00 00 00 1a 43 5b 31 32 37 2e 30 2e 30 2e 31 5d 00 34 d1 2e 31 32 37 2e 30 2e 30 2e 31 00";
/// MAIL FROM:<a@sender.example>
const MAIL: &str = "00 00 00 14 4d 3c 61 40 73 65 6e 64 65 72 2e 65 78 61 6d 70 6c 65 3e 00";
/// RCPT TO:<user@bench.example>
const RCPT: &str = "00 00 00 16 52 3c 75 73 65 72 40 62 65 6e 63 68 2e 65 78 61 6d 70 6c 65 3e 00";

/// Negotiation and connection, up to where a sender may come.
fn opening() -> Vec<u8> {
    [hex(POSTFIX_OFFER), hex(CONNECT)].concat()
}
