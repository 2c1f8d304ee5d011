//! The forms of lines, by program: a pattern that must match all of a message, and what it means.

use std::sync::LazyLock;

use mail::Address;
use mail::operation::{FailType, Fault, Protocol};
use regex::{Captures, Regex};

use super::{Noted, Program, What};

/// A form: what a message looks like, and what it tells.
struct Form {
    pattern: &'static str,
    means: Means,
}

/// How a match becomes [`What`].
#[derive(Clone, Copy)]
enum Means {
    LoggedIn,
    /// Why stands in the group `why`, else it is the password.
    LoginFailed,
    /// How many stands in the group `times`.
    LoginsFailed,
    /// Why a command was refused stands in the group `why`, the recipient in `to`.
    Refusal,
    UnknownRecipient,
    Fault(Fault),
    /// The number of the program's user stands in `uid`.
    HandedIn,
    /// Status and answer stand in `status`, `dsn` and `why`.
    Delivery,
}

const fn form(pattern: &'static str, means: Means) -> Form {
    Form { pattern, means }
}

// `<IP>` stands for an address, `<HELO>` for who Exim says it is.

const DOVECOT_LOGIN: &[Form] = &[
    form(
        r"^.*\(tried to use (?:disall?owed|disabled)[^()]*\)(?: \(\w+\))?: (?:user=<[^>]*>, )?(?:method=\S*, )?rip=<IP>(?:, .*)?$",
        Means::Fault(Fault::Cleartext),
    ),
    form(
        r"^.*Too many invalid (?:\w+ )?commands\.?(?: \([^()]*\))?(?: \(\w+\))?: (?:user=<[^>]*>, )?(?:method=\S*, )?rip=<IP>(?:, .*)?$",
        Means::Fault(Fault::Malformed),
    ),
    form(
        r"^.*\((?:auth failed|proxy dest auth failed)(?:, (?P<times>\d{1,4}) attempts)?[^()]*\)(?: \(\w+\))?: (?:user=<(?P<user>.*)>, )?(?:method=\S*, )?rip=<IP>(?:, .*)?$",
        Means::LoginsFailed,
    ),
    form(
        r"^(?:Login|Logged in|Proxying): user=<(?P<user>.*)>, method=\S*, rip=<IP>(?:, .*)?$",
        Means::LoggedIn,
    ),
    form(
        r"^.*\((?:no auth attempts|disconnected before auth was ready|disconnected during TLS handshake|client didn't finish SASL auth)[^()]*\)(?: \(\w+\))?: (?:user=<[^>]*>, )?(?:method=\S*, )?rip=<IP>(?:, .*)?$",
        Means::Fault(Fault::Loitered),
    ),
];

const DOVECOT_AUTH: &[Form] = &[
    form(
        r"^(?:conn unix:\S+ \([^)]*\): auth-worker<\d+>: )?[\w-]+\((?P<user>[^,]*),<IP>(?:,<?(?P<session>[^>)]*)>?)?\): (?:pam_authenticate\(\) failed: )?(?P<why>(?i:unknown user|user not known|password mismatch|authentication failure|invalid credentials|permission denied).*)$",
        Means::LoginFailed,
    ),
    form(
        r"^pam_unix\([\w-]+:auth\): authentication failure; logname=\S* uid=\S* euid=\S* tty=dovecot ruser=(?P<user>\S*) rhost=<IP>(?:\s+user=\S*)?$",
        Means::LoginFailed,
    ),
];

/// Dovecot 2.4 names the login in front of its message.
const DOVECOT_AUTH_24: &[Form] = &[form(
    r"^auth\((?P<user>[^,]*),<IP>(?:,[^)]*)?\)(?:<(?P<session>[^>]*)>)?: (?:Info: )?(?:\w+: )?(?P<why>(?i:unknown user|user not known|password mismatch|authentication failure|invalid credentials).*)$",
    Means::LoginFailed,
)];

