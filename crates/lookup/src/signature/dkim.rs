//! One DKIM signature (RFC 6376, RFC 8301, RFC 8463).

use mail::authentication::{PartialBody, Scheme, Signature, SignatureProblem as Problem};
use mail::message::Field;
use mail::{Domain, Limits, Timestamp};

use super::canon::{self, Form};
use super::key::{Algorithm, KeyRecord};
use super::tags::{NoTags, Tags, is_space};
use super::{BodyHash, Signed, described, lower};
use crate::Acceptance;

/// A signature whose field can be read and whose body is the signed one: what is left is the key.
pub(crate) struct Claimed<'m> {
    field: Field<'m>,
    algorithm: Algorithm,
    header_form: Form,
    signature: Vec<u8>,
    names: Vec<String>,
    /// `i=` names the signer's domain itself.
    identity_is_exact: bool,
    /// There is more body than it covers.
    is_partial: bool,
}

/// The tags that say how and what is signed, shared with ARC's message signatures.
pub(crate) struct Method {
    pub algorithm: Algorithm,
    pub header_form: Form,
    pub names: Vec<String>,
    pub signature: Vec<u8>,
    pub partial_body: Option<PartialBody>,
    pub selector: String,
    pub domain: Domain,
}

/// Reads a `DKIM-Signature` field and compares the body. In the signature returned everything is filled in that the field
/// alone tells; it is final when there is a problem.
pub(crate) fn claimed<'m>(
    message: &Signed<'m>,
    field: Field<'m>,
    now: Timestamp,
    limits: &Limits,
) -> (Signature, Result<Claimed<'m>, Problem>) {
    let text = String::from_utf8_lossy(field.value);
    let Ok(tags) = Tags::read(&text) else {
        return (described(Scheme::Dkim, None, limits), Err(Problem::Syntax));
    };
    let mut signature = described(Scheme::Dkim, Some(&tags), limits);
    if tags.get("c").is_none() {
        signature.canonicalization = "simple/simple".to_owned();
    }
    let read = version(&tags)
        .and_then(|()| method(message, &tags, limits))
        .and_then(|method| {
            signature.partial_body = method.partial_body;
            signature.covers = message.covered(&method.names);
            let identity_is_exact = identity(&tags, &method.domain)?;
            lifetime(&tags, now)?;
            Ok(Claimed {
                field,
                algorithm: method.algorithm,
                header_form: method.header_form,
                signature: method.signature,
                names: method.names,
                identity_is_exact,
                is_partial: method.partial_body.is_some_and(|body| body.uncovered > 0),
            })
        });
    (signature, read)
}

fn version(tags: &Tags<'_>) -> Result<(), Problem> {
    match tags.get("v") {
        Some("1") => Ok(()),
        Some(_) => Err(Problem::Version),
        None => Err(Problem::MissingTag),
    }
}

/// Reads what `a`, `b`, `bh`, `c`, `d`, `h`, `l`, `q` and `s` say, and compares the body (RFC 6376 §3.5, §6.1.1, §6.1.3).
pub(crate) fn method(
    message: &Signed<'_>,
    tags: &Tags<'_>,
    limits: &Limits,
) -> Result<Method, Problem> {
    let need = |name: &str| tags.get(name).ok_or(Problem::MissingTag);
    let bytes = |name: &str| match tags.base64(name) {
        Ok(Some(bytes)) if !bytes.is_empty() => Ok(bytes),
        Ok(Some(_)) | Err(NoTags) => Err(Problem::Syntax),
        Ok(None) => Err(Problem::MissingTag),
    };
    let (signature, hash) = (bytes("b")?, bytes("bh")?);
    let algorithm = Algorithm::read(need("a")?)?;
    let (header_form, body_form) = forms(tags.get("c"))?;
    let domain = Domain::parse(need("d")?).map_err(|_| Problem::Domain)?;
    let selector = need("s")?;
    Domain::parse(selector).map_err(|_| Problem::Domain)?;
    let names = names(tags, limits)?;
    if !names.iter().any(|name| name == "from") {
        return Err(Problem::FromUnsigned);
    }
    if tags
        .words("q")
        .is_some_and(|mut methods| methods.all(|one| !one.eq_ignore_ascii_case("dns/txt")))
    {
        return Err(Problem::QueryMethod);
    }
    let upto = tags.number("l").map_err(|NoTags| Problem::Syntax)?;
    let hashing = (algorithm, body_form, upto);
    let BodyHash {
        hash: found,
        length,
    } = message.body_hash(hashing, limits.body_hashes_max)?;
    if upto.is_some_and(|upto| upto > length) {
        return Err(Problem::BodyShort);
    }
    if found != hash {
        return Err(Problem::BodyHash);
    }
    let partial_body = upto.map(|covered| PartialBody {
        covered,
        uncovered: length - covered,
    });
    Ok(Method {
        algorithm,
        header_form,
        names,
        signature,
        partial_body,
        selector: selector.to_ascii_lowercase(),
        domain,
    })
}

