//! The HTTP dialect of weakforced, which Dovecot's auth policy speaks too: a login is asked about (`allow`) and told (`report`).
//!
//! Bodies are JSON. Dovecot writes every value of its template as text and appends booleans, sends `allow` twice for a login that
//! succeeds (before and after the password is looked at) and `report` once: so `allow` must change nothing. Fields that are missing are empty,
//! as in weakforced. Formats: weakforced's `docs/manpages`, Dovecot's `auth-policy.c`; real exchanges of both lines of Dovecot are in the tests.

use std::net::IpAddr;

use ipnet::IpNet;
use mail::Limits;
use mail::address::floor_char_boundary;
use mail::operation::{DeviceTag, FailType, LoginOutcome, PasswordTag, Protocol};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// May this login go on?
    Allow,
    /// This came of it.
    Report,
    /// Forget what was counted, and end what stands.
    Reset,
    /// Refuse a source or an account.
    AddBlock,
    /// End that.
    DeleteBlock,
    /// Never refuse one.
    AddAllow,
    /// End that.
    DeleteAllow,
    /// What is refused.
    Blocks,
    /// What is never refused.
    Allows,
    /// What is known of one.
    Stats,
    /// Is anybody there?
    Ping,
}

impl Command {
    /// By the name in `?command=NAME` or `/command/NAME`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "allow" => Self::Allow,
            "report" => Self::Report,
            "reset" => Self::Reset,
            "addBLEntry" => Self::AddBlock,
            "delBLEntry" => Self::DeleteBlock,
            "addWLEntry" => Self::AddAllow,
            "delWLEntry" => Self::DeleteAllow,
            "getBL" => Self::Blocks,
            "getWL" => Self::Allows,
            "getDBStats" => Self::Stats,
            "ping" => Self::Ping,
            _ => return None,
        })
    }

    /// Those there are, for whoever asked for another.
    pub const NAMES: &'static str = "allow, report, reset, addBLEntry, delBLEntry, addWLEntry, delWLEntry, getBL, getWL, getDBStats, ping";
}

/// A body that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

impl Unfit {
    pub(crate) const fn new(why: String) -> Self {
        Self(why)
    }
}

/// A login, as it is asked about or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The account's name as the client gave it.
    pub login: String,
    /// From where, when the front end knows.
    pub remote: Option<IpAddr>,
    /// Which password, told apart from others of the same account.
    pub password: Option<PasswordTag>,
    /// By what.
    pub protocol: Protocol,
    /// The client program.
    pub device: Option<DeviceTag>,
    /// The server's name of the session.
    pub session: Option<String>,
    /// The master user whose password it is, when that is not the account's own: `auth_user=%{auth_user}` in
    /// `auth_policy_request_attributes` tells it.
    pub master: Option<String>,
    /// The connection is encrypted.
    pub tls: bool,
    /// What came of it; `None` while it is only asked about.
    pub outcome: Option<LoginOutcome>,
}

/// Who a list command or `reset` is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// A source.
    pub ip: Option<IpAddr>,
    /// A network.
    pub network: Option<IpNet>,
    /// An account's name.
    pub login: Option<String>,
    /// How long, seconds.
    pub expire_secs: Option<i64>,
    /// Why.
    pub reason: String,
}

/// How the hash of a password is recognised that was never seen. Dovecot hashes `nonce, user, 0, password`; where a mechanism does not show
/// the password (SCRAM, CRAM-MD5) it hashes an empty one, which is the same for every try of an account.
#[derive(Clone)]
pub struct Nonce(mail::Secret<String>);

impl Nonce {
    /// `auth_policy_hash_nonce` as Dovecot has it.
    pub const fn new(nonce: mail::Secret<String>) -> Self {
        Self(nonce)
    }

