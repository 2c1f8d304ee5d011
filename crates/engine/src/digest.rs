//! Digest mail: what is held for a mailbox, told to its owner, with links by which they decide.
//!
//! Mail scanners follow links by themselves, so a link only shows; what it shows has buttons, and a link is good for
//! one press. Each holds a secret of 256 bits, of which the store keeps the hash. The digest passes our own filter by a mark
//! of ours, as a release does: it quotes subjects that were held for what they say.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use data_encoding::BASE64;
use mail::{Address, RecordId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Held, HeldFilter, Link};

use crate::clock::now;
use crate::desk::{Author, Desk, DeskError, HeldView, Right, Role};
use crate::gate::{self, Gate};
use crate::mark::{DIGEST_HEADER, Marker};
use crate::release::{Courier, Submitted};

/// A link is good for so long, seconds.
const LINK_SECS: i64 = 14 * 86_400;
/// Messages named in one digest; more are counted.
const NAMED_MAX: usize = 50;
/// Held messages looked at for one round.
const HELD_MAX: u32 = 5_000;
/// The kind of link that lets a digest past our own filter, once.
pub(crate) const PASS: &str = "digest-pass";
/// For so long, seconds: mail waits in queues.
const PASS_SECS: i64 = 86_400;
/// Until when the last round looked.
const LAST: &str = "digest:last";

/// What the digest needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestSettings {
    /// Who it comes from.
    pub from: Address,
    /// Where links lead, without a slash at the end.
    pub url: String,
    /// Seconds between two rounds.
    pub every_secs: i64,
}

/// What a link of a digest is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Target {
    item: RecordId,
    owner: String,
}

/// What came of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Digests the server took.
    pub sent: u64,
    /// Digests it did not take.
    pub refused: u64,
}

impl Desk {
    /// Sends the digests when they are due: of each round, one node does it.
    pub async fn send_due_digests(
        &self,
        settings: &DigestSettings,
        courier: &dyn Courier,
    ) -> Result<Round, DeskError> {
        let slot = now().secs().div_euclid(settings.every_secs);
        let key = format!("digest:{slot}");
        if !self.store().claim_answer(&key, "", now()).await? {
            return Ok(Round::default());
        }
        self.send_digests(settings, courier).await
    }

    /// Sends what came since the last round.
    pub async fn send_digests(
        &self,
        settings: &DigestSettings,
        courier: &dyn Courier,
    ) -> Result<Round, DeskError> {
        self.need(Right::ChangePolicy)?;
        let last = self.store().state(LAST).await?;
        let last = last
            .and_then(|last| last.parse().ok())
            .map_or_else(|| now().plus_secs(-settings.every_secs), Timestamp);
        let until = now();
        let mut round = Round::default();
        for (owner, held) in self.held_since(last, until).await? {
            match self.send_one(settings, courier, &owner, &held).await? {
                Submitted::Taken { refused, .. } if refused.is_empty() => round.sent += 1,
                Submitted::Taken { refused, .. } => {
                    round.refused += 1;
                    tracing::warn!("a digest was refused: {}", refused.join("; "));
                }
                Submitted::Refused { why } | Submitted::Unknown { why } => {
                    round.refused += 1;
                    tracing::warn!("a digest was not sent: {why}");
                }
            }
        }
        self.store().set_state(LAST, &until.0.to_string()).await?;
        Ok(round)
    }

