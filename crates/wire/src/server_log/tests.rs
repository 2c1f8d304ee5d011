use super::*;

fn noted(line: &str) -> (Option<String>, Option<String>, What) {
    let noted = read(line).unwrap_or_else(|| panic!("nothing noted of {line}"));
    (noted.ip.map(|ip| ip.to_string()), noted.account, noted.what)
}

fn is(line: &str, ip: &str, account: Option<&str>, what: What) {
    let wanted = (Some(ip.to_owned()), account.map(str::to_owned), what);
    assert_eq!(noted(line), wanted, "{line}");
}

const WRONG: What = What::LoginFailed(FailType::Credentials);
const NOBODY: What = What::LoginFailed(FailType::Account);

#[test]
fn dovecot() {
    is(
        "Jun 13 16:30:54 mx dovecot: imap-login: Disconnected (auth failed, 2 attempts): user=<bob>, method=PLAIN, rip=192.0.2.87, lip=198.51.100.1, TLS",
        "192.0.2.87",
        Some("bob"),
        What::LoginsFailed(2),
    );
    is(
        "Jun 12 19:07:29 mx dovecot[241]: managesieve-login: Login aborted: Connection closed (auth failed, 3 attempts in 16 secs) (auth_failed): user=<t@a.example>, method=PLAIN, rip=192.0.2.241, lip=203.0.113.104, TLS, session=<9ZHq02g3J8S60fan>",
        "192.0.2.241",
        Some("t@a.example"),
        What::LoginsFailed(3),
    );
    let good = "2026-11-23T10:00:00.1+00:00 mx dovecot: imap-login: Login: user=<ann>, method=PLAIN, rip=2001:db8::7, lip=2001:db8::1, mpid=7, TLS, session=<abc/DEF+1>";
    is(good, "2001:db8::7", Some("ann"), What::LoggedIn);
    let session = read(good).and_then(|noted| noted.session);
    assert_eq!(session.as_deref(), Some("abc/DEF+1"));
    is(
        "Jan 29 13:54:06 auth-worker(22401): Info: sql(admin@a.example,192.0.2.5,<n4JLdHNVngZGpV2j>): unknown user",
        "192.0.2.5",
        Some("admin@a.example"),
        NOBODY,
    );
    is(
        "Aug 30 00:10:57 auth(info@a.example,192.0.2.110,sasl:login)<CvN+E95Uf4e7eEnj>: Info: sql: Password mismatch (given password: XxxxXXxx123)",
        "192.0.2.110",
        Some("info@a.example"),
        WRONG,
    );
}

#[test]
fn postfix() {
    is(
        "Nov 23 00:00:31 mx postfix/smtpd[6210]: warning: unknown[192.0.2.7]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=alice",
        "192.0.2.7",
        Some("alice"),
        WRONG,
    );
    let taken = "Nov 23 00:00:28 mx postfix/submission/smtpd[6210]: C12911229A8: client=h.example[192.0.2.7], sasl_method=PLAIN, sasl_username=alice";
    is(taken, "192.0.2.7", Some("alice"), What::LoggedIn);
    let id = read(taken).and_then(|noted| noted.queue_id);
    assert_eq!(id.as_deref(), Some("C12911229A8"));
    is(
        "Jul 12 07:47:48 mx postfix/smtpd[8738]: NOQUEUE: reject: RCPT from x.example[192.0.2.4]: 554 5.7.1 <smtp@b.example>: Relay access denied; from=<john@a.example> to=<smtp@b.example> proto=SMTP helo=<198.51.100.17>",
        "192.0.2.4",
        None,
        What::RelayDenied(Address::new("smtp@b.example")),
    );
    is(
        "Aug 13 15:45:46 mx postfix/smtpd[13844]: 00ADB3C0899: reject: RCPT from a.example[192.0.2.1]: 550 5.1.1 <sales@b.example>: Recipient address rejected: User unknown in local recipient table; from=<x@a.example> to=<sales@b.example> proto=ESMTP helo=<mail.a.example>",
        "192.0.2.1",
        None,
        What::UnknownRecipient(Address::new("sales@b.example")),
    );
    is(
        "Dec 23 19:39:13 mx postfix/postscreen[21057]: PREGREET 14 after 0.08 from [192.0.2.2]:59415: EHLO ylmf-pc\\r\\n",
        "192.0.2.2",
        None,
        What::Fault(Fault::Early),
    );
    // Nobody's fault.
    let lost = "Feb  3 08:29:28 mx postfix/smtpd[21022]: warning: unknown[192.0.2.1]: SASL LOGIN authentication failed: Connection lost to authentication server";
    assert_eq!(read(lost), None);
}

