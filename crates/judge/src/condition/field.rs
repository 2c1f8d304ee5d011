//! The fields a rule can ask about, by the names an operator knows.

use std::borrow::Cow;

use mail::message::Mailbox;
use mail::{Address, Facts};

use super::Value;
use super::authenticity::AuthField;

/// One field of envelope or message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    EnvelopeFrom,
    EnvelopeFromDomain,
    HeaderFrom,
    HeaderFromDomain,
    HeaderFromName,
    ReplyTo,
    Recipient,
    RecipientDomain,
    To,
    Cc,
    Subject,
    SourceIp,
    Helo,
    PtrName,
    Account,
    Server,
    Direction,
    Tls,
    Received,
    MessageId,
    Size,
    RecipientCount,
    PartType,
    FileName,
    RealType,
    Finding,
    LinkHost,
    LinkDomain,
    LinkOddity,
    Contact,
    Oddity,
    Authenticity(AuthField),
    Header(String),
}

/// Name and meaning of every field; the manual's table is made from it.
pub(crate) const FIELDS: [(&str, Field, &str); 45] = [
    (
        "envelope-from",
        Field::EnvelopeFrom,
        "MAIL FROM; no value for the null sender",
    ),
    (
        "envelope-from-domain",
        Field::EnvelopeFromDomain,
        "its domain",
    ),
    ("header-from", Field::HeaderFrom, "addresses of From"),
    (
        "header-from-domain",
        Field::HeaderFromDomain,
        "their domains",
    ),
    (
        "header-from-name",
        Field::HeaderFromName,
        "display names of From",
    ),
    ("reply-to", Field::ReplyTo, "addresses of Reply-To"),
    ("recipient", Field::Recipient, "RCPT TO"),
    ("recipient-domain", Field::RecipientDomain, "their domains"),
    ("to", Field::To, "addresses of To"),
    ("cc", Field::Cc, "addresses of Cc"),
    ("subject", Field::Subject, "the decoded subject"),
    ("source-ip", Field::SourceIp, "the connected machine"),
    ("helo", Field::Helo, "what it calls itself"),
    ("ptr-name", Field::PtrName, "its verified name"),
    ("account", Field::Account, "the authenticated account"),
    ("server", Field::Server, "the mail server that asks"),
    (
        "direction",
        Field::Direction,
        "inbound, outbound or internal",
    ),
    ("tls", Field::Tls, "TLS version of the connection"),
    (
        "received",
        Field::Received,
        "names and addresses of the Received path",
    ),
    ("message-id", Field::MessageId, "Message-ID"),
    ("size", Field::Size, "bytes of the message"),
    (
        "recipient-count",
        Field::RecipientCount,
        "number of recipients",
    ),
    ("part-type", Field::PartType, "declared types of the parts"),
    ("file-name", Field::FileName, "file names of attachments"),
    (
        "real-type",
        Field::RealType,
        "types of the parts by their content, also inside archives",
    ),
    (
        "finding",
        Field::Finding,
        "what was found by looking into parts, e.g. macro, encrypted, program, disguised, bomb",
    ),
    ("link-host", Field::LinkHost, "hosts that links lead to"),
    ("link-domain", Field::LinkDomain, "their registered domains"),
    (
        "link-oddity",
        Field::LinkOddity,
        "what is odd about links, e.g. shows-other-domain, address-host, lookalike, shortener",
    ),
    (
        "contact",
        Field::Contact,
        "kinds of contacts named: phone, bitcoin, ethereum, tron, litecoin, monero",
    ),
    (
        "oddity",
        Field::Oddity,
        "what is malformed, e.g. no-date, bad-encoding",
    ),
    (
        "spf",
        Field::Authenticity(AuthField::Spf),
        "result of SPF for MAIL FROM: pass, fail, softfail, neutral, none, temperror, permerror",
    ),
    (
        "spf-helo",
        Field::Authenticity(AuthField::SpfHelo),
        "the same for the HELO name",
    ),
    (
        "dkim",
        Field::Authenticity(AuthField::Dkim),
        "results of its signatures: pass, fail, policy, neutral, temperror, permerror; none without any",
    ),
    (
        "dkim-domain",
        Field::Authenticity(AuthField::DkimDomain),
        "domains whose signature holds",
    ),
    (
        "dmarc",
        Field::Authenticity(AuthField::Dmarc),
        "result of DMARC: pass, fail, none, temperror, permerror",
    ),
    (
        "dmarc-asks",
        Field::Authenticity(AuthField::DmarcAsks),
        "what the visible sender's domain asks for this message: none, quarantine, reject",
    ),
    (
        "arc",
        Field::Authenticity(AuthField::Arc),
        "the chain of forwarders: pass, fail, none, temperror",
    ),
    (
        "signed",
        Field::Authenticity(AuthField::Signed),
        "by the visible sender's domain: authentic, unsigned, unauthentic, unknown",
    ),
    (
        "alleged-domain",
        Field::Authenticity(AuthField::AllegedDomain),
        "the domain of the one visible sender",
    ),
    (
        "organisation",
        Field::Authenticity(AuthField::Organisation),
        "the organisation it belongs to",
    ),
    (
        "sender-domain",
        Field::Authenticity(AuthField::SenderDomain),
        "who could be answered there: mx, address, null-mx, no, no-domain",
    ),
    (
        "helo-flaw",
        Field::Authenticity(AuthField::HeloFlaw),
        "missing, no-name, bare-address, other-address, ours, unresolved, elsewhere",
    ),
    (
        "ptr",
        Field::Authenticity(AuthField::Ptr),
        "the machine's name: confirmed, unconfirmed, generic, none",
    ),
    (
        "claims-to-be-ours",
        Field::Authenticity(AuthField::ClaimsToBeOurs),
        "where mail from outside names us: helo, envelope-from, header-from, header-sender",
    ),
];

