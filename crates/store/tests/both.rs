//! What is kept, on SQLite and on PostgreSQL alike: every test runs on both.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod kept;

use std::sync::Arc;

use kept::{act, address, at, body, hold, newest, on_both, record};
use mail::facts::Hit;
use mail::verdict::Evidence;
use mail::{Fate, Level, Place, Record, RecordId, Secret};
use store::{
    HeldFilter, HoldState, NewPolicy, Query, ReportFilter, ReportRow, Retention, Store,
    StoreConfig, StoreError,
};

#[test]
fn records_come_back_as_written() {
    on_both(|kept| async move {
        let mut odd = record(1, "bob@b.example", Fate::Delivered);
        odd.subject = "nul \0 and 发票 \u{202e}".into();
        odd.note = Some("n\0".into());
        kept.store.write(&[odd.clone()]).await.unwrap();
        kept.store.write(&[odd.clone()]).await.unwrap();
        let read = kept.store.get(odd.id).await.unwrap().unwrap();
        assert_eq!(read.subject.replace('\u{fffd}', "\0"), odd.subject);
        assert_eq!(
            (read.envelope, read.verdict, read.facts, read.at),
            (odd.envelope, odd.verdict, odd.facts, odd.at)
        );
        assert_eq!(
            kept.store
                .find(&Query {
                    limit: 10,
                    ..Query::default()
                })
                .await
                .unwrap()
                .len(),
            1
        );
        let mut long = record(2, "bob@b.example", Fate::Delivered);
        let header = mail::message::Header {
            name: "X".into(),
            value: "y".repeat(5000),
        };
        long.facts.as_mut().unwrap().message.headers.push(header);
        kept.store.write(&[long.clone()]).await.unwrap();
        let read = kept.store.get(long.id).await.unwrap().unwrap();
        assert!(read.facts.unwrap().message.headers.is_empty());
    });
}

#[test]
fn every_field_finds_and_pages_are_stable() {
    on_both(|kept| async move {
        let store = &kept.store;
        let mut records: Vec<Record> = (0..30)
            .map(|second| record(second, "bob@b.example", Fate::Delivered))
            .collect();
        records[7] = record(7, "Carol@Other.example", Fate::Rejected);
        records[7].envelope.account = Some("carol".into());
        records[7].envelope.peer.ip = "2001:db8::7".parse().ok();
        records[7].verdict.as_mut().unwrap().level = Level::Dangerous;
        records[7].verdict.as_mut().unwrap().reasons[0].name = "another-rule".into();
        store.write(&records).await.unwrap();
        let only = |query: Query| async move {
            let found = store
                .find(&Query {
                    limit: 100,
                    ..query.clone()
                })
                .await
                .unwrap();
            assert_eq!(found.len(), 1, "{query:?}");
            assert!(found[0].subject.starts_with("Report 7 "), "{query:?}");
        };
        let some = |text: &str| Some(text.to_owned());
        only(Query {
            to: some("carol@other.example"),
            ..Query::default()
        })
        .await;
        only(Query {
            to: some("@other.example"),
            ..Query::default()
        })
        .await;
        only(Query {
            address: some("carol@OTHER.example"),
            ..Query::default()
        })
        .await;
        only(Query {
            ip: "2001:db8::7".parse().ok(),
            ..Query::default()
        })
        .await;
        only(Query {
            subject: some("report 7 100% DONE_"),
            ..Query::default()
        })
        .await;
        only(Query {
            message_id: some("7@a.example"),
            ..Query::default()
        })
        .await;
        only(Query {
            queue_id: some("Q7"),
            ..Query::default()
        })
        .await;
        only(Query {
            account: some("carol"),
            ..Query::default()
        })
        .await;
        only(Query {
            fate: Some(Fate::Rejected),
            ..Query::default()
        })
        .await;
        only(Query {
            level: Some(Level::Dangerous),
            ..Query::default()
        })
        .await;
        only(Query {
            reason: some("another-rule"),
            ..Query::default()
        })
        .await;
        only(Query {
            since: Some(at(7)),
            until: Some(at(8)),
            ..Query::default()
        })
        .await;
        let count = |query: Query| async move {
            store
                .find(&Query {
                    limit: 100,
                    ..query
                })
                .await
                .unwrap()
                .len()
        };
        assert_eq!(
            count(Query {
                from: some("boss@a.example"),
                ..Query::default()
            })
            .await,
            30
        );
        assert_eq!(
            count(Query {
                from: some("@a.example"),
                server: some("mx.example.org"),
                ..Query::default()
            })
            .await,
            30
        );
        assert_eq!(
            count(Query {
                subject: some("100_ don%"),
                ..Query::default()
            })
            .await,
            0,
            "wildcards of SQL mean nothing here"
        );
        assert_eq!(
            count(Query {
                to: some("nobody@b.example"),
                ..Query::default()
            })
            .await,
            0
        );

        let mut seen = Vec::new();
        let mut before = None;
        loop {
            let page = store
                .find(&Query {
                    before,
                    limit: 7,
                    ..Query::default()
                })
                .await
                .unwrap();
            // New mail arrives while somebody turns the pages.
            store
                .write(&[record(
                    1000 + seen.len() as i64,
                    "bob@b.example",
                    Fate::Delivered,
                )])
                .await
                .unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            seen.extend(page.into_iter().map(|record| record.id));
        }
        assert_eq!(seen.len(), 30);
        assert!(seen.is_sorted_by(|a, b| a > b));
        assert_eq!(
            store
                .counts(at(0))
                .await
                .unwrap()
                .iter()
                .find(|(fate, _)| *fate == Fate::Rejected)
                .unwrap()
                .1,
            1
        );
    });
}

