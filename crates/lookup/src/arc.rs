//! The authenticated received chain (RFC 8617): what forwarders saw, sealed one over the other.

use std::collections::HashMap;

use futures_util::future::join_all;
use mail::authentication::{Arc, ArcResult, Claim, Sealer, SignatureProblem as Problem};
use mail::message::Field;
use mail::{Domain, Limits};

use crate::dns::Questions;
use crate::results;
use crate::signature::canon::{self, Form};
use crate::signature::dkim::{Method, method, signed_header};
use crate::signature::key::{Algorithm, KeyRecord};
use crate::signature::tags::Tags;
use crate::signature::{KeyFailure, Signed, fetch_key};

/// Verifies the chain of a message. `believes` says of a sealer whether its claims are worth recording.
pub(crate) async fn verify(
    questions: &Questions<'_>,
    message: &Signed<'_>,
    believes: impl Fn(&Domain) -> bool,
) -> Arc {
    let limits = questions.limits();
    let sets = match sets(message, limits) {
        Ok(sets) if sets.is_empty() => return Arc::default(),
        Ok(sets) => sets,
        Err(why) => {
            return Arc {
                result: ArcResult::Fail,
                problem: Some(why),
                ..Arc::default()
            };
        }
    };
    let keys = fetch_keys(questions, &sets).await;
    let checked = check(message, &sets, &keys, limits);
    let sealers = sets
        .iter()
        .map(|set| set.sealer(checked.is_ok(), &believes, limits))
        .collect();
    match checked {
        Ok(oldest_pass) => Arc {
            result: ArcResult::Pass,
            problem: None,
            sealers,
            oldest_pass: Some(oldest_pass),
        },
        Err(Broken::Unanswered(why)) => Arc {
            result: ArcResult::TempError,
            problem: Some(why),
            sealers,
            oldest_pass: None,
        },
        Err(Broken::Chain(why)) => Arc {
            result: ArcResult::Fail,
            problem: Some(why),
            sealers,
            oldest_pass: None,
        },
    }
}

/// Does a message carry a chain that says of itself that it is broken, or none at all, or one to build on? For sealing:
/// the number of the newest set, and what its seal claims.
pub(crate) fn newest(message: &Signed<'_>, limits: &Limits) -> Result<Option<u32>, String> {
    sets(message, limits).map(|sets| sets.last().map(|set| set.instance))
}

/// Adds the fields of all sets in the order they are sealed: oldest set first, in each results, signature, seal.
pub(crate) fn sealed_fields(message: &Signed<'_>, limits: &Limits, out: &mut Vec<u8>) {
    for set in sets(message, limits).iter().flatten() {
        for field in [&set.results, &set.message, &set.seal] {
            canon::field(Form::Relaxed, field.whole, out);
        }
    }
}

/// One set: the three fields with the same number.
struct Set<'m> {
    instance: u32,
    results: Field<'m>,
    message: Field<'m>,
    seal: Field<'m>,
    signature: Result<Method, Problem>,
    sealing: Sealing,
}

/// An `ARC-Seal` field, read.
struct Sealing {
    algorithm: Algorithm,
    signature: Vec<u8>,
    domain: Domain,
    selector: String,
}

enum Broken {
    Unanswered(String),
    Chain(String),
}

type Keys = HashMap<(String, Domain), Result<KeyRecord, KeyFailure>>;

/// Collects the sets and checks that they are whole (RFC 8617 §5.2, steps 1 to 3).
fn sets<'m>(message: &Signed<'m>, limits: &Limits) -> Result<Vec<Set<'m>>, String> {
    let results = numbered(message, "arc-authentication-results", limits)?;
    let mut messages = numbered(message, "arc-message-signature", limits)?;
    let mut seals = numbered(message, "arc-seal", limits)?;
    let count = results.len();
    if messages.len() != count || seals.len() != count {
        return Err("the sets of the chain are not whole".to_owned());
    }
    let mut sets = Vec::with_capacity(count);
    for instance in 1..=count as u32 {
        let missing = || format!("set {instance} of the chain is not whole");
        let results = *results.get(&instance).ok_or_else(missing)?;
        let signature = messages.remove(&instance).ok_or_else(missing)?;
        let seal = seals.remove(&instance).ok_or_else(missing)?;
        let broken = |problem: Problem| format!("set {instance} of the chain: {problem}");
        sets.push(Set {
            instance,
            results,
            message: signature,
            seal,
            signature: message_signature(message, &signature, limits).map_err(broken)?,
            sealing: sealing(&seal, instance).map_err(broken)?,
        });
    }
    Ok(sets)
}

