//! Mail that nobody asked for, and two floods of it.

use super::{DOMAIN, Draft, Kind, Maker, crlf};
use crate::demo::encoding::{Charset, base64, encoded_word};
use crate::demo::letters::{ADVANCE_FEE, EXTORTION, INVOICE_TRADE, OFFERS, PHISHING, STAFF};

impl Maker {
    /// Junk comes from machines without a name, to people it does not name.
    pub(super) fn junk(
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

    pub(super) fn advance_fee(&mut self, turn: usize) {
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

    pub(super) fn phishing(&mut self, turn: usize) {
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

    pub(super) fn extortion(&mut self) {
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

    pub(super) fn harmful_file(&mut self, turn: usize) {
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

    pub(super) fn offer(&mut self, turn: usize) {
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

    pub(super) fn invoice_trade(&mut self, turn: usize) {
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
    pub(super) fn bomb_one(&mut self, turn: usize) {
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
    pub(super) fn bomb_many(&mut self, turn: usize) {
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

    pub(super) fn relay(&mut self, turn: usize) {
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