    /// What came into the quarantine in a time, by recipient.
    async fn held_since(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<BTreeMap<String, Vec<Held>>, DeskError> {
        let filter = HeldFilter {
            limit: HELD_MAX,
            before: Some(RecordId::first_at(until)),
            ..HeldFilter::default()
        };
        let site = self.site();
        let mut by_owner: BTreeMap<String, Vec<Held>> = BTreeMap::new();
        for held in self.store().held_list(&filter).await? {
            if held.at < since {
                break;
            }
            // Mail of our own people to others may be held as well; those others hear nothing of it.
            for to in held.recipients.iter().filter(|to| !site.is_foreign(to)) {
                by_owner.entry(to.key()).or_default().push(held.clone());
            }
        }
        Ok(by_owner)
    }

    async fn send_one(
        &self,
        settings: &DigestSettings,
        courier: &dyn Courier,
        owner: &str,
        held: &[Held],
    ) -> Result<Submitted, DeskError> {
        let Some(to) = Address::new(owner) else {
            return Ok(Submitted::Refused {
                why: "an address that cannot be written to".to_owned(),
            });
        };
        let mut links = Vec::new();
        let mut named = Vec::new();
        for one in held.iter().take(NAMED_MAX) {
            let code = gate::secret();
            let target = Target {
                item: one.id,
                owner: owner.to_owned(),
            };
            let link = Link {
                kind: "digest".to_owned(),
                target: serde_json::to_string(&target).unwrap_or_default(),
                expires: now().plus_secs(LINK_SECS),
                used: None,
            };
            links.push((gate::hash(&code), link));
            named.push((one, format!("{}/d/{code}", settings.url)));
        }
        let marker = Marker::for_digests(self.store().secret("digest-mark").await?);
        let mark = RecordId::random(now());
        let pass = Link {
            kind: PASS.to_owned(),
            target: String::new(),
            expires: now().plus_secs(PASS_SECS),
            used: None,
        };
        links.push((gate::hash(&mark.to_string()), pass));
        self.store().add_links(&links).await?;
        let mark = marker.value(mark);
        let raw = letter(settings, &to, &named, held.len() - named.len(), &mark);
        Ok(courier
            .submit("", None, std::slice::from_ref(&to), &raw)
            .await)
    }

    /// What a link of a digest is about: the desk of its owner, and the item. `None` when the link was used or ran out.
    pub async fn digest_link(
        &self,
        code: &str,
        from: &str,
    ) -> Result<Option<(Self, HeldView)>, DeskError> {
        let link = self.store().link(&gate::hash(code)).await?;
        let good = link
            .filter(|link| link.kind == "digest" && link.used.is_none() && link.expires > now());
        let Some(link) = good else { return Ok(None) };
        let Ok(target) = serde_json::from_str::<Target>(&link.target) else {
            return Ok(None);
        };
        let owner = Author {
            who: target.owner.clone(),
            from: from.to_owned(),
            role: Role::Owner,
            scope: vec![target.owner],
        };
        let desk = self.of(owner);
        match desk.held(target.item).await {
            Ok(view) => Ok(Some((desk, view))),
            Err(DeskError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Decides by a link of a digest: once.
    pub async fn decide_by_digest(
        &self,
        gate: &Gate,
        code: &str,
        from: &str,
        release: bool,
    ) -> Result<bool, DeskError> {
        let Some((desk, view)) = self.digest_link(code, from).await? else {
            return Ok(false);
        };
        // The act itself happens once; the link is used up by it, and not by a server that was away.
        let why = "by the link of a digest";
        if release {
            desk.release(view.held.id, why).await?;
        } else {
            desk.delete(view.held.id, why).await?;
        }
        Ok(gate.store().use_link(&gate::hash(code), now()).await?)
    }
}

/// The mail itself: plain text, because what it quotes is what strangers wrote.
fn letter(
    settings: &DigestSettings,
    to: &Address,
    named: &[(&Held, String)],
    more: usize,
    mark: &str,
) -> Vec<u8> {
    let mut text = String::from(
        "These messages were held for you. Each link shows one message, and is good for one decision.\n以下邮件已为您隔离。每个链接显示一封邮件，且只能决定一次。\n\n",
    );
    for (held, link) in named {
        let from = held.header_from.as_deref().unwrap_or("<>");
        let _ = writeln!(
            text,
            "{}\n  {}\n  {}\n  {link}\n",
            line(&held.subject, 120),
            line(from, 120),
            held.at
        );
    }
    if more > 0 {
        let _ = writeln!(text, "… and {more} more: {}/quarantine", settings.url);
    }
    let encoded = BASE64.encode(text.as_bytes());
    let mut body = String::with_capacity(encoded.len() + encoded.len() / 38);
    for piece in encoded.as_bytes().chunks(76) {
        body.push_str(std::str::from_utf8(piece).unwrap_or_default());
        body.push_str("\r\n");
    }
    let at = now().in_mail();
    let domain = settings
        .from
        .domain()
        .map_or_else(|| "localhost".to_owned(), |domain| domain.to_string());
    format!(
        "{DIGEST_HEADER}: {mark}\r\nFrom: Mailvigil <{}>\r\nTo: <{to}>\r\nSubject: {} held for you\r\nDate: {at}\r\nMessage-ID: <{}@{domain}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}",
        settings.from,
        named.len() + more,
        RecordId::random(now()),
    )
    .into_bytes()
}

/// Text of a stranger on one line, with nothing in it that could look like a line of ours.
fn line(text: &str, chars: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| !mail::text::is_invisible(*c))
        .take(chars)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_header_fields_write_them() {
        let at = Timestamp::parse("2026-11-23T18:05:09Z").expect("a time");
        assert_eq!(at.in_mail(), "Mon, 23 Nov 2026 18:05:09 +0000");
        assert_eq!(Timestamp(0).in_mail(), "Thu, 01 Jan 1970 00:00:00 +0000");
    }

    #[test]
    fn a_stranger_s_subject_stays_on_its_line() {
        assert_eq!(line("a\r\nhttps://x\u{202e}b", 20), "a  https://xb");
    }
}
