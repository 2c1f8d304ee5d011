//! What people want of the watch, on both back ends.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod kept;

use kept::{act, on_both};

#[test]
fn wishes_keep_their_order_and_the_newest_is_never_removed() {
    on_both(|kept| async move {
        let store = &kept.store;
        for number in 1..=4 {
            let place = store
                .add_wish(&format!("wish {number}"), &act("wish"))
                .await;
            assert_eq!(place.unwrap(), number);
        }
        assert_eq!(store.remove_wishes(&[1, 3, 4, 9]).await.unwrap(), 2);
        let left = store.wishes_after(0).await.unwrap();
        let left: Vec<(i64, &str)> = left
            .iter()
            .map(|row| (row.seq, row.body.as_str()))
            .collect();
        assert_eq!(left, [(2, "wish 2"), (4, "wish 4")]);
        let next = store.add_wish("wish 5", &act("wish")).await.unwrap();
        assert_eq!(next, 5, "no node has heard of this place before");
    });
}
