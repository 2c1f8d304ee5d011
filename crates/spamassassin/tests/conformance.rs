//! The real program's rules hit what they hit there.

mod oracle;

use oracle::{Comparison, messages, real_hits, stock_rules};
use spamassassin::{Rules, Source};

/// Messages compared; the real program takes a fifth of a second for each.
const SAMPLE: usize = 150;

#[test]
fn stock_rules_hit_what_they_hit_in_the_real_program() {
    let Some(corpus) = std::env::var_os("MAILVIGIL_CORPUS") else {
        println!("skipped: MAILVIGIL_CORPUS names no corpus");
        return;
    };
    let Some(reading) = stock_rules() else {
        println!("skipped: the Debian package spamassassin is not installed");
        return;
    };
    let messages = messages(corpus.as_ref(), SAMPLE);
    let comparison = Comparison::of(&reading.rules, &messages, &real_hits(&messages));
    println!(
        "{} messages, {} hits in both, {} in one",
        comparison.messages,
        comparison.both,
        comparison.disagreements()
    );
    assert!(
        comparison.agreement() >= 0.98,
        "only {:.4} of the hits agree: {:#?}",
        comparison.agreement(),
        comparison.apart.keys()
    );
}

/// Rules are not lost without notice: so many of the stock rules run here.
#[test]
fn most_stock_rules_are_taken() {
    let Some(reading) = stock_rules() else {
        println!("skipped: the Debian package spamassassin is not installed");
        return;
    };
    assert!(reading.rules.len() > 2000, "{}", reading.rules.len());
    let again = Rules::read(&[Source {
        name: "written".into(),
        text: reading.written.clone().into_bytes(),
    }]);
    assert_eq!(again.left_out, []);
    assert_eq!(again.written, reading.written);
    assert_eq!(again.rules.len(), reading.rules.len());
}
