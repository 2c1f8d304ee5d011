//! Two weeks of counted mail of a few domains, as a running service would have written them down.

use std::path::Path;

use mail::standing::{Counts, DayCounts, Delta, KeySeen, Share, Stage, Switch, day_of};
use mail::{Domain, RecordId, Secret};
use reports::aggregate::{Disposition, Row};
use reports::tls::{Failure, FailureKind, PolicyResult};
use reports::{Aggregate, TlsReport};
use store::{Act, ReportRow, Store, StoreConfig};

/// Days that are told of.
const DAYS: u32 = 13;

/// Writes them into the store of a service with this data folder; `own` is a domain of the site.
pub fn seed(data: &Path, own: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let settings = StoreConfig {
            database: Secret::new(format!("sqlite:{}", data.join("mailvigil.db").display())),
            bodies: data.join("quarantine"),
            audit_head: data.join("audit-head"),
            quarantine_bytes_max: 1 << 30,
            facts_bytes_max: 1 << 20,
        };
        let store = Store::open(&settings).await.unwrap();
        let delta = told(own);
        let body = serde_json::to_string(&delta).unwrap();
        let now = engine::clock::now();
        store.append_standing(now, "seed", &body).await.unwrap();
        for switch in &delta.switches {
            store.append_act(&act(switch)).await.unwrap();
        }
        for (number, report) in reported(own).into_iter().enumerate() {
            store
                .add_report(&report, &number.to_string(), None)
                .await
                .unwrap();
        }
    });
}

/// What two others report about the site's domain; one of them could not be verified, and calls itself something bad.
fn reported(own: &str) -> Vec<ReportRow> {
    let now = engine::clock::now();
    let row = |kind: &str, reporter: &str, trusted, body: String| ReportRow {
        id: RecordId::random(now),
        kind: kind.to_owned(),
        domain: own.to_owned(),
        reporter: reporter.to_owned(),
        begin: now.plus_secs(-2 * 86_400),
        end: now.plus_secs(-86_400),
        trusted,
        body,
    };
    let aggregate = Aggregate {
        rows: vec![
            Row {
                dkim_aligned: true,
                spf_aligned: true,
                ..Row::new([192, 0, 2, 10].into(), 412, own)
            },
            Row {
                disposition: Disposition::Quarantine,
                ..Row::new([203, 0, 113, 66].into(), 57, own)
            },
        ],
        ..Aggregate::default()
    };
    let tls = TlsReport {
        policies: vec![PolicyResult {
            domain: own.to_owned(),
            successful: 180,
            failed: 3,
            failures: vec![Failure {
                kind: FailureKind::CertificateExpired,
                receiving_mx: Some(format!("mx2.{own}")),
                sessions: 3,
                ..Failure::default()
            }],
            ..PolicyResult::default()
        }],
        ..TlsReport::default()
    };
    let aggregate = serde_json::to_string(&aggregate).unwrap();
    let tls = serde_json::to_string(&tls).unwrap();
    vec![
        row("aggregate", "receiver.example", true, aggregate.clone()),
        row("aggregate", "<b onmouseover=x>bold", false, aggregate),
        row("tls", "receiver.example", true, tls),
    ]
}

fn act(switch: &Switch) -> Act {
    Act {
        at: switch.at,
        who: "mailvigil".to_owned(),
        from: "standing".to_owned(),
        act: "standing.switch".to_owned(),
        target: switch.domain.to_string(),
        reason: switch.share.to_string(),
        before: switch.from.to_string(),
        after: switch.to.to_string(),
    }
}

