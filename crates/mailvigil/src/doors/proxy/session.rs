//! One client's session: its commands, relayed, and what they add to the envelope.

use std::sync::Arc;

use engine::{Abilities, Question};
use mail::{Address, Envelope};
use wire::smtp::{ATTRIBUTES, Command, Received, Reply, attribute_ip};

use super::hop::{Hop, Lost};
use crate::config::{Protocol, ProxyConfig};
use crate::doors::accept::Doorway;

/// Extensions that go through unchanged when the next hop offers them. CHUNKING is not among them: a message is judged before it goes on.
const THROUGH: [&str; 4] = ["8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"];

/// One session.
pub(super) struct Session {
    pub(super) doorway: Arc<Doorway>,
    pub(super) config: Arc<ProxyConfig>,
    pub(super) hop: Hop,
    node: String,
    /// The client's own name.
    hello: Option<String>,
    /// Whom it stands for.
    told: Vec<(String, Option<String>)>,
    pub(super) mail: Option<Mail>,
}

/// A message whose commands were taken by the next hop.
pub(super) struct Mail {
    from: Option<Address>,
    /// The commands as given, for when they must be given again.
    pub(super) command: String,
    pub(super) recipients: Vec<(Address, String)>,
}

/// What the client is told.
pub(super) enum Next {
    Say(String),
    Quit(String),
    /// It may send the message.
    Message,
}

impl Session {
    pub(super) fn new(
        doorway: Arc<Doorway>,
        config: Arc<ProxyConfig>,
        hop: Hop,
        node: String,
    ) -> Self {
        Self {
            doorway,
            config,
            hop,
            node,
            hello: None,
            told: Vec::new(),
            mail: None,
        }
    }

    /// Nothing is lost when it ends here.
    pub(super) const fn is_between_messages(&self) -> bool {
        self.mail.is_none()
    }

    /// Carries out one command; `line` is it as given.
    pub(super) async fn command(&mut self, command: Command, line: &str) -> Result<Next, Lost> {
        match command {
            Command::Hello { verb, name } => self.hello(verb, &name).await,
            Command::Mail { from, size } => self.mail(from, size, line).await,
            Command::Rcpt(to) => self.recipient(to, line).await,
            Command::Data => Ok(match &self.mail {
                Some(mail) if !mail.recipients.is_empty() => Next::Message,
                Some(_) => say("554 5.5.1 No recipient was taken"),
                None => say("503 5.5.1 MAIL first"),
            }),
            Command::Rset => {
                self.reset().await?;
                Ok(say("250 2.0.0 Ok"))
            }
            Command::Noop => Ok(say("250 2.0.0 Ok")),
            Command::Vrfy => Ok(say("252 2.5.0 Send it and see")),
            Command::Quit => {
                // Whether it says goodbye too makes no difference any more.
                let _ = self.hop.say("QUIT").await;
                Ok(Next::Quit("221 2.0.0 Bye".to_owned()))
            }
            Command::Xforward(told) => self.forward(told).await,
            Command::Xclient(told) => self.stand_for(told).await,
        }
    }

    async fn hello(&mut self, verb: &str, name: &str) -> Result<Next, Lost> {
        if (verb == "LHLO") != (self.config.protocol == Protocol::Lmtp) {
            return Ok(say(
                "500 5.5.1 This is the other protocol, see proxy.protocol",
            ));
        }
        let reply = self.hop.hello(name).await?;
        if !reply.is_positive() {
            return Ok(Next::Say(as_given(&reply)));
        }
        self.hello = Some(name.to_owned());
        self.mail = None;
        if verb == "HELO" {
            return Ok(Next::Say(format!("250 {}", self.node)));
        }
        let limit = self.doorway.engine.settings().limits.message_bytes_max as u64;
        let mut lines = vec![self.node.clone(), "PIPELINING".to_owned()];
        let theirs = self
            .hop
            .offer("SIZE")
            .and_then(|size| size.split(' ').nth(1)?.parse().ok());
        let size = theirs
            .filter(|size| *size > 0)
            .map_or(limit, |size: u64| size.min(limit));
        lines.push(format!("SIZE {size}"));
        let through = THROUGH
            .iter()
            .filter_map(|extension| self.hop.offer(extension));
        lines.extend(through.map(str::to_owned));
        lines.push(format!("XFORWARD {}", attributes(&["LOGIN"])));
        lines.push(format!("XCLIENT {}", attributes(&["IDENT", "SOURCE"])));
        Ok(Next::Say(many(250, &lines)))
    }

