//! One DomainKeys signature (RFC 4870, historic): what signed mail before DKIM, and is still in old mail.
//!
//! It knows no hash but SHA-1, no list of fields unless it says so, and no `i=`: the signer must be the sender's domain
//! or above it. It covers only what stands below it.

use mail::authentication::{Scheme, Signature, SignatureProblem as Problem};
use mail::message::Field;
use mail::{Address, Domain, Limits};

use super::canon::{self, Form};
use super::key::{Algorithm, KeyRecord};
use super::tags::{NoTags, Tags};
use super::{Signed, described, lower};
use crate::Acceptance;

/// A signature whose field can be read.
pub(crate) struct Claimed {
    place: usize,
    form: Form,
    signature: Vec<u8>,
    names: Option<Vec<String>>,
    /// Whom it is about: `Sender`, else `From`.
    sender: Address,
}

/// Reads the `DomainKey-Signature` field at `place`. `sender` is the mailbox in `Sender`, else in `From`.
pub(crate) fn claimed(
    message: &Signed<'_>,
    place: usize,
    sender: Option<&Address>,
    limits: &Limits,
) -> (Signature, Result<Claimed, Problem>) {
    let text = String::from_utf8_lossy(message.fields[place].value);
    let Ok(tags) = Tags::read(&text) else {
        return (
            described(Scheme::DomainKeys, None, limits),
            Err(Problem::Syntax),
        );
    };
    let mut signature = described(Scheme::DomainKeys, Some(&tags), limits);
    if signature.algorithm.is_empty() {
        signature.algorithm = "rsa-sha1".to_owned();
    }
    let read = read(message, &tags, place, sender, limits);
    if let Ok(claimed) = &read {
        let names: Vec<String> = claimed
            .fields(message)
            .iter()
            .map(|field| lower(field.name))
            .collect();
        signature.covers = message.covered(&names);
    }
    (signature, read)
}

/// RFC 4870 §3.3.
fn read(
    message: &Signed<'_>,
    tags: &Tags<'_>,
    place: usize,
    sender: Option<&Address>,
    limits: &Limits,
) -> Result<Claimed, Problem> {
    let need = |name: &str| tags.get(name).ok_or(Problem::MissingTag);
    if tags
        .get("a")
        .is_some_and(|algorithm| algorithm != "rsa-sha1")
    {
        return Err(Problem::Algorithm);
    }
    if tags.get("q").is_some_and(|method| method != "dns") {
        return Err(Problem::QueryMethod);
    }
    let form = match need("c")? {
        "simple" => Form::Simple,
        "nofws" => Form::NoWhiteSpace,
        _ => return Err(Problem::Algorithm),
    };
    let signature = tags
        .base64("b")
        .map_err(|NoTags| Problem::Syntax)?
        .ok_or(Problem::MissingTag)?;
    let domain = Domain::parse(need("d")?).map_err(|_| Problem::Domain)?;
    Domain::parse(need("s")?).map_err(|_| Problem::Domain)?;
    let names: Option<Vec<String>> = tags.words("h").map(|words| {
        words
            .take(limits.signed_fields_max + 1)
            .map(|name| lower(name.as_bytes()))
            .collect()
    });
    if names
        .as_ref()
        .is_some_and(|names| names.len() > limits.signed_fields_max)
    {
        return Err(Problem::Syntax);
    }
    let sender = sender.cloned().ok_or(Problem::Identity)?;
    let of_sender = sender
        .domain()
        .is_some_and(|of_sender| of_sender.is_within(&domain));
    let below = |name: &str| message.places(name).iter().any(|other| *other > place);
    let from_listed = names
        .as_ref()
        .is_none_or(|names| names.iter().any(|name| name == "from"));
    if !of_sender {
        return Err(Problem::Identity);
    }
    // RFC 4870 §3.3: the sender's address must be among what is signed.
    if !below("from") || !from_listed {
        return Err(Problem::FromUnsigned);
    }
    Ok(Claimed {
        place,
        form,
        signature,
        names,
        sender,
    })
}

impl Claimed {
    /// Does the signature hold under this key, and is it accepted?
    pub(super) fn check(
        &self,
        message: &Signed<'_>,
        key: &KeyRecord,
        acceptance: &Acceptance,
        limits: &Limits,
    ) -> Result<(), Problem> {
        key.allows(Algorithm::RsaSha1, limits.rsa_bits_max)?;
        let granted = key
            .granularity
            .as_deref()
            .is_none_or(|granted| grants(granted, self.sender.local()));
        if !granted {
            return Err(Problem::KeyUse);
        }
        let signed = self.signed_bytes(message);
        if !key.verifies(Algorithm::RsaSha1, &signed, &self.signature) {
            return Err(Problem::Signature);
        }
        acceptance
            .domain_keys
            .then_some(())
            .ok_or(Problem::WeakHash)
    }

    /// The fields that are signed: those below the signature in the message's order; of a list, every occurrence of each name,
    /// in the list's order (RFC 4870 §3.3).
    fn fields<'m>(&self, message: &Signed<'m>) -> Vec<Field<'m>> {
        let Some(names) = &self.names else {
            return message.fields[self.place + 1..].to_vec();
        };
        let mut taken: Vec<&str> = Vec::new();
        let mut fields = Vec::new();
        for name in names {
            if !taken.contains(&name.as_str()) {
                taken.push(name);
                let below = message
                    .places(name)
                    .iter()
                    .filter(|place| **place > self.place);
                fields.extend(below.map(|place| message.fields[*place]));
            }
        }
        fields
    }

    /// RFC 4870 §3.4.2: header, an empty line, body, without the empty lines at the end.
    fn signed_bytes(&self, message: &Signed<'_>) -> Vec<u8> {
        let mut signed = Vec::with_capacity(message.body.len() + 2048);
        for field in self.fields(message) {
            canon::field(self.form, field.whole, &mut signed);
        }
        let mut body = Vec::with_capacity(message.body.len() + 2);
        canon::body(self.form, message.body, &mut |piece| {
            body.extend_from_slice(piece);
        });
        // In DKIM's simple form an empty body is an empty line; here it is nothing, and neither is the line before it.
        if body != b"\r\n" && !body.is_empty() {
            signed.extend_from_slice(b"\r\n");
            signed.append(&mut body);
        }
        signed
    }
}

/// `g=` (RFC 4870 §3.2.3): empty grants all, `*` stands for any text once.
fn grants(granted: &str, local: &str) -> bool {
    match granted.split_once('*') {
        _ if granted.is_empty() => true,
        None => granted == local,
        Some((start, end)) => {
            local.len() >= start.len() + end.len()
                && local.starts_with(start)
                && local.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::grants;

    #[test]
    fn keys_for_some_local_parts() {
        assert!(
            grants("", "ann") && grants("*", "ann") && grants("ann", "ann") && grants("a*n", "ann")
        );
        assert!(!grants("bob", "ann") && !grants("an*nn", "ann"));
    }
}
