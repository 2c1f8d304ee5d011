use mail::{Address, Domain, Envelope, Facts, Limits, Message, Site, Timestamp};

use super::SIGNALS;

const GOOD: &str = "From: Ann <ann@a.example>\nTo: bob@ours.example\nSubject: Lunch on Friday\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <1@a.example>\n\nHi\n";

fn facts(raw: &str) -> Facts {
    let mut envelope = Envelope::new(
        Timestamp::parse("2026-11-23T10:01:00Z").expect("a time"),
        "test",
    );
    envelope.server = "mx.ours.example".to_owned();
    envelope.peer.ip = "192.0.2.7".parse().ok();
    envelope.peer.ptr_name = Some("mail.a.example".to_owned());
    envelope.helo_name = Some("mail.a.example".to_owned());
    envelope.envelope_from = Address::new("ann@a.example");
    envelope.recipients = Address::new("bob@ours.example").into_iter().collect();
    Facts::new(envelope, Message::read(raw.as_bytes(), &Limits::default()))
}

fn site() -> Site {
    Site {
        local_domains: vec![Domain::parse("ours.example").expect("a domain")],
        ..Site::default()
    }
}

fn seen(facts: &Facts) -> Vec<&'static str> {
    SIGNALS
        .iter()
        .filter(|signal| (signal.sees)(facts, &site()).is_some())
        .map(|signal| signal.id)
        .collect()
}

/// `change` replaces a piece of the good message by another.
fn check(change: (&str, &str), expected: &str) {
    assert!(GOOD.contains(change.0), "{change:?}");
    let found = seen(&facts(&GOOD.replace(change.0, change.1)));
    assert!(found.contains(&expected), "{change:?}: {found:?}");
}

fn attached(name: &str) -> String {
    GOOD.replace("\n\nHi\n", &format!("\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nHi\n--x\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"{name}\"\nContent-Transfer-Encoding: base64\n\nAAAA\n--x--\n"))
}

#[test]
fn a_good_message_shows_nothing_and_a_lone_document_little() {
    assert_eq!(seen(&facts(GOOD)), [""; 0]);
    assert_eq!(seen(&facts(&attached("report.pdf"))), ["document-for-text"]);
}

#[test]
fn a_document_that_leads_to_a_shortener_shows_it_unless_it_names_many_places() {
    let with = |links: &[&str]| {
        let mut facts = facts(&attached("statement.pdf"));
        let inside = links.iter().map(|link| {
            let message = facts_of_text(&format!("see {link} now"));
            let mut link = message.links[0].clone();
            link.from = mail::message::LinkFrom::Attachment;
            link
        });
        facts.message.links.extend(inside);
        seen(&facts).contains(&"document-leads-on")
    };
    assert!(with(&["https://bit.ly/3x"]));
    assert!(with(&[
        "https://abc.z13.web.core.windows.net/",
        "https://example.org/"
    ]));
    assert!(!with(&["https://example.org/"]));
    let many = [
        "https://bit.ly/3x",
        "https://a.example/",
        "https://b.example/",
        "https://c.example/",
    ];
    assert!(!with(&many));
    // A link in the letter itself is another matter.
    let lead = GOOD.replace("\n\nHi\n", "\n\nHi https://bit.ly/3x\n");
    assert!(!seen(&facts(&lead)).contains(&"document-leads-on"));
}

fn facts_of_text(text: &str) -> mail::Message {
    facts(&GOOD.replace("\n\nHi\n", &format!("\n\n{text}\n"))).message
}

