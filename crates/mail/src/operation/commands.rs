//! Which command of which protocol is which kind of operation: a table, and a site's own words on it.

use std::collections::BTreeMap;

use super::{Kind, Protocol};

/// The table as shipped. A command is written as its protocol writes it, in capitals; `UID` before an IMAP command makes no
/// difference. Sources: RFC 5321 §4.1.1, RFC 1939 §5, RFC 9051 §6, RFC 4314 (ACL), RFC 5804 (ManageSieve).
pub const SHIPPED: &[(Protocol, Kind, &[&str])] = &[
    (Protocol::Smtp, Kind::Login, &["AUTH"]),
    (
        Protocol::Smtp,
        Kind::Send,
        &["MAIL", "RCPT", "DATA", "BDAT"],
    ),
    (Protocol::Smtp, Kind::Probe, &["VRFY", "EXPN"]),
    (
        Protocol::Smtp,
        Kind::Control,
        &["EHLO", "HELO", "STARTTLS", "RSET", "NOOP", "HELP", "QUIT"],
    ),
    (
        Protocol::Pop3,
        Kind::Login,
        &["USER", "PASS", "APOP", "AUTH"],
    ),
    (Protocol::Pop3, Kind::Retrieve, &["RETR", "TOP"]),
    (Protocol::Pop3, Kind::List, &["LIST", "UIDL", "STAT"]),
    (Protocol::Pop3, Kind::Delete, &["DELE"]),
    (
        Protocol::Pop3,
        Kind::Control,
        &["CAPA", "STLS", "NOOP", "RSET", "QUIT"],
    ),
    (Protocol::Imap, Kind::Login, &["LOGIN", "AUTHENTICATE"]),
    (Protocol::Imap, Kind::Retrieve, &["FETCH"]),
    (
        Protocol::Imap,
        Kind::List,
        &[
            "LIST", "LSUB", "STATUS", "SEARCH", "SORT", "THREAD", "SELECT", "EXAMINE",
        ],
    ),
    (Protocol::Imap, Kind::Delete, &["STORE", "EXPUNGE", "MOVE"]),
    (
        Protocol::Imap,
        Kind::Administer,
        &[
            "CREATE",
            "DELETE",
            "RENAME",
            "SUBSCRIBE",
            "UNSUBSCRIBE",
            "SETACL",
            "DELETEACL",
            "SETMETADATA",
            "COPY",
            "APPEND",
        ],
    ),
    (
        Protocol::Imap,
        Kind::Control,
        &[
            "CAPABILITY",
            "STARTTLS",
            "NOOP",
            "IDLE",
            "ID",
            "ENABLE",
            "CHECK",
            "CLOSE",
            "UNSELECT",
            "NAMESPACE",
            "LOGOUT",
        ],
    ),
    (Protocol::ManageSieve, Kind::Login, &["AUTHENTICATE"]),
    (Protocol::ManageSieve, Kind::Retrieve, &["GETSCRIPT"]),
    (
        Protocol::ManageSieve,
        Kind::List,
        &["LISTSCRIPTS", "HAVESPACE"],
    ),
    (
        Protocol::ManageSieve,
        Kind::Administer,
        &[
            "PUTSCRIPT",
            "SETACTIVE",
            "CHECKSCRIPT",
            "RENAMESCRIPT",
            "DELETESCRIPT",
        ],
    ),
    (
        Protocol::ManageSieve,
        Kind::Control,
        &["CAPABILITY", "STARTTLS", "NOOP", "LOGOUT"],
    ),
];

/// The table with a site's changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandKinds {
    changed: BTreeMap<(Protocol, String), Kind>,
}

impl CommandKinds {
    /// Says what a command is here, whatever the shipped table says.
    pub fn set(&mut self, protocol: Protocol, command: &str, kind: Kind) {
        self.changed.insert((protocol, plain(command)), kind);
    }

    /// What a command is; `None` for one that nobody knows. Submission is SMTP; what webmail does by HTTP has no commands.
    pub fn kind(&self, protocol: Protocol, command: &str) -> Option<Kind> {
        let command = plain(command);
        if let Some(kind) = self.changed.get(&(protocol, command.clone())) {
            return Some(*kind);
        }
        let spoken = match protocol {
            Protocol::Submission => Protocol::Smtp,
            other => other,
        };
        let known = SHIPPED
            .iter()
            .find(|(of, _, commands)| *of == spoken && commands.contains(&command.as_str()));
        known.map(|(_, kind, _)| *kind)
    }
}

fn plain(command: &str) -> String {
    let command = command.trim().to_ascii_uppercase();
    match command.strip_prefix("UID ") {
        Some(rest) => rest.trim_start().to_owned(),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_kinds() {
        let kinds = CommandKinds::default();
        let cases = [
            (Protocol::Submission, "auth", Some(Kind::Login)),
            (Protocol::Smtp, "VRFY", Some(Kind::Probe)),
            (Protocol::Imap, "uid fetch", Some(Kind::Retrieve)),
            (Protocol::Pop3, "DELE", Some(Kind::Delete)),
            (Protocol::ManageSieve, "SETACTIVE", Some(Kind::Administer)),
            (Protocol::Pop3, "FETCH", None),
            (Protocol::Http, "GET", None),
        ];
        for (protocol, command, kind) in cases {
            assert_eq!(kinds.kind(protocol, command), kind, "{command}");
        }
    }

    #[test]
    fn no_command_is_two_things() {
        let mut seen = std::collections::BTreeSet::new();
        for (protocol, _, commands) in SHIPPED {
            for command in *commands {
                assert!(seen.insert((protocol, command)), "{protocol:?} {command}");
            }
        }
    }

    #[test]
    fn a_site_has_the_last_word() {
        let mut kinds = CommandKinds::default();
        kinds.set(Protocol::Imap, "copy", Kind::Delete);
        assert_eq!(kinds.kind(Protocol::Imap, "UID COPY"), Some(Kind::Delete));
        assert_eq!(
            CommandKinds::default().kind(Protocol::Imap, "COPY"),
            Some(Kind::Administer)
        );
    }
}
