//! Holds our rules against the real SpamAssassin: `conformance CORPUS [MESSAGES]`, and says where they disagree, and how long each takes.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a tool for those who compare"
)]

#[path = "../tests/oracle/mod.rs"]
mod oracle;

use std::collections::BTreeMap;
use std::time::Instant;

use oracle::{Comparison, messages, real_hits, stock_rules};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let corpus = arguments
        .next()
        .expect("conformance CORPUS [MESSAGES]: the folder of a corpus");
    let most = arguments
        .next()
        .map_or(1000, |most| most.parse().expect("a number of messages"));
    let before = Instant::now();
    let reading = stock_rules().expect("the Debian package spamassassin is installed");
    let rules = &reading.rules;
    println!(
        "{} rules, {} with points, {} with a pattern under a budget, {} left out; read in {:.2} s",
        rules.len(),
        rules.scored(),
        rules.budgeted(),
        reading.left_out.len(),
        before.elapsed().as_secs_f64()
    );
    let messages = messages(corpus.as_ref(), most);
    let before = Instant::now();
    let real = real_hits(&messages);
    let theirs = before.elapsed();
    let before = Instant::now();
    let comparison = Comparison::of(rules, &messages, &real);
    let each = |time: std::time::Duration| time.as_secs_f64() * 1000.0 / messages.len() as f64;
    println!(
        "{} messages: the real program took {:.1} ms each, ours {:.2} ms",
        messages.len(),
        each(theirs),
        each(before.elapsed())
    );
    println!(
        "hits in both {}, in one {}: {:.3} % agree; of all pairs {:.4} %; {} messages have exactly the same",
        comparison.both,
        comparison.disagreements(),
        comparison.agreement() * 100.0,
        comparison.agreement_of_all() * 100.0,
        comparison.same
    );
    print_classes(&reading.written, &comparison);
}

/// What rules test, and so why they may disagree: by kind of rule and what it asks.
fn print_classes(written: &str, comparison: &Comparison) {
    let kinds: BTreeMap<&str, String> = written.lines().filter_map(kind).collect();
    let mut classes: BTreeMap<&str, (usize, usize, Vec<String>)> = BTreeMap::new();
    for (rule, (theirs, ours)) in &comparison.apart {
        let class = classes.entry(kinds[rule.as_str()].as_str()).or_default();
        class.0 += theirs.len();
        class.1 += ours.len();
        let example = theirs.iter().chain(ours).next();
        let example = example
            .and_then(|path| path.file_name())
            .unwrap_or_default();
        class.2.push(format!(
            "{rule} -{} +{} ({})",
            theirs.len(),
            ours.len(),
            example.display()
        ));
    }
    println!("class: hits only there, only here; rules, each with one message");
    for (class, (theirs, ours, rules)) in classes {
        println!("{class}: {theirs}, {ours}; {}", rules.join(", "));
    }
}

/// `header NAME From:addr =~ …` tells what rule NAME asks.
fn kind(line: &str) -> Option<(&str, String)> {
    let mut words = line.split_whitespace();
    let (key, name, asked) = (words.next()?, words.next()?, words.next()?);
    if asked.starts_with("eval:") {
        let function = asked.split('(').next().unwrap_or(asked);
        return Some((name, function.to_owned()));
    }
    match key {
        "header" => Some((name, format!("header {asked}"))),
        "body" | "rawbody" | "full" | "uri" | "uri_detail" | "mimeheader" | "meta" => {
            Some((name, key.to_owned()))
        }
        _ => None,
    }
}
