//! Any bytes as what a client of the doors besides milter says: no panic, nothing past the limits, and the same however the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::Limits;
use wire::smtp::{Command, Incoming, Intake, Received, dot_stuffed};
use wire::spamd::{Misfit, Request, RequestReader};

const MESSAGE_MAX: usize = 4096;

// The first byte says how large the pieces are; the rest is the client's.
fuzz_target!(|data: &[u8]| {
    let Some((&piece, bytes)) = data.split_first() else {
        return;
    };
    for line in bytes.split(|byte| *byte == b'\n') {
        let _ = Command::read(line);
    }
    let piece = usize::from(piece) + 1;
    let message = message(bytes, piece);
    assert_eq!(message, self::message(bytes, bytes.len().max(1)));
    if let Some(whole) = message.and_then(|received| received.message) {
        assert!(whole.len() <= MESSAGE_MAX);
        let again = self::message(&dot_stuffed(&whole), piece);
        assert!(again.is_some(), "what goes out ends");
    }
    // More than was promised is noticed only when it comes along, so the pieces may decide there.
    let (whole, cut) = (request(bytes, bytes.len().max(1)), request(bytes, piece));
    if !matches!(whole, Err(Misfit::Overlong { .. } | Misfit::TooLong { .. })) {
        assert_eq!(whole, cut);
    }
});

fn message(bytes: &[u8], piece: usize) -> Option<Received> {
    let mut intake = Intake::new(512);
    let mut incoming = Incoming::new(MESSAGE_MAX);
    for piece in bytes.chunks(piece) {
        intake.push(piece);
        if let Some(done) = intake.message(&mut incoming) {
            return Some(done);
        }
        assert!(incoming.held_bytes() <= MESSAGE_MAX);
    }
    None
}

fn request(bytes: &[u8], piece: usize) -> Result<Option<Request>, Misfit> {
    let limits = Limits {
        message_bytes_max: MESSAGE_MAX,
        ..Limits::default()
    };
    let mut reader = RequestReader::new(&limits);
    for piece in bytes.chunks(piece) {
        if let Some(request) = reader.feed(piece)? {
            return Ok(Some(request));
        }
    }
    reader.finish()
}
