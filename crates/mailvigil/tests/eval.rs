//! `mailvigil eval` on mail made up here: every kind of feedback and classifier, its files, its errors, and bogofilter beside it.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const MESSAGES: usize = 400;

/// Mail of two kinds, every third message spam, and an index in TREC's form.
fn corpus() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (data, full) = (folder.path().join("data"), folder.path().join("full"));
    std::fs::create_dir(&data).unwrap();
    std::fs::create_dir(&full).unwrap();
    let mut index = String::new();
    for number in 0..MESSAGES {
        let spam = number % 3 == 0;
        let words = if spam {
            [
                "casino", "bonus", "winner", "claim", "pills", "cheap", "offer",
            ]
        } else {
            [
                "meeting", "report", "kernel", "patch", "lunch", "review", "train",
            ]
        };
        let word = |at: usize| words[(number * 5 + at * 3 + number / 7) % words.len()];
        let mail = format!(
            "Received: from a.example ([192.0.{}.9]) by b.example; Mon, 23 Nov 2026 10:{:02}:00 +0000\nFrom: {}@{}.example\nSubject: {} {}\nList-Id: {}\n\nDear reader, the {} {} and {} of today, number {number}.\n",
            number % 50,
            number % 60,
            word(0),
            word(1),
            word(2),
            word(3),
            if spam { "x" } else { "work" },
            word(4),
            word(5),
            word(6),
        );
        std::fs::write(data.join(format!("inmail.{number}")), mail).unwrap();
        index.push_str(&format!(
            "{} ../data/inmail.{number}\n",
            if spam { "spam" } else { "ham" }
        ));
    }
    std::fs::write(full.join("index"), index).unwrap();
    folder
}

fn eval(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailvigil"))
        .current_dir(folder)
        .args(["eval", "--index", "full/index"])
        .args(args)
        .output()
        .unwrap()
}