#[test]
fn each_change_shows_its_signal() {
    check(
        ("Subject", "Reply-To: x@b.example\nSubject"),
        "reply-to-other-domain",
    );
    check(
        ("Subject", "Reply-To: x@gmail.com\nSubject"),
        "reply-to-free-mailbox",
    );
    check(
        ("Ann <", "\"service@bank.example\" <"),
        "name-shows-other-address",
    );
    check(
        ("Ann <ann@a.example>", "Boss <boss@ours.example>"),
        "own-domain-from-outside",
    );
    check(
        ("ann@a.example>", "ann@c.example>"),
        "envelope-from-other-domain",
    );
    check(
        ("From: Ann <ann@a.example>\n", "X: y\n"),
        "no-visible-sender",
    );
    check(("Date: Mon, 23 Nov 2026 10:00:00 +0000\n", ""), "no-date");
    check(("23 Nov 2026", "23 Jan 2027"), "date-far-off");
    check(("23 Nov 2026", "3 Nov 2026"), "date-far-off");
    check(("Message-ID: <1@a.example>\n", ""), "no-message-id");
    check(("<1@a.example>", "<1>"), "malformed-message-id");
    check(("Subject:", "Subject: two\nSubject:"), "repeated-field");
    check(("Lunch", "L\u{fc}nch"), "eight-bit-header");
    check(
        ("Lunch on Friday", "URGENT BUSINESS PROPOSAL"),
        "subject-shouts",
    );
    check(("Lunch on Friday", "Win now!!"), "subject-exclaims");
    check(
        ("Lunch on Friday", "Lower your rate          qx81ab"),
        "subject-gap-code",
    );
    check(
        ("To: bob@ours.example", "To: friends@b.example"),
        "recipient-not-named",
    );
    check(("Hi", "H\0i"), "broken-structure");
}

/// A web page instead of a letter, in place of the body of the good message.
fn page(body: &str) -> String {
    GOOD.split_once("\n\n").unwrap_or((GOOD, "")).0.to_owned()
        + &format!("\nMIME-Version: 1.0\nContent-Type: text/html\n\n{body}\n")
}

#[test]
fn the_look_of_mail_made_by_the_thousand() {
    let many = "word ".repeat(60);
    let shown = |raw: &str| seen(&facts(raw));
    assert_eq!(shown(&page(&format!("<p>{many}</p>"))), ["html-only"]);
    let link = "<a href='https://b.example/x'>here you are</a>";
    assert_eq!(
        shown(&page(link)),
        ["html-only", "few-words-and-a-link", "leads-elsewhere"]
    );
    let picture = format!("{link}<img src='https://c.example/x.png'>");
    assert_eq!(
        shown(&page(&picture)),
        [
            "html-only",
            "few-words-and-a-link",
            "picture-for-text",
            "leads-elsewhere"
        ]
    );
    let named = format!("<p>{many}</p><a href='https://b.example/?to=bob%40ours.example'>here</a>");
    assert!(shown(&page(&named)).contains(&"link-names-recipient"));
    let coded =
        format!("<p>{many}</p><a href='https://b.example/#Ym9iQG91cnMuZXhhbXBsZQ'>here</a>");
    assert!(shown(&page(&coded)).contains(&"link-names-recipient"));
    let hosted = format!("<p>{many}</p><a href='https://bank-login.web.app/x'>here</a>");
    assert!(shown(&page(&hosted)).contains(&"link-open-hosting"));
    check(
        ("Lunch on Friday", "Re: Lunch on Friday"),
        "answer-to-nothing",
    );
    check(("Lunch on Friday", "Lunch \u{1f381}"), "eight-bit-header");
    let pictured = GOOD.replace("Lunch on Friday", "=?utf-8?B?8J+OgQ==?= Lunch");
    assert_eq!(shown(&pictured), ["subject-with-pictures"]);
    check(
        ("Lunch on Friday", "=?utf-8?Q?Lunch_now?="),
        "needless-encoding",
    );
    check(
        ("Lunch on Friday", "Notice for bob@ours.example"),
        "subject-names-recipient",
    );
}

