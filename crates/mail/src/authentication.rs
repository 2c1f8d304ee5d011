//! Who really sent it: what DNS and signatures tell about one message.
//!
//! [`Authentication`] holds results, never a decision. Every result is one of the words of its RFC, and
//! "could not be found out" is a word of its own everywhere: `temperror`, [`Known::Unavailable`] or
//! [`Signed::Unknown`]. A failure of DNS is never turned into "not authentic" (R4.44).
//!
//! Start at [`Authentication::signed`], the summary for the domain the message says it comes from, and at
//! [`Dmarc`]. Everything is bounded where it is made (`lookup`, by [`crate::Limits`]) and safe to record: it
//! quotes no text of the message but names and tags of its header.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Domain, Known, Timestamp};

/// All that was found out about the sender of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// Who the message says it comes from.
    pub alleged: Alleged,
    /// The machine that handed it to the first server we trust: the outbound server (R4.29).
    pub outbound: Outbound,
    /// For the domain it says it comes from: signed by it, and truly so? (R4.30)
    pub signed: Signed,
    /// SPF for `MAIL FROM`; for the null sender that is `postmaster@` the HELO name (RFC 7208 §2.4).
    pub spf: Option<Spf>,
    /// SPF for the HELO name (RFC 7208 §2.3); `None` when it is no domain name.
    pub spf_helo: Option<Spf>,
    /// Every DKIM and DomainKeys signature that was looked at, top first.
    pub signatures: Vec<Signature>,
    /// Signatures beyond `Limits::signatures_max`, which were not looked at.
    pub signatures_passed_over: u32,
    /// The chain of forwarders that vouch for it.
    pub arc: Arc,
    /// What the owner of the alleged domain asks of receivers, and whether the message meets it.
    pub dmarc: Dmarc,
    /// Can the domain of `MAIL FROM` be answered?
    pub envelope_domain: Known<Reachable>,
    /// Can the alleged domain be answered?
    pub alleged_domain: Known<Reachable>,
    /// Places where a message from outside calls itself one of ours. Empty for mail that is ours.
    pub claims_to_be_ours: Vec<OwnName>,
    /// Questions asked of DNS, and how many of them the cache did not answer.
    pub dns: DnsUse,
}

/// Who the message says it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alleged {
    /// Domain of the one author in `From`; `None` when there is none or authors of several domains.
    pub domain: Option<Domain>,
    /// The domain its owner registered, found by the DNS tree walk (RFC 9989 §4.10); by the public suffix list when DNS
    /// could not tell.
    pub organisation: Option<Domain>,
    /// Different domains in `From`.
    pub domains: u32,
}

/// The machine outside that handed the message over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    /// Its address; `None` when nobody told.
    pub ip: Option<IpAddr>,
    /// What it called itself.
    pub helo_name: Option<String>,
    /// Trusted relays between it and the server that asked us, whose `Received` fields were believed.
    pub relays_skipped: u32,
    /// Names its address points to, and whether they point back.
    pub ptr: Known<Ptr>,
    /// What is wrong with its HELO name, each once.
    pub helo_flaws: Vec<HeloFlaw>,
}

/// The reverse name of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ptr {
    /// The first name that points back, else the first name.
    pub name: String,
    /// Does the name have this address (RFC 8601 §2.7.3, `iprev`)?
    pub confirmed: bool,
    /// Does the name look made from the address, as access networks name their customers?
    pub generic: bool,
}

/// Something about a HELO name that servers of a working organisation do not have. RFC 5321 §4.1.4 forbids to refuse
/// mail for it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeloFlaw {
    /// There is none.
    Missing,
    /// Neither a domain name of two labels nor an address literal.
    NoName,
    /// An address without brackets.
    BareAddress,
    /// An address literal of another address.
    OtherAddress,
    /// A name of ours.
    Ours,
    /// A name without an address.
    Unresolved,
    /// A name of which no address is the peer's.
    Elsewhere,
}

/// Is there anybody who could be answered at a domain?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reachable {
    /// It names mail servers (MX).
    Mx,
    /// It names none but has an address, which counts as one (RFC 5321 §5.1).
    Address,
    /// It says that it takes no mail (null MX, RFC 7505).
    NullMx,
    /// It exists and can take no mail.
    No,
    /// There is no such domain.
    NoDomain,
}

