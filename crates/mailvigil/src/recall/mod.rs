//! Delivered copies taken out of mailboxes and put back: by Dovecot's `doveadm`, or by IMAP.
//!
//! A copy is found by its Message-ID *and* the mail server's queue id in a `Received` field, which no sender can know beforehand. What
//! was done already is found done, so that a crash in between, or a second node, does no harm.

mod doveadm;
mod imap;

use std::sync::Arc;
use std::time::Duration;

use engine::{CopyToMove, Desk, RecallState};

pub use doveadm::Doveadm;
pub use imap::Imap;

use crate::show;

/// How often it is looked for what is to be done.
const EVERY: Duration = Duration::from_secs(2);
/// After a failure that may pass.
const AGAIN: Duration = Duration::from_secs(30);
/// Copies taken up before it is looked for new ones.
const AT_ONCE: u32 = 20;
/// Longest that is tried again, seconds.
const TRIED_SECS: i64 = 86_400;

/// By what copies are moved.
#[derive(Clone, Debug)]
pub enum Mover {
    Doveadm(Doveadm),
    Imap(Arc<Imap>),
}

impl Mover {
    async fn carry_out(&self, copy: &CopyToMove) -> Done {
        match self {
            Self::Doveadm(doveadm) => doveadm.carry_out(copy).await,
            Self::Imap(imap) => {
                let (imap, copy) = (imap.clone(), copy.clone());
                let done = tokio::task::spawn_blocking(move || imap.carry_out(&copy));
                done.await
                    .unwrap_or_else(|_| Done::Later("it failed inside the program".to_owned()))
            }
        }
    }
}

/// Does what people want called back, until the task is dropped.
pub async fn follow(desk: Desk, mover: Mover) {
    loop {
        tokio::time::sleep(EVERY).await;
        let to_do = match desk.recalls_to_do(AT_ONCE).await {
            Ok(to_do) => to_do,
            Err(error) => {
                tracing::warn!("what is to be called back waits for the store: {error}");
                continue;
            }
        };
        let mut waits = false;
        for copy in to_do {
            let recall = &copy.recall;
            let (state, said) = match mover.carry_out(&copy).await {
                Done::Is(state, said) => (state, said),
                Done::Later(why)
                    if engine::clock::now().micros_since(recall.asked) < TRIED_SECS * 1_000_000 =>
                {
                    tracing::warn!(
                        "the copy of message {} in {} waits to be called back: {}",
                        recall.record,
                        show::safe(&recall.mailbox),
                        show::safe(&why)
                    );
                    waits = true;
                    continue;
                }
                Done::Later(why) => (undone(recall.state), why),
            };
            match desk.settle_recall(recall, state, &said).await {
                Ok(_) => tracing::info!(
                    "the copy of message {} in {} is now: {} {}",
                    recall.record,
                    show::safe(&recall.mailbox),
                    state.as_str(),
                    show::safe(&said)
                ),
                Err(error) => tracing::warn!("what came of a recall is not noted: {error}"),
            }
        }
        if waits {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// What a recall is when it could not be done.
const fn undone(wanted: RecallState) -> RecallState {
    match wanted {
        RecallState::BackWanted => RecallState::Recalled,
        RecallState::Wanted
        | RecallState::Recalled
        | RecallState::NotThere
        | RecallState::Failed
        | RecallState::Back => RecallState::Failed,
    }
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    Is(RecallState, String),
    /// Worth trying again.
    Later(String),
}

/// An owner's folder in the account that keeps copies: one message may have been for several, and two owners never have the same. Nothing in the owner's part
/// separates folders.
fn folder_of(owner: &str, folder: &str) -> String {
    let plain: String = owner
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "@-_".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(60)
        .collect();
    // FNV-1a: folders must be found again.
    let hash = owner.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{folder}-{plain}-{:08x}", hash as u32)
}

fn counted(copies: usize) -> String {
    if copies == 1 {
        "1 copy".to_owned()
    } else {
        format!("{copies} copies")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_two_owners_never_are_one() {
        let of = |owner| folder_of(owner, "Recalled");
        assert_ne!(of("a.b@c.example"), of("a_b@c.example"));
        assert_eq!(of("a.b@c.example"), of("a.b@c.example"));
        assert!(!of("a/../b@c.example").contains(['/', '.']));
    }
}
