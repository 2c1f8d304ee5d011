//! The macros we read, by the stage they came with.

use std::collections::BTreeMap;

use super::command::{Pairs, Stage};
use super::message::Cutter;

/// The macros that say something we use; all others are passed over unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Macro {
    /// `j`: the server's own name.
    Server,
    /// `{daemon_name}`
    DaemonName,
    /// `{daemon_addr}`
    DaemonAddr,
    /// `v`: the server's software.
    Software,
    /// `_`: the client as the server knows it, `name [address]`, with `(may be forged)` behind it.
    ClientInWords,
    /// `i`
    QueueId,
    /// `{tls_version}`
    TlsVersion,
    /// `{cipher}`
    Cipher,
    /// `{auth_type}`
    AuthType,
    /// `{auth_authen}`
    Account,
}

impl Macro {
    /// Some servers leave the braces of long names away.
    fn parse(name: &[u8]) -> Option<Self> {
        let bare = name
            .strip_prefix(b"{")
            .and_then(|name| name.strip_suffix(b"}"));
        Some(match bare.unwrap_or(name) {
            b"j" => Self::Server,
            b"daemon_name" => Self::DaemonName,
            b"daemon_addr" => Self::DaemonAddr,
            b"v" => Self::Software,
            b"_" => Self::ClientInWords,
            b"i" => Self::QueueId,
            b"tls_version" => Self::TlsVersion,
            b"cipher" => Self::Cipher,
            b"auth_type" => Self::AuthType,
            b"auth_authen" => Self::Account,
            _ => return None,
        })
    }
}

/// At most one value for each stage and macro, each no longer than an address.
#[derive(Debug, Default)]
pub(super) struct Macros(BTreeMap<(Stage, Macro), String>);

impl Macros {
    /// What came with `stage` before is gone: after STARTTLS the second HELO says anew what holds,
    /// and so does each sender.
    pub(super) fn set(&mut self, stage: Stage, pairs: Pairs<'_>, cutter: &mut Cutter) {
        self.0.retain(|(kept, _), _| *kept != stage);
        for (name, value) in pairs.iter() {
            if let (Some(name), false) = (Macro::parse(name), value.is_empty()) {
                self.0.insert((stage, name), cutter.text(value));
            }
        }
    }

    /// The value from the latest stage that has one.
    pub(super) fn get(&self, name: Macro) -> Option<&str> {
        let mut latest_first = self.0.iter().rev();
        latest_first
            .find(|((_, kept), _)| *kept == name)
            .map(|(_, value)| value.as_str())
    }

    /// Forgets what belongs to one message.
    pub(super) fn forget_message(&mut self) {
        self.0.retain(|(stage, _), _| *stage < Stage::Mail);
    }

    /// Forgets everything: another client.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }
}
