use mail::{Counts, Domain, Mark, Timestamp};

use super::*;

fn usage() -> Usage {
    let server = |last: u8, name: &str, counts: Counts| ServerUsage {
        server: format!("192.0.2.{last}/32").parse().ok(),
        name: Some(name.to_owned()),
        mark: Mark::Own,
        counts,
        selectors: vec!["s1".into(), "s2".into()],
    };
    Usage {
        domain: Domain::parse("example.org").expect("a domain"),
        reporter: "mx.receiver.example".into(),
        begin: Timestamp::from_secs(1_795_776_000),
        end: Timestamp::from_secs(1_795_862_400),
        servers: vec![
            server(
                1,
                "mail.example.org",
                Counts {
                    total: 100,
                    authentic: 95,
                    unsigned: 5,
                    ..Counts::default()
                },
            ),
            server(
                2,
                "=cmd|<script>,\"x\"",
                Counts {
                    total: 20,
                    unknown: 20,
                    ..Counts::default()
                },
            ),
        ],
        advice: vec!["sign <all> mail".into()],
    }
}

#[test]
fn as_csv() {
    let csv = usage().to_csv();
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(lines.len(), 5, "{csv}");
    assert!(lines[0].starts_with("domain,server,name,mark,total,signed and authentic,"));
    assert!(lines[1].starts_with("example.org,192.0.2.1,mail.example.org,own,100,95,5,0,0,"));
    assert!(lines[1].ends_with(",95.0,s1 s2"));
    assert!(
        lines[2].starts_with("example.org,192.0.2.2,\"'=cmd|<script>,\"\"x\"\"\",own,20,"),
        "{}",
        lines[2]
    );
    assert!(lines[3].starts_with("example.org,,all,unmarked,120,95,5,"));
}

#[test]
fn as_html() {
    let html = usage().to_html();
    assert!(html.contains("120 messages, 95.0 % of"));
    assert!(!html.contains("<script>") && html.contains("=cmd|&lt;script&gt;"));
    assert!(html.contains("<li>sign &lt;all&gt; mail</li>"));
}

#[test]
fn as_json() {
    let usage = usage();
    let json: serde_json::Value = serde_json::from_str(&usage.to_json()).expect("JSON");
    assert_eq!(json["totals"]["total"], 120);
    assert_eq!(json["signed_percent"], 95.0);
    assert_eq!(json["signed_percent_by_server"][1], serde_json::Value::Null);
    let back: Usage = serde_json::from_str(&usage.to_json()).expect("the same shape");
    assert_eq!(back, usage);
}