#[test]
fn headers_that_no_mail_program_writes() {
    check(
        ("Subject", "X-MSMail-Priority: Normal\nSubject"),
        "half-a-mailer",
    );
    check(
        (
            "Subject",
            "X-Mailer: Microsoft Outlook Express 6.00\nSubject",
        ),
        "half-a-mailer",
    );
    let whole = "X-Mailer: Microsoft Outlook Express 6.00\nX-MimeOLE: Produced By\nSubject";
    let whole = GOOD.replace("Subject", whole);
    assert_eq!(seen(&facts(&whole)), [""; 0]);
    check(("Subject", "X-Priority: 1\nSubject"), "priority-of-nobody");
    for zone in ["+9000", "-2387", "+0070", "+00"] {
        check(("+0000", zone), "odd-time-zone");
    }
    for zone in ["GMT", "-0330 (NST)", "+0545", "Z"] {
        let zoned = GOOD.replace("+0000", zone);
        assert!(!seen(&facts(&zoned)).contains(&"odd-time-zone"), "{zone}");
    }
    for tail in ["w1yp2q", "xkcdqw", "maHSkhWLRUIpDf"] {
        let subject = format!("Lunch on Friday {tail}");
        check(("Lunch on Friday", &subject), "subject-ends-by-chance");
    }
    for tail in ["IPv6", "JavaScript", "NASA", "2026-11-21", "rhythm"] {
        let subject = GOOD.replace("Friday", tail);
        let shown = seen(&facts(&subject));
        assert!(!shown.contains(&"subject-ends-by-chance"), "{tail}");
    }
}

#[test]
fn who_writes_and_to_whom() {
    let undisclosed = ("To: bob@ours.example", "To: undisclosed-recipients:;");
    check(undisclosed, "recipients-undisclosed");
    let row =
        "To: bob@ours.example, boba@x.example, bobby@x.example, bobo@y.example, bobster@z.example";
    check(("To: bob@ours.example", row), "recipients-in-a-row");
    let second = "ann@gmail.com>\nReply-To: ann.b@yahoo.co.uk";
    check(("ann@a.example>", second), "reply-to-second-mailbox");
    check(("ann@a.example>", "ann@hotmail.fr>"), "from-free-mailbox");
    check(
        ("ann@a.example>", "ann@z9uppzk2wq.com>"),
        "domain-by-chance",
    );
    check(
        (
            "From: Ann <ann@a.example>",
            "From: Voucher, <ann@a.example>",
        ),
        "several-authors",
    );
    let clumsy = GOOD.replace("From: Ann <", "From: Adams, Ann <");
    assert!(!seen(&facts(&clumsy)).contains(&"several-authors"));
    check(
        ("ann@a.example>", "x9r2kq7vbt@a.example>"),
        "mailbox-by-chance",
    );
    check(("ann@a.example>", "ann@a.click>"), "cheap-ending");
    check(("Ann <", "\"Bill 81370478\" <"), "name-with-number");
    let named = GOOD.replace("bob@", "robert.k@");
    let greeted = named.replace("Lunch on Friday", "robert.k, your turn");
    assert!(seen(&facts(&greeted)).contains(&"subject-names-mailbox"));
    // A list that writes its own address as the sender's puts the sender's into Reply-To.
    let by_list = GOOD.replace(
        "From: Ann <ann@a.example>",
        "From: Ann via talk <talk@a.example>\nReply-To: Ann <ann@gmail.com>\nList-Post: <mailto:talk@a.example>",
    );
    assert_eq!(seen(&facts(&by_list)), [""; 0]);
}

#[test]
fn where_a_page_leads() {
    let shown = |body: &str| seen(&facts(&page(body)));
    let many = "word ".repeat(60);
    let links = |hosts: [&str; 3]| {
        let links = hosts.map(|host| format!("<a href='http://{host}/'>x</a> "));
        shown(&format!("{many}{}", links.concat()))
    };
    let dozen = links(["b0d8.c.example", "c404.c.example", "5353.c.example"]);
    assert!(dozen.contains(&"hosts-by-the-dozen"), "{dozen:?}");
    let named = links(["www.c.example", "shop.c.example", "img.c.example"]);
    assert!(!named.contains(&"hosts-by-the-dozen"), "{named:?}");
    let home = links(["b.example", "c.example", "www.a.example"]);
    assert!(!home.contains(&"leads-elsewhere"), "{home:?}");
    let short = links(["bit.ly", "192.0.2.1", "tinyurl.com"]);
    assert!(short.contains(&"hidden-goal-only"), "{short:?}");
    let letter = shown(&format!(
        "{many}<a href='mailto:x@gmail.com?subject=y'>report</a>"
    ));
    assert!(letter.contains(&"writes-to-free-mailbox"), "{letter:?}");
    let trap =
        shown("<a href='http://b.example/'>Claim</a><a href='http://b.example/'>Unsubscribe</a>");
    assert!(trap.contains(&"way-out-is-offer"), "{trap:?}");
    let document = attached("report.pdf");
    assert!(!seen(&facts(&document)).contains(&"executable-attachment"));
}

