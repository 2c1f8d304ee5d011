//! Lines of Postfix's log that tell which messages entered its queue.
//!
//! Two lines make an arrival: `smtpd` names the client of a new queue file, `qmgr` says that the
//! file is complete. Both shapes of time stamp in use are read (`Nov 23 10:00:00` and RFC 3339), and
//! any `syslog_name` of several instances (`postfix-mx2/smtpd`). Every other line is [`Line::Other`].
//!
//! ```text
//! line   = stamp SP host SP syslog_name "/" daemon "[" pid "]:" SP queue-id ":" SP rest
//! smtpd  : rest = "client=" name "[" address "]" …
//! qmgr   : rest = "from=<" sender ">, size=" number ", nrcpt=" number " (queue active)"
//! ```

use std::net::IpAddr;

use crate::server_log::without_stamp;

/// What a log line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A client began a message that got this queue id.
    Client {
        /// The server's name for the message.
        queue_id: &'a str,
        /// The client's address, when the log holds one.
        ip: Option<IpAddr>,
    },
    /// The message is whole and queued.
    Queued {
        /// The server's name for the message.
        queue_id: &'a str,
        /// The envelope sender; empty for the null sender.
        envelope_from: &'a str,
        /// Bytes.
        size_bytes: u64,
        /// Number of recipients.
        recipients: u32,
    },
    /// The queue file is gone: delivered, discarded or refused.
    Removed {
        /// The server's name for the message.
        queue_id: &'a str,
    },
    /// Anything else.
    Other,
}

/// Longest line read; Postfix cuts its own at about 2,000 bytes.
pub const LINE_BYTES_MAX: usize = 8192;

impl<'a> Line<'a> {
    /// Reads one line without its line ending.
    pub fn read(line: &'a str) -> Self {
        Self::try_read(line).unwrap_or(Self::Other)
    }

    fn try_read(line: &'a str) -> Option<Self> {
        if line.len() > LINE_BYTES_MAX {
            return None;
        }
        let Spoken {
            daemon, message, ..
        } = spoken(line)?;
        let (queue_id, rest) = message.split_once(": ")?;
        if !is_queue_id(queue_id) {
            return None;
        }
        match daemon {
            "smtpd" => {
                let client = rest.strip_prefix("client=")?;
                let address = client
                    .split_once('[')
                    .and_then(|(_, rest)| rest.split_once(']'));
                let ip = address
                    .and_then(|(address, _)| address.trim_start_matches("IPv6:").parse().ok());
                Some(Self::Client { queue_id, ip })
            }
            "qmgr" if rest == "removed" => Some(Self::Removed { queue_id }),
            "qmgr" => {
                let rest = rest.strip_prefix("from=<")?;
                // The address may hold "," and " " in quotes, so look for the end that Postfix writes.
                let (envelope_from, rest) = rest.split_once(">, size=")?;
                let (size, rest) = rest.split_once(", nrcpt=")?;
                let (count, how) = rest.split_once(' ')?;
                (how == "(queue active)").then_some(())?;
                Some(Self::Queued {
                    queue_id,
                    envelope_from,
                    size_bytes: size.parse().ok()?,
                    recipients: count.parse().ok()?,
                })
            }
            _ => None,
        }
    }
}

/// A line of a part of Postfix.
pub(crate) struct Spoken<'a> {
    /// `syslog_name`.
    pub(crate) instance: &'a str,
    /// Which part: `smtpd`, `qmgr`, `smtp`.
    pub(crate) daemon: &'a str,
    /// Both with the process's number: what one process says belongs together.
    pub(crate) process: &'a str,
    /// What it said.
    pub(crate) message: &'a str,
}

/// Who said what in a line. Stamp, host and process, and nothing before: what another program quotes is not Postfix'.
pub(crate) fn spoken(line: &str) -> Option<Spoken<'_>> {
    let (head, message) = without_stamp(line).split_once("]: ")?;
    let mut words = head.split_whitespace();
    let (first, second, None) = (words.next()?, words.next(), words.next()) else {
        return None;
    };
    let process = second.unwrap_or(first);
    let (program, _) = process.rsplit_once('[')?;
    let (instance, daemon) = program.rsplit_once('/')?;
    Some(Spoken {
        instance,
        daemon,
        process,
        message,
    })
}

/// Short ids are upper-case hexadecimal, long ones (`enable_long_queue_ids`) letters and digits.
fn is_queue_id(text: &str) -> bool {
    (6..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_program_quotes_is_not_postfix() {
        let said = "postfix/smtpd[4711]: 8C3A91229A0: client=unknown[192.0.2.7]";
        for line in [
            format!("Nov 23 10:00:00 mx web[7]: GET /?q={said}"),
            format!("Nov 23 10:00:00 mx imap-login: user= {said}"),
            format!("2026-11-23T10:00:00+00:00 mx app[1]: mx {said}"),
        ] {
            assert_eq!(Line::read(&line), Line::Other, "{line}");
        }
        assert_ne!(
            Line::read(&format!("Nov 23 10:00:00 mx {said}")),
            Line::Other
        );
    }

    #[test]
    fn both_stamps_and_any_instance_name() {
        let old = "Nov 23 10:00:00 mx postfix/smtpd[4711]: 8C3A91229A0: client=unknown[192.0.2.7]";
        let ip = "192.0.2.7".parse().ok();
        assert_eq!(
            Line::read(old),
            Line::Client {
                queue_id: "8C3A91229A0",
                ip
            }
        );
        let new = "2026-11-23T10:00:00.123456+00:00 mx postfix-mx2/submission/smtpd[1]: 4bXyZ12345z1A: client=h.example[2001:db8::1], sasl_method=PLAIN, sasl_username=ann";
        let ip = "2001:db8::1".parse().ok();
        assert_eq!(
            Line::read(new),
            Line::Client {
                queue_id: "4bXyZ12345z1A",
                ip
            }
        );
    }

    #[test]
    fn a_queued_message_and_its_end() {
        let line = "Nov 23 10:00:00 mx postfix/qmgr[9]: 8C3A91229A0: from=<\"a, b\"@example.org>, size=1234, nrcpt=2 (queue active)";
        let queued = Line::Queued {
            queue_id: "8C3A91229A0",
            envelope_from: "\"a, b\"@example.org",
            size_bytes: 1234,
            recipients: 2,
        };
        assert_eq!(Line::read(line), queued);
        let line = "Nov 23 10:00:01 mx postfix/qmgr[9]: 8C3A91229A0: removed";
        assert_eq!(
            Line::read(line),
            Line::Removed {
                queue_id: "8C3A91229A0"
            }
        );
    }

    #[test]
    fn everything_else_is_other() {
        for line in [
            "",
            "Nov 23 10:00:00 mx postfix/smtpd[4711]: connect from unknown[192.0.2.7]",
            "Nov 23 10:00:00 mx postfix/smtpd[4711]: NOQUEUE: reject: RCPT from x[192.0.2.7]: 550",
            "Nov 23 10:00:00 mx postfix/smtpd[4711]: warning: milter inet:127.0.0.1:1: can't read",
            "Nov 23 10:00:00 mx dovecot: imap-login: Login: user=<ann>",
            "Nov 23 10:00:00 mx postfix/qmgr[9]: 8C3A91229A0: from=<x>, size=99999999999999999999, nrcpt=2 (queue active)",
        ] {
            assert_eq!(Line::read(line), Line::Other, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line in "\\PC{0,200}") {
            let _ = Line::read(&line);
        }
    }
}
