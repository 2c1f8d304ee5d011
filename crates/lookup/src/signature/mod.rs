//! Signatures in the header of a message: DKIM (RFC 6376, RFC 8463) and its predecessor DomainKeys (RFC 4870).
//!
//! [`verify`] takes three steps: what the field itself and the body say (`claimed` of either kind, no DNS), the key, and the
//! signature over the header. `arc` takes the same three steps for its sets.
//!
//! Our own, on `ring`, and not `mail-auth` 0.13: that measures `l=` in the raw body and ignores `l=0`, reads the clock itself, asks DNS
//! past our cache and budget, and does not tell the facts we record (key length, what is covered and oversigned).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mail::authentication::{
    Alignment, Covered, Scheme, Signature, SignatureProblem as Problem, SignatureResult,
};
use mail::message::{Field, Fields, body_start};
use mail::{Address, Domain, Limits, Timestamp};

use crate::dns::{Name, Questions, Unanswered};
use crate::{Acceptance, cut};

pub(crate) mod canon;
pub(crate) mod dkim;
pub(crate) mod domainkeys;
pub(crate) mod key;
pub(crate) mod tags;

mod der;

use canon::Form;
use key::{Algorithm, KeyRecord};
use tags::Tags;

/// A message as signers see it.
pub(crate) struct Signed<'m> {
    /// Its header fields, top first.
    pub fields: Vec<Field<'m>>,
    /// Its body, as it is.
    pub body: &'m [u8],
    by_name: HashMap<String, Vec<usize>>,
    hashes: Mutex<Vec<(Hashing, BodyHash)>>,
}

/// A way in which a body is hashed: how, in which form, how much of it.
type Hashing = (Algorithm, Form, Option<u64>);

/// What it gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyHash {
    pub hash: Vec<u8>,
    /// Length of the whole body in that form.
    pub length: u64,
}

impl<'m> Signed<'m> {
    /// Splits a message.
    pub(crate) fn read(raw: &'m [u8], limits: &Limits) -> Self {
        let fields: Vec<Field<'m>> = Fields::of(raw).take(limits.headers_max).collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, field) in fields.iter().enumerate() {
            by_name.entry(lower(field.name)).or_default().push(index);
        }
        Self {
            fields,
            body: &raw[body_start(raw)..],
            by_name,
            hashes: Mutex::default(),
        }
    }

    /// Places of the fields with this name (in lower case), top first.
    pub(crate) fn places(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Fields with this name (in lower case), top first.
    pub(crate) fn named<'s>(&'s self, name: &str) -> impl Iterator<Item = Field<'m>> + use<'s, 'm> {
        self.places(name).iter().map(|place| self.fields[*place])
    }

    /// The fields a list names, each name taking the next field from the bottom (RFC 6376 §5.4.2).
    pub(crate) fn listed(&self, names: &[String]) -> impl Iterator<Item = Field<'m>> {
        let mut taken: HashMap<&str, usize> = HashMap::new();
        names.iter().filter_map(move |name| {
            let count = taken.entry(name).or_insert(0);
            *count += 1;
            let places = self.places(name);
            let place = places.len().checked_sub(*count)?;
            Some(self.fields[places[place]])
        })
    }

    /// Hashes the body, each way once. Every signature may want another length (`l=`) of a large body, so ways are counted.
    pub(crate) fn body_hash(&self, hashing: Hashing, ways_max: usize) -> Result<BodyHash, Problem> {
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = hashes.iter().find(|(known, _)| *known == hashing) {
            return Ok(known.clone());
        }
        if hashes.len() >= ways_max {
            return Err(Problem::TooCostly);
        }
        let hash = body_hash(self.body, hashing);
        hashes.push((hashing, hash.clone()));
        Ok(hash)
    }

    /// For each field worth knowing of, whether a list covers it.
    pub(crate) fn covered(&self, names: &[String]) -> Vec<Covered> {
        let covered = |name: &&str| {
            let standing = self.places(name).len();
            let listed = names.iter().filter(|listed| listed == name).count();
            (standing > 0 || listed > 0).then(|| Covered {
                name: (*name).to_owned(),
                signed: listed.min(standing) as u32,
                unsigned: standing.saturating_sub(listed) as u32,
                oversigned: listed > standing,
            })
        };
        WORTH_KNOWING.iter().filter_map(covered).collect()
    }
}

/// Fields a reader sees or that change what a reader sees.
const WORTH_KNOWING: [&str; 12] = [
    "from",
    "sender",
    "reply-to",
    "subject",
    "date",
    "to",
    "cc",
    "message-id",
    "in-reply-to",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
];

/// A field's name in lower case. Names are visible ASCII (`Fields` yields no others).
pub(crate) fn lower(name: &[u8]) -> String {
    name.iter()
        .map(|byte| byte.to_ascii_lowercase() as char)
        .collect()
}

/// A signature whose field makes sense; what is left is the key.
enum Claimed<'m> {
    Dkim(dkim::Claimed<'m>),
    DomainKeys(domainkeys::Claimed),
}

/// What verifying a signature takes beside message and DNS.
pub(crate) struct Circumstances<'c> {
    pub now: Timestamp,
    /// The mailbox in `Sender`, else in `From`.
    pub sender: Option<&'c Address>,
    pub acceptance: Acceptance,
}