#[test]
fn the_same_message_is_held_once_and_others_each() {
    on_both(|kept| async move {
        let store = &kept.store;
        let first = hold(store, 1, "bob@b.example").await;
        let again = hold(store, 2, "bob@b.example").await;
        let other = hold(store, 3, "eve@b.example").await;
        assert_eq!(first, again);
        assert_ne!(first, other);
        let held = store.held(first).await.unwrap().unwrap();
        assert_eq!(
            (held.copies, held.state, held.last_seen),
            (2, HoldState::Held, at(2))
        );
        assert_eq!(store.body(first).await.unwrap(), b"hello");
        assert_eq!(
            store
                .held_list(&HeldFilter {
                    limit: 10,
                    ..HeldFilter::default()
                })
                .await
                .unwrap()
                .len(),
            2
        );
        let of_eve = HeldFilter {
            to: Some("eve@b.example".into()),
            limit: 10,
            ..HeldFilter::default()
        };
        assert_eq!(store.held_list(&of_eve).await.unwrap()[0].id, other);
        // Many at the same moment are one as well.
        let tasks = (0..20).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { hold(&store, 5, "mia@b.example").await })
        });
        let mut ids = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            ids.push(task.await.unwrap());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
        assert_eq!(store.held(ids[0]).await.unwrap().unwrap().copies, 20);
    });
}

#[test]
fn the_record_of_a_body_that_is_gone_quotes_nothing_of_it() {
    on_both(|kept| async move {
        let store = &kept.store;
        let now = at(100_000_000);
        let hold_quoting = async |second: i64| {
            let mut record = record(second, &format!("u{second}@b.example"), Fate::Quarantined);
            let reason = &mut record.verdict.as_mut().unwrap().reasons[0];
            for (place, quote) in [(Place::Body, "secret words"), (Place::Subject, "a subject")] {
                reason.evidence.push(Evidence {
                    entry: None,
                    place: Some(place),
                    text: "words".into(),
                    quote: Some(quote.into()),
                });
            }
            record.facts.as_mut().unwrap().hits.push(Hit {
                set: "set".into(),
                term: "words".into(),
                place: Place::Body,
                count: 1,
                positions: vec![1],
                evidence: "secret words".into(),
            });
            let recipients = record.envelope.recipients.clone();
            let held = store.hold(&record, body(), &recipients).await.unwrap();
            // The same message again is recorded without a quotation of its own.
            let mut again = record.clone();
            again.id = RecordId::random(at(second + 1));
            assert_eq!(
                store.hold(&again, body(), &recipients).await.unwrap().id,
                held.id
            );
            assert_eq!(quotes(store, again.id).await, ["a subject"]);
            assert_eq!(
                quotes(store, held.id).await,
                ["secret words", "a subject", "secret words"]
            );
            held.id
        };
        let deleted = hold_quoting(1).await;
        assert!(store.delete_held(deleted, &act("delete")).await.unwrap());
        assert_eq!(quotes(store, deleted).await, ["a subject"]);

        let released = hold_quoting(10).await;
        assert!(
            store
                .begin_release(released, &act("release"))
                .await
                .unwrap()
        );
        assert_eq!(quotes(store, released).await.len(), 3);
        assert!(
            store
                .end_release(released, true, &act("release"))
                .await
                .unwrap()
        );
        assert_eq!(quotes(store, released).await, ["a subject"]);

        let cut_off = hold_quoting(20).await;
        assert!(store.begin_release(cut_off, &act("release")).await.unwrap());
        let mark = RecordId::random(at(21));
        let recipients = [address("u20@b.example")];
        store
            .create_mark(mark, cut_off, &recipients, at(500))
            .await
            .unwrap();
        assert!(store.use_mark(mark, at(30)).await.unwrap());
        let expired = hold_quoting(40).await;
        let swept = store
            .sweep(
                now,
                &Retention {
                    held_days: 1,
                    ..retention(10_000)
                },
            )
            .await
            .unwrap();
        assert_eq!((swept.expired, swept.releases), (1, 1));
        assert_eq!(quotes(store, cut_off).await, ["a subject"]);
        assert_eq!(quotes(store, expired).await, ["a subject"]);
    });
}

