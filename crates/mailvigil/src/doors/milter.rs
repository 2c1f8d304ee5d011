//! The milter door: one task per connection, bytes through [`wire::milter::Session`] to the engine and back.
//!
//! A connection that misbehaves ends with one clear log line; the others do not notice. Every answer is
//! written in one piece.

use std::sync::Arc;
use std::time::Duration;

use engine::{Abilities, Answer, Engine, Question, Reply};
use mail::Action;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use wire::milter::{
    self, Actions, CustomReply, Event, Mail, Modification, RecipientAnswer, Session,
};

use super::accept::{self, Doorway, Share};
use super::listener::{Listener, Stream};

/// Bytes read at a time: a whole body chunk of Postfix.
const READ_BYTES: usize = 64 << 10;

/// Serves `listener` until the service stops.
pub async fn serve(listener: Listener, doorway: Arc<Doorway>) {
    accept::serve(
        listener,
        "milter",
        doorway,
        |stream, from, doorway| async move {
            let connection = Connection {
                stream,
                from,
                engine: &doorway.engine,
                share: Share::new(doorway.clone()),
            };
            connection.converse(&doorway.stop).await
        },
    )
    .await;
}

struct Connection<'e> {
    stream: Stream,
    from: String,
    engine: &'e Engine,
    share: Share,
}

impl Connection<'_> {
    /// Serves it to its end; says how it ended, for the metric.
    async fn converse(mut self, stop: &CancellationToken) -> &'static str {
        let settings = self.engine.settings();
        let limits = &settings.limits;
        let mut session = Session::new(limits);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let patience = if session.is_mid_frame() {
                limits.frame_secs
            } else {
                limits.connection_idle_secs
            };
            let read = tokio::select! {
                read = self.stream.read(&mut buffer) => read,
                () = tokio::time::sleep(Duration::from_secs(patience)) => {
                    tracing::info!("milter connection from {} closed: it said nothing for {patience} s", self.from);
                    return "idle";
                }
                // Between messages nothing is lost: the server connects again to whoever listens then.
                () = stop.cancelled(), if session.is_between_messages() => return "drained",
            };
            match read {
                Ok(0) => return "closed",
                Ok(length) => session.feed(&buffer[..length]),
                Err(error) => {
                    tracing::debug!("milter connection from {} broke: {error}", self.from);
                    return "closed";
                }
            }
            self.stream.acknowledge_at_once();
            let done = self.events(&mut session).await;
            let now = session.held_bytes();
            if !self.share.holds(now) && session.drop_message() {
                tracing::warn!(
                    "a message from {} is not read further: all messages together exceed limits.in_flight_bytes_max",
                    self.from
                );
            }
            let output = session.take_output();
            if !output.is_empty() && self.stream.write_all(&output).await.is_err() {
                return "closed";
            }
            if let Some(how) = done {
                return how;
            }
        }
    }

    /// Answers everything the bytes so far ask; `Some` ends the connection.
    async fn events(&mut self, session: &mut Session) -> Option<&'static str> {
        loop {
            match session.next_event() {
                Ok(None) => return None,
                Ok(Some(Event::Recipient(recipient))) => {
                    let envelope = session.envelope(engine::clock::now());
                    let answer = match envelope
                        .and_then(|envelope| self.engine.recipient(&envelope, &recipient.address))
                    {
                        None => RecipientAnswer::Continue,
                        Some(refusal) => recipient_answer(&refusal),
                    };
                    if let Err(error) = session.answer_recipient(answer) {
                        tracing::error!("a recipient could not be answered: {error}");
                        return Some("misbehaved");
                    }
                }
                Ok(Some(Event::Message(mail))) => self.message(session, *mail).await,
                Ok(Some(Event::Aborted | Event::NewConnection)) => {}
                Ok(Some(Event::Quit)) => return Some("quit"),
                Err(sin) => {
                    tracing::warn!("milter connection from {} closed: {sin}", self.from);
                    return Some("misbehaved");
                }
            }
        }
    }

    async fn message(&mut self, session: &mut Session, mail: Mail) {
        let abilities = session.negotiated().map_or(NOTHING, |agreed| Abilities {
            add_headers: agreed.may(Actions::ADD_HEADERS),
            change_headers: agreed.may(Actions::CHANGE_HEADERS),
            change_recipients: agreed.may(Actions::ADD_RECIPIENT)
                && agreed.may(Actions::DELETE_RECIPIENT),
            hold: agreed.may(Actions::QUARANTINE),
            ..NOTHING
        });
        let question = Question {
            envelope: mail.envelope(engine::clock::now()),
            not_read: mail.dropped.map(|why| engine::NotRead {
                size_bytes: mail.size_bytes,
                why: why.to_string(),
            }),
            raw: mail.raw,
            abilities,
        };
        let answer = self.engine.question(question).await;
        let (last, modifications) = in_milter_words(&answer);
        if let Err(error) = session.answer_message(&last, &modifications) {
            // The plan asked for something this server did not offer. Nothing may be lost by our own
            // mistake, so the sending side keeps the message and comes again.
            tracing::error!(record.id = %answer.record, "record {} could not be answered as planned: {error}", answer.record);
            if session
                .answer_message(&milter::Answer::Tempfail, &[])
                .is_err()
            {
                tracing::error!(
                    "nor could it be put off; the connection from {} hangs",
                    self.from
                );
            }
        }
    }
}

