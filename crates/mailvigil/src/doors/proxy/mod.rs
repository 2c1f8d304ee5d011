//! The filter that mail goes through, for servers without milter, before their queue or behind it.
//!
//! Every command goes on to the next hop and its reply comes back, so a sender or recipient that the next hop does not take is not taken here.
//! The message itself is read whole and judged first; what is accepted is accepted by the next hop, or is held or deleted by policy. There is no
//! queue: whatever breaks, the client keeps the message.

mod deliver;
mod hop;
mod session;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::smtp::{BadCommand, Command, Incoming, Intake};

use super::accept::{self, Doorway, Share};
use super::listener::{Listener, Stream};
use crate::config::ProxyConfig;
use hop::Hop;
use session::{Next, Session};

/// Longest command line: RFC 5321 has 512, extensions of MAIL add some hundred each, attributes of XFORWARD more.
const LINE_BYTES_MAX: usize = 8 << 10;
/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;
/// A client that says nonsense more often than that goes.
const BAD_COMMANDS_MAX: u32 = 20;

/// Serves `listener` until the service stops.
pub async fn serve(listener: Listener, doorway: Arc<Doorway>, config: ProxyConfig) {
    let config = Arc::new(config);
    accept::serve(listener, "proxy", doorway, move |stream, from, doorway| {
        let config = config.clone();
        async move {
            let limits = doorway.engine.settings().limits.clone();
            let reached = Hop::reach(&config, &limits).await;
            let mut client = Client {
                stream,
                from,
                intake: Intake::new(LINE_BYTES_MAX),
                share: Share::new(doorway.clone()),
                doorway: doorway.clone(),
                idle: Duration::from_secs(limits.connection_idle_secs),
            };
            let hop = match reached {
                Ok((hop, greeting)) if greeting.is_positive() => hop,
                Ok((_, greeting)) => {
                    tracing::warn!("{} takes no mail: {greeting}", config.next_hop);
                    return client
                        .bye("421 4.3.2 The next server takes no mail now")
                        .await;
                }
                Err(lost) => {
                    tracing::error!("mail from {} waits: {lost}", client.from);
                    return client.bye("421 4.3.2 The next server is not reached").await;
                }
            };
            let node = doorway.engine.settings().node.clone();
            let word = match config.protocol {
                crate::config::Protocol::Smtp => "ESMTP",
                crate::config::Protocol::Lmtp => "LMTP",
            };
            if !client.say(&format!("220 {node} {word} Mailvigil")).await {
                return "closed";
            }
            let session = Session::new(doorway.clone(), config, hop, node);
            client.converse(session).await
        }
    })
    .await;
}

/// Who hands mail over.
struct Client {
    stream: Stream,
    from: String,
    intake: Intake,
    share: Share,
    doorway: Arc<Doorway>,
    idle: Duration,
}

impl Client {
    /// Serves it to its end; says how it ended.
    async fn converse(mut self, mut session: Session) -> &'static str {
        let mut bad = 0;
        loop {
            let line = match self.line(session.is_between_messages()).await {
                Ok(line) => line,
                Err(how) => return how,
            };
            let command = match Command::read(&line) {
                Ok(command) => command,
                Err(wrong) => {
                    bad += 1;
                    if bad > BAD_COMMANDS_MAX {
                        return self.bye("421 4.7.0 Too many errors").await;
                    }
                    if wrong == BadCommand::Unknown {
                        tracing::info!("{} says what is no command", self.from);
                    }
                    if !self.say(&wrong.to_string()).await {
                        return "closed";
                    }
                    continue;
                }
            };
            let text = String::from_utf8_lossy(&line);
            let next = match session.command(command, &text).await {
                Ok(next) => next,
                Err(lost) => {
                    tracing::error!("mail from {} waits: {lost}", self.from);
                    return self
                        .bye("421 4.3.2 The next server is lost, try again")
                        .await;
                }
            };
            match next {
                Next::Say(reply) => {
                    if !self.say(&reply).await {
                        return "closed";
                    }
                }
                Next::Quit(reply) => {
                    self.say(&reply).await;
                    return "quit";
                }
                Next::Message => {
                    if let Err(how) = self.message(&mut session).await {
                        return how;
                    }
                }
            }
        }
    }

    /// Reads the message and says what became of it.
    async fn message(&mut self, session: &mut Session) -> Result<(), &'static str> {
        if !self.say("354 End data with <CR><LF>.<CR><LF>").await {
            return Err("closed");
        }
        let bytes_max = self.doorway.engine.settings().limits.message_bytes_max;
        let mut incoming = Incoming::new(bytes_max);
        let mut no_room = false;
        let received = loop {
            if let Some(received) = self.intake.message(&mut incoming) {
                break received;
            }
            self.read(false).await?;
            if !self.share.holds(incoming.held_bytes()) && !no_room {
                no_room = true;
                incoming.drop_message();
                tracing::warn!(
                    "a message from {} is not read further: all messages together exceed limits.in_flight_bytes_max",
                    self.from
                );
            }
        };
        let replies = match session.message(received, no_room).await {
            Ok(replies) => replies,
            Err(lost) => {
                tracing::error!("mail from {} waits: {lost}", self.from);
                self.bye("421 4.3.2 The next server is lost, try again")
                    .await;
                return Err("closed");
            }
        };
        self.share.holds(0);
        for reply in replies {
            if !self.say(&reply).await {
                return Err("closed");
            }
        }
        Ok(())
    }

    /// The next command line. A drain ends the connection where nothing is under way.
    async fn line(&mut self, may_drain: bool) -> Result<Vec<u8>, &'static str> {
        loop {
            match self.intake.line() {
                Ok(Some(line)) => return Ok(line),
                Ok(None) => self.read(may_drain).await?,
                Err(too_long) => {
                    self.bye(&too_long.to_string()).await;
                    return Err("misbehaved");
                }
            }
        }
    }

    async fn read(&mut self, may_drain: bool) -> Result<(), &'static str> {
        let mut buffer = vec![0; READ_BYTES];
        let stop = self.doorway.stop.clone();
        let read = tokio::select! {
            read = self.stream.read(&mut buffer) => read,
            () = tokio::time::sleep(self.idle) => {
                self.bye("421 4.4.2 Nothing was said for too long").await;
                return Err("idle");
            }
            () = stop.cancelled(), if may_drain => {
                self.bye("421 4.3.2 Going down, come back in a moment").await;
                return Err("drained");
            }
        };
        match read {
            Ok(0) | Err(_) => Err("closed"),
            Ok(length) => {
                self.intake.push(&buffer[..length]);
                Ok(())
            }
        }
    }

    /// False when the client has gone.
    async fn say(&mut self, reply: &str) -> bool {
        let bytes = format!("{reply}\r\n");
        self.stream.write_all(bytes.as_bytes()).await.is_ok() && self.stream.flush().await.is_ok()
    }

    async fn bye(&mut self, reply: &str) -> &'static str {
        if self.say(reply).await {
            "quit"
        } else {
            "closed"
        }
    }
}
