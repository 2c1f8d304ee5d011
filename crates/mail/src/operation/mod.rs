//! Operations: one thing that a person or a program did with mail, as a server told it.
//!
//! An [`Operation`] says who (source and account), when, by which protocol, through which door we were told, and what was
//! done ([`Act`]). Doors make operations; nothing foreign travels further inward. [`commands`] holds the table that says
//! which command of which protocol is which [`Kind`].

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::floor_char_boundary;
use crate::{Address, Domain, Known, RecordId, Timestamp};

pub mod commands;
mod topics;

pub use commands::CommandKinds;
pub use topics::Topics;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Under which it is kept: what detections give as evidence.
    pub id: RecordId,
    /// When it happened, by the clock of whoever told it.
    pub at: Timestamp,
    /// Who told us.
    pub door: Door,
    /// By which protocol it was done.
    pub protocol: Protocol,
    /// From where.
    pub source: Source,
    /// Whose account: the one that was asked for at a login, the one that logged in afterwards. `None` for strangers' mail.
    pub account: Option<Account>,
    /// The server's name of the session, when it told one; at most `Limits::session_bytes_max` bytes.
    pub session: Option<String>,
    /// What was done.
    pub act: Act,
}

impl Operation {
    /// What sort of thing it was.
    pub const fn kind(&self) -> Kind {
        match self.act {
            Act::Login(_) => Kind::Login,
            Act::Send(_) | Act::Reply(_) => Kind::Send,
            Act::Retrieve(_) => Kind::Retrieve,
            Act::List(_) => Kind::List,
            Act::Delete(_) => Kind::Delete,
            Act::Append(_) | Act::Administer(_) => Kind::Administer,
            Act::Probe { .. } => Kind::Probe,
            Act::Fault(_) => Kind::Fault,
            Act::Control => Kind::Control,
        }
    }
}

/// What sort of thing an operation is: what the source's command asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A password was offered.
    Login,
    /// A message was handed over, or its fate came back.
    Send,
    /// Messages were read.
    Retrieve,
    /// Folders or messages were looked for.
    List,
    /// Messages were deleted or changed.
    Delete,
    /// Rules, folders, rights.
    Administer,
    /// An address was asked about: `VRFY`, `EXPN`, a refused `RCPT`.
    Probe,
    /// Whatever only keeps the session going.
    Control,
    /// The protocol was broken, or nothing came of the session.
    Fault,
}

/// By what an operation was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Between servers.
    Smtp,
    /// By whom mail is handed in (RFC 6409): SMTP after a login.
    Submission,
    /// POP3.
    Pop3,
    /// IMAP.
    Imap,
    /// ManageSieve.
    ManageSieve,
    /// Webmail, ActiveSync, anything by HTTP.
    Http,
}

/// Who told us of an operation. Two doors may tell the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// Dovecot or another front end by the auth-policy (weakforced) dialect.
    AuthPolicy,
    /// Postfix's policy delegation.
    PolicyDelegation,
    /// Dovecot's event export.
    Events,
    /// nginx' `auth_http`.
    AuthHttp,
    /// Our own milter, scan or proxy door.
    Message,
    /// A server's log, read.
    Log,
    /// The JSON intake.
    Intake,
}

/// From where something was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The address; `None` for programs on the server itself, or when whoever told us did not know.
    pub ip: Option<IpAddr>,
    /// The client program, told apart by what it says of itself.
    pub device: Option<DeviceTag>,
    /// Where in the world and in whose network the address is.
    pub place: Known<Place>,
}

/// A client program: a hash over its IMAP ID without version digits, or over EHLO shape, TLS fingerprint and order of
/// mechanisms. Not a name of one device: everybody with the same program has the same tag, and anybody can pretend to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceTag(pub u32);