impl Field {
    /// Reads a field's name.
    pub(crate) fn read(name: &str) -> Result<Self, String> {
        if let Some(header) = name
            .strip_prefix("header:")
            .filter(|header| !header.is_empty())
        {
            return Ok(Self::Header(header.to_owned()));
        }
        let known = FIELDS.iter().find(|(known, _, _)| *known == name);
        known
            .map(|(_, field, _)| field.clone())
            .ok_or_else(|| format!("{name:?} is no field"))
    }

    /// Is it known only with the message text?
    pub(crate) const fn needs_text(&self) -> bool {
        match self {
            Self::EnvelopeFrom
            | Self::EnvelopeFromDomain
            | Self::Recipient
            | Self::RecipientDomain
            | Self::SourceIp
            | Self::Helo
            | Self::PtrName
            | Self::Account
            | Self::Server
            | Self::Direction
            | Self::Tls => false,
            Self::HeaderFrom
            | Self::HeaderFromDomain
            | Self::HeaderFromName
            | Self::ReplyTo
            | Self::To
            | Self::Cc
            | Self::Subject
            | Self::Received
            | Self::MessageId
            | Self::Size
            | Self::RecipientCount
            | Self::PartType
            | Self::FileName
            | Self::RealType
            | Self::Finding
            | Self::LinkHost
            | Self::LinkDomain
            | Self::LinkOddity
            | Self::Contact
            | Self::Oddity
            | Self::Authenticity(_)
            | Self::Header(_) => true,
        }
    }

