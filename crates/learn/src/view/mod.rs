//! What the linear models see of a message: numbers of features, from two points of view.
//!
//! *Grams* are windows of four bytes: they need no language, survive misspelling, and carry a large stream of mail at one site. *Tokens* are words
//! with the place they stand in: they carry a small and varied stream. Their mean is never bad (`docs/accuracy.md`).

mod grams;
mod header;
mod pack;
mod text;
mod tokens;
mod words;

use std::net::IpAddr;
use std::num::Wrapping;

use mail::Authentication;
use mail::{Limits, Skim, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Key;
pub use header::Scope;
pub(crate) use words::each_word;

/// Features a view can tell apart, as a power of two. More was measured to gain nothing; what counts is that the weights stay near the processor.
pub const BITS: u32 = 19;

/// The distinct features of one message in one view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Numbers below 2^[`BITS`], each once; those of the header first.
    pub ids: Vec<u32>,
    /// How many of them are of the header.
    pub header: usize,
}

/// A message as the model of content sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Windows of bytes.
    pub grams: Features,
    /// Words in their places.
    pub tokens: Features,
}

impl Seen {
    /// Tells what was seen of one message from what was seen of another, as far as chance goes: features are numbered under a secret.
    pub(crate) fn identity(&self) -> u64 {
        let stirred = |id: &u32| {
            let hash = (u64::from(*id) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^ (hash >> 29)
        };
        let sum = |features: &Features| {
            let sum: Wrapping<u64> = features.ids.iter().map(stirred).map(Wrapping).sum();
            sum.0
        };
        let headers = self.grams.header as u64 ^ (self.tokens.header as u64) << 32;
        sum(&self.grams) ^ sum(&self.tokens).rotate_left(32) ^ headers
    }
}

/// A feature of the token view, and what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its number.
    pub id: u32,
    /// The word, or in words what it is.
    pub name: String,
    /// The header field it stands in, by lower-case name.
    pub field: Option<String>,
}

/// Everything classifiers see of a message, as far as it was wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// For the model of content.
    pub seen: Seen,
    /// Subject and body in normal form, as a person reads them.
    pub text: String,
    /// The numbers of its links and files under the key.
    pub parts: Vec<u64>,
    /// When it came, and from where.
    pub arrival: Arrival,
}

/// When a message came, and from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// When.
    pub at: Timestamp,
    /// The number of its source under the key; see [`Viewer::source`].
    pub source: u64,
}

/// What of a [`Sight`] is wanted: making the rest would be work for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Features of the model of content.
    pub content: bool,
    /// Text, and arrival as far as the message tells it.
    pub text: bool,
}

/// A message to look at.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'m> {
    /// Its bytes.
    pub raw: &'m [u8],
    /// What the receiving server knows of its arrival; without, the newest `Received` field is asked.
    pub arrival: Option<Arrival>,
    /// What our own verifier found; what the message says about itself is not believed.
    pub authentication: Option<&'m Authentication>,
}

impl<'m> Letter<'m> {
    /// A message of which there is nothing but its bytes.
    pub const fn found(raw: &'m [u8]) -> Self {
        Self {
            raw,
            arrival: None,
            authentication: None,
        }
    }
}

/// Makes [`Sight`]s of messages. Keeps its working memory, so use one for many messages.
pub struct Viewer {
    key: Key,
    scope: Scope,
    needs: Needs,
    limits: Limits,
    marks: Marks,
}

impl Viewer {
    /// Under this key, looking at this much.
    pub fn new(key: Key, scope: Scope, needs: Needs, limits: Limits) -> Self {
        Self {
            key,
            scope,
            needs,
            limits,
            marks: Marks::default(),
        }
    }

    /// Looks at a message.
    pub fn see(&mut self, letter: &Letter<'_>) -> Sight {
        let skim = Skim::read(header::without_mbox_line(letter.raw), &self.limits);
        let mut sight = Sight::default();
        if self.needs.content {
            sight.seen = self.seen(&skim, letter.authentication);
        }
        if self.needs.text {
            sight.text = text::read(&skim);
            sight.parts = text::parts(&self.key, &skim);
            sight.arrival = letter
                .arrival
                .unwrap_or_else(|| self.written_arrival(&skim, letter.authentication));
        }
        sight
    }

    /// The features of the token view by name: what they were in the message. Dearer than [`Viewer::see`], for the few messages that people
    /// look at.
    pub fn named(&mut self, letter: &Letter<'_>) -> Vec<Named> {
        let skim = Skim::read(header::without_mbox_line(letter.raw), &self.limits);
        let kept = self.scope.fields(&skim);
        tokens::named(
            &self.key,
            &self.scope,
            &kept,
            &skim,
            letter.authentication,
            &mut self.marks,
        )
    }

    fn seen(&mut self, skim: &Skim<'_>, authentication: Option<&Authentication>) -> Seen {
        let kept = self.scope.fields(skim);
        Seen {
            grams: grams::see(&self.key, &kept, skim, &mut self.marks),
            tokens: tokens::see(
                &self.key,
                &self.scope,
                &kept,
                skim,
                authentication,
                &mut self.marks,
            ),
        }
    }

    /// The number of a source: the authenticated domain where there is one, else the network. A mailer that sends one letter from thirty
    /// addresses is one source, a botnet is many.
    pub fn source(&self, authentication: Option<&Authentication>, ip: Option<IpAddr>) -> u64 {
        if let Some(domain) = authentication.and_then(|found| tokens::signers(found).next()) {
            return self
                .key
                .bytes(SOURCE_DOMAIN, domain.registered().as_str().as_bytes());
        }
        match ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => self.key.bytes(SOURCE_NETWORK, &ip.octets()[..3]),
            Some(IpAddr::V6(ip)) => self.key.bytes(SOURCE_NETWORK, &ip.octets()[..6]),
            None => 0,
        }
    }

    /// The arrival as the newest `Received` field has it.
    fn written_arrival(&self, skim: &Skim<'_>, authentication: Option<&Authentication>) -> Arrival {
        let hop = skim.newest_hop().unwrap_or_default();
        Arrival {
            at: hop.at.unwrap_or_default(),
            source: self.source(authentication, hop.ip),
        }
    }
}

const SOURCE_DOMAIN: u64 = 101;
const SOURCE_NETWORK: u64 = 102;

/// Collects features, each once.
struct Marks {
    /// One bit for each feature that is in `found`: 128 KiB stay in the processor's cache where a set of numbers would not.
    bits: Vec<u64>,
    found: Vec<u32>,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            bits: vec![0; 1 << (BITS - 6)],
            found: Vec::new(),
        }
    }
}

impl Marks {
    #[inline]
    fn add(&mut self, id: u32) {
        let (word, bit) = ((id >> 6) as usize, 1_u64 << (id & 63));
        if self.bits[word] & bit == 0 {
            self.bits[word] |= bit;
            self.found.push(id);
        }
    }

    /// The highest bits of a hash: under multiply-shift the lowest are not random.
    #[inline]
    fn add_hash(&mut self, hash: u64) {
        self.add((hash >> (64 - BITS)) as u32);
    }

    fn len(&self) -> usize {
        self.found.len()
    }

    /// What was collected, leaving nothing behind.
    fn take(&mut self, header: usize) -> Features {
        for id in &self.found {
            self.bits[(id >> 6) as usize] = 0;
        }
        // A copy of just the size: the working memory stays as large as it had to become.
        let ids = self.found.clone();
        self.found.clear();
        Features { ids, header }
    }
}