    /// The hash over a password, cut to `bits` as Dovecot does it: the first bytes, shifted to the right.
    pub fn hash(&self, login: &str, password: &str, bits: u32) -> u64 {
        let mut hasher = Sha256::new();
        hasher.update(self.0.reveal().as_bytes());
        hasher.update(login.as_bytes());
        hasher.update([0]);
        hasher.update(password.as_bytes());
        let digest = hasher.finalize();
        let bits = bits.clamp(1, 64);
        let bytes = bits.div_ceil(8);
        let whole = digest
            .iter()
            .take(bytes as usize)
            .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        whole >> (bytes * 8 - bits)
    }
}

impl Told {
    /// Reads the body of `allow`, or with `reported` of `report`.
    pub fn read(
        body: &[u8],
        reported: bool,
        nonce: Option<&Nonce>,
        limits: &Limits,
    ) -> Result<Self, Unfit> {
        let object = object(body)?;
        let text = |key: &str| field(&object, key).unwrap_or_default();
        let login = cut(&text("login"), limits.address_bytes_max);
        if login.is_empty() {
            return Err(Unfit("login is missing: whose login is it?".into()));
        }
        let outcome = if reported {
            Some(outcome(&object)?)
        } else {
            None
        };
        let hash = text("pwhash");
        Ok(Self {
            remote: address(&text("remote"))?,
            password: password(&hash, &login, nonce),
            protocol: protocol(&text("protocol")),
            device: DeviceTag::of(&cut(&text("device_id"), limits.told_bytes_max)),
            session: Some(cut(&text("session_id"), limits.session_bytes_max))
                .filter(|session| !session.is_empty()),
            master: Some(cut(&text("auth_user"), limits.address_bytes_max))
                .filter(|master| !master.is_empty() && *master != login),
            tls: flag(&object, "tls").unwrap_or(false),
            outcome,
            login,
        })
    }
}

impl Entry {
    /// Reads the body of `reset` and of the list commands.
    pub fn read(body: &[u8], limits: &Limits) -> Result<Self, Unfit> {
        let object = object(body)?;
        let text = |key: &str| field(&object, key).filter(|text| !text.is_empty());
        if text("ja3").is_some() {
            return Err(Unfit(
                "ja3 is not counted here: name ip, netmask or login".into(),
            ));
        }
        let network = match text("netmask") {
            None => None,
            Some(written) => Some(
                written
                    .parse()
                    .map_err(|_| Unfit("netmask is no network such as 192.0.2.0/24".into()))?,
            ),
        };
        let entry = Self {
            ip: address(&text("ip").unwrap_or_default())?,
            network,
            login: text("login").map(|login| cut(&login, limits.address_bytes_max)),
            expire_secs: object.get("expire_secs").and_then(number),
            reason: cut(&text("reason").unwrap_or_default(), 500),
        };
        if entry.network.is_some() && (entry.ip.is_some() || entry.login.is_some()) {
            return Err(Unfit("netmask stands alone, without ip and login".into()));
        }
        if entry.ip.is_none() && entry.login.is_none() && entry.network.is_none() {
            return Err(Unfit("ip, netmask or login is missing".into()));
        }
        Ok(entry)
    }
}

/// The answer to `allow`: −1 refuses, 0 lets go on, n waits n seconds.
pub fn answer(status: i64, message: &str) -> String {
    json!({ "status": status, "msg": message, "r_attrs": {} }).to_string()
}

/// The answer to everything that only tells.
pub fn done() -> String {
    json!({ "status": "ok" }).to_string()
}

/// The answer to what cannot be done.
pub fn failed(why: &str) -> String {
    json!({ "status": "failure", "reason": why }).to_string()
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Unfit> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Unfit("the body is no JSON object".into())),
        Err(error) => Err(Unfit(format!("the body is no JSON: {error}"))),
    }
}

/// Text, or what was written without quotes.
fn field(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn flag(object: &Map<String, Value>, key: &str) -> Option<bool> {
    match object.get(key)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        },
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An address; none when there is nothing, an error when there is something else.
fn address(text: &str) -> Result<Option<IpAddr>, Unfit> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let ip: Result<IpAddr, _> = text.trim_start_matches('[').trim_end_matches(']').parse();
    ip.map(|ip| Some(ip.to_canonical()))
        .map_err(|_| Unfit("remote or ip is no address".into()))
}

