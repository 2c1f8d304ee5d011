//! The training log, sights and questions, on SQLite and on PostgreSQL alike.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod kept;

use std::collections::HashSet;

use kept::{Kept, act, at, on_both};
use mail::RecordId;
use store::{ActFilter, CampaignRow, LessonFilter, NewLesson, Question, SightRow, Store};

fn lesson(second: i64, who: &str, sender: &str, label: &str) -> NewLesson {
    NewLesson {
        at: at(second),
        label: label.into(),
        trust: "trusted".into(),
        source: "desk".into(),
        who: who.into(),
        sender: Some(sender.into()),
        seen: Some(vec![1, 0, 255, second as u8]),
        ..NewLesson::default()
    }
}

fn taking_back(second: i64, who: &str, seq: i64) -> NewLesson {
    NewLesson {
        at: at(second),
        who: who.into(),
        takes_back: Some(seq),
        ..NewLesson::default()
    }
}

async fn places(kept: &Kept, filter: LessonFilter) -> Vec<i64> {
    let filter = LessonFilter {
        limit: 100,
        ..filter
    };
    let found = kept.store.lessons(&filter).await.unwrap();
    found.iter().map(|lesson| lesson.seq).collect()
}

#[test]
fn lessons_are_found_and_taken_back() {
    on_both(|kept| async move {
        let store = &kept.store;
        let record = RecordId::random(at(1));
        let first = NewLesson {
            record: Some(record),
            ..lesson(1, "ann", "boss@a.example", "wanted")
        };
        let given = [
            first,
            lesson(2, "bob", "spam@b.example", "unwanted"),
            lesson(3, "bob", "x@notb.example", "unwanted"),
        ];
        let entered = store
            .add_lessons(&given, Some(&act("teach")))
            .await
            .unwrap();
        assert_eq!(entered, [1, 2, 3]);
        let acts = store
            .acts(&ActFilter {
                limit: 9,
                ..ActFilter::default()
            })
            .await
            .unwrap();
        assert_eq!(acts.len(), 1);
        let all = LessonFilter::default;
        assert_eq!(places(&kept, all()).await, [3, 2, 1]);
        let of_bob = LessonFilter {
            who: Some("bob".into()),
            ..all()
        };
        assert_eq!(places(&kept, of_bob.clone()).await, [3, 2]);
        let of_domain = LessonFilter {
            sender: Some("@b.example".into()),
            ..all()
        };
        assert_eq!(places(&kept, of_domain).await, [2]);
        let of_sender = LessonFilter {
            sender: Some("boss@a.example".into()),
            ..all()
        };
        assert_eq!(places(&kept, of_sender).await, [1]);
        let between = LessonFilter {
            since: Some(at(2)),
            until: Some(at(3)),
            ..all()
        };
        assert_eq!(places(&kept, between).await, [2]);
        let older = LessonFilter {
            before: Some(3),
            ..all()
        };
        assert_eq!(places(&kept, older).await, [2, 1]);

        assert_eq!(
            store
                .add_lessons(&[taking_back(9, "eve", 1)], None)
                .await
                .unwrap(),
            [4]
        );
        let standing = LessonFilter {
            standing: true,
            ..all()
        };
        assert_eq!(places(&kept, standing).await, [3, 2]);
        assert_eq!(
            places(&kept, all()).await,
            [3, 2, 1],
            "the log tells it all the same"
        );
        let shown = store
            .lessons(&LessonFilter {
                record: Some(record),
                limit: 9,
                ..all()
            })
            .await
            .unwrap();
        assert_eq!(shown[0].taken_back, Some(("eve".into(), at(9))));
        assert!(shown[0].learnt);
        assert!(store.labels(record).await.unwrap().is_empty());
        assert_eq!(store.taken_back(4).await.unwrap(), HashSet::from([1]));
        assert_eq!(store.taken_back(3).await.unwrap(), HashSet::new());

        let rows = store.lessons_after(1).await.unwrap();
        assert_eq!(
            rows.iter().map(|row| row.seq).collect::<Vec<_>>(),
            [2, 3, 4]
        );
        assert_eq!(rows[0].lesson, given[1]);
        assert_eq!(rows[2].lesson.takes_back, Some(1));
        assert_eq!(store.last_lesson().await.unwrap(), 4);
    });
}

#[test]
fn folded_lessons_leave_what_was_learnt_from_them() {
    on_both(|kept| async move {
        let store = &kept.store;
        let given: Vec<NewLesson> = (1..=5)
            .map(|second| lesson(second, "ann", "a@a.example", "wanted"))
            .collect();
        store.add_lessons(&given, None).await.unwrap();
        assert_eq!(store.last_lesson_before(at(4)).await.unwrap(), Some(3));
        assert_eq!(store.last_lesson_before(at(1)).await.unwrap(), None);
        assert_eq!(store.lesson_base().await.unwrap(), None);
        for (upto, body) in [(3, b"three"), (5, b"fives")] {
            store.fold_lessons(upto, at(10), body).await.unwrap();
            assert_eq!(
                store.lesson_base().await.unwrap(),
                Some((upto, body.to_vec()))
            );
        }
        assert!(store.lessons_after(0).await.unwrap().is_empty());
        let places = store.add_lessons(&given[..1], None).await.unwrap();
        assert_eq!(places, [6], "a place is never given twice");
    });
}

