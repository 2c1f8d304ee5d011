//! People, acts and searches, on SQLite and on PostgreSQL alike.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod kept;

use kept::{Kept, act, address, at, body, hold, newest, on_both, record};
use mail::{Fate, RecordId, Timestamp};
use store::{
    ActFilter, HeldFilter, HoldState, Link, Person, Query, Request, RequestState, Session, Tally,
    Token,
};

/// Does something to the database behind the store's back.
async fn behind_its_back(kept: &Kept, sql: &'static str) {
    let address = kept.config.database.reveal();
    if let Some(file) = address.strip_prefix("sqlite:") {
        let pool = sqlx::SqlitePool::connect(&format!("sqlite://{file}"))
            .await
            .unwrap();
        sqlx::query(sql).execute(&pool).await.unwrap();
    } else {
        let pool = sqlx::PgPool::connect(address).await.unwrap();
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
}

async fn ten_acts(kept: &Kept) {
    for number in 0..10 {
        let mut one = act(&format!("act-{number}"));
        one.reason = "发票 ' \u{0} \"".into();
        kept.store.append_act(&one).await.unwrap();
    }
    kept.store.note_acts_head().await.unwrap();
}

#[test]
fn the_log_of_acts_shows_every_hand_that_was_laid_on_it() {
    for (sql, told) in [
        ("", ""),
        ("UPDATE acts SET reason = 'none' WHERE seq = 4", "entry 4"),
        ("UPDATE acts SET at = at + 1 WHERE seq = 1", "entry 1"),
        ("DELETE FROM acts WHERE seq = 6", "entry 7"),
        ("DELETE FROM acts WHERE seq = 1", "entry 2"),
        (
            "UPDATE acts SET seq = CASE seq WHEN 3 THEN -3 ELSE 3 END WHERE seq = 3",
            "entry -3",
        ),
        ("DELETE FROM acts WHERE seq > 8", "cut off"),
        ("DELETE FROM acts", "cut off"),
        (
            "INSERT INTO acts (seq, at, who, place, act, target, reason, state_before, state_after, hash) SELECT 11, at, who, place, act, target, reason, state_before, state_after, hash FROM acts WHERE seq = 10",
            "entry 11",
        ),
    ] {
        on_both(|kept| async move {
            ten_acts(&kept).await;
            if !sql.is_empty() {
                behind_its_back(&kept, sql).await;
            }
            let verified = kept.store.verify_acts().await.unwrap();
            if told.is_empty() {
                assert_eq!(verified.broken, Vec::<String>::new());
                assert_eq!((verified.entries, verified.head.unwrap().0), (10, 10));
            } else {
                assert!(
                    verified.broken.iter().any(|broken| broken.contains(told)),
                    "{sql}: {verified:?}"
                );
                // Noting the head now must not hide it.
                kept.store.note_acts_head().await.unwrap();
                assert!(
                    !kept.store.verify_acts().await.unwrap().broken.is_empty(),
                    "{sql}"
                );
            }
        });
    }
}

#[test]
fn a_chain_made_anew_is_found_out() {
    on_both(|kept| async move {
        ten_acts(&kept).await;
        behind_its_back(&kept, "DELETE FROM acts").await;
        for number in 0..12 {
            kept.store
                .append_act(&act(&format!("invented-{number}")))
                .await
                .unwrap();
        }
        let broken = kept.store.verify_acts().await.unwrap().broken;
        assert!(
            broken.iter().any(|one| one.contains("made anew")),
            "{broken:?}"
        );
    });
}

#[test]
fn acts_end_by_age_and_the_rest_still_verifies() {
    on_both(|kept| async move {
        for second in 0..6 {
            let mut one = act("old");
            one.at = at(second * 86_400);
            kept.store.append_act(&one).await.unwrap();
        }
        kept.store.note_acts_head().await.unwrap();
        let retention = store::Retention {
            records: Vec::new(),
            facts_days: 1,
            acts_days: 3,
            held_days: 30,
            sights_days: 30,
        };
        let swept = kept.store.sweep(at(6 * 86_400), &retention).await.unwrap();
        assert_eq!(swept.acts, 3);
        let verified = kept.store.verify_acts().await.unwrap();
        assert_eq!((verified.entries, verified.broken), (3, Vec::new()));
        // All of them, and then new ones.
        kept.store.sweep(at(60 * 86_400), &retention).await.unwrap();
        kept.store.append_act(&act("new")).await.unwrap();
        let verified = kept.store.verify_acts().await.unwrap();
        assert_eq!((verified.entries, verified.broken), (1, Vec::new()));
        assert_eq!(kept.store.acts(&newest(1)).await.unwrap()[0].seq, 7);
    });
}

#[test]
fn acts_written_at_once_still_make_one_chain() {
    on_both(|kept| async move {
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let store = kept.store.clone();
                tokio::spawn(
                    async move { store.append_act(&act(&format!("at-once-{number}"))).await },
                )
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let verified = kept.store.verify_acts().await.unwrap();
        assert_eq!((verified.entries, verified.broken), (20, Vec::new()));
        let page = kept
            .store
            .acts(&ActFilter {
                who: Some("eve".into()),
                before: Some(11),
                limit: 5,
                ..ActFilter::default()
            })
            .await
            .unwrap();
        assert_eq!(
            page.iter().map(|one| one.seq).collect::<Vec<_>>(),
            [10, 9, 8, 7, 6]
        );
        assert_eq!(kept.store.acts_after(18, 10).await.unwrap().len(), 2);
    });
}

fn person(name: &str) -> Person {
    Person {
        name: name.into(),
        role: "operator".into(),
        scope: vec!["@a.example".into()],
        password: Some("$argon2id$…".into()),
        totp: None,
        totp_step: 0,
        subject: Some(format!("https://idp.example {name}")),
        created: at(1),
        disabled: false,
    }
}

fn session(hash: &str, name: &str) -> Session {
    Session {
        hash: hash.into(),
        person: name.into(),
        csrf: "csrf".into(),
        created: at(1),
        seen: at(1),
        expires: at(1000),
        place: "127.0.0.1".into(),
        agent: "a browser \0".into(),
    }
}

#[test]
fn people_log_in_and_lose_it_at_once() {
    on_both(|kept| async move {
        let store = &kept.store;
        assert!(
            store
                .add_person(&person("ann"), &act("person"))
                .await
                .unwrap()
        );
        assert!(
            !store
                .add_person(&person("ann"), &act("person"))
                .await
                .unwrap()
        );
        store
            .add_session(&session("h1", "ann"), None, &act("login"))
            .await
            .unwrap();
        store
            .add_session(&session("h2", "ann"), Some("h1"), &act("login"))
            .await
            .unwrap();
        assert_eq!(
            store.login("h1", at(2)).await.unwrap(),
            None,
            "replaced at login"
        );
        let login = store.login("h2", at(2)).await.unwrap().unwrap();
        assert_eq!(
            (login.person.clone(), login.session.csrf.as_str()),
            (person("ann"), "csrf")
        );
        assert_eq!(store.login("h2", at(1001)).await.unwrap(), None, "ran out");
        store.touch_session("h2", at(900), at(2000)).await.unwrap();
        assert!(store.login("h2", at(1001)).await.unwrap().is_some());

        let mut less = person("ann");
        less.role = "auditor".into();
        assert!(
            store
                .change_person(&less, true, &act("person"))
                .await
                .unwrap()
        );
        assert_eq!(
            store.login("h2", at(2)).await.unwrap(),
            None,
            "a changed right ends sessions"
        );
        store
            .add_session(&session("h3", "ann"), None, &act("login"))
            .await
            .unwrap();
        less.disabled = true;
        assert!(
            store
                .change_person(&less, false, &act("person"))
                .await
                .unwrap()
        );
        assert_eq!(store.login("h3", at(2)).await.unwrap(), None, "disabled");
        assert_eq!(
            store
                .person_by_subject("https://idp.example ann")
                .await
                .unwrap(),
            Some(less)
        );

        assert!(store.take_totp_step("ann", 7).await.unwrap());
        assert!(
            !store.take_totp_step("ann", 7).await.unwrap(),
            "no code twice"
        );
        assert!(
            !store.take_totp_step("ann", 6).await.unwrap(),
            "nor an older one"
        );
        assert!(store.remove_person("ann", &act("person")).await.unwrap());
        assert!(store.people().await.unwrap().is_empty());
        assert!(store.sessions("ann", at(2)).await.unwrap().is_empty());
    });
}

#[test]
fn tokens_and_links_are_good_as_long_as_they_say() {
    on_both(|kept| async move {
        let store = &kept.store;
        store
            .add_person(&person("ann"), &act("person"))
            .await
            .unwrap();
        let token = Token {
            id: "t1".into(),
            person: "ann".into(),
            label: "monitoring".into(),
            scope: "read".into(),
            created: at(1),
            expires: at(100),
            used: None,
        };
        store
            .add_token(&token, "hash", &act("token"))
            .await
            .unwrap();
        assert!(store.token_login("hash", at(2)).await.unwrap().is_some());
        assert_eq!(
            store.tokens(Some("ann")).await.unwrap()[0].used,
            Some(at(2))
        );
        assert!(store.token_login("hash", at(101)).await.unwrap().is_none());
        assert!(
            !store
                .remove_token("t1", Some("bob"), &act("token"))
                .await
                .unwrap()
        );
        assert!(
            store
                .remove_token("t1", Some("ann"), &act("token"))
                .await
                .unwrap()
        );
        assert!(store.token_login("hash", at(2)).await.unwrap().is_none());

        let link = Link {
            kind: "digest".into(),
            target: "{}".into(),
            expires: at(100),
            used: None,
        };
        store
            .add_links(&[("l1".into(), link.clone()), ("l2".into(), link)])
            .await
            .unwrap();
        assert!(!store.use_link("l2", at(101)).await.unwrap(), "ran out");
        assert!(store.use_link("l1", at(50)).await.unwrap());
        assert!(!store.use_link("l1", at(51)).await.unwrap(), "good once");
        assert_eq!(store.link("l1").await.unwrap().unwrap().used, Some(at(50)));
    });
}

#[test]
fn a_second_person_decides_once() {
    on_both(|kept| async move {
        let store = &kept.store;
        let id = RecordId::random(at(1));
        let request = Request {
            id,
            at: at(1),
            who: "ann".into(),
            act: "read".into(),
            target: "x".into(),
            reason: "a complaint".into(),
            state: RequestState::Open,
            decided_by: None,
            decided_at: None,
            until: None,
        };
        store.add_request(&request, &act("ask")).await.unwrap();
        assert!(
            !store.use_request(id, at(2)).await.unwrap(),
            "not before it is approved"
        );
        assert!(
            store
                .decide_request(id, RequestState::Approved, at(50), &act("approve"))
                .await
                .unwrap()
        );
        assert!(
            !store
                .decide_request(id, RequestState::Refused, at(50), &act("refuse"))
                .await
                .unwrap()
        );
        assert_eq!(
            store
                .request(id)
                .await
                .unwrap()
                .unwrap()
                .decided_by
                .as_deref(),
            Some("eve")
        );
        assert!(!store.use_request(id, at(51)).await.unwrap(), "ran out");
        assert!(store.use_request(id, at(20)).await.unwrap());
        assert!(!store.use_request(id, at(20)).await.unwrap(), "once");

        assert!(store.claim_answer("k", "d", at(1)).await.unwrap());
        assert!(!store.claim_answer("k", "d", at(1)).await.unwrap());
        store.keep_answer("k", Some((200, "{}"))).await.unwrap();
        assert_eq!(
            store.answer("k").await.unwrap(),
            Some(("d".into(), 200, "{}".into()))
        );
        store.keep_answer("k", None).await.unwrap();
        assert!(store.claim_answer("k", "e", at(1)).await.unwrap());
    });
}

#[test]
fn an_item_is_parted_among_its_recipients() {
    on_both(|kept| async move {
        let store = &kept.store;
        let (bob, carol) = (address("bob@b.example"), address("carol@c.example"));
        let mut both = record(1, "bob@b.example", Fate::Quarantined);
        both.envelope.recipients.push(carol.clone());
        let id = store
            .hold(&both, body(), &[bob.clone(), carol.clone()])
            .await
            .unwrap()
            .id;
        let own = store
            .split(id, std::slice::from_ref(&carol), &act("split"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            store.held(own).await.unwrap().unwrap().recipients,
            std::slice::from_ref(&carol)
        );
        assert_eq!(
            store.held(id).await.unwrap().unwrap().recipients,
            std::slice::from_ref(&bob)
        );
        assert_eq!(store.body(own).await.unwrap(), b"hello");
        assert!(store.delete_held(own, &act("delete")).await.unwrap());
        assert_eq!(
            store.body(id).await.unwrap(),
            b"hello",
            "the other keeps its own"
        );
        assert_eq!(
            store.split(id, &[bob], &act("split")).await.unwrap(),
            None,
            "nobody would be left"
        );
        let of_c = HeldFilter {
            scope: vec!["@c.example".into()],
            limit: 10,
            ..HeldFilter::default()
        };
        assert_eq!(store.held_list(&of_c).await.unwrap().len(), 0);
        let of_b = HeldFilter {
            scope: vec!["@b.example".into()],
            subject: Some("REPORT".into()),
            from: Some("ann@".into()),
            limit: 10,
            ..HeldFilter::default()
        };
        assert_eq!(
            store.held_list(&of_b).await.unwrap()[0].state,
            HoldState::Held
        );
        // The same message again for bob alone is the item he has.
        let again = store
            .hold(
                &record(2, "bob@b.example", Fate::Quarantined),
                body(),
                &[address("bob@b.example")],
            )
            .await
            .unwrap();
        assert_eq!((again.id, again.copies), (id, 2));
    });
}

#[test]
fn a_search_stops_in_time_and_says_how_far_it_came() {
    on_both(|kept| async move {
        let store = &kept.store;
        let records: Vec<_> = (0..9_000)
            .map(|second| {
                let mut one = record(second, "bob@b.example", Fate::Delivered);
                one.subject = if second == 3 {
                    "rare 发票 word".into()
                } else {
                    "common".into()
                };
                one.facts = None;
                one
            })
            .collect();
        for some in records.chunks(500) {
            store.write(some).await.unwrap();
        }
        let both_common = Query {
            to: Some("bob@b.example".into()),
            subject: Some("common".into()),
            until: Some(at(9_000)),
            limit: 10,
            ..Query::default()
        };
        let page = store.search(&both_common, 4_000).await.unwrap();
        assert_eq!((page.records.len(), page.looked_back_to), (10, None));
        assert_eq!(page.next, Some(page.records[9].id));

        // Two common things that never meet: it looks at its share, and goes on from there.
        let mut never = both_common.clone();
        never.level = Some(mail::Level::Ordinary);
        assert_eq!(
            store.search(&never, 4_000).await.unwrap(),
            store::Page::default(),
            "led by the rarest"
        );
        let rare = Query {
            subject: Some("发票 RARE".into()),
            limit: 10,
            ..Query::default()
        };
        assert_eq!(store.search(&rare, 4_000).await.unwrap().records.len(), 1);
        let mut pages = 0;
        let mut scoped = Query {
            fate: Some(Fate::Delivered),
            scope: vec!["@nowhere.example".into(), "bob@b.example".into()],
            subject: Some("common".into()),
            limit: 5_000,
            ..Query::default()
        };
        let mut found = 0;
        loop {
            let page = store.search(&scoped, 4_000).await.unwrap();
            found += page.records.len();
            pages += 1;
            let Some(next) = page.next else { break };
            scoped.before = Some(next);
        }
        assert_eq!(found, 8_999);
        assert!(pages >= 2, "{pages}");
        let of_rule = Query {
            reason: Some("a-rule".into()),
            limit: 1,
            ..Query::default()
        };
        let newest = store.search(&of_rule, 4_000).await.unwrap().records[0].id;
        assert_eq!(
            store.last_hits(&["no-rule", "a-rule"], 100).await.unwrap(),
            [(0, None), (100, Some(newest))]
        );
        assert_eq!(store.last_hits(&[], 100).await.unwrap(), []);

        // And what was counted on the way.
        let fates = store.top(Tally::Fate, at(0), 10).await.unwrap();
        assert_eq!(fates, [("delivered".to_owned(), 9_000)]);
        assert_eq!(
            store.top(Tally::To, at(0), 10).await.unwrap(),
            [("bob@b.example".to_owned(), 9_000)]
        );
        let hours = store.tallies(Tally::Fate, at(0)).await.unwrap();
        assert_eq!(hours.iter().map(|hour| hour.2).sum::<u64>(), 9_000);
        assert!(hours.len() >= 3);
    });
}

#[test]
fn small_counts_of_an_hour_that_is_over_are_forgotten() {
    on_both(|kept| async move {
        let store = &kept.store;
        let records: Vec<_> = (0..120)
            .map(|number| {
                let mut one = record(
                    number,
                    &format!("user{}@b.example", number % 60),
                    Fate::Delivered,
                );
                one.facts = None;
                one
            })
            .collect();
        store.write(&records).await.unwrap();
        store
            .write(&[record(200, "user59@b.example", Fate::Rejected)])
            .await
            .unwrap();
        let before = store.top(Tally::To, at(-3600), 1000).await.unwrap();
        assert_eq!(
            (before.len(), before[0].clone()),
            (60, ("user59@b.example".to_owned(), 3))
        );
        assert!(store.compact_tallies(at(8000), at(-86_400)).await.unwrap() >= 10);
        assert!(store.top(Tally::To, at(-3600), 1000).await.unwrap().len() <= 52);
        assert_eq!(
            store.top(Tally::Fate, at(-3600), 10).await.unwrap().len(),
            2
        );
        assert_eq!(
            store.compact_tallies(at(8000), at(-86_400)).await.unwrap(),
            0,
            "once"
        );
    });
}

#[test]
fn a_record_leaves_with_all_it_was_found_by() {
    on_both(|kept| async move {
        let store = &kept.store;
        store
            .write(&[record(1, "bob@b.example", Fate::Delivered)])
            .await
            .unwrap();
        hold(store, 2, "bob@b.example").await;
        let retention = store::Retention {
            records: vec![(Fate::Delivered, 1), (Fate::Quarantined, 1)],
            facts_days: 1,
            acts_days: 1,
            held_days: 300,
            sights_days: 300,
        };
        let swept = store.sweep(at(100 * 86_400), &retention).await.unwrap();
        assert_eq!(swept.records, 1, "what is held stays");
        let all = Query {
            to: Some("bob@b.example".into()),
            limit: 10,
            ..Query::default()
        };
        assert_eq!(store.find(&all).await.unwrap().len(), 1);
        let known = store
            .known_queue_ids(&["Q1".to_owned(), "Q2".to_owned()])
            .await
            .unwrap();
        assert!(!known.contains("Q1") && known.contains("Q2"));
    });
}

#[test]
fn days_that_are_over_are_added_up_and_late_records_are_not_missed() {
    on_both(|kept| async move {
        const DAY: i64 = 86_400;
        let store = &kept.store;
        let first_day = at(0).secs().div_euclid(DAY) * DAY;
        let make = |number: i64, secs: i64, to: &str| {
            let mut one = record(number, to, Fate::Delivered);
            one.at = Timestamp::from_secs(first_day + secs);
            one.facts = None;
            one
        };
        let mut records = Vec::new();
        for number in 0..96 {
            let to = format!("user{}@b.example", number % 4);
            records.push(make(number, number * 3_600, &to));
        }
        store.write(&records).await.unwrap();
        let top = |hours: i64, limit| async move {
            let since = Timestamp::from_secs(first_day + hours * 3_600);
            store.top(Tally::To, since, limit).await.unwrap()
        };
        let (whole, part) = (top(0, 10).await, top(5, 10).await);
        assert_eq!(whole[0], ("user0@b.example".to_owned(), 24));
        assert_eq!(part[0], ("user1@b.example".to_owned(), 23));

        let now = Timestamp::from_secs(first_day + 96 * 3_600);
        store.compact_tallies(now, Timestamp(0)).await.unwrap();
        assert_eq!((top(0, 10).await, top(5, 10).await), (whole, part));
        assert_eq!(top(0, 1).await.len(), 1);

        // A late record of the second day, before and after its day is added up again.
        store
            .write(&[make(200, DAY + 60, "late@b.example")])
            .await
            .unwrap();
        let late = ("late@b.example".to_owned(), 1);
        assert!(top(0, 10).await.contains(&late));
        store
            .compact_tallies(now.plus_secs(7_200), Timestamp(0))
            .await
            .unwrap();
        assert!(top(0, 10).await.contains(&late));
        assert!(top(23, 10).await.contains(&late));
        assert!(!top(48, 10).await.contains(&late));
        let reasons = store
            .top(Tally::Level, Timestamp::from_secs(first_day), 10)
            .await
            .unwrap();
        assert_eq!(reasons.iter().map(|level| level.1).sum::<u64>(), 97);
    });
}
