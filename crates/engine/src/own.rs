//! Mail of our own that comes past us: what was released from the quarantine, digests, and canaries.
//!
//! None is judged. A release mark lets its own message pass once, to the recipients it was held for; anything else that
//! carries a mark is judged like a stranger's, and told.

use mail::{Address, Fate, Message, RecordId};

use crate::answer::{Changes, Reply};
use crate::clock::now;
use crate::engine::{Answer, Engine, Failure, UnderWay, facts_of_pass, occurrences, record_of};
use crate::mark;

/// Why a mark of ours does not let a message pass twice.
const SPENT_MARK: &str = "a release mark that was used before or ran out";

/// What a release mark says about a message.
pub(crate) enum Pass {
    NoMark,
    Released(RecordId),
    Refused(String),
}

impl Engine {
    /// Looks at release marks: is this a message we released ourselves?
    pub(crate) async fn released(&self, way: &UnderWay, marks: &[String]) -> Result<Pass, Failure> {
        // Ours is put on top of the original message, which may have brought a forged one along.
        let Some(value) = marks.first() else {
            return Ok(Pass::NoMark);
        };
        let Some(mark) = self.marker.verify(value) else {
            return Ok(Pass::Refused(
                "a release mark that was not made here".to_owned(),
            ));
        };
        let Some(released) = self.store.mark(mark).await? else {
            return Ok(Pass::Refused(
                "a release mark that is not known any more".to_owned(),
            ));
        };
        // Asked before the body, which is not kept after a release: a replay shall be called one.
        if released.used || released.expires <= way.envelope.received_at {
            return Ok(Pass::Refused(SPENT_MARK.to_owned()));
        }
        let held = self.store.body(released.item).await;
        let same = held.is_ok_and(|held| mark::body(&held) == mark::body(&way.raw));
        if !same {
            return Ok(Pass::Refused(
                "a release mark on another message".to_owned(),
            ));
        }
        let keys: Vec<String> = released.recipients.iter().map(Address::key).collect();
        if !way
            .envelope
            .recipients
            .iter()
            .all(|to| keys.contains(&to.key()))
        {
            return Ok(Pass::Refused(
                "a release mark for other recipients".to_owned(),
            ));
        }
        if self.store.use_mark(mark, way.envelope.received_at).await? {
            Ok(Pass::Released(released.item))
        } else {
            Ok(Pass::Refused(SPENT_MARK.to_owned()))
        }
    }

    /// Is it a message that we made ourselves, a moment ago, to see whether mail comes past us?
    pub(crate) fn is_canary(&self, message: &Message) -> bool {
        let made = message
            .header(mark::CANARY_HEADER)
            .and_then(|value| self.canaries.verify(value));
        made.is_some_and(|made| {
            now().micros_since(made.at()) < crate::canary::FRESH_SECS * 1_000_000
        })
    }

    /// Is it a digest that we made, and that has not come past yet?
    pub(crate) async fn is_digest(&self, message: &Message) -> Result<bool, Failure> {
        let mark = message
            .header(mark::DIGEST_HEADER)
            .and_then(|value| self.digests.verify(value));
        let Some(mark) = mark else { return Ok(false) };
        let hash = crate::gate::hash(&mark.to_string());
        let link = self.store.link(&hash).await?;
        let ours = link.is_some_and(|link| link.kind == crate::digest::PASS);
        Ok(ours && self.store.use_link(&hash, now()).await?)
    }

    /// Lets a digest pass, without its mark.
    pub(crate) fn pass_digest(&self, way: &UnderWay, message: Message) -> Answer {
        let count = message.headers_named(mark::DIGEST_HEADER).count();
        let mut record = record_of(way, facts_of_pass(way, message), Fate::Delivered);
        record.note = Some("a digest of ours: passed by its mark, not judged".to_owned());
        self.tell(&record);
        self.recorder.take(record);
        Answer {
            reply: Reply::Deliver(Changes {
                remove_headers: occurrences(mark::DIGEST_HEADER, count),
                ..Changes::default()
            }),
            record: way.id,
            verdict: None,
            fate: Fate::Delivered,
        }
    }

    pub(crate) async fn discard_canary(
        &self,
        way: &UnderWay,
        message: Message,
    ) -> Result<Answer, Failure> {
        let mut record = record_of(way, facts_of_pass(way, message), Fate::Discarded);
        record.note =
            Some("a canary: it proves that this server's mail comes past Mailvigil".to_owned());
        self.store.write(std::slice::from_ref(&record)).await?;
        Ok(Answer {
            reply: Reply::Drop,
            record: way.id,
            verdict: None,
            fate: Fate::Discarded,
        })
    }

    /// Lets a released message pass, without its mark.
    pub(crate) fn pass(
        &self,
        way: &UnderWay,
        message: Message,
        item: RecordId,
        marks: Vec<String>,
    ) -> Answer {
        let mut record = record_of(way, facts_of_pass(way, message), Fate::Delivered);
        record.note = Some(format!(
            "released from the quarantine, item {item}: passed by its mark, not judged again"
        ));
        self.tell(&record);
        self.recorder.take(record);
        let reply = Reply::Deliver(Changes {
            remove_headers: occurrences(mark::HEADER, marks.len()),
            ..Changes::default()
        });
        Answer {
            reply,
            record: way.id,
            verdict: None,
            fate: Fate::Delivered,
        }
    }
}
