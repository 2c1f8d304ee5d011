//! Any bytes as SpamAssassin's rules and a message, parted by a line `====`: what is read reads again to the same, and no message makes rules panic.
//! Bytes without that line are a message for rules of every kind.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use spamassassin::{Reading, Rules, Source};

static EVERY_KIND: LazyLock<Reading> =
    LazyLock::new(|| read(include_bytes!("../seeds/spamassassin/every-kind.cf")));

fn read(text: &[u8]) -> Reading {
    Rules::read(&[Source {
        name: "fuzz.cf".into(),
        text: text.to_vec(),
    }])
}

fuzz_target!(|data: &[u8]| {
    const PARTED: &[u8] = b"\n====\n";
    let Some(place) = data.windows(PARTED.len()).position(|part| part == PARTED) else {
        let _ = EVERY_KIND.rules.check(data);
        return;
    };
    let reading = read(&data[..place]);
    let again = read(reading.written.as_bytes());
    assert_eq!(again.left_out, [], "what was written is good");
    assert_eq!(again.written, reading.written);
    assert_eq!(again.rules.len(), reading.rules.len());
    let _ = reading.rules.check(&data[place + PARTED.len()..]);
});