fn told(own: &str) -> Delta {
    let mut delta = Delta::default();
    // Signs nearly all its mail; somebody forges it.
    server(&mut delta, "bank.example", "192.0.2.10", |day| {
        signed(40 + u64::from(day * 7 % 11), 1)
    });
    server(&mut delta, "bank.example", "192.0.2.11", |day| {
        signed(21 + u64::from(day * 5 % 7), 0)
    });
    server(&mut delta, "bank.example", "203.0.113.66", |day| Counts {
        total: u64::from(day * 13 % 17),
        unsigned: u64::from(day * 13 % 17),
        forged: u64::from(day * 13 % 17),
        suspect: u64::from(day * 13 % 17),
        spf_fail: u64::from(day * 13 % 17),
        dmarc_fail: u64::from(day * 13 % 17),
        delivered: u64::from(day * 13 % 17),
        ..Counts::default()
    });
    server(&mut delta, "bank.example", "2001:db8:77::25", |day| {
        Counts {
            total: u64::from(day % 3),
            unauthentic: u64::from(day % 3),
            dmarc_fail: u64::from(day % 3),
            delivered: u64::from(day % 3),
            ..Counts::default()
        }
    });
    key(&mut delta, "bank.example", "s2026a", Some(2048));
    switch(
        &mut delta,
        "bank.example",
        Stage::Observing,
        Stage::ReportOnly,
        9,
    );
    switch(
        &mut delta,
        "bank.example",
        Stage::ReportOnly,
        Stage::Blocking,
        2,
    );
    // Ours: one server forgets to sign, and a provider signs by its own name only.
    server(&mut delta, own, "198.51.100.5", |day| {
        signed(12 + u64::from(day % 4), 5)
    });
    server(&mut delta, own, "198.51.100.77", |day| Counts {
        total: 3 + u64::from(day % 2),
        unsigned: 3 + u64::from(day % 2),
        dkim_pass: 3 + u64::from(day % 2),
        dmarc_fail: 3 + u64::from(day % 2),
        delivered: 3 + u64::from(day % 2),
        ..Counts::default()
    });
    key(&mut delta, own, "old<script>alert(1)</script>", Some(1024));
    // Many that nobody knows.
    for number in 0..60 {
        let name = format!("shop-{number:02}.example");
        server(&mut delta, &name, "203.0.113.200", |day| Counts {
            total: u64::from(day == 1) * 2,
            unsigned: u64::from(day == 1) * 2,
            delivered: u64::from(day == 1) * 2,
            ..Counts::default()
        });
    }
    delta
}

/// A day of a server the domain vouches for.
fn signed(authentic: u64, unsigned: u64) -> Counts {
    Counts {
        total: authentic + unsigned,
        authentic,
        unsigned,
        dkim_pass: authentic,
        spf_pass: authentic + unsigned,
        vouched: authentic + unsigned,
        dmarc_pass: authentic + unsigned,
        delivered: authentic + unsigned,
        ..Counts::default()
    }
}

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn server(delta: &mut Delta, name: &str, ip: &str, of: impl Fn(u32) -> Counts) {
    let ip: std::net::IpAddr = ip.parse().unwrap();
    let today = day_of(engine::clock::now());
    for back in 0..DAYS {
        let counts = of(back);
        if counts.total > 0 {
            delta.days.push(DayCounts {
                domain: domain(name),
                organisation: domain(name),
                server: ip.into(),
                day: today - back,
                counts,
            });
        }
    }
}

fn key(delta: &mut Delta, name: &str, selector: &str, bits: Option<u32>) {
    let today = day_of(engine::clock::now());
    delta.keys.push(KeySeen {
        domain: domain(name),
        selector: selector.to_owned(),
        bits,
        first_day: today - DAYS,
        last_day: today,
    });
}

fn switch(delta: &mut Delta, name: &str, from: Stage, to: Stage, days_ago: i64) {
    let share = Share {
        percent: 98.6,
        counted: 512,
        authentic: 505,
        left_out: 77,
        servers: 2,
    };
    delta.switches.push(Switch {
        domain: domain(name),
        at: engine::clock::now().plus_secs(-days_ago * 86_400),
        from,
        to,
        share,
        why: String::new(),
    });
}
