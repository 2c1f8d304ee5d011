//! Who really sent a message that comes, and our own name under those that go.
//!
//! [`Authenticity`] holds what a site has set up: a verifier, keys to sign with, a key to seal with. Verification runs beside
//! the reading of attachments, under the message's deadline; what it finds is a fact, and what DNS could not tell is one too. Each
//! of the three may be missing, and mail goes on without it.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;
use lookup::sign::{ArcSigner, DkimSigner};
use lookup::{Verifier, results};
use mail::{Authentication, Direction, Domain, Envelope, Known, Limits, Message, Timestamp};

/// What a site has set up about senders.
#[derive(Default)]
pub struct Authenticity {
    /// Finds out who sent mail from outside.
    pub verifier: Option<Verifier>,
    /// Writes what was found into the header of mail that is delivered.
    pub writes_results: bool,
    /// Sign mail of our own domains that goes out.
    pub signers: Vec<DkimSigner>,
    /// Seals mail that was verified, for servers behind us that hand it on changed.
    pub sealer: Option<ArcSigner>,
}

impl std::fmt::Debug for Authenticity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticity")
            .field("verifies", &self.verifier.is_some())
            .field("signers", &self.signers.len())
            .field("seals", &self.sealer.is_some())
            .finish_non_exhaustive()
    }
}

/// A header field: name and value, which may be folded by CRLF and white space.
pub(crate) type Field = (String, String);

impl Authenticity {
    /// Finds out who sent a message from outside, before `deadline`. Mail of our own people is theirs by their login or network.
    pub async fn verify(
        &self,
        envelope: &Envelope,
        raw: &[u8],
        message: &Message,
        deadline: Instant,
    ) -> Known<Authentication> {
        let Some(verifier) = &self.verifier else {
            return Known::NotAsked;
        };
        if envelope.direction != Direction::Inbound {
            return Known::NotAsked;
        }
        let verified = verifier.verify(envelope, raw, message, deadline.into());
        match AssertUnwindSafe(verified).catch_unwind().await {
            Ok(found) => Known::Yes(found),
            Err(_) => {
                Known::Unavailable("verifying failed inside the program (please report it)".into())
            }
        }
    }

    /// Fields to put on top of a message that is delivered, topmost first.
    pub(crate) fn fields_for(
        &self,
        raw: &[u8],
        envelope: &Envelope,
        message: &Message,
        found: &Known<Authentication>,
        limits: &Limits,
    ) -> Vec<Field> {
        let now = envelope.received_at;
        match found.yes() {
            Some(found) => self.results(raw, envelope, found, now, limits),
            None if envelope.direction == Direction::Outbound => {
                self.signatures(raw, message, now, limits)
            }
            None => Vec::new(),
        }
    }

    /// Occurrences of `Authentication-Results` that pretend to be ours, from the top, counted from 1.
    pub(crate) fn forged_results(&self, raw: &[u8], limits: &Limits) -> Vec<(String, u32)> {
        let Some(verifier) = &self.verifier else {
            return Vec::new();
        };
        results::forged(raw, &verifier.settings().authserv_id, limits)
            .into_iter()
            .map(|number| (results::FIELD.to_owned(), number))
            .collect()
    }

    fn results(
        &self,
        raw: &[u8],
        envelope: &Envelope,
        found: &Authentication,
        now: Timestamp,
        limits: &Limits,
    ) -> Vec<Field> {
        let mut fields = Vec::new();
        if let Some(sealer) = &self.sealer {
            match sealer.seal(raw, found, envelope, now, limits) {
                Ok(Some(seal)) => {
                    fields.extend(seal.fields.iter().filter_map(|field| parts(field)));
                }
                Ok(None) => {}
                Err(why) => tracing::error!("a message was not sealed: {why}"),
            }
        }
        if self.writes_results
            && let Some(verifier) = &self.verifier
        {
            let value = results::write(found, envelope, &verifier.settings().authserv_id);
            fields.push((results::FIELD.to_owned(), value));
        }
        fields
    }

    /// One signature by each key of the visible sender's domain.
    fn signatures(
        &self,
        raw: &[u8],
        message: &Message,
        now: Timestamp,
        limits: &Limits,
    ) -> Vec<Field> {
        let Some(domain) = visible_domain(message) else {
            return Vec::new();
        };
        let ours = self.signers.iter().filter(|signer| signer.domain == domain);
        let sign = |signer: &DkimSigner| match signer.sign(raw, now, limits) {
            Ok(field) => parts(&field),
            Err(why) => {
                tracing::error!("a message of {} was not signed: {why}", signer.domain);
                None
            }
        };
        ours.filter_map(sign).collect()
    }
}

/// The domain of the one visible sender. Whoever writes as several is signed for by none.
fn visible_domain(message: &Message) -> Option<Domain> {
    match message.header_from.as_slice() {
        [only] => only.address.as_ref()?.domain(),
        _ => None,
    }
}

/// Name and value of a whole field.
fn parts(field: &str) -> Option<Field> {
    let (name, value) = field.trim_end().split_once(':')?;
    Some((name.to_owned(), value.trim_start().to_owned()))
}
