//! A day of a small organisation's mail: who writes to whom, in which bytes. The same every time.

use encoding::{Charset, base64, encoded_word};
use mail::Timestamp;

use super::encoding;
use super::letters::{
    ADVANCE_FEE, CHINESE, EXTORTION, FRIENDS, INVOICE_TRADE, LETTERS, NEWSLETTERS, OFFERS,
    PHISHING, POSTS, RECEIPTS, STAFF, THINGS,
};

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

    fn letter(&mut self, kind: Kind) {
        let (staff_name, staff) = self.staff();
        let (name, mailbox, domain) = *self.pick(&FRIENDS);
        let friend = format!("{mailbox}@{domain}");
        let (colleague_name, colleague) = self.staff();
        let (from_name, from, to_name, to) = match kind {
            Kind::Outbound => (staff_name, staff.clone(), name, friend),
            Kind::Internal => (staff_name, staff.clone(), colleague_name, colleague),
            _ => (name, friend, staff_name, staff.clone()),
        };
        let (subject, body) = *self.pick(&LETTERS);
        let subject = self.fill(subject, from_name, to_name);
        let mut body = self.fill(body, from_name, to_name);
        if self.roll(3) == 0 {
            body.push_str("\n> On Monday you wrote:\n> thank you, that helps. I will come back to you about the rest.\n");
        }
        let draft = Draft {
            from: format!("{} <{from}>", encoded_word(from_name)),
            to: format!("{} <{to}>", encoded_word(to_name)),
            subject: encoded_word(&subject).into_bytes(),
            more: "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nUser-Agent: Mozilla Thunderbird\r\n".to_owned(),
            body: crlf(&body),
        };
        let second = self.second();
        let network = 1 + FRIENDS
            .iter()
            .position(|(_, known, _)| *known == mailbox)
            .unwrap_or(0);
        let host = if kind == Kind::Letter {
            format!("mail.{domain}")
        } else {
            format!("pc{}.{DOMAIN}", 10 + self.roll(40))
        };
        let ip = if kind == Kind::Letter {
            format!("192.0.2.{network}")
        } else {
            format!("198.51.100.{}", 10 + self.roll(40))
        };
        self.put(kind, second, (&ip, &host), Some(&from), &[&to], &draft);
        if kind != Kind::Letter {
            self.last().account = from.split('@').next().map(str::to_owned);
        }
    }

    fn newsletter(&mut self, turn: usize) {
        let (name, domain, subject, text) = NEWSLETTERS[turn % NEWSLETTERS.len()];
        let (to_name, to) = self.staff();
        let (subject, text) = (
            self.fill(subject, name, to_name),
            self.fill(text, name, to_name),
        );
        let html = format!(
            "<html><body><h1>{subject}</h1><p>{}</p><p><small>You get this because you subscribed. <a href=\"https://{domain}/unsubscribe\">Unsubscribe</a></small></p></body></html>",
            text.replace('\n', "<br>")
        );
        let boundary = format!("=_news_{turn}");
        let body = format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n--{boundary}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--{boundary}--\r\n",
            base64(html.as_bytes())
        );
        let draft = Draft {
            from: format!("{name} <news@{domain}>"),
            to: to.clone(),
            subject: encoded_word(&subject).into_bytes(),
            more: format!(
                "List-Id: <news.{domain}>\r\nList-Unsubscribe: <https://{domain}/unsubscribe>\r\nPrecedence: bulk\r\nContent-Type: multipart/alternative; boundary=\"{boundary}\"\r\n"
            ),
            body: crlf(&body),
        };
        let second = 6 * 3600 + (turn * 240) as u32;
        self.put(
            Kind::Newsletter,
            second,
            (
                &format!("203.0.113.{}", 10 + turn % NEWSLETTERS.len()),
                &format!("out.{domain}"),
            ),
            Some(&format!("bounce-{turn}@{domain}")),
            &[&to],
            &draft,
        );
    }

    fn receipt(&mut self, turn: usize) {
        let (name, domain, subject, text) = RECEIPTS[turn % RECEIPTS.len()];
        let (to_name, to) = self.staff();
        let draft = Draft {
            from: format!("{name} <no-reply@{domain}>"),
            to: to.clone(),
            subject: encoded_word(&self.fill(subject, name, to_name)).into_bytes(),
            more: "Auto-Submitted: auto-generated\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n".to_owned(),
            body: crlf(&self.fill(text, name, to_name)),
        };
        let second = self.second();
        self.put(
            Kind::Receipt,
            second,
            (
                &format!("203.0.113.{}", 30 + turn % RECEIPTS.len()),
                &format!("mta.{domain}"),
            ),
            Some(&format!("no-reply@{domain}")),
            &[&to],
            &draft,
        );
    }

    fn post(&mut self, turn: usize) {
        let (subject, text) = POSTS[turn % POSTS.len()];
        let (name, mailbox, domain) = *self.pick(&FRIENDS);
        let (_, to) = self.staff();
        let draft = Draft {
            from: format!("{} <{mailbox}@{domain}>", encoded_word(name)),
            to: "flow-users@lists.flowmeter.example".to_owned(),
            subject: subject.as_bytes().to_vec(),
            more: "Sender: flow-users-bounces@lists.flowmeter.example\r\nReply-To: flow-users@lists.flowmeter.example\r\nList-Id: <flow-users.lists.flowmeter.example>\r\nList-Post: <mailto:flow-users@lists.flowmeter.example>\r\nPrecedence: list\r\nContent-Type: text/plain; charset=us-ascii\r\n".to_owned(),
            body: crlf(&self.fill(text, name, "all")),
        };
        let second = self.second();
        self.put(
            Kind::MailingList,
            second,
            ("203.0.113.50", "lists.flowmeter.example"),
            Some("flow-users-bounces@lists.flowmeter.example"),
            &[&to],
            &draft,
        );
    }

    fn chinese(&mut self, turn: usize) {
        let (subject, text) = CHINESE[turn % CHINESE.len()];
        let text = self.fill(text, "王建国", "文");
        let charset = [Charset::Utf8, Charset::Gb18030, Charset::Gbk, Charset::Big5][turn % 4];
        let charset = charset.for_text(&format!("{subject}{text}"));
        let to = [format!("mei.zhang@{DOMAIN}"), format!("li.wen@{DOMAIN}")][turn % 2].clone();
        let raw_subject = turn.is_multiple_of(5);
        let draft = Draft {
            from: "Wang Jianguo <wang@yuanhang.example>".to_owned(),
            to: to.clone(),
            subject: if raw_subject {
                charset.bytes(subject)
            } else {
                charset.word(subject).into_bytes()
            },
            more: format!(
                "Content-Type: text/plain; charset={}\r\nContent-Transfer-Encoding: 8bit\r\n",
                charset.name()
            ),
            body: charset.bytes(&text.replace('\n', "\r\n")),
        };
        let second = self.second();
        self.put(
            Kind::Chinese,
            second,
            ("192.0.2.88", "mail.yuanhang.example"),
            Some("wang@yuanhang.example"),
            &[&to],
            &draft,
        );
    }

    fn mixed(&mut self, turn: usize) {
        let (charset, subject, text): (Charset, &str, &str) = [
            (
                Charset::Iso2022Jp,
                "流量計の見積もり",
                "お世話になっております。\n\n見積書を添付いたしました。ご確認ください。\n\n田中\n",
            ),
            (
                Charset::Koi8R,
                "Отчёт о поверке",
                "Здравствуйте!\n\nПриборы прошли поверку, протокол пришлю завтра.\n\nОльга Петрова\n",
            ),
            (
                Charset::Latin1,
                "Prüfbericht für Müller",
                "Schöne Grüße aus Köln, der Prüfbericht liegt bei. Größe und Gewicht stimmen.\n",
            ),
            (
                Charset::EucKr,
                "견적 요청",
                "안녕하세요.\n\n유량계 세 대의 견적을 부탁드립니다.\n\n감사합니다.\n",
            ),
        ][turn % 4];
        let (name, mailbox, domain) = FRIENDS[turn % FRIENDS.len()];
        let (_, to) = self.staff();
        let boundary = format!("=_mixed_{turn}");
        // A file in UTF-16, as spreadsheets save it, beside a body in the sender's own charset.
        let table = "Gerät;Wert\r\n1;0,25\r\n2;0,31\r\n";
        let mut body = format!("--{boundary}\r\nContent-Type: text/plain; charset={}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", charset.name()).into_bytes();
        body.extend(charset.bytes(&text.replace('\n', "\r\n")));
        body.extend(format!("\r\n--{boundary}\r\nContent-Type: text/csv; charset=utf-16; name=\"werte.csv\"\r\nContent-Disposition: attachment; filename=\"werte.csv\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--{boundary}--\r\n", base64(&encoding::utf16(table))).bytes());
        let draft = Draft {
            from: format!("{} <{mailbox}@{domain}>", encoded_word(name)),
            to: to.clone(),
            subject: charset.word(subject).into_bytes(),
            more: format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n"),
            body,
        };
        let second = self.second();
        self.put(
            Kind::MixedCharset,
            second,
            (
                &format!("192.0.2.{}", 1 + turn % FRIENDS.len()),
                &format!("mail.{domain}"),
            ),
            Some(&format!("{mailbox}@{domain}")),
            &[&to],
            &draft,
        );
    }

    fn attachment(&mut self, turn: usize) {
        let (name, mailbox, domain) = *self.pick(&FRIENDS);
        let (to_name, to) = self.staff();
        let (kind, file, bytes): (&str, &str, Vec<u8>) = [
            ("application/pdf", "certificate.pdf", encoding::small_pdf("Calibration certificate")),
            ("text/calendar; method=REQUEST", "invite.ics", b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nSUMMARY:Acceptance test\r\nDTSTART:20261201T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n".to_vec()),
            ("image/png", "bench.png", encoding::small_png()),
            ("text/csv", "values.csv", b"unit;value\r\n1;0.25\r\n2;0.31\r\n".to_vec()),
            ("message/rfc822", "forwarded.eml", b"From: Eva <eva@fjordkraft.example>\r\nSubject: pump curve\r\nDate: Fri, 20 Nov 2026 09:00:00 +0000\r\n\r\nSee page four.\r\n".to_vec()),
        ][turn % 5]
            .clone();
        let boundary = format!("=_part_{turn}");
        let text = self.fill(
            "Hello {you},\n\nattached is the file for the {thing}, as promised.\n\n{me}\n",
            name,
            to_name,
        );
        let encoded = kind != "message/rfc822";
        let (header, content) = if encoded {
            ("Content-Transfer-Encoding: base64\r\n", base64(&bytes))
        } else {
            ("", String::from_utf8_lossy(&bytes).into_owned())
        };
        let body = format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n--{boundary}\r\nContent-Type: {kind}; name=\"{file}\"\r\nContent-Disposition: attachment; filename=\"{file}\"\r\n{header}\r\n{content}\r\n--{boundary}--\r\n"
        );
        let draft = Draft {
            from: format!("{} <{mailbox}@{domain}>", encoded_word(name)),
            to: format!("{} <{to}>", encoded_word(to_name)),
            subject: encoded_word(&self.fill("Documents for the {thing}", name, to_name))
                .into_bytes(),
            more: format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n"),
            body: crlf(&body),
        };
        let second = self.second();
        let network = 1 + FRIENDS
            .iter()
            .position(|(_, known, _)| *known == mailbox)
            .unwrap_or(0);
        self.put(
            Kind::Attachment,
            second,
            (&format!("192.0.2.{network}"), &format!("mail.{domain}")),
            Some(&format!("{mailbox}@{domain}")),
            &[&to],
            &draft,
        );
    }

    fn bounce(&mut self) {
        let (_, to) = self.staff();
        let draft = Draft {
            from: "Mail Delivery System <MAILER-DAEMON@mail.westcoastlabs.example>".to_owned(),
            to: to.clone(),
            subject: b"Undelivered Mail Returned to Sender".to_vec(),
            more: "Auto-Submitted: auto-replied\r\nContent-Type: text/plain\r\n".to_owned(),
            body: crlf(
                "This is the mail system at host mail.westcoastlabs.example.\n\n<t.brady@westcoastlabs.example>: unknown user\n",
            ),
        };
        let second = self.second();
        self.put(
            Kind::Bounce,
            second,
            ("192.0.2.7", "mail.westcoastlabs.example"),
            None,
            &[&to],
            &draft,
        );
    }

    fn broken(&mut self, turn: usize) {
        let (name, mailbox, domain) = FRIENDS[turn % FRIENDS.len()];
        let (_, to) = self.staff();
        let (more, body): (&str, Vec<u8>) = match turn % 3 {
            // No boundary, an unlabelled 8-bit text, base64 that ends too early.
            0 => (
                "Content-Type: multipart/mixed\r\n",
                crlf("The boundary got lost, but the text is here.\n"),
            ),
            1 => (
                "",
                Charset::Latin1.bytes("Grüße aus der Werkstatt, die Prüfung läuft.\r\n"),
            ),
            _ => (
                "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n",
                crlf("SGVsbG8sIHRoZSByZXN0IHdhcyBj\n"),
            ),
        };
        let draft = Draft {
            from: format!("{} <{mailbox}@{domain}>", encoded_word(name)),
            to: to.clone(),
            subject: b"from the workshop".to_vec(),
            more: more.to_owned(),
            body,
        };
        let second = self.second();
        self.put(
            Kind::Broken,
            second,
            (
                &format!("192.0.2.{}", 1 + turn % FRIENDS.len()),
                &format!("mail.{domain}"),
            ),
            Some(&format!("{mailbox}@{domain}")),
            &[&to],
            &draft,
        );
    }

    /// Junk comes from machines without a name, to people it does not name.
    fn junk(
        &mut self,
        kind: Kind,
        ip: &str,
        sender: (&str, &str),
        subject: Vec<u8>,
        more: &str,
        body: Vec<u8>,
    ) {
        let (_, to) = self.staff();
        let shown = if self.roll(2) == 0 {
            "undisclosed-recipients:;".to_owned()
        } else {
            to.clone()
        };
        let draft = Draft {
            from: format!("{} <{}>", encoded_word(sender.0), sender.1),
            to: shown,
            subject,
            more: more.to_owned(),
            body,
        };
        let second = self.roll(86_400) as u32;
        let host = format!(
            "host-{}.broadband.example",
            ip.rsplit('.').next().unwrap_or("0")
        );
        self.put(kind, second, (ip, &host), Some(sender.1), &[&to], &draft);
        let letter = self.last();
        letter.ptr_name = None;
    }

    fn advance_fee(&mut self, turn: usize) {
        let (name, mailbox, subject, text) = ADVANCE_FEE[turn % ADVANCE_FEE.len()];
        let (subject, text) = (self.fill(subject, name, ""), self.fill(text, name, ""));
        let more = "Reply-To: claims.office.2026@gmail.com\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
        self.junk(
            Kind::AdvanceFee,
            &format!("203.0.113.{}", 100 + turn),
            (name, mailbox),
            encoded_word(&subject).into_bytes(),
            more,
            crlf(&text),
        );
    }

    fn phishing(&mut self, turn: usize) {
        let (name, mailbox, subject, html) = PHISHING[turn % PHISHING.len()];
        let (subject, html) = (self.fill(subject, name, ""), self.fill(html, name, ""));
        let body = base64(format!("<html><body>{html}</body></html>").as_bytes());
        let more =
            "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n";
        self.junk(
            Kind::Phishing,
            &format!("203.0.113.{}", 120 + turn),
            (name, mailbox),
            encoded_word(&subject).into_bytes(),
            more,
            crlf(&body),
        );
    }

    fn extortion(&mut self) {
        let (subject, mailbox, text) = EXTORTION;
        let text = self.fill(text, "", "");
        let ip = format!("203.0.113.{}", 150 + self.roll(20));
        self.junk(
            Kind::Extortion,
            &ip,
            ("Nobody", mailbox),
            subject.as_bytes().to_vec(),
            "Content-Type: text/plain; charset=utf-8\r\n",
            crlf(&text),
        );
    }

    fn harmful_file(&mut self, turn: usize) {
        let (file, subject) = [
            ("invoice_7731.pdf.exe", "Overdue invoice"),
            ("scan.pdf.js", "Scanned document"),
            ("payment.html", "Remittance advice"),
            ("order.docm", "Purchase order"),
            ("delivery.iso", "Proof of payment"),
        ][turn % 5];
        let boundary = format!("=_file_{turn}");
        let body = format!(
            "--{boundary}\r\nContent-Type: text/plain\r\n\r\nDear sir, please find attached the invoice, payment is overdue. Open it immediately.\r\n--{boundary}\r\nContent-Type: application/octet-stream; name=\"{file}\"\r\nContent-Disposition: attachment; filename=\"{file}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--{boundary}--\r\n",
            base64(b"harmless stand-in for a harmful file")
        );
        let more = format!(
            "Reply-To: billing.desk@outlook.com\r\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\r\n"
        );
        self.junk(
            Kind::HarmfulFile,
            &format!("203.0.113.{}", 170 + turn),
            ("Billing", "billing@trade-office.example"),
            subject.as_bytes().to_vec(),
            &more,
            crlf(&body),
        );
    }

    fn offer(&mut self, turn: usize) {
        let (name, mailbox, subject, text) = OFFERS[turn % OFFERS.len()];
        let (subject, text) = (self.fill(subject, name, ""), self.fill(text, name, ""));
        self.junk(
            Kind::Offer,
            &format!("203.0.113.{}", 180 + turn),
            (name, mailbox),
            subject.into_bytes(),
            "Content-Type: text/plain\r\n",
            crlf(&text),
        );
    }

    fn invoice_trade(&mut self, turn: usize) {
        let (subject, text) = INVOICE_TRADE[turn % INVOICE_TRADE.len()];
        let text = self.fill(text, "", "");
        // As it really comes: 8-bit GBK in header and body, labelled with nothing or with a smaller charset.
        let more = if turn.is_multiple_of(2) {
            "Content-Type: text/plain; charset=gb2312\r\nContent-Transfer-Encoding: 8bit\r\n"
        } else {
            ""
        };
        self.junk(
            Kind::InvoiceTrade,
            &format!("203.0.113.{}", 210 + turn),
            ("Chen", "chen@invoice-trade.example"),
            Charset::Gbk.bytes(subject),
            more,
            Charset::Gbk.bytes(&text.replace('\n', "\r\n")),
        );
    }

    /// One machine empties a list over the whole house within minutes.
    fn bomb_one(&mut self, turn: usize) {
        let (_, mailbox) = STAFF[turn % STAFF.len()];
        let to = format!("{mailbox}@{DOMAIN}");
        let draft = Draft {
            from: "Notice <notice@flood.example>".to_owned(),
            to: to.clone(),
            subject: format!("notice {turn}").into_bytes(),
            more: "Content-Type: text/plain\r\n".to_owned(),
            body: crlf("Please read the notice on our page.\n"),
        };
        let second = 11 * 3600 + (turn * 2) as u32;
        self.put(
            Kind::BombOneSource,
            second,
            ("203.0.113.250", "flood.example"),
            Some(&format!("notice{turn}@flood.example")),
            &[&to],
            &draft,
        );
    }

    /// Hundreds of sites are made to write to one mailbox: each message is harmless, together they bury it.
    fn bomb_many(&mut self, turn: usize) {
        let to = format!("anna.lindner@{DOMAIN}");
        let site = format!("club{turn}.example");
        let draft = Draft {
            from: format!("Club {turn} <welcome@{site}>"),
            to: to.clone(),
            subject: format!("Please confirm your subscription to club {turn}").into_bytes(),
            more: format!("List-Unsubscribe: <https://{site}/u>\r\nContent-Type: text/plain\r\n"),
            body: crlf(
                "Somebody, hopefully you, asked to join. Confirm on our page; if it was not you, do nothing.\n",
            ),
        };
        let second = 15 * 3600 + (turn * 3) as u32;
        self.put(
            Kind::BombManySources,
            second,
            (
                &format!("198.51.{}.{}", 100 + turn / 120, 60 + turn % 120),
                &format!("mail.{site}"),
            ),
            Some(&format!("welcome@{site}")),
            &[&to],
            &draft,
        );
    }

    fn relay(&mut self, turn: usize) {
        let draft = Draft {
            from: "test <test@relaytest.example>".to_owned(),
            to: "probe@elsewhere.example".to_owned(),
            subject: b"test".to_vec(),
            more: String::new(),
            body: crlf("relay test\n"),
        };
        let second = (3 * 3600 + turn * 7) as u32;
        self.put(
            Kind::RelayAttempt,
            second,
            ("203.0.113.251", "relaytest.example"),
            Some("test@relaytest.example"),
            &["probe@elsewhere.example"],
            &draft,
        );
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
