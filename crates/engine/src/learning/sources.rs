//! Labels nobody has to give: mail to a trap is unwanted, mail that one of our people replied to was wanted.
//!
//! They count as trusted, and each trap and each account is one reporter whose influence is bounded (`learn::Course`): a stolen account that answers
//! spam teaches little.

use learn::Opinion;
use mail::{Address, Direction, Facts, Fate, Level, RecordId, Verdict};
use store::{NewLesson, Query, Store, StoreError};

use super::Learning;
use crate::clock::now;

/// What a trap receives is not entered when the learner is this sure of it already.
const KNOWN: f64 = 0.99;
/// The longest Message-ID looked for, bytes.
const ID_BYTES_MAX: usize = 500;

/// A reply that went out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replied {
    /// To which message.
    message_id: String,
    /// By which account or address.
    who: String,
    /// The addresses it may have come to.
    by: Vec<Address>,
}

/// What a trap teaches: nothing where it would be nothing new.
pub(super) fn of_trap(
    id: RecordId,
    facts: &Facts,
    trap: &Address,
    opinion: &Opinion,
    seen: &[u8],
) -> Option<NewLesson> {
    let known = opinion.settled
        && opinion
            .probability
            .is_some_and(|probability| probability > KNOWN);
    (!known).then(|| NewLesson {
        at: facts.envelope.received_at,
        record: Some(id),
        label: "unwanted".to_owned(),
        trust: "trusted".to_owned(),
        chosen: false,
        source: "trap".to_owned(),
        who: trap.key(),
        sender: visible_sender(facts),
        seen: Some(seen.to_vec()),
        takes_back: None,
        class: String::new(),
    })
}

/// What a message of ours replies to, when it went out and is not itself suspicious.
pub(super) fn replied(facts: &Facts, verdict: &Verdict, fate: Fate) -> Option<Replied> {
    let envelope = &facts.envelope;
    if envelope.direction == Direction::Inbound
        || fate != Fate::Delivered
        || verdict.level > Level::Ordinary
    {
        return None;
    }
    let field = facts.message.headers_named("in-reply-to").next()?;
    let id = field.trim().trim_start_matches('<');
    let id = id
        .split(['>', ' ', '\t'])
        .next()
        .filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX)?;
    let visible = facts
        .message
        .header_from
        .iter()
        .filter_map(|from| from.address.clone());
    let by: Vec<Address> = envelope
        .envelope_from
        .iter()
        .cloned()
        .chain(visible)
        .collect();
    let who = envelope
        .account
        .clone()
        .or_else(|| by.first().map(Address::key))?;
    Some(Replied {
        message_id: id.to_owned(),
        who,
        by,
    })
}

/// The visible sender in its compared form.
pub(super) fn visible_sender(facts: &Facts) -> Option<String> {
    let mut visible = facts.message.header_from.iter();
    visible
        .find_map(|from| from.address.as_ref())
        .map(Address::key)
}

impl Learning {
    /// What replies teach: that the message replied to was wanted, when it came to whoever replies and is known here.
    pub(super) async fn of_replies(
        &self,
        store: &Store,
        replies: &[Replied],
    ) -> Result<Vec<NewLesson>, StoreError> {
        let mut lessons = Vec::new();
        for reply in replies {
            let query = Query {
                message_id: Some(reply.message_id.clone()),
                limit: 1,
                ..Query::default()
            };
            let Some(record) = store.find(&query).await?.into_iter().next() else {
                continue;
            };
            let theirs = record
                .envelope
                .recipients
                .iter()
                .any(|to| reply.by.iter().any(|by| by.key() == to.key()));
            let dangerous = record
                .verdict
                .as_ref()
                .is_some_and(|verdict| verdict.level == Level::Dangerous);
            let inbound = record.envelope.direction == Direction::Inbound;
            if !theirs || !inbound || dangerous || !store.labels(record.id).await?.is_empty() {
                continue;
            }
            let Some(seen) = store.sight(record.id).await? else {
                continue;
            };
            lessons.push(NewLesson {
                at: now(),
                record: Some(record.id),
                label: "wanted".to_owned(),
                trust: "trusted".to_owned(),
                chosen: false,
                source: "reply".to_owned(),
                who: reply.who.clone(),
                sender: record.header_from,
                seen: Some(seen),
                takes_back: None,
                class: String::new(),
            });
        }
        Ok(lessons)
    }
}
