//! Mail that people of the house want, however it is written.

use super::{DOMAIN, Draft, Kind, Maker, crlf};
use crate::demo::encoding::{self, Charset, base64, encoded_word};
use crate::demo::letters::{CHINESE, FRIENDS, LETTERS, NEWSLETTERS, POSTS, RECEIPTS};

impl Maker {
    pub(super) fn letter(&mut self, kind: Kind) {
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

    pub(super) fn newsletter(&mut self, turn: usize) {
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

    pub(super) fn receipt(&mut self, turn: usize) {
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

    pub(super) fn post(&mut self, turn: usize) {
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

    pub(super) fn chinese(&mut self, turn: usize) {
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

    pub(super) fn mixed(&mut self, turn: usize) {
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

    pub(super) fn attachment(&mut self, turn: usize) {
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

    pub(super) fn bounce(&mut self) {
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

    pub(super) fn broken(&mut self, turn: usize) {
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
}