/// Fields of one kind by their `i=`; each number once.
fn numbered<'m>(
    message: &Signed<'m>,
    name: &str,
    limits: &Limits,
) -> Result<HashMap<u32, Field<'m>>, String> {
    let mut fields = HashMap::new();
    for field in message.named(name) {
        if field.whole.len() > limits.arc_field_bytes_max {
            return Err(format!(
                "a field {name} is longer than {} bytes",
                limits.arc_field_bytes_max
            ));
        }
        let text = String::from_utf8_lossy(field.value);
        let instance =
            instance(&text, name).filter(|number| (1..=limits.arc_sets_max).contains(number));
        let instance = instance.ok_or_else(|| format!("a field {name} has no valid number"))?;
        if fields.insert(instance, field).is_some() {
            return Err(format!("two fields {name} have the number {instance}"));
        }
    }
    Ok(fields)
}

/// `ARC-Authentication-Results` starts with the number and goes on as no list of tags.
fn instance(text: &str, name: &str) -> Option<u32> {
    if name == "arc-authentication-results" {
        let (first, _) = text.split_once(';')?;
        return Tags::read(first).ok()?.number("i").ok()??.try_into().ok();
    }
    Tags::read(text).ok()?.number("i").ok()??.try_into().ok()
}

/// The message signature: a problem of its form breaks the chain; one of its body is for the newest set to have.
fn message_signature(
    message: &Signed<'_>,
    field: &Field<'_>,
    limits: &Limits,
) -> Result<Result<Method, Problem>, Problem> {
    let text = String::from_utf8_lossy(field.value);
    let tags = Tags::read(&text).map_err(|_| Problem::Syntax)?;
    match method(message, &tags, limits) {
        // RFC 8617 §4.1.2: seals are made after message signatures.
        Ok(method) if method.names.iter().any(|name| name == "arc-seal") => Err(Problem::Syntax),
        Ok(method) if method.algorithm == Algorithm::RsaSha1 => Err(Problem::Algorithm),
        Ok(method) => Ok(Ok(method)),
        Err(problem @ (Problem::BodyHash | Problem::BodyShort)) => Ok(Err(problem)),
        Err(problem) => Err(problem),
    }
}

/// RFC 8617 §4.1.3. The first seal says that there was no chain before it, every other that the chain held.
fn sealing(field: &Field<'_>, instance: u32) -> Result<Sealing, Problem> {
    let text = String::from_utf8_lossy(field.value);
    let tags = Tags::read(&text).map_err(|_| Problem::Syntax)?;
    let need = |name: &str| tags.get(name).ok_or(Problem::MissingTag);
    let before = need("cv")?;
    let expected = if instance == 1 { "none" } else { "pass" };
    if !before.eq_ignore_ascii_case(expected) || tags.get("h").is_some() || tags.get("bh").is_some()
    {
        return Err(Problem::Syntax);
    }
    let algorithm = Algorithm::read(need("a")?)?;
    if algorithm == Algorithm::RsaSha1 {
        return Err(Problem::Algorithm);
    }
    let signature = tags
        .base64("b")
        .map_err(|_| Problem::Syntax)?
        .ok_or(Problem::MissingTag)?;
    let domain = Domain::parse(need("d")?).map_err(|_| Problem::Domain)?;
    let selector = Domain::parse(need("s")?).map_err(|_| Problem::Domain)?;
    Ok(Sealing {
        algorithm,
        signature,
        domain,
        selector: selector.into(),
    })
}