/// All that a record quotes of its message.
async fn quotes(store: &Store, id: RecordId) -> Vec<String> {
    let record = store.get(id).await.unwrap().unwrap();
    let reasons = record.verdict.unwrap().reasons;
    let evidence = reasons.into_iter().flat_map(|reason| reason.evidence);
    let hits = record.facts.unwrap().hits;
    evidence
        .filter_map(|evidence| evidence.quote)
        .chain(hits.into_iter().map(|hit| hit.evidence))
        .filter(|quote| !quote.is_empty())
        .collect()
}

#[test]
fn of_many_who_release_one_does() {
    on_both(|kept| async move {
        let store = &kept.store;
        let id = hold(store, 1, "bob@b.example").await;
        let mut won = 0;
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.begin_release(id, &act("release")).await.unwrap() })
            })
            .collect();
        for task in tasks {
            won += usize::from(task.await.unwrap());
        }
        assert_eq!(won, 1);
        assert!(!store.delete_held(id, &act("delete")).await.unwrap());
        assert!(store.end_release(id, false, &act("release")).await.unwrap());
        assert_eq!(store.body(id).await.unwrap(), b"hello");
        assert!(store.begin_release(id, &act("release")).await.unwrap());
        assert!(store.end_release(id, true, &act("release")).await.unwrap());
        assert!(matches!(store.body(id).await, Err(StoreError::Conflict(_))));
        assert_eq!(store.acts(&newest(10)).await.unwrap().len(), 4);
    });
}

#[test]
fn a_mark_is_good_once_and_not_for_ever() {
    on_both(|kept| async move {
        let store = &kept.store;
        let id = hold(store, 1, "bob@b.example").await;
        let (mark, late) = (RecordId::random(at(2)), RecordId::random(at(3)));
        store
            .create_mark(mark, id, &[address("bob@b.example")], at(500))
            .await
            .unwrap();
        store
            .create_mark(late, id, &[address("bob@b.example")], at(5))
            .await
            .unwrap();
        let mut used = 0;
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.use_mark(mark, at(10)).await.unwrap() })
            })
            .collect();
        for task in tasks {
            used += usize::from(task.await.unwrap());
        }
        assert_eq!(used, 1);
        assert!(!store.use_mark(late, at(10)).await.unwrap());
        let known = store.mark(mark).await.unwrap().unwrap();
        assert_eq!((known.item, known.used), (id, true));
        assert_eq!(store.mark(RecordId::random(at(9))).await.unwrap(), None);
    });
}

#[test]
fn releases_that_were_cut_off_are_put_right() {
    on_both(|kept| async move {
        let store = &kept.store;
        let (sent, unsent) = (
            hold(store, 1, "bob@b.example").await,
            hold(store, 2, "eve@b.example").await,
        );
        for (id, is_used) in [(sent, true), (unsent, false)] {
            assert!(store.begin_release(id, &act("release")).await.unwrap());
            let mark = RecordId::random(at(3));
            store.create_mark(mark, id, &[], at(200)).await.unwrap();
            assert_eq!(
                store.use_mark(mark, at(150)).await.unwrap() && is_used,
                is_used
            );
            if !is_used {
                // Used above only to show that it could be; this item's mark was never seen by the filter.
                let fresh = RecordId::random(at(4));
                store.create_mark(fresh, id, &[], at(200)).await.unwrap();
            }
        }
        let swept = store.sweep(at(1000), &retention(9000)).await.unwrap();
        assert_eq!(swept.releases, 2);
        assert_eq!(
            store.held(sent).await.unwrap().unwrap().state,
            HoldState::Released
        );
    });
}

fn retention(days: u32) -> Retention {
    Retention {
        records: Fate::ALL.into_iter().map(|fate| (fate, days)).collect(),
        facts_days: days,
        acts_days: days,
        held_days: days,
        sights_days: days,
    }
}