const POSTFIX_SMTPD: &[Form] = &[
    form(
        r"^warning: [^\[\s]*\[<IP>\](?::\d+)?: SASL (?i:[a-z0-9-]+) authentication failed:(?P<why>.*?)(?:, sasl_username=(?P<user>.*))?$",
        Means::LoginFailed,
    ),
    form(
        r"^(?P<queue>[0-9A-Za-z]{6,32}): client=[^\[\s]*\[<IP>\](?::\d+)?, sasl_method=[^,]*, sasl_username=(?P<user>[^,]*)(?:, .*)?$",
        Means::LoggedIn,
    ),
    form(
        r"^[0-9A-Za-z]{6,32}: (?:milter-)?reject: \w+ from [^\[\s]*\[<IP>\](?::\d+)?: (?P<why>\d{3} .*?)(?:; .*?\bto=<(?P<to>[^>]*)> proto=.*)?$",
        Means::Refusal,
    ),
    form(
        r"^warning: non-SMTP command from [^\[\s]*\[<IP>\](?::.*)?$",
        Means::Fault(Fault::Foreign),
    ),
    form(
        r"^too many errors after [\w-]+(?: \(\d+ bytes\))? from [^\[\s]*\[<IP>\](?::.*)?$",
        Means::Fault(Fault::Malformed),
    ),
    form(
        r"^improper command pipelining after [\w-]+ from [^\[\s]*\[<IP>\](?::.*)?$",
        Means::Fault(Fault::Early),
    ),
    form(
        r"^warning: (?:Connection|Message delivery request|Recipient address|New TLS session|AUTH command) (?:rate|concurrency) limit exceeded: \d+ from [^\[\s]*\[<IP>\] for service .*$",
        Means::Fault(Fault::Hasty),
    ),
    form(
        r"^(?:NOQUEUE: )?lost connection after (?:CONNECT|STARTTLS|EHLO|HELO|UNKNOWN|RSET|NOOP|RCPT|MAIL) from [^\[\s]*\[<IP>\](?::\d+)?$",
        Means::Fault(Fault::Loitered),
    ),
    form(
        r"^disconnect from [^\[\s]*\[<IP>\](?::\d+)? .*\bauth=0/\d+ .*$",
        Means::Fault(Fault::Loitered),
    ),
    form(
        r"^warning: hostname \S+ does not resolve to address <IP>(?::.*)?$",
        Means::Fault(Fault::Loitered),
    ),
];

const POSTSCREEN: &[Form] = &[
    form(
        r"^NOQUEUE: reject: \w+ from \[<IP>\](?::\d+)?: (?P<why>\d{3} .*?)(?:; .*?\bto=<(?P<to>[^>]*)>, proto=.*)?$",
        Means::Refusal,
    ),
    form(
        r"^(?:PREGREET \d+|COMMAND PIPELINING)(?: after [\d.]+)? from \[<IP>\](?::\d+)?.*$",
        Means::Fault(Fault::Early),
    ),
    form(
        r"^NON-SMTP COMMAND(?: after [\d.]+)? from \[<IP>\](?::\d+)?.*$",
        Means::Fault(Fault::Foreign),
    ),
    form(
        r"^(?:COMMAND (?:TIME|COUNT|LENGTH) LIMIT|BARE NEWLINE)(?: after [\d.]+)? from \[<IP>\](?::\d+)?.*$",
        Means::Fault(Fault::Malformed),
    ),
    form(
        r"^HANGUP after [\d.]+ from \[<IP>\](?::\d+)? .*$",
        Means::Fault(Fault::Loitered),
    ),
];

const POSTFIX_PICKUP: &[Form] = &[form(
    r"^(?P<queue>[0-9A-Za-z]{6,32}): uid=(?P<uid>\d{1,10}) from=<(?P<from>.*)>$",
    Means::HandedIn,
)];

const POSTFIX_DELIVERY: &[Form] = &[form(
    r"^(?P<queue>[0-9A-Za-z]{6,32}): to=<(?P<to>[^>]*)>, .*\bdsn=(?P<dsn>\d\.\d{1,3}\.\d{1,3}), status=(?P<status>\w+) \((?P<why>.*)\)$",
    Means::Delivery,
)];

