use mail::Limits;
use mail::authentication::{Dmarc, DmarcResult};
use proptest::prelude::*;

use super::*;
use crate::view::Features;
use crate::{Key, Letter, Needs, Refused, Scope, Viewer};

/// A stream of made-up mail: two kinds of sender, two kinds of words, some shared.
fn mail(number: u32) -> (Vec<u8>, Label) {
    let spam = number.is_multiple_of(3);
    let words: [&str; 6] = if spam {
        ["casino", "bonus", "winner", "claim", "cheap", "pills"]
    } else {
        ["meeting", "report", "kernel", "patch", "lunch", "review"]
    };
    let word = |at: u32| words[(at * 7 % 6) as usize];
    let raw = format!(
        "From: {}{}@{}.example\r\nSubject: {} {}\r\nReceived: from x ([192.0.2.{}])\r\n\r\nplease see the {} {} today {}\r\n",
        word(number),
        number % 17,
        if spam { "bulk" } else { "work" },
        word(number + 1),
        word(number + 2),
        number % 200,
        word(number + 3),
        word(number + 4),
        number,
    );
    (
        raw.into_bytes(),
        if spam { Label::Spam } else { Label::Ham },
    )
}

fn viewer() -> Viewer {
    let needs = Needs {
        content: true,
        text: false,
    };
    Viewer::new(
        Key::new(b"test"),
        Scope::default(),
        needs,
        Limits::default(),
    )
}

const fn lesson(label: Label, trust: Trust) -> Lesson {
    Lesson {
        label,
        trust,
        chosen: false,
    }
}

fn taught(count: u32, trust: Trust, wrong_every: u32) -> Content {
    let (mut content, mut viewer) = (Content::new(), viewer());
    for number in 0..count {
        let (raw, label) = mail(number);
        let label = if number % wrong_every == wrong_every - 1 {
            label.other()
        } else {
            label
        };
        content.teach(&viewer.see(&Letter::found(&raw)).seen, lesson(label, trust));
    }
    content
}

fn errors(content: &Content) -> usize {
    let mut viewer = viewer();
    let wrong = |number: &u32| {
        let (raw, label) = mail(*number);
        let opinion = content.judge(&viewer.see(&Letter::found(&raw)).seen);
        opinion.is_spam() != (label == Label::Spam)
    };
    (10_000..10_300).filter(wrong).count()
}

#[test]
fn what_a_probability_means_is_told_by_who_is_trusted() {
    let (mut content, mut viewer) = (taught(600, Trust::Trusted, u32::MAX), viewer());
    let junk = viewer.see(&Letter::found(&mail(3 * 777).0)).seen;
    let before = content.judge(&junk).probability.expect("a probability");
    for number in 0..20 {
        let seen = viewer.see(&Letter::found(&mail(3 * (300 + number)).0)).seen;
        content.teach(&seen, lesson(Label::Ham, Trust::Reported));
    }
    let after = content.judge(&junk).probability.expect("a probability");
    assert!(before > 0.98 && after > 0.98, "{before}, then {after}");
}

#[test]
fn what_was_taught_is_known() {
    let before = Content::new().judge(&viewer().see(&Letter::found(&mail(0).0)).seen);
    assert_eq!((before.probability, before.settled), (Some(0.5), false));
    assert_eq!(errors(&taught(100, Trust::Trusted, u32::MAX)), 0);
    assert_eq!(errors(&taught(400, Trust::Reported, u32::MAX)), 0);
}

#[test]
fn one_wrong_label_in_ten_does_no_harm() {
    assert_eq!(errors(&taught(1000, Trust::Reported, 10)), 0);
}

#[test]
fn the_same_mail_gives_the_same_model() {
    let key = Key::new(b"test");
    let [one, other] = [0, 1].map(|_| taught(50, Trust::Trusted, 7).to_bytes(&key));
    assert!(one == other);
}

#[test]
fn probabilities_are_no_surer_than_labels_allow() {
    let content = taught(20, Trust::Trusted, u32::MAX);
    let opinion = content.judge(&viewer().see(&Letter::found(&mail(3).0)).seen);
    let probability = opinion.probability.expect("it names one");
    assert!((0.5..=21.0 / 22.0).contains(&probability), "{probability}");
}

