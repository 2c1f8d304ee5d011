//! Any bytes as what an IMAP server says: no panic, no more memory than the limits, and the same responses however the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::Limits;
use wire::imap::{ImapFault, Replies, Reply};

// The first byte says how large the pieces are; the rest is the server's.
fuzz_target!(|data: &[u8]| {
    let Some((&piece, bytes)) = data.split_first() else {
        return;
    };
    assert_eq!(
        replies(bytes, bytes.len().max(1)),
        replies(bytes, usize::from(piece) + 1)
    );
});

fn replies(bytes: &[u8], piece: usize) -> (Vec<Reply>, Option<ImapFault>) {
    let limits = Limits {
        imap_line_bytes_max: 512,
        message_bytes_max: 2048,
        ..Limits::default()
    };
    let mut replies = Replies::new(&limits);
    let mut all = Vec::new();
    for piece in bytes.chunks(piece) {
        replies.push(piece);
        loop {
            match replies.next_reply() {
                Ok(Some(reply)) => all.push(reply),
                Ok(None) => break,
                Err(fault) => return (all, Some(fault)),
            }
        }
    }
    (all, None)
}