#[test]
fn each_kind_is_kept_for_its_time() {
    on_both(|kept| async move {
        let store = &kept.store;
        store
            .write(&[
                record(1, "bob@b.example", Fate::Delivered),
                record(2, "bob@b.example", Fate::Discarded),
            ])
            .await
            .unwrap();
        let held = hold(store, 3, "bob@b.example").await;
        store.append_act(&act("look")).await.unwrap();
        let day = 86_400;
        let mut days = retention(100);
        days.records[0] = (Fate::Delivered, 10);
        days.facts_days = 5;
        let swept = store.sweep(at(20 * day), &days).await.unwrap();
        assert_eq!(
            (swept.records, swept.facts, swept.expired),
            (1, 2, 0),
            "{swept}"
        );
        assert_eq!(
            store
                .find(&Query {
                    limit: 10,
                    ..Query::default()
                })
                .await
                .unwrap()
                .len(),
            2
        );
        days.held_days = 10;
        let swept = store.sweep(at(20 * day), &days).await.unwrap();
        assert_eq!(swept.expired, 1);
        assert_eq!(
            store.held(held).await.unwrap().unwrap().state,
            HoldState::Expired
        );
        let swept = store.sweep(at(200 * day), &retention(100)).await.unwrap();
        assert_eq!(swept.records, 2);
        assert!(swept.acts >= 1);
        assert!(
            store
                .find(&Query {
                    limit: 10,
                    ..Query::default()
                })
                .await
                .unwrap()
                .is_empty()
        );
    });
}

#[test]
fn policies_are_versions_and_two_editors_are_told() {
    on_both(|kept| async move {
        let store = &kept.store;
        assert_eq!(store.active_policy().await.unwrap(), None);
        let new = |text: &str, base| NewPolicy {
            text: text.into(),
            author: "eve".into(),
            reason: "why".into(),
            at: at(1),
            base,
        };
        assert_eq!(
            store
                .add_policy(&new("one", None), &act("policy"))
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            store
                .add_policy(&new("two", Some(1)), &act("policy"))
                .await
                .unwrap(),
            2
        );
        let refused = store
            .add_policy(&new("three", Some(1)), &act("policy"))
            .await;
        assert!(
            matches!(refused, Err(StoreError::Conflict(ref why)) if why.contains("version 2 is in force")),
            "{refused:?}"
        );
        assert_eq!(
            store.active_policy().await.unwrap(),
            Some((2, "two".into()))
        );
        assert_eq!(store.active_policy_version().await.unwrap(), Some(2));
        assert_eq!(store.policy_text(1).await.unwrap().as_deref(), Some("one"));
        assert_eq!(store.policy_history(10).await.unwrap().len(), 2);
        assert!(
            store
                .acts(&newest(10))
                .await
                .unwrap()
                .iter()
                .any(|one| one.act.before == "version 1" && one.act.after == "version 2")
        );
    });
}

#[test]
fn secrets_and_states_survive() {
    on_both(|kept| async move {
        let first = kept.store.secret("x").await.unwrap();
        kept.store.set_state("place", "1").await.unwrap();
        kept.store.set_state("place", "2").await.unwrap();
        let again = Store::open(&kept.config).await.unwrap();
        assert!(again.secret("x").await.unwrap() == first);
        assert!(again.secret("y").await.unwrap() != first);
        assert_eq!(again.state("place").await.unwrap().as_deref(), Some("2"));
        assert_eq!(again.states("pl").await.unwrap().len(), 1);
        assert_eq!(again.state("other").await.unwrap(), None);
    });
}

#[test]
fn arrivals_and_queue_ids_are_known_again() {
    on_both(|kept| async move {
        let store = &kept.store;
        store
            .write(&[
                record(1, "bob@b.example", Fate::Delivered),
                record(2, "bob@b.example", Fate::Unscanned),
            ])
            .await
            .unwrap();
        let ids: Vec<String> = ["Q1", "Q2", "Q3"].map(str::to_owned).to_vec();
        let known = store.known_queue_ids(&ids).await.unwrap();
        assert!(known.contains("Q1") && known.contains("Q2") && !known.contains("Q3"));
        let past = store.past_arrivals(at(0), 10).await.unwrap();
        assert_eq!(past.len(), 1);
        assert_eq!(past[0].peer(), "192.0.2.7".parse().ok());
    });
}

