//! Judging: signals and rules over facts, levels, and the windows that count.
//!
//! [`Policy`] is what an administrator writes, checked and compiled. [`Policy::scan`] finds its terms and patterns
//! in a message, once; [`judge()`] turns facts into a verdict. [`Ledger`] is the fold over arrivals that tells
//! how much a peer, a sender or a mailbox has had lately.
//!
//! Nothing here does input or output, reads a clock, or fails: the same facts under the same policy give the
//! same verdict, today and in replay.

// What an administrator writes.
mod condition;
pub mod policy;
mod wildcard;

// What is looked for in the text, and what is known without it.
mod scan;
mod signals;

// What was counted before.
mod bounded;
mod campaign;
mod conduct;
mod learnt;
pub mod ledger;
pub mod standing;

// Facts and policy together.
mod verdict;

// A policy looked at and changed piece by piece, and what a verdict hung on.
pub mod counterfactual;
pub mod describe;
pub mod diff;
pub mod edit;

pub use ledger::{Arrival, Ledger};
pub use policy::{Policy, Problem};
pub use signals::{SIGNALS, Signal};
pub use verdict::{judge, judge_recipient};

/// The policy that ships with the program: works untouched, and is its own manual.
pub const DEFAULT_POLICY: &str = include_str!("default-policy.toml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policy_is_good_and_its_examples_come_out() {
        let limits = mail::Limits::default();
        let policy = match Policy::parse(DEFAULT_POLICY, &limits) {
            Ok(policy) => policy,
            Err(problems) => panic!(
                "{}",
                problems
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n")
            ),
        };
        assert_eq!(policy.failed_examples(&limits), []);
    }
}
