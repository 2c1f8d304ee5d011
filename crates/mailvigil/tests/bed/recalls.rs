//! Copies that were called back, as a running service would have written it down.

use std::path::Path;

use mail::RecordId;
use store::{Act, RecallState};

/// Writes it into the store of a service with this data folder; the message it is of.
pub fn seed(data: &Path) -> RecordId {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = crate::users::open(data).await;
        let now = engine::clock::now();
        let message = RecordId::random(now.plus_secs(-3600));
        let names = ["anna.lindner", "li.wen", "paul.okafor", "emil.brandt"];
        let copies: Vec<(RecordId, String)> = names
            .iter()
            .map(|name| (message, format!("{name}@lindenhof.example")))
            .collect();
        let act = Act {
            at: now,
            who: "anna.lindner".into(),
            from: "127.0.0.1".into(),
            act: "recall".into(),
            target: "4 copies".into(),
            reason: "Invoice with a false account <script>alert(1)</script>".into(),
            before: String::new(),
            after: String::new(),
        };
        store.add_recalls(&copies, &act).await.unwrap();
        let came = [
            (RecallState::Recalled, "1 copy"),
            (RecallState::NotThere, "no such copy is in the mailbox"),
            (
                RecallState::Failed,
                "doveadm ended with 65: Mailbox is locked",
            ),
        ];
        let to_do = store.recalls_to_do(10).await.unwrap();
        for (one, (state, said)) in to_do.iter().zip(came) {
            store.settle_recall(one, state, said, now).await.unwrap();
        }
        message
    })
}
