//! Any bytes as a file: nothing past the limits, and no panic of our own readers. The libraries below them are known to panic on
//! hostile input, which is why they run in processes of their own; their panics unwind here as they do there.
#![no_main]

use std::panic;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mail::Limits;

static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits {
    parts_max: 20,
    part_text_bytes_max: 4096,
    text_bytes_max: 8192,
    document_depth_max: 4,
    document_entries_max: 50,
    document_unpacked_bytes_max: 1 << 20,
    picture_pixels_max: 1 << 16,
    ..Limits::default()
});

/// Names by which a file may be taken for what its first bytes do not say.
const NAMES: [Option<&str>; 6] = [
    None,
    Some("letter.docx"),
    Some("bill.doc"),
    Some("mail.msg"),
    Some("mail.eml"),
    Some("page.html"),
];

fuzz_target!(
    init: {
        let libfuzzer = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            let ours = |file: &str| file.contains("crates/documents/") || file.contains("crates/mail/");
            if panicked.location().is_some_and(|place| ours(place.file())) {
                libfuzzer(panicked);
            }
        }));
    },
    |input: &[u8]| {
        let Some((&choice, bytes)) = input.split_first() else { return };
        let name = NAMES[usize::from(choice) % NAMES.len()];
        let read = || documents::read(bytes, name, "application/octet-stream", &LIMITS);
        let Ok(reading) = panic::catch_unwind(read) else { return };
        assert!(reading.inner.len() <= LIMITS.document_entries_max);
        let texts = reading.inner.iter().map(|part| &part.text).chain([&reading.text]);
        let text: usize = texts.flatten().map(String::len).sum();
        assert!(text <= LIMITS.text_bytes_max, "{text} bytes of text");
    }
);