impl DeviceTag {
    /// Of what a client program says of itself: the argument list of IMAP's ID command as Dovecot hands it on (`"name" "Thunderbird"
    /// "version" "128.0"`), a User-Agent, a name. Of an ID list only name, vendor and system count, and digits nowhere do: a program that
    /// was brought up to date is no other program. `None` when nothing is said.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let fields = quoted(text);
        let told: Vec<&str> = if fields.is_empty() {
            vec![text]
        } else {
            let pairs = fields.chunks_exact(2);
            let kept = pairs.filter(|pair| {
                ["name", "vendor", "os"]
                    .iter()
                    .any(|kept| pair[0].eq_ignore_ascii_case(kept))
            });
            kept.map(|pair| pair[1]).collect()
        };
        // FNV-1a: the tag is kept, so it must be the same tomorrow.
        let mut hash = 0x811c_9dc5_u32;
        let mut any = false;
        for part in told {
            for byte in part.bytes().chain([0]) {
                if byte.is_ascii_digit() || byte == b'.' || byte.is_ascii_whitespace() {
                    continue;
                }
                any |= byte != 0;
                hash = (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193);
            }
        }
        any.then_some(Self(hash))
    }
}

/// What stands between double quotes; a quote within is written `\"`.
fn quoted(text: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let (mut begin, mut escaped) = (None, false);
    for (at, byte) in text.bytes().enumerate() {
        match (byte, begin) {
            _ if escaped => escaped = false,
            (b'\\', Some(_)) => escaped = true,
            (b'"', None) => begin = Some(at + 1),
            (b'"', Some(from)) => {
                fields.extend(text.get(from..at));
                begin = None;
            }
            _ => {}
        }
    }
    fields
}

/// What MMDB files say of an address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// ISO 3166 code of the country, two capital letters.
    pub country: Option<String>,
    /// Number of the autonomous system that announces it.
    pub asn: Option<u32>,
    /// Where on the map.
    pub spot: Option<Spot>,
    /// Does it hide who is behind it: Tor, a VPN, a public proxy, a machine for rent? `None` when nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hides: Option<bool>,
}

impl std::fmt::Display for Place {
    /// `DE, AS64500, anonymous`, as far as it is known.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let provider = self.asn.map(|asn| format!("AS{asn}"));
        let hidden = (self.hides == Some(true)).then(|| "anonymous".to_owned());
        let known = [self.country.clone(), provider, hidden]
            .into_iter()
            .flatten();
        f.write_str(&known.collect::<Vec<_>>().join(", "))
    }
}

/// A spot on the map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spot {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Radius within which the address is, kilometres.
    pub radius_km: f64,
}

/// An account in the one form it is compared in: lower case, at most `Limits::address_bytes_max` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Account(String);

impl Account {
    /// From what a client offered as its name; `None` when that is nothing.
    pub fn new(text: &str, bytes_max: usize) -> Option<Self> {
        let name = text.trim();
        let name = &name[..floor_char_boundary(name, bytes_max)];
        (!name.is_empty()).then(|| Self(name.to_lowercase()))
    }

    /// The same, with this domain where the name has none: servers tell `ann`, `ANN` and `ann@example.org` of one account.
    pub fn within(text: &str, domain: Option<&Domain>, bytes_max: usize) -> Option<Self> {
        let account = Self::new(text, bytes_max)?;
        match domain {
            Some(domain) if !account.0.contains('@') => {
                Some(Self(format!("{}@{domain}", account.0)))
            }
            _ => Some(account),
        }
    }

    /// Lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A program on the mail server itself that hands in mail without a login, by the number of its user. No mailbox is in `localhost`
    /// (RFC 6761 section 6.3), so it is nobody's name.
    pub fn of_program(uid: u32) -> Self {
        Self(format!("uid{uid}@localhost"))
    }

    /// Is it such a program?
    pub fn is_program(&self) -> bool {
        let number = self
            .0
            .strip_prefix("uid")
            .and_then(|rest| rest.strip_suffix("@localhost"));
        number.is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    }

