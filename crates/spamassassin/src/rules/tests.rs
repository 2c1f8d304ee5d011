//! Rules over one message written for it.

use super::*;

const MAIL: &[u8] = b"Received: from a.example (a.example [192.0.2.1]) by b.example (Postfix) with ESMTP id 1234; Mon, 2 Sep 2002 10:00:00 +0000\n\
From: Ann <ann@gmail.com>\nTo: bob@b.example\nSubject: Cheap pills\nDate: Mon, 2 Sep 2002 10:00:00 +0000\nContent-Type: text/html\n\n\
<p>Buy pills, pills and pills at <a href=\"http://shop.example.com/x\">https://bank.example.org/</a>\n";

fn reading(text: &str) -> Reading {
    Rules::read(&[Source {
        name: "a.cf".into(),
        text: text.into(),
    }])
}

/// Names of the rules that hit, with their points unless they are parts.
fn hits(text: &str) -> Vec<String> {
    let reading = reading(text);
    assert_eq!(reading.left_out, []);
    let seen = reading.rules.check(MAIL);
    let shown = |hit: &Hit<'_>| {
        if hit.is_part() {
            hit.rule.to_owned()
        } else {
            format!("{}={}", hit.rule, hit.score * hit.times as f64)
        }
    };
    seen.hits.iter().map(shown).collect()
}

#[test]
fn each_kind_of_rule_hits() {
    for (text, expected) in [
        ("header A Subject =~ /cheap/i", "A=1"),
        ("header A X-None !~ /x/", "A=1"),
        ("header A exists:Date", "A=1"),
        ("header A X-None =~ /^UNSET$/ [if-unset: UNSET]", "A=1"),
        ("header A From:addr =~ /^ann@gmail\\.com$/", "A=1"),
        ("header A From:name =~ /^Ann$/", "A=1"),
        ("header A From:addr:domain =~ /^gmail\\.com$/", "A=1"),
        ("header A From:raw =~ /^ Ann </", "A=1"),
        ("header A eval:check_for_missing_to_header()", ""),
        ("body A /buy pills/i", "A=1"),
        ("body A /cheap/i\ntflags A nosubject", ""),
        ("body A /cheap/i", "A=1"),
        ("rawbody A /<p>Buy/", "A=1"),
        ("full A /^Received: .*\\nFrom:/", "A=1"),
        ("full A /^Subject: .*?^Content-Type: text\\/html$/ms", "A=1"),
        ("uri A m{^http://shop\\.}", "A=1"),
        ("uri_detail A text =~ /bank/ domain !~ /bank/", "A=1"),
        ("mimeheader A Content-Type =~ /html/", "A=1"),
        ("mimeheader A Content-Type !~ /html/", ""),
        ("body A eval:html_tag_exists('p')", "A=1"),
        (
            "freemail_domains g*.com\nheader A eval:check_freemail_from()",
            "A=1",
        ),
        (
            "freemail_domains g*\nheader A eval:check_freemail_from()",
            "",
        ),
        (
            "freemail_domains gmail.com\nheader A eval:check_freemail_from()",
            "A=1",
        ),
        ("header A Subject =~ /free/", ""),
        ("body A /pills/\nscore A 0", ""),
    ] {
        assert_eq!(hits(text).join(" "), expected, "{text}");
    }
}

#[test]
fn hits_are_counted_as_flags_say() {
    for (flags, points) in [
        ("", "A=0.5"),
        ("tflags A multiple", "A=1.5"),
        ("tflags A multiple maxhits=2", "A=1"),
    ] {
        let text = format!("body A /pills/\nscore A 0.5 9 9 9\ntflags A nosubject\n{flags}\n");
        assert_eq!(hits(&text).join(" "), points, "{flags}");
    }
}

