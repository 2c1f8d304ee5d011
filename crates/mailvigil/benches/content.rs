//! What content costs: `cargo bench -p mailvigil --bench content`.
//!
//! A letter of 10 kB under the shipped policy with 10,000 keywords and 2,000 patterns more, the building of that policy, a PDF of 1 MB, and the most
//! memory a message takes while it is read. Processor time of this thread, but for the building; everything is made here, from a fixed seed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::fmt::Write as _;
use std::time::Instant;

use judge::Policy;
use mail::{Envelope, Facts, Limits, Message, Site, Timestamp};
use rustix::time::{ClockId, clock_gettime};

const KEYWORDS: usize = 10_000;
const PATTERNS: usize = 2_000;

fn main() {
    let limits = Limits::default();
    let mut dice = Dice(7);
    let text = policy(&mut dice);
    let (policy, took, work) = built(&text, &limits);
    println!(
        "building the shipped policy with {KEYWORDS} keywords and {PATTERNS} patterns more: {took:.0} ms, {work:.0} ms of processor time on all cores"
    );

    for (what, letter) in [
        ("words nobody looks for", letter(&mut dice, false)),
        ("every twentieth word a keyword", letter(&mut dice, true)),
    ] {
        let raw = letter.as_bytes();
        let reading = each(|| drop(Message::read(raw, &limits)));
        let message = Message::read(raw, &limits);
        let hits = policy.scan(&message).len();
        let scanning = each(|| drop(policy.scan(&message)));
        let whole = each(|| judge(raw, &policy, &limits));
        println!(
            "a letter of {} bytes, {what}, {hits} hits: {whole:.2} ms (reading {reading:.2}, searching {scanning:.2})",
            raw.len()
        );
    }
    let shipped = Policy::parse(judge::DEFAULT_POLICY, &limits).unwrap();
    let plain = letter(&mut dice, false);
    println!(
        "the same under the shipped policy alone: {:.2} ms",
        each(|| judge(plain.as_bytes(), &shipped, &limits))
    );

    let pdf = pdf(&mut dice);
    let (reading, took) =
        timed(|| documents::read(&pdf, Some("a.pdf"), "application/pdf", &limits));
    println!(
        "a PDF of {} bytes, 300 pages: {took:.0} ms, {} bytes of text, found {:?}",
        pdf.len(),
        reading.text.map_or(0, |text| text.len()),
        reading.findings
    );
    for megabytes in [1, 10, 40] {
        memory(megabytes, &limits);
    }
}

/// Peak of resident memory over what it was, while a message of this size is in flight: its bytes, and reading them.
fn memory(megabytes: usize, limits: &Limits) {
    let base = resident("VmRSS:");
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let line = "All work and no play makes Jack a dull boy, and so on for many pages of it.\\r\\n";
    let mut raw = b"From: a@a.example\r\nTo: b@b.example\r\nSubject: long\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    while raw.len() < megabytes << 20 {
        raw.extend_from_slice(line.as_bytes());
    }
    let message = Message::read(&raw, limits);
    let peak = resident("VmHWM:") - base;
    println!(
        "a message of {megabytes} MB of text in flight: {:.1} MB at most, {:.2} times its size",
        peak / 1024.0,
        peak / 1024.0 / megabytes as f64
    );
    drop(message);
}

