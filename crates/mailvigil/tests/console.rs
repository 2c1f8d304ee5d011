//! The console in a real browser, beside a real Postfix.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;
#[path = "bed/web.rs"]
mod web;

use bed::{Bed, PATIENCE, Vigil, Wish, send, stranger, tale, wait_for};
use testkit::browser::{Browser, Look};
use web::{PASSWORD, Web};

fn log_in(vigil: &Vigil) -> Browser {
    let browser = Browser::start().unwrap();
    let link = vigil.say(&["console", "link"]);
    browser.go(link.trim()).unwrap();
    browser.fill("input[name=name]", "ann").unwrap();
    browser.fill("input[name=password]", PASSWORD).unwrap();
    browser.click("button.main").unwrap();
    browser.wait_for_text("h1", "Overview").unwrap();
    browser
}

fn quiet(browser: &Browser) {
    assert_eq!(
        browser.console().unwrap(),
        Vec::<String>::new(),
        "a page complained"
    );
}

#[test]
fn an_administrator_s_day() {
    let mut bed = Bed::start(&Wish::default());
    // Where released mail goes is known since Postfix runs.
    bed.vigil.reload();
    let browser = log_in(&bed.vigil);
    browser.wait_for_text("#live-state", "Following").unwrap();

    // Mail comes, and is seen without loading the page again.
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &tale("A proposal")
        )
        .accepted()
    );
    browser.wait_for_text("#feed li", "A proposal").unwrap();

    // Where is my mail?
    browser.click_text("nav.sections a", "Messages").unwrap();
    browser.fill("input[name=q]", "bob@b.example").unwrap();
    browser.click("button.main").unwrap();
    browser.click_text("td.subject a", "A proposal").unwrap();
    browser.wait_for_text("main", "advance-fee").unwrap();
    let page = browser.text("main").unwrap();
    assert!(
        page.contains("quarantined") && page.contains("What would have changed it"),
        "{page}"
    );
    assert!(
        page.contains("Without") || page.contains("boundary"),
        "{page}"
    );

    // Read it, with a reason; what it was judged by is marked.
    browser.click_text("a.button", "Open there").unwrap();
    browser
        .wait_for_text("main", "This is somebody’s mail")
        .unwrap();
    browser
        .fill(
            "form[action$='/read'] input[name=reason]",
            "Bob asked for it",
        )
        .unwrap();
    browser
        .click_text("form[action$='/read'] button", "Read")
        .unwrap();
    browser.wait_for("pre.mail mark").unwrap();
    assert!(
        browser
            .texts("pre.mail mark")
            .unwrap()
            .iter()
            .any(|marked| marked == "next of kin")
    );

    // Let it go, and see it arrive.
    browser
        .fill(
            "form[action$='/decide'] input[name=reason]",
            "it was Bob's lawyer",
        )
        .unwrap();
    browser
        .click_text("form[action$='/decide'] button", "Release")
        .unwrap();
    browser
        .wait_for_text(".notice.good", "the mail server has it again")
        .unwrap();
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(arrived[0].recipients, ["bob@b.example"]);

    // Another boundary, and the next message is treated by it.
    browser.click_text("nav.sections a", "Policy").unwrap();
    browser.fill("input[name=suspicious]", "60").unwrap();
    browser.fill("input[name=dangerous]", "70").unwrap();
    browser
        .click("form:has(input[name=suspicious]) button.main")
        .unwrap();
    browser
        .wait_for_text(".notice.good", "Version 2 is in force")
        .unwrap();
    bed.vigil.judges_by(2);
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &tale("Another proposal")
        )
        .accepted()
    );
    bed.sink.wait_for(2, PATIENCE).unwrap();

    // And back.
    browser.click_text(".tabs a", "History").unwrap();
    browser
        .click_text("tr:has(button[value='1']) button", "Put in force again")
        .unwrap();
    browser
        .wait_for_text(".notice.good", "Version 3 is in force")
        .unwrap();
    bed.vigil.judges_by(3);
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &tale("A third proposal")
        )
        .accepted()
    );
    let held = wait_for(|| Some(bed.vigil.held()).filter(|held| !held.is_empty())).unwrap();
    assert_eq!(held[0]["subject"], "A third proposal");

    // Many at once: first what it would do, then done.
    browser.click_text("nav.sections a", "Quarantine").unwrap();
    browser.click("input[data-all]").unwrap();
    browser.click("button[value=delete]").unwrap();
    browser
        .wait_for_text("h1", "Delete these messages")
        .unwrap();
    assert!(browser.text("main").unwrap().contains("A third proposal"));
    browser.click("button.main.danger").unwrap();
    browser.wait_for_text(".notice", "1 done, 0 not").unwrap();

    // The auditor's proof.
    browser.click_text("nav.sections a", "Audit").unwrap();
    let log = browser.text("table.list").unwrap();
    for told in [
        "Bob asked for it",
        "it was Bob's lawyer",
        "version 1 → version 2",
        "login",
        "delete",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    browser.click_text("button", "Verify").unwrap();
    browser
        .wait_for_text(".notice.good", "none altered, removed or moved")
        .unwrap();
    assert!(bed.vigil.say(&["audit", "verify"]).contains("whole"));

    // What was never seen is said to be so.
    browser
        .go(&bed.vigil.console("/messages?q=nobody%40nowhere.example"))
        .unwrap();
    browser.wait_for_text("main", "Never seen").unwrap();
    assert!(browser.text("main").unwrap().contains("Records go back to"));
    quiet(&browser);
}

