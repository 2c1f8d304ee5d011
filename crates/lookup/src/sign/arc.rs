//! ARC seals on mail that is passed on changed (RFC 8617 §5.1): what we found before we changed it.

use mail::authentication::{ArcResult, Authentication};
use mail::{Domain, Envelope, Limits, Timestamp};

use super::dkim::{names, signed_field};
use super::{SigningKey, folded_base64};
use crate::arc;
use crate::results;
use crate::signature::Signed;
use crate::signature::canon::{self, Form};

/// Seals for one domain with one key.
pub struct ArcSigner {
    /// Who seals.
    pub domain: Domain,
    /// Under which name the key is published.
    pub selector: String,
    /// The key.
    pub key: SigningKey,
    /// What we call ourselves.
    pub authserv_id: String,
}

/// A set to put on top of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The number of the set.
    pub instance: u32,
    /// Its three fields, topmost first, each with its line break.
    pub fields: [String; 3],
}

impl ArcSigner {
    /// Makes the next set for a message as it is passed on. `found` is what was found when it came, before it was
    /// changed. `None` when there is nothing to build on: the chain it came with does not hold, could not be verified, or
    /// is as long as chains may be.
    pub fn seal(
        &self,
        raw: &[u8],
        found: &Authentication,
        envelope: &Envelope,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Option<Seal>, String> {
        let message = Signed::read(raw, limits);
        let (before, validation) = match (found.arc.result, arc::newest(&message, limits)) {
            (ArcResult::None, Ok(None)) => (0, "none"),
            (ArcResult::Pass, Ok(Some(newest))) if newest < limits.arc_sets_max => (newest, "pass"),
            _ => return Ok(None),
        };
        let instance = before + 1;
        let say = results::write(found, envelope, &self.authserv_id);
        let results = format!("ARC-Authentication-Results: i={instance}; {say}\r\n");
        let common = format!("a={};", self.key.kind().algorithm());
        let signer = format!(
            "d={}; s={};\r\n\tt={};",
            self.domain,
            self.selector,
            now.secs()
        );
        let start = format!(
            "ARC-Message-Signature: i={instance}; {common} c=relaxed/relaxed;\r\n\t{signer}"
        );
        let mut listed = names(&message, &[]);
        listed.extend(
            message
                .places("dkim-signature")
                .iter()
                .map(|_| "dkim-signature".to_owned()),
        );
        let signature = signed_field(&message, start, &listed, &self.key)?;
        let start =
            format!("ARC-Seal: i={instance}; {common} cv={validation};\r\n\t{signer}\r\n\tb=");
        let mut sealed = Vec::with_capacity(4096);
        arc::sealed_fields(&message, limits, &mut sealed);
        for field in [&results, &signature] {
            canon::field(Form::Relaxed, field.trim_end().as_bytes(), &mut sealed);
        }
        canon::unended_field(Form::Relaxed, start.as_bytes(), &mut sealed);
        let seal = format!("{start}{}\r\n", folded_base64(&self.key.sign(&sealed)?));
        Ok(Some(Seal {
            instance,
            fields: [seal, signature, results],
        }))
    }
}