#[test]
fn sights_wait_for_labels_and_questions_for_answers() {
    on_both(|kept| async move {
        let store = &kept.store;
        let ids: Vec<RecordId> = (1..=3)
            .map(|day| RecordId::random(at(day * 86_400)))
            .collect();
        let sights: Vec<SightRow> = ids
            .iter()
            .map(|id| SightRow {
                record: *id,
                seen: vec![0, 1, 2],
                print: vec![9],
                source: -4,
            })
            .collect();
        store.keep_sights(&sights).await.unwrap();
        store.keep_sights(&sights[..1]).await.unwrap();
        assert_eq!(store.sight(ids[0]).await.unwrap(), Some(vec![0, 1, 2]));
        let question = |record: RecordId| Question {
            record,
            why: "unsure".into(),
            probability: 0.5,
        };
        store
            .ask(&[question(ids[0]), question(ids[2])])
            .await
            .unwrap();
        assert_eq!(
            store.questions(9).await.unwrap(),
            [question(ids[2]), question(ids[0])]
        );
        let answer = NewLesson {
            record: Some(ids[2]),
            ..lesson(1, "ann", "a@a.example", "wanted")
        };
        assert_eq!(
            store.is_asked(ids[2]).await.unwrap().as_deref(),
            Some("unsure")
        );
        store.add_lessons(&[answer], None).await.unwrap();
        assert_eq!(store.questions(9).await.unwrap(), [question(ids[0])]);
        assert_eq!(store.is_asked(ids[2]).await.unwrap(), None);
        assert_eq!(store.forget_sights(at(2 * 86_400)).await.unwrap(), 2);
        assert_eq!(store.sight(ids[0]).await.unwrap(), None);
        assert!(store.sight(ids[1]).await.unwrap().is_some());
        assert!(store.questions(9).await.unwrap().is_empty());
    });
}

#[test]
fn labels_of_an_older_version_come_over() {
    on_both(|kept| async move {
        let id = RecordId::random(at(5)).to_string();
        let statements = [
            "DROP TABLE recalls".to_owned(),
            "DROP TABLE lessons".to_owned(),
            "DROP TABLE lesson_bases".to_owned(),
            "DROP TABLE sights".to_owned(),
            "DROP TABLE campaigns".to_owned(),
            "DROP TABLE campaign_members".to_owned(),
            "DROP TABLE questions".to_owned(),
            "DELETE FROM schema_version WHERE version > 3".to_owned(),
            "CREATE TABLE labels (id TEXT PRIMARY KEY, at BIGINT NOT NULL, record_id TEXT NOT NULL, who TEXT NOT NULL, label TEXT NOT NULL)".to_owned(),
            format!("INSERT INTO labels VALUES ('b', 7, '{id}', 'ann', 'wanted')"),
            format!("INSERT INTO labels VALUES ('a', 6, '{id}', 'bob', 'unwanted')"),
        ];
        let address = kept.config.database.reveal();
        for sql in statements {
            let sql = sqlx::AssertSqlSafe(sql);
            if let Some(file) = address.strip_prefix("sqlite:") {
                let pool = sqlx::SqlitePool::connect(&format!("sqlite://{file}"))
                    .await
                    .unwrap();
                sqlx::query(sql).execute(&pool).await.unwrap();
                pool.close().await;
            } else {
                let pool = sqlx::PgPool::connect(address).await.unwrap();
                sqlx::query(sql).execute(&pool).await.unwrap();
                pool.close().await;
            }
        }
        let store = Store::open(&kept.config).await.unwrap();
        let labels = store.labels(RecordId::parse(&id).unwrap()).await.unwrap();
        let told: Vec<(&str, &str)> = labels
            .iter()
            .map(|label| (label.who.as_str(), label.label.as_str()))
            .collect();
        assert_eq!(told, [("ann", "wanted"), ("bob", "unwanted")]);
        let lesson = store.lessons_after(0).await.unwrap().remove(0);
        assert_eq!((lesson.seq, lesson.lesson.seen), (1, None));
    });
}

#[test]
fn campaigns_are_listed_with_who_got_them() {
    on_both(|kept| async move {
        let store = &kept.store;
        let ids: Vec<RecordId> = (1..=4)
            .map(|day| RecordId::random(at(day * 86_400)))
            .collect();
        let row = |name: usize, last: usize, messages| CampaignRow {
            name: ids[name],
            last: ids[last],
            messages,
            sources: 2,
        };
        store
            .keep_campaigns(
                &[row(0, 1, 5), row(2, 2, 9)],
                &[(ids[0], ids[0]), (ids[0], ids[1])],
            )
            .await
            .unwrap();
        store
            .keep_campaigns(&[row(0, 3, 6)], &[(ids[0], ids[3]), (ids[0], ids[1])])
            .await
            .unwrap();
        assert_eq!(
            store.campaigns(9).await.unwrap(),
            [row(0, 3, 6), row(2, 2, 9)]
        );
        let members = store.campaign_members(ids[0], 9).await.unwrap();
        assert_eq!(members, [ids[3], ids[1], ids[0]]);
        let sight = SightRow {
            record: ids[2],
            seen: vec![1],
            print: vec![7; 8],
            source: -1,
        };
        store.keep_sights(&[sight]).await.unwrap();
        let prints = store.prints_since(at(0), 9).await.unwrap();
        assert_eq!(prints, [(ids[2], vec![7; 8], -1)]);
        assert!(
            store
                .prints_since(at(4 * 86_400), 9)
                .await
                .unwrap()
                .is_empty()
        );
        // Two members, a sight and a campaign are gone.
        assert_eq!(store.forget_sights(at(3 * 86_400 + 60)).await.unwrap(), 4);
        assert_eq!(store.campaigns(9).await.unwrap(), [row(0, 3, 6)]);
    });
}
