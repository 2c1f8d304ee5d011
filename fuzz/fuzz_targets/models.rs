//! Any bytes as a model's file: refused or read, never a panic; and any bytes as a message to learn from, with every classifier.
#![no_main]

use std::sync::LazyLock;

use learn::phases::Settings;
use learn::{
    Campaigns, Classifier, Content, Course, Key, Label, Lesson, Letter, Needs, Prints, Scope, Seen,
    Trust, TwoPhase, Viewer,
};
use libfuzzer_sys::fuzz_target;
use mail::Limits;

static KEY: LazyLock<Key> = LazyLock::new(|| Key::new(b"fuzz"));

fuzz_target!(|bytes: &[u8]| {
    if let Ok(content) = Content::from_bytes(bytes, &KEY) {
        assert!(
            content.to_bytes(&KEY) == bytes,
            "a file that is believed is written as it was read"
        );
    }
    if let Ok(course) = Course::from_bytes(bytes, &KEY) {
        assert!(
            course.to_bytes(&KEY) == bytes,
            "a course that is believed is written as it was read"
        );
    }
    if let Some(seen) = Seen::from_bytes(bytes) {
        assert!(
            seen.to_bytes() == bytes,
            "a sight is written as it was read"
        );
    }
    let needs = Needs {
        content: true,
        text: true,
    };
    let mut viewer = Viewer::new(KEY.clone(), Scope::default(), needs, Limits::default());
    let sight = viewer.see(&Letter::found(bytes));
    let named = viewer.named(&Letter::found(bytes));
    let ids: Vec<u32> = named.iter().map(|named| named.id).collect();
    assert!(
        ids == sight.seen.tokens.ids,
        "names are those of what is judged"
    );
    let mut classifiers: [Box<dyn Classifier>; 3] = [
        Box::new(TwoPhase::new(KEY.clone(), Settings::default())),
        Box::new(Campaigns::new(KEY.clone())),
        Box::new(Prints::new(KEY.clone())),
    ];
    for classifier in &mut classifiers {
        assert!(classifier.classify(&sight).score.is_finite());
        let lesson = Lesson {
            label: Label::Spam,
            trust: Trust::Reported,
            chosen: false,
        };
        classifier.learn(&sight, lesson);
        assert!(classifier.classify(&sight).score.is_finite());
    }
});