    async fn mail(
        &mut self,
        from: Option<Address>,
        size: Option<u64>,
        line: &str,
    ) -> Result<Next, Lost> {
        if self.hello.is_none() {
            return Ok(say("503 5.5.1 EHLO first"));
        }
        if self.mail.is_some() {
            return Ok(say("503 5.5.1 One message at a time"));
        }
        let limit = self.doorway.engine.settings().limits.message_bytes_max as u64;
        if size.is_some_and(|size| size > limit) {
            return Ok(Next::Say(too_long(limit)));
        }
        let reply = self.hop.say(line).await?;
        if reply.is_positive() {
            self.mail = Some(Mail {
                from,
                command: line.to_owned(),
                recipients: Vec::new(),
            });
        }
        Ok(Next::Say(as_given(&reply)))
    }

    async fn recipient(&mut self, to: Address, line: &str) -> Result<Next, Lost> {
        let Some(envelope) = self.envelope() else {
            return Ok(say("503 5.5.1 MAIL first"));
        };
        let limits = &self.doorway.engine.settings().limits;
        if envelope.recipients.len() >= limits.recipients_max {
            return Ok(say("452 4.5.3 Too many recipients, send the rest apart"));
        }
        if let Some(refusal) = self.doorway.engine.recipient(&envelope, &to) {
            let text = refusal.text;
            return Ok(Next::Say(format!(
                "{} {} {}",
                text.code, text.enhanced, text.text
            )));
        }
        let reply = self.hop.say(line).await?;
        if reply.is_positive()
            && let Some(mail) = &mut self.mail
        {
            mail.recipients.push((to, line.to_owned()));
        }
        Ok(Next::Say(as_given(&reply)))
    }

    async fn forward(&mut self, told: Vec<(String, Option<String>)>) -> Result<Next, Lost> {
        if self.mail.is_some() {
            return Ok(say("503 5.5.1 Before MAIL"));
        }
        let known = self.hop.offer("XFORWARD").map(str::to_owned);
        if let Some(line) = known.and_then(|offer| relayed("XFORWARD", &offer, &told)) {
            let reply = self.hop.say(&line).await?;
            if !reply.is_positive() {
                return Ok(Next::Say(as_given(&reply)));
            }
        }
        self.note(told);
        Ok(say("250 2.0.0 Ok"))
    }

    /// The session begins anew, as somebody else's.
    async fn stand_for(&mut self, told: Vec<(String, Option<String>)>) -> Result<Next, Lost> {
        if self.mail.is_some() {
            return Ok(say("503 5.5.1 Before MAIL"));
        }
        let known = self.hop.offer("XCLIENT").map(str::to_owned);
        if let Some(line) = known.and_then(|offer| relayed("XCLIENT", &offer, &told)) {
            let reply = self.hop.say(&line).await?;
            if !reply.is_positive() {
                return Ok(Next::Say(as_given(&reply)));
            }
        }
        self.note(told);
        self.hello = None;
        Ok(Next::Say(format!("220 {} Mailvigil", self.node)))
    }

    /// What is said later replaces what was said before.
    fn note(&mut self, told: Vec<(String, Option<String>)>) {
        self.told
            .retain(|(name, _)| !told.iter().any(|(new, _)| new == name));
        self.told.extend(told);
    }

    /// Takes the message back at the next hop.
    pub(super) async fn reset(&mut self) -> Result<(), Lost> {
        self.mail = None;
        self.hop.say("RSET").await.map(|_| ())
    }

