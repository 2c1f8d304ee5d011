//! Spam with words of the site's own wanted mail pasted around it: how much of it would be missed.
//!
//! A strong attacker: real senders do not know their victim's mail (Lowd, Meek 2005, "Good Word Attacks on Statistical Spam Filters"). Each spam message is
//! judged as it would have come with such words, by what was learnt before it; none of these copies is learnt from.

use learn::{Classifier, Letter, Viewer};
use mail::message::body_start;
use mail::{Limits, Skim};
use serde::Serialize;

use super::figures::Dice;

/// Texts of wanted mail to paste from, the latest; fewer than a few would paste the same again and again.
const TEXTS_MAX: usize = 500;
const TEXTS_MIN: usize = 20;
const TEXT_BYTES_MIN: usize = 200;

/// Where words are pasted, and how many bytes of them.
const WAYS: [(&str, Way); 5] = [
    ("nothing", Way::Behind(0)),
    ("1,000 bytes behind", Way::Behind(1000)),
    ("5,000 bytes behind", Way::Behind(5000)),
    ("1,000 bytes before", Way::Before(1000)),
    ("3,000 bytes before", Way::Before(3000)),
];
const BYTES_MAX: usize = 5000;

#[derive(Clone, Copy)]
enum Way {
    Behind(usize),
    Before(usize),
}

/// How much was missed one way.
#[derive(Clone, Debug, Serialize)]
pub struct Missed {
    /// What was pasted, and where.
    pub pasted: &'static str,
    /// Per cent missed at the classifier's own threshold.
    pub all: f64,
    /// Of the later half of the messages, when more is known.
    pub later_half: f64,
}

/// Pastes and counts as a replay goes on.
pub struct Paster {
    limits: Limits,
    wanted: Vec<String>,
    next: usize,
    dice: Dice,
    /// For each spam message, which of its copies were missed.
    missed: Vec<[bool; WAYS.len()]>,
}

impl Paster {
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            wanted: Vec::new(),
            next: 0,
            dice: Dice(0x1234_5678_9abc_def1),
            missed: Vec::new(),
        }
    }

    /// Sees a message before it is learnt from: wanted ones are pasted from later on, the others are judged with words around them.
    pub fn see(
        &mut self,
        raw: &[u8],
        spam: bool,
        viewer: &mut Viewer,
        classifier: &mut dyn Classifier,
    ) {
        let body = Body::of(raw, &self.limits);
        if !spam {
            if body.text.len() >= TEXT_BYTES_MIN {
                self.keep(body.text);
            }
            return;
        }
        if self.wanted.len() < TEXTS_MIN {
            return;
        }
        let words = self.words();
        self.missed.push(WAYS.map(|(_, way)| {
            let copy = body.with(raw, way, &words);
            let sight = viewer.see(&Letter::found(&copy));
            !classifier.classify(&sight).is_spam()
        }));
    }

    fn keep(&mut self, text: String) {
        if self.wanted.len() < TEXTS_MAX {
            self.wanted.push(text);
        } else {
            self.wanted[self.next] = text;
            self.next = (self.next + 1) % TEXTS_MAX;
        }
    }

    /// As many words as any way needs.
    fn words(&mut self) -> String {
        let mut words = String::new();
        while words.len() < BYTES_MAX {
            let at = (self.dice.share() * self.wanted.len() as f64) as usize;
            words.push_str(&self.wanted[at]);
            words.push('\n');
        }
        words
    }

    /// What was missed each way; empty when there was no spam, or too little wanted mail before it.
    pub fn missed(&self) -> Vec<Missed> {
        let half = self.missed.len() / 2;
        let share = |of: &[[bool; WAYS.len()]], way: usize| {
            let missed = of.iter().filter(|copies| copies[way]).count();
            100.0 * missed as f64 / of.len() as f64
        };
        let ways = WAYS.iter().enumerate().filter(|_| half > 0);
        ways.map(|(at, (pasted, _))| Missed {
            pasted,
            all: share(&self.missed, at),
            later_half: share(&self.missed[half..], at),
        })
        .collect()
    }
}

/// The text of a message.
struct Body {
    text: String,
    html: bool,
}

impl Body {
    fn of(raw: &[u8], limits: &Limits) -> Self {
        let skim = Skim::read(raw, limits);
        let texts = || skim.parts.iter().filter(|part| part.text.is_some());
        let html = texts()
            .next()
            .is_some_and(|part| part.content_type == "text/html");
        let text: Vec<&str> = texts().filter_map(|part| part.text.as_deref()).collect();
        Self {
            text: text.join("\n"),
            html,
        }
    }

    /// The message with its text and the words for a body.
    fn with(&self, raw: &[u8], way: Way, words: &str) -> Vec<u8> {
        let mut copy = Vec::with_capacity(raw.len() + BYTES_MAX);
        let mut kept = true;
        for line in raw[..body_start(raw)].split_inclusive(|byte| *byte == b'\n') {
            let folded = line.starts_with(b" ") || line.starts_with(b"\t");
            if !folded {
                kept = !line.to_ascii_lowercase().starts_with(b"content-")
                    && !line.iter().all(u8::is_ascii_whitespace);
            }
            if kept {
                copy.extend_from_slice(line);
            }
        }
        let kind = if self.html { "html" } else { "plain" };
        let head = format!(
            "Content-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
        );
        copy.extend_from_slice(head.as_bytes());
        let cut = |bytes: usize| &words[..words.floor_char_boundary(bytes)];
        let pieces = match way {
            Way::Behind(bytes) => [&self.text, "\n", cut(bytes)],
            Way::Before(bytes) => [cut(bytes), "\n", &self.text],
        };
        copy.extend(pieces.iter().flat_map(|piece| piece.bytes()));
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_before_or_behind_and_the_header_stays() {
        let raw = b"Subject: hi\nContent-Type: text/html;\n charset=us-ascii\nFrom: a@b.example\n\n<p>buy</p>\n";
        let body = Body::of(raw, &Limits::default());
        let head = "Subject: hi\nFrom: a@b.example\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n";
        for (way, text) in [
            (Way::Behind(0), "<p>buy</p>\n\n"),
            (Way::Behind(4), "<p>buy</p>\n\nlét"),
            (Way::Before(100), "lét us meet\n<p>buy</p>\n"),
        ] {
            let copy = String::from_utf8(body.with(raw, way, "lét us meet")).expect("text");
            assert_eq!(copy, format!("{head}{text}"));
        }
    }
}