/// Where a message from outside calls itself ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnName {
    /// The HELO name.
    Helo,
    /// `MAIL FROM`.
    EnvelopeFrom,
    /// `From`.
    HeaderFrom,
    /// `Sender`.
    HeaderSender,
}

/// What look-ups cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsUse {
    /// Questions asked.
    pub questions: u32,
    /// Of these, sent to a server because the cache had no answer.
    pub sent: u32,
    /// Of these, without a usable answer: late, refused, broken, or beyond the message's budget.
    pub failed: u32,
}

/// Is the message signed by the domain it says it comes from?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signed {
    /// A signature of the domain's organisation was verified.
    Authentic,
    /// There is no signature of the domain's organisation that says anything: none, or only of others, under a
    /// key in test (RFC 6376 §3.6.1), or by an algorithm no longer accepted (RFC 8301).
    Unsigned,
    /// There are such signatures, and none of them holds.
    Unauthentic,
    /// DNS could not tell, or there is not one domain to tell it of.
    #[default]
    Unknown,
}

/// One SPF check (RFC 7208).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spf {
    /// What came of it.
    pub result: SpfResult,
    /// The domain that was asked.
    pub domain: Option<Domain>,
    /// The term that decided, as written in the record: `ip4:192.0.2.0/24`, `-all`.
    pub mechanism: Option<String>,
    /// The domain in whose record that term stands, when it was included or redirected to.
    pub mechanism_of: Option<Domain>,
    /// What the domain's owner wants refused senders to be told (`exp=`), for `fail`.
    pub explanation: Option<String>,
    /// Why it is `temperror` or `permerror`.
    pub problem: Option<String>,
    /// Terms that needed DNS, of the 10 allowed (RFC 7208 §4.6.4).
    pub lookups: u32,
    /// Of these, answered by nothing.
    pub void_lookups: u32,
    /// Did every answer come validated by DNSSEC, as the resolver says?
    pub dnssec: bool,
}

/// Results of RFC 7208 §2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpfResult {
    /// No record, or no domain to ask.
    None,
    /// The owner says nothing of this address.
    Neutral,
    /// The address may send for the domain.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// DNS could not tell.
    TempError,
    /// The record cannot be evaluated.
    PermError,
}

/// Which kind of signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// RFC 6376, with RFC 8463's Ed25519.
    Dkim,
    /// RFC 4870, its predecessor.
    DomainKeys,
}

/// One signature, verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Which kind.
    pub scheme: Scheme,
    /// What came of it.
    pub result: SignatureResult,
    /// Why it did not pass; with `pass` never set.
    pub problem: Option<SignatureProblem>,
    /// Who signed (`d=`).
    pub domain: Option<Domain>,
    /// Which of the signer's keys (`s=`).
    pub selector: Option<String>,
    /// On whose behalf (`i=`), when it says so.
    pub identity: Option<String>,
    /// `rsa-sha256`, `ed25519-sha256`, …, as written.
    pub algorithm: String,
    /// Header and body canonicalisation: `relaxed/simple`.
    pub canonicalization: String,
    /// Length of the public key.
    pub key_bits: Option<u32>,
    /// The key is marked as being tested (`t=y`).
    pub testing: bool,
    /// When it says it was made.
    pub signed_at: Option<Timestamp>,
    /// When it says it ends.
    pub expires_at: Option<Timestamp>,
    /// How much of the body it covers, when it says it covers a part (`l=`).
    pub partial_body: Option<PartialBody>,
    /// For each header field worth knowing of, whether it is covered.
    pub covers: Vec<Covered>,
    /// How the signer's domain relates to the alleged one.
    pub alignment: Alignment,
    /// Did the key come validated by DNSSEC, as the resolver says?
    pub dnssec: bool,
}

/// Results of RFC 8601 §2.7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureResult {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It is not accepted, even if it holds: see the problem.
    Policy,
    /// It could not be processed: it cannot be read.
    Neutral,
    /// DNS could not tell.
    TempError,
    /// It can never be verified: no key, a broken key, an unknown algorithm, a rule of the RFC broken.
    PermError,
}