#[test]
fn files_are_read_back_and_others_refused() {
    let key = Key::new(b"test");
    let content = taught(30, Trust::Trusted, u32::MAX);
    let file = content.to_bytes(&key);
    assert!(Content::from_bytes(&file, &key) == Ok(content));
    let refused = |file: &[u8], key: &Key| Content::from_bytes(file, key).err();
    assert_eq!(
        refused(&file, &Key::new(b"elsewhere")),
        Some(Refused::OtherInstallation)
    );
    let cut = &file[..file.len() - 1];
    assert!(matches!(refused(cut, &key), Some(Refused::CutShort { .. })));
    assert!(matches!(
        refused(&file[..30], &key),
        Some(Refused::CutShort { .. })
    ));
    let mut changed = file.clone();
    changed[5000] ^= 1;
    assert_eq!(refused(&changed, &key), Some(Refused::Damaged));
    let mut longer = file.clone();
    longer.push(0);
    assert_eq!(refused(&longer, &key), Some(Refused::Damaged));
    let mut later = file;
    later[16] = 9;
    assert_eq!(
        refused(&later, &key),
        Some(Refused::OtherVersion { found: 9 })
    );
    assert_eq!(refused(b"", &key), Some(Refused::NotAModel));
    // Sealed well, and nonsense all the same.
    let sealed = crate::snapshot::seal(crate::snapshot::Kind::Content, &key, &[255; 40]);
    assert_eq!(refused(&sealed, &key), Some(Refused::Senseless));
}

#[test]
fn a_model_takes_twenty_megabytes_at_most() {
    let mut content = Content::new();
    for number in 0..1000 {
        content.kept.keep(&letter(number..number + 20_000), true);
    }
    let file = content.to_bytes(&Key::new(b"test"));
    assert!(file.len() > 15_000_000, "what is kept is part of it");
    assert!(file.len() <= 20_000_000, "{}", file.len());
}

/// A body of these tokens, below no header.
fn letter(tokens: impl IntoIterator<Item = u32>) -> Seen {
    Seen {
        tokens: Features {
            ids: tokens.into_iter().collect(),
            header: 0,
        },
        ..Seen::default()
    }
}

const DESK: [Lesson; 2] = [
    lesson(Label::Ham, Trust::Trusted),
    lesson(Label::Spam, Trust::Trusted),
];

#[test]
fn while_labels_are_few_each_is_learnt_more_than_once() {
    let first = letter(0..50);
    let known = |others: u32, trust: Trust| {
        let mut content = Content::new();
        content.teach(&first, lesson(Label::Spam, trust));
        for other in 1..=others {
            // Nothing in common with the first.
            let label = if other.is_multiple_of(2) {
                Label::Spam
            } else {
                Label::Ham
            };
            content.teach(&letter(other * 100..other * 100 + 50), lesson(label, trust));
        }
        content.tables[1].scores(&first.tokens.ids)
    };
    let moved = |[before, after]: [[f64; HEADS]; 2]| after[WARY] - before[WARY];
    let of = |trust| moved([0, 20].map(|others| known(others, trust)));
    assert!(of(Trust::Trusted) > 0.4, "{}", of(Trust::Trusted));
    // What users report is learnt once: it may be wrong.
    assert!(of(Trust::Reported).abs() < 1e-9, "{}", of(Trust::Reported));
}

/// Wanted mail has a hundred words of three hundred, spam thirty of its own and thirty of those.
#[test]
fn words_pasted_behind_spam_do_not_speak_for_it() {
    let words = |number: u32, count: u32| (0..count).map(move |at| (number * 37 + at * 7) % 300);
    let spam_words = |number: u32| (0..30).map(move |at| 1000 + (number * 11 + at * 3) % 90);
    let spam = |number: u32| letter(spam_words(number).chain(words(number, 30)));
    let mut learns_pasted = Content::new();
    let mut does_not = Content::new();
    for number in 0..2600 {
        let [ham, spam] = [letter(words(number, 100)), spam(number)];
        for (seen, lesson) in [ham, spam].iter().zip(DESK) {
            learns_pasted.teach(seen, lesson);
            does_not.teach(seen, lesson);
            does_not.kept = Kept::default();
        }
    }
    let pasted = letter(spam_words(5).chain(0..300));
    let score = |content: &Content| content.tables[1].scores(&pasted.tokens.ids)[FAITHFUL];
    assert!(
        score(&learns_pasted) > score(&does_not) + 0.5,
        "{} {}",
        score(&learns_pasted),
        score(&does_not)
    );
    for number in 3000..3050 {
        assert!(learns_pasted.judge(&spam(number)).is_spam());
        assert!(!learns_pasted.judge(&letter(words(number, 100))).is_spam());
    }
}