    /// What is known about the message, once there is one.
    fn envelope(&self) -> Option<Envelope> {
        let mail = self.mail.as_ref()?;
        let told = |name: &str| {
            let found = self.told.iter().find(|(one, _)| one == name);
            found.and_then(|(_, value)| value.clone())
        };
        let mut envelope = Envelope::new(engine::clock::now(), "proxy");
        envelope.server = self.hello.clone().unwrap_or_default();
        envelope.peer.untold =
            told("ADDR").is_none() && told("SOURCE").is_none_or(|source| source != "LOCAL");
        envelope.peer.ip = told("ADDR").as_deref().and_then(attribute_ip);
        envelope.peer.port = told("PORT").and_then(|port| port.parse().ok());
        envelope.peer.ptr_name = told("NAME");
        envelope.helo_name = told("HELO");
        envelope.queue_id = told("IDENT");
        envelope.account = told("LOGIN");
        envelope.envelope_from = mail.from.clone();
        envelope.recipients = mail.recipients.iter().map(|(to, _)| to.clone()).collect();
        Some(envelope)
    }

    /// A server that forwards without XFORWARD has written who came to it on top of the message.
    fn look_up_peer(&self, envelope: &mut Envelope, raw: &[u8]) {
        let settings = self.doorway.engine.settings();
        let by_header = engine::envelope_by_header(raw, &settings.site, &settings.limits);
        envelope.peer = by_header.peer;
        envelope.helo_name = by_header.helo_name;
    }

    /// Judges the message and sees it through; gives one reply, or by LMTP one for each recipient.
    pub(super) async fn message(
        &mut self,
        received: Received,
        no_room: bool,
    ) -> Result<Vec<String>, Lost> {
        let Some(mut envelope) = self.envelope() else {
            return Ok(vec!["503 5.5.1 MAIL first".to_owned()]);
        };
        let recipients = envelope.recipients.len();
        let limit = self.doorway.engine.settings().limits.message_bytes_max as u64;
        let Some(raw) = received.message else {
            self.reset().await?;
            let reply = if no_room {
                "452 4.3.1 No room for this message now".to_owned()
            } else {
                too_long(limit)
            };
            return Ok(self.for_all(&reply, recipients));
        };
        if envelope.peer.untold {
            self.look_up_peer(&mut envelope, &raw);
        }
        let question = Question {
            envelope,
            raw: raw.clone(),
            not_read: None,
            abilities: Abilities {
                hold: false,
                answer_each: self.config.protocol == Protocol::Lmtp,
                ..Abilities::ALL
            },
        };
        let engine = self.doorway.engine.clone();
        let answer = engine.question(question).await;
        let replies = self.carry_out(answer, raw).await?;
        self.mail = None;
        Ok(replies)
    }

    /// The same for everybody.
    pub(super) fn for_all(&self, reply: &str, recipients: usize) -> Vec<String> {
        let count = match self.config.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        };
        vec![reply.to_owned(); count]
    }
}

fn say(reply: &str) -> Next {
    Next::Say(reply.to_owned())
}

fn too_long(limit: u64) -> String {
    format!("552 5.3.4 Message longer than {limit} bytes")
}

fn attributes(without: &[&str]) -> String {
    let all = ATTRIBUTES.split(' ').filter(|name| !without.contains(name));
    all.collect::<Vec<_>>().join(" ")
}

/// The next hop's reply with all its lines.
pub(super) fn as_given(reply: &Reply) -> String {
    many(reply.code, &reply.lines)
}

fn many(code: u16, lines: &[String]) -> String {
    let last = lines.len().saturating_sub(1);
    let lines = lines.iter().enumerate().map(|(at, line)| {
        let mark = if at == last { ' ' } else { '-' };
        format!("{code}{mark}{line}")
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

/// The command with those attributes that the next hop takes.
fn relayed(verb: &str, offer: &str, told: &[(String, Option<String>)]) -> Option<String> {
    let known: Vec<&str> = offer.split(' ').skip(1).collect();
    let pairs: Vec<String> = told
        .iter()
        .filter(|(name, _)| known.contains(&name.as_str()))
        .map(|(name, value)| match value {
            Some(value) => format!("{name}={}", xtext(value)),
            None => format!("{name}=[UNAVAILABLE]"),
        })
        .collect();
    (!pairs.is_empty()).then(|| format!("{verb} {}", pairs.join(" ")))
}

/// RFC 3461 §4.
fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b'!'..=b'~') && byte != b'+' && byte != b'=' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("+{byte:02X}"));
        }
    }
    out
}