/// Why a signature does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureProblem {
    /// It cannot be read as a list of tags, or a tag's value makes no sense.
    Syntax,
    /// A required tag is missing.
    MissingTag,
    /// A version that is not known.
    Version,
    /// An algorithm or canonicalisation that is not known.
    Algorithm,
    /// Its `d=` or `s=` is no domain name.
    Domain,
    /// `i=` is not within `d=`.
    Identity,
    /// `From` is not signed (RFC 6376 §5.4).
    FromUnsigned,
    /// Its end (`x=`) lies before its beginning or before now.
    Expired,
    /// The DNS query method is not known.
    QueryMethod,
    /// The body was changed.
    BodyHash,
    /// The body is shorter than what was signed.
    BodyShort,
    /// The signed header fields were changed, or another key made it.
    Signature,
    /// Nothing at the selector.
    NoKey,
    /// The key was taken back (`p=` empty).
    KeyRevoked,
    /// The key record cannot be read.
    KeySyntax,
    /// The key is not for this: another type, hash or service, or the local part does not fit `g=`.
    KeyUse,
    /// The key is shorter than 1,024 bits (RFC 8301 §3.2), or longer than is verified.
    KeySize,
    /// rsa-sha1, which holds and is not accepted any more (RFC 8301 §3.1).
    WeakHash,
    /// It holds for the part of the body it covers, and there is more (RFC 6376 §8.2).
    PartialBody,
    /// The message's signatures want its body hashed in too many ways.
    TooCostly,
    /// DNS did not answer in time or not usably.
    Dns,
}

/// How much of the body is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialBody {
    /// Bytes of the canonical body that are covered.
    pub covered: u64,
    /// Bytes after them, which anybody may have added.
    pub uncovered: u64,
}

/// Whether a signature covers a header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// The field's name in lower case.
    pub name: String,
    /// Its occurrences that are signed.
    pub signed: u32,
    /// Its occurrences that are not.
    pub unsigned: u32,
    /// Named more often than it stands, so that none can be added.
    pub oversigned: bool,
}

/// How an authenticated domain relates to the alleged one (RFC 9989 §4.4).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Alignment {
    /// Another organisation's.
    #[default]
    None,
    /// The same organisation's.
    Relaxed,
    /// The same.
    Strict,
}

/// The authenticated received chain (RFC 8617).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arc {
    /// Does the chain hold?
    pub result: ArcResult,
    /// Why not, in words an operator can act on.
    pub problem: Option<String>,
    /// Who sealed, oldest first.
    pub sealers: Vec<Sealer>,
    /// The lowest instance from which on every message signature still holds (RFC 8617 §5.2); 0 when all do.
    pub oldest_pass: Option<u32>,
}

/// Chain validation (RFC 8617 §4.4); `temperror` is ours, for DNS that could not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArcResult {
    /// There is no chain.
    #[default]
    None,
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// DNS could not tell.
    TempError,
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealer {
    /// `i=`
    pub instance: u32,
    /// Who sealed.
    pub domain: Option<Domain>,
    /// With which key.
    pub selector: Option<String>,
    /// Is it on our list of forwarders that are believed?
    pub trusted: bool,
    /// What a believed sealer of a chain that holds says it found (`ARC-Authentication-Results`).
    pub claims: Vec<Claim>,
}

/// One result somebody else found (RFC 8601 §2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// `spf`, `dkim`, `dmarc`, …
    pub method: String,
    /// `pass`, `fail`, …
    pub result: String,
    /// `header.d`, `smtp.mailfrom`, … with their values.
    pub properties: Vec<(String, String)>,
}

/// What the owner of the alleged domain asks, and whether the message meets it (RFC 9989).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dmarc {
    /// What came of it.
    pub result: DmarcResult,
    /// The policy that applies, when there is one.
    pub policy: Option<DmarcPolicy>,
    /// What its owner asks to be done with this message: `none` unless the result is `fail`.
    pub asked: Disposition,
    /// The best alignment of a domain that passed SPF by `MAIL FROM`.
    pub spf: Alignment,
    /// The best alignment of a domain that signed with DKIM.
    pub dkim: Alignment,
    /// Why it is `temperror` or `permerror`.
    pub problem: Option<String>,
}

/// Results of DMARC, in the words of RFC 7489 §11.2, which RFC 9989 keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DmarcResult {
    /// No policy, or no single author domain.
    #[default]
    None,
    /// An aligned domain was authenticated.
    Pass,
    /// None was.
    Fail,
    /// DNS could not tell.
    TempError,
    /// The policy cannot be read.
    PermError,
}

