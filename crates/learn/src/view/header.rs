//! Which header fields are looked at.
//!
//! What our own side or another filter wrote into a message says how it was judged before, and what a mailbox wrote says where it was kept: a model
//! that sees those learns the archive and not the mail.

use mail::{Skim, SkimField};

/// Fields that mailboxes add.
const OF_MAILBOXES: [&str; 9] = [
    "status",
    "x-status",
    "content-length",
    "lines",
    "x-keywords",
    "x-uid",
    "x-uidl",
    "x-mozilla-status",
    "x-mozilla-status2",
];

/// Beginnings of names of fields that filters add.
const OF_FILTERS: [&str; 9] = [
    "x-spam",
    "x-rspamd",
    "x-mailvigil",
    "x-bogosity",
    "x-crm114",
    "x-dspam",
    "x-spambayes",
    "authentication-results",
    "arc-authentication-results",
];

/// How much of a message is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only the subject and the body. Where the classes of a collection come from different receivers, everything else tells the receiver.
    pub body_only: bool,
    /// Names of header fields that are left out besides those that always are.
    pub without: Vec<String>,
}

impl Scope {
    /// The fields looked at, in order.
    pub(super) fn fields<'m>(&self, skim: &Skim<'m>) -> Vec<SkimField<'m>> {
        skim.fields
            .iter()
            .filter(|field| self.keeps(field.name))
            .copied()
            .collect()
    }

    fn keeps(&self, name: &[u8]) -> bool {
        if self.body_only {
            return name.eq_ignore_ascii_case(b"subject");
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let starts = |known: &&str| {
            name.get(..known.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(known.as_bytes()))
        };
        !OF_MAILBOXES.iter().any(|known| is(known))
            && !OF_FILTERS.iter().any(starts)
            && !self.without.iter().any(|known| is(known))
    }
}

impl Scope {
    /// The message with nothing in its header but what is looked at, and what is needed to read the body: for filters that cannot be told to look away.
    pub fn apply(&self, raw: &[u8]) -> Vec<u8> {
        let raw = without_mbox_line(raw);
        let (header, body) = raw.split_at(mail::message::body_start(raw));
        let mut kept = Vec::with_capacity(raw.len());
        for field in mail::message::raw_fields(header) {
            let colon = memchr::memchr(b':', field).unwrap_or(field.len());
            let name = field[..colon].trim_ascii_end();
            let starts = |start: &[u8]| {
                name.get(..start.len())
                    .is_some_and(|it| it.eq_ignore_ascii_case(start))
            };
            if self.keeps(name) || starts(b"content-") || starts(b"mime-") {
                kept.extend_from_slice(field);
            }
        }
        kept.extend_from_slice(if raw.contains(&b'\r') { b"\r\n" } else { b"\n" });
        kept.extend_from_slice(body);
        kept
    }
}

/// A message as a mailbox keeps it begins with a line of the mailbox.
pub(super) fn without_mbox_line(raw: &[u8]) -> &[u8] {
    if !raw.starts_with(b"From ") {
        return raw;
    }
    let end = memchr::memchr(b'\n', raw).map_or(raw.len(), |at| at + 1);
    &raw[end..]
}