    /// Its values, for these recipients. `each` says true to stop, and so does this.
    pub(crate) fn any<'f>(
        &self,
        facts: &'f Facts,
        recipients: &'f [Address],
        each: &mut dyn FnMut(Value<'f>) -> bool,
    ) -> bool {
        let envelope = &facts.envelope;
        let message = &facts.message;
        let domain = |address: &Address| {
            address
                .domain()
                .map(|domain| Value::Text(Cow::Owned(domain.to_string())))
        };
        let key = |address: &'f Address| Value::Text(Cow::Owned(address.key()));
        let boxes =
            |boxes: &'f [Mailbox]| boxes.iter().filter_map(|mailbox| mailbox.address.as_ref());
        match self {
            Self::EnvelopeFrom => envelope.envelope_from.iter().map(key).any(each),
            Self::EnvelopeFromDomain => envelope.envelope_from.iter().filter_map(domain).any(each),
            Self::HeaderFrom => boxes(&message.header_from).map(key).any(each),
            Self::HeaderFromDomain => boxes(&message.header_from).filter_map(domain).any(each),
            Self::HeaderFromName => message
                .header_from
                .iter()
                .filter_map(|from| text(from.name.as_deref()))
                .any(each),
            Self::ReplyTo => boxes(&message.reply_to).map(key).any(each),
            Self::Recipient => recipients.iter().map(key).any(each),
            Self::RecipientDomain => recipients.iter().filter_map(domain).any(each),
            Self::To => boxes(&message.header_to).map(key).any(each),
            Self::Cc => boxes(&message.cc).map(key).any(each),
            Self::Subject => text(Some(&message.subject)).into_iter().any(each),
            Self::SourceIp => envelope.peer.ip.map(Value::Ip).into_iter().any(each),
            Self::Helo => text(envelope.helo_name.as_deref()).into_iter().any(each),
            Self::PtrName => text(envelope.peer.ptr_name.as_deref())
                .into_iter()
                .any(each),
            Self::Account => text(envelope.account.as_deref()).into_iter().any(each),
            Self::Server => text(Some(&envelope.server)).into_iter().any(each),
            Self::Direction => each(Value::Text(Cow::Borrowed(envelope.direction.as_str()))),
            Self::Tls => envelope
                .tls
                .as_ref()
                .and_then(|tls| text(Some(&tls.version)))
                .into_iter()
                .any(each),
            Self::Received => message.received.iter().any(|hop| {
                let names = [&hop.helo_name, &hop.ptr_name, &hop.by];
                names
                    .into_iter()
                    .filter_map(|name| text(name.as_deref()))
                    .any(&mut *each)
                    || hop.ip.map(Value::Ip).into_iter().any(&mut *each)
            }),
            Self::MessageId => text(message.message_id.as_deref()).into_iter().any(each),
            Self::Size => each(Value::Number(message.size_bytes as f64)),
            Self::RecipientCount => each(Value::Number(recipients.len() as f64)),
            Self::PartType => message
                .parts
                .iter()
                .filter_map(|part| text(Some(&part.content_type)))
                .any(each),
            Self::FileName => message
                .parts
                .iter()
                .filter_map(|part| text(part.file_name.as_deref()))
                .any(each),
            Self::Oddity => message
                .oddities
                .iter()
                .map(|oddity| Value::Text(Cow::Owned(oddity.name())))
                .any(each),
            Self::RealType => message
                .parts
                .iter()
                .filter_map(|part| text(part.real_type.as_deref()))
                .any(each),
            Self::Finding => message
                .parts
                .iter()
                .flat_map(|part| &part.findings)
                .map(|finding| Value::Text(Cow::Owned(finding.name())))
                .any(each),
            Self::LinkHost => message
                .links
                .iter()
                .filter_map(|link| text(Some(&link.host)))
                .any(each),
            Self::LinkDomain => message
                .links
                .iter()
                .filter_map(|link| text(Some(&link.domain)))
                .any(each),
            Self::LinkOddity => message
                .links
                .iter()
                .flat_map(|link| &link.oddities)
                .map(|oddity| Value::Text(Cow::Owned(oddity.name())))
                .any(each),
            Self::Contact => message
                .contacts
                .iter()
                .map(|contact| Value::Text(Cow::Owned(contact.kind.name())))
                .any(each),
            Self::Authenticity(field) => field.any(facts, each),
            Self::Header(name) => message
                .headers
                .iter()
                .filter(|header| header.name.eq_ignore_ascii_case(name))
                .map(|header| Value::Text(Cow::Borrowed(&header.value)))
                .any(each),
        }
    }
}

fn text(value: Option<&str>) -> Option<Value<'_>> {
    value
        .filter(|value| !value.is_empty())
        .map(|value| Value::Text(Cow::Borrowed(value)))
}
