//! The door for Postfix' access policy delegation. Every request is answered, at once, from memory: a policy service that is silent makes
//! Postfix defer all mail.

use std::sync::Arc;
use std::time::Duration;

use engine::clock::now;
use engine::metrics::AskedLabels;
use engine::{Engine, Telling};
use mail::Address;
use mail::conduct::Asked;
use mail::operation::{Act, Door, Protocol, Sent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use watch::SendQuestion;
use wire::delegation::{Answer, Delegation, Request, Stage};

use super::accept::{self, Doorway};
use super::listener::{Listener, Stream};

/// Bytes read at a time.
const READ_BYTES: usize = 16 << 10;

/// Serves `listener` until the service stops. With `tells`, what Postfix delegates is how mail is known at all.
pub async fn serve(listener: Listener, doorway: Arc<Doorway>, tells: bool) {
    accept::serve(
        listener,
        "delegation",
        doorway,
        move |stream, from, doorway| async move { converse(stream, &from, &doorway, tells).await },
    )
    .await;
}

async fn converse(mut stream: Stream, from: &str, doorway: &Doorway, tells: bool) -> &'static str {
    let settings = doorway.engine.settings();
    let limits = &settings.limits;
    let mut machine = Delegation::new(limits);
    let mut message = InHand {
        instance: String::new(),
        recipients: Vec::new(),
        recipients_max: limits.recipients_max,
    };
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = tokio::select! {
            read = stream.read(&mut buffer) => read,
            () = tokio::time::sleep(Duration::from_secs(limits.connection_idle_secs)) => return "idle",
            () = doorway.stop.cancelled() => return "drained",
        };
        match read {
            Ok(0) | Err(_) => return "closed",
            Ok(length) => machine.feed(&buffer[..length]),
        }
        while let Some(request) = machine.next_request() {
            if let Some(why) = request.unreadable {
                tracing::warn!("a policy request from {from} {why}; it is answered with DUNNO");
            }
            let answer = answer(&doorway.engine, &request, &mut message, tells);
            if stream.write_all(&answer.bytes()).await.is_err() {
                return "closed";
            }
        }
        stream.acknowledge_at_once();
    }
}

/// The message that requests are about, as far as it has come.
struct InHand {
    instance: String,
    recipients: Vec<Address>,
    recipients_max: usize,
}

impl InHand {
    fn take(&mut self, request: &Request) {
        if self.instance != request.instance {
            self.instance.clone_from(&request.instance);
            self.recipients.clear();
        }
        if let (Stage::Recipient, Some(recipient)) = (request.stage, &request.recipient)
            && self.recipients.len() < self.recipients_max
            && !self.recipients.contains(recipient)
        {
            self.recipients.push(recipient.clone());
        }
    }
}

fn answer(engine: &Engine, request: &Request, message: &mut InHand, tells: bool) -> Answer {
    if request.unreadable.is_some() || request.stage == Stage::Unknown {
        return Answer::Dunno;
    }
    message.take(request);
    let settings = engine.settings();
    let trusted = request.client.is_none_or(|ip| {
        let networks = &settings.site.trusted_networks;
        ip.is_loopback() || networks.iter().any(|network| network.contains(&ip))
    });
    if request.account.is_none() && trusted {
        return said(engine, Answer::Dunno);
    }
    let watching = engine.watching();
    let account = request
        .account
        .as_deref()
        .and_then(|name| watching.account(name));
    let conduct = watching.conduct(&SendQuestion {
        at: now(),
        ip: request.client,
        device: None,
        account: account.as_ref(),
        recipients: &message.recipients,
        bulk: request.stage != Stage::Connect
            && request.stage != Stage::Helo
            && request.envelope_from.is_none(),
    });
    let has_message = matches!(
        request.stage,
        Stage::Recipient | Stage::Data | Stage::EndOfMessage
    );
    let text = "for what was done from here before; please ask the postmaster";
    let answer = match conduct.map(|conduct| conduct.asks) {
        Some(Asked::Refuse) => Answer::Refuse(format!("Refused {text}")),
        Some(Asked::Defer) if has_message => Answer::Later(format!("Please come later, {text}")),
        // Where mail comes past a message door, that door holds it: released from the console, with its text.
        Some(Asked::Hold) if has_message && tells => Answer::Hold(format!("Held {text}")),
        _ => Answer::Dunno,
    };
    if tells && request.stage == Stage::EndOfMessage {
        tell(engine, request, message, &answer);
    }
    said(engine, answer)
}

fn tell(engine: &Engine, request: &Request, message: &mut InHand, answer: &Answer) {
    let recipients = std::mem::take(&mut message.recipients);
    let from = request.envelope_from.clone();
    let account = request.account.as_deref();
    let owned = match (account, &from) {
        (Some(account), Some(from)) if account.eq_ignore_ascii_case(&from.key()) => Some(true),
        (Some(_), Some(from)) if engine.settings().site.is_foreign(from) => Some(false),
        _ => None,
    };
    engine.watching().tell(Telling {
        door: Door::PolicyDelegation,
        at: now(),
        protocol: if account.is_some() {
            Protocol::Submission
        } else {
            Protocol::Smtp
        },
        ip: request.client,
        device: None,
        account: request.account.clone(),
        session: None,
        act: Act::Send(Sent {
            envelope_from: from,
            recipients,
            taken: matches!(answer, Answer::Dunno | Answer::Hold(_)),
            size_bytes: request.size_bytes,
            owned,
            print: None,
            bulk: false,
            authentic: None,
        }),
    });
}

fn said(engine: &Engine, answer: Answer) -> Answer {
    let labels = AskedLabels {
        door: "delegation",
        said: match answer {
            Answer::Dunno => "allow",
            Answer::Later(_) => "later",
            Answer::Refuse(_) => "refuse",
            Answer::Hold(_) => "hold",
        },
    };
    engine.metrics().asked.get_or_create(&labels).inc();
    answer
}
