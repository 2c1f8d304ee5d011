//! How a policy does on a corpus: `cargo run --release -p mailvigil-engine --example evaluate -- INDEX [POLICY] [--as-received] [--body-only] [--no-attachments] [--missed]`.
//!
//! INDEX has lines of label TAB path, paths below its folder; `ham` labels are wanted mail. Prints, per folder, how
//! many messages come out at each level, how many are stopped in each of two halves (by a hash of the path: whoever makes
//! rules looks at one half alone, so that a difference shows rules that were made to fit), and which reasons
//! weigh most in each class. Envelopes are not in a corpus; they are made from the header, so what only an envelope
//! tells is not measured. `--as-received` adds who handed the message over and what its receiver found of the sender's
//! authenticity, as the header has it; without, neither is known. Attachments are read as the service reads them, in child processes; `--no-attachments` leaves them shut. `--body-only` replaces the header but for subject and MIME fields, for corpora whose headers tell the classes apart.
//! `--missed` lists unwanted mail of the one half that was let through, with what was found, for whoever makes rules.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a report")]

mod received;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use documents::Pool;
use judge::Policy;
use mail::{Address, Authentication, Envelope, Facts, Known, Limits, Message, Site, Verdict};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(documents::worker::COMMAND) {
        // A reader of documents is this program, started again.
        return documents::worker::run(Limits::default().document_memory_bytes);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(evaluate()),
        Err(error) => {
            eprintln!("no child process can be waited for here: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn evaluate() -> ExitCode {
    let (options, args): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|arg| arg.starts_with("--"));
    let has = |name: &str| options.iter().any(|option| option == name);
    let (body_only, tell_missed) = (has("--body-only"), has("--missed"));
    let as_received = has("--as-received");
    let mut args = args.into_iter();
    let Some(index) = args.next() else {
        eprintln!(
            "usage: evaluate INDEX [POLICY] [--as-received] [--body-only] [--no-attachments] [--missed]"
        );
        return ExitCode::from(2);
    };
    let limits = Limits::default();
    let readers = (!has("--no-attachments")).then(|| Pool::new(&limits));
    let text = args.next().map_or_else(
        || judge::DEFAULT_POLICY.to_owned(),
        |path| std::fs::read_to_string(path).expect("the policy can be read"),
    );
    let policy = match Policy::parse(&text, &limits) {
        Ok(policy) => policy,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            return ExitCode::from(3);
        }
    };
    let lines = std::fs::read_to_string(&index).expect("the index can be read");
    let folder = Path::new(&index).parent().unwrap_or(Path::new("."));
    let mut levels: BTreeMap<String, [[usize; 3]; 2]> = BTreeMap::new();
    let mut reasons: BTreeMap<(bool, String), usize> = BTreeMap::new();
    let (mut wrong, mut missed) = (Vec::new(), Vec::new());
    let (mut messages, started) = (0_usize, Instant::now());
    for (label, path) in lines.lines().filter_map(|line| line.split_once('\t')) {
        let Ok(raw) = std::fs::read(folder.join(path)) else {
            continue;
        };
        let raw = if body_only { bare(&raw) } else { raw };
        let message = match &readers {
            Some(readers) => engine::read(&raw, &limits, readers).await,
            None => Message::read(&raw, &limits),
        };
        let (mut envelope, mut found) = (envelope(&message), Known::NotAsked);
        if as_received {
            found = received::as_received(&raw, &message, &mut envelope, &limits);
        }
        let verdict = judge_message(message, envelope, found, &policy);
        messages += 1;
        let is_ham = label.starts_with("ham");
        let class = format!("{label:<5} {}", path.split('/').next().unwrap_or_default());
        levels.entry(class).or_default()[half(path)][verdict.level as usize] += 1;
        for reason in verdict.reasons.iter().filter(|reason| reason.score != 0.0) {
            *reasons.entry((is_ham, reason.name.clone())).or_default() += 1;
        }
        match (is_ham, verdict.level > mail::Level::Ordinary) {
            (true, true) => wrong.push(line(path, &verdict)),
            (false, false) if half(path) == 0 => missed.push(line(path, &verdict)),
            _ => {}
        }
    }
    println!(
        "{:<24} {:>9} {:>11} {:>10} {:>8} {:>13} {:>8}",
        "class", "ordinary", "suspicious", "dangerous", "stopped", "in one half", "other"
    );
    let stopped = |[ordinary, suspicious, dangerous]: [usize; 3]| {
        let all = ordinary + suspicious + dangerous;
        100.0 * (all - ordinary) as f64 / all.max(1) as f64
    };
    for (class, [first, second]) in &levels {
        let both = std::array::from_fn(|level| first[level] + second[level]);
        let [ordinary, suspicious, dangerous] = both;
        println!(
            "{class:<24} {ordinary:>9} {suspicious:>11} {dangerous:>10} {:>7.2}% {:>12.2}% {:>7.2}%",
            stopped(both),
            stopped(*first),
            stopped(*second),
        );
    }
    println!("\n{:<40} {:>8} {:>8}", "reason", "ham", "other");
    let names: std::collections::BTreeSet<&String> = reasons.keys().map(|(_, name)| name).collect();
    for name in names {
        let count = |is_ham| reasons.get(&(is_ham, name.clone())).copied().unwrap_or(0);
        println!("{name:<40} {:>8} {:>8}", count(true), count(false));
    }
    println!("\nwanted mail that was stopped:");
    wrong.iter().for_each(|line| println!("{line}"));
    if tell_missed {
        println!("\nunwanted mail of the one half that was let through:");
        missed.iter().for_each(|line| println!("{line}"));
    }
    println!(
        "\n{messages} messages, {:.3} ms each",
        started.elapsed().as_secs_f64() * 1000.0 / messages.max(1) as f64
    );
    ExitCode::SUCCESS
}