/// A DMARC policy record that was found for a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DmarcPolicy {
    /// Where the record stands.
    pub domain: Domain,
    /// As published, cut.
    pub record: String,
    /// Which of its policies applies to the alleged domain.
    pub applies: PolicyTag,
    /// What that policy asks, before `t=y` is looked at.
    pub published: Disposition,
    /// `p=`, for the domain itself.
    pub for_domain: Disposition,
    /// `sp=`, for subdomains that exist.
    pub for_subdomains: Option<Disposition>,
    /// `np=`, for subdomains that do not exist.
    pub for_nonexistent: Option<Disposition>,
    /// `t=y`: the owner tests, and asks for one step less than published.
    pub testing: bool,
    /// `aspf=s`
    pub strict_spf: bool,
    /// `adkim=s`
    pub strict_dkim: bool,
    /// `psd=`
    pub psd: Psd,
    /// Where aggregate reports go (`rua=`).
    pub aggregate_to: Vec<String>,
    /// Where failure reports go (`ruf=`).
    pub failures_to: Vec<String>,
    /// When failure reports are wanted (`fo=`).
    pub failure_options: Vec<String>,
    /// Did the record come validated by DNSSEC, as the resolver says?
    pub dnssec: bool,
}

/// What is asked to be done with a message.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// Nothing.
    #[default]
    None,
    /// Suspect it.
    Quarantine,
    /// Refuse it.
    Reject,
}

/// Which policy of a record applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyTag {
    /// The domain's own.
    P,
    /// The one for subdomains.
    Sp,
    /// The one for subdomains that do not exist.
    Np,
}

/// Whether a domain says it is a public suffix (`psd=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Psd {
    /// `y`: others register below it.
    Yes,
    /// `n`: it is an organisation's.
    No,
    /// `u`: find out.
    #[default]
    Unsaid,
}

impl Authentication {
    /// Signatures that hold and are accepted.
    pub fn passing(&self) -> impl Iterator<Item = &Signature> {
        self.signatures
            .iter()
            .filter(|signature| signature.result == SignatureResult::Pass)
    }
}

impl Signed {
    /// Sums up the signatures for the alleged domain; see each variant. `Unknown` when there is no such domain.
    pub fn by(signatures: &[Signature], alleged: &Alleged) -> Self {
        if alleged.domain.is_none() {
            return Self::Unknown;
        }
        let own = || {
            signatures
                .iter()
                .filter(|one| one.alignment > Alignment::None)
        };
        let any = |result| own().any(|signature| signature.result == result);
        if any(SignatureResult::Pass) {
            Self::Authentic
        } else if any(SignatureResult::TempError) {
            Self::Unknown
        } else if own().any(Signature::speaks) {
            Self::Unauthentic
        } else {
            Self::Unsigned
        }
    }
}

impl Spf {
    /// A result of which nothing more is known.
    pub const fn new(result: SpfResult) -> Self {
        Self {
            result,
            domain: None,
            mechanism: None,
            mechanism_of: None,
            explanation: None,
            problem: None,
            lookups: 0,
            void_lookups: 0,
            dnssec: false,
        }
    }
}

impl Signature {
    /// Does it say something about the message when it does not pass? A key in test must make no difference (RFC
    /// 6376 §3.6.1), and who signs with SHA-1 or a short key is as good as unsigned, no forger.
    fn speaks(&self) -> bool {
        let weak = matches!(
            self.problem,
            Some(SignatureProblem::WeakHash | SignatureProblem::KeySize)
        );
        !self.testing && !weak
    }
}