#[test]
fn what_became_of_mail() {
    let line = |how: &str| {
        let line = format!(
            "Nov 23 00:00:28 mx postfix/relay/smtp[6552]: C12911229A8: to=<u@b.example>, relay=x[192.0.2.1]:25, delay=0.01, delays=0/0/0.01/0, {how}"
        );
        read(&line).map(|noted| noted.what)
    };
    assert_eq!(
        line("dsn=2.0.0, status=sent (250 2.0.0 Ok)"),
        Some(What::Delivered)
    );
    assert_eq!(
        line("dsn=5.1.1, status=bounced (host x said: 550 5.1.1 no such user)"),
        Some(What::Bounced)
    );
    assert_eq!(
        line("dsn=5.7.1, status=bounced (host x said: 554 5.7.1 looks like SPAM)"),
        Some(What::CalledSpam)
    );
    assert_eq!(
        line("dsn=4.4.1, status=deferred (connection timed out)"),
        None
    );
}

#[test]
fn exim() {
    is(
        "2019-10-22 03:39:17 mx exim[29786]: dovecot_login authenticator failed for (User) [192.0.2.37]: 535 Incorrect authentication data (set_id=test@a.example)",
        "192.0.2.37",
        Some("test@a.example"),
        WRONG,
    );
    is(
        "2024-03-21 09:18:51 H=m05.a.example [192.0.2.21]:43030 I=[198.51.100.2]:25 Ci=7326 CV=no SNI=mail.b.example F=<user@a.example> rejected RCPT <locus@b.example>: relay not permitted",
        "192.0.2.21",
        None,
        What::RelayDenied(Address::new("locus@b.example")),
    );
    is(
        "2026-11-23 10:00:00 1tEabc-00000001abc-1XyZ <= ann@a.example H=(laptop) [192.0.2.7]:4711 P=esmtpsa X=TLS1.3 A=plain_server:ann S=1234",
        "192.0.2.7",
        Some("ann"),
        What::LoggedIn,
    );
}

/// Every one of these was written by a stranger who wanted somebody else to be blamed.
#[test]
fn nobody_is_blamed_by_what_a_stranger_wrote() {
    is(
        "Jun 13 16:30:54 mx dovecot: imap-login: Disconnected (auth failed, 1 attempts): user=<x>, rip=198.51.100.66, lip=1>, method=PLAIN, rip=192.0.2.87, lip=198.51.100.1, TLS",
        "192.0.2.87",
        Some("x>, rip=198.51.100.66, lip=1"),
        What::LoginsFailed(1),
    );
    is(
        "@400000004c91b044077a9e94 dovecot-auth: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=rhost=198.51.100.66 rhost=192.0.2.10",
        "192.0.2.10",
        Some("rhost=198.51.100.66"),
        WRONG,
    );
    is(
        "2017-11-28 14:14:32 SMTP protocol error in \"aUtH lOgIn\" H=(test) [198.51.100.66]\" H=(roxzgj) [192.0.2.6] AUTH command used when not advertised",
        "192.0.2.6",
        None,
        What::Fault(Fault::Cleartext),
    );
    is(
        "2019-10-22 03:39:17 login authenticator failed for (h) [192.0.2.37]: 535 Incorrect authentication data (set_id=x) [198.51.100.66]: 535 Incorrect authentication data (set_id=y)",
        "192.0.2.37",
        Some("x) [198.51.100.66]: 535 Incorrect authentication data (set_id=y"),
        WRONG,
    );
    is(
        "Jul 11 03:06:37 web roundcube: IMAP Error: Login failed for admin from 198.51.100.66 from 192.0.2.4. AUTHENTICATE PLAIN: A0002 NO Login failed. in /x.php on line 205",
        "192.0.2.4",
        Some("admin from 198.51.100.66"),
        WRONG,
    );
    for line in [
        // A HELO that looks like a line of another program.
        "Nov 23 00:00:28 mx postfix/smtpd[6]: connect from dovecot: imap-login: Disconnected (auth failed, 1 attempts): user=<x>, method=PLAIN, rip=198.51.100.66, lip=1",
        "Nov 23 00:00:28 mx postfix/cleanup[6]: C1: message-id=<imap-login: Login: user=<a>, method=PLAIN, rip=198.51.100.66>",
        "Nov 23 00:00:28 mx kernel: dovecot: auth: sql(a,198.51.100.66): unknown user and more",
    ] {
        let read = read(line);
        assert!(
            read.as_ref()
                .is_none_or(|noted| noted.ip != "198.51.100.66".parse().ok()),
            "{line}: {read:?}"
        );
    }
}

#[test]
fn other_lines_say_nothing() {
    for line in [
        "",
        ": ",
        "@",
        "[1:",
        "Nov 23 00:00:28 mx postfix/qmgr[6203]: C12911229A8: removed",
        "Jun 13 20:48:11 mx dovecot: imap(ann)<1><abc>: Logged out in=1 out=2",
        "Aug 31 16:06:06 mx dovecot: imap-login: Disconnected: a: a: a: a: test no match",
        &"x".repeat(LINE_BYTES_MAX + 1),
    ] {
        assert_eq!(read(line), None, "{line}");
    }
}
