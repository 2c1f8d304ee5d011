//! Our side's state machine: what each command means where the conversation stands.

use mail::{Address, Envelope, Limits, Timestamp, Tls};

use super::answer::{Answer, CustomReply, Response};
use super::command::{Command, Family, Strings, join};
use super::frame::put_frame;
use super::macros::{Macro, Macros};
use super::message::{Cutter, Mail, Rebuilt, Recipient};
use super::misbehaviour::PeerMisbehaved;
use super::modification::Modification;
use super::negotiation::{Negotiated, Offer, Steps};
use super::peer::Peer;
use super::session::Event;

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Fresh,
    Negotiated,
    Connected,
    Envelope,
    AskedRecipient,
    Headers,
    Body,
    AskedMessage,
    Ended,
}

impl Phase {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Fresh => "before the negotiation",
            Self::Negotiated => "before the connection was announced",
            Self::Connected => "while no message was under way",
            Self::Envelope => "among sender and recipients",
            Self::Headers => "among the header fields",
            Self::Body => "after the header fields",
            Self::AskedRecipient | Self::AskedMessage => "before the answer",
            Self::Ended => "after the end",
        }
    }
}

/// A message while it arrives.
#[derive(Debug)]
pub(super) struct Draft {
    envelope_from: Option<Address>,
    mail_args: String,
    pub(super) recipients: Vec<Recipient>,
    recipients_refused: u64,
    pub(super) rebuilt: Rebuilt,
    /// Was the server told to leave the rest of the body out?
    skipped: bool,
}

/// Everything but the bytes not yet split into frames.
#[derive(Debug)]
pub(super) struct Dialogue {
    pub(super) limits: Limits,
    pub(super) phase: Phase,
    pub(super) negotiated: Option<Negotiated>,
    pub(super) output: Vec<u8>,
    macros: Macros,
    client: Option<Peer>,
    helo_name: Option<String>,
    pub(super) draft: Option<Draft>,
    /// Set exactly in [`Phase::AskedRecipient`].
    pub(super) asked: Option<Recipient>,
    /// Recipients of the message asked about whose path is not plainly `<address>`.
    odd_paths: Vec<(Address, String)>,
    cutter: Cutter,
    /// Was anything of the connection cut, which all its messages share?
    connection_cut: bool,
}