#[test]
fn what_is_wrong_stands_beside_its_place_and_two_do_not_overwrite_each_other() {
    let vigil = Vigil::start(&Wish::default());
    let browser = log_in(&vigil);
    browser.go(&vigil.console("/policy/text")).unwrap();
    let good = browser.value("#text").unwrap();
    let bad = good.replacen("suspicious = 5.0", "suspicious = \"five\"\ncolour = 1", 1);
    browser.set_value("#text", &bad).unwrap();
    browser.click("button[value=apply]").unwrap();
    browser.wait_for("#problems table").unwrap();
    let told = browser.text("#problems").unwrap();
    assert!(
        told.contains("boundaries.suspicious") && told.contains("colour"),
        "{told}"
    );
    assert_eq!(
        browser.value("#text").unwrap(),
        bad,
        "nothing that was typed is lost"
    );
    assert!(
        vigil.say(&["policy", "history"]).lines().count() == 2,
        "the good one stays"
    );

    // What if? There is no mail yet, and it says so.
    browser
        .set_value(
            "#text",
            &good.replacen("dangerous = 20.0", "dangerous = 15.0", 1),
        )
        .unwrap();
    browser.click("button[value=what-if]").unwrap();
    browser
        .wait_for_text("#replay", "0 of 0 recorded messages")
        .unwrap();
    assert!(browser.text(".diff").unwrap().contains("+dangerous = 15.0"));

    // While the page is open, somebody else changes the policy.
    browser.go(&vigil.console("/policy")).unwrap();
    browser.fill("input[name=suspicious]", "6").unwrap();
    vigil.apply(&good.replacen("dangerous = 20.0", "dangerous = 13.0", 1));
    browser
        .click("form:has(input[name=suspicious]) button.main")
        .unwrap();
    browser
        .wait_for_text(".notice.bad", "version 2 is in force by now")
        .unwrap();
    assert_eq!(
        browser.value("input[name=dangerous]").unwrap(),
        "13",
        "and it shows what is now"
    );

    // A rule by a form; a boundary that is none is refused in words.
    browser.click_text("summary", "Add a rule").unwrap();
    browser.fill("input[name=name]", "from-x").unwrap();
    browser.fill("input[name=means]", "It is from X").unwrap();
    browser
        .choose("select[name=field1]", "header-from-domain")
        .unwrap();
    browser.fill("input[name=value1]", "x.example").unwrap();
    browser
        .click("form:has(input[name=means]) button.main")
        .unwrap();
    browser
        .wait_for_text(".notice.good", "Version 3 is in force")
        .unwrap();
    assert!(browser.text("main").unwrap().contains("from-x"));
    browser.fill("input[name=suspicious]", "99").unwrap();
    browser
        .click("form:has(input[name=suspicious]) button.main")
        .unwrap();
    browser
        .wait_for_text(".notice.bad", "is not above suspicious")
        .unwrap();
}