    /// Before the `@`, where there is one.
    pub fn local(&self) -> &str {
        self.0.split('@').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was done, with what the detectors need of it. Closed: a new variant is a walk through the code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A password was offered.
    Login(Login),
    /// A message was handed in for its recipients.
    Send(Sent),
    /// What became of a message at its recipient's server.
    Reply(Reply),
    /// Messages were read.
    Retrieve(Retrieve),
    /// Folders were opened or searched.
    List(List),
    /// Messages were deleted.
    Delete(Delete),
    /// Messages were put into a mailbox.
    Append(Append),
    /// Rules were changed.
    Administer(Administer),
    /// An address was asked about.
    Probe {
        /// Which.
        recipient: Address,
        /// What the server said.
        said: Said,
    },
    /// A session broke the protocol, reached for what it has no right to, or came to nothing.
    Fault(Fault),
    /// Nothing but keeping a session.
    Control,
}

/// A login and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// What came of it.
    pub outcome: LoginOutcome,
    /// Which password it was; `None` where the mechanism does not show it (SCRAM, CRAM-MD5, OAuth).
    #[serde(default)]
    pub password: Option<PasswordTag>,
    /// The same password across accounts. Never leaves memory.
    #[serde(skip)]
    pub spray: Option<SprayTag>,
    /// Whose mailbox, where a master user logged in with its own password: the operation's account is the master user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<Account>,
    /// Is the password one of those that thieves pass around? `None` when nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breached: Option<bool>,
}

impl Login {
    /// Of which nothing but the outcome is known.
    pub const fn new(outcome: LoginOutcome) -> Self {
        Self {
            outcome,
            password: None,
            spray: None,
            into: None,
            breached: None,
        }
    }
}

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginOutcome {
    /// It is the owner, or somebody with the owner's password.
    Succeeded,
    /// It failed.
    Failed(FailType),
}

/// Why a login failed, in the words of Dovecot's auth-policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailType {
    /// The server could not tell; nobody's fault.
    Internal,
    /// Wrong password.
    Credentials,
    /// There is no such account.
    Account,
    /// The right one, but it has expired.
    Expired,
    /// The account is switched off.
    Disabled,
    /// We said no, so nothing was tried.
    Policy,
}

/// Twelve bits of a hash over nonce, account and password, as Dovecot's auth-policy sends them: tells whether two passwords of one
/// account differ, and tells nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordTag(u16);

impl PasswordTag {
    /// Keeps the lowest twelve bits.
    pub const fn new(bits: u16) -> Self {
        Self(bits & 0xfff)
    }

    /// The twelve bits.
    pub const fn bits(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for PasswordTag {
    /// Says that there is one, in every build.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(password tag)")
    }
}

/// Sixteen bits of a hash over the password alone, under a key that is random each day: tells whether one password is tried on many
/// accounts. It cannot be serialised, and does not show itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SprayTag(pub u16);

impl fmt::Debug for SprayTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(spray tag)")
    }
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The envelope sender; `None` is the null sender.
    pub envelope_from: Option<Address>,
    /// Its recipients, at most `Limits::recipients_max`.
    pub recipients: Vec<Address>,
    /// Was it taken? What we asked to come later or refused was a try all the same.
    pub taken: bool,
    /// The whole message, bytes.
    pub size_bytes: u64,
    /// May the account write in that name? `None` when nobody knows.
    pub owned: Option<bool>,
    /// A hash that like bodies share.
    pub print: Option<u64>,
    /// It has `List-Unsubscribe`, or asks to confirm a subscription.
    pub bulk: bool,
    /// The domain that proved to have sent it.
    pub authentic: Option<Domain>,
}

/// What became of a message, told later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Delivered.
    Delivered,
    /// There is no such recipient (5.1.1 class).
    NoSuchRecipient,
    /// The other server says that it is spam, or that we are listed.
    CalledSpam,
    /// Its reader says that it is spam, by way of a feedback report (RFC 5965).
    Complained,
}

/// Messages that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retrieve {
    /// How many.
    pub messages: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Messages in the mailbox, where the server tells.
    pub mailbox_messages: Option<u32>,
}

/// A look around in a mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Folders that were opened or asked about.
    pub folders: u32,
    /// What was searched for.
    #[serde(default)]
    pub topics: Topics,
}

/// Messages that were put into a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    /// How many.
    pub messages: u32,
    /// Their bytes.
    pub bytes: u64,
}

