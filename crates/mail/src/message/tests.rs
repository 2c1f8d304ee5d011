//! Messages as they really come: charsets, oddities, hostile input.

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, KOI8_R, SHIFT_JIS, WINDOWS_1252,
};
use proptest::prelude::*;

use super::*;
use crate::Limits;

fn read(raw: impl AsRef<[u8]>) -> Message {
    Message::read(raw.as_ref(), &Limits::default())
}

fn text_of(message: &Message) -> String {
    let texts = message.parts.iter().filter_map(|part| part.text.as_deref());
    texts.collect::<Vec<_>>().join("|")
}

/// A message with a body in some charset under some label.
fn labelled(label: &str, body: &[u8]) -> Vec<u8> {
    let mut raw = b"From: a@b.example\r\nSubject: x\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@b.example>\r\nMIME-Version: 1.0\r\n".to_vec();
    if !label.is_empty() {
        raw.extend(format!("Content-Type: text/plain; charset={label}\r\n").bytes());
    }
    raw.extend(b"Content-Transfer-Encoding: 8bit\r\n\r\n");
    raw.extend(body);
    raw
}

fn encoded(encoding: &'static Encoding, text: &str) -> Vec<u8> {
    encoding.encode(text).0.into_owned()
}

const CHINESE: &str = "我公司有多余发票可优惠代开,增值税普通发票,验证后付款。";
const RUSSIAN: &str = "Здравствуйте, приборы прошли поверку, протокол пришлю завтра.";

#[test]
fn bodies_in_every_charset() {
    let utf16 = |little: bool, mark: bool, text: &str| -> Vec<u8> {
        let units = mark
            .then_some(0xfeff)
            .into_iter()
            .chain(text.encode_utf16());
        units
            .flat_map(|unit| {
                if little {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                }
            })
            .collect()
    };
    let japanese = "お世話になっております。見積書を添付いたしました。";
    for (label, body, expected) in [
        ("gb18030", encoded(GB18030, CHINESE), CHINESE),
        ("gb2312", encoded(GBK, CHINESE), CHINESE),
        ("gbk", encoded(GBK, "镕基喆"), "镕基喆"),
        (
            "big5",
            encoded(BIG5, "關於流量計的訂單"),
            "關於流量計的訂單",
        ),
        ("iso-2022-jp", encoded(ISO_2022_JP, japanese), japanese),
        ("shift_jis", encoded(SHIFT_JIS, japanese), japanese),
        (
            "euc-kr",
            encoded(EUC_KR, "견적을 부탁드립니다"),
            "견적을 부탁드립니다",
        ),
        ("koi8-r", encoded(KOI8_R, RUSSIAN), RUSSIAN),
        (
            "windows-1252",
            encoded(WINDOWS_1252, "Grüße – aus Köln"),
            "Grüße – aus Köln",
        ),
        ("utf-16le", utf16(true, false, "Gerät;Wert"), "Gerät;Wert"),
        ("utf-16be", utf16(false, false, "Gerät;Wert"), "Gerät;Wert"),
        ("utf-16", utf16(true, true, "Gerät;Wert"), "Gerät;Wert"),
        ("", CHINESE.as_bytes().to_vec(), CHINESE),
        ("", encoded(GBK, CHINESE), CHINESE),
        ("us-ascii", encoded(GBK, CHINESE), CHINESE),
        ("iso-8859-1", encoded(GBK, CHINESE), CHINESE),
        ("no-such-charset", CHINESE.as_bytes().to_vec(), CHINESE),
    ] {
        let text = text_of(&read(labelled(label, &body)));
        assert!(text.contains(expected), "{label}: {text}");
    }
}

#[test]
fn headers_in_every_coat() {
    let subject = |value: &[u8]| {
        let mut raw = b"From: =?utf-8?B?546L?= <w@b.example>\r\nSubject: ".to_vec();
        raw.extend(value);
        raw.extend(b"\r\nContent-Type: text/plain; charset=gb2312\r\n\r\n\r\n");
        read(raw).subject
    };
    assert_eq!(subject(b"=?GB2312?B?ztLDxw==?="), "我们");
    assert_eq!(
        subject("=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?= =?utf-8?Q?_K=C3=B6ln?=".as_bytes()),
        "Grüße aus Köln"
    );
    // A character cut in two between words, as many mailers do it.
    let bytes = "发票".as_bytes();
    let halves = [&bytes[..4], &bytes[4..]]
        .map(|half| format!("=?utf-8?B?{}?=", data_encoding::BASE64.encode(half)));
    assert_eq!(
        subject(format!("{}\r\n {}", halves[0], halves[1]).as_bytes()),
        "发票"
    );
    assert_eq!(subject(&encoded(GBK, "代开发票")), "代开发票");
    assert_eq!(subject("Grüße".as_bytes()), "Grüße");
    assert_eq!(subject(b"a =?broken?X?zz?= b =?"), "a =?broken?X?zz?= b =?");
    let message = read(
        "From: \"Ann, the boss\" <ann@a.example>, Bob <bob@b.example>\r\nTo: friends: c@c.example, d@d.example;\r\nReply-To: <>\r\n\r\n",
    );
    let addresses: Vec<_> = message
        .header_from
        .iter()
        .map(|from| from.address.as_ref().map(crate::Address::key))
        .collect();
    assert_eq!(
        addresses,
        [Some("ann@a.example".into()), Some("bob@b.example".into())]
    );
    assert_eq!(
        message.header_from[0].name.as_deref(),
        Some("Ann, the boss")
    );
    assert_eq!(message.header_to.len(), 2);
}