#[test]
fn every_page_is_readable_on_a_telephone_in_the_dark_in_chinese_and_by_keyboard() {
    let bed = Bed::start(&Wish::default());
    for subject in [
        "A proposal",
        "Ein ausserordentlich langer Betreff ohne Ende und ohne Rücksicht auf kleine Bildschirme 会议纪要会议纪要会议纪要",
    ] {
        assert!(
            send(
                bed.postfix.port(),
                &stranger(),
                &["bob@b.example"],
                &tale(subject)
            )
            .accepted()
        );
    }
    let held = wait_for(|| Some(bed.vigil.held()).filter(|held| held.len() == 2)).unwrap();
    let id = held[0]["id"].as_str().unwrap().to_owned();
    let browser = log_in(&bed.vigil);
    let (message, item) = (format!("/messages/{id}"), format!("/quarantine/{id}"));
    let pages = [
        "/",
        "/messages",
        &message,
        "/quarantine",
        &item,
        "/policy",
        "/policy/text",
        "/policy/try",
        "/policy/history",
        "/policy/version/1",
        "/audit",
        "/people",
        "/me",
    ];
    for look in [
        Look {
            width: 360,
            height: 740,
            dark: true,
            ..Look::default()
        },
        Look {
            width: 360,
            height: 740,
            ..Look::default()
        },
        Look {
            width: 2560,
            height: 1300,
            ..Look::default()
        },
        Look {
            dark: true,
            ..Look::default()
        },
    ] {
        browser.look(&look).unwrap();
        for page in pages {
            browser.go(&bed.vigil.console(page)).unwrap();
            let width = browser
                .script("return document.documentElement.scrollWidth", &[])
                .unwrap();
            assert!(
                width.as_u64().unwrap() <= u64::from(look.width),
                "{page} is {width} wide on {}",
                look.width
            );
        }
    }
    quiet(&browser);

    // By keyboard: first the way past the navigation, then along it.
    browser.go(&bed.vigil.console("/audit")).unwrap();
    browser.press("Tab").unwrap();
    assert!(
        browser.focused().unwrap().contains("Skip to the content"),
        "{}",
        browser.focused().unwrap()
    );
    for section in ["Mailvigil", "Overview", "Messages"] {
        browser.press("Tab").unwrap();
        assert!(
            browser.focused().unwrap().contains(section),
            "{}",
            browser.focused().unwrap()
        );
    }

    // In Chinese, by choice.
    browser.go(&bed.vigil.console("/messages")).unwrap();
    browser.choose("select[name=lang]", "zh").unwrap();
    browser.click("footer button").unwrap();
    browser.wait_for_text("h1", "我的邮件在哪里").unwrap();
    browser.go(&bed.vigil.console(&message)).unwrap();
    assert!(
        browser
            .text("main")
            .unwrap()
            .contains("讲述预付款诈骗的故事")
    );
}

