//! Any bytes as a message: no panic, nothing past the limits, the same facts and the same verdict each time, and facts
//! that come back from the records as they went in.
#![no_main]

use std::panic;
use std::sync::LazyLock;

use judge::Policy;
use libfuzzer_sys::fuzz_target;
use mail::{Envelope, Facts, Limits, Message, Site, Timestamp};

static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits {
    headers_max: 50,
    header_bytes_max: 2048,
    parts_max: 20,
    nested_messages_max: 3,
    part_text_bytes_max: 4096,
    text_bytes_max: 8192,
    hops_max: 5,
    hits_max: 100,
    ..Limits::default()
});
static POLICY: LazyLock<Policy> =
    LazyLock::new(|| Policy::parse(judge::DEFAULT_POLICY, &LIMITS).expect("it ships"));

fuzz_target!(
    // libFuzzer's hook ends the process at once. The reader survives a panic of the library it builds on, and notes an
    // oddity; that is its promise, so panics unwind here. One that nobody catches is still a finding.
    init: { let _ = panic::take_hook(); },
    |raw: &[u8]| {
        let facts = facts(raw);
        assert_eq!(facts, self::facts(raw), "read twice, read differently");
        within_limits(&facts.message);
        opened(raw, &facts.message);
        let verdict = judge::judge(&facts, &Site::default(), &POLICY, 1);
        assert!(verdict.score.is_finite());
        let json = serde_json::to_string(&facts).expect("facts are JSON");
        let back: Facts = serde_json::from_str(&json).expect("facts are read back");
        let mut facts = facts;
        for part in &mut facts.message.parts {
            // The one thing that is left out of the records on purpose.
            part.text = None;
            part.hidden = None;
        }
        assert_eq!(facts, back, "the records change facts");
        assert_eq!(verdict, judge::judge(&back, &Site::default(), &POLICY, 1));
    }
);

fn facts(raw: &[u8]) -> Facts {
    let message = Message::read(raw, &LIMITS);
    Facts {
        hits: POLICY.scan(&message),
        ..Facts::new(
            Envelope::new(Timestamp::from_secs(1_795_000_000), "fuzz"),
            message,
        )
    }
}

/// What is opened for a person has the parts that were judged, and each can be taken away under a harmless name.
fn opened(raw: &[u8], message: &Message) {
    let opened = mail::Opened::read(raw, &LIMITS);
    assert_eq!(opened.parts.len(), message.parts.len());
    for (part, judged) in opened.parts.iter().zip(&message.parts) {
        assert_eq!(
            (&part.path, part.text.as_deref()),
            (&judged.path, judged.text.as_deref())
        );
        if let Some(bytes) = mail::part_bytes(raw, &part.path, &LIMITS) {
            assert!(
                !bytes.file_name.contains(['/', '\\', '\0', '\n'])
                    && !bytes.file_name.starts_with('.')
            );
        }
    }
}

fn within_limits(message: &Message) {
    assert!(message.headers.len() <= LIMITS.headers_max);
    assert!(message.parts.len() <= LIMITS.parts_max);
    assert!(message.received.len() <= LIMITS.hops_max);
    // A charset may make three bytes of UTF-8 out of one.
    let texts = message.parts.iter().filter_map(|part| part.text.as_deref());
    for text in texts.clone() {
        assert!(
            text.len() <= 3 * LIMITS.part_text_bytes_max,
            "{}",
            text.len()
        );
    }
    let all: usize = texts.map(str::len).sum();
    assert!(all <= 3 * LIMITS.text_bytes_max, "{all}");
}
