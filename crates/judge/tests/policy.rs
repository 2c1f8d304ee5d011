//! A policy as an administrator writes it, and what it makes of a message.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use judge::{Policy, judge, judge_recipient};
use mail::facts::{WindowFact, WindowKey};
use mail::{
    Action, Address, Direction, Domain, Envelope, Facts, Level, Limits, Message, Site, Timestamp,
    Verdict,
};

const BASE: &str = "[boundaries]\nsuspicious = 5.0\ndangerous = 10.0\n[actions]\nordinary = \"accept\"\nsuspicious = \"quarantine\"\ndangerous = \"discard\"\n";

const MESSAGE: &str = "Received: from relay.example (relay.example [198.51.100.9]) by mx.ours.example with ESMTP; Mon, 23 Nov 2026 10:00:30 +0000\nFrom: \"Ann of Accounts\" <Ann@Mail.A.example>\nReply-To: other@b.example\nTo: bob@ours.example\nCc: carol@ours.example\nSubject: Lunch on Friday, 发票 too\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <1@a.example>\nX-Mailer: The Bat!\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain; charset=utf-8\n\nPlease wire the money by bank transfer today. 我公司可以代开发票。 Free free FREE offers.\n--x\nContent-Type: text/plain\nContent-Disposition: attachment; filename=\"Invoice.exe.txt\"\n\nattached words\n--x--\n";

fn address(text: &str) -> Address {
    Address::new(text).unwrap()
}

fn site() -> Site {
    Site {
        local_domains: vec![Domain::parse("ours.example").unwrap()],
        ..Site::default()
    }
}

fn policy(rest: &str) -> Policy {
    parse(rest).unwrap_or_else(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{rest}\n{}", problems.join("\n"))
    })
}

fn parse(rest: &str) -> Result<Policy, Vec<judge::Problem>> {
    // No signal scores, so that a test sees its own rules only.
    let quiet: String = judge::SIGNALS
        .iter()
        .map(|signal| format!("{} = 0\n", signal.id))
        .collect();
    Policy::parse(
        &format!("{BASE}{rest}\n[signals]\n{quiet}"),
        &Limits::default(),
    )
}

fn facts(policy: &Policy) -> Facts {
    let mut envelope = Envelope::new(Timestamp::parse("2026-11-23T10:01:00Z").unwrap(), "test");
    envelope.server = "mx.ours.example".into();
    envelope.peer.ip = "192.0.2.7".parse().ok();
    envelope.peer.ptr_name = Some("mail.a.example".into());
    envelope.helo_name = Some("HELO.a.example".into());
    envelope.envelope_from = Some(address("bounce@a.example"));
    envelope.recipients = vec![address("bob@ours.example"), address("carol@ours.example")];
    envelope.direction = Direction::Inbound;
    let message = Message::read(MESSAGE.as_bytes(), &Limits::default());
    Facts {
        hits: policy.scan(&message),
        ..Facts::new(envelope, message)
    }
}

fn judged(policy: &Policy, facts: &Facts) -> Verdict {
    judge(facts, &site(), policy, 7)
}

/// Does a rule with this condition fire on the message?
fn holds(condition: &str) -> bool {
    let policy = policy(&format!(
        "[[rules]]\nname = \"it\"\nreason = \"it\"\nscore = 1\nwhen = {condition}\n"
    ));
    let verdict = judged(&policy, &facts(&policy));
    verdict.reasons.iter().any(|reason| reason.name == "it")
}

#[test]
fn every_field_and_every_comparison() {
    let right = [
        r#"{ field = "envelope-from", is = "BOUNCE@a.example" }"#,
        r#"{ field = "envelope-from-domain", is = ["b.example", "a.example"] }"#,
        r#"{ field = "header-from", wildcard = "ann@*.example" }"#,
        r#"{ field = "header-from-domain", regex = "(?i)^mail\\.a" }"#,
        r#"{ field = "header-from-name", wildcard = "*accounts" }"#,
        r#"{ field = "reply-to", is = "other@b.example" }"#,
        r#"{ field = "recipient", is = "carol@ours.example" }"#,
        r#"{ field = "recipient-domain", is = "ours.example" }"#,
        r#"{ field = "to", is = "bob@ours.example" }"#,
        r#"{ field = "cc", is = "carol@ours.example" }"#,
        r#"{ field = "subject", wildcard = "lunch*" }"#,
        r#"{ field = "source-ip", in_network = "192.0.2.0/24" }"#,
        r#"{ field = "source-ip", is = "192.0.2.7" }"#,
        r#"{ field = "helo", is = "helo.a.example" }"#,
        r#"{ field = "ptr-name", wildcard = "mail.?.example" }"#,
        r#"{ field = "account", exists = false }"#,
        r#"{ field = "server", is = "mx.ours.example" }"#,
        r#"{ field = "direction", is = "inbound" }"#,
        r#"{ field = "tls", exists = false }"#,
        r#"{ field = "received", is = "relay.example" }"#,
        r#"{ field = "received", in_network = ["198.51.100.0/24"] }"#,
        r#"{ field = "message-id", wildcard = "*@a.example*" }"#,
        r#"{ field = "size", over = 100 }"#,
        r#"{ field = "size", under = 100000 }"#,
        r#"{ field = "recipient-count", over = 1 }"#,
        r#"{ field = "part-type", is = "text/plain" }"#,
        r#"{ field = "file-name", wildcard = "*.exe.*" }"#,
        r#"{ field = "header:x-mailer", is = "the bat!" }"#,
        r#"{ field = "header:x-mailer", exists = true }"#,
        r#"{ not = { field = "oddity", is = "no-date" } }"#,
    ];
    for condition in right {
        assert!(holds(condition), "{condition}");
    }
    let wrong = [
        r#"{ field = "envelope-from", is = "a.example" }"#,
        r#"{ field = "header-from", wildcard = "ann@?.example" }"#,
        r#"{ field = "source-ip", in_network = "192.0.3.0/24" }"#,
        r#"{ field = "received", in_network = "192.0.2.0/24" }"#,
        r#"{ field = "account", exists = true }"#,
        r#"{ field = "size", over = 1000000 }"#,
        r#"{ field = "recipient-count", over = 2 }"#,
        r#"{ field = "header:x-other", wildcard = "*" }"#,
        r#"{ field = "header:x-other", exists = true }"#,
    ];
    for condition in wrong {
        assert!(!holds(condition), "{condition}");
    }
}