/// `c=`: simple by default, and for the body when only the header's is given.
fn forms(canonicalization: Option<&str>) -> Result<(Form, Form), Problem> {
    let form = |word: &str| match word.to_ascii_lowercase().as_str() {
        "simple" => Ok(Form::Simple),
        "relaxed" => Ok(Form::Relaxed),
        _ => Err(Problem::Algorithm),
    };
    let text = canonicalization.unwrap_or("simple");
    let (header, body) = text.split_once('/').unwrap_or((text, "simple"));
    Ok((form(header)?, form(body)?))
}

fn names(tags: &Tags<'_>, limits: &Limits) -> Result<Vec<String>, Problem> {
    let words = tags.words("h").ok_or(Problem::MissingTag)?;
    let names: Vec<String> = words
        .take(limits.signed_fields_max + 1)
        .map(|name| lower(name.as_bytes()))
        .collect();
    let readable =
        names.len() <= limits.signed_fields_max && names.iter().all(|name| !name.is_empty());
    readable.then_some(names).ok_or(Problem::Syntax)
}

/// `i=` is within `d=`; is its domain the same? (RFC 6376 §3.5)
fn identity(tags: &Tags<'_>, signer: &Domain) -> Result<bool, Problem> {
    let Some(identity) = tags.get("i").map(unquoted) else {
        return Ok(true);
    };
    let (_, domain) = identity.rsplit_once('@').ok_or(Problem::Identity)?;
    let domain = Domain::parse(domain).map_err(|_| Problem::Identity)?;
    domain
        .is_within(signer)
        .then_some(domain == *signer)
        .ok_or(Problem::Identity)
}

/// `dkim-quoted-printable` (RFC 6376 §2.11): `=` and two capital hexadecimal digits stand for a byte; white space for nothing.
fn unquoted(value: &str) -> String {
    let bytes: Vec<u8> = value
        .bytes()
        .filter(|byte| !is_space(*byte as char))
        .collect();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes
            .get(at + 1..at + 3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) if *byte == b'=' => {
                out.push(decoded);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn lifetime(tags: &Tags<'_>, now: Timestamp) -> Result<(), Problem> {
    let number = |name: &str| tags.number(name).map_err(|NoTags| Problem::Syntax);
    let (signed_at, expires_at) = (number("t")?, number("x")?);
    let Some(end) = expires_at else { return Ok(()) };
    let over = i64::try_from(end).is_ok_and(|end| end < now.secs());
    let backwards = signed_at.is_some_and(|start| end < start);
    if over || backwards {
        Err(Problem::Expired)
    } else {
        Ok(())
    }
}

impl Claimed<'_> {
    /// Does the signature hold under this key, and is it accepted?
    pub(super) fn check(
        &self,
        message: &Signed<'_>,
        key: &KeyRecord,
        acceptance: &Acceptance,
        limits: &Limits,
    ) -> Result<(), Problem> {
        key.allows(self.algorithm, limits.rsa_bits_max)?;
        if key.exact_identity && !self.identity_is_exact {
            return Err(Problem::Identity);
        }
        let signed = signed_header(message, &self.names, self.header_form, &self.field);
        if !key.verifies(self.algorithm, &signed, &self.signature) {
            return Err(Problem::Signature);
        }
        match self.algorithm {
            Algorithm::RsaSha1 if !acceptance.dkim_sha1 => Err(Problem::WeakHash),
            _ if self.is_partial && !acceptance.partial_body => Err(Problem::PartialBody),
            _ => Ok(()),
        }
    }
}

/// The bytes of the header that are signed: the listed fields, then the signature's own without its value.
pub(crate) fn signed_header(
    message: &Signed<'_>,
    names: &[String],
    form: Form,
    own: &Field<'_>,
) -> Vec<u8> {
    let mut signed = Vec::with_capacity(2048);
    for field in message.listed(names) {
        canon::field(form, field.whole, &mut signed);
    }
    canon::unended_field(form, &canon::without_signature(own.whole), &mut signed);
    signed
}