/// What a session did that no honest one does, or did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Came and went without a login or a message. Honest clients do that, too.
    Loitered,
    /// Offered a password where none may be offered: without TLS, or where no login was announced.
    Cleartext,
    /// Spoke another protocol: `GET`, `CONNECT`, a TLS greeting on a plain port.
    Foreign,
    /// Spoke before it was its turn.
    Early,
    /// Sent more wrong commands than the server puts up with, or line ends that hide a second message.
    Malformed,
    /// Came faster, or more at once, than the server allows.
    Hasty,
    /// Reached for what the account has no right to (RFC 5530, `NOPERM`).
    Denied,
}

/// Messages that were deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// How many.
    pub messages: u32,
    /// Messages in the mailbox before, where the server tells.
    pub mailbox_messages: Option<u32>,
}

/// A change of rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Administer {
    /// Mail goes on to another address.
    Forward {
        /// Where.
        target: Address,
        /// That address is of this site.
        ours: bool,
    },
    /// Mail is put where the owner does not look, or thrown away.
    Hide {
        /// The rule picks mail by words such as invoice, password, undeliverable.
        telling: bool,
    },
    /// Anything else.
    Other,
}

/// What a server said of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// There is such an address.
    Exists,
    /// There is none.
    Unknown,
    /// It is not ours, and we do not pass it on.
    RelayDenied,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Operation {
        let at = Timestamp::from_secs(1_800_000_000);
        Operation {
            id: RecordId::first_at(at),
            at,
            door: Door::AuthPolicy,
            protocol: Protocol::Imap,
            source: Source {
                ip: "192.0.2.7".parse().ok(),
                device: Some(DeviceTag(7)),
                place: Known::NotAsked,
            },
            account: Account::new(" Ann@Example.ORG ", 100),
            session: Some("q1".into()),
            act: Act::Login(Login {
                password: Some(PasswordTag::new(0xf329)),
                spray: Some(SprayTag(4711)),
                ..Login::new(LoginOutcome::Failed(FailType::Credentials))
            }),
        }
    }

    #[test]
    fn a_spray_tag_never_leaves_memory() {
        let told = login();
        let written = serde_json::to_string(&told).expect("plain data");
        assert!(!written.contains("4711"), "{written}");
        let back: Operation = serde_json::from_str(&written).expect("what was written");
        assert_eq!(back.account, told.account);
        assert!(matches!(
            back.act,
            Act::Login(Login {
                spray: None,
                password: Some(_),
                ..
            })
        ));
    }

    #[test]
    fn tags_do_not_show_themselves() {
        let shown = format!("{:?}", login());
        assert!(!shown.contains("4711") && !shown.contains("809"), "{shown}");
        assert_eq!(PasswordTag::new(0xf329).bits(), 0x329);
    }

    #[test]
    fn a_program_has_one_tag_whatever_its_version() {
        let tag = |text: &str| DeviceTag::of(text);
        let old = tag(r#""name" "Thunderbird" "version" "115.1" "os" "Linux""#);
        assert!(old.is_some());
        assert_eq!(
            old,
            tag(r#""NAME" "Thunderbird" "version" "128.0.2" "os" "linux" "x" "y""#)
        );
        assert_ne!(old, tag(r#""name" "Outlook" "os" "Linux""#));
        assert_eq!(
            tag("Mozilla/5.0 Firefox/128"),
            tag("Mozilla/5.1 Firefox/129")
        );
        for nothing in ["", " ", r#""version" "1.0""#, "\"\"", "1.2.3"] {
            assert_eq!(tag(nothing), None, "{nothing}");
        }
        // Broken lists are read as far as they go.
        assert!(tag(r#""name" "a\"b" "os"#).is_some());
    }

    #[test]
    fn accounts_are_compared_in_one_form() {
        let account = Account::new("Ann@Example.ORG", 100).expect("a name");
        assert_eq!(
            (account.as_str(), account.local()),
            ("ann@example.org", "ann")
        );
        assert_eq!(Account::new("  ", 100), None);
        assert_eq!(Account::new("éé", 3).expect("cut").as_str(), "é");
        assert!(Account::of_program(33).is_program() && !account.is_program());
        assert!(
            !Account::new("uid@localhost", 100)
                .expect("a name")
                .is_program()
        );
    }
}
