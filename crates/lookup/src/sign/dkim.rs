//! DKIM signatures on mail that goes out (RFC 6376 §5).

use mail::{Domain, Limits, Timestamp};

use super::{SigningKey, folded_base64, folded_names};
use crate::signature::Signed;
use crate::signature::canon::{self, Form};
use crate::signature::key::Algorithm;

/// Fields that are signed when they are there (RFC 6376 §5.4.1).
pub(super) const SIGNED: [&str; 23] = [
    "from",
    "reply-to",
    "subject",
    "date",
    "to",
    "cc",
    "sender",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "resent-date",
    "resent-from",
    "resent-to",
    "resent-cc",
    "list-id",
    "list-help",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-post",
    "autocrypt",
];

/// Of these, fields that are named once more than they stand, so that nobody can add one (RFC 6376 §8.15).
const OVERSIGNED: [&str; 9] = [
    "from",
    "reply-to",
    "subject",
    "date",
    "to",
    "cc",
    "message-id",
    "mime-version",
    "content-type",
];

/// Signs for one domain with one key.
pub struct DkimSigner {
    /// Who signs.
    pub domain: Domain,
    /// Under which name the key is published.
    pub selector: String,
    /// The key.
    pub key: SigningKey,
    /// How long a signature shall hold, seconds; as long as the key when not given.
    pub lifetime_secs: Option<u32>,
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// Without it nothing can be signed (RFC 6376 §5.4).
    #[error("the message has no From field")]
    NoFrom,
    /// The cryptography failed.
    #[error("{0}")]
    Failed(String),
}

impl DkimSigner {
    /// The field to put on top of a message, with its line break.
    pub fn sign(&self, raw: &[u8], now: Timestamp, limits: &Limits) -> Result<String, Unsigned> {
        let message = Signed::read(raw, limits);
        if message.places("from").is_empty() {
            return Err(Unsigned::NoFrom);
        }
        let expires = self.lifetime_secs.map_or_else(String::new, |secs| {
            format!(" x={};", now.secs().saturating_add(secs.into()))
        });
        let tags = format!(
            "v=1; a={}; c=relaxed/relaxed;\r\n\td={}; s={};\r\n\tt={};{expires}",
            self.key.kind().algorithm(),
            self.domain,
            self.selector,
            now.secs(),
        );
        let names = names(&message, &OVERSIGNED);
        let field = format!("DKIM-Signature: {tags}");
        signed_field(&message, field, &names, &self.key).map_err(Unsigned::Failed)
    }
}

/// The names to sign, each as often as it stands, and once more where that keeps others out.
pub(super) fn names(message: &Signed<'_>, oversigned: &[&str]) -> Vec<String> {
    let times = |name: &str| message.places(name).len() + usize::from(oversigned.contains(&name));
    SIGNED
        .iter()
        .flat_map(|name| std::iter::repeat_n((*name).to_owned(), times(name)))
        .collect()
}

/// Completes a field that holds the first tags with `h=`, `bh=` and `b=`.
pub(super) fn signed_field(
    message: &Signed<'_>,
    start: String,
    names: &[String],
    key: &SigningKey,
) -> Result<String, String> {
    // Whatever the signatures of others want, our own is worth one hash more.
    let hashing = (Algorithm::RsaSha256, Form::Relaxed, None);
    let hash = message
        .body_hash(hashing, usize::MAX)
        .map_err(|problem| problem.to_string())?
        .hash;
    let field = format!(
        "{start}\r\n\th={};\r\n\tbh={};\r\n\tb=",
        folded_names(names),
        folded_base64(&hash)
    );
    let mut signed = Vec::with_capacity(2048);
    for listed in message.listed(names) {
        canon::field(Form::Relaxed, listed.whole, &mut signed);
    }
    canon::unended_field(Form::Relaxed, field.as_bytes(), &mut signed);
    Ok(format!("{field}{}\r\n", folded_base64(&key.sign(&signed)?)))
}
