//! The door for Dovecot's event export over a unix socket (or TCP): one event a line, and never an answer. Dovecot writes as it goes
//! and does not wait, so a line that cannot be used is counted, told once a connection, and the next is read.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::accept::{self, Doorway};
use super::listener::{Listener, Stream};
use super::watch::WatchDoor;

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

/// Serves `listener` until the service stops.
pub async fn serve(listener: Listener, doorway: Arc<Doorway>, door: Arc<WatchDoor>) {
    accept::serve(listener, "events", doorway, move |stream, from, doorway| {
        let door = door.clone();
        async move { listen(stream, &from, &doorway, &door).await }
    })
    .await;
}

async fn listen(
    mut stream: Stream,
    from: &str,
    doorway: &Doorway,
    door: &WatchDoor,
) -> &'static str {
    let settings = doorway.engine.settings();
    let mut lines = Lines::new(settings.limits.told_bytes_max);
    let mut buffer = vec![0; READ_BYTES];
    let mut complained = false;
    loop {
        let read = tokio::select! {
            read = stream.read(&mut buffer) => read,
            // Nothing happens in mailboxes at night: an idle connection is no dead one, and Dovecot opens no second.
            () = tokio::time::sleep(Duration::from_hours(24)) => return "idle",
            () = doorway.stop.cancelled() => return "drained",
        };
        let length = match read {
            Ok(0) | Err(_) => return "closed",
            Ok(length) => length,
        };
        lines.feed(&buffer[..length], |line| {
            let why = match line {
                Some(line) => door.event_line(line).err().map(|unfit| unfit.to_string()),
                None => Some("a line is longer than limits.told_bytes_max".to_owned()),
            };
            if let Some(why) = why.filter(|_| !complained) {
                complained = true;
                tracing::warn!(
                    "an event from {from} was passed over, further ones of this connection are without a word: {why}"
                );
            }
        });
        stream.acknowledge_at_once();
    }
}

/// Lines out of pieces; one that is too long is passed over whole.
struct Lines {
    begun: Vec<u8>,
    bytes_max: usize,
    passing_over: bool,
}

impl Lines {
    const fn new(bytes_max: usize) -> Self {
        Self {
            begun: Vec::new(),
            bytes_max,
            passing_over: false,
        }
    }

    /// Gives each line that has ended; `None` is one that was too long.
    fn feed(&mut self, mut bytes: &[u8], mut take: impl FnMut(Option<&[u8]>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.passing_over || self.begun.len() + line.len() > self.bytes_max {
                take(None);
            } else if self.begun.is_empty() {
                take(Some(line));
            } else {
                self.begun.extend_from_slice(line);
                take(Some(&self.begun));
            }
            self.begun.clear();
            self.passing_over = false;
        }
        if self.passing_over || self.begun.len() + bytes.len() > self.bytes_max {
            self.begun.clear();
            self.passing_over = true;
        } else {
            self.begun.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&str]) -> Vec<Option<String>> {
        let mut lines = Lines::new(10);
        let mut told = Vec::new();
        for piece in pieces {
            lines.feed(piece.as_bytes(), |line| {
                told.push(line.map(|line| String::from_utf8_lossy(line).into_owned()));
            });
        }
        told
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut_and_too_long_ones_harm_nobody() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(lines(&["one\ntw", "o", "\n"]), [some("one"), some("two")]);
        assert_eq!(lines(&["0123456789a\nnext\n"]), [None, some("next")]);
        assert_eq!(
            lines(&["01234567", "89a", "bc", "d\nnext", "\n"]),
            [None, some("next")]
        );
        assert_eq!(lines(&["never ended"]), []);
    }
}
