//! Copies that are called back, on both back ends.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod kept;

use kept::{act, at, on_both};
use mail::RecordId;
use store::{Recall, RecallState};

#[test]
fn a_copy_is_called_back_once_put_back_once_and_called_back_again() {
    on_both(|kept| async move {
        let store = &kept.store;
        let (one, two) = (RecordId::random(at(1)), RecordId::random(at(2)));
        let copies = [
            (one, "ann@a.example".to_owned()),
            (one, "bob@a.example".to_owned()),
            (two, "ann@a.example".to_owned()),
        ];
        assert_eq!(
            store
                .add_recalls(&copies[..2], &act("recall"))
                .await
                .unwrap(),
            2
        );
        assert_eq!(
            store.add_recalls(&copies, &act("recall")).await.unwrap(),
            1,
            "two are wanted already"
        );
        let to_do = store.recalls_to_do(10).await.unwrap();
        assert_eq!(to_do.len(), 3);
        assert!(
            to_do
                .iter()
                .all(|one| one.who == "eve" && one.reason == "why")
        );
        let settle = |one: Recall, state, said: &'static str| async move {
            store
                .settle_recall(&one, state, said, at(200))
                .await
                .unwrap()
        };
        assert!(settle(to_do[0].clone(), RecallState::Recalled, "").await);
        assert!(
            !settle(to_do[0].clone(), RecallState::Failed, "").await,
            "another node did it"
        );
        assert!(settle(to_do[1].clone(), RecallState::NotThere, "no copy").await);
        assert_eq!(store.recalls_to_do(10).await.unwrap(), to_do[2..]);

        // Only what is out of the mailbox can be put back.
        let mailboxes = ["ann@a.example", "bob@a.example"].map(str::to_owned);
        let others = ["zoe@a.example".to_owned()];
        let back = act("put-back");
        let back = store.want_back(to_do[0].record, &others, &back).await;
        assert_eq!(back.unwrap(), 0);
        assert_eq!(
            store
                .want_back(to_do[0].record, &mailboxes, &act("put-back"))
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            store
                .want_back(to_do[0].record, &mailboxes, &act("put-back"))
                .await
                .unwrap(),
            0
        );
        let states = |of: RecordId| async move {
            let found = store.recalls(Some(of), 10).await.unwrap();
            found.iter().map(|one| one.state).collect::<Vec<_>>()
        };
        assert_eq!(
            states(one).await,
            [RecallState::BackWanted, RecallState::NotThere]
        );
        let back = store.recalls_to_do(1).await.unwrap().remove(0);
        assert_eq!(back.state, RecallState::BackWanted);
        assert!(settle(back, RecallState::Back, "").await);
        // And both may be called back again.
        assert_eq!(
            store
                .add_recalls(&copies[..2], &act("recall"))
                .await
                .unwrap(),
            2
        );
        assert_eq!(states(one).await, [RecallState::Wanted; 2]);
        assert_eq!(store.recalls(None, 10).await.unwrap().len(), 3);
    });
}