const EXIM: &[Form] = &[
    // The first address that all of what follows fits to: a HELO has no blanks, and what comes behind is the client's.
    form(
        r"^[\w-]+ authenticator failed for (?:.*? )??\[<IP>\](?::\d+)?(?: I=\[[^\]]*\](?::\d+)?)?(?: Ci=\d+)?: 535 Incorrect authentication data(?: \(set_id=(?P<user>.*)\))?(?:: \d+ Time\(s\))?$",
        Means::LoginFailed,
    ),
    form(
        r"^(?P<queue>[0-9A-Za-z]{6,11}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4}) <= \S+ <HELO>\[<IP>\](?::\d+)? .*\bA=[\w-]+:(?P<user>\S+)(?: .*)?$",
        Means::LoggedIn,
    ),
    form(
        r"^<HELO>\[<IP>\](?::\d+)?(?: [A-Z][A-Za-z]*=\S*)* (?:temporarily )?rejected RCPT <?(?P<to>[^>:\s]+)>?: (?P<why>.*)$",
        Means::Refusal,
    ),
    form(
        r"^<HELO>\[<IP>\](?::\d+)?(?: [A-Z][A-Za-z]*=\S*)* (?:sender verify fail for .*|dropped by .*)$",
        Means::Refusal,
    ),
    form(
        r#"^SMTP protocol error in ".*" <HELO>\[<IP>\](?::\d+)?(?: [A-Z][a-z]*=\S+)* AUTH command used when not advertised$"#,
        Means::Fault(Fault::Cleartext),
    ),
    form(
        r#"^SMTP protocol error in ".*" <HELO>\[<IP>\](?::\d+)?(?: [A-Z][a-z]*=\S+)* \S+ authentication mechanism not supported$"#,
        Means::Fault(Fault::Malformed),
    ),
    form(
        r"^SMTP protocol synchronization error \([^)]*\): rejected .*?<HELO>\[<IP>\](?::\d+)? .*$",
        Means::Fault(Fault::Early),
    ),
    form(
        r"^SMTP call from (?:\S+ )?(?:\(\S*\) )?\[<IP>\](?::\d+)?(?: [A-Z][a-z]*=\S+)* dropped: .*$",
        Means::Fault(Fault::Malformed),
    ),
    form(
        r"^(?:\S+-\S+-\S+ )?(?:no MAIL in )?SMTP connection from (?:\S+ )?(?:\(\S*\) )?\[<IP>\](?::\d+)?(?: [A-Z][A-Za-z]*=\S*)*(?: closed by DROP in ACL)?$",
        Means::Fault(Fault::Loitered),
    ),
    form(
        r"^no (?:host name found for IP address <IP>|IP address found for host \S+ \(during SMTP connection from \[<IP2>\].*)$",
        Means::Fault(Fault::Loitered),
    ),
];

const SENDMAIL: &[Form] = &[
    form(
        r"^\w+: AUTH failure \([\w-]+\): (?P<why>.*?)(?:, user=(?P<user>.*))?, relay=(?:[^\s\[]+ )?\[<IP>\](?: \(may be forged\))?$",
        Means::LoginFailed,
    ),
    form(
        r"^\w+: (?:[^\s\[]+ )?\[<IP>\](?: \(may be forged\))?: possible SMTP attack: command=AUTH, count=\d+$",
        Means::LoginFailed,
    ),
    form(
        r"^(?:\w+: )?ruleset=check_\w+, arg1=(?:<(?P<to>[^>]*)>|[^,]*), (?:arg2=[^,]*, )?relay=(?:[^\s\[]+ )?\[<IP>\](?: \(may be forged\))?, reject=(?P<why>\d{3} .*)$",
        Means::Refusal,
    ),
];

const CYRUS: &[Form] = &[form(
    r"^badlogin: [^\[]*\[<IP>\] (?i:[a-z0-9-]+)(?: (?P<user>[^\[\s]+))? \[?(?P<why>SASL\(-13\): .*|authentication failure.*)$",
    Means::LoginFailed,
)];

const COURIER: &[Form] = &[
    form(
        r"^LOGIN FAILED, (?:user=(?P<user>.*)|method=\S+), ip=\[<IP>\](?:, port=\[\d+\])?$",
        Means::LoginFailed,
    ),
    form(
        r#"^error,relay=<IP>,(?:port=\d+,)?(?:ident=[^,]*,)?msg="535 Authentication failed\.",cmd:.*$"#,
        Means::LoginFailed,
    ),
    form(
        r"^error,relay=<IP>,(?:port=\d+,)?(?:ident=[^,]*,)?from=<[^>]*>,to=<(?P<to>[^>]*)>: 550 User .*$",
        Means::UnknownRecipient,
    ),
    form(
        r"^Login (?:failed|excessive login failures|disabled) user=(?P<user>\S*) auth=\S* host=\S* \[<IP>\]\s*$",
        Means::LoginFailed,
    ),
    form(
        r"^Failed \S+ override of user=(?P<user>\S*)\s+host=\S* \[<IP>\]\s*$",
        Means::LoginFailed,
    ),
    form(
        r"^badlogin: [^\[]*\[<IP>\] (?i:[a-z0-9-]+)(?: (?P<user>[^\[\s]+))? \[?(?P<why>SASL\(-13\): .*|authentication failure.*)$",
        Means::LoginFailed,
    ),
];