/// The figures of each filter.
fn figures(folder: &Path, args: &[&str]) -> Vec<Value> {
    let output = eval(folder, &[args, &["--json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn number(figures: &Value, name: &str) -> f64 {
    figures[name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} in {figures}"))
}

#[test]
fn each_kind_of_feedback_teaches_what_it_says() {
    let folder = corpus();
    std::fs::write(
        folder.path().join("some"),
        "spam data/inmail.0\nham data/inmail.1\ndata/inmail.2\n",
    )
    .unwrap();
    for (feedback, least, most, roca) in [
        ("full", 400, 400, 1.0),
        ("delay=100", 100, 100, 5.0),
        ("partial=some", 3, 3, 50.0),
        ("noise=0.1", 400, 400, 5.0),
        ("active=50", 10, 50, 10.0),
        ("onesided=2%", 200, 400, 5.0),
        ("none", 0, 0, 50.0),
    ] {
        let found = &figures(folder.path(), &["--feedback", feedback])[0];
        let labels = number(found, "labels") as usize;
        assert!((least..=most).contains(&labels), "{feedback}: {found}");
        assert!(number(found, "roca") <= roca, "{feedback}: {found}");
        assert_eq!(
            (number(found, "messages"), number(found, "spam")),
            (400.0, 134.0)
        );
        assert!(
            number(found, "messages_per_second") > 0.0 && number(found, "peak_memory_bytes") > 1e6
        );
    }
}

#[test]
fn words_pasted_around_spam_are_counted_and_not_learnt_from() {
    let folder = corpus();
    // Wanted mail has enough text to paste from.
    for number in (0..MESSAGES).filter(|number| number % 3 != 0) {
        let file = folder.path().join(format!("data/inmail.{number}"));
        let mail = std::fs::read_to_string(&file).unwrap();
        let more =
            "We meet at noon and go through the report, the patch and the review of the kernel.\n";
        std::fs::write(file, mail + &more.repeat(4)).unwrap();
    }
    let [plain, pasted] = [&["--feedback", "full"][..], &["--pasted"]]
        .map(|args| figures(folder.path(), args).remove(0));
    assert_eq!(plain["roca"], pasted["roca"]);
    assert_eq!(plain["pasted"], Value::Null);
    let ways = pasted["pasted"].as_array().unwrap();
    let of = |at: usize, name: &str| number(&ways[at], name);
    assert_eq!(ways.len(), 5);
    assert_eq!(ways[0]["pasted"], "nothing");
    assert!(of(0, "later_half") < 1.0, "{pasted}");
    for at in 0..5 {
        assert!((0.0..=100.0).contains(&of(at, "all")));
        assert!(of(at, "all") >= of(0, "all"), "{pasted}");
    }
    let table = eval(folder.path(), &["--pasted"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("5,000 bytes behind"), "{table}");
    let refused = eval(folder.path(), &["--pasted", "--classifier", "campaigns"]);
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && error.contains("content, bayes or classes"),
        "{error}"
    );
}

#[test]
fn the_same_replay_gives_the_same_figures_and_scores() {
    let folder = corpus();
    let run = |file: &str| {
        figures(
            folder.path(),
            &[
                "--feedback",
                "noise=0.1",
                "--scores",
                file,
                "--plot",
                "plot.svg",
            ],
        );
        std::fs::read_to_string(folder.path().join(file)).unwrap()
    };
    let scores = run("one");
    assert_eq!(scores, run("two"));
    let lines: Vec<Vec<&str>> = scores
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(lines.len(), MESSAGES);
    assert_eq!(&lines[1][..2], ["../data/inmail.1", "ham"]);
    assert!(
        lines
            .iter()
            .all(|line| line[2].parse::<f64>().is_ok_and(f64::is_finite))
    );
    let plot = std::fs::read_to_string(folder.path().join("plot.svg")).unwrap();
    assert!(plot.contains("full/index") && plot.contains("content"));
}

#[test]
fn it_begins_where_it_is_told_and_replays_all_of_it() {
    let folder = corpus();
    let begin = |begin: &str| {
        eval(
            folder.path(),
            &["--feedback", "none", "--scores", "scores", "--begin", begin],
        )
    };
    assert!(begin("150").status.success());
    let scores = std::fs::read_to_string(folder.path().join("scores")).unwrap();
    let names: Vec<&str> = scores
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    assert_eq!(names.len(), MESSAGES);
    assert_eq!(names[0], "../data/inmail.150");
    assert_eq!(names[MESSAGES - 1], "../data/inmail.149");
    let beyond = begin("400");
    assert!(!beyond.status.success());
    let said = String::from_utf8_lossy(&beyond.stderr).into_owned();
    assert!(said.contains("up to 399 is right"), "{said}");
}

#[test]
fn every_classifier_can_be_replayed() {
    let folder = corpus();
    for (kind, roca) in [
        ("content", 1.0),
        ("bayes", 2.0),
        ("bayes-raw", 60.0),
        ("bayes-sources", 60.0),
        ("campaigns", 60.0),
        ("fingerprints", 60.0),
    ] {
        let found = &figures(folder.path(), &["--classifier", kind])[0];
        assert_eq!(found["filter"], kind);
        assert!(number(found, "roca") <= roca, "{found}");
    }
}

#[test]
fn what_is_not_to_be_looked_at_makes_no_difference() {
    let folder = corpus();
    let scores = |args: &[&str]| {
        figures(folder.path(), &[args, &["--scores", "scores"]].concat());
        std::fs::read_to_string(folder.path().join("scores")).unwrap()
    };
    let all = scores(&[]);
    let body = scores(&["--body-only"]);
    assert_ne!(all, scores(&["--drop-header", "list-id"]));
    assert_ne!(all, body);
    assert_eq!(
        body,
        scores(&[
            "--body-only",
            "--drop-header",
            "List-Id",
            "--drop-header",
            "From"
        ])
    );
}

#[test]
fn what_cannot_be_read_is_named_and_counted() {
    let folder = corpus();
    std::fs::remove_file(folder.path().join("data/inmail.7")).unwrap();
    let output = eval(folder.path(), &["--json"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("inmail.7: not scored"));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (number(&found, "unreadable"), number(&found, "messages")),
        (1.0, 399.0)
    );
    std::fs::write(
        folder.path().join("full/index"),
        "ham ../data/inmail.1\nmaybe ../data/inmail.2\n",
    )
    .unwrap();
    let output = eval(folder.path(), &[]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && error.contains("line 2") && error.contains("maybe"),
        "{error}"
    );
    let output = eval(folder.path(), &["--feedback", "sometimes"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn bogofilter_runs_beside() {
    if Command::new("bogofilter").arg("-V").output().is_err() {
        eprintln!("SKIPPED: bogofilter is not installed");
        return;
    }
    let folder = corpus();
    let found = figures(
        folder.path(),
        &["--against", "bogofilter", "--drop-header", "List-Id"],
    );
    assert_eq!(
        (&found[0]["filter"], &found[1]["filter"]),
        (&"content".into(), &"bogofilter".into())
    );
    assert!((number(&found[1], "labels") - 400.0).abs() < 0.5);
    assert!(number(&found[1], "roca") < 5.0, "{}", found[1]);
}
