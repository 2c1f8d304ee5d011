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
        let (tag, rest) = line.split_once("]: ")?;
        let (program, _pid) = tag.rsplit_once('[')?;
        let (_, daemon) = program.rsplit_once('/')?;
        let (queue_id, rest) = rest.split_once(": ")?;
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

/// Short ids are upper-case hexadecimal, long ones (`enable_long_queue_ids`) letters and digits.
fn is_queue_id(text: &str) -> bool {
    (6..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

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
