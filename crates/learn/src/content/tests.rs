use mail::Limits;
use mail::authentication::{Dmarc, DmarcResult};
use proptest::prelude::*;

use super::*;
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
fn a_label_is_taken_back_without_a_trace() {
    let (mut content, mut viewer) = (taught(60, Trust::Trusted, u32::MAX), viewer());
    let before = content.clone();
    let mut receipts = Vec::new();
    for number in 500..520 {
        let (raw, label) = mail(number);
        let sight = viewer.see(&Letter::found(&raw));
        receipts.push(content.learn(&sight, lesson(label.other(), Trust::Trusted)));
    }
    assert!(content.tables != before.tables);
    // In any order: by sender, by reporter, by time.
    receipts.sort_by_key(|receipt| match receipt {
        Receipt::Content { seen, .. } => seen.tokens.ids.len(),
        _ => 0,
    });
    for receipt in &receipts {
        content.unlearn(receipt);
    }
    assert!(content.tables == before.tables && content.counts == before.counts);
    assert_eq!(content.state.labels, before.state.labels);
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
    let file = Content::new().to_bytes(&Key::new(b"test"));
    assert!(file.len() <= 20_000_000, "{}", file.len());
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
        let mut file = if magic { b"mailvigil model\n\x03\0\x01\0".to_vec() } else { Vec::new() };
        file.extend(bytes);
        prop_assert!(Content::from_bytes(&file, &Key::new(b"test")).is_err());
    }
}
