//! The door for `spamc` and Exim: one request a connection, in SpamAssassin's or Rspamd's older protocol.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mail::{Address, Envelope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::spamd::{
    Class, Dialect, Report, Request, RequestReader, Verb, answer_check, answer_misfit, answer_ping,
    answer_tell, answer_trouble,
};

use super::accept::{self, Doorway, Share};
use super::listener::{Listener, Stream};
use super::scan::Scanning;

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

/// Serves `listener` until the service stops.
pub async fn serve(listener: Listener, doorway: Arc<Doorway>, scanning: Arc<Scanning>) {
    accept::serve(listener, "spamd", doorway, move |stream, from, doorway| {
        let scanning = scanning.clone();
        async move {
            let mut share = Share::new(doorway.clone());
            converse(stream, &from, &doorway, &mut share, &scanning).await
        }
    })
    .await;
}

async fn converse(
    mut stream: Stream,
    from: &str,
    doorway: &Doorway,
    share: &mut Share,
    scanning: &Scanning,
) -> &'static str {
    let limits = doorway.engine.settings().limits.clone();
    let mut reader = RequestReader::new(&limits);
    let mut buffer = vec![0; READ_BYTES];
    let request = loop {
        let read = tokio::select! {
            read = stream.read(&mut buffer) => read,
            () = tokio::time::sleep(Duration::from_secs(limits.frame_secs)) => {
                tracing::info!("scanning connection from {from} closed: it said nothing for {} s", limits.frame_secs);
                return "idle";
            }
            // Nothing asked yet, nothing lost.
            () = doorway.stop.cancelled(), if reader.held_bytes() == 0 => return "drained",
        };
        let fed = match read {
            Ok(0) => match reader.finish() {
                Ok(None) => return "closed",
                fed => fed,
            },
            Ok(length) => reader.feed(&buffer[..length]),
            Err(_) => return "closed",
        };
        match fed {
            Ok(Some(request)) => break request,
            Ok(None) => {}
            Err(misfit) => {
                tracing::warn!("scanning connection from {from} closed: {misfit}");
                return say(&mut stream, &answer_misfit(&misfit), "misbehaved").await;
            }
        }
        if !share.holds(reader.held_bytes()) {
            let why = "all messages together exceed limits.in_flight_bytes_max";
            tracing::warn!("a message from {from} is not read further: {why}");
            return say(&mut stream, &answer_trouble(why), "misbehaved").await;
        }
    };
    let answer = answer(request, scanning).await;
    say(&mut stream, &answer, "quit").await
}

/// The client may have gone; then nobody is there to be told.
async fn say(stream: &mut Stream, answer: &[u8], how: &'static str) -> &'static str {
    if stream.write_all(answer).await.is_err() || stream.shutdown().await.is_err() {
        return "closed";
    }
    how
}

async fn answer(request: Request, scanning: &Scanning) -> Vec<u8> {
    match request.verb {
        Verb::Ping => answer_ping(),
        Verb::Skip => Vec::new(),
        Verb::Tell => tell(&request, scanning).await,
        Verb::Check
        | Verb::Symbols
        | Verb::Report
        | Verb::ReportIfSpam
        | Verb::Process
        | Verb::Headers => check(request, scanning).await,
    }
}

async fn check(mut request: Request, scanning: &Scanning) -> Vec<u8> {
    let wants_message = matches!(request.verb, Verb::Process | Verb::Headers);
    let raw = std::mem::take(&mut request.message);
    let kept = if wants_message {
        raw.clone()
    } else {
        Vec::new()
    };
    let envelope = envelope(&request, &raw, scanning);
    let scanned = scanning.scan(envelope, raw).await;
    if scanned.verdict.is_none() && scanned.refusal.is_some() {
        return answer_trouble("the message could not be judged; the log of mailvigil says why");
    }
    let changed = scanned.changes.apply(&kept);
    answer_check(
        &request,
        &Report {
            is_spam: scanned.is_spam(),
            score: scanned.score(),
            threshold: scanned.boundaries.0,
            reject_threshold: scanned.boundaries.1,
            action: scanned.action,
            symbols: scanned.symbols(),
            text: &scanned.text(),
            changed: &changed,
        },
    )
}

/// A client that teaches says what a message was, or that it takes that back (`Remove`), which nothing here needs.
async fn tell(request: &Request, scanning: &Scanning) -> Vec<u8> {
    let sets = request
        .header("set")
        .is_some_and(|set| set.contains("local"));
    let Some(class) = request.class().filter(|_| sets) else {
        return answer_tell(false);
    };
    let who = request.header("user").map(str::to_owned);
    match scanning
        .teach(&request.message, class == Class::Ham, who)
        .await
    {
        Ok(()) => answer_tell(true),
        Err(error) => answer_trouble(&error.to_string()),
    }
}

/// Exim tells the envelope; `spamc` does not, and the message itself must tell: the server has written its own Received field on top.
fn envelope(request: &Request, raw: &[u8], scanning: &Scanning) -> Envelope {
    let settings = scanning.engine.settings();
    match request.dialect {
        Dialect::Spamc => {
            let mut envelope = engine::envelope_by_header(raw, &settings.site, &settings.limits);
            "spamd".clone_into(&mut envelope.door);
            envelope
        }
        Dialect::Rspamc => envelope_by_fields(request, settings.limits.recipients_max),
    }
}

fn envelope_by_fields(request: &Request, recipients_max: usize) -> Envelope {
    let text = |name: &str| {
        let value = request.header(name).filter(|value| !value.is_empty());
        value.map(str::to_owned)
    };
    let mut envelope = Envelope::new(engine::clock::now(), "spamd");
    envelope.queue_id = text("queue-id");
    envelope.helo_name = text("helo");
    envelope.account = text("user");
    envelope.peer.ptr_name = text("hostname");
    // Exim leaves the address out when a program on its own machine hands the message in.
    envelope.peer.ip = request.header("ip").and_then(ip);
    envelope.envelope_from = request.header("from").and_then(Address::new);
    envelope.recipients = request
        .headers_named("rcpt")
        .filter_map(Address::new)
        .take(recipients_max)
        .collect();
    envelope
}

/// An address as clients write it: bare, in brackets, or as an address literal of SMTP.
pub(super) fn ip(text: &str) -> Option<IpAddr> {
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    let bare = bare.strip_prefix("IPv6:").unwrap_or(bare);
    bare.parse().ok()
}