/// Verifies the signature whose field stands at `place`.
pub(crate) async fn verify(
    questions: &Questions<'_>,
    message: &Signed<'_>,
    (place, scheme): (usize, Scheme),
    circumstances: &Circumstances<'_>,
) -> Signature {
    let limits = questions.limits();
    let (mut signature, claimed) = match scheme {
        Scheme::Dkim => {
            let field = message.fields[place];
            let (signature, claimed) = dkim::claimed(message, field, circumstances.now, limits);
            (signature, claimed.map(Claimed::Dkim))
        }
        Scheme::DomainKeys => {
            let sender = circumstances.sender;
            let (signature, claimed) = domainkeys::claimed(message, place, sender, limits);
            (signature, claimed.map(Claimed::DomainKeys))
        }
    };
    let key = match (&signature.selector, &signature.domain) {
        (Some(selector), Some(domain)) => fetch_key(questions, selector, domain).await,
        _ => Err(KeyFailure::Problem(Problem::NoKey)),
    };
    // A signature that cannot hold still says whether its key is one in test, and so whether its failing means anything
    // (RFC 6376 §3.6.1). While DNS does not say, nothing is known (R4.44).
    let checked = match (key, claimed) {
        (Err(KeyFailure::Unanswered), _) => Err(Problem::Dns),
        (Err(KeyFailure::Problem(problem)), claimed) => claimed.and(Err(problem)),
        (Ok((key, dnssec)), claimed) => {
            signature.key_bits = Some(key.bits());
            signature.testing = key.testing;
            signature.dnssec = dnssec;
            let accepted = &circumstances.acceptance;
            claimed.and_then(|claimed| match claimed {
                Claimed::Dkim(claimed) => claimed.check(message, &key, accepted, limits),
                Claimed::DomainKeys(claimed) => claimed.check(message, &key, accepted, limits),
            })
        }
    };
    signature.problem = checked.err();
    signature.result = signature.problem.map_or(SignatureResult::Pass, result_of);
    signature
}

/// Asks for the key of a signature: `selector._domainkey.domain`.
pub(crate) async fn fetch_key(
    questions: &Questions<'_>,
    selector: &str,
    domain: &Domain,
) -> Result<(KeyRecord, bool), KeyFailure> {
    let name = Name::below(&format!("{selector}._domainkey"), domain.as_str());
    let name = name.ok_or(KeyFailure::Problem(Problem::Domain))?;
    let answer = questions
        .txt(&name)
        .await
        .map_err(|Unanswered(_)| KeyFailure::Unanswered)?;
    let records: Vec<_> = answer.texts().filter_map(KeyRecord::read).collect();
    // RFC 6376 §3.6.2.2: a selector has one record; with several, the first that is a key is as good as any.
    let mut problem = Problem::NoKey;
    for record in records {
        match record {
            Ok(key) => return Ok((key, answer.dnssec)),
            Err(why) => problem = why,
        }
    }
    let unreadable = problem == Problem::NoKey && answer.texts().next().is_some();
    Err(KeyFailure::Problem(if unreadable {
        Problem::KeySyntax
    } else {
        problem
    }))
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyFailure {
    Unanswered,
    Problem(Problem),
}

/// The result a problem makes (RFC 6376 §3.9, RFC 8601 §2.7.1).
const fn result_of(problem: Problem) -> SignatureResult {
    match problem {
        Problem::Syntax => SignatureResult::Neutral,
        Problem::BodyHash | Problem::Signature => SignatureResult::Fail,
        Problem::KeySize | Problem::WeakHash | Problem::PartialBody | Problem::TooCostly => {
            SignatureResult::Policy
        }
        Problem::Dns => SignatureResult::TempError,
        Problem::MissingTag
        | Problem::Version
        | Problem::Algorithm
        | Problem::Domain
        | Problem::Identity
        | Problem::FromUnsigned
        | Problem::Expired
        | Problem::QueryMethod
        | Problem::BodyShort
        | Problem::NoKey
        | Problem::KeyRevoked
        | Problem::KeySyntax
        | Problem::KeyUse => SignatureResult::PermError,
    }
}

/// What can be said of a signature from its tags alone, also when it is broken.
fn described(scheme: Scheme, tags: Option<&Tags<'_>>, limits: &Limits) -> Signature {
    let text = |name: &str| {
        let value = tags?.get(name)?;
        Some(cut(value, limits.authentication_text_bytes_max))
    };
    let stamp = |name: &str| {
        let secs = tags?.number(name).ok().flatten()?;
        i64::try_from(secs).ok().map(Timestamp::from_secs)
    };
    Signature {
        scheme,
        result: SignatureResult::Neutral,
        problem: None,
        domain: text("d").and_then(|domain| Domain::parse(&domain).ok()),
        selector: text("s"),
        identity: text("i"),
        algorithm: text("a").unwrap_or_default(),
        canonicalization: text("c").unwrap_or_default(),
        key_bits: None,
        testing: false,
        signed_at: stamp("t"),
        expires_at: stamp("x"),
        partial_body: None,
        covers: Vec::new(),
        alignment: Alignment::None,
        dnssec: false,
    }
}

fn body_hash(body: &[u8], (algorithm, form, upto): Hashing) -> BodyHash {
    let mut hash = ring::digest::Context::new(algorithm.digest());
    let mut length = 0_u64;
    canon::body(form, body, &mut |piece| {
        let left = upto.map_or(u64::MAX, |upto| upto.saturating_sub(length));
        let take = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        hash.update(&piece[..take]);
        length += piece.len() as u64;
    });
    BodyHash {
        hash: hash.finish().as_ref().to_vec(),
        length,
    }
}