#[test]
fn hops_of_many_kinds_of_software() {
    for (value, helo_name, ptr_name, ip, by) in [
        (
            "from mail.a.example (host.a.example [192.0.2.1]) by mx.b.example (Postfix) with ESMTPS id 4B; Mon, 23 Nov 2026 10:00:00 +0000",
            Some("mail.a.example"),
            Some("host.a.example"),
            Some("192.0.2.1"),
            Some("mx.b.example"),
        ),
        (
            "from mail.a.example (unknown [IPv6:2001:db8::1]) by mx.b.example with ESMTP; Mon, 23 Nov 2026 10:00:00 +0000",
            Some("mail.a.example"),
            None,
            Some("2001:db8::1"),
            Some("mx.b.example"),
        ),
        (
            "from [192.0.2.9] (helo=pc) by mx.b.example with smtp (Exim 4.96)",
            Some("[192.0.2.9]"),
            None,
            Some("192.0.2.9"),
            Some("mx.b.example"),
        ),
        (
            "from out.a.example (192.0.2.8) by mx.b.example (10.233.252.146) with Microsoft SMTP Server (version=TLS1_2) id 15.20.6631.29; Mon, 23 Nov 2026 10:00:00 +0000",
            Some("out.a.example"),
            None,
            Some("192.0.2.8"),
            Some("mx.b.example"),
        ),
        (
            "(qmail 1234 invoked by uid 100); 23 Nov 2026 10:00:00 -0000",
            None,
            None,
            None,
            None,
        ),
        (
            "by 2002:a05:0:0 with SMTP id x; Mon, 23 Nov 2026 02:00:00 -0800 (PST)",
            None,
            None,
            None,
            Some("2002:a05:0:0"),
        ),
    ] {
        let message = read(format!("Received: {value}\r\nFrom: a@b.example\r\n\r\n"));
        let hop = &message.received[0];
        assert_eq!(hop.helo_name.as_deref(), helo_name, "{value}");
        assert_eq!(hop.ptr_name.as_deref(), ptr_name, "{value}");
        assert_eq!(hop.ip.map(|ip| ip.to_string()).as_deref(), ip, "{value}");
        assert_eq!(hop.by.as_deref(), by, "{value}");
    }
}

const MULTIPART: &str = "From: a@b.example\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@b>\r\nSubject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"out\"\r\n\r\n\
--out\r\nContent-Type: multipart/alternative; boundary=\"in\"\r\n\r\n--in\r\nContent-Type: text/plain\r\n\r\nplain words\r\n--in\r\nContent-Type: text/html\r\n\r\n<html><head><style>p{}</style><script>bad()</script></head><body><p>html &amp; words</p></body></html>\r\n--in--\r\n\
--out\r\nContent-Type: text/csv; name=\"a.csv\"\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\ndW5pdDt2YWx1ZQ==\r\n\
--out\r\nContent-Type: application/octet-stream; name=\"readme.txt\"\r\nContent-Transfer-Encoding: base64\r\n\r\naGlkZGVuIHdvcmRz\r\n\
--out\r\nContent-Type: image/png; name=\"p.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n\
--out\r\nContent-Type: message/rfc822\r\n\r\nFrom: c@d.example\r\nSubject: inner subject\r\n\r\ninner words\r\n--out--\r\n";

#[test]
fn all_parts_that_carry_text_are_read() {
    let message = read(MULTIPART);
    let paths: Vec<(&str, Role, bool)> = message
        .parts
        .iter()
        .map(|part| (part.path.as_str(), part.role, part.text.is_some()))
        .collect();
    assert_eq!(message.oddities, []);
    assert_eq!(paths.len(), 7, "{paths:?}");
    let text = text_of(&message);
    for words in [
        "plain words",
        "html & words",
        "unit;value",
        "hidden words",
        "inner subject",
        "inner words",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("bad()"), "{text}");
    let role = |name: &str| {
        message
            .parts
            .iter()
            .find(|part| part.file_name.as_deref() == Some(name))
            .map(|part| part.role)
    };
    assert_eq!(role("a.csv"), Some(Role::Attachment));
    assert_eq!(message.parts[0].role, Role::Body);
    assert!(
        message
            .parts
            .iter()
            .find(|part| part.content_type == "image/png")
            .is_some_and(|part| part.text.is_none())
    );
}