impl Dialogue {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            phase: Phase::Fresh,
            negotiated: None,
            output: Vec::new(),
            macros: Macros::default(),
            client: None,
            helo_name: None,
            draft: None,
            asked: None,
            odd_paths: Vec::new(),
            cutter: Cutter::new(limits.address_bytes_max),
            connection_cut: false,
        }
    }

    /// Nothing more is read: an answer is awaited, or all is over.
    pub(super) const fn is_waiting(&self) -> bool {
        matches!(
            self.phase,
            Phase::AskedRecipient | Phase::AskedMessage | Phase::Ended
        )
    }

    pub(super) fn take(&mut self, command: Command<'_>) -> Result<Option<Event>, PeerMisbehaved> {
        let out_of_order = PeerMisbehaved::OutOfOrder {
            command: command.name(),
            phase: self.phase.in_words(),
        };
        match (self.phase, command) {
            (_, Command::Quit) => return Ok(Some(Event::Quit)),
            (Phase::Fresh, Command::Negotiate(offer)) => self.negotiate(&offer)?,
            (Phase::Fresh, _) | (_, Command::Negotiate(_)) => return Err(out_of_order),

            (_, Command::Macros { stage, pairs }) => {
                if let Some(stage) = stage {
                    self.macros.set(stage, pairs, &mut self.cutter);
                }
            }
            (_, Command::Abort) => {
                let was_under_way = self.draft.is_some();
                self.forget_message();
                return Ok(was_under_way.then_some(Event::Aborted));
            }
            (_, Command::QuitNewConnection) => {
                self.forget_client();
                return Ok(Some(Event::NewConnection));
            }
            (_, Command::Unknown(_)) => self.unless(Steps::NO_REPLY_UNKNOWN),

            (
                Phase::Negotiated,
                Command::Connect {
                    host,
                    family,
                    port,
                    address,
                },
            ) => {
                self.client = Some(Peer::read(host, family, port, address, &mut self.cutter)?);
                self.connection_cut = self.cutter.cut;
                self.phase = Phase::Connected;
                self.unless(Steps::NO_REPLY_CONNECT);
            }
            (Phase::Connected, Command::Helo(name)) => {
                self.helo_name = Some(self.cutter.text(name)).filter(|name| !name.is_empty());
                self.connection_cut |= self.cutter.cut;
                self.unless(Steps::NO_REPLY_HELO);
            }
            (Phase::Connected, Command::Mail { path, args }) => self.begin(path, args),
            (Phase::Envelope, Command::Recipient { path, args }) => {
                return Ok(self.ask_recipient(path, args));
            }
            (Phase::Envelope, Command::Data) => self.unless(Steps::NO_REPLY_DATA),
            (Phase::Envelope | Phase::Headers, Command::Header { name, value }) => {
                self.header(name, value);
            }
            (Phase::Envelope | Phase::Headers, Command::EndOfHeaders) => {
                self.end_of_headers();
                self.unless(Steps::NO_REPLY_END_OF_HEADERS);
            }
            (Phase::Envelope | Phase::Headers | Phase::Body, Command::Body(chunk)) => {
                self.end_of_headers();
                self.body(chunk);
            }
            (Phase::Envelope | Phase::Headers | Phase::Body, Command::EndOfMessage(chunk)) => {
                self.end_of_headers();
                return Ok(self.ask_message(chunk).map(Event::Message));
            }
            (_, _) => return Err(out_of_order),
        }
        Ok(None)
    }

    fn negotiate(&mut self, offer: &Offer) -> Result<(), PeerMisbehaved> {
        let negotiated = Negotiated::choose(offer)?;
        negotiated.encode(&mut self.output);
        self.negotiated = Some(negotiated);
        self.phase = Phase::Negotiated;
        Ok(())
    }

    fn begin(&mut self, path: &[u8], args: Strings<'_>) {
        let path = self.path(path);
        self.draft = Some(Draft {
            envelope_from: Address::from_path(&path, self.limits.address_bytes_max),
            mail_args: self.cutter.args(args.iter()),
            recipients: Vec::new(),
            recipients_refused: 0,
            rebuilt: Rebuilt::new(self.limits.message_bytes_max),
            skipped: false,
        });
        self.phase = Phase::Envelope;
        self.unless(Steps::NO_REPLY_MAIL);
    }

    /// Brackets do not count as part of the address when it is cut.
    fn path(&mut self, path: &[u8]) -> String {
        let bare = path.strip_prefix(b"<").unwrap_or(path);
        let bare = bare.strip_suffix(b">").unwrap_or(bare);
        self.cutter.text(bare)
    }

    /// The question, unless the door itself must refuse. A recipient is never cut or repaired: the
    /// message would go to somebody else.
    fn ask_recipient(&mut self, path: &[u8], args: Strings<'_>) -> Option<Event> {
        let limits = &self.limits;
        let taken = self
            .draft
            .as_ref()
            .map_or(0, |draft| draft.recipients.len());
        let address = match str::from_utf8(path) {
            _ if taken >= limits.recipients_max => Err((452, "4.5.3", "too many recipients")),
            _ if path.len() > limits.address_bytes_max => Err((501, "5.1.3", "address too long")),
            Err(_) => Err((501, "5.1.3", "address is not UTF-8")),
            Ok(path) => Address::from_path(path, limits.address_bytes_max)
                .map(|address| (address, path.to_owned()))
                .ok_or((501, "5.1.3", "recipient is empty")),
        };
        match address {
            Ok((address, path)) => {
                let recipient = Recipient {
                    address,
                    path,
                    args: self.cutter.args(args.iter()),
                };
                self.asked = Some(recipient.clone());
                self.phase = Phase::AskedRecipient;
                Some(Event::Recipient(recipient))
            }
            Err((code, enhanced, text)) => {
                if let Some(draft) = &mut self.draft {
                    draft.recipients_refused += 1;
                }
                let answer = match CustomReply::new(code, enhanced, text) {
                    Ok(reply) => Answer::Custom(reply),
                    // Cannot happen: all three are well-formed.
                    Err(_) => Answer::Tempfail,
                };
                self.respond(&Response::Answer(answer));
                None
            }
        }
    }

    fn header(&mut self, name: &[u8], value: &[u8]) {
        let exact = self.has(Steps::LEADING_SPACE);
        if let Some(draft) = &mut self.draft {
            draft.rebuilt.header(name, value, exact);
        }
        self.phase = Phase::Headers;
        self.unless(Steps::NO_REPLY_HEADER);
    }

    /// Once; a server that sends no such step is understood by its first body chunk.
    fn end_of_headers(&mut self) {
        if self.phase != Phase::Body {
            if let Some(draft) = &mut self.draft {
                draft.rebuilt.end_of_headers();
            }
            self.phase = Phase::Body;
        }
    }

    /// A message beyond the limit is not even sent on where the server can leave the rest out. That
    /// needs an answer to each chunk, which is not asked for where it can be saved.
    fn body(&mut self, chunk: &[u8]) {
        let may_skip = self.has(Steps::SKIP) && !self.has(Steps::NO_REPLY_BODY);
        let mut skip = false;
        if let Some(draft) = &mut self.draft {
            draft.rebuilt.body(chunk);
            skip = may_skip && draft.rebuilt.is_dropped() && !draft.skipped;
            draft.skipped |= skip;
        }
        if skip {
            self.respond(&Response::Skip);
        } else {
            self.unless(Steps::NO_REPLY_BODY);
        }
    }

    /// The question of the whole conversation.
    fn ask_message(&mut self, last_chunk: &[u8]) -> Option<Box<Mail>> {
        let mut draft = self.draft.take()?;
        draft.rebuilt.body(last_chunk);
        self.phase = Phase::AskedMessage;
        self.odd_paths = draft
            .recipients
            .iter()
            .filter(|to| to.path != format!("<{}>", to.address))
            .map(|to| (to.address.clone(), to.path.clone()))
            .collect();
        let (raw, size_bytes, dropped) = draft.rebuilt.finish();
        Some(Box::new(Mail {
            envelope_from: draft.envelope_from,
            mail_args: draft.mail_args,
            recipients: draft.recipients,
            recipients_refused: draft.recipients_refused,
            raw,
            size_bytes,
            dropped,
            ..self.facts()
        }))
    }

    /// All that is known beside the message itself.
    fn facts(&self) -> Mail {
        let client = self.client.as_ref();
        let known = |name| self.macros.get(name).map(str::to_owned);
        Mail {
            server: known(Macro::Server).unwrap_or_default(),
            daemon_name: known(Macro::DaemonName),
            daemon_addr: known(Macro::DaemonAddr),
            software: known(Macro::Software),
            queue_id: known(Macro::QueueId),
            family: client.map_or(Family::Unknown, |client| client.family),
            ip: client.and_then(|client| client.ip),
            port: client.and_then(|client| client.port),
            host: client.map_or_else(String::new, |client| client.host.clone()),
            ptr_name: client
                .and_then(|client| client.verified_name(self.macros.get(Macro::ClientInWords))),
            helo_name: self.helo_name.clone(),
            tls: known(Macro::TlsVersion).map(|version| Tls {
                version,
                cipher: known(Macro::Cipher).unwrap_or_default(),
            }),
            account: known(Macro::Account),
            auth_method: known(Macro::AuthType),
            envelope_from: None,
            mail_args: String::new(),
            recipients: Vec::new(),
            recipients_refused: 0,
            raw: Vec::new(),
            size_bytes: 0,
            dropped: None,
            cut: self.cutter.cut,
        }
    }

    /// The envelope while recipients are asked about.
    pub(super) fn envelope(&self, received_at: Timestamp) -> Option<Envelope> {
        let draft = self.draft.as_ref()?;
        let mail = Mail {
            envelope_from: draft.envelope_from.clone(),
            ..self.facts()
        };
        Some(mail.envelope(received_at))
    }

    /// One change, said in the words the server used for the recipient.
    pub(super) fn modify(&mut self, modification: &Modification) {
        let leading_space = self.has(Steps::LEADING_SPACE);
        if let Modification::DeleteRecipient(address) = modification
            && let Some((_, path)) = self.odd_paths.iter().find(|(odd, _)| odd == address)
        {
            put_frame(&mut self.output, b'-', &[&join([path.as_str()])]);
            return;
        }
        modification.encode(leading_space, &mut self.output);
    }

    pub(super) fn respond(&mut self, response: &Response) {
        let leading_space = self.has(Steps::LEADING_SPACE);
        response.encode(leading_space, &mut self.output);
    }

    /// "Go on", unless it was agreed that this step needs no answer.
    fn unless(&mut self, no_reply: Steps) {
        if !self.has(no_reply) {
            self.respond(&Response::Answer(Answer::Continue));
        }
    }

    fn has(&self, step: Steps) -> bool {
        self.negotiated.is_some_and(|agreed| agreed.has(step))
    }

    /// Back to where the next sender may come; connection and HELO stay.
    pub(super) fn forget_message(&mut self) {
        self.draft = None;
        self.asked = None;
        self.odd_paths = Vec::new();
        self.cutter.cut = self.connection_cut;
        self.macros.forget_message();
        if self.client.is_some() {
            self.phase = Phase::Connected;
        }
    }

    /// Back to where the next client may come; the negotiation stays.
    fn forget_client(&mut self) {
        self.connection_cut = false;
        self.forget_message();
        self.macros.forget_all();
        self.client = None;
        self.helo_name = None;
        self.phase = Phase::Negotiated;
    }
}
