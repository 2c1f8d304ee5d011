//! A day of a small organisation's mail: who writes to whom, in which bytes. The same every time.

mod unwanted;
mod wanted;

use mail::Timestamp;

use super::encoding;
use super::letters::{STAFF, THINGS};

/// The organisation.
pub const DOMAIN: &str = "lindenhof.example";
/// Its mail server.
pub const SERVER: &str = "mx1.lindenhof.example";

/// What a message of the day is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Letter,
    Internal,
    Outbound,
    Newsletter,
    Receipt,
    MailingList,
    Chinese,
    MixedCharset,
    Attachment,
    Bounce,
    Broken,
    AdvanceFee,
    Phishing,
    Extortion,
    HarmfulFile,
    Offer,
    InvoiceTrade,
    BombOneSource,
    BombManySources,
    RelayAttempt,
}

impl Kind {
    /// As the summary shows it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Letter => "letters from outside",
            Self::Internal => "letters within the house",
            Self::Outbound => "letters to outside",
            Self::Newsletter => "newsletters",
            Self::Receipt => "receipts and notices",
            Self::MailingList => "mailing list",
            Self::Chinese => "Chinese mail",
            Self::MixedCharset => "mixed charsets",
            Self::Attachment => "with attachments",
            Self::Bounce => "bounces",
            Self::Broken => "malformed, but wanted",
            Self::AdvanceFee => "advance-fee fraud",
            Self::Phishing => "phishing",
            Self::Extortion => "extortion",
            Self::HarmfulFile => "harmful attachments",
            Self::Offer => "unasked offers",
            Self::InvoiceTrade => "invoice trade (Chinese)",
            Self::BombOneSource => "mail bomb from one machine",
            Self::BombManySources => "mail bomb from many machines",
            Self::RelayAttempt => "relay attempts",
        }
    }

    /// Would the people of the house want it?
    pub const fn is_wanted(self) -> bool {
        matches!(
            self,
            Self::Letter
                | Self::Internal
                | Self::Outbound
                | Self::Newsletter
                | Self::Receipt
                | Self::MailingList
                | Self::Chinese
                | Self::MixedCharset
                | Self::Attachment
                | Self::Bounce
                | Self::Broken
        )
    }
}

/// One message on its way to the mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// What it is.
    pub kind: Kind,
    /// Seconds after midnight.
    pub second: u32,
    /// The machine that hands it over.
    pub peer_ip: String,
    /// Its verified name.
    pub ptr_name: Option<String>,
    /// What it calls itself.
    pub helo_name: String,
    /// The account it logged in with.
    pub account: Option<String>,
    /// The envelope; `None` is the null sender.
    pub envelope_from: Option<String>,
    /// To whom.
    pub recipients: Vec<String>,
    /// The message, lines ending in CRLF.
    pub raw: Vec<u8>,
}

/// The whole day in the order of arrival; `today` is its midnight.
pub fn day(today: Timestamp) -> Vec<Letter> {
    let mut maker = Maker {
        dice: 0x6d61_696c_7669_6769,
        today,
        number: 0,
        letters: Vec::new(),
    };
    for _ in 0..95 {
        maker.letter(Kind::Letter);
    }
    for _ in 0..60 {
        maker.letter(Kind::Internal);
    }
    for _ in 0..60 {
        maker.letter(Kind::Outbound);
    }
    for turn in 0..36 {
        maker.newsletter(turn);
    }
    for turn in 0..36 {
        maker.receipt(turn);
    }
    for turn in 0..40 {
        maker.post(turn);
    }
    for turn in 0..24 {
        maker.chinese(turn);
    }
    for turn in 0..12 {
        maker.mixed(turn);
    }
    for turn in 0..24 {
        maker.attachment(turn);
    }
    for _ in 0..6 {
        maker.bounce();
    }
    for turn in 0..6 {
        maker.broken(turn);
    }
    for turn in 0..12 {
        maker.advance_fee(turn);
    }
    for turn in 0..21 {
        maker.phishing(turn);
    }
    for _ in 0..5 {
        maker.extortion();
    }
    for turn in 0..10 {
        maker.harmful_file(turn);
    }
    for turn in 0..20 {
        maker.offer(turn);
    }
    for turn in 0..9 {
        maker.invoice_trade(turn);
    }
    for turn in 0..150 {
        maker.bomb_one(turn);
    }
    for turn in 0..140 {
        maker.bomb_many(turn);
    }
    for turn in 0..4 {
        maker.relay(turn);
    }
    let mut letters = maker.letters;
    letters.sort_by_key(|letter| letter.second);
    letters
}

struct Maker {
    dice: u64,
    today: Timestamp,
    number: u32,
    letters: Vec<Letter>,
}

/// A message before its envelope.
struct Draft {
    from: String,
    to: String,
    subject: Vec<u8>,
    /// Further header lines, each ending in CRLF.
    more: String,
    body: Vec<u8>,
}

