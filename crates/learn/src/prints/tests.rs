use super::*;
use crate::view::Arrival;

/// A text of so many words, the same each time.
fn text(seed: u64, words: usize) -> Vec<String> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..words)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            format!("w{}", state % 5000)
        })
        .collect()
}

fn sight(words: &[String], source: u64) -> Sight {
    Sight {
        text: words.join(" "),
        arrival: Arrival {
            source,
            ..Arrival::default()
        },
        ..Sight::default()
    }
}

const fn lesson(label: Label, trust: Trust) -> Lesson {
    Lesson {
        label,
        trust,
        chosen: false,
    }
}

#[test]
fn edited_texts_are_recognised_and_others_are_not() {
    let (mut replaced, mut padded, mut false_ones) = (0, 0, 0);
    for number in 0..100 {
        let mut prints = Prints::new(Key::new(b"test"));
        let original = text(number, 150);
        prints.arrive(&sight(&original, 1));
        let mut edited = original.clone();
        for (at, word) in edited.iter_mut().enumerate() {
            if at % 5 == 2 {
                *word = format!("x{number}y{at}");
            }
        }
        let found = |words: &[String]| prints.find(&sight(words, 2)).map(|(likeness, _)| likeness);
        assert_eq!(found(&original), Some(Likeness::Exact));
        replaced += usize::from(found(&edited) >= Some(Likeness::Weak));
        let mut longer = original.clone();
        longer.extend(text(number + 10_000, 75));
        padded += usize::from(found(&longer) >= Some(Likeness::Weak));
        false_ones += usize::from(found(&text(number + 20_000, 150)).is_some());
    }
    assert!(replaced >= 80 && padded >= 80, "{replaced} {padded}");
    assert_eq!(false_ones, 0);
}

#[test]
fn one_trusted_ham_label_silences_a_cluster() {
    let mut prints = Prints::new(Key::new(b"test"));
    let message = sight(&text(1, 60), 1);
    prints.classify(&message);
    for _ in 0..5 {
        prints.learn(&message, lesson(Label::Spam, Trust::Reported));
    }
    prints.learn(&message, lesson(Label::Spam, Trust::Trusted));
    assert!(prints.classify(&message).score > 3.0);
    prints.learn(&message, lesson(Label::Ham, Trust::Trusted));
    assert!(prints.classify(&message).score < 0.0);
    let cluster = prints.arrive(&message);
    prints.overrule(cluster, Some(Label::Ham));
    assert!(prints.classify(&message).score < -5.0);
}

#[test]
fn clusters_know_how_many_they_are_and_from_where() {
    let mut prints = Prints::new(Key::new(b"test"));
    let words = text(1, 60);
    for source in 0..10 {
        prints.arrive(&sight(&words, source));
    }
    let (_, cluster) = prints.find(&sight(&words, 0)).expect("it was seen");
    assert_eq!(cluster.messages, 10);
    assert!(
        (8..=12).contains(&cluster.sources()),
        "{}",
        cluster.sources()
    );
}

#[test]
fn short_texts_are_known_by_their_links_only() {
    let mut prints = Prints::new(Key::new(b"test"));
    let short = Sight {
        text: "please see this".to_owned(),
        parts: vec![77],
        ..Sight::default()
    };
    prints.arrive(&short);
    let other = Sight {
        text: "something else entirely stands here today".to_owned(),
        ..short.clone()
    };
    assert_eq!(
        prints.find(&other).map(|found| found.0),
        Some(Likeness::Part)
    );
    let bare = Sight {
        parts: Vec::new(),
        ..short
    };
    assert!(prints.find(&bare).is_none());
}

#[test]
fn the_quietest_clusters_leave_first() {
    let mut prints = Prints::new(Key::new(b"test"));
    let kept = text(0, 20);
    prints.arrive(&sight(&kept, 0));
    for number in 1..CLUSTERS_MAX as u64 + 500 {
        prints.arrive(&sight(&text(number, 20), 0));
        if number.is_multiple_of(100) {
            prints.arrive(&sight(&kept, 0));
        }
    }
    assert_eq!(prints.len(), CLUSTERS_MAX);
    assert!(prints.find(&sight(&kept, 0)).is_some());
    assert!(prints.find(&sight(&text(1, 20), 0)).is_none());
    assert!(prints.index.len() <= CLUSTERS_MAX * (2 * SLOTS + 1));
    assert!(prints.order.len() <= 8 * CLUSTERS_MAX + 1);
}

#[test]
fn who_comes_again_is_told_what_was_known_before() {
    let key = Key::new(b"test");
    let mut prints = Prints::new(key.clone());
    let words = text(7, 60);
    let at = |hours: i64, source: u64| {
        let mut sight = sight(&words, source);
        sight.arrival.at = Timestamp::from_secs(hours * 3600);
        sight
    };
    let mut meet = |sight: &Sight| {
        let print = Print::of(&key, &sight.text);
        let kept = Print::from_bytes(&print.to_bytes());
        assert_eq!(kept.as_ref(), Some(&print), "it is read back");
        prints.meet(print, sight)
    };
    let first = meet(&at(1, 1));
    assert_eq!((first.likeness, first.messages), (None, 0));
    for source in 2..=6 {
        meet(&at(2, source));
    }
    let seventh = meet(&at(3, 7));
    assert_eq!(seventh.cluster, first.cluster);
    assert_eq!(
        (seventh.likeness, seventh.messages),
        (Some(Likeness::Exact), 6)
    );
    assert!((5..=7).contains(&seventh.sources), "{}", seventh.sources);
    assert_eq!(seventh.first, Timestamp::from_secs(3600));
    // A day of quiet, and it begins anew; what was said of it stays.
    prints.say(first.cluster, lesson(Label::Spam, Trust::Trusted));
    let mut meet = |sight: &Sight| prints.meet(Print::of(&key, &sight.text), sight);
    let later = meet(&at(40, 8));
    assert_eq!((later.messages, later.labels), (0, [0, 1]));
    assert_eq!(meet(&at(41, 9)).messages, 1);
    prints.forget_labels();
    assert_eq!(
        prints.cluster(first.cluster).map(Cluster::weight),
        Some(0.0)
    );
    assert_eq!(Print::from_bytes(&[1; 9]), None);
    assert_eq!(Print::from_bytes(&[]), Some(Print::default()));
}
