//! What servers write into their logs about logins and strangers' tries: the last resort, where nothing better tells.
//!
//! A line is [`Noted`] when one of the forms (`forms.rs`) matches the whole of what the program said. Everything a stranger chooses (a user name, a
//! `HELO`, a sender) stands in lines of a log too, so forms are anchored and take the address from where the server itself wrote
//! it: `ruser=rhost=192.0.2.1 rhost=198.51.100.2` is about the second. Time stamps of logs name no year and often no zone; whoever follows a
//! log knows better when a line came.

use std::net::IpAddr;

use mail::Address;
use mail::operation::{FailType, Fault, Protocol};

mod forms;

/// Longest line read; Postfix cuts its own at about 2,000 bytes.
pub const LINE_BYTES_MAX: usize = 8192;

/// What a line tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Noted {
    /// From where.
    pub ip: Option<IpAddr>,
    /// The account's name as it was given.
    pub account: Option<String>,
    /// By what.
    pub protocol: Protocol,
    /// The server's name of the session.
    pub session: Option<String>,
    /// The mail server's name for the message.
    pub queue_id: Option<String>,
    /// The recipient whose delivery it is about.
    pub recipient: Option<Address>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Somebody logged in.
    LoggedIn,
    /// Somebody did not.
    LoginFailed(FailType),
    /// At its end a session is summed up: so many logins failed in it. The authentication process may have told each of them before.
    LoginsFailed(u32),
    /// An address of ours that there is not.
    UnknownRecipient(Option<Address>),
    /// An address that is not ours.
    RelayDenied(Option<Address>),
    /// Refused for another reason.
    Refused,
    /// The session broke the protocol or came to nothing.
    Fault(Fault),
    /// A program on the machine, by the number of its user, hands in a message in somebody's name; without one it has the null sender.
    HandedIn(u32, Option<Address>),
    /// The recipient's server took it.
    Delivered,
    /// The recipient's server knows no such recipient.
    Bounced,
    /// The recipient's server calls it spam, or us.
    CalledSpam,
}

/// Reads one line without its line ending.
pub fn read(line: &str) -> Option<Noted> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let body = without_stamp(line);
    let mut rest = body;
    // `host program[pid]: program: message`: the innermost program that we know speaks.
    for _ in 0..3 {
        let Some((head, message)) = rest.split_once(": ") else {
            break;
        };
        let mut words = head.split_whitespace();
        let (Some(first), second, None) = (words.next(), words.next(), words.next()) else {
            break;
        };
        let speaker = second.unwrap_or(first);
        if speaker.starts_with("auth(") && speaker.contains(',') {
            return forms::read_auth_24(&format!("{speaker}: {message}"));
        }
        if let Some(program) = Program::of(speaker) {
            let message = message.trim_start();
            let message = message.strip_prefix("Info: ").unwrap_or(message);
            return match program {
                // Its processes speak for themselves.
                Program::Dovecot => {
                    rest = message;
                    continue;
                }
                _ => forms::read(program, without_stamp(message)),
            };
        }
        // What an unknown program says is not looked into: it may quote anything.
        break;
    }
    // Exim's own log and those of web programs have a stamp and no name.
    forms::read(Program::Exim, body).or_else(|| forms::read(Program::Web, body))
}

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// Dovecot's master; its processes name themselves behind it.
    Dovecot,
    /// `imap-login` and its kin.
    DovecotLogin(Protocol),
    /// `auth`, `auth-worker`.
    DovecotAuth,
    /// `smtpd` of Postfix.
    PostfixSmtpd,
    Postscreen,
    /// `pickup` of Postfix: mail that programs on the machine hand in.
    PostfixPickup,
    /// `smtp`, `lmtp` of Postfix: mail on its way out.
    PostfixDelivery,
    Exim,
    Sendmail,
    Cyrus(Protocol),
    /// Courier and UW share their names; their lines do not look alike.
    Courier(Protocol),
    Web,
}

impl Program {
    /// By its name with what follows: `postfix/smtpd[123]`, `auth-worker(9)`.
    fn of(word: &str) -> Option<Self> {
        // Dovecot 2.4: `auth(ann@example.org,192.0.2.1,sasl:login)<session>`, which is all message.
        let name = word.split(['[', '(', '<']).next()?;
        let (instance, daemon) = name.rsplit_once('/').unwrap_or(("", name));
        if instance.starts_with("postfix") {
            return Some(match daemon {
                "smtpd" => Self::PostfixSmtpd,
                "postscreen" => Self::Postscreen,
                "pickup" => Self::PostfixPickup,
                "smtp" | "lmtp" => Self::PostfixDelivery,
                _ => return None,
            });
        }
        if instance == "cyrus" || matches!(daemon, "timsieved" | "sieve") {
            return Some(Self::Cyrus(by_name(daemon)));
        }
        Some(match daemon {
            "dovecot" => Self::Dovecot,
            "imap-login" => Self::DovecotLogin(Protocol::Imap),
            "pop3-login" => Self::DovecotLogin(Protocol::Pop3),
            "managesieve-login" => Self::DovecotLogin(Protocol::ManageSieve),
            "submission-login" => Self::DovecotLogin(Protocol::Submission),
            "auth" | "auth-worker" | "dovecot-auth" => Self::DovecotAuth,
            "exim" | "exim4" => Self::Exim,
            "sendmail" | "sm-mta" | "sm-acceptingconnections" => Self::Sendmail,
            "imapd" | "imapd-ssl" | "pop3d" | "pop3d-ssl" | "ipop3d" | "courierpop3login"
            | "courierimaplogin" | "courieresmtpd" | "imap" => Self::Courier(by_name(daemon)),
            "roundcube" => Self::Web,
            _ => return None,
        })
    }
}

fn by_name(daemon: &str) -> Protocol {
    if daemon.contains("pop") {
        Protocol::Pop3
    } else if daemon.contains("sieve") {
        Protocol::ManageSieve
    } else if daemon.contains("smtp") {
        Protocol::Submission
    } else {
        Protocol::Imap
    }
}

/// Without the time stamp in front: syslog's, RFC 3339, Exim's, multilog's.
pub(crate) fn without_stamp(line: &str) -> &str {
    let line = line.trim_start();
    if let Some(rest) = line.strip_prefix('@') {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        return rest.get(digits..).unwrap_or_default().trim_start();
    }
    if let Some(rest) = line.strip_prefix('[')
        && let Some((stamp, rest)) = rest.split_once(']')
        && stamp.contains(':')
        && stamp.starts_with(|c: char| c.is_ascii_digit())
    {
        return rest.trim_start_matches(':').trim_start();
    }
    let first = |text: &str| text.find(' ').unwrap_or(text.len());
    let (word, rest) = line.split_at(first(line));
    let rest = rest.trim_start();
    if word.len() >= 19 && word.as_bytes()[4] == b'-' && word.contains('T') {
        return rest;
    }
    let (next, after) = rest.split_at(first(rest));
    let after = after.trim_start();
    if word.len() == 10 && word.as_bytes()[4] == b'-' && next.contains(':') {
        // A zone may follow.
        let (zone, behind) = after.split_at(first(after));
        let is_zone = zone.len() == 5 && zone.starts_with(['+', '-']);
        return if is_zone { behind.trim_start() } else { after };
    }
    let is_month = word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_month && next.bytes().all(|byte| byte.is_ascii_digit()) && !next.is_empty() {
        let (time, behind) = after.split_at(first(after));
        if time.contains(':') {
            return behind.trim_start();
        }
    }
    line
}

#[cfg(test)]
mod tests;