#[test]
fn conditions_combine() {
    let (yes, no) = (
        r#"{ field = "direction", is = "inbound" }"#,
        r#"{ field = "direction", is = "outbound" }"#,
    );
    let table = [
        (format!("{{ all = [{yes}, {yes}] }}"), true),
        (format!("{{ all = [{yes}, {no}] }}"), false),
        (format!("{{ any = [{no}, {yes}] }}"), true),
        (format!("{{ any = [{no}, {no}] }}"), false),
        (format!("{{ not = {no} }}"), true),
        (
            format!("{{ at_least = 2, of = [{yes}, {no}, {yes}] }}"),
            true,
        ),
        (
            format!("{{ at_least = 2, of = [{yes}, {no}, {no}] }}"),
            false,
        ),
        (
            format!("{{ all = [{{ not = {{ any = [{no}, {{ not = {yes} }}] }} }}] }}"),
            true,
        ),
    ];
    for (condition, expected) in table {
        assert_eq!(holds(&condition), expected, "{condition}");
    }
}

#[test]
fn text_is_found_in_its_place_and_as_words() {
    let table = [
        (r#"{ contains = "WIRE the   money", in = ["body"] }"#, true),
        (r#"{ contains = "wire", in = ["subject"] }"#, false),
        (
            r#"{ contains = "attached words", in = ["attachment"] }"#,
            true,
        ),
        (r#"{ contains = "attached words", in = ["body"] }"#, false),
        (r#"{ contains = "invoice*", in = ["file-name"] }"#, true),
        (r#"{ contains = "bat", in = ["header:x-mailer"] }"#, true),
        (r#"{ contains = "mone" }"#, false),
        (r#"{ contains = "mone*" }"#, true),
        (r#"{ contains = "发票", in = ["subject"] }"#, true),
        (r#"{ contains = "代开发票", in = ["body"] }"#, true),
        (r#"{ contains = "free", times = 3 }"#, true),
        (r#"{ contains = "free", times = 4 }"#, false),
        (r#"{ pattern = "b[a-z]nk\\s+transfer" }"#, true),
        (r#"{ pattern = "^transfer" }"#, false),
        (r#"{ near = ["wire", "transfer"], within = 5 }"#, true),
        (r#"{ near = ["transfer", "wire"], within = 5 }"#, true),
        (r#"{ near = ["wire", "transfer"], within = 4 }"#, false),
        (r#"{ near = ["lunch", "transfer"], within = 50 }"#, false),
        (r#"{ near = ["公司", "发票"], within = 6 }"#, true),
        (r#"{ near = ["公司", "发票"], within = 4 }"#, false),
    ];
    for (condition, expected) in table {
        assert_eq!(holds(condition), expected, "{condition}");
    }
}

#[test]
fn keyword_sets_weigh_each_term_with_its_bounds() {
    let set = |more: &str| {
        let policy = policy(&format!(
            "[[keyword_sets]]\nname = \"s\"\nreason = \"s\"\nin = [\"body\", \"subject\"]\nscores = true\nterms = [{{ term = \"free\", weight = 2.0 }}, \"transfer\"]\n{more}\n"
        ));
        judged(&policy, &facts(&policy))
    };
    assert!(
        (set("").score - 3.0).abs() < 1e-9,
        "each term counts once: {:?}",
        set("")
    );
    assert!(
        (set("most_per_term = 2").score - 5.0).abs() < 1e-9,
        "{:?}",
        set("most_per_term = 2")
    );
    assert!((set("most_per_term = 9\ncap = 4.5").score - 4.5).abs() < 1e-9);
    let verdict = set("");
    let reason = &verdict.reasons[0];
    assert_eq!(reason.name, "s");
    assert!(
        reason.evidence.iter().any(|evidence| evidence
            .quote
            .as_deref()
            .is_some_and(|quote| quote.contains("transfer"))),
        "{reason:?}"
    );
    let over = |limit: f64| {
        let policy = policy(&format!(
            "[[keyword_sets]]\nname = \"s\"\nreason = \"s\"\nin = [\"body\"]\nterms = [{{ term = \"free\", weight = 2.0 }}, \"transfer\"]\n[[rules]]\nname = \"it\"\nreason = \"it\"\nscore = 6\nwhen = {{ keywords = \"s\", over = {limit:?} }}\n"
        ));
        judged(&policy, &facts(&policy)).level
    };
    assert_eq!(over(2.9), Level::Suspicious);
    assert_eq!(over(3.0), Level::Ordinary);
}

#[test]
fn a_set_may_ask_for_whole_chinese_words() {
    let found = |subject: &str, more: &str| {
        let policy = policy(&format!(
            "[[keyword_sets]]\nname = \"s\"\nin = [\"subject\"]\nscores = true\nterms = [\"大学\"]\n{more}\n"
        ));
        let message = Message {
            subject: subject.to_owned(),
            ..Message::default()
        };
        !policy.scan(&message).is_empty()
    };
    assert!(found("北京清华大学", ""));
    assert!(!found("北京清华大学", "whole_words = true"));
    assert!(found("我在大学读书", "whole_words = true"));
    assert!(found("我在大學讀書", "whole_words = true"), "traditional");
}

#[test]
fn lists_know_their_kind_and_forget_on_time() {
    let listed = |kind: &str, entries: &str, field: &str| {
        let policy = policy(&format!(
            "[[lists]]\nname = \"l\"\nkind = \"{kind}\"\nentries = [{entries}]\n[[rules]]\nname = \"it\"\nreason = \"it\"\nscore = 6\nwhen = {{ field = \"{field}\", in_list = \"l\" }}\n"
        ));
        judged(&policy, &facts(&policy)).level == Level::Suspicious
    };
    assert!(listed("address", "\"ANN@mail.a.example\"", "header-from"));
    assert!(!listed("address", "\"ann@a.example\"", "header-from"));
    assert!(
        listed("domain", "\"a.example\"", "header-from-domain"),
        "a domain and all below"
    );
    assert!(!listed("domain", "\"example.a\"", "header-from-domain"));
    assert!(
        !listed("domain", "\"l.a.example\"", "header-from-domain"),
        "not in the middle of a label"
    );
    assert!(listed("network", "\"192.0.2.0/28\"", "source-ip"));
    assert!(listed("network", "\"192.0.2.7\"", "source-ip"));
    assert!(listed("text", "\"helo.A.example\"", "helo"));
    assert!(listed(
        "network",
        "{ value = \"192.0.2.7\", reason = \"r\", author = \"a\", expires = \"2026-11-24\" }",
        "source-ip"
    ));
    assert!(!listed(
        "network",
        "{ value = \"192.0.2.7\", expires = \"2026-11-22\" }",
        "source-ip"
    ));
}

fn window(key: WindowKey, messages: u32, distinct_peers: u32) -> WindowFact {
    WindowFact {
        key,
        span_secs: 600,
        messages,
        kibibytes: messages,
        recipients: messages,
        distinct_peers,
        distinct_senders: 1,
    }
}

#[test]
fn a_window_over_its_count_is_a_reason_for_its_own_recipient() {
    let policy = policy(
        "[[rules]]\nname = \"flood\"\nreason = \"flood\"\nfor_each_recipient = true\nscore = 6\nwhen = { all = [{ window = \"recipient\", count = \"messages\", within = \"10m\", over = 40 }, { window = \"recipient\", count = \"distinct-peers\", within = \"10m\", over = 25 }] }\n[[rules]]\nname = \"one-source\"\nreason = \"one source\"\nscore = 1\nwhen = { window = \"peer\", count = \"messages\", within = \"10m\", over = 60 }\n",
    );
    assert_eq!(policy.spans(), [600]);
    let mut facts = facts(&policy);
    facts.windows = vec![
        window(WindowKey::Peer("192.0.2.7".parse().unwrap()), 61, 1),
        window(WindowKey::Recipient("bob@ours.example".into()), 41, 26),
        window(WindowKey::Recipient("carol@ours.example".into()), 41, 25),
    ];
    let verdict = judged(&policy, &facts);
    let of = |name: &str| {
        verdict
            .outcomes
            .iter()
            .find(|outcome| outcome.recipient.as_str() == name)
            .unwrap()
    };
    let (bob, carol) = (of("bob@ours.example"), of("carol@ours.example"));
    assert_eq!(
        (bob.level, &bob.action),
        (Level::Suspicious, &Action::Quarantine)
    );
    assert_eq!(
        (carol.level, &carol.action),
        (Level::Ordinary, &Action::Accept)
    );
    let flood = verdict
        .reasons
        .iter()
        .find(|reason| reason.name == "flood")
        .unwrap();
    assert!(
        flood.evidence[0]
            .text
            .contains("41 messages in 10 min, more than 40"),
        "{flood:?}"
    );
    facts.windows[0].messages = 60;
    let verdict = judged(&policy, &facts);
    assert!(
        !verdict
            .reasons
            .iter()
            .any(|reason| reason.name == "one-source")
    );
}

#[test]
fn boundaries_hold_at_their_own_value() {
    let level = |score: f64| {
        let policy = policy(&format!(
            "[[rules]]\nname = \"it\"\nreason = \"it\"\nscore = {score:?}\nwhen = {{ field = \"direction\", is = \"inbound\" }}\n"
        ));
        let verdict = judged(&policy, &facts(&policy));
        (verdict.level, verdict.action)
    };
    assert_eq!(level(4.999), (Level::Ordinary, Action::Accept));
    assert_eq!(level(5.0), (Level::Suspicious, Action::Quarantine));
    assert_eq!(level(9.999), (Level::Suspicious, Action::Quarantine));
    assert_eq!(level(10.0), (Level::Dangerous, Action::Discard));
    assert_eq!(level(-3.0), (Level::Ordinary, Action::Accept));
}

#[test]
fn of_several_demands_the_strongest_is_done() {
    let rule = |name: &str, effect: &str| {
        format!(
            "[[rules]]\nname = \"{name}\"\nreason = \"r\"\n{effect}\nwhen = {{ field = \"direction\", is = \"inbound\" }}\n"
        )
    };
    let action = |effects: &[&str]| {
        let rules: String = effects
            .iter()
            .enumerate()
            .map(|(number, effect)| rule(&format!("r{number}"), effect))
            .collect();
        let policy = policy(&rules);
        judged(&policy, &facts(&policy)).action
    };
    assert_eq!(
        action(&["score = 50", "action = \"accept\""]),
        Action::Accept
    );
    assert_eq!(
        action(&["action = \"accept\"", "action = \"reject\""]),
        Action::Reject
    );
    assert_eq!(
        action(&["action = \"reject\"", "action = \"discard\""]),
        Action::Discard
    );
    assert_eq!(
        action(&["action = \"defer\"", "action = \"tag\""]),
        Action::Defer
    );
    assert_eq!(
        action(&["action = \"redirect:sec@ours.example\"", "action = \"tag\""]),
        Action::Redirect(address("sec@ours.example"))
    );
    assert_eq!(action(&["level = \"suspicious\""]), Action::Quarantine);
    assert_eq!(
        action(&["level = \"dangerous\"", "score = 1"]),
        Action::Discard
    );
    assert_eq!(
        action(&["level = \"suspicious\"", "score = 12"]),
        Action::Discard,
        "a level is a least one"
    );
    assert_eq!(
        action(&["enabled = false\naction = \"reject\""]),
        Action::Accept
    );
}

#[test]
fn actions_differ_by_who_gets_the_message() {
    let policy = policy(
        "[[rules]]\nname = \"it\"\nreason = \"it\"\nscore = 6\nwhen = { field = \"direction\", is = \"inbound\" }\n[groups]\nboard = [\"carol@*\"]\n[[actions.for]]\ngroup = \"board\"\nsuspicious = \"tag\"\n[[actions.for]]\nrecipients = [\"c*@ours.example\"]\nsuspicious = \"reject\"\n[[actions.for]]\ndirection = \"outbound\"\nsuspicious = \"accept\"\n",
    );
    let mut facts = facts(&policy);
    facts
        .envelope
        .recipients
        .push(address("chris@ours.example"));
    let verdict = judged(&policy, &facts);
    let actions: Vec<&Action> = verdict
        .outcomes
        .iter()
        .map(|outcome| &outcome.action)
        .collect();
    assert_eq!(
        actions,
        [&Action::Quarantine, &Action::Tag, &Action::Reject]
    );
    facts.envelope.direction = Direction::Outbound;
    let rule_of_direction = judged(&policy, &facts);
    assert_eq!(
        rule_of_direction.action,
        Action::Accept,
        "the rule is for inbound mail"
    );
}

#[test]
fn one_recipient_can_be_refused_before_there_is_a_text() {
    let policy = policy(
        "[[rules]]\nname = \"relay\"\nreason = \"no relay\"\nat = \"recipient\"\naction = \"reject\"\nwhen = { relay_attempt = true }\n[[rules]]\nname = \"busy\"\nreason = \"busy\"\nat = \"recipient\"\naction = \"defer\"\nwhen = { window = \"recipient\", count = \"messages\", within = \"10m\", over = 5 }\n",
    );
    let envelope = facts(&policy).envelope;
    let asked = |to: &str, windows: &[WindowFact], envelope: &Envelope| {
        judge_recipient(envelope, &address(to), windows, &site(), &policy)
            .map(|(action, reason)| (action, reason.name))
    };
    assert_eq!(asked("bob@ours.example", &[], &envelope), None);
    assert_eq!(
        asked("eve@far.example", &[], &envelope),
        Some((Action::Reject, "relay".into()))
    );
    let flood = [window(
        WindowKey::Recipient("bob@ours.example".into()),
        6,
        1,
    )];
    assert_eq!(
        asked("bob@ours.example", &flood, &envelope),
        Some((Action::Defer, "busy".into()))
    );
    assert_eq!(asked("carol@ours.example", &flood, &envelope), None);
    let both = [window(WindowKey::Recipient("eve@far.example".into()), 6, 1)];
    assert_eq!(
        asked("eve@far.example", &both, &envelope),
        Some((Action::Reject, "relay".into())),
        "the stronger"
    );
    let mut ours = envelope;
    ours.account = Some("ann".into());
    assert_eq!(
        asked("eve@far.example", &[], &ours),
        None,
        "who has logged in may send out"
    );
}

#[test]
fn facts_from_the_records_give_the_same_verdict() {
    let policy = Policy::parse(judge::DEFAULT_POLICY, &Limits::default()).unwrap();
    let mut facts = facts(&policy);
    facts.windows = vec![window(
        WindowKey::Recipient("bob@ours.example".into()),
        500,
        200,
    )];
    let verdict = judged(&policy, &facts);
    assert!(verdict.reasons.len() > 2, "{:?}", verdict.reasons);
    let back: Facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    assert_eq!(judged(&policy, &back), verdict);
    assert_eq!(judged(&policy, &facts), verdict, "and judging is no dice");
    let read: Verdict = serde_json::from_str(&serde_json::to_string(&verdict).unwrap()).unwrap();
    assert_eq!(read, verdict);
}

/// Each bad policy, the line its first problem stands in, and what is said of it.
#[test]
fn a_bad_policy_is_refused_with_place_and_remedy() {
    let rule = "[[rules]]\nname = \"it\"\nreason = \"r\"\nscore = 1\nwhen = ";
    let table: Vec<(String, usize, &str, &str)> = vec![
        ("[boundaries".into(), 1, "", ""),
        (
            "[boundaries]\nsuspicious = 9\ndangerous = 5\n".into(),
            3,
            "boundaries.dangerous",
            "",
        ),
        (
            "[boundaries]\nsuspicious = \"high\"\n".into(),
            2,
            "boundaries.suspicious",
            "number",
        ),
        ("[boundary]\n".into(), 1, "boundary", ""),
        (
            "[actions]\nsuspicious = \"burn\"\n".into(),
            2,
            "actions.suspicious",
            "quarantine",
        ),
        (
            "[actions]\nsuspicious = \"redirect:nobody\"\n".into(),
            2,
            "actions.suspicious",
            "redirect:ADDRESS",
        ),
        (
            "[replies]\nreject = \"450 4.7.1 no\"\n".into(),
            2,
            "replies.reject",
            "5",
        ),
        (
            "[replies]\nreject = \"no\"\n".into(),
            2,
            "replies.reject",
            "",
        ),
        (
            "[signals]\nno-such-signal = 1\n".into(),
            2,
            "signals.no-such-signal",
            "",
        ),
        (
            format!("{rule}{{ field = \"colour\", is = \"red\" }}\n"),
            5,
            "rules[1].when.field",
            "docs/policy.md",
        ),
        (
            format!("{rule}{{ field = \"subject\" }}\n"),
            5,
            "rules[1].when.field",
            "wildcard",
        ),
        (
            format!("{rule}{{ field = \"subject\", is = \"a\", wildcard = \"b\" }}\n"),
            5,
            "rules[1].when.field",
            "all =",
        ),
        (
            format!("{rule}{{ field = \"subject\", over = 5 }}\n"),
            5,
            "rules[1].when.field",
            "regex",
        ),
        (
            format!("{rule}{{ field = \"size\", is = \"5\" }}\n"),
            5,
            "rules[1].when.field",
            "over or under",
        ),
        (
            format!("{rule}{{ field = \"subject\", in_network = \"192.0.2.0/24\" }}\n"),
            5,
            "rules[1].when.in_network",
            "source-ip",
        ),
        (
            format!("{rule}{{ field = \"source-ip\", in_network = \"192.0.2.0/33\" }}\n"),
            5,
            "rules[1].when.in_network",
            "192.0.2.0/24",
        ),
        (
            format!("{rule}{{ field = \"subject\", regex = \"(\" }}\n"),
            5,
            "rules[1].when.regex",
            "",
        ),
        (
            format!("{rule}{{ field = \"subject\", regex = \"(?=a)\" }}\n"),
            5,
            "rules[1].when.regex",
            "look-around",
        ),
        (
            format!("{rule}{{ field = \"subject\", in_list = \"none\" }}\n"),
            5,
            "rules[1].when.in_list",
            "lists",
        ),
        (
            format!("{rule}{{ keywords = \"none\" }}\n"),
            5,
            "rules[1].when.keywords",
            "",
        ),
        (
            format!("{rule}{{ near = [\"a\"], within = 3 }}\n"),
            5,
            "rules[1].when.near",
            "transfer",
        ),
        (
            format!(
                "{rule}{{ window = \"peer\", count = \"messages\", within = \"2s\", over = 5 }}\n"
            ),
            5,
            "rules[1].when.within",
            "10s",
        ),
        (
            format!(
                "{rule}{{ window = \"moon\", count = \"messages\", within = \"10m\", over = 5 }}\n"
            ),
            5,
            "rules[1].when.window",
            "peer",
        ),
        (
            format!("{rule}{{ signal = \"none\" }}\n"),
            5,
            "rules[1].when.signal",
            "",
        ),
        (
            format!("{rule}{{ all = [] }}\n"),
            5,
            "rules[1].when.all",
            "[{",
        ),
        (
            format!("{rule}{{ at_least = 3, of = [{{ relay_attempt = true }}] }}\n"),
            5,
            "rules[1].when.at_least",
            "at most",
        ),
        (
            format!(
                "{rule}{{ all = [{{ relay_attempt = true }}], any = [{{ relay_attempt = true }}] }}\n"
            ),
            5,
            "rules[1].when",
            "one of",
        ),
        (
            "[[rules]]\nname = \"it\"\nreason = \"r\"\nscore = 1\n".into(),
            1,
            "rules[1].when",
            "field",
        ),
        (
            "[[rules]]\nname = \"it\"\nreason = \"r\"\nwhen = { relay_attempt = true }\n".into(),
            2,
            "rules[1].name",
            "score",
        ),
        (
            "[[keyword_sets]]\nname = \"s\"\nreason = \"r\"\nin = [\"moon\"]\nterms = [\"a\"]\n"
                .into(),
            4,
            "keyword_sets[1].in",
            "subject",
        ),
        (
            "[[lists]]\nname = \"l\"\nkind = \"network\"\nentries = [\"hello\"]\n".into(),
            4,
            "lists[1].entries[1]",
            "",
        ),
        (
            "[[lists]]\nname = \"l\"\nkind = \"colour\"\nentries = []\n".into(),
            3,
            "lists[1].kind",
            "network",
        ),
        (
            "[[actions.for]]\ndirection = \"inbound\"\n".into(),
            1,
            "actions.for[1]",
            "ordinary",
        ),
        (
            "[[actions.for]]\nsuspicious = \"tag\"\n".into(),
            1,
            "actions.for[1]",
            "direction",
        ),
        (
            "[[actions.for]]\ngroup = \"none\"\nsuspicious = \"tag\"\n".into(),
            2,
            "actions.for[1].group",
            "[groups]",
        ),
    ];
    for (text, line, key, remedy) in table {
        let problems = Policy::parse(&text, &Limits::default())
            .err()
            .unwrap_or_else(|| panic!("accepted: {text}"));
        let found = problems.iter().any(|problem| {
            problem.line == line && problem.key == key && problem.to_string().contains(remedy)
        });
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(
            found,
            "{text}\nexpected line {line} {key} {remedy:?}, said:\n{}",
            said.join("\n")
        );
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "[boundaries]\nsuspicious = \"x\"\n[actions]\nordinary = \"burn\"\nsomething = 1\n[[rules]]\nname = \"a\"\nreason = \"r\"\nscore = 1\nwhen = { signal = \"none\" }\n[[rules]]\nname = \"a\"\nreason = \"r\"\nscore = 1\nwhen = { relay_attempt = true }\n";
    let problems = Policy::parse(text, &Limits::default()).err().unwrap();
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    for line in [2, 4, 5, 10, 12] {
        assert!(
            lines.contains(&line),
            "line {line} is missing: {problems:?}"
        );
    }
}

#[test]
fn a_policy_is_bounded() {
    let limits = Limits {
        policy_bytes_max: 1000,
        ..Limits::default()
    };
    let long = format!("{BASE}# {}", "x".repeat(1000));
    let problems = Policy::parse(&long, &limits).err().unwrap();
    assert!(problems[0].to_string().contains("1000"), "{problems:?}");
    let deep = format!(
        "[[rules]]\nname = \"d\"\nreason = \"d\"\nscore = 1\nwhen = {}{{ relay_attempt = true }}{}\n",
        "{ not = ".repeat(200),
        " }".repeat(200)
    );
    assert!(parse(&deep).is_err());
    let hungry = "[[rules]]\nname = \"d\"\nreason = \"d\"\nscore = 1\nwhen = { pattern = \"((a{1,200}){1,200}){1,200}\" }\n";
    let problems = parse(hungry).err().unwrap();
    assert!(
        problems
            .iter()
            .any(|problem| problem.key.contains("pattern")),
        "{problems:?}"
    );
}

#[test]
fn examples_hold_a_policy_to_its_word() {
    let with = |expects: &str| {
        let policy = policy(&format!(
            "[[rules]]\nname = \"lunch\"\nreason = \"r\"\nscore = 6\nwhen = {{ contains = \"lunch\" }}\n[[examples]]\nname = \"e\"\nsource_ip = \"192.0.2.1\"\n{expects}\nmessage = \"\"\"\nFrom: a@a.example\nSubject: lunch\n\nhello\n\"\"\"\n"
        ));
        policy
            .failed_examples(&Limits::default())
            .into_iter()
            .map(|failed| failed.what)
            .collect::<Vec<_>>()
    };
    assert!(
        with("level = \"suspicious\"\naction = \"quarantine\"\nfires = [\"lunch\"]").is_empty()
    );
    assert!(with("level = \"ordinary\"")[0].contains("suspicious came"));
    assert!(with("action = \"reject\"")[0].contains("quarantine came"));
    assert!(with("silent = [\"lunch\"]")[0].contains("lunch fired"));
}

#[test]
fn a_changed_policy_is_told_rule_by_rule() {
    let old = policy(
        "[[rules]]\nname = \"a\"\nreason = \"r\"\nscore = 6\nwhen = { contains = \"lunch\" }\n",
    );
    let verdict = judged(&old, &facts(&old));
    assert_eq!(verdict.policy_version, 7);
    let new = policy(
        "[[rules]]\nname = \"a\"\nreason = \"r\"\nscore = 2\nwhen = { contains = \"lunch\" }\n",
    );
    // Facts recorded under one policy are judged under the next, as long as it asks for the same terms.
    assert_eq!(judged(&new, &facts(&old)).level, Level::Ordinary);
}

fn allowing(entries: &str) -> Result<Policy, Vec<judge::Problem>> {
    parse(&format!(
        "[[lists]]\nname = \"allowed\"\nkind = \"sender\"\nentries = [{entries}]\n[[rules]]\nname = \"allowed\"\nfor_each_recipient = true\nwhen = {{ sender_in = \"allowed\" }}\naction = \"accept\"\n[[rules]]\nname = \"bad\"\nwhen = {{ field = \"subject\", exists = true }}\nscore = 8.0\n"
    ))
}

#[test]
fn an_allowed_sender_is_allowed_where_the_entry_binds_it() {
    let actions = |entries: &str, change: &dyn Fn(&mut Facts)| {
        let policy = allowing(entries)
            .unwrap_or_else(|problems| panic!("{entries}: {:?}", problems[0].to_string()));
        let mut facts = facts(&policy);
        change(&mut facts);
        let verdict = judged(&policy, &facts);
        let outcomes = verdict.outcomes.iter();
        outcomes
            .map(|outcome| outcome.action.as_str())
            .collect::<Vec<_>>()
    };
    let none = &|_: &mut Facts| {};
    let (both, neither) = (vec!["accept"; 2], vec!["quarantine"; 2]);
    // By envelope sender, visible sender, domain; from its network only.
    assert_eq!(
        actions(
            "{ value = \"bounce@A.example\", from = \"192.0.2.0/24\" }",
            none
        ),
        both
    );
    assert_eq!(
        actions(
            "{ value = \"ann@mail.a.example\", from = \"192.0.2.7\" }",
            none
        ),
        both
    );
    assert_eq!(
        actions("{ value = \"@a.example\", from = \"192.0.2.0/24\" }", none),
        both
    );
    assert_eq!(
        actions("{ value = \"@example\", unguarded = true }", none),
        neither,
        "not what is below a domain"
    );
    assert_eq!(
        actions(
            "{ value = \"bounce@a.example\", from = \"198.51.100.0/24\" }",
            none
        ),
        neither
    );
    assert_eq!(
        actions("{ value = \"bounce@a.example\", account = \"ann\" }", none),
        neither
    );
    assert_eq!(
        actions(
            "{ value = \"bounce@a.example\", account = \"ann\" }",
            &|facts| facts.envelope.account = Some("Ann".into())
        ),
        both
    );
    // Only for one recipient.
    assert_eq!(
        actions(
            "{ value = \"bounce@a.example\", from = \"192.0.2.0/24\", for = \"carol@ours.example\" }",
            none
        ),
        ["quarantine", "accept"]
    );
    assert_eq!(
        actions(
            "{ value = \"bounce@a.example\", from = \"192.0.2.0/24\", for = \"@ours.example\" }",
            none
        ),
        both
    );
    // Not any more, and not by one of several visible senders.
    assert_eq!(
        actions(
            "{ value = \"bounce@a.example\", from = \"192.0.2.0/24\", expires = \"2026-11-01\" }",
            none
        ),
        neither
    );
    assert_eq!(
        actions(
            "{ value = \"ann@mail.a.example\", unguarded = true }",
            &|facts| {
                let again = facts.message.header_from[0].clone();
                facts.message.header_from.push(again);
            }
        ),
        neither
    );
    // Which entry it was stands in the verdict, as it was written.
    let policy = allowing("{ value = \"@A.example\", from = \"192.0.2.0/24\" }").unwrap();
    let verdict = judged(&policy, &facts(&policy));
    let entry = verdict.reasons[0].evidence[0].entry.clone().unwrap();
    assert_eq!(
        (entry.list.as_str(), entry.value.as_str()),
        ("allowed", "@A.example")
    );
}

#[test]
fn an_allow_list_without_a_guard_is_refused_and_lists_are_not_mixed_up() {
    for (entries, told) in [
        (
            "\"ann@a.example\"",
            "anybody can write any sender's address",
        ),
        ("{ value = \"ann@a.example\" }", "unguarded = true"),
        (
            "{ value = \"ann@a.example\", from = \"0.0.0.0/0\" }",
            "half the world",
        ),
        (
            "{ value = \"ann@a.example\", from = \"::/1\" }",
            "half the world",
        ),
        (
            "{ value = \"a.example\", unguarded = true }",
            "neither an address nor @domain",
        ),
        (
            "{ value = \"ann@a.example\", unguarded = true, for = \"bob\" }",
            "neither an address nor @domain",
        ),
    ] {
        let Err(problems) = allowing(entries) else {
            panic!("{entries} is taken")
        };
        assert!(
            problems
                .iter()
                .any(|problem| problem.to_string().contains(told)),
            "{entries}: {}",
            problems[0]
        );
    }
    for (rest, told) in [
        (
            "[[lists]]\nname = \"l\"\nkind = \"sender\"\nentries = []\n[[rules]]\nname = \"r\"\nwhen = { field = \"header-from\", in_list = \"l\" }\nscore = 1\n",
            "is a list of senders",
        ),
        (
            "[[lists]]\nname = \"l\"\nkind = \"address\"\nentries = []\n[[rules]]\nname = \"r\"\nwhen = { sender_in = \"l\" }\nscore = 1\n",
            "is no list of senders",
        ),
        (
            "[[rules]]\nname = \"r\"\nwhen = { sender_in = \"l\" }\nscore = 1\n",
            "is no list",
        ),
    ] {
        let problems = parse(rest).err().unwrap();
        assert!(
            problems
                .iter()
                .any(|problem| problem.to_string().contains(told)),
            "{rest}: {}",
            problems[0]
        );
    }
}

/// Every change leaves a policy that can be read, and the rest of its text as it was.
#[test]
fn one_thing_is_changed_and_the_rest_stays_as_written() {
    use judge::edit::{Actions, Edit, EditError, ListEntry, apply};
    let shipped = judge::DEFAULT_POLICY;
    let entry = ListEntry {
        value: "evil \"quoted\"\n[[rules]]@x.example".into(),
        reason: Some("a \\ reason\u{202e}".into()),
        ..ListEntry::default()
    };
    let named = |value: &str| ListEntry {
        value: value.into(),
        from: Some("192.0.2.0/24".into()),
        for_: Some("@ours.example".into()),
        ..ListEntry::default()
    };
    let edits = [
        (Edit::Boundaries { suspicious: 6.0, dangerous: 20.0 }, "suspicious = 6.0"),
        (Edit::Actions(Actions { suspicious: Some("tag".into()), ..Actions::default() }), "suspicious = \"tag\"   # held whole"),
        (Edit::AddException { direction: None, recipients: vec!["*@x.example".into()], group: None, actions: Actions { dangerous: Some("reject".into()), ..Actions::default() } }, "recipients = [\"*@x.example\"]"),
        (Edit::RemoveException { index: 0 }, "direction = \"internal\""),
        (Edit::SignalWeight { signal: "no-date".into(), weight: 9.5 }, "no-date = 9.5"),
        (Edit::RuleEnabled { rule: "blocked-sender".into(), enabled: false }, "enabled = false"),
        (Edit::RuleScore { rule: "blocked-sender".into(), score: 3.5 }, "score = 3.5"),
        (Edit::AddRule { toml: "[[rules]]\nname = \"new\"\nwhen = { field = \"subject\", is = \"x\" }\nscore = 1.0".into() }, "name = \"new\""),
        (Edit::RemoveRule { rule: "trusted-source".into() }, ""),
        (Edit::AddEntry { list: "allowed-senders".into(), entry: named("ann@a.example") }, "for = \"@ours.example\""),
        (Edit::AddEntry { list: "blocked-domains".into(), entry: ListEntry { value: "evil.example".into(), ..ListEntry::default() } }, "\"evil.example\""),
        (Edit::AddTerm { set: "hurry".into(), term: "right \"now\"".into(), weight: Some(2.0) }, "weight = 2.0"),
        (Edit::RemoveTerm { set: "hurry".into(), term: "immediately".into() }, ""),
    ];
    let limits = Limits::default();
    for (edit, shows) in &edits {
        let changed = apply(shipped, edit).unwrap();
        assert!(changed.contains(shows), "{edit:?}");
        if let Err(problems) = Policy::parse(&changed, &limits) {
            panic!("{edit:?}: {}", problems[0]);
        }
        assert!(
            changed.starts_with("# The policy that ships with Mailvigil."),
            "comments stay"
        );
        let differs = judge::diff::unified(shipped, &changed, "a", "b");
        let lines = differs
            .lines()
            .filter(|line| line.starts_with(['+', '-']))
            .count();
        assert!((3..20).contains(&lines), "{edit:?}: {differs}");
        // As a program would send it.
        let json = serde_json::to_string(edit).unwrap();
        assert_eq!(&serde_json::from_str::<Edit>(&json).unwrap(), edit);
    }
    // Hostile values stay values.
    let changed = apply(
        shipped,
        &Edit::AddEntry {
            list: "blocked-senders".into(),
            entry: entry.clone(),
        },
    )
    .unwrap();
    let known = judge::describe::describe(
        &changed,
        &Policy::parse(shipped, &limits).unwrap_or_else(|_| panic!("it ships")),
    )
    .unwrap();
    let list = known
        .lists
        .iter()
        .find(|list| list.name == "blocked-senders")
        .unwrap();
    assert_eq!(list.entries, [entry]);

    // Adding and removing again is as if nothing had been.
    let added = apply(shipped, &edits[9].0).unwrap();
    assert!(matches!(
        apply(&added, &edits[9].0),
        Err(EditError::There(_))
    ));
    let removed = apply(
        &added,
        &Edit::RemoveEntry {
            list: "allowed-senders".into(),
            value: "ann@a.example".into(),
            from: Some("192.0.2.0/24".into()),
        },
    )
    .unwrap();
    let count = |text: &str| text.matches("ann@a.example").count();
    assert_eq!(
        (count(&added), count(&removed)),
        (count(shipped) + 1, count(shipped))
    );
    for unknown in [
        Edit::RuleEnabled {
            rule: "nothing".into(),
            enabled: true,
        },
        Edit::RemoveRule {
            rule: "nothing".into(),
        },
        Edit::RemoveException { index: 99 },
        Edit::SignalWeight {
            signal: "nothing".into(),
            weight: 1.0,
        },
        Edit::RemoveEntry {
            list: "allowed-senders".into(),
            value: "x".into(),
            from: None,
        },
        Edit::RemoveTerm {
            set: "hurry".into(),
            term: "nothing".into(),
        },
        Edit::AddTerm {
            set: "nothing".into(),
            term: "x".into(),
            weight: None,
        },
    ] {
        assert!(
            matches!(apply(shipped, &unknown), Err(EditError::Unknown(_))),
            "{unknown:?}"
        );
    }
    for unfit in [
        "x = 1",
        "[[rules]]\nscore = 1",
        "[[rules]]\nname = \"a\"\n[[rules]]\nname = \"b\"",
        "[[rules",
        "[[rules]]\nname = \"a\"\n[boundaries]\nsuspicious = 1",
    ] {
        assert!(
            apply(shipped, &Edit::AddRule { toml: unfit.into() }).is_err(),
            "{unfit}"
        );
    }
}

/// What a new policy looks for that nobody looked for before is told, so that a what-if does not promise too much.
#[test]
fn what_could_not_be_seen_is_named() {
    use judge::counterfactual::{new_spans, new_terms};
    let old = policy("[[keyword_sets]]\nname = \"k\"\nterms = [\"money\"]\n");
    let new = policy(
        "[[keyword_sets]]\nname = \"k\"\nterms = [{ term = \"money\", weight = 5.0 }, \"cash\"]\n[[rules]]\nname = \"w\"\nwhen = { window = \"peer\", count = \"messages\", within = \"7m\", over = 3 }\nscore = 1\n",
    );
    assert_eq!(new_terms(&old, &new), [("k".to_owned(), "cash".to_owned())]);
    assert_eq!(new_terms(&new, &old), []);
    assert_eq!(new_spans(&old, &new), [420]);
}