/// Whatever a stranger writes: nothing of it runs, loads, or breaks out of its place.
#[test]
fn hostile_mail_does_nothing() {
    let bed = Bed::start(&Wish::default());
    // So wicked that it would be deleted; here it is to be looked at.
    let policy = bed.vigil.say(&["policy", "export"]);
    bed.vigil
        .apply(&policy.replacen("dangerous = \"discard\"", "dangerous = \"quarantine\"", 1));
    let evil = "<script>window.pwned=1</script><img src=x onerror=window.pwned=1>\"'><svg onload=window.pwned=1>";
    let tale = tale("x");
    let body = tale.split_once("\r\n\r\n").unwrap().1;
    let message = format!(
        "From: \"{evil} \u{202e}\" <next@evil.example>\r\nTo: {evil} <bob@b.example>\r\nSubject: {evil} \u{202e}gpj.exe {}\r\nMessage-ID: <{evil}@x>\r\nX-Long: {}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"B\"\r\n\r\n--B\r\nContent-Type: text/plain\r\n\r\n{evil}\r\n{body}\r\n--B\r\nContent-Type: text/html\r\n\r\n<style>@import 'http://127.0.0.1:1/x.css'; body{{display:none}}</style><a href=\"javascript:window.pwned=1\">click</a><a href=\"data:text/html,x\">data</a>{evil}<form action=/logout method=post><input name=csrf></form><meta http-equiv=refresh content=\"0;url=http://127.0.0.1:1/\"><base href=\"http://127.0.0.1:1/\"><iframe srcdoc=\"<script>parent.pwned=1</script>\"></iframe><div style=\"position:fixed;inset:0\">cover</div>\r\n--B\r\nContent-Type: text/html; name=\"{evil}.html\"\r\nContent-Disposition: attachment; filename=\"../../{evil}\u{202e}fdp.exe\"\r\n\r\n<script>window.pwned=1</script>\r\n--B--\r\n",
        "A".repeat(3000),
        "B".repeat(20_000),
    );
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example"],
            &message
        )
        .accepted()
    );
    let held =
        wait_for(|| Some(bed.vigil.held()).filter(|held| !held.is_empty())).expect("it is held");
    let id = held[0]["id"].as_str().unwrap().to_owned();
    let browser = log_in(&bed.vigil);
    let item = format!("/quarantine/{id}");
    browser.go(&bed.vigil.console(&item)).unwrap();
    browser
        .fill("form[action$='/read'] input[name=reason]", "test")
        .unwrap();
    browser
        .click_text("form[action$='/read'] button", "Read")
        .unwrap();
    // Going on before the form has arrived would take it back.
    browser.wait_for("nav.tabs").unwrap();
    let (message, html, source) = (
        format!("/messages/{id}"),
        format!("{item}?view=html"),
        format!("{item}?view=source"),
    );
    for page in [
        "/",
        "/messages",
        &message,
        "/quarantine",
        &item,
        &html,
        &source,
        "/audit",
    ] {
        browser.go(&bed.vigil.console(page)).unwrap();
        let pwned = browser.script("return window.pwned === undefined && document.querySelectorAll('main script, main [onerror], main [onload]').length === 0", &[]).unwrap();
        assert_eq!(pwned, true, "{page}");
        assert!(
            browser.url().unwrap().ends_with(page),
            "{page} led to {}",
            browser.url().unwrap()
        );
        // Direction marks are shown, not obeyed.
        assert!(!browser.html().unwrap().contains('\u{202e}'), "{page}");
    }
    browser.go(&bed.vigil.console(&html)).unwrap();
    browser.frame("iframe.mail").unwrap();
    let frame = browser.html().unwrap();
    for part in [
        "<script",
        "<style",
        "<iframe",
        "<form",
        "<base",
        "http-equiv",
        "href=\"j",
        "onerror=",
        "style=",
    ] {
        assert!(!frame.contains(part), "{part} in {frame}");
    }
    assert!(
        frame.contains("[javascript:window.pwned=1]"),
        "targets are shown: {frame}"
    );
    browser.top().unwrap();
    // The live feed as well.
    browser.go(&bed.vigil.console("/")).unwrap();
    browser.wait_for_text("#live-state", "Following").unwrap();
    let again = format!("From: a@evil.example\r\nSubject: {evil} live\r\n\r\nHello\r\n");
    assert!(send(bed.postfix.port(), &stranger(), &["bob@b.example"], &again).accepted());
    browser.wait_for_text("#feed li", "live").unwrap();
    assert_eq!(browser.script("return window.pwned === undefined && document.querySelectorAll('#feed script, #feed img').length === 0", &[]).unwrap(), true);
    quiet(&browser);
}