#[test]
fn a_full_quarantine_a_damaged_body_and_a_newer_schema_are_told() {
    on_both(|kept| async move {
        let store = &kept.store;
        let mut large = record(1, "bob@b.example", Fate::Quarantined);
        large.size_bytes = 20_000;
        let full = store
            .hold(
                &large,
                Arc::from(vec![b'x'; 20_000]),
                &[address("bob@b.example")],
            )
            .await;
        assert!(
            matches!(full, Err(StoreError::Full(ref why)) if why.contains("quarantine_bytes_max")),
            "{full:?}"
        );
        let id = hold(store, 2, "bob@b.example").await;
        let name = id.to_string();
        std::fs::write(kept.config.bodies.join(&name[24..]).join(&name), b"other").unwrap();
        assert!(matches!(store.body(id).await, Err(StoreError::Corrupt(_))));
    });
    let secret = StoreConfig {
        database: Secret::new("postgres://u:s3cret@[/x".into()),
        bodies: "/nonexistent".into(),
        audit_head: "/nonexistent/head".into(),
        quarantine_bytes_max: 1,
        facts_bytes_max: 1,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let Err(error) = runtime.block_on(Store::open(&secret)) else {
        panic!("it opens")
    };
    assert!(
        !format!("{error} {error:?} {secret:?}").contains("s3cret"),
        "{error}"
    );
}

#[test]
fn standing_rows_are_read_in_order_by_all_nodes_and_fold_into_one() {
    on_both(|kept| async move {
        let store = &kept.store;
        for (node, body) in [("one", "{}"), ("two", "[1]"), ("one", "[2]")] {
            store.append_standing(at(1), node, body).await.unwrap();
        }
        let rows = store.standing_after(1).await.unwrap();
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.seq, row.node.as_str(), row.body.as_str(), row.whole))
            .collect();
        assert_eq!(told, [(2, "two", "[1]", false), (3, "one", "[2]", false)]);

        store.fold_standing(2, at(2), "one", "[0]").await.unwrap();
        let rows = store.standing_after(0).await.unwrap();
        let left: Vec<_> = rows.iter().map(|row| (row.seq, row.whole)).collect();
        assert_eq!(left, [(2, true), (3, false)]);
        assert_eq!(store.append_standing(at(3), "two", "[3]").await.unwrap(), 4);
    });
}

#[test]
fn two_nodes_that_append_at_once_get_two_places() {
    on_both(|kept| async move {
        let appends = (0..20).map(|number| {
            let store = kept.store.clone();
            tokio::spawn(async move {
                store
                    .append_standing(at(number), "node", "{}")
                    .await
                    .unwrap()
            })
        });
        let mut places = Vec::new();
        for append in appends.collect::<Vec<_>>() {
            places.push(append.await.unwrap());
        }
        places.sort_unstable();
        assert_eq!(places, (1..=20).collect::<Vec<i64>>());
    });
}

#[test]
fn a_report_is_kept_once_and_found_by_kind_domain_and_time() {
    on_both(|kept| async move {
        let report = |second: i64, kind: &str, domain: &str| ReportRow {
            id: RecordId::random(at(second)),
            kind: kind.into(),
            domain: domain.into(),
            reporter: "a \0 receiver".into(),
            begin: at(second - 86_400),
            end: at(second),
            trusted: true,
            body: "{}".into(),
        };
        let store = &kept.store;
        let (one, two) = (
            report(1, "aggregate", "b.example"),
            report(2, "feedback", "b.example"),
        );
        assert!(store.add_report(&one, "one", None).await.unwrap());
        assert!(store.add_report(&two, "two", None).await.unwrap());
        let again = report(3, "aggregate", "b.example");
        assert!(!store.add_report(&again, "one", None).await.unwrap());
        let other = report(4, "aggregate", "c.example");
        assert!(store.add_report(&other, "four", None).await.unwrap());

        let found = async |filter: ReportFilter| {
            let limit = 10;
            let filter = ReportFilter { limit, ..filter };
            let rows = store.reports(&filter).await.unwrap();
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        let all = found(ReportFilter::default()).await;
        assert_eq!(all, [other.id, two.id, one.id]);
        let filter = ReportFilter {
            kind: Some("aggregate".into()),
            domain: Some("b.example".into()),
            ..ReportFilter::default()
        };
        assert_eq!(found(filter).await, [one.id]);
        let filter = ReportFilter {
            since: Some(at(2)),
            before: Some(other.id),
            ..ReportFilter::default()
        };
        assert_eq!(found(filter).await, [two.id]);
        assert_eq!(store.reports_since(at(2)).await.unwrap(), 2);

        let retention = Retention {
            records: Vec::new(),
            facts_days: 1,
            acts_days: 1,
            held_days: 1,
            sights_days: 1,
        };
        // The one about a single message goes after a month.
        let later = at(60 * 86_400);
        assert_eq!(store.sweep(later, &retention).await.unwrap().reports, 1);
        assert_eq!(found(ReportFilter::default()).await, [other.id, one.id]);
    });
}