fn outcome(object: &Map<String, Value>) -> Result<LoginOutcome, Unfit> {
    let Some(success) = flag(object, "success") else {
        return Err(Unfit(
            "success is missing: a report says true or false".into(),
        ));
    };
    if success {
        return Ok(LoginOutcome::Succeeded);
    }
    if flag(object, "policy_reject") == Some(true) {
        return Ok(LoginOutcome::Failed(FailType::Policy));
    }
    let kind = match field(object, "fail_type").unwrap_or_default().as_str() {
        "internal" => FailType::Internal,
        "account" => FailType::Account,
        "expired" => FailType::Expired,
        "disabled" => FailType::Disabled,
        "policy" => FailType::Policy,
        // Older front ends do not say; most often it is that.
        _ => FailType::Credentials,
    };
    Ok(LoginOutcome::Failed(kind))
}

/// Twelve bits of the hash; none when it is that of no password.
fn password(hash: &str, login: &str, nonce: Option<&Nonce>) -> Option<PasswordTag> {
    let hash = hash.trim();
    if hash.is_empty() || hash.len() > 16 {
        return long_password(hash);
    }
    let value = u64::from_str_radix(hash, 16).ok()?;
    if let Some(nonce) = nonce {
        let digits = hash.len() as u32;
        // Dovecot writes whole bytes; how many bits it kept of the last one is not told.
        let unseen = (digits * 4 - 7..=digits * 4).any(|bits| nonce.hash(login, "", bits) == value);
        if unseen {
            return None;
        }
    }
    Some(PasswordTag::new((value & 0xfff) as u16))
}

/// A front end that does not cut its hash: any twelve bits of it tell passwords apart.
fn long_password(hash: &str) -> Option<PasswordTag> {
    let hexadecimal = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let last = hash.get(hash.len().saturating_sub(3)..)?;
    hexadecimal
        .then(|| u16::from_str_radix(last, 16).ok())
        .flatten()
        .map(PasswordTag::new)
}

/// By the front end's word for it.
pub fn protocol(text: &str) -> Protocol {
    match text {
        "imap" | "imap-urlauth" => Protocol::Imap,
        "pop3" => Protocol::Pop3,
        // Who logs in to SMTP hands mail in.
        "smtp" | "submission" => Protocol::Submission,
        "sieve" | "managesieve" => Protocol::ManageSieve,
        _ => Protocol::Http,
    }
}