const WEB: &[Form] = &[
    // The user's name may hold ` from 192.0.2.1`, and what the server answered may, too: the address is the one behind which the program's own
    // words stand.
    form(
        r"^(?:<\w+> )?(?:IMAP Error: )?(?i:failed login|login failed) for (?P<user>.*?) from <IP>(?:\(X-[^)]*\))?(?:\. (?:AUTHENTICATE|LOGIN|Authentication|Could not) .*|\.| in session .*)?$",
        Means::LoginFailed,
    ),
];

/// Longest address kept of a line (RFC 5321 §4.5.3.1 allows 256), bytes.
const ADDRESS_BYTES_MAX: usize = 512;

const ADDRESS: &str = r"(?P<ip>(?:\d{1,3}(?:\.\d{1,3}){3}|(?:IPv6:)?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*))";

/// Forms, compiled.
struct Table(Vec<(Regex, Means)>);

impl Table {
    /// A form that does not compile is a mistake of this file, found by the first test that reads anything.
    fn new(forms: &[Form]) -> Self {
        let second = ADDRESS.replace("?P<ip>", "?P<ip2>");
        let compiled = forms.iter().filter_map(|form| {
            let pattern = form
                .pattern
                .replace("<HELO>", r"H=(?:\S+ )?(?:\(\S*\) )?")
                .replace("<IP>", ADDRESS)
                .replace("<IP2>", &second);
            let regex = Regex::new(&pattern);
            debug_assert!(regex.is_ok(), "{pattern}: {regex:?}");
            Some((regex.ok()?, form.means))
        });
        Self(compiled.collect())
    }
}

macro_rules! tables {
    ($($name:ident = $forms:ident;)*) => {
        $(static $name: LazyLock<Table> = LazyLock::new(|| Table::new($forms));)*
    };
}

tables! {
    LOGIN = DOVECOT_LOGIN;
    AUTH = DOVECOT_AUTH;
    AUTH_24 = DOVECOT_AUTH_24;
    SMTPD = POSTFIX_SMTPD;
    SCREEN = POSTSCREEN;
    PICKUP = POSTFIX_PICKUP;
    DELIVERY = POSTFIX_DELIVERY;
    EXIMS = EXIM;
    SENDMAILS = SENDMAIL;
    CYRUSES = CYRUS;
    COURIERS = COURIER;
    WEBS = WEB;
}

/// Reads a program's message.
pub(super) fn read(program: Program, message: &str) -> Option<Noted> {
    let (table, protocol): (&Table, Protocol) = match program {
        Program::Dovecot => return None,
        Program::DovecotLogin(protocol) => (&LOGIN, protocol),
        Program::DovecotAuth => (&AUTH, Protocol::Imap),
        Program::PostfixSmtpd => (&SMTPD, Protocol::Submission),
        Program::Postscreen => (&SCREEN, Protocol::Smtp),
        Program::PostfixPickup => (&PICKUP, Protocol::Submission),
        Program::PostfixDelivery => (&DELIVERY, Protocol::Submission),
        Program::Exim => (&EXIMS, Protocol::Submission),
        Program::Sendmail => (&SENDMAILS, Protocol::Submission),
        Program::Cyrus(protocol) => (&CYRUSES, protocol),
        Program::Courier(protocol) => (&COURIERS, protocol),
        Program::Web => (&WEBS, Protocol::Http),
    };
    let message = match program {
        Program::Exim => without_process(message),
        _ => message,
    };
    find(table, protocol, message)
}

/// Dovecot 2.4's authentication process, whose name holds the login.
pub(super) fn read_auth_24(body: &str) -> Option<Noted> {
    find(&AUTH_24, Protocol::Imap, body)
}

