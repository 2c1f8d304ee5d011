//! How a policy does on a corpus: `cargo run --release -p mailvigil-judge --example evaluate -- INDEX [POLICY]`.
//!
//! INDEX has lines of label TAB path, paths below its folder; `ham` labels are wanted mail. Prints, per folder, how
//! many messages come out at each level, and which reasons weigh most in each class. Envelopes are not in a
//! corpus; they are made from the header, so what only an envelope tells is not measured.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a report")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use judge::Policy;
use mail::{Address, Envelope, Facts, Known, Limits, Message, Site, Verdict};

fn main() {
    let mut args = std::env::args().skip(1);
    let Some(index) = args.next() else {
        eprintln!("usage: evaluate INDEX [POLICY]");
        std::process::exit(2);
    };
    let limits = Limits::default();
    let text = args.next().map_or_else(
        || judge::DEFAULT_POLICY.to_owned(),
        |path| std::fs::read_to_string(path).expect("the policy can be read"),
    );
    let policy = match Policy::parse(&text, &limits) {
        Ok(policy) => policy,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            std::process::exit(3);
        }
    };
    let lines = std::fs::read_to_string(&index).expect("the index can be read");
    let folder = Path::new(&index).parent().unwrap_or(Path::new("."));
    let mut levels: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut reasons: BTreeMap<(bool, String), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let (mut messages, started) = (0_usize, Instant::now());
    for (label, path) in lines.lines().filter_map(|line| line.split_once('\t')) {
        let Ok(raw) = std::fs::read(folder.join(path)) else {
            continue;
        };
        let verdict = judge_file(&raw, &policy, &limits);
        messages += 1;
        let is_ham = label.starts_with("ham");
        let class = format!("{label:<5} {}", path.split('/').next().unwrap_or_default());
        levels.entry(class).or_default()[verdict.level as usize] += 1;
        for reason in verdict.reasons.iter().filter(|reason| reason.score != 0.0) {
            *reasons.entry((is_ham, reason.name.clone())).or_default() += 1;
        }
        if is_ham && verdict.level > mail::Level::Ordinary {
            let why: Vec<String> = verdict
                .reasons
                .iter()
                .map(|reason| format!("{} {:+.1}", reason.name, reason.score))
                .collect();
            wrong.push(format!("{:>5.1} {path}: {}", verdict.score, why.join(", ")));
        }
    }
    println!(
        "{:<24} {:>9} {:>11} {:>10} {:>8}",
        "class", "ordinary", "suspicious", "dangerous", "stopped"
    );
    for (class, [ordinary, suspicious, dangerous]) in &levels {
        let all = ordinary + suspicious + dangerous;
        println!(
            "{class:<24} {ordinary:>9} {suspicious:>11} {dangerous:>10} {:>7.2}%",
            100.0 * (all - ordinary) as f64 / all as f64
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
    println!(
        "\n{messages} messages, {:.3} ms each",
        started.elapsed().as_secs_f64() * 1000.0 / messages.max(1) as f64
    );
}

fn judge_file(raw: &[u8], policy: &Policy, limits: &Limits) -> Verdict {
    let message = Message::read(raw, limits);
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
    let hits = policy.scan(&message);
    let facts = Facts {
        envelope,
        message,
        relayed_recipients: Vec::new(),
        windows: Vec::new(),
        hits,
        authentication: Known::NotAsked,
        refused_release_mark: None,
    };
    judge::judge(&facts, &Site::default(), policy, 0)
}