#[test]
fn an_owner_sees_and_releases_their_own_copy_only() {
    let mut bed = Bed::start(&Wish::default());
    // Where released mail goes is known since Postfix runs.
    bed.vigil.reload();
    let admin = Web::first(&bed.vigil);
    let bob = admin.person("bob", "owner", "bob@b.example");
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example", "eve@b.example"],
            &tale("For two")
        )
        .accepted()
    );
    let held = wait_for(|| Some(bed.vigil.held()).filter(|held| !held.is_empty())).unwrap();
    let id = held[0]["id"].as_str().unwrap().to_owned();

    let page = bob.get(&format!("/quarantine/{id}")).body;
    assert!(
        page.contains("solicitor"),
        "one's own mail needs no reason: {page}"
    );
    assert!(
        page.contains("bob@b.example") && !page.contains("eve@b.example"),
        "{page}"
    );
    let done = bob.post(&format!("/quarantine/{id}/decide"), &[("act", "release")]);
    assert_eq!(done.status, 303, "{}", done.body);
    let arrived = bed.sink.wait_for(1, PATIENCE).unwrap();
    assert_eq!(
        arrived[0].recipients,
        ["bob@b.example"],
        "Eve's copy is still held"
    );
    assert_eq!(bed.vigil.held().len(), 1);
    assert_eq!(bed.vigil.held()[0]["recipients"][0], "eve@b.example");
    // The rest is not Bob's.
    assert_eq!(bob.get(&format!("/quarantine/{id}")).status, 404);
    assert_eq!(
        bob.post(&format!("/quarantine/{id}/decide"), &[("act", "delete")])
            .status,
        404
    );
    bed.postfix.wait_until_empty(PATIENCE).unwrap();
    assert_eq!(bed.sink.count(), 1);
}

#[test]
fn a_digest_s_link_shows_and_its_button_decides_once() {
    let mut bed = Bed::start(&Wish {
        console: "url = \"http://localhost\"\ndigest_every_hours = 24\ndigest_from = \"quarantine@b.example\"",
        ..Wish::default()
    });
    bed.vigil.reload();
    assert!(
        send(
            bed.postfix.port(),
            &stranger(),
            &["bob@b.example", "eve@b.example"],
            &tale("For two")
        )
        .accepted()
    );
    wait_for(|| Some(bed.vigil.held()).filter(|held| !held.is_empty())).unwrap();
    assert!(
        bed.vigil
            .say(&["console", "digest"])
            .contains("2 digests sent, 0 not")
    );
    let digests = bed.sink.wait_for(2, PATIENCE).unwrap();
    let to_bob = digests
        .iter()
        .find(|mail| mail.recipients == ["bob@b.example"])
        .unwrap();
    let raw = bed::text(&to_bob.without_headers(&[]));
    assert!(
        !raw.contains("Mailvigil-Digest"),
        "our mark stays with us: {raw}"
    );
    let body = raw.split_once("\r\n\r\n").unwrap().1.replace("\r\n", "");
    let letter = bed::text(&data_encoding::BASE64.decode(body.as_bytes()).unwrap());
    assert!(
        letter.contains("For two") && letter.contains("以下邮件"),
        "{letter}"
    );
    let link = letter
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("http://localhost/d/"))
        .unwrap();
    let path = link.strip_prefix("http://localhost").unwrap();

    // A scanner that follows links does nothing by it, however often.
    let nobody = Web::of(&bed.vigil);
    for _ in 0..3 {
        let page = nobody.get(path);
        assert!(
            page.status == 200 && page.body.contains("For two") && !page.body.contains("eve@"),
            "{}",
            page.body
        );
    }
    assert_eq!(bed.vigil.held().len(), 1);
    assert_eq!(
        nobody
            .send(
                "POST",
                path,
                &[("Origin", "https://evil.example")],
                "act=release"
            )
            .status,
        403
    );
    assert_eq!(nobody.send("POST", path, &[], "act=nothing").status, 400);
    let done = nobody.send("POST", path, &[], "act=release");
    assert!(
        done.status == 200 && done.body.contains("on its way"),
        "{}",
        done.body
    );
    let arrived = bed.sink.wait_for(3, PATIENCE).unwrap();
    assert_eq!(arrived[2].recipients, ["bob@b.example"]);
    assert_eq!(nobody.get(path).status, 404, "once");
    assert_eq!(nobody.send("POST", path, &[], "act=delete").status, 404);
    assert_eq!(bed.vigil.held()[0]["recipients"][0], "eve@b.example");
    let acts = bed.vigil.say(&["acts"]);
    assert!(
        acts.contains("by the link of a digest") && acts.contains("bob@b.example"),
        "{acts}"
    );
    assert!(
        bed.vigil
            .say(&["console", "digest"])
            .contains("0 digests sent"),
        "nothing is told twice"
    );
}
