//! Messages as operations: what the message doors see tells of senders, too.
//!
//! They are not kept a second time: after a restart they are read from the records.

use std::collections::VecDeque;

use mail::authentication::DmarcResult;
use mail::operation::{Act, Door, Protocol, Sent, Source};
use mail::{Direction, Envelope, Facts, Fate, Known, Operation, RecordId, Site, Timestamp};
use watch::SendQuestion;

use super::Watching;
use crate::clock::now;
use crate::nodes::Tiding;

/// Messages remembered by name, so that none counts twice when a snapshot and the records meet.
const RECENT_MAX: usize = 20_000;

/// Messages that were told lately.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Recent {
    ids: VecDeque<RecordId>,
    /// Messages older than this are counted, whatever `ids` says.
    pub(super) since: Timestamp,
}

impl Recent {
    pub(super) fn enter(&mut self, id: RecordId) {
        self.ids.push_back(id);
        while self.ids.len() > RECENT_MAX {
            if let Some(oldest) = self.ids.pop_front() {
                self.since = self.since.max(oldest.at());
            }
        }
    }

    /// The last that was told.
    pub(super) fn newest(&self) -> RecordId {
        self.ids
            .back()
            .copied()
            .unwrap_or(RecordId::first_at(Timestamp(0)))
    }

    pub(super) fn holds(&self, id: RecordId) -> bool {
        id.at() < self.since || self.ids.contains(&id)
    }
}

/// What a message tells of whoever sent it, but for whether it was taken.
pub(crate) fn sent(facts: &Facts, site: &Site) -> Sent {
    let envelope = &facts.envelope;
    let from = envelope.envelope_from.as_ref();
    let owned = match (&envelope.account, from) {
        (Some(account), Some(from)) if account.eq_ignore_ascii_case(&from.key()) => Some(true),
        // A name of a domain that is not ours is nobody's here; which names of ours belong to whom we do not know.
        (Some(_), Some(from)) if site.is_foreign(from) => Some(false),
        _ => None,
    };
    let authentic = match &facts.authentication {
        Known::Yes(found) if found.dmarc.result == DmarcResult::Pass => {
            found.alleged.domain.clone()
        }
        _ => None,
    };
    let message = &facts.message;
    Sent {
        envelope_from: from.cloned(),
        recipients: envelope.recipients.clone(),
        taken: true,
        size_bytes: message.size_bytes,
        owned,
        print: print(facts),
        bulk: message.header("list-unsubscribe").is_some(),
        authentic,
    }
}

/// A hash that like bodies share: of the letters of the visible text, without digits, blanks and whatever else a spammer varies. `None` when
/// there is too little of it to say anything.
fn print(facts: &Facts) -> Option<u64> {
    const LETTERS_MIN: usize = 40;
    const LETTERS_MAX: usize = 4000;
    let parts = facts.message.parts.iter();
    let texts = parts.filter_map(|part| part.text.as_ref());
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut letters = 0;
    let normal = texts.flat_map(|text| text.normal().text().chars());
    for letter in normal.filter(|c| c.is_alphabetic()) {
        hash = (hash ^ u64::from(u32::from(letter))).wrapping_mul(0x0000_0100_0000_01b3);
        letters += 1;
        if letters == LETTERS_MAX {
            break;
        }
    }
    (letters >= LETTERS_MIN).then_some(hash)
}

impl Watching {
    /// What stands against whoever hands this message over.
    pub(crate) fn conduct_of(&self, envelope: &Envelope) -> Option<mail::Conduct> {
        let account = envelope
            .account
            .as_deref()
            .and_then(|name| self.account(name));
        if account.is_none() && envelope.direction != Direction::Inbound {
            // Programs of ours, and neighbours we trust.
            return None;
        }
        self.conduct(&SendQuestion {
            at: now(),
            ip: envelope.peer.ip,
            device: None,
            account: account.as_ref(),
            recipients: &envelope.recipients,
            bulk: envelope.envelope_from.is_none(),
        })
    }

    /// Counts a message that was answered.
    pub(crate) fn tell_message(
        &self,
        id: RecordId,
        envelope: &Envelope,
        mut sent: Sent,
        fate: Fate,
    ) {
        sent.taken = !matches!(fate, Fate::Rejected | Fate::Deferred | Fate::Failed);
        if let Some(operation) = self.message(id, envelope, sent) {
            let mut guard = self.state();
            let state = &mut *guard;
            state.messages.enter(id);
            let happened = state.watch.apply(&operation);
            self.outbox.put(|| Tiding::Operation(operation));
            self.note(state, happened);
        }
    }

    /// The operation a message is; `None` for mail of our own programs.
    pub(super) fn message(
        &self,
        id: RecordId,
        envelope: &Envelope,
        sent: Sent,
    ) -> Option<Operation> {
        let account = envelope
            .account
            .as_deref()
            .and_then(|name| self.account(name));
        if account.is_none() && envelope.direction != Direction::Inbound {
            return None;
        }
        Some(Operation {
            id,
            at: envelope.received_at,
            door: Door::Message,
            protocol: if account.is_some() {
                Protocol::Submission
            } else {
                Protocol::Smtp
            },
            source: Source {
                ip: envelope.peer.ip,
                device: None,
                place: Known::NotAsked,
            },
            account,
            session: None,
            act: Act::Send(sent),
        })
    }
}