fn resident(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|one| one.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn judge(raw: &[u8], policy: &Policy, limits: &Limits) {
    let message = Message::read(raw, limits);
    let facts = Facts {
        hits: policy.scan(&message),
        ..Facts::new(
            Envelope::new(Timestamp::from_secs(1_700_000_000), "bench"),
            message,
        )
    };
    drop(judge::judge(&facts, &Site::default(), policy, 1));
}

/// The shipped policy and much more.
fn policy(dice: &mut Dice) -> String {
    let mut text = judge::DEFAULT_POLICY.to_owned();
    text.push_str("\n[[keyword_sets]]\nname = \"many\"\nreason = \"many\"\nin = [\"subject\", \"body\"]\nterms = [\n");
    for number in 0..KEYWORDS {
        let term = match number % 5 {
            0 => format!("{} {}", dice.word(), dice.word()),
            1 => dice.han(4),
            _ => format!("{}{}", dice.word(), dice.word()),
        };
        let _ = writeln!(text, "  \"{term}\",");
    }
    text.push_str("]\n[[pattern_sets]]\nname = \"many-patterns\"\nreason = \"many\"\nin = [\"subject\", \"body\"]\npatterns = [\n");
    for number in 0..PATTERNS {
        let (one, two) = (dice.word(), dice.word());
        let pattern = match number % 4 {
            0 => format!("{one}{two}[0-9]{{2,8}}"),
            1 => format!("(?:{one}|{two})x+ (?:now|today)"),
            2 => format!("{one}{two} .{{0,40}} {two}{one}"),
            _ => format!("\\\\b{one}-?{two}\\\\b"),
        };
        let _ = writeln!(text, "  \"{pattern}\",");
    }
    text.push_str("]\n");
    text
}

fn letter(dice: &mut Dice, with_keywords: bool) -> String {
    let mut text = String::from(
        "From: Ann <ann@a.example>\r\nTo: bob@b.example\r\nSubject: The plan for next week\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
    );
    // The same dice as the policy's: its first words come again.
    let mut known = Dice(7);
    let mut words = 0;
    while text.len() < 10_240 {
        words += 1;
        if with_keywords && words % 20 == 0 {
            let _ = known.word();
            text.push_str(&known.word());
            text.push_str(&known.word());
        } else {
            text.push_str(&dice.word());
        }
        text.push_str(if words % 12 == 0 { ".\r\n" } else { " " });
    }
    text
}

/// Three hundred pages of text, as a word processor writes them.
fn pdf(dice: &mut Dice) -> Vec<u8> {
    let pages = 300;
    let mut bytes = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    let mut add = |bytes: &mut Vec<u8>, object: &str| {
        places.push(bytes.len());
        let _ = std::io::Write::write_all(
            bytes,
            format!("{} 0 obj\n{object}\nendobj\n", places.len()).as_bytes(),
        );
    };
    add(&mut bytes, "<</Type/Catalog/Pages 2 0 R>>");
    let kids: Vec<String> = (0..pages)
        .map(|page| format!("{} 0 R", 4 + 2 * page))
        .collect();
    add(
        &mut bytes,
        &format!("<</Type/Pages/Count {pages}/Kids[{}]>>", kids.join(" ")),
    );
    add(
        &mut bytes,
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    );
    for page in 0..pages {
        add(
            &mut bytes,
            &format!(
                "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {} 0 R/Resources<</Font<</F1 3 0 R>>>>>>",
                5 + 2 * page
            ),
        );
        let mut content = String::from("BT /F1 11 Tf 72 770 Td 14 TL\n");
        for _ in 0..45 {
            let words: Vec<String> = (0..9).map(|_| dice.word()).collect();
            let _ = writeln!(content, "({}) Tj T*", words.join(" "));
        }
        content.push_str("ET");
        add(
            &mut bytes,
            &format!(
                "<</Length {}>>\nstream\n{content}\nendstream",
                content.len()
            ),
        );
    }
    let start = bytes.len();
    let mut tail = format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1);
    for place in &places {
        let _ = writeln!(tail, "{place:010} 00000 n ");
    }
    let _ = write!(
        tail,
        "trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n",
        places.len() + 1
    );
    bytes.extend_from_slice(tail.as_bytes());
    bytes
}

/// Milliseconds of processor time.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = now();
    let done = work();
    (done, now() - before)
}

/// A policy with how long its building took, and what it cost: it works on several cores.
fn built(text: &str, limits: &Limits) -> (Policy, f64, f64) {
    let (before, work) = (Instant::now(), cpu(ClockId::ProcessCPUTime));
    let policy = Policy::parse(text, limits).unwrap();
    let took = before.elapsed().as_secs_f64() * 1000.0;
    (policy, took, cpu(ClockId::ProcessCPUTime) - work)
}

/// The median of many.
fn each(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..200).map(|_| timed(&mut work).1).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn now() -> f64 {
    cpu(ClockId::ThreadCPUTime)
}

fn cpu(of: ClockId) -> f64 {
    let time = clock_gettime(of);
    time.tv_sec as f64 * 1000.0 + time.tv_nsec as f64 / 1e6
}

/// Numbers that are the same every time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize % sides
    }

    fn word(&mut self) -> String {
        const SYLLABLES: [&str; 24] = [
            "ba", "con", "der", "fi", "gra", "he", "in", "ko", "lu", "men", "no", "or", "pra",
            "qui", "re", "sta", "ti", "un", "ver", "wi", "xa", "yo", "ze", "chi",
        ];
        (0..2 + self.roll(3))
            .map(|_| SYLLABLES[self.roll(SYLLABLES.len())])
            .collect()
    }

    fn han(&mut self, count: usize) -> String {
        (0..count)
            .filter_map(|_| char::from_u32(0x4e00 + self.roll(4000) as u32))
            .collect()
    }
}