#[test]
fn long_texts_are_told_by_their_words() {
    for (words, expected) in [
        (300, None),
        (400, Some("longer-letter")),
        (800, Some("long-read")),
        (3500, Some("whole-book")),
    ] {
        let raw = GOOD.replace("\n\nHi\n", &format!("\n\n{}\n", "word ".repeat(words)));
        assert_eq!(seen(&facts(&raw)), Vec::from_iter(expected), "{words}");
    }
}

#[test]
fn a_name_everybody_knows_from_somewhere_else() {
    let with = |name: &str, address: &str| {
        let from = format!("\"{name}\" <{address}>");
        let raw = GOOD.replace("Ann <ann@a.example>", &from) + "https://b.example/login\n";
        seen(&facts(&raw)).contains(&"brand-from-elsewhere")
    };
    assert!(with("PayPal Service", "service@a.example"));
    assert!(with("Your PayP\u{430}l team", "service@a.example"));
    assert!(!with("PayPal Service", "service@intl.paypal.com"));
    assert!(!with("News about Apple", "news@a.example"));
    assert!(with("Apple Support", "news@a.example"));
    assert!(!with("Apple Support", "news@email.apple.com"));
    assert!(with("Ita\u{fa} Cart\u{f5}es", "news@a.example"));
    check(("Ann <", "\"PayPaI Service\" <"), "name-misspelt");
    check(("Lunch on Friday", "Your waIIet"), "name-misspelt");
    check(("Lunch on Friday", "Arnazon order"), "name-misspelt");
    check(("Lunch on Friday", "lRS refund"), "name-misspelt");
    check(("Ann <", "\"Iedger\" <"), "name-misspelt");
    let about = page("<a href='https://b.example/'>look</a>").replace("Lunch", "PayPal");
    assert!(seen(&facts(&about)).contains(&"brand-in-subject"));
}

#[test]
fn attachments_are_told_by_their_names() {
    for (name, expected) in [
        ("setup.EXE", "executable-attachment"),
        ("photo.scr. ", "executable-attachment"),
        ("invoice.pdf.js", "double-extension"),
        ("invoice.pdf.html", "double-extension"),
        ("plan.docm", "macro-document"),
        ("payment.html", "html-attachment"),
        ("order.iso", "disk-image-attachment"),
    ] {
        let found = seen(&facts(&attached(name)));
        assert!(found.contains(&expected), "{name}: {found:?}");
    }
}

#[test]
fn the_way_it_came() {
    let with = |change: &dyn Fn(&mut Facts)| {
        let mut facts = facts(GOOD);
        change(&mut facts);
        seen(&facts)
    };
    assert_eq!(
        with(&|facts| facts.envelope.helo_name = Some("localhost".into())),
        ["helo-is-not-a-name"]
    );
    assert_eq!(
        with(&|facts| facts.envelope.helo_name = Some("192.0.2.7".into())),
        ["helo-is-not-a-name"]
    );
    assert_eq!(
        with(&|facts| facts.envelope.helo_name = Some("[192.0.2.7]".into())),
        [""; 0]
    );
    assert_eq!(
        with(&|facts| facts.envelope.helo_name = Some("ours.example".into())),
        ["helo-is-ours"]
    );
    assert_eq!(
        with(&|facts| facts.envelope.peer.ptr_name = None),
        ["no-ptr-name"]
    );
    assert_eq!(
        with(&|facts| facts.refused_release_mark = Some("not ours".into())),
        ["forged-release-mark"]
    );
}

#[test]
fn names_are_unique() {
    let mut ids: Vec<&str> = SIGNALS.iter().map(|signal| signal.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), SIGNALS.len());
}
