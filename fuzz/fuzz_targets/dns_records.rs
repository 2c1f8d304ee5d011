//! Any text as a record of DNS (SPF, DMARC, keys) and as a field of results: no panic, and what was read is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::Limits;

fuzz_target!(|data: &[u8]| {
    let limits = Limits {
        authentication_text_bytes_max: 64,
        authentication_items_max: 4,
        ..Limits::default()
    };
    let _ = lookup::spf::check_syntax(data);
    let _ = lookup::dmarc::check_syntax(data);
    let _ = lookup::sign::check_record(data);
    let text = String::from_utf8_lossy(data);
    if let Some(results) = lookup::results::read(&text, &limits) {
        assert!(results.claims.len() <= 4);
        for claim in &results.claims {
            assert!(claim.properties.len() <= 4);
            assert!(claim.method.len() <= 64 && claim.result.len() <= 64);
        }
    }
});
