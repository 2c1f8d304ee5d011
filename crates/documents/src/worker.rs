//! The reader's side: a process that locks itself in, then answers questions until its parent goes.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use mail::message::{Finding, Reading};

use crate::frame::{HEADER_MAX, Question, lengths, read_lengths};
use crate::sandbox;

/// The subcommand of the program that starts a reader.
pub const COMMAND: &str = "read-documents";

/// What a reader is asked to try, in tests: all but `nothing` must end it. What is to be removed is named: `remove:FILE`.
const FORBIDDEN: &str = "MAILVIGIL_READER_TRIES";

/// Runs a reader on standard input and output until the input ends. `memory_bytes` is all it may take.
pub fn run(memory_bytes: u64) -> ExitCode {
    // Whatever is asked for lazily (tables, the allocator's arenas) is asked for before the door closes.
    let tries = std::env::var(FORBIDDEN).ok();
    std::panic::set_hook(Box::new(|_| {}));
    if let Err(error) = sandbox::close(memory_bytes) {
        eprintln!("a reader of documents does not start unlocked: {error}");
        return ExitCode::FAILURE;
    }
    if let Some(what) = tries {
        return attempt(&what);
    }
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    while let Some((question, bytes)) = next(&mut input) {
        let read = || {
            crate::read(
                &bytes,
                question.name.as_deref(),
                &question.declared,
                &question.limits,
            )
        };
        let reading = catch_unwind(AssertUnwindSafe(read))
            .unwrap_or_else(|_| Reading::only(Finding::ReaderDied));
        let Ok(answer) = serde_json::to_vec(&reading) else {
            return ExitCode::FAILURE;
        };
        let sent = output
            .write_all(&lengths(answer.len(), 0))
            .and_then(|()| output.write_all(&answer))
            .and_then(|()| output.flush());
        if sent.is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

fn next(input: &mut impl Read) -> Option<(Question, Vec<u8>)> {
    let mut head = [0; 8];
    input.read_exact(&mut head).ok()?;
    let (header, body) = read_lengths(head);
    if header > HEADER_MAX {
        return None;
    }
    let mut bytes = vec![0; header];
    input.read_exact(&mut bytes).ok()?;
    let question: Question = serde_json::from_slice(&bytes).ok()?;
    if body > question.limits.document_bytes_max {
        return None;
    }
    let mut bytes = vec![0; body];
    input.read_exact(&mut bytes).ok()?;
    Some((question, bytes))
}

/// Tries something forbidden; ends well only if that was possible.
fn attempt(what: &str) -> ExitCode {
    let (what, file) = what.split_once(':').unwrap_or((what, ""));
    let done = match what {
        "nothing" => true,
        "file" => std::fs::File::open("/etc/passwd").is_ok(),
        "socket" => {
            std::net::TcpStream::connect(("127.0.0.1", 9)).is_ok()
                || std::net::UdpSocket::bind(("127.0.0.1", 0)).is_ok()
        }
        "program" => std::process::Command::new("/bin/true").status().is_ok(),
        "remove" => std::fs::remove_file(file).is_ok(),
        "memory" => {
            let mut taken: Vec<Vec<u8>> = Vec::new();
            for _ in 0..64 {
                taken.push(vec![1; 64 << 20]);
            }
            !taken.is_empty()
        }
        _ => false,
    };
    if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
