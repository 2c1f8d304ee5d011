//! Everything judgement may look at, and nothing else.
//!
//! Facts are recorded beside each verdict, so that tomorrow's policy can be tried on yesterday's
//! mail. They hold no text of the message but short evidence: a part's text is skipped when facts
//! are written, while the [`Hit`]s found in it stay.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::conduct::Conduct;
use crate::learnt::{Campaign, Learnt};
use crate::standing::Ruling;
use crate::{Address, Authentication, Envelope, Known, Message};

/// All that is known about one message when it is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Who hands over what to whom.
    pub envelope: Envelope,
    /// The message, read.
    pub message: Message,
    /// Recipients for whom taking this mail would be relaying for a stranger.
    pub relayed_recipients: Vec<Address>,
    /// How much the same peer, sender and recipients have had lately, this message included.
    pub windows: Vec<WindowFact>,
    /// What the policy's terms and patterns matched, each with its place and evidence.
    pub hits: Vec<Hit>,
    /// Whether the sender is who it says, as DNS and signatures can tell.
    pub authentication: Known<Authentication>,
    /// What the standing of the domain it says to come from means for it, where that is anything.
    #[serde(default)]
    pub standing: Option<Ruling>,
    /// What stands against whoever hands it over, for what was done before, where that is anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conduct: Option<Conduct>,
    /// What the site's own learner thought of it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learnt: Option<Learnt>,
    /// Messages with about the same text that came before it, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Campaign>,
    /// A release mark that we did not make, or that was used before: why it was refused.
    pub refused_release_mark: Option<String>,
}

impl Facts {
    /// What a message says by itself, and nothing asked of anybody about it.
    pub fn new(envelope: Envelope, message: Message) -> Facts {
        Facts {
            envelope,
            message,
            relayed_recipients: Vec::new(),
            windows: Vec::new(),
            hits: Vec::new(),
            authentication: Known::NotAsked,
            standing: None,
            conduct: None,
            learnt: None,
            campaign: None,
            refused_release_mark: None,
        }
    }
}

/// Whose counts a window keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowKey {
    /// The connected machine; IPv6 by its /64.
    Peer(IpAddr),
    /// The account when there is one, else the envelope sender's key (see `Address::key`).
    Sender(String),
    /// The target mailbox (see `Address::key`).
    Recipient(String),
}

/// Counts for one key over one sliding window ending now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowFact {
    /// Whose.
    pub key: WindowKey,
    /// How far back, seconds.
    pub span_secs: u32,
    /// Messages, this one included.
    pub messages: u32,
    /// Their bytes, in units of 1,024, rounded up per message.
    pub kibibytes: u32,
    /// Their recipients.
    pub recipients: u32,
    /// About how many different peers (for a recipient or sender key).
    pub distinct_peers: u32,
    /// About how many different senders (for a recipient or peer key).
    pub distinct_senders: u32,
}

/// Where in a message something stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The decoded subject.
    Subject,
    /// Text of the body parts, as it is seen.
    Body,
    /// Text of HTML that is there and not seen.
    Hidden,
    /// Text of attachments.
    Attachment,
    /// An attachment's file name.
    FileName,
    /// A link, as a browser would ask for it.
    Url,
    /// A header field, by lower-case name.
    Header(String),
    /// The message as a whole: no text of it is quoted.
    Message,
}

impl Place {
    /// Is it part of what one person wrote to another, rather than of the envelope of it?
    pub const fn is_body(&self) -> bool {
        match self {
            Self::Body | Self::Hidden | Self::Attachment | Self::Url => true,
            Self::Subject | Self::FileName | Self::Header(_) | Self::Message => false,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Subject => f.write_str("subject"),
            Self::Body => f.write_str("body"),
            Self::Hidden => f.write_str("hidden text"),
            Self::Url => f.write_str("link"),
            Self::Attachment => f.write_str("attachment"),
            Self::FileName => f.write_str("file name"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Message => f.write_str("message"),
        }
    }
}

/// One term or pattern of the policy, found in one place of the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The keyword set or pattern list it belongs to, as the policy names it.
    pub set: String,
    /// The term or pattern as written in the policy.
    pub term: String,
    /// Where.
    pub place: Place,
    /// How often.
    pub count: u32,
    /// Word positions of the first matches (in CJK text each character is a word), for `near`.
    /// Positions of different parts never lie near each other.
    pub positions: Vec<u32>,
    /// The first match with a little text around it.
    pub evidence: String,
}

impl Facts {
    /// Takes off what is quoted from body or attachments: a summary holds no body. Of links the host stays, of contacts their kind.
    pub fn without_quotes(&mut self) {
        for hit in &mut self.hits {
            if hit.place.is_body() {
                hit.evidence.clear();
            }
        }
        for link in &mut self.message.links {
            link.url.clear();
        }
        for contact in &mut self.message.contacts {
            contact.value.clear();
        }
        if let Some(learnt) = &mut self.learnt {
            learnt.words.clear();
        }
    }
}