impl Maker {
    /// The next number below `below` (xorshift64, Marsaglia 2003): a demonstration must come out the same every time.
    fn roll(&mut self, below: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice % below as u64) as usize
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.roll(from.len())]
    }

    fn staff(&mut self) -> (&'static str, String) {
        let (name, mailbox) = *self.pick(&STAFF);
        (name, format!("{mailbox}@{DOMAIN}"))
    }

    fn fill(&mut self, text: &str, me: &str, you: &str) -> String {
        let thing = *self.pick(&THINGS);
        let number = 3 + self.roll(25);
        let first = |name: &str| name.split(' ').next().unwrap_or(name).to_owned();
        text.replace("{me}", me)
            .replace("{you}", &first(you))
            .replace("{thing}", thing)
            .replace("{n}", &number.to_string())
    }

    /// Office hours have most of the mail.
    fn second(&mut self) -> u32 {
        let hour = 7 + self.roll(6) + self.roll(6);
        (hour * 3600 + self.roll(3600)) as u32
    }

    fn put(
        &mut self,
        kind: Kind,
        second: u32,
        (peer_ip, host): (&str, &str),
        envelope_from: Option<&str>,
        to: &[&str],
        draft: &Draft,
    ) {
        self.number += 1;
        let code = self.roll(usize::MAX) as u32;
        let id = format!("{}.{code:08x}@{host}", self.number);
        let at = self.today.plus_secs(i64::from(second));
        let mut raw = Vec::new();
        let local_ip = 10 + self.roll(200);
        raw.extend(format!("Received: from desk{local_ip}.{host} ([192.168.1.{local_ip}]) by {host} with ESMTPSA; {}\r\n", encoding::date(at)).bytes());
        raw.extend(format!("From: {}\r\nTo: {}\r\nSubject: ", draft.from, draft.to).bytes());
        raw.extend_from_slice(&draft.subject);
        raw.extend(
            format!(
                "\r\nDate: {}\r\nMessage-ID: <{id}>\r\nMIME-Version: 1.0\r\n{}\r\n",
                encoding::date(at),
                draft.more
            )
            .bytes(),
        );
        raw.extend_from_slice(&draft.body);
        self.letters.push(Letter {
            kind,
            second,
            peer_ip: peer_ip.to_owned(),
            ptr_name: Some(host.to_owned()),
            helo_name: host.to_owned(),
            account: None,
            envelope_from: envelope_from.map(str::to_owned),
            recipients: to.iter().map(|to| (*to).to_owned()).collect(),
            raw,
        });
    }

    fn last(&mut self) -> &mut Letter {
        let last = self.letters.len() - 1;
        &mut self.letters[last]
    }
}

fn crlf(text: &str) -> Vec<u8> {
    text.replace("\r\n", "\n")
        .replace('\n', "\r\n")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mail::message::Oddity;
    use mail::{Limits, Message};

    use super::*;

    fn today() -> Timestamp {
        Timestamp::parse("2026-11-23").expect("a day")
    }

    #[test]
    fn the_day_is_the_same_every_time_and_in_order() {
        let letters = day(today());
        assert_eq!(letters, day(today()));
        assert!(letters.is_sorted_by_key(|letter| letter.second));
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        for letter in &letters {
            *kinds.entry(letter.kind).or_default() += 1;
        }
        assert_eq!(kinds.len(), 20, "{kinds:?}");
        assert!(letters.len() > 700);
    }

    #[test]
    fn messages_are_well_formed_but_for_those_that_shall_not_be() {
        for letter in day(today()) {
            let message = Message::read(&letter.raw, &Limits::default());
            let broken = [
                Oddity::Unreadable,
                Oddity::BrokenMultipart,
                Oddity::BadEncoding,
                Oddity::NoDate,
                Oddity::FromCount,
                Oddity::BareLineEnding,
            ];
            let odd: Vec<_> = message
                .oddities
                .iter()
                .filter(|oddity| broken.contains(oddity))
                .collect();
            assert!(
                odd.is_empty() || letter.kind == Kind::Broken,
                "{:?} {odd:?}\n{}",
                letter.kind,
                String::from_utf8_lossy(&letter.raw)
            );
            assert!(
                !message.subject.contains('\u{fffd}'),
                "{:?}: {}",
                letter.kind,
                message.subject
            );
            let text: String = message
                .parts
                .iter()
                .filter_map(|part| part.text.as_deref())
                .collect();
            assert!(!text.contains('\u{fffd}'), "{:?}: {text}", letter.kind);
        }
    }

    #[test]
    fn nobody_real_is_named() {
        for letter in day(today()) {
            let ip: std::net::Ipv4Addr = letter.peer_ip.parse().expect("an address");
            let documentation = ["192.0.2.", "198.51.", "203.0.113."]
                .iter()
                .any(|net| letter.peer_ip.starts_with(net));
            assert!(documentation && !ip.is_unspecified(), "{ip}");
            for address in letter.recipients.iter().chain(&letter.envelope_from) {
                assert!(address.ends_with(".example"), "{address}");
            }
        }
    }
}
