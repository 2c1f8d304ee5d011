//! Any text as a policy: it is refused with its problems, or it compiles and its examples run. No panic either way.
#![no_main]

use judge::Policy;
use libfuzzer_sys::fuzz_target;
use mail::Limits;

fuzz_target!(|text: &str| {
    let limits = Limits {
        policy_bytes_max: 64 << 10,
        ..Limits::default()
    };
    match Policy::parse(text, &limits) {
        Ok(policy) => {
            let _ = policy.failed_examples(&limits);
            let _ = policy.summary();
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in problems {
                assert!(!problem.to_string().is_empty());
            }
        }
    }
});
