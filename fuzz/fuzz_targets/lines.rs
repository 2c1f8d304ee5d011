//! Any bytes as what a mail server says, in its log and in its SMTP replies: no panic, and replies that are the same
//! however the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::Limits;
use wire::postfix_log::Line;
use wire::smtp::{Reply, ReplyError, ReplyReader};
use wire::tls_log::Sessions;

// The first byte says how large the pieces are; the rest is the server's.
fuzz_target!(|data: &[u8]| {
    let Some((&piece, bytes)) = data.split_first() else {
        return;
    };
    let mut sessions = Sessions::default();
    for line in String::from_utf8_lossy(bytes).lines() {
        let _ = Line::read(line);
        sessions.line(line);
        sessions.line(&format!("postfix/smtp[1]: {line}"));
    }
    assert_eq!(
        replies(bytes, bytes.len().max(1)),
        replies(bytes, usize::from(piece) + 1)
    );
});

fn replies(bytes: &[u8], piece: usize) -> (Vec<Reply>, Option<ReplyError>) {
    let limits = Limits {
        smtp_reply_line_bytes_max: 512,
        smtp_reply_lines_max: 8,
        ..Limits::default()
    };
    let mut reader = ReplyReader::new(&limits);
    let mut all = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.push(piece);
        loop {
            match reader.next_reply() {
                Ok(Some(reply)) => all.push(reply),
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
            }
        }
    }
    (all, None)
}