/// Gives a closed set of words its [`fmt::Display`]: the words it is recorded by.
macro_rules! words {
    ($($kind:ident { $($variant:ident = $word:literal),+ $(,)? })+) => { $(
        impl $kind {
            /// The word its RFC has for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+ };
}

words! {
    SpfResult {
        None = "none", Neutral = "neutral", Pass = "pass", Fail = "fail", SoftFail = "softfail",
        TempError = "temperror", PermError = "permerror",
    }
    SignatureResult {
        Pass = "pass", Fail = "fail", Policy = "policy", Neutral = "neutral", TempError = "temperror",
        PermError = "permerror",
    }
    ArcResult { None = "none", Pass = "pass", Fail = "fail", TempError = "temperror" }
    DmarcResult {
        None = "none", Pass = "pass", Fail = "fail", TempError = "temperror", PermError = "permerror",
    }
    Disposition { None = "none", Quarantine = "quarantine", Reject = "reject" }
    PolicyTag { P = "p", Sp = "sp", Np = "np" }
    Psd { Yes = "y", No = "n", Unsaid = "u" }
    Scheme { Dkim = "dkim", DomainKeys = "domainkeys" }
    Alignment { None = "none", Relaxed = "relaxed", Strict = "strict" }
    Signed {
        Authentic = "authentic", Unsigned = "unsigned", Unauthentic = "unauthentic", Unknown = "unknown",
    }
    Reachable {
        Mx = "mx", Address = "address", NullMx = "null-mx", No = "no", NoDomain = "no-domain",
    }
    OwnName {
        Helo = "helo", EnvelopeFrom = "envelope-from", HeaderFrom = "header-from",
        HeaderSender = "header-sender",
    }
    HeloFlaw {
        Missing = "missing", NoName = "no-name", BareAddress = "bare-address",
        OtherAddress = "other-address", Ours = "ours", Unresolved = "unresolved", Elsewhere = "elsewhere",
    }
    SignatureProblem {
        Syntax = "syntax", MissingTag = "missing-tag", Version = "version", Algorithm = "algorithm",
        Domain = "domain", Identity = "identity", FromUnsigned = "from-unsigned", Expired = "expired",
        QueryMethod = "query-method", BodyHash = "body-hash", BodyShort = "body-short",
        Signature = "signature", NoKey = "no-key", KeyRevoked = "key-revoked", KeySyntax = "key-syntax",
        KeyUse = "key-use", KeySize = "key-size", WeakHash = "weak-hash", PartialBody = "partial-body",
        TooCostly = "too-costly", Dns = "dns",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(result: SignatureResult, alignment: Alignment) -> Signature {
        Signature {
            scheme: Scheme::Dkim,
            result,
            problem: None,
            domain: Domain::parse("example.org").ok(),
            selector: Some("s1".to_owned()),
            identity: None,
            algorithm: "rsa-sha256".to_owned(),
            canonicalization: "relaxed/relaxed".to_owned(),
            key_bits: Some(2048),
            testing: false,
            signed_at: None,
            expires_at: None,
            partial_body: None,
            covers: Vec::new(),
            alignment,
            dnssec: false,
        }
    }

    fn check(signatures: &[Signature], expected: Signed) {
        let alleged = Alleged {
            domain: Domain::parse("example.org").ok(),
            ..Alleged::default()
        };
        assert_eq!(
            Signed::by(signatures, &alleged),
            expected,
            "{signatures:#?}"
        );
    }

    #[test]
    fn what_signatures_say_of_the_alleged_domain() {
        use SignatureResult::{Fail, Pass, PermError, Policy, TempError};
        let own = |result| signature(result, Alignment::Relaxed);
        let foreign = |result| signature(result, Alignment::None);
        check(&[], Signed::Unsigned);
        check(&[own(Fail), own(Pass)], Signed::Authentic);
        check(&[own(Fail)], Signed::Unauthentic);
        check(&[own(PermError), foreign(Pass)], Signed::Unauthentic);
        check(&[foreign(Pass), foreign(Fail)], Signed::Unsigned);
        check(&[own(Fail), own(TempError)], Signed::Unknown);

        let testing = Signature {
            testing: true,
            ..own(Fail)
        };
        check(&[testing], Signed::Unsigned);
        let weak = Signature {
            problem: Some(SignatureProblem::WeakHash),
            ..own(Policy)
        };
        check(&[weak], Signed::Unsigned);
        let longer = Signature {
            problem: Some(SignatureProblem::PartialBody),
            ..own(Policy)
        };
        check(&[longer], Signed::Unauthentic);

        assert_eq!(
            Signed::by(&[own(Pass)], &Alleged::default()),
            Signed::Unknown
        );
    }

    #[test]
    fn words_are_the_ones_recorded() {
        let word = |value: &SpfResult| serde_json::to_string(value).expect("a word");
        for result in [SpfResult::SoftFail, SpfResult::TempError, SpfResult::None] {
            assert_eq!(word(&result), format!("\"{result}\""));
        }
        let problem = SignatureProblem::FromUnsigned;
        let recorded = serde_json::to_string(&problem).expect("a word");
        assert_eq!(recorded, format!("\"{problem}\""));
    }
}