#[test]
fn every_oddity_is_told() {
    use Oddity::*;
    let good = "From: a@b.example\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@b>\r\nSubject: x\r\n";
    let limits = Limits {
        nested_messages_max: 1,
        parts_max: 3,
        headers_max: 20,
        part_text_bytes_max: 2000,
        ..Limits::default()
    };
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(4);
    let parts = "--x\r\n\r\na\r\n".repeat(9);
    for (oddity, raw) in [
        (NoHeader, "\r\njust text\r\n".to_owned()),
        (NulByte, format!("{good}\r\na\0b\r\n")),
        (BareLineEnding, format!("{good}\r\na\nb\r\n")),
        (LongLine, format!("{good}\r\n{}\r\n", "x".repeat(999))),
        (EightBitHeader, format!("{good}X: ü\r\n\r\n")),
        (FromCount, good.replace("From", "Form")),
        (FromCount, format!("{good}From: c@d.example\r\n\r\n")),
        (NoDate, good.replace("23 Nov", "99 Nov")),
        (NoMessageId, good.replace("Message-ID", "X-ID")),
        (RepeatedField, format!("{good}Subject: y\r\n\r\n")),
        (
            UnknownCharset,
            format!("{good}Content-Type: text/plain; charset=klingon\r\n\r\nü\r\n"),
        ),
        (
            BadEncoding,
            format!(
                "{good}Content-Transfer-Encoding: base64\r\n\r\n!!!! not base64 at all ????\r\n"
            ),
        ),
        (
            BrokenMultipart,
            format!("{good}Content-Type: multipart/mixed; boundary=x\r\n\r\nno boundary here\r\n"),
        ),
        (TooDeep, format!("{good}{nested}")),
        (
            TooManyParts,
            format!("{good}Content-Type: multipart/mixed; boundary=x\r\n\r\n{parts}--x--\r\n"),
        ),
        (
            TooManyHeaders,
            format!("{good}{}\r\n", "X: y\r\n".repeat(30)),
        ),
        (Cut, format!("{good}\r\n{}", "many words\r\n".repeat(1000))),
    ] {
        let message = Message::read(raw.as_bytes(), &limits);
        assert!(
            message.oddities.contains(&oddity),
            "{oddity:?}: {:?}\n{raw:.300}",
            message.oddities
        );
    }
    let wrong = read(labelled("utf-8", &encoded(KOI8_R, RUSSIAN)));
    assert!(
        wrong.oddities.contains(&WrongCharset) && text_of(&wrong).contains(RUSSIAN),
        "{}",
        text_of(&wrong)
    );
    assert!(read("").oddities.contains(&Unreadable) || read("").oddities.contains(&NoHeader));
}

/// Runs on a stack far smaller than any thread of the service has.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(512 << 10)
        .spawn(work)
        .expect("a thread");
    thread.join().expect("no panic");
}

#[test]
fn nesting_does_not_reach_the_stack() {
    on_a_small_stack(|| {
        let bomb = "Content-Type: message/rfc822\r\n\r\n".repeat(25_000);
        assert!(bomb.len() > 725_000);
        let message = read(&bomb);
        assert!(message.oddities.contains(&Oddity::TooDeep));
        assert!(message.parts.len() < 50);
        assert!(
            read(bomb.replace("message", "mEsSaGe"))
                .oddities
                .contains(&Oddity::TooDeep)
        );
        let mut multiparts = String::new();
        for level in 0..1000 {
            multiparts.push_str(&format!(
                "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
            ));
        }
        assert!(read(multiparts).parts.len() <= 1000);
    });
}

#[test]
fn very_much_of_anything_is_bounded() {
    let parts = format!(
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n{}",
        "--x\r\n\r\na\r\n".repeat(100_000)
    );
    assert_eq!(read(parts).parts.len(), Limits::default().parts_max);
    let line = format!("Subject: {}\r\n\r\nbody", "y".repeat(10 << 20));
    let message = read(line);
    assert!(message.subject.len() <= Limits::default().header_bytes_max);
    assert!(message.oddities.contains(&Oddity::Cut));
    let hops = "Received: from a by b\r\n".repeat(1000);
    assert_eq!(read(hops).received.len(), Limits::default().hops_max);
    for odd in [
        "",
        "\r\n",
        "\n\n\n",
        ":",
        "a",
        "\0\0\0",
        "From:\r\n",
        " folded\r\n",
        "=?=?=?",
    ] {
        let _ = read(odd);
    }
}