#[test]
fn rules_over_rules_count() {
    let parts = "body __A /pills/\ntflags __A multiple\nbody __B /pills/\nbody __C /nothing/\n";
    for (expression, holds) in [
        ("__A && __B", true),
        ("__A && __C", false),
        ("__A && !__C", true),
        ("__A > 2", true),
        ("__B > 1", false),
        ("__A + __B + __C == 2", false),
        ("(__B + __C) * 2 >= 2", true),
        ("__A || __NOBODY", true),
        ("__NOBODY", false),
    ] {
        let hits = hits(&format!("{parts}meta M {expression}\n"));
        assert_eq!(hits.contains(&"M=1".to_owned()), holds, "{expression}");
    }
}

#[test]
fn evidence_is_what_matched() {
    let reading = reading(
        "body A /buy\\s+pills/i\nheader B Subject =~ /cheap/i\nuri C /shop/\nbody D /(?<!x)and pills/\nmeta E A && __F\nbody __F /bank/\nbody G eval:html_tag_exists('p')\n",
    );
    let seen = reading.rules.check(MAIL);
    let shown: Vec<String> = seen
        .hits
        .iter()
        .map(|hit| format!("{} {:?} {}", hit.rule, hit.stands, hit.evidence))
        .collect();
    assert_eq!(
        shown,
        [
            "A Text Buy pills, pills and pills at https://b…",
            "B Header(\"Subject\") Cheap pills",
            "C Link http://shop.example.com/x",
            "D Text Buy pills, pills and pills at https://bank.example.org/",
            "E Message A, __F",
            "G Message html_tag_exists('p')",
            "__F Text ",
        ]
    );
}

#[test]
fn what_cannot_be_known_is_left_out_with_what_needs_it() {
    let reading = reading(
        "body A /(?<x/\nmeta B A && C\nmeta C 1\nheader D eval:check_rbl('x', 'y')\nmeta E !D\nheader F eval:check_nothing()\nmeta G H\nmeta H G\n\
         body I eval:check_bayes('0', '1')\nmeta J B\nmimeheader K Content-Type =~ /x/\ntflags K range=1-2\n",
    );
    let names: Vec<&str> = reading.rules.names().collect();
    assert_eq!(names, ["C", "E"]);
    let left_out: Vec<String> = reading
        .left_out
        .iter()
        .map(|left| format!("{} {} {}", left.place, left.what, left.reason))
        .collect();
    assert!(
        left_out[0].starts_with("a.cf:1 A its pattern is refused: "),
        "{left_out:?}"
    );
    assert_eq!(
        left_out[1..],
        [
            "a.cf:2 B needs A, which was left out",
            "a.cf:4 D asks servers elsewhere",
            "a.cf:6 F calls check_nothing, which is not known here",
            "a.cf:7 G it needs itself",
            "a.cf:8 H it needs itself",
            "a.cf:9 I asks a classifier that learns",
            "a.cf:10 J needs B, which was left out",
            "a.cf:11 K its flag range is not known here",
        ]
    );
}

#[test]
fn a_pattern_that_gives_up_is_a_miss_that_is_told() {
    let reading = reading("body A /^(?:(a+)\\1*)+\\1c/\nbody B /aaa/\n");
    let mail = format!("Subject: x\n\n{}!c\n", "a".repeat(1900));
    let seen = reading.rules.check(mail.as_bytes());
    let names: Vec<&str> = seen.hits.iter().map(|hit| hit.rule).collect();
    assert_eq!((names, seen.gave_up), (vec!["B"], vec!["A"]));
}

#[test]
fn what_was_read_reads_again_to_the_same() {
    let text = "header A Subject =~ /a\\#?/i [if-unset: x]\nbody B m{b\\#}\ntflags B multiple\nscore B 2.5\ndescribe B what # it says\nmeta C A && (B > 1)\n\
                uri_detail D raw =~ /x/ type !~ m{y}i\nmimeheader E Content-Type:raw =~ /z/\nrawbody F eval:check_blank_line_ratio('1', \"it's\")\n\
                freemail_domains a.example *.b.example\nenlist_addrlist (X) *@c.example\nredirector_pattern m'/\\?u=(.*)$'i\n";
    let once = reading(text);
    assert_eq!(once.left_out, []);
    let twice = reading(&once.written);
    assert_eq!(twice.left_out, []);
    assert_eq!(once.written, twice.written);
}