fn line(path: &str, verdict: &Verdict) -> String {
    let why: Vec<String> = verdict
        .reasons
        .iter()
        .map(|reason| format!("{} {:+.1}", reason.name, reason.score))
        .collect();
    format!("{:>5.1} {path}: {}", verdict.score, why.join(", "))
}

/// Which half a message belongs to: FNV-1a of its path.
fn half(path: &str) -> usize {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) as usize & 1
}

/// Subject and MIME fields below a header that says nothing, and the body.
fn bare(raw: &[u8]) -> Vec<u8> {
    let start = mail::message::body_start(raw);
    let mut message = b"From: Somebody <somebody@sender.example>\nTo: someone@receiver.example\nDate: Mon, 23 Nov 2020 10:00:00 +0000\nMessage-ID: <1@sender.example>\n".to_vec();
    let mut keeps = false;
    for line in raw[..start].split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            let name = name.to_ascii_lowercase();
            keeps = name == b"subject" || name == b"mime-version" || name.starts_with(b"content-");
        }
        if keeps && !line.is_empty() {
            message.extend_from_slice(line);
            message.push(b'\n');
        }
    }
    message.push(b'\n');
    message.extend_from_slice(&raw[start..]);
    message
}

/// As far as a header tells.
fn envelope(message: &Message) -> Envelope {
    let hop = message.received.first();
    let mut envelope = Envelope::new(
        hop.and_then(|hop| hop.at)
            .or(message.date)
            .unwrap_or_default(),
        "evaluate",
    );
    envelope.peer.ip = hop.and_then(|hop| hop.ip);
    envelope.peer.ptr_name = Some("unknown.invalid".to_owned());
    envelope.envelope_from = message.header("return-path").and_then(Address::new);
    let to = message
        .header_to
        .iter()
        .chain(&message.cc)
        .filter_map(|to| to.address.clone());
    envelope.recipients = to.take(50).collect();
    envelope
}

fn judge_message(
    message: Message,
    envelope: Envelope,
    authentication: Known<Authentication>,
    policy: &Policy,
) -> Verdict {
    let hits = policy.scan(&message);
    let facts = Facts {
        hits,
        authentication,
        ..Facts::new(envelope, message)
    };
    judge::judge(&facts, &Site::default(), policy, 0)
}