/// What a server can do that offered nothing.
const NOTHING: Abilities = Abilities {
    add_headers: false,
    change_headers: false,
    change_recipients: false,
    hold: false,
    answer_each: false,
    obeys: true,
};

fn custom(text: &engine::Text) -> Option<CustomReply> {
    match CustomReply::new(text.code, &text.enhanced, &text.text) {
        Ok(reply) => Some(reply),
        Err(error) => {
            tracing::error!(
                "the reply {} {} {:?} cannot be sent, a plain one is: {error}",
                text.code,
                text.enhanced,
                text.text
            );
            None
        }
    }
}

fn recipient_answer(refusal: &engine::Refusal) -> RecipientAnswer {
    let plain = if refusal.action == Action::Reject {
        RecipientAnswer::Reject
    } else {
        RecipientAnswer::Tempfail
    };
    custom(&refusal.text).map_or(plain, RecipientAnswer::Custom)
}

fn in_milter_words(answer: &Answer) -> (milter::Answer, Vec<Modification>) {
    match &answer.reply {
        Reply::Deliver(changes) => {
            let mut modifications = Vec::new();
            // From the last to the first: removing one must not renumber those still to be removed.
            for (name, index) in changes.remove_headers.iter().rev() {
                modifications.push(Modification::ChangeHeader {
                    index: *index,
                    name: name.clone(),
                    value: String::new(),
                });
            }
            // Each goes to the top, so the topmost comes last.
            for (name, value) in changes.top_headers.iter().rev() {
                modifications.push(Modification::InsertHeader {
                    index: 0,
                    name: name.clone(),
                    value: value.clone(),
                });
            }
            for (name, value) in &changes.add_headers {
                modifications.push(Modification::AddHeader {
                    name: name.clone(),
                    value: value.clone(),
                });
            }
            modifications.extend(
                changes
                    .delete_recipients
                    .iter()
                    .cloned()
                    .map(Modification::DeleteRecipient),
            );
            for address in &changes.add_recipients {
                modifications.push(Modification::AddRecipient {
                    address: address.clone(),
                    args: None,
                });
            }
            (milter::Answer::Accept, modifications)
        }
        Reply::Refuse(text) => (
            custom(text).map_or(milter::Answer::Reject, milter::Answer::Custom),
            Vec::new(),
        ),
        Reply::Later(text) => (
            custom(text).map_or(milter::Answer::Tempfail, milter::Answer::Custom),
            Vec::new(),
        ),
        Reply::Drop => (milter::Answer::Discard, Vec::new()),
        Reply::Hold(reason) => (
            milter::Answer::Accept,
            vec![Modification::Quarantine(reason.clone())],
        ),
    }
}