#[test]
fn a_message_torn_anywhere_is_still_read() {
    for end in 0..MULTIPART.len() {
        let message = read(&MULTIPART.as_bytes()[..end]);
        assert_eq!(message.size_bytes as usize, end);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_read(raw: Vec<u8>) {
        let message = read(&raw);
        prop_assert_eq!(message.size_bytes as usize, raw.len());
    }

    #[test]
    fn any_change_to_a_message_is_read(changes in prop::collection::vec((0_usize..MULTIPART.len(), any::<u8>()), 1..40)) {
        let mut raw = MULTIPART.as_bytes().to_vec();
        for (at, byte) in changes {
            raw[at] = byte;
        }
        let message = read(&raw);
        prop_assert!(message.parts.len() <= Limits::default().parts_max);
    }
}

#[test]
fn links_and_hidden_text_are_told_apart() {
    let message = read(
        "From: a@b.example\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n<p>Pay at <a href='http://evil.example.net/'>www.bank.com</a> to bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4</p><p style='display:none'>unseen words</p>\r\n",
    );
    let part = &message.parts[0];
    assert_eq!(
        part.text.as_deref().map(str::trim),
        Some("Pay at www.bank.com to bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
    );
    assert_eq!(part.hidden.as_deref().map(str::trim), Some("unseen words"));
    assert_eq!(message.hidden_words, 2);
    let link = &message.links[0];
    assert_eq!(
        (link.domain.as_str(), link.from, link.oddities.as_slice()),
        (
            "example.net",
            LinkFrom::Anchor,
            &[LinkOddity::ShowsOtherDomain][..]
        )
    );
    assert_eq!(message.contacts[0].kind, ContactKind::Bitcoin);
}

#[test]
fn attached_pages_and_cards_are_read() {
    let message = read(
        "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: application/octet-stream; name=\"invoice.pdf\"\r\n\r\n<html><body><form action='https://evil.example/'>sign in<input type=password></form></body></html>\r\n--B\r\nContent-Type: text/calendar; name=x.ics\r\n\r\nBEGIN:VCALENDAR\r\nSUMMARY:a long sum\r\n mary\\, folded\r\n--B\r\nContent-Type: application/octet-stream; name=\"a.txt .exe\"\r\nContent-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA\r\n--B--\r\n",
    );
    let [page, calendar, program] = message.parts.as_slice() else {
        panic!("{:?}", message.parts)
    };
    assert_eq!(page.findings, [Finding::Disguised, Finding::AsksPassword]);
    assert!(message.links.iter().any(|link| link.from == LinkFrom::Form));
    assert!(
        calendar
            .text
            .as_deref()
            .is_some_and(|text| text.contains("a long summary, folded"))
    );
    assert_eq!(program.findings, [Finding::Program]);
}

#[test]
fn a_plain_text_that_hides_what_the_page_says() {
    let letter = |text: &str, page: &str| {
        let raw = format!(
            "From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/plain\n\n{text}\n--x\nContent-Type: text/html\n\n<p>{page}</p>\n--x--\n"
        );
        let message = Message::read(raw.as_bytes(), &Limits::default());
        message.oddities.contains(&Oddity::AlternativesDiffer)
    };
    let chaff = "twenty different words about gardens and rivers that nobody reads because another page stands beside them with something quite other inside instead tonight";
    assert!(letter(chaff, "Claim the prize at once"));
    assert!(!letter(chaff, &format!("<b>{chaff}</b>")));
    assert!(!letter(
        "Your program shows no pages, see https://b.example/x",
        "Claim the prize"
    ));
}

#[test]
fn marks_of_other_scripts_are_taken_off() {
    let shown = |body: &str| {
        let raw = format!("From: a@b.example\nContent-Type: text/plain; charset=utf-8\n\n{body}\n");
        let message = Message::read(raw.as_bytes(), &Limits::default());
        let text = message.parts[0].text.clone().expect("a text");
        (text.normal().text().to_owned(), message.disguises)
    };
    assert_eq!(
        shown("A\u{73f}m\u{73f}azo\u{73f}n"),
        ("amazon".to_owned(), 3)
    );
    assert_eq!(shown("o\u{338}r\u{338}der"), ("order".to_owned(), 2));
    assert_eq!(shown("m\u{300}"), ("m\u{300}".to_owned(), 0));
}

#[test]
fn words_of_chinese_are_counted_by_their_characters() {
    let words = |body: &str| {
        let raw = format!("From: a@b.example\nContent-Type: text/plain; charset=utf-8\n\n{body}\n");
        Message::read(raw.as_bytes(), &Limits::default()).visible_words
    };
    assert_eq!(words("four words are here"), 4);
    assert_eq!(words("这里有八个汉字 and more"), 5);
}