/// Asks for every key once, all at the same time.
async fn fetch_keys(questions: &Questions<'_>, sets: &[Set<'_>]) -> Keys {
    let mut wanted: Vec<(String, Domain)> = Vec::new();
    for set in sets {
        wanted.push((set.sealing.selector.clone(), set.sealing.domain.clone()));
        if let Ok(method) = &set.signature {
            wanted.push((method.selector.clone(), method.domain.clone()));
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    let fetch = async |(selector, domain): (String, Domain)| {
        let key = fetch_key(questions, &selector, &domain)
            .await
            .map(|(key, _)| key);
        ((selector, domain), key)
    };
    join_all(wanted.into_iter().map(fetch))
        .await
        .into_iter()
        .collect()
}

/// RFC 8617 §5.2, steps 4 to 6: the newest message signature, then every seal. Yields the oldest instance from which on
/// all message signatures hold, 0 when all do.
fn check(
    message: &Signed<'_>,
    sets: &[Set<'_>],
    keys: &Keys,
    limits: &Limits,
) -> Result<u32, Broken> {
    let mut oldest_pass = 0;
    for (index, set) in sets.iter().enumerate().rev() {
        let holds = set.check_message(message, keys, limits);
        if index + 1 == sets.len() {
            holds?;
        } else if holds.is_err() {
            oldest_pass = set.instance + 1;
            break;
        }
    }
    for newest in (0..sets.len()).rev() {
        check_seal(&sets[..=newest], keys, limits)?;
    }
    Ok(oldest_pass)
}

impl Set<'_> {
    fn check_message(
        &self,
        message: &Signed<'_>,
        keys: &Keys,
        limits: &Limits,
    ) -> Result<(), Broken> {
        let what = format!("message signature {}", self.instance);
        let method = self
            .signature
            .as_ref()
            .map_err(|problem| Broken::Chain(format!("{what}: {problem}")))?;
        let key = key(keys, &method.selector, &method.domain, &what)?;
        let signed = signed_header(message, &method.names, method.header_form, &self.message);
        holds(
            key,
            method.algorithm,
            &signed,
            &method.signature,
            limits,
            &what,
        )
    }

    fn sealer(&self, holds: bool, believes: &impl Fn(&Domain) -> bool, limits: &Limits) -> Sealer {
        let trusted = believes(&self.sealing.domain);
        Sealer {
            instance: self.instance,
            domain: Some(self.sealing.domain.clone()),
            selector: Some(self.sealing.selector.clone()),
            trusted,
            claims: if trusted && holds {
                self.claims(limits)
            } else {
                Vec::new()
            },
        }
    }

    fn claims(&self, limits: &Limits) -> Vec<Claim> {
        let text = String::from_utf8_lossy(self.results.value);
        let after_number = text.split_once(';').map_or("", |(_, rest)| rest);
        results::read(after_number, limits).map_or_else(Vec::new, |read| read.claims)
    }
}

/// A seal covers all sets up to its own, its own value left out (RFC 8617 §5.1.1).
fn check_seal(sets: &[Set<'_>], keys: &Keys, limits: &Limits) -> Result<(), Broken> {
    let Some((last, before)) = sets.split_last() else {
        return Ok(());
    };
    let what = format!("seal {}", last.instance);
    let key = key(keys, &last.sealing.selector, &last.sealing.domain, &what)?;
    let mut signed = Vec::new();
    for set in before {
        for field in [&set.results, &set.message, &set.seal] {
            canon::field(Form::Relaxed, field.whole, &mut signed);
        }
    }
    canon::field(Form::Relaxed, last.results.whole, &mut signed);
    canon::field(Form::Relaxed, last.message.whole, &mut signed);
    canon::unended_field(
        Form::Relaxed,
        &canon::without_signature(last.seal.whole),
        &mut signed,
    );
    holds(
        key,
        last.sealing.algorithm,
        &signed,
        &last.sealing.signature,
        limits,
        &what,
    )
}

fn key<'k>(
    keys: &'k Keys,
    selector: &str,
    domain: &Domain,
    what: &str,
) -> Result<&'k KeyRecord, Broken> {
    match keys.get(&(selector.to_owned(), domain.clone())) {
        Some(Ok(key)) => Ok(key),
        Some(Err(KeyFailure::Problem(problem))) => Err(Broken::Chain(format!("{what}: {problem}"))),
        Some(Err(KeyFailure::Unanswered)) | None => Err(Broken::Unanswered(format!(
            "{what}: the key {selector} of {domain} could not be looked up"
        ))),
    }
}

fn holds(
    key: &KeyRecord,
    algorithm: Algorithm,
    signed: &[u8],
    signature: &[u8],
    limits: &Limits,
    what: &str,
) -> Result<(), Broken> {
    key.allows(algorithm, limits.rsa_bits_max)
        .map_err(|problem| Broken::Chain(format!("{what}: {problem}")))?;
    let holds = key.verifies(algorithm, signed, signature);
    holds
        .then_some(())
        .ok_or_else(|| Broken::Chain(format!("{what} does not hold")))
}