/// Naive Bayes believes a stretch of the body with the header, so that the rest of the body cannot argue it away.
#[test]
fn a_stretch_of_spam_counts_as_much_as_the_whole() {
    let mut content = Content::new();
    for number in 0..20 {
        content.teach(&letter(number * 3..number * 3 + 400), DESK[0]);
        content.teach(&letter(5000 + number..5100 + number), DESK[1]);
    }
    let spam = content.counts.score(&letter(5020..5100).tokens);
    let pasted = content
        .counts
        .score(&letter((5020..5100).chain(60..400)).tokens);
    assert!(spam > 5.0 && pasted > 5.0, "{spam} {pasted}");
    assert!(content.counts.score(&letter(60..400).tokens) < -5.0);
}

#[test]
fn what_our_side_wrote_is_not_looked_at() {
    let mut viewer = viewer();
    let plain = b"From: a@a.example\nSubject: hello\n\nbody text here\n";
    let marked = b"From someone Mon Nov 23\nFrom: a@a.example\nX-Spam-Flag: YES\nSubject: hello\nX-Mailvigil: dangerous\nAuthentication-Results: evil; spf=pass\nStatus: RO\n\nbody text here\n";
    assert_eq!(
        viewer.see(&Letter::found(plain)),
        viewer.see(&Letter::found(marked))
    );
}

#[test]
fn our_own_verification_is_looked_at() {
    let mut viewer = viewer();
    let raw = b"From: a@a.example\n\nbody\n";
    let found = mail::Authentication {
        dmarc: Dmarc {
            result: DmarcResult::Fail,
            ..Dmarc::default()
        },
        ..mail::Authentication::default()
    };
    let with = viewer.see(&Letter {
        authentication: Some(&found),
        ..Letter::found(raw)
    });
    let without = viewer.see(&Letter::found(raw));
    assert_eq!(with.seen.grams, without.seen.grams);
    assert_eq!(
        with.seen.tokens.ids.len(),
        without.seen.tokens.ids.len() + 1
    );
}

#[test]
fn chinese_is_seen_in_pairs_of_characters() {
    let mut viewer = Viewer::new(
        Key::new(b"test"),
        Scope {
            body_only: true,
            ..Scope::default()
        },
        Needs {
            content: true,
            text: false,
        },
        Limits::default(),
    );
    let mut tokens = |text: &str| {
        let raw = format!("Content-Type: text/plain; charset=utf-8\n\n{text}");
        viewer.see(&Letter::found(raw.as_bytes())).seen.tokens.ids
    };
    let (long, short) = (tokens("今天代开发票了"), tokens("代开发票"));
    assert!(short.iter().all(|id| long.contains(id)));
    assert!(long.len() > short.len() && short.len() >= 3);
}

proptest! {
    #[test]
    fn any_bytes_are_seen_within_bounds(raw in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut viewer = viewer();
        let sight = viewer.see(&Letter::found(&raw));
        for features in [&sight.seen.grams, &sight.seen.tokens] {
            prop_assert!(features.header <= features.ids.len());
            let mut ids = features.ids.clone();
            prop_assert!(ids.iter().all(|id| id >> crate::view::BITS == 0));
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), features.ids.len());
        }
        prop_assert_eq!(viewer.see(&Letter::found(&raw)), sight, "the second look is the same");
    }

    #[test]
    fn no_bytes_make_a_file_that_is_believed(bytes in prop::collection::vec(any::<u8>(), 0..200), magic in any::<bool>()) {
        let mut file = if magic { b"mailvigil model\n\x04\0\x01\0".to_vec() } else { Vec::new() };
        file.extend(bytes);
        prop_assert!(Content::from_bytes(&file, &Key::new(b"test")).is_err());
    }
}