fn find(table: &Table, protocol: Protocol, message: &str) -> Option<Noted> {
    let (captures, means) = table
        .0
        .iter()
        .find_map(|(regex, means)| Some((regex.captures(message)?, *means)))?;
    let group = |name: &str| captures.name(name).map(|group| group.as_str());
    let what = what(means, &captures)?;
    let ip = group("ip").or_else(|| group("ip2"));
    let ip = ip.and_then(|ip| {
        ip.trim_start_matches("IPv6:")
            .parse::<std::net::IpAddr>()
            .ok()
    });
    if ip.is_none() && !matches!(means, Means::Delivery | Means::HandedIn) {
        return None;
    }
    let kept = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let session = group("session").map(str::to_owned).or_else(|| {
        // Dovecot's login processes end with it, and write it themselves.
        let (_, rest) = message.rsplit_once(", session=<")?;
        rest.strip_suffix('>').map(str::to_owned)
    });
    Some(Noted {
        ip: ip.map(|ip| ip.to_canonical()),
        account: group("user").and_then(kept),
        protocol: match what {
            What::UnknownRecipient(_) | What::RelayDenied(_) | What::Refused => Protocol::Smtp,
            // Whoever breaks the protocol of a submission port is no user of it.
            What::Fault(_) if protocol == Protocol::Submission => Protocol::Smtp,
            _ => protocol,
        },
        session: session.filter(|session| !session.is_empty()),
        queue_id: group("queue").and_then(kept),
        recipient: match means {
            Means::Delivery => group("to").and_then(|to| Address::from_path(to, ADDRESS_BYTES_MAX)),
            _ => None,
        },
        what,
    })
}

/// `[4711] ` in front, as Exim writes it when asked.
fn without_process(message: &str) -> &str {
    let rest = message
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    match rest {
        Some((process, rest)) if process.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => message,
    }
}

fn what(means: Means, captures: &Captures<'_>) -> Option<What> {
    let text = |name: &str| captures.name(name).map_or("", |group| group.as_str());
    let why = text("why").to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    let to = || Address::from_path(text("to"), ADDRESS_BYTES_MAX);
    Some(match means {
        Means::LoggedIn => What::LoggedIn,
        Means::LoginsFailed => What::LoginsFailed(text("times").parse().unwrap_or(1).max(1)),
        Means::LoginFailed if says(&["connection lost to authentication server", "temporary"]) => {
            return None;
        }
        Means::LoginFailed if says(&["invalid authentication mechanism"]) => {
            What::Fault(Fault::Loitered)
        }
        Means::LoginFailed if says(&["unknown user", "user not known", "user not found"]) => {
            What::LoginFailed(FailType::Account)
        }
        Means::LoginFailed => What::LoginFailed(FailType::Credentials),
        Means::UnknownRecipient => What::UnknownRecipient(to()),
        Means::Refusal
            if says(&[
                "relay access denied",
                "relay not permitted",
                "relaying denied",
            ]) =>
        {
            What::RelayDenied(to())
        }
        Means::Refusal
            if says(&[
                "user unknown",
                "unknown user",
                "undeliverable address",
                "unrouteable address",
                "no such user",
            ]) =>
        {
            What::UnknownRecipient(to())
        }
        Means::Refusal => What::Refused,
        Means::Fault(fault) => What::Fault(fault),
        Means::HandedIn => What::HandedIn(
            text("uid").parse().ok()?,
            Address::from_path(text("from"), ADDRESS_BYTES_MAX),
        ),
        Means::Delivery => return delivery(text("status"), text("dsn"), &why),
    })
}

/// What became of mail at the recipient's server.
fn delivery(status: &str, dsn: &str, why: &str) -> Option<What> {
    let blames = [
        "spam",
        "blocked",
        "blacklist",
        "blocklist",
        "reputation",
        "listed",
        "junk",
        "abuse",
    ];
    let refused = dsn.starts_with("5.7.") || dsn.starts_with("4.7.");
    match status {
        "sent" => Some(What::Delivered),
        _ if refused && blames.iter().any(|word| why.contains(word)) => Some(What::CalledSpam),
        "bounced" if dsn.starts_with("5.1.") => Some(What::Bounced),
        _ => None,
    }
}