fn cut(text: &str, bytes_max: usize) -> String {
    text[..floor_char_boundary(text, bytes_max)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, reported: bool) -> Result<Told, Unfit> {
        Told::read(body.as_bytes(), reported, None, &Limits::default())
    }

    /// Captured from Dovecot 2.3.19 and 2.4.1.
    #[test]
    fn what_dovecot_sends() {
        let told = read(r#"{"device_id":"\"name\" \"Thunderbird\" \"version\" \"128.0\" \"os\" \"Linux\"","login":"alice","protocol":"imap","pwhash":"087a","remote":"203.0.113.77","session_id":"GlwaOeZgBrB/AAAB","success":true,"policy_reject":false,"tls":false}"#, true).expect("a report");
        assert_eq!(told.login, "alice");
        assert_eq!(told.remote, "203.0.113.77".parse().ok());
        assert_eq!(told.password, Some(PasswordTag::new(0x87a)));
        assert_eq!(told.outcome, Some(LoginOutcome::Succeeded));
        assert_eq!(told.session.as_deref(), Some("GlwaOeZgBrB/AAAB"));
        assert_eq!(told.protocol, Protocol::Imap);
        assert!(told.device.is_some());
        let told = read(r#"{"device_id":"","login":"alice","protocol":"smtp","pwhash":"0640","remote":"127.0.0.1","session_id":"","success":false,"policy_reject":false,"tls":false}"#, true).expect("a report");
        assert_eq!(
            told.outcome,
            Some(LoginOutcome::Failed(FailType::Credentials))
        );
        assert_eq!(
            (told.device, told.session, told.protocol),
            (None, None, Protocol::Submission)
        );
        let asked = read(r#"{"device_id":"","fail_type":"","login":"alice","protocol":"imap","pwhash":"087a","remote":"::ffff:192.0.2.1","session_id":"x","tls":false}"#, false).expect("a question");
        assert_eq!(asked.outcome, None);
        assert_eq!(asked.remote, "192.0.2.1".parse().ok());
    }

    #[test]
    fn why_it_failed() {
        for (said, kind) in [
            (r#""fail_type":"account""#, FailType::Account),
            (r#""fail_type":"internal""#, FailType::Internal),
            (r#""fail_type":"expired""#, FailType::Expired),
            (r#""fail_type":"disabled""#, FailType::Disabled),
            (
                r#""fail_type":"credentials","policy_reject":true"#,
                FailType::Policy,
            ),
            (r#""fail_type":"new word""#, FailType::Credentials),
        ] {
            let body = format!(r#"{{"login":"a","success":"false",{said}}}"#);
            let told = read(&body, true).expect("a report");
            assert_eq!(told.outcome, Some(LoginOutcome::Failed(kind)), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (body, why) in [
            ("{", "no JSON"),
            ("[1]", "no JSON object"),
            (r#"{"success":true}"#, "login is missing"),
            (r#"{"login":"a"}"#, "success is missing"),
            (
                r#"{"login":"a","success":true,"remote":"here"}"#,
                "no address",
            ),
        ] {
            let error = read(body, true).expect_err(body);
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    /// The vectors of Dovecot's documentation.
    #[test]
    fn the_hash_of_a_password_that_was_not_seen_is_none() {
        let nonce = Nonce::new(mail::Secret::new("localized_random_string".to_owned()));
        assert_eq!(nonce.hash("john.doe", "secret", 12), 0x329);
        assert_eq!(nonce.hash("john.doe", "secret2", 12), 0xb7b);
        assert_eq!(nonce.hash("jane.doe", "secret", 12), 0x9bc);
        assert_eq!(nonce.hash("john.doe", "secret", 20), 0x32930);
        let unseen = format!("{:04x}", nonce.hash("john.doe", "", 12));
        assert_eq!(password(&unseen, "john.doe", Some(&nonce)), None);
        let seen = password("0329", "john.doe", Some(&nonce));
        assert_eq!(seen, Some(PasswordTag::new(0x329)));
        assert_eq!(password("", "john.doe", None), None);
        assert_eq!(password("zz", "john.doe", None), None);
        let whole = "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90";
        assert_eq!(
            password(whole, "john.doe", None),
            Some(PasswordTag::new(0xe90))
        );
    }

    #[test]
    fn list_commands_name_one_thing() {
        let read = |body: &str| Entry::read(body.as_bytes(), &Limits::default());
        let entry = read(r#"{"ip":"192.0.2.7","expire_secs":600,"reason":"spam"}"#).expect("one");
        assert_eq!(entry.ip, "192.0.2.7".parse().ok());
        assert_eq!(
            (entry.expire_secs, entry.reason.as_str()),
            (Some(600), "spam")
        );
        let entry = read(r#"{"netmask":"192.0.2.0/24","expire_secs":"60"}"#).expect("one");
        assert_eq!(entry.network, "192.0.2.0/24".parse().ok());
        for bad in [
            "{}",
            r#"{"ja3":"x"}"#,
            r#"{"netmask":"x"}"#,
            r#"{"netmask":"192.0.2.0/24","login":"a"}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers_are_what_dovecot_reads() {
        assert_eq!(answer(-1, "no"), r#"{"msg":"no","r_attrs":{},"status":-1}"#);
        assert_eq!(done(), r#"{"status":"ok"}"#);
    }
}
