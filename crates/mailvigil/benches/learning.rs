//! What learning costs: `cargo bench -p mailvigil --bench learning [-- FOLDER]`.
//!
//! For each classifier: reading a message (MIME included), judging it, learning its label, and all three as messages per second of processor time
//! of one thread. The mail is made here from a fixed seed, or every file of FOLDER.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::path::{Path, PathBuf};

use learn::phases::Settings;
use learn::{
    Campaigns, Classifier, Content, Key, Label, Lesson, Letter, Needs, Prints, Scope, Trust,
    TwoPhase, Viewer,
};
use mail::Limits;
use rustix::time::{ClockId, clock_gettime};

const MESSAGES: usize = 5000;

fn main() {
    let folder = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let mails = folder.map_or_else(made, |folder| read(&PathBuf::from(folder)));
    let bytes: usize = mails.iter().map(Vec::len).sum();
    println!(
        "{} messages of {} bytes on average",
        mails.len(),
        bytes / mails.len().max(1)
    );
    let key = Key::new(b"bench");
    let (content, text) = (needs(true, false), needs(false, true));
    run("content", &mails, content, Box::new(Content::new()));
    run(
        "two phases",
        &mails,
        text,
        Box::new(TwoPhase::new(key.clone(), Settings::default())),
    );
    run(
        "campaigns",
        &mails,
        text,
        Box::new(Campaigns::new(key.clone())),
    );
    run("fingerprints", &mails, text, Box::new(Prints::new(key)));
}

const fn needs(content: bool, text: bool) -> Needs {
    Needs { content, text }
}

fn run(name: &str, mails: &[Vec<u8>], needs: Needs, mut classifier: Box<dyn Classifier>) {
    let mut viewer = Viewer::new(
        Key::new(b"bench"),
        Scope::default(),
        needs,
        Limits::default(),
    );
    let (mut see, mut classify, mut learn) = (0.0, 0.0, 0.0);
    for (number, raw) in mails.iter().enumerate() {
        let start = now();
        let sight = viewer.see(&Letter::found(raw));
        let seen = now();
        std::hint::black_box(classifier.classify(&sight));
        let judged = now();
        let label = if number % 3 == 0 {
            Label::Spam
        } else {
            Label::Ham
        };
        classifier.learn(
            &sight,
            Lesson {
                label,
                trust: Trust::Trusted,
                chosen: false,
            },
        );
        see += seen - start;
        classify += judged - seen;
        learn += now() - judged;
    }
    let each = |time: f64| time / mails.len() as f64 * 1e6;
    println!(
        "{name:<13} read {:6.1} us, judge {:6.1} us, learn {:6.1} us: {:.0} messages/s; judging and learning alone {:.0}/s",
        each(see),
        each(classify),
        each(learn),
        1e6 / each(see + classify + learn),
        1e6 / each(classify + learn),
    );
}

fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn read(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .filter(|path| path.is_file())
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Letters of some four kilobytes: plain, and with a page in quoted-printable beside the text.
fn made() -> Vec<Vec<u8>> {
    let mut dice = Dice(7);
    (0..MESSAGES)
        .map(|number| letter(&mut dice, number))
        .collect()
}

fn letter(dice: &mut Dice, number: usize) -> Vec<u8> {
    let mut text = String::new();
    for hop in 0..3 {
        text += &format!(
            "Received: from mx{hop}.{}.example (unknown [192.0.2.{}])\r\n\tby mail.example.org (Postfix) with ESMTPS id {:X}\r\n\tfor <ann@example.org>; Mon, 23 Nov 2026 10:{hop:02}:00 +0000 (UTC)\r\n",
            dice.word(),
            number % 250,
            dice.0
        );
    }
    text += &format!(
        "From: {} <{}@{}.example>\r\nTo: ann@example.org\r\nSubject: {}\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{number}@x.example>\r\nMIME-Version: 1.0\r\n",
        dice.word(),
        dice.word(),
        dice.word(),
        dice.words(6)
    );
    if number.is_multiple_of(2) {
        text += &format!(
            "Content-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n",
            dice.words(420)
        );
    } else {
        let link = format!(
            "<a href=3D\"http://www.{}.example/{}?x={number}\">{}</a>",
            dice.word(),
            dice.word(),
            dice.words(5)
        );
        let html: Vec<String> = (0..12)
            .map(|_| format!("<p style=3D\"color:black\">{}</p>=\r\n", dice.words(12)))
            .collect();
        text += &format!(
            "Content-Type: multipart/alternative; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><body>{}{link}</body></html>\r\n--b1--\r\n",
            dice.words(150),
            html.concat()
        );
    }
    text.into_bytes()
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

    /// Common words are common, as in language.
    fn word(&mut self) -> String {
        let most = 1 + self.roll(20_000);
        let rank = self.roll(most);
        let syllable = |at: usize| {
            [
                "ba", "con", "der", "fi", "gra", "he", "in", "ko", "lu", "men", "no", "or",
            ][at % 12]
        };
        format!(
            "{}{}{}",
            syllable(rank),
            syllable(rank / 12),
            syllable(rank / 144)
        )
    }

    fn words(&mut self, count: usize) -> String {
        let words: Vec<String> = (0..count)
            .map(|at| {
                if at % 12 == 11 {
                    "and\r\n".to_owned()
                } else {
                    self.word()
                }
            })
            .collect();
        words.join(" ")
    }
}
